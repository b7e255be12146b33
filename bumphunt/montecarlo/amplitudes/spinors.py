"""Dirac spinors in the chiral representation, for amplitudes in compiled loops.

A spinor is a tuple of four complex numbers, left-handed upper and right-handed lower half. With them an amplitude is
evaluated for given helicities, masses included, and squared: as exact as the momenta are.

At tree level an amplitude with all helicities reversed is the complex conjugate up to a phase, so the sum over all
spins is twice the sum with one photon's helicity fixed.

References
----------
M. E. Peskin, D. V. Schroeder, An Introduction to Quantum Field Theory (1995), sections 3.2, 3.3: the representation.
"""

from __future__ import annotations

import numpy as np

from bumphunt.compilation import njit
from bumphunt.kinematics.compiled import P4

__all__ = [
    "Bispinor",
    "Current",
    "Spinor",
    "Vector",
    "antiparticle_spinor",
    "bar",
    "contract",
    "current",
    "helicity_spinor",
    "particle_spinor",
    "photon_after",
    "photon_before",
    "polarisation_between",
    "row_slash",
    "slash",
    "transverse_product",
    "vector_current",
]

Spinor = tuple[complex, complex]
"""Two-component spinor."""
Bispinor = tuple[complex, complex, complex, complex]
"""Four-component spinor: left-handed, then right-handed half."""
Vector = tuple[complex, complex, complex, complex]
"""Complex four-vector V0, V1, V2, V3."""
Current = tuple[complex, complex, complex, complex]
"""Half of V0 + V3, V0 - V3, V1 + i V2, V1 - i V2."""


@njit(cache=True)
def helicity_spinor(p: P4, positive: bool) -> Spinor:
    """Return the unit two-component spinor of spin along the momentum of `p`, or against it."""
    norm = np.sqrt(p[1] * p[1] + p[2] * p[2] + p[3] * p[3])
    if p[3] >= 0:
        c = np.sqrt((norm + p[3]) / (2 * norm))
        up, down = c + 0j, (p[1] + 1j * p[2]) / (2 * norm * c)
    else:
        c = np.sqrt((norm - p[3]) / (2 * norm))
        up, down = (p[1] - 1j * p[2]) / (2 * norm * c), c + 0j
    if positive:
        return up, down
    return -down.conjugate(), up.conjugate()


@njit(cache=True)
def _halves(p: P4, mass: float, positive: bool) -> tuple[Spinor, float, float]:
    """Return the helicity spinor and the roots of E -+ p (left, right), without rounding."""
    norm = np.sqrt(p[1] * p[1] + p[2] * p[2] + p[3] * p[3])
    large = np.sqrt(p[0] + norm)
    small = mass / large
    xi = helicity_spinor(p, positive)
    if positive:
        return xi, small, large
    return xi, large, small


@njit(cache=True)
def particle_spinor(p: P4, mass: float, positive: bool) -> Bispinor:
    """Return u(p) of a fermion with helicity + or -, with ubar u = 2 m."""
    xi, left, right = _halves(p, mass, positive)
    return left * xi[0], left * xi[1], right * xi[0], right * xi[1]


@njit(cache=True)
def antiparticle_spinor(p: P4, mass: float, positive: bool) -> Bispinor:
    """Return v(p) built on the same two-component spinor as `particle_spinor`, with vbar v = -2 m."""
    xi, left, right = _halves(p, mass, positive)
    return left * xi[0], left * xi[1], -right * xi[0], -right * xi[1]


@njit(cache=True)
def transverse_product(p: P4, with_spin: Spinor, against: Spinor) -> complex:
    """Return the product of p with the conjugate polarisation e* of a photon.

    In this gauge the polarisation has no energy, and e*.sigma = sqrt(2) with_spin against^dagger.

    Parameters
    ----------
    p
        Any momentum.
    with_spin, against
        Helicity spinors along the photon's momentum, of its helicity and of the other.
    """
    a = p[3] * with_spin[0] + (p[1] - 1j * p[2]) * with_spin[1]
    b = (p[1] + 1j * p[2]) * with_spin[0] - p[3] * with_spin[1]
    return -np.sqrt(0.5) * (against[0].conjugate() * a + against[1].conjugate() * b)


