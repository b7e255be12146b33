"""Structure functions against scipy, and the four-momenta of photons from the beams."""

import numpy as np
import pytest
from scipy.integrate import quad

from bumphunt.constants import M_ELECTRON, M_MUON
from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import BEAMS, Beams, mass_squared
from bumphunt.montecarlo.events import beam_particles
from bumphunt.montecarlo.radiation.initial_state import INITIAL_SHARES, radiate_initial_state
from bumphunt.montecarlo.radiation.lost_fractions import draw_lost_fractions
from bumphunt.montecarlo.radiation.photon_angles import angular_weight, emit_photon
from bumphunt.theory.structure_function import K_FACTOR, radiator_exponent, structure_function

BELLE2 = BEAMS["belle2"]
S = 10.58**2
N = 200_000


def kept_below(largest, mass, power=0, s=S):
    """Return Int D(z) z^power dz over 1 - z < largest, by scipy, in t = u^(beta/2)."""
    beta = float(radiator_exponent(s, mass))

    def integrand(t):
        u = max(t ** (2 / beta), 1e-300)
        return float(structure_function(u, s, mass)) * (1 - u) ** power

    return quad(integrand, 0, largest ** (beta / 2), epsabs=1e-9, limit=200)[0]


@pytest.fixture(scope="module")
def initial():
    electron, positron = beam_particles(BELLE2, N, rng=np.random.default_rng(10))
    state = radiate_initial_state(electron, positron, minimum_mass=1.0, rng=np.random.default_rng(11))
    return electron, positron, state


def test_drawn_fractions_have_the_density_of_the_structure_functions():
    beta, largest = float(radiator_exponent(S, M_ELECTRON)), 0.95
    rng = np.random.default_rng(12)
    drawn = np.array([draw_lost_fractions(beta, largest, INITIAL_SHARES, rng) for _ in range(60_000)])
    weight = drawn[:, 2]
    for leg in (0, 1):
        for power in (0, 1, 2):
            value = weight * (1 - drawn[:, leg]) ** power
            expected = kept_below(largest, M_ELECTRON, power) * kept_below(largest, M_ELECTRON)
            assert value.mean() == pytest.approx(expected, abs=4 * value.std() / np.sqrt(len(value)))
    # neither is correlated with the other
    both = weight * (1 - drawn[:, 0]) * (1 - drawn[:, 1])
    expected = kept_below(largest, M_ELECTRON, 1) ** 2
    assert both.mean() == pytest.approx(expected, abs=4 * both.std() / np.sqrt(len(both)))
    assert drawn[:, :2].min() > 0
    assert drawn[:, :2].max() <= largest


@pytest.mark.parametrize("lost", [1e-3, 0.5])
def test_photon_angle_follows_the_collinear_pole(lost):
    """Mean of (1 - beta cos) / (1 - cos + 0.3) and of cos about the emitter, by quadrature; soft and hard photons."""
    energy, p = 2.0, np.sqrt(4.0 - M_MUON**2)
    direction = np.array([0.6, 0.0, -0.8])
    rng = np.random.default_rng(13)
    charged = (energy, *(p * direction))
    log = float(np.log(100.0 / M_MUON**2))
    photons = [emit_photon(charged, M_MUON, lost, log, rng) for _ in range(40_000)]
    k, weight = np.array([q for q, _ in photons]), np.array([w for _, w in photons])
    gap = M_MUON**2 / (energy * (energy + p))
    # without the exact angular weight the collinear pole is left
    weight /= [angular_weight(lost, 1 - c, gap, log) for c in k[:, 1:] @ direction / k[:, 0]]
    np.testing.assert_allclose(k[:, 0], lost * energy)
    np.testing.assert_allclose(mass_squared(k), 0.0, atol=1e-12)
    cos = k[:, 1:] @ direction / k[:, 0]
    b = p / energy
    norm = quad(lambda c: 1 / (1 - b * c), -1, 1)[0]
    for function in (lambda c: np.ones_like(c), lambda c: c, lambda c: (c < 0.5) * 1.0):
        value = weight * function(cos)
        expected = quad(lambda c, f=function: f(c) / (1 - b * c), -1, 1, points=[0.5])[0] / norm
        assert value.mean() == pytest.approx(expected, abs=1e-9 + 4 * value.std() / np.sqrt(len(value)))
    across = k[:, 2] / k[:, 0]  # no azimuth is preferred
    assert (weight * across).mean() == pytest.approx(0.0, abs=4 * (weight * across).std() / np.sqrt(len(across)))


