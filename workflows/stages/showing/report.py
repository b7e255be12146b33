"""The stage ``report``: every figure of an analysis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path

import hist
import numpy as np
from numpy.typing import NDArray

from bumphunt.models.given_signal import PeakModel
from bumphunt.models.signal import SignalModel, leave_one_out
from bumphunt.spectrum.histogram import add, rebin, window
from workflows.config.coordinates import file_suffix
from workflows.config.records import About
from workflows.config.regions import AnalysedRegion
from workflows.figures.names import MERITS, SIGNS, observable_name, unit_in_figures
from workflows.figures.optimisation import classifier, cuts_against_mass, ranking
from workflows.figures.samples import SampleStyle, sample_styles
from workflows.figures.selection import n_minus_one
from workflows.figures.signal import closure, signal_parameters
from workflows.figures.spectra import data_spectrum, stacked_spectrum
from workflows.figures.style import Figure, logarithmic, save
from workflows.fitting.expectation import expected_error
from workflows.products.cut_tables import CLASSIFIER, RANKING, read_cuts, tables_by_region
from workflows.products.cut_values import read_cut_values
from workflows.products.limit_table import LIMIT_TABLE
from workflows.products.processed import read_processed
from workflows.products.selected import Unit, projected, read_selected
from workflows.products.signal_models import FEWEST, read_signal_models
from workflows.provenance.settings import plain
from workflows.results import read_table
from workflows.stages.depends import factors, normalised, searched, shown
from workflows.stages.showing.limit_figures import draw_limits
from workflows.stages.showing.records import Records, data_label, joined, mass_label, place_of
from workflows.stages.stage import Job, Stage

__all__ = ["STAGE", "draw"]

Array = NDArray[np.float64]
BINS = 100
"""Bins of the spectrum figure, about."""
CURVE_POINTS = 400


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
            cuts = n_minus_one(values, styles=styles, label=data_label(records, region.name))
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
            label = joined(_searched(records, region, unit), place_of(records, at), of_what)
            save(_signal(model, records.setup.about, label), folder, name("signal") + suffix)
            if isinstance(model, SignalModel) and model.masses.size >= FEWEST:
                save(_closure(model, records.setup.about, label), folder, name("signal_closure") + suffix)
    draw_limits(records, folder)


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
    seen, label = np.where(hidden, np.nan, data.values()), data_label(records, region.name)
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
    return signal_parameters(known, points, fine, curves, label=label, xlabel=mass_label(about))


def _closure(model: SignalModel, about: About, label: str) -> Figure:
    """Return the closure of the interpolation of resolution and efficiency."""
    result = leave_one_out(model)
    shown = {}
    for name in ("resolution", "efficiency"):
        i = result.names.index(name)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = result.fitted[:, i] / result.interpolated[:, i]
            shown[name] = (ratio, result.errors[:, i] / result.interpolated[:, i])
    return closure(result.masses, shown, label=f"{label}; each left out", xlabel=mass_label(about))


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
        xlabel=mass_label(records.setup.about),
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
        xlabel=mass_label(records.setup.about),
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
        xlabel=mass_label(records.setup.about),
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
