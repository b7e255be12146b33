"""Densities against scipy and numerical integration."""

import itertools

import numpy as np
import pytest
from scipy import integrate, stats

from bumphunt.errors import InputError
from bumphunt.models import shapes

X = np.linspace(-9.0, 9.0, 181)


@pytest.mark.parametrize(("mean", "sigma"), [(0.0, 1.0), (-2.0, 0.3)])
def test_gaussian_is_that_of_scipy(mean, sigma):
    norm = stats.norm(mean, sigma)
    np.testing.assert_allclose(shapes.gaussian_pdf(X, mean, sigma), norm.pdf(X), rtol=1e-12)
    np.testing.assert_allclose(shapes.gaussian_cdf(X, mean, sigma), norm.cdf(X), rtol=1e-12)


@pytest.mark.parametrize(("alpha", "n"), [(0.5, 1.1), (1.0, 2.0), (2.5, 30.0)])
@pytest.mark.parametrize(("mean", "sigma"), [(0.0, 1.0), (1.5, 0.4)])
def test_crystal_ball_is_that_of_scipy_on_both_sides(alpha, n, mean, sigma):
    ball = stats.crystalball(alpha, n, loc=mean, scale=sigma)
    np.testing.assert_allclose(shapes.crystal_ball_pdf(X, mean, sigma, alpha, n), ball.pdf(X), rtol=1e-9)
    np.testing.assert_allclose(shapes.crystal_ball_cdf(X, mean, sigma, alpha, n), ball.cdf(X), rtol=1e-9, atol=1e-15)
    mirrored = 2.0 * mean - X
    high = shapes.crystal_ball_pdf(mirrored, mean, sigma, alpha, n, tail="high")
    np.testing.assert_allclose(high, ball.pdf(X), rtol=1e-9)
    high = shapes.crystal_ball_cdf(mirrored, mean, sigma, alpha, n, tail="high")
    np.testing.assert_allclose(high, ball.sf(X), rtol=1e-6, atol=1e-12)


def test_crystal_ball_without_a_finite_tail_raises():
    with pytest.raises(InputError, match="n > 1"):
        shapes.crystal_ball_pdf(0.0, 0.0, 1.0, 1.0, 0.9)


def test_unknown_side_raises():
    with pytest.raises(InputError, match="'low' or 'high'"):
        shapes.crystal_ball_cdf(0.0, 0.0, 1.0, 1.0, 2.0, tail="left")  # type: ignore[arg-type]


@pytest.mark.parametrize("tail", ["low", "high"])
@pytest.mark.parametrize("n", [0.4, 1.0, 1.0 + 1e-9, 3.0])
def test_bins_of_ball_plus_gaussian_hold_integrals_of_the_density(tail, n):
    parameters, support = [0.3, 0.25, 0.9, n, 0.7, 2.1], (-3.0, 20.0)
    edges = np.array([-3.0, -1.0, 0.0, 0.2, 0.5, 0.9, 2.0, 7.0, 20.0])
    got = np.diff(shapes.crystal_ball_gaussian_cdf(edges, parameters, support, tail=tail))
    want = [
        integrate.quad(
            lambda x: shapes.crystal_ball_gaussian_pdf(x, parameters, support, tail=tail), a, b, epsabs=1e-12
        )[0]
        for a, b in itertools.pairwise(edges)
    ]
    np.testing.assert_allclose(got, want, rtol=1e-7, atol=1e-14)
    assert got.sum() == pytest.approx(1.0, abs=1e-12)


def test_density_outside_the_support_is_zero():
    assert shapes.crystal_ball_gaussian_pdf(30.0, [0.0, 1.0, 1.0, 1.0, 0.5, 2.0], (-5.0, 20.0)) == 0.0


def test_core_half_width_holds_its_content_of_two_gaussians():
    fraction, ratio, sigma = 0.6, 2.5, 0.2
    half = shapes.core_half_width([0.0, sigma, 1.0, 1.0, fraction, ratio])
    content = fraction * np.diff(stats.norm.cdf([-half, half], scale=sigma))
    content += (1.0 - fraction) * np.diff(stats.norm.cdf([-half, half], scale=ratio * sigma))
    assert content[0] == pytest.approx(np.diff(stats.norm.cdf([-1.0, 1.0]))[0], abs=1e-12)
