"""The mass scan: one row of results per mass hypothesis.

`scan_templates` fits peak and background templates in a wide window; `scan_counting` counts events in a narrow one.
Both take histograms in the squared (recoil) mass as plain arrays and return a `ScanResult`.

A hypothesis whose fit failed is a row like the others: ``valid`` is False, ``flags`` names the reason, and what could
not be determined is NaN (an empty cell in the table). Without observed counts (a blinded search) the background
expectation takes the place of the data, and every row carries the flag "blinded".

Flags: "blinded"; "low_counts" (fewer than `LOW_COUNTS` expected background events within two standard deviations of
the mass: the asymptotic formulae are not to be trusted, use counting); "no_background" (no template reaches into the
window); "fit_at_boundary", "fit_singular", "fit_not_converged", "fit_infeasible"; "no_root"; "clb_underflow".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import InputError
from bumphunt.inference import asymptotics, convex
from bumphunt.inference.counting import (
    CountingModel,
    counting_limit,
    counting_p0,
    event_weight,
    simulated_background,
)
from bumphunt.inference.limits import Fitter, UpperLimit, asymptotic_limit
from bumphunt.inference.windows import window_edges
from bumphunt.models.channel import Channel, template_channel
from bumphunt.models.signal import SignalModel

__all__ = ["LOW_COUNTS", "ScanPoint", "ScanResult", "scan_counting", "scan_templates"]

Array = NDArray[np.float64]

LOW_COUNTS = 10.0
"""Expected background events within +-2 sigma of a mass below which asymptotic results are flagged. For one bin with
known background and n = b the asymptotic 90 % CLs limit is 13 % below the exact one at b = 3, 7 % at 10, 4 % at 30."""
NEARBY = 10.0
"""Half width [standard deviations] of the region that the typical weight of a template's events is taken from."""
CORE = 2.0
"""Half width [standard deviations] of the region that `LOW_COUNTS` speaks of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanPoint:
    """The result for one mass hypothesis.

    Parameters
    ----------
    mass
        Hypothesis [GeV].
    window_lo, window_hi
        Ends of the window in mass [GeV]: square roots of its ends in the squared mass, negative for negative squares.
    n_obs, n_bkg
        Observed events in the window, and background events in it: fitted together with the signal (templates), or
        expected (counting). Blinded: `n_obs` is the expected background.
    n_sig, n_sig_error
        Fitted signal events in the whole peak, inside the window or not; negative for a deficit. At the boundary of
        the fit the error is that of the background-only expectation.
    q0, p0, z0
        Discovery statistic, local p-value and significance. Templates: asymptotic, p0 = 0.5 for a deficit. Counting:
        p0 = P(N >= n_obs), z0 = 0 for p0 > 0.5, and q0 = z0^2.
    efficiency
        Total signal efficiency.
    resolution
        Resolution in mass [GeV].
    n_sig_ul_obs, n_sig_ul_exp_m2, n_sig_ul_exp_m1, n_sig_ul_exp, n_sig_ul_exp_p1, n_sig_ul_exp_p2
        Upper limits on the signal events in the whole peak.
    method, cl, valid, flags
        As in `bumphunt.inference.limits.UpperLimit`; flags as in the head of this module.
    """

    mass: float
    window_lo: float
    window_hi: float
    n_obs: float
    n_bkg: float
    n_sig: float
    n_sig_error: float
    q0: float
    p0: float
    z0: float
    efficiency: float
    resolution: float
    n_sig_ul_obs: float
    n_sig_ul_exp_m2: float
    n_sig_ul_exp_m1: float
    n_sig_ul_exp: float
    n_sig_ul_exp_p1: float
    n_sig_ul_exp_p2: float
    method: str
    cl: float
    valid: bool
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanResult:
    """The results of a scan, one `ScanPoint` a mass hypothesis, in the order of the masses."""

    points: tuple[ScanPoint, ...]

    def __len__(self) -> int:
        return len(self.points)

    def column(self, name: str) -> NDArray[np.generic]:
        """Return one field of all points as an array, shape ``(N,)``; flags are joined by ";".

        Raises
        ------
        InputError
            If there is no such field.
        """
        if name not in (field.name for field in fields(ScanPoint)):
            msg = f"a scan has no column {name!r}: it has {[field.name for field in fields(ScanPoint)]}"
            raise InputError(msg)
        values = [getattr(point, name) for point in self.points]
        return np.array([";".join(v) for v in values] if name == "flags" else values)

    def columns(self) -> dict[str, NDArray[np.generic]]:
        """Return all columns by name, in the order of the limit table."""
        return {field.name: self.column(field.name) for field in fields(ScanPoint)}

    @property
    def most_significant(self) -> ScanPoint | None:
        """The valid point with the largest local significance; None if there is none."""
        return max((point for point in self.points if point.valid), key=lambda point: point.z0, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spectra:
    """Checked input of a scan: observed (B,) or None, templates and variances (K, B), edges (B + 1,) [GeV^2]."""

    counts: Array | None
    templates: Array
    variances: Array
    uncertainties: tuple[float | None, ...]
    edges: Array

    def __post_init__(self) -> None:
        n_bins, shape = self.edges.size - 1, self.templates.shape
        if self.templates.ndim != 2 or shape[1] != n_bins or self.variances.shape != shape:
            msg = f"{n_bins} bins want templates and variances (K, {n_bins}), got {shape}, {self.variances.shape}"
            raise InputError(msg)
        if len(self.uncertainties) != shape[0]:
            msg = f"{shape[0]} templates want as many relative uncertainties, got {len(self.uncertainties)}"
            raise InputError(msg)
        if n_bins < 1 or not np.all(np.diff(self.edges) > 0.0):
            msg = f"the edges of the spectrum must rise, got {self.edges}"
            raise InputError(msg)
        if self.counts is not None and self.counts.shape != (n_bins,):
            msg = f"{n_bins} bins want counts ({n_bins},), got {self.counts.shape}"
            raise InputError(msg)
        for name, values in (("templates", self.templates), ("variances", self.variances), ("counts", self.counts)):
            if values is not None and not np.all((values >= 0.0) & (values < np.inf)):
                msg = (
                    f"{name} must be finite and not negative, found {values[~((values >= 0.0) & (values < np.inf))][0]}"
                )
                raise InputError(msg)
        for value in self.uncertainties:
            if value is not None and not 0.0 <= value < np.inf:
                msg = f"relative uncertainties must be numbers >= 0, or None for a free normalisation, got {value}"
                raise InputError(msg)

    def cut(self, window: Array) -> _Spectra:
        """Return the spectra in the bins of a window, whose edges are a subset of theirs."""
        cuts = np.searchsorted(self.edges, window)

        def joined(values: Array) -> Array:
            return np.add.reduceat(np.append(values, np.zeros((*values.shape[:-1], 1)), axis=-1), cuts, axis=-1)[
                ..., :-1
            ]

        return replace(
            self,
            counts=None if self.counts is None else joined(self.counts),
            templates=joined(self.templates),
            variances=joined(self.variances),
            edges=window,
        )


def _spectra(
    counts: ArrayLike | None,
    templates: ArrayLike,
    variances: ArrayLike,
    uncertainties: Sequence[float | None],
    edges: ArrayLike,
) -> _Spectra:
    """Return the input of a scan as checked arrays."""
    x = np.asarray(edges, dtype=np.float64)
    return _Spectra(
        counts=None if counts is None else np.asarray(counts, dtype=np.float64),
        templates=np.asarray(templates, dtype=np.float64).reshape(-1, x.size - 1),
        variances=np.asarray(variances, dtype=np.float64).reshape(-1, x.size - 1),
        uncertainties=tuple(uncertainties),
        edges=x,
    )


def _signed_root(square: float) -> float:
    """Return the mass [GeV] of a squared mass, negative for a negative square."""
    return float(np.sign(square) * np.sqrt(abs(square)))


def _row(mass: float, sigma: float, signal: SignalModel, edges: Array, limit: UpperLimit, **fitted: float) -> ScanPoint:
    """Return a row from its limit and its fitted numbers."""
    m2, m1, median, p1, p2 = (float(value) for value in limit.expected)
    return ScanPoint(
        mass=mass,
        window_lo=_signed_root(edges[0]),
        window_hi=_signed_root(edges[-1]),
        **fitted,
        efficiency=float(signal.efficiency(mass)),
        resolution=sigma / (2.0 * mass) if mass > 0.0 else np.inf,
        n_sig_ul_obs=limit.observed,
        n_sig_ul_exp_m2=m2,
        n_sig_ul_exp_m1=m1,
        n_sig_ul_exp=median,
        n_sig_ul_exp_p1=p1,
        n_sig_ul_exp_p2=p2,
        method=limit.method,
        cl=limit.cl,
        valid=limit.valid,
        flags=limit.flags,
    )


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
    spectra = _spectra(counts, templates, variances, relative_uncertainties, edges)
    points = []
    for mass in np.atleast_1d(np.asarray(masses, dtype=np.float64)):
        points.append(_fit_point(spectra, signal, float(mass), window, bins_per_sigma, cl, fitter))
        if progress is not None:
            progress()
    return ScanResult(points=tuple(points))


def _joined_empty(edges: Array, background: Array) -> Array:
    """Return the edges without those that would close a bin with no background."""
    filled = np.flatnonzero(background > 0.0)
    return edges if filled.size == 0 else np.concatenate([edges[:1], edges[filled[1:]], edges[-1:]])


def _window_channel(spectra: _Spectra, signal: SignalModel, mass: float) -> Channel:
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


def _fit_point(
    spectra: _Spectra, signal: SignalModel, mass: float, window: float, bins_per_sigma: float, cl: float, fitter: Fitter
) -> ScanPoint:
    """Return the row of one mass from a template fit."""
    sigma = float(signal.resolution(mass))
    edges = window_edges(spectra.edges, mass**2, sigma, half_width=window, bins_per_sigma=bins_per_sigma)
    inside = spectra.cut(edges)
    inside = inside.cut(_joined_empty(edges, inside.templates.sum(axis=0)))
    channel = _window_channel(inside, signal, mass)
    best, null = fitter(channel), fitter(channel, n_sig=0.0)
    limit = asymptotic_limit(channel, cl=cl, fitter=fitter)
    flags = list(limit.flags)
    core = window_edges(spectra.edges, mass**2, sigma, half_width=CORE, bins_per_sigma=None)
    if spectra.cut(core).templates.sum() < LOW_COUNTS:
        flags.append("low_counts")
    if channel.templates.shape[0] == 0:
        flags.append("no_background")
    if spectra.counts is None:
        flags.append("blinded")
    usable = best.status.usable and null.status.usable
    flags.extend(fit.status.flag for fit in (best, null) if not fit.status.usable)
    q0 = float(asymptotics.q0(null.nll, best.nll, best.n_sig)) if usable else np.nan
    z0 = float(asymptotics.z0_from_q0(q0))
    return _row(
        mass,
        sigma,
        signal,
        edges,
        replace(limit, flags=tuple(dict.fromkeys(flags)), valid=limit.valid and usable),
        n_obs=float(channel.counts.sum()),
        n_bkg=float(channel.expected(0.0, best.background).sum()) if usable else np.nan,
        n_sig=best.n_sig,
        n_sig_error=_yield_error(channel, best.n_sig_error, null.background) if usable else np.nan,
        q0=q0,
        p0=float(asymptotics.p_value(z0)),
        z0=z0,
    )


def _yield_error(channel: Channel, error: float, background: Array) -> float:
    """Return the fitted error, or that of the background-only expectation where the fit could not tell."""
    if np.isfinite(error):
        return error
    return convex.fit_channel(channel.asimov(0.0, background)).n_sig_error


def scan_counting(
    counts: ArrayLike | None,
    templates: ArrayLike,
    variances: ArrayLike,
    relative_uncertainties: Sequence[float],
    edges: ArrayLike,
    *,
    signal: SignalModel,
    masses: ArrayLike,
    window: float = 2.0,
    efficiency_uncertainty: float = 0.0,
    cl: float = 0.9,
    progress: Callable[[], object] | None = None,
) -> ScanResult:
    """Return the scan of a spectrum that counts events in a window around every mass.

    The background is the sum of the templates in the window, each with its statistical uncertainty, which is never
    below that of an empty window (`bumphunt.inference.counting.simulated_background`). It has a gamma distribution
    with the sum of these variances and of the squared normalisation uncertainties. The signal efficiency has a
    log-normal distribution. The events counted are divided by the fraction of the peak inside the window.

    Parameters
    ----------
    counts, templates, variances, edges, signal, masses, cl, progress
        As in `scan_templates`.
    relative_uncertainties
        Of the normalisation of each template, independent of each other.
    window
        Half width of the window in units of the resolution.
    efficiency_uncertainty
        Relative uncertainty of efficiency and luminosity together; the statistical error of the signal model's
        efficiency is added in quadrature.

    Returns
    -------
    ScanResult
        One point a mass; `method` is "cls_counting".

    Raises
    ------
    InputError
        As `scan_templates`, and if a relative uncertainty is None.
    """
    spectra = _spectra(counts, templates, variances, relative_uncertainties, edges)
    if None in spectra.uncertainties:
        msg = "counting needs a number for the uncertainty of every template, got None: use the template fit"
        raise InputError(msg)
    points = []
    for mass in np.atleast_1d(np.asarray(masses, dtype=np.float64)):
        points.append(_count_point(spectra, signal, float(mass), window, efficiency_uncertainty, cl))
        if progress is not None:
            progress()
    return ScanResult(points=tuple(points))


def _event_weights(nearby: _Spectra, spectra: _Spectra) -> Array:
    """Return the typical weight of a simulated event of each template, shape ``(K,)``: nearby, or else anywhere."""
    local, overall = (event_weight(s.templates.sum(axis=1), s.variances.sum(axis=1)) for s in (nearby, spectra))
    return np.where(nearby.templates.sum(axis=1) > 0.0, local, overall)


def _count_point(
    spectra: _Spectra, signal: SignalModel, mass: float, window: float, efficiency_uncertainty: float, cl: float
) -> ScanPoint:
    """Return the row of one mass from a count."""
    sigma = float(signal.resolution(mass))
    edges = window_edges(spectra.edges, mass**2, sigma, half_width=window, bins_per_sigma=None)
    inside = spectra.cut(edges)
    fraction = float(signal.fractions(mass, edges).sum())
    nearby = spectra.cut(window_edges(spectra.edges, mass**2, sigma, half_width=NEARBY, bins_per_sigma=None))
    b, b_error = simulated_background(
        inside.templates.sum(axis=1), inside.variances.sum(axis=1), _event_weights(nearby, spectra)
    )
    relative = np.array(spectra.uncertainties, dtype=np.float64)
    efficiency = float(signal.efficiency(mass))
    statistical = float(signal.efficiency_error(mass)) / efficiency if efficiency > 0.0 else 0.0
    model = CountingModel(
        background=float(b.sum()),
        background_sigma=float(np.sqrt(np.sum((relative * b) ** 2 + b_error**2))),
        efficiency_sigma=float(np.hypot(efficiency_uncertainty, statistical)),
    )
    n_obs = model.background if inside.counts is None else float(inside.counts.sum())
    limit = counting_limit(None if inside.counts is None else n_obs, model, cl=cl)
    flags = (*limit.flags, *(("no_background",) if model.background == 0.0 else ()))
    p0 = 0.5 if inside.counts is None else counting_p0(n_obs, model)
    z0 = max(float(asymptotics.z_score(p0)), 0.0)
    return _row(
        mass,
        sigma,
        signal,
        edges,
        replace(limit, observed=limit.observed / fraction, expected=limit.expected / fraction, flags=flags),
        n_obs=n_obs,
        n_bkg=model.background,
        n_sig=(n_obs - model.background) / fraction,
        n_sig_error=float(np.sqrt(n_obs + model.background_sigma**2)) / fraction,
        q0=z0**2,
        p0=p0,
        z0=z0,
    )
