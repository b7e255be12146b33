"""Four-momenta of one event at a time, for compiled loops.

Use these inside numba functions, where an event is a handful of tuples (E, px, py, pz) in GeV; arrays of events have
`bumphunt.kinematics.momenta`, with the same order of components.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bumphunt.compilation import njit

__all__ = [
    "P4",
    "add",
    "along",
    "boost_from_rest",
    "boost_to_rest",
    "breakup_momentum",
    "mass_squared",
    "massless_product",
    "minkowski",
    "ray",
    "row",
    "subtract",
    "to_laboratory",
]

Array = NDArray[np.float64]
P4 = tuple[float, float, float, float]
"""Energy and momentum [GeV]."""


@njit(cache=True)
def row(momenta: Array, i: int) -> P4:
    """Return one of some momenta, (N, 4)."""
    return momenta[i, 0], momenta[i, 1], momenta[i, 2], momenta[i, 3]


@njit(cache=True)
def ray(axis: Array, i: int) -> P4:
    """Return the light-like momentum of energy 1 along one of some unit vectors, (N, 3)."""
    return 1.0, axis[i, 0], axis[i, 1], axis[i, 2]


@njit(cache=True)
def add(p: P4, q: P4) -> P4:
    """Return the sum."""
    return p[0] + q[0], p[1] + q[1], p[2] + q[2], p[3] + q[3]


@njit(cache=True)
def subtract(p: P4, q: P4) -> P4:
    """Return the difference."""
    return p[0] - q[0], p[1] - q[1], p[2] - q[2], p[3] - q[3]


@njit(cache=True)
def minkowski(p: P4, q: P4) -> float:
    """Return the Minkowski product."""
    return p[0] * q[0] - p[1] * q[1] - p[2] * q[2] - p[3] * q[3]


@njit(cache=True)
def mass_squared(p: P4) -> float:
    """Return the squared mass [GeV^2]."""
    return p[0] * p[0] - p[1] * p[1] - p[2] * p[2] - p[3] * p[3]


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
def boost_from_rest(p: P4, k: P4, mass: float) -> P4:
    """Return p, given in the rest frame of k (of that mass), in the frame where k is given."""
    dot = k[1] * p[1] + k[2] * p[2] + k[3] * p[3]
    energy = (k[0] * p[0] + dot) / mass
    f = (p[0] + energy) / (k[0] + mass)
    return energy, p[1] + f * k[1], p[2] + f * k[2], p[3] + f * k[3]


@njit(cache=True)
def boost_to_rest(p: P4, k: P4, mass: float) -> P4:
    """Return p, given in the frame where k (of that mass) is given, in the rest frame of k."""
    return boost_from_rest(p, (k[0], -k[1], -k[2], -k[3]), mass)


@njit(cache=True)
def breakup_momentum(m: float, m1: float, m2: float) -> float:
    """Return the momentum of m -> m1 m2 in its rest frame; 0 below threshold."""
    k = (m * m - (m1 + m2) ** 2) * (m * m - (m1 - m2) ** 2)
    return np.sqrt(k) / (2 * m) if k > 0 else 0.0


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
def to_laboratory(particles: tuple[P4, ...], electron: P4, total: P4, out: Array) -> None:
    """Fill out, (P, 4), with the laboratory momenta of particles given in the centre of mass, electron beam along z.

    Particles without energy stay empty.

    Parameters
    ----------
    particles
        Their momenta in the centre of mass [GeV].
    electron, total
        Momenta of the electron beam, and of both beams, in the laboratory [GeV].
    out
        Where the momenta go.
    """
    sqrt_s = np.sqrt(mass_squared(total))
    beam = boost_to_rest(electron, total, sqrt_s)
    for slot in range(len(particles)):
        q = particles[slot]
        if q[0] > 0:
            x, y, z = along(beam, q[1], q[2], q[3])
            out[slot] = boost_from_rest((q[0], x, y, z), total, sqrt_s)
