"""Test statistics and their asymptotic distributions: pure functions, each with its equation number.

=============  =============================================================
to ask         use
=============  =============================================================
discovery      `q0` -> `z0_from_q0` -> `p_value`
upper limit    `qmu_tilde` -> `cls` (with the statistic of the Asimov set)
expected band  `expected_sqrt_qmu_asimov`: the value the statistic must reach
=============  =============================================================

Likelihoods enter as negative logarithms (NLL), so that -2 ln lambda(mu) = 2 (NLL(mu) - NLL(mu_hat)).

References
----------
G. Cowan, K. Cranmer, E. Gross, O. Vitells, EPJC 71 (2011) 1554, arXiv:1007.1727 (CCGV below).
A. L. Read, J. Phys. G 28 (2002) 2693 (CLs).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_ndtr, ndtr, ndtri

__all__ = [
    "ASYMPTOTIC_FROM",
    "BAND",
    "cls",
    "clsb_and_clb",
    "expected_sqrt_qmu_asimov",
    "log_clsb",
    "p_value",
    "q0",
    "qmu_tilde",
    "sigma_from_asimov",
    "z0_from_q0",
    "z_score",
]

Array = NDArray[np.float64]

ASYMPTOTIC_FROM = 10.0
"""Expected background events within +-2 sigma from which on the formulae are trusted. For one bin with known background
and n = b the asymptotic 90 % CLs limit is 13 % below the exact one at b = 3, 7 % at 10, 4 % at 30."""

BAND = (-2.0, -1.0, 0.0, 1.0, 2.0)
"""The quantiles of an expected band, in standard deviations of a background-only ensemble."""


def q0(nll_background: ArrayLike, nll_best: ArrayLike, mu_hat: ArrayLike) -> Array:
    """Return the discovery statistic q0: -2 ln lambda(0), or 0 for a fitted deficit (CCGV eq. 12).

    Parameters
    ----------
    nll_background, nll_best
        Profiled NLL at mu = 0 and at the best fit, any matching shapes.
    mu_hat
        Best-fit signal strength.

    Examples
    --------
    >>> q0([3.0, 3.0], [1.0, 1.0], [5.0, -5.0])
    array([4., 0.])
    """
    difference = 2.0 * (np.asarray(nll_background, dtype=np.float64) - np.asarray(nll_best, dtype=np.float64))
    return np.where(np.asarray(mu_hat) >= 0.0, np.maximum(difference, 0.0), 0.0)  # eq. 12


def z0_from_q0(statistic: ArrayLike) -> Array:
    """Return the significance z0 = sqrt(q0) (CCGV eq. 53)."""
    return np.sqrt(np.asarray(statistic, dtype=np.float64))  # eq. 53


def p_value(z: ArrayLike) -> Array:
    """Return the one-sided p-value 1 - Phi(z) of a significance (CCGV eqs 1 and 52).

    Examples
    --------
    >>> float(p_value(5.0).round(10))
    2.867e-07
    """
    return np.asarray(ndtr(-np.asarray(z, dtype=np.float64)))  # eq. 52


def z_score(p: ArrayLike) -> Array:
    """Return the significance Phi^-1(1 - p) of a one-sided p-value (CCGV eq. 1)."""
    return np.asarray(-ndtri(np.asarray(p, dtype=np.float64)))  # eq. 1


def qmu_tilde(
    mu: ArrayLike, nll_mu: ArrayLike, nll_best: ArrayLike, mu_hat: ArrayLike, nll_background: ArrayLike
) -> Array:
    """Return the statistic for upper limits on a signal that cannot be negative (CCGV eq. 16).

    Parameters
    ----------
    mu
        Tested signal strength, not negative.
    nll_mu, nll_best, nll_background
        Profiled NLL at the tested value, at the best fit, and at mu = 0; matching shapes.
    mu_hat
        Best-fit signal strength.

    Examples
    --------
    >>> qmu_tilde(2.0, 3.0, 1.0, [-1.0, 1.0, 3.0], 1.5)
    array([3., 4., 0.])
    """
    tested, hat = np.asarray(mu, dtype=np.float64), np.asarray(mu_hat, dtype=np.float64)
    reference = np.where(hat < 0.0, np.asarray(nll_background), np.asarray(nll_best))  # eq. 10
    return np.where(hat > tested, 0.0, np.maximum(2.0 * (np.asarray(nll_mu) - reference), 0.0))  # eq. 16


def sigma_from_asimov(mu: ArrayLike, qmu_asimov: ArrayLike) -> Array:
    """Return the standard deviation of mu_hat under the background-only hypothesis, mu / sqrt(q_mu,A) (CCGV eq. 31)."""
    return np.asarray(mu, dtype=np.float64) / np.sqrt(np.asarray(qmu_asimov, dtype=np.float64))  # eq. 31


def _shifted(sqrt_qmu: ArrayLike, sqrt_qmu_asimov: ArrayLike) -> tuple[Array, Array]:
    """Return the arguments z of CLsb = 1 - Phi(z) and CLb = 1 - Phi(z) for q~mu (CCGV eqs 65 and 66)."""
    q, a = np.asarray(sqrt_qmu, dtype=np.float64), np.asarray(sqrt_qmu_asimov, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        beyond = (q**2 - a**2) / (2.0 * a)  # eq. 65 with mu' = 0, q~mu > mu^2 / sigma^2
    z = np.where(q <= a, q - a, beyond)
    return z + a, z  # eq. 66 (mu' = mu), eq. 65 (mu' = 0)


def clsb_and_clb(sqrt_qmu: ArrayLike, sqrt_qmu_asimov: ArrayLike) -> tuple[Array, Array]:
    """Return CLsb and CLb: the probabilities of q~mu above the observed one, with and without signal.

    Parameters
    ----------
    sqrt_qmu
        Square root of the observed q~mu.
    sqrt_qmu_asimov
        Square root of q~mu of the background-only Asimov set at the same mu.

    References
    ----------
    CCGV eqs 65 and 66, with sigma from eq. 31.
    """
    z_sb, z_b = _shifted(sqrt_qmu, sqrt_qmu_asimov)
    return np.asarray(ndtr(-z_sb)), np.asarray(ndtr(-z_b))


def cls(sqrt_qmu: ArrayLike, sqrt_qmu_asimov: ArrayLike) -> Array:
    """Return CLs = CLsb / CLb of q~mu; the signal is excluded at confidence 1 - CLs.

    The ratio is taken of logarithms, so that it stays right where both probabilities underflow.

    Examples
    --------
    >>> float(cls(1.959963985, 1.959963985).round(6))  # the median expectation at 95 %
    0.05
    """
    z_sb, z_b = _shifted(sqrt_qmu, sqrt_qmu_asimov)
    return np.asarray(np.exp(log_ndtr(-z_sb) - log_ndtr(-z_b)))


def log_clsb(sqrt_qmu: ArrayLike, sqrt_qmu_asimov: ArrayLike) -> Array:
    """Return the logarithm of CLsb of q~mu (`clsb_and_clb`), also where it underflows."""
    return np.asarray(log_ndtr(-_shifted(sqrt_qmu, sqrt_qmu_asimov)[0]))


def expected_sqrt_qmu_asimov(alpha: float, n_sigma: ArrayLike) -> Array:
    """Return the value of sqrt(q~mu,A) at the CLs limit that a background fluctuation of N sigma gives.

    The limit in CCGV eq. 89 is sigma (Phi^-1(1 - alpha) + N); CLs divides by CLb = Phi(N), which replaces alpha by
    alpha Phi(N). With sigma = mu / sqrt(q_mu,A) (eq. 31) this is an equation for mu.

    Parameters
    ----------
    alpha
        1 - confidence level.
    n_sigma
        Fluctuation of the background in standard deviations; positive weakens the limit.

    Examples
    --------
    >>> expected_sqrt_qmu_asimov(0.05, [0.0]).round(4)
    array([1.96])
    """
    n = np.asarray(n_sigma, dtype=np.float64)
    return np.asarray(ndtri(1.0 - alpha * ndtr(n)) + n)  # eqs 89 and 90
