"""Equivalent photons of electron beams, and gamma gamma -> l+ l-.

Use it for two-photon processes e+e- -> e+e- X where each electron is scattered by little: the flux of photons of energy
fraction y and virtuality Q^2, the smallest Q^2 that kinematics allows, and the cross section of real photons into a
lepton pair with its mass.

References
----------
V. M. Budnev, I. F. Ginzburg, G. V. Meledin, V. G. Serbo, Phys. Rep. 15 (1975) 181 (BGMS below).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from bumphunt.constants import ALPHA, M_ELECTRON, M_MUON
from bumphunt.errors import InputError

__all__ = [
    "flux",
    "gamma_gamma_to_leptons",
    "gamma_gamma_to_leptons_per_cosine",
    "integrated_flux",
    "smallest_virtuality",
]

Array = NDArray[np.float64]


@njit(cache=True)
def _smallest_virtuality(y: float | Array, energy: float, mass: float) -> float | Array:
    """Return `smallest_virtuality` of a number or an array."""
    after = (1 - y) * energy
    p_p = np.sqrt(energy**2 - mass**2) * np.sqrt(after**2 - mass**2)
    return 2 * mass**2 * (y * energy) ** 2 / (energy * after + p_p - mass**2)


def smallest_virtuality(y: ArrayLike, energy: float, mass: float = M_ELECTRON) -> Array:
    """Return the smallest Q^2 [GeV^2] of an electron that loses the fraction `y` of its energy; keeps the shape.

    2 (E E' - p p' - m^2) written without cancellation; m^2 y^2 / (1 - y) far above the mass (BGMS eq. 6.16).

    Parameters
    ----------
    y
        Fraction of the energy lost, between 0 and 1 - m/E.
    energy
        Energy before [GeV].
    mass
        Lepton mass [GeV].

    Examples
    --------
    >>> float(smallest_virtuality(0.5, 5.29) / (M_ELECTRON**2 * 0.5)).__round__(6)
    1.0
    """
    y = np.asarray(y, dtype=np.float64)
    if np.any(~((y > 0) & (y <= 1 - mass / energy))):
        msg = f"y spans [{np.min(y)}, {np.max(y)}]; it must be within (0, 1 - m/E = {1 - mass / energy}]"
        raise InputError(msg)
    return np.asarray(_smallest_virtuality(y, energy, mass))


def flux(y: ArrayLike, q2: ArrayLike) -> Array:
    """Return d^2n/(dy dQ^2) [GeV^-2] of equivalent photons, broadcast shape (BGMS eq. 6.17b).

    Parameters
    ----------
    y
        Energy fraction of the photon.
    q2
        Virtuality Q^2 [GeV^2]; above `smallest_virtuality` the flux is positive.

    Examples
    --------
    >>> float(flux(0.1, 1e-3)) > float(flux(0.1, 2e-3)) > 0
    True
    """
    y, q2 = np.asarray(y, dtype=np.float64), np.asarray(q2, dtype=np.float64)
    return np.asarray(ALPHA / (2 * np.pi) * ((1 + (1 - y) ** 2) / (y * q2) - 2 * M_ELECTRON**2 * y / q2**2))


def integrated_flux(y: ArrayLike, q2_max: float) -> Array:
    """Return dn/dy of equivalent photons with Q^2 up to `q2_max` [GeV^2], same shape as `y` (BGMS eq. 6.17).

    Examples
    --------
    >>> 0.06 < float(integrated_flux(0.3, 1.0)) < 0.1
    True
    """
    y = np.asarray(y, dtype=np.float64)
    q2_min = M_ELECTRON**2 * y**2 / (1 - y)
    logarithm = (1 + (1 - y) ** 2) / y * np.log(q2_max / q2_min)
    return np.asarray(ALPHA / (2 * np.pi) * (logarithm - 2 * M_ELECTRON**2 * y * (1 / q2_min - 1 / q2_max)))


@njit(cache=True)
def _cross_section(w2: float, mass: float) -> float:
    """Return sigma(gamma gamma -> l+ l-) [GeV^-2] for w2 = W^2; 0 at and below threshold."""
    r = 4 * mass * mass / w2
    if r >= 1:
        return 0.0
    beta = np.sqrt(1 - r)
    logarithm = 2 * np.log((1 + beta) / np.sqrt(r))
    # BGMS eq. E.1 at Q^2 = 0 (Breit and Wheeler 1934)
    return 4 * np.pi * ALPHA**2 / w2 * ((1 + r - r * r / 2) * logarithm - beta * (1 + r))


@njit(cache=True)
def _cross_section_per_cosine(cos: float, w2: float, mass: float) -> float:
    """Return dsigma/dcos(gamma gamma -> l+ l-) [GeV^-2]; 0 at and below threshold."""
    beta2 = 1 - 4 * mass * mass / w2
    if beta2 <= 0:
        return 0.0
    sin2 = 1 - cos * cos
    numerator = 1 - beta2**2 + 2 * beta2 * (1 - beta2) * sin2 + beta2**2 * sin2 * (2 - sin2)
    return 2 * np.pi * ALPHA**2 * np.sqrt(beta2) / w2 * numerator / (1 - beta2 * cos * cos) ** 2


@njit(cache=True)
def _cross_sections(w2: Array, mass: float) -> Array:
    """Return `_cross_section` of every element."""
    out = np.empty(w2.size)
    for i in range(w2.size):
        out[i] = _cross_section(w2[i], mass)
    return out


@njit(cache=True)
def _cross_sections_per_cosine(cos: Array, w2: Array, mass: float) -> Array:
    """Return `_cross_section_per_cosine` of every pair of elements."""
    out = np.empty(w2.size)
    for i in range(w2.size):
        out[i] = _cross_section_per_cosine(cos[i], w2[i], mass)
    return out


def gamma_gamma_to_leptons(w: ArrayLike, mass: float = M_MUON) -> Array:
    """Return the cross section gamma gamma -> l+ l- of real photons [GeV^-2], same shape as `w`.

    Parameters
    ----------
    w
        Invariant mass of the pair [GeV]; at and below 2 m the result is 0.
    mass
        Lepton mass [GeV].

    References
    ----------
    BGMS, appendix E; G. Breit, J. A. Wheeler, Phys. Rev. 46 (1934) 1087.

    Examples
    --------
    >>> float(gamma_gamma_to_leptons(0.2))
    0.0
    """
    w = np.asarray(w, dtype=np.float64)
    return _cross_sections(np.ascontiguousarray(w**2).ravel(), mass).reshape(w.shape)


def gamma_gamma_to_leptons_per_cosine(cos: ArrayLike, w: ArrayLike, mass: float = M_MUON) -> Array:
    """Return dsigma/dcos(theta*) of gamma gamma -> l+ l- [GeV^-2], broadcast shape.

    Parameters
    ----------
    cos
        Cosine of the angle of the l- to a photon in the pair's rest frame.
    w
        Invariant mass of the pair [GeV]; at and below 2 m the result is 0.
    mass
        Lepton mass [GeV].

    Examples
    --------
    >>> bool(gamma_gamma_to_leptons_per_cosine(0.9, 1.0) > gamma_gamma_to_leptons_per_cosine(0.0, 1.0))
    True
    """
    cos, w = np.broadcast_arrays(np.asarray(cos, dtype=np.float64), np.asarray(w, dtype=np.float64))
    return _cross_sections_per_cosine(cos.ravel(), w.ravel() ** 2, mass).reshape(cos.shape)
