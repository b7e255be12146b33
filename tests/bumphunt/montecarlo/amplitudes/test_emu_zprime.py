"""The amplitude of e+e- -> e mu Z' against traces of Dirac matrices, Ward identities, and limits in closed form."""

import numpy as np
import pytest

from bumphunt.constants import M_ELECTRON, M_MUON
from bumphunt.montecarlo.amplitudes.emu_zprime import amplitudes, squared_amplitude
from bumphunt.theory.pair_and_vector import current_trace, transverse_current

METRIC = np.diag([1.0, -1.0, -1.0, -1.0])
PAULI = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
ZERO, ONE = np.zeros((2, 2)), np.eye(2)
GAMMA = np.array([np.block([[ONE, ZERO], [ZERO, -ONE]])] + [np.block([[ZERO, s], [-s, ZERO]]) for s in PAULI])
UNIT = np.eye(4)
CASES = [(10.58, M_ELECTRON, M_MUON, 3.0), (10.58, M_ELECTRON, M_MUON, 0.2), (2.0, 0.1, 0.3, 0.7), (6.0, 0.3, 0.3, 1)]


def slash(p):
    return np.einsum("m,mij->ij", METRIC @ p, GAMMA)


def dot(p, q):
    return p @ METRIC @ q


def two_body(total, m1, m2, n):
    p = np.sqrt((total**2 - (m1 + m2) ** 2) * (total**2 - (m1 - m2) ** 2)) / (2 * total)
    return np.array([np.hypot(m1, p), *(p * n)]), np.array([np.hypot(m2, p), *(-p * n)])


def boosted(q, frame):
    mass = np.sqrt(dot(frame, frame))
    e = dot(frame, q * [1, -1, -1, -1]) / mass
    return np.array([e, *(q[1:] + frame[1:] * (q[0] + e) / (frame[0] + mass))])


def unit(rng):
    n = rng.normal(size=3)
    return n / np.linalg.norm(n)


def random_event(rng, root, me, mmu, mass):
    """Return p1, p2, p3, p4, k in the centre of mass, beams along z."""
    w = mmu + mass + (root - me - mmu - mass) * rng.random()
    p3, system = two_body(root, me, w, unit(rng))
    p4, k = (boosted(q, system) for q in two_body(w, mmu, mass, unit(rng)))
    pz = np.sqrt(root**2 / 4 - me**2)
    return np.array([root / 2, 0, 0, pz]), np.array([root / 2, 0, 0, -pz]), p3, p4, k


def evaluate(event, masses):
    """Return the spin sums: of the whole, and of s- and t-channel alone."""
    p1, p2, p3, p4, k = (tuple(map(float, p)) for p in event)
    t = float(dot(event[0] - event[2], event[0] - event[2]))
    work = np.empty((2, 2, 2, 2, 6), dtype=complex)
    whole = squared_amplitude(p1, p2, p3, p4, k, t, masses, work)
    return whole, np.sum(np.abs(work[..., :3]) ** 2), np.sum(np.abs(work[..., 3:]) ** 2)


def line(q, event, masses):
    """Return the matrices of one line, Z' index first: Z' before the photon with the momentum q, or after it."""
    (me, mmu, _), q4 = masses, event[3] + event[4]
    first = (slash(q) + mmu * UNIT) / (dot(q, q) - mmu**2)
    second = (me * UNIT - slash(q4)) / (dot(q4, q4) - me**2)
    return np.einsum("aij,jk,mkl->amil", GAMMA, first, GAMMA) + np.einsum("mij,jk,akl->amil", GAMMA, second, GAMMA)


def spin_sums(event, masses):
    """Return S(u3), S(v2), S(u1), S(v4): the sums over spins of spinors times their conjugates."""
    (me, mmu, _), (p1, p2, p3, p4, _) = masses, event
    return slash(p3) + me * UNIT, slash(p2) - me * UNIT, slash(p1) + me * UNIT, slash(p4) - mmu * UNIT


