"""Candidates other than muon pairs: their columns, combinations, rest of the event, weights and triggers."""

import dataclasses
import itertools

import numpy as np
import pytest
from scipy import stats

from bumphunt.constants import M_ELECTRON, M_MUON
from bumphunt.kinematics.momenta import four_momentum
from bumphunt.montecarlo.detector.candidates import CANDIDATES, Candidate
from bumphunt.montecarlo.detector.columns import photon_variable
from bumphunt.montecarlo.detector.muon_system import MUON_SYSTEM_CLUSTERS
from bumphunt.montecarlo.detector.presets import BABAR, BELLE2
from bumphunt.montecarlo.detector.reconstruction import reconstruct
from bumphunt.montecarlo.detector.response import id_probability
from bumphunt.montecarlo.detector.trigger_lines import (
    BABAR_SINGLE_PHOTON,
    ENERGY_TRIGGER,
    HLT_SINGLE_PHOTON,
    L1_SINGLE_PHOTON_1GEV,
    L1_SINGLE_PHOTON_2GEV,
    TRACK_TRIGGER,
)
from bumphunt.montecarlo.events import Events

MASSES = {11: M_ELECTRON, 13: M_MUON, 22: 0.0, 32: 1.0, 211: 0.13957}
ROE = "totalEnergyOfParticlesInList(gamma:roe)"
# the muon system has its own tests: where it may see a photon or not, weights are spread
QUIET = dataclasses.replace(
    BELLE2, tracking_efficiency=1.0, background_clusters=0.0, photon_loss=0.0, muon_system_efficiency=0.0
)
LINES = (L1_SINGLE_PHOTON_1GEV, L1_SINGLE_PHOTON_2GEV, HLT_SINGLE_PHOTON)


def event(*particles, n=1):
    """Return n copies of an event of particles (pdgid, p [GeV], theta [deg], phi [deg]) from beams at rest."""
    p4 = [four_momentum(p, np.radians(theta), np.radians(phi), MASSES[abs(i)]) for i, p, theta, phi in particles]
    return Events(
        pdgid=np.tile(np.array([p[0] for p in particles], dtype=np.int32), (n, 1)),
        p4=np.tile(p4, (n, 1, 1)),
        weight=np.ones(n),
        beams_p4=np.tile([10.58, 0.0, 0.0, 0.0], (n, 1)),
    )


def rows_of(name, events, detector=QUIET, seed=1, weighted=True):
    return reconstruct(events, detector, candidate=CANDIDATES[name], rng=np.random.default_rng(seed), weighted=weighted)


PAIR = ((-11, 3.0, 60.0, 10.0), (11, 2.5, 80.0, -150.0))


@pytest.mark.parametrize("name", CANDIDATES)
@pytest.mark.parametrize("detector", [BELLE2, BABAR])
def test_columns_of_a_candidate_are_its_own(name, detector):
    candidate = CANDIDATES[name]
    quantities = ["p", "theta", "phi", "charge", "muonID", "clusterE", "dr", "dz"]
    if "e" in candidate.kinds:
        quantities.append("electronID")
    expected = {f"daughter({i}, {q})" for i in range(len(candidate.kinds)) for q in quantities}
    of_photon = ["E", "theta", "phi"] + ["clusterTiming"] * (candidate.n_photons > 0)
    expected |= {photon_variable(q, rank) for q in of_photon for rank in (1, 2, 3)}
    for k in range(candidate.n_photons):
        expected |= {f"daughter({len(candidate.kinds) + k}, {q})" for q in of_photon}
    expected |= {"__event__", "__candidate__", "__ncandidates__", "__weight__", "nTracks", ROE}
    if candidate.kinds:
        expected.add(TRACK_TRIGGER)
    if candidate.n_photons:
        expected |= {ENERGY_TRIGGER, *(line.name for line in detector.photon_triggers)}
    if not candidate.kinds:
        expected.add(MUON_SYSTEM_CLUSTERS)
    full = rows_of(name, event(*PAIR, (-13, 1.0, 95.0, 80.0), *[(22, 1.0, 70.0, 40.0 * k) for k in range(3)]), detector)
    empty = rows_of(name, event((32, 1.0, 60.0, 0.0)), detector)
    assert full.keys() == empty.keys() == expected
    assert {k: v.dtype for k, v in full.items()} == {k: v.dtype for k, v in empty.items()}
    assert {v.shape for v in empty.values()} == {(0,)}


