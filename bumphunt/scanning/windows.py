"""Windows of a spectrum: which of its bins are looked at around a peak.

Arrays of edges in, arrays of edges out; the edges of a window are always a subset of those of the spectrum, so that
windows hold whole bins. What a window holds is cut out by `bumphunt.scanning.spectra`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import InputError

__all__ = ["bins_near", "joined_sparse", "window_edges"]

Array = NDArray[np.float64]

NEAR = 5.0
"""Half width [standard deviations] of the stretch of a spectrum in which the core of a peak is looked for."""
SPARSE = 0.5
"""Largest relative statistical error of the expected background of a bin: that of four simulated events."""


def window_edges(
    edges: ArrayLike, centre: float, sigma: float, *, half_width: float, bins_per_sigma: float | None
) -> Array:
    """Return the bin edges of a window, a subset of those of the spectrum.

    The window ``centre +- half_width sigma`` is shifted at the ends of the spectrum so that it keeps its width, and
    snapped to the nearest edges.

    Parameters
    ----------
    edges
        Edges of the spectrum, rising, shape ``(B + 1,)``.
    centre, sigma
        Of the peak, in the unit of the edges.
    half_width
        In units of sigma.
    bins_per_sigma
        Neighbouring bins are joined until there are about this many in one sigma; None keeps only the two ends.

    Returns
    -------
    ndarray
        Edges of the window, at least two, rising.

    Raises
    ------
    InputError
        If the peak is outside the spectrum, or a width is not positive.
    """
    x = np.asarray(edges, dtype=np.float64)
    if not x[0] <= centre <= x[-1]:
        msg = f"the peak at {centre} is outside the spectrum, which reaches from {x[0]} to {x[-1]}"
        raise InputError(msg)
    if not (sigma > 0.0 and half_width > 0.0 and (bins_per_sigma is None or bins_per_sigma > 0.0)):
        msg = f"resolution {sigma}, half width {half_width} and bins per sigma {bins_per_sigma} must be positive"
        raise InputError(msg)
    width = 2.0 * half_width * sigma
    low = min(max(centre - 0.5 * width, float(x[0])), max(float(x[-1]) - width, float(x[0])))
    high = min(low + width, float(x[-1]))
    n_bins = 1 if bins_per_sigma is None else max(1, round((high - low) / sigma * bins_per_sigma))
    wanted = np.linspace(low, high, n_bins + 1)
    upper = np.clip(np.searchsorted(x, wanted), 1, x.size - 1)
    nearest = np.where(wanted - x[upper - 1] < x[upper] - wanted, upper - 1, upper)
    nearest = nearest[np.append(True, np.diff(nearest) > 0)]
    if nearest.size == 1:  # narrower than a bin: that bin
        nearest = np.array([nearest[0] - 1, nearest[0]]) if nearest[0] > 0 else np.array([0, 1])
    return x[nearest]


def joined_sparse(edges: Array, background: Array, variance: Array) -> Array:
    """Return the edges without those that would close a bin whose background is known worse than `SPARSE`.

    Bins are joined from the lower end on; what is left over at the upper end goes to the last bin.

    Parameters
    ----------
    edges
        Edges of a window, shape ``(B + 1,)``.
    background, variance
        Expected background of its bins and its statistical variance, shape ``(B,)``.
    """
    kept, content, squares = [edges[0]], 0.0, 0.0
    for edge, b, v in zip(edges[1:], background, variance, strict=True):
        content, squares = content + b, squares + v
        if content > 0.0 and squares <= (SPARSE * content) ** 2:
            kept.append(edge)
            content, squares = 0.0, 0.0
    return np.array([*(kept[:-1] if len(kept) > 1 else kept), edges[-1]])


def bins_near(edges: Array, centre: float, sigma: float) -> Array:
    """Return the edges of all bins that reach within `NEAR` standard deviations of a peak.

    Parameters
    ----------
    edges
        Edges of the spectrum, rising, shape ``(B + 1,)``.
    centre, sigma
        Of the peak, which is inside, in the unit of the edges.
    """
    first = max(int(np.searchsorted(edges, centre - NEAR * sigma, side="right")) - 1, 0)
    return edges[first : int(np.searchsorted(edges, centre + NEAR * sigma)) + 1]
