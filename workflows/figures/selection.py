"""The figure of the selection: each observable that is cut on, of the events that pass all other cuts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import matplotlib as mpl
import mplhep
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from workflows.figures.names import observable_name, unit_in_figures
from workflows.figures.samples import SampleStyle, draw_data, draw_stack, garwood, lowest_count, stack_order
from workflows.figures.style import STYLE, Figure, count_scale, new_figure, write_title
from workflows.products.cut_values import CutValues

__all__ = ["n_minus_one"]

Array = NDArray[np.float64]

COLUMNS = 3
"""Panels beside each other."""
MIN_BINS = 30
"""Bins are merged as long as this many are left in a panel."""
MERGED = (50, 40, 25, 20, 10, 8, 5, 4, 2, 1)
"""How many bins may become one: what divides the bins on both sides of a threshold, see `selections.cuts.Cut.bins`."""
TICKS = 6
"""Most intervals between labels below a panel."""
LINE = 0.08
"""Height of a line of text in a panel, as a fraction of it."""
VISIBLE = 0.005
"""A fraction of the events beyond the axis of a panel that is worth a word."""


def n_minus_one(cuts: Sequence[CutValues], *, styles: Mapping[str, SampleStyle], label: str) -> Figure:
    """Return one panel for each cut: stacked backgrounds and a signal that pass all other cuts, and what is removed.

    A cut whose events are all in one bin has no panel; its name stands above the figure.

    Parameters
    ----------
    cuts
        The cuts, with the histograms of their observables.
    styles
        How the backgrounds look, see `workflows.figures.samples.sample_styles`.
    label
        What the data are, above the figure.
    """
    parts = {cut.name: _shown_part(cut) for cut in cuts}
    drawn = [part for part in parts.values() if part is not None]
    with mpl.rc_context(STYLE | {"font.size": 9, "hatch.linewidth": 0.6}):
        rows = max(1, math.ceil(len(drawn) / COLUMNS))
        figure = new_figure(4.2 * COLUMNS, 3.0 * rows + 0.8)
        left_out = [name for name, part in parts.items() if part is None]
        note = f"\nwithout a panel, since all events are in one bin: {', '.join(left_out)}" if left_out else ""
        figure.suptitle(label + note, fontsize=11)
        grid = np.ravel(figure.subplots(rows, COLUMNS, squeeze=False))
        for axes in grid[len(drawn) :]:
            axes.set_axis_off()
        order = stack_order([cut.backgrounds for cut in drawn])
        for axes, cut in zip(grid, drawn, strict=False):
            _draw(axes, cut, order, styles)
        if drawn:
            entries = _legend(grid[: len(drawn)])
            figure.legend(
                list(entries.values()),
                list(entries),
                loc="outside lower center",
                ncols=min(len(entries), 6),
                fontsize=9,
            )
        return figure


def _shown_part(cut: CutValues) -> CutValues | None:
    """Return the part of a cut's distribution that its panel shows, in bins for the eye; None if that is one bin.

    It reaches from the first to the last bin with an event, and to a threshold that is not farther away than this is
    wide.
    """
    found = [*cut.backgrounds.values(), *(values for values in (cut.data, cut.signal) if values is not None)]
    filled = np.flatnonzero(np.sum([values > 0 for values in found], axis=0))
    if filled.size < 2:
        return None
    first, last = int(filled[0]), int(filled[-1]) + 1
    width = cut.edges[last] - cut.edges[first]
    near = [t for t in cut.kept if cut.edges[first] - width <= t <= cut.edges[last] + width]
    places = np.searchsorted(cut.edges, np.array(near) - 1e-9 * width)
    first, last = min([first, *places]), max([last, *places])
    merged = next(m for m in MERGED if m == 1 or ((cut.edges.size - 1) % m == 0 and last - first >= MIN_BINS * m))
    first, last = first - first % merged, min(last + -last % merged, cut.edges.size - 1)

    def part(values: Array) -> Array:
        return values[first:last].reshape(-1, merged).sum(axis=1)

    return replace(
        cut,
        edges=cut.edges[first : last + 1 : merged],
        backgrounds={name: part(values) for name, values in cut.backgrounds.items()},
        data=None if cut.data is None else part(cut.data),
        signal=None if cut.signal is None else part(cut.signal),
    )


def _legend(panels: Iterable[Axes]) -> dict[str, Artist]:
    """Return artists by legend entry, each once: not every panel has all of them."""
    found: dict[str, Artist] = {}
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        found |= {label: handle for label, handle in zip(labels, handles, strict=True) if label not in found}
    last = [label for label in ("data", "removed by the cut") if label in found]
    return {label: found[label] for label in [*(name for name in found if name not in last), *last]}


def _draw(axes: Axes, cut: CutValues, order: Sequence[str], styles: Mapping[str, SampleStyle]) -> None:
    """Draw the panel of one cut."""
    total = np.sum([cut.backgrounds[name] for name in order], axis=0)
    highest = [float(total.max())]
    draw_stack(axes, cut.edges, cut.backgrounds, order, styles)
    if cut.signal is not None and cut.signal.sum() > 0:
        scaled = cut.signal * max(float(total.sum()), 1.0) / cut.signal.sum()
        mplhep.histplot(scaled, cut.edges, yerr=False, color="black", linewidth=1.2, label=cut.signal_label, ax=axes)
        highest.append(float(scaled.max()))
    if cut.data is not None:
        draw_data(axes, cut.edges, cut.data, size=2.5)
        highest.append(float((cut.data + garwood(cut.data)[1]).max()))
    lines = _mark(axes, cut)
    count_scale(axes, lowest_count(cut.backgrounds, cut.data), max(highest), room=LINE * lines)
    width, unit = cut.edges[1] - cut.edges[0], unit_in_figures(cut.unit)
    counted = not unit and width == 1.0
    axes.xaxis.set_major_locator(MaxNLocator(TICKS, steps=[1, 2, 5, 10], integer=counted))
    if counted:
        axes.tick_params(axis="x", which="minor", length=0)
    axes.set_xlabel(observable_name(cut.observable) + (f" [{unit}]" if unit else ""))
    axes.set_ylabel("events" if counted else f"events / {width:.2g} {unit}".rstrip())
    write_title(axes, cut.name, size=9)


def _mark(axes: Axes, cut: CutValues) -> int:
    """Shade what the cut removes, say what lies beyond the axis, and return in how many lines."""
    first, last = cut.edges[0], cut.edges[-1]
    margin = 0.03 * (last - first)
    low, high = first - margin, last + margin
    above, below = cut.kept
    words = []
    for side, threshold, ends in (("above", above, (low, above)), ("below", below, (below, high))):
        if first <= threshold <= last:
            axes.axvspan(*ends, color="0.85", linewidth=0, zorder=0, label="removed by the cut")
            axes.axvline(threshold, color="0.3", linewidth=1.0, linestyle="--")
        elif np.isfinite(threshold):
            words.append(f"kept {side} {threshold:.3g} {unit_in_figures(cut.unit)}".rstrip())
    if cut.beyond > VISIBLE:
        words.append(f"{cut.beyond:.0%} of events beyond the axis")
    if words:
        axes.text(0.97, 0.96, "\n".join(words), fontsize=8, ha="right", va="top", transform=axes.transAxes)
    axes.set_xlim(low, high)
    return len(words)
