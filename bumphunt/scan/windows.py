"""Windows: what is fitted at one mass of a scan, from spectra on a mass axis, a signal model and sources.

`window_regions` makes the regions (`bumphunt.models.region`) of a mass, so that every question of
`bumphunt.inference.fit` and the impacts can be asked of them. Backgrounds are simulated (`template_region`), a family
of functions whose coefficients the data determine (`smooth_region`), or both. `smooth_channel` is the smooth one as the
convex engine wants it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bumphunt.engines.stacks import UncertainYield
from bumphunt.errors import FitError, InputError
from bumphunt.inference.profile import Profile
from bumphunt.likelihood.likelihood import likelihood
from bumphunt.likelihood.linear import Channel
from bumphunt.models.background import BackgroundModel, basis_cdf
from bumphunt.models.region import Region, Sample, region
from bumphunt.models.signal import SignalModel
from bumphunt.models.systematics import Free, LogNormal, ShapeVariation, SpuriousSignal, Uncertainty
from bumphunt.scan.grid import window_edges
from bumphunt.scan.regions import Part, ScanRegion, parts_at, reshared
from bumphunt.scan.sources import Source
from bumphunt.scan.spectra import Spectra

__all__ = [
    "SIGNAL_STATISTICS",
    "WindowSetting",
    "background_error",
    "norm_source",
    "smooth_channel",
    "smooth_region",
    "template_region",
    "uncertain_yield",
    "window_regions",
    "with_spurious_signals",
]

Array = NDArray[np.float64]

SPARSE = 0.5
"""Largest relative statistical error of the expected background of a bin: that of four simulated events."""
SIGNAL_STATISTICS = "signal_statistics"
"""Name of the source for the simulated signal events that the efficiency was counted with; with several regions the
name of each is appended, since their events are not the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSetting:
    """How windows are cut and what is fitted in them.

    Parameters
    ----------
    window
        Half width in units of the resolution.
    bins_per_sigma
        Bins of the fit per resolution, as far as the spectrum's bins allow; None for one bin.
    background
        A smooth family whose coefficients are left to the data; None for none beside the templates.
    """

    window: float
    bins_per_sigma: float | None
    background: BackgroundModel | None = None


def norm_source(sample: str) -> str:
    """Return the name of the source for the normalisation of a sample."""
    return f"norm_{sample}"


def signal_statistics(name: str, n_parts: int) -> str:
    """Return the name of the source for the simulated signal events of a region that is fitted with others."""
    return SIGNAL_STATISTICS if n_parts == 1 else f"{SIGNAL_STATISTICS}_{name}"


def template_region(
    spectra: Spectra,
    *,
    signal: SignalModel,
    mass: float,
    window: float,
    bins_per_sigma: float,
    sources: Sequence[Source] = (),
    background: BackgroundModel | None = None,
) -> Region | None:
    """Return the region of one mass with simulated backgrounds; None where no background reaches into the window.

    A template has a log-normal factor for its own normalisation uncertainty (a free one for None), those of the
    sources, and in each bin a factor for its simulated events, constrained by as many events as they are worth
    (Barlow and Beeston; Conway). Bins are joined until four simulated events, or what weighs like them, say what is
    expected in each: fewer have no shape, and an empty bin of the simulation is no bin without background. Beside a
    smooth background, which is expected in every bin, they are not joined.

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
    background
        A smooth family beside the templates; None for none.

    Raises
    ------
    InputError
        If the mass is outside the signal model or the spectrum; with a smooth background as `smooth_region`.
    """
    setting = WindowSetting(window=window, bins_per_sigma=bins_per_sigma, background=background)
    _, found = window_regions(_one(spectra, signal, mass), setting, sources)
    return found[0] if found else None


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
    setting = WindowSetting(window=window, bins_per_sigma=bins_per_sigma, background=background)
    _, found = window_regions(_one(spectra.without_templates(), signal, mass), setting, sources)
    return found[0]


def _one(spectra: Spectra, signal: SignalModel, mass: float) -> tuple[Part, ...]:
    """Return the part of a region that is fitted by itself."""
    return parts_at([ScanRegion(name="region", spectra=spectra, signal=signal)], np.array([mass]))[0]


