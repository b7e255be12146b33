"""The stage ``study``: bias, injection, pulls, coverage, goodness of fit, stability or background, with a verdict.

Toys of the windows of some masses are made in blocks, each on disk as soon as it is finished: a run that is ended goes
on where it was. Nothing depends on who made which block.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import chdtrc

from bumphunt.errors import ConfigError, Flag, InputError
from bumphunt.inference.goodness import degrees_of_freedom
from bumphunt.inference.settings import LimitSettings
from bumphunt.models.background import BackgroundModel
from bumphunt.studies.coverage import CoveredToys
from bumphunt.studies.stability import refits
from bumphunt.studies.studies import (
    CRITERIA,
    STRENGTHS,
    Ensemble,
    Study,
    StudyToys,
    compared,
    concluded,
    ensembles,
    made_toys,
    stable,
    together,
)
from bumphunt.studies.toys import FittedToys
from bumphunt.studies.verdicts import Finding, Verdict, worst
from bumphunt.studies.windows import StudyWindow, study_windows
from workflows.config.coordinates import file_suffix, in_figures
from workflows.config.records import ResolvedAnalysis
from workflows.figures.studies import study as draw
from workflows.figures.style import save
from workflows.results import read_table, write_csv, write_json
from workflows.running.blocks import BLOCKS, Blocks
from workflows.running.workers import in_order
from workflows.stages.depends import tested
from workflows.stages.stage import Job, Stage
from workflows.stages.studying.hypothesis import checked_point, groups_at, tested_point

__all__ = ["STUDY", "study_stage"]

STUDY = "study"
"""Name of the stage, and of the folder of all studies."""
STREAM = 0x57D1
"""Tells the random numbers of studies from others of the same seed."""
USUAL = 5
"""Masses that are studied unless some are named: this many, evenly over the hypotheses of the scan."""
TOYS_OF_A_BLOCK, OF_COVERAGE = 500, 100
"""Toys of a task: fewer where each may have toys of its own."""
OF_SHAPES, OF_FITS = ("bias", "gof", "background"), ("pulls", "injection")
"""Studies of what has bins: a shape that could be wrong, a goodness of fit; and of what is fitted, as one count is not.
"""


def study_stage(
    analysis: ResolvedAnalysis, study: Study, masses: Sequence[float], beside: Mapping[str, float], n_toys: int
) -> Stage:
    """Return the stage of a study.

    Parameters
    ----------
    analysis
        The analysis.
    study
        Its name.
    masses
        Hypotheses [GeV]; five of the scan if there are none.
    beside
        Other coordinates of the hypotheses, by name.
    n_toys
        Of each ensemble: a mass, a signal, a truth.

    Raises
    ------
    ConfigError
        If there are fewer than two toys, counts are asked for what only fits have, a mass is outside the search, or
        excluded, or nothing was simulated at the coordinates.
    """
    if n_toys < 2:
        msg = f"--toys {n_toys}: an error needs two toys at the least; 1000 tell a mean to 0.03 and a coverage to 0.01"
        raise ConfigError(msg)
    _check_counts(analysis, study)
    if study == "background" and not isinstance(analysis.scan.method.background, BackgroundModel):
        msg = f"study background: {analysis.path} has no family under fit.background whose order could be another one"
        raise ConfigError(msg)
    at = tested_point(analysis, beside)
    chosen = tuple(dict.fromkeys(checked_point(analysis, mass, beside)[0] for mass in masses))

    def make(job: Job, folder: Path) -> None:
        _make(job, folder, study, chosen, at, n_toys)

    return Stage(
        name=STUDY,
        folder=f"{STUDY}/{study}{file_suffix(at)}",
        needs=("spectra", "scan"),
        depends=lambda job: {
            **tested(job),
            "study": study,
            "masses": list(chosen),
            "at": dict(at),
            "toys": n_toys,
            "pseudo": job.analysis.about.pseudo,
        },
        files=("search", "background"),
        make=make,
    )


def _check_counts(analysis: ResolvedAnalysis, study: Study) -> None:
    """Raise a `ConfigError` if a study is of what the counts of an analysis do not have."""
    scan = analysis.scan
    if scan.method.kind != "counting":
        return
    takes = f"study {study}: {analysis.path} takes counts (fit.method: counting)"
    if study in OF_SHAPES:
        what = "goodness of fit" if study == "gof" else "background that a fit could take for a signal"
        msg = f"{takes}, which have no {what}"
        raise ConfigError(msg)
    one = len(scan.fits[0].regions) == 1 and scan.fits[0].regions[0].plan.slices is None
    if study in OF_FITS and one:
        msg = f"{takes}, which are not fitted: 'bumphunt study coverage' says how often their exact limits cover"
        raise ConfigError(msg)


def _make(job: Job, folder: Path, study: Study, masses: tuple[float, ...], at: Any, n_toys: int) -> None:
    """Write a study: table, document, figure."""
    setup, about = job.analysis.scan, job.analysis.about
    groups = groups_at(job, at, np.array(sorted(masses or _usual(job, at))))
    left_out: list[tuple[float, Flag]] = []
    beside: dict[str, Any] = {}
    if study == "stability":
        refitted = partial(
            refits,
            method=setup.method,
            limits=setup.limits,
            engine=setup.engine,
            seed=np.random.SeedSequence((setup.seed, STREAM)),
        )
        found = stable(
            refit
            for group in groups
            for mass in group.masses.tolist()
            for refit in refitted(group.regions, mass, sources=group.sources)
        )
    else:
        kind = "expectation" if about.blinded else "pseudo-data" if about.pseudo else "data"
        windows: list[StudyWindow] = []
        for group in groups:
            inside, lost = study_windows(
                group.regions,
                group.masses.tolist(),
                method=setup.method,
                sources=group.sources,
                drawn_from=f"fit to the {kind}",
            )
            windows += inside
            left_out += lost
        if study == "background":
            found = compared(windows)
        else:
            several = ensembles(study, windows, STRENGTHS[study])
            made = list(zip(several, _toys(job, folder, study, several, n_toys), strict=True))
            found = concluded(study, made, setup.limits, poor_fit=setup.method.poor_fit, blinded=about.blinded)
            beside = _distribution(study, made)
    if not found:
        why = ", ".join(f"{mass:g} GeV: {flag}" for mass, flag in left_out) or "no other background describes a window"
        msg = f"study {study}: there is nothing to study ({why})"
        raise InputError(msg)
    verdict = worst([one.verdict for one in found])
    columns = {name: [getattr(one, name) for one in found] for name in Finding.__dataclass_fields__}
    write_csv(folder / f"{study}.csv", columns)
    said = _said(study, found, verdict)
    write_json(
        folder / f"{study}.json",
        {
            "study": study,
            "criterion": CRITERIA[study],
            "verdict": verdict,
            "said": said,
            "blinded": about.blinded,
            "left_out": [{"mass": mass, "flag": str(flag)} for mass, flag in left_out],
            "findings": columns,
        },
    )
    place = in_figures(at, about.search.coordinates)
    figure = draw(
        columns,
        label=", ".join(filter(None, [f"bumphunt, {about.search.name}", place, f"{study}: {verdict}"]))
        + (", blinded" if about.blinded else ""),
        xlabel=rf"$m_{{{about.search.particle}}}$ [GeV]",
        **beside,
    )
    save(figure, folder, study)


def _usual(job: Job, at: Any) -> tuple[float, ...]:
    """Return masses of the scan [GeV], evenly over its hypotheses."""
    table = read_table(job.of("scan"), job.analysis.scan.fits[0].file("scan"))
    every = np.ones(table["mass"].size, dtype=np.bool_)
    here = np.flatnonzero(np.all([every, *(table[name] == value for name, value in at)], axis=0))
    places = ((np.arange(USUAL) + 0.5) / USUAL * here.size).astype(np.intp)
    return tuple(dict.fromkeys(table["mass"][here[places]].tolist()))


def _toys(job: Job, folder: Path, study: Study, several: Sequence[Ensemble], n_toys: int) -> list[StudyToys]:
    """Return the toys of all ensembles."""
    kept = folder / BLOCKS
    kept.mkdir(parents=True, exist_ok=True)
    blocks, shared = Blocks(folder=kept / "toys", types=(FittedToys, CoveredToys)), kept / "ensembles"
    limits = job.analysis.scan.limits
    shared.write_bytes(pickle.dumps((study, list(several), limits)))  # for the processes of this run alone
    size = OF_COVERAGE if study == "coverage" else TOYS_OF_A_BLOCK
    places = [(k, first) for k in range(len(several)) for first in range(0, n_toys, size)]
    tasks = [
        blocks.kept(
            f"{k:04}_{first:08}_{n_toys}",
            partial(_block, shared, k, first // size, min(size, n_toys - first), job.analysis.scan.seed),
        )
        for k, first in places
    ]
    made: list[list[StudyToys]] = [[] for _ in several]
    _shared.cache_clear()
    with in_order(tasks, workers=job.workers) as results:
        for done, ((k, _), block) in enumerate(zip(places, results, strict=True), 1):
            made[k].append(block)
            job.progress(f"{study}: blocks of toys", done, len(tasks))
    _shared.cache_clear()
    return [together(parts) for parts in made]


@lru_cache(maxsize=1)
def _shared(path: Path) -> tuple[Study, list[Ensemble], LimitSettings]:
    """Return what a process wrote for all: each reads it once."""
    found: tuple[Study, list[Ensemble], LimitSettings] = pickle.loads(path.read_bytes())
    return found


def _block(path: Path, number: int, block: int, n_toys: int, seed: int) -> StudyToys:
    """Return a block of the toys of an ensemble."""
    study, several, limits = _shared(path)
    ensemble = several[number]
    own = (seed, STREAM, int(1e6 * ensemble.window.mass), number, block)
    return made_toys(study, ensemble, limits, seed=np.random.SeedSequence(own), n_toys=n_toys)


def _distribution(study: Study, made: Sequence[tuple[Ensemble, StudyToys]]) -> dict[str, Any]:
    """Return the pulls, or the p-values, of all ensembles together, for the figure."""
    fitted = [(ensemble, toys) for ensemble, toys in made if isinstance(toys, FittedToys)]
    if study == "pulls":
        return {"pulls": np.concatenate([toys.pull[toys.good] for _, toys in fitted])}
    if study == "gof":
        p = [
            chdtrc(degrees_of_freedom(ensemble.window.model), np.maximum(toys.statistic[toys.good], 0.0))
            for ensemble, toys in fitted
        ]
        return {"p_values": np.concatenate(p)}
    return {}


def _said(study: Study, found: Sequence[Finding], verdict: Verdict) -> str:
    """Return the verdict in a line, with the number that is the farthest from what is allowed."""
    judged = [one for one in found if one.verdict is not Verdict.NOT_JUDGED]
    if not judged:
        return f"{study}: not judged, the criterion is made for none of {len(found)} numbers ({CRITERIA[study]})"
    passed = sum(one.verdict is Verdict.PASSED for one in judged)
    one = max(judged, key=lambda f: np.nan_to_num(max(f.low - f.value, f.value - f.high), nan=np.inf))
    said = f"{study}: {verdict}, {passed} of {len(judged)} numbers are within what is allowed ({CRITERIA[study]})"
    number = f"{one.value:.3g} +- {one.error:.1g}" if one.error > 0.0 else f"{one.value:.3g}"
    said += f"; farthest: {one.quantity} {number} at {one.mass:g} GeV, {one.truth}"
    if one.n_failed > 0:
        said += f"; {one.n_failed} of {one.n_toys} fits failed there"
    return said + ("; more toys will tell" if verdict is Verdict.UNDECIDED else "")
