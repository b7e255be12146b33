"""The linear engine against iminuit, scipy's constrained minimisers, and closed forms."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special

from bumphunt.engines.linear import fit_data_sets, fit_linear
from bumphunt.engines.minuit import fit_minuit
from bumphunt.engines.result import FitStatus
from bumphunt.errors import InputError
from bumphunt.likelihood.likelihood import held_at, likelihood
from bumphunt.models.region import Sample, region
from bumphunt.models.systematics import Free, Gaussian, LogNormal


def described(counts, signal, templates, sigmas):
    """The likelihood of templates with Gaussian uncertainties; an infinite one is a free normalisation, 0 is none."""
    backgrounds = []
    for k, (template, sigma) in enumerate(zip(templates, sigmas, strict=True)):
        constraint = [] if sigma == 0.0 else [Free(f"t{k}") if np.isinf(sigma) else Gaussian(f"t{k}", sigma)]
        backgrounds.append(Sample(f"b{k}", template, uncertainties=constraint))
    return likelihood(region("r", counts=counts, signal=signal, backgrounds=backgrounds))


def random_model(seed, n_bins=30, n_templates=2, scale=50.0):
    """A peak over templates, free or constrained, and their histograms."""
    rng = np.random.default_rng(seed)
    x = np.linspace(-1.0, 1.0, n_bins)
    signal = np.exp(-0.5 * ((x - rng.uniform(-0.8, 0.8)) / 0.1) ** 2)
    templates = scale * np.array([rng.uniform(0.2, 1.0) * (1.0 + x) ** k for k in range(n_templates)]).reshape(
        -1, n_bins
    )
    templates = templates + (1e-3 * scale if n_templates else 0.0)
    sigmas = rng.choice([np.inf, 0.1, 0.5], size=n_templates)
    counts = rng.poisson(templates.sum(axis=0) + scale * rng.uniform(0.0, 1.0) * signal)
    return described(counts, signal / signal.sum() * rng.uniform(0.5, 1.0), templates, sigmas)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(12, 60), st.integers(0, 3), st.sampled_from([20.0, 300.0, 1e5]))
def test_minimum_is_that_of_minuit(seed, n_bins, n_templates, scale):
    model = random_model(seed, n_bins, n_templates, scale)
    ours, theirs = fit_linear(model), fit_minuit(model)
    assert (ours.engine, theirs.engine) == ("linear", "minuit")
    assert ours.names == theirs.names == model.names
    assert ours.status.usable
    if theirs.status is FitStatus.CONVERGED and ours.status is FitStatus.CONVERGED:
        assert ours.nll == pytest.approx(theirs.nll, abs=1e-6)
        assert abs(ours.n_sig - theirs.n_sig) < 1e-3 * ours.n_sig_error
        nu, columns = model.expected_and_slopes(theirs.values)
        information = (columns * model.counts / nu**2) @ columns.T + np.diag(model.precisions)
        scale_out = 1.0 / np.sqrt(information.diagonal())
        covariance = np.linalg.inv(information * np.outer(scale_out, scale_out))
        assert ours.n_sig_error == pytest.approx(np.sqrt(covariance[0, 0]) * scale_out[0], rel=1e-3)
    else:
        assert ours.nll <= theirs.nll + 1e-6 or np.isnan(theirs.nll)
    for tested in (0.0, 0.3 * scale):
        ours, theirs = fit_linear(model, strength=tested), fit_minuit(model, strength=tested)
        assert ours.status is theirs.status or FitStatus.NOT_CONVERGED in (ours.status, theirs.status)
        if theirs.status is FitStatus.CONVERGED:
            assert ours.nll == pytest.approx(theirs.nll, abs=1e-6)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(3, 25), st.sampled_from([0.05, 0.3, 1.5]))
def test_boundary_minimum_is_that_of_a_constrained_minimiser(seed, n_bins, scale):
    model = random_model(seed, n_bins, 2, scale)
    ours = fit_linear(model)
    assert ours.status.usable

    nu0, columns = model.expected_and_slopes(model.centres)
    fixed, n = nu0 - model.centres @ columns, model.counts

    def objective(p):
        nu = np.maximum(fixed + p @ columns, 1e-12)
        pulls = p - model.centres
        value = (
            np.sum(nu - n) + np.sum((n * np.log(np.maximum(n, 1.0) / nu))[n > 0]) + 0.5 * model.precisions @ pulls**2
        )
        return value, columns @ (1.0 - n / nu) + model.precisions * pulls

    wall = {"type": "ineq", "fun": lambda p: fixed + p @ columns - 1e-12, "jac": lambda p: columns.T}
    start = np.where(np.arange(3) == 0, 1.0, model.start)
    best = optimize.minimize(objective, start, jac=True, method="SLSQP", constraints=[wall], tol=1e-12)
    assert ours.nll <= best.fun + 1e-6
    if best.success:
        assert ours.nll == pytest.approx(best.fun, abs=1e-5)


def test_status_says_that_the_signal_is_at_the_boundary():
    # no event at all: the likelihood is exp(-nu), and S + B = 0 is its end
    fit = fit_linear(described([4.0, 0.0, 6.0], [0.0, 1.0, 0.0], [[5.0, 5.0, 5.0]], [np.inf]))
    assert fit.status is FitStatus.AT_BOUNDARY
    assert fit.status.flag == "fit_at_boundary"
    assert fit.status.flags == ("fit_at_boundary",)
    assert fit.n_sig == pytest.approx(-5.0, abs=1e-4)  # the other bins fix the template at 1, S takes the middle to 0
    assert np.isnan(fit.n_sig_error)


def test_no_events_at_all_fit_to_nothing():
    fit = fit_linear(described(np.zeros(5), np.full(5, 0.2), [[1.0, 2.0, 3.0, 4.0, 5.0]], [np.inf]))
    assert fit.status is FitStatus.AT_BOUNDARY
    assert fit.nll == pytest.approx(0.0, abs=1e-6)


def test_signal_alone_is_fitted_in_closed_form():
    fit = fit_linear(described([4.0, 9.0], [0.3, 0.3], [], []))
    assert fit.n_sig == pytest.approx(13.0 / 0.6, rel=1e-9)
    assert fit.n_sig_error == pytest.approx(np.sqrt(13.0) / 0.6, rel=1e-9)


def test_fixed_samples_are_a_known_background():
    fit = fit_linear(described([40.0], [0.5], [[10.0], [20.0]], [0.0, 0.0]))
    assert fit.n_sig == pytest.approx(20.0, rel=1e-9)
    assert fit.names == ("strength",)


def test_parameter_held_between_free_ones_keeps_its_place():
    model = held_at(random_model(5, 30, 3), {"t1": 1.3})
    ours, theirs = fit_linear(model), fit_minuit(model)
    np.testing.assert_allclose(ours.values, theirs.values, rtol=1e-4)
    np.testing.assert_allclose(ours.errors, theirs.errors, rtol=1e-3)
    assert ours.value("t1") == 1.3
    assert ours.error("t1") == 0.0


def test_covariance_has_the_squared_errors_on_its_diagonal():
    fit = fit_linear(random_model(7, 30, 2))
    np.testing.assert_allclose(np.sqrt(np.diag(fit.covariance)), fit.errors)
    assert np.isnan(fit_linear(random_model(7, 30, 2), errors=False).covariance).all()


def test_repeated_template_is_called_singular():
    template = np.array([5.0, 6.0, 7.0])
    fit = fit_linear(described([5.0, 7.0, 8.0], [0.0, 1.0, 0.0], [template, template], [np.inf, np.inf]))
    assert fit.status is FitStatus.SINGULAR
    assert np.isnan(fit.nll)
    assert np.isnan(fit.n_sig)


def test_counts_where_nothing_is_expected_are_infeasible():
    model = described([5.0, 1.0], [1.0, 0.0], [[5.0, 0.0]], [0.1])
    for fit in (fit_linear(model), fit_minuit(model)):
        assert fit.status is FitStatus.INFEASIBLE
        assert fit.nll == np.inf


def test_start_that_cannot_be_used_is_left():
    model = random_model(3, 20, 1)
    near = fit_linear(model, start=np.array([-1e6, 0.0]))
    assert near.status is FitStatus.CONVERGED
    assert near.nll == pytest.approx(fit_linear(model).nll, abs=1e-9)


def rows_of(model, counts, strength=0.0):
    """Data sets with the constraints of the model, all started from its nominal values."""
    start = np.tile(np.where(np.arange(model.centres.size) == 0, strength, model.centres), (len(counts), 1))
    return model, np.asarray(counts, dtype=float), np.tile(model.centres, (len(counts), 1)), start


def test_batch_does_not_depend_on_its_size_or_order():
    model = random_model(1, 40, 2)
    toys = np.random.default_rng(4).poisson(model.expected(model.centres), size=(37, 40))
    together = fit_data_sets(*rows_of(model, toys), strength_free=True)
    backwards = fit_data_sets(*rows_of(model, toys[::-1]), strength_free=True)
    alone = fit_data_sets(*rows_of(model, toys[20:21]), strength_free=True)
    np.testing.assert_array_equal(together.values, backwards.values[::-1])
    np.testing.assert_allclose(alone.values[0], together.values[20], rtol=1e-10)
    assert np.all(together.status == FitStatus.CONVERGED)


def test_row_of_a_batch_is_the_fit_of_its_data():
    model = random_model(2, 40, 2)
    toys = np.random.default_rng(5).poisson(model.expected(model.centres), size=(7, 40))
    for strength in (None, 5.0):
        start = rows_of(model, toys, 0.0 if strength is None else strength)
        batch = fit_data_sets(*start, strength_free=strength is None, errors=True)
        assert len(batch) == 7
        row, alone = batch[3], fit_linear(replace(model, counts=toys[3].astype(float)), strength=strength)
        assert (row.names, row.status, row.engine) == (alone.names, alone.status, alone.engine)
        np.testing.assert_allclose(row.values, alone.values, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(row.errors, alone.errors, rtol=1e-5)
        assert row.nll == pytest.approx(alone.nll, abs=1e-9)


def test_failed_rows_of_a_batch_have_no_numbers():
    model = described([5.0, 1.0], [1.0, 0.0], [[5.0, 0.0]], [0.1])
    batch = fit_data_sets(*rows_of(model, [[5.0, 0.0], [5.0, 1.0]]), strength_free=True)
    assert batch.usable.tolist() == [True, False]
    assert np.isnan(batch[1].n_sig)
    assert (batch[1].nll, batch[1].status.flag) == (np.inf, "fit_infeasible")


def test_likelihood_is_that_of_scipy_over_twelve_decades():
    rng = np.random.default_rng(8)
    nu = 10.0 ** rng.uniform(-6.0, 6.0, size=200)
    counts = np.where(rng.uniform(size=200) < 0.3, 0.0, nu * 10.0 ** rng.uniform(-1.0, 1.0, size=200))
    model = likelihood(region("r", counts=counts, signal=nu, backgrounds=()))
    fit = fit_data_sets(*rows_of(model, [counts, counts[::-1]], 1.0), strength_free=False)
    want = [np.sum(nu - n + special.xlogy(n, n / nu)) for n in (counts, counts[::-1])]
    np.testing.assert_allclose(fit.nll, want, rtol=1e-13)


def test_pulls_of_toys_are_standard_normal():
    model = random_model(3, 50, 2, 400.0)
    truth = np.where(np.arange(3) == 0, 300.0, model.centres)
    toys = np.random.default_rng(12).poisson(model.expected(truth), size=(4000, 50))
    free = replace(model, precisions=np.zeros(3))
    fit = fit_data_sets(*rows_of(free, toys), strength_free=True, errors=True)
    pulls = (fit.values[:, 0] - 300.0) / fit.errors[:, 0]
    assert abs(pulls.mean()) < 0.08
    assert pulls.std() == pytest.approx(1.0, abs=0.04)


def test_threads_give_the_same_fits():
    model = random_model(9, 30, 2, 5.0)
    toys = np.random.default_rng(1).poisson(model.expected(model.centres), size=(200, 30))
    serial, threaded = (fit_data_sets(*rows_of(model, toys), strength_free=True, threads=t) for t in (False, True))
    np.testing.assert_array_equal(serial.values, threaded.values)
    np.testing.assert_array_equal(serial.status, threaded.status)


def test_likelihood_that_is_not_linear_raises():
    bent = region("r", counts=[3], signal=[1.0], backgrounds=Sample("b", [2.0], uncertainties=[LogNormal("x", 0.1)]))
    with pytest.raises(InputError, match="not linear in its parameters"):
        fit_linear(likelihood(bent))
