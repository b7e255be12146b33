"""The posterior of a signal S >= 0, from a marginal likelihood that can be computed: integrated by quadrature.

The prior is flat in S, as in the BaBar and Belle II papers, or 1/sqrt(S); what multiplies the signal may have a
log-normal uncertainty. `limit_from_marginal` is what the Bayesian limits of `bumphunt.inference.bayesian` end in.

The variable of integration is t, with S = w sinh^2(t) and w a width: like sqrt(S) near 0, where 1/sqrt(S) is no
singularity then, and like ln(S) far out, where the posterior of an uncertain efficiency may fall as slowly as a power
of S. How far out is found from the probability beyond, not from the density.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import toms748
from scipy.special import logsumexp

from bumphunt.errors import FitError, Flag, InputError
from bumphunt.inference.counts.distribution import lognormal_nodes
from bumphunt.inference.roots import bracketed_root
from bumphunt.inference.settings import Prior, checked_cl, checked_prior

__all__ = [
    "POWERS",
    "BayesianLimit",
    "Posterior",
    "failed_bayesian_limit",
    "limit_from_marginal",
    "log_measure",
    "range_end",
    "variable_at",
    "yields_at",
]

Array = NDArray[np.float64]

NEGLECTED = 1e-10
"""Probability that may lie beyond the range of the integration."""
INTERVALS, ORDER = 128, 6
"""Gauss-Legendre intervals, and their order: an interval is an eighth of a standard deviation."""
COARSE = 129
"""Points of the search for the range of the posterior."""
FARTHER, FARTHEST = 0.5, 60.0
"""By how much the range in t is enlarged, and where a posterior is said not to be normalisable: at 1e51 widths."""
LEAST_BEYOND = 1e-6
"""Share of the probability outside of a shortest interval that is above it, at the least: no density is so lopsided."""
IMPOSSIBLE = 1e6
"""Stands for -ln of a density that is 0, in the search for a shortest interval."""
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


def yields_at(t: Array, width: float) -> Array:
    """Return the yields w sinh^2(t) at values of the variable of integration, in the shape of t."""
    return np.asarray(width * np.sinh(t) ** 2)


def variable_at(y: ArrayLike, width: float) -> Array:
    """Return the variable of integration of yields >= 0, in the shape of y."""
    return np.asarray(np.arcsinh(np.sqrt(np.asarray(y, dtype=np.float64) / width)))


def log_measure(t: Array, power: float) -> Array:
    """Return the logarithm of y^-a dy / dt, up to a constant: of w^(1 - a) 2 sinh(t)^(1 - 2 a) cosh(t)."""
    with np.errstate(divide="ignore"):  # at t = 0
        return np.asarray((1.0 - 2.0 * power) * np.log(np.sinh(t)) + np.log(np.cosh(t)))


class Posterior:
    """The posterior of the signal S >= 0, integrated in t: a polynomial in each of many intervals.

    Parameters
    ----------
    log_marginal, guess, width, prior, efficiency_sigma
        As in `limit_from_marginal`.

    Raises
    ------
    InputError
        If the prior is unknown, the width not positive, or the uncertainty negative.
    FitError
        With the flag "posterior_not_normalisable".
    """

    def __init__(
        self,
        log_marginal: Callable[[Array], Array],
        *,
        guess: float,
        width: float,
        prior: Prior = "flat",
        efficiency_sigma: float = 0.0,
    ) -> None:
        power = POWERS[checked_prior(prior)]
        kappa, weight = _efficiency(efficiency_sigma, guess, width)

        def log_density(t: Array) -> Array:
            return log_marginal(yields_at(t, width)) + log_measure(t, power)

        end = range_end(log_density, float(variable_at(guess + 10.0 * width, width)))
        inside = _range(log_density, float(variable_at(max(guess, 1e-3 * width), width)), end)
        self._ends, self._width, self._log_marginal = np.linspace(*inside, INTERVALS + 1), width, log_marginal
        log_f = log_density(_nodes(self._ends).ravel()).reshape(INTERVALS, ORDER)
        x, w = legendre.leggauss(ORDER)
        f = np.exp(log_f - log_f.max())
        k = np.arange(ORDER)
        coefficients = (f * w) @ legendre.legvander(x, ORDER - 1) * (k + 0.5)
        self._integrated = coefficients / (2.0 * k + 1.0)  # int P_k = (P_k+1 - P_k-1) / (2 k + 1)
        self._half = 0.5 * np.diff(self._ends)
        self._base = np.concatenate([[0.0], np.cumsum(self._half * (f @ w))])
        # int_0^x S^-a L(kappa S) dS = kappa^(a - 1) int_0^(kappa x) y^-a L(y) dy
        self._kappa, self._weight, self._kappa_weight = kappa, weight * kappa ** (power - 1.0), weight

    def _cumulative(self, y: Array) -> Array:
        """Return the integral up to each yield y = kappa S, shape ``(N,)``."""
        t = np.clip(variable_at(y, self._width), self._ends[0], self._ends[-1])
        i = np.clip(np.searchsorted(self._ends, t, side="right") - 1, 0, self._half.size - 1)
        p = legendre.legvander((t - self._ends[i]) / self._half[i] - 1.0, ORDER)
        difference = p[:, 1:] - np.column_stack([-np.ones(t.size), p[:, : ORDER - 1]])
        return self._base[i] + self._half[i] * np.sum(self._integrated[i] * difference, axis=1)

    def quantile(self, probability: float) -> float:
        """Return the S below which is a probability in [0, 1)."""
        total = float(self._base[-1])
        goal = (1.0 - probability) * total * self._weight.sum()

        def excess(t: float) -> float:
            y = yields_at(np.array(t), self._width) * self._kappa
            return float(self._weight @ (total - self._cumulative(y))) - goal

        return float(yields_at(np.array(bracketed_root(excess, 0.0, float(self._ends[-1]))), self._width))

    def central(self, credibility: float) -> tuple[float, float]:
        """Return the ends of the interval with the same probability on either side."""
        return self.quantile(0.5 - 0.5 * credibility), self.quantile(0.5 + 0.5 * credibility)

    def shortest(self, credibility: float) -> tuple[float, float]:
        """Return the ends of the shortest interval, of a flat prior: with equal densities there, or from 0 on.

        The density of a flat prior is the marginal likelihood, which has one maximum.
        """

        def ends(below: float) -> tuple[float, float]:
            return self.quantile(below) if below > 0.0 else 0.0, self.quantile(below + credibility)

        def rising(below: float) -> float:  # the sign of the change of the length with the probability below
            low, high = np.maximum(self._log_density(np.array(ends(below))), -IMPOSSIBLE)
            return float(low - high)

        most = (1.0 - credibility) * (1.0 - LEAST_BEYOND)
        if rising(0.0) >= 0.0:
            return ends(0.0)
        return ends(float(toms748(rising, 0.0, most, xtol=1e-12, rtol=1e-10)))

    def _log_density(self, signal: Array) -> Array:
        """Return the logarithm of the density of a flat prior at signals, shape ``(N,)``, up to a constant."""
        tiny = np.maximum(signal, np.finfo(np.float64).tiny)
        logs = self._log_marginal(np.multiply.outer(self._kappa, tiny).ravel()).reshape(self._kappa.size, -1)
        return np.asarray(logsumexp(logs, axis=0, b=self._kappa_weight[:, None]))


def _nodes(ends: Array) -> Array:
    """Return the Gauss-Legendre nodes of all intervals, shape ``(I, ORDER)``."""
    x, _ = legendre.leggauss(ORDER)
    middle, half = 0.5 * (ends[1:] + ends[:-1]), 0.5 * np.diff(ends)
    return middle[:, None] + half[:, None] * x


def range_end(log_density: Callable[[Array], Array], first: float) -> float:
    """Return the t beyond which is a negligible part of a posterior; raise `FitError` if there is none.

    What lies beyond is judged by the slope of the logarithm at the end: an exponential in t, which is a power of S, or
    less.

    Parameters
    ----------
    log_density
        Gives the logarithm of the density in t, shape ``(N,)`` to ``(N,)``.
    first
        Where to begin, > 0, beyond the maximum.

    Raises
    ------
    FitError
        With the flag "posterior_not_normalisable", if the density does not fall fast enough up to `FARTHEST`.
    """
    end = first
    while end <= FARTHEST:
        t = np.linspace(0.0, end, COARSE)[1:]
        values = log_density(t)
        if values[-1] == -np.inf:
            return end
        slope, peak = float(values[-1] - values[-2]) / float(t[0]), float(values.max())
        inside = float(np.exp(values - peak).sum()) * float(t[0])
        if slope < 0.0 and np.exp(values[-1] - peak) < -slope * NEGLECTED * inside:
            return end
        end += FARTHER
    raise FitError(Flag.POSTERIOR_NOT_NORMALISABLE, f"at t = {end}")


def _range(log_density: Callable[[Array], Array], guess: float, high: float) -> tuple[float, float]:
    """Return the range of t outside of which the posterior is negligible: narrowed twice, for a narrow peak in it."""
    t = np.union1d(np.linspace(0.0, high, COARSE)[1:], guess)
    low, high = _narrowed(t, log_density(t), 0.0)
    t = np.linspace(low, high, COARSE)[1:]
    return _narrowed(t, log_density(t), low)


def _narrowed(t: Array, values: Array, low: float) -> tuple[float, float]:
    """Return the points next to the maximum where the posterior is negligible; `low` and the last one if it is not."""
    peak = int(np.argmax(values))
    negligible = values <= values[peak] + np.log(NEGLECTED) - 7.0  # of a normal distribution: its mass beyond is less
    left, right = np.flatnonzero(negligible[:peak]), np.flatnonzero(negligible[peak:])
    return float(t[left[-1]]) if left.size else low, float(t[peak + right[0]]) if right.size else float(t[-1])


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
        Relative uncertainty r of the factor kappa in y = kappa S: log-normal with median 1, and 1 + r at +1 standard
        deviation.

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
    checked_cl(cl)
    try:
        upper = Posterior(
            log_marginal, guess=guess, width=width, prior=prior, efficiency_sigma=efficiency_sigma
        ).quantile(cl)
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
