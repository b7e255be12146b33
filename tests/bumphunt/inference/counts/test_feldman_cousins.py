"""Feldman-Cousins intervals against the published table, and constructions with scipy's distributions."""

import numpy as np
import pytest
from numpy.polynomial.hermite_e import hermegauss
from scipy import optimize, stats

from bumphunt.errors import InputError
from bumphunt.inference.counts.distribution import CountingModel
from bumphunt.inference.counts.feldman_cousins import (
    _accepted,
    _best_candidates,
    _log_best,
    _signals,
    feldman_cousins,
    feldman_cousins_limit,
)
from bumphunt.inference.counts.limit import counting_limit

BACKGROUNDS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0)
TABLE = {
    0: "0 2.44  0 1.94  0 1.61  0 1.33  0 1.26  0 1.18  0 1.08  0 1.06  0 1.01  0 0.98",
    1: "0.11 4.36  0 3.86  0 3.36  0 2.91  0 2.53  0 2.19  0 1.88  0 1.59  0 1.39  0 1.22",
    2: "0.53 5.91  0.03 5.41  0 4.91  0 4.41  0 3.91  0 3.45  0 3.04  0 2.67  0 2.33  0 1.73",
    3: "1.10 7.42  0.60 6.92  0.10 6.42  0 5.92  0 5.42  0 4.92  0 4.42  0 3.95  0 3.53  0 2.78",
    4: "1.47 8.60  1.17 8.10  0.74 7.60  0.24 7.10  0 6.60  0 6.10  0 5.60  0 5.10  0 4.60  0 3.60",
    5: "1.84 9.99  1.53 9.49  1.25 8.99  0.93 8.49  0.43 7.99  0 7.49  0 6.99  0 6.49  0 5.99  0 4.99",
}
"""Table IV of the paper: 90 % intervals, one row a count, one pair of ends a background."""


@pytest.mark.parametrize("n", TABLE)
def test_intervals_are_those_of_the_published_table(n):
    want = np.array(TABLE[n].split(), dtype=float).reshape(-1, 2)
    for b, ends in zip(BACKGROUNDS, want, strict=True):
        interval = feldman_cousins(n, CountingModel(background=b))
        # two decimals, on a grid of 0.005 events
        np.testing.assert_allclose([interval.lower, interval.upper], ends, atol=0.0085)


def accepted(n_obs, n_sig, model, cl, top=160):
    """Whether a count is in the acceptance region of each tested signal."""
    log_best = _log_best(model, _best_candidates(model.efficiency_sigma, top))
    return _accepted(n_obs, _signals(n_sig, model.efficiency_sigma, top), model, log_best, cl)


def accepted_counts(s, b, cl):
    """The acceptance region, count by count, with scipy's probabilities."""
    n = np.arange(int(s + b + 12.0 * np.sqrt(s + b + 1.0) + 20))
    p = stats.poisson.pmf(n, s + b)
    ratio = p / stats.poisson.pmf(n, np.maximum(n, b))
    order = sorted(n, key=lambda k: -ratio[k])
    total, region = 0.0, set()
    for k in order:
        region.add(int(k))
        total += p[k]
        if total >= cl:
            return region
    raise AssertionError(total)


@pytest.mark.parametrize(("n", "b", "cl"), [(3, 0.7, 0.9), (12, 4.2, 0.95), (0, 2.1, 0.6827), (25, 9.3, 0.99)])
def test_acceptance_is_that_of_an_independent_construction(n, b, cl):
    s = np.linspace(0.013, 50.0, 400)
    ours = accepted(n, s, CountingModel(background=b), cl)
    assert ours.tolist() == [n in accepted_counts(x, b, cl) for x in s]
    interval = feldman_cousins(n, CountingModel(background=b), cl=cl)
    inside = s[ours]
    if inside.size:
        assert interval.lower <= inside[0]
        assert interval.upper >= inside[-1]
    assert n in accepted_counts(interval.lower + 1e-4, b, cl)


@pytest.mark.parametrize("b", [0.0, 3.0])
def test_intervals_cover(b):
    intervals = [feldman_cousins(n, CountingModel(background=b)) for n in range(30)]
    for s in np.linspace(0.05, 10.0, 41):
        p = stats.poisson.pmf(np.arange(30), s + b)
        inside = np.array([i.lower <= s <= i.upper for i in intervals])
        assert p @ inside >= 0.9 - 1e-9


def test_upper_end_never_rises_with_the_background():
    for n in (0, 2):
        upper = [feldman_cousins(n, CountingModel(background=b)).upper for b in np.arange(1.0, 9.0, 0.8)]
        assert np.all(np.diff(upper) < 1e-5)


def test_large_count_is_the_normal_interval():
    interval = feldman_cousins(400, CountingModel(background=0.0), cl=0.6827)
    assert (interval.lower, interval.upper) == pytest.approx((380.0, 420.5), abs=1.5)


UNCERTAIN = CountingModel(background=2.5, background_sigma=1.2, efficiency_sigma=0.2)


