"""Ntuples -> cutflows, spectra and optimisation tensors, in one pass over the files.

`process` reads all samples with coffea: only the needed branches, in chunks of whole baskets. The result depends
neither on the number of workers nor, but for the rounding of sums of weights, on the chunks.

One row is one candidate. Rows that pass all cuts but the optimised ones are resolved to one candidate an event by a
`selections.candidates.CandidateRule`; then the tensor, the spectrum before, and the spectrum after the cut table are
filled (`workflows.event_processor`). A repeated row is an error, also across chunks and files; for this, 8 bytes are
kept of every event that passes. Rows that fail a cut, or are blinded, are compared within their chunk only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import hist
import numpy as np
from coffea.nanoevents import BaseSchema
from coffea.processor import Runner
from coffea.processor.executor import ExecutorBase, WorkItem
from numpy.typing import ArrayLike

from bumphunt.cut_table import CutTable
from bumphunt.errors import IncompleteError, InputError, NtupleError
from bumphunt.spectrum import Spectrum
from bumphunt.tensor import HALVES, CountTensor, VetoAxis
from selections.candidates import (
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
from selections.cuts import Cutflow, Selection
from workflows.event_processor import (
    EventProcessor,
    PassedEvents,
    PassingRows,
    SampleFiles,
    concatenate,
    needed_variables,
)
from workflows.executors import LocalExecutor, Missing, root_error
from workflows.ntuples import NtupleInfo, inspect, read_columns

__all__ = ["CHUNK_SIZE", "ProcessedSample", "SampleFiles", "needed_variables", "process"]

CHUNK_SIZE = 500_000
"""Rows of a chunk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessedSample:
    """What one sample gave.

    Parameters
    ----------
    name
        Name of the sample.
    cutflow
        What each step leaves: rows up to the last cut, then events.
    before, after
        Histograms (half, squared mass) of events before and after the cut table; `after` is None without one.
    tensor
        Optimisation tensor of the events before the cut table, if asked for.
    rows, rows_expected
        Rows that were read, and rows of the files. The latter counts only files whose size is known.
    missing
        What could not be read; empty unless that is allowed.
    files
        Number of files, readable or not.
    """

    name: str
    cutflow: Cutflow
    before: hist.Hist
    after: hist.Hist | None
    tensor: CountTensor | None
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

    def spectrum(self, *, optimised: bool, half: int | None = None) -> Spectrum:
        """Return the spectrum, at the luminosity of the sample itself.

        Parameters
        ----------
        optimised
            Whether after the cut table.
        half
            Only one half of the events, counted twice, so that it stands for all; None for all events.

        Raises
        ------
        InputError
            If there is no spectrum after the cut table.
        """
        histogram = self.after if optimised else self.before
        if histogram is None:
            msg = f"sample {self.name!r} was processed without a cut table; give one to process()"
            raise InputError(msg)
        values, variances = histogram.values(), histogram.variances()
        if half is None:
            counts, errors = values.sum(axis=0), variances.sum(axis=0)
        else:
            counts, errors = HALVES * values[half], HALVES**2 * variances[half]
        return Spectrum(edges=histogram.axes[1].edges, counts=counts, variances=errors)


