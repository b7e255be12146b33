"""What q0 is worth in a window with few events, where z0 is not its root: its distribution without signal, from toys.

Where the scan takes p0 from toys (`bumphunt.inference.toy_significance`), so does the whole search: q0 of the data and
of every toy are turned into p0 by one distribution a window, and z0 is that of p0. It is sampled as there: toys at the
fit without signal, and with signals on top of it that reach far into the tail, each counted with the ratio of its
probabilities without signal and as they are made.

References
----------
E. Veach, L. J. Guibas, SIGGRAPH 95, 419 (several samples: the balance heuristic).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, xlogy

from bumphunt.errors import FitError, Flag
from bumphunt.inference import asymptotics
from bumphunt.inference.roots import bracketed_root
from bumphunt.inference.toy_limits import MAX_FAILED, TIE
from bumphunt.search_wide.windows import FittedWindow, LinearWindow

__all__ = ["FewEvents", "few_events"]

Array = NDArray[np.float64]

TAILS = (0.0, 2.0, 4.0)
"""Signals that are added, by the significance that they are expected to have over a known background."""
KNOTS = 128
"""Values of sqrt(q0) between which z0 is interpolated."""
ENOUGH = 10
"""Toys beyond the last of them."""
FAINT = 1e-3
"""Background below which a signal is not distinguished from none at all [events a bin]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FewEvents:
    """z0 at values of sqrt(q0), rising, shape ``(K,)`` each: linear in between, and with slope 1 beyond the last."""

    roots: Array
    z0: Array

    def at(self, q0: Array) -> Array:
        """Return z0 of q0, NaN for NaN; 0 for a deficit."""
        root = np.sqrt(q0)
        found = np.interp(root, self.roots, self.z0) + np.maximum(root - self.roots[-1], 0.0)
        return np.asarray(np.where(q0 <= TIE, 0.0, found))


def few_events(window: LinearWindow | FittedWindow, n_toys: int, rng: np.random.Generator) -> FewEvents:
    """Return what q0 is worth in a window.

    Parameters
    ----------
    window
        The window.
    n_toys
        Toys without signal, and as many of each signal.
    rng
        For the toys.

    Raises
    ------
    FitError
        If more than 1 % of the fits failed, with the flag "toys_failed".
    """
    expected, signal = window.expected, window.signal
    means = [expected + _strength(z, expected, signal) * signal for z in TAILS]
    counts = np.concatenate([rng.poisson(mean, (n_toys, mean.size)) for mean in means]).astype(np.float64)
    normal = rng.standard_normal((counts.shape[0], window.null.size))
    q0 = window.q0(window.local(counts, normal))
    with np.errstate(divide="ignore"):
        made = logsumexp([_log_probability(counts, mean) for mean in means], axis=0) - np.log(len(means))
        weight = np.exp(_log_probability(counts, expected) - made)
    failed = np.isnan(q0) & (weight > 0.0)  # without signal the others do not occur
    if failed.mean() > MAX_FAILED:
        raise FitError(Flag.TOYS_FAILED, f"{int(failed.sum())} of {failed.size}")
    good = np.flatnonzero(np.isfinite(q0) & (weight > 0.0))
    order = good[np.argsort(q0[good])]
    q, tail = q0[order], np.cumsum(weight[order][::-1])[::-1] / (q0.size - int(failed.sum()))
    roots = np.linspace(0.0, np.sqrt(q[max(q.size - ENOUGH, 0)]) + TIE, KNOTS)
    beyond = np.searchsorted(q, roots**2 - TIE)
    p0 = np.minimum(tail[np.minimum(beyond, q.size - 1)], 1.0)
    return FewEvents(roots=roots, z0=np.maximum(asymptotics.z_score(p0), 0.0))


def _strength(z: float, expected: Array, signal: Array) -> float:
    """Return the signal that is expected to have a significance over a known background: q0 of its Asimov data."""
    if z == 0.0:
        return 0.0
    b, s = np.maximum(expected, FAINT)[signal > 0.0], signal[signal > 0.0]

    def short_of(strength: float) -> float:
        n = b + strength * s
        return z**2 - 2.0 * float(np.sum(n * np.log(n / b) - strength * s))

    return bracketed_root(short_of, 0.0, 1.0)


def _log_probability(counts: Array, mean: Array) -> Array:
    """Return the logarithm of the probability of counts ``(T, B)``, up to a constant of each, shape ``(T,)``."""
    return np.asarray(xlogy(counts, mean).sum(axis=1) - mean.sum())
