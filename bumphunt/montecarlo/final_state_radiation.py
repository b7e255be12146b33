"""Final-state radiation at leading logarithm, with exact four-momenta.

Use it on a pair of charged particles that is still back to back. Each loses one photon, with the structure function and
the angle of `bumphunt.montecarlo.radiation`; the momenta are then stretched by a common factor to the mass of the pair.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bumphunt.kinematics import mass_squared
from bumphunt.montecarlo.radiation import (
    ALPHA,
    Shares,
    draw_lost_fractions,
    emit_photon,
    radiator_exponent,
    structure_function,
)
from bumphunt.montecarlo.scalar_kinematics import P4, boost_from_rest

__all__ = ["radiate_final_state"]

Array = NDArray[np.float64]

FINAL_SHARES: Shares = (0.45, 0.30, 0.25, 0.0, 0.0)
"""How often each kind of final state is generated."""
LARGEST_LOST = 1 - 1e-9
"""Largest fraction of its momentum that a particle radiates."""
MINIMUM_BETA = 0.004
"""Smallest radiator exponent for which radiation is generated: nearer to threshold there is none."""


@njit(cache=True)
def _stretch_factor(q: Array, mass: float, total: float) -> float:
    """Return the factor on the three-momenta q, (4, 4), whose energies then add up to `total`; 0 and 1 have `mass`."""
    factor = 1.0
    for _ in range(20):  # Newton's method: the sum is convex, so it converges from any side
        energy, slope = 0.0, 0.0
        for j in range(4):
            p2 = q[j, 1] ** 2 + q[j, 2] ** 2 + q[j, 3] ** 2
            e = np.sqrt(factor * factor * p2 + (mass * mass if j < 2 else 0.0))
            energy += e
            slope += factor * p2 / e if e > 0 else 0.0
        step = (total - energy) / slope
        factor += step
        if abs(step) < 1e-13 * factor:
            break
    return factor


@njit(cache=True)
def _boost_rows(q: Array, frame: P4, frame_mass: float) -> None:
    """Boost momenta (P, 4), given in the rest frame of `frame`, in place to where `frame` is given."""
    for j in range(q.shape[0]):
        e, x, y, z = boost_from_rest((q[j, 0], q[j, 1], q[j, 2], q[j, 3]), frame, frame_mass)
        q[j, 0], q[j, 1], q[j, 2], q[j, 3] = e, x, y, z


@njit(cache=True)
def _balance(q: Array, pair: P4, pair_mass: float, mass: float) -> None:
    """Bring four momenta to their rest frame, stretch them to the mass of the pair, and boost them along with it."""
    e, x, y, z = q[0, 0], q[0, 1], q[0, 2], q[0, 3]
    for j in range(1, 4):
        e, x, y, z = e + q[j, 0], x + q[j, 1], y + q[j, 2], z + q[j, 3]
    _boost_rows(q, (e, -x, -y, -z), np.sqrt(e * e - x * x - y * y - z * z))
    factor = _stretch_factor(q, mass, pair_mass)
    for j in range(4):
        p2 = 0.0
        for k in range(1, 4):
            q[j, k] *= factor
            p2 += q[j, k] * q[j, k]
        q[j, 0] = np.sqrt(p2 + (mass * mass if j < 2 else 0.0))
    _boost_rows(q, pair, pair_mass)


@njit(cache=True)
def _radiate(
    pair: Array, momenta: Array, mass: float, beta: Array, norm: Array, rng: np.random.Generator, weight: Array
) -> None:
    """Let the charged particles in momenta[:, :2] radiate into momenta[:, 2:], and bring all to the laboratory."""
    for i in range(pair.shape[0]):
        t = (pair[i, 0], pair[i, 1], pair[i, 2], pair[i, 3])
        q = momenta[i]
        w = q[0, 0] + q[1, 0]
        weight[i] = 1.0
        if beta[i] < MINIMUM_BETA:
            _boost_rows(q, t, w)
            continue
        u1, u2, ratio = draw_lost_fractions(beta[i], LARGEST_LOST, FINAL_SHARES, rng)
        weight[i] = ratio / norm[i] ** 2
        for leg in range(2):
            lost = u1 if leg == 0 else u2
            photon, angular = emit_photon((q[leg, 0], q[leg, 1], q[leg, 2], q[leg, 3]), mass, lost, rng)
            weight[i] *= angular
            p2 = 0.0
            for k in range(1, 4):
                q[leg, k] *= 1 - lost
                p2 += q[leg, k] * q[leg, k]
            q[leg, 0] = np.sqrt(mass * mass + p2)
            q[2 + leg, 0], q[2 + leg, 1], q[2 + leg, 2], q[2 + leg, 3] = photon
        _balance(q, t, w, mass)


def radiate_final_state(pair: Array, charged: Array, *, mass: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return a pair of charged particles with one photon from each, and the weight of every event.

    Parameters
    ----------
    pair
        Momentum of the pair in the laboratory [GeV], shape (N, 4).
    charged
        Momenta of the two in the rest frame of the pair before they radiate [GeV], shape (N, 2, 4), back to back.
    mass
        Their mass [GeV].
    rng
        Source of randomness.

    Returns
    -------
    momenta : ndarray
        Laboratory momenta of the two and of their photons [GeV], shape (N, 4, 4), which add up to `pair`.
    weight : ndarray
        D(z1) D(z2) over the density they were drawn from, shape (N,), mean 1: final-state radiation does not change
        the cross section at leading logarithm (Kinoshita, Lee, Nauenberg).
    """
    n = pair.shape[0]
    s = np.maximum(mass_squared(pair), 4 * mass**2)
    beta = radiator_exponent(s, mass)
    momenta, weight = np.zeros((n, 4, 4)), np.empty(n)
    momenta[:, :2] = charged
    _radiate(pair, momenta, mass, beta, _integral(beta), rng, weight)
    return momenta, weight


def _integral(beta: Array) -> Array:
    """Return Int D(z) dz, shape of `beta`, in a table of Gauss-Legendre quadratures in u^(beta/2)."""
    nodes, weights = np.polynomial.legendre.leggauss(24)
    grid = np.linspace(MINIMUM_BETA, max(float(beta.max(initial=0.0)), 2 * MINIMUM_BETA), 32)
    s = np.exp(1 + grid * np.pi / (2 * ALPHA))
    u = np.clip(((nodes[:, np.newaxis] + 1) / 2) ** (2 / grid), 1e-300, LARGEST_LOST)
    return np.interp(beta, grid, weights / 2 @ structure_function(u, s, 1.0))
