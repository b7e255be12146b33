"""On/off significances against the table of Cousins, Linnemann and Tucker, gamma-ray astronomy's numbers, and SciPy."""

import numpy as np
import pytest
from scipy import stats

import bumphunt as bh
from bumphunt.inference.counts.on_off import li_ma, z_bi

TABLE = [
    (4, 5, 5.0, 1.66, 1.95),
    (6, 18.78, 14.44, 2.63, 2.82),
    (9, 17.83, 4.69, 1.82, 1.99),
    (17, 40.11, 10.56, 4.46, 4.57),
    (50, 55, 2.0, 2.93, 3.02),
    (67, 15, 0.5, 2.89, 3.04),
    (200, 10, 0.1, 2.20, 2.38),
    (523, 2327, 5.99, 5.93, 5.95),
    (498426, 493434, 1.0, 5.01, 5.01),
    (2119449, 23650096, 11.21, 6.40, 6.40),
]
"""n_on, n_off, tau, Z_Bi and Z_PL of arXiv:physics/0702156, table 1."""


@pytest.mark.parametrize(("n_on", "n_off", "tau", "binomial", "profiled"), TABLE)
def test_both_are_those_of_the_published_table(n_on, n_off, tau, binomial, profiled):
    assert float(z_bi(n_on, n_off, tau)) == pytest.approx(binomial, abs=0.006)
    assert float(li_ma(n_on, n_off, 1.0 / tau)) == pytest.approx(profiled, abs=0.006)


def test_li_ma_is_that_of_gamma_ray_astronomy():
    # the numbers that gammapy publishes with the tests of its WStatCountsStatistic
    cases = [(1, 2, 1.0), (5, 1, 1.0), (10, 5, 0.3), (10, 23, 0.1), (1, 20, 1.0)]
    want = [-0.5829220133009171, 1.7061745691234782, 3.5853812867949024, 3.443415522820395, -4.590373638528086]
    np.testing.assert_allclose(li_ma(*np.array(cases).T), want, rtol=1e-12)


@pytest.mark.parametrize(("n_on", "n_off", "tau"), [(10, 5, 1.0), (140, 100, 1.2), (3, 50, 8.0), (1, 0, 2.0)])
def test_z_bi_is_the_binomial_test_and_the_p_value_over_a_gamma_background(n_on, n_off, tau):
    p = stats.binomtest(n_on, n_on + n_off, 1.0 / (1.0 + tau), alternative="greater").pvalue
    assert float(z_bi(n_on, n_off, tau)) == pytest.approx(stats.norm.isf(p), rel=1e-10)
    sidebands = bh.CountingModel(background=(n_off + 1.0) / tau, background_sigma=np.sqrt(n_off + 1.0) / tau)
    assert bh.counting_p0(n_on, sidebands) == pytest.approx(p, rel=1e-10)


@pytest.mark.parametrize(("n_on", "n_off", "tau"), [(10, 5, 1.0), (4, 40, 5.0), (0, 8, 2.0)])
def test_li_ma_is_the_signed_significance_of_a_region_with_a_control_region(n_on, n_off, tau):
    off = bh.Sample("off", [1.0], uncertainties=[bh.ControlRegion("off", n_off, alpha=1.0 / tau)])
    found = bh.significance(bh.region("on", counts=[n_on], signal=[1.0], backgrounds=off))
    signed = float(li_ma(n_on, n_off, 1.0 / tau))
    assert found.z0 == pytest.approx(max(signed, 0.0), rel=1e-6)
    assert found.z_signed == pytest.approx(signed, rel=1e-4)


def test_nothing_seen_is_no_significance():
    assert float(li_ma(0, 0, 0.5)) == 0.0
    assert float(z_bi(0, 3, 1.0)) == -np.inf
    assert li_ma([1, 2], [3, 4], 0.5).shape == (2,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: li_ma(-1, 2, 1.0), "n_on must be numbers >= 0, got -1"),
        (lambda: z_bi(1, np.nan, 1.0), "n_off must be numbers >= 0, got nan"),
        (lambda: li_ma(1, 2, 0.0), "alpha must be positive, got 0"),
        (lambda: z_bi(1, 2, -3.0), "tau must be positive, got -3"),
    ],
)
def test_bad_counts_raise(call, message):
    with pytest.raises(bh.InputError, match=message):
        call()
