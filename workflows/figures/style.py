"""What all figures share: style and colours, axes of masses, names of samples and observables, and writing to disk.

Every function of this folder draws plain arrays and returns a `matplotlib.figure.Figure`. None reads a file or computes
a result, and none touches pyplot's global state.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter
from numpy.typing import NDArray

from bumphunt.cuts.tensor import Side

__all__ = [
    "COLOURS",
    "GREEN",
    "SIGNS",
    "STYLE",
    "YELLOW",
    "Figure",
    "mass_scale",
    "new_figure",
    "sample_label",
    "save",
    "symbol",
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
GREEN, YELLOW = "#607641", "#F5BB54"  # the bands of CMS since 2024, distinguishable for the colour-blind
DECADES = 30.0
"""Ratio of the ends of a mass range from which its axis is logarithmic."""
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
SYMBOLS = {
    "pt_rec_lmax": r"$p_T^\mathrm{rec}(\ell_\mathrm{max})$",
    "pt_rec_lmin": r"$p_T^\mathrm{rec}(\ell_\mathrm{min})$",
    "pt_pair": r"$p_T(\ell\ell)$",
    "pl_rec_lmin": r"$p_L^\mathrm{rec}(\ell_\mathrm{min})$",
    "pl_rec_lmax": r"$p_L^\mathrm{rec}(\ell_\mathrm{max})$",
    "m_pair": r"$m(\ell\ell)$",
    "p_lmax": r"$p(\ell_\mathrm{max})$",
    "p_lmin": r"$p(\ell_\mathrm{min})$",
    "p_recoil": r"$p^\mathrm{rec}$",
    "cos_recoil": r"$|\cos\theta^*_\mathrm{rec}|$",
}
"""What the figures call observables."""
SIGNS: dict[Side, str] = {"above": ">", "below": "<"}
"""What stands between an observable and a bound, by the side of it that is kept."""


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write a figure as ``name.png`` (150 dpi) and ``name.pdf`` into `folder`."""
    figure.savefig(folder / f"{name}.png", dpi=150, metadata={"Software": None})
    figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})


def new_figure(width: float = 7.0, height: float = 5.0) -> Figure:
    """Return an empty figure of a size in inches; made within a context of `STYLE`."""
    return Figure(figsize=(width, height), layout="constrained")


def mass_scale(axes: Axes, masses: Array) -> None:
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


def write_title(axes: Axes, text: str, size: float = 10) -> None:
    """Write what a figure shows above its axes, on the left."""
    axes.set_title(text, loc="left", fontsize=size)


def sample_label(name: str) -> str:
    """Return what the figures call a sample: its process as a formula, or its name."""
    return SAMPLE_LABELS.get(name, name)


def symbol(name: str) -> str:
    """Return what the figures call an observable: its symbol, or its name in words."""
    return SYMBOLS.get(name, name.replace("_", " "))
