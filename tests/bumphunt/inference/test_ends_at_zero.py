"""Linear uncertainties: no sample is below 0 in any bin, in any engine, limit, posterior or toy."""

import numpy as np
import pytest
from scipy import optimize, special, stats

from bumphunt.engines.choose import fit_data_sets
from bumphunt.engines.result import FitStatus
from bumphunt.inference.bayesian import bayesian_limit
from bumphunt.inference.fit import fit, limit
from bumphunt.inference.profile import Profile
from bumphunt.inference.toys import make_toys, toy_limit
from bumphunt.likelihood.likelihood import likelihood
from bumphunt.models.region import Sample, region
from bumphunt.models.systematics import Gaussian, PerBin, ShapeVariation

LINEAR = {
    "gaussian": Gaussian("u", 1.0),
    "per bin": PerBin("u", [3.0], constraint="normal"),
    "shape": ShapeVariation("u", [6.0]),
    "bent shape": ShapeVariation("u", [6.5], [0.5]),
}


def counting(name, n=0):
    return region("r", counts=[n], signal=[1.0], backgrounds=Sample("b", [3.0], uncertainties=[LINEAR[name]]))


def clipped(theta):
    """3 + 3 theta events, and 0 below theta = -1."""
    return np.maximum(3.0 * (1.0 + theta), 0.0)


def scanned(n, strength, centre=0.0):
    """The lowest NLL of n counts over theta, by a scan and scipy."""

    def nll(theta):
        nu = strength + clipped(theta)
        with np.errstate(divide="ignore"):
            return nu - n - special.xlogy(n, nu) + special.xlogy(n, n) + 0.5 * (theta - centre) ** 2

    theta = np.linspace(-8.0, 8.0, 16001)
    first = theta[np.argmin(nll(theta))]
    bounds = (first - 2e-3, first + 2e-3)
    return min(float(np.min(nll(theta))), optimize.minimize_scalar(nll, bounds=bounds, method="bounded").fun)


@pytest.mark.parametrize("name", [*LINEAR][:3])
@pytest.mark.parametrize("engine", ["auto", "newton"])
@pytest.mark.parametrize(("n", "strength"), [(0, 0.0), (0, 2.3), (2, 0.0), (1, 4.0), (9, 1.0)])
def test_fit_is_the_lowest_of_the_clipped_likelihood(name, engine, n, strength):
    got = fit(counting(name, n), strength=strength, engine=engine)
    assert got.status.usable
    assert got.nll == pytest.approx(scanned(n, strength), abs=1e-6)


def test_minimum_where_a_sample_ends_is_at_the_boundary():
    got = fit(counting("gaussian"), strength=2.3)
    assert got.status is FitStatus.AT_BOUNDARY
    assert got.value("u") == pytest.approx(-1.0, abs=1e-6)


@pytest.mark.parametrize("name", LINEAR)
def test_without_events_the_bayesian_limit_is_that_of_no_background(name):
    found = bayesian_limit(counting(name), rng=np.random.default_rng(1), cl=0.9)
    assert found.upper == pytest.approx(np.log(10.0), rel=1e-3)


@pytest.mark.parametrize("name", [*LINEAR][:3])
def test_without_events_the_limit_by_toys_is_that_of_no_background(name):
    found = toy_limit(Profile(likelihood(counting(name))), rng=np.random.default_rng(1), n_toys=1500, expected=False)
    assert found.limit.valid
    assert found.limit.observed == pytest.approx(np.log(10.0), rel=1e-6)


@pytest.mark.parametrize("name", [*LINEAR][:3])
@pytest.mark.parametrize("truth", [0.0, 2.3])
def test_toys_are_fitted_to_the_lowest_minimum_inside_or_beyond_the_end(name, truth):
    model = likelihood(counting(name))
    at = Profile(model).at(truth).values
    toys = make_toys(model, at, seed=np.random.SeedSequence(1), indices=range(40))
    shift = 1.0 if name == "per bin" else 0.0  # whose parameter is 1 + theta
    for strength in (0.0, 2.3):
        start = np.tile(at, (40, 1))
        start[:, 0] = strength
        got = fit_data_sets(model, toys.counts, toys.centres, start, strength_free=False)
        wanted = [scanned(n, strength, c - shift) for n, c in zip(toys.counts[:, 0], toys.centres[:, 1], strict=True)]
        assert got.usable.all()
        np.testing.assert_allclose(got.nll, wanted, atol=1e-6)


COUNTS, SIGNAL, NOMINAL = np.array([5, 5]), np.array([12.0, 11.0]), np.array([50.0, 52.0])
UP, DOWN = np.array([73.0, 79.0]), np.array([25.0, 29.0])


def ten_events_limit():
    """The 95 % CLs limit for ten events over 50 + 52, by a scan of theta, the background at least 0 in each bin."""
    theta = np.linspace(-6.0, 4.0, 20001)
    moved = np.where(theta[:, None] > 0.0, UP - NOMINAL, NOMINAL - DOWN) * theta[:, None]
    background = np.maximum(NOMINAL + moved, 0.0)

    def profiled(mu, n, centre):
        nu = background + mu * SIGNAL
        with np.errstate(divide="ignore"):
            values = np.sum(nu - special.xlogy(n, nu), axis=1) + 0.5 * (theta - centre) ** 2
        return int(np.argmin(values)), float(np.min(values))

    null, at_null = profiled(0.0, COUNTS, 0.0)
    asimov, centre = background[null], theta[null]

    def excess(mu):
        q = np.sqrt(max(2.0 * (profiled(mu, COUNTS, 0.0)[1] - at_null), 0.0))
        a = np.sqrt(max(2.0 * (profiled(mu, asimov, centre)[1] - profiled(0.0, asimov, centre)[1]), 1e-12))
        z = q - a if q <= a else (q * q - a * a) / (2.0 * a)
        return stats.norm.sf(z + a) / stats.norm.sf(z) - 0.05

    return optimize.brentq(excess, 0.05, 6.0)


