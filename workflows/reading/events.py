"""Passing events on disk, so that the ntuples are read once: a file for each chunk, sample and region.

Where momenta are shifted (`selections.shifts`), those that pass with a variation are another set of events with other
values, in a folder of its name beside them.

They are read again block by block, in an order that depends on nothing but the chunks; `workflows.reading.second_pass`
makes of them what later stages need.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import InputError, NtupleError, unknown_name
from workflows.whole_file import link, whole_file

__all__ = ["BORDER", "FOLDS", "EventBlock", "has_events", "keep_events", "read_events", "shifts_of", "write_events"]

Array = NDArray[np.float64]

FOLDS = 2
"""Folds of the training of a classifier."""
BORDER = "border"
"""Name of the block of events at the borders of chunks: there for every sample and region, the last to be read."""


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


def _folder(folder: Path, sample: str, region: str, shift: str | None = None) -> Path:
    """Return where the blocks of a sample and region are, or those of a shift."""
    here = folder / quote(sample, safe=" ") / quote(region, safe=" ")
    return here if shift is None else here / quote(shift, safe=" ")


def shifts_of(folder: Path, sample: str, region: str) -> tuple[str, ...]:
    """Return the names of the variations by shifted momenta of a sample in a region, in alphabetical order."""
    return tuple(sorted(unquote(path.name) for path in _folder(folder, sample, region).glob("*/")))


def write_events(
    folder: Path, sample: str, region: str, name: str, block: EventBlock, *, shift: str | None = None
) -> Path:
    """Write a block; return its file.

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
    shift
        Name of the variation by shifted momenta that they pass with; None for the momenta as they are.
    """
    path = _folder(folder, sample, region, shift) / f"{name}.npz"
    with whole_file(path) as partial, partial.open("wb") as file:
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
    return path


def keep_events(source: Path, target: Path, sample: str, regions: Sequence[str]) -> None:
    """Put the blocks of a sample, as far as there are any, into the folder of other events too, as the same files.

    Parameters
    ----------
    source, target
        Folders of all events.
    sample, regions
        What the events are of.
    """
    for region in regions:
        if (here := _folder(source, sample, region)).exists():
            unfinished = shutil.ignore_patterns(".*")
            shutil.copytree(here, _folder(target, sample, region), copy_function=link, ignore=unfinished)


def has_events(folder: Path, sample: str, region: str) -> bool:
    """Whether there is a block of a sample in a region."""
    return any(_folder(folder, sample, region).glob("*.npz"))


def read_events(folder: Path, sample: str, region: str, *, shift: str | None = None) -> Iterator[EventBlock]:
    """Yield the events of one sample in one region, a block at a time; at least one block, which may be empty.

    The order is that of the chunks in the list of files; events whose candidates may lie in two chunks come last.

    Parameters
    ----------
    folder
        Folder of all events.
    sample, region
        What the events are of.
    shift
        Name of the variation by shifted momenta that they pass with; None for the momenta as they are.

    Raises
    ------
    NtupleError
        If there are no such events, or a file is damaged.
    """
    here = _folder(folder, sample, region, shift)
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
