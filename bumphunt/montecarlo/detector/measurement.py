"""From generated particles to what a detector measures of them: tracks, and clusters of the calorimeter.

Electrons radiate in the material before they are tracked; the photon joins their cluster. A charged particle that is
not tracked leaves a neutral cluster. Photons are measured whether they are lost or not: which are lost is decided in
`bumphunt.montecarlo.detector.photon_views`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bumphunt.montecarlo.detector.measured import Clusters, Tracks, wrap
from bumphunt.montecarlo.detector.parameters import Detector
from bumphunt.montecarlo.detector.response import (
    angle_resolution,
    in_ecl,
    in_tracking,
    photon_energy_resolution,
    photon_time_resolution,
    transverse_momentum_resolution,
)
from bumphunt.montecarlo.events import Events

__all__ = ["CHARGED", "distance_of_closest_approach", "energy_after_radiation", "measure"]

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

CHARGED = (11, 13, 211, 321, 2212)
"""PDG codes of the charged particles that a detector sees, without their signs."""
_MIN_SINE = 0.01
"""Smallest sine of a polar angle for the path in material: along the beams it stays finite."""


def measure(events: Events, detector: Detector, rng: np.random.Generator) -> tuple[Tracks, Clusters]:
    """Return the tracks found, and the clusters that belong to none of them.

    Parameters
    ----------
    events
        Generated events in the laboratory; `Events.vertex` moves tracks, but not clusters.
    detector
        The detector.
    rng
        Source of randomness.
    """
    kind = np.abs(events.pdgid)
    event, slot = np.nonzero(np.isin(kind, CHARGED))
    p4, pdgid = events.p4[event, slot], events.pdgid[event, slot].astype(np.int64)
    energy, px, py, pz = p4[:, 0], p4[:, 1], p4[:, 2], p4[:, 3]
    pt = np.hypot(px, py)
    p, theta, phi = np.hypot(pt, pz), np.arctan2(pt, pz), np.arctan2(py, px)
    beta = p / energy
    deposit = _deposits(pdgid, energy, p, theta, detector, rng)
    electrons = np.flatnonzero(np.abs(pdgid) == 11)
    sine = np.maximum(pt[electrons] / p[electrons], _MIN_SINE)
    kept = energy_after_radiation(detector.radiation_lengths / sine, rng=rng)
    p[electrons] *= kept
    pt[electrons] *= kept
    found = rng.random(pt.size) < detector.tracking_efficiency
    if events.vertex is None:
        found &= in_tracking(theta, pt, detector)
        dr = dz = np.zeros(np.count_nonzero(found))
    else:
        vertex = events.vertex[event, slot]
        found &= in_tracking(theta, pt, detector, radius=np.hypot(vertex[:, 0], vertex[:, 1]))
        dr, dz = distance_of_closest_approach(vertex[found], theta[found], phi[found])
    tracks = Tracks(
        event=event[found],
        pdgid=pdgid[found],
        # PDG codes of charged leptons are positive for negative charge, those of hadrons for positive
        positive=np.where(np.abs(pdgid) < 20, pdgid < 0, pdgid > 0)[found],
        p=p[found],
        theta=theta[found],
        phi=phi[found],
        cluster=deposit[found],
        dr=dr,
        dz=dz,
    )
    photon_event, photon_slot = np.nonzero(kind == 22)
    q4 = events.p4[photon_event, photon_slot]
    lone = ~found & (deposit > 0)
    neutral = Clusters(
        event=np.concatenate([photon_event, event[lone]]),
        energy=np.concatenate([q4[:, 0], deposit[lone]]),
        theta=np.concatenate([np.arctan2(np.hypot(q4[:, 1], q4[:, 2]), q4[:, 3]), theta[lone]]),
        phi=np.concatenate([np.arctan2(q4[:, 2], q4[:, 1]), phi[lone]]),
        time=np.zeros(photon_event.size + np.count_nonzero(lone)),
    )
    return _smear_tracks(tracks, beta[found], detector, rng), _smear_clusters(neutral, detector, rng)


def energy_after_radiation(radiation_lengths: Array, *, rng: np.random.Generator) -> Array:
    """Return the fraction z of their energy that electrons keep after material; keeps the shape.

    It has the density (-ln z)^(t/ln 2 - 1) / Gamma(t/ln 2), of mean exp(-t).

    Parameters
    ----------
    radiation_lengths
        Thickness t of the material [radiation lengths].
    rng
        Source of randomness.

    References
    ----------
    H. Bethe, W. Heitler, Proc. R. Soc. A 146 (1934) 83.
    """
    return np.exp(-rng.standard_gamma(np.asarray(radiation_lengths) / np.log(2)))


def distance_of_closest_approach(vertex: Array, theta: Array, phi: Array) -> tuple[Array, Array]:
    """Return where straight lines pass the z axis: their signed distance and z there [cm], shape (N,) each.

    The bending in the magnetic field on the way back to the axis is left out: a length of L bends by L^2 / (2 R), with
    R = 2.2 m for 1 GeV of transverse momentum in 1.5 T.

    Parameters
    ----------
    vertex
        A point of each line [cm], shape (N, 3).
    theta, phi
        Polar angle and azimuth of its direction [rad], shape (N,).
    """
    x, y, z = vertex[:, 0], vertex[:, 1], vertex[:, 2]
    cos, sin = np.cos(phi), np.sin(phi)
    return x * sin - y * cos, z - (x * cos + y * sin) / np.tan(theta)


def _deposits(
    pdgid: Ints, energy: Array, p: Array, theta: Array, detector: Detector, rng: np.random.Generator
) -> Array:
    """Return the energy that charged particles leave in the calorimeter [GeV]; 0 where there are no crystals."""
    kind = np.abs(pdgid)
    # the Moyal density is that of mode - width log(z^2), z normal
    with np.errstate(divide="ignore"):
        ionisation = detector.mip_energy - detector.mip_energy_width * np.log(rng.normal(size=p.size) ** 2)
    hadron = (kind != 11) & (kind != 13)
    showers = hadron & (rng.random(p.size) < detector.shower_probability)
    deposit = ionisation + np.where(showers, rng.random(p.size) * p, 0.0)
    kinetic = energy - np.sqrt(np.maximum(energy**2 - p**2, 0.0))
    deposit = np.where(kind == 11, energy, np.minimum(deposit, kinetic))
    return np.where(in_ecl(theta, detector), deposit, 0.0)


def _smear_tracks(tracks: Tracks, beta: Array, detector: Detector, rng: np.random.Generator) -> Tracks:
    """Return tracks, given with true values, with the resolutions of the detector."""
    noise = rng.normal(size=(3, tracks.p.size))
    sine = np.sin(tracks.theta)
    pt = tracks.p * sine
    pt = np.abs(pt * (1 + transverse_momentum_resolution(pt, beta, detector) * noise[0]))
    angle = angle_resolution(tracks.p, detector)
    theta = np.clip(tracks.theta + angle * noise[1], 1e-6, np.pi - 1e-6)
    cluster = tracks.cluster.copy()
    showers = np.flatnonzero((np.abs(tracks.pdgid) == 11) & (cluster > 0))
    spread = photon_energy_resolution(cluster[showers], detector)
    cluster[showers] *= np.maximum(1 + spread * rng.normal(size=showers.size), 0.0)
    return Tracks(
        event=tracks.event,
        pdgid=tracks.pdgid,
        positive=tracks.positive,
        p=pt / np.sin(theta),
        theta=theta,
        phi=wrap(tracks.phi + angle * noise[2] / sine),
        cluster=cluster,
        dr=tracks.dr,
        dz=tracks.dz,
    )


def _smear_clusters(clusters: Clusters, detector: Detector, rng: np.random.Generator) -> Clusters:
    """Return the clusters inside the calorimeter and above threshold, with its resolutions."""
    clusters = clusters.where(in_ecl(clusters.theta, detector) & (clusters.energy > detector.photon_energy_min / 2))
    noise = rng.normal(size=(4, clusters.energy.size))
    angle = detector.photon_angle_resolution / np.sqrt(clusters.energy)
    smeared = Clusters(
        event=clusters.event,
        energy=clusters.energy * (1 + photon_energy_resolution(clusters.energy, detector) * noise[0]),
        theta=np.clip(clusters.theta + angle * noise[1], 0, np.pi),
        phi=wrap(clusters.phi + angle * noise[2] / np.sin(clusters.theta)),
        time=clusters.time + photon_time_resolution(clusters.energy, detector) * noise[3],
    )
    return smeared.where(smeared.energy > detector.photon_energy_min)
