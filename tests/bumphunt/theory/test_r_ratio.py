"""R against the compilation it was taken from and QCD, the form factor against what is known of the pion."""

from pathlib import Path

import numpy as np
import pytest

from bumphunt.constants import M_PION
from bumphunt.montecarlo.amplitudes.tau_spectra import rho_current
from bumphunt.theory.r_ratio import HIGHEST_MASS, pion_form_factor, r_ratio

# mass and half-width [GeV] of what the table leaves out: omega, phi, J/psi, psi(2S), Upsilons
NARROW = ((0.7827, 0.012), (1.0195, 0.035), (3.0969, 0.05), (3.6861, 0.02), (9.4604, 0.05), (10.0233, 0.05),
          (10.3552, 0.05))  # fmt: skip


def test_table_is_that_of_the_compilation_when_it_is_at_hand():
    path = Path(__file__).parents[4] / "shared" / "reference" / "pdg_2020_r_ratio.txt"
    if not path.exists():
        pytest.skip("the reference folder is not beside this checkout")
    mass, r, error = np.loadtxt(path, unpack=True)
    used = mass < 10.6
    for centre, width in NARROW:
        used &= np.abs(mass - centre) > width
    deviation = r_ratio(mass[used]) / r[used] - 1
    error = np.hypot(error[used] / r[used], 0.01)
    assert np.mean((deviation / error) ** 2) < 1.3
    for low, high, rms in ((0.5, 2.0, 0.022), (2.0, 3.7, 0.042), (3.7, 4.6, 0.08), (4.6, 10.6, 0.037)):
        here = (mass[used] >= low) & (mass[used] < high)
        assert np.sqrt(np.mean(deviation[here] ** 2)) < rms


@pytest.mark.parametrize(("mass", "flavours"), [(2.6, 2.0), (3.5, 2.0), (7.0, 10 / 3), (10.0, 10 / 3)])
def test_r_between_thresholds_is_that_of_quarks(mass, flavours):
    """Three colours and the squared charges, times 1 + alpha_s / pi with alpha_s about 0.18 to 0.3."""
    assert 1.03 < r_ratio(mass) / flavours < 1.16


def test_r_vanishes_below_two_pions_and_is_unknown_above_the_table():
    np.testing.assert_array_equal(r_ratio([[0.1, 2 * M_PION]]), [[0.0, 0.0]])
    assert np.isnan(r_ratio(HIGHEST_MASS + 0.01))
    assert r_ratio(HIGHEST_MASS) == pytest.approx(r_ratio(10.54))


def test_two_pions_are_r_below_one_gev():
    mass = np.concatenate([np.linspace(0.33, 0.73, 41), np.linspace(0.8, 0.93, 14)])
    pions = (1 - 4 * M_PION**2 / mass**2) ** 1.5 / 4 * np.abs(pion_form_factor(mass**2)) ** 2
    np.testing.assert_allclose(pions, r_ratio(mass), rtol=0.07)


def test_form_factor_is_near_that_of_tau_decays():
    """The isovector form factor of tau -> pi pi nu (Kuehn, Santamaria) is another fit, to other data."""
    s = np.linspace(0.35, 0.9, 30) ** 2
    np.testing.assert_allclose(np.abs(pion_form_factor(s)), np.abs(rho_current(s)), rtol=0.07)


def test_form_factor_at_threshold_has_the_charge_radius_of_the_pion():
    """F = 1 + r^2 s / 6 + c s^2: <r^2> = 0.43 fm^2 (PDG: 0.659 fm squared), c about 4 GeV^-4, 1.18 at 4 m_pi^2."""
    s = 4 * M_PION**2
    expected = 1 + 0.659**2 / 0.1973**2 * s / 6 + 4.0 * s**2
    assert abs(pion_form_factor(s * 1.0001)) == pytest.approx(expected, rel=0.02)
    assert pion_form_factor(s * 0.99) == 0
