"""Bhabha scattering against the published cross section, quadrature and collinear factorisation."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import dblquad, quad
from scipy.stats import qmc

from bumphunt.constants import ALPHA, GEV2_TO_FB, M_ELECTRON
from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import BEAMS, Beams, mass_squared, polar_angle, to_centre_of_mass
from bumphunt.montecarlo.amplitudes.radiative_bhabha import invariants, squared_amplitude, work_space
from bumphunt.montecarlo.amplitudes.vacuum_polarisation import running
from bumphunt.montecarlo.phase_space.bhabha_photon import both_seen, draw_point
from bumphunt.montecarlo.processes.leptons import bhabha, single_photon_bhabha
from bumphunt.montecarlo.radiation.soft_photons import bhabha_exponent, bhabha_factor

BELLE2 = BEAMS["belle2"]
E = 5.29
REST = Beams(electron_energy=E, positron_energy=E)
N = 150_000


@pytest.fixture(scope="module")
def events():
    return bhabha.generate(N, beams=BELLE2, rng=np.random.default_rng(20))


def error(weight):
    return weight.std() / np.sqrt(weight.size)


def soft_factors(p4):
    """Return the factor of soft photons of events with one photon, beams along z, shape (N,)."""
    p = np.sqrt(E**2 - M_ELECTRON**2)
    beams = (E, 0.0, 0.0, p), (E, 0.0, 0.0, -p)
    out = []
    for event in p4:
        q1, q2, k = (tuple(float(c) for c in q) for q in event)
        out.append(bhabha_factor(k[0] / E, bhabha_exponent(*invariants(*beams, q1, q2, k)[:6])))
    return np.array(out)


def test_cross_section_is_that_of_the_mini_review(events):
    """300 nb, both electrons in 10-170 degrees with E* > 0.15 GeV: arXiv:1808.10567, table of cross sections."""
    assert events.weight.mean() / 1e6 == pytest.approx(300, rel=0.05)
    assert error(events.weight) / 1e6 < 1.5


def test_electrons_are_in_the_region_and_on_their_mass_shells(events):
    assert np.abs(events.p4.sum(axis=1) - events.beams_p4).max() < 1e-10
    # pairs of low mass are boosted by up to 5000: some digits of the mass are lost, at most 1 % of it
    np.testing.assert_allclose(mass_squared(events.p4[:, :2]), M_ELECTRON**2, rtol=0.02)
    np.testing.assert_allclose(mass_squared(events.p4[:, 2]), 0.0, atol=1e-11)
    assert np.all(events.pdgid[:, :2] == [11, -11])
    assert set(np.unique(events.pdgid[:, 2])) == {0, 22}
    resting = bhabha.generate(20_000, beams=REST, rng=np.random.default_rng(3))
    theta = np.degrees(polar_angle(resting.p4[:, :2]))
    assert theta.min() > 10 - 1e-6
    assert theta.max() < 170 + 1e-6
    assert resting.p4[:, :2, 0].min() > 0.15
    photon = resting.p4[resting.pdgid[:, 2] == 22, 2]
    assert photon[:, 0].min() > bhabha.LOWEST_PHOTON * E * (1 - 1e-9)


def test_born_cross_section_is_bhabhas():
    """(alpha^2 / 4 s) [(3 + cos^2) / (1 - cos)]^2: Review of Particle Physics; at a low energy, where alpha rests."""
    s = 1e-9
    for cos in (-0.9, 0.0, 0.5, 0.98):
        expected = 2 * np.pi * ALPHA**2 / (4 * s) * ((3 + cos * cos) / (1 - cos)) ** 2
        assert bhabha.born_cross_section(s, 1 - cos) == pytest.approx(expected, rel=1e-6)


def test_events_without_a_photon_are_the_born_ones_with_their_factor():
    sample = bhabha.generate(N, beams=REST, rng=np.random.default_rng(4))
    weight = sample.weight * (sample.pdgid[:, 2] == 0)
    s = REST.s

    def integrand(cos):
        t = s * (1 - cos) / 2
        beta = 4 * ALPHA / np.pi * (np.log(s * t / ((s - t) * M_ELECTRON**2)) - 1)
        return bhabha.born_cross_section(s, 1 - cos) * bhabha_factor(bhabha.LOWEST_PHOTON, beta)

    c = np.cos(np.radians(10))
    expected = quad(integrand, -c, c, epsrel=1e-8)[0] * GEV2_TO_FB
    assert weight.mean() == pytest.approx(expected, abs=4 * error(weight))


def test_cross_section_does_not_depend_on_where_photons_begin(events, monkeypatch):
    """The eikonal exponent and the matrix element agree about soft photons."""
    for lowest in (0.003, 0.03):
        monkeypatch.setattr(bhabha, "LOWEST_PHOTON", lowest)
        other = bhabha.generate(N, beams=BELLE2, rng=np.random.default_rng(5))
        difference = other.weight.mean() / events.weight.mean() - 1
        spread = np.hypot(error(other.weight), error(events.weight)) / events.weight.mean()
        assert abs(difference) < 4 * spread + 2e-3  # terms of order alpha times the cut


PROPOSALS = {
    "both seen": bhabha._proposal(0.02),
    "single photon": single_photon_bhabha._proposal(0.02)._replace(versine=0.0),
}


@pytest.mark.parametrize("name", PROPOSALS)
def test_volume_is_that_of_three_body_phase_space(name):
    """s (1 - v0^2) / (256 pi^3) above a photon fraction v0, massless, with means of energy and angle."""
    rng = np.random.default_rng(6)
    n, lowest = 60_000, 0.1
    volume, value = np.empty(n), np.empty((n, 3))
    for i in range(n):
        (q1, q2, k), volume[i] = draw_point(PROPOSALS[name], lowest, E, rng)
        value[i] = k[0] / E, (k[3] / k[0]) ** 2, (q1[3] - q2[3]) / E
    expected = E * E * (1 - lowest**2) / (64 * np.pi**3)
    means = (1 - lowest**3) * 2 / 3 / (1 - lowest**2), 1 / 3, 0.0
    assert volume.mean() == pytest.approx(expected, abs=4 * error(volume))
    for column, mean in zip(value.T, means, strict=True):
        moment = volume * (column - mean)
        assert moment.mean() == pytest.approx(0, abs=4 * error(moment))
    assert error(volume) < 0.05 * expected


def flat_points(n, seed):
    """Return massless electrons (given their mass), photons, and the phase-space weight, from Sobol points."""
    u = qmc.Sobol(5, rng=np.random.default_rng(seed)).random(n)
    v, cos, phi, c, f = u[:, 0], 2 * u[:, 1] - 1, 2 * np.pi * u[:, 2], 2 * u[:, 3] - 1, 2 * np.pi * u[:, 4]
    half = E * np.sqrt(1 - v)
    size = np.sqrt(np.maximum(half**2 - M_ELECTRON**2, 0))
    direction = lambda c, f: np.stack([np.sqrt(1 - c**2) * np.cos(f), np.sqrt(1 - c**2) * np.sin(f), c], axis=-1)  # noqa: E731
    n_k, n_q = direction(cos, phi), direction(c, f)
    along = np.sum(n_k * n_q, axis=1)
    gamma, beta = (2 - v) / (2 * np.sqrt(1 - v)), v / (2 - v)
    parallel = lambda sign: gamma * (sign * size * along - beta * half)  # noqa: E731
    q = []
    for sign in (1, -1):
        space = sign * size[:, None] * (n_q - along[:, None] * n_k) + parallel(sign)[:, None] * n_k
        q.append(np.column_stack([gamma * (half - beta * sign * size * along), space]))
    k = np.column_stack([v * E, v[:, None] * E * n_k])
    return q[0], q[1], k, v * E * E / (64 * np.pi**3) * 2


def test_hard_photons_are_the_quadrature_of_the_matrix_element():
    """All three at 50 to 130 degrees, above 1 GeV and apart: Sobol points in flat phase space."""
    q1, q2, k, volume = flat_points(2**16, 7)
    momenta = np.stack([q1, q2, k], axis=1)
    inside = selected(momenta)
    p = np.sqrt(E**2 - M_ELECTRON**2)
    p1, p2 = (E, 0.0, 0.0, p), (E, 0.0, 0.0, -p)
    work, total = work_space(), 0.0
    for event, weight in zip(momenta[inside], volume[inside], strict=True):
        a, b, c = (tuple(float(x) for x in q) for q in event)
        total += weight * squared_amplitude(p1, p2, a, b, c, invariants(p1, p2, a, b, c), work)
    expected = total / volume.size / 4 * (4 * np.pi * ALPHA) ** 3 / (8 * E * p) * GEV2_TO_FB
    sample = bhabha.generate(2 * N, beams=REST, rng=np.random.default_rng(8))
    chosen = selected(sample.p4) & (sample.pdgid[:, 2] == 22)
    weight = np.zeros(2 * N)
    weight[chosen] = sample.weight[chosen] / soft_factors(sample.p4[chosen])
    assert error(weight) < 0.03 * expected
    assert weight.mean() == pytest.approx(expected, abs=4 * error(weight))


def selected(p4):
    """Return which events have all three at an angle, with energy, and no two of them near each other."""
    theta = np.degrees(polar_angle(p4))
    inside = np.all((theta > 50) & (theta < 130) & (p4[..., 0] > 1.0), axis=1)
    return inside & np.all(mass_squared(p4 + np.roll(p4, 1, axis=1)) > 9.0, axis=1)


def test_collinear_photons_are_the_splitting_function_and_the_born_cross_section():
    """A photon within 20 mrad of the electron beam leaves an electron of energy z E:

    (alpha / 2 pi) [(1 + z^2) / (1 - z) ln(1 + r^2) - 2 z / (1 - z) r^2 / (1 + r^2)], r = E theta / m:
    V. N. Baier, V. S. Fadin, V. A. Khoze, Nucl. Phys. B 65 (1973) 381.
    """
    cone, smallest = 0.02, np.radians(40)
    sample = bhabha.generate(N, beams=REST, rng=np.random.default_rng(9), minimum_angle=smallest)
    k = sample.p4[:, 2]
    chosen = (k[:, 0] > 0.1 * E) & (k[:, 0] < 0.6 * E) & (np.hypot(k[:, 1], k[:, 2]) < cone * k[:, 3])
    weight = np.zeros(N)
    weight[chosen] = sample.weight[chosen] / soft_factors(sample.p4[chosen])
    r2 = (E * cone / M_ELECTRON) ** 2

    def integrand(c, z):
        frame = (z - 1) / (z + 1)
        angles = (c + frame) / (1 + frame * c), (-c + frame) / (1 - frame * c)
        if max(np.abs(angles)) > np.cos(smallest):
            return 0.0
        split = (1 + z * z) / (1 - z) * np.log1p(r2) - 2 * z / (1 - z) * r2 / (1 + r2)
        return ALPHA / (2 * np.pi) * split * bhabha.born_cross_section(z * REST.s, 1 - c)

    expected = dblquad(integrand, 0.4, 0.9, -0.9, 0.9, epsrel=3e-3)[0] * GEV2_TO_FB
    assert error(weight) < 0.03 * expected
    assert weight.mean() == pytest.approx(expected, abs=4 * error(weight))


def test_pairs_of_low_mass_are_those_of_a_virtual_photon(monkeypatch):
    """e+e- -> gamma gamma*, gamma* -> e+e- below 0.1 GeV, where the scattering diagrams are of no account.

    The cross section of a dark photon of mass m with kinetic mixing 1, arXiv:0904.2567 (Essig, Schuster, Toro), times
    alpha / (3 pi) dm^2 / m^2; electrons go as 1 + cos^2 in the rest frame of the pair, and have 0.15 GeV.
    """
    # drawn where they are, which does not change the cross section
    proposal = bhabha._proposal(0.0152)._replace(
        returning=0.9, flat_energy=0.0, radiated_late=0.05, isotropic=0.9, steep=0.05
    )
    monkeypatch.setattr(bhabha, "_proposal", lambda _: proposal)
    sample = bhabha.generate(N, beams=REST, rng=np.random.default_rng(13))
    m2 = mass_squared(sample.p4[:, 0] + sample.p4[:, 1])
    k = sample.p4[:, 2]
    chosen = (m2 > 0.02**2) & (m2 < 0.1**2) & (np.abs(k[:, 3]) < 0.8 * k[:, 0]) & (k[:, 0] > 1.0)
    weight = np.zeros(N)
    weight[chosen] = sample.weight[chosen] / soft_factors(sample.p4[chosen])
    s = REST.s

    def integrand(c, log):
        x = np.exp(log) / s
        angle = (1 + c * c + 4 * x / (1 - x) ** 2) / (1 - c * c)
        return 2 * np.pi * ALPHA**2 / s * (1 - x) * angle * running(x * s) ** 2 * ALPHA / (3 * np.pi)

    top = 1 - 0.15 / E * 2  # of cos in the rest frame of the pair, for an electron with 0.15 GeV
    kept = (3 * top + top**3) / 4
    expected = kept * dblquad(integrand, 2 * np.log(0.02), 2 * np.log(0.1), -0.8, 0.8)[0] * GEV2_TO_FB
    assert error(weight) < 0.015 * expected
    assert weight.mean() == pytest.approx(expected, abs=4 * error(weight))


def test_charges_are_symmetric():
    """Exchange of electron and positron with half a turn."""
    sample = bhabha.generate(N, beams=REST, rng=np.random.default_rng(10))
    for odd in (
        sample.p4[:, 0, 0] - sample.p4[:, 1, 0],
        sample.p4[:, 2, 3],
        sample.p4[:, 0, 3] + sample.p4[:, 1, 3],
        sample.p4[:, 2, 1],
    ):
        assert abs(np.mean(sample.weight * odd)) < 4 * error(sample.weight * odd)


def test_weights_are_level_where_searches_look(events):
    assert events.weight.max() < 15 * events.weight.mean()
    centre = to_centre_of_mass(events.p4, BELLE2)
    theta = np.degrees(polar_angle(events.p4))
    seen = np.all((theta[:, :2] > 17) & (theta[:, :2] < 150), axis=1) & (centre[:, 2, 0] > 0.2)
    seen &= (theta[:, 2] > 12.4) & (theta[:, 2] < 155.1)
    mass = np.sqrt(np.maximum(mass_squared(events.p4[:, 0] + events.p4[:, 1]), 0.0))
    for low, high in ((0.02, 0.2), (0.2, 1), (1, 3), (3, 7), (7, 10)):
        weight = events.weight[seen & (mass > low) & (mass < high)]
        assert weight.max() < 30 * weight.mean()
        assert weight.sum() ** 2 / np.sum(weight**2) > 2e-3 * N


def test_both_generators_together_do_not_depend_on_the_border():
    """All events with a photon above 0.5 GeV at 20 to 160 degrees, divided at 10 or at 25 degrees."""
    totals = []
    for angle in np.radians([10.0, 25.0]):
        sample = bhabha.generate(N, beams=REST, rng=np.random.default_rng(11), minimum_angle=angle)
        k = sample.p4[:, 2]
        both = sample.weight * ((k[:, 0] > 0.5) & (np.abs(k[:, 3]) < np.cos(np.radians(20)) * k[:, 0]))
        single = single_photon_bhabha.generate(
            N, beams=REST, rng=np.random.default_rng(12), minimum_energy=0.5,
            minimum_photon_angle=np.radians(20), minimum_angle=angle,
        ).weight  # fmt: skip
        totals.append((both.mean() + single.mean(), np.hypot(error(both), error(single)), both.mean()))
    (first, e1, part1), (second, e2, part2) = totals
    assert abs(first - second) < 4 * np.hypot(e1, e2)
    assert np.hypot(e1, e2) < 0.03 * first
    assert part1 > 1.5 * part2  # a good part changes sides


def test_generation_follows_the_seed_and_not_the_frame():
    first, second, other = (bhabha.generate(100, beams=BELLE2, rng=np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.p4, second.p4)
    assert np.any(first.p4 != other.p4)
    babar = replace(BEAMS["babar"], electron_spread=0.0, positron_spread=0.0)
    at_rest = Beams(electron_energy=babar.sqrt_s / 2, positron_energy=babar.sqrt_s / 2)
    moving, resting = (bhabha.generate(500, beams=b, rng=np.random.default_rng(3)) for b in (babar, at_rest))
    np.testing.assert_allclose(moving.weight, resting.weight, rtol=1e-5)
    np.testing.assert_allclose(to_centre_of_mass(moving.p4, babar), resting.p4, atol=1e-6)


@pytest.mark.parametrize("angle", [0.0, 1.6, np.nan])
def test_angle_outside_its_range_raises_and_is_named(angle):
    with pytest.raises(InputError, match=f"minimum_angle = {angle:g}; it must be"):
        bhabha.generate(10, beams=BELLE2, rng=np.random.default_rng(1), minimum_angle=angle)


def test_an_electron_is_seen_at_an_angle_with_some_energy():
    versine = 1 - np.cos(0.2)
    good, soft, low = (
        tuple(e * x for x in (1.0, np.sin(a), 0.0, np.cos(a))) for e, a in ((1.0, 0.3), (0.1, 1.0), (5.0, 0.1))
    )
    assert both_seen(good, good, versine)
    assert not both_seen(good, soft, versine)
    assert not both_seen(low, good, versine)
