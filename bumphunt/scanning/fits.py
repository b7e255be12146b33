"""What the fits of one mass say, by any engine: significance and limit of the regions of a likelihood."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bumphunt.errors import Flag
from bumphunt.inference.core import core_background
from bumphunt.inference.fit import upper_limit
from bumphunt.inference.goodness import GoodnessOfFit, degrees_of_freedom, profile_goodness, without_goodness
from bumphunt.inference.profile import Profile
from bumphunt.inference.settings import SignificanceSettings
from bumphunt.inference.significance import profile_significance
from bumphunt.inference.upper_limit import failed_limit
from bumphunt.likelihood.likelihood import likelihood
from bumphunt.scanning.channels import outcome_without_background
from bumphunt.scanning.counts import counting_regions
from bumphunt.scanning.likelihoods import Windows, background_error, window_regions
from bumphunt.scanning.method import Method
from bumphunt.scanning.regions import ScanMass
from bumphunt.scanning.rows import Outcome
from bumphunt.scanning.setting import ScanSetting

__all__ = ["fit_core", "fit_outcome", "fitted_windows"]


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
    best, core, rng = profile.free, fit_core(windows, setting.method, profile), setting.rng(index)
    if best.status.usable:
        limit = upper_limit(profile, setting.limits, rng=rng, core=core)
    else:
        limit = failed_limit("cls_asymptotic", setting.limits.cl, *best.status.flags)
    asked = SignificanceSettings() if setting.blinded else setting.significance
    significance = profile_significance(profile, asked, rng=rng, core=core)
    model, n_bkg, error = profile.model, np.nan, best.n_sig_error
    q0, p0, p0_error, z0 = np.full(4, np.nan).tolist()
    if best.status.usable:
        q0, p0, p0_error, z0 = significance.q0, significance.p0, significance.p0_error, significance.z0
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
        p0_error=p0_error,
        z0=z0,
        limit=limit,
        core=core,
        flags=(*significance.flags, *([] if windows.complete else [Flag.REGION_WITHOUT_BACKGROUND])),
        engine=best.engine,
        goodness=_goodness(mass, profile, setting, index),
    )


def _goodness(mass: ScanMass, profile: Profile, setting: ScanSetting, index: int) -> GoodnessOfFit:
    """Return the goodness of the best fit; of values that of the same model fitted to counts in the window's bins."""
    method = setting.method
    if setting.blinded:
        return without_goodness(degrees_of_freedom(profile.model))
    if method.unbinned:
        profile = Profile(likelihood(fitted_windows(mass, replace(method, unbinned=False)).regions))
    return profile_goodness(profile, seed=setting.goodness_seed(index), n_toys=method.goodness_toys)


def fit_core(windows: Windows, method: Method, profile: Profile) -> float:
    """Return the background in the core of the peaks [events]: simulated, or where it is smooth that of the fit.

    The simulated one is from the bins of the spectra: those of a fit may be too wide for it.
    """
    if method.background is not None:
        return profile.core_background()
    edges = [part.near() for part in windows.parts]
    signals = [part.fractions(x) for part, x in zip(windows.parts, edges, strict=True)]
    simulated = [part.region.spectra.cut(x).templates.sum(axis=0) for part, x in zip(windows.parts, edges, strict=True)]
    return core_background(signals, simulated, edges)
