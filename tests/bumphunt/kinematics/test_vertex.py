"""Where tracks meet: against scipy's least squares, and the distribution of chi^2."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.stats import chi2, kstest

from bumphunt.kinematics.vertex import Lines, fit_vertex
from bumphunt.montecarlo.detector.measurement import distance_of_closest_approach

DR, DZ, ANGLE = 0.005, 0.02, 1.5e-3


def lines(point, theta, phi, angle=0.0):
    """Tracks through points, shape (N, 3), in directions of shape (K, N)."""
    both = [distance_of_closest_approach(point, t, p) for t, p in zip(theta, phi, strict=True)]
    dr, dz = (np.array(values) for values in zip(*both, strict=True))
    return Lines(dr=dr, dz=dz, theta=theta, phi=phi, angle_error=np.full(theta.shape, angle))


def directions(rng, k, n):
    return rng.uniform(0.5, 2.5, (k, n)), rng.uniform(-np.pi, np.pi, (k, n))


@pytest.mark.parametrize("tracks", [2, 3, 6])
def test_exact_tracks_meet_where_they_come_from(tracks):
    rng = np.random.default_rng(1)
    point = rng.normal(0.0, 5.0, (50, 3))
    found = fit_vertex(lines(point, *directions(rng, tracks, 50)), dr_error=DR, dz_error=DZ)
    np.testing.assert_allclose(found.position, point, atol=1e-7)
    assert np.all(found.chi2 < 1e-8)


def test_point_is_that_of_least_squares():
    rng = np.random.default_rng(2)
    theta, phi = directions(rng, 3, 1)
    dr, dz = rng.normal(0.0, 0.1, (3, 1)), rng.normal(0.0, 0.1, (3, 1))
    found = fit_vertex(
        Lines(dr=dr, dz=dz, theta=theta, phi=phi, angle_error=np.zeros((3, 1))), dr_error=DR, dz_error=DZ
    )

    def pulls(x):
        far, along = distance_of_closest_approach(np.tile(x, (3, 1)), theta[:, 0], phi[:, 0])
        return np.concatenate([(far - dr[:, 0]) / DR, (along - dz[:, 0]) / DZ])

    best = least_squares(pulls, np.zeros(3), xtol=1e-14, ftol=1e-14, gtol=1e-14)
    np.testing.assert_allclose(found.position[0], best.x, atol=1e-8)
    assert found.chi2[0] == pytest.approx(2.0 * best.cost, rel=1e-8)


def test_chi2_of_measured_tracks_has_its_distribution_also_far_from_the_beams():
    rng = np.random.default_rng(3)
    n = 4000
    point = rng.normal(0.0, 1.0, (n, 3)) * rng.choice([0.1, 5.0], (n, 1))
    theta, phi = directions(rng, 2, n)
    true = lines(point, theta, phi, ANGLE)
    measured = Lines(
        dr=true.dr + rng.normal(0.0, DR, true.dr.shape),
        dz=true.dz + rng.normal(0.0, DZ, true.dz.shape),
        theta=theta + rng.normal(0.0, ANGLE, theta.shape),
        phi=phi + rng.normal(0.0, ANGLE, theta.shape) / np.sin(theta),
        angle_error=true.angle_error,
    )
    found = fit_vertex(measured, dr_error=DR, dz_error=DZ)
    wide = np.abs(np.sin(phi[0] - phi[1])) > 0.3  # the errors of others are not those of a line
    assert kstest(found.chi2[wide], chi2(1).cdf).pvalue > 1e-3


def test_parallel_tracks_have_the_nearest_point_to_the_origin():
    both = np.full((2, 1), 1.0)
    found = fit_vertex(
        Lines(dr=np.zeros((2, 1)), dz=np.zeros((2, 1)), theta=both, phi=both, angle_error=both * 0.0),
        dr_error=DR,
        dz_error=DZ,
    )
    np.testing.assert_allclose(found.position, 0.0, atol=1e-12)
