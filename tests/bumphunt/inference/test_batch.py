"""Limits of many channels at once against one by one, against TOMS 748 on the same fits, and closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from bumphunt.engines import linear as convex
from bumphunt.engines.result import FitStatus
from bumphunt.inference import asymptotics
from bumphunt.inference.batch import infer
from bumphunt.inference.limits import asymptotic_limit, asymptotic_limits
from bumphunt.likelihood.linear import Channel, template_channel


def one_by_one(channel, *, n_sig=None, start=None):
    """The convex engine as any other fitter: `asymptotic_limit` then uses scipy's TOMS 748, fit by fit."""
    return convex.fit_channel(channel, n_sig=n_sig, start=start)


def spectrum(rng, n_bins, n_templates, level, polynomial):
    """A channel with Poisson counts: positive polynomials (free) or templates with uncertainties, some held."""
    u = (np.arange(n_bins) + 0.5) / n_bins
    signal = np.exp(-0.5 * ((u - rng.uniform(0.1, 0.9)) / 0.07) ** 2)
    order = max(n_templates - 1, 0)
    terms = np.array([u**k * (1.0 - u) ** (order - k) + (0.0 if polynomial else 0.05) for k in range(n_templates)])
    terms = terms.reshape(-1, n_bins)
    templates = level * terms / terms.mean(axis=1, keepdims=True) / max(n_templates, 1)
    injected = rng.choice([0.0, 3.0 * np.sqrt(level) + 2.0]) if n_templates else 0.0
    return Channel(
        counts=rng.poisson(templates.sum(axis=0) + injected * signal / signal.sum()).astype(float),
        signal=signal / signal.sum(),
        templates=templates,
        centres=np.ones(n_templates),
        sigmas=np.full(n_templates, np.inf) if polynomial else rng.choice([np.inf, 0.1, 0.3, 0.0], size=n_templates),
    )


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
    channel = spectrum(np.random.default_rng(seed), *shape)
    (ours,), theirs = infer([channel]), asymptotic_limit(channel, fitter=one_by_one)
    assert (ours.failure == "") == theirs.valid
    if theirs.valid:
        np.testing.assert_allclose([*ours.expected, ours.observed], [*theirs.expected, theirs.observed], rtol=1e-6)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(spectra, min_size=2, max_size=9))
