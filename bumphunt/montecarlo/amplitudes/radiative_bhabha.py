"""The matrix element of e+e- -> e+e- gamma at tree level, with the electron mass.

All eight diagrams, photons from four legs in s and t channel, evaluated for every helicity. It holds where compact
formulae for massless electrons do not: photons within m/E of a leg, electrons scattered by m/E or less.

References
----------
F. A. Berends, R. Kleiss, P. De Causmaecker, R. Gastmans, W. Troost, T. T. Wu, Nucl. Phys. B 206 (1982) 61: the massless
limit, which the tests compare with.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bumphunt.compilation import njit
from bumphunt.constants import M_ELECTRON
from bumphunt.kinematics.compiled import P4, massless_product
from bumphunt.montecarlo.amplitudes.spinors import (
    Spinor,
    antiparticle_spinor,
    contract,
    current,
    helicity_spinor,
    particle_spinor,
    photon_after,
    photon_before,
    transverse_product,
)
from bumphunt.montecarlo.amplitudes.vacuum_polarisation import running

__all__ = ["Invariants", "invariants", "squared_amplitude", "work_space"]

Work = tuple[NDArray[np.complex128], NDArray[np.complex128]]
Invariants = tuple[float, float, float, float, float, float, float, float, float, float]
"""s, s', t1, t2, u1, u2 and the products of k with p1, p2, q1, q2 [GeV^2]; see `invariants`."""


@njit(cache=True)
def _transfer(p: P4, q: P4) -> float:
    """Return -(p - q)^2 of two electrons, without cancellation where they are collinear; p is along the z axis."""
    norm = np.sqrt(q[1] * q[1] + q[2] * q[2] + q[3] * q[3])
    z = q[3] if p[3] > 0 else -q[3]
    p_norm = abs(p[3])
    along = 2 * M_ELECTRON**2 * (p[0] - q[0]) ** 2 / (p[0] * q[0] + p_norm * norm - M_ELECTRON**2)
    versine = (q[1] * q[1] + q[2] * q[2]) / (norm + z) if z > 0 else norm - z
    return along + 2 * p_norm * versine


@njit(cache=True)
def invariants(p1: P4, p2: P4, q1: P4, q2: P4, k: P4) -> Invariants:
    """Return the invariants of e-(p1) e+(p2) -> e-(q1) e+(q2) gamma(k), all positive.

    Parameters
    ----------
    p1, p2
        Beams along +z and -z [GeV].
    q1, q2
        Electron and positron after scattering [GeV].
    k
        The photon [GeV].

    Returns
    -------
    tuple of float
        s = (p1 + p2)^2, s' = (q1 + q2)^2, t1 = -(p1 - q1)^2, t2 = -(p2 - q2)^2, u1 = -(p1 - q2)^2, u2 = -(p2 - q1)^2,
        p1.k, p2.k, q1.k, q2.k [GeV^2].
    """
    s = (p1[0] + p2[0]) ** 2
    return (
        s,
        s - 2 * (p1[0] + p2[0]) * k[0],
        _transfer(p1, q1),
        _transfer(p2, q2),
        _transfer(p1, q2),
        _transfer(p2, q1),
        massless_product(p1, k, M_ELECTRON),
        massless_product(p2, k, M_ELECTRON),
        massless_product(q1, k, M_ELECTRON),
        massless_product(q2, k, M_ELECTRON),
    )


@njit(cache=True)
def work_space() -> Work:
    """Return the arrays `squared_amplitude` works in: spinors and currents."""
    return np.empty((8, 2, 4), dtype=np.complex128), np.empty((8, 2, 2, 4), dtype=np.complex128)


