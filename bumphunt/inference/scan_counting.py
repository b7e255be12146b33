"""The mass scan that counts events in a narrow window, over simulated backgrounds: for few events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from bumphunt.errors import InputError
from bumphunt.inference import asymptotics
from bumphunt.inference.bayesian import Prior, bayesian_counting_limit
from bumphunt.inference.counting import (
    CountingModel,
    counting_limit,
    counting_p0,
    event_weight,
    quantile,
    simulated_background,
)
from bumphunt.inference.limits import UpperLimit
from bumphunt.inference.method import LimitSettings
from bumphunt.inference.scan_result import ScanPoint, ScanResult, scan_row
from bumphunt.inference.scan_spectra import Spectra, checked_spectra
from bumphunt.inference.scan_windows import SIGNAL_STATISTICS, norm_source
from bumphunt.inference.windows import window_edges
from bumphunt.models.signal import SignalModel
from bumphunt.models.sources import Source, checked_sources

__all__ = [
    "TEMPLATE_STATISTICS",
    "UNCOUNTED",
    "CountingWindow",
    "counting_window",
    "scan_counting",
    "window_limit",
]

Array = NDArray[np.float64]

NEARBY = 10.0
"""Half width [standard deviations] of the region that the typical weight of a template's events is taken from."""
TEMPLATE_STATISTICS = "template_statistics"
"""Name of the source for the simulated background events in the window."""
UNCOUNTED = ("background_slope", "spurious_signal")
"""What a source may move in a fit, but not in a window that is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountingWindow:
    """What is counted at one mass, and what is uncertain about it.

    Parameters
    ----------
    edges
        The two ends of the window in the unit of the axis.
    sigma, efficiency
        Resolution in the unit of the axis and total signal efficiency.
    n_obs
        Events counted; None if blinded.
    background
        Expected background [events].
    fraction
        Fraction of the peak inside the window.
    background_shifts
        Change of the background at one standard deviation [events], by source.
    signal_shifts
        Relative change of the signal inside the window at one standard deviation, by source.
    """

    edges: Array
    sigma: float
    efficiency: float
    n_obs: float | None
    background: float
    fraction: float
    background_shifts: Mapping[str, float]
    signal_shifts: Mapping[str, float]

    def model(self, *, without: str | None = None) -> CountingModel:
        """Return the counting model, with all sources or without one."""
        background, signal = (
            np.array([shift for name, shift in shifts.items() if name != without])
            for shifts in (self.background_shifts, self.signal_shifts)
        )
        return CountingModel(
            background=self.background,
            background_sigma=float(np.sqrt(background @ background)),
            efficiency_sigma=float(np.sqrt(signal @ signal)),
        )


def scan_counting(
    counts: ArrayLike | None,
    templates: ArrayLike,
    variances: ArrayLike,
    relative_uncertainties: Sequence[float | None],
    edges: ArrayLike,
    *,
    signal: SignalModel,
    masses: ArrayLike,
    names: Sequence[str] | None = None,
    sources: Sequence[Source] = (),
    window: float = 2.0,
    limits: LimitSettings | None = None,
    progress: Callable[[], object] | None = None,
) -> ScanResult:
    """Return the scan of a spectrum that counts events in a window around every mass.

    The background is the sum of the templates in the window, each with its statistical uncertainty, which is never
    below that of an empty window (`bumphunt.inference.counting.simulated_background`). It has a gamma distribution
    with the sum of these variances and of the squared shifts by the sources. The signal efficiency has a log-normal
    distribution; that a source moves both is left out. The events counted are divided by the fraction of the peak
    inside the window.

    Parameters
    ----------
    counts, templates, variances, edges, signal, masses, names, progress
        As in `bumphunt.inference.scan.scan_templates`.
    relative_uncertainties
        Of the normalisation of each template, independent of each other.
    sources
        What else is uncertain; the statistical error of the signal model's efficiency is always in.
    window
        Half width of the window in units of the resolution.
    limits
        "auto" (exact CLs, by default) or "bayesian", and the confidence level.

    Returns
    -------
    ScanResult
        One point a mass; `method` is "cls_counting", "bayesian_flat" or "bayesian_1/sqrt".

    Raises
    ------
    InputError
        As `scan_templates`; if a relative uncertainty is None, if a source moves what only a fit can use, or the
        method of the limits is an approximation.
    """
    settings = LimitSettings(method="auto") if limits is None else limits
    if settings.method not in ("auto", "bayesian"):
        msg = f"limits on counts are exact: the method must be 'auto' or 'bayesian', got {settings.method!r}"
        raise InputError(msg)
    spectra = checked_spectra(counts, templates, variances, relative_uncertainties, edges, names)
    points = []
    for mass in np.atleast_1d(np.asarray(masses, dtype=np.float64)):
        found = counting_window(spectra, signal=signal, mass=float(mass), window=window, sources=sources)
        points.append(_count_point(found, float(mass), signal, settings))
        if progress is not None:
            progress()
    return ScanResult(points=tuple(points))


def counting_window(
    spectra: Spectra, *, signal: SignalModel, mass: float, window: float, sources: Sequence[Source] = ()
) -> CountingWindow:
    """Return what is counted at one mass; arguments and errors as in `scan_counting`."""
    if None in spectra.uncertainties:
        msg = "counting needs a number for the uncertainty of every template, got None: use the template fit"
        raise InputError(msg)
    for source in checked_sources(sources, spectra.names):
        for what in UNCOUNTED:
            if what in source.moves:
                msg = f"source {source.name!r} has a {what}, which a count cannot use: fit templates, or remove it"
                raise InputError(msg)
    sigma, position = float(signal.resolution(mass)), float(signal.axis.position(mass))
    edges = window_edges(spectra.edges, position, sigma, half_width=window, bins_per_sigma=None)
    inside = spectra.cut(edges)
    nearby = spectra.cut(window_edges(spectra.edges, position, sigma, half_width=NEARBY, bins_per_sigma=None))
    b, b_error = simulated_background(
        inside.templates.sum(axis=1), inside.variances.sum(axis=1), _event_weights(nearby, spectra)
    )
    background_shifts = {TEMPLATE_STATISTICS: float(np.sqrt(b_error @ b_error))}
    for name, relative, yield_ in zip(spectra.names, spectra.uncertainties, b, strict=True):
        background_shifts[norm_source(name)] = float(relative or 0.0) * float(yield_)
    efficiency = float(signal.efficiency(mass))
    statistical = float(signal.efficiency_error(mass)) / efficiency if efficiency > 0.0 else 0.0
    signal_shifts = {SIGNAL_STATISTICS: statistical}
    fraction = float(signal.fractions(mass, edges).sum())
    for source in sources:
        background_shifts[source.name] = float(
            sum(source.background.get(name, 0.0) * float(yield_) for name, yield_ in zip(spectra.names, b, strict=True))
        )
        moved = [
            float(
                signal.fractions(
                    mass,
                    edges,
                    shift=sign * source.signal_mean * sigma,
                    stretch=(1.0 + source.signal_width) ** sign,
                ).sum()
            )
            for sign in (1.0, -1.0)
        ]
        # a shift of the peak lowers the fraction on either side: the larger change counts
        shape = max((change / fraction - 1.0 for change in moved), key=abs)
        signal_shifts[source.name] = source.efficiency + shape
    return CountingWindow(
        edges=edges,
        sigma=sigma,
        efficiency=efficiency,
        n_obs=None if inside.counts is None else float(inside.counts.sum()),
        background=float(b.sum()),
        fraction=fraction,
        background_shifts=background_shifts,
        signal_shifts=signal_shifts,
    )


def _event_weights(nearby: Spectra, spectra: Spectra) -> Array:
    """Return the typical weight of a simulated event of each template, shape ``(K,)``: nearby, or else anywhere."""
    local, overall = (event_weight(s.templates.sum(axis=1), s.variances.sum(axis=1)) for s in (nearby, spectra))
    return np.where(nearby.templates.sum(axis=1) > 0.0, local, overall)


def window_limit(found: CountingWindow, model: CountingModel, settings: LimitSettings) -> UpperLimit:
    """Return the limit on the signal events in the whole peak [events], by the method of the settings."""
    if settings.method == "bayesian":
        upper = _bayesian_limit(found.n_obs, model, settings.cl, settings.prior)
    else:
        upper = counting_limit(found.n_obs, model, cl=settings.cl)
    return replace(upper, observed=upper.observed / found.fraction, expected=upper.expected / found.fraction)


def _bayesian_limit(n_obs: float | None, model: CountingModel, cl: float, prior: Prior) -> UpperLimit:
    """Return the Bayesian limit on a count, with those for the quantiles of the count without signal."""
    counts = [float(quantile(float(ndtr(z)), model)) for z in asymptotics.BAND]
    observed = counts[2] if n_obs is None else n_obs
    found = {n: bayesian_counting_limit(n, model, cl=cl, prior=prior) for n in dict.fromkeys([*counts, observed])}
    return UpperLimit(
        observed=found[observed].upper,
        expected=np.array([found[n].upper for n in counts]),
        method=f"bayesian_{prior}",
        cl=cl,
        valid=found[observed].valid,
        flags=(*found[observed].flags, *(("blinded",) if n_obs is None else ())),
    )


def _count_point(found: CountingWindow, mass: float, signal: SignalModel, settings: LimitSettings) -> ScanPoint:
    """Return the row of one mass from a count."""
    model = found.model()
    limit = window_limit(found, model, settings)
    flags = (*limit.flags, *(("no_background",) if model.background == 0.0 else ()))
    n_obs = model.background if found.n_obs is None else found.n_obs
    p0 = 0.5 if found.n_obs is None else counting_p0(n_obs, model)
    z0 = max(float(asymptotics.z_score(p0)), 0.0) + 0.0  # no negative zero
    return scan_row(
        mass,
        signal,
        found.efficiency,
        found.edges,
        replace(limit, flags=flags),
        n_obs=n_obs,
        n_bkg=model.background,
        n_sig=(n_obs - model.background) / found.fraction,
        n_sig_error=float(np.sqrt(n_obs + model.background_sigma**2)) / found.fraction,
        q0=z0**2,
        p0=p0,
        z0=z0,
    )
