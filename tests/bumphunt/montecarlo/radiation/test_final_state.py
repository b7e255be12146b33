"""Photons from muons: their spectrum, and the balance of four-momenta."""

import numpy as np
import pytest
from scipy.integrate import quad

from bumphunt.constants import ALPHA, M_MUON, M_TAU
from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import boost, mass_squared
from bumphunt.montecarlo.radiation.final_state import final_radiator_exponent, radiate_final_state
from bumphunt.theory.structure_function import radiator_exponent, structure_function

N = 100_000


def back_to_back(mass, n=N, lepton=M_MUON):
    """Return pairs of that mass, moving along x, and leptons along z at rest."""
    pair = np.tile([np.hypot(mass, 2.0), 2.0, 0.0, 0.0], (n, 1))
    p = np.sqrt(mass**2 / 4 - lepton**2)
    return pair, np.tile([[mass / 2, 0, 0, p], [mass / 2, 0, 0, -p]], (n, 1, 1))


@pytest.fixture(scope="module")
def radiated():
    pair, charged = back_to_back(10.0)
    return (pair, *radiate_final_state(pair, charged, mass=M_MUON, rng=np.random.default_rng(1)))


def test_weights_average_to_one(radiated):
    _, _, weight = radiated
    assert weight.mean() == pytest.approx(1.0, abs=4 * weight.std() / np.sqrt(N))
    assert weight.max() < 6


@pytest.mark.parametrize("mass", [6.0, 10.58])
def test_weights_of_heavy_leptons_average_to_one(mass):
    """Within 1 %: what the angular weight takes from hard photons of slow taus."""
    pair, charged = back_to_back(mass, lepton=M_TAU)
    _, weight = radiate_final_state(pair, charged, mass=M_TAU, rng=np.random.default_rng(4))
    assert weight.mean() == pytest.approx(1.0, abs=0.01 + 4 * weight.std() / np.sqrt(N))


@pytest.mark.parametrize(("sqrt_s", "mass"), [(10.58, M_MUON), (10.58, M_TAU), (4.0, M_TAU)])
def test_exponent_is_the_integral_over_soft_photons(sqrt_s, mass):
    """(alpha / pi) Int [2 (1 + b^2) / (1 - b^2 c^2) - (1 - b^2) (1 / (1 - bc)^2 + 1 / (1 + bc)^2)] dc / 2."""
    b = np.sqrt(1 - 4 * mass**2 / sqrt_s**2)

    def eikonal(c):
        both = 2 * (1 + b * b) / (1 - (b * c) ** 2)
        return ALPHA / (2 * np.pi) * (both - (1 - b * b) * (1 / (1 - b * c) ** 2 + 1 / (1 + b * c) ** 2))

    expected = quad(eikonal, -1, 1, points=[-b, b], limit=200)[0]
    assert float(final_radiator_exponent(sqrt_s**2, mass)) == pytest.approx(expected, rel=1e-6)


def test_momentum_is_conserved_on_the_mass_shells(radiated):
    pair, momenta, _ = radiated
    np.testing.assert_allclose(momenta.sum(axis=1), pair, atol=1e-9)
    np.testing.assert_allclose(mass_squared(momenta[:, :2]), M_MUON**2, atol=1e-10)
    np.testing.assert_allclose(mass_squared(momenta[:, 2:]), 0.0, atol=1e-10)


def test_hard_photons_are_as_frequent_as_the_structure_function_says(radiated):
    """Photons near their muon with 10 to 50 % of its energy, where the balancing changes little."""
    pair, momenta, weight = radiated
    rest = boost(momenta, -(pair[:, 1:] / pair[:, :1])[:, np.newaxis, :])
    s = 100.0
    beta = float(radiator_exponent(s, M_MUON))
    expected = quad(lambda u: float(structure_function(u, s, M_MUON)) * beta / 2 * u ** (beta / 2 - 1), 0.1, 0.5)[0]
    for leg in (0, 1):
        fraction = rest[:, 2 + leg, 0] / (rest[:, 2 + leg, 0] + rest[:, leg, 0])
        value = weight * ((fraction > 0.1) & (fraction < 0.5))
        assert value.mean() == pytest.approx(expected, rel=0.05, abs=4 * value.std() / np.sqrt(N))


def test_photon_spectrum_at_first_order_is_the_textbook_one(radiated):
    """dN/dx = (alpha/pi) (ln(s/m^2) - 1) (1 + (1-x)^2) / x for both muons, 0.2 < x < 0.4, within the higher orders."""
    pair, momenta, weight = radiated
    rest = boost(momenta[:, 2:], -(pair[:, 1:] / pair[:, :1])[:, np.newaxis, :])[..., 0] / 5.0
    expected = quad(lambda x: ALPHA / np.pi * (np.log(100 / M_MUON**2) - 1) * (1 + (1 - x) ** 2) / x, 0.2, 0.4)[0]
    assert np.sum(weight[:, np.newaxis] * ((rest > 0.2) & (rest < 0.4))) / N == pytest.approx(expected, rel=0.12)


def test_pairs_near_threshold_do_not_radiate():
    pair, charged = back_to_back(2.02 * M_MUON, n=100)
    momenta, weight = radiate_final_state(pair, charged, mass=M_MUON, rng=np.random.default_rng(2))
    assert not momenta[:, 2:].any()
    np.testing.assert_array_equal(weight, 1.0)
    np.testing.assert_allclose(momenta.sum(axis=1), pair, atol=1e-12)


def test_spare_slots_stay_empty():
    pair, charged = back_to_back(10.0, n=10)
    momenta, _ = radiate_final_state(pair, charged, mass=M_MUON, rng=np.random.default_rng(3), slots=6)
    assert momenta.shape == (10, 6, 4)
    assert not momenta[:, 4:].any()


def test_too_few_slots_raise():
    pair, charged = back_to_back(10.0, n=1)
    with pytest.raises(InputError, match="slots = 3"):
        radiate_final_state(pair, charged, mass=M_MUON, rng=np.random.default_rng(3), slots=3)
