"""A signal that is said gives what its functions say, in the shapes of the table of peaks."""

import numpy as np
import pytest
from scipy.stats import crystalball, norm

from bumphunt.errors import InputError
from bumphunt.models.given_signal import GivenSignal
from bumphunt.models.peaks import TAILS
from bumphunt.spectrum.axis import SQUARED, reduced

MASSES = np.linspace(1.0, 5.0, 41)


def given(**how):
    family = how.get("family", "gaussian")
    tails = how.pop("tails", np.ones((MASSES.size, len(TAILS.get(family, ())))))
    return GivenSignal(masses=MASSES, resolutions=0.02 * MASSES, efficiencies=0.9 - 0.1 * MASSES, tails=tails, **how)


def test_values_between_the_masses_are_those_of_the_functions():
    masses = np.array([1.0, 2.345, 5.0])
    np.testing.assert_allclose(given().mass_resolution(masses), 0.02 * masses, rtol=1e-12)
    np.testing.assert_allclose(given().efficiency(masses), 0.9 - 0.1 * masses, rtol=1e-12)
    assert given().efficiency_error(masses).tolist() == [0.0, 0.0, 0.0]


def test_gaussian_and_crystal_ball_are_those_of_scipy():
    edges = np.linspace(2.0, 4.0, 11)
    expected = np.diff(norm.cdf(edges, 3.0, 0.06))
    np.testing.assert_allclose(given().fractions(3.0, edges), expected, atol=1e-12)
    tails = np.tile([1.5, 4.0], (MASSES.size, 1))
    ball = given(family="crystal_ball", tails=tails).fractions(3.0, edges)
    np.testing.assert_allclose(ball, np.diff(crystalball.cdf(edges, 1.5, 4.0, 3.0, 0.06)), atol=1e-10)
    high = given(family="crystal_ball", tails=tails, tail="high").fractions(3.0, edges)
    np.testing.assert_allclose(high, ball[::-1], atol=1e-12)


@pytest.mark.parametrize("axis", [SQUARED, reduced(0.5)])
def test_width_on_another_axis_is_that_in_mass_times_its_slope(axis):
    at = given(axis=axis).at([3.0])[0]
    step = 1e-6
    slope = (axis.position(3.0 + step) - axis.position(3.0 - step)) / (2 * step)
    assert at.sigma == pytest.approx(0.06 * slope, rel=1e-6)
    assert at.position == float(axis.position(3.0))
    assert at.mass_resolution == pytest.approx(0.06)


def test_every_family_of_the_table_can_be_said():
    for family in TAILS:
        usual = {"fraction": 0.7, "ratio": 1.5, "width": 0.01}
        tails = np.tile([usual.get(name, 1.5) for name in TAILS[family]], (MASSES.size, 1))
        peak = given(family=family, tails=tails)
        assert 0.5 < peak.fractions(3.0, [2.9, 3.1]).sum() < 1.0


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"family": "gauss"}, "unknown peak 'gauss'"),
        ({"family": "crystal_ball", "tails": np.empty((41, 0))}, "want resolutions and efficiencies"),
        ({"family": "crystal_ball", "tails": -np.ones((41, 2))}, "at 1 GeV: a Crystal Ball tail begins"),
    ],
)
def test_signal_that_makes_no_sense_is_refused(how, says):
    with pytest.raises(InputError, match=says):
        given(**({"tails": np.empty((41, 0))} | how))


def test_negative_resolution_and_too_large_efficiency_say_where():
    values = {"masses": MASSES, "efficiencies": MASSES / 9, "tails": np.empty((41, 0))}
    with pytest.raises(InputError, match="got -1 at 1 GeV"):
        GivenSignal(resolutions=MASSES - 2.0, **values)
    with pytest.raises(InputError, match="between 0 and 1"):
        GivenSignal(resolutions=MASSES, **values | {"efficiencies": MASSES})


def test_mass_outside_is_refused():
    with pytest.raises(InputError, match="outside the signal's range"):
        given().resolution(5.1)
