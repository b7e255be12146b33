"""Limits of many channels at once against one by one, against TOMS 748 on the same fits, and closed forms."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from bumphunt.engines.linear import fit_linear
from bumphunt.engines.result import FitStatus
from bumphunt.errors import FitError
from bumphunt.inference import asymptotics
from bumphunt.inference.batch import background_errors, infer
from bumphunt.inference.limits import _bracketed_limit
from bumphunt.inference.profile import Profile
from bumphunt.likelihood.likelihood import likelihood, linear_channel
from bumphunt.models.region import Sample, region
from bumphunt.models.systematics import Free, Gaussian


def one_by_one(model):
    """The limits of the linear engine by scipy's TOMS 748, fit by fit; None where there are none."""
    try:
        upper = _bracketed_limit(Profile(model, "linear"), cl=0.9, expected=True)
    except FitError:
        return None
    return [*upper.expected, upper.observed]


def spectrum(rng, n_bins, n_templates, level, polynomial):
    """A model with Poisson counts: positive polynomials (free) or templates with uncertainties, some fixed."""
    u = (np.arange(n_bins) + 0.5) / n_bins
    signal = np.exp(-0.5 * ((u - rng.uniform(0.1, 0.9)) / 0.07) ** 2)
    order = max(n_templates - 1, 0)
    terms = np.array([u**k * (1.0 - u) ** (order - k) + (0.0 if polynomial else 0.05) for k in range(n_templates)])
    terms = terms.reshape(-1, n_bins)
    templates = level * terms / terms.mean(axis=1, keepdims=True) / max(n_templates, 1)
    injected = rng.choice([0.0, 3.0 * np.sqrt(level) + 2.0]) if n_templates else 0.0
    counts = rng.poisson(templates.sum(axis=0) + injected * signal / signal.sum())
    sigmas = np.full(n_templates, np.inf) if polynomial else rng.choice([np.inf, 0.1, 0.3, 0.0], size=n_templates)
    return described(counts, signal / signal.sum(), templates, sigmas)


def described(counts, signal, templates, sigmas):
    """The likelihood of templates: for an infinite uncertainty free as terms of a polynomial are, fixed for none."""
    backgrounds = []
    for k, (template, sigma) in enumerate(zip(templates, sigmas, strict=True)):
        constraint = [] if sigma == 0.0 else [Free(f"t{k}") if np.isinf(sigma) else Gaussian(f"t{k}", sigma)]
        backgrounds.append(Sample(f"b{k}", template, uncertainties=constraint))
    model = likelihood(region("r", counts=counts, signal=signal, backgrounds=backgrounds))
    return replace(model, stops=np.zeros_like(model.stops))


spectra = st.tuples(
    st.integers(0, 10**6),
    st.integers(8, 60),
    st.integers(1, 5),
    st.sampled_from([1e-3, 0.05, 0.5, 20.0, 1e4]),
    st.booleans(),
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(spectra)
def test_limits_are_those_of_toms748_fit_by_fit(drawn):
    seed, *shape = drawn
    model = spectrum(np.random.default_rng(seed), *shape)
    (ours,), theirs = infer([linear_channel(model)]), one_by_one(model)
    assert (ours.failure is None) == (theirs is not None)
    if theirs is not None:
        np.testing.assert_allclose([*ours.expected, ours.observed], theirs, rtol=1e-6)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(spectra, min_size=2, max_size=9))
