"""Radiative return: beams that radiate until they annihilate into one narrow resonance.

Use it for e+e- -> gamma V at all angles. The hard photon is the radiation of one beam, soft and collinear photons come
with it, each with the angle of one-photon emission (`bumphunt.montecarlo.radiation.initial_state`), so that nothing is
counted twice: a tree-level photon with further radiation would be soft where the radiation is hard, at an infinite
rate. At tree level there is one photon, and its distribution is the exact one up to terms of order m_e^2 / s.

References
----------
F. A. Berends, R. Kleiss, Nucl. Phys. B 177 (1981) 237: what is left after a photon is as polarised as a resonance made
by a beam along either of the two, drawn by their squared energies (exact for one photon and massless electrons).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bumphunt.constants import ALPHA, M_ELECTRON
from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import mass_squared
from bumphunt.montecarlo.radiation.initial_state import InitialState, beam_axis, emit_from_both
from bumphunt.theory.structure_function import K_FACTOR, compiled_regular_part

__all__ = ["return_to_resonance"]

Array = NDArray[np.float64]

BOTH_HARD_SHARE = 0.15
"""Share of events drawn flat in the logarithm of the energies that are left, as two hard photons are; the others have a
soft photon from one beam."""


@njit(cache=True)
def _density(u1: float, u2: float, kept: float, half: float) -> float:
    """Return the density of u1, with (1 - u1)(1 - u2) = kept: either beam may be the one that loses little."""
    largest = 1 - kept
    soft1 = half * u1 ** (half - 1) / largest**half
    soft2 = half * u2 ** (half - 1) / largest**half * (1 - u2) / (1 - u1)
    both = 1 / ((1 - u1) * -np.log(kept))
    return (1 - BOTH_HARD_SHARE) * (soft1 + soft2) / 2 + BOTH_HARD_SHARE * both


@njit(cache=True)
def _lost_fractions(kept: float, s: float, rng: np.random.Generator) -> tuple[float, float, float]:
    """Return u1 and u2 with (1 - u1)(1 - u2) = kept, and K D(z1) D(z2) / z1 over the density of u1."""
    beta = 2 * ALPHA / np.pi * (np.log(s / M_ELECTRON**2) - 1)
    half, largest = beta / 2, 1 - kept
    if rng.random() < BOTH_HARD_SHARE:
        z = kept ** rng.random()
        u1, u2 = 1 - z, 1 - kept / z
    else:
        u1 = largest * rng.random() ** (1 / half)
        u2 = (largest - u1) / (1 - u1)
    u1, u2 = min(max(u1, 1e-290), largest), min(max(u2, 1e-290), largest)
    if rng.random() < 0.5:
        u1, u2 = u2, u1
    d1 = half * u1 ** (half - 1) * compiled_regular_part(u1, np.log(u1), u1**half, beta)
    d2 = half * u2 ** (half - 1) * compiled_regular_part(u2, np.log(u2), u2**half, beta)
    return u1, u2, K_FACTOR * d1 * d2 / (1 - u1) / _density(u1, u2, kept, half)


@njit(cache=True)
def _single_photon(kept: float, s: float, rng: np.random.Generator) -> tuple[float, float, float]:
    """Return u1 and u2, one of them 0, and the density (beta/2) (1 + z^2) / (1 - z) of one photon at z = kept."""
    half = ALPHA / np.pi * (np.log(s / M_ELECTRON**2) - 1)
    rate = half * (1 + kept * kept) / (1 - kept)
    return (1 - kept, 0.0, rate) if rng.random() < 0.5 else (0.0, 1 - kept, rate)


@njit(cache=True)
def _fill(
    electron: Array,
    positron: Array,
    mass: float,
    many: bool,
    rng: np.random.Generator,
    photons: Array,
    pair: Array,
    axis: Array,
    weight: Array,
) -> None:
    """Fill photons (N, 2, 4), pair (N, 4), axis (N, 3) and weight (N,) from beams (N, 4)."""
    for i in range(weight.size):
        a = (electron[i, 0], electron[i, 1], electron[i, 2], electron[i, 3])
        b = (positron[i, 0], positron[i, 1], positron[i, 2], positron[i, 3])
        total = (a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3])
        s = total[0] ** 2 - total[1] ** 2 - total[2] ** 2 - total[3] ** 2
        # where the energy spread leaves too little energy, any allowed event stands in with the weight 0
        kept = min(mass * mass / s, 1 - 1e-9)
        u1, u2, density = _lost_fractions(kept, s, rng) if many else _single_photon(kept, s, rng)
        k1, k2, angular = emit_from_both(a, b, total, s, (u1, u2), rng)
        left = (total[0] - k1[0] - k2[0], total[1] - k1[1] - k2[1], total[2] - k1[2] - k2[2], total[3] - k1[3] - k2[3])
        axis[i, 0], axis[i, 1], axis[i, 2] = beam_axis(a, b, left, mass, rng.random())
        weight[i] = density * angular / s if mass * mass < s * (1 - 1e-9) else 0.0
        for j in range(4):
            photons[i, 0, j], photons[i, 1, j], pair[i, j] = k1[j], k2[j], left[j]


def return_to_resonance(
    electron: Array, positron: Array, *, mass: float, rng: np.random.Generator, radiation: bool = True
) -> InitialState:
    """Return a resonance and the photons of both beams.

    For a resonance with sigma_0 = A delta(s - m^2) the cross section is A times the mean of the weights [GeV^-2].

    Parameters
    ----------
    electron, positron
        Beam momenta in the laboratory [GeV], shape (N, 4).
    mass
        Mass of the resonance [GeV].
    rng
        Source of randomness.
    radiation
        Whether any number of photons is radiated; otherwise one, at tree level.

    Returns
    -------
    InitialState
        ``pair`` is the resonance, ``mass_squared`` its squared mass, ``axis`` along the beam that polarises it. Events
        whose beams have too little energy have weight 0.

    Raises
    ------
    InputError
        If the mass is not between 0 and the highest centre-of-mass energy of the events.

    References
    ----------
    O. Nicrosini, L. Trentadue, Phys. Lett. B 196 (1987) 551: D and K. G. Bonneau, F. Martin, Nucl. Phys. B 27 (1971)
    381: the tree level.
    """
    n = electron.shape[0]
    highest = np.sqrt(mass_squared(electron + positron).max(initial=0.0))
    if not 0 < mass < (highest if n else np.inf):
        msg = f"mass = {mass} GeV; it must be between 0 and sqrt(s) = {highest:.4f} GeV"
        raise InputError(msg)
    photons, pair, axis, weight = np.empty((n, 2, 4)), np.empty((n, 4)), np.empty((n, 3)), np.empty(n)
    _fill(electron, positron, mass, radiation, rng, photons, pair, axis, weight)
    return InitialState(photons=photons, pair=pair, axis=axis, mass_squared=np.full(n, mass * mass), weight=weight)
