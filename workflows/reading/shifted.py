"""Rows that pass the cuts of a region when momenta are shifted (`selections.shifts`): other rows, with other values.

Columns move, observables are made of them again, and all cuts are applied to these, so that what comes out is what a
file with moved columns would give. Rows that fail a cut whose observable is made of other columns fail it again: of a
selection whose observables are worked out one by one (`selections.lazy`), those are known from the pass with the
columns as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selections.cuts import Cut
from selections.events import event_normals
from selections.lazy import LazyObservables, lazy_observables
from selections.shifts import MovedParticle, Shift, moved_columns, moved_particles
from workflows.reading.plan import WEIGHT, RegionPlan
from workflows.reading.weights import Corrections

__all__ = [
    "WORTH_DROPPING",
    "Hashes",
    "Moving",
    "Outcome",
    "Passing",
    "ShiftedBlock",
    "joined_passing",
    "moving",
    "shifted_rows",
]

Array = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]
Hashes = Callable[[NDArray[np.intp]], NDArray[np.uint64]]
"""Function from rows of a chunk to the hashes of their events."""
Outcome = tuple[NDArray[np.intp], NDArray[np.bool_]]
"""Rows for which a cut was looked at, and which of them pass it."""

WORTH_DROPPING = 0.6
"""Fraction of the rows below which it is worth the copies to go on without the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passing:
    """Rows that pass the cuts of a region, N of them.

    Parameters
    ----------
    index
        Where they are, shape (N,).
    values
        What is kept of them by name, each of shape (N,).
    ntuple_weight
        Weights of the ntuple, shape (N,).
    variations
        Names of the variations of the weights, V of them.
    weights
        Weights of all variations, shape (V, N).
    """

    index: NDArray[np.intp]
    values: dict[str, Array]
    ntuple_weight: Array
    variations: tuple[str, ...]
    weights: Array


