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

from bumphunt.kinematics import M_MUON, M_TAU, Beams, signed_mass
from bumphunt.mass_axis import MassAxis
from bumphunt.tensor import VetoAxis, veto_axis
from selections.components import (
    boosted,
    cross_product,
    four_momenta,
    length,
    polar_angles,
    squared_mass,
    transverse,
)
from selections.cuts import Columns, Cut, Selection, Variable
from selections.lazy import Function, LazyObservables, in_one_go
from selections.objects import (
    TOTAL_PHOTON_ENERGY,
    daughter,
    muon_cuts,
    muon_observables,
    muon_variables,
    photon_angle,
    photon_variables,
    refuse_photons_without_direction,
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


def observables(columns: Columns, beams: Beams) -> LazyObservables:
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
        **_veto_functions(beams),
        **in_one_go(lambda o: track_observables(o, 2), ("max_dr", "max_dz", "charge_product")),
        **in_one_go(lambda o: muon_observables(o, 2), ("min_muon_id", "max_cluster_energy", "max_e_over_p")),
    }
    return LazyObservables(columns, functions)


def _veto_functions(beams: Beams) -> dict[str, Function]:
    """Return how the observables are made that may tell a Z' from its backgrounds, from the muons in the laboratory."""
    velocity, sqrt_s = -beams.velocity, beams.sqrt_s

    def along(p: str) -> Function:
        """Recoil momentum along the muon of momentum `p`; in this frame the recoil is minus the pair."""
        return lambda o: -(o[p] + o["_dot"] / o[p])

    def minus_cos_recoil(o: LazyObservables) -> Array:
        p = o["p_recoil"]
        return np.asarray(np.divide(-np.abs(o["_pair_cms"][3]), p, out=-np.ones_like(p), where=p > 0))

    def acoplanarity(o: LazyObservables) -> Array:
        _, px, py, _ = o["_plus_cms"]
        _, qx, qy, _ = o["_minus_cms"]
        return np.asarray(np.pi - np.abs(np.arctan2(px * qy - py * qx, px * qx + py * qy)))

    def tau_excess(o: LazyObservables) -> Array:
        cones = (_tau_cone(o[f"_{muon}_cms"][0], o[f"_p_{muon}"], sqrt_s) for muon in ("plus", "minus"))
        return np.asarray(o["acollinearity"] - sum(cones))

    functions: dict[str, Function] = {
        "_plus_cms": lambda o: boosted(o["_plus"], velocity),
        "_minus_cms": lambda o: boosted(o["_minus"], velocity),
        "_pair_cms": lambda o: o["_plus_cms"] + o["_minus_cms"],
        "_p_plus": lambda o: length(o["_plus_cms"]),
        "_p_minus": lambda o: length(o["_minus_cms"]),
        "_cross": lambda o: cross_product(o["_plus_cms"], o["_minus_cms"]),
        "_dot": lambda o: np.sum(o["_plus_cms"][1:] * o["_minus_cms"][1:], axis=0),
        "p_lmax": lambda o: np.maximum(o["_p_plus"], o["_p_minus"]),
        "p_lmin": lambda o: np.minimum(o["_p_plus"], o["_p_minus"]),
        # the momentum of the recoil transverse to one muon is that of the other muon: abs(p+ x p-) / p
        "pt_rec_lmax": lambda o: o["_cross"] / o["p_lmax"],
        "pt_rec_lmin": lambda o: o["_cross"] / o["p_lmin"],
        "pl_rec_lmax": along("p_lmax"),
        "pl_rec_lmin": along("p_lmin"),
        "pt_pair": lambda o: transverse(o["_pair_cms"]),
        "p_recoil": lambda o: length(o["_pair_cms"]),
        "p_asymmetry": lambda o: (o["p_lmax"] - o["p_lmin"]) / (o["p_lmax"] + o["p_lmin"]),
        "acollinearity": lambda o: np.arctan2(o["_cross"], -o["_dot"]),
        "acoplanarity": acoplanarity,
        "tau_excess": tau_excess,
        "m_pair": lambda o: signed_mass(squared_mass(o["_pair_cms"])),
        "minus_cos_recoil": minus_cos_recoil,
    }
    return functions | {f"minus_{name}": _minus(name) for name in _NEGATIVES}


_NEGATIVES = ("extra_energy", "pl_rec_lmax", "p_lmax", "p_lmin", "m_pair")
"""Observables that small values of are signal-like."""


def _minus(name: str) -> Function:
    """Return how minus an observable is made."""
    return lambda o: -o[name]


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
