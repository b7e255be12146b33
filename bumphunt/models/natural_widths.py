"""Densities of a resonance with a natural width, seen with a resolution, as pairs of pdf and cdf.

================  ==========================================================================================
shape             is
================  ==========================================================================================
`voigt`           a Breit-Wigner (Cauchy) density in x, convolved with a Gaussian: a squared mass has this shape
                  exactly, with the width M Gamma; a mass has it where Gamma is much smaller than M
`breit_wigner`    the relativistic Breit-Wigner 1 / ((m^2 - M^2)^2 + M^2 Gamma^2) in the mass m > 0, convolved with
                  a Gaussian
================  ==========================================================================================

Both convolutions are values of the Faddeeva function w(z), without approximation. The cumulative distributions are
integrals of these smooth densities over panels of asinh of the distance to the mass: errors are below 1e-13, as far
out and as narrow as numbers go.

References
----------
F. Schreier, J. Quant. Spectrosc. Radiat. Transf. 48 (1992) 743, eq. 3 to 8 (Voigt function and w). PDG, Resonances, eq.
50.25 with a constant width (relativistic Breit-Wigner).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import voigt_profile, wofz

from bumphunt.errors import InputError

__all__ = ["breit_wigner_cdf", "breit_wigner_pdf", "voigt_cdf", "voigt_pdf"]

Array = NDArray[np.float64]

PANEL = 0.25
"""Width of a panel, in asinh of the distance to the mass in total widths."""
NODES, WEIGHTS = np.polynomial.legendre.leggauss(12)
"""Gauss-Legendre rule of a panel."""


def _checked(mean: float, sigma: float, width: float) -> None:
    """Raise unless the numbers of a resonance make sense."""
    if not (sigma > 0.0 and width >= 0.0 and np.isfinite([mean, sigma, width]).all()):
        msg = f"a resonance wants a resolution > 0 and a natural width >= 0, got {sigma} and {width}"
        raise InputError(msg)


def voigt_pdf(x: ArrayLike, mean: float, sigma: float, width: float) -> Array:
    """Return the Voigt density [1/x], normalised on the whole line, in the shape of x.

    Parameters
    ----------
    x
        Where, any shape, in the unit of `mean`.
    mean
        Of the resonance.
    sigma
        Standard deviation of the resolution, > 0.
    width
        Natural width Gamma, >= 0: the full width at half maximum of the Breit-Wigner, as the PDG has it.

    Raises
    ------
    InputError
        If the resolution is not positive, or the width negative.

    Examples
    --------
    >>> float(voigt_pdf(0.0, 0.0, 1.0, 0.0).round(6))  # no natural width: a normal density
    0.398942
    """
    _checked(mean, sigma, width)
    return np.asarray(voigt_profile(np.asarray(x, dtype=np.float64) - mean, sigma, 0.5 * width))


def voigt_cdf(x: ArrayLike, mean: float, sigma: float, width: float) -> Array:
    """Return the Voigt cumulative distribution; arguments and errors as in `voigt_pdf`."""
    _checked(mean, sigma, width)
    u = np.asarray(x, dtype=np.float64) - mean

    def density(distance: Array) -> Array:
        return np.asarray(voigt_profile(distance, sigma, 0.5 * width))

    return 0.5 + np.sign(u) * _from_centre(density, np.abs(u), float(np.hypot(sigma, 0.5 * width)))


def breit_wigner_pdf(x: ArrayLike, mean: float, sigma: float, width: float) -> Array:
    """Return the density [1/x] of the mass of a relativistic Breit-Wigner with a resolution, in the shape of x.

    It is normalised for x > 0, and 0 for x < 0: what the resolution takes below 0 is reflected.

    Parameters
    ----------
    x
        Measured mass, any shape, in the unit of `mean`.
    mean
        Mass M of the resonance, > 0: the pole of the propagator.
    sigma
        Standard deviation of the resolution, > 0.
    width
        Natural width Gamma, > 0; it does not depend on the mass.

    Raises
    ------
    InputError
        If a parameter is not positive.

    Examples
    --------
    >>> float(breit_wigner_pdf(91.0, 91.2, 1e-3, 2.5).round(4))  # no resolution: 2 M^2 Gamma / (pi (...)), nearly
    0.2484
    """
    where = np.asarray(x, dtype=np.float64)
    return np.where(where >= 0.0, _convolved(np.abs(where), *_checked_pole(mean, sigma, width)), 0.0)


def breit_wigner_cdf(x: ArrayLike, mean: float, sigma: float, width: float) -> Array:
    """Return the cumulative distribution of `breit_wigner_pdf`; arguments and errors are the same."""
    pole = _checked_pole(mean, sigma, width)
    u, scale = np.maximum(np.asarray(x, dtype=np.float64), 0.0) - mean, float(np.hypot(sigma, 0.5 * width))

    def above(distance: Array) -> Array:
        return _convolved(mean + distance, *pole)

    def below(distance: Array) -> Array:
        return _convolved(mean - distance, *pole)

    lower = _from_centre(below, np.append(np.maximum(-u, 0.0), mean), scale)
    upper = _from_centre(above, np.maximum(u, 0.0), scale)
    return np.asarray(lower[-1] - lower[:-1].reshape(u.shape) + upper)


def _checked_pole(mean: float, sigma: float, width: float) -> tuple[complex, float, float]:
    """Return the pole p in the mass, with p^2 = M^2 + i M Gamma, the resolution, and the factor of the density."""
    _checked(mean, sigma, width)
    if not (mean > 0.0 and width > 0.0):
        msg = f"a relativistic Breit-Wigner wants a mass and a width > 0, got {mean} and {width}"
        raise InputError(msg)
    middle = mean * np.hypot(mean, width)
    # of the density in m > 0, times what the integral of w leaves
    norm = 2.0 * np.sqrt(2.0) * middle / (np.pi * np.sqrt(mean**2 + middle))
    return complex(np.sqrt(mean**2 + 1j * mean * width)), sigma, float(norm * np.sqrt(np.pi / 8.0) / sigma)


def _convolved(x: Array, pole: complex, sigma: float, factor: float) -> Array:
    """Return the convolution at x: 1 / (m^2 - p^2) is a sum of two poles, each of which gives a w."""
    sides = wofz((pole - x) / (np.sqrt(2.0) * sigma)) + wofz((pole + x) / (np.sqrt(2.0) * sigma))
    return np.asarray(factor * (sides / pole).real)


def _from_centre(density: Callable[[Array], Array], distance: Array, scale: float) -> Array:
    """Return the integrals of a density from 0 to distances >= 0, in their shape, over panels of asinh."""
    flat = np.minimum(distance.ravel(), np.finfo(np.float64).max / 4.0)
    t = np.asarray(np.arcsinh(flat / scale), dtype=np.float64)
    panel = np.floor(t / PANEL).astype(np.int64)

    def integral(start: Array, stop: Array) -> Array:
        half = 0.5 * (stop - start)[:, None]
        s = start[:, None] + half * (1.0 + NODES)
        with np.errstate(over="ignore", under="ignore"):
            return np.asarray((WEIGHTS * half * scale * np.cosh(s) * density(scale * np.sinh(s))).sum(axis=1))

    starts = PANEL * np.arange(int(panel.max(initial=0)), dtype=np.float64)
    whole = np.append(0.0, np.cumsum(integral(starts, starts + PANEL)))
    return np.asarray(whole[panel] + integral(np.asarray(PANEL * panel, dtype=np.float64), t)).reshape(distance.shape)
