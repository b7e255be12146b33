"""Chunks of ntuples: where they end, and reading them from a file that stays open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import uproot
from numpy.typing import NDArray

from workflows.ntuples.branches import branch_name
from workflows.ntuples.contents import NtupleInfo
from workflows.ntuples.opening import reading

__all__ = ["chunk_ranges", "close_chunks", "read_chunk"]


def chunk_ranges(info: NtupleInfo, chunk_size: int) -> Iterable[tuple[int, int]]:
    """Yield entry ranges of about `chunk_size` rows: whole clusters, but for longer ones, cut into equal parts."""
    start = 0
    for stop in (*info.clusters[1:], info.rows):
        rows = stop - start
        if rows >= chunk_size or (stop == info.rows and rows):
            parts = max(1, rows // chunk_size)
            borders = [start + rows * i // parts for i in range(parts + 1)]
            yield from pairwise(borders)
            start = stop


def read_chunk(
    path: Path, *, tree: str, variables: Sequence[str], names: Mapping[str, str], start: int, stop: int
) -> dict[str, NDArray[Any]]:
    """Return columns by variable, shape (R,), of one chunk of a file that `inspect` has seen.

    The file stays open for the next chunk, until another one is read or `close_chunks` is called: reading the list of
    its branches and baskets takes as long as some ten thousand rows.

    Parameters
    ----------
    path, tree, variables, names
        As for `inspect`.
    start, stop
        Entry range.

    Raises
    ------
    NtupleError
        If the rows cannot be read.
    """
    with reading(path, tree):
        stat = path.stat()
        source = _opened(path, tree, (stat.st_mtime_ns, stat.st_size, stat.st_ino))
        branches = [branch_name(variable, names) for variable in variables]
        arrays = source.arrays(
            list(dict.fromkeys(branches)), entry_start=start, entry_stop=stop, library="np", array_cache=None
        )
        return {variable: np.asarray(arrays[branch]) for variable, branch in zip(variables, branches, strict=True)}


@lru_cache(maxsize=1)
def _opened(path: Path, tree: str, state: tuple[int, ...]) -> Any:
    """Return an open tree; `state` tells a file from one that took its place."""
    return uproot.open(path)[tree]


def close_chunks() -> None:
    """Close the file that `read_chunk` has left open."""
    _opened.cache_clear()