def traced(event, masses, channels):
    """Return the spin sum by traces: the s-channel with the factor channels[0], the t-channel with channels[1]."""
    p1, p2, p3, _, k = event
    s, t = dot(p1 + p2, p1 + p2), dot(p1 - p3, p1 - p3)
    # spinor indices: i of u3, j of v2, k of u1, l of v4
    whole = channels[0] * np.einsum("mn,amil,njk->aijkl", METRIC, line(p3 + k, event, masses), GAMMA) / s
    whole = whole - channels[1] * np.einsum("mn,amjl,nik->aijkl", METRIC, line(k - p2, event, masses), GAMMA) / t
    bar = np.einsum("xi,yj,aijkl,kz,lw->axyzw", *[GAMMA[0]] * 2, whole.conj(), *[GAMMA[0]] * 2, optimize=True)
    u3, v2, u1, v4 = spin_sums(event, masses)
    left = np.einsum("aijkl,kz,lw->aijzw", whole, u1, v4, optimize=True)
    right = np.einsum("axyzw,xi,yj->aijzw", bar, u3, v2, optimize=True)
    spins = -METRIC + np.outer(METRIC @ k, METRIC @ k) / masses[2] ** 2
    return np.einsum("aijzw,bijzw,ab->", left, right, spins, optimize=True).real


