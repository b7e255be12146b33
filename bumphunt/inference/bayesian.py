"""Bayesian upper limits on a signal S >= 0, nuisance parameters marginalised.

==================  =================================================================
to ask              use
==================  =================================================================
regions             `bayesian_limit`: importance sampling, the error is stated
one count           `bayesian_counting_limit`: quadrature only
two-sided intervals `bumphunt.inference.credible`
anything else       `bumphunt.inference.posterior.limit_from_marginal`
==================  =================================================================

The prior is flat in S, as in the BaBar and Belle II papers, or 1/sqrt(S). Constraint terms are the priors of the
nuisance parameters. With a flat prior and a known background the limit on a count is the CLs limit.

At a series of strengths the likelihood of regions is averaged over the nuisance parameters by importance sampling
around its maximum; between them its logarithm is smooth. The series goes on until what lies beyond has a negligible
probability, however slowly the posterior falls: with a signal known to r from 1 / r^2 = N control events (a gamma
distribution) its probability beyond S is (1 + S / N)^-N where no event is seen, and the limit N ((1 - cl)^(-1/N) - 1).

References
----------
O. Helene, NIM 212 (1983) 319 (flat prior).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.special import logsumexp, xlogy

from bumphunt.engines.choose import Engine
from bumphunt.errors import FitError, Flag, InputError
from bumphunt.inference.counts.distribution import CountingModel, background_nodes
from bumphunt.inference.posterior import (
    POWERS,
    BayesianLimit,
    failed_bayesian_limit,
    limit_from_marginal,
    log_measure,
    variable_at,
    yields_at,
)
from bumphunt.inference.profile import Profile
from bumphunt.inference.roots import bracketed_root
from bumphunt.inference.settings import Prior, checked_cl, checked_prior
from bumphunt.inference.upper_limit import UpperLimit
from bumphunt.likelihood.likelihood import Likelihood, likelihood
from bumphunt.models.region import Region

__all__ = [
    "SampledMarginals",
    "bayesian_counting_limit",
    "bayesian_limit",
    "counted_marginal",
    "profile_bayesian_limit",
    "sampled_marginals",
    "standard_error",
    "upper_limit_of",
]

Array = NDArray[np.float64]

STEP = 0.05
"""Distance of the strengths in the variable of `bumphunt.inference.posterior`, in which all posteriors are smooth."""
DEPTH = 35.0
"""How far the profiled NLL rises above its minimum at the lowest strength, where there is one above 0."""
NEGLECTED = 1e-7
"""Probability that may lie beyond the last strength."""
CHUNK = 20
"""Strengths that are added at once."""
FARTHEST = 36.0
"""The variable after which a posterior is said not to be found: 1e30 widths."""
CENTRE = 10.0
"""How far the logarithm of the posterior falls where the sample has to be good."""
PARTS = 16
"""Independent parts of the sample: the spread of their limits is the error."""
DEGREES_OF_FREEDOM = 6.0
"""Of the multivariate t distribution that is sampled."""
EFFECTIVE = 0.05
"""Smallest effective fraction of the sample (Kish) whose error is trusted."""


def bayesian_limit(
    regions: Region | Sequence[Region],
    *,
    rng: np.random.Generator,
    cl: float = 0.9,
    prior: Prior = "flat",
    n_samples: int = 4096,
    engine: Engine = "auto",
) -> BayesianLimit:
    """Return the Bayesian upper limit on the signal strength S >= 0.

    Priors of nuisance parameters: the constraint of a normal one, flat for a free one, and flat for one with an
    auxiliary count N, whose posterior from that count alone is a gamma distribution of mean N + 1.

    Parameters
    ----------
    regions
        One region, or several with a shared signal.
    rng
        Draws the importance sample.
    cl
        Credibility.
    prior
        In S >= 0: "flat" or "1/sqrt".
    n_samples
        Members of the sample at each strength.
    engine
        As in `bumphunt.inference.fit.fit`.

    Returns
    -------
    BayesianLimit
        `method` is "bayesian_importance"; the flag "few_effective_samples" asks for more.

    Raises
    ------
    InputError
        If the regions do not fit together, the engine cannot fit them, the level is not in (0, 1), the prior is
        unknown, or there are under 32 samples.

    Examples
    --------
    >>> from bumphunt.models.region import Sample, region
    >>> count = region("count", counts=[3], signal=[1.0], backgrounds=Sample("known", [1.0]))
    >>> round(bayesian_limit(count, rng=np.random.default_rng(1)).upper, 3)  # as in the literature
    5.711
    """
    profile = Profile(likelihood(regions), engine)
    return profile_bayesian_limit(profile, rng=rng, cl=cl, prior=prior, n_samples=n_samples)


def profile_bayesian_limit(
    profile: Profile, *, rng: np.random.Generator, cl: float = 0.9, prior: Prior = "flat", n_samples: int = 4096
) -> BayesianLimit:
    """Return the Bayesian upper limit of a profile, whose fits are kept; arguments as in `bayesian_limit`."""
    checked_cl(cl)
    try:
        sampled = sampled_marginals(profile, rng=rng, prior=prior, n_samples=n_samples)
    except FitError as failure:
        return failed_bayesian_limit("bayesian_importance", cl, prior, failure.flag)

    def limit_with(log_marginal: Callable[[Array], Array]) -> BayesianLimit:
        return limit_from_marginal(log_marginal, guess=sampled.guess, width=sampled.width, cl=cl, prior=prior)

    found, others = limit_with(sampled.whole), [limit_with(part) for part in sampled.parts]
    spread = standard_error([other.upper for other in others])
    return replace(found, error=spread, method="bayesian_importance", flags=(*found.flags, *sampled.flags))


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledMarginals:
    """Logarithms of the marginal likelihood of regions, as functions of signals ``(N,)``.

    `whole` is that of the whole sample, `parts` those of its independent parts; `guess` and `width` say about where
    the maximum is; the flag "few_effective_samples" asks for more.
    """

    whole: Callable[[Array], Array]
    parts: tuple[Callable[[Array], Array], ...]
    guess: float
    width: float
    flags: tuple[Flag, ...]


def sampled_marginals(profile: Profile, *, rng: np.random.Generator, prior: Prior, n_samples: int) -> SampledMarginals:
    """Return the marginal likelihood of a profile; arguments as in `bayesian_limit`.

    Raises
    ------
    InputError
        If the prior is unknown, or there are under 32 samples.
    FitError
        If a fit fails, or the posterior does not fall fast enough.
    """
    power = POWERS[checked_prior(prior)]
    if n_samples < 2 * PARTS:
        msg = f"the importance sample needs at least {2 * PARTS} members, got {n_samples}"
        raise InputError(msg)
    guess, width, low = _range(profile)
    t, parts, fraction = _log_marginals(profile, (guess, width, low), power, n_samples, rng)

    def function(values: Array) -> Callable[[Array], Array]:
        spline = CubicSpline(t, values)

        def log_marginal(s: Array) -> Array:
            at = variable_at(np.maximum(s - low, 0.0), width)
            return np.where((s >= low) & (at <= t[-1]), spline(at), -np.inf)

        return log_marginal

    return SampledMarginals(
        whole=function(logsumexp(parts, axis=0)),
        parts=tuple(function(values) for values in parts),
        guess=guess,
        width=width,
        flags=(Flag.FEW_EFFECTIVE_SAMPLES,) if fraction < EFFECTIVE else (),
    )


def standard_error(values: Sequence[float]) -> float:
    """Return the standard deviation of the mean of what the independent parts of a sample gave."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))


