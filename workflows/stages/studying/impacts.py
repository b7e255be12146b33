"""The stage ``impacts``, of one mass: what each source of uncertainty does to the fitted signal and to its limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from bumphunt.scanning.impacts import Impact, impacts_at
from workflows.config.records import ResolvedAnalysis
from workflows.figures.impacts import impacts as draw_impacts
from workflows.figures.style import save
from workflows.results import write_csv, write_json
from workflows.stages.stage import Stage
from workflows.stages.studying.hypothesis import HypothesisInputs, hypothesis_stage

__all__ = ["IMPACTS", "impacts_stage"]

IMPACTS = "impacts"
"""Name of the table, without its suffix."""


def _write(looked: HypothesisInputs, folder: Path) -> None:
    """Write the impacts at one mass as ``impacts.csv``, ``.json``, ``.png`` and ``.pdf``: those of the main fit.

    Limits are those of the asymptotic formulae for fits, exact ones for counts in one region.

    Raises
    ------
    InputError
        If no background reaches the window.
    FitError
        If the fit with all sources failed.
    """
    setup = looked.setup
    table = impacts_at(
        looked.regions, mass=looked.mass, method=setup.method, sources=looked.sources, limits=setup.limits
    )
    columns = {name: [getattr(row, name) for row in table.rows] for name in Impact.__dataclass_fields__}
    write_csv(folder / f"{IMPACTS}.csv", columns)
    whole = {name: value for name, value in asdict(table).items() if name != "rows"}
    write_json(folder / f"{IMPACTS}.json", {**looked.named, **whole, "sources": columns})
    figure = draw_impacts(
        columns["source"],
        np.array([columns["n_sig_up"], columns["n_sig_down"]]) / table.n_sig_error,
        np.array([columns["limit_exp"], columns["limit_obs"]]) / table.limit_exp,
        label=looked.label + (", blinded" if looked.about.blinded else ""),
        observed=not looked.about.blinded,
    )
    save(figure, folder, IMPACTS)


def impacts_stage(
    analysis: ResolvedAnalysis, mass: float | None = None, beside: Mapping[str, float] | None = None
) -> Stage:
    """Return the stage that writes the impacts at one mass [GeV] and the other coordinates of a hypothesis.

    Without a mass it is the only one that there is, or none.

    Raises
    ------
    ConfigError
        If the mass is outside the search, or excluded, or nothing was simulated at the coordinates.
    """
    return hypothesis_stage(IMPACTS, analysis, mass, beside, _write)
