"""The record of an upper limit, and the cross section that belongs to it.

A limit that does not exist is a record with ``valid = False``, a flag that says why, and NaN: never a number.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammainccinv

from bumphunt.errors import Flag, InputError

__all__ = [
    "UpperLimit",
    "cross_section",
    "failed_limit",
    "most_events",
]

Array = NDArray[np.float64]
ALLOWANCE = 1.1
"""How much more than the exact limit of all events a limit may be: formulae and toys are not exact."""


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
