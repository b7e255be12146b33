"""Drawing e+e- -> e+e- gamma: phase space where the matrix element is large.

The photon comes first: its energy, its angle to a beam, then the direction of an electron in the rest frame of the
two. Any of several mechanisms may give the directions, photons along the beams or electrons, small transfers to either
electron, so the density is that of the mixture (`Proposal`) at the drawn point. All is in the centre of mass, with the
electron beam along z.

Use `bumphunt.montecarlo.processes.leptons.bhabha` and `bumphunt.montecarlo.processes.leptons.single_photon_bhabha` for
events.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bumphunt.compilation import njit
from bumphunt.constants import ALPHA, M_ELECTRON
from bumphunt.kinematics.compiled import P4, along, boost_from_rest, boost_to_rest
from bumphunt.montecarlo.amplitudes.radiative_bhabha import Work, invariants, squared_amplitude
from bumphunt.montecarlo.phase_space.poles import double_pole, double_pole_density, pole, pole_density
from bumphunt.montecarlo.radiation.soft_photons import bhabha_exponent, bhabha_factor

__all__ = ["LOWEST_SEEN_ENERGY", "Point", "Proposal", "both_seen", "draw_point", "weigh"]

LOWEST_SEEN_ENERGY = 0.15
"""Energy in the centre of mass of an electron that is seen [GeV]: arXiv:1808.10567, table of cross sections."""

LOW_MASS = 4e-6
"""s'/s below which photons are no longer drawn as 1 / s': two electrons of 20 MeV at 10.58 GeV."""

Point = tuple[P4, P4, P4]
"""Electron, positron and photon."""


class Proposal(NamedTuple):
    """How points are drawn; angles enter as versines, 1 - cos. All shares of a group are of what the others left."""

    returning: float
    """Share of photons drawn as 1 / s', towards low masses of the two electrons."""
    flat_energy: float
    """Share of photons drawn flat in energy; the others as 1 / energy."""
    versine: float
    """Smallest versine of the photon to either beam."""
    wide: float
    """Share of photons flat in cos; the others are collinear with the beams."""
    radiated_late: float
    """Share of photons along an electron after scattering."""
    spread: float
    """Versine below which the direction of those is flat; it falls with the square above."""
    electron_versine: float
    """Versine from which on electrons are wanted, if both are to be seen; 0 where not."""
    steep: float
    """Share of transfers drawn as 1 / t^2, from the smallest that lets the electron be seen."""
    opposite: float
    """Share of transfers of the order of the photon's, with an electron opposite to it in azimuth."""
    isotropic: float
    """Share of electrons drawn isotropic; the others as 1 / t."""


@njit(cache=True)
def both_seen(q1: P4, q2: P4, versine: float) -> bool:
    """Return whether both electrons have `LOWEST_SEEN_ENERGY` and at least this versine to both beams."""
    cut = 1 - versine
    for q in (q1, q2):
        norm = np.sqrt(q[1] * q[1] + q[2] * q[2] + q[3] * q[3])
        if q[0] < LOWEST_SEEN_ENERGY or abs(q[3]) > cut * norm:
            return False
    return True


