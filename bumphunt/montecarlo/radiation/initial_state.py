"""Initial-state radiation at leading logarithm, with exact four-momenta.

Each beam particle keeps a fraction z of its momentum with the density D(z) of Kuraev and Fadin (`structure_function`);
what it loses is one photon, at an angle drawn from 1 / (1 - beta cos). The photon energies are then scaled together, by
a factor near 1, so that the annihilating system has exactly the squared mass z1 z2 s: the cross section of any process
is that of the structure functions, while momentum is conserved and the photons can be seen, or missed, by a detector.
Hard photons, and hard photons at wide angles, are generated more often than they happen, with smaller weights.

Radiation from final-state particles is in `bumphunt.montecarlo.radiation.final_state`.

References
----------
E. A. Kuraev, V. S. Fadin, Sov. J. Nucl. Phys. 41 (1985) 466: exponentiation of the soft part.
O. Nicrosini, L. Trentadue, Phys. Lett. B 196 (1987) 551: D to order beta^2, and the K factor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bumphunt.constants import ALPHA, M_ELECTRON
from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import boost, mass_squared
from bumphunt.montecarlo.scalar_kinematics import P4, along, boost_from_rest
from bumphunt.theory.structure_function import K_FACTOR, compiled_regular_part

__all__ = [
    "SMALLEST_LOST",
    "InitialState",
    "Shares",
    "angular_weight",
    "beam_axis",
    "draw_lost_fractions",
    "emit_from_both",
    "emit_photon",
    "initial_state_without_radiation",
    "radiate_initial_state",
]

Array = NDArray[np.float64]
Shares = tuple[float, float, float, float, float]
"""Shares of a proposal for two legs: both soft; one hard; both hard; one returning to low mass; both returning."""

INITIAL_SHARES: Shares = (0.30, 0.25, 0.20, 0.20, 0.05)
"""How often each kind of initial state is generated."""
SMALLEST_FRACTION = 1e-4
"""Hard photons are drawn flat in the logarithm of their energy, down to this fraction of the largest."""
SMALLEST_OF_TWO = 1e-2
"""... or, where both legs radiate hard ones, down to this: photons in both beam pipes leave a recoil in the barrel."""
SMALLEST_LOST = 1e-4
"""Fraction below which the angle of a photon is of no interest: half an MeV at 10.58 GeV."""
WIDE_FRACTION = 3e-3
"""Photons above this fraction of the energy of their leg are at times drawn flat in the cosine of their angle ..."""
WIDE_SHARE = 0.3
"""... namely this often, since it is the wide ones that a detector can see, or lose."""


@njit(cache=True)
def _ratios(u: float, beta: float, largest: float, log_kept: float) -> tuple[float, float, float, float]:
    """Return D(z) and the densities of hard photons, of one of two, and of returning ones, over the soft one.

    All integrate below `largest`; `log_kept` is ln(1 - largest).
    """
    log_u = np.log(u)
    power = np.exp(beta / 2 * log_u)
    soft = beta / 2 * power / u  # times largest^(-beta/2)
    hard = -1 / (np.log(SMALLEST_FRACTION) * u * soft) if u >= SMALLEST_FRACTION * largest else 0.0
    of_two = -1 / (np.log(SMALLEST_OF_TWO) * u * soft) if u >= SMALLEST_OF_TWO * largest else 0.0
    back = -1 / (log_kept * (1 - u) * soft)
    return compiled_regular_part(u, log_u, power, beta), hard, of_two, back


@njit(cache=True)
def _one_fraction(kind: int, beta: float, largest: float, rng: np.random.Generator) -> float:
    """Return a radiated fraction below `largest`: soft (0), hard (1), one of two (2), or returning to low mass (3)."""
    r = rng.random()
    if kind == 0:
        u = largest * r ** (2 / beta)  # as the singular factor u^(beta/2 - 1)
    elif kind == 1:
        u = largest * SMALLEST_FRACTION**r  # flat in ln u
    elif kind == 2:
        u = largest * SMALLEST_OF_TWO**r
    else:
        u = 1 - (1 - largest) ** r  # flat in ln z, as cross sections that grow as 1 / s
    return max(min(u, largest), 1e-300)


@njit(cache=True)
def draw_lost_fractions(
    beta: float, largest: float, shares: Shares, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Return the fractions u1, u2 that two legs radiate, and D(z1) D(z2) over the density they were drawn from.

    Parameters
    ----------
    beta
        `radiator_exponent` of the pair.
    largest
        Largest fraction to generate, below 1; the weights integrate to that of D(z1) D(z2) over both below it.
    shares
        How often each kind of event is drawn; they add up to 1.
    rng
        Source of randomness.
    """
    soft, hard, both_hard, back, both_back = shares
    choice, first, second = rng.random(), 0, 0
    if choice < soft + hard + back:
        kind = 0 if choice < soft else 1 if choice < soft + hard else 3
        if rng.random() < 0.5:
            first = kind
        else:
            second = kind
    else:
        first = second = 2 if choice < soft + hard + back + both_hard else 3
    u1, u2 = _one_fraction(first, beta, largest, rng), _one_fraction(second, beta, largest, rng)
    log_kept, norm = np.log(1 - largest), largest ** (beta / 2)
    d1, h1, t1, b1 = _ratios(u1, beta, largest, log_kept)
    d2, h2, t2, b2 = _ratios(u2, beta, largest, log_kept)
    single = hard * (h1 + h2) + back * (b1 + b2)
    double = both_hard * t1 * t2 + both_back * b1 * b2
    return u1, u2, norm * norm * d1 * d2 / (soft + norm / 2 * single + norm * norm * double)


