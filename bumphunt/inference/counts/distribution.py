"""The distribution of a count: a background, a signal efficiency, and what is uncertain about both.

Exact probabilities, p-values and quantiles. The number of events is n ~ Poisson(kappa s + b). The background b has a
gamma distribution (what a Monte Carlo count or a control region gives) or a log-normal one, the efficiency factor kappa
a log-normal one, whose median is the nominal value as in regions; both are averaged over (prior-predictive, Cousins and
Highland), with no approximation but quadrature.
With b and kappa known all are closed forms in the incomplete gamma function.

References
----------
R. D. Cousins, V. L. Highland, NIM A320 (1992) 331.
G. Bohm, G. Zech, NIM A748 (2014) 1, arXiv:1309.1287 (scaled Poisson distribution of weighted events).
R. D. Cousins, J. T. Linnemann, J. Tucker, NIM A595 (2008) 480, arXiv:physics/0702156 (on/off problem).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, gammainc, gammaincc, ndtr, ndtri

from bumphunt.errors import InputError
from bumphunt.inference.asymptotics import BAND

__all__ = [
    "CountingModel",
    "band_counts",
    "counting_p0",
    "event_weight",
    "probability_at_most",
    "quantile",
    "simulated_background",
]

Array = NDArray[np.float64]

TAIL = 7.0
"""Reach of the quadratures, in standard deviations of a normal variable: 2e-12 is outside."""
NARROW_TAIL = 10.0
"""The same where the average is over the Poisson width: far tails of n draw on both widths."""
COARSE_STEP = 0.5
"""Largest step of the trapezoidal rule in the same unit; its error is exp(-2 pi^2 / step^2) for a normal weight, and
exp(-pi^2 / step^2) = 1e-17 for a normal weight times a step as wide as the weight."""
STEPS_PER_WIDTH = 0.8
"""Step of the rule in units of the width of what is averaged, to be resolved: the error is exp(-2 pi^2 / 0.64)."""
LARGEST_STEP = 0.25
"""Largest step in the logarithm of a gamma variable: its density falls there like exp(-exp(ln b))."""
SMOOTH_SHAPE = 4.0
"""Smallest (mean / sigma)^2 of a background whose distribution function is smooth enough to be averaged itself."""
PSEUDO_COUNT = 0.5
"""Jeffreys' prior of a Poisson mean, lambda^(-1/2): half a count more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountingModel:
    """Background and efficiency of a counting experiment.

    Parameters
    ----------
    background
        Expected background [events], not negative: the mean of a gamma distribution, the median of a log-normal one.
    background_sigma
        Its standard deviation [events], of a log-normal one the change at +1 standard deviation; 0 for a known
        background.
    prior
        Distribution of the background: "gamma" or "lognormal".
    efficiency_sigma
        Relative change r of everything that multiplies the signal at +1 standard deviation: kappa = (1 + r)^z, with a
        normal z.

    Notes
    -----
    The same numbers mean the same in regions. A log-normal uncertainty r is
    `bumphunt.models.systematics.LogNormal`, whose median is the nominal value. A control region of N events with alpha
    events of background each (`bumphunt.models.systematics.ControlRegion`) is, in Bayesian limits, a gamma distribution
    of mean alpha (N + 1) and standard deviation alpha sqrt(N + 1): the flat prior adds one event.

    Raises
    ------
    InputError
        If a number is negative or not finite, the prior is unknown, or a background of 0 has an uncertainty.
    """

    background: float
    background_sigma: float = 0.0
    prior: Literal["gamma", "lognormal"] = "gamma"
    efficiency_sigma: float = 0.0

    def __post_init__(self) -> None:
        for name in ("background", "background_sigma", "efficiency_sigma"):
            value = getattr(self, name)
            if not 0.0 <= value < np.inf:
                msg = f"{name} must be a number >= 0, got {value}"
                raise InputError(msg)
        if self.prior not in ("gamma", "lognormal"):
            msg = f"prior must be 'gamma' or 'lognormal', got {self.prior!r}"
            raise InputError(msg)
        if self.background == 0.0 and self.background_sigma > 0.0:
            msg = f"a background of 0 cannot have the uncertainty {self.background_sigma}: give its expectation"
            raise InputError(msg)


