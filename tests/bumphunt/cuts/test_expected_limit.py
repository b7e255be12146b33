"""Expected limits of counts: against sums over Poisson probabilities and a root of CLs, both by scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import gamma, poisson

from bumphunt.cuts.expected_limit import expected_limits, mean_limit, median_limit
from bumphunt.errors import InputError
from bumphunt.inference.counts.distribution import CountingModel
from bumphunt.inference.counts.limit import counting_limit


def exact(n: int, background: float, cl: float) -> float:
    """CLs limit of n events over a known background."""
    return brentq(lambda s: poisson.cdf(n, s + background) / poisson.cdf(n, background) - (1 - cl), 0.0, 1e3)


@pytest.mark.parametrize("background", [0.0, 0.3, 0.69, 0.7, 2.5, 11.0])
@pytest.mark.parametrize("cl", [0.9, 0.95])
def test_limits_without_uncertainty(background: float, cl: float) -> None:
    counts = np.arange(80)
    limits = np.array([exact(n, background, cl) for n in counts])
    weights = poisson.pmf(counts, background)
    assert median_limit(background, cl=cl) == pytest.approx(limits[int(poisson.median(background))], rel=1e-6)
    assert mean_limit(background, cl=cl) == pytest.approx(float(limits @ weights), rel=1e-3)


def test_mean_limit_with_uncertainty() -> None:
    background, relative, cl = 3.0, 0.5, 0.9
    b = gamma(1 / relative**2, scale=background * relative**2)
    nodes = b.ppf((np.arange(2000) + 0.5) / 2000)
    counts = np.arange(40)
    at_most = np.array([poisson.cdf(n, nodes).mean() for n in counts])
    limits = [
        brentq(lambda s, n=n, p=p: poisson.cdf(n, nodes + s).mean() / p - (1 - cl), 0.0, 1e2)
        for n, p in zip(counts, at_most, strict=True)
    ]
    expected = float(np.diff(at_most, prepend=0.0) @ limits)
    assert mean_limit(background, cl=cl, uncertainty=relative) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("background", [0.4, 9.0, 300.0, 2e4])
@pytest.mark.parametrize("uncertainty", [0.0, 0.05, 0.4])
def test_median_limit_is_that_of_a_blinded_count(background: float, uncertainty: float) -> None:
    model = CountingModel(background=background, background_sigma=uncertainty * background)
    expected = counting_limit(None, model).expected[2]
    assert median_limit(background, uncertainty=uncertainty) == pytest.approx(expected, rel=1e-6)


def test_many_events_are_averaged_like_few() -> None:
    # just above and below the background from which quantiles stand for the counts
    assert mean_limit(15.01) / mean_limit(14.99) == pytest.approx(1.0, abs=0.015)
    background, counts = 60.0, np.arange(15, 130)
    limits = np.array([exact(n, background, 0.9) for n in counts])
    assert mean_limit(background) == pytest.approx(float(limits @ poisson.pmf(counts, background)), rel=0.01)


@pytest.mark.parametrize(("average", "single"), [("median", median_limit), ("mean", mean_limit)])
def test_table_equals_the_single_limits(average, single) -> None:
    backgrounds = np.array([[0.0, 0.02, 0.6], [1.2, 7.0, 150.0]])
    table = expected_limits(backgrounds, average=average, uncertainty=0.2)
    expected = [[single(b, uncertainty=0.2) for b in row] for row in backgrounds]
    np.testing.assert_allclose(table, expected, rtol=0.012)


def test_mean_limit_rises_without_steps_and_the_median_has_them() -> None:
    b = np.linspace(0.6, 0.8, 201)
    mean, median = (expected_limits(b, average=average) for average in ("mean", "median"))
    assert np.all(np.diff(mean) > 0)
    assert np.diff(mean).max() < 0.01
    assert np.diff(median).max() > 0.15


def test_limits_beyond_the_table_grow_like_the_error_of_the_background() -> None:
    known, uncertain = (expected_limits([1e5, 1e7], uncertainty=u) for u in (0.0, 0.1))
    assert known[1] / known[0] == pytest.approx(10.0)
    assert uncertain[1] / uncertain[0] == pytest.approx(100.0)
    # 1.645 sigma of a normal count
    assert known[0] == pytest.approx(1.645 * np.sqrt(1e5), rel=0.01)


def test_impossible_arguments_raise() -> None:
    for background in (-1.0, np.nan, np.inf):
        with pytest.raises(InputError, match="must be a number >= 0"):
            expected_limits([background])
    with pytest.raises(InputError, match="median, mean"):
        expected_limits([1.0], average="mode")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="confidence level"):
        expected_limits([1.0], cl=1.5)
