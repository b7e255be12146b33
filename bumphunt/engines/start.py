"""Where fits start: with expected counts that are positive wherever they can be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bumphunt.likelihood.flat import KINKED
from bumphunt.likelihood.likelihood import Likelihood

__all__ = ["faded", "first_strength", "lifted", "possible", "signal_like"]

Array = NDArray[np.float64]

LIFT = 0.1
"""Fraction of the nominal expectation that a raised start has at least in each bin."""
FADED = 1e-4
"""Expectation without signal, in units of the counts, from which a fit does not find back: its slopes are as small."""


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


FEW = 100.0
"""Counts up to which those that lie like signal tell where the strength may be: beside them a background may fade."""


def faded(model: Likelihood, theta: Array, counts: Array) -> bool:
    """Return whether an exponential background has faded away where there are counts: no place to start from.

    Parameters
    ----------
    model
        The likelihood.
    theta
        Parameters, shape ``(P,)``.
    counts
        In the bins of regions, shape ``(B,)``, or about what may be there.
    """
    if not model.flat.exponential:
        return False
    without = model.expected(np.where(np.arange(theta.size) == 0, 0.0, theta))[: counts.size]
    return bool(np.any(without < FADED * counts))


def signal_like(model: Likelihood, theta: Array, counts: Array) -> Array:
    """Return about how many of few counts look like signal, shape ``(N,)``: each with the signal there, over its most.

    Of many counts most are background, which has its own start: there it is 0.

    Parameters
    ----------
    model
        The likelihood.
    theta
        Parameters of the signal, shape ``(P,)``.
    counts
        Of N data sets, shape ``(N, B)``.
    """
    signal = model.expected_and_slopes(theta)[1][0]
    few = counts.sum(axis=1) <= FEW
    return np.where(few, counts @ (signal / signal.max()), 0.0)


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


def possible(model: Likelihood, theta: Array, *, strength_free: bool) -> Array:
    """Return parameters at which counts are expected wherever there can be any.

    Where nothing is expected but would be at other values of a free parameter (only a spurious signal reaches a bin, or
    only one side of a shape variation), that parameter is moved by a tenth of its unit.

    Parameters
    ----------
    model
        The likelihood.
    theta
        Parameters to start from, shape ``(P,)``.
    strength_free
        Whether the first of them is fitted.
    """
    moved, tried = np.array(theta), model.held.copy()
    tried[0] |= not strength_free
    nu, slopes = model.expected_and_slopes(moved)
    lacking = int(np.sum(nu <= 0.0))
    while lacking > 0:
        reached = np.where(tried, 0, np.count_nonzero(slopes[:, nu <= 0.0], axis=1) + model.flat.parameters[:, KINKED])
        p = int(np.argmax(reached))
        if reached[p] == 0:
            break
        tried[p] = True
        for side in (LIFT, -LIFT):
            there = moved + side * (np.arange(moved.size) == p)
            now = model.expected(there)
            if np.sum(now <= 0.0) < lacking:
                moved, lacking = there, int(np.sum(now <= 0.0))
                nu, slopes = model.expected_and_slopes(moved)
                break
    return moved
