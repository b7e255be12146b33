"""Amplitudes of e+e- -> e+e- gamma and -> 3 gamma against Dirac matrices, published massless forms and symmetries."""

import itertools

import numpy as np
import pytest

from bumphunt.constants import M_ELECTRON
from bumphunt.kinematics.compiled import massless_product
from bumphunt.kinematics.momenta import boost
from bumphunt.montecarlo.amplitudes import radiative_bhabha as bhabha
from bumphunt.montecarlo.amplitudes import three_photons as photons
from bumphunt.montecarlo.amplitudes.vacuum_polarisation import running
from bumphunt.montecarlo.phase_space.decays import many_body

METRIC = np.diag([1.0, -1, -1, -1])
PAULI = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
ONE, ZERO = np.eye(2), np.zeros((2, 2))
# the Dirac representation: nothing shared with the chiral spinors of the code
GAMMA = np.array([np.block([[ONE, ZERO], [ZERO, -ONE]])] + [np.block([[ZERO, s], [-s, ZERO]]) for s in PAULI])
LOWER = np.einsum("mn,nij->mij", METRIC, GAMMA)
UNIT = np.eye(4)
ENERGIES = [0.8e-3, 5e-3, 0.1, 5.29]  # from near the electron mass to that of the experiments


def slash(p):
    return np.einsum("m,mij->ij", p, LOWER)


def dot(p, q):
    return float(p @ METRIC @ q)


def propagator(p):
    return (slash(p) + M_ELECTRON * UNIT) / (dot(p, p) - M_ELECTRON**2)


def point(energy, masses, seed):
    """Return beams along z and three particles, flat in phase space."""
    rng = np.random.default_rng(seed)
    out = np.empty((3, 4))
    many_body(2 * energy, np.array(masses), (2 * energy) ** 2, rng, out)
    p = np.sqrt(energy**2 - M_ELECTRON**2)
    return np.array([energy, 0, 0, p]), np.array([energy, 0, 0, -p]), *out


def tuples(momenta):
    return tuple(tuple(float(c) for c in p) for p in momenta)


def bhabha_tensor(p1, p2, q1, q2, k, run):
    """Return the eight diagrams, indices: photon, then spinors ubar(q1) u(p1) vbar(p2) v(q2)."""

    def emit(left, right):
        return np.einsum("aij,jk,mkl->amil", GAMMA, left, GAMMA) + np.einsum("mij,jk,akl->amil", GAMMA, right, GAMMA)

    before1, before2 = propagator(p1 - k), propagator(k - p2)
    after1, after2 = propagator(q1 + k), propagator(-q2 - k)
    t1, t2, s, s_after = (dot(p, p) for p in (p1 - q1, p2 - q2, p1 + p2, q1 + q2))
    total = np.einsum("amij,mkl->aijkl", emit(after1, before1), LOWER) * (run(t2) / t2)
    total = total + np.einsum("mij,amkl->aijkl", LOWER, emit(before2, after2)) * (run(t1) / t1)
    total = total - np.einsum("amkj,mil->aijkl", emit(before2, before1), LOWER) * (run(s_after) / s_after)
    return total - np.einsum("mkj,amil->aijkl", LOWER, emit(after1, after2)) * (run(s) / s)


def bhabha_square(p1, p2, q1, q2, k, run):
    """Return sum |M|^2 / e^6 by Dirac matrices; the sum over photon spins is minus the metric."""
    tensor = bhabha_tensor(p1, p2, q1, q2, k, run)
    u, v = (lambda p: (slash(p) + M_ELECTRON * UNIT) @ GAMMA[0]), (lambda p: (slash(p) - M_ELECTRON * UNIT) @ GAMMA[0])
    bar = lambda square: np.einsum("xi,yx,yj->ij", GAMMA[0], square, GAMMA[0])  # noqa: E731
    spins = (bar(u(q1)), u(p1), bar(v(p2)), v(q2))
    summed = np.einsum("aijkl,ix,jy,kz,lw->axyzw", tensor, *spins, optimize=True)
    return -np.einsum("aijkl,ab,bijkl->", summed, METRIC, tensor.conj()).real


