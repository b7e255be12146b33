"""Whether the trigger lines fire: two tracks, energy in the calorimeter, an energetic cluster.

First-level triggers know no tracks when they look at clusters, so those of tracks count too. Energies of single
clusters are those in the centre of mass, as in basf2's trigger menu (``Estar``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bumphunt.montecarlo.detector.measured import Clusters, Tracks, wrap
from bumphunt.montecarlo.detector.parameters import Detector
from bumphunt.montecarlo.detector.trigger_lines import ENERGY_TRIGGER, PhotonTrigger

__all__ = ["calorimeter_triggers", "track_trigger"]

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


def track_trigger(tracks: Tracks, first: NDArray[np.intp], second: NDArray[np.intp], detector: Detector) -> Mask:
    """Return whether pairs of tracks satisfy the two-track trigger: in its polar angles, apart in the transverse plane.

    Parameters
    ----------
    tracks
        Tracks.
    first, second
        Positions of the two tracks of each pair, shape (B,).
    detector
        The detector.
    """
    low, high = detector.trigger_theta
    inside = (tracks.theta > low) & (tracks.theta < high)
    opening = np.abs(wrap(tracks.phi[first] - tracks.phi[second]))
    return inside[first] & inside[second] & (opening > detector.trigger_opening)


def calorimeter_triggers(
    clusters: Clusters, beams_p4: Array, detector: Detector, *, rng: np.random.Generator
) -> dict[str, Mask]:
    """Return the decisions of the energy trigger and of the photon lines by column name, shape (V,) each.

    Parameters
    ----------
    clusters
        All clusters, those of tracks too; their event is the position in `beams_p4`. Only those within the detector's
        `in_time_window` count.
    beams_p4
        Sum of the two beam momenta in each event [GeV], shape (V, 4).
    detector
        The detector.
    rng
        Source of randomness, for lines with an efficiency.
    """
    n = len(beams_p4)
    clusters = clusters.where(np.abs(clusters.time) < detector.in_time_window)
    estar = _centre_of_mass_energy(clusters, beams_p4[clusters.event])
    total = np.bincount(clusters.event, weights=clusters.energy, minlength=n)
    fired: dict[str, Mask] = {ENERGY_TRIGGER: total > detector.trigger_energy}
    pair = _back_to_back(clusters, estar, n, detector)
    for line in detector.photon_triggers:
        passed = _fires(line, clusters, estar, n)
        if line.veto:
            passed &= ~pair
        if line.efficiency < 1:
            passed &= rng.random(n) < line.efficiency
        fired[line.name] = passed
    return fired


def _centre_of_mass_energy(clusters: Clusters, beams_p4: Array) -> Array:
    """Return E* = k.P / sqrt(s) of clusters with momenta k in the centre of mass of the beams, of momentum P [GeV]."""
    energy, sine = clusters.energy, np.sin(clusters.theta)
    along = (
        beams_p4[:, 1] * sine * np.cos(clusters.phi)
        + beams_p4[:, 2] * sine * np.sin(clusters.phi)
        + beams_p4[:, 3] * np.cos(clusters.theta)
    )
    s = beams_p4[:, 0] ** 2 - np.sum(beams_p4[:, 1:] ** 2, axis=1)
    return energy * (beams_p4[:, 0] - along) / np.sqrt(s)


def _fires(line: PhotonTrigger, clusters: Clusters, estar: Array, n: int) -> Mask:
    """Return whether events satisfy a line, its veto and its efficiency apart, shape (n,)."""
    over = np.zeros(estar.size, dtype=np.bool_)
    for low, high, threshold in line.regions:
        over |= (clusters.theta > low) & (clusters.theta < high) & (estar > threshold)
    fired = np.bincount(clusters.event[over], minlength=n) > 0
    if np.isfinite(line.second_max):
        # the cluster over threshold is one of them
        fired &= np.bincount(clusters.event[estar > line.second_max], minlength=n) == 1
    return fired


def _back_to_back(clusters: Clusters, estar: Array, n: int, detector: Detector) -> Mask:
    """Return whether the two clusters of highest E* are those of a Bhabha event or of a photon pair, shape (n,).

    The angle in the centre of mass follows from the mass: E1* E2* (1 - cos*) = E1 E2 (1 - cos).
    """
    hard = np.flatnonzero(estar > detector.veto_energy)
    hard = hard[np.lexsort((-estar[hard], clusters.event[hard]))]
    _, start, count = np.unique(clusters.event[hard], return_index=True, return_counts=True)
    leading, following = hard[start[count > 1]], hard[start[count > 1] + 1]
    first, second = clusters.where(leading), clusters.where(following)
    cosine = np.sin(first.theta) * np.sin(second.theta) * np.cos(first.phi - second.phi)
    cosine += np.cos(first.theta) * np.cos(second.theta)
    boost = first.energy * second.energy / (estar[leading] * estar[following])
    found = np.zeros(n, dtype=np.bool_)
    found[first.event] = 1 - boost * (1 - cosine) < np.cos(detector.veto_opening)
    return found
