r"""Initial- and final-state radiation at leading logarithm, with exact four-momenta.

Each beam particle keeps a fraction z of its momentum with the density D(z) of Kuraev and Fadin (`structure_function`); what
it loses is one photon, at an angle drawn from 1 / (1 - beta cos). Momentum is conserved exactly, so the radiated photons
can be seen, or be missed, by a detector.

References
----------
E. A. Kuraev, V. S. Fadin, Sov. J. Nucl. Phys. 41 (1985) 466.
O. Nicrosini, L. Trentadue, Phys. Lett. B 196 (1987) 551, eq. 13: D to order beta^2, and the K factor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import InputError
from bumphunt.kinematics import M_ELECTRON, M_MUON, M_TAU, boost, mass_squared

__all__ = [
    "ALPHA",
    "GEV2_TO_FB",
    "K_FACTOR",
    "InitialState",
    "emit_photon",
    "radiate_final_state",
    "radiate_initial_state",
    "radiator_exponent",
    "structure_function",
    "vacuum_polarisation",
]

Array = NDArray[np.float64]

ALPHA = 1 / 137.035999
"""Fine-structure constant at zero momentum (CODATA)."""
GEV2_TO_FB = 0.3893793721e12
"""(hbar c)^2 [GeV^2 fb]."""
K_FACTOR = 1 + 2 * ALPHA / np.pi * (np.pi**2 / 6 - 0.25)
"""Vertex and soft corrections of the initial state that are no logarithms (Nicrosini, Trentadue)."""
HARD_SHARE = 0.4
"""Share of the proposal that is flat in ln(1 - z), so that hard photons are generated often, with small weights."""
SMALLEST_FRACTION = 1e-4
"""Lowest 1 - z of that share: a photon of half an MeV at 10 GeV."""
RETURN_SHARE = 0.15
"""Share that is flat in ln z, for the return to low masses, where cross sections grow as 1 / s."""


def radiator_exponent(s: ArrayLike, mass: float) -> Array:
    """Return beta = (2 alpha / pi) (ln(s / m^2) - 1) of a pair of charged particles; s [GeV^2], mass [GeV].

    Examples
    --------
    >>> round(float(radiator_exponent(10.58**2, M_ELECTRON)), 4)
    0.0877
    """
    return np.asarray(2 * ALPHA / np.pi * (np.log(np.asarray(s, dtype=np.float64) / mass**2) - 1))


def structure_function(lost: ArrayLike, s: ArrayLike, mass: float = M_ELECTRON) -> Array:
    """Return D(z) without its singular factor: D(z) / [(beta/2) u^(beta/2 - 1)], u = 1 - z.

    Parameters
    ----------
    lost
        Fraction u = 1 - z that is radiated, in (0, 1).
    s
        Squared mass of the pair [GeV^2], broadcast with `lost`.
    mass
        Mass of the radiating particle [GeV].

    References
    ----------
    Nicrosini, Trentadue, eq. 13.
    """
    u = np.asarray(lost, dtype=np.float64)
    z = 1 - u
    beta = radiator_exponent(s, mass)
    log = np.log(np.asarray(s, dtype=np.float64) / mass**2)
    soft = 1 + 3 / 8 * beta - beta**2 / 48 * (log / 3 + np.pi**2 - 47 / 8)
    log_u, log_z = np.log(np.maximum(u, 1e-300)), np.log(np.maximum(z, 1e-300))
    ratio = np.where(u > 1e-8, log_z / np.where(u > 1e-8, u, 1.0), -1.0)  # ln z / (1 - z) -> -1
    hard = -beta / 4 * (1 + z) + beta**2 / 32 * (-4 * (1 + z) * log_u - (1 + 3 * z * z) * ratio - 5 - z)
    return np.asarray(soft + hard * 2 / beta * u ** (1 - beta / 2))


def vacuum_polarisation(s: ArrayLike) -> Array:
    """Return (alpha(s) / alpha)^2 for time-like s [GeV^2].

    Leptons at one loop with their masses (the imaginary part neglected); hadrons as the logarithmic parametrisation
    0.00835 ln(1 + s / 1 GeV^2) of H. Burkhardt, B. Pietrzyk, which is good to 5 % of the shift above 2 GeV. Resonances
    are not in it.

    Examples
    --------
    >>> 1.05 < float(vacuum_polarisation(10.58**2)) < 1.09
    True
    """
    q2 = np.asarray(s, dtype=np.float64)
    shift = np.zeros_like(q2)
    for mass in (M_ELECTRON, M_MUON, M_TAU):
        # ln(s / m^2) - 5/3 far above threshold, switched on smoothly so that it vanishes below
        shift = shift + ALPHA / (3 * np.pi) * np.maximum(np.log(np.maximum(q2, 1e-12) / mass**2) - 5 / 3, 0.0)
    shift = shift + 0.00299 * np.log1p(q2)
    return np.asarray(1 / (1 - shift) ** 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialState:
    """What the beams make after they radiated.

    Parameters
    ----------
    photons
        Photons of electron and positron, laboratory [GeV], shape (N, 2, 4).
    pair
        Momentum of the system that annihilates, laboratory [GeV], shape (N, 4).
    axis
        Unit vector of the electron in the rest frame of that system, shape (N, 3).
    mass_squared
        Its squared mass [GeV^2], shape (N,).
    weight
        D(z1) D(z2) over the density they were drawn from, times the K factor, shape (N,); 0 where the mass is below
        the minimum.
    """

    photons: Array
    pair: Array
    axis: Array
    mass_squared: Array
    weight: Array


def _lost_fractions(
    n: int, beta: Array, s: Array, smallest_kept: float, mass: float, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Return radiated fractions u and the weights D(z) / density, shape (n,) each; z reaches down to `smallest_kept`."""
    share, r = rng.random(n), rng.random(n)
    u = np.where(share < HARD_SHARE, SMALLEST_FRACTION**r, (1 - r) ** (2 / beta))
    u = np.where(share > 1 - RETURN_SHARE, 1 - smallest_kept**r, u)
    u = np.clip(u, 1e-300, 1 - 1e-12)
    soft_density = beta / 2 * u ** (beta / 2 - 1)
    # the density of each share over that of the soft one, whose singularity the structure function leaves out
    hard = np.where(u >= SMALLEST_FRACTION, 1 / (-np.log(SMALLEST_FRACTION) * u), 0.0) / soft_density
    back = np.where(1 - u >= smallest_kept, 1 / (-np.log(smallest_kept) * (1 - u)), 0.0) / soft_density
    mixture = (1 - HARD_SHARE - RETURN_SHARE) + HARD_SHARE * hard + RETURN_SHARE * back
    return u, structure_function(u, s, mass) / mixture


