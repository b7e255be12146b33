"""Figures of a scan: local p-values, and upper limits with their expected bands, against mass or one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from workflows.figures.style import (
    COLOURS,
    DECADES,
    GREEN,
    STYLE,
    YELLOW,
    Figure,
    limit_scale,
    mass_scale,
    new_figure,
    write_title,
)

__all__ = ["limit_band", "limit_curves", "limit_points", "p0_scan"]

Array = NDArray[np.float64]

SMALLEST = 1e-100
"""Smallest p-value that is drawn: beyond 21 standard deviations."""
SPACE = 0.045
"""Least distance between the labels of two levels, in heights of the axes."""
MANY = 1000
"""Masses from which the observed limit is drawn by a thin line, through which the bands are seen."""


def p0_scan(
    masses: Array,
    p0: Array,
    *,
    label: str,
    xlabel: str,
    injected: Sequence[float] = (),
    global_levels: Sequence[tuple[int, float]] = (),
    poor: NDArray[np.bool_] | None = None,
) -> Figure:
    """Return the local p-value against mass, with levels of whole standard deviations as far as there is room.

    Parameters
    ----------
    masses
        Mass hypotheses [GeV], shape (M,).
    p0
        Local p-values, shape (M,); NaN where there is none.
    label
        What the data are.
    xlabel
        Symbol of the mass with its unit.
    injected
        Masses of injected signals [GeV], marked by lines.
    global_levels
        Whole standard deviations, and the local p-values that are worth as much in the whole search.
    poor
        Where the best fit does not describe the data, shape (M,): marked by crosses. None for nowhere.
    """
    with mpl.rc_context(STYLE):
        figure = new_figure(7.0, 4.5)
        axes = figure.subplots()
        p0 = np.maximum(p0, SMALLEST)  # NaN stays
        axes.plot(masses, p0, color=COLOURS[0], linewidth=1)
        if poor is not None and poor.any():
            axes.plot(masses[poor], p0[poor], "x", color=COLOURS[2], markersize=5, label="poor fit (goodness of fit)")
            axes.legend(loc="lower right", fontsize=9)
        shown = [float(norm.sf(3.2)), *(max(worth, SMALLEST) for z, worth in global_levels if z <= 3)]
        lowest = min(float(np.nanmin(p0, initial=1.0)), *shown) / 5
        for z in _levels(lowest, 2.0):
            axes.axhline(norm.sf(z), color=COLOURS[2], linewidth=0.7, linestyle="--")
            axes.text(
                1.005, norm.sf(z), rf"{z}$\sigma$", color=COLOURS[2], va="center", transform=axes.get_yaxis_transform()
            )
        for z, worth in global_levels:
            if worth > lowest:
                axes.axhline(worth, color=COLOURS[3], linewidth=0.9, linestyle="-.")
                name = rf"{z}$\sigma$ global"
                axes.text(
                    0.01, worth, name, color=COLOURS[3], fontsize=9, va="bottom", transform=axes.get_yaxis_transform()
                )
        for mass in injected:
            axes.axvline(mass, color="0.5", linewidth=0.8, linestyle=":")
            axes.text(
                mass, 0.03, " injected", color="0.4", fontsize=9, va="bottom", transform=axes.get_xaxis_transform()
            )
        axes.set_yscale("log")
        axes.set_ylim(lowest, 2)
        axes.set_xlim(masses[0], masses[-1])
        mass_scale(axes, masses)
        axes.set_xlabel(xlabel)
        axes.set_ylabel("local $p_0$")
        write_title(axes, label)
        return figure


def _levels(lowest: float, highest: float) -> list[int]:
    """Return whole standard deviations whose p-values are not too close to each other on an axis of their logarithm."""
    found: list[int] = []
    space = SPACE * np.log(highest / lowest)
    for z in range(1, int(norm.isf(lowest)) + 1):
        if not found or norm.logsf(found[-1]) - norm.logsf(z) > space:
            found.append(z)
    return found


def limit_band(
    masses: Array,
    expected: Array,
    observed: Array | None,
    *,
    ylabel: str,
    xlabel: str,
    label: str,
    published: tuple[str, Array, Array] | None = None,
) -> Figure:
    """Return upper limits against mass: observed, median expected, and the bands of one and two standard deviations.

    Parameters
    ----------
    masses
        Mass hypotheses [GeV], shape (M,).
    expected
        Limits at -2, -1, 0, +1, +2 standard deviations, shape (M, 5).
    observed
        Observed limits, shape (M,); None when blinded.
    ylabel, xlabel
        Quantity, and symbol of the mass, with their units.
    label
        What the data are, and the confidence level.
    published
        Legend entry, masses [GeV] and values of a published limit to compare with; None for none.
    """
    with mpl.rc_context(STYLE):
        figure = new_figure()
        axes = figure.subplots()
        axes.fill_between(
            masses, expected[:, 0], expected[:, 4], color=YELLOW, linewidth=0, label=r"expected $\pm2\sigma$"
        )
        axes.fill_between(
            masses, expected[:, 1], expected[:, 3], color=GREEN, linewidth=0, label=r"expected $\pm1\sigma$"
        )
        axes.plot(masses, expected[:, 2], color="black", linestyle="--", linewidth=1, label="median expected")
        drawn = [expected]
        if observed is not None:
            drawn.append(observed[:, None])
            width = 0.4 if masses.size > MANY else 1.0
            axes.plot(masses, observed, color="black", linewidth=width, label="observed")
        if published is not None:
            reached = (published[1] >= masses[0]) & (published[1] <= masses[-1])
            if np.any(reached):
                drawn.append(published[2][reached, None])
                axes.plot(
                    published[1][reached], published[2][reached], "s", markersize=4, color=COLOURS[2],
                    label=published[0], clip_on=False,
                )  # fmt: skip
        axes.set_xlim(masses[0], masses[-1])
        mass_scale(axes, masses)
        positive = np.concatenate([values[values > 0] for values in drawn])
        if positive.size:
            limit_scale(axes, float(positive.min()), float(positive.max()), room=0.22)
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        axes.legend(loc="upper left", ncols=2, fontsize=9)
        write_title(axes, label)
        return figure


def limit_points(
    names: Sequence[str], expected: Array, observed: Array | None, *, quantity: str, label: str, p0: Array | None = None
) -> Figure:
    """Return upper limits of hypotheses that lie on no axis, one below the other.

    Parameters
    ----------
    names
        What each is, N of them; "" for the only one.
    expected
        Limits at -2, -1, 0, +1, +2 standard deviations, shape (N, 5).
    observed
        Observed limits, shape (N,); None when blinded.
    quantity
        What is limited, with its unit.
    label
        What the data are, and the confidence level.
    p0
        Local p-values, shape (N,), which are written beside the limits; None for none.
    """
    with mpl.rc_context(STYLE):
        figure = new_figure(7.0, 1.9 + 0.35 * len(names))
        axes = figure.subplots()
        rows = np.arange(len(names))
        for lower, upper, colour, text in ((0, 4, YELLOW, r"$\pm2\sigma$"), (1, 3, GREEN, r"$\pm1\sigma$")):
            width = expected[:, upper] - expected[:, lower]
            axes.barh(rows, width, left=expected[:, lower], height=0.6, color=colour, label=rf"expected {text}")
        axes.plot(expected[:, 2], rows, "|", color="black", markersize=14, label="median expected")
        drawn = [expected]
        if observed is not None:
            drawn.append(observed[:, None])
            axes.plot(observed, rows, "o", color="black", markersize=4, label="observed")
        for row, p in enumerate(() if p0 is None else p0):
            axes.text(1.01, row, f"$p_0$ = {p:.2g}", va="center", fontsize=9, transform=axes.get_yaxis_transform())
        positive = np.concatenate([values[values > 0] for values in drawn])
        if positive.size and positive.max() > DECADES * positive.min():
            axes.set_xscale("log")
        elif positive.size:
            axes.set_xlim(0.0, 1.1 * float(positive.max()))
        axes.set_yticks(rows, names)
        axes.tick_params(axis="y", which="both", length=0)
        axes.set_ylim(len(names) - 0.4, -1.3)
        axes.set_xlabel(f"upper limit: {quantity}")
        axes.legend(loc="upper left", ncols=4, fontsize=8)
        write_title(axes, label)
        return figure


def limit_curves(
    curves: Mapping[str, tuple[Array, Array, Array]], *, observed: bool, ylabel: str, xlabel: str, label: str
) -> Figure:
    """Return the upper limits of several families of hypotheses against mass: expected dashed, observed full.

    Parameters
    ----------
    curves
        By what a family is: masses [GeV], median expected and observed limits, shape (M,) each.
    observed
        Whether the observed ones are drawn.
    ylabel, xlabel
        Quantity, and symbol of the mass, with their units.
    label
        What the data are, and the confidence level.
    """
    with mpl.rc_context(STYLE):
        figure = new_figure()
        axes = figure.subplots()
        drawn = []
        for place, (name, (masses, expected, seen)) in enumerate(curves.items()):
            # colours come back after a while, with another line
            colour, weight = COLOURS[place % len(COLOURS)], 1.0 + 0.8 * (place // len(COLOURS))
            axes.plot(masses, expected, color=colour, linestyle="--", linewidth=weight, label=name)
            drawn.append(expected)
            if observed:
                axes.plot(masses, seen, color=colour, linewidth=weight)
                drawn.append(seen)
        every = np.concatenate([masses for masses, _, _ in curves.values()])
        ends = np.array([np.nanmin(every), np.nanmax(every)])
        axes.set_xlim(*ends)
        mass_scale(axes, ends)
        positive = np.concatenate([values[values > 0] for values in drawn])
        if positive.size:
            limit_scale(axes, float(positive.min()), float(positive.max()), room=0.22)
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        kinds = "dashed: expected; full: observed" if observed else "expected"
        axes.legend(loc="upper left", ncols=2, fontsize=9, title=kinds, title_fontsize=9, alignment="left")
        write_title(axes, label)
        return figure
