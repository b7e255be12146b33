"""Figures: each function draws plain arrays and returns a `matplotlib.figure.Figure`; `save` writes PNG and PDF.

No function reads a file or computes a result, and none touches pyplot's global state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import mplhep
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter
from numpy.typing import NDArray

__all__ = [
    "Figure",
    "closure",
    "impacts",
    "limit_band",
    "p0_scan",
    "save",
    "signal_parameters",
    "stacked_spectrum",
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
GREEN, YELLOW = "#607641", "#F5BB54"  # the bands of CMS since 2024, distinguishable for the colour-blind
SMALLEST = 1e-100
"""Smallest p-value that is drawn: beyond 21 standard deviations."""
DECADES = 30.0
"""Ratio of the ends of a mass range from which its axis is logarithmic."""


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write a figure as ``name.png`` (150 dpi) and ``name.pdf`` into `folder`."""
    figure.savefig(folder / f"{name}.png", dpi=150, metadata={"Software": None})
    figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})


def _figure(width: float = 7.0, height: float = 5.0) -> Figure:
    with mpl.rc_context(STYLE):
        return Figure(figsize=(width, height), layout="constrained")


def _mass_scale(axes: Axes, masses: Array) -> None:
    """Make the axis of masses that reach over more than a decade logarithmic."""
    if masses[0] > 0 and masses[-1] > DECADES * masses[0]:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda mass, _: f"{mass:g}"))
        several = masses[-1] > 1000 * masses[0]  # there is no room for more than the powers of ten
        axes.xaxis.set_minor_formatter(NullFormatter() if several else FuncFormatter(_one_two_five))


def _one_two_five(mass: float, _: int) -> str:
    """Return a mass as text if its first digit is 2 or 5."""
    text = f"{mass:.6g}"
    return text if text.strip("0.") in ("2", "5") else ""


def _label(axes: Axes, text: str) -> None:
    """Write what the figure shows above the axes, on the left."""
    axes.set_title(text, loc="left", fontsize=10)


def stacked_spectrum(
    edges: Array,
    backgrounds: Mapping[str, Array],
    errors: Array,
    *,
    data: Array,
    label: str,
    xlabel: str,
    unit: str,
) -> Figure:
    """Return a spectrum: stacked backgrounds, data with Poisson errors, and the pull.

    Parameters
    ----------
    edges
        Bin edges [unit], shape (B + 1,).
    backgrounds
        Expected events per bin of each background, shape (B,) each.
    errors
        Uncertainty of the sum of the backgrounds, shape (B,).
    data
        Observed events per bin, shape (B,); NaN where they are hidden.
    label
        What the data are, above the figure.
    xlabel, unit
        What the spectrum is of, with its unit, and the unit alone, for figures.
    """
    with mpl.rc_context(STYLE):
        figure = _figure(7.0, 6.0)
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        total = np.sum(list(backgrounds.values()), axis=0)
        order = sorted(backgrounds, key=lambda name: float(backgrounds[name].sum()))
        mplhep.histplot(
            [backgrounds[name] for name in order],
            edges,
            stack=True,
            histtype="fill",
            label=[SAMPLE_LABELS.get(name, name) for name in order],
            color=[COLOURS[i % len(COLOURS)] for i in range(len(order))],
            ax=upper,
        )
        upper.stairs(
            total + errors, edges, baseline=total - errors, fill=True, color="0.3", alpha=0.35, label="uncertainty"
        )
        centres, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
        shown = np.nan_to_num(data) > 0
        low, high = _poisson_interval(data[shown])
        upper.errorbar(
            centres[shown],
            data[shown],
            yerr=[data[shown] - low, high - data[shown]],
            xerr=half[shown],
            fmt="o",
            markersize=3,
            linewidth=0.8,
            color="black",
            label="data",
        )
        spread = np.sqrt(total + errors**2)
        pull = np.divide(data - total, spread, out=np.zeros_like(total), where=(spread > 0) & ~np.isnan(data))
        lower.stairs(pull, edges, fill=True, color=COLOURS[0])
        lower.axhline(0, color="black", linewidth=0.8)
        lower.set_ylim(-4, 4)
        lower.set_ylabel("pull")
        lower.set_xlabel(xlabel)
        lower.set_xlim(edges[0], edges[-1])
        floor = min(0.1, float(total[total > 0].min(initial=0.1)))
        upper.set_yscale("log")
        upper.set_ylim(max(floor, 1e-3), 30 * max(1.0, float(total.max()), float(np.nanmax(data, initial=1.0))))
        upper.set_ylabel(f"events / {edges[1] - edges[0]:.3g} {unit}")
        upper.legend(ncols=2, fontsize=9)
        _label(upper, label)
        return figure


