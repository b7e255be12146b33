"""Where fits start: with expected counts that are positive wherever they can be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["first_strength", "lifted"]

Array = NDArray[np.float64]

LIFT = 0.1
"""Fraction of the nominal expectation that a raised start has at least in each bin."""


def first_strength(expected: Array, signal: Array, counts: Array, otherwise: float = 0.0) -> float:
    """Return the signal strength to start with: positive if there are bins where only signal is expected.

    Parameters
    ----------
    expected
        Expected counts at the other parameters, shape ``(B,)``.
    signal
        Their derivatives in the strength, shape ``(B,)``.
    counts
        Of the data to fit, shape ``(B,)``, or of N data sets that start together, shape ``(N, B)``.
    otherwise
        The strength where something else is expected in all bins of the signal.

    Examples
    --------
    >>> first_strength(np.array([3.0, 0.0]), np.array([0.2, 0.8]), np.array([4.0, 7.0]))
    7.0
    """
    alone = (expected <= 0.0) & (signal > 0.0)
    if not alone.any():
        return otherwise
    return max(1.0, float(np.max(counts[..., alone].sum(axis=-1), initial=0.0)))


def lifted(theta: Array, rising: Array, columns: Array) -> Array:
    """Return parameters whose expected counts are positive: what may rise is raised where they are not.

    It is added in its nominal proportions, until each expected count has a tenth of them.

    Parameters
    ----------
    theta
        Parameters of L fits, shape ``(..., L, P)``.
    rising
        Nominal values of the parameters that may rise, 0 for the others, shape ``(..., P)``.
    columns
        Expected counts per unit of each parameter, shape ``(..., P, B)``.
    """
    unit, nu = rising[..., None, :] @ columns, theta @ columns
    lacking = (nu <= 0.0) & (unit > 0.0)
    more = np.where(lacking, LIFT - np.divide(nu, unit, out=np.zeros_like(nu), where=lacking), 0.0).max(axis=-1)
    return np.asarray(theta + more[..., None] * rising[..., None, :])
