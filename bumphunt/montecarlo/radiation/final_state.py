"""Final-state radiation at leading logarithm, with exact four-momenta.

Use it on a pair of charged particles that is still back to back. It is radiation from the beams with time reversed:
each loses one photon, with the structure function of `bumphunt.theory.structure_function`, at an angle in the
rest frame of the two particles *after* emission, where the angular weight of the beams is exact for one photon too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.compilation import njit
from bumphunt.constants import ALPHA
from bumphunt.errors import InputError
from bumphunt.kinematics.compiled import P4, boost_from_rest, row
from bumphunt.kinematics.momenta import mass_squared
from bumphunt.montecarlo.radiation.lost_fractions import Shares, draw_lost_fractions
from bumphunt.montecarlo.radiation.photon_angles import SMALLEST_LOST, emit_photon
from bumphunt.theory.structure_function import K_FACTOR, structure_function

__all__ = ["final_radiator_exponent", "radiate_final_state"]

Array = NDArray[np.float64]

FINAL_SHARES: Shares = (0.60, 0.30, 0.10, 0.0, 0.0)
"""How often each kind of final state is generated, for muons."""
LARGEST_LOST = 1 - 1e-9
"""Largest fraction of its momentum that a particle radiates."""
FINAL_K_FACTOR = K_FACTOR
"""Corrections that are no logarithms are the same for initial and final states, whose logarithms are of the mass after
emission here: alpha/pi (pi^2/3 - 1/2), of which 3 alpha / 4 pi is left in the total."""
MINIMUM_BETA = 0.004
"""Smallest radiator exponent for which radiation is generated: nearer to threshold there is none."""


def final_radiator_exponent(s: ArrayLike, mass: float) -> Array:
    """Return beta = (2 alpha / pi) ((1 + b^2) / 2b ln((1 + b) / (1 - b)) - 1) of a pair of any speed, shape of `s`.

    It is `structure_function.radiator_exponent` with all powers of the mass; b is the speed of each particle.

    Parameters
    ----------
    s
        Squared mass of the pair [GeV^2], at least 4 m^2, where the result is 0.
    mass
        Mass of each of the two [GeV].

    References
    ----------
    Yennie, Frautschi, Suura, Ann. Phys. 13 (1961) 379: the integral over the angles of a soft photon.

    Examples
    --------
    >>> round(float(final_radiator_exponent(10.58**2, 0.10566)), 4)
    0.0382
    """
    s = np.asarray(s, dtype=np.float64)
    b = np.sqrt(np.maximum(1 - 4 * mass**2 / s, 1e-12))
    return np.asarray(2 * ALPHA / np.pi * ((1 + b * b) / (2 * b) * np.log((1 + b) ** 2 * s / (4 * mass**2)) - 1))


@njit(cache=True)
def _boost_rows(q: Array, frame: P4, frame_mass: float) -> None:
    """Boost the first four momenta, given in the rest frame of `frame`, in place to where `frame` is given."""
    for j in range(4):
        q[j] = boost_from_rest(row(q, j), frame, frame_mass)


@njit(cache=True)
def _dress(q: Array, w: float, mass: float, beta: float, lost: tuple[float, float], rng: np.random.Generator) -> float:
    """Turn q[0] and q[1], back to back with the mass w, into two particles and photons q[2], q[3]; return the weight.

    The first four rows of q stay in the rest frame of all. One of the two particles, drawn by its squared energy, keeps
    its direction: the rate goes as e1^2 (1 + cos1^2) + e2^2 (1 + cos2^2) after one photon (Berends, Kleiss).
    """
    left = w * w * (1 - lost[0]) * (1 - lost[1])  # squared mass of the two after emission
    if left <= 4 * mass * mass * (1 + 1e-9):
        return 0.0
    p_start, p = np.sqrt(w * w / 4 - mass * mass), np.sqrt(left / 4 - mass * mass)
    axis = (q[0, 1] / p_start, q[0, 2] / p_start, q[0, 3] / p_start)
    eps = 4 * mass * mass / (w * w)
    # with this logarithm the angular weight of soft photons, sin^2 (1 - eps / 2) / (1 - b^2 cos^2)^2, has the mean 1
    log, weight = 1 + (1 - eps / 2) / (1 - eps) * beta * np.pi / (2 * ALPHA), FINAL_K_FACTOR
    for leg in range(2):
        sign = 1.0 if leg == 0 else -1.0
        charged = (np.sqrt(left) / 2, sign * p * axis[0], sign * p * axis[1], sign * p * axis[2])
        k, angular = emit_photon(charged, mass, lost[leg], log, rng)
        weight *= angular
        for j in range(4):
            q[leg, j], q[2 + leg, j] = charged[j], k[j] / (1 - lost[leg])
    # the factor on both photons that makes the mass w; 1 if they are opposite, or one of them is soft
    product = q[2, 0] * q[3, 0] - q[2, 1] * q[3, 1] - q[2, 2] * q[3, 2] - q[2, 3] * q[3, 3]
    linear, missing = 2 * np.sqrt(left) * (q[2, 0] + q[3, 0]), w * w - left
    if linear > 0:
        q[2:4] *= 2 * missing / (linear + np.sqrt(linear * linear + 8 * product * missing))
    _boost_rows(q, (q[:4, 0].sum(), -q[:4, 1].sum(), -q[:4, 2].sum(), -q[:4, 3].sum()), w)
    kept = 0 if rng.random() * (q[0, 0] ** 2 + q[1, 0] ** 2) < q[0, 0] ** 2 else 1
    _turn(q, kept, axis if kept == 0 else (-axis[0], -axis[1], -axis[2]))
    return weight


@njit(cache=True)
def _turn(q: Array, kept: int, target: tuple[float, float, float]) -> None:
    """Rotate the first four momenta in place so that q[kept] gets the direction `target`."""
    norm = np.sqrt(q[kept, 1] ** 2 + q[kept, 2] ** 2 + q[kept, 3] ** 2)
    source = (q[kept, 1] / norm, q[kept, 2] / norm, q[kept, 3] / norm)
    cosine = source[0] * target[0] + source[1] * target[1] + source[2] * target[2]
    for j in range(4):
        a = source[0] * q[j, 1] + source[1] * q[j, 2] + source[2] * q[j, 3]
        b = target[0] * q[j, 1] + target[1] * q[j, 2] + target[2] * q[j, 3]
        c = (a + b) / max(1 + cosine, 1e-12)
        for k in range(3):
            q[j, 1 + k] += 2 * a * target[k] - c * (source[k] + target[k])


@njit(cache=True)
def _radiate(
    pair: Array, momenta: Array, mass: float, beta: Array, norm: Array, shares: Shares, rng: np.random.Generator,
    weight: Array,
) -> None:  # fmt: skip
    """Let the charged particles in momenta[:, :2] radiate into momenta[:, 2:4], and bring all to the laboratory."""
    for i in range(pair.shape[0]):
        q = momenta[i]
        w = q[0, 0] + q[1, 0]
        weight[i] = 1.0
        if beta[i] >= MINIMUM_BETA:
            u1, u2, ratio = draw_lost_fractions(beta[i], LARGEST_LOST, shares, rng)
            radiated = max(u1, u2) > SMALLEST_LOST  # else the photons are left out, and the particles keep it all
            dressed = _dress(q, w, mass, beta[i], (u1, u2), rng) if radiated else FINAL_K_FACTOR
            weight[i] = ratio / norm[i] ** 2 * dressed
        _boost_rows(q, row(pair, i), w)


def radiate_final_state(
    pair: Array,
    charged: Array,
    *,
    mass: float,
    rng: np.random.Generator,
    slots: int = 4,
    shares: Shares = FINAL_SHARES,
) -> tuple[Array, Array]:
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
    slots
        Particles to make room for, at least 4.
    shares
        How often each kind of final state is generated; they add up to 1.

    Returns
    -------
    momenta : ndarray
        Laboratory momenta of the two and of their photons [GeV], which add up to `pair`, then empty slots,
        shape (N, slots, 4).
    weight : ndarray
        D(z1) D(z2) over the density they were drawn from, with the weights of the angles, shape (N,). The mean is
        1 + 3 alpha / 4 pi: final-state radiation does not change the cross section at leading logarithm (Kinoshita,
        Lee, Nauenberg). It is 0 where no mass would be left for the two particles.

    Raises
    ------
    InputError
        If there are fewer than 4 slots.
    """
    if slots < 4:
        msg = f"slots = {slots}; two particles and their photons need 4"
        raise InputError(msg)
    n = pair.shape[0]
    s = np.maximum(mass_squared(pair), 4 * mass**2)
    beta = final_radiator_exponent(s, mass)
    momenta, weight = np.zeros((n, slots, 4)), np.empty(n)
    momenta[:, :2] = charged
    _radiate(pair, momenta, mass, beta, _integral(beta), shares, rng, weight)
    return momenta, weight


def _integral(beta: Array) -> Array:
    """Return Int D(z) dz, shape of `beta`, in a table of Gauss-Legendre quadratures in u^(beta/2)."""
    nodes, weights = np.polynomial.legendre.leggauss(24)
    grid = np.linspace(MINIMUM_BETA, max(float(beta.max(initial=0.0)), 2 * MINIMUM_BETA), 32)
    s = np.exp(1 + grid * np.pi / (2 * ALPHA))
    u = np.clip(((nodes[:, np.newaxis] + 1) / 2) ** (2 / grid), 1e-300, LARGEST_LOST)
    return np.interp(beta, grid, np.sum(weights[:, np.newaxis] / 2 * structure_function(u, s, 1.0), axis=0))
