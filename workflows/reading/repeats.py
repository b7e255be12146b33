"""Rows that pass the cuts of a region, on their way to events: which of them may belong to an event of two chunks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selections.events import EVENT_KEY

__all__ = ["PassingRows", "concatenate", "inner_rows"]

Array = NDArray[np.float64]

_CANDIDATES = 16
"""Rows among which another event is looked for at first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassingRows:
    """Rows that pass all cuts of a region but the optimised ones, in the order of the file."""

    keys: NDArray[np.int64]
    candidate: NDArray[np.int64]
    rank: Array
    entry: NDArray[np.int64]
    file: NDArray[Any]
    values: dict[str, Array]
    ntuple_weight: Array
    weights: Array
    """Weights of all variations, shape (V, N)."""

    def take(self, index: slice | NDArray[Any]) -> PassingRows:
        """Return the rows at `index`."""
        return PassingRows(
            keys=self.keys[index],
            candidate=self.candidate[index],
            rank=self.rank[index],
            entry=self.entry[index],
            file=self.file[index],
            values={name: v[index] for name, v in self.values.items()},
            ntuple_weight=self.ntuple_weight[index],
            weights=self.weights[:, index],
        )


def concatenate(parts: Sequence[PassingRows]) -> PassingRows:
    """Return the rows of several parts, at least one."""
    return PassingRows(
        keys=np.concatenate([p.keys for p in parts]),
        candidate=np.concatenate([p.candidate for p in parts]),
        rank=np.concatenate([p.rank for p in parts]),
        entry=np.concatenate([p.entry for p in parts]),
        file=np.concatenate([p.file for p in parts]),
        values={name: np.concatenate([p.values[name] for p in parts]) for name in parts[0].values},
        ntuple_weight=np.concatenate([p.ntuple_weight for p in parts]),
        weights=np.concatenate([p.weights for p in parts], axis=1),
    )


def inner_rows(columns: Mapping[str, NDArray[Any]]) -> tuple[int, int]:
    """Return the first row after the first event of a chunk, and the first row of its last event; equal if it is one.

    Those two events may go on in a neighbouring chunk.
    """
    keys = [columns[key] for key in EVENT_KEY]
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
