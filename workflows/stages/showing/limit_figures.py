"""Figures of the limit tables: p-values, limits, and both where hypotheses have more than a mass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selections.search import PublishedLimit, SpectrumAxis
from workflows.config.coordinates import At, file_suffix
from workflows.config.records import About
from workflows.config.tasks import FitTask
from workflows.figures.limits import limit_band, limit_curves, limit_points, p0_scan
from workflows.figures.maps import hypothesis_map
from workflows.figures.style import save
from workflows.products.limit_table import LIMITS, poor_fits
from workflows.stages.showing.records import Records, data_label, joined, mass_label, place_of

__all__ = ["draw_limits"]

Array = NDArray[np.float64]


def draw_limits(records: Records, folder: Path) -> None:
    """Write the figures of all limit tables as PNG and PDF into `folder`."""
    for task, limits in records.limits:
        if limits["n_obs"].size == len(records.setup.points):
            _draw_points(records, task, limits, folder)
            continue
        for at in records.setup.points:
            _draw_curves(records, task, _rows_at(limits, at), at, folder)
        for axis in task.regions[0].definition.axes:
            _draw_maps(records, task, limits, axis, folder)
        if len(records.setup.points) > 1:
            _compare_limits(records, task, limits, folder)


def _rows_at(limits: Mapping[str, NDArray[Any]], at: At) -> dict[str, NDArray[Any]]:
    """Return the rows of a limit table at one point of the other coordinates."""
    here = np.ones(limits["n_obs"].shape, dtype=np.bool_)
    for name, value in at:
        here &= limits[name] == value
    return {name: column[here] for name, column in limits.items()}


def _draw_maps(
    records: Records, task: FitTask, limits: Mapping[str, NDArray[Any]], axis: SpectrumAxis, folder: Path
) -> None:
    """Write the maps of one fit against the mass and the coordinate of another axis: p-values, and limits.

    With more coordinates there are several hypotheses at a place, and no map.
    """
    about = records.setup.about
    if len(about.search.coordinates) > 1:
        return
    (coordinate,) = about.search.coordinates
    label = data_label(records, task.title if len(records.setup.fits) > 1 else "")
    method = f"{label}, {limits['cl'][0]:.0%} CL, " + ("expected" if about.blinded else "observed")
    draw = partial(
        hypothesis_map,
        limits["mass"],
        limits[axis.coordinate],
        xlabel=mass_label(about),
        ylabel=f"${coordinate.symbol}$ [{coordinate.unit}]",
    )
    if not about.blinded:
        figure = draw(limits["p0"], quantity="local $p_0$", label=label, p_value=True)
        save(figure, folder, task.file("p0_map"))
    for name, (quantity, what) in _quantities(about, task).items():
        values = limits[f"{quantity}_ul_{'exp' if about.blinded else 'obs'}"]
        save(draw(values, quantity=f"upper limit: {what}", label=method), folder, task.file(f"{name}_map"))


def _draw_points(records: Records, task: FitTask, limits: Mapping[str, NDArray[Any]], folder: Path) -> None:
    """Write the figures of one fit with one hypothesis at each point of the other coordinates, or one in all."""
    about = records.setup.about
    label = joined(data_label(records, task.title if len(records.setup.fits) > 1 else ""), f"{limits['cl'][0]:.0%} CL")
    if "mass" in limits and np.ptp(limits["mass"]) == 0.0:
        label = joined(label, f"{limits['mass'][0]:.5g} GeV")
    for name, (quantity, axis) in _quantities(about, task).items():
        bands = np.stack([limits[f"{quantity}_ul_{limit}"] for limit in LIMITS], axis=-1)
        figure = limit_points(
            [place_of(records, _point(limits, row, records.setup.points[0])) for row in range(len(bands))],
            bands[:, 1:],
            None if about.blinded else bands[:, 0],
            quantity=axis,
            label=label,
            p0=None if about.blinded else limits["p0"],
        )
        save(figure, folder, task.file(name))


def _point(limits: Mapping[str, NDArray[Any]], row: int, like: At) -> At:
    """Return the other coordinates of a row."""
    return tuple((name, float(limits[name][row])) for name, _ in like)


def _draw_curves(records: Records, task: FitTask, limits: Mapping[str, NDArray[Any]], at: At, folder: Path) -> None:
    """Write the figures of one fit at one point of the other coordinates."""
    about = records.setup.about
    label = joined(data_label(records, task.title if len(records.setup.fits) > 1 else ""), place_of(records, at))
    masses, gaps = limits["mass"], _gaps(limits["mass"], records.setup.excluded)
    figure = p0_scan(
        np.insert(masses, gaps, np.nan),
        np.insert(limits["p0"], gaps, np.nan),
        label=label,
        xlabel=mass_label(about),
        injected=about.injected,
        poor=np.insert(poor_fits(limits), gaps, False),
    )
    save(figure, folder, task.file("p0") + file_suffix(at))
    method = f"{label}, {limits['cl'][0]:.0%} CL"
    for name, (quantity, axis) in _quantities(about, task).items():
        reference = _published(about, quantity)
        bands = np.stack([limits[f"{quantity}_ul_{limit}"] for limit in LIMITS], axis=-1)
        bands = np.insert(bands, gaps, np.nan, axis=0)
        figure = limit_band(
            np.insert(masses, gaps, np.nan),
            bands[:, 1:],
            None if about.blinded else bands[:, 0],
            ylabel=axis,
            xlabel=mass_label(about),
            label=method,
            published=None
            if reference is None
            else (reference.label, np.array(reference.masses), np.array(reference.couplings)),
        )
        save(figure, folder, task.file(name) + file_suffix(at))


def _quantities(about: About, task: FitTask) -> dict[str, tuple[str, str]]:
    """Return what limits are drawn of: by name of the figure, the columns and the label of the axis."""
    if about.luminosity is None:
        return {"limit_yield": ("n_sig", "signal events")}
    rate = f"${task.cross_section(about.search, absolute=about.absolute, parents=about.parents)}$"
    found = {"limit_cross_section": ("xsec", f"{rate} [fb]")}
    if about.parents:
        found = {"limit_branching_fraction": ("br", rate)}
    if about.model is not None:
        readings = task.readings(about.model)
        meaning = f", {readings[0].label}" if readings else ""
        found["limit_coupling"] = ("coupling", about.model.coupling + meaning)
        for reading in readings[1:]:
            found[f"limit_{reading.column}"] = (reading.column, f"{about.model.coupling}, {reading.label}")
    return found


def _published(about: About, quantity: str) -> PublishedLimit | None:
    """Return the published limit on a coupling: that of its model, in its reading."""
    model, known = about.model, about.search.published
    if known is None or model is None or about.search.model is None or model.reference != about.search.model.reference:
        return None
    drawn = {reading.column: reading.name for reading in model.readings[1:]}
    drawn["coupling"] = model.readings[0].name if model.readings else ""
    return known if drawn.get(quantity) == known.reading else None


def _compare_limits(records: Records, task: FitTask, limits: Mapping[str, NDArray[Any]], folder: Path) -> None:
    """Write the figures of the limits of one fit at all points of the other coordinates."""
    setup, about = records.setup, records.setup.about
    label = data_label(records, task.title if len(setup.fits) > 1 else "")
    for name, (quantity, axis) in _quantities(about, task).items():
        curves = {}
        for at in setup.points:
            rows = _rows_at(limits, at)
            gaps = _gaps(rows["mass"], setup.excluded)
            masses, expected, seen = (
                np.insert(rows[column], gaps, np.nan) for column in ("mass", f"{quantity}_ul_exp", f"{quantity}_ul_obs")
            )
            curves[place_of(records, at)] = (masses, expected, seen)
        figure = limit_curves(
            curves,
            observed=not about.blinded,
            ylabel=axis,
            xlabel=mass_label(about),
            label=f"{label}, {limits['cl'][0]:.0%} CL",
        )
        save(figure, folder, f"{task.file(name)}_compared")


def _gaps(masses: Array, excluded: Sequence[tuple[float, float]]) -> NDArray[np.int64]:
    """Return the positions before which a curve is interrupted: masses behind an interval that is not searched."""
    places = [int(np.searchsorted(masses, high)) for low, high in excluded if masses[0] < low and high < masses[-1]]
    return np.array(sorted(set(places)), dtype=np.int64)
