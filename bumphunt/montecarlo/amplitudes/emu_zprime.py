"""The tree-level matrix element of e+e- -> e- mu+ Z', the Z' with a vector coupling that turns electrons into muons.

Four diagrams: the beams annihilate into a photon that makes the pair, and the Z' leaves either of the two; or the
electron only exchanges a photon, and the Z' leaves the line that comes in as a positron and goes out as a muon, before
or after the photon. The amplitudes are products of Dirac spinors in the chiral representation, with all masses.

    M = e^2 g' [ubar3 A(p3 + k, J12) v4 / s - vbar2 A(k - p2, J13) v4 / t],
    A(q, J) = eps (q + m_mu) J / (q^2 - m_mu^2) + J (m_e - q4) eps / (q4^2 - m_e^2),  q4 = p4 + k,

each vector contracted with Dirac matrices, J12 = vbar2 gamma u1, J13 = ubar3 gamma u1. The relative sign is that of
Fermi: exchanging what is at the end of the two lines, vbar2 and ubar3, changes the sign of M.

References
----------
I. Galon, A. Kwa, P. Tanedo, JHEP 03 (2017) 064 (arXiv:1610.08060): lepton-flavour violating mediators.
M. E. Peskin, D. V. Schroeder, An Introduction to Quantum Field Theory, section 3.3: the spinors.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bumphunt.compilation import njit
from bumphunt.kinematics.compiled import P4, along, minkowski
from bumphunt.montecarlo.amplitudes.spinors import Bispinor, Vector, bar, row_slash, slash, vector_current

__all__ = ["amplitudes", "squared_amplitude"]

Complex = NDArray[np.complex128]


@njit(cache=True)
def _spinor(p: P4, mass: float, spin: int, sign: float) -> Bispinor:
    """Return u (sign 1) or v (sign -1) of a spin along z: (sqrt(p.sigma) xi, +-sqrt(p.sigmabar) xi)."""
    norm = 1 / np.sqrt(2 * (p[0] + mass))
    a = p[0] + mass
    if spin == 0:
        top, bottom = (a - p[3] + 0j, -p[1] - 1j * p[2]), (a + p[3] + 0j, p[1] + 1j * p[2])
    else:
        top, bottom = (-p[1] + 1j * p[2], a + p[3] + 0j), (p[1] - 1j * p[2], a - p[3] + 0j)
    return norm * top[0], norm * top[1], sign * norm * bottom[0], sign * norm * bottom[1]


@njit(cache=True)
def _transverse(j: Vector, q: P4) -> Vector:
    """Return J without time component, the rest of it moved along q, where a conserved current has nothing."""
    f = j[0] / q[0]
    return 0j, j[1] - f * q[1], j[2] - f * q[2], j[3] - f * q[3]


@njit(cache=True)
def _polarisation(k: P4, mass: float, which: int) -> Vector:
    """Return a real polarisation vector of the Z': two across its momentum and one along it."""
    if which == 2:
        p = np.sqrt(k[1] ** 2 + k[2] ** 2 + k[3] ** 2)
        f = k[0] / (p * mass)
        return p / mass + 0j, f * k[1] + 0j, f * k[2] + 0j, f * k[3] + 0j
    x, y, z = along(k, 1.0 - which, 1.0 * which, 0.0)
    return 0j, x + 0j, y + 0j, z + 0j


@njit(cache=True)
def _dot(u: Bispinor, v: Bispinor) -> complex:
    """Return the product of a row and a column."""
    return u[0] * v[0] + u[1] * v[1] + u[2] * v[2] + u[3] * v[3]


@njit(cache=True)
def _propagate_row(u: Bispinor, q: P4, mass: float, denominator: float) -> Bispinor:
    """Return u (q.gamma + m) / denominator for a row u."""
    a = row_slash(u, (q[0] + 0j, q[1] + 0j, q[2] + 0j, q[3] + 0j))
    return (
        (a[0] + mass * u[0]) / denominator,
        (a[1] + mass * u[1]) / denominator,
        (a[2] + mass * u[2]) / denominator,
        (a[3] + mass * u[3]) / denominator,
    )


@njit(cache=True)
def _line(
    current: Vector,
    ends: tuple[Bispinor, Bispinor],
    rows: Complex,
    columns: Complex,
    v4: tuple[Bispinor, Bispinor],
    out: Complex,
) -> None:
    """Fill out[end, s4, polarisation] the two diagrams where `current` meets the line from v4 to `ends`.

    rows[end, polarisation] and columns[s4, polarisation] hold what is on the Z' side of the current.
    """
    for s4 in range(2):
        right = slash(current, v4[s4])
        for end in range(2):
            left = row_slash(ends[end], current)
            for i in range(3):
                r, c = rows[end, i], columns[s4, i]
                out[end, s4, i] = _dot((r[0], r[1], r[2], r[3]), right) + _dot(left, (c[0], c[1], c[2], c[3]))


