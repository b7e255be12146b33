"""Figures of the signal: efficiency and resolution against mass, and the closure of their interpolation."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from workflows.figures.style import COLOURS, DECADES, STYLE, Figure, mass_scale, new_figure, write_title

__all__ = ["closure", "signal_parameters"]

Array = NDArray[np.float64]


def signal_parameters(
    masses: Array,
    points: Mapping[str, tuple[Array, Array]],
    fine_masses: Array,
    curves: Mapping[str, tuple[Array, Array]],
    *,
    label: str,
    xlabel: str,
) -> Figure:
    """Return one panel per quantity: values at the simulated masses, and the interpolation with its uncertainty.

    A quantity that changes by more than `DECADES` has a logarithmic axis.

    Parameters
    ----------
    masses
        Simulated masses [GeV], shape (M,); none of a signal that is said.
    points
        Axis label -> (values, errors), shape (M,) each.
    fine_masses
        Masses of the curves [GeV], shape (F,).
    curves
        Axis label -> (values, errors), shape (F,) each.
    label, xlabel
        What it is of, and the symbol of the mass with its unit.
    """
    with mpl.rc_context(STYLE):
        figure = new_figure(7.0, 2.6 * len(points))
        panels = np.atleast_1d(figure.subplots(len(points), 1, sharex=True))
        for axes, (name, (values, errors)) in zip(panels, points.items(), strict=True):
            curve, band = curves[name]
            axes.fill_between(fine_masses, curve - band, curve + band, color=COLOURS[0], alpha=0.3, linewidth=0)
            axes.plot(fine_masses, curve, color=COLOURS[0], label="interpolation" if masses.size else "as said")
            if masses.size:
                said = "simulated masses"
                axes.errorbar(masses, values, yerr=errors, fmt="o", markersize=3, color="black", label=said)
            axes.set_ylabel(name)
            shown = values if masses.size else curve
            if 0 < DECADES * shown.min() < shown.max():
                axes.set_yscale("log")
                axes.margins(y=0.1)
            else:
                axes.set_ylim(0, 1.15 * max((values + errors).max(initial=0.0), (curve + band).max()))
        panels[0].legend()
        write_title(panels[0], label)
        mass_scale(panels[-1], masses if masses.size else fine_masses)
        panels[-1].set_xlabel(xlabel)
        return figure


def closure(masses: Array, pulls: Mapping[str, tuple[Array, Array]], *, label: str, xlabel: str) -> Figure:
    """Return the closure of the interpolation: each simulated mass left out, and its value over the one interpolated.

    Parameters
    ----------
    masses
        Masses that can be left out [GeV], shape (M,).
    pulls
        Quantity -> (ratio, error of the ratio), shape (M,) each.
    label, xlabel
        What it is of, and the symbol of the mass with its unit.
    """
    with mpl.rc_context(STYLE):
        figure = new_figure(7.0, 2.4 * len(pulls))
        panels = np.atleast_1d(figure.subplots(len(pulls), 1, sharex=True))
        for axes, (name, (ratio, error)) in zip(panels, pulls.items(), strict=True):
            axes.axhline(1, color="0.5", linewidth=0.8)
            axes.errorbar(masses, ratio, yerr=error, fmt="o", markersize=3, color="black")
            axes.set_ylabel(f"{name}:\nfitted / interpolated")
            reach = float(np.nanmax(np.abs(ratio - 1) + error, initial=0.02))
            axes.set_ylim(1 - 1.2 * reach, 1 + 1.2 * reach)
        mass_scale(panels[-1], masses)
        panels[-1].set_xlabel(xlabel)
        write_title(panels[0], label)
        return figure
