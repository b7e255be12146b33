"""What a detector measures of particles, against closed formulas."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from bumphunt.constants import M_ELECTRON, M_MUON
from bumphunt.kinematics.momenta import four_momentum
from bumphunt.montecarlo.detector.candidates import CANDIDATES
from bumphunt.montecarlo.detector.measured import wrap
from bumphunt.montecarlo.detector.measurement import distance_of_closest_approach, energy_after_radiation, measure
from bumphunt.montecarlo.detector.photon_views import background_clusters
from bumphunt.montecarlo.detector.presets import BELLE2
from bumphunt.montecarlo.detector.reconstruction import reconstruct
from bumphunt.montecarlo.detector.response import in_ecl, photon_time_resolution
from bumphunt.montecarlo.events import Events


def particles(pdgid, p, theta, n, mass, vertex=None):
    """Return n events of one particle."""
    p4 = four_momentum(np.full(n, p), theta, 0.3, mass)[:, np.newaxis]
    return Events(
        pdgid=np.full((n, 1), pdgid, dtype=np.int32),
        p4=p4,
        weight=np.ones(n),
        beams_p4=np.tile([11.0, 0.0, 0.0, 3.0], (n, 1)),
        vertex=vertex,
    )


@pytest.mark.parametrize("thickness", [0.03, 0.5, 2.0])
def test_electrons_keep_a_fraction_of_mean_exp_minus_t(thickness):
    # the definition of the radiation length
    n = 200_000
    kept = energy_after_radiation(np.full(n, thickness), rng=np.random.default_rng(1))
    assert np.all((kept >= 0) & (kept <= 1))
    assert kept.mean() == pytest.approx(np.exp(-thickness), abs=5 * kept.std() / np.sqrt(n))
    # and the square of it: the density of the paper has moments (1 + k)^(-t / ln 2)
    assert np.mean(kept**2) == pytest.approx(3 ** (-thickness / np.log(2)), abs=5 * np.std(kept**2) / np.sqrt(n))


def test_electrons_radiate_and_their_clusters_do_not_lose_it():
    n, p, theta = 50_000, 3.0, np.radians(40)
    detector = dataclasses.replace(BELLE2, tracking_efficiency=1.0, radiation_lengths=0.1)
    tracks, _ = measure(particles(11, p, theta, n, M_ELECTRON), detector, np.random.default_rng(2))
    expected = np.exp(-0.1 / np.sin(theta))
    # those that keep too little to be tracked are few
    assert tracks.p.size > 0.98 * n
    assert tracks.p.sum() / n / p == pytest.approx(expected, abs=5 * tracks.p.std() / p / np.sqrt(n) + 1e-3)
    assert np.mean(tracks.cluster) == pytest.approx(p, rel=1e-3)
    assert np.std(tracks.cluster) / p == pytest.approx(np.hypot(0.016, 0.007 / np.sqrt(p)), rel=0.03)
    muons, _ = measure(particles(13, p, theta, n, M_MUON), detector, np.random.default_rng(3))
    assert np.mean(muons.p) == pytest.approx(p, rel=1e-3)


def test_distance_of_closest_approach_is_that_of_the_nearest_point_of_the_line():
    rng = np.random.default_rng(4)
    vertex = rng.normal(size=(50, 3)) * 10
    theta, phi = np.arccos(rng.uniform(-0.9, 0.9, 50)), rng.uniform(-np.pi, np.pi, 50)
    dr, dz = distance_of_closest_approach(vertex, theta, phi)
    step = np.linspace(-200, 200, 400_001)
    for i in range(50):
        x = vertex[i, 0] + step * np.sin(theta[i]) * np.cos(phi[i])
        y = vertex[i, 1] + step * np.sin(theta[i]) * np.sin(phi[i])
        nearest = np.argmin(np.hypot(x, y))
        assert abs(dr[i]) == pytest.approx(np.hypot(x, y)[nearest], abs=1e-3)
        assert dz[i] == pytest.approx(vertex[i, 2] + step[nearest] * np.cos(theta[i]), abs=3e-3)


def pair_from(vertex, n=2000):
    """Return n events of a muon pair that starts at a point [cm]."""
    momenta = [four_momentum(3.0, np.radians(60), 0.2, M_MUON), four_momentum(2.5, np.radians(80), -2.6, M_MUON)]
    return Events(
        pdgid=np.tile(np.array([-13, 13], dtype=np.int32), (n, 1)),
        p4=np.tile(momenta, (n, 1, 1)),
        weight=np.ones(n),
        beams_p4=np.tile([11.0, 0.0, 0.0, 3.0], (n, 1)),
        vertex=np.tile(np.asarray(vertex, dtype=float), (n, 2, 1)),
    )


def test_displaced_pair_misses_the_interaction_point():
    events = pair_from((0.0, 2.0, 1.0))
    rows = reconstruct(events, BELLE2, rng=np.random.default_rng(5))
    for i, (theta, phi) in enumerate(((np.radians(60), 0.2), (np.radians(80), -2.6))):
        assert np.mean(rows[f"daughter({i}, dr)"]) == pytest.approx(2.0 * abs(np.cos(phi)), abs=1e-3)
        assert np.mean(rows[f"daughter({i}, dz)"]) == pytest.approx(1.0 - 2.0 * np.sin(phi) / np.tan(theta), abs=5e-3)
        assert np.std(rows[f"daughter({i}, dz)"]) == pytest.approx(BELLE2.dz_resolution, rel=0.1)


def test_pair_that_starts_too_far_out_is_not_found():
    radius = BELLE2.tracking_radius_max
    near, far = (
        reconstruct(pair_from((x, 0, 0)), BELLE2, rng=np.random.default_rng(6)) for x in (0.9 * radius, 1.1 * radius)
    )
    assert near["__weight__"].size > 0
    assert far["__weight__"].size == 0


def test_photon_times_have_their_resolution():
    n = 40_000
    _, clusters = measure(particles(22, 0.5, 1.0, n, 0.0), BELLE2, np.random.default_rng(7))
    expected = photon_time_resolution(0.5, BELLE2)
    assert np.std(clusters.time) == pytest.approx(expected, rel=5 / np.sqrt(2 * n))
    assert abs(np.mean(clusters.time)) < 5 * expected / np.sqrt(n)


def test_background_clusters_have_the_stated_distributions():
    n, window = 20_000, 50.0
    detector = dataclasses.replace(BELLE2, background_clusters=8.0, ecl_gaps=((0.6, 1.0), (2.0, 2.3)))
    clusters = background_clusters(n, window, detector, rng=np.random.default_rng(8))
    mean = detector.background_clusters * window / detector.background_time_window
    count = np.bincount(clusters.event, minlength=n)
    assert count.mean() == pytest.approx(mean, abs=5 * np.sqrt(mean / n))
    assert count.var() == pytest.approx(mean, rel=5 * np.sqrt(2 / n + 1 / (n * mean)))
    energy = clusters.energy - detector.photon_energy_min
    assert stats.kstest(energy, stats.expon(scale=detector.background_energy).cdf).pvalue > 1e-3
    assert stats.kstest(clusters.time, stats.uniform(-window, 2 * window).cdf).pvalue > 1e-3
    assert np.all(in_ecl(clusters.theta, detector))
    low, high = np.cos(detector.ecl_theta)
    solid = np.array([low - np.cos(0.6), np.cos(1.0) - np.cos(2.0), np.cos(2.3) - high])
    parts = np.histogram(clusters.theta, bins=[0.0, 0.8, 2.1, 4.0])[0]
    assert stats.chisquare(parts, clusters.theta.size * solid / solid.sum()).pvalue > 1e-3
    middle = clusters.theta[(clusters.theta > 1.0) & (clusters.theta < 2.0)]
    width = np.cos(1.0) - np.cos(2.0)
    assert stats.kstest(np.cos(middle), stats.uniform(np.cos(2.0), width).cdf).pvalue > 1e-3


def test_no_events_have_no_background():
    assert background_clusters(0, 50.0, BELLE2, rng=np.random.default_rng(9)).energy.size == 0


def test_background_of_no_length_in_time_is_all_in_time():
    detector = dataclasses.replace(BELLE2, background_time_window=0.0, in_time_window=0.0, background_clusters=2.0)
    clusters = background_clusters(1000, 0.0, detector, rng=np.random.default_rng(10))
    assert clusters.energy.size == pytest.approx(2000, abs=5 * np.sqrt(2000))


def test_azimuths_are_wrapped():
    phi = np.array([-7.0, -np.pi, 0.0, 3.2, 10.0])
    assert np.all((wrap(phi) >= -np.pi) & (wrap(phi) < np.pi))
    np.testing.assert_allclose(np.exp(1j * wrap(phi)), np.exp(1j * phi))


def test_out_of_time_clusters_are_candidates_and_not_rest_of_the_event():
    n = 4000
    detector = dataclasses.replace(BELLE2, background_clusters=3.0, background_energy=0.3)
    events = particles(22, 3.0, 1.0, n, 0.0)
    rows = reconstruct(events, detector, candidate=CANDIDATES["photon"], rng=np.random.default_rng(11))
    assert np.max(np.abs(rows["daughter(0, clusterTiming)"])) > 190
    rest = rows["getVariableByRank(gamma:roe, E, clusterTiming, 1)"]
    assert np.nanmax(np.abs(rest)) <= detector.in_time_window
    real = rows["daughter(0, E)"] > 2.8
    weight = rows["__weight__"][real]
    in_time = detector.background_clusters * detector.in_time_window / detector.background_time_window
    expected = in_time * (detector.photon_energy_min + detector.background_energy)
    got = np.average(rows["totalEnergyOfParticlesInList(gamma:roe)"][real], weights=weight)
    assert got == pytest.approx(expected, rel=5 * np.sqrt(2 / (in_time * n)))
