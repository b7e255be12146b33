"""The posterior of a signal S >= 0, from a marginal likelihood that can be computed: integrated by quadrature.

The prior is flat in S, as in the BaBar and Belle II papers, or 1/sqrt(S); what multiplies the signal may have a
log-normal uncertainty. `limit_from_marginal` is what the Bayesian limits of `bumphunt.inference.bayesian` end in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from bumphunt.errors import FitError, Flag, InputError
from bumphunt.inference.counts.distribution import lognormal_nodes
from bumphunt.inference.roots import bracketed_root
from bumphunt.inference.upper_limit import Prior, checked_cl, checked_prior

__all__ = ["BayesianLimit", "failed_bayesian_limit", "limit_from_marginal"]

Array = NDArray[np.float64]

NEGLIGIBLE = 30.0
"""The posterior is followed down to exp(-30) of its maximum."""
INTERVALS, ORDER = 64, 6
"""Gauss-Legendre intervals, in sqrt(S), and their order: an interval is a quarter of a standard deviation."""
LARGER_RANGES = 40
"""How often the range is enlarged by half before a posterior is said not to be normalisable."""
COARSE = 65
"""Points of the search for the range of the posterior."""
POWERS = {"flat": 0.0, "1/sqrt": 0.5}
"""The power a of the prior S^-a."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BayesianLimit:
    """A Bayesian upper limit.

    Parameters
    ----------
    upper
        Upper end of the credible interval [0, upper], in the unit of the signal; NaN if there is none.
    error
        Its standard deviation from the finite sample; 0 where nothing was sampled.
    credibility
        Posterior probability of the interval.
    prior
        "flat" or "1/sqrt", in S >= 0.
    method
        "bayesian_quadrature" (nothing sampled) or "bayesian_importance".
    valid
        Whether the number can be used.
    flags
        The status of a failed fit; "posterior_not_normalisable"; "few_effective_samples" (valid, but the error is not
        to be trusted: take more).
    """

    upper: float
    error: float
    credibility: float
    prior: Prior
    method: str
    valid: bool
    flags: tuple[Flag, ...]


def failed_bayesian_limit(method: str, cl: float, prior: Prior, flag: Flag) -> BayesianLimit:
    """Return the record of a limit that does not exist."""
    nan = float("nan")
    return BayesianLimit(upper=nan, error=nan, credibility=cl, prior=prior, method=method, valid=False, flags=(flag,))


class _Posterior:
    """The posterior of the yield y = kappa S, integrated in u = sqrt(y): a polynomial in each of many intervals."""

    def __init__(self, log_density: Array, ends: Array, power: float) -> None:
        x, w = legendre.leggauss(ORDER)
        u = _nodes(ends)
        f = np.exp(log_density - log_density.max()) * 2.0 * u ** (1.0 - 2.0 * power)  # y^-a dy = 2 u^(1 - 2 a) du
        k = np.arange(ORDER)
        coefficients = (f * w) @ legendre.legvander(x, ORDER - 1) * (k + 0.5)
        self._integrated = coefficients / (2.0 * k + 1.0)  # int P_k = (P_k+1 - P_k-1) / (2 k + 1)
        self._ends, self._half = ends, 0.5 * np.diff(ends)
        self._base = np.concatenate([[0.0], np.cumsum(self._half * (f @ w))])

    @property
    def total(self) -> float:
        """The integral over all yields."""
        return float(self._base[-1])

    def cumulative(self, y: Array) -> Array:
        """Return the integral up to each yield, shape ``(N,)``."""
        u = np.clip(np.sqrt(y), self._ends[0], self._ends[-1])
        i = np.clip(np.searchsorted(self._ends, u, side="right") - 1, 0, self._half.size - 1)
        p = legendre.legvander((u - self._ends[i]) / self._half[i] - 1.0, ORDER)
        difference = p[:, 1:] - np.column_stack([-np.ones(u.size), p[:, : ORDER - 1]])
        return self._base[i] + self._half[i] * np.sum(self._integrated[i] * difference, axis=1)

    def quantile(self, cl: float, kappa: Array, weight: Array, power: float) -> float:
        """Return the S below which is the probability `cl`, kappa averaged over."""
        # int_0^x S^-a L(kappa S) dS = kappa^(a - 1) int_0^(kappa x) y^-a L(y) dy
        w = weight * kappa ** (power - 1.0)
        goal = (1.0 - cl) * self.total * w.sum()

        def excess(x: float) -> float:
            return float(w @ (self.total - self.cumulative(x * kappa))) - goal

        return bracketed_root(excess, 0.0, float(self._ends[-1] ** 2))


