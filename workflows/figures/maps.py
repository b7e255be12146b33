"""Maps of what hypotheses of two masses have: local p-values, and upper limits."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.colors import LogNorm
from numpy.typing import NDArray

from workflows.figures.style import STYLE, Figure, new_figure, write_title

__all__ = ["hypothesis_map"]

Array = NDArray[np.float64]

SMALLEST = 1e-7
"""Smallest p-value that has a colour of its own."""


def hypothesis_map(
    x: Array, y: Array, values: Array, *, quantity: str, xlabel: str, ylabel: str, label: str, p_value: bool = False
) -> Figure:
    """Return a map of values at hypotheses that lie in rows.

    Each hypothesis is a field that ends half way to its neighbours; those without value are left white.

    Parameters
    ----------
    x
        Mass of each hypothesis [GeV], shape (N,), rising in each row.
    y
        The coordinate that is the same in a row, shape (N,).
    values
        What the colours say, shape (N,); NaN for nothing.
    quantity, xlabel, ylabel
        Values and coordinates, with their units.
    label
        What the data are.
    p_value
        Whether the values are p-values, of which the smallest are the darkest.
    """
    with mpl.rc_context(STYLE):
        figure = new_figure(7.0, 5.5)
        axes = figure.subplots()
        known = np.isfinite(values) & (values > 0.0)
        shown = np.maximum(values, SMALLEST) if p_value else values
        low, high = (float(shown[known].min()), float(shown[known].max())) if known.any() else (0.1, 1.0)
        norm = LogNorm(low if low < high else 0.5 * low, high)
        colours = "inferno" if p_value else "viridis"
        fields = PolyCollection(list(_fields(x, y)[known]), array=shown[known], cmap=colours, norm=norm, linewidth=0.0)
        fields.set_rasterized(True)
        axes.add_collection(fields)
        axes.autoscale_view()
        figure.colorbar(fields, ax=axes, label=quantity)
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        write_title(axes, label)
        return figure


def _fields(x: Array, y: Array) -> Array:
    """Return the corners of the fields of hypotheses, shape (N, 4, 2)."""
    rows = np.unique(y)
    y_edges = _between(rows)
    corners = np.empty((x.size, 4, 2))
    for place, row in enumerate(rows):
        here = np.flatnonzero(y == row)
        edges = _between(x[here])
        low, high = y_edges[place], y_edges[place + 1]
        for k, index in enumerate(here):
            left, right = edges[k], edges[k + 1]
            corners[index] = ((left, low), (right, low), (right, high), (left, high))
    return corners


def _between(values: Array) -> Array:
    """Return edges half way between rising values, shape (N + 1,)."""
    if values.size == 1:
        return values[0] * np.array([0.99, 1.01])
    inner = 0.5 * (values[1:] + values[:-1])
    return np.concatenate([[2.0 * values[0] - inner[0]], inner, [2.0 * values[-1] - inner[-1]]])
