"""Roots of decreasing functions: limits, ends of intervals, quantiles.

==================  =============================================================================================
one equation        `bracketed_root`: SciPy's TOMS 748, for functions that cost a fit or an integral
many, with slopes   `newton_roots`: Newton's method inside brackets, all side by side
==================  =============================================================================================

`scipy.optimize.elementwise` solves many equations too, without their slopes: for the limits of a scan it takes twice
as many steps, each of which is a fit, and for one equation its set-up takes longer than the root.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import toms748

from bumphunt.errors import FitError, Flag

__all__ = ["bracketed_root", "newton_roots"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

RELATIVE_TOLERANCE = 1e-8
"""Relative precision of a single root."""
MAX_DOUBLINGS = 60
"""How often the upper end of a bracket is doubled before a root is said not to exist."""
MAX_ROUNDS = 100
"""Steps of Newton's method before a root is said not to exist: sixty doublings would overflow no yield; four are usual.
"""
LAST_STEP = 1e-6
"""Relative step of Newton's method that is the last one: the next would be about its square."""
NARROW = 1e-13
"""Relative width of a bracket that cannot be halved."""


def bracketed_root(function: Callable[[float], float], low: float, step: float) -> float:
    """Return the root of a decreasing function above `low`, by TOMS 748.

    Parameters
    ----------
    function
        Positive at `low`, decreasing to negative values.
    low
        Lower end of the bracket.
    step
        First distance to the upper end; doubled until the function is negative there.

    Raises
    ------
    FitError
        With the flag "no_root", if the function is not positive at `low`, is NaN, or stays positive for 60 doublings.
    """
    at_low = function(low)
    if at_low == 0.0:
        return low
    if not at_low > 0.0:
        raise FitError(Flag.NO_ROOT, f"above {low}: the function is {at_low} there, positive is needed")
    left, right = low, low + step
    for _ in range(MAX_DOUBLINGS):
        value = function(right)
        if np.isnan(value):
            raise FitError(Flag.NO_ROOT, f"the function is NaN at {right}")
        if value <= 0.0:
            return float(toms748(function, left, right, xtol=1e-12 * max(1.0, right), rtol=RELATIVE_TOLERANCE))
        left, right = right, low + 2.0 * (right - low)
    raise FitError(Flag.NO_ROOT, f"none below {right}")


def newton_roots(
    functions: Callable[[Array, Mask], tuple[Array, Array, Mask]], first: Array, low: Array, wanted: Mask
) -> tuple[Array, Mask]:
    """Return the roots of many decreasing functions, and which of them were found, shape ``(N, R)`` each.

    Parameters
    ----------
    functions
        Gives values and slopes at one point of each function, and which rows are to be given up, shape ``(N,)``. Only
        the functions of its second argument need to be evaluated.
    first
        Where to begin, > 0, shape ``(N, R)``.
    low
        Points below the roots, not negative, shape ``(N, R)``.
    wanted
        Which roots are wanted, shape ``(N, R)``.

    Notes
    -----
    Where a step of Newton's method leaves the bracket, or the function has not halved, the bracket is halved, or the
    point doubled as long as there is no upper end.
    """
    x, low, high, active = first, low, np.full_like(first, np.inf), wanted.copy()
    before = np.full_like(first, np.inf)
    for _ in range(MAX_ROUNDS):
        if not active.any():
            break
        value, slope, lost = functions(x, active)
        active = active & ~lost[:, None]
        with np.errstate(all="ignore"):  # rows that are given up hold NaN; so do brackets without an upper end
            low, high = np.where(active & (value > 0.0), x, low), np.where(active & (value <= 0.0), x, high)
            following = x - value / slope
            good = (following > low) & (following < high)
            good &= (np.abs(value) < 0.5 * np.abs(before)) | np.isinf(high)
            following = np.where(good, following, np.where(np.isinf(high), 2.0 * x, 0.5 * (low + high)))
            done = good & (np.abs(following - x) <= LAST_STEP * following)
            done |= np.isfinite(high) & (high - low <= NARROW * high)
            done |= value == 0.0
            following = np.where(value == 0.0, x, following)
        before = np.where(active, value, before)
        x, active = np.where(active, following, x), active & ~done
        wanted = wanted & ~lost[:, None]
    return x, wanted & ~active
