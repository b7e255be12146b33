"""A search as windows of spectra: every hypothesis ready for toys, and what is expected in the complete spectra.

`scan_hypotheses` takes the hypotheses as `bumphunt.scanning.scan.scan_spectra` does: the same windows, shapes, sources
and methods. `region_hypotheses` takes regions that a function gives at each mass. A hypothesis whose fit without signal
failed, or whose windows no background reaches, has no significance and is left out (`WholeSearch.left_out`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bumphunt.engines.result import FitStatus
from bumphunt.engines.stacks import stack_fits, stacked
from bumphunt.errors import FitError, Flag, InputError
from bumphunt.inference import asymptotics
from bumphunt.inference.counts.distribution import counting_p0
from bumphunt.inference.profile import Profile
from bumphunt.inference.seeds import child_seed
from bumphunt.inference.settings import SignificanceSettings
from bumphunt.likelihood.likelihood import Likelihood, likelihood
from bumphunt.models.region import Region
from bumphunt.scanning.channels import ChannelWindow, channel_core, channel_windows, is_linear
from bumphunt.scanning.counts import counting_window
from bumphunt.scanning.fits import fit_core, fitted_windows
from bumphunt.scanning.method import Method
from bumphunt.scanning.regions import Part, ScanMass, ScanRegion, scan_masses
from bumphunt.scanning.sources import TEMPLATE_STATISTICS, Sources, signal_statistics
from bumphunt.search_wide.few_events import FewEvents, few_events
from bumphunt.search_wide.spectra import Blend, Expectation, Place, Spectrum, spread
from bumphunt.search_wide.toys import SearchToys
from bumphunt.search_wide.windows import CountedWindow, FittedWindow, LinearWindow, Local, Window, WindowToys

__all__ = ["Hypothesis", "WholeSearch", "region_hypotheses", "scan_hypotheses", "whole_search"]

Array = NDArray[np.float64]

SAME_EDGE = 1e-12
"""Distance of edges that is rounding, in units of the whole spectrum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """A mass of a search.

    Parameters
    ----------
    mass
        The hypothesis [GeV].
    z0
        Significance of the data, by the same distribution as that of toys; NaN where nothing was observed.
    window
        What is looked at; None where the hypothesis is left out, and `flag` says why.
    few
        What q0 is worth where there are few events; None where z0 is its root, or exact.
    moved
        Relative change of the expectation at one standard deviation by sources that are averaged over: of counts.
    variance
        Statistical variance of the expectation, of counts [events^2].
    """

    mass: float
    z0: float
    window: Window | None
    flag: Flag | None = None
    few: FewEvents | None = None
    moved: Mapping[str, float] | None = None
    variance: float = 0.0

    def of_toys(self, toys: SearchToys) -> Array:
        """Return z0 of toys, shape ``(T,)``; NaN where a fit failed."""
        if isinstance(self.window, CountedWindow):
            return self.window.z0(toys)
        if self.window is None:
            return np.full(toys.size, np.nan)
        q0 = self.window.q0(self.window.drawn(toys))
        return asymptotics.z0_from_q0(q0) if self.few is None else self.few.at(q0)


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeSearch:
    """A search that toys can be made of.

    Parameters
    ----------
    hypotheses
        All masses, in order.
    expectation
        What toys are drawn from.
    blinded
        Whether it was fitted to an expectation in place of data.
    """

    hypotheses: tuple[Hypothesis, ...]
    expectation: Expectation
    blinded: bool

    @property
    def left_out(self) -> tuple[tuple[float, Flag], ...]:
        """Masses that have no significance, and why."""
        return tuple((h.mass, h.flag) for h in self.hypotheses if h.flag is not None)


def scan_hypotheses(
    regions: Sequence[ScanRegion],
    masses: Sequence[float],
    *,
    method: Method,
    sources: Sources = (),
    significance: SignificanceSettings | None = None,
    blinded: bool = False,
    seed: np.random.SeedSequence,
    first: int = 0,
) -> list[Hypothesis]:
    """Return hypotheses of a scan; arguments as in `bumphunt.scanning.scan.scan_spectra`.

    What the scan fits unbinned is fitted in bins here, of data and toys alike: toys are counts.

    Parameters
    ----------
    regions, masses, method, sources, significance
        As there.
    blinded
        Whether nothing observed is in the regions.
    seed
        Of the distributions of q0 in windows with few events: mass k uses its child ``first + k``.
    first
        Number of the first mass among all.
    """
    method = replace(method, unbinned=False)
    known = scan_masses(regions, masses, method, sources)
    at = {region.name: (k, region) for k, region in enumerate(regions)}
    linear = {k: mass for k, mass in enumerate(known) if method.kind != "counting" and is_linear(mass, method)}
    windows = channel_windows(linear, method)
    found = []
    for k, mass in enumerate(known):
        one = _Made(at, mass, method, significance or SignificanceSettings(), blinded, child_seed(seed, first + k))
        if k in windows:
            found.append(_linear(one, windows[k]))
        elif method.kind == "counting" and len(mass.parts) == 1:
            found.append(_counted(one))
        else:
            found.append(_fitted(one))
    return found


