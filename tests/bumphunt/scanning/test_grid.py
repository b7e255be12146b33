"""Mass grids: steps on every axis, several signals, excluded masses."""

import numpy as np
import pytest

from bumphunt.errors import InputError
from bumphunt.models.signal import SignalModel
from bumphunt.scanning.grid import mass_grid
from bumphunt.spectrum.axis import MASS, SQUARED, MassAxis, reduced


def model(axis: MassAxis, low: float, high: float, sigma: float) -> SignalModel:
    masses = np.linspace(low, high, 8)
    return SignalModel(
        masses=masses,
        parameters=np.tile([0.0, sigma, 5.0, 3.0, 1.0, 1.0], (8, 1)),
        errors=np.zeros((8, 6)),
        efficiencies=np.full(8, 0.1),
        efficiency_errors=np.zeros(8),
        support=(0.0, 110.0),
        axis=axis,
    )


@pytest.mark.parametrize("axis", [SQUARED, MASS, reduced(0.2)])
def test_steps_are_half_a_resolution_on_the_axis(axis):
    grid = mass_grid(0.2, 3.0, model(axis, 0.2, 3.0, 0.01))
    np.testing.assert_allclose(np.diff(axis.position(grid)), 0.005, rtol=1e-8)
    assert grid[0] == 0.2
    assert float(axis.position(3.0) - axis.position(grid[-1])) < 0.005


def test_excluded_masses_are_left_out_and_the_grid_goes_on_at_their_end():
    signal = model(MASS, 0.2, 3.0, 0.01)
    grid = mass_grid(1.0, 2.0, signal, excluded=[(1.3, 1.4), (1.35, 1.5), (0.9, 1.1), (1.9, 2.5)])
    assert not np.any((grid >= 1.3) & (grid < 1.5))
    assert grid[0] == 1.1
    assert 1.5 in grid
    assert 1.89 < grid[-1] < 1.9
    after = grid[grid >= 1.5]
    np.testing.assert_allclose(after, 1.5 + 0.005 * np.arange(after.size))


def test_the_best_resolution_of_several_signals_counts_where_they_are_known():
    fine, coarse = model(MASS, 1.0, 2.0, 0.01), model(reduced(0.2), 0.5, 3.0, 0.1)
    grid = mass_grid(0.5, 3.0, [fine, coarse])
    steps = np.diff(grid)
    np.testing.assert_allclose(steps[(grid[:-1] > 1.0) & (grid[:-1] < 1.99)], 0.005)
    slope = reduced(0.2).slope(2.5)
    assert steps[np.searchsorted(grid, 2.5)] == pytest.approx(0.05 / float(slope), rel=1e-2)


@pytest.mark.parametrize(
    ("excluded", "message"), [([(2.0, 1.0)], "end before they begin"), ([(0.5, 3.0)], "leave nothing of 1.0 to 2.0")]
)
def test_impossible_exclusions_raise(excluded, message):
    with pytest.raises(InputError, match=message):
        mass_grid(1.0, 2.0, model(MASS, 0.2, 3.0, 0.01), excluded=excluded)
