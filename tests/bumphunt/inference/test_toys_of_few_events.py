"""Limits by toys of no event, of a few, and of far too few: against closed forms, exact counts and brute force."""

import numpy as np
import pytest
from scipy import stats

from bumphunt.errors import Flag
from bumphunt.inference.counts.distribution import CountingModel
from bumphunt.inference.counts.limit import counting_limit
from bumphunt.inference.fit import limit
from bumphunt.inference.profile import Profile
from bumphunt.inference.toys import toy_limit
from bumphunt.likelihood.likelihood import likelihood
from bumphunt.models.background import BackgroundModel
from bumphunt.models.peaks import gaussian
from bumphunt.models.region import Sample, region
from bumphunt.models.systematics import ControlRegion, Free, LogNormal, PerBin

EDGES = np.linspace(4.5, 5.5, 81)


def peak_over(background, values=(), uncertainties=()):
    return region(
        "r",
        values=np.array(values),
        edges=EDGES,
        signal=Sample("s", gaussian(5.0, 0.05), uncertainties=uncertainties),
        backgrounds=background,
    )


def toys_for(regions, seed=1, **options):
    return toy_limit(Profile(likelihood(regions)), rng=np.random.default_rng(seed), **options)


SMOOTH = [BackgroundModel(family, order) for family in ("bernstein", "chebyshev") for order in (0, 1, 2, 3, 5)]
KNOWN = {
    "known": (),
    "log-normal": (LogNormal("b", 1.0),),
    "control region": (ControlRegion("b", 4),),
    "free": (Free("b"),),
    "bins": (PerBin("b", np.where(np.arange(80) % 20 == 0, 0.1, 0.0)),),
}


@pytest.mark.parametrize("cl", [0.9, 0.95])
@pytest.mark.parametrize("background", SMOOTH, ids=lambda model: f"{model.family}-{model.order}")
def test_without_events_the_limit_over_a_smooth_background_is_exact(background, cl):
    found = toys_for(peak_over(background), n_toys=50, cl=cl).limit
    assert (found.valid, found.flags, found.error) == (True, (), 0.0)
    np.testing.assert_allclose([found.observed, *found.expected], -np.log1p(-cl), rtol=1e-6)


@pytest.mark.parametrize("uncertainties", KNOWN.values(), ids=KNOWN)
def test_without_events_the_limit_over_any_background_is_exact(uncertainties):
    r = peak_over(Sample("b", np.full(80, 0.1), uncertainties=uncertainties))
    assert toys_for(r, n_toys=100).limit.observed == pytest.approx(np.log(10.0), rel=1e-6)


def test_without_events_an_uncertain_efficiency_makes_the_limit_weaker():
    r = peak_over(BackgroundModel("bernstein", 3), uncertainties=(LogNormal("efficiency", 0.2),))
    found = toys_for(r, n_toys=1000, expected=False).limit
    assert found.error > 0.0
    assert abs(found.observed - np.log(10.0)) < 4.0 * found.error + 0.1


def test_no_event_where_hundreds_are_expected_is_no_reason_for_another_limit():
    r = region("r", counts=[0], signal=[1.0], backgrounds=Sample("b", [700.0]))
    found = toys_for(r, n_toys=100, expected=False).limit
    assert found.observed == pytest.approx(np.log(10.0), rel=1e-9)
    rng = np.random.default_rng(1)
    assert limit(r, method="auto", rng=rng, expected=False).observed == pytest.approx(np.log(10.0), rel=2e-3)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("values", [[5.02], [4.9, 5.3], [4.98, 5.01]])
def test_fewer_events_than_coefficients_have_a_limit(values, order):
    found = toys_for(peak_over(BackgroundModel("bernstein", order), values), n_toys=300)
    assert found.n_failed == 0
    assert found.limit.valid
    bound = counting_limit(len(values), CountingModel(background=0.0)).observed  # no background is the weakest
    assert np.log(10.0) - 4.0 * found.limit.error < found.limit.observed < bound + 4.0 * found.limit.error


