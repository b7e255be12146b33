"""Files that are there as a whole or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["whole_file"]


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
