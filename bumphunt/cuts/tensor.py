"""Weighted count tensors: mass bin x veto observables, for the optimisation of cuts.

A `CountTensor` holds sums of weights and of squared weights in bins of a mass axis and of each veto observable, apart
for two halves of the events. Summed from the tightest bound along the veto axes (`passing`) it holds the yield of every
combination of bounds. Tensors of chunks and files add up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import InputError
from bumphunt.spectrum.axis import ascending_edges

__all__ = [
    "CHOOSING",
    "HALVES",
    "QUOTING",
    "CountTensor",
    "Side",
    "VetoAxis",
    "fill_tensor",
    "passing",
    "satisfies",
    "veto_axis",
]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Side = Literal["above", "below"]
"""Where an observable must be to pass a bound: a lower bound asks for what is above it, an upper one for below."""

CHOOSING = 0
"""Index of the half of the events that chooses the cuts."""
QUOTING = 1
"""Index of the half of the events on which they are quoted."""
HALVES = 2
"""Number of halves."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VetoAxis:
    """Candidate bounds on one side of one observable.

    Parameters
    ----------
    name
        Name of the observable.
    thresholds
        Bounds, inclusive [unit], shape (n,), from the loosest to the tightest: ascending for lower bounds, descending
        for upper ones. The first should keep everything.
    unit
        Unit of the observable, "" for none.
    side
        ``above``: lower bounds. ``below``: upper bounds.

    Raises
    ------
    InputError
        If there is no such side, or the thresholds do not go from loose to tight.
    """

    name: str
    thresholds: Array
    unit: str = ""
    side: Side = "above"

    def __post_init__(self) -> None:
        if self.side not in ("above", "below"):
            msg = f"side = {self.side!r} of the bounds on {self.name}; it must be 'above' or 'below'"
            raise InputError(msg)
        thresholds = np.asarray(self.thresholds, dtype=np.float64)
        try:
            ascending_edges(self._tightness(thresholds))
        except InputError:
            order = "ascending" if self.side == "above" else "descending"
            msg = f"thresholds = {thresholds}: {self.name} {self.side} them; give two finite ones or more, {order}"
            raise InputError(msg) from None
        object.__setattr__(self, "thresholds", thresholds)

    def _tightness(self, values: Array) -> Array:
        """Return values such that a tighter bound, and an observable that passes more of them, has a larger one."""
        return values if self.side == "above" else -values

    def cells(self, values: Array) -> NDArray[np.intp]:
        """Return how many thresholds values pass, less one, in their shape: -1 for a value that passes none."""
        return np.searchsorted(self._tightness(self.thresholds), self._tightness(values), side="right") - 1

    def __eq__(self, other: object) -> bool:
        """Whether name, unit, side and thresholds are the same."""
        if not isinstance(other, VetoAxis):
            return NotImplemented
        mine, theirs = ((axis.name, axis.unit, axis.side) for axis in (self, other))
        return mine == theirs and np.array_equal(self.thresholds, other.thresholds)

    def __hash__(self) -> int:
        return hash((self.name, self.unit, self.side, self.thresholds.tobytes()))


def satisfies(values: Array, bounds: Array | float, side: Side) -> Mask:
    """Return which values are on the side of bounds, or at them, broadcast shape; NaN never is.

    Examples
    --------
    >>> satisfies(np.array([1.0, 2.0, 3.0]), 2.0, "below")
    array([ True,  True, False])
    """
    return np.asarray(values >= bounds if side == "above" else values <= bounds)