def upper_limit_of(found: BayesianLimit) -> UpperLimit:
    """Return a Bayesian limit as a table wants it: ``method`` names the prior, the band is NaN."""
    return UpperLimit(
        observed=found.upper,
        expected=np.full(5, np.nan),
        method=f"bayesian_{found.prior}",
        cl=found.credibility,
        valid=found.valid,
        flags=found.flags,
        error=found.error,
        expected_errors=np.full(5, np.nan),
    )


def _range(profile: Profile) -> tuple[float, float, float]:
    """Return the best strength >= 0, a width, and the strength below which the likelihood is negligible.

    That is 0, unless the data are impossible, or all but impossible, without signal.
    """
    if profile.deficit:
        guess, least = 0.0, profile.at(0.0).nll
    else:
        guess, least = max(profile.best.n_sig, 0.0), profile.best.nll
    mode = profile.at(guess).values
    _, _, information = profile.model.nll_and_gradient(mode)
    width = float(information[0, 0] ** -0.5) if information[0, 0] > 0.0 else np.inf
    if not np.isfinite(width):  # no event is expected anywhere: the scale is that of one event
        width = 1.0 / float(profile.model.expected_and_slopes(mode)[1][0].sum())
    width = max(width, 1e-3 * guess)

    def above(s: float) -> float:
        try:
            return DEPTH - (profile.at(s).nll - least)
        except FitError as failure:
            if failure.flag is not Flag.FIT_INFEASIBLE:
                raise
            return -DEPTH

    low = 0.0
    if guess > 0.0 and above(0.0) < 0.0:
        low = guess - bracketed_root(lambda distance: above(guess - distance), 0.0, 0.5 * guess)
    return guess, width, low


