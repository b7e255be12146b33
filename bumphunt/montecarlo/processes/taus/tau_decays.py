"""Tau decays at rest with the PDG's main modes and the polarimeter vector of each decay.

Use it through `bumphunt.montecarlo.processes.taus.tautau`; alone it makes decays of unpolarised tau- at rest. Every
decay comes with its polarimeter h: a tau- of unit spin vector s decays into this configuration at the rate 1 + s.h, so
that spin effects need no further matrix element. For a tau+ take the mirror image (all three-momenta reversed) of a
tau- decay and the same h (CP).

The leptonic modes are the V-A matrix element with the lepton's mass, pi and K are two-body, rho and a1 follow the
currents of Kuehn and Santamaria, K pi is the vector current of the K*(892); what is left is spread evenly over phase
space, without polarimeter. K0_L leave no track and no photon; K0_S are not made: the remaining one-prong decays stand
in the mode "pi 2pi0 rest", the other three-prong ones in "3pi pi0" and "K 2pi".

References
----------
J. H. Kuehn, A. Santamaria, Z. Phys. C 48 (1990) 445, "Tau decays to pions" (KS below).
S. Jadach, J. H. Kuehn, Z. Was, Comput. Phys. Commun. 64 (1991) 275, "TAUOLA" (TAUOLA below).
R. L. Workman et al. (Particle Data Group), PTEP 2022, 083C01: branching fractions.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bumphunt.constants import M_ELECTRON, M_KAON, M_KAON0, M_MUON, M_PION, M_PION0, M_TAU
from bumphunt.errors import InputError
from bumphunt.montecarlo.amplitudes.tau_spectra import (
    a1_spectrum,
    cumulative,
    kstar_spectrum,
    leptonic_spectrum,
    phase_space_maximum,
    rho_current_at,
    rho_spectrum,
)
from bumphunt.montecarlo.scalar_kinematics import (
    P4,
    boost_from_rest,
    breakup_momentum,
    direction,
    minkowski,
    phase_space,
    two_body,
)

__all__ = [
    "ENRICHMENTS",
    "MAX_PRODUCTS",
    "MODES",
    "Decays",
    "Mode",
    "decay_at_rest",
    "mode_probabilities",
    "sample_modes",
]

Array = NDArray[np.float64]

MAX_PRODUCTS = 6
"""Most final-state particles of one tau, neutrino and photons included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """One decay mode of the tau-.

    Parameters
    ----------
    name
        Short name.
    fraction
        Branching fraction; those of `MODES` add to one.
    products
        PDG ids of the decay products, neutrino last, pi0 undecayed.
    """

    name: str
    fraction: float
    products: tuple[int, ...]


# PDG 2022. "3pi" holds K0_S -> pi pi; "3pi pi0" the other three- and five-prong modes, "K 2pi" also K K pi.
MODES: tuple[Mode, ...] = (
    Mode(name="e", fraction=0.1782, products=(11, -12, 16)),
    Mode(name="mu", fraction=0.1739, products=(13, -14, 16)),
    Mode(name="pi", fraction=0.1082, products=(-211, 16)),
    Mode(name="K", fraction=0.0070, products=(-321, 16)),
    Mode(name="rho", fraction=0.2549, products=(-211, 111, 16)),
    Mode(name="pi 2pi0", fraction=0.0926, products=(111, 111, -211, 16)),
    Mode(name="3pi", fraction=0.0931, products=(-211, -211, 211, 16)),
    Mode(name="K pi0", fraction=0.0043, products=(-321, 111, 16)),
    Mode(name="K0L pi", fraction=0.0042, products=(130, -211, 16)),
    Mode(name="3pi pi0", fraction=0.0547, products=(-211, -211, 211, 111, 16)),
    Mode(name="K 2pi", fraction=0.0044, products=(-321, -211, 211, 16)),
    Mode(name="pi 2pi0 rest", fraction=0.0245, products=(-211, 111, 111, 16)),
)
"""Decay modes of the tau-."""

GRID = 4001
"""Points of the tabulated mass spectra."""

_E, _MU, _PI, _K, _RHO, _A1_ONE_PRONG, _A1_THREE_PRONG, _K_PI0, _K0_PI = range(9)

