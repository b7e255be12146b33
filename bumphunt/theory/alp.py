"""An axion-like particle a that couples to photons: cross section of e+e- -> gamma a, width, lifetime.

The coupling g is that of L = -(g/4) a F_mu_nu Fdual^mu_nu, in GeV^-1.

References
----------
M. J. Dolan, T. Ferber, C. Hearty, F. Kahlhoefer, K. Schmidt-Hoberg, JHEP 12 (2017) 094 (arXiv:1709.00009): width, and
cross section without the electron mass.
F. Abudinen et al. (Belle II), Phys. Rev. Lett. 125 (2020) 161806 (arXiv:2007.13071): the search.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

from bumphunt.constants import ALPHA, GEV2_TO_FB
from bumphunt.errors import InputError
from bumphunt.theory.radiator import radiated_cross_section
from bumphunt.theory.vector import positive_masses

__all__ = [
    "LOWEST_PAIR_MASS",
    "born_cross_section",
    "cross_section",
    "differential_cross_section",
    "width",
]

Array = NDArray[np.float64]

LOWEST_PAIR_MASS = 0.1
"""Lowest mass of the e+e- system after radiation [GeV]; below it are 1e-5 of the cross section."""
GRID_POINTS = 60
"""Masses of the table of cross sections after radiation; the interpolation between them is good to 3e-4."""
LONGEST = 25.0
"""Last -ln(1 - m^2/s) of that table: beyond it, nothing is produced."""


def width(mass: ArrayLike, *, coupling: float) -> Array:
    """Return Gamma(a -> gamma gamma) = g^2 m^3 / 64 pi [GeV], shape of `mass`; `dark_photon.decay_length` makes it cm.

    Parameters
    ----------
    mass
        Masses of the a [GeV].
    coupling
        Coupling g [GeV^-1].

    Raises
    ------
    InputError
        If a mass is not positive.

    References
    ----------
    Dolan et al., as cited at the top.

    Examples
    --------
    >>> float(width(1.0, coupling=1e-3).round(12))
    4.974e-09
    """
    m = positive_masses(mass)
    return np.asarray(coupling**2 * m**3 / (64 * np.pi))


def born_cross_section(s: ArrayLike, mass: float) -> Array:
    """Return sigma(e+e- -> gamma a) = (alpha g^2 / 24) (1 - m^2/s)^3 at g = 1 GeV^-1 [fb], shape of `s` [GeV^2].

    It is 0 below threshold.

    References
    ----------
    Dolan et al., as cited at the top.
    """
    x = mass**2 / np.asarray(s, dtype=np.float64)
    return np.asarray(ALPHA / 24 * np.maximum(1 - x, 0.0) ** 3 * GEV2_TO_FB)


def differential_cross_section(cos: ArrayLike, mass: float, *, coupling: float, sqrt_s: float) -> Array:
    """Return dsigma/dcos(theta) = (3/8) sigma (1 + c^2) [fb] at tree level, shape of `cos`.

    Parameters
    ----------
    cos
        Cosine of the angle between electron and photon in the centre of mass.
    mass
        Mass of the a [GeV].
    coupling
        Coupling g [GeV^-1].
    sqrt_s
        Centre-of-mass energy [GeV].

    References
    ----------
    Dolan et al., as cited at the top.
    """
    c = np.asarray(cos, dtype=np.float64)
    return coupling**2 * born_cross_section(sqrt_s**2, mass) * 3 / 8 * (1 + c * c)


def cross_section(mass: ArrayLike, *, coupling: float, sqrt_s: float, radiation: bool = True) -> Array:
    """Return sigma(e+e- -> gamma a) [fb], shape of `mass`, without any branching ratio.

    Parameters
    ----------
    mass
        Masses of the a [GeV], not negative.
    coupling
        Coupling g [GeV^-1].
    sqrt_s
        Centre-of-mass energy [GeV].
    radiation
        Whether the beams radiate, as in the Monte Carlo: then it is interpolated in a table that is made on first use.

    Raises
    ------
    InputError
        If a mass is negative or not below sqrt(s).

    Examples
    --------
    >>> float(cross_section(1.0, coupling=1e-3, sqrt_s=10.58, radiation=False).round(1))
    115.2
    """
    m = np.asarray(mass, dtype=np.float64)
    bad = ~((m >= 0) & (m < sqrt_s))
    if np.any(bad):
        msg = f"mass = {m[bad].flat[0]} GeV; it must be from 0 to below sqrt(s) = {sqrt_s} GeV"
        raise InputError(msg)
    x = m**2 / sqrt_s**2
    ratio = np.exp(_table(sqrt_s)(-np.log1p(-x))) if radiation else 1.0
    return np.asarray(coupling**2 * ALPHA / 24 * (1 - x) ** 3 * GEV2_TO_FB * ratio)


@cache
def _table(sqrt_s: float) -> CubicSpline:
    """Return the logarithm of what radiation multiplies the cross section by, as a function of -ln(1 - m^2/s)."""
    t = np.linspace(0.0, np.sqrt(LONGEST), GRID_POINTS) ** 2
    masses = sqrt_s * np.sqrt(-np.expm1(-t))
    return CubicSpline(
        t, [np.log(_radiated(float(m), sqrt_s) / born_cross_section(sqrt_s**2, float(m))) for m in masses]
    )


def _radiated(mass: float, sqrt_s: float) -> float:
    """Return the cross section at g = 1 GeV^-1 after radiation [fb]."""
    threshold = max(mass, LOWEST_PAIR_MASS) ** 2
    return radiated_cross_section(lambda s: born_cross_section(s, mass), threshold=threshold, sqrt_s=sqrt_s)