@dataclass(frozen=True, slots=True)
class _Made:
    """What a hypothesis of a scan is made from."""

    regions: Mapping[str, tuple[int, ScanRegion]]
    mass: ScanMass
    method: Method
    significance: SignificanceSettings
    blinded: bool
    seed: np.random.SeedSequence

    @property
    def value(self) -> float:
        """The mass [GeV]."""
        return self.mass.parts[0].at.mass

    def places(self, parts: Sequence[Part], edges: Sequence[Array]) -> tuple[Place, ...]:
        """Return where windows of parts lie."""
        found = []
        for part, x in zip(parts, edges, strict=True):
            number, region = self.regions[part.region.name]
            found.append(Place(spectrum=number, cuts=np.searchsorted(region.spectra.edges, x)))
        return tuple(found)

    def hypothesis(self, window: LinearWindow | FittedWindow, data: WindowToys, core: float) -> Hypothesis:
        """Return the hypothesis of a window that is fitted."""
        return _hypothesis(self.value, window, data, core, self.significance, self.seed, blinded=self.blinded)


def _hypothesis(
    mass: float,
    window: LinearWindow | FittedWindow,
    data: WindowToys,
    core: float,
    significance: SignificanceSettings,
    seed: np.random.SeedSequence,
    *,
    blinded: bool,
) -> Hypothesis:
    """Return the hypothesis of a window that is fitted, with the significance of its data."""
    few, z0 = None, np.nan
    if significance.takes_toys(core):
        try:
            few = few_events(window, significance.n_toys, np.random.default_rng(seed))
        except FitError as failure:
            return Hypothesis(mass=mass, z0=np.nan, window=None, flag=failure.flag)
    if not blinded:
        q0 = window.q0(data)
        if np.isnan(q0[0]):
            return Hypothesis(mass=mass, z0=np.nan, window=None, flag=Flag.NO_SIGNIFICANCE)
        z0 = float((asymptotics.z0_from_q0(q0) if few is None else few.at(q0))[0])
    return Hypothesis(mass=mass, z0=z0, window=window, few=few)


def _linear(made: _Made, found: ChannelWindow) -> Hypothesis:
    """Return a mass that is a channel."""
    stack, parts = stacked([found.channel]), made.mass.parts
    fits = stack_fits(stack)
    status = FitStatus(int(fits.status[0, 0]))
    if not status.usable:
        return Hypothesis(mass=made.value, z0=np.nan, window=None, flag=status.flag)
    null, start = fits.theta[0, 0], stack.start[0].copy()
    start[stack.held] = 0.0
    fakes = list(dict.fromkeys(s.name for s in made.mass.sources if s.spurious_signal > 0.0))
    several = found.yields is not None and len(parts) > 1
    names = dict.fromkeys(source.name for source in made.mass.sources)
    window = LinearWindow(
        places=made.places(parts, found.edges),
        stack=stack,
        null=null,
        start=null if status is FitStatus.CONVERGED else start,
        fakes=tuple(zip(stack.places[0, stack.places.shape[1] - len(fakes) :].tolist(), fakes, strict=True)),
        yields=found.yields if several else None,
        causes=(*names, *(signal_statistics(part.region.name, len(parts)) for part in parts)) if several else (),
    )
    data = WindowToys(counts=stack.counts, centres=stack.centres)
    return made.hypothesis(window, data, channel_core(found.edges, found.channel, window.expected))


def _fitted(made: _Made) -> Hypothesis:
    """Return a mass that is fitted by itself."""
    windows = fitted_windows(made.mass, made.method)
    if not windows.regions:
        return Hypothesis(mass=made.value, z0=np.nan, window=None, flag=Flag.NO_BACKGROUND)
    places = made.places(windows.parts, [region.edges for region in windows.regions])
    model = likelihood(windows.regions)
    profile = Profile(model)
    try:
        window = _fitted_window(model, places, profile.null.values)
    except FitError as failure:
        return Hypothesis(mass=made.value, z0=np.nan, window=None, flag=failure.flag)
    data = WindowToys(counts=model.counts[None], centres=model.centres[None])
    return made.hypothesis(window, data, fit_core(windows, made.method, profile))


