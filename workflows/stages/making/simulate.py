"""The stage ``simulate``: ROOT ntuples of backgrounds, signals and pseudo-data, where the YAML asks for them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path

from bumphunt.errors import ConfigError
from bumphunt.montecarlo.simulation import simulated_variables
from selections.search import Search
from workflows.config.records import ReadingSetup
from workflows.config.regions import AnalysedRegion, by_candidate
from workflows.inputs.needs import needed
from workflows.inputs.samples import InputSample
from workflows.ntuples.branches import branch_name, escape
from workflows.provenance.settings import plain
from workflows.running.blocks import BLOCKS
from workflows.simulation.files import simulate
from workflows.simulation.plan import SimulationPlan
from workflows.simulation.table import write_samples
from workflows.stages.stage import Job, Stage
from workflows.storage.addresses import is_in

__all__ = ["STAGE", "check_simulated"]

SIMULATED_TREE = "events"
"""Name of the tree of simulated files."""


def check_simulated(
    inputs: Sequence[InputSample],
    setup: ReadingSetup,
    plans: Sequence[SimulationPlan],
    search: Search,
    folder: Path,
) -> None:
    """Raise for what would be missing in simulated files, before they are made.

    Parameters
    ----------
    inputs
        What will be read.
    setup
        How.
    plans
        What is simulated, one plan for each candidate at most.
    search
        The search, for the way out.
    folder
        Folder of the simulated files.

    Raises
    ------
    ConfigError
        If the simulation has no such tree or variable.
    """
    planned = {plan.candidate.name: plan for plan in plans}
    for sample in inputs:
        if not all(is_in(path, folder) for path in sample.files):
            continue
        if sample.tree != SIMULATED_TREE:
            msg = f"{setup.path}: ntuples.tree = {sample.tree!r}: that of simulated files is {SIMULATED_TREE!r}"
            raise ConfigError(msg)
        candidate, regions = next(
            (candidate, regions)
            for candidate, regions in by_candidate(setup.regions).items()
            if sample.regions[0] in {region.name for region in regions}
        )
        there = simulated_variables(planned[candidate].candidate, planned[candidate].detector)
        branches = {escape(name) for name in there}
        for variable in needed(setup, sample):
            if branch_name(variable, setup.names) not in branches:
                reads = _missing(candidate, regions, search, variable)
                msg = f"{setup.path}: {reads} {variable!r}, which is not simulated"
                near = difflib.get_close_matches(variable, there, n=3)
                raise ConfigError(msg + (f"; closest are {', '.join(map(repr, near))}" if near else ""))


def _missing(candidate: str, regions: Sequence[AnalysedRegion], search: Search, variable: str) -> str:
    """Return what reads a variable of a candidate that there is not, as the beginning of a sentence."""
    for region in regions:
        if variable in {known.name for known in region.plan.selection.variables}:
            others = [r.name for r in search.regions if r.candidate == candidate and r.name != region.name]
            way = f"'regions' may name {', '.join(others)} only, or see 'detector'" if others else "see 'detector'"
            return f"region {region.name!r} ({way}) reads"
    return f"something that is asked of the ntuples of {candidate} (corrections, candidates, ...) reads"


def _make(job: Job, folder: Path) -> None:
    analysis = job.analysis
    plans = analysis.simulation
    check_simulated(job.inputs, analysis.reading, plans, analysis.about.search, job.of(STAGE.name))
    staging = folder / BLOCKS
    files = [simulate(p, folder, workers=job.workers, progress=job.progress, staging=staging) for p in plans]
    write_samples([file for some in files for file in some], folder)


def _plan(job: Job) -> Mapping[str, object]:
    """Return what is simulated: another uncertainty of a sample changes nothing in its files."""
    return {"simulate": {plan.candidate.name: plain(plan) for plan in job.analysis.simulation}}


def _modules(job: Job) -> set[str]:
    """Return what simulates: the modules of the processes that are asked for, and what they are handed to."""
    plans = job.analysis.simulation
    processes = [sample.process for plan in plans for sample in plan.samples]
    processes += [drawn.process for plan in plans for drawn in plan.drawn]
    parts = [part for p in processes for part in (p.generate, p.branching_ratio, p.mass_range) if part is not None]
    found = {getattr(part, "func", part).__module__ for part in parts}  # some are partial
    return {"workflows.simulation.files", "workflows.simulation.table", *found}


STAGE = Stage(
    name="simulate",
    wanted=lambda analysis: bool(analysis.simulation),
    depends=_plan,
    files=("generators", "events"),
    modules=_modules,
    make=_make,
)
