r"""A single photon and nothing else: e+e- -> gamma X, X invisible, a peak in the squared mass recoiling against it.

X is a dark photon that decays to dark matter (`selections.searches.darkphoton.invisible`), or an axion-like particle
that leaves the detector (`selections.searches.alp.invisible`): the searches share observables, cuts and regions. With
E* = (s - M_X^2) / (2 sqrt(s)) a mass is a horizontal band in the plane of E* and cos(theta*); below some 1.5 GeV all of
them are the same band, and their limit is one number.

What else makes a single photon, and which observable knows it:

==================== ===================================================== ======================================
background           where                                                 observable
==================== ===================================================== ======================================
gamma gamma          M_X^2 = 0, the other photon in a gap or lost          ``escape_distance``, ``n_muon_system``
gamma gamma gamma    rising with M_X^2, one along a beam, one in a gap     ``escape_distance``
e e gamma            below a curved edge in E* against cos(theta*)         ``edge_distance``
any, not quite lost  everywhere                                            ``second_energy``, ``extra_energy``
==================== ===================================================== ======================================

Both distances are kinematics (`bumphunt.kinematics.escape`), without numbers to tune: the highest energy of a photon
against particles that leave along the beams, and where the lost photon went if a third one left along a beam.

References
----------
BaBar, Phys. Rev. Lett. 119 (2017) 131804, arXiv:1702.03327; The Belle II Physics Book, arXiv:1808.10567.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bumphunt.cuts.tensor import VetoAxis
from bumphunt.kinematics.escape import beam_holes, edge_energy, partner_angles
from bumphunt.kinematics.momenta import (
    Beams,
    four_momentum,
    opening_angle,
    signed_mass,
    to_centre_of_mass,
)
from bumphunt.montecarlo.detector.muon_system import MUON_SYSTEM_CLUSTERS
from bumphunt.montecarlo.detector.parameters import Detector
from bumphunt.montecarlo.detector.presets import BABAR, BELLE2
from bumphunt.montecarlo.detector.trigger_lines import (
    BABAR_SINGLE_PHOTON,
    HLT_SINGLE_PHOTON,
    L1_SINGLE_PHOTON_1GEV,
    L1_SINGLE_PHOTON_2GEV,
)
from bumphunt.spectrum.axis import MassAxis
from selections.cuts import Columns, Cut, Selection, Variable
from selections.objects import N_PHOTONS, TOTAL_PHOTON_ENERGY, daughter, photon, photon_variables
from selections.search import Binning, Region

__all__ = [
    "AXIS",
    "BABAR_PHOTON",
    "BELLE2_PHOTON",
    "VETO",
    "Geometry",
    "cuts",
    "observables",
    "regions",
    "selection",
    "variables",
]

Array = NDArray[np.float64]

AXIS = MassAxis(kind="squared", symbol="M_X")
"""The squared recoil mass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """What an experiment sees of single photons: its acceptance, its triggers, and the thresholds that go with them.

    Polar angles are those of the laboratory.

    Parameters
    ----------
    detector
        Whose calorimeter and gaps the distances refer to.
    theta
        Polar angles of the photon [rad].
    cos_theta
        Its cosines in the centre of mass.
    min_energy
        Its smallest E* [GeV]: above the trigger's threshold.
    lines
        Trigger bits of which one must fire.
    filters
        Trigger bits that must all fire as well.
    max_second_energy
        Largest E* of any other photon [GeV].
    max_extra_energy
        Largest summed energy of all others [GeV], laboratory.
    min_gap_distance, min_escape_distance
        Smallest distances from a gap of the photon, and of its lost partner [rad]; None for a calorimeter without.
    source
        Where the thresholds come from.
    """

    detector: Detector
    theta: tuple[float, float]
    cos_theta: tuple[float, float]
    min_energy: float
    lines: tuple[str, ...]
    filters: tuple[str, ...]
    max_second_energy: float
    max_extra_energy: float
    source: str
    min_gap_distance: float | None = None
    min_escape_distance: float | None = None


BABAR_PHOTON = Geometry(
    detector=BABAR,
    theta=BABAR.ecl_theta,
    cos_theta=(-0.6, 0.6),
    min_energy=1.9,
    lines=(BABAR_SINGLE_PHOTON,),
    filters=(),
    max_second_energy=0.15,
    max_extra_energy=0.3,
    source="BaBar, arXiv:1702.03327",
)
"""BaBar."""
BELLE2_PHOTON = Geometry(
    detector=BELLE2,
    theta=(float(np.radians(33.0)), float(np.radians(128.0))),
    cos_theta=(-0.9, 0.9),
    min_energy=1.9,
    lines=(L1_SINGLE_PHOTON_1GEV, L1_SINGLE_PHOTON_2GEV),
    filters=(HLT_SINGLE_PHOTON,),
    max_second_energy=0.15,
    max_extra_energy=0.3,
    source="The Belle II Physics Book, arXiv:1808.10567",
    min_gap_distance=float(np.radians(1.0)),
    min_escape_distance=float(np.radians(1.0)),
)
"""Belle II."""


