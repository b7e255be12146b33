"""Confidence intervals of the signal strength from its likelihood ratio, as MINOS makes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from bumphunt.engines.choose import Engine
from bumphunt.errors import FitError, Flag
from bumphunt.inference.profile import Profile
from bumphunt.inference.roots import bracketed_root
from bumphunt.inference.settings import checked_cl
from bumphunt.likelihood.likelihood import likelihood
from bumphunt.models.region import Region

__all__ = ["Interval", "interval"]

ONE_SIGMA = 0.6826894921370859
"""Content of the central interval of one standard deviation."""
IMPOSSIBLE = 1e6
"""Stands for the -2 ln lambda of a strength for which the data are impossible, in the search for an interval."""
ASIDE = 1e-6
"""Distance from the end of an interval, in its first width, at which it is looked whether -2 ln lambda jumps there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A confidence interval of the signal strength; an end that does not exist is NaN and has a flag.

    It unpacks: ``low, high = interval(...)``.
    """

    low: float
    high: float
    cl: float
    valid: bool
    flags: tuple[Flag, ...]

    def __iter__(self) -> Iterator[float]:
        return iter((self.low, self.high))


def interval(regions: Region | Sequence[Region], *, cl: float = ONE_SIGMA, engine: Engine = "auto") -> Interval:
    """Return where -2 ln lambda(S) is below the square of a two-sided standard deviation, as MINOS does.

    Parameters
    ----------
    regions, engine
        As in `bumphunt.inference.fit.fit`.
    cl
        Confidence level, one standard deviation by default.

    Returns
    -------
    Interval
        An end is NaN, with the flag "no_lower_end" or "no_upper_end", where the likelihood stays above the level up
        to the last strength for which all expectations can be positive.

    Raises
    ------
    InputError
        As `bumphunt.inference.fit.fit`, and if the confidence level is not in (0, 1).
    """
    level = float(ndtri(0.5 + 0.5 * checked_cl(cl))) ** 2
    profile = Profile(likelihood(regions), engine)
    ends, flags = [float("nan")] * 2, []
    for index, (side, missing) in enumerate(((-1.0, Flag.NO_LOWER_END), (1.0, Flag.NO_UPPER_END))):
        try:
            ends[index] = _end(profile, level, side, missing)
        except FitError as failure:
            flags.append(failure.flag)
    return Interval(low=ends[0], high=ends[1], cl=cl, valid=not flags, flags=tuple(dict.fromkeys(flags)))


def _end(profile: Profile, level: float, side: float, missing: Flag) -> float:
    """Return the end of an interval on one side; raise `FitError` if a fit failed, with `missing` if there is none."""
    best = profile.best
    width = best.n_sig_error if np.isfinite(best.n_sig_error) else max(1.0, abs(best.n_sig))

    def below(distance: float) -> float:
        return max(level - _ratio(profile, best.n_sig + side * distance), -IMPOSSIBLE)

    try:
        distance = bracketed_root(below, 0.0, float(np.sqrt(level)) * width)
    except FitError as failure:
        raise FitError(missing if failure.flag is Flag.NO_ROOT else failure.flag, failure.detail) from failure
    if below(max(distance - ASIDE * width, 0.0)) > 0.01 * level:  # it jumps: the end of what is possible
        raise FitError(missing, f"-2 ln lambda jumps at {best.n_sig + side * distance}")
    return best.n_sig + side * distance


def _ratio(profile: Profile, strength: float) -> float:
    """Return -2 ln lambda at a strength; inf where the data are impossible."""
    try:
        return profile.likelihood_ratio(strength)
    except FitError as failure:
        if failure.flag is not Flag.FIT_INFEASIBLE:
            raise
        return np.inf
