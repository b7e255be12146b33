"""The detector as a set of named numbers: resolutions, efficiencies, fake rates, acceptances and trigger lines.

`bumphunt.montecarlo.detector.presets` has those of experiments, `bumphunt.montecarlo.detector.response` turns the
numbers into resolutions and probabilities, and `bumphunt.montecarlo.detector.reconstruction` does to events what they
say.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from bumphunt.errors import InputError
from bumphunt.montecarlo.detector.checks import check_not_negative, check_polar_angles, check_probability
from bumphunt.montecarlo.detector.trigger_lines import PhotonTrigger

__all__ = ["Detector"]

_PROBABILITIES = (
    "tracking_efficiency", "muon_efficiency", "pion_to_muon", "kaon_to_muon", "electron_to_muon", "muon_id_threshold",
    "electron_efficiency", "muon_to_electron", "pion_to_electron", "kaon_to_electron", "electron_id_threshold",
    "fake_electron_deposit", "hadron_efficiency", "hadron_to_hadron", "lepton_to_pion", "hadron_id_threshold",
    "photon_loss", "shower_probability", "muon_system_efficiency", "trigger_efficiency",
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
    hadron_efficiency: float
    """Probability that a charged pion, kaon or proton is identified as what it is."""
    hadron_to_hadron: float
    """Probability that one of them, or a lepton, is taken for a certain other one."""
    lepton_to_pion: float
    """Probability that an electron or a muon is taken for a pion."""
    hadron_id_threshold: float
    """Value of pionID, kaonID and protonID above which these probabilities hold; nothing below is simulated."""
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