@njit(cache=True)
def _spinors(
    legs: tuple[P4, P4, P4, P4], omega: float, x: Invariants, plus: Spinor, minus: Spinor, psi: NDArray[np.complex128]
) -> None:
    """Fill psi: the spinors of p1, p2, q1, q2, and the same after emission, over the denominators.

    The photon has the energy `omega` and the helicity spinors `plus` and `minus`.
    """
    p1, p2, q1, q2 = legs
    e1, e2 = transverse_product(p1, plus, minus), transverse_product(p2, plus, minus)
    f1, f2 = transverse_product(q1, plus, minus), transverse_product(q2, plus, minus)
    for h in range(2):
        positive = h == 0
        u1 = particle_spinor(p1, M_ELECTRON, positive)
        v2 = antiparticle_spinor(p2, M_ELECTRON, positive)
        w1 = particle_spinor(q1, M_ELECTRON, positive)
        w2 = antiparticle_spinor(q2, M_ELECTRON, positive)
        a1 = photon_before(u1, 2 * e1, omega, plus, minus, True)
        a2 = photon_after(v2, -2 * e2, omega, plus, minus, True)
        b1 = photon_after(w1, 2 * f1, omega, plus, minus, True)
        b2 = photon_before(w2, -2 * f2, omega, plus, minus, True)
        for j in range(4):
            psi[0, h, j], psi[1, h, j], psi[2, h, j], psi[3, h, j] = u1[j], v2[j], w1[j], w2[j]
            psi[4, h, j], psi[5, h, j] = -a1[j] / (2 * x[6]), -a2[j] / (2 * x[7])
            psi[6, h, j], psi[7, h, j] = b1[j] / (2 * x[8]), b2[j] / (2 * x[9])


@njit(cache=True)
def _line(psi: NDArray[np.complex128], left: int, right: int, at: int, out: NDArray[np.complex128]) -> None:
    """Fill out[at] with the currents of a fermion line, out[at + 4] with its photon emitted at either end."""
    for i in range(2):
        a, a_k = psi[left, i], psi[left + 4, i]
        bar, bar_k = (a[0], a[1], a[2], a[3]), (a_k[0], a_k[1], a_k[2], a_k[3])
        for j in range(2):
            b, b_k = psi[right, j], psi[right + 4, j]
            ket, ket_k = (b[0], b[1], b[2], b[3]), (b_k[0], b_k[1], b_k[2], b_k[3])
            bare, first, second = current(bar, ket), current(bar_k, ket), current(bar, ket_k)
            for m in range(4):
                out[at, i, j, m] = bare[m]
                out[at + 4, i, j, m] = first[m] + second[m]


@njit(cache=True)
def _summed_square(flow: NDArray[np.complex128], x: Invariants) -> float:
    """Return the sum over the helicities of the electrons, from the currents of the four fermion lines."""
    at_t1, at_t2 = -running(-x[2]) / x[2], -running(-x[3]) / x[3]
    at_s, at_s_after = running(x[0]) / x[0], running(x[1]) / x[1]
    total = 0.0
    for a in range(2):  # q1
        for b in range(2):  # p1
            electron, electron_k = flow[0, a, b], flow[4, a, b]
            for c in range(2):  # p2
                begin, begin_k = flow[2, c, b], flow[6, c, b]
                for d in range(2):  # q2
                    positron, positron_k = flow[1, c, d], flow[5, c, d]
                    end, end_k = flow[3, a, d], flow[7, a, d]
                    amplitude = (
                        at_t2 * _dot(electron_k, positron)
                        + at_t1 * _dot(electron, positron_k)
                        - at_s_after * _dot(begin_k, end)
                        - at_s * _dot(begin, end_k)
                    )
                    total += amplitude.real**2 + amplitude.imag**2
    return total


@njit(cache=True)
def _dot(v: NDArray[np.complex128], w: NDArray[np.complex128]) -> complex:
    """Return `contract` of two rows."""
    return contract((v[0], v[1], v[2], v[3]), (w[0], w[1], w[2], w[3]))


@njit(cache=True)
def squared_amplitude(p1: P4, p2: P4, q1: P4, q2: P4, k: P4, x: Invariants, work: Work) -> float:
    """Return sum |M|^2 / e^6 [GeV^-2] over all spins, with the running of alpha in every propagator.

    Parameters
    ----------
    p1, p2, q1, q2, k
        Momenta as in `invariants`, in any frame.
    x
        Their `invariants`.
    work
        Arrays of `work_space`.
    """
    psi, flow = work
    plus, minus = helicity_spinor(k, True), helicity_spinor(k, False)
    _spinors((p1, p2, q1, q2), k[0], x, plus, minus, psi)
    _line(psi, 2, 0, 0, flow)
    _line(psi, 1, 3, 1, flow)
    _line(psi, 1, 0, 2, flow)
    _line(psi, 2, 3, 3, flow)
    return 2 * _summed_square(flow, x)
