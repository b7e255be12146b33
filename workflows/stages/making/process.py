"""The stage ``process``: every ntuple is read once, for all regions, variations and figures.

Where it is made again, only those samples are read for which something has changed: the data alone where the ends of a
blinded search have moved, one background where it has another file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bumphunt.errors import IncompleteError
from workflows.config.records import ReadingSetup
from workflows.config.regions import by_candidate
from workflows.inputs.needs import corrections_on
from workflows.inputs.reading import read_inputs, reading
from workflows.inputs.samples import InputSample
from workflows.products.processed import EVENTS, SAMPLES, read_sample, write_processed
from workflows.provenance.settings import plain
from workflows.provenance.step import Older
from workflows.reading.events import keep_events
from workflows.reading.plan import ProcessedSample, RegionPlan
from workflows.reading.read import CHUNK_RECORDS, read_part, unread
from workflows.results import read_json
from workflows.running.blocks import BLOCKS, Blocks
from workflows.running.parts import Part
from workflows.running.progress import Progress
from workflows.running.workers import Workers
from workflows.stages.depends import BLINDED, read
from workflows.stages.stage import Job, Stage
from workflows.storage.addresses import place_of, whole_name

__all__ = ["STAGE", "process_ntuples", "process_part", "refuse_unread"]

CHUNKS = "chunks"
"""Name of the folder of what chunks give."""

SHIFTS = "systematics"
"""Name of the setting that says which momenta are shifted."""


def process_ntuples(
    inputs: Sequence[InputSample],
    setup: ReadingSetup,
    folder: Path,
    *,
    workers: Workers,
    allow_missing: bool,
    progress: Progress,
    older: Path | None = None,
    holds: Callable[[InputSample], bool] = lambda _: False,
) -> None:
    """Read every ntuple once and write what is needed of it; see `workflows.products.processed`.

    Parameters
    ----------
    inputs
        The samples.
    setup
        How they are read.
    folder
        Where the files go.
    workers, allow_missing, progress
        As for `workflows.reading.read.read_samples`.
    older
        Folder of older results.
    holds
        Function from a sample to whether what it gave there still holds.
    """

    def results() -> Iterator[tuple[InputSample, ProcessedSample]]:
        for group in _groups(inputs, setup, folder):
            kept = [sample for sample in group.samples if older is not None and holds(sample)]
            read = [sample for sample in group.samples if sample not in kept]
            done = {}
            if read:
                done = read_inputs(
                    setup,
                    read,
                    group.plans,
                    corrections_on(setup, read),
                    group.events,
                    workers=workers,
                    allow_missing=allow_missing,
                    progress=progress,
                    blocks=group.blocks,
                )
            for sample in group.samples:
                before = older if sample in kept else None
                keep_events((before or group.root) / EVENTS, folder / EVENTS, sample.name, sample.regions)
                yield sample, done[sample.name] if before is None else read_sample(before, sample)

    write_processed(setup.regions, results(), folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Samples and regions of one candidate.

    Parameters
    ----------
    samples
        The samples.
    plans
        What is filled.
    events
        Folder for the events that pass; None to write none.
    root
        Folder of what is finished of them.
    """

    samples: list[InputSample]
    plans: list[RegionPlan]
    events: Path | None
    root: Path

    @property
    def blocks(self) -> Blocks:
        """Where what chunks give is kept."""
        return Blocks(folder=self.root / CHUNKS, types=CHUNK_RECORDS, root=self.root)


def _groups(inputs: Sequence[InputSample], setup: ReadingSetup, folder: Path) -> Iterator[_Group]:
    """Yield what is read together; `folder` is that of the stage."""
    for number, regions in enumerate(by_candidate(setup.regions).values()):
        names = {region.name for region in regions}
        root = folder / BLOCKS / f"{number}"
        yield _Group(
            samples=[sample for sample in inputs if names & set(sample.regions)],
            plans=[region.plan for region in regions],
            events=root / EVENTS if setup.keep_events or setup.keep_values else None,
            root=root,
        )