def bhabha_code(p1, p2, q1, q2, k):
    momenta = tuples((p1, p2, q1, q2, k))
    return bhabha.squared_amplitude(*momenta, bhabha.invariants(*momenta), bhabha.work_space())


def photons_square(p1, p2, ks):
    """Return sum |M|^2 / e^6 of the six diagrams by Dirac matrices."""
    tensor = 0
    for a, b, c in itertools.permutations(range(3)):
        chain = np.einsum(
            "xij,jk,ykl,lm,zmn->xyzin", GAMMA, propagator(ks[c] - p2), GAMMA, propagator(p1 - ks[a]), GAMMA
        )
        order = [c, b, a]
        tensor = tensor + np.transpose(chain, [order.index(i) for i in range(3)] + [3, 4])
    bar = np.einsum("ij,xyzkj,kl->xyzil", GAMMA[0], tensor.conj(), GAMMA[0])
    u, v = slash(p1) + M_ELECTRON * UNIT, slash(p2) - M_ELECTRON * UNIT
    return -np.einsum(
        "xyzij,jk,abckl,li,xa,yb,zc->", tensor, u, bar, v, METRIC, METRIC, METRIC, optimize=True
    ).real  # fmt: skip


def photons_code(p1, p2, ks, order=(0, 1, 2)):
    q1, q2 = tuples((p1, p2))
    k = tuples([ks[i] for i in order])
    first, second = (tuple(massless_product(q, x, M_ELECTRON) for x in k) for q in (q1, q2))
    return photons.squared_amplitude(q1, q2, k, first, second, photons.work_space())


@pytest.mark.parametrize("energy", ENERGIES)
def test_radiative_bhabha_is_that_of_dirac_matrices(energy):
    for seed in range(5):
        momenta = point(energy, [M_ELECTRON, M_ELECTRON, 0], seed)
        assert bhabha_code(*momenta) == pytest.approx(bhabha_square(*momenta, running), rel=1e-8)


@pytest.mark.parametrize("energy", ENERGIES)
def test_three_photons_are_those_of_dirac_matrices(energy):
    for seed in range(5):
        p1, p2, *ks = point(energy, [0, 0, 0], seed)
        assert photons_code(p1, p2, ks) == pytest.approx(photons_square(p1, p2, ks), rel=1e-8)


def test_ward_identity_of_the_diagrams():
    """A photon polarised along its momentum does not couple, which fixes the signs between the diagrams."""
    momenta = point(0.005, [M_ELECTRON, M_ELECTRON, 0], 7)
    p1, p2, q1, q2, k = momenta
    tensor = bhabha_tensor(*momenta, lambda _: 1.0)
    project = [(slash(q1) + M_ELECTRON * UNIT), (slash(p1) + M_ELECTRON * UNIT)]
    project += [(slash(p2) - M_ELECTRON * UNIT), (slash(q2) - M_ELECTRON * UNIT)]
    on_shell = np.einsum("xi,jy,zk,lw,aijkl->axyzw", *project, tensor, optimize=True)
    contracted = np.einsum("a,axyzw->xyzw", METRIC @ k, on_shell)
    assert np.abs(contracted).max() < 1e-10 * np.abs(on_shell).max() * k[0]


