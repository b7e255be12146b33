"""One photon: closed forms against Dirac matrices, the limits of textbooks, and the weight of the hardest photon."""

import numpy as np
import pytest
from scipy import integrate

from bumphunt.constants import ALPHA, GEV2_TO_FB, M_ELECTRON, M_MUON, M_TAU
from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import boost
from bumphunt.montecarlo.amplitudes.pair_photon import from_beams, from_leptons, interference
from bumphunt.montecarlo.radiation.hardest_photon import SOFT_FRACTION, hardest_photon_weight
from bumphunt.theory.lepton_pairs import born_cross_section

METRIC = np.diag([1.0, -1.0, -1.0, -1.0])
PAULI = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
ZERO, ONE = np.zeros((2, 2)), np.eye(2)
GAMMA = np.array([np.block([[ONE, ZERO], [ZERO, -ONE]])] + [np.block([[ZERO, s], [-s, ZERO]]) for s in PAULI])
LOWER = np.einsum("mn,nij->mij", METRIC, GAMMA)
UNIT = np.eye(4)
SQRT_S = 10.58


def dot(p, q):
    return np.sum(p * q * np.diag(METRIC), axis=-1)


def slash(p):
    return np.einsum("m,mij->ij", p, LOWER)


def pairs(lost, cos, mass, *, n, seed, sqrt_s=SQRT_S):
    """Return random events, (n, 5, 4): the photon has the fraction `lost`, and `cos` with l- in the frame of the pair.

    Everything is turned at random, the beams are along z.
    """
    rng = np.random.default_rng(seed)
    lost, cos = np.broadcast_to(lost, n), np.broadcast_to(cos, n)
    left = sqrt_s * np.sqrt(1 - lost)
    axes = np.linalg.qr(rng.normal(size=(n, 3, 3)))[0]  # columns are orthonormal
    k = np.concatenate([np.ones((n, 1)), axes[:, :, 0]], axis=1) * (lost * sqrt_s / 2)[:, np.newaxis]
    direction = cos[:, np.newaxis] * axes[:, :, 0] + np.sqrt(1 - cos**2)[:, np.newaxis] * axes[:, :, 1]
    p = np.sqrt(left**2 / 4 - mass**2)[:, np.newaxis] * direction
    velocity = -k[:, 1:] / (sqrt_s - k[:, :1])
    one = boost(np.concatenate([left[:, np.newaxis] / 2, p], axis=1), velocity)
    two = boost(np.concatenate([left[:, np.newaxis] / 2, -p], axis=1), velocity)
    beam = np.tile([sqrt_s / 2, 0, 0, np.sqrt(sqrt_s**2 / 4 - M_ELECTRON**2)], (n, 1))
    return np.stack([beam, beam * [1, -1, -1, -1], one, two, k], axis=1)


def one_photon_matrix_element(sample, *, mass):
    """Return the parts of the matrix element, (n, 3): photons from beams, from leptons, interference."""
    events = [tuple(tuple(map(float, q)) for q in event) for event in sample]
    return np.array([(from_beams(*e), from_leptons(*e, mass), interference(*e, mass)) for e in events])


def amplitudes(p1, p2, q1, q2, k, m):
    """Return E^{alpha mu} and H^{alpha mu} between the spinors of beams and leptons, (4, 4, 4, 4) each."""
    first, second = slash(p1 - k) + M_ELECTRON * UNIT, slash(k - p2) + M_ELECTRON * UNIT
    initial = np.einsum("mij,jk,akl->amil", GAMMA, first / (-2 * dot(p1, k)), GAMMA)
    initial += np.einsum("aij,jk,mkl->amil", GAMMA, second / (-2 * dot(p2, k)), GAMMA)
    first, second = slash(q1 + k) + m * UNIT, m * UNIT - slash(q2 + k)
    final = np.einsum("aij,jk,mkl->amil", GAMMA, first / (2 * dot(q1, k)), GAMMA)
    final += np.einsum("mij,jk,akl->amil", GAMMA, second / (2 * dot(q2, k)), GAMMA)
    return initial, final


def spin_sums(p1, p2, q1, q2, m):
    """Return the projectors on v(p2), u(p1), u(q1), v(q2)."""
    return slash(p2) - M_ELECTRON * UNIT, slash(p1) + M_ELECTRON * UNIT, slash(q1) + m * UNIT, slash(q2) - m * UNIT


def bar(vertex):
    return np.einsum("ij,...kj,kl->...il", GAMMA[0], vertex.conj(), GAMMA[0])


