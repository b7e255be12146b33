"""The figure of the impacts: what each source of uncertainty does to the signal and to its limit."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from workflows.figures.names import source_name
from workflows.figures.style import COLOURS, STYLE, Figure, new_figure, write_title

__all__ = ["impacts"]

Array = NDArray[np.float64]


def impacts(sources: Sequence[str], shifts: Array, costs: Array, *, label: str, observed: bool) -> Figure:
    """Return the impacts of the sources: on the fitted signal, and on its limit; the largest on top.

    Parameters
    ----------
    sources
        Names, S of them.
    shifts
        Change of the signal yield with the source at +1 and at -1 standard deviations, in units of the whole error,
        shape (2, S); NaN for sources of many parameters.
    costs
        Relative change of the expected and of the observed limit due to the source, shape (2, S).
    label
        What was fitted.
    observed
        Whether the observed limit is shown.
    """
    with mpl.rc_context(STYLE):
        figure = new_figure(8.0, 1.6 + 0.3 * max(len(sources), 2))
        left, right = figure.subplots(1, 2, sharey=True)
        place = np.arange(len(sources))[::-1]
        for shift, sign, colour in zip(shifts, "+-", COLOURS, strict=False):
            name = rf"source at ${sign}1\sigma$"
            left.barh(place, np.nan_to_num(shift), height=0.7, color=colour, alpha=0.8, label=name)
        left.axvline(0.0, color="0.3", linewidth=0.8)
        left.set_xlabel(r"shift of $n_\mathrm{sig}$ / its error")
        right.barh(place, 100 * np.nan_to_num(costs[0]), height=0.7, color=COLOURS[4], label="expected")
        if observed:
            right.plot(100 * costs[1], place, "o", color="black", markersize=4, label="observed")
        right.axvline(0.0, color="0.3", linewidth=0.8)
        right.set_xlabel("change of the limit [%]")
        left.set_yticks(place, [source_name(name) for name in sources])
        for axes in (left, right):
            axes.tick_params(axis="y", which="both", length=0)
            axes.minorticks_off()
            axes.margins(x=0.15)
        figure.legend(loc="outside lower center", ncols=4, fontsize=9)
        write_title(left, label)
        return figure
