"""Rows and events that are there twice, or would be taken for two: each is an error that names both places.

All rows of a chunk are compared with each other. Those that pass in some region are compared across chunks and files
too, by 8 bytes of each event (`workflows.reading.event_hashes`); where two are equal, the keys are read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import InputError, NtupleError
from selections.events import (
    describe_key,
    event_hash,
    event_keys,
    group_starts,
    repeated_key,
    repeated_row,
)
from workflows.ntuples.entry_ranges import EntryRange
from workflows.reading.event_hashes import EventHashes, hashes_of, repeated_hashes
from workflows.reading.keys import RowNumbers
from workflows.reading.rows import RowKeys, joined_keys, row_keys

__all__ = [
    "border_hashes",
    "refuse_overlaps",
    "refuse_repeated_events",
    "refuse_repeated_keys",
    "refuse_repeated_rows",
]


def refuse_repeated_rows(numbers: RowNumbers, where: EntryRange) -> None:
    """Raise if two rows of a chunk have the same event key and candidate, whether or not they pass a cut.

    Raises
    ------
    NtupleError
        If so, or if a part of the key is not a whole number.
    """
    try:
        pair = repeated_key(
            [*numbers.event.values(), numbers.candidate], (*numbers.key.parts, " ".join(numbers.key.candidate))
        )
    except InputError as error:
        msg = f"{where.place}: {error}"
        raise NtupleError(msg) from None
    if pair is not None:
        raise _repeated(row_keys(numbers, np.array(pair), where))


def refuse_overlaps(passing: Mapping[str, NDArray[np.intp]], where: EntryRange) -> None:
    """Raise if a row of a chunk passes in two regions that are fitted together.

    Parameters
    ----------
    passing
        The rows that pass, by name of the region.
    where
        Where the chunk is.

    Raises
    ------
    InputError
        If so: the fit would take one event for two.
    """
    for first, second in combinations(passing, 2):
        if (rows := np.intersect1d(passing[first], passing[second])).size:
            msg = (
                f"{where.file}: entry {where.start + rows[0]} passes in the regions {first!r} and {second!r}, which are"
                " fitted together as different events: name one of them under 'regions', or make their cuts exclude"
                " each other"
            )
            raise InputError(msg)


def refuse_repeated_keys(keys: RowKeys, starts: NDArray[np.intp]) -> None:
    """Raise if two rows of an event have the same candidate number.

    Parameters
    ----------
    keys
        Keys of rows that are ordered by event.
    starts
        Where each event begins, see `selections.events.group_starts`.

    Raises
    ------
    NtupleError
        If so.
    """
    if (pair := repeated_row(starts, keys.candidate)) is not None:
        raise _repeated(keys.take(np.array(pair)))


def _repeated(keys: RowKeys) -> NtupleError:
    """Return the error about two equal rows."""
    before, chunk = keys.chunk
    other = "" if before.file == chunk.file else f" of {before.file}"
    return NtupleError(
        f"{chunk.place}: entry {keys.entry[1]} repeats entry {keys.entry[0]}{other}"
        f" ({describe_key(keys.event[1], int(keys.candidate[1]), keys.names)}); every row may be there once"
        f"{_way_out(keys)}"
    )


def _way_out(keys: RowKeys) -> str:
    """Return what to do about equal keys that are not the same rows, as the end of a sentence."""
    if keys.names.candidate[0] in keys.chunk[0].absent:
        return (
            f", and the file has no {keys.names.candidate[0]!r}, so that each row is an event: name what numbers its"
            " candidates under ntuples.candidate_key, or another ntuples.key"
        )
    if len({place.file for place in keys.chunk}) < 2:
        return ""
    return (
        ", but if the files are of jobs that count their events alike, say so:"
        " ntuples: {key: [file, production, experiment, run, event]}"
    )


def border_hashes(borders: Iterable[RowKeys]) -> list[EventHashes]:
    """Return the record of each event at the borders of chunks, once if it passes in several regions.

    Parameters
    ----------
    borders
        Keys of the passing rows of each region, ordered by event.
    """
    found: dict[int, EventHashes] = {}
    for keys in borders:
        starts = group_starts(keys.event)
        for first, value in zip(starts, event_hash(keys.event[starts]), strict=True):
            entry = int(keys.entry[first])
            where = replace(keys.chunk[first], start=entry, stop=entry + 1)
            found[int(value)] = hashes_of(where, np.array([value], dtype=np.uint64))
    return list(found.values())


def refuse_repeated_events(passed: Sequence[EventHashes], read: Callable[[EntryRange], RowNumbers]) -> None:
    """Raise if an event passed in two places.

    Parameters
    ----------
    passed
        The events that passed, by entry range.
    read
        Function from entries to what tells their rows apart, see `workflows.reading.keys.read_numbers`.

    Raises
    ------
    NtupleError
        If a row is repeated, or the candidates of an event are not in adjacent rows.
    """
    for value, places in repeated_hashes(passed):
        _explain([passed[place].where for place in places], value, read)


def _explain(places: Sequence[EntryRange], value: np.uint64, read: Callable[[EntryRange], RowNumbers]) -> None:
    """Read the keys at some places again and raise if two rows with this hash are of the same event.

    Raises
    ------
    NtupleError
        Always, but in the one case in 2^64 that different events have the same hash.
    """
    keys = joined_keys([_with_hash(read(where), value, where) for where in places])
    # an event at a chunk border stands in the range of its chunk too
    _, unique = np.unique(
        [f"{chunk.file}:{entry}" for chunk, entry in zip(keys.chunk, keys.entry, strict=True)], return_index=True
    )
    keys = keys.take(np.sort(unique))
    if np.any(keys.event != keys.event[0]):
        return
    refuse_repeated_keys(keys, np.zeros(1, dtype=np.intp))
    msg = (
        f"{keys.chunk[-1].place}: entry {keys.entry[-1]} is of the same event as entry {keys.entry[0]} of"
        f" {keys.chunk[0].file} ({describe_key(keys.event[0], int(keys.candidate[-1]), keys.names)}); candidates of one"
        f" event must be in adjacent rows: sort the ntuple by event{_way_out(keys)}"
    )
    raise NtupleError(msg)


def _with_hash(numbers: RowNumbers, value: np.uint64, where: EntryRange) -> RowKeys:
    """Return the keys of the rows of an entry range whose event has a hash."""
    found = event_hash(event_keys(numbers.event, numbers.key.parts))
    return row_keys(numbers, np.flatnonzero(found == value), where)
