"""Opening ROOT files: every problem is an `NtupleError` of one line that names the file and the tree."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uproot

from bumphunt.errors import InputError, NtupleError

__all__ = ["FileState", "open_tree", "reading", "refuse_changed", "state_of"]

FileState = tuple[int, ...]
"""What tells a file from what may take its place: time of change, size, and number of the inode."""

_TREE_CLASSES = re.compile(r"TTree|TNtupleD?|TChain|ROOT::(Experimental::)?RNTuple")
_HEADER_BYTES = 20
_NOT_DAMAGED: dict[type[Exception], str] = {
    ImportError: "a Python package is missing",
    NotImplementedError: "it is written in a way that is not supported",
    OSError: "the disk or the network gave an error: try again",
}
"""What is wrong, by exception, where it is not the content of the file."""
_LARGE_FILE_VERSION = 1_000_000


@contextmanager
def reading(path: Path, tree: str) -> Iterator[None]:
    """Turn whatever goes wrong while a file is read into an `NtupleError` that names file and tree.

    Raises
    ------
    NtupleError
        For any exception but one of bumphunt's own, lack of memory, and interrupts.
    """
    try:
        yield
    except (NtupleError, InputError, MemoryError):
        raise
    except Exception as error:
        _refuse_unusable(path)
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
        what = next((what for kind, what in _NOT_DAMAGED.items() if isinstance(error, kind)), "the file is damaged")
        msg = f"{path}: tree {tree!r} cannot be read, {what} ({reason})"
        raise NtupleError(msg) from error


def _refuse_unusable(path: Path) -> None:
    """Raise if a file is missing, has a name that cannot be opened, is no ROOT file, or is shorter than it says."""
    if "::" in str(path):  # fsspec takes it for a chain of file systems
        msg = f"{path}: a name with '::' cannot be opened; rename it"
        raise NtupleError(msg)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except FileNotFoundError:
        gone = f"is a link to {path.readlink()}, where nothing is" if path.is_symlink() else "there is no such file"
        msg = f"{path}: {gone}"
        raise NtupleError(msg) from None
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise NtupleError(msg) from None
    if size == 0:
        msg = f"{path}: the file is empty (0 bytes)"
        raise NtupleError(msg)
    if header[:4] != b"root" or len(header) < _HEADER_BYTES:
        msg = f"{path}: is no ROOT file (it starts with {header[:4]!r})"
        raise NtupleError(msg)
    # big-endian: magic, version, first record, end of the last one; the latter has 64 bits in large files
    version, _, end = struct.unpack(">iii", header[4:16])
    if version >= _LARGE_FILE_VERSION:
        end = struct.unpack(">q", header[12:20])[0]
    if size < end:
        msg = f"{path}: truncated, {size} bytes of {end}; copy it again"
        raise NtupleError(msg)


def state_of(path: Path) -> FileState:
    """Return the state of a file.

    Raises
    ------
    OSError
        If there is none.
    """
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def refuse_changed(path: Path, before: FileState, *, root: bool = True) -> None:
    """Raise if a file is not what it was: its rows would be those of two files.

    Parameters
    ----------
    path
        The file.
    before
        Its state before it was read.
    root
        Whether it must be a ROOT file.

    Raises
    ------
    NtupleError
        If so, or it cannot be used any more.
    """
    if state_of(path) != before:
        if root:
            _refuse_unusable(path)
        msg = f"{path}: the file has changed while it was read: it was replaced, or is still being written; try again"
        raise NtupleError(msg)


@contextmanager
def open_tree(path: Path, tree: str) -> Iterator[Any]:
    """Open a TTree or RNTuple for reading.

    Raises
    ------
    NtupleError
        If the file is missing, no ROOT file, truncated or damaged, or has no such tree, also when that is found while
        the tree is in use.
    """
    _refuse_unusable(path)
    with reading(path, tree), uproot.open(path) as file:
        classes = file.classnames(cycle=False)
        trees = [name for name, kind in classes.items() if _TREE_CLASSES.fullmatch(kind)]
        if tree not in trees:
            there = f"; there are {', '.join(map(repr, sorted(trees)))}" if trees else "; there is no tree at all"
            msg = f"{path}: there is no tree {tree!r}{there}"
            raise NtupleError(msg)
        yield file[tree]
