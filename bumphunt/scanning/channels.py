"""Windows as channels of the linear engine, which fits a block of masses together: the fast way through a scan.

A window is a channel where its smooth background is linear in its coefficients, and its sources move the yield of the
signal, by as much to either side, or fake a signal, but leave its shape alone. Nothing is approximated: what the engine
cannot finish (limits by toys, a few fits that failed or found no limit) is left to `bumphunt.scanning.fits`. A window
without any background is a channel too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bumphunt.engines.result import FitResult
from bumphunt.engines.stacks import UncertainYield
from bumphunt.errors import Flag
from bumphunt.inference import asymptotics
from bumphunt.inference.batch import Inference, background_errors, infer
from bumphunt.inference.core import core_background
from bumphunt.inference.goodness import (
    GoodnessOfFit,
    asymptotic_goodness,
    profile_goodness,
    small,
    without_goodness,
)
from bumphunt.inference.limits import limit_of
from bumphunt.inference.profile import Profile
from bumphunt.inference.upper_limit import UpperLimit, most_events
from bumphunt.likelihood.likelihood import likelihood
from bumphunt.likelihood.linear import Channel
from bumphunt.models.background import BackgroundModel, basis_cdf
from bumphunt.models.region import Region
from bumphunt.models.systematics import SpuriousSignal
from bumphunt.scanning.counts import CountingWindow, count_limit
from bumphunt.scanning.likelihoods import smooth_window, window_regions
from bumphunt.scanning.method import Method
from bumphunt.scanning.neighbours import reaching
from bumphunt.scanning.regions import Part, ScanMass
from bumphunt.scanning.rows import Outcome
from bumphunt.scanning.setting import ScanSetting
from bumphunt.scanning.sources import OF_CHANNELS, larger_change

__all__ = [
    "ChannelWindow",
    "block_outcomes",
    "channel_core",
    "channel_windows",
    "is_channel",
    "is_linear",
    "outcome_without_background",
]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelWindow:
    """A mass as a channel: the edges of each region, the channel of all, and what is uncertain about its yields."""

    edges: list[Array]
    channel: Channel
    yields: UncertainYield | None


def is_linear(mass: ScanMass, method: Method) -> bool:
    """Return whether a mass can be a channel: whether its windows are linear but for the yields of the signal."""
    background = method.background
    return (
        isinstance(background, BackgroundModel)
        and background.linear
        and method.smooth_at(mass.parts[0].at.mass)
        and not any(part.region.spectra.multiplied is not None for part in mass.parts)
        and not any(_has_neighbours(part, method, background) for part in mass.parts)
        and not any(set(source.moves) - OF_CHANNELS or isinstance(source.efficiency, tuple) for source in mass.sources)
    )


def _has_neighbours(part: Part, method: Method, background: BackgroundModel) -> bool:
    """Return whether a known resonance, whose position is uncertain, reaches the window of a region."""
    if not method.known_peaks:
        return False
    window = part.window(method.half_width, method.bins, above=background.lowest)
    return bool(reaching(part, window, method.known_peaks))


def is_channel(mass: ScanMass, setting: ScanSetting) -> bool:
    """Return whether the linear engine can, and may, test a mass as a channel."""
    fast = setting.engine in ("auto", "linear") and setting.limits.method not in ("bayesian", "clsb")
    return fast and (setting.blinded or not setting.method.unbinned) and is_linear(mass, setting.method)


def channel_windows(masses: Mapping[int, ScanMass], method: Method) -> dict[int, ChannelWindow]:
    """Return masses as channels, by their numbers; without those for which the unit of a spurious signal is unknown.

    Parameters
    ----------
    masses
        Some masses of a scan by their numbers (`is_linear`).
    method
        How they are tested.

    Raises
    ------
    InputError
        As `bumphunt.scanning.likelihoods.window_regions`.
    """
    background, terms = method.background, dict[bytes, Array]()
    if not isinstance(background, BackgroundModel):
        return {}

    def channel_of(parts: Sequence[Part]) -> tuple[list[Array], Channel]:
        return _smooth_channel(parts, method, background, terms)

    def errors_of(parts: Sequence[Part]) -> Array:
        return background_errors([channel_of((replace(part, share=1.0),))[1] for part in parts])

    windows = {index: channel_of(mass.parts) for index, mass in masses.items()}
    return {
        index: ChannelWindow(
            edges=windows[index][0],
            channel=channel,
            yields=_uncertain_yield(masses[index], windows[index][0], channel),
        )
        for index, channel in _with_fakes(masses, windows, errors_of).items()
    }


def block_outcomes(masses: Mapping[int, ScanMass], setting: ScanSetting) -> dict[int, Outcome]:
    """Return what the data say of masses that are channels, by their numbers; without those that cannot be finished.

    Parameters
    ----------
    masses
        Some masses of a scan by their numbers (`is_channel`): a few tens, which are fitted together.
    setting
        What all share.
    """
    windows = channel_windows(masses, setting.method)
    channels, yields = [w.channel for w in windows.values()], [w.yields for w in windows.values()]
    found = {}
    for (index, window), result in zip(
        windows.items(), infer(channels, cl=setting.limits.cl, yields=yields), strict=True
    ):
        parts, channel, null = masses[index].parts, window.channel, result.null
        core = np.nan
        if null.status.usable:
            core = channel_core(window.edges, channel, channel.expected(0.0, null.values[1:]))
        unfinished = result.failure is Flag.NO_ROOT if window.yields is None else result.failure is not None
        # a limit above all events is judged, and left out, where it is known what the yield adapts to
        unfinished |= result.observed * channel.signal.sum() > most_events(channel.counts.sum(), setting.limits.cl)
        if not (unfinished or setting.limits.takes_toys(core) or setting.significance.takes_toys(core)):
            limit = limit_of(result, cl=setting.limits.cl)
            goodness = _goodness(masses[index], channel, result.best, setting, index)
            found[index] = _outcome(parts, window.edges, channel, result, limit, core=core, goodness=goodness)
    return found


def outcome_without_background(mass: ScanMass, setting: ScanSetting) -> Outcome:
    """Return what the data say of a mass whose windows no background reaches: all events are taken for signal.

    Where they are in the windows says nothing then, and the limit is that of their number, exact unless the settings
    ask for formulae.
    """
    counts, edges = [], []
    for part in mass.parts:
        edges.append(part.window(setting.method.half_width, setting.method.bins))
        inside = part.region.spectra.cut(edges[-1])
        counts.append(inside.templates.sum(axis=0) if inside.counts is None else inside.counts)
    channel = Channel(
        counts=np.concatenate(counts),
        signal=np.concatenate([part.fractions(x) for part, x in zip(mass.parts, edges, strict=True)]),
        templates=np.empty((0, sum(x.size - 1 for x in edges))),
        centres=np.empty(0),
        sigmas=np.empty(0),
    )
    (result,) = infer([channel], cl=setting.limits.cl)
    flags = (Flag.NO_BACKGROUND, Flag.WITHOUT_SOURCES) if mass.sources else (Flag.NO_BACKGROUND,)
    if setting.limits.method == "asymptotic":
        limit = limit_of(result, cl=setting.limits.cl)
    else:
        limit = _count_limit(channel, edges[0], setting)
    nothing = without_goodness()  # there is no model of the events but the signal
    return _outcome(mass.parts, edges, channel, result, limit, core=0.0, goodness=nothing, flags=flags)


def _count_limit(channel: Channel, edges: Array, setting: ScanSetting) -> UpperLimit:
    """Return the exact limit on the signal events from the number of all events of a channel without background."""
    count = CountingWindow(
        edges=edges,
        n_obs=float(channel.counts.sum()),
        background=0.0,
        fraction=float(channel.signal.sum()),
        background_shifts={},
        signal_shifts={},
    )
    return count_limit(count, count.model(), setting.limits)


def _outcome(
    parts: Sequence[Part],
    edges: Sequence[Array],
    channel: Channel,
    result: Inference,
    limit: UpperLimit,
    *,
    core: float,
    goodness: GoodnessOfFit,
    flags: tuple[Flag, ...] = (),
) -> Outcome:
    """Return what the fits of a channel say."""
    best, null = result.best, result.null
    q0 = np.nan
    if best.status.usable and null.status.usable:
        q0 = float(asymptotics.q0(null.nll, best.nll, best.n_sig))
    z0 = float(asymptotics.z0_from_q0(q0))
    failed = () if null.status.usable or limit.valid else null.status.flags
    n_bkg = error = np.nan
    if best.status.usable:
        n_bkg = float(channel.expected(0.0, best.values[1:]).sum())
        error = best.n_sig_error if np.isfinite(best.n_sig_error) else result.background_error
    return Outcome(
        parts=parts,
        edges=edges,
        n_obs=float(channel.counts.sum()),
        n_bkg=n_bkg,
        n_sig=best.n_sig,
        n_sig_error=error,
        q0=q0,
        p0=float(asymptotics.p_value(z0)),
        p0_error=0.0,
        z0=z0,
        limit=limit,
        core=core,
        flags=(*best.status.flags, *failed, *flags),
        engine=best.engine,
        goodness=goodness,
    )


def _goodness(mass: ScanMass, channel: Channel, best: FitResult, setting: ScanSetting, index: int) -> GoodnessOfFit:
    """Return the goodness of the best fit of a channel.

    Where toys are needed they are fitted in one batch as regions. That yields are uncertain, which so few events cannot
    tell, is left out of them: then they are linear.
    """
    ndf = channel.counts.size - 1 - int(np.sum(np.isinf(channel.sigmas)))
    if setting.blinded or not best.status.usable:
        return without_goodness(ndf)
    found = asymptotic_goodness(best.nll, ndf)
    seed = setting.goodness_seed(index)
    if ndf < 1 or not small(channel.expected(best.n_sig, best.values[1:])):
        return found
    if seed is None:
        return replace(found, p_value=np.nan)
    regions = window_regions(mass, setting.method).regions
    profile = Profile(likelihood([_with_certain_yield(region) for region in regions]))
    by_toys = profile_goodness(profile, seed=seed, n_toys=setting.method.goodness_toys)
    return replace(by_toys, statistic=found.statistic)


def _with_certain_yield(region: Region) -> Region:
    """Return a region without uncertainties of the signal but what the background may fake."""
    kept = [u for u in region.signal.uncertainties if isinstance(u, SpuriousSignal)]
    return replace(region, signal=replace(region.signal, uncertainties=kept))


def channel_core(edges: Sequence[Array], channel: Channel, expected: Array) -> float:
    """Return the background in the core of the peaks [events], of that in the bins of a channel, shape ``(B,)``."""
    bins = _slices(edges)
    return core_background([channel.signal[inside] for inside in bins], [expected[inside] for inside in bins], edges)


def _smooth_channel(
    parts: Sequence[Part], method: Method, background: BackgroundModel, terms: dict[bytes, Array]
) -> tuple[list[Array], Channel]:
    """Return the edges of each region and one channel for all, with a linear family of its own in each.

    `terms` keeps those of windows divided alike. Errors as in `bumphunt.scanning.likelihoods.window_regions`.
    """
    n_terms = background.order + 1
    windows = [smooth_window(part, method, background) for part in parts]
    bins = np.cumsum([0, *(counts.size for _, counts in windows)])
    templates, flat = np.zeros((n_terms * len(parts), int(bins[-1]))), np.zeros(n_terms)
    flat[: 1 if background.family == "chebyshev" else n_terms] = 1.0
    for k, (x, counts) in enumerate(windows):
        unit = np.round((x - x[0]) / (x[-1] - x[0]), 9) if background.of_window else x
        columns = terms.get(unit.tobytes())
        if columns is None:
            columns = terms[unit.tobytes()] = np.diff(basis_cdf(background, unit, (unit[0], unit[-1])), axis=-1)
        scale = max(float(counts.sum()), 1.0) / float((flat @ columns).sum())
        templates[k * n_terms : (k + 1) * n_terms, bins[k] : bins[k + 1]] = scale * columns
    edges = [x for x, _ in windows]
    return edges, Channel(
        counts=np.concatenate([counts for _, counts in windows]),
        signal=np.concatenate([part.fractions(x) for part, x in zip(parts, edges, strict=True)]),
        templates=templates,
        centres=np.tile(flat, len(parts)),
        sigmas=np.full(templates.shape[0], np.inf),
    )


def _with_fakes(
    masses: Mapping[int, ScanMass],
    windows: Mapping[int, tuple[list[Array], Channel]],
    errors_of: Callable[[list[Part]], Array],
) -> dict[int, Channel]:
    """Return the channels with the signals that backgrounds may fake, without those whose unit is unknown.

    Parameters
    ----------
    errors_of
        Gives the standard deviation of the signal events of each region alone on its Asimov data without signal.
    """
    faking = [index for index, mass in masses.items() if any(s.spurious_signal > 0.0 for s in mass.sources)]
    errors = errors_of([part for index in faking for part in masses[index].parts]) if faking else np.empty(0)
    channels, first = {index: channel for index, (_, channel) in windows.items()}, 0
    for index in faking:
        own = errors[first : first + len(masses[index].parts)]
        first += own.size
        if np.all(np.isfinite(own)):
            channels[index] = _with_spurious_signals(channels[index], masses[index], windows[index][0], own)
        else:
            del channels[index]
    return channels


def _with_spurious_signals(channel: Channel, mass: ScanMass, edges: Sequence[Array], errors: Array) -> Channel:
    """Return a channel with the signals that the background may fake, one template a source, in units of `errors`."""
    names = list(dict.fromkeys(source.name for source in mass.sources if source.spurious_signal > 0.0))
    fakes = np.zeros((len(names), channel.counts.size))
    for part, bins, x, error in zip(mass.parts, _slices(edges), edges, errors, strict=True):
        for source in mass.sources:
            if source.spurious_signal > 0.0 and source.applies(part.region.name):
                fakes[names.index(source.name), bins] += source.spurious_signal * error * part.at.fractions(x)
    return replace(
        channel,
        templates=np.concatenate([channel.templates, fakes]),
        centres=np.append(channel.centres, np.zeros(len(names))),
        sigmas=np.append(channel.sigmas, np.ones(len(names))),
    )


def _uncertain_yield(mass: ScanMass, edges: Sequence[Array], channel: Channel) -> UncertainYield | None:
    """Return what is uncertain about the yields of a channel; None if nothing is.

    The statistical errors of the efficiencies are independent.
    """
    names = list(dict.fromkeys(source.name for source in mass.sources))
    responses = np.zeros((len(mass.parts), len(names) + len(mass.parts)))
    spread = np.zeros((len(mass.parts), channel.counts.size))
    for k, (part, bins) in enumerate(zip(mass.parts, _slices(edges), strict=True)):
        for source in mass.sources:
            if source.applies(part.region.name):
                responses[k, names.index(source.name)] = np.log1p(larger_change(source.efficiency))
        responses[k, len(names) + k] = np.log1p(part.statistical)
        spread[k, bins] = channel.signal[bins]
    return UncertainYield(parts=spread, responses=responses) if np.any(responses != 0.0) else None


def _slices(edges: Sequence[Array]) -> list[slice]:
    """Return where the bins of each region are in a channel."""
    ends = np.cumsum([0, *(x.size - 1 for x in edges)]).tolist()
    return [slice(first, last) for first, last in pairwise(ends)]
