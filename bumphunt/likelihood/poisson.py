"""The Poisson likelihood of counts whose expectations are known, compiled: what all engines and kernels share.

The negative log-likelihood is relative to the saturated model, half the deviance: nu - n + n ln(n / nu) in each bin.
"""

from __future__ import annotations

import math

import numpy as np

from bumphunt.compilation import njit

__all__ = ["deviance", "dot", "nll", "terms"]

SQRT_2, LN_2 = math.sqrt(2.0), math.log(2.0)
FRACTION, ONE, EXPONENT_BITS, EXPONENT_BIAS = 0x000FFFFFFFFFFFFF, 0x3FF0000000000000, 52, 1023
"""Bits of a double (IEEE 754): its fraction, the exponent of 1, where exponents begin, and what is added to them."""


@njit(cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def dot(a, b):  # type: ignore[no-untyped-def]
    """Return sum_i a_i b_i."""
    total = 0.0
    for i in range(a.size):
        total += a[i] * b[i]
    return total


@njit(cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def deviance(counts, nu, ratio, mantissa):  # type: ignore[no-untyped-def]
    """Return sum_i (nu_i - n_i + n_i ln(n_i / nu_i)), in a form that the compiler can vectorise.

    n / nu = 2^e m with m in [sqrt(1/2), sqrt(2)), and ln m = 2 (z + z^3 / 3 + ... + z^21 / 21) with z = (m - 1) / (m +
    1): the next term is below 1e-18. Where e = 0, z = (n - nu) / (n + nu) and nu - n + 2 n z = (n - nu) z, so that the
    difference of near counts loses no digits. `ratio` and `mantissa` are work arrays of the same size.
    """
    total = 0.0
    ratio_bits, mantissa_bits = ratio.view(np.int64), mantissa.view(np.int64)
    for i in range(counts.size):
        ratio[i] = counts[i] / nu[i] if counts[i] > 0.0 else 1.0
    for i in range(counts.size):
        mantissa_bits[i] = (ratio_bits[i] & FRACTION) | ONE
    for i in range(counts.size):
        exponent = float((ratio_bits[i] >> EXPONENT_BITS) - EXPONENT_BIAS)
        big = mantissa[i] > SQRT_2
        m = 0.5 * mantissa[i] if big else mantissa[i]
        exponent = exponent + 1.0 if big else exponent
        n, rest = counts[i], counts[i] - nu[i]
        near = exponent == 0.0 and n > 0.0
        z = (rest if near else m - 1.0) / (n + nu[i] if near else m + 1.0)
        y = z * z
        series = 1.0 / 19.0 + y * (1.0 / 21.0)
        series = 1.0 / 15.0 + y * (1.0 / 17.0 + y * series)
        series = 1.0 / 11.0 + y * (1.0 / 13.0 + y * series)
        series = 1.0 / 7.0 + y * (1.0 / 9.0 + y * series)
        series = 1.0 / 3.0 + y * (1.0 / 5.0 + y * series)
        first = rest * z if near else n * (exponent * LN_2 + 2.0 * z) - rest
        total += first + 2.0 * n * z * y * series
    return total


@njit(cache=True, error_model="numpy")
def nll(counts, centres, precision, theta, nu, ratio, mantissa):  # type: ignore[no-untyped-def]
    """Return the deviance, and half the squared pulls; inf where a count is impossible. Work arrays as there."""
    possible = 0
    for i in range(counts.size):
        possible += nu[i] > 0.0 or (nu[i] == 0.0 and counts[i] == 0.0)
    if possible < counts.size:
        return math.inf
    total = deviance(counts, nu, ratio, mantissa)
    for p in range(theta.size):
        if precision[p] > 0.0:
            pull = theta[p] - centres[p]
            total += 0.5 * precision[p] * pull * pull
    return total if total < math.inf else math.inf


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def terms(counts, nu, fisher, inverse, ratio, weight):  # type: ignore[no-untyped-def]
    """Fill 1 / nu_i, 1 - n_i / nu_i, and n_i / nu_i^2 (observed information) or 1 / nu_i (expected)."""
    for i in range(counts.size):
        x = nu[i]
        y = 1.0 / x if x > 0.0 else 0.0
        r = counts[i] * y
        inverse[i] = y
        ratio[i] = 1.0 - r
        weight[i] = y if fisher else r * y
