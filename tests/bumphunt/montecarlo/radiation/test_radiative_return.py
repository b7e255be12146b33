"""Radiative return against the radiator, tree-level angles, and the tensor of initial-state radiation."""

import numpy as np
import pytest

from bumphunt.constants import ALPHA, GEV2_TO_FB, M_ELECTRON
from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import BEAMS, Beams, boost, mass_squared
from bumphunt.montecarlo.events import beam_particles
from bumphunt.montecarlo.radiation.radiative_return import return_to_resonance
from bumphunt.theory import dark_photon
from bumphunt.theory.radiator import radiator

SYMMETRIC = Beams(electron_energy=5.29, positron_energy=5.29)
S = SYMMETRIC.s
N = 100_000
PEAK = 4 * np.pi**2 * ALPHA * GEV2_TO_FB


def returned(mass, *, radiation, seed, n=N, beams=SYMMETRIC):
    rng = np.random.default_rng(seed)
    electron, positron = beam_particles(beams, n, rng=rng)
    return return_to_resonance(electron, positron, mass=mass, rng=rng, radiation=radiation)


@pytest.mark.parametrize("mass", [0.02, 0.5, 3.0, 8.0, 10.4])
def test_rate_with_radiation_is_the_radiator(mass):
    weight = returned(mass, radiation=True, seed=1).weight
    expected = float(radiator(1 - mass**2 / S, S)) / S
    error = weight.std() / np.sqrt(N)
    assert error < 0.004 * expected
    assert weight.mean() == pytest.approx(expected, abs=4 * error)
    assert weight.max() < 4 * expected


@pytest.mark.parametrize("mass", [0.1, 1.0, 3.0, 5.0, 8.0, 9.0])
def test_photon_angles_at_tree_level_are_exact(mass):
    """In bins of the angle, the peaks along the beams included."""
    initial = returned(mass, radiation=False, seed=2, n=3 * N)
    photon = initial.photons.sum(axis=1)
    cos = np.clip(photon[:, 3] / photon[:, 0], -1, 1)
    edges = np.array([0.0, 0.3, 0.6, 0.8, 0.9, 0.97, 0.999, 1.0])
    below = dark_photon.tree_cross_section
    total = [0.0] + [float(below(mass, coupling=1.0, sqrt_s=SYMMETRIC.sqrt_s, max_cos=c)) for c in edges[1:]]
    counts, _ = np.histogram(np.abs(cos), edges, weights=PEAK * initial.weight)
    squares, _ = np.histogram(np.abs(cos), edges, weights=(PEAK * initial.weight) ** 2)
    pull = (counts / cos.size - np.diff(total)) / (np.sqrt(squares) / cos.size)
    assert np.sum(pull**2) < 24.3  # 0.1 % of chi2 with 7 degrees of freedom
    within = counts[:4].sum() / cos.size
    assert within == pytest.approx(total[4], rel=0.01)  # |cos| < 0.9, as published
    forward = np.sum(np.where(cos > 0, initial.weight, 0)) / initial.weight.sum()
    assert forward == pytest.approx(0.5, abs=4 / np.sqrt(cos.size))


METRIC = np.diag([1.0, -1.0, -1.0, -1.0])
PAULI = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
ZERO, ONE = np.zeros((2, 2)), np.eye(2)
GAMMA = np.array([np.block([[ONE, ZERO], [ZERO, -ONE]])] + [np.block([[ZERO, s], [-s, ZERO]]) for s in PAULI])


def production_tensor(p1, p2, k):
    """Return sum over spins and photon polarisations of M^mu M*^nu of e+e- -> gamma V, shape (4, 4)."""

    def slash(p):
        return np.einsum("m,mij->ij", METRIC @ p, GAMMA)

    m = M_ELECTRON * np.eye(4)
    first, second = p1 - k, k - p2
    d1, d2 = first @ METRIC @ first - M_ELECTRON**2, second @ METRIC @ second - M_ELECTRON**2
    a, b = (slash(first) + m) / d1, (slash(second) + m) / d2
    vertex = np.einsum("mij,jk,bkl->mbil", GAMMA, a, GAMMA) + np.einsum("bij,jk,mkl->mbil", GAMMA, b, GAMMA)
    bar = np.einsum("ij,mbkj,kl->mbil", GAMMA[0], vertex.conj(), GAMMA[0])
    return np.einsum("ij,mbjk,kl,ndli,bd->mn", slash(p2) - m, vertex, slash(p1) + m, bar, -METRIC).real


