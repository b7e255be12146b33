"""Trigger lines on clusters made by hand."""

import dataclasses

import numpy as np
import pytest

from bumphunt.kinematics.momenta import BEAMS, boost, four_momentum
from bumphunt.montecarlo.detector.measured import Clusters
from bumphunt.montecarlo.detector.presets import BABAR, BELLE2
from bumphunt.montecarlo.detector.trigger_lines import (
    BABAR_SINGLE_PHOTON,
    ENERGY_TRIGGER,
    HLT_SINGLE_PHOTON,
    L1_SINGLE_PHOTON_1GEV,
    L1_SINGLE_PHOTON_2GEV,
)
from bumphunt.montecarlo.detector.triggers import calorimeter_triggers

RNG = np.random.default_rng(1)


def decisions(events, detector=BELLE2, beams=None, times=None):
    """Return the lines of each event of clusters (E* [GeV], theta* or theta [deg], phi [deg])."""
    rows = [(i, *cluster) for i, event in enumerate(events) for cluster in event]
    index, energy, theta, phi = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    theta, phi = np.radians(theta), np.radians(phi)
    total = np.tile([10.58, 0.0, 0.0, 0.0] if beams is None else beams.p4, (len(events), 1))
    if beams is not None:
        p4 = boost(four_momentum(energy, theta, phi, 0.0), beams.velocity)
        energy, theta = p4[:, 0], np.arctan2(np.hypot(p4[:, 1], p4[:, 2]), p4[:, 3])
        phi = np.arctan2(p4[:, 2], p4[:, 1])
    clusters = Clusters(
        event=index.astype(np.int64),
        energy=energy,
        theta=theta,
        phi=phi,
        time=np.zeros(energy.size) if times is None else np.array(times),
    )
    fired = calorimeter_triggers(clusters, total, detector, rng=RNG)
    return {name: decision.tolist() for name, decision in fired.items()}


def test_one_gev_line_wants_no_other_cluster():
    events = [
        [(1.1, 80, 0)],
        [(0.9, 80, 0)],
        [(1.1, 80, 0), (0.29, 60, 90)],
        [(1.1, 80, 0), (0.31, 60, 90)],
        [(1.1, 80, 0), (1.1, 60, 90)],
        [(1.1, 80, 0), (0.2, 60, 90), (0.2, 60, -90)],
    ]
    assert decisions(events)[L1_SINGLE_PHOTON_1GEV] == [True, False, True, False, False, True]


def test_two_gev_line_rejects_bhabha_events_and_photon_pairs():
    events = [
        [(2.1, 80, 0)],
        [(1.9, 80, 0)],
        [(5.0, 80, 0), (5.0, 100, 180)],
        [(5.0, 80, 0), (5.0, 100, 180), (0.3, 30, 0)],
        [(5.0, 80, 0), (2.9, 100, 180)],
        [(5.0, 80, 0), (4.0, 100, 130)],
        [(0.3, 30, 0), (3.5, 90, 0), (4.0, 91, 179), (3.1, 40, 50)],
    ]
    assert decisions(events)[L1_SINGLE_PHOTON_2GEV] == [True, False, False, False, True, True, False]


@pytest.mark.parametrize("beams", [BEAMS["belle2"], BEAMS["babar"]])
def test_energies_and_angles_of_the_lines_are_those_of_the_centre_of_mass(beams):
    # back to back there and not in the laboratory; just above and below the threshold for every direction
    directions = [(40.0, 10.0), (90.0, 100.0), (100.0, -60.0)]
    pairs = [[(4.0, theta, phi), (4.0, 180 - theta, phi + 180)] for theta, phi in directions]
    wide = dataclasses.replace(BELLE2, veto_opening=np.radians(179))
    assert decisions(pairs, wide, beams)[L1_SINGLE_PHOTON_2GEV] == [False] * 3
    bent = [[(4.0, theta, phi), (4.0, 180 - theta, phi + 175)] for theta, phi in directions]
    assert decisions(bent, wide, beams)[L1_SINGLE_PHOTON_2GEV] == [True] * 3
    edge = [[(energy, theta, phi)] for theta, phi in directions for energy in (1.001, 0.999)]
    assert decisions(edge, BELLE2, beams)[L1_SINGLE_PHOTON_1GEV] == [True, False] * 3


def test_high_level_thresholds_depend_on_the_angle():
    thetas = [50.0, 43.0, 99.0, 31.0, 129.0, 29.0, 131.0]
    thresholds = [0.5, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0]
    events = [[(t * f, theta, 0)] for theta, t in zip(thetas, thresholds, strict=True) for f in (0.99, 1.01)]
    assert decisions(events)[HLT_SINGLE_PHOTON] == [False, True] * len(thetas)


def test_babar_wants_one_and_a_half_gev():
    events = [[(1.49, 60, 0)], [(1.51, 60, 0)], [(1.51, 60, 0), (1.0, 90, 90)]]
    assert decisions(events, BABAR, BEAMS["babar"])[BABAR_SINGLE_PHOTON] == [False, True, True]


def test_energy_trigger_sums_what_is_in_time():
    events = [[(0.6, 80, 0), (0.6, 80, 90)], [(0.9, 80, 0)], [(0.6, 80, 0), (0.6, 80, 90)]]
    fired = decisions(events, times=[0, 0, 0, 0, BELLE2.in_time_window + 1])
    assert fired[ENERGY_TRIGGER] == [True, False, False]


def test_line_has_an_efficiency():
    line = dataclasses.replace(BABAR.photon_triggers[0], efficiency=0.7)
    detector = dataclasses.replace(BABAR, photon_triggers=(line,))
    fired = decisions([[(2.0, 60, 0)]] * 4000, detector)[BABAR_SINGLE_PHOTON]
    assert np.mean(fired) == pytest.approx(0.7, abs=5 * np.sqrt(0.21 / 4000))


def test_no_clusters_fire_nothing():
    nothing = np.empty(0)
    clusters = Clusters(event=nothing.astype(np.int64), energy=nothing, theta=nothing, phi=nothing, time=nothing)
    fired = calorimeter_triggers(clusters, np.tile(BEAMS["belle2"].p4, (3, 1)), BELLE2, rng=RNG)
    assert not np.any(list(fired.values()))
    assert {decision.shape for decision in fired.values()} == {(3,)}
