"""The chain: the stages of an analysis in order, each made where it is out of date.

========= =========================================================================================
stage     writes
========= =========================================================================================
simulate  ROOT ntuples of backgrounds, signals and pseudo-data, where the YAML asks for them; ``samples.csv``
check     ``inputs.csv``: every file that would be read
process   one read of every ntuple: cutflow, N-1, spectra and events before the optimised cuts
optimise  ``cuts.csv``: the cut table
spectra   ``spectra.root``, ``cutflow.csv``: after the optimised cuts, at the luminosity of the data
scan      ``scan.csv``, ``signal_model.csv``: a row for every mass hypothesis
limits    ``limits.csv``, ``limits.json``: the limit table
report    figures
========= =========================================================================================

Beside them, `correct` and `impacts` read what some of these have written.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bumphunt.errors import BumphuntError, ConfigError
from workflows.config.records import ResolvedAnalysis
from workflows.inputs.samples import input_samples
from workflows.results import PROVENANCE, Step, read_json
from workflows.running.progress import Progress, silent
from workflows.stages.making import check, limits, optimise, process, scan, simulate, spectra
from workflows.stages.showing import report
from workflows.stages.stage import Job, Stage
from workflows.stages.studying.correct import STAGE as CORRECT
from workflows.stages.studying.impacts import IMPACTS, impacts_stage

__all__ = ["STAGES", "correct", "hide_unblinded", "impacts", "prepare", "up_to"]

STAGES: tuple[Stage, ...] = (
    simulate.STAGE,
    check.STAGE,
    process.STAGE,
    optimise.STAGE,
    spectra.STAGE,
    scan.STAGE,
    limits.STAGE,
    report.STAGE,
)
"""The stages of the chain, in order."""


def prepare(
    analysis: ResolvedAnalysis,
    folder: Path,
    *,
    workers: int = 1,
    allow_missing: bool = False,
    progress: Progress = silent,
) -> Job:
    """Return the job of an analysis: from now on it is known which files are read.

    Parameters
    ----------
    analysis
        The analysis.
    folder
        Where the results live, one sub-folder a stage.
    workers
        Processes to use; the results do not depend on it.
    allow_missing
        Go on when rows cannot be read, with the luminosity scaled down and every result marked.
    progress
        Called with a task, what is done of it, and all of it.

    Raises
    ------
    ConfigError
        If a pattern of the YAML matches no file, or regions that read the same rows name different ones.
    """
    return Job(
        analysis=analysis,
        inputs=input_samples(analysis, folder / simulate.STAGE.name),
        folder=folder,
        workers=workers,
        allow_missing=allow_missing,
        progress=progress,
    )


def up_to(job: Job, verb: str) -> list[Step]:
    """Return the steps up to a verb, in order.

    Raises
    ------
    ConfigError
        If the analysis has no such stage.
    """
    stages = _wanted(job)
    names = [stage.name for stage in stages]
    if verb not in names:
        msg = f"{job.analysis.path}: asks for no stage {verb!r}; it has {', '.join(names)}"
        raise ConfigError(msg)
    return [_step(stage, job) for stage in stages[: names.index(verb) + 1]]


def correct(job: Job) -> Step:
    """Return the step that measures factors in control samples, after `check`; it reads the ntuples again."""
    return _step(CORRECT, job)


def impacts(job: Job, mass: float) -> Step:
    """Return the step that writes the impacts at one mass [GeV], after `scan`.

    Raises
    ------
    ConfigError
        If the mass is outside the search, or excluded.
    """
    return _step(impacts_stage(job.analysis, mass), job)


def hide_unblinded(job: Job) -> None:
    """Remove the results of stages that were made unblinded, if the analysis now is blinded."""
    if not job.analysis.about.blinded:
        return
    folders = [job.of(stage.name) for stage in _wanted(job)]
    for folder in (*folders, *job.of(IMPACTS).glob("*")):
        try:
            settings = read_json(folder / PROVENANCE)["settings"]
        except (BumphuntError, KeyError, TypeError):
            continue
        if settings.get("unblind") or (settings.get("data") or {}).get("pseudo"):
            shutil.rmtree(folder)


def _wanted(job: Job) -> list[Stage]:
    """Return the stages that the analysis has, in order."""
    return [stage for stage in STAGES if stage.wanted(job.analysis)]


def _step(stage: Stage, job: Job) -> Step:
    """Return a stage in its folder, with what its results depend on."""
    own, there = job.analysis.own, [wanted.name for wanted in _wanted(job)]
    loaded = {"search": own.search, "model": own.model}
    paths = {"ntuples": tuple(_given(job)), "corrections": own.corrections}
    content = job.analysis.sections.model_dump(mode="json")
    return Step(
        name=stage.name,
        folder=job.of(stage.folder or stage.name),
        settings={name: _setting(content, name) for name in stage.settings} | dict(stage.more(job)),
        make=lambda folder: stage.make(job, folder),
        inputs=[path for kind in stage.files for path in paths.get(kind, ())],
        loaded=[found for kind in stage.files for found in loaded.get(kind, ())],
        upstream=[job.of(name) for name in stage.needs if name in there],
    )


def _given(job: Job) -> Iterator[Path]:
    """Yield the ntuples that the YAML names, in order."""
    simulated = job.of(simulate.STAGE.name)
    return (path for sample in job.inputs for path in sample.files if path.parent != simulated)


def _setting(content: Any, name: str) -> object:
    """Return what a YAML says under a name such as ``fit.slices``; None if it is not there."""
    for part in name.split("."):
        content = None if content is None else content[part]
    return content
