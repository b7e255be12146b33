"""The BumpHunter: counts in windows of every width against a fixed reference, with its global p-value by toys.

Use it for a spectrum whose background is known and a signal whose width is not: nothing is fitted. Of all windows the
one is taken whose count is the least probable, if it is an excess, and how often toys of the reference have one that is
as improbable is the global p-value. It says that there is a bump; for its yield, or a limit, describe a signal.

References
----------
G. Choudalakis, arXiv:1101.0390 (the BumpHunter: its statistic is -ln of the smallest p-value).
CDF: T. Aaltonen et al., Phys. Rev. D79 (2009) 011101, arXiv:0809.3781 (section IV).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammainc

from bumphunt.errors import InputError
from bumphunt.inference import asymptotics
from bumphunt.search_wide.global_p0 import global_p0

__all__ = ["Bump", "bump_hunt"]

Array = NDArray[np.float64]
Windows = list[tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bump:
    """The least probable excess of all windows.

    Parameters
    ----------
    first, last
        Its bins: from the first to the one before the last. Both are 0, and p0 is 1, where no window has an excess.
    n_obs, n_bkg
        Events in it, and what the reference expects.
    p0, z0
        Probability of at least as many events, and its significance.
    p0_global, p0_global_low, p0_global_high, n_beyond
        Fraction of toys with a window that is as improbable, its Clopper-Pearson interval of one standard deviation,
        and their number.
    z0_global
        Significance of that fraction; of the upper end of the interval where no toy is beyond.
    largest
        The largest z0 of each toy, shape ``(N,)``; 0 where there is no excess.
    """

    first: int
    last: int
    n_obs: float
    n_bkg: float
    p0: float
    z0: float
    p0_global: float
    p0_global_low: float
    p0_global_high: float
    n_beyond: int
    z0_global: float
    largest: Array


def bump_hunt(
    counts: ArrayLike,
    reference: ArrayLike,
    *,
    rng: np.random.Generator,
    widths: Sequence[int] | None = None,
    n_toys: int = 10_000,
) -> Bump:
    """Return the least probable excess over a reference in windows of several widths.

    Windows of a width start at every bin.

    Parameters
    ----------
    counts
        Observed events, whole numbers, shape ``(B,)``.
    reference
        Expected events, known without uncertainty, shape ``(B,)``.
    rng
        For the toys.
    widths
        Widths of the windows in bins; all from 1 to half of the spectrum unless given.
    n_toys
        How many.

    Raises
    ------
    InputError
        If the shapes differ, a count is no whole number or below 0, an expectation is not finite or below 0, there is
        no toy, or a width is not between 1 and the number of bins.

    Examples
    --------
    >>> found = bump_hunt([4, 6, 15, 14, 3, 5], np.full(6, 5.0), rng=np.random.default_rng(1), n_toys=2000)
    >>> found.first, found.last, found.n_obs, round(found.z0, 2), round(found.p0_global, 2)
    (2, 4, 29.0, 4.81, 0.0)
    """
    n, b = np.asarray(counts, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    windows = _checked_windows(n, b, widths, n_toys)
    toys = rng.poisson(b, (n_toys, b.size)).astype(np.int64)
    sums = np.zeros((b.size + 1, n_toys + 1), np.int64)  # the data are the first of them
    np.cumsum(np.column_stack([n.astype(np.int64), toys.T]), axis=0, out=sums[1:])
    expected = np.concatenate([[0.0], np.cumsum(b)])
    smallest, place = np.ones(n_toys + 1), (0, 0)
    for first, last in windows:
        found = sums[last] - sums[first]
        p = _p_values(int(found.max()), float(expected[last] - expected[first]))[found]
        if p[0] < smallest[0]:
            place = first, last
        np.minimum(smallest, p, out=smallest)
    z = np.maximum(asymptotics.z_score(smallest), 0.0)
    whole = global_p0(z[1:], float(z[0]))
    return Bump(
        first=place[0],
        last=place[1],
        n_obs=float(n[place[0] : place[1]].sum()),
        n_bkg=float(b[place[0] : place[1]].sum()),
        p0=float(smallest[0]),
        z0=float(z[0]),
        p0_global=whole.p0,
        p0_global_low=whole.low,
        p0_global_high=whole.high,
        n_beyond=whole.beyond,
        z0_global=float(asymptotics.z_score(whole.p0 if whole.beyond else whole.high)),
        largest=z[1:],
    )


def _checked_windows(counts: Array, reference: Array, widths: Sequence[int] | None, n_toys: int) -> Windows:
    """Return the windows; errors as in `bump_hunt`."""
    if counts.ndim != 1 or counts.shape != reference.shape or counts.size == 0:
        msg = f"counts {counts.shape} and reference {reference.shape} must be of the same bins, one at the least"
        raise InputError(msg)
    if not np.all((counts >= 0.0) & (counts == np.floor(counts)) & (counts < np.inf)):
        bad = counts[~((counts >= 0.0) & (counts == np.floor(counts)) & (counts < np.inf))][0]
        msg = f"counts must be whole numbers of events, found {bad}"
        raise InputError(msg)
    if not np.all((reference >= 0.0) & (reference < np.inf)):
        msg = f"the reference must be numbers >= 0, found {reference[~((reference >= 0.0) & (reference < np.inf))][0]}"
        raise InputError(msg)
    if n_toys < 1:
        msg = f"the number of toys must be positive, got {n_toys}"
        raise InputError(msg)
    n_bins = counts.size
    several = range(1, max(n_bins // 2, 1) + 1) if widths is None else widths
    for width in several:
        if not 1 <= width <= n_bins:
            msg = f"a window is 1 to {n_bins} bins wide, got {width}"
            raise InputError(msg)
    return [(first, first + width) for width in several for first in range(n_bins - width + 1)]


def _p_values(most: int, expected: float) -> Array:
    """Return P(N >= n) for n from 0 to `most`, 1 for what is no excess, shape ``(most + 1,)``."""
    n = np.arange(most + 1)
    p = np.ones(n.size)
    excess = n > expected
    p[excess] = gammainc(n[excess], expected)  # the upper tail of a Poisson distribution
    return p
