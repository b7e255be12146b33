"""The figure of the fit of one window: data, components, pulls; the likelihood of the signal; the parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from bumphunt.scanning.window_fit import FittedParameter, FittedRegion, WindowFit
from workflows.figures.names import process_name, source_name, unit_in_figures
from workflows.figures.samples import draw_data, garwood
from workflows.figures.style import COLOURS, STYLE, Figure, new_figure, write_title

__all__ = ["window"]

Array = NDArray[np.float64]

MOST_PARAMETERS = 14
"""Constrained parameters that are drawn, those that are pulled most; the table has all."""
MIN_REACH = 3.5
"""Least half height of the axis of pulls."""


def window(found: WindowFit, *, xlabels: Mapping[str, str], units: Mapping[str, str], label: str, data: str) -> Figure:
    """Return the fit of one window.

    Each region has its data with central Poisson intervals, the fit (solid, with its components), and what was expected
    before the fit without signal (dashed) where the data alone do not determine it, all as densities, per mean width of
    the bins; below, the pulls: data minus fit over the error of the data on the side of the fit. On the right are -2 ln
    of the profile likelihood ratio of the signal, and the constrained parameters, if there are any, in units of their
    constraints.

    Parameters
    ----------
    found
        The fit.
    xlabels, units
        What the spectra are of, with the unit, and the unit alone, by region.
    label
        What is fitted.
    data
        What the counts are: data, pseudo-data, or an expectation.
    """
    with mpl.rc_context(STYLE):
        n = len(found.regions)
        figure = new_figure(5.2 * n + 4.2, 5.8)
        whole = figure.add_gridspec(1, n + 1, width_ratios=[*[5.2] * n, 4.0])
        for k, region in enumerate(found.regions):
            panels = whole[0, k].subgridspec(2, 1, height_ratios=[3, 1], hspace=0.0)
            upper = figure.add_subplot(panels[0])
            lower = figure.add_subplot(panels[1], sharex=upper)
            _draw_region(upper, lower, region, data=data, unit=units[region.name])
            lower.set_xlabel(xlabels[region.name])
            write_title(upper, label if n == 1 else f"{label}, {region.name}" if k == 0 else region.name)
        known = [p for p in found.parameters if p.constraint != "free"]
        right = whole[0, n].subgridspec(2 if known else 1, 1)
        _draw_likelihood(figure.add_subplot(right[0]), found)
        if known:
            _draw_parameters(figure.add_subplot(right[1]), known)
        return figure


def _draw_region(upper: Any, lower: Any, region: FittedRegion, *, data: str, unit: str) -> None:
    """Draw data, components and pulls of a region."""
    edges, counts, widths = region.edges, region.counts, np.diff(region.edges)
    common = float(widths.mean())
    scale = common / widths  # bins of several widths are comparable as densities
    total = np.sum(list(region.after.values()), axis=0)
    background = total - np.sum([v for name, v in region.after.items() if name.startswith("peak")], axis=0)
    draw_data(upper, edges, counts, size=3, scale=scale)
    if upper.containers:
        upper.containers[-1].set_label(data)
    upper.stairs(scale * total, edges, color=COLOURS[2], linewidth=1.4, label="fit")
    upper.stairs(scale * background, edges, color=COLOURS[0], linewidth=1.2, label="background of the fit")
    others = {name: v for name, v in region.after.items() if not name.startswith("peak")}
    if len(others) > 1:
        for colour, (name, v) in zip(COLOURS[3:] * 3, others.items(), strict=False):
            upper.stairs(scale * v, edges, color=colour, linewidth=0.9, label=_component(name))
    before = [v for name, v in region.before.items() if not name.startswith("peak")]
    if before and len(before) == len(others):
        upper.stairs(
            scale * np.sum(before, axis=0), edges, color="0.45", linestyle="--", label="background before the fit"
        )
    below, above = garwood(counts)
    error = np.where(counts > total, below, above)
    pulls = (counts - total) / np.where(error > 0.0, error, 1.0)
    lower.stairs(pulls, edges, color="black", linewidth=0.9, baseline=None)
    lower.axhline(0.0, color=COLOURS[2], linewidth=0.8)
    reach = max(MIN_REACH, 1.15 * float(np.abs(pulls).max()))
    lower.set_ylim(-reach, reach)
    lower.set_ylabel("(data $-$ fit)\n/ error of data", fontsize=9)
    upper.set_ylabel(f"events / {common:.3g} {unit_in_figures(unit)}")
    low, high = float(np.min(scale * (counts - below))), float(np.max(scale * np.maximum(counts + above, total)))
    room = 0.45 * (high - low) + 0.3
    upper.set_ylim(max(0.0, low - 0.1 * (high - low)), high + room)
    upper.set_xlim(edges[0], edges[-1])
    upper.tick_params(labelbottom=False)
    upper.legend(fontsize=8, ncols=2, loc="upper left")


def _component(name: str) -> str:
    """Return what a component is called in a figure."""
    return "smooth background" if name == "smooth" else process_name(name)


def _draw_likelihood(axes: Any, found: WindowFit) -> None:
    """Draw the profile likelihood ratio of the signal."""
    axes.plot(found.strengths, found.ratios, color=COLOURS[0], linewidth=1.3)
    for sigma in (1, 2, 3):
        axes.axhline(sigma**2, color="0.7", linewidth=0.7, linestyle="--")
        axes.text(1.01, sigma**2, rf"{sigma}$\sigma$", transform=axes.get_yaxis_transform(), va="center", fontsize=8)
    limit = found.row.n_sig_ul_obs
    if np.isfinite(limit) and found.strengths[0] < limit < found.strengths[-1]:
        axes.axvline(limit, color=COLOURS[2], linewidth=0.9, label=f"upper limit, {found.row.cl:.0%} CL")
        axes.legend(fontsize=8, loc="upper center", frameon=True, framealpha=1.0, edgecolor="none")
    axes.set_ylim(0.0, 14.0)
    if np.all(np.isfinite(found.strengths)):
        axes.set_xlim(found.strengths[0], found.strengths[-1])
    axes.set_xlabel(r"$n_\mathrm{sig}$ [events]")
    axes.set_ylabel(r"$-2\ln\lambda$")


def _draw_parameters(axes: Any, known: Sequence[FittedParameter]) -> None:
    """Draw constrained parameters, at least one, in units of their constraints."""
    shown = sorted(known, key=lambda p: -abs(p.value - p.centre) / p.width)[:MOST_PARAMETERS]
    place = np.arange(len(shown))[::-1]
    pulls = np.array([(p.value - p.centre) / p.width for p in shown])
    errors = np.array([p.error / p.width if np.isfinite(p.error) else 0.0 for p in shown])
    axes.axvspan(-1.0, 1.0, color="0.9")
    axes.errorbar(pulls, place, xerr=errors, fmt="o", color=COLOURS[0], markersize=3.5, linewidth=1.1)
    axes.axvline(0.0, color="0.5", linewidth=0.7)
    axes.set_yticks(place, [source_name(p.name) for p in shown], fontsize=8)
    axes.set_ylim(-0.7, len(shown) - 0.3)
    reach = max(2.0, 1.1 * float(np.max(np.abs(pulls) + errors, initial=0.0)))
    axes.set_xlim(-reach, reach)
    axes.minorticks_off()
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("(fitted $-$ centre) / constraint")
    if len(shown) < len(known):
        axes.set_title(f"the {len(shown)} most pulled of {len(known)} constrained parameters", fontsize=8, loc="left")
