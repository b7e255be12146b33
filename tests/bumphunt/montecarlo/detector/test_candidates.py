"""Final states."""

import pytest

from bumphunt.errors import InputError
from bumphunt.montecarlo.detector.candidates import CANDIDATES, Candidate, find_candidate


def test_candidates_have_tracks_first():
    assert CANDIDATES["dimuon"] == Candidate(name="dimuon", daughters=("mu+", "mu-"))
    assert CANDIDATES["photon_dielectron"].tracks == (("e", True), ("e", False))
    assert CANDIDATES["emu"].kinds == ("e", "mu")
    assert CANDIDATES["photon"].tracks == ()
    assert [c.n_photons for c in CANDIDATES.values()] == [0, 0, 0, 1, 1, 1, 3]


@pytest.mark.parametrize("daughters", [(), ("gamma", "mu+", "mu-"), ("pi0", "pi-"), ("mu",), ("e+", "gamma", "e-")])
def test_impossible_daughters_raise(daughters):
    with pytest.raises(InputError, match="they must be tracks"):
        Candidate(name="mine", daughters=daughters)


def test_hadrons_are_tracks_by_basf2s_names():
    mine = Candidate(name="mine", daughters=("K+", "pi-", "anti-p-", "gamma"), vertices=((0, 1),))
    assert mine.tracks == (("K", True), ("pi", False), ("p", False))


@pytest.mark.parametrize("vertices", [((0,),), ((0, 0),), ((0, 2),), ((0, 1), (1,))])
def test_vertices_that_are_not_of_two_tracks_raise(vertices):
    with pytest.raises(InputError, match="each is of two or more of its 2 tracks"):
        Candidate(name="mine", daughters=("mu+", "mu-", "gamma"), vertices=vertices)


@pytest.mark.parametrize("energy", [-0.1, float("nan")])
def test_impossible_threshold_raises(energy):
    with pytest.raises(InputError, match="photon_energy_min = "):
        Candidate(name="mine", daughters=("gamma",), photon_energy_min=energy)


def test_a_candidate_of_ones_own_is_found_beside_the_shipped_ones():
    mine = Candidate(name="six_muons", daughters=("mu+", "mu-") * 3)
    assert find_candidate("six_muons", [mine]) is mine
    assert find_candidate("emu", [mine]) is CANDIDATES["emu"]
    with pytest.raises(InputError, match=r"'six_muon'.*six_muons"):
        find_candidate("six_muon", [mine])
    with pytest.raises(InputError, match="candidate 'emu' is there already"):
        find_candidate("dimuon", [Candidate(name="emu", daughters=("mu+",))])
