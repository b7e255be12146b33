"""Figures of the validation page: a distribution with its reference, and their ratio below."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from bumphunt.montecarlo.validation.findings import Check, Distribution
from workflows.figures.style import COLOURS, STYLE, Figure, new_figure, write_title

__all__ = ["compare", "ratios"]

Array = NDArray[np.float64]


def compare(shape: Distribution) -> Figure:
    """Return the figure of a distribution: points with errors over the reference, and the ratio to it."""
    with mpl.rc_context(STYLE):
        figure = new_figure(7.0, 5.5)
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1.2])
        top.stairs(shape.reference, shape.edges, color=COLOURS[0], linewidth=1.5, baseline=None, label=shape.source)
        _points(top, shape.centres, shape.values, shape.errors, "bumphunt", "black", "o")
        for overlay, colour in zip(shape.overlays, COLOURS[1:], strict=False):
            _points(top, shape.centres, overlay.values, overlay.errors, overlay.label, colour, "s")
        top.set_ylabel(shape.quantity)
        write_title(top, shape.title)
        if shape.logarithmic:
            top.set_yscale("log")
        else:
            top.set_ylim(0, 1.35 * max(np.nanmax(shape.values + shape.errors), np.nanmax(shape.reference)))
        top.legend(fontsize=9)
        top.tick_params(axis="x", which="both", labelbottom=False)
        bottom.axhline(1.0, color=COLOURS[0], linewidth=1.5)
        _points(bottom, shape.centres, shape.values / shape.reference, shape.errors / shape.reference, "", "black", "o")
        for overlay, colour in zip(shape.overlays, COLOURS[1:], strict=False):
            ratio = overlay.values / shape.reference
            _points(bottom, shape.centres, ratio, overlay.errors / shape.reference, "", colour, "s")
        curves = [(shape.values, shape.errors), *((o.values, o.errors) for o in shape.overlays)]
        deviation = max(np.nanmax((np.abs(v - shape.reference) + e) / np.abs(shape.reference)) for v, e in curves)
        reach = float(np.clip(1.2 * deviation, 0.05, 0.6))
        bottom.set_ylim(1 - reach, 1 + reach)
        bottom.set_ylabel("ratio")
        bottom.set_xlabel(shape.variable)
        bottom.set_xlim(shape.edges[0], shape.edges[-1])
        return figure


def _points(axes: Axes, centres: Array, values: Array, errors: Array, label: str, colour: str, marker: str) -> None:
    """Draw values with their errors."""
    axes.errorbar(
        centres, values, yerr=errors, fmt=marker, color=colour, markersize=3.5, linewidth=1.0,
        label=label or None,
    )  # fmt: skip


def ratios(checks: tuple[Check, ...]) -> Figure:
    """Return one figure of all numbers over their references, with statistical errors and a band of 10 %."""
    with mpl.rc_context(STYLE):
        figure = new_figure(8.5, 1.2 + 0.23 * len(checks))
        axes = figure.subplots()
        rows = np.arange(len(checks))[::-1]
        axes.axvspan(0.9, 1.1, color="0.92", label="10 %")
        axes.axvline(1.0, color=COLOURS[0], linewidth=1.2)
        values, errors = [check.ratio for check in checks], [check.ratio_error for check in checks]
        axes.errorbar(values, rows, xerr=errors, fmt="o", color="black", markersize=3.5, linewidth=1.0)
        axes.set_yticks(rows, [check.quantity for check in checks], fontsize=7.5)
        axes.tick_params(axis="y", which="both", left=False, right=False)
        axes.set_ylim(-0.7, len(checks) - 0.3)
        axes.set_xlim(min(0.78, min(values) - 0.05), max(1.22, max(values) + 0.05))
        axes.set_xlabel("Monte Carlo / reference (bars: statistical; grey: 10 %)")
        return figure
