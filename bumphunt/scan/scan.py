"""The mass scan: one row of results per mass hypothesis.

=================  ==================================================================
`scan_templates`   fits a peak and simulated backgrounds in a wide window
`scan_smooth`      fits a peak and a function, left to the data, in a wide window
`scan_counting`    counts events in a narrow window, over simulated backgrounds
=================  ==================================================================

They take one region or several with one signal (`bumphunt.scan.regions`), whose histograms are on the mass
axis of their signal model, and the sources of uncertainty (`bumphunt.scan.sources`), and return a `ScanResult`. What
is fitted at a mass is made in `bumphunt.scan.windows`. With a smooth background that is linear in its
coefficients, and sources that move the yield of the signal or fake a signal, but leave its shape alone, masses are
fitted together, a block at a time, by the convex engine: several times as fast, and nothing is approximated.

Rows of failed fits, blinded rows and their flags are described in `bumphunt.scan.result`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.inference.batch import background_errors, infer
from bumphunt.inference.limits import limit_of
from bumphunt.inference.method import LimitSettings
from bumphunt.inference.profile import Engine
from bumphunt.inference.toys import toy_limit
from bumphunt.likelihood.linear import Channel
from bumphunt.models.background import BackgroundModel
from bumphunt.scan.counts import scan_counting
from bumphunt.scan.regions import (
    Part,
    ScanRegion,
    blinded,
    checked_regions,
    chosen_regions,
    parts_at,
    scan_sources,
)
from bumphunt.scan.result import ScanPoint, ScanResult
from bumphunt.scan.rows import (
    ScanSetting,
    channel_row,
    core_fractions,
    row_without_background,
    scan_setting,
    simulated_core,
    window_row,
)
from bumphunt.scan.sources import Source, Sources
from bumphunt.scan.windows import (
    WindowSetting,
    smooth_channel,
    uncertain_yield,
    window_regions,
    with_spurious_signals,
)

__all__ = ["ScanPoint", "ScanRegion", "ScanResult", "scan_counting", "scan_smooth", "scan_templates"]

Array = NDArray[np.float64]
Progress = Callable[[], object]

BLOCK = 64
"""Masses that the convex engine fits together."""
WITHOUT_SHAPES = {"efficiency", "spurious_signal"}
"""What a source may move so that a window stays linear but for the yield of its signal."""


def scan_templates(
    regions: ScanRegion | Sequence[ScanRegion],
    *,
    masses: ArrayLike,
    only: Sequence[str] | None = None,
    sources: Sources = (),
    background: BackgroundModel | None = None,
    expectation: bool = False,
    window: float = 10.0,
    bins_per_sigma: float = 5.0,
    limits: LimitSettings | None = None,
    rng: np.random.Generator | None = None,
    engine: Engine = "auto",
    progress: Progress | None = None,
) -> ScanResult:
    """Return the scan of spectra with a fit of a peak and simulated backgrounds at every mass.

    What is uncertain, and how it enters the likelihood, is told by
    `bumphunt.scan.windows.template_region`.

    Parameters
    ----------
    regions
        One region, or several with one signal strength. Without counts in any of them the scan is blinded.
    masses
        Hypotheses [GeV], shape ``(N,)``, each in the range of at least one signal model.
    only
        Names of the regions to fit, of those given; all by default. Sources are checked against all of them.
    sources
        What else is uncertain, the same at every mass or a function of mass [GeV]. The statistical error of the
        efficiency of each region is always in.
    background
        A smooth family in every region beside the templates, its coefficients free; None for none.
    expectation
        Whether the counts are an expectation in place of blinded data: every row then is "blinded". A smooth background
        cannot be blinded in another way.
    window
        Half width of the window in units of the resolution.
    bins_per_sigma
        Bins of the fit per resolution, as far as the spectrum's bins allow.
    limits
        How limits are set; asymptotic ones at 90 % by default.
    rng
        For limits from toys or integrals: each mass has a child of its seed.
    engine
        As in `bumphunt.inference.fit.fit`.
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
        spectrum, a source moves an unknown sample, or random numbers are needed and `rng` is None; with a smooth
        background also as `scan_smooth`.
    """
    several = checked_regions(regions)
    chosen = chosen_regions(several, only)
    windows = WindowSetting(window=window, bins_per_sigma=bins_per_sigma, background=background)
    setting = scan_setting(windows, limits, rng, engine, blinded=expectation or blinded(chosen))
    m = np.atleast_1d(np.asarray(masses, dtype=np.float64))
    return _scan_regions(setting, parts_at(chosen, m), scan_sources(sources, m, several, chosen), progress)


def scan_smooth(
    regions: ScanRegion | Sequence[ScanRegion],
    *,
    masses: ArrayLike,
    background: BackgroundModel,
    only: Sequence[str] | None = None,
    sources: Sources = (),
    expectation: bool = False,
    window: float = 10.0,
    bins_per_sigma: float = 5.0,
    limits: LimitSettings | None = None,
    rng: np.random.Generator | None = None,
    engine: Engine = "auto",
    progress: Progress | None = None,
) -> ScanResult:
    """Return the scan of spectra with a fit of a peak and a smooth background at every mass, coefficients free.

    Parameters
    ----------
    regions
        One region, or several with one signal strength; each has coefficients of its own. Their templates are not used.
    background
        A family and its order, in each window.
    expectation
        Whether the counts are an expectation in place of blinded data: every row then is "blinded".
    masses, only, sources, window, bins_per_sigma, limits, rng, engine, progress
        As in `scan_templates`; there are no samples whose yield a source could move. The engine "convex" fits sources
        of the efficiency too.

    Returns
    -------
    ScanResult
        One point a mass.

    Raises
    ------
    InputError
        As `scan_templates`, if a region has no counts, and if the family has more terms than a window has bins.
    """
    several = tuple(replace(region, spectra=region.spectra.without_templates()) for region in checked_regions(regions))
    windows = WindowSetting(window=window, bins_per_sigma=bins_per_sigma, background=background)
    setting = scan_setting(windows, limits, rng, engine, blinded=expectation)
    m = np.atleast_1d(np.asarray(masses, dtype=np.float64))
    chosen = chosen_regions(several, only)
    parts, known = parts_at(chosen, m), scan_sources(sources, m, several, chosen)
    shapes = any(set(source.moves) - WITHOUT_SHAPES for there in known for source in there)
    if background.linear and not shapes and engine in ("auto", "convex") and setting.limits.method != "bayesian":
        return _scan_channels(setting, parts, known, progress)
    return _scan_regions(setting, parts, known, progress)


def _scan_regions(
    setting: ScanSetting,
    parts: Sequence[tuple[Part, ...]],
    sources: Sequence[tuple[Source, ...]],
    progress: Progress | None,
) -> ScanResult:
    """Return the scan of regions that are fitted mass by mass."""
    points = []
    for index, (there, moved) in enumerate(zip(parts, sources, strict=True)):
        points.append(_region_row(setting, there, moved, index))
        if progress is not None:
            progress()
    return ScanResult(points=tuple(points))


def _region_row(setting: ScanSetting, parts: Sequence[Part], sources: Sequence[Source], index: int) -> ScanPoint:
    """Return the row of one mass from its regions."""
    kept, found = window_regions(parts, setting.windows, sources)
    if not found:
        return row_without_background(setting, parts, sources)
    core = simulated_core(kept) if setting.windows.background is None else None
    row = window_row(setting, kept, found, index, core=core)
    return row if len(kept) == len(parts) else replace(row, flags=(*row.flags, "region_without_background"))


def _scan_channels(
    setting: ScanSetting,
    parts: Sequence[tuple[Part, ...]],
    sources: Sequence[tuple[Source, ...]],
    progress: Progress | None,
) -> ScanResult:
    """Return the scan of windows that are linear in all but the yield of their signal, a block of masses at a time."""
    points: list[ScanPoint] = []
    terms: dict[bytes, Array] = {}
    for first in range(0, len(parts), BLOCK):
        block = list(zip(parts[first : first + BLOCK], sources[first : first + BLOCK], strict=True))
        windows = [smooth_channel(there, setting.windows, terms) for there, _ in block]
        channels, unknown = _faked(setting, block, windows, terms)
        yields = [
            uncertain_yield(there, edges, channel, moved)
            for (there, moved), (edges, channel) in zip(block, windows, strict=True)
        ]
        results = infer(channels, cl=setting.limits.cl, yields=yields)
        for k, ((there, moved), channel, result) in enumerate(zip(block, channels, results, strict=True)):
            core, edges = np.nan, windows[k][0]
            if result.null.status.usable:
                inside = np.concatenate([core_fractions(x, part) for x, part in zip(edges, there, strict=True)])
                core = float(channel.expected(0.0, result.null.background) @ inside)
            random, index = setting.limits.random(core), first + k
            if k in unknown or (yields[k] is not None and (random or result.failure)):
                points.append(_region_row(_any_engine(setting), there, moved, index))
            else:
                upper, rng = limit_of(result, channel, cl=setting.limits.cl), setting.rng(index)
                if random and rng is not None and upper.valid:
                    upper = toy_limit(channel, rng=rng, n_toys=setting.limits.n_toys, cl=setting.limits.cl).limit
                points.append(channel_row(setting, there, edges, channel, result, upper, core))
            if progress is not None:
                progress()
    return ScanResult(points=tuple(points))


def _faked(
    setting: ScanSetting,
    block: Sequence[tuple[tuple[Part, ...], tuple[Source, ...]]],
    windows: Sequence[tuple[list[Array], Channel]],
    terms: dict[bytes, Array],
) -> tuple[list[Channel], set[int]]:
    """Return the channels of a block with the signals that backgrounds may fake, and those whose unit is unknown."""
    faking = [any(source.spurious_signal > 0.0 for source in moved) for _, moved in block]
    alone = [part for (there, _), fakes in zip(block, faking, strict=True) if fakes for part in there]
    if not alone:
        return [channel for _, channel in windows], set()
    errors = background_errors([smooth_channel((replace(p, share=1.0),), setting.windows, terms)[1] for p in alone])
    channels: list[Channel] = []
    unknown, first = set(), 0
    for k, ((there, moved), (edges, channel)) in enumerate(zip(block, windows, strict=True)):
        if faking[k]:
            own = errors[first : first + len(there)]
            first += own.size
            if not np.all(np.isfinite(own)):
                unknown.add(k)
                own = np.zeros(own.size)
            channel = with_spurious_signals(channel, there, edges, moved, own)
        channels.append(channel)
    return channels, unknown


def _any_engine(setting: ScanSetting) -> ScanSetting:
    """Return the setting for a mass that the convex engine cannot finish."""
    return replace(setting, engine="auto")
