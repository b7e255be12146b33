"""Which events passed where: 8 bytes of each, to find an event that passes in two places.

Where the passing events go to disk, so do these, and they are compared in ranges of the hash: the memory does not grow
with the files.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from workflows.ntuples.entry_ranges import EntryRange
from workflows.whole_file import whole_file

__all__ = ["EventHashes", "forget_hashes", "hashes_of", "keep_hashes", "repeated_hashes"]

Hashes = NDArray[np.uint64]

AT_ONCE = 4_000_000
"""Hashes that are compared at a time, about."""
RANGES = 256
"""Ranges of the hash, by its first byte."""
_FOLDER = ".passed"
_SHIFT = np.uint64(56)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventHashes:
    """The events of an entry range that pass in some region.

    Parameters
    ----------
    where
        The entry range.
    hashes
        Sorted hashes of the keys of the events, or the file that holds them.
    offsets
        Where each range of hashes begins among them, shape (RANGES + 1,).
    """

    where: EntryRange
    hashes: Hashes | Path
    offsets: NDArray[np.intp]

    def between(self, first: int, last: int) -> Hashes:
        """Return the hashes of the ranges from `first` up to `last`, shape (N,), sorted."""
        start, stop = int(self.offsets[first]), int(self.offsets[last])
        if isinstance(self.hashes, Path):
            size = np.dtype(np.uint64).itemsize
            return np.fromfile(self.hashes, dtype=np.uint64, count=stop - start, offset=size * start)
        return self.hashes[start:stop]


def hashes_of(where: EntryRange, hashes: Hashes) -> EventHashes:
    """Return the record of the events of an entry range, from their hashes of shape (N,) in any order."""
    ordered = np.sort(hashes)
    offsets = np.searchsorted(ordered >> _SHIFT, np.arange(RANGES + 1, dtype=np.uint64))
    return EventHashes(where=where, hashes=ordered, offsets=offsets)


def keep_hashes(passed: EventHashes, folder: Path, sample: str, name: str) -> EventHashes:
    """Return the record with its hashes on disk, in a hidden folder beside the events; see `forget_hashes`."""
    if isinstance(passed.hashes, Path):
        return passed
    path = folder / _FOLDER / quote(sample, safe=" ") / name
    with whole_file(path) as partial:
        passed.hashes.tofile(partial)
    return replace(passed, hashes=path)


def forget_hashes(folder: Path) -> None:
    """Remove what `keep_hashes` wrote."""
    shutil.rmtree(folder / _FOLDER, ignore_errors=True)


def repeated_hashes(
    passed: Sequence[EventHashes], *, at_once: int = AT_ONCE
) -> list[tuple[np.uint64, tuple[int, ...]]]:
    """Return the hashes that occur twice, each with the numbers of the entry ranges in which it does.

    Parameters
    ----------
    passed
        Entry ranges, at least one.
    at_once
        Hashes that are compared at a time, about, at least one range of them.
    """
    found = []
    first = 0
    ends = np.sum([entry.offsets for entry in passed], axis=0)
    while first < RANGES:
        last = max(first + 1, int(np.searchsorted(ends, ends[first] + at_once, side="right")) - 1)
        parts = [entry.between(first, min(last, RANGES)) for entry in passed]
        ordered = np.sort(np.concatenate(parts))
        for value in np.unique(ordered[1:][ordered[1:] == ordered[:-1]]):
            found.append((value, tuple(n for n, part in enumerate(parts) if np.any(part == value))))
        first = last
    return found
