"""Profiles against the batched engine: deficits, boundaries, empty spectra; one answer however it is asked."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bumphunt.engines.result import FitStatus
from bumphunt.errors import Flag
from bumphunt.inference.batch import infer
from bumphunt.inference.fit import fit, limit, scan
from bumphunt.inference.limits import profile_limit
from bumphunt.inference.profile import Profile
from bumphunt.inference.significance import hypotest
from bumphunt.likelihood.likelihood import likelihood, linear_channel
from bumphunt.models.background import BackgroundModel
from bumphunt.models.peaks import gaussian
from bumphunt.models.region import Sample, region
from bumphunt.models.systematics import Gaussian, LogNormal


def spectrum(counts, mean, sigma, background, *uncertainties):
    peak = Sample("peak", gaussian(mean, sigma), uncertainties=uncertainties)
    return region("r", counts=counts, edges=np.linspace(0.0, 1.0, len(counts) + 1), signal=peak, backgrounds=background)


@st.composite
def spectra(draw):
    """Random spectra, from none to thousands of events, with peaks inside and at the edge."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    level, n_bins = draw(st.sampled_from([0.0, 0.02, 0.3, 3.0, 30.0, 3000.0])), draw(st.sampled_from([8, 25, 60]))
    counts = rng.poisson(level * np.exp(-draw(st.floats(0.0, 3.0)) * np.linspace(0.0, 1.0, n_bins)))
    mean, sigma = draw(st.sampled_from([0.0, 0.3, 0.62, 1.0])), draw(st.sampled_from([0.02, 0.05, 0.2]))
    family, order = draw(st.sampled_from(["bernstein", "chebyshev"])), draw(st.integers(0, 3))
    backgrounds = [BackgroundModel(family, order)]
    if draw(st.booleans()):
        template = 0.2 * level + rng.uniform(0.01, 1.0, n_bins)
        backgrounds.append(Sample("mc", template, uncertainties=[Gaussian("mc", 0.3)]))
    return spectrum(counts, mean, sigma, backgrounds)


def assert_may_have_no_limit(r, upper):
    """Only where a polynomial may take signal away, or nothing at all was seen where a template expects much."""
    assert np.isnan(upper.observed)
    assert upper.flags == (Flag.NEGATIVE_BACKGROUND,) or (r.counts.sum() == 0 and len(r.backgrounds) == 2)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(spectra())
def test_limit_scan_and_batch_give_one_answer(r):
    ours, (batch,) = limit(r), infer([linear_channel(likelihood(r))])
    if not ours.valid:
        assert_may_have_no_limit(r, ours)
        return
    (point,) = scan(lambda _: r, [1.0])
    assert ours.valid
    # the scan asks for the significance first, whose fits are kept and started from
    assert point.limit.observed == pytest.approx(ours.observed, rel=1e-12)
    assert ours.observed == pytest.approx(batch.observed, rel=1e-8)  # another way where a template ends at 0
    newton = limit(r, engine="newton")
    assert newton.valid
    # with bins at the boundary several backgrounds may fit equally well, and each has Asimov data of its own
    unique = fit(r, strength=0.0).status is FitStatus.CONVERGED
    assert newton.observed == pytest.approx(ours.observed, rel=2e-4 if unique else 0.03)
    np.testing.assert_allclose(newton.expected, ours.expected, rtol=2e-4 if unique else 0.03)
    free = {engine: fit(r, engine=engine) for engine in ("linear", "newton")}
    assert free["newton"].nll == pytest.approx(free["linear"].nll, abs=1e-6)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(spectra())
def test_tested_strengths_do_not_depend_on_what_was_asked_before(r):
    upper = limit(r)
    if not upper.valid:
        assert_may_have_no_limit(r, upper)
        return
    assert hypotest(r, upper.observed).observed == pytest.approx(0.1, rel=2e-3)


@pytest.mark.parametrize("engine", ["linear", "newton"])
@pytest.mark.parametrize("events", [1e5, 1e6, 1e7])
def test_deficits_in_large_spectra_have_limits(events, engine):
    for seed in range(6):
        counts = np.random.default_rng(seed).poisson(events / 100, 100)
        assert limit(spectrum(counts, 0.5, 0.02, BackgroundModel("bernstein", 3)), engine=engine).valid


@pytest.mark.parametrize("mean", [0, 2, 5, 20, 100])
def test_few_events_with_an_uncertain_efficiency_have_limits(mean):
    for seed in range(8):
        counts = np.random.default_rng(seed).poisson(mean / 50, 50)
        upper = limit(spectrum(counts, 0.5, 0.03, BackgroundModel("bernstein", 2), LogNormal("efficiency", 0.05)))
        assert upper.valid
        assert np.all(np.diff(upper.expected) > 0.0)


def test_observed_limit_alone_needs_fewer_fits():
    """The band costs five roots more, each of several fits: counted, not timed."""
    counts = np.random.default_rng(1).poisson(5.0, 50)
    fits = []
    for expected in (True, False):
        r = spectrum(counts, 0.5, 0.03, BackgroundModel("bernstein", 2), LogNormal("efficiency", 0.05))
        made = 0

        class Counting(Profile):
            def _fit(self, *arguments, **options):
                nonlocal made
                made += 1
                return super()._fit(*arguments, **options)

            def asimov(self, strength=0.0):
                profile = super().asimov(strength)
                profile.__class__ = type(self)
                return profile

        assert profile_limit(Counting(likelihood(r)), cl=0.9, expected=expected).valid
        fits.append(made)
    assert fits[1] < 0.6 * fits[0]
