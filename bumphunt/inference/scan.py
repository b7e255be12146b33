"""The mass scan: one row of results per mass hypothesis.

=================  ==================================================================
`scan_templates`   fits a peak and simulated backgrounds in a wide window
`scan_smooth`      fits a peak and a function, left to the data, in a wide window
`scan_counting`    counts events in a narrow window, over simulated backgrounds
=================  ==================================================================

They take histograms on a mass axis (`bumphunt.mass_axis`) as plain arrays, and the sources of uncertainty
(`bumphunt.models.sources`), and return a `ScanResult`. What is fitted at a mass is made in
`bumphunt.inference.scan_windows`. A smooth background without uncertainties of the signal is linear in its parameters:
such masses are fitted together, a block at a time, by the convex engine.

Rows of failed fits, blinded rows and their flags are described in `bumphunt.inference.scan_result`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import FitError, InputError
from bumphunt.inference import asymptotics
from bumphunt.inference.fit import profile_significance
from bumphunt.inference.hypotheses import Inference, infer
from bumphunt.inference.limits import UpperLimit, failed_limit, limit_of
from bumphunt.inference.marginal import bayesian_region_limit
from bumphunt.inference.method import LimitMethod, LimitSettings, bayesian_upper_limit, profile_upper_limit
from bumphunt.inference.profile import Engine, Profile
from bumphunt.inference.scan_counting import scan_counting
from bumphunt.inference.scan_result import ScanPoint, ScanResult, scan_row
from bumphunt.inference.scan_spectra import Spectra, checked_spectra
from bumphunt.inference.scan_windows import background_error, smooth_channel, smooth_region, template_region
from bumphunt.inference.toys import child_seed, seed_of, toy_limit
from bumphunt.inference.windows import window_edges
from bumphunt.models.background import BackgroundModel
from bumphunt.models.channel import Channel
from bumphunt.models.likelihood import likelihood
from bumphunt.models.region import Region
from bumphunt.models.signal import SignalModel
from bumphunt.models.sources import Source, checked_sources

__all__ = ["ScanPoint", "ScanResult", "scan_counting", "scan_smooth", "scan_templates"]

Array = NDArray[np.float64]
Progress = Callable[[], object]

BLOCK = 64
"""Masses that the convex engine fits together."""
CORE = 2.0
"""Half width [standard deviations] of the region that `asymptotics.ASYMPTOTIC_FROM` speaks of."""
WITHOUT_SOURCES = "without_sources"
"""Flag of a row whose window no background reaches: its limit leaves out the sources of uncertainty."""


def scan_templates(
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
    window: float = 10.0,
    bins_per_sigma: float = 5.0,
    limits: LimitSettings | None = None,
    rng: np.random.Generator | None = None,
    engine: Engine = "auto",
    progress: Progress | None = None,
) -> ScanResult:
    """Return the scan of a spectrum with a fit of a peak and simulated backgrounds at every mass.

    What is uncertain, and how it enters the likelihood, is told by
    `bumphunt.inference.scan_windows.template_region`.

    Parameters
    ----------
    counts
        Observed counts, shape ``(B,)``; None for a blinded scan.
    templates, variances
        Expected counts of each background and their variances (sums of squared weights), shape ``(K, B)``.
    relative_uncertainties
        Of the normalisation of each template, log-normal; None leaves it to the data.
    edges
        Bin edges in the unit of the axis of the signal, shape ``(B + 1,)``.
    signal
        Shape, resolution and efficiency.
    masses
        Hypotheses [GeV], shape ``(N,)``.
    names
        Of the backgrounds, for the sources; ``background_0``, ... by default.
    sources
        What else is uncertain.
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
        One point a mass.

    Raises
    ------
    InputError
        If shapes disagree, a number is negative or not finite, a mass is outside the signal model or the spectrum, a
        source moves an unknown sample, or random numbers are needed and `rng` is None.
    """
    spectra = checked_spectra(counts, templates, variances, relative_uncertainties, edges, names)
    blinded = spectra.counts is None
    context = _context(spectra, signal, sources, window, bins_per_sigma, limits, rng, engine, blinded=blinded)
    points = []
    for index, mass in enumerate(_masses(masses, signal)):
        found = template_region(
            spectra, signal=signal, mass=mass, window=window, bins_per_sigma=bins_per_sigma, sources=context.sources
        )
        sigma = float(signal.resolution(mass))
        core_edges = window_edges(
            spectra.edges, float(signal.axis.position(mass)), sigma, half_width=CORE, bins_per_sigma=None
        )
        core = float(spectra.cut(core_edges).templates.sum())
        if found is None:
            points.append(_point_without_background(context, mass))
        else:
            points.append(_region_point(context, found, mass, core, index))
        if progress is not None:
            progress()
    return ScanResult(points=tuple(points))


def scan_smooth(
    counts: ArrayLike,
    edges: ArrayLike,
    *,
    signal: SignalModel,
    masses: ArrayLike,
    background: BackgroundModel,
    sources: Sequence[Source] = (),
    expectation: bool = False,
    window: float = 10.0,
    bins_per_sigma: float = 5.0,
    limits: LimitSettings | None = None,
    rng: np.random.Generator | None = None,
    engine: Engine = "auto",
    progress: Progress | None = None,
) -> ScanResult:
    """Return the scan of a spectrum with a fit of a peak and a smooth background at every mass, coefficients free.

    Parameters
    ----------
    counts
        Observed counts, shape ``(B,)``.
    background
        A family and its order, in each window.
    expectation
        Whether the counts are an expectation in place of blinded data: every row then is "blinded".
    edges, signal, masses, sources, window, bins_per_sigma, limits, rng, engine, progress
        As in `scan_templates`; there are no samples whose yield a source could move.

    Returns
    -------
    ScanResult
        One point a mass.

    Raises
    ------
    InputError
        As `scan_templates`, and if the family has more terms than a window has bins.
    """
    n_bins = np.asarray(edges).size - 1
    spectra = checked_spectra(counts, np.empty((0, n_bins)), np.empty((0, n_bins)), (), edges)
    context = _context(spectra, signal, sources, window, bins_per_sigma, limits, rng, engine, blinded=expectation)
    m = _masses(masses, signal)
    certain = not context.sources and not np.any(signal.efficiency_errors > 0.0)
    if background.linear and certain and engine in ("auto", "convex") and context.limits.method != "bayesian":
        return _scan_channels(context, background, m, progress)
    points = []
    for index, mass in enumerate(m):
        found = smooth_region(
            spectra,
            signal=signal,
            mass=mass,
            window=window,
            bins_per_sigma=bins_per_sigma,
            background=background,
            sources=context.sources,
        )
        points.append(_region_point(context, found, mass, None, index))
        if progress is not None:
            progress()
    return ScanResult(points=tuple(points))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Context:
    """What all masses of a scan share."""

    spectra: Spectra
    signal: SignalModel
    sources: tuple[Source, ...]
    window: float
    bins_per_sigma: float
    limits: LimitSettings
    seed: np.random.SeedSequence | None
    engine: Engine
    blinded: bool

    def rng(self, index: int) -> np.random.Generator | None:
        """Return the generator of the mass with a given number: it does not depend on the other masses."""
        return None if self.seed is None else np.random.default_rng(child_seed(self.seed, index))


def _context(
    spectra: Spectra,
    signal: SignalModel,
    sources: Sequence[Source],
    window: float,
    bins_per_sigma: float,
    limits: LimitSettings | None,
    rng: np.random.Generator | None,
    engine: Engine,
    *,
    blinded: bool,
) -> _Context:
    """Return the shared part of a scan, checked."""
    settings = LimitSettings() if limits is None else limits
    if settings.method != "asymptotic" and rng is None:
        msg = f"limits by the method {settings.method!r} need random numbers: give rng=numpy.random.default_rng(seed)"
        raise InputError(msg)
    return _Context(
        spectra=spectra,
        signal=signal,
        sources=checked_sources(sources, spectra.names),
        window=window,
        bins_per_sigma=bins_per_sigma,
        limits=settings,
        seed=None if rng is None else seed_of(rng),
        engine=engine,
        blinded=blinded,
    )


def _masses(masses: ArrayLike, signal: SignalModel) -> list[float]:
    """Return the hypotheses, or raise if one is outside the signal model."""
    m = np.atleast_1d(np.asarray(masses, dtype=np.float64))
    signal.efficiency(m)
    return [float(x) for x in m]


def _core_fractions(edges: Array, position: float, sigma: float) -> Array:
    """Return the fraction of each bin that lies within `CORE` standard deviations of the peak, shape ``(B,)``."""
    ends = np.clip(edges, position - CORE * sigma, position + CORE * sigma)
    return np.diff(ends) / np.diff(edges)


def _region_point(context: _Context, found: Region, mass: float, core: float | None, index: int) -> ScanPoint:
    """Return the row of one mass from the fits of a region; without `core` the fit tells the background there."""
    settings, rng = context.limits, context.rng(index)
    model = likelihood(found)
    profile = Profile(model, context.engine)
    significance, best = profile_significance(profile), profile.free
    sigma = float(context.signal.resolution(mass))
    bins = slice(0, model.n_bins)
    if core is None:
        try:
            core = float(
                model.expected(profile.at(0.0).values)[bins]
                @ _core_fractions(found.edges, float(context.signal.axis.position(mass)), sigma)
            )
        except FitError:  # the row says so: without this fit there is neither significance nor limit
            core = np.nan
    method: LimitMethod = "toys" if settings.random(core) else "asymptotic"
    if not best.status.usable:
        upper = failed_limit("cls_asymptotic", settings.cl, best.status.flag)
    elif settings.method == "bayesian" and rng is not None:
        upper = bayesian_upper_limit(
            bayesian_region_limit(found, rng=rng, cl=settings.cl, prior=settings.prior, engine=context.engine)
        )
    else:
        upper = profile_upper_limit(
            profile, rng=rng, method=method, cl=settings.cl, n_toys=settings.n_toys, threshold=settings.threshold
        )
    flags = [*upper.flags, *significance.flags]
    if not core >= settings.threshold:
        flags.append("low_counts")
    n_bkg = np.nan
    if best.status.usable:
        n_bkg = float(model.expected(np.append(0.0, best.values[1:]))[bins].sum())
    error = best.n_sig_error
    if best.status.usable and not np.isfinite(error):
        error = background_error(found)
    known = significance.valid and best.status.usable
    if context.blinded:
        flags.append("blinded")
    q0 = 0.0 if context.blinded and known else significance.q0
    return scan_row(
        mass,
        context.signal,
        float(context.signal.efficiency(mass)),
        found.edges,
        replace(upper, flags=tuple(dict.fromkeys(flags)), valid=upper.valid and known),
        n_obs=float(found.counts.sum()),
        n_bkg=n_bkg,
        n_sig=best.n_sig,
        n_sig_error=error,
        q0=q0 if known else np.nan,
        p0=(0.5 if context.blinded else significance.p0) if known else np.nan,
        z0=float(asymptotics.z0_from_q0(q0)) if known else np.nan,
    )


def _point_without_background(context: _Context, mass: float) -> ScanPoint:
    """Return the row of a mass whose window no background reaches: all events are taken for signal."""
    spectra, signal = context.spectra, context.signal
    sigma = float(signal.resolution(mass))
    edges = window_edges(
        spectra.edges,
        float(signal.axis.position(mass)),
        sigma,
        half_width=context.window,
        bins_per_sigma=context.bins_per_sigma,
    )
    inside = spectra.cut(edges)
    channel = Channel(
        counts=inside.templates.sum(axis=0) if inside.counts is None else inside.counts,
        signal=signal.fractions(mass, edges),
        templates=np.empty((0, edges.size - 1)),
        centres=np.empty(0),
        sigmas=np.empty(0),
    )
    (result,) = infer([channel], cl=context.limits.cl)
    flags = ("no_background", *((WITHOUT_SOURCES,) if context.sources else ()))
    return _channel_point(
        context, mass, edges, channel, result, limit_of(result, channel, cl=context.limits.cl), 0.0, flags
    )


def _scan_channels(
    context: _Context, background: BackgroundModel, masses: list[float], progress: Progress | None
) -> ScanResult:
    """Return the scan of windows that are linear in their parameters, a block of masses at a time."""
    cl, points = context.limits.cl, []
    terms: dict[bytes, Array] = {}
    sigmas = context.signal.resolution(np.array(masses))
    for first in range(0, len(masses), BLOCK):
        block = masses[first : first + BLOCK]
        windows = [
            smooth_channel(
                context.spectra,
                signal=context.signal,
                mass=mass,
                sigma=float(sigma),
                window=context.window,
                bins_per_sigma=context.bins_per_sigma,
                background=background,
                terms=terms,
            )
            for mass, sigma in zip(block, sigmas[first : first + BLOCK], strict=True)
        ]
        results = infer([channel for _, channel in windows], cl=cl)
        for k, (mass, (edges, channel), result) in enumerate(zip(block, windows, results, strict=True)):
            core = np.nan
            if result.null.status.usable:
                inside = _core_fractions(edges, float(context.signal.axis.position(mass)), float(sigmas[first + k]))
                core = float(channel.expected(0.0, result.null.background) @ inside)
            rng = context.rng(first + k)
            upper = limit_of(result, channel, cl=cl)
            if context.limits.random(core) and rng is not None and upper.valid:
                upper = toy_limit(channel, rng=rng, n_toys=context.limits.n_toys, cl=cl).limit
            points.append(_channel_point(context, mass, edges, channel, result, upper, core, ()))
            if progress is not None:
                progress()
    return ScanResult(points=tuple(points))


def _channel_point(
    context: _Context,
    mass: float,
    edges: Array,
    channel: Channel,
    result: Inference,
    upper: UpperLimit,
    core: float,
    more_flags: tuple[str, ...],
) -> ScanPoint:
    """Return the row of one mass from the fits of the convex engine."""
    best, null = result.best, result.null
    flags = [*upper.flags, *more_flags]
    if not core >= context.limits.threshold:
        flags.append("low_counts")
    if context.blinded:
        flags.append("blinded")
    usable = best.status.usable and null.status.usable
    if upper.valid and not usable:
        flags.append("no_significance")
    elif not usable:
        flags.extend(fit.status.flag for fit in (best, null) if not fit.status.usable)
    q0 = float(asymptotics.q0(null.nll, best.nll, best.n_sig)) if usable else np.nan
    if context.blinded and usable:
        q0 = 0.0
    z0 = float(asymptotics.z0_from_q0(q0))
    error = best.n_sig_error if np.isfinite(best.n_sig_error) else result.background_error
    known = best.status.usable and (usable or upper.valid)
    return scan_row(
        mass,
        context.signal,
        float(context.signal.efficiency(mass)),
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