def _log_marginals(
    profile: Profile, place: tuple[float, float, float], power: float, n_samples: int, rng: np.random.Generator
) -> tuple[Array, Array, float]:
    """Return ln of the marginal likelihood for each part of the sample, and the effective fraction of the sample.

    Parameters
    ----------
    profile
        The fits, around which is sampled.
    place
        The best strength, a width, and the lowest strength.
    power
        That of the prior.
    n_samples, rng
        As in `bayesian_limit`.

    Returns
    -------
    t : ndarray
        The variable of integration of the strengths above the lowest one, shape ``(S,)``.
    parts : ndarray
        Shape ``(PARTS, S)``.
    fraction : float
        The smallest effective fraction (Kish) where the posterior is not negligible.

    Raises
    ------
    FitError
        If a fit fails, or, with the flag "posterior_not_normalisable", if the posterior does not fall fast enough.
    """
    guess, width, low = place
    sample = _Sample(profile, n_samples, rng)
    t, parts, fractions = np.empty(0), np.empty((PARTS, 0)), np.empty(0)
    while t.size == 0 or t[-1] < FARTHEST:
        more = np.asarray(STEP * np.arange(t.size, t.size + CHUNK), dtype=np.float64)
        columns = [sample.log_marginal(low + float(s)) for s in yields_at(more, width)]
        t = np.append(t, more)
        parts = np.column_stack([parts, *(values for values, _ in columns)])
        fractions = np.append(fractions, [fraction for _, fraction in columns])
        with np.errstate(divide="ignore", invalid="ignore"):
            log_density = logsumexp(parts, axis=0) + np.append(-np.inf, log_measure(t[1:], power))
        peak = float(log_density.max())
        slope = float(log_density[-1] - log_density[-2]) / STEP
        beyond = low + float(yields_at(t[-1:], width)[0]) > guess
        if beyond and slope < 0.0 and np.exp(log_density[-1] - peak) < -slope * NEGLECTED:
            return t, parts, float(fractions[log_density > peak - CENTRE].min())
    raise FitError(Flag.POSTERIOR_NOT_NORMALISABLE, f"up to the strength {low + float(yields_at(t[-1:], width)[0])}")


