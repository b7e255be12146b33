"""The stage ``fit``, of one mass: the fit of its window, as tables and a figure to look at."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bumphunt.errors import ConfigError
from bumphunt.scanning.window_fit import FittedParameter, WindowFit, fit_window
from workflows.config.records import ResolvedAnalysis
from workflows.figures.style import save
from workflows.figures.window import window
from workflows.products.limit_table import LIMIT_TABLE
from workflows.results import read_table, write_csv, write_json
from workflows.stages.stage import Job, Stage
from workflows.stages.studying.hypothesis import HypothesisInputs, hypothesis_stage

__all__ = ["FIT", "fit_stage", "largest_excesses"]

FIT = "fit"
"""Name of the stage, and of its files."""
FIT_STREAM = 0xF17
"""Tells the random numbers of these fits from others of the same seed."""
MOST, APART = 5, 4.0
"""How many of the largest excesses are fitted again, and how far they are apart at the least [resolutions]."""


def _write(looked: HypothesisInputs, folder: Path) -> None:
    """Write the fit of one window of the main fit: tables of bins and parameters, ``fit.json``, and the figure.

    Raises
    ------
    InputError
        If no background reaches the window.
    FitError
        If the best fit failed.
    """
    setup, about = looked.setup, looked.about
    found = fit_window(
        looked.regions,
        mass=looked.mass,
        method=setup.method,
        sources=looked.sources,
        limits=setup.limits,
        significance=setup.significance,
        rng=np.random.default_rng(np.random.SeedSequence([setup.seed, FIT_STREAM])),
        engine=setup.engine,
    )
    for region in found.regions:
        columns = {"low": region.edges[:-1], "high": region.edges[1:], "counts": region.counts}
        columns |= {f"before {name}": counts for name, counts in region.before.items()}
        write_csv(folder / f"bins_{region.name}.csv", columns | dict(region.after))
    parameters = {
        "parameter" if name == "name" else name: [getattr(p, name) for p in found.parameters]
        for name in FittedParameter.__dataclass_fields__
    }
    write_csv(folder / "parameters.csv", parameters)
    write_csv(folder / "likelihood.csv", {"n_sig": found.strengths, "minus_2_ln_lambda": found.ratios})
    said = _said(found, blinded=about.blinded)
    row = {
        name: getattr(found.row, name) for name in ("n_sig", "n_sig_error", "z0", "gof", "gof_ndf", "gof_p", "engine")
    }
    write_json(
        folder / f"{FIT}.json",
        {**looked.named, "said": said, **row, "flags": found.row.flags, "parameters": parameters},
    )
    axes = {region.name: region.signal.axis for region in looked.regions}
    figure = window(
        found,
        xlabels={name: axis.label for name, axis in axes.items()},
        units={name: axis.unit for name, axis in axes.items()},
        label=looked.label,
        data="expectation (blinded)" if about.blinded else "pseudo-data" if about.pseudo else "data",
    )
    save(figure, folder, FIT)


def _said(found: WindowFit, *, blinded: bool) -> str:
    """Return the result of a fit in a line."""
    row = found.row
    said = f"n_sig = {row.n_sig:.4g} +- {row.n_sig_error:.3g} events"
    if blinded:
        return f"{said}; blinded: an expectation stands in the place of the data, so that there is no significance"
    said += f", local significance {row.z0:.2f} sigma, limit {row.n_sig_ul_obs:.4g} (expected {row.n_sig_ul_exp:.4g})"
    if np.isfinite(row.gof_p):
        said += f"; goodness of fit {row.gof:.1f} for {row.gof_ndf} degrees of freedom, p = {row.gof_p:.2g}"
    return said + (f"; flags: {', '.join(row.flags)}" if row.flags else "")


def fit_stage(
    analysis: ResolvedAnalysis, mass: float | None = None, beside: Mapping[str, float] | None = None
) -> Stage:
    """Return the stage that fits the window of one mass [GeV] and the other coordinates of a hypothesis.

    Without a mass it is the only one that there is, or none.

    Raises
    ------
    ConfigError
        If counts are taken, the mass is outside the search, or excluded, or nothing was simulated at the coordinates.
    """
    if analysis.scan.method.kind == "counting":
        msg = f"fit: {analysis.path} takes counts (fit.method: counting), which are not fitted; see the limit table"
        raise ConfigError(msg)
    return hypothesis_stage(FIT, analysis, mass, beside, _write)


def largest_excesses(job: Job) -> list[tuple[float, dict[str, float]]]:
    """Return the masses [GeV] and other coordinates of the largest excesses of the limit table, largest first.

    Those less than `APART` resolutions from a larger one are the same; there are none where nothing is fitted, or seen.
    """
    analysis = job.analysis
    if analysis.about.blinded or analysis.scan.method.kind == "counting":
        return []
    limits = read_table(job.of("limits"), analysis.scan.fits[0].file(LIMIT_TABLE))
    names = [coordinate.name for coordinate in analysis.about.search.coordinates]
    z0 = np.where(limits["valid"].astype(bool) & np.isfinite(limits["z0"]), limits["z0"], 0.0)
    chosen: list[int] = []
    for row in np.argsort(-z0, kind="stable"):
        near = [
            k
            for k in chosen
            if abs(limits["mass"][k] - limits["mass"][row]) < APART * limits["resolution"][row]
            and all(limits[name][k] == limits[name][row] for name in names)
        ]
        if z0[row] > 0.0 and not near and len(chosen) < MOST:
            chosen.append(int(row))
    return [(float(limits["mass"][k]), {name: float(limits[name][k]) for name in names}) for k in chosen]
