"""The figure of a whole search: the largest significance of each toy, and what a local significance is worth."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from workflows.figures.style import COLOURS, STYLE, Figure, new_figure, write_title

__all__ = ["global_significance"]

Array = NDArray[np.float64]

BIN = 0.1
"""Width of the bins of the largest significance."""
SHOWN = 6.0
"""Local significance up to which the global p-value is drawn, unless the data have a larger one."""
RARE = 0.2
"""Global p-value below which upcrossings are rare enough to be extrapolated."""


def global_significance(
    curve: Mapping[str, Array], largest: Array, *, observed: tuple[float, float] | None, label: str
) -> Figure:
    """Return the distribution of the largest local significance, and the global p-value of a local one.

    Parameters
    ----------
    curve
        Columns z0, p0, p0_global with its interval, and p0_extrapolated with its error, shape ``(L,)`` each.
    largest
        Largest significance of each toy, shape ``(N,)``.
    observed
        Largest one of the data and its global p-value; None if blinded.
    label
        What the toys are.
    """
    with mpl.rc_context(STYLE):
        figure = new_figure(10.0, 4.5)
        left, right = figure.subplots(1, 2)
        z, rare = curve["z0"], curve["p0_extrapolated"] < RARE
        bins = np.arange(np.floor(10 * largest.min()) / 10, largest.max() + BIN, BIN)
        counts, edges = np.histogram(largest, bins)
        left.stairs(counts, edges, color=COLOURS[0], fill=True, alpha=0.6, label=f"{largest.size} toys")
        fine = z[rare]
        density = -np.diff(curve["p0_extrapolated"][rare]) / np.diff(fine) * largest.size * BIN
        left.plot(0.5 * (fine[1:] + fine[:-1]), density, color=COLOURS[2], label="upcrossings")
        left.set_yscale("log")
        left.set_ylim(0.5, 3.0 * counts.max())
        left.set_xlim(bins[0] - 0.2, max(bins[-1], 0.0 if observed is None else observed[0]) + 0.3)
        left.set_xlabel("largest local significance $z_0$ of a toy")
        left.set_ylabel(f"toys / {BIN:g}")
        here = curve["n_beyond"] > 0
        right.fill_between(
            z[here],
            curve["p0_global_low"][here],
            curve["p0_global_high"][here],
            color=COLOURS[0],
            alpha=0.4,
            linewidth=0,
        )
        right.plot(z[here], curve["p0_global"][here], color=COLOURS[0], label="toys")
        p, error = curve["p0_extrapolated"], curve["p0_extrapolated_error"]
        right.fill_between(z[rare], (p - error)[rare], (p + error)[rare], color=COLOURS[2], alpha=0.3, linewidth=0)
        right.plot(z[rare], p[rare], color=COLOURS[2], linestyle="--", label="upcrossings")
        right.plot(z, curve["p0"], color="0.5", linewidth=0.8, linestyle=":", label="local $p_0$")
        right.set_yscale("log")
        last = SHOWN if observed is None else min(max(SHOWN, observed[0] + 0.5), z[-1])
        right.set_xlim(0.0, last)
        right.set_ylim(float(np.interp(last, z, p)) / 3, 2.0)
        right.set_xlabel("local significance $z_0$")
        right.set_ylabel("global $p_0$")
        for level in range(1, 6):
            right.axhline(norm.sf(level), color="0.8", linewidth=0.6, zorder=0)
            right.text(1.005, norm.sf(level), rf"{level}$\sigma$", va="center", transform=right.get_yaxis_transform())
        if observed is not None:
            for axes in (left, right):
                axes.axvline(observed[0], color="black", linewidth=1, label="observed")
        left.legend(fontsize=9)
        right.legend(fontsize=9)
        write_title(left, label)
        return figure
