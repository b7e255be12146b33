"""Opening ROOT files: every problem is an `NtupleError` of one line that names the file and the tree."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bumphunt.errors import InputError, NtupleError
from workflows.storage.addresses import Address, Place
from workflows.storage.files import FileState, open_root, read_bytes, state_of

__all__ = ["no_file", "open_tree", "reading", "refuse_changed"]

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
def reading(path: Place, tree: str) -> Iterator[None]:
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
        if isinstance(path, Address) and isinstance(error, OSError) and error.strerror:  # it was asked often enough
            raise _unreadable(path, error) from error
        _refuse_unusable(path)
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
        what = next((what for kind, what in _NOT_DAMAGED.items() if isinstance(error, kind)), "the file is damaged")
        msg = f"{path}: tree {tree!r} cannot be read, {what} ({reason})"
        raise NtupleError(msg) from error


def _refuse_unusable(path: Place) -> None:
    """Raise if a file is missing, has a name that cannot be opened, is no ROOT file, or is shorter than it says."""
    if not isinstance(path, Address) and "::" in str(path):  # fsspec takes it for a chain of file systems
        msg = f"{path}: a name with '::' cannot be opened; rename it"
        raise NtupleError(msg)
    try:
        size = int(state_of(path)[0])
        header = read_bytes(path, 0, _HEADER_BYTES)
    except OSError as error:
        raise _unreadable(path, error) from None
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


def _unreadable(path: Place, error: OSError) -> NtupleError:
    """Return the error about a file that is not there, or cannot be read."""
    return (
        no_file(path)
        if isinstance(error, FileNotFoundError)
        else NtupleError(f"{path}: cannot be read: {error.strerror}")
    )


def no_file(path: Place) -> NtupleError:
    """Return the error about a file that is not there."""
    if not isinstance(path, Address) and path.is_symlink():
        return NtupleError(f"{path}: is a link to {path.readlink()}, where nothing is")
    return NtupleError(f"{path}: there is no such file")


def refuse_changed(path: Place, before: FileState, *, root: bool = True) -> None:
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
    try:
        now = state_of(path)
    except OSError as error:
        raise _unreadable(path, error) from None
    if now != before:
        if root:
            _refuse_unusable(path)
        msg = f"{path}: the file has changed while it was read: it was replaced, or is still being written; try again"
        raise NtupleError(msg)


@contextmanager
def open_tree(path: Place, tree: str) -> Iterator[Any]:
    """Open a TTree or RNTuple for reading.

    Raises
    ------
    NtupleError
        If the file is missing, no ROOT file, truncated or damaged, or has no such tree, also when that is found while
        the tree is in use.
    """
    _refuse_unusable(path)
    with reading(path, tree), open_root(path) as file:
        classes = file.classnames(cycle=False)
        trees = [name for name, kind in classes.items() if _TREE_CLASSES.fullmatch(kind)]
        if tree not in trees:
            there = f"; there are {', '.join(map(repr, sorted(trees)))}" if trees else "; there is no tree at all"
            msg = f"{path}: there is no tree {tree!r}{there}"
            raise NtupleError(msg)
        yield file[tree]
