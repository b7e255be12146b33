"""The stage ``report``: every figure of an analysis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import hist
import numpy as np
from numpy.typing import NDArray

from bumphunt.cuts.table import CutTable
from bumphunt.models.given_signal import PeakModel
from bumphunt.models.signal import SignalModel, leave_one_out
from bumphunt.spectrum.histogram import add, rebin, window
from selections.search import PublishedLimit, SpectrumAxis
from workflows.config.coordinates import At, file_suffix, in_figures
from workflows.config.records import About, ReportSetup
from workflows.config.regions import AnalysedRegion
from workflows.config.tasks import FitTask
from workflows.figures.limits import limit_band, limit_curves, limit_points, p0_scan
from workflows.figures.maps import hypothesis_map
from workflows.figures.names import MERITS, SIGNS, observable_name, unit_in_figures
from workflows.figures.optimisation import classifier, cuts_against_mass, ranking
from workflows.figures.samples import SampleStyle, sample_styles
from workflows.figures.selection import n_minus_one
from workflows.figures.signal import closure, signal_parameters
from workflows.figures.spectra import data_spectrum, stacked_spectrum
from workflows.figures.style import Figure, logarithmic, save
from workflows.fitting.expectation import expected_error
from workflows.products.cut_tables import CLASSIFIER, RANKING, read_cuts, tables_by_region
from workflows.products.cut_values import CutValues, read_cut_values
from workflows.products.limit_table import LIMIT_TABLE, LIMITS, poor_fits
from workflows.products.processed import read_processed
from workflows.products.selected import Selected, Unit, projected, read_selected
from workflows.products.signal_models import FEWEST, read_signal_models
from workflows.provenance.settings import plain
from workflows.results import read_table
from workflows.stages.depends import factors, normalised, searched, shown
from workflows.stages.stage import Job, Stage

__all__ = ["STAGE", "Records", "draw"]

Array = NDArray[np.float64]
BINS = 100
"""Bins of the spectrum figure, about."""
CURVE_POINTS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What the figures show.

    Parameters
    ----------
    setup
        What they show beside the results.
    selected
        The spectra.
    cuts
        The optimised cuts by region; empty for none.
    rankings, classifiers
        Columns of the ranking of observables, and of the comparison with a classifier, by region; empty for none.
    cut_values
        The observables that are cut on, by region.
    signals
        The signal models after all cuts, by the other coordinates and by unit.
    limits
        Columns of the limit tables, by fit.
    """

    setup: ReportSetup
    selected: Selected
    cuts: Mapping[str, CutTable]
    rankings: Mapping[str, Mapping[str, NDArray[Any]]]
    classifiers: Mapping[str, Mapping[str, NDArray[Any]]]
    cut_values: Mapping[str, Sequence[CutValues]]
    signals: Mapping[At, Mapping[str, PeakModel]]
    limits: Sequence[tuple[FitTask, Mapping[str, NDArray[Any]]]]


def draw(records: Records, folder: Path) -> None:
    """Write all figures as PNG and PDF into `folder`."""
    styles = sample_styles(records.setup.processes)
    for region in records.setup.regions:
        name = region.file
        units = records.selected.of(region.name)
        save(_spectrum(records, region, units, styles), folder, name("spectrum"))
        for place, axis in enumerate(region.definition.axes, 1):
            figure = _spectrum(records, region, units, styles, place)
            save(figure, folder, name(f"spectrum_{axis.observable}"))
        if values := records.cut_values[region.name]:
            cuts = n_minus_one(values, styles=styles, label=_label(records, region.name))
            save(cuts, folder, name("n_minus_one"))
        if region.name in records.cuts:
            save(_cuts(records, region, units), folder, name("cuts"))
        if region.name in records.rankings:
            save(_ranking(records, region), folder, name("ranking"))
        if region.name in records.classifiers:
            save(_classifier(records, region), folder, name("classifier"))
        for unit, at in product(units, records.setup.points) if region.signal is not None else ():
            if records.signals[at][unit.name].masses.size == 1 or region.counts:
                continue  # there is nothing between masses to look at
            model, suffix = records.signals[at][unit.name], unit.name.removeprefix(region.name) + file_suffix(at)
            of_what = "simulated signals" if isinstance(model, SignalModel) else "signal"
            label = _joined(_searched(records, region, unit), _place(records, at), of_what)
            save(_signal(model, records.setup.about, label), folder, name("signal") + suffix)
            if isinstance(model, SignalModel) and model.masses.size >= FEWEST:
                save(_closure(model, records.setup.about, label), folder, name("signal_closure") + suffix)
    for task, limits in records.limits:
        if limits["n_obs"].size == len(records.setup.points):
            _draw_points(records, task, limits, folder)
            continue
        for at in records.setup.points:
            _draw_limits(records, task, _rows_at(limits, at), at, folder)
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