def test_limit_over_a_shape_that_ends_at_zero_is_that_of_a_scan():
    shape = ShapeVariation("h", UP, DOWN, "piecewise")
    r = region("r", counts=COUNTS, signal=SIGNAL, backgrounds=Sample("b", NOMINAL, uncertainties=[shape]))
    assert limit(r, cl=0.95).observed == pytest.approx(ten_events_limit(), rel=1e-3)


def test_derivatives_are_those_of_the_clipped_expectation():
    uncertainties = [Gaussian("g", 0.5), ShapeVariation("s", [9.0, 2.0, 3.0]), PerBin("p", [2.0, 2.0, 2.0], "normal")]
    b = Sample("b", [5.0, 3.0, 1.0], uncertainties=uncertainties)
    model = likelihood(region("r", counts=[3, 2, 1], signal=[1.0, 1.0, 1.0], backgrounds=b))
    assert model.names == ("strength", "g", "p[0]", "p[1]", "p[2]", "s")
    for theta in ([2.0, 0.5, 0.7, 0.8, 1.2, 0.4], [2.0, -1.0, 0.7, -0.2, 1.2, -2.0], [2.0, -3.0, 1.0, 1.0, 1.0, 0.5]):
        at = np.array(theta)
        _, g, *bins, s = theta
        shape = np.maximum([5.0 + 4.0 * s, 3.0 - s, 1.0 + 2.0 * s], 0.0)
        want = 2.0 + shape * max(1.0 + 0.5 * g, 0.0) * np.maximum(bins, 0.0)
        np.testing.assert_allclose(model.expected(at)[:3], want)
        numerical = optimize.approx_fprime(at, model.nll, 1e-7)
        np.testing.assert_allclose(model.nll_and_gradient(at)[1], numerical, atol=1e-4)


def test_errors_of_simulation_are_constrained_by_events_unless_told_otherwise():
    b = Sample("b", [3.0], errors=[3.0])
    default, counted = (
        limit(region("r", counts=[0], signal=[1.0], backgrounds=b, **option)).observed
        for option in ({}, {"mc_constraint": "poisson"})
    )
    assert default == counted


@pytest.mark.parametrize("relative", [0.02, 0.09])
def test_small_linear_uncertainties_stay_with_the_linear_engine(relative):
    b = Sample("b", [30.0, 20.0], uncertainties=[Gaussian("g", relative), ShapeVariation("s", [31.0, 19.0])])
    assert likelihood(region("r", counts=[28, 25], signal=[1.0, 2.0], backgrounds=Sample("b", [30.0, 20.0]))).linear
    assert not likelihood(region("r", counts=[28, 25], signal=[1.0, 2.0], backgrounds=b)).linear  # a product
    tilt = Sample("b", [30.0, 20.0], uncertainties=[ShapeVariation("s", [30.0 * (1.0 + relative), 20.0])])
    wide = Sample("b", [30.0, 20.0], uncertainties=[ShapeVariation("s", [36.0, 20.0])])
    assert likelihood(region("r", counts=[28, 25], signal=[1.0, 2.0], backgrounds=tilt)).linear
    assert not likelihood(region("r", counts=[28, 25], signal=[1.0, 2.0], backgrounds=wide)).linear


@pytest.mark.parametrize("expected", [3.0, 10.0, 50.0])
def test_asymptotic_limit_without_events_beside_a_linear_template_is_that_of_a_scan(expected):
    template, signal = np.array([0.2, 0.5, 0.3]) * expected, np.array([0.1, 0.7, 0.2])
    normalisation = Gaussian("u", 0.3)
    model = region(
        "r", counts=[0, 0, 0], signal=signal, backgrounds=Sample("b", template, uncertainties=[normalisation])
    )
    theta = np.linspace(-8.0, 8.0, 160001)
    nu = np.maximum(1.0 + 0.3 * theta, 0.0)

    def least(strength, share, centre):
        total = 0.5 * (theta - centre) ** 2
        for b, s in zip(template, signal, strict=True):
            n, expectation = share * b, strength * s + b * nu
            with np.errstate(divide="ignore"):
                total = total + expectation - n - special.xlogy(n, expectation) + special.xlogy(n, n)
        return float(np.min(total))

    at = theta[np.argmin(nu * expected + 0.5 * theta**2)]
    share = max(1.0 + 0.3 * at, 0.0)  # of the Asimov data, whose centre is there
    share = 0.0 if share < 1e-9 else share

    def excess(strength):  # CCGV eqs 65 and 66
        q, q_a = 2.0 * (least(strength, 0.0, 0.0) - least(0.0, 0.0, 0.0)), 2.0 * least(strength, share, at)
        root = np.sqrt(q_a)
        if q <= q_a:
            return stats.norm.sf(np.sqrt(q)) / stats.norm.cdf(root - np.sqrt(q)) - 0.1
        return stats.norm.sf((q + q_a) / (2.0 * root)) / stats.norm.sf((q - q_a) / (2.0 * root)) - 0.1

    upper = limit(model)
    assert upper.valid
    assert upper.observed == pytest.approx(optimize.brentq(excess, 0.1, 20.0), rel=1e-5)
