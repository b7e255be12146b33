"""Overtraining of optimised cuts: what the half of the events that chose them promises, and what the other half gives.

Both halves are simulated events of the same kind, so a figure of merit that is larger on the choosing half, beyond the
Monte Carlo errors of the two, is one that the cuts owe to fluctuations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bumphunt.cuts.best import FigureOfMerit, Resolution, window_share
from bumphunt.cuts.table import CutTable
from bumphunt.cuts.tensor import CHOOSING, QUOTING, CountTensor, VetoAxis
from bumphunt.cuts.yields import SignalPoint, Yields, yields_at
from bumphunt.errors import InputError

__all__ = ["Overtraining", "overtraining"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overtraining:
    """Figures of merit on both halves, mass bin by mass bin.

    Parameters
    ----------
    masses
        Masses at the centres of the bins [GeV], shape (M,).
    choosing, quoting
        Figure of merit on the half that chose the cuts and on the other one, shape (M,).
    choosing_error, quoting_error
        Their Monte Carlo errors, shape (M,).
    """

    masses: Array
    choosing: Array
    quoting: Array
    choosing_error: Array
    quoting_error: Array

    @property
    def ratio(self) -> Array:
        """Quoting over choosing, shape (M,); NaN where the choosing half has no merit."""
        return np.divide(self.quoting, self.choosing, out=np.full_like(self.quoting, np.nan), where=self.choosing > 0)

    @property
    def ratio_error(self) -> Array:
        """Monte Carlo error of the ratio, shape (M,)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = np.hypot(self.choosing_error / self.choosing, self.quoting_error / self.quoting)
        return np.asarray(self.ratio * relative)

    @property
    def loss(self) -> float:
        """Mean over the mass bins of 1 - ratio: how much of the promised figure of merit is fluctuation."""
        return float(np.mean(1.0 - self.ratio[self._usable]))

    @property
    def loss_error(self) -> float:
        """Monte Carlo error of the loss."""
        errors = self.ratio_error[self._usable]
        return float(np.sqrt(np.sum(errors**2)) / errors.size)

    @property
    def _usable(self) -> NDArray[np.bool_]:
        """Bins in which both halves have a figure of merit, shape (M,)."""
        return (self.choosing > 0) & (self.quoting > 0)

    def to_columns(self) -> dict[str, list[float]]:
        """Return the numbers as columns of a table, one row a mass bin."""
        names = ("masses", "choosing", "choosing_error", "quoting", "quoting_error", "ratio", "ratio_error")
        return {name: [float(x) for x in getattr(self, name)] for name in names}


def overtraining(
    backgrounds: Sequence[CountTensor],
    signals: Sequence[SignalPoint],
    table: CutTable,
    *,
    resolution: Resolution,
    merit: FigureOfMerit,
    window: float = 2.0,
) -> Overtraining:
    """Return the figure of merit of a cut table on both halves of the events, with Monte Carlo errors.

    Parameters
    ----------
    backgrounds, signals, resolution, merit, window
        As for `bumphunt.cuts.best.best_cuts`, which made the table.
    table
        The cuts, as steps.

    Raises
    ------
    InputError
        If the bins, observables or bounds of the table are not those of the tensors.

    Notes
    -----
    The errors are those of efficiency and background, through the derivatives of the figure of merit. Each half by
    itself is unbiased for fixed cuts; the same events chose the cuts in the first, so its error says how far a
    fluctuation could carry it.
    """
    axes = backgrounds[0].axes
    wanted = list(zip(table.names, table.sides, strict=True))
    if not np.array_equal(table.edges, backgrounds[0].edges) or wanted != [(axis.name, axis.side) for axis in axes]:
        msg = f"the table has other bins, observables or sides ({', '.join(table.names)}) than the tensors"
        raise InputError(msg)
    cells = np.stack([_positions(axis, table.bounds[:, i]) for i, axis in enumerate(axes)], axis=-1)
    share = window_share(table.edges, resolution, window=window, axis=table.axis)
    values, errors = [], []
    for half in (CHOOSING, QUOTING):
        found = yields_at(cells, backgrounds, signals, half, masses=table.masses, share=share)
        values.append(merit(found.efficiency, found.background, found.background_error))
        errors.append(_merit_error(merit, found))
    return Overtraining(
        masses=table.masses,
        choosing=values[0],
        quoting=values[1],
        choosing_error=errors[0],
        quoting_error=errors[1],
    )


def _positions(axis: VetoAxis, bounds: Array) -> NDArray[np.intp]:
    """Return the indices of bounds among the thresholds of an axis, shape (M,)."""
    index = np.abs(axis.thresholds - bounds[:, np.newaxis]).argmin(axis=1)
    if not np.allclose(axis.thresholds[index], bounds, rtol=1e-5, atol=1e-9):
        msg = f"bounds {bounds.tolist()} on {axis.name} are not among the thresholds {axis.thresholds.tolist()}"
        raise InputError(msg)
    return index


def _merit_error(merit: FigureOfMerit, found: Yields) -> Array:
    """Return the Monte Carlo error of the figure of merit, shape (M,)."""
    b, sigma = found.background, found.background_error
    up, down = (merit(found.efficiency, np.maximum(b + step, 0.0), sigma) for step in (sigma, -sigma))
    # every figure of merit is proportional to the efficiency
    by_efficiency = merit(found.efficiency_error, b, sigma)
    return np.hypot((up - down) / 2, by_efficiency)