def test_lines_of_belle2_are_named():
    assert tuple(line.name for line in BELLE2.photon_triggers) == LINES
    assert tuple(line.name for line in BABAR.photon_triggers) == (BABAR_SINGLE_PHOTON,)


@pytest.mark.parametrize("sign", [1, -1])
def test_first_daughter_of_an_electron_and_a_muon_is_the_electron(sign):
    rows = rows_of("emu", event((11 * sign, 3.0, 60.0, 10.0), (-13 * sign, 2.5, 80.0, -150.0), n=200))
    assert rows["__weight__"].size >= 195  # all but electrons that lost most of their energy
    assert np.all(rows["daughter(0, charge)"] == -sign)
    assert np.all(rows["daughter(1, charge)"] == sign)
    assert np.median(rows["daughter(0, clusterE)"]) == pytest.approx(3.0, rel=0.02)
    assert np.median(rows["daughter(1, clusterE)"]) < 0.3
    assert np.all(rows["daughter(0, electronID)"] > 0.5)
    assert np.all(rows["daughter(0, muonID)"] < 0.5)
    assert np.all(rows["daughter(1, muonID)"] > 0.5)
    assert np.all(rows["daughter(1, electronID)"] < 0.5)
    probability = id_probability("e", rows["daughter(0, p)"], 11, QUIET) * id_probability("mu", 2.5, 13, QUIET)
    assert rows["__weight__"] == pytest.approx(probability * QUIET.trigger_efficiency, rel=1e-2)


def test_same_charges_are_no_candidate():
    assert rows_of("emu", event((11, 3.0, 60.0, 10.0), (13, 2.5, 80.0, -150.0), n=50))["__weight__"].size == 0
    assert rows_of("dielectron", event((11, 3.0, 60.0, 10.0), (11, 2.5, 80.0, 9.0), n=50))["__weight__"].size == 0


def test_muon_taken_for_an_electron_by_weight_is_unbiased_and_looks_like_one():
    n = 40_000
    detector = dataclasses.replace(QUIET, muon_to_electron=0.02)
    rows = rows_of("emu", event((-13, 3.0, 60.0, 10.0), (13, 2.5, 80.0, -150.0), n=n), detector)
    fake, muon = (
        id_probability("e", [3.0, 2.5], 13, detector),
        id_probability("mu", [3.0, 2.5], 13, detector),
    )
    expected = n * detector.trigger_efficiency * (fake[0] * muon[1] + fake[1] * muon[0])
    assert rows["__weight__"].sum() == pytest.approx(expected, rel=5 / np.sqrt(rows["__weight__"].size))
    ratio = rows["daughter(0, clusterE)"] / rows["daughter(0, p)"]
    assert stats.kstest(ratio, stats.uniform(0.8, 0.2).cdf).pvalue > 1e-3


def test_photon_below_the_threshold_of_the_candidate_is_rest_of_the_event():
    rows = rows_of("photon", event((22, 2.0, 80.0, 0.0), (22, 0.2, 60.0, 90.0), n=50))
    assert rows["__weight__"].size == 50
    assert np.allclose(rows["daughter(0, E)"], 2.0, rtol=0.1)
    assert np.allclose(rows[photon_variable("E", 1)], 0.2, rtol=0.15)
    assert np.all(np.isnan(rows[photon_variable("E", 2)]))
    assert np.allclose(rows[ROE], 0.2, rtol=0.15)
    assert np.all(rows["nTracks"] == 0)


