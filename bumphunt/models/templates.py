"""Signal histograms at masses between the simulated ones.

A peak moves and widens with mass. Its cumulative distributions are interpolated along the axis (quantile by
quantile), not bin contents at fixed position, which would give two peaks half as high.

References
----------
A. L. Read, Linear interpolation of histograms, NIM A425 (1999) 357.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import InputError

__all__ = ["interpolated_template"]

Array = NDArray[np.float64]


def interpolated_template(
    mass: float, masses: ArrayLike, templates: Sequence[ArrayLike] | ArrayLike, edges: ArrayLike
) -> Array:
    """Return the histogram at a mass, from those of its two simulated neighbours.

    Parameters
    ----------
    mass
        Wanted mass, in the unit of `masses`.
    masses
        Simulated masses, rising, shape ``(M,)``, M > 1.
    templates
        Expected counts at each, not negative, shape ``(M, B)``.
    edges
        Bin edges, rising, shape ``(B + 1,)``.

    Returns
    -------
    ndarray
        Counts, shape ``(B,)``; their sum (the yield) is linear between the neighbours. A simulated mass gives its own
        histogram.

    Raises
    ------
    InputError
        If the mass is outside the simulated ones, shapes disagree, edges or masses do not rise, or a histogram is
        empty, negative or not finite.

    Examples
    --------
    >>> interpolated_template(1.5, [1.0, 2.0], [[0, 4, 0, 0, 0], [0, 0, 0, 4, 0]], [0, 1, 2, 3, 4, 5])
    array([0., 0., 4., 0., 0.])
    """
    m, x, t = (np.asarray(a, dtype=np.float64) for a in (masses, edges, templates))
    if m.ndim != 1 or m.size < 2 or t.shape != (m.size, x.size - 1):
        msg = f"masses {m.shape}, templates {t.shape}, edges {x.shape}: want (M,), (M, B), (B + 1,) with M > 1"
        raise InputError(msg)
    if not np.all(np.diff(m) > 0.0) or not np.all(np.diff(x) > 0.0):
        msg = f"masses and edges must rise, got masses {m}"
        raise InputError(msg)
    if not np.all((t >= 0.0) & (t < np.inf)) or not np.all(t.sum(axis=1) > 0.0):
        msg = "templates must be finite and not negative, and none may be empty"
        raise InputError(msg)
    if not m[0] <= mass <= m[-1]:
        msg = f"mass {mass} is outside the simulated range {m[0]} to {m[-1]}"
        raise InputError(msg)
    upper = int(np.clip(np.searchsorted(m, mass), 1, m.size - 1))
    weight = (mass - m[upper - 1]) / (m[upper] - m[upper - 1])
    if weight in (0.0, 1.0):
        return t[upper - 1 + int(weight)].copy()
    low, high = (np.concatenate([[0.0], np.cumsum(h) / h.sum()]) for h in (t[upper - 1], t[upper]))
    levels = np.union1d(low, high)  # cumulative distributions are linear between these
    below = (1.0 - weight) * _quantile(levels, low, x, "right") + weight * _quantile(levels, high, x, "right")
    above = (1.0 - weight) * _quantile(levels, low, x, "left") + weight * _quantile(levels, high, x, "left")
    position, level = np.column_stack([above, below]).ravel(), np.repeat(levels, 2)
    cumulative = np.interp(x, position, level)
    cumulative[[0, -1]] = 0.0, 1.0
    total = (1.0 - weight) * t[upper - 1].sum() + weight * t[upper].sum()
    return np.diff(cumulative) * total


def _quantile(levels: Array, cumulative: Array, edges: Array, side: str) -> Array:
    """Return the quantiles of a histogram; over empty bins their left or right ends."""
    if side == "left":  # smallest x with F(x) >= level
        i = np.clip(np.searchsorted(cumulative, levels - 1e-13, side="left"), 1, edges.size - 1)
    else:  # largest x with F(x) <= level
        i = np.clip(np.searchsorted(cumulative, levels + 1e-13, side="right"), 1, edges.size - 1)
    step = cumulative[i] - cumulative[i - 1]
    fraction = np.divide(
        levels - cumulative[i - 1], step, out=np.full(levels.size, float(side == "right")), where=step > 1e-13
    )
    return np.asarray(edges[i - 1] + np.clip(fraction, 0.0, 1.0) * (edges[i] - edges[i - 1]))
