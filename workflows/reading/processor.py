"""The event processor: one chunk of an ntuple -> cutflow, N-1 histograms and spectra of all regions.

Events whose candidates all lie inside the chunk are filled at once, and written to disk where that is asked for. The
first and the last event of a chunk may go on in a neighbouring chunk: their rows are handed back, and
`workflows.reading.read.process` fills them when all are known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import cloudpickle
import hist
import numpy as np
from coffea.processor.executor import WorkItem
from numpy.typing import NDArray

from bumphunt.errors import IncompleteError, InputError, NtupleError
from selections.cuts import Cutflow, count
from selections.events import (
    CANDIDATE,
    EVENT_KEY,
    REJECT,
    CandidateRule,
    describe_key,
    event_hash,
    event_keys,
    group_starts,
    half_sample,
    kept_candidates,
    repeated_key,
    training_fold,
    whole_numbers,
)
from workflows.ntuples.branches import branch_name
from workflows.ntuples.chunks import read_chunk
from workflows.reading.events import FOLDS, EventBlock, write_events
from workflows.reading.passed_events import keep_passed, passed_events
from workflows.reading.plan import RegionPlan, SampleFiles
from workflows.reading.region_rows import WEIGHT, RegionRows, select_rows
from workflows.reading.repeats import PassingRows, inner_rows
from workflows.reading.spectra import fill_spectra
from workflows.reading.weights import Corrections

__all__ = ["EventProcessor", "Filled", "needed_variables", "packed"]

Array = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]
Span = tuple[str, str, int, int]
"""Sample, file, first entry, and the entry after the last."""

ONE_CANDIDATE = "one candidate"
"""Step of the cutflow after which a row is an event."""
CORRECTED = "corrections"
"""Step of the cutflow from which on the weights are corrected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What complete events give."""

    spectra: hist.Hist
    """Their spectra."""
    tail: Cutflow
    """The last steps of the cutflow."""
    events: EventBlock
    """The events themselves."""


class EventProcessor:
    """Processes chunks, for the regions that read one ntuple; a coffea executor calls it with a `WorkItem`.

    The user data of an item are its ``number``, and where items are done in order in this process, the entry range that
    is ``next``: it is read while this one is worked on, since decompression leaves the interpreter to others.

    Parameters
    ----------
    regions
        What to fill.
    samples
        What to read, by name of the sample.
    tree
        Name of the TTree or RNTuple.
    names
        Branch by variable, for branches that are not called by the escaped name.
    rule
        What becomes of events with several candidates.
    corrections
        Corrections of simulated samples.
    events
        Folder of the passing events; None to write none.
    """

    def __init__(
        self,
        *,
        regions: Sequence[RegionPlan],
        samples: Mapping[str, SampleFiles],
        tree: str,
        names: Mapping[str, str],
        rule: CandidateRule = REJECT,
        corrections: Corrections | None = None,
        events: Path | None = None,
    ) -> None:
        self.regions = tuple(regions)
        self.samples = dict(samples)
        self.tree = tree
        self.names = dict(names)
        self.rule = rule
        self.corrections = Corrections() if corrections is None else corrections
        self.events = events
        meaning = [(v.name, v.nan_allowed) for plan in self.regions for v in plan.selection.variables]
        self.nan_allowed = frozenset(name for name, _ in meaning) - {name for name, allowed in meaning if not allowed}
        self.variables = {
            name: needed_variables(self.regions, rule, self.corrections.of(name) if sample.simulated else None)
            for name, sample in self.samples.items()
        }
        self._thread: ThreadPoolExecutor | None = None
        self._ahead: tuple[Span, Future[Columns]] | None = None

    def corrections_of(self, sample: str, region: str) -> Corrections:
        """Return the corrections of a sample in a region: none for data."""
        return self.corrections.of(sample, region) if self.samples[sample].simulated else Corrections()

    def __call__(self, item: WorkItem) -> dict[str, dict[str, Any]]:
        """Return what one chunk gives, by name of the sample.

        Raises
        ------
        IncompleteError
            If it cannot be read.
        NtupleError
            If a needed column holds NaN, or a row is repeated.
        InputError
            If a correction has no value for a row, or a row passes in two regions that are fitted together.
        """
        name, file, start, stop = item.dataset, item.filename, item.entrystart, item.entrystop
        number = item.usermeta["number"]
        columns = self._read(item)
        self._refuse_repeats(columns, file, start)
        first, last = inner_rows(columns)
        regions: dict[str, Any] = {}
        passing = np.zeros(columns[WEIGHT].size, dtype=np.bool_)
        fitted: dict[str, NDArray[np.intp]] = {}
        for plan in self.regions:
            found = self._select(plan, columns, name, file, start)
            passing[found.index] = True
            if plan.fitted:
                for other, index in fitted.items():
                    _refuse_overlap(other, plan.name, np.intersect1d(index, found.index), file, start)
                fitted[plan.name] = found.index
            rows = self._rows(found, columns, file, start)
            low, high = np.searchsorted(found.index, [first, last])
            filled = self.fill(rows.take(slice(low, high)), plan, name)
            if self.events is not None and high > low:
                write_events(self.events, name, plan.name, f"{number:08d}", filled.events)
            border = np.concatenate([np.arange(low), np.arange(high, found.index.size)])
            regions[plan.name] = {
                "head": found.head,
                "n_minus_one": found.n_minus_one,
                "borders": (rows.take(border),),
                "spectra": filled.spectra,
                "tail": filled.tail,
            }
        inner = first + np.flatnonzero(passing[first:last])
        keys = event_keys({key: columns[key][inner] for key in EVENT_KEY})
        passed = passed_events(file, start, stop, event_hash(keys[group_starts(keys)]))
        if self.events is not None:
            passed = keep_passed(passed, self.events, name, number)
        return {name: {"rows": columns[WEIGHT].size, "regions": regions, "passed": (passed,)}}

    def _read(self, item: WorkItem) -> Columns:
        """Return the columns of a chunk, and begin to read the one that is known to be next, in a thread."""
        here = (item.dataset, item.filename, item.entrystart, item.entrystop)
        if self._ahead is not None and self._ahead[0] == here:
            columns = self._ahead[1].result()
        else:
            columns = self._columns(*here)
        self._ahead = None
        if (following := item.usermeta.get("next")) is not None:
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1)
            self._ahead = following, self._thread.submit(self._columns, *following)
        return columns

    def close(self) -> None:
        """Wait for what is being read ahead."""
        self._ahead = None
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
            self._thread = None

    def _columns(self, sample: str, file: str, start: int, stop: int) -> Columns:
        """Return the needed columns of a chunk by variable.

        Raises
        ------
        IncompleteError
            If they cannot be read.
        NtupleError
            If one holds NaN or infinity where that means nothing.
        """
        try:
            columns = read_chunk(
                Path(file), tree=self.tree, variables=self.variables[sample], names=self.names, start=start, stop=stop
            )
        except NtupleError as error:
            msg = f"{error}; entries {start} to {stop - 1} are lost"
            raise IncompleteError(msg) from error
        for name, values in columns.items():
            # a sum is finite if all terms are, but for one that overflows
            if values.dtype.kind != "f" or name in self.nan_allowed or np.isfinite(_sum(values)):
                continue
            bad = np.flatnonzero(~np.isfinite(values))
            if bad.size:
                branch = branch_name(name, self.names)
                msg = (
                    f"{file}: tree {self.tree!r}: branch {branch!r} is {values[bad[0]]} in entry {start + bad[0]}"
                    f" ({bad.size} such rows up to entry {stop - 1}); {name} must be a number"
                )
                raise NtupleError(msg)
        return columns

    def _refuse_repeats(self, columns: Columns, file: str, start: int) -> None:
        """Raise if two rows of a chunk have the same event key and candidate, whether or not they pass a cut.

        Raises
        ------
        NtupleError
            If so, or if a part of the key is not a whole number.
        """
        try:
            pair = repeated_key([*(columns[key] for key in EVENT_KEY), columns[CANDIDATE]])
        except InputError as error:
            msg = f"{file}: tree {self.tree!r}: {error}"
            raise NtupleError(msg) from None
        if pair is not None:
            first, second = pair
            keys = event_keys({key: columns[key][[second]] for key in EVENT_KEY})
            key = describe_key(keys[0], int(columns[CANDIDATE][second]))
            entries = f"entry {start + second} repeats entry {start + first}"
            msg = f"{file}: tree {self.tree!r}: {entries} ({key}); every row may be there once"
            raise NtupleError(msg)

    def _select(self, plan: RegionPlan, columns: Columns, sample: str, file: str, start: int) -> RegionRows:
        """Return the rows of a chunk that pass the cuts of a region."""
        rank = () if self.rule.best is None else (self.rule.best,)
        return select_rows(
            plan,
            columns,
            keep=tuple(dict.fromkeys((*plan.kept, *rank))),
            blind=(self.samples[sample].blind or {}).get(plan.name),
            corrections=self.corrections_of(sample, plan.name),
            place=partial(_place, file, self.tree, start),
        )

    def _rows(self, found: RegionRows, columns: Columns, file: str, start: int) -> PassingRows:
        """Return the passing rows of a region with their keys."""
        index = found.index
        rank = np.zeros(index.size) if self.rule.best is None else found.values[self.rule.best]
        return PassingRows(
            keys=event_keys({name: columns[name][index] for name in EVENT_KEY}),
            candidate=whole_numbers(columns[CANDIDATE][index], CANDIDATE),
            rank=rank,
            entry=start + index,
            file=np.full(index.size, file, dtype=object),
            values=found.values,
            ntuple_weight=found.ntuple_weight,
            weights=found.weights,
        )

    def fill(self, rows: PassingRows, plan: RegionPlan, sample: str) -> Filled:
        """Return what complete events give: one candidate each."""
        starts = group_starts(rows.keys)
        events = rows.take(kept_candidates(starts, rows.candidate, rows.rank, self.rule))
        variations = self.corrections_of(sample, plan.name).variations
        positions, half = events.values[plan.selection.spectrum], half_sample(events.keys)
        everything = np.ones(positions.size, dtype=np.bool_)
        tail = count([ONE_CANDIDATE], [everything], events.ntuple_weight)
        if self.corrections.entries:  # for data too, so that the tables of all samples have the same steps
            tail = tail.then(count([CORRECTED], [everything], events.weights[0]))
        return Filled(
            spectra=fill_spectra(
                positions,
                None if plan.slices is None else events.values[plan.slices[0]],
                half=half,
                weights=events.weights,
                variations=variations,
                axes=plan.axes,
            ),
            tail=tail,
            events=EventBlock(
                positions=positions,
                half=half,
                fold=training_fold(events.keys, FOLDS),
                observables={name: events.values[name] for name in plan.kept},
                variations=variations,
                weights=events.weights,
            ),
        )

    def repeated(self, rows: PassingRows) -> NtupleError:
        """Return the error about two equal rows."""
        other = "" if rows.file[0] == rows.file[1] else f" of {rows.file[0]}"
        return NtupleError(
            f"{rows.file[1]}: tree {self.tree!r}: entry {rows.entry[1]} repeats entry {rows.entry[0]}{other}"
            f" ({describe_key(rows.keys[1], int(rows.candidate[1]))}); every row may be there once"
        )


def _sum(values: NDArray[Any]) -> float:
    """Return a sum that may overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.sum(values, dtype=np.float64))


