"""Densities of a peak, as pairs of pdf and cdf.

=========================  ==================================================================
shape                      when
=========================  ==================================================================
`gaussian`                 a resolution with no tails, and the core of the others
`crystal_ball`             one power-law tail: energy lost to radiation (normalised on the line)
`two_sided_crystal_ball`   a power-law tail on either side: radiation below, mis-measured tracks above
`crystal_ball_gaussian`    a resolution that varies over the events, with one radiative tail
=========================  ==================================================================

Bins hold integrals: the content of a bin is a difference of the cdf, never the pdf at its centre. The tail points to
low values (an invariant mass that lost a photon) or to high ones (the mass recoiling against it).

References
----------
M. Oreglia, SLAC-R-236 (1980), appendix D; J. E. Gaiser, SLAC-R-255 (1982), appendix F (the Crystal Ball function).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import boxcox, ndtr

from bumphunt.errors import InputError

__all__ = [
    "Tail",
    "core_half_width",
    "core_half_widths",
    "crystal_ball_cdf",
    "crystal_ball_gaussian_cdf",
    "crystal_ball_gaussian_pdf",
    "crystal_ball_pdf",
    "gaussian_cdf",
    "gaussian_pdf",
    "two_sided_crystal_ball_cdf",
    "two_sided_crystal_ball_pdf",
]

Array = NDArray[np.float64]
Tail = Literal["low", "high"]
"""The side on which a power-law tail lies."""

SQRT_2PI = float(np.sqrt(2.0 * np.pi))
CORE_CONTENT = 0.6826894921370859
"""Probability within one standard deviation of a normal variable."""


def gaussian_pdf(x: ArrayLike, mean: float, sigma: float) -> Array:
    """Return the normal density [1/x] in the shape of x; sigma > 0."""
    t = (np.asarray(x, dtype=np.float64) - mean) / sigma
    return np.asarray(np.exp(-0.5 * t**2) / (SQRT_2PI * sigma))


def gaussian_cdf(x: ArrayLike, mean: float, sigma: float) -> Array:
    """Return the normal cumulative distribution in the shape of x; sigma > 0."""
    return np.asarray(ndtr((np.asarray(x, dtype=np.float64) - mean) / sigma))


def _checked_start(alpha: float) -> None:
    """Raise unless a tail begins beyond the mean: the other side is said by `tail`, not by a sign."""
    if not alpha > 0.0:
        msg = (
            f"a Crystal Ball tail begins alpha > 0 sigma from the mean, got {alpha}; for the other side use tail='high'"
        )
        raise InputError(msg)


def _reduced(x: ArrayLike, mean: float, sigma: float, tail: Tail) -> Array:
    """Return t = (x - mean) / sigma, mirrored so that the tail lies at negative t."""
    if tail not in ("low", "high"):
        msg = f"tail must be 'low' or 'high', got {tail!r}"
        raise InputError(msg)
    t = (np.asarray(x, dtype=np.float64) - mean) / sigma
    return t if tail == "low" else -t


def _tail_distance(t: Array, alpha: float, n: float) -> Array:
    """Return y = 1 + (alpha / n) (-alpha - t) in the tail, 1 in the core: the tail falls like y^-n."""
    return 1.0 + np.maximum(-alpha - t, 0.0) * alpha / n


def _height(t: Array, alpha: float, n: float) -> Array:
    """Return the Crystal Ball function of height 1 with its tail at t < -alpha."""
    core = np.exp(-0.5 * np.maximum(t, -alpha) ** 2)
    return np.asarray(core * _tail_distance(t, alpha, n) ** -n)


def _area(t: Array, alpha: float, n: float) -> Array:
    """Return the integral of `_height` from -alpha to t (negative in the tail); any n > 0."""
    core = SQRT_2PI * (ndtr(np.maximum(t, -alpha)) - ndtr(-alpha))
    # integral of y^-n dy from 1 to y = (y^(1 - n) - 1) / (1 - n), ln y for n = 1
    tail = np.exp(-0.5 * alpha * alpha) * (n / alpha) * boxcox(_tail_distance(t, alpha, n), 1.0 - n)
    return np.asarray(core - tail)


def _tail_area(alpha: float, n: float) -> float:
    """Return the integral of the whole tail, which exists for n > 1; raise for a tail that is none."""
    _checked_start(alpha)
    if not n > 1.0:
        msg = f"a Crystal Ball tail on the whole line needs n > 1, got {n}"
        raise InputError(msg)
    return float(np.exp(-0.5 * alpha * alpha) * n / (alpha * (n - 1.0)))


def crystal_ball_pdf(x: ArrayLike, mean: float, sigma: float, alpha: float, n: float, *, tail: Tail = "low") -> Array:
    """Return the Crystal Ball density [1/x], normalised on the whole line, in the shape of x.

    Parameters
    ----------
    x
        Where, any shape, in the unit of `mean`.
    mean, sigma
        Of the Gaussian core; sigma > 0.
    alpha
        Where the tail begins, in units of sigma, > 0.
    n
        Power of the tail, > 1.
    tail
        Side of the tail.

    Raises
    ------
    InputError
        If alpha is not positive, n not above 1, or the side unknown.

    Examples
    --------
    >>> float(crystal_ball_pdf(0.0, 0.0, 1.0, 10.0, 2.0).round(6))  # no tail: a normal density
    0.398942
    """
    t = _reduced(x, mean, sigma, tail)
    return _height(t, alpha, n) / (sigma * (_tail_area(alpha, n) + SQRT_2PI * ndtr(alpha)))


def crystal_ball_cdf(x: ArrayLike, mean: float, sigma: float, alpha: float, n: float, *, tail: Tail = "low") -> Array:
    """Return the Crystal Ball cumulative distribution; arguments and errors as in `crystal_ball_pdf`."""
    t = _reduced(x, mean, sigma, tail)
    whole = _tail_area(alpha, n)
    below = (whole + _area(t, alpha, n)) / (whole + SQRT_2PI * ndtr(alpha))
    return np.asarray(below if tail == "low" else 1.0 - below)


def _two_sided_areas(low: tuple[float, float], high: tuple[float, float]) -> tuple[float, float]:
    """Return the integrals of the heights below and above the mean, in units of sigma; tails are (alpha, n)."""
    below, above = (_tail_area(*tail) + float(_area(np.zeros(()), *tail)) for tail in (low, high))
    return below, above


def two_sided_crystal_ball_pdf(
    x: ArrayLike, mean: float, sigma: float, low: tuple[float, float], high: tuple[float, float]
) -> Array:
    """Return the Crystal Ball density [1/x] with two tails, normalised on the whole line, in the shape of x.

    Parameters
    ----------
    x
        Where, any shape, in the unit of `mean`.
    mean, sigma
        Of the Gaussian core; sigma > 0.
    low, high
        Where each tail begins, in units of sigma, > 0, and its power, > 1.

    Raises
    ------
    InputError
        If a tail does not begin beyond the mean, or a power is not above 1.

    Examples
    --------
    >>> float(two_sided_crystal_ball_pdf(0.0, 0.0, 1.0, (9.0, 2.0), (9.0, 2.0)).round(6))  # a normal density
    0.398942
    """
    t = (np.asarray(x, dtype=np.float64) - mean) / sigma
    below, above = _two_sided_areas(low, high)
    return np.where(t < 0.0, _height(t, *low), _height(-t, *high)) / (sigma * (below + above))


def two_sided_crystal_ball_cdf(
    x: ArrayLike, mean: float, sigma: float, low: tuple[float, float], high: tuple[float, float]
) -> Array:
    """Return the cumulative distribution of `two_sided_crystal_ball_pdf`; arguments and errors are the same."""
    t = (np.asarray(x, dtype=np.float64) - mean) / sigma
    below, above = _two_sided_areas(low, high)
    left = _tail_area(*low) + _area(np.minimum(t, 0.0), *low)
    right = _tail_area(*high) + _area(-np.maximum(t, 0.0), *high)
    return np.where(t < 0.0, left, below + above - right) / (below + above)


def crystal_ball_gaussian_pdf(
    x: ArrayLike, parameters: ArrayLike, support: tuple[float, float], *, tail: Tail = "high"
) -> Array:
    """Return the density [1/x] of a Crystal Ball plus a wider Gaussian of the same mean, normalised on `support`.

    Parameters
    ----------
    x
        Where, any shape; the density is 0 outside the support.
    parameters
        ``(mean, sigma, alpha, n, fraction, ratio)``: core of the Crystal Ball, start (in sigma) and power of its tail
        (any n > 0: the support is finite), its fraction, and the Gaussian's width in units of sigma.
    support
        Lower and upper end of x.
    tail
        Side of the tail.
    """
    mean, sigma, alpha, n, fraction, ratio = (float(p) for p in np.asarray(parameters, dtype=np.float64))
    ball, gauss = _norms(parameters, support, tail)
    where = np.asarray(x, dtype=np.float64)
    value = fraction / ball * _height(_reduced(where, mean, sigma, tail), alpha, n) / sigma
    value = value + (1.0 - fraction) / gauss * gaussian_pdf(where, mean, ratio * sigma)
    return np.where((where >= support[0]) & (where <= support[1]), value, 0.0)


def crystal_ball_gaussian_cdf(
    x: ArrayLike, parameters: ArrayLike, support: tuple[float, float], *, tail: Tail = "high"
) -> Array:
    """Return the cumulative distribution of `crystal_ball_gaussian_pdf`, from 0 to 1 over the support."""
    mean, sigma, alpha, n, fraction, ratio = (float(p) for p in np.asarray(parameters, dtype=np.float64))
    ball, gauss = _norms(parameters, support, tail)
    where = np.clip(np.asarray(x, dtype=np.float64), *support)
    sign = 1.0 if tail == "low" else -1.0
    t, low = _reduced(where, mean, sigma, tail), _reduced(support[0], mean, sigma, tail)
    value = fraction / ball * sign * (_area(t, alpha, n) - _area(low, alpha, n))
    start = gaussian_cdf(support[0], mean, ratio * sigma)
    return np.asarray(value + (1.0 - fraction) / gauss * (gaussian_cdf(where, mean, ratio * sigma) - start))


def _norms(parameters: ArrayLike, support: tuple[float, float], tail: Tail) -> tuple[float, float]:
    """Return the integrals over the support of the Crystal Ball (in units of sigma) and of the Gaussian."""
    mean, sigma, alpha, n, _, ratio = (float(p) for p in np.asarray(parameters, dtype=np.float64))
    _checked_start(alpha)
    ends = _area(_reduced(np.array(support), mean, sigma, tail), alpha, n)
    gauss = np.diff(gaussian_cdf(np.array(support), mean, ratio * sigma))
    return float(abs(ends[1] - ends[0])), float(gauss[0])


def core_half_width(parameters: ArrayLike) -> float:
    """Return the resolution of `crystal_ball_gaussian_pdf`: half the central interval with 68.27 % of its core.

    The core is the shape with the power-law tail taken off: the two Gaussians of widths sigma and ratio x sigma. For
    one Gaussian it is sigma; a radiative tail does not change it.

    Examples
    --------
    >>> round(core_half_width([0.0, 0.3, 1.0, 2.0, 1.0, 2.0]), 6)
    0.3
    """
    return float(core_half_widths(parameters))


def core_half_widths(parameters: ArrayLike) -> Array:
    """Return `core_half_width` of many shapes, ``(..., 6)`` to ``(...)``."""
    _, sigma, _, _, fraction, ratio = np.moveaxis(np.asarray(parameters, dtype=np.float64), -1, 0)
    low, high = np.minimum(1.0, ratio), np.maximum(1.0, ratio)
    for _ in range(60):  # bisection: the content rises with the width
        z = 0.5 * (low + high)
        content = fraction * (2.0 * ndtr(z) - 1.0) + (1.0 - fraction) * (2.0 * ndtr(z / ratio) - 1.0)
        below = content < CORE_CONTENT
        low, high = np.where(below, z, low), np.where(below, high, z)
    return np.asarray(sigma * 0.5 * (low + high))
