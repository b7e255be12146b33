"""Final states, and every way to make them."""

import itertools

import numpy as np
import pytest

from bumphunt.errors import InputError
from bumphunt.montecarlo.detector.candidates import CANDIDATES, Candidate, photon_combinations


def test_candidates_have_leptons_first():
    assert CANDIDATES["dimuon"] == Candidate(daughters=("mu+", "mu-"))
    assert CANDIDATES["photon_dielectron"].leptons == ("e", "e")
    assert CANDIDATES["emu"].leptons == ("e", "mu")
    assert CANDIDATES["photon"].leptons == ()
    assert [c.n_photons for c in CANDIDATES.values()] == [0, 0, 0, 1, 1, 1, 3]


@pytest.mark.parametrize(
    "daughters", [(), ("gamma", "mu+", "mu-"), ("mu+", "mu+"), ("mu-", "mu+"), ("e+", "mu-"), ("pi+", "pi-"), ("mu+",)]
)
def test_impossible_daughters_raise(daughters):
    with pytest.raises(InputError, match="they must be a pair"):
        Candidate(daughters=daughters)


@pytest.mark.parametrize("energy", [-0.1, float("nan")])
def test_impossible_threshold_raises(energy):
    with pytest.raises(InputError, match="photon_energy_min = "):
        Candidate(daughters=("gamma",), photon_energy_min=energy)


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