def test_batch_is_each_channel_alone(drawn):
    channels = [spectrum(np.random.default_rng(seed), *shape) for seed, *shape in drawn]
    for alone, together in zip((infer([c])[0] for c in channels), infer(channels), strict=True):
        assert alone.failure == together.failure
        assert alone.best.status is together.best.status
        np.testing.assert_allclose(together.best.nll, alone.best.nll, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(together.observed, alone.observed, rtol=1e-6)
        np.testing.assert_allclose(together.expected, alone.expected, rtol=1e-6)
        np.testing.assert_allclose(together.background_error, alone.background_error, rtol=1e-6)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(spectra)
def test_fits_of_a_batch_are_those_of_single_fits(drawn):
    seed, *shape = drawn
    rng = np.random.default_rng(seed)
    channel = spectrum(rng, *shape)
    columns = np.vstack([channel.signal, channel.templates])
    toys = rng.poisson(channel.templates.sum(axis=0), size=(70, channel.counts.size)).astype(float)
    toys[3] = 0.0
    start = np.ones(columns.shape[0])
    together = convex.fit_batch(toys, columns, start=start)
    for row in (0, 3, 63, 64, 69):
        alone = convex.fit_batch(toys[row], columns, start=start)
        np.testing.assert_array_equal(alone.parameters[0], together.parameters[row])
        np.testing.assert_array_equal(alone.nll[0], together.nll[row])
        assert alone.status[0] == together.status[row]


def test_free_fit_is_the_same_from_the_background_as_from_the_start():
    rng = np.random.default_rng(6)
    for level in (0.02, 1.0, 50.0, 1e5):
        channel = spectrum(rng, 40, 3, level, True)
        (ours,), theirs = infer([channel]), convex.fit_channel(channel)
        assert ours.best.nll == pytest.approx(theirs.nll, abs=1e-7)
        assert ours.null.nll == pytest.approx(convex.fit_channel(channel, n_sig=0.0).nll, abs=1e-7)
        assert ours.best.status is theirs.status
        if theirs.status is FitStatus.CONVERGED:
            assert ours.best.n_sig == pytest.approx(theirs.n_sig, abs=1e-4 * theirs.n_sig_error)
            np.testing.assert_allclose(ours.best.background_errors, theirs.background_errors, rtol=1e-4)


def test_error_of_the_background_only_hypothesis_is_that_of_its_asimov_fit():
    channel = spectrum(np.random.default_rng(2), 40, 3, 30.0, False)
    (result,) = infer([channel])
    asimov = convex.fit_channel(channel.asimov(0.0, result.null.background))
    assert result.background_error == pytest.approx(asimov.n_sig_error, rel=1e-6)


def test_observed_limit_does_not_depend_on_the_band():
    channels = [spectrum(np.random.default_rng(seed), 30, 2, 15.0, True) for seed in range(5)]
    for with_band, without in zip(
        asymptotic_limits(channels), asymptotic_limits(channels, expected=False), strict=True
    ):
        assert without.observed == pytest.approx(with_band.observed, rel=1e-9)
        assert np.isnan(without.expected).all()


def test_broken_fit_leaves_its_neighbours_alone():
    good = [spectrum(np.random.default_rng(seed), 30, 2, 15.0, False) for seed in range(3)]
    twice = template_channel([5.0, 7.0, 8.0], [0.0, 1.0, 0.0], [[5.0, 6.0, 7.0], [5.0, 6.0, 7.0]], (None, None))
    impossible = template_channel([5.0, 7.0], [0.0, 1.0], [[0.0, 4.0], [0.0, 1.0]], (0.1, None))
    results = asymptotic_limits([good[0], twice, good[1], impossible, good[2]])
    assert [limit.flags for limit in results if not limit.valid] == [("fit_singular",), ("fit_infeasible",)]
    assert [limit.valid for limit in results] == [True, False, True, False, True]
    for limit, channel in zip(results[::2], good, strict=True):
        assert limit.observed == pytest.approx(asymptotic_limit(channel).observed, rel=1e-9)


@pytest.mark.parametrize("n", [0.0, 1.0, 4.0, 30.0])
def test_limit_without_background_is_that_of_the_closed_form(n):
    # nu = s: q~mu = 2 (s - n - n ln(s / n)) above s = n, and 2 s on the empty Asimov set
    channel = template_channel([n / 2.0, n / 2.0], [0.5, 0.5], np.empty((0, 2)), ())

    def excess(s):
        q = 2.0 * (s - n - (n * np.log(s / n) if n > 0.0 else 0.0))
        return float(asymptotics.cls(np.sqrt(q), np.sqrt(2.0 * s))) - 0.1

    want = optimize.brentq(excess, n + 1e-9, 10.0 * n + 20.0, rtol=1e-12)
    for limit in (asymptotic_limit(channel), asymptotic_limit(channel, fitter=one_by_one)):
        assert limit.valid
        assert limit.observed == pytest.approx(want, rel=1e-6)


def test_confidence_below_a_half_is_found_below_the_best_fit():
    # a large excess: at the best fit CLs is 1/2 already, so that the root of CLs = 0.7 lies below it, where q~mu = 0
    channel = template_channel([130.0], [1.0], [[100.0]], (0.0,))
    limit = asymptotic_limit(channel, cl=0.3)
    assert limit.valid
    assert 0.0 < limit.observed < 30.0
    a = np.sqrt(2.0 * (limit.observed - 100.0 * np.log1p(limit.observed / 100.0)))
    assert asymptotics.cls(0.0, a) == pytest.approx(0.7, rel=1e-6)


def test_threads_give_the_same_fits():
    channel = spectrum(np.random.default_rng(9), 30, 2, 5.0, True)
    toys = np.random.default_rng(1).poisson(channel.templates.sum(axis=0), size=(200, 30)).astype(float)
    columns = np.vstack([channel.signal, channel.templates])
    serial, threaded = (convex.fit_batch(toys, columns, start=[1.0, 1.0, 1.0], threads=t) for t in (False, True))
    np.testing.assert_array_equal(serial.parameters, threaded.parameters)
    np.testing.assert_array_equal(serial.status, threaded.status)


def test_no_channels_give_no_results():
    assert infer([]) == []
