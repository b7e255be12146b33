"""Smooth curves through simulated spectra, on toys of a known curve, and against scipy's minimiser."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from numpy.typing import NDArray

from bumphunt.errors import FitError, InputError
from bumphunt.spectrum.smooth import smooth_spectrum

Array = NDArray[np.float64]
EDGES = np.linspace(0.0, 10.0, 1001)
MIDDLE = 0.5 * (EDGES[1:] + EDGES[:-1])
TRUE = 2e4 * np.diff(EDGES) * (1.0 / (MIDDLE + 0.3) + 0.002 * np.exp(MIDDLE))
"""A falling and a rising part, as in photon events [events]."""


def weighted(rng: np.random.Generator, *, mean: float = 20.0, expected: Array = TRUE) -> tuple[Array, Array]:
    """Return sums of weights and of squared weights: exponential weights whose mean doubles over the spectrum."""
    local = mean * (1 + MIDDLE / 10)
    number = rng.poisson(expected / local)
    which = np.repeat(np.arange(MIDDLE.size), number)
    weight = local[which] * rng.exponential(size=which.size)
    return np.bincount(which, weight, minlength=MIDDLE.size), np.bincount(which, weight**2, minlength=MIDDLE.size)


def smooth(sums: tuple[Array, Array], *, low: float = 0.0, high: float = 10.0, knots: int = 10):
    return smooth_spectrum(*sums, EDGES, low=low, high=high, knots=knots, scale=0.3)


def test_curve_has_no_bias_and_the_error_it_says() -> None:
    rng = np.random.default_rng(1)
    fits = [smooth(weighted(rng)) for _ in range(60)]
    ratio = np.array([fit.expected / TRUE for fit in fits])
    error = np.array([fit.error / TRUE for fit in fits])
    for place in (5, 50, 200, 500, 900):
        mean, spread = ratio[:, place].mean(), ratio[:, place].std(ddof=1)
        assert mean == pytest.approx(1.0, abs=3.5 * spread / np.sqrt(60) + 0.002)
        assert spread == pytest.approx(error[:, place].mean(), rel=0.3)
    # far smaller than the scatter of a bin
    assert np.median(error) < 0.15 * np.median(1 / np.sqrt(TRUE / 40))


def test_variances_of_independent_bins_cover_the_scatter_of_windows() -> None:
    """Sums over windows of bins scatter with the curve; their summed variances must not say less."""
    rng = np.random.default_rng(9)
    fits = [smooth(weighted(rng)) for _ in range(60)]
    for first, bins in ((100, 40), (300, 100), (600, 200)):
        window = slice(first, first + bins)
        spread = np.std([fit.expected[window].sum() for fit in fits], ddof=1)
        said = np.sqrt(np.mean([fit.variance[window].sum() for fit in fits]))
        raw = np.sqrt(np.mean([weighted(rng)[1][window].sum() for _ in range(10)]))
        assert spread < 1.2 * said
        assert said < 1.1 * raw


def test_chi2_has_its_degrees_of_freedom() -> None:
    rng = np.random.default_rng(2)
    fits = [smooth(weighted(rng)) for _ in range(40)]
    per_degree = np.array([fit.chi2 / fit.degrees_of_freedom for fit in fits])
    assert per_degree.mean() == pytest.approx(1.0, abs=0.05)


def test_chi2_tells_a_peak_and_too_few_knots() -> None:
    rng = np.random.default_rng(3)
    peak = 10_000 * scipy.stats.norm.pdf(MIDDLE, 4.0, 0.05) * np.diff(EDGES)
    for fit in (smooth(weighted(rng, expected=TRUE + peak)), smooth(weighted(rng), knots=1)):
        assert fit.chi2 > fit.degrees_of_freedom + 5 * np.sqrt(2 * fit.degrees_of_freedom)


def test_one_interval_is_the_exponential_of_a_cubic() -> None:
    rng = np.random.default_rng(4)
    counts = rng.poisson(TRUE).astype(float)
    found = smooth_spectrum(counts, counts, EDGES, low=0.0, high=10.0, knots=1, scale=0.3)
    place = np.log(MIDDLE + 0.3)
    basis = np.polynomial.legendre.legvander(2 * (place - place[0]) / (place[-1] - place[0]) - 1, 3)

    def cost(c: Array) -> float:
        return float(np.sum(np.exp(basis @ c) - counts * (basis @ c)))

    start = np.array([np.log(counts.mean()), 0.0, 0.0, 0.0])
    best = scipy.optimize.minimize(cost, start, jac=lambda c: basis.T @ (np.exp(basis @ c) - counts), method="BFGS")
    np.testing.assert_allclose(found.expected, np.exp(basis @ best.x), rtol=1e-4)
    # the maximum of a Poisson likelihood with a free normalisation has the number of events
    assert found.expected.sum() == pytest.approx(counts.sum(), rel=1e-9)


def test_bins_outside_stay_as_they_are() -> None:
    sums = weighted(np.random.default_rng(5))
    fit = smooth(sums, low=1.0, high=8.0)
    outside = (MIDDLE < 1.0) | (MIDDLE > 8.0)
    np.testing.assert_array_equal(fit.expected[outside], sums[0][outside])
    np.testing.assert_array_equal(fit.error[outside], np.sqrt(sums[1][outside]))
    assert not np.any(fit.expected[~outside] == sums[0][~outside])


def test_unit_of_the_weights_does_not_matter() -> None:
    sums = weighted(np.random.default_rng(6))
    fit, scaled = smooth(sums), smooth((1e-3 * sums[0], 1e-6 * sums[1]))
    np.testing.assert_allclose(scaled.expected, 1e-3 * fit.expected, rtol=1e-6)
    assert scaled.chi2 == pytest.approx(fit.chi2)


def test_stretch_without_events_raises() -> None:
    sums = weighted(np.random.default_rng(7))
    empty = (MIDDLE > 3.0) & (MIDDLE < 8.0)
    with pytest.raises(FitError, match="no events between two knots"):
        smooth((np.where(empty, 0.0, sums[0]), np.where(empty, 0.0, sums[1])))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"edges": EDGES[:-1]}, "B bins have B \\+ 1 rising edges"),
        ({"edges": EDGES[::-1]}, "rising edges"),
        ({"sum_w": -TRUE}, "must not be negative"),
        ({"knots": 0}, "for 0 knots"),
        ({"knots": 998}, "want more bins than coefficients"),
        ({"scale": -0.1}, "a scale above -low"),
        ({"low": 20.0, "high": 30.0}, "0 bins with events"),
    ],
)
def test_wrong_input_raises(change: dict[str, object], message: str) -> None:
    given = {"sum_w": TRUE, "sum_w2": TRUE, "edges": EDGES, "low": 0.0, "high": 10.0, "knots": 5, "scale": 0.3}
    with pytest.raises(InputError, match=message):
        smooth_spectrum(**(given | change))
