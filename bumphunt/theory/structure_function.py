"""How much of its momentum a charged particle radiates: the structure function D(z) of Kuraev and Fadin.

Use it for photons of beams and of final states: what keeps the fraction z of its momentum has the density D(z), of any
number of collinear photons. `bumphunt.theory.radiator` folds both beams; the Monte Carlo draws from it.

References
----------
E. A. Kuraev, V. S. Fadin, Sov. J. Nucl. Phys. 41 (1985) 466: exponentiation of the soft part.
O. Nicrosini, L. Trentadue, Phys. Lett. B 196 (1987) 551: D to order beta^2, and the K factor.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.compilation import njit
from bumphunt.constants import ALPHA, M_ELECTRON

__all__ = ["K_FACTOR", "compiled_regular_part", "radiator_exponent", "structure_function"]

Array = NDArray[np.float64]

K_FACTOR = 1 + 2 * ALPHA / np.pi * (np.pi**2 / 6 - 0.25)
"""Vertex and soft corrections of the initial state that are no logarithms (Nicrosini, Trentadue)."""


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


def _regular_part(u: Array, log_u: Array, power: Array, beta: Array) -> Array:
    """Return D(z) / [(beta/2) u^(beta/2 - 1)] at u = 1 - z, given ln u and power = u^(beta/2).

    Written for arrays, and for numbers in compiled loops.
    """
    z = 1 - u
    log = 1 + beta * np.pi / (2 * ALPHA)  # ln(s / m^2)
    soft = 1 + 3 / 8 * beta - beta**2 / 48 * (log / 3 + np.pi**2 - 47 / 8)
    hard = -beta / 4 * (1 + z) + beta**2 / 32 * (-4 * (1 + z) * log_u - (1 + 3 * z * z) / u * np.log1p(-u) - 5 - z)
    return soft + hard * 2 / beta * u / power


compiled_regular_part = njit(cache=True)(_regular_part)
"""`structure_function` for numbers in compiled loops: u, ln u, u^(beta/2), beta."""


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
    beta = radiator_exponent(s, mass)
    return np.asarray(_regular_part(u, np.log(u), u ** (beta / 2), beta))
