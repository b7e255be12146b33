"""The dark Higgs boson h': cross section of e+e- -> A' h' by a virtual A' (dark Higgs-strahlung).

The h' gives the A' its mass, and their coupling is fixed by alpha_D. Below the mass of the A' it lives long enough to
leave the detector unseen; its width is that of a loop or of four leptons, and not given here.

References
----------
B. Batell, M. Pospelov, A. Ritz, Phys. Rev. D 79 (2009) 115008 (arXiv:0903.0363): model and cross section.
F. Abudinen et al. (Belle II), Phys. Rev. Lett. 130 (2023) 071804 (arXiv:2207.00509): the search.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.constants import ALPHA, GEV2_TO_FB
from bumphunt.errors import InputError
from bumphunt.theory.radiator import radiated_cross_section

__all__ = ["born_cross_section", "cross_section", "differential_cross_section"]

Array = NDArray[np.float64]


def _triangle(a: Array, b: Array) -> Array:
    """Return lambda(1, a, b) = 1 + a^2 + b^2 - 2a - 2b - 2ab."""
    return 1 + a * a + b * b - 2 * a - 2 * b - 2 * a * b


def born_cross_section(s: ArrayLike, mass: float, higgs_mass: float) -> Array:
    """Return sigma(e+e- -> A' h') at eps^2 alpha_D = 1 [fb], shape of `s` [GeV^2]; 0 below threshold.

    sigma = (pi alpha eps^2 alpha_D / 3s) sqrt(lambda) (lambda + 12 a) / (1 - a)^2, with a = m_A'^2 / s, b = m_h'^2 / s
    and lambda = 1 + a^2 + b^2 - 2a - 2b - 2ab. The width of the virtual A' is neglected.

    Parameters
    ----------
    s
        Squared centre-of-mass energy [GeV^2].
    mass, higgs_mass
        Masses of A' and h' [GeV].

    References
    ----------
    Batell, Pospelov, Ritz, as cited at the top.

    Examples
    --------
    >>> float(born_cross_section(10.58**2, 4.0, 0.0).round(-6))
    76000000.0
    """
    s = np.asarray(s, dtype=np.float64)
    open_ = s > (mass + higgs_mass) ** 2
    safe = np.where(open_, s, 4 * (mass + higgs_mass) ** 2)
    a, b = mass**2 / safe, higgs_mass**2 / safe
    square = np.maximum(_triangle(a, b), 0.0)
    sigma = np.pi * ALPHA / (3 * safe) * np.sqrt(square) * (square + 12 * a) / (1 - a) ** 2
    return np.where(open_, sigma * GEV2_TO_FB, 0.0)


def differential_cross_section(
    cos: ArrayLike, mass: float, higgs_mass: float, *, coupling: float, sqrt_s: float
) -> Array:
    """Return dsigma/dcos(theta) = (3/4) sigma (8 a + lambda sin^2) / (lambda + 12 a) [fb], tree level, shape of `cos`.

    Parameters
    ----------
    cos
        Cosine of the angle between electron and A' in the centre of mass.
    mass, higgs_mass
        Masses of A' and h' [GeV].
    coupling
        eps^2 alpha_D.
    sqrt_s
        Centre-of-mass energy [GeV].

    References
    ----------
    The shape is that of Higgs-strahlung off a vector boson: B. L. Ioffe, V. A. Khoze, Sov. J. Part. Nucl. 9 (1978) 50;
    Batell, Pospelov, Ritz, as cited at the top.
    """
    c, s = np.asarray(cos, dtype=np.float64), sqrt_s**2
    a = np.asarray(mass**2 / s)
    square = np.maximum(_triangle(a, np.asarray(higgs_mass**2 / s)), 0.0)
    shape = 3 / 4 * (8 * a + square * (1 - c * c)) / (square + 12 * a)
    return coupling * born_cross_section(s, mass, higgs_mass) * shape


def cross_section(
    mass: ArrayLike, higgs_mass: ArrayLike, *, coupling: float, sqrt_s: float, radiation: bool = True
) -> Array:
    """Return sigma(e+e- -> A' h') [fb], broadcast shape of the masses, without any branching ratio.

    Parameters
    ----------
    mass, higgs_mass
        Masses of A' and h' [GeV], both positive, together below sqrt(s).
    coupling
        eps^2 alpha_D.
    sqrt_s
        Centre-of-mass energy [GeV].
    radiation
        Whether the beams radiate, as in the Monte Carlo. For an h' much lighter than the A' that adds a tail of beams
        that returned to just above the A' with a soft h'.

    Raises
    ------
    InputError
        If a mass is not positive, or their sum not below sqrt(s).
    """
    m, h = np.broadcast_arrays(np.asarray(mass, dtype=np.float64), np.asarray(higgs_mass, dtype=np.float64))
    bad = ~((m > 0) & (h > 0) & (m + h < sqrt_s))
    if np.any(bad):
        msg = (
            f"masses of A' and h' = {m[bad].flat[0]} and {h[bad].flat[0]} GeV; they must be positive, "
            f"together below sqrt(s) = {sqrt_s} GeV"
        )
        raise InputError(msg)

    def one(m: float, h: float) -> float:
        if not radiation:
            return float(born_cross_section(sqrt_s**2, m, h))
        return radiated_cross_section(lambda s: born_cross_section(s, m, h), threshold=(m + h) ** 2, sqrt_s=sqrt_s)

    values = [one(float(x), float(y)) for x, y in zip(m.flat, h.flat, strict=True)]
    return np.asarray(coupling * np.array(values).reshape(m.shape))
