"""Upper limits on a signal yield: what was excluded, and what was expected to be.

`asymptotic_limit` gives the CLs limit of a `Channel` from q~mu and its asymptotic distribution: use it where the
background is large enough (some ten events under the peak). Few events go to `bumphunt.inference.counting`. Many
channels at once go to `asymptotic_limits`: a tenth of a millisecond each. With another engine than the convex one the
limit is found fit by fit, as the reference.

A limit that does not exist is a record with ``valid = False``, a flag that says why, and NaN: never a number.

References
----------
CCGV: G. Cowan, K. Cranmer, E. Gross, O. Vitells, EPJC 71 (2011) 1554, arXiv:1007.1727.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import toms748

from bumphunt.engines import linear as convex
from bumphunt.engines.linear_kernels import BOUNDARY_LEVEL
from bumphunt.engines.result import FitResult, FitStatus
from bumphunt.errors import FitError, InputError
from bumphunt.inference import asymptotics
from bumphunt.inference.batch import Inference, infer
from bumphunt.likelihood.linear import Channel

__all__ = [
    "Fitter",
    "ProfiledFits",
    "UpperLimit",
    "asymptotic_limit",
    "asymptotic_limits",
    "bracketed_root",
    "checked_cl",
    "cross_section",
    "failed_limit",
    "limit_of",
]

Array = NDArray[np.float64]

RELATIVE_TOLERANCE = 1e-8
"""Relative precision of a limit's root."""
MAX_DOUBLINGS = 60
"""How often the upper end of a bracket is doubled before a limit is said not to exist."""


