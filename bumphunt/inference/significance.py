"""How unlikely the background alone is, and how unlikely a signal: q0, p0 and z0; CLs by asymptotic formulae.

`significance` and `hypotest` are asked of regions; `profile_significance` of a profile whose fits are kept. Where few
events are expected under the peak p0 comes from toys (`bumphunt.inference.toy_significance`).

References
----------
CCGV: G. Cowan, K. Cranmer, E. Gross, O. Vitells, EPJC 71 (2011) 1554, arXiv:1007.1727.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from bumphunt.engines.choose import Engine
from bumphunt.errors import FitError, Flag, InputError
from bumphunt.inference import asymptotics
from bumphunt.inference.asymptotics import ASYMPTOTIC_FROM
from bumphunt.inference.profile import Profile
from bumphunt.inference.settings import SignificanceMethod, SignificanceSettings
from bumphunt.inference.toy_significance import toy_p0
from bumphunt.likelihood.likelihood import likelihood
from bumphunt.models.region import Region

__all__ = [
    "CLsTest",
    "Significance",
    "hypotest",
    "profile_significance",
    "significance",
]

Array = NDArray[np.float64]
Regions = Region | Sequence[Region]


@dataclass(frozen=True, slots=True, kw_only=True)
class Significance:
    """How unlikely the background alone is: discovery statistic, one-sided p-value and significance.

    `n_sig` is negative for a deficit, whose q0 is 0; its p0 is 0.5 by the formulae, and 1 by toys: no data have less.
    `z_signed` is the root of -2 ln lambda(0) with the sign of `n_sig`: z0 by the formulae for an excess, negative for a
    deficit; NaN where the fit of a deficit failed.
    Data that are impossible without signal have p0 = 0, and infinite q0 and z0.
    `p0_error` is the standard deviation of p0 from the number of toys, 0 for the formulae. z0 is sqrt(q0) by the
    formulae, Phi^-1(1 - p0) and not below 0 by toys. `method` is "asymptotic" or "toys". Numbers are NaN, and `valid`
    is False, if a fit failed; `flags` says which way.
    """

    n_sig: float
    q0: float
    p0: float
    p0_error: float
    z0: float
    z_signed: float
    method: str
    valid: bool
    flags: tuple[Flag, ...]
    engine: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CLsTest:
    """The test of one strength: CLs, its parts, and CLs expected at -2 ... +2 standard deviations, shape ``(5,)``."""

    strength: float
    observed: float
    clsb: float
    clb: float
    expected: Array
    qmu_tilde: float
    valid: bool
    flags: tuple[Flag, ...]


def significance(
    regions: Regions,
    *,
    engine: Engine = "auto",
    method: SignificanceMethod = "asymptotic",
    rng: np.random.Generator | None = None,
    n_toys: int = 1000,
    threshold: float = ASYMPTOTIC_FROM,
) -> Significance:
    """Return the significance of the signal (CCGV eqs 12 and 52).

    Parameters
    ----------
    regions, engine
        As in `bumphunt.inference.fit.fit`.
    method, n_toys, threshold
        As in `SignificanceSettings`.
    rng
        For all methods but "asymptotic".

    Raises
    ------
    InputError
        As `bumphunt.inference.fit.fit` and `SignificanceSettings`, and if there is no generator where one may be
        needed.
    """
    settings = SignificanceSettings(method=method, n_toys=n_toys, threshold=threshold)
    return profile_significance(Profile(likelihood(regions), engine), settings, rng=rng)


def profile_significance(
    profile: Profile,
    settings: SignificanceSettings | None = None,
    *,
    rng: np.random.Generator | None = None,
    core: float | None = None,
) -> Significance:
    """Return the significance from a profile, whose fits are kept (CCGV eqs 12 and 52).

    Parameters
    ----------
    profile
        Of the data.
    settings
        How p0 is found; by the formulae unless given.
    rng
        For all methods but "asymptotic".
    core
        Expected background in the core of the signal [events], where it is better known than from the bins of the fit.
    """
    how = settings or SignificanceSettings()
    generator, free = how.checked_generator(rng), profile.free
    flags: tuple[Flag, ...] = free.status.flags
    method, error, signed = "asymptotic", 0.0, np.nan
    try:
        q0 = profile.q0()
        signed = _signed_root(profile, q0)
        z0 = float(asymptotics.z0_from_q0(q0))
        p0 = float(asymptotics.p_value(z0))
        by_toys = np.isfinite(q0) and how.takes_toys(profile.core_background() if core is None else core)
        if by_toys and generator is not None:
            found = toy_p0(profile, rng=generator, n_toys=how.n_toys)
            p0, error, method = found.p0, found.error, "toys"
            z0 = max(float(asymptotics.z_score(p0)), 0.0) + 0.0  # no negative zero
    except FitError as failure:
        q0, z0, p0, error, flags = np.nan, np.nan, np.nan, np.nan, (failure.flag,)
    return Significance(
        n_sig=free.n_sig,
        q0=q0,
        p0=p0,
        p0_error=error,
        z0=z0,
        z_signed=signed,
        method=method,
        valid=not np.isnan(p0),
        flags=flags,
        engine=profile.engine,
    )


def _signed_root(profile: Profile, q0: float) -> float:
    """Return the root of -2 ln lambda(0) with the sign of the best strength; NaN where the fit of a deficit failed."""
    if not profile.deficit:
        return float(asymptotics.z0_from_q0(q0))
    return -float(np.sqrt(profile.likelihood_ratio(0.0))) if profile.free.status.usable else np.nan


def hypotest(regions: Regions, strength: float, *, engine: Engine = "auto") -> CLsTest:
    """Return CLs of one signal strength, observed and expected, from q~mu (CCGV eqs 16, 65 and 66).

    Raises
    ------
    InputError
        As `bumphunt.inference.fit.fit`, and if the strength is not positive.
    """
    if not 0.0 < strength < np.inf:
        msg = f"the tested strength must be positive, got {strength}"
        raise InputError(msg)
    data = Profile(likelihood(regions), engine)
    try:
        q, root_a = data.qmu_tilde(strength), float(np.sqrt(data.asimov().qmu_tilde(strength)))
    except FitError as failure:
        nothing = dict.fromkeys(("observed", "clsb", "clb", "qmu_tilde"), np.nan)
        return CLsTest(strength=strength, **nothing, expected=np.full(5, np.nan), valid=False, flags=(failure.flag,))
    clsb, clb = asymptotics.clsb_and_clb(np.sqrt(q), root_a)
    n = np.array(asymptotics.BAND)
    expected = np.exp(log_ndtr(n - root_a) - log_ndtr(n))  # q~mu = (root_a - n)^2, eq. 89
    return CLsTest(
        strength=strength,
        observed=float(asymptotics.cls(np.sqrt(q), root_a)),
        clsb=float(clsb),
        clb=float(clb),
        expected=expected,
        qmu_tilde=q,
        valid=True,
        flags=(),
    )
