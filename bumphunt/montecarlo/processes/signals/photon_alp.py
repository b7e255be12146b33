"""The signal e+e- -> gamma a of an axion-like particle, with a -> gamma gamma, or a invisible.

Tree level with one collinear photon from each beam; the photon goes as 1 + cos^2, the decay is isotropic. The a has no
width, and a lifetime if one is given.

References
----------
M. J. Dolan, T. Ferber, C. Hearty, F. Kahlhoefer, K. Schmidt-Hoberg, JHEP 12 (2017) 094 (arXiv:1709.00009).
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from bumphunt.compilation import njit
from bumphunt.errors import InputError
from bumphunt.kinematics.compiled import along, boost_from_rest, ray, row
from bumphunt.kinematics.momenta import Beams
from bumphunt.montecarlo.events import INVISIBLE, Events, beam_particles
from bumphunt.montecarlo.phase_space.decays import decay_vertices, dipole_cosine, two_body
from bumphunt.montecarlo.processes.parameters import LIFETIME, MASS, RECOILING_PHOTON, coupling
from bumphunt.montecarlo.processes.process import Process, beside
from bumphunt.montecarlo.radiation.initial_state import radiate_initial_state
from bumphunt.theory.alp import LOWEST_PAIR_MASS, born_cross_section

__all__ = ["FINAL_STATES", "LIGHTEST", "PROCESSES", "generate"]

Array = NDArray[np.float64]

FINAL_STATES = ("diphoton", "invisible")
"""Final states of the a."""
LIGHTEST = 1e-3
"""Lowest mass that is generated [GeV]."""


def generate(
    n: int,
    *,
    beams: Beams,
    rng: np.random.Generator,
    mass: float,
    coupling: float = 1e-3,
    final_state: str = "diphoton",
    lifetime: float = 0.0,
    radiation: bool = True,
) -> Events:
    """Return weighted events: the recoil photon, the two photons of the a or the a, the photons of the beams.

    The mean weight is the cross section without any branching ratio of the a.

    Parameters
    ----------
    n
        Number of events.
    beams
        The beams, with their energy spread.
    rng
        Source of randomness.
    mass
        Mass of the a [GeV].
    coupling
        Coupling g to photons [GeV^-1].
    final_state
        One of `FINAL_STATES`.
    lifetime
        Proper decay length c tau of the a [cm]; its photons start where it decays.
    radiation
        Whether the beams radiate.

    Raises
    ------
    InputError
        If the final state is unknown, the mass is not between `LIGHTEST` and sqrt(s), the coupling is not positive, or
        the lifetime is negative.
    """
    if final_state not in FINAL_STATES:
        msg = f"final_state = {final_state!r}; choose from {', '.join(FINAL_STATES)}"
        raise InputError(msg)
    if not LIGHTEST <= mass < beams.sqrt_s or not coupling > 0:
        msg = f"mass = {mass} GeV, coupling = {coupling}; want {LIGHTEST} <= mass < sqrt(s) = {beams.sqrt_s:.4f} GeV"
        raise InputError(msg + " and a positive coupling")
    electron, positron = beam_particles(beams, n, rng=rng)
    lowest = max(mass * (1 + 1e-9), LOWEST_PAIR_MASS)
    initial = radiate_initial_state(electron, positron, minimum_mass=lowest, rng=rng, radiation=radiation)
    photon, alp = np.empty((n, 1, 4)), np.empty((n, 4))
    _produce(initial.pair, initial.axis, initial.mass_squared, mass, rng, photon, alp)
    if final_state == "diphoton":
        products = np.empty((n, 2, 4))
        _decay(alp, mass, rng, products)
        numbers = [22, 22, 22, 22, 22]
    else:
        products, numbers = alp[:, np.newaxis], [22, INVISIBLE, 22, 22]
    p4 = np.concatenate([photon, products, initial.photons], axis=1)
    vertex = decay_vertices(alp, mass=mass, lifetime=lifetime, slots=p4.shape[1], products=slice(1, -2), rng=rng)
    return Events(
        pdgid=np.where(p4[..., 0] > 0, np.array(numbers, dtype=np.int32), np.int32(0)),
        p4=p4,
        weight=initial.weight * coupling**2 * born_cross_section(initial.mass_squared, mass),
        beams_p4=electron + positron,
        vertex=vertex,
    )


@njit(cache=True)
def _produce(
    pair: Array, axis: Array, s_pair: Array, mass: float, rng: np.random.Generator, photon: Array, alp: Array
) -> None:
    """Fill laboratory momenta of the photon, (N, 1, 4), and of the a, (N, 4); 1 + cos^2 is drawn by inversion."""
    for i in range(s_pair.size):
        root = np.sqrt(max(s_pair[i], mass * mass * (1 + 1e-12)))
        cos = dipole_cosine(rng.random())
        sin, phi = np.sqrt(max(1 - cos * cos, 0.0)), 2 * np.pi * rng.random()
        x, y, z = along(ray(axis, i), sin * np.cos(phi), sin * np.sin(phi), cos)
        k = (root * root - mass * mass) / (2 * root)
        frame = row(pair, i)
        photon[i, 0] = boost_from_rest((k, k * x, k * y, k * z), frame, root)
        alp[i] = boost_from_rest((root - k, -k * x, -k * y, -k * z), frame, root)


@njit(cache=True)
def _decay(alp: Array, mass: float, rng: np.random.Generator, photons: Array) -> None:
    """Fill photons, (N, 2, 4), with isotropic decays of alp, (N, 4)."""
    for i in range(alp.shape[0]):
        first, second = two_body(mass, 0.0, 0.0, rng)
        frame = row(alp, i)
        photons[i, 0], photons[i, 1] = boost_from_rest(first, frame, mass), boost_from_rest(second, frame, mass)


PROCESSES = tuple(
    Process(
        name=f"alp_{final_state}",
        summary=f"e+e- -> gamma a, a -> {'gamma gamma' if final_state == 'diphoton' else 'invisible'}",
        generate=partial(generate, final_state=final_state),
        parameters={"mass": MASS, "coupling": coupling(1e-3, "coupling to photons [1/GeV]"), "lifetime": LIFETIME},
        signal=True,
        mass_range=partial(beside, recoil=RECOILING_PHOTON, lightest=LIGHTEST),
        accuracy="exact at tree level, one collinear photon from each beam",
        reference="Dolan et al., arXiv:1709.00009",
    )
    for final_state in FINAL_STATES
)
