"""What an uncertainty does between and beyond one standard deviation up and down, compiled.

A log-normal factor is up^theta and down^-theta outside -1 to 1; a histogram is shifted by odd theta + even g(theta),
with g = 8 abs(theta) outside. Inside both go on ("piecewise"), with a kink at 0, or are polynomials that meet the
outside with two derivatives ("smooth").

References
----------
HistFactory: K. Cranmer et al., CERN-OPEN-2012-016, section 4.1 (interpolation codes 0, 1, 4 and 4p).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bumphunt.compilation import njit

__all__ = ["Interpolation", "bend", "clip", "interpolated_factor", "odd_and_even", "power_factor", "power_values"]

Array = NDArray[np.float64]

Interpolation = Literal["piecewise", "smooth"]
"""Between -1 and +1 sigma: a "smooth" polynomial of order six (the default of ROOT and pyhf, codes 4 and 4p), or
"piecewise" exponential or linear, with a kink at 0 (codes 1 and 0) that minimisers may stumble over."""

LARGEST_EXPONENT = 700.0
"""Exponent of a factor beyond which it no longer grows: exp overflows at 709."""


def interpolated_factor(theta: float, up: float, down: float, interpolation: Interpolation) -> tuple[float, float]:
    """Return the factor of a log-normal uncertainty at theta, and its derivative.

    Parameters
    ----------
    theta
        In standard deviations.
    up, down
        Factors at +1 and -1, positive.
    interpolation
        What to do between them; outside it is up^theta and down^-theta.

    Examples
    --------
    >>> round(interpolated_factor(-2.0, 1.1, 0.8, "smooth")[0], 6)
    0.64
    """
    value, slope, _ = power_factor(theta, interpolation == "smooth", power_values(up, down))
    return float(value), float(slope)


@lru_cache(maxsize=1024)
def power_values(up: float, down: float) -> Array:
    """Return ln up, -ln down, and the coefficients of the smooth polynomial, shape ``(9,)``.

    It meets up^theta and down^-theta at +-1 with two derivatives.
    """
    k = np.arange(1.0, 7.0)
    rows = [k**0, (-1.0) ** k, k, k * (-1.0) ** (k - 1), k * (k - 1), k * (k - 1) * (-1.0) ** k]
    log_up, log_down = np.log(up), np.log(down)
    wanted = [up - 1, down - 1, up * log_up, -down * log_down, up * log_up**2, down * log_down**2]
    return np.concatenate([[log_up, -log_down, 1.0], np.linalg.solve(np.array(rows), np.array(wanted))])


def odd_and_even(up: Array, down: Array) -> tuple[Array, Array]:
    """Return the odd and even part of a shape variation: the shift is odd theta + even g(theta), g(+-1) = 8.

    Parameters
    ----------
    up, down
        Differences to the nominal histogram at +1 and -1, shape ``(B,)``.
    """
    return 0.5 * (up - down), (up + down) / 16.0


@njit(cache=True, error_model="numpy")
def power_factor(theta, smooth, values):  # type: ignore[no-untyped-def]
    """Return a log-normal factor and two derivatives at theta; values from `power_values`."""
    if smooth and abs(theta) < 1.0:
        value, slope, curved = values[8], 0.0, 0.0
        for k in range(7, 1, -1):
            curved = curved * theta + 2.0 * slope
            slope = slope * theta + value
            value = value * theta + values[k]
        return value, slope, curved
    log = values[0] if theta >= 0.0 else values[1]
    value = math.exp(min(theta * log, LARGEST_EXPONENT))
    return value, value * log, value * log * log


@njit(cache=True, error_model="numpy")
def bend(theta, smooth):  # type: ignore[no-untyped-def]
    """Return the even function g of a shift, 8 |theta| outside -1 to 1, and two derivatives."""
    if smooth and abs(theta) < 1.0:
        square = theta * theta
        value = square * (15.0 + square * (-10.0 + 3.0 * square))
        slope = theta * (30.0 + square * (-40.0 + 18.0 * square))
        return value, slope, 30.0 + square * (-120.0 + 90.0 * square)
    return (8.0 * theta, 8.0, 0.0) if theta >= 0.0 else (-8.0 * theta, -8.0, 0.0)


@njit(cache=True, error_model="numpy")
def clip(x, width):  # type: ignore[no-untyped-def]
    """Return max(x, 0), rounded off within a width around 0, and two derivatives.

    Rounded off it is (x + sqrt(x^2 + 4 width^2)) / 2, which is positive everywhere (Chen and Harker, Kanzow, Smale).
    """
    if width == 0.0:
        return (x, 1.0, 0.0) if x >= 0.0 else (0.0, 0.0, 0.0)
    root = math.sqrt(x * x + 4.0 * width * width)
    value = 0.5 * (x + root) if x >= 0.0 else 2.0 * width * width / (root - x)
    return value, value / root, 2.0 * width * width / (root * root * root)
