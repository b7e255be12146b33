"""The on/off problem: a count over a background that another count says, by the names under which it is known.

A signal region ("on") sees n_on events, a control region without signal ("off") n_off, and the background of the one is
known to be alpha = 1 / tau times that of the other: sidebands, or telescopes that look away from the source.

==================  ================================================================================================
`li_ma`             asymptotic: the signed root of the profile likelihood ratio (Li and Ma, eq. 17)
`z_bi`              exact: the binomial test of n_on in n_on + n_off, the Z_Bi of Cousins, Linnemann and Tucker
==================  ================================================================================================

Both are negative for a deficit. The p-value of `z_bi` is `bumphunt.inference.counts.distribution.counting_p0` over a
gamma background of shape n_off + 1 and scale alpha, the posterior of n_off events with a flat prior.

References
----------
T.-P. Li, Y.-Q. Ma, ApJ 272 (1983) 317.
R. D. Cousins, J. T. Linnemann, J. Tucker, NIM A595 (2008) 480, arXiv:physics/0702156 (CLT below).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, ndtri, xlogy

from bumphunt.errors import InputError

__all__ = ["li_ma", "z_bi"]

Array = NDArray[np.float64]


def li_ma(n_on: ArrayLike, n_off: ArrayLike, alpha: ArrayLike) -> Array:
    """Return the significance of an on/off measurement by Li and Ma, negative for a deficit.

    It is the root of the likelihood ratio in which the background is profiled: `bumphunt.significance` of a region with
    a `bumphunt.ControlRegion`.

    Parameters
    ----------
    n_on, n_off
        Events in the signal and in the control region, not negative, matching shapes.
    alpha
        Background in the signal region per event of background in the control region, positive.

    Returns
    -------
    ndarray
        Standard deviations, in the shape of the input; 0 where both counts are 0.

    Raises
    ------
    InputError
        If a count is negative or not finite, or alpha is not positive.

    References
    ----------
    Li and Ma, eq. 17.

    Examples
    --------
    >>> float(li_ma(140, 100, 1.0).round(3))
    2.588
    """
    on, off, a = _checked(n_on, n_off, alpha, "alpha")
    total = on + off
    with np.errstate(divide="ignore", invalid="ignore"):
        s = xlogy(on, (1.0 + a) / a * (on / total)) + xlogy(off, (1.0 + a) * (off / total))  # ln of eq. 17's products
    s = np.where(total > 0.0, s, 0.0)
    return np.asarray(np.where(on >= a * off, 1.0, -1.0) * np.sqrt(2.0 * np.maximum(s, 0.0)))  # eq. 17


def z_bi(n_on: ArrayLike, n_off: ArrayLike, tau: ArrayLike) -> Array:
    """Return the significance Z_Bi of an on/off measurement, by the exact binomial test; negative for a deficit.

    Without signal, those of all n_on + n_off events that are in the signal region are binomial with probability
    1 / (1 + tau). The p-value is never too small, whatever the background.

    Parameters
    ----------
    n_on, n_off
        Events in the signal and in the control region, not negative, matching shapes; they need not be integers.
    tau
        Background in the control region per event of background in the signal region, positive: 1 / alpha of `li_ma`.
        A background of B +- sigma is n_off = (B / sigma)^2 and tau = B / sigma^2 (CLT eqs 8 and 9).

    Returns
    -------
    ndarray
        Standard deviations, in the shape of the input; -inf without any event in the signal region, where p = 1.

    Raises
    ------
    InputError
        If a count is negative or not finite, or tau is not positive.

    References
    ----------
    CLT eq. 14.

    Examples
    --------
    >>> float(z_bi(140, 100, 1.2).round(2))
    3.93
    """
    on, off, ratio = _checked(n_on, n_off, tau, "tau")
    with np.errstate(invalid="ignore"):
        p = np.where(on > 0.0, betainc(np.maximum(on, 1e-300), off + 1.0, 1.0 / (1.0 + ratio)), 1.0)  # CLT eq. 14
    return np.asarray(-ndtri(p))


def _checked(n_on: ArrayLike, n_off: ArrayLike, ratio: ArrayLike, name: str) -> tuple[Array, Array, Array]:
    """Return counts and ratio as arrays of one shape, or raise an `InputError` that names what is wrong."""
    on, off, r = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (n_on, n_off, ratio)))
    for what, values in (("n_on", on), ("n_off", off)):
        if not np.all((values >= 0.0) & (values < np.inf)):
            msg = f"{what} must be numbers >= 0, got {values}"
            raise InputError(msg)
    if not np.all((r > 0.0) & (r < np.inf)):
        msg = f"{name} must be positive, got {r}"
        raise InputError(msg)
    return on, off, r