def event_weight(sum_w: ArrayLike, sum_w2: ArrayLike) -> Array:
    """Return the typical weight of simulated events, sum w^2 / sum w; 0 where there are none.

    It is the scale of the scaled Poisson distribution that has the mean and the variance of the weighted count (Bohm
    and Zech).

    Parameters
    ----------
    sum_w, sum_w2
        Sums of the weights and of their squares, not negative, matching shapes.

    Examples
    --------
    >>> event_weight([4.0, 0.0], [1.0, 0.0])
    array([0.25, 0.  ])
    """
    w, w2 = np.asarray(sum_w, dtype=np.float64), np.asarray(sum_w2, dtype=np.float64)
    return np.divide(w2, w, out=np.zeros(np.broadcast(w, w2).shape), where=w > 0.0)


def simulated_background(sum_w: ArrayLike, sum_w2: ArrayLike, weight: ArrayLike) -> tuple[Array, Array]:
    """Return mean and standard deviation of a background whose expectation was simulated with few events, or none.

    For k events of equal weight w the expectation is w lambda with lambda from a gamma distribution of shape k + 1/2
    (Jeffreys' prior): mean sum w + w / 2, variance sum w^2 + w^2 / 2. An empty window is w / 2 +- 0.7 w, not a
    background known to be 0. The two exact (Garwood) bounds are gamma distributions of shapes k and k + 1: with k + 1
    p0 is the exact binomial test of the on/off problem and never too small (Cousins, Linnemann, Tucker), with k
    limits are never too low; k + 1/2 serves both, and its mean is at most half an event too large.

    Parameters
    ----------
    sum_w, sum_w2
        Sums of weights and of squared weights of the window [events], not negative, matching shapes, one per template.
    weight
        Typical weight of an event of the template (`event_weight` of a wide region, where there are some) [events].

    Returns
    -------
    mean, sigma
        In the shape of the input [events]; independent of each other between templates.

    Raises
    ------
    InputError
        If a number is negative or not finite.

    References
    ----------
    Bohm and Zech (effective number of events (sum w)^2 / sum w^2 of weight sum w^2 / sum w).

    Examples
    --------
    >>> mean, sigma = simulated_background([0.0, 10.0], [0.0, 2.0], [0.2, 0.2])
    >>> mean, sigma.round(4)
    (array([ 0.1, 10.1]), array([0.1414, 1.4213]))
    """
    w, w2, unit = (np.asarray(values, dtype=np.float64) for values in (sum_w, sum_w2, weight))
    for name, values in (("sum_w", w), ("sum_w2", w2), ("weight", unit)):
        if not np.all((values >= 0.0) & (values < np.inf)):
            msg = f"{name} must be numbers >= 0, got {values}"
            raise InputError(msg)
    return w + PSEUDO_COUNT * unit, np.sqrt(w2 + PSEUDO_COUNT * unit**2)


def _gamma_nodes(mean: float, shape: float, step: float, tail: float) -> tuple[Array, Array]:
    """Return nodes and weights for a gamma variable, by the trapezoidal rule in its logarithm."""
    spread = np.sqrt(np.log1p(1.0 / shape))
    low = -tail * spread - tail**2 / (2.0 * shape)  # towards 0 the density in ln b falls like b^shape
    t = np.arange(low, tail * spread + 2.0 * np.log1p(tail / shape), min(step, COARSE_STEP * spread, LARGEST_STEP))
    return _normalised(np.log(mean) + t, shape * t - shape * np.exp(t))  # ln of b^(shape - 1) exp(-shape b / mean) db


def _normalised(log_nodes: Array, log_weight: Array) -> tuple[Array, Array]:
    """Return nodes and weights that sum to 1, without the negligible ones."""
    w = np.exp(log_weight - log_weight.max())
    keep = w > 1e-30
    return np.exp(log_nodes[keep]), w[keep] / w[keep].sum()


