"""The figure of the selection: each observable that is cut on, of the events that pass all other cuts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib as mpl
import mplhep
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from workflows.figures.style import COLOURS, STYLE, Figure, new_figure, sample_label, symbol, write_title
from workflows.products.cut_values import CutValues

__all__ = ["n_minus_one"]

Array = NDArray[np.float64]

COLUMNS = 3
"""Panels beside each other."""


def n_minus_one(cuts: Sequence[CutValues], *, label: str) -> Figure:
    """Return one panel for each cut: stacked backgrounds and a signal that pass all other cuts, and the thresholds.

    Parameters
    ----------
    cuts
        The cuts, with the histograms of their observables.
    label
        What the data are, above the figure.
    """
    with mpl.rc_context(STYLE | {"font.size": 9}):
        rows = max(1, math.ceil(len(cuts) / COLUMNS))
        figure = new_figure(4.2 * COLUMNS, 3.0 * rows + 0.6)
        figure.suptitle(label, fontsize=11)
        grid = np.ravel(figure.subplots(rows, COLUMNS, squeeze=False))
        for axes in grid[len(cuts) :]:
            axes.set_axis_off()
        for axes, cut in zip(grid, cuts, strict=False):
            _draw(axes, cut)
        if cuts:
            handles, labels = grid[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 4) or 1, fontsize=9)
        return figure


def _draw(axes: Axes, cut: CutValues) -> None:
    """Draw the panel of one cut."""
    order = sorted(cut.backgrounds, key=lambda name: float(cut.backgrounds[name].sum()))
    total = np.sum([cut.backgrounds[name] for name in order], axis=0)
    mplhep.histplot(
        [cut.backgrounds[name] for name in order],
        cut.edges,
        stack=True,
        histtype="fill",
        label=[sample_label(name) for name in order],
        color=[COLOURS[i % len(COLOURS)] for i in range(len(order))],
        ax=axes,
    )
    if cut.signal is not None and cut.signal.sum() > 0:
        scaled = cut.signal * max(float(total.sum()), 1.0) / cut.signal.sum()
        mplhep.histplot(scaled, cut.edges, yerr=False, color="black", linewidth=1.2, label=cut.signal_label, ax=axes)
    if cut.data is not None:
        shown = np.where(cut.data > 0, cut.data, np.nan)  # an empty bin has no point
        points = {"marker": "o", "markersize": 2.5, "color": "black"}
        mplhep.histplot(shown, cut.edges, yerr=False, histtype="errorbar", label="data", ax=axes, **points)
    for threshold in cut.thresholds:
        axes.axvline(threshold, color=COLOURS[2], linewidth=1.2, linestyle="--")
    positive = total[total > 0]
    if positive.size:
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(max(positive.min(), 1e-5 * positive.max()) / 2, 30 * positive.max())
    axes.set_xlim(cut.edges[0], cut.edges[-1])
    axes.set_xlabel(symbol(cut.observable) + (f" [{cut.unit}]" if cut.unit else ""))
    axes.set_ylabel("events / bin")
    write_title(axes, cut.name, size=9)
