"""The axion-like particle against numbers of its formulas, quadrature and an amplitude built by hand."""

import numpy as np
import pytest
from scipy import integrate

from bumphunt.constants import ALPHA, GEV2_TO_FB, M_ELECTRON
from bumphunt.errors import InputError
from bumphunt.theory import alp
from bumphunt.theory.dark_photon import decay_length
from bumphunt.theory.radiator import radiated_cross_section

SQRT_S = 10.58


def levi_civita():
    e = np.zeros((4,) * 4)
    for order in np.ndindex(e.shape):
        if len(set(order)) == 4:
            e[order] = np.linalg.det(np.eye(4)[list(order)])
    return e


@pytest.mark.parametrize("mass", [0.0, 2.0, 9.0])
def test_cross_section_is_that_of_the_amplitude(mass):
    """M = e g eps(mu nu a b) J_mu e_nu q_a k_b / s, spin sum of massless beams 2 s (delta_ij - z_i z_j) at rest."""
    s = SQRT_S**2
    metric, e = np.diag([1.0, -1, -1, -1]), levi_civita()
    omega = (s - mass**2) / (2 * SQRT_S)
    beams = np.zeros((4, 4))
    beams[1, 1] = beams[2, 2] = 2 * s
    cosines = np.linspace(-1, 1, 9)
    values = []
    for c in cosines:
        k = metric @ (omega * np.array([1, np.sqrt(1 - c * c), 0, c]))
        q = metric @ np.array([SQRT_S, 0, 0, 0])
        vertex = np.einsum("mnab,a,b->mn", e, q, k)
        square = 4 * np.pi * ALPHA / s**2 / 4 * np.einsum("mn,rs,mr,ns->", vertex, vertex, beams, -metric)
        values.append(square * omega / (16 * np.pi * s * SQRT_S) * GEV2_TO_FB)
    found = alp.differential_cross_section(cosines, mass, coupling=1.0, sqrt_s=SQRT_S)
    np.testing.assert_allclose(found, values, rtol=1e-12)
    total = integrate.quad(lambda c: alp.differential_cross_section(c, mass, coupling=1.0, sqrt_s=SQRT_S), -1, 1)[0]
    assert alp.cross_section(mass, coupling=1.0, sqrt_s=SQRT_S, radiation=False) == pytest.approx(total, rel=1e-9)


# cross section [pb] and coupling [1/GeV] at some masses [GeV] of the published limit (arXiv:2007.13071), related by the
# formula at tree level in an independent calculation
@pytest.mark.parametrize(
    ("mass", "sigma", "coupling"),
    [(0.21536, 0.18, 1.23379e-3), (2.07190, 0.772174, 2.70812e-3), (8.95915, 0.448696, 1.29359e-2)],
)
def test_coupling_limit_is_that_of_the_published_cross_section_limit(mass, sigma, coupling):
    found = alp.cross_section(mass, coupling=coupling, sqrt_s=SQRT_S, radiation=False)
    assert found == pytest.approx(1e3 * sigma, rel=2e-4)


@pytest.mark.parametrize("mass", [0.0, 0.03, 0.15, 0.6, 3.0, 7.0, 10.0, 10.5])
def test_radiation_is_interpolated_well(mass):
    exact = radiated_cross_section(
        lambda s: alp.born_cross_section(s, mass), threshold=max(mass, alp.LOWEST_PAIR_MASS) ** 2, sqrt_s=SQRT_S
    )
    assert alp.cross_section(mass, coupling=1.0, sqrt_s=SQRT_S) == pytest.approx(exact, rel=3e-4)


def test_radiation_of_a_constant_cross_section_is_the_integral_of_kuraev_and_fadin():
    """A massless a is produced at any s at the same rate: Int F(v) dv, F the radiator of Kuraev and Fadin (1985)."""
    log = np.log(SQRT_S**2 / M_ELECTRON**2)
    beta = 2 * ALPHA / np.pi * (log - 1)
    soft = 1 + ALPHA / np.pi * (np.pi**2 / 3 - 0.5) + 0.75 * beta - beta**2 / 24 * (log / 3 + 2 * np.pi**2 - 37 / 4)

    def hard(v):
        second = 4 * (2 - v) * np.log(1 / v) - (1 + 3 * (1 - v) ** 2) / v * np.log1p(-v) - 6 + v
        return -beta * (1 - v / 2) + beta**2 / 8 * second

    largest = 1 - alp.LOWEST_PAIR_MASS**2 / SQRT_S**2
    expected = soft * largest**beta + integrate.quad(hard, 0, largest)[0]
    found = alp.cross_section(0.0, coupling=1.0, sqrt_s=SQRT_S)
    found /= alp.cross_section(0.0, coupling=1.0, sqrt_s=SQRT_S, radiation=False)
    assert found == pytest.approx(expected, rel=5e-4)


def test_lifetime():
    """tau = 64 pi / (g^2 m^3); hbar c = 0.19733 GeV fm."""
    expected = 64 * np.pi / (1e-4**2 * 0.3**3) * 0.197327e-13
    assert decay_length(alp.width(0.3, coupling=1e-4)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("mass", [-0.1, np.nan, 10.58, 20.0])
def test_mass_that_cannot_be_produced_raises_and_is_named(mass):
    with pytest.raises(InputError, match=f"mass = {mass} GeV"):
        alp.cross_section([1.0, mass], coupling=1.0, sqrt_s=SQRT_S)


def test_massless_particle_has_no_width():
    with pytest.raises(InputError, match=r"mass = 0\.0 GeV"):
        alp.width([1.0, 0.0], coupling=1.0)
