"""Small tables of numbers that users give as text: columns apart by commas or blanks, a header or none."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import InputError
from workflows.whole_file import read_whole

__all__ = ["read_numbers"]

_APART = re.compile(r"[,;\s]+")


def read_numbers(path: Path, *, columns: int | tuple[int, ...]) -> NDArray[np.float64]:
    """Return the numbers of a table, shape (R, C).

    Lines that are empty or begin with ``#`` are left out, and so is the first other line if it holds no number.

    Parameters
    ----------
    path
        The file.
    columns
        Number of its columns C, or the numbers that it may be, the same in all rows.

    Raises
    ------
    InputError
        If the file is missing or empty, or a row has another number of columns, or a word where a number is wanted.
    """
    try:
        lines = read_whole(path).decode("utf-8").splitlines()
    except FileNotFoundError:
        msg = f"{path}: there is no such file"
        raise InputError(msg) from None
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: cannot be read as text: {error}"
        raise InputError(msg) from None
    numbered = [(n, line.strip()) for n, line in enumerate(lines, 1) if line.strip() and line.lstrip()[0] != "#"]
    if numbered and not any(_is_number(cell) for cell in _APART.split(numbered[0][1])):
        numbered = numbered[1:]
    if not numbered:
        msg = f"{path}: holds no row of numbers"
        raise InputError(msg)
    rows: list[list[float]] = []
    allowed = (columns,) if isinstance(columns, int) else columns
    for number, line in numbered:
        cells = [cell for cell in _APART.split(line) if cell]
        wanted = (len(rows[0]),) if rows else allowed
        if len(cells) not in wanted or not all(map(_is_number, cells)):
            want = " or ".join(map(str, wanted))
            msg = f"{path}:{number}: {line[:60]!r}; want {want} numbers, apart by commas or blanks"
            raise InputError(msg)
        rows.append([float(cell) for cell in cells])
    return np.array(rows)


def _is_number(cell: str) -> bool:
    """Return whether a cell holds a finite number."""
    try:
        return bool(np.isfinite(float(cell)))
    except ValueError:
        return False