def _place(records: Records, at: At) -> str:
    """Return where the hypotheses of a figure lie beside their mass."""
    return in_figures(at, records.setup.about.search.coordinates)


def _joined(*parts: str) -> str:
    """Return the parts of a title that there are."""
    return ", ".join(part for part in parts if part)


def _mass_label(about: About) -> str:
    return rf"$m_{{{about.search.particle}}}$ [GeV]"


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
    label = _label(records, task.title if len(records.setup.fits) > 1 else "")
    method = f"{label}, {limits['cl'][0]:.0%} CL, " + ("expected" if about.blinded else "observed")
    draw = partial(
        hypothesis_map,
        limits["mass"],
        limits[axis.coordinate],
        xlabel=_mass_label(about),
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
    label = _joined(_label(records, task.title if len(records.setup.fits) > 1 else ""), f"{limits['cl'][0]:.0%} CL")
    if "mass" in limits and np.ptp(limits["mass"]) == 0.0:
        label = _joined(label, f"{limits['mass'][0]:.5g} GeV")
    for name, (quantity, axis) in _quantities(about, task).items():
        bands = np.stack([limits[f"{quantity}_ul_{limit}"] for limit in LIMITS], axis=-1)
        figure = limit_points(
            [_place(records, _point(limits, row, records.setup.points[0])) for row in range(len(bands))],
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


def _draw_limits(records: Records, task: FitTask, limits: Mapping[str, NDArray[Any]], at: At, folder: Path) -> None:
    """Write the figures of one fit at one point of the other coordinates."""
    about = records.setup.about
    label = _joined(_label(records, task.title if len(records.setup.fits) > 1 else ""), _place(records, at))
    masses, gaps = limits["mass"], _gaps(limits["mass"], records.setup.excluded)
    figure = p0_scan(
        np.insert(masses, gaps, np.nan),
        np.insert(limits["p0"], gaps, np.nan),
        label=label,
        xlabel=_mass_label(about),
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
            xlabel=_mass_label(about),
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
    label = _label(records, task.title if len(setup.fits) > 1 else "")
    for name, (quantity, axis) in _quantities(about, task).items():
        curves = {}
        for at in setup.points:
            rows = _rows_at(limits, at)
            gaps = _gaps(rows["mass"], setup.excluded)
            masses, expected, seen = (
                np.insert(rows[column], gaps, np.nan) for column in ("mass", f"{quantity}_ul_exp", f"{quantity}_ul_obs")
            )
            curves[_place(records, at)] = (masses, expected, seen)
        figure = limit_curves(
            curves,
            observed=not about.blinded,
            ylabel=axis,
            xlabel=_mass_label(about),
            label=f"{label}, {limits['cl'][0]:.0%} CL",
        )
        save(figure, folder, f"{task.file(name)}_compared")


def _gaps(masses: Array, excluded: Sequence[tuple[float, float]]) -> NDArray[np.int64]:
    """Return the positions before which a curve is interrupted: masses behind an interval that is not searched."""
    places = [int(np.searchsorted(masses, high)) for low, high in excluded if masses[0] < low and high < masses[-1]]
    return np.array(sorted(set(places)), dtype=np.int64)


def _label(records: Records, region: str) -> str:
    """Return what the data are."""
    setup, about = records.setup, records.setup.about
    kind = "pseudo-data" if about.pseudo else "data"
    marks = ["blinded"] * about.blinded + ["INCOMPLETE"] * (not records.selected.complete)
    regions = [r for r in setup.regions if r.name == region] or setup.fits[0].regions
    luminosity = records.selected.luminosity(regions)
    data = kind if luminosity is None else f"{kind} {luminosity:.3g} fb$^{{-1}}$"
    if about.parents and luminosity is not None:
        data = f"{kind}, {luminosity / 1e6:.4g} M parents"
    several = [region] * (region != "" and len(setup.regions) > 1)
    name = about.search.name
    return ", ".join([f"bumphunt, {name}", *several, data, *marks])


def _coarse(spectrum: hist.Hist, low: float, high: float, axis: int = 0) -> hist.Hist:
    """Return a spectrum along one of its axes with bins for the eye, from `low` to `high` in the unit of that."""
    spectrum = projected(spectrum, axis)
    centres, edges = spectrum.axes[0].centers, spectrum.axes[0].edges
    inside = int(np.count_nonzero((centres >= low) & (centres < high)))
    return window(rebin(spectrum, max(1, inside // BINS)), max(low, float(edges[0])), min(high, float(edges[-1])))


def _spectrum(
    records: Records, region: AnalysedRegion, units: Sequence[Unit], styles: Mapping[str, SampleStyle], place: int = 0
) -> Figure:
    """Return the stacked spectrum of a region with the data, along one of its axes."""
    setup, axis, searched, edges = records.setup, region.axis, region.searched, region.edges
    if place > 0:
        axis, edges = region.definition.axes[place - 1].axis, region.plan.others[place - 1][1]
        # what is hidden is hidden along the first axis, and so along all of this one
        searched = (-np.inf, np.inf) if searched is not None else None
    low, high = float(edges[0]), float(edges[-1])
    if searched is not None:
        high = min(high, 1.1 * searched[1])
    view = partial(_coarse, low=low, high=high, axis=place)
    backgrounds = {name: view(add(unit.after[name] for unit in units)) for name in units[0].after}
    data = view(add(unit.data for unit in units))
    shown = data.axes[0].edges
    hidden = np.full(shown.size - 1, fill_value=False)
    if setup.about.blinded and searched is not None:
        hidden = (shown[1:] > searched[0]) & (shown[:-1] < searched[1])
    seen, label = np.where(hidden, np.nan, data.values()), _label(records, region.name)
    if not backgrounds:
        return data_spectrum(shown, seen, label=label, xlabel=axis.label, unit=axis.unit)
    return stacked_spectrum(
        shown,
        {name: spectrum.values() for name, spectrum in backgrounds.items()},
        expected_error(
            units,
            view,
            normalisations=setup.uncertainties,
            luminosity=setup.luminosity_uncertainty,
            sources=setup.sources,
        ),
        styles=styles,
        data=seen,
        label=label,
        xlabel=axis.label,
        unit=axis.unit,
    )


def _signal(model: PeakModel, about: About, label: str) -> Figure:
    """Return efficiency and resolution against mass."""
    low, high = model.masses[0], model.masses[-1]
    spaced = np.geomspace if logarithmic(model.masses) else np.linspace
    fine = np.union1d(spaced(low, high, CURVE_POINTS), model.masses)
    axis = model.axis
    simulated = isinstance(model, SignalModel)
    relative = np.zeros(model.masses.size)
    if isinstance(model, SignalModel):
        relative = model.errors[:, 1] / model.parameters[:, 1]
    band = np.interp(fine, model.masses, relative)
    mass = "M" if axis.kind == "reduced" else axis.symbol
    quantities: dict[str, Callable[[Array], Array]] = {
        rf"$\sigma({mass})$ [MeV]": lambda m: 1e3 * model.mass_resolution(m)
    }
    if axis.kind != "mass":
        quantities[rf"$\sigma$({axis.label.split(' [')[0]}) [{unit_in_figures(axis.unit)}]"] = model.resolution
    points = {"efficiency": (model.efficiencies, model.efficiency_error(model.masses))}
    curves = {"efficiency": (model.efficiency(fine), model.efficiency_error(fine))}
    for name, quantity in quantities.items():
        points[name] = (quantity(model.masses), relative * quantity(model.masses))
        curves[name] = (quantity(fine), band * quantity(fine))
    known = model.masses if simulated else model.masses[:0]  # nothing was simulated: curves alone
    points = {name: (values[: known.size], errors[: known.size]) for name, (values, errors) in points.items()}
    return signal_parameters(known, points, fine, curves, label=label, xlabel=_mass_label(about))


def _closure(model: SignalModel, about: About, label: str) -> Figure:
    """Return the closure of the interpolation of resolution and efficiency."""
    result = leave_one_out(model)
    shown = {}
    for name in ("resolution", "efficiency"):
        i = result.names.index(name)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = result.fitted[:, i] / result.interpolated[:, i]
            shown[name] = (ratio, result.errors[:, i] / result.interpolated[:, i])
    return closure(result.masses, shown, label=f"{label}; each left out", xlabel=_mass_label(about))


def _cuts(records: Records, region: AnalysedRegion, parts: Sequence[Unit]) -> Figure:
    """Return the cuts of a region against mass, with the background before and after."""
    cuts = records.cuts[region.name]
    mass_edges = region.axis.mass(cuts.edges)
    units = {axis.name: axis.unit for axis in region.signal.veto} if region.signal is not None else {}
    bounds = {
        f"{observable_name(name)} {SIGNS[side]}": (unit_in_figures(units[name]), cuts.bounds[:, i])
        for i, (name, side) in enumerate(zip(cuts.names, cuts.sides, strict=True))
    }
    merit = {"half that chose the cuts": cuts.merit_choosing, "other half": cuts.merit_quoting}
    counts = {}
    for name in ("before", "after"):
        total = projected(add(spectrum for unit in parts for spectrum in getattr(unit, name).values()))
        inside = np.digitize(total.axes[0].centers, cuts.edges) - 1
        keep = (inside >= 0) & (inside < cuts.edges.size - 1)
        binned = np.bincount(inside[keep], total.values()[keep], minlength=cuts.edges.size - 1)
        counts[f"{name} these cuts"] = binned.astype(np.float64)
    return cuts_against_mass(
        mass_edges,
        cuts.masses,
        bounds,
        merit,
        counts,
        smooth=cuts.smooth,
        merit_label="figure of merit" if records.setup.merit is None else MERITS[records.setup.merit],
        label=f"bumphunt, {_name(records, region)}, cuts in bins of mass",
        xlabel=_mass_label(records.setup.about),
    )


def _ranking(records: Records, region: AnalysedRegion) -> Figure:
    """Return the ranking of the observables of a region."""
    columns = records.rankings[region.name]
    bounds = list(dict.fromkeys(zip(columns["observable"], columns["side"], strict=True)))
    masses = np.array(list(dict.fromkeys(columns["mass"])))
    values = np.asarray(columns["separation"], dtype=np.float64)
    return ranking(
        region.axis.mass(records.cuts[region.name].edges),
        bounds,
        values.reshape(masses.size, len(bounds)),
        label=f"bumphunt, {_name(records, region)}, separation of signal and background",
        xlabel=_mass_label(records.setup.about),
    )


def _classifier(records: Records, region: AnalysedRegion) -> Figure:
    """Return the comparison of cuts and classifier in a region."""
    columns = records.classifiers[region.name]
    limits = {
        name: np.asarray(columns[f"limit_{key}"], dtype=np.float64)
        for name, key in (("cuts", "cuts"), ("boosted trees", "classifier"))
    }
    return classifier(
        columns["mass"],
        limits,
        label=f"bumphunt, {_name(records, region)}, cuts and classifier",
        xlabel=_mass_label(records.setup.about),
    )


def _searched(records: Records, region: AnalysedRegion, unit: Unit) -> str:
    """Return the search, the region, and the slice of it."""
    found = f"bumphunt, {_name(records, region)}"
    if region.plan.slices is None:
        return found
    observable, edges = region.plan.slices
    low, high = edges[region.units.index(unit.name) :][:2]
    return f"{found}, {observable_name(observable)} {low:g} to {high:g}"


def _name(records: Records, region: AnalysedRegion) -> str:
    """Return the search and the region."""
    several = len(records.setup.regions) > 1
    return records.setup.about.search.name + (f", {region.name}" if several else "")


def _make(job: Job, folder: Path) -> None:
    setup, cuts = job.analysis.report, job.of("optimise")
    luminosity, applied = setup.about.luminosity, job.analysis.sections.factors
    processed = read_processed(job.of("process"), data_luminosity=luminosity, factors=applied)
    optimised = setup.regions if job.analysis.optimisation is not None else ()
    records = Records(
        setup=setup,
        selected=read_selected(job.of("spectra")),
        cuts=read_cuts(cuts, optimised),
        rankings=tables_by_region(cuts, optimised, RANKING),
        classifiers=tables_by_region(cuts, optimised, CLASSIFIER),
        cut_values={
            region.name: read_cut_values(processed, job.inputs, region, blinded=setup.about.blinded)
            for region in setup.regions
        },
        signals={at: read_signal_models(job.of("scan"), at) for at in setup.points},
        limits=[(task, read_table(job.of("limits"), task.file(LIMIT_TABLE))) for task in setup.fits],
    )
    draw(records, folder)


def _depends(job: Job) -> Mapping[str, object]:
    """Return what the figures show beside the results."""
    setup = job.analysis.report
    return {
        **shown(job),
        "normalised": {**normalised(job), "factors": factors(job, uncertainties=False)},
        "search": {**searched(setup.regions), "exclude": plain(setup.excluded)},
        "fits": {task.title: task.combined for task in setup.fits},
        "samples": {name: {"uncertainty": value} for name, value in setup.uncertainties.items()},
        "luminosity_uncertainty": setup.luminosity_uncertainty,
        "processes": [[name, process] for name, process in setup.processes.items()],  # their order is that of colours
        "systematics": {source.name: plain(source) for source in setup.sources},
        "optimise": {"figure_of_merit": setup.merit},
    }


STAGE = Stage(
    name="report",
    needs=("process", "optimise", "spectra", "scan", "limits"),
    depends=_depends,
    files=("search", "model"),
    make=_make,
)
