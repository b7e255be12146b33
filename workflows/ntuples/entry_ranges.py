"""Entry ranges of ntuples: where they end, and reading them from a file that stays open."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflows.ntuples.contents import NtupleInfo
from workflows.ntuples.flat_files import close_flat, is_flat, read_flat
from workflows.ntuples.opening import reading, refuse_changed
from workflows.storage.addresses import Place, place_of
from workflows.storage.files import FileState, open_root, state_of

__all__ = ["EntryRange", "close_file", "entry_ranges", "no_entries", "read_entries"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRange:
    """The entries of a tree from `start` up to `stop`.

    Parameters
    ----------
    file, tree
        Where; "" for no tree, in a file of CSV or Parquet.
    start, stop
        First entry, and the one after the last.
    file_number
        Number of the file among those of its sample; None where nobody asks for it.
    absent
        Variables that are needed and not in the file.
    state
        The state of the file when its entries were counted; None where nobody knows.
    """

    file: str
    tree: str
    start: int
    stop: int
    file_number: int | None = None
    absent: tuple[str, ...] = ()
    state: FileState | None = None

    @property
    def place(self) -> str:
        """The file and the tree, as the beginning of a sentence about them."""
        return f"{self.file}: tree {self.tree!r}" if self.tree else self.file

    def row(self, row: int) -> str:
        """Return where a row is, counted from the first of the range.

        Examples
        --------
        >>> EntryRange(file="a.root", tree="events", start=100, stop=200).row(5)
        "entry 105 of tree 'events' of a.root"
        """
        of = f"tree {self.tree!r} of {self.file}" if self.tree else self.file
        return f"entry {self.start + row} of {of}"


def entry_ranges(info: NtupleInfo, rows: int) -> Iterator[EntryRange]:
    """Yield ranges of about so many `rows`: whole clusters, but for longer ones, cut into equal parts."""
    start = 0
    for stop in (*info.clusters[1:], info.rows):
        found = stop - start
        if found >= rows or (stop == info.rows and found):
            parts = max(1, found // rows)
            for first, last in pairwise(start + found * i // parts for i in range(parts + 1)):
                yield _entries(info, first, last)
            start = stop


def no_entries(info: NtupleInfo) -> EntryRange:
    """Return the range of no entry of a file, which has its branches all the same."""
    return _entries(info, 0, 0)


def _entries(info: NtupleInfo, start: int, stop: int) -> EntryRange:
    """Return a range of the entries of a file."""
    return EntryRange(file=str(info.path), tree=info.tree, start=start, stop=stop, absent=info.absent, state=info.state)


def read_entries(where: EntryRange, branches: Sequence[str], jagged: Collection[str] = ()) -> dict[str, NDArray[Any]]:
    """Return columns by branch, shape (R,), of some entries of a file that was inspected.

    The file stays open for the next chunk, until another one is read or `close_file` is called: reading the list of
    its branches and baskets takes as long as some ten thousand rows.

    Parameters
    ----------
    where
        The entries.
    branches
        The branches.
    jagged
        Those of them that hold lists of numbers: their columns are `awkward.Array` of R lists.

    Raises
    ------
    NtupleError
        If the rows cannot be read, or the file is not the one whose entries were counted.
    """
    path = place_of(where.file)
    if is_flat(path):
        found = read_flat(path, branches, where.start, where.stop)
        if where.state is not None:
            refuse_changed(path, where.state, root=False)
        return found
    with reading(path, where.tree):
        before = where.state or state_of(path)
        refuse_changed(path, before)
        source = _opened(path, where.tree, before)
        entries: dict[str, Any] = {"entry_start": where.start, "entry_stop": where.stop, "array_cache": None}
        arrays = source.arrays([name for name in branches if name not in jagged], library="np", **entries)
        columns = {name: np.asarray(arrays[name]) for name in branches if name not in jagged}
        if jagged:
            lists = source.arrays(list(jagged), library="ak", **entries)
            columns |= {name: lists[name] for name in jagged}
        refuse_changed(path, before)
        return columns


@lru_cache(maxsize=1)
def _opened(path: Place, tree: str, state: FileState) -> Any:
    """Return an open tree; `state` tells a file from one that took its place."""
    return open_root(path)[tree]


def close_file() -> None:
    """Close the file that `read_entries` has left open."""
    _opened.cache_clear()
    close_flat()