def averaged(s, model, top):
    """P(n | s) for n = 0 ... top: Poisson averaged over a log-normal factor, and a negative binomial background."""
    z, w = hermegauss(60)
    n = np.arange(top + 1)
    signal = w @ stats.poisson.pmf(n, s * (1.0 + model.efficiency_sigma) ** z[:, None]) / np.sqrt(2.0 * np.pi)
    shape = (model.background / model.background_sigma) ** 2
    background = stats.nbinom.pmf(n, shape, shape / (shape + model.background))
    return np.convolve(signal, background)[: top + 1]


def averaged_order(model, top):
    """The largest probability that any signal gives each count."""
    best = np.empty(top + 1)
    for n in range(top + 1):
        found = optimize.minimize_scalar(
            lambda s, n=n: -averaged(s, model, top)[n], bounds=(0.0, n + 5.0), method="bounded", options={"xatol": 1e-7}
        )
        best[n] = max(-found.fun, averaged(0.0, model, top)[n])
    return best


@pytest.mark.parametrize("n", [0, 2, 7])
def test_uncertain_acceptance_is_that_of_an_independent_construction(n):
    top, cl = 70, 0.9
    best = averaged_order(UNCERTAIN, top)
    interval = feldman_cousins(n, UNCERTAIN, cl=cl)
    tested = np.append(np.linspace(0.0101, 16.0, 60), [interval.upper - 1e-3, interval.upper + 1e-3])
    inside = []
    for s in tested:
        p = averaged(s, UNCERTAIN, top)
        before = np.cumsum(p[np.argsort(-p / best)]) - p[np.argsort(-p / best)]
        inside.append(before[np.argsort(-p / best) == n][0] < cl)
    assert accepted(n, tested, UNCERTAIN, cl).tolist() == inside
    hull = tested[inside]
    assert interval.lower <= hull.min()
    assert interval.upper >= hull.max()


@pytest.mark.parametrize(("n", "b"), [(0, 3.0), (3, 3.0), (1, 0.4), (6, 2.0)])
def test_interval_of_a_small_uncertainty_is_that_of_none(n, b):
    known = feldman_cousins(n, CountingModel(background=b))
    for size in (1e-2, 1e-3):
        close = feldman_cousins(n, CountingModel(background=b, background_sigma=size * b, efficiency_sigma=size))
        # averaging changes probabilities at second order
        assert (close.lower, close.upper) == pytest.approx((known.lower, known.upper), abs=20.0 * size**2 + 1e-5)


def test_uncertain_intervals_cover_on_average():
    intervals = [feldman_cousins(n, UNCERTAIN) for n in range(20)]
    for s in np.linspace(0.05, 4.0, 21):
        inside = np.array([i.lower <= s <= i.upper for i in intervals])
        assert averaged(s, UNCERTAIN, 19) @ inside >= 0.9 - 1e-9


def test_uncertainties_lengthen_the_interval_of_an_excess():
    sizes = (0.0, 0.1, 0.3)
    ends = [
        feldman_cousins(9, CountingModel(background=3.0, background_sigma=3.0 * size, efficiency_sigma=size))
        for size in sizes
    ]
    assert np.all(np.diff([i.upper for i in ends]) > 0.0)
    assert np.all(np.diff([i.lower for i in ends]) < 0.0)


def test_limit_has_the_upper_ends_of_the_quantiles():
    model = CountingModel(background=3.0, background_sigma=0.6, efficiency_sigma=0.1)
    limit = feldman_cousins_limit(2, model, cl=0.95)
    cls = counting_limit(2, model, cl=0.95)
    assert (limit.method, limit.cl, limit.valid, limit.flags) == ("feldman_cousins", 0.95, True, ())
    assert limit.observed == feldman_cousins(2, model, cl=0.95).upper
    assert np.all(np.diff(limit.expected) > 0.0)
    # one construction for limits and intervals: lower than CLs for a deficit, higher for an excess
    assert limit.expected[0] < 0.7 * cls.expected[0]
    np.testing.assert_allclose(limit.expected[2:], cls.expected[2:], rtol=0.1)
    assert limit.expected[4] > cls.expected[4]
    blinded = feldman_cousins_limit(None, model, cl=0.95)
    assert blinded.observed == limit.expected[2]
    assert blinded.flags == ("blinded",)


@pytest.mark.parametrize(("n", "b"), [(501, 1.0), (None, 480.0), (3, 600.0)])
def test_limit_of_many_events_is_invalid_and_says_so(n, b):
    limit = feldman_cousins_limit(n, CountingModel(background=b))
    assert not limit.valid
    assert limit.flags == ("too_many_events",)
    assert np.isnan(limit.observed)
    assert np.isnan(limit.expected).all()


@pytest.mark.parametrize(
    ("n", "b", "cl", "message"),
    [
        (-1, 1.0, 0.9, "integer from 0 to 500, got -1"),
        (2.5, 1.0, 0.9, "got 2.5"),
        (501, 1.0, 0.9, "got 501"),
        (1, 501.0, 0.9, "number from 0 to 500, got 501.0"),
        (1, 1.0, 1.0, "between 0 and 1, got 1.0"),
    ],
)
def test_bad_input_raises(n, b, cl, message):
    with pytest.raises(InputError, match=message):
        feldman_cousins(n, CountingModel(background=b), cl=cl)
