"""The background in the core of the signal: whether asymptotic formulae hold.

The distributions of q0 and q~mu that CCGV derive are those of large samples, and what has to be large is the
background under the peak. `core_background` counts it, `low_counts` judges it: below the threshold the method "auto"
takes toys, and what rests on formulae has the flag "low_counts". Both are decided by this one number.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.inference.asymptotics import ASYMPTOTIC_FROM

__all__ = ["core_background", "low_counts"]

Array = NDArray[np.float64]

CORE_DENSITY = float(np.exp(-2.0))
"""Least density of the signal in its core, in units of the largest: that of a normal peak at 2 standard deviations."""
LEAST_SHARE = 0.0455
"""Regions with less of the signal have no core: it is what a normal peak has outside of two standard deviations."""


def core_background(signals: Sequence[ArrayLike], expected: Sequence[ArrayLike], edges: Sequence[ArrayLike]) -> float:
    """Return the expected background in the core of the signal, in all regions together [events].

    The core of a peak, whatever its tails, are the bins with at least a seventh of its largest density: those within
    two standard deviations of a normal peak. Bins that control regions add have no signal, and are not in it.

    Parameters
    ----------
    signals
        Signal in each bin of each region, in one unit for all, shape ``(B_r,)``.
    expected
        Expected background there [events], shape ``(B_r,)``.
    edges
        Bin edges of each region, in any unit, shape ``(B_r + 1,)``.

    Examples
    --------
    >>> core_background([[0.01, 0.98, 0.01]], [[8.0, 9.0, 10.0]], [[0.0, 1.0, 2.0, 3.0]])
    9.0
    """
    shares = [float(np.sum(signal)) for signal in signals]
    total = 0.0
    for share, signal, background, x in zip(shares, signals, expected, edges, strict=True):
        if share >= LEAST_SHARE * sum(shares):
            density = np.asarray(signal, dtype=np.float64) / np.diff(np.asarray(x, dtype=np.float64))
            inside = density >= CORE_DENSITY * (1.0 - 1e-12) * density.max()
            total += float(np.asarray(background, dtype=np.float64)[inside].sum())
    return total


def low_counts(core: float, threshold: float = ASYMPTOTIC_FROM) -> bool:
    """Return whether there is too little background in the core for asymptotic formulae.

    Parameters
    ----------
    core
        Expected background in the core of the signal [events]; NaN if it is not known, because the fit without signal
        failed: the status of that fit then says that nothing is to be trusted.
    threshold
        Expected background from which on the formulae hold [events].

    Examples
    --------
    >>> low_counts(3.0), low_counts(30.0), low_counts(float("nan"))
    (True, False, False)
    """
    return core < threshold
