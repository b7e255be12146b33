"""Exact CLs upper limits of counting experiments, and those of CLs+b.

Background and efficiency are averaged over (`bumphunt.inference.counts.distribution`). With both known the limits are
closed-form equations in the incomplete gamma function, and equal the Bayesian ones with a flat prior in s >= 0. Use
them where events are few; for large windows with a shape use `bumphunt.inference.limits.profile_limit`.

References
----------
A. L. Read, J. Phys. G 28 (2002) 2693 (CLs).
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from scipy.special import ndtr, ndtri

from bumphunt.errors import FitError, Flag, InputError
from bumphunt.inference.counts.distribution import Array, CountingModel, at_most, background_nodes, band_counts
from bumphunt.inference.roots import bracketed_root
from bumphunt.inference.settings import checked_cl
from bumphunt.inference.upper_limit import UpperLimit, failed_limit

__all__ = ["counting_limit"]

Criterion = Literal["cls", "clsb"]
"""What a signal is excluded by: CLs, or CLsb alone."""
SMALLEST_CLB = 1e-290
"""Below this the observed count is impossible under the background, and CLs is a ratio of underflows."""


def _clsb_limit(n_obs: float, model: CountingModel, alpha: float, nodes: tuple[Array, Array]) -> float:
    """Return the CLs+b limit for one count: P(N <= n | s) = alpha; 0 if every signal is excluded."""
    if at_most(n_obs, 0.0, model, nodes) <= alpha:
        return 0.0

    def log_excess(n_sig: float) -> float:
        return float(np.log(max(at_most(n_obs, n_sig, model, nodes) / alpha, np.finfo(np.float64).tiny)))

    return bracketed_root(log_excess, 0.0, float(np.sqrt(n_obs + 1.0 + model.background_sigma**2)))


def _limit(n_obs: float, model: CountingModel, alpha: float, nodes: tuple[Array, Array]) -> float:
    """Return the CLs limit for one count; raise `FitError` if CLb underflows."""
    if n_obs == 0.0:  # CLs = CLsb / CLb: any background cancels, also where both are too small for numbers
        model = CountingModel(background=0.0, efficiency_sigma=model.efficiency_sigma)
        nodes = background_nodes(model)
    clb = at_most(n_obs, 0.0, model, nodes)
    if clb < SMALLEST_CLB:
        raise FitError(Flag.CLB_UNDERFLOW, f"CLb = {clb} for {n_obs} events over {model.background}")

    def log_excess(n_sig: float) -> float:  # nearly a parabola: few steps
        return float(np.log(max(at_most(n_obs, n_sig, model, nodes) / (alpha * clb), np.finfo(np.float64).tiny)))

    sigma = float(np.sqrt(n_obs + 1.0 + model.background_sigma**2))
    deviation = (n_obs - model.background) / sigma
    normal = sigma * (deviation - float(ndtri(alpha * ndtr(max(deviation, -30.0)))))  # the limit of a normal variable
    low = 0.9 * normal
    if not (low > 0.0 and log_excess(low) > 0.0):
        low = 0.0
    return bracketed_root(log_excess, low, max(1.2 * normal - low, 1.0))


def counting_limit(
    n_obs: float | None, model: CountingModel, *, cl: float = 0.9, criterion: Criterion = "cls"
) -> UpperLimit:
    """Return the exact CLs upper limit on the mean signal of a counting experiment, with its expected band.

    Parameters
    ----------
    n_obs
        Observed count; None for a blinded one: then the observed limit is the median expected one.
    model
        Background and uncertainties.
    cl
        Confidence level.
    criterion
        "cls", or "clsb" for the classical limit P(N <= n | s + b) = 1 - cl, which covers by construction and excludes
        every signal where there are improbably few events.

    Returns
    -------
    UpperLimit
        In events at the nominal efficiency; `method` is "cls_counting" or "clsb_counting". The band holds the limits
        for the quantiles of n under the background, which are integers: the band has steps, and is 0 where CLsb
        excludes every signal. Invalid with flag "clb_underflow" where the count is impossible under the background, and
        "empty_interval" where its CLsb excludes every signal.

    Raises
    ------
    InputError
        If the count is negative or not finite, the confidence level not in (0, 1), or the criterion unknown.

    Examples
    --------
    >>> limit = counting_limit(1, CountingModel(background=1.0), cl=0.95)
    >>> round(limit.observed, 3), limit.expected.round(3).tolist()
    (4.113, [2.996, 2.996, 4.113, 5.41, 6.782])
    """
    if criterion not in get_args(Criterion):
        msg = f"the criterion of a limit must be 'cls' or 'clsb', got {criterion!r}"
        raise InputError(msg)
    method, alpha = f"{criterion}_counting", 1.0 - checked_cl(cl)
    limit = _limit if criterion == "cls" else _clsb_limit
    if n_obs is not None and not 0.0 <= n_obs < np.inf:
        msg = f"the observed count must be a number >= 0, got {n_obs}"
        raise InputError(msg)
    limits: dict[float, float] = {}
    nodes = background_nodes(model)
    counts = band_counts(model)
    try:
        for n in dict.fromkeys([*counts, counts[2] if n_obs is None else n_obs]):
            limits[n] = limit(n, model, alpha, nodes)
    except FitError as failure:
        return failed_limit(method, cl, failure.flag)
    if limits[counts[2] if n_obs is None else n_obs] == 0.0:
        return failed_limit(method, cl, Flag.EMPTY_INTERVAL)
    return UpperLimit(
        observed=limits[counts[2] if n_obs is None else n_obs],
        expected=np.array([limits[n] for n in counts]),
        method=method,
        cl=cl,
        valid=True,
        flags=(Flag.BLINDED,) if n_obs is None else (),
    )
