"""Annihilation into photons, e+e- -> gamma gamma (gamma), with at least two photons at an angle to the beams.

Use it as the background of single photons, when the others are lost, and of searches with three photons. Events with
three photons above a small energy come from the exact matrix element with the electron mass
(`bumphunt.montecarlo.amplitudes.three_photons`), whatever their angles: the third may be in the detector or along a
beam. Softer photons are summed, exponentiated (`bumphunt.montecarlo.radiation.soft_photons`), and leave two photons
back to back. Not in it: four hard photons, so only one beam radiates hard in an event.

References
----------
F. A. Berends, R. Kleiss, Nucl. Phys. B 186 (1981) 22: soft part and one hard photon.
S. I. Eidelman, E. A. Kuraev, Nucl. Phys. B 143 (1978) 353.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bumphunt.compilation import njit
from bumphunt.constants import ALPHA, GEV2_TO_FB, M_ELECTRON
from bumphunt.errors import InputError
from bumphunt.kinematics.compiled import (
    P4,
    along,
    boost_from_rest,
    boost_to_rest,
    mass_squared,
    massless_product,
    row,
    to_laboratory,
)
from bumphunt.kinematics.momenta import Beams
from bumphunt.montecarlo.amplitudes.three_photons import Products, Work, squared_amplitude, work_space
from bumphunt.montecarlo.events import Events, beam_particles
from bumphunt.montecarlo.phase_space.poles import pole, pole_density
from bumphunt.montecarlo.processes.parameters import ANGLE, RATES
from bumphunt.montecarlo.processes.process import Parameter, Process
from bumphunt.montecarlo.radiation.soft_photons import diphoton_factor, pair_exponent

__all__ = ["PROCESSES", "born_cross_section", "generate"]

Array = NDArray[np.float64]
Point = tuple[P4, P4, P4]

LOWEST_PHOTON = 0.01
"""Energy above which a third photon is generated, as a fraction of the beam's."""
SOFT_SHARE = 0.15
"""Share of draws with two photons."""
FLAT_SHARE = 0.5
"""Share of third photons drawn flat in energy; the others as 1 / energy."""
WIDE_SHARE = 0.5
"""Share of third photons drawn flat in cos; the others along the beams."""
CENTRAL_SHARE = 0.3
"""Share of photon pairs drawn flat in cos; the others towards the beams."""
SMALLEST_V = 1e-3
"""Smallest (1 - cos) / 2 of a pair for which its virtual correction is evaluated; nearer to the beams it is kept."""


def generate(
    n: int,
    *,
    beams: Beams,
    rng: np.random.Generator,
    minimum_angle: float = np.radians(10.0),
    minimum_energy: float = 0.15,
) -> Events:
    """Return weighted events: two photons, or three.

    At least two of them have the smallest angle and energy, in the centre of mass; the third may be anywhere.

    Parameters
    ----------
    n
        Number of events.
    beams
        The beams, with their energy spread.
    rng
        Source of randomness.
    minimum_angle
        Smallest angle of those two photons to both beams [rad].
    minimum_energy
        Their smallest energy [GeV].

    Raises
    ------
    InputError
        If the angle is not between 0.01 and 1.5, or the energy not positive and below 0.9 of a beam's.
    """
    ANGLE.checked("minimum_angle", minimum_angle)
    highest = 0.45 * beams.sqrt_s
    if not 0 < minimum_energy <= highest:
        msg = f"minimum_energy = {minimum_energy} GeV; it must be positive and not above {highest:.3f} GeV"
        raise InputError(msg)
    electron, positron = beam_particles(beams, n, rng=rng)
    total = electron + positron
    p4, weight = np.zeros((n, 3, 4)), np.empty(n)
    versine = 2 * np.sin(minimum_angle / 2) ** 2
    drawn = _fill(electron, total, (versine, minimum_energy, LOWEST_PHOTON), rng, p4, weight)
    pdgid = np.where(p4[:, :, 0] > 0, np.int32(22), np.int32(0))
    return Events(pdgid=pdgid, p4=p4, weight=weight * (GEV2_TO_FB * n / drawn), beams_p4=total)


@njit(cache=True)
def born_cross_section(s: float, cos: float) -> float:
    """Return dsigma/dcos of e+e- -> gamma gamma [GeV^-2] with the electron mass; cos > 0 has them all.

    Parameters
    ----------
    s
        Squared centre-of-mass energy [GeV^2].
    cos
        Cosine of the angle of a photon.

    References
    ----------
    V. B. Berestetskii, E. M. Lifshitz, L. P. Pitaevskii, Quantum Electrodynamics, eq. 88.14.
    """
    a = 4 * M_ELECTRON**2 / s  # 1 - beta^2
    b2 = 1 - a
    d = 1 - b2 * cos * cos
    shape = (1 + b2 * cos * cos + 2 * a) / d - 2 * a * a / (d * d)
    return 2 * np.pi * ALPHA**2 / (s * np.sqrt(b2)) * shape


