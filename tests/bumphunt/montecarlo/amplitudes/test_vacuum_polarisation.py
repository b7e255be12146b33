"""The running of alpha against PYTHIA's, and against loops of leptons."""

import numpy as np
import pytest
from scipy.integrate import quad

from bumphunt.constants import ALPHA, M_ELECTRON, M_MUON, M_TAU
from bumphunt.montecarlo.amplitudes.vacuum_polarisation import running, vacuum_polarisation


@pytest.mark.parametrize("sqrt_s", [1.0, 2.9, 10.58])
def test_vacuum_polarisation_is_that_of_pythia_6(sqrt_s):
    """PYTHIA 6.4's PYALEM, with leptons as constants and whole logarithms; the tau only far above its threshold."""
    q2 = sqrt_s**2
    a = ALPHA / (3 * np.pi)
    if q2 < 9:
        shift = a * (16.3200 + 2 * np.log(q2)) + 0.00238 * np.log(1 + 3.927 * q2)
    else:
        shift = a * (13.4955 + 3 * np.log(q2)) + 0.00165 + 0.00299 * np.log(1 + q2)
    assert vacuum_polarisation(q2) == pytest.approx(1 / (1 - shift) ** 2, rel=2e-4)


def test_vacuum_polarisation_is_continuous_and_grows():
    edges = np.array([0.09, 9.0])
    np.testing.assert_allclose(vacuum_polarisation(edges * (1 - 1e-9)), vacuum_polarisation(edges), rtol=1e-4)
    assert np.all(np.diff(vacuum_polarisation(np.geomspace(0.01, 1000, 50))) > 0)


@pytest.mark.parametrize("q2", [-1.0, -30.0, -100.0])
def test_vacuum_polarisation_at_space_like_momenta_is_that_of_lepton_loops_and_burkhardt(q2):
    """(2 alpha / pi) Int x (1 - x) ln(1 + x (1 - x) Q^2 / m^2) dx for each lepton, Peskin and Schroeder eq. 7.90.

    The tau, which the code takes far above its threshold, makes 5e-4 at most.
    """
    leptons = sum(
        quad(lambda x, m=m: x * (1 - x) * np.log1p(x * (1 - x) * -q2 / m**2), 0, 1)[0]
        for m in (M_ELECTRON, M_MUON, M_TAU)
    )
    hadrons = 0.00238 * np.log1p(-3.927 * q2) if -q2 < 9 else 0.00165 + 0.00299 * np.log1p(-q2)
    expected = 1 / (1 - 2 * ALPHA / np.pi * leptons - hadrons)
    assert running(q2) == pytest.approx(expected, rel=5e-4)
    assert vacuum_polarisation(q2) == pytest.approx(running(q2) ** 2)


def test_alpha_does_not_run_far_below_the_electron_mass():
    assert running(-1e-9) == pytest.approx(1.0, abs=1e-9)
    assert running(0.0) == pytest.approx(1.0, abs=1e-9)
