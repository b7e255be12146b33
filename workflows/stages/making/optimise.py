"""The stage ``optimise``: cuts in bins of mass, from the events that pass all others.

=================== ========================================================================================
file                holds
=================== ========================================================================================
``cuts.csv``        the cut table: bounds, figure of merit, efficiency and background on either half
``overtraining``    the figure of merit on the half that chose the cuts and on the other, with errors
``ranking``         separation of every observable that may be cut on, in every mass bin
``classifier``      what a classifier in place of the cuts gives, if asked for
=================== ========================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bumphunt.cuts.best import FigureOfMerit, best_cuts, mass_bins, signal_window
from bumphunt.cuts.classifier import cuts_and_classifier
from bumphunt.cuts.overtraining import overtraining
from bumphunt.cuts.separation import Ranking, ranking
from bumphunt.cuts.table import CutTable
from bumphunt.cuts.tensor import CountTensor, VetoAxis
from bumphunt.cuts.yields import SignalPoint
from bumphunt.errors import InputError
from bumphunt.models.shape_fit import fit_shapes
from bumphunt.models.signal import SignalModel, signal_model
from selections.search import Region
from workflows.config.analysis import Analysis
from workflows.config.fit import Optimise
from workflows.reading.events import fill_tensor_of
from workflows.reading.spectra import spectrum_of
from workflows.results import read_json, write_csv, write_json
from workflows.stages.making.check import Sample
from workflows.stages.making.learning import Learned, Source, learn
from workflows.stages.making.process import Processed, Progress, read_processed, veto_axes

__all__ = ["CLASSIFIER", "OVERTRAINING", "RANKING", "optimise_cuts", "read_cuts", "read_table"]

CUTS, OVERTRAINING, RANKING, CLASSIFIER = "cuts", "overtraining", "ranking", "classifier"
"""Names of the tables, without suffix and region."""


def optimise_cuts(
    inputs: Sequence[Sample], config: Analysis, process: Path, folder: Path, *, progress: Progress
) -> None:
    """Write the cut table of every signal region (``cuts.csv``, ``cuts.json``): the best cuts in each mass bin.

    Parameters
    ----------
    inputs
        The samples.
    config
        The analysis, with an ``optimise`` section.
    process
        Folder of the stage ``process``.
    folder
        Where the tables go.
    progress
        Called after each step.
    """
    settings = config.optimise
    if settings is None:
        msg = "optimise: null asks for no optimised cuts"
        raise InputError(msg)
    processed = read_processed(config, process)
    for region in config.signal_regions:
        seen = [sample for sample in inputs if region.name in sample.regions and sample.kind != "data"]
        tensors = _tensors(seen, config, processed, region, settings, progress)
        merit = FigureOfMerit(
            kind=settings.figure_of_merit,
            a=settings.a,
            b=settings.b,
            cl=config.fit.cl,
            background_uncertainty=settings.background_uncertainty,
            background_error=settings.background_error,
        )
        shared: dict[str, Any] = {
            "resolution": tensors.resolution,
            "merit": merit,
            "window": settings.window,
        }
        axis = config.axis(region)
        table = best_cuts(tensors.backgrounds, tensors.signals, cuts=settings.cuts, axis=axis, **shared)
        name = config.region_file(CUTS, region)
        write_csv(folder / f"{name}.csv", table.to_columns())
        write_json(folder / f"{name}.json", {"columns": table.to_columns()})
        halves = overtraining(tensors.backgrounds, tensors.signals, table, **shared)
        halves_record = {"columns": halves.to_columns(), "loss": halves.loss, "loss_error": halves.loss_error}
        write_json(folder / f"{config.region_file(OVERTRAINING, region)}.json", halves_record)
        write_csv(folder / f"{config.region_file(OVERTRAINING, region)}.csv", halves.to_columns())
        if config.search_record.candidates:
            ranked = _ranking(seen, config, processed, region, tensors, progress).to_columns()
            write_csv(folder / f"{config.region_file(RANKING, region)}.csv", ranked)
            write_json(folder / f"{config.region_file(RANKING, region)}.json", {"columns": ranked})
        if settings.classifier:
            learned = _learned(seen, config, processed, region, tensors, progress)
            by_score = best_cuts(learned.backgrounds, learned.signals, cuts=settings.cuts, axis=axis, **shared)
            tables = {"cuts": table, "classifier": by_score}
            compared = cuts_and_classifier(tables, cl=config.fit.cl, uncertainty=settings.background_uncertainty)
            write_csv(folder / f"{config.region_file(CLASSIFIER, region)}.csv", compared)
            write_json(folder / f"{config.region_file(CLASSIFIER, region)}.json", {"columns": compared})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tensors:
    """What the cuts of a region are chosen from."""

    resolution: Callable[[float], float]
    edges: NDArray[np.float64]
    windows: Mapping[str, NDArray[np.float64]]
    backgrounds: list[CountTensor]
    signals: list[SignalPoint]


def _resolution_model(
    signals: Sequence[Sample], config: Analysis, processed: Processed, region: Region, progress: Progress
) -> SignalModel:
    """Return the signal model before the optimised cuts, for its resolution."""
    spectra = [spectrum_of(processed.spectra(region.name, sample.name)) for sample in signals]
    generated = np.array([processed.generated(region.name, sample.name) for sample in signals])
    fits = fit_shapes(
        [(_mass(s), x.axes[0].edges, x.values(), x.variances()) for s, x in zip(signals, spectra, strict=True)],
        axis=config.axis(region),
        tail=region.tail,
        progress=lambda done, total: progress(f"signal shapes {region.name}", done, total),
    )
    yields = np.array([float(x.values().sum()) for x in spectra])
    errors = np.array([float(np.sqrt(x.variances().sum())) for x in spectra])
    return signal_model(fits, yields / generated, errors / generated)


def _tensors(
    seen: Sequence[Sample],
    config: Analysis,
    processed: Processed,
    region: Region,
    settings: Optimise,
    progress: Progress,
) -> _Tensors:
    """Return the tensors of a region."""
    signals = [sample for sample in seen if sample.kind == "signal"]
    model = _resolution_model(signals, config, processed, region, progress)

    def resolution(mass: float) -> float:
        return float(model.resolution(np.clip(mass, model.masses[0], model.masses[-1])))

    axis = config.axis(region)
    low, high = config.masses_of(region)
    edges = mass_bins(
        resolution, low=low, high=high, width=settings.bin_width, minimum_width=settings.min_bin_width, axis=axis
    )
    windows = {
        s.name: signal_window(_mass(s), resolution, window=settings.window, axis=axis) if s.kind == "signal" else edges
        for s in seen
    }
    backgrounds, points = _filled(
        seen, processed, region, windows, veto_axes(config, region), lambda n: progress(f"tensors {region.name}", *n)
    )
    return _Tensors(resolution=resolution, edges=edges, windows=windows, backgrounds=backgrounds, signals=points)


def _filled(
    seen: Sequence[Sample],
    processed: Processed,
    region: Region,
    windows: Mapping[str, NDArray[np.float64]],
    axes: tuple[VetoAxis, ...],
    progress: Callable[[tuple[int, int]], None],
) -> tuple[list[CountTensor], list[SignalPoint]]:
    """Return the tensors of backgrounds, at the luminosity of the data, and of signals."""
    backgrounds, points = [], []
    for done, sample in enumerate(seen, start=1):
        tensor = fill_tensor_of(processed.events, sample.name, region.name, edges=windows[sample.name], axes=axes)
        if sample.kind == "background":
            backgrounds.append(tensor.scaled(processed.factor(region.name, sample)))
        else:
            generated = processed.generated(region.name, sample.name)
            points.append(SignalPoint(mass=_mass(sample), tensor=tensor, generated=generated))
        progress((done, len(seen)))
    return backgrounds, points


def _ranking(
    seen: Sequence[Sample],
    config: Analysis,
    processed: Processed,
    region: Region,
    tensors: _Tensors,
    progress: Progress,
) -> Ranking:
    """Return the ranking of all observables of the search that may be cut on, as far as the region has them."""
    backgrounds, signals = {}, {}
    known = config.selection(region).names
    candidates = [axis for axis in config.search_record.candidates if axis.name in known]
    for done, axis in enumerate(candidates, start=1):
        found = _filled(seen, processed, region, tensors.windows, (axis,), lambda _: None)
        backgrounds[axis.name], signals[axis.name] = found
        progress(f"ranking {region.name}", done, len(candidates))
    return ranking(backgrounds, signals, axis=config.axis(region))


def _learned(
    seen: Sequence[Sample],
    config: Analysis,
    processed: Processed,
    region: Region,
    tensors: _Tensors,
    progress: Progress,
) -> Learned:
    """Return the tensors of the score of a classifier."""
    low, high = config.masses_of(region)
    cells = mass_bins(tensors.resolution, low=low, high=high, width=1.0, axis=config.axis(region))
    sources = [
        Source(
            sample=s.name,
            edges=tensors.windows[s.name],
            factor=processed.factor(region.name, s),
            mass=s.mass,
            generated=processed.generated(region.name, s.name) if s.kind == "signal" else None,
        )
        for s in seen
    ]
    return learn(
        processed.events,
        region.name,
        sources,
        features=config.search_record.features,
        cells=cells,
        seed=config.seed,
        progress=lambda done, total: progress(f"classifier {region.name}", done, total),
    )


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


def read_cuts(folder: Path, config: Analysis, region: Region) -> CutTable:
    """Return the cut table of a region.

    Raises
    ------
    BumphuntError
        If it cannot be read.
    """
    columns = read_json(folder / f"{config.region_file(CUTS, region)}.json")["columns"]
    return CutTable.from_columns(columns, axis=config.axis(region))


def read_table(folder: Path, config: Analysis, region: Region, name: str) -> dict[str, list[Any]] | None:
    """Return the columns of a table of a region; None if the stage did not make it.

    Raises
    ------
    BumphuntError
        If it cannot be read.
    """
    path = folder / f"{config.region_file(name, region)}.json"
    columns: dict[str, list[Any]] | None = read_json(path)["columns"] if path.exists() else None
    return columns
