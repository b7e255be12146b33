"""Files that are there as a whole or not at all, or are read so, and the same file in two places."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["link", "read_whole", "whole_file"]


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield where to write a file that gets its name when it is complete.

    Whatever happens before, an interrupt included, leaves no file, and an older file of that name as it was. Several
    processes may write the same file: the last one stays.

    Parameters
    ----------
    path
        The file; its folder is made if needed.

    Raises
    ------
    OSError
        If it cannot be written, because the disk is full for one; names the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.partial")
    try:
        yield partial
        os.replace(partial, path)  # noqa: PTH105
    except OSError as error:
        if error.filename is None and error.errno is not None:  # of writing, not of opening
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        partial.unlink(missing_ok=True)


def read_whole(path: Path) -> bytes:
    """Return the bytes of a file.

    Raises
    ------
    OSError
        If it cannot be read, or is a pipe or a device, which may have no end.
    """
    if path.exists() and not path.is_file() and not path.is_dir():  # of a folder the system says so itself
        raise OSError(errno.EINVAL, "is a pipe or a device, and no file", str(path))
    return path.read_bytes()


def link(source: str | Path, target: str | Path) -> None:
    """Make a file the same as another one, or a copy of it where a file system has no links.

    Parameters
    ----------
    source
        The file that is there.
    target
        The other one; there must be none.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
