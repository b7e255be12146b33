"""What a search reconstructs: a lepton pair, photons, or both; and every way to make it from what was measured.

| candidate | daughters | for |
|---|---|---|
| ``dimuon`` | mu+ mu- | `zprime-invisible` |
| ``dielectron`` | e+ e- | control samples |
| ``emu`` | e- mu+ and e+ mu- | `zprime-lfv` |
| ``photon_dimuon``, ``photon_dielectron`` | the pair, and a photon | `darkphoton-dilepton` |
| ``photon`` | a photon | `darkphoton-invisible` |
| ``three_photons`` | three photons | `alp-diphoton` |

Daughters are numbered as in basf2's ``daughter(i, ...)``: leptons first, then photons by falling energy. Of two leptons
of the same kind, 0 is the positive one; of an electron and a muon, 0 is the electron, of either charge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import InputError
from bumphunt.montecarlo.detector.detector import Detector
from bumphunt.montecarlo.detector.measurement import Tracks
from bumphunt.montecarlo.detector.response import electron_probability, muon_probability

__all__ = ["CANDIDATES", "ROULETTE", "Candidate", "Pairs", "lepton_pairs", "photon_combinations"]

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

ROULETTE = 0.1
"""Identification probability below which a weighted row is kept only with probability p / ROULETTE, weighing more."""
_LEPTONS = (("e+", "e-"), ("mu+", "mu-"), ("e-", "mu+"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A final state; charge conjugation is implied.

    Raises
    ------
    InputError
        If the daughters are not a known pair of leptons or none, followed by photons, or the threshold is negative.
    """

    daughters: tuple[str, ...]
    """Names of the daughters: ``("e+", "e-")``, ``("mu+", "mu-")``, ``("e-", "mu+")`` or none; then ``"gamma"`` s."""
    photon_energy_min: float = 0.0
    """Smallest laboratory energy of a photon of the candidate [GeV]."""

    def __post_init__(self) -> None:
        leptons = tuple(name for name in self.daughters if name != "gamma")
        photons = len(self.daughters) - len(leptons)
        ordered = self.daughters == (*leptons, *["gamma"] * photons)
        if not self.daughters or not ordered or leptons not in ((), *_LEPTONS):
            pairs = ", ".join(" ".join(pair) for pair in _LEPTONS)
            msg = f"daughters = {self.daughters}; they must be a pair ({pairs}) or none, then photons ('gamma')"
            raise InputError(msg)
        if not self.photon_energy_min >= 0:
            msg = f"photon_energy_min = {self.photon_energy_min} GeV; it must not be negative"
            raise InputError(msg)

    @property
    def leptons(self) -> tuple[str, ...]:
        """The kinds of daughters 0 and 1, ``"e"`` or ``"mu"``; empty if there are photons only."""
        return tuple(name[:-1] for name in self.daughters if name != "gamma")

    @property
    def n_photons(self) -> int:
        """Number of photons."""
        return self.daughters.count("gamma")


CANDIDATES: dict[str, Candidate] = {
    "dimuon": Candidate(daughters=("mu+", "mu-")),
    "dielectron": Candidate(daughters=("e+", "e-")),
    "emu": Candidate(daughters=("e-", "mu+")),
    # the searches ask for E* > 0.2 GeV, which is 0.12 GeV backward in BaBar
    "photon_dimuon": Candidate(daughters=("mu+", "mu-", "gamma"), photon_energy_min=0.1),
    "photon_dielectron": Candidate(daughters=("e+", "e-", "gamma"), photon_energy_min=0.1),
    # below the triggers
    "photon": Candidate(daughters=("gamma",), photon_energy_min=0.3),
    "three_photons": Candidate(daughters=("gamma", "gamma", "gamma"), photon_energy_min=0.15),
}
"""Candidates by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Pairs of tracks, arrays of shape (B,), ordered by event; without tracks, the events themselves."""

    event: Ints
    """Position of the event."""
    daughters: tuple[NDArray[np.intp], ...]
    """Positions of the tracks of daughter 0 and of daughter 1; empty if there are photons only."""
    weight: Array
    """Weight of the event [fb], times the probability of the identification where that is not decided."""


def lepton_pairs(
    tracks: Tracks, weight: Array, candidate: Candidate, detector: Detector, *, rng: np.random.Generator, weighted: bool
) -> Pairs:
    """Return the pairs of tracks that may be the leptons of a candidate, with positive weight.

    Parameters
    ----------
    tracks
        Tracks, ordered by event.
    weight
        Weights of the events [fb], shape (N,).
    candidate
        What is looked for; without leptons, every event is returned once, without tracks.
    detector
        The detector.
    rng
        Source of randomness.
    weighted
        Whether identification multiplies the weight, or is decided by hit or miss.
    """
    if not candidate.leptons:
        event = np.flatnonzero(weight > 0)
        return Pairs(event=event, daughters=(), weight=weight[event].astype(np.float64))
    probability = {}
    identified = {}
    for kind in dict.fromkeys(candidate.leptons):
        of_kind = electron_probability if kind == "e" else muon_probability
        probability[kind] = of_kind(tracks.p, tracks.pdgid, detector)
        seen = probability[kind] > 0 if weighted else rng.random(tracks.p.size) < probability[kind]
        identified[kind] = np.flatnonzero(seen)
    first_kind, second_kind = candidate.leptons
    first, second = identified[first_kind], identified[second_kind]
    if first_kind == second_kind:
        first, second = first[tracks.positive[first]], second[~tracks.positive[second]]
    first, second = _join(tracks.event, first, second, weight.size)
    opposite = tracks.positive[first] != tracks.positive[second]
    first, second = first[opposite], second[opposite]
    pair_weight = weight[tracks.event[first]].astype(np.float64)
    if weighted:
        both = probability[first_kind][first] * probability[second_kind][second]
        keep = rng.random(both.size) * ROULETTE < both
        pair_weight = pair_weight * np.maximum(both, ROULETTE)
    else:
        keep = np.ones(first.size, dtype=np.bool_)
    keep &= pair_weight > 0
    first, second = first[keep], second[keep]
    return Pairs(event=tracks.event[first], daughters=(first, second), weight=pair_weight[keep])


def _join(
    event: Ints, first: NDArray[np.intp], second: NDArray[np.intp], n_events: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return every combination within an event of two lists of positions, each ordered by event."""
    n_second = np.bincount(event[second], minlength=n_events)
    start = np.cumsum(n_second) - n_second
    partners = n_second[event[first]]
    pair_first = np.repeat(first, partners)
    nth = np.arange(pair_first.size) - np.repeat(np.cumsum(partners) - partners, partners)
    return pair_first, second[start[event[pair_first]] + nth]


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
