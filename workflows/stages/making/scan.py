"""The stage ``scan``: signal models from the simulated masses, then one row for every mass hypothesis of every fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bumphunt.models.signal import SignalModel
from bumphunt.scan.grid import mass_grid
from bumphunt.scan.scan import ScanPoint, ScanRegion, ScanResult, scan_counting, scan_smooth, scan_templates
from bumphunt.scan.sources import Sources
from workflows.config.fit import Fit
from workflows.config.records import ScanSetup
from workflows.config.tasks import FitTask
from workflows.fitting.regions import scan_regions, without_templates
from workflows.fitting.settings import limit_settings
from workflows.fitting.signals import fit_signal
from workflows.products.selected import Selected, read_selected
from workflows.products.signal_models import write_signal_models
from workflows.results import write_table
from workflows.running.progress import Progress
from workflows.running.workers import in_order
from workflows.stages.stage import RESULTS, Job, Stage

__all__ = ["STAGE", "run_scan"]

SCAN_STREAM = 0x5CA4
"""Tells the random numbers of the scan from others of the same seed."""
BLOCK = 64
"""Masses of one task: the same for any number of workers, so that random numbers are too."""


def run_scan(setup: ScanSetup, selected: Selected, folder: Path, *, workers: int, progress: Progress) -> None:
    """Write the scan of every fit (``scan.csv``, ``scan.json``) and the signal models.

    Parameters
    ----------
    setup
        How hypotheses are tested.
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
    names: dict[str, str] = {}
    for region in setup.fits[0].regions:
        for unit in selected.of(region.name):
            signals[unit.name] = fit_signal(region, unit.signals, progress=progress)
            names[unit.name] = region.file("signal_model") + unit.name.removeprefix(region.name)
    write_signal_models(signals, names, folder)
    for number, task in enumerate(setup.fits):
        rows = _scan(setup, task, selected, signals, number, workers, progress)
        write_table(folder, task.file("scan"), rows.columns())


def _scan(
    setup: ScanSetup,
    task: FitTask,
    selected: Selected,
    signals: Mapping[str, SignalModel],
    number: int,
    workers: int,
    progress: Progress,
) -> ScanResult:
    """Return the scan of one fit with the method that the YAML names, in blocks of masses."""
    regions, sources = scan_regions(setup, task, selected, signals)
    models, fit = [region.signal for region in regions], setup.fit
    low = max(setup.masses.low, min(float(model.masses[0]) for model in models))
    high = min(setup.masses.high, max(float(model.masses[-1]) for model in models))
    masses = mass_grid(low, high, models, step=setup.masses.step, excluded=setup.masses.excluded)
    blocks = [masses[first : first + BLOCK] for first in range(0, masses.size, BLOCK)]
    expectation = setup.blinded and fit.smooth is not None
    tasks = [
        partial(_scan_block, fit, regions, sources, block, (setup.seed, SCAN_STREAM, number, place), expectation)
        for place, block in enumerate(blocks)
    ]
    points: list[ScanPoint] = []
    # counts are made faster than a process is started
    with in_order(tasks, workers=1 if fit.method == "counting" else workers) as results:
        for result in results:
            points.extend(result.points)
            progress(f"mass hypotheses {task.title}", len(points), masses.size)
    return ScanResult(points=tuple(points))


def _scan_block(
    fit: Fit,
    regions: Sequence[ScanRegion],
    sources: Sources,
    masses: NDArray[np.float64],
    entropy: tuple[int, ...],
    expectation: bool,
) -> ScanResult:
    """Return the rows of one block, whose random numbers depend on the seed and its number."""
    shared: dict[str, Any] = {"masses": masses, "sources": sources, "window": fit.half_width}
    shared |= {"limits": limit_settings(fit), "rng": np.random.default_rng(np.random.SeedSequence(entropy))}
    if fit.method == "counting":
        return scan_counting(regions, **shared)
    shared |= {"bins_per_sigma": fit.bins_per_sigma, "expectation": expectation}
    if fit.smooth is None:
        return scan_templates(regions, **shared)
    if fit.method == "smooth":
        return scan_smooth(regions, background=fit.smooth, **shared)
    below = masses < (np.inf if fit.templates_below is None else fit.templates_below)
    points: list[ScanPoint] = []
    if np.any(below):
        points += scan_templates(regions, background=fit.smooth, **{**shared, "masses": masses[below]}).points
    if not np.all(below):
        only, known = without_templates(regions, sources)
        points += scan_smooth(
            only, background=fit.smooth, **{**shared, "masses": masses[~below], "sources": known}
        ).points
    return ScanResult(points=tuple(points))


def _make(job: Job, folder: Path) -> None:
    selected = read_selected(job.of("spectra"))
    run_scan(job.analysis.scan, selected, folder, workers=job.workers, progress=job.progress)


STAGE = Stage(name="scan", needs=("spectra",), settings=RESULTS, files=("search", "model"), make=_make)
