"""The figure of a spectrum: stacked backgrounds, data, and the pull."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib as mpl
import mplhep
import numpy as np
from numpy.typing import NDArray

from workflows.figures.style import COLOURS, STYLE, Figure, new_figure, sample_label, write_title

__all__ = ["stacked_spectrum"]

Array = NDArray[np.float64]


def stacked_spectrum(
    edges: Array,
    backgrounds: Mapping[str, Array],
    errors: Array,
    *,
    data: Array,
    label: str,
    xlabel: str,
    unit: str,
) -> Figure:
    """Return a spectrum: stacked backgrounds, data with Poisson errors, and the pull.

    Parameters
    ----------
    edges
        Bin edges [unit], shape (B + 1,).
    backgrounds
        Expected events per bin of each background, shape (B,) each.
    errors
        Uncertainty of the sum of the backgrounds, shape (B,).
    data
        Observed events per bin, shape (B,); NaN where they are hidden.
    label
        What the data are, above the figure.
    xlabel, unit
        What the spectrum is of, with its unit, and the unit alone, for figures.
    """
    with mpl.rc_context(STYLE):
        figure = new_figure(7.0, 6.0)
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        total = np.sum(list(backgrounds.values()), axis=0)
        order = sorted(backgrounds, key=lambda name: float(backgrounds[name].sum()))
        mplhep.histplot(
            [backgrounds[name] for name in order],
            edges,
            stack=True,
            histtype="fill",
            label=[sample_label(name) for name in order],
            color=[COLOURS[i % len(COLOURS)] for i in range(len(order))],
            ax=upper,
        )
        band = {"facecolor": "0.3", "edgecolor": "none", "alpha": 0.35, "hatch": None}
        mplhep.histplot(total, edges, yerr=errors, histtype="band", label="uncertainty", ax=upper, **band)
        shown = np.where(data > 0, data, np.nan)  # an empty bin has no point
        points = {"marker": "o", "markersize": 3, "elinewidth": 0.8, "color": "black"}
        mplhep.histplot(
            shown, edges, w2=shown, w2method="poisson", xerr=True, histtype="errorbar", label="data", ax=upper, **points
        )
        spread = np.sqrt(total + errors**2)
        pull = np.divide(data - total, spread, out=np.zeros_like(total), where=(spread > 0) & ~np.isnan(data))
        mplhep.histplot(pull, edges, histtype="fill", color=COLOURS[0], ax=lower)
        lower.axhline(0, color="black", linewidth=0.8)
        lower.set_ylim(-4, 4)
        lower.set_ylabel("pull")
        lower.set_xlabel(xlabel)
        lower.set_xlim(edges[0], edges[-1])
        floor = min(0.1, float(total[total > 0].min(initial=0.1)))
        upper.set_yscale("log")
        upper.set_ylim(max(floor, 1e-3), 30 * max(1.0, float(total.max()), float(np.nanmax(data, initial=1.0))))
        upper.set_ylabel(f"events / {edges[1] - edges[0]:.3g} {unit}")
        upper.legend(ncols=2, fontsize=9)
        write_title(upper, label)
        return figure
