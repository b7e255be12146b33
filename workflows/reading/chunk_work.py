"""What an executor does with a chunk: it is read, and processed; the next one is read meanwhile where that is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import cloudpickle
from coffea.processor.executor import WorkItem
from numpy.typing import NDArray

from bumphunt.errors import IncompleteError, NtupleError
from workflows.ntuples.branches import branch_name
from workflows.ntuples.entry_ranges import EntryRange, close_file, read_entries
from workflows.reading.processor import SearchProcessor

__all__ = ["ChunkEvents", "ChunkWork", "packed"]

Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkEvents:
    """What a processor is given in place of coffea's events: columns by branch, and metadata."""

    columns: Columns
    metadata: Mapping[str, Any]

    @property
    def fields(self) -> list[str]:
        """The branches."""
        return list(self.columns)

    def __getitem__(self, branch: str) -> NDArray[Any]:
        """Return a column, shape (N,)."""
        return self.columns[branch]


def _key(item: WorkItem) -> tuple[str, int]:
    """Return what tells an item apart: its sample, and its number in it."""
    return item.dataset, item.usermeta["number"]


class ChunkWork:
    """Reads chunks and processes them; a coffea executor calls it with a `WorkItem`.

    The user data of an item are the metadata of its sample and its ``number`` in it.

    Parameters
    ----------
    processor
        What is done with a chunk.
    in_order
        Items that are done one after the other in this process: the next is read while one is worked on, since
        decompression leaves the interpreter to others. Empty where that is not so.
    """

    def __init__(self, processor: SearchProcessor, in_order: Sequence[WorkItem] = ()) -> None:
        self.processor = processor
        self._following = {_key(item): following for item, following in pairwise(in_order)}
        self._thread: ThreadPoolExecutor | None = None
        self._ahead: tuple[WorkItem, Future[Columns]] | None = None

    def __call__(self, item: WorkItem) -> dict[str, dict[str, Any]]:
        """Return what one chunk gives, by name of the sample; see `SearchProcessor.process`.

        Raises
        ------
        IncompleteError
            If it cannot be read.
        """
        metadata = {
            "dataset": item.dataset,
            "filename": item.filename,
            "treename": item.treename,
            "entrystart": item.entrystart,
            "entrystop": item.entrystop,
            **(item.usermeta or {}),
        }
        return self.processor.process(ChunkEvents(columns=self._read(item), metadata=metadata))

    def _read(self, item: WorkItem) -> Columns:
        """Return the columns of a chunk, and begin to read the one that is known to be next, in a thread."""
        expected, self._ahead = self._ahead, None
        known = expected is not None and expected[0] == item
        columns = expected[1].result() if expected is not None and known else self._columns(item)
        if (following := self._following.get(_key(item))) is not None:
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1)
            self._ahead = following, self._thread.submit(self._columns, following)
        return columns

    def close(self) -> None:
        """Wait for what is being read ahead, and close the file."""
        self._ahead = None
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
            self._thread = None
        close_file()

    def _columns(self, item: WorkItem) -> Columns:
        """Return the needed columns of a chunk by branch.

        Raises
        ------
        IncompleteError
            If they cannot be read.
        """
        metadata = item.usermeta
        variables = self.processor.variables(item.dataset, metadata["simulated"], bool(metadata.get("signal")))
        names, jagged = self.processor.names, self.processor.jagged
        there = [variable for variable in variables if variable not in metadata["absent"]]
        branches = dict.fromkeys(branch_name(variable, names) for variable in there)
        lists = {branch_name(variable, names) for variable in there if variable in jagged}
        where = EntryRange(
            file=item.filename,
            tree=item.treename,
            start=item.entrystart,
            stop=item.entrystop,
            state=metadata["state"],
        )
        try:
            return read_entries(where, list(branches), lists)
        except NtupleError as error:
            msg = f"{error}; entries {where.start} to {where.stop - 1} are lost"
            raise IncompleteError(msg) from error


@dataclass(frozen=True, slots=True)
class _Packed:
    """A `ChunkWork` for other processes: functions of a user's file travel by value, as coffea sends them."""

    content: bytes

    def __call__(self, item: WorkItem) -> dict[str, dict[str, Any]]:
        """Return what one chunk gives; see `ChunkWork`."""
        return _unpacked(self.content)(item)


@lru_cache(maxsize=1)
def _unpacked(content: bytes) -> ChunkWork:
    """Return the work; unpacked once a process."""
    work: ChunkWork = cloudpickle.loads(content)
    return work


def packed(work: ChunkWork) -> _Packed:
    """Return work that can be sent to other processes."""
    return _Packed(cloudpickle.dumps(work))
