"""Data that are a histogram already: what its contents are, and whether they can be fitted as counts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import InputError
from bumphunt.spectrum.axis import MassAxis
from workflows.config.sections.analysis import Analysis
from workflows.ntuples.histogram_files import StoredHistogram, read_histogram

__all__ = ["HistogramData", "histogram_data"]

Array = NDArray[np.float64]

ROUNDING = 1e-3
"""By how much a number of events may differ from a whole one, by the digits that a table has."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HistogramData:
    """The spectrum of the data.

    Parameters
    ----------
    path
        The file.
    edges
        Bin edges [unit of the axis of the region], shape (B + 1,).
    counts
        Events in each bin, shape (B,); of sums of weights the effective number of them, which need not be whole.
    weights
        Mean weight of an event in each bin, shape (B,); None where each event counts as one.
    digest
        Of the file.
    """

    path: Path
    edges: Array
    counts: Array
    weights: Array | None
    digest: str

    def weights_by_mass(self, axis: MassAxis) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return the masses of the middles of the bins [GeV], and the mean weights there; 1 where there are none."""
        weights = np.ones(self.counts.size) if self.weights is None else self.weights
        masses = axis.mass(0.5 * (self.edges[1:] + self.edges[:-1]))
        return tuple(masses.tolist()), tuple(weights.tolist())


def histogram_data(sections: Analysis, folder: Path) -> HistogramData | None:
    """Return the data of a YAML that names a histogram; None for other data.

    Parameters
    ----------
    sections
        What the YAML says.
    folder
        Its folder.

    Raises
    ------
    ValueError
        If the histogram cannot be read, does not hold what the YAML says, or something else goes with it that cannot.
    """
    section = sections.data.histogram
    if section is None:
        return None
    for key, wrong in (
        ("spectrum", sections.spectrum is not None),
        ("fit.slices", sections.fit.slices is not None),
        ("fit.unbinned", sections.fit.unbinned),
    ):
        if wrong:
            msg = f"{key}: the data are a histogram, whose bins are all that is known; remove it"
            raise ValueError(msg)
    weighted = sections.data.counts == "weighted"
    if weighted and (sections.samples or sections.fit.method != "smooth"):
        msg = "data.counts: sums of weights are fitted with a smooth background alone; remove 'samples'"
        raise ValueError(msg)
    try:
        stored = read_histogram(folder / section.file, section.name)
        counts, weights = _weighted(stored) if weighted else (_counts(stored, sections.data.counts), None)
    except InputError as error:
        msg = f"data.histogram: {error}"
        raise ValueError(msg) from None
    return HistogramData(path=stored.path, edges=stored.edges, counts=counts, weights=weights, digest=stored.digest)


def _counts(stored: StoredHistogram, kind: str) -> Array:
    """Return the numbers of events in bins.

    Raises
    ------
    InputError
        If one is no whole number, or negative.
    """
    density = kind == "density"
    found = stored.values * np.diff(stored.edges) if density else stored.values
    counts = np.rint(found)
    bad = (found < 0.0) | (np.abs(found - counts) > ROUNDING * np.maximum(1.0, np.sqrt(np.abs(found))))
    if np.any(bad):
        where = int(np.argmax(bad))
        times = " times the width of the bin" if density else ""
        ways = "weighted (sums of weights, with errors)"
        ways += "" if density else " or density (events over bin width)"
        msg = (
            f"{stored.path}: bin {where + 1}, from {stored.edges[where]:g}, holds {stored.values[where]:g}{times},"
            f" which is no number of events; fits take Poisson counts: say data.counts: {ways}"
        )
        raise InputError(msg)
    return counts


def _weighted(stored: StoredHistogram) -> tuple[Array, Array]:
    """Return the effective numbers of events of sums of weights, and the mean weights.

    A sum of weights w with variance v fluctuates as w^2 / v events of the weight v / w each do: the scaled Poisson
    distribution.

    Raises
    ------
    InputError
        If there are no errors, or a sum is negative, or not zero without an error.

    References
    ----------
    G. Bohm, G. Zech, NIM A 748 (2014) 1, arXiv:1309.1287, section 4.
    """
    w, v = stored.values, stored.variances
    if v is None:
        msg = f"{stored.path}: sums of weights need their errors (Sumw2), and there are none"
        raise InputError(msg)
    bad = (w < 0.0) | ((w > 0.0) & ~(v > 0.0))
    if np.any(bad):
        where = int(np.argmax(bad))
        error = np.sqrt(abs(v[where]))
        msg = f"{stored.path}: bin {where + 1} holds {w[where]:g} +- {error:g}; want sums > 0 with errors"
        raise InputError(msg)
    filled = w > 0.0
    if not np.any(filled):
        msg = f"{stored.path}: every bin is empty"
        raise InputError(msg)
    counts, middles = np.zeros(w.size), 0.5 * (stored.edges[1:] + stored.edges[:-1])
    counts[filled] = w[filled] ** 2 / v[filled]
    return counts, np.interp(middles, middles[filled], v[filled] / w[filled])
