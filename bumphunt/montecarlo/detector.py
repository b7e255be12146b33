"""The detector as a set of named numbers: resolutions, efficiencies, fake rates and acceptances.

`Detector` is the record, `BELLE2` the preset, and the functions below turn its numbers into resolutions and
probabilities. What is done with them to an event is in `bumphunt.montecarlo.reconstruction`.

Where a number of the preset comes from stands beside it: [TDR] Belle II Technical Design Report, arXiv:1011.0352;
[PB] The Belle II Physics Book, arXiv:1808.10567; [Z'] the 2018 search, arXiv:1912.11276; [fit] tuned here to the public
recoil-mass resolution of that search; [R] a round number of the field. The numbers are recalled from these sources,
not read again for this file: good as defaults, no measurement of the detector.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import InputError

__all__ = [
    "BELLE2",
    "DETECTORS",
    "Detector",
    "angle_resolution",
    "in_ecl",
    "in_tracking",
    "muon_probability",
    "photon_energy_resolution",
    "transverse_momentum_resolution",
]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_PROBABILITIES = ("tracking_efficiency", "muon_efficiency", "pion_fake_rate", "kaon_fake_rate", "muon_id_threshold",
                  "photon_loss", "shower_probability", "trigger_efficiency")  # fmt: skip
_INTERVALS = ("tracking_theta", "ecl_theta", "trigger_theta")


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """A parametrised detector.

    Angles in rad, momenta and energies in GeV, lengths in cm; polar angles are those of the laboratory.

    Raises
    ------
    InputError
        If a probability is not in [0, 1], a width or threshold is negative or NaN, or an interval is not ordered.
    """

    tracking_theta: tuple[float, float]
    """Polar angles between which tracks are found [rad]."""
    tracking_pt_min: float
    """Smallest transverse momentum of a found track [GeV]."""
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
    muon_efficiency: float
    """Probability that a muon far above the turn-on is identified."""
    muon_turn_on: float
    """Momentum at which the muon identification reaches half of its plateau [GeV]."""
    muon_turn_on_width: float
    """Width of the logistic turn-on [GeV]."""
    pion_fake_rate: float
    """Probability that a charged pion far above the turn-on is taken for a muon."""
    kaon_fake_rate: float
    """Probability that a charged kaon far above the turn-on is taken for a muon."""
    muon_id_threshold: float
    """Value of muonID above which the three probabilities hold; nothing below is simulated."""
    ecl_theta: tuple[float, float]
    """Polar angles that the calorimeter covers [rad]."""
    ecl_gaps: tuple[tuple[float, float], ...]
    """Polar angles inside `ecl_theta` where it has no crystals [rad]."""
    photon_energy_min: float
    """Smallest energy of a cluster that counts as a photon [GeV]."""
    photon_loss: float
    """Probability that a photon inside the calorimeter leaves no cluster."""
    photon_resolution_constant: float
    """Coefficient a of sigma(E)/E = a (+) b/sqrt(E)."""
    photon_resolution_stochastic: float
    """Coefficient b of sigma(E)/E = a (+) b/sqrt(E) [sqrt(GeV)]."""
    photon_angle_resolution: float
    """Coefficient b of sigma(theta) = sigma(phi) sin(theta) = b/sqrt(E) of a cluster [rad sqrt(GeV)]."""
    mip_energy: float
    """Most probable energy that a minimum-ionising track leaves in the calorimeter [GeV]."""
    mip_energy_width: float
    """Scale of the Moyal density of that energy [GeV]."""
    shower_probability: float
    """Probability that a hadron interacts in the calorimeter, and leaves a uniform share of its energy."""
    trigger_theta: tuple[float, float]
    """Polar angles of the two tracks of the drift-chamber trigger [rad]."""
    trigger_opening: float
    """Smallest opening angle of the two tracks in the transverse plane [rad]."""
    trigger_efficiency: float
    """Efficiency of that trigger for two such tracks."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in _INTERVALS:
                _check_interval(field.name, value)
            elif field.name == "ecl_gaps":
                for gap in value:
                    _check_interval(field.name, gap)
            elif not value >= 0:
                msg = f"{field.name} = {value}; it must not be negative"
                raise InputError(msg)
            elif field.name in _PROBABILITIES and not value <= 1:
                msg = f"{field.name} = {value}; a probability is in [0, 1]"
                raise InputError(msg)


def _check_interval(name: str, interval: tuple[float, float]) -> None:
    low, high = interval
    if not 0 <= low < high <= np.pi:
        msg = f"{name} = {interval} rad; polar angles must be ordered, between 0 and pi"
        raise InputError(msg)


def _degrees(low: float, high: float) -> tuple[float, float]:
    """Return an interval of polar angles given in degrees, in rad."""
    return float(np.radians(low)), float(np.radians(high))