SAMPLE_LABELS = {
    "mumu": r"$e^+e^-\to\mu^+\mu^-(\gamma)$",
    "tautau": r"$e^+e^-\to\tau^+\tau^-(\gamma)$",
    "eemumu": r"$e^+e^-\to e^+e^-\mu^+\mu^-$",
    "eeee": r"$e^+e^-\to e^+e^-e^+e^-$",
    "bhabha": r"$e^+e^-\to e^+e^-(\gamma)$",
    "single_photon_bhabha": r"$e^+e^-\to(e^+e^-)\gamma$",
    "diphoton": r"$e^+e^-\to\gamma\gamma(\gamma)$",
    "isr_resonances_mumu": r"$e^+e^-\to\gamma V,\ V\to\mu^+\mu^-$",
    "isr_resonances_ee": r"$e^+e^-\to\gamma V,\ V\to e^+e^-$",
}
"""What the figures call samples that have the name of a process."""


def _poisson_interval(counts: Array) -> tuple[Array, Array]:
    """Return the central 68.27 % interval of the mean (Garwood, Biometrika 28 (1936) 437); all `counts` > 0."""
    from scipy.stats import chi2

    tail = (1 - 0.6827) / 2
    return np.asarray(chi2.ppf(tail, 2 * counts) / 2), np.asarray(chi2.ppf(1 - tail, 2 * counts + 2) / 2)


def signal_parameters(
    masses: Array,
    points: Mapping[str, tuple[Array, Array]],
    fine_masses: Array,
    curves: Mapping[str, tuple[Array, Array]],
    *,
    xlabel: str,
) -> Figure:
    """Return one panel per quantity: values at the simulated masses, and the interpolation with its uncertainty.

    Parameters
    ----------
    masses
        Simulated masses [GeV], shape (M,).
    points
        Axis label -> (values, errors), shape (M,) each.
    fine_masses
        Masses of the curves [GeV], shape (F,).
    curves
        Axis label -> (values, errors), shape (F,) each.
    xlabel
        Symbol of the mass with its unit.
    """
    with mpl.rc_context(STYLE):
        figure = _figure(7.0, 2.6 * len(points))
        panels = np.atleast_1d(figure.subplots(len(points), 1, sharex=True))
        for axes, (name, (values, errors)) in zip(panels, points.items(), strict=True):
            curve, band = curves[name]
            axes.fill_between(fine_masses, curve - band, curve + band, color=COLOURS[0], alpha=0.3, linewidth=0)
            axes.plot(fine_masses, curve, color=COLOURS[0], label="interpolation")
            axes.errorbar(masses, values, yerr=errors, fmt="o", markersize=3, color="black", label="simulated masses")
            axes.set_ylabel(name)
            axes.set_ylim(bottom=0)
        panels[0].legend()
        _mass_scale(panels[-1], masses)
        panels[-1].set_xlabel(xlabel)
        return figure


