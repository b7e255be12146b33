"""Masses and widths of the PDG."""

import pytest

from bumphunt.constants import M_ELECTRON, M_MUON, M_TAU, particle_mass, particle_width


def test_masses_and_widths_are_in_gev():
    # Review of Particle Physics 2024
    expected = {M_ELECTRON: 0.51099895e-3, M_MUON: 0.1056583755, M_TAU: 1.77693, particle_mass(553): 9.4604}
    for mass, value in expected.items():
        assert mass == pytest.approx(value, rel=2e-4)
    assert particle_width(333) == pytest.approx(4.249e-3, rel=5e-3)


@pytest.mark.parametrize(("quantity", "pdgid"), [(particle_mass, 12), (particle_width, 1)])
def test_what_the_pdg_does_not_have_raises_and_is_named(quantity, pdgid):
    with pytest.raises(ValueError, match=f"no (mass|width) for particle {pdgid}$"):
        quantity(pdgid)