@njit(cache=True)
def emit_photon(charged: Array, mass: float, lost: float, r: float, phi: float, out: Array) -> None:
    """Fill `out` with a photon of the fraction `lost` of the energy of `charged`, at 1 / (1 - beta cos) about it.

    `r` is uniform in [0, 1), `phi` the azimuth [rad]; both momenta have shape (4,) [GeV].
    """
    energy = charged[0]
    p = np.sqrt(charged[1] ** 2 + charged[2] ** 2 + charged[3] ** 2)
    b = p / energy
    gap = mass * mass / (energy * (energy + p))  # 1 - beta without rounding
    one_minus = gap * ((1 + b) / gap) ** r  # 1 - beta cos, log-uniform
    one_minus_cos = max((one_minus - gap) / b, 0.0)
    cos = 1 - one_minus_cos
    sin = np.sqrt(max(one_minus_cos * (2 - one_minus_cos), 0.0))
    x, y, z = charged[1] / p, charged[2] / p, charged[3] / p
    sign = 1.0 if z >= 0 else -1.0
    a = -1 / (sign + z)
    c, s = np.cos(phi), np.sin(phi)
    k = lost * energy
    out[0] = k
    out[1] = k * (sin * (c * (1 + sign * x * x * a) + s * x * y * a) + cos * x)
    out[2] = k * (sin * (c * sign * x * y * a + s * (sign + y * y * a)) + cos * y)
    out[3] = k * (sin * (-c * sign * x - s * y) + cos * z)