@pytest.mark.parametrize("mass", [0.5, 4.0, 9.0])
def test_axes_are_the_polarisation_of_the_whole_tensor(mass):
    """Averaged over the axes n, delta_ij - n_i n_j is the spin density of the resonance, by Dirac traces."""
    p = np.sqrt(SYMMETRIC.electron_energy**2 - M_ELECTRON**2)
    p1, p2 = np.array([5.29, 0, 0, p]), np.array([5.29, 0, 0, -p])
    omega, root = (S - mass**2) / (2 * np.sqrt(S)), np.sqrt(S)
    for cos in (-0.8, 0.1, 0.6):
        k = omega * np.array([1, np.sqrt(1 - cos * cos), 0, cos])
        tensor = production_tensor(p1, p2, k)
        resonance = np.array([root, 0, 0, 0]) - k
        assert np.abs(METRIC @ resonance @ tensor).max() < 1e-7 * root * np.abs(tensor).max()  # Ward identity
        # its rest frame
        columns = boost(tensor, -resonance[1:] / resonance[0])
        density = boost(columns.T, -resonance[1:] / resonance[0])[1:, 1:]
        density /= np.trace(density) / 2
        a, b = (boost(q, -resonance[1:] / resonance[0])[1:] for q in (p1, p2))
        axes = np.eye(3) * (a @ a + b @ b) - np.outer(a, a) - np.outer(b, b)
        np.testing.assert_allclose(density, axes / (a @ a + b @ b), atol=1e-6)


def test_axes_are_drawn_by_the_squared_energies_of_the_beams():
    mass = 4.0
    initial = returned(mass, radiation=False, seed=3)
    velocity = -initial.pair[:, 1:] / initial.pair[:, :1]
    electron = boost(np.tile(SYMMETRIC.electron, (N, 1)), velocity)
    positron = boost(np.tile(SYMMETRIC.positron, (N, 1)), velocity)
    along1 = np.einsum("ij,ij->i", electron[:, 1:], initial.axis) / np.linalg.norm(electron[:, 1:], axis=1)
    along2 = -np.einsum("ij,ij->i", positron[:, 1:], initial.axis) / np.linalg.norm(positron[:, 1:], axis=1)
    first = along1 > along2
    np.testing.assert_allclose(np.maximum(along1, along2), 1.0, atol=1e-9)
    share = electron[:, 0] ** 2 / (electron[:, 0] ** 2 + positron[:, 0] ** 2)
    distinct = np.minimum(along1, along2) < 1 - 1e-6
    assert distinct.mean() > 0.3
    for low, high in ((0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1.0)):
        here = distinct & (share >= low) & (share < high)
        expected, error = share[here].mean(), np.sqrt(np.sum(share[here] * (1 - share[here]))) / here.sum()
        assert first[here].mean() == pytest.approx(expected, abs=4 * error)


@pytest.mark.parametrize("radiation", [True, False])
@pytest.mark.parametrize("mass", [0.001, 2.0, 10.5])
def test_momentum_is_conserved_and_the_resonance_on_its_mass_shell(mass, radiation):
    beams = BEAMS["belle2"]
    initial = returned(mass, radiation=radiation, seed=4, n=5000, beams=beams)
    np.testing.assert_allclose(mass_squared(initial.pair), mass**2, rtol=1e-6)
    np.testing.assert_allclose(mass_squared(initial.photons), 0.0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(initial.axis, axis=1), 1.0)
    np.testing.assert_array_equal((initial.photons[..., 0] > 0).sum(axis=1), 2 if radiation else 1)


def test_beams_with_too_little_energy_make_nothing():
    beams = Beams(electron_energy=5.0, positron_energy=5.0, electron_spread=0.01, positron_spread=0.01)
    initial = returned(10.0, radiation=True, seed=5, n=2000, beams=beams)
    assert 0.4 < np.mean(initial.weight == 0) < 0.6
    assert np.all(np.isfinite(initial.weight))


@pytest.mark.parametrize("mass", [0.0, 11.0, np.nan])
def test_mass_that_cannot_be_produced_raises(mass):
    with pytest.raises(InputError, match=f"mass = {mass} GeV"):
        returned(mass, radiation=True, seed=1, n=10)
