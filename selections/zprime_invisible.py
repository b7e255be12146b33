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
    M_TAU,
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
from bumphunt.tensor import VetoAxis, veto_axis
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
    "CANDIDATES",
    "FEATURES",
    "GAP_CENTRE",
    "GAP_HALF_WIDTH",
    "MAX_EXTRA_ENERGY",
    "MIN_PHOTON_ANGLE",
    "TRIGGER",
    "VETO",
    "cuts",
    "observables",
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
"""Observables of the published veto [GeV]; lower bounds on them are optimised in bins of recoil mass."""


def _bounds(name: str, low: float, high: float, *, unit: str, everything: float | None = None) -> VetoAxis:
    """Return 20 lower bounds: equal steps, after a first one that keeps everything where `low` does not."""
    if everything is None:
        return veto_axis(name, low, high, unit=unit)
    return VetoAxis(name=name, thresholds=np.append(everything, np.linspace(low, high, 19)), unit=unit)


CANDIDATES = (
    _bounds("pt_rec_lmax", 0.0, 3.8, unit="GeV"),
    _bounds("pt_rec_lmin", 0.0, 3.8, unit="GeV"),
    _bounds("pt_pair", 0.0, 3.8, unit="GeV"),
    _bounds("tau_excess", -0.9, 0.9, unit="rad", everything=-7.0),
    _bounds("recoil_gap_margin", 0.0, 0.38, unit="rad"),
    _bounds("minus_extra_energy", -MAX_EXTRA_ENERGY, -0.02, unit="GeV"),
    _bounds("acollinearity", 0.0, 1.9, unit="rad"),
    _bounds("acoplanarity", 0.0, 1.9, unit="rad"),
    _bounds("p_recoil", 0.0, 4.75, unit="GeV"),
    _bounds("pl_rec_lmin", -3.0, 4.2, unit="GeV", everything=-20.0),
    _bounds("minus_pl_rec_lmax", -3.0, 4.2, unit="GeV", everything=-20.0),
    _bounds("minus_m_pair", -9.2, -2.0, unit="GeV", everything=-20.0),
    _bounds("minus_p_lmax", -5.1, -1.5, unit="GeV", everything=-20.0),
    _bounds("p_lmin", 0.0, 3.8, unit="GeV"),
    _bounds("minus_p_lmin", -4.6, -1.0, unit="GeV", everything=-20.0),
    _bounds("p_asymmetry", 0.0, 0.76, unit=""),
    _bounds("minus_cos_recoil", -0.9, 0.0, unit="", everything=-1.0),
)
"""Every observable that may be cut on, with candidate bounds: to be ranked, and any three or four of them optimised."""
FEATURES = (
    *(axis.name for axis in CANDIDATES),
    "recoil_theta",
    "recoil_photon_angle",
)
"""Observables for a classifier."""

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
    ``pl_rec_lmax``, ``pl_rec_lmin``
        Recoil momentum along these muons [GeV].
    ``pt_pair``
        Momentum of the pair transverse to z [GeV].
    ``p_recoil``, ``p_lmax``, ``p_lmin``
        Momenta of the recoil and of the muons [GeV].
    ``p_asymmetry``
        Difference of the momenta of the muons over their sum.
    ``acollinearity``, ``acoplanarity``
        What the angle between the muons, in space and about z, lacks of pi [rad].
    ``tau_excess``
        Acollinearity beyond the largest that muons of their energies have if they come from two taus of half the energy
        each, back to back [rad]: negative for tau pairs without radiation. The neutrinos of each tau have a squared
        mass (p_tau - p_mu)^2 >= 0, which keeps the muon in a cone about its tau; the excess is the acollinearity minus
        the two half-angles.
    ``m_pair``
        Invariant mass of the muons [GeV].
    ``minus_cos_recoil``
        Minus the modulus of the cosine of the polar angle of the recoil.

    ``recoil_gap_margin`` is the polar angle between the recoil and the nearest edge of the barrel, or the centre of its
    gap [rad]: photons of mumu(gamma) escape there. Names with ``minus_`` are the negatives, on which a lower bound is
    an upper bound on the observable.

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
    gap_distance = np.abs(theta - GAP_CENTRE)
    extra_energy = np.asarray(columns[TOTAL_PHOTON_ENERGY], dtype=np.float64)
    plus, minus = (to_centre_of_mass(p4, beams) for p4 in muons)
    return {
        "m2_recoil": m2,
        "m_recoil": signed_mass(m2),
        "recoil_theta": theta,
        "recoil_gap_distance": gap_distance,
        "recoil_gap_margin": np.minimum(gap_distance, np.minimum(theta - BARREL[0], BARREL[1] - theta)),
        "recoil_photon_angle": nearest_photon_angle(columns, recoil),
        "extra_energy": extra_energy,
        "minus_extra_energy": -extra_energy,
        "n_tracks": np.asarray(columns["nTracks"], dtype=np.float64),
        "trigger": np.asarray(columns[TRIGGER], dtype=np.float64),
        **_veto_observables(plus, minus, beams.sqrt_s),
        **track_observables(columns, 2),
        **muon_observables(columns, 2),
    }


