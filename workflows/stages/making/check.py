"""The stage ``check``: every input is opened, and ``inputs.csv`` lists what would be processed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from bumphunt.errors import NtupleError
from workflows.config.records import ReadingSetup
from workflows.inputs.needs import needed
from workflows.inputs.samples import InputSample
from workflows.ntuples.contents import inspect
from workflows.ntuples.repack import packing_advice
from workflows.results import write_csv
from workflows.running.progress import Progress
from workflows.stages.stage import READING, Job, Stage, missing_allowed

__all__ = ["STAGE", "check_inputs"]

logger = logging.getLogger(__name__)


def check_inputs(
    inputs: Sequence[InputSample], setup: ReadingSetup, folder: Path, *, allow_missing: bool, progress: Progress
) -> None:
    """Open every input and write what would be processed as ``inputs.csv``.

    Parameters
    ----------
    inputs
        The samples.
    setup
        How they will be read.
    folder
        Where the table goes.
    allow_missing
        List a file that cannot be used with its problem, instead of stopping.
    progress
        Called after each file.

    Raises
    ------
    NtupleError
        If a file cannot be used: names file, tree and branch.
    """
    names = ("sample", "kind", "regions", "file", "format", "rows", "rows_per_cluster", "luminosity", "mass", "problem")
    columns: dict[str, list[object]] = {name: [] for name in names}
    total = sum(len(sample.files) for sample in inputs)
    for sample in inputs:
        variables = needed(setup, sample)
        rows = 0
        for path in sample.files:
            found: tuple[object, ...] = (None, None, None)
            problem = None
            try:
                info = inspect(path, tree=sample.tree, variables=variables, names=setup.names)
                found = (info.kind, info.rows, round(info.rows_per_cluster))
                rows += info.rows
                if (advice := packing_advice(info)) is not None:
                    logger.warning(advice)
            except NtupleError as error:
                if not allow_missing:
                    raise
                problem = str(error)
            regions = " ".join(sample.regions)
            row = (sample.name, sample.kind, regions, str(path), *found, sample.luminosity, sample.mass, problem)
            for column, value in zip(columns.values(), row, strict=True):
                column.append(value)
            progress("check", len(columns["file"]), total)
        if not rows and not any(columns["problem"][-len(sample.files) :]):
            logger.warning("%s: no file of sample %r has a row; it counts nothing", sample.files[0], sample.name)
        if sample.kind == "signal":
            sample.sum_of_weights()
    write_csv(folder / "inputs.csv", columns)


def _make(job: Job, folder: Path) -> None:
    check_inputs(job.inputs, job.analysis.reading, folder, allow_missing=job.allow_missing, progress=job.progress)


STAGE = Stage(
    name="check",
    needs=("simulate",),
    settings=READING,
    more=missing_allowed,
    files=("ntuples", "search", "corrections"),
    make=_make,
)
