"""What an analysis reads: each sample with its files and its normalisation, given or simulated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bumphunt.errors import NtupleError
from bumphunt.montecarlo.candidates import CANDIDATES
from selections.registry import SEARCHES
from workflows.config import DATA, Analysis
from workflows.ntuples import inspect, read_simulation
from workflows.results import write_csv
from workflows.simulate import PSEUDODATA, DrawnSample, Progress, SampleSpec, SimulationPlan

__all__ = ["Sample", "check", "samples", "simulation_plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One sample to process.

    Parameters
    ----------
    name
        Its name, unique in the analysis.
    kind
        What it is.
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


def simulation_plan(config: Analysis) -> SimulationPlan | None:
    """Return what the YAML asks to simulate; None if it asks for nothing."""
    specs = [
        SampleSpec(
            name=name,
            process=sample.simulate.process or name,
            n=sample.simulate.events,
            parameters=sample.simulate.parameters,
        )
        for name, sample in config.samples.items()
        if sample.simulate is not None
    ]
    if (signal := config.signal.simulate) is not None:
        specs += [
            SampleSpec(
                name=config.signal_name(mass),
                process=config.signal_process.name,
                n=signal.events,
                parameters=config.signal_parameters(mass),
            )
            for mass in signal.masses
        ]
    drawn: tuple[DrawnSample, ...] = ()
    injected: tuple[DrawnSample, ...] = ()
    if config.data.simulate is not None:
        drawn = tuple(
            DrawnSample(process=s.simulate.process or name, yield_factor=s.scale, parameters=s.simulate.parameters)
            for name, s in config.samples.items()
            if s.simulate is not None
        )
        # the efficiency of the data is that of the simulation times the factor
        injected = tuple(
            DrawnSample(
                process=i.process or config.signal_process.name,
                yield_factor=config.signal.scale,
                parameters=i.parameters | {"mass": i.mass, "coupling": i.coupling},
            )
            for i in config.data.simulate.inject
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
        injected=injected,
        candidate=CANDIDATES[SEARCHES[config.channel].signal_regions[0].candidate],
    )


def samples(config: Analysis, simulated: Path) -> tuple[Sample, ...]:
    """Return the samples of an analysis: the data, the backgrounds, then the signals by mass.

    Parameters
    ----------
    config
        The analysis.
    simulated
        Folder of the simulated files.

    Raises
    ------
    ConfigError
        If a pattern of the YAML matches no file.
    """
    luminosity = config.data.luminosity
    if config.data.simulate is not None:
        data_files: tuple[Path, ...] = (simulated / f"{PSEUDODATA}.root",)
    else:
        data_files = config.files("data.files", config.data.files)
    found = [Sample(name=DATA, kind="data", files=data_files, luminosity=luminosity)]
    for name, sample in config.samples.items():
        if sample.simulate is not None:
            files: tuple[Path, ...] = (simulated / f"{name}.root",)
            found.append(Sample(name=name, kind="background", files=files, luminosity=luminosity))
        else:
            files = config.files(f"samples.{name}.files", sample.files)
            found.append(Sample(name=name, kind="background", files=files, luminosity=sample.mc_luminosity))
    if config.signal.simulate is not None:
        for mass in config.signal.simulate.masses:
            name = config.signal_name(mass)
            found.append(Sample(name=name, kind="signal", files=(simulated / f"{name}.root",), mass=mass))
    for point in config.signal.points:
        name = config.signal_name(point.mass)
        files = config.files("signal.points.files", point.files)
        found.append(Sample(name=name, kind="signal", files=files, mass=point.mass, generated=point.generated))
    return tuple(found)


def check(
    inputs: tuple[Sample, ...],
    config: Analysis,
    variables: tuple[str, ...],
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
        Variables that must be there.
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
    names = ("sample", "kind", "file", "format", "rows", "rows_per_cluster", "luminosity", "mass", "problem")
    columns: dict[str, list[object]] = {name: [] for name in names}
    total = sum(len(sample.files) for sample in inputs)
    for sample in inputs:
        for path in sample.files:
            found: tuple[object, ...] = (None, None, None)
            problem = None
            try:
                info = inspect(path, tree=config.ntuples.tree, variables=variables, names=config.ntuples.names)
                found = (info.kind, info.rows, round(info.rows_per_cluster))
            except NtupleError as error:
                if not allow_missing:
                    raise
                problem = str(error)
            row = (sample.name, sample.kind, str(path), *found, sample.luminosity, sample.mass, problem)
            for column, value in zip(columns.values(), row, strict=True):
                column.append(value)
            progress("check", len(columns["file"]), total)
        if sample.kind == "signal":
            sample.sum_of_weights()
    write_csv(folder / "inputs.csv", columns)
