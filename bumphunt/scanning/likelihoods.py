"""What is fitted at one mass: the windows of its regions as regions of a likelihood (`bumphunt.models.region`).

Every question of `bumphunt.inference.fit` and the impacts can be asked of them. Backgrounds are simulated templates, a
family of functions whose coefficients the data determine, or both. A smooth background that is linear in its
coefficients has a faster way too (`bumphunt.scanning.channels`); counts of several regions are one bin each
(`bumphunt.scanning.counts`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import FitError, InputError
from bumphunt.inference.profile import Profile
from bumphunt.likelihood.likelihood import likelihood
from bumphunt.likelihood.narrow_bins import narrow_bins
from bumphunt.models.background import Background
from bumphunt.models.region import Region, Sample, region
from bumphunt.models.systematics import (
    Free,
    LogNormal,
    PeakPosition,
    PeakWidth,
    ShapeVariation,
    SpuriousSignal,
    Uncertainty,
)
from bumphunt.scanning.method import Method
from bumphunt.scanning.neighbours import neighbours
from bumphunt.scanning.regions import Part, ScanMass, reshared
from bumphunt.scanning.sources import Source, changes, norm_source, signal_statistics
from bumphunt.scanning.spectra import Spectra
from bumphunt.scanning.windows import joined_sparse

__all__ = [
    "Windows",
    "background_error",
    "smooth_window",
    "window_regions",
]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """What is fitted together at one mass.

    Parameters
    ----------
    parts
        The regions of the scan that are in, their shares those of each other.
    regions
        Their windows, as many; none where no background reaches any window. Values that are fitted unbinned are in
        narrow bins (`bumphunt.likelihood.narrow_bins`).
    complete
        Whether all that see the mass are in.
    """

    parts: tuple[Part, ...]
    regions: tuple[Region, ...]
    complete: bool


def window_regions(mass: ScanMass, method: Method) -> Windows:
    """Return what is fitted at one mass over simulated or smooth backgrounds.

    A template has a log-normal factor for its own normalisation uncertainty (a free one for None), those of the
    sources, and in each bin a factor for its simulated events, constrained by as many events as they are worth
    (Barlow and Beeston; Conway). Bins are joined until four simulated events, or what weighs like them, say what is
    expected in each: fewer have no shape, and an empty bin of the simulation is no bin without background. Beside a
    smooth background, which is expected in every bin, they are not joined, unless it multiplies a template. Without
    counts the sum of the templates takes their place. Known resonances that reach a window are free peaks there.

    A region whose window no background reaches is left out, and the shares are those of the others.

    Parameters
    ----------
    mass
        The regions that see it, and the sources: a name is one nuisance parameter in all regions.
    method
        Windows and smooth background.

    Raises
    ------
    InputError
        If a mass is outside a spectrum, or the smooth background has as many coefficients as the window bins, or no
        counts: a background that the data determine cannot be known without them.
    """
    parts = mass.parts
    inside = [_window(part, method) for part in parts]
    reached = [k for k, window in enumerate(inside) if _reached(window, method.background)]
    kept = reshared([parts[k] for k in reached]) if reached else ()
    regions = (
        _fitted(part, inside[k], method, mass.sources, len(parts)) for part, k in zip(kept, reached, strict=True)
    )
    return Windows(parts=kept, regions=tuple(regions), complete=len(kept) == len(parts))


def _window(part: Part, method: Method) -> Spectra:
    """Return the spectra in the bins of the fit."""
    spectra = part.region.spectra
    if method.background is not None:
        edges, counts = smooth_window(part, method, method.background)
        found = replace(spectra.cut(edges), counts=counts)
        return found if found.multiplied is None else found.cut(joined_sparse(edges, *found.multiplied))
    edges = part.window(method.half_width, method.bins)
    inside = spectra.cut(edges)
    return inside.cut(joined_sparse(edges, inside.templates.sum(axis=0), inside.variances.sum(axis=0)))


def _reached(window: Spectra, background: Background | None) -> bool:
    """Return whether a background is expected in a window."""
    smooth = background is not None and (window.multiplied is None or bool(np.any(window.multiplied[0] > 0.0)))
    return smooth or bool(np.any(window.templates > 0.0))


def smooth_window(part: Part, method: Method, background: Background) -> tuple[Array, Array]:
    """Return the edges of a window and the counts in it, or raise if there are too few bins for a fit, or no counts."""
    edges = part.window(method.half_width, method.bins, above=background.lowest)
    spectra, n_terms = part.region.spectra, background.n_coefficients
    if edges.size - 1 <= n_terms:
        msg = f"the window at {part.at.mass} GeV has {edges.size - 1} bins, too few for a peak and {n_terms} terms"
        raise InputError(msg)
    counts = spectra.counts_in(edges)
    if counts is None:
        msg = "a smooth background is determined by the data: a blinded scan needs samples, or sidebands"
        raise InputError(msg)
    return edges, counts


def _fitted(part: Part, inside: Spectra, method: Method, sources: Sequence[Source], n_parts: int) -> Region:
    """Return the region of one part: its peak and backgrounds with their uncertainties.

    The width of a spurious signal is in units of an error that only the rest of the region can tell.
    """
    name, here = part.region.name, [source for source in sources if source.applies(part.region.name)]
    unbinned = _fits_values(inside, method)
    samples = [_template(inside, int(k), here) for k in np.flatnonzero(inside.templates.sum(axis=1) > 0.0)]
    if method.background is not None and _reached(inside, method.background):
        samples.append(Sample("smooth", method.background, template=_multiplied(inside)))
    counts = inside.templates.sum(axis=0) if inside.counts is None else inside.counts
    samples += neighbours(part, inside.edges, counts, method.known_peaks, n_parts)
    if unbinned:
        peak = _density(part, here, n_parts)
    else:
        peak = Sample("peak", part.fractions(inside.edges), uncertainties=_of_peak(part, inside.edges, here, n_parts))
    found = region(
        f"{part.at.mass:g} GeV" if n_parts == 1 else f"{name} {part.at.mass:g} GeV",
        counts=counts,
        edges=inside.edges,
        signal=peak,
        backgrounds=samples,
        mc_constraint="poisson",
    )
    if unbinned:
        found = replace(found, values=inside.values)
    spurious = [source for source in here if source.spurious_signal > 0.0]
    if spurious:
        unit = background_error([found])
        fakes = [SpuriousSignal(source.name, source.spurious_signal * unit) for source in spurious]
        found = replace(found, signal=replace(peak, uncertainties=[*peak.uncertainties, *fakes]))
    return narrow_bins(found) if unbinned else found


def _fits_values(inside: Spectra, method: Method) -> bool:
    """Return whether the values of a window are fitted, not their counts; raise if they are wanted and not there."""
    if not method.unbinned or inside.expectation:
        return False
    if inside.values is None:
        msg = "an unbinned fit needs the values of the data, and the spectrum has counts alone"
        raise InputError(msg)
    return True


def _density(part: Part, sources: Sequence[Source], n_parts: int) -> Sample:
    """Return the peak of one part as a density, with what is uncertain about its yield, place and width."""
    uncertainties = _of_yield(part, sources, n_parts)
    for source in sources:
        if source.signal_mean != 0.0:
            uncertainties.append(PeakPosition(source.name, source.signal_mean * part.at.sigma))
        if source.signal_width != 0.0:
            uncertainties.append(PeakWidth(source.name, source.signal_width))
    return Sample("peak", part.at.peak, scale=part.share, uncertainties=uncertainties)


def _of_yield(part: Part, sources: Sequence[Source], n_parts: int) -> list[Uncertainty]:
    """Return what is uncertain about the yield of the peak of one part."""
    found: list[Uncertainty] = [
        LogNormal(source.name, *changes(source.efficiency)) for source in sources if any(changes(source.efficiency))
    ]
    if part.statistical > 0.0:
        found.append(LogNormal(signal_statistics(part.region.name, n_parts), part.statistical))
    return found


def _multiplied(inside: Spectra) -> Array | None:
    """Return the template that the smooth background of a window multiplies, if there is one."""
    return None if inside.multiplied is None else inside.multiplied[0]


def _of_peak(part: Part, edges: Array, sources: Sequence[Source], n_parts: int) -> list[Uncertainty]:
    """Return what is uncertain about yield and shape of the peak of one part."""
    sigma = part.at.sigma
    uncertainties = _of_yield(part, sources, n_parts)
    for source in sources:
        if source.signal_mean != 0.0 or source.signal_width != 0.0:
            up, down = (
                part.fractions(
                    edges, shift=sign * source.signal_mean * sigma, stretch=(1.0 + source.signal_width) ** sign
                )
                for sign in (1.0, -1.0)
            )
            uncertainties.append(ShapeVariation(source.name, up, down))
    return uncertainties


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
        up_down = changes(source.background.get(name, 0.0))
        if any(up_down):
            uncertainties.append(LogNormal(source.name, *up_down))
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
