"""Upper limits on a signal from asymptotic formulae.

`profile_limit` gives the CLs limit of a profile from q~mu and its asymptotic distribution: use it where the background
is large enough (`bumphunt.inference.core`). Few events go to toys (`bumphunt.inference.toys`), counts to
`bumphunt.inference.counts.distribution`; `bumphunt.inference.fit.upper_limit` chooses. Many windows at once go to
`bumphunt.inference.batch.infer`: a tenth of a millisecond each.

References
----------
CCGV: G. Cowan, K. Cranmer, E. Gross, O. Vitells, EPJC 71 (2011) 1554, arXiv:1007.1727.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import FitError, Flag
from bumphunt.inference import asymptotics
from bumphunt.inference.batch import Inference, infer
from bumphunt.inference.profile import Profile
from bumphunt.inference.roots import bracketed_root
from bumphunt.inference.upper_limit import UpperLimit, failed_limit
from bumphunt.likelihood.likelihood import linear_channel

__all__ = ["clsb_limit", "limit_of", "profile_limit"]

Array = NDArray[np.float64]

SMALL = 1e-4
"""A strength, in standard deviations of it, that is next to none."""
LEAST_LOG = -700.0
"""Stands for the logarithm of a probability that is no number."""


def limit_of(result: Inference, *, cl: float) -> UpperLimit:
    """Return the record of the limit of a channel at the confidence level that it was inferred with."""
    if result.failure is not None:
        return failed_limit("cls_asymptotic", cl, result.failure)
    return UpperLimit(
        observed=result.observed,
        expected=result.expected,
        method="cls_asymptotic",
        cl=cl,
        valid=True,
        flags=result.best.status.flags,
    )


def profile_limit(data: Profile, *, cl: float = 0.9, expected: bool = True) -> UpperLimit:
    """Return the CLs upper limit on the strength from q~mu and one Asimov set.

    The Asimov set is that of the background-only fit to the data (centres of constraints and auxiliary counts
    included); where the data are impossible without signal, of the fit to what is possible. Linear likelihoods go to
    `bumphunt.inference.batch.infer`; where that finds fits but no root (a few in a thousand spectra with bins at the
    boundary), where no start of its own is possible or a factor of a sample ends at 0, and for other engines, the
    roots are bracketed one by one.

    Parameters
    ----------
    data
        The profile of the data.
    cl
        Confidence level, in (0, 1): not checked.
    expected
        Whether the expected band is wanted; NaN if not.

    Returns
    -------
    UpperLimit
        `method` is "cls_asymptotic". Invalid, with the status of the fit as flag, if a fit failed.

    References
    ----------
    CCGV eqs 16, 31, 65, 66, 89, 90.
    """
    if data.engine == "linear":
        (result,) = infer([linear_channel(data.model)], cl=cl, expected=expected)
        elsewhere = (Flag.NO_ROOT, Flag.FIT_INFEASIBLE, *((Flag.FIT_SINGULAR,) if data.model.stops.any() else ()))
        if result.failure not in (*elsewhere, None) or _is_linear(data, result):
            return limit_of(result, cl=cl)
    try:
        return _bracketed_limit(data, cl=cl, expected=expected)
    except FitError as failure:
        return failed_limit("cls_asymptotic", cl, failure.flag)


def _is_linear(data: Profile, result: Inference) -> bool:
    """Return whether there is a limit, and no fit behind it ends where a factor would be negative, or stops at 0.

    See `bumphunt.engines.choose`.
    """
    stops = data.model.stops
    if result.failure is not None or not (np.any(data.model.floors > -np.inf) or stops.any()):
        return result.failure is None
    highest = float(np.nanmax([result.observed, *result.expected]))
    try:
        fits = [data.free, data.null, data.at(result.observed), data.asimov().at(highest)]
    except FitError:
        return False
    return all(fit.engine == "linear" and not np.any(fit.values[stops] == 0.0) for fit in fits)


def _bracketed_limit(data: Profile, *, cl: float, expected: bool) -> UpperLimit:
    """Return the limit of a profile, each root by itself; raise `FitError` if a fit fails or there is no root."""
    alpha, asimov = 1.0 - cl, data.asimov()
    scale = _strength_scale(asimov)

    def log_excess(strength: float) -> float:
        root, root_a = np.sqrt(data.qmu_tilde(strength)), np.sqrt(asimov.qmu_tilde(strength))
        if root_a == 0.0:  # at strength 0 both statistics vanish, and CLs goes to 1
            return float(-np.log(alpha))
        # far beyond the limit CLs is too small for a number
        return float(np.log(max(float(asymptotics.cls(root, root_a)), np.finfo(np.float64).tiny) / alpha))

    excess = not data.deficit and alpha < 0.5  # CLs is at least 1/2 up to the best fit
    observed = bracketed_root(log_excess, max(data.best.n_sig, 0.0) if excess else 0.0, scale)
    band = np.full(5, np.nan)
    if expected:
        for index, target in enumerate(asymptotics.expected_sqrt_qmu_asimov(alpha, asymptotics.BAND)):
            band[index] = _reached(asimov, float(target), scale)
    return UpperLimit(
        observed=observed, expected=band, method="cls_asymptotic", cl=cl, valid=True, flags=data.free.status.flags
    )


def clsb_limit(data: Profile, *, cl: float = 0.9, expected: bool = True) -> UpperLimit:
    """Return the CLs+b upper limit on the strength: the end of the one-sided confidence interval, without CLb.

    It covers a signal as often as it says, and excludes signals that the experiment has no power for: with a
    probability of 1 - cl no signal is left without any being there.

    Parameters
    ----------
    data, cl, expected
        As in `profile_limit`.

    Returns
    -------
    UpperLimit
        `method` is "clsb_asymptotic". Invalid with the flag "empty_interval" where every signal is excluded; the band
        is 0 there.

    References
    ----------
    CCGV eqs 16, 31, 65 and 89 (the limit is mu_up = mu_hat + sigma Phi^-1(1 - alpha)).
    """
    method, alpha = "clsb_asymptotic", 1.0 - cl
    try:
        asimov = data.asimov()
        scale = _strength_scale(asimov)

        def log_excess(strength: float) -> float:
            roots = np.sqrt(data.qmu_tilde(strength)), np.sqrt(asimov.qmu_tilde(strength))
            return float(max(asymptotics.log_clsb(*roots), LEAST_LOG) - np.log(alpha))

        excess = not data.deficit and alpha < 0.5  # CLsb is at least 1/2 up to the best fit
        low = max(data.best.n_sig, SMALL * scale) if excess else SMALL * scale
        if log_excess(low) <= 0.0:
            return failed_limit(method, cl, Flag.EMPTY_INTERVAL)
        observed = bracketed_root(log_excess, low, scale)
        band = np.full(5, np.nan)
        if expected:
            for index, n in enumerate(asymptotics.BAND):
                target = float(asymptotics.z_score(alpha)) + n  # eq. 89
                band[index] = 0.0 if target <= 0.0 else _reached(asimov, target, scale)
    except FitError as failure:
        return failed_limit(method, cl, failure.flag)
    return UpperLimit(observed=observed, expected=band, method=method, cl=cl, valid=True, flags=data.free.status.flags)


def _reached(asimov: Profile, target: float, scale: float) -> float:
    """Return the strength at which the root of q~mu of the Asimov data is a number > 0."""

    def missing(strength: float) -> float:
        return float(target - np.sqrt(asimov.qmu_tilde(strength)))

    return bracketed_root(missing, 0.0, scale * target)


def _strength_scale(asimov: Profile) -> float:
    """Return the standard deviation of the strength on the Asimov data, from q~mu at a rough one (CCGV eq. 31)."""
    model = asimov.model
    nu, slopes = model.expected_and_slopes(asimov.best.values)
    level = np.maximum(nu, 1e-2 * max(float(nu[: model.n_bins].max()), 1.0))
    rough = float(1.0 / np.sqrt(np.sum(slopes[0] ** 2 / level)))
    return float(asymptotics.sigma_from_asimov(rough, max(asimov.qmu_tilde(rough), 1e-12)))
