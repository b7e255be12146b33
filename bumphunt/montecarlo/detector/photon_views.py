"""How the clusters of an event may be seen: without those that are lost, and with those of beam background.

For weighted samples an event with clusters has two views, one where nothing is lost and one where at least one cluster
is, with the probabilities of the two as weights. By hit or miss it has one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bumphunt.montecarlo.detector.measured import Clusters
from bumphunt.montecarlo.detector.parameters import Detector

__all__ = ["Views", "add_background", "background_clusters", "photon_views"]

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """Views of events, arrays of shape (V,), ordered by event."""

    event: Ints
    """Position of the event."""
    lossy: Mask
    """Whether at least one cluster is lost in this view by construction."""
    probability: Array
    """Probability of the view."""
    clusters: Clusters
    """The clusters seen; their `Clusters.event` is the position of the view. In no order."""
    lost: Clusters
    """Those that are lost, likewise."""


def photon_views(
    event: Ints, clusters: Clusters, n: int, detector: Detector, *, rng: np.random.Generator, weighted: bool
) -> Views:
    """Return the views of events.

    Parameters
    ----------
    event
        Positions of the events to look at, in any order, repeated or not.
    clusters
        Clusters of all events, in any order.
    n
        Number of all events.
    detector
        The detector, for the probability that a cluster is lost.
    rng
        Source of randomness.
    weighted
        Whether there are two views of an event with clusters, or one by hit or miss.
    """
    looked_at = np.zeros(n, dtype=np.bool_)
    looked_at[event] = True
    clusters = clusters.where(looked_at[clusters.event])
    if not weighted:
        position = np.cumsum(looked_at) - 1
        clusters = clusters.of(position[clusters.event])
        seen = rng.random(clusters.event.size) >= detector.photon_loss
        event = np.flatnonzero(looked_at)
        return Views(
            event=event,
            lossy=np.zeros(event.size, dtype=np.bool_),
            probability=np.ones(event.size),
            clusters=clusters.where(seen),
            lost=clusters.where(~seen),
        )
    clusters = clusters.where(np.argsort(clusters.event, kind="stable"))
    count = np.bincount(clusters.event, minlength=n)
    nothing_lost = np.asarray((1 - detector.photon_loss) ** count, dtype=np.float64)
    views = looked_at + (looked_at & (nothing_lost < 1)).astype(np.int64)
    first: Ints = np.cumsum(views) - views
    event = np.repeat(np.arange(n), views)
    lossy = np.arange(event.size) > first[event]
    lost = _lost(clusters.event, count, nothing_lost, detector.photon_loss, rng)
    everything = clusters.of(first[clusters.event])
    twice = views[clusters.event] == 2
    kept, gone = (clusters.where(mask & twice) for mask in (~lost, lost))
    return Views(
        event=event,
        lossy=lossy,
        probability=np.where(lossy, 1 - nothing_lost[event], nothing_lost[event]),
        clusters=everything.and_also(kept.of(first[kept.event] + 1)),
        lost=gone.of(first[gone.event] + 1),
    )


def _lost(event: Ints, count: Ints, nothing_lost: Array, loss: float, rng: np.random.Generator) -> Mask:
    """Return which clusters (ordered by event) are lost, given that at least one of each event is.

    The first lost one has the geometric distribution cut off at the number of clusters; those after it are independent.
    """
    if loss in (0.0, 1.0):
        return np.ones(event.size, dtype=np.bool_)
    first = np.floor(np.log1p(-rng.random(count.size) * (1 - nothing_lost)) / np.log1p(-loss))
    first = np.minimum(first, np.maximum(count - 1, 0))
    nth = np.arange(event.size) - (np.cumsum(count) - count)[event]
    return (nth == first[event]) | ((nth > first[event]) & (rng.random(event.size) < loss))


def add_background(views: Views, window: float, detector: Detector, *, rng: np.random.Generator) -> Clusters:
    """Return the clusters of views and those of beam background, ordered by view and by falling energy.

    Parameters
    ----------
    views
        Views of events.
    window
        Largest distance in time from the event [ns]; clusters outside are dropped.
    detector
        The detector.
    rng
        Source of randomness.
    """
    clusters = views.clusters.and_also(background_clusters(views.event.size, window, detector, rng=rng))
    clusters = clusters.where(np.abs(clusters.time) <= window)
    # one number for both keys sorts several times faster than two keys: the energy is a fraction below 1
    fraction = clusters.energy / (1 + np.max(clusters.energy, initial=0.0))
    return clusters.where(np.argsort(clusters.event - fraction))


def background_clusters(n: int, window: float, detector: Detector, *, rng: np.random.Generator) -> Clusters:
    """Return the clusters that beam background adds to `n` events, in no order.

    Their number in each event is Poisson, their energy exponential above the threshold, and they are uniform over the
    solid angle of the crystals and in time.

    Parameters
    ----------
    n
        Number of events.
    window
        Largest distance in time from the event [ns], at most the detector's `background_time_window`.
    detector
        The detector.
    rng
        Source of randomness.
    """
    share = window / detector.background_time_window if detector.background_time_window > 0 else 1.0
    size = rng.poisson(n * detector.background_clusters * share)
    edges = np.array([detector.ecl_theta[0], *np.sort(np.ravel(detector.ecl_gaps)), detector.ecl_theta[1]])
    # the gaps have no solid angle: the cumulative one jumps over them
    top, bottom = np.cos(edges[::2]), np.cos(edges[1::2])
    cumulative = np.repeat(np.cumsum(top - bottom), 2)[:-1]
    cosine = np.interp(rng.random(size) * cumulative[-1], np.concatenate([[0.0], cumulative]), np.cos(edges))
    return Clusters(
        event=rng.integers(n, size=size) if n else np.empty(0, dtype=np.int64),
        energy=detector.photon_energy_min + detector.background_energy * rng.standard_exponential(size),
        theta=np.arccos(cosine),
        phi=rng.uniform(-np.pi, np.pi, size),
        time=rng.uniform(-window, window, size),
    )
