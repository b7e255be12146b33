"""Resolutions, acceptances and probabilities that follow from the numbers of a detector.

Each function takes true quantities and a `bumphunt.montecarlo.detector.presets.Detector`; what is done with the result
to an event is in `bumphunt.montecarlo.detector.measurement`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.montecarlo.detector.candidates import KINDS
from bumphunt.montecarlo.detector.parameters import Detector

__all__ = [
    "angle_resolution",
    "id_probability",
    "in_ecl",
    "in_tracking",
    "photon_energy_resolution",
    "photon_time_resolution",
    "photon_variances",
    "track_variances",
    "transverse_momentum_resolution",
]

HADRONS = {kind: code for kind, code in KINDS.items() if kind not in ("e", "mu")}
"""PDG numbers of charged hadrons by kind."""
Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


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
    >>> from bumphunt.montecarlo.detector.presets import BELLE2
    >>> round(float(transverse_momentum_resolution(1.0, 1.0, BELLE2)), 5)
    0.00175
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
    """Return sigma(E)/E = a (+) b/E^c of photons; keeps the shape.

    Parameters
    ----------
    energy
        Energy [GeV], above 0.

    Examples
    --------
    >>> from bumphunt.montecarlo.detector.presets import BELLE2
    >>> round(float(photon_energy_resolution(1.0, BELLE2)), 4)
    0.0175
    """
    return np.hypot(
        detector.photon_resolution_constant,
        detector.photon_resolution_stochastic
        / np.asarray(energy, dtype=np.float64) ** detector.photon_resolution_exponent,
    )


def photon_time_resolution(energy: ArrayLike, detector: Detector) -> Array:
    """Return sigma(t) = a (+) b/E of clusters [ns]; keeps the shape.

    Parameters
    ----------
    energy
        Energy [GeV], above 0.

    Examples
    --------
    >>> from bumphunt.montecarlo.detector.presets import BELLE2
    >>> round(float(photon_time_resolution(0.1, BELLE2)), 2)
    3.16
    """
    return np.hypot(detector.photon_time_constant, detector.photon_time_noise / np.asarray(energy, dtype=np.float64))


def track_variances(p: ArrayLike, theta: ArrayLike, mass: float, detector: Detector) -> Array:
    """Return the variances of momentum [GeV^2], polar angle and azimuth [rad^2] of tracks, shape (N, 3).

    Parameters
    ----------
    p
        Momentum [GeV], above 0, shape (N,).
    theta
        Polar angle [rad], shape (N,).
    mass
        Mass of the particles [GeV].
    detector
        The detector.
    """
    p, sine = np.asarray(p, dtype=np.float64), np.sin(np.asarray(theta, dtype=np.float64))
    relative = transverse_momentum_resolution(p * sine, p / np.hypot(p, mass), detector)
    angle = angle_resolution(p, detector)
    return np.stack([(p * relative) ** 2, angle**2, (angle / sine) ** 2], axis=-1)


def photon_variances(energy: ArrayLike, theta: ArrayLike, detector: Detector) -> Array:
    """Return the variances of energy [GeV^2], polar angle and azimuth [rad^2] of photons, shape (N, 3).

    Parameters
    ----------
    energy
        Energy [GeV], above 0, shape (N,).
    theta
        Polar angle [rad], shape (N,).
    detector
        The detector.
    """
    energy, sine = np.asarray(energy, dtype=np.float64), np.sin(np.asarray(theta, dtype=np.float64))
    angle = detector.photon_angle_resolution / np.sqrt(energy)
    relative = photon_energy_resolution(energy, detector)
    return np.stack([(energy * relative) ** 2, angle**2, (angle / sine) ** 2], axis=-1)


def in_tracking(theta: ArrayLike, pt: ArrayLike, detector: Detector, *, radius: ArrayLike = 0.0) -> Mask:
    """Return whether tracks are in the acceptance, broadcast shape of the arguments.

    Parameters
    ----------
    theta
        Polar angle [rad].
    pt
        Transverse momentum [GeV].
    detector
        The detector.
    radius
        Distance from the beam line at which the track starts [cm].
    """
    theta = np.asarray(theta, dtype=np.float64)
    low, high = detector.tracking_theta
    inside = (theta > low) & (theta < high) & (np.asarray(radius) < detector.tracking_radius_max)
    return inside & (np.asarray(pt) > detector.tracking_pt_min)


def in_ecl(theta: ArrayLike, detector: Detector) -> Mask:
    """Return whether directions of polar angle `theta` [rad] meet a crystal; keeps the shape.

    Examples
    --------
    >>> from bumphunt.montecarlo.detector.presets import BELLE2
    >>> in_ecl(np.radians([80.0, 31.8, 90.0, 5.0]), BELLE2)
    array([ True, False, False, False])
    """
    theta = np.asarray(theta, dtype=np.float64)
    low, high = detector.ecl_theta
    seen = (theta > low) & (theta < high)
    for gap_low, gap_high in detector.ecl_gaps:
        seen &= ~((theta >= gap_low) & (theta <= gap_high))
    return seen


def id_probability(kind: str, p: ArrayLike, pdgid: ArrayLike, detector: Detector) -> Array:
    """Return the probability that tracks are identified as a kind of particle, broadcast shape of the arguments.

    The right particles and those taken for them share one logistic turn-on, which hadrons do not have; everything else
    has probability 0.

    Parameters
    ----------
    kind
        ``"e"``, ``"mu"``, ``"pi"``, ``"K"`` or ``"p"``.
    p
        Momentum [GeV].
    pdgid
        PDG code of the particle, of either sign.
    detector
        The detector.
    """
    d = detector
    if kind in HADRONS:
        known = dict.fromkeys((11, 13), d.lepton_to_pion if kind == "pi" else d.hadron_to_hadron)
        known |= {code: d.hadron_efficiency if name == kind else d.hadron_to_hadron for name, code in HADRONS.items()}
        return np.ones_like(np.asarray(p, dtype=np.float64)) * _by_kind(pdgid, known)
    if kind == "e":
        half, width = d.electron_turn_on, d.electron_turn_on_width
        plateau = {11: d.electron_efficiency, 211: d.pion_to_electron, 321: d.kaon_to_electron, 13: d.muon_to_electron}
    else:
        half, width = d.muon_turn_on, d.muon_turn_on_width
        plateau = {13: d.muon_efficiency, 211: d.pion_to_muon, 321: d.kaon_to_muon, 11: d.electron_to_muon}
    return _turn_on(p, half, width) * _by_kind(pdgid, plateau)


def _by_kind(pdgid: ArrayLike, plateau: dict[int, float]) -> Array:
    """Return the number of each PDG code, of either sign; 0 for those that are not named."""
    kind = np.abs(np.asarray(pdgid))
    return np.select([kind == code for code in plateau], list(plateau.values()), 0.0)


def _turn_on(p: ArrayLike, half: float, width: float) -> Array:
    """Return the logistic function of momenta [GeV] that is 1/2 at `half`; a step for width 0."""
    p = np.asarray(p, dtype=np.float64)
    return 0.5 * (1 + np.tanh((p - half) / (2 * width))) if width > 0 else np.where(p > half, 1.0, 0.0)
