"""Two-photon muon pairs against traces, quadrature and the published cross section."""

import functools

import numpy as np
import pytest
from scipy.integrate import dblquad

from bumphunt.constants import ALPHA, M_ELECTRON, M_MUON
from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import BEAMS, mass_squared, momentum, to_centre_of_mass, transverse_momentum
from bumphunt.montecarlo.amplitudes.four_leptons import workspace
from bumphunt.montecarlo.phase_space.virtual_photons import smallest_virtuality
from bumphunt.montecarlo.processes.leptons import two_photon_pairs

BELLE2 = BEAMS["belle2"]
generate = functools.partial(two_photon_pairs.generate, lepton=13, multiperipheral_only=True)
GEV2_NB = 0.3893793721e6


@pytest.fixture(scope="module")
def events():
    return generate(300_000, beams=BELLE2, rng=np.random.default_rng(20))


def integrated_flux(y, q2_max):
    """Return dn/dy of equivalent photons with Q^2 up to `q2_max` [GeV^2]: Budnev et al., eq. 6.17."""
    q2_min = M_ELECTRON**2 * y**2 / (1 - y)
    logarithm = (1 + (1 - y) ** 2) / y * np.log(q2_max / q2_min)
    return ALPHA / (2 * np.pi) * (logarithm - 2 * M_ELECTRON**2 * y * (1 / q2_min - 1 / q2_max))


def gamma_gamma_to_muons(w):
    """Return the cross section of real photons [GeV^-2]: Budnev et al., eq. E.1; Breit and Wheeler (1934)."""
    r = 4 * M_MUON**2 / w**2
    beta = np.sqrt(1 - r)
    logarithm = 2 * np.log((1 + beta) / np.sqrt(r))
    return 4 * np.pi * ALPHA**2 / w**2 * ((1 + r - r * r / 2) * logarithm - beta * (1 + r))


def virtualities(events):
    """Return Q^2 of both photons, beams without spread."""
    return (
        -mass_squared(events.p4[:, 0] - BELLE2.electron),
        -mass_squared(events.p4[:, 1] - BELLE2.positron),
    )


def test_cross_section_is_that_of_the_mini_review(events):
    # arXiv:1808.10567, table 3: 18.9 nb for W > 0.5 GeV
    assert events.weight.mean() == pytest.approx(18.9e6, rel=0.05)


def test_momentum_is_conserved_and_masses_are_exact(events):
    assert np.abs(events.p4.sum(axis=1) - events.beams_p4).max() < 1e-9
    masses = np.array([M_ELECTRON, M_ELECTRON, M_MUON, M_MUON]) ** 2
    assert np.abs(mass_squared(events.p4) - masses).max() < 1e-9
    assert np.all(events.pdgid == [11, -11, -13, 13])
    pair = mass_squared(events.p4[:, 2] + events.p4[:, 3])
    assert pair.min() > 0.25 * (1 - 1e-9)


