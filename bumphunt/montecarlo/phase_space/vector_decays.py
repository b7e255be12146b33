"""Decays of a polarised vector into two charged particles.

A vector with the spin state e decays to fermions of a vector current as 1 - (1 - r) (e.n)^2, r = 4 m^2 / M^2, and to
two scalars as (e.n)^2, n the direction of one of the two. Polarised as e+e- make it, across an axis, fermions then go
as 1 + c^2 + r (1 - c^2) and scalars as 1 - c^2 about that axis. All of these are 1 + slope c^2.

References
----------
J. D. Jackson, in High Energy Physics (Les Houches 1965), Gordon and Breach: decay angular distributions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bumphunt.compilation import njit
from bumphunt.errors import InputError
from bumphunt.kinematics.compiled import along, boost_from_rest, breakup_momentum, ray, row
from bumphunt.montecarlo.radiation.final_state import radiate_final_state

__all__ = [
    "SCALAR_SLOPE_ACROSS",
    "boost_products",
    "decay_to_pair",
    "decay_to_products",
    "fermion_slope_across",
    "fermion_slope_along",
]

Array = NDArray[np.float64]

SCALAR_SLOPE_ACROSS = -1.0
"""Slope of scalars from a vector polarised across the axis."""


def fermion_slope_across(mass: float, m_fermion: float) -> float:
    """Return the slope of fermions from a vector polarised across the axis, as e+e- along it make it.

    Examples
    --------
    >>> fermion_slope_across(10.0, 0.0)
    1.0
    """
    r = 4 * m_fermion**2 / mass**2
    return (1 - r) / (1 + r)


def fermion_slope_along(mass: float, m_fermion: float) -> float:
    """Return the slope of fermions from a vector polarised along the axis.

    Examples
    --------
    >>> fermion_slope_along(10.0, 0.0)
    -1.0
    """
    return 4 * m_fermion**2 / mass**2 - 1


@njit(cache=True)
def _decay(axis: Array, mass: float, product: float, slope: float, rng: np.random.Generator, out: Array) -> None:
    """Fill out, (N, 2, 4), with decays at rest that go as 1 + slope cos^2 about axis, (N, 3)."""
    p, energy, most = breakup_momentum(mass, product, product), mass / 2, max(1.0, 1 + slope)
    for i in range(out.shape[0]):
        cos = 2 * rng.random() - 1
        while most * rng.random() > 1 + slope * cos * cos:
            cos = 2 * rng.random() - 1
        sin, phi = np.sqrt(1 - cos * cos), 2 * np.pi * rng.random()
        x, y, z = along(ray(axis, i), sin * np.cos(phi), sin * np.sin(phi), cos)
        out[i, 0], out[i, 1] = (energy, p * x, p * y, p * z), (energy, -p * x, -p * y, -p * z)


def decay_to_pair(axis: Array, *, mass: float, product_mass: float, slope: float, rng: np.random.Generator) -> Array:
    """Return the momenta of two products of equal mass in the rest frame of what decays [GeV], shape (N, 2, 4).

    Parameters
    ----------
    axis
        Unit vectors in that rest frame, shape (N, 3).
    mass, product_mass
        Masses of what decays and of each product [GeV].
    slope
        The decay goes as 1 + slope cos^2 about the axis; at least -1.
    rng
        Source of randomness.

    Raises
    ------
    InputError
        If the products are too heavy, or the slope is below -1.
    """
    if not (0 <= 2 * product_mass < mass and slope >= -1):
        msg = f"mass = {mass} GeV, product_mass = {product_mass} GeV, slope = {slope}; want mass > 2 product_mass >= 0 "
        raise InputError(msg + "and slope >= -1")
    out = np.empty((axis.shape[0], 2, 4))
    _decay(axis, mass, product_mass, slope, rng, out)
    return out


def decay_to_products(
    parent: Array,
    axis: Array,
    *,
    mass: float,
    product_mass: float,
    slope: float,
    radiation: bool,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """Return two products and a photon from each in the laboratory [GeV], shape (N, 4, 4), and weights, shape (N,).

    Radiation does not change how often the parent decays (Kinoshita, Lee, Nauenberg; the corrections of 3 alpha / 4 pi
    belong to its width), so the mean weight is 1: with `radiation` the weights are divided by their mean, which near
    threshold `radiate_final_state` has up to 2.5 % too high.

    Parameters
    ----------
    parent
        Momenta of what decays in the laboratory [GeV], shape (N, 4).
    axis, mass, product_mass, slope, rng
        As for `decay_to_pair`.
    radiation
        Whether the products radiate, as fermions do; otherwise the last two momenta are 0.

    Raises
    ------
    InputError
        If the products are too heavy, or the slope is below -1.
    """
    charged = decay_to_pair(axis, mass=mass, product_mass=product_mass, slope=slope, rng=rng)
    n = parent.shape[0]
    if radiation:
        p4, weight = radiate_final_state(parent, charged, mass=product_mass, rng=rng)
        mean = weight.mean() if n else 1.0
        return p4, weight / mean if mean > 0 else weight
    p4 = np.zeros((n, 4, 4))
    p4[:, :2] = boost_products(charged, parent, mass)
    return p4, np.ones(n)


@njit(cache=True)
def boost_products(momenta: Array, parent: Array, mass: float) -> Array:
    """Return momenta, given in the rest frame of their parent, in the laboratory [GeV], shape (N, P, 4).

    Parameters
    ----------
    momenta
        Momenta at rest [GeV], shape (N, P, 4).
    parent
        Momenta of the parents in the laboratory [GeV], shape (N, 4).
    mass
        Mass of the parent [GeV].
    """
    out = np.empty_like(momenta)
    for i in range(momenta.shape[0]):
        frame = row(parent, i)
        for j in range(momenta.shape[1]):
            out[i, j] = boost_from_rest(row(momenta[i], j), frame, mass)
    return out
