"""Global p-values: fractions of toys, with their binomial intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest

__all__ = ["GlobalP0", "global_p0"]

COVERAGE = 0.6827
"""Of binomial intervals: one standard deviation."""
TIE = 1e-9
"""Difference of significances that is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalP0:
    """A global p-value: the fraction of toys, its binomial interval, and how many toys are beyond.

    Without any toy beyond, `p0` is 0 and `high` is all that is known.
    """

    p0: float
    low: float
    high: float
    beyond: int


def global_p0(largest: ArrayLike, z0: float) -> GlobalP0:
    """Return the global p-value of a local significance, from the largest ones of toys.

    Parameters
    ----------
    largest
        The largest significance of each toy, shape ``(N,)``.
    z0
        That of the data.

    References
    ----------
    C. J. Clopper, E. S. Pearson, Biometrika 26 (1934) 404 (the interval).

    Examples
    --------
    >>> found = global_p0([1.0, 2.0, 3.0, 4.0], 2.5)
    >>> found.p0, found.beyond, round(found.low, 3), round(found.high, 3)
    (0.5, 2, 0.185, 0.815)
    """
    values = np.asarray(largest, dtype=np.float64)
    beyond = int(np.sum(values >= z0 - TIE))
    interval = binomtest(beyond, values.size).proportion_ci(COVERAGE, method="exact")
    return GlobalP0(p0=beyond / values.size, low=float(interval.low), high=float(interval.high), beyond=beyond)
