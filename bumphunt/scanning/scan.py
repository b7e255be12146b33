"""The mass scan: one row of results per mass hypothesis.

`scan_spectra` takes one region or several with one signal (`bumphunt.scanning.regions`), whose spectra are on the mass
axis of their signal model, how a mass is tested (`bumphunt.scanning.method`), and the sources of uncertainty
(`bumphunt.scanning.sources`), and returns the rows (`bumphunt.scanning.rows`).

====================================  ===============================================================
a mass is tested by                   where
====================================  ===============================================================
a count in one region                 `bumphunt.scanning.counts`
the linear engine, many at once       `bumphunt.scanning.channels`: smooth backgrounds, several times as fast
fits of its own, by any engine        `bumphunt.scanning.fits`: all others
====================================  ===============================================================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from bumphunt.engines.choose import Engine
from bumphunt.errors import InputError
from bumphunt.inference.settings import LimitSettings, SignificanceSettings
from bumphunt.likelihood.likelihood import likelihood
from bumphunt.scanning.channels import block_outcomes, is_channel
from bumphunt.scanning.counts import count_outcome
from bumphunt.scanning.fits import fit_outcome, fitted_windows
from bumphunt.scanning.method import Method
from bumphunt.scanning.regions import ScanMass, ScanRegion, blinded, checked_regions, scan_masses
from bumphunt.scanning.rows import Outcome, ScanPoint, ScanResult, scan_row
from bumphunt.scanning.setting import ScanSetting, scan_setting
from bumphunt.scanning.sidebands import predicted, without_expectation
from bumphunt.scanning.sources import OF_CHANNELS, Sources

__all__ = ["scan_spectra"]

BLOCK = 64
"""Masses that the linear engine fits together."""


def scan_spectra(
    regions: ScanRegion | Sequence[ScanRegion],
    *,
    masses: ArrayLike,
    method: Method,
    sources: Sources = (),
    limits: LimitSettings | None = None,
    significance: SignificanceSettings | None = None,
    rng: np.random.Generator | None = None,
    engine: Engine = "auto",
    progress: Callable[[], object] | None = None,
) -> ScanResult:
    """Return the scan of spectra: fit or count, significance and limit at every mass.

    What is uncertain, and how it enters, is told by `bumphunt.scanning.likelihoods.window_regions` for fits and by
    `bumphunt.scanning.counts.counting_window` for counts.

    Parameters
    ----------
    regions
        One region, or several with one signal strength. Without counts in any of them the scan is blinded; a smooth
        background then is known from sidebands, or not at all: such rows have the flag "no_expectation".
    masses
        Hypotheses [GeV], shape ``(N,)``, each in the range of at least one signal model.
    method
        How each is tested.
    sources
        What else is uncertain, the same at every mass or a function of mass [GeV]. The statistical error of the
        efficiency of each region is always in. Without templates there are no samples whose yield a source could move.
    limits
        How limits are set: by default asymptotic ones of fits, exact ones of counts, at 90 %.
    significance
        How p0 of fits is found: by the asymptotic formulae unless given. That of a count in one region is exact.
    rng
        For what comes from toys or integrals: each mass has a child of its seed.
    engine
        As in `bumphunt.inference.fit.fit`; "linear" fits uncertain yields of the signal too. Toys are fitted by the
        batched engine that suits the likelihood, whichever is asked of the data.
    progress
        Called after every hypothesis.

    Returns
    -------
    ScanResult
        One point a mass. A region of several whose window no background reaches is left out of it, with the flag
        "region_without_background".

    Raises
    ------
    InputError
        If two regions have the same name, some are blinded and others not, a mass is outside the signal models or a
        spectrum, a source moves an unknown sample or what the method has no use for, a smooth background has more
        terms than a window has bins, random numbers are needed and `rng` is None, or an engine cannot fit what
        it is asked to, or is asked to fit what is counted: before any mass is tested.
    """
    several = checked_regions(regions)
    setting = scan_setting(method, limits, significance, rng, engine, blinded=blinded(several), n_regions=len(several))
    points: list[ScanPoint] = []
    everything = [predicted(mass, method) for mass in scan_masses(several, masses, method, sources)]
    if engine == "linear":
        _check_linear(everything, setting)
    for first in range(0, len(everything), BLOCK):
        block = dict(enumerate(everything[first : first + BLOCK], first))
        unknown = {index: without_expectation(mass, setting) for index, mass in block.items()}
        block = {index: mass for index, mass in block.items() if unknown[index] is None}
        fast = {index: mass for index, mass in block.items() if is_channel(mass, setting)}
        found = block_outcomes(fast, setting)
        unfinished = replace(setting, engine="auto")
        for index, lost in unknown.items():
            outcome = (
                lost or found.get(index) or _outcome(block[index], unfinished if index in fast else setting, index)
            )
            points.append(scan_row(outcome, setting))
            if progress is not None:
                progress()
    return ScanResult(points=tuple(points))


def _check_linear(everything: Sequence[ScanMass], setting: ScanSetting) -> None:
    """Raise an `InputError` if some mass is neither a channel nor has a likelihood that is linear."""
    for mass in everything:
        if is_channel(mass, setting):
            continue
        windows = fitted_windows(mass, setting.method)
        if windows.regions and not likelihood(windows.regions).linear:
            moving = {what for source in mass.sources for what in source.moves} - OF_CHANNELS
            why = f"; sources move its {', '.join(sorted(moving))}" if moving else ""
            msg = (
                f"the linear engine cannot fit the window at {mass.parts[0].at.mass:g} GeV, which is not linear in its"
                f" parameters{why}: use 'auto' or 'newton'"
            )
            raise InputError(msg)


def _outcome(mass: ScanMass, setting: ScanSetting, index: int) -> Outcome:
    """Return what the data say of one mass by itself."""
    if setting.method.kind == "counting" and len(mass.parts) == 1:
        return count_outcome(mass, setting)
    return fit_outcome(mass, setting, index)