@njit(cache=True)
def amplitudes(
    p1: P4, p2: P4, p3: P4, p4: P4, k: P4, t: float, masses: tuple[float, float, float], out: Complex
) -> None:
    """Fill out[s1, s2, s3, s4, polarisation] with M / (e^2 g') [GeV^-1], of the s-channel and then of the t-channel.

    Parameters
    ----------
    p1, p2, p3, p4, k
        Momenta of e- and e+ (in), e-, mu+ and Z' (out) [GeV], in the centre of mass.
    t
        (p1 - p3)^2 [GeV^2], which rounding would spoil.
    masses
        Masses of electron, muon and Z' [GeV].
    out
        Where they go, shape (2, 2, 2, 2, 6): three polarisations in the s-channel, then three in the t-channel.
    """
    me, mmu, mass = masses
    s = (p1[0] + p2[0]) ** 2
    q3 = (p3[0] + k[0], p3[1] + k[1], p3[2] + k[2], p3[3] + k[3])
    q4 = (-p4[0] - k[0], -p4[1] - k[1], -p4[2] - k[2], -p4[3] - k[3])
    q2 = (k[0] - p2[0], k[1] - p2[1], k[2] - p2[2], k[3] - p2[3])
    d3 = me * me + mass * mass + 2 * minkowski(p3, k) - mmu * mmu
    d4 = mmu * mmu + mass * mass + 2 * minkowski(p4, k) - me * me
    d2 = me * me + mass * mass - 2 * minkowski(p2, k) - mmu * mmu
    u1 = (_spinor(p1, me, 0, 1.0), _spinor(p1, me, 1, 1.0))
    v2 = (bar(_spinor(p2, me, 0, -1.0)), bar(_spinor(p2, me, 1, -1.0)))
    u3 = (bar(_spinor(p3, me, 0, 1.0)), bar(_spinor(p3, me, 1, 1.0)))
    v4 = (_spinor(p4, mmu, 0, -1.0), _spinor(p4, mmu, 1, -1.0))
    columns = np.empty((2, 3, 4), dtype=np.complex128)
    rows_s = np.empty((2, 3, 4), dtype=np.complex128)
    rows_t = np.empty((2, 3, 4), dtype=np.complex128)
    for i in range(3):
        e = _polarisation(k, mass, i)
        for spin in range(2):
            c = slash(e, v4[spin])
            b = slash((q4[0] + 0j, q4[1] + 0j, q4[2] + 0j, q4[3] + 0j), c)
            a = _propagate_row(row_slash(u3[spin], e), q3, mmu, d3)
            d = _propagate_row(row_slash(v2[spin], e), q2, mmu, d2)
            for j in range(4):
                columns[spin, i, j] = (b[j] + me * c[j]) / d4
                rows_s[spin, i, j], rows_t[spin, i, j] = a[j], d[j]
    photon = (p1[0] - p3[0], p1[1] - p3[1], p1[2] - p3[2], p1[3] - p3[3])
    part = np.empty((2, 2, 3), dtype=np.complex128)
    for s1 in range(2):
        for other in range(2):
            j12 = vector_current(v2[other], u1[s1])
            _line(j12, u3, rows_s, columns, v4, part)
            for s3 in range(2):
                for s4 in range(2):
                    for i in range(3):
                        out[s1, other, s3, s4, i] = part[s3, s4, i] / s
            j13 = _transverse(vector_current(u3[other], u1[s1]), photon)
            _line(j13, v2, rows_t, columns, v4, part)
            for s2 in range(2):
                for s4 in range(2):
                    for i in range(3):
                        out[s1, s2, other, s4, 3 + i] = -part[s2, s4, i] / t


@njit(cache=True)
def squared_amplitude(
    p1: P4, p2: P4, p3: P4, p4: P4, k: P4, t: float, masses: tuple[float, float, float], work: Complex
) -> float:
    """Return the sum over all spins of |M / (e^2 g')|^2 [GeV^-2]; arguments as for `amplitudes`."""
    amplitudes(p1, p2, p3, p4, k, t, masses, work)
    total = 0.0
    for s1 in range(2):
        for s2 in range(2):
            for s3 in range(2):
                for s4 in range(2):
                    for i in range(3):
                        m = work[s1, s2, s3, s4, i] + work[s1, s2, s3, s4, 3 + i]
                        total += m.real * m.real + m.imag * m.imag
    return total
