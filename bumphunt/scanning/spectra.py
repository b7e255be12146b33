"""Spectra: what a scan reads of one region, checked once and cut to a window many times.

Data and expected backgrounds are arrays on one set of edges, whatever histogram they came from: cutting and joining
bins is all that a scan does with them, once a mass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import InputError

__all__ = ["Spectra", "checked_spectra"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spectra:
    """Data and expected backgrounds of one region.

    Parameters
    ----------
    counts
        Observed counts, shape ``(B,)``; None if blinded.
    templates, variances
        Expected counts of each background and their variances, shape ``(K, B)``.
    uncertainties
        Relative uncertainties of their normalisations; None leaves one to the data.
    edges
        Bin edges in the unit of the mass axis, shape ``(B + 1,)``.
    names
        Of the backgrounds, K of them, all different.
    expectation
        Whether the counts are an expectation in place of blinded data: every row of a scan then is "blinded".
    multiplied
        Expected counts and their variances that a smooth background multiplies, shape ``(2, B)``; None for none.
    values
        The values that the counts are of, rising, for unbinned fits; None where they were not kept, or are blinded.
    sidebands
        Whether the counts are blinded data of which each hypothesis may see what lies beside its own peak
        (`bumphunt.scanning.sidebands`).

    Raises
    ------
    InputError
        If shapes disagree, a number is negative or not finite, or two backgrounds have the same name.
    """

    counts: Array | None
    templates: Array
    variances: Array
    uncertainties: tuple[float | None, ...]
    edges: Array
    names: tuple[str, ...]
    expectation: bool = False
    multiplied: Array | None = None
    values: Array | None = None
    sidebands: bool = False

    def __post_init__(self) -> None:
        n_bins, shape = self.edges.size - 1, self.templates.shape
        if self.templates.ndim != 2 or shape[1] != n_bins or self.variances.shape != shape:
            msg = f"{n_bins} bins want templates and variances (K, {n_bins}), got {shape}, {self.variances.shape}"
            raise InputError(msg)
        if len(self.uncertainties) != shape[0]:
            msg = f"{shape[0]} templates want as many relative uncertainties, got {len(self.uncertainties)}"
            raise InputError(msg)
        if len(self.names) != shape[0] or len(set(self.names)) != shape[0]:
            msg = f"{shape[0]} templates want as many different names, got {self.names}"
            raise InputError(msg)
        if n_bins < 1 or not np.all(np.diff(self.edges) > 0.0):
            msg = f"the edges of the spectrum must rise, got {self.edges}"
            raise InputError(msg)
        if self.counts is not None and self.counts.shape != (n_bins,):
            msg = f"{n_bins} bins want counts ({n_bins},), got {self.counts.shape}"
            raise InputError(msg)
        if self.multiplied is not None and self.multiplied.shape != (2, n_bins):
            msg = (
                f"{n_bins} bins want a multiplied template and its variances (2, {n_bins}), got {self.multiplied.shape}"
            )
            raise InputError(msg)
        for name, values in (
            *(("templates", self.templates), ("variances", self.variances), ("counts", self.counts)),
            ("multiplied", self.multiplied),
        ):
            if values is not None and not np.all((values >= 0.0) & (values < np.inf)):
                msg = (
                    f"{name} must be finite and not negative, found {values[~((values >= 0.0) & (values < np.inf))][0]}"
                )
                raise InputError(msg)
        if self.values is not None:
            inside = self.values[(self.values >= self.edges[0]) & (self.values < self.edges[-1])]
            if self.counts is None or inside.size != self.counts.sum() or np.any(np.diff(self.values) < 0.0):
                counted = "no" if self.counts is None else f"{self.counts.sum():g}"
                msg = f"the values must rise and be those that are counted, got {inside.size} for {counted} counts"
                raise InputError(msg)
        for value in self.uncertainties:
            if value is not None and not 0.0 <= value < np.inf:
                msg = f"relative uncertainties must be numbers >= 0, or None for a free normalisation, got {value}"
                raise InputError(msg)

    @property
    def blinded(self) -> bool:
        """Whether nothing that was observed is here."""
        return self.counts is None or self.expectation or self.sidebands

    def without_templates(self) -> Spectra:
        """Return the data alone, for a smooth background."""
        nothing = np.empty((0, self.edges.size - 1))
        return replace(self, templates=nothing, variances=nothing, uncertainties=(), names=())

    def cut(self, window: Array) -> Spectra:
        """Return the spectra in the bins of a window, whose edges are a subset of theirs."""
        cuts = np.searchsorted(self.edges, window)
        return replace(
            self,
            counts=None if self.counts is None else _joined(self.counts, cuts),
            templates=_joined(self.templates, cuts),
            variances=_joined(self.variances, cuts),
            multiplied=None if self.multiplied is None else _joined(self.multiplied, cuts),
            edges=window,
            values=None if self.values is None else self.values[slice(*np.searchsorted(self.values, window[[0, -1]]))],
        )

    def counts_in(self, window: Array) -> Array | None:
        """Return the counts in the bins of a window, as `cut` does."""
        return None if self.counts is None else _joined(self.counts, np.searchsorted(self.edges, window))


def _joined(values: Array, cuts: NDArray[np.intp]) -> Array:
    """Return the sums of bins between cuts, ``(..., B)`` to ``(..., C - 1)``."""
    inside = values[..., cuts[0] : cuts[-1]]
    return np.asarray(np.add.reduceat(inside, cuts[:-1] - cuts[0], axis=-1))


def checked_spectra(
    counts: ArrayLike | None,
    templates: ArrayLike,
    variances: ArrayLike,
    uncertainties: Sequence[float | None],
    edges: ArrayLike,
    names: Sequence[str] | None = None,
    *,
    expectation: bool = False,
    multiplied: Array | None = None,
    values: ArrayLike | None = None,
    sidebands: bool = False,
) -> Spectra:
    """Return `Spectra` of anything like arrays, values in any order; unnamed backgrounds are ``background_0``, ..."""
    x = np.asarray(edges, dtype=np.float64)
    t = np.asarray(templates, dtype=np.float64).reshape(-1, x.size - 1)
    return Spectra(
        counts=None if counts is None else np.asarray(counts, dtype=np.float64),
        templates=t,
        variances=np.asarray(variances, dtype=np.float64).reshape(-1, x.size - 1),
        uncertainties=tuple(uncertainties),
        edges=x,
        names=tuple(f"background_{k}" for k in range(t.shape[0])) if names is None else tuple(names),
        expectation=expectation,
        multiplied=multiplied,
        values=None if values is None else np.sort(np.asarray(values, dtype=np.float64)),
        sidebands=sidebands,
    )