def background_nodes(model: CountingModel) -> tuple[Array, Array]:
    """Return background values and weights that sum to 1, by the trapezoidal rule in ln b.

    The rule converges exponentially for both densities; its step resolves the Poisson width sqrt(b).
    """
    mean, sigma = model.background, model.background_sigma
    if sigma == 0.0:
        return np.array([mean]), np.ones(1)
    poisson = STEPS_PER_WIDTH / np.sqrt(max(mean, 1.0))
    if model.prior == "gamma":
        return _gamma_nodes(mean, (mean / sigma) ** 2, poisson, TAIL)
    spread = _lognormal_spread(model)
    step = min(COARSE_STEP * spread, poisson, LARGEST_STEP)
    t = np.arange(-TAIL * spread, TAIL * spread + step, step)
    return _normalised(np.log(mean) + t, -0.5 * (t / spread) ** 2)


def _lognormal_spread(model: CountingModel) -> float:
    """Return the standard deviation of ln b of a log-normal background."""
    return float(np.log1p(model.background_sigma / model.background))


def lognormal_nodes(relative: float, resolved: float) -> tuple[Array, Array]:
    """Return values of kappa, log-normal with median 1 and 1 + relative at +1 standard deviation, and weights.

    The weights sum to 1. The step resolves a relative change of kappa by `resolved`.
    """
    if relative == 0.0:
        return np.ones(1), np.ones(1)
    sigma = float(np.log1p(relative))
    z = np.arange(-TAIL, TAIL + COARSE_STEP, min(COARSE_STEP, STEPS_PER_WIDTH * resolved / sigma))
    w = np.exp(-0.5 * z**2)
    return np.exp(sigma * z), w / w.sum()


def _efficiency_nodes(model: CountingModel, n_sig: float) -> tuple[Array, Array]:
    """Return values of kappa and their weights; the step resolves the width of n."""
    if n_sig == 0.0:
        return np.ones(1), np.ones(1)
    width = float(np.sqrt(model.background + n_sig + model.background_sigma**2))
    return lognormal_nodes(model.efficiency_sigma, width / n_sig)


def _background_below(values: Array, model: CountingModel) -> Array:
    """Return P(b <= value), in the shape of `values`."""
    x = np.maximum(values, 0.0)
    if model.prior == "gamma":
        shape = (model.background / model.background_sigma) ** 2
        return np.asarray(gammainc(shape, x * shape / model.background))
    spread = _lognormal_spread(model)
    with np.errstate(divide="ignore"):
        z = np.log(x / model.background) / spread
    return np.asarray(ndtr(z))


def _wide(model: CountingModel) -> bool:
    """Return whether the background is spread more than a Poisson count: then its distribution is the smooth one."""
    sigma, mean = model.background_sigma, model.background
    return sigma > np.sqrt(max(mean, 1.0)) and mean >= np.sqrt(SMOOTH_SHAPE) * sigma


def at_most(count: float, n_sig: float, model: CountingModel, nodes: tuple[Array, Array]) -> float:
    """Return P(N <= count | s), from the background nodes unless the background is wide.

    Q(n + 1, mean) = P(x > mean) for x of a gamma distribution with shape n + 1. Of the two widths, that of x and that
    of the background, the narrower is averaged over in steps, the wider has its distribution function.
    """
    k, wk = _efficiency_nodes(model, n_sig)
    if _wide(model):
        x, wx = _gamma_nodes(count + 1.0, count + 1.0, np.inf, NARROW_TAIL)
        return float(wk @ _background_below(x - n_sig * k[:, None], model) @ wx)
    b, wb = nodes
    return float(wk @ gammaincc(count + 1.0, n_sig * k[:, None] + b) @ wb)  # sum_k<=n Poisson = Q(n + 1, mean)


def probability_at_most(n: ArrayLike, n_sig: float, model: CountingModel) -> Array:
    """Return P(N <= n | s), background and efficiency averaged over, in the shape of n.

    Parameters
    ----------
    n
        Counts, not negative; between integers the incomplete gamma function interpolates.
    n_sig
        Mean signal at the nominal efficiency [events].
    model
        Background and uncertainties.

    Examples
    --------
    >>> float(probability_at_most(0, 1.0, CountingModel(background=2.0)).round(6))  # exp(-3)
    0.049787
    """
    counts = np.asarray(n, dtype=np.float64)
    nodes = background_nodes(model)
    return np.array([at_most(count, n_sig, model, nodes) for count in counts.ravel()]).reshape(counts.shape)


