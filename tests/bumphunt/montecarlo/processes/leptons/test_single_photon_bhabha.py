"""Radiative Bhabha scattering with lost electrons, against virtual Compton scattering of equivalent photons."""

import numpy as np
import pytest

from bumphunt.constants import ALPHA, GEV2_TO_FB, M_ELECTRON
from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import BEAMS, Beams, mass_squared, polar_angle, to_centre_of_mass
from bumphunt.montecarlo.amplitudes.radiative_bhabha import invariants
from bumphunt.montecarlo.phase_space.bhabha_photon import LOWEST_SEEN_ENERGY
from bumphunt.montecarlo.processes.leptons import single_photon_bhabha
from bumphunt.montecarlo.radiation.soft_photons import bhabha_exponent, bhabha_factor

BELLE2 = BEAMS["belle2"]
E = 5.29
REST = Beams(electron_energy=E, positron_energy=E)
P = np.sqrt(E**2 - M_ELECTRON**2)
N = 200_000


@pytest.fixture(scope="module")
def events():
    return single_photon_bhabha.generate(N, beams=BELLE2, rng=np.random.default_rng(30))


@pytest.fixture(scope="module")
def resting():
    return single_photon_bhabha.generate(N, beams=REST, rng=np.random.default_rng(31), minimum_energy=0.5)


def error(weight):
    return weight.std() / np.sqrt(weight.size)


def products(p4):
    """Return the invariants of events, beams along z, shape (N, 10)."""
    beams = (E, 0.0, 0.0, P), (E, 0.0, 0.0, -P)
    return np.array([invariants(*beams, *(tuple(float(c) for c in q) for q in event)) for event in p4])


@pytest.mark.parametrize("lost", ["electron", "positron"])
def test_small_transfers_are_compton_scattering_of_equivalent_photons(resting, lost):
    """An electron that keeps Q^2 below 1e-5 GeV^2 is a flux of photons; Klein and Nishina for the other.

    Photon above 0.5 GeV at 30 to 150 degrees; Q^2 reaches down to 1e-9 GeV^2, where the electron mass decides.
    """
    highest = 1e-5
    axis = 1 if lost == "positron" else -1
    k = resting.p4[:, 2]
    chosen = (k[:, 0] > 0.5) & (np.abs(k[:, 3]) < np.cos(np.radians(30)) * k[:, 0])
    # a transfer this small needs an angle below 4 mrad at the lowest energy
    q = resting.p4[:, 1 if lost == "positron" else 0]
    chosen &= (np.hypot(q[:, 1], q[:, 2]) < 0.01) & (q[:, 3] * axis < 0)
    index = np.flatnonzero(chosen)
    x = products(resting.p4[index])
    transfer = x[:, 3 if lost == "positron" else 2]
    small = transfer < highest
    factor = np.array([bhabha_factor(w / E, bhabha_exponent(*row[:6])) for w, row in zip(k[index, 0], x, strict=True)])
    weight = np.zeros(N)
    weight[index[small]] = (resting.weight[index] / factor)[small]

    # midpoints in ln y and cos: the cuts make steps
    log = np.linspace(np.log(5e-4), np.log(0.999), 801)
    y, c = np.exp((log[1:] + log[:-1]) / 2)[:, np.newaxis], -1 + (np.arange(800) + 0.5) / 400
    s, frame = y * 4 * E * E, (1 - y) / (1 + y)
    omega, angle = E * (1 + y) / 2 * (1 + frame * c), (c + frame) / (1 + frame * c)
    u = (1 - c) / 2  # -u / s, to the incoming electron
    klein_nishina = np.pi * ALPHA**2 / s * (u + 1 / u)
    inside = (omega > 0.5) & (np.abs(angle) < np.cos(np.radians(30)))
    # photons of virtuality up to `highest`: Budnev et al., Phys. Rep. 15 (1975) 181, eq. 6.17
    lowest = M_ELECTRON**2 * y**2 / (1 - y)
    flux = (1 + (1 - y) ** 2) / y * np.log(highest / lowest) - 2 * M_ELECTRON**2 * y * (1 / lowest - 1 / highest)
    rate = np.where(inside, ALPHA / (2 * np.pi) * flux * klein_nishina * y, 0.0)
    expected = rate.sum() * (log[1] - log[0]) / 400 * GEV2_TO_FB
    assert error(weight) < 0.03 * expected
    assert weight.mean() == pytest.approx(expected, abs=4 * error(weight))
    assert transfer.min() < 1e-8  # near the smallest that kinematics allows


