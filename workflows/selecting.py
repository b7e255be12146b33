"""The stages from ntuples to spectra: tensors before the optimised cuts, the cuts, and the spectra after them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import hist
import numpy as np
import uproot

from bumphunt.cut_table import CutTable
from bumphunt.errors import ConfigError, InputError, NtupleError, unknown_name
from bumphunt.models.signal import SignalModel, signal_model
from bumphunt.models.signal_shape import fit_shapes
from bumphunt.optimise import FigureOfMerit, SignalPoint, best_cuts, mass_bins, signal_window
from bumphunt.spectrum import Spectrum, luminosity_factor, scale
from bumphunt.tensor import QUOTING, CountTensor, VetoAxis, veto_axis
from selections.candidates import REJECT, CandidateRule
from selections.cuts import cutflow_columns
from selections.registry import SEARCHES
from workflows.config import DATA, Analysis
from workflows.inputs import Sample
from workflows.processor import ProcessedSample, SampleFiles, process
from workflows.results import read_json, write_csv, write_json

__all__ = [
    "MODEL",
    "FittedSignal",
    "Selected",
    "candidate_rule",
    "fit_signal",
    "make_spectra",
    "make_tensors",
    "normalisation",
    "optimise_cuts",
    "read_cuts",
    "read_selected",
    "read_signal_model",
    "veto_axes",
]

Progress = Callable[[str, int, int], None]
SPECTRA = "spectra.root"
CUTS = "cuts.json"
TENSORS = "tensors.npz"
MODEL = "signal_model.json"


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
    """

    mass: float
    shape: Spectrum
    selected: Spectrum
    generated: float


def fit_signal(points: Sequence[FittedSignal], *, factor: float, progress: Progress) -> SignalModel:
    """Return shape, resolution and efficiency as functions of mass.

    Parameters
    ----------
    points
        The simulated masses.
    factor
        Data / simulation factor of the efficiency.
    progress
        Called after each fit.

    Raises
    ------
    InputError
        If a mass has too few events for its shape, or its fit does not converge.
    """
    fits = fit_shapes(
        [(point.mass, point.shape.edges, point.shape.counts, point.shape.variances) for point in points],
        progress=lambda done, total: progress("signal shapes", done, total),
    )
    efficiencies = [factor * point.selected.total / point.generated for point in points]
    errors = [factor * float(np.sqrt(point.selected.variances.sum())) / point.generated for point in points]
    return signal_model(fits, efficiencies, errors)


def read_signal_model(path: Path) -> SignalModel:
    """Return a signal model from its JSON.

    Raises
    ------
    BumphuntError
        If the file cannot be read.
    """
    content = read_json(path)
    names = ("masses", "parameters", "errors", "efficiencies", "efficiency_errors")
    arrays = {name: np.array(content[name], dtype=np.float64) for name in names}
    low, high = content["support"]
    return SignalModel(**arrays, support=(low, high), tail=content["tail"])


def candidate_rule(config: Analysis) -> CandidateRule:
    """Return the rule for events with several candidates."""
    rule = config.ntuples.candidates
    if rule == "reject":
        return REJECT
    return CandidateRule(best=rule.variable, largest=rule.best == "highest")


def _process(
    inputs: Sequence[Sample],
    config: Analysis,
    *,
    workers: int,
    allow_missing: bool,
    progress: Progress,
    table: CutTable | None = None,
    axes: tuple[VetoAxis, ...] = (),
    tensor_edges: Mapping[str, np.ndarray] | None = None,
) -> dict[str, ProcessedSample]:
    """Return what the samples give; blinded data lose their rows inside the search range before anything is counted."""
    selection = SEARCHES[config.channel].signal_regions[0].selection(config.beams_record)
    blind = (config.search.low**2, config.search.high**2) if config.blinded else None
    files = {
        sample.name: SampleFiles(
            files=sample.files,
            blind=blind if sample.kind == "data" else None,
            tensor_edges=(tensor_edges or {}).get(sample.name),
        )
        for sample in inputs
    }
    done = process(
        files,
        selection=selection,
        edges=config.spectrum.edges,
        tree=config.ntuples.tree,
        names=config.ntuples.names,
        rule=candidate_rule(config),
        table=table,
        axes=axes,
        workers=workers,
        allow_missing=allow_missing,
        progress=progress,
    )
    for sample in inputs:
        if sample.kind != "data" and not done[sample.name].cutflow.sum_w[0] > 0:
            total = done[sample.name].cutflow.sum_w[0]
            msg = f"{sample.files[0]}: the weights of sample {sample.name!r} add up to {total:g}; is __weight__ filled?"
            raise NtupleError(msg)
    return done


