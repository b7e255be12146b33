"""Every way to make a candidate from the tracks and clusters that were measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bumphunt.montecarlo.detector.candidates import Candidate
from bumphunt.montecarlo.detector.measured import Tracks
from bumphunt.montecarlo.detector.parameters import Detector
from bumphunt.montecarlo.detector.response import id_probability

__all__ = ["ROULETTE", "TrackCombinations", "photon_combinations", "track_combinations"]

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Positions = NDArray[np.intp]

ROULETTE = 0.1
"""Identification probability below which a weighted row is kept only with probability p / ROULETTE, weighing more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackCombinations:
    """Combinations of tracks, arrays of shape (B,), ordered by event; without tracks, the events themselves."""

    event: Ints
    """Position of the event."""
    daughters: tuple[Positions, ...]
    """Positions of the tracks of each daughter; empty if there are photons only."""
    weight: Array
    """Weight of the event [fb], times the probability of the identification where that is not decided."""


def track_combinations(
    tracks: Tracks, weight: Array, candidate: Candidate, detector: Detector, *, rng: np.random.Generator, weighted: bool
) -> TrackCombinations:
    """Return the combinations of tracks that may be those of a candidate, with positive weight.

    Parameters
    ----------
    tracks
        Tracks, ordered by event.
    weight
        Weights of the events [fb], shape (N,).
    candidate
        What is looked for; without tracks, every event is returned once.
    detector
        The detector.
    rng
        Source of randomness.
    weighted
        Whether identification multiplies the weight, or is decided by hit or miss.
    """
    if not candidate.tracks:
        event = np.flatnonzero(weight > 0)
        return TrackCombinations(event=event, daughters=(), weight=weight[event].astype(np.float64))
    probability, identified = {}, {}
    for kind in dict.fromkeys(candidate.kinds):
        probability[kind] = id_probability(kind, tracks.p, tracks.pdgid, detector)
        seen = probability[kind] > 0 if weighted else rng.random(tracks.p.size) < probability[kind]
        identified[kind] = np.flatnonzero(seen)
    daughters = _assigned(tracks, identified, candidate, weight.size)
    weights = weight[tracks.event[daughters[0]]].astype(np.float64)
    keep = weights > 0
    if weighted:
        together = np.ones(weights.size)
        for kind, position in zip(candidate.kinds, daughters, strict=True):
            together = together * probability[kind][position]
        keep &= rng.random(weights.size) * ROULETTE < together
        weights = weights * np.maximum(together, ROULETTE)
        keep &= weights > 0
    daughters = tuple(position[keep] for position in daughters)
    return TrackCombinations(event=tracks.event[daughters[0]], daughters=daughters, weight=weights[keep])


def _assigned(
    tracks: Tracks, identified: dict[str, Positions], candidate: Candidate, n_events: int
) -> tuple[Positions, ...]:
    """Return every assignment of tracks to the daughters of a candidate or of its charge conjugate, in their order.

    No track is used twice, and equal daughters are in the order of the tracks.
    """
    kinds = candidate.tracks
    conjugate = [(kind, not positive) for kind, positive in kinds]
    both = (False,) if sorted(conjugate) == sorted(kinds) else (False, True)
    found = []
    for reverse in both:
        chosen: tuple[Positions, ...] = ()
        for i, (kind, positive) in enumerate(kinds):
            of_kind = identified[kind]
            of_kind = of_kind[tracks.positive[of_kind] == (positive != reverse)]
            if not chosen:
                chosen = (of_kind,)
                continue
            row, last = _join(tracks.event, chosen[0], of_kind, n_events)
            chosen = (*(position[row] for position in chosen), last)
            allowed = np.ones(last.size, dtype=np.bool_)
            for j in range(i):
                allowed &= chosen[j] < last if kinds[j] == kinds[i] else chosen[j] != last
            chosen = tuple(position[allowed] for position in chosen)
        found.append(chosen)
    if len(found) == 1:
        return found[0]
    together = tuple(np.concatenate(positions) for positions in zip(*found, strict=True))
    order = np.lexsort(together[::-1])
    return tuple(position[order] for position in together)


def _join(event: Ints, first: Positions, second: Positions, n_events: int) -> tuple[Positions, Positions]:
    """Return every combination within an event of two lists of tracks, ordered by event: place in first, position."""
    n_second = np.bincount(event[second], minlength=n_events)
    start = np.cumsum(n_second) - n_second
    partners = n_second[event[first]]
    row = np.repeat(np.arange(first.size), partners)
    nth = np.arange(row.size) - np.repeat(np.cumsum(partners) - partners, partners)
    return row, second[start[event[first[row]]] + nth]


def photon_combinations(view: Ints, n_photons: int) -> Ints:
    """Return all combinations of `n_photons` clusters of the same view, shape (K, n_photons), ordered by view.

    Parameters
    ----------
    view
        View of each cluster, ordered, shape (C,).
    n_photons
        Clusters in a combination, at least 1; they keep the order in which they are given.

    Examples
    --------
    >>> photon_combinations(np.array([0, 0, 0, 1]), 2).tolist()
    [[0, 1], [0, 2], [1, 2]]
    """
    end = np.searchsorted(view, view, side="right")
    combinations = np.arange(view.size)[:, np.newaxis]
    for _ in range(n_photons - 1):
        last = combinations[:, -1]
        more = end[last] - last - 1
        nth = np.arange(more.sum()) - np.repeat(np.cumsum(more) - more, more)
        grown = np.repeat(combinations, more, axis=0)
        combinations = np.column_stack([grown, grown[:, -1] + 1 + nth])
    return combinations