@njit(cache=True)
def _energy(p: Proposal, lowest: float, most: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return the photon's fraction v of the beam energy and the density of v."""
    r, choice, start = rng.random(), rng.random(), 1 - most
    if choice < p.returning:
        v = 1 - pole(start, 1 - lowest, LOW_MASS, r)
    elif choice < p.returning + p.flat_energy:
        v = lowest + (most - lowest) * r
    else:
        v = pole(lowest, most, 0.0, r)
    v = min(max(v, lowest), most)
    density = p.returning * pole_density(1 - v, start, 1 - lowest, LOW_MASS) + p.flat_energy / (most - lowest)
    return v, density + (1 - p.returning - p.flat_energy) * pole_density(v, lowest, most, 0.0)


@njit(cache=True)
def _photon_versine(p: Proposal, gap: float, late: bool, rng: np.random.Generator) -> tuple[float, bool]:
    """Return the versine of the photon to a beam, and whether it is the electron's."""
    low, high, r = p.versine, 2 - p.versine, rng.random()
    if rng.random() < p.wide:
        y = low + (high - low) * r
    elif late:
        y = double_pole(low, high, p.spread, r)
    else:
        y = pole(low, high, gap, r)
    return y, rng.random() < 0.5


@njit(cache=True)
def _photon_densities(p: Proposal, gap: float, y: float, opposite: float) -> tuple[float, float]:
    """Return the densities of the photon's cos, early and late; y and `opposite` are its versines to the beams."""
    low, high = p.versine, 2 - p.versine
    flat = p.wide / (high - low)
    early = pole_density(y, low, high, gap) + pole_density(opposite, low, high, gap)
    late = double_pole_density(y, low, high, p.spread) + double_pole_density(opposite, low, high, p.spread)
    return flat + (1 - p.wide) / 2 * early, flat + (1 - p.wide) / 2 * late


@njit(cache=True)
def _transfer_scales(
    p: Proposal, energy: float, k: P4, beam_k: float, beam: float, momentum: float, half: float
) -> tuple[float, float, float]:
    """Return, for an electron's versine to its beam in the pair's frame: lowest seen, offset of its pole, of the cone.

    `beam` and `momentum` are energy and momentum of the beam particle in that frame, `half` is half the mass of the
    pair, `beam_k` the product of the beam with the photon.
    """
    m2 = M_ELECTRON * M_ELECTRON
    q = np.sqrt(max(half * half - m2, 1e-30))
    smallest = 2 * m2 * (beam - half) ** 2 / (beam * half + momentum * q - m2)
    across = k[1] * k[1] + k[2] * k[2]
    # an electron of versine w and energy E' has -t = 2 E E' w, E' is at least s' / (4 E); the versine in that frame is
    # -t over (s - 2 p.k) / 2
    kept = max(half * half / energy, LOWEST_SEEN_ENERGY)
    lowest = min(2 * energy * kept * p.electron_versine / (2 * energy * energy - beam_k), 1.0)
    return lowest, smallest / (2 * momentum * q), across / 4 / (2 * momentum * q)


@njit(cache=True)
def _azimuth(beam: P4, q: P4, k: P4) -> float:
    """Return the cosine of the azimuth of q about the beam, counted from opposite to k; 1 where it has none."""
    n2 = beam[1] * beam[1] + beam[2] * beam[2] + beam[3] * beam[3]
    nq = (beam[1] * q[1] + beam[2] * q[2] + beam[3] * q[3]) / n2
    nk = (beam[1] * k[1] + beam[2] * k[2] + beam[3] * k[3]) / n2
    a = (q[1] - nq * beam[1], q[2] - nq * beam[2], q[3] - nq * beam[3])
    b = (k[1] - nk * beam[1], k[2] - nk * beam[2], k[3] - nk * beam[3])
    norm = np.sqrt((a[0] ** 2 + a[1] ** 2 + a[2] ** 2) * (b[0] ** 2 + b[1] ** 2 + b[2] ** 2))
    if norm == 0:
        return 1.0
    return min(max(-(a[0] * b[0] + a[1] * b[1] + a[2] * b[2]) / norm, -1.0), 1.0)


@njit(cache=True)
def _opposite_azimuth(rng: np.random.Generator) -> float:
    """Return an azimuth with the density (1 + cos)^2 / (3 pi), by hit or miss."""
    while True:
        phi = 2 * np.pi * rng.random()
        if 4 * rng.random() < (1 + np.cos(phi)) ** 2:
            return phi


@njit(cache=True)
def _about(axis: P4, k: P4, x: float, phi: float, momentum: float) -> tuple[float, float, float]:
    """Return a vector of that length and versine x to `axis`, its azimuth counted from opposite to k."""
    norm = np.sqrt(axis[1] ** 2 + axis[2] ** 2 + axis[3] ** 2)
    n = (axis[1] / norm, axis[2] / norm, axis[3] / norm)
    nk = n[0] * k[1] + n[1] * k[2] + n[2] * k[3]
    a = (nk * n[0] - k[1], nk * n[1] - k[2], nk * n[2] - k[3])
    length = np.sqrt(a[0] ** 2 + a[1] ** 2 + a[2] ** 2)
    sin = np.sqrt(max(x * (2 - x), 0.0))
    if length < 1e-12 * k[0]:
        return along(axis, momentum * sin * np.cos(phi), momentum * sin * np.sin(phi), momentum * (1 - x))
    a = (a[0] / length, a[1] / length, a[2] / length)
    b = (n[1] * a[2] - n[2] * a[1], n[2] * a[0] - n[0] * a[2], n[0] * a[1] - n[1] * a[0])
    f, g, h = momentum * sin * np.cos(phi), momentum * sin * np.sin(phi), momentum * (1 - x)
    return f * a[0] + g * b[0] + h * n[0], f * a[1] + g * b[1] + h * n[1], f * a[2] + g * b[2] + h * n[2]


@njit(cache=True)
def _early_versine(p: Proposal, scales: tuple[float, float, float], rng: np.random.Generator) -> tuple[float, float]:
    """Return an electron's versine and azimuth about its beam in the pair's frame, for a photon that came before."""
    lowest, offset, cone = scales
    choice, r = rng.random(), rng.random()
    if choice < p.opposite:
        return double_pole(0.0, 2.0, cone, r), _opposite_azimuth(rng)
    phi = 2 * np.pi * rng.random()
    if choice < p.opposite + p.steep:
        return double_pole(lowest, 2.0, 0.0, r), phi
    if choice < p.opposite + p.steep + p.isotropic:
        return 2 * r, phi
    return pole(0.0, 2.0, max(offset, lowest), r), phi


@njit(cache=True)
def _early_density(p: Proposal, scales: tuple[float, float, float], x: float, cos: float) -> float:
    """Return 2 pi times the density of `_early_versine`, per unit of versine and azimuth."""
    lowest, offset, cone = scales
    density = p.isotropic / 2
    if p.opposite > 0:
        density += p.opposite * double_pole_density(x, 0.0, 2.0, cone) * 2 / 3 * (1 + cos) ** 2
    if p.steep > 0 and x >= lowest:
        density += p.steep * double_pole_density(x, lowest, 2.0, 0.0)
    pole = 1 - p.opposite - p.steep - p.isotropic
    return density + pole * pole_density(x, 0.0, 2.0, max(offset, lowest))


@njit(cache=True)
def _photon(
    p: Proposal, lowest: float, energy: float, late: bool, rng: np.random.Generator
) -> tuple[P4, tuple[float, float], tuple[float, float]]:
    """Return a photon, its products with the beams, and the densities of v and cos if it came early, or late."""
    m2 = M_ELECTRON * M_ELECTRON
    momentum = np.sqrt(energy * energy - m2)
    gap = m2 / (energy * (energy + momentum))  # 1 - beta
    v, energy_density = _energy(p, lowest, 1 - 1.0001 * m2 / (energy * energy), rng)
    y, forward = _photon_versine(p, gap, late, rng)
    phi, sign = 2 * np.pi * rng.random(), 1.0 if forward else -1.0
    omega, sin = v * energy, np.sqrt(max(y * (2 - y), 0.0))
    k = (omega, omega * sin * np.cos(phi), omega * sin * np.sin(phi), sign * omega * (1 - y))
    near = omega * (energy * gap + momentum * y)
    far = omega * (energy + momentum * (1 - y))
    early, behind = _photon_densities(p, gap, y, 2 - y)
    return k, (near, far) if forward else (far, near), (energy_density * early, energy_density * behind)


@njit(cache=True)
def draw_point(p: Proposal, lowest: float, energy: float, rng: np.random.Generator) -> tuple[Point, float]:
    """Return momenta in the centre of mass, and phase space over the density they were drawn from [GeV^2].

    Parameters
    ----------
    p
        The proposal.
    lowest
        Lowest photon energy, as a fraction of the beam's.
    energy
        Energy of a beam [GeV].
    rng
        Source of randomness.

    Returns
    -------
    point : tuple
        Electron, positron and photon [GeV].
    volume : float
        Its mean is the volume of the phase space of the proposal.
    """
    m2 = M_ELECTRON * M_ELECTRON
    late = rng.random() < p.radiated_late
    k, products, photon_density = _photon(p, lowest, energy, late, rng)
    # the rest frame of the two electrons, and what is in it
    left, momentum = 2 * energy - k[0], np.sqrt(energy * energy - m2)
    pair = (left, -k[1], -k[2], -k[3])
    half = np.sqrt(energy * (energy - k[0]))
    size = np.sqrt(half * half - m2)
    gap = m2 / (half * (half + size))
    photon = boost_to_rest(k, pair, 2 * half)
    beams = (
        boost_to_rest((energy, 0.0, 0.0, momentum), pair, 2 * half),
        boost_to_rest((energy, 0.0, 0.0, -momentum), pair, 2 * half),
    )
    lengths = np.sqrt(beams[0][0] ** 2 - m2), np.sqrt(beams[1][0] ** 2 - m2)
    scales = (
        _transfer_scales(p, energy, k, products[0], beams[0][0], lengths[0], half),
        _transfer_scales(p, energy, k, products[1], beams[1][0], lengths[1], half),
    )
    # an electron in that frame
    leg = 0 if rng.random() < 0.5 else 1
    if late:
        x1, x2, x3 = _about(photon, beams[leg], pole(0.0, 2.0, gap, rng.random()), 2 * np.pi * rng.random(), size)
    else:
        x, phi = _early_versine(p, scales[leg], rng)
        x1, x2, x3 = _about(beams[leg], photon, x, phi, size)
    q, other = (half, x1, x2, x3), (half, -x1, -x2, -x3)
    q1, q2 = (q, other) if leg == 0 else (other, q)
    # the density of both ways to come here
    early, behind = 0.0, 0.0
    for i in range(2):
        own = q1 if i == 0 else q2
        x = _versine(own, beams[i], size, lengths[i])
        early += 0.5 * _early_density(p, scales[i], x, _azimuth(beams[i], own, photon))
        behind += 0.5 * pole_density(_versine(own, photon, size, photon[0]), 0.0, 2.0, gap)
    density = (1 - p.radiated_late) * photon_density[0] * early + p.radiated_late * photon_density[1] * behind
    # omega domega dcos dphi / (2 (2 pi)^3) times beta / (32 pi^2) dOmega, azimuths uniform
    volume = k[0] * energy / (2 * (2 * np.pi) ** 3) * size / half / (32 * np.pi**2) * (2 * np.pi) ** 2
    return (boost_from_rest(q1, pair, 2 * half), boost_from_rest(q2, pair, 2 * half), k), volume / density


@njit(cache=True)
def _versine(a: P4, b: P4, length_a: float, length_b: float) -> float:
    """Return 1 - cos of the angle between two momenta, given their lengths."""
    dot = a[1] * b[1] + a[2] * b[2] + a[3] * b[3]
    size = length_a * length_b
    if dot < 0.5 * size:
        return min(1 - dot / size, 2.0)
    x, y, z = a[2] * b[3] - a[3] * b[2], a[3] * b[1] - a[1] * b[3], a[1] * b[2] - a[2] * b[1]
    return (x * x + y * y + z * z) / (size * (size + dot))


@njit(cache=True)
def weigh(point: Point, energy: float, work: Work) -> float:
    """Return |M|^2 / (flux) [GeV^-4] of a point, averaged over beam spins, times the factor of soft photons.

    Parameters
    ----------
    point
        Electron, positron and photon in the centre of mass [GeV].
    energy
        Energy of a beam [GeV].
    work
        Work space of the amplitude.
    """
    q1, q2, k = point
    momentum = np.sqrt(energy * energy - M_ELECTRON * M_ELECTRON)
    p1, p2 = (energy, 0.0, 0.0, momentum), (energy, 0.0, 0.0, -momentum)
    x = invariants(p1, p2, q1, q2, k)
    square = squared_amplitude(p1, p2, q1, q2, k, x, work) / 4 * (4 * np.pi * ALPHA) ** 3
    beta = bhabha_exponent(x[0], x[1], x[2], x[3], x[4], x[5])
    return square / (8 * energy * momentum) * bhabha_factor(k[0] / energy, beta)
