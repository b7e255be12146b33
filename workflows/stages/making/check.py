"""The stage ``check``: every input is opened, and ``inputs.csv`` lists what would be processed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from bumphunt.errors import NtupleError
from workflows.config.derived.histogram_data import HistogramData
from workflows.config.records import ReadingSetup
from workflows.config.sections.samples import DATA
from workflows.inputs.needs import may_lack, needed
from workflows.inputs.opened import OpenedFile, assumptions, open_inputs
from workflows.inputs.plausible import (
    Weighed,
    doubtful_expectations,
    refuse_more_than_generated,
    sum_of_weights,
    thin_signals,
    uneven_signals,
    unread_names,
)
from workflows.inputs.samples import InputSample
from workflows.inputs.trial import Trial, doubtful_beams, first_rows
from workflows.ntuples.contents import NtupleInfo
from workflows.ntuples.repack import packing_advice
from workflows.reading.plan import WEIGHT
from workflows.results import write_csv
from workflows.running.progress import Progress
from workflows.stages.depends import normalised, read
from workflows.stages.stage import Job, Stage
from workflows.storage.addresses import relative_to

__all__ = ["STAGE", "check_inputs"]

logger = logging.getLogger(__name__)


def check_inputs(
    inputs: Sequence[InputSample],
    setup: ReadingSetup,
    folder: Path,
    *,
    results: Path,
    also_read: Sequence[str] = (),
    histogram: HistogramData | None = None,
    allow_missing: bool,
    progress: Progress,
) -> None:
    """Open every input and write what would be processed as ``inputs.csv``; what can hardly be right goes to the log.

    Parameters
    ----------
    inputs
        The samples.
    setup
        How they will be read.
    folder
        Where the table goes.
    results
        Folder of all results, to which files in it are listed relative.
    also_read
        Variables that later commands read, beside those of `setup`.
    histogram
        Data that are a spectrum already, for the list.
    allow_missing
        List a file that cannot be used with its problem, instead of stopping.
    progress
        Called after each file.

    Raises
    ------
    NtupleError
        If a file cannot be used: names file, tree and branch; if branches are missing, those of all files. Or a sample
        has far more than was generated.
    """
    names = (
        *("sample", "kind", "regions", "file", "format", "rows", "rows_per_cluster", "luminosity", "mass"),
        *("assumed", "problem"),
    )
    files = open_inputs(inputs, setup, allow_missing=allow_missing, progress=progress)
    columns: dict[str, list[object]] = {name: [] for name in names}
    for file in files:
        for column, value in zip(columns.values(), _row(file, results), strict=True):
            column.append(value)
    weighed, trials, read = [], list[Trial](), [*also_read]
    for sample in inputs:
        infos = [file.info for file in files if file.sample is sample and file.info is not None]
        for info in infos:
            if (advice := packing_advice(info)) is not None:
                logger.warning(advice)
        weighed.append(_weighed(sample, infos, setup, allow_missing=allow_missing))
        trials += _tried(sample, infos, setup, allow_missing=allow_missing)
        read += needed(setup, sample)
        if sample.kind == "signal":
            sample.sum_of_weights()
    for doubt in (
        *assumptions(files, setup),
        *doubtful_expectations(weighed),
        *uneven_signals(weighed),
        *thin_signals(weighed),
        *doubtful_beams(setup.beams, trials),
        *(doubt for trial in trials for doubt in trial.doubts),
        *unread_names(setup, read),
    ):
        logger.warning(doubt)
    if histogram is not None:
        row = (DATA, "data", setup.regions[0].name, str(histogram.path), "histogram", *(None,) * 6)
        for column, value in zip(columns.values(), row, strict=True):
            column.append(value)
    write_csv(folder / "inputs.csv", columns)


def _row(file: OpenedFile, results: Path) -> tuple[object, ...]:
    """Return the row of the table about a file."""
    sample, path, info = file.sample, file.path, file.info
    return (
        sample.name,
        sample.kind,
        " ".join(sample.regions),
        relative_to(path, results),
        *((None, None, None) if info is None else (info.kind, info.rows, round(info.rows_per_cluster))),
        sample.luminosity,
        sample.mass,
        ", ".join(f"{name} = {value}" for name, value in file.assumed.items()) or None,
        file.problem,
    )


def _weighed(sample: InputSample, infos: Sequence[NtupleInfo], setup: ReadingSetup, *, allow_missing: bool) -> Weighed:
    """Return a sample with what those of its files hold that can be used.

    Raises
    ------
    NtupleError
        If weights cannot be read and may not be missing, or are far above what was generated.
    """
    rows, weights = sum(info.rows for info in infos), float("nan")
    if not rows and len(infos) == len(sample.files):
        logger.warning("%s: no file of sample %r has a row; it counts nothing", sample.files[0], sample.name)
    try:
        weights = (
            float(rows)
            if sample.kind == "data"
            else sum_of_weights(infos, setup.names, without=may_lack(setup, sample).get(WEIGHT))
        )
    except NtupleError:
        if not allow_missing:
            raise
    found = Weighed(sample=sample, rows=rows, weights=weights)
    refuse_more_than_generated(found)
    return found


def _tried(
    sample: InputSample, infos: Sequence[NtupleInfo], setup: ReadingSetup, *, allow_missing: bool
) -> list[Trial]:
    """Return what the first rows of a sample tell, if it has any.

    Raises
    ------
    NtupleError
        If they cannot be read and may not be missing, or cannot be used.
    """
    try:
        return [first_rows(setup, sample, info) for info in [info for info in infos if info.rows][:1]]
    except NtupleError:
        if not allow_missing:
            raise
        return []


def _make(job: Job, folder: Path) -> None:
    controls = (control.observable for control in job.analysis.control.factors.values())
    check_inputs(
        job.inputs,
        job.analysis.reading,
        folder,
        results=job.folder,
        also_read=[name for name in controls if name is not None],
        histogram=job.analysis.spectra.histogram,
        allow_missing=job.allow_missing,
        progress=job.progress,
    )


def _depends(job: Job) -> dict[str, object]:
    """Return what is listed, and what is held against it."""
    controls = {name: control.observable for name, control in job.analysis.control.factors.items()}
    histogram = job.analysis.spectra.histogram
    digest = None if histogram is None else [str(histogram.path), histogram.digest]
    return {**read(job), "normalised": normalised(job), "control": controls, "histogram": digest}


STAGE = Stage(
    name="check",
    needs=("simulate",),
    depends=_depends,
    files=("ntuples", "search", "corrections"),
    make=_make,
)
