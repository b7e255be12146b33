"""Figures of the selection: each observable that is cut on, of the events that pass all other cuts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from workflows.figures.plots import COLOURS, SAMPLE_LABELS, STYLE, Figure
from workflows.products.cut_values import CutValues

__all__ = ["classifier", "cuts_against_mass", "n_minus_one", "ranking", "symbol"]

Array = NDArray[np.float64]

COLUMNS = 3
"""Panels beside each other."""
SYMBOLS = {
    "pt_rec_lmax": r"$p_T^\mathrm{rec}(\ell_\mathrm{max})$",
    "pt_rec_lmin": r"$p_T^\mathrm{rec}(\ell_\mathrm{min})$",
    "pt_pair": r"$p_T(\ell\ell)$",
    "pl_rec_lmin": r"$p_L^\mathrm{rec}(\ell_\mathrm{min})$",
    "minus_pl_rec_lmax": r"$-p_L^\mathrm{rec}(\ell_\mathrm{max})$",
    "minus_m_pair": r"$-m(\ell\ell)$",
    "minus_p_lmax": r"$-p(\ell_\mathrm{max})$",
    "minus_p_lmin": r"$-p(\ell_\mathrm{min})$",
    "p_lmin": r"$p(\ell_\mathrm{min})$",
    "p_recoil": r"$p^\mathrm{rec}$",
    "minus_cos_recoil": r"$-|\cos\theta^*_\mathrm{rec}|$",
}
"""What the figures call observables."""


def symbol(name: str) -> str:
    """Return what the figures call an observable: its symbol, or its name in words."""
    return SYMBOLS.get(name, name.replace("_", " "))


def n_minus_one(panels: Sequence[CutValues], *, label: str) -> Figure:
    """Return one panel for each cut: stacked backgrounds and a signal that pass all other cuts, and the thresholds.

    Parameters
    ----------
    panels
        The cuts, with the histograms of their observables.
    label
        What the data are, above the figure.
    """
    with mpl.rc_context(STYLE | {"font.size": 9}):
        rows = max(1, math.ceil(len(panels) / COLUMNS))
        figure = Figure(figsize=(4.2 * COLUMNS, 3.0 * rows + 0.6), layout="constrained")
        figure.suptitle(label, fontsize=11)
        grid = np.ravel(figure.subplots(rows, COLUMNS, squeeze=False))
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        for axes, panel in zip(grid, panels, strict=False):
            order = sorted(panel.backgrounds, key=lambda name: float(panel.backgrounds[name].sum()))
            base = np.zeros(panel.edges.size - 1)
            for colour, name in zip(COLOURS, order, strict=False):
                top = base + panel.backgrounds[name]
                label_of = SAMPLE_LABELS.get(name, name)
                axes.stairs(top, panel.edges, baseline=base, fill=True, color=colour, label=label_of)
                base = top
            if panel.signal is not None and panel.signal.sum() > 0:
                scaled = panel.signal * max(float(base.sum()), 1.0) / panel.signal.sum()
                axes.stairs(scaled, panel.edges, color="black", linewidth=1.2, label=panel.signal_label)
            if panel.data is not None:
                centres = (panel.edges[1:] + panel.edges[:-1]) / 2
                some = panel.data > 0
                axes.plot(centres[some], panel.data[some], "o", color="black", markersize=2.5, label="data")
            for threshold in panel.thresholds:
                axes.axvline(threshold, color=COLOURS[2], linewidth=1.2, linestyle="--")
            positive = base[base > 0]
            if positive.size:
                axes.set_yscale("log")
                axes.yaxis.set_minor_formatter(NullFormatter())
                axes.set_ylim(max(positive.min(), 1e-5 * positive.max()) / 2, 30 * positive.max())
            axes.set_xlim(panel.edges[0], panel.edges[-1])
            axes.set_xlabel(symbol(panel.observable) + (f" [{panel.unit}]" if panel.unit else ""))
            axes.set_ylabel("events / bin")
            axes.set_title(panel.name, loc="left", fontsize=9)
        if panels:
            handles, labels = grid[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 4) or 1, fontsize=9)
        return figure


def ranking(masses: Array, names: Sequence[str], separation: Array, *, label: str, xlabel: str) -> Figure:
    """Return the separation of observables against mass, as colours, the best on top.

    Parameters
    ----------
    masses
        Masses at the centres of the bins [GeV], shape (M,).
    names
        Observables, V of them, in the order of the ranking.
    separation
        Separation, shape (M, V); NaN is left white.
    label, xlabel
        What it is of, and the symbol of the mass with its unit.
    """
    with mpl.rc_context(STYLE | {"xtick.direction": "out", "ytick.direction": "out", "ytick.right": False}):
        figure = Figure(figsize=(8.0, 1.6 + 0.28 * len(names)), layout="constrained")
        axes = figure.subplots()
        edges = np.concatenate([[masses[0]], (masses[1:] + masses[:-1]) / 2, [masses[-1]]])
        image = axes.pcolormesh(edges, np.arange(len(names) + 1), separation.T, cmap="viridis", vmin=0)
        axes.set_yticks(np.arange(len(names)) + 0.5, [symbol(name) for name in names])
        axes.tick_params(axis="y", which="both", length=0)
        axes.tick_params(axis="x", which="minor", top=False)
        axes.minorticks_off()
        axes.invert_yaxis()
        axes.set_xlabel(xlabel)
        axes.set_title(label, loc="left", fontsize=10)
        figure.colorbar(image, ax=axes, label="separation")
        return figure


def classifier(masses: Array, limits: Mapping[str, Array], *, label: str, xlabel: str) -> Figure:
    """Return the expected limits with the cuts and with a classifier, and their ratio, on events that chose neither.

    Parameters
    ----------
    masses
        Masses at the centres of the bins [GeV], shape (M,).
    limits
        Legend entry -> expected limit on produced events, shape (M,); the first is the reference.
    label, xlabel
        What it is of, and the symbol of the mass with its unit.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.0, 5.5), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
        reference = next(iter(limits.values()))
        for colour, (name, values) in zip(COLOURS, limits.items(), strict=False):
            upper.plot(masses, values, marker="o", markersize=3, color=colour, label=name)
            lower.plot(masses, reference / values, marker="o", markersize=3, color=colour)
        upper.set_yscale("log")
        upper.set_ylabel("expected limit [produced events]")
        upper.legend()
        lower.set_ylabel("gain")
        lower.set_xlabel(xlabel)
        upper.set_title(label, loc="left", fontsize=10)
        return figure


