"""The scan stage: signal models from the simulated masses, then one row for every mass hypothesis of every fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import InputError
from bumphunt.models.signal import SignalModel, leave_one_out
from bumphunt.models.signal_shape import PARAMETERS
from bumphunt.scan.grid import mass_grid
from bumphunt.scan.scan import ScanPoint, ScanRegion, ScanResult, scan_counting, scan_smooth, scan_templates
from bumphunt.scan.sources import Source, Sources
from bumphunt.scan.spectra import Spectra, checked_spectra
from bumphunt.spectrum.axis import MassAxis
from bumphunt.spectrum.histogram import add
from selections.search import Region
from workflows.config.analysis import Analysis
from workflows.results import read_json, write_csv, write_json
from workflows.running.workers import in_order
from workflows.stages.making.effects import sources_of
from workflows.stages.making.spectra import Selected, Unit, fit_signal
from workflows.stages.tasks import FitTask, fit_tasks

__all__ = ["read_columns", "read_signal_models", "run_scan", "scan_input", "scan_regions", "without_templates"]

SCAN_STREAM = 0x5CA4
"""Tells the random numbers of the scan from others of the same seed."""
BLOCK = 64
"""Masses of one task: the same for any number of workers, so that random numbers are too."""
RATIO_POINTS = 20_001
"""Masses between which branching ratios are interpolated."""
MODELS = "signal_models.json"
"""Name of the file of all signal models."""

Progress = Callable[[str, int, int], None]


def run_scan(config: Analysis, selected: Selected, folder: Path, *, workers: int, progress: Progress) -> None:
    """Write the scan of every fit (``scan.csv``, ``scan.json``) and the signal models.

    Parameters
    ----------
    config
        The analysis.
    selected
        The spectra.
    folder
        Where the files go.
    workers
        Processes to use; the results do not depend on it.
    progress
        Called with the number of masses that are done.
    """
    signals: dict[str, SignalModel] = {}
    for region in config.signal_regions:
        units = selected.of(region.name)
        for unit in units:
            signals[unit.name] = fit_signal(config, region, unit.signals, progress=progress)
            suffix = unit.name.removeprefix(region.name)
            _write_signal(signals[unit.name], config.region_file("signal_model", region) + suffix, folder)
    write_json(folder / MODELS, {name: asdict(signal) for name, signal in signals.items()})
    for number, task in enumerate(fit_tasks(config)):
        columns = _scan(config, task, selected, signals, number, workers, progress).columns()
        write_csv(folder / f"{task.file('scan')}.csv", columns)
        write_json(folder / f"{task.file('scan')}.json", {"columns": columns})


def _write_signal(signal: SignalModel, name: str, folder: Path) -> None:
    """Write a signal model as a table, and the closure of its interpolation."""
    table = {"mass": signal.masses, "efficiency": signal.efficiencies, "efficiency_error": signal.efficiency_errors}
    table["resolution"] = signal.resolution(signal.masses)
    for i, parameter in enumerate(PARAMETERS):
        table |= {parameter: signal.parameters[:, i], f"{parameter}_error": signal.errors[:, i]}
    write_csv(folder / f"{name}.csv", table)
    write_json(folder / f"{name}_closure.json", asdict(leave_one_out(signal)))


def read_signal_models(folder: Path) -> dict[str, SignalModel]:
    """Return the signal models that `run_scan` wrote, by unit.

    Raises
    ------
    BumphuntError
        If the file cannot be read.
    """
    return {name: _signal_model(content) for name, content in read_json(folder / MODELS).items()}


def _signal_model(content: Mapping[str, Any]) -> SignalModel:
    """Return a signal model from its JSON."""
    names = ("masses", "parameters", "errors", "efficiencies", "efficiency_errors")
    arrays = {name: np.array(content[name], dtype=np.float64) for name in names}
    low, high = content["support"]
    return SignalModel(**arrays, support=(low, high), tail=content["tail"], axis=MassAxis(**content["axis"]))


def scan_input(config: Analysis, unit: Unit) -> Spectra:
    """Return the spectra of a unit that are scanned, checked.

    A smooth background is determined by the data: where they are blinded, the sum of the backgrounds takes their place.

    Parameters
    ----------
    config
        The analysis.
    unit
        A region, or a slice of one.

    Raises
    ------
    InputError
        If weights leave a negative number of events in a bin.
    """
    for name, spectrum in unit.after.items():
        worst = float(spectrum.values().min())
        if worst < 0:
            msg = f"sample {name!r}: its weights leave {worst:.3g} events in a bin; negative weights need more events"
            raise InputError(msg)
    counts = None if config.blinded else unit.data.values()
    if counts is None and _has_smooth(config):
        counts = add(unit.after.values()).values()
    names = [name for name in unit.after if name in config.template_names]
    edges = unit.data.axes[0].edges
    return checked_spectra(
        counts,
        np.array([unit.after[name].values() for name in names]).reshape(-1, edges.size - 1),
        np.array([unit.after[name].variances() for name in names]).reshape(-1, edges.size - 1),
        [config.samples[name].uncertainty for name in names],
        edges,
        tuple(names),
    )


def _has_smooth(config: Analysis) -> bool:
    """Return whether some background is left to the data."""
    return config.fit.method == "smooth" or config.fit.background is not None


def scan_regions(
    config: Analysis, task: FitTask, selected: Selected, signals: Mapping[str, SignalModel]
) -> tuple[list[ScanRegion], Sources]:
    """Return what is fitted together, and the sources of uncertainty.

    Where less of the data was read for one region than for another, it sees that much less of the signal.

    Parameters
    ----------
    config
        The analysis.
    task
        Which fit.
    selected
        The spectra.
    signals
        The signal models, by unit.
    """
    units = [(region, unit) for region in task.regions for unit in selected.of(region.name)]
    luminosity = selected.luminosity(task.regions)
    regions = [
        ScanRegion(
            name=unit.name,
            spectra=scan_input(config, unit),
            signal=signals[unit.name],
            branching_ratio=_ratio(region, signals[unit.name], selected.luminosities[region.name] / luminosity)
            if task.combined
            else np.ones_like,
            excluded=config.excluded,
        )
        for region, unit in units
    ]
    return regions, sources_of(config, [unit for _, unit in units], signals)


def _ratio(region: Region, signal: SignalModel, share: float) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Return the branching ratio of a region, times its share of the data, as a function for other processes."""
    masses = np.linspace(signal.masses[0], signal.masses[-1], RATIO_POINTS)
    return partial(_interpolated, known=masses, values=share * region.branching_ratio(masses))


