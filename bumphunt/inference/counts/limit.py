"""Exact CLs upper limits of counting experiments.

Background and efficiency are averaged over (`bumphunt.inference.counts.distribution`). With both known the limits are
closed-form equations in the incomplete gamma function, and equal the Bayesian ones with a flat prior in s >= 0. Use
them where events are few; for large windows with a shape use `bumphunt.inference.limits.profile_limit`.

References
----------
A. L. Read, J. Phys. G 28 (2002) 2693 (CLs).
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from bumphunt.errors import FitError, Flag, InputError
from bumphunt.inference.counts.distribution import Array, CountingModel, at_most, background_nodes, band_counts
from bumphunt.inference.roots import bracketed_root
from bumphunt.inference.settings import checked_cl
from bumphunt.inference.upper_limit import UpperLimit, failed_limit

__all__ = ["counting_limit"]

SMALLEST_CLB = 1e-290
"""Below this the observed count is impossible under the background, and CLs is a ratio of underflows."""


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
    nodes = background_nodes(model)
    counts = band_counts(model)
    try:
        for n in dict.fromkeys([*counts, counts[2] if n_obs is None else n_obs]):
            limits[n] = _limit(n, model, alpha, nodes)
    except FitError as failure:
        return failed_limit(method, cl, failure.flag)
    return UpperLimit(
        observed=limits[counts[2] if n_obs is None else n_obs],
        expected=np.array([limits[n] for n in counts]),
        method=method,
        cl=cl,
        valid=True,
        flags=(Flag.BLINDED,) if n_obs is None else (),
    )
