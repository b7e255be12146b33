"""The detector as a set of named numbers: resolutions, efficiencies, fake rates, acceptances and trigger lines.

`Detector` is the record, `BELLE2` and `BABAR` are the presets, and `preset` takes one by name and changes some of its
numbers. `bumphunt.montecarlo.detector.response` turns the numbers into resolutions and probabilities, and
`bumphunt.montecarlo.detector.reconstruction` does to events what they say.

Where a number of a preset comes from stands beside it: [TDR] Belle II Technical Design Report, arXiv:1011.0352;
[PB] The Belle II Physics Book, arXiv:1808.10567; [Z'] the 2018 search, arXiv:1912.11276; [HLT] the thresholds of
Belle II's single-photon skim; [NIM] the BaBar detector, NIM A 479 (2002) 1; [gamma] BaBar's single-photon search,
arXiv:1702.03327; [fit] tuned here to published resolutions, as the tests show; [R] a round number of the field. The
numbers are recalled from these sources, not read again for this file: good as defaults, no measurement of a detector.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from bumphunt.errors import InputError, unknown_name
from bumphunt.montecarlo.detector.parameters import check_not_negative, check_polar_angles, check_probability
from bumphunt.montecarlo.detector.trigger_lines import (
    BABAR_SINGLE_PHOTON,
    HLT_SINGLE_PHOTON,
    L1_SINGLE_PHOTON_1GEV,
    L1_SINGLE_PHOTON_2GEV,
    PhotonTrigger,
)

__all__ = [
    "BABAR",
    "BELLE2",
    "DETECTORS",
    "Detector",
    "preset",
]

_PROBABILITIES = (
    "tracking_efficiency", "muon_efficiency", "pion_to_muon", "kaon_to_muon", "electron_to_muon", "muon_id_threshold",
    "electron_efficiency", "muon_to_electron", "pion_to_electron", "kaon_to_electron", "electron_id_threshold",
    "fake_electron_deposit", "photon_loss", "shower_probability", "muon_system_efficiency", "trigger_efficiency",
)  # fmt: skip
_INTERVALS = ("tracking_theta", "ecl_theta", "trigger_theta")


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """A parametrised detector.

    Angles in rad, momenta and energies in GeV, lengths in cm, times in ns; polar angles are those of the laboratory.

    Raises
    ------
    InputError
        If a probability is not in [0, 1], a width or threshold is negative or NaN, an interval is not ordered, gaps
        overlap or leave the calorimeter, or `in_time_window` is larger than `background_time_window`.
    """

    tracking_theta: tuple[float, float]
    """Polar angles between which tracks are found [rad]."""
    tracking_pt_min: float
    """Smallest transverse momentum of a found track [GeV]."""
    tracking_radius_max: float
    """Largest distance from the beam line at which a found track may start [cm]."""
    tracking_efficiency: float
    """Probability that a track inside the acceptance is found."""
    pt_resolution_linear: float
    """Coefficient a of sigma(pT)/pT = a pT (+) b/beta [1/GeV]."""
    pt_resolution_constant: float
    """Coefficient b of sigma(pT)/pT = a pT (+) b/beta."""
    angle_resolution_constant: float
    """Coefficient a of sigma(theta) = sigma(phi) sin(theta) = a (+) b/p [rad]."""
    angle_resolution_scattering: float
    """Coefficient b of sigma(theta) = sigma(phi) sin(theta) = a (+) b/p [rad GeV]."""
    dr_resolution: float
    """Spread of the transverse distance of closest approach to the interaction point [cm]."""
    dz_resolution: float
    """Spread of the longitudinal distance of closest approach to the interaction point [cm]."""
    radiation_lengths: float
    """Material in which electrons radiate before they are tracked, at normal incidence [radiation lengths]."""
    muon_efficiency: float
    """Probability that a muon far above the turn-on is identified."""
    muon_turn_on: float
    """Momentum at which the muon identification reaches half of its plateau [GeV]."""
    muon_turn_on_width: float
    """Width of the logistic turn-on [GeV]."""
    pion_to_muon: float
    """Probability that a charged pion far above the turn-on is taken for a muon."""
    kaon_to_muon: float
    """Probability that a charged kaon far above the turn-on is taken for a muon."""
    electron_to_muon: float
    """Probability that an electron far above the turn-on is taken for a muon."""
    muon_id_threshold: float
    """Value of muonID above which these probabilities hold; nothing below is simulated."""
    electron_efficiency: float
    """Probability that an electron far above the turn-on is identified."""
    electron_turn_on: float
    """Momentum at which the electron identification reaches half of its plateau [GeV]."""
    electron_turn_on_width: float
    """Width of the logistic turn-on [GeV]."""
    muon_to_electron: float
    """Probability that a muon far above the turn-on is taken for an electron."""
    pion_to_electron: float
    """Probability that a charged pion far above the turn-on is taken for an electron."""
    kaon_to_electron: float
    """Probability that a charged kaon far above the turn-on is taken for an electron."""
    electron_id_threshold: float
    """Value of electronID above which these probabilities hold; nothing below is simulated."""
    fake_electron_deposit: float
    """Smallest share of its energy in the calorimeter with which another particle is taken for an electron."""
    ecl_theta: tuple[float, float]
    """Polar angles that the calorimeter covers [rad]."""
    ecl_gaps: tuple[tuple[float, float], ...]
    """Polar angles inside `ecl_theta` where it has no crystals [rad]."""
    photon_energy_min: float
    """Smallest energy of a cluster that counts as a photon [GeV]."""
    photon_loss: float
    """Probability that a photon inside the calorimeter leaves no cluster."""
    photon_resolution_constant: float
    """Coefficient a of sigma(E)/E = a (+) b/E^c, E in GeV."""
    photon_resolution_stochastic: float
    """Coefficient b of sigma(E)/E = a (+) b/E^c, E in GeV."""
    photon_resolution_exponent: float
    """Exponent c of sigma(E)/E = a (+) b/E^c."""
    photon_angle_resolution: float
    """Coefficient b of sigma(theta) = sigma(phi) sin(theta) = b/sqrt(E) of a cluster [rad sqrt(GeV)]."""
    photon_time_constant: float
    """Coefficient a of sigma(t) = a (+) b/E of a cluster [ns]."""
    photon_time_noise: float
    """Coefficient b of sigma(t) = a (+) b/E of a cluster [ns GeV]."""
    mip_energy: float
    """Most probable energy that a minimum-ionising track leaves in the calorimeter [GeV]."""
    mip_energy_width: float
    """Scale of the Moyal density of that energy [GeV]."""
    shower_probability: float
    """Probability that a hadron interacts in the calorimeter, and leaves a uniform share of its energy."""
    muon_system_efficiency: float
    """Probability that the muon system sees a photon that leaves no cluster inside the calorimeter's polar angles."""
    muon_system_energy_min: float
    """Smallest energy of such a photon [GeV]."""
    muon_system_noise: float
    """Mean number of clusters of noise and background in the muon system in an event."""
    background_clusters: float
    """Mean number of clusters from beam background in an event, in times within `background_time_window`."""
    background_energy: float
    """Mean of the exponential spectrum of their energies above `photon_energy_min` [GeV]."""
    background_time_window: float
    """Largest distance in time from the event of a cluster that is read out [ns]."""
    in_time_window: float
    """Largest distance in time from the event of a cluster of the rest of the event and of the triggers [ns]."""
    trigger_theta: tuple[float, float]
    """Polar angles of the two tracks of the drift-chamber trigger [rad]."""
    trigger_opening: float
    """Smallest opening angle of the two tracks in the transverse plane [rad]."""
    trigger_efficiency: float
    """Efficiency of that trigger for two such tracks."""
    trigger_energy: float
    """Energy in the calorimeter above which the energy trigger fires [GeV]."""
    photon_triggers: tuple[PhotonTrigger, ...]
    """Lines that look for an energetic cluster."""
    veto_energy: float
    """Smallest E* of each of the two clusters by which Bhabha events and photon pairs are known [GeV]."""
    veto_opening: float
    """Smallest angle between the two in the centre of mass [rad]."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in _INTERVALS:
                check_polar_angles(field.name, value)
            elif field.name == "ecl_gaps":
                for gap in value:
                    check_polar_angles(field.name, gap)
            elif field.name in _PROBABILITIES:
                check_probability(field.name, value)
            elif field.name != "photon_triggers":
                check_not_negative(field.name, value)
        low, high = self.ecl_theta
        edges = [low, *(edge for gap in self.ecl_gaps for edge in gap), high]
        if edges != sorted(edges):
            msg = (
                f"ecl_gaps = {self.ecl_gaps} rad; they must be ordered, apart, and inside ecl_theta = {self.ecl_theta}"
            )
            raise InputError(msg)
        if self.in_time_window > self.background_time_window:
            msg = f"in_time_window = {self.in_time_window} ns; at most background_time_window is read out"
            raise InputError(msg)


def _degrees(low: float, high: float) -> tuple[float, float]:
    """Return an interval of polar angles given in degrees, in rad."""
    return float(np.radians(low)), float(np.radians(high))


BELLE2 = Detector(
    tracking_theta=_degrees(17.0, 150.0),  # [TDR] CDC acceptance
    tracking_pt_min=0.15,  # [R] below it a track curls up inside the CDC
    tracking_radius_max=60.0,  # [R] half of the CDC is left
    tracking_efficiency=0.99,  # [R] per track, from the interaction point
    pt_resolution_linear=0.0016,  # [fit] 0.0011 in [PB]
    pt_resolution_constant=0.0007,  # [fit] 0.0030 in [PB]
    angle_resolution_constant=0.3e-3,  # [R]
    angle_resolution_scattering=0.8e-3,  # [R]
    dr_resolution=0.003,  # [R] pixel resolution and horizontal beam size
    dz_resolution=0.04,  # [R] length of the luminous region
    radiation_lengths=0.03,  # [R] beam pipe and half of the silicon
    muon_efficiency=0.95,  # [R]
    muon_turn_on=0.75,  # [R] a muon must reach the KLM
    muon_turn_on_width=0.05,  # [R]
    pion_to_muon=0.04,  # [PB] 2-6 % at this efficiency
    kaon_to_muon=0.03,  # [R]
    electron_to_muon=0.0,  # [R] its shower gives an electron away
    muon_id_threshold=0.5,  # [R]
    electron_efficiency=0.94,  # [R]
    electron_turn_on=0.3,  # [R] it must reach the calorimeter
    electron_turn_on_width=0.05,  # [R]
    muon_to_electron=5e-4,  # [R]
    pion_to_electron=0.005,  # [R]
    kaon_to_electron=0.005,  # [R]
    electron_id_threshold=0.5,  # [R]
    fake_electron_deposit=0.8,  # [R]
    ecl_theta=_degrees(12.4, 155.1),  # [TDR]
    # [TDR] forward and backward; [R] the slit at 90 deg, the only one that points to the interaction point
    ecl_gaps=(_degrees(31.4, 32.2), _degrees(89.95, 90.05), _degrees(128.7, 130.7)),
    photon_energy_min=0.05,  # [R]
    photon_loss=2e-3,  # [R] dead material and veto inefficiency
    photon_resolution_constant=0.016,  # [TDR] 1.6 % at 8 GeV
    photon_resolution_stochastic=0.007,  # [R]
    photon_resolution_exponent=0.5,  # [R]
    photon_angle_resolution=4e-3,  # [TDR] 13 mrad at low, 3 mrad at high energy
    photon_time_constant=1.0,  # [R]
    photon_time_noise=0.3,  # [R] 3 ns at 0.1 GeV
    mip_energy=0.20,  # [TDR] 30 cm of CsI
    mip_energy_width=0.015,  # [R]
    shower_probability=0.55,  # 0.8 interaction lengths [TDR]
    muon_system_efficiency=0.98,  # [R] a shower in iron of 20 radiation lengths and more
    muon_system_energy_min=0.5,  # [R]
    muon_system_noise=0.05,  # [R]
    background_clusters=0.8,  # [R] at the luminosities of the first years
    background_energy=0.04,  # [R]
    background_time_window=200.0,  # [HLT]
    in_time_window=50.0,  # [R]
    trigger_theta=_degrees(37.0, 120.0),  # [Z']
    trigger_opening=float(np.pi / 2),  # [Z']
    trigger_efficiency=0.79,  # [Z']
    trigger_energy=1.0,  # [PB]
    photon_triggers=(
        PhotonTrigger(name=L1_SINGLE_PHOTON_1GEV, regions=((*_degrees(12.4, 155.1), 1.0),), second_max=0.3),  # [PB]
        PhotonTrigger(name=L1_SINGLE_PHOTON_2GEV, regions=((*_degrees(12.4, 155.1), 2.0),), veto=True),  # [PB]
        PhotonTrigger(
            name=HLT_SINGLE_PHOTON,  # [HLT]
            regions=((*_degrees(44.0, 98.0), 0.5), (*_degrees(30.0, 130.0), 1.0), (*_degrees(12.4, 155.1), 2.0)),
        ),
    ),
    veto_energy=3.0,  # [R]
    veto_opening=float(np.radians(160.0)),  # [R]
)
"""Belle II of the first data."""

BABAR = Detector(
    tracking_theta=_degrees(17.2, 152.6),  # [NIM] DCH acceptance
    tracking_pt_min=0.1,  # [R]
    tracking_radius_max=40.0,  # [R] the DCH reaches from 24 to 81 cm
    tracking_efficiency=0.97,  # [R]
    pt_resolution_linear=0.0013,  # [NIM]
    pt_resolution_constant=0.0045,  # [NIM]
    angle_resolution_constant=0.27e-3,  # [fit] 0.43 and 0.53 mrad for cosmic muons in [NIM]
    angle_resolution_scattering=0.4e-3,  # [fit]
    dr_resolution=0.012,  # [NIM] horizontal beam size
    dz_resolution=0.85,  # [NIM] length of the luminous region
    radiation_lengths=0.03,  # [R] beam pipe and half of the silicon
    muon_efficiency=0.80,  # [R]
    muon_turn_on=0.7,  # [R]
    muon_turn_on_width=0.1,  # [R]
    pion_to_muon=0.03,  # [R]
    kaon_to_muon=0.03,  # [R]
    electron_to_muon=0.0,  # [R]
    muon_id_threshold=0.5,  # [R]
    electron_efficiency=0.92,  # [NIM]
    electron_turn_on=0.3,  # [R]
    electron_turn_on_width=0.05,  # [R]
    muon_to_electron=5e-4,  # [R]
    pion_to_electron=0.003,  # [NIM]
    kaon_to_electron=0.003,  # [R]
    electron_id_threshold=0.5,  # [R]
    fake_electron_deposit=0.8,  # [R]
    ecl_theta=_degrees(19.0, 139.0),  # [R] one crystal inside the ends, 15.8 and 141.8 deg in [NIM]: showers leak
    ecl_gaps=(),  # [R] crystals point past the interaction point
    photon_energy_min=0.05,  # [R]
    photon_loss=5e-3,  # [R]
    photon_resolution_constant=0.012,  # [fit] to 1.5 GeV^2 in M_X^2 [gamma]; 0.019 in [NIM]
    photon_resolution_stochastic=0.009,  # [fit]; 0.023 in [NIM]
    photon_resolution_exponent=0.25,  # [NIM]
    photon_angle_resolution=3.9e-3,  # [NIM]
    photon_time_constant=10.0,  # [R]
    photon_time_noise=5.0,  # [R]
    mip_energy=0.20,  # [NIM] 30 cm of CsI
    mip_energy_width=0.015,  # [R]
    shower_probability=0.55,  # [R]
    muon_system_efficiency=0.99,  # [fit] with the photon loss, to photon pairs of which one is lost in [gamma]
    muon_system_energy_min=0.5,  # [R]
    muon_system_noise=0.05,  # [R]
    background_clusters=0.8,  # [R]
    background_energy=0.04,  # [R]
    background_time_window=500.0,  # [R]
    in_time_window=250.0,  # [R]
    trigger_theta=_degrees(17.2, 152.6),  # [NIM] tracks of the DCH
    trigger_opening=0.0,  # [NIM] none asked for
    trigger_efficiency=0.99,  # [NIM]
    trigger_energy=1.0,  # [R]
    photon_triggers=(PhotonTrigger(name=BABAR_SINGLE_PHOTON, regions=((*_degrees(19.0, 139.0), 1.5),)),),  # [gamma]
    veto_energy=3.0,  # [R]
    veto_opening=float(np.radians(160.0)),  # [R]
)
"""BaBar."""

DETECTORS: dict[str, Detector] = {"belle2": BELLE2, "babar": BABAR}
"""Detector presets by name."""


def preset(name: str, **overrides: Any) -> Detector:
    """Return the preset of the given name, with the given fields of `Detector` in the place of its own.

    Lists may stand for tuples, and mappings of its fields for a `PhotonTrigger`, as YAML has them.

    Raises
    ------
    InputError
        If there is no such preset or field, with the nearest name, or if a value makes no sense.

    Examples
    --------
    >>> preset("belle2", muon_efficiency=0.9).muon_efficiency
    0.9
    """
    if name not in DETECTORS:
        raise InputError(unknown_name("detector", name, DETECTORS))
    known = [field.name for field in fields(Detector)]
    for key in overrides:
        if key not in known:
            raise InputError(unknown_name("detector parameter", key, known))
    values = {key: _tuples(value) for key, value in overrides.items()}
    for key in ("ecl_gaps", "photon_triggers"):
        if not isinstance(values.get(key, ()), tuple):
            msg = f"{key} = {values[key]!r}; it must be a list"
            raise InputError(msg)
    if "photon_triggers" in values:
        values["photon_triggers"] = tuple(_photon_trigger(line) for line in values["photon_triggers"])
    return replace(DETECTORS[name], **values)


def _tuples(value: Any) -> Any:
    """Return lists as tuples, at any depth."""
    return tuple(_tuples(v) for v in value) if isinstance(value, list | tuple) else value


def _photon_trigger(line: Any) -> PhotonTrigger:
    """Return a trigger line, which may be given as a mapping of its fields."""
    if isinstance(line, PhotonTrigger):
        return line
    known = [field.name for field in fields(PhotonTrigger)]
    if not isinstance(line, Mapping) or not {"name", "regions"} <= line.keys():
        msg = f"trigger line {line!r}; it must be a mapping with name and regions"
        raise InputError(msg)
    for key in line:
        if key not in known:
            raise InputError(unknown_name("parameter of a trigger line", key, known))
    return PhotonTrigger(**{key: _tuples(value) for key, value in line.items()})
