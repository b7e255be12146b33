"""Simulated samples and pseudo-data as ROOT files, by any number of processes.

Every chunk of events has its own seed, and rows are written in the order of the chunks: the files do not depend on the
number of workers. Rows stream to the disk, so memory does not grow with the number of events. Chunks are kept until
their file is complete, and complete files until all are there, so that work that was ended goes on where it was.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bumphunt.montecarlo.processes.process import Process
from bumphunt.montecarlo.pseudodata import drawn_events, generation_for_draws
from bumphunt.montecarlo.simulation import Chunk, draw_chunk, simulate_chunk
from workflows.ntuples.simulation_record import Simulation
from workflows.ntuples.writing import Columns, write_tree
from workflows.running.blocks import Blocks
from workflows.running.progress import Progress
from workflows.running.workers import Run, Workers, pool
from workflows.simulation.plan import PSEUDODATA, DrawnSample, SampleSpec, SimulationPlan
from workflows.whole_file import link

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
    full_name: str
    """Name with the suffix of its plan, without the ending."""
    events: int
    tasks: tuple[Callable[[], Chunk], ...]
    sample: SampleSpec | None
    there: bool
    """Whether it was written before."""


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
    plan: SimulationPlan,
    folder: Path,
    *,
    workers: Workers = 1,
    progress: Progress | None = None,
    staging: Path | None = None,
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
        Who does the work; the results do not depend on it.
    progress
        Called after each chunk.
    staging
        Folder, on the same disk, for what is finished until all is: what is there already, of the same plan, is not
        made again. None for a temporary one.

    Raises
    ------
    InputError
        If the plan asks for something a generator refuses, or `workers` is not positive.
    NtupleError
        If a file cannot be written.
    BumphuntError
        If a worker process dies.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if staging is None:
        with tempfile.TemporaryDirectory(prefix=".simulate-", dir=folder) as temporary:
            return simulate(plan, folder, workers=workers, progress=progress, staging=Path(temporary))
    blocks = Blocks(folder=staging, types=(Chunk, SimulatedFile, Simulation))
    with pool(workers) as run:
        files = _files(plan, run, blocks)
        results = run([task for file in files if not file.there for task in file.tasks])
        staged = [_written(plan, file, blocks, results, progress) for file in files]
    written = []
    for made in staged:
        target = folder / made.path.name
        target.unlink(missing_ok=True)
        link(made.path, target)
        written.append(replace(made, path=target))
    return tuple(written)


def _files(plan: SimulationPlan, run: Run, blocks: Blocks) -> list[_File]:
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
        files.append(_file(plan, blocks, sample.name, sample.n, tasks, sample))
    if plan.drawn:
        trials = [partial(_mean_drawn, plan, drawn) for drawn in plan.drawn]
        means = run([blocks.kept(f".trial{plan.suffix}/{number}", trial) for number, trial in enumerate(trials)])
        parts = [_draw_tasks(plan, drawn, mean) for drawn, mean in zip(plan.drawn, means, strict=True)]
        events = sum(n for n, _ in parts)
        files.append(_file(plan, blocks, PSEUDODATA, events, sum((t for _, t in parts), ()), None))
    return files


def _file(
    plan: SimulationPlan,
    blocks: Blocks,
    name: str,
    events: int,
    tasks: Sequence[Callable[[], Chunk]],
    sample: SampleSpec | None,
) -> _File:
    """Return a file, whose chunks are kept."""
    full = f"{name}{plan.suffix}"
    kept = tuple(blocks.kept(f"{full}/{number:06}", task) for number, task in enumerate(tasks))
    return _File(name=name, full_name=full, events=events, tasks=kept, sample=sample, there=blocks.has(full))


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


def _written(
    plan: SimulationPlan, file: _File, blocks: Blocks, results: Iterator[Chunk], progress: Progress | None
) -> SimulatedFile:
    """Return a file that is there, or else write it from the next results, of which nothing is kept then."""
    if file.there:
        made: SimulatedFile = blocks.read(file.full_name)
        return made
    made = _write(plan, file, blocks.folder, results, progress)
    blocks.write(file.full_name, made)
    blocks.forget(file.full_name)
    return made


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

    path = folder / f"{file.full_name}.root"
    n_rows = write_tree(path, rows(), simulation=lambda: _record(plan, file, sums))
    return SimulatedFile(
        name=file.full_name,
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
