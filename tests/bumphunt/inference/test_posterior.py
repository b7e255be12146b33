"""Posteriors by quadrature against published numbers, CLs, and scipy's integrals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import interpolate, optimize, stats

from bumphunt.errors import InputError
from bumphunt.inference.bayesian import bayesian_counting_limit
from bumphunt.inference.counts.distribution import CountingModel
from bumphunt.inference.counts.limit import counting_limit
from bumphunt.inference.posterior import limit_from_marginal

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
    for cl, want in ((0.9, at_90), (0.95, at_95)):
        counted = bayesian_counting_limit(n, CountingModel(background=b), cl=cl)
        assert counted.upper == pytest.approx(want, rel=3e-4)
        assert (counted.error, counted.method) == (0.0, "bayesian_quadrature")


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
    mean = u[:, None] ** 2 * (1.0 + kappa) ** z
    likelihood = stats.poisson.pmf(counts, mean[..., None]) @ background.pmf(n - counts) @ stats.norm.pdf(z)
    want = upper_of(likelihood * (u if prior == "flat" else 1.0), u)
    model = CountingModel(background=b, background_sigma=sigma, efficiency_sigma=kappa)
    limit = bayesian_counting_limit(n, model, prior=prior)
    assert limit.upper == pytest.approx(want, rel=2e-5)
    assert (limit.prior, limit.credibility, limit.valid) == (prior, 0.9, True)


def test_efficiency_steps_resolve_a_large_signal():
    s, kappa = (
        4000.0,
        np.log(1.3),
    )  # 4000 +- 64 events, efficiency 30 %: s is log-normal, times 1 / kappa of the flat prior
    limit = bayesian_counting_limit(4000, CountingModel(background=0.0, efficiency_sigma=0.3)).upper
    z = np.linspace(-8.0, 8.0, 40001)
    weight = np.exp(-0.5 * z**2 - kappa * z)

    def below(x):
        return np.average(stats.gamma.cdf(x * np.exp(kappa * z), s + 1.0), weights=weight) - 0.9

    assert limit == pytest.approx(optimize.brentq(below, 1000.0, 20000.0), rel=1e-6)


def test_likelihood_that_does_not_fall_has_no_limit():
    limit = limit_from_marginal(lambda s: np.zeros_like(s), guess=0.0, width=1.0)
    assert (limit.valid, limit.flags) == (False, ("posterior_not_normalisable",))


def test_bad_input_raises():
    model = CountingModel(background=1.0)
    with pytest.raises(InputError, match="'flat' or '1/sqrt', got 'jeffreys'"):
        bayesian_counting_limit(1, model, prior="jeffreys")
    with pytest.raises(InputError, match="between 0 and 1, got 90"):
        bayesian_counting_limit(1, model, cl=90.0)
    with pytest.raises(InputError, match="observed count must be a number >= 0, got -1"):
        bayesian_counting_limit(-1, model)
    with pytest.raises(InputError, match=r"efficiency_sigma must be a number >= 0, got -0.1"):
        limit_from_marginal(lambda s: -s, guess=0.0, width=1.0, efficiency_sigma=-0.1)
    with pytest.raises(InputError, match="width > 0"):
        limit_from_marginal(lambda s: -s, guess=0.0, width=0.0)


@pytest.mark.slow
@pytest.mark.parametrize("truth", [0.0, 2.0, 5.0, 20.0])
def test_counting_limits_cover(truth):
    model, n = CountingModel(background=3.0), np.arange(80)
    limits = np.array([bayesian_counting_limit(k, model).upper for k in n])
    assert np.sum(stats.poisson.pmf(n, truth + 3.0) * (limits > truth)) >= 0.9  # equals CLs, which covers at least
