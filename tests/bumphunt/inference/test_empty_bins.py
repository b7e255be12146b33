"""Bins in which nothing, or only a signal, is expected: the normal case of templates with few simulated events."""

import numpy as np
import pytest
from scipy import optimize, special, stats

from bumphunt.engines.result import FitStatus
from bumphunt.inference.fit import fit, limit
from bumphunt.inference.intervals import interval
from bumphunt.inference.significance import significance
from bumphunt.models.peaks import gaussian
from bumphunt.models.region import Sample, region
from bumphunt.models.systematics import Gaussian, LogNormal, PeakPosition, PeakWidth, ShapeVariation, SpuriousSignal

EDGES = np.linspace(4.0, 6.0, 41)
TEMPLATE = np.where(np.random.default_rng(3).uniform(size=40) < 0.4, 0.0, 3.0)
COUNTS = np.random.default_rng(5).poisson(TEMPLATE)
MOVES = {"width": PeakWidth("x", 0.1), "position": PeakPosition("x", 0.01)}
SIGMA = 0.05


def window(counts, template, *moves, engine="auto"):
    backgrounds = [Sample("b", template)] if np.any(template) else []
    signal = Sample("s", gaussian(5.0, SIGMA), uncertainties=moves)
    return region("r", counts=counts, edges=EDGES, signal=signal, backgrounds=backgrounds)


def scanned_nll(counts, template, strength, move):
    """The NLL relative to the saturated model, the lowest in theta by scipy, made of scipy's normal distribution."""

    def nll(theta):
        mean = 5.0 + (move.shift * theta if isinstance(move, PeakPosition) else 0.0)
        width = SIGMA * ((1.0 + move.relative) ** theta if isinstance(move, PeakWidth) else 1.0)
        nu = template + strength * np.diff(stats.norm.cdf(EDGES, mean, width))
        return np.sum(nu - counts - special.xlogy(counts, nu) + special.xlogy(counts, counts)) + 0.5 * theta**2

    starts = np.linspace(-4.0, 4.0, 41)
    first = starts[np.argmin([nll(theta) for theta in starts])]
    return optimize.minimize_scalar(nll, (first - 0.2, first + 0.2), tol=1e-12).fun


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("strength", [0.5, 3.0, 12.0])
def test_moving_peak_over_empty_bins_has_the_minimum_of_scipy(move, strength):
    got = fit(window(COUNTS, TEMPLATE, MOVES[move]), strength=strength)
    assert got.status is FitStatus.CONVERGED
    assert got.nll == pytest.approx(scanned_nll(COUNTS, TEMPLATE, strength, MOVES[move]), abs=1e-7)


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("template", [TEMPLATE, np.zeros(40)], ids=["template", "no background"])
def test_moving_peak_over_empty_bins_has_a_limit_near_that_of_a_peak_at_rest(move, template):
    counts = COUNTS if np.any(template) else np.zeros(40)
    still, moving = limit(window(counts, template)), limit(window(counts, template, MOVES[move]))
    assert moving.valid
    assert moving.observed == pytest.approx(still.observed, rel=0.01)
    np.testing.assert_allclose(moving.expected, still.expected, rtol=0.01)


def test_narrow_peak_without_background_has_a_limit_whatever_its_tails_are():
    counts, peak = np.zeros(60), gaussian(0.3, 0.015)
    r = region("r", counts=counts, edges=np.linspace(0.0, 1.0, 61), signal=peak, backgrounds=[])
    upper = limit(r)
    assert upper.valid
    assert upper.observed == pytest.approx(1.644854**2 / 2.0, rel=1e-5)  # Phi(-sqrt(2 s)) = 0.05


BACKGROUND = np.array([20, 15, 0, 8, 6, 4, 0, 2, 1, 0.0])
SIGNAL = np.array([0, 0, 1, 3, 5, 3, 1, 0, 0, 0.0])
SEEN = np.array([22, 14, 1, 9, 5, 4, 0, 2, 1, 0])


