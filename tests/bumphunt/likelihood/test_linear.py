"""Channels: what they expect, and what they refuse."""

import numpy as np
import pytest

from bumphunt.errors import InputError
from bumphunt.likelihood.linear import Channel

GOOD = {
    "counts": np.array([3.0, 5.0]),
    "signal": np.array([0.4, 0.5]),
    "templates": np.array([[4.0, 4.0], [1.0, 0.0]]),
    "centres": np.ones(2),
    "sigmas": np.array([0.1, 0.0]),
}


def test_expectation_is_linear_in_yield_and_coefficients():
    np.testing.assert_allclose(Channel(**GOOD).expected(10.0, [2.0, 1.0]), [13.0, 13.0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"counts": np.array([3.0, -1.0])}, r"counts must not be negative or NaN, found -1.0"),
        ({"counts": np.array([3.0, np.nan])}, "counts must be finite, found nan"),
        ({"counts": np.array([3.0])}, "want"),
        ({"signal": np.zeros(2)}, "no signal falls into the 2 bins"),
        ({"signal": np.array([0.5, -0.5])}, "signal must not be negative"),
        ({"templates": np.array([[np.inf, 1.0], [1.0, 1.0]])}, "templates must be finite, found inf"),
        ({"sigmas": np.array([0.1, -0.1])}, r"sigmas must not be negative or NaN, found -0.1"),
        ({"centres": np.ones(3)}, "2 templates need as many centres"),
    ],
)
def test_bad_channels_raise_with_the_value(change, message):
    with pytest.raises(InputError, match=message):
        Channel(**{**GOOD, **change})
