"""Views of events with lost photons."""

import dataclasses

import numpy as np
import pytest

from bumphunt.montecarlo.detector.measured import Clusters
from bumphunt.montecarlo.detector.photon_views import add_background, photon_views
from bumphunt.montecarlo.detector.presets import BELLE2


def clusters_of(event, energy=None):
    event = np.asarray(event, dtype=np.int64)
    ones = np.ones(event.size)
    return Clusters(
        event=event, energy=ones if energy is None else np.array(energy), theta=ones, phi=ones, time=0 * ones
    )


def views_of(event, clusters, loss, weighted=True, seed=1):
    detector = dataclasses.replace(BELLE2, photon_loss=loss)
    return photon_views(np.asarray(event), clusters, 4, detector, rng=np.random.default_rng(seed), weighted=weighted)


def test_events_with_clusters_have_two_views_and_others_one():
    views = views_of([0, 1, 1, 3], clusters_of([3, 1, 2, 3]), 0.25)
    assert views.event.tolist() == [0, 1, 1, 3, 3]
    assert views.lossy.tolist() == [False, False, True, False, True]
    assert views.probability.tolist() == [1.0, 0.75, 0.25, 0.75**2, 1 - 0.75**2]
    seen = np.bincount(views.clusters.event, minlength=5)
    assert seen[:4].tolist() == [0, 1, 0, 2]
    assert seen[4] < 2


@pytest.mark.parametrize("loss", [0.0, 1e-18])
def test_nothing_lost_gives_one_view(loss):
    views = views_of([0, 1, 3], clusters_of([1, 1, 1, 3]), loss)
    assert views.event.tolist() == [0, 1, 3]
    assert np.bincount(views.clusters.event, minlength=3).tolist() == [0, 3, 1]


def test_everything_lost_leaves_nothing():
    views = views_of([1, 3], clusters_of([1, 1, 3]), 1.0)
    assert views.probability.tolist() == [0.0, 1.0, 0.0, 1.0]
    assert not np.any(views.lossy[views.clusters.event])
    assert views_of([1, 3], clusters_of([1, 1, 3]), 1.0, weighted=False).clusters.energy.size == 0


def test_clusters_come_ordered_by_view_and_energy():
    rng = np.random.default_rng(2)
    energy = rng.exponential(size=200)
    views = views_of(np.arange(4), clusters_of(rng.integers(4, size=200), energy), 0.3)
    clusters = add_background(views, 100.0, BELLE2, rng=rng)
    keys = list(zip(clusters.event.tolist(), (-clusters.energy).tolist(), strict=True))
    assert keys == sorted(keys)
    assert clusters.energy.size >= views.clusters.energy.size