@njit(cache=True)
def _seen(k: P4, versine: float, energy: float) -> bool:
    """Return whether a photon has this energy, and this versine to both beams."""
    return k[0] >= energy and abs(k[3]) <= (1 - versine) * k[0]


@njit(cache=True)
def _soft(energy: float, cuts: tuple[float, float, float], rng: np.random.Generator) -> tuple[Point, float]:
    """Return two photons back to back, and their weight [GeV^-2]."""
    versine, lowest = cuts[0], cuts[2]
    largest = 1 - versine
    span = np.arctanh(largest)
    cos = np.tanh(span * (2 * rng.random() - 1))  # as 1 / (1 - cos^2)
    density = 1 / (2 * span * (1 - cos * cos))
    s = 4 * energy * energy
    beta = pair_exponent(s / 2 - M_ELECTRON**2)
    weight = born_cross_section(s, cos) / 2 * diphoton_factor(lowest, beta, (1 - cos) / 2) / density
    sin, phi = np.sqrt(1 - cos * cos), 2 * np.pi * rng.random()
    x, y, z = energy * sin * np.cos(phi), energy * sin * np.sin(phi), energy * cos
    return ((energy, x, y, z), (energy, -x, -y, -z), (0.0, 0.0, 0.0, 0.0)), weight


@njit(cache=True)
def _density(
    third: int, photons: Point, first: Products, second: Products, energy: float, cuts: tuple[float, float, float]
) -> float:
    """Return the density of `_draw` in v, cos of the third photon and cos of the others in their rest frame."""
    versine, lowest = cuts[0], cuts[2]
    e2 = energy * energy
    v = photons[third][0] / energy
    a, b = first[third], second[third]
    gap = M_ELECTRON**2 / (2 * e2)
    in_energy = FLAT_SHARE / (1 - lowest) - (1 - FLAT_SHARE) / (v * np.log(lowest))
    in_angle = WIDE_SHARE / 2
    for product in (a, b):
        # p.k = E omega (1 - beta cos), 1 - beta = gap
        x = max(product / (e2 * v) - gap, 0.0)
        in_angle += (1 - WIDE_SHARE) / 2 * pole_density(x, 0.0, 2.0, gap)
    pair = (third + 1) % 3
    in_pair = CENTRAL_SHARE / 2
    for product, other in ((first[pair], a), (second[pair], b)):
        # in the rest frame of the pair p.k = E' omega' (1 - cos), E' = p.P / M, omega' = M / 2
        x = min(max(2 * product / (2 * e2 - other), 0.0), 2.0)
        offset = _offset(v, versine, e2, other)
        poles = pole_density(x, 0.0, 2.0, offset) + pole_density(2 - x, 0.0, 2.0, offset)
        in_pair += (1 - CENTRAL_SHARE) / 4 * poles
    return in_energy * in_angle * in_pair


@njit(cache=True)
def _offset(v: float, versine: float, e2: float, product: float) -> float:
    """Return the smallest 1 - cos in the pair's frame to one beam for which a photon is still seen."""
    return min(max(2 * e2 * (1 - v) * versine / (2 * e2 - product), 1e-3 * versine), 1.0)


@njit(cache=True)
def _draw(energy: float, cuts: tuple[float, float, float], rng: np.random.Generator) -> Point:
    """Return three photons, the last of which is the one that is usually soft or along a beam."""
    versine, lowest = cuts[0], cuts[2]
    e2 = energy * energy
    gap = M_ELECTRON**2 / (2 * e2)
    r = rng.random()
    v = lowest + (1 - lowest) * r if rng.random() < FLAT_SHARE else lowest**r
    v = min(v, 1 - 1e-9)
    x = 2 * rng.random() if rng.random() < WIDE_SHARE else pole(0.0, 2.0, gap, rng.random())
    sign = 1.0 if rng.random() < 0.5 else -1.0
    phi, omega, sin = 2 * np.pi * rng.random(), v * energy, np.sqrt(max(x * (2 - x), 0.0))
    k = (omega, omega * sin * np.cos(phi), omega * sin * np.sin(phi), sign * omega * (1 - x))
    pair = (2 * energy - omega, -k[1], -k[2], -k[3])
    half = energy * np.sqrt(1 - v)
    side = 1.0 if rng.random() < 0.5 else -1.0
    beam = (energy, 0.0, 0.0, side * np.sqrt(e2 - M_ELECTRON**2))
    axis = boost_to_rest(beam, pair, 2 * half)
    if rng.random() < CENTRAL_SHARE:
        x = 2 * rng.random()
    else:
        offset = _offset(v, versine, e2, massless_product(beam, k, M_ELECTRON))
        x = pole(0.0, 2.0, offset, rng.random())
        x = 2 - x if rng.random() < 0.5 else x
    phi, sin = 2 * np.pi * rng.random(), np.sqrt(max(x * (2 - x), 0.0))
    px, py, pz = along(axis, half * sin * np.cos(phi), half * sin * np.sin(phi), half * (1 - x))
    a = boost_from_rest((half, px, py, pz), pair, 2 * half)
    b = boost_from_rest((half, -px, -py, -pz), pair, 2 * half)
    return a, b, k


