"""What recoils unseen against a pair of leptons: variables, observables and cuts of all searches for it.

The recoil is the nominal beam momentum minus that of the pair. It points into the barrel calorimeter, so that a photon
along it would have been seen; there is no such photon, and hardly any energy besides. Direction, photon angle and
photon energy are those of the laboratory.

References
----------
Belle II, Phys. Rev. Lett. 124 (2020) 141801, arXiv:1912.11276; 130 (2023) 231801, arXiv:2212.03066.
"""

from __future__ import annotations

import numpy as np

from bumphunt.kinematics.momenta import Beams, mass_squared, polar_angle, signed_mass, to_centre_of_mass
from bumphunt.spectrum.axis import MassAxis
from selections.cuts import Cut, Variable
from selections.lazy import Function
from selections.objects import TOTAL_PHOTON_ENERGY, daughter_p4, nearest_photon_angle, photon_variables

__all__ = [
    "AXIS",
    "BARREL",
    "GAP_CENTRE",
    "GAP_HALF_WIDTH",
    "MAX_EXTRA_ENERGY",
    "MIN_PHOTON_ANGLE",
    "SOURCE",
    "TRIGGER",
    "recoil_cuts",
    "recoil_observables",
    "recoil_variables",
    "trigger_cut",
]

AXIS = MassAxis(kind="squared", symbol=r"M_\mathrm{recoil}")
"""The squared recoil mass."""
TRIGGER = "L1PSNM(ffo)"
"""basf2 name of the two-track trigger bit: both tracks in 37-120 deg, opening above 90 deg."""
BARREL = (float(np.deg2rad(33.0)), float(np.deg2rad(128.0)))
"""Polar angles of the barrel calorimeter that the recoil must point to [rad], laboratory."""
GAP_CENTRE = float(np.deg2rad(90.0))
"""Polar angle of the gap between the halves of the barrel [rad]."""
GAP_HALF_WIDTH = float(np.deg2rad(1.0))
"""Half width of the excluded region about it [rad]: about one crystal, chosen here."""
MIN_PHOTON_ANGLE = float(np.deg2rad(15.0))
"""Smallest angle between the recoil and any photon [rad]."""
MAX_EXTRA_ENERGY = 0.4
"""Largest summed energy of photons [GeV], laboratory."""
SOURCE = "Belle II, arXiv:1912.11276"
"""Where the thresholds come from."""


def recoil_variables() -> tuple[Variable, ...]:
    """Return the variables of the rest of the event and of the trigger."""
    return (
        Variable(name="nTracks"),
        Variable(name=TRIGGER),
        Variable(name=TOTAL_PHOTON_ENERGY, unit="GeV"),
        *photon_variables(),
    )


def recoil_observables(masses: tuple[float, float], beams: Beams) -> dict[str, Function]:
    """Return how the observables of the recoil, the photons and the trigger are made, each of shape (N,).

    Steps on the way are the four-momenta of the leptons in the nominal centre-of-mass frame, ``_first_cms`` and
    ``_second_cms``, shape (N, 4), reached by a boost without rotation, whose z axis is that of the detector.

    Parameters
    ----------
    masses
        Masses of the daughters 0 and 1 [GeV].
    beams
        Nominal beams.
    """

    def number(name: str) -> Function:
        return lambda o: np.asarray(o[name], dtype=np.float64)

    return {
        "_first": lambda o: daughter_p4(o, 0, masses[0]),
        "_second": lambda o: daughter_p4(o, 1, masses[1]),
        "_recoil": lambda o: beams.p4 - (o["_first"] + o["_second"]),
        "_first_cms": lambda o: to_centre_of_mass(o["_first"], beams),
        "_second_cms": lambda o: to_centre_of_mass(o["_second"], beams),
        "m2_recoil": lambda o: mass_squared(o["_recoil"]),
        "m_recoil": lambda o: signed_mass(o["m2_recoil"]),
        "recoil_theta": lambda o: polar_angle(o["_recoil"]),
        "recoil_gap_distance": lambda o: np.abs(o["recoil_theta"] - GAP_CENTRE),
        "recoil_photon_angle": lambda o: nearest_photon_angle(o, o["_recoil"]),
        "extra_energy": number(TOTAL_PHOTON_ENERGY),
        "n_tracks": number("nTracks"),
        "trigger": number(TRIGGER),
    }


def trigger_cut() -> Cut:
    """Return the cut on the two-track trigger."""
    return Cut(
        name="trigger",
        observable="trigger",
        equals=1,
        description="two tracks in 37-120 deg, opening above 90 deg",
        source=SOURCE,
    )


def recoil_cuts() -> tuple[Cut, ...]:
    """Return the cuts on the recoil and the photons."""
    return (
        Cut(
            name="recoil in barrel",
            observable="recoil_theta",
            above=BARREL[0],
            below=BARREL[1],
            unit="rad",
            description="a photon along the recoil would meet the barrel calorimeter, 33-128 deg",
            source=SOURCE,
        ),
        Cut(
            name="recoil off the 90 deg gap",
            observable="recoil_gap_distance",
            above=GAP_HALF_WIDTH,
            unit="rad",
            description="photons escape between the halves of the barrel",
            source=f"{SOURCE}; the width, 1 deg to each side, is chosen here",
        ),
        Cut(
            name="no photon along the recoil",
            observable="recoil_photon_angle",
            above=MIN_PHOTON_ANGLE,
            unit="rad",
            description="against mumu(gamma): no photon within 15 deg of the recoil",
            source=SOURCE,
        ),
        Cut(
            name="extra photon energy",
            observable="extra_energy",
            below=MAX_EXTRA_ENERGY,
            unit="GeV",
            description="against mumu(gamma) and tau decays with neutral pions",
            source=SOURCE,
        ),
    )