def _interpolated(
    masses: NDArray[np.float64], *, known: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return values at masses, linear between those that are known."""
    return np.asarray(np.interp(masses, known, values))


def _scan(
    config: Analysis,
    task: FitTask,
    selected: Selected,
    signals: Mapping[str, SignalModel],
    number: int,
    workers: int,
    progress: Progress,
) -> ScanResult:
    """Return the scan of one fit with the method that the YAML names, in blocks of masses."""
    regions, sources = scan_regions(config, task, selected, signals)
    models = [region.signal for region in regions]
    low = max(config.search.low, min(float(model.masses[0]) for model in models))
    high = min(config.search.high, max(float(model.masses[-1]) for model in models))
    masses = mass_grid(low, high, models, step=config.search.step, excluded=config.excluded)
    blocks = [masses[first : first + BLOCK] for first in range(0, masses.size, BLOCK)]
    tasks = [
        partial(_scan_block, config, regions, sources, block, (number, position))
        for position, block in enumerate(blocks)
    ]
    points: list[ScanPoint] = []
    # counts are made faster than a process is started
    with in_order(tasks, workers=1 if config.fit.method == "counting" else workers) as results:
        for result in results:
            points.extend(result.points)
            progress(f"mass hypotheses {task.title}", len(points), masses.size)
    return ScanResult(points=tuple(points))


def _scan_block(
    config: Analysis,
    regions: Sequence[ScanRegion],
    sources: Sources,
    masses: NDArray[np.float64],
    numbers: tuple[int, int],
) -> ScanResult:
    """Return the rows of one block, whose random numbers depend on the seed and its number."""
    fit = config.fit
    shared: dict[str, Any] = {"masses": masses, "sources": sources, "window": fit.half_width, "limits": fit.limits}
    shared["rng"] = np.random.default_rng(np.random.SeedSequence([config.seed, SCAN_STREAM, *numbers]))
    if fit.method == "counting":
        return scan_counting(regions, **shared)
    shared |= {"bins_per_sigma": fit.bins_per_sigma, "expectation": config.blinded and _has_smooth(config)}
    if fit.method == "smooth":
        return scan_smooth(regions, background=fit.smooth_background, **shared)
    if fit.background is None:
        return scan_templates(regions, **shared)
    below = masses < (np.inf if fit.templates_below is None else fit.templates_below)
    points: list[ScanPoint] = []
    if np.any(below):
        points += scan_templates(
            regions, background=fit.smooth_background, **{**shared, "masses": masses[below]}
        ).points
    if not np.all(below):
        only, known = without_templates(regions, sources)
        points += scan_smooth(
            only, background=fit.smooth_background, **{**shared, "masses": masses[~below], "sources": known}
        ).points
    return ScanResult(points=tuple(points))


def without_templates(regions: Sequence[ScanRegion], sources: Sources) -> tuple[list[ScanRegion], Sources]:
    """Return regions and sources as they are where a smooth background stands for all samples."""
    only = [replace(region, spectra=region.spectra.without_templates()) for region in regions]
    return only, partial(_signal_only, sources)


def _signal_only(sources: Sources, mass: float) -> tuple[Source, ...]:
    """Return what the sources at a mass do where there are no templates."""
    there = sources(mass) if callable(sources) else sources
    found = (replace(source, background={}, background_slope={}) for source in there if _moves_signal(source))
    return tuple(found)


def _moves_signal(source: Source) -> bool:
    """Return whether a source moves more than the yields and slopes of samples."""
    return any(what not in ("background", "background_slope") for what in source.moves)


def read_columns(path: Path) -> dict[str, NDArray[Any]]:
    """Return the columns of a scan or of a limit table (JSON); empty cells are NaN."""
    columns = read_json(path)["columns"]
    return {
        name: np.array([np.nan if value is None else value for value in values]) for name, values in columns.items()
    }
