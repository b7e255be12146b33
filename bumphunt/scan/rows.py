"""One row of a scan: from the fits of regions by any engine, or from those of a channel by the convex one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import FitError, InputError
from bumphunt.inference import asymptotics
from bumphunt.inference.batch import Inference, infer
from bumphunt.inference.fit import profile_significance
from bumphunt.inference.limits import UpperLimit, failed_limit, limit_of
from bumphunt.inference.marginal import bayesian_region_limit
from bumphunt.inference.method import LimitMethod, LimitSettings, bayesian_upper_limit, profile_upper_limit
from bumphunt.inference.profile import Engine, Profile
from bumphunt.inference.toys import child_seed, seed_of
from bumphunt.likelihood.likelihood import likelihood
from bumphunt.likelihood.linear import Channel
from bumphunt.models.region import Region
from bumphunt.scan.grid import window_edges
from bumphunt.scan.regions import Part
from bumphunt.scan.result import ScanPoint, scan_row
from bumphunt.scan.sources import Source
from bumphunt.scan.windows import WindowSetting, background_error

__all__ = [
    "ScanSetting",
    "channel_row",
    "core_fractions",
    "row_without_background",
    "scan_setting",
    "simulated_core",
    "window_row",
]

Array = NDArray[np.float64]

CORE = 2.0
"""Half width [standard deviations] of the region that `asymptotics.ASYMPTOTIC_FROM` speaks of."""
WITHOUT_SOURCES = "without_sources"
"""Flag of a row whose window no background reaches: its limit leaves out the sources of uncertainty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanSetting:
    """What all masses of a scan share: windows, limits, the seed of random numbers, engine, whether it is blinded."""

    windows: WindowSetting
    limits: LimitSettings
    seed: np.random.SeedSequence | None
    engine: Engine
    blinded: bool

    def rng(self, index: int) -> np.random.Generator | None:
        """Return the generator of the mass with a given number: it does not depend on the other masses."""
        return None if self.seed is None else np.random.default_rng(child_seed(self.seed, index))


def scan_setting(
    windows: WindowSetting,
    limits: LimitSettings | None,
    rng: np.random.Generator | None,
    engine: Engine,
    *,
    blinded: bool,
) -> ScanSetting:
    """Return the shared part of a scan; raise an `InputError` if its limits need a generator and there is none."""
    settings = LimitSettings() if limits is None else limits
    if settings.method != "asymptotic" and rng is None:
        msg = f"limits by the method {settings.method!r} need random numbers: give rng=numpy.random.default_rng(seed)"
        raise InputError(msg)
    seed = None if rng is None else seed_of(rng)
    return ScanSetting(windows=windows, limits=settings, seed=seed, engine=engine, blinded=blinded)


def core_fractions(edges: Array, part: Part) -> Array:
    """Return the fraction of each bin that lies within `CORE` standard deviations of the peak, shape ``(B,)``."""
    position, sigma = part.at.position, part.at.sigma
    ends = np.clip(edges, position - CORE * sigma, position + CORE * sigma)
    return np.diff(ends) / np.diff(edges)


def simulated_core(parts: Sequence[Part]) -> float:
    """Return the simulated background within `CORE` standard deviations of the peak, in all regions [events]."""
    total = 0.0
    for part in parts:
        spectra, at = part.region.spectra, part.at
        edges = window_edges(part.edges, at.position, at.sigma, half_width=CORE, bins_per_sigma=None)
        total += float(spectra.cut(edges).templates.sum())
    return total


