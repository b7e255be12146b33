"""Counting experiments: one number of events, a background, and a signal efficiency.

Exact Poisson CLs limits and p-values. The number of events is n ~ Poisson(kappa s + b). The background b has a gamma
distribution (what a Monte Carlo count or a control region gives) or a log-normal one, the efficiency factor kappa a
log-normal one; both are averaged over (prior-predictive, Cousins and Highland), with no approximation but
quadrature. With b and kappa known the limits are closed-form equations in the incomplete gamma function, and equal the
Bayesian ones with a flat prior in s >= 0.

Use it where events are few; for large windows with a shape use `bumphunt.inference.limits.asymptotic_limit`.

References
----------
A. L. Read, J. Phys. G 28 (2002) 2693 (CLs). R. D. Cousins, V. L. Highland, NIM A320 (1992) 331.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammainc, gammaincc, ndtr

from bumphunt.errors import FitError, InputError
from bumphunt.inference.asymptotics import BAND
from bumphunt.inference.limits import UpperLimit, bracketed_root, checked_cl, failed_limit

__all__ = ["CountingModel", "counting_cls", "counting_limit", "counting_p0", "probability_at_most", "quantile"]

Array = NDArray[np.float64]

TAIL = 7.0
"""Reach of the quadratures, in standard deviations of a normal variable: 2e-12 is outside."""
COARSE_STEP = 0.4
"""Largest step of the trapezoidal rule in the same unit; its error is exp(-2 pi^2 / step^2) for a normal weight."""
STEPS_PER_WIDTH = 0.8
"""Step of the rule in units of the Poisson width, to be resolved: the error is exp(-2 pi^2 / 0.64)."""
LARGEST_STEP = 0.25
"""Largest step in ln b: the gamma density falls there like exp(-exp(ln b))."""
SMALLEST_CLB = 1e-290
"""Below this the observed count is impossible under the background, and CLs is a ratio of underflows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountingModel:
    """Background and efficiency of a counting experiment.

    Parameters
    ----------
    background
        Mean of the expected background [events], not negative.
    background_sigma
        Its standard deviation [events]; 0 for a known background.
    prior
        Distribution of the background, with that mean and standard deviation: "gamma" or "lognormal".
    efficiency_sigma
        Standard deviation of ln(kappa), the relative uncertainty of everything that multiplies the signal.

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


def _background_nodes(model: CountingModel) -> tuple[Array, Array]:
    """Return background values and weights that sum to 1, by the trapezoidal rule in ln b.

    The rule converges exponentially for both densities; its step resolves the Poisson width sqrt(b).
    """
    mean, sigma = model.background, model.background_sigma
    if sigma == 0.0:
        return np.array([mean]), np.ones(1)
    spread = np.sqrt(np.log1p((sigma / mean) ** 2))
    poisson = 1.0 / np.sqrt(max(mean, 1.0))
    step = min(COARSE_STEP * spread, STEPS_PER_WIDTH * poisson, LARGEST_STEP)
    if model.prior == "lognormal":
        t = np.arange(-TAIL * spread, TAIL * spread + step, step)
        weight = -0.5 * (t / spread) ** 2
        log_b = np.log(mean) - 0.5 * spread**2 + t
    else:
        shape = (mean / sigma) ** 2
        low = -TAIL * spread - TAIL**2 / (2.0 * shape)  # towards 0 the density in ln b falls like b^shape
        t = np.arange(low, TAIL * spread + 2.0 * np.log1p(TAIL / shape), step)
        log_b = np.log(mean) + t
        weight = shape * t - shape * np.exp(t)  # ln of b^(shape - 1) exp(-shape b / mean) db / dt
    w = np.exp(weight - weight.max())
    keep = w > 1e-18
    return np.exp(log_b[keep]), w[keep] / w[keep].sum()


def _efficiency_nodes(model: CountingModel) -> tuple[Array, Array]:
    """Return values of kappa and weights that sum to 1: log-normal with median 1."""
    if model.efficiency_sigma == 0.0:
        return np.ones(1), np.ones(1)
    z = np.arange(-TAIL, TAIL + COARSE_STEP, COARSE_STEP)
    w = np.exp(-0.5 * z**2)
    return np.exp(model.efficiency_sigma * z), w / w.sum()


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
    b, wb = _background_nodes(model)
    k, wk = _efficiency_nodes(model) if n_sig > 0.0 else (np.ones(1), np.ones(1))
    mean = (n_sig * k[:, None] + b).ravel()
    weight = (wk[:, None] * wb).ravel()
    flat = [weight @ gammaincc(count + 1.0, mean) for count in counts.ravel()]  # sum_k<=n Poisson = Q(n + 1, mean)
    return np.asarray(flat, dtype=np.float64).reshape(counts.shape)


def counting_p0(n_obs: float, model: CountingModel) -> float:
    """Return P(N >= n_obs) for background alone, its uncertainty averaged over; 1 for n_obs = 0.

    Examples
    --------
    >>> round(counting_p0(3, CountingModel(background=1.0)), 6)
    0.080301
    """
    if n_obs <= 0:
        return 1.0
    b, w = _background_nodes(model)
    return float(w @ gammainc(n_obs, b))  # the upper tail itself: no 1 - x


def counting_cls(n_sig: float, n_obs: float, model: CountingModel) -> float:
    """Return CLs = P(N <= n_obs | s) / P(N <= n_obs | 0).

    Examples
    --------
    >>> round(counting_cls(2.302585, 0, CountingModel(background=5.0)), 6)
    0.1
    """
    return float(probability_at_most(n_obs, n_sig, model) / probability_at_most(n_obs, 0.0, model))


def quantile(probability: float, model: CountingModel) -> int:
    """Return the smallest n with P(N <= n) >= probability for background alone."""
    sigma = np.sqrt(model.background + model.background_sigma**2)
    low, high = -1, int(model.background + 10.0 * sigma + 20.0)
    while probability_at_most(high, 0.0, model) < probability:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if probability_at_most(middle, 0.0, model) >= probability else (middle, high)
    return high


def _limit(n_obs: float, model: CountingModel, alpha: float) -> float:
    """Return the CLs limit for one count; raise `FitError` if CLb underflows."""
    clb = float(probability_at_most(n_obs, 0.0, model))
    if clb < SMALLEST_CLB:
        msg = f"CLb = {clb} for {n_obs} events over {model.background}"
        raise FitError(msg)

    def excess(n_sig: float) -> float:
        return float(probability_at_most(n_obs, n_sig, model)) / clb - alpha

    return bracketed_root(excess, 0.0, 1.0 + 2.0 * np.sqrt(n_obs + 1.0))


def counting_limit(n_obs: float | None, model: CountingModel, *, cl: float = 0.9) -> UpperLimit:
    """Return the exact CLs upper limit on the mean signal of a counting experiment, with its expected band.

    Parameters
    ----------
    n_obs
        Observed count; None for a blinded one: then the observed limit is the median expected one.
    model
        Background and uncertainties.
    cl
        Confidence level.

    Returns
    -------
    UpperLimit
        In events at the nominal efficiency; `method` is "cls_counting". The band holds the limits for the quantiles
        of n under the background, which are integers: the band has steps. Invalid with flag "clb_underflow" where the
        count is impossible under the background.

    Raises
    ------
    InputError
        If the count is negative or not finite, or the confidence level is not in (0, 1).

    Examples
    --------
    >>> limit = counting_limit(1, CountingModel(background=1.0), cl=0.95)
    >>> round(limit.observed, 3), limit.expected.round(3).tolist()
    (4.113, [2.996, 2.996, 4.113, 5.41, 6.782])
    """
    method, alpha = "cls_counting", 1.0 - checked_cl(cl)
    if n_obs is not None and not 0.0 <= n_obs < np.inf:
        msg = f"the observed count must be a number >= 0, got {n_obs}"
        raise InputError(msg)
    limits: dict[float, float] = {}
    counts = [quantile(float(ndtr(z)), model) for z in BAND]
    try:
        for n in dict.fromkeys([*counts, counts[2] if n_obs is None else n_obs]):
            limits[n] = _limit(n, model, alpha)
    except FitError:
        return failed_limit(method, cl, "clb_underflow")
    return UpperLimit(
        observed=limits[counts[2] if n_obs is None else n_obs],
        expected=np.array([limits[n] for n in counts]),
        method=method,
        cl=cl,
        valid=True,
        flags=("blinded",) if n_obs is None else (),
    )