@njit(cache=True)
def photon_before(
    psi: Bispinor, eikonal: complex, omega: float, with_spin: Spinor, against: Spinor, positive: bool
) -> Bispinor:
    """Return (eikonal - kslash eslash*) psi: emission next to a spinor on the right of a current.

    Parameters
    ----------
    psi
        The spinor.
    eikonal
        Twice the product of its momentum with the polarisation; minus that for an antiparticle.
    omega
        Energy of the photon.
    with_spin, against, positive
        Its helicity spinors, as for `transverse_product`, and whether its helicity is positive.
    """
    f = 2 * np.sqrt(2.0) * omega
    l1, l2, r1, r2 = eikonal * psi[0], eikonal * psi[1], eikonal * psi[2], eikonal * psi[3]
    if positive:
        f *= against[0].conjugate() * psi[2] + against[1].conjugate() * psi[3]
        return l1, l2, r1 + f * with_spin[0], r2 + f * with_spin[1]
    f *= against[0].conjugate() * psi[0] + against[1].conjugate() * psi[1]
    return l1 - f * with_spin[0], l2 - f * with_spin[1], r1, r2


@njit(cache=True)
def photon_after(
    psi: Bispinor, eikonal: complex, omega: float, with_spin: Spinor, against: Spinor, positive: bool
) -> Bispinor:
    """Return phi with phibar = psibar (eikonal + eslash* kslash): emission on the left of a current.

    The parameters are those of `photon_before`.
    """
    f = 2 * np.sqrt(2.0) * omega
    e = eikonal.conjugate()
    l1, l2, r1, r2 = e * psi[0], e * psi[1], e * psi[2], e * psi[3]
    if positive:
        f *= with_spin[0].conjugate() * psi[0] + with_spin[1].conjugate() * psi[1]
        return l1 + f * against[0], l2 + f * against[1], r1, r2
    f *= with_spin[0].conjugate() * psi[2] + with_spin[1].conjugate() * psi[3]
    return l1, l2, r1 - f * against[0], r2 - f * against[1]


@njit(cache=True)
def polarisation_between(a: Bispinor, b: Bispinor, with_spin: Spinor, against: Spinor) -> complex:
    """Return abar eslash* b for a photon with these helicity spinors."""
    w0, w1, x0, x1 = with_spin[0], with_spin[1], against[0].conjugate(), against[1].conjugate()
    left = (a[0].conjugate() * w0 + a[1].conjugate() * w1) * (x0 * b[0] + x1 * b[1])
    right = (a[2].conjugate() * w0 + a[3].conjugate() * w1) * (x0 * b[2] + x1 * b[3])
    return np.sqrt(2.0) * (left - right)


@njit(cache=True)
def current(a: Bispinor, b: Bispinor) -> Current:
    """Return abar gamma^mu b in light-cone components, for `contract`."""
    l1, l2, r1, r2 = a[0].conjugate(), a[1].conjugate(), a[2].conjugate(), a[3].conjugate()
    return (
        r1 * b[2] + l2 * b[1],
        r2 * b[3] + l1 * b[0],
        r1 * b[3] - l1 * b[1],
        r2 * b[2] - l2 * b[0],
    )


@njit(cache=True)
def contract(v: Current, w: Current) -> complex:
    """Return the Minkowski product of two currents."""
    return 2 * (v[0] * w[1] + v[1] * w[0] - v[2] * w[3] - v[3] * w[2])


@njit(cache=True)
def bar(psi: Bispinor) -> Bispinor:
    """Return the row psibar = psi^dagger gamma^0."""
    return psi[2].conjugate(), psi[3].conjugate(), psi[0].conjugate(), psi[1].conjugate()


@njit(cache=True)
def slash(a: Vector, psi: Bispinor) -> Bispinor:
    """Return a_mu gamma^mu psi."""
    plus, minus = a[0] + a[3], a[0] - a[3]
    down, up = a[1] + 1j * a[2], a[1] - 1j * a[2]
    return (
        minus * psi[2] - up * psi[3],
        plus * psi[3] - down * psi[2],
        plus * psi[0] + up * psi[1],
        minus * psi[1] + down * psi[0],
    )


@njit(cache=True)
def row_slash(row: Bispinor, a: Vector) -> Bispinor:
    """Return row a_mu gamma^mu, for a product with a spinor."""
    plus, minus = a[0] + a[3], a[0] - a[3]
    down, up = a[1] + 1j * a[2], a[1] - 1j * a[2]
    return (
        row[2] * plus + row[3] * down,
        row[2] * up + row[3] * minus,
        row[0] * minus - row[1] * down,
        row[1] * plus - row[0] * up,
    )


@njit(cache=True)
def vector_current(row: Bispinor, psi: Bispinor) -> Vector:
    """Return row gamma^mu psi by its components."""
    return (
        row[0] * psi[2] + row[1] * psi[3] + row[2] * psi[0] + row[3] * psi[1],
        row[0] * psi[3] + row[1] * psi[2] - row[2] * psi[1] - row[3] * psi[0],
        1j * (row[1] * psi[2] - row[0] * psi[3] + row[2] * psi[1] - row[3] * psi[0]),
        row[0] * psi[2] - row[1] * psi[3] - row[2] * psi[0] + row[3] * psi[1],
    )
