"""One-photon emission against its exact distributions."""

import numpy as np
import pytest
from scipy import integrate

from bumphunt.constants import ALPHA, M_ELECTRON, M_MUON
from bumphunt.kinematics.momenta import Beams, boost, mass_squared
from bumphunt.montecarlo.events import beam_particles
from bumphunt.montecarlo.radiation import initial_state as radiation
from bumphunt.montecarlo.radiation.final_state import radiate_final_state
from bumphunt.theory.structure_function import K_FACTOR, radiator_exponent

SQRT_S = 10.58
SYMMETRIC = Beams(electron_energy=SQRT_S / 2, positron_energy=SQRT_S / 2)


def initial_state(beams, n, seed, minimum_mass=2.001 * M_MUON):
    rng = np.random.default_rng(seed)
    electron, positron = beam_particles(beams, n, rng=rng)
    state = radiation.radiate_initial_state(electron, positron, minimum_mass=minimum_mass, rng=rng)
    return electron, positron, state


def muons_at_rest(n, seed):
    """Return pairs at rest and muons back to back in them, in all directions."""
    rng = np.random.default_rng(seed)
    axis = rng.normal(size=(n, 3))
    axis *= np.sqrt(SQRT_S**2 / 4 - M_MUON**2) / np.linalg.norm(axis, axis=1, keepdims=True)
    charged = np.empty((n, 2, 4))
    charged[:, :, 0] = SQRT_S / 2
    charged[:, 0, 1:], charged[:, 1, 1:] = axis, -axis
    return np.tile([SQRT_S, 0.0, 0.0, 0.0], (n, 1)), charged


def one_photon(x, c0):
    """Return the density in x of photons with abs(cos) < c0: Bonneau and Martin, far from the beams."""
    return ALPHA / (np.pi * x) * ((2 - 2 * x + x * x) * 2 * np.arctanh(c0) - x * x * c0)


@pytest.mark.parametrize(("low", "high"), [(0.1, 0.3), (0.3, 0.6), (0.6, 0.9)])
@pytest.mark.parametrize("c0", [0.5, 0.9])
def test_hard_photons_have_the_energies_and_angles_of_bonneau_and_martin(low, high, c0):
    """One hard photon, with the soft factor (x w)^(beta/2) of the others when the other leg loses less than w."""
    n, window = 1_000_000, 0.01
    _, _, state = initial_state(SYMMETRIC, n, 6)
    energy = state.photons[:, :, 0]
    hard = state.photons[np.arange(n), energy.argmax(axis=1)]
    x, cos = 2 * hard[:, 0] / SYMMETRIC.sqrt_s, np.abs(hard[:, 3]) / np.maximum(hard[:, 0], 1e-300)
    chosen = (x > low) & (x < high) & (cos < c0) & (2 * energy.min(axis=1) / SYMMETRIC.sqrt_s < window)
    beta = float(radiator_exponent(SYMMETRIC.s, M_ELECTRON))
    dressed, _ = integrate.quad(lambda x: one_photon(x, c0) * (x * window) ** (beta / 2), low, high)
    dressed *= (1 + 3 / 8 * beta) * K_FACTOR
    weights = state.weight[chosen]
    error = np.sqrt(np.sum(weights**2)) / n
    assert error < 0.03 * dressed
    assert weights.sum() / n == pytest.approx(dressed, abs=4 * error + 0.04 * dressed)


@pytest.mark.parametrize(("low", "high"), [(0.1, 0.3), (0.3, 0.6), (0.6, 0.9)])
@pytest.mark.parametrize("c0", [0.5, 0.9])
def test_final_state_photons_have_the_exact_distribution(low, high, c0):
    """gamma* -> mu mu gamma goes as (x1^2 + x2^2) / (1 - x1)(1 - x2): in the angle about the muons after emission."""
    n = 400_000
    pair, charged = muons_at_rest(n, 7)
    momenta, weight = radiate_final_state(pair, charged, mass=M_MUON, rng=np.random.default_rng(8))
    muons = momenta[:, 0] + momenta[:, 1]
    velocity = -muons[:, 1:] / muons[:, :1]
    hard = momenta[np.arange(n), 2 + momenta[:, 2:, 0].argmax(axis=1)]
    k, q = boost(hard, velocity)[:, 1:], boost(momenta[:, 0], velocity)[:, 1:]
    cos = np.abs(np.sum(k * q, axis=1)) / (np.maximum(np.linalg.norm(k, axis=1) * np.linalg.norm(q, axis=1), 1e-300))
    x = 1 - mass_squared(muons) / SQRT_S**2
    chosen = (x > low) & (x < high) & (cos < c0)
    expected, _ = integrate.quad(one_photon, low, high, args=(c0,))
    error = np.sqrt(np.sum(weight[chosen] ** 2)) / n
    # several photons add to x here, and photons not seen take away: a few per cent
    assert weight[chosen].sum() / n == pytest.approx(expected, abs=4 * error + 0.06 * expected)
