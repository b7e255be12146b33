"""Initial-state radiation at leading logarithm, with exact four-momenta.

Each beam particle keeps a fraction z of its momentum with the density D(z) of Kuraev and Fadin (`structure_function`);
what it loses is one photon, at an angle drawn from 1 / (1 - beta cos). The photon energies are then scaled together, by a
factor near 1, so that the annihilating system has exactly the squared mass z1 z2 s: the cross section of any process is
that of the structure functions, while momentum is conserved and the photons can be seen, or be missed, by a detector.
Hard photons, and hard photons at wide angles, are generated more often than they happen, with smaller weights.

Radiation from final-state particles is in `bumphunt.montecarlo.final_state_radiation`.

References
----------
E. A. Kuraev, V. S. Fadin, Sov. J. Nucl. Phys. 41 (1985) 466: exponentiation of the soft part.
O. Nicrosini, L. Trentadue, Phys. Lett. B 196 (1987) 551: D to order beta^2, and the K factor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import InputError
from bumphunt.kinematics import M_ELECTRON, M_MUON, M_TAU, boost, mass_squared
from bumphunt.montecarlo.scalar_kinematics import P4, along, boost_from_rest

__all__ = [
    "ALPHA",
    "GEV2_TO_FB",
    "K_FACTOR",
    "InitialState",
    "Shares",
    "draw_lost_fractions",
    "emit_photon",
    "initial_state_without_radiation",
    "radiate_initial_state",
    "radiator_exponent",
    "structure_function",
    "vacuum_polarisation",
]

Array = NDArray[np.float64]
Shares = tuple[float, float, float, float, float]
"""Shares of a proposal for two legs: both soft; one hard; both hard; one returning to low mass; both returning."""

ALPHA = 1 / 137.035999
"""Fine-structure constant at zero momentum (CODATA)."""
GEV2_TO_FB = 0.3893793721e12
"""(hbar c)^2 [GeV^2 fb]."""
K_FACTOR = 1 + 2 * ALPHA / np.pi * (np.pi**2 / 6 - 0.25)
"""Vertex and soft corrections of the initial state that are no logarithms (Nicrosini, Trentadue)."""
INITIAL_SHARES: Shares = (0.30, 0.25, 0.20, 0.20, 0.05)
"""How often each kind of initial state is generated."""
SMALLEST_FRACTION = 1e-4
"""Hard photons are drawn flat in the logarithm of their energy, down to this fraction of the largest."""
WIDE_FRACTION = 3e-3
"""Photons above this fraction of the energy of their leg are at times drawn flat in the cosine of their angle ..."""
WIDE_SHARE = 0.3
"""... namely this often, since it is the wide ones that a detector can see, or lose."""


def radiator_exponent(s: ArrayLike, mass: float) -> Array:
    """Return beta = (2 alpha / pi) (ln(s / m^2) - 1) of a pair of charged particles, shape of `s`.

    Parameters
    ----------
    s
        Squared mass of the pair [GeV^2]; below e m^2 the result is negative, and means nothing.
    mass
        Mass of each of the two [GeV].

    Examples
    --------
    >>> round(float(radiator_exponent(10.58**2, M_ELECTRON)), 4)
    0.0877
    """
    return np.asarray(2 * ALPHA / np.pi * (np.log(np.asarray(s, dtype=np.float64) / mass**2) - 1))


def _regular_part(lost: ArrayLike, beta: ArrayLike) -> Array:
    """Return D(z) / [(beta/2) u^(beta/2 - 1)] at u = 1 - z = `lost`, for arrays, or for numbers in compiled loops."""
    u, z = lost, 1 - lost
    log = 1 + beta * np.pi / (2 * ALPHA)  # ln(s / m^2)
    log_z = np.log1p(-u)
    soft = 1 + 3 / 8 * beta - beta**2 / 48 * (log / 3 + np.pi**2 - 47 / 8)
    hard = -beta / 4 * (1 + z) + beta**2 / 32 * (-4 * (1 + z) * np.log(u) - (1 + 3 * z * z) / u * log_z - 5 - z)
    return soft + hard * 2 / beta * u ** (1 - beta / 2)


_compiled_regular_part = njit(cache=True)(_regular_part)


def structure_function(lost: ArrayLike, s: ArrayLike, mass: float = M_ELECTRON) -> Array:
    """Return D(z) without its singular factor: D(z) / [(beta/2) u^(beta/2 - 1)], u = 1 - z, broadcast shape.

    Parameters
    ----------
    lost
        Fraction u = 1 - z that is radiated, above 0 and below 1.
    s
        Squared mass of the pair [GeV^2], broadcast with `lost`.
    mass
        Mass of the radiating particle [GeV].

    References
    ----------
    Nicrosini, Trentadue, as cited at the top.

    Examples
    --------
    >>> round(float(structure_function(1e-9, 10.58**2)), 3)  # soft photons
    1.031
    """
    u = np.asarray(lost, dtype=np.float64)
    return np.asarray(_regular_part(u, radiator_exponent(s, mass)))


def vacuum_polarisation(s: ArrayLike) -> Array:
    """Return (alpha(s) / alpha)^2 at squared momentum s > 0, shape of `s`.

    Leptons at one loop far above threshold, ln(s / m^2) - 5/3, taken as 0 where that is negative; hadrons as fitted by
    Burkhardt. It is a smooth average: the resonances, and the imaginary part, are not in it.

    Parameters
    ----------
    s
        Squared momentum of the virtual photon [GeV^2], up to 10^4.

    References
    ----------
    H. Burkhardt et al., in R. Kleiss et al., Z physics at LEP 1, CERN 89-08, vol. 3, pp. 129-131.

    Examples
    --------
    >>> round(float(vacuum_polarisation(10.58**2)), 3)
    1.077
    """
    q2 = np.asarray(s, dtype=np.float64)
    shift = np.zeros_like(q2)
    for mass in (M_ELECTRON, M_MUON, M_TAU):
        shift = shift + ALPHA / (3 * np.pi) * np.maximum(np.log(np.maximum(q2, 1e-12) / mass**2) - 5 / 3, 0.0)
    # A + B ln(1 + C s) in three ranges of s, joined at 0.3^2 and 3^2 GeV^2
    shift = shift + np.where(
        q2 < 0.09,
        0.00835 * np.log1p(q2),
        np.where(q2 < 9, 0.00238 * np.log1p(3.927 * q2), 0.00165 + 0.00299 * np.log1p(q2)),
    )
    return np.asarray(1 / (1 - shift) ** 2)


@njit(cache=True)
def _singular_ratios(u: float, beta: float, largest: float) -> tuple[float, float]:
    """Return the densities of hard and of returning photons over the soft one, all normalised below `largest`."""
    power = u ** (beta / 2)
    soft = beta / 2 * power / (u * largest ** (beta / 2))
    hard = 1 / (-np.log(SMALLEST_FRACTION) * u) / soft if u >= SMALLEST_FRACTION * largest else 0.0
    back = 1 / (-np.log(1 - largest) * (1 - u)) / soft
    return hard, back


@njit(cache=True)
def _one_fraction(kind: int, beta: float, largest: float, rng: np.random.Generator) -> float:
    """Return a radiated fraction below `largest`: soft (0), hard (1), or returning to low mass (2)."""
    r = rng.random()
    if kind == 0:
        u = largest * r ** (2 / beta)  # as the singular factor u^(beta/2 - 1)
    elif kind == 1:
        u = largest * SMALLEST_FRACTION**r  # flat in ln u
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
        kind = 0 if choice < soft else 1 if choice < soft + hard else 2
        if rng.random() < 0.5:
            first = kind
        else:
            second = kind
    else:
        first = second = 1 if choice < soft + hard + back + both_hard else 2
    u1, u2 = _one_fraction(first, beta, largest, rng), _one_fraction(second, beta, largest, rng)
    h1, b1 = _singular_ratios(u1, beta, largest)
    h2, b2 = _singular_ratios(u2, beta, largest)
    mixture = soft + hard * (h1 + h2) / 2 + both_hard * h1 * h2 + back * (b1 + b2) / 2 + both_back * b1 * b2
    ratio = _compiled_regular_part(u1, beta) * _compiled_regular_part(u2, beta)
    return u1, u2, largest**beta * ratio / mixture


@njit(cache=True)
def emit_photon(charged: P4, mass: float, lost: float, rng: np.random.Generator) -> tuple[P4, float]:
    """Return a photon with the fraction `lost` of the energy of `charged`, and the weight of its angle, mean 1.

    Its angle follows 1 / (1 - beta cos) about the direction of `charged`, uniform in azimuth.

    Parameters
    ----------
    charged
        Momentum of the emitter [GeV], not at rest.
    mass
        Its mass [GeV].
    lost
        Fraction of its energy.
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
    weight = 1.0
    if wide:
        flat = 0.5 * (gap + b * one_minus_cos) * length / b  # density 1/2 over b / ((1 - b cos) length)
        weight = 1 / (1 - WIDE_SHARE + WIDE_SHARE * flat)
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
        Unit vector that bisects the directions of the electron beam and against the positron beam in the rest frame of
        that system (Collins and Soper, Phys. Rev. D 16 (1977) 2219), shape (N, 3).
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
def _bisector(electron: P4, positron: P4, pair: P4, mass: float) -> tuple[float, float, float]:
    """Return the Collins-Soper axis of beams of any frame in the rest frame of `pair`, given in the same frame."""
    back = (pair[0], -pair[1], -pair[2], -pair[3])
    a, b = boost_from_rest(electron, back, mass), boost_from_rest(positron, back, mass)
    x, y, z = a[1] / a[0] - b[1] / b[0], a[2] / a[0] - b[2] / b[0], a[3] / a[0] - b[3] / b[0]
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
def _radiate(
    electron: Array,
    positron: Array,
    minimum: float,
    rng: np.random.Generator,
    photons: Array,
    pair: Array,
    axis: Array,
    s_out: Array,
    weight: Array,
) -> None:
    """Fill the arrays of an `InitialState` from beams (N, 4)."""
    for i in range(electron.shape[0]):
        a = (electron[i, 0], electron[i, 1], electron[i, 2], electron[i, 3])
        b = (positron[i, 0], positron[i, 1], positron[i, 2], positron[i, 3])
        total = (a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3])
        s = total[0] ** 2 - total[1] ** 2 - total[2] ** 2 - total[3] ** 2
        root = np.sqrt(s)
        back = (total[0], -total[1], -total[2], -total[3])
        largest = 1 - minimum * minimum / s
        kept, left = 0.0, total
        if largest > 0:
            beta = 2 * ALPHA / np.pi * (np.log(s / M_ELECTRON**2) - 1)
            u1, u2, weight[i] = draw_lost_fractions(beta, largest, INITIAL_SHARES, rng)
            kept = (1 - u1) * (1 - u2)
        if kept >= 1 - largest and largest > 0:
            k1, w1 = emit_photon(boost_from_rest(a, back, root), M_ELECTRON, u1, rng)
            k2, w2 = emit_photon(boost_from_rest(b, back, root), M_ELECTRON, u2, rng)
            cos = (k1[1] * k2[1] + k1[2] * k2[2] + k1[3] * k2[3]) / max(k1[0] * k2[0], 1e-300)
            f = _common_scale(u1, u2, cos)
            l1 = boost_from_rest((f * k1[0], f * k1[1], f * k1[2], f * k1[3]), total, root)
            l2 = boost_from_rest((f * k2[0], f * k2[1], f * k2[2], f * k2[3]), total, root)
            for j in range(4):
                photons[i, 0, j], photons[i, 1, j] = l1[j], l2[j]
            left = (
                a[0] + b[0] - l1[0] - l2[0],
                total[1] - l1[1] - l2[1],
                total[2] - l1[2] - l2[2],
                total[3] - l1[3] - l2[3],
            )
            weight[i] *= w1 * w2 * K_FACTOR
            s *= kept
        else:
            weight[i] = 0.0
        s_out[i] = s
        axis[i, 0], axis[i, 1], axis[i, 2] = _bisector(a, b, left, np.sqrt(s))
        for j in range(4):
            pair[i, j] = left[j]


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
    photons, pair, axis = np.zeros((n, 2, 4)), np.empty((n, 4)), np.empty((n, 3))
    s, weight = np.empty(n), np.empty(n)
    _radiate(electron, positron, minimum_mass, rng, photons, pair, axis, s, weight)
    return InitialState(photons=photons, pair=pair, axis=axis, mass_squared=s, weight=weight)


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