def traces(momenta, m):
    """Return the three parts of sum |M|^2 / e^6 from traces of Dirac matrices."""
    p1, p2, q1, q2, _ = momenta
    s, s_left = dot(p1 + p2, p1 + p2), dot(q1 + q2, q1 + q2)
    initial, final = amplitudes(*momenta, m)
    v2, u1, u, v = spin_sums(p1, p2, q1, q2, m)
    beams = np.einsum("ij,mjk,kl,nli->mn", v2, LOWER, u1, LOWER)
    leptons = np.einsum("ij,mjk,kl,nli->mn", u, LOWER, v, LOWER)
    radiating = np.einsum("ij,amjk,kl,bnli,ab->mn", v2, initial, u1, bar(initial), -METRIC)
    radiated = np.einsum("ij,amjk,kl,bnli,ab->mn", u, final, v, bar(final), -METRIC)
    one = np.einsum("ij,amjk,kl,nli->amn", v2, initial, u1, LOWER)
    two = np.einsum("ij,mjk,kl,bnli->bmn", u, LOWER, v, bar(final))
    return (
        np.einsum("mn,mn->", radiating, leptons).real / s_left**2,
        np.einsum("mn,mn->", radiated, beams).real / s**2,
        2 * np.einsum("amn,bmn,ab->", one, two, -METRIC).real / (s * s_left),
    )


CASES = [(SQRT_S, M_MUON), (SQRT_S, M_TAU), (3.0, 1.2), (0.7, 0.1)]


@pytest.mark.parametrize(("sqrt_s", "m"), CASES)
def test_closed_forms_are_the_traces_of_dirac_matrices(sqrt_s, m):
    rng = np.random.default_rng(1)
    largest = 1 - 4 * m**2 / sqrt_s**2
    sample = pairs(largest * rng.random(20), 2 * rng.random(20) - 1, m, n=20, seed=2, sqrt_s=sqrt_s)
    parts = one_photon_matrix_element(sample, mass=m)
    for momenta, part in zip(sample, parts, strict=True):
        expected = traces(momenta, m)
        # the beams are massless in the second and in the third
        assert part == pytest.approx(expected, rel=1e-5, abs=1e-6 * (expected[0] + expected[1]))


def test_photons_are_transverse():
    """Ward identity of the traced amplitudes: nothing is left with k in the place of the polarisation."""
    for momenta in pairs(0.4, 0.3, M_TAU, n=5, seed=3):
        p1, p2, q1, q2, k = momenta
        v2, u1, u, v = spin_sums(p1, p2, q1, q2, M_TAU)
        for vertex, left, right in zip(amplitudes(*momenta, M_TAU), (v2, u), (u1, v), strict=True):
            contracted = np.einsum("a,ij,amjk,kl->mil", METRIC @ k, left, vertex, right)
            single = np.einsum("ij,amjk,kl->amil", left, vertex, right)
            assert np.abs(contracted).max() < 1e-10 * k[0] * np.abs(single).max()


def test_massless_parts_are_those_of_berends_and_kleiss():
    sample = pairs(0.6, 0.2, 1e-4, n=200, seed=4)
    p1, p2, q1, q2, k = np.moveaxis(sample, 1, 0)
    inside = np.abs(k[:, 3]) < 0.95 * k[:, 0]
    ratio = lambda a, b: a / dot(a, k)[:, np.newaxis] - b / dot(b, k)[:, np.newaxis]  # noqa: E731
    initial, final = ratio(p1, p2), ratio(q1, q2)
    squares = sum((2 * dot(p, q)) ** 2 for p in (p1, p2) for q in (q1, q2))
    factor = 4 * squares / (dot(p1 + p2, p1 + p2) * dot(q1 + q2, q1 + q2))
    expected = factor * np.array([-dot(initial, initial), -dot(final, final), 2 * dot(initial, final)])
    scale = expected[0] + expected[1]
    np.testing.assert_allclose((one_photon_matrix_element(sample, mass=1e-4) / scale[:, np.newaxis])[inside],
                               (expected / scale).T[inside], atol=1e-5)  # fmt: skip


@pytest.mark.parametrize("m", [M_MUON, M_TAU])
def test_soft_photons_have_the_classical_current(m):
    sample = pairs(1e-5, np.linspace(-0.9, 0.9, 200), m, n=200, seed=5)
    p1, p2, q1, q2, k = np.moveaxis(sample, 1, 0)
    current = sum(
        sign * p / dot(p, k)[:, np.newaxis] for sign, p in ((1, p1), (-1, p2), (-1, q1), (1, q2))
    )  # fmt: skip
    born = 32 / SQRT_S**4 * (dot(p1, q1) * dot(p2, q2) + dot(p1, q2) * dot(p2, q1) + m**2 * dot(p1, p2))
    total = one_photon_matrix_element(sample, mass=m).sum(axis=1)
    np.testing.assert_allclose(total, -dot(current, current) * born, rtol=1e-4)


