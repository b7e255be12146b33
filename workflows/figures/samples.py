"""What every figure of samples shares: one colour a sample, their stack, and the data.

A sample has its label, colour and hatch from `sample_styles`, which is called once an analysis with all of its samples:
they are the same in each figure, whichever samples it shows and in whatever order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import mplhep
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy.stats import chi2, norm

from workflows.figures.names import in_words, process_name

__all__ = [
    "PALETTE",
    "SampleStyle",
    "draw_data",
    "draw_stack",
    "garwood",
    "lowest_count",
    "sample_styles",
    "stack_order",
]

Array = NDArray[np.float64]

PALETTE = (
    *("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6"),
    *("#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"),
)  # Petroff, arXiv:2107.02270, ten colours
"""Colours of the samples, in their order in the YAML; further ones have them again with a hatch."""
PEAK = 0.03
"""The axis starts at this part of the peak of the smallest sample, so that it is seen at the foot of the stack."""
HATCHES = ("//", "\\\\", "..", "xx", "++")
"""Hatches beyond the palette: each with all colours, then all of them denser."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleStyle:
    """How a sample looks in every figure of an analysis.

    Parameters
    ----------
    label
        Its legend entry.
    colour, hatch
        What its area is filled with; no hatch for the first ten samples.
    """

    label: str
    colour: str
    hatch: str | None


def sample_styles(processes: Mapping[str, str]) -> dict[str, SampleStyle]:
    r"""Return how the samples of an analysis look: no two look the same, and no two are called the same.

    Parameters
    ----------
    processes
        The process of each sample, by its name; the name itself where no process is known.

    Examples
    --------
    >>> styles = sample_styles({"low": "tautau", "high": "tautau", "my_file": "my_file"})
    >>> styles["my_file"].label, styles["high"].label
    ('my file', '$e^+e^-\\to\\tau^+\\tau^-(\\gamma)$, high')
    """
    times = Counter(process_name(process) for process in processes.values())
    found = {}
    for i, (name, process) in enumerate(processes.items()):
        label, again = process_name(process), i // len(PALETTE)
        found[name] = SampleStyle(
            label=label if times[label] == 1 else f"{label}, {in_words(name)}",
            colour=PALETTE[i % len(PALETTE)],
            hatch=HATCHES[(again - 1) % len(HATCHES)] * (1 + (again - 1) // len(HATCHES)) if again else None,
        )
    return found


def stack_order(spectra: Sequence[Mapping[str, Array]]) -> list[str]:
    """Return the samples as they are stacked in spectra that are shown together, the smallest lowest."""
    totals: Counter[str] = Counter()
    for spectrum in spectra:
        totals.update({name: float(values.sum()) for name, values in spectrum.items()})
    return sorted(totals, key=lambda name: totals[name])


def draw_stack(
    axes: Axes, edges: Array, backgrounds: Mapping[str, Array], order: Sequence[str], styles: Mapping[str, SampleStyle]
) -> None:
    """Draw stacked samples; their legend entries come in the order of the stack, from its top.

    Parameters
    ----------
    axes
        What is drawn on.
    edges
        Bin edges, shape (B + 1,).
    backgrounds
        Expected events per bin by sample, shape (B,) each.
    order
        The samples from the lowest; see `stack_order`.
    styles
        How they look; see `sample_styles`.
    """
    if not order:  # data alone
        return
    looks = [styles[name] for name in order]
    mplhep.histplot(
        [backgrounds[name] for name in order],
        edges,
        stack=True,
        histtype="fill",
        label=[look.label for look in looks],
        color=[look.colour for look in looks],
        hatch=[look.hatch for look in looks],
        edgecolor=["white" if look.hatch else look.colour for look in looks],
        linewidth=0,
        ax=axes,
    )


def lowest_count(backgrounds: Mapping[str, Array], data: Array | None) -> float:
    """Return the least count that a logarithmic axis must show, of filled bins, errors of data and peaks of samples.

    Parameters
    ----------
    backgrounds
        Expected events per bin by sample, stacked, shape (B,) each.
    data
        Observed events per bin, shape (B,); NaN where they are hidden, None if all are.
    """
    total = np.sum(list(backgrounds.values()), axis=0) if backgrounds else np.zeros(0)
    peaks = [PEAK * float(values.max()) for values in backgrounds.values() if values.max() > 0]
    ends = np.zeros(0) if data is None else (data - garwood(data)[0])[data > 0]
    return min([*total[total > 0], *peaks, *ends], default=1.0)


def garwood(counts: Array) -> Array:
    """Return how far the central 68.3 % intervals of a Poisson mean reach below and above counts, shape (2, B).

    Parameters
    ----------
    counts
        Observed events, shape (B,); NaN gives NaN.

    References
    ----------
    F. Garwood, Biometrika 28 (1936) 437, with the quantiles of chi^2 for those of the Poisson distribution.

    Examples
    --------
    >>> garwood(np.array([0.0, 3.0])).round(2)
    array([[0.  , 1.63],
           [1.84, 2.92]])
    """
    tail = norm.sf(1.0)
    below = np.where(counts > 0, chi2.ppf(tail, 2 * np.where(counts > 0, counts, 1.0)) / 2, 0.0)  # ends at 0
    above = chi2.isf(tail, 2 * counts + 2) / 2
    return np.stack([counts - below, above - counts])


def draw_data(axes: Axes, edges: Array, data: Array, *, size: float, scale: Array | float = 1.0) -> None:
    """Draw data with their Poisson intervals over the width of their bins; an empty or hidden bin has no point.

    Parameters
    ----------
    axes
        What is drawn on.
    edges
        Bin edges, shape (B + 1,).
    data
        Observed events per bin, shape (B,); NaN where they are hidden.
    size
        Size of the markers.
    scale
        What events are multiplied with for the eye, such as one over the width of their bin, shape (B,).
    """
    shown = np.where(data > 0, data, np.nan)
    mplhep.histplot(
        scale * shown, edges, yerr=scale * garwood(shown), xerr=True, histtype="errorbar", label="data", ax=axes,
        marker="o", markersize=size, elinewidth=0.8, color="black",
    )  # fmt: skip
