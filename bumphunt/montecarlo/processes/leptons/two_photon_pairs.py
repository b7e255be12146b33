"""Two-photon lepton pairs, e+e- -> e+e- l+ l-: what muon and electron pairs share.

Both electrons scatter with exact kinematics, at any virtuality of the photons, and the matrix element is that of the
two multiperipheral diagrams with all masses (`bumphunt.montecarlo.amplitudes.two_photons`); in the limit of small
virtualities it is the equivalent-photon approximation of `bumphunt.montecarlo.radiation.equivalent_photons`. If asked
for, events are weighted to the sum with bremsstrahlung and exchange (`bumphunt.montecarlo.amplitudes.four_leptons`).
The beams do not radiate.

Events are drawn where a search with two leptons in the tracking acceptance looks: flatter than nature in the pair's
mass and in the leptons' angle, more central, and with more hard scatters of either electron.

References
----------
V. M. Budnev, I. F. Ginzburg, G. V. Meledin, V. G. Serbo, Phys. Rep. 15 (1975) 181.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bumphunt.constants import ALPHA, GEV2_TO_FB, M_ELECTRON
from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import Beams
from bumphunt.montecarlo.amplitudes.four_leptons import Workspace, correction, workspace
from bumphunt.montecarlo.amplitudes.two_photons import electron_tensor, squared_amplitude
from bumphunt.montecarlo.events import Events, beam_particles
from bumphunt.montecarlo.radiation.equivalent_photons import _smallest_virtuality
from bumphunt.montecarlo.scalar_kinematics import P4, along, boost_from_rest

__all__ = ["ProducedPair", "generate_pairs"]

Array = NDArray[np.float64]

# The proposal. Mixtures of a component close to nature and one that the search needs; any values give the same
# cross section, these keep the weights of selected events level.
MARGIN = 0.8
"""y1 y2 s starts at this fraction of the squared minimum mass (the mass of the pair is below y1 y2 s almost always)."""
STEEP, FLAT = 1.0, 0.4
"""Powers a of tau^-a dln(tau), tau = y1 y2: near nature, and flat."""
FLAT_SHARE = 0.7
"""Share of the flat component."""
CENTRAL_RAPIDITY, CENTRAL_SHARE = 1.2, 0.75
"""Half-width of the central component in the rapidity of the pair, and its share."""
HARD_VIRTUALITY = 2e-2
"""Lower Q^2 of the hard component [GeV^2]: the scattered electron has pT = 0.14 GeV."""
HARD_SHARE = 0.45
"""Share of the hard component, each electron."""
HARD_DAMPING = 1.0
"""Q^2 scale added to y1 y2 s [GeV^2] above which the hard component falls off."""


class ProducedPair(NamedTuple):
    """What is produced, and how."""

    mass: float
    """Mass of the lepton [GeV]."""
    minimum_mass: float
    """Lowest mass of the pair [GeV]."""
    identical: bool
    """Whether the leptons are electrons: then each of the four pairs of opposite charge must have the lowest mass."""
    multiperipheral_only: bool
    """Whether the weights hold the multiperipheral diagrams alone, or bremsstrahlung and exchange as well."""
    isotropic_share: float
    """Share of leptons drawn isotropic in the pair's rest frame; the others are uniform in rapidity."""


def generate_pairs(n: int, *, beams: Beams, rng: np.random.Generator, produced: ProducedPair, pdgid: int) -> Events:
    """Return `n` weighted events e+e- -> e+e- l+ l-.

    Parameters
    ----------
    n
        Number of events.
    beams
        The collider.
    rng
        Source of randomness.
    produced
        The pair.
    pdgid
        PDG number of the l-.

    Returns
    -------
    Events
        Columns: scattered electron and positron, l+, l-.

    Raises
    ------
    InputError
        If the lowest mass of the pair is not between its threshold and half of the centre-of-mass energy.
    """
    limits = f"2 m = {2 * produced.mass:.6f} GeV and sqrt(s)/2 = {beams.sqrt_s / 2:.3f} GeV"
    if not 2 * produced.mass < produced.minimum_mass < beams.sqrt_s / 2:
        msg = f"minimum_mass = {produced.minimum_mass} GeV; it must be between {limits}"
        raise InputError(msg)
    electron, positron = beam_particles(beams, n, rng=rng)
    total = electron + positron
    p4 = np.zeros((n, 4, 4))
    weight = np.zeros(n)
    drawn = _fill(electron, total, produced, rng, workspace(), p4, weight)
    return Events(
        pdgid=np.tile(np.array([11, -11, -pdgid, pdgid], dtype=np.int32), (n, 1)),
        p4=p4,
        weight=weight * (GEV2_TO_FB * n / drawn),
        beams_p4=total,
    )