def joined_passing(parts: Sequence[Passing]) -> Passing:
    """Return the rows of several parts, at least one."""
    return Passing(
        index=np.concatenate([p.index for p in parts]),
        values={name: np.concatenate([p.values[name] for p in parts]) for name in parts[0].values},
        ntuple_weight=np.concatenate([p.ntuple_weight for p in parts]),
        variations=parts[0].variations,
        weights=np.concatenate([p.weights for p in parts], axis=1),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftedBlock:
    """A block of N rows, and what is known of it with the columns as they are.

    Parameters
    ----------
    columns
        Columns by variable, each of shape (N,).
    observables
        Observables of the rows.
    outcomes
        What is known of each cut.
    index
        Where the rows are in the chunk, shape (N,).
    """

    columns: Columns
    observables: LazyObservables
    outcomes: Sequence[Outcome]
    index: NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moving:
    """A shift, and what it moves of the columns of a region.

    Parameters
    ----------
    shift
        The shift.
    particles
        What it moves.
    hashes
        Hashes of the events, of which a smear has its random numbers.
    """

    shift: Shift
    particles: tuple[MovedParticle, ...]
    hashes: Hashes

    @property
    def columns(self) -> frozenset[str]:
        """The columns that move."""
        return frozenset(column for particle in self.particles for column in particle.columns)

    def moved(self, block: ShiftedBlock, sign: float, rows: NDArray[np.intp]) -> dict[str, Array]:
        """Return the columns that move, each of shape (N,): up or down, right for some rows of a block."""
        if self.shift.kind == "scale":
            return moved_columns(block.columns, self.particles, lambda _: 1.0 + sign * self.shift.by)
        hashes = self.hashes(block.index[rows])

        def factors(particle: str) -> Array:
            found = np.ones(block.index.size)
            found[rows] += sign * self.shift.by * event_normals(hashes, f"{self.shift.name}: {particle}")
            return found

        return moved_columns(block.columns, self.particles, factors)


def moving(shifts: Sequence[Shift], columns: Sequence[str], used: Sequence[str], hashes: Hashes) -> tuple[Moving, ...]:
    """Return the shifts that move something of a region.

    Parameters
    ----------
    shifts
        All shifts.
    columns
        Columns that are read.
    used
        Columns that the region uses.
    hashes
        Function from rows to the hashes of their events.
    """
    every = (Moving(shift=s, particles=moved_particles(s.columns, columns), hashes=hashes) for s in shifts)
    return tuple(found for found in every if found.columns & set(used))


def shifted_rows(
    plan: RegionPlan,
    block: ShiftedBlock,
    shifts: Sequence[Moving],
    *,
    keep: Sequence[str],
    corrections: Corrections,
    place: Callable[[int], str],
) -> dict[str, Passing]:
    """Return the rows of a block that pass with each variation of each shift, by its name.

    Their weights have all corrections at their value, of inputs that move too.

    Parameters
    ----------
    plan
        The region.
    block
        The block.
    shifts
        What moves.
    keep
        Observables or variables to keep of passing rows.
    corrections
        Corrections of this sample in this region.
    place
        Function from a row of the chunk to the text that says where it is.

    Raises
    ------
    InputError
        If a correction has no value for a row.
    """
    found = {}
    for shift in shifts:
        left, cuts = _undecided(plan.selection.applied, block, shift.columns)
        for name, sign in shift.shift.ends:
            moved = _moved(plan, block, shift.moved(block, sign, left), left)
            rows, passing = _passing(cuts, left, moved)
            found[name] = _kept(name, block.index[rows], passing, keep=keep, corrections=corrections, place=place)
    return found


def _undecided(cuts: Sequence[Cut], block: ShiftedBlock, moved: frozenset[str]) -> tuple[NDArray[np.intp], list[Cut]]:
    """Return the rows that may pass with other values of some columns, and the cuts that are not known of them."""
    size = block.index.size
    stays = [not block.observables.made_of(cut.observable) & moved for cut in cuts]
    possible = np.ones(size, dtype=np.bool_)
    for (rows, passes), same in zip(block.outcomes, stays, strict=True):
        if same:
            possible[rows[~passes]] = False
    left = np.flatnonzero(possible)
    looked_at = zip(cuts, stays, block.outcomes, strict=True)
    return left, [cut for cut, same, (rows, _) in looked_at if not (same and _among(left, rows, size))]


def _kept(
    variation: str,
    index: NDArray[np.intp],
    passing: LazyObservables,
    *,
    keep: Sequence[str],
    corrections: Corrections,
    place: Callable[[int], str],
) -> Passing:
    """Return what is kept of the rows that pass with a variation, and their weights."""
    weights = np.asarray(passing[WEIGHT], dtype=np.float64)
    inputs = {name: passing[name] for name in corrections.inputs}
    factors = corrections.nominal(inputs, weights.size, lambda row: place(int(index[row])))
    return Passing(
        index=index,
        values={name: np.asarray(passing[name], dtype=np.float64) for name in keep},
        ntuple_weight=weights,
        variations=(variation,),
        weights=reduce(np.multiply, factors, weights)[np.newaxis],
    )


def _among(left: NDArray[np.intp], rows: NDArray[np.intp], size: int) -> bool:
    """Return whether all rows that are `left` are among some `rows` of a block of that size."""
    if rows.size == size:
        return True
    known = np.zeros(size, dtype=np.bool_)
    known[rows] = True
    return bool(np.all(known[left]))


def _moved(
    plan: RegionPlan, block: ShiftedBlock, moved: Mapping[str, Array], left: NDArray[np.intp]
) -> LazyObservables:
    """Return the observables of the rows that are left, with columns that moved."""
    whole = block.observables.with_columns(moved)
    if whole is not None:
        return whole.take(left)
    taken = {name: values[left] for name, values in {**block.columns, **moved}.items()}
    return lazy_observables(plan.selection.observables(taken), taken)


def _passing(
    cuts: Sequence[Cut], index: NDArray[np.intp], observables: LazyObservables
) -> tuple[NDArray[np.intp], LazyObservables]:
    """Return which of the rows at `index` pass all cuts, and their observables."""
    alive = np.ones(index.size, dtype=np.bool_)
    for cut in cuts:
        alive &= cut.passes(observables[cut.observable])
        if np.count_nonzero(alive) < WORTH_DROPPING * alive.size:
            chosen = np.flatnonzero(alive)
            index, observables, alive = index[chosen], observables.take(chosen), alive[chosen]
    chosen = np.flatnonzero(alive)
    return index[chosen], observables.take(chosen)
