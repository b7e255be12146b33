"""The fit of one window, to look at: data, what is expected before and after the fit, parameters, likelihood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bumphunt.engines.choose import Engine
from bumphunt.errors import FitError, InputError
from bumphunt.inference.profile import Profile
from bumphunt.inference.settings import LimitSettings, SignificanceSettings
from bumphunt.likelihood.by_sample import expected_by_sample
from bumphunt.likelihood.likelihood import Likelihood, likelihood
from bumphunt.scanning.fits import fitted_windows
from bumphunt.scanning.method import Method
from bumphunt.scanning.regions import ScanRegion, checked_regions, scan_masses
from bumphunt.scanning.rows import ScanPoint
from bumphunt.scanning.scan import scan_spectra
from bumphunt.scanning.sidebands import predicted
from bumphunt.scanning.sources import Sources

__all__ = ["FittedParameter", "FittedRegion", "WindowFit", "fit_window"]

Array = NDArray[np.float64]

POINTS, REACH = 41, 3.2
"""Points of the scan of the likelihood, and how far it reaches on either side [errors]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedRegion:
    """One region of a window.

    Parameters
    ----------
    name
        Of the region of the scan.
    edges
        Of its bins [unit of its axis], shape ``(B + 1,)``.
    counts
        Of the data, or of the expectation where they are blinded, shape ``(B,)``.
    before
        Expected counts of each sample before the fit, shape ``(B,)``: without those that only the data determine.
    after
        Those of the best fit, of all samples.
    """

    name: str
    edges: Array
    counts: Array
    before: Mapping[str, Array]
    after: Mapping[str, Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedParameter:
    """One parameter of a fit.

    Parameters
    ----------
    name
        Its name.
    constraint
        "free", "normal", or "counts" (of events that it expects beside the data).
    centre, width
        Of the constraint; NaN for a free one.
    value, error
        As fitted.
    """

    name: str
    constraint: str
    centre: float
    width: float
    value: float
    error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowFit:
    """The fit of one window.

    Parameters
    ----------
    row
        Its row, as in the table of the scan.
    regions
        The regions that see it.
    parameters
        All of the fit, the signal strength [events] first.
    strengths, ratios
        Tested signal events, and -2 ln of the profile likelihood ratio there, shape ``(K,)``; NaN where a fit failed.
    """

    row: ScanPoint
    regions: tuple[FittedRegion, ...]
    parameters: tuple[FittedParameter, ...]
    strengths: Array
    ratios: Array


def fit_window(
    regions: ScanRegion | Sequence[ScanRegion],
    *,
    mass: float,
    method: Method,
    sources: Sources = (),
    limits: LimitSettings,
    significance: SignificanceSettings | None = None,
    rng: np.random.Generator,
    engine: Engine = "auto",
) -> WindowFit:
    """Return the fit of the window of one mass; arguments as in `bumphunt.scanning.scan.scan_spectra`.

    Raises
    ------
    InputError
        As there; and for a count in one region, or a window that no background reaches: nothing is fitted.
    FitError
        If the best fit failed.
    """
    several = checked_regions(regions)
    (seen,) = (predicted(at, method) for at in scan_masses(several, mass, method, sources))
    if method.kind == "counting":
        msg = "counts in one bin have no window to look at: want the method 'templates' or 'smooth'"
        raise InputError(msg)
    windows = fitted_windows(seen, method)
    if not windows.regions:
        msg = f"no simulated background reaches the window at {mass} GeV, so there is nothing to fit"
        raise InputError(msg)
    setting = {"limits": limits, "significance": significance, "rng": rng, "engine": engine}
    (row,) = scan_spectra(several, masses=[mass], method=method, sources=sources, **setting).points  # type: ignore[arg-type]
    profile = Profile(likelihood(windows.regions), engine)
    best = profile.best
    bins = fitted_windows(seen, replace(method, unbinned=False)).regions if method.unbinned else windows.regions
    strengths, ratios = _scanned(profile, row)
    after = expected_by_sample(profile.model, best.values)
    nominal = np.where(np.arange(best.values.size) == 0, 0.0, profile.model.start)
    before = expected_by_sample(profile.model, nominal)
    found = []
    for part, fitted, shown in zip(windows.parts, windows.regions, bins, strict=True):
        known = {s.name for s in (fitted.signal, *fitted.backgrounds) if s.smooth is None}
        found.append(
            FittedRegion(
                name=part.region.name,
                edges=shown.edges,
                counts=shown.counts,
                before={
                    name: _binned(fitted.edges, counts, shown.edges)
                    for name, counts in before[fitted.name].items()
                    if name in known
                },
                after={name: _binned(fitted.edges, n, shown.edges) for name, n in after[fitted.name].items()},
            )
        )
    return WindowFit(
        row=row,
        regions=tuple(found),
        parameters=_parameters(profile.model, best.values, best.errors),
        strengths=strengths,
        ratios=ratios,
    )


def _binned(fine: Array, counts: Array, edges: Array) -> Array:
    """Return counts in bins of fine edges, as those in coarser ones."""
    place = np.searchsorted(edges[1:-1], 0.5 * (fine[1:] + fine[:-1]), side="right")
    return np.bincount(place, counts, minlength=edges.size - 1).astype(np.float64)


def _scanned(profile: Profile, row: ScanPoint) -> tuple[Array, Array]:
    """Return signal events around the best fit, and -2 ln of the likelihood ratio there."""
    reach = REACH * row.n_sig_error
    tested = np.linspace(row.n_sig - reach, row.n_sig + reach, POINTS)

    def ratio(strength: float) -> float:
        try:
            return profile.likelihood_ratio(strength)
        except FitError:
            return float("nan")

    return tested, np.array([ratio(float(s)) for s in tested])


def _parameters(model: Likelihood, values: Array, errors: Array) -> tuple[FittedParameter, ...]:
    """Return the parameters of a fit with their constraints."""
    counted = {index: (tau, n) for (index, tau), n in zip(model.auxiliary, model.counts[model.n_bins :], strict=True)}
    found = []
    for k, name in enumerate(model.names):
        kind, centre, width = "free", float("nan"), float("nan")
        if k in counted:
            tau, events = counted[k]
            kind, centre, width = "counts", events / tau, float(np.sqrt(max(events, 1.0))) / tau
        elif model.measured[k]:
            kind, centre, width = "normal", float(model.centres[k]), float(model.precisions[k] ** -0.5)
        found.append(
            FittedParameter(
                name=name,
                constraint=kind,
                centre=centre,
                width=width,
                value=float(values[k]),
                error=float(errors[k]),
            )
        )
    return tuple(found)
