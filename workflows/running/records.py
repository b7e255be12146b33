"""Results of tasks as files: numbers, arrays, histograms and records of named types; never code.

A file is a ZIP of two members: ``content.json`` says what is there, ``arrays`` holds the bytes of all arrays. Reading
makes nothing but values of the types that the reader names, so that a file of somebody else can run nothing; every
byte is checked. A path in a result is a file that belongs to it: the result is broken where that has another size.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

import hist
import numpy as np
from boost_histogram.serialization import from_uhi, to_uhi
from numpy.typing import NDArray

__all__ = ["BrokenRecordError", "read_record", "write_record"]

_CONTENT, _ARRAYS = "content.json", "arrays"
_SMALL = 1 << 20
"""Arrays of at most so many bytes are compressed: histograms are mostly empty, columns of events are not."""
_DAMAGE = (
    *(BadZipFile, zlib.error, EOFError),
    *(ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError),
)
"""What is raised where a ZIP, its JSON, or what that says is damaged."""


class BrokenRecordError(ValueError):
    """A file is no record, or a damaged one."""


def write_record(file: IO[bytes], value: object, types: Iterable[type], *, root: Path) -> None:
    """Write a value.

    Parameters
    ----------
    file
        Open for writing.
    value
        None, numbers, text, arrays, paths of files, histograms, enumerations, records (dataclasses), and dictionaries,
        lists, tuples and sets of these.
    types
        The types of records and enumerations that may be in it.
    root
        Paths below this folder are written relative to it, so that it can be moved.

    Raises
    ------
    TypeError
        If there is anything else in it.
    OSError
        If a file that it names is not there.
    """
    writer = _Writer(types, root)
    content = json.dumps(writer.plain(value)).encode()
    size = sum(array.nbytes for array in writer.arrays)
    kind = ZIP_DEFLATED if size <= _SMALL else ZIP_STORED
    with ZipFile(file, "w", kind, compresslevel=1) as packed:
        packed.writestr(_CONTENT, content)
        with packed.open(_ARRAYS, "w", force_zip64=size >= 1 << 31) as arrays:
            for array in writer.arrays:
                arrays.write(array.data if array.size else b"")


def read_record(file: IO[bytes], types: Iterable[type], *, root: Path) -> Any:
    """Return the value that `write_record` wrote.

    Parameters
    ----------
    file
        Open for reading.
    types, root
        As for `write_record`.

    Raises
    ------
    BrokenRecordError
        If the file is damaged, or holds something else than these types, or a file that the value names is not what it
        was.
    """
    try:
        with ZipFile(file) as packed:
            content = json.loads(packed.read(_CONTENT))
            buffer = packed.read(_ARRAYS)
        return _Reader(types, root, buffer).value(content)
    except (
        BadZipFile,
        zlib.error,
        EOFError,
        KeyError,
        ValueError,
        TypeError,
        IndexError,
        NotImplementedError,
    ) as error:
        msg = f"{type(error).__name__}: {error}"
        raise BrokenRecordError(msg) from None


class _Writer:
    """Makes values plain, and gathers their arrays."""

    def __init__(self, types: Iterable[type], root: Path) -> None:
        self.names = {kind: kind.__qualname__ for kind in types}
        self.root = root
        self.arrays: list[NDArray[Any]] = []
        self.size = 0

    def plain(self, value: object) -> Any:
        """Return a value as JSON can hold it: a number, a text, or a pair of what it is and what is in it."""
        if isinstance(value, np.generic):
            return ["number", self._array(np.asarray(value))]
        if isinstance(value, Enum):
            return ["enum", self._name(value), value.value]
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, np.ndarray):
            if value.dtype == object:
                return ["objects", list(value.shape), [self.plain(entry) for entry in value.ravel()]]
            return ["array", self._array(value)]
        if isinstance(value, dict):
            return ["dict", [[self.plain(key), self.plain(entry)] for key, entry in value.items()]]
        if isinstance(value, (set, frozenset)):
            return ["set", [self.plain(entry) for entry in sorted(value)]]
        if isinstance(value, (list, tuple)):
            return ["list" if isinstance(value, list) else "tuple", [self.plain(entry) for entry in value]]
        if isinstance(value, Path):
            below = value.is_relative_to(self.root)
            return ["path", below, str(value.relative_to(self.root) if below else value), value.stat().st_size]
        if isinstance(value, hist.Hist):
            return ["histogram", self.plain(to_uhi(value))]
        if is_dataclass(value):
            found = {field.name: self.plain(getattr(value, field.name)) for field in fields(value)}
            return ["record", self._name(value), found]
        msg = f"{type(value).__name__} cannot be kept"
        raise TypeError(msg)

    def _name(self, value: object) -> str:
        """Return the name of the type of a record or an enumeration."""
        if type(value) not in self.names:
            msg = f"{type(value).__name__} is none of {', '.join(self.names.values()) or 'no types'}"
            raise TypeError(msg)
        return self.names[type(value)]

    def _array(self, value: NDArray[Any]) -> list[Any]:
        """Return type, shape and place of an array of numbers or text."""
        if value.dtype.names is not None:
            msg = f"an array of {value.dtype} cannot be kept"
            raise TypeError(msg)
        array = np.ascontiguousarray(value)
        place = self.size
        self.arrays.append(array.reshape(-1).view(np.uint8) if array.size else np.empty(0, np.uint8))
        self.size += array.nbytes
        return [array.dtype.str, list(value.shape), place]


class _Reader:
    """Makes values of what `_Writer` made of them."""

    def __init__(self, types: Iterable[type], root: Path, buffer: bytes) -> None:
        self.types = {kind.__qualname__: kind for kind in types}
        self.root = root
        self.buffer = buffer

    def value(self, plain: Any) -> Any:
        """Return the value."""
        if not isinstance(plain, list):
            return plain
        match plain:
            case ["number", place]:
                return self._array(*place)[()]
            case ["array", place]:
                return self._array(*place)
            case ["enum", name, found]:
                return self.types[name](found)
            case ["objects", shape, entries]:
                made = np.empty(len(entries), dtype=object)
                for index, entry in enumerate(entries):
                    made[index] = self.value(entry)
                return made.reshape(shape)
            case ["dict", pairs]:
                return {self.value(key): self.value(entry) for key, entry in pairs}
            case ["list", entries]:
                return [self.value(entry) for entry in entries]
            case ["tuple", entries]:
                return tuple(self.value(entry) for entry in entries)
            case ["set", entries]:
                return {self.value(entry) for entry in entries}
            case ["path", below, text, size]:
                return _whole(self.root / text if below else Path(text), size)
            case ["histogram", found]:
                return hist.Hist(from_uhi(self.value(found)))
            case ["record", name, found]:
                return self.types[name](**{key: self.value(entry) for key, entry in found.items()})
        msg = f"no value: {str(plain)[:80]}"
        raise BrokenRecordError(msg)

    def _array(self, dtype: str, shape: list[int], place: int) -> NDArray[Any]:
        """Return an array, which may be written to."""
        kind = np.dtype(dtype)
        if kind.hasobject:
            msg = f"no array of {dtype}"
            raise BrokenRecordError(msg)
        count = int(np.prod(shape, dtype=np.int64))
        if not count:
            return np.empty(shape, dtype=kind)
        return np.frombuffer(self.buffer, dtype=kind, count=count, offset=place).reshape(shape).copy()


def _whole(path: Path, size: int) -> Path:
    """Return the path of a file that has kept its size: after a loss of power, one may be empty."""
    try:
        found = path.stat().st_size
    except FileNotFoundError:
        found = -1
    if found != size:
        msg = f"{path} is not what was written"
        raise BrokenRecordError(msg)
    return path
