"""Bhabha scattering, e+e- -> e+e- (gamma), with both electrons at an angle to the beams.

Use it as the background of dark photons that decay into electrons, and wherever electrons are seen. Photons above a
small energy come from the exact matrix element of one photon (`bumphunt.montecarlo.amplitudes.radiative_bhabha`): from
beams and electrons, s and t channel, interference and electron mass included. Softer ones are summed, exponentiated
(`bumphunt.montecarlo.radiation.soft_photons`), and leave two electrons back to back. Alpha runs in every propagator.
Not in it: a second hard photon, and virtual corrections of order alpha / pi without a large logarithm; 1 or 2 % of the
total.

Events where an electron escapes and a photon is seen are those of
`bumphunt.montecarlo.processes.leptons.single_photon_bhabha`: with the same `minimum_angle` no event belongs to both.

References
----------
H. J. Bhabha, Proc. R. Soc. A 154 (1936) 195: the Born cross section.
F. A. Berends, R. Kleiss, Nucl. Phys. B 228 (1983) 537: soft part and one hard photon.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bumphunt.compilation import njit
from bumphunt.constants import ALPHA, GEV2_TO_FB, M_ELECTRON
from bumphunt.kinematics.compiled import mass_squared, row, to_laboratory
from bumphunt.kinematics.momenta import Beams
from bumphunt.montecarlo.amplitudes.radiative_bhabha import Work, work_space
from bumphunt.montecarlo.amplitudes.vacuum_polarisation import running
from bumphunt.montecarlo.events import Events, beam_particles
from bumphunt.montecarlo.phase_space.bhabha_photon import Point, Proposal, both_seen, draw_point, weigh
from bumphunt.montecarlo.processes.parameters import ANGLE, RATES
from bumphunt.montecarlo.processes.process import Process
from bumphunt.montecarlo.radiation.soft_photons import bhabha_exponent, bhabha_factor

__all__ = ["PROCESSES", "born_cross_section", "generate"]

Array = NDArray[np.float64]

LOWEST_PHOTON = 0.01
"""Energy above which photons are generated, as a fraction of the beam's."""
SOFT_SHARE = 0.2
"""Share of draws without a photon."""
STEEP_SHARE = 0.6
"""Share of these drawn as 1 / t^2; the others flat in cos."""


def _proposal(versine: float) -> Proposal:
    """Return how points with a photon are drawn."""
    return Proposal(
        returning=0.25, flat_energy=0.2, versine=0.0, wide=0.25, radiated_late=0.45,
        spread=versine, electron_versine=versine, steep=0.5, opposite=0.0, isotropic=0.1,
    )  # fmt: skip


def generate(n: int, *, beams: Beams, rng: np.random.Generator, minimum_angle: float = np.radians(10.0)) -> Events:
    """Return weighted events: electron, positron and the photon, if there is one.

    Parameters
    ----------
    n
        Number of events.
    beams
        The beams, with their energy spread.
    rng
        Source of randomness.
    minimum_angle
        Smallest angle of both electrons to both beams in the centre of mass [rad]. They also have at least
        `bhabha_photon.LOWEST_SEEN_ENERGY` there.

    Raises
    ------
    InputError
        If the angle is not between 0.01 and 1.5.
    """
    ANGLE.checked("minimum_angle", minimum_angle)
    electron, positron = beam_particles(beams, n, rng=rng)
    total = electron + positron
    p4, weight = np.zeros((n, 3, 4)), np.empty(n)
    versine = 2 * np.sin(minimum_angle / 2) ** 2
    drawn = _fill(electron, total, versine, LOWEST_PHOTON, _proposal(versine), rng, p4, weight)
    pdgid = np.where(p4[:, :, 0] > 0, np.array([11, -11, 22], dtype=np.int32), np.int32(0))
    return Events(pdgid=pdgid, p4=p4, weight=weight * (GEV2_TO_FB * n / drawn), beams_p4=total)


@njit(cache=True)
def born_cross_section(s: float, versine: float) -> float:
    """Return dsigma/dcos [GeV^-2] of massless electrons at one angle, with the running of alpha.

    Parameters
    ----------
    s
        Squared centre-of-mass energy [GeV^2].
    versine
        1 - cos of the scattering angle.
    """
    t, u = -s * versine / 2, -s * (1 - versine / 2)
    in_s, in_t = running(s) / s, running(t) / t
    square = (s * s + u * u) * in_t**2 + 2 * u * u * in_s * in_t + (t * t + u * u) * in_s**2
    return np.pi * ALPHA**2 / s * square


@njit(cache=True)
def _soft(energy: float, versine: float, lowest: float, rng: np.random.Generator) -> tuple[Point, float]:
    """Return a point without photon, and its weight [GeV^-2]."""
    low, high = versine, 2 - versine
    if rng.random() < STEEP_SHARE:
        x = 1 / (1 / low + rng.random() * (1 / high - 1 / low))
    else:
        x = low + (high - low) * rng.random()
    density = STEEP_SHARE / (x * x * (1 / low - 1 / high)) + (1 - STEEP_SHARE) / (high - low)
    s = 4 * energy * energy
    t = s * x / 2
    beta = bhabha_exponent(s, s, t, t, s - t, s - t)
    weight = born_cross_section(s, x) * bhabha_factor(lowest, beta) / density
    momentum, sin, phi = np.sqrt(energy**2 - M_ELECTRON**2), np.sqrt(x * (2 - x)), 2 * np.pi * rng.random()
    px, py, pz = momentum * sin * np.cos(phi), momentum * sin * np.sin(phi), momentum * (1 - x)
    return ((energy, px, py, pz), (energy, -px, -py, -pz), (0.0, 0.0, 0.0, 0.0)), weight


@njit(cache=True)
def _draw(
    energy: float, versine: float, lowest: float, p: Proposal, work: Work, rng: np.random.Generator
) -> tuple[Point, float]:
    """Return a point and its weight [GeV^-2], 0 where an electron is not seen."""
    if rng.random() < SOFT_SHARE:
        point, weight = _soft(energy, versine, lowest, rng)
        return point, weight / SOFT_SHARE
    point, volume = draw_point(p, lowest, energy, rng)
    if not both_seen(point[0], point[1], versine):
        return point, 0.0
    return point, weigh(point, energy, work) * volume / (1 - SOFT_SHARE)


@njit(cache=True)
def _fill(
    electron: Array, total: Array, versine: float, lowest: float, p: Proposal, rng: np.random.Generator,
    p4: Array, weight: Array,
) -> int:  # fmt: skip
    """Fill p4 (laboratory) and weight [GeV^-2] of events with the given beams, and return how often it drew."""
    drawn = 0
    work = work_space()
    for i in range(weight.size):
        beams = row(total, i)
        energy = np.sqrt(mass_squared(beams)) / 2
        w = 0.0
        while w <= 0:
            point, w = _draw(energy, versine, lowest, p, work, rng)
            drawn += 1
        weight[i] = w
        to_laboratory(point, row(electron, i), beams, p4[i])
    return drawn


PROCESSES = (
    Process(
        name="bhabha",
        summary="e+e- -> e+e- (gamma), both electrons at an angle",
        generate=generate,
        parameters={"minimum_angle": ANGLE},
        accuracy="one hard photon exact; total 1 to 2 %",
        reference=f"Berends, Kleiss, Nucl. Phys. B 228 (1983) 537; {RATES}",
    ),
)
