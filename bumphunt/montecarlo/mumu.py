"""Muon pairs, e+e- -> mu+ mu- (gamma).

Use it as the background at low recoil masses, where its photons are missed. Tree level with the muon mass, vacuum
polarisation, one collinear photon from each beam and from each muon (`bumphunt.montecarlo.radiation`). Events with hard
photons, which leave a recoil mass, are generated more often than they happen, with smaller weights.

References
----------
F. A. Berends, R. Kleiss, Nucl. Phys. B 177 (1981) 237: the process with its radiation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.kinematics import M_MUON, Beams
from bumphunt.montecarlo.events import Events, beam_particles
from bumphunt.montecarlo.radiation import (
    ALPHA,
    GEV2_TO_FB,
    radiate_final_state,
    radiate_initial_state,
    vacuum_polarisation,
)

__all__ = ["born_cross_section", "generate"]

Array = NDArray[np.float64]

MINIMUM_MASS = 2.001 * M_MUON
"""Lowest mass of the muon pair [GeV]."""


def born_cross_section(s: ArrayLike, mass: float) -> Array:
    """Return sigma(e+e- -> l+ l-) = (4 pi alpha^2 / 3 s) beta (3 - beta^2) / 2 [fb], at tree level.

    Parameters
    ----------
    s
        Squared mass of the pair [GeV^2]; 0 below threshold.
    mass
        Lepton mass [GeV].

    References
    ----------
    PDG review of cross-section formulae, eq. 51.2.

    Examples
    --------
    >>> round(float(born_cross_section(10.58**2, 0.0)) / 1e6, 3)  # 86.8 nb / s
    0.776
    """
    s = np.asarray(s, dtype=np.float64)
    beta = np.sqrt(np.maximum(1 - 4 * mass**2 / s, 0.0))
    return np.asarray(4 * np.pi * ALPHA**2 / (3 * s) * beta * (3 - beta**2) / 2 * GEV2_TO_FB)


def generate(n: int, *, beams: Beams, rng: np.random.Generator) -> Events:
    """Return weighted events: mu-, mu+, the photons of electron and positron, those of mu- and mu+.

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
    charged, angular = _back_to_back(initial.axis, s, rng)
    final, final_weight = radiate_final_state(initial.pair, charged, mass=M_MUON, rng=rng)
    p4 = np.concatenate([final[:, :2], initial.photons, final[:, 2:]], axis=1)
    pdgid = np.broadcast_to(np.array([13, -13, 22, 22, 22, 22], dtype=np.int32), (n, 6)).copy()
    cross_section = born_cross_section(s, M_MUON) * vacuum_polarisation(s)
    return Events(
        pdgid=pdgid,
        p4=p4,
        weight=initial.weight * cross_section * angular * final_weight,
        beams_p4=electron + positron,
    )


def _back_to_back(axis: Array, s: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return the muon momenta in the rest frame of the pair, (N, 2, 4), and the weight of their angle, mean 1.

    dsigma/dcos goes as 1 + cos^2 + (4 m^2 / s)(1 - cos^2); 1 + cos^2 is drawn by inversion.
    """
    n = s.size
    cos = 2 * np.sinh(np.arcsinh(4 * rng.random(n) - 2) / 3)
    r = 4 * M_MUON**2 / s
    weight = (1 + cos**2 + r * (1 - cos**2)) / (1 + cos**2) / (1 + r / 2)
    phi = 2 * np.pi * rng.random(n)
    sin = np.sqrt(np.maximum(1 - cos**2, 0.0))
    helper = np.where(np.abs(axis[:, :1]) < 0.9, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    across = np.cross(axis, helper)
    across /= np.linalg.norm(across, axis=-1, keepdims=True)
    third = np.cross(axis, across)
    direction = (
        cos[:, np.newaxis] * axis
        + (sin * np.cos(phi))[:, np.newaxis] * across
        + (sin * np.sin(phi))[:, np.newaxis] * third
    )
    momentum = np.sqrt(np.maximum(s / 4 - M_MUON**2, 0.0))[:, np.newaxis] * direction
    charged = np.empty((n, 2, 4))
    charged[:, :, 0] = np.sqrt(s)[:, np.newaxis] / 2
    charged[:, 0, 1:] = momentum
    charged[:, 1, 1:] = -momentum
    return charged, weight
