"""Which combination of bounds each mass bin takes, given the figure of merit of all of them.

========================= =====================================================================
free_cells                the best of each bin
smooth_cells              the best of the mean of each bin and its two neighbours
monotone_cells            the best sequence in which no bound ever turns around
========================= =====================================================================

Figures of merit are arrays of shape ``(n1, ..., nV)``, one a mass bin: entry (j, k, ...) belongs to threshold j of the
first observable, k of the second, and so on. The result has shape (M, V). In sums over mass bins each figure of merit
counts relative to the largest of its bin. Of equally good combinations the loosest is taken: bounds with no event
between them have the same figure of merit but for the rounding of sums, which must not choose.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import InputError, unknown_name

__all__ = ["CUTS", "Cuts", "Direction", "Merit", "chosen_cells", "free_cells", "monotone_cells", "smooth_cells"]

Array = NDArray[np.float64]
Cells = NDArray[np.intp]
Cuts = Literal["free", "smooth", "monotone"]
"""How the bounds may vary with mass."""
CUTS: tuple[Cuts, ...] = ("free", "smooth", "monotone")
"""All of `Cuts`."""
Merit = Literal["punzi", "punzi-full", "expected-limit", "mean-limit"]
"""Figures of merit by name, see `bumphunt.cuts.best.FigureOfMerit`."""
Direction = Literal["rising", "falling"]
"""Where a bound may go as the mass goes up; it may also stay."""
EQUAL = 1e-9
"""Relative difference up to which two figures of merit are equally good."""


def chosen_cells(merits: Sequence[Array], cuts: Cuts) -> Cells:
    """Return the combination of each mass bin, shape (M, V), by the rule that `cuts` names.

    Raises
    ------
    InputError
        If there is no such rule.
    """
    if cuts == "free":
        return free_cells(merits)
    if cuts == "smooth":
        return smooth_cells(merits)
    if cuts == "monotone":
        return monotone_cells(merits)
    raise InputError(unknown_name("cuts =", cuts, CUTS))


def free_cells(merits: Iterable[Array]) -> Cells:
    """Return the best combination of each mass bin, shape (M, V).

    Examples
    --------
    >>> free_cells([np.array([0.1, 0.3]), np.array([0.2, 0.2])])
    array([[1],
           [0]])
    """
    return np.array([_best(merit) for merit in merits], dtype=np.intp)


def smooth_cells(merits: Sequence[Array]) -> Cells:
    """Return the best combination of each mass bin by the mean over it and the bins beside it, shape (M, V).

    A bin whose own best is a fluctuation takes the bounds of its neighbours.
    """
    relative = _relative(merits)
    return free_cells(np.mean(relative[max(i - 1, 0) : i + 2], axis=0) for i in range(len(relative)))


def monotone_cells(merits: Sequence[Array], directions: Sequence[Direction] | None = None) -> Cells:
    """Return the sequence of combinations with the largest sum in which every bound only rises or only falls, (M, V).

    The sum over mass bins of the relative figure of merit is as large as any such sequence can make it: the search is
    dynamic programming over all combinations, not a repair of the free choice.

    Parameters
    ----------
    merits
        Figure of merit of every combination, one array of shape (n1, ..., nV) a mass bin, in order of mass.
    directions
        For each observable, whether its bound rises or falls with mass; the best of all choices unless given.

    Raises
    ------
    InputError
        If there is not one direction for each observable.

    Examples
    --------
    >>> bins = [np.array([0.0, 1.0, 0.0]), np.array([1.0, 0.9, 0.0]), np.array([0.0, 0.5, 1.0])]
    >>> free_cells(bins).ravel(), monotone_cells(bins).ravel()
    (array([1, 0, 2]), array([1, 1, 2]))
    """
    relative = _relative(merits)
    n_axes = relative[0].ndim
    if directions is not None:
        if len(directions) != n_axes:
            msg = f"{len(directions)} directions for {n_axes} observables; give one for each"
            raise InputError(msg)
        return _best_sequence(relative, directions)[1]
    every: list[tuple[Direction, ...]] = list(product(("rising", "falling"), repeat=n_axes))
    found = [_best_sequence(relative, choice) for choice in every]
    return found[_best(np.array([total for total, _ in found]))[0]][1]


def _best_sequence(relative: Sequence[Array], directions: Sequence[Direction]) -> tuple[float, Cells]:
    """Return the largest sum of relative figures of merit, and the sequence that has it."""
    rising = [direction == "rising" for direction in directions]
    # sums[i] at a combination: the best sequence up to bin i that ends with it
    sums = [relative[0]]
    for merit in relative[1:]:
        reach = sums[-1]
        for axis, up in enumerate(rising):
            reach = _running_maximum(reach, axis, up=up)
        sums.append(merit + reach)
    cell = _best(sums[-1])
    cells = [cell]
    for total in reversed(sums[:-1]):
        # what came before is not tighter where bounds rise, not looser where they fall
        block = total[tuple(slice(0, c + 1) if up else slice(c, None) for c, up in zip(cell, rising, strict=True))]
        cell = tuple(k if up else k + c for k, c, up in zip(_best(block), cell, rising, strict=True))
        cells.append(cell)
    return float(sums[-1].max()), np.array(cells[::-1], dtype=np.intp)


def _best(merit: Array) -> tuple[int, ...]:
    """Return the first combination whose figure of merit, none negative, is as good as the largest."""
    good = int(np.argmax(merit >= (1.0 - EQUAL) * merit.max()))
    return tuple(int(k) for k in np.unravel_index(good, merit.shape))


def _running_maximum(values: Array, axis: int, *, up: bool) -> Array:
    """Return the largest value at or below each position of an axis, or at or above it."""
    if up:
        return np.asarray(np.maximum.accumulate(values, axis=axis))
    return np.flip(np.maximum.accumulate(np.flip(values, axis), axis=axis), axis)


def _relative(merits: Sequence[Array]) -> list[Array]:
    """Return each figure of merit over the largest of its bin; 0 where that is 0."""
    return [merit / max(float(merit.max()), np.finfo(np.float64).tiny) for merit in merits]
