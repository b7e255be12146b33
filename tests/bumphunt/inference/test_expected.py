"""Expectations with a signal present against closed forms and the limits of data that fluctuate."""

import numpy as np
import pytest

import bumphunt as bh


def count(n, b, *uncertainties):
    return bh.region("n", counts=[n], signal=[1.0], backgrounds=bh.Sample("b", [b], uncertainties=uncertainties))


@pytest.mark.parametrize(("s", "b"), [(5.0, 4.0), (30.0, 100.0), (300.0, 1e4)])
def test_median_significance_is_that_of_the_closed_form(s, b):
    want = np.sqrt(2.0 * ((s + b) * np.log1p(s / b) - s))  # CCGV eq. 97
    found = bh.expected_significance(count(b, b), s)
    assert found.median == pytest.approx(want, rel=1e-6)
    assert found.band == pytest.approx(np.maximum(want + np.arange(-2.0, 3.0), 0.0), rel=1e-6)


def test_median_significance_over_a_control_region_is_that_of_li_and_ma():
    control = bh.ControlRegion("side", 90)  # b is 90 / 3
    region = count(30, 30.0, control)
    assert bh.expected_significance(region, 12.0).median == pytest.approx(float(bh.li_ma(42, 90, 1 / 3)), rel=1e-6)


def test_median_limit_is_the_limit_of_the_asimov_data():
    # with a known background the data that are expected have the same Asimov data without signal
    two = {"signal": [12.0, 11.0], "backgrounds": bh.Sample("b", [50.0, 52.0])}
    found = bh.expected_limit(bh.region("two", counts=[50.0, 52.0], **two), 0.9, cl=0.95)
    data = bh.region("two", counts=[50.0 + 0.9 * 12.0, 52.0 + 0.9 * 11.0], **two)
    assert found.median == pytest.approx(bh.limit(data, cl=0.95).observed, rel=1e-6)


@pytest.mark.parametrize("s", [0.0, 150.0, 600.0])
def test_band_is_that_of_data_that_fluctuate(s):
    b, n = 1e4, np.arange(-2.0, 3.0)
    found = bh.expected_limit(count(b, b), s)
    limits = [bh.limit(count(b + s + k * np.sqrt(b + s), b)).observed for k in n]
    assert found.band == pytest.approx(limits, rel=0.01)


def test_without_signal_it_is_the_expected_band_of_a_limit():
    region = count(33, 30.0, bh.LogNormal("b", 0.1))
    assert bh.expected_limit(region, 0.0).band == pytest.approx(bh.limit(region).expected, rel=1e-6)


@pytest.mark.parametrize("strength", [-1.0, np.inf, np.nan])
@pytest.mark.parametrize("ask", [bh.expected_limit, bh.expected_significance])
def test_strength_that_cannot_be_present_raises(ask, strength):
    with pytest.raises(bh.InputError, match="must be a number >= 0, got"):
        ask(count(3, 3.0), strength)


def test_data_that_cannot_be_fitted_have_no_expectation():
    twice = [bh.Sample(name, [5.0], uncertainties=[bh.Free(name)]) for name in ("one", "two")]
    broken = bh.region("n", counts=[10], signal=[1.0], backgrounds=twice)
    for found in (bh.expected_limit(broken, 1.0), bh.expected_significance(broken, 1.0)):
        assert not found.valid
        assert np.isnan(found.median)
        assert found.flags
