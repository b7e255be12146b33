"""State, bytes and opening of an input file, wherever it is: every failure is an `OSError` that says why."""

from __future__ import annotations

import io
import queue
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import uproot
from uproot.source.chunk import Chunk, Source
from uproot.source.futures import TrivialFuture

from workflows.storage.addresses import Address, Place
from workflows.storage.servers import Range, fetch, forget, size_and_mark

__all__ = ["FileState", "open_binary", "open_root", "read_bytes", "state_of"]

FileState = tuple[int | str, ...]
"""What tells a file from what may take its place: its size [bytes], then time of change and number of the inode, or
what the server marks its content with."""

_BUFFER = 1 << 20
"""Bytes that are asked for at a time where a file is read from its beginning to its end."""
_GAP, _LARGEST = 1 << 16, 1 << 23
"""Bytes between two parts that are fetched with them, and most bytes of parts that are fetched together."""


def state_of(place: Place) -> FileState:
    """Return the state of a file.

    Raises
    ------
    OSError
        If there is none, or it cannot be looked at.
    """
    if isinstance(place, Address):
        return size_and_mark(place)
    stat = place.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def read_bytes(place: Place, start: int, stop: int) -> bytes:
    """Return the bytes of a file from `start` up to `stop`; those that are there, where it is shorter.

    Raises
    ------
    OSError
        If they cannot be read.
    """
    if isinstance(place, Address):
        stop = min(stop, size_and_mark(place)[0])
        return fetch(place, [(start, stop)])[0] if start < stop else b""
    with open_binary(place) as file:
        file.seek(start)
        return file.read(stop - start)


def open_binary(place: Place) -> BinaryIO:
    """Return a file opened for reading its bytes.

    Raises
    ------
    OSError
        If it cannot be opened.
    """
    if isinstance(place, Path):
        return place.open("rb")
    return io.BufferedReader(_Remote(place), _BUFFER)


def open_root(place: Place) -> Any:
    """Return a ROOT file opened by uproot, whose reads of a server are asked for together, and again where they fail.

    Raises
    ------
    Exception
        Whatever uproot raises about a file that it cannot read.
    """
    return uproot.open(place) if isinstance(place, Path) else uproot.open({str(place): None}, handler=_RemoteSource)


class _Remote(io.RawIOBase):
    """A file of a server, as Python wants one."""

    def __init__(self, address: Address) -> None:
        super().__init__()
        forget(address)
        self._address, self._size, self._at = address, size_and_mark(address)[0], 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        stop = min(self._at + len(buffer), self._size)
        if stop <= self._at:
            return 0
        (content,) = fetch(self._address, [(self._at, stop)])
        buffer[: len(content)] = content
        self._at = stop
        return len(content)


class _RemoteSource(Source):
    """A file of a server, as uproot wants one: parts that lie near each other are fetched as one."""

    def __init__(self, file_path: str, **options: Any) -> None:
        del options
        super().__init__()
        self._file_path, self._closed = file_path, False
        self._address = Address(file_path)
        forget(self._address)
        self._num_bytes = size_and_mark(self._address)[0]

    def __enter__(self) -> _RemoteSource:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True

    @property
    def closed(self) -> bool:
        """Whether nothing more is to be read."""
        return self._closed

    def chunk(self, start: int, stop: int) -> Any:
        """Return a part of the file."""
        return self.chunks([(start, stop)], queue.Queue())[0]

    def chunks(self, ranges: Sequence[Range], notifications: queue.Queue[Any]) -> list[Any]:
        """Return parts of the file, each of which is put into a queue too."""
        wanted = [(int(start), min(int(stop), self._num_bytes)) for start, stop in ranges]
        together = _together(wanted)
        fetched = [np.frombuffer(content, dtype=np.uint8) for content in fetch(self._address, together)]
        firsts, found = [first for first, _ in together], []
        for (start, stop), (_, asked) in zip(wanted, ranges, strict=True):
            data = np.zeros(0, dtype=np.uint8)
            if start < stop:
                number = bisect_right(firsts, start) - 1
                data = fetched[number][start - firsts[number] : stop - firsts[number]]
            found.append(Chunk(self, start, int(asked), TrivialFuture(data)))
            notifications.put(found[-1])
        return found


def _together(ranges: Sequence[Range]) -> list[Range]:
    """Return the parts to fetch for others, none of them empty: near ones become one.

    Examples
    --------
    >>> _together([(500_000, 500_010), (0, 100), (200, 300), (7, 7)])
    [(0, 300), (500000, 500010)]
    """
    found: list[Range] = []
    for start, stop in sorted(ranges):
        if stop <= start:
            continue
        if found and start <= found[-1][1] + _GAP and stop - found[-1][0] <= _LARGEST:
            found[-1] = found[-1][0], max(stop, found[-1][1])
        else:
            found.append((start, stop))
    return found
