"""The convex engine against iminuit, scipy's constrained minimisers, and closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special

from bumphunt.engines import linear as convex
from bumphunt.engines import minuit
from bumphunt.engines.result import FitStatus
from bumphunt.errors import InputError
from bumphunt.likelihood.linear import Channel


def random_channel(seed, n_bins=30, n_templates=2, scale=50.0):
    rng = np.random.default_rng(seed)
    x = np.linspace(-1.0, 1.0, n_bins)
    signal = np.exp(-0.5 * ((x - rng.uniform(-0.8, 0.8)) / 0.1) ** 2)
    templates = scale * np.array([rng.uniform(0.2, 1.0) * (1.0 + x) ** k for k in range(n_templates)]).reshape(
        -1, n_bins
    )
    templates = templates + (1e-3 * scale if n_templates else 0.0)
    sigmas = rng.choice([np.inf, 0.1, 0.5], size=n_templates)
    expected = templates.sum(axis=0) + scale * rng.uniform(0.0, 1.0) * signal
    return Channel(
        counts=rng.poisson(expected).astype(float),
        signal=signal / signal.sum() * rng.uniform(0.5, 1.0),
        templates=templates,
        centres=np.ones(n_templates),
        sigmas=sigmas,
    )


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(12, 60), st.integers(0, 3), st.sampled_from([20.0, 300.0, 1e5]))
def test_minimum_is_that_of_minuit(seed, n_bins, n_templates, scale):
    channel = random_channel(seed, n_bins, n_templates, scale)
    ours, theirs = convex.fit_channel(channel), minuit.fit_channel(channel)
    assert ours.status.usable
    if theirs.status is FitStatus.CONVERGED and ours.status is FitStatus.CONVERGED:
        assert ours.nll == pytest.approx(theirs.nll, abs=1e-6)
        assert abs(ours.n_sig - theirs.n_sig) < 1e-3 * ours.n_sig_error
        columns = np.vstack([channel.signal, channel.templates])
        nu = channel.expected(theirs.n_sig, theirs.background)
        information = (columns * channel.counts / nu**2) @ columns.T + np.diag([0.0, *channel.sigmas**-2.0])
        scale_out = 1.0 / np.sqrt(information.diagonal())
        covariance = np.linalg.inv(information * np.outer(scale_out, scale_out))
        assert ours.n_sig_error == pytest.approx(np.sqrt(covariance[0, 0]) * scale_out[0], rel=1e-3)
    else:
        assert ours.nll <= theirs.nll + 1e-6 or np.isnan(theirs.nll)
    for tested in (0.0, 0.3 * scale):
        ours, theirs = convex.fit_channel(channel, n_sig=tested), minuit.fit_channel(channel, n_sig=tested)
        assert ours.status is theirs.status or FitStatus.NOT_CONVERGED in (ours.status, theirs.status)
        if theirs.status is FitStatus.CONVERGED:
            assert ours.nll == pytest.approx(theirs.nll, abs=1e-6)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(3, 25), st.sampled_from([0.05, 0.3, 1.5]))
def test_boundary_minimum_is_that_of_a_constrained_minimiser(seed, n_bins, scale):
    channel = random_channel(seed, n_bins, 2, scale)
    ours = convex.fit_channel(channel)
    assert ours.status.usable

    columns, n = np.vstack([channel.signal, channel.templates]), channel.counts
    precision = np.array([0.0, *(channel.sigmas**-2.0)])

    def objective(p):
        nu = np.maximum(p @ columns, 1e-12)
        value = np.sum(nu - n) + np.sum((n * np.log(np.maximum(n, 1.0) / nu))[n > 0]) + 0.5 * precision @ (p - 1.0) ** 2
        return value, columns @ (1.0 - n / nu) + precision * (p - 1.0)

    wall = {"type": "ineq", "fun": lambda p: p @ columns - 1e-12, "jac": lambda p: columns.T}
    best = optimize.minimize(objective, [1.0, 1.0, 1.0], jac=True, method="SLSQP", constraints=[wall], tol=1e-12)
    assert ours.nll <= best.fun + 1e-6
    if best.success:
        assert ours.nll == pytest.approx(best.fun, abs=1e-5)


def test_status_says_that_the_signal_is_at_the_boundary():
    # no event at all: the likelihood is exp(-nu), and S + B = 0 is its end
    channel = Channel(
        counts=np.array([4.0, 0.0, 6.0]),
        signal=np.array([0.0, 1.0, 0.0]),
        templates=np.array([[5.0, 5.0, 5.0]]),
        centres=np.ones(1),
        sigmas=np.array([np.inf]),
    )
    fit = convex.fit_channel(channel)
    assert fit.status is FitStatus.AT_BOUNDARY
    assert fit.status.flag == "fit_at_boundary"
    assert fit.n_sig == pytest.approx(-5.0, abs=1e-4)  # the other bins fix the template at 1, S takes the middle to 0
    assert np.isnan(fit.n_sig_error)


def test_no_events_at_all_fit_to_nothing():
    channel = Channel(
        counts=np.zeros(5),
        signal=np.full(5, 0.2),
        templates=np.array([[1.0, 2.0, 3.0, 4.0, 5.0]]),
        centres=np.ones(1),
        sigmas=np.array([np.inf]),
    )
    fit = convex.fit_channel(channel)
    assert fit.status is FitStatus.AT_BOUNDARY
    assert fit.nll == pytest.approx(0.0, abs=1e-6)


def test_signal_alone_is_fitted_in_closed_form():
    channel = Channel(
        counts=np.array([4.0, 9.0]),
        signal=np.array([0.3, 0.3]),
        templates=np.empty((0, 2)),
        centres=np.empty(0),
        sigmas=np.empty(0),
    )
    fit = convex.fit_channel(channel)
    assert fit.n_sig == pytest.approx(13.0 / 0.6, rel=1e-9)
    assert fit.n_sig_error == pytest.approx(np.sqrt(13.0) / 0.6, rel=1e-9)


def test_held_template_is_a_known_background():
    channel = Channel(
        counts=np.array([40.0]),
        signal=np.array([0.5]),
        templates=np.array([[10.0], [20.0]]),
        centres=np.array([1.0, 1.0]),
        sigmas=np.array([0.0, 0.0]),
    )
    fit = convex.fit_channel(channel)
    assert fit.n_sig == pytest.approx(20.0, rel=1e-9)
    assert fit.background.tolist() == [1.0, 1.0]
    assert fit.background_errors.tolist() == [0.0, 0.0]


def test_held_template_between_free_ones_keeps_its_place():
    channel = random_channel(5, 30, 3)
    held = Channel(
        counts=channel.counts,
        signal=channel.signal,
        templates=channel.templates,
        centres=np.array([1.0, 1.3, 1.0]),
        sigmas=np.array([np.inf, 0.0, 0.2]),
    )
    ours, theirs = convex.fit_channel(held), minuit.fit_channel(held)
    np.testing.assert_allclose(ours.background, theirs.background, rtol=1e-4)
    np.testing.assert_allclose(ours.background_errors, theirs.background_errors, rtol=1e-3)
    assert ours.background[1] == 1.3


def test_repeated_template_is_called_singular():
    template = np.array([5.0, 6.0, 7.0])
    channel = Channel(
        counts=np.array([5.0, 7.0, 8.0]),
        signal=np.array([0.0, 1.0, 0.0]),
        templates=np.array([template, template]),
        centres=np.ones(2),
        sigmas=np.full(2, np.inf),
    )
    fit = convex.fit_channel(channel)
    assert fit.status is FitStatus.SINGULAR
    assert np.isnan(fit.nll)
    assert np.isnan(fit.n_sig)


def test_counts_where_nothing_is_expected_are_infeasible():
    channel = Channel(
        counts=np.array([5.0, 1.0]),
        signal=np.array([1.0, 0.0]),
        templates=np.array([[5.0, 0.0]]),
        centres=np.ones(1),
        sigmas=np.array([0.1]),
    )
    for fit in (convex.fit_channel(channel), minuit.fit_channel(channel)):
        assert fit.status is FitStatus.INFEASIBLE
        assert fit.nll == np.inf


def test_batch_does_not_depend_on_its_size_or_order():
    channel = random_channel(1, 40, 2)
    rng = np.random.default_rng(4)
    toys = rng.poisson(channel.expected(0.0, [1.0, 1.0]), size=(37, 40)).astype(float)
    columns = np.vstack([channel.signal, channel.templates])
    together = convex.fit_batch(toys, columns, start=[0.0, 1.0, 1.0])
    backwards = convex.fit_batch(toys[::-1], columns, start=[0.0, 1.0, 1.0])
    alone = convex.fit_batch(toys[20], columns, start=[0.0, 1.0, 1.0])
    np.testing.assert_array_equal(together.parameters, backwards.parameters[::-1])
    np.testing.assert_allclose(alone.parameters[0], together.parameters[20], rtol=1e-10)
    assert np.all(together.status == FitStatus.CONVERGED)


def test_likelihood_is_that_of_scipy_over_twelve_decades():
    rng = np.random.default_rng(8)
    nu = 10.0 ** rng.uniform(-6.0, 6.0, size=200)
    counts = np.where(rng.uniform(size=200) < 0.3, 0.0, nu * 10.0 ** rng.uniform(-1.0, 1.0, size=200))
    fit = convex.fit_batch([counts, counts[::-1]], [nu], start=[1.0], held=1)
    want = [np.sum(nu - n + special.xlogy(n, n / nu)) for n in (counts, counts[::-1])]
    np.testing.assert_allclose(fit.nll, want, rtol=1e-13)


def test_pulls_of_toys_are_standard_normal():
    rng = np.random.default_rng(12)
    channel = random_channel(3, 50, 2, 400.0)
    toys = rng.poisson(channel.expected(300.0, [1.0, 1.0]), size=(4000, 50)).astype(float)
    fit = convex.fit_batch(toys, np.vstack([channel.signal, channel.templates]), start=[0.0, 1.0, 1.0])
    pulls = (fit.parameters[:, 0] - 300.0) / fit.errors[:, 0]
    assert abs(pulls.mean()) < 0.08
    assert pulls.std() == pytest.approx(1.0, abs=0.04)


def test_shapes_that_do_not_match_raise():
    with pytest.raises(InputError, match="same B"):
        convex.fit_batch(np.ones((1, 3)), np.ones((1, 4)), start=[1.0])


def test_constraint_of_no_width_raises():
    with pytest.raises(InputError, match="positive numbers"):
        convex.fit_batch(np.ones((1, 3)), np.ones((1, 3)), start=[1.0], sigmas=[0.0])
