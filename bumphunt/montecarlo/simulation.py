"""Simulated samples in chunks: generator, detector and weights, each chunk with a seed of its own.

A chunk depends only on the seed, the process with its parameters and its own number: not on who makes it, nor when.
`simulate_chunk` makes weighted rows, `draw_chunk` unweighted pseudo-data from an independent stream.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.constants import M_ELECTRON, M_MUON
from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import Beams, four_momentum, polar_angle
from bumphunt.montecarlo.detector.candidates import CANDIDATES, Candidate
from bumphunt.montecarlo.detector.parameters import Detector
from bumphunt.montecarlo.detector.reconstruction import reconstruct
from bumphunt.montecarlo.detector.trigger_lines import ENERGY_TRIGGER, TRACK_TRIGGER
from bumphunt.montecarlo.events import Events
from bumphunt.montecarlo.processes.process import Parameters
from bumphunt.montecarlo.processes.registry import find_process

__all__ = [
    "Chunk",
    "draw_chunk",
    "draw_repeats",
    "drawn_events",
    "generation_for_draws",
    "production_number",
    "random_generator",
    "simulate_chunk",
    "simulated_variables",
]

Array = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]
SIMULATION_EXPERIMENT = 1003
"""Belle II's experiment number of run-independent simulation of the first data."""
DATA_EXPERIMENT = 3
"""Belle II's experiment number of the 2018 data, which pseudo-data carry."""
QUIET_RECOIL = (np.radians(32.2), np.radians(128.7))
"""Polar angles of the recoil momentum [rad] where a search looks: the barrel calorimeter of Belle II."""
QUIET_ENERGY = 0.5
"""Most energy of photons beside a pair [GeV], a little above what searches allow."""

PILOT = 2
"""Batches of the trial run that decides how many pseudo-data events to generate."""


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


def _key(process: str, parameters: Parameters) -> int:
    """Return a number that stands for a process with its parameters, the same on every machine."""
    values = sorted((k, v if isinstance(v, str) else float(v)) for k, v in parameters.items())
    text = json.dumps([process, values])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def random_generator(
    seed: int, *, process: str, parameters: Parameters, stream: str, chunk: int
) -> np.random.Generator:
    """Return the generator of one chunk.

    Parameters
    ----------
    seed
        Seed of the analysis, not negative.
    process, parameters
        What is generated.
    stream
        Purpose: two streams with the same other arguments are independent.
    chunk
        Number of the chunk, from 0.

    Examples
    --------
    >>> a = random_generator(1, process="mumu", parameters={}, stream="sample", chunk=0).random()
    >>> b = random_generator(1, process="mumu", parameters={}, stream="data", chunk=0).random()
    >>> a == b
    False
    """
    entropy = [seed, _key(process, parameters), _key(stream, {}), chunk]
    return np.random.default_rng(np.random.SeedSequence(entropy))


def production_number(process: str, parameters: Parameters) -> int:
    """Return the 31-bit ``__production__`` that tells samples of different processes and parameters apart."""
    return _key(process, parameters) % 2**31


def _generate(process: str, n: int, beams: Beams, rng: np.random.Generator, parameters: Parameters) -> Events:
    """Return generated events.

    Raises
    ------
    InputError
        If there is no such process, it does not take these parameters, or no events are asked for.
    """
    found = find_process(process)
    if n < 1:
        msg = f"n = {n} events of {process}; at least one must be generated"
        raise InputError(msg)
    return found.generate(n, beams=beams, rng=rng, **found.complete(parameters))


def simulate_chunk(
    process: str,
    *,
    n: int,
    chunk: int,
    seed: int,
    beams: Beams,
    detector: Detector,
    luminosity: float,
    total: int,
    parameters: Parameters,
    first_event: int = 0,
    candidate: Candidate = CANDIDATES["dimuon"],
) -> Chunk:
    """Return one chunk of a weighted sample.

    The weights of all chunks add up to the expected number of visible events at `luminosity`. A signal is weighted as
    if it always decayed to the simulated final state.

    Parameters
    ----------
    process, parameters
        What to generate: a key of `processes.PROCESSES`, and parameters of it; the others have their defaults.
    n
        Events in this chunk.
    chunk
        Number of the chunk.
    seed
        Seed of the analysis.
    beams, detector
        Where it happens.
    luminosity
        Integrated luminosity of the weights [fb^-1].
    total
        Events of the whole sample.
    first_event
        How many events the chunks before this one hold.
    candidate
        What is reconstructed.

    Raises
    ------
    InputError
        If the process or a parameter is unknown, `n` or `total` is not positive, or `luminosity` is not positive.
    """
    if not (luminosity > 0 and total >= n):
        msg = f"luminosity = {luminosity} fb^-1 must be positive and total = {total} not below n = {n}"
        raise InputError(msg)
    rng = random_generator(seed, process=process, parameters=parameters, stream="sample", chunk=chunk)
    events = _generate(process, n, beams, rng, parameters)
    columns = reconstruct(events, detector, candidate=candidate, rng=rng)
    columns["__weight__"] = columns["__weight__"] * (luminosity / total)
    columns["__event__"] = columns["__event__"] + 2 * first_event
    header = _header(columns, SIMULATION_EXPERIMENT, 0, production_number(process, parameters))
    return _chunk(header | columns, events)


