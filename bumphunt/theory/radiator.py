"""Cross sections after initial-state radiation: what the structure functions of both beams make of them.

Use it for any process that the beams start by annihilating: the Monte Carlo draws from the same structure functions
(`bumphunt.theory.structure_function`), so generator and theory agree.

References
----------
O. Nicrosini, L. Trentadue, Phys. Lett. B 196 (1987) 551: the structure functions, and the K factor.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.constants import M_ELECTRON
from bumphunt.errors import InputError
from bumphunt.theory.structure_function import K_FACTOR, radiator_exponent, structure_function

__all__ = ["radiated_cross_section", "radiator"]

Array = NDArray[np.float64]

NODES = 64
"""Nodes of each quadrature: with them the radiator is good to 1e-6, a folded cross section to 1e-4."""
NEAREST = 1e-10
"""Smallest distance from threshold that is integrated, in units of the largest."""


def radiator(lost: ArrayLike, s: float) -> Array:
    """Return K Int dz D(z) D((1 - v)/z) / z, the density of the fraction v of s that beams radiate, shape of `lost`.

    A cross section after radiation is the integral of this times sigma_0((1 - v) s) over v.

    Parameters
    ----------
    lost
        Fraction v = 1 - s'/s, between 0 and 1.
    s
        Squared centre-of-mass energy [GeV^2].

    Raises
    ------
    InputError
        If a fraction is not between 0 and 1.

    Examples
    --------
    >>> bool(np.isclose(radiator(1e-6, 10.58**2) * 1e-6, 0.027, rtol=0.05))  # beta v^beta, beta = 0.0877
    True
    """
    v = np.asarray(lost, dtype=np.float64)
    if np.any(~((v > 0) & (v < 1))):
        msg = f"lost = {v[~((v > 0) & (v < 1))].flat[0]}; the radiated fraction must be between 0 and 1"
        raise InputError(msg)
    v = v[..., np.newaxis]
    half = float(radiator_exponent(s, M_ELECTRON)) / 2
    x, w = np.polynomial.legendre.leggauss(NODES)

    def both(u1: Array) -> Array:
        """Return D(z1) D(z2) / z1 without the singular factor of D(z1)."""
        u2 = (v - u1) / (1 - u1)
        second = half * u2 ** (half - 1) * structure_function(u2, s)
        return np.asarray(structure_function(u1, s) * second / (1 - u1))

    # twice the half where the first beam loses less, z1 > sqrt(1 - v): soft photons in t = u1^(beta/2), which takes out
    # the singularity of D(z1), hard ones in ln z1
    most = v / (1 + np.sqrt(1 - v))
    split = np.minimum(most, 0.5)
    end = split**half
    soft = np.sum(end / 2 * w * both(np.maximum((end * (x + 1) / 2) ** (1 / half), 1e-300)), axis=-1)
    length = np.log((1 - split) / (1 - most))
    z1 = (1 - most) * np.exp(length * (x + 1) / 2)
    u1 = np.maximum(1 - z1, 1e-300)  # for a small v all are soft, and length is 0
    hard = np.sum(length / 2 * w * z1 * half * u1 ** (half - 1) * both(u1), axis=-1)
    return np.asarray(K_FACTOR * 2 * (soft + hard))


def radiated_cross_section(sigma: Callable[[Array], Array], *, threshold: float, sqrt_s: float) -> float:
    """Return the cross section after radiation, in the units of `sigma`.

    Parameters
    ----------
    sigma
        Cross section without radiation at squared masses [GeV^2], shape (N,), of the annihilating system; it is asked
        above threshold only.
    threshold
        Squared mass where the process opens [GeV^2].
    sqrt_s
        Centre-of-mass energy [GeV].

    Raises
    ------
    InputError
        If the energy is not above threshold.
    """
    s = sqrt_s**2
    if not 0 < threshold < s:
        msg = f"threshold = {threshold} GeV^2; it must be between 0 and s = {s:.4f} GeV^2"
        raise InputError(msg)
    x, w = np.polynomial.legendre.leggauss(NODES)
    largest = 1 - threshold / s
    # near v = 0 in t = v^beta, the singularity of the radiator
    beta = float(radiator_exponent(s, M_ELECTRON))
    end = (largest / 2) ** beta
    t = end * (x + 1) / 2
    v = np.maximum(t ** (1 / beta), 1e-250)
    soft = np.sum(end / 2 * w * radiator(v, s) * v / (beta * t) * sigma(s * (1 - v)))
    # near threshold in the logarithm of the distance from it
    length = np.log(0.5 / NEAREST)
    rest = largest * 0.5 * np.exp(-length * (x + 1) / 2)
    hard = np.sum(length / 2 * w * rest * radiator(largest - rest, s) * sigma(threshold + s * rest))
    return float(soft + hard)
