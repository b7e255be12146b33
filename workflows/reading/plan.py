"""What is asked of a region, and what one read of the files gives for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bumphunt.cuts.tensor import HALVES
from bumphunt.errors import InputError, unknown_name
from bumphunt.spectrum.histogram import Spectrum, ascending_edges
from selections.cuts import Cutflow, Selection

__all__ = ["NOMINAL", "CutHistogram", "RegionPlan", "RegionResult", "SampleFiles", "Spectra", "fill_spectra"]

Array = NDArray[np.float64]

NOMINAL = "nominal"
"""Name of the weights with every correction at its value: always the first variation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFiles:
    """What to read for one sample.

    Parameters
    ----------
    files
        ROOT files.
    simulated
        Whether corrections apply: never to data.
    blind
        Positions [low, high) on the axis of a region, by name of the region, whose rows are dropped from it before
        anything is counted, candidates of an event included. Regions that are not named are not blinded.
    """

    files: tuple[Path, ...]
    simulated: bool
    blind: dict[str, tuple[float, float]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RegionPlan:
    """What to fill for one region.

    Parameters
    ----------
    name
        Its name.
    selection
        Cuts before the optimised ones.
    edges
        Bin edges on the axis of the selection [unit of the axis], shape (B + 1,).
    keep
        More observables or variables of passing events that later stages need.
    slices
        An observable or variable, and edges of shape (S + 1,): the spectra are filled in bins of it too. Events
        outside of the edges are left out of the spectra, as those outside of `edges` are.
    fitted
        Whether it is fitted together with the others of which this is so: no row may pass in two of them.

    Raises
    ------
    InputError
        If edges are not ascending.
    """

    name: str
    selection: Selection
    edges: Array
    keep: tuple[str, ...] = ()
    slices: tuple[str, Array] | None = None
    fitted: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "edges", ascending_edges(self.edges))
        if self.slices is not None:
            object.__setattr__(self, "slices", (self.slices[0], ascending_edges(self.slices[1])))

    @property
    def kept(self) -> tuple[str, ...]:
        """Observables or variables of passing events: that of the spectrum first."""
        sliced = () if self.slices is None else (self.slices[0],)
        return tuple(dict.fromkeys((self.selection.spectrum, *sliced, *self.keep)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Spectra:
    """Spectra of one sample in one region, for all variations of the weights, both halves and all slices.

    Parameters
    ----------
    variations
        Names of the variations, V of them, ``nominal`` first.
    edges
        Bin edges on the axis of the region [unit of the axis], shape (B + 1,).
    slice_edges
        Edges of the slices, shape (S + 1,); None where there is one slice that holds everything.
    sum_w, sum_w2
        Sums of weights and of squared weights, shape (V, 2, S, B).

    Raises
    ------
    InputError
        If the shapes do not match.
    """

    variations: tuple[str, ...]
    edges: Array
    slice_edges: Array | None
    sum_w: Array
    sum_w2: Array

    def __post_init__(self) -> None:
        slices = 1 if self.slice_edges is None else self.slice_edges.size - 1
        shape = (len(self.variations), HALVES, slices, self.edges.size - 1)
        for name in ("sum_w", "sum_w2"):
            if np.shape(getattr(self, name)) != shape:
                msg = f"{name} has shape {np.shape(getattr(self, name))}; it must be {shape}"
                raise InputError(msg)

    def __add__(self, other: Spectra) -> Spectra:
        """Return the spectra of both sets of events.

        Raises
        ------
        InputError
            If variations differ.
        """
        if self.variations != other.variations:
            msg = f"spectra of different variations do not add: {self.variations} and {other.variations}"
            raise InputError(msg)
        return Spectra(
            variations=self.variations,
            edges=self.edges,
            slice_edges=self.slice_edges,
            sum_w=self.sum_w + other.sum_w,
            sum_w2=self.sum_w2 + other.sum_w2,
        )

    def spectrum(self, variation: str = NOMINAL, *, half: int | None = None, piece: int | None = None) -> Spectrum:
        """Return one spectrum, at the luminosity of the sample itself.

        Parameters
        ----------
        variation
            Name of the variation.
        half
            Only one half of the events, counted twice, so that it stands for all; None for all events.
        piece
            Number of the slice; None for the sum of all.

        Raises
        ------
        InputError
            If there is no such variation.
        """
        if variation not in self.variations:
            raise InputError(unknown_name("variation", variation, self.variations))
        halves = slice(None) if half is None else slice(half, half + 1)
        pieces = slice(None) if piece is None else slice(piece, piece + 1)
        factor = 1 if half is None else HALVES
        v = self.variations.index(variation)
        return Spectrum(
            edges=self.edges,
            counts=factor * self.sum_w[v, halves, pieces].sum(axis=(0, 1)),
            variances=factor**2 * self.sum_w2[v, halves, pieces].sum(axis=(0, 1)),
        )


def fill_spectra(
    positions: Array,
    sliced: Array | None,
    *,
    half: NDArray[np.int64],
    weights: Array,
    variations: Sequence[str],
    edges: Array,
    slice_edges: Array | None,
) -> Spectra:
    """Return the spectra of events.

    Parameters
    ----------
    positions
        Positions on the axis, shape (N,); those outside of the edges are left out, the last edge is exclusive.
    sliced
        Values of the observable of the slices, shape (N,), likewise; None without slices.
    half
        Half that each event belongs to, shape (N,).
    weights
        Weights of all variations, shape (V, N).
    variations
        Their names.
    edges, slice_edges
        As for `Spectra`.
    """
    bins = edges.size - 1
    inside = (positions >= edges[0]) & (positions < edges[-1])
    slices = 1
    if sliced is not None and slice_edges is not None:
        slices = slice_edges.size - 1
        inside &= (sliced >= slice_edges[0]) & (sliced < slice_edges[-1])
    index = np.flatnonzero(inside)
    flat = half[index] * slices
    if sliced is not None and slice_edges is not None:
        flat += np.searchsorted(slice_edges, sliced[index], side="right") - 1
    flat = flat * bins + np.searchsorted(edges, positions[index], side="right") - 1
    shape = (len(variations), HALVES, slices, bins)
    size = HALVES * slices * bins
    sum_w, sum_w2 = np.empty(shape), np.empty(shape)
    for v, w in enumerate(weights):
        chosen = w[index]
        sum_w[v] = np.bincount(flat, chosen, minlength=size).reshape(shape[1:])
        sum_w2[v] = np.bincount(flat, chosen * chosen, minlength=size).reshape(shape[1:])
    return Spectra(variations=tuple(variations), edges=edges, slice_edges=slice_edges, sum_w=sum_w, sum_w2=sum_w2)


@dataclass(frozen=True, slots=True, kw_only=True)
class CutHistogram:
    """The observable of a cut, of the rows that pass all other cuts.

    Parameters
    ----------
    edges
        Bin edges [unit of the observable], shape (B + 1,).
    sum_w, sum_w2
        Sums of weights and of squared weights, shape (B + 2,): what is below the first edge, the bins, and what is not
        below the last edge.
    """

    edges: Array
    sum_w: Array
    sum_w2: Array

    def __add__(self, other: CutHistogram) -> CutHistogram:
        """Return the histogram of both sets of rows.

        Raises
        ------
        InputError
            If the edges differ.
        """
        if not np.array_equal(self.edges, other.edges):
            msg = f"histograms of different edges do not add: {self.edges} and {other.edges}"
            raise InputError(msg)
        return CutHistogram(edges=self.edges, sum_w=self.sum_w + other.sum_w, sum_w2=self.sum_w2 + other.sum_w2)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionResult:
    """What one sample gave in one region.

    Parameters
    ----------
    cutflow
        What each step leaves: rows with the weights of the ntuple up to the last cut, then events, then events with
        the nominal corrections where there are any.
    spectra
        Spectra of the events that pass.
    n_minus_one
        By name of the cut, its observable after all other cuts, with the nominal corrections; before one candidate an
        event is chosen. Rows that fail the cut may lie beyond what a correction foresees: there it has the value of its
        nearest bin, and 1 where it reads NaN.
    """

    cutflow: Cutflow
    spectra: Spectra
    n_minus_one: dict[str, CutHistogram]