def normalisation(sample: Sample, config: Analysis, *, data_luminosity: float, fraction: float) -> float:
    """Return the factor that brings a background to the luminosity of the data: the one place where that is done.

    Parameters
    ----------
    sample
        The background.
    config
        The analysis, with the scale factor of the sample.
    data_luminosity
        Luminosity of the data that were read [fb^-1].
    fraction
        Fraction of the sample's rows that were read.

    Raises
    ------
    InputError
        If the sample has no luminosity.
    """
    if sample.luminosity is None:
        msg = f"sample {sample.name!r} has no luminosity to scale from"
        raise InputError(msg)
    return luminosity_factor(data_luminosity, sample.luminosity * fraction) * config.samples[sample.name].scale


def veto_axes(config: Analysis) -> tuple[VetoAxis, ...]:
    """Return the axes of the tensors: those of the search, or those of the YAML; none without optimised cuts.

    Raises
    ------
    ConfigError
        If the YAML names an observable that the search does not have.
    """
    if config.optimise is None:
        return ()
    ranges = config.optimise.variables
    if not ranges:
        return SEARCHES[config.channel].veto
    selection = SEARCHES[config.channel].signal_regions[0].selection(config.beams_record)
    known = selection.observables({variable.name: np.ones(1) for variable in selection.variables})
    for name in ranges:
        if name not in known:
            msg = f"{config.path}: {unknown_name('optimise.variables =', name, known)}"
            raise ConfigError(msg)
    return tuple(veto_axis(name, r.low, r.high, n=r.steps, unit=r.unit) for name, r in ranges.items())


def make_tensors(
    inputs: Sequence[Sample], config: Analysis, folder: Path, *, workers: int, allow_missing: bool, progress: Progress
) -> None:
    """Write what the cuts are chosen from: the signal model before them, and a count tensor for every sample.

    Parameters
    ----------
    inputs
        The samples; the data are not read.
    config
        The analysis, with an ``optimise`` section.
    folder
        Where ``tensors.npz``, ``signal_model.json`` and ``cutflow.csv`` go.
    workers, allow_missing, progress
        As for `workflows.processor.process`.
    """
    settings = config.optimise
    if settings is None:
        msg = "optimise: null asks for no optimised cuts, so there is nothing to make tensors for"
        raise InputError(msg)
    signals = [sample for sample in inputs if sample.kind == "signal"]
    done = _process(signals, config, workers=workers, allow_missing=allow_missing, progress=progress)
    points = []
    for sample in signals:
        spectrum, generated = done[sample.name].spectrum(optimised=False), _generated(sample, done[sample.name])
        points.append(FittedSignal(mass=_mass(sample), shape=spectrum, selected=spectrum, generated=generated))
    model = fit_signal(points, factor=1.0, progress=progress)
    write_json(folder / MODEL, asdict(model))

    def resolution(mass: float) -> float:
        return float(model.resolution(np.clip(mass, model.masses[0], model.masses[-1])))

    edges = mass_bins(
        resolution,
        low=config.search.low,
        high=config.search.high,
        width=settings.bin_width,
        minimum_width=settings.min_bin_width,
    )
    simulated = [sample for sample in inputs if sample.kind != "data"]
    tensor_edges = {
        s.name: edges if s.kind == "background" else signal_window(_mass(s), resolution, window=settings.window)
        for s in simulated
    }
    axes = veto_axes(config)
    done = _process(
        simulated,
        config,
        workers=workers,
        allow_missing=allow_missing,
        progress=progress,
        axes=axes,
        tensor_edges=tensor_edges,
    )
    write_csv(folder / "cutflow.csv", cutflow_columns({name: sample.cutflow for name, sample in done.items()}))
    arrays: dict[str, np.ndarray] = {}
    for sample in simulated:
        tensor = done[sample.name].tensor
        if tensor is None:
            msg = f"sample {sample.name!r} gave no tensor"
            raise InputError(msg)
        if sample.kind == "background":
            factor = normalisation(
                sample, config, data_luminosity=config.data.luminosity, fraction=done[sample.name].fraction
            )
            tensor = tensor.scaled(factor)
        arrays |= {f"{sample.name}/{part}": getattr(tensor, part) for part in ("edges", "sum_w", "sum_w2")}
        arrays[f"{sample.name}/generated"] = np.array(
            _generated(sample, done[sample.name]) if sample.kind == "signal" else np.nan
        )
    np.savez_compressed(folder / TENSORS, allow_pickle=False, **arrays)


