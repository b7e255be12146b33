"""Exponential backgrounds of few events: their coefficients would run to infinity, their minima are those of scipy."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import xlogy

from bumphunt.engines import newton
from bumphunt.engines.choose import fit_without
from bumphunt.engines.newton import fit_data_sets, fit_newton
from bumphunt.inference.fit import limit
from bumphunt.likelihood.exponential_kernels import exponentiate
from bumphunt.likelihood.likelihood import WIDEST, likelihood
from bumphunt.models.background import BackgroundModel
from bumphunt.models.peaks import gaussian
from bumphunt.models.region import Sample, region
from bumphunt.models.systematics import LogNormal

EDGES = np.linspace(4.0, 6.0, 81)


def spectrum(bins, order, mass=5.0, uncertainties=()):
    """Return a region with single events in some bins."""
    counts = np.bincount(bins, minlength=80).astype(float) if len(bins) else np.zeros(80)
    return region(
        "few",
        counts=counts,
        edges=EDGES,
        signal=Sample("signal", gaussian(mass, 0.03), uncertainties=uncertainties),
        backgrounds=BackgroundModel("exponential", order),
    )


def least(bins, order, strength):
    """Return the NLL that scipy finds from several starts, with integrals by the midpoints of 20 slices of each bin."""
    t = np.linspace(-1.0, 1.0, 80 * 20 + 1)
    t = 0.5 * (t[1:] + t[:-1])
    terms = np.polynomial.chebyshev.chebvander(t, order)
    counts = np.bincount(bins, minlength=80)
    signal = strength * gaussian(5.0, 0.03).fractions(EDGES)

    def nll(c):
        nu = signal + np.exp(np.minimum(terms @ c, 500.0)).reshape(80, 20).sum(axis=1) / t.size
        return np.sum(nu - counts + xlogy(counts, counts) - xlogy(counts, nu)) + 0.5 * c @ c / WIDEST**2

    starts = [np.eye(order + 1)[0] * c0 for c0 in (np.log(len(bins)), -2.0)]
    starts += [starts[0] - k * (np.eye(order + 1)[0] + np.eye(order + 1)[-1]) for k in (5.0, 50.0)]
    found = []
    for start in starts:
        result = minimize(nll, start, method="BFGS", options={"maxiter": 2000})
        found.append(minimize(nll, result.x, method="Nelder-Mead", options={"maxiter": 6000, "fatol": 1e-9}).fun)
    return min(found)


def test_exponentials_are_those_of_numpy():
    x = np.concatenate([np.linspace(-600.0, 709.0, 5001), [0.0, -0.0, 1e-300, np.nan, 710.0, -601.0, -np.inf, np.inf]])
    ours = x.copy()
    exponentiate(ours, np.empty_like(x))
    with np.errstate(over="ignore"):
        theirs = np.where(x < -600.0, 0.0, np.exp(x))
    np.testing.assert_allclose(ours, theirs, rtol=5e-16)


@pytest.mark.parametrize("strength", [0.0, 2.0])
@pytest.mark.parametrize(
    ("bins", "order"), [([79], 1), ([3, 20, 60], 1), ([40], 1), ([20, 60], 2), ([8, 10, 75], 2), ([5, 30, 33, 50], 2)]
)
def test_profile_of_few_events_is_that_of_scipy(bins, order, strength):
    fit = fit_newton(likelihood(spectrum(bins, order)), strength=strength, errors=False)
    assert fit.status.usable
    assert fit.nll == pytest.approx(least(bins, order, strength), abs=2e-4)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("bins", [[], [78], [40], [41, 77], [10, 11, 79], [2, 39, 41, 43, 70]])
def test_every_fit_of_few_events_converges(bins, order):
    model = likelihood(spectrum(bins, order))
    fits = [fit_newton(model, strength=s) for s in (None, 0.0, 0.5, 2.0, 6.0)]
    assert all(fit.status.usable for fit in fits)
    lowest = min(fit.nll for fit in fits[1:])
    assert fits[0].nll < lowest + 1e-6  # the free fit is the lowest


@pytest.mark.parametrize("order", [1, 2])
def test_an_event_far_away_leaves_the_limit_without_events(order):
    upper = limit(spectrum([73], order), method="toys", rng=np.random.default_rng(3), n_toys=400, expected=False)
    assert upper.valid
    assert upper.observed == pytest.approx(np.log(10.0), abs=4.0 * upper.error)
    assert upper.error < 0.15


def test_uncertain_efficiency_without_events_leaves_the_limit():
    sources = [LogNormal("efficiency", 0.02)]
    upper = limit(
        spectrum([], 1, uncertainties=sources), method="toys", rng=np.random.default_rng(4), n_toys=300, expected=False
    )
    assert upper.valid
    assert upper.observed == pytest.approx(np.log(10.0), abs=4.0 * upper.error)


def random_spectrum(seed, order):
    """Up to 30 events, from flat to steep, and a narrow or wide peak inside or near an edge."""
    rng = np.random.default_rng(seed)
    n, sigma, mass = int(rng.integers(0, 31)), rng.choice([0.02, 0.05, 0.1]), rng.choice([4.1, 4.5, 5.0, 5.8])
    x = 4.0 + 2.0 * rng.beta(1.0, rng.choice([1.0, 3.0, 8.0]), n)
    counts = np.histogram(x, EDGES)[0]
    peak = Sample("signal", gaussian(mass, sigma))
    return region("few", counts=counts, edges=EDGES, signal=peak, backgrounds=BackgroundModel("exponential", order))


LOST = {1: [], 2: [48, 79, 147, 148, 174, 200], 3: [28, 87, 104, 109, 114, 147, 148, 262]}
"""Spectra whose fits once ended in the higher of two minima, or nowhere."""


@pytest.mark.parametrize("order", [1, 2, 3])
def test_free_fit_of_few_events_is_the_lowest_of_the_profile(order):
    for seed in (*range(12), *LOST[order]):
        model = likelihood(random_spectrum(seed, order))
        fits = [fit_newton(model, strength=s, errors=False) for s in (None, 0.0, 0.5, 2.0, 6.0)]
        assert all(fit.status.usable for fit in fits), seed
        assert fits[0].nll < min(fit.nll for fit in fits) + 1e-6, seed


def test_event_under_the_peak_may_be_signal_beside_a_background_that_is_one_other_event():
    """Order 2: the background is as narrow as one bin at the event far away, or as wide as both events."""
    bins = [21, 45]
    model = likelihood(spectrum(bins, 2, mass=4.5))
    fit, counts = fit_newton(model, strength=2.0), np.bincount(bins, minlength=80)
    signal = 2.0 * gaussian(4.5, 0.03).fractions(EDGES)
    narrow = signal + np.where(np.arange(80) == 45, 1.0, 0.0)
    one_bin = np.sum(narrow - counts + xlogy(counts, counts) - xlogy(counts, np.where(counts > 0, narrow, 1.0)))
    assert one_bin < fit.nll < one_bin + 0.5  # the weak constraint, and what is left in the bins beside


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("strength", [None, 0.0, 1.5])
def test_toys_with_equal_counts_have_the_minima_of_single_fits(order, strength):
    model = likelihood(spectrum([41], order, uncertainties=[LogNormal("efficiency", 0.1)]))
    rng = np.random.default_rng(8)
    few = [np.bincount(rng.integers(30, 52, k), minlength=80) for k in (0, 1, 1, 2, 3)]
    counts, centres = np.repeat(few, 6, axis=0).astype(float), np.tile(model.centres, (30, 1))
    k = model.names.index("efficiency")
    centres[:, k] = rng.normal(size=30)
    start = np.tile(model.start, (30, 1))
    start[:, 0] = 1.0 if strength is None else strength
    many = fit_data_sets(model, counts, centres, start, strength_free=strength is None)
    for row in range(30):
        one = fit_newton(replace(model, counts=counts[row], centres=centres[row]), strength=strength)
        assert many.usable[row] == one.status.usable
        assert many.nll[row] == pytest.approx(one.nll, abs=1e-6)


@pytest.mark.parametrize("background", [BackgroundModel("exponential", 1), BackgroundModel("bernstein", 1)])
def test_data_sets_that_differ_by_the_efficiency_have_the_fits_of_each_without_signal(background):
    peak = Sample("signal", gaussian(5.0, 0.03), uncertainties=[LogNormal("efficiency", 0.3)])
    r = region("few", counts=np.zeros(80), edges=EDGES, signal=peak, backgrounds=background)
    model, rng = likelihood(r), np.random.default_rng(2)
    assert [name for name, alone in zip(model.names, model.of_signal, strict=True) if alone] == ["efficiency"]
    few = [np.bincount(rng.integers(0, 80, k), minlength=80) for k in (1, 2, 3, 5)]
    counts, centres = np.repeat(few, 3, axis=0).astype(float), np.tile(model.centres, (12, 1))
    centres[:, model.names.index("efficiency")] = rng.normal(size=12)
    start = np.tile(model.start, (12, 1))
    together = fit_without(model, counts, centres, start).null
    start[:, 0] = 0.0
    alone = newton.fit_data_sets(model, counts, centres, start, strength_free=False)
    assert together.usable.all()
    np.testing.assert_allclose(together.nll, alone.nll, atol=1e-7)
    np.testing.assert_allclose(together.slopes, alone.slopes, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(together.values[:, model.of_signal], centres[:, model.of_signal])
