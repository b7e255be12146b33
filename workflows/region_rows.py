"""The rows of a chunk that pass the cuts of a region, with the cutflow and the N-1 histograms of all of its rows.

Everything is worked out in blocks of rows that fit the cache of the processor: observables, cuts, corrections.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import InputError, unknown_name
from selections.cuts import Cut, Cutflow
from workflows.corrections import Corrections
from workflows.regions import CutHistogram, RegionPlan

__all__ = ["WEIGHT", "RegionRows", "select_rows"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Columns = dict[str, NDArray[Any]]

WEIGHT = "__weight__"
"""Variable that holds the weight of a row."""
BLOCK = 16384
"""Rows that are worked on at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionRows:
    """Rows of a chunk that pass the cuts of a region, N of them, and the counts of all rows.

    Parameters
    ----------
    head
        The cutflow of rows.
    n_minus_one
        By name of the cut, see `workflows.regions.RegionResult`.
    index
        Where the rows are in the chunk, shape (N,).
    values
        What is kept of them by name, each of shape (N,).
    ntuple_weight
        Weights of the ntuple, shape (N,).
    weights
        Weights of all variations, shape (V, N).
    """

    head: Cutflow
    n_minus_one: dict[str, CutHistogram]
    index: NDArray[np.intp]
    values: dict[str, Array]
    ntuple_weight: Array
    weights: Array


@dataclass(frozen=True, slots=True)
class _Block:
    """The part of `RegionRows` that a block of rows gives."""

    counts: NDArray[np.int64]
    sum_w: Array
    sum_w2: Array
    histograms: list[NDArray[np.float64]]
    index: NDArray[np.intp]
    values: dict[str, Array]
    ntuple_weight: Array
    weights: Array


def select_rows(
    plan: RegionPlan,
    columns: Columns,
    *,
    keep: tuple[str, ...],
    blind: tuple[float, float] | None,
    corrections: Corrections,
    place: Callable[[int], str],
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

    Raises
    ------
    InputError
        If a correction has no value for a row, or something to keep is neither an observable nor a variable.
    """
    bins = [cut.bins for cut in plan.selection.cuts]
    rows = columns[WEIGHT].size
    blocks = [
        _block(plan, columns, start, bins, keep=keep, blind=blind, corrections=corrections, place=place)
        for start in range(0, max(rows, 1), BLOCK)
    ]
    # a row that passes k cuts before it fails one is left after the steps 0 to k
    raw, sum_w, sum_w2 = (
        np.asarray(np.cumsum(reduce(np.add, parts)[::-1])[::-1], dtype=np.float64)
        for parts in ([b.counts for b in blocks], [b.sum_w for b in blocks], [b.sum_w2 for b in blocks])
    )
    histograms = [reduce(np.add, parts) for parts in zip(*(b.histograms for b in blocks), strict=True)]
    return RegionRows(
        head=Cutflow(
            steps=plan.selection.steps,
            raw=raw.astype(np.int64),
            sum_w=sum_w.astype(np.float64),
            sum_w2=sum_w2.astype(np.float64),
        ),
        n_minus_one={
            cut.name: CutHistogram(edges=edges, sum_w=h[0], sum_w2=h[1])
            for cut, edges, h in zip(plan.selection.cuts, bins, histograms, strict=True)
        },
        index=np.concatenate([b.index for b in blocks]),
        values={name: np.concatenate([b.values[name] for b in blocks]) for name in keep},
        ntuple_weight=np.concatenate([b.ntuple_weight for b in blocks]),
        weights=np.concatenate([b.weights for b in blocks], axis=1),
    )


def _block(
    plan: RegionPlan,
    columns: Columns,
    start: int,
    bins: list[Array],
    *,
    keep: tuple[str, ...],
    blind: tuple[float, float] | None,
    corrections: Corrections,
    place: Callable[[int], str],
) -> _Block:
    """Return what one block of rows gives."""
    selection = plan.selection
    block = {name: values[start : start + BLOCK] for name, values in columns.items()}
    observables: Mapping[str, NDArray[Any]] = selection.observables(block)
    index = np.arange(start, start + block[WEIGHT].size)
    if blind is not None:
        position = observables[selection.spectrum]
        visible = ~((position >= blind[0]) & (position < blind[1]))
        observables = {name: values[visible] for name, values in observables.items()}
        block = {name: values[visible] for name, values in block.items()}
        index = index[visible]
    weights = block[WEIGHT].astype(np.float64)
    passed, failures = _passed(selection.cuts, observables, weights.size)
    steps = len(selection.cuts) + 1
    counts = np.bincount(passed, minlength=steps)
    # rows that fail one cut at most: those of the N-1 histograms, and among them those that pass
    near = np.flatnonzero(failures <= 1)
    everything = _Lookup(observables, block)
    inputs = {name: everything[name][near] for name in corrections.inputs}
    factors = corrections.nominal(inputs, near.size, lambda row: place(int(index[near[row]])))
    corrected = reduce(np.multiply, factors, weights[near])
    fails = passed[near]
    passes = fails == len(selection.cuts)
    histograms = []
    for k, cut in enumerate(selection.cuts):
        chosen = passes | (fails == k)
        cell = np.searchsorted(bins[k], observables[cut.observable][near[chosen]], side="right")
        w = corrected[chosen]
        size = bins[k].size + 1
        histograms.append(np.array([_sums(cell, w, size), _sums(cell, w * w, size)]))
    last = near[passes]
    raw = weights[last]
    return _Block(
        counts=counts,
        sum_w=_sums(passed, weights, steps),
        sum_w2=_sums(passed, weights * weights, steps),
        histograms=histograms,
        index=index[last],
        values={name: everything[name][last].astype(np.float64) for name in keep},
        ntuple_weight=raw,
        weights=corrections.varied(
            raw,
            [factor[passes] for factor in factors],
            {name: values[passes] for name, values in inputs.items()},
            lambda row: place(int(index[last[row]])),
        ),
    )


def _sums(cell: NDArray[np.intp], weights: Array, size: int) -> Array:
    """Return the sum of weights in each cell, shape (size,)."""
    return np.asarray(np.bincount(cell, weights, minlength=size), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _Lookup:
    """Observables, and where there is none of a name the column of the ntuple."""

    observables: Mapping[str, NDArray[Any]]
    columns: Mapping[str, NDArray[Any]]

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return the values of a name.

        Raises
        ------
        InputError
            If there is neither an observable nor a column of that name.
        """
        if name in self.observables:
            return self.observables[name]
        if name not in self.columns:
            raise InputError(unknown_name("observable", name, [*self.observables, *self.columns]))
        return self.columns[name]


def _passed(
    cuts: tuple[Cut, ...], observables: Mapping[str, NDArray[Any]], rows: int
) -> tuple[NDArray[np.intp], NDArray[np.uint8]]:
    """Return how many cuts each row passes before it fails one, and how many it fails in all, both of shape (N,)."""
    alive = np.ones(rows, dtype=np.bool_)
    passed, failures = np.zeros(rows, dtype=np.uint8), np.zeros(rows, dtype=np.uint8)
    for cut in cuts:
        if cut.observable not in observables:
            msg = f"cut {cut.name!r}: there is no observable {cut.observable!r}; known are {', '.join(observables)}"
            raise InputError(msg)
        mask = cut.passes(observables[cut.observable])
        alive &= mask
        passed += alive
        failures += ~mask
    return passed.astype(np.intp), failures