ENRICHMENTS: Mapping[str, Mapping[str, float]] = {
    "none": {},
    # For searches with two muon candidates: 71 % mu, 11 % pi (which fakes a muon), 18 % the rest as in nature.
    "muon": {"mu": 16.0, "pi": 4.0},
    # For an electron and a muon candidate: 42 % e, 41 % mu, 6 % pi, 11 % the rest.
    "emu": {"e": 12.0, "mu": 12.0, "pi": 3.0},
}
"""Named factors by which modes are over-represented (and then weighted down)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decays:
    """Decays of unpolarised tau- at rest.

    Parameters
    ----------
    pdgid
        PDG ids, shape (N, MAX_PRODUCTS); 0 marks an empty slot.
    p4
        Four-momenta in the rest frame [GeV], shape (N, MAX_PRODUCTS, 4).
    polarimeter
        Vector h of the rate 1 + s.h for spin s, shape (N, 3); at most of unit length.
    """

    pdgid: NDArray[np.int32]
    p4: Array
    polarimeter: Array


def mode_probabilities(enrichment: Mapping[str, float] | str) -> Array:
    """Return the probabilities with which the modes are drawn, shape (len(MODES),).

    Parameters
    ----------
    enrichment
        A name of `ENRICHMENTS`, or factors by mode name; modes not named have factor 1.

    Raises
    ------
    InputError
        For an unknown name, or a factor that is not positive (the mode would be lost).

    Examples
    --------
    >>> MODES[1].name, round(float(mode_probabilities("none")[1]), 4)
    ('mu', 0.1739)
    """
    if isinstance(enrichment, str):
        if enrichment not in ENRICHMENTS:
            msg = f"mode enrichment {enrichment!r} is unknown; choose from {sorted(ENRICHMENTS)}"
            raise InputError(msg)
        enrichment = ENRICHMENTS[enrichment]
    names = [mode.name for mode in MODES]
    for name, factor in enrichment.items():
        if name not in names:
            msg = f"tau decay mode {name!r} is unknown; choose from {names}"
            raise InputError(msg)
        if not 0 < factor < np.inf:
            msg = f"enrichment of tau decay mode {name!r} is {factor}; it must be positive and finite"
            raise InputError(msg)
    product = np.array([mode.fraction * enrichment.get(mode.name, 1.0) for mode in MODES])
    return np.asarray(product / product.sum())


def sample_modes(
    n: int, *, enrichment: Mapping[str, float] | str, rng: np.random.Generator
) -> tuple[NDArray[np.int64], Array]:
    """Return `n` indices into `MODES` and their weights (nature over proposal), each of shape (n,).

    The mean weight of a mode's draws times its probability is the PDG fraction.
    """
    probability = mode_probabilities(enrichment)
    mode = np.minimum(np.searchsorted(np.cumsum(probability), rng.random(n), side="right"), len(MODES) - 1)
    fraction = np.array([mode.fraction for mode in MODES])
    return mode, (fraction / probability)[mode]


def decay_at_rest(mode: NDArray[np.int64], *, rng: np.random.Generator) -> Decays:
    """Return decays of unpolarised tau- at rest into the given modes.

    Parameters
    ----------
    mode
        Indices into `MODES`, shape (N,).
    rng
        Source of randomness.

    Raises
    ------
    InputError
        If an index is not one of `MODES`.
    """
    mode = np.ascontiguousarray(mode, dtype=np.int64)
    if mode.size and not (mode.min() >= 0 and mode.max() < len(MODES)):
        msg = f"mode indices span [{mode.min()}, {mode.max()}]; they must be within [0, {len(MODES) - 1}]"
        raise InputError(msg)
    q2 = np.zeros(mode.size)
    bound = np.zeros(mode.size)
    for index, (cdf, grid, largest) in _spectra().items():
        rows = np.flatnonzero(mode == index)
        q2[rows] = np.interp(rng.random(rows.size), cdf, grid)
        bound[rows] = np.interp(q2[rows], grid, largest)
    for index, most in _phase_space_bounds().items():
        bound[mode == index] = most
    pdgid = np.zeros((mode.size, MAX_PRODUCTS), dtype=np.int32)
    p4 = np.zeros((mode.size, MAX_PRODUCTS, 4))
    polarimeter = np.zeros((mode.size, 3))
    _fill(mode, q2, bound, _products(), rng, pdgid, p4, polarimeter)
    return Decays(pdgid=pdgid, p4=p4, polarimeter=polarimeter)


# --- compiled: one decay ---------------------------------------------------------------------------------------------


@functools.cache
def _products() -> NDArray[np.int64]:
    """Return the products of all modes, shape (modes, 5), 0 where empty."""
    table = np.zeros((len(MODES), 5), dtype=np.int64)
    for row, mode in zip(table, MODES, strict=True):
        row[: len(mode.products)] = mode.products
    return table


@functools.cache
def _spectra() -> dict[int, tuple[Array, Array, Array]]:
    """Return, by mode, the cumulative spectrum, its q^2 grid [GeV^2] and the bound of the Dalitz density."""
    out = {}
    for mode, mass in ((_E, M_ELECTRON), (_MU, M_MUON)):
        v = np.linspace(mass**2 / M_TAU**2, 1, GRID)
        out[mode] = (cumulative(v, leptonic_spectrum(v, mass**2 / M_TAU**2)), v * M_TAU**2, np.zeros(GRID))
    s = np.linspace((M_PION + M_PION0) ** 2, M_TAU**2, GRID)
    out[_RHO] = (cumulative(s, rho_spectrum(s)), s, np.zeros(GRID))
    for mode, pair in ((_K_PI0, (M_KAON, M_PION0)), (_K0_PI, (M_KAON0, M_PION))):
        s = np.linspace(sum(pair) ** 2, M_TAU**2, GRID)
        out[mode] = (cumulative(s, kstar_spectrum(s, pair)), s, np.zeros(GRID))
    for mode, masses in (
        (_A1_ONE_PRONG, (M_PION0, M_PION0, M_PION)),
        (_A1_THREE_PRONG, (M_PION, M_PION, M_PION)),
    ):
        coarse = np.linspace(sum(masses) ** 2 * (1 + 1e-9), M_TAU**2, 201)
        density, largest = a1_spectrum(coarse, masses)
        grid = np.linspace(coarse[0], coarse[-1], GRID)
        out[mode] = (cumulative(grid, np.interp(grid, coarse, density)), grid, np.interp(grid, coarse, largest))
    return out


@functools.cache
def _phase_space_bounds() -> dict[int, float]:
    """Return, by phase-space mode, the largest weight of `phase_space`."""
    return {
        index: phase_space_maximum(M_TAU, np.array([_mass_of(kind) for kind in products if kind != 0]))
        for index, products in enumerate(_products())
        if index > _K0_PI
    }


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
def _one_decay(
    mode: int, q2: float, bound: float, masses: NDArray[np.float64], n: int, rng: np.random.Generator, out: Array
) -> tuple[float, float, float]:
    """Fill out[:n] with the products of one decay and return its polarimeter."""
    if mode in (_E, _MU):
        lepton, antineutrino, neutrino = _leptonic_decay(masses[0], q2, rng)
        out[0] = lepton
        out[1] = antineutrino
        out[2] = neutrino
        # (tau - m s).nubar: the antineutrino goes along the spin
        return antineutrino[1] / antineutrino[0], antineutrino[2] / antineutrino[0], antineutrino[3] / antineutrino[0]
    if mode in (_PI, _K):
        meson, neutrino = two_body(M_TAU, masses[0], 0.0, rng)
        out[0] = meson
        out[1] = neutrino
        return -neutrino[1] / neutrino[0], -neutrino[2] / neutrino[0], -neutrino[3] / neutrino[0]
    if mode in (_RHO, _K_PI0, _K0_PI):
        first, second, neutrino, null = _vector_decay(masses[0], masses[1], q2, rng)
        out[0] = first
        out[1] = second
        out[2] = neutrino
        return null[1] / null[0], null[2] / null[0], null[3] / null[0]
    if mode in (_A1_ONE_PRONG, _A1_THREE_PRONG):
        p1, p2, p3, neutrino, null = _a1_decay((masses[0], masses[1], masses[2]), q2, bound, rng)
        out[0] = p1
        out[1] = p2
        out[2] = p3
        out[3] = neutrino
        return null[1] / null[0], null[2] / null[0], null[3] / null[0]
    phase_space(M_TAU, masses, n, bound, rng, out)
    return 0.0, 0.0, 0.0


@njit(cache=True)
def _mass_of(pdgid: int) -> float:
    """Return the mass of a decay product [GeV]."""
    kind = abs(pdgid)
    if kind == 211:
        return M_PION
    if kind == 111:
        return M_PION0
    if kind == 321:
        return M_KAON
    if kind == 130:
        return M_KAON0
    if kind == 13:
        return M_MUON
    if kind == 11:
        return M_ELECTRON
    return 0.0


@njit(cache=True)
def _fill(
    mode: NDArray[np.int64],
    q2: NDArray[np.float64],
    bound: NDArray[np.float64],
    products: NDArray[np.int64],
    rng: np.random.Generator,
    pdgid: NDArray[np.int32],
    p4: NDArray[np.float64],
    polarimeter: NDArray[np.float64],
) -> None:
    """Fill pdgid, p4 and polarimeter with one decay a row; pi0 become two photons."""
    buffer = np.zeros((8, 4))
    masses = np.zeros(8)
    for row in range(mode.size):
        kinds = products[mode[row]]
        n = 0
        while n < kinds.size and kinds[n] != 0:
            masses[n] = _mass_of(kinds[n])
            n += 1
        h = _one_decay(mode[row], q2[row], bound[row], masses, n, rng, buffer)
        polarimeter[row, 0], polarimeter[row, 1], polarimeter[row, 2] = h
        slot = 0
        for i in range(n):
            p = (buffer[i, 0], buffer[i, 1], buffer[i, 2], buffer[i, 3])
            if kinds[i] == 111:
                first, second = two_body(M_PION0, 0.0, 0.0, rng)
                pdgid[row, slot] = pdgid[row, slot + 1] = 22
                p4[row, slot] = boost_from_rest(first, p, M_PION0)
                p4[row, slot + 1] = boost_from_rest(second, p, M_PION0)
                slot += 2
            else:
                pdgid[row, slot] = kinds[i]
                p4[row, slot] = p
                slot += 1