@njit(cache=True)
def _hard(energy: float, cuts: tuple[float, float, float], work: Work, rng: np.random.Generator) -> tuple[Point, float]:
    """Return three photons and their weight [GeV^-2], 0 where less than two are seen or one is too soft."""
    photons = _draw(energy, cuts, rng)
    seen, softest = 0, 2 * energy
    for k in photons:
        seen += 1 if _seen(k, cuts[0], cuts[1]) else 0
        softest = min(softest, k[0])
    if seen < 2 or softest < cuts[2] * energy:
        return photons, 0.0
    momentum = np.sqrt(energy * energy - M_ELECTRON**2)
    p1, p2 = (energy, 0.0, 0.0, momentum), (energy, 0.0, 0.0, -momentum)
    k1, k2, k3 = photons
    first = (
        massless_product(p1, k1, M_ELECTRON),
        massless_product(p1, k2, M_ELECTRON),
        massless_product(p1, k3, M_ELECTRON),
    )
    second = (
        massless_product(p2, k1, M_ELECTRON),
        massless_product(p2, k2, M_ELECTRON),
        massless_product(p2, k3, M_ELECTRON),
    )
    # dPhi3 = omega domega dcos dphi / (2 (2 pi)^3) dOmega / (32 pi^2); any photon may have come first,
    # and three are alike
    density, radiated = 0.0, 0
    for i in range(3):
        density += _density(i, photons, first, second, energy, cuts) / (photons[i][0] * energy) / 3
        if first[i] * second[i] < first[radiated] * second[radiated]:
            radiated = i
    volume = (2 * np.pi) ** 2 / (2 * (2 * np.pi) ** 3 * 32 * np.pi**2) / (6 * density)
    square = squared_amplitude(p1, p2, photons, first, second, work) / 4 * (4 * np.pi * ALPHA) ** 3
    # the photon of least transverse momentum is the radiated one
    pair = (radiated + 1) % 3
    v = first[pair] / (first[pair] + second[pair])
    beta = pair_exponent(2 * energy * energy - M_ELECTRON**2)
    factor = diphoton_factor(photons[radiated][0] / energy, beta, min(max(v, SMALLEST_V), 1 - SMALLEST_V))
    return photons, square * volume * factor / (8 * energy * momentum)


@njit(cache=True)
def _fill(
    electron: Array, total: Array, cuts: tuple[float, float, float], rng: np.random.Generator, p4: Array, weight: Array
) -> int:
    """Fill p4 (laboratory) and weight [GeV^-2] of events with the given beams, and return how often it drew.

    The cuts are smallest versine and energy of two photons, and smallest energy of a third over that of a beam.
    """
    drawn = 0
    work = work_space()
    for i in range(weight.size):
        beams = row(total, i)
        energy = np.sqrt(mass_squared(beams)) / 2
        w = 0.0
        while w <= 0:
            drawn += 1
            if rng.random() < SOFT_SHARE:
                photons, w = _soft(energy, cuts, rng)
                w /= SOFT_SHARE
            else:
                photons, w = _hard(energy, cuts, work, rng)
                w /= 1 - SOFT_SHARE
        weight[i] = w
        to_laboratory(photons, row(electron, i), beams, p4[i])
    return drawn


PROCESSES = (
    Process(
        name="diphoton",
        summary="e+e- -> gamma gamma (gamma)",
        generate=generate,
        parameters={
            "minimum_angle": ANGLE,
            "minimum_energy": Parameter(
                meaning="smallest energy of two photons in the centre of mass [GeV]", default=0.15, above=0.0, below=4.0
            ),
        },
        accuracy="three photons exact, total 1 %; four hard photons are left out",
        reference=f"Berends, Kleiss, Nucl. Phys. B 186 (1981) 22; {RATES}",
    ),
)
