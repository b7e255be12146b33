"""Positive matrices as products L L^T of a lower triangle, compiled: for the Newton steps of both kernels.

`matrix` is (P, P), of which only rows and columns from `first` on matter, and only the lower half is read and written.
"""

from __future__ import annotations

import math

from bumphunt.compilation import njit

__all__ = ["PIVOT", "backward", "factor", "forward"]

PIVOT = 1e-14
"""Smallest pivot of a matrix scaled to unit diagonal that is not called singular."""


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def factor(matrix, first, floor):  # type: ignore[no-untyped-def]
    """Put L in the place of a matrix; return whether all pivots are above the floor, in units of the diagonal."""
    for p in range(first, matrix.shape[0]):
        for q in range(first, p):
            value = matrix[p, q]
            for k in range(first, q):
                value -= matrix[p, k] * matrix[q, k]
            matrix[p, q] = value / matrix[q, q]
        pivot = matrix[p, p]
        least = floor * pivot
        for k in range(first, p):
            pivot -= matrix[p, k] * matrix[p, k]
        if not pivot > least:
            return False
        matrix[p, p] = math.sqrt(pivot)
    return True


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def forward(lower, first, vector):  # type: ignore[no-untyped-def]
    """Put y, where L y is the vector, in its place; return y^2."""
    total = 0.0
    for p in range(first, lower.shape[0]):
        value = vector[p]
        for k in range(first, p):
            value -= lower[p, k] * vector[k]
        vector[p] = value / lower[p, p]
        total += vector[p] * vector[p]
    return total


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def backward(lower, first, vector):  # type: ignore[no-untyped-def]
    """Put x, where L^T x is the vector, in its place."""
    n = lower.shape[0]
    for p in range(n - 1, first - 1, -1):
        value = vector[p]
        for k in range(p + 1, n):
            value -= lower[k, p] * vector[k]
        vector[p] = value / lower[p, p]
