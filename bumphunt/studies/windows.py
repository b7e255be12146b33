"""What a study is made of: the window of a mass, as it is fitted, with the truth that its toys are drawn from.

The truth is the fit without signal: to the data, or to the expectation that stands for them in a blinded search. A
signal of any strength is put on top of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import FitError, Flag
from bumphunt.inference.profile import Profile
from bumphunt.likelihood.likelihood import Likelihood, likelihood
from bumphunt.models.region import Region
from bumphunt.scanning.counts import CountingWindow, counting_window
from bumphunt.scanning.fits import fit_core, fitted_windows
from bumphunt.scanning.likelihoods import background_error
from bumphunt.scanning.method import Method
from bumphunt.scanning.regions import ScanRegion, checked_regions, scan_masses
from bumphunt.scanning.sidebands import predicted
from bumphunt.scanning.sources import Sources

__all__ = ["StudyWindow", "region_window", "study_windows"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyWindow:
    """The window of a mass with a truth.

    Parameters
    ----------
    mass
        The hypothesis [GeV].
    model
        What is fitted; its own counts are those that the truth was fitted to.
    truth
        Parameters of the toys without signal, shape ``(P,)``.
    expected
        Their expected counts, auxiliary ones included, shape ``(B,)``: those of the parameters, or of another
        background (`bumphunt.studies.families`).
    drawn_from
        What they are, in words.
    core
        Expected background in the core of the signal [events].
    unit
        Standard deviation of n_sig without a signal [events], in which injected signals are given: at least one event.
    smooth
        Whether the core is that of the fit, of each toy another one.
    counted
        The count of a window in which nothing is fitted; None for fits.
    """

    mass: float
    model: Likelihood
    truth: Array
    expected: Array
    drawn_from: str
    core: float
    unit: float
    smooth: bool
    counted: CountingWindow | None = None

    def at(self, strength: float) -> tuple[Array, Array]:
        """Return parameters and expected counts with a signal [events], shapes ``(P,)`` and ``(B,)``."""
        beside = np.where(np.arange(self.truth.size) == 0, strength, self.truth)
        signal = self.model.expected(beside) - self.model.expected(self.truth)
        return beside, np.maximum(self.expected + signal, 0.0)


def region_window(
    regions: Region | Sequence[Region], *, mass: float = 0.0, drawn_from: str = "fit to the data"
) -> StudyWindow:
    """Return the window of regions of one's own (`bumphunt.models.region`).

    Raises
    ------
    InputError
        If they do not fit together.
    FitError
        If the fit without signal failed.
    """
    several = (regions,) if isinstance(regions, Region) else tuple(regions)
    profile = Profile(likelihood(several))
    return _window(several, profile, mass, core=profile.core_background(), smooth=True, drawn_from=drawn_from)


def study_windows(
    regions: ScanRegion | Sequence[ScanRegion],
    masses: Sequence[float],
    *,
    method: Method,
    sources: Sources = (),
    drawn_from: str = "fit to the data",
) -> tuple[list[StudyWindow], list[tuple[float, Flag]]]:
    """Return the windows of masses of a scan, and the masses that have none, with the reason.

    What the scan fits unbinned is fitted in bins: toys are counts.

    Parameters
    ----------
    regions, method, sources
        As in `bumphunt.scanning.scan.scan_spectra`.
    masses
        Hypotheses [GeV].
    drawn_from
        What stands for the data, in words.

    Raises
    ------
    InputError
        As there.
    """
    several, method = checked_regions(regions), replace(method, unbinned=False)
    found, left_out = [], []
    for seen in (predicted(at, method) for at in scan_masses(several, masses, method, sources)):
        mass = seen.parts[0].at.mass
        windows = fitted_windows(seen, method)
        if not windows.regions:
            left_out.append((mass, Flag.NO_BACKGROUND))
            continue
        profile = Profile(likelihood(windows.regions))
        try:
            core = fit_core(windows, method, profile)
            smooth = method.background is not None
            one = _window(windows.regions, profile, mass, core=core, smooth=smooth, drawn_from=drawn_from)
        except FitError as failure:
            left_out.append((mass, failure.flag))
            continue
        count = method.kind == "counting" and len(seen.parts) == 1
        found.append(replace(one, counted=counting_window(seen.parts[0], method, seen.sources)) if count else one)
    return found, left_out


def _window(
    regions: Sequence[Region], profile: Profile, mass: float, *, core: float, smooth: bool, drawn_from: str
) -> StudyWindow:
    """Return a window whose truth is the fit without signal; raise `FitError` if that failed."""
    truth = np.where(np.arange(profile.model.start.size) == 0, 0.0, profile.null.values)
    return StudyWindow(
        mass=mass,
        model=profile.model,
        truth=truth,
        expected=np.maximum(profile.model.expected(truth), 0.0),
        drawn_from=drawn_from,
        core=core,
        unit=max(background_error(regions), 1.0),
        smooth=smooth,
    )
