"""Ntuples -> cutflows, N-1 histograms, spectra and events of all regions, in one pass over the files.

`process` reads all samples: only the needed branches, in chunks of whole baskets that a coffea executor hands out. The
result depends neither on the number of workers nor, but for the rounding of sums of weights, on the chunks.

One row is one candidate. Rows that pass all cuts of a region but the optimised ones are resolved to one candidate an
event by a `selections.events.CandidateRule` and fill the spectra of all variations of the weights
(`workflows.reading.processor`). Where that is asked for, the events are written to disk, and everything later comes
from there (`workflows.reading.events`). A repeated row is an error, also across chunks and files; for this, 8 bytes are
kept of every event that passes in some region. Rows that fail a cut, or are blinded, are compared within their chunk
only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from coffea.processor.executor import ExecutorBase, WorkItem

from bumphunt.errors import ConfigError, IncompleteError, InputError, NtupleError, unknown_name
from selections.events import (
    CANDIDATE,
    EVENT_KEY,
    REJECT,
    CandidateRule,
    describe_key,
    event_hash,
    event_keys,
    group_starts,
    repeated_row,
    whole_numbers,
)
from workflows.ntuples.chunks import chunk_ranges, close_chunks
from workflows.ntuples.contents import NtupleInfo, inspect, read_columns
from workflows.reading.events import BORDER, has_events, write_events
from workflows.reading.passed_events import PassedEvents, forget_passed, passed_events, repeats
from workflows.reading.plan import RegionPlan, RegionResult, SampleFiles
from workflows.reading.processor import EventProcessor, packed
from workflows.reading.repeats import PassingRows, concatenate
from workflows.reading.weights import Correction, Factor, load_corrections
from workflows.running.executors import LocalExecutor, Missing, root_error

__all__ = ["CHUNK_SIZE", "ProcessedSample", "process"]

CHUNK_SIZE = 200_000
"""Rows of a chunk: two are in memory at a time, one that is read and one that is worked on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessedSample:
    """What one sample gave.

    Parameters
    ----------
    name
        Name of the sample.
    regions
        What it gave in each region, by name.
    rows, rows_expected
        Rows that were read, and rows of the files. The latter counts only files whose size is known.
    missing
        What could not be read; empty unless that is allowed.
    files
        Number of files, readable or not.
    """

    name: str
    regions: dict[str, RegionResult]
    rows: int
    rows_expected: int
    missing: tuple[Missing, ...]
    files: int

    @property
    def fraction(self) -> float:
        """Fraction of the rows that were read; a file of unknown size counts as an average one."""
        unknown = sum(m.start is None for m in self.missing)
        known = self.files - unknown
        return self.rows / self.rows_expected * known / self.files


def process(
    samples: Mapping[str, SampleFiles],
    *,
    regions: Sequence[RegionPlan],
    tree: str = "events",
    names: Mapping[str, str] | None = None,
    rule: CandidateRule = REJECT,
    corrections: Sequence[Correction | Factor] = (),
    events: Path | None = None,
    workers: int = 1,
    chunk_size: int = CHUNK_SIZE,
    allow_missing: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
    executor: ExecutorBase | None = None,
) -> dict[str, ProcessedSample]:
    """Return what each sample gives in all regions that read the same rows.

    Parameters
    ----------
    samples
        What to read, by name of the sample.
    regions
        What to fill; all from the same columns of one read.
    tree, names, rule
        As for `EventProcessor`.
    corrections
        Corrections of simulated samples.
    events
        Folder for the passing events, see `workflows.reading.events`; None to write none.
    workers
        Number of processes.
    chunk_size
        Rows to read at a time, about: chunks end with baskets where these are not much longer.
    allow_missing
        Go on when files or rows cannot be read, and list them in the result.
    progress
        Called with ``"process"``, rows done and rows in all.
    executor
        A coffea executor in place of the local one; other machines need the folder of the events too.

    Raises
    ------
    NtupleError
        If a file cannot be used, a needed column holds NaN, or a row is repeated.
    IncompleteError
        If rows cannot be read, or were lost on the way.
    InputError
        If `chunk_size` or `workers` is not positive, a sample has no files, or one twice, two regions have the same
        name, something is named that does not exist, a correction has no value for a row, a row passes in two regions
        that are fitted together, or the folder holds events.
    ConfigError
        If a correction cannot be used.
    """
    if chunk_size < 1 or workers < 1:
        msg = f"chunk_size = {chunk_size}, workers = {workers}; both must be positive"
        raise InputError(msg)
    _check_names(samples, regions, corrections, events)
    processor = EventProcessor(
        regions=regions,
        samples=samples,
        tree=tree,
        names=names or {},
        rule=rule,
        corrections=load_corrections(corrections),
        events=events,
    )
    found, lost = _inspect(processor, allow_missing)
    spans = [
        (name, str(info.path), start, stop)
        for name, infos in found.items()
        for info in infos
        for start, stop in chunk_ranges(info, chunk_size)
    ]
    alone = executor is None and workers == 1
    following = [span if alone else None for span in spans[1:]]
    items = [
        WorkItem(name, path, tree, start, stop, b"", usermeta={"number": number, "next": then})
        for number, ((name, path, start, stop), then) in enumerate(zip(spans, [*following, None], strict=True))
    ]
    total = sum(len(item) for item in items)
    if executor is None:
        report = None if progress is None else (lambda done: progress("process", done, total))
        executor = LocalExecutor(workers=workers, allow_missing=allow_missing, progress=report)
    try:
        try:
            output, _ = executor(items, processor if alone else packed(processor), None)
        except Exception as error:
            raise root_error(error) from None
        return {
            name: _finish(processor, name, output.get(name, {}), sum(i.rows for i in found[name]), tuple(lost[name]))
            for name in samples
        }
    finally:
        processor.close()
        close_chunks()
        if events is not None:
            forget_passed(events)


