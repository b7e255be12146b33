"""The reference likelihood against scipy's Poisson distribution and numerical derivatives."""

import numpy as np
import pytest
from scipy import optimize, stats

from bumphunt.engines import minuit
from bumphunt.engines.result import FitStatus
from bumphunt.likelihood.linear import Channel

CHANNEL = Channel(
    counts=np.array([12.0, 0.0, 9.0, 30.0]),
    signal=np.array([0.1, 0.3, 0.3, 0.1]),
    templates=np.array([[10.0, 3.0, 4.0, 9.0], [1.0, 1.0, 5.0, 20.0], [0.5, 0.0, 0.0, 0.5]]),
    centres=np.array([1.0, 1.1, 1.0]),
    sigmas=np.array([np.inf, 0.2, 0.0]),
)


def test_likelihood_differences_are_those_of_poisson_and_normal_distributions():
    def reference(n_sig, theta):
        nu = CHANNEL.expected(n_sig, theta)
        return -stats.poisson.logpmf(CHANNEL.counts, nu).sum() - stats.norm.logpdf(theta[1], 1.1, 0.2)

    a, b = (3.0, np.array([0.9, 1.3, 1.0])), (-1.0, np.array([1.2, 0.8, 1.0]))
    assert minuit.nll(CHANNEL, *a) - minuit.nll(CHANNEL, *b) == pytest.approx(reference(*a) - reference(*b), abs=1e-9)


def test_saturated_model_is_zero():
    assert minuit.nll(CHANNEL.asimov(2.0, [1.0, 1.0, 1.0]), 2.0, np.ones(3)) == pytest.approx(0.0, abs=1e-12)


def test_gradient_is_the_numerical_one():
    point = np.array([3.0, 0.9, 1.3, 1.0])
    got = minuit._gradient(CHANNEL, point[0], point[1:])
    want = optimize.approx_fprime(point, lambda p: minuit.nll(CHANNEL, p[0], p[1:]), 1e-7)
    np.testing.assert_allclose(got[:3], want[:3], rtol=1e-4)  # the last coefficient is held


def test_impossible_data_are_infinitely_unlikely():
    assert minuit.nll(CHANNEL, -100.0, np.ones(3)) == np.inf


def test_nothing_to_fit_is_a_plain_evaluation():
    channel = Channel(
        counts=np.array([3.0]), signal=np.ones(1), templates=np.empty((0, 1)), centres=np.empty(0), sigmas=np.empty(0)
    )
    fit = minuit.fit_channel(channel, n_sig=2.0)
    assert fit.status is FitStatus.CONVERGED
    assert fit.nll == pytest.approx(2.0 - 3.0 + 3.0 * np.log(1.5))