@pytest.mark.parametrize("case", CASES)
def test_amplitudes_are_the_traces_of_dirac_matrices(case):
    rng, masses = np.random.default_rng(1), case[1:]
    for _ in range(4):
        event = random_event(rng, *case)
        whole, s_channel, t_channel = evaluate(event, masses)
        assert whole == pytest.approx(traced(event, masses, (1, 1)), rel=1e-9)
        assert s_channel == pytest.approx(traced(event, masses, (1, 0)), rel=1e-9)
        assert t_channel == pytest.approx(traced(event, masses, (0, 1)), rel=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_photon_meets_a_conserved_current_and_the_zprime_does_for_equal_masses(case):
    """Ward identities of the line that turns flavour, in both channels."""
    rng, masses = np.random.default_rng(2), case[1:]
    for _ in range(3):
        event = random_event(rng, *case)
        p1, p2, p3, _, k = event
        u3, v2, _, v4 = spin_sums(event, masses)
        for end, q, photon in ((u3, p3 + k, p1 + p2), (v2, k - p2, p1 - p3)):
            sandwich = np.einsum("ij,amjk,kl->amil", end, line(q, event, masses), v4)
            size = np.abs(sandwich).max() * case[0]
            assert np.abs(np.einsum("m,amil->ail", METRIC @ photon, sandwich)).max() < 1e-9 * size
            broken = np.abs(np.einsum("a,amil->mil", METRIC @ k, sandwich)).max()
            assert (broken < 1e-9 * size) == (masses[0] == masses[1])


def test_s_channel_for_equal_masses_is_that_of_one_flavour():
    """The closed form of e+e- -> l+ l- V: 2 s (H_xx + H_yy) / s^2 for massless beams."""
    rng, root = np.random.default_rng(3), 10.58
    masses = (M_MUON, M_MUON, 2.0)
    p1, p2, p3, p4, k = random_event(rng, root, *masses)
    d1, d2 = dot(p3 + k, p3 + k) - M_MUON**2, dot(p4 + k, p4 + k) - M_MUON**2
    closed = transverse_current(d1, d2, p3[3], p4[3], root**2, M_MUON, 2.0)
    # the beams of the amplitude have the mass of the lepton: corrections of order m^2 / s
    _, s_channel, _ = evaluate((p1, p2, p3, p4, k), masses)
    assert s_channel == pytest.approx(2 * closed / root**2, rel=5e-3)


def test_interference_has_the_sign_of_bhabha_scattering():
    """A soft Z' leaves Bhabha scattering times currents: 8 (t^2 + u^2)/s^2 + 8 (s^2 + u^2)/t^2 + 16 u^2/st."""
    masses, root = (1e-4, 1e-4, 1e-3), 10.0
    rng = np.random.default_rng(4)
    for cos in (-0.5, 0.2, 0.7):
        k = np.array([0.02, *(np.sqrt(0.02**2 - masses[2] ** 2) * unit(rng))])
        n = np.array([np.sqrt(1 - cos * cos), 0, cos])
        system = np.array([root, 0, 0, 0]) - k
        p3, p4 = (boosted(q, system) for q in two_body(np.sqrt(dot(system, system)), masses[0], masses[1], n))
        pz = np.sqrt(root**2 / 4 - masses[0] ** 2)
        p1, p2 = np.array([root / 2, 0, 0, pz]), np.array([root / 2, 0, 0, -pz])
        whole, s_channel, t_channel = evaluate((p1, p2, p3, p4, k), masses)
        s, t = root**2, -(root**2) * (1 - cos) / 2
        u = -s - t
        eikonal_s = p3 / dot(p3, k) - p4 / dot(p4, k)
        eikonal_t = p2 / dot(p2, k) - p4 / dot(p4, k)
        mixed = -dot(eikonal_s, eikonal_t) * 16 * u**2 / (s * t)
        assert s_channel == pytest.approx(-dot(eikonal_s, eikonal_s) * 8 * (t**2 + u**2) / s**2, rel=0.03)
        assert t_channel == pytest.approx(-dot(eikonal_t, eikonal_t) * 8 * (s**2 + u**2) / t**2, rel=0.03)
        assert abs(mixed) > 0.02 * (s_channel + t_channel)
        assert whole - s_channel - t_channel == pytest.approx(mixed, rel=0.05, abs=1e-3 * whole)


def test_soft_photon_exchange_is_that_of_equivalent_photons():
    """At small Q^2 the electron is a photon of energy x E: 2 [1 + (1 - x)^2] / (x^2 Q^2) times its rate.

    The rate of e gamma -> mu Z' is the closed form of gamma* -> l l V, crossed to a massless photon; light leptons of
    equal mass, and the mean over the azimuth of the electron.
    """
    m, mass, root, q2 = 1e-3, 1.5, 10.0, 1e-3
    masses, pz = (m, m, mass), np.sqrt(root**2 / 4 - m**2)
    p1, p2 = np.array([root / 2, 0, 0, pz]), np.array([root / 2, 0, 0, -pz])
    for x, cos in ((0.2, 0.3), (0.6, -0.4), (0.8, 0.5)):
        values, after = [], (1 - x) * root / 2
        momentum = np.sqrt(after**2 - m**2)
        versine = (q2 - 2 * (root / 2 * after - pz * momentum - m**2)) / (2 * pz * momentum)
        sin = np.sqrt(versine * (2 - versine))
        for phi in np.linspace(0, 2 * np.pi, 16, endpoint=False):
            p3 = np.array([after, *(momentum * np.array([sin * np.cos(phi), sin * np.sin(phi), 1 - versine]))])
            system = p1 + p2 - p3
            w = np.sqrt(dot(system, system))
            k, p4 = (boosted(q, system) for q in two_body(w, mass, m, np.array([np.sqrt(1 - cos**2), 0, cos])))
            d1, d2 = dot(k - p2, k - p2) - m**2, dot(p4 + k, p4 + k) - m**2
            photon_rate = -float(current_trace(d2, d1, s=0.0, m=m, mass=mass))
            values.append(evaluate((p1, p2, p3, p4, k), masses)[2] / photon_rate)
        # sum over electron spins of J_i J_j / Q^4 is delta_ij (4 / Q^2) [1 + (1 - x)^2] / x^2 / 2, of which each
        # transverse polarisation takes its part of the trace
        expected = 2 * (1 + (1 - x) ** 2) / (x**2 * q2)
        assert np.mean(values) == pytest.approx(expected, rel=0.02)


def test_amplitudes_keep_their_digits_where_the_photon_is_softest():
    """Along the beam Q^2 is 1e-8 of s or less: an electron turned by 0 and by 1e-9 rad must not differ."""
    masses, root = (M_ELECTRON, M_MUON, 2.0), 10.58
    p1 = np.array([root / 2, 0, 0, np.sqrt(root**2 / 4 - M_ELECTRON**2)])
    p2, after = p1 * [1, -1, -1, -1], 4.0
    momentum = np.sqrt(after**2 - M_ELECTRON**2)
    found = []
    for angle in (0.0, 1e-9):
        p3 = np.array([after, momentum * np.sin(angle), 0, momentum * np.cos(angle)])
        system = p1 + p2 - p3
        p4, k = (
            boosted(q, system) for q in two_body(np.sqrt(dot(system, system)), M_MUON, 2.0, np.array([0.6, 0, 0.8]))
        )
        t = -2 * M_ELECTRON**2 * (root / 2 - after) ** 2 / (root / 2 * after + p1[3] * momentum - M_ELECTRON**2)
        work = np.empty((2, 2, 2, 2, 6), dtype=complex)
        amplitudes(*(tuple(map(float, p)) for p in (p1, p2, p3, p4, k)), t, masses, work)
        found.append(np.sum(np.abs(work) ** 2))
    assert found[1] == pytest.approx(found[0], rel=1e-4)
    assert found[0] > 0