def _mass(sample: Sample) -> float:
    """Return the mass of a signal [GeV].

    Raises
    ------
    InputError
        If the sample is no signal.
    """
    if sample.mass is None:
        msg = f"sample {sample.name!r} is no signal: it has no mass"
        raise InputError(msg)
    return sample.mass


def _generated(sample: Sample, done: ProcessedSample) -> float:
    """Return the sum of weights of a signal before any selection, of the rows that were read."""
    return sample.sum_of_weights() * done.fraction


def optimise_cuts(inputs: Sequence[Sample], config: Analysis, tensors: Path, folder: Path) -> None:
    """Write the cut table (``cuts.csv``, ``cuts.json``) with the best figure of merit in each mass bin.

    Parameters
    ----------
    inputs
        The samples.
    config
        The analysis, with an ``optimise`` section.
    tensors
        Folder of `make_tensors`.
    folder
        Where the table goes.
    """
    settings = config.optimise
    if settings is None:
        msg = "optimise: null asks for no optimised cuts"
        raise InputError(msg)
    axes = veto_axes(config)
    model = read_signal_model(tensors / MODEL)
    backgrounds, signals = [], []
    with np.load(tensors / TENSORS, allow_pickle=False) as arrays:
        for sample in inputs:
            if sample.kind == "data":
                continue
            parts = {part: arrays[f"{sample.name}/{part}"] for part in ("edges", "sum_w", "sum_w2")}
            tensor = CountTensor(axes=axes, **parts)
            if sample.kind == "background":
                backgrounds.append(tensor)
            else:
                generated = float(arrays[f"{sample.name}/generated"])
                signals.append(SignalPoint(mass=_mass(sample), tensor=tensor, generated=generated))
    table = best_cuts(
        backgrounds,
        signals,
        resolution=lambda m: float(model.resolution(np.clip(m, model.masses[0], model.masses[-1]))),
        merit=FigureOfMerit(
            kind=settings.figure_of_merit, a=settings.a, b=settings.b, background_error=settings.background_error
        ),
        window=settings.window,
        cuts="smooth" if settings.smooth else "free",
    )
    write_csv(folder / "cuts.csv", table.to_columns())
    write_json(folder / CUTS, {"columns": table.to_columns()})


def read_cuts(folder: Path) -> CutTable:
    """Return the cut table of `optimise_cuts`.

    Raises
    ------
    BumphuntError
        If it cannot be read.
    """
    return CutTable.from_columns(read_json(folder / CUTS)["columns"])


