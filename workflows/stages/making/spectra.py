"""The stage ``spectra``: events that pass the optimised cuts, at the luminosity of the data.

``spectra.root`` holds, for every region (and every slice of it, ``region_0``, ``region_1``, ...) and every sample, the
histograms ``before`` and ``after`` the optimised cuts, ``after_X_up`` and ``after_X_down`` for every variation X, and
of a signal the ``shape``, for which all events count. Simulated spectra are those of the half of the events that did
not choose the cuts, counted twice. Pseudo-data that are drawn from the expectation are there ``after`` the cuts only.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hist
import numpy as np
import uproot
from numpy.typing import NDArray
from scipy.stats import chi2

from bumphunt.cuts.tensor import QUOTING
from bumphunt.errors import FitError, InputError
from bumphunt.models.shape_fit import fit_shapes
from bumphunt.models.signal import SignalModel, signal_model
from bumphunt.spectrum.histogram import add
from bumphunt.spectrum.smooth import smooth_spectrum
from selections.cuts import cutflow_columns
from selections.search import Region
from workflows.config.analysis import DATA, Analysis
from workflows.reading.events import optimised_step, spectra_of
from workflows.reading.spectra import spectrum_of, variations
from workflows.results import read_json, write_csv, write_json
from workflows.stages.making.check import Sample
from workflows.stages.making.optimise import read_cuts
from workflows.stages.making.process import Processed, Progress, read_processed, region_plan

__all__ = ["FittedSignal", "Selected", "Unit", "fit_signal", "make_spectra", "read_selected", "unit_names"]

logger = logging.getLogger(__name__)

SPECTRA = "spectra.root"
UNITS = "spectra.json"
EXPECTATION_STREAM = 0xDA7A
"""Tells the random numbers of pseudo-data that are drawn from an expectation from others of the same seed."""
UNLIKELY = 1e-3
"""Probability of a chi^2 below which the simulation contradicts a smooth curve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedSignal:
    """The selected spectra of one simulated mass.

    Parameters
    ----------
    mass
        Simulated mass [GeV].
    shape
        Spectrum to fit the shape to: all selected events, since no cut was chosen by the shape.
    selected
        Selected events that count for the efficiency, in the same unit as `generated`.
    generated
        Sum of weights before any selection.
    varied
        By source of uncertainty, the relative change of the selected events with the source up and down.
    """

    mass: float
    shape: hist.Hist
    selected: hist.Hist
    generated: float
    varied: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """The spectra of a region, or of one slice of it: what is fitted with one background.

    Parameters
    ----------
    name
        Name of the unit: of the region, and the number of the slice.
    region
        Name of the region.
    data
        Observed spectrum after all cuts.
    before, after
        Backgrounds at the luminosity of the data, before and after the optimised cuts, by sample.
    varied
        By source of uncertainty and sample, `after` with the source up and down.
    signals
        The simulated signals after all cuts.
    """

    name: str
    region: str
    data: hist.Hist
    before: Mapping[str, hist.Hist]
    after: Mapping[str, hist.Hist]
    varied: Mapping[str, Mapping[str, tuple[hist.Hist, hist.Hist]]]
    signals: tuple[FittedSignal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """The selected spectra of an analysis.

    Parameters
    ----------
    units
        By region and slice, in the order of the search.
    luminosities
        Luminosity of the data that were read [fb^-1], by region: they differ where some ntuples are incomplete.
    complete
        Whether every row of every file was read.
    """

    units: tuple[Unit, ...]
    luminosities: Mapping[str, float]
    complete: bool

    def luminosity(self, regions: Sequence[Region]) -> float:
        """Return the luminosity [fb^-1] that limits of regions refer to: the largest of theirs."""
        return max(self.luminosities[region.name] for region in regions)

    def of(self, region: str) -> tuple[Unit, ...]:
        """Return the units of a region."""
        return tuple(unit for unit in self.units if unit.region == region)


def unit_names(config: Analysis, region: Region) -> tuple[str, ...]:
    """Return the names of the units of a region: its own, or one for each slice."""
    slices = config.fit.slices
    if slices is None or region.role != "signal":
        return (region.name,)
    return tuple(f"{region.name}_{i}" for i in range(len(slices.edges) - 1))


def make_spectra(
    inputs: Sequence[Sample], config: Analysis, process: Path, cuts: Path | None, folder: Path, *, progress: Progress
) -> None:
    """Write the selected spectra (``spectra.root``) and the cutflow with the optimised cuts (``cutflow.csv``).

    Parameters
    ----------
    inputs
        The samples.
    config
        The analysis.
    process
        Folder of the stage ``process``.
    cuts
        Folder of the cut tables; None for none.
    folder
        Where the files go.
    progress
        Called after each sample.
    """
    processed = read_processed(config, process)
    record: dict[str, dict[str, Any]] = {}
    steps = [(region, sample) for region in config.region_records for sample in inputs if region.name in sample.regions]
    cutflows = {name: dict(flows) for name, flows in processed.cutflows.items()}
    with uproot.recreate(folder / SPECTRA) as file:
        for done, (region, sample) in enumerate(steps):
            table = None if cuts is None or region.role != "signal" else read_cuts(cuts, config, region)
            before = after = processed.spectra(region.name, sample.name)
            if table is not None:
                after = spectra_of(processed.events, sample.name, region_plan(config, region), table=table)
                flow = cutflows[region.name][sample.name]
                step = optimised_step(processed.events, sample.name, region.name, table=table)
                cutflows[region.name][sample.name] = flow.then(step)
            varied = variations(after)[1:]
            half = None if sample.kind == "data" or table is None else QUOTING
            factor = processed.factor(region.name, sample)
            for piece, unit in enumerate(unit_names(config, region)):
                found = {
                    "before": spectrum_of(before, half=half, piece=piece),
                    "after": spectrum_of(after, half=half, piece=piece),
                }
                found |= {f"after_{name}": spectrum_of(after, name, half=half, piece=piece) for name in varied}
                found = {name: spectrum * factor for name, spectrum in found.items()}
                fit = {}
                if sample.kind == "background":
                    curves = {name: _smoothed(config, sample.name, spectrum) for name, spectrum in found.items()}
                    found, fit = {name: spectrum for name, (spectrum, _) in curves.items()}, curves["after"][1]
                elif sample.kind == "signal":
                    found["shape"] = spectrum_of(after, piece=piece)
                for name, spectrum in found.items():
                    file[f"{unit}/{sample.name}/{name}"] = spectrum
                entry = {
                    "kind": sample.kind,
                    "mass": sample.mass,
                    "generated": processed.generated(region.name, sample.name) if sample.kind == "signal" else None,
                    "variations": varied,
                    "events_after": float(found["after"].values().sum()),
                    "events_after_error": float(np.sqrt(found["after"].variances().sum())),
                    **fit,
                }
                record.setdefault(unit, {"region": region.name, "samples": {}})["samples"][sample.name] = entry
            progress("spectra", done + 1, len(steps))
    if config.data.drawn_from_expectation:
        _draw_data(processed, record, folder)
    for region in config.region_records:
        columns = cutflow_columns(cutflows[region.name])
        write_csv(folder / f"{config.region_file('cutflow', region)}.csv", columns)
    luminosities = {region.name: processed.luminosity(region.name) for region in config.region_records}
    write_json(folder / UNITS, {"units": record, "data_luminosity": luminosities, "complete": processed.complete})


def _smoothed(config: Analysis, sample: str, spectrum: hist.Hist) -> tuple[hist.Hist, dict[str, float]]:
    """Return the spectrum of a background, or the smooth curve through it where the YAML asks for one, and its chi^2.

    A curve that the simulated events contradict is told of by a warning.

    Raises
    ------
    InputError
        If no curve can be found; names the sample.
    """
    smooth = config.samples[sample].smooth
    if smooth is None:
        return spectrum, {}
    try:
        edges = spectrum.axes[0].edges
        found = smooth_spectrum(spectrum.values(), spectrum.variances(), edges, **smooth.model_dump())
    except (InputError, FitError) as error:
        msg = f"samples.{sample}.smooth: {error}"
        raise InputError(msg) from None
    dof = found.degrees_of_freedom
    if dof > 0 and chi2.sf(found.chi2, dof) < UNLIKELY:
        msg = f"samples.{sample}.smooth: chi^2 = {found.chi2:.1f} for {dof} degrees of freedom; want more knots"
        logger.warning(msg)
    return _with_contents(spectrum, found.expected, found.variance), {
        "smooth_chi2": found.chi2,
        "smooth_degrees_of_freedom": dof,
    }


def _draw_data(processed: Processed, record: dict[str, dict[str, Any]], folder: Path) -> None:
    """Add pseudo-data to the spectra: a Poisson number in each bin, from backgrounds and injected signals."""
    config, path, drawn = processed.config, folder / SPECTRA, {}
    with uproot.open(path) as file:
        for number, (unit, content) in enumerate(record.items()):
            kinds = {name: entry["kind"] for name, entry in content["samples"].items()}
            names = [name for name, kind in kinds.items() if kind == "background"]
            spectra = [_read(file, unit, name, "after") for name in names]
            spectra += _injected(processed, file, unit, content["region"])
            expected = add(spectra)
            rng = np.random.default_rng(np.random.SeedSequence([config.seed, EXPECTATION_STREAM, number]))
            counts = rng.poisson(expected.values()).astype(np.float64)
            drawn[unit] = _with_contents(expected, counts, counts)
    with uproot.update(path) as file:
        for unit, spectrum in drawn.items():
            file[f"{unit}/{DATA}/after"] = spectrum


def _injected(processed: Processed, file: Any, unit: str, name: str) -> list[hist.Hist]:
    """Return the expected spectra of the injected signals in a unit of a region."""
    found = []
    config = processed.config
    model = config.coupling_model
    for injection in config.data.simulate.inject if config.data.simulate is not None else ():
        for region, process in config.injected(injection):
            if region.name == name:
                made = process.complete(config.signal_parameters(injection.mass))
                power = 2.0 if model is None else model.power
                strength = (injection.coupling / float(made["coupling"])) ** power * process.branching_ratio(made)
                sample = config.signal_name(region, injection.mass)
                strength /= processed.fraction(name, sample)  # weights are those of all rows
                found.append(_read(file, unit, sample, "after") * strength)
    return found


def _read(file: Any, *path: str) -> hist.Hist:
    """Return a spectrum of an open file: ROOT has the name of its axis as a label only."""
    stored = file["/".join(path)].to_hist()
    axis = hist.axis.Variable(stored.axes[0].edges, name=stored.axes[0].label)
    return hist.Hist(axis, storage=hist.storage.Weight(), data=stored.view(flow=True))


def _with_contents(spectrum: hist.Hist, counts: NDArray[np.float64], variances: NDArray[np.float64]) -> hist.Hist:
    """Return a spectrum in the bins of another, without what lies outside of them."""
    data = np.stack([counts, variances], axis=-1)
    return hist.Hist(*spectrum.axes, storage=hist.storage.Weight(), data=data)


def read_selected(folder: Path) -> Selected:
    """Return the spectra that `make_spectra` wrote.

    Raises
    ------
    BumphuntError
        If they cannot be read.
    """
    content = read_json(folder / UNITS)
    with uproot.open(folder / SPECTRA) as file:
        units = []
        for name, unit in content["units"].items():
            record = unit["samples"]
            kinds = {
                kind: [s for s, entry in record.items() if entry["kind"] == kind] for kind in ("background", "signal")
            }
            after = {s: _read(file, name, s, "after") for s in kinds["background"]}
            varied: dict[str, dict[str, tuple[hist.Hist, hist.Hist]]] = {}
            for s in kinds["background"]:
                for source in _sources(record[s]["variations"]):
                    pair = (_read(file, name, s, f"after_{source}_up"), _read(file, name, s, f"after_{source}_down"))
                    varied.setdefault(source, {})[s] = pair
            signals = []
            for s in kinds["signal"]:
                selected = _read(file, name, s, "after")
                total = selected.values().sum()
                changes = {
                    source: tuple(
                        _read(file, name, s, f"after_{source}_{way}").values().sum() / total - 1 if total > 0 else 0.0
                        for way in ("up", "down")
                    )
                    for source in _sources(record[s]["variations"])
                }
                signals.append(
                    FittedSignal(
                        mass=record[s]["mass"],
                        shape=_read(file, name, s, "shape"),
                        selected=selected,
                        generated=record[s]["generated"],
                        varied=changes,  # type: ignore[arg-type]
                    )
                )
            units.append(
                Unit(
                    name=name,
                    region=unit["region"],
                    data=_read(file, name, DATA, "after"),
                    before={s: _read(file, name, s, "before") for s in kinds["background"]},
                    after=after,
                    varied=varied,
                    signals=tuple(signals),
                )
            )
    return Selected(units=tuple(units), luminosities=content["data_luminosity"], complete=content["complete"])


def _sources(variations: list[str]) -> list[str]:
    """Return the names of the sources of variations that are called ``X_up`` and ``X_down``."""
    return list(dict.fromkeys(name.rpartition("_")[0] for name in variations))


def fit_signal(
    config: Analysis, region: Region, points: tuple[FittedSignal, ...], *, progress: Progress
) -> SignalModel:
    """Return shape, resolution and efficiency of a region or slice as functions of mass.

    Parameters
    ----------
    config
        The analysis.
    region
        The region, for axis and tail of the peak.
    points
        The simulated masses.
    progress
        Called after each fit.

    Raises
    ------
    InputError
        If a mass has too few events for its shape, or its fit does not converge.
    """
    try:
        fits = fit_shapes(
            [(p.mass, p.shape.axes[0].edges, p.shape.values(), p.shape.variances()) for p in points],
            axis=config.axis(region),
            tail=region.tail,
            progress=lambda done, total: progress(f"signal shapes {region.name}", done, total),
        )
    except InputError as error:
        msg = f"region {region.name!r}: {error}"
        raise InputError(msg) from None
    efficiencies = [float(point.selected.values().sum()) / point.generated for point in points]
    errors = [float(np.sqrt(point.selected.variances().sum())) / point.generated for point in points]
    return signal_model(fits, efficiencies, errors)