def only_signal(counts, *of_background):
    return region("r", counts=counts, signal=SIGNAL, backgrounds=Sample("b", BACKGROUND, uncertainties=of_background))


SMALL = {"none": (), "log-normal": (LogNormal("l", 1e-3),), "linear": (Gaussian("l", 1e-3),)}


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("engine", ["auto", "newton"])
def test_event_where_only_signal_is_expected_excludes_the_background_alone(name, engine):
    r = only_signal(SEEN, *SMALL[name])
    found = significance(r, engine=engine)
    assert (found.q0, found.p0, found.z0, found.valid, found.flags) == (np.inf, 0.0, np.inf, True, ())
    upper = limit(r, cl=0.95, engine=engine)
    assert upper.valid
    assert upper.observed == pytest.approx(only_signal_limit(), rel=2e-4)
    low, high = interval(r, engine=engine)
    assert 0.0 < low < fit(r).n_sig < high


def only_signal_limit():
    """The 95 % CLs limit with a known background (CCGV eqs 16, 65, 66), solved by scipy."""

    def nll(mu, n):
        nu = BACKGROUND + mu * SIGNAL
        return np.sum(nu - special.xlogy(n, nu))

    best = optimize.minimize_scalar(lambda mu: nll(mu, SEEN), bounds=(1e-6, 5.0), method="bounded").x

    def excess(mu):
        q = np.sqrt(max(2.0 * (nll(mu, SEEN) - nll(best, SEEN)), 0.0))
        a = np.sqrt(2.0 * (nll(mu, BACKGROUND) - nll(0.0, BACKGROUND)))
        z = q - a if q <= a else (q * q - a * a) / (2.0 * a)
        return stats.norm.sf(z + a) / stats.norm.sf(z) - 0.05

    return optimize.brentq(excess, best, 5.0)


def test_event_where_nothing_is_expected_is_impossible():
    nowhere = np.where(np.arange(10) == 9, 1, SEEN)
    assert fit(only_signal(nowhere)).status is FitStatus.INFEASIBLE
    assert not significance(only_signal(nowhere)).valid
    assert not limit(only_signal(nowhere)).valid


@pytest.mark.parametrize("engine", ["auto", "newton", "minuit"])
def test_event_that_only_a_spurious_signal_explains_without_signal_is_possible(engine):
    # nu = 0.7 theta in a bin with one event: 0.7 theta - ln(0.7 theta) + theta^2 / 2 is lowest at the root of its slope
    signal = Sample("s", [1.0, 0.0], uncertainties=[SpuriousSignal("fake", 0.7)])
    r = region("r", counts=[1, 5], signal=signal, backgrounds=Sample("b", [0.0, 5.0]))
    theta = optimize.brentq(lambda t: 0.7 - 1.0 / t + t, 1e-3, 5.0)
    got = fit(r, strength=0.0, engine=engine)
    assert got.value("fake") == pytest.approx(theta, rel=1e-4)
    assert got.nll == pytest.approx(0.7 * theta - np.log(0.7 * theta) - 1.0 + 0.5 * theta**2, abs=1e-7)
    assert np.isfinite(significance(r, engine=engine).q0)


@pytest.mark.parametrize("engine", ["newton", "minuit"])
def test_event_that_only_one_side_of_a_shape_variation_explains_is_possible(engine):
    shape = ShapeVariation("x", [10.0, 0.0], [10.0, 0.4], "piecewise")
    r = region("r", counts=[10, 1], signal=[1.0, 0.0], backgrounds=Sample("b", [10.0, 0.0], uncertainties=[shape]))
    got = fit(r, strength=0.0, engine=engine)
    theta = optimize.brentq(lambda t: 0.4 - 1.0 / t + t, 1e-3, 5.0)  # nu = 0.4 |theta| below 0
    assert got.value("x") == pytest.approx(-theta, rel=1e-4)
