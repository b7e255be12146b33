"""The mass scan that counts events in narrow windows, over simulated backgrounds: for few events."""

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
from bumphunt.models.region import Region, Sample, region
from bumphunt.models.systematics import ControlRegion, LogNormal, Uncertainty
from bumphunt.scan.grid import window_edges
from bumphunt.scan.regions import (
    Part,
    ScanRegion,
    blinded,
    checked_regions,
    chosen_regions,
    parts_at,
    reshared,
    scan_sources,
)
from bumphunt.scan.result import ScanPoint, ScanResult, scan_row
from bumphunt.scan.rows import (
    ScanSetting,
    row_without_background,
    scan_setting,
    simulated_core,
    window_row,
)
from bumphunt.scan.sources import Source, Sources
from bumphunt.scan.spectra import Spectra
from bumphunt.scan.windows import SIGNAL_STATISTICS, WindowSetting, norm_source

__all__ = [
    "TEMPLATE_STATISTICS",
    "UNCOUNTED",
    "CountingWindow",
    "counting_regions",
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
        Resolution in the unit of the axis, and branching ratio times total signal efficiency.
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
    regions: ScanRegion | Sequence[ScanRegion],
    *,
    masses: ArrayLike,
    only: Sequence[str] | None = None,
    sources: Sources = (),
    window: float = 2.0,
    limits: LimitSettings | None = None,
    rng: np.random.Generator | None = None,
    progress: Callable[[], object] | None = None,
) -> ScanResult:
    """Return the scan of spectra that counts events in a window around every mass.

    The background is the sum of the templates in the window, each with its statistical uncertainty, which is never
    below that of an empty window (`bumphunt.inference.counting.simulated_background`).

    In one region it has a gamma distribution with the sum of these variances and of the squared shifts by the sources.
    The signal efficiency has a log-normal distribution; that a source moves both is left out. The events counted are
    divided by the fraction of the peak inside the window, and the limit is exact.

    Several regions are as many bins of one likelihood (`counting_regions`), in which a source moves all that it moves
    together. Limits come from toys where the background is below the threshold of the settings, from the asymptotic
    formulae elsewhere; q0 and p0 are asymptotic.

    Parameters
    ----------
    regions, masses, only, progress
        As in `bumphunt.scan.scan.scan_templates`.
    sources
        What else is uncertain, as there; it cannot move the shape of a background.
    window
        Half width of the window in units of the resolution.
    limits
        "auto" (by default) or "bayesian", and the confidence level.
    rng
        For the limits of several regions.

    Returns
    -------
    ScanResult
        One point a mass; `method` is "cls_counting", "bayesian_flat" or "bayesian_1/sqrt", or that of a fit where
        several regions see the mass.

    Raises
    ------
    InputError
        As `scan_templates`; if a relative uncertainty is None, if a source moves what only a fit can use, the method of
        the limits is an approximation, or there are several regions and no generator.
    """
    settings = LimitSettings(method="auto") if limits is None else limits
    if settings.method not in ("auto", "bayesian"):
        msg = f"limits on counts are exact: the method must be 'auto' or 'bayesian', got {settings.method!r}"
        raise InputError(msg)
    several, m = checked_regions(regions), np.atleast_1d(np.asarray(masses, dtype=np.float64))
    chosen, fits = chosen_regions(several, only), None
    if len(chosen) > 1:
        windows = WindowSetting(window=window, bins_per_sigma=None)
        fits = scan_setting(windows, settings, rng, "auto", blinded=blinded(chosen))
    known, points = scan_sources(sources, m, several, chosen), []
    for index, parts in enumerate(parts_at(chosen, m)):
        if fits is None or len(parts) == 1:
            found = counting_window(parts[0], window=window, sources=known[index])
            points.append(_count_point(found, parts[0], settings))
        else:
            points.append(_counts_row(fits, parts, known[index], index))
        if progress is not None:
            progress()
    return ScanResult(points=tuple(points))


