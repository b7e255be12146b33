"""Z' -> invisible: ee -> mu mu and nothing else, a peak in the mass that recoils against the muon pair.

Two opposite muons, no other track, no photon: the recoil points into the barrel calorimeter, so that a photon would
have been seen. What is left is mumu(gamma) with lost photons, tautau(gamma) with two muons, and eemumu with the
electrons in the beam pipe. The tau veto, bounds on `VETO` in bins of recoil mass, is optimised apart
(`bumphunt.cuts.best`).

References
----------
Belle II, Phys. Rev. Lett. 124 (2020) 141801, arXiv:1912.11276; 130 (2023) 231801, arXiv:2212.03066.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from bumphunt.constants import M_MUON
from bumphunt.kinematics.momenta import Beams, signed_mass
from bumphunt.spectrum.axis import MassAxis
from selections.components import (
    boosted,
    four_momenta,
    polar_angles,
    squared_mass,
)
from selections.cuts import Columns, Cut, Selection, Variable
from selections.lazy import Function, LazyObservables, in_one_go
from selections.objects import (
    TOTAL_PHOTON_ENERGY,
    daughter,
    muon_cuts,
    muon_observables,
    muon_variables,
    pair_cuts,
    photon_angle,
    photon_variables,
    refuse_photons_without_direction,
    track_cuts,
    track_observables,
    track_variables,
)
from selections.searches.zprime.tau_veto import OBSERVABLES as VETO_OBSERVABLES
from selections.searches.zprime.tau_veto import veto_observables

__all__ = [
    "AXIS",
    "BARREL",
    "GAP_CENTRE",
    "GAP_HALF_WIDTH",
    "MAX_EXTRA_ENERGY",
    "MIN_CONTROL_ENERGY",
    "MIN_PHOTON_ANGLE",
    "TRIGGER",
    "cuts",
    "observables",
    "radiative_cuts",
    "radiative_selection",
    "recoil_cuts",
    "selection",
    "trigger_cut",
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
MIN_CONTROL_ENERGY = 1.0
"""Smallest summed energy of photons in the control sample mumu gamma [GeV], laboratory."""

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


def observables(columns: Columns, beams: Beams) -> LazyObservables:
    """Return the observables of the search, each of shape (N,).

    The recoil is the nominal beam momentum minus that of the pair. Direction, photon angle and photon energy are those
    of the laboratory. What the tau veto needs (`selections.searches.zprime.tau_veto`) is from the nominal
    centre-of-mass frame, reached by a boost without rotation, whose z axis is that of the detector.

    ``recoil_gap_margin`` is the polar angle between the recoil and the nearest edge of the barrel, or the centre of its
    gap [rad]: photons of mumu(gamma) escape there.

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
    refuse_photons_without_direction(columns)

    def muon(index: int) -> Function:
        p, theta, phi = (daughter(index, name) for name in ("p", "theta", "phi"))
        return lambda o: four_momenta(o[p], o[theta], o[phi], M_MUON)

    def number(name: str) -> Function:
        return lambda o: np.asarray(o[name], dtype=np.float64)

    functions: dict[str, Function] = {
        "_plus": muon(0),
        "_minus": muon(1),
        "_recoil": lambda o: beams.p4[:, np.newaxis] - (o["_plus"] + o["_minus"]),
        "_plus_cms": lambda o: boosted(o["_plus"], -beams.velocity),
        "_minus_cms": lambda o: boosted(o["_minus"], -beams.velocity),
        "m2_recoil": lambda o: squared_mass(o["_recoil"]),
        "m_recoil": lambda o: signed_mass(o["m2_recoil"]),
        "recoil_theta": lambda o: polar_angles(o["_recoil"]),
        "recoil_gap_distance": lambda o: np.abs(o["recoil_theta"] - GAP_CENTRE),
        "recoil_gap_margin": lambda o: np.minimum(
            o["recoil_gap_distance"], np.minimum(o["recoil_theta"] - BARREL[0], BARREL[1] - o["recoil_theta"])
        ),
        "recoil_photon_angle": lambda o: photon_angle(o, o["_recoil"]),
        "extra_energy": number(TOTAL_PHOTON_ENERGY),
        "n_tracks": number("nTracks"),
        "trigger": number(TRIGGER),
        **in_one_go(lambda o: veto_observables(o["_plus_cms"].T, o["_minus_cms"].T, beams.sqrt_s), VETO_OBSERVABLES),
        **in_one_go(lambda o: track_observables(o, 2), ("max_dr", "max_dz", "charge_product")),
        **in_one_go(lambda o: muon_observables(o, 2), ("min_muon_id", "max_cluster_energy", "max_e_over_p")),
    }
    return LazyObservables(columns, functions)


def cuts() -> tuple[Cut, ...]:
    """Return the cuts before the tau veto, in order."""
    return (
        *pair_cuts(_SOURCE),
        *track_cuts(),
        *muon_cuts(),
        trigger_cut(),
        *recoil_cuts(),
    )


def radiative_cuts() -> tuple[Cut, ...]:
    """Return the cuts of the control sample mumu gamma: those of the search, with the photon that it forbids."""
    kept = [cut for cut in cuts() if cut.observable not in ("recoil_photon_angle", "extra_energy")]
    return (
        *kept,
        Cut(
            name="photon along the recoil",
            observable="recoil_photon_angle",
            below=MIN_PHOTON_ANGLE,
            unit="rad",
            description="a photon within 15 deg of the recoil",
            source="chosen here: the complement of the search",
        ),
        Cut(
            name="photon energy",
            observable="extra_energy",
            above=MIN_CONTROL_ENERGY,
            unit="GeV",
            description="an energetic photon, so that nothing else is left",
            source="chosen here",
        ),
    )


def trigger_cut() -> Cut:
    """Return the cut on the two-track trigger."""
    return Cut(
        name="trigger",
        observable="trigger",
        above=0.5,
        description="two tracks in 37-120 deg, opening above 90 deg",
        source=_SOURCE,
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


def radiative_selection(beams: Beams) -> Selection:
    """Return the selection of the control sample mumu gamma."""
    return Selection(
        name="zprime-invisible, mumu gamma",
        variables=variables(),
        observables=partial(observables, beams=beams),
        cuts=radiative_cuts(),
        spectrum="m2_recoil",
        axis=AXIS,
    )
