"""Photons that the calorimeter misses and the muon system sees: rates against binomials."""

import dataclasses

import numpy as np
import pytest

from bumphunt.kinematics.momenta import BEAMS
from bumphunt.montecarlo.detector.candidates import CANDIDATES
from bumphunt.montecarlo.detector.muon_system import MUON_SYSTEM_CLUSTERS
from bumphunt.montecarlo.detector.presets import BELLE2
from bumphunt.montecarlo.detector.reconstruction import reconstruct
from bumphunt.montecarlo.events import Events
from bumphunt.montecarlo.processes.photons import diphoton

# two photons well inside a calorimeter without gaps, that has nothing else to see
LOSS, SEEN = 0.2, 0.7
DETECTOR = dataclasses.replace(
    BELLE2, ecl_gaps=(), photon_loss=LOSS, muon_system_efficiency=SEEN, muon_system_noise=0.0, background_clusters=0.0
)


def photons(n, theta=(1.0, 2.0), energy=(4.0, 4.0)):
    """Return events of two photons at given angles in opposite azimuths."""
    e, angle = (np.broadcast_to(np.asarray(v), (n, 2)) for v in (energy, theta))
    p4 = np.stack([e, e * np.sin(angle) * np.array([1, -1]), np.zeros((n, 2)), e * np.cos(angle)], axis=-1)
    total = np.tile(BEAMS["belle2"].p4, (n, 1))
    return Events(pdgid=np.full((n, 2), 22, dtype=np.int32), p4=p4, weight=np.ones(n), beams_p4=total)


def columns(events, detector=DETECTOR, *, weighted=True, candidate="photon", seed=5):
    rng = np.random.default_rng(seed)
    return reconstruct(events, detector, candidate=CANDIDATES[candidate], rng=rng, weighted=weighted)


def alone(rows):
    """Return which rows are those of a photon without another."""
    return rows["totalEnergyOfParticlesInList(gamma:roe)"] == 0


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("efficiency", [0.0, SEEN, 1.0])
def test_one_lost_photon_is_seen_with_the_efficiency(weighted, efficiency):
    n = 40_000
    rows = columns(photons(n), dataclasses.replace(DETECTOR, muon_system_efficiency=efficiency), weighted=weighted)
    one, w = alone(rows), rows["__weight__"]
    lost = 2 * LOSS * (1 - LOSS)
    assert w[one].sum() / n == pytest.approx(lost, rel=0.03)
    for seen, share in ((1, efficiency), (0, 1 - efficiency)):
        found = w[one & (rows[MUON_SYSTEM_CLUSTERS] == seen)].sum() / n
        assert found == pytest.approx(lost * share, rel=0.04, abs=1e-12)
    assert np.all(rows[MUON_SYSTEM_CLUSTERS][~one] == 0)


def test_rare_misses_of_both_are_there_in_numbers():
    rows = columns(photons(4000), dataclasses.replace(DETECTOR, photon_loss=1e-3, muon_system_efficiency=0.999))
    unseen = alone(rows) & (rows[MUON_SYSTEM_CLUSTERS] == 0)
    assert np.count_nonzero(unseen) > 1500
    assert rows["__weight__"][unseen].sum() / 4000 == pytest.approx(2e-3 * 1e-3, rel=0.1)


@pytest.mark.parametrize(("theta", "counts"), [(1.5, True), (0.1, False)])
def test_photons_in_gaps_are_seen_and_those_beyond_the_ends_are_not(theta, counts):
    detector = dataclasses.replace(DETECTOR, ecl_gaps=((1.45, 1.55),), photon_loss=0.0, muon_system_efficiency=1.0)
    rows = columns(photons(200, theta=(1.0, theta)), detector)
    assert np.all(rows[MUON_SYSTEM_CLUSTERS] == counts)


def test_soft_photons_are_not_seen():
    detector = dataclasses.replace(DETECTOR, muon_system_efficiency=1.0, muon_system_energy_min=0.5)
    rows = columns(photons(2000, energy=(4.0, 0.3)), detector)
    hard = rows["daughter(0, E)"] > 1.0
    assert np.all(rows[MUON_SYSTEM_CLUSTERS][hard] == 0)


def test_noise_adds_its_mean():
    rows = columns(photons(20_000), dataclasses.replace(DETECTOR, photon_loss=0.0, muon_system_noise=0.3))
    assert rows[MUON_SYSTEM_CLUSTERS].mean() == pytest.approx(0.3, rel=0.05)


def test_weights_keep_the_visible_cross_section():
    events = diphoton.generate(20_000, beams=BEAMS["belle2"], rng=np.random.default_rng(6))
    detector = dataclasses.replace(BELLE2, photon_loss=0.05)
    blind = dataclasses.replace(detector, muon_system_efficiency=0.0)
    totals = [columns(events, d)["__weight__"].sum() for d in (detector, blind)]
    assert totals[0] == pytest.approx(totals[1], rel=0.01)


def test_candidates_with_leptons_have_no_such_column():
    rows = columns(photons(10), candidate="photon_dimuon")
    assert MUON_SYSTEM_CLUSTERS not in rows