def variables(geometry: Geometry) -> tuple[Variable, ...]:
    """Return the variables that the search reads; `daughter` 0 is the photon."""
    units = {"E": "GeV", "theta": "rad", "phi": "rad"}
    return (
        *(Variable(name=daughter(0, name), unit=unit) for name, unit in units.items()),
        Variable(name="nTracks"),
        *(Variable(name=name) for name in (*geometry.lines, *geometry.filters)),
        Variable(name=TOTAL_PHOTON_ENERGY, unit="GeV"),
        Variable(name=MUON_SYSTEM_CLUSTERS),
        *photon_variables(),
    )


def _gap_distance(theta: Array, gaps: tuple[tuple[float, float], ...]) -> Array:
    """Return how far polar angles are from the nearest gap [rad], negative inside it; pi if there is none."""
    distance = np.full(theta.shape, np.pi)
    for low, high in gaps:
        distance = np.minimum(distance, np.maximum(low - theta, theta - high))
    return distance


def _inside(theta: Array, detector: Detector) -> Array:
    """Return how far polar angles are inside the calorimeter, and from its gaps [rad]; negative where it is blind."""
    low, high = detector.ecl_theta
    return np.minimum(np.minimum(theta - low, high - theta), _gap_distance(theta, detector.ecl_gaps))


def _second_photon(columns: Columns, p4: Array, beams: Beams) -> tuple[Array, Array]:
    """Return the highest E* of the other photons [GeV], and its acollinearity with the photon [rad], shape (N,) each.

    Without another photon they are 0 and pi.
    """
    energy, angle = np.zeros(len(p4)), np.full(len(p4), np.pi)
    leading = to_centre_of_mass(p4, beams)
    for rank in range(1, N_PHOTONS + 1):
        e = np.asarray(columns[photon(rank, "E")], dtype=np.float64)
        there = np.flatnonzero(~np.isnan(e))
        other = to_centre_of_mass(
            four_momentum(e[there], columns[photon(rank, "theta")][there], columns[photon(rank, "phi")][there], 0.0),
            beams,
        )
        higher = other[:, 0] > energy[there]
        there, other = there[higher], other[higher]
        energy[there] = other[:, 0]
        angle[there] = np.pi - opening_angle(other, leading[there])
    return energy, angle


def observables(columns: Columns, beams: Beams, geometry: Geometry) -> dict[str, Array]:
    """Return the observables of the search, each of shape (N,).

    ``e_star``, ``cos_theta``
        Energy [GeV] and cosine of the angle to the electron beam, in the nominal centre of mass.
    ``m2_x``, ``m_x``
        s - 2 sqrt(s) E* [GeV^2], and its signed root [GeV].
    ``theta``, ``gap_distance``
        Polar angle in the laboratory, and its distance from the nearest gap [rad].
    ``second_energy``, ``acollinearity``
        Highest E* of the other photons [GeV], and how far it is from back to back in the centre of mass [rad].
    ``n_muon_system``
        Clusters in the muon system.
    ``escape_distance``
        How far inside the calorimeter the second of three photons would be, if the third went along either beam: the
        smaller of the two [rad]; negative where it would not be seen.
    ``edge_distance``
        E* - `edge_energy` [GeV].
    ``extra_energy``
        Summed energy of the other photons [GeV], laboratory.
    ``off_gap``
        `escape_distance` in degrees, in which its bounds are told.

    Parameters
    ----------
    columns
        Ntuple columns by basf2 name, see `variables`.
    beams
        Nominal beams.
    geometry
        The experiment.
    """
    theta = np.asarray(columns[daughter(0, "theta")], dtype=np.float64)
    p4 = four_momentum(columns[daughter(0, "E")], theta, columns[daughter(0, "phi")], 0.0)
    p4_star = to_centre_of_mass(p4, beams)
    theta_star = opening_angle(p4_star, to_centre_of_mass(beams.electron, beams))
    m2 = beams.s - 2 * beams.sqrt_s * p4_star[:, 0]
    second, acollinearity = _second_photon(columns, p4, beams)
    escape = np.minimum(*(_inside(angle, geometry.detector) for angle in partner_angles(p4, beams)))
    fired = np.max([columns[name] for name in geometry.lines], axis=0)
    passed = np.min([np.ones(len(p4)), *(columns[name] for name in geometry.filters)], axis=0)
    edge = edge_energy(theta_star, beams.sqrt_s, beam_holes(geometry.detector.ecl_theta, beams))
    return {
        "m2_x": m2,
        "m_x": signed_mass(m2),
        "e_star": p4_star[:, 0],
        "cos_theta": np.cos(theta_star),
        "theta": theta,
        "gap_distance": _gap_distance(theta, geometry.detector.ecl_gaps),
        "second_energy": second,
        "acollinearity": acollinearity,
        "extra_energy": np.asarray(columns[TOTAL_PHOTON_ENERGY], dtype=np.float64),
        "n_tracks": np.asarray(columns["nTracks"], dtype=np.float64),
        "n_muon_system": np.asarray(columns[MUON_SYSTEM_CLUSTERS], dtype=np.float64),
        "trigger": np.asarray(fired * passed, dtype=np.float64),
        "escape_distance": escape,
        "edge_distance": p4_star[:, 0] - edge,
        "off_gap": np.degrees(escape),
    }


