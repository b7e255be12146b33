"""The scan stage: signal model from the simulated masses, then one row for every mass hypothesis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import InputError
from bumphunt.inference.scan import ScanResult, scan_counting, scan_templates
from bumphunt.inference.windows import mass_grid
from bumphunt.models.signal import SignalModel, leave_one_out
from bumphunt.models.signal_shape import PARAMETERS
from bumphunt.spectrum import Spectrum
from workflows.config import Analysis
from workflows.results import read_json, write_csv, write_json
from workflows.selecting import MODEL

__all__ = ["SIGNAL_AS_KNOWN", "read_columns", "run_scan"]

SIGNAL_AS_KNOWN = "signal_as_known"
"""Flag of template fits whose limits leave out the uncertainties of efficiency and luminosity that the YAML gives."""

Progress = Callable[[str, int, int], None]


def run_scan(
    config: Analysis,
    *,
    data: Spectrum | None,
    backgrounds: Mapping[str, Spectrum],
    signal: SignalModel,
    folder: Path,
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
    progress
        Called after each hypothesis.
    """
    masses = mass_grid(config.search.low, config.search.high, signal, step=config.search.step)
    result = _scan(config, data, backgrounds, signal, masses, progress)
    columns = result.columns()
    signal_uncertainty = max(config.signal.uncertainty, config.data.luminosity_uncertainty)
    if config.fit.method == "templates" and signal_uncertainty > 0:
        columns["flags"] = np.array([";".join(filter(None, [flags, SIGNAL_AS_KNOWN])) for flags in columns["flags"]])
    write_csv(folder / "scan.csv", columns)
    write_json(folder / "scan.json", {"columns": columns})
    write_json(folder / MODEL, asdict(signal))
    table = {"mass": signal.masses, "efficiency": signal.efficiencies, "efficiency_error": signal.efficiency_errors}
    table["resolution"] = signal.resolution(signal.masses)
    for i, name in enumerate(PARAMETERS):
        table |= {name: signal.parameters[:, i], f"{name}_error": signal.errors[:, i]}
    write_csv(folder / "signal_model.csv", table)
    write_json(folder / "closure.json", asdict(leave_one_out(signal)))


def _scan(
    config: Analysis,
    data: Spectrum | None,
    backgrounds: Mapping[str, Spectrum],
    signal: SignalModel,
    masses: NDArray[np.float64],
    progress: Progress,
) -> ScanResult:
    """Return the scan with the method that the YAML names."""
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        progress("mass hypotheses", done, masses.size)

    spectra = list(backgrounds.values())
    for name, spectrum in backgrounds.items():
        if np.any(spectrum.counts < 0):
            worst = float(spectrum.counts.min())
            msg = f"sample {name!r}: its weights leave {worst:.3g} events in a bin; negative weights need more events"
            raise InputError(msg)
    arguments: tuple[Any, ...] = (
        None if data is None else data.counts,
        np.array([s.counts for s in spectra]),
        np.array([s.variances for s in spectra]),
        [config.samples[name].uncertainty for name in backgrounds],
        spectra[0].edges,
    )
    fit = config.fit
    if fit.method == "counting":
        return scan_counting(
            *arguments,
            signal=signal,
            masses=masses,
            window=fit.half_width,
            efficiency_uncertainty=float(np.hypot(config.signal.uncertainty, config.data.luminosity_uncertainty)),
            cl=fit.cl,
            progress=advance,
        )
    return scan_templates(
        *arguments,
        signal=signal,
        masses=masses,
        window=fit.half_width,
        bins_per_sigma=fit.bins_per_sigma,
        cl=fit.cl,
        progress=advance,
    )


def read_columns(path: Path) -> dict[str, NDArray[Any]]:
    """Return the columns of a scan or of a limit table (JSON); empty cells are NaN."""
    columns = read_json(path)["columns"]
    return {
        name: np.array([np.nan if value is None else value for value in values]) for name, values in columns.items()
    }
