"""Dark Higgs-strahlung against published numbers, quadrature and an amplitude built by hand."""

import numpy as np
import pytest
from scipy import integrate

from bumphunt.constants import ALPHA, GEV2_TO_FB
from bumphunt.errors import InputError
from bumphunt.theory import dark_higgs

SQRT_S = 10.58
# sigma / (eps^2 alpha_D) [fb] for a light h': an independent calculation
TABLE = {4.0: 7.6e7, 6.0: 1.69e8, 8.0: 4.37e8, 9.0: 8.43e8}


@pytest.mark.parametrize(("mass", "expected"), TABLE.items())
def test_cross_section_is_that_of_the_table(mass, expected):
    sigma = dark_higgs.cross_section(mass, 1e-4, coupling=1e-7, sqrt_s=SQRT_S, radiation=False)
    assert sigma == pytest.approx(expected * 1e-7, rel=2e-3)


@pytest.mark.parametrize(("mass", "higgs_mass"), [(4.0, 0.5), (2.0, 6.0), (7.0, 3.0)])
def test_cross_section_is_that_of_the_amplitude(mass, higgs_mass):
    """M = e eps J.e* 2 g_D m / (s - m^2): the Higgs coupling 2 m^2 / v of a boson of mass g_D v."""
    s = SQRT_S**2
    p = np.sqrt((s - (mass + higgs_mass) ** 2) * (s - (mass - higgs_mass) ** 2)) / (2 * SQRT_S)
    energy = np.hypot(p, mass)
    metric, beams = np.diag([1.0, -1, -1, -1]), np.diag([0, 2 * s, 2 * s, 0])
    cosines, values = np.linspace(-1, 1, 9), []
    for c in cosines:
        q = metric @ np.array([energy, p * np.sqrt(1 - c * c), 0, p * c])
        spins = -metric + np.outer(q, q) / mass**2
        couplings = (4 * np.pi) ** 2 * ALPHA * 4 * mass**2 / (s - mass**2) ** 2
        square = couplings / 4 * np.einsum("mn,mn->", beams, spins)
        values.append(square * p / (16 * np.pi * s * SQRT_S) * GEV2_TO_FB)
    found = dark_higgs.differential_cross_section(cosines, mass, higgs_mass, coupling=1.0, sqrt_s=SQRT_S)
    np.testing.assert_allclose(found, values, rtol=1e-12)
    total = integrate.quad(
        lambda c: dark_higgs.differential_cross_section(c, mass, higgs_mass, coupling=1.0, sqrt_s=SQRT_S), -1, 1
    )[0]
    sigma = dark_higgs.cross_section(mass, higgs_mass, coupling=1.0, sqrt_s=SQRT_S, radiation=False)
    assert sigma == pytest.approx(total, rel=1e-9)


def test_cross_section_vanishes_below_threshold():
    np.testing.assert_array_equal(dark_higgs.born_cross_section([[9.0, 24.9]], 4.0, 1.0), [[0.0, 0.0]])


@pytest.mark.parametrize(("mass", "higgs_mass"), [(0.0, 1.0), (4.0, 0.0), (6.0, 5.0), (np.nan, 1.0)])
def test_masses_that_cannot_be_produced_raise_and_are_named(mass, higgs_mass):
    with pytest.raises(InputError, match=f"masses of A' and h' = {mass} and {higgs_mass} GeV"):
        dark_higgs.cross_section(mass, higgs_mass, coupling=1.0, sqrt_s=SQRT_S)
