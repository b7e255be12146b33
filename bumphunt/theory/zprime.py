"""The Z' of L_mu - L_tau: cross section, widths, branching ratios, and its part in (g-2)_mu.

The Z' couples with g' to muons, taus and their neutrinos, and to nothing else. Below the dimuon threshold it decays to
neutrinos only.

References
----------
X. G. He, G. C. Joshi, H. Lew, R. R. Volkas, Phys. Rev. D 43 (1991) R22: the model.
B. Shuve, I. Yavin, Phys. Rev. D 89 (2014) 113004 (arXiv:1403.2727): widths.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline, PchipInterpolator

from bumphunt.constants import M_ELECTRON, M_MUON, M_TAU
from bumphunt.errors import InputError
from bumphunt.theory.pair_and_vector import total_cross_section
from bumphunt.theory.structure_function import K_FACTOR, radiator_exponent, structure_function
from bumphunt.theory.vector import magnetic_moment, positive_masses, width_to_fermions

__all__ = [
    "branching_ratio_invisible",
    "cross_section",
    "muon_magnetic_moment",
    "total_width",
    "width_neutrinos",
]

Array = NDArray[np.float64]

LIGHTEST = 1e-3
"""Lowest mass of the table of cross sections [GeV]."""
GRID_POINTS = 120
"""Masses of that table; the interpolation between them is good to 1e-4."""


def width_neutrinos(mass: ArrayLike, *, coupling: float) -> Array:
    """Return Gamma(Z' -> nu nubar) = g'^2 m / (24 pi) of each of the two neutrinos [GeV], shape of `mass`.

    Raises
    ------
    InputError
        If a mass is not positive.
    """
    return np.asarray(coupling**2 * positive_masses(mass) / (24 * np.pi))


def total_width(mass: ArrayLike, *, coupling: float) -> Array:
    """Return the total width [GeV], shape of `mass` [GeV].

    Raises
    ------
    InputError
        If a mass is not positive.
    """
    muons, taus = (width_to_fermions(mass, lepton, coupling=coupling) for lepton in (M_MUON, M_TAU))
    return muons + taus + 2 * width_neutrinos(mass, coupling=coupling)


def branching_ratio_invisible(mass: ArrayLike) -> Array:
    """Return BR(Z' -> neutrinos), shape of `mass` [GeV].

    Raises
    ------
    InputError
        If a mass is not positive.

    Examples
    --------
    >>> branching_ratio_invisible([0.2, 2.0, 5.0]).round(3)
    array([1.   , 0.5  , 0.347])
    """
    return 2 * width_neutrinos(mass, coupling=1.0) / total_width(mass, coupling=1.0)


def cross_section(mass: ArrayLike, *, coupling: float, sqrt_s: float, radiation: bool = True) -> Array:
    """Return sigma(e+e- -> mu+ mu- Z') [fb], shape of `mass`.

    Tree level with the muon mass and alpha(0), no branching ratio, with initial-state radiation as in the Monte Carlo
    unless `radiation` is False. Interpolated in a table that is made on first use for each energy.

    Parameters
    ----------
    mass
        Masses of the Z' [GeV], from 1 MeV to below sqrt(s) - 2 m_mu.
    coupling
        Coupling g'.
    sqrt_s
        Centre-of-mass energy [GeV].
    radiation
        Whether the beams radiate.

    Raises
    ------
    InputError
        If a mass is outside that range.

    Examples
    --------
    >>> cross_section([1.0, 5.0], coupling=0.1, sqrt_s=10.58, radiation=False).round(1)
    array([995.6,  20.3])
    """
    m = np.asarray(mass, dtype=np.float64)
    limit = sqrt_s - 2 * M_MUON
    bad = ~((m >= LIGHTEST) & (m < limit))
    if np.any(bad):
        msg = f"mass = {m[bad].flat[0]} GeV; it must be from {LIGHTEST} to below sqrt(s) - 2 m_mu = {limit:.4f} GeV"
        raise InputError(msg)
    return np.asarray(coupling**2 * np.exp(_table(sqrt_s, radiation)(np.log(m / (limit - m)))))


def muon_magnetic_moment(mass: ArrayLike, *, coupling: float) -> Array:
    """Return the contribution to a_mu = (g-2)_mu / 2, shape of `mass` [GeV], for the coupling g'.

    Raises
    ------
    InputError
        If a mass is not positive.
    """
    return magnetic_moment(mass, M_MUON, coupling=coupling)


@cache
def _table(sqrt_s: float, radiation: bool) -> CubicSpline:
    """Return ln sigma [fb] at g' = 1 as a function of ln(mass / (limit - mass))."""
    limit = sqrt_s - 2 * M_MUON
    x = np.linspace(np.log(LIGHTEST / limit) - 1e-3, np.log(1e5), GRID_POINTS)
    masses = limit / (1 + np.exp(-x))
    if radiation:
        sigma = np.array([_radiated(float(m), sqrt_s) for m in masses])
    else:
        sigma = np.array([float(total_cross_section(sqrt_s**2, m=M_MUON, mass=float(m), coupling=1.0)) for m in masses])
    return CubicSpline(x, np.log(sigma))


def _radiated(mass: float, sqrt_s: float) -> float:
    """Return the cross section [fb] at g' = 1 after initial-state radiation.

    sigma(s) = K Int dz1 dz2 D(z1) D(z2) sigma_0(z1 z2 s); the quadrature in u = (1 - z)^(beta/2) takes out the
    singularity of D.
    """
    s, threshold = sqrt_s**2, (2 * M_MUON + mass) ** 2
    # sigma_0 on a grid in the distance from threshold, dense near it
    t = np.linspace(0.0, 1.0, 48)[1:] ** 2
    grid = threshold + (s - threshold) * t
    known = total_cross_section(grid, m=M_MUON, mass=mass, coupling=1.0)
    log_sigma = PchipInterpolator(np.log(t), np.log(known), extrapolate=True)
    beta = float(radiator_exponent(s, M_ELECTRON))
    x, w = np.polynomial.legendre.leggauss(64)
    end = (1 - threshold / s) ** (beta / 2)
    u = np.maximum((end * (x + 1) / 2) ** (2 / beta), 1e-300)
    density = end / 2 * w * structure_function(u, s)
    reduced = np.multiply.outer(1 - u, 1 - u) * s
    fraction = (reduced - threshold) / (s - threshold)
    open_ = fraction > 0
    sigma = np.where(open_, np.exp(log_sigma(np.log(np.where(open_, fraction, 1.0)))), 0.0)
    return float(K_FACTOR * density @ sigma @ density)
