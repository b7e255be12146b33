"""A chunk as a processor works on it: the columns that are needed, where they are, and what is known of the sample."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import InputError, NtupleError
from selections.cuts import Selection
from selections.events import FILE, REJECT, ROW_KEY, CandidateRule, RowKey
from workflows.ntuples.branches import branch_name
from workflows.ntuples.entry_ranges import EntryRange
from workflows.ntuples.missing import no_branches
from workflows.reading.keys import COUNTED, RowNumbers, constant, counted_candidates, row_numbers
from workflows.reading.plan import WEIGHT, RegionPlan
from workflows.reading.run_list import RUN, run_numbers
from workflows.reading.weights import Corrections
from workflows.storage.addresses import place_of

__all__ = ["Chunk", "chunk_of", "jagged_variables", "nan_allowed", "needed_variables"]

Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A chunk of a sample.

    Parameters
    ----------
    sample
        Name of the sample.
    simulated
        Whether it is simulated.
    blind
        Positions [low, high) on the axis of a region, by name of the region, whose rows are dropped from it.
    signal
        Whether it is a signal.
    where
        The entries.
    number
        Number of the chunk; None where nothing asks for it.
    columns
        Columns by variable, each of shape (N,), or of N lists: of float64 or int64, whatever type the file stores.
    numbers
        What tells the rows apart.
    runs
        Run of each row, see `workflows.reading.run_list.run_numbers`, shape (N,); None where nothing asks for it.
    """

    sample: str
    simulated: bool
    blind: Mapping[str, tuple[float, float]]
    signal: bool
    where: EntryRange
    number: int | None
    columns: Columns
    numbers: RowNumbers
    runs: NDArray[np.int64] | None


def chunk_of(
    events: Any,
    variables: Callable[[str, bool, bool], Sequence[str]],
    *,
    names: Mapping[str, str],
    nan_allowed: Collection[str],
    jagged: Collection[str],
    key: RowKey,
    absent: Mapping[str, float | None],
    numbered: bool,
    with_runs: bool = False,
) -> Chunk:
    """Return a chunk from what coffea hands to a processor.

    Parameters
    ----------
    events
        Columns by branch, with metadata.
    variables
        Function from the name of a sample, whether it is simulated, and a signal, to the variables that are needed.
    names
        Branch by variable, for branches that are not called by the escaped name.
    nan_allowed
        Variables of which NaN has a meaning.
    jagged
        Variables of which a row holds any number of values.
    key
        What tells rows apart.
    absent
        Variables that a file need not have, with what they are where it has not, see `workflows.reading.keys.assumed`.
    numbered
        Whether the number of the chunk is needed.
    with_runs
        Whether the runs of data are needed.

    Raises
    ------
    InputError
        If the metadata do not say what is needed.
    NtupleError
        If a branch is missing, or holds NaN or infinity where that means nothing, no numbers, or whole numbers beyond
        int64; or data have weights other than 1.
    """
    metadata = events.metadata
    for said, wanted in (("simulated", True), ("number", numbered), ("file_number", FILE in key.event)):
        if wanted and said not in metadata:
            known = ", ".join(sorted(metadata))
            msg = f"sample {metadata['dataset']!r}: its metadata must say {said!r}, beside {known}"
            raise InputError(msg)
    signal = bool(metadata.get("signal"))
    branches = {
        name: branch_name(name, names) for name in variables(metadata["dataset"], metadata["simulated"], signal)
    }
    there = set(events.fields)
    where = EntryRange(
        file=metadata["filename"],
        tree=metadata["treename"],
        start=metadata["entrystart"],
        stop=metadata["entrystop"],
        file_number=metadata.get("file_number"),
        absent=tuple(name for name, branch in branches.items() if branch not in there),
    )
    if missing := [name for name in where.absent if name not in absent]:
        raise no_branches(place_of(where.file), where.tree, {name: branches[name] for name in missing}, there)
    columns = {
        name: _lists(events[branch], name, where)
        if name in jagged
        else _numbers(np.asarray(events[branch]), name, where)
        for name, branch in branches.items()
        if name not in where.absent
    }
    for name, values in columns.items():
        if name not in nan_allowed:
            _refuse_nan(values, name, branches[name], where)
    for name in where.absent:
        if (value := absent[name]) is not COUNTED:
            columns[name] = constant(value, where.stop - where.start)
    if not metadata["simulated"]:
        _refuse_weighted(columns[WEIGHT], branches[WEIGHT], where)
    numbers = row_numbers(columns, key, where)
    for name in where.absent:
        if absent[name] is COUNTED:
            columns[name] = counted_candidates(numbers, where, names, absent)
    return Chunk(
        sample=metadata["dataset"],
        simulated=metadata["simulated"],
        blind=metadata.get("blind") or {},
        where=where,
        signal=signal,
        number=metadata.get("number"),
        columns=columns,
        numbers=numbers,
        runs=run_numbers(*(columns[name] for name in RUN)) if with_runs and not metadata["simulated"] else None,
    )


def nan_allowed(selections: Iterable[Selection]) -> frozenset[str]:
    """Return the variables of which NaN has a meaning in all the selections that read them."""
    meaning = [(v.name, v.nan_allowed) for selection in selections for v in selection.variables]
    return frozenset(name for name, _ in meaning) - {name for name, allowed in meaning if not allowed}


