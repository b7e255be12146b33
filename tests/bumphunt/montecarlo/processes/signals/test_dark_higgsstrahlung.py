"""The generator of A' h' against its cross section and the angles of a matrix element built by hand."""

import numpy as np
import pytest
from scipy import stats

from bumphunt.constants import M_MUON
from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import BEAMS, Beams, boost, mass_squared
from bumphunt.montecarlo.processes.signals import dark_higgsstrahlung
from bumphunt.theory import dark_higgs

SYMMETRIC = Beams(electron_energy=5.29, positron_energy=5.29)
BELLE2 = BEAMS["belle2"]
N = 100_000


def generate(n=N, *, seed, beams=SYMMETRIC, **parameters):
    return dark_higgsstrahlung.generate(n, beams=beams, rng=np.random.default_rng(seed), **parameters)


@pytest.mark.parametrize(("mass", "higgs_mass"), [(4.0, 0.5), (8.0, 1.0), (2.0, 5.0)])
@pytest.mark.parametrize("radiation", [True, False])
def test_mean_weight_is_the_cross_section(mass, higgs_mass, radiation):
    weight = generate(2 * N, seed=1, mass=mass, higgs_mass=higgs_mass, coupling=3e-8, radiation=radiation).weight
    expected = float(
        dark_higgs.cross_section(mass, higgs_mass, coupling=3e-8, sqrt_s=SYMMETRIC.sqrt_s, radiation=radiation)
    )
    error = weight.std() / np.sqrt(weight.size)
    assert error < 0.005 * expected
    assert weight.mean() == pytest.approx(expected, abs=3.5 * error)


# sigma / (eps^2 alpha_D) [fb] for a light h' at tree level: an independent calculation
@pytest.mark.parametrize(("mass", "expected"), [(4.0, 7.6e7), (6.0, 1.69e8), (8.0, 4.37e8), (9.0, 8.43e8)])
def test_mean_weight_at_tree_level_is_that_of_the_table(mass, expected):
    weight = generate(seed=2, mass=mass, higgs_mass=1e-3, coupling=1.0, radiation=False).weight
    assert weight.mean() == pytest.approx(expected, rel=5e-3)


@pytest.mark.parametrize(("mass", "higgs_mass"), [(2.0, 1.0), (6.0, 3.0)])
def test_production_angle_is_that_of_the_formula(mass, higgs_mass):
    events = generate(seed=3, mass=mass, higgs_mass=higgs_mass, radiation=False)
    boson = events.p4[:, :2].sum(axis=1)
    cos = boson[:, 3] / np.linalg.norm(boson[:, 1:], axis=1)
    edges = np.linspace(-1, 1, 11)
    counts, squares = (np.histogram(cos, edges, weights=events.weight**k)[0] for k in (1, 2))
    centres, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    points = centres[:, np.newaxis] + half[:, np.newaxis] * np.array([-np.sqrt(0.6), 0, np.sqrt(0.6)])
    values = dark_higgs.differential_cross_section(points, mass, higgs_mass, coupling=1e-7, sqrt_s=SYMMETRIC.sqrt_s)
    expected = half * (values @ np.array([5 / 9, 8 / 9, 5 / 9]))
    pull = (counts / N - expected) / (np.sqrt(squares) / N)
    assert np.sum(pull**2) < 29.6  # 0.1 % of chi2 with 10 degrees of freedom


