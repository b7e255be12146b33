"""Decay angles against moments, and flight lengths against the exponential law."""

import numpy as np
import pytest
from scipy import stats

from bumphunt.constants import M_MUON, M_TAU
from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import boost, mass_squared
from bumphunt.montecarlo.phase_space.vector_decays import (
    SCALAR_SLOPE_ACROSS,
    boost_products,
    decay_to_pair,
    decay_to_products,
    fermion_slope_across,
    fermion_slope_along,
)

N = 100_000


@pytest.mark.parametrize(
    "slope",
    [fermion_slope_across(5.0, M_MUON), fermion_slope_across(3.6, M_TAU), fermion_slope_along(5.0, M_TAU), -1.0, 0.0],
)
def test_angle_is_distributed_as_it_should(slope):
    rng = np.random.default_rng(1)
    axis = np.array([0.36, -0.48, 0.8])
    pair = decay_to_pair(np.tile(axis, (N, 1)), mass=5.0, product_mass=1.0, slope=slope, rng=rng)
    cos = pair[:, 0, 1:] @ axis / np.linalg.norm(pair[0, 0, 1:])
    law = stats.kstest(cos, lambda c: (1 + c + slope * (1 + c**3) / 3) / (2 + 2 * slope / 3))
    assert law.pvalue > 1e-3
    across = np.array([0.8, 0.6, 0.0])  # no azimuth is preferred
    phi = np.arctan2(pair[:, 0, 1:] @ np.cross(axis, across), pair[:, 0, 1:] @ across)
    assert stats.kstest(phi, "uniform", args=(-np.pi, 2 * np.pi)).pvalue > 1e-3
    np.testing.assert_allclose(mass_squared(pair), 1.0, rtol=1e-9)
    np.testing.assert_allclose(pair.sum(axis=1), np.tile([5.0, 0, 0, 0], (N, 1)), atol=1e-12)


@pytest.mark.parametrize("m", [0.0, M_MUON, M_TAU])
def test_slopes_are_those_of_the_current_of_dirac_fermions(m):
    """Trace of the decay tensor: l_ij = 2 M^2 (delta_ij - (1 - r) n_i n_j), contracted with the spin of the vector."""
    mass = 5.0
    r = 4 * m**2 / mass**2

    def rate(spin, cos):
        n = np.array([np.sqrt(1 - cos**2), 0, cos])
        return np.trace(spin) - (1 - r) * n @ spin @ n

    for spin, slope in (
        (np.diag([1.0, 1.0, 0.0]), fermion_slope_across(mass, m)),
        (np.diag([0, 0, 1.0]), fermion_slope_along(mass, m)),
    ):
        assert rate(spin, 0.6) / rate(spin, 0.0) == pytest.approx(1 + slope * 0.36)
    assert SCALAR_SLOPE_ACROSS == -1.0  # n_i n_j: sin^2


def test_momenta_in_the_laboratory_are_boosted():
    rng = np.random.default_rng(2)
    pair = decay_to_pair(np.tile([0.0, 0, 1], (5, 1)), mass=2.0, product_mass=0.5, slope=1.0, rng=rng)
    velocity = np.array([0.3, -0.2, 0.8])
    parent = boost([2.0, 0, 0, 0], velocity)
    np.testing.assert_allclose(boost_products(pair, np.tile(parent, (5, 1)), 2.0), boost(pair, velocity), rtol=1e-9)


@pytest.mark.parametrize("mass", [0.3, 0.9, 5.0])
def test_radiation_of_products_changes_no_rate_and_conserves_momentum(mass):
    rng = np.random.default_rng(3)
    axis, parent = np.tile([0.0, 0, 1], (20_000, 1)), np.tile(boost([mass, 0, 0, 0], [0.0, 0.6, 0.0]), (20_000, 1))
    p4, weight = decay_to_products(parent, axis, mass=mass, product_mass=M_MUON, slope=0.5, radiation=True, rng=rng)
    assert weight.mean() == pytest.approx(1.0, rel=1e-12)
    np.testing.assert_allclose(p4.sum(axis=1)[weight > 0], parent[weight > 0], rtol=1e-9, atol=1e-9)
    _, weight = decay_to_products(parent, axis, mass=mass, product_mass=0.1, slope=0.5, radiation=False, rng=rng)
    np.testing.assert_array_equal(weight, 1.0)


@pytest.mark.parametrize(("product_mass", "slope"), [(2.5, 0.0), (-0.1, 0.0), (1.0, -1.1)])
def test_impossible_decay_raises(product_mass, slope):
    with pytest.raises(InputError, match=f"product_mass = {product_mass} GeV, slope = {slope}"):
        decay_to_pair(np.ones((1, 3)), mass=5.0, product_mass=product_mass, slope=slope, rng=np.random.default_rng(1))
