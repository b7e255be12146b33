"""Bands along another axis of a spectrum, against the normal distribution."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from bumphunt.errors import InputError
from bumphunt.scanning.bands import Band, band, band_between

EDGES = np.linspace(0.0, 10.0, 1001)
MASSES = (1.0, 3.0)


def peak(centre, width):
    return np.diff(norm.cdf(EDGES, centre, width))


@pytest.fixture
def tilted() -> Band:
    """A peak that moves and widens with the mass of the first axis."""
    return band(MASSES, EDGES, [peak(4.0, 0.1), peak(5.0, 0.3)])


def test_centre_and_resolution_are_those_of_the_events(tilted):
    np.testing.assert_allclose(tilted.centres, [4.0, 5.0], atol=1e-4)
    np.testing.assert_allclose(tilted.widths, [0.1, 0.3], rtol=1e-3)
    assert tilted.at(2.0) == pytest.approx((4.5, 0.2), rel=1e-3)


@pytest.mark.parametrize("mass", [1.0, 1.7, 2.0, 3.0])
def test_fraction_between_masses_is_that_of_the_shape_in_units_of_the_resolution(tilted, mass):
    window = tilted.window(mass, 2.0)
    centre, width = 3.5 + 0.5 * mass, 0.1 * mass
    np.testing.assert_allclose(EDGES[list(window)], centre + np.array([-2, 2]) * width, atol=0.0051)
    expected = np.diff(norm.cdf(EDGES[list(window)], centre, width))[0]
    assert tilted.fraction(mass, window) == pytest.approx(expected, abs=1e-3)


def test_a_band_narrower_than_a_bin_is_that_bin():
    one = band([1.0], EDGES, [peak(4.003, 0.02)])
    assert one.window(1.0, 0.01) == (400, 401)


@pytest.mark.parametrize(
    ("contents", "says"),
    [
        ([np.zeros(1000), peak(5.0, 0.3)], "no simulated event of 1 GeV is on the axis"),
        ([peak(4.0, 0.1), peak(5.0, 0.001)], "are wider than the resolution at 3 GeV"),
    ],
)
def test_what_says_nothing_of_a_band_is_refused(contents, says):
    with pytest.raises(InputError, match=says):
        band(MASSES, EDGES, contents)


def test_masses_must_rise(tilted):
    with pytest.raises(InputError, match="rising order"):
        band(MASSES[::-1], EDGES, [peak(4.0, 0.1), peak(5.0, 0.3)])


def test_a_peak_beside_the_axis_has_no_band(tilted):
    away = replace(tilted, centres=tilted.centres + 9.0)
    with pytest.raises(InputError, match="outside the axis"):
        away.window(1.0, 2.0)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_between_two_values_position_and_resolution_are_on_a_line_and_the_shape_stays(share):
    """On a squared axis, where the position of a mass is on no line: centres are beside it."""
    one, other = (band([2.0], EDGES, [peak(m**2 + 0.05, width)]) for m, width in ((1.5, 0.1), (2.5, 0.2)))
    mass = 1.5 + share
    found = band_between(one, other, share, (1.5**2, 2.5**2, mass**2))
    width = 0.1 + 0.1 * share
    assert found.at(2.0) == pytest.approx((mass**2 + 0.05, width), rel=1e-3)
    window = found.window(2.0, 1.5)
    expected = np.diff(norm.cdf(EDGES[list(window)], mass**2 + 0.05, width))[0]
    assert found.fraction(2.0, window) == pytest.approx(expected, abs=3e-3)
