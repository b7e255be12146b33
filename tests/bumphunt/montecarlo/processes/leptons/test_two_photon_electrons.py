"""Two-photon electron pairs against the published cross section and quadrature."""

import functools

import numpy as np
import pytest
from scipy.integrate import quad

from bumphunt.constants import ALPHA, M_ELECTRON
from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import BEAMS, mass_squared
from bumphunt.montecarlo.amplitudes.two_photons import squared_amplitude
from bumphunt.montecarlo.processes.leptons import two_photon_pairs

BELLE2 = BEAMS["belle2"]
generate = functools.partial(two_photon_pairs.generate, lepton=11, multiperipheral_only=False)
N = 150_000


@pytest.fixture(scope="module")
def events():
    return generate(N, beams=BELLE2, rng=np.random.default_rng(30))


def test_cross_section_is_that_of_the_mini_review(events):
    """39.7 nb for W > 0.5 GeV: arXiv:1808.10567, table of cross sections."""
    assert events.weight.mean() == pytest.approx(39.7e6, rel=0.05)
    assert events.weight.std() / np.sqrt(N) < 0.6e6


def test_multiperipheral_diagrams_alone_lack_a_tenth(events):
    """What they lack near the beams is the interference of exchange."""
    alone = generate(N, beams=BELLE2, rng=np.random.default_rng(30), multiperipheral_only=True)
    assert np.array_equal(alone.p4, events.p4)
    assert 0.86 < alone.weight.mean() / events.weight.mean() < 0.92


def test_all_pairs_of_opposite_charge_are_above_the_minimum_mass(events):
    for electron in (0, 3):
        for positron in (1, 2):
            assert mass_squared(events.p4[:, electron] + events.p4[:, positron]).min() > 0.25 * (1 - 1e-9)


def test_momentum_is_conserved_and_masses_are_exact(events):
    assert np.abs(events.p4.sum(axis=1) - events.beams_p4).max() < 1e-9
    assert np.abs(mass_squared(events.p4) - M_ELECTRON**2).max() < 1e-9
    assert np.all(events.pdgid == [11, -11, -11, 11])


def test_weights_are_finite_and_level_where_two_electrons_are_seen(events):
    assert np.all(np.isfinite(events.weight) & (events.weight > 0))
    theta = np.arctan2(np.hypot(events.p4[..., 1], events.p4[..., 2]), events.p4[..., 3])
    momentum = np.linalg.norm(events.p4[..., 1:], axis=-1)
    seen = (theta > np.radians(17)) & (theta < np.radians(150)) & (momentum > 0.2)
    keep = seen[:, 2:].all(axis=1) & ~seen[:, :2].any(axis=1)
    assert keep.mean() > 0.3
    weight = events.weight[keep]
    assert weight.sum() ** 2 / np.sum(weight**2) > 0.15 * weight.size


def test_higher_minimum_mass_is_the_tail_of_the_lower_one(events):
    """Though other pairs are then the produced ones: the events of four identical particles."""
    higher = generate(N // 2, beams=BELLE2, rng=np.random.default_rng(32), minimum_mass=0.8)
    pairs = [mass_squared(events.p4[:, i] + events.p4[:, j]) for i in (0, 3) for j in (1, 2)]
    tail = events.weight * (np.min(pairs, axis=0) > 0.8**2)
    error = np.hypot(tail.std() / np.sqrt(N), higher.weight.std() / np.sqrt(N // 2))
    assert abs(tail.mean() - higher.weight.mean()) < 4 * error
    assert error < 0.02 * tail.mean()


@pytest.mark.parametrize("w", [0.5, 3.0])
def test_amplitude_of_almost_real_photons_has_their_collinear_peak(w):
    """The electron mass alone makes the cross section gamma gamma -> e+e- finite."""
    work, transverse = np.zeros((4, 3, 3), dtype=complex), np.diag([1.0, 1.0, 0.0])
    beta = np.sqrt(1 - 4 * M_ELECTRON**2 / w**2)

    def per_rapidity(rapidity):
        cos = np.tanh(rapidity) / beta
        square = squared_amplitude(w, 1e-15, 1e-15, cos, M_ELECTRON, transverse, transverse, work)
        # mean of 4 photon spins, flux 1 / (2 W^2), dPhi2 = beta / (16 pi) dcos
        return (4 * np.pi * ALPHA) ** 2 * square / 4 / (2 * w**2) * beta / (16 * np.pi) / np.cosh(rapidity) ** 2 / beta

    total, _ = quad(per_rapidity, -np.arctanh(beta), np.arctanh(beta), epsrel=1e-9, limit=200)
    r = 4 * M_ELECTRON**2 / w**2
    logarithm = 2 * np.log((1 + beta) / np.sqrt(r))
    # Breit and Wheeler (1934); Budnev et al., eq. E.1
    expected = 4 * np.pi * ALPHA**2 / w**2 * ((1 + r - r * r / 2) * logarithm - beta * (1 + r))
    assert total == pytest.approx(expected, rel=1e-6)


def test_same_seed_same_events():
    one, two = (generate(100, beams=BELLE2, rng=np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(one.p4, two.p4)
    assert np.array_equal(one.weight, two.weight)


@pytest.mark.parametrize("mass", [0.001, 6.0, np.nan])
def test_minimum_mass_outside_phase_space_raises(mass):
    with pytest.raises(InputError, match="minimum_mass"):
        generate(10, beams=BELLE2, rng=np.random.default_rng(1), minimum_mass=mass)
