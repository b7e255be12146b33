"""The largest z0 of every toy of a search, in blocks of toys that can be made anywhere and in any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bumphunt.search_wide.toys import draw_search_toys
from bumphunt.search_wide.whole import WholeSearch

__all__ = ["BLOCK", "Largest", "joined_blocks", "largest_of_block"]

Array = NDArray[np.float64]

BLOCK = 250
"""Toys of a block: all hypotheses see them before the next ones are drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Largest:
    """What is kept of N toys.

    Parameters
    ----------
    z0
        The largest significance of each, shape ``(N,)``.
    mass
        Where it is [GeV]; the lowest such mass.
    crossings
        How often z0 rises through the level from one mass to the next, where masses rise.
    failed
        How many hypotheses of the toy have a fit that failed: they are left out of the largest.
    """

    z0: Array
    mass: Array
    crossings: NDArray[np.int64]
    failed: NDArray[np.int64]

    def __len__(self) -> int:
        return int(self.z0.size)

    def first(self, n: int) -> Largest:
        """Return the first n toys."""
        return Largest(z0=self.z0[:n], mass=self.mass[:n], crossings=self.crossings[:n], failed=self.failed[:n])


def largest_of_block(
    search: WholeSearch,
    indices: range,
    *,
    seed: np.random.SeedSequence,
    level: float,
    progress: Callable[[], object] | None = None,
) -> Largest:
    """Return what is kept of some toys: those with the given numbers, whatever others are made.

    Parameters
    ----------
    search
        The search.
    indices
        Numbers of the toys.
    seed
        Toy i uses its child i.
    level
        Of the upcrossings, in z0.
    progress
        Called after every hypothesis.
    """
    toys = draw_search_toys(search.expectation, seed=seed, indices=indices)
    best, mass = np.zeros(toys.size), np.full(toys.size, np.nan)
    crossings, failed = np.zeros(toys.size, np.int64), np.zeros(toys.size, np.int64)
    below, before = np.zeros(toys.size, np.bool_), -np.inf
    for one in search.hypotheses:
        if one.mass < before:  # at another point of the other coordinates
            below = np.zeros(toys.size, np.bool_)
        before = one.mass
        if one.window is not None:
            z0 = one.of_toys(toys)
            lost = np.isnan(z0)
            failed += lost
            known = np.where(lost, 0.0, z0)
            higher = (known > best) | (np.isnan(mass) & ~lost)
            best, mass = np.where(higher, known, best), np.where(higher, one.mass, mass)
            crossings += below & (known >= level)
            below = known < level
        if progress is not None:
            progress()
    return Largest(z0=best, mass=mass, crossings=crossings, failed=failed)


def joined_blocks(blocks: Sequence[Largest]) -> Largest:
    """Return several blocks as one, in their order."""
    return Largest(
        z0=np.concatenate([block.z0 for block in blocks]),
        mass=np.concatenate([block.mass for block in blocks]),
        crossings=np.concatenate([block.crossings for block in blocks]),
        failed=np.concatenate([block.failed for block in blocks]),
    )
