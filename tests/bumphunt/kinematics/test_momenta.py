"""Kinematics against the `vector` package and published beam parameters."""

from __future__ import annotations

import numpy as np
import pytest
import vector
from numpy.typing import NDArray

from bumphunt.constants import M_MUON
from bumphunt.errors import InputError
from bumphunt.kinematics import momenta as k

BELLE2 = k.BEAMS["belle2"]


def momenta(n: int = 500, seed: int = 1) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    p3 = rng.normal(0, 2, (n, 3))
    mass = rng.uniform(0.1, 2, n)
    return np.column_stack([np.sqrt(mass**2 + np.sum(p3**2, axis=1)), p3])


def as_vector(p4: NDArray[np.float64]) -> vector.MomentumNumpy4D:
    return vector.array({"E": p4[:, 0], "px": p4[:, 1], "py": p4[:, 2], "pz": p4[:, 3]})


# Belle II TDR arXiv:1011.0352 and PDG masses of the resonances; BaBar NIM A 729 (2013) 615; Belle NIM A 499 (2003) 1;
# KLOE arXiv:1807.02691 and 1501.06795; BESIII's psi(3770)
PUBLISHED = {
    "belle2": (10.5796, 1e-4),
    "belle2-off-resonance": (10.519, 1e-3),
    "belle2-y1s": (9.4603, 2e-3),
    "belle2-y2s": (10.0233, 2e-3),
    "belle2-y3s": (10.3552, 2e-3),
    "belle2-y5s": (10.876, 1e-2),
    "babar": (10.579, 1e-4),
    "babar-off-resonance": (10.539, 1e-4),
    "babar-y2s": (10.0233, 1e-3),
    "babar-y3s": (10.3552, 1e-3),
    "belle": (10.580, 1e-3),
    "kloe": (1.0194, 1e-4),
    "kloe-off-resonance": (1.0, 1e-4),
    "bes3": (3.773, 1e-4),
}


@pytest.mark.parametrize("name", k.BEAMS)
def test_beams_have_the_published_energy(name: str) -> None:
    beams, (sqrt_s, tolerance) = k.BEAMS[name], PUBLISHED[name]
    # massless beams: s = 2 E1 E2 (1 + cos angle); the electron mass adds 1e-8
    s = 2 * beams.electron_energy * beams.positron_energy * (1 + np.cos(beams.crossing_angle))
    assert beams.sqrt_s == pytest.approx(np.sqrt(s), rel=1e-6)
    assert beams.sqrt_s == pytest.approx(sqrt_s, abs=tolerance)


