"""The generator of e mu Z' against flat phase space, equivalent photons, and its own symmetries."""

from dataclasses import replace

import numpy as np
import pytest

from bumphunt.compilation import njit
from bumphunt.constants import ALPHA, GEV2_TO_FB, M_ELECTRON, M_MUON
from bumphunt.errors import InputError
from bumphunt.kinematics.compiled import boost_from_rest, breakup_momentum
from bumphunt.kinematics.momenta import BEAMS, Beams, boost, mass_squared
from bumphunt.montecarlo.amplitudes.emu_zprime import squared_amplitude
from bumphunt.montecarlo.phase_space.decays import direction
from bumphunt.montecarlo.processes.signals import emu_zprime

SYMMETRIC = Beams(electron_energy=5.29, positron_energy=5.29)
BELLE2 = BEAMS["belle2"]


def generate(n, *, seed, beams=SYMMETRIC, **parameters):
    return emu_zprime.generate(n, beams=beams, rng=np.random.default_rng(seed), **parameters)


@njit(cache=True)
def flat_phase_space(n, root, mass, rng, weight, cos):
    """Fill weights [GeV^-2] of e- mu+ Z' drawn flat in mass and angles, and the cosine of the electron."""
    me, mmu = M_ELECTRON, M_MUON
    work = np.empty((2, 2, 2, 2, 6), dtype=np.complex128)
    p = np.sqrt(root * root / 4 - me * me)
    p1, p2 = (root / 2, 0.0, 0.0, p), (root / 2, 0.0, 0.0, -p)
    low, high = mmu + mass, root - me
    for i in range(n):
        w = low + (high - low) * rng.random()
        k3, k4 = breakup_momentum(root, me, w), breakup_momentum(w, mmu, mass)
        x, y, z = direction(rng)
        e3 = np.sqrt(k3 * k3 + me * me)
        p3, system = (e3, k3 * x, k3 * y, k3 * z), (root - e3, -k3 * x, -k3 * y, -k3 * z)
        cos[i] = z
        x, y, z = direction(rng)
        e4 = np.sqrt(k4 * k4 + mmu * mmu)
        p4 = boost_from_rest((e4, k4 * x, k4 * y, k4 * z), system, w)
        k = boost_from_rest((w - e4, -k4 * x, -k4 * y, -k4 * z), system, w)
        t = 2 * me * me - root * e3 + 2 * p * p3[3]
        square = squared_amplitude(p1, p2, p3, p4, k, t, (me, mmu, mass), work)
        # dPhi3 = dw^2 / 2pi  k3 / (4 pi root)  k4 / (4 pi w), for isotropic decays
        volume = 2 * w * (high - low) / (2 * np.pi) * k3 / (4 * np.pi * root) * k4 / (4 * np.pi * w)
        weight[i] = square / 4 / (4 * p * root) * volume


@pytest.mark.parametrize("mass", [1.0, 4.0, 8.0])
def test_rate_at_wide_angles_is_that_of_flat_phase_space(mass):
    n = 150_000
    flat, cos = np.empty(n), np.empty(n)
    flat_phase_space(n, SYMMETRIC.sqrt_s, mass, np.random.default_rng(1), flat, cos)
    flat = np.where(np.abs(cos) < 0.9, flat, 0.0) * 2 * (4 * np.pi * ALPHA) ** 2 * 1e-4 * GEV2_TO_FB
    events = generate(n, seed=2, mass=mass, coupling=1e-2, radiation=False)
    cos = events.p4[:, 0, 3] / np.linalg.norm(events.p4[:, 0, 1:], axis=1)
    seen = np.where(np.abs(cos) < 0.9, events.weight, 0.0)
    error, other = seen.std() / np.sqrt(n), flat.std() / np.sqrt(n)
    assert error < 0.01 * seen.mean()
    assert seen.mean() == pytest.approx(flat.mean(), abs=3.5 * np.hypot(error, other))
    assert np.hypot(error, other) < 0.02 * flat.mean()


