"""Drawing numbers near a pole, 1 / (x + offset) or its square, in compiled loops."""

from __future__ import annotations

import numpy as np

from bumphunt.compilation import njit

__all__ = ["double_pole", "double_pole_density", "pole", "pole_density"]


@njit(cache=True)
def pole(low: float, high: float, offset: float, r: float) -> float:
    """Return x between `low` and `high` with the density 1 / (x + offset), for r uniform in [0, 1)."""
    return low + (low + offset) * np.expm1(r * np.log((high + offset) / (low + offset)))


@njit(cache=True)
def pole_density(x: float, low: float, high: float, offset: float) -> float:
    """Return the density of `pole`, without regard to the limits."""
    return 1 / ((x + offset) * np.log((high + offset) / (low + offset)))


@njit(cache=True)
def double_pole(low: float, high: float, offset: float, r: float) -> float:
    """Return x between `low` and `high` with the density 1 / (x + offset)^2, for r uniform in [0, 1)."""
    a, b = 1 / (low + offset), 1 / (high + offset)
    return 1 / (a + r * (b - a)) - offset


@njit(cache=True)
def double_pole_density(x: float, low: float, high: float, offset: float) -> float:
    """Return the density of `double_pole`, without regard to the limits."""
    return 1 / ((x + offset) ** 2 * (1 / (low + offset) - 1 / (high + offset)))
