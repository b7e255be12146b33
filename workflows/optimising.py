"""The stage ``optimise``: cuts in bins of mass, from the events that pass all others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bumphunt.cut_table import CutTable
from bumphunt.errors import InputError
from bumphunt.models.signal import SignalModel, signal_model
from bumphunt.models.signal_shape import fit_shapes
from bumphunt.optimise import FigureOfMerit, SignalPoint, best_cuts, mass_bins, signal_window
from selections.search import Region
from workflows.config import Analysis
from workflows.config_fit import Optimise
from workflows.events import fill_tensor_of
from workflows.inputs import Sample
from workflows.processing import Processed, Progress, read_processed, veto_axes
from workflows.results import read_json, write_csv, write_json

__all__ = ["optimise_cuts", "read_cuts"]

CUTS = "cuts"
"""Name of a cut table, without suffix and region."""


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
        table = _region_table(seen, config, processed, region, settings, progress)
        write_csv(folder / f"{config.region_file(CUTS, region)}.csv", table.to_columns())
        write_json(folder / f"{config.region_file(CUTS, region)}.json", {"columns": table.to_columns()})


def _resolution_model(
    signals: Sequence[Sample], config: Analysis, processed: Processed, region: Region, progress: Progress
) -> SignalModel:
    """Return the signal model before the optimised cuts, for its resolution."""
    spectra = [processed.spectra(region, sample.name).spectrum() for sample in signals]
    generated = np.array([processed.generated(region.name, sample.name) for sample in signals])
    fits = fit_shapes(
        [(_mass(s), x.edges, x.counts, x.variances) for s, x in zip(signals, spectra, strict=True)],
        axis=config.axis(region),
        tail=region.tail,
        progress=lambda done, total: progress(f"signal shapes {region.name}", done, total),
    )
    yields = np.array([x.total for x in spectra])
    errors = np.array([float(np.sqrt(x.variances.sum())) for x in spectra])
    return signal_model(fits, yields / generated, errors / generated)


def _region_table(
    seen: Sequence[Sample],
    config: Analysis,
    processed: Processed,
    region: Region,
    settings: Optimise,
    progress: Progress,
) -> CutTable:
    """Return the cut table of a region."""
    signals = [sample for sample in seen if sample.kind == "signal"]
    model = _resolution_model(signals, config, processed, region, progress)

    def resolution(mass: float) -> float:
        return float(model.resolution(np.clip(mass, model.masses[0], model.masses[-1])))

    axis, axes = config.axis(region), veto_axes(config, region)
    low, high = config.masses_of(region)
    edges = mass_bins(
        resolution, low=low, high=high, width=settings.bin_width, minimum_width=settings.min_bin_width, axis=axis
    )
    backgrounds, points = [], []
    for done, sample in enumerate(seen):
        window = edges
        if sample.kind == "signal":
            window = signal_window(_mass(sample), resolution, window=settings.window, axis=axis)
        tensor = fill_tensor_of(processed.events, sample.name, region.name, edges=window, axes=axes)
        if sample.kind == "background":
            backgrounds.append(tensor.scaled(processed.factor(region.name, sample)))
        else:
            generated = processed.generated(region.name, sample.name)
            points.append(SignalPoint(mass=_mass(sample), tensor=tensor, generated=generated))
        progress(f"tensors {region.name}", done + 1, len(seen))
    return best_cuts(
        backgrounds,
        points,
        resolution=resolution,
        merit=FigureOfMerit(
            kind=settings.figure_of_merit,
            a=settings.a,
            b=settings.b,
            cl=config.fit.cl,
            background_uncertainty=settings.background_uncertainty,
            background_error=settings.background_error,
        ),
        window=settings.window,
        cuts=settings.cuts,
        axis=axis,
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