def window_regions(
    parts: Sequence[Part], setting: WindowSetting, sources: Sequence[Source] = ()
) -> tuple[tuple[Part, ...], tuple[Region, ...]]:
    """Return the regions of one mass, to be fitted together, and their parts.

    A region whose window no background reaches is left out, and the shares are those of the others; there is none if
    that is so for all.

    Parameters
    ----------
    parts
        The regions that see the mass (`bumphunt.scan.regions.parts_at`).
    setting
        Windows and smooth background.
    sources
        What is uncertain: a name is one nuisance parameter in all regions.

    Raises
    ------
    InputError
        As `template_region` and `smooth_region`.
    """
    inside = [_window(part, setting) for part in parts]
    reached = [k for k, window in enumerate(inside) if setting.background is not None or np.any(window.templates > 0.0)]
    kept = reshared([parts[k] for k in reached]) if reached else ()
    return kept, tuple(
        _fitted(part, inside[k], setting.background, sources, len(parts)) for part, k in zip(kept, reached, strict=True)
    )


def _window(part: Part, setting: WindowSetting) -> Spectra:
    """Return the spectra in the bins of the fit."""
    spectra, at = part.region.spectra, part.at
    if setting.background is not None:
        return spectra.cut(_smooth_edges(part, setting, setting.background))
    edges = window_edges(
        part.edges, at.position, at.sigma, half_width=setting.window, bins_per_sigma=setting.bins_per_sigma
    )
    inside = spectra.cut(edges)
    return inside.cut(_joined_sparse(edges, inside.templates.sum(axis=0), inside.variances.sum(axis=0)))


def _smooth_edges(part: Part, setting: WindowSetting, background: BackgroundModel) -> Array:
    """Return the edges of a window, or raise if it has too few bins for a smooth background, or no data."""
    spectra, at, n_terms = part.region.spectra, part.at, background.order + 1
    edges = window_edges(
        part.edges, at.position, at.sigma, half_width=setting.window, bins_per_sigma=setting.bins_per_sigma
    )
    if edges.size - 1 <= n_terms:
        msg = f"the window at {at.mass} GeV has {edges.size - 1} bins, too few for a peak and {n_terms} terms"
        raise InputError(msg)
    if spectra.counts is None:
        msg = "a smooth background is determined by the data: a blinded scan needs pseudo-data, or templates"
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


def _fitted(
    part: Part, inside: Spectra, background: BackgroundModel | None, sources: Sequence[Source], n_parts: int
) -> Region:
    """Return the region of one part: its peak and backgrounds with their uncertainties.

    The width of a spurious signal is in units of an error that only the rest of the region can tell.
    """
    name, here = part.region.name, [source for source in sources if source.applies(part.region.name)]
    samples = [_template(inside, int(k), here) for k in np.flatnonzero(inside.templates.sum(axis=1) > 0.0)]
    if background is not None:
        samples.append(Sample("smooth", background))
    edges, sigma = inside.edges, part.at.sigma
    uncertainties: list[Uncertainty] = []
    for source in here:
        if source.efficiency != 0.0:
            uncertainties.append(LogNormal(source.name, source.efficiency))
        if source.signal_mean != 0.0 or source.signal_width != 0.0:
            up, down = (
                part.fractions(
                    edges, shift=sign * source.signal_mean * sigma, stretch=(1.0 + source.signal_width) ** sign
                )
                for sign in (1.0, -1.0)
            )
            uncertainties.append(ShapeVariation(source.name, up, down))
    if (statistical := _statistical(part)) > 0.0:
        uncertainties.append(LogNormal(signal_statistics(name, n_parts), statistical))
    peak = Sample("peak", part.fractions(edges), uncertainties=uncertainties)
    found = region(
        f"{part.at.mass:g} GeV" if n_parts == 1 else f"{name} {part.at.mass:g} GeV",
        counts=inside.templates.sum(axis=0) if inside.counts is None else inside.counts,
        edges=edges,
        signal=peak,
        backgrounds=samples,
        mc_constraint="poisson",
    )
    spurious = [source for source in here if source.spurious_signal > 0.0]
    if not spurious:
        return found
    unit = background_error([found])
    fakes = [SpuriousSignal(source.name, source.spurious_signal * unit) for source in spurious]
    return replace(found, signal=replace(peak, uncertainties=[*uncertainties, *fakes]))


