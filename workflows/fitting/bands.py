"""Spectra of several axes, as hypotheses see them: in bands along all axes but the first.

A sheet is the hypotheses that differ in the mass of the first axis alone. Its simulated signals say where its peaks are
along the other axes and how wide; each is cut to the band of its own mass, so that shapes are those of what is seen.
Neighbouring hypotheses whose bands have the same bins see the same spectra: they are a group, and scanned together. All
hypotheses of a spectrum of one axis are one group.

============ ==================================================================
see_sheet    the spectra of a sheet: signals in bands of their own, and bands
between      the same for a value of the coordinate that was not simulated
all_points   the values of the coordinate, simulated or not
grouped      hypotheses -> groups, with what is fitted together in each
============ ==================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise

import hist
import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import InputError
from bumphunt.models.between import model_between
from bumphunt.models.given_signal import PeakModel
from bumphunt.models.signal import SignalModel
from bumphunt.scanning.bands import Band, band, band_between
from bumphunt.scanning.regions import ScanRegion
from bumphunt.scanning.sources import Sources
from workflows.config.coordinates import At
from workflows.config.records import ScanSetup
from workflows.config.regions import AnalysedRegion
from workflows.config.tasks import FitTask
from workflows.fitting.regions import scan_regions
from workflows.products.selected import FittedSignal, Selected, Unit, projected

__all__ = ["Group", "SeenSheet", "all_points", "between", "grouped", "neighbours", "see_sheet"]

Array = NDArray[np.float64]
Windows = tuple[tuple[int, int], ...]
"""Bins of a band along each other axis: the first, and the one behind the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenSheet:
    """The spectra of a sheet.

    Parameters
    ----------
    selected
        Them, with signals cut to their own bands: spectra of one axis.
    bands
        By unit, those along the other axes; empty for spectra of one axis.
    """

    selected: Selected
    bands: Mapping[str, tuple[Band, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Neighbouring hypotheses that see the same spectra.

    Parameters
    ----------
    masses
        Their masses [GeV].
    regions, sources
        What is fitted together, and what is uncertain.
    ends
        Lowest and highest mass in the band of each coordinate that has an axis [GeV]; of the first region.
    """

    masses: Array
    regions: Sequence[ScanRegion]
    sources: Sources
    ends: Mapping[str, tuple[float, float]]


def see_sheet(setup: ScanSetup, selected: Selected) -> SeenSheet:
    """Return the spectra of a sheet with signals in their own bands, and the bands.

    Parameters
    ----------
    setup
        How hypotheses are tested.
    selected
        The spectra, with the signals of one point of the other coordinates.

    Raises
    ------
    InputError
        If the bins along another axis are wider than the resolution, or no signal is on it: names region and axis.
    """
    regions = {region.name: region for region in setup.fits[0].regions}
    units, bands = [], {}
    for unit in selected.units:
        region = regions.get(unit.region)
        if region is None or not region.plan.others:
            units.append(unit)
            continue
        bands[unit.name], signals = _own_bands(region, unit, setup.band)
        units.append(replace(unit, signals=signals))
    return SeenSheet(selected=replace(selected, units=tuple(units)), bands=bands)


def _own_bands(
    region: AnalysedRegion, unit: Unit, half_width: float
) -> tuple[tuple[Band, ...], tuple[FittedSignal, ...]]:
    """Return the bands of a unit, one axis after the other, and its signals in their own.

    The band along an axis is that of what is in the bands of those before it, so that fractions multiply. Yields and
    efficiencies stay those of the whole signal.
    """
    masses, found = [signal.mass for signal in unit.signals], list[Band]()
    shapes = [signal.shape for signal in unit.signals]
    for place, (observable, edges) in enumerate(region.plan.others, 1):
        contents = [_along(shape, place, found, mass, half_width) for shape, mass in zip(shapes, masses, strict=True)]
        try:
            found.append(band(masses, edges, contents))
        except InputError as error:
            msg = f"region {region.name!r}, axis {observable!r}: {error}"
            raise InputError(msg) from None
    signals = []
    for signal in unit.signals:
        windows = tuple(one.window(signal.mass, half_width) for one in found)
        signals.append(
            replace(
                signal,
                shape=_inside(signal.shape, windows),
                selected=projected(signal.selected),
                moved={name: tuple(_inside(end, windows) for end in ends) for name, ends in signal.moved.items()},
            )
        )
    return tuple(found), tuple(signals)


def _along(shape: hist.Hist, place: int, before: Sequence[Band], mass: float, half_width: float) -> Array:
    """Return the contents along one axis of a signal, in its bands along those before it, shape (B,)."""
    windows = [slice(None), *(slice(*one.window(mass, half_width)) for one in before)]
    contents = shape.values()[tuple(windows)]
    return np.asarray(contents.sum(axis=tuple(axis for axis in range(contents.ndim) if axis != place)))


def _inside(spectrum: hist.Hist, windows: Windows) -> hist.Hist:
    """Return the spectrum of the first axis in bands along the others."""
    inside = (slice(None), *(slice(*window) for window in windows))
    rest = tuple(range(1, spectrum.ndim))
    data = [content[inside].sum(axis=rest) for content in (spectrum.values(), spectrum.variances())]
    return hist.Hist(spectrum.axes[0], storage=hist.storage.Weight(), data=np.stack(data, axis=-1))


def _cut(unit: Unit, windows: Windows) -> Unit:
    """Return a unit with data and backgrounds in bands."""
    return replace(
        unit,
        data=_inside(unit.data, windows),
        before={name: _inside(spectrum, windows) for name, spectrum in unit.before.items()},
        after={name: _inside(spectrum, windows) for name, spectrum in unit.after.items()},
        varied={
            source: {name: (_inside(up, windows), _inside(down, windows)) for name, (up, down) in samples.items()}
            for source, samples in unit.varied.items()
        },
    )


def all_points(setup: ScanSetup, seen: Mapping[At, SeenSheet]) -> list[At]:
    """Return the points of the other coordinates at which there are hypotheses, in order.

    Where one coordinate is searched between its simulated values, its steps along its axis are as those in mass: in
    units of the best resolution of both neighbours.

    Parameters
    ----------
    setup
        How hypotheses are tested.
    seen
        The spectra at the simulated points.
    """
    if not setup.masses.between:
        return list(setup.points)
    points = sorted(setup.points)
    axis = setup.fits[0].regions[0].definition.axes[0].axis
    found = points[:1]
    for before, after in pairwise(points):
        ((name, low),), ((_, high),) = before, after
        widths = [b.widths.min() for at in (before, after) for bands in seen[at].bands.values() for b in bands]
        first, last = (float(axis.position(value)) for value in (low, high))
        steps = int(np.ceil((last - first) / (setup.masses.step * min(widths))))
        inner = axis.mass(np.linspace(first, last, steps + 1))[1:-1]
        found += [*(((name, float(value)),) for value in inner), after]
    return found


def neighbours(points: Sequence[At], at: At) -> tuple[At, At] | None:
    """Return the simulated points on either side of another value of their one coordinate; None if it has none."""
    if len(at) != 1:
        return None
    below = [point for point in points if point < at]
    above = [point for point in points if point > at]
    return (max(below), min(above)) if below and above else None


def between(
    setup: ScanSetup, seen: Mapping[At, SeenSheet], models: Mapping[At, Mapping[str, PeakModel]], at: At
) -> tuple[SeenSheet, dict[str, PeakModel]]:
    """Return spectra and signal models at a value of the coordinate between two simulated ones.

    What sources of uncertainty do to the signal is that of the nearer one.

    Parameters
    ----------
    setup
        How hypotheses are tested.
    seen, models
        Spectra, and signal models by unit, at the simulated points on either side.
    at
        The value.

    Raises
    ------
    InputError
        If it is not between two simulated ones, or these have no masses in common.
    """
    beside = neighbours(list(seen), at)
    if beside is None:
        msg = f"{dict(at)} is not between simulated values"
        raise InputError(msg)
    low, high = beside
    axis = setup.fits[0].regions[0].definition.axes[0].axis
    share = (at[0][1] - low[0][1]) / (high[0][1] - low[0][1])
    first, last, here = (float(axis.position(point[0][1])) for point in (low, high, at))
    bands = {
        name: tuple(
            band_between(one, other, share, (first, last, here))
            for one, other in zip(own, seen[high].bands[name], strict=True)
        )
        for name, own in seen[low].bands.items()
    }
    made: dict[str, PeakModel] = {}
    for name, one in models[low].items():
        other = models[high][name]
        if isinstance(one, SignalModel) and isinstance(other, SignalModel):
            made[name] = model_between(one, other, share)
    return SeenSheet(selected=seen[low if share < 0.5 else high].selected, bands=bands), made


def grouped(
    setup: ScanSetup, task: FitTask, sheet: SeenSheet, signals: Mapping[str, PeakModel], masses: Array
) -> list[Group]:
    """Return hypotheses of a sheet by what they see, in order.

    Parameters
    ----------
    setup
        How hypotheses are tested.
    task
        Which fit.
    sheet
        The spectra.
    signals
        The signal models, by unit.
    masses
        The hypotheses [GeV], rising, shape (M,).
    """
    if not sheet.bands:
        regions, sources = scan_regions(setup, task, sheet.selected, signals)
        return [Group(masses=masses, regions=regions, sources=sources, ends={})]
    named = [unit.name for region in task.regions for unit in sheet.selected.of(region.name)]

    def seen(mass: float) -> dict[str, Windows]:
        return {name: tuple(one.window(mass, setup.band) for one in sheet.bands.get(name, ())) for name in named}

    every = [seen(mass) for mass in masses.tolist()]
    starts = [k for k in range(len(every)) if k == 0 or every[k] != every[k - 1]]
    found = []
    for start, stop in zip(starts, [*starts[1:], len(every)], strict=True):
        windows, some = every[start], masses[start:stop]
        units = [_cut(u, windows[u.name]) if windows.get(u.name) else u for u in sheet.selected.units]
        inside = {name: _fractions(sheet.bands[name], windows[name], some) for name in named if windows[name]}
        regions, sources = scan_regions(
            setup, task, replace(sheet.selected, units=tuple(units)), signals, masses=some, inside=inside
        )
        first = task.regions[0]
        found.append(Group(masses=some, regions=regions, sources=sources, ends=_ends(first, windows[named[0]])))
    return found


def _fractions(bands: Sequence[Band], windows: Windows, masses: Array) -> Array:
    """Return the fraction of the signal of some masses that is in bands, shape (M,)."""
    along = (
        np.array([one.fraction(mass, window) for mass in masses.tolist()])
        for one, window in zip(bands, windows, strict=True)
    )
    return reduce(np.multiply, along)


def _ends(region: AnalysedRegion, windows: Windows) -> dict[str, tuple[float, float]]:
    """Return the ends of bands in the mass of their coordinates [GeV]; negative for negative squares."""
    found = {}
    for axis, (_, edges), (first, stop) in zip(region.definition.axes, region.plan.others, windows, strict=True):
        low, high = axis.axis.signed_mass(edges[[first, stop]]).tolist()
        found[axis.coordinate] = (low, high)
    return found
