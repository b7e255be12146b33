"""Detectors of experiments, as sets of named numbers.

`BELLE2` and `BABAR` are the presets, and `preset` takes one by name and changes some of its numbers. What each number
means stands in `bumphunt.montecarlo.detector.parameters`.

Where a number of a preset comes from stands beside it: [TDR] Belle II Technical Design Report, arXiv:1011.0352;
[PB] The Belle II Physics Book, arXiv:1808.10567; [Z'] the 2018 search, arXiv:1912.11276; [HLT] the thresholds of
Belle II's single-photon skim; [NIM] the BaBar detector, NIM A 479 (2002) 1; [gamma] BaBar's single-photon search,
arXiv:1702.03327; [fit] tuned here to published resolutions, as the tests show; [R] a round number of the field. The
numbers are recalled from these sources, not read again for this file: good as defaults, no measurement of a detector.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from bumphunt.errors import InputError, unknown_name
from bumphunt.montecarlo.detector.parameters import Detector
from bumphunt.montecarlo.detector.trigger_lines import (
    BABAR_SINGLE_PHOTON,
    HLT_SINGLE_PHOTON,
    L1_SINGLE_PHOTON_1GEV,
    L1_SINGLE_PHOTON_2GEV,
    PhotonTrigger,
)

__all__ = ["BABAR", "BELLE2", "DETECTORS", "preset"]


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
    hadron_efficiency=0.9,  # [R]
    hadron_to_hadron=0.06,  # [R]
    lepton_to_pion=0.3,  # [R]
    hadron_id_threshold=0.5,  # [R]
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
    hadron_efficiency=0.85,  # [R]
    hadron_to_hadron=0.03,  # [R]
    lepton_to_pion=0.3,  # [R]
    hadron_id_threshold=0.5,  # [R]
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