def test_rest_of_the_event_has_every_photon_but_those_of_the_candidate():
    energies = (2.6, 1.9, 1.3, 0.9, 0.6)
    rows = rows_of("three_photons", event(*((22, e, 75.0, 60.0 * k) for k, e in enumerate(energies)), n=30))
    triples = list(itertools.combinations(energies, 3))
    assert rows["__weight__"].size == 30 * len(triples)
    assert np.all(rows["__ncandidates__"] == len(triples))
    nearest = np.array(energies)
    found = set()
    for r in range(rows["__weight__"].size):
        daughters = [rows[f"daughter({k}, E)"][r] for k in range(3)]
        rest = [rows[photon_variable("E", k)][r] for k in (1, 2, 3)]
        assert np.isnan(rest[2])
        used = tuple(nearest[np.argmin(np.abs(nearest - e))] for e in daughters)
        left = tuple(nearest[np.argmin(np.abs(nearest - e))] for e in rest[:2])
        assert used == tuple(sorted(used, reverse=True))
        assert left == tuple(e for e in energies if e not in used)
        assert rows[ROE][r] == pytest.approx(sum(rest[:2]), rel=1e-6)
        found.add(used)
    assert found == set(triples)


def test_photon_pair_with_one_lost_is_common_and_its_weight_small():
    n, loss = 4000, 0.01
    detector = dataclasses.replace(QUIET, photon_loss=loss)
    rows = rows_of("photon", event((22, 5.0, 80.0, 0.0), (22, 5.0, 100.0, 180.0), n=n), detector)
    alone = np.isnan(rows[photon_variable("E", 1)])
    assert np.count_nonzero(alone) > 0.9 * n
    # of two photons exactly one is lost
    assert rows["__weight__"][alone].sum() / n == pytest.approx(2 * loss * (1 - loss), rel=5 * loss / np.sqrt(n) + 1e-3)
    assert rows["__weight__"][~alone].sum() / n == pytest.approx(2 * (1 - loss) ** 2, rel=1e-6)
    # then the event is no photon pair for the trigger
    assert np.all(rows[L1_SINGLE_PHOTON_2GEV][alone] == 1)
    assert np.all(rows[L1_SINGLE_PHOTON_2GEV][~alone] == 0)


def test_photon_pair_with_one_in_a_gap_is_a_single_photon():
    rows = rows_of("photon", event((22, 5.0, 50.0, 0.0), (22, 5.0, 130.0, 180.0), n=20))
    assert np.all(np.isnan(rows[photon_variable("E", 1)]))
    assert np.all(rows[L1_SINGLE_PHOTON_2GEV] == 1)
    assert np.all(rows[L1_SINGLE_PHOTON_1GEV] == 1)
    assert np.all(rows[HLT_SINGLE_PHOTON] == 1)


def test_clusters_of_tracks_are_seen_by_the_photon_lines():
    # a Bhabha event with a photon: the electrons are the pair, and other clusters above 0.3 GeV
    events = event((-11, 4.5, 60.0, 0.0), (11, 4.5, 120.0, 180.0), (22, 1.5, 90.0, 90.0 + 5), n=50)
    rows = rows_of("photon", events, dataclasses.replace(QUIET, radiation_lengths=0.0))
    assert np.all(rows["nTracks"] == 2)
    assert np.all(rows[L1_SINGLE_PHOTON_1GEV] == 0)
    assert np.all(rows[L1_SINGLE_PHOTON_2GEV] == 0)


