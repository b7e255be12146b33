"""Feldman-Cousins intervals for a count with a known background.

Use it where one interval is wanted that goes over from an upper limit to a two-sided interval by itself. The intervals
of this module are those of the published tables: the set of accepted signals may have gaps, which are filled, and for
a fixed count the upper end may grow with the background, which is repaired as in the paper (`feldman_cousins`).

References
----------
FC: G. J. Feldman, R. D. Cousins, Phys. Rev. D 57 (1998) 3873, arXiv:physics/9711021.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy

from bumphunt.errors import InputError
from bumphunt.inference.limits import checked_cl

__all__ = ["ConfidenceInterval", "accepted", "feldman_cousins"]

Array = NDArray[np.float64]

STEP = 0.005
"""Step of the tested signals, in units of sqrt(n + 1) events; FC section IV.B uses 0.005 events."""
PRECISION = 1e-6
"""Precision of the ends of an interval [events]."""
REACH = 9.0
"""Counts up to this many standard deviations above the tested mean are enumerated."""
BACKGROUND_REACH = 1.5
"""How far the larger backgrounds go that an upper end is compared with [events]; its jumps are about 1 event apart."""
BACKGROUND_STEPS = 30
"""Backgrounds compared in that range, before jumps between them are looked for."""
LARGEST = 500
"""Counts and backgrounds beyond this are refused: all counts are enumerated, and asymptotic intervals are as good."""
CHUNK = 200_000
"""Elements of one table of probabilities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidenceInterval:
    """A confidence interval of the mean signal of a counting experiment [events].

    Parameters
    ----------
    lower, upper
        Ends; a lower end of 0 makes it an upper limit.
    cl
        Confidence level.
    n_obs, background
        Observed count and known background.
    method
        "feldman_cousins".
    """

    lower: float
    upper: float
    cl: float
    n_obs: int
    background: float
    method: str = "feldman_cousins"


def accepted(n_obs: int, n_sig: Array, background: float, cl: float) -> NDArray[np.bool_]:
    """Return whether a count is in the acceptance region of each tested signal.

    Counts n are taken in the order of the ratio R = P(n | s + b) / P(n | s_best + b), s_best = max(0, n - b), until
    their probabilities sum to the confidence level or more.

    Parameters
    ----------
    n_obs
        The count.
    n_sig
        Tested signals [events], not negative, shape ``(N,)``.
    background
        Known background [events].
    cl
        Confidence level.

    References
    ----------
    FC section IV.A, eq. 4.1.

    Examples
    --------
    >>> accepted(0, np.array([0.95, 0.96]), 3.0, 0.9)
    array([ True, False])
    """
    mean = np.asarray(n_sig, dtype=np.float64)[:, None] + background
    top = float(mean.max())
    n = np.arange(max(n_obs, int(top + REACH * np.sqrt(top + 1.0) + 10.0)) + 1.0)
    log_p = xlogy(n, mean) - mean - gammaln(n + 1.0)
    best = np.maximum(n, background)  # s_best + b
    log_r = xlogy(n, mean) - mean - (xlogy(n, best) - best)  # ln of eq. 4.1
    own = log_r[:, n_obs][:, None]
    before = np.sum(np.exp(log_p) * (log_r > own + 1e-12), axis=1)  # probability of what is taken before n_obs
    return before < cl


def _ends(n_obs: int, background: float, cl: float) -> tuple[float, float]:
    """Return the smallest and the largest accepted signal."""
    scale = np.sqrt(n_obs + 1.0)
    width = STEP * scale
    middle = max(n_obs - background, 0.0)
    high = middle + (4.0 + 2.0 * np.log1p(1.0 / (1.0 - cl))) * scale
    low = max(middle - (high - middle), 0.0)
    tested = np.arange(low, high + width, width)
    size = max(int(CHUNK / (2.0 * (high + background) + 40.0)), 1)
    inside = np.concatenate(
        [accepted(n_obs, tested[i : i + size], background, cl) for i in range(0, tested.size, size)]
    )
    hits = np.flatnonzero(inside)
    first, last = (int(hits[0]), int(hits[-1])) if hits.size else (0, 0)
    lower = 0.0 if first == 0 else _edge(n_obs, background, cl, tested[first], tested[first - 1])
    return lower, _edge(n_obs, background, cl, tested[last], tested[last] + width)


def _edge(n_obs: int, background: float, cl: float, inside: float, outside: float) -> float:
    """Return the signal between an accepted and a refused one where acceptance ends."""
    while abs(outside - inside) > PRECISION:
        tested = np.linspace(inside, outside, 12)
        refused = np.flatnonzero(~accepted(n_obs, tested[1:-1], background, cl))
        first = int(refused[0]) + 1 if refused.size else tested.size - 1
        inside, outside = float(tested[first - 1]), float(tested[first])
    return 0.5 * (inside + outside)


def _upper_of_larger_backgrounds(n_obs: int, background: float, cl: float) -> float:
    """Return the largest upper end for the same count and a larger background: it can be just above a jump only."""
    if n_obs > background + 3.0 * np.sqrt(background + 1.0):
        return 0.0  # the upper end falls as b grows, event for event
    tested = np.linspace(background, background + BACKGROUND_REACH, BACKGROUND_STEPS + 1)
    upper = [_ends(n_obs, float(b), cl)[1] for b in tested]
    best = 0.0
    for i in np.flatnonzero(np.diff(upper) > 0.0):
        low, high, value = float(tested[i]), float(tested[i + 1]), upper[i + 1]
        while high - low > 0.01 * PRECISION / STEP:
            middle = 0.5 * (low + high)
            at_middle = _ends(n_obs, middle, cl)[1]
            low, high, value = (low, middle, at_middle) if at_middle > upper[i] else (middle, high, value)
        best = max(best, value)
    return best


def feldman_cousins(n_obs: int, background: float, *, cl: float = 0.9) -> ConfidenceInterval:
    """Return the Feldman-Cousins interval of a mean signal with known background.

    Parameters
    ----------
    n_obs
        Observed count, an integer from 0 to 500.
    background
        Known background [events], from 0 to 500.
    cl
        Confidence level.

    Returns
    -------
    ConfidenceInterval
        The hull of all accepted signals. Because counts are integers, its upper end jumps up at some larger
        backgrounds; as in the published tables it is then lengthened, so that it never rises with the background.

    Raises
    ------
    InputError
        If the count is not an integer in its range, the background outside of it, or the level not in (0, 1).

    References
    ----------
    FC section IV.B, tables II to IX.

    Examples
    --------
    >>> interval = feldman_cousins(3, 0.0)
    >>> round(interval.lower, 2), round(interval.upper, 2)
    (1.1, 7.42)
    """
    checked_cl(cl)
    if not 0 <= n_obs <= LARGEST or n_obs != int(n_obs):
        msg = f"the observed count must be an integer from 0 to {LARGEST}, got {n_obs}"
        raise InputError(msg)
    if not 0.0 <= background <= LARGEST:
        msg = f"the background must be a number from 0 to {LARGEST}, got {background}"
        raise InputError(msg)
    count = int(n_obs)
    lower, upper = _ends(count, background, cl)
    upper = max(upper, _upper_of_larger_backgrounds(count, background, cl))
    return ConfidenceInterval(lower=lower, upper=upper, cl=cl, n_obs=count, background=background)
