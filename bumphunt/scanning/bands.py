"""Bands: what a hypothesis sees of a spectrum along another axis than the one in which a peak is fitted or counted.

The signal of two masses has a peak in two observables. Along the second, the band of a hypothesis is centred on its
peak and some resolutions wide; what is in it is a spectrum of the first. With counts, window and band are a box that
follows the resolution along either axis. Position, resolution and the fraction in a band are those of simulated events,
between simulated masses interpolated in units of the resolution, so that no shape needs to be known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import InputError

__all__ = ["Band", "band", "band_between"]

Array = NDArray[np.float64]

CORE = (0.158655, 0.5, 0.841345)
"""Quantiles whose distance is two standard deviations of a Gaussian, and the median."""
LEAST_BINS = 1.0
"""Fewest bins in a resolution: with fewer it is that of the bins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Where the peaks of a signal are along an axis.

    Parameters
    ----------
    masses
        Simulated masses of the first axis [GeV], rising, shape ``(M,)``.
    edges
        Bin edges along this axis [its unit], shape ``(B + 1,)``.
    below
        Fraction of the simulated events below each edge, shape ``(M, B + 1)``, from 0 to 1.
    centres, widths
        Median and resolution (half of the central 68.3 %) of the simulated events, shape ``(M,)``.

    Raises
    ------
    InputError
        If masses do not rise.
    """

    masses: Array
    edges: Array
    below: Array
    centres: Array
    widths: Array

    def __post_init__(self) -> None:
        if self.masses.size < 1 or not np.all(np.diff(self.masses) > 0.0):
            msg = f"a band needs at least one mass, and several in rising order, got {self.masses}"
            raise InputError(msg)

    def at(self, mass: float) -> tuple[float, float]:
        """Return centre and resolution at a mass [GeV], linear between the simulated ones."""
        return float(np.interp(mass, self.masses, self.centres)), float(np.interp(mass, self.masses, self.widths))

    def window(self, mass: float, half_width: float) -> tuple[int, int]:
        """Return the bins that a hypothesis sees: the first, and the one behind the last; at least one.

        Parameters
        ----------
        mass
            Mass of the first axis [GeV].
        half_width
            Of the band, in units of the resolution.

        Raises
        ------
        InputError
            If its peak is outside the axis.
        """
        centre, width = self.at(mass)
        if not self.edges[0] <= centre <= self.edges[-1]:
            msg = f"the peak at {centre:g} is outside the axis of the band, {self.edges[0]:g} to {self.edges[-1]:g}"
            raise InputError(msg)
        ends = (centre - half_width * width, centre + half_width * width)
        first, stop = (int(np.argmin(np.abs(self.edges - end))) for end in ends)
        if first == stop:  # narrower than a bin: the one that the peak is in
            first = min(int(np.searchsorted(self.edges, centre, side="right")) - 1, self.edges.size - 2)
            stop = first + 1
        return first, stop

    def fraction(self, mass: float, window: tuple[int, int]) -> float:
        """Return the fraction of the signal of a mass [GeV] in some bins (`window`)."""
        centre, width = self.at(mass)
        return float(np.diff(self.below_at(mass, (self.edges[list(window)] - centre) / width))[0])

    def below_at(self, mass: float, distances: Array) -> Array:
        """Return the fraction of the signal of a mass [GeV] that is below some distances from its centre.

        Parameters
        ----------
        mass
            The mass; beyond the simulated ones that of the nearest.
        distances
            In units of the resolution, shape (N,).
        """
        known = np.array(
            [
                np.interp(c + distances * w, self.edges, below)
                for c, w, below in zip(self.centres, self.widths, self.below, strict=True)
            ]
        )
        return np.array([np.interp(mass, self.masses, column) for column in known.T])


def band(masses: Sequence[float], edges: ArrayLike, contents: ArrayLike) -> Band:
    """Return where the peaks of a signal are along an axis, from its simulated events.

    Parameters
    ----------
    masses
        Simulated masses of the first axis [GeV], rising, M of them.
    edges
        Bin edges along this axis, shape ``(B + 1,)``.
    contents
        Simulated events in them, shape ``(M, B)``; not negative.

    Raises
    ------
    InputError
        If there are no events at a mass, or the bins are wider than the resolution.

    Examples
    --------
    >>> x = np.linspace(-5.0, 5.0, 201)
    >>> gaussian = np.exp(-0.5 * (0.5 * (x[1:] + x[:-1])) ** 2)
    >>> one = band([4.0], x, [gaussian])
    >>> round(float(one.widths[0]), 3), round(one.fraction(4.0, one.window(4.0, 2.0)), 2)
    (1.0, 0.95)
    """
    x, events = np.asarray(edges, dtype=np.float64), np.asarray(contents, dtype=np.float64)
    below = np.concatenate([np.zeros((len(masses), 1)), np.cumsum(np.maximum(events, 0.0), axis=1)], axis=1)
    for mass, total in zip(masses, below[:, -1], strict=True):
        if not total > 0.0:
            msg = f"no simulated event of {mass:g} GeV is on the axis, {x[0]:g} to {x[-1]:g}"
            raise InputError(msg)
    below /= below[:, -1:]
    low, centres, high = np.array([np.interp(CORE, b, x) for b in below]).T
    widths = 0.5 * (high - low)
    for mass, centre, width in zip(masses, centres, widths, strict=True):
        bin_width = float(np.diff(x)[np.clip(np.searchsorted(x, centre) - 1, 0, x.size - 2)])
        if width < LEAST_BINS * bin_width:
            msg = f"bins of {bin_width:g} are wider than the resolution at {mass:g} GeV, {width:.3g}: want finer ones"
            raise InputError(msg)
    return Band(masses=np.array(masses, dtype=np.float64), edges=x, below=below, centres=centres, widths=widths)


def band_between(one: Band, other: Band, share: float, positions: tuple[float, float, float]) -> Band:
    """Return the band between those of two values of the coordinate that is the mass of its peak.

    Parameters
    ----------
    one, other
        The bands, with the same edges.
    share
        How far the value is from that of `one` to that of `other`, in [0, 1].
    positions
        Where a peak of the first, the other, and the value in between is on the axis: centres are beside these.
    """
    masses = np.union1d(one.masses, other.masses)
    at_one, at_other, here = positions
    below, centres, widths = [], [], []
    for mass in masses.tolist():
        (c_one, w_one), (c_other, w_other) = one.at(mass), other.at(mass)
        centre = here + (1.0 - share) * (c_one - at_one) + share * (c_other - at_other)
        width = (1.0 - share) * w_one + share * w_other
        distances = (one.edges - centre) / width
        below.append((1.0 - share) * one.below_at(mass, distances) + share * other.below_at(mass, distances))
        centres.append(centre)
        widths.append(width)
    return Band(
        masses=masses, edges=one.edges, below=np.array(below), centres=np.array(centres), widths=np.array(widths)
    )