@njit(cache=True)
def _photons(electron: Array, positron: Array, lost: Array, angles: Array, azimuths: Array, out: Array) -> None:
    """Fill both photons of every event, (N, 2, 4); the beams are (N, 4) and the random numbers (N, 2)."""
    for i in range(electron.shape[0]):
        emit_photon(electron[i], M_ELECTRON, lost[i, 0], angles[i, 0], azimuths[i, 0], out[i, 0])
        emit_photon(positron[i], M_ELECTRON, lost[i, 1], angles[i, 1], azimuths[i, 1], out[i, 1])


def radiate_initial_state(
    electron: Array, positron: Array, *, minimum_mass: float, rng: np.random.Generator
) -> InitialState:
    """Return the system that annihilates after one photon from each beam.

    The cross section with radiation is the mean over events of ``weight * sigma_0(mass_squared)``.

    Parameters
    ----------
    electron, positron
        Beam momenta in the laboratory [GeV], shape (N, 4).
    minimum_mass
        Lowest mass of the annihilating system [GeV]; events below have weight 0, and a harmless momentum.
    rng
        Source of randomness.

    Raises
    ------
    InputError
        If `minimum_mass` is not between 0 and the centre-of-mass energy.
    """
    total = electron + positron
    s = mass_squared(total)
    if not 0 < minimum_mass < np.sqrt(s.min()):
        msg = f"minimum_mass = {minimum_mass} GeV; it must be between 0 and sqrt(s) = {np.sqrt(s.min()):.4f} GeV"
        raise InputError(msg)
    n = s.size
    velocity = total[:, 1:] / total[:, :1]
    electron_cms, positron_cms = boost(electron, -velocity), boost(positron, -velocity)
    beta = radiator_exponent(s, M_ELECTRON)
    smallest = float(minimum_mass**2 / s.max())
    first, first_weight = _lost_fractions(n, beta, s, smallest, M_ELECTRON, rng)
    second, second_weight = _lost_fractions(n, beta, s, smallest, M_ELECTRON, rng)
    photons = np.empty((n, 2, 4))
    lost = np.stack([first, second], axis=1)
    _photons(electron_cms, positron_cms, lost, rng.random((n, 2)), 2 * np.pi * rng.random((n, 2)), photons)
    pair = -photons.sum(axis=1)
    pair[:, 0] += np.sqrt(s)
    mass2 = mass_squared(pair)
    good = (mass2 >= minimum_mass**2) & (pair[:, 0] > 0)
    photons[~good] = 0.0
    pair[~good] = 0.0
    pair[~good, 0] = np.sqrt(s[~good])
    mass2 = np.where(good, mass2, s)
    axis = boost(electron_cms, -pair[:, 1:] / pair[:, :1])[:, 1:]
    axis /= np.linalg.norm(axis, axis=-1, keepdims=True)
    return InitialState(
        photons=boost(photons, velocity[:, np.newaxis, :]),
        pair=boost(pair, velocity),
        axis=axis,
        mass_squared=mass2,
        weight=np.where(good, first_weight * second_weight * K_FACTOR, 0.0),
    )


@njit(cache=True)
def _emit_and_balance(pair: Array, charged: Array, mass: float, lost: Array, angle: Array, azimuth: Array) -> None:
    """Let two charged particles at rest as a pair emit a photon each; (N, 4, 4) holds charged 0, 1 and photons 2, 3.

    The emission is collinear up to its angle; the four momenta are then boosted to their common rest frame and
    stretched to the mass of the pair, which conserves momentum exactly, and boosted to the laboratory.
    """
    for i in range(pair.shape[0]):
        t = pair[i]
        q = charged[i]
        w = np.sqrt(t[0] * t[0] - t[1] * t[1] - t[2] * t[2] - t[3] * t[3])
        for leg in range(2):
            emit_photon(q[leg], mass, lost[i, leg], angle[i, leg], azimuth[i, leg], q[2 + leg])
            kept = 1 - lost[i, leg]
            for k in range(1, 4):
                q[leg, k] *= kept
            q[leg, 0] = np.sqrt(mass * mass + q[leg, 1] ** 2 + q[leg, 2] ** 2 + q[leg, 3] ** 2)
        total = q[0] + q[1] + q[2] + q[3]
        boost_in_place(q, -total[1:] / total[0])
        stretch(q, mass, w)
        boost_in_place(q, t[1:] / t[0])


