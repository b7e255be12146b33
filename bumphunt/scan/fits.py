"""What the fits of one mass say, by any engine: significance and limit of the regions of a likelihood."""

from __future__ import annotations

import numpy as np

from bumphunt.errors import FitError
from bumphunt.inference.fit import profile_significance
from bumphunt.inference.limits import UpperLimit, failed_limit
from bumphunt.inference.marginal import bayesian_region_limit
from bumphunt.inference.method import bayesian_upper_limit, profile_upper_limit
from bumphunt.inference.profile import Profile
from bumphunt.likelihood.likelihood import likelihood
from bumphunt.scan.channels import outcome_without_background
from bumphunt.scan.counts import counting_regions
from bumphunt.scan.likelihoods import Windows, background_error, window_regions
from bumphunt.scan.method import Method
from bumphunt.scan.regions import ScanMass
from bumphunt.scan.rows import REGION_WITHOUT_BACKGROUND, Outcome
from bumphunt.scan.setting import ScanSetting
from bumphunt.scan.windows import core_fractions

__all__ = ["fit_outcome", "fitted_windows"]


def fitted_windows(mass: ScanMass, method: Method) -> Windows:
    """Return what is fitted at one mass by any method; a count of one region is one bin too."""
    return counting_regions(mass, method) if method.kind == "counting" else window_regions(mass, method)


def fit_outcome(mass: ScanMass, setting: ScanSetting, index: int) -> Outcome:
    """Return what the data say of one mass, by fits of its regions.

    Parameters
    ----------
    mass
        The regions that see it, and the sources there.
    setting
        What all masses of the scan share.
    index
        Number of the mass, for its random numbers.
    """
    windows = fitted_windows(mass, setting.method)
    if not windows.regions:
        return outcome_without_background(mass, setting)
    profile = Profile(likelihood(windows.regions), setting.engine)
    significance, best = profile_significance(profile), profile.free
    core = _core(windows, setting.method, profile)
    model, q0, p0, n_bkg, error = profile.model, np.nan, np.nan, np.nan, best.n_sig_error
    if best.status.usable:
        q0, p0 = significance.q0, significance.p0
        n_bkg = float(model.expected(np.append(0.0, best.values[1:]))[: model.n_bins].sum())
        error = error if np.isfinite(error) else background_error(windows.regions)
    return Outcome(
        parts=windows.parts,
        edges=[region.edges for region in windows.regions],
        n_obs=float(sum(region.counts.sum() for region in windows.regions)),
        n_bkg=n_bkg,
        n_sig=best.n_sig,
        n_sig_error=error,
        q0=q0,
        p0=p0,
        limit=_limit(windows, profile, setting, core, setting.rng(index)),
        core=core,
        flags=(*significance.flags, *([] if windows.complete else [REGION_WITHOUT_BACKGROUND])),
    )


def _core(windows: Windows, method: Method, profile: Profile) -> float:
    """Return the background in the core of the peaks [events]: simulated, or where it is smooth that of the fit.

    It is NaN where the fit without signal fails: then there is neither significance nor limit, and the row says so.
    """
    if method.background is None:
        return float(sum(part.simulated_core for part in windows.parts))
    inside = [
        core_fractions(region.edges, part.at.position, part.at.sigma)
        for region, part in zip(windows.regions, windows.parts, strict=True)
    ]
    try:
        expected = profile.model.expected(profile.at(0.0).values)
    except FitError:
        return np.nan
    return float(expected[: profile.model.n_bins] @ np.concatenate(inside))


def _limit(
    windows: Windows, profile: Profile, setting: ScanSetting, core: float, rng: np.random.Generator | None
) -> UpperLimit:
    """Return the limit on the signal events by the method of the settings, over a background in the core [events]."""
    limits, best = setting.limits, profile.free
    if not best.status.usable:
        return failed_limit("cls_asymptotic", limits.cl, best.status.flag)
    if limits.method == "bayesian" and rng is not None:
        return bayesian_upper_limit(
            bayesian_region_limit(windows.regions, rng=rng, cl=limits.cl, prior=limits.prior, engine=setting.engine)
        )
    return profile_upper_limit(
        profile,
        rng=rng,
        method="toys" if limits.random(core) else "asymptotic",
        cl=limits.cl,
        n_toys=limits.n_toys,
        threshold=limits.threshold,
    )
