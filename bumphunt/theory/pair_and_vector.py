"""A lepton pair and a vector, e+e- -> gamma* -> l- l+ V at tree level: squared matrix element and cross section.

The vector particle V, with a vector coupling, is radiated from either lepton: the process of a Z' of L_mu - L_tau, or
of the Dokshitzer-Marchesini-Webber massive gluon. The forms were found by matching traces of Dirac matrices; the tests
evaluate those traces with explicit matrices and compare.

With q1, q2 the momenta of the leptons (mass m), k that of V (mass M), Q = q1 + q2 + k and s = Q^2, the propagators have
the denominators d1 = (q1 + k)^2 - m^2 and d2 = (q2 + k)^2 - m^2. The tensor of the current, summed over all spins, is
in the rest frame of Q

    H_ij = A delta_ij + B(d1, d2) q1_i q1_j + B(d2, d1) q2_i q2_j + D (q1_i q2_j + q2_i q1_j),    H_0mu = 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.compilation import njit
from bumphunt.constants import ALPHA, GEV2_TO_FB
from bumphunt.errors import InputError

__all__ = [
    "compiled_limits",
    "compiled_trace",
    "current_trace",
    "dalitz_limits",
    "total_cross_section",
    "transverse_current",
]

Array = NDArray[np.float64]

NODES = 40
"""Nodes of the quadrature in each of the two Dalitz variables: the total is then good to 1e-5."""


def _trace(d1: Array, d2: Array, s: Array, m2: float, v2: Array | float) -> Array:
    """Return H_xx + H_yy + H_zz, for arrays, or for numbers in compiled loops."""
    return (
        8 * (d1 / d2 + d2 / d1)
        - 16 * (s + v2 + 2 * m2) * (1 / d1 + 1 / d2)
        + 16 * ((s + v2) ** 2 - 4 * m2**2) / (d1 * d2)
        - 8 * (s + 2 * m2) * (v2 + 2 * m2) * (1 / d1**2 + 1 / d2**2)
    )


@njit(cache=True)
def _along(d1: float, d2: float, q1_axis: float, q2_axis: float, s: float, m2: float, v2: float) -> float:
    """Return H_ij n_i n_j for an axis n."""
    isotropic = (
        4 * (d1 / d2 + d2 / d1)
        - 8 * s * (1 / d1 + 1 / d2)
        + 8 * s * (s + v2 - 2 * m2) / (d1 * d2)
        - 4 * s * (v2 + 2 * m2) * (1 / d1**2 + 1 / d2**2)
    )  # A of the tensor
    return isotropic + 16 * (
        ((v2 + 2 * m2) / d2**2 - s / (d1 * d2)) * q1_axis**2  # B(d1, d2)
        + ((v2 + 2 * m2) / d1**2 - s / (d1 * d2)) * q2_axis**2  # B(d2, d1)
        - 2 * (v2 + 2 * m2) / (d1 * d2) * q1_axis * q2_axis  # D
    )


compiled_trace = njit(cache=True)(_trace)
"""H_xx + H_yy + H_zz for numbers in compiled loops: d1, d2, s, m^2, M^2; see `current_trace`."""


@njit(cache=True)
def transverse_current(d1: float, d2: float, q1_axis: float, q2_axis: float, s: float, m: float, mass: float) -> float:
    """Return H_xx + H_yy of an axis n along z, H_ii - H_ij n_i n_j, for numbers in compiled loops.

    The spin sum of massless beams along n is 2 s (e_x e_x + e_y e_y), so the squared matrix element, averaged over the
    four beam spin states, is (1/4) e^4 g'^2 / s^2 times 2 s times this.

    Parameters
    ----------
    d1, d2
        Propagator denominators [GeV^2].
    q1_axis, q2_axis
        Components of the lepton momenta along the axis in the rest frame of the virtual photon [GeV].
    s
        Its squared mass [GeV^2].
    m, mass
        Masses of the lepton and of the vector [GeV].
    """
    m2, v2 = m * m, mass * mass
    return compiled_trace(d1, d2, s, m2, v2) - _along(d1, d2, q1_axis, q2_axis, s, m2, v2)


def current_trace(d1: ArrayLike, d2: ArrayLike, *, s: ArrayLike, m: float, mass: ArrayLike) -> Array:
    """Return H_xx + H_yy + H_zz = -g_mu_nu H^mu_nu, dimensionless, broadcast shape of the arguments.

    Parameters
    ----------
    d1, d2
        Propagator denominators [GeV^2].
    s
        Squared mass of the virtual photon [GeV^2].
    m, mass
        Masses of the lepton and of the vector [GeV].
    """
    d1, d2, s, v2 = (np.asarray(x, dtype=np.float64) for x in (d1, d2, s, np.square(mass)))
    return np.asarray(_trace(d1, d2, s, m * m, v2))


def _limits(d1: Array, s: Array, m: float, mass: float) -> tuple[Array, Array]:
    """Return the limits of d2, for arrays, or for numbers in compiled loops."""
    s1 = d1 + m * m  # squared mass of l- V
    root = np.sqrt(s1)
    energy_v = (s1 - m * m + mass * mass) / (2 * root)
    energy_l = (s - s1 - m * m) / (2 * root)
    p_v = np.sqrt(np.maximum(energy_v**2 - mass * mass, 0.0))
    p_l = np.sqrt(np.maximum(energy_l**2 - m * m, 0.0))
    total = (energy_v + energy_l) ** 2 - m * m
    return total - (p_v + p_l) ** 2, total - (p_v - p_l) ** 2


compiled_limits = njit(cache=True)(_limits)
"""The limits of `dalitz_limits` for numbers in compiled loops: d1, s, m, mass."""


def dalitz_limits(d1: ArrayLike, *, s: ArrayLike, m: float, mass: float) -> tuple[Array, Array]:
    """Return the lowest and highest d2 [GeV^2] for a d1 [GeV^2], broadcast shape of the arguments.

    Parameters
    ----------
    d1
        Propagator denominator of l- [GeV^2].
    s
        Squared mass of the virtual photon [GeV^2].
    m, mass
        Masses of the lepton and of the vector [GeV].

    References
    ----------
    Review of Particle Physics, kinematics, limits of the Dalitz plot of a three-body decay: here of (l+ V) at fixed
    mass of (l- V).
    """
    low, high = _limits(np.asarray(d1, dtype=np.float64), np.asarray(s, dtype=np.float64), m, mass)
    return np.asarray(low), np.asarray(high)


def total_cross_section(s: ArrayLike, *, m: float, mass: float, coupling: float) -> Array:
    """Return sigma(e+e- -> l+ l- V) [fb] at tree level without radiation, shape of `s`; 0 below threshold.

    Parameters
    ----------
    s
        Squared centre-of-mass energy [GeV^2].
    m, mass
        Masses of the lepton and of the vector [GeV].
    coupling
        Its vector coupling to the lepton.

    Raises
    ------
    InputError
        If a mass is not positive.

    Examples
    --------
    >>> round(float(total_cross_section(10.58**2, m=0.10566, mass=2.0, coupling=0.1)))
    347
    """
    if not (m > 0 and mass > 0):
        msg = f"m = {m} GeV, mass = {mass} GeV; both must be positive"
        raise InputError(msg)
    s = np.asarray(s, dtype=np.float64)
    open_ = s > (2 * m + mass) ** 2 * (1 + 1e-12)
    safe = np.where(open_, s, (2 * m + mass) ** 2 * 1.1)[..., np.newaxis, np.newaxis]
    x, w = np.polynomial.legendre.leggauss(NODES)
    # ln d1 = centre + half sin(pi x / 2): dense at the ends, where the range of d2 closes
    low, high = np.log(2 * m * mass + mass**2), np.log((np.sqrt(safe) - m) ** 2 - m * m)
    angle = np.pi / 2 * x[:, np.newaxis]
    d1 = np.exp((low + high) / 2 + (high - low) / 2 * np.sin(angle))
    w1 = w[:, np.newaxis] * np.pi / 2 * np.cos(angle) * (high - low) / 2 * d1
    d2_low, d2_high = dalitz_limits(d1, s=safe, m=m, mass=mass)
    d2 = np.exp((np.log(d2_low) + np.log(d2_high)) / 2 + x * (np.log(d2_high) - np.log(d2_low)) / 2)
    w2 = w * (np.log(d2_high) - np.log(d2_low)) / 2 * d2
    trace = current_trace(d1, d2, s=safe, m=m, mass=mass)
    integral = np.sum(w1 * w2 * trace, axis=(-2, -1))
    safe = safe[..., 0, 0]
    # 1/(2s) flux, (1/4) e^4 g'^2 / s^2 2s, 2/3 of the trace on average over orientations, ds1 ds2 / (128 pi^3 s)
    factor = (4 * np.pi * ALPHA) ** 2 * coupling**2 / (4 * safe**2) * (2 / 3) / (128 * np.pi**3 * safe)
    return np.where(open_, factor * integral * GEV2_TO_FB, 0.0)
