"""What cuts are chosen from: tensors of counts, filled from the events on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bumphunt.cuts.tensor import CountTensor, VetoAxis
from bumphunt.cuts.yields import SignalPoint
from workflows.reading.second_pass import fill_tensor_of

__all__ = ["SampleEvents", "Tensors", "collected", "fill_tensors"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleEvents:
    """The events of one sample in a region, and what they count.

    Parameters
    ----------
    sample
        Name of the sample.
    edges
        Edges of the mass bins of a background, or of the signal window [unit of the axis].
    factor
        What brings a background to the luminosity of the data.
    mass, generated
        Of a signal: its mass [GeV], and the sum of weights before any selection; None for a background.
    """

    sample: str
    edges: NDArray[np.float64]
    factor: float = 1.0
    mass: float | None = None
    generated: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensors:
    """Tensors of the samples of a region.

    Parameters
    ----------
    backgrounds
        At the luminosity of the data.
    signals
        By mass.
    """

    backgrounds: tuple[CountTensor, ...]
    signals: tuple[SignalPoint, ...]


def collected(
    sources: Sequence[SampleEvents],
    tensor_of: Callable[[SampleEvents], CountTensor],
    progress: Callable[[int, int], None] | None,
) -> Tensors:
    """Return the tensors of samples, each as it counts; signals of one mass, which differ otherwise, are one.

    Parameters
    ----------
    sources
        The samples: backgrounds in the same mass bins, and signals.
    tensor_of
        Function from a sample to its tensor.
    progress
        Called after each sample with the number done and of all.
    """
    backgrounds, signals = [], dict[float, SignalPoint]()
    for done, source in enumerate(sources, start=1):
        tensor = tensor_of(source)
        tensor = tensor.scaled(source.factor)
        if source.mass is None or source.generated is None:
            backgrounds.append(tensor)
        else:
            same, generated = signals.get(source.mass), source.generated
            if same is not None:
                tensor, generated = same.tensor + tensor, same.generated + generated
            signals[source.mass] = SignalPoint(mass=source.mass, tensor=tensor, generated=generated)
        if progress is not None:
            progress(done, len(sources))
    return Tensors(backgrounds=tuple(backgrounds), signals=tuple(signals[mass] for mass in sorted(signals)))


def fill_tensors(
    events: Path,
    region: str,
    sources: Sequence[SampleEvents],
    axes: tuple[VetoAxis, ...],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Tensors:
    """Return the tensors of samples over candidate bounds.

    Parameters
    ----------
    events
        Folder of the events.
    region
        Name of the region.
    sources, progress
        As for `collected`.
    axes
        Candidate bounds.
    """

    def tensor_of(source: SampleEvents) -> CountTensor:
        return fill_tensor_of(events, source.sample, region, edges=source.edges, axes=axes)

    return collected(sources, tensor_of, progress)
