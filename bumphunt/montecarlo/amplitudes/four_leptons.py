"""The diagrams of e+e- -> e+e- l+ l- at lowest order in which the beams scatter, from spinors.

Use it to correct the two multiperipheral diagrams of `bumphunt.montecarlo.amplitudes.two_photons` for bremsstrahlung
and, with electrons alone, exchange: 6 diagrams for muons, 24 for electrons. Masses are kept. Left out are the Z and the
diagrams in which the beams annihilate, which change the rate of visible leptons by less than 0.1 %, or about 1 % if all
four are seen; they peak only where an electron pair has a low mass, as a photon of l+ l- (gamma) that converts.

Three fermion lines lead from the incoming electron, the outgoing positron and the outgoing l+ (the starts, 0 to 2) to
the outgoing electron, the incoming positron and the outgoing l- (the ends, 0 to 2). Electrons may be connected in any
other way in which the beams do not annihilate, with the sign of the permutation. Two of the lines emit a photon, which
the third absorbs, in either order. Spinors are in the chiral representation, and numbered by their chirality at high
energy, which a line then conserves.

References
----------
F. A. Berends, P. H. Daverveldt, R. Kleiss, Nucl. Phys. B 253 (1985) 441: the process and its groups of diagrams.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bumphunt.compilation import njit
from bumphunt.constants import M_ELECTRON
from bumphunt.kinematics.compiled import P4
from bumphunt.montecarlo.amplitudes.spinors import Bispinor, Vector, bar, row_slash, slash, vector_current

__all__ = ["correction", "workspace"]

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
Workspace = tuple[Array, Array, Array, Complex, Complex, Complex, Complex, Complex]

CONNECTIONS = np.array([[0, 1, 2], [0, 2, 1], [2, 1, 0], [2, 0, 1]])
"""Ends of the three starts: the first if l is not an electron, any of them for four electrons ..."""
SIGNS = np.array([1.0, -1.0, -1.0, 1.0])
"""... with these signs."""
CONSERVED = 1e4
"""A line changes its chirality only where a propagator is below this times m^2: else by less than 1e-4 in the rate."""
NEARLY_REAL = 0.1
"""A photon is nearly real, and its current large along it, where q^2 is below this times the square of its energy."""


def workspace() -> Workspace:
    """Return arrays for `correction` to work in."""
    return (
        np.empty((3, 4)),
        np.empty((3, 4)),
        np.empty((3, 3)),
        np.empty((3, 2, 4), dtype=np.complex128),
        np.empty((3, 2, 4), dtype=np.complex128),
        np.empty((3, 3, 3, 2, 2, 2, 4), dtype=np.complex128),
        np.empty((3, 3, 3, 2, 2, 2, 4), dtype=np.complex128),
        np.empty(64, dtype=np.complex128),
    )


@njit(cache=True)
def _fill_spinor(p: Array, mass: float, anti: bool, out: Complex) -> None:
    """Fill out[chirality] with the spinors u(p), or v(p) for an antiparticle of momentum p, each (L, L, R, R)."""
    k = np.sqrt(p[1] ** 2 + p[2] ** 2 + p[3] ** 2)
    large = np.sqrt(p[0] + k)
    small = mass / large
    # the spinor with its spin along the momentum, with a phase that is finite in either hemisphere
    if p[3] > 0:
        norm = np.sqrt(2 * k * (k + p[3]))
        up, down = (k + p[3]) / norm + 0j, (p[1] + 1j * p[2]) / norm
    else:
        norm = np.sqrt(2 * k * (k - p[3]))
        up, down = (p[1] - 1j * p[2]) / norm, (k - p[3]) / norm + 0j
    sign = -1.0 if anti else 1.0
    out[1, 0], out[1, 1], out[1, 2], out[1, 3] = small * up, small * down, sign * large * up, sign * large * down
    up, down = -down.conjugate(), up.conjugate()
    out[0, 0], out[0, 1], out[0, 2], out[0, 3] = large * up, large * down, sign * small * up, sign * small * down


@njit(cache=True)
def _current(row: Bispinor, psi: Bispinor, q: P4, q2: float) -> Vector:
    """Return the four components of the current row gamma^mu psi over q^2.

    A multiple of q is taken off nearly real photons: it adds nothing, by current conservation, but large numbers.
    """
    j0, j1, j2, j3 = vector_current(row, psi)
    shift = j0 / q[0] if abs(q2) < NEARLY_REAL * q[0] ** 2 else 0j
    return (j0 - shift * q[0]) / q2, (j1 - shift * q[1]) / q2, (j2 - shift * q[2]) / q2, (j3 - shift * q[3]) / q2


@njit(cache=True)
def _row(ubar: Complex, i: int, chirality: int) -> Bispinor:
    """Return the row of an outgoing line, from the spinors of all."""
    psi = ubar[i, chirality]
    return bar((psi[0], psi[1], psi[2], psi[3]))


@njit(cache=True)
def correction(
    electron: P4, positron: P4, e1: P4, e2: P4, plus: P4, minus: P4, mass: float, same: bool, work: Workspace
) -> float:
    """Return the square of the sum of diagrams over that of the multiperipheral ones, both summed over spins.

    Each of the four ways to connect four electrons has multiperipheral diagrams. Their squares are added without
    interference: where events are drawn from the square of one way, this weighs them to the whole rate, with the factor
    1/4 for two pairs of identical particles.

    Parameters
    ----------
    electron, positron
        Beam momenta [GeV].
    e1, e2, plus, minus
        Scattered electron and positron, l+ and l- [GeV].
    mass
        Mass of l [GeV].
    same
        Whether l is an electron.
    work
        From `workspace`.
    """
    start, end, _, u, ubar, _, _, amplitude = work
    for mu in range(4):
        start[0, mu], start[1, mu], start[2, mu] = electron[mu], e2[mu], plus[mu]
        end[0, mu], end[1, mu], end[2, mu] = e1[mu], positron[mu], minus[mu]
    for i in range(3):
        m = mass if i == 2 else M_ELECTRON
        _fill_spinor(start[i], m, i > 0, u[i])
        _fill_spinor(end[i], m, i == 1, ubar[i])
    # momenta along the lines
    for mu in range(4):
        start[1, mu], start[2, mu], end[1, mu] = -start[1, mu], -start[2, mu], -end[1, mu]
    _fill_emission(same, mass, work)
    amplitude[:] = 0
    multiperipheral = 0.0
    for n in range(SIGNS.size if same else 1):
        ends = CONNECTIONS[n]
        for middle in range(3):
            square = _add(ends, middle, SIGNS[n], mass, work)
            if middle != 0 and ends[middle] != 1:
                multiperipheral += square
    total = 0.0
    for i in range(64):
        total += amplitude[i].real ** 2 + amplitude[i].imag ** 2
    return total / multiperipheral


@njit(cache=True)
def _fill_emission(same: bool, mass: float, work: Workspace) -> None:
    """Fill, for the photon of each line from i to j, the other starts after they absorb it, the other ends before."""
    start, end, q2, u, ubar, phi, psi, _ = work
    for i in range(3):
        for j in range(3):
            if (i == 0 and j == 1) or (not same and i != j):
                continue
            q = (
                start[i, 0] - end[j, 0],
                start[i, 1] - end[j, 1],
                start[i, 2] - end[j, 2],
                start[i, 3] - end[j, 3],
            )
            q2[i, j] = q[0] ** 2 - q[1] ** 2 - q[2] ** 2 - q[3] ** 2
            flips = abs(q2[i, j]) < CONSERVED * (mass if i == 2 else M_ELECTRON) ** 2
            for a in range(2):
                for b in range(2):
                    if a != b and not flips:
                        continue
                    current = _current(_row(ubar, j, b), (u[i, a, 0], u[i, a, 1], u[i, a, 2], u[i, a, 3]), q, q2[i, j])
                    for line in range(3):
                        if line != i:
                            m = mass if line == 2 else M_ELECTRON
                            k0, k1 = start[line, 0] + q[0], start[line, 1] + q[1]
                            k2, k3 = start[line, 2] + q[2], start[line, 3] + q[3]
                            d = 1 / (k0 * k0 - k1 * k1 - k2 * k2 - k3 * k3 - m * m)
                            for c in range(2):
                                x = slash(current, (u[line, c, 0], u[line, c, 1], u[line, c, 2], u[line, c, 3]))
                                y = slash((k0 + 0j, k1 + 0j, k2 + 0j, k3 + 0j), x)
                                phi[line, i, j, c, a, b, 0] = (y[0] + m * x[0]) * d
                                phi[line, i, j, c, a, b, 1] = (y[1] + m * x[1]) * d
                                phi[line, i, j, c, a, b, 2] = (y[2] + m * x[2]) * d
                                phi[line, i, j, c, a, b, 3] = (y[3] + m * x[3]) * d
                        if line != j:
                            for c in range(2):
                                x = row_slash(_row(ubar, line, c), current)
                                psi[line, i, j, c, a, b, 0], psi[line, i, j, c, a, b, 1] = x[0], x[1]
                                psi[line, i, j, c, a, b, 2], psi[line, i, j, c, a, b, 3] = x[2], x[3]


@njit(cache=True)
def _add(ends: NDArray[np.int64], middle: int, sign: float, mass: float, work: Workspace) -> float:
    """Add the diagrams in which the line from start `middle` absorbs the photons of the others; return their square.

    The bits of the number of an amplitude are the chiralities of the three starts, then of the three ends.
    """
    _, _, q2, _, _, all_phi, all_psi, amplitude = work
    i, j = (middle + 1) % 3, (middle + 2) % 3
    ei, ej, em = ends[i], ends[j], ends[middle]
    phi_i, phi_j = all_phi[middle, i, ei], all_phi[middle, j, ej]
    psi_i, psi_j = all_psi[em, i, ei], all_psi[em, j, ej]
    flips_i = abs(q2[i, ei]) < CONSERVED * (mass if i == 2 else M_ELECTRON) ** 2
    flips_j = abs(q2[j, ej]) < CONSERVED * (mass if j == 2 else M_ELECTRON) ** 2
    square = 0.0
    for a in range(2):
        for b in range(2):
            if a != b and not flips_i:
                continue
            bits_i = (a << i) + (8 * b << ei)
            for c in range(2):
                for d in range(2):
                    if c != d and not flips_j:
                        continue
                    bits = bits_i + (c << j) + (8 * d << ej)
                    for s in range(2):
                        i0, i1, i2, i3 = phi_i[s, a, b, 0], phi_i[s, a, b, 1], phi_i[s, a, b, 2], phi_i[s, a, b, 3]
                        j0, j1, j2, j3 = phi_j[s, c, d, 0], phi_j[s, c, d, 1], phi_j[s, c, d, 2], phi_j[s, c, d, 3]
                        for t in range(2):
                            value = psi_j[t, c, d, 0] * i0 + psi_j[t, c, d, 1] * i1
                            value += psi_j[t, c, d, 2] * i2 + psi_j[t, c, d, 3] * i3
                            value += psi_i[t, a, b, 0] * j0 + psi_i[t, a, b, 1] * j1
                            value += psi_i[t, a, b, 2] * j2 + psi_i[t, a, b, 3] * j3
                            amplitude[bits + (s << middle) + (8 * t << em)] += sign * value
                            square += value.real**2 + value.imag**2
    return square
