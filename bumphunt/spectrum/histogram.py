"""Spectra are histograms of hist: `hist.Hist` with the storage Weight, whose axes are named by their observables.

A spectrum is kept in the positions of a mass axis (`bumphunt.spectrum.axis`), where the resolution varies slowly: the
squared mass [GeV^2] for a recoil mass, which is negative at times, or a mass [GeV]. Bins hold sums of weights
(``values()``) and their variances, the sums of squared weights (``variances()``). What hist does is left to it:
``h * f`` is a spectrum at another luminosity, ``h[a:b]`` some of its bins, ``h1 + h2`` a sum. The functions here
do the rest.

================= =====================================================
fill              events with all variations of their weights -> histogram
window            the bins of a mass window
rebin             coarser bins, without the loss of a count
add               the sum of several spectra
luminosity_factor what simulated spectra are multiplied with
================= =====================================================
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any

import hist
import numpy as np
from numpy.typing import ArrayLike

from bumphunt.errors import InputError

__all__ = ["VARIATION", "add", "fill", "luminosity_factor", "rebin", "window"]

VARIATION = "variation"
"""Name of the axis of the variations of the weights."""


def fill(
    axes: Sequence[Any], positions: Sequence[ArrayLike], *, weights: ArrayLike, variations: Sequence[str]
) -> hist.Hist:
    """Return the histogram of events for all variations of their weights: the first axis, by name of the variation.

    The bin of an event is looked up once; ``hist.Hist.fill`` would do so for each variation, which takes six times as
    long for ten of them.

    Parameters
    ----------
    axes
        Axes of `hist.axis`, A of them; an event outside of one goes to its flow bins, or is left out where it has none.
    positions
        Where the events lie on each axis, A arrays of shape (N,).
    weights
        Weights, shape (V, N).
    variations
        Names of the variations, V of them.

    Raises
    ------
    InputError
        If there are not as many positions as axes and weights as variations.

    Examples
    --------
    >>> axis = hist.axis.Variable([0, 1, 2], name="m")
    >>> fill([axis], [[0.5, 1.5, 1.6, 9.0]], weights=[[1, 2, 2, 1]], variations=["nominal"])["nominal", :].values()
    array([1., 4.])
    """
    w = np.asarray(weights, dtype=np.float64)
    if len(positions) != len(axes) or w.ndim != 2 or w.shape[0] != len(variations):
        msg = (
            f"{len(axes)} axes and {len(variations)} variations, but positions on {len(positions)} axes and weights of"
            f" shape {w.shape}; give one array for each axis, and weights of shape ({len(variations)}, N)"
        )
        raise InputError(msg)
    filled = hist.Hist(
        hist.axis.StrCategory(variations, name=VARIATION, overflow=False), *axes, storage=hist.storage.Weight()
    )
    inside, cell = np.ones(w.shape[1], dtype=np.bool_), np.zeros(w.shape[1], dtype=np.intp)
    for axis, x in zip(axes, positions, strict=True):
        index = axis.index(x) + axis.traits.underflow
        inside &= (index >= 0) & (index < axis.extent)
        cell = cell * axis.extent + index
    kept = np.flatnonzero(inside)
    cell = cell[kept]
    view = filled.view(flow=True)
    shape = view.shape[1:]
    for v, all_weights in enumerate(w):
        chosen = all_weights[kept]
        for part, values in (("value", chosen), ("variance", chosen * chosen)):
            view[part][v] = np.bincount(cell, values, minlength=int(np.prod(shape))).reshape(shape)
    return filled


def window(spectrum: hist.Hist, low: float, high: float) -> hist.Hist:
    """Return the bins whose centres are in [low, high) in the unit of the axis: whole bins, never a part of one.

    Raises
    ------
    InputError
        If the window holds no bin, or reaches beyond the spectrum by more than half a bin.
    """
    (axis,) = spectrum.axes
    first, stop = np.searchsorted(axis.centers, [low, high], side="left")
    edges, widths = axis.edges, axis.widths
    if not (low >= edges[0] - widths[0] / 2 and high <= edges[-1] + widths[-1] / 2):
        msg = f"window [{low}, {high}] reaches outside of the spectrum, [{edges[0]}, {edges[-1]}]"
        raise InputError(msg)
    if stop <= first:
        msg = f"window [{low}, {high}] holds no bin; it must be wider than a bin, {widths[0]:.6g}"
        raise InputError(msg)
    return spectrum[int(first) : int(stop)]


def rebin(spectrum: hist.Hist, factor: int) -> hist.Hist:
    """Return the spectrum with `factor` bins joined into one; a remainder makes a narrower last bin: no count is lost.

    Raises
    ------
    InputError
        If `factor` is not at least 1.
    """
    if factor < 1:
        msg = f"factor = {factor}; it must be at least 1"
        raise InputError(msg)
    whole, rest = divmod(spectrum.axes[0].size, factor)
    return spectrum[:: hist.rebin(groups=[factor] * whole + [rest] * (rest > 0))]


def luminosity_factor(data_luminosity: float, mc_luminosity: float) -> float:
    """Return the factor that brings simulated spectra to the luminosity of the data; both in fb^-1.

    Raises
    ------
    InputError
        If a luminosity is not positive.

    Examples
    --------
    >>> luminosity_factor(50.0, 200.0)
    0.25
    """
    if not (data_luminosity > 0 and mc_luminosity > 0):
        msg = f"luminosities {data_luminosity} and {mc_luminosity} fb^-1; both must be positive"
        raise InputError(msg)
    return data_luminosity / mc_luminosity


def add(spectra: Iterable[hist.Hist]) -> hist.Hist:
    """Return the sum of independent spectra of equal binning: counts and variances add.

    Raises
    ------
    InputError
        If there is none, or the edges differ.
    """
    terms = list(spectra)
    if not terms:
        msg = "no spectra to add; give at least one"
        raise InputError(msg)
    first = terms[0].axes[0].edges
    for term in terms[1:]:
        edges = term.axes[0].edges
        if not np.array_equal(edges, first):
            msg = f"edges differ: {edges.size - 1} bins from {edges[0]} and {first.size - 1} from {first[0]}"
            raise InputError(msg)
    return reduce(operator.add, terms)