class _Sample:
    """A sample of the nuisance parameters, in standard deviations, with which each strength is averaged over."""

    def __init__(self, profile: Profile, n_samples: int, rng: np.random.Generator) -> None:
        model = profile.model
        self._profile, self._free = profile, ~model.held
        self._free[0] = False
        n_free, self._members = int(self._free.sum()), n_samples // PARTS
        z = rng.standard_normal((PARTS * self._members, n_free))
        z /= np.sqrt(rng.chisquare(DEGREES_OF_FREEDOM, (PARTS * self._members, 1)) / DEGREES_OF_FREEDOM)
        self._z = z
        self._log_proposal = -0.5 * (DEGREES_OF_FREEDOM + n_free) * np.log1p(np.sum(z**2, axis=1) / DEGREES_OF_FREEDOM)

    def log_marginal(self, strength: float) -> tuple[Array, float]:
        """Return ln of the marginal likelihood for each part, shape ``(PARTS,)``, and the effective fraction.

        Raises
        ------
        FitError
            If no member of a part lies where the posterior is.
        """
        model, mode = self._profile.model, self._profile.at(strength).values
        factor = _spread(model, mode, self._free)
        moved = np.tile(mode, (self._z.shape[0], 1))
        moved[:, self._free] += self._z @ factor.T
        log_weight = -model.nll_many(moved) - self._log_proposal + np.linalg.slogdet(factor)[1]
        log_weight[np.any(moved[:, model.stops & self._free] < 0.0, axis=1)] = -np.inf
        values = logsumexp(log_weight.reshape(PARTS, self._members), axis=1) - np.log(self._members)
        if not np.all(np.isfinite(values)):  # no member of the sample lies where the posterior is
            raise FitError(Flag.FEW_EFFECTIVE_SAMPLES, f"the posterior at a strength of {strength:g} is not found")
        w = np.exp(log_weight - log_weight.max())
        return values, float(w.sum() ** 2 / np.sum(w**2)) / w.size


def _spread(model: Likelihood, mode: Array, free: NDArray[np.bool_]) -> Array:
    """Return A with A A^T the covariance of the free nuisance parameters at a mode, shape ``(F, F)``."""
    nu, slopes = model.expected_and_slopes(mode)
    slopes = slopes[free]
    weight = (model.counts + 1.0) / (np.maximum(nu, 0.0) + 1.0) ** 2  # n / nu^2, finite where both vanish
    information = (slopes * weight) @ slopes.T + np.diag(model.precisions[free])
    information[np.diag_indices(slopes.shape[0])] += 1e-12 * np.diag(information) + 1e-300
    try:
        lower = np.linalg.cholesky(information)
    except np.linalg.LinAlgError as error:
        raise FitError(Flag.FIT_SINGULAR) from error
    factor: Array = np.linalg.inv(lower).T
    return factor


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
    return limit_from_marginal(
        **counted_marginal(n_obs, model), cl=cl, prior=prior, efficiency_sigma=model.efficiency_sigma
    )


class CountedMarginal(TypedDict):
    """What `bumphunt.inference.posterior.limit_from_marginal` is told of a count."""

    log_marginal: Callable[[Array], Array]
    guess: float
    width: float


def counted_marginal(n_obs: float, model: CountingModel) -> CountedMarginal:
    """Return the logarithm of the marginal likelihood of a count, with about where its maximum is.

    Raises
    ------
    InputError
        If the count is negative or not finite.
    """
    if not 0.0 <= n_obs < np.inf:
        msg = f"the observed count must be a number >= 0, got {n_obs}"
        raise InputError(msg)
    b, weight = background_nodes(model)
    log_weight = np.log(weight)

    def log_marginal(s: Array) -> Array:
        nu = s[:, None] + b
        return np.asarray(logsumexp(xlogy(n_obs, nu / max(n_obs, 1.0)) - nu + log_weight, axis=1))

    return CountedMarginal(
        log_marginal=log_marginal,
        guess=max(n_obs - model.background, 0.0),
        width=float(np.sqrt(n_obs + 1.0 + model.background_sigma**2)),
    )