def draw_chunk(
    process: str,
    *,
    n: int,
    chunk: int,
    seed: int,
    beams: Beams,
    detector: Detector,
    scale: float,
    parameters: Parameters,
    candidate: Candidate = CANDIDATES["dimuon"],
) -> Chunk:
    """Return one chunk of pseudo-data: events drawn with their weight as probability, then seen by hit or miss.

    Events that are used twice are reconstructed with different random numbers and have different ``__event__``, which
    counts the drawn events of the chunk from 0.

    Parameters
    ----------
    scale
        What turns the weight of an event [fb] into the expected number of times it is drawn [1/fb].
    process, n, chunk, seed, beams, detector, parameters, candidate
        As for `simulate_chunk`.

    Raises
    ------
    InputError
        If the process is unknown, or `n` is not positive.
    """
    rng = random_generator(seed, process=process, parameters=parameters, stream="data", chunk=chunk)
    events = _generate(process, n, beams, rng, parameters)
    repeats = draw_repeats(events.weight * scale, rng=rng)
    source = np.repeat(np.arange(n), repeats)
    drawn = Events(
        pdgid=events.pdgid[source],
        p4=events.p4[source],
        weight=np.ones(source.size),
        beams_p4=events.beams_p4[source],
        vertex=None if events.vertex is None else events.vertex[source],
    )
    columns = reconstruct(drawn, detector, candidate=candidate, rng=rng, weighted=False)
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


def draw_repeats(expected: ArrayLike, *, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return how often each weighted event is drawn, shape (N,); the mean is `expected` for any value of it.

    Up to 1 the event is kept or not. When the number of generated events is itself a Poisson draw (`drawn_events`),
    the drawn events are then an exact Poisson process, which Poisson draws of a fixed sample are not: those repeat
    events, and their sum varies by a factor (1 + mean weight) too much. Above 1 repeats cannot be avoided.

    Parameters
    ----------
    expected
        Expected number of uses of each event, not negative, shape (N,).

    Raises
    ------
    InputError
        If a value is negative or not finite.

    Examples
    --------
    >>> draw_repeats([0.0, 1.0, 2.0], rng=np.random.default_rng(1))
    array([0, 1, 2])
    """
    expected = np.asarray(expected, dtype=np.float64)
    if np.any(~(np.isfinite(expected) & (expected >= 0))):
        worst = expected[~(np.isfinite(expected) & (expected >= 0))][0]
        msg = f"expected number of draws = {worst}; it must be finite and not negative"
        raise InputError(msg)
    whole = np.floor(expected)
    return (whole + (rng.random(expected.shape) < expected - whole)).astype(np.int64)


def drawn_events(mean: int, *, seed: int, process: str, parameters: Parameters) -> int:
    """Return the Poisson draw of how many events to generate for pseudo-data, 1 at least, given its mean."""
    rng = random_generator(seed, process=process, parameters=parameters, stream="data size", chunk=0)
    return max(int(rng.poisson(mean)), 1)


def generation_for_draws(
    process: str,
    *,
    expected_per_fb: float,
    seed: int,
    beams: Beams,
    detector: Detector,
    parameters: Parameters,
    repeated: float,
    maximum: int,
    candidate: Candidate = CANDIDATES["dimuon"],
) -> int:
    """Return how many events to generate so that few of those drawn where a search looks are repeats.

    Generators favour rare events, so the weights of common ones are large. What counts is the yield of quiet candidates
    (triggered, little other energy; a lepton pair without a photon is of two tracks only and recoils into the barrel);
    elsewhere, as for soft pairs from two photons that recoil along the beams, an event may be used several times, each
    time with other measurement errors.

    Parameters
    ----------
    expected_per_fb
        Expected drawn events for each fb of cross section: luminosity [fb^-1] times any factor on the yield.
    repeated
        Largest fraction of that yield that may come from event weights above 1.
    maximum
        Never more than this; then more are repeats, which `Chunk.repeated` counts.
    process, seed, beams, detector, parameters, candidate
        As for `simulate_chunk`.

    Raises
    ------
    InputError
        If the process or a parameter is unknown.
    """
    rng = random_generator(seed, process=process, parameters=parameters, stream="pilot", chunk=0)
    pilot = PILOT * find_process(process).batch
    events = _generate(process, pilot, beams, rng, parameters)
    rows = reconstruct(events, detector, candidate=candidate, rng=rng)
    quiet = _quiet(rows, candidate, beams)
    if expected_per_fb == 0 or not np.any(quiet):
        return min(pilot, maximum)
    seen = rows["__weight__"][quiet]
    # with N generated events a draw is expected draws / N times, so a share 1 - N / draws of its yield is repeats
    draws = (events.weight * expected_per_fb)[rows["__event__"] // 2][quiet]
    low, high = 1, maximum
    while low < high:
        n = (low + high) // 2
        share = np.sum(seen * (1 - np.minimum(n / draws, 1.0)))
        low, high = (low, n) if share <= repeated * seen.sum() else (n + 1, high)
    return high


def _quiet(rows: Columns, candidate: Candidate, beams: Beams) -> NDArray[np.bool_]:
    """Return which candidates a search would look at."""
    quiet = rows["totalEnergyOfParticlesInList(gamma:roe)"] < QUIET_ENERGY
    fired = [rows[name] == 1 for name in (TRACK_TRIGGER, ENERGY_TRIGGER) if name in rows]
    quiet &= np.any(fired, axis=0)
    if candidate.n_photons:
        return np.asarray(quiet)
    pair = np.zeros((quiet.size, 4))
    for i, kind in enumerate(candidate.leptons):
        p, theta, phi = (rows[f"daughter({i}, {name})"] for name in ("p", "theta", "phi"))
        pair += four_momentum(p, theta, phi, M_ELECTRON if kind == "e" else M_MUON)
    theta = polar_angle(beams.p4 - pair)
    alone = (rows["nTracks"] == 2) & (theta > QUIET_RECOIL[0]) & (theta < QUIET_RECOIL[1])
    return np.asarray(quiet & alone)
