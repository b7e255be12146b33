"""Complete spectra: what is expected without signal in all bins of all regions.

Nobody fits a complete spectrum: each window has a background of its own. What is expected in a bin is the mean of the
fits without signal of all windows that look at it, weighted towards the middle of each (`Blend`): a smooth curve
through the data, in which a narrow excess is spread over the width of the windows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Blend", "Expectation", "Place", "Spectrum", "joined", "spread"]

Array = NDArray[np.float64]
Cuts = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a window lies: the number of its spectrum, and the numbers of its edges there, shape ``(B + 1,)``."""

    spectrum: int
    cuts: Cuts


@dataclass(frozen=True, slots=True, kw_only=True)
class Spectrum:
    """What toys of one spectrum are drawn from.

    Parameters
    ----------
    name
        Of the region.
    edges
        Shape ``(B + 1,)``, in the unit of the axis.
    expected
        Events without signal in each bin, shape ``(B,)``.
    simulated
        Of each family of auxiliary counts (the simulated events of a region, say) how many stand behind each bin, shape
        ``(B,)``: they fluctuate with the data, and stay what they are where there are none.
    moved
        Relative change of the expectation at one standard deviation by sources that are averaged over, shape ``(B,)``.
    variances
        Variance of the expectation, averaged over too, shape ``(B,)``.
    """

    name: str
    edges: Array
    expected: Array
    simulated: Mapping[str, Array]
    moved: Mapping[str, Array]
    variances: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What toys of a search are drawn from: its spectra, and the names of what the windows share beside them.

    Each of `normal` is the centre of a normal constraint or a source that is averaged over, each of `counted` a count
    of a control region: one number a toy for all windows.
    """

    spectra: tuple[Spectrum, ...]
    normal: tuple[str, ...]
    counted: tuple[str, ...]


def spread(values: Array, cuts: Cuts, density: Array) -> Array:
    """Return contents of a window's bins shared out to the bins of the spectrum, in proportion to a density.

    Parameters
    ----------
    values
        Contents of the window's bins, shape ``(B,)``.
    cuts
        Numbers of the window's edges in the spectrum, shape ``(B + 1,)``.
    density
        Of the bins of the spectrum, not negative, shape ``(N,)``; equal shares where it is 0.

    Examples
    --------
    >>> spread(np.array([6.0, 4.0]), np.array([0, 2, 4]), np.array([1.0, 2.0, 0.0, 0.0]))
    array([2., 4., 2., 2.])
    """
    inside, bins = density[cuts[0] : cuts[-1]], np.diff(cuts)
    total = np.repeat(np.add.reduceat(inside, cuts[:-1] - cuts[0]), bins)
    share = np.divide(inside, total, out=1.0 / np.repeat(bins, bins), where=total > 0.0)
    return np.asarray(np.repeat(values, bins) * share)


def joined(sums: NDArray[Any], cuts: Cuts) -> NDArray[Any]:
    """Return contents of a window's bins from cumulative sums, ``(..., N + 1)`` to ``(..., B)``."""
    at = np.take(sums, cuts, axis=-1)  # in the order of the sums, as indexing is not
    return at[..., 1:] - at[..., :-1]


class Blend:
    """Means over the windows that look at each bin of a spectrum, weighted towards the middle of each window.

    Parameters
    ----------
    n_bins
        Of the spectrum.
    """

    def __init__(self, n_bins: int) -> None:
        self._weights, self._sums = np.zeros(n_bins), np.zeros(n_bins)

    def add(self, cuts: Cuts, values: Array) -> None:
        """Add a window's contents of the bins of the spectrum, shape ``(cuts[-1] - cuts[0],)``."""
        n = values.size
        weight = np.minimum(np.arange(1, n + 1), np.arange(n, 0, -1)) / n
        self._weights[cuts[0] : cuts[-1]] += weight
        self._sums[cuts[0] : cuts[-1]] += weight * values

    @property
    def mean(self) -> Array:
        """The means, 0 where no window looks."""
        return np.divide(self._sums, self._weights, out=np.zeros_like(self._sums), where=self._weights > 0.0)
