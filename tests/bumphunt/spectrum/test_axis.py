"""Mass axes against closed forms."""

import numpy as np
import pytest

from bumphunt.errors import InputError
from bumphunt.spectrum.axis import MASS, SQUARED, MassAxis, ascending_edges, reduced

MUONS = reduced(0.21132)
MASSES = np.array([0.21132, 0.2114, 0.5, 3.0, 10.0])


@pytest.mark.parametrize("axis", [SQUARED, MASS, MUONS])
def test_mass_is_the_inverse_of_position(axis):
    np.testing.assert_allclose(axis.mass(axis.position(MASSES)), MASSES, rtol=1e-12)


def test_positions_are_those_of_the_definitions():
    np.testing.assert_allclose(SQUARED.position(MASSES), MASSES**2)
    np.testing.assert_allclose(MASS.position(MASSES), MASSES)
    np.testing.assert_allclose(reduced(3.0).position([2.0, 3.0, 5.0]), [0.0, 0.0, 4.0])


@pytest.mark.parametrize("axis", [SQUARED, MASS, MUONS])
def test_slope_is_the_difference_quotient(axis):
    m, h = MASSES[1:], 1e-7
    quotient = (axis.position(m + h) - axis.position(m - h)) / (2.0 * h)
    np.testing.assert_allclose(axis.slope(m), quotient, rtol=1e-5)


def test_slope_is_infinite_at_a_threshold():
    assert MUONS.slope(0.21132) == np.inf


def test_only_a_squared_mass_has_a_negative_root():
    np.testing.assert_allclose(SQUARED.signed_mass([-4.0, 0.0, 9.0]), [-2.0, 0.0, 3.0])
    np.testing.assert_allclose(SQUARED.mass([-4.0, 9.0]), [0.0, 3.0])
    np.testing.assert_allclose(reduced(3.0).signed_mass([0.0, 4.0]), [3.0, 5.0])


def test_units_and_labels_name_the_axis():
    assert (SQUARED.unit, MASS.unit, MUONS.unit) == ("GeV^2", "GeV", "GeV")
    assert MassAxis(kind="squared", symbol="M_X").label == "$M_X^2$ [GeV$^2$]"
    assert MassAxis(kind="mass", symbol="M_X").label == "$M_X$ [GeV]"


@pytest.mark.parametrize(
    "values", [{"kind": "cubed"}, {"kind": "mass", "threshold": 1.0}, {"kind": "reduced", "threshold": -1.0}]
)
def test_impossible_axes_raise(values):
    with pytest.raises(InputError, match=str(next(reversed(values.values())))):
        MassAxis(**values)


@pytest.mark.parametrize("edges", [[0.0], [0.0, 0.0], [1.0, 0.0], [0.0, np.nan], [0.0, np.inf], [[0.0, 1.0]]])
def test_bad_edges_raise(edges):
    with pytest.raises(InputError, match="strictly ascending"):
        ascending_edges(edges)
