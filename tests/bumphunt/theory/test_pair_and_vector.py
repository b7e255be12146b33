"""Closed forms against explicit Dirac matrices, the massive-gluon limit and a table of cross sections."""

import numpy as np
import pytest

from bumphunt.constants import M_MUON
from bumphunt.errors import InputError
from bumphunt.theory.pair_and_vector import (
    current_trace,
    dalitz_limits,
    total_cross_section,
    transverse_current,
)

METRIC = np.diag([1.0, -1.0, -1.0, -1.0])
PAULI = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
ZERO, ONE = np.zeros((2, 2)), np.eye(2)
GAMMA = np.array([np.block([[ONE, ZERO], [ZERO, -ONE]])] + [np.block([[ZERO, s], [-s, ZERO]]) for s in PAULI])
UNIT = np.eye(4)


def slash(p):
    return np.einsum("m,mij->ij", METRIC @ p, GAMMA)


def dot(p, q):
    return p @ METRIC @ q


def random_decay(rng, *, s, m, mass):
    """Return q1, q2, k at rest: two sequential two-body decays, any allowed point will do."""

    def two_body(total, m1, m2):
        p = np.sqrt((total**2 - (m1 + m2) ** 2) * (total**2 - (m1 - m2) ** 2)) / (2 * total)
        n = rng.normal(size=3)
        n *= p / np.linalg.norm(n)
        return np.array([np.hypot(m1, p), *n]), np.array([np.hypot(m2, p), *-n])

    pair_mass = 2 * m + (np.sqrt(s) - mass - 2 * m) * rng.random()
    pair, k = two_body(np.sqrt(s), pair_mass, mass)
    q1, q2 = two_body(pair_mass, m, m)
    gamma, along = pair[0] / pair_mass, pair[1:] / pair_mass

    def boosted(q):
        e = gamma * q[0] + along @ q[1:]
        return np.array([e, *(q[1:] + along * (q[0] + e) / (1 + gamma))])

    return boosted(q1), boosted(q2), k


def amplitude(q1, q2, k, m):
    """Return the matrices Gamma^{alpha mu} between the spinors, shape (4, 4, 4, 4): V, photon, spinor, spinor."""
    one, two = q1 + k, q2 + k
    d1, d2 = dot(one, one) - m * m, dot(two, two) - m * m
    first, second = (slash(one) + m * UNIT) / d1, (m * UNIT - slash(two)) / d2
    return np.einsum("aij,jk,mkl->amil", GAMMA, first, GAMMA) + np.einsum("mij,jk,akl->amil", GAMMA, second, GAMMA)


def tensor(q1, q2, k, m):
    """Return H^{mu nu}, summed over spins and over the polarisations of V (-g, its current being conserved)."""
    vertex = amplitude(q1, q2, k, m)
    conjugate = np.einsum("ij,amkj,kl->amil", GAMMA[0], vertex.conj(), GAMMA[0])
    left, right = slash(q1) + m * UNIT, slash(q2) - m * UNIT
    return np.einsum("ij,amjk,kl,bnli,ab->mn", left, vertex, right, conjugate, -METRIC)


CASES = [(10.58, M_MUON, 0.1), (10.58, M_MUON, 3.0), (6.0, 1.2, 0.7), (2.0, 0.3, 1.2)]


@pytest.mark.parametrize(("sqrt_s", "m", "mass"), CASES)
def test_closed_forms_are_the_traces_of_dirac_matrices(sqrt_s, m, mass):
    rng = np.random.default_rng(5)
    for _ in range(20):
        q1, q2, k = random_decay(rng, s=sqrt_s**2, m=m, mass=mass)
        h = tensor(q1, q2, k, m)
        d1, d2 = dot(q1 + k, q1 + k) - m * m, dot(q2 + k, q2 + k) - m * m
        trace = current_trace(d1, d2, s=sqrt_s**2, m=m, mass=mass)
        assert trace == pytest.approx(-np.einsum("mn,mn->", METRIC, h).real, rel=1e-9)
        across = transverse_current(d1, d2, q1[3], q2[3], sqrt_s**2, m, mass)
        assert across == pytest.approx((h[1, 1] + h[2, 2]).real, rel=1e-9)


