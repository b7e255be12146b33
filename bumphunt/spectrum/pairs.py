"""Several entries of one event in a spectrum: how much more its counts fluctuate than numbers of events do.

Where all candidates of an event are kept, such as the three pairings of three photons, entries come in groups. The
number of entries in a window is a sum over Poisson-distributed events of the n entries that each has there: its
variance is the sum of n^2, not of n, so that it is larger than its expectation by the overdispersion::

    f = sum n^2 / sum n = 1 + 2 P / N

with P the number of pairs of entries of one event that are both in the window, and N that of all entries there
(a compound Poisson distribution; Bohm and Zech, Nucl. Instrum. Meth. A 748 (2014) 1). Events that have one entry in a
window at most have f = 1 there, however many they have elsewhere.
"""

from __future__ import annotations

import hist
import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["overdispersion", "pair_edges", "pair_spectrum"]

Array = NDArray[np.float64]

MOST_BINS = 200
"""Most bins of either axis of the spectrum of pairs: fine ones are joined, since there are as many squared."""


def pair_edges(edges: ArrayLike) -> Array:
    """Return the edges of the bins of pairs, of those of a spectrum, shape (B + 1,) to (C + 1,) with C <= `MOST_BINS`.

    Examples
    --------
    >>> pair_edges(np.arange(1001.0))[[0, 1, -1]]
    array([   0.,    5., 1000.])
    """
    x = np.asarray(edges, dtype=np.float64)
    step = -(-(x.size - 1) // MOST_BINS)
    return np.append(x[:-1:step], x[-1])


def pair_spectrum(
    positions: Array, weights: Array, first: NDArray[np.intp], second: NDArray[np.intp], edges: ArrayLike
) -> hist.Hist:
    """Return the spectrum of the pairs of entries of one event, with an axis for either.

    Parameters
    ----------
    positions, weights
        Of all entries, shape (N,).
    first, second
        Numbers of the entries of each pair, shape (P,). A pair has the mean weight of its entries.
    edges
        Edges of the spectrum of the entries.
    """
    x = pair_edges(edges)
    axes = [hist.axis.Variable(x, name=name, flow=False) for name in ("first", "second")]
    found = hist.Hist(*axes, storage=hist.storage.Weight())
    found.fill(positions[first], positions[second], weight=0.5 * (weights[first] + weights[second]))
    return found


def overdispersion(entries: hist.Hist, pairs: hist.Hist, low: float, high: float) -> float:
    """Return the variance of the number of entries in a window over its expectation; 1 where there are none.

    Parameters
    ----------
    entries
        Spectrum of all entries.
    pairs
        Spectrum of the pairs of one event (`pair_spectrum`), at the same luminosity.
    low, high
        Ends of the window [unit of the axis]: whole bins of the pairs that it reaches count.
    """
    x = pairs.axes[0].edges
    start = min(max(int(np.searchsorted(x, low, side="right")) - 1, 0), x.size - 2)
    stop = min(max(int(np.searchsorted(x, high, side="left")), start + 1), x.size - 1)
    fine = entries.axes[0].centers
    n = float(entries.values()[(fine >= x[start]) & (fine < x[stop])].sum())
    both = float(pairs.values()[start:stop, start:stop].sum())
    return 1.0 + 2.0 * both / n if n > 0.0 else 1.0
