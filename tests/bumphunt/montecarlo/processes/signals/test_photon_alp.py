"""The generator of gamma a against its cross section, angles and lifetime."""

import numpy as np
import pytest
from scipy import stats

from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import BEAMS, Beams, boost, mass_squared
from bumphunt.montecarlo.processes.signals import photon_alp
from bumphunt.theory import alp

SYMMETRIC = Beams(electron_energy=5.29, positron_energy=5.29)
BELLE2 = BEAMS["belle2"]
N = 100_000


def generate(n=N, *, seed, beams=SYMMETRIC, **parameters):
    return photon_alp.generate(n, beams=beams, rng=np.random.default_rng(seed), **parameters)


@pytest.mark.parametrize("mass", [0.01, 0.5, 4.0, 9.5])
@pytest.mark.parametrize("radiation", [True, False])
def test_mean_weight_is_the_cross_section(mass, radiation):
    weight = generate(2 * N, seed=1, mass=mass, coupling=2e-4, radiation=radiation).weight
    expected = float(alp.cross_section(mass, coupling=2e-4, sqrt_s=SYMMETRIC.sqrt_s, radiation=radiation))
    assert weight.mean() == pytest.approx(expected, rel=0.01)
    error = weight.std() / np.sqrt(weight.size)
    assert weight.mean() == pytest.approx(expected, abs=3.5 * error + 3e-4 * expected)


@pytest.mark.parametrize("mass", [0.3, 6.0])
def test_angles_of_production_and_decay(mass):
    """1 + cos^2 of the recoil photon, in bins by chi2, and a decay that prefers no direction."""
    events = generate(seed=2, mass=mass, radiation=False)
    cos = events.p4[:, 0, 3] / events.p4[:, 0, 0]
    assert stats.kstest(cos, lambda c: (4 + 3 * c + c**3) / 8).pvalue > 1e-3
    particle = events.p4[:, 1:3].sum(axis=1)
    photon = boost(events.p4[:, 1], -particle[:, 1:] / particle[:, :1])
    direction = particle[:, 1:] / np.linalg.norm(particle[:, 1:], axis=1, keepdims=True)
    decay = np.einsum("ij,ij->i", photon[:, 1:], direction) / photon[:, 0]
    assert stats.kstest(decay, "uniform", args=(-1, 2)).pvalue > 1e-3
    np.testing.assert_allclose(mass_squared(particle), mass**2, rtol=1e-9)


@pytest.mark.parametrize("final_state", ["diphoton", "invisible"])
@pytest.mark.parametrize("mass", [0.001, 3.0, 10.3])
def test_momentum_is_conserved(final_state, mass):
    events = generate(3000, seed=3, beams=BELLE2, mass=mass, final_state=final_state)
    used = events.weight > 0
    np.testing.assert_allclose(events.p4.sum(axis=1)[used], events.beams_p4[used], atol=1e-8)
    assert not np.any(events.p4[events.pdgid == 0])
    if final_state == "invisible":
        np.testing.assert_array_equal(events.pdgid[used, :2], np.tile([22, 32], (used.sum(), 1)))
        np.testing.assert_allclose(mass_squared(events.p4[used, 1]), mass**2, atol=1e-8)
    else:
        np.testing.assert_array_equal(events.pdgid[used, :3], 22)
        np.testing.assert_allclose(mass_squared(events.p4[used, 1:3].sum(axis=1)), mass**2, atol=1e-8)


def test_photons_start_where_the_particle_decays():
    events = generate(seed=4, beams=BELLE2, mass=0.5, lifetime=2.0)
    assert not np.any(events.vertex[:, [0, 3, 4]])
    np.testing.assert_array_equal(events.vertex[:, 1], events.vertex[:, 2])
    particle = events.p4[:, 1:3].sum(axis=1)
    used = events.weight > 0
    proper = np.linalg.norm(events.vertex[used, 1], axis=1) / np.linalg.norm(particle[used, 1:], axis=1) * 0.5
    assert stats.kstest(proper, "expon", args=(0, 2.0)).pvalue > 1e-3


@pytest.mark.parametrize("mass", [0.0, 10.7, np.nan])
def test_mass_outside_the_kinematic_range_raises_and_is_named(mass):
    with pytest.raises(InputError, match=f"mass = {mass} GeV"):
        generate(10, seed=1, mass=mass)


def test_bad_parameters_raise_and_are_named():
    with pytest.raises(InputError, match="final_state = 'ee'"):
        generate(10, seed=1, mass=1.0, final_state="ee")
    with pytest.raises(InputError, match=r"coupling = -1\.0"):
        generate(10, seed=1, mass=1.0, coupling=-1.0)
    with pytest.raises(InputError, match=r"lifetime = -1\.0 cm"):
        generate(10, seed=1, mass=1.0, lifetime=-1.0)
