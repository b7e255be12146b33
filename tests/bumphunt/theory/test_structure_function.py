"""The structure function against its sum rule and its first order."""

import numpy as np
import pytest
from scipy.integrate import quad

from bumphunt.constants import M_ELECTRON, M_MUON
from bumphunt.theory.structure_function import compiled_regular_part, radiator_exponent, structure_function

S = 10.58**2


@pytest.mark.parametrize("mass", [M_ELECTRON, M_MUON])
def test_structure_function_integrates_to_one(mass):
    """A particle stays a particle: exact at order alpha, within 1e-3 with the terms of order alpha^2 that are kept."""
    beta = float(radiator_exponent(S, mass))
    largest = 1 - 1e-12

    def integrand(t):
        return float(structure_function(max(t ** (2 / beta), 1e-300), S, mass))  # t = u^(beta/2)

    kept = quad(integrand, 0, largest ** (beta / 2), epsabs=1e-9, limit=200)[0]
    assert kept == pytest.approx(1.0, abs=1e-3)


def test_structure_function_at_first_order_is_the_splitting_function():
    """For a small exponent D(z) = (beta/4) (1 + z^2) / (1 - z): Gribov, Lipatov, Altarelli, Parisi."""
    s, z = np.exp(1.001), np.array([0.1, 0.5, 0.9])
    beta = float(radiator_exponent(s, 1.0))
    density = structure_function(1 - z, s, 1.0) * beta / 2 * (1 - z) ** (beta / 2 - 1)
    np.testing.assert_allclose(density, beta / 4 * (1 + z**2) / (1 - z), rtol=1e-4)


def test_compiled_form_is_the_same():
    beta, u = float(radiator_exponent(S, M_MUON)), 0.3
    found = compiled_regular_part(u, np.log(u), u ** (beta / 2), beta)
    assert found == pytest.approx(float(structure_function(u, S, M_MUON)), rel=1e-12)