def test_interference_is_odd_under_the_exchange_of_the_leptons():
    sample = pairs(0.5, 0.4, M_TAU, n=50, seed=6)
    parts = one_photon_matrix_element(sample, mass=M_TAU)
    exchanged = one_photon_matrix_element(sample[:, [0, 1, 3, 2, 4]], mass=M_TAU)
    np.testing.assert_allclose(exchanged, parts * [1, 1, -1], rtol=1e-6)


@pytest.mark.parametrize("m", [M_MUON, M_TAU])
@pytest.mark.parametrize("lost", [0.1, 0.5, 0.8])
def test_photons_of_the_beams_are_those_of_bonneau_and_martin(lost, m):
    """Integral over all directions of the leptons by quadrature, at one energy and angle of the photon."""
    s, cos_photon = SQRT_S**2, 0.7
    b = np.sqrt(1 - 4 * m**2 / (s * (1 - lost)))
    nodes, weights = np.polynomial.legendre.leggauss(8)
    azimuth = np.arange(8) * np.pi / 4
    cos, phi = (x.ravel() for x in np.meshgrid(nodes, azimuth, indexing="ij"))
    sin = np.sqrt(1 - cos**2)
    axes = np.stack([np.ones_like(cos), b * sin * np.cos(phi), b * sin * np.sin(phi), b * cos], axis=1)
    k = lost * SQRT_S / 2 * np.array([1, np.sqrt(1 - cos_photon**2), 0, cos_photon])
    half = SQRT_S * np.sqrt(1 - lost) / 2
    one, two = (
        boost(half * axes * [1, sign, sign, sign], np.tile(-k[1:] / (SQRT_S - k[0]), (64, 1))) for sign in (1, -1)
    )
    beam = np.tile([SQRT_S / 2, 0, 0, np.sqrt(s / 4 - M_ELECTRON**2)], (64, 1))
    sample = np.stack([beam, beam * [1, -1, -1, -1], one, two, np.tile(k, (64, 1))], axis=1)
    average = np.sum(np.repeat(weights, 8) / 16 * one_photon_matrix_element(sample, mass=m)[:, 0])
    # |M|^2 / 4, flux 2s, k dk dcos / (8 pi^2) and two-body phase space b / (8 pi), in x = 2 k / sqrt(s)
    density = (4 * np.pi * ALPHA) ** 3 * average / 4 / (2 * s) * lost * s / 4 / (8 * np.pi**2) * b / (8 * np.pi)
    # far from the beams: (alpha / pi x) [(2 - 2x + x^2) / sin^2 - x^2 / 2] sigma(s (1 - x))
    shape = (2 - 2 * lost + lost**2) / (1 - cos_photon**2) - lost**2 / 2
    expected = ALPHA / (np.pi * lost) * shape * float(born_cross_section(s * (1 - lost), m))
    assert density * GEV2_TO_FB == pytest.approx(expected, rel=1e-5)


def test_photons_of_the_leptons_are_those_of_the_textbook():
    """dsigma/dx1 dx2 = sigma (alpha / 2 pi) (x1^2 + x2^2) / (1 - x1)(1 - x2) of massless leptons, over all directions.

    R. K. Ellis, W. J. Stirling, B. R. Webber, QCD and Collider Physics, eq. 3.16 without colour.
    """
    n, s = 4000, SQRT_S**2
    sample = pairs(0.5, 0.6, 1e-3, n=n, seed=7)
    x1, x2 = (2 * sample[0, leg, 0] / SQRT_S for leg in (2, 3))
    final = one_photon_matrix_element(sample, mass=1e-3)[:, 1]
    # |M|^2 / 4, flux 2s, three-body phase space s dx1 dx2 / (128 pi^3); sigma = 4 pi alpha^2 / 3s
    density = (4 * np.pi * ALPHA) ** 3 * final / 4 / (2 * s) * s / (128 * np.pi**3) / (4 * np.pi * ALPHA**2 / (3 * s))
    expected = ALPHA / (2 * np.pi) * (x1**2 + x2**2) / ((1 - x1) * (1 - x2))
    assert density.mean() == pytest.approx(expected, abs=4 * density.std() / np.sqrt(n))
    assert density.std() / np.sqrt(n) < 0.02 * expected


# --- the weight of the hardest photon --------------------------------------------------------------------------------


def generated(sample, slot):
    """Return beams and momenta with the photon of `sample` in a slot from 2 to 5, as the generators order them."""
    momenta = np.zeros((len(sample), 6, 4))
    momenta[:, :2], momenta[:, slot] = sample[:, 2:4], sample[:, 4]
    return sample[:, 0].copy(), sample[:, 1].copy(), momenta


def exponent(p1, p2, q1, q2):
    return 2 * ALPHA / np.pi * np.log(dot(p1, q1) * dot(p2, q2) / (dot(p1, q2) * dot(p2, q1)))