def _fitted_window(model: Likelihood, places: tuple[Place, ...], null: Array) -> FittedWindow:
    """Return a likelihood as a window, and what its constraints belong to.

    A constraint of a single bin, and the simulated events of a window that is counted, belong to places; all others
    are shared by all windows that know their names.
    """
    slopes = model.expected_and_slopes(model.start)[1][:, : model.n_bins]
    auxiliary = {index: model.n_bins + k for k, (index, _) in enumerate(model.auxiliary)}
    shared, counted, local = [], [], []
    for p, name in enumerate(model.names):
        constrained = p in auxiliary or (model.measured[p] and not model.held[p])
        if not constrained:
            continue
        bins = slopes[p] != 0.0
        if bins.any() and (name.endswith("]") or name.startswith(TEMPLATE_STATISTICS)):
            local.append(Local(family=_family(model, name), parameter=p, count=auxiliary.get(p), bins=bins))
        elif p in auxiliary:
            counted.append((auxiliary[p], name))
        else:
            shared.append((p, name))
    return FittedWindow(
        places=places,
        model=model,
        null=null,
        shared=tuple(shared),
        counted=tuple(counted),
        local_parameters=tuple(local),
    )


def _family(model: Likelihood, name: str) -> str:
    """Return the name of a parameter without the number of its bin and the names of regions, which have the mass."""
    family = name.partition("[")[0]
    for region in model.regions:
        family = family.replace(region.name, "")
    return family


def _counted(made: _Made) -> Hypothesis:
    """Return a mass that is counted in one region."""
    (part,) = made.mass.parts
    found = counting_window(part, made.method, made.mass.sources)
    model = found.model()
    if model.background == 0.0:
        return Hypothesis(mass=made.value, z0=np.nan, window=None, flag=Flag.NO_BACKGROUND)
    z0 = np.nan
    if found.n_obs is not None and not made.blinded:
        z0 = max(float(asymptotics.z_score(counting_p0(found.n_obs, model))), 0.0)
    shifts = {name: shift / model.background for name, shift in found.background_shifts.items()}
    return Hypothesis(
        mass=made.value,
        z0=z0,
        window=CountedWindow(places=made.places([part], [found.edges]), model=model),
        moved={name: shift for name, shift in shifts.items() if name != TEMPLATE_STATISTICS and shift != 0.0},
        variance=found.background_shifts[TEMPLATE_STATISTICS] ** 2,
    )


def region_hypotheses(
    regions_at: Callable[[float], Region | Sequence[Region]],
    masses: Sequence[float],
    *,
    significance: SignificanceSettings | None = None,
    seed: np.random.SeedSequence,
) -> tuple[list[Hypothesis], list[tuple[str, Array]]]:
    """Return hypotheses of regions that a function gives at each mass, and the name and edges of each spectrum.

    Regions of the same name are windows of one spectrum, which has all edges of all of them.

    Raises
    ------
    InputError
        If no two masses have a region of the same name: then no two hypotheses share any event.
    """
    several = [(found,) if isinstance(found := regions_at(mass), Region) else tuple(found) for mass in masses]
    edges: dict[str, list[Array]] = {}
    for region in (one for regions in several for one in regions):
        edges.setdefault(region.name, []).append(region.edges)
    if len(several) > 1 and all(len(found) == 1 for found in edges.values()):
        msg = (
            f"no two masses have a region of the same name, such as {next(iter(edges))!r}: regions of the same name are"
            " windows of one spectrum, so give them names without the mass"
        )
        raise InputError(msg)
    spectra = [(name, _united(found)) for name, found in edges.items()]
    numbers = {name: k for k, (name, _) in enumerate(spectra)}
    hypotheses = []
    for k, (mass, regions) in enumerate(zip(masses, several, strict=True)):
        model = likelihood(regions)
        places = tuple(
            Place(spectrum=numbers[one.name], cuts=_nearest(spectra[numbers[one.name]][1], one.edges))
            for one in regions
        )
        profile = Profile(model)
        try:
            window = _fitted_window(model, places, profile.null.values)
        except FitError as failure:
            hypotheses.append(Hypothesis(mass=mass, z0=np.nan, window=None, flag=failure.flag))
            continue
        data = WindowToys(counts=model.counts[None], centres=model.centres[None])
        how, core = significance or SignificanceSettings(), profile.core_background()
        hypotheses.append(_hypothesis(mass, window, data, core, how, child_seed(seed, k), blinded=False))
    return hypotheses, spectra


def _united(edges: Sequence[Array]) -> Array:
    """Return all edges, those that differ by rounding once."""
    x = np.unique(np.concatenate(edges))
    return x[np.append(True, np.diff(x) > SAME_EDGE * np.ptp(x))]


