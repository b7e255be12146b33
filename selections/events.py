"""Candidates and events: one row of an ntuple is one candidate, and an event may have several.

What tells rows apart is a `RowKey`. That of an event is (production, experiment, run, event) within its data set, with
the file before them where jobs count their events alike, or whatever else an experiment numbers its events with.
Candidates of one event stand in adjacent rows, as basf2 writes them. Those that pass a selection are resolved by a
`CandidateRule`, and a row with the same event key and candidate number as another is a repeated row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from bumphunt.errors import InputError
from selections.cuts import Columns

__all__ = [
    "ALL",
    "CANDIDATE",
    "ENTRY",
    "EVENT_KEY",
    "FILE",
    "REJECT",
    "ROW_KEY",
    "CandidateRule",
    "RowKey",
    "candidate_numbers",
    "candidate_pairs",
    "describe_key",
    "event_hash",
    "event_keys",
    "event_normals",
    "group_starts",
    "half_sample",
    "kept_candidates",
    "repeated_key",
    "repeated_row",
    "training_fold",
]

Keys = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Mask = NDArray[np.bool_]

EVENT_KEY = ("__production__", "__experiment__", "__run__", "__event__")
"""Variables that tell the events of a data set apart."""
FILE = "__file__"
"""Number of the file among those of the data set, where it is part of the key."""
ENTRY = "__entry__"
"""Number of the row in its file, where it is part of the key: then each row is an event."""
CANDIDATE = "__candidate__"
"""Variable that tells the candidates of an event apart."""
_BLOCK = 16384
_CANDIDATE_BITS = 62
"""Bits of a candidate number, which several variables share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowKey:
    """What tells the rows of a data set apart.

    Parameters
    ----------
    event
        What tells its events apart: variables, `FILE` and `ENTRY`.
    candidate
        Variables that tell the candidates of an event apart: one, or several that do so together, such as the number of
        a candidate and that of the candidate on the other side that it goes with.
    """

    event: tuple[str, ...] = EVENT_KEY
    candidate: tuple[str, ...] = (CANDIDATE,)

    @property
    def parts(self) -> tuple[str, ...]:
        """Parts of the key of an event: those of its own, the file first, and `EVENT_KEY`, asked for or not.

        What of the latter is not asked for is 0 for all events, so that the same events have the same key.
        """
        own = sorted((name for name in self.event if name not in EVENT_KEY), key=lambda name: name != FILE)
        return (*own, *EVENT_KEY)

    @property
    def variables(self) -> tuple[str, ...]:
        """Variables that must be known of each row."""
        return (*(name for name in self.event if name not in (FILE, ENTRY)), *self.candidate)


ROW_KEY = RowKey()
"""The key of basf2's ntuples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateRule:
    """What becomes of an event of which several candidates pass all cuts before the optimised ones.

    Parameters
    ----------
    best
        Variable or observable of which the best candidate has the largest or smallest value; of equal ones that with
        the lowest candidate number is kept. None rejects the event.
    largest
        Whether the largest value is best.
    every
        Whether all candidates are kept, each as an entry of its own.
    """

    best: str | None = None
    largest: bool = True
    every: bool = False


REJECT = CandidateRule()
"""Reject events of which more than one candidate passes."""
ALL = CandidateRule(every=True)
"""Keep all candidates, such as the pairings of equal particles: what that means for counts is told by
`bumphunt.spectrum.pairs`."""


def event_keys(columns: Columns, parts: Sequence[str] = EVENT_KEY) -> Keys:
    """Return the keys of the events, shape (N, K), of K parts: variables by name.

    Raises
    ------
    InputError
        If a part of a key is not a whole number.
    """
    return np.stack([whole_numbers(columns[name], name) for name in parts], axis=-1)


def candidate_numbers(columns: Sequence[NDArray[Any]], names: Sequence[str]) -> NDArray[Any]:
    """Return a number of each candidate, shape (N,), from one or several that tell it apart together.

    One is as it is. Of several, the first is the most significant one, and each has the same number of bits.

    Parameters
    ----------
    columns
        The numbers, each of shape (N,), at least one.
    names
        What they are called, for the error.

    Raises
    ------
    InputError
        If one of several is no whole number, or negative, or has more bits.

    Examples
    --------
    >>> candidate_numbers([np.array([0, 0, 1]), np.array([0, 1, 0])], ["a", "b"]).tolist()
    [0, 1, 2147483648]
    """
    if len(columns) == 1:
        return columns[0]
    bits = _CANDIDATE_BITS // len(columns)
    packed = np.zeros(len(columns[0]), dtype=np.int64)
    for values, name in zip(columns, names, strict=True):
        part = whole_numbers(values, name)
        if bad := np.flatnonzero((part < 0) | (part >> bits > 0))[:1].tolist():
            msg = f"{name} = {part[bad[0]]}; as a part of {' and '.join(names)} it must be from 0 to {2**bits - 1}"
            raise InputError(msg)
        packed = (packed << bits) | part
    return packed


def whole_numbers(values: NDArray[Any], name: str) -> NDArray[np.int64]:
    """Return values as integers, shape (N,).

    Raises
    ------
    InputError
        If one of them is not a whole number.
    """
    if values.dtype.kind in "iu":
        return values.astype(np.int64)
    with np.errstate(invalid="ignore"):
        integers = values.astype(np.int64)
    wrong = np.flatnonzero(integers != values)
    if wrong.size:
        msg = f"{name} = {values[wrong[0]]}; it must be a whole number"
        raise InputError(msg)
    return integers


def _mix(x: Hashes) -> Hashes:
    """Return well-mixed 64-bit numbers (the finaliser of splitmix64; Steele, Lea, Flood, OOPSLA 2014)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def event_hash(keys: Keys) -> Hashes:
    """Return 64-bit hashes of event keys of shape (N, K), shape (N,); the same on every machine."""
    return _hash(keys.T)