@pytest.mark.parametrize("slot", [2, 3, 4, 5])
def test_weight_is_that_of_interfering_currents(slot):
    """(v_p - v_q)^2 / (v_p^2 + v_q^2) of light leptons, times x^delta, whoever is said to have radiated."""
    lost = 0.3
    sample = pairs(lost, np.linspace(-0.95, 0.95, 100), 1e-3, n=100, seed=8)
    p1, p2, q1, q2, k = np.moveaxis(sample, 1, 0)
    initial = p1 / dot(p1, k)[:, np.newaxis] - p2 / dot(p2, k)[:, np.newaxis]
    final = q1 / dot(q1, k)[:, np.newaxis] - q2 / dot(q2, k)[:, np.newaxis]
    ratio = dot(initial - final, initial - final) / (dot(initial, initial) + dot(final, final))
    expected = ratio * lost ** exponent(p1, p2, q1, q2)
    weight = hardest_photon_weight(*generated(sample, slot), mass=1e-3)
    np.testing.assert_allclose(weight, expected, rtol=1e-4, atol=1e-5)
    assert expected.min() < 0.3  # it is no small effect
    assert expected.max() > 1.7


def test_collinear_photons_keep_their_rate():
    sample = pairs(0.4, np.array([1 - 1e-8, -1 + 1e-8] * 20), 1e-4, n=40, seed=9)
    weight = hardest_photon_weight(*generated(sample, 2), mass=1e-4)
    delta = exponent(*np.moveaxis(sample[:, :4], 1, 0))
    np.testing.assert_allclose(weight / 0.4**delta, 1.0, atol=5e-3)


@pytest.mark.parametrize("m", [M_MUON, M_TAU])
def test_interference_of_soft_photons_leaves_the_rate_at_every_angle(m):
    """x0^delta below the smallest fraction x0, where delta is the integral of the interference over soft photons."""
    sample = pairs(SOFT_FRACTION / 2, 0.0, m, n=50, seed=10)
    one = sample[:, 2]
    weight = hardest_photon_weight(*generated(sample, 2), mass=m)
    b = np.sqrt(1 - 4 * m**2 / SQRT_S**2)
    cos = one[:, 3] / np.linalg.norm(one[:, 1:], axis=1)
    expected = 4 * ALPHA / np.pi * np.log((1 - b * cos) / (1 + b * cos))
    np.testing.assert_allclose(weight, SOFT_FRACTION**expected, rtol=1e-3)
    q1, beam = one[0] / one[0, 0], np.array([1, 0, 0, np.sqrt(1 - 4 * M_ELECTRON**2 / SQRT_S**2)])

    def current(p, k):
        mirror = p * [1, -1, -1, -1]
        return p / dot(p, k) - mirror / dot(mirror, k)

    def angular(y, phi):  # 2 v_p.v_q alpha / (4 pi^2) k dk dcos dphi, cos = tanh y: dense at both beams
        k = np.array([1, np.cos(phi) / np.cosh(y), np.sin(phi) / np.cosh(y), np.tanh(y)])
        return 2 * ALPHA / (4 * np.pi**2) * dot(current(beam, k), current(q1, k)) / np.cosh(y) ** 2

    value = integrate.dblquad(angular, 0, 2 * np.pi, -12, 12, epsabs=1e-6, epsrel=1e-3)[0]
    assert value == pytest.approx(expected[0], rel=0.02)


def test_soft_companions_do_not_matter_and_the_frame_neither():
    sample = pairs(0.3, np.linspace(-0.8, 0.8, 50), M_TAU, n=50, seed=11)
    electron, positron, momenta = generated(sample, 4)
    alone = hardest_photon_weight(electron, positron, momenta, mass=M_TAU)
    direction = np.array([1, 0.6, 0, 0.8])
    for slot in (2, 3, 5):
        changed = momenta.copy()
        changed[:, slot] = 1e-7 * direction
        np.testing.assert_allclose(hardest_photon_weight(electron, positron, changed, mass=M_TAU), alone, rtol=1e-4)
    velocity = np.tile([0.1, 0.0, -0.3], (50, 1))
    moved = [boost(p4, velocity) for p4 in (electron, positron)]
    moving = boost(momenta, velocity[:, np.newaxis, :])
    np.testing.assert_allclose(hardest_photon_weight(*moved, moving, mass=M_TAU), alone, rtol=1e-4)


def test_wrong_shapes_raise_and_are_named():
    with pytest.raises(InputError, match=r"\(2, 5, 4\); they must be \(N, 6, 4\)"):
        hardest_photon_weight(np.zeros((2, 4)), np.zeros((2, 4)), np.zeros((2, 5, 4)), mass=M_MUON)
