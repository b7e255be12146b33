"""Simulated samples and pseudo-data as ROOT files, by any number of local processes.

Every chunk of events has its own seed, and rows are written in the order of the chunks: the files do not depend on the
number of workers. Rows stream to the disk, so memory does not grow with the number of events.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bumphunt.errors import InputError
from bumphunt.montecarlo.processes.process import Process
from bumphunt.montecarlo.pseudodata import drawn_events, generation_for_draws
from bumphunt.montecarlo.simulation import Chunk, draw_chunk, simulate_chunk
from workflows.ntuples.simulation_record import Simulation
from workflows.ntuples.writing import Columns, write_tree
from workflows.running.progress import Progress
from workflows.running.workers import Run, pool
from workflows.simulation.plan import PSEUDODATA, DrawnSample, SampleSpec, SimulationPlan

__all__ = ["CHUNK", "SimulatedFile", "simulate"]

CHUNK = 50_000
"""Most generated events of a chunk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedFile:
    """A file that was written."""

    name: str
    """Name of the sample."""
    path: Path
    """The file."""
    rows: int
    """Candidates in it."""
    simulation: Simulation
    """How it was simulated."""
    expected_rows: float
    """Sum of their weights: expected candidates at the luminosity."""
    effective_rows: float
    """(sum w)^2 / sum w^2 of the candidates: how many of weight 1 are as precise."""
    drawn: int = 0
    """Pseudo-data: events drawn, seen or not."""
    repeated: int = 0
    """Pseudo-data: those among them with a row that are second or later uses of one generated event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """One file to write: the tasks that make its chunks, in order."""

    name: str
    events: int
    tasks: tuple[Callable[[], Chunk], ...]
    sample: SampleSpec | None


@dataclass(slots=True)
class _Sums:
    """Running sums over the chunks of one file."""

    generated: int = 0
    weights: float = 0.0
    squares: float = 0.0
    row_weights: float = 0.0
    row_squares: float = 0.0
    drawn: int = 0
    repeated: int = 0

    def add(self, chunk: Chunk) -> None:
        self.generated += chunk.generated
        self.weights += chunk.sum_weights
        self.squares += chunk.sum_weights_squared
        self.row_weights += chunk.row_weights
        self.row_squares += chunk.row_weights_squared
        self.drawn += chunk.drawn
        self.repeated += chunk.repeated


def simulate(
    plan: SimulationPlan, folder: Path, *, workers: int = 1, progress: Progress | None = None
) -> tuple[SimulatedFile, ...]:
    """Write one ROOT file for each sample, and one of pseudo-data, into a folder; return what was written.

    Either all files appear or, after an error or an interrupt, none does.

    Pseudo-data come from streams of their own, independent of the weighted samples: a Poisson number of events is
    generated, each is kept with its weight as probability, and those kept are seen by hit or miss.

    Parameters
    ----------
    plan
        What to simulate.
    folder
        Where the files go; made if needed.
    workers
        Number of processes; with 1 everything is done in this one.
    progress
        Called after each chunk.

    Raises
    ------
    InputError
        If the plan asks for something a generator refuses, or `workers` is not positive.
    NtupleError
        If a file cannot be written.
    BumphuntError
        If a worker process dies.
    """
    if workers < 1:
        msg = f"workers = {workers}; it must be at least 1"
        raise InputError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".simulate-", dir=folder))
    try:
        with pool(workers) as run:
            files = _files(plan, run)
            results = run([task for file in files for task in file.tasks])
            staged = [_write(plan, file, staging, results, progress) for file in files]
        written = []
        for file in staged:
            target = folder / file.path.name
            file.path.replace(target)
            written.append(replace(file, path=target))
        return tuple(written)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _files(plan: SimulationPlan, run: Run) -> list[_File]:
    """Return the files of a plan with their tasks; trial runs say how large the pseudo-data must be."""
    files = []
    for sample in plan.samples:
        tasks = tuple(
            partial(
                simulate_chunk,
                sample.process,
                sample.process.complete(sample.parameters),
                plan.conditions,
                n=n,
                chunk=chunk,
                luminosity=plan.luminosity,
                total=sample.n,
                first_event=chunk * _chunk_size(sample.process),
            )
            for chunk, n in enumerate(_chunk_sizes(sample.n, sample.process))
        )
        files.append(_File(name=sample.name, events=sample.n, tasks=tasks, sample=sample))
    if plan.drawn:
        means = run([partial(_mean_drawn, plan, drawn) for drawn in plan.drawn])
        parts = [_draw_tasks(plan, drawn, mean) for drawn, mean in zip(plan.drawn, means, strict=True)]
        events = sum(n for n, _ in parts)
        files.append(_File(name=PSEUDODATA, events=events, tasks=sum((t for _, t in parts), ()), sample=None))
    return files


def _expected_per_fb(plan: SimulationPlan, drawn: DrawnSample) -> float:
    """Return the expected number of events of a process in the pseudo-data, for each fb of cross section."""
    return plan.luminosity * drawn.yield_factor * drawn.branching_ratio


def _mean_drawn(plan: SimulationPlan, drawn: DrawnSample) -> int:
    """Return how many events to generate, on average, for one process of the pseudo-data."""
    return generation_for_draws(
        drawn.process,
        drawn.process.complete(drawn.parameters),
        plan.conditions,
        expected_per_fb=_expected_per_fb(plan, drawn),
        repeated=plan.repeated,
        maximum=plan.maximum_drawn,
    )


def _draw_tasks(plan: SimulationPlan, drawn: DrawnSample, mean: int) -> tuple[int, tuple[Callable[[], Chunk], ...]]:
    """Return the number of events to generate for one process of the pseudo-data, and the tasks."""
    parameters = drawn.process.complete(drawn.parameters)
    n = drawn_events(drawn.process, parameters, mean=mean, seed=plan.seed)
    scale = _expected_per_fb(plan, drawn) / mean
    tasks = tuple(
        partial(draw_chunk, drawn.process, parameters, plan.conditions, n=size, chunk=chunk, scale=scale)
        for chunk, size in enumerate(_chunk_sizes(n, drawn.process))
    )
    return n, tasks


def _chunk_size(process: Process) -> int:
    """Return the events of a full chunk of a process."""
    return min(CHUNK, process.batch)


def _chunk_sizes(n: int, process: Process) -> list[int]:
    """Return the sizes of the chunks that `n` events of a process make."""
    size = _chunk_size(process)
    return [size] * (n // size) + ([n % size] if n % size else [])


def _write(
    plan: SimulationPlan, file: _File, folder: Path, results: Iterator[Chunk], progress: Progress | None
) -> SimulatedFile:
    """Write one file from the next results."""
    sums = _Sums()

    def rows() -> Iterator[Columns]:
        for _ in file.tasks:
            chunk = next(results)
            if file.sample is None:  # number the drawn events through
                chunk.columns["__event__"] = chunk.columns["__event__"] + sums.drawn
            sums.add(chunk)
            if progress is not None:
                progress(file.name, sums.generated, file.events)
            yield chunk.columns

    path = folder / f"{file.name}{plan.suffix}.root"
    n_rows = write_tree(path, rows(), simulation=lambda: _record(plan, file, sums))
    return SimulatedFile(
        name=f"{file.name}{plan.suffix}",
        path=path,
        rows=n_rows,
        simulation=_record(plan, file, sums),
        expected_rows=sums.row_weights,
        effective_rows=sums.row_weights**2 / sums.row_squares if sums.row_squares > 0 else 0.0,
        drawn=sums.drawn,
        repeated=sums.repeated,
    )


def _record(plan: SimulationPlan, file: _File, sums: _Sums) -> Simulation:
    """Return how a file was simulated."""
    mean = sums.weights / sums.generated
    variance = max(sums.squares / sums.generated - mean**2, 0.0)
    sample = file.sample
    parameters = sample.process.complete(sample.parameters) if sample is not None else {}
    return Simulation(
        process=sample.process.name if sample is not None else PSEUDODATA,
        mass=float(parameters.get("mass", math.nan)),
        coupling=float(parameters.get("coupling", math.nan)),
        cross_section=mean if sample is not None else math.nan,
        cross_section_error=math.sqrt(variance / sums.generated) if sample is not None else math.nan,
        generated=sums.generated,
        luminosity=float(plan.luminosity),
        seed=plan.seed,
        sum_of_weights=mean * plan.luminosity if sample is not None else float(sums.drawn),
        effective_events=sums.weights**2 / sums.squares if sample is not None else float(sums.drawn),
    )
