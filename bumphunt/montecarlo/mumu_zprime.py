"""The signal: e+e- -> mu+ mu- Z', the Z' radiated from a muon and then invisible.

The exact tree-level matrix element (`bumphunt.montecarlo.matrix_elements`) with the muon mass and the whole orientation,
and one collinear photon from each beam. The Z' is one particle (PDG number 32) of zero width, with a vector coupling g'.

References
----------
B. Shuve, I. Yavin, Phys. Rev. D 89 (2014) 113004: the model and this process.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import InputError
from bumphunt.kinematics import M_MUON, Beams, boost, mass_squared
from bumphunt.montecarlo.events import Events, beam_particles
from bumphunt.montecarlo.matrix_elements import dalitz_limits, lepton_pair_and_vector
from bumphunt.montecarlo.radiation import ALPHA, GEV2_TO_FB, InitialState, radiate_initial_state

__all__ = ["ZPRIME", "generate"]

Array = NDArray[np.float64]

ZPRIME = 32
"""PDG number of a Z'."""


def generate(
    n: int,
    *,
    beams: Beams,
    rng: np.random.Generator,
    mass: float,
    coupling: float = 0.1,
    radiation: bool = True,
) -> Events:
    """Return weighted events: mu-, mu+, Z', and the photons of electron and positron.

    The mean weight is the cross section without any branching ratio of the Z'.

    Parameters
    ----------
    n
        Number of events.
    beams
        The beams, with their energy spread.
    rng
        Source of randomness.
    mass
        Mass of the Z' [GeV].
    coupling
        Coupling g'.
    radiation
        Whether the beams radiate.

    Raises
    ------
    InputError
        If the mass is not between 0 and sqrt(s) - 2 m_mu, or the coupling not positive.
    """
    limit = beams.sqrt_s - 2 * M_MUON
    if not 0 < mass < limit or not coupling > 0:
        msg = f"mass = {mass} GeV, coupling = {coupling}; want 0 < mass < {limit:.4f} GeV and a positive coupling"
        raise InputError(msg)
    electron, positron = beam_particles(beams, n, rng=rng)
    initial = _initial(electron, positron, minimum=2 * M_MUON + mass, radiation=radiation, rng=rng)
    momenta, weight = _decay(initial, mass, rng)
    p4 = np.concatenate([momenta, initial.photons], axis=1)
    pdgid = np.broadcast_to(np.array([13, -13, ZPRIME, 22, 22], dtype=np.int32), (n, 5)).copy()
    pdgid[:, 3:][initial.photons[:, :, 0] == 0] = 0
    return Events(
        pdgid=pdgid,
        p4=p4,
        weight=initial.weight * weight * (coupling**2 * GEV2_TO_FB),
        beams_p4=electron + positron,
    )


def _initial(
    electron: Array, positron: Array, *, minimum: float, radiation: bool, rng: np.random.Generator
) -> InitialState:
    """Return the annihilating system, with or without radiation."""
    if radiation:
        return radiate_initial_state(electron, positron, minimum_mass=minimum * (1 + 1e-9), rng=rng)
    total = electron + positron
    axis = boost(electron, -total[:, 1:] / total[:, :1])[:, 1:]
    s = mass_squared(total)
    return InitialState(
        photons=np.zeros((s.size, 2, 4)),
        pair=total,
        axis=axis / np.linalg.norm(axis, axis=-1, keepdims=True),
        mass_squared=s,
        weight=np.where(s > minimum**2, 1.0, 0.0),
    )


def _decay(initial: InitialState, mass: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return laboratory momenta of mu-, mu+, Z' (N, 3, 4), and weights with the cross section in GeV^-2 for g' = 1.

    d1 is drawn flat in its logarithm, then d2 within its limits, which flattens the propagators; the orientation is
    drawn uniformly.
    """
    s, m = initial.mass_squared, M_MUON
    n = s.size
    root = np.sqrt(s)
    low, high = np.log(2 * m * mass + mass**2), np.log(np.maximum((root - m) ** 2 - m * m, 2 * m * mass + mass**2))
    d1 = np.exp(low + (high - low) * rng.random(n))
    d2_low, d2_high = dalitz_limits(d1, s=s, m=m, mass=mass)
    span = np.log(np.maximum(d2_high / d2_low, 1.0))
    d2 = d2_low * np.exp(span * rng.random(n))
    jacobian = (high - low) * d1 * span * d2
    # energies and the angle between the muons in the rest frame
    e1, e2 = (s - d2) / (2 * root), (s - d1) / (2 * root)
    p1, p2 = np.sqrt(np.maximum(e1**2 - m * m, 0.0)), np.sqrt(np.maximum(e2**2 - m * m, 0.0))
    p3_squared = np.maximum((root - e1 - e2) ** 2 - mass**2, 0.0)
    cosine = np.clip((p3_squared - p1**2 - p2**2) / np.maximum(2 * p1 * p2, 1e-12), -1.0, 1.0)
    first, across = _random_frame(n, rng)
    q1 = p1[:, np.newaxis] * first
    q2 = p2[:, np.newaxis] * (cosine[:, np.newaxis] * first + np.sqrt(1 - cosine**2)[:, np.newaxis] * across)
    along1, along2 = np.sum(q1 * initial.axis, axis=-1), np.sum(q2 * initial.axis, axis=-1)
    square = lepton_pair_and_vector(d1, d2, along1, along2, s=s, m=m, mass=mass)
    factor = (4 * np.pi * ALPHA) ** 2 / (4 * s**2) / (128 * np.pi**3 * s)
    momenta = np.empty((n, 3, 4))
    momenta[:, 0, 0], momenta[:, 0, 1:] = np.sqrt(p1**2 + m * m), q1
    momenta[:, 1, 0], momenta[:, 1, 1:] = np.sqrt(p2**2 + m * m), q2
    momenta[:, 2, 0], momenta[:, 2, 1:] = root - momenta[:, 0, 0] - momenta[:, 1, 0], -q1 - q2
    velocity = initial.pair[:, 1:] / initial.pair[:, :1]
    return boost(momenta, velocity[:, np.newaxis, :]), factor * square * jacobian


def _random_frame(n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return two orthogonal unit vectors (N, 3) each, uniform in all rotations."""
    cos, phi, psi = 2 * rng.random(n) - 1, 2 * np.pi * rng.random(n), 2 * np.pi * rng.random(n)
    sin = np.sqrt(1 - cos**2)
    first = np.stack([sin * np.cos(phi), sin * np.sin(phi), cos], axis=-1)
    along = np.stack([cos * np.cos(phi), cos * np.sin(phi), -sin], axis=-1)
    third = np.stack([-np.sin(phi), np.cos(phi), np.zeros(n)], axis=-1)
    return first, np.cos(psi)[:, np.newaxis] * along + np.sin(psi)[:, np.newaxis] * third