def test_radiation_folds_a_cross_section_as_two_structure_functions_do(initial):
    """Mean of the weight times sigma_0 = 1/s', in units of 1/s, against scipy's double integral."""
    _, _, state = initial
    s = BELLE2.s
    beta = float(radiator_exponent(s, M_ELECTRON))
    largest = 1 - 1.0 / s

    def inner(u1):
        top = 1 - (1 - largest) / (1 - u1)
        return quad(
            lambda t: float(structure_function(max(t ** (2 / beta), 1e-300), s)) / (1 - t ** (2 / beta)),
            0, max(top, 0.0) ** (beta / 2), epsabs=1e-6,
        )[0] / (1 - u1)  # fmt: skip

    expected = K_FACTOR * quad(
        lambda t: float(structure_function(max(t ** (2 / beta), 1e-300), s)) * inner(t ** (2 / beta)),
        0, largest ** (beta / 2), epsabs=1e-5, limit=200,
    )[0]  # fmt: skip
    value = state.weight * s / state.mass_squared
    assert value.mean() == pytest.approx(expected, abs=4 * value.std() / np.sqrt(N))


def test_photons_and_the_annihilating_system_share_the_momentum_of_the_beams(initial):
    electron, positron, state = initial
    np.testing.assert_allclose(state.photons.sum(axis=1) + state.pair, electron + positron, atol=1e-12)
    np.testing.assert_allclose(mass_squared(state.photons), 0.0, atol=1e-10)
    np.testing.assert_allclose(mass_squared(state.pair), state.mass_squared, rtol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(state.axis, axis=1), 1.0, rtol=1e-12)
    assert np.all(state.photons[..., 0] >= 0)


def test_events_below_the_minimum_mass_have_no_weight_and_no_photons(initial):
    electron, positron, state = initial
    dropped = state.weight == 0
    assert 0 < dropped.mean() < 0.05
    assert not state.photons[dropped].any()
    np.testing.assert_array_equal(state.pair[dropped], (electron + positron)[dropped])
    assert state.mass_squared[~dropped].min() > 1.0 * (1 - 1e-9)


def test_no_event_weighs_much_more_than_the_mean(initial):
    _, _, state = initial
    assert state.weight.max() < 6 * state.weight.mean()


def test_axis_is_the_beam_line_when_photons_are_soft(initial):
    """At rest, with the crossing angle of the laboratory, the electron defines the axis."""
    electron, positron, state = initial
    plain = radiate_initial_state(electron, positron, minimum_mass=1.0, rng=np.random.default_rng(1), radiation=False)
    soft = state.photons[..., 0].sum(axis=1) < 1e-6
    assert soft.sum() > 1000
    np.testing.assert_allclose(state.axis[soft], plain.axis[soft], atol=1e-6)
    np.testing.assert_array_equal(plain.weight, 1.0)
    np.testing.assert_array_equal(plain.pair, electron + positron)


def test_radiation_follows_the_seed():
    electron, positron = BELLE2.electron[np.newaxis].repeat(50, 0), BELLE2.positron[np.newaxis].repeat(50, 0)
    first, second, other = (
        radiate_initial_state(electron, positron, minimum_mass=1.0, rng=np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.photons, second.photons)
    np.testing.assert_array_equal(first.weight, second.weight)
    assert np.any(first.weight != other.weight)


@pytest.mark.parametrize("minimum", [0.0, -1.0, np.nan, 10.0])
def test_minimum_mass_outside_the_range_raises_and_is_named(minimum):
    beams = Beams(electron_energy=5.0, positron_energy=5.0)
    electron, positron = beams.electron[np.newaxis], beams.positron[np.newaxis]
    with pytest.raises(InputError, match=f"minimum_mass = {minimum} GeV"):
        radiate_initial_state(electron, positron, minimum_mass=minimum, rng=np.random.default_rng(1))
