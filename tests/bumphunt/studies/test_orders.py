"""Orders of a background against the distribution of their test, fits by hand, and spectra whose order is known."""

import numpy as np
import pytest
from scipy import stats

import bumphunt as bh
from bumphunt.studies.orders import chosen_order, order_fits
from bumphunt.studies.studies import compared
from bumphunt.studies.verdicts import Verdict
from bumphunt.studies.windows import region_window

EDGES = np.linspace(1.0, 3.0, 61)
CENTRES = 0.5 * (EDGES[1:] + EDGES[:-1])


def window(counts, order, family="bernstein"):
    smooth, peak = bh.BackgroundModel(family, order), bh.gaussian(2.0, 0.1)
    return region_window(bh.region("w", counts=counts, edges=EDGES, signal=peak, backgrounds=smooth), mass=2.0)


def test_test_of_an_order_that_is_not_needed_has_flat_p_values():
    rng = np.random.default_rng(5)
    lines = (rng.poisson(300.0 - 60.0 * CENTRES) for _ in range(80))
    p = [one.p_next for counts in lines for one in order_fits(window(counts, 1)) if one.model.order == 1]
    bernstein = np.array(p)[:: len(p) // 80]
    assert stats.kstest(bernstein, "uniform").pvalue > 1e-3


def test_criteria_are_those_of_the_fits_by_themselves():
    counts = np.random.default_rng(1).poisson(400.0 * np.exp(-CENTRES))
    for one in order_fits(window(counts, 2)):
        peak = bh.gaussian(2.0, 0.1)
        alone = bh.region("w", counts=counts, edges=EDGES, signal=peak, backgrounds=one.model)
        deviance = 2.0 * bh.fit(alone, strength=0.0).nll
        k = one.model.order + 1
        assert one.deviance == pytest.approx(deviance, abs=1e-4)
        assert one.aic == pytest.approx(deviance + 2.0 * k, abs=1e-4)
        assert one.bic == pytest.approx(deviance + k * np.log(60.0), abs=1e-4)


def test_order_of_a_polynomial_is_found_and_a_lower_one_fails():
    counts = np.round(5000.0 * (1.0 + 2.0 * (CENTRES - 2.0) ** 2))  # a parabola
    assert chosen_order(order_fits(window(counts, 1)), "bernstein") == 2
    assert chosen_order(order_fits(window(counts, 2)), "bernstein") == 2
    judged = {
        order: [one for one in compared([window(counts, order)]) if one.verdict is not Verdict.NOT_JUDGED]
        for order in (1, 2)
    }
    assert [one.verdict for one in judged[1]] == [Verdict.FAILED]
    assert [one.verdict for one in judged[2]] == [Verdict.PASSED]
    assert [one.truth for one in judged[2]] == ["bernstein 2"]


def test_right_family_has_the_lowest_information_criteria():
    counts = np.random.default_rng(2).poisson(20_000.0 * np.exp(-2.0 * CENTRES))
    fits = order_fits(window(counts, 1, "exponential"))
    best = min(fits, key=lambda fit: fit.bic).model
    assert (best.family, best.order) == ("exponential", 1)


def test_window_without_a_smooth_background_raises():
    known = bh.Sample("known", np.full(60, 10.0))
    fixed = bh.region("w", counts=np.full(60, 10.0), edges=EDGES, signal=bh.gaussian(2.0, 0.1), backgrounds=known)
    with pytest.raises(bh.InputError, match="at 2 GeV has no smooth background"):
        order_fits(region_window(fixed, mass=2.0))
