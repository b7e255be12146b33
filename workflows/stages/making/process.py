"""The stage ``process``: every ntuple is read once, for all regions, variations and figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from workflows.config.records import ReadingSetup
from workflows.config.regions import by_candidate
from workflows.inputs.needs import corrections_on
from workflows.inputs.reading import read_inputs
from workflows.inputs.samples import InputSample
from workflows.products.processed import EVENTS, write_processed
from workflows.reading.plan import ProcessedSample
from workflows.running.progress import Progress
from workflows.stages.depends import read
from workflows.stages.stage import Job, Stage

__all__ = ["STAGE", "process_ntuples"]


def process_ntuples(
    inputs: Sequence[InputSample],
    setup: ReadingSetup,
    folder: Path,
    *,
    workers: int,
    allow_missing: bool,
    progress: Progress,
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
    """

    def results() -> Iterator[tuple[InputSample, ProcessedSample]]:
        for regions in by_candidate(setup.regions).values():
            names = {region.name for region in regions}
            samples = [sample for sample in inputs if names & set(sample.regions)]
            done = read_inputs(
                setup,
                samples,
                [region.plan for region in regions],
                corrections_on(setup, samples),
                folder / EVENTS if setup.keep_events else None,
                workers=workers,
                allow_missing=allow_missing,
                progress=progress,
            )
            for sample in samples:
                yield sample, done[sample.name]

    write_processed(setup.regions, results(), folder)


def _make(job: Job, folder: Path) -> None:
    setup = job.analysis.reading
    process_ntuples(
        job.inputs, setup, folder, workers=job.workers, allow_missing=job.allow_missing, progress=job.progress
    )


STAGE = Stage(
    name="process",
    needs=("simulate",),
    depends=read,
    files=("ntuples", "search", "corrections"),
    make=_make,
)