@njit(cache=True)
def angular_weight(lost: float, one_minus_cos: float, gap: float, log: float) -> float:
    """Return the exact distribution of a photon's angle over 1 / (1 - beta cos) with its mirror image; mean 1.

    With it, photons from both legs together have the energies and angles of one-photon emission with the mass, to order
    m^2 / E^2. It takes photons away from large angles, up to half of the hard ones.

    Parameters
    ----------
    lost
        Fraction u in D(z), u = 1 - z.
    one_minus_cos, gap
        1 - cos of the photon's angle, and 1 - beta of its emitter.
    log
        ln(s / m^2) in the radiator exponent.

    References
    ----------
    G. Bonneau, F. Martin, Nucl. Phys. B 27 (1971) 381; M. Benayoun et al., Mod. Phys. Lett. A 14 (1999) 2605, eq. 4.
    """
    b = 1 - gap
    eps = gap * (1 + b)  # (m / E)^2
    sin2 = one_minus_cos * (2 - one_minus_cos)
    cos2 = (1 - one_minus_cos) ** 2
    f = lost * lost - 2 * lost + 2
    shape = sin2 - (lost * sin2) ** 2 / (2 * f) - eps * ((1 - 2 * lost) * sin2 - (lost * cos2) ** 2) / f
    # over (1 - beta^2 cos^2)^2; both legs give b / (length (1 - beta^2 cos^2)), and the integral is log - 1
    return max(shape, 0.0) / (sin2 + eps * cos2) * np.log((1 + b) / gap) / (b * (log - 1))