def jagged_variables(selections: Iterable[Selection]) -> frozenset[str]:
    """Return the variables of which a row holds any number of values.

    Raises
    ------
    InputError
        If a variable is jagged for one of the selections that read it and not for another.
    """
    every = [v for selection in selections for v in selection.variables]
    found = frozenset(v.name for v in every if v.jagged)
    if plain := sorted(found & {v.name for v in every if not v.jagged}):
        msg = f"the variable {plain[0]!r} is jagged in one region and not in another; it is one column of the same rows"
        raise InputError(msg)
    return found


def _lists(values: Any, name: str, where: EntryRange) -> Any:
    """Return a jagged column with values of float64 or int64, see `_numbers`.

    Raises
    ------
    NtupleError
        If a value is no number, or beyond int64; or it is no list of numbers.
    """
    lists = ak.Array(values)
    if lists.ndim != 2:
        msg = f"{where.place}: {name} holds {lists.type}, not one list of numbers a row"
        raise NtupleError(msg)
    content = _numbers(ak.to_numpy(ak.flatten(lists)), name, where)
    return ak.unflatten(content, ak.num(lists))


def _numbers(values: NDArray[Any], name: str, where: EntryRange) -> NDArray[Any]:
    """Return a column as float64 or int64: what is stored as uint32 or bool has no difference, what as float32 no sum.

    Raises
    ------
    NtupleError
        If a value is no number, or beyond int64.
    """
    if values.dtype.kind == "f":
        return values.astype(np.float64, copy=False)
    if values.dtype.kind not in "iub":
        msg = f"{where.place}: {name} holds {values.dtype}, no numbers"
        raise NtupleError(msg)
    whole = values.astype(np.int64, copy=False)
    if values.dtype == np.uint64 and np.any(whole < 0):
        entry = int(np.argmax(whole < 0))
        msg = f"{where.place}: {name} is {values[entry]} in entry {where.start + entry}; integers go up to 2^63 - 1"
        raise NtupleError(msg)
    return whole


def _refuse_lists(names: Iterable[str], plan: RegionPlan) -> None:
    """Raise if a variable that is wanted beside the observables of a region holds any number of values a row.

    Raises
    ------
    InputError
        If so.
    """
    jagged = jagged_variables([plan.selection])
    for name in names:
        if name in jagged:
            msg = (
                f"region {plan.name!r}: {name!r} holds any number of values a row, and no event can be kept, ranked,"
                " sliced or corrected by it; make an observable of it in the search"
            )
            raise InputError(msg)


def _refuse_nan(values: Any, name: str, branch: str, where: EntryRange) -> None:
    """Raise if a column holds NaN or infinity.

    Raises
    ------
    NtupleError
        If so.
    """
    flat = values if isinstance(values, np.ndarray) else ak.to_numpy(ak.flatten(values))
    # a sum is finite if all terms are, but for one that overflows
    if flat.dtype.kind != "f" or np.isfinite(_sum(flat)):
        return
    bad = np.flatnonzero(~np.isfinite(flat))
    if bad.size:
        msg = (
            f"{where.place}: branch {branch!r} is {flat[bad[0]]} in entry {where.start + _row(values, bad[0])}"
            f" ({bad.size} such values up to entry {where.stop - 1}); {name} must be a number"
        )
        raise NtupleError(msg)


def _row(values: Any, index: int) -> int:
    """Return the row of a value of a column, which may be jagged."""
    return index if isinstance(values, np.ndarray) else int(np.searchsorted(np.cumsum(ak.num(values)), index, "right"))


def _refuse_weighted(weights: NDArray[Any], branch: str, where: EntryRange) -> None:
    """Raise if a row of data has a weight other than 1: everything later takes data for counts.

    Raises
    ------
    NtupleError
        If so.
    """
    bad = np.flatnonzero(weights != 1)
    if bad.size:
        msg = (
            f"{where.place}: branch {branch!r} is {weights[bad[0]]:g} in entry {where.start + bad[0]} of data"
            f" ({bad.size} such rows up to entry {where.stop - 1}); data are counted, so that their weights must be 1:"
            " write it there, and correct the simulation instead"
        )
        raise NtupleError(msg)


def _sum(values: NDArray[Any]) -> float:
    """Return a sum that may overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.sum(values, dtype=np.float64))


def needed_variables(
    regions: Sequence[RegionPlan],
    rule: CandidateRule = REJECT,
    corrections: Corrections | None = None,
    key: RowKey = ROW_KEY,
    *,
    more: Sequence[str] = (),
) -> tuple[str, ...]:
    """Return the variables that must be in the files.

    They are event key, candidate, weight, what the selections read, and what the rule, the corrections, the slices and
    what is to be kept name, where that is no observable.

    Parameters
    ----------
    regions
        What to fill.
    rule
        What becomes of events with several candidates.
    corrections
        Corrections; None for none.
    key
        What tells rows apart.
    more
        What is wanted besides.

    Raises
    ------
    InputError
        If one of the latter holds any number of values a row.
    """
    names = [*key.variables, WEIGHT]
    for plan in regions:
        names += [v.name for v in plan.selection.variables]
        named = [*plan.kept, *(() if rule.best is None else (rule.best,))]
        if corrections is not None:
            named += corrections.of(region=plan.name).inputs
        observables = plan.selection.names
        _refuse_lists([name for name in named if name not in observables], plan)
        names += [name for name in named if name not in observables]
    names += more
    return tuple(dict.fromkeys(names))
