"""What all figures share: style and colours, axes of masses, counts and limits, and writing to disk.

Every function of this folder draws plain arrays and returns a `matplotlib.figure.Figure`. None reads a file or computes
a result, and none touches pyplot's global state.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter
from numpy.typing import NDArray

__all__ = [
    "COLOURS",
    "DECADES",
    "GREEN",
    "STYLE",
    "YELLOW",
    "Figure",
    "count_scale",
    "limit_scale",
    "logarithmic",
    "mass_scale",
    "new_figure",
    "save",
    "write_title",
]

Array = NDArray[np.float64]

STYLE: dict[Any, Any] = {
    "font.size": 11,
    "axes.linewidth": 0.8,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.minor.visible": True,
    "ytick.minor.visible": True,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}
COLOURS = ("#5790fc", "#f89c20", "#e42536", "#964a8b", "#9c9ca1", "#7a21dd")  # Petroff, arXiv:2107.02270
"""Of what is no sample: curves, bars, marks."""
GREEN, YELLOW = "#607641", "#F5BB54"  # the bands of CMS since 2024, distinguishable for the colour-blind
DPI = 150
"""Of the PNG files."""
DECADES = 30.0
"""Ratio of the ends of a mass range from which its axis is logarithmic."""
LOWEST_COUNT, MOST_DECADES = 1e-3, 7
"""An axis of counts starts at the first, or this many decades below its end, at the least [events]."""


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write a figure as ``name.png`` (`DPI`) and ``name.pdf`` into `folder`."""
    # savefig draws twice for each file, to find the layout anew: here it is found once, for both
    figure.set_dpi(DPI)
    layout = figure.get_layout_engine()
    if layout is not None:
        layout.execute(figure)
        figure.set_layout_engine("none")
    FigureCanvasAgg(figure).print_png(folder / f"{name}.png", metadata={"Software": None})  # type: ignore[no-untyped-call]
    FigureCanvasPdf(figure).print_pdf(folder / f"{name}.pdf", metadata={"CreationDate": None})  # type: ignore[no-untyped-call]


def new_figure(width: float = 7.0, height: float = 5.0) -> Figure:
    """Return an empty figure of a size in inches; made within a context of `STYLE`."""
    return Figure(figsize=(width, height), layout="constrained")


def logarithmic(masses: Array) -> bool:
    """Return whether ascending masses reach so far that their axis is logarithmic."""
    return bool(masses[0] > 0 and masses[-1] > DECADES * masses[0])


def mass_scale(axes: Axes, masses: Array) -> None:
    """Make the axis of masses that reach over more than a decade logarithmic."""
    if logarithmic(masses):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda mass, _: f"{mass:g}"))
        several = masses[-1] > 1000 * masses[0]  # there is no room for more than the powers of ten
        axes.xaxis.set_minor_formatter(NullFormatter() if several else FuncFormatter(_one_two_five))


def _one_two_five(mass: float, _: int) -> str:
    """Return a mass as text if its first digit is 2 or 5."""
    text = f"{mass:.6g}"
    return text if text.strip("0.") in ("2", "5") else ""


def write_title(axes: Axes, text: str, size: float = 10) -> None:
    """Write what a figure shows above its axes, on the left."""
    axes.set_title(text, loc="left", fontsize=size)


def count_scale(axes: Axes, lowest: float, highest: float, *, room: float = 0.0) -> None:
    """Make the axis of counts logarithmic, from a power of ten on, with labels at two powers of ten at the least.

    Parameters
    ----------
    axes
        What is drawn on.
    lowest, highest
        Counts between which all is shown, but for what is below `LOWEST_COUNT` or by `MOST_DECADES` below the highest.
    room
        Fraction of the axis that is left free above the highest.
    """
    highest = max(highest, LOWEST_COUNT)
    start = np.floor(np.log10(np.clip(lowest, max(LOWEST_COUNT, highest / 10**MOST_DECADES), highest)))
    end = max(start + 1.1, np.log10(2 * highest) + room / (1 - room) * (np.log10(2 * highest) - start))
    axes.set_yscale("log")
    axes.set_ylim(10**start, 10**end)
    axes.yaxis.set_minor_formatter(NullFormatter())


def limit_scale(axes: Axes, lowest: float, highest: float, *, room: float) -> None:
    """Make the vertical axis logarithmic, from below the lowest to above the highest of positive values.

    Parameters
    ----------
    axes
        What is drawn on.
    lowest, highest
        Between them all is shown.
    room
        Fraction of the axis that is left free above the highest.
    """
    start, end = np.log10(lowest / 1.3), np.log10(1.3 * highest)
    end += room / (1 - room) * (end - start)
    axes.set_yscale("log")
    axes.set_ylim(10**start, 10**end)
