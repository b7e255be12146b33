"""Interpolations: they meet what is outside of one standard deviation, and pass through what they are given."""

import numpy as np
import pytest

from bumphunt.models.interpolation import bend, interpolated_factor, odd_and_even


@pytest.mark.parametrize("theta", [-1.0, 1.0])
def test_smooth_interpolation_meets_the_outside_with_two_derivatives(theta):
    def factor(t):
        return interpolated_factor(t, 1.2, 0.7, "smooth")

    def shift(t):
        (odd, even), (value, slope, _) = odd_and_even(0.3, 0.1), bend(t, True)
        return odd * t + even * value, odd + even * slope

    for function in (factor, shift):
        inside, outside = function(theta * (1 - 1e-9)), function(theta * (1 + 1e-9))
        np.testing.assert_allclose(inside, outside, atol=1e-7)
        step = 1e-4
        second = [(function(t + step)[1] - function(t - step)[1]) / (2 * step) for t in (theta * 0.999, theta * 1.001)]
        assert second[0] == pytest.approx(second[1], abs=0.05)


@pytest.mark.parametrize("smooth", [True, False])
def test_shift_at_one_standard_deviation_is_the_histogram_there(smooth):
    odd, even = odd_and_even(np.array([0.3, -0.2]), np.array([0.1, 0.4]))
    np.testing.assert_allclose(odd + even * bend(1.0, smooth)[0], [0.3, -0.2])
    np.testing.assert_allclose(-odd + even * bend(-1.0, smooth)[0], [0.1, 0.4])
