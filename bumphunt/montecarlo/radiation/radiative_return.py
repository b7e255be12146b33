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
from numpy.typing import NDArray

from bumphunt.compilation import njit
from bumphunt.constants import ALPHA, M_ELECTRON
from bumphunt.kinematics.compiled import add, mass_squared, row
from bumphunt.montecarlo.radiation.initial_state import (
    InitialState,
    Rows,
    check_mass,
    emit_from_both,
    empty_rows,
    fill_row,
)
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
def _fill(electron: Array, positron: Array, mass: float, many: bool, rng: np.random.Generator, rows: Rows) -> None:
    """Fill rows from beams, (N, 4) each."""
    for i in range(electron.shape[0]):
        a, b = row(electron, i), row(positron, i)
        total = add(a, b)
        s = mass_squared(total)
        # where the energy spread leaves too little energy, any allowed event stands in with the weight 0
        kept = min(mass * mass / s, 1 - 1e-9)
        u1, u2, density = _lost_fractions(kept, s, rng) if many else _single_photon(kept, s, rng)
        k1, k2, angular = emit_from_both(a, b, total, s, (u1, u2), rng)
        fill_row(rows, i, (a, b), (k1, k2), mass, rng)
        rows.weight[i] = density * angular / s if mass * mass < s * (1 - 1e-9) else 0.0


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
    check_mass(mass, "mass", electron, positron)
    rows = empty_rows(electron.shape[0])
    _fill(electron, positron, mass, radiation, rng, rows)
    return InitialState(**rows._asdict(), mass_squared=np.full(electron.shape[0], mass * mass))
