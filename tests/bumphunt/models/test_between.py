"""Signals between two values of a second coordinate."""

import numpy as np
import pytest

from bumphunt.errors import InputError
from bumphunt.models.between import model_between
from bumphunt.models.signal import SignalModel
from bumphunt.spectrum.axis import MASS


def model(masses, *, sigma, efficiency):
    """A peak whose width and efficiency are the same at all masses."""
    m = np.array(masses)
    shape = [0.001, sigma, 1.5, 5.0, 0.8, 2.0]
    return SignalModel(
        masses=m,
        parameters=np.tile(shape, (m.size, 1)),
        errors=np.full((m.size, 6), 0.1 * sigma),
        efficiencies=np.full(m.size, efficiency),
        efficiency_errors=np.full(m.size, 0.01),
        support=(0.0, 10.0),
        tail="low",
        axis=MASS,
    )


ONE, OTHER = model([1.0, 2.0, 5.0], sigma=0.01, efficiency=0.2), model([0.5, 3.0, 4.0], sigma=0.04, efficiency=0.4)


def test_widths_are_geometric_and_efficiencies_arithmetic_means_in_the_middle():
    found = model_between(ONE, OTHER, 0.5)
    assert found.masses.tolist() == [1.0, 2.0, 3.0, 4.0]  # what both know
    (at,) = found.at([2.5])
    assert at.efficiency == pytest.approx(0.3)
    assert found.shape_parameters(2.5)[1] == pytest.approx(0.02)
    assert found.resolution(2.5) / ONE.resolution(2.5) == pytest.approx(2.0, rel=1e-6)


@pytest.mark.parametrize(("share", "end"), [(0.0, ONE), (1.0, OTHER)])
def test_at_the_ends_it_is_the_signal_itself(share, end):
    found = model_between(ONE, OTHER, share)
    for mass in (1.0, 2.2, 4.0):
        np.testing.assert_allclose(found.shape_parameters(mass), end.shape_parameters(mass), rtol=1e-12)
        assert found.efficiency(mass) == pytest.approx(float(end.efficiency(mass)))
        assert found.fractions(mass, [0.0, mass, 10.0]) == pytest.approx(end.fractions(mass, [0.0, mass, 10.0]))


def test_signals_without_common_masses_have_none_between_them():
    with pytest.raises(InputError, match="no masses between them in common"):
        model_between(ONE, model([6.0, 7.0], sigma=0.1, efficiency=0.1), 0.5)
