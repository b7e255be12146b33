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
from selections.cuts import Cutflow
from selections.events import RowKey
from workflows.ntuples.contents import NtupleInfo, inspect
from workflows.ntuples.entry_ranges import EntryRange, entry_ranges, no_entries
from workflows.ntuples.missing import MissingBranchesError, all_missing
from workflows.reading.chunk_work import ChunkWork, packed
from workflows.reading.event_hashes import EventHashes, forget_hashes
from workflows.reading.events import has_events
from workflows.reading.ledger import LedgerEntry, ReadRange, ledger
from workflows.reading.plan import ProcessedSample, SampleFiles
from workflows.reading.processor import SearchProcessor
from workflows.reading.rows import PassingRows, RowKeys
from workflows.running.blocks import Blocks
from workflows.running.executors import OrderedExecutor, block_name, root_error
from workflows.running.missing import Missing
from workflows.running.parts import Part
from workflows.running.workers import Workers
from workflows.storage.addresses import whole_name

__all__ = ["CHUNK_RECORDS", "CHUNK_SIZE", "read_part", "read_samples", "unread"]

CHUNK_RECORDS = (Cutflow, EntryRange, EventHashes, Missing, PassingRows, ReadRange, RowKey, RowKeys)
"""Records that are in what a chunk gives, see `workflows.running.blocks`."""
CHUNK_SIZE = 200_000
"""Rows of a chunk: two are in memory at a time, one that is read and one that is worked on."""


