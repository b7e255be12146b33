"""BackgroundModel: smooth backgrounds whose coefficients are left to the data.

=======================  =====================  ================================================================
family                   in its coefficients    when
=======================  =====================  ================================================================
"bernstein"              linear                 the default: positive terms, well conditioned
"chebyshev"              linear                 the same polynomials, with small correlations of high orders
"logarithmic"            linear                 polynomials in ln x (Bernstein): windows of a factor of two and more
"exponential"            not linear             steep spectra: the exponential of a polynomial is never negative
"power"                  not linear             x^a at order 1; an exponent that runs with ln x at higher ones
"dijet"                  not linear             (1 - z)^a z^(b + c ln z + ...), z = x / end: 2, 3, 4 for three to
                                                five parameters as those of UA2, CDF, CMS and ATLAS
"threshold"              not linear             (x - end)^a times the exponential of a polynomial: above a threshold
"argus"                  not linear             x (1 - z^2)^p exp(c (1 - z^2)), z = x / end: the ARGUS function, with
                                                p = 1/2 at order 1, free at order 2
=======================  =====================  ================================================================

The coefficients of what is not linear have a weak normal constraint around 0, whose centre does not fluctuate (width
1e4, divided by half the range of their term in the window): where few events would have them run to infinity (all
events in one bin, none at all) they stop there, and elsewhere it changes nothing.

Bins hold integrals. Polynomials of the same order span the same space: their fits agree. `BackgroundFunction` is any
function of Python; `bumphunt.models.exponents` has those that are not linear. Monte Carlo histograms as backgrounds are
samples of `bumphunt.models.region`; one that a smooth background multiplies is the `template` of a sample.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import comb
from typing import Any, Literal

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc

from bumphunt.errors import InputError, unknown_name
from bumphunt.models.exponents import ENDING, EXPONENTS, exponent_nodes

__all__ = [
    "FAMILIES",
    "Background",
    "BackgroundFunction",
    "BackgroundModel",
    "Family",
    "basis_cdf",
    "bernstein_term",
    "first_coefficients",
    "flat_coefficients",
    "integrals",
]

Array = NDArray[np.float64]
Family = Literal["bernstein", "chebyshev", "logarithmic", "exponential", "power", "dijet", "threshold", "argus"]

LINEAR = ("bernstein", "chebyshev", "logarithmic")
"""Families that are linear in their coefficients."""
FAMILIES = (*LINEAR, *EXPONENTS)
"""The families by name."""
MAX_ORDER = 20
"""Highest order: beyond it the terms cannot be told apart in double precision."""
MAX_ORDERS = {"dijet": 6, "argus": 2}
"""That of families that have fewer terms."""
LOG_NODES, LOG_WEIGHTS = np.polynomial.legendre.leggauss(32)
"""Gauss-Legendre rule for polynomials in ln x."""


@dataclass(frozen=True, slots=True)
class BackgroundModel:
    """A family of smooth backgrounds and its order.

    Parameters
    ----------
    family
        One of `FAMILIES`.
    order
        Order of the polynomial, 0 to 20, that of "dijet" at most 6 and of "argus" at most 2: it has one coefficient
        more, and one again for the power of a threshold.
    end
        Of "dijet", "argus" and "threshold": the energy of the collision or the end point, above which nothing is
        expected, or the threshold, below which it is not [unit of the observable].

    Raises
    ------
    InputError
        If the family is unknown, the order out of range, or an end is missing, given to another family, or not
        positive.
    """

    family: Family
    order: int
    end: float | None = None

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise InputError(unknown_name("background family", self.family, FAMILIES))
        highest = MAX_ORDERS.get(self.family, MAX_ORDER)
        if not isinstance(self.order, int | np.integer) or not 0 <= self.order <= highest:
            msg = (
                f"the order of {self.family!r} backgrounds must be a whole number from 0 to {highest}, got {self.order}"
            )
            raise InputError(msg)
        if (self.end is None) == (self.family in ENDING):
            said = "needs its end" if self.end is None else "has no end"
            msg = f"a background {self.family!r} {said}, got {self.end}: the end is for {', '.join(ENDING)}"
            raise InputError(msg)
        if self.end is not None and not (np.isfinite(self.end) and (self.end > 0.0 or self.family == "threshold")):
            msg = f"the end of a background {self.family!r} must be a positive number, got {self.end}"
            raise InputError(msg)

    @property
    def linear(self) -> bool:
        """Whether the expected counts are linear in the coefficients."""
        return self.family in LINEAR

    @property
    def n_coefficients(self) -> int:
        """How many coefficients it has."""
        return self.order + 1 + (self.family == "threshold")

    @property
    def of_window(self) -> bool:
        """Whether its terms depend on the place in the window alone, wherever the window is."""
        return self.family in ("bernstein", "chebyshev")

    @property
    def lowest(self) -> float:
        """Where windows have to begin: a function of ln x is none at 0."""
        return 0.0 if self.family in ("logarithmic", "power", "dijet") else -np.inf

    def nodes(self, edges: ArrayLike) -> tuple[Array, Array]:
        """Return the points of the integral over each bin of a family that is not linear (`exponent_nodes`)."""
        x = np.asarray(edges, dtype=np.float64)
        return exponent_nodes(self.family, self.order, np.nan if self.end is None else self.end, x)


@dataclass(frozen=True, slots=True)
class BackgroundFunction:
    """A smooth background that is a function of Python: its shape; the data determine parameters and events.

    Parameters
    ----------
    function
        ``function(x, **parameters)``: the density at positions x of shape (N,), up to a factor, in their shape. It must
        be positive and finite. It is normalised over each window: none of its parameters is a common factor.
    start
        First values of its parameters, by name.

    Raises
    ------
    InputError
        If a first value is not finite, or the function does not take these parameters.
    """

    function: Callable[..., Any]
    start: Mapping[str, float]

    def __post_init__(self) -> None:
        name = getattr(self.function, "__name__", repr(self.function))
        for parameter, value in self.start.items():
            if not isinstance(value, int | float | np.number) or not np.isfinite(value):
                msg = f"parameter {parameter!r} of {name!r} must start at a finite number, got {value!r}"
                raise InputError(msg)
        try:
            inspect.signature(self.function).bind(np.zeros(1), **self.start)
        except TypeError as error:
            msg = f"{name!r} is called as {name}(x, {', '.join(f'{key}=...' for key in self.start)}): {error}"
            raise InputError(msg) from None

    @property
    def linear(self) -> bool:
        """Whether the expected counts are linear in the parameters: nobody knows."""
        return False

    @property
    def n_coefficients(self) -> int:
        """How many parameters it has, the number of events included."""
        return 1 + len(self.start)

    @property
    def lowest(self) -> float:
        """Where windows have to begin: anywhere."""
        return -np.inf


Background = BackgroundModel | BackgroundFunction
"""A smooth background of a window: a family, or a function."""


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
        width of the support, only the first is; the logarithmic ones have a flat sum, of integral order + 1.

    Raises
    ------
    InputError
        If the family is not linear, or the support of a logarithmic one does not begin above 0.

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
    elif model.family == "logarithmic":
        return _logarithmic_cdf(n, np.clip(np.asarray(x, dtype=np.float64), *support), support)
    else:
        primitives = [chebyshev.chebint(unit, lbnd=-1) / 2.0 for unit in np.eye(n + 1)]
        terms = [np.asarray(chebyshev.chebval(2.0 * u - 1.0, c), dtype=np.float64) for c in primitives]
    return np.asarray(np.stack(terms), dtype=np.float64)


def _logarithmic_cdf(order: int, x: Array, support: tuple[float, float]) -> Array:
    """Return the integrals of the Bernstein polynomials in ln x, times (order + 1) / width, up to x inside."""
    if not support[0] > 0.0:
        msg = f"the background 'logarithmic' is a polynomial in ln x, but its window begins at {support[0]:g}"
        raise InputError(msg)
    decades = np.log(support[1] / support[0])
    half = 0.5 * np.log(x / support[0]) / decades
    v = half[..., None] * (1.0 + LOG_NODES)
    # dx = x d(ln x); the density is that of the terms per width of the window
    density = support[0] * np.exp(v * decades) * decades / (support[1] - support[0])
    weights = LOG_WEIGHTS * half[..., None] * density
    return np.stack([(weights * bernstein_term(k, order, v)).sum(axis=-1) for k in range(order + 1)])


def bernstein_term(k: int, order: int, u: Any) -> Any:
    """Return (n + 1) times the Bernstein polynomial k of order n at u in [0, 1]."""
    return (order + 1) * comb(order, k) * u**k * (1.0 - u) ** (order - k)


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
        Shape ``(K,)``: events of each term, or the coefficients in the exponent.
    edges
        Bin edges, rising, shape ``(B + 1,)``; the window is their range.

    Returns
    -------
    counts : ndarray
        Shape ``(B,)``.
    derivatives : ndarray
        Shape ``(K, B)``.

    Raises
    ------
    InputError
        If the family does not suit the window, as `exponent_nodes` and `basis_cdf` say.
    """
    c, x = np.asarray(coefficients, dtype=np.float64), np.asarray(edges, dtype=np.float64)
    support = (float(x[0]), float(x[-1]))
    if model.linear:
        terms = np.diff(basis_cdf(model, x, support), axis=-1)
        return c @ terms, terms
    weights, terms = model.nodes(x)
    with np.errstate(over="ignore", invalid="ignore"):
        density = np.exp(terms @ c) * weights
        return density.sum(axis=-1), np.einsum("bq,bqk->kb", density, terms)