def _cut(
    geometry: Geometry,
    name: str,
    observable: str,
    description: str,
    *,
    above: float | None = None,
    below: float | None = None,
    equals: float | None = None,
    unit: str = "",
) -> Cut:
    """Return a cut with the source of the geometry."""
    return Cut(
        name=name,
        observable=observable,
        description=description,
        source=geometry.source,
        above=above,
        below=below,
        equals=equals,
        unit=unit,
    )


def cuts(geometry: Geometry) -> tuple[Cut, ...]:
    """Return the cuts before those that are optimised in bins of mass, in order."""
    theta, cos = geometry.theta, geometry.cos_theta
    cut = partial(_cut, geometry)
    near_gaps, beyond = [], []
    if geometry.min_gap_distance is not None:
        near_gaps.append(
            cut("photon off the gaps", "gap_distance", "no shower leaks", above=geometry.min_gap_distance, unit="rad")
        )
    if geometry.min_escape_distance is not None:
        beyond.append(
            cut(
                "partner not in a gap", "escape_distance", "against gamma gamma(gamma), the partner in a gap or beyond",
                above=geometry.min_escape_distance, unit="rad",
            )
        )  # fmt: skip
    return (
        cut("no tracks", "n_tracks", "nothing charged in the tracking acceptance", equals=0),
        cut("photon angle", "theta", "well inside the calorimeter", above=theta[0], below=theta[1], unit="rad"),
        cut("photon cos(theta*)", "cos_theta", "e e gamma is forward and backward", above=cos[0], below=cos[1]),
        *near_gaps,
        cut("photon energy", "e_star", "above the threshold of the trigger", above=geometry.min_energy, unit="GeV"),
        cut("trigger", "trigger", "a single-photon line", equals=1),
        cut(
            "no second photon", "second_energy", "against gamma gamma(gamma) and e e gamma",
            below=geometry.max_second_energy, unit="GeV",
        ),
        cut(
            "extra photon energy", "extra_energy", "against many soft photons and showers",
            below=geometry.max_extra_energy, unit="GeV",
        ),
        cut("muon system", "n_muon_system", "against photons that slip through the calorimeter", equals=0),
        *beyond,
    )  # fmt: skip


def selection(beams: Beams, geometry: Geometry) -> Selection:
    """Return the selection of an experiment before the optimised cuts."""
    return Selection(
        name="single-photon",
        variables=variables(geometry),
        observables=partial(observables, beams=beams, geometry=geometry),
        cuts=cuts(geometry),
        spectrum="m2_x",
        axis=AXIS,
    )


VETO = (
    VetoAxis(name="edge_distance", thresholds=np.linspace(-4.0, 0.5, 46), unit="GeV"),
    VetoAxis(name="extra_energy", thresholds=np.array([0.3, 0.2, 0.15, 0.1, 0.05]), unit="GeV", side="below"),
    VetoAxis(name="off_gap", thresholds=np.array([-90.0, 0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0]), unit="deg"),
)
"""Bounds that are optimised in bins of mass."""
_BINS = Binning(low=-8.0, high=71.0, bins=316)
"""Six bins in the resolution of 1.5 GeV^2 at low mass, three in that at 8 GeV."""


def regions(process: str) -> tuple[Region, ...]:
    """Return the regions of both experiments for the signal of a process."""
    return tuple(
        Region(
            name=name,
            description=f"a single photon and nothing else in {title}",
            selection=partial(selection, geometry=geometry),
            candidate="photon",
            binning=_BINS,
            process=process,
        )
        for name, title, geometry in (("babar", "BaBar", BABAR_PHOTON), ("belle2", "Belle II", BELLE2_PHOTON))
    )