def process(
    samples: Mapping[str, SampleFiles],
    *,
    selection: Selection,
    edges: ArrayLike,
    tree: str = "events",
    names: Mapping[str, str] | None = None,
    rule: CandidateRule = REJECT,
    table: CutTable | None = None,
    axes: tuple[VetoAxis, ...] = (),
    workers: int = 1,
    chunk_size: int = CHUNK_SIZE,
    allow_missing: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
    executor: ExecutorBase | None = None,
) -> dict[str, ProcessedSample]:
    """Return what each sample gives.

    Parameters
    ----------
    samples
        What to read, by name of the sample.
    selection, edges, tree, names, rule, table, axes
        As for `EventProcessor`.
    workers
        Number of processes.
    chunk_size
        Rows to read at a time, about: chunks end with baskets where these are not much longer.
    allow_missing
        Go on when files or rows cannot be read, and list them in the result.
    progress
        Called with ``"process"``, rows done and rows in all.
    executor
        A coffea executor in place of the local one.

    Raises
    ------
    NtupleError
        If a file cannot be used, a needed column holds NaN, or a row is repeated.
    IncompleteError
        If rows cannot be read, or were lost on the way.
    InputError
        If `chunk_size` or `workers` is not positive, or a sample has no files, or one twice.
    """
    if chunk_size < 1 or workers < 1:
        msg = f"chunk_size = {chunk_size}, workers = {workers}; both must be positive"
        raise InputError(msg)
    processor = EventProcessor(
        selection=selection,
        samples=samples,
        edges=edges,
        tree=tree,
        names=names or {},
        rule=rule,
        table=table,
        axes=axes,
    )
    found, lost = _inspect(processor, allow_missing)
    items = [
        WorkItem(name, str(info.path), tree, start, stop, b"")
        for name, infos in found.items()
        for info in infos
        for start, stop in _chunks(info, chunk_size)
    ]
    total = sum(len(item) for item in items)
    if executor is None:
        report = None if progress is None else (lambda done: progress("process", done, total))
        executor = LocalExecutor(workers=workers, allow_missing=allow_missing, progress=report)
    runner = Runner(executor=executor, schema=BaseSchema, chunksize=chunk_size, metadata_cache={})
    try:
        output = runner.run(items, processor)["out"]
    except Exception as error:
        raise root_error(error) from None
    return {
        name: _finish(processor, name, output.get(name, {}), sum(i.rows for i in found[name]), tuple(lost[name]))
        for name in samples
    }


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
                info = inspect(path, tree=processor.tree, variables=processor.variables, names=processor.names)
            except NtupleError as error:
                lost[name].append(
                    Missing(file=str(path), tree=processor.tree, start=None, stop=None, reason=str(error))
                )
                if not allow_missing or len(lost[name]) == len(sample.files):
                    raise
            else:
                found[name].append(info)
    return found, lost


def _chunks(info: NtupleInfo, chunk_size: int) -> Iterable[tuple[int, int]]:
    """Yield entry ranges of about `chunk_size` rows: whole clusters, but for longer ones, cut into equal parts."""
    start = 0
    for stop in (*info.clusters[1:], info.rows):
        rows = stop - start
        if rows >= chunk_size or (stop == info.rows and rows):
            parts = max(1, rows // chunk_size)
            borders = [start + rows * i // parts for i in range(parts + 1)]
            yield from pairwise(borders)
            start = stop


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
    if output["borders"]:
        border = concatenate(output["borders"])
        border = border.take(np.lexsort((border.candidate, *border.keys.T[::-1])))
        filled, hashes = processor.fill(border, processor.samples[name])
        for first, value in zip(group_starts(border.keys), hashes, strict=True):
            entry = int(border.entry[first])
            passed.append(
                PassedEvents(
                    file=border.file[first], start=entry, stop=entry + 1, hashes=np.array([value], dtype=np.uint64)
                )
            )
        output = {**output, **{key: output[key] + filled[key] for key in filled}}
    _refuse_repeats(processor, passed)
    head, tail = output["head"], output["tail"]
    return ProcessedSample(
        name=name,
        cutflow=Cutflow(
            steps=head.steps + tail.steps,
            raw=np.concatenate([head.raw, tail.raw]),
            sum_w=np.concatenate([head.sum_w, tail.sum_w]),
            sum_w2=np.concatenate([head.sum_w2, tail.sum_w2]),
        ),
        before=output["before"],
        after=output.get("after"),
        tensor=output.get("tensor"),
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
    hashes = np.concatenate([p.hashes for p in passed])
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    repeats = np.flatnonzero(ordered[1:] == ordered[:-1])
    ends = np.cumsum([p.hashes.size for p in passed])
    for position in repeats:
        parts = {int(np.searchsorted(ends, order[i], side="right")) for i in (position, position + 1)}
        _explain_repeat(processor, [passed[i] for i in sorted(parts)], ordered[position])


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