def test_photon_is_in_the_region_and_not_both_electrons(resting):
    k, electrons = resting.p4[:, 2], resting.p4[:, :2]
    assert k[:, 0].min() > 0.5 * (1 - 1e-9)
    theta = np.degrees(polar_angle(resting.p4))
    assert theta[:, 2].min() > 10 - 1e-6
    assert theta[:, 2].max() < 170 + 1e-6
    seen = (theta[:, :2] > 10) & (theta[:, :2] < 170) & (electrons[..., 0] > LOWEST_SEEN_ENERGY)
    assert not seen.all(axis=1).any()
    assert 0.2 < seen.any(axis=1).mean() < 0.8  # one, or none


def test_momentum_is_conserved_and_masses_are_exact(events):
    assert np.abs(events.p4.sum(axis=1) - events.beams_p4).max() < 1e-10
    np.testing.assert_allclose(mass_squared(events.p4[:, :2]), M_ELECTRON**2, rtol=0.02)
    np.testing.assert_allclose(mass_squared(events.p4[:, 2]), 0.0, atol=1e-11)
    assert np.all(events.pdgid == [11, -11, 22])
    assert np.all(events.weight > 0)


def test_photons_stay_below_the_edge_that_lost_electrons_allow(resting):
    """Both electrons within 10 degrees of the beams balance at most this transverse momentum of a photon."""
    theta = np.degrees(polar_angle(resting.p4))
    lost = np.all((theta[:, :2] < 10) | (theta[:, :2] > 170), axis=1)
    k = resting.p4[lost, 2]
    opposite = (resting.p4[lost, 0, 3] > 0) & (resting.p4[lost, 1, 3] < 0)
    pt = np.hypot(k[:, 1], k[:, 2])[opposite]
    # sin(theta) (2 E - omega) = omega sin(theta_photon) at the edge
    edge = np.sin(np.radians(10)) * (2 * E - k[opposite, 0])
    assert np.all(pt < edge * (1 + 1e-9))
    assert pt.max() > 0.9 * edge[np.argmax(pt)]


def test_weights_are_level_where_a_single_photon_is_searched(events):
    centre = to_centre_of_mass(events.p4, BELLE2)
    theta = np.degrees(polar_angle(events.p4))
    lost = np.all((theta[:, :2] < 12.4) | (theta[:, :2] > 155.1), axis=1)
    barrel = lost & (theta[:, 2] > 33) & (theta[:, 2] < 128)
    for low, high in ((0.3, 0.5), (0.5, 1.0), (1.0, 1.5), (1.5, 2.0)):
        weight = events.weight[barrel & (centre[:, 2, 0] > low) & (centre[:, 2, 0] < high)]
        assert weight.max() < 20 * weight.mean()
        assert weight.sum() ** 2 / np.sum(weight**2) > 0.2 * weight.size
        assert weight.size > 0.01 * N
    assert events.weight.max() < 60 * events.weight.mean()


def test_charges_are_symmetric(resting):
    for odd in (resting.p4[:, 2, 3], resting.p4[:, 0, 0] - resting.p4[:, 1, 0], resting.p4[:, 2, 1]):
        assert abs(np.mean(resting.weight * odd)) < 4 * error(resting.weight * odd)


def test_generation_follows_the_seed():
    first, second = (
        single_photon_bhabha.generate(50, beams=BELLE2, rng=np.random.default_rng(1)) for _ in range(2)
    )  # fmt: skip
    np.testing.assert_array_equal(first.p4, second.p4)
    np.testing.assert_array_equal(first.weight, second.weight)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("minimum_energy", 0.01), ("minimum_energy", 5.0), ("minimum_energy", np.nan),
        ("minimum_angle", 0.0), ("minimum_photon_angle", 2.0),
    ],
)  # fmt: skip
def test_cut_outside_its_range_raises_and_is_named(name, value):
    with pytest.raises(InputError, match=f"{name} = {value:g}"):
        single_photon_bhabha.generate(10, beams=BELLE2, rng=np.random.default_rng(1), **{name: value})