class Fitter(Protocol):
    """A fit of a channel: `convex.fit_channel` or `minuit.fit_channel`."""

    def __call__(self, channel: Channel, *, n_sig: float | None = None, start: FitResult | None = None) -> FitResult:
        """Return the fit with a free (None) or held signal yield [events]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpperLimit:
    """An upper limit with its expected band, in the unit of the signal strength (events for a yield).

    Parameters
    ----------
    observed
        The limit from the data; NaN if it does not exist.
    expected
        The limits for background-only data at -2, -1, 0, +1, +2 standard deviations, shape ``(5,)``.
    method
        How it was made: "cls_asymptotic", "cls_counting", ...
    cl
        Confidence level, 0.9 by default in this field.
    valid
        Whether the numbers can be used.
    flags
        Names of what went wrong or asks for care.
    """

    observed: float
    expected: Array
    method: str
    cl: float
    valid: bool
    flags: tuple[str, ...]


def failed_limit(method: str, cl: float, *flags: str) -> UpperLimit:
    """Return the record of a limit that does not exist: NaN everywhere, invalid, with the flags that say why."""
    return UpperLimit(observed=np.nan, expected=np.full(5, np.nan), method=method, cl=cl, valid=False, flags=flags)


def checked_cl(cl: float) -> float:
    """Return the confidence level, or raise an `InputError` if it is not in (0, 1)."""
    if not 0.0 < cl < 1.0:
        msg = f"the confidence level must be between 0 and 1, got {cl}"
        raise InputError(msg)
    return cl


def bracketed_root(function: Callable[[float], float], low: float, step: float) -> float:
    """Return the root of a decreasing function above `low`, by TOMS 748.

    Parameters
    ----------
    function
        Positive at `low`, decreasing to negative values.
    low
        Lower end of the bracket.
    step
        First distance to the upper end; doubled until the function is negative there.

    Raises
    ------
    FitError
        If the function is not positive at `low`, is NaN, or stays positive for 60 doublings.
    """
    at_low = function(low)
    if at_low == 0.0:
        return low
    if not at_low > 0.0:
        msg = f"no root above {low}: the function is {at_low} there, positive is needed"
        raise FitError(msg)
    left, right = low, low + step
    for _ in range(MAX_DOUBLINGS):
        value = function(right)
        if np.isnan(value):
            msg = f"the function is NaN at {right}"
            raise FitError(msg)
        if value <= 0.0:
            return float(toms748(function, left, right, xtol=1e-12 * max(1.0, right), rtol=RELATIVE_TOLERANCE))
        left, right = right, low + 2.0 * (right - low)
    msg = f"no root below {right}"
    raise FitError(msg)


class ProfiledFits:
    """The fits of one data set that a limit asks for, each made once and started from its nearest neighbour."""

    def __init__(self, channel: Channel, fitter: Fitter, best: FitResult | None = None) -> None:
        self._channel, self._fitter = channel, fitter
        self._fits: dict[float, FitResult] = {}
        self._best = best

    @property
    def best(self) -> FitResult:
        """The fit with the signal free.

        Raises
        ------
        FitError
            If it failed.
        """
        if self._best is None:
            self._best = self._fitter(self._channel)
        if not self._best.status.usable:
            raise FitError(self._best.status.flag)
        return self._best

    def at(self, n_sig: float) -> FitResult:
        """Return the fit with the signal held at `n_sig` [events]; raise `FitError` if it failed."""
        if n_sig not in self._fits:
            near = min(self._fits, key=lambda tested: abs(tested - n_sig), default=None)
            fit = self._fitter(self._channel, n_sig=n_sig, start=None if near is None else self._fits[near])
            if not fit.status.usable and near is not None:
                fit = self._fitter(self._channel, n_sig=n_sig)
            if not fit.status.usable:
                raise FitError(fit.status.flag)
            self._fits[n_sig] = fit
        return self._fits[n_sig]

    def qmu_tilde(self, n_sig: float) -> float:
        """Return q~mu (CCGV eq. 16) at a tested yield; raise `FitError` if a fit failed."""
        best = self.best
        if best.n_sig > n_sig:
            return 0.0
        null = self.at(0.0).nll if best.n_sig < 0.0 else best.nll
        return float(asymptotics.qmu_tilde(n_sig, self.at(n_sig).nll, best.nll, best.n_sig, null))


def asymptotic_limit(
    channel: Channel, *, cl: float = 0.9, fitter: Fitter = convex.fit_channel, expected: bool = True
) -> UpperLimit:
    """Return the CLs upper limit on the signal yield of a channel, from q~mu and one Asimov set.

    The Asimov set is that of the background-only fit to the data (coefficients and constraint centres included).

    Parameters
    ----------
    channel
        Data, signal, templates and constraints.
    cl
        Confidence level.
    fitter
        The engine: `convex.fit_channel`, or `minuit.fit_channel` as the reference.
    expected
        Whether the expected band is wanted; NaN if not.

    Returns
    -------
    UpperLimit
        In events; `method` is "cls_asymptotic". Invalid, with the status of the fit as flag, if a fit failed.

    Raises
    ------
    InputError
        If the confidence level is not in (0, 1).

    References
    ----------
    CCGV eqs 16, 31, 65, 66, 89, 90.
    """
    if fitter is convex.fit_channel:
        return asymptotic_limits([channel], cl=cl, expected=expected)[0]
    return _bracketed_limit(channel, cl=checked_cl(cl), fitter=fitter, expected=expected)


def _bracketed_limit(channel: Channel, *, cl: float, fitter: Fitter, expected: bool) -> UpperLimit:
    """Return the limit of one channel with any engine, each root by itself; as `asymptotic_limit`."""
    method, alpha = "cls_asymptotic", 1.0 - cl
    data = ProfiledFits(channel, fitter)
    try:
        best = data.best
        asimov = _asimov_fits(channel, _null(data, channel), fitter)
        scale = _yield_scale(asimov, channel)

        def log_excess(n_sig: float) -> float:
            q, q_asimov = data.qmu_tilde(n_sig), asimov.qmu_tilde(n_sig)
            if q_asimov == 0.0:  # at s = 0 both statistics vanish, and CLs goes to 1
                return float(-np.log(alpha))
            return float(np.log(asymptotics.cls(np.sqrt(q), np.sqrt(q_asimov)) / alpha))

        observed = bracketed_root(log_excess, max(best.n_sig, 0.0), scale)
        band = np.full(5, np.nan)
        if expected:
            reach = asymptotics.expected_sqrt_qmu_asimov(alpha, asymptotics.BAND)
            for index, target in enumerate(reach):

                def missing(n_sig: float, target: float = target) -> float:
                    return float(target - np.sqrt(asimov.qmu_tilde(n_sig)))

                band[index] = bracketed_root(missing, 0.0, scale * target)
    except FitError as failure:
        flag = str(failure) if str(failure).startswith("fit_") else "no_root"
        return failed_limit(method, cl, flag)
    flags = (best.status.flag,) if best.status.flag else ()
    return UpperLimit(observed=observed, expected=band, method=method, cl=cl, valid=True, flags=flags)


def asymptotic_limits(channels: Sequence[Channel], *, cl: float = 0.9, expected: bool = True) -> list[UpperLimit]:
    """Return `asymptotic_limit` of many channels, by the convex engine, together; arguments and errors as there."""
    results = infer(channels, cl=checked_cl(cl), expected=expected)
    return [
        limit_of(result, channel, cl=cl, expected=expected) for result, channel in zip(results, channels, strict=True)
    ]


def limit_of(result: Inference, channel: Channel, *, cl: float, expected: bool = True) -> UpperLimit:
    """Return the record of the limit of a channel at the confidence level that it was inferred with.

    Where the batch found fits but no root (a few in a thousand spectra with bins at the boundary), the roots are
    bracketed one by one.
    """
    if result.failure and result.best.status.usable and result.null.status.usable:
        return _bracketed_limit(channel, cl=cl, fitter=convex.fit_channel, expected=expected)
    if result.failure:
        return failed_limit("cls_asymptotic", cl, result.failure)
    flags = (result.best.status.flag,) if result.best.status.flag else ()
    return UpperLimit(
        observed=result.observed, expected=result.expected, method="cls_asymptotic", cl=cl, valid=True, flags=flags
    )


def _null(data: ProfiledFits, channel: Channel) -> FitResult:
    """Return the fit without signal; where nothing is to be fitted, the data may be impossible without signal."""
    if not np.all(channel.held):
        return data.at(0.0)
    return FitResult(
        n_sig=0.0,
        n_sig_error=0.0,
        background=channel.centres,
        background_errors=np.zeros_like(channel.centres),
        nll=np.nan,
        status=FitStatus.CONVERGED,
        iterations=0,
        engine=data.best.engine,
    )


def _asimov_fits(channel: Channel, null: FitResult, fitter: Fitter) -> ProfiledFits:
    """Return the fits of the background-only Asimov set, whose best fit is known: S = 0 (CCGV section 3.2)."""
    best = FitResult(
        n_sig=0.0,
        n_sig_error=np.nan,
        background=null.background,
        background_errors=null.background_errors,
        nll=0.0,  # the Asimov set is saturated by construction
        status=null.status,
        iterations=0,
        engine=null.engine,
    )
    asimov = channel.asimov(0.0, null.background)
    empty = asimov.counts < BOUNDARY_LEVEL  # at the boundary the barrier method leaves 1e-10 events in a bin
    return ProfiledFits(replace(asimov, counts=np.where(empty, 0.0, asimov.counts)), fitter, best)


def _yield_scale(asimov: ProfiledFits, channel: Channel) -> float:
    """Return the standard deviation of the yield on the Asimov set, from q~mu at a rough one (CCGV eq. 31)."""
    background = channel.expected(0.0, asimov.best.background)
    level = 1e-2 * float(channel.signal.max())
    rough = np.sqrt(1.0 / np.sum(channel.signal**2 / np.maximum(background, level)))
    return float(asymptotics.sigma_from_asimov(rough, max(asimov.qmu_tilde(float(rough)), 1e-12)))


def cross_section(n_sig: ArrayLike, *, luminosity: float, efficiency: ArrayLike) -> Array:
    """Return the cross section [fb] of a signal yield: N / (L epsilon).

    Parameters
    ----------
    n_sig
        Events, or an upper limit on them; NaN stays NaN.
    luminosity
        Integrated luminosity [fb^-1].
    efficiency
        Total efficiency; where it is 0 the result is inf.

    Raises
    ------
    InputError
        If the luminosity is not positive or an efficiency is negative.

    Examples
    --------
    >>> float(cross_section(2.3, luminosity=0.276, efficiency=0.05).round(2))
    166.67
    """
    epsilon = np.asarray(efficiency, dtype=np.float64)
    if not luminosity > 0.0:
        msg = f"the luminosity must be positive, got {luminosity} fb^-1"
        raise InputError(msg)
    if np.any(epsilon < 0.0):
        msg = f"efficiencies must not be negative, found {epsilon.min()}"
        raise InputError(msg)
    with np.errstate(divide="ignore"):
        return np.asarray(n_sig, dtype=np.float64) / (luminosity * epsilon)