def veto_axis(name: str, low: float, high: float, *, n: int = 20, unit: str = "GeV", side: Side = "above") -> VetoAxis:
    """Return an axis of `n` equally spaced bounds from `low` to `high`, both included, the loosest first.

    Examples
    --------
    >>> veto_axis("pt_pair", 0.0, 4.0, n=3).thresholds
    array([0., 2., 4.])
    >>> veto_axis("p_lmax", 2.0, 4.0, n=3, side="below").thresholds
    array([4., 3., 2.])
    """
    ends = (low, high) if side == "above" else (high, low)
    return VetoAxis(name=name, thresholds=np.linspace(*ends, n), unit=unit, side=side)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountTensor:
    """Sums of weights in bins of a mass axis (`bumphunt.spectrum.axis`) and of the veto observables.

    Parameters
    ----------
    edges
        Edges of the mass bins in the unit of the axis, shape (M + 1,).
    axes
        The veto axes, V of them; cell j holds observables that pass threshold j and not the next one, the last cell
        those that pass all.
    sum_w, sum_w2
        Sums of weights and of squared weights, shape (2, M, n1, ..., nV); the first axis is the half of the events.

    Raises
    ------
    InputError
        If the shapes do not match.
    """

    edges: Array
    axes: tuple[VetoAxis, ...]
    sum_w: Array
    sum_w2: Array

    def __post_init__(self) -> None:
        shape = _shape(ascending_edges(self.edges), self.axes)
        for name in ("sum_w", "sum_w2"):
            if np.shape(getattr(self, name)) != shape:
                msg = f"{name} has shape {np.shape(getattr(self, name))}; bins and axes need {shape}"
                raise InputError(msg)

    def __add__(self, other: CountTensor) -> CountTensor:
        """Return the tensor of both sets of events.

        Raises
        ------
        InputError
            If bins or axes differ.
        """
        if self.axes != other.axes or not np.array_equal(self.edges, other.edges):
            msg = f"tensors of different bins do not add: {self.edges}, {self.axes} and {other.edges}, {other.axes}"
            raise InputError(msg)
        return CountTensor(
            edges=self.edges, axes=self.axes, sum_w=self.sum_w + other.sum_w, sum_w2=self.sum_w2 + other.sum_w2
        )

    def scaled(self, factor: float) -> CountTensor:
        """Return the tensor times `factor`, as a histogram of hist is scaled: the squares with its square.

        Raises
        ------
        InputError
            If the factor is negative or not finite.
        """
        if not (np.isfinite(factor) and factor >= 0):
            msg = f"factor = {factor}; it must be finite and not negative"
            raise InputError(msg)
        return CountTensor(edges=self.edges, axes=self.axes, sum_w=self.sum_w * factor, sum_w2=self.sum_w2 * factor**2)


def _shape(edges: Array, axes: Sequence[VetoAxis]) -> tuple[int, ...]:
    """Return the shape of a tensor."""
    return (HALVES, edges.size - 1, *(axis.thresholds.size for axis in axes))


def fill_tensor(
    positions: ArrayLike,
    observables: Mapping[str, Array],
    *,
    weights: ArrayLike,
    half: ArrayLike,
    edges: ArrayLike,
    axes: Sequence[VetoAxis],
) -> CountTensor:
    """Return the tensor of events.

    Events outside of the mass bins, or that fail the first threshold of an axis, are left out.

    Parameters
    ----------
    positions
        Of the events on the mass axis, shape (N,).
    observables
        Observables by name, each of shape (N,).
    weights
        Event weights, shape (N,).
    half
        Half that each event belongs to, `CHOOSING` or `QUOTING`, shape (N,).
    edges
        Edges of the mass bins in the unit of the axis, shape (M + 1,).
    axes
        The veto axes.

    Raises
    ------
    InputError
        If an observable is missing, or the edges are not ascending.
    """
    e = ascending_edges(edges)
    x = np.asarray(positions, dtype=np.float64)
    w = np.asarray(weights, dtype=np.float64)
    keep = (x >= e[0]) & (x < e[-1])
    for axis in axes:
        if axis.name not in observables:
            msg = f"the tensor needs the observable {axis.name!r}; known are {', '.join(observables)}"
            raise InputError(msg)
        keep &= satisfies(observables[axis.name], axis.thresholds[0], axis.side)
    cells = [np.asarray(half)[keep], np.searchsorted(e, x[keep], side="right") - 1]
    cells += [axis.cells(observables[axis.name][keep]) for axis in axes]
    shape = _shape(e, axes)
    flat = np.ravel_multi_index(tuple(cells), shape)
    size = int(np.prod(shape))
    w = w[keep]
    return CountTensor(
        edges=e,
        axes=tuple(axes),
        sum_w=np.bincount(flat, w, minlength=size).astype(np.float64).reshape(shape),
        sum_w2=np.bincount(flat, w * w, minlength=size).astype(np.float64).reshape(shape),
    )


def passing(counts: ArrayLike) -> Array:
    """Return the sum over all cells at or above each, along every axis but the first, shape of `counts`.

    What is left of cell (i, j, ...) after the bounds j, ... on the observables.

    Examples
    --------
    >>> passing([[1.0, 2.0, 3.0]])
    array([[6., 5., 3.]])
    """
    total = np.asarray(counts, dtype=np.float64)
    for axis in range(1, total.ndim):
        total = np.flip(np.cumsum(np.flip(total, axis), axis=axis), axis)
    return total
