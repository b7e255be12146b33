"""A vector boson that couples to fermions or scalars: widths, and its part in (g-2) of a lepton.

The coupling g is that of L = g V_mu fbar gamma^mu f: the g' of a Z', eps e of a dark photon.

References
----------
B. Shuve, I. Yavin, Phys. Rev. D 89 (2014) 113004 (arXiv:1403.2727): widths.
S. Gninenko, N. Krasnikov, Phys. Lett. B 513 (2001) 119 (hep-ph/0102222): (g-2).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import InputError

__all__ = ["magnetic_moment", "positive_masses", "width_to_fermions", "width_to_scalars"]

Array = NDArray[np.float64]

NODES = 200
"""Nodes of the quadrature of the loop, good to 1e-8."""


def positive_masses(mass: ArrayLike) -> Array:
    """Return masses as an array [GeV], in their shape.

    Raises
    ------
    InputError
        If one is not positive.
    """
    m = np.asarray(mass, dtype=np.float64)
    if np.any(~(m > 0)):
        msg = f"mass = {m[~(m > 0)].flat[0]} GeV; it must be positive"
        raise InputError(msg)
    return m


def width_to_fermions(mass: ArrayLike, m_fermion: ArrayLike, *, coupling: float) -> Array:
    """Return Gamma(V -> f fbar) = g^2 m / (12 pi) (1 + 2r) sqrt(1 - 4r), r = m_f^2 / m^2 [GeV], shape of `mass`.

    Parameters
    ----------
    mass
        Masses of the boson [GeV]; the width is 0 below 2 m_f.
    m_fermion
        Mass of the fermion [GeV], or one for each mass of the boson.
    coupling
        Coupling g.

    Raises
    ------
    InputError
        If a mass is not positive.

    References
    ----------
    Shuve, Yavin, as cited at the top.

    Examples
    --------
    >>> float(width_to_fermions(1.0, 0.0, coupling=0.1).round(7))
    0.0002653
    """
    m = positive_masses(mass)
    r = np.asarray(m_fermion, dtype=np.float64) ** 2 / m**2
    return np.asarray(coupling**2 * m / (12 * np.pi) * (1 + 2 * r) * np.sqrt(np.maximum(1 - 4 * r, 0.0)))


def width_to_scalars(mass: ArrayLike, m_scalar: float, *, coupling: float) -> Array:
    """Return Gamma(V -> phi phi*) = g^2 m / (48 pi) (1 - 4r)^(3/2), r = m_phi^2 / m^2 [GeV], shape of `mass`.

    Parameters
    ----------
    mass
        Masses of the boson [GeV]; the width is 0 below 2 m_phi.
    m_scalar
        Mass of the complex scalar, which has no form factor [GeV].
    coupling
        Coupling g.

    Raises
    ------
    InputError
        If a mass is not positive.
    """
    m = positive_masses(mass)
    return np.asarray(coupling**2 * m / (48 * np.pi) * np.maximum(1 - 4 * m_scalar**2 / m**2, 0.0) ** 1.5)


def magnetic_moment(mass: ArrayLike, m_lepton: float, *, coupling: float) -> Array:
    """Return the contribution to a = (g-2) / 2 of a lepton, shape of `mass`.

    a = (g^2 / 8 pi^2) Int_0^1 2 z (1-z)^2 m_l^2 / [(1-z)^2 m_l^2 + z m^2] dz.

    Parameters
    ----------
    mass
        Masses of the boson [GeV].
    m_lepton
        Mass of the lepton [GeV].
    coupling
        Coupling g.

    Raises
    ------
    InputError
        If a mass is not positive.

    References
    ----------
    Gninenko, Krasnikov, as cited at the top.
    """
    m = positive_masses(mass)[..., np.newaxis]
    x, w = np.polynomial.legendre.leggauss(NODES)
    t, w = (x + 1) / 2, w / 2
    z, jacobian = t**3, 3 * t**2  # dense at z = 0, where light bosons contribute
    value = 2 * z * (1 - z) ** 2 * m_lepton**2 / ((1 - z) ** 2 * m_lepton**2 + z * m**2)
    return np.asarray(coupling**2 / (8 * np.pi**2) * np.sum(w * jacobian * value, axis=-1))
