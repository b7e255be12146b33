"""The record of generated events, and the beams."""

import numpy as np
import pytest

from bumphunt.constants import M_ELECTRON
from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import BEAMS, mass_squared
from bumphunt.montecarlo.events import Events, beam_particles


@pytest.mark.parametrize("name", ["p4", "weight", "beams_p4", "vertex"])
def test_columns_of_another_length_raise_and_are_named(name):
    columns = {
        "p4": np.zeros((3, 2, 4)),
        "weight": np.zeros(3),
        "beams_p4": np.zeros((3, 4)),
        "vertex": np.zeros((3, 2, 3)),
    }
    columns[name] = columns[name][:2]
    with pytest.raises(InputError, match=f"{name} has shape"):
        Events(pdgid=np.zeros((3, 2), dtype=np.int32), **columns)


def test_beam_particles_have_the_energies_and_spreads_of_the_collider():
    beams = BEAMS["belle2"]
    n = 40_000
    electron, positron = beam_particles(beams, n, rng=np.random.default_rng(3))
    for p4, energy, spread in (
        (electron, beams.electron_energy, beams.electron_spread),
        (positron, beams.positron_energy, beams.positron_spread),
    ):
        assert p4[:, 0].mean() == pytest.approx(energy, abs=5 * spread / np.sqrt(n))
        assert p4[:, 0].std() == pytest.approx(spread, rel=5 / np.sqrt(2 * n))
        np.testing.assert_allclose(mass_squared(p4), M_ELECTRON**2, atol=1e-13)
    # Belle II: the spread of the centre-of-mass energy is about 5 MeV
    assert np.sqrt(mass_squared(electron + positron)).std() == pytest.approx(5e-3, rel=0.05)
    half = np.arctan2(electron[:, 1], electron[:, 3])
    np.testing.assert_allclose(half, 0.0415, atol=1e-12)
