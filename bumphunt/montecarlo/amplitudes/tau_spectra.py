"""Mass spectra and hadronic currents of tau decays.

Use these as the physics of tau decays: how often which q^2 of the hadrons (or of lepton and nu_tau) occurs, and the
currents that shape the decay of the hadrons.

References
----------
J. H. Kuehn, A. Santamaria, Z. Phys. C 48 (1990) 445, "Tau decays to pions" (KS below).
S. Jadach, J. H. Kuehn, Z. Was, Comput. Phys. Commun. 64 (1991) 275, "TAUOLA" (TAUOLA below).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.compilation import njit
from bumphunt.constants import M_PION, M_PION0, M_TAU

__all__ = [
    "a1_spectrum",
    "cumulative",
    "kstar_spectrum",
    "leptonic_spectrum",
    "rho_current",
    "rho_current_at",
    "rho_spectrum",
]

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]


# KS, table 1: mass and width of rho, rho' and a1 [GeV], and the weight of the rho' in the rho current.
M_RHO, WIDTH_RHO = 0.773, 0.145
M_RHO_PRIME, WIDTH_RHO_PRIME = 1.370, 0.510
BETA_RHO = -0.145
M_KSTAR, WIDTH_KSTAR = 0.8955, 0.0462  # K*(892)- in tau decays, PDG 2022 [GeV]
M_A1, WIDTH_A1 = 1.251, 0.599


def cumulative(grid: Array, density: Array) -> Array:
    """Return the cumulative distribution of a density on a grid, shape of the grid, from 0 to 1."""
    steps = (density[1:] + density[:-1]) / 2 * np.diff(grid)
    cdf = np.concatenate([[0.0], np.cumsum(steps)])
    return np.asarray(cdf / cdf[-1])


def leptonic_spectrum(v: Array, r: float) -> Array:
    """Return dGamma/dv for v = (p_l + p_nutau)^2 / m_tau^2, r = m_l^2 / m_tau^2 (V-A: (tau.nubar)(l.nutau))."""
    return (1 - v) ** 2 * (v - r) ** 2 / v


def _breit_wigner_p_wave(s: Array, mass: float, width: float) -> Complex:
    """Return M^2 / (M^2 - s - i sqrt(s) Gamma(s)) with the p-wave width Gamma M^2/s (p/p_M)^3 (KS eq. 3.12)."""
    p2 = np.maximum(s / 4 - M_PION**2, 0.0)
    running = width * mass**2 / s * (p2 / (mass**2 / 4 - M_PION**2)) ** 1.5
    return np.asarray(mass**2 / (mass**2 - s - 1j * np.sqrt(s) * running))


def rho_current(s: ArrayLike) -> Complex:
    """Return F(s) = (BW_rho + beta BW_rho') / (1 + beta) (KS eq. 3.11), same shape as s [GeV^2]."""
    s = np.asarray(s, dtype=np.float64)
    rho = _breit_wigner_p_wave(s, M_RHO, WIDTH_RHO)
    prime = _breit_wigner_p_wave(s, M_RHO_PRIME, WIDTH_RHO_PRIME)
    return np.asarray((rho + BETA_RHO * prime) / (1 + BETA_RHO))


@njit(cache=True)
def rho_current_at(s: float) -> complex:
    """Return F(s) of `rho_current` for one s."""
    out = 0j
    p2 = max(s / 4 - M_PION**2, 0.0)
    for mass, width, weight in ((M_RHO, WIDTH_RHO, 1.0), (M_RHO_PRIME, WIDTH_RHO_PRIME, BETA_RHO)):
        ratio = p2 / (mass**2 / 4 - M_PION**2)
        running = width * mass**2 / s * ratio * np.sqrt(ratio)
        out += weight * mass**2 / (mass**2 - s - 1j * np.sqrt(s) * running)
    return out / (1 + BETA_RHO)


def rho_spectrum(s: Array) -> Array:
    """Return dGamma/ds of tau -> pi pi0 nu: (1 - v)^2 (1 + 2 v) beta^3 |F|^2, v = s / m_tau^2 (KS eq. 2.5)."""
    v = s / M_TAU**2
    beta2 = (1 - (M_PION + M_PION0) ** 2 / s) * (1 - (M_PION - M_PION0) ** 2 / s)
    return np.asarray((1 - v) ** 2 * (1 + 2 * v) * np.maximum(beta2, 0) ** 1.5 * np.abs(rho_current(s)) ** 2)


def kstar_spectrum(s: Array, masses: tuple[float, float]) -> Array:
    """Return dGamma/ds of tau -> K pi nu through the K*(892): (1 - v)^2 (1 + 2 v) beta^3 |BW|^2, v = s / m_tau^2.

    It is `rho_spectrum` with the Breit-Wigner of the K*, whose width runs as the cube of the momentum. `masses` are
    those of kaon and pion [GeV].
    """
    m1, m2 = masses

    def beta2(s: Array | float) -> Array:
        return np.maximum((1 - (m1 + m2) ** 2 / s) * (1 - (m1 - m2) ** 2 / s), 0.0)

    # Gamma M^2/s (p/p_M)^3, with p = beta sqrt(s) / 2
    running = WIDTH_KSTAR * np.sqrt(s) / M_KSTAR * (beta2(s) / beta2(M_KSTAR**2)) ** 1.5
    propagator = (M_KSTAR**2 - s) ** 2 + s * running**2
    v = s / M_TAU**2
    return np.asarray((1 - v) ** 2 * (1 + 2 * v) * beta2(s) ** 1.5 / propagator)


def _breit_wigner_a1(s: Array) -> Complex:
    """Return the a1 Breit-Wigner with its running width (KS eq. 3.13)."""
    return np.asarray(M_A1**2 / (M_A1**2 - s - 1j * M_A1 * WIDTH_A1 * _g_a1(s) / _g_a1(np.array(M_A1**2))))


def _g_a1(s: Array) -> Array:
    """Return the running of the a1 width (KS eq. 3.16)."""
    t = np.maximum(s - 9 * M_PION**2, 0.0)
    low = 4.1 * t**3 * (1 - 3.3 * t + 5.8 * t**2)
    high = s * (1.623 + 10.38 / s - 9.32 / s**2 + 0.65 / s**3)
    return np.asarray(np.where(s < (M_RHO + M_PION) ** 2, low, high))


def _dalitz(q2: Array, masses: tuple[float, float, float]) -> tuple[Array, Array]:
    """Return Int |J|^2 ds1 ds2 and 1.1 times the largest |J|^2, each of the shape of q2 [GeV^2]; see `a1_spectrum`."""
    m1, m2, m3 = masses
    points = (np.arange(80) + 0.5) / 80
    q = np.sqrt(q2)[:, np.newaxis, np.newaxis]
    low1, high1 = (m2 + m3) ** 2, (q - m1) ** 2
    s1 = low1 + (high1 - low1) * points[:, np.newaxis]
    low2, high2 = (m1 + m3) ** 2, (q - m2) ** 2
    s2 = low2 + (high2 - low2) * points
    e1 = (q**2 + m1**2 - s1) / (2 * q)
    e2 = (q**2 + m2**2 - s2) / (2 * q)
    e3 = q - e1 - e2
    k1, k2, k3 = e1**2 - m1**2, e2**2 - m2**2, e3**2 - m3**2
    dot = (k3 - k1 - k2) / 2
    inside = (e3 > m3) & (dot**2 <= k1 * k2)
    # J = (2 k1 + k2) F(s2) + (2 k2 + k1) F(s1): the space part of (q1 - q3) F(s2) + (q2 - q3) F(s1)
    f1, f2 = rho_current(s2), rho_current(s1)
    a, b = 2 * f1 + f2, 2 * f2 + f1
    density = np.abs(a) ** 2 * k1 + np.abs(b) ** 2 * k2 + 2 * np.real(a * np.conj(b)) * dot
    density = np.where(inside, density, 0.0)
    area = ((high1 - low1) * (high2 - low2))[:, 0, 0] / points.size**2
    return density.sum(axis=(1, 2)) * area, 1.1 * density.max(axis=(1, 2))


def a1_spectrum(q2: Array, masses: tuple[float, float, float]) -> tuple[Array, Array]:
    """Return dGamma/dQ^2 of tau -> 3 pi nu, and a bound of |J|^2 over the Dalitz plot, each of the shape of q2 [GeV^2].

    `masses` are those of the two equal pions and of the other one [GeV].
    """
    integral, largest = _dalitz(q2, masses)
    v = q2 / M_TAU**2
    # TAUOLA: dGamma/dQ^2 ~ (1 - v)^2 (1 + 2 v) |BW|^2 / Q^4 Int |J|^2 ds1 ds2
    return (1 - v) ** 2 * (1 + 2 * v) * np.abs(_breit_wigner_a1(q2)) ** 2 / q2**2 * integral, largest