@njit(cache=True)
def boost_in_place(p4: Array, velocity: Array) -> None:
    """Boost momenta, shape (P, 4), by a velocity, shape (3,)."""
    b2 = velocity[0] ** 2 + velocity[1] ** 2 + velocity[2] ** 2
    gamma = 1 / np.sqrt(1 - b2)
    for j in range(p4.shape[0]):
        bp = velocity[0] * p4[j, 1] + velocity[1] * p4[j, 2] + velocity[2] * p4[j, 3]
        factor = gamma * gamma / (1 + gamma) * bp + gamma * p4[j, 0]
        p4[j, 0] = gamma * (p4[j, 0] + bp)
        for k in range(3):
            p4[j, 1 + k] += factor * velocity[k]


@njit(cache=True)
def stretch(q: Array, mass: float, total: float) -> None:
    """Scale three-momenta, shape (4, 4), until the energies add up to `total`; particles 0 and 1 have `mass`."""
    factor = 1.0
    for _ in range(20):
        energy, slope = 0.0, 0.0
        for j in range(4):
            p2 = q[j, 1] ** 2 + q[j, 2] ** 2 + q[j, 3] ** 2
            m2 = mass * mass if j < 2 else 0.0
            e = np.sqrt(m2 + factor * factor * p2)
            energy += e
            slope += factor * p2 / e if e > 0 else 0.0
        step = (total - energy) / slope
        factor += step
        if abs(step) < 1e-14 * factor:
            break
    for j in range(4):
        for k in range(1, 4):
            q[j, k] *= factor
        m2 = mass * mass if j < 2 else 0.0
        q[j, 0] = np.sqrt(m2 + q[j, 1] ** 2 + q[j, 2] ** 2 + q[j, 3] ** 2)


def radiate_final_state(
    pair: Array, charged: Array, *, mass: float, rng: np.random.Generator
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

    Returns
    -------
    momenta : ndarray
        Laboratory momenta of the two and of their photons [GeV], shape (N, 4, 4), which add up to `pair`.
    weight : ndarray
        D(z1) D(z2) over the density they were drawn from, shape (N,), mean 1: final-state radiation does not change
        the cross section at leading logarithm (Kinoshita-Lee-Nauenberg).
    """
    n = pair.shape[0]
    s = np.maximum(mass_squared(pair), 4 * mass**2 * 1.0001)
    beta = radiator_exponent(s, mass)
    allowed = beta > MINIMUM_BETA  # near threshold nothing is radiated
    beta = np.maximum(beta, MINIMUM_BETA)
    lost, weight = np.empty((n, 2)), np.ones(n)
    for leg in range(2):
        u, w = _lost_fractions(n, beta, s, SMALLEST_KEPT, mass, rng)
        lost[:, leg] = np.where(allowed, u, 0.0)
        weight *= np.where(allowed, w / _unitarity(beta, s, mass), 1.0)
    momenta = np.zeros((n, 4, 4))
    momenta[:, :2] = charged
    _emit_and_balance(pair, momenta, mass, lost, rng.random((n, 2)), 2 * np.pi * rng.random((n, 2)))
    return momenta, weight


MINIMUM_BETA = 0.004
"""Smallest radiator exponent for which radiation from the final state is generated."""
SMALLEST_KEPT = 1e-3
"""Smallest fraction of its momentum that a particle of the final state keeps in the proposal."""


def _unitarity(beta: Array, s: Array, mass: float) -> Array:
    """Return the integral of D(z) over z, shape of `beta`, by Gauss-Legendre quadrature in u^(beta/2)."""
    nodes, weights = np.polynomial.legendre.leggauss(24)
    t, w = (nodes + 1) / 2, weights / 2
    grid = np.linspace(np.log(s.min()), np.log(s.max()) + 1e-9, 16)
    beta_grid = np.maximum(radiator_exponent(np.exp(grid), mass), MINIMUM_BETA)
    u = np.clip(t[:, np.newaxis] ** (2 / beta_grid), 1e-300, 1 - 1e-12)
    integral = w @ structure_function(u, np.exp(grid), mass)
    return np.interp(np.log(s), grid, integral)
