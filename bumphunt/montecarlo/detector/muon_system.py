"""Photons that the calorimeter misses and the muon system sees: a veto against photon pairs of which one is lost.

A photon between two crystals, or in a gap, meets the coil and the iron of the flux return behind, and showers there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bumphunt.montecarlo.detector.parameters import Detector
from bumphunt.montecarlo.detector.photon_views import Views
from bumphunt.montecarlo.detector.response import in_ecl
from bumphunt.montecarlo.events import Events

__all__ = ["MUON_SYSTEM_CLUSTERS", "muon_system_clusters"]

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

MUON_SYSTEM_CLUSTERS = "nKLMClusters"
"""basf2 name of the number of clusters in the muon system."""
STRATUM = 0.5
"""Share of the weighted views with a missed photon in which one is seen."""


def muon_system_clusters(
    events: Events, views: Views, detector: Detector, *, rng: np.random.Generator, weighted: bool
) -> tuple[Ints, Array]:
    """Return the number of clusters in the muon system in each view, and what multiplies its probability, (V,) each.

    Parameters
    ----------
    events
        Generated events without tracks, which would leave clusters too.
    views
        Views of them.
    detector
        The detector.
    rng
        Source of randomness.
    weighted
        Whether views where a missed photon is seen and such where none is are drawn equally often, with their
        probabilities as weights, or by hit or miss.
    """
    missed = _in_gaps(events, detector)[views.event]
    lost = views.lost.event[views.lost.energy > detector.muon_system_energy_min]
    missed += np.bincount(lost, minlength=missed.size)
    unseen = (1 - detector.muon_system_efficiency) ** missed
    u, factor = rng.random(missed.size), np.ones(missed.size)
    seen = u >= unseen
    if weighted:
        undecided = (unseen > 0) & (unseen < 1)
        seen = np.where(undecided, u < STRATUM, seen)
        factor[undecided] = np.where(seen, (1 - unseen) / STRATUM, unseen / (1 - STRATUM))[undecided]
    return seen + rng.poisson(detector.muon_system_noise, missed.size), factor


def _in_gaps(events: Events, detector: Detector) -> Ints:
    """Return how many photons of each event go between the ends of the calorimeter and meet no crystal, shape (N,)."""
    p4 = events.p4
    theta = np.arctan2(np.hypot(p4[..., 1], p4[..., 2]), p4[..., 3])
    low, high = detector.ecl_theta
    between = (theta > low) & (theta < high) & ~in_ecl(theta, detector)
    hard = (events.pdgid == 22) & (p4[..., 0] > detector.muon_system_energy_min)
    return np.sum(between & hard, axis=1, dtype=np.int64)
