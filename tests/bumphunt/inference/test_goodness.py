"""Goodness of fit against pyhf's saturated likelihood, chi^2 of large counts, toys under the null, and wrong models."""

import numpy as np
import pytest
from scipy import stats

from bumphunt.engines.choose import fit_likelihood
from bumphunt.inference.goodness import ENOUGH, asymptotic_goodness, goodness_of_fit, small
from bumphunt.inference.profile import Profile
from bumphunt.likelihood.likelihood import likelihood
from bumphunt.models.background import BackgroundModel
from bumphunt.models.peaks import gaussian
from bumphunt.models.region import Sample, region
from bumphunt.models.systematics import LogNormal, PerBin

EDGES = np.linspace(0.0, 10.0, 31)


def spectrum(counts, order=1):
    return region(
        "r", counts=counts, edges=EDGES, signal=gaussian(5.0, 0.4), backgrounds=BackgroundModel("bernstein", order)
    )


def test_statistic_is_that_of_pyhf_above_its_saturated_model():
    """Two bins of auxiliary counts: twice pyhf's NLL of the fit, less that of a model that predicts every count."""
    import pyhf

    signal, background, errors, data = [12.0, 11.0, 2.0], [50.0, 52.0, 60.0], [3.0, 7.0, 4.0], [51.0, 48.0, 75.0]
    spec = {
        "channels": [
            {
                "name": "bins",
                "samples": [
                    {
                        "name": "signal",
                        "data": signal,
                        "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
                    },
                    {
                        "name": "background",
                        "data": background,
                        "modifiers": [{"name": "shape", "type": "shapesys", "data": errors}],
                    },
                ],
            }
        ]
    }
    model = pyhf.Model(spec, poi_name="mu", validate=False)
    observed = np.array([*data, *model.config.auxdata])
    saturated = -2.0 * float(sum(pyhf.tensorlib.poisson_logpdf(n, n) for n in observed))
    shape = Sample("background", background, uncertainties=[PerBin("shape", errors, constraint="poisson")])
    bins = region("bins", counts=data, signal=signal, backgrounds=shape)
    found, best = goodness_of_fit(bins), fit_likelihood(likelihood(bins))
    at_fit = -2.0 * float(model.logpdf(best.values, observed)[0])
    _, of_pyhf = pyhf.infer.mle.fit(
        observed, model, return_fitted_val=True, par_bounds=[(-9.0, 9.0)] + [(1e-9, 9.0)] * 3
    )
    assert found.ndf == 2
    assert found.statistic == pytest.approx(at_fit - saturated, abs=1e-8)
    assert found.statistic == pytest.approx(float(of_pyhf) - saturated, abs=1e-3)  # as well as its minimiser does
    assert at_fit <= float(of_pyhf) + 1e-8
    assert found.p_value == pytest.approx(stats.chi2.sf(found.statistic, 2), rel=1e-9)


def test_large_counts_give_the_chi_squared_of_a_linear_least_squares_fit():
    """The statistic and ndf of a straight line and a peak of known width, by numpy's least squares."""
    rng = np.random.default_rng(4)
    expected = 1e6 * (1.0 + 0.02 * np.arange(30))
    counts = rng.poisson(expected)
    found = goodness_of_fit(spectrum(counts))
    columns = np.array([gaussian(5.0, 0.4).fractions(EDGES), np.ones(30), np.arange(30) + 0.5]).T
    weight = 1.0 / np.sqrt(counts)
    chi2 = np.linalg.lstsq(columns * weight[:, None], counts * weight, rcond=None)[1][0]
    assert found.ndf == 30 - 3
    assert found.statistic == pytest.approx(chi2, rel=5e-3)
    assert found.n_toys == 0


def test_constrained_parameters_take_no_degree_of_freedom():
    counts, template = [105, 97, 110, 99], [100.0, 100.0, 100.0, 100.0]
    bare, constrained = (
        region("r", counts=counts, signal=[1.0, 2.0, 1.0, 0.0], backgrounds=Sample("b", template, uncertainties=u))
        for u in ([], [LogNormal("norm", 0.01), LogNormal("scale", 0.02)])
    )
    assert goodness_of_fit(bare).ndf == goodness_of_fit(constrained).ndf == 3


def test_statistic_holds_the_pulls_of_constraints():
    """One bin of many events and a signal of none: the constraint alone is pulled, by ln(1.1) / ln(1.01)."""
    background = Sample("b", [1e9, 1e9], uncertainties=[LogNormal("norm", 0.01)])
    found = goodness_of_fit(region("r", counts=[1.1e9, 1.1e9], signal=[1.0, 0.0], backgrounds=background))
    assert found.statistic == pytest.approx((np.log(1.1) / np.log1p(0.01)) ** 2, rel=1e-3)


def test_no_degree_of_freedom_is_no_goodness():
    found = goodness_of_fit(region("count", counts=[7], signal=[1.0], backgrounds=Sample("b", [4.2])))
    assert found.ndf == 0
    assert np.isnan(found.statistic)
    assert np.isnan(found.p_value)


def test_failed_fit_has_no_goodness():
    assert np.isnan(asymptotic_goodness(np.nan, 5).p_value)


def test_small_counts_without_random_numbers_have_no_p_value():
    counts = np.random.default_rng(1).poisson(np.full(30, 2.0))
    found = goodness_of_fit(spectrum(counts))
    assert found.ndf == 27
    assert np.isfinite(found.statistic)
    assert np.isnan(found.p_value)


def test_p_values_of_toys_are_uniform_where_chi_squared_is_not():
    """Spectra of 1.2 events a bin, 120 of them: Kolmogorov's test, which the formula fails."""
    rng = np.random.default_rng(11)
    toys, formula = [], []
    for _ in range(120):
        counts = rng.poisson(np.full(30, 1.2))
        found = goodness_of_fit(spectrum(counts, order=0), rng=rng, n_toys=200)
        toys.append(found.p_value)
        formula.append(stats.chi2.sf(found.statistic, found.ndf))
    assert stats.kstest(toys, "uniform").pvalue > 0.01
    assert stats.kstest(formula, "uniform").pvalue < 1e-4


def test_sequence_of_toys_ends_once_enough_are_worse_and_can_be_made_again():
    counts = np.random.default_rng(2).poisson(np.full(30, 2.0))
    found, again = (goodness_of_fit(spectrum(counts), rng=np.random.default_rng(3)) for _ in range(2))
    assert found == again
    assert found.p_value == ENOUGH / found.n_toys
    assert ENOUGH < found.n_toys < 500


def test_wrong_background_has_a_small_p_value_by_formula_and_by_toys():
    step = np.where(np.arange(30) < 15, 400.0, 200.0)
    assert goodness_of_fit(spectrum(np.random.default_rng(5).poisson(step))).p_value < 1e-6
    few = np.where(np.arange(30) % 6 == 0, 12, 0)  # in clumps
    found = goodness_of_fit(spectrum(few), rng=np.random.default_rng(6))
    assert found.n_toys == 2000
    assert found.p_value == pytest.approx(1 / 2001)


def test_expected_counts_below_five_are_small():
    assert small([100.0, 4.9])
    assert not small([100.0, 5.1])


def test_engines_have_the_same_goodness():
    counts = np.random.default_rng(8).poisson(np.full(30, 50.0))
    model = likelihood(spectrum(counts))
    for engine in ("linear", "newton", "minuit"):
        nll = fit_likelihood(model, engine).nll
        assert 2.0 * nll == pytest.approx(2.0 * Profile(model).best.nll, abs=1e-5)