def _check_names(
    samples: Mapping[str, SampleFiles],
    regions: Sequence[RegionPlan],
    corrections: Sequence[Correction | Factor],
    events: Path | None,
) -> None:
    """Raise if names of regions are not unique, names do not exist, or the folder holds such events.

    Raises
    ------
    InputError
        If so for regions, blinded regions, or the folder.
    ConfigError
        If so for corrections.
    """
    known = [plan.name for plan in regions]
    if not known or len(set(known)) != len(known):
        msg = f"regions {known}; give at least one, and each a name of its own"
        raise InputError(msg)
    for name, sample in samples.items():
        for region in sample.blind or {}:
            if region not in known:
                msg = f"sample {name!r} is blinded: {unknown_name('region', region, known)}"
                raise InputError(msg)
        for region in known if events is not None else ():
            if events is not None and has_events(events, name, region):
                msg = f"{events}: there are events of sample {name!r} in region {region!r}; give an empty folder"
                raise InputError(msg)
    simulated = [name for name, sample in samples.items() if sample.simulated]
    for correction in corrections:
        for name in correction.samples or ():
            if name not in simulated:
                kind = "data, which are never corrected" if name in samples else "unknown"
                msg = f"correction {correction.name!r}: the sample {name!r} is {kind}; simulated are {simulated}"
                raise ConfigError(msg)


def _inspect(
    processor: EventProcessor, allow_missing: bool
) -> tuple[dict[str, list[NtupleInfo]], dict[str, list[Missing]]]:
    """Return what the files of each sample hold, and which cannot be used.

    Raises
    ------
    InputError
        If a sample has no files, or one twice.
    NtupleError
        If a file cannot be used and may not be missing, or none of a sample can.
    """
    found: dict[str, list[NtupleInfo]] = {}
    lost: dict[str, list[Missing]] = {}
    for name, sample in processor.samples.items():
        found[name], lost[name] = [], []
        if not sample.files:
            msg = f"sample {name!r} has no files; give at least one"
            raise InputError(msg)
        paths = [path.resolve() for path in sample.files]
        if twice := [path for path in paths if paths.count(path) > 1]:
            msg = f"sample {name!r}: the file {twice[0]} is given twice; give it once"
            raise InputError(msg)
        for path in sample.files:
            try:
                info = inspect(path, tree=processor.tree, variables=processor.variables[name], names=processor.names)
            except NtupleError as error:
                lost[name].append(
                    Missing(file=str(path), tree=processor.tree, start=None, stop=None, reason=str(error))
                )
                if not allow_missing or len(lost[name]) == len(sample.files):
                    raise
            else:
                found[name].append(info)
    return found, lost


