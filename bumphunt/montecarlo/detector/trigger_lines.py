"""The trigger lines: the columns they have in an ntuple, and what a line asks of a cluster."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bumphunt.errors import InputError
from bumphunt.montecarlo.detector.checks import check_not_negative, check_polar_angles, check_probability

__all__ = [
    "BABAR_SINGLE_PHOTON",
    "ENERGY_TRIGGER",
    "HLT_SINGLE_PHOTON",
    "L1_SINGLE_PHOTON_1GEV",
    "L1_SINGLE_PHOTON_2GEV",
    "TRACK_TRIGGER",
    "PhotonTrigger",
]

TRACK_TRIGGER = "L1PSNM(ffo)"
"""Column of the two-track trigger; for BaBar it stands for the drift-chamber trigger."""
ENERGY_TRIGGER = "L1PSNM(hie)"
"""Column of the trigger on the energy in the calorimeter; no Bhabha veto, as in the data of 2018."""
L1_SINGLE_PHOTON_1GEV = "L1PSNM(lml6)"
"""Column of Belle II's first-level line: one cluster above 1 GeV and no other above 0.3 GeV (barrel and endcaps)."""
L1_SINGLE_PHOTON_2GEV = "L1PSNM(lml1)"
"""Column of Belle II's first-level line: a cluster above 2 GeV in an event that is no Bhabha or photon pair."""
HLT_SINGLE_PHOTON = "SoftwareTriggerResult(software_trigger_cut&filter&single_photon)"
"""Column of Belle II's high-level trigger: a photon above the threshold of its polar angle; several lines of basf2."""
BABAR_SINGLE_PHOTON = "L3SinglePhoton"
"""Column of BaBar's single-photon line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotonTrigger:
    """A trigger line that looks for an energetic cluster; energies are those in the centre of mass.

    Raises
    ------
    InputError
        If a region is not a polar interval with a threshold, if `second_max` is above a threshold, or if a number is
        out of its range.
    """

    name: str
    """Name of the column of an ntuple."""
    regions: tuple[tuple[float, float, float], ...]
    """Polar angles in the laboratory [rad], from and to, and the threshold on E* [GeV] there."""
    second_max: float = math.inf
    """Largest E* of any other cluster [GeV], at most the lowest threshold; infinite for no condition."""
    veto: bool = False
    """Whether Bhabha events and photon pairs are rejected."""
    efficiency: float = 1.0
    """Probability that the line fires when its conditions are met."""

    def __post_init__(self) -> None:
        check_not_negative("second_max", self.second_max)
        check_probability("efficiency", self.efficiency)
        for region in self.regions:
            if not isinstance(region, tuple) or len(region) != 3:
                msg = f"region {region!r} of {self.name}; it must be two polar angles and an energy"
                raise InputError(msg)
            check_polar_angles(f"region of {self.name}", region[:2])
            check_not_negative(f"threshold of {self.name}", region[2])
            if math.isfinite(self.second_max) and self.second_max > region[2]:
                msg = f"second_max = {self.second_max} GeV of {self.name}; it must not be above a threshold"
                raise InputError(msg)
