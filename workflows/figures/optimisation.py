"""Figures of the optimisation: cuts against mass, the ranking of observables, and cuts beside a classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import mplhep
import numpy as np
from numpy.typing import NDArray

from bumphunt.cuts.tensor import Side
from workflows.figures.names import SIGNS, observable_name
from workflows.figures.style import COLOURS, STYLE, Figure, count_scale, new_figure, write_title

__all__ = ["classifier", "cuts_against_mass", "ranking"]

Array = NDArray[np.float64]


def ranking(
    mass_edges: Array, bounds: Sequence[tuple[str, Side]], separation: Array, *, label: str, xlabel: str
) -> Figure:
    """Return the separation of observables against mass, as colours, the best on top.

    Parameters
    ----------
    mass_edges
        Edges of the mass bins [GeV], shape (M + 1,).
    bounds
        Observables and sides of the bounds on them, V of them, in the order of the ranking.
    separation
        Separation, shape (M, V); NaN is left white.
    label, xlabel
        What it is of, and the symbol of the mass with its unit.
    """
    with mpl.rc_context(STYLE | {"xtick.direction": "out", "ytick.direction": "out", "ytick.right": False}):
        figure = new_figure(8.0, 1.6 + 0.28 * len(bounds))
        axes = figure.subplots()
        image = axes.pcolormesh(mass_edges, np.arange(len(bounds) + 1), separation.T, cmap="viridis", vmin=0)
        axes.set_yticks(
            np.arange(len(bounds)) + 0.5, [f"{observable_name(name)} {SIGNS[side]}" for name, side in bounds]
        )
        axes.tick_params(axis="y", which="both", length=0)
        axes.tick_params(axis="x", which="minor", top=False)
        axes.minorticks_off()
        axes.invert_yaxis()
        axes.set_xlabel(xlabel)
        write_title(axes, label)
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
        figure = new_figure(7.0, 5.5)
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
        write_title(upper, label)
        return figure


def cuts_against_mass(
    mass_edges: Array,
    masses: Array,
    bounds: Mapping[str, tuple[str, Array]],
    merit: Mapping[str, Array],
    counts: Mapping[str, Array],
    *,
    smooth: bool,
    merit_label: str,
    label: str,
    xlabel: str,
) -> Figure:
    """Return the optimised cuts: background before and after, the bounds, and the figure of merit on both halves.

    Parameters
    ----------
    mass_edges, masses
        Edges [GeV] of the mass bins, shape (K + 1,), and the masses of their centres, shape (K,).
    bounds
        Observable and the sign before the bound -> (unit, bound in each bin, shape (K,)).
    merit
        Legend entry -> figure of merit in each bin, shape (K,) each.
    counts
        Legend entry -> expected background events in each bin, shape (K,) each.
    smooth
        Whether the bounds are interpolated between the centres of the bins, and constant beyond.
    merit_label
        What the figure of merit is.
    label, xlabel
        What it is of, and the symbol of the mass with its unit.
    """
    with mpl.rc_context(STYLE):
        rows = len(bounds)
        figure = new_figure(7.0, 5.0 + 1.6 * rows)
        panels = figure.subplots(rows + 2, 1, sharex=True, height_ratios=[2, *[1] * rows, 1.5])
        top, bottom = panels[0], panels[-1]
        for (name, values), drawn in zip(counts.items(), (("fill", "0.6"), ("step", COLOURS[2])), strict=True):
            mplhep.histplot(
                values, mass_edges, yerr=False, histtype=drawn[0], color=drawn[1], linewidth=1.5, label=name, ax=top
            )
        filled = np.concatenate([values[values > 0] for values in counts.values()])
        if filled.size:
            count_scale(top, float(filled.min()), float(filled.max()), room=0.15)
        top.set_ylabel("background events / bin")
        top.legend(loc="upper right", ncols=2)
        write_title(top, label)
        for axes, (name, (unit, values)) in zip(panels[1:-1], bounds.items(), strict=True):
            if smooth:
                places = np.concatenate([mass_edges[:1], masses, mass_edges[-1:]])
                axes.plot(places, np.pad(values, 1, mode="edge"), color=COLOURS[0])
                axes.plot(masses, values, "o", markersize=3, color=COLOURS[0])
            else:
                axes.stairs(values, mass_edges, baseline=None, color=COLOURS[0], linewidth=1.5)
            axes.margins(y=0.15)
            write_title(axes, name, size=9)
            axes.set_ylabel("bound" + (f" [{unit}]" if unit else ""))
        for colour, (name, values) in zip(COLOURS, merit.items(), strict=False):
            bottom.stairs(values, mass_edges, baseline=None, color=colour, label=name, linewidth=1.5)
        bottom.set_ylabel(merit_label)
        bottom.set_ylim(bottom=0)
        bottom.legend()
        bottom.set_xlim(mass_edges[0], mass_edges[-1])
        bottom.set_xlabel(xlabel)
        figure.align_ylabels()
        return figure
