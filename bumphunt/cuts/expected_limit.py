"""Expected upper limits of counting experiments as a function of the background: what a figure of merit divides by.

========================= =====================================================================
median_limit              exact limit at the median count: what is quoted, with steps
mean_limit                exact limit, averaged over the counts: no steps
expected_limits           either, for many backgrounds at once, from a table
========================= =====================================================================

The count is an integer, so for a small background the median limit is a staircase: 2.30 events (90 %) up to B = 0.69,
where the median count becomes 1, then 3.40, and so on. A cut that is chosen by it likes to stay just below a step. The
average limit, which Feldman and Cousins call the sensitivity, is smooth.

References
----------
G. J. Feldman, R. D. Cousins, Phys. Rev. D 57 (1998) 3873, section VI (sensitivity).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaincc, ndtr, ndtri

from bumphunt.errors import InputError, unknown_name
from bumphunt.inference.counts.distribution import CountingModel, background_nodes, probability_at_most, quantile
from bumphunt.inference.settings import checked_cl

__all__ = ["Average", "expected_limits", "mean_limit", "median_limit"]

Array = NDArray[np.float64]
Average = Literal["median", "mean"]

SMALLEST = 1e-3
"""Below this background [events] the limit is that of no background: it differs by less than 0.1 %."""
STEPS = (0.5, 100.0)
"""Backgrounds [events] between which the median limit has steps of more than 1 %."""
LARGEST = 1e5
"""Largest background of the table [events]; beyond it limits go on like the statistics, or the uncertainty, tell."""
FINE, COARSE = 1.01, 1.3
"""Ratios of neighbouring backgrounds of the table, where there are steps and elsewhere."""
MANY = 15.0
"""Backgrounds above this have their average over counts taken at `QUANTILES`."""
NEGLIGIBLE = 1e-4
"""Probability of the counts on either side that the average leaves out."""
HALVINGS = 40
"""Steps of the bisection for a limit: a part in 10^12 of its bracket."""
QUANTILES = ndtr(np.linspace(-2.4, 2.4, 9))
"""Probabilities of the counts that stand for all of them; weights are those of a normal variable."""


def median_limit(background: float, *, cl: float = 0.9, uncertainty: float = 0.0) -> float:
    """Return the CLs limit [events] at the median count without signal.

    Parameters
    ----------
    background
        Expected background [events], not negative.
    cl
        Confidence level.
    uncertainty
        Relative uncertainty of the background (gamma distribution).

    Raises
    ------
    InputError
        If a number is negative or not finite, or the confidence level is not in (0, 1).

    Examples
    --------
    >>> round(median_limit(0.69), 3), round(median_limit(0.70), 3)
    (2.303, 3.401)
    """
    model = _model(background, uncertainty)
    return float(_limits(np.array([quantile(0.5, model)]), model, checked_cl(cl))[0])


def mean_limit(background: float, *, cl: float = 0.9, uncertainty: float = 0.0) -> float:
    """Return the CLs limit [events] averaged over the counts without signal; arguments and errors as `median_limit`.

    Examples
    --------
    >>> round(mean_limit(0.0), 3), round(mean_limit(0.69), 3)
    (2.303, 3.098)
    """
    model = _model(background, uncertainty)
    if background <= MANY:
        low = max(quantile(NEGLIGIBLE, model) - 1, 0)
        counts = np.arange(low, quantile(1.0 - NEGLIGIBLE, model) + 1)
        weights = np.diff(probability_at_most(counts, 0.0, model), prepend=0.0)
    else:
        counts = np.array([quantile(float(p), model) for p in QUANTILES])
        weights = np.exp(-0.5 * ndtri(QUANTILES) ** 2)
    return float(_limits(counts, model, checked_cl(cl)) @ weights / weights.sum())


def _model(background: float, uncertainty: float) -> CountingModel:
    """Return the counting model of a background with a relative uncertainty."""
    return CountingModel(background=background, background_sigma=uncertainty * background)


def _limits(counts: NDArray[np.int64], model: CountingModel, cl: float) -> Array:
    """Return CLs limits for counts [events], in their shape, as `counting_limit` does one by one."""
    n = counts[:, np.newaxis] + 1.0
    b, weights = background_nodes(model)
    level = (1.0 - cl) * (gammaincc(n, b) @ weights)  # sum_k<=n Poisson(mean) = Q(n + 1, mean)
    low, high = np.zeros(counts.size), 2.0 * counts + 10.0 * np.sqrt(counts + 1.0)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        above = gammaincc(n, middle[:, np.newaxis] + b) @ weights > level
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return (low + high) / 2


def expected_limits(
    background: ArrayLike, *, average: Average = "median", cl: float = 0.9, uncertainty: float = 0.0
) -> Array:
    """Return expected limits [events] for many backgrounds, in their shape, from a table.

    The table is made once for each `average`, `cl` and `uncertainty`, which takes a second. Between its backgrounds
    the limit is a power of the background. Where there are steps they are 1 % apart: a step is that wide.

    Parameters
    ----------
    background
        Expected backgrounds [events], not negative, any shape.
    average
        ``median`` or ``mean`` over the counts.
    cl, uncertainty
        As for `median_limit`.

    Raises
    ------
    InputError
        As for `median_limit`, and if there is no such average.

    Examples
    --------
    >>> expected_limits([0.0, 3.0], average="mean").round(2)
    array([2.3 , 4.55])
    """
    b = np.asarray(background, dtype=np.float64)
    if not np.all((b >= 0) & (b < np.inf)):
        msg = f"background = {b[~((b >= 0) & (b < np.inf))].flat[0]}; it must be a number >= 0"
        raise InputError(msg)
    if average not in ("median", "mean"):
        raise InputError(unknown_name("average =", average, ("median", "mean")))
    known, limits = _table(average, checked_cl(cl), uncertainty)
    scale = np.maximum(b / LARGEST, 1.0)
    growth = scale if uncertainty > 0 else np.sqrt(scale)
    return np.asarray(np.exp(np.interp(np.log(np.maximum(b, SMALLEST)), np.log(known), np.log(limits))) * growth)


@lru_cache(maxsize=16)
def _table(average: Average, cl: float, uncertainty: float) -> tuple[Array, Array]:
    """Return backgrounds and their expected limits."""
    first, last = STEPS
    middle = FINE if average == "median" else COARSE
    known = np.concatenate(
        [
            _geometric(SMALLEST, first, COARSE),
            _geometric(first, last, middle)[1:],
            _geometric(last, LARGEST, COARSE)[1:],
        ]
    )
    limit = median_limit if average == "median" else mean_limit
    return known, np.array([limit(float(b), cl=cl, uncertainty=uncertainty) for b in known])


def _geometric(low: float, high: float, ratio: float) -> Array:
    """Return a geometric sequence whose neighbours are no further apart than `ratio`."""
    return np.geomspace(low, high, int(np.ceil(np.log(high / low) / np.log(ratio))) + 1)
