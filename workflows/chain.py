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

Beside them, `correct`, `impacts`, `fit`, `global` and `study` read what some of these have written.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bumphunt.errors import ConfigError
from bumphunt.studies.studies import Study
from workflows.config.records import ResolvedAnalysis
from workflows.inputs.samples import input_samples
from workflows.products.global_table import GLOBAL, NUMBER
from workflows.provenance.schema import refuse_newer
from workflows.provenance.step import Older, Step, forget_unfinished, record_of
from workflows.running.parts import Part
from workflows.running.progress import Progress, silent
from workflows.running.workers import Workers
from workflows.stages.depends import BLINDED
from workflows.stages.making import check, limits, optimise, process, scan, simulate, spectra
from workflows.stages.showing import report
from workflows.stages.stage import Job, Stage
from workflows.stages.studying.correct import STAGE as CORRECT
from workflows.stages.studying.fit import FIT, fit_stage, largest_excesses
from workflows.stages.studying.global_significance import global_stage
from workflows.stages.studying.impacts import IMPACTS, impacts_stage
from workflows.stages.studying.study import STUDY, study_stage
from workflows.storage.addresses import Place, is_in

__all__ = [
    "STAGES",
    "StageStatus",
    "correct",
    "fit",
    "fits_of_excesses",
    "global_significance",
    "hide_unblinded",
    "impacts",
    "known_global",
    "merge",
    "prepare",
    "process_part",
    "status",
    "study",
    "up_to",
]

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
_WITHOUT_DATA = frozenset({"simulate", "optimise"})
"""Stages whose results hold nothing of the data."""
_OF_SIDEBANDS = frozenset({"check", "process", "spectra"})
"""Those that hold what the sidebands of a hypothesis are taken from, where data are blinded outside of these only."""


