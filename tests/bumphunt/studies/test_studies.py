"""Studies against answers that are known: exact coverages, normal pulls, a background that is wrong on purpose."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import bumphunt as bh
from bumphunt.inference.settings import LimitSettings
from bumphunt.scanning.counts import CountingWindow
from bumphunt.studies.coverage import counting_coverage, covered_toys
from bumphunt.studies.families import other_truths
from bumphunt.studies.studies import STRENGTHS, concluded, ensembles, made_toys
from bumphunt.studies.toys import fitted_toys, joined_toys
from bumphunt.studies.verdicts import Verdict, judge, worst
from bumphunt.studies.windows import StudyWindow, region_window

SEED = np.random.SeedSequence(9)
EDGES = np.linspace(0.0, 2.0, 81)
ASYMPTOTIC = LimitSettings(method="asymptotic")


def one_bin(b: float) -> StudyWindow:
    known = bh.Sample("known", [b])
    return region_window(bh.region("n", counts=[b], signal=[1.0], backgrounds=known))


def counted(b: float) -> CountingWindow:
    nothing: dict[str, float] = {}
    return CountingWindow(
        edges=EDGES[:2], n_obs=None, background=b, fraction=1.0, background_shifts=nothing, signal_shifts=nothing
    )


def spectrum(level: float, order: int, slope: float = 1.0) -> StudyWindow:
    counts = np.round(level * np.exp(-slope * EDGES[1:]))
    smooth = bh.BackgroundModel("bernstein", order)
    peak = bh.gaussian(1.0, 0.1)
    return region_window(bh.region("w", counts=counts, edges=EDGES, signal=peak, backgrounds=smooth), mass=1.0)


def findings(study, window, n_toys, limits=ASYMPTOTIC, strengths=None, *, blinded=False):
    made = []
    for k, one in enumerate(ensembles(study, [window], strengths or STRENGTHS[study])):
        seed = np.random.SeedSequence(9, spawn_key=(k,))
        made.append((one, made_toys(study, one, limits, seed=seed, n_toys=n_toys)))
    return concluded(study, made, limits, poor_fit=1e-3, blinded=blinded)


@pytest.mark.parametrize(("b", "s"), [(0.1, 1.0), (0.5, 3.0), (3.0, 3.0), (10.0, 10.0)])
def test_coverage_of_cls_limits_of_a_count_is_the_sum_over_counts(b, s):
    n = np.arange(200)
    covers = stats.poisson.cdf(n, s + b) > 0.1 * stats.poisson.cdf(n, b)  # CLs
    want = stats.poisson.pmf(n, s + b)[covers].sum()
    assert counting_coverage(counted(b), s, LimitSettings(method="auto")) == pytest.approx(want, abs=1e-12)
    assert want >= 0.933 - 5e-4


@pytest.mark.parametrize(("b", "s", "want"), [(0.5, 3.0, 0.864), (10.0, 10.0, 0.895)])
def test_asymptotic_limits_of_few_events_undercover_by_as_much_as_exact_sums_say(b, s, want):
    # of every count with SciPy: q~mu, its Asimov value, CCGV eqs 65 and 66
    n = np.arange(200.0)
    best = np.maximum(n - b, 0.0)
    ratio = np.log((best + b) / (s + b))
    q = np.where(n - b > s, 0.0, 2.0 * (s - best + n * ratio))
    a = np.sqrt(2.0 * (s + b * np.log(b / (s + b))))
    root = np.sqrt(q)
    z = np.where(root <= a, root - a, (q - a**2) / (2.0 * a))
    covers = stats.norm.sf(z + a) / stats.norm.sf(z) > 0.1
    exact = stats.poisson.pmf(n, s + b)[covers].sum()
    assert exact == pytest.approx(want, abs=6e-4)
    toys = covered_toys(one_bin(b), s, ASYMPTOTIC, seed=SEED, n_toys=8000)
    assert toys.good.all()
    assert not toys.by_toys.any()
    assert toys.covered.mean() == pytest.approx(exact, abs=4.0 * np.sqrt(0.9 * 0.1 / 8000))


def test_clsb_limits_of_many_events_cover_as_often_as_they_say():
    for n_sigma in (0.1, 1.0, 3.0):
        toys = covered_toys(one_bin(1e6), n_sigma * 1e3, LimitSettings(method="clsb"), seed=SEED, n_toys=4000)
        assert toys.good.all()
        assert stats.binomtest(int(toys.covered.sum()), 4000, 0.9).pvalue > 1e-3


def test_undercoverage_of_few_events_fails_and_counts_pass():
    (low,) = findings("coverage", one_bin(0.5), 8000, strengths=(3.0,))
    assert (low.quantity, low.low, low.verdict) == ("coverage", pytest.approx(0.89), Verdict.FAILED)
    counting = replace(one_bin(0.5), counted=counted(0.5))
    for exact in findings("coverage", counting, 10, LimitSettings(method="auto"), (1.0, 3.0, 10.0)):
        assert (exact.verdict, exact.error, exact.n_toys) == (Verdict.PASSED, 0.0, 0)
        assert exact.value >= 0.933 - 5e-4


def test_prior_of_the_inverse_root_undercovers_and_feldman_cousins_does_not():
    root = LimitSettings(method="bayesian", prior="1/sqrt")
    assert counting_coverage(counted(0.1), 3.0, root) == pytest.approx(0.815, abs=6e-4)
    for b, s in [(0.1, 3.0), (0.5, 3.0)]:
        assert counting_coverage(counted(b), s, LimitSettings(method="feldman-cousins")) >= 0.9


def test_coverage_by_toys_of_toys_is_the_exact_one():
    settings = LimitSettings(method="auto", n_toys=300)
    toys = covered_toys(one_bin(1.0), 4.0, settings, seed=SEED, n_toys=50)
    assert toys.by_toys.all()
    assert toys.good.all()
    # q~mu orders the counts of one bin as the counts do, so that CLs is the exact one
    want = counting_coverage(counted(1.0), 4.0, LimitSettings(method="auto"))
    assert stats.binomtest(int(toys.covered.sum()), 50, want).pvalue > 1e-3


def test_pulls_of_a_normal_count_are_normal():
    toys = fitted_toys(one_bin(1e6), 3000.0, seed=SEED, n_toys=4000)
    assert toys.good.all()
    assert stats.kstest(toys.pull, "norm").pvalue > 1e-3
    np.testing.assert_allclose(toys.pull, (toys.n_sig - 3000.0) / np.sqrt(1e6 + toys.n_sig), atol=0.01)


def test_right_background_passes_and_says_what_was_measured():
    window = spectrum(60.0, 3)
    assert window.core > 100.0
    for study in ("pulls", "injection", "gof"):
        for one in findings(study, window, 2000):
            assert one.verdict is Verdict.PASSED, one
            assert one.n_failed == 0
    quantities = {one.quantity for one in findings("injection", window, 100)}
    assert quantities == {"bias / error", "slope"}


def test_background_that_is_too_stiff_fails_its_bias_and_its_goodness():
    window = spectrum(2000.0, 1, slope=2.5)  # a straight line through what falls by exp(-5): the peak makes up for it
    found = {one.truth: one for one in findings("bias", window, 300)}
    assert found["exponential 1"].verdict is Verdict.FAILED
    assert abs(found["exponential 1"].value) > 1.0
    data = {one.quantity: one.verdict for one in findings("gof", window, 4000)}
    assert data["p of the data"] is Verdict.FAILED


def test_background_with_enough_freedom_passes_its_bias():
    found = findings("bias", spectrum(60.0, 4), 1500)
    assert {one.truth.split()[0] for one in found} >= {"exponential"}
    assert all(one.verdict is Verdict.PASSED for one in found), found


def test_truths_of_other_families_describe_the_counts_and_keep_their_number():
    window = spectrum(200.0, 2)
    for other in other_truths(window):
        assert other.expected.sum() == pytest.approx(window.expected.sum(), rel=1e-6)
        assert other.drawn_from.split()[0] in ("exponential", "power", "logarithmic")
        assert not np.array_equal(other.expected, window.expected)


def test_pulls_of_few_events_are_not_judged():
    assert {one.verdict for one in findings("pulls", spectrum(1.0, 1), 50)} == {Verdict.NOT_JUDGED}


def test_blinded_goodness_says_nothing_of_the_data():
    assert [one.quantity for one in findings("gof", spectrum(60.0, 3), 50, blinded=True)] == ["p < 0.05"]


def test_failed_fits_fail_a_study():
    window = spectrum(60.0, 3)
    (ensemble,) = ensembles("pulls", [window], (0.0,))
    toys = fitted_toys(window, 0.0, seed=SEED, n_toys=50)
    n_sig = toys.n_sig.copy()
    n_sig[:2] = np.nan
    found = concluded("pulls", [(ensemble, replace(toys, n_sig=n_sig))], ASYMPTOTIC, poor_fit=1e-3, blinded=False)
    assert {one.verdict for one in found} == {Verdict.FAILED}
    assert {one.n_failed for one in found} == {2}


def test_blocks_are_the_same_alone_and_together():
    window = spectrum(20.0, 1)
    blocks = [fitted_toys(window, 5.0, seed=np.random.SeedSequence(9, spawn_key=(k,)), n_toys=20) for k in (0, 1)]
    again = fitted_toys(window, 5.0, seed=np.random.SeedSequence(9, spawn_key=(1,)), n_toys=20)
    np.testing.assert_array_equal(joined_toys(blocks).n_sig[20:], again.n_sig)
    assert not np.array_equal(blocks[0].n_sig, again.n_sig)


def test_verdict_needs_two_standard_errors_to_fail():
    assert judge(0.069, 0.01, low=-0.05, high=0.05) is Verdict.UNDECIDED
    assert judge(0.071, 0.01, low=-0.05, high=0.05) is Verdict.FAILED
    assert judge(-0.05, 0.01, low=-0.05, high=0.05) is Verdict.PASSED
    assert worst([Verdict.PASSED, Verdict.NOT_JUDGED]) is Verdict.PASSED
    assert worst([Verdict.PASSED, Verdict.UNDECIDED]) is Verdict.UNDECIDED
    assert worst([]) is Verdict.NOT_JUDGED
