"""Z' -> invisible: ee -> mu mu and nothing else, a peak in the mass that recoils against the muon pair.

Two opposite muons, no other track, no photon: the recoil points into the barrel calorimeter, so that a photon would
have been seen. What is left is mumu(gamma) with lost photons, tautau(gamma) with two muons, and eemumu with the
electrons in the beam pipe. The tau veto, bounds on `VETO` in bins of recoil mass, is optimised apart
(`bumphunt.optimise`).

References
----------
Belle II, Phys. Rev. Lett. 124 (2020) 141801, arXiv:1912.11276; 130 (2023) 231801, arXiv:2212.03066.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from bumphunt.kinematics import (
    M_MUON,
    Beams,
    mass_squared,
    momentum,
    polar_angle,
    signed_mass,
    to_centre_of_mass,
    transverse_momentum,
    transverse_to,
)
from bumphunt.mass_axis import MassAxis
from selections.cuts import Columns, Cut, Selection, Variable
from selections.objects import (
    TOTAL_PHOTON_ENERGY,
    daughter_p4,
    muon_cuts,
    muon_observables,
    muon_variables,
    nearest_photon_angle,
    photon_variables,
    track_cuts,
    track_observables,
    track_variables,
)

__all__ = [
    "AXIS",
    "BARREL",
    "GAP_CENTRE",
    "GAP_HALF_WIDTH",
    "MAX_EXTRA_ENERGY",
    "MIN_PHOTON_ANGLE",
    "TRIGGER",
    "VETO",
    "cuts",
    "observables",
    "recoil_cuts",
    "selection",
    "variables",
]

Array = NDArray[np.float64]

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
VETO = ("pt_rec_lmax", "pt_rec_lmin", "pt_pair")
"""Observables that tell a Z' from tau pairs [GeV]; lower bounds on them are optimised in bins of recoil mass."""

_SOURCE = "Belle II, arXiv:1912.11276"


def variables() -> tuple[Variable, ...]:
    """Return the variables that the search reads; `daughter` 0 is the positive and 1 the negative muon."""
    return (
        *track_variables(2),
        *muon_variables(2),
        Variable(name="nTracks"),
        Variable(name=TRIGGER),
        Variable(name=TOTAL_PHOTON_ENERGY, unit="GeV"),
        *photon_variables(),
    )


def observables(columns: Columns, beams: Beams) -> dict[str, Array]:
    """Return the observables of the search, each of shape (N,).

    The recoil is the nominal beam momentum minus that of the pair. Direction, photon angle and photon energy are those
    of the laboratory. The momenta of the veto are those of the nominal centre-of-mass frame, reached by a boost without
    rotation, whose z axis is that of the detector:

    ``pt_rec_lmax``, ``pt_rec_lmin``
        Recoil momentum transverse to the muon of higher, of lower momentum in that frame [GeV].
    ``pt_pair``
        Momentum of the pair transverse to z [GeV].

    Parameters
    ----------
    columns
        Ntuple columns by basf2 name, see `variables`.
    beams
        Nominal beams.

    Raises
    ------
    InputError
        If a photon has an energy but no direction.
    """
    muons = [daughter_p4(columns, i, M_MUON) for i in range(2)]
    pair = muons[0] + muons[1]
    recoil = beams.p4 - pair
    m2 = mass_squared(recoil)
    theta = polar_angle(recoil)
    plus, minus = (to_centre_of_mass(p4, beams) for p4 in muons)
    p_plus, p_minus = momentum(plus), momentum(minus)
    # in this frame the recoil is back to back with the pair, and the momentum of the pair transverse to one muon is
    # that of the other muon: abs(p+ x p-) / p
    cross = transverse_to(plus, minus) * p_minus
    return {
        "m2_recoil": m2,
        "m_recoil": signed_mass(m2),
        "recoil_theta": theta,
        "recoil_gap_distance": np.abs(theta - GAP_CENTRE),
        "recoil_photon_angle": nearest_photon_angle(columns, recoil),
        "extra_energy": np.asarray(columns[TOTAL_PHOTON_ENERGY], dtype=np.float64),
        "n_tracks": np.asarray(columns["nTracks"], dtype=np.float64),
        "trigger": np.asarray(columns[TRIGGER], dtype=np.float64),
        "pt_rec_lmax": cross / np.maximum(p_plus, p_minus),
        "pt_rec_lmin": cross / np.minimum(p_plus, p_minus),
        "pt_pair": transverse_momentum(plus + minus),
        **track_observables(columns, 2),
        **muon_observables(columns, 2),
    }


def cuts() -> tuple[Cut, ...]:
    """Return the cuts before the tau veto, in order."""
    return (
        Cut(
            name="two tracks",
            observable="n_tracks",
            equals=2,
            description="nothing but the muon pair in the tracking acceptance",
            source=_SOURCE,
        ),
        Cut(
            name="opposite charges",
            observable="charge_product",
            equals=-1,
            description="one positive and one negative muon",
            source=_SOURCE,
        ),
        *track_cuts(),
        *muon_cuts(),
        Cut(
            name="trigger",
            observable="trigger",
            above=0.5,
            description="two tracks in 37-120 deg, opening above 90 deg",
            source=_SOURCE,
        ),
        *recoil_cuts(),
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
            source=_SOURCE,
        ),
        Cut(
            name="recoil off the 90 deg gap",
            observable="recoil_gap_distance",
            above=GAP_HALF_WIDTH,
            unit="rad",
            description="photons escape between the halves of the barrel",
            source=f"{_SOURCE}; the width, 1 deg to each side, is chosen here",
        ),
        Cut(
            name="no photon along the recoil",
            observable="recoil_photon_angle",
            above=MIN_PHOTON_ANGLE,
            unit="rad",
            description="against mumu(gamma): no photon within 15 deg of the recoil",
            source=_SOURCE,
        ),
        Cut(
            name="extra photon energy",
            observable="extra_energy",
            below=MAX_EXTRA_ENERGY,
            unit="GeV",
            description="against mumu(gamma) and tau decays with neutral pions",
            source=_SOURCE,
        ),
    )


def selection(beams: Beams) -> Selection:
    """Return the selection of the search before the tau veto."""
    return Selection(
        name="zprime-invisible",
        variables=variables(),
        observables=partial(observables, beams=beams),
        cuts=cuts(),
        spectrum="m2_recoil",
        axis=AXIS,
    )
