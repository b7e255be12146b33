"""The figure of a study: each number against mass, beside what is allowed; the distribution that it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy.stats import norm

from workflows.figures.style import COLOURS, GREEN, STYLE, Figure, mass_scale, new_figure, write_title

__all__ = ["study"]

Array = NDArray[np.float64]

MARKS = "os^Dvp<>"
"""Of series, beside their colour."""
DODGE = 0.015
"""How far the marks of two series are apart, in units of the range of masses."""
PULLS = np.linspace(-5.0, 5.0, 51)
P_VALUES = np.linspace(0.0, 1.0, 21)
"""Bins of the distributions."""


def study(
    columns: Mapping[str, Sequence[Any]],
    *,
    label: str,
    xlabel: str,
    pulls: Array | None = None,
    p_values: Array | None = None,
) -> Figure:
    """Return the findings of a study: a panel for each quantity, the allowed range as a band.

    Parameters
    ----------
    columns
        Fields of the findings by name, as in `bumphunt.studies.verdicts.Finding`.
    label
        What was studied, and the verdict.
    xlabel
        Of the axis of masses.
    pulls, p_values
        Of all toys together, to be drawn beside them.
    """
    quantities = list(dict.fromkeys(columns["quantity"]))
    series = list(dict.fromkeys(map(_series, columns["truth"], columns["n_sigma"])))
    beside = pulls is not None or p_values is not None
    with mpl.rc_context(STYLE):
        figure = new_figure(10.5 if beside else 7.5, 1.6 + 2.2 * max(len(quantities), 2))
        whole = figure.add_gridspec(len(quantities), 2 if beside else 1, width_ratios=(1.5, 1) if beside else (1,))
        panels: list[Axes] = []
        for row, quantity in enumerate(quantities):
            axes = figure.add_subplot(whole[row, 0], sharex=panels[0] if panels else None)
            _panel(axes, columns, quantity, series)
            axes.tick_params(labelbottom=row == len(quantities) - 1)
            panels.append(axes)
        write_title(panels[0], label)
        panels[-1].set_xlabel(xlabel)
        known = {
            name: handle for axes in panels for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        figure.legend(list(known.values()), list(known), loc="outside lower center", ncols=3, fontsize=9)
        if pulls is not None:
            _pulls(figure.add_subplot(whole[:, 1]), pulls)
        if p_values is not None:
            _p_values(figure.add_subplot(whole[:, 1]), p_values)
        return figure


def _panel(axes: Axes, columns: Mapping[str, Sequence[Any]], quantity: str, series: Sequence[str]) -> None:
    """Draw one quantity against mass, a series for each truth and signal."""
    here = [k for k, name in enumerate(columns["quantity"]) if name == quantity]
    mass, value, error, low, high = (
        np.array([columns[name][k] for k in here], dtype=np.float64)
        for name in ("mass", "value", "error", "low", "high")
    )
    number = np.array([series.index(_series(columns["truth"][k], columns["n_sigma"][k])) for k in here])
    masses, mine = np.unique(mass), np.unique(number)
    reach = max(float(np.ptp(masses)), 0.2 * float(masses[0])) or 1.0  # without a mass there is one place
    x = mass + (np.searchsorted(mine, number) - 0.5 * (mine.size - 1)) * DODGE * reach
    shown = np.concatenate([low, high, value - error, value + error])
    shown = shown[np.isfinite(shown)] if np.isfinite(shown).any() else np.zeros(1)
    room = 0.15 * max(float(np.ptp(shown)), 1e-3)
    bottom, top = float(shown.min()) - room, float(shown.max()) + room
    allowed: dict[str, Any] = {"color": GREEN, "alpha": 0.25, "linewidth": 0, "label": "allowed"}
    if np.isfinite(low[0]) and np.ptp(low) == 0.0:
        axes.axhspan(float(low[0]), min(float(high[0]), top), **allowed)
    elif np.isfinite(low[0]):
        axes.bar(x, high - low, bottom=low, width=0.8 * DODGE * reach, **allowed)
    for k in mine:
        axes.errorbar(
            x[number == k],
            value[number == k],
            error[number == k],
            fmt=MARKS[k % len(MARKS)],
            color=COLOURS[k % len(COLOURS)],
            markersize=4,
            linewidth=1,
            label=series[k],
        )
    if masses.size > 1:
        mass_scale(axes, masses)
    axes.set_xlim(float(masses[0]) - 0.08 * reach, float(masses[-1]) + 0.08 * reach)
    axes.set_ylim(bottom, top)
    axes.set_ylabel(quantity)


def _series(truth: str, n_sigma: float) -> str:
    """Return what tells the series of a panel apart."""
    if not np.isfinite(n_sigma):
        return "all signals" if truth.startswith("fit to") else truth
    signal = "no signal" if n_sigma == 0.0 else rf"signal of {n_sigma:g}$\sigma$"
    if truth.startswith("fit to"):
        return signal
    return truth if n_sigma == 0.0 else f"{truth}, {signal}"


def _pulls(axes: Axes, pulls: Array) -> None:
    """Draw the distribution of pulls over a standard normal one."""
    counts, edges = np.histogram(np.clip(pulls, PULLS[0], PULLS[-1]), PULLS)
    axes.stairs(counts, edges, fill=True, color=COLOURS[0], alpha=0.6, label=f"{pulls.size} toys")
    axes.plot(
        fine := np.linspace(PULLS[0], PULLS[-1], 201),
        norm.pdf(fine) * pulls.size * (PULLS[1] - PULLS[0]),
        color=COLOURS[2],
        label="standard normal",
    )
    axes.set_xlabel(r"pull (signed root of $-2\ln\lambda$)")
    axes.set_ylabel(f"toys / {PULLS[1] - PULLS[0]:.1g}")
    axes.legend(fontsize=9)


def _p_values(axes: Axes, p_values: Array) -> None:
    """Draw the distribution of p-values, which should be flat."""
    counts, edges = np.histogram(p_values, P_VALUES)
    axes.stairs(counts, edges, fill=True, color=COLOURS[0], alpha=0.6, label=f"{p_values.size} toys")
    axes.axhline(p_values.size / (P_VALUES.size - 1), color=COLOURS[2], label="flat")
    axes.set_xlim(0.0, 1.0)
    axes.set_xlabel(r"$p$ of the goodness of fit, from $\chi^2$")
    axes.set_ylabel(f"toys / {P_VALUES[1]:g}")
    axes.set_ylim(0.0, 1.3 * float(counts.max()))
    axes.legend(fontsize=9)
