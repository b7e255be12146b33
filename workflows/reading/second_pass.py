"""What later stages make of the passing events on disk (`workflows.reading.events`).

================= ==========================================================
fill_tensor_of    optimisation tensor
spectra_of        spectra after a cut table, for all variations
values_of         the values that such a spectrum counts
optimised_step    step of the cutflow that applies the cut table
================= ==========================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import add
from pathlib import Path

import hist
import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.cuts.table import CutTable
from bumphunt.cuts.tensor import CountTensor, VetoAxis, fill_tensor
from bumphunt.errors import InputError, unknown_name
from selections.cuts import Cutflow, count
from workflows.reading.events import EventBlock, read_events, shifts_of
from workflows.reading.plan import RegionPlan
from workflows.reading.spectra import NOMINAL, fill_spectra, joined_variations

__all__ = ["OPTIMISED", "fill_tensor_of", "optimised_step", "spectra_of", "values_of"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

BATCH = 200_000
"""Events that are worked on at a time, at least."""
OPTIMISED = "optimised cuts"
"""Step of the cutflow that applies the cut table."""


def _batches(folder: Path, sample: str, region: str, shift: str | None = None) -> Iterator[EventBlock]:
    """Yield the events of `read_events` in larger blocks: a tensor may have more cells than a block has events."""
    waiting: list[EventBlock] = []
    for block in read_events(folder, sample, region, shift=shift):
        waiting.append(block)
        if sum(b.positions.size for b in waiting) >= BATCH:
            yield _joined(waiting)
            waiting = []
    if waiting:
        yield _joined(waiting)


def _joined(blocks: Sequence[EventBlock]) -> EventBlock:
    """Return the events of several blocks, at least one."""
    return EventBlock(
        positions=np.concatenate([b.positions for b in blocks]),
        half=np.concatenate([b.half for b in blocks]),
        fold=np.concatenate([b.fold for b in blocks]),
        observables={name: np.concatenate([b.observables[name] for b in blocks]) for name in blocks[0].observables},
        variations=blocks[0].variations,
        weights=np.concatenate([b.weights for b in blocks], axis=1),
    )


def fill_tensor_of(
    folder: Path,
    sample: str,
    region: str,
    *,
    edges: ArrayLike,
    axes: Sequence[VetoAxis],
    variation: str = NOMINAL,
) -> CountTensor:
    """Return the optimisation tensor of the events of one sample in one region.

    Parameters
    ----------
    folder
        Folder of all events.
    sample, region
        What the events are of.
    edges
        Edges of the bins on the axis of the region [unit of the axis], shape (M + 1,).
    axes
        The veto axes; their observables must have been kept.
    variation
        Which weights.

    Raises
    ------
    NtupleError
        If the events cannot be read.
    InputError
        If an observable was not kept, or there is no such variation.
    """
    return reduce(
        add,
        (
            fill_tensor(
                block.positions,
                block.observables,
                weights=block.weight(variation),
                half=block.half,
                edges=edges,
                axes=axes,
            )
            for block in _batches(folder, sample, region)
        ),
    )


def _passes(block: EventBlock, table: CutTable | None) -> Mask:
    """Return which events pass a cut table, shape (N,)."""
    if table is None:
        return np.ones(block.positions.size, dtype=np.bool_)
    return table.apply(block.positions, block.observables)


def spectra_of(folder: Path, sample: str, plan: RegionPlan, *, table: CutTable | None = None) -> hist.Hist:
    """Return the spectra of the events of one sample in one region, for all variations of weights and momenta.

    Parameters
    ----------
    folder
        Folder of all events.
    sample
        What the events are of.
    plan
        The region; the observable of its slices must have been kept.
    table
        Optimised cuts that the events must pass; None for none.

    Raises
    ------
    NtupleError
        If the events cannot be read.
    InputError
        If an observable was not kept.
    """
    sliced = None if plan.slices is None else plan.slices[0]

    def filled(block: EventBlock) -> hist.Hist:
        mask = _passes(block, table)
        if sliced is not None and sliced not in block.observables:
            raise InputError(unknown_name("observable of the slices", sliced, block.observables))
        return fill_spectra(
            block.positions[mask],
            None if sliced is None else block.observables[sliced][mask],
            half=block.half[mask],
            weights=block.weights[:, mask],
            variations=block.variations,
            axes=plan.axes,
            others=[block.observables[name][mask] for name, _ in plan.others],
        )

    passing = (None, *shifts_of(folder, sample, plan.name))
    return joined_variations(
        [reduce(add, map(filled, _batches(folder, sample, plan.name, shift))) for shift in passing]
    )


def values_of(folder: Path, sample: str, plan: RegionPlan, *, table: CutTable | None = None) -> list[Array]:
    """Return the values that the spectra of one sample in one region count, rising: an array for each slice.

    Parameters
    ----------
    folder, sample, plan, table
        As in `spectra_of`. Values outside the spectrum, or in no slice, are left out.

    Raises
    ------
    NtupleError
        If the events cannot be read.
    """
    found: list[list[Array]] = [[] for _ in range(1 if plan.slices is None else plan.slices[1].size - 1)]
    for block in _batches(folder, sample, plan.name):
        inside = _passes(block, table) & (block.positions >= plan.edges[0]) & (block.positions < plan.edges[-1])
        piece = np.zeros(block.positions.size, dtype=np.int64)
        if plan.slices is not None:
            observable, edges = block.observables[plan.slices[0]], plan.slices[1]
            piece = np.searchsorted(edges[:-1], observable, side="right") - 1  # the last edge belongs to the last slice
            piece[observable > edges[-1]] = -1
        for number, values in enumerate(found):
            values.append(block.positions[inside & (piece == number)])
    return [np.sort(np.concatenate(values)) for values in found]


def optimised_step(folder: Path, sample: str, region: str, *, table: CutTable) -> Cutflow:
    """Return the step of the cutflow that applies the optimised cuts, with the nominal weights.

    Parameters
    ----------
    folder
        Folder of all events.
    sample, region
        What the events are of.
    table
        Optimised cuts.

    Raises
    ------
    NtupleError
        If the events cannot be read.
    InputError
        If an observable was not kept.
    """

    def counted(block: EventBlock) -> Cutflow:
        mask = _passes(block, table)
        return count([OPTIMISED], [mask], block.weight(NOMINAL))

    return reduce(add, (counted(block) for block in _batches(folder, sample, region)))