def brute_force_limit(values, rng, n_toys=1500):
    """The CLs limit on a peak over a flat background, from toys whose background is found on a grid."""
    signal = np.diff(stats.norm.cdf(EDGES, 5.0, 0.05))
    levels = np.concatenate([[1e-9], np.geomspace(1e-4, 0.5, 150)])  # of the background in each bin

    def nll(counts, s):
        nu = s * signal + levels[:, None]
        return nu.sum(axis=1) - counts @ np.log(nu).T

    strengths = np.concatenate([[0.0], np.geomspace(0.01, 15.0, 40)])

    def q(counts, s):
        at = nll(counts, s).min(axis=1)
        best = np.min([nll(counts, other).min(axis=1) for other in [*strengths[strengths <= s], s]], axis=0)
        return at - best

    data = np.histogram(values, EDGES)[0].astype(float)[None]

    def cls(s):
        p = []
        for truth in (s, 0.0):
            level = levels[np.argmin(nll(data, truth)[0])]
            toys = rng.poisson(truth * signal + level, (n_toys, 80)).astype(float)
            p.append(np.mean(q(toys, s) >= q(data, s) - 1e-4))
        return p[0] / p[1]

    tested = np.array([1.8, 2.2, 2.6, 3.0, 3.4])
    slope, level = np.polyfit(tested, np.log([cls(s) for s in tested]), 1)
    return (np.log(0.1) - level) / slope


def test_limit_of_two_events_is_that_of_brute_force():
    values = [4.9, 5.3]
    found = toys_for(peak_over(BackgroundModel("bernstein", 0), values), n_toys=4000, expected=False).limit
    want = brute_force_limit(values, np.random.default_rng(5))
    assert abs(found.observed - want) < 4.0 * found.error + 0.08


@pytest.mark.parametrize(("n", "b"), [(2, 9.0), (1, 7.0)])
def test_more_toys_are_made_for_a_deficit(n, b):
    r = region("r", counts=[n], signal=[1.0], backgrounds=Sample("b", [b]))
    found, want = toys_for(r, n_toys=500, expected=False), counting_limit(n, CountingModel(background=b)).observed
    assert found.limit.valid
    assert abs(found.limit.observed - want) < 4.0 * found.limit.error
    assert found.limit.error < 0.25 * want


def test_deficit_beyond_all_toys_is_flagged():
    r = region("r", counts=[70], signal=[1.0], backgrounds=Sample("b", [130.0]))  # five standard deviations
    found = toys_for(r, n_toys=100).limit
    assert (found.valid, found.flags) == (False, (Flag.DEEP_DEFICIT,))
    assert np.isnan([found.observed, *found.expected, found.error]).all()


def test_bands_of_few_toys_rise():
    r = region("r", counts=[3, 1], signal=[0.6, 0.4], backgrounds=Sample("b", [1.0, 2.0]))
    for seed in range(12):
        assert np.all(np.diff(toys_for(r, seed, n_toys=12).limit.expected) >= 0.0)


@pytest.mark.parametrize("uncertainties", [(), (LogNormal("luminosity", 0.01),)], ids=["certain", "uncertain"])
def test_event_where_nothing_but_signal_is_expected_has_a_limit(uncertainties):
    b = Sample("b", [20.0, 15.0, 0.0, 8.0, 6.0, 4.0], uncertainties=uncertainties)
    r = region("r", counts=[22, 14, 1, 9, 5, 4], signal=[0.0, 0.0, 1.0, 3.0, 5.0, 3.0], backgrounds=b)
    found, formulae = toys_for(r, n_toys=500, expected=False).limit, limit(r)
    assert found.valid
    assert abs(found.observed - formulae.observed) < 4.0 * found.error + 0.25 * formulae.observed


def test_toys_whose_fits_fail_are_given_up_at_once(monkeypatch):
    monkeypatch.setattr("bumphunt.inference.toys.HOPELESS", -1.0)
    found = toys_for(region("r", counts=[3], signal=[1.0], backgrounds=Sample("b", [2.0])), n_toys=20)
    assert (found.limit.flags, found.tested.size) == ((Flag.TOYS_FAILED,), 0)
