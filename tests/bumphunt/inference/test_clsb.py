"""CLs+b limits against closed forms, classical limits of Poisson means, pyhf, and what they cover."""

import warnings

import numpy as np
import pyhf
import pytest
from scipy import stats

import bumphunt as bh
from bumphunt.inference.settings import LimitSettings
from bumphunt.scanning.counts import CountingWindow
from bumphunt.studies.coverage import counting_coverage


def count(n, b, *uncertainties):
    return bh.region("n", counts=[n], signal=[1.0], backgrounds=bh.Sample("b", [b], uncertainties=uncertainties))


@pytest.mark.parametrize(("n", "b"), [(0, 0.0), (3, 1.0), (5, 5.0), (40, 30.0)])
def test_limit_on_a_count_is_the_classical_one(n, b):
    for cl in (0.9, 0.95):
        found = bh.counting_limit(n, bh.CountingModel(background=b), cl=cl, criterion="clsb")
        assert found.observed == pytest.approx(stats.chi2.ppf(cl, 2 * (n + 1)) / 2.0 - b, rel=1e-7)
        assert found.method == "clsb_counting"
        assert found.observed <= bh.counting_limit(n, bh.CountingModel(background=b), cl=cl).observed * (1 + 1e-9)


def test_deep_deficit_leaves_no_signal_and_says_so():
    found = bh.counting_limit(0, bh.CountingModel(background=3.0), criterion="clsb")  # exp(-3) < 0.1
    assert not found.valid
    assert found.flags == ("empty_interval",)
    assert np.isnan(found.observed)
    band = bh.counting_limit(3, bh.CountingModel(background=3.0), criterion="clsb").expected
    assert band[0] == 0.0
    assert np.all(np.diff(band) > 0.0)
    deep = bh.limit(count(40.0, 100.0), method="clsb")
    assert (deep.valid, deep.flags) == (False, ("empty_interval",))


def test_asymptotic_limit_of_many_events_is_that_of_a_normal_variable():
    b, root = 1e8, 1e4
    for n in (b - 0.5 * root, b, b + 2.0 * root):
        found = bh.limit(count(n, b), method="clsb", cl=0.95)
        assert found.observed == pytest.approx(n - b + 1.6448536 * root, rel=1e-3)
        assert found.expected == pytest.approx(np.maximum((np.arange(-2.0, 3.0) + 1.6448536) * root, 0.0), rel=1e-3)
        assert found.method == "clsb_asymptotic"


def test_clsb_at_the_limit_is_that_of_pyhf():
    background = bh.Sample("b", [50.0, 52.0], uncertainties=[bh.PerBin("shape", [3.0, 7.0])])
    two = bh.region("two", counts=[51, 48], signal=[12.0, 11.0], backgrounds=background)
    found = bh.limit(two, cl=0.95, method="clsb")
    assert found.observed < bh.limit(two, cl=0.95).observed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of pyhf's dependencies
        model = pyhf.simplemodels.uncorrelated_background([12.0, 11.0], [50.0, 52.0], [3.0, 7.0])
        data = [51, 48, *model.config.auxdata]
        _, (clsb, _) = pyhf.infer.hypotest(found.observed, data, model, return_tail_probs=True)
    assert float(clsb) == pytest.approx(0.05, rel=2e-3)


def test_classical_limits_cover_and_by_no_more_than_steps_of_counts():
    known = {"background_shifts": {}, "signal_shifts": {}}
    for b, s in [(0.5, 3.0), (3.0, 1.0), (10.0, 10.0)]:
        found = CountingWindow(edges=np.array([0.0, 1.0]), n_obs=None, background=b, fraction=1.0, **known)
        coverage = counting_coverage(found, s, LimitSettings(method="clsb"))
        assert 0.9 <= coverage <= counting_coverage(found, s, LimitSettings(method="auto"))


def test_few_events_are_flagged_and_no_generator_is_needed():
    assert bh.limit(count(3, 3.0), method="clsb").flags == ("low_counts",)


def test_unknown_criterion_raises():
    with pytest.raises(bh.InputError, match="must be 'cls' or 'clsb', got 'clb'"):
        bh.counting_limit(3, bh.CountingModel(background=1.0), criterion="clb")
