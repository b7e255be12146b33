"""Counting limits against published numbers, the flat-prior Bayesian integral, exact sums and toys."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, stats
from scipy.special import gammainc

from bumphunt.errors import InputError
from bumphunt.inference.counts.distribution import (
    CountingModel,
    counting_p0,
    event_weight,
    probability_at_most,
    quantile,
    simulated_background,
)
from bumphunt.inference.counts.limit import counting_limit
from bumphunt.models.signal import SignalModel
from bumphunt.scanning.method import Method
from bumphunt.scanning.regions import ScanRegion
from bumphunt.scanning.scan import scan_spectra
from bumphunt.scanning.spectra import checked_spectra

TABLE = [
    (0, 3.0, 2.303, 2.996),
    (1, 0.0, 3.890, 4.744),
    (1, 1.0, 3.272, 4.113),
    (3, 3.0, 4.362, 5.395),
    (3, 1.0, 5.711, 6.782),
    (5, 3.0, 6.437, 7.663),
    (10, 10.0, 6.630, 8.083),
    (100, 100.0, 17.80, 21.37),
]
"""(n, b, 90 % limit, 95 % limit): the classic table of flat-prior (= CLs) limits with known background."""


@pytest.mark.parametrize(("n", "b", "at_90", "at_95"), TABLE)
def test_limits_with_known_background(n, b, at_90, at_95):
    model = CountingModel(background=b)
    assert counting_limit(n, model, cl=0.90).observed == pytest.approx(at_90, rel=3e-4)
    assert counting_limit(n, model, cl=0.95).observed == pytest.approx(at_95, rel=3e-4)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.integers(0, 40), st.floats(0.0, 40.0), st.sampled_from([0.9, 0.95]))
def test_cls_limit_is_the_flat_prior_bayesian_one(n, b, cl):
    limit = counting_limit(n, CountingModel(background=b), cl=cl).observed
    peak = stats.poisson.pmf(n, max(n, b))

    def posterior(s):
        return stats.poisson.pmf(n, s + b) / peak

    whole = integrate.quad(posterior, 0.0, limit, limit=200)[0] + integrate.quad(posterior, limit, np.inf, limit=200)[0]
    assert integrate.quad(posterior, 0.0, limit, limit=200)[0] / whole == pytest.approx(cl, abs=1e-6)


@pytest.mark.parametrize(("b", "sigma"), [(3.0, 1.0), (0.2, 0.2), (100.0, 20.0), (2.0, 4.0), (26500.0, 2650.0)])
def test_gamma_background_gives_the_negative_binomial(b, sigma):
    shape = (b / sigma) ** 2
    exact = stats.nbinom(shape, 1.0 / (1.0 + b / shape))
    n = np.unique(np.round(b + sigma * np.array([-2.0, -1.0, 0.0, 1.0, 3.0])).clip(0))
    model = CountingModel(background=b, background_sigma=sigma)
    np.testing.assert_allclose(probability_at_most(n, 0.0, model), exact.cdf(n), rtol=1e-5)
    for count in n:
        assert counting_p0(count, model) == pytest.approx(exact.sf(count - 1.0), rel=1e-9)


def test_lognormal_background_and_efficiency_are_integrated():
    b, sigma, kappa, n, s = 4.0, 1.5, 0.2, 3, 2.5
    want = integrate.dblquad(
        lambda y, z: (
            stats.norm.pdf(y)
            * stats.norm.pdf(z)
            * stats.poisson.cdf(n, s * (1.0 + kappa) ** z + b * (1.0 + sigma / b) ** y)
        ),
        -8.0,
        8.0,
        -8.0,
        8.0,
    )[0]
    model = CountingModel(background=b, background_sigma=sigma, prior="lognormal", efficiency_sigma=kappa)
    assert probability_at_most(n, s, model) == pytest.approx(want, rel=1e-6)


def test_cls_is_a_ratio_of_toys():
    rng = np.random.default_rng(9)
    b = rng.gamma(9.0, 1.0 / 3.0, size=400_000)  # 3 +- 1
    kappa = 1.15 ** rng.standard_normal(b.size)
    model = CountingModel(background=3.0, background_sigma=1.0, efficiency_sigma=0.15)
    want = np.mean(rng.poisson(4.0 * kappa + b) <= 3) / np.mean(rng.poisson(b) <= 3)
    cls = probability_at_most(3, 4.0, model) / probability_at_most(3, 0.0, model)
    assert float(cls) == pytest.approx(want, rel=0.01)


def test_uncertainties_weaken_a_limit():
    known = counting_limit(5, CountingModel(background=5.0)).observed
    unsure = counting_limit(5, CountingModel(background=5.0, background_sigma=2.0, efficiency_sigma=0.2)).observed
    assert unsure > known


def test_p0_of_a_hundred_events_over_ten_unknown_to_themselves_is_a_geometric_tail():
    # b = 10 +- 10 (gamma) is exponential: n is geometric with ratio 10 / 11
    assert counting_p0(100, CountingModel(background=10.0, background_sigma=10.0)) == pytest.approx(
        (10 / 11) ** 100, rel=1e-12
    )


@pytest.mark.parametrize(
    ("n", "b", "sigma"), [(1, 0.01, 0.02), (20, 3.0, 1.0), (100, 10.0, 3.0), (300, 10.0, 4.0), (10_000, 8000.0, 200.0)]
)
def test_p0_over_a_lognormal_background_is_the_integral_to_beyond_eight_sigma(n, b, sigma):
    spread = np.log(1.0 + sigma / b)
    middle, width = np.log(b), np.hypot(spread, n**-0.5)

    def integrand(t):
        return gammainc(n, np.exp(t)) * stats.norm.pdf(t, middle, spread)

    ends = np.linspace(min(middle, np.log(n)) - 12.0 * width, max(middle, np.log(n)) + 12.0 * width, 100)
    want = sum(integrate.quad(integrand, *pair, epsabs=0.0, epsrel=1e-12)[0] for pair in itertools.pairwise(ends))
    got = counting_p0(n, CountingModel(background=b, background_sigma=sigma, prior="lognormal"))
    assert got == pytest.approx(want, rel=1e-9)


def test_events_over_no_background_are_impossible_without_signal():
    assert counting_p0(1, CountingModel(background=0.0)) == 0.0
    assert counting_p0(0, CountingModel(background=0.0)) == 1.0


@pytest.mark.parametrize("n", [-1.0, np.nan, np.inf])
def test_count_that_is_none_has_no_p0(n):
    with pytest.raises(InputError, match="the observed count must be a number >= 0"):
        counting_p0(n, CountingModel(background=1.0))


def test_p0_is_the_exact_poisson_tail():
    model = CountingModel(background=3.3)
    assert counting_p0(9, model) == pytest.approx(stats.poisson.sf(8, 3.3), rel=1e-10)
    assert counting_p0(0, model) == 1.0
    assert counting_p0(60, model) == pytest.approx(stats.poisson.sf(59, 3.3), rel=1e-8)  # 1e-50: no 1 - x


def test_quantiles_are_those_of_scipy():
    for b in (0.0, 0.3, 7.0, 900.0):
        for p in (0.0228, 0.5, 0.9772):
            assert quantile(p, CountingModel(background=b)) == stats.poisson.ppf(p, b)


def test_band_holds_the_limits_of_the_quantiles():
    model = CountingModel(background=4.0)
    band = counting_limit(0, model).expected
    counts = stats.poisson.ppf(stats.norm.cdf([-2, -1, 0, 1, 2]), 4.0)
    np.testing.assert_allclose(band, [counting_limit(n, model).observed for n in counts])


def test_no_background_expects_no_events():
    np.testing.assert_allclose(counting_limit(0, CountingModel(background=0.0)).expected, np.log(10.0))


def test_efficiency_uncertainty_on_no_events_is_the_lognormal_average():
    limit = counting_limit(0, CountingModel(background=2.0, efficiency_sigma=0.3)).observed
    z = np.linspace(-8.0, 8.0, 4001)
    want = optimize.brentq(lambda s: np.trapezoid(stats.norm.pdf(z) * np.exp(-s * 1.3**z), z) - 0.1, 0.1, 20.0)
    assert limit == pytest.approx(want, rel=1e-6)


def test_blinded_limit_is_the_median_expected_one():
    limit = counting_limit(None, CountingModel(background=4.0))
    assert limit.observed == limit.expected[2]
    assert limit.flags == ("blinded",)


def test_impossible_count_is_an_invalid_limit():
    limit = counting_limit(1, CountingModel(background=1000.0))
    assert not limit.valid
    assert limit.flags == ("clb_underflow",)
    assert np.isnan(limit.observed)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"background": -1.0}, r"background must be a number >= 0, got -1.0"),
        ({"background": np.nan}, "got nan"),
        ({"background_sigma": -1.0}, "background_sigma must"),
        ({"efficiency_sigma": np.inf}, "efficiency_sigma must"),
        ({"prior": "flat"}, "'gamma' or 'lognormal', got 'flat'"),
        ({"background": 0.0, "background_sigma": 1.0}, "a background of 0"),
    ],
)
def test_bad_models_raise(change, message):
    with pytest.raises(InputError, match=message):
        CountingModel(**{"background": 1.0, **change})


@pytest.mark.parametrize("n", [-1, np.nan, np.inf])
def test_bad_counts_raise(n):
    with pytest.raises(InputError, match="observed count"):
        counting_limit(n, CountingModel(background=1.0))


@pytest.mark.parametrize(
    ("b", "sigma", "n"),
    [
        (26000.0, 2600.0, 50000),
        (26000.0, 200.0, 29000),
        (400.0, 190.0, 2500),
        (90.0, 10.0, 250),
        (26000.0, 2600.0, 9000),
    ],
)
def test_far_tails_of_wide_backgrounds_are_those_of_the_negative_binomial(b, sigma, n):
    shape = (b / sigma) ** 2
    exact = stats.nbinom(shape, 1.0 / (1.0 + b / shape))
    model = CountingModel(background=b, background_sigma=sigma)
    if n > b:
        assert counting_p0(n, model) == pytest.approx(exact.sf(n - 1), rel=1e-9)
    else:
        assert probability_at_most(n, 0.0, model) == pytest.approx(exact.cdf(n), rel=1e-5)


@pytest.mark.parametrize(("n", "s"), [(26000, 4000.0), (36000, 15000.0), (22000, 300.0)])
def test_signal_on_a_large_uncertain_background_is_the_sum_over_counts(n, s):
    b, sigma, kappa = 26000.0, 2600.0, 0.1
    shape = (b / sigma) ** 2
    background = stats.nbinom(shape, 1.0 / (1.0 + b / shape))

    def at_most(mean):
        k = np.arange(max(0, int(mean - 9.0 * np.sqrt(mean))), int(mean + 9.0 * np.sqrt(mean) + 20.0))
        return np.sum(stats.poisson.pmf(k, mean) * background.cdf(n - k))

    z = np.linspace(-7.0, 7.0, 57)
    want = np.average([at_most(s * (1.0 + kappa) ** x) for x in z], weights=np.exp(-0.5 * z**2))
    model = CountingModel(background=b, background_sigma=sigma, efficiency_sigma=kappa)
    assert probability_at_most(n, s, model) == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("prior", ["gamma", "lognormal"])
def test_limit_does_not_jump_where_the_order_of_integration_changes(prior):
    for b in (50.0, 26000.0):
        limits = [
            counting_limit(
                b, CountingModel(background=b, background_sigma=f * b**0.5, prior=prior, efficiency_sigma=0.1)
            )
            for f in (0.9999, 1.0001)
        ]
        assert limits[0].observed == pytest.approx(limits[1].observed, rel=2e-4)


@pytest.mark.parametrize(("n", "b", "kappa"), [(30000, 26000.0, 0.3), (500, 20.0, 0.5), (40, 0.0, 0.4)])
def test_efficiency_step_resolves_a_large_signal(n, b, kappa):
    s = n - b
    z = np.linspace(-7.0, 7.0, 20001)
    want = np.average(stats.poisson.cdf(n, s * (1.0 + kappa) ** z + b), weights=np.exp(-0.5 * z**2))
    assert probability_at_most(n, s, CountingModel(background=b, efficiency_sigma=kappa)) == pytest.approx(
        want, rel=1e-7
    )


@pytest.mark.parametrize(("k", "w"), [(0, 0.25), (1, 3.0), (40, 0.1)])
def test_simulated_background_is_the_posterior_of_jeffreys_prior(k, w):
    def moment(power):
        return integrate.quad(lambda u: 2.0 * stats.poisson.pmf(k, u**2) * (w * u**2) ** power, 0.0, 16.0)[0]

    mean, sigma = simulated_background(k * w, k * w**2, w)
    assert mean == pytest.approx(moment(1) / moment(0), rel=1e-8)
    assert sigma == pytest.approx(np.sqrt(moment(2) / moment(0) - mean**2), rel=1e-7)


def test_event_weight_of_equal_weights_is_the_weight():
    np.testing.assert_allclose(event_weight([5 * 0.3, 0.0], [5 * 0.09, 0.0]), [0.3, 0.0])


def test_empty_simulation_does_not_claim_a_discovery():
    # the simulation is twice the data; it is empty or nearly so, and one data event must not be "impossible"
    rng = np.random.default_rng(31)
    expected, w = 0.4, 0.5
    simulated = rng.poisson(expected / w, size=4000)
    observed = rng.poisson(expected, size=4000)
    models = {k: simulated_background(k * w, k * w**2, w) for k in np.unique(simulated)}
    p0 = np.array(
        [
            counting_p0(n, CountingModel(background=float(models[k][0]), background_sigma=float(models[k][1])))
            for k, n in zip(simulated, observed, strict=True)
        ]
    )
    for level in (0.05, 0.01):
        assert np.mean(p0 <= level) <= level + 3.0 * np.sqrt(level / p0.size)


def test_bad_sums_of_weights_raise():
    with pytest.raises(InputError, match="sum_w2 must be numbers >= 0"):
        simulated_background(1.0, -1.0, 1.0)
    with pytest.raises(InputError, match="weight must be numbers >= 0"):
        simulated_background(1.0, 1.0, np.nan)


def test_scan_over_an_empty_simulation_has_an_uncertain_background():
    edges = np.linspace(0.0, 30.0, 601)
    masses = np.array([1.0, 3.0, 5.0])
    signal = SignalModel(
        masses=masses,
        parameters=np.tile([0.0, 0.3, 5.0, 3.0, 1.0, 1.0], (3, 1)),
        errors=np.zeros((3, 6)),
        efficiencies=np.full(3, 0.1),
        efficiency_errors=np.zeros(3),
        support=(0.0, 30.0),
    )
    near, far = np.zeros(600), np.zeros(600)
    near[180 + 20] = 0.5  # two events of weight 1/4 at 10 GeV^2, outside +-0.6 but within +-3 of 9 GeV^2
    far[590] = 0.1  # one event at 29.5 GeV^2
    templates, variances = np.array([near, far]), np.array([0.25 * near, 0.1 * far])

    def counted(n, scale):
        spectra = checked_spectra(n, scale * templates, scale * variances, (0.1, 0.1), edges)
        one = ScanRegion(name="all", spectra=spectra, signal=signal)
        return scan_spectra(one, masses=[3.0], method=Method(kind="counting")).points

    (point,) = counted(np.eye(600)[180], 1.0)
    assert point.valid
    assert point.flags == ()
    assert point.n_bkg == pytest.approx(0.5 * (0.25 + 0.1))
    sigma = np.sqrt(0.5 * (0.25**2 + 0.1**2) + (0.1 * 0.125) ** 2 + (0.1 * 0.05) ** 2)
    model = CountingModel(background=point.n_bkg, background_sigma=sigma)
    assert point.p0 == pytest.approx(counting_p0(1, model))
    (event,) = counted(np.eye(600)[180], 0.0)
    assert (event.p0, event.z0, event.valid) == (0.0, np.inf, True)
    (empty,) = counted(np.zeros(600), 0.0)
    assert empty.flags == ("no_background",)