@njit(cache=True)
def emit_photon(charged: P4, mass: float, lost: float, log: float, rng: np.random.Generator) -> tuple[P4, float]:
    """Return a photon with the fraction `lost` of the energy of `charged`, and the weight of its angle, mean 1.

    Its angle is drawn as 1 / (1 - beta cos) about the direction of `charged`, uniform in azimuth; the weight makes it
    exact (`angular_weight`).

    Parameters
    ----------
    charged
        Momentum of the emitter [GeV], not at rest.
    mass
        Its mass [GeV].
    lost
        Fraction of its energy.
    log
        ln(s / m^2) in the radiator exponent.
    rng
        Source of randomness.
    """
    energy = charged[0]
    p = np.sqrt(charged[1] ** 2 + charged[2] ** 2 + charged[3] ** 2)
    b = p / energy
    gap = mass * mass / (energy * (energy + p))  # 1 - beta without rounding
    length = np.log((1 + b) / gap)
    wide = lost > WIDE_FRACTION
    if wide and rng.random() < WIDE_SHARE:
        one_minus_cos = 2 * rng.random()
    else:
        one_minus_cos = max(gap * np.expm1(length * rng.random()) / b, 0.0)
    weight = angular_weight(lost, one_minus_cos, gap, log) if lost > SMALLEST_LOST else 1.0
    if wide:
        flat = 0.5 * (gap + b * one_minus_cos) * length / b  # density 1/2 over b / ((1 - b cos) length)
        weight /= 1 - WIDE_SHARE + WIDE_SHARE * flat
    sin = np.sqrt(max(one_minus_cos * (2 - one_minus_cos), 0.0))
    phi = 2 * np.pi * rng.random()
    x, y, z = along(charged, sin * np.cos(phi), sin * np.sin(phi), 1 - one_minus_cos)
    k = lost * energy
    return (k, k * x, k * y, k * z), weight


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
        Unit vector from which angles count in the rest frame of that system: along the electron beam, or against the
        positron beam, drawn by their squared energies there (Berends, Kleiss, Nucl. Phys. B 177 (1981) 237),
        shape (N, 3).
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


@njit(cache=True)
def beam_axis(electron: P4, positron: P4, pair: P4, mass: float, r: float) -> tuple[float, float, float]:
    """Return the direction of the electron, or against the positron, in the rest frame of `pair`.

    After one photon dsigma ~ E1^2 (1 + cos1^2) + E2^2 (1 + cos2^2), each angle from its own beam (Berends, Kleiss):
    the beam is drawn by its squared energy, with `r` in [0, 1). All momenta are given in the same frame.
    """
    back = (pair[0], -pair[1], -pair[2], -pair[3])
    a, b = boost_from_rest(electron, back, mass), boost_from_rest(positron, back, mass)
    first = r * (a[0] * a[0] + b[0] * b[0]) < a[0] * a[0]
    x, y, z = (a[1], a[2], a[3]) if first else (-b[1], -b[2], -b[3])
    norm = np.sqrt(x * x + y * y + z * z)
    return x / norm, y / norm, z / norm


@njit(cache=True)
def _common_scale(u1: float, u2: float, cos: float) -> float:
    """Return the factor on both photon energies that makes the recoiling mass squared (1 - u1)(1 - u2) s.

    With k1 k2 = u1 u2 s (1 - cos) / 4 it solves f (u1 + u2) - f^2 u1 u2 (1 - cos) / 2 = u1 + u2 - u1 u2; it is 1 for
    photons back to back, or if one of them is soft.
    """
    r = u1 / (u1 + u2) * u2
    return 2 * (1 - r) / (1 + np.sqrt(max(1 - 2 * (1 - cos) * r * (1 - r), 0.0)))


@njit(cache=True)
def emit_from_both(
    a: P4, b: P4, total: P4, s: float, lost: tuple[float, float], rng: np.random.Generator
) -> tuple[P4, P4, float]:
    """Return one photon from each of the beams a and b, laboratory [GeV], and the weight of their angles, mean 1.

    What is left has the squared mass (1 - u1)(1 - u2) s, with u1 and u2 the fractions `lost`.

    Parameters
    ----------
    a, b
        Momenta of the beams in the laboratory [GeV].
    total, s
        Their sum, and its squared mass [GeV^2].
    lost
        Fractions of their energies that they lose.
    rng
        Source of randomness.
    """
    root, back, log = np.sqrt(s), (total[0], -total[1], -total[2], -total[3]), np.log(s / M_ELECTRON**2)
    k1, w1 = emit_photon(boost_from_rest(a, back, root), M_ELECTRON, lost[0], log, rng)
    k2, w2 = emit_photon(boost_from_rest(b, back, root), M_ELECTRON, lost[1], log, rng)
    cos = (k1[1] * k2[1] + k1[2] * k2[2] + k1[3] * k2[3]) / max(k1[0] * k2[0], 1e-300)
    f = _common_scale(lost[0], lost[1], cos)
    first = boost_from_rest((f * k1[0], f * k1[1], f * k1[2], f * k1[3]), total, root)
    second = boost_from_rest((f * k2[0], f * k2[1], f * k2[2], f * k2[3]), total, root)
    return first, second, w1 * w2


