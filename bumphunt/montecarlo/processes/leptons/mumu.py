"""Muon pairs, e+e- -> mu+ mu- (gamma).

Use it as the background at low recoil masses, where its photons are missed. Tree level with the muon mass, vacuum
polarisation, one collinear photon from each beam (`bumphunt.montecarlo.radiation.initial_state`) and from each muon
(`bumphunt.montecarlo.radiation.final_state`), the hardest of which is that of the exact matrix element with all
interference (`bumphunt.montecarlo.amplitudes.pair_photon`). Events with hard photons, which leave a recoil mass, are
generated more often than they happen, with smaller weights. A second photon that is hard and at a wide angle is good to
tens of per cent; box diagrams are left out.

References
----------
F. A. Berends, R. Kleiss, Nucl. Phys. B 177 (1981) 237: the process with its radiation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bumphunt.compilation import njit
from bumphunt.constants import M_MUON
from bumphunt.kinematics.compiled import along, ray
from bumphunt.kinematics.momenta import Beams
from bumphunt.montecarlo.amplitudes.vacuum_polarisation import vacuum_polarisation
from bumphunt.montecarlo.events import Events, beam_particles
from bumphunt.montecarlo.phase_space.decays import dipole_cosine
from bumphunt.montecarlo.processes.parameters import RATES
from bumphunt.montecarlo.processes.process import Process
from bumphunt.montecarlo.radiation.final_state import radiate_final_state
from bumphunt.montecarlo.radiation.hardest_photon import hardest_photon_weight
from bumphunt.montecarlo.radiation.initial_state import radiate_initial_state
from bumphunt.theory.lepton_pairs import born_cross_section

__all__ = ["PROCESSES", "back_to_back", "generate"]

Array = NDArray[np.float64]

MINIMUM_MASS = 2.001 * M_MUON
"""Lowest mass of the muon pair [GeV]."""


def generate(n: int, *, beams: Beams, rng: np.random.Generator) -> Events:
    """Return weighted events: mu-, mu+, the photons of mu- and mu+, those of electron and positron.

    Parameters
    ----------
    n
        Number of events.
    beams
        The beams, with their energy spread.
    rng
        Source of randomness.
    """
    electron, positron = beam_particles(beams, n, rng=rng)
    initial = radiate_initial_state(electron, positron, minimum_mass=MINIMUM_MASS, rng=rng)
    s = initial.mass_squared
    charged, angular = np.empty((n, 2, 4)), np.empty(n)
    back_to_back(initial.axis, s, M_MUON, rng, charged, angular)
    p4, final_weight = radiate_final_state(initial.pair, charged, mass=M_MUON, rng=rng, slots=6)
    p4[:, 4:] = initial.photons
    pdgid = np.where(p4[:, :, 0] > 0, np.array([13, -13, 22, 22, 22, 22], dtype=np.int32), np.int32(0))
    exact = hardest_photon_weight(electron, positron, p4, mass=M_MUON)
    cross_section = born_cross_section(s, M_MUON) * vacuum_polarisation(s)
    return Events(
        pdgid=pdgid,
        p4=p4,
        weight=initial.weight * cross_section * angular * final_weight * exact,
        beams_p4=electron + positron,
    )


@njit(cache=True)
def back_to_back(axis: Array, s: Array, mass: float, rng: np.random.Generator, charged: Array, weight: Array) -> None:
    """Fill the momenta of l- and l+ in the rest frame of the pair, (N, 2, 4), and the weight of their angle, mean 1.

    dsigma/dcos goes as 1 + cos^2 + (4 m^2 / s)(1 - cos^2); 1 + cos^2 is drawn by inversion.
    """
    for i in range(s.size):
        cos = dipole_cosine(rng.random())
        sin = np.sqrt(max(1 - cos * cos, 0.0))
        r = 4 * mass**2 / s[i]
        weight[i] = (1 + cos * cos + r * sin * sin) / (1 + cos * cos) / (1 + r / 2)
        phi = 2 * np.pi * rng.random()
        nx, ny, nz = along(ray(axis, i), sin * np.cos(phi), sin * np.sin(phi), cos)
        p = np.sqrt(max(s[i] / 4 - mass**2, 0.0))
        energy = np.sqrt(s[i]) / 2
        charged[i, 0] = (energy, p * nx, p * ny, p * nz)
        charged[i, 1] = (energy, -p * nx, -p * ny, -p * nz)


PROCESSES = (
    Process(
        name="mumu",
        summary="e+e- -> mu+ mu- (gamma)",
        generate=generate,
        accuracy="total 1 %, hardest photon exact to 10 %; a second hard photon at a wide angle to tens of per cent",
        reference=f"Berends, Kleiss, Nucl. Phys. B 177 (1981) 237; {RATES}",
    ),
)
