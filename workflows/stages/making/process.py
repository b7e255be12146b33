"""The stage ``process``: every ntuple is read once, for all regions, variations and figures.

Where it is made again, only those samples are read for which something has changed: the data alone where the ends of a
blinded search have moved, one background where it has another file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from workflows.config.records import ReadingSetup
from workflows.config.regions import by_candidate
from workflows.inputs.needs import corrections_on
from workflows.inputs.reading import read_inputs
from workflows.inputs.samples import InputSample
from workflows.products.processed import EVENTS, SAMPLES, read_sample, write_processed
from workflows.provenance.settings import plain
from workflows.provenance.step import Older
from workflows.reading.events import keep_events
from workflows.reading.plan import ProcessedSample
from workflows.results import read_json
from workflows.running.progress import Progress
from workflows.stages.depends import BLINDED, read
from workflows.stages.stage import Job, Stage

__all__ = ["STAGE", "process_ntuples"]

SHIFTS = "systematics"
"""Name of the setting that says which momenta are shifted."""


def process_ntuples(
    inputs: Sequence[InputSample],
    setup: ReadingSetup,
    folder: Path,
    *,
    workers: int,
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
        for regions in by_candidate(setup.regions).values():
            names = {region.name for region in regions}
            samples = [sample for sample in inputs if names & set(sample.regions)]
            kept = [sample for sample in samples if older is not None and holds(sample)]
            read = [sample for sample in samples if sample not in kept]
            done = {}
            if read:
                done = read_inputs(
                    setup,
                    read,
                    [region.plan for region in regions],
                    corrections_on(setup, read),
                    folder / EVENTS if setup.keep_events or setup.keep_values else None,
                    workers=workers,
                    allow_missing=allow_missing,
                    progress=progress,
                )
            for sample in samples:
                if older is not None and sample in kept:
                    keep_events(older / EVENTS, folder / EVENTS, sample.name, sample.regions)
                    yield sample, read_sample(older, sample)
                else:
                    yield sample, done[sample.name]

    write_processed(setup.regions, results(), folder)


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


def _of_sample(dependencies: Mapping[str, Any], sample: InputSample) -> dict[str, Any]:
    """Return what one sample depends on: not on the files of others, and on what is blinded or shifted if it is."""
    settings = dict(dependencies["settings"])
    samples, shifts = settings.pop("samples"), settings.pop(SHIFTS, None)
    of_data = {name: settings.pop(name) for name in ("search", BLINDED, "unbinned")}
    own = samples.get(sample.name, {}).get("+".join(sample.regions), {})
    files = [file for parts in samples.values() for part in parts.values() for file in part["files"]]
    others = {str(Path(file).resolve()) for file in files} - {str(Path(f).resolve()) for f in own.get("files", ())}
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