def _veto_observables(plus: Array, minus: Array, sqrt_s: float) -> dict[str, Array]:
    """Return the observables that may tell a Z' from its backgrounds, from the muons in the centre of mass."""
    p_plus, p_minus = momentum(plus), momentum(minus)
    p_lmax, p_lmin = np.maximum(p_plus, p_minus), np.minimum(p_plus, p_minus)
    pair = plus + minus
    p_recoil = momentum(pair)
    # in this frame the recoil is back to back with the pair, and the momentum of the pair transverse to one muon is
    # that of the other muon: abs(p+ x p-) / p
    cross = transverse_to(plus, minus) * p_minus
    dot = np.sum(plus[:, 1:] * minus[:, 1:], axis=-1)
    acollinearity = np.arctan2(cross, -dot)
    tau_cones = _tau_cone(plus[:, 0], p_plus, sqrt_s) + _tau_cone(minus[:, 0], p_minus, sqrt_s)
    azimuth = np.arctan2(plus[:, 1] * minus[:, 2] - plus[:, 2] * minus[:, 1], np.sum(plus[:, 1:3] * minus[:, 1:3], -1))
    pl_rec_lmax, pl_rec_lmin = -(p_lmax + dot / p_lmax), -(p_lmin + dot / p_lmin)
    m_pair = signed_mass(mass_squared(pair))
    return {
        "pt_rec_lmax": cross / p_lmax,
        "pt_rec_lmin": cross / p_lmin,
        "pl_rec_lmax": pl_rec_lmax,
        "pl_rec_lmin": pl_rec_lmin,
        "pt_pair": transverse_momentum(pair),
        "p_recoil": p_recoil,
        "p_lmax": p_lmax,
        "p_lmin": p_lmin,
        "p_asymmetry": (p_lmax - p_lmin) / (p_lmax + p_lmin),
        "acollinearity": acollinearity,
        "acoplanarity": np.pi - np.abs(azimuth),
        "tau_excess": acollinearity - tau_cones,
        "m_pair": m_pair,
        "minus_cos_recoil": np.divide(-np.abs(pair[:, 3]), p_recoil, out=-np.ones_like(p_recoil), where=p_recoil > 0),
        "minus_pl_rec_lmax": -pl_rec_lmax,
        "minus_p_lmax": -p_lmax,
        "minus_p_lmin": -p_lmin,
        "minus_m_pair": -m_pair,
    }


def _tau_cone(energy: Array, p: Array, sqrt_s: float) -> Array:
    """Return the largest angle between a muon and the tau of half the energy that it came from [rad], shape (N,).

    The neutrinos have a squared mass (p_tau - p_mu)^2 >= 0. The angle is 0 for a muon that no such tau makes, and pi
    for one that may fly anywhere.
    """
    e_tau = sqrt_s / 2
    p_tau = np.sqrt(e_tau**2 - M_TAU**2)
    cosine = (2 * e_tau * energy - M_TAU**2 - M_MUON**2) / (2 * p_tau * p)
    return np.asarray(np.arccos(np.clip(cosine, -1.0, 1.0)))


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
        *_recoil_cuts(),
    )


def _recoil_cuts() -> tuple[Cut, ...]:
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
