"""Four-momenta of one event at a time, for compiled loops.

Use these inside numba functions, where an event is a handful of tuples (E, px, py, pz); arrays of events have
`bumphunt.kinematics`.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = [
    "P4",
    "along",
    "boost_from_rest",
    "breakup_momentum",
    "direction",
    "minkowski",
    "phase_space",
    "two_body",
]

P4 = tuple[float, float, float, float]
"""Energy and momentum [GeV]."""


@njit(cache=True)
def direction(rng: np.random.Generator) -> tuple[float, float, float]:
    """Return an isotropic unit vector."""
    cos = 2 * rng.random() - 1
    sin = np.sqrt(1 - cos * cos)
    phi = 2 * np.pi * rng.random()
    return sin * np.cos(phi), sin * np.sin(phi), cos


@njit(cache=True)
def boost_from_rest(p: P4, k: P4, mass: float) -> P4:
    """Return p, given in the rest frame of k (of that mass), in the frame where k is given."""
    dot = k[1] * p[1] + k[2] * p[2] + k[3] * p[3]
    energy = (k[0] * p[0] + dot) / mass
    f = (p[0] + energy) / (k[0] + mass)
    return energy, p[1] + f * k[1], p[2] + f * k[2], p[3] + f * k[3]


@njit(cache=True)
def breakup_momentum(m: float, m1: float, m2: float) -> float:
    """Return the momentum of m -> m1 m2 in its rest frame; 0 below threshold."""
    k = (m * m - (m1 + m2) ** 2) * (m * m - (m1 - m2) ** 2)
    return np.sqrt(k) / (2 * m) if k > 0 else 0.0


@njit(cache=True)
def two_body(m: float, m1: float, m2: float, rng: np.random.Generator) -> tuple[P4, P4]:
    """Return an isotropic decay m -> m1 m2 at rest."""
    p = breakup_momentum(m, m1, m2)
    x, y, z = direction(rng)
    e1 = np.sqrt(p * p + m1 * m1)
    return (e1, p * x, p * y, p * z), (m - e1, -p * x, -p * y, -p * z)


@njit(cache=True)
def minkowski(p: P4, q: P4) -> float:
    """Return the Minkowski product."""
    return p[0] * q[0] - p[1] * q[1] - p[2] * q[2] - p[3] * q[3]


@njit(cache=True)
def phase_space(
    mass: float,
    masses: NDArray[np.float64],
    n: int,
    largest: float,
    rng: np.random.Generator,
    out: NDArray[np.float64],
) -> None:
    """Fill out[:n] with an n-body decay at rest, flat in phase space (F. James, CERN 68-15: GENBOD).

    `largest` is the largest product of the breakup momenta along the chain of two-body decays.
    """
    free = mass
    for i in range(n):
        free -= masses[i]
    u = np.zeros(8)
    chain = np.zeros(8)
    while True:
        for i in range(1, n - 1):
            u[i] = rng.random()
        u[n - 1] = 1.0
        u[1 : n - 1].sort()
        weight, lower = 1.0, masses[0]
        chain[0] = masses[0]
        for i in range(1, n):
            lower += masses[i]
            chain[i] = lower + u[i] * free
            weight *= breakup_momentum(chain[i], chain[i - 1], masses[i])
        if largest * rng.random() < weight:
            break
    parent = (mass, 0.0, 0.0, 0.0)
    for i in range(n - 1, 0, -1):
        rest, last = two_body(chain[i], chain[i - 1], masses[i], rng)
        out[i] = boost_from_rest(last, parent, chain[i])
        parent = boost_from_rest(rest, parent, chain[i])
    out[0] = parent


@njit(cache=True)
def along(axis: P4, x: float, y: float, z: float) -> tuple[float, float, float]:
    """Return the vector (x, y, z) of a frame whose z axis is the direction of `axis` (Duff et al., JCGT 6 (2017) 1)."""
    norm = np.sqrt(axis[1] ** 2 + axis[2] ** 2 + axis[3] ** 2)
    nx, ny, nz = axis[1] / norm, axis[2] / norm, axis[3] / norm
    sign = 1.0 if nz >= 0 else -1.0
    a = -1 / (sign + nz)
    b = nx * ny * a
    return (
        x * (1 + sign * nx * nx * a) + y * b + z * nx,
        x * sign * b + y * (sign + ny * ny * a) + z * ny,
        -x * sign * nx - y * ny + z * nz,
    )