def counting_window(part: Part, *, window: float, sources: Sequence[Source] = ()) -> CountingWindow:
    """Return what is counted of one region at one mass.

    Parameters
    ----------
    part
        The region and the mass (`bumphunt.scan.regions.parts_at`).
    window, sources
        As in `scan_counting`.
    """
    spectra, at = part.region.spectra, part.at
    if None in spectra.uncertainties:
        msg = "counting needs a number for the uncertainty of every template, got None: use the template fit"
        raise InputError(msg)
    for source in sources:
        for what in UNCOUNTED:
            if what in source.moves:
                msg = f"source {source.name!r} has a {what}, which a count cannot use: fit templates, or remove it"
                raise InputError(msg)
    edges, wide = (
        window_edges(part.edges, at.position, at.sigma, half_width=half_width, bins_per_sigma=None)
        for half_width in (window, NEARBY)
    )
    inside, nearby = spectra.cut(edges), spectra.cut(wide)
    b, b_error = simulated_background(
        inside.templates.sum(axis=1), inside.variances.sum(axis=1), _event_weights(nearby, spectra)
    )
    background_shifts = {TEMPLATE_STATISTICS: float(np.sqrt(b_error @ b_error))}
    for name, relative, yield_ in zip(spectra.names, spectra.uncertainties, b, strict=True):
        background_shifts[norm_source(name)] = float(relative or 0.0) * float(yield_)
    statistical = at.efficiency_error / at.efficiency if at.efficiency > 0.0 else 0.0
    signal_shifts = {SIGNAL_STATISTICS: statistical}
    fraction = float(at.fractions(edges).sum())
    for source in sources:
        if not source.applies(part.region.name):
            continue
        background_shifts[source.name] = float(
            sum(source.background.get(name, 0.0) * float(yield_) for name, yield_ in zip(spectra.names, b, strict=True))
        )
        moved = [
            float(
                at.fractions(
                    edges,
                    shift=sign * source.signal_mean * at.sigma,
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
        sigma=at.sigma,
        efficiency=part.efficiency,
        n_obs=None if inside.counts is None else float(inside.counts.sum()),
        background=float(b.sum()),
        fraction=fraction,
        background_shifts=background_shifts,
        signal_shifts=signal_shifts,
    )


def counting_regions(
    parts: Sequence[Part], *, window: float, sources: Sequence[Source] = ()
) -> tuple[tuple[Part, ...], tuple[Region, ...]]:
    """Return the windows of one mass as regions of one bin, to be fitted together, and their parts.

    The background of a region is alpha times a Poisson mean that N simulated events constrain, with alpha N and
    alpha^2 N as large as its expectation and its statistical variance. Sources and normalisations are log-normal
    factors, shared by regions where they have the same name. A region without any simulated background is left out.

    Parameters
    ----------
    parts
        The regions that see the mass (`bumphunt.scan.regions.parts_at`).
    window, sources
        As in `scan_counting`.
    """
    counted = [counting_window(part, window=window, sources=sources) for part in parts]
    reached = [k for k, found in enumerate(counted) if found.background > 0.0]
    kept = reshared([parts[k] for k in reached]) if reached else ()
    return kept, tuple(_one_bin(part, counted[k]) for part, k in zip(kept, reached, strict=True))


def _one_bin(part: Part, found: CountingWindow) -> Region:
    """Return a window as a region of one bin."""
    name, b = part.region.name, found.background
    background: list[Uncertainty] = []
    if (sigma := found.background_shifts[TEMPLATE_STATISTICS]) > 0.0:
        background.append(ControlRegion(f"{TEMPLATE_STATISTICS}_{name}", (b / sigma) ** 2, alpha=sigma**2 / b))
    background += [
        LogNormal(source, shift / b)
        for source, shift in found.background_shifts.items()
        if source != TEMPLATE_STATISTICS and shift != 0.0
    ]
    signal: list[Uncertainty] = [
        LogNormal(f"{SIGNAL_STATISTICS}_{name}" if source == SIGNAL_STATISTICS else source, shift)
        for source, shift in found.signal_shifts.items()
        if shift != 0.0
    ]
    return region(
        f"{name} {part.at.mass:g} GeV",
        counts=[b if found.n_obs is None else found.n_obs],
        edges=found.edges,
        signal=Sample("peak", [part.share * found.fraction], uncertainties=signal),
        backgrounds=Sample("background", [b], uncertainties=background),
    )


def _counts_row(setting: ScanSetting, parts: Sequence[Part], sources: Sequence[Source], index: int) -> ScanPoint:
    """Return the row of one mass from the counts of several regions."""
    kept, found = counting_regions(parts, window=setting.windows.window, sources=sources)
    if not found:
        return row_without_background(setting, parts, sources)
    row = window_row(setting, kept, found, index, core=simulated_core(kept))
    return row if len(kept) == len(parts) else replace(row, flags=(*row.flags, "region_without_background"))


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


def _count_point(found: CountingWindow, part: Part, settings: LimitSettings) -> ScanPoint:
    """Return the row of one mass from a count."""
    model = found.model()
    limit = window_limit(found, model, settings)
    flags = (*limit.flags, *(("no_background",) if model.background == 0.0 else ()))
    n_obs = model.background if found.n_obs is None else found.n_obs
    p0 = 0.5 if found.n_obs is None else counting_p0(n_obs, model)
    z0 = max(float(asymptotics.z_score(p0)), 0.0) + 0.0  # no negative zero
    return scan_row(
        [part],
        [found.edges],
        replace(limit, flags=flags),
        n_obs=n_obs,
        n_bkg=model.background,
        n_sig=(n_obs - model.background) / found.fraction,
        n_sig_error=float(np.sqrt(n_obs + model.background_sigma**2)) / found.fraction,
        q0=z0**2,
        p0=p0,
        z0=z0,
    )