def read_samples(
    processor: SearchProcessor,
    samples: Mapping[str, SampleFiles],
    *,
    tree: str = "events",
    workers: Workers = 1,
    chunk_size: int = CHUNK_SIZE,
    allow_missing: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
    executor: ExecutorBase | None = None,
    blocks: Blocks | None = None,
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
        Who does the work; the results do not depend on it.
    chunk_size
        Rows to read at a time, about: chunks end with baskets where these are not much longer.
    allow_missing
        Go on when files or rows cannot be read, and list them in the result.
    progress
        Called with ``"process"``, rows done and rows in all.
    executor
        A coffea executor in place of that of the chain; other machines need the folder of the events too.
    blocks
        Where what each chunk gives is kept until all are there, with their events: what is there already is not read
        again. None to keep nothing.

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
    if chunk_size < 1 or (isinstance(workers, int) and workers < 1):
        msg = f"chunk_size = {chunk_size}, workers = {workers}; both must be positive"
        raise InputError(msg)
    _check_names(processor, samples, empty=blocks is None)
    found, lost = _inspect(processor, samples, tree, allow_missing)
    items = _items(samples, found, chunk_size)
    total = sum(len(item) for item in items)
    alone = executor is None and workers == 1
    work = ChunkWork(processor, items if alone else ())
    if executor is None:
        report = None if progress is None else (lambda done: progress("process", done, total))
        executor = OrderedExecutor(workers=workers, allow_missing=allow_missing, progress=report, blocks=blocks)
    try:
        try:
            output, _ = executor(items, work if alone else packed(work), None)
        except Exception as error:
            raise root_error(error) from None
        missing = {name: (*lost[name], *output.get(name, {}).get("missing", ())) for name in samples}
        rows_expected = {name: sum(info.rows for info in infos) for name, infos in found.items()}
        ledgers = {
            name: ledger(_ranges(found[name], chunk_size), output.get(name, {}).get("read", ()), missing[name])
            for name in samples
        }
        for name in samples:
            _refuse_lost(name, ledgers[name])
            _refuse_unwritten(output[name])
        results = processor.postprocess(output)
        return {
            name: ProcessedSample(
                name=name,
                regions=results[name],
                rows=output[name]["rows"],
                rows_expected=rows_expected[name],
                missing=missing[name],
                files=len(sample.files),
                ledger=ledgers[name],
                runs=output[name]["runs"],
                luminosity_share=_share(processor, sample, output[name]["runs"]),
            )
            for name, sample in samples.items()
        }
    finally:
        work.close()
        if processor.event_folder is not None and blocks is None:
            forget_hashes(processor.event_folder)


def read_part(
    processor: SearchProcessor,
    samples: Mapping[str, SampleFiles],
    part: Part,
    blocks: Blocks,
    *,
    tree: str = "events",
    workers: Workers = 1,
    allow_missing: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> None:
    """Read a part of the chunks of all samples and keep what they give; `read_samples` goes on from there.

    Parameters
    ----------
    processor, samples, tree, workers, allow_missing, progress
        As for `read_samples`.
    part
        Which part.
    blocks
        Where what each chunk gives is kept.

    Raises
    ------
    NtupleError, IncompleteError, InputError, ConfigError
        As `read_samples`, but for what only all chunks together can show.
    """
    _check_names(processor, samples, empty=False)
    found, _ = _inspect(processor, samples, tree, allow_missing)
    items = part.share(_items(samples, found, CHUNK_SIZE))
    if not items:
        return
    total = sum(len(item) for item in items)
    report = None if progress is None else (lambda done: progress("process", done, total))
    executor = OrderedExecutor(workers=workers, allow_missing=allow_missing, progress=report, blocks=blocks)
    work = ChunkWork(processor, items if workers == 1 else ())
    try:
        executor(items, work if workers == 1 else packed(work), None)
    finally:
        work.close()


def unread(
    processor: SearchProcessor,
    samples: Mapping[str, SampleFiles],
    blocks: Blocks,
    *,
    tree: str = "events",
    allow_missing: bool = False,
) -> tuple[list[str], int]:
    """Return the chunks of which nothing is kept, each as text, and how many chunks there are.

    Parameters
    ----------
    processor, samples, tree, allow_missing
        As for `read_samples`.
    blocks
        Where what each chunk gives is kept.

    Raises
    ------
    NtupleError, InputError, ConfigError
        As `read_samples`.
    """
    _check_names(processor, samples, empty=False)
    found, _ = _inspect(processor, samples, tree, allow_missing)
    items = _items(samples, found, CHUNK_SIZE)
    left = [item for item in items if not blocks.has(block_name(item))]
    return [f"{item.filename}: entries {item.entrystart} to {item.entrystop - 1}" for item in left], len(items)


def _share(processor: SearchProcessor, sample: SampleFiles, runs: Mapping[int, int]) -> float:
    """Return the part of the luminosity of the good runs that belongs to runs with a row; 1 without a list of them."""
    return 1.0 if processor.good_runs is None or sample.simulated else processor.good_runs.share(runs)


def _check_names(processor: SearchProcessor, samples: Mapping[str, SampleFiles], *, empty: bool) -> None:
    """Raise if names do not exist, or the folder holds such events and should be `empty`.

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
        for region in known if folder is not None and empty else ():
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
        paths = [whole_name(path) for path in sample.files]
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


def _ranges(infos: Sequence[NtupleInfo], chunk_size: int) -> list[EntryRange]:
    """Return the entry ranges of files, one without rows for a file that has none."""
    return [where for info in infos for where in (tuple(entry_ranges(info, chunk_size)) or (no_entries(info),))]


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
                "state": where.state,
            }
            items.append(WorkItem(name, where.file, where.tree, where.start, where.stop, b"", usermeta=metadata))
    return items


def _refuse_unwritten(output: Mapping[str, Any]) -> None:
    """Raise if events of a chunk are not on this disk, which another machine may have written to its own.

    Raises
    ------
    IncompleteError
        If so.
    """
    for path in (path for region in output["regions"].values() for path in region["files"]):
        if not path.exists():
            msg = f"{path}: the events of a chunk are not here; all workers must write to the same disk"
            raise IncompleteError(msg)


def _refuse_lost(name: str, entries: Sequence[LedgerEntry]) -> None:
    """Raise if rows of a sample were lost, or read twice, without a word; or none is left.

    Raises
    ------
    IncompleteError
        If so.
    """
    rows, rows_expected = sum(e.processed for e in entries), sum(e.expected or 0 for e in entries)
    wrong = [e for e in entries if e.processed != (0 if e.reason else e.expected)]
    missing = [e.reason for e in entries if e.reason]
    if wrong or (missing and not rows):
        places = [f"{e.place}: {e.processed} of {e.expected} rows" for e in wrong]
        msg = f"sample {name!r}: {rows} of {rows_expected} rows were processed"
        raise IncompleteError("; ".join([msg, *missing, *places]))
