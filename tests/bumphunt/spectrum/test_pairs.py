"""Entries that come in groups: against the variance of toys, and of the compound Poisson distribution."""

import hist
import numpy as np
import pytest

from bumphunt.spectrum.pairs import overdispersion, pair_edges, pair_spectrum
from selections.events import candidate_pairs

EDGES = np.linspace(0.0, 10.0, 2001)
WINDOW = (4.0, 5.0)


def grouped(rng, n, size, width):
    """Positions of `size` entries of each of n events, within a width of each other."""
    first = rng.uniform(0.0, 10.0 - width, n)
    return (first[:, None] + rng.uniform(0.0, width, (n, size))).ravel(), np.arange(n) * size


def entries_of(positions, weights):
    found = hist.Hist(hist.axis.Variable(EDGES, name="m"), storage=hist.storage.Weight())
    return found.fill(positions, weight=weights)


@pytest.mark.parametrize(("size", "width"), [(1, 1.0), (3, 0.0), (3, 1.0), (2, 8.0)])
def test_overdispersion_is_the_variance_of_toys_over_their_mean(size, width):
    rng = np.random.default_rng(7)
    positions, starts = grouped(rng, 20_000, size, width)
    weights = np.full(positions.size, 0.5)
    pairs = pair_spectrum(positions, weights, *candidate_pairs(starts, positions.size), EDGES)
    found = overdispersion(entries_of(positions, weights), pairs, *WINDOW)
    inside = ((positions >= WINDOW[0]) & (positions < WINDOW[1])).reshape(-1, size).sum(axis=1)
    counts = rng.multinomial(rng.poisson(300, 4000), np.bincount(inside, minlength=size + 1) / inside.size) @ np.arange(
        size + 1
    )
    assert found == pytest.approx(counts.var() / counts.mean(), rel=0.08)
    assert found == pytest.approx(np.sum(inside**2) / inside.sum(), rel=1e-9)


def test_entries_of_one_event_that_are_far_apart_are_as_good_as_events():
    positions, starts = np.array([1.0, 4.5, 8.0, 4.6]), np.array([0, 3])
    pairs = pair_spectrum(positions, np.ones(4), *candidate_pairs(starts, 4), EDGES)
    assert overdispersion(entries_of(positions, np.ones(4)), pairs, *WINDOW) == 1.0
    assert overdispersion(entries_of(positions, np.ones(4)), pairs, 0.0, 10.0) == pytest.approx((9 + 1) / 4)


def test_a_window_without_entries_has_none():
    pairs = pair_spectrum(np.array([1.0]), np.ones(1), *candidate_pairs(np.array([0]), 1), EDGES)
    assert overdispersion(entries_of(np.array([1.0]), np.ones(1)), pairs, *WINDOW) == 1.0


def test_bins_of_pairs_are_joined_to_200():
    assert pair_edges(EDGES).size == 201
    assert pair_edges(np.linspace(0, 1, 303))[-1] == 1.0