def counting_p0(n_obs: float, model: CountingModel) -> float:
    """Return P(N >= n_obs) for background alone, its uncertainty averaged over.

    Exact to 1e-10 of itself as far as it is a number: a Poisson tail for a known background, that of a negative
    binomial distribution for a gamma one (Cousins, Linnemann, Tucker), and for a log-normal one a quadrature where the
    integrand is, far above the background if the count is. It is 1 for no event, and 0 for events over a background of
    0.

    Raises
    ------
    InputError
        If the count is negative or not finite.

    Examples
    --------
    >>> round(counting_p0(3, CountingModel(background=1.0)), 6)
    0.080301
    >>> round(counting_p0(100, CountingModel(background=10.0, background_sigma=10.0)) / (10 / 11) ** 100, 12)
    1.0
    """
    if not 0.0 <= n_obs < np.inf:
        msg = f"the observed count must be a number >= 0, got {n_obs}"
        raise InputError(msg)
    mean, sigma = model.background, model.background_sigma
    if n_obs == 0.0 or mean == 0.0:
        return float(n_obs == 0.0)
    if sigma == 0.0:
        return float(gammainc(n_obs, mean))  # the upper tail itself: no 1 - x
    if model.prior == "gamma":  # n is negative binomial, with (mean / sigma)^2 and sigma^2 / mean
        scale = sigma**2 / mean
        return float(betainc(n_obs, mean / scale, scale / (1.0 + scale)))
    return _lognormal_tail(n_obs, model)


def _lognormal_tail(n_obs: float, model: CountingModel) -> float:
    """Return P(N >= n) for a log-normal background: the trapezoidal rule in t = ln b around the integrand's maximum.

    The logarithm of the integrand is concave: P(N >= n | b) is a distribution function in b, of a gamma variable whose
    density in t is log-concave.
    """
    spread = _lognormal_spread(model)
    middle = np.log(model.background)

    def log_integrand(t: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(gammainc(n_obs, np.exp(t))) - 0.5 * ((t - middle) / spread) ** 2)

    step = STEPS_PER_WIDTH * min(spread, 1.0 / np.sqrt(n_obs)) / 2.0  # resolves both factors
    reach = TAIL * np.hypot(spread, 1.0 / np.sqrt(n_obs))
    low, high = sorted((middle, float(np.log(n_obs))))
    t = np.arange(low - reach, high + reach + step, step)
    values = log_integrand(t)
    peak = float(values.max())
    if not np.isfinite(peak):
        return 0.0
    return float(np.exp(peak) * np.exp(values - peak).sum() * step / (spread * np.sqrt(2.0 * np.pi)))


def quantile(probability: float, model: CountingModel) -> int:
    """Return the smallest n with P(N <= n) >= probability for background alone."""
    return _quantile(probability, model, background_nodes(model))


def band_counts(model: CountingModel) -> list[int]:
    """Return the counts at the quantiles of an expected band: -2 ... +2 standard deviations without signal.

    Examples
    --------
    >>> band_counts(CountingModel(background=3.0))
    [0, 1, 3, 5, 7]
    """
    nodes = background_nodes(model)
    return [_quantile(float(ndtr(z)), model, nodes) for z in BAND]


def _quantile(probability: float, model: CountingModel, nodes: tuple[Array, Array]) -> int:
    """Return a quantile of the count, from brackets around that of a normal distribution."""
    sigma = np.sqrt(model.background + model.background_sigma**2)
    guess = int(max(model.background + float(ndtri(probability)) * sigma, 0.0))
    step = int(0.1 * sigma) + 1
    low, high = max(guess - step, -1), guess + step
    while low >= 0 and at_most(low, 0.0, model, nodes) >= probability:
        low, high, step = max(low - 2 * step, -1), low, 2 * step
    while at_most(high, 0.0, model, nodes) < probability:
        low, high, step = high, high + 2 * step, 2 * step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if at_most(middle, 0.0, model, nodes) >= probability else (middle, high)
    return high