@pytest.mark.parametrize(
    ("name", "beta_gamma"), [("belle2", 0.287), ("babar", 0.56), ("belle", 0.425), ("kloe", 0.0125)]
)
def test_beams_have_the_published_boost(name: str, beta_gamma: float) -> None:
    speed = np.linalg.norm(k.BEAMS[name].velocity)
    assert speed / np.sqrt(1 - speed**2) == pytest.approx(beta_gamma, abs=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"electron_energy": -7.0}, "electron_energy = -7.0"),
        ({"positron_energy": float("nan")}, "positron_energy = nan"),
        ({"electron_spread": -1.0}, "electron_spread = -1.0"),
        ({"crossing_angle": 4.0}, "crossing_angle = 4.0"),
    ],
)
def test_impossible_beams_raise(change: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        k.Beams(**({"electron_energy": 7.0, "positron_energy": 4.0} | change))


def test_boost_equals_vector() -> None:
    p4, v = momenta(), as_vector(momenta())
    velocity = np.array([0.2, -0.1, 0.5])
    boosted = v.boost_beta3(vector.obj(x=0.2, y=-0.1, z=0.5))
    mine = k.boost(p4, velocity)
    for column, name in enumerate(("E", "px", "py", "pz")):
        np.testing.assert_allclose(mine[:, column], boosted[name], rtol=1e-10, atol=1e-10)


def test_boost_by_nothing_changes_nothing_and_by_light_raises() -> None:
    np.testing.assert_allclose(k.boost(momenta(), np.zeros(3)), momenta(), rtol=1e-15)
    with pytest.raises(InputError, match="below 1"):
        k.boost(momenta(), np.array([0.0, 0.0, 1.0]))


def test_beams_are_at_rest_in_their_frame_and_the_way_back_is_exact() -> None:
    total = k.to_centre_of_mass(BELLE2.p4, BELLE2)
    np.testing.assert_allclose(total, [BELLE2.sqrt_s, 0, 0, 0], atol=1e-12)
    there = k.to_centre_of_mass(momenta(), BELLE2)
    np.testing.assert_allclose(k.to_laboratory(there, BELLE2), momenta(), atol=1e-12)
    np.testing.assert_allclose(k.mass_squared(there), k.mass_squared(momenta()), atol=1e-9)


def test_angles_and_momenta_equal_vector() -> None:
    p4, v = momenta(), as_vector(momenta())
    other, w = momenta(seed=2), as_vector(momenta(seed=2))
    np.testing.assert_allclose(k.polar_angle(p4), v.theta, rtol=1e-12)
    np.testing.assert_allclose(k.transverse_momentum(p4), v.pt, rtol=1e-12)
    np.testing.assert_allclose(k.momentum(p4), v.mag, rtol=1e-12)
    np.testing.assert_allclose(k.mass_squared(p4), v.tau2, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(k.opening_angle(p4, other), v.deltaangle(w), rtol=1e-7)
    np.testing.assert_allclose(k.cross_product(p4, other), v.to_Vector3D().cross(w.to_Vector3D()).mag, rtol=1e-12)


def test_four_momentum_equals_vector() -> None:
    v = as_vector(momenta())
    np.testing.assert_allclose(k.four_momentum(v.mag, v.theta, v.phi, v.tau), momenta(), rtol=1e-9, atol=1e-12)


def test_opening_angle_is_exact_where_arccos_is_not() -> None:
    a = np.array([1.0, 1.0, 0.0, 0.0])
    b = np.array([1.0, 1.0, 1e-9, 0.0])
    assert k.opening_angle(a, b) == pytest.approx(1e-9, rel=1e-6)


def test_angle_to_nothing_is_a_right_angle() -> None:
    np.testing.assert_array_equal(k.opening_angle(np.zeros((3, 4)), momenta(3)), np.pi / 2)


def test_components_of_any_angle_are_sines_and_cosines() -> None:
    angles = np.append(np.linspace(-np.pi, np.pi, 5001), [0.0, np.pi / 2, 1e-9])
    along, in_plane = k.four_momentum(1.0, angles, 0.0, 0.0), k.four_momentum(1.0, np.pi / 2, angles, 0.0)
    np.testing.assert_allclose(along[:, [3, 1]], np.stack([np.cos(angles), np.sin(angles)], axis=1), atol=4e-16)
    np.testing.assert_allclose(in_plane[:, [1, 2]], np.stack([np.cos(angles), np.sin(angles)], axis=1), atol=4e-16)


def test_order_in_memory_changes_nothing_and_is_kept() -> None:
    rng = np.random.default_rng(3)
    columns = k.four_momentum(rng.uniform(0.1, 6, 40), rng.uniform(0, np.pi, 40), rng.uniform(-3, 3, 40), 0.1)
    rows, other = np.ascontiguousarray(columns), momenta(40)
    assert columns.flags.f_contiguous
    assert k.to_centre_of_mass(columns, BELLE2).flags.f_contiguous
    assert k.to_centre_of_mass(rows, BELLE2).flags.c_contiguous
    for function in (k.mass_squared, k.momentum, k.polar_angle, lambda p4: k.boost(p4, other[:, 1:] / other[:, :1])):
        np.testing.assert_array_equal(function(columns), function(rows))
    np.testing.assert_array_equal(k.opening_angle(columns, other), k.opening_angle(rows, other))


def test_one_momentum_is_boosted_by_many_velocities() -> None:
    other = momenta(5)
    velocity = other[:, 1:] / other[:, :1]
    found = k.boost([5.0, 0.0, 0.0, 3.0], velocity)
    np.testing.assert_array_equal(found, k.boost(np.tile([5.0, 0.0, 0.0, 3.0], (5, 1)), velocity))


@pytest.mark.parametrize("mass", [0.0, 0.5, 4.0, 9.0])
def test_recoil_of_one_photon_has_the_mass(mass: float) -> None:
    energy = (BELLE2.s - mass**2) / (2 * BELLE2.sqrt_s)
    photon = k.to_laboratory(k.four_momentum(energy, 0.7, -2.0, 0.0), BELLE2)
    assert k.recoil_mass_squared(photon, BELLE2) == pytest.approx(mass**2, abs=1e-11)


def test_recoil_mass_squared_is_s_plus_m2_minus_two_roots_s_energy() -> None:
    p4 = momenta()
    energy = k.to_centre_of_mass(p4, BELLE2)[:, 0]
    expected = BELLE2.s + k.mass_squared(p4) - 2 * BELLE2.sqrt_s * energy
    np.testing.assert_allclose(k.recoil_mass_squared(p4, BELLE2), expected, atol=1e-9)


def test_signed_and_reduced_mass_at_and_below_zero() -> None:
    np.testing.assert_allclose(k.signed_mass([-9.0, 0.0, 9.0]), [-3, 0, 3])
    threshold = 2 * M_MUON
    assert k.reduced_mass(threshold) == pytest.approx(0.0, abs=1e-8)
    assert np.isnan(k.reduced_mass(0.9 * threshold))
