"""``bumphunt correct``: factors from control samples, as files that the YAML can name under ``corrections``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import ConfigError
from workflows.config.analysis import DATA, Analysis
from workflows.config.corrections import Control
from workflows.reading.read import ProcessedSample
from workflows.reading.spectra import spectrum_of
from workflows.results import read_json, write_json
from workflows.stages.making.check import Sample
from workflows.stages.making.process import Progress, normalisation, region_plan, run_process, weights
from workflows.stages.studying.measured_factors import MeasuredFactor, measure_factor, write_factor

__all__ = ["FACTORS", "factor_rows", "measure_controls"]

FACTORS = "factors.json"
"""Name of the file of all factors."""

Array = NDArray[np.float64]


def measure_controls(
    inputs: Sequence[Sample], config: Analysis, folder: Path, *, workers: int, allow_missing: bool, progress: Progress
) -> None:
    """Measure the factors of the section ``control``; write each as ``NAME.json`` (correctionlib) and ``NAME.csv``.

    Corrections of the YAML are applied, but for the one with the name of the factor, which would be measured again.

    Parameters
    ----------
    inputs
        The samples.
    config
        The analysis.
    folder
        Where the files go.
    workers, allow_missing, progress
        As for `workflows.reading.read.process`.

    Raises
    ------
    ConfigError
        If there is nothing to measure, or a sample has no events in the control region's ntuples.
    InputError
        If the data are not more than the samples that are subtracted.
    """
    if not config.control:
        msg = f"{config.path}: asks for no factors: name them under 'control'"
        raise ConfigError(msg)
    if config.data.drawn_from_expectation:
        msg = f"{config.path}: control: pseudo-data that are drawn from the expectation have no control samples"
        raise ConfigError(msg)
    summary = {}
    for name, control in config.control.items():
        seen = [sample for sample in inputs if control.region in sample.regions and sample.kind != "signal"]
        done = _read(name, control, seen, config, workers=workers, allow_missing=allow_missing, progress=progress)
        factor = _factor(name, control, seen, done, config)
        path = write_factor(
            factor, folder, name, description=f"measured in region {control.region} of {config.path.name}"
        )
        summary[name] = {
            "region": control.region,
            "samples": list(control.samples),
            "observable": factor.observable,
            "edges": factor.edges,
            "value": factor.value,
            "error": factor.error,
            "data_error": factor.data_error,
            "simulation_error": factor.simulation_error,
            "luminosity_error": factor.luminosity_error,
            "file": path.name,
        }
    write_json(folder / FACTORS, {"factors": summary})


def _read(
    name: str,
    control: Control,
    seen: Sequence[Sample],
    config: Analysis,
    *,
    workers: int,
    allow_missing: bool,
    progress: Progress,
) -> dict[str, ProcessedSample]:
    """Return what the samples give in the control region, in bins of the observable."""
    slices = None if control.observable is None else (control.observable, np.array(control.edges))
    plan = replace(region_plan(config, config.search_record.region(control.region)), slices=slices)
    return run_process(
        seen,
        config,
        [plan],
        weights(config, seen, but=[name]),
        None,
        workers=workers,
        allow_missing=allow_missing,
        progress=progress,
    )


def _factor(
    name: str, control: Control, seen: Sequence[Sample], done: dict[str, ProcessedSample], config: Analysis
) -> MeasuredFactor:
    """Return the factor from the yields in the control region."""
    luminosity = config.data.luminosity * done[DATA].fraction
    bins = 1 if control.observable is None else len(control.edges) - 1
    data, wanted, others = np.zeros(bins), np.zeros((2, bins)), np.zeros((2, bins))
    found = set()
    for sample in seen:
        yields = [spectrum_of(done[sample.name].regions[control.region].spectra, piece=i) for i in range(bins)]
        counts = np.array([spectrum.values().sum() for spectrum in yields])
        variances = np.array([spectrum.variances().sum() for spectrum in yields])
        if sample.kind == "data":
            data = counts
            continue
        factor = normalisation(sample, data_luminosity=luminosity, fraction=done[sample.name].fraction)
        counts, variances = factor * counts, factor**2 * variances
        if sample.name in control.samples:
            found.add(sample.name)
            wanted += (counts, variances)
        else:
            others += (counts, variances + (config.samples[sample.name].uncertainty * counts) ** 2)
    if absent := [sample for sample in control.samples if sample not in found]:
        msg = f"{config.path}: control.{name}: sample {absent[0]!r} has no ntuples in region {control.region!r}"
        raise ConfigError(msg)
    return measure_factor(
        data,
        *wanted,
        *others,
        luminosity_error=config.data.luminosity_uncertainty,
        observable=control.observable,
        edges=control.edges or None,
    )


def factor_rows(folder: Path) -> list[tuple[str, ...]]:
    """Return one row a bin of every factor that `measure_controls` wrote, as text for a screen.

    Raises
    ------
    BumphuntError
        If they cannot be read.
    """
    rows = []
    for name, factor in read_json(folder / FACTORS)["factors"].items():
        edges = factor["edges"]
        for i, value in enumerate(factor["value"]):
            where = "all" if edges is None else f"{edges[i]:g} < {factor['observable']} < {edges[i + 1]:g}"
            parts = (factor[f"{part}_error"][i] for part in ("data", "simulation", "luminosity"))
            text = (f"{value:.4g} +- {factor['error'][i]:.2g}", *(f"{part:.2g}" for part in parts))
            rows.append((name, factor["region"], where, *text))
    return rows