def flat_coefficients(model: BackgroundModel, total: float, edges: ArrayLike) -> Array:
    """Return the coefficients of the plainest background of `total` > 0 events in a window, shape ``(K,)``.

    It is flat, but for the fixed factor of a family that has one.
    """
    if model.family == "chebyshev":
        return np.concatenate([[total], np.zeros(model.order)])
    if model.linear:
        return np.full(model.order + 1, total / (model.order + 1))
    flat = np.zeros(model.n_coefficients)
    flat[0] = np.log(total / integrals(model, flat, edges)[0].sum())
    return flat


def first_coefficients(model: BackgroundModel, counts: ArrayLike, edges: ArrayLike) -> Array:
    """Return coefficients to start a fit from: flat terms, or a weighted fit to the logarithm of the counts.

    Shapes as in `integrals`; counts ``(B,)``.
    """
    n, x = np.asarray(counts, dtype=np.float64), np.asarray(edges, dtype=np.float64)
    total = max(float(n.sum()), 1.0)
    if model.linear:
        return flat_coefficients(model, total, x)
    weights, terms = model.nodes(x)
    content = weights.sum(axis=1)
    some = content > 0.0
    centres = np.einsum("bq,bqk->bk", weights[some], terms[some]) / content[some, None]
    size = np.sqrt(n[some] + 0.5)
    first = np.linalg.lstsq(centres * size[:, None], np.log(size**2 / content[some]) * size, rcond=None)[0]
    first[0] += np.log(total / integrals(model, first, x)[0].sum())
    return np.asarray(first, dtype=np.float64)