def _hash(columns: Sequence[NDArray[Any]] | Keys) -> Hashes:
    """Return 64-bit hashes of rows of columns, shape (N,), worked out in blocks that fit the processor's cache."""
    h = np.zeros(len(columns[0]), dtype=np.uint64)
    for start in range(0, h.size, _BLOCK):
        part = h[start : start + _BLOCK]
        for values in columns:
            part[:] = _mix(part ^ values[start : start + _BLOCK].astype(np.uint64))
    return h


def event_normals(hashes: Hashes, stream: str) -> NDArray[np.float64]:
    """Return a number of the standard normal distribution for each event, shape (N,).

    It depends on the event and the stream alone, so neither on chunks nor on files.

    Parameters
    ----------
    hashes
        Hashes of the events, see `event_hash`, shape (N,).
    stream
        What the numbers are for: those of different streams are independent.
    """
    salt = np.uint64(int.from_bytes(blake2b(stream.encode(), digest_size=8).digest(), "little"))
    # 52 bits and a half: never 0 or 1
    uniform = ((_mix(hashes ^ salt) >> np.uint64(12)) + 0.5) * 2.0**-52
    return np.asarray(ndtri(uniform), dtype=np.float64)


def half_sample(keys: Keys) -> NDArray[np.int64]:
    """Return the half, 0 or 1, that each event belongs to, shape (N,).

    It depends on the key alone, so neither on chunks nor on files. Events 2k and 2k + 1 are of the same half, because
    bumphunt's simulation writes two views of one generated event under them.
    """
    pairs = keys.copy()
    pairs[:, -1] >>= 1
    return (event_hash(pairs) & np.uint64(1)).astype(np.int64)


def training_fold(keys: Keys, folds: int) -> NDArray[np.int64]:
    """Return the fold, 0 to `folds` - 1, that each event belongs to, shape (N,), independent of its half.

    As `half_sample`: events 2k and 2k + 1 are of the same fold, and nothing but the key matters.
    """
    pairs = keys.copy()
    pairs[:, -1] >>= 1
    return ((event_hash(pairs) >> np.uint64(1)) % np.uint64(folds)).astype(np.int64)


def group_starts(keys: Keys) -> NDArray[np.intp]:
    """Return the positions at which another event begins, among rows ordered as in the file.

    Examples
    --------
    >>> group_starts(np.array([[0, 0, 0, 7], [0, 0, 0, 7], [0, 0, 0, 8]]))
    array([0, 2])
    """
    if not len(keys):
        return np.empty(0, dtype=np.intp)
    return np.concatenate([[0], np.flatnonzero(np.any(keys[1:] != keys[:-1], axis=1)) + 1]).astype(np.intp)


def kept_candidates(
    starts: NDArray[np.intp], candidate: NDArray[np.int64], rank: NDArray[np.float64], rule: CandidateRule
) -> Mask:
    """Return which of the rows are kept, shape (N,): at most one an event, or all of them.

    Parameters
    ----------
    starts
        Where each event begins, see `group_starts`.
    candidate
        Candidate numbers, shape (N,).
    rank
        Values of the variable that the rule names, shape (N,); unused to reject.
    rule
        What becomes of events with several candidates.
    """
    if rule.every:
        return np.ones(len(candidate), dtype=np.bool_)
    size = np.diff(np.append(starts, len(candidate)))
    if rule.best is None:
        return np.repeat(size == 1, size)
    worth = np.where(np.isnan(rank), -np.inf, rank if rule.largest else -rank)
    rows = {"worth": worth, "candidate": candidate, "row": np.arange(len(candidate))}
    events = ak.unflatten(ak.Array(rows), size)
    best = events[events.worth == ak.max(events.worth, axis=1)]
    first = best[ak.argmin(best.candidate, axis=1, keepdims=True)]
    keep = np.zeros(len(candidate), dtype=np.bool_)
    keep[ak.to_numpy(ak.flatten(first.row))] = True
    return keep