def _finish(
    processor: EventProcessor, name: str, output: dict[str, Any], rows_expected: int, lost: tuple[Missing, ...]
) -> ProcessedSample:
    """Return the result of one sample from the sum of its chunks: events at the borders, repeats, completeness.

    Raises
    ------
    NtupleError
        If a row is repeated, or the candidates of an event are not in adjacent rows.
    IncompleteError
        If rows were lost without a word.
    """
    missing = (*lost, *output.get("missing", ()))
    rows = output.get("rows", 0)
    unread = sum(m.stop - m.start for m in missing if m.start is not None and m.stop is not None)
    if rows + unread != rows_expected or not rows:
        msg = f"sample {name!r}: {rows} of {rows_expected} rows were processed"
        raise IncompleteError("; ".join([msg, *(m.reason for m in missing)]))
    passed = list(output["passed"])
    regions = {}
    border_events: dict[int, PassedEvents] = {}
    for plan in processor.regions:
        part = output["regions"][plan.name]
        spectra, tail = part["spectra"], part["tail"]
        border = concatenate(part["borders"])
        border = border.take(np.lexsort((border.candidate, *border.keys.T[::-1])))
        starts = group_starts(border.keys)
        if (pair := repeated_row(starts, border.candidate)) is not None:
            raise processor.repeated(border.take(np.array(pair)))
        filled = processor.fill(border, plan, name)
        if processor.events is not None:
            write_events(processor.events, name, plan.name, BORDER, filled.events)
        for first, value in zip(starts, event_hash(border.keys[starts]), strict=True):
            entry = int(border.entry[first])
            hashes = np.array([value], dtype=np.uint64)
            border_events[int(value)] = passed_events(border.file[first], entry, entry + 1, hashes)
        regions[plan.name] = RegionResult(
            cutflow=part["head"].then(tail + filled.tail),
            spectra=spectra + filled.spectra,
            n_minus_one=part["n_minus_one"],
        )
    _refuse_repeats(processor, [*passed, *border_events.values()])
    return ProcessedSample(
        name=name,
        regions=regions,
        rows=rows,
        rows_expected=rows_expected,
        missing=missing,
        files=len(processor.samples[name].files),
    )


def _refuse_repeats(processor: EventProcessor, passed: Sequence[PassedEvents]) -> None:
    """Raise if an event passed in two places.

    Raises
    ------
    NtupleError
        If a row is repeated, or the candidates of an event are not in adjacent rows.
    """
    for value, places in repeats(passed):
        _explain_repeat(processor, [passed[place] for place in places], value)


def _explain_repeat(processor: EventProcessor, parts: Sequence[PassedEvents], value: np.uint64) -> None:
    """Read the keys in `parts` again and raise if two rows with this hash are of the same event.

    Raises
    ------
    NtupleError
        Always, but in the one case in 2^64 that different events have the same hash.
    """
    found = []
    for part in parts:
        columns = read_columns(
            Path(part.file),
            tree=processor.tree,
            variables=[*EVENT_KEY, CANDIDATE],
            names=processor.names,
            start=part.start,
            stop=part.stop,
        )
        keys = event_keys(columns)
        index = np.flatnonzero(event_hash(keys) == value)
        found.append(
            PassingRows(
                keys=keys[index],
                candidate=whole_numbers(columns[CANDIDATE][index], CANDIDATE),
                rank=np.zeros(index.size),
                entry=part.start + index,
                file=np.full(index.size, part.file, dtype=object),
                values={},
                ntuple_weight=np.zeros(index.size),
                weights=np.zeros((1, index.size)),
            )
        )
    rows = concatenate(found)
    # an event at a chunk border stands in the range of its chunk too
    _, unique = np.unique(
        [f"{file}:{entry}" for file, entry in zip(rows.file, rows.entry, strict=True)], return_index=True
    )
    rows = rows.take(np.sort(unique))
    if np.any(rows.keys != rows.keys[0]):
        return
    if (pair := repeated_row(np.zeros(1, dtype=np.intp), rows.candidate)) is not None:
        raise processor.repeated(rows.take(np.array(pair)))
    msg = (
        f"{rows.file[-1]}: tree {processor.tree!r}: entry {rows.entry[-1]} is of the same event as entry"
        f" {rows.entry[0]} of {rows.file[0]} ({describe_key(rows.keys[0], int(rows.candidate[-1]))});"
        " candidates of one event must be in adjacent rows: sort the ntuple by event"
    )
    raise NtupleError(msg)
