"""How a mass is tested, from what a YAML says of it: windows, the smooth background, known resonances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bumphunt.errors import InputError
from bumphunt.models.background import Background, BackgroundFunction
from bumphunt.models.known_peaks import KnownPeak, known_peak
from bumphunt.scanning.method import Method
from selections.search import Search
from workflows.config.own_code import OwnCode, OwnFunction
from workflows.config.regions import AnalysedRegion
from workflows.config.searches import find_function
from workflows.config.sections.fit import Fit, SmoothBackground

__all__ = ["FitMethod", "fit_method"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FitMethod:
    """How a mass is tested, and what the user's background function is made of; None where there is none."""

    method: Method
    code: OwnCode | None


def fit_method(fit: Fit, search: Search, regions: Sequence[AnalysedRegion], folder: Path) -> FitMethod:
    """Return how every mass is tested.

    Parameters
    ----------
    fit
        The section of the YAML.
    search
        The search, which may name resonances.
    regions
        The regions, whose signals tell the resolution.
    folder
        Folder of the YAML.

    Raises
    ------
    ValueError
        If a background function does not take its parameters, or nothing says the resolution of a resonance.
    ConfigError
        If the file of a background function cannot be used.
    """
    smooth = fit.background or (SmoothBackground() if fit.method == "smooth" else None)
    background: Background | None = None if smooth is None else smooth.model
    code = None
    if smooth is not None and smooth.function is not None:
        loaded = find_function(smooth.function, folder)
        code = loaded.code
        try:
            background = BackgroundFunction(OwnFunction(loaded.function), smooth.start)
        except InputError as error:
            msg = f"fit.background.function: {error}"
            raise ValueError(msg) from None
    method = Method(
        kind=fit.method,
        window=fit.window,
        bins_per_sigma=fit.bins_per_sigma,
        background=background,
        templates_below=np.inf if fit.templates_below is None else fit.templates_below,
        known_peaks=_known_peaks(fit, search, regions),
        unbinned=fit.unbinned,
        poor_fit=fit.poor_fit,
    )
    return FitMethod(method=method, code=code)


def _known_peaks(fit: Fit, search: Search, regions: Sequence[AnalysedRegion]) -> tuple[KnownPeak, ...]:
    """Return the known resonances: those of the YAML, or those of the search whose resolution is known."""
    ends = [mass for region in regions if region.signal is not None for mass in region.signal.ends]
    low, high = min(ends), max(ends)
    if fit.peaks == "auto":
        found = [known_peak(name) for name in search.known_peaks]
        return tuple(resonance for resonance in found if low <= resonance.mass <= high)
    several = [known_peak(peak) if isinstance(peak, str) else peak.resonance for peak in fit.peaks]
    for resonance in several:
        if resonance.resolution is None and not low <= resonance.mass <= high:
            msg = (
                f"fit.peaks: {resonance.name} at {resonance.mass:.4g} GeV is outside the masses of the signal,"
                f" {low:g} to {high:g} GeV, where nothing says its resolution: give it as"
                f" {{mass: {resonance.mass:.4g}, resolution: ...}}, or leave it out"
            )
            raise ValueError(msg)
    return tuple(several)
