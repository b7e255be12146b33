"""The radiator of two beams against the single function of Kuraev and Fadin, and against quadrature."""

import numpy as np
import pytest
from scipy import integrate

from bumphunt.constants import ALPHA, M_ELECTRON
from bumphunt.errors import InputError
from bumphunt.theory.radiator import radiated_cross_section, radiator
from bumphunt.theory.structure_function import K_FACTOR, radiator_exponent, structure_function

SQRT_S = 10.58
S = SQRT_S**2


def kuraev_fadin(v):
    """Return F(v) of Kuraev and Fadin (1985) with the non-logarithmic term of Nicrosini and Trentadue."""
    log = np.log(S / M_ELECTRON**2)
    beta = 2 * ALPHA / np.pi * (log - 1)
    soft = 1 + ALPHA / np.pi * (np.pi**2 / 3 - 0.5) + 0.75 * beta - beta**2 / 24 * (log / 3 + 2 * np.pi**2 - 37 / 4)
    hard = -beta * (1 - v / 2) + beta**2 / 8 * (
        4 * (2 - v) * np.log(1 / v) - (1 + 3 * (1 - v) ** 2) / v * np.log1p(-v) - 6 + v
    )
    return beta * v ** (beta - 1) * soft + hard


@pytest.mark.parametrize("v", [1e-8, 1e-4, 0.01, 0.2, 0.5, 0.9])
def test_radiator_is_that_of_kuraev_and_fadin(v):
    """They are equal to order beta^2; what is left is of order beta^3, and grows where v is near 1."""
    assert radiator(v, S) == pytest.approx(kuraev_fadin(v), rel=2e-3)


@pytest.mark.parametrize("v", [0.3, 0.9, 0.9999, 1 - 1e-7])
def test_radiator_is_the_convolution_of_both_structure_functions(v):
    half = float(radiator_exponent(S, M_ELECTRON)) / 2

    def density(u):
        return half * u ** (half - 1) * structure_function(u, S)

    def integrand(log_u1):
        u1 = np.exp(log_u1)
        return u1 * density(u1) * density((v - u1) / (1 - u1)) / (1 - u1)

    most = v / (1 + np.sqrt(1 - v))
    inner = min(most, 0.5)
    soft = 2 * integrate.quad(integrand, -700, -20, epsrel=1e-9)[0]
    soft += 2 * integrate.quad(integrand, -20, np.log(inner), epsrel=1e-9)[0]
    hard = 2 * integrate.quad(
        lambda y: np.exp(y) * density(1 - np.exp(y)) * density((v - 1 + np.exp(y)) / np.exp(y)) / np.exp(y),
        np.log(1 - most), np.log(1 - inner), epsrel=1e-9,
    )[0]  # fmt: skip
    assert radiator(v, S) == pytest.approx(K_FACTOR * (soft + hard), rel=1e-5)


@pytest.mark.parametrize("threshold", [0.01, 1.0, 60.0, 111.9])
def test_folded_cross_section_is_the_integral_of_the_radiator(threshold):
    def sigma(s):
        return np.sqrt(1 - threshold / s) / s

    def integrand(log_v):
        v = np.exp(log_v)
        return v * float(radiator(v, S)) * sigma(S * (1 - v))

    largest = 1 - threshold / S
    soft = sum(integrate.quad(integrand, *ends, epsrel=1e-8)[0] for ends in ((-690, -20), (-20, np.log(largest / 2))))
    hard = integrate.quad(
        lambda y: np.exp(y) * float(radiator(largest - np.exp(y), S)) * sigma(threshold + S * np.exp(y)),
        np.log(largest) - 25, np.log(largest / 2), epsrel=1e-8,
    )[0]  # fmt: skip
    assert radiated_cross_section(sigma, threshold=threshold, sqrt_s=SQRT_S) == pytest.approx(soft + hard, rel=1e-5)


@pytest.mark.parametrize("lost", [0.0, 1.0, -0.1, np.nan])
def test_fraction_outside_its_range_raises(lost):
    with pytest.raises(InputError, match=f"lost = {lost}"):
        radiator([0.5, lost], S)


@pytest.mark.parametrize("threshold", [0.0, 200.0, np.nan])
def test_energy_below_threshold_raises(threshold):
    with pytest.raises(InputError, match=f"threshold = {threshold} GeV"):
        radiated_cross_section(lambda s: s, threshold=threshold, sqrt_s=SQRT_S)