@pytest.mark.parametrize(("sqrt_s", "m", "mass"), CASES)
def test_closed_form_is_the_whole_tensor_and_transverse(sqrt_s, m, mass):
    """Beams along enough axes n give every H_ij by polarisation; H_0mu = 0 is then Q_mu H^mu_nu = 0 at rest."""
    rng = np.random.default_rng(8)
    q1, q2, k = random_decay(rng, s=sqrt_s**2, m=m, mass=mass)
    h = tensor(q1, q2, k, m).real
    d1, d2 = dot(q1 + k, q1 + k) - m * m, dot(q2 + k, q2 + k) - m * m
    trace = current_trace(d1, d2, s=sqrt_s**2, m=m, mass=mass)

    def quadratic(n):
        return trace - transverse_current(d1, d2, q1[1:] @ n, q2[1:] @ n, sqrt_s**2, m, mass)

    closed = np.zeros((4, 4))
    for i in range(3):
        for j in range(3):
            plus, minus = UNIT[i, :3] + UNIT[j, :3], UNIT[i, :3] - UNIT[j, :3]
            # off the diagonal: n H n of the unit vectors along e_i + e_j and e_i - e_j differ by 2 H_ij
            closed[1 + i, 1 + j] = (
                quadratic(plus / 2) if i == j else (quadratic(plus / np.sqrt(2)) - quadratic(minus / np.sqrt(2))) / 2
            )
    np.testing.assert_allclose(closed, h, atol=1e-9 * np.abs(h).max())
    total = q1 + q2 + k
    assert np.abs(METRIC @ total @ h).max() < 1e-9 * sqrt_s * np.abs(h).max()


@pytest.mark.parametrize(("sqrt_s", "m", "mass"), CASES)
def test_both_currents_are_conserved(sqrt_s, m, mass):
    """Ward identities: the sum over diagrams vanishes when V, or the virtual photon, is replaced by its momentum."""
    rng = np.random.default_rng(6)
    for _ in range(5):
        q1, q2, k = random_decay(rng, s=sqrt_s**2, m=m, mass=mass)
        vertex = amplitude(q1, q2, k, m)
        left, right = slash(q1) + m * UNIT, slash(q2) - m * UNIT
        sandwich = np.einsum("ij,amjk,kl->amil", left, vertex, right)
        size = np.abs(sandwich).max() * sqrt_s
        assert np.abs(np.einsum("a,amil->mil", METRIC @ k, sandwich)).max() < 1e-10 * size
        assert np.abs(np.einsum("m,amil->ail", METRIC @ (q1 + q2 + k), sandwich)).max() < 1e-10 * size


@pytest.mark.parametrize(("sqrt_s", "m", "mass"), CASES)
def test_every_decay_lies_within_the_dalitz_limits(sqrt_s, m, mass):
    rng = np.random.default_rng(7)
    for _ in range(50):
        q1, q2, k = random_decay(rng, s=sqrt_s**2, m=m, mass=mass)
        d1, d2 = dot(q1 + k, q1 + k) - m * m, dot(q2 + k, q2 + k) - m * m
        low, high = dalitz_limits(d1, s=sqrt_s**2, m=m, mass=mass)
        assert low * (1 - 1e-9) <= d2 <= high * (1 + 1e-9)


# e+e- -> mu+ mu- Z' at sqrt(s) = 10.58 GeV, g' = 0.1, alpha(0), no initial-state radiation: an independent calculation
# (numerical, checked against the Dokshitzer-Marchesini-Webber massive-gluon formula at zero muon mass).
TABLE = {0.1: 5677.64, 0.5: 2023.63, 1.0: 995.634, 2.0: 346.613, 3.0: 137.109, 4.0: 54.3924, 5.0: 20.2524,
         6.0: 6.63235, 7.0: 1.74102, 8.0: 0.308109, 9.5: 3.19777e-3}  # fmt: skip
# The massless limit: Y. L. Dokshitzer, G. Marchesini, B. R. Webber, Nucl. Phys. B 469 (1996) 93.
MASSLESS = {0.5: 2.0460e3, 2.0: 0.34805e3, 6.0: 0.00669e3}


@pytest.mark.parametrize(("mass", "expected"), TABLE.items())
def test_cross_section_is_that_of_the_table(mass, expected):
    sigma = total_cross_section(10.58**2, m=M_MUON, mass=mass, coupling=0.1)
    assert sigma == pytest.approx(expected, rel=2e-5)


@pytest.mark.parametrize(("mass", "expected"), MASSLESS.items())
def test_cross_section_for_massless_leptons_is_that_of_a_massive_gluon(mass, expected):
    sigma = total_cross_section(10.58**2, m=1e-5, mass=mass, coupling=0.1)
    assert sigma == pytest.approx(expected, rel=1e-3)


def test_cross_section_vanishes_below_threshold():
    s = np.array([(3 + 2 * M_MUON) ** 2 - 1e-6, (3 + 2 * M_MUON) ** 2 + 1.0])
    sigma = total_cross_section(s, m=M_MUON, mass=3.0, coupling=1.0)
    assert sigma[0] == 0
    assert sigma[1] > 0


@pytest.mark.parametrize(("m", "mass"), [(0.0, 1.0), (0.1, 0.0), (0.1, -1.0), (0.1, np.nan)])
def test_masses_that_are_not_positive_raise(m, mass):
    with pytest.raises(InputError, match="both must be positive"):
        total_cross_section(100.0, m=m, mass=mass, coupling=1.0)
