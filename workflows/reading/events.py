"""Passing events on disk: what later stages need of them, so that the ntuples are read once.

`workflows.reading.read.process` writes a file for each chunk, sample and region; here they are read block by block.
From them come optimisation tensors, spectra after the optimised cuts for all variations, and the last steps of the
cutflow.

================= ==========================================================
read_events       blocks of events, in an order that depends on nothing but the chunks
fill_tensor_of    optimisation tensor
spectra_of        spectra after a cut table, for all variations
optimised_step    step of the cutflow that applies the cut table
================= ==========================================================
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from urllib.parse import quote
from zipfile import BadZipFile

import hist
import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.cuts.table import CutTable
from bumphunt.cuts.tensor import CountTensor, VetoAxis, fill_tensor
from bumphunt.errors import InputError, NtupleError, unknown_name
from selections.cuts import Cutflow, count
from workflows.reading.plan import RegionPlan
from workflows.reading.spectra import NOMINAL, fill_spectra

__all__ = [
    "BORDER",
    "FOLDS",
    "OPTIMISED",
    "EventBlock",
    "fill_tensor_of",
    "has_events",
    "optimised_step",
    "read_events",
    "spectra_of",
    "write_events",
]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

FOLDS = 2
"""Folds of the training of a classifier."""
BORDER = "border"
"""Name of the block of events at the borders of chunks: there for every sample and region, the last to be read."""
BATCH = 200_000
"""Events that are worked on at a time, at least."""
OPTIMISED = "optimised cuts"
"""Step of the cutflow that applies the cut table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBlock:
    """Some events of one sample that pass the cuts of one region.

    Parameters
    ----------
    positions
        Positions on the axis of the region [unit of the axis], shape (N,).
    half
        Half of the events that each belongs to, shape (N,).
    fold
        Fold of each event in the training of a classifier, 0 to FOLDS - 1, shape (N,).
    observables
        What `workflows.reading.plan.RegionPlan` keeps, each of shape (N,).
    variations
        Names of the variations of the weights, V of them, ``nominal`` first.
    weights
        Weights, shape (V, N).
    """

    positions: Array
    half: NDArray[np.int64]
    fold: NDArray[np.int64]
    observables: dict[str, Array]
    variations: tuple[str, ...]
    weights: Array

    def weight(self, variation: str) -> Array:
        """Return the weights of one variation, shape (N,).

        Raises
        ------
        InputError
            If there is no such variation.
        """
        if variation not in self.variations:
            raise InputError(unknown_name("variation", variation, self.variations))
        return np.asarray(self.weights[self.variations.index(variation)])


def _folder(folder: Path, sample: str, region: str) -> Path:
    """Return where the blocks of a sample and region are."""
    return folder / quote(sample, safe=" ") / quote(region, safe=" ")


def write_events(folder: Path, sample: str, region: str, name: str, block: EventBlock) -> None:
    """Write a block: to a temporary file, which gets its name when it is complete.

    Parameters
    ----------
    folder
        Folder of all events.
    sample, region
        What the events are of.
    name
        Name of the block, which sorts as the blocks shall be read.
    block
        The events.
    """
    path = _folder(folder, sample, region) / f"{name}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            np.savez(
                file,
                allow_pickle=False,
                positions=block.positions,
                half=block.half.astype(np.int8),
                fold=block.fold.astype(np.int8),
                names=np.array(list(block.observables), dtype=np.str_),
                variations=np.array(block.variations, dtype=np.str_),
                weights=block.weights,
                values=np.array(list(block.observables.values())).reshape(len(block.observables), block.positions.size),
            )
        os.replace(partial, path)  # noqa: PTH105
    finally:
        partial.unlink(missing_ok=True)


def has_events(folder: Path, sample: str, region: str) -> bool:
    """Whether there is a block of a sample in a region."""
    return any(_folder(folder, sample, region).glob("*.npz"))


def read_events(folder: Path, sample: str, region: str) -> Iterator[EventBlock]:
    """Yield the events of one sample in one region, a block at a time; at least one block, which may be empty.

    The order is that of the chunks in the list of files; events whose candidates may lie in two chunks come last.

    Raises
    ------
    NtupleError
        If there are no such events, or a file is damaged.
    """
    here = _folder(folder, sample, region)
    paths = sorted(path for path in here.glob("*.npz") if path.stem != BORDER)
    if not (here / f"{BORDER}.npz").exists():
        msg = f"{here}: there are no complete events of sample {sample!r} in region {region!r}; process them again"
        raise NtupleError(msg)
    for path in (*paths, here / f"{BORDER}.npz"):
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
                yield EventBlock(
                    positions=content["positions"],
                    half=content["half"].astype(np.int64),
                    fold=content["fold"].astype(np.int64),
                    observables={str(n): v for n, v in zip(content["names"], content["values"], strict=True)},
                    variations=tuple(str(v) for v in content["variations"]),
                    weights=content["weights"],
                )
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            msg = f"{path}: cannot be read ({type(error).__name__}: {error}); process the sample again"
            raise NtupleError(msg) from None


def _batches(folder: Path, sample: str, region: str) -> Iterator[EventBlock]:
    """Yield the events of `read_events` in larger blocks: a tensor may have more cells than a block has events."""
    waiting: list[EventBlock] = []
    for block in read_events(folder, sample, region):
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
    """Return the spectra of the events of one sample in one region, for all variations.

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
        )

    return reduce(add, (filled(block) for block in _batches(folder, sample, plan.name)))


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
