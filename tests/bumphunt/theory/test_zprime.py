"""The L_mu - L_tau model against published numbers, quadrature and an independent table."""

import time
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate

from bumphunt.constants import ALPHA, M_ELECTRON, M_MUON, M_TAU
from bumphunt.errors import InputError
from bumphunt.theory import zprime
from bumphunt.theory.pair_and_vector import total_cross_section
from bumphunt.theory.vector import width_to_fermions

SQRT_S = 10.58
# sigma [fb] at g' = 0.1, sqrt(s) = 10.58 GeV, alpha(0), no radiation: an independent calculation
TABLE = {0.01: 12563.7, 0.1: 5677.64, 0.3: 3010.3, 0.5: 2023.63, 1.0: 995.634, 2.0: 346.613, 3.0: 137.109,
         4.0: 54.3924, 5.0: 20.2524, 6.0: 6.63235, 7.0: 1.74102, 8.0: 0.308109, 9.0: 2.37986e-2,
         10.0: 9.72588e-5}  # fmt: skip


@pytest.mark.parametrize(("mass", "expected"), TABLE.items())
def test_cross_section_is_that_of_the_table(mass, expected):
    sigma = zprime.cross_section(mass, coupling=0.1, sqrt_s=SQRT_S, radiation=False)
    assert sigma == pytest.approx(expected, rel=5e-4)


def test_cross_section_is_that_of_the_whole_table_when_it_is_at_hand():
    path = Path(__file__).parents[4] / "shared" / "reference" / "zprime_mumu_cross_section.txt"
    if not path.exists():
        pytest.skip("the reference folder is not beside this checkout")
    masses, sigma = np.loadtxt(path, unpack=True)
    np.testing.assert_allclose(
        zprime.cross_section(masses, coupling=0.1, sqrt_s=SQRT_S, radiation=False), sigma, rtol=5e-4
    )


# An independent calculation gave these to two digits.
@pytest.mark.parametrize(("mass", "ratio"), [(0.5, 1.05), (2.0, 0.98), (6.0, 0.90), (8.0, 0.82)])
def test_radiation_changes_the_cross_section_as_it_should(mass, ratio):
    with_radiation = zprime.cross_section(mass, coupling=0.1, sqrt_s=SQRT_S)
    without = zprime.cross_section(mass, coupling=0.1, sqrt_s=SQRT_S, radiation=False)
    assert with_radiation / without == pytest.approx(ratio, rel=0.025)


def kuraev_fadin(v, s):
    """Return F(v) v^(1 - beta) / beta of Kuraev and Fadin, both legs in one function, without real electron pairs."""
    log = np.log(s / M_ELECTRON**2)
    beta = 2 * ALPHA / np.pi * (log - 1)
    soft = 1 + ALPHA / np.pi * (np.pi**2 / 3 - 0.5) + 0.75 * beta - beta**2 / 24 * (log / 3 + 2 * np.pi**2 - 37 / 4)
    hard = -beta * (1 - v / 2) + beta**2 / 8 * (
        4 * (2 - v) * np.log(1 / v) - (1 + 3 * (1 - v) ** 2) / v * np.log1p(-v) - 6 + v
    )
    return soft + hard * v ** (1 - beta) / beta, beta


@pytest.mark.parametrize("mass", [0.05, 0.5, 3.0, 8.0])
def test_radiation_is_that_of_the_single_radiator(mass):
    """The two structure functions folded give Kuraev and Fadin's F(v), with one integral instead of two."""
    s = SQRT_S**2
    _, beta = kuraev_fadin(0.5, s)
    limit = 1 - (mass + 2 * M_MUON) ** 2 / s

    def integrand(t):
        v = t ** (1 / beta)
        return kuraev_fadin(max(v, 1e-200), s)[0] * float(
            total_cross_section(s * (1 - v), m=M_MUON, mass=mass, coupling=0.1)
        )

    soft, _ = integrate.quad(integrand, 0, 0.3**beta if limit > 0.3 else limit**beta, epsrel=1e-5)
    hard = 0.0
    if limit > 0.3:
        y = integrate.quad(
            lambda y: integrand((1 - np.exp(y)) ** beta) * beta * (1 - np.exp(y)) ** (beta - 1) * np.exp(y),
            np.log(1 - limit), np.log(0.7), epsrel=1e-5, limit=200,
        )  # fmt: skip
        hard = y[0]
    assert zprime.cross_section(mass, coupling=0.1, sqrt_s=SQRT_S) == pytest.approx(soft + hard, rel=3e-3)