@dataclass(frozen=True, slots=True)
class PackedProcessor:
    """An `EventProcessor` for other processes: functions of a user's file travel by value, as coffea sends them."""

    content: bytes

    def __call__(self, item: WorkItem) -> dict[str, dict[str, Any]]:
        """Return what one chunk gives; see `EventProcessor`."""
        return _unpacked(self.content)(item)


@lru_cache(maxsize=1)
def _unpacked(content: bytes) -> EventProcessor:
    """Return the processor; unpacked once a process."""
    processor: EventProcessor = cloudpickle.loads(content)
    return processor


def packed(processor: EventProcessor) -> PackedProcessor:
    """Return a processor that can be sent to other processes."""
    return PackedProcessor(cloudpickle.dumps(processor))


def _refuse_overlap(first: str, second: str, rows: NDArray[np.intp], file: str, start: int) -> None:
    """Raise if rows of a chunk pass in two regions that are fitted together.

    Raises
    ------
    InputError
        If so: the fit would take one event for two.
    """
    if rows.size:
        msg = (
            f"{file}: entry {start + rows[0]} passes in the regions {first!r} and {second!r}, which are fitted together"
            " as different events: name one of them under 'regions', or make their cuts exclude each other"
        )
        raise InputError(msg)


def _place(file: str, tree: str, start: int, row: int) -> str:
    """Return where a row of a chunk is."""
    return f"entry {start + row} of tree {tree!r} of {file}"


def needed_variables(
    regions: Sequence[RegionPlan], rule: CandidateRule = REJECT, corrections: Corrections | None = None
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
    """
    names = [*EVENT_KEY, CANDIDATE, WEIGHT]
    for plan in regions:
        names += [v.name for v in plan.selection.variables]
        observables = plan.selection.observables({v.name: np.ones(1) for v in plan.selection.variables})
        more = [*plan.kept, *(() if rule.best is None else (rule.best,))]
        if corrections is not None:
            more += corrections.of(region=plan.name).inputs
        names += [name for name in more if name not in observables]
    return tuple(dict.fromkeys(names))