def cuts_against_mass(
    mass_edges: Array,
    masses: Array,
    thresholds: Mapping[str, Array],
    merit: Mapping[str, Array],
    counts: Mapping[str, Array],
    *,
    smooth: bool,
    xlabel: str,
) -> Figure:
    """Return the optimised cuts: background before and after, the bounds, and the figure of merit on both halves.

    Parameters
    ----------
    mass_edges, masses
        Edges [GeV] of the mass bins, shape (K + 1,), and the masses of their centres, shape (K,).
    thresholds
        Axis label with its unit -> lower bound in each bin, shape (K,) each.
    merit
        Legend entry -> figure of merit in each bin, shape (K,) each.
    counts
        Legend entry -> expected background events in each bin, shape (K,) each.
    smooth
        Whether the bounds are interpolated between the centres of the bins.
    xlabel
        Symbol of the mass with its unit.
    """
    with mpl.rc_context(STYLE):
        rows = len(thresholds)
        figure = Figure(figsize=(7.0, 5.0 + 1.5 * rows), layout="constrained")
        panels = figure.subplots(rows + 2, 1, sharex=True, height_ratios=[2, *[1] * rows, 1.5])
        top, bottom = panels[0], panels[-1]
        for colour, (name, values) in zip(("0.6", COLOURS[2]), counts.items(), strict=True):
            top.stairs(values, mass_edges, color=colour, label=name, fill=colour == "0.6", linewidth=1.5)
        if any(values.max() > 0 for values in counts.values()):
            top.set_yscale("log")
            low, high = top.get_ylim()
            top.set_ylim(low, 20 * high)
        top.set_ylabel("background events / bin")
        top.legend(loc="upper right", ncols=2)
        for axes, (name, values) in zip(panels[1:-1], thresholds.items(), strict=True):
            if smooth:
                axes.plot(masses, values, marker="o", markersize=3, color=COLOURS[0])
            else:
                axes.stairs(values, mass_edges, baseline=None, color=COLOURS[0], linewidth=1.5)
            axes.margins(y=0.15)
            axes.set_ylabel(name + "\n>", fontsize=9)
        for colour, (name, values) in zip(COLOURS, merit.items(), strict=False):
            bottom.stairs(values, mass_edges, baseline=None, color=colour, label=name, linewidth=1.5)
        bottom.set_ylabel("figure of merit")
        bottom.set_ylim(bottom=0)
        bottom.legend()
        bottom.set_xlim(mass_edges[0], mass_edges[-1])
        bottom.set_xlabel(xlabel)
        figure.align_ylabels()
        return figure