def _statistical(part: Part) -> float:
    """Return the relative error of the efficiency by the simulated signal events."""
    return part.at.efficiency_error / part.at.efficiency if part.at.efficiency > 0.0 else 0.0


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


def background_error(found: Sequence[Region]) -> float:
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


def smooth_channel(
    parts: Sequence[Part], setting: WindowSetting, terms: dict[bytes, Array]
) -> tuple[list[Array], Channel]:
    """Return the edges of each region and one channel for all, with a linear family of its own in each.

    `terms` keeps those of windows divided alike. Errors as in `smooth_region`.
    """
    background = setting.background
    if background is None or not background.linear:
        msg = f"a channel needs a background that is linear in its coefficients, got {background}"
        raise InputError(msg)
    n_terms = background.order + 1
    edges = [_smooth_edges(part, setting, background) for part in parts]
    bins = np.cumsum([0, *(x.size - 1 for x in edges)])
    templates, flat = np.zeros((n_terms * len(parts), int(bins[-1]))), np.zeros(n_terms)
    flat[: n_terms if background.family == "bernstein" else 1] = 1.0
    counts = []
    for k, (part, x) in enumerate(zip(parts, edges, strict=True)):
        unit = np.round((x - x[0]) / (x[-1] - x[0]), 9)
        columns = terms.get(unit.tobytes())
        if columns is None:
            columns = terms[unit.tobytes()] = np.diff(basis_cdf(background, unit, (0.0, 1.0)), axis=-1)
        found = part.region.spectra.counts_in(x)
        n = np.zeros(unit.size - 1) if found is None else found
        counts.append(n)
        scale = max(float(n.sum()), 1.0) / float((flat @ columns).sum())
        templates[k * n_terms : (k + 1) * n_terms, bins[k] : bins[k + 1]] = scale * columns
    return edges, Channel(
        counts=np.concatenate(counts),
        signal=np.concatenate([part.fractions(x) for part, x in zip(parts, edges, strict=True)]),
        templates=templates,
        centres=np.tile(flat, len(parts)),
        sigmas=np.full(templates.shape[0], np.inf),
    )


def with_spurious_signals(
    channel: Channel, parts: Sequence[Part], edges: Sequence[Array], sources: Sequence[Source], errors: Array
) -> Channel:
    """Return a channel of `smooth_channel` with the signals that the background may fake, one template a source.

    Parameters
    ----------
    errors
        Standard deviation of the signal events of each region alone on its Asimov data without signal, shape ``(R,)``.
    """
    names = dict.fromkeys(source.name for source in sources if source.spurious_signal > 0.0)
    fakes = np.zeros((len(names), channel.counts.size))
    for row, name in enumerate(names):
        first = 0
        for part, x, error in zip(parts, edges, errors, strict=True):
            last = first + x.size - 1
            for source in sources:
                if source.name == name and source.applies(part.region.name):
                    fakes[row, first:last] += source.spurious_signal * error * part.at.fractions(x)
            first = last
    return replace(
        channel,
        templates=np.concatenate([channel.templates, fakes]),
        centres=np.append(channel.centres, np.zeros(len(names))),
        sigmas=np.append(channel.sigmas, np.ones(len(names))),
    )


def uncertain_yield(
    parts: Sequence[Part], edges: Sequence[Array], channel: Channel, sources: Sequence[Source]
) -> UncertainYield | None:
    """Return what is uncertain about the yields of a channel of `smooth_channel`; None if nothing is.

    The statistical errors of the efficiencies are independent. What sources do to shapes is not asked.
    """
    names = list(dict.fromkeys(source.name for source in sources))
    responses = np.zeros((len(parts), len(names) + len(parts)))
    spread, first = np.zeros((len(parts), channel.counts.size)), 0
    for k, (part, x) in enumerate(zip(parts, edges, strict=True)):
        for source in sources:
            if source.applies(part.region.name):
                responses[k, names.index(source.name)] = np.log1p(source.efficiency)
        responses[k, len(names) + k] = np.log1p(_statistical(part))
        last = first + x.size - 1
        spread[k, first:last] = channel.signal[first:last]
        first = last
    return UncertainYield(parts=spread, responses=responses) if np.any(responses != 0.0) else None