BELLE2 = Detector(
    tracking_theta=_degrees(17.0, 150.0),  # [TDR] CDC acceptance
    tracking_pt_min=0.15,  # [R] below it a track curls up inside the CDC
    tracking_efficiency=0.99,  # [R] per track, from the interaction point
    pt_resolution_linear=0.0015,  # [fit] 0.0011 in [PB]
    pt_resolution_constant=0.0010,  # [fit] 0.0030 in [PB]
    angle_resolution_constant=0.3e-3,  # [R]
    angle_resolution_scattering=0.8e-3,  # [R]
    dr_resolution=0.003,  # [R] pixel resolution and horizontal beam size
    dz_resolution=0.04,  # [R] length of the luminous region
    muon_efficiency=0.95,  # [R]
    muon_turn_on=0.75,  # [R] a muon must reach the KLM
    muon_turn_on_width=0.05,  # [R]
    pion_fake_rate=0.04,  # [PB] 2-6 % at this efficiency
    kaon_fake_rate=0.03,  # [R]
    muon_id_threshold=0.5,  # [R]
    ecl_theta=_degrees(12.4, 155.1),  # [TDR]
    ecl_gaps=(_degrees(31.4, 32.2), _degrees(128.7, 130.7)),  # [TDR]
    photon_energy_min=0.05,  # [R]
    photon_loss=2e-3,  # [R] dead material and veto inefficiency
    photon_resolution_constant=0.016,  # [TDR] 1.6 % at 8 GeV
    photon_resolution_stochastic=0.007,  # [R]
    photon_angle_resolution=4e-3,  # [TDR] 13 mrad at low, 3 mrad at high energy
    mip_energy=0.20,  # [TDR] 30 cm of CsI
    mip_energy_width=0.015,  # [R]
    shower_probability=0.55,  # 0.8 interaction lengths [TDR]
    trigger_theta=_degrees(37.0, 120.0),  # [Z']
    trigger_opening=float(np.pi / 2),  # [Z']
    trigger_efficiency=0.79,  # [Z']
)
"""Belle II of the first data."""

DETECTORS: dict[str, Detector] = {"belle2": BELLE2}
"""Detector presets by name."""


def transverse_momentum_resolution(pt: ArrayLike, beta: ArrayLike, detector: Detector) -> Array:
    """Return sigma(pT)/pT = a pT (+) b/beta of tracks, broadcast shape of the arguments.

    Parameters
    ----------
    pt
        Transverse momentum [GeV].
    beta
        Velocity in units of c, above 0.

    Examples
    --------
    >>> round(float(transverse_momentum_resolution(1.0, 1.0, BELLE2)), 5)
    0.0018
    """
    pt = np.asarray(pt, dtype=np.float64)
    return np.hypot(detector.pt_resolution_linear * pt, detector.pt_resolution_constant / np.asarray(beta))


def angle_resolution(p: ArrayLike, detector: Detector) -> Array:
    """Return sigma(theta) = sigma(phi) sin(theta) = a (+) b/p of tracks [rad]; keeps the shape.

    Parameters
    ----------
    p
        Momentum [GeV], above 0.
    """
    return np.hypot(
        detector.angle_resolution_constant, detector.angle_resolution_scattering / np.asarray(p, dtype=np.float64)
    )


def photon_energy_resolution(energy: ArrayLike, detector: Detector) -> Array:
    """Return sigma(E)/E = a (+) b/sqrt(E) of photons; keeps the shape.

    Parameters
    ----------
    energy
        Energy [GeV], above 0.

    Examples
    --------
    >>> round(float(photon_energy_resolution(1.0, BELLE2)), 4)
    0.0175
    """
    return np.hypot(
        detector.photon_resolution_constant,
        detector.photon_resolution_stochastic / np.sqrt(np.asarray(energy, dtype=np.float64)),
    )


def in_tracking(theta: ArrayLike, pt: ArrayLike, detector: Detector) -> Mask:
    """Return whether tracks of polar angle `theta` [rad] and transverse momentum `pt` [GeV] are in the acceptance."""
    theta = np.asarray(theta, dtype=np.float64)
    low, high = detector.tracking_theta
    return (theta > low) & (theta < high) & (np.asarray(pt) > detector.tracking_pt_min)


def in_ecl(theta: ArrayLike, detector: Detector) -> Mask:
    """Return whether directions of polar angle `theta` [rad] meet a crystal; keeps the shape.

    Examples
    --------
    >>> in_ecl(np.radians([90.0, 31.8, 129.0, 5.0]), BELLE2)
    array([ True, False, False, False])
    """
    theta = np.asarray(theta, dtype=np.float64)
    low, high = detector.ecl_theta
    seen = (theta > low) & (theta < high)
    for gap_low, gap_high in detector.ecl_gaps:
        seen &= ~((theta >= gap_low) & (theta <= gap_high))
    return seen


def muon_probability(p: ArrayLike, pdgid: ArrayLike, detector: Detector) -> Array:
    """Return the probability that tracks are identified as muons, broadcast shape of the arguments.

    Muons, pions and kaons share one logistic turn-on; electrons and everything else have probability 0: their energy
    in the calorimeter gives them away.

    Parameters
    ----------
    p
        Momentum [GeV].
    pdgid
        PDG code of the particle, of either sign.
    """
    kind = np.abs(np.asarray(pdgid))
    plateau = np.select(
        [kind == 13, kind == 211, kind == 321],
        [detector.muon_efficiency, detector.pion_fake_rate, detector.kaon_fake_rate],
        0.0,
    )
    if detector.muon_turn_on_width == 0:
        return plateau * (np.asarray(p) > detector.muon_turn_on)
    distance = (np.asarray(p, dtype=np.float64) - detector.muon_turn_on) / detector.muon_turn_on_width
    return plateau * 0.5 * (1 + np.tanh(distance / 2))