def process_part(job: Job, part: Part, folder: Path) -> None:
    """Read a part of every ntuple and keep what it gives in the folder of the stage that is being made.

    Raises
    ------
    BumphuntError
        As `workflows.reading.read.read_part`.
    """
    setup = job.analysis.reading
    for group in _groups(job.inputs, setup, folder):
        read_part(
            *reading(setup, group.samples, group.plans, corrections_on(setup, group.samples), group.events),
            part,
            group.blocks,
            tree=group.samples[0].tree,
            workers=job.workers,
            allow_missing=job.allow_missing,
            progress=job.progress,
        )


def refuse_unread(job: Job, folder: Path) -> None:
    """Raise if there are chunks of which nothing is kept in the folder of the stage that is being made.

    Raises
    ------
    IncompleteError
        If so: says how many, and which is the first.
    """
    setup, left, total = job.analysis.reading, list[str](), 0
    for group in _groups(job.inputs, setup, folder):
        found, chunks = unread(
            *reading(setup, group.samples, group.plans, corrections_on(setup, group.samples), group.events),
            group.blocks,
            tree=group.samples[0].tree,
            allow_missing=job.allow_missing,
        )
        left, total = left + found, total + chunks
    if left:
        msg = f"{len(left)} of {total} chunks are not read, the first of {left[0]}; run their parts again"
        raise IncompleteError(msg)


def _make(job: Job, folder: Path) -> None:
    setup = job.analysis.reading
    process_ntuples(
        job.inputs, setup, folder, workers=job.workers, allow_missing=job.allow_missing, progress=job.progress
    )


def _remake(job: Job, folder: Path, older: Older) -> None:
    """Make the stage again, and read the ntuples of those samples only for which something has changed."""
    setup, record = job.analysis.reading, read_json(older.folder / SAMPLES)["regions"]

    def holds(sample: InputSample) -> bool:
        there = [record.get(region, {}).get(sample.name) for region in sample.regions]
        complete = all(entry is not None and not entry["missing"] for entry in there)
        return complete and _of_sample(older.before, sample) == _of_sample(older.now, sample)

    process_ntuples(
        job.inputs,
        setup,
        folder,
        workers=job.workers,
        allow_missing=job.allow_missing,
        progress=job.progress,
        older=older.folder,
        holds=holds,
    )


def _depends(job: Job) -> dict[str, Any]:
    """Return what ntuples give, with the momenta that are shifted."""
    plans = [region.plan for region in job.analysis.reading.regions if region.plan.shifts]
    shifts = {shift.name: plain(shift) for plan in plans for shift in plan.shifts}
    return {**read(job), SHIFTS: {"shifts": shifts, "cut_on": {plan.name: plain(plan.cut_on) for plan in plans}}}


def _whole(file: str) -> str:
    """Return the name under which an input file is recorded."""
    return whole_name(place_of(file))


def _of_sample(dependencies: Mapping[str, Any], sample: InputSample) -> dict[str, Any]:
    """Return what one sample depends on: not on the files of others, and on what is blinded or shifted if it is."""
    settings = dict(dependencies["settings"])
    samples, shifts = settings.pop("samples"), settings.pop(SHIFTS, None)
    of_data = {name: settings.pop(name, None) for name in ("search", BLINDED, "unbinned")}
    own = samples.get(sample.name, {}).get("+".join(sample.regions), {})
    files = [file for parts in samples.values() for part in parts.values() for file in part["files"]]
    others = {_whole(file) for file in files} - {_whole(file) for file in own.get("files", ())}
    return {
        **{name: dependencies[name] for name in ("code", "packages")},
        "stages": {} if own.get("files") else dependencies["stages"],
        "settings": settings,
        "sample": own,
        "of data": of_data if sample.kind == "data" else {},
        "shifts": None if sample.kind == "data" else shifts,
        "files": {path: found for path, found in dependencies["files"].items() if path not in others},
    }


STAGE = Stage(
    name="process",
    needs=("simulate",),
    depends=_depends,
    remake=_remake,
    files=("ntuples", "search", "corrections"),
    make=_make,
)
