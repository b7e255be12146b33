"""Bayesian upper limits on a signal S >= 0, nuisance parameters marginalised.

==================  =================================================================
to ask              use
==================  =================================================================
one count           `bayesian_counting_limit`: quadrature only
a `Channel`         `bayesian_limit`: importance sampling, the error is stated
anything else       `limit_from_marginal`, with the logarithm of a marginal likelihood
==================  =================================================================

The prior is flat in S, as in the BaBar and Belle II papers, or 1/sqrt(S). Constraint terms are the priors of the
nuisance parameters; free coefficients have a flat one, over all values for which no expected count is negative. With a
flat prior and a known background the limit on a count is the CLs limit.

References
----------
O. Helene, NIM 212 (1983) 319 (flat prior). L. Tierney, J. B. Kadane, J. Am. Stat. Assoc. 81 (1986) 82 (Laplace).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.special import logsumexp, xlogy

from bumphunt.engines import linear as convex
from bumphunt.errors import FitError, InputError
from bumphunt.inference.counting import CountingModel, background_nodes, lognormal_nodes
from bumphunt.inference.limits import bracketed_root, checked_cl
from bumphunt.likelihood.linear import Channel

__all__ = [
    "BayesianLimit",
    "Prior",
    "bayesian_counting_limit",
    "bayesian_limit",
    "limit_from_marginal",
    "prior_power",
]

Array = NDArray[np.float64]
Prior = Literal["flat", "1/sqrt"]

NEGLIGIBLE = 30.0
"""The posterior is followed down to exp(-30) of its maximum."""
INTERVALS, ORDER = 64, 6
"""Gauss-Legendre intervals, in sqrt(S), and their order: an interval is a quarter of a standard deviation."""
LARGER_RANGES = 40
"""How often the range is enlarged by half before a posterior is said not to be normalisable."""
COARSE = 65
"""Points of the search for the range of the posterior."""
CORRECTED = 25
"""Points in sqrt(S) at which Laplace's approximation is corrected; the correction is smooth."""
PARTS = 16
"""Independent parts of the importance sample: their spread is the error."""
DEGREES_OF_FREEDOM = 6.0
"""Of the multivariate t distribution that is sampled: its tails are heavier than those of a Poisson likelihood."""
EFFECTIVE = 0.05
"""Smallest effective fraction of the sample (Kish) whose error is trusted."""


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
    flags: tuple[str, ...]


def prior_power(prior: Prior) -> float:
    """Return the power a of the prior S^-a; raise an `InputError` for another prior."""
    powers = {"flat": 0.0, "1/sqrt": 0.5}
    if prior not in powers:
        msg = f"the prior must be 'flat' or '1/sqrt', got {prior!r}"
        raise InputError(msg)
    return powers[prior]


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
    msg = "posterior_not_normalisable"
    raise FitError(msg)


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
    power = prior_power(prior)
    kappa, weight = _efficiency(efficiency_sigma, guess, width)
    method = "bayesian_quadrature"
    checked_cl(cl)
    try:
        ends = np.linspace(*_range(log_marginal, guess, width), INTERVALS + 1)
        density = log_marginal(_nodes(ends).ravel() ** 2).reshape(INTERVALS, ORDER)
        upper = _Posterior(density, ends, power).quantile(cl, kappa, weight, power)
    except FitError as failure:
        return _failed(method, cl, prior, str(failure))
    return BayesianLimit(upper=upper, error=0.0, credibility=cl, prior=prior, method=method, valid=True, flags=())


