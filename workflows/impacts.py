"""Impacts at one mass: what each source of uncertainty does to the fitted signal and to its limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from bumphunt.errors import ConfigError
from bumphunt.inference.impacts import Impact, Impacts, counting_impacts, impacts
from bumphunt.inference.scan_counting import counting_window
from bumphunt.inference.scan_windows import smooth_region, template_region
from bumphunt.models.region import Region
from bumphunt.models.signal import SignalModel
from bumphunt.spectrum import Spectrum
from workflows import plots
from workflows.config import Analysis
from workflows.results import write_csv, write_json
from workflows.scan import scan_input

__all__ = ["IMPACTS", "impacts_at", "run_impacts"]

IMPACTS = "impacts"
"""Name of the table, without its suffix."""


def impacts_at(
    config: Analysis, mass: float, *, data: Spectrum | None, backgrounds: Mapping[str, Spectrum], signal: SignalModel
) -> Impacts:
    """Return the impacts of all sources at one mass [GeV], by the method of the analysis.

    Limits are those of the asymptotic formulae for fits, exact ones for counts.

    Parameters
    ----------
    config
        The analysis.
    mass
        Hypothesis [GeV].
    data
        Observed spectrum; None when blinded.
    backgrounds
        Expected spectra at the luminosity of the data.
    signal
        The signal model.

    Raises
    ------
    ConfigError
        If no background reaches the window.
    FitError
        If the fit with all sources failed.
    """
    spectra, fit = scan_input(config, data, backgrounds), config.fit
    if fit.method == "counting":
        window = counting_window(spectra, signal=signal, mass=mass, window=fit.half_width, sources=config.sources)
        return counting_impacts(window, limits=fit.limits)
    found: Region | None
    if fit.method == "smooth":
        found = smooth_region(
            spectra,
            signal=signal,
            mass=mass,
            window=fit.half_width,
            bins_per_sigma=fit.bins_per_sigma,
            background=fit.smooth_background,
            sources=config.sources,
        )
    else:
        found = template_region(
            spectra,
            signal=signal,
            mass=mass,
            window=fit.half_width,
            bins_per_sigma=fit.bins_per_sigma,
            sources=config.sources,
        )
    if found is None:
        msg = f"--mass {mass}: no simulated background reaches the window there, so there is nothing to fit"
        raise ConfigError(msg)
    return impacts(found, cl=fit.cl)


def run_impacts(
    config: Analysis,
    mass: float,
    *,
    data: Spectrum | None,
    backgrounds: Mapping[str, Spectrum],
    signal: SignalModel,
    folder: Path,
) -> None:
    """Write the impacts at one mass as ``impacts.csv``, ``.json``, ``.png`` and ``.pdf``; arguments as `impacts_at`."""
    table = impacts_at(config, mass, data=data, backgrounds=backgrounds, signal=signal)
    columns = {name: [getattr(row, name) for row in table.rows] for name in Impact.__dataclass_fields__}
    write_csv(folder / f"{IMPACTS}.csv", columns)
    whole = {name: value for name, value in asdict(table).items() if name != "rows"}
    about = {"mass": mass, "cl": config.fit.cl, "blinded": config.blinded}
    write_json(folder / f"{IMPACTS}.json", {**about, **whole, "sources": columns})
    figure = plots.impacts(
        columns["source"],
        np.array([columns["n_sig_up"], columns["n_sig_down"]]) / table.n_sig_error,
        np.array([columns["limit_exp"], columns["limit_obs"]]) / table.limit_exp,
        label=f"bumphunt, {config.channel}, {mass:g} GeV" + (", blinded" if config.blinded else ""),
        observed=not config.blinded,
    )
    plots.save(figure, folder, IMPACTS)
