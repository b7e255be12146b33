"""One tau decay at a time, in compiled loops: products and polarimeter vector.

The leptonic modes are the V-A matrix element with the lepton's mass, pi and K are two-body, rho and a1 follow the
currents of Kuehn and Santamaria, K pi is the vector current of the K*(892); what is left is spread evenly over phase
space, without polarimeter.

References
----------
J. H. Kuehn, A. Santamaria, Z. Phys. C 48 (1990) 445, "Tau decays to pions" (KS below).
S. Jadach, J. H. Kuehn, Z. Was, Comput. Phys. Commun. 64 (1991) 275, "TAUOLA" (TAUOLA below).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bumphunt.compilation import njit
from bumphunt.constants import M_TAU
from bumphunt.kinematics.compiled import P4, boost_from_rest, breakup_momentum, minkowski
from bumphunt.montecarlo.amplitudes.tau_spectra import rho_current_at
from bumphunt.montecarlo.phase_space.decays import direction, many_body, two_body
from bumphunt.montecarlo.processes.taus.modes import (
    A1_ONE_PRONG,
    A1_THREE_PRONG,
    K0_PI,
    K_PI0,
    MU,
    PI,
    RHO,
    E,
    K,
)

__all__ = ["one_decay"]

Array = NDArray[np.float64]


@njit(cache=True)
def _null_vector(a: P4, b: P4, n: P4) -> P4:
    """Return Pi - gamma Pi5 of the current J = a + i b and the neutrino n for tau- (TAUOLA eq. 3.7): light-like.

    Its time component in the tau rest frame is the rate, its direction the polarimeter.
    """
    an, bn, square = minkowski(a, n), minkowski(b, n), minkowski(a, a) + minkowski(b, b)
    # Pi5: the vector orthogonal to a, b and n, (a.(b x n), a0 b x n + b0 n x a + n0 a x b)
    bxn = (b[2] * n[3] - b[3] * n[2], b[3] * n[1] - b[1] * n[3], b[1] * n[2] - b[2] * n[1])
    nxa = (n[2] * a[3] - n[3] * a[2], n[3] * a[1] - n[1] * a[3], n[1] * a[2] - n[2] * a[1])
    axb = (a[2] * b[3] - a[3] * b[2], a[3] * b[1] - a[1] * b[3], a[1] * b[2] - a[2] * b[1])
    v0 = a[1] * bxn[0] + a[2] * bxn[1] + a[3] * bxn[2]
    v1 = a[0] * bxn[0] + b[0] * nxa[0] + n[0] * axb[0]
    v2 = a[0] * bxn[1] + b[0] * nxa[1] + n[0] * axb[1]
    v3 = a[0] * bxn[2] + b[0] * nxa[2] + n[0] * axb[2]
    return (
        4 * (an * a[0] + bn * b[0]) - 2 * square * n[0] - 4 * v0,
        4 * (an * a[1] + bn * b[1]) - 2 * square * n[1] - 4 * v1,
        4 * (an * a[2] + bn * b[2]) - 2 * square * n[2] - 4 * v2,
        4 * (an * a[3] + bn * b[3]) - 2 * square * n[3] - 4 * v3,
    )


@njit(cache=True)
def _leptonic_decay(m_lepton: float, q2: float, rng: np.random.Generator) -> tuple[P4, P4, P4]:
    """Return lepton, its antineutrino and nu_tau: (l nu_tau) of mass^2 q2 decays isotropically."""
    q = np.sqrt(q2)
    antineutrino, pair = two_body(M_TAU, 0.0, q, rng)
    lepton, neutrino = two_body(q, m_lepton, 0.0, rng)
    return boost_from_rest(lepton, pair, q), antineutrino, boost_from_rest(neutrino, pair, q)


@njit(cache=True)
def _vector_decay(m1: float, m2: float, q2: float, rng: np.random.Generator) -> tuple[P4, P4, P4, P4]:
    """Return two mesons of masses m1, m2 from a rho or K*, the neutrino and the light-like vector."""
    q = np.sqrt(q2)
    hadrons, neutrino = two_body(M_TAU, q, 0.0, rng)
    k = breakup_momentum(q, m1, m2)
    norm = np.sqrt(neutrino[1] ** 2 + neutrino[2] ** 2 + neutrino[3] ** 2)
    while True:
        x, y, z = direction(rng)
        cos = (x * neutrino[1] + y * neutrino[2] + z * neutrino[3]) / norm
        # longitudinal to transverse: m_tau^2 cos^2 + q^2 sin^2
        if M_TAU**2 * rng.random() < q2 + (M_TAU**2 - q2) * cos * cos:
            break
    e = np.sqrt(k * k + m1 * m1)
    first = boost_from_rest((e, k * x, k * y, k * z), hadrons, q)
    second = boost_from_rest((q - e, -k * x, -k * y, -k * z), hadrons, q)
    current = boost_from_rest((0.0, k * x, k * y, k * z), hadrons, q)
    return first, second, neutrino, _null_vector(current, (0.0, 0.0, 0.0, 0.0), neutrino)


@njit(cache=True)
def _dalitz_point(
    q: float, masses: tuple[float, float, float], bound: float, rng: np.random.Generator
) -> tuple[float, float, float, complex, complex]:
    """Return |k1|, |k2|, cos(k1, k2) and the factors of k1 and k2 in the current, drawn by |J|^2 (KS eq. 3.5)."""
    m1, m2, m3 = masses
    low1, low2 = (m2 + m3) ** 2, (m1 + m3) ** 2
    span1, span2 = (q - m1) ** 2 - low1, (q - m2) ** 2 - low2
    while True:
        s1 = low1 + span1 * rng.random()
        s2 = low2 + span2 * rng.random()
        e1 = (q * q + m1 * m1 - s1) / (2 * q)
        e2 = (q * q + m2 * m2 - s2) / (2 * q)
        e3 = q - e1 - e2
        k1, k2, k3 = e1 * e1 - m1 * m1, e2 * e2 - m2 * m2, e3 * e3 - m3 * m3
        dot = (k3 - k1 - k2) / 2
        if e3 < m3 or k1 <= 0 or k2 <= 0 or dot * dot > k1 * k2:
            continue
        f1, f2 = rho_current_at(s2), rho_current_at(s1)
        a, b = 2 * f1 + f2, 2 * f2 + f1
        density = abs(a) ** 2 * k1 + abs(b) ** 2 * k2 + 2 * (a * b.conjugate()).real * dot
        if bound * rng.random() < density:
            return np.sqrt(k1), np.sqrt(k2), dot / np.sqrt(k1 * k2), a, b


@njit(cache=True)
def _a1_decay(
    masses: tuple[float, float, float], q2: float, bound: float, rng: np.random.Generator
) -> tuple[P4, P4, P4, P4, P4]:
    """Return the three pions (the third is the unlike one), the neutrino and the light-like vector."""
    q = np.sqrt(q2)
    hadrons, neutrino = two_body(M_TAU, q, 0.0, rng)
    k1, k2, cos12, a, b = _dalitz_point(q, masses, bound, rng)
    size = abs(a) ** 2 * k1**2 + abs(b) ** 2 * k2**2 + 2 * (a * b.conjugate()).real * k1 * k2 * cos12
    sin12 = np.sqrt(max(1 - cos12 * cos12, 0.0))
    while True:
        u = direction(rng)
        w = direction(rng)
        # v: a unit vector orthogonal to u at a random azimuth
        c = u[0] * w[0] + u[1] * w[1] + u[2] * w[2]
        norm = np.sqrt(max(1 - c * c, 1e-30))
        v = ((w[0] - c * u[0]) / norm, (w[1] - c * u[1]) / norm, (w[2] - c * u[2]) / norm)
        p1 = (np.sqrt(k1**2 + masses[0] ** 2), k1 * u[0], k1 * u[1], k1 * u[2])
        c2, s2 = k2 * cos12, k2 * sin12
        p2 = (
            np.sqrt(k2**2 + masses[1] ** 2),
            c2 * u[0] + s2 * v[0],
            c2 * u[1] + s2 * v[1],
            c2 * u[2] + s2 * v[2],
        )
        real = (0.0, a.real * p1[1] + b.real * p2[1], a.real * p1[2] + b.real * p2[2], a.real * p1[3] + b.real * p2[3])
        imaginary = (
            0.0,
            a.imag * p1[1] + b.imag * p2[1],
            a.imag * p1[2] + b.imag * p2[2],
            a.imag * p1[3] + b.imag * p2[3],
        )
        null = _null_vector(boost_from_rest(real, hadrons, q), boost_from_rest(imaginary, hadrons, q), neutrino)
        # rate (m_tau^2 - Q^2)/m_tau (L m_tau^2/Q^2 + T), L and T the parts of |J|^2 along and across the neutrino
        largest = (M_TAU**2 - q2) * max(M_TAU**2 / q2, 2.0) * size / M_TAU
        if largest * rng.random() < null[0]:
            break
    p3 = (q - p1[0] - p2[0], -p1[1] - p2[1], -p1[2] - p2[2], -p1[3] - p2[3])
    return (
        boost_from_rest(p1, hadrons, q),
        boost_from_rest(p2, hadrons, q),
        boost_from_rest(p3, hadrons, q),
        neutrino,
        null,
    )


@njit(cache=True)
def one_decay(
    mode: int, q2: float, bound: float, masses: Array, rng: np.random.Generator, out: Array
) -> tuple[float, float, float]:
    """Fill out with the products of one decay of a tau- at rest, and return its polarimeter.

    Parameters
    ----------
    mode
        Position in `modes.MODES`.
    q2
        Squared mass of the hadrons, or of lepton and nu_tau, where the mode has such [GeV^2].
    bound
        Bound of the squared current over the Dalitz plot of three pions, or `largest_weight` of the phase space.
    masses
        Masses of the products [GeV], the neutrino last.
    rng
        Source of randomness.
    out
        Where the momenta go [GeV], in the order of the products.
    """
    if mode in (E, MU):
        lepton, antineutrino, neutrino = _leptonic_decay(masses[0], q2, rng)
        out[0] = lepton
        out[1] = antineutrino
        out[2] = neutrino
        # (tau - m s).nubar: the antineutrino goes along the spin
        return antineutrino[1] / antineutrino[0], antineutrino[2] / antineutrino[0], antineutrino[3] / antineutrino[0]
    if mode in (PI, K):
        meson, neutrino = two_body(M_TAU, masses[0], 0.0, rng)
        out[0] = meson
        out[1] = neutrino
        return -neutrino[1] / neutrino[0], -neutrino[2] / neutrino[0], -neutrino[3] / neutrino[0]
    if mode in (RHO, K_PI0, K0_PI):
        first, second, neutrino, null = _vector_decay(masses[0], masses[1], q2, rng)
        out[0] = first
        out[1] = second
        out[2] = neutrino
        return null[1] / null[0], null[2] / null[0], null[3] / null[0]
    if mode in (A1_ONE_PRONG, A1_THREE_PRONG):
        p1, p2, p3, neutrino, null = _a1_decay((masses[0], masses[1], masses[2]), q2, bound, rng)
        out[0] = p1
        out[1] = p2
        out[2] = p3
        out[3] = neutrino
        return null[1] / null[0], null[2] / null[0], null[3] / null[0]
    many_body(M_TAU, masses, bound, rng, out)
    return 0.0, 0.0, 0.0
