"""The report stage: every figure of an analysis, from its records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bumphunt.cut_table import CutTable
from bumphunt.models.signal import SignalModel, leave_one_out
from bumphunt.spectrum import Spectrum, add, rebin, window
from selections.registry import SEARCHES
from workflows import plots
from workflows.config import Analysis
from workflows.limits import LIMITS
from workflows.selecting import Selected

__all__ = ["Records", "draw"]

Array = NDArray[np.float64]
BIN_WIDTH = 1.0
"""Width of the bins of the spectrum figure [GeV^2]."""
CURVE_POINTS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What the figures show.

    Parameters
    ----------
    config
        The analysis.
    selected
        The spectra.
    cuts
        The optimised cuts; None for none.
    signal
        The signal model after all cuts.
    limits
        Columns of the limit table.
    """

    config: Analysis
    selected: Selected
    cuts: CutTable | None
    signal: SignalModel
    limits: Mapping[str, NDArray[Any]]


def draw(records: Records, folder: Path) -> None:
    """Write all figures as PNG and PDF into `folder`."""
    label = _label(records)
    plots.save(_spectrum(records, label), folder, "spectrum")
    plots.save(_signal(records.signal), folder, "signal")
    plots.save(_closure(records.signal), folder, "signal_closure")
    if records.cuts is not None:
        plots.save(_cuts(records.cuts, records.selected), folder, "cuts")
    limits = records.limits
    simulated = records.config.data.simulate
    injected = [signal.mass for signal in simulated.inject] if simulated is not None else []
    plots.save(plots.p0_scan(limits["mass"], limits["p0"], label=label, injected=injected), folder, "p0")
    method = f"{label}, {limits['cl'][0]:.0%} CL"
    published = SEARCHES[records.config.channel].published
    curves = {
        "limit_cross_section": ("xsec", r"$\sigma(e^+e^-\to\mu^+\mu^-Z')\,\mathcal{B}(Z'\to\mathrm{inv})$ [fb]", None),
        "limit_coupling": ("coupling", r"$g'$", published),
    }
    for name, (quantity, axis, reference) in curves.items():
        bands = np.stack([limits[f"{quantity}_ul_{limit}"] for limit in LIMITS], axis=-1)
        figure = plots.limit_band(
            limits["mass"],
            bands[:, 1:],
            None if records.config.blinded else bands[:, 0],
            ylabel=axis,
            label=method,
            published=None
            if reference is None
            else (reference.label, np.array(reference.masses), np.array(reference.couplings)),
        )
        plots.save(figure, folder, name)


def _label(records: Records) -> str:
    """Return what the data are."""
    config = records.config
    kind = "pseudo-data" if config.data.is_pseudo else "data"
    marks = ["blinded"] * config.blinded + ["INCOMPLETE"] * (not records.selected.complete)
    luminosity = f"{records.selected.luminosity:.3g}"
    return ", ".join([f"bumphunt, {config.channel}, {kind} {luminosity} fb$^{{-1}}$", *marks])


def _coarse(spectrum: Spectrum, low: float, high: float) -> Spectrum:
    """Return a spectrum with bins for the eye, from `low` to `high` [GeV^2]."""
    joined = rebin(spectrum, max(1, round(BIN_WIDTH / float(spectrum.widths[0]))))
    return window(joined, max(low, float(joined.edges[0])), min(high, float(joined.edges[-1])))


def _spectrum(records: Records, label: str) -> plots.Figure:
    """Return the stacked spectrum with the data and the injected signals."""
    config, selected = records.config, records.selected
    low, high = config.spectrum.low, config.search.high**2 + 10.0
    backgrounds = {name: _coarse(spectrum, low, high) for name, spectrum in selected.after.items()}
    total = add(backgrounds.values())
    relative = {name: config.samples[name].uncertainty for name in backgrounds}
    normalisations = sum(
        ((relative[name] * spectrum.counts) ** 2 for name, spectrum in backgrounds.items()), np.zeros(total.n_bins)
    )
    data = _coarse(selected.data, low, high)
    centres = np.sqrt(np.maximum(total.centres, 0))
    hidden = config.blinded and (centres >= config.search.low) & (centres < config.search.high)
    return plots.stacked_spectrum(
        total.edges,
        {name: spectrum.counts for name, spectrum in backgrounds.items()},
        np.sqrt(total.variances + normalisations),
        data=np.where(hidden, np.nan, data.counts),
        label=label,
    )


def _signal(model: SignalModel) -> plots.Figure:
    """Return efficiency and resolution against mass."""
    fine = np.linspace(model.masses[0], model.masses[-1], CURVE_POINTS)
    relative = model.errors[:, 1] / model.parameters[:, 1]
    resolution = 1e3 * model.mass_resolution(model.masses)
    curve = 1e3 * model.mass_resolution(fine)
    points = {
        "efficiency": (model.efficiencies, model.efficiency_errors),
        r"$\sigma(M_\mathrm{recoil})$ [MeV]": (resolution, relative * resolution),
        r"$\sigma(M^2_\mathrm{recoil})$ [GeV$^2$]": (
            model.resolution(model.masses),
            relative * model.resolution(model.masses),
        ),
    }
    band = np.interp(fine, model.masses, relative)
    curves = {
        "efficiency": (model.efficiency(fine), model.efficiency_error(fine)),
        r"$\sigma(M_\mathrm{recoil})$ [MeV]": (curve, band * curve),
        r"$\sigma(M^2_\mathrm{recoil})$ [GeV$^2$]": (model.resolution(fine), band * model.resolution(fine)),
    }
    return plots.signal_parameters(model.masses, points, fine, curves)


def _closure(model: SignalModel) -> plots.Figure:
    """Return the closure of the interpolation of resolution and efficiency."""
    result = leave_one_out(model)
    shown = {}
    for name in ("resolution", "efficiency"):
        i = result.names.index(name)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = result.fitted[:, i] / result.interpolated[:, i]
            shown[name] = (ratio, result.errors[:, i] / result.interpolated[:, i])
    return plots.closure(result.masses, shown)


def _cuts(cuts: CutTable, selected: Selected) -> plots.Figure:
    """Return the cuts against mass, with the background before and after."""
    symbols = {
        "pt_rec_lmax": r"$p_T^\mathrm{rec}(\ell_\mathrm{max})$",
        "pt_rec_lmin": r"$p_T^\mathrm{rec}(\ell_\mathrm{min})$",
        "pt_pair": r"$p_T(\mu\mu)$",
    }
    mass_edges = cuts.axis.mass(cuts.edges)
    thresholds = {symbols.get(name, name): cuts.lower[:, i] for i, name in enumerate(cuts.names)}
    merit = {"half that chose the cuts": cuts.merit_choosing, "other half": cuts.merit_quoting}
    counts = {}
    for name, spectra in (("before", selected.before), ("after", selected.after)):
        total = add(spectra.values())
        inside = np.digitize(total.centres, cuts.edges) - 1
        keep = (inside >= 0) & (inside < cuts.edges.size - 1)
        binned = np.bincount(inside[keep], total.counts[keep], minlength=cuts.edges.size - 1)
        counts[name] = binned.astype(np.float64)
    return plots.cuts_against_mass(mass_edges, thresholds, merit, (mass_edges, counts), smooth=cuts.smooth)
