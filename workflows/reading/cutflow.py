"""What the cuts of a region leave of a chunk: the cutflow and the N-1 histograms of all rows, and the rows that pass.

Everything is worked out in blocks of rows that fit the cache of the processor: observables, cuts, corrections.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import Any

import hist
import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import InputError
from selections.cuts import Cut, Cutflow
from selections.lazy import LazyObservables, lazy_observables
from workflows.reading.plan import WEIGHT, RegionPlan
from workflows.reading.shifted import (
    WORTH_DROPPING,
    Hashes,
    Moving,
    Outcome,
    Passing,
    ShiftedBlock,
    joined_passing,
    moving,
    shifted_rows,
)
from workflows.reading.weights import Corrections

__all__ = ["RegionRows", "cut_rows"]

Array = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]

BLOCK = 65536
"""Rows that are worked on at a time, about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionRows:
    """Rows of a chunk that pass the cuts of a region, and the counts of all rows.

    Parameters
    ----------
    head
        The cutflow of rows.
    n_minus_one
        By name of the cut, see `workflows.reading.plan.RegionResult`.
    passing
        The rows that pass, with all variations of the weights.
    shifted
        Those that pass with other momenta, by name of the variation.
    """

    head: Cutflow
    n_minus_one: dict[str, hist.Hist]
    passing: Passing
    shifted: dict[str, Passing]