def closure(masses: Array, pulls: Mapping[str, tuple[Array, Array]], *, xlabel: str) -> Figure:
    """Return the closure of the interpolation: each simulated mass left out, and its value over the one interpolated.

    Parameters
    ----------
    masses
        Masses that can be left out [GeV], shape (M,).
    pulls
        Quantity -> (ratio, error of the ratio), shape (M,) each.
    xlabel
        Symbol of the mass with its unit.
    """
    with mpl.rc_context(STYLE):
        figure = _figure(7.0, 2.4 * len(pulls))
        panels = np.atleast_1d(figure.subplots(len(pulls), 1, sharex=True))
        for axes, (name, (ratio, error)) in zip(panels, pulls.items(), strict=True):
            axes.axhline(1, color="0.5", linewidth=0.8)
            axes.errorbar(masses, ratio, yerr=error, fmt="o", markersize=3, color="black")
            axes.set_ylabel(name)
            reach = float(np.nanmax(np.abs(ratio - 1) + error, initial=0.02))
            axes.set_ylim(1 - 1.2 * reach, 1 + 1.2 * reach)
        _mass_scale(panels[-1], masses)
        panels[-1].set_xlabel(xlabel)
        _label(panels[0], "fitted at the mass / interpolated without it")
        return figure


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
        figure = _figure(8.0, 1.6 + 0.3 * max(len(sources), 2))
        left, right = figure.subplots(1, 2, sharey=True)
        place = np.arange(len(sources))[::-1]
        for row, (name, colour) in enumerate(zip(("+1 sigma", "-1 sigma"), COLOURS[:2], strict=True)):
            left.barh(place, np.nan_to_num(shifts[row]), height=0.7, color=colour, alpha=0.8, label=name)
        left.axvline(0.0, color="0.3", linewidth=0.8)
        left.set_xlabel(r"shift of $n_\mathrm{sig}$ / its error")
        right.barh(place, 100 * np.nan_to_num(costs[0]), height=0.7, color=COLOURS[4], label="expected")
        if observed:
            right.plot(100 * costs[1], place, "o", color="black", markersize=4, label="observed")
        right.axvline(0.0, color="0.3", linewidth=0.8)
        right.set_xlabel("change of the limit [%]")
        left.set_yticks(place, sources)
        for axes in (left, right):
            axes.tick_params(axis="y", which="both", length=0)
            axes.minorticks_off()
            axes.margins(x=0.15)
            axes.legend(loc="lower right", fontsize=9)
        _label(left, label)
        return figure


def p0_scan(masses: Array, p0: Array, *, label: str, xlabel: str, injected: Sequence[float] = ()) -> Figure:
    """Return the local p-value against mass, with the levels of 1 to 5 standard deviations.

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
        Masses of injected signals [GeV], marked by arrows.
    """
    from scipy.stats import norm

    with mpl.rc_context(STYLE):
        figure = _figure(7.0, 4.5)
        axes = figure.subplots()
        p0 = np.maximum(p0, SMALLEST)  # NaN stays
        axes.plot(masses, p0, color=COLOURS[0], linewidth=1)
        lowest = min(float(np.nanmin(p0, initial=1.0)), float(norm.sf(3.2))) / 5
        for z in range(1, 9):
            if norm.sf(z) < lowest:
                break
            axes.axhline(norm.sf(z), color=COLOURS[2], linewidth=0.7, linestyle="--")
            axes.text(
                1.005, norm.sf(z), rf"{z}$\sigma$", color=COLOURS[2], va="center", transform=axes.get_yaxis_transform()
            )
        for mass in injected:
            axes.axvline(mass, color="0.5", linewidth=0.8, linestyle=":")
            axes.text(
                mass, 0.03, " injected", color="0.4", fontsize=9, va="bottom", transform=axes.get_xaxis_transform()
            )
        axes.set_yscale("log")
        axes.set_ylim(lowest, 2)
        axes.set_xlim(masses[0], masses[-1])
        _mass_scale(axes, masses)
        axes.set_xlabel(xlabel)
        axes.set_ylabel("local $p_0$")
        _label(axes, label)
        return figure


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
        figure = _figure()
        axes = figure.subplots()
        axes.fill_between(
            masses, expected[:, 0], expected[:, 4], color=YELLOW, linewidth=0, label=r"expected $\pm2\sigma$"
        )
        axes.fill_between(
            masses, expected[:, 1], expected[:, 3], color=GREEN, linewidth=0, label=r"expected $\pm1\sigma$"
        )
        axes.plot(masses, expected[:, 2], color="black", linestyle="--", linewidth=1, label="median expected")
        if observed is not None:
            axes.plot(masses, observed, color="black", linewidth=1, label="observed")
        if published is not None:
            axes.plot(published[1], published[2], "s", markersize=4, color=COLOURS[2], label=published[0])
        axes.set_yscale("log")
        axes.set_xlim(masses[0], masses[-1])
        _mass_scale(axes, masses)
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        axes.legend(loc="upper left")
        _label(axes, label)
        return figure
