"""Directions and decays: two bodies, any number flat in phase space, and where a particle that lives long decays.

References
----------
F. James, Monte Carlo phase space, CERN 68-15: GENBOD.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from bumphunt.compilation import njit
from bumphunt.errors import InputError
from bumphunt.kinematics.compiled import P4, boost_from_rest, breakup_momentum

__all__ = ["decay_vertices", "dipole_cosine", "direction", "largest_weight", "many_body", "two_body"]

Array = NDArray[np.float64]

MOST_BODIES = 8
"""Most products of `many_body`."""


@njit(cache=True)
def direction(rng: np.random.Generator) -> tuple[float, float, float]:
    """Return an isotropic unit vector."""
    cos = 2 * rng.random() - 1
    sin = np.sqrt(1 - cos * cos)
    phi = 2 * np.pi * rng.random()
    return sin * np.cos(phi), sin * np.sin(phi), cos


@njit(cache=True)
def dipole_cosine(r: float) -> float:
    """Return a cosine with the density (3/8) (1 + cos^2), for r uniform in [0, 1), by inversion."""
    return 2 * np.sinh(np.arcsinh(4 * r - 2) / 3)


@njit(cache=True)
def two_body(m: float, m1: float, m2: float, rng: np.random.Generator) -> tuple[P4, P4]:
    """Return an isotropic decay m -> m1 m2 at rest."""
    p = breakup_momentum(m, m1, m2)
    x, y, z = direction(rng)
    e1 = np.sqrt(p * p + m1 * m1)
    return (e1, p * x, p * y, p * z), (m - e1, -p * x, -p * y, -p * z)


@njit(cache=True)
def many_body(mass: float, masses: Array, largest: float, rng: np.random.Generator, out: Array) -> None:
    """Fill out, (P, 4), with a decay at rest, flat in phase space: a chain of two-body decays (James).

    Parameters
    ----------
    mass
        Mass of what decays [GeV].
    masses
        Masses of the products [GeV], at most `MOST_BODIES`.
    largest
        `largest_weight` of them.
    rng
        Source of randomness.
    out
        Where the momenta go.
    """
    n, free = masses.size, mass
    for i in range(n):
        free -= masses[i]
    u = np.zeros(MOST_BODIES)
    chain = np.zeros(MOST_BODIES)
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


def largest_weight(mass: float, masses: Array) -> float:
    """Return the largest product of breakup momenta in the chain of `many_body`, and 0.1 % more.

    Parameters
    ----------
    mass
        Mass of what decays [GeV].
    masses
        Masses of the products [GeV], shape (P,).
    """
    start = np.arange(1, masses.size - 1) / (masses.size - 1)
    best = minimize(_negative_weight, start, args=(mass, masses), method="Nelder-Mead", options={"xatol": 1e-4})
    return -1.001 * float(best.fun)


def _negative_weight(inner: Array, mass: float, masses: Array) -> float:
    """Return minus the product of breakup momenta along the chain at ordered `inner` within (0, 1)."""
    u = np.concatenate([[0.0], inner, [1.0]])
    if np.any(np.diff(u) < 0):
        return 0.0
    chain = np.cumsum(masses) + u * (mass - masses.sum())
    return -float(np.prod([breakup_momentum(chain[i], chain[i - 1], masses[i]) for i in range(1, masses.size)]))


def decay_vertices(
    parent: Array, *, mass: float, lifetime: float, slots: int, products: slice, rng: np.random.Generator
) -> Array | None:
    """Return where the particles of events start, relative to the collision [cm], shape (N, slots, 3).

    The products start where their parent decays, after beta gamma c t with t exponential; all else at the collision.

    Parameters
    ----------
    parent
        Laboratory momenta of what decays [GeV], shape (N, 4).
    mass
        Its mass [GeV].
    lifetime
        Its mean proper decay length c tau [cm]; for 0 everything starts at the collision, and the result is None.
    slots
        Particles in an event.
    products
        Which of them are the products.
    rng
        Source of randomness.

    Raises
    ------
    InputError
        If the lifetime is negative or not finite.
    """
    if not 0 <= lifetime < np.inf:
        msg = f"lifetime = {lifetime} cm; c tau must be finite and not negative"
        raise InputError(msg)
    if lifetime == 0:
        return None
    n = parent.shape[0]
    vertex = np.zeros((n, slots, 3))
    vertex[:, products] = (parent[:, 1:] / mass * rng.exponential(lifetime, (n, 1)))[:, np.newaxis]
    return vertex