@dataclass(frozen=True, slots=True, kw_only=True)
class _CutRows:
    """What K cuts do to the N rows of a block."""

    passed: NDArray[np.intp]
    """How many cuts each row passes before it fails one, shape (N,)."""
    here: NDArray[np.intp]
    """Rows that are left when some of those that fail two cuts were dropped, shape (L,)."""
    groups: list[NDArray[np.intp]]
    """Rows that fail only the cut k, for each k, then the rows that fail none: K + 1 arrays of positions in `here`."""
    observables: LazyObservables
    """The observables of the rows that are left."""
    outcomes: list[Outcome]
    """What is known of each cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """The part of `RegionRows` that a block of rows gives."""

    counts: NDArray[np.int64]
    sum_w: Array
    sum_w2: Array
    histograms: list[Array]
    passing: Passing
    shifted: dict[str, Passing]


def cut_rows(
    plan: RegionPlan,
    columns: Columns,
    *,
    keep: tuple[str, ...],
    blind: tuple[float, float] | None,
    corrections: Corrections,
    place: Callable[[int], str],
    good: NDArray[np.bool_] | None = None,
    hashes: Hashes | None = None,
) -> RegionRows:
    """Return the rows that pass, and the counts of all rows.

    Parameters
    ----------
    plan
        The region.
    columns
        Columns of the chunk by variable, with the weight.
    keep
        Observables or variables to keep of passing rows.
    blind
        Positions [low, high) whose rows are dropped before anything is counted; None for none.
    corrections
        Corrections of this sample in this region.
    place
        Function from a row of the chunk to the text that says where it is.
    good
        Which rows count, shape (N,); the others are dropped as those that are blind. None for all.
    hashes
        Function from rows of the chunk to the hashes of their events, for shifts of the region; None shifts nothing.

    Raises
    ------
    InputError
        If a correction has no value for a row, or something to keep is neither an observable nor a variable.
    """
    bins = [cut.bins for cut in plan.selection.applied]
    rows = columns[WEIGHT].size
    parts = max(1, round(rows / BLOCK))
    borders = [rows * i // parts for i in range(parts + 1)]
    used = [*(v.name for v in plan.selection.variables), *keep, *corrections.inputs]
    moved = () if hashes is None else moving(plan.shifts, list(columns), used, hashes)
    fewer = tuple(name for name in keep if name not in plan.keep or name in plan.cut_on)
    how = _How(keep=keep, fewer=fewer, blind=blind, good=good, corrections=corrections, place=place, shifts=moved)
    blocks = [_block(plan, columns, span, bins, how) for span in pairwise(borders)]

    step = np.cumsum([0, *(not cut.dropped for cut in plan.selection.cuts)])  # a dropped cut leaves what was left

    def left(parts: list[NDArray[Any]]) -> NDArray[Any]:
        # a row that passes k cuts before it fails one is left after the steps 0 to k
        return np.cumsum(reduce(np.add, parts)[::-1])[::-1][step]

    histograms = [reduce(np.add, parts) for parts in zip(*(b.histograms for b in blocks), strict=True)]
    return RegionRows(
        head=Cutflow(
            steps=plan.selection.steps,
            raw=left([b.counts for b in blocks]),
            sum_w=left([b.sum_w for b in blocks]),
            sum_w2=left([b.sum_w2 for b in blocks]),
        ),
        n_minus_one={
            cut.name: _histogram(cut, edges, *sums)
            for cut, edges, sums in zip(plan.selection.applied, bins, histograms, strict=True)
        },
        passing=joined_passing([b.passing for b in blocks]),
        shifted={name: joined_passing([b.shifted[name] for b in blocks]) for name in blocks[0].shifted},
    )


def _histogram(cut: Cut, edges: Array, sum_w: Array, sum_w2: Array) -> hist.Hist:
    """Return the observable of a cut as a histogram: sums over what is below the edges, the bins, and what is above."""
    made = hist.Hist(hist.axis.Variable(edges, name=cut.observable), storage=hist.storage.Weight())
    view = made.view(flow=True)
    view["value"], view["variance"] = sum_w, sum_w2
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class _How:
    """What `cut_rows` is given beside region and columns."""

    keep: tuple[str, ...]
    fewer: tuple[str, ...]
    blind: tuple[float, float] | None
    good: NDArray[np.bool_] | None
    corrections: Corrections
    place: Callable[[int], str]
    shifts: tuple[Moving, ...]


def _block(plan: RegionPlan, columns: Columns, span: tuple[int, int], bins: list[Array], how: _How) -> _Block:
    """Return what one block of rows gives."""
    columns = {name: values[slice(*span)] for name, values in columns.items()}
    good = None if how.good is None else how.good[slice(*span)]
    observables, index = _visible(plan, columns, how.blind, good)
    weights, corrections = np.asarray(observables[WEIGHT], dtype=np.float64), how.corrections

    def place(row: int) -> str:
        return how.place(span[0] + int(index[row]))

    cut = _cut(plan.selection.applied, observables, weights.size)
    rows = cut.here[np.concatenate(cut.groups)]  # those of the N-1 histograms, by the cut, and last those that pass
    first = rows.size - cut.groups[-1].size
    reached = cut.observables.take(np.concatenate(cut.groups)) if corrections.inputs else cut.observables
    inputs = {name: reached[name] for name in corrections.inputs}
    nominal, varied = _corrected(corrections, inputs, weights[rows], first, lambda row: place(rows[row]))
    passing = cut.observables.take(cut.groups[-1])
    if how.shifts and index.size < columns[WEIGHT].size:
        columns = {name: values[index] for name, values in columns.items()}
    return _Block(
        counts=np.bincount(cut.passed, minlength=len(bins) + 1),
        sum_w=_sums(cut.passed, weights, len(bins) + 1),
        sum_w2=_sums(cut.passed, weights * weights, len(bins) + 1),
        histograms=_n_minus_one(plan.selection.applied, cut, passing, nominal, bins),
        passing=Passing(
            index=span[0] + index[rows[first:]],
            values={name: np.asarray(passing[name], dtype=np.float64) for name in how.keep},
            ntuple_weight=weights[rows[first:]],
            variations=corrections.variations,
            weights=varied,
        ),
        shifted=shifted_rows(
            plan,
            ShiftedBlock(columns=columns, observables=observables, outcomes=cut.outcomes, index=span[0] + index),
            how.shifts,
            keep=how.fewer,
            corrections=corrections,
            place=how.place,
        ),
    )


def _visible(
    plan: RegionPlan, columns: Columns, blind: tuple[float, float] | None, good: NDArray[np.bool_] | None
) -> tuple[LazyObservables, NDArray[np.intp]]:
    """Return the observables of the rows of a block that count and are not blinded, and where they are in it."""
    observables = lazy_observables(plan.selection.observables(columns), columns)
    index = np.arange(columns[WEIGHT].size)
    if good is not None:
        counting = np.flatnonzero(good)
        observables, index = observables.take(counting), index[counting]
    if blind is None:
        return observables, index
    position = plan.positions(observables, index.size)
    visible = np.flatnonzero(~((position >= blind[0]) & (position < blind[1])))
    return observables.take(visible), index[visible]


def _cut(cuts: tuple[Cut, ...], observables: LazyObservables, rows: int) -> _CutRows:
    """Return what the cuts, in order, do to so many `rows`."""
    passed = np.zeros(rows, dtype=np.intp)
    here = np.arange(rows)
    alive, failures = np.zeros(rows, dtype=np.uint8), np.zeros(rows, dtype=np.uint8)
    outcomes: list[Outcome] = []
    for cut in cuts:
        left = failures <= 1
        if np.count_nonzero(left) < WORTH_DROPPING * left.size:
            passed[here] = alive
            chosen = np.flatnonzero(left)
            here, alive, failures = here[chosen], alive[chosen], failures[chosen]
            observables = observables.take(chosen)
        try:
            values = observables[cut.observable]
        except InputError as error:
            msg = f"cut {cut.name!r}: {error}"
            raise InputError(msg) from None
        passes = cut.passes(values)
        outcomes.append((here, passes))
        failures += ~passes
        alive += failures == 0
    passed[here] = alive
    near = np.flatnonzero(failures <= 1)
    reached = alive[near]
    near = near[np.argsort(reached, kind="stable")]
    groups = np.split(near, np.cumsum(np.bincount(reached, minlength=len(cuts) + 1))[:-1])
    return _CutRows(passed=passed, here=here, groups=groups, observables=observables, outcomes=outcomes)


def _corrected(
    corrections: Corrections,
    inputs: Mapping[str, NDArray[Any]],
    weights: Array,
    first: int,
    place: Callable[[int], str],
) -> tuple[Array, Array]:
    """Return corrected weights of rows that fail one cut at most.

    Parameters
    ----------
    corrections
        The corrections.
    inputs
        What they read of the rows, each of shape (N,).
    weights
        Weights of the ntuple, shape (N,).
    first
        Where the rows begin that fail no cut, P of them.
    place
        Function from a row to the text that says where it is.

    Returns
    -------
    nominal
        Nominal weights, shape (N,).
    varied
        Weights of all variations of the rows that fail no cut, shape (V, P).
    """
    passing = {name: values[first:] for name, values in inputs.items()}
    failing = {name: values[:first] for name, values in inputs.items()}

    def where(row: int) -> str:
        return place(first + row)

    factors = corrections.nominal(passing, weights.size - first, where)
    beyond = corrections.nominal(failing, first, place, beyond=True)
    parts = [reduce(np.multiply, beyond, weights[:first]), reduce(np.multiply, factors, weights[first:])]
    return np.concatenate(parts), corrections.varied(weights[first:], factors, passing, where)


def _n_minus_one(
    cuts: tuple[Cut, ...], found: _CutRows, passing: LazyObservables, weights: Array, bins: list[Array]
) -> list[Array]:
    """Return sums of weights and of squared weights of each cut's observable, shape (2, B + 2) each.

    Parameters
    ----------
    cuts
        The cuts.
    found
        What they do.
    passing
        Observables of the rows that fail none.
    weights
        Weights of the rows of all groups, one group after the other.
    bins
        Edges of each cut, of shape (B + 1,).
    """
    ends = np.cumsum([group.size for group in found.groups])
    histograms = []
    for k, (cut, edges) in enumerate(zip(cuts, bins, strict=True)):
        only = slice(ends[k] - found.groups[k].size, ends[k])
        values = np.concatenate([found.observables[cut.observable][found.groups[k]], passing[cut.observable]])
        w = np.concatenate([weights[only], weights[ends[-2] :]])
        cell = _cells(values, edges)
        histograms.append(np.array([_sums(cell, w, edges.size + 1), _sums(cell, w * w, edges.size + 1)]))
    return histograms


def _cells(values: NDArray[Any], edges: Array) -> NDArray[np.intp]:
    """Return the cell of each value in equal bins, shape (N,): 0 below the first edge, B + 1 at the last and above.

    NaN is above.
    """
    size = edges.size
    first = (values - edges[0]) * ((size - 1) / (edges[-1] - edges[0]))
    cell = np.fmax(np.fmin(np.floor(first), size - 1), -1).astype(np.intp) + 1
    # a value at an edge may have been rounded to the wrong side of it
    borders = np.concatenate([[-np.inf], edges, [np.nan]])  # nothing is beyond the last cell, not even infinity
    cell -= values < borders[cell]
    cell += values >= borders[cell + 1]
    return cell


def _sums(cell: NDArray[np.intp], weights: Array, size: int) -> Array:
    """Return the sum of weights in each cell, shape (size,)."""
    return np.asarray(np.bincount(cell, weights, minlength=size), dtype=np.float64)