def test_batch_is_each_channel_alone(drawn):
    channels = [linear_channel(spectrum(np.random.default_rng(seed), *shape)) for seed, *shape in drawn]
    for alone, together in zip((infer([c])[0] for c in channels), infer(channels), strict=True):
        assert alone.failure == together.failure
        assert alone.best.status is together.best.status
        np.testing.assert_allclose(together.best.nll, alone.best.nll, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(together.observed, alone.observed, rtol=1e-6)
        np.testing.assert_allclose(together.expected, alone.expected, rtol=1e-6)
        np.testing.assert_allclose(together.background_error, alone.background_error, rtol=1e-6)


def test_free_fit_is_the_same_from_the_background_as_from_the_start():
    rng = np.random.default_rng(6)
    for level in (0.02, 1.0, 50.0, 1e5):
        model = spectrum(rng, 40, 3, level, True)
        (ours,), theirs = infer([linear_channel(model)]), fit_linear(model)
        assert ours.best.nll == pytest.approx(theirs.nll, abs=1e-7)
        assert ours.null.nll == pytest.approx(fit_linear(model, strength=0.0).nll, abs=1e-7)
        assert ours.best.status is theirs.status
        assert (ours.best.engine, ours.best.names[0]) == ("linear", "strength")
        if theirs.status is FitStatus.CONVERGED:
            assert ours.best.n_sig == pytest.approx(theirs.n_sig, abs=1e-4 * theirs.n_sig_error)
            np.testing.assert_allclose(ours.best.values[1:], theirs.values[1:], rtol=1e-4)
            np.testing.assert_allclose(ours.best.errors, theirs.errors, rtol=1e-4)


def test_error_of_the_background_only_hypothesis_is_that_of_its_asimov_fit():
    model = spectrum(np.random.default_rng(2), 40, 3, 30.0, False)
    (result,) = infer([linear_channel(model)])
    asimov = fit_linear(model.asimov(fit_linear(model, strength=0.0).values))
    assert result.background_error == pytest.approx(asimov.n_sig_error, rel=1e-6)
    assert background_errors([linear_channel(model)])[0] == pytest.approx(asimov.n_sig_error, rel=1e-6)


def test_observed_limit_does_not_depend_on_the_band():
    channels = [linear_channel(spectrum(np.random.default_rng(seed), 30, 2, 15.0, True)) for seed in range(5)]
    for with_band, without in zip(infer(channels), infer(channels, expected=False), strict=True):
        assert without.observed == pytest.approx(with_band.observed, rel=1e-9)
        assert np.isnan(without.expected).all()


def test_broken_fit_leaves_its_neighbours_alone():
    good = [linear_channel(spectrum(np.random.default_rng(seed), 30, 2, 15.0, False)) for seed in range(3)]
    twice = described([5.0, 7.0, 8.0], [0.0, 1.0, 0.0], [[5.0, 6.0, 7.0]] * 2, (np.inf, np.inf))
    impossible = described([5.0, 7.0], [0.0, 1.0], [[0.0, 4.0], [0.0, 1.0]], (0.1, np.inf))
    results = infer([good[0], linear_channel(twice), good[1], linear_channel(impossible), good[2]])
    assert [result.failure for result in results] == [None, "fit_singular", None, "fit_infeasible", None]
    assert np.isnan([results[1].observed, *results[3].expected]).all()
    for result, channel in zip(results[::2], good, strict=True):
        assert result.observed == pytest.approx(infer([channel])[0].observed, rel=1e-9)


@pytest.mark.parametrize("n", [0.0, 1.0, 4.0, 30.0])
def test_limit_without_background_is_that_of_the_closed_form(n):
    # nu = s: q~mu = 2 (s - n - n ln(s / n)) above s = n, and 2 s on the empty Asimov set
    (result,) = infer([linear_channel(described([n / 2.0, n / 2.0], [0.5, 0.5], [], []))])

    def excess(s):
        q = 2.0 * (s - n - (n * np.log(s / n) if n > 0.0 else 0.0))
        return float(asymptotics.cls(np.sqrt(q), np.sqrt(2.0 * s))) - 0.1

    want = optimize.brentq(excess, n + 1e-9, 10.0 * n + 20.0, rtol=1e-12)
    assert result.failure is None
    assert result.observed == pytest.approx(want, rel=1e-6)


def test_no_channels_give_no_results():
    assert infer([]) == []