METRIC = np.diag([1.0, -1.0, -1.0, -1.0])
PAULI = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
ZERO, ONE = np.zeros((2, 2)), np.eye(2)
GAMMA = np.array([np.block([[ONE, ZERO], [ZERO, -ONE]])] + [np.block([[ZERO, s], [-s, ZERO]]) for s in PAULI])


def photon_cross_section(s, mass):
    """Return sigma(e gamma -> mu Z') / g'^2 [GeV^-2] by traces of Dirac matrices, with all masses."""
    me, mmu, root = M_ELECTRON, M_MUON, np.sqrt(s)
    e_in, p = (s + me**2) / (2 * root), (s - me**2) / (2 * root)
    k = np.sqrt((s - (mass + mmu) ** 2) * (s - (mass - mmu) ** 2)) / (2 * root)
    e_z = np.hypot(k, mass)
    # m_mu^2 - u, in which the integration is logarithmic
    low, high = (mmu**2 - me**2 - mass**2 + 2 * (e_in * e_z - sign * p * k) for sign in (1, -1))
    x, w = np.polynomial.legendre.leggauss(24)
    d = low * (high / low) ** ((x + 1) / 2)
    cos = 1 - (d - low) / (2 * p * k)
    zero, one = np.zeros_like(d), np.ones_like(d)
    electron, photon = np.stack([e_in * one, zero, zero, p * one], -1), np.stack([p * one, zero, zero, -p * one], -1)
    vector = np.stack([e_z * one, k * np.sqrt(1 - cos**2), zero, k * cos], -1)
    muon = electron + photon - vector

    def slash(q):
        return np.einsum("nm,mij->nij", q @ METRIC, GAMMA)

    first = (slash(electron + photon) + me * np.eye(4)) / (s - me**2)
    second = (slash(electron - vector) + mmu * np.eye(4)) / -d[:, np.newaxis, np.newaxis]
    vertex = np.einsum("aij,njk,mkl->namil", GAMMA, first, GAMMA)
    vertex = vertex + np.einsum("mij,njk,akl->namil", GAMMA, second, GAMMA)
    bar = np.einsum("ij,namkj,kl->namil", GAMMA[0], vertex.conj(), GAMMA[0])
    spins = -METRIC + np.einsum("na,nb->nab", vector @ METRIC, vector @ METRIC) / mass**2
    left, right = slash(muon) + mmu * np.eye(4), slash(electron) + me * np.eye(4)
    right_side = np.einsum("njk,nbmkl,nab,mo->najol", right, bar, spins, -METRIC, optimize=True)
    square = np.einsum("nij,namjk,nakml->nil", left, vertex, right_side, optimize=True)
    square = np.einsum("nii->n", square).real / 4 * 4 * np.pi * ALPHA
    # dsigma/du = |M|^2 / (64 pi s p^2), du = -dd
    return np.sum(w / 2 * np.log(high / low) * d * square) / (64 * np.pi * s * p**2)


@pytest.mark.parametrize("mass", [2.0, 6.0])
def test_rate_of_soft_photon_exchange_is_that_of_equivalent_photons(mass):
    """Q^2 < 1e-3 GeV^2, the photon spectrum with its limit of Q^2 (Budnev et al. 1975, eq. 6.16b)."""
    s, most, n = SYMMETRIC.s, 1e-3, 250_000
    nodes, weights = np.polynomial.legendre.leggauss(40)
    low = (mass + M_MUON) ** 2 / s
    x = low + (1 - low) * ((nodes + 1) / 2) ** 2
    measure = weights / 2 * (1 - low) * (nodes + 1)
    least = M_ELECTRON**2 * x**2 / (1 - x)
    spectrum = (
        ALPHA
        / (2 * np.pi)
        * ((1 + (1 - x) ** 2) / x * np.log(most / least) - 2 * M_ELECTRON**2 * x * (1 / least - 1 / most))
    )
    known = np.array([photon_cross_section(v * s, mass) for v in x])
    expected = 2 * np.sum(measure * np.where(least < most, spectrum, 0) * known) * GEV2_TO_FB
    events = generate(n, seed=3, mass=mass, coupling=1.0, radiation=False)
    electrons = events.pdgid[:, 0] == 11
    beam = np.where(electrons[:, np.newaxis], SYMMETRIC.electron, SYMMETRIC.positron)
    soft = np.where(mass_squared(beam - events.p4[:, 0]) > -most, events.weight, 0.0)
    error = soft.std() / np.sqrt(n)
    assert error < 0.02 * expected
    assert soft.mean() == pytest.approx(expected, abs=3.5 * error)


