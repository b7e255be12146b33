"""What the detector does to events made by hand, against closed formulas."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from bumphunt.constants import M_ELECTRON, M_MUON
from bumphunt.kinematics.momenta import four_momentum
from bumphunt.montecarlo.detector.columns import photon_variable
from bumphunt.montecarlo.detector.presets import BELLE2
from bumphunt.montecarlo.detector.reconstruction import reconstruct
from bumphunt.montecarlo.detector.response import (
    angle_resolution,
    id_probability,
    transverse_momentum_resolution,
)
from bumphunt.montecarlo.events import Events

M_PION = 0.13957
QUANTITIES = ("p", "theta", "phi", "charge", "muonID", "clusterE", "dr", "dz")
ROE = "totalEnergyOfParticlesInList(gamma:roe)"
PERFECT_ID = dataclasses.replace(
    BELLE2, muon_efficiency=1.0, muon_turn_on=0.0, tracking_efficiency=1.0, background_clusters=0.0
)


def event(*particles, n=1, weight=1.0):
    """Return n copies of an event of particles (pdgid, p [GeV], theta [deg], phi [deg])."""
    mass = {11: M_ELECTRON, 13: M_MUON, 22: 0.0, 32: 1.0, 211: M_PION}
    pdgid = np.array([p[0] for p in particles], dtype=np.int32)
    p4 = np.stack(
        [four_momentum(p, np.radians(theta), np.radians(phi), mass[abs(i)]) for i, p, theta, phi in particles]
    )
    return Events(
        pdgid=np.tile(pdgid, (n, 1)),
        p4=np.tile(p4, (n, 1, 1)),
        weight=np.full(n, weight),
        beams_p4=np.tile(p4.sum(axis=0), (n, 1)),
    )


MUONS = ((-13, 3.0, 60.0, 10.0), (13, 2.5, 80.0, -150.0))


def test_all_columns_of_the_layout_are_there():
    rows = reconstruct(event(*MUONS, n=20), PERFECT_ID, rng=np.random.default_rng(1))
    names = {f"daughter({i}, {q})" for i in (0, 1) for q in QUANTITIES}
    names |= {photon_variable(q, r) for q in ("E", "theta", "phi") for r in (1, 2, 3)}
    names |= {"__event__", "__candidate__", "__ncandidates__", "__weight__", "nTracks", "L1PSNM(ffo)", ROE}
    assert rows.keys() == names
    assert {values.shape for values in rows.values()} == {(20,)}
    assert np.all(rows["daughter(0, charge)"] == 1)
    assert np.all(rows["daughter(1, charge)"] == -1)
    assert np.all(np.abs(rows["daughter(0, p)"] - 3.0) < 0.3)
    assert np.all(np.isnan(rows[photon_variable("E", 1)]))
    assert np.all(rows[ROE] == 0)


def test_no_candidate_gives_empty_columns_of_the_same_types():
    full = reconstruct(event(*MUONS), PERFECT_ID, rng=np.random.default_rng(1))
    none = reconstruct(event((13, 2.0, 60.0, 0.0), (22, 3.0, 90.0, 90.0)), PERFECT_ID, rng=np.random.default_rng(1))
    assert {k: (v.dtype, v.shape) for k, v in none.items()} == {k: (v.dtype, (0,)) for k, v in full.items()}


def test_track_resolution_is_the_stated_one():
    n = 40_000
    rows = reconstruct(event(*MUONS, n=n), PERFECT_ID, rng=np.random.default_rng(2))
    p, theta = rows["daughter(0, p)"].astype(float), rows["daughter(0, theta)"].astype(float)
    pt = p * np.sin(theta)
    true_pt = 3.0 * np.sin(np.radians(60))
    expected = transverse_momentum_resolution(true_pt, 3.0 / np.hypot(3.0, M_MUON), BELLE2)
    assert np.std(pt) / true_pt == pytest.approx(expected, rel=5 / np.sqrt(2 * n))
    assert np.mean(pt) == pytest.approx(true_pt, abs=5 * true_pt * expected / np.sqrt(n))
    assert np.std(theta) == pytest.approx(angle_resolution(3.0, BELLE2), rel=5 / np.sqrt(2 * n))
    phi = rows["daughter(1, phi)"].astype(float)
    sine = np.sin(np.radians(80))
    assert np.std(phi) == pytest.approx(angle_resolution(2.5, BELLE2) / sine, rel=5 / np.sqrt(2 * n))


@pytest.mark.parametrize(
    ("theta", "seen"), [(11.0, 0), (13.0, 1), (31.8, 0), (34.0, 1), (89.9, 1), (90.0, 0), (129.7, 0), (157.0, 0)]
)
def test_photon_in_a_gap_of_the_calorimeter_is_not_seen(theta, seen):
    detector = dataclasses.replace(PERFECT_ID, photon_loss=0.0)
    rows = reconstruct(event(*MUONS, (22, 2.0, theta, 90.0), n=100), detector, rng=np.random.default_rng(3))
    assert np.mean(np.isfinite(rows[photon_variable("E", 1)])) == seen


def test_photons_are_ranked_by_energy_and_summed():
    detector = dataclasses.replace(PERFECT_ID, photon_loss=0.0)
    photons = [(22, e, 95.0, phi) for e, phi in ((0.3, 0.0), (1.5, 40.0), (0.02, 80.0), (0.7, 90.0), (0.2, -90.0))]
    rows = reconstruct(event(*MUONS, *photons, n=50), detector, rng=np.random.default_rng(4))
    assert rows["__weight__"].size == 50
    for rank, (energy, phi) in enumerate(((1.5, 40.0), (0.7, 90.0), (0.3, 0.0)), start=1):
        assert np.allclose(rows[photon_variable("E", rank)], energy, rtol=0.15)
        assert np.allclose(np.degrees(rows[photon_variable("phi", rank)]), phi, atol=3)
    assert np.allclose(rows[ROE], 2.7, rtol=0.1)


@pytest.mark.parametrize("n_photons", [1, 4])
def test_photon_loss_by_weight_is_binomial(n_photons):
    loss, n = 0.3, 20_000
    detector = dataclasses.replace(PERFECT_ID, photon_loss=loss)
    photons = [(22, 1.0, 95.0, 30.0 * k) for k in range(n_photons)]
    rows = reconstruct(event(*MUONS, *photons, n=n), detector, rng=np.random.default_rng(5))
    seen = np.rint(rows[ROE]).astype(int)
    trigger = np.where(rows["L1PSNM(ffo)"] == 1, detector.trigger_efficiency, 1.0)
    weight = rows["__weight__"] / trigger / id_probability("mu", 3.0, 13, PERFECT_ID) ** 2 / n
    got = np.bincount(seen, weights=weight, minlength=n_photons + 1)
    expected = stats.binom.pmf(np.arange(n_photons + 1), n_photons, 1 - loss)
    assert got.sum() == pytest.approx(1, rel=1e-6)
    assert got == pytest.approx(expected, abs=5 * np.sqrt(0.25 / n))


def test_lost_photon_is_common_and_its_weight_small():
    n = 2000
    rows = reconstruct(event(*MUONS, (22, 3.0, 95.0, 90.0), n=n), PERFECT_ID, rng=np.random.default_rng(6))
    lost = np.isnan(rows[photon_variable("E", 1)])
    assert np.count_nonzero(lost) == n
    share = rows["__weight__"][lost].sum() / rows["__weight__"].sum()
    assert share == pytest.approx(PERFECT_ID.photon_loss, rel=1e-6)
    assert np.unique(rows["__event__"]).size == 2 * n  # the two readings are events of their own


def test_pion_fakes_by_weight_are_unbiased_and_few():
    n = 40_000
    pions = ((211, 3.0, 60.0, 10.0), (13, 2.5, 80.0, -150.0))
    rows = reconstruct(event(*pions, n=n), BELLE2, rng=np.random.default_rng(7))
    found = BELLE2.tracking_efficiency**2
    rate = float(id_probability("mu", 3.0, 211, BELLE2) * id_probability("mu", 2.5, 13, BELLE2))
    expected = n * found * rate * BELLE2.trigger_efficiency
    assert rows["__weight__"].sum() == pytest.approx(expected, rel=5 / np.sqrt(rows["__weight__"].size))
    assert rows["__weight__"].size < 0.5 * n


def test_weights_agree_with_hit_or_miss():
    n = 60_000
    particles = (*MUONS, (211, 1.2, 100.0, 60.0), (-211, 0.9, 45.0, -60.0), (22, 0.4, 70.0, 0.0), (22, 1.1, 110.0, 9.0))
    detector = dataclasses.replace(BELLE2, photon_loss=0.2, pion_to_muon=0.3)
    sums = []
    for weighted in (True, False):
        rows = reconstruct(event(*particles, n=n), detector, rng=np.random.default_rng(8), weighted=weighted)
        triggered = rows["L1PSNM(ffo)"] == 1
        photon = np.isfinite(rows[photon_variable("E", 2)])
        soft = rows["daughter(0, p)"] < 2
        values = [triggered, triggered & photon, triggered & ~photon, triggered & soft, triggered & ~soft]
        sums.append([np.sum(rows["__weight__"][v]) for v in values])
    assert sums[0] == pytest.approx(sums[1], abs=6 * np.sqrt(n) * 1.5)


def test_hit_or_miss_keeps_the_weight_of_the_event():
    rows = reconstruct(event(*MUONS, n=500, weight=7.0), BELLE2, rng=np.random.default_rng(9), weighted=False)
    assert np.all(rows["__weight__"] == 7.0)
    assert 0.8 * 500 < rows["__weight__"].size < 500  # muon identification, twice


@pytest.mark.parametrize(
    ("first", "second", "fires"),
    [
        ((60.0, 0.0), (80.0, 180.0), True),
        ((60.0, 0.0), (80.0, 80.0), False),  # too close in the transverse plane
        ((30.0, 0.0), (80.0, 180.0), False),  # forward of the trigger
        ((60.0, 0.0), (125.0, 180.0), False),  # backward of it
    ],
)
def test_trigger_bit_is_the_two_track_condition(first, second, fires):
    muons = ((-13, 3.0, *first), (13, 2.5, *second))
    rows = reconstruct(event(*muons, n=200), PERFECT_ID, rng=np.random.default_rng(10))
    assert np.all(rows["L1PSNM(ffo)"] == fires)
    identified = id_probability("mu", 3.0, 13, PERFECT_ID) * id_probability("mu", 2.5, 13, PERFECT_ID)
    efficiency = PERFECT_ID.trigger_efficiency if fires else 1.0
    assert rows["__weight__"].mean() == pytest.approx(identified * efficiency, rel=2e-3)


def test_every_opposite_pair_is_a_candidate_and_all_tracks_count():
    particles = (*MUONS, (-13, 1.5, 100.0, 90.0), (13, 1.4, 45.0, -90.0), (11, 1.0, 90.0, 0.0))
    rows = reconstruct(event(*particles, n=30), PERFECT_ID, rng=np.random.default_rng(11))
    assert rows["__weight__"].size == 4 * 30
    assert np.all(rows["__ncandidates__"] == 4)
    assert rows["__candidate__"].reshape(30, 4).tolist() == [[0, 1, 2, 3]] * 30
    assert np.all(rows["nTracks"] == 5)
    momenta = {(round(p), round(q, 1)) for p, q in zip(rows["daughter(0, p)"], rows["daughter(1, p)"], strict=True)}
    assert len(momenta) >= 4


def test_electron_below_the_tracking_acceptance_is_a_cluster():
    particles = (*MUONS, (11, 5.0, 14.5, 30.0))
    rows = reconstruct(event(*particles, n=50), PERFECT_ID, rng=np.random.default_rng(12), weighted=False)
    assert np.all(rows["nTracks"] == 2)
    assert np.mean(np.isclose(rows[photon_variable("E", 1)], 5.0, rtol=0.15)) > 0.9


def test_muons_leave_little_and_hadrons_much_in_the_calorimeter():
    detector = dataclasses.replace(PERFECT_ID, pion_to_muon=1.0)
    particles = ((-13, 3.0, 60.0, 10.0), (-211, 3.0, 80.0, -150.0))
    rows = reconstruct(event(*particles, n=4000), detector, rng=np.random.default_rng(13))
    assert np.mean(rows["daughter(0, clusterE)"] < 0.4) > 0.98
    expected = detector.shower_probability * (1 - (0.4 - detector.mip_energy) / 3.0)
    assert np.mean(rows["daughter(1, clusterE)"] > 0.4) == pytest.approx(expected, abs=0.05)


def test_same_seed_gives_the_same_rows_and_another_does_not():
    first, second, third = (
        reconstruct(event(*MUONS, n=10), BELLE2, rng=np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert all(np.array_equal(first[k], second[k], equal_nan=True) for k in first)
    assert not np.array_equal(first["daughter(0, p)"][:3], third["daughter(0, p)"][:3])
