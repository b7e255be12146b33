"""Bayesian intervals with two ends against gamma distributions, SciPy's quadrature and minimiser, and each other."""

import numpy as np
import pytest
from scipy import integrate, optimize, stats

import bumphunt as bh


def shortest_of(distribution, cl):
    """Return the shortest interval of a frozen distribution of SciPy, by minimising its length."""

    def length(below):
        return distribution.ppf(below + cl) - distribution.ppf(below)

    below = optimize.minimize_scalar(length, bounds=(0.0, 1.0 - cl), method="bounded", options={"xatol": 1e-12}).x
    return distribution.ppf(below), distribution.ppf(below + cl)


@pytest.mark.parametrize("n", [1, 3, 20, 400])
def test_known_background_of_zero_gives_gamma_distributions(n):
    posterior = stats.gamma(n + 1.0)  # of a Poisson mean with a flat prior
    for cl in (0.6827, 0.9):
        central = bh.bayesian_counting_interval(n, bh.CountingModel(background=0.0), cl=cl)
        assert list(central) == pytest.approx(posterior.interval(cl), rel=1e-7)
        shortest = bh.bayesian_counting_interval(n, bh.CountingModel(background=0.0), cl=cl, kind="shortest")
        assert list(shortest) == pytest.approx(shortest_of(posterior, cl), rel=1e-5)
        assert shortest.high - shortest.low < central.high - central.low


@pytest.mark.parametrize(("n", "b"), [(0, 3.0), (2, 3.0), (3, 3.0)])
def test_shortest_interval_without_an_excess_is_the_upper_limit(n, b):
    model = bh.CountingModel(background=b, background_sigma=1.0)
    found = bh.bayesian_counting_interval(n, model, cl=0.9, kind="shortest")
    assert found.low == 0.0
    assert found.high == pytest.approx(bh.bayesian_counting_limit(n, model, cl=0.9).upper, rel=1e-7)
    central = bh.bayesian_counting_interval(n, model, cl=0.9)
    assert central.low > 0.0


def test_uncertain_background_and_efficiency_are_integrated():
    n, cl = 9, 0.9
    model = bh.CountingModel(background=3.0, background_sigma=1.0, efficiency_sigma=0.2)
    z, s = np.linspace(-6.0, 6.0, 49), np.linspace(0.0, 40.0, 801)
    b, w = stats.gamma(9.0, scale=1.0 / 3.0).ppf(stats.norm.cdf(z)), stats.norm.pdf(z)
    density = np.array([w @ stats.poisson.pmf(n, one * 1.2 ** z[:, None] + b) @ w for one in s])
    below = integrate.cumulative_simpson(density, x=s, initial=0.0)
    below /= below[-1]
    low, high = bh.bayesian_counting_interval(n, model, cl=cl)
    assert np.interp([low, high], s, below) == pytest.approx([0.05, 0.95], abs=2e-4)
    low, high = bh.bayesian_counting_interval(n, model, cl=cl, kind="shortest")
    content = np.diff(np.interp([low, high], s, below))[0]
    at_ends = np.interp([low, high], s, density)
    assert content == pytest.approx(cl, abs=2e-4)
    assert at_ends[0] == pytest.approx(at_ends[1], rel=2e-3)


@pytest.mark.parametrize("kind", ["central", "shortest"])
def test_regions_and_counts_have_the_same_interval(kind):
    # a control region of 16 events is, with a flat prior, a gamma distribution of 17 events
    sample = bh.Sample("b", [4.0], uncertainties=[bh.ControlRegion("side", 16)])
    count = bh.region("n", counts=[12], signal=[1.0], backgrounds=sample)
    found = bh.bayesian_interval(count, rng=np.random.default_rng(1), cl=0.9, kind=kind)
    model = bh.CountingModel(background=17 / 4, background_sigma=np.sqrt(17) / 4)
    want = bh.bayesian_counting_interval(12, model, cl=0.9, kind=kind)
    assert found.valid
    assert found.low == pytest.approx(want.low, abs=5.0 * found.low_error + 1e-3)
    assert found.high == pytest.approx(want.high, abs=5.0 * found.high_error + 1e-3)
    assert found.high_error < 0.05


def test_excess_that_excludes_zero_has_both_intervals():
    count = bh.region("n", counts=[400], signal=[1.0], backgrounds=bh.Sample("known", [1.0]))
    for kind in ("central", "shortest"):
        low, high = bh.bayesian_interval(count, rng=np.random.default_rng(2), kind=kind)
        assert (low, high) == pytest.approx((399 - 20, 399 + 20), abs=1.2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "upper"}, "must be 'central' or 'shortest', got 'upper'"),
        ({"kind": "shortest", "prior": "1/sqrt"}, "'1/sqrt' is infinite at 0: ask for kind='central'"),
        ({"cl": 1.0}, "between 0 and 1, got 1.0"),
        ({"prior": "log"}, "prior must be 'flat' or '1/sqrt', got 'log'"),
    ],
)
def test_bad_questions_raise(change, message):
    with pytest.raises(bh.InputError, match=message):
        bh.bayesian_counting_interval(3, bh.CountingModel(background=1.0), **change)
    count = bh.region("n", counts=[3], signal=[1.0], backgrounds=bh.Sample("b", [1.0]))
    with pytest.raises(bh.InputError, match=message):
        bh.bayesian_interval(count, rng=np.random.default_rng(1), **change)
    with pytest.raises(bh.InputError, match="the observed count must be a number >= 0, got -1"):
        bh.bayesian_counting_interval(-1, bh.CountingModel(background=1.0))