@pytest.mark.parametrize(
    ("mass", "higgs_mass", "beams"), [(2.0, 1.0, SYMMETRIC), (0.4, 3.0, BELLE2), (6.0, 2.0, BELLE2)]
)
def test_angles_are_those_of_the_whole_matrix_element(mass, higgs_mass, beams):
    """Covariant moments of leptonic beam tensor, Proca propagator and lepton pair, against flat phase space.

    |M|^2 goes as L_mu_nu l^mu_nu with L = p1 p2 + p2 p1 - g s/2 of the beams and l = q1 q2 + q2 q1 - g m^2/2 of the
    pair. The events with the weights of the generator must have the moments of L.l over flat phase space, in which the
    direction of the A' and that of the lepton are uniform.
    """
    if beams is BELLE2:
        beams = Beams(electron_energy=7.004, positron_energy=4.002, crossing_angle=0.083)
    p1, p2 = beams.electron, beams.positron
    metric = np.diag([1.0, -1, -1, -1])

    def dot(a, b):
        return a @ metric @ b if b.ndim == 1 else np.einsum("...i,ij,...j->...", a, metric, b)

    def invariants(minus, plus):
        a, b = dot(minus, p1), dot(minus, p2)
        c, d = dot(plus, p1), dot(plus, p2)
        # L.l = 2 [(p1 q1)(p2 q2) + (p1 q2)(p2 q1)] - s q1.q2 - m^2 p1.p2 + s m^2, s = 2 p1.p2, massless beams
        square = 2 * (a * d + b * c) + beams.s * M_MUON**2
        return (a / b, c / d, a * b / beams.s**2, a * c / beams.s**2, a * d / beams.s**2), square

    events = generate(seed=4, beams=beams, mass=mass, higgs_mass=higgs_mass, radiation=False)
    found, _ = invariants(events.p4[:, 0], events.p4[:, 1])

    rng = np.random.default_rng(5)
    root = beams.sqrt_s
    p = np.sqrt((root**2 - (mass + higgs_mass) ** 2) * (root**2 - (mass - higgs_mass) ** 2)) / (2 * root)
    n, m = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in rng.normal(size=(2, N, 3)))
    energy, k = np.hypot(p, mass), np.sqrt(mass**2 / 4 - M_MUON**2)
    minus = np.concatenate([np.full((N, 1), mass / 2), k * m], axis=1)
    plus = np.concatenate([np.full((N, 1), mass / 2), -k * m], axis=1)
    flat = [boost(boost(q, p / energy * n), beams.velocity) for q in (minus, plus)]
    expected, square = invariants(*flat)
    for a, b in zip(found, expected, strict=True):
        a, b = np.minimum(a, 20.0), np.minimum(b, 20.0)
        mean, reference = np.average(a, weights=events.weight), np.average(b, weights=square)
        error = np.hypot(
            np.sqrt(np.sum((events.weight * (a - mean)) ** 2)) / events.weight.sum(),
            np.sqrt(np.sum((square * (b - reference)) ** 2)) / square.sum(),
        )
        assert mean == pytest.approx(reference, abs=4 * error)


@pytest.mark.parametrize("radiation", [True, False])
@pytest.mark.parametrize("final_state", ["ee", "mumu"])
def test_momentum_is_conserved_and_every_particle_on_its_mass_shell(final_state, radiation):
    events = generate(
        3000, seed=6, beams=BELLE2, mass=4.0, higgs_mass=0.2, final_state=final_state, radiation=radiation
    )
    used = events.weight > 0
    np.testing.assert_allclose(events.p4.sum(axis=1)[used], events.beams_p4[used], atol=1e-8)
    np.testing.assert_allclose(mass_squared(events.p4[:, :4].sum(axis=1))[used], 16.0, rtol=1e-8)
    np.testing.assert_allclose(mass_squared(events.p4[used, 4]), 0.04, atol=1e-8)
    kind = 11 if final_state == "ee" else 13
    np.testing.assert_array_equal(events.pdgid[used][:, [0, 1, 4]], np.tile([kind, -kind, 32], (used.sum(), 1)))
    assert not np.any(events.p4[events.pdgid == 0])


def test_leptons_start_where_the_dark_photon_decays():
    events = generate(seed=7, mass=1.0, higgs_mass=2.0, lifetime=0.1, radiation=False)
    assert not np.any(events.vertex[:, 4:])
    boson = events.p4[:, :2].sum(axis=1)
    proper = np.linalg.norm(events.vertex[:, 1], axis=1) / np.linalg.norm(boson[:, 1:], axis=1)
    assert stats.kstest(proper, "expon", args=(0, 0.1)).pvalue > 1e-3


@pytest.mark.parametrize(("mass", "higgs_mass"), [(0.2, 1.0), (4.0, 0.0), (6.0, 5.0), (np.nan, 1.0)])
def test_masses_outside_the_kinematic_range_raise_and_are_named(mass, higgs_mass):
    with pytest.raises(InputError, match=f"mass = {mass} GeV, higgs_mass = {higgs_mass} GeV"):
        generate(10, seed=1, mass=mass, higgs_mass=higgs_mass)


def test_bad_parameters_raise_and_are_named():
    with pytest.raises(InputError, match="final_state = 'pipi'"):
        generate(10, seed=1, mass=1.0, higgs_mass=1.0, final_state="pipi")
    with pytest.raises(InputError, match=r"coupling = 0\.0"):
        generate(10, seed=1, mass=1.0, higgs_mass=1.0, coupling=0.0)
    with pytest.raises(InputError, match=r"lifetime = -1\.0 cm"):
        generate(10, seed=1, mass=1.0, higgs_mass=1.0, lifetime=-1.0)