MIXED = {
    "photon": ((22, 5.0, 80.0, 0.0), (22, 4.0, 100.0, 180.0), (22, 0.5, 40.0, 90.0)),
    "photon_dielectron": (*PAIR, (22, 2.0, 95.0, 100.0), (211, 1.2, 100.0, 60.0), (22, 0.3, 60.0, -60.0)),
    "photon_dimuon": ((-13, 3.0, 60.0, 10.0), (13, 2.5, 80.0, -150.0), (22, 2.0, 95.0, 100.0)),
    "three_photons": tuple((22, 2.0, 80.0, 90.0 * k) for k in range(4)),
    "emu": ((-11, 3.0, 60.0, 10.0), (13, 2.5, 80.0, -150.0), (-13, 1.2, 100.0, 60.0), (22, 0.5, 95.0, 0.0)),
}


@pytest.mark.parametrize("name", MIXED)
def test_weights_agree_with_hit_or_miss(name):
    n = 20_000
    detector = dataclasses.replace(
        BELLE2, photon_loss=0.2, muon_to_electron=0.2, pion_to_electron=0.3, muon_system_efficiency=0.0
    )
    means, errors = [], []
    for weighted in (True, False):
        rows = rows_of(name, event(*MIXED[name], n=n), detector, seed=8, weighted=weighted)
        # the efficiency of the track trigger is in the weights of those that fire
        fired = rows[TRACK_TRIGGER] == 1 if name == "emu" else np.ones(rows[ROE].size, dtype=bool)
        conditions = [fired, np.isfinite(rows[photon_variable("E", 1)]), rows[ROE] > 1]
        conditions += [rows[column] == 1 for column in rows if column.startswith(("L1", "Soft"))]
        per_event = [
            np.bincount(rows["__event__"] // 2, weights=rows["__weight__"] * (fired & condition), minlength=n)
            for condition in conditions
        ]
        means.append(np.mean(per_event, axis=1))
        errors.append(np.std(per_event, axis=1) / np.sqrt(n))
    assert np.all(np.abs(means[0] - means[1]) < 4.5 * np.hypot(*errors) + 1e-9)
    assert np.all(errors[0] <= errors[1])  # what weights are for


def test_track_trigger_beside_other_lines_is_drawn():
    n = 20_000
    rows = rows_of("photon_dimuon", event(*MIXED["photon_dimuon"], n=n))
    weight = id_probability("mu", 3.0, 13, QUIET) * id_probability("mu", 2.5, 13, QUIET)
    assert rows["__weight__"] == pytest.approx(float(weight), rel=1e-2)
    efficiency = QUIET.trigger_efficiency
    spread = np.sqrt(efficiency * (1 - efficiency) / n)
    assert np.mean(rows[TRACK_TRIGGER]) == pytest.approx(efficiency, abs=5 * spread)


def test_any_number_of_tracks_and_photons_makes_a_candidate():
    muons = ((-13, 2.0, 60.0, 10.0), (13, 1.8, 80.0, -150.0), (-13, 1.5, 100.0, 100.0), (13, 1.3, 95.0, -60.0))
    candidate = Candidate(name="four_muons", daughters=("mu+", "mu-", "mu+", "mu-", "gamma"), photon_energy_min=0.5)
    rows = reconstruct(
        event(*muons, (22, 1.0, 70.0, 0.0), n=50), QUIET, candidate=candidate, rng=np.random.default_rng(1)
    )
    assert rows["__weight__"].size == 50
    assert np.all(rows["nTracks"] == 4)
    for i, (pdgid, p, *_) in enumerate(muons):
        assert np.median(rows[f"daughter({i}, p)"]) == pytest.approx(p, rel=0.01)
        assert np.all(rows[f"daughter({i}, charge)"] == -np.sign(pdgid))
    assert np.median(rows["daughter(4, E)"]) == pytest.approx(1.0, rel=0.02)
    probability = np.prod([id_probability("mu", p, 13, QUIET) for _, p, *_ in muons])
    assert rows["__weight__"] == pytest.approx(probability, rel=1e-2)
    assert 0.5 < np.mean(rows[TRACK_TRIGGER]) < 1.0  # any two of them may fire it
