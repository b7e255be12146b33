"""The record of an upper limit, and what says how limits are set.

A limit that does not exist is a record with ``valid = False``, a flag that says why, and NaN: never a number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammainccinv

from bumphunt.errors import Flag, InputError
from bumphunt.inference.asymptotics import ASYMPTOTIC_FROM
from bumphunt.inference.core import low_counts

__all__ = [
    "LimitMethod",
    "LimitSettings",
    "Prior",
    "UpperLimit",
    "checked_cl",
    "checked_prior",
    "cross_section",
    "failed_limit",
    "most_events",
]

Array = NDArray[np.float64]
ALLOWANCE = 1.1
"""How much more than the exact limit of all events a limit may be: formulae and toys are not exact."""
LimitMethod = Literal["asymptotic", "toys", "auto", "bayesian", "feldman-cousins"]
Prior = Literal["flat", "1/sqrt"]


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
    error, expected_errors
        Standard deviations of the observed limit, and of the band, shape ``(5,)``, from the finite number of toys or
        of samples; 0 where nothing was drawn.
    """

    observed: float
    expected: Array
    method: str
    cl: float
    valid: bool
    flags: tuple[Flag, ...]
    error: float = 0.0
    expected_errors: Array = field(default_factory=lambda: np.zeros(5))


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    """How limits are set.

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
        Expected background in the core of the signal from which on the formulae hold [events].

    Raises
    ------
    InputError
        If the method or prior is unknown, the level not in (0, 1), or a number not positive.
    """

    method: LimitMethod = "asymptotic"
    cl: float = 0.9
    n_toys: int = 1000
    prior: Prior = "flat"
    threshold: float = ASYMPTOTIC_FROM

    def __post_init__(self) -> None:
        if self.method not in get_args(LimitMethod):
            msg = f"the method must be one of {', '.join(map(repr, get_args(LimitMethod)))}, got {self.method!r}"
            raise InputError(msg)
        checked_cl(self.cl)
        checked_prior(self.prior)
        if self.n_toys < 1:
            msg = f"the number of toys must be positive, got {self.n_toys}"
            raise InputError(msg)
        if not self.threshold > 0.0:
            msg = f"the threshold of the asymptotic formulae must be positive, got {self.threshold} events"
            raise InputError(msg)

    def checked_generator(self, rng: np.random.Generator | None) -> np.random.Generator | None:
        """Return the generator, or raise an `InputError` if there is none and the method may need one."""
        if self.method != "asymptotic" and rng is None:
            msg = f"limits by the method {self.method!r} need random numbers: give rng=numpy.random.default_rng(seed)"
            raise InputError(msg)
        return rng

    def takes_toys(self, core: float) -> bool:
        """Return whether a limit over this expected background in the core [events] comes from toys."""
        return self.method == "toys" or (self.method == "auto" and low_counts(core, self.threshold))


def most_events(n_obs: float, cl: float) -> float:
    """Return the largest signal that a limit may be: that of all events with no background [events].

    Examples
    --------
    >>> round(most_events(0.0, 0.9) / ALLOWANCE, 3)  # ln 10
    2.303
    """
    return ALLOWANCE * float(gammainccinv(n_obs + 1.0, 1.0 - cl))


def failed_limit(method: str, cl: float, *flags: Flag) -> UpperLimit:
    """Return the record of a limit that does not exist: NaN everywhere, invalid, with the flags that say why."""
    nothing = np.full(5, np.nan)
    return UpperLimit(
        observed=np.nan,
        expected=nothing,
        method=method,
        cl=cl,
        valid=False,
        flags=flags,
        error=np.nan,
        expected_errors=nothing,
    )


def checked_cl(cl: float) -> float:
    """Return the confidence level, or raise an `InputError` if it is not in (0, 1)."""
    if not 0.0 < cl < 1.0:
        msg = f"the confidence level must be between 0 and 1, got {cl}"
        raise InputError(msg)
    return cl


def checked_prior(prior: Prior) -> Prior:
    """Return the prior, or raise an `InputError` if there is no such one."""
    if prior not in get_args(Prior):
        msg = f"the prior must be 'flat' or '1/sqrt', got {prior!r}"
        raise InputError(msg)
    return prior


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
