"""Parameters that several processes have."""

from __future__ import annotations

import numpy as np

from bumphunt.montecarlo.processes.process import Parameter

__all__ = ["ANGLE", "LIFETIME", "MASS", "RATES", "RECOILING_PHOTON", "coupling"]

RATES = "Belle II Physics Book, arXiv:1808.10567, table of cross sections"
"""Reference of the rates of backgrounds."""
RECOILING_PHOTON = 0.1
"""How far below sqrt(s) the mass of what recoils against a photon must be [GeV]: a photon to be seen."""

MASS = Parameter(meaning="mass [GeV]", above=0.0)
"""Mass of what is searched for."""
LIFETIME = Parameter(meaning="proper decay length c tau [cm]", default=0.0, above=0.0, inclusive=True)
"""How far it flies."""
ANGLE = Parameter(
    meaning="smallest angle to the beams in the centre of mass [rad]",
    default=float(np.radians(10.0)),
    above=0.01,
    below=1.5,
    inclusive=True,
)
"""From where on a particle is at an angle."""


def coupling(default: float, meaning: str) -> Parameter:
    """Return a coupling, which only scales the cross section."""
    return Parameter(meaning=meaning, default=default, above=0.0)