def make_spectra(
    inputs: Sequence[Sample],
    config: Analysis,
    cuts: Path | None,
    folder: Path,
    *,
    workers: int,
    allow_missing: bool,
    progress: Progress,
) -> None:
    """Write the selected spectra at the luminosity of the data (``spectra.root``) and the cutflow (``cutflow.csv``).

    Simulated spectra are those of the half of the events that did not choose the cuts.

    Parameters
    ----------
    inputs
        The samples.
    config
        The analysis.
    cuts
        Folder of the cut table; None for none.
    folder
        Where the files go.
    workers, allow_missing, progress
        As for `workflows.processor.process`.
    """
    table = read_cuts(cuts) if cuts is not None else None
    done = _process(inputs, config, workers=workers, allow_missing=allow_missing, progress=progress, table=table)
    write_csv(folder / "cutflow.csv", cutflow_columns({name: sample.cutflow for name, sample in done.items()}))
    luminosity = config.data.luminosity * done[DATA].fraction
    record: dict[str, dict[str, object]] = {}
    with uproot.recreate(folder / SPECTRA) as file:
        for sample in inputs:
            result = done[sample.name]
            half = None if sample.kind == "data" or table is None else QUOTING
            factor = 1.0
            if sample.kind == "background":
                factor = normalisation(sample, config, data_luminosity=luminosity, fraction=result.fraction)
            before = scale(result.spectrum(optimised=False, half=half), factor)
            after = before if table is None else scale(result.spectrum(optimised=True, half=half), factor)
            file[f"{sample.name}/before"] = _histogram(before)
            file[f"{sample.name}/after"] = _histogram(after)
            if sample.kind == "signal":
                file[f"{sample.name}/shape"] = _histogram(result.spectrum(optimised=table is not None))
            record[sample.name] = {
                "kind": sample.kind,
                "mass": sample.mass,
                "generated": _generated(sample, result) if sample.kind == "signal" else None,
                "rows": result.rows,
                "rows_expected": result.rows_expected,
                "missing": [asdict(missing) for missing in result.missing],
                "fraction": result.fraction,
                "events_after": after.total,
                "events_after_error": float(np.sqrt(after.variances.sum())),
            }
    write_json(folder / "samples.json", {"samples": record, "data_luminosity": luminosity})


def _histogram(spectrum: Spectrum) -> hist.Hist:
    """Return a spectrum as a histogram that ROOT can hold."""
    histogram = hist.Hist(
        hist.axis.Variable(spectrum.edges, name="m2", label="squared mass [GeV$^2$]"), storage=hist.storage.Weight()
    )
    histogram.view()["value"] = spectrum.counts
    histogram.view()["variance"] = spectrum.variances
    return histogram


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """The selected spectra of an analysis.

    Parameters
    ----------
    data
        Observed spectrum after all cuts.
    before, after
        Backgrounds at the luminosity of the data, before and after the optimised cuts, by sample.
    signals
        The simulated signals after all cuts.
    luminosity
        Luminosity of the data that were read [fb^-1].
    complete
        Whether every row of every file was read.
    """

    data: Spectrum
    before: dict[str, Spectrum]
    after: dict[str, Spectrum]
    signals: tuple[FittedSignal, ...]
    luminosity: float
    complete: bool


def read_selected(folder: Path) -> Selected:
    """Return the spectra that `make_spectra` wrote.

    Raises
    ------
    BumphuntError
        If they cannot be read.
    """
    content = read_json(folder / "samples.json")
    record = content["samples"]
    with uproot.open(folder / SPECTRA) as file:

        def spectrum(name: str, which: str) -> Spectrum:
            histogram = file[f"{name}/{which}"]
            return Spectrum(edges=histogram.axis().edges(), counts=histogram.values(), variances=histogram.variances())

        backgrounds = [name for name, entry in record.items() if entry["kind"] == "background"]
        return Selected(
            data=spectrum(DATA, "after"),
            before={name: spectrum(name, "before") for name in backgrounds},
            after={name: spectrum(name, "after") for name in backgrounds},
            signals=tuple(
                FittedSignal(
                    mass=entry["mass"],
                    shape=spectrum(name, "shape"),
                    selected=spectrum(name, "after"),
                    generated=entry["generated"],
                )
                for name, entry in record.items()
                if entry["kind"] == "signal"
            ),
            luminosity=content["data_luminosity"],
            complete=all(not entry["missing"] for entry in record.values()),
        )
