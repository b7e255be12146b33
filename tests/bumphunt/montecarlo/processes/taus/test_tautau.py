"""Tau pairs: cross section, spin correlation and the spectra of the decay products."""

import numpy as np
import pytest
from scipy.integrate import quad

from bumphunt.constants import M_MUON, M_TAU
from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import BEAMS, Beams, boost, mass_squared, to_centre_of_mass
from bumphunt.montecarlo.processes.taus import tautau
from bumphunt.montecarlo.processes.taus.spins import spin_correlation

BELLE2 = BEAMS["belle2"]
SYMMETRIC = Beams(electron_energy=5.29, positron_energy=5.29)


@pytest.fixture(scope="module")
def events():
    return tautau.generate(400_000, beams=BELLE2, rng=np.random.default_rng(31))


@pytest.fixture(scope="module")
def pions():
    """Both taus to pi nu, hardly any radiation, in the centre of mass: taus, pions and weights."""
    sample = tautau.generate(300_000, beams=SYMMETRIC, rng=np.random.default_rng(32), mode_enrichment={"pi": 1e4})
    pair = sample.p4[:, 2:].sum(axis=1)
    pi_nu = (np.abs(sample.pdgid[:, [2, 8]]) == 211) & (np.abs(sample.pdgid[:, [3, 9]]) == 16)
    keep = pi_nu.all(axis=1) & (mass_squared(pair) > 0.999 * SYMMETRIC.s) & (sample.weight > 0)
    p4 = sample.p4[keep]
    return p4[:, 2:8].sum(axis=1), p4[:, 2], p4[:, 8:14].sum(axis=1), p4[:, 8], sample.weight[keep]


def muon_pairs(events):
    """Return the mask of events with two muons, and the energies of the muons over half of sqrt(s)."""
    chosen = (events.pdgid[:, 2] == 13) & (events.pdgid[:, 8] == -13) & (events.weight > 0)
    energy = to_centre_of_mass(events.p4[chosen][:, [2, 8]], BELLE2)[..., 0]
    return chosen, energy / (BELLE2.sqrt_s / 2)


def correlation(x, weight):
    covariance = np.cov(x[:, 0], x[:, 1], aweights=weight)
    return covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])


def test_cross_section_is_that_of_the_mini_review(events):
    # arXiv:1808.10567, table 3: 0.919 nb
    assert events.weight.mean() == pytest.approx(0.919e6, rel=0.03)
    natural = tautau.generate(150_000, beams=BELLE2, rng=np.random.default_rng(33), mode_enrichment="none")
    assert natural.weight.mean() == pytest.approx(0.919e6, rel=0.03)


def test_momentum_is_conserved_and_taus_are_on_shell(events):
    assert np.abs(events.p4.sum(axis=1) - events.beams_p4).max() < 1e-9
    assert np.abs(mass_squared(events.p4[:, 2:8].sum(axis=1)) - M_TAU**2).max() < 1e-9
    assert np.abs(mass_squared(events.p4[:, 8:14].sum(axis=1)) - M_TAU**2).max() < 1e-9


def test_charges_and_lepton_numbers_are_conserved(events):
    charge = {11: -1, 13: -1, 211: 1, 321: 1}
    total = np.zeros(events.weight.size)
    for pdgid, value in charge.items():
        total += value * ((events.pdgid == pdgid).sum(axis=1) - (events.pdgid == -pdgid).sum(axis=1))
    assert np.all(total == 0)
    for lepton in (11, 13):
        number = sum(np.sign(pdgid) * (events.pdgid == pdgid).sum(axis=1) for pdgid in (lepton, -lepton))
        number += sum(np.sign(pdgid) * (events.pdgid == pdgid).sum(axis=1) for pdgid in (lepton + 1, -lepton - 1))
        assert np.all(number == 0)


def test_two_muon_events_are_the_square_of_the_branching_fraction(events):
    chosen, _ = muon_pairs(events)
    assert chosen.mean() > 0.4  # the enrichment
    assert (events.weight * chosen).sum() / events.weight.sum() == pytest.approx(0.1739**2, rel=0.04)
    weight = events.weight[chosen]
    assert weight.max() < 10 * weight.mean()


