"""The choice between asymptotic formulae and toys.

The asymptotic distribution of q~mu holds where the background under the peak is large. `upper_limit` with the method
"auto" counts the expected background in the core of the signal (the bins of +-2 standard deviations) and takes the
formulae where there are `ASYMPTOTIC_FROM` events or more, toys elsewhere. The record says which.

`LimitSettings` holds what is decided once for a whole scan.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from bumphunt.engines import linear as convex
from bumphunt.errors import FitError, InputError
from bumphunt.inference.asymptotics import ASYMPTOTIC_FROM
from bumphunt.inference.bayesian import BayesianLimit, Prior, prior_power
from bumphunt.inference.limits import UpperLimit, asymptotic_limit, checked_cl
from bumphunt.inference.profile import Profile, profile_limit
from bumphunt.inference.region_toys import toy_region_limit
from bumphunt.inference.toys import checked_toys, toy_limit
from bumphunt.likelihood.linear import Channel

__all__ = [
    "CORE",
    "LimitMethod",
    "LimitSettings",
    "bayesian_upper_limit",
    "chosen_method",
    "core_background",
    "profile_upper_limit",
    "upper_limit",
]

LimitMethod = Literal["auto", "asymptotic", "toys"]

CORE = 0.9545
"""Fraction of the signal in the core: +-2 standard deviations of a normal peak."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    """How the limits of a scan are set.

    Parameters
    ----------
    method
        "asymptotic" or "toys" (CLs), "auto" (whichever holds), "bayesian", or, of one count, "feldman-cousins".
    cl
        Confidence level, or credibility.
    n_toys
        Toys at each tested value.
    prior
        Of the signal S >= 0, for "bayesian": "flat" or "1/sqrt".
    threshold
        Expected background within two standard deviations from which on "auto" uses the formulae [events].

    Raises
    ------
    InputError
        If the method or prior is unknown, the level not in (0, 1), or a number not positive.
    """

    method: Literal["asymptotic", "toys", "auto", "bayesian", "feldman-cousins"] = "asymptotic"
    cl: float = 0.9
    n_toys: int = 1000
    prior: Prior = "flat"
    threshold: float = ASYMPTOTIC_FROM

    def __post_init__(self) -> None:
        if self.method not in ("bayesian", "feldman-cousins"):
            _checked_method(self.method)
        checked_cl(self.cl)
        prior_power(self.prior)
        checked_toys(self.n_toys)
        if not self.threshold > 0.0:
            msg = f"the threshold of the asymptotic formulae must be positive, got {self.threshold} events"
            raise InputError(msg)

    def random(self, core: float) -> bool:
        """Return whether a limit over this expected background in the core [events] needs random numbers."""
        return self.method in ("toys", "bayesian") or (self.method == "auto" and core < self.threshold)


def bayesian_upper_limit(found: BayesianLimit) -> UpperLimit:
    """Return a Bayesian limit as a row of a scan wants it: ``method`` names the prior, the band is NaN."""
    return UpperLimit(
        observed=found.upper,
        expected=np.full(5, np.nan),
        method=f"bayesian_{found.prior}",
        cl=found.credibility,
        valid=found.valid,
        flags=found.flags,
    )


def core_background(signal: ArrayLike, expected: ArrayLike) -> float:
    """Return the expected background in the core of the signal: the fewest bins that hold 95.45 % of it [events].

    Parameters
    ----------
    signal
        Signal in each bin, in any unit, shape ``(B,)``.
    expected
        Expected background in each bin [events], shape ``(B,)``.

    Examples
    --------
    >>> core_background([0.01, 0.98, 0.01], [8.0, 9.0, 10.0])
    9.0
    """
    s = np.asarray(signal, dtype=np.float64)
    order = np.argsort(s)[::-1]
    core = order[: int(np.searchsorted(np.cumsum(s[order]), CORE * (1.0 - 1e-12) * s.sum())) + 1]
    return float(np.asarray(expected, dtype=np.float64)[core].sum())


def chosen_method(channel: Channel, *, threshold: float = ASYMPTOTIC_FROM) -> Literal["asymptotic", "toys"]:
    """Return the method that "auto" stands for: by the background-only fit to the data.

    Where that fit fails both methods do, and the cheap one is returned.

    Parameters
    ----------
    channel
        Data, signal, templates and constraints.
    threshold
        Expected background in the core from which on the formulae are used [events].
    """
    null = convex.fit_channel(channel, n_sig=0.0)
    if not null.status.usable:
        return "asymptotic"
    b = core_background(channel.signal, channel.expected(0.0, null.background))
    return "asymptotic" if b >= threshold else "toys"


def upper_limit(
    channel: Channel,
    *,
    rng: np.random.Generator,
    method: LimitMethod = "auto",
    cl: float = 0.9,
    expected: bool = True,
    n_toys: int = 4000,
    threshold: float = ASYMPTOTIC_FROM,
) -> UpperLimit:
    """Return the CLs upper limit on the signal yield of a channel by the method that suits it.

    Parameters
    ----------
    channel
        Data, signal, templates and constraints.
    rng
        For toys; not used by the asymptotic formulae.
    method
        "auto", "asymptotic" or "toys".
    cl
        Confidence level.
    expected
        Whether the expected band is wanted; NaN if not.
    n_toys
        Toys at each tested value.
    threshold
        Expected background in the core from which on "auto" uses the formulae [events].

    Returns
    -------
    UpperLimit
        In events; `method` is "cls_asymptotic" or "cls_toys".

    Raises
    ------
    InputError
        If the method is unknown, the level not in (0, 1), or the number of toys not positive.
    """
    if _checked_method(method) == "auto":
        method = chosen_method(channel, threshold=threshold)
    if method == "asymptotic":
        return asymptotic_limit(channel, cl=cl, expected=expected)
    return toy_limit(channel, rng=rng, n_toys=n_toys, cl=cl, expected=expected).limit


def _checked_method(method: str) -> str:
    """Return the method, or raise an `InputError` if there is no such one."""
    if method not in ("auto", "asymptotic", "toys"):
        msg = f"the method must be 'auto', 'asymptotic' or 'toys', got {method!r}"
        raise InputError(msg)
    return method


def profile_upper_limit(
    profile: Profile,
    *,
    rng: np.random.Generator | None,
    method: LimitMethod = "asymptotic",
    cl: float = 0.9,
    expected: bool = True,
    n_toys: int = 4000,
    threshold: float = ASYMPTOTIC_FROM,
) -> UpperLimit:
    """Return the CLs upper limit of a profile, whose fits are kept, by the method that suits it.

    Parameters
    ----------
    profile
        Of regions: the core is that of all of them together.
    rng, method, cl, expected, n_toys, threshold
        As in `bumphunt.inference.fit.limit`.

    Raises
    ------
    InputError
        If the method is unknown, or toys may be needed and there is no generator.
    """
    if _checked_method(method) != "asymptotic" and rng is None:
        msg = f"limits by {method!r} need random numbers: give rng=numpy.random.default_rng(seed)"
        raise InputError(msg)
    core = _core_of(profile)
    if rng is not None and (method == "toys" or (method == "auto" and core < threshold)):
        return toy_region_limit(profile.model.regions, rng=rng, n_toys=n_toys, cl=cl, expected=expected).limit
    upper = profile_limit(profile, cl=cl, expected=expected)
    return replace(upper, flags=(*upper.flags, "low_counts")) if core < threshold and upper.valid else upper


def _core_of(profile: Profile) -> float:
    """Return the expected background in the core of the signal [events]; NaN where the fit without signal fails."""
    try:
        null = profile.at(0.0).values
    except FitError:
        return np.nan
    expected, slopes = profile.model.expected_and_slopes(null)
    inside = slice(0, profile.model.n_bins)
    return core_background(slopes[0, inside], expected[inside])
