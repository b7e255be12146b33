"""Figures of the selection: each observable that is cut on, of the events that pass all other cuts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.ticker import NullFormatter

from workflows.plots import COLOURS, SAMPLE_LABELS, STYLE, Figure
from workflows.processing import CutValues

__all__ = ["n_minus_one", "symbol"]

COLUMNS = 3
"""Panels beside each other."""
SYMBOLS = {
    "pt_rec_lmax": r"$p_T^\mathrm{rec}(\ell_\mathrm{max})$",
    "pt_rec_lmin": r"$p_T^\mathrm{rec}(\ell_\mathrm{min})$",
    "pt_pair": r"$p_T(\ell\ell)$",
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
