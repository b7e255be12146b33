"""What corrections and factors do to signal and backgrounds at a mass: measured variations become sources.

A source that is measured is in the likelihood what one of the YAML is: relative changes of yields, and of samples a
slope over the window. They are half the difference of up and down, in the window that is fitted. Where momenta are
shifted, the peak of the signal moves and has another width too (`bumphunt.models.peak_moves`). Where variations are of
other events, as these are and other simulations, few of them in a window tell nothing: then a wider one does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import hist
import numpy as np
from numpy.typing import NDArray

from bumphunt.models.given_signal import PeakModel
from bumphunt.models.peak_moves import peak_move
from bumphunt.models.shape_fit import MIN_EFFECTIVE_EVENTS, effective_events
from bumphunt.scanning.sources import Source, changes
from workflows.config.records import ScanSetup
from workflows.products.selected import FittedSignal, Unit

__all__ = ["sources_of"]

Array = NDArray[np.float64]

LARGEST_SLOPE = 0.9
"""A slope is a relative change at the ends of a window, and must stay below 1; so must what is taken from a yield."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """What a source does in one unit."""

    name: str
    unit: str
    masses: Array
    efficiency: Array
    mean: Array
    """Move of the peak, in units of the resolution."""
    width: Array
    """Relative change of its width."""
    other_events: bool
    """Whether the variations are of other events, not of other weights."""
    samples: Mapping[str, tuple[hist.Hist, hist.Hist, hist.Hist]]
    """Nominal, up and down, by sample."""


def sources_of(
    setup: ScanSetup, units: Sequence[Unit], signals: Mapping[str, PeakModel]
) -> Callable[[float], tuple[Source, ...]]:
    """Return the function from a mass [GeV] to all sources of uncertainty of a fit.

    Parameters
    ----------
    setup
        How hypotheses are tested.
    units
        What is fitted together.
    signals
        The signal models, by unit.
    """
    method = setup.method
    measured = [found for unit in units for found in _measured(unit, setup.templates, signals[unit.name])]
    given = _given(setup.sources, setup.templates, units)
    if not measured:
        return _Constant(given)
    return _Sources(
        given=given,
        measured=tuple(measured),
        signals=dict(signals),
        half_width=method.half_width,
        slopes=method.kind != "counting",
    )


@dataclass(frozen=True, slots=True)
class _Constant:
    """Sources that do not depend on mass; a class so that it can be sent to other processes."""

    given: tuple[Source, ...]

    def __call__(self, mass: float) -> tuple[Source, ...]:
        del mass
        return self.given


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sources:
    """Sources of which some depend on mass."""

    given: tuple[Source, ...]
    measured: tuple[_Measured, ...]
    signals: Mapping[str, PeakModel]
    half_width: float
    slopes: bool
    """Whether the fit can use a change of a shape."""

    def __call__(self, mass: float) -> tuple[Source, ...]:
        return (*self.given, *(self._source(found, mass) for found in self.measured))

    def _source(self, found: _Measured, mass: float) -> Source:
        signal = self.signals[found.unit]
        inside = float(np.clip(mass, signal.masses[0], signal.masses[-1]))
        centre, half = float(signal.axis.position(inside)), self.half_width * float(signal.resolution(inside))
        background, slope = {}, {}
        for sample, spectra in found.samples.items():
            changes = _changes_of_other_events if found.other_events else _changes
            background[sample], slope[sample] = changes(spectra, centre, half, slopes=self.slopes)
        along = (found.efficiency, found.mean, found.width)
        efficiency, mean, width = (float(np.interp(mass, found.masses, values)) for values in along)
        if not any((efficiency, mean, width, *background.values())):  # a source moves something at every mass
            efficiency = np.finfo(np.float64).tiny
        return Source(
            name=found.name,
            efficiency=efficiency,
            signal_mean=mean,
            signal_width=width,
            background=background,
            background_slope={sample: value for sample, value in slope.items() if value != 0.0},
            regions=(found.unit,),
        )


def _given(sources: Sequence[Source], templates: Sequence[str], units: Sequence[Unit]) -> tuple[Source, ...]:
    """Return the sources of the YAML, each for the templates that the units have."""
    found = []
    for source in sources:
        for unit in units:
            kept = {
                key: {s: value for s, value in getattr(source, key).items() if s in templates and s in unit.after}
                for key in ("background", "background_slope")
            }
            here = _replaced(source, unit.name, kept)
            if here is not None:
                found.append(here)
    return tuple(found)


def _replaced(source: Source, unit: str, kept: Mapping[str, Mapping[str, float]]) -> Source | None:
    """Return a source in one unit; None if it moves nothing there."""
    moves = {what for what in source.moves if what not in kept}
    if not moves and not any(any(changes(v)) for values in kept.values() for v in values.values()):
        return None
    return replace(source, regions=(unit,), **kept)  # type: ignore[arg-type]


def _measured(unit: Unit, templates: Sequence[str], signal: PeakModel) -> list[_Measured]:
    """Return what the variations of a unit do to signal and backgrounds."""
    names = dict.fromkeys([*unit.varied, *(name for point in unit.signals for name in point.varied)])
    found = []
    for name in names:
        changes = [point.varied.get(name, (0.0, 0.0)) for point in unit.signals]
        efficiency = np.array([0.5 * (up - down) for up, down in changes])
        samples = {
            sample: (unit.after[sample], *pair)
            for sample, pair in unit.varied.get(name, {}).items()
            if sample in templates and _total(pair[0]) != _total(pair[1]) and _total(unit.after[sample]) > 0
        }
        mean, width = _moves(unit.signals, name, signal)
        if np.any((efficiency != 0.0) | (mean != 0.0) | (width != 0.0)) or samples:
            found.append(
                _Measured(
                    name=name,
                    unit=unit.name,
                    masses=np.array([point.mass for point in unit.signals]),
                    efficiency=efficiency,
                    mean=mean,
                    width=width,
                    other_events=name in unit.other_events,
                    samples=samples,
                )
            )
    return found


def _moves(points: Sequence[FittedSignal], name: str, signal: PeakModel) -> tuple[Array, Array]:
    """Return what a source moves of the peaks at the simulated masses, each of shape (M,): mean and width.

    Masses that have too few events for a shape have what lies between those beside them.
    """
    told = [p for p in points if name in p.moved and _has_shape(p) and signal.masses[0] <= p.mass <= signal.masses[-1]]
    masses = np.array([point.mass for point in points])
    if not told:
        return np.zeros(masses.size), np.zeros(masses.size)
    moves = []
    for point, peak in zip(told, signal.at([point.mass for point in told]), strict=True):
        edges = point.shape.axes[0].edges
        as_is, *ends = (peak_move(peak, edges, shape.values()) for shape in (point.shape, *point.moved[name]))
        changes = [(end.shift - as_is.shift, end.stretch / as_is.stretch - 1.0) for end in ends]
        moves.append(changes[0] if len(ends) == 1 else 0.5 * np.subtract(changes[0], changes[1]))
    known = [point.mass for point in told]
    mean, width = np.array(moves).T
    return np.interp(masses, known, mean), np.interp(masses, known, width)


def _has_shape(point: FittedSignal) -> bool:
    """Return whether a mass has enough events to tell where its peak is."""
    return effective_events(point.shape.values(), point.shape.variances()) >= MIN_EFFECTIVE_EVENTS


def _changes_of_other_events(
    spectra: tuple[hist.Hist, hist.Hist, hist.Hist], centre: float, half: float, *, slopes: bool
) -> tuple[float, float]:
    """Return what `_changes` does, of a window as wide as it takes for enough events, or of the whole spectrum.

    The slope is that of the straight line at the ends of the window that is asked for.
    """
    nominal, axis = spectra[0], spectra[0].axes[0]
    widest, wide = max(centre - axis.edges[0], axis.edges[-1] - centre), half
    while wide < widest:
        inside = np.abs(axis.centers - centre) < wide
        if effective_events(nominal.values()[inside], nominal.variances()[inside]) >= MIN_EFFECTIVE_EVENTS:
            break
        wide = 2.0 * wide
    change, slope = _changes(spectra, centre, wide, slopes=slopes)
    return max(change, -LARGEST_SLOPE), slope * half / wide


def _total(spectrum: hist.Hist) -> float:
    """Return the events of a spectrum."""
    return float(spectrum.values().sum())


def _changes(
    spectra: tuple[hist.Hist, hist.Hist, hist.Hist], centre: float, half: float, *, slopes: bool
) -> tuple[float, float]:
    """Return the relative change at the centre of a window and its slope: the change at the upper end beyond that.

    Without slopes the change is that of the yield in the window. With them it is that at the centre, of the straight
    line that changes the yields of both halves as they are: with that of the whole yield, the slope of a falling
    spectrum would count twice. A window without events takes the change of the whole spectrum.
    """
    nominal, up, down = (spectrum.values() for spectrum in spectra)
    centres = spectra[0].axes[0].centers
    lower = (centres >= centre - half) & (centres < centre)
    upper = (centres >= centre) & (centres < centre + half)

    def change(inside: NDArray[np.bool_]) -> float:
        total = float(nominal[inside].sum())
        return 0.5 * float((up - down)[inside].sum()) / total if total > 0 else np.nan

    whole, low, high = change(lower | upper), change(lower), change(upper)
    if not np.isfinite(whole):
        return change(np.ones(centres.size, dtype=np.bool_)), 0.0
    if not slopes or not np.isfinite(high - low):
        return whole, 0.0
    place = (centres - centre) / half
    left, right = (float(np.average(place[inside], weights=nominal[inside])) for inside in (lower, upper))
    slope = (high - low) / (right - left)
    return low - slope * left, float(np.clip(slope, -LARGEST_SLOPE, LARGEST_SLOPE))
