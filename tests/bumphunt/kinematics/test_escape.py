"""Particles that escape: the edge against brute force, the lost photon against generated three-photon kinematics."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

from bumphunt.kinematics.escape import beam_holes, edge_energy, partner_angles
from bumphunt.kinematics.momenta import BEAMS, Beams, four_momentum, polar_angle, to_laboratory

SQRT_S = 10.58
HOLES = (0.46, 0.40)


def highest_energy(theta: float) -> float:
    """Largest E* that energy and momentum allow: a linear programme in the energies along many directions."""
    angles = np.concatenate([np.linspace(0, HOLES[0], 41), np.pi - np.linspace(0, HOLES[1], 41)])
    angle, phi = (grid.ravel() for grid in np.meshgrid(angles, np.linspace(0, 2 * np.pi, 48, endpoint=False)))
    lost = four_momentum(1.0, angle, phi, 0.0)
    directions = np.vstack([four_momentum(1.0, theta, 0.0, 0.0), lost])
    cost = np.zeros(len(directions))
    cost[0] = -1.0
    result = linprog(cost, A_eq=directions.T, b_eq=[SQRT_S, 0.0, 0.0, 0.0])
    assert result.success
    return float(result.x[0])


@pytest.mark.parametrize("theta", [0.6, 1.0, np.pi / 2, 2.0, 2.6])
def test_edge_is_the_highest_energy_that_conservation_allows(theta: float) -> None:
    assert float(edge_energy(theta, SQRT_S, HOLES)) == pytest.approx(highest_energy(theta), rel=1e-6)


def test_edge_is_a_beam_energy_where_the_other_photon_just_escapes() -> None:
    a, b = HOLES
    np.testing.assert_allclose(edge_energy([b, np.pi - a], SQRT_S, HOLES), SQRT_S / 2)


def test_edge_is_lowest_between_the_holes() -> None:
    theta = np.linspace(HOLES[0], np.pi - HOLES[1], 20001)
    lowest = theta[np.argmin(edge_energy(theta, SQRT_S, HOLES))]
    assert lowest == pytest.approx((np.pi - HOLES[0] + HOLES[1]) / 2, abs=1e-3)


def test_wider_holes_raise_the_edge() -> None:
    assert edge_energy(1.5, SQRT_S, (0.5, 0.5)) > edge_energy(1.5, SQRT_S, (0.4, 0.5))


def test_holes_without_crossing_angle_are_those_of_the_boost() -> None:
    beams = BEAMS["babar"]
    low, high = np.radians(15.8), np.radians(141.8)
    stretch = np.exp(np.arctanh(beams.velocity[2]))  # tan(theta*/2) = tan(theta/2) exp(y)
    expected = 2 * np.arctan(np.tan(low / 2) * stretch), np.pi - 2 * np.arctan(np.tan(high / 2) * stretch)
    np.testing.assert_allclose(beam_holes((low, high), beams), expected, rtol=1e-6)


def test_crossing_angle_widens_the_holes() -> None:
    head_on = Beams(electron_energy=7.004, positron_energy=4.002)
    crossing = beam_holes((0.2, 2.7), BEAMS["belle2"])
    assert all(wide > narrow for wide, narrow in zip(crossing, beam_holes((0.2, 2.7), head_on), strict=True))


@pytest.mark.parametrize("name", ["babar", "belle2"])
@pytest.mark.parametrize("beam", [0, 1])
def test_partner_of_a_photon_along_a_beam_is_found(name: str, beam: int) -> None:
    beams, rng = BEAMS[name], np.random.default_rng(3)
    n = 1000
    line = (beams.electron, beams.positron)[beam]
    third = np.outer(rng.uniform(0.01, 0.7, n) * line[0], [1.0, *(line[1:] / np.linalg.norm(line[1:]))])
    rest = beams.p4 - third
    # two photons back to back where the rest is at rest
    energy = np.sqrt(rest[:, 0] ** 2 - np.sum(rest[:, 1:] ** 2, axis=1)) / 2
    first = four_momentum(energy, np.arccos(rng.uniform(-0.9, 0.9, n)), rng.uniform(-3, 3, n), 0.0)
    velocity = rest[:, 1:] / rest[:, :1]
    gamma = rest[:, 0] / (2 * energy)
    along = np.sum(first[:, 1:] * velocity, axis=1)
    lab = np.empty_like(first)
    lab[:, 0] = gamma * (first[:, 0] + along)
    lab[:, 1:] = first[:, 1:] + velocity * (gamma**2 / (1 + gamma) * along + gamma * first[:, 0])[:, np.newaxis]
    second = rest - lab
    np.testing.assert_allclose(partner_angles(lab, beams)[beam], polar_angle(second), atol=1e-6)


def test_partner_of_a_photon_of_too_much_energy_is_back_to_back() -> None:
    beams = BEAMS["babar"]
    photon = to_laboratory(four_momentum(beams.sqrt_s / 2 + 0.1, 1.2, 0.3, 0.0), beams)[np.newaxis]
    expected = polar_angle(beams.p4 - photon)
    for angle in partner_angles(photon, beams):
        np.testing.assert_allclose(angle, expected)
