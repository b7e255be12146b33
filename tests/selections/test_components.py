"""Momenta by component, against the formulas of `bumphunt.kinematics.momenta`."""

from __future__ import annotations

import numpy as np

from bumphunt.kinematics import momenta as kinematics
from bumphunt.kinematics.momenta import BEAMS
from selections import components

RNG = np.random.default_rng(2)
P, THETA, PHI = RNG.uniform(0.1, 6, 5000), RNG.uniform(0, np.pi, 5000), RNG.uniform(-np.pi, np.pi, 5000)
OTHER = components.four_momenta(P[::-1], THETA[::-1], PHI[::-1], 0.5)


def test_sine_and_cosine_of_any_angle() -> None:
    angles = np.concatenate([PHI, THETA, [0.0, np.pi, -np.pi, np.pi / 2, 1e-9]])
    sine, cosine = components.sine_and_cosine(angles)
    np.testing.assert_allclose(sine, np.sin(angles), atol=4e-16)
    np.testing.assert_allclose(cosine, np.cos(angles), atol=4e-16)


def test_everything_equals_kinematics() -> None:
    ours = components.four_momenta(P, THETA, PHI, 0.1)
    theirs = kinematics.four_momentum(P, THETA, PHI, 0.1)
    other = OTHER.T
    close = {"rtol": 1e-12, "atol": 1e-14}
    np.testing.assert_allclose(ours.T, theirs, atol=1e-14)
    np.testing.assert_allclose(components.squared_mass(ours + OTHER), kinematics.mass_squared(theirs + other), **close)
    np.testing.assert_allclose(components.length(ours), P, **close)
    np.testing.assert_allclose(components.transverse(ours), kinematics.transverse_momentum(theirs), atol=1e-14)
    np.testing.assert_allclose(components.polar_angles(ours), THETA, atol=1e-14)
    beams = BEAMS["belle2"]
    np.testing.assert_allclose(
        components.boosted(ours, -beams.velocity).T, kinematics.to_centre_of_mass(theirs, beams), rtol=1e-12, atol=1e-13
    )
    np.testing.assert_allclose(components.opening_angles(ours, OTHER), kinematics.opening_angle(theirs, other), **close)
    np.testing.assert_allclose(
        components.cross_product(ours, OTHER),
        kinematics.transverse_to(theirs, other) * kinematics.momentum(other),
        rtol=1e-11,
        atol=1e-13,
    )


def test_angle_to_nothing_is_a_right_angle() -> None:
    nothing = np.zeros((4, 3))
    np.testing.assert_array_equal(components.opening_angles(nothing, OTHER[:, :3]), np.pi / 2)
