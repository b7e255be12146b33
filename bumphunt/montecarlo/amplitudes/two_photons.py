"""The multiperipheral diagrams e+e- -> e+e- l+ l-: gamma* gamma* -> l+ l- with photons of any virtuality.

Use it as the matrix element of two-photon lepton pairs. Electrons and leptons keep their masses and all correlations in
azimuth; the only approximation is the choice of diagrams (no bremsstrahlung, no exchange, no Z).

Each electron tensor, summed over spins, is written in the helicity basis of the two photons, where current conservation
has removed the large components that would cancel against each other:

    L = v v^T + Q^2 (e1 e1 + e2 e2) - Q^4/X l l,  v = P_T + Q^2 (P.q')/X l,  P = p + p',  l = q',

with q' the other photon and X = (q1.q2)^2 - q1^2 q2^2.

References
----------
V. M. Budnev, I. F. Ginzburg, G. V. Meledin, V. G. Serbo, Phys. Rep. 15 (1975) 181 (BGMS below), section 5.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bumphunt.compilation import njit

__all__ = ["electron_tensor", "squared_amplitude"]

Array = NDArray[np.float64]
Matrix = tuple[complex, complex, complex, complex]


@njit(cache=True)
def _product(a: Matrix, b: Matrix) -> Matrix:
    """Return the product of two 2x2 matrices."""
    return (
        a[0] * b[0] + a[1] * b[2],
        a[0] * b[1] + a[1] * b[3],
        a[2] * b[0] + a[3] * b[2],
        a[2] * b[1] + a[3] * b[3],
    )


@njit(cache=True)
def _slash(t: float, x: float, y: float, z: float) -> Matrix:
    """Return t + x sigma_x + y sigma_y + z sigma_z."""
    return t + z + 0j, x - 1j * y, x + 1j * y, t - z + 0j


@njit(cache=True)
def electron_tensor(virtuality: float, pq: float, x: float, mass: float, cos: float, sin: float) -> Array:
    """Return the spin-averaged electron tensor [GeV^2], shape (3, 3), in the basis e1, e2, l (see the module).

    Parameters
    ----------
    virtuality
        Q^2 of the electron's photon [GeV^2].
    pq
        Product of P = p + p' with the other photon's momentum [GeV^2].
    x
        (q1.q2)^2 - q1^2 q2^2 [GeV^4].
    mass
        Electron mass [GeV].
    cos, sin
        Cosine and sine of the azimuth of P about the photon axis, from e1 to e2.
    """
    # BGMS eq. 5.13: P_T^2 = 2 Q^2 (rho^++ - 1)
    pt = np.sqrt(max(virtuality * (pq * pq / x - 1) - 4 * mass * mass, 0.0))
    v = np.array([pt * cos, pt * sin, virtuality * pq / x])
    tensor = np.outer(v, v)
    tensor[0, 0] += virtuality
    tensor[1, 1] += virtuality
    tensor[2, 2] -= virtuality**2 / x
    return tensor


@njit(cache=True)
def _amplitudes(
    w: float, virtuality1: float, virtuality2: float, cos: float, mass: float, out: NDArray[np.complex128]
) -> None:
    """Fill out[spins, a, b] with ubar(k-) [a S(k- - q1) b + b S(k- - q2) a] v(k+) in the pair's rest frame.

    The l- flies along z, the first photon has the angle `cos` in the x-z plane; a is e1, e2 or q2, b is e1, e2 or q1.
    """
    e, p = w / 2, np.sqrt(w * w / 4 - mass * mass)
    sin = np.sqrt(max(1 - cos * cos, 0.0))
    omega1 = (w * w - virtuality1 + virtuality2) / (2 * w)
    omega2 = w - omega1
    q = np.sqrt(omega1 * omega1 + virtuality1)
    e1, e2 = (0.0, cos, 0.0, -sin), (0.0, 0.0, 1.0, 0.0)
    q1, q2 = (omega1, q * sin, 0.0, q * cos), (omega2, -q * sin, 0.0, -q * cos)
    first, second = (e1, e2, q2), (e1, e2, q1)
    small, large = np.sqrt(max(e - p, 0.0)), np.sqrt(e + p)
    # chiral representation; spinors of k- along z and k+ along -z are diagonal in spin
    ul, ur = (small, large), (large, small)
    vl, vr = (large, small), (-small, -large)
    d1 = -virtuality1 - 2 * (e * omega1 - p * q * cos)
    d2 = -virtuality2 - 2 * (e * omega2 + p * q * cos)
    for i in range(3):
        a = first[i]
        for j in range(3):
            b = second[j]
            for s in range(4):
                out[s, i, j] = 0.0
            for order in range(2):
                left, right = (a, b) if order == 0 else (b, a)
                photon, d = (q1, d1) if order == 0 else (q2, d2)
                k = (e - photon[0], -photon[1], -photon[2], p - photon[3])
                lp, lm = _slash(*left), _slash(left[0], -left[1], -left[2], -left[3])
                rp, rm = _slash(*right), _slash(right[0], -right[1], -right[2], -right[3])
                kp, km = _slash(*k), _slash(k[0], -k[1], -k[2], -k[3])
                up3, up2 = _product(lm, _product(kp, rm)), _product(lm, rp)
                low3, low2 = _product(lp, _product(km, rp)), _product(lp, rm)
                for s in range(2):
                    for t in range(2):
                        at = 2 * s + t
                        upper = up3[at] * vr[t] + mass * up2[at] * vl[t]
                        lower = low3[at] * vl[t] + mass * low2[at] * vr[t]
                        out[at, i, j] += (ur[s] * upper + ul[s] * lower) / d


@njit(cache=True)
def squared_amplitude(
    w: float,
    virtuality1: float,
    virtuality2: float,
    cos: float,
    mass: float,
    tensor1: Array,
    tensor2: Array,
    out: NDArray[np.complex128],
) -> float:
    """Return L1 L2 T T* [GeV^4], summed over the lepton spins, without couplings and photon propagators.

    Parameters
    ----------
    w
        Mass of the lepton pair [GeV].
    virtuality1, virtuality2
        Q^2 of the photons [GeV^2].
    cos
        Cosine of the angle of the l- to the first photon in the pair's rest frame.
    mass
        Lepton mass [GeV].
    tensor1, tensor2
        Electron tensors from `electron_tensor`, shape (3, 3); in the pair's rest frame e2 is along k x q1 and e1 along
        e2 x q1, k the momentum of the l-.
    out
        Work space, shape (4, 3, 3).
    """
    _amplitudes(w, virtuality1, virtuality2, cos, mass, out)
    total = 0.0
    for s in range(4):
        for i in range(3):
            for j in range(3):
                # (L1 T L2)_ij
                part = 0j
                for k in range(3):
                    row = 0j
                    for m in range(3):
                        row += out[s, k, m] * tensor2[m, j]
                    part += tensor1[i, k] * row
                total += (out[s, i, j].conjugate() * part).real
    return total
