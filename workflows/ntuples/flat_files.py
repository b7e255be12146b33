"""CSV and Parquet files: one row a candidate, one column of numbers a variable; read by pyarrow.

A CSV file names its columns in its first line, which may begin with ``#``; they are apart by commas, semicolons, tabs,
or single blanks. It is held in memory as a whole, of a Parquet file only the row groups that are asked for.
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import NtupleError
from workflows.ntuples.branches import branch_name
from workflows.ntuples.missing import no_branches
from workflows.ntuples.opening import no_file
from workflows.storage.addresses import Place
from workflows.storage.files import FileState, open_binary, state_of

__all__ = ["FlatInfo", "close_flat", "inspect_flat", "is_flat", "read_flat"]

_SUFFIXES = {".csv": "CSV", ".txt": "CSV", ".parquet": "Parquet", ".pq": "Parquet"}
_APART = (",", ";", "\t", " ")
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")

FlatInfo = tuple[str, int, tuple[int, ...], tuple[str, ...], FileState]
"""Format, rows, the rows at which reading can stop, what is not there, and the state of the file."""


def is_flat(path: Place) -> bool:
    """Return whether a file is one of CSV or Parquet, by the ending of its name."""
    return path.suffix.lower() in _SUFFIXES


def inspect_flat(
    path: Place, variables: Sequence[str], names: Mapping[str, str], jagged: Collection[str], optional: Collection[str]
) -> FlatInfo:
    """Return what a file holds, after a check that every needed column is there and holds numbers.

    Parameters
    ----------
    path
        The file.
    variables, names, jagged, optional
        As for `workflows.ntuples.contents.inspect`.

    Raises
    ------
    MissingBranchesError
        If columns are missing, all of which are named.
    NtupleError
        If the file is missing, empty or damaged, or a column does not hold one number a row.
    """
    with _reading(path):
        state = _state(path)
        there, rows, clusters = _contents(path, state)
    absent = tuple(v for v in variables if v in optional and branch_name(v, names) not in there)
    columns = {v: branch_name(v, names) for v in variables if v not in absent}
    if missing := {v: column for v, column in columns.items() if column not in there}:
        raise no_branches(path, "", missing, there)
    if lists := [v for v in columns if v in jagged]:
        msg = f"{path}: {lists[0]!r} is a list of numbers in each row, which is read from ROOT files alone"
        raise NtupleError(msg)
    for variable, column in columns.items():
        if not _is_number(there[column]):
            msg = f"{path}: column {column!r} for the variable {variable!r} holds {there[column]}, not one number a row"
            raise NtupleError(msg)
    return _SUFFIXES[path.suffix.lower()], rows, clusters, absent, state


def read_flat(path: Place, columns: Sequence[str], start: int, stop: int) -> dict[str, NDArray[Any]]:
    """Return columns by name, shape (R,), of the rows from `start` up to `stop`; NaN where a cell is empty.

    Raises
    ------
    NtupleError
        If they cannot be read.
    """
    names = list(dict.fromkeys(columns))
    with _reading(path):
        table = _rows(path, _state(path), start, stop, names)
        return {name: np.asarray(table[name].to_numpy()) for name in names}


def close_flat() -> None:
    """Forget the file that was read last."""
    _csv.cache_clear()


@contextmanager
def _reading(path: Place) -> Iterator[None]:
    """Turn whatever goes wrong while a file is read into an `NtupleError` of one line that names it.

    Raises
    ------
    NtupleError
        If so.
    """
    try:
        yield
    except (NtupleError, MemoryError):
        raise
    except FileNotFoundError:
        raise no_file(path) from None
    except Exception as error:
        if isinstance(error, OSError) and error.strerror:  # of a disk or server; pyarrow's own say less
            msg = f"{path}: cannot be read: {error.strerror}"
            raise NtupleError(msg) from None
        reason = " ".join(str(error).split())[:200]
        what = "is truncated or no Parquet file" if path.suffix.lower() in (".parquet", ".pq") else "is no table"
        msg = f"{path}: {what}: {reason}"
        raise NtupleError(msg) from error


def _state(path: Place) -> FileState:
    """Return what tells a file from one that took its place.

    Raises
    ------
    NtupleError
        If it is empty.
    """
    state = state_of(path)
    if state[0] == 0:
        msg = f"{path}: the file is empty (0 bytes)"
        raise NtupleError(msg)
    return state


def _contents(path: Place, state: FileState) -> tuple[dict[str, Any], int, tuple[int, ...]]:
    """Return the types of the columns by name, the number of rows, and the rows at which reading can stop."""
    if _SUFFIXES[path.suffix.lower()] == "CSV":
        table = _csv(path, state)
        return dict(zip(table.column_names, table.schema.types, strict=True)), table.num_rows, (0, table.num_rows)
    from pyarrow import parquet

    with open_binary(path) as source, parquet.ParquetFile(source, page_checksum_verification=True) as file:
        groups = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
        schema = file.schema_arrow
        return dict(zip(schema.names, schema.types, strict=True)), sum(groups), (0, *accumulate(groups))


def _rows(path: Place, state: FileState, start: int, stop: int, names: Sequence[str]) -> Any:
    """Return some rows and columns, as a table of pyarrow."""
    if _SUFFIXES[path.suffix.lower()] == "CSV":
        return _csv(path, state).select(list(names)).slice(start, stop - start)
    from pyarrow import parquet

    with open_binary(path) as source, parquet.ParquetFile(source, page_checksum_verification=True) as file:
        groups = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
        ends = list(accumulate(groups))
        some = [i for i, end in enumerate(ends) if end > start and end - groups[i] < stop]
        first = ends[some[0]] - groups[some[0]] if some else 0
        return file.read_row_groups(some, columns=list(names)).slice(start - first, stop - start)


@lru_cache(maxsize=1)
def _csv(path: Place, state: FileState) -> Any:
    """Return a CSV file as a table of pyarrow; `state` tells a file from one that took its place.

    Raises
    ------
    NtupleError
        If its first line names no columns, or one twice.
    """
    del state
    from pyarrow import csv

    with io.TextIOWrapper(open_binary(path), encoding="utf-8") as file:
        first = file.readline().removeprefix("\ufeff").lstrip("#").strip()
    apart = next((mark for mark in _APART if mark in first), ",")
    names = [name.strip().strip('"') for name in first.split(apart)]
    if any(_NUMBER.fullmatch(name) for name in names):
        msg = f"{path}: its first line, {first[:60]!r}, holds numbers; it must name the columns"
        raise NtupleError(msg)
    if twice := [name for name in names if names.count(name) > 1]:
        msg = f"{path}: the column {twice[0]!r} stands twice in its first line"
        raise NtupleError(msg)
    with open_binary(path) as source:
        return csv.read_csv(
            source,
            read_options=csv.ReadOptions(column_names=names, skip_rows=1),
            parse_options=csv.ParseOptions(delimiter=apart),
            convert_options=csv.ConvertOptions(null_values=["", "nan", "NaN", "NA", "null"]),
        )


def _is_number(kind: Any) -> bool:
    """Return whether a type of pyarrow is that of one number."""
    from pyarrow import types

    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind))
