"""Radiative Bhabha scattering with a photon at an angle and an electron that escapes, e+e- -> (e+)(e-) gamma.

Use it as the background of single photons: both electrons leave along the beams, or one does. The exact matrix element
of one photon with the electron mass (`bumphunt.montecarlo.amplitudes.radiative_bhabha`) holds down to electrons at zero
angle. Softer photons are a factor (`bumphunt.montecarlo.radiation.soft_photons`); a second hard photon is not in it.

Every event has the photon, and not both electrons as `bumphunt.montecarlo.processes.leptons.bhabha` wants them: with
the same `minimum_angle` no event belongs to both, and together they are all events with such a photon. Events where the
photon goes along a beam and an electron escapes, of which one electron is left to be seen, are in neither.

References
----------
F. A. Berends, R. Kleiss, Nucl. Phys. B 228 (1983) 537: the process, with electrons lost.
D. Karlen, Nucl. Phys. B 289 (1987) 23: the generator TEEGG of this process.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bumphunt.compilation import njit
from bumphunt.constants import GEV2_TO_FB
from bumphunt.errors import InputError
from bumphunt.kinematics.compiled import mass_squared, row, to_laboratory
from bumphunt.kinematics.momenta import Beams
from bumphunt.montecarlo.amplitudes.radiative_bhabha import work_space
from bumphunt.montecarlo.events import Events, beam_particles
from bumphunt.montecarlo.phase_space.bhabha_photon import Proposal, both_seen, draw_point, weigh
from bumphunt.montecarlo.processes.parameters import ANGLE
from bumphunt.montecarlo.processes.process import Parameter, Process

__all__ = ["PROCESSES", "generate"]

Array = NDArray[np.float64]


def _proposal(versine: float) -> Proposal:
    """Return how points are drawn, given the smallest versine of the photon."""
    return Proposal(
        returning=0.02, flat_energy=0.4, versine=versine, wide=0.4, radiated_late=0.25,
        spread=versine, electron_versine=0.0, steep=0.0, opposite=0.15, isotropic=0.02,
    )  # fmt: skip


def generate(
    n: int,
    *,
    beams: Beams,
    rng: np.random.Generator,
    minimum_energy: float = 0.3,
    minimum_photon_angle: float = np.radians(10.0),
    minimum_angle: float = np.radians(10.0),
) -> Events:
    """Return weighted events: electron, positron, photon.

    Parameters
    ----------
    n
        Number of events.
    beams
        The beams, with their energy spread.
    rng
        Source of randomness.
    minimum_energy
        Smallest energy of the photon in the centre of mass [GeV].
    minimum_photon_angle
        Its smallest angle to both beams there [rad].
    minimum_angle
        An electron is seen if its angle to both beams there is at least this [rad] and its energy at least
        `bhabha_photon.LOWEST_SEEN_ENERGY`; at most one of the two is.

    Raises
    ------
    InputError
        If the energy is not between 0.05 GeV and 0.9 of a beam's energy, or an angle not between 0.01 and 1.5.
    """
    highest = 0.45 * beams.sqrt_s
    if not 0.05 <= minimum_energy <= highest:
        msg = f"minimum_energy = {minimum_energy} GeV; it must be between 0.05 and {highest:.3f} GeV"
        raise InputError(msg)
    for name, angle in (("minimum_photon_angle", minimum_photon_angle), ("minimum_angle", minimum_angle)):
        ANGLE.checked(name, angle)
    electron, positron = beam_particles(beams, n, rng=rng)
    total = electron + positron
    p4, weight = np.zeros((n, 3, 4)), np.empty(n)
    versine, photon_versine = (2 * np.sin(angle / 2) ** 2 for angle in (minimum_angle, minimum_photon_angle))
    drawn = _fill(electron, total, versine, minimum_energy, _proposal(photon_versine), rng, p4, weight)
    return Events(
        pdgid=np.tile(np.array([11, -11, 22], dtype=np.int32), (n, 1)),
        p4=p4,
        weight=weight * (GEV2_TO_FB * n / drawn),
        beams_p4=total,
    )


@njit(cache=True)
def _fill(
    electron: Array, total: Array, versine: float, minimum_energy: float, p: Proposal, rng: np.random.Generator,
    p4: Array, weight: Array,
) -> int:  # fmt: skip
    """Fill p4 (laboratory) and weight [GeV^-2] of events with the given beams, and return how often it drew."""
    drawn = 0
    work = work_space()
    for i in range(weight.size):
        beams = row(total, i)
        energy = np.sqrt(mass_squared(beams)) / 2
        missed = False
        while not missed:
            point, volume = draw_point(p, minimum_energy / energy, energy, rng)
            missed = not both_seen(point[0], point[1], versine)
            drawn += 1
        weight[i] = weigh(point, energy, work) * volume
        to_laboratory(point, row(electron, i), beams, p4[i])
    return drawn


PROCESSES = (
    Process(
        name="single_photon_bhabha",
        summary="e+e- -> (e+)(e-) gamma, an electron or both escape",
        generate=generate,
        parameters={
            "minimum_energy": Parameter(
                meaning="smallest energy of the photon in the centre of mass [GeV]", default=0.3, above=0.05, below=4.0
            ),
            "minimum_photon_angle": ANGLE,
            "minimum_angle": ANGLE,
        },
        accuracy="one hard photon exact, electron mass included; a second hard photon is left out",
        reference="Berends, Kleiss, Nucl. Phys. B 228 (1983) 537; Karlen, Nucl. Phys. B 289 (1987) 23",
    ),
)
