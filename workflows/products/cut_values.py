"""The observable of each cut, of the events that pass all other cuts of a region: what the N-1 figures show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import uproot
from numpy.typing import NDArray

from workflows.config.regions import AnalysedRegion
from workflows.config.samples import DATA
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
    thresholds
        Where the cut is.
    backgrounds
        Expected events at the luminosity of the data, by sample, shape (B,).
    data
        Observed events, shape (B,); None where rows are blinded.
    signal
        Events of one simulated signal, shape (B,); None for none.
    signal_label
        Which.
    """

    name: str
    observable: str
    unit: str
    edges: NDArray[np.float64]
    thresholds: tuple[float, ...]
    backgrounds: Mapping[str, NDArray[np.float64]]
    data: NDArray[np.float64] | None
    signal: NDArray[np.float64] | None
    signal_label: str


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
        for cut in region.plan.selection.cuts:
            values = {
                s.name: file[f"{region.name}/{s.name}/{cut.name}"].values() * processed.weight(region.name, s)
                for s in backgrounds
            }
            thresholds = [t for t in (cut.above, cut.below) if t is not None]
            if cut.equals is not None:
                thresholds = [cut.equals - 0.5, cut.equals + 0.5]
            found.append(
                CutValues(
                    name=cut.name,
                    observable=cut.observable,
                    unit=cut.unit,
                    edges=cut.bins,
                    thresholds=tuple(thresholds),
                    backgrounds=values,
                    data=None if hidden else file[f"{region.name}/{DATA}/{cut.name}"].values(),
                    signal=None if signal is None else file[f"{region.name}/{signal.name}/{cut.name}"].values(),
                    signal_label="" if signal is None else f"signal of {signal.mass:g} GeV, scaled",
                )
            )
    return found
