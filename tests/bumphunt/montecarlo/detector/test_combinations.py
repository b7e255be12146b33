"""Every way to make a candidate, against those of itertools."""

import itertools

import numpy as np
import pytest

from bumphunt.montecarlo.detector.candidates import Candidate
from bumphunt.montecarlo.detector.combinations import photon_combinations, track_combinations
from bumphunt.montecarlo.detector.measured import Tracks
from bumphunt.montecarlo.detector.presets import preset

SIZES = [3, 0, 6, 2, 5]
# every lepton may be taken for either kind, without roulette
DETECTOR = preset("belle2", muon_efficiency=1.0, electron_efficiency=1.0, muon_to_electron=0.9, electron_to_muon=0.9)


def tracks(seed):
    """Return electrons and muons of either charge, far above the turn-on of the identification."""
    rng = np.random.default_rng(seed)
    event = np.repeat(np.arange(len(SIZES)), SIZES)
    n, some = event.size, np.ones(event.size)
    positive = rng.random(n) < 0.5
    return Tracks(
        event=event, pdgid=rng.choice([11, 13], n) * np.where(positive, -1, 1), positive=positive, p=4 * some,
        theta=some, phi=some, cluster=some, dr=some, dz=some,
    )  # fmt: skip


def assignments(found, daughters):
    """Return all assignments of different tracks to the daughters by charge, equal daughters in order."""
    made = set()
    for event in range(len(SIZES)):
        for chosen in itertools.permutations(np.flatnonzero(found.event == event).tolist(), len(daughters)):
            if all(found.positive[i] == (name[-1] == "+") for i, name in zip(chosen, daughters, strict=True)):
                places = {
                    name: iter(sorted(i for i, other in zip(chosen, daughters, strict=True) if other == name))
                    for name in daughters
                }
                made.add(tuple(next(places[name]) for name in daughters))
    return made


@pytest.mark.parametrize(
    "daughters",
    [("mu+", "mu-"), ("e-", "mu+"), ("mu+",), ("mu+", "mu+"), ("mu+", "mu-", "mu+", "mu-"), ("e+", "mu+", "mu-")],
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_tracks_are_assigned_in_every_way_and_none_twice(daughters, seed):
    found, candidate = tracks(seed), Candidate(name="mine", daughters=daughters)
    made = track_combinations(
        found, np.ones(len(SIZES)), candidate, DETECTOR, rng=np.random.default_rng(1), weighted=True
    )
    conjugate = tuple(name[:-1] + ("-" if name[-1] == "+" else "+") for name in daughters)
    expected = assignments(found, daughters)
    if sorted(daughters) != sorted(conjugate):
        expected |= assignments(found, conjugate)
    assert list(zip(*(position.tolist() for position in made.daughters), strict=True)) == sorted(expected)
    np.testing.assert_array_equal(made.event, found.event[made.daughters[0]])
    wanted = np.array([11 if name[0] == "e" else 13 for name in daughters])
    genuine = np.abs(found.pdgid[np.array(made.daughters)]) == wanted[:, np.newaxis]
    np.testing.assert_allclose(made.weight, np.prod(np.where(genuine, 1.0, 0.9), axis=0), rtol=1e-9)


@pytest.mark.parametrize("n_photons", [1, 2, 3])
def test_combinations_are_those_of_itertools(n_photons):
    sizes = [0, 1, 5, 2, 3, 0]
    view = np.repeat(np.arange(len(sizes)), sizes)
    expected = [
        list(combination)
        for v in range(len(sizes))
        for combination in itertools.combinations(np.flatnonzero(view == v).tolist(), n_photons)
    ]
    assert photon_combinations(view, n_photons).tolist() == expected


def test_no_clusters_have_no_combinations():
    assert photon_combinations(np.empty(0, dtype=np.int64), 3).shape == (0, 3)