def window_row(
    setting: ScanSetting, parts: Sequence[Part], found: Sequence[Region], index: int, *, core: float | None = None
) -> ScanPoint:
    """Return the row of one mass from the fits of its regions; without `core` the fit tells the background there."""
    limits, rng = setting.limits, setting.rng(index)
    model = likelihood(found)
    profile = Profile(model, setting.engine)
    significance, best = profile_significance(profile), profile.free
    bins = slice(0, model.n_bins)
    if core is None:
        try:
            inside = np.concatenate([core_fractions(r.edges, part) for r, part in zip(found, parts, strict=True)])
            core = float(model.expected(profile.at(0.0).values)[bins] @ inside)
        except FitError:  # the row says so: without this fit there is neither significance nor limit
            core = np.nan
    method: LimitMethod = "toys" if limits.random(core) else "asymptotic"
    if not best.status.usable:
        upper = failed_limit("cls_asymptotic", limits.cl, best.status.flag)
    elif limits.method == "bayesian" and rng is not None:
        upper = bayesian_upper_limit(
            bayesian_region_limit(found, rng=rng, cl=limits.cl, prior=limits.prior, engine=setting.engine)
        )
    else:
        upper = profile_upper_limit(
            profile, rng=rng, method=method, cl=limits.cl, n_toys=limits.n_toys, threshold=limits.threshold
        )
    flags = [*upper.flags, *significance.flags]
    if not core >= limits.threshold:
        flags.append("low_counts")
    n_bkg = np.nan
    if best.status.usable:
        n_bkg = float(model.expected(np.append(0.0, best.values[1:]))[bins].sum())
    error = best.n_sig_error
    if best.status.usable and not np.isfinite(error):
        error = background_error(found)
    known = significance.valid and best.status.usable
    if setting.blinded:
        flags.append("blinded")
    q0 = 0.0 if setting.blinded and known else significance.q0
    return scan_row(
        parts,
        [r.edges for r in found],
        replace(upper, flags=tuple(dict.fromkeys(flags)), valid=upper.valid and known),
        n_obs=float(sum(r.counts.sum() for r in found)),
        n_bkg=n_bkg,
        n_sig=best.n_sig,
        n_sig_error=error,
        q0=q0 if known else np.nan,
        p0=(0.5 if setting.blinded else significance.p0) if known else np.nan,
        z0=float(asymptotics.z0_from_q0(q0)) if known else np.nan,
    )


def row_without_background(setting: ScanSetting, parts: Sequence[Part], sources: Sequence[Source]) -> ScanPoint:
    """Return the row of a mass whose windows no background reaches: all events are taken for signal."""
    counts, edges = [], []
    for part in parts:
        spectra, at = part.region.spectra, part.at
        edges.append(
            window_edges(
                part.edges,
                at.position,
                at.sigma,
                half_width=setting.windows.window,
                bins_per_sigma=setting.windows.bins_per_sigma,
            )
        )
        inside = spectra.cut(edges[-1])
        counts.append(inside.templates.sum(axis=0) if inside.counts is None else inside.counts)
    channel = Channel(
        counts=np.concatenate(counts),
        signal=np.concatenate([part.fractions(x) for part, x in zip(parts, edges, strict=True)]),
        templates=np.empty((0, sum(x.size - 1 for x in edges))),
        centres=np.empty(0),
        sigmas=np.empty(0),
    )
    (result,) = infer([channel], cl=setting.limits.cl)
    flags = ("no_background", *((WITHOUT_SOURCES,) if sources else ()))
    upper = limit_of(result, channel, cl=setting.limits.cl)
    return channel_row(setting, parts, edges, channel, result, upper, 0.0, flags)


def channel_row(
    setting: ScanSetting,
    parts: Sequence[Part],
    edges: Sequence[Array],
    channel: Channel,
    result: Inference,
    upper: UpperLimit,
    core: float,
    more_flags: tuple[str, ...] = (),
) -> ScanPoint:
    """Return the row of one mass from the fits of the convex engine."""
    best, null = result.best, result.null
    flags = [*upper.flags, *more_flags]
    if not core >= setting.limits.threshold:
        flags.append("low_counts")
    if setting.blinded:
        flags.append("blinded")
    usable = best.status.usable and null.status.usable
    if upper.valid and not usable:
        flags.append("no_significance")
    elif not usable:
        flags.extend(fit.status.flag for fit in (best, null) if not fit.status.usable)
    q0 = float(asymptotics.q0(null.nll, best.nll, best.n_sig)) if usable else np.nan
    if setting.blinded and usable:
        q0 = 0.0
    z0 = float(asymptotics.z0_from_q0(q0))
    error = best.n_sig_error if np.isfinite(best.n_sig_error) else result.background_error
    known = best.status.usable and (usable or upper.valid)
    return scan_row(
        parts,
        edges,
        replace(upper, flags=tuple(dict.fromkeys(flags))),
        n_obs=float(channel.counts.sum()),
        n_bkg=float(channel.expected(0.0, best.background).sum()) if known else np.nan,
        n_sig=best.n_sig,
        n_sig_error=error if known else np.nan,
        q0=q0,
        p0=float(asymptotics.p_value(z0)),
        z0=z0,
    )