def test_interpolation_between_the_points_of_the_table_is_smooth():
    masses = np.geomspace(0.02, 10.0, 23)
    exact = [float(total_cross_section(SQRT_S**2, m=M_MUON, mass=m, coupling=1.0)) for m in masses]
    sigma = zprime.cross_section(masses, coupling=1.0, sqrt_s=SQRT_S, radiation=False)
    np.testing.assert_allclose(sigma, exact, rtol=2e-4)


def test_cross_section_scales_with_the_squared_coupling_and_keeps_the_shape():
    masses = np.array([[0.1, 1.0], [3.0, 7.0]])
    one = zprime.cross_section(masses, coupling=1.0, sqrt_s=SQRT_S)
    assert one.shape == (2, 2)
    np.testing.assert_allclose(zprime.cross_section(masses, coupling=3e-3, sqrt_s=SQRT_S), 9e-6 * one, rtol=1e-12)


def test_a_thousand_masses_take_less_than_a_second():
    zprime.cross_section(1.0, coupling=0.1, sqrt_s=SQRT_S)
    start = time.perf_counter()
    zprime.cross_section(np.linspace(0.01, 10.0, 1000), coupling=0.1, sqrt_s=SQRT_S)
    assert time.perf_counter() - start < 1.0


@pytest.mark.parametrize("mass", [0.0, -1.0, np.nan, SQRT_S - 2 * M_MUON, 11.0])
def test_mass_outside_the_kinematic_range_raises_and_is_named(mass):
    with pytest.raises(InputError, match=str(mass)):
        zprime.cross_section([1.0, mass], coupling=0.1, sqrt_s=SQRT_S)


@pytest.mark.parametrize(
    ("mass", "expected"),
    [(0.1, 1.0), (2 * M_MUON, 1.0), (1.0, 0.500), (3.0, 0.500), (4.0, 0.379), (5.0, 0.347), (8.0, 0.335)],
)
def test_invisible_branching_ratio(mass, expected):
    assert zprime.branching_ratio_invisible(mass) == pytest.approx(expected, abs=6e-4)


def test_heavy_zprime_decays_to_a_neutrino_pair_half_as_often_as_to_a_charged_pair():
    """Only left-handed neutrinos: 1/(2 + 2 + 1 + 1) each, so that BR(invisible) goes to 1/3."""
    assert zprime.branching_ratio_invisible(1e4) == pytest.approx(1 / 3, rel=1e-6)
    ratio = width_to_fermions(1e4, M_TAU, coupling=0.2) / zprime.width_neutrinos(1e4, coupling=0.2)
    assert ratio == pytest.approx(2.0, rel=1e-6)
    assert zprime.total_width(9.0, coupling=0.1) / 9.0 == pytest.approx(0.01 / (4 * np.pi), rel=0.01)


@pytest.mark.parametrize("function", [zprime.branching_ratio_invisible, lambda m: zprime.total_width(m, coupling=1)])
def test_mass_that_is_not_positive_has_no_width(function):
    with pytest.raises(InputError, match=r"mass = 0\.0 GeV"):
        function([1.0, 0.0])


# g' that gives a_mu = 251e-11, to the digits quoted (an independent evaluation of the one-loop integral)
@pytest.mark.parametrize(
    ("mass", "coupling", "digit"),
    [
        (0.01, 5.0e-4, 1e-5),
        (0.1, 9.5e-4, 1e-5),
        (0.5, 2.9e-3, 1e-4),
        (1.0, 5.4e-3, 1e-4),
        (2.0, 1.05e-2, 1e-4),
        (5.0, 2.6e-2, 1e-3),
    ],
)
def test_magnetic_moment_for_known_couplings(mass, coupling, digit):
    found = np.sqrt(251e-11 / zprime.muon_magnetic_moment(mass, coupling=1.0))
    assert found == pytest.approx(coupling, abs=0.5 * digit)


def test_magnetic_moment_limits():
    """Schwinger's alpha/2pi for a light boson, g'^2 m_mu^2 / (12 pi^2 m^2) for a heavy one."""
    electric = np.sqrt(4 * np.pi * ALPHA)
    assert zprime.muon_magnetic_moment(1e-5, coupling=electric) == pytest.approx(ALPHA / (2 * np.pi), rel=2e-3)
    assert zprime.muon_magnetic_moment(100.0, coupling=1.0) == pytest.approx(
        M_MUON**2 / (12 * np.pi**2 * 100.0**2), rel=1e-4
    )
    exact, _ = integrate.quad(
        lambda z: 2 * z * (1 - z) ** 2 * M_MUON**2 / ((1 - z) ** 2 * M_MUON**2 + z * 0.3**2), 0, 1, epsrel=1e-10
    )
    assert zprime.muon_magnetic_moment(0.3, coupling=1.0) == pytest.approx(exact / (8 * np.pi**2), rel=1e-8)