def test_same_seed_same_events():
    one, two = (tautau.generate(100, beams=BELLE2, rng=np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(one.p4, two.p4)
    assert np.array_equal(one.weight, two.weight)


def test_unknown_enrichment_raises():
    with pytest.raises(InputError, match="enrichment"):
        tautau.generate(10, beams=BELLE2, rng=np.random.default_rng(3), mode_enrichment="nothing")


def rate(cos, sqrt_s, spin_minus, spin_plus):
    """Return the squared amplitude for given spin directions, from Dirac spinors (no formula shared with the code)."""
    pauli = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
    energy = sqrt_s / 2
    p = np.sqrt(energy**2 - M_TAU**2)

    def spinor(direction):
        theta, phi = np.arccos(np.clip(direction[2], -1, 1)), np.arctan2(direction[1], direction[0])
        return np.array([np.cos(theta / 2), np.sin(theta / 2) * np.exp(1j * phi)])

    chi, xi = spinor(spin_minus), spinor(spin_plus)
    eta = 1j * pauli[1] @ xi.conj()
    big, small = np.sqrt(energy + M_TAU), p / np.sqrt(energy + M_TAU)
    u = np.concatenate([big * chi, small * pauli[2] @ chi])
    v = np.concatenate([-small * pauli[2] @ eta, big * eta])
    zero = np.zeros((2, 2))
    gamma0 = np.diag([1, 1, -1, -1])
    current = np.array([u.conj() @ gamma0 @ np.block([[zero, s], [-s, zero]]) @ v for s in pauli])
    beam = np.array([-np.sqrt(1 - cos**2), 0, cos])
    return np.linalg.norm(current) ** 2 - abs(beam @ current) ** 2


@pytest.mark.parametrize("cos", [-0.9, -0.3, 0.0, 0.5, 0.95])
@pytest.mark.parametrize("sqrt_s", [4.0, 10.58])
def test_spin_correlation_equals_that_of_dirac_spinors(cos, sqrt_s):
    unit = np.eye(3)
    expected = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            rates = {(a, b): rate(cos, sqrt_s, a * unit[i], b * unit[j]) for a in (1, -1) for b in (1, -1)}
            expected[i, j] = sum(a * b * value for (a, b), value in rates.items()) / sum(rates.values())
    assert np.abs(spin_correlation(cos, 4 * M_TAU**2 / sqrt_s**2) - expected).max() < 1e-12


def test_pions_show_the_spin_correlation_of_the_pair(pions):
    # <n_i n'_j> = -R_ij / 9: the pi- goes along the spin of its tau, the pi+ against it
    tau, pion, antitau, antipion, weight = pions
    z = tau[:, 1:] / np.linalg.norm(tau[:, 1:], axis=1, keepdims=True)
    cos = z[:, 2]
    y = np.cross(z, z * cos[:, np.newaxis] - [0, 0, 1])
    y /= np.linalg.norm(y, axis=1, keepdims=True)
    frame = np.stack([np.cross(y, z), y, z], axis=1)
    directions = []
    for parent, product in ((tau, pion), (antitau, antipion)):
        n = boost(product, -parent[:, 1:] / parent[:, :1])[:, 1:]
        directions.append(np.einsum("nij,nj->ni", frame, n / np.linalg.norm(n, axis=1, keepdims=True)))
    r = 4 * M_TAU**2 / SYMMETRIC.s
    norm = 4 / 3 + 2 * r / 3
    expected = {
        (0, 0): (1 + r) * 2 / 3 / norm,
        (1, 1): -(1 - r) * 2 / 3 / norm,
        (2, 2): (4 / 3 - 2 * r / 3) / norm,
        (0, 1): 0.0,
        (0, 2): -2 * np.sqrt(r) * quad(lambda c: np.sqrt(1 - c * c) * c * np.sign(c), -1, 1)[0] / 2 / norm,
    }
    for (i, j), value in expected.items():
        sign = np.sign(cos) if (i, j) == (0, 2) else 1.0  # odd in cos
        product = -9 * sign * directions[0][:, i] * directions[1][:, j]
        error = 9 / 3 / np.sqrt(weight.sum() ** 2 / (weight**2).sum())
        assert np.average(product, weights=weight) == pytest.approx(value, abs=4 * error)


def test_angular_distribution_is_that_of_the_tree_level(pions):
    tau, _, _, _, weight = pions
    cos2 = (tau[:, 3] / np.linalg.norm(tau[:, 1:], axis=1)) ** 2
    r = 4 * M_TAU**2 / SYMMETRIC.s
    density = lambda c: 1 + c * c + r * (1 - c * c)  # noqa: E731
    expected = quad(lambda c: c * c * density(c), -1, 1)[0] / quad(density, -1, 1)[0]
    assert np.average(cos2, weights=weight) == pytest.approx(expected, abs=0.005)


def test_mean_muon_energy_in_the_pair_is_that_of_the_massive_michel_spectrum(events):
    chosen, _ = muon_pairs(events)
    p4, weight = events.p4[chosen], events.weight[chosen]
    pair = p4[:, 2:].sum(axis=1)
    energy = boost(p4[:, [2, 8]], -(pair[:, 1:] / pair[:, :1])[:, np.newaxis])[..., 0]
    x = energy / (np.sqrt(mass_squared(pair)) / 2)[:, np.newaxis]
    top = (M_TAU**2 + M_MUON**2) / (2 * M_TAU)

    def michel(e):
        return np.sqrt(e**2 - M_MUON**2) * (e * (top - e) + (4 * e**2 - 3 * top * e - M_MUON**2) / 6)

    mean = quad(lambda e: e * michel(e), M_MUON, top)[0] / quad(michel, M_MUON, top)[0]
    assert np.average(x, axis=0, weights=weight) == pytest.approx(mean / M_TAU, abs=0.003)


@pytest.mark.parametrize(("lowest", "mean", "correlated"), [(3.6, 0.3347, 0.052), (10.0, 0.3533, 0.038)])
def test_muon_spectra_agree_with_pythia(events, lowest, mean, correlated):
    # pythia8mc 8.317.2, 8000 events ee -> gamma*/Z -> tau tau -> mu mu at 10.58 GeV above a lowest pair mass:
    # <2 E_mu / sqrt(s)> +- 0.0017 and corr(x+, x-) +- 0.011
    chosen, x = muon_pairs(events)
    hard = mass_squared(events.p4[chosen][:, 2:].sum(axis=1)) > lowest**2
    x, weight = x[hard], events.weight[chosen][hard]
    assert np.average(x.mean(axis=1), weights=weight) == pytest.approx(mean, abs=0.006)
    assert correlation(x, weight) == pytest.approx(correlated, abs=0.025)


def test_muon_spectra_agree_with_the_full_simulation_of_the_experiment(events):
    # <x> = 0.348 +- 0.005 for pairs that keep most of the energy, correlation 0.054 +- 0.015 for all
    chosen, x = muon_pairs(events)
    weight = events.weight[chosen]
    hard = mass_squared(events.p4[chosen][:, 2:].sum(axis=1)) > 9.0**2
    assert np.average(x[hard].mean(axis=1), weights=weight[hard]) == pytest.approx(0.348, abs=0.005)
    assert correlation(x, weight) == pytest.approx(0.054, abs=0.015)
