"""The signal generator against a table of cross sections, and its kinematics."""

import numpy as np
import pytest

from bumphunt.constants import M_MUON
from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import BEAMS, Beams, boost, mass_squared, momentum
from bumphunt.montecarlo.processes.signals import mumu_zprime
from bumphunt.theory import zprime

SYMMETRIC = Beams(electron_energy=5.29, positron_energy=5.29)
BELLE2 = BEAMS["belle2"]
N = 100_000
# sigma [fb] at g' = 0.1, sqrt(s) = 10.58 GeV, alpha(0), no radiation: an independent calculation
TABLE = {0.1: 5677.64, 0.5: 2023.63, 2.0: 346.613, 4.0: 54.3924, 6.0: 6.63235, 8.0: 0.308109, 9.5: 3.19777e-3}


@pytest.mark.parametrize(("mass", "expected"), TABLE.items())
def test_cross_section_without_radiation_is_that_of_the_table(mass, expected):
    rng = np.random.default_rng(30)
    weight = mumu_zprime.generate(N, beams=SYMMETRIC, rng=rng, mass=mass, radiation=False).weight
    assert weight.std() / np.sqrt(N) < 0.0025 * expected
    assert weight.mean() == pytest.approx(expected, rel=0.01)
    assert weight.mean() == pytest.approx(expected, abs=4 * weight.std() / np.sqrt(N))
    assert weight.max() < 15 * expected


@pytest.mark.parametrize("mass", [0.1, 0.5, 2.0, 4.0, 6.0, 8.0])
def test_cross_section_with_radiation_is_the_folded_one(mass):
    rng = np.random.default_rng(31)
    weight = mumu_zprime.generate(2 * N, beams=BELLE2, rng=rng, mass=mass, coupling=0.03).weight
    expected = zprime.cross_section(mass, coupling=0.03, sqrt_s=BELLE2.sqrt_s)
    error = weight.std() / np.sqrt(2 * N)
    assert error < 0.005 * expected
    assert weight.mean() == pytest.approx(expected, abs=min(4 * error, 0.01 * expected))


@pytest.mark.parametrize("mass", [0.01, 1.0, 9.0])
@pytest.mark.parametrize("radiation", [True, False])
def test_momentum_is_conserved_and_every_particle_on_its_mass_shell(mass, radiation):
    rng = np.random.default_rng(32)
    events = mumu_zprime.generate(5000, beams=BELLE2, rng=rng, mass=mass, radiation=radiation)
    used = events.weight > 0
    difference = np.abs(events.p4.sum(axis=1) - events.beams_p4)[used]
    assert difference.max() < 1e-9 * events.beams_p4[:, 0].min()
    square = mass_squared(events.p4)[used]
    np.testing.assert_allclose(square[:, :2], M_MUON**2, atol=1e-9)
    np.testing.assert_allclose(square[:, 2], mass**2, atol=1e-9)
    np.testing.assert_allclose(square[:, 3:], 0.0, atol=1e-9)
    np.testing.assert_array_equal(events.pdgid[:, :3], np.tile([13, -13, 32], (5000, 1)))
    assert not np.any(events.p4[events.pdgid == 0])


def test_muons_with_a_soft_zprime_go_as_one_plus_cosine_squared():
    rng = np.random.default_rng(33)
    events = mumu_zprime.generate(N, beams=SYMMETRIC, rng=rng, mass=0.02, radiation=False)
    soft = events.p4[:, 2, 0] < 0.1
    cos = events.p4[soft, 0, 3] / momentum(events.p4[soft, 0])
    weight = events.weight[soft]
    mean = np.average(cos**2, weights=weight)
    error = np.sqrt(np.sum((weight * (cos**2 - mean)) ** 2)) / weight.sum()
    assert mean == pytest.approx(0.4, abs=4 * error + 2e-3)


def test_muon_pair_with_a_hard_zprime_is_not_along_one_axis_of_the_detector():
    """No azimuth is preferred, and the two muons, which couple alike, are exchanged without a change."""
    rng = np.random.default_rng(34)
    events = mumu_zprime.generate(N, beams=SYMMETRIC, rng=rng, mass=3.0, radiation=False)
    for slot in range(3):
        phi = np.arctan2(events.p4[:, slot, 2], events.p4[:, slot, 1])
        for wave in (np.cos(phi), np.sin(phi), np.cos(2 * phi)):
            error = np.sqrt(np.sum((events.weight * wave) ** 2)) / events.weight.sum()
            assert abs(np.average(wave, weights=events.weight)) < 4.5 * error
    difference = events.p4[:, 0, 0] - events.p4[:, 1, 0]
    error = np.sqrt(np.sum((events.weight * difference) ** 2)) / events.weight.sum()
    assert abs(np.average(difference, weights=events.weight)) < 4.5 * error


def test_events_do_not_depend_on_the_frame():
    """The same random numbers in a boosted frame give the same weights and the same momenta at rest."""
    babar = Beams(electron_energy=9.0, positron_energy=3.1)
    at_rest = Beams(electron_energy=babar.sqrt_s / 2, positron_energy=babar.sqrt_s / 2)
    moving, resting = (
        mumu_zprime.generate(2000, beams=b, rng=np.random.default_rng(35), mass=2.0, radiation=False)
        for b in (babar, at_rest)
    )
    np.testing.assert_allclose(moving.weight, resting.weight, rtol=1e-5)
    np.testing.assert_allclose(boost(moving.p4[:, :3], -babar.velocity), resting.p4[:, :3], atol=1e-5)


def test_generation_is_reproducible():
    first, second = (mumu_zprime.generate(100, beams=BELLE2, rng=np.random.default_rng(1), mass=1.0) for _ in range(2))
    np.testing.assert_array_equal(first.p4, second.p4)
    np.testing.assert_array_equal(first.weight, second.weight)


@pytest.mark.parametrize("mass", [0.0, -1.0, np.nan, 10.4, 20.0])
def test_mass_outside_the_kinematic_range_raises_and_is_named(mass):
    with pytest.raises(InputError, match=f"mass = {mass} GeV"):
        mumu_zprime.generate(10, beams=BELLE2, rng=np.random.default_rng(1), mass=mass)


def test_coupling_that_is_not_positive_raises():
    with pytest.raises(InputError, match=r"coupling = 0\.0"):
        mumu_zprime.generate(10, beams=BELLE2, rng=np.random.default_rng(1), mass=1.0, coupling=0.0)