@pytest.mark.parametrize("seed", range(3))
def test_amplitudes_do_not_depend_on_the_gauge(seed):
    """The polarisation has no energy in the frame of evaluation: another frame is another gauge."""
    velocity = np.array([0.3, -0.5, 0.2])
    momenta = point(5.29, [M_ELECTRON, M_ELECTRON, 0], seed)
    at_rest, moving = tuples(momenta), tuples(boost(np.array(momenta), velocity))
    x, work = bhabha.invariants(*at_rest), bhabha.work_space()
    assert bhabha.squared_amplitude(*moving, x, work) == pytest.approx(bhabha_code(*momenta), rel=1e-7)
    p1, p2, *ks = point(5.29, [0, 0, 0], seed)
    q1, q2, *moved = boost(np.array([p1, p2, *ks]), velocity)
    assert photons_code(q1, q2, moved) == pytest.approx(photons_code(p1, p2, ks), rel=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_radiative_bhabha_is_calkuls_without_masses(seed):
    """Berends et al., Nucl. Phys. B 206 (1982) 61; alpha does not run in that formula, nor here in the oracle."""
    p1, p2, q1, q2, k = momenta = point(5.29, [M_ELECTRON, M_ELECTRON, 0], seed)
    s, s_, t, t_, u, u_ = (dot(p, p) for p in (p1 + p2, q1 + q2, p1 - q1, p2 - q2, p1 - q2, p2 - q1))
    a, b, c, d = (dot(p, k) for p in (p1, p2, q1, q2))
    born = s * s_ * (s**2 + s_**2) + t * t_ * (t**2 + t_**2) + u * u_ * (u**2 + u_**2)
    soft = s / (a * b) + s_ / (c * d) - t / (a * c) - t_ / (b * d) + u / (a * d) + u_ / (b * c)
    expected = 4 * born / (s * s_ * t * t_) * soft
    assert bhabha_square(*momenta, lambda _: 1.0) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_three_photons_are_berends_and_kleisss_without_masses(seed):
    """Berends, Kleiss, Nucl. Phys. B 186 (1981) 22."""
    p1, p2, *ks = point(5.29, [0, 0, 0], seed)
    a, b = np.array([dot(p1, k) for k in ks]), np.array([dot(p2, k) for k in ks])
    expected = 4 * (4 * 5.29**2) * np.sum(a * b * (a**2 + b**2)) / np.prod(a * b)
    assert photons_code(p1, p2, ks) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_charge_conjugation_and_exchange_of_photons(seed):
    p1, p2, q1, q2, k = momenta = point(5.29, [M_ELECTRON, M_ELECTRON, 0], seed)
    turn = np.diag([1.0, 1, -1, -1])  # half a turn exchanges the beams
    swapped = (turn @ p2, turn @ p1, turn @ q2, turn @ q1, turn @ k)
    assert bhabha_code(*swapped) == pytest.approx(bhabha_code(*momenta), rel=1e-9)
    p1, p2, *ks = point(5.29, [0, 0, 0], seed)
    for order in itertools.permutations(range(3)):
        assert photons_code(p1, p2, ks, order) == pytest.approx(photons_code(p1, p2, ks), rel=1e-9)


def test_collinear_photon_and_smallest_transfer_keep_their_digits():
    """p.k of a photon at 1e-6 rad, and t of an electron that loses energy along its beam, in extended precision."""
    energy = 5.29
    p = np.sqrt(energy**2 - M_ELECTRON**2)
    angle, omega = 1e-6, 1.3
    k = (omega, omega * np.sin(angle), 0.0, omega * np.cos(angle))
    exact = energy * omega * (M_ELECTRON**2 / (energy * (energy + p)) + p / energy * 2 * np.sin(angle / 2) ** 2)
    assert massless_product((energy, 0.0, 0.0, p), k, M_ELECTRON) == pytest.approx(exact, rel=1e-9)
    y = 0.3  # BGMS eq. 6.16: t_min = m^2 y^2 / (1 - y)
    after = (1 - y) * energy
    q = (after, 0.0, 0.0, np.sqrt(after**2 - M_ELECTRON**2))
    x = bhabha.invariants((energy, 0.0, 0.0, p), (energy, 0.0, 0.0, -p), q, q, k)
    assert x[2] == pytest.approx(M_ELECTRON**2 * y**2 / (1 - y), rel=1e-6)
