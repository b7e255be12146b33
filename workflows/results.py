"""Tables and documents on disk, each there as a whole or not at all.

================================ =====================================================
lock                             a folder for one run at a time
write_table, read_table          columns, as CSV and as JSON
write_csv, write_json, read_json one file
================================ =====================================================
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import BumphuntError
from workflows.whole_file import whole_file

__all__ = ["PROVENANCE", "lock", "read_json", "read_table", "write_csv", "write_json", "write_table"]

PROVENANCE = "provenance.json"
"""Name of the record of what the files of a stage were made of; see `workflows.provenance`."""


@contextlib.contextmanager
def lock(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold the results folder, so that two runs do not write into each other.

    Parameters
    ----------
    folder
        The folder; made if needed.
    shared
        Whether others that say so too may hold it at the same time.

    Raises
    ------
    BumphuntError
        If another process holds it, or it is no folder that can be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("a+")  # a shared lock of a network disk is for those that may read
    except OSError as error:
        msg = f"{folder}: cannot hold results ({error.strerror}); choose another folder with --output"
        raise BumphuntError(msg) from None
    with file:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = f"{folder}: another bumphunt is at work in this folder; wait for it, or choose another with --output"
            raise BumphuntError(msg) from None
        yield


def _replace(path: Path, text: str) -> None:
    """Write a text as a whole, so that no reader sees half a file."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _plain(value: object) -> object:
    """Return a NumPy scalar as a Python one, and NaN as None: an empty cell is no number."""
    item = getattr(value, "item", None)
    plain = item() if callable(item) else value
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain


def write_csv(path: Path, columns: Mapping[str, Any]) -> None:
    """Write columns of equal length as CSV; NaN becomes an empty cell, floats keep seven significant digits.

    Raises
    ------
    ValueError
        If the columns differ in length.
    """
    lines = [",".join(columns)]
    for row in zip(*columns.values(), strict=True):
        lines.append(",".join(_cell(_plain(value)) for value in row))
    _replace(path, "\n".join(lines) + "\n")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.7g}"
    text = ";".join(value) if isinstance(value, (tuple, list)) else str(value)
    if any(mark in text for mark in ',"\n\r'):
        quoted = text.replace('"', '""')
        return f'"{quoted}"'
    return text


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON document; NaN becomes null."""

    def clean(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {str(k): clean(v) for k, v in value.items()}
        if hasattr(value, "tolist"):
            return clean(value.tolist())
        if isinstance(value, (list, tuple)):
            return [clean(v) for v in value]
        plain = _plain(value)
        return plain if plain is None or isinstance(plain, (bool, int, float, str)) else str(plain)

    _replace(path, json.dumps(clean(content), indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON document.

    Raises
    ------
    BumphuntError
        If the file is missing or broken.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{path}: cannot be read ({error}); make it again with 'bumphunt run'"
        raise BumphuntError(msg) from None
    return content


def write_table(folder: Path, name: str, columns: Mapping[str, Any], **about: Any) -> None:
    """Write columns of equal length as ``NAME.csv`` and ``NAME.json``.

    Parameters
    ----------
    folder, name
        Where.
    columns
        The columns; under ``columns`` in the JSON.
    about
        What else stands in the JSON, before them.
    """
    write_csv(folder / f"{name}.csv", columns)
    write_json(folder / f"{name}.json", {**about, "columns": columns})


def read_table(folder: Path, name: str) -> dict[str, NDArray[Any]]:
    """Return the columns that `write_table` wrote, from the JSON; empty cells are NaN.

    Raises
    ------
    BumphuntError
        If the file is missing or broken.
    """
    columns = read_json(folder / f"{name}.json")["columns"]
    return {key: np.array([np.nan if value is None else value for value in values]) for key, values in columns.items()}
