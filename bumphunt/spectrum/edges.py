"""Edges of the bins of a spectrum: equal, logarithmic, or as many in a resolution wherever that is.

Windows of a scan hold whole bins, so that a spectrum needs several in a resolution. Over a wide range the resolution
changes, and equal bins that are fine enough at its lower end are far too many at its upper one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import InputError

__all__ = ["logarithmic_edges", "resolution_edges"]

Array = NDArray[np.float64]

POINTS = 20_001
"""Points of the integral of the number of bins."""
ROUNDING = 1e-6
"""Relative error of that integral: so much more than a whole number of bins is none."""
MOST_BINS = 1_000_000
"""More bins than this are a mistake of a unit."""


def logarithmic_edges(low: float, high: float, bins: int) -> Array:
    """Return the edges of bins that are equal in the logarithm, shape ``(bins + 1,)``.

    Raises
    ------
    InputError
        If not 0 < low < high, or there is no bin.

    Examples
    --------
    >>> logarithmic_edges(1.0, 100.0, 2)
    array([  1.,  10., 100.])
    """
    if not 0.0 < low < high or bins < 1:
        msg = f"logarithmic bins need 0 < low < high and at least one bin, got {low} to {high}, {bins} bins"
        raise InputError(msg)
    edges = np.geomspace(low, high, bins + 1)
    edges[0], edges[-1] = low, high
    return edges


def resolution_edges(low: float, high: float, resolution: Callable[[Array], Array], per_resolution: float) -> Array:
    """Return edges whose bins are the local resolution over `per_resolution`, shape ``(B + 1,)``.

    Parameters
    ----------
    low, high
        Ends [unit of the axis].
    resolution
        Function from positions on the axis, shape ``(N,)``, to the resolution there, positive.
    per_resolution
        Bins in one resolution, at least.

    Raises
    ------
    InputError
        If the range is empty, a number is not positive, or there would be more than a million bins.

    Examples
    --------
    >>> resolution_edges(1.0, 8.0, lambda x: x * np.log(2.0), 1.0).round(3)
    array([1., 2., 4., 8.])
    """
    if not low < high or not per_resolution > 0.0:
        msg = f"bins from {low} to {high}, {per_resolution} in a resolution: want low < high, and a positive number"
        raise InputError(msg)
    x = np.linspace(low, high, POINTS) if low <= 0.0 else np.geomspace(low, high, POINTS)
    x[0], x[-1] = low, high
    sigma = np.asarray(resolution(x), dtype=np.float64)
    if not np.all((sigma > 0.0) & (sigma < np.inf)):
        bad = int(np.argmin((sigma > 0.0) & (sigma < np.inf)))
        msg = f"the resolution at {x[bad]:g} is {sigma[bad]}: it must be positive to make bins of"
        raise InputError(msg)
    # the number of bins below x is the integral of their density, by the trapezoidal rule
    density = per_resolution / sigma
    below = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(x))])
    bins = max(1, int(np.ceil(below[-1] * (1.0 - ROUNDING))))
    if bins > MOST_BINS:
        msg = f"{bins} bins from {low:g} to {high:g}: is the resolution, from {sigma.min():g}, in the unit of the axis?"
        raise InputError(msg)
    edges = np.interp(np.linspace(0.0, below[-1], bins + 1), below, x)
    edges[0], edges[-1] = low, high
    return edges
