"""A smooth curve through the spectrum of a simulated background.

Use it where a background is huge and smooth: no simulation has as many events as the data, and what an expectation has
of its scatter a fit would take for peaks. The curve is the exponential of a cubic spline, fitted to the weighted events
of all bins by the Poisson likelihood. It is an assumption, that nothing is narrower than the distance of its knots, and
`Smoothed.chi2` says whether the simulation contradicts it. Peaks belong to samples that are not smoothed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import BSpline

from bumphunt.errors import FitError, Flag, InputError

__all__ = ["Smoothed", "smooth_spectrum"]

Array = NDArray[np.float64]

DEGREE = 3
"""Of the spline."""
MOST_STEPS = 100
"""Largest number of Newton steps."""
TOLERANCE = 1e-8
"""Change of the coefficients at which they are found, relative to one."""
ENOUGH = 25.0
"""Events, or what weighs like them, in each of the joined bins that chi^2 is taken from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoothed:
    """What `smooth_spectrum` returns."""

    expected: Array
    """The curve in each bin [events], shape (B,)."""
    error: Array
    """Its standard deviation, from the number of simulated events, shape (B,); common to neighbouring bins."""
    variance: Array
    """Variance of each bin for uses that take bins for independent, shape (B,): so large that the sum over the bins of
    a knot has the variance of the curve, but not larger than that of the simulated events without the curve."""
    chi2: float
    """Of the simulated events in joined bins against the curve."""
    degrees_of_freedom: int
    """Joined bins less coefficients."""


def smooth_spectrum(
    sum_w: ArrayLike,
    sum_w2: ArrayLike,
    edges: ArrayLike,
    *,
    low: float,
    high: float,
    knots: int,
    scale: float,
) -> Smoothed:
    """Return the smooth curve through a spectrum of weighted events.

    A bin counts as sum_w / f Poisson events with the weight f = sum w^2 / sum w of its surroundings, those of a knot: a
    weight of each bin's own would favour bins that happen to be low.

    Parameters
    ----------
    sum_w, sum_w2
        Sums of weights and of their squares in the bins, shape (B,).
    edges
        Edges of the bins, shape (B + 1,), rising.
    low, high
        Where the curve is wanted [unit of the edges]: bins inside are smoothed, the others are returned as they are.
        Cuts that end the spectrum belong outside.
    knots
        Number of intervals of the spline, equal in ln(x + scale).
    scale
        Where the axis of the knots turns from linear to logarithmic [unit of the edges], above -low.

    Raises
    ------
    InputError
        If shapes do not match, sums are negative, the range is empty, or there are fewer bins with events than
        coefficients.
    FitError
        If the likelihood has no maximum: a stretch without events is longer than a knot.

    References
    ----------
    G. Bohm, G. Zech, Nucl. Instrum. Meth. A 748 (2014) 1: weighted events as scaled Poisson numbers.
    P. H. C. Eilers, B. D. Marx, Statist. Sci. 11 (1996) 89: Poisson regression on B-splines.

    Examples
    --------
    >>> edges = np.linspace(0, 10, 101)
    >>> counts = 1000 * np.exp(-edges[:-1] / 5)
    >>> fit = smooth_spectrum(counts, counts, edges, low=0.0, high=10.0, knots=5, scale=1.0)
    >>> bool(np.allclose(fit.expected, counts, rtol=0.01))
    True
    """
    n, n2, x = _checked(sum_w, sum_w2, edges)
    inside = (x[:-1] >= low) & (x[1:] <= high)
    if knots < 1 or not low + scale > 0 or np.count_nonzero(n[inside]) <= knots + DEGREE:
        msg = (
            f"{np.count_nonzero(n[inside])} bins with events between {low} and {high} for {knots} knots and the scale "
            f"{scale}; want more bins than coefficients, knots + {DEGREE}, and a scale above -low"
        )
        raise InputError(msg)
    counts, squares = n[inside], n2[inside]
    place = np.log(0.5 * (x[1:] + x[:-1])[inside] + scale)
    cells = np.linspace(place[0], place[-1], knots + 1)
    which = np.clip(np.searchsorted(cells, place, side="right") - 1, 0, knots - 1)
    weight = _mean_weight(counts, squares, which, place, cells)
    padded = np.concatenate([np.full(DEGREE, cells[0]), cells, np.full(DEGREE, cells[-1])])
    basis = BSpline.design_matrix(place, padded, DEGREE).toarray()
    width = np.diff(x)[inside]
    exposure = width / weight
    coefficients, covariance = _maximum(counts / weight, basis, exposure)
    curve = width * np.exp(basis @ coefficients)
    relative = np.sqrt(np.einsum("bi,ij,bj->b", basis, covariance, basis))
    expected, error, variance = n.copy(), np.sqrt(n2), n2.copy()
    expected[inside], error[inside] = curve, curve * relative
    bins = np.bincount(which, minlength=knots)[which]
    variance[inside] = np.minimum(bins * (curve * relative) ** 2, curve * weight)
    chi2, joined = _chi2(counts, curve, weight)
    return Smoothed(
        expected=expected, error=error, variance=variance, chi2=chi2, degrees_of_freedom=joined - basis.shape[1]
    )


