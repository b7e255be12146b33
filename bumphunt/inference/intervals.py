"""Confidence intervals of any parameter from its likelihood ratio, as MINOS makes them.

The signal strength, the position or the width of a peak, a nuisance parameter: each is held at tested values, all
others are fitted, and the interval ends where -2 ln lambda reaches the square of a two-sided standard deviation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from bumphunt.engines.choose import Engine, fit_likelihood
from bumphunt.errors import FitError, Flag, InputError, unknown_name
from bumphunt.inference.profile import Profile
from bumphunt.inference.roots import bracketed_root
from bumphunt.inference.settings import checked_cl
from bumphunt.likelihood.likelihood import STRENGTH, held_at, likelihood
from bumphunt.models.region import Region

__all__ = ["Interval", "interval"]

ONE_SIGMA = 0.6826894921370859
"""Content of the central interval of one standard deviation."""
IMPOSSIBLE = 1e6
"""Stands for the -2 ln lambda of a value for which the data are impossible, in the search for an interval."""
ASIDE = 1e-6
"""Distance from the end of an interval, in its first width, at which it is looked whether -2 ln lambda jumps there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A confidence interval of a parameter; an end that does not exist is NaN and has a flag.

    It unpacks: ``low, high = interval(...)``.
    """

    low: float
    high: float
    cl: float
    valid: bool
    flags: tuple[Flag, ...]

    def __iter__(self) -> Iterator[float]:
        return iter((self.low, self.high))


def interval(
    regions: Region | Sequence[Region], *, parameter: str = STRENGTH, cl: float = ONE_SIGMA, engine: Engine = "auto"
) -> Interval:
    """Return where -2 ln lambda of a parameter is below the square of a two-sided standard deviation, as MINOS does.

    Parameters
    ----------
    regions, engine
        As in `bumphunt.inference.fit.fit`.
    parameter
        Its name, as in the `names` of a fit; the signal strength by default. The ends are in the unit of the parameter:
        for a normal one standard deviations, so that a peak at ``m`` with ``PeakPosition("mean", d)`` has the mean
        ``m + d * end``, and one of width ``w`` with ``PeakWidth("width", r)`` the width ``w * (1 + r)**end``. Its own
        constraint is part of the likelihood: a wide one leaves the parameter to the data.
    cl
        Confidence level, one standard deviation by default.

    Returns
    -------
    Interval
        An end is NaN, with the flag "no_lower_end" or "no_upper_end", where the likelihood stays above the level up
        to the last value for which all expectations can be positive.

    Raises
    ------
    InputError
        As `bumphunt.inference.fit.fit`, if there is no parameter of that name, and if the confidence level is not in
        (0, 1).

    References
    ----------
    F. James, M. Roos, Comput. Phys. Commun. 10 (1975) 343 (MINOS).
    """
    level = float(ndtri(0.5 + 0.5 * checked_cl(cl))) ** 2
    profile = Profile(likelihood(regions), engine)
    if parameter not in profile.model.names:
        raise InputError(unknown_name("parameter", parameter, profile.model.names))
    ends, flags = [float("nan")] * 2, []
    for index, (side, missing) in enumerate(((-1.0, Flag.NO_LOWER_END), (1.0, Flag.NO_UPPER_END))):
        try:
            ends[index] = _end(profile, parameter, level, side, missing)
        except FitError as failure:
            flags.append(failure.flag)
    return Interval(low=ends[0], high=ends[1], cl=cl, valid=not flags, flags=tuple(dict.fromkeys(flags)))


def _end(profile: Profile, parameter: str, level: float, side: float, missing: Flag) -> float:
    """Return the end of an interval on one side; raise `FitError` if a fit failed, with `missing` if there is none."""
    best = profile.best
    value, error = best.value(parameter), best.error(parameter)
    width = error if np.isfinite(error) else max(1.0, abs(value))
    ratio = profile.likelihood_ratio if parameter == STRENGTH else _ratio_of(profile, parameter)

    def below(distance: float) -> float:
        return max(level - _possible(ratio, value + side * distance), -IMPOSSIBLE)

    try:
        distance = bracketed_root(below, 0.0, float(np.sqrt(level)) * width)
    except FitError as failure:
        raise FitError(missing if failure.flag is Flag.NO_ROOT else failure.flag, failure.detail) from failure
    if below(max(distance - ASIDE * width, 0.0)) > 0.01 * level:  # it jumps: the end of what is possible
        raise FitError(missing, f"-2 ln lambda jumps at {value + side * distance}")
    return value + side * distance


def _ratio_of(profile: Profile, parameter: str) -> Callable[[float], float]:
    """Return the function that gives -2 ln lambda of a parameter that is held; it raises `FitError` if a fit failed."""
    model, best = profile.model, profile.best
    index = model.names.index(parameter)

    def ratio(value: float) -> float:
        start = np.where(np.arange(best.values.size) == index, value, best.values)
        fit = fit_likelihood(held_at(model, {parameter: value}), profile.engine, start=start, errors=False)
        if fit.status.flag is not None and not fit.status.usable:
            raise FitError(fit.status.flag, f"{parameter} = {value}")
        constraint = 0.5 * model.precisions[index] * (value - model.centres[index]) ** 2  # held, it is its own centre
        return max(2.0 * (fit.nll + float(constraint) - best.nll), 0.0)

    return ratio


def _possible(ratio: Callable[[float], float], value: float) -> float:
    """Return -2 ln lambda at a value; inf where the data are impossible."""
    try:
        return ratio(value)
    except FitError as failure:
        if failure.flag is not Flag.FIT_INFEASIBLE:
            raise
        return np.inf