def test_same_seed_same_events():
    one, two = (generate(100, beams=BELLE2, rng=np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(one.p4, two.p4)
    assert np.array_equal(one.weight, two.weight)


@pytest.mark.parametrize("mass", [0.1, 6.0, np.nan])
def test_minimum_mass_outside_phase_space_raises(mass):
    with pytest.raises(InputError, match="minimum_mass"):
        generate(10, beams=BELLE2, rng=np.random.default_rng(1), minimum_mass=mass)


def test_unknown_lepton_raises():
    with pytest.raises(InputError, match="lepton = 15; known are 11, 13"):
        generate(10, beams=BELLE2, rng=np.random.default_rng(1), lepton=15)


def test_higher_minimum_mass_is_the_tail_of_the_lower_one(events):
    above = events.weight * (mass_squared(events.p4[:, 2] + events.p4[:, 3]) > 4.0)
    tail = generate(100_000, beams=BELLE2, rng=np.random.default_rng(4), minimum_mass=2.0)
    error = np.hypot(above.std() / np.sqrt(above.size), tail.weight.std() / np.sqrt(tail.weight.size))
    assert abs(above.mean() - tail.weight.mean()) < 4 * error


def test_small_virtualities_reproduce_the_equivalent_photon_approximation():
    # Q^2 below 1e-4 GeV^2, W between 1 and 2 GeV: BGMS fluxes times the cross section of real photons
    beams = type(BELLE2)(electron_energy=5.29, positron_energy=5.29)
    sample = generate(400_000, beams=beams, rng=np.random.default_rng(5), minimum_mass=1.0)
    q1 = -mass_squared(sample.p4[:, 0] - beams.electron)
    q2 = -mass_squared(sample.p4[:, 1] - beams.positron)
    w2 = mass_squared(sample.p4[:, 2] + sample.p4[:, 3])
    weight = sample.weight * ((q1 < 1e-4) & (q2 < 1e-4) & (w2 < 4.0))

    def integrand(rapidity, log_tau):
        tau = np.exp(log_tau)
        y1, y2 = np.sqrt(tau) * np.exp(rapidity), np.sqrt(tau) * np.exp(-rapidity)
        sigma = gamma_gamma_to_muons(np.sqrt(tau * beams.s))
        n1, n2 = (integrated_flux(y, 1e-4) if M_ELECTRON**2 * y**2 / (1 - y) < 1e-4 else 0.0 for y in (y1, y2))
        return max(n1, 0.0) * max(n2, 0.0) * sigma * tau

    expected, _ = dblquad(
        integrand,
        np.log(1.0 / beams.s),
        np.log(4.0 / beams.s),
        lambda t: t / 2 + 1e-9,
        lambda t: -t / 2 - 1e-9,
        epsrel=1e-3,
    )
    error = weight.std() / np.sqrt(weight.size)
    assert weight.mean() == pytest.approx(expected * GEV2_NB * 1e6, abs=4 * error, rel=0.01)
    assert error < 0.02 * weight.mean()


def test_bremsstrahlung_adds_to_the_weights_of_the_same_events_at_high_transverse_momentum():
    n = 100_000
    part, full = (
        generate(n, beams=BELLE2, rng=np.random.default_rng(21), multiperipheral_only=k) for k in (True, False)
    )
    assert np.array_equal(full.p4, part.p4)
    muons = to_centre_of_mass(full.p4[:, 2:], BELLE2)
    pt = transverse_momentum(muons.sum(axis=1))
    central = np.all(np.abs(muons[..., 3]) < 0.8 * momentum(muons), axis=1)
    for low, high, least, most in ((0.0, 0.2, -1e-3, 1e-3), (1.0, 2.0, 0.02, 0.08)):
        chosen = central & (pt > low) & (pt < high)
        difference = (full.weight - part.weight)[chosen] / part.weight[chosen].sum()
        assert least < difference.sum() < most
        assert np.sqrt(difference @ difference) < (most - least) / 4


def trace_of_diagrams(p1, p2, k1, k2, minus, plus, mass):
    """Return the spin-averaged square of the two diagrams from 4x4 Dirac matrices (no trick shared with the code)."""
    pauli = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
    one, zero = np.eye(2), np.zeros((2, 2))
    gamma = np.array([np.block([[one, zero], [zero, -one]])] + [np.block([[zero, s], [-s, zero]]) for s in pauli])
    metric = np.diag([1.0, -1, -1, -1])
    slash = lambda p: np.einsum("m,mij->ij", metric @ p, gamma)  # noqa: E731
    dot = lambda a, b: a @ metric @ b  # noqa: E731

    def electron(p, k):
        q2 = dot(p - k, p - k)
        return 2 * (np.outer(k, p) + np.outer(p, k) + metric * q2 / 2)

    q1, q2 = p1 - k1, p2 - k2
    unit = np.eye(4)
    s1 = (slash(minus - q1) + mass * unit) / (dot(minus - q1, minus - q1) - mass**2)
    s2 = (slash(minus - q2) + mass * unit) / (dot(minus - q2, minus - q2) - mass**2)
    vertex = np.einsum("mij,jk,nkl->mnil", gamma, s1, gamma) + np.einsum("nij,jk,mkl->mnil", gamma, s2, gamma)
    bar = np.einsum("ij,mnkj,kl->mnil", gamma[0], vertex.conj(), gamma[0])
    left = np.einsum("ij,mnjk->mnik", slash(minus) + mass * unit, vertex)
    right = np.einsum("ij,mnjk->mnik", slash(plus) - mass * unit, bar)
    lower = lambda t: metric @ t @ metric  # noqa: E731
    return np.einsum("mnij,abji,ma,nb->", left, right, lower(electron(p1, k1)), lower(electron(p2, k2))).real


@pytest.mark.parametrize("mass", [M_ELECTRON, M_MUON])
def test_matrix_element_equals_dirac_traces(mass):
    energy = 5.29
    p = np.sqrt(energy**2 - M_ELECTRON**2)
    p1, p2 = np.array([energy, 0, 0, p]), np.array([energy, 0, 0, -p])
    rng = np.random.default_rng(6)
    work = np.zeros((4, 3, 3), dtype=complex)
    produced = two_photon_pairs.ProducedPair(mass, 0.5, False, True, 0.75)
    checked = 0
    while checked < 30:
        weight, k1, k2, plus, minus = two_photon_pairs._event(energy, produced, rng, work, workspace())
        k1, k2, plus, minus = (np.array(v) for v in (k1, k2, plus, minus))
        q1, q2 = p1 - k1, p2 - k2
        v1, v2 = -mass_squared(q1), -mass_squared(q2)
        if weight == 0 or min(v1, v2) < 1e-4:  # below, the traces lose their digits
            continue
        pair = plus + minus
        w2 = float(mass_squared(pair))
        cos = cosine_to_first_photon(q1, minus, pair, np.sqrt(w2), mass)
        photons = (tuple(q1), tuple(q2), float(v1), float(v2))
        mine = two_photon_pairs._square(energy, photons, tuple(pair), tuple(minus), cos, mass, work)
        assert mine == pytest.approx(trace_of_diagrams(p1, p2, k1, k2, minus, plus, mass), rel=1e-5)
        checked += 1


def cosine_to_first_photon(q1, minus, pair, w, mass):
    """Return the decay angle from invariants: k.q1 = E omega - |k||q| cos in the pair's rest frame."""
    product = lambda a, b: a[0] * b[0] - a[1:] @ b[1:]  # noqa: E731
    omega, e = product(pair, q1) / w, w / 2
    q, k = np.sqrt(omega**2 - mass_squared(q1)), np.sqrt(e**2 - mass**2)
    return float((e * omega - product(minus, q1)) / (q * k))


def test_smallest_virtuality_is_that_of_forward_scattering():
    energy, y = 0.01, 0.4  # low, so that double precision can do it the plain way
    after = energy * (1 - y)
    plain = (np.sqrt(energy**2 - M_ELECTRON**2) - np.sqrt(after**2 - M_ELECTRON**2)) ** 2 - (energy - after) ** 2
    assert smallest_virtuality(y, energy) == pytest.approx(plain, rel=1e-9)


def test_weights_of_selected_events_are_level(events):
    theta = np.arctan2(np.hypot(events.p4[..., 1], events.p4[..., 2]), events.p4[..., 3])
    momentum = np.linalg.norm(events.p4[:, 2:, 1:], axis=-1)
    inside = (theta > np.radians(17)) & (theta < np.radians(150))
    keep = inside[:, 2:].all(axis=1) & ~inside[:, :2].any(axis=1) & (momentum > 0.7).all(axis=1)
    pair = events.p4[:, 2] + events.p4[:, 3]
    keep &= np.hypot(pair[:, 1], pair[:, 2]) > 0.2
    weight = events.weight[keep]
    assert weight.max() < 50 * weight.mean()
    assert keep.mean() > 0.05
