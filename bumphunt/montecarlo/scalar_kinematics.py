"""Four-momenta of one event at a time, for compiled loops.

Use these inside numba functions, where an event is a handful of tuples (E, px, py, pz); arrays of events have
`bumphunt.kinematics.momenta`.
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
    "massless_product",
    "minkowski",
    "phase_space",
    "three_to_laboratory",
    "two_body",
]

Array = NDArray[np.float64]
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
def massless_product(q: P4, k: P4, mass: float) -> float:
    """Return q.k of a particle of that mass and a massless one, without cancellation where they are collinear."""
    norm = np.sqrt(q[1] * q[1] + q[2] * q[2] + q[3] * q[3])
    dot = q[1] * k[1] + q[2] * k[2] + q[3] * k[3]
    if dot <= 0:
        return q[0] * k[0] - dot
    x, y, z = q[2] * k[3] - q[3] * k[2], q[3] * k[1] - q[1] * k[3], q[1] * k[2] - q[2] * k[1]
    return mass * mass * k[0] / (q[0] + norm) + (x * x + y * y + z * z) / (norm * k[0] + dot)


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


@njit(cache=True)
def three_to_laboratory(particles: tuple[P4, P4, P4], electron: Array, total: Array, out: Array) -> None:
    """Fill out, (3, 4), with the laboratory momenta of three particles in the centre of mass.

    There the electron beam is along z; `electron` and `total` are that beam and the sum of both, laboratory, (4,).
    Particles without energy stay empty.
    """
    frame = (total[0], total[1], total[2], total[3])
    sqrt_s = np.sqrt(frame[0] ** 2 - frame[1] ** 2 - frame[2] ** 2 - frame[3] ** 2)
    k = (electron[0], electron[1], electron[2], electron[3])
    beam = boost_from_rest(k, (frame[0], -frame[1], -frame[2], -frame[3]), sqrt_s)
    for slot in range(3):
        q = particles[slot]
        if q[0] > 0:
            x, y, z = along(beam, q[1], q[2], q[3])
            out[slot] = boost_from_rest((q[0], x, y, z), frame, sqrt_s)
