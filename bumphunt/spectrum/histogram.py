"""Spectra: filling, cutting a window, rebinning, scaling, adding.

A spectrum is kept in the positions of a mass axis (`bumphunt.spectrum.axis`), where the resolution varies slowly: the
squared mass [GeV^2] for a recoil mass, which is negative at times, or a mass [GeV]. Bins hold sums of weights and their
variances (sums of squared weights).

================= =====================================================
fill              arrays -> spectrum
window            the bins of a mass window
rebin             coarser bins
scale             to another luminosity: the one place where that is done
add               the sum of several spectra
================= =====================================================
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import InputError

__all__ = ["Spectrum", "add", "fill", "luminosity_factor", "rebin", "scale", "window"]

Array = NDArray[np.float64]


def ascending_edges(edges: ArrayLike) -> Array:
    """Return bin edges as an array, shape (B + 1,).

    Raises
    ------
    InputError
        If there are fewer than two, or they are not finite and strictly ascending.
    """
    e = np.asarray(edges, dtype=np.float64)
    if e.ndim != 1 or e.size < 2 or not np.all(np.isfinite(e)) or not np.all(np.diff(e) > 0):
        msg = f"edges = {e}; they must be at least two finite, strictly ascending numbers"
        raise InputError(msg)
    return e


@dataclass(frozen=True, slots=True, kw_only=True)
class Spectrum:
    """A histogram in the positions of a mass axis.

    Parameters
    ----------
    edges
        Bin edges in the unit of the axis, shape (B + 1,), strictly ascending.
    counts
        Sum of weights in each bin, shape (B,).
    variances
        Sum of squared weights in each bin, shape (B,).

    Raises
    ------
    InputError
        If the edges are not ascending, the shapes do not match, a content is not finite, or a variance is negative.
    """

    edges: Array
    counts: Array
    variances: Array

    def __post_init__(self) -> None:
        edges = ascending_edges(self.edges)
        object.__setattr__(self, "edges", edges)
        for name in ("counts", "variances"):
            content = np.asarray(getattr(self, name), dtype=np.float64)
            if content.shape != (edges.size - 1,):
                msg = f"{name} has shape {content.shape}; {edges.size} edges need ({edges.size - 1},)"
                raise InputError(msg)
            if not np.all(np.isfinite(content)):
                msg = f"{name} holds {content[~np.isfinite(content)][0]}; every bin must be finite"
                raise InputError(msg)
            object.__setattr__(self, name, content)
        if np.any(self.variances < 0):
            msg = f"variances holds {self.variances.min()}; a variance must not be negative"
            raise InputError(msg)

    @property
    def n_bins(self) -> int:
        """Number of bins B."""
        return int(self.counts.size)

    @property
    def centres(self) -> Array:
        """Bin centres in the unit of the axis, shape (B,)."""
        return np.asarray((self.edges[1:] + self.edges[:-1]) / 2)

    @property
    def widths(self) -> Array:
        """Bin widths in the unit of the axis, shape (B,)."""
        return np.diff(self.edges)

    @property
    def total(self) -> float:
        """Sum of weights over all bins."""
        return float(self.counts.sum())


def fill(positions: ArrayLike, edges: ArrayLike, *, weights: ArrayLike | None = None) -> Spectrum:
    """Return the spectrum of positions on a mass axis.

    Parameters
    ----------
    positions
        One an event, in the unit of the axis, shape (N,); those outside the edges are left out, the last edge is
        exclusive.
    edges
        Bin edges in the unit of the axis, shape (B + 1,).
    weights
        Event weights, shape (N,); 1 unless given.

    Raises
    ------
    InputError
        If a position or weight is NaN, the shapes differ, or the edges are not ascending.

    Examples
    --------
    >>> fill([0.5, 1.5, 1.6, 9.0], [0, 1, 2], weights=[1, 2, 2, 1]).counts
    array([1., 4.])
    """
    e = ascending_edges(edges)
    x = np.asarray(positions, dtype=np.float64)
    w = np.ones_like(x) if weights is None else np.asarray(weights, dtype=np.float64)
    if x.ndim != 1 or w.shape != x.shape:
        msg = f"positions have the shape {x.shape} and weights {w.shape}; both must be (N,)"
        raise InputError(msg)
    if np.any(np.isnan(x)) or np.any(np.isnan(w)):
        msg = f"{np.count_nonzero(np.isnan(x) | np.isnan(w))} of {x.size} entries have a NaN position or weight"
        raise InputError(msg)
    inside = (x >= e[0]) & (x < e[-1])
    index = np.searchsorted(e, x[inside], side="right") - 1
    w = w[inside]
    return Spectrum(
        edges=e,
        counts=np.bincount(index, w, minlength=e.size - 1).astype(np.float64),
        variances=np.bincount(index, w * w, minlength=e.size - 1).astype(np.float64),
    )


def window(spectrum: Spectrum, low: float, high: float) -> Spectrum:
    """Return the bins whose centres are in [low, high) in the unit of the axis: whole bins, never a part of one.

    Raises
    ------
    InputError
        If the window holds no bin, or reaches beyond the spectrum by more than half a bin.
    """
    centres = spectrum.centres
    first, stop = np.searchsorted(centres, [low, high], side="left")
    edges = spectrum.edges
    half_first, half_last = (edges[1] - edges[0]) / 2, (edges[-1] - edges[-2]) / 2
    if not (low >= edges[0] - half_first and high <= edges[-1] + half_last):
        msg = f"window [{low}, {high}] reaches outside of the spectrum, [{edges[0]}, {edges[-1]}]"
        raise InputError(msg)
    if stop <= first:
        msg = f"window [{low}, {high}] holds no bin; it must be wider than a bin, {spectrum.widths[0]:.6g}"
        raise InputError(msg)
    return Spectrum(
        edges=edges[first : stop + 1], counts=spectrum.counts[first:stop], variances=spectrum.variances[first:stop]
    )


def rebin(spectrum: Spectrum, factor: int) -> Spectrum:
    """Return the spectrum with `factor` bins joined into one; a remainder makes a narrower last bin: no count is lost.

    Raises
    ------
    InputError
        If `factor` is not at least 1.
    """
    if factor < 1:
        msg = f"factor = {factor}; it must be at least 1"
        raise InputError(msg)
    starts = np.arange(0, spectrum.n_bins, factor)
    return Spectrum(
        edges=np.append(spectrum.edges[starts], spectrum.edges[-1]),
        counts=np.add.reduceat(spectrum.counts, starts),
        variances=np.add.reduceat(spectrum.variances, starts),
    )


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


def scale(spectrum: Spectrum, factor: float) -> Spectrum:
    """Return the spectrum times `factor`; the variances go with its square.

    Raises
    ------
    InputError
        If the factor is negative or not finite.
    """
    if not (np.isfinite(factor) and factor >= 0):
        msg = f"factor = {factor}; it must be finite and not negative"
        raise InputError(msg)
    return Spectrum(edges=spectrum.edges, counts=spectrum.counts * factor, variances=spectrum.variances * factor**2)


def add(spectra: Iterable[Spectrum]) -> Spectrum:
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
    for term in terms[1:]:
        if not np.array_equal(term.edges, terms[0].edges):
            msg = (
                f"edges differ: {term.n_bins} bins from {term.edges[0]} and {terms[0].n_bins} from {terms[0].edges[0]}"
            )
            raise InputError(msg)
    return Spectrum(
        edges=terms[0].edges,
        counts=np.sum([t.counts for t in terms], axis=0),
        variances=np.sum([t.variances for t in terms], axis=0),
    )
