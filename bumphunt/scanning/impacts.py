"""Impacts: how much each source of uncertainty moves the signal and its limit.

The signal is fitted again with a source held one standard deviation above and below its best value. The limit is
found again with the source held at its best value: the difference is what the source costs. `impacts` does that for
regions, `counting_impacts` for a count, where nothing is fitted and the limit is found again without the source, and
`impacts_at` for what a scan looks at at one mass.

References
----------
ATLAS and CMS show the same table as "ranking" or "impacts": e.g. ATLAS, JHEP 12 (2020) 085, arXiv:2007.02873.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bumphunt.engines.choose import Engine
from bumphunt.engines.result import FitResult
from bumphunt.errors import FitError, Flag, InputError
from bumphunt.inference.limits import profile_limit
from bumphunt.inference.profile import Profile
from bumphunt.inference.settings import LimitSettings, checked_cl
from bumphunt.likelihood.likelihood import Likelihood, held_at, likelihood
from bumphunt.models.region import Region
from bumphunt.scanning.counts import CountingWindow, count_limit, counting_window
from bumphunt.scanning.fits import fitted_windows
from bumphunt.scanning.method import Method
from bumphunt.scanning.regions import ScanRegion, checked_regions, scan_masses
from bumphunt.scanning.sidebands import predicted
from bumphunt.scanning.sources import Sources

__all__ = ["Impact", "Impacts", "counting_impacts", "impacts", "impacts_at"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """What one source does.

    Parameters
    ----------
    source
        Name of a constrained parameter, or of a group: ``mc_sr`` stands for all ``mc_sr[...]``.
    pull, constraint
        Fitted value minus centre, and its error, in units of the width before the fit; NaN for a group.
    n_sig_up, n_sig_down
        Shift of the signal strength with the source held at +1 and -1 fitted standard deviations, or those before the
        fit where it has no errors (at the boundary of negative expectations); NaN for a group.
    n_sig_error
        Its share of the error of the strength: the root of the difference of squares without it.
    limit_obs, limit_exp
        Shift of the observed and the median expected limit due to the source: positive makes it weaker.
    flags
        What failed; the numbers that need it are NaN.
    """

    source: str
    pull: float
    constraint: float
    n_sig_up: float
    n_sig_down: float
    n_sig_error: float
    limit_obs: float
    limit_exp: float
    flags: tuple[Flag, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Impacts:
    """The table of impacts, largest share of the error first.

    Parameters
    ----------
    n_sig, n_sig_error
        Fitted strength and its whole error.
    statistical
        The error with all sources held: that of the counts and of the free coefficients.
    limit_obs, limit_exp
        Limits with all sources.
    rows
        One a source.
    """

    n_sig: float
    n_sig_error: float
    statistical: float
    limit_obs: float
    limit_exp: float
    rows: tuple[Impact, ...]


def impacts(regions: Region | Sequence[Region], *, cl: float = 0.9, engine: Engine = "auto") -> Impacts:
    """Return what each source of uncertainty does to the signal and to its limit.

    Parameters
    ----------
    regions
        One region, or several with a shared signal.
    cl
        Confidence level of the limits.
    engine
        As in `bumphunt.inference.fit.fit`.

    Raises
    ------
    InputError
        If the regions do not fit together or the confidence level is not in (0, 1).
    FitError
        If the fit with all sources failed.

    Examples
    --------
    >>> from bumphunt.models.region import Sample, region
    >>> from bumphunt.models.systematics import LogNormal
    >>> background = Sample("tau", [100.0], uncertainties=[LogNormal("tau", 0.1)])
    >>> table = impacts(region("sr", counts=[110], signal=[1.0], backgrounds=background))
    >>> row = table.rows[0]
    >>> row.source, round(row.n_sig_up, 1), round(row.n_sig_down, 1), round(row.n_sig_error, 1)
    ('tau', -10.0, 9.1, 9.5)
    """
    checked_cl(cl)
    model = likelihood(regions)
    profile = Profile(model, engine)
    best, upper = profile.best, profile_limit(profile, cl=cl)
    constrained = model.measured | np.isin(np.arange(len(model.names)), [i for i, _ in model.auxiliary])
    groups: dict[str, list[str]] = {}
    for name in np.array(model.names)[constrained]:
        groups.setdefault(str(name).split("[")[0], []).append(str(name))
    rows = [_impact(source, names, model, best, engine) for source, names in groups.items()]
    frozen = [_frozen(names, model, best, engine) for names in groups.values()]
    everything = _frozen([name for names in groups.values() for name in names], model, best, engine)
    final = []
    for row, held in zip(rows, frozen, strict=True):
        share = np.sqrt(max(best.n_sig_error**2 - held.free.n_sig_error**2, 0.0))
        without = profile_limit(held, cl=cl)
        observed, median = upper.observed - without.observed, float(upper.expected[2] - without.expected[2])
        flags = tuple(dict.fromkeys((*row.flags, *without.flags)))
        final.append(replace(row, n_sig_error=float(share), limit_obs=observed, limit_exp=median, flags=flags))
    return Impacts(
        n_sig=best.n_sig,
        n_sig_error=best.n_sig_error,
        statistical=everything.free.n_sig_error,
        limit_obs=upper.observed,
        limit_exp=float(upper.expected[2]),
        rows=_largest_first(final),
    )


def _largest_first(rows: list[Impact]) -> tuple[Impact, ...]:
    """Return the rows, largest share of the error first; those without one are last."""
    return tuple(sorted(rows, key=lambda row: -row.n_sig_error if np.isfinite(row.n_sig_error) else np.inf))


def impacts_at(
    regions: ScanRegion | Sequence[ScanRegion],
    *,
    mass: float,
    method: Method,
    sources: Sources = (),
    limits: LimitSettings,
) -> Impacts:
    """Return what each source does at one mass of a scan.

    Parameters
    ----------
    regions, method, sources
        As in `bumphunt.scanning.scan.scan_spectra`.
    mass
        Hypothesis [GeV].
    limits
        How limits are set. Those of fits are asymptotic, with its confidence level.

    Raises
    ------
    InputError
        As `scan_spectra`, and if no background reaches the window.
    FitError
        If the fit with all sources failed.
    """
    (seen,) = (predicted(at, method) for at in scan_masses(checked_regions(regions), mass, method, sources))
    if method.kind == "counting" and len(seen.parts) == 1:
        return counting_impacts(counting_window(seen.parts[0], method, seen.sources), limits=limits)
    windows = fitted_windows(seen, method)
    if not windows.regions:
        msg = f"no simulated background reaches the window at {mass} GeV, so there is nothing to fit"
        raise InputError(msg)
    return impacts(windows.regions, cl=limits.cl)


def counting_impacts(found: CountingWindow, *, limits: LimitSettings | None = None) -> Impacts:
    """Return what each source of uncertainty does to a counted signal and to its limit.

    A count constrains no source: pulls are 0 and constraints 1.

    Parameters
    ----------
    found
        Counts, background and sources of one mass (`bumphunt.scanning.counts.counting_window`).
    limits
        How limits are set: exact CLs at 90 % by default.
    """
    settings = LimitSettings(method="auto") if limits is None else limits
    n_obs = found.background if found.n_obs is None else found.n_obs
    n_sig = (n_obs - found.background) / found.fraction
    upper = count_limit(found, found.model(), settings)
    rows = []
    for name in dict.fromkeys((*found.background_shifts, *found.signal_shifts)):
        background, signal = found.background_shifts.get(name, 0.0), found.signal_shifts.get(name, 0.0)
        if background == 0.0 and signal == 0.0:
            continue
        up, down = ((n_obs - found.background - s * background) / found.fraction / (1.0 + s * signal) for s in (1, -1))
        without = count_limit(found, found.model(without=name), settings)
        rows.append(
            Impact(
                source=name,
                pull=0.0,
                constraint=1.0,
                n_sig_up=up - n_sig,
                n_sig_down=down - n_sig,
                n_sig_error=0.5 * abs(up - down),
                limit_obs=upper.observed - without.observed,
                limit_exp=float(upper.expected[2] - without.expected[2]),
                flags=tuple(flag for flag in without.flags if flag is not Flag.BLINDED),
            )
        )
    statistical = float(np.sqrt(n_obs)) / found.fraction
    return Impacts(
        n_sig=n_sig,
        n_sig_error=float(np.sqrt(statistical**2 + sum(row.n_sig_error**2 for row in rows))),
        statistical=statistical,
        limit_obs=upper.observed,
        limit_exp=float(upper.expected[2]),
        rows=_largest_first(rows),
    )


def _frozen(names: list[str], model: Likelihood, best: FitResult, engine: Engine) -> Profile:
    """Return the profile with parameters held at their best values."""
    return Profile(held_at(model, {name: best.value(name) for name in names}), engine)


def _impact(source: str, names: list[str], model: Likelihood, best: FitResult, engine: Engine) -> Impact:
    """Return the row of a source, without its limits."""
    nan, flags = float("nan"), []
    pull, constraint, shifts = nan, nan, [nan, nan]
    if len(names) == 1:
        index = model.names.index(names[0])
        value, error = float(best.values[index]), float(best.errors[index])
        width = _width(model, index)
        pull, constraint = (value - model.centres[index]) / width, error / width
        step = error if np.isfinite(error) else width
        for k, sign in enumerate((1.0, -1.0)):
            try:
                moved = Profile(held_at(model, {names[0]: value + sign * step}), engine).best
                shifts[k] = moved.n_sig - best.n_sig
            except FitError as failure:
                flags.append(failure.flag)
    return Impact(
        source=source,
        pull=float(pull),
        constraint=float(constraint),
        n_sig_up=shifts[0],
        n_sig_down=shifts[1],
        n_sig_error=nan,
        limit_obs=nan,
        limit_exp=nan,
        flags=tuple(flags),
    )


def _width(model: Likelihood, index: int) -> float:
    """Return the width of a parameter's constraint: normal, or that of its auxiliary count."""
    if model.precisions[index] > 0.0:
        return float(model.precisions[index] ** -0.5)
    row = [i for i, _ in model.auxiliary].index(index)
    tau, count = model.auxiliary[row][1], float(model.counts[model.n_bins + row])
    return float(np.sqrt(max(count, 1.0)) / tau)