@njit(cache=True)
def _two_photons(a: P4, b: P4, total: P4, s: float, minimum: float, rng: np.random.Generator) -> tuple[P4, P4, float]:
    """Return the laboratory photons of the beams a and b, and the weight; no photons and 0 below the minimum mass."""
    none = (0.0, 0.0, 0.0, 0.0)
    largest = 1 - minimum * minimum / s
    if largest <= 0:
        return none, none, 0.0
    log = np.log(s / M_ELECTRON**2)
    beta = 2 * ALPHA / np.pi * (log - 1)
    u1, u2, weight = draw_lost_fractions(beta, largest, INITIAL_SHARES, rng)
    if (1 - u1) * (1 - u2) < 1 - largest:
        return none, none, 0.0
    k1, k2, angular = emit_from_both(a, b, total, s, (u1, u2), rng)
    return k1, k2, weight * angular * K_FACTOR


@njit(cache=True)
def _radiate(
    electron: Array, positron: Array, minimum: float, rng: np.random.Generator, photons: Array, pair: Array, axis: Array
) -> Array:
    """Fill photons (N, 2, 4), pair (N, 4) and axis (N, 3) from beams (N, 4), and return the weights (N,)."""
    weight = np.empty(electron.shape[0])
    for i in range(electron.shape[0]):
        a = (electron[i, 0], electron[i, 1], electron[i, 2], electron[i, 3])
        b = (positron[i, 0], positron[i, 1], positron[i, 2], positron[i, 3])
        total = (a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3])
        s = total[0] ** 2 - total[1] ** 2 - total[2] ** 2 - total[3] ** 2
        k1, k2, weight[i] = _two_photons(a, b, total, s, minimum, rng)
        left = (total[0] - k1[0] - k2[0], total[1] - k1[1] - k2[1], total[2] - k1[2] - k2[2], total[3] - k1[3] - k2[3])
        mass = np.sqrt(left[0] ** 2 - left[1] ** 2 - left[2] ** 2 - left[3] ** 2)
        axis[i, 0], axis[i, 1], axis[i, 2] = beam_axis(a, b, left, mass, rng.random())
        for j in range(4):
            photons[i, 0, j], photons[i, 1, j], pair[i, j] = k1[j], k2[j], left[j]
    return weight


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
        Lowest mass of the annihilating system [GeV]; events that would come below have weight 0 and no photons.
    rng
        Source of randomness.

    Raises
    ------
    InputError
        If `minimum_mass` is not between 0 and the highest centre-of-mass energy of the events.
    """
    n = electron.shape[0]
    highest = np.sqrt(mass_squared(electron + positron).max(initial=0.0))
    if not 0 < minimum_mass < (highest if n else np.inf):
        msg = f"minimum_mass = {minimum_mass} GeV; it must be between 0 and sqrt(s) = {highest:.4f} GeV"
        raise InputError(msg)
    photons, pair, axis = np.empty((n, 2, 4)), np.empty((n, 4)), np.empty((n, 3))
    weight = _radiate(electron, positron, minimum_mass, rng, photons, pair, axis)
    return InitialState(photons=photons, pair=pair, axis=axis, mass_squared=mass_squared(pair), weight=weight)


def initial_state_without_radiation(electron: Array, positron: Array) -> InitialState:
    """Return the system that annihilates when no beam radiates, with weights of 1.

    Parameters
    ----------
    electron, positron
        Beam momenta in the laboratory [GeV], shape (N, 4).
    """
    total = electron + positron
    velocity = total[:, 1:] / total[:, :1]
    axis = boost(electron, -velocity)[:, 1:]
    s = mass_squared(total)
    return InitialState(
        photons=np.zeros((s.size, 2, 4)),
        pair=total,
        axis=axis / np.linalg.norm(axis, axis=-1, keepdims=True),
        mass_squared=s,
        weight=np.ones(s.size),
    )
