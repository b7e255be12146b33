"""Simulated samples in chunks: generator, detector and weights, each chunk with a seed of its own.

A chunk depends only on the conditions, the process with its parameters and its own number. `simulate_chunk` makes
weighted rows, `draw_chunk` unweighted pseudo-data from an independent stream.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bumphunt.errors import InputError
from bumphunt.montecarlo.conditions import Conditions, production_number, random_generator
from bumphunt.montecarlo.detector.candidates import Candidate
from bumphunt.montecarlo.detector.columns import Columns
from bumphunt.montecarlo.detector.parameters import Detector
from bumphunt.montecarlo.detector.reconstruction import reconstruct
from bumphunt.montecarlo.events import Events
from bumphunt.montecarlo.processes.process import Parameters, Process
from bumphunt.montecarlo.pseudodata import draw_repeats

__all__ = ["Chunk", "draw_chunk", "simulate_chunk", "simulated_variables"]

SIMULATION_EXPERIMENT = 1003
"""Belle II's experiment number of run-independent simulation of the first data."""
DATA_EXPERIMENT = 3
"""Belle II's experiment number of the 2018 data, which pseudo-data carry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Rows made from one chunk of generated events."""

    columns: Columns
    """Columns by basf2 variable name, each of shape (R,)."""
    generated: int
    """Generated events."""
    sum_weights: float
    """Sum of their weights [fb]."""
    sum_weights_squared: float
    """Sum of their squared weights [fb^2]."""
    row_weights: float
    """Sum of the weights of the rows: expected candidates at the luminosity of the weights."""
    row_weights_squared: float
    """Sum of their squared weights."""
    drawn: int = 0
    """Pseudo-data events that were drawn, seen or not; 0 for weighted rows."""
    repeated: int = 0
    """Those among them that have a row and are a second or later use of the same generated event."""


def simulate_chunk(
    process: Process,
    parameters: Parameters,
    conditions: Conditions,
    *,
    n: int,
    chunk: int,
    luminosity: float,
    total: int,
    first_event: int = 0,
) -> Chunk:
    """Return one chunk of a weighted sample.

    The weights of all chunks add up to the expected number of visible events at `luminosity`. A signal is weighted as
    if it always decayed to the simulated final state.

    Parameters
    ----------
    process, parameters
        What to generate; parameters that are not given have their defaults.
    conditions
        Where, and what is reconstructed.
    n
        Events in this chunk.
    chunk
        Number of the chunk.
    luminosity
        Integrated luminosity of the weights [fb^-1].
    total
        Events of the whole sample.
    first_event
        How many events the chunks before this one hold.

    Raises
    ------
    InputError
        If a parameter is wrong, `n` or `total` is not positive, or `luminosity` is not positive.
    """
    if not (luminosity > 0 and total >= n):
        msg = f"luminosity = {luminosity} fb^-1 must be positive and total = {total} not below n = {n}"
        raise InputError(msg)
    rng = random_generator(conditions.seed, process=process.name, parameters=parameters, stream="sample", chunk=chunk)
    events = process.events(n, beams=conditions.beams, rng=rng, parameters=parameters, first=first_event)
    columns = reconstruct(events, conditions.detector, candidate=conditions.candidate, rng=rng)
    columns["__weight__"] = columns["__weight__"] * (luminosity / total)
    columns["__event__"] = columns["__event__"] + 2 * first_event
    header = _header(columns, SIMULATION_EXPERIMENT, 0, production_number(process.name, parameters))
    return _chunk(header | columns, events)


def draw_chunk(
    process: Process, parameters: Parameters, conditions: Conditions, *, n: int, chunk: int, scale: float
) -> Chunk:
    """Return one chunk of pseudo-data: events drawn with their weight as probability, then seen by hit or miss.

    Events that are used twice are reconstructed with different random numbers and have different ``__event__``, which
    counts the drawn events of the chunk from 0.

    Parameters
    ----------
    process, parameters, conditions, n, chunk
        As for `simulate_chunk`.
    scale
        What turns the weight of an event [fb] into the expected number of times it is drawn [1/fb].

    Raises
    ------
    InputError
        If a parameter is wrong, or `n` is not positive.
    """
    rng = random_generator(conditions.seed, process=process.name, parameters=parameters, stream="data", chunk=chunk)
    events = process.events(n, beams=conditions.beams, rng=rng, parameters=parameters)
    repeats = draw_repeats(events.weight * scale, rng=rng)
    source = np.repeat(np.arange(n), repeats)
    drawn = events.at(source, weight=np.ones(source.size))
    columns = reconstruct(drawn, conditions.detector, candidate=conditions.candidate, rng=rng, weighted=False)
    columns["__event__"] = columns["__event__"] // 2
    columns = _header(columns, DATA_EXPERIMENT, 1, 0) | columns
    seen = source[np.unique(columns["__event__"])]
    return _chunk(columns, events, drawn=source.size, repeated=seen.size - np.unique(seen).size)


def simulated_variables(candidate: Candidate, detector: Detector) -> tuple[str, ...]:
    """Return the basf2 names of the columns of a simulated ntuple.

    Parameters
    ----------
    candidate
        What is reconstructed.
    detector
        The detector, which says which triggers there are.
    """
    nothing = Events(
        pdgid=np.zeros((0, 2), dtype=np.int32), p4=np.zeros((0, 2, 4)), weight=np.zeros(0), beams_p4=np.zeros((0, 4))
    )
    columns = reconstruct(nothing, detector, candidate=candidate, rng=np.random.default_rng(0))
    return (*_header(columns, 0, 0, 0), *columns)


def _header(columns: Columns, experiment: int, run: int, production: int) -> Columns:
    """Return the constant columns of an ntuple."""
    rows = columns["__event__"].size
    values = {"__experiment__": experiment, "__run__": run, "__production__": production}
    return {name: np.full(rows, value, dtype=np.int32) for name, value in values.items()}


def _chunk(columns: Columns, events: Events, *, drawn: int = 0, repeated: int = 0) -> Chunk:
    """Return the record of a chunk."""
    weight, seen = events.weight, columns["__weight__"]
    return Chunk(
        columns=columns,
        generated=weight.size,
        sum_weights=float(weight.sum()),
        sum_weights_squared=float(np.sum(weight**2)),
        row_weights=float(seen.sum()),
        row_weights_squared=float(np.sum(seen**2)),
        drawn=drawn,
        repeated=repeated,
    )
