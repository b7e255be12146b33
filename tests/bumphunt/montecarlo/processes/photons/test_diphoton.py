"""Annihilation into photons against published cross sections, quadrature and collinear factorisation."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import dblquad, quad
from scipy.stats import qmc

from bumphunt.constants import ALPHA, GEV2_TO_FB, M_ELECTRON
from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import BEAMS, Beams, mass_squared, polar_angle, to_centre_of_mass
from bumphunt.montecarlo.processes.photons import diphoton
from bumphunt.montecarlo.radiation.soft_photons import diphoton_factor
from bumphunt.theory.structure_function import radiator_exponent

BELLE2 = BEAMS["belle2"]
E = 5.29
REST = Beams(electron_energy=E, positron_energy=E)
N = 150_000
BETA = float(radiator_exponent(REST.s, M_ELECTRON))


@pytest.fixture(scope="module")
def events():
    return diphoton.generate(N, beams=BELLE2, rng=np.random.default_rng(40))


@pytest.fixture(scope="module")
def resting():
    return diphoton.generate(2 * N, beams=REST, rng=np.random.default_rng(41))


def error(weight):
    return weight.std() / np.sqrt(weight.size)


def without_soft_photons(sample, chosen):
    """Return weights over the factor of soft photons of the photon of least transverse momentum; 0 if not chosen."""
    out = np.zeros(sample.weight.size)
    for i in np.flatnonzero(chosen):
        k = sample.p4[i]
        radiated = int(np.argmin(np.hypot(k[:, 1], k[:, 2])))
        pair = k[(radiated + 1) % 3]
        a, b = pair[0] - pair[3], pair[0] + pair[3]
        out[i] = sample.weight[i] / diphoton_factor(k[radiated, 0] / E, BETA, a / (a + b))
    return out


def test_cross_section_is_that_of_the_mini_review(events):
    """4.99 nb, two photons at least in 10-170 degrees with E* > 0.15 GeV: arXiv:1808.10567, table of cross sections."""
    assert events.weight.mean() / 1e6 == pytest.approx(4.99, rel=0.03)
    assert error(events.weight) / 1e6 < 0.03


def test_visible_cross_section_is_that_of_the_mini_review(events):
    """3.30 nb with two photons above 0.5 GeV in the calorimeter, 12.4 to 155.1 degrees: the same table."""
    theta = np.degrees(polar_angle(events.p4))
    seen = np.sum((theta > 12.4) & (theta < 155.1) & (events.p4[..., 0] > 0.5), axis=1) >= 2
    assert np.sum(events.weight[seen]) / N / 1e6 == pytest.approx(3.30, rel=0.03)


@pytest.mark.parametrize("s", [2e-6, 1e-4, REST.s])
def test_born_cross_section_integrates_to_diracs(s):
    """Total annihilation cross section of P. A. M. Dirac, Proc. Camb. Phil. Soc. 26 (1930) 361, for two photons."""
    gamma = s / (2 * M_ELECTRON**2) - 1  # of the positron, the electron at rest
    r = np.sqrt(gamma**2 - 1)
    area = np.pi * ALPHA**2 / M_ELECTRON**2
    dirac = (gamma**2 + 4 * gamma + 1) / r**2 * np.log(gamma + r) - (gamma + 3) / r
    expected = area / (gamma + 1) * dirac
    # cos = tanh(y): flat where the photons are along the beams
    total = quad(lambda y: diphoton.born_cross_section(s, np.tanh(y)) / np.cosh(y) ** 2, 0, 18, limit=200)[0]
    assert total == pytest.approx(expected, rel=1e-6)


def test_events_of_two_photons_are_the_born_ones_with_their_factor(resting):
    weight = resting.weight * (resting.pdgid[:, 2] == 0)

    def integrand(cos):
        return diphoton.born_cross_section(REST.s, cos) * diphoton_factor(diphoton.LOWEST_PHOTON, BETA, (1 - cos) / 2)

    expected = quad(integrand, 0, np.cos(np.radians(10)), epsrel=1e-8)[0] * GEV2_TO_FB
    assert weight.mean() == pytest.approx(expected, abs=4 * error(weight))


def test_cross_section_does_not_depend_on_where_photons_begin(events, monkeypatch):
    for lowest in (0.003, 0.025):
        monkeypatch.setattr(diphoton, "LOWEST_PHOTON", lowest)
        other = diphoton.generate(N, beams=BELLE2, rng=np.random.default_rng(42))
        difference = other.weight.mean() / events.weight.mean() - 1
        spread = np.hypot(error(other.weight), error(events.weight)) / events.weight.mean()
        assert abs(difference) < 4 * spread + 2e-3  # terms of order alpha times the cut


def test_three_wide_photons_are_the_quadrature_of_berends_and_kleiss(resting):
    """All at 30 to 150 degrees above 0.5 GeV: Sobol points in flat phase space with the massless matrix element."""
    u = qmc.Sobol(5, rng=np.random.default_rng(43)).random(2**17)
    v, cos, phi, c, f = u[:, 0], 2 * u[:, 1] - 1, 2 * np.pi * u[:, 2], 2 * u[:, 3] - 1, 2 * np.pi * u[:, 4]
    direction = lambda c, f: np.stack([np.sqrt(1 - c**2) * np.cos(f), np.sqrt(1 - c**2) * np.sin(f), c], axis=-1)  # noqa: E731
    n_k, n_q = direction(cos, phi), direction(c, f)
    along = np.sum(n_k * n_q, axis=1)
    gamma, beta, half = (2 - v) / (2 * np.sqrt(1 - v)), v / (2 - v), E * np.sqrt(1 - v)
    k = [np.column_stack([v * E, v[:, None] * E * n_k])]
    for sign in (1, -1):
        parallel = gamma * half * (sign * along - beta)
        space = sign * half[:, None] * (n_q - along[:, None] * n_k) + parallel[:, None] * n_k
        k.append(np.column_stack([gamma * half * (1 - beta * sign * along), space]))
    momenta = np.stack(k, axis=1)
    a, b = E * (momenta[..., 0] - momenta[..., 3]), E * (momenta[..., 0] + momenta[..., 3])
    square = REST.s * np.sum(a * b * (a**2 + b**2), axis=1) / np.prod(a * b, axis=1)  # averaged over spins, e = 1
    weight = np.where(wide(momenta), square, 0.0) * v * E * E / (32 * np.pi**3)
    expected = np.mean(weight) / 6 * (4 * np.pi * ALPHA) ** 3 / (2 * REST.s) * GEV2_TO_FB
    mine = without_soft_photons(resting, wide(resting.p4))
    assert error(mine) < 0.02 * expected
    assert mine.mean() == pytest.approx(expected, abs=4 * error(mine), rel=5e-3)


def wide(p4):
    return np.all((np.abs(p4[..., 3]) < np.cos(np.radians(30)) * p4[..., 0]) & (p4[..., 0] > 0.5), axis=1)


def test_photons_along_a_beam_are_the_splitting_function_and_the_born_cross_section():
    """Within 20 mrad of a beam, see the same test of Bhabha scattering: Baier, Fadin, Khoze."""
    cone, smallest = 0.02, np.radians(30)
    sample = diphoton.generate(N, beams=REST, rng=np.random.default_rng(44), minimum_angle=smallest)
    k = sample.p4
    ahead = (np.hypot(k[..., 1], k[..., 2]) < cone * k[..., 3]) & (k[..., 0] > 0.1 * E) & (k[..., 0] < 0.7 * E)
    weight = without_soft_photons(sample, ahead.any(axis=1))
    r2 = (E * cone / M_ELECTRON) ** 2

    def integrand(c, z):
        frame = (z - 1) / (z + 1)
        angles = (c + frame) / (1 + frame * c), (-c + frame) / (1 - frame * c)
        if max(np.abs(angles)) > np.cos(smallest):
            return 0.0
        split = (1 + z * z) / (1 - z) * np.log1p(r2) - 2 * z / (1 - z) * r2 / (1 + r2)
        return ALPHA / (2 * np.pi) * split * diphoton.born_cross_section(z * REST.s, c) / 2

    expected = dblquad(integrand, 0.3, 0.9, -0.95, 0.95, epsrel=3e-3)[0] * GEV2_TO_FB
    assert error(weight) < 0.02 * expected
    assert weight.mean() == pytest.approx(expected, abs=4 * error(weight))


def test_momentum_is_conserved_and_two_photons_are_in_the_region(events, resting):
    assert np.abs(events.p4.sum(axis=1) - events.beams_p4).max() < 1e-10
    np.testing.assert_allclose(mass_squared(events.p4), 0.0, atol=1e-10)
    assert np.all(events.pdgid[:, :2] == 22)
    assert set(np.unique(events.pdgid[:, 2])) == {0, 22}
    theta = np.degrees(polar_angle(resting.p4))
    seen = (theta > 10 - 1e-6) & (theta < 170 + 1e-6) & (resting.p4[..., 0] > 0.15)
    assert seen.sum(axis=1).min() == 2
    hard = resting.pdgid[:, 2] == 22
    assert resting.p4[hard][..., 0].min() > diphoton.LOWEST_PHOTON * E * (1 - 1e-9)
    lost = ~seen[hard].all(axis=1)
    smallest = np.min(np.minimum(theta, 180 - theta)[hard][lost])
    assert smallest < 0.01  # degrees: photons reach the beams


def test_directions_are_symmetric(resting):
    for odd in (resting.p4[:, 2, 3], resting.p4[:, 0, 3], resting.p4[:, 0, 1], resting.p4[:, 0, 0] ** 2 * resting.p4[:, 0, 3]):  # fmt: skip  # noqa: E501
        assert abs(np.mean(resting.weight * odd)) < 4 * error(resting.weight * odd)


def test_weights_are_level_where_searches_look(events):
    assert events.weight.max() < 15 * events.weight.mean()
    theta = np.degrees(polar_angle(events.p4))
    three = np.all((theta > 37.3) & (theta < 123.7) & (events.p4[..., 0] > 0.65), axis=1)
    present = events.p4[..., 0] > 0
    inside = (theta > 12.4) & (theta < 155.1) & present
    along = (inside.sum(axis=1) == 2) & present.all(axis=1)
    hard = along & np.any((theta > 32.2) & (theta < 128.7) & (events.p4[..., 0] > 2.0), axis=1)
    for chosen, share in ((three, 0.05), (along, 0.2), (hard, 0.1)):
        weight = events.weight[chosen]
        assert weight.max() < 15 * weight.mean()
        assert weight.sum() ** 2 / np.sum(weight**2) > 0.4 * weight.size
        assert weight.size > share * N


def test_generation_follows_the_seed_and_not_the_frame():
    first, second, other = (diphoton.generate(100, beams=BELLE2, rng=np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.p4, second.p4)
    assert np.any(first.p4 != other.p4)
    babar = replace(BEAMS["babar"], electron_spread=0.0, positron_spread=0.0)
    at_rest = Beams(electron_energy=babar.sqrt_s / 2, positron_energy=babar.sqrt_s / 2)
    moving, still = (diphoton.generate(500, beams=b, rng=np.random.default_rng(3)) for b in (babar, at_rest))
    np.testing.assert_allclose(moving.weight, still.weight, rtol=1e-5)
    np.testing.assert_allclose(to_centre_of_mass(moving.p4, babar), still.p4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "value"),
    [("minimum_angle", 0.0), ("minimum_angle", np.nan), ("minimum_energy", 0.0), ("minimum_energy", 5.0)],
)
def test_cut_outside_its_range_raises_and_is_named(name, value):
    with pytest.raises(InputError, match=f"{name} = {value:g}"):
        diphoton.generate(10, beams=BELLE2, rng=np.random.default_rng(1), **{name: value})
