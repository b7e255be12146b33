"""The figure of a spectrum: stacked backgrounds, data, and the pull."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib as mpl
import mplhep
import numpy as np
from numpy.typing import NDArray

from workflows.figures.names import unit_in_figures
from workflows.figures.samples import SampleStyle, draw_data, draw_stack, garwood, lowest_count, stack_order
from workflows.figures.style import STYLE, Figure, count_scale, new_figure, write_title

__all__ = ["data_spectrum", "stacked_spectrum"]

Array = NDArray[np.float64]

BAND = {"facecolor": "0.3", "edgecolor": "none", "alpha": 0.35, "hatch": None}
"""Look of the uncertainty."""
EQUAL = 1e-6
"""By how much equal bins may differ, relative."""
MIN_REACH = 3.0
"""Pulls of this size are always within the panel."""


def stacked_spectrum(
    edges: Array,
    backgrounds: Mapping[str, Array],
    errors: Array,
    *,
    styles: Mapping[str, SampleStyle],
    data: Array,
    label: str,
    xlabel: str,
    unit: str,
) -> Figure:
    """Return a spectrum: stacked backgrounds with their uncertainty, data, and the pull.

    The pull is data minus expectation over the error of the data on the side of the expectation, as it is drawn above;
    its band is the uncertainty of the expectation in the same unit.

    Parameters
    ----------
    edges
        Bin edges [unit], shape (B + 1,).
    backgrounds
        Expected events per bin of each background, shape (B,) each.
    errors
        Uncertainty of the sum of the backgrounds, shape (B,).
    styles
        How the backgrounds look, see `workflows.figures.samples.sample_styles`.
    data
        Observed events per bin, shape (B,); NaN where they are hidden.
    label
        What the data are, above the figure.
    xlabel, unit
        What the spectrum is of, with its unit, and the unit alone; "" where there is no spectrum, but one count.
    """
    with mpl.rc_context(STYLE):
        figure = new_figure(7.0, 6.0)
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        total = np.sum(list(backgrounds.values()), axis=0)
        draw_stack(upper, edges, backgrounds, stack_order([backgrounds]), styles)
        mplhep.histplot(total, edges, yerr=errors, histtype="band", label="uncertainty", ax=upper, **BAND)
        draw_data(upper, edges, data, size=3)
        unit_of_pull = _error_towards(total, data)
        pull = np.nan_to_num((data - total) / unit_of_pull)
        mplhep.histplot(
            np.zeros(total.size), edges, yerr=errors / unit_of_pull, histtype="band", label="", ax=lower, **BAND
        )
        mplhep.histplot(pull, edges, yerr=False, color="black", linewidth=1.0, ax=lower)
        lower.axhline(0, color="black", linewidth=0.8)
        reach = max(MIN_REACH, 1.15 * float(np.abs(pull).max()))
        lower.set_ylim(-reach, reach)
        lower.set_ylabel("(data $-$ exp.)\n/ error of data")
        lower.set_xlabel(xlabel)
        lower.set_xlim(edges[0], edges[-1])
        if not unit:
            lower.set_xticks([])
        highest = max(float((total + errors).max()), float(np.nanmax(data + garwood(data)[1], initial=0.0)))
        count_scale(upper, lowest_count(backgrounds, data), highest, room=0.22)
        upper.set_ylabel(_per_bin(edges, unit))
        upper.legend(ncols=2, fontsize=9)
        write_title(upper, label)
        figure.align_ylabels()
        return figure


def data_spectrum(edges: Array, data: Array, *, label: str, xlabel: str, unit: str) -> Figure:
    """Return a spectrum of data alone, where no sample says what is expected.

    Parameters
    ----------
    edges, data, label, xlabel, unit
        As in `stacked_spectrum`.
    """
    with mpl.rc_context(STYLE):
        figure = new_figure(7.0, 4.5)
        axes = figure.subplots()
        draw_data(axes, edges, data, size=3)
        highest = float(np.nanmax(data + garwood(data)[1], initial=1.0))
        count_scale(axes, lowest_count({}, data), highest, room=0.22)
        axes.set_xlim(edges[0], edges[-1])
        if not unit:
            axes.set_xticks([])
        axes.set_xlabel(xlabel)
        axes.set_ylabel(_per_bin(edges, unit))
        write_title(axes, label)
        return figure


def _per_bin(edges: Array, unit: str) -> str:
    """Return the label of an axis of events in bins, which need not be equal, or of a count."""
    widths = np.diff(edges)
    if not unit:
        return "events"
    if widths[:-1].size and np.ptp(widths[:-1]) > EQUAL * widths[0]:  # the last one may be cut
        return "events / bin"
    return f"events / {widths[0]:.3g} {unit_in_figures(unit)}"


def _error_towards(total: Array, data: Array) -> Array:
    """Return the error of data on the side of the expectation, shape (B,); that of the expectation where hidden."""
    below, above = garwood(np.where(np.isnan(data), total, data))
    return np.where(data > total, below, above)