@njit(cache=True)
def _tau(low: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return tau = y1 y2 in (low, 1) and its density in ln(tau)."""
    power = FLAT if rng.random() < FLAT_SHARE else STEEP
    tau = (low**-power - rng.random() * (low**-power - 1)) ** (-1 / power)
    density = FLAT_SHARE * FLAT * tau**-FLAT / (low**-FLAT - 1)
    density += (1 - FLAT_SHARE) * STEEP * tau**-STEEP / (low**-STEEP - 1)
    return tau, density


@njit(cache=True)
def _rapidity(limit: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return the rapidity ln(y1/y2)/2 of the pair within +-limit and its density."""
    inner = min(CENTRAL_RAPIDITY, limit)
    value = (inner if rng.random() < CENTRAL_SHARE else limit) * (2 * rng.random() - 1)
    density = (1 - CENTRAL_SHARE) / (2 * limit)
    if abs(value) <= inner:
        density += CENTRAL_SHARE / (2 * inner)
    return value, density


@njit(cache=True)
def _virtuality(low: float, high: float, scale: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return Q^2 in (low, high) and its density in ln(Q^2): 1/(1 + Q^2/scale), and a share that starts hard."""
    hard_low = min(max(HARD_VIRTUALITY, low), 0.5 * (low + high))
    hard_scale = scale + HARD_DAMPING
    soft_norm = np.log(high / low * (low + scale) / (high + scale))
    hard_norm = np.log(high / hard_low * (hard_low + hard_scale) / (high + hard_scale))
    if rng.random() < HARD_SHARE:
        a, start, norm = hard_scale, hard_low, hard_norm
    else:
        a, start, norm = scale, low, soft_norm
    z = start / (start + a) * np.exp(rng.random() * norm)
    q2 = min(a * z / (1 - z), high)
    density = (1 - HARD_SHARE) / (soft_norm * (1 + q2 / scale))
    if q2 >= hard_low:
        density += HARD_SHARE / (hard_norm * (1 + q2 / hard_scale))
    return q2, density


@njit(cache=True)
def _cosine(beta: float, share: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return cos(theta*) of the l- and its density: isotropic, and uniform in rapidity."""
    span = np.arctanh(beta)
    t = 2 * rng.random() - 1
    cos = t if rng.random() < share else np.tanh(t * span) / beta
    return cos, share / 2 + (1 - share) * beta / (2 * span * (1 - (beta * cos) ** 2))


@njit(cache=True)
def _scatter(y: float, excess: float, phi: float, energy: float, sign: float) -> tuple[P4, P4]:
    """Return scattered electron and its photon, for a beam along sign * z; excess = Q^2 - Q^2_min."""
    after = (1 - y) * energy
    p = np.sqrt(energy**2 - M_ELECTRON**2)
    k = np.sqrt(after**2 - M_ELECTRON**2)
    versine = excess / (2 * p * k)
    kt = k * np.sqrt(versine * (2 - versine))
    x, z = kt * np.cos(phi), k * (1 - versine)
    electron = (after, x, kt * np.sin(phi), sign * z)
    return electron, (energy - after, -x, -electron[2], sign * (p - z))


@njit(cache=True)
def _leptons(pair: P4, w: float, mass: float, photon: P4, cos: float, phi: float) -> tuple[P4, P4]:
    """Return l+ and l-: the l- makes `cos` and azimuth `phi` about the photon in the pair's rest frame."""
    q = boost_from_rest(photon, (pair[0], -pair[1], -pair[2], -pair[3]), w)
    p = np.sqrt(w * w / 4 - mass * mass)
    pt = p * np.sqrt(max(1 - cos * cos, 0.0))
    x, y, z = along(q, pt * np.cos(phi), pt * np.sin(phi), p * cos)
    return boost_from_rest((w / 2, -x, -y, -z), pair, w), boost_from_rest((w / 2, x, y, z), pair, w)


@njit(cache=True)
def _azimuth(p: P4, pair: P4, w: float, e1: P4, e2: P4) -> tuple[float, float]:
    """Return cosine and sine of the azimuth of p, in the pair's rest frame, from e1 to e2."""
    r = boost_from_rest(p, (pair[0], -pair[1], -pair[2], -pair[3]), w)
    c = r[1] * e1[1] + r[2] * e1[2] + r[3] * e1[3]
    s = r[1] * e2[1] + r[2] * e2[2] + r[3] * e2[3]
    norm = np.sqrt(c * c + s * s)
    return (c / norm, s / norm) if norm > 0 else (1.0, 0.0)


@njit(cache=True)
def _square(
    energy: float,
    q1: P4,
    q2: P4,
    q21: float,
    q22: float,
    pair: P4,
    w2: float,
    minus: P4,
    cos: float,
    mass: float,
    work: NDArray[np.complex128],
) -> float:
    """Return `squared_amplitude` of photons q1 and q2 (virtualities q21, q22) and the l- in the centre of mass."""
    w, p = np.sqrt(w2), np.sqrt(energy**2 - M_ELECTRON**2)
    back = (pair[0], -pair[1], -pair[2], -pair[3])
    q, k = boost_from_rest(q1, back, w), boost_from_rest(minus, back, w)
    n = np.sqrt(q[1] ** 2 + q[2] ** 2 + q[3] ** 2)
    q = (q[0], q[1] / n, q[2] / n, q[3] / n)
    y = (0.0, k[2] * q[3] - k[3] * q[2], k[3] * q[1] - k[1] * q[3], k[1] * q[2] - k[2] * q[1])
    n = max(np.sqrt(y[1] ** 2 + y[2] ** 2 + y[3] ** 2), 1e-30)
    e2 = (0.0, y[1] / n, y[2] / n, y[3] / n)
    e1 = (0.0, e2[2] * q[3] - e2[3] * q[2], e2[3] * q[1] - e2[1] * q[3], e2[1] * q[2] - e2[2] * q[1])
    q1q2 = (w2 + q21 + q22) / 2
    x = q1q2**2 - q21 * q22
    c, s = _azimuth((2 * energy - q1[0], -q1[1], -q1[2], 2 * p - q1[3]), pair, w, e1, e2)
    tensor1 = electron_tensor(q21, 2 * (energy * q2[0] - p * q2[3]) - q1q2, x, M_ELECTRON, c, s)
    c, s = _azimuth((2 * energy - q2[0], -q2[1], -q2[2], -2 * p - q2[3]), pair, w, e1, e2)
    tensor2 = electron_tensor(q22, 2 * (energy * q1[0] + p * q1[3]) - q1q2, x, M_ELECTRON, c, s)
    return squared_amplitude(w, q21, q22, cos, mass, tensor1, tensor2, work)


@njit(cache=True)
def _mass2(a: P4, b: P4) -> float:
    """Return the squared mass of two particles [GeV^2]."""
    return (a[0] + b[0]) ** 2 - (a[1] + b[1]) ** 2 - (a[2] + b[2]) ** 2 - (a[3] + b[3]) ** 2


@njit(cache=True)
def _event(
    energy: float, produced: ProducedPair, rng: np.random.Generator, work: NDArray[np.complex128], spinors: Workspace
) -> tuple[float, P4, P4, P4, P4]:
    """Return weight [GeV^-2], electron, positron, l+ and l- in the centre of mass, the electron beam along z.

    The weight is 0 below the minimum mass; the leptons are meaningless if the pair itself is below.
    """
    s, mass, lowest = 4 * energy * energy, produced.mass, produced.minimum_mass**2
    tau, density = _tau(MARGIN * lowest / s, rng)
    rapidity, d_rapidity = _rapidity(-np.log(tau) / 2, rng)
    y1, y2 = np.sqrt(tau) * np.exp(rapidity), np.sqrt(tau) * np.exp(-rapidity)
    # an electron must keep its mass
    most = 1 - 2 * M_ELECTRON / energy
    allowed = max(y1, y2) < most
    y1, y2 = min(y1, most), min(y2, most)
    low1, low2 = _smallest_virtuality(y1, energy, M_ELECTRON), _smallest_virtuality(y2, energy, M_ELECTRON)
    q21, d1 = _virtuality(low1, (1 - y1) * s, tau * s, rng)
    q22, d2 = _virtuality(low2, (1 - y2) * s, tau * s, rng)
    e1, q1 = _scatter(y1, q21 - low1, 2 * np.pi * rng.random(), energy, 1.0)
    e2, q2 = _scatter(y2, q22 - low2, 2 * np.pi * rng.random(), energy, -1.0)
    pair = (q1[0] + q2[0], q1[1] + q2[1], q1[2] + q2[2], q1[3] + q2[3])
    w2 = pair[0] ** 2 - pair[1] ** 2 - pair[2] ** 2 - pair[3] ** 2
    if not (allowed and w2 > lowest):
        return 0.0, e1, e2, pair, pair
    beta = np.sqrt(1 - 4 * mass**2 / w2)
    cos, d_cosine = _cosine(beta, produced.isotropic_share, rng)
    plus, minus = _leptons(pair, np.sqrt(w2), mass, q1, cos, 2 * np.pi * rng.random())
    if produced.identical and min(_mass2(e1, e2), _mass2(e1, plus), _mass2(minus, e2)) < lowest:
        return 0.0, e1, e2, plus, minus
    p = np.sqrt(energy**2 - M_ELECTRON**2)
    square = _square(energy, q1, q2, q21, q22, pair, w2, minus, cos, mass, work)
    # dsigma = (4 pi alpha)^4 L1 L2 T T* / (Q1^4 Q2^4) dPhi4 / (8 E p); an electron has d^3p'/2E' = (E/4p) dy dQ^2 dphi,
    # the leptons dPhi2 = beta/(16 pi) dcos; dy1 dy2 = tau dln(tau) dY, dQ^2 = Q^2 dln(Q^2)
    rate = (4 * np.pi * ALPHA) ** 4 * square / (q21 * q22) / (8 * energy * p) * beta / (16 * np.pi)
    rate *= (2 * np.pi * energy / (4 * p * (2 * np.pi) ** 3)) ** 2
    if not produced.multiperipheral_only:
        a, b = (energy, 0.0, 0.0, p), (energy, 0.0, 0.0, -p)
        rate *= correction(a, b, e1, e2, plus, minus, mass, produced.identical, spinors)
    return rate * tau / (density * d_rapidity * d1 * d2 * d_cosine), e1, e2, plus, minus


@njit(cache=True)
def _fill(
    electron: Array,
    total: Array,
    produced: ProducedPair,
    rng: np.random.Generator,
    spinors: Workspace,
    p4: Array,
    weight: Array,
) -> int:
    """Fill p4 (lab) and weight [GeV^-2] of events with the given beams, (N, 4) each, and return how often it drew."""
    drawn = 0
    work = np.zeros((4, 3, 3), dtype=np.complex128)
    for row in range(weight.size):
        t0, t1, t2, t3 = total[row]
        sqrt_s = np.sqrt(t0 * t0 - t1 * t1 - t2 * t2 - t3 * t3)
        k0, k1, k2, k3 = electron[row]
        beam = boost_from_rest((k0, k1, k2, k3), (t0, -t1, -t2, -t3), sqrt_s)
        w = 0.0
        while w <= 0:
            w, e1, e2, plus, minus = _event(sqrt_s / 2, produced, rng, work, spinors)
            drawn += 1
        weight[row] = w
        for slot, p in enumerate((e1, e2, plus, minus)):
            x, y, z = along(beam, p[1], p[2], p[3])
            p4[row, slot] = boost_from_rest((p[0], x, y, z), (t0, t1, t2, t3), sqrt_s)
    return drawn
