"""Pairs of leptons by annihilation."""

import pytest

from bumphunt.constants import M_MUON, M_TAU
from bumphunt.theory.lepton_pairs import born_cross_section


@pytest.mark.parametrize("mass", [M_MUON, M_TAU])
def test_born_cross_section_vanishes_up_to_threshold(mass):
    assert born_cross_section(4 * mass**2 * 0.99, mass) == 0
    assert born_cross_section(4 * mass**2, mass) == 0


@pytest.mark.parametrize(("sqrt_s", "mass"), [(10.0, 0.0), (1000.0, M_TAU)])
def test_born_cross_section_has_the_massless_limit(sqrt_s, mass):
    assert born_cross_section(sqrt_s**2, mass) * sqrt_s**2 / 1e6 == pytest.approx(86.8, rel=1e-3)  # PDG: 86.8 nb / s
