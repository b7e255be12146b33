"""Muon pairs against published cross sections and quadrature."""

import itertools

import numpy as np
import pytest
from scipy import integrate

from bumphunt.constants import ALPHA, M_ELECTRON, M_MUON
from bumphunt.kinematics.momenta import BEAMS, Beams, mass_squared, momentum, polar_angle, to_centre_of_mass
from bumphunt.montecarlo.amplitudes.vacuum_polarisation import vacuum_polarisation
from bumphunt.montecarlo.processes.leptons import mumu
from bumphunt.theory.lepton_pairs import born_cross_section

BELLE2 = BEAMS["belle2"]
N = 400_000


@pytest.fixture(scope="module")
def events():
    return mumu.generate(N, beams=BELLE2, rng=np.random.default_rng(20))


def test_total_cross_section_is_the_published_one(events):
    """1.148 nb at 10.58 GeV: arXiv:1808.10567, table of cross sections."""
    assert events.weight.mean() / 1e6 == pytest.approx(1.148, rel=0.03)
    assert events.weight.std() / np.sqrt(N) / 1e6 < 0.008


def test_visible_cross_section_is_the_published_one(events):
    """0.831 nb with both muons above 0.5 GeV in the drift chamber: arXiv:1808.10567, table of cross sections."""
    muons = events.p4[:, :2]
    theta = np.degrees(polar_angle(muons))
    seen = np.all((theta > 17) & (theta < 150) & (momentum(muons) > 0.5), axis=1)
    assert np.sum(events.weight[seen]) / N / 1e6 == pytest.approx(0.831, rel=0.03)


def test_total_cross_section_is_the_folded_one(events):
    """Kuraev and Fadin's radiator over the Born cross section, by quadrature, and 3 alpha / 4 pi at most from muons."""
    s = BELLE2.s
    log = np.log(s / M_ELECTRON**2)
    beta = 2 * ALPHA / np.pi * (log - 1)

    def integrand(y):
        v = -np.expm1(-y)  # y = -ln(1 - v)
        soft = 1 + ALPHA / np.pi * (np.pi**2 / 3 - 0.5) + 0.75 * beta
        soft -= beta**2 / 24 * (log / 3 + 2 * np.pi**2 - 37 / 4)
        hard = -beta * (1 - v / 2)
        hard += beta**2 / 8 * (4 * (2 - v) * np.log(1 / v) + (1 + 3 * (1 - v) ** 2) / v * y - 6 + v)
        born = float(born_cross_section(s * (1 - v), M_MUON) * vacuum_polarisation(s * (1 - v)))
        return (soft * beta * v ** (beta - 1) + hard) * born * (1 - v)

    end = np.log(s / (2.001 * M_MUON) ** 2)
    start = 1e-12
    soft = (
        start**beta
        * float(born_cross_section(s, M_MUON) * vacuum_polarisation(s))
        * (1 + ALPHA / np.pi * (np.pi**2 / 3 - 0.5) + 0.75 * beta)
    )
    pieces = [start, 1e-9, 1e-6, 1e-3, 0.1, 1.0, 3.0, end]
    expected = soft + sum(integrate.quad(integrand, a, b, epsrel=1e-6)[0] for a, b in itertools.pairwise(pieces))
    error = events.weight.std() / np.sqrt(N)
    assert events.weight.mean() == pytest.approx(expected, abs=4 * error + 4e-3 * expected)


def test_four_momenta_add_up_to_the_beams(events):
    difference = np.abs(events.p4.sum(axis=1) - events.beams_p4)
    assert difference.max() < 1e-9 * events.beams_p4[:, 0].min()


def test_particles_are_on_their_mass_shells(events):
    square = mass_squared(events.p4)
    np.testing.assert_allclose(square[:, :2], M_MUON**2, atol=1e-10)
    np.testing.assert_allclose(square[:, 2:], 0.0, atol=1e-10)
    assert np.all(events.pdgid[:, 0] == 13)
    assert np.all(events.pdgid[:, 1] == -13)
    assert set(np.unique(events.pdgid[:, 2:])) <= {0, 22}
    assert np.all(events.weight >= 0)


def test_no_event_weighs_much_more_than_the_mean(events):
    """Rows of several hundred mean weights would make a histogram of a few thousand events useless."""
    assert events.weight.max() < 15 * events.weight.mean()
    seen = np.all(np.abs(np.degrees(polar_angle(events.p4[:, :2])) - 83.5) < 66.5, axis=1)
    square = mass_squared(BELLE2.p4 - events.p4[seen, 0] - events.p4[seen, 1])
    for low, high in ((1, 4), (4, 16), (16, 36), (36, 64)):  # two photons missed: GeV^2
        weight = events.weight[seen][(square > low) & (square < high)]
        assert weight.sum() ** 2 / np.sum(weight**2) > 1e-3 * N


def test_each_muon_radiates_hard_photons_near_itself(events):
    hard = events.p4[:, 2:4, 0] > 0.5
    rate = np.average(hard.any(axis=1), weights=events.weight)
    assert 0.04 < rate < 0.1
    for muon in (0, 1):
        chosen = hard[:, muon]
        photon, itself, other = events.p4[chosen, 2 + muon], events.p4[chosen, muon], events.p4[chosen, 1 - muon]
        nearer = mass_squared(photon + itself) < mass_squared(photon + other)
        assert np.average(nearer, weights=events.weight[chosen]) > 0.75


def test_muons_go_as_one_plus_cosine_squared_and_the_asymmetry_of_soft_photons(events):
    """Without photons above w: (1 + c^2) w^delta, delta = (4 alpha / pi) ln((1 - c) / (1 + c)) (Yennie et al.)."""
    lost = 0.02
    hard = mass_squared(events.p4[:, 0] + events.p4[:, 1]) > (1 - lost) * BELLE2.s
    muon = to_centre_of_mass(events.p4[hard, 0], BELLE2)
    electron = to_centre_of_mass(BELLE2.electron, BELLE2)[1:]
    cos = muon[:, 1:] @ electron / (momentum(muon) * np.linalg.norm(electron))
    weight = events.weight[hard]

    def density(c):
        return (1 + c * c) * ((1 - c) / (1 + c)) ** (4 * ALPHA / np.pi * np.log(lost))

    norm = integrate.quad(density, -1, 1)[0]
    for power in (1, 2):
        expected = integrate.quad(lambda c, n=power: c**n * density(c), -1, 1)[0] / norm
        mean = np.average(cos**power, weights=weight)
        error = np.sqrt(np.sum((weight * (cos**power - mean)) ** 2)) / weight.sum()
        assert mean == pytest.approx(expected, abs=4 * error + 3e-3)


def test_generation_is_reproducible_and_follows_the_seed():
    first, second, other = (mumu.generate(100, beams=BELLE2, rng=np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.p4, second.p4)
    np.testing.assert_array_equal(first.weight, second.weight)
    assert np.any(first.p4 != other.p4)


def test_cross_section_depends_on_the_energy_and_not_on_the_boost():
    asymmetric = Beams(electron_energy=9.0, positron_energy=3.1)
    s = asymmetric.sqrt_s
    at_rest = Beams(electron_energy=s / 2, positron_energy=s / 2)
    moving, resting = (
        mumu.generate(20_000, beams=beams, rng=np.random.default_rng(3)).weight for beams in (asymmetric, at_rest)
    )
    # the leptons turn against the photons between the two, as the axes of boosts do, and with them the interference
    difference = moving - resting
    assert difference.mean() == pytest.approx(0.0, abs=4 * difference.std() / np.sqrt(difference.size))
    assert difference.std() < 0.3 * resting.mean()