def _nearest(edges: Array, wanted: Array) -> NDArray[np.intp]:
    """Return the numbers of the nearest edges."""
    upper = np.clip(np.searchsorted(edges, wanted), 1, edges.size - 1)
    return np.where(wanted - edges[upper - 1] < edges[upper] - wanted, upper - 1, upper)


def whole_search(
    hypotheses: Iterable[Hypothesis],
    spectra: Sequence[tuple[str, Array]],
    *,
    densities: Sequence[Array] | None = None,
    blinded: bool = False,
) -> WholeSearch:
    """Return a search of hypotheses, with what is expected in the complete spectra (`Blend`).

    Parameters
    ----------
    hypotheses
        Of all masses, in order.
    spectra
        Name and edges of each spectrum.
    densities
        How what is expected in a bin of a window is shared out to those of the spectrum that it joins, shape ``(B,)``
        each; by their widths unless given.
    blinded
        Whether the hypotheses were fitted to an expectation in place of data.

    Raises
    ------
    InputError
        If no hypothesis is left.
    """
    several = tuple(hypotheses)
    shares = [np.diff(edges) for _, edges in spectra] if densities is None else densities
    blends = [_Blends(edges.size - 1) for _, edges in spectra]
    normal: dict[str, None] = {}
    counted: dict[str, None] = {}
    for one in several:
        if one.window is not None:
            _blend(one, one.window, blends, shares)
            normal |= dict.fromkeys(_normal_names(one))
            if isinstance(one.window, FittedWindow):
                counted |= dict.fromkeys(name for _, name in one.window.counted)
    if not any(one.window is not None for one in several):
        flags = sorted({str(one.flag) for one in several})
        msg = f"none of {len(several)} hypotheses has a significance: {', '.join(flags) or 'there are none'}"
        raise InputError(msg)
    found = tuple(
        Spectrum(
            name=name,
            edges=edges,
            expected=blend.expected.mean,
            simulated={family: one.mean for family, one in blend.simulated.items()},
            moved={source: one.mean for source, one in blend.moved.items()},
            variances=blend.variances.mean,
        )
        for (name, edges), blend in zip(spectra, blends, strict=True)
    )
    expectation = Expectation(spectra=found, normal=tuple(normal), counted=tuple(counted))
    return WholeSearch(hypotheses=several, expectation=expectation, blinded=blinded)


class _Blends:
    """What is blended in one spectrum of B bins."""

    def __init__(self, n_bins: int) -> None:
        self.n_bins = n_bins
        self.expected, self.variances = Blend(n_bins), Blend(n_bins)
        self.simulated: dict[str, Blend] = {}
        self.moved: dict[str, Blend] = {}

    def of(self, blends: dict[str, Blend], name: str) -> Blend:
        """Return the blend of a name, a new one if there is none."""
        return blends.setdefault(name, Blend(self.n_bins))


def _normal_names(one: Hypothesis) -> list[str]:
    """Return the names of the standard normal numbers that a hypothesis knows."""
    window = one.window
    if isinstance(window, LinearWindow):
        return [*window.causes, *(name for _, name in window.fakes)]
    if isinstance(window, FittedWindow):
        return [name for _, name in window.shared]
    return list(one.moved or {})


def _blend(one: Hypothesis, window: Window, blends: Sequence[_Blends], shares: Sequence[Array]) -> None:
    """Add what a window expects to the blends of its spectra."""
    bins = [place.cuts.size - 1 for place in window.places]
    ends = np.cumsum([0, *bins])
    total = np.array([window.model.background]) if isinstance(window, CountedWindow) else window.expected
    for place, first, last in zip(window.places, ends[:-1], ends[1:], strict=True):
        blend, density = blends[place.spectrum], shares[place.spectrum]
        expected = spread(total[first:last], place.cuts, density)
        blend.expected.add(place.cuts, expected)
        blend.variances.add(place.cuts, spread(np.full(last - first, one.variance), place.cuts, density))
        for source, relative in (one.moved or {}).items():
            blend.of(blend.moved, source).add(place.cuts, np.full(expected.size, relative))
        if isinstance(window, FittedWindow):
            for family, events in _events_behind(window, total, int(first), int(last)).items():
                blend.of(blend.simulated, family).add(place.cuts, spread(events, place.cuts, density))


def _events_behind(window: FittedWindow, total: Array, first: int, last: int) -> dict[str, Array]:
    """Return how many auxiliary events of each family stand behind the bins of one region of a window."""
    found: dict[str, Array] = {}
    for one in window.local_parameters:
        here = np.where(one.bins, total[: window.model.n_bins], 0.0)
        if here.sum() > 0.0:
            events = window.model.precisions[one.parameter] if one.count is None else total[one.count]
            found.setdefault(one.family, np.zeros(last - first))
            found[one.family] += events * here[first:last] / here.sum()
    return found
