"""The scan stage: signal model from the simulated masses, then one row for every mass hypothesis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import InputError
from bumphunt.inference.scan import ScanPoint, ScanRegion, ScanResult, scan_counting, scan_smooth, scan_templates
from bumphunt.inference.scan_spectra import Spectra, checked_spectra
from bumphunt.inference.windows import mass_grid
from bumphunt.models.signal import SignalModel, leave_one_out
from bumphunt.models.signal_shape import PARAMETERS
from bumphunt.spectrum import Spectrum
from workflows.config import Analysis
from workflows.processes import in_order
from workflows.results import read_json, write_csv, write_json
from workflows.selecting import MODEL

__all__ = ["read_columns", "run_scan", "scan_input"]

SCAN_STREAM = 0x5CA4
"""Tells the random numbers of the scan from others of the same seed."""
BLOCK = 64
"""Masses of one task: the same for any number of workers, so that random numbers are too."""

Progress = Callable[[str, int, int], None]


def run_scan(
    config: Analysis,
    *,
    data: Spectrum | None,
    backgrounds: Mapping[str, Spectrum],
    signal: SignalModel,
    folder: Path,
    workers: int,
    progress: Progress,
) -> None:
    """Write the scan (``scan.csv``, ``scan.json``) and the signal model (``signal_model.csv``, ``signal_model.json``).

    Parameters
    ----------
    config
        The analysis.
    data
        Observed spectrum; None when blinded.
    backgrounds
        Expected spectra at the luminosity of the data.
    signal
        The signal model.
    folder
        Where the files go.
    workers
        Processes to use; the results do not depend on it.
    progress
        Called with the number of masses that are done.
    """
    masses = mass_grid(config.search.low, config.search.high, signal, step=config.search.step)
    columns = _scan(config, scan_input(config, data, backgrounds), signal, masses, workers, progress).columns()
    write_csv(folder / "scan.csv", columns)
    write_json(folder / "scan.json", {"columns": columns})
    write_json(folder / MODEL, asdict(signal))
    table = {"mass": signal.masses, "efficiency": signal.efficiencies, "efficiency_error": signal.efficiency_errors}
    table["resolution"] = signal.resolution(signal.masses)
    for i, name in enumerate(PARAMETERS):
        table |= {name: signal.parameters[:, i], f"{name}_error": signal.errors[:, i]}
    write_csv(folder / "signal_model.csv", table)
    write_json(folder / "closure.json", asdict(leave_one_out(signal)))


def scan_input(config: Analysis, data: Spectrum | None, backgrounds: Mapping[str, Spectrum]) -> Spectra:
    """Return the spectra that are scanned, checked.

    A smooth background is determined by the data: where they are blinded, the sum of the backgrounds takes their place.

    Parameters
    ----------
    config
        The analysis.
    data
        Observed spectrum; None when blinded.
    backgrounds
        Expected spectra at the luminosity of the data.

    Raises
    ------
    InputError
        If weights leave a negative number of events in a bin.
    """
    for name, spectrum in backgrounds.items():
        if np.any(spectrum.counts < 0):
            worst = float(spectrum.counts.min())
            msg = f"sample {name!r}: its weights leave {worst:.3g} events in a bin; negative weights need more events"
            raise InputError(msg)
    edges = next(iter(backgrounds.values())).edges
    templates = np.array([spectrum.counts for spectrum in backgrounds.values()])
    counts = None if data is None else data.counts
    if config.fit.method == "smooth":
        expected = templates.sum(axis=0) if counts is None else counts
        return checked_spectra(expected, np.empty((0, edges.size - 1)), np.empty((0, edges.size - 1)), (), edges)
    variances = np.array([spectrum.variances for spectrum in backgrounds.values()])
    uncertainties = [config.samples[name].uncertainty for name in backgrounds]
    return checked_spectra(counts, templates, variances, uncertainties, edges, tuple(backgrounds))


def _scan(
    config: Analysis,
    spectra: Spectra,
    signal: SignalModel,
    masses: NDArray[np.float64],
    workers: int,
    progress: Progress,
) -> ScanResult:
    """Return the scan with the method that the YAML names, in blocks of masses."""
    blocks = [masses[first : first + BLOCK] for first in range(0, masses.size, BLOCK)]
    tasks = [partial(_scan_block, config, spectra, signal, block, number) for number, block in enumerate(blocks)]
    points: list[ScanPoint] = []
    # counts are made faster than a process is started
    with in_order(tasks, workers=1 if config.fit.method == "counting" else workers) as results:
        for result in results:
            points.extend(result.points)
            progress("mass hypotheses", len(points), masses.size)
    return ScanResult(points=tuple(points))


def _scan_block(
    config: Analysis, spectra: Spectra, signal: SignalModel, masses: NDArray[np.float64], number: int
) -> ScanResult:
    """Return the rows of one block, whose random numbers depend on the seed and its number."""
    fit, region = config.fit, ScanRegion(name=config.channel, spectra=spectra, signal=signal)
    shared: dict[str, Any] = {
        "masses": masses,
        "sources": config.sources,
        "window": fit.half_width,
        "limits": fit.limits,
    }
    if fit.method == "counting":
        return scan_counting(region, **shared)
    rng = np.random.default_rng(np.random.SeedSequence([config.seed, SCAN_STREAM, number]))
    shared |= {"bins_per_sigma": fit.bins_per_sigma, "rng": rng}
    if fit.method == "smooth":
        shared |= {"background": fit.smooth_background, "expectation": config.blinded}
        return scan_smooth(region, **shared)
    return scan_templates(region, **shared)


def read_columns(path: Path) -> dict[str, NDArray[Any]]:
    """Return the columns of a scan or of a limit table (JSON); empty cells are NaN."""
    columns = read_json(path)["columns"]
    return {
        name: np.array([np.nan if value is None else value for value in values]) for name, values in columns.items()
    }