def _checked(sum_w: ArrayLike, sum_w2: ArrayLike, edges: ArrayLike) -> tuple[Array, Array, Array]:
    """Return the input as arrays, or raise an InputError."""
    n, n2, x = (np.asarray(values, dtype=np.float64) for values in (sum_w, sum_w2, edges))
    if n.shape != n2.shape or x.shape != (n.size + 1,) or not np.all(np.diff(x) > 0):
        msg = f"sums {n.shape}, {n2.shape} and edges {x.shape}; B bins have B + 1 rising edges"
        raise InputError(msg)
    if np.any(~((n >= 0) & (n2 >= 0))):
        msg = f"sums of weights must not be negative, found {min(n.min(), n2.min())}"
        raise InputError(msg)
    return n, n2, x


def _mean_weight(counts: Array, squares: Array, which: NDArray[np.intp], place: Array, cells: Array) -> Array:
    """Return sum w^2 / sum w of the cells of the knots, linear between their middles, in each bin."""
    total = np.bincount(which, counts, minlength=cells.size - 1)
    if np.any(total <= 0):
        empty = int(np.argmin(total))
        ends = f"{np.exp(cells[empty]):.4g} and {np.exp(cells[empty + 1]):.4g}"
        raise FitError(Flag.FIT_SINGULAR, f"no events between two knots, {ends} less the scale")
    mean = np.bincount(which, squares, minlength=cells.size - 1) / total
    return np.asarray(np.interp(place, 0.5 * (cells[1:] + cells[:-1]), mean))


def _maximum(events: Array, basis: Array, exposure: Array) -> tuple[Array, Array]:
    """Return coefficients c that maximise sum n ln(mu) - mu, mu = exposure exp(basis c), and their covariance."""
    c = np.full(basis.shape[1], np.log(events.sum() / exposure.sum()))
    value = -np.inf
    for _ in range(MOST_STEPS):
        log_density = basis @ c
        mu = exposure * np.exp(log_density)
        information = (basis * mu[:, np.newaxis]).T @ basis
        step = np.linalg.solve(information + 1e-12 * np.trace(information) * np.eye(c.size), basis.T @ (events - mu))
        value = float(np.sum(events * log_density - mu))
        # the likelihood is concave: a shorter step always helps
        length = 1.0
        while length > 1e-6 and _likelihood(c + length * step, events, basis, exposure) < value:
            length /= 2
        c = c + length * step
        if np.max(np.abs(length * step)) < TOLERANCE:
            return c, np.linalg.pinv(information)
    raise FitError(Flag.FIT_NOT_CONVERGED, f"the spline did not converge in {MOST_STEPS} steps; use fewer knots")


def _likelihood(c: Array, events: Array, basis: Array, exposure: Array) -> float:
    """Return the logarithm of the likelihood, up to a constant; -inf where it overflows."""
    log_density = basis @ c
    if np.max(log_density) > 700:
        return -np.inf
    return float(np.sum(events * log_density - exposure * np.exp(log_density)))


def _chi2(counts: Array, curve: Array, weight: Array) -> tuple[float, int]:
    """Return chi^2 of bins joined until the curve has `ENOUGH` events in each, and their number."""
    worth = np.cumsum(curve / weight)
    group = np.minimum((worth / ENOUGH).astype(np.int64), max(int(worth[-1] / ENOUGH) - 1, 0))
    found, expected, variance = (np.bincount(group, values) for values in (counts, curve, curve * weight))
    used = expected > 0
    return float(np.sum((found - expected)[used] ** 2 / variance[used])), int(np.count_nonzero(used))
