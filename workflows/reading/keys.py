"""What tells the rows of a chunk apart, and columns that a file need not have.

| a file without | has |
|---|---|
| ``__production__``, ``__experiment__``, ``__run__`` | 0 |
| ``__candidate__`` | 0: each row is an event of its own |
| ``__ncandidates__`` | the number of rows of the event |
| ``__weight__`` | 1 |

Constants of the analysis go before these, and say what any other variable is that a file does not have. A variable that
the name table names must be there. `check` says what was assumed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import InputError, NtupleError
from selections.events import CANDIDATE, ENTRY, EVENT_KEY, FILE, RowKey, candidate_numbers, event_keys, group_starts
from workflows.ntuples.contents import read_columns
from workflows.ntuples.entry_ranges import EntryRange
from workflows.reading.plan import WEIGHT
from workflows.storage.addresses import place_of

__all__ = [
    "COUNTED",
    "DEFAULTS",
    "RowNumbers",
    "assumed",
    "constant",
    "counted_candidates",
    "read_numbers",
    "row_numbers",
]

Columns = Mapping[str, NDArray[Any]]

N_CANDIDATES = "__ncandidates__"
"""Variable that holds the number of candidates of an event."""
COUNTED = None
"""Stands for the number of rows of an event, in place of a constant."""
DEFAULTS: dict[str, float | None] = {
    **{name: 0 for name in EVENT_KEY if name != "__event__"},
    CANDIDATE: 0,
    N_CANDIDATES: COUNTED,
    WEIGHT: 1,
}
"""What a variable is in files that do not have it."""
_NEIGHBOURS = 64
"""Rows beyond a chunk that are read at a time to see where an event ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowNumbers:
    """What tells the N rows of a chunk apart.

    Parameters
    ----------
    event
        Parts of the key of an event by name, each of shape (N,), in the order of `selections.events.RowKey.parts`.
    candidate
        Candidate numbers, shape (N,).
    key
        What they are.
    """

    event: dict[str, NDArray[Any]]
    candidate: NDArray[Any]
    key: RowKey

    @property
    def size(self) -> int:
        """Number of rows."""
        return int(self.candidate.size)


def assumed(
    constants: Mapping[str, float], names: Mapping[str, str], required: Collection[str] = ()
) -> dict[str, float | None]:
    """Return the variables that a file need not have, with what they are then.

    Parameters
    ----------
    constants
        What the analysis says.
    names
        Branch by variable: what is named must be there.
    required
        Variables that must be there too, unless there is a constant.
    """
    defaults = {name: value for name, value in DEFAULTS.items() if name not in names and name not in required}
    return defaults | dict(constants)


def constant(value: float, rows: int) -> NDArray[Any]:
    """Return a column of one value, shape (N,): of int64 if it is a whole number, else of float64."""
    return np.full(rows, value, dtype=np.int64 if value == int(value) else np.float64)


def row_numbers(columns: Columns, key: RowKey, where: EntryRange) -> RowNumbers:
    """Return what tells the rows of an entry range apart.

    Parameters
    ----------
    columns
        Columns by variable, each of shape (N,).
    key
        What tells rows apart.
    where
        The entries.

    Raises
    ------
    NtupleError
        If several numbers of a candidate cannot be told as one.
    """
    try:
        candidate = candidate_numbers([columns[name] for name in key.candidate], key.candidate)
    except InputError as error:
        msg = f"{where.place}: {error}"
        raise NtupleError(msg) from None
    rows = candidate.size

    def part(name: str) -> NDArray[Any]:
        if name == ENTRY:
            return where.start + np.arange(rows)
        if name == FILE:
            return constant(where.file_number or 0, rows)
        return columns[name] if name in key.event else constant(0, rows)

    return RowNumbers(event={name: part(name) for name in key.parts}, candidate=candidate, key=key)


def read_numbers(
    where: EntryRange, key: RowKey, names: Mapping[str, str], absent: Mapping[str, float | None]
) -> RowNumbers:
    """Return what tells the rows of an entry range apart, from the file; its last rows may be beyond the end.

    Parameters
    ----------
    where
        The entries.
    key
        What tells rows apart.
    names
        Branch by variable, for branches that are not called by the escaped name.
    absent
        Variables that a file need not have, with what they are where it has not.

    Raises
    ------
    NtupleError
        If the rows cannot be read.
    """
    there = [name for name in key.variables if name not in where.absent]
    columns = (
        read_columns(
            place_of(where.file), tree=where.tree, variables=there, names=names, start=where.start, stop=where.stop
        )
        if there
        else {}
    )
    rows = next((values.size for values in columns.values()), where.stop - where.start)
    columns |= {name: constant(absent[name] or 0, rows) for name in key.variables if name in where.absent}
    return row_numbers(columns, key, where)


def counted_candidates(
    numbers: RowNumbers, where: EntryRange, names: Mapping[str, str], absent: Mapping[str, float | None]
) -> NDArray[np.int64]:
    """Return the number of rows of the event of each row, shape (N,); those beyond the chunk count too.

    Parameters
    ----------
    numbers
        What tells the rows apart.
    where
        The entries.
    names, absent
        As for `read_numbers`.

    Raises
    ------
    NtupleError
        If the rows beside the chunk cannot be read.
    """
    keys = event_keys(numbers.event, numbers.key.parts)
    starts = group_starts(keys)
    sizes = np.diff(np.append(starts, len(keys)))
    if sizes.size:
        rows = sizes.copy()
        rows[0] += _run(keys[0], where, names, absent, numbers.key, step=-1)
        rows[-1] += _run(keys[-1], where, names, absent, numbers.key, step=1)
        return np.repeat(rows, sizes)
    return sizes


def _run(
    event: NDArray[np.int64],
    where: EntryRange,
    names: Mapping[str, str],
    absent: Mapping[str, float | None],
    key: RowKey,
    *,
    step: int,
) -> int:
    """Return how many rows after the end of a range, or before its start for a `step` of -1, are of an event."""
    found, at = 0, where.stop if step > 0 else where.start
    while True:
        first, last = (at, at + _NEIGHBOURS) if step > 0 else (max(at - _NEIGHBOURS, 0), at)
        if first == last:
            return found
        beside = read_numbers(replace(where, start=first, stop=last), key, names, absent)
        same = np.all(event_keys(beside.event, key.parts) == event, axis=1)[::step]
        found += int(same.size if same.all() else np.argmin(same))
        if not same.all() or same.size < _NEIGHBOURS:
            return found
        at += step * _NEIGHBOURS
