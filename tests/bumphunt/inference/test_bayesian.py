"""Bayesian limits against published numbers, CLs, and scipy's integrals over all nuisance parameters."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import interpolate, optimize, special, stats

from bumphunt.errors import InputError
from bumphunt.inference.bayesian import bayesian_counting_limit, bayesian_limit, limit_from_marginal
from bumphunt.inference.counting import CountingModel, counting_limit
from bumphunt.likelihood.linear import Channel, template_channel

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
"""(n, b, 90 % limit, 95 % limit): the classic table of flat-prior limits with known background (O. Helene, 1983)."""


def upper_of(density, u):
    """The 90 % limit in u^2 for a posterior density of u on a grid from 0."""
    cumulative = interpolate.CubicSpline(u, density).antiderivative()
    return optimize.brentq(lambda x: cumulative(x) / cumulative(u[-1]) - 0.9, u[1], u[-1]) ** 2


@pytest.mark.parametrize(("n", "b", "at_90", "at_95"), TABLE)
def test_known_background_gives_the_published_limits(n, b, at_90, at_95):
    channel = template_channel([n], [1.0], [[b]], (0.0,))
    for cl, want in ((0.9, at_90), (0.95, at_95)):
        counted = bayesian_counting_limit(n, CountingModel(background=b), cl=cl)
        fitted = bayesian_limit(channel, rng=np.random.default_rng(0), cl=cl)
        assert counted.upper == pytest.approx(want, rel=3e-4)
        assert fitted.upper == pytest.approx(counted.upper, rel=1e-7)
        assert (fitted.error, fitted.method) == (0.0, "bayesian_quadrature")


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 3000), st.floats(0.0, 1.0), st.sampled_from([0.68, 0.9, 0.95, 0.99]))
def test_flat_prior_is_cls_for_known_background(n, fraction, cl):
    model = CountingModel(background=fraction * max(n, 5.0))
    assert bayesian_counting_limit(n, model, cl=cl).upper == pytest.approx(
        counting_limit(n, model, cl=cl).observed, rel=3e-8
    )


@pytest.mark.parametrize("prior", ["flat", "1/sqrt"])
@pytest.mark.parametrize(("n", "b", "sigma", "kappa"), [(4, 3.0, 1.0, 0.0), (0, 0.5, 0.5, 0.3), (60, 50.0, 9.0, 0.1)])
def test_uncertain_background_and_efficiency_are_marginalised(n, b, sigma, kappa, prior):
    shape = (b / sigma) ** 2
    background = stats.nbinom(shape, 1.0 / (1.0 + b / shape))
    counts = np.arange(n + 1)
    z = np.linspace(-6.0, 6.0, 31)
    u = np.linspace(0.0, 3.0 * np.sqrt(n + 3.0), 601)  # s = u^2: ds = 2 u du, so that 1/sqrt(s) is no singularity
    mean = u[:, None] ** 2 * np.exp(kappa * z)
    likelihood = stats.poisson.pmf(counts, mean[..., None]) @ background.pmf(n - counts) @ stats.norm.pdf(z)
    want = upper_of(likelihood * (u if prior == "flat" else 1.0), u)
    model = CountingModel(background=b, background_sigma=sigma, efficiency_sigma=kappa)
    limit = bayesian_counting_limit(n, model, prior=prior)
    assert limit.upper == pytest.approx(want, rel=2e-5)
    assert (limit.prior, limit.credibility, limit.valid) == (prior, 0.9, True)


def two_bins(sigmas, counts=(7.0, 4.0, 5.0)):
    return Channel(
        counts=np.array(counts),
        signal=np.array([0.2, 0.7, 0.1]),
        templates=np.array([[3.0, 1.0, 4.0], [1.0, 1.0, 1.0]]),
        centres=np.ones(2),
        sigmas=np.array(sigmas),
    )


@pytest.mark.parametrize("counts", [(7.0, 4.0, 5.0), (0.0, 3.0, 1.0)])
@pytest.mark.parametrize("sigmas", [(0.3, 0.0), (np.inf, 0.0), (np.inf, 0.5)])
@pytest.mark.parametrize("prior", ["flat", "1/sqrt"])
def test_channel_is_the_integral_over_its_coefficients(sigmas, prior, counts):
    channel = two_bins(sigmas, counts)
    first, second = np.linspace(-1.0, 8.0, 451), np.linspace(-1.5, 3.5, 101) if sigmas[1] else np.ones(1)
    grid = np.stack(np.meshgrid(first, second, indexing="ij"), axis=-1).reshape(-1, 2)
    background = grid @ channel.templates
    prior_density = np.prod(
        [np.exp(-0.5 * ((grid[:, k] - 1.0) / (s or 1.0)) ** 2) for k, s in enumerate(sigmas)], axis=0
    )

    def likelihood(s):
        nu = s * channel.signal + background
        good = np.all(nu > 0.0, axis=1)
        return prior_density[good] @ np.exp(np.sum(special.xlogy(channel.counts, nu[good]) - nu[good], axis=1))

    u = np.linspace(0.0, 5.5, 161)
    want = upper_of([likelihood(x**2) * (x if prior == "flat" else 1.0) for x in u], u)
    limit = bayesian_limit(channel, rng=np.random.default_rng(6), prior=prior, n_samples=8192)
    assert limit.method == "bayesian_importance"
    assert limit.error < 0.01 * limit.upper
    assert abs(limit.upper - want) < 4.0 * limit.error + 2e-3 * want


def test_efficiency_uncertainty_of_a_channel_is_that_of_counting():
    channel = template_channel([9.0], [1.0], [[5.0]], (0.0,))
    model = CountingModel(background=5.0, efficiency_sigma=0.25)
    for prior in ("flat", "1/sqrt"):
        ours = bayesian_limit(channel, rng=np.random.default_rng(0), efficiency_sigma=0.25, prior=prior)
        assert ours.upper == pytest.approx(bayesian_counting_limit(9, model, prior=prior).upper, rel=1e-6)


def test_efficiency_steps_resolve_a_large_signal():
    s, kappa = 4000.0, 0.3  # 4000 +- 64 events, efficiency 30 %: s is log-normal, times 1 / kappa of the flat prior
    limit = bayesian_counting_limit(4000, CountingModel(background=0.0, efficiency_sigma=kappa)).upper
    z = np.linspace(-8.0, 8.0, 40001)
    weight = np.exp(-0.5 * z**2 - kappa * z)

    def below(x):
        return np.average(stats.gamma.cdf(x * np.exp(kappa * z), s + 1.0), weights=weight) - 0.9

    assert limit == pytest.approx(optimize.brentq(below, 1000.0, 20000.0), rel=1e-6)


def test_large_counts_give_the_truncated_normal():
    channel = template_channel([1.0e6], [1.0], [[1.0e6]], (0.01,))
    sigma = np.sqrt(1.0e6 + 1.0e8)
    want = sigma * stats.norm.ppf(0.95)  # half a normal distribution: 0.5 + 0.45
    limit = bayesian_limit(channel, rng=np.random.default_rng(0))
    assert limit.upper == pytest.approx(want, rel=5e-3)


def test_error_is_the_spread_of_samples():
    channel = two_bins((np.inf, 0.5), (0.0, 1.0, 0.0))
    limits = [bayesian_limit(channel, rng=np.random.default_rng(seed), n_samples=512) for seed in range(20)]
    spread = np.std([limit.upper for limit in limits], ddof=1)
    assert 0.4 < spread / np.mean([limit.error for limit in limits]) < 2.5


def test_same_generator_gives_the_same_limit():
    channel = two_bins((0.3, 0.2))
    one, two = (bayesian_limit(channel, rng=np.random.default_rng(3)) for _ in range(2))
    assert one == two


def test_failed_fit_is_an_invalid_limit_with_its_reason():
    template = [5.0, 6.0, 7.0]
    singular = template_channel([5.0, 7.0, 8.0], [0.0, 1.0, 0.0], [template, template], (None, None))
    infeasible = template_channel([5.0, 7.0], [0.0, 1.0], [[0.0, 4.0]], (0.1,))
    for channel, flag in ((singular, "fit_singular"), (infeasible, "fit_infeasible")):
        limit = bayesian_limit(channel, rng=np.random.default_rng(0))
        assert (limit.valid, limit.flags) == (False, (flag,))
        assert np.isnan([limit.upper, limit.error]).all()


def test_likelihood_that_does_not_fall_has_no_limit():
    limit = limit_from_marginal(lambda s: np.zeros_like(s), guess=0.0, width=1.0)
    assert (limit.valid, limit.flags) == (False, ("posterior_not_normalisable",))


def test_bad_input_raises():
    model, channel = CountingModel(background=1.0), two_bins((0.3, 0.2))
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="'flat' or '1/sqrt', got 'jeffreys'"):
        bayesian_counting_limit(1, model, prior="jeffreys")
    with pytest.raises(InputError, match="between 0 and 1, got 90"):
        bayesian_limit(channel, rng=rng, cl=90.0)
    with pytest.raises(InputError, match="observed count must be a number >= 0, got -1"):
        bayesian_counting_limit(-1, model)
    with pytest.raises(InputError, match=r"efficiency_sigma must be a number >= 0, got -0.1"):
        bayesian_limit(channel, rng=rng, efficiency_sigma=-0.1)
    with pytest.raises(InputError, match="at least 32 members, got 31"):
        bayesian_limit(channel, rng=rng, n_samples=31)
    with pytest.raises(InputError, match="width > 0"):
        limit_from_marginal(lambda s: -s, guess=0.0, width=0.0)


@pytest.mark.slow
@pytest.mark.parametrize("truth", [0.0, 2.0, 5.0, 20.0])
def test_counting_limits_cover(truth):
    model, n = CountingModel(background=3.0), np.arange(80)
    limits = np.array([bayesian_counting_limit(k, model).upper for k in n])
    assert np.sum(stats.poisson.pmf(n, truth + 3.0) * (limits > truth)) >= 0.9  # equals CLs, which covers at least
