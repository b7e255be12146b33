"""The mass scan: one row of results per mass hypothesis.

=================  ==================================================================
`scan_templates`   fits a peak and background templates in a wide window
`scan_smooth`      fits a peak and a polynomial, left to the data, in a wide window
`scan_counting`    counts events in a narrow window, over simulated backgrounds
=================  ==================================================================

They take histograms in the squared (recoil) mass as plain arrays and return a `ScanResult`. The fits are made a block
of masses at a time.

Rows of failed fits, blinded rows and their flags are described in `bumphunt.inference.scan_result`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import InputError
from bumphunt.inference import asymptotics, convex
from bumphunt.inference.hypotheses import Inference, infer
from bumphunt.inference.limits import Fitter, asymptotic_limit, checked_cl, limit_of
from bumphunt.inference.scan_counting import scan_counting
from bumphunt.inference.scan_result import ScanPoint, ScanResult, scan_row
from bumphunt.inference.scan_spectra import Spectra, checked_spectra
from bumphunt.inference.windows import window_edges
from bumphunt.models.background import BackgroundModel, basis_cdf
from bumphunt.models.channel import Channel, template_channel
from bumphunt.models.signal import SignalModel

__all__ = ["ScanPoint", "ScanResult", "scan_counting", "scan_smooth", "scan_templates"]

Array = NDArray[np.float64]

BLOCK = 64
"""Masses that are fitted together."""
CORE = 2.0
"""Half width [standard deviations] of the region that `asymptotics.ASYMPTOTIC_FROM` speaks of."""


def scan_templates(
    counts: ArrayLike | None,
    templates: ArrayLike,
    variances: ArrayLike,
    relative_uncertainties: Sequence[float | None],
    edges: ArrayLike,
    *,
    signal: SignalModel,
    masses: ArrayLike,
    window: float = 10.0,
    bins_per_sigma: float = 5.0,
    cl: float = 0.9,
    fitter: Fitter = convex.fit_channel,
    progress: Callable[[], object] | None = None,
) -> ScanResult:
    """Return the scan of a spectrum with a template fit at every mass.

    The statistical uncertainty of a template enters as that of its sum in the window, added in quadrature to its
    relative normalisation uncertainty. Bins in which no background is expected are joined to a neighbour.

    Parameters
    ----------
    counts
        Observed counts, shape ``(B,)``; None for a blinded scan.
    templates, variances
        Expected counts of each background and their variances (sums of squared weights), shape ``(K, B)``.
    relative_uncertainties
        Of the normalisation of each template; None leaves it to the data.
    edges
        Bin edges in the squared mass [GeV^2], shape ``(B + 1,)``.
    signal
        Shape, resolution and efficiency.
    masses
        Hypotheses [GeV], shape ``(N,)``.
    window
        Half width of the window in units of the resolution.
    bins_per_sigma
        Bins of the fit per resolution, as far as the spectrum's bins allow.
    cl
        Confidence level of the limits.
    fitter
        The engine: `convex.fit_channel` or `minuit.fit_channel`.
    progress
        Called after every hypothesis.

    Returns
    -------
    ScanResult
        One point a mass; `method` is "cls_asymptotic".

    Raises
    ------
    InputError
        If shapes disagree, a number is negative or not finite, or a mass is outside the signal model or the spectrum.
    """
    spectra = checked_spectra(counts, templates, variances, relative_uncertainties, edges)

    def window_at(mass: float, sigma: float) -> _Window:
        return _template_window(spectra, signal, mass, sigma, window, bins_per_sigma)

    return _scan(window_at, signal, masses, cl, fitter, progress)


def scan_smooth(
    counts: ArrayLike,
    edges: ArrayLike,
    *,
    signal: SignalModel,
    masses: ArrayLike,
    background: BackgroundModel,
    window: float = 10.0,
    bins_per_sigma: float = 5.0,
    cl: float = 0.9,
    fitter: Fitter = convex.fit_channel,
    progress: Callable[[], object] | None = None,
) -> ScanResult:
    """Return the scan of a spectrum with a fit of a peak and a polynomial at every mass, coefficients free.

    Parameters
    ----------
    counts
        Observed counts, shape ``(B,)``.
    background
        A linear family and its order, in each window.
    edges, signal, masses, window, bins_per_sigma, cl, fitter, progress
        As in `scan_templates`.

    Returns
    -------
    ScanResult
        One point a mass; `method` is "cls_asymptotic".

    Raises
    ------
    InputError
        As `scan_templates`, and if the family is not linear or has more terms than a window has bins.
    """
    if not background.linear:
        msg = f"a scan with the family {background.family!r} is not linear: want 'bernstein' or 'chebyshev'"
        raise InputError(msg)
    n_bins = np.asarray(edges).size - 1
    spectra = checked_spectra(counts, np.empty((0, n_bins)), np.empty((0, n_bins)), (), edges)
    terms: dict[bytes, Array] = {}

    def window_at(mass: float, sigma: float) -> _Window:
        return _smooth_window(spectra, signal, mass, sigma, window, bins_per_sigma, background, terms)

    return _scan(window_at, signal, masses, cl, fitter, progress)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    """The channel of one mass, and the bins of it within `CORE` standard deviations.

    `edges` are those of the window [GeV^2]; `core` is the expected background within `CORE`, None if the fit must
    say, from the fraction of each bin that lies within, `inside` (B,); `blinded` says whether there are no data.
    """

    mass: float
    sigma: float
    edges: Array
    channel: Channel
    core: float | None
    inside: Array
    blinded: bool


def _scan(
    window_at: Callable[[float, float], _Window],
    signal: SignalModel,
    masses: ArrayLike,
    cl: float,
    fitter: Fitter,
    progress: Callable[[], object] | None,
) -> ScanResult:
    """Return the scan whose windows `window_at` makes from mass and resolution, a block of masses at a time."""
    checked_cl(cl)
    m = np.atleast_1d(np.asarray(masses, dtype=np.float64))
    sigma, efficiency = signal.resolution(m), signal.efficiency(m)
    points = []
    for first in range(0, m.size, BLOCK):
        block = slice(first, first + BLOCK)
        windows = [window_at(float(x), float(s)) for x, s in zip(m[block], sigma[block], strict=True)]
        channels = [window.channel for window in windows]
        if fitter is convex.fit_channel:
            results = infer(channels, cl=cl)
        else:
            results = [_infer_by(fitter, channel, cl) for channel in channels]
        for window, result, epsilon in zip(windows, results, efficiency[block], strict=True):
            points.append(_fitted_point(window, result, float(epsilon), cl))
            if progress is not None:
                progress()
    return ScanResult(points=tuple(points))


def _infer_by(fitter: Fitter, channel: Channel, cl: float) -> Inference:
    """Return what `infer` does, fit by fit, with any engine."""
    best, null = fitter(channel), fitter(channel, n_sig=0.0)
    limit = asymptotic_limit(channel, cl=cl, fitter=fitter)
    error = np.nan
    if null.status.usable and not np.isfinite(best.n_sig_error):
        error = fitter(channel.asimov(0.0, null.background)).n_sig_error
    return Inference(
        best=best,
        null=null,
        background_error=error,
        observed=limit.observed,
        expected=limit.expected,
        failure="" if limit.valid else limit.flags[0],
    )


def _joined_empty(edges: Array, background: Array) -> Array:
    """Return the edges without those that would close a bin with no background."""
    filled = np.flatnonzero(background > 0.0)
    return edges if filled.size == 0 else np.concatenate([edges[:1], edges[filled[1:]], edges[-1:]])


def _window_channel(spectra: Spectra, signal: SignalModel, mass: float) -> Channel:
    """Return the channel of a cut spectrum: templates with content, and their uncertainties."""
    sums = spectra.templates.sum(axis=1)
    some = np.flatnonzero(sums > 0.0)
    total: list[float | None] = []
    for k in some:
        relative = spectra.uncertainties[k]
        statistical = np.sqrt(spectra.variances[k].sum()) / sums[k]
        total.append(None if relative is None else float(np.hypot(relative, statistical)))
    counts = spectra.templates.sum(axis=0) if spectra.counts is None else spectra.counts
    return template_channel(counts, signal.fractions(mass, spectra.edges), spectra.templates[some], tuple(total))


def _template_window(
    spectra: Spectra, signal: SignalModel, mass: float, sigma: float, window: float, bins_per_sigma: float
) -> _Window:
    """Return the window of one mass with background templates."""
    edges = window_edges(spectra.edges, mass**2, sigma, half_width=window, bins_per_sigma=bins_per_sigma)
    inside = spectra.cut(edges)
    inside = inside.cut(_joined_empty(edges, inside.templates.sum(axis=0)))
    core = window_edges(spectra.edges, mass**2, sigma, half_width=CORE, bins_per_sigma=None)
    return _Window(
        mass=mass,
        sigma=sigma,
        edges=edges,
        channel=_window_channel(inside, signal, mass),
        core=float(spectra.cut(core).templates.sum()),
        inside=np.empty(0),
        blinded=spectra.counts is None,
    )


def _smooth_window(
    spectra: Spectra,
    signal: SignalModel,
    mass: float,
    sigma: float,
    window: float,
    bins_per_sigma: float,
    background: BackgroundModel,
    terms: dict[bytes, Array],
) -> _Window:
    """Return the window of one mass with a polynomial; `terms` keeps those of windows that are divided alike."""
    edges = window_edges(spectra.edges, mass**2, sigma, half_width=window, bins_per_sigma=bins_per_sigma)
    n_terms = background.order + 1
    if edges.size - 1 <= n_terms:
        msg = f"the window at {mass} GeV has {edges.size - 1} bins, too few for a peak and {n_terms} terms"
        raise InputError(msg)
    unit = np.round((edges - edges[0]) / (edges[-1] - edges[0]), 9)
    columns = terms.get(unit.tobytes())
    if columns is None:
        columns = terms[unit.tobytes()] = np.diff(basis_cdf(background, unit, (0.0, 1.0)), axis=-1)
    counts = spectra.cut(edges).counts
    n = np.zeros(edges.size - 1) if counts is None else counts
    flat = np.zeros(n_terms)
    flat[: n_terms if background.family == "bernstein" else 1] = 1.0
    scale = max(float(n.sum()), 1.0) / float((flat @ columns).sum())
    channel = Channel(
        counts=n,
        signal=signal.fractions(mass, edges),
        templates=scale * columns,
        centres=flat,
        sigmas=np.full(n_terms, np.inf),
    )
    ends = np.clip(edges, mass**2 - CORE * sigma, mass**2 + CORE * sigma)
    return _Window(
        mass=mass,
        sigma=sigma,
        edges=edges,
        channel=channel,
        core=None,
        inside=np.diff(ends) / np.diff(edges),
        blinded=False,
    )


def _fitted_point(window: _Window, result: Inference, efficiency: float, cl: float) -> ScanPoint:
    """Return the row of one mass from its fits."""
    channel, best, null = window.channel, result.best, result.null
    limit = limit_of(result, cl=cl)
    flags = list(limit.flags)
    core = window.core
    if core is None:
        core = float(channel.expected(0.0, null.background) @ window.inside) if null.status.usable else np.nan
    if core < asymptotics.ASYMPTOTIC_FROM:
        flags.append("low_counts")
    if channel.templates.shape[0] == 0:
        flags.append("no_background")
    if window.blinded:
        flags.append("blinded")
    usable = best.status.usable and null.status.usable
    if limit.valid and not usable:
        flags.append("no_significance")
    elif not usable:
        flags.extend(fit.status.flag for fit in (best, null) if not fit.status.usable)
    q0 = float(asymptotics.q0(null.nll, best.nll, best.n_sig)) if usable else np.nan
    if window.blinded and usable:
        q0 = 0.0  # up to rounding
    z0 = float(asymptotics.z0_from_q0(q0))
    error = best.n_sig_error if np.isfinite(best.n_sig_error) else result.background_error
    known = best.status.usable and (usable or limit.valid)
    return scan_row(
        window.mass,
        window.sigma,
        efficiency,
        window.edges,
        replace(limit, flags=tuple(dict.fromkeys(flags)), valid=limit.valid),
        n_obs=float(channel.counts.sum()),
        n_bkg=float(channel.expected(0.0, best.background).sum()) if known else np.nan,
        n_sig=best.n_sig,
        n_sig_error=error if known else np.nan,
        q0=q0,
        p0=float(asymptotics.p_value(z0)),
        z0=z0,
    )
