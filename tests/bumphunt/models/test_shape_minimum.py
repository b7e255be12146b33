"""Minima of shapes against those of Minuit, and their covariance against its HESSE."""

import numpy as np
import pytest
from iminuit import Minuit
from scipy import stats

from bumphunt.models.shape_fit import TAIL_STARTS
from bumphunt.models.shape_minimum import LEAST_EXPECTED, LIMITS, ShapeLikelihood
from bumphunt.models.shapes import crystal_ball_gaussian_cdf

EDGES = np.linspace(-0.1, 0.1, 401)
SUPPORT = (-0.1, 0.1)
STARTS = [np.array([0.0, 0.003, *tail, 1.0]) for tail in TAIL_STARTS]


def peak(seed: int, events: int) -> ShapeLikelihood:
    """A Crystal Ball of two widths, mixed: its fits have several minima."""
    rng = np.random.default_rng(seed)
    x = stats.crystalball(0.9, 2.5, scale=0.003).rvs(events, random_state=rng) * rng.choice([1.0, 1.6], events)
    counts = np.histogram(x, EDGES)[0].astype(np.float64)

    def expected(p):
        return np.maximum(
            p[6] * counts.sum() * np.diff(crystal_ball_gaussian_cdf(EDGES, p[:6], SUPPORT)), LEAST_EXPECTED
        )

    def nll(p):
        nu = expected(p)
        return float(np.sum(nu - counts * np.log(nu)))

    return ShapeLikelihood(expected=expected, objective=nll, counts=counts, scale=1.0, free=np.ones(7, dtype=bool))


def minuit_at(likelihood: ShapeLikelihood, start: np.ndarray) -> Minuit:
    minuit = Minuit(likelihood.objective, start)
    minuit.errordef, minuit.limits = Minuit.LIKELIHOOD, [*LIMITS, (0.5, 2.0)]
    return minuit


@pytest.mark.parametrize("seed", range(4))
def test_minuit_finds_no_lower_minimum_from_anywhere(seed):
    likelihood = peak(seed, 2500)
    found = likelihood.lowest(STARTS)
    assert found.valid
    low, high = [-1e-3, 1e-3, 1.0, 1.0, 0.3, 1.0, 0.9], [1e-3, 5e-3, 4.0, 8.0, 1.0, 5.0, 1.1]
    for start in (found.parameters, *np.random.default_rng(seed).uniform(low, high, (6, 7))):
        assert found.nll < minuit_at(likelihood, start).migrad(ncall=10_000).fval + 1e-7


@pytest.mark.parametrize("seed", range(6))
def test_covariance_is_that_of_hesse_and_zero_at_a_limit(seed):
    likelihood = peak(seed, 20_000)
    found = likelihood.lowest(STARTS)
    at_limit = np.isin(found.parameters, np.array(LIMITS))
    minuit = minuit_at(likelihood, found.parameters)
    minuit.limits = (-np.inf, np.inf)  # its limits bend the parabola
    minuit.fixed[:] = at_limit
    minuit.hesse()
    errors = np.sqrt(np.diag(likelihood.covariance(found)))
    assert np.all(errors[at_limit] == 0.0)
    np.testing.assert_allclose(errors[~at_limit], np.array(minuit.errors)[~at_limit], rtol=0.02)


def test_starts_where_nothing_is_expected_come_back():
    """A peak so narrow that most bins expect nothing has no information, and no slope of the floor under them."""
    likelihood = peak(0, 2500)
    found = likelihood.lowest([np.array([0.0, 1e-4, 5.0, 20.0, 1.0, 1.7, 1.0]), *STARTS])
    assert found.nll == pytest.approx(likelihood.lowest(STARTS).nll, abs=1e-6)