def _failed(method: str, cl: float, prior: Prior, message: str) -> BayesianLimit:
    """Return the record of a limit that does not exist."""
    flag = message if message.startswith(("fit_", "posterior_")) else "no_root"
    return BayesianLimit(
        upper=np.nan, error=np.nan, credibility=cl, prior=prior, method=method, valid=False, flags=(flag,)
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


def bayesian_counting_limit(
    n_obs: float, model: CountingModel, *, cl: float = 0.9, prior: Prior = "flat"
) -> BayesianLimit:
    """Return the Bayesian upper limit on the mean signal of a counting experiment.

    Parameters
    ----------
    n_obs
        Observed count.
    model
        Background and efficiency with their uncertainties, whose distributions are the priors.
    cl
        Credibility.
    prior
        In S >= 0.

    Returns
    -------
    BayesianLimit
        In events at the nominal efficiency.

    Raises
    ------
    InputError
        If the count is negative or not finite, the level not in (0, 1), or the prior unknown.

    Examples
    --------
    >>> round(bayesian_counting_limit(3, CountingModel(background=1.0)).upper, 3)
    5.711
    """
    if not 0.0 <= n_obs < np.inf:
        msg = f"the observed count must be a number >= 0, got {n_obs}"
        raise InputError(msg)
    b, weight = background_nodes(model)
    log_weight = np.log(weight)

    def log_marginal(s: Array) -> Array:
        nu = s[:, None] + b
        return np.asarray(logsumexp(xlogy(n_obs, nu / max(n_obs, 1.0)) - nu + log_weight, axis=1))

    return limit_from_marginal(
        log_marginal,
        guess=max(n_obs - model.background, 0.0),
        width=float(np.sqrt(n_obs + 1.0 + model.background_sigma**2)),
        cl=cl,
        prior=prior,
        efficiency_sigma=model.efficiency_sigma,
    )


class _ChannelMarginal:
    """The marginal likelihood of a channel: Laplace's approximation, and its correction from a sample."""

    def __init__(self, channel: Channel, samples: Array) -> None:
        self._channel, self._free = channel, ~channel.held
        self._precision = np.where(self._free, np.maximum(channel.sigmas, 1e-300), np.inf)[self._free] ** -2.0
        self._samples = samples  # standard t variables, shape (PARTS, M, K')
        self._start = convex.fit_channel(channel)
        if not self._start.status.usable:
            raise FitError(self._start.status.flag)

    def _modes(self, s: Array) -> tuple[Array, Array, Array]:
        """Return coefficients ``(S, K)``, -ln L ``(S,)``, and a Cholesky factor of the information ``(S, K', K')``."""
        channel = self._channel
        fits = convex.fit_tested(channel, s)
        failed = next((fit for fit in fits if not fit.status.usable), None)
        if failed is not None:
            raise FitError(failed.status.flag)
        theta = np.array([fit.background for fit in fits]).reshape(s.size, -1)
        nu = np.maximum(s[:, None] * channel.signal + theta @ channel.templates, 0.0)
        weight = (channel.counts + 1.0) / (nu + 1.0) ** 2  # n / nu^2, and finite where both vanish
        templates = channel.templates[self._free]
        information = np.einsum("ki,si,li->skl", templates, weight, templates)
        information[:, *np.diag_indices(self._precision.size)] += self._precision
        return theta, np.array([fit.nll for fit in fits]), np.linalg.cholesky(information)

    def laplace(self, s: Array) -> Array:
        """Return ln of Laplace's approximation, shape ``(S,)``, up to a constant."""
        _, nll, factor = self._modes(s)
        return -nll - np.sum(np.log(np.diagonal(factor, axis1=1, axis2=2)), axis=1)

    def correction(self, s: Array) -> tuple[Array, float]:
        """Return the correction to ln of it for each part of the sample, ``(PARTS, S)``, and the effective fraction."""
        theta, nll, factor = self._modes(s)
        z = self._samples
        n_free = z.shape[2]
        log_proposal = -0.5 * (DEGREES_OF_FREEDOM + n_free) * np.log1p(np.sum(z**2, axis=2) / DEGREES_OF_FREEDOM)
        corrections, fraction = np.empty((PARTS, s.size)), 1.0
        for row, value in enumerate(s):
            moved = np.broadcast_to(theta[row], (*z.shape[:2], theta.shape[1])).copy()
            moved[:, :, self._free] += np.linalg.solve(factor[row].T, z.reshape(-1, n_free).T).T.reshape(z.shape)
            log_weight = nll[row] - self._nll(value, moved) - log_proposal
            corrections[:, row] = logsumexp(log_weight, axis=1) - np.log(z.shape[1])
            w = np.exp(log_weight - log_weight.max())
            fraction = min(fraction, float(w.sum() ** 2 / np.sum(w**2)) / w.size)
        return corrections, fraction

    def _nll(self, s: float, theta: Array) -> Array:
        """Return -ln L at a yield and coefficients ``(..., K)``; inf where an expected count is negative."""
        channel = self._channel
        n, nu = channel.counts, s * channel.signal + theta @ channel.templates
        possible = np.all((nu > 0.0) | ((nu == 0.0) & (n == 0.0)), axis=-1)
        ratio = np.divide(n, nu, out=np.ones_like(nu), where=(nu > 0.0) & (n > 0.0))
        poisson = np.sum(nu - n + n * np.log(ratio), axis=-1)
        pull = (theta - channel.centres)[..., self._free]
        return np.where(possible, poisson + 0.5 * pull**2 @ self._precision, np.inf)

    def scale(self) -> tuple[float, float]:
        """Return the maximum in s >= 0 and a width of the posterior [events]."""
        nu = np.maximum(self._channel.expected(max(self._start.n_sig, 0.0), self._start.background), 0.0)
        width = 1.0 / np.sqrt(np.sum(self._channel.signal**2 / (nu + 1.0)))
        error = self._start.n_sig_error
        return max(self._start.n_sig, 0.0), float(error if np.isfinite(error) and error > 0.0 else width)


def bayesian_limit(
    channel: Channel,
    *,
    rng: np.random.Generator,
    cl: float = 0.9,
    prior: Prior = "flat",
    efficiency_sigma: float = 0.0,
    n_samples: int = 4096,
) -> BayesianLimit:
    """Return the Bayesian upper limit on the signal yield of a channel, its nuisance parameters marginalised.

    Parameters
    ----------
    channel
        Data, signal, templates and constraints.
    rng
        Draws the importance sample; not used where no coefficient is free or constrained.
    cl
        Credibility.
    prior
        In S >= 0.
    efficiency_sigma
        Relative uncertainty of what multiplies the signal: log-normal with median 1.
    n_samples
        Size of the importance sample.

    Returns
    -------
    BayesianLimit
        In events at the nominal efficiency.

    Raises
    ------
    InputError
        If the level is not in (0, 1), the prior unknown, the uncertainty negative, or there are under 32 samples.
    """
    checked_cl(cl)
    power = prior_power(prior)
    n_free = int((~channel.held).sum())
    if n_samples < 2 * PARTS:
        msg = f"the importance sample needs at least {2 * PARTS} members, got {n_samples}"
        raise InputError(msg)
    _efficiency(efficiency_sigma, 0.0, 1.0)
    shape = (PARTS, n_samples // PARTS, n_free)
    method = "bayesian_importance" if n_free else "bayesian_quadrature"
    try:
        samples = _standard_t(rng, shape) if n_free else np.empty((PARTS, 1, 0))
        marginal = _ChannelMarginal(channel, samples)
        guess, width = marginal.scale()
        if not n_free:
            return limit_from_marginal(
                marginal.laplace, guess=guess, width=width, cl=cl, prior=prior, efficiency_sigma=efficiency_sigma
            )
        kappa, weight = _efficiency(efficiency_sigma, guess, width)
        ends = np.linspace(*_range(marginal.laplace, guess, width), INTERVALS + 1)
        u = _nodes(ends)
        laplace = marginal.laplace(u.ravel() ** 2).reshape(u.shape)
        at = np.linspace(ends[0], ends[-1], CORRECTED)
        parts, fraction = marginal.correction(at**2)
        overall = logsumexp(parts, axis=0) - np.log(PARTS)
        limits = [
            _Posterior(laplace + CubicSpline(at, part)(u), ends, power).quantile(cl, kappa, weight, power)
            for part in (overall, *parts)
        ]
    except FitError as failure:
        return _failed(method, cl, prior, str(failure))
    return BayesianLimit(
        upper=limits[0],
        error=float(np.std(limits[1:], ddof=1) / np.sqrt(PARTS)),
        credibility=cl,
        prior=prior,
        method=method,
        valid=True,
        flags=("few_effective_samples",) if fraction < EFFECTIVE else (),
    )


def _standard_t(rng: np.random.Generator, shape: tuple[int, int, int]) -> Array:
    """Return variables of the multivariate t distribution, the last axis being one of them; mirrored in pairs."""
    parts, members, dimension = shape
    half = (members + 1) // 2
    normal = rng.standard_normal((parts, half, dimension))
    z = normal / np.sqrt(rng.chisquare(DEGREES_OF_FREEDOM, (parts, half, 1)) / DEGREES_OF_FREEDOM)
    return np.concatenate([z, -z], axis=1)[:, :members]
