"""Peaks: their densities integrate to their cumulative distributions, which agree with scipy."""

import numpy as np
import pytest
from scipy import integrate, stats

from bumphunt.errors import InputError
from bumphunt.models import shapes
from bumphunt.models.peaks import (
    Peak,
    breit_wigner,
    crystal_ball,
    crystal_ball_gaussian,
    gaussian,
    two_sided_crystal_ball,
    voigt,
)

PEAKS = {
    "gaussian": gaussian(5.0, 0.3),
    "ball": crystal_ball(5.0, 0.3, 1.2, 3.0),
    "mirrored": crystal_ball(5.0, 0.3, 1.2, 3.0, tail="high"),
    "two": two_sided_crystal_ball(5.0, 0.3, (1.0, 2.5), (1.8, 4.0)),
    "sum": crystal_ball_gaussian((5.0, 0.3, 1.0, 2.0, 0.7, 1.8), (2.0, 9.0)),
    "voigt": voigt(5.0, 0.3, 0.2),
    "relativistic": breit_wigner(5.0, 0.3, 0.7),
}


@pytest.mark.parametrize("name", PEAKS)
@pytest.mark.parametrize(("shift", "stretch"), [(0.0, 1.0), (0.2, 1.3)])
def test_bins_hold_integrals_of_the_density(name, shift, stretch):
    edges = np.array([3.0, 4.2, 4.9, 5.0, 5.2, 6.5, 8.0])
    got = PEAKS[name].fractions(edges, shift=shift, stretch=stretch)
    for b in range(edges.size - 1):
        ends = edges[b], edges[b + 1]
        want = integrate.quad(lambda x: PEAKS[name].pdf(x, shift=shift, stretch=stretch), *ends, points=[5.0 + shift])[
            0
        ]
        assert got[b] == pytest.approx(want, abs=1e-9)


def test_two_sided_ball_halves_are_those_of_scipy():
    x, (low, high) = np.linspace(-6.0, 6.0, 121), ((0.9, 2.2), (1.7, 5.0))
    got = shapes.two_sided_crystal_ball_pdf(x, 0.0, 1.0, low, high)
    left, right = stats.crystalball(*low).pdf(x), stats.crystalball(*high).pdf(-x)
    want = np.where(x < 0, left / stats.crystalball(*low).pdf(0.0), right / stats.crystalball(*high).pdf(0.0))
    np.testing.assert_allclose(got / got[60], want, rtol=1e-9)
    assert shapes.two_sided_crystal_ball_cdf(1e12, 0.0, 1.0, low, high) == pytest.approx(1.0)
    assert shapes.two_sided_crystal_ball_cdf(-1e12, 0.0, 1.0, low, high) == pytest.approx(0.0, abs=1e-9)


def test_equal_tails_are_symmetric():
    x = np.linspace(0.0, 8.0, 50)
    tail = (1.1, 2.0)
    low, high = (shapes.two_sided_crystal_ball_cdf(s * x, 0.0, 1.0, tail, tail) for s in (-1, 1))
    np.testing.assert_allclose(low + high, 1.0, rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gaussian(5.0, 0.0), "must be positive, got 0.0"),
        (lambda: gaussian(np.nan, 1.0), "finite parameters"),
        (lambda: Peak(family="landau", parameters=(1.0, 1.0)), "unknown peak 'landau'"),
        (lambda: voigt(1.0, 0.1, -0.2), "natural width >= 0, got 0.1 and -0.2"),
        (lambda: voigt(1.0, 0.0, 0.2), "must be positive, got 0.0"),
        (lambda: breit_wigner(0.0, 0.1, 0.2), "a mass and a width > 0, got 0.0"),
        (lambda: breit_wigner(1.0, 0.1, 0.0), "a mass and a width > 0, got 1.0 and 0.0"),
        (lambda: crystal_ball(0.0, 1.0, 1.0, 0.9), "n > 1, got 0.9"),
        (lambda: two_sided_crystal_ball(0.0, 1.0, (1.0, 2.0), (1.0, 1.0)), "n > 1, got 1.0"),
        (lambda: crystal_ball_gaussian((0.0, 1.0, 1.0, 2.0, 0.5, 2.0), (3.0, 1.0)), "support"),
    ],
)
def test_bad_peaks_raise_with_the_value(call, message):
    with pytest.raises(InputError, match=message):
        call()
