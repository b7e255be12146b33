"""Smooth densities that are exponentials: a fixed factor times exp(sum_k c_k g_k(x)), and their integrals over bins.

=============  =============================  ===========================================================
family         fixed factor                   g_0, g_1, ... up to the order
=============  =============================  ===========================================================
"exponential"  1                              T_0(t), T_1(t), ...: t runs from -1 to 1 over the window
"power"        1                              T_0(s), T_1(s), ...: s runs from -1 to 1 as ln x does
"dijet"        1                              1, ln(1 - z), ln z, (ln z)^2, ...: z = x / end
"threshold"    1                              T_0(t), ..., T_n(t), and ln(x - end)
"argus"        x, and (1 - z^2)^(1/2) up to   1, 1 - z^2, ln(1 - z^2): z = x / end
               order 1
=============  =============================  ===========================================================

All are linear in c inside the exponent, so that one piece of compiled code fits them all with exact derivatives. In a
window the logarithms look much like straight lines: terms other than polynomials are made orthonormal over the window,
which changes the coefficients and not what can be described.

References
----------
UA2, Z. Phys. C 49 (1991) 17, and CDF, PRD 79 (2009) 112002, eq. 1; CMS, PLB 769 (2017) 520, eq. 2; ATLAS, PRD 96 (2017)
052004, eq. 1 (dijet functions). ARGUS, H. Albrecht et al., PLB 241 (1990) 278.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import InputError

__all__ = ["ENDING", "EXPONENTS", "Exponent", "combination", "exponent_nodes", "fixed_factor", "raw_terms"]

Array = NDArray[np.float64]
Exponent = Literal["exponential", "power", "dijet", "threshold", "argus"]

EXPONENTS = ("exponential", "power", "dijet", "threshold", "argus")
"""The families by name."""
ENDING = {"dijet": "above", "threshold": "below", "argus": "above"}
"""Families whose density ends somewhere, and on which side."""
NODES, WEIGHTS = np.polynomial.legendre.leggauss(8)
"""Gauss-Legendre rule on [-1, 1], exact for polynomials of order 15: the integral over a bin."""
FINE, FINE_NODES, FINE_WEIGHTS = 1.0 / 40.0, *np.polynomial.legendre.leggauss(4)
"""Width of bins, in units of the window, up to which four points do: 1e-13 of the integral where the density falls by e
over ten of them."""
ROOT = 4
"""Bins of a density that ends are integrated in the fourth root of the distance to its end: a power a of the distance
becomes the power 4 a + 3, which the rule takes well."""
INDEPENDENT = 1e-10
"""Least norm, relative to what it was, of a term that is left when those before it are taken out: less is rounding."""


def raw_terms(family: str, order: int, end: float, support: tuple[float, float], x: Any, xp: Any = np) -> list[Any]:
    """Return the terms g_k at x inside the density's range, as the table at the head of this module has them.

    Parameters
    ----------
    family, order, end
        As in `bumphunt.models.background.BackgroundModel`.
    support
        Ends of the window.
    x
        Where, any shape.
    xp
        The module of the functions: numpy, or one with the same names.
    """
    one = xp.ones_like(x)
    if family == "dijet":
        log = xp.log(x / end)
        return [one, xp.log1p(-x / end), *(log**k for k in range(1, order))][: order + 1]
    if family == "argus":
        square = (1.0 - x / end) * (1.0 + x / end)
        return [one, square, xp.log(square)][: order + 1]
    y, low, high = (xp.log(x), *np.log(support)) if family == "power" else (x, *support)
    t = (2.0 * y - low - high) / (high - low)
    terms = [one, t]
    for _ in range(order - 1):
        terms.append(2.0 * t * terms[-1] - terms[-2])  # T_(k+1) = 2 t T_k - T_(k-1)
    return [*terms[: order + 1], *([xp.log(x - end)] if family == "threshold" else [])]


def fixed_factor(family: str, order: int, end: float, x: Any, xp: Any = np) -> Any:
    """Return the fixed factor at x; arguments as in `raw_terms`."""
    if family != "argus":
        return xp.ones_like(x)
    return x * xp.sqrt((1.0 - x / end) * (1.0 + x / end)) if order < 2 else x


def exponent_nodes(family: str, order: int, end: float, edges: Array) -> tuple[Array, Array]:
    """Return the points of the integral of the density over each bin, per width of the window.

    The integral over bin i is sum_q weights[i, q] exp(sum_k c_k terms[i, q, k]). Where a density has ended, the weights
    and terms are 0.

    Parameters
    ----------
    family, order, end
        As in `bumphunt.models.background.BackgroundModel`.
    edges
        Bin edges, rising, shape ``(B + 1,)``; the window is their range.

    Returns
    -------
    weights : ndarray
        The fixed factor included, shape ``(B, Q)``: Q points, 8, or 4 for narrow bins of a density without an end.
    terms : ndarray
        Shape ``(B, Q, K)``.

    Raises
    ------
    InputError
        If a function of ln x is wanted where x is not positive, or the whole window is beyond the end.
    """
    weights, terms = _raw_nodes(family, order, end, edges)
    return weights, terms if family in ("exponential", "power") else terms @ _orthonormal(weights, terms)


def combination(family: str, order: int, end: float, edges: Array) -> Array:
    """Return the matrix M of the terms that are used: term k is sum_j g_j M[j, k]; arguments as `exponent_nodes`."""
    weights, terms = _raw_nodes(family, order, end, edges)
    return np.eye(terms.shape[-1]) if family in ("exponential", "power") else _orthonormal(weights, terms)


def _raw_nodes(family: str, order: int, end: float, edges: Array) -> tuple[Array, Array]:
    """Return what `exponent_nodes` does with the terms as they are."""
    x, support = np.asarray(edges, dtype=np.float64), (float(edges[0]), float(edges[-1]))
    if family in ("power", "dijet") and not support[0] > 0.0:
        msg = (
            f"the background {family!r} is a function of ln x, but its window begins at {support[0]:g}: cut it above 0"
        )
        raise InputError(msg)
    side = {"above": -1.0, "below": 1.0}.get(ENDING.get(family, ""), 0.0)
    if side == 0.0:
        half = 0.5 * np.diff(x)[:, None]
        fine = 2.0 * float(half.max()) <= FINE * (support[1] - support[0]) * (1.0 + 1e-12)
        at, share = (FINE_NODES, FINE_WEIGHTS) if fine else (NODES, WEIGHTS)
        points, weights = 0.5 * (x[1:] + x[:-1])[:, None] + half * at, share * half
    else:
        distance = np.maximum(side * (x - end), 0.0)
        if not distance.max() > 0.0:
            msg = f"the background {family!r} ends at {end:g}: it is 0 from {support[0]:g} to {support[1]:g}"
            raise InputError(msg)
        root = distance ** (1.0 / ROOT)
        half = 0.5 * np.diff(root)[:, None]
        v = 0.5 * (root[1:] + root[:-1])[:, None] + half * NODES
        points, weights = end + side * v**ROOT, WEIGHTS * np.abs(half) * ROOT * v ** (ROOT - 1)
    inside = weights > 0.0
    where = np.where(inside, points, points[inside][0])  # beyond the end there is no logarithm
    weights = weights * fixed_factor(family, order, end, where) / (support[1] - support[0])
    terms = np.stack(raw_terms(family, order, end, support, where), axis=-1)
    return weights, np.where(inside[..., None], terms, 0.0)


def _orthonormal(weights: Array, terms: Array) -> Array:
    """Return the matrix that makes terms (B, Q, K) orthonormal with weights (B, Q), by Gram and Schmidt.

    A term that is a sum of those before it becomes 0: no data can determine its coefficient.
    """
    rows, w = terms.reshape(-1, terms.shape[-1]), weights.ravel() / weights.sum()
    matrix = np.zeros((rows.shape[1], rows.shape[1]))
    for k in range(rows.shape[1]):
        column = np.eye(rows.shape[1])[k]
        whole = np.sqrt(np.sum(w * rows[:, k] ** 2))
        for _ in range(2):  # once more, against rounding
            for j in range(k):
                column = column - np.sum(w * (rows @ column) * (rows @ matrix[:, j])) * matrix[:, j]
        norm = np.sqrt(np.sum(w * (rows @ column) ** 2))
        if norm > INDEPENDENT * whole:
            matrix[:, k] = column / norm
    return matrix
