"""The stage ``impacts``, of one mass: what each source of uncertainty does to the fitted signal and to its limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from bumphunt.models.given_signal import PeakModel
from bumphunt.scanning.impacts import Impact, impacts_at
from workflows.config.coordinates import ALONE, At, file_suffix, in_figures
from workflows.config.records import About, ResolvedAnalysis, ScanSetup
from workflows.figures.impacts import impacts as draw_impacts
from workflows.figures.style import save
from workflows.fitting.regions import scan_regions
from workflows.products.selected import Selected, read_selected
from workflows.products.signal_models import read_signal_models
from workflows.results import write_csv, write_json
from workflows.stages.depends import tested
from workflows.stages.stage import Job, Stage
from workflows.stages.studying.hypothesis import checked_point

__all__ = ["IMPACTS", "impacts_stage", "run_impacts"]

IMPACTS = "impacts"
"""Name of the table, without its suffix."""


def run_impacts(
    setup: ScanSetup,
    about: About,
    mass: float,
    at: At = ALONE,
    *,
    selected: Selected,
    signals: Mapping[str, PeakModel],
    folder: Path,
) -> None:
    """Write the impacts at one mass as ``impacts.csv``, ``.json``, ``.png`` and ``.pdf``: those of the main fit.

    Limits are those of the asymptotic formulae for fits, exact ones for counts in one region.

    Parameters
    ----------
    setup
        How hypotheses are tested.
    about
        What is searched for, for the figure.
    mass, at
        Hypothesis [GeV], and its other coordinates.
    selected
        The spectra.
    signals
        The signal models there, by unit.
    folder
        Where the files go.

    Raises
    ------
    InputError
        If no background reaches the window.
    FitError
        If the fit with all sources failed.
    """
    regions, sources = scan_regions(setup, setup.fits[0], selected.sheet(at), signals)
    table = impacts_at(regions, mass=mass, method=setup.method, sources=sources, limits=setup.limits)
    columns = {name: [getattr(row, name) for row in table.rows] for name in Impact.__dataclass_fields__}
    write_csv(folder / f"{IMPACTS}.csv", columns)
    whole = {name: value for name, value in asdict(table).items() if name != "rows"}
    of = {"mass": mass, **dict(at), "cl": setup.limits.cl, "blinded": about.blinded}
    write_json(folder / f"{IMPACTS}.json", {**of, **whole, "sources": columns})
    place = in_figures(at, about.search.coordinates)
    figure = draw_impacts(
        columns["source"],
        np.array([columns["n_sig_up"], columns["n_sig_down"]]) / table.n_sig_error,
        np.array([columns["limit_exp"], columns["limit_obs"]]) / table.limit_exp,
        label=", ".join(filter(None, [f"bumphunt, {about.search.name}, {mass:g} GeV", place]))
        + (", blinded" if about.blinded else ""),
        observed=not about.blinded,
    )
    save(figure, folder, IMPACTS)


def impacts_stage(analysis: ResolvedAnalysis, mass: float, beside: Mapping[str, float] | None = None) -> Stage:
    """Return the stage that writes the impacts at one mass [GeV] and the other coordinates of a hypothesis.

    Raises
    ------
    ConfigError
        If the mass is outside the search, or excluded, or nothing was simulated at the coordinates.
    """
    at = checked_point(analysis, mass, beside or {})

    def make(job: Job, folder: Path) -> None:
        run_impacts(
            job.analysis.scan,
            job.analysis.about,
            mass,
            at,
            selected=read_selected(job.of("spectra")),
            signals=read_signal_models(job.of("scan"), at),
            folder=folder,
        )

    return Stage(
        name=IMPACTS,
        folder=f"{IMPACTS}/{mass:g}{file_suffix(at)}",
        needs=("spectra", "scan"),
        depends=lambda job: {**tested(job), "mass": mass, "at": dict(at)},
        files=("search", "background"),
        make=make,
    )