@pytest.mark.parametrize("mass", [0.12, 2.0, 10.0])
@pytest.mark.parametrize("radiation", [True, False])
def test_momentum_is_conserved_and_every_particle_on_its_mass_shell(mass, radiation):
    events = generate(4000, seed=4, beams=BELLE2, mass=mass, radiation=radiation)
    used = events.weight > 0
    assert used.mean() > 0.8
    np.testing.assert_allclose(events.p4.sum(axis=1)[used], events.beams_p4[used], atol=1e-9)
    for slot, m in enumerate((M_ELECTRON, M_MUON, mass)):
        np.testing.assert_allclose(mass_squared(events.p4[used, slot]), m**2, atol=1e-9)
    np.testing.assert_array_equal(np.abs(events.pdgid[:, :3]), np.tile([11, 13, 32], (4000, 1)))
    np.testing.assert_array_equal(events.pdgid[:, 0] * events.pdgid[:, 1], -143)
    assert not np.any(events.p4[events.pdgid == 0])


def test_both_charges_are_made_and_follow_their_beams():
    events = generate(50_000, seed=5, mass=2.0, radiation=False)
    charge = np.sign(events.pdgid[:, 0])
    assert np.mean(charge > 0) == pytest.approx(0.5, abs=0.01)
    forward = np.sign(events.p4[:, 0, 3]) * charge * events.weight
    assert forward.sum() > 0.8 * events.weight.sum()  # electrons along the electron beam, positrons along theirs
    for sign in (1, -1):
        share = events.weight[charge == sign].sum() / events.weight.sum()
        assert share == pytest.approx(0.5, abs=0.05)


def test_rate_with_radiation_is_finite_and_near_that_without():
    """Over all angles soft exchange does not depend on s by much: radiation changes it by K and little else."""
    with_radiation, without = (
        generate(100_000, seed=6, mass=1.0, radiation=radiation).weight for radiation in (True, False)
    )
    errors = [w.std() / np.sqrt(w.size) / w.mean() for w in (with_radiation, without)]
    assert with_radiation.mean() / without.mean() == pytest.approx(1.0, abs=0.05 + 3 * np.hypot(*errors))


def test_events_do_not_depend_on_the_frame():
    """The same random numbers in a boosted frame give the same weights and the same momenta at rest."""
    babar = replace(BEAMS["babar"], electron_spread=0.0, positron_spread=0.0)
    at_rest = Beams(electron_energy=babar.sqrt_s / 2, positron_energy=babar.sqrt_s / 2)
    moving, resting = (generate(1000, seed=7, beams=b, mass=2.0, radiation=False) for b in (babar, at_rest))
    np.testing.assert_allclose(moving.weight, resting.weight, rtol=1e-5)
    np.testing.assert_allclose(boost(moving.p4[:, :3], -babar.velocity), resting.p4[:, :3], atol=1e-5)


@pytest.mark.parametrize("mass", [0.1, 0.0, 10.5, np.nan])
def test_mass_outside_the_kinematic_range_raises_and_is_named(mass):
    with pytest.raises(InputError, match=f"mass = {mass} GeV"):
        generate(10, seed=1, mass=mass)


def test_coupling_that_is_not_positive_raises():
    with pytest.raises(InputError, match=r"coupling = 0\.0"):
        generate(10, seed=1, mass=1.0, coupling=0.0)
