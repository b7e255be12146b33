"""Impacts at one mass: what each source of uncertainty does to the fitted signal and to its limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from bumphunt.errors import ConfigError
from bumphunt.models.signal import SignalModel
from bumphunt.scan.counts import counting_regions, counting_window
from bumphunt.scan.impacts import Impact, Impacts, counting_impacts, impacts
from bumphunt.scan.regions import parts_at
from bumphunt.scan.sources import sources_at
from bumphunt.scan.windows import WindowSetting, window_regions
from workflows.config.analysis import Analysis
from workflows.figures import plots
from workflows.results import write_csv, write_json
from workflows.stages.making.scan import scan_regions, without_templates
from workflows.stages.making.spectra import Selected
from workflows.stages.tasks import fit_tasks

__all__ = ["IMPACTS", "impacts_at", "run_impacts"]

IMPACTS = "impacts"
"""Name of the table, without its suffix."""


def impacts_at(config: Analysis, mass: float, *, selected: Selected, signals: Mapping[str, SignalModel]) -> Impacts:
    """Return the impacts of all sources at one mass [GeV], by the method of the analysis, on its main fit.

    Limits are those of the asymptotic formulae for fits, exact ones for counts in one region.

    Parameters
    ----------
    config
        The analysis.
    mass
        Hypothesis [GeV].
    selected
        The spectra.
    signals
        The signal models, by unit.

    Raises
    ------
    ConfigError
        If no background reaches the window.
    FitError
        If the fit with all sources failed.
    """
    regions, sources = scan_regions(config, fit_tasks(config)[0], selected, signals)
    fit = config.fit
    if fit.templates_below is not None and mass >= fit.templates_below:
        regions, sources = without_templates(regions, sources)
    (parts,) = parts_at(regions, np.array([mass]))
    (known,) = sources_at(sources, [mass], {region.name: region.spectra.names for region in regions})
    if fit.method == "counting" and len(parts) == 1:
        return counting_impacts(counting_window(parts[0], window=fit.half_width, sources=known), limits=fit.limits)
    if fit.method == "counting":
        _, found = counting_regions(parts, window=fit.half_width, sources=known)
    else:
        smooth = fit.method == "smooth" or fit.background is not None
        setting = WindowSetting(
            window=fit.half_width,
            bins_per_sigma=fit.bins_per_sigma,
            background=fit.smooth_background if smooth else None,
        )
        _, found = window_regions(parts, setting, known)
    if not found:
        msg = f"--mass {mass}: no simulated background reaches the window there, so there is nothing to fit"
        raise ConfigError(msg)
    return impacts(found, cl=fit.cl)


def run_impacts(
    config: Analysis, mass: float, *, selected: Selected, signals: Mapping[str, SignalModel], folder: Path
) -> None:
    """Write the impacts at one mass as ``impacts.csv``, ``.json``, ``.png`` and ``.pdf``; arguments as `impacts_at`."""
    table = impacts_at(config, mass, selected=selected, signals=signals)
    columns = {name: [getattr(row, name) for row in table.rows] for name in Impact.__dataclass_fields__}
    write_csv(folder / f"{IMPACTS}.csv", columns)
    whole = {name: value for name, value in asdict(table).items() if name != "rows"}
    about = {"mass": mass, "cl": config.fit.cl, "blinded": config.blinded}
    write_json(folder / f"{IMPACTS}.json", {**about, **whole, "sources": columns})
    figure = plots.impacts(
        columns["source"],
        np.array([columns["n_sig_up"], columns["n_sig_down"]]) / table.n_sig_error,
        np.array([columns["limit_exp"], columns["limit_obs"]]) / table.limit_exp,
        label=f"bumphunt, {config.search_record.name}, {mass:g} GeV" + (", blinded" if config.blinded else ""),
        observed=not config.blinded,
    )
    plots.save(figure, folder, IMPACTS)