def candidate_pairs(starts: NDArray[np.intp], rows: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the positions of the rows of every pair of one event, shape (P,) each.

    Parameters
    ----------
    starts
        Where each event begins, see `group_starts`.
    rows
        Number of all rows.

    Examples
    --------
    >>> candidate_pairs(np.array([0, 1]), 4)
    (array([1, 1, 2]), array([2, 3, 3]))
    """
    events = ak.unflatten(np.arange(rows), np.diff(np.append(starts, rows)))
    first, second = ak.unzip(ak.combinations(events, 2))
    return tuple(ak.to_numpy(ak.flatten(part)).astype(np.intp) for part in (first, second))


def repeated_row(starts: NDArray[np.intp], candidate: NDArray[np.int64]) -> tuple[int, int] | None:
    """Return the positions of two rows of one event with the same candidate number; None if there are none."""
    size = np.diff(np.append(starts, len(candidate)))
    if not np.any(size > 1):
        return None
    group = np.repeat(np.arange(starts.size), size)
    order = np.lexsort((candidate, group))
    same = (group[order[1:]] == group[order[:-1]]) & (candidate[order[1:]] == candidate[order[:-1]])
    first = np.flatnonzero(same)
    return (int(order[first[0]]), int(order[first[0] + 1])) if first.size else None


def repeated_key(
    columns: Sequence[NDArray[Any]], names: Sequence[str] = (*EVENT_KEY, CANDIDATE)
) -> tuple[int, int] | None:
    """Return the positions of two rows that are equal in all columns; None if there are none.

    Rows that ascend, as they do where events are numbered in the order in which they are written, are told apart at a
    glance; others by their hashes.

    Parameters
    ----------
    columns
        Whole numbers, each of shape (N,); the most significant one first.
    names
        What they are called, for the error.

    Raises
    ------
    InputError
        If one of them is not a whole number.

    Examples
    --------
    >>> repeated_key([np.array([1, 2, 1]), np.array([0, 5, 0])])
    (0, 2)
    """
    integers = [
        values if values.dtype.kind in "iu" else whole_numbers(values, name)
        for values, name in zip(columns, names, strict=False)
    ]
    if _ascend(integers):
        return None
    hashes = _hash(integers)
    ordered = np.sort(hashes)
    if not np.any(ordered[1:] == ordered[:-1]):
        return None
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    for i in np.flatnonzero(ordered[1:] == ordered[:-1]):
        first, second = int(order[i]), int(order[i + 1])
        if all(values[first] == values[second] for values in integers):
            return first, second
    return None


def _ascend(columns: Sequence[NDArray[Any]]) -> bool:
    """Whether each row is greater than the one before: in the first of its columns that differs."""
    greater = np.zeros(max(len(columns[0]) - 1, 0), dtype=np.bool_)
    equal = ~greater
    for values in columns:
        if values.size and values[0] == values[-1] and np.all(values == values[0]):
            continue  # most chunks are of one run
        greater = greater | (equal & (values[1:] > values[:-1]))
        equal = equal & (values[1:] == values[:-1])
    return bool(np.all(greater))


def describe_key(key: Keys, candidate: int, names: RowKey = ROW_KEY) -> str:
    """Return an event key of shape (K,) and a candidate number as text.

    Parameters
    ----------
    key
        The key, in the order of `RowKey.parts`.
    candidate
        The number, see `candidate_numbers`.
    names
        What they are called.

    Examples
    --------
    >>> describe_key(np.array([0, 3, 1, 7]), 0)
    'production 0, experiment 3, run 1, event 7, candidate 0'
    """
    bits = _CANDIDATE_BITS // len(names.candidate)
    numbers = [candidate]
    for _ in names.candidate[1:]:
        numbers[:1] = [numbers[0] >> bits, numbers[0] & ((1 << bits) - 1)]
    pairs = zip((*names.parts, *names.candidate), (*key, *numbers), strict=True)
    return ", ".join(f"{name.strip('_')} {int(value)}" for name, value in pairs)
