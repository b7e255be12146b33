"""What an analysis reads: each sample with its files and its normalisation, given or simulated.

Regions of the same candidate (a muon pair, a photon, ...) are filled from the same rows. A `Sample` is what one sample
has of one candidate, so a sample that is seen in regions of two candidates is there twice.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bumphunt.errors import ConfigError, NtupleError
from bumphunt.montecarlo.detector.candidates import CANDIDATES
from bumphunt.montecarlo.simulation import simulated_variables
from selections.search import Region
from workflows.config.analysis import DATA, Analysis
from workflows.config.corrections import SIGNAL
from workflows.config.samples import Files
from workflows.ntuples.files import branch_name, escape, inspect, read_simulation
from workflows.ntuples.repack import packing_advice
from workflows.results import write_csv
from workflows.stages.making.simulate import PSEUDODATA, DrawnSample, Progress, SampleSpec, SimulationPlan

logger = logging.getLogger(__name__)

__all__ = ["Sample", "by_candidate", "check", "check_simulated", "samples", "simulation_plans"]

SIMULATED_TREE = "events"
"""Name of the tree of simulated files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One sample to process, of one candidate.

    Parameters
    ----------
    name
        Its name, unique in the analysis.
    kind
        What it is.
    regions
        Names of the regions that it fills, all of one candidate.
    tree
        Name of the tree.
    files
        ROOT files.
    luminosity
        Luminosity that a background's weights stand for, or that of the data [fb^-1]; None for a signal.
    mass
        Mass of a signal [GeV]; None for the others.
    generated
        Sum of weights of a signal before any selection; None where the files say it themselves, or for the others.
    """

    name: str
    kind: Literal["data", "background", "signal"]
    regions: tuple[str, ...]
    tree: str
    files: tuple[Path, ...]
    luminosity: float | None = None
    mass: float | None = None
    generated: float | None = None

    def sum_of_weights(self) -> float:
        """Return the sum of weights of a signal before any selection.

        Raises
        ------
        NtupleError
            If it is not given, and the files are not of bumphunt's simulation.
        """
        if self.generated is not None:
            return self.generated
        return sum(read_simulation(path).sum_of_weights for path in self.files)


def by_candidate(config: Analysis) -> dict[str, tuple[Region, ...]]:
    """Return the regions of an analysis by the candidate that they read."""
    found: dict[str, tuple[Region, ...]] = {}
    for region in config.region_records:
        found[region.candidate] = (*found.get(region.candidate, ()), region)
    return found


def _suffix(config: Analysis, candidate: str) -> str:
    """Return what the names of simulated files of a candidate end with: nothing if there is but one."""
    return f"_{candidate}" if len(by_candidate(config)) > 1 else ""


def _filled(config: Analysis, name: str, regions: Sequence[Region]) -> tuple[Region, ...]:
    """Return those among some regions to which a background contributes."""
    wanted = config.samples[name].regions
    return tuple(region for region in regions if not wanted or region.name in wanted)


def _signals(config: Analysis, regions: Sequence[Region]) -> dict[tuple[str, float], tuple[Region, ...]]:
    """Return the signal samples of regions of one candidate: (name, mass) and the regions that see it, by mass."""
    found: dict[tuple[str, float], tuple[Region, ...]] = {}
    for region in regions:
        if region.role == "signal":
            for mass in config.signal_masses(region):
                key = (config.signal_name(region, mass), mass)
                found[key] = (*found.get(key, ()), region)
    return dict(sorted(found.items(), key=lambda item: item[0][1]))


def simulation_plans(config: Analysis) -> tuple[SimulationPlan, ...]:
    """Return what the YAML asks to simulate: a plan for each candidate of its regions; none if it asks for nothing."""
    return tuple(
        plan
        for candidate, regions in by_candidate(config).items()
        if (plan := _plan(config, candidate, regions)) is not None
    )


def _plan(config: Analysis, candidate: str, regions: tuple[Region, ...]) -> SimulationPlan | None:
    """Return what is to be simulated for one candidate."""
    simulated = {
        name: sample
        for name, sample in config.samples.items()
        if sample.simulate is not None and _filled(config, name, regions)
    }
    specs = [
        SampleSpec(
            name=name,
            process=sample.simulate.process or name,
            n=sample.simulate.events,
            parameters=sample.simulate.parameters,
        )
        for name, sample in simulated.items()
        if sample.simulate is not None
    ]
    if (signal := config.signal.simulate) is not None:
        specs += [
            SampleSpec(
                name=name,
                process=config.process_of(seen[0]).name,
                n=signal.events,
                parameters=config.signal_parameters(mass),
            )
            for (name, mass), seen in _signals(config, regions).items()
        ]
    drawn: tuple[DrawnSample, ...] = ()
    injected: dict[tuple[str, int], DrawnSample] = {}
    if config.data.simulate is not None and not config.data.drawn_from_expectation:
        drawn = tuple(
            DrawnSample(
                process=s.simulate.process or name,
                yield_factor=config.factor(name, _filled(config, name, regions)[0]),
                parameters=s.simulate.parameters,
            )
            for name, s in simulated.items()
            if s.simulate is not None
        )
        # the efficiency of the data is that of the simulation times the factor
        for i, injection in enumerate(config.data.simulate.inject):
            for region, process in config.injected(injection):
                if region in regions:
                    injected[process.name, i] = DrawnSample(
                        process=process.name,
                        yield_factor=config.factor(SIGNAL, region),
                        parameters=injection.parameters | {"mass": injection.mass, "coupling": injection.coupling},
                    )
    if not specs and not drawn:
        return None
    return SimulationPlan(
        beams=config.beams_record,
        detector=config.detector_record,
        seed=config.seed,
        luminosity=config.data.luminosity,
        samples=tuple(specs),
        pseudodata=drawn,
        injected=tuple(injected.values()),
        candidate=CANDIDATES[candidate],
        suffix=_suffix(config, candidate),
    )


def samples(config: Analysis, simulated: Path) -> tuple[Sample, ...]:
    """Return the samples of an analysis, by candidate: the data, the backgrounds, then the signals by mass.

    Parameters
    ----------
    config
        The analysis.
    simulated
        Folder of the simulated files.

    Raises
    ------
    ConfigError
        If a pattern of the YAML matches no file, or the regions of one candidate name different trees.
    """
    return tuple(
        sample
        for candidate, regions in by_candidate(config).items()
        for sample in _candidate_samples(config, candidate, regions, simulated)
    )


def _candidate_samples(config: Analysis, candidate: str, regions: tuple[Region, ...], simulated: Path) -> list[Sample]:
    """Return the samples of the regions of one candidate."""
    trees = {config.tree(region) for region in regions}
    if len(trees) > 1:
        names = ", ".join(region.name for region in regions)
        msg = f"{config.path}: ntuples.tree: the regions {names} read the same rows, but name the trees {sorted(trees)}"
        raise ConfigError(msg)
    tree, suffix = trees.pop(), _suffix(config, candidate)

    def found(key: str, name: str, given: Files, made: bool, seen: Sequence[Region]) -> tuple[Path, ...]:
        if made:
            return (simulated / f"{name}{suffix}.root",)
        if isinstance(given, dict) and len({given[region.name] for region in seen if region.name in given}) > 1:
            names = ", ".join(region.name for region in seen)
            msg = f"{config.path}: {key}: the regions {names} read the same rows, but name different files"
            raise ConfigError(msg)
        files = config.files(key, given, seen)
        if not files:
            names = ", ".join(region.name for region in seen)
            msg = f"{config.path}: {key}: no files for {names}; name them there, or see 'regions'"
            raise ConfigError(msg)
        return files

    result = []
    data = config.data
    if not data.drawn_from_expectation:
        files = found("data.files", PSEUDODATA, data.files, data.simulate is not None, regions)
        seen = tuple(region.name for region in regions)
        result.append(Sample(name=DATA, kind="data", regions=seen, tree=tree, files=files, luminosity=data.luminosity))
    for name, sample in config.samples.items():
        filled = _filled(config, name, regions)
        made = sample.simulate is not None
        if filled:
            files = found(f"samples.{name}.files", name, sample.files, made, filled)
            luminosity = data.luminosity if made else sample.mc_luminosity
            result.append(
                Sample(
                    name=name,
                    kind="background",
                    regions=tuple(region.name for region in filled),
                    tree=tree,
                    files=files,
                    luminosity=luminosity,
                )
            )
    points = {point.mass: point for point in config.signal.points}
    for (name, mass), seeing in _signals(config, regions).items():
        point = points.get(mass)
        key = f"signal.points[{mass:g} GeV].files"
        files = found(key, name, () if point is None else point.files, point is None, seeing)
        result.append(
            Sample(
                name=name,
                kind="signal",
                regions=tuple(region.name for region in seeing),
                tree=tree,
                files=files,
                mass=mass,
                generated=None if point is None else point.generated,
            )
        )
    return result


def check_simulated(
    inputs: tuple[Sample, ...], config: Analysis, variables: Callable[[Sample], tuple[str, ...]], folder: Path
) -> None:
    """Raise for what would be missing in simulated files, before they are made; other arguments as for `check`.

    Parameters
    ----------
    inputs, config, variables
        As for `check`.
    folder
        Folder of the simulated files.

    Raises
    ------
    ConfigError
        If the simulation has no such tree or variable.
    """
    for sample in inputs:
        if any(path.parent != folder for path in sample.files):
            continue
        if sample.tree != SIMULATED_TREE:
            msg = f"{config.path}: ntuples.tree = {sample.tree!r}: that of simulated files is {SIMULATED_TREE!r}"
            raise ConfigError(msg)
        candidate = config.search_record.region(sample.regions[0]).candidate
        there = simulated_variables(CANDIDATES[candidate], config.detector_record)
        branches = {escape(name) for name in there}
        for variable in variables(sample):
            if branch_name(variable, config.ntuples.names) not in branches:
                msg = f"{config.path}: {_missing(config, candidate, variable)} {variable!r}, which is not simulated"
                near = difflib.get_close_matches(variable, there, n=3)
                raise ConfigError(msg + (f"; closest are {', '.join(map(repr, near))}" if near else ""))


def _missing(config: Analysis, candidate: str, variable: str) -> str:
    """Return what reads a variable of a candidate that there is not, as the beginning of a sentence."""
    for region in by_candidate(config)[candidate]:
        if variable in {known.name for known in config.selection(region).variables}:
            others = [r.name for r in config.search_record.regions if r.candidate == candidate and r != region]
            way = f"'regions' may name {', '.join(others)} only, or see 'detector'" if others else "see 'detector'"
            return f"region {region.name!r} ({way}) reads"
    return f"something that is asked of the ntuples of {candidate} (corrections, candidates, ...) reads"


def check(
    inputs: tuple[Sample, ...],
    config: Analysis,
    variables: Callable[[Sample], tuple[str, ...]],
    folder: Path,
    *,
    allow_missing: bool,
    progress: Progress,
) -> None:
    """Open every input and write what would be processed as ``inputs.csv``.

    Parameters
    ----------
    inputs
        The samples.
    config
        The analysis.
    variables
        Function from a sample to the variables that must be there.
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
        for path in sample.files:
            found: tuple[object, ...] = (None, None, None)
            problem = None
            try:
                info = inspect(path, tree=sample.tree, variables=variables(sample), names=config.ntuples.names)
                found = (info.kind, info.rows, round(info.rows_per_cluster))
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
        if sample.kind == "signal":
            sample.sum_of_weights()
    write_csv(folder / "inputs.csv", columns)
