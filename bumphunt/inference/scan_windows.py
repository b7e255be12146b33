"""Windows: what is fitted at one mass of a scan, from spectra on a mass axis, a signal model and sources.

`template_region` has simulated backgrounds, `smooth_region` a family of functions whose coefficients the data
determine. Both are regions (`bumphunt.models.region`), so that every question of `bumphunt.inference.fit` and the
impacts can be asked of them. `smooth_channel` is the second one without sources, as the convex engine wants it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import FitError, InputError
from bumphunt.inference.profile import Profile
from bumphunt.inference.scan_spectra import Spectra
from bumphunt.inference.windows import window_edges
from bumphunt.models.background import BackgroundModel, basis_cdf
from bumphunt.models.channel import Channel
from bumphunt.models.likelihood import likelihood
from bumphunt.models.region import Region, Sample, region
from bumphunt.models.signal import SignalModel
from bumphunt.models.sources import Source
from bumphunt.models.systematics import Free, LogNormal, ShapeVariation, SpuriousSignal, Uncertainty

__all__ = ["SIGNAL_STATISTICS", "background_error", "norm_source", "smooth_channel", "smooth_region", "template_region"]

Array = NDArray[np.float64]

SPARSE = 0.5
"""Largest relative statistical error of the expected background of a bin: that of four simulated events."""
SIGNAL_STATISTICS = "signal_statistics"
"""Name of the source for the simulated signal events that the efficiency was counted with."""


def norm_source(sample: str) -> str:
    """Return the name of the source for the normalisation of a sample."""
    return f"norm_{sample}"


def template_region(
    spectra: Spectra,
    *,
    signal: SignalModel,
    mass: float,
    window: float,
    bins_per_sigma: float,
    sources: Sequence[Source] = (),
) -> Region | None:
    """Return the region of one mass with simulated backgrounds; None where no background reaches into the window.

    A template has a log-normal factor for its own normalisation uncertainty (a free one for None), those of the
    sources, and in each bin a factor for its simulated events, constrained by as many events as they are worth
    (Barlow and Beeston; Conway). Bins are joined until four simulated events, or what weighs like them, say what is
    expected in each: fewer have no shape, and an empty bin of the simulation is no bin without background.

    Parameters
    ----------
    spectra
        Checked input; without counts the sum of the templates takes their place.
    signal
        Shape, resolution and efficiency.
    mass
        Hypothesis [GeV].
    window
        Half width of the window in units of the resolution.
    bins_per_sigma
        Bins per resolution, as far as the bins of the spectrum allow.
    sources
        What is uncertain.

    Raises
    ------
    InputError
        If the mass is outside the signal model or the spectrum.
    """
    sigma = float(signal.resolution(mass))
    edges = window_edges(
        spectra.edges, float(signal.axis.position(mass)), sigma, half_width=window, bins_per_sigma=bins_per_sigma
    )
    inside = spectra.cut(edges)
    inside = inside.cut(_joined_sparse(edges, inside.templates.sum(axis=0), inside.variances.sum(axis=0)))
    some = np.flatnonzero(inside.templates.sum(axis=1) > 0.0)
    if some.size == 0:
        return None
    backgrounds = [_template(inside, int(k), sources) for k in some]
    counts = inside.templates.sum(axis=0) if inside.counts is None else inside.counts
    return _with_signal(inside.edges, counts, signal, mass, sigma, sources, backgrounds)


def smooth_region(
    spectra: Spectra,
    *,
    signal: SignalModel,
    mass: float,
    window: float,
    bins_per_sigma: float,
    background: BackgroundModel,
    sources: Sequence[Source] = (),
) -> Region:
    """Return the region of one mass with a smooth background; arguments and errors as in `template_region`.

    Raises
    ------
    InputError
        Also if the background has as many coefficients as the window bins, or the scan is blinded: a background that
        the data determine cannot be known without them.
    """
    sigma = float(signal.resolution(mass))
    edges = _smooth_edges(spectra, signal, mass, sigma, window, bins_per_sigma, background)
    counts = spectra.cut(edges).counts
    if counts is None:
        msg = "a smooth background is determined by the data: a blinded scan needs pseudo-data, or templates"
        raise InputError(msg)
    return _with_signal(edges, counts, signal, mass, sigma, sources, [Sample("smooth", background)])


def smooth_channel(
    spectra: Spectra,
    *,
    signal: SignalModel,
    mass: float,
    sigma: float,
    window: float,
    bins_per_sigma: float,
    background: BackgroundModel,
    terms: dict[bytes, Array],
) -> tuple[Array, Channel]:
    """Return edges and channel of a window with a linear family; `terms` keeps those of windows divided alike."""
    edges = _smooth_edges(spectra, signal, mass, sigma, window, bins_per_sigma, background)
    n_terms = background.order + 1
    unit = np.round((edges - edges[0]) / (edges[-1] - edges[0]), 9)
    columns = terms.get(unit.tobytes())
    if columns is None:
        columns = terms[unit.tobytes()] = np.diff(basis_cdf(background, unit, (0.0, 1.0)), axis=-1)
    counts = spectra.cut(edges).counts
    n = np.zeros(edges.size - 1) if counts is None else counts
    flat = np.zeros(n_terms)
    flat[: n_terms if background.family == "bernstein" else 1] = 1.0
    scale = max(float(n.sum()), 1.0) / float((flat @ columns).sum())
    return edges, Channel(
        counts=n,
        signal=signal.fractions(mass, edges),
        templates=scale * columns,
        centres=flat,
        sigmas=np.full(n_terms, np.inf),
    )


def _smooth_edges(
    spectra: Spectra,
    signal: SignalModel,
    mass: float,
    sigma: float,
    window: float,
    bins_per_sigma: float,
    background: BackgroundModel,
) -> Array:
    """Return the edges of a window, or raise if it has too few bins for a background."""
    edges = window_edges(
        spectra.edges, float(signal.axis.position(mass)), sigma, half_width=window, bins_per_sigma=bins_per_sigma
    )
    n_terms = background.order + 1
    if edges.size - 1 <= n_terms:
        msg = f"the window at {mass} GeV has {edges.size - 1} bins, too few for a peak and {n_terms} terms"
        raise InputError(msg)
    return edges


def _joined_sparse(edges: Array, background: Array, variance: Array) -> Array:
    """Return the edges without those that would close a bin whose background is known worse than `SPARSE`.

    Bins are joined from the lower end on; what is left over at the upper end goes to the last bin.
    """
    kept, content, squares = [edges[0]], 0.0, 0.0
    for edge, b, v in zip(edges[1:], background, variance, strict=True):
        content, squares = content + b, squares + v
        if content > 0.0 and squares <= (SPARSE * content) ** 2:
            kept.append(edge)
            content, squares = 0.0, 0.0
    return np.array([*(kept[:-1] if len(kept) > 1 else kept), edges[-1]])


def _template(inside: Spectra, k: int, sources: Sequence[Source]) -> Sample:
    """Return template k of a window with its uncertainties."""
    name, counts, own = inside.names[k], inside.templates[k], inside.uncertainties[k]
    uncertainties: list[Uncertainty] = []
    if own is None:
        uncertainties.append(Free(norm_source(name)))
    elif own > 0.0:
        uncertainties.append(LogNormal(norm_source(name), own))
    place = 2.0 * (0.5 * (inside.edges[1:] + inside.edges[:-1]) - inside.edges[0]) / np.ptp(inside.edges) - 1.0
    for source in sources:
        if source.background.get(name, 0.0) != 0.0:
            uncertainties.append(LogNormal(source.name, source.background[name]))
        if source.background_slope.get(name, 0.0) != 0.0:
            tilt = source.background_slope[name] * place
            uncertainties.append(ShapeVariation(source.name, counts * (1.0 + tilt), counts * (1.0 - tilt)))
    return Sample(name, counts, uncertainties=uncertainties, errors=np.sqrt(inside.variances[k]))


def _with_signal(
    edges: Array,
    counts: Array,
    signal: SignalModel,
    mass: float,
    sigma: float,
    sources: Sequence[Source],
    backgrounds: list[Sample],
) -> Region:
    """Return the region with a peak of one event and its uncertainties.

    The width of a spurious signal is in units of an error that only the rest of the region can tell.
    """
    uncertainties: list[Uncertainty] = []
    for source in sources:
        if source.efficiency != 0.0:
            uncertainties.append(LogNormal(source.name, source.efficiency))
        if source.signal_mean != 0.0 or source.signal_width != 0.0:
            up, down = (
                signal.fractions(
                    mass,
                    edges,
                    shift=sign * source.signal_mean * sigma,
                    stretch=(1.0 + source.signal_width) ** sign,
                )
                for sign in (1.0, -1.0)
            )
            uncertainties.append(ShapeVariation(source.name, up, down))
    efficiency, error = float(signal.efficiency(mass)), float(signal.efficiency_error(mass))
    if efficiency > 0.0 and error > 0.0:
        uncertainties.append(LogNormal(SIGNAL_STATISTICS, error / efficiency))
    peak = Sample("peak", signal.fractions(mass, edges), uncertainties=uncertainties)
    found = region(
        f"{mass:g} GeV", counts=counts, edges=edges, signal=peak, backgrounds=backgrounds, mc_constraint="poisson"
    )
    spurious = [source for source in sources if source.spurious_signal > 0.0]
    if not spurious:
        return found
    unit = background_error(found)
    fakes = [SpuriousSignal(source.name, source.spurious_signal * unit) for source in spurious]
    return replace(found, signal=replace(peak, uncertainties=[*uncertainties, *fakes]))


def background_error(found: Region) -> float:
    """Return the standard deviation of n_sig on the Asimov data of the fit without signal [events].

    Where that fit fails the row will say so; the nominal expectation gives the unit.
    """
    model = likelihood(found)
    try:
        null = Profile(model).at(0.0).values
    except FitError:
        null = model.start
    _, _, information = model.asimov(null).nll_and_gradient(null)
    scale = np.sqrt(np.diag(information))
    covariance = np.linalg.pinv(information / np.outer(scale, scale), rcond=1e-12)
    return float(np.sqrt(covariance[0, 0]) / scale[0])
