"""Four-momenta by component: arrays of shape (4, N) ordered (E, px, py, pz) [GeV].

The formulas are those of `bumphunt.kinematics.momenta`, to the rounding; with the components apart they take a fraction
of the time, which counts where every row of an ntuple is looked at.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "boosted",
    "cross_product",
    "four_momenta",
    "length",
    "opening_angles",
    "polar_angles",
    "sine_and_cosine",
    "squared_mass",
    "transverse",
]

Array = NDArray[np.float64]


def sine_and_cosine(angle: ArrayLike) -> tuple[Array, Array]:
    """Return sine and cosine of angles [rad], in their shape, from the tangent of the half angle t: one call, not two.

    sin = 2 t / (1 + t^2), cos = (1 - t^2) / (1 + t^2).

    Examples
    --------
    >>> [round(float(x), 12) for x in sine_and_cosine(np.pi / 6)]
    [0.5, 0.866025403784]
    """
    t = np.tan(0.5 * np.asarray(angle, dtype=np.float64))
    square = t * t
    norm = 1.0 / (1.0 + square)
    return 2.0 * t * norm, (1.0 - square) * norm


def four_momenta(p: ArrayLike, theta: ArrayLike, phi: ArrayLike, mass: float) -> Array:
    """Return four-momenta, shape (4, N) [GeV], from momentum [GeV], polar angle, azimuth [rad], each (N,), and mass."""
    size = np.asarray(p, dtype=np.float64)
    sin_theta, cos_theta = sine_and_cosine(theta)
    sin_phi, cos_phi = sine_and_cosine(phi)
    out = np.empty((4, *size.shape))
    np.sqrt(size * size + mass * mass, out=out[0])
    transverse_momentum = size * sin_theta
    np.multiply(transverse_momentum, cos_phi, out=out[1])
    np.multiply(transverse_momentum, sin_phi, out=out[2])
    np.multiply(size, cos_theta, out=out[3])
    return out


def squared_mass(p4: Array) -> Array:
    """Return E^2 - p^2 [GeV^2], shape (N,), of four-momenta of shape (4, N)."""
    return np.asarray(p4[0] * p4[0] - p4[1] * p4[1] - p4[2] * p4[2] - p4[3] * p4[3])


def length(p4: Array) -> Array:
    """Return the magnitude of the three-momenta [GeV], shape (N,)."""
    return np.asarray(np.sqrt(p4[1] * p4[1] + p4[2] * p4[2] + p4[3] * p4[3]))


def transverse(p4: Array) -> Array:
    """Return the momentum transverse to the z axis [GeV], shape (N,)."""
    return np.asarray(np.sqrt(p4[1] * p4[1] + p4[2] * p4[2]))


def polar_angles(p4: Array) -> Array:
    """Return the polar angles [rad], shape (N,); 0 for a vanishing momentum."""
    return np.asarray(np.arctan2(transverse(p4), p4[3]))


def boosted(p4: Array, velocity: Array) -> Array:
    """Return four-momenta of shape (4, N) as seen after one boost by `velocity`, shape (3,), in units of c."""
    gamma = 1.0 / np.sqrt(1.0 - float(velocity @ velocity))
    along = velocity[0] * p4[1] + velocity[1] * p4[2] + velocity[2] * p4[3]
    factor = gamma * gamma / (1.0 + gamma) * along + gamma * p4[0]
    out = np.empty_like(p4)
    np.multiply(gamma, p4[0] + along, out=out[0])
    for i in range(3):
        np.add(p4[i + 1], factor * velocity[i], out=out[i + 1])
    return out


def cross_product(a: Array, b: Array) -> Array:
    """Return the magnitude of the cross product of two three-momenta [GeV^2], shape (N,)."""
    x, y, z = a[2] * b[3] - a[3] * b[2], a[3] * b[1] - a[1] * b[3], a[1] * b[2] - a[2] * b[1]
    return np.asarray(np.sqrt(x * x + y * y + z * z))


def opening_angles(a: Array, b: Array) -> Array:
    """Return the angles between two three-momenta [rad], shape (N,); pi/2 where one of them vanishes."""
    sine, cosine = cross_product(a, b), a[1] * b[1] + a[2] * b[2] + a[3] * b[3]
    angle = np.arctan2(sine, cosine)
    angle[(sine == 0) & (cosine == 0)] = np.pi / 2
    return np.asarray(angle)
