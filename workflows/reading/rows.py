"""Rows that pass the cuts of a region, on their way to events.

One row is one candidate. The first and the last event of a chunk may go on in a neighbouring chunk, so that their rows
wait until all chunks are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selections.events import CandidateRule, RowKey, event_keys, whole_numbers
from workflows.ntuples.entry_ranges import EntryRange
from workflows.reading.keys import RowNumbers
from workflows.reading.shifted import Passing

__all__ = [
    "PassingRows",
    "RowKeys",
    "concatenate",
    "inner_rows",
    "joined_keys",
    "passing_rows",
    "row_keys",
]

Array = NDArray[np.float64]
Index = slice | NDArray[Any]

_CANDIDATES = 16
"""Rows among which another event is looked for at first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowKeys:
    """What tells N rows apart, and where they are.

    Parameters
    ----------
    event
        Keys of the events, shape (N, K), see `selections.events.event_keys`.
    candidate
        Candidate numbers, shape (N,), see `selections.events.candidate_numbers`.
    entry, chunk
        Where each row is: its entry, and the entry range that it was read with, shape (N,).
    names
        What the parts of the keys are.
    """

    event: NDArray[np.int64]
    candidate: NDArray[np.int64]
    entry: NDArray[np.int64]
    chunk: NDArray[Any]
    names: RowKey

    def take(self, index: Index) -> RowKeys:
        """Return the keys of the rows at `index`."""
        return RowKeys(
            event=self.event[index],
            candidate=self.candidate[index],
            entry=self.entry[index],
            chunk=self.chunk[index],
            names=self.names,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PassingRows:
    """Rows that pass all cuts of a region but the optimised ones, in the order of the file.

    Parameters
    ----------
    keys
        What tells the N rows apart.
    rank
        What the best candidate is chosen by, shape (N,).
    values
        Observables and variables that are kept, each of shape (N,).
    ntuple_weight
        Weights of the ntuple, shape (N,).
    variations
        Names of the variations of the weights, V of them, ``nominal`` first; or that of the momenta.
    weights
        Weights of all variations, shape (V, N).
    """

    keys: RowKeys
    rank: Array
    values: dict[str, Array]
    ntuple_weight: Array
    variations: tuple[str, ...]
    weights: Array

    def take(self, index: Index) -> PassingRows:
        """Return the rows at `index`."""
        return PassingRows(
            keys=self.keys.take(index),
            rank=self.rank[index],
            values={name: v[index] for name, v in self.values.items()},
            ntuple_weight=self.ntuple_weight[index],
            variations=self.variations,
            weights=self.weights[:, index],
        )


def row_keys(numbers: RowNumbers, index: NDArray[np.intp], where: EntryRange) -> RowKeys:
    """Return the keys of the rows at `index` of a chunk.

    Raises
    ------
    InputError
        If a part of a key is not a whole number.
    """
    return RowKeys(
        event=event_keys({name: values[index] for name, values in numbers.event.items()}, numbers.key.parts),
        candidate=whole_numbers(numbers.candidate[index], numbers.key.candidate[0]),
        entry=where.start + index,
        chunk=np.full(index.size, where, dtype=object),
        names=numbers.key,
    )


def passing_rows(found: Passing, numbers: RowNumbers, where: EntryRange, rule: CandidateRule) -> PassingRows:
    """Return the rows of a chunk that pass in a region.

    Parameters
    ----------
    found
        The rows, and their weights.
    numbers
        What tells the rows of the chunk apart.
    where
        Where the chunk is.
    rule
        What becomes of events with several candidates.
    """
    return PassingRows(
        keys=row_keys(numbers, found.index, where),
        rank=np.zeros(found.index.size) if rule.best is None else found.values[rule.best],
        values=found.values,
        ntuple_weight=found.ntuple_weight,
        variations=found.variations,
        weights=found.weights,
    )


def joined_keys(parts: Sequence[RowKeys]) -> RowKeys:
    """Return the keys of several parts, at least one."""
    return RowKeys(
        event=np.concatenate([p.event for p in parts]),
        candidate=np.concatenate([p.candidate for p in parts]),
        entry=np.concatenate([p.entry for p in parts]),
        chunk=np.concatenate([p.chunk for p in parts]),
        names=parts[0].names,
    )


def concatenate(parts: Sequence[PassingRows]) -> PassingRows:
    """Return the rows of several parts, at least one, of one sample in one region."""
    return PassingRows(
        keys=joined_keys([p.keys for p in parts]),
        rank=np.concatenate([p.rank for p in parts]),
        values={name: np.concatenate([p.values[name] for p in parts]) for name in parts[0].values},
        ntuple_weight=np.concatenate([p.ntuple_weight for p in parts]),
        variations=parts[0].variations,
        weights=np.concatenate([p.weights for p in parts], axis=1),
    )


def inner_rows(numbers: RowNumbers) -> tuple[int, int]:
    """Return the first row after the first event of a chunk, and the first row of its last event; equal if it is one.

    Those two events may go on in a neighbouring chunk.
    """
    keys = list(numbers.event.values())
    rows = keys[0].size
    first, last = _run(keys), rows - _run([values[::-1] for values in keys])
    return (first, last) if first < last else (rows, rows)


def _run(keys: Sequence[NDArray[Any]]) -> int:
    """Return how many rows from the first one on are of the same event."""
    rows, size = keys[0].size, _CANDIDATES
    while True:
        same = np.logical_and.reduce([values[:size] == values[:1] for values in keys])
        if not same.all():
            return int(np.argmin(same))
        if size >= rows:
            return rows
        size *= 4
