"""The observable of each cut, of the events that pass all other cuts of a region: what the N-1 figures show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import uproot
from numpy.typing import NDArray

from selections.cuts import Cut
from workflows.config.coordinates import mass_words
from workflows.config.regions import AnalysedRegion
from workflows.config.sections.samples import DATA
from workflows.inputs.samples import InputSample
from workflows.products.processed import N_MINUS_ONE, Processed

__all__ = ["CutValues", "read_cut_values"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CutValues:
    """The observable of one cut, of the events that pass all other cuts of a region.

    Parameters
    ----------
    name
        Name of the cut.
    observable, unit
        What is cut on.
    edges
        Bin edges, shape (B + 1,).
    kept
        Ends of the interval that the cut keeps, infinite where it is open.
    backgrounds
        Expected events at the luminosity of the data, by sample, shape (B,).
    data
        Observed events, shape (B,); None where rows are blinded.
    signal
        Events of one simulated signal, shape (B,); None for none.
    signal_label
        Which.
    beyond
        Fraction of the expected events that lie beyond the edges.
    """

    name: str
    observable: str
    unit: str
    edges: NDArray[np.float64]
    kept: tuple[float, float]
    backgrounds: Mapping[str, NDArray[np.float64]]
    data: NDArray[np.float64] | None
    signal: NDArray[np.float64] | None
    signal_label: str
    beyond: float


def read_cut_values(
    processed: Processed, inputs: Sequence[InputSample], region: AnalysedRegion, *, blinded: bool
) -> list[CutValues]:
    """Return the N-1 distributions of a region, in the order of its cuts; the signal is that of the middle mass.

    Parameters
    ----------
    processed
        What was read.
    inputs
        The samples.
    region
        The region.
    blinded
        Whether the data of a region with a signal are hidden.
    """
    seen = [sample for sample in inputs if region.name in sample.regions]
    backgrounds = [sample for sample in seen if sample.kind == "background"]
    signals = [sample for sample in seen if sample.kind == "signal"]
    signal = signals[len(signals) // 2] if signals else None
    hidden = (blinded and region.signal is not None) or not any(sample.kind == "data" for sample in seen)
    found = []
    with uproot.open(processed.folder / N_MINUS_ONE) as file:
        for cut in region.plan.selection.applied:

            def read(sample: str, cut: Cut = cut) -> NDArray[np.float64]:
                return np.asarray(file[f"{region.name}/{sample}/{cut.name}"].values(flow=True), dtype=np.float64)

            values = {s.name: read(s.name) * processed.weight(region.name, s) for s in backgrounds}
            every = float(sum(spectrum.sum() for spectrum in values.values()))
            beyond = float(sum(spectrum[0] + spectrum[-1] for spectrum in values.values()))
            found.append(
                CutValues(
                    name=cut.name,
                    observable=cut.observable,
                    unit=cut.unit,
                    edges=cut.bins,
                    kept=_kept(cut),
                    backgrounds={name: spectrum[1:-1] for name, spectrum in values.items()},
                    data=None if hidden else read(DATA)[1:-1],
                    signal=None if signal is None else read(signal.name)[1:-1],
                    signal_label="" if signal is None else f"{_signal(signal)}, scaled to the backgrounds",
                    beyond=beyond / every if every > 0 else 0.0,
                )
            )
    return found


def _signal(sample: InputSample) -> str:
    """Return what a signal is called."""
    mass = "" if sample.mass is None else mass_words(sample.mass)
    return f"signal of {mass}" if mass else "signal"


def _kept(cut: Cut) -> tuple[float, float]:
    """Return the ends of the interval that a cut keeps; a value stands in the middle of its bin."""
    if cut.equals is not None:
        return cut.equals - 0.5, cut.equals + 0.5
    return -np.inf if cut.above is None else cut.above, np.inf if cut.below is None else cut.below
