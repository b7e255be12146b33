"""Exponentials of polynomials and their derivatives, compiled: smooth backgrounds that are never negative.

Part of `bumphunt.likelihood.shape_kernels`. The integral over a bin is a sum over points. Points stand in the
arrays one of each bin, then the next of each bin, so that sums over points run in SIMD lanes over bins.

References
----------
J.-M. Muller, Elementary Functions (2016): section 11.2 (range reduction of exp: C. Cody, W. Waite).
"""

from __future__ import annotations

import math

import numpy as np

from bumphunt.compilation import njit
from bumphunt.likelihood.flat import BASE, FIRST, LAST, NODES, NODES_AT, TERM_INDEX, TERM_ODD, TERMS

__all__ = ["exponential_bend", "fill_exponential", "fill_exponential_slope", "filled_again", "weigh"]

LOG2_E, LN2_HIGH, LN2_LOW = 1.4426950408889634, 6.93147180369123816490e-01, 1.90821492927058770002e-10
"""1 / ln 2, and ln 2 in two parts, of which the first has 32 bits: its multiples are exact."""
ROUNDER, EXPONENT_BITS = 6755399441055744.0, 52
"""3 x 2^51: what is left of a number to which it was added is the number rounded, in the last bits of the sum."""
LEAST, MOST = -600.0, 709.0
"""Exponents below which exp is taken for 0, before its inverse is no number any more, and above which it is none."""
C_2, C_3, C_4, C_5, C_6, C_7, C_8, C_9, C_10, C_11, C_12, C_13 = (1.0 / math.factorial(k) for k in range(2, 14))


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def exponentiate(values, spare):  # type: ignore[no-untyped-def]
    """Replace values by their exponentials, in a form that the compiler can vectorise; relative errors are 3e-16.

    exp x = 2^k exp r, |r| <= ln 2 / 2; the next term of the series of exp r is below 1e-17. `spare` is a work array of
    the same size.
    """
    bits, spare_bits = values.view(np.int64), spare.view(np.int64)
    for q in range(values.size):
        spare[q] = min(max(values[q], LEAST), MOST) * LOG2_E + ROUNDER
    for q in range(values.size):
        x = min(max(values[q], LEAST), MOST)
        k = spare[q] - ROUNDER
        r = (x - k * LN2_HIGH) - k * LN2_LOW
        series = C_10 + r * (C_11 + r * (C_12 + r * C_13))
        series = C_6 + r * (C_7 + r * (C_8 + r * (C_9 + r * series)))
        series = C_2 + r * (C_3 + r * (C_4 + r * (C_5 + r * series)))
        y = 1.0 + (r + r * r * series)
        y = 0.0 if values[q] < LEAST else y
        values[q] = math.inf if values[q] > MOST else y
    for q in range(values.size):
        power = spare_bits[q] << EXPONENT_BITS
        bits[q] += power if 0.0 < values[q] < math.inf else 0


@njit(cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def fill_exponential(flat, c, theta, out, nodes):  # type: ignore[no-untyped-def]
    """Fill the integrals of an exponential of a polynomial over the bins, and the exponential at their points.

    `nodes` are the two rows of `bumphunt.likelihood.flat.Work`.
    """
    b, at, place = (
        flat.components[c, LAST] - flat.components[c, FIRST],
        flat.components[c, BASE],
        flat.components[c, NODES_AT],
    )
    n = flat.components[c, NODES] * b
    values, spare = nodes[0, place : place + n], nodes[1, place : place + n]
    values[:] = 0.0
    for k in range(flat.components[c, TERMS], flat.components[c, TERMS + 1]):
        t, term = theta[flat.terms[k, TERM_INDEX]], flat.values[flat.terms[k, TERM_ODD] : flat.terms[k, TERM_ODD] + n]
        for q in range(n):
            values[q] += t * term[q]
    exponentiate(values, spare)
    weights = flat.values[at : at + n]
    for q in range(n):
        values[q] *= weights[q]
    _sum(values, b, out)


@njit(cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def _sum(values, b, out):  # type: ignore[no-untyped-def]
    """Fill the sums over the points of each of b bins."""
    for i in range(b):
        out[i] = values[i]
    for k in range(1, values.size // b):
        here = values[k * b : (k + 1) * b]
        for i in range(b):
            out[i] += here[i]


@njit(cache=True, error_model="numpy")
def filled_again(flat, c, out, nodes):  # type: ignore[no-untyped-def]
    """Fill the integrals once more from the exponential at the points, which `fill_exponential` has left."""
    b, place, points = (
        flat.components[c, LAST] - flat.components[c, FIRST],
        flat.components[c, NODES_AT],
        flat.components[c, NODES],
    )
    _sum(nodes[0, place : place + points * b], b, out)


@njit(cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def fill_exponential_slope(flat, c, k, nodes, slope):  # type: ignore[no-untyped-def]
    """Fill the derivative of an exponential in the coefficient of term k; the shape comes first."""
    b, place, points = (
        flat.components[c, LAST] - flat.components[c, FIRST],
        flat.components[c, NODES_AT],
        flat.components[c, NODES],
    )
    values = nodes[0, place : place + points * b]
    term = flat.values[flat.terms[k, TERM_ODD] : flat.terms[k, TERM_ODD] + points * b]
    for i in range(b):
        slope[i] = values[i] * term[i]
    for q in range(1, points):
        here, there = values[q * b : (q + 1) * b], term[q * b : (q + 1) * b]
        for i in range(b):
            slope[i] += here[i] * there[i]


@njit(cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def weigh(flat, c, weights, nodes):  # type: ignore[no-untyped-def]
    """Fill the second row with the exponential at the points times a weight of each bin."""
    b, place, points = (
        flat.components[c, LAST] - flat.components[c, FIRST],
        flat.components[c, NODES_AT],
        flat.components[c, NODES],
    )
    for q in range(points):
        here, there = (
            nodes[0, place + q * b : place + (q + 1) * b],
            nodes[1, place + q * b : place + (q + 1) * b],
        )
        for i in range(b):
            there[i] = here[i] * weights[i]


@njit(cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def exponential_bend(flat, c, k, j, nodes):  # type: ignore[no-untyped-def]
    """Return the second derivative in the coefficients of terms k and j, summed with the weights of `weigh`."""
    place = flat.components[c, NODES_AT]
    n = flat.components[c, NODES] * (flat.components[c, LAST] - flat.components[c, FIRST])
    weighted = nodes[1, place : place + n]
    first = flat.values[flat.terms[k, TERM_ODD] : flat.terms[k, TERM_ODD] + n]
    second = flat.values[flat.terms[j, TERM_ODD] : flat.terms[j, TERM_ODD] + n]
    total = 0.0
    for q in range(n):
        total += weighted[q] * first[q] * second[q]
    return total