def prepare(
    analysis: ResolvedAnalysis,
    folder: Path,
    *,
    workers: Workers = 1,
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
        Who does the work; the results do not depend on it.
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
    return _steps(job, stages[: names.index(verb) + 1])


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStatus:
    """Whether a stage is up to date.

    Parameters
    ----------
    name
        The verb.
    reasons
        Why it is not, a sentence for each reason.
    follows
        Stages that it reads and that will be made again, which it may have to be after them.
    """

    name: str
    reasons: tuple[str, ...]
    follows: tuple[str, ...]


def status(job: Job) -> list[StageStatus]:
    """Return whether each stage is up to date, in order; nothing is made."""
    found: dict[str, StageStatus] = {}
    for step in _steps(job, _wanted(job)):
        follows = tuple(s.name for s in step.upstream if found[s.name].reasons or found[s.name].follows)
        found[step.name] = StageStatus(name=step.name, reasons=tuple(step.reasons()), follows=follows)
    return list(found.values())


def process_part(job: Job, part: Part) -> Path:
    """Read a part of every ntuple, for `merge`; return where what it gives is kept.

    Raises
    ------
    BumphuntError
        If simulated files are to be read that are out of date, and as `workflows.stages.making.process.process_part`.
    """
    return up_to(job, process.STAGE.name)[-1].part(partial(process.process_part, job, part))


def merge(job: Job, folders: Sequence[Path]) -> Step:
    """Return the step that puts all parts of `process_part` together.

    Parameters
    ----------
    job
        The analysis.
    folders
        Other folders of results in which parts were made; those in that of the job are there already.

    Raises
    ------
    BumphuntError
        If a part was made with other settings, code or files, or chunks are not read.
    """
    step = up_to(job, process.STAGE.name)[-1]
    for folder in folders:
        step.adopt(folder)
    if step.reasons():
        step.part(partial(process.refuse_unread, job))
    return step


def correct(job: Job) -> Step:
    """Return the step that measures factors in control samples, after `check`; it reads the ntuples again."""
    return _beside(CORRECT, job)


def impacts(job: Job, mass: float | None = None, beside: Mapping[str, float] | None = None) -> Step:
    """Return the step that writes the impacts at one mass [GeV] and its other coordinates, after `scan`.

    Without a mass it is the only one that there is, or none.

    Raises
    ------
    ConfigError
        If the mass is outside the search, or excluded, or nothing was simulated at the coordinates.
    """
    return _beside(impacts_stage(job.analysis, mass, beside), job)


def global_significance(job: Job, n_toys: int) -> Step:
    """Return the step that makes a number of toys of the whole search, after `scan`.

    Raises
    ------
    ConfigError
        If there are fewer than two, or the data are blinded but for sidebands.
    """
    return _beside(global_stage(job.analysis, n_toys), job)


def known_global(job: Job) -> Path | None:
    """Return the folder of what is known of the whole search, with however many toys; None if it is out of date."""
    record = record_of(job.of(GLOBAL))
    if record is None or not isinstance(n_toys := record["settings"].get(NUMBER), int):
        return None
    if job.analysis.scan.sidebands:
        return None
    step = global_significance(job, n_toys)
    return None if step.reasons() else step.folder


def study(
    job: Job, name: Study, masses: Sequence[float] = (), beside: Mapping[str, float] | None = None, n_toys: int = 1000
) -> Step:
    """Return the step of a study of some masses [GeV], five of the scan if none are given, after `scan`.

    Raises
    ------
    ConfigError
        If there are fewer than two toys, counts are asked for what only fits have, a mass is outside the search, or
        excluded, or nothing was simulated at the coordinates.
    """
    return _beside(study_stage(job.analysis, name, masses, beside or {}, n_toys), job)


def fit(job: Job, mass: float | None = None, beside: Mapping[str, float] | None = None) -> Step:
    """Return the step that fits the window of one mass [GeV] and its other coordinates, after `scan`.

    Without a mass it is the only one that there is, or none.

    Raises
    ------
    ConfigError
        If the mass is outside the search, or excluded, nothing was simulated at the coordinates, or counts are taken.
    """
    return _beside(fit_stage(job.analysis, mass, beside), job)


def fits_of_excesses(job: Job) -> list[Step]:
    """Return the steps that fit the windows of the largest excesses of the limit table, which must be there."""
    return [fit(job, mass, beside) for mass, beside in largest_excesses(job)]


def hide_unblinded(job: Job) -> None:
    """Remove the results of stages that may hold what is blinded, if the analysis now is blinded: all that do not say.

    The data are in none of what is simulated, or chosen from simulated samples. Spectra from which each hypothesis
    takes its sidebands stay, where that is what the analysis says.

    Raises
    ------
    BumphuntError
        If results are there that a newer version has made.
    """
    if not job.analysis.about.blinded:
        return
    kept = _WITHOUT_DATA | (_OF_SIDEBANDS if job.analysis.scan.sidebands else frozenset())
    folders = [job.of(stage.name) for stage in _wanted(job) if stage.name not in kept]
    beside = [folder for name in (IMPACTS, FIT, STUDY) for folder in job.of(name).glob("*")]
    for folder in (*folders, job.of(GLOBAL), *beside):
        refuse_newer(folder)
        record = record_of(folder)
        if folder.exists() and (record is None or record["settings"].get(BLINDED) is not True):
            shutil.rmtree(folder)
        forget_unfinished(folder, lambda settings: settings.get(BLINDED) is True)


def _wanted(job: Job) -> list[Stage]:
    """Return the stages that the analysis has, in order."""
    return [stage for stage in STAGES if stage.wanted(job.analysis)]


def _steps(job: Job, stages: Sequence[Stage]) -> list[Step]:
    """Return stages, each in its folder, with what its results depend on: those of the chain that they need first."""
    found: dict[str, Step] = {}
    for stage in stages:
        found[stage.name] = _step(stage, job, [found[name] for name in stage.needs if name in found])
    return list(found.values())


def _beside(stage: Stage, job: Job) -> Step:
    """Return a stage that is none of the chain."""
    return _steps(job, [*_wanted(job), stage])[-1]


def _step(stage: Stage, job: Job, upstream: Sequence[Step]) -> Step:
    """Return a stage in its folder, with what its results depend on."""
    own = job.analysis.own
    code = {"search": own.search, "model": own.model, "background": own.background, "generators": own.generators}
    used = [found for kind in stage.files if (found := code.get(kind)) is not None]
    made_by = (stage.make.__module__,) if stage.modules is None else stage.modules(job)
    paths = {"ntuples": tuple(_given(job)), "corrections": own.corrections, "events": own.events}
    return Step(
        name=stage.name,
        folder=job.of(stage.folder or stage.name),
        settings=stage.depends(job),
        make=partial(_make, stage, job),
        modules=sorted({*made_by, *(name for found in used for name in found.modules)}),
        files=[path for kind in stage.files for path in paths.get(kind, ())],
        loaded={path: found for part in used for path, found in part.files.items()},
        packages={name: number for part in used for name, number in part.packages.items()},
        upstream=upstream,
    )


def _make(stage: Stage, job: Job, folder: Path, older: Older | None) -> None:
    """Make a stage into a folder, from what still holds of its older results where it can."""
    if older is None or stage.remake is None:
        stage.make(job, folder)
    else:
        stage.remake(job, folder, older)


def _given(job: Job) -> Iterator[Place]:
    """Yield the ntuples that the YAML names, in order."""
    simulated = job.of(simulate.STAGE.name)
    return (path for sample in job.inputs for path in sample.files if not is_in(path, simulated))
