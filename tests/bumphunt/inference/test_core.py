"""The background in the core of a signal, the one number that says whether the formulae hold."""

import numpy as np
import pytest
from scipy import stats

from bumphunt.inference.core import core_background, low_counts
from bumphunt.inference.counts.distribution import CountingModel
from bumphunt.inference.counts.limit import counting_limit
from bumphunt.inference.fit import limit, scan, upper_limit
from bumphunt.inference.profile import Profile
from bumphunt.inference.settings import LimitSettings
from bumphunt.likelihood.likelihood import likelihood
from bumphunt.models.background import BackgroundModel
from bumphunt.models.peaks import crystal_ball, gaussian
from bumphunt.models.region import Sample, region
from bumphunt.models.systematics import Free, Gaussian, LogNormal

EDGES = np.linspace(-10.0, 10.0, 401)


def flat(level, edges=EDGES):
    """Background with a level of events per standard deviation."""
    return level * np.diff(edges)


def test_core_of_a_normal_peak_is_two_standard_deviations():
    signal = np.diff(stats.norm.cdf(EDGES))
    assert core_background([signal], [flat(5.0)], [EDGES]) == pytest.approx(20.0, abs=0.5)


def test_core_does_not_depend_on_the_bins():
    coarse = EDGES[::4]
    uneven = np.unique(np.concatenate([EDGES[:200:2], EDGES[200:]]))
    for edges in (coarse, uneven):
        signal = np.diff(stats.norm.cdf(edges))
        assert core_background([signal], [flat(5.0, edges)], [edges]) == pytest.approx(20.0, abs=1.01)


def test_tails_hardly_widen_the_core():
    tail = crystal_ball(0.0, 1.0, 1.2, 2.0).fractions(EDGES)
    assert 20.0 < core_background([tail], [flat(5.0)], [EDGES]) < 28.0


def test_core_of_several_regions_is_that_of_all_that_see_the_signal():
    signal = np.diff(stats.norm.cdf(EDGES))
    shares = [0.7 * signal, 0.29 * signal, 0.01 * signal]
    backgrounds = [flat(1.0), flat(2.0), flat(1000.0)]
    assert core_background(shares, backgrounds, [EDGES] * 3) == pytest.approx(12.0, abs=0.4)


def test_bins_of_control_regions_are_not_in_the_core():
    assert core_background([[1.0, 0.0]], [[4.0, 400.0]], [[0.0, 1.0, 2.0]]) == 4.0


def test_unknown_core_is_not_called_low():
    assert not low_counts(float("nan"))
    twice = [Sample(name, [5.0, 6.0, 7.0], uncertainties=[Free(name)]) for name in ("x", "y")]
    profile = Profile(likelihood(region("r", counts=[9, 8, 11], signal=[0.0, 1.0, 0.0], backgrounds=twice)))
    assert np.isnan(profile.core_background())


def few_to_many():
    """Spectra from none to many events under the peak: linear and not, at and around the threshold."""
    rng = np.random.default_rng(8)
    for level in (0.0, 0.5, 1.5, 2.3, 2.45, 2.5, 2.55, 2.7, 4.0, 20.0):
        for efficiency in ((), (LogNormal("efficiency", 0.1),)):
            yield region(
                "r",
                counts=rng.poisson(flat(level, EDGES[::8])),
                edges=EDGES[::8],
                signal=Sample("peak", gaussian(0.0, 1.0), uncertainties=efficiency),
                backgrounds=BackgroundModel("bernstein", 1),
            )


def test_auto_never_trusts_formulae_that_it_flags():
    rng, met = np.random.default_rng(1), set()
    for r in few_to_many():
        upper = limit(r, method="auto", rng=rng, n_toys=60, expected=False)
        core = Profile(likelihood(r)).core_background()
        assert upper.method == ("cls_toys" if low_counts(core) else "cls_asymptotic")
        assert "low_counts" not in upper.flags
        assert ("low_counts" in limit(r).flags) is low_counts(core)
        met.add(upper.method)
    assert met == {"cls_toys", "cls_asymptotic"}


def test_core_that_is_told_decides():
    (r,) = [r for r, _ in zip(few_to_many(), range(1), strict=False)]
    profile, settings = Profile(likelihood(r)), LimitSettings(method="auto", n_toys=60)
    rng = np.random.default_rng(1)
    told = upper_limit(profile, settings, rng=rng, expected=False, core=30.0)
    assert (told.method, told.flags) == ("cls_asymptotic", tuple(f for f in told.flags if f != "low_counts"))
    assert upper_limit(profile, settings, rng=rng, expected=False, core=3.0).method == "cls_toys"


def test_threshold_is_that_of_the_caller():
    peak = region("r", counts=[4], signal=[1.0], backgrounds=Sample("b", [4.2], uncertainties=[Gaussian("b", 0.1)]))
    assert "low_counts" in limit(peak).flags
    assert "low_counts" not in limit(peak, threshold=1.0).flags
    assert [point.limit.flags for point in scan(lambda _: peak, [1.0])] == [("low_counts",)]


def test_auto_is_right_where_the_formula_is_not():
    count = region("r", counts=[1], signal=[1.0], backgrounds=Sample("b", [1.2]))
    exact = counting_limit(1, CountingModel(background=1.2)).observed
    rng = np.random.default_rng(1)
    formula = limit(count, expected=False).observed
    assert abs(formula / exact - 1.0) > 0.1
    assert limit(count, method="auto", rng=rng, n_toys=4000, expected=False).observed == pytest.approx(exact, rel=0.05)


def test_failed_fit_is_flagged_by_every_method():
    template = [5.0, 6.0, 7.0]
    twice = [Sample(name, template, uncertainties=[Free(name)]) for name in ("x", "y")]
    singular = region("r", counts=[5, 7, 8], signal=[0.0, 1.0, 0.0], backgrounds=twice)
    for method in ("auto", "asymptotic", "toys", "bayesian"):
        upper = limit(singular, rng=np.random.default_rng(0), method=method)
        assert (upper.valid, upper.flags) == (False, ("fit_singular",))
