"""Ntuples -> cutflows, N-1 histograms, spectra and events of all regions, in one pass over the files.

`read_samples` has a `workflows.reading.processor.SearchProcessor` work through all samples: only the needed branches,
in chunks of whole baskets that a coffea executor hands out. The result depends neither on the number of workers nor,
but for the rounding of sums of weights, on the chunks.

One row is one candidate. Rows that pass all cuts of a region but the optimised ones are resolved to one candidate an
event by a `selections.events.CandidateRule` and fill the spectra of all variations of the weights. Where that is asked
for, the events are written to disk, and everything later comes from there (`workflows.reading.events`). A repeated row
is an error, also across chunks and files; for this, 8 bytes are kept of every event that passes in some region. Rows
that fail a cut, or are blinded, are compared within their chunk only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from coffea.processor.executor import ExecutorBase, WorkItem

from bumphunt.errors import ConfigError, IncompleteError, InputError, NtupleError, unknown_name
from workflows.ntuples.contents import NtupleInfo, inspect
from workflows.ntuples.entry_ranges import entry_ranges, no_entries
from workflows.ntuples.missing import MissingBranchesError, all_missing
from workflows.reading.chunk_work import ChunkWork, packed
from workflows.reading.event_hashes import forget_hashes
from workflows.reading.events import has_events
from workflows.reading.plan import ProcessedSample, SampleFiles
from workflows.reading.processor import SearchProcessor
from workflows.running.executors import LocalExecutor, root_error
from workflows.running.missing import Missing

__all__ = ["CHUNK_SIZE", "read_samples"]

CHUNK_SIZE = 200_000
"""Rows of a chunk: two are in memory at a time, one that is read and one that is worked on."""


def read_samples(
    processor: SearchProcessor,
    samples: Mapping[str, SampleFiles],
    *,
    tree: str = "events",
    workers: int = 1,
    chunk_size: int = CHUNK_SIZE,
    allow_missing: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
    executor: ExecutorBase | None = None,
) -> dict[str, ProcessedSample]:
    """Return what each sample gives in all regions of a processor.

    Parameters
    ----------
    processor
        What is done with each chunk.
    samples
        What to read, by name of the sample.
    tree
        Name of the TTree or RNTuple.
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
        If `chunk_size` or `workers` is not positive, a sample has no files, or one twice, something is named that does
        not exist, a correction has no value for a row, a row passes in two regions that are fitted together, or the
        folder holds events.
    ConfigError
        If a correction is of a sample that is not simulated.
    """
    if chunk_size < 1 or workers < 1:
        msg = f"chunk_size = {chunk_size}, workers = {workers}; both must be positive"
        raise InputError(msg)
    _check_names(processor, samples)
    found, lost = _inspect(processor, samples, tree, allow_missing)
    items = _items(samples, found, chunk_size)
    total = sum(len(item) for item in items)
    alone = executor is None and workers == 1
    work = ChunkWork(processor, items if alone else ())
    if executor is None:
        report = None if progress is None else (lambda done: progress("process", done, total))
        executor = LocalExecutor(workers=workers, allow_missing=allow_missing, progress=report)
    try:
        try:
            output, _ = executor(items, work if alone else packed(work), None)
        except Exception as error:
            raise root_error(error) from None
        missing = {name: (*lost[name], *output.get(name, {}).get("missing", ())) for name in samples}
        rows_expected = {name: sum(info.rows for info in infos) for name, infos in found.items()}
        for name in samples:
            _refuse_lost(name, output.get(name, {}).get("rows", 0), rows_expected[name], missing[name])
        results = processor.postprocess(output)
        return {
            name: ProcessedSample(
                name=name,
                regions=results[name],
                rows=output[name]["rows"],
                rows_expected=rows_expected[name],
                missing=missing[name],
                files=len(sample.files),
                runs=output[name]["runs"],
                luminosity_share=_share(processor, sample, output[name]["runs"]),
            )
            for name, sample in samples.items()
        }
    finally:
        work.close()
        if processor.event_folder is not None:
            forget_hashes(processor.event_folder)


def _share(processor: SearchProcessor, sample: SampleFiles, runs: Mapping[int, int]) -> float:
    """Return the part of the luminosity of the good runs that belongs to runs with a row; 1 without a list of them."""
    return 1.0 if processor.good_runs is None or sample.simulated else processor.good_runs.share(runs)


def _check_names(processor: SearchProcessor, samples: Mapping[str, SampleFiles]) -> None:
    """Raise if names do not exist, or the folder holds such events.

    Raises
    ------
    InputError
        If so for blinded regions, or the folder.
    ConfigError
        If so for corrections.
    """
    known, folder = [plan.name for plan in processor.regions], processor.event_folder
    for name, sample in samples.items():
        for region in sample.blind or {}:
            if region not in known:
                msg = f"sample {name!r} is blinded: {unknown_name('region', region, known)}"
                raise InputError(msg)
        for region in known if folder is not None else ():
            if folder is not None and has_events(folder, name, region):
                msg = f"{folder}: there are events of sample {name!r} in region {region!r}; give an empty folder"
                raise InputError(msg)
    simulated = [name for name, sample in samples.items() if sample.simulated]
    for correction in processor.corrections.sources:
        for name in correction.samples or ():
            if name not in simulated:
                kind = "data, which are never corrected" if name in samples else "unknown"
                msg = f"correction {correction.name!r}: the sample {name!r} is {kind}; simulated are {simulated}"
                raise ConfigError(msg)


def _inspect(
    processor: SearchProcessor, samples: Mapping[str, SampleFiles], tree: str, allow_missing: bool
) -> tuple[dict[str, list[NtupleInfo]], dict[str, list[Missing]]]:
    """Return what the files of each sample hold, and which cannot be used.

    Raises
    ------
    InputError
        If a sample has no files, or one twice.
    NtupleError
        If a file cannot be used and may not be missing, or none of a sample can. Branches that are missing are those of
        all files.
    """
    incomplete: list[MissingBranchesError] = []
    found: dict[str, list[NtupleInfo]] = {}
    lost: dict[str, list[Missing]] = {}
    for name, sample in samples.items():
        found[name], lost[name] = [], []
        if not sample.files:
            msg = f"sample {name!r} has no files; give at least one"
            raise InputError(msg)
        paths = [path.resolve() for path in sample.files]
        if twice := [path for path in paths if paths.count(path) > 1]:
            msg = f"sample {name!r}: the file {twice[0]} is given twice; give it once"
            raise InputError(msg)
        variables = processor.variables(name, sample.simulated, sample.signal)
        for path in sample.files:
            try:
                info = inspect(
                    path,
                    tree=tree,
                    variables=variables,
                    names=processor.names,
                    jagged=processor.jagged,
                    optional=processor.absent(sample.simulated),
                )
            except NtupleError as error:
                lost[name].append(Missing(file=str(path), tree=tree, start=None, stop=None, reason=str(error)))
                if allow_missing and len(lost[name]) < len(sample.files):
                    continue
                if not isinstance(error, MissingBranchesError):
                    raise
                incomplete.append(error)
            else:
                found[name].append(info)
    if incomplete:
        raise all_missing(incomplete)
    return found, lost


def _items(
    samples: Mapping[str, SampleFiles], found: Mapping[str, Sequence[NtupleInfo]], chunk_size: int
) -> list[WorkItem]:
    """Return the chunks of all files, as a coffea executor wants them; one without rows for a sample that has none."""
    items: list[WorkItem] = []
    for name, sample in samples.items():
        ranges = [where for info in found[name] for where in entry_ranges(info, chunk_size)]
        number = {str(path): i for i, path in enumerate(sample.files)}
        for chunk, where in enumerate(ranges or [no_entries(found[name][0])]):
            metadata: dict[str, Any] = {
                "simulated": sample.simulated,
                "signal": sample.signal,
                "blind": sample.blind,
                "number": chunk,
                "file_number": number[where.file],
                "absent": where.absent,
            }
            items.append(WorkItem(name, where.file, where.tree, where.start, where.stop, b"", usermeta=metadata))
    return items


def _refuse_lost(name: str, rows: int, rows_expected: int, missing: Sequence[Missing]) -> None:
    """Raise if rows of a sample were lost without a word.

    Raises
    ------
    IncompleteError
        If so.
    """
    unread = sum(m.stop - m.start for m in missing if m.start is not None and m.stop is not None)
    if rows + unread != rows_expected or (missing and not rows):
        msg = f"sample {name!r}: {rows} of {rows_expected} rows were processed"
        raise IncompleteError("; ".join([msg, *(m.reason for m in missing)]))
