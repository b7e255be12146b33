"""Exponents of soft photons against the eikonal integral, virtual corrections against published forms."""

import numpy as np
import pytest
from scipy.integrate import dblquad, quad

from bumphunt.constants import ALPHA, M_ELECTRON
from bumphunt.montecarlo.amplitudes.radiative_bhabha import invariants
from bumphunt.montecarlo.phase_space.decays import many_body
from bumphunt.montecarlo.radiation.soft_photons import (
    bhabha_exponent,
    bhabha_factor,
    diphoton_constant,
    diphoton_factor,
    pair_exponent,
)
from bumphunt.theory.structure_function import radiator_exponent


def eikonal(momenta, charges):
    """Return -alpha / (4 pi^2) Int dOmega (sum of charge p / p.n)^2, the photon spectrum times its energy."""
    momenta, charges = np.array(momenta), np.array(charges)
    metric = np.array([1.0, -1, -1, -1])

    def integrand(phi, cos):
        sin = np.sqrt(1 - cos * cos)
        n = np.array([1.0, sin * np.cos(phi), sin * np.sin(phi), cos])
        j = np.sum(charges[:, np.newaxis] * momenta / (momenta @ (metric * n))[:, np.newaxis], axis=0)
        return -np.sum(metric * j * j)

    return ALPHA / (4 * np.pi**2) * dblquad(integrand, -1, 1, 0, 2 * np.pi, epsrel=1e-4)[0]


@pytest.mark.parametrize("seed", [1, 2])
def test_exponent_is_the_eikonal_integral_over_all_charges(seed):
    """At 1.5 MeV, where the integrand is smooth; with a hard photon, which takes away momentum and no charge."""
    energy = 1.5e-3
    out = np.empty((3, 4))
    masses = np.array([M_ELECTRON, M_ELECTRON, 0])
    many_body(2 * energy, masses, 4 * energy**2, np.random.default_rng(seed), out)
    p = np.sqrt(energy**2 - M_ELECTRON**2)
    p1, p2 = (energy, 0.0, 0.0, p), (energy, 0.0, 0.0, -p)
    x = invariants(p1, p2, *(tuple(float(c) for c in q) for q in out))
    expected = eikonal([p1, p2, out[0], out[1]], [1, -1, -1, 1])
    assert bhabha_exponent(*x[:6]) == pytest.approx(expected, rel=2e-3)


def test_exponent_of_a_pair_is_the_radiators():
    s = 10.58**2
    assert pair_exponent(s / 2 - M_ELECTRON**2) == pytest.approx(float(radiator_exponent(s, M_ELECTRON)), rel=1e-6)
    assert pair_exponent(M_ELECTRON**2) == 0
    low = [pair_exponent(M_ELECTRON**2 * (1 + x)) for x in (0.999e-6, 1.001e-6)]
    assert low[1] / low[0] == pytest.approx(1.002, rel=1e-4)  # the series joins


def test_exponent_of_bhabha_scattering_at_high_energy():
    """(4 alpha / pi)(ln[s t / (u m^2)] - 1): Berends, Kleiss, Nucl. Phys. B 228 (1983) 537."""
    s, t = 112.0, 20.0
    expected = 4 * ALPHA / np.pi * (np.log(s * t / ((s - t) * M_ELECTRON**2)) - 1)
    assert bhabha_exponent(s, s, t, t, s - t, s - t) == pytest.approx(expected, rel=1e-6)


def test_factor_conserves_probability_and_is_schwingers_for_soft_photons():
    beta = 0.17
    hard = quad(lambda v: beta * (1 - v + v * v / 2) / v * bhabha_factor(v, beta), 0.01, 1)[0]
    assert bhabha_factor(0.01, beta) + hard == pytest.approx(bhabha_factor(1.0, beta), rel=1e-9)
    # (4 alpha / pi) [(L - 1) ln eps + 3/4 L - 1] to first order, with L small enough for that to be all
    log, eps = 1.01, 1e-3
    beta = 4 * ALPHA / np.pi * (log - 1)
    schwinger = 1 + 4 * ALPHA / np.pi * ((log - 1) * np.log(eps) + 0.75 * log - 1)
    assert bhabha_factor(eps, beta) == pytest.approx(schwinger, abs=2e-6)


@pytest.mark.parametrize("c", [-0.95, 0.0, 0.3, 0.8])
def test_constant_of_photon_pairs_is_the_published_one(c):
    """A. B. Arbuzov et al., JHEP 10 (1997) 001, in the angle; the code has the form of pairs of photons from quarks."""

    def part(c):
        log, r = np.log((1 - c) / 2), (1 + c) / (1 - c)
        return (1 + 1.5 * r) * log + (1 + 1 / r + r / 2) * log**2

    expected = np.pi**2 / 3 + (1 - c * c) / (2 * (1 + c * c)) * (part(c) + part(-c))
    assert diphoton_constant((1 - c) / 2) == pytest.approx(expected, rel=1e-10)
    ratio = diphoton_factor(0.2, 0.09, (1 - c) / 2) / bhabha_factor(0.2, 0.09)
    assert ratio == pytest.approx((1 + ALPHA / np.pi * expected) / (1 - ALPHA / np.pi))


@pytest.mark.parametrize("t", [1e-9, 1e-3, 1.0])
def test_exponent_of_a_transfer_is_schwingers_integral(t):
    """(2 alpha / pi) (Int_0^1 (m^2 + t/2) dx / (m^2 + x (1 - x) t) - 1), at any ratio of t to the mass."""
    m2 = M_ELECTRON**2
    edge = min(1e-3 * m2 / t, 0.1)
    value = quad(lambda x: (m2 + t / 2) / (m2 + x * (1 - x) * t), 0, 0.5, points=[edge, 100 * edge], limit=200)[0]
    assert pair_exponent(m2 + t / 2) == pytest.approx(2 * ALPHA / np.pi * (2 * value - 1), rel=1e-6)
