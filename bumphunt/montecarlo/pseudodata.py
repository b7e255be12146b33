"""How many events to generate for pseudo-data, and how often each is drawn.

Generators favour rare events, so the weights of common ones are large: pseudo-data need enough generated events that
few of those drawn are the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.constants import particle_mass
from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import four_momentum, polar_angle
from bumphunt.montecarlo.conditions import Conditions, random_generator
from bumphunt.montecarlo.detector.candidates import KINDS
from bumphunt.montecarlo.detector.columns import Columns
from bumphunt.montecarlo.detector.reconstruction import reconstruct
from bumphunt.montecarlo.detector.trigger_lines import ENERGY_TRIGGER, TRACK_TRIGGER
from bumphunt.montecarlo.processes.process import Parameters, Process

__all__ = ["draw_repeats", "drawn_events", "generation_for_draws"]

Array = NDArray[np.float64]

QUIET_RECOIL = (np.radians(32.2), np.radians(128.7))
"""Polar angles of the recoil momentum [rad] where a search looks: the barrel calorimeter of Belle II."""
QUIET_ENERGY = 0.5
"""Most energy of photons beside a candidate [GeV], a little above what searches allow."""
PILOT = 2
"""Batches of the trial run that decides how many pseudo-data events to generate."""


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


def drawn_events(process: Process, parameters: Parameters, *, mean: int, seed: int) -> int:
    """Return the Poisson draw of how many events to generate for pseudo-data, 1 at least, given its mean.

    Parameters
    ----------
    process, parameters
        What is generated.
    mean
        The mean.
    seed
        Seed of the analysis.
    """
    rng = random_generator(seed, process=process.name, parameters=parameters, stream="data size", chunk=0)
    return max(int(rng.poisson(mean)), 1)


def generation_for_draws(
    process: Process,
    parameters: Parameters,
    conditions: Conditions,
    *,
    expected_per_fb: float,
    repeated: float,
    maximum: int,
) -> int:
    """Return how many events to generate so that few of those drawn where a search looks are repeats.

    What counts is the yield of quiet candidates (triggered, little other energy; tracks without a photon are all of the
    event and recoil into the barrel); elsewhere, as for soft pairs from two photons that recoil along the beams, an
    event may be used several times, each time with other measurement errors.

    Parameters
    ----------
    process, parameters
        What is generated.
    conditions
        Where, and what is reconstructed.
    expected_per_fb
        Expected drawn events for each fb of cross section: luminosity [fb^-1] times any factor on the yield.
    repeated
        Largest fraction of that yield that may come from event weights above 1.
    maximum
        Never more than this; then more are repeats, which `Chunk.repeated` counts.

    Raises
    ------
    InputError
        If a parameter is wrong.
    """
    rng = random_generator(conditions.seed, process=process.name, parameters=parameters, stream="pilot", chunk=0)
    pilot = PILOT * process.batch
    events = process.events(pilot, beams=conditions.beams, rng=rng, parameters=parameters)
    rows = reconstruct(events, conditions.detector, candidate=conditions.candidate, rng=rng)
    quiet = _quiet(rows, conditions)
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


def _quiet(rows: Columns, conditions: Conditions) -> NDArray[np.bool_]:
    """Return which candidates a search would look at."""
    quiet = rows["totalEnergyOfParticlesInList(gamma:roe)"] < QUIET_ENERGY
    fired = [rows[name] == 1 for name in (TRACK_TRIGGER, ENERGY_TRIGGER) if name in rows]
    quiet &= np.any(fired, axis=0)
    if conditions.candidate.n_photons:
        return np.asarray(quiet)
    kinds = conditions.candidate.kinds
    seen = np.zeros((quiet.size, 4))
    for i, kind in enumerate(kinds):
        p, theta, phi = (rows[f"daughter({i}, {name})"] for name in ("p", "theta", "phi"))
        seen += four_momentum(p, theta, phi, particle_mass(KINDS[kind]))
    theta = polar_angle(conditions.beams.p4 - seen)
    alone = (rows["nTracks"] == len(kinds)) & (theta > QUIET_RECOIL[0]) & (theta < QUIET_RECOIL[1])
    return np.asarray(quiet & alone)
