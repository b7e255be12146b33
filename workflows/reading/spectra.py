"""The spectra of one sample in one region: one histogram for all variations of the weights, halves and slices.

Its axes are the variation, the half of the events (`selections.events.half_sample`), the slice where there are slices
in a second observable, and the observables of the spectrum: one, or several. Events outside of the slices are left out;
those outside of the spectrum are in its flow bins.

================= =====================================================
spectra_axes      the axes of a region, but for that of the variations
fill_spectra      events -> spectra
joined_variations spectra with the variations of several
variations        names of the variations that spectra have
spectrum_of       spectra -> one spectrum of one axis
================= =====================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import hist
import numpy as np
from numpy.typing import NDArray

from bumphunt.cuts.tensor import HALVES
from bumphunt.errors import InputError, unknown_name
from bumphunt.spectrum.histogram import VARIATION, fill

__all__ = ["NOMINAL", "RESERVED", "fill_spectra", "joined_variations", "spectra_axes", "spectrum_of", "variations"]

Array = NDArray[np.float64]

NOMINAL = "nominal"
"""Name of the weights with every correction at its value: always the first variation."""
HALF = "half"
"""Name of the axis of the halves of the events."""
SLICE = "slice"
"""Name of the axis of the slices, whose label is their observable."""
RESERVED = (VARIATION, HALF, SLICE)
"""Names of axes that the observable of a spectrum may not have."""


def spectra_axes(
    observable: str,
    edges: Array,
    slices: tuple[str, Array] | None = None,
    others: Sequence[tuple[str, Array]] = (),
) -> list[Any]:
    """Return the axes of spectra, but for that of the variations.

    Parameters
    ----------
    observable
        What the spectrum is of.
    edges
        Bin edges on the axis of the region [unit of the axis], shape (B + 1,).
    slices
        Another observable and edges of shape (S + 1,); None without slices.
    others
        More observables of the spectrum, each with its edges.
    """
    axes = [hist.axis.Integer(0, HALVES, name=HALF, flow=False)]
    if slices is not None:
        axes.append(hist.axis.Variable(slices[1], name=SLICE, label=slices[0], flow=False))
    return [*axes, *(hist.axis.Variable(x, name=name) for name, x in ((observable, edges), *others))]


def fill_spectra(
    positions: Array,
    sliced: Array | None,
    *,
    half: NDArray[np.int64],
    weights: Array,
    variations: Sequence[str],
    axes: Sequence[Any],
    others: Sequence[Array] = (),
) -> hist.Hist:
    """Return the spectra of events.

    Parameters
    ----------
    positions
        Positions on the axis, shape (N,).
    sliced
        Values of the observable of the slices, shape (N,); None without slices.
    half
        Half that each event belongs to, shape (N,).
    weights
        Weights of all variations, shape (V, N).
    variations
        Their names.
    axes
        See `spectra_axes`.
    others
        Values of the other observables of the spectrum, each of shape (N,).
    """
    values = [half, positions] if sliced is None else [half, sliced, positions]
    return fill(axes, [*values, *others], weights=weights, variations=variations)


def joined_variations(parts: Sequence[hist.Hist]) -> hist.Hist:
    """Return spectra with the variations of several, which have the same other axes, one after the other.

    Parameters
    ----------
    parts
        See `fill_spectra`; at least one.
    """
    if len(parts) == 1:
        return parts[0]
    names = [name for part in parts for name in variations(part)]
    axis = hist.axis.StrCategory(names, name=VARIATION, overflow=False)
    joined = hist.Hist(axis, *parts[0].axes[1:], storage=hist.storage.Weight())
    joined.view(flow=True)[...] = np.concatenate([part.view(flow=True) for part in parts])
    return joined


def variations(spectra: hist.Hist) -> tuple[str, ...]:
    """Return the names of the variations of spectra, ``nominal`` first."""
    return tuple(spectra.axes[VARIATION])


def spectrum_of(
    spectra: hist.Hist, variation: str = NOMINAL, *, half: int | None = None, piece: int | None = None
) -> hist.Hist:
    """Return one spectrum, at the luminosity of the sample itself: a histogram with the axes of its observables.

    Parameters
    ----------
    spectra
        See `fill_spectra`.
    variation
        Name of the variation.
    half
        Only one half of the events, counted twice, so that it stands for all; None for all events.
    piece
        Number of the slice; None for the sum of all.

    Raises
    ------
    InputError
        If there is no such variation, or a content is not finite.
    """
    known = variations(spectra)
    if variation not in known:
        raise InputError(unknown_name("variation", variation, known))
    cell: list[Any] = [known.index(variation), sum if half is None else half]
    if SLICE in spectra.axes.name:
        cell.append(sum if piece is None else piece)
    found = spectra[(*cell, *(slice(None) for _ in range(spectra.ndim - len(cell))))]
    if half is not None:
        found *= HALVES
    for name, content in (("counts", found.values()), ("variances", found.variances())):
        if not np.all(np.isfinite(content)):
            bad = content[~np.isfinite(content)][0]
            msg = f"{name} of the variation {variation!r} holds {bad}; every bin must be finite"
            raise InputError(msg)
    return found
