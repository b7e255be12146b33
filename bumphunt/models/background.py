"""BackgroundModel: smooth backgrounds whose coefficients are left to the data.

=======================  =====================  ================================================================
family                   in its coefficients    when
=======================  =====================  ================================================================
"bernstein"              linear                 the default: positive terms, well conditioned
"chebyshev"              linear                 the same polynomials, with small correlations of high orders
"exponential"            not linear             steep spectra: the exponential of a polynomial is never negative
=======================  =====================  ================================================================

Bins hold integrals. Polynomials of the same order span the same space: their fits agree. Monte Carlo histograms as
backgrounds are samples of `bumphunt.models.region`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc

from bumphunt.errors import InputError

__all__ = [
    "FAMILIES",
    "BackgroundModel",
    "basis_cdf",
    "exponential_nodes",
    "first_coefficients",
    "integrals",
]

Array = NDArray[np.float64]
Family = Literal["bernstein", "chebyshev", "exponential"]

FAMILIES = ("bernstein", "chebyshev", "exponential")
"""The families by name."""
MAX_ORDER = 20
"""Highest order: beyond it the terms cannot be told apart in double precision."""
NODES, WEIGHTS = np.polynomial.legendre.leggauss(8)
"""Gauss-Legendre rule on [-1, 1], exact for polynomials of order 15: the integral over a bin of an exponential."""


@dataclass(frozen=True, slots=True)
class BackgroundModel:
    """A family of smooth backgrounds and its order.

    Parameters
    ----------
    family
        One of `FAMILIES`.
    order
        Order of the polynomial, 0 to 20: it has one coefficient more.

    Raises
    ------
    InputError
        If the family is unknown or the order out of range.
    """

    family: Family
    order: int

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            msg = f"unknown background family {self.family!r}: want one of {FAMILIES}"
            raise InputError(msg)
        if not isinstance(self.order, int | np.integer) or not 0 <= self.order <= MAX_ORDER:
            msg = f"the order of a background must be a whole number from 0 to {MAX_ORDER}, got {self.order}"
            raise InputError(msg)

    @property
    def linear(self) -> bool:
        """Whether the expected counts are linear in the coefficients."""
        return self.family != "exponential"


def _unit(x: ArrayLike, support: tuple[float, float]) -> Array:
    """Return x mapped from the support to [0, 1]."""
    return np.asarray((np.asarray(x, dtype=np.float64) - support[0]) / (support[1] - support[0]))


def basis_cdf(model: BackgroundModel, x: ArrayLike, support: tuple[float, float]) -> Array:
    """Return the integrals of the terms of a linear family from the lower end of the support to x.

    Parameters
    ----------
    model
        A linear family.
    x
        Where, any shape; beyond an end of the support it is taken for that end.
    support
        Ends of the window.

    Returns
    -------
    ndarray
        Shape ``(order + 1, *x.shape)``. Bernstein terms are distributions; of the Chebyshev terms T_k, divided by the
        width of the support, only the first is.

    Raises
    ------
    InputError
        If the family is not linear.

    Examples
    --------
    >>> basis_cdf(BackgroundModel("bernstein", 1), [0.5, 1.0], (0.0, 1.0))
    array([[0.75, 1.  ],
           [0.25, 1.  ]])
    """
    _must_be_linear(model)
    u, n = np.clip(_unit(x, support), 0.0, 1.0), model.order
    if model.family == "bernstein":
        terms = [np.asarray(betainc(k + 1, n - k + 1, u)) for k in range(n + 1)]
    else:
        primitives = [chebyshev.chebint(unit, lbnd=-1) / 2.0 for unit in np.eye(n + 1)]
        terms = [np.asarray(chebyshev.chebval(2.0 * u - 1.0, c), dtype=np.float64) for c in primitives]
    return np.asarray(np.stack(terms), dtype=np.float64)


def _must_be_linear(model: BackgroundModel) -> None:
    """Raise unless the family is linear in its coefficients."""
    if not model.linear:
        msg = f"the family {model.family!r} is not a sum of terms: use `integrals`"
        raise InputError(msg)


def integrals(model: BackgroundModel, coefficients: ArrayLike, edges: ArrayLike) -> tuple[Array, Array]:
    """Return the expected counts in each bin, and their derivatives with respect to the coefficients.

    Parameters
    ----------
    model
        Family and order.
    coefficients
        Shape ``(order + 1,)``: events of each term, or the coefficients in the exponent.
    edges
        Bin edges, rising, shape ``(B + 1,)``; the window is their range.

    Returns
    -------
    counts : ndarray
        Shape ``(B,)``.
    derivatives : ndarray
        Shape ``(order + 1, B)``.
    """
    c, x = np.asarray(coefficients, dtype=np.float64), np.asarray(edges, dtype=np.float64)
    support = (float(x[0]), float(x[-1]))
    if model.linear:
        terms = np.diff(basis_cdf(model, x, support), axis=-1)
        return c @ terms, terms
    weights, terms = exponential_nodes(x, model.order)
    with np.errstate(over="ignore", invalid="ignore"):
        density = np.exp(terms @ c) * weights
        return density.sum(axis=-1), np.einsum("bq,bqk->kb", density, terms)


def exponential_nodes(edges: ArrayLike, order: int) -> tuple[Array, Array]:
    """Return the points of the integral of exp(sum_k c_k T_k(t)) over each bin, per width of the window.

    Parameters
    ----------
    edges
        Bin edges, rising, shape ``(B + 1,)``; t runs from -1 to 1 over their range.
    order
        Order of the polynomial.

    Returns
    -------
    weights : ndarray
        Shape ``(B, 8)``.
    terms : ndarray
        The T_k at the points, shape ``(B, 8, order + 1)``.
    """
    x = np.asarray(edges, dtype=np.float64)
    middle, half = 0.5 * (x[1:] + x[:-1]), 0.5 * np.diff(x)
    t = 2.0 * _unit(middle[:, None] + half[:, None] * NODES, (float(x[0]), float(x[-1]))) - 1.0
    terms = np.asarray(chebyshev.chebvander(t, order), dtype=np.float64)
    return np.asarray(WEIGHTS * half[:, None] / (x[-1] - x[0])), terms


def first_coefficients(model: BackgroundModel, counts: ArrayLike, edges: ArrayLike) -> Array:
    """Return coefficients to start a fit from: flat terms, or a weighted fit to the logarithm of the counts.

    Shapes as in `integrals`; counts ``(B,)``.
    """
    n, x = np.asarray(counts, dtype=np.float64), np.asarray(edges, dtype=np.float64)
    total = max(float(n.sum()), 1.0)
    if model.family == "bernstein":
        return np.full(model.order + 1, total / (model.order + 1))
    if model.family == "chebyshev":
        return np.concatenate([[total], np.zeros(model.order)])
    t = (x[1:] + x[:-1] - x[0] - x[-1]) / (x[-1] - x[0])
    density = (n + 0.5) / np.diff(x) * (x[-1] - x[0])
    order = min(model.order, max(n.size - 1, 0))
    slope = chebyshev.chebfit(t, np.log(density), order, w=np.sqrt(n + 0.5))
    first = np.concatenate([slope, np.zeros(model.order - order)])
    first[0] += np.log(total / integrals(model, first, x)[0].sum())
    return first