def _nodes(ends: Array) -> Array:
    """Return the Gauss-Legendre nodes of all intervals, shape ``(I, ORDER)``."""
    x, _ = legendre.leggauss(ORDER)
    middle, half = 0.5 * (ends[1:] + ends[:-1]), 0.5 * np.diff(ends)
    return middle[:, None] + half[:, None] * x


def _range(log_marginal: Callable[[Array], Array], guess: float, width: float) -> tuple[float, float]:
    """Return the range of u = sqrt(y) outside of which the posterior is negligible; raise `FitError` if there is none.

    The upper end is moved out until it is beyond; then the range is narrowed twice, for a narrow peak in it.
    """
    high = float(np.sqrt(guess + 10.0 * width))
    for _ in range(LARGER_RANGES):
        u = np.union1d(np.linspace(0.0, high, COARSE)[1:], np.sqrt(max(guess, 1e-3 * width)))
        values = log_marginal(u**2)
        if values[-1] <= np.max(values) - NEGLIGIBLE:
            low, high = _narrowed(u, values, 0.0)
            u = np.linspace(low, high, COARSE)[1:]
            return _narrowed(u, log_marginal(u**2), low)
        high *= 1.5
    raise FitError(Flag.POSTERIOR_NOT_NORMALISABLE)


def _narrowed(u: Array, values: Array, low: float) -> tuple[float, float]:
    """Return the points next to the maximum where the posterior is negligible; `low` and the last one if it is not."""
    peak = int(np.argmax(values))
    negligible = values <= values[peak] - NEGLIGIBLE
    left, right = np.flatnonzero(negligible[:peak]), np.flatnonzero(negligible[peak:])
    return float(u[left[-1]]) if left.size else low, float(u[peak + right[0]]) if right.size else float(u[-1])


def limit_from_marginal(
    log_marginal: Callable[[Array], Array],
    *,
    guess: float,
    width: float,
    cl: float = 0.9,
    prior: Prior = "flat",
    efficiency_sigma: float = 0.0,
) -> BayesianLimit:
    """Return the Bayesian upper limit on S from a marginal likelihood that can be computed exactly.

    Parameters
    ----------
    log_marginal
        Gives ln L of yields y > 0, shape ``(N,)`` to ``(N,)``, up to a constant; -inf where impossible.
    guess, width
        About where the maximum is (0 if it is at no signal), and about how wide it is, > 0.
    cl
        Credibility.
    prior
        In S >= 0.
    efficiency_sigma
        Relative uncertainty of the factor kappa in y = kappa S: log-normal with median 1.

    Returns
    -------
    BayesianLimit
        `method` is "bayesian_quadrature"; the precision is about 1e-7.

    Raises
    ------
    InputError
        If the level is not in (0, 1), the prior unknown, the width not positive, or the uncertainty negative.

    Examples
    --------
    >>> round(limit_from_marginal(lambda s: -s, guess=0.0, width=1.0).upper, 5)  # no events: ln 10
    2.30259
    """
    power = POWERS[checked_prior(prior)]
    kappa, weight = _efficiency(efficiency_sigma, guess, width)
    checked_cl(cl)
    try:
        ends = np.linspace(*_range(log_marginal, guess, width), INTERVALS + 1)
        density = log_marginal(_nodes(ends).ravel() ** 2).reshape(INTERVALS, ORDER)
        upper = _Posterior(density, ends, power).quantile(cl, kappa, weight, power)
    except FitError as failure:
        return failed_bayesian_limit("bayesian_quadrature", cl, prior, failure.flag)
    return BayesianLimit(
        upper=upper, error=0.0, credibility=cl, prior=prior, method="bayesian_quadrature", valid=True, flags=()
    )


def _efficiency(sigma: float, guess: float, width: float) -> tuple[Array, Array]:
    """Return nodes and weights of kappa, close enough for a peak of a given width; raise on bad input."""
    if not (width > 0.0 and guess >= 0.0):
        msg = f"the posterior needs a guess >= 0 and a width > 0 to start from, got {guess}, {width}"
        raise InputError(msg)
    if not 0.0 <= sigma < np.inf:
        msg = f"efficiency_sigma must be a number >= 0, got {sigma}"
        raise InputError(msg)
    return lognormal_nodes(sigma, width / (guess + 3.0 * width))
