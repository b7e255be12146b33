"""The dark photon against published numbers, quadrature, and traces of Dirac matrices."""

import numpy as np
import pytest
from scipy import integrate

from bumphunt.constants import ALPHA, GEV2_TO_FB, M_ELECTRON, M_MUON, M_TAU
from bumphunt.errors import InputError
from bumphunt.theory import dark_photon

SQRT_S = 10.58
# sigma/eps^2 [pb] for |cos| < 0.9: an independent calculation, to four digits
TABLE = {0.1: 4760, 1.0: 4840, 3.0: 5575, 5.0: 7638, 8.0: 20340, 9.0: 37210}


@pytest.mark.parametrize(("mass", "expected"), TABLE.items())
def test_cross_section_away_from_the_beams_is_that_of_the_table(mass, expected):
    sigma = dark_photon.tree_cross_section(mass, coupling=1e-3, sqrt_s=SQRT_S, max_cos=0.9)
    assert sigma == pytest.approx(expected * 1e-3, rel=2e-4)


@pytest.mark.parametrize("mass", [0.1, 3.0, 9.0])
def test_angular_distribution_away_from_the_beams_is_that_of_massless_electrons(mass):
    c, x = np.linspace(-0.95, 0.95, 39), mass**2 / SQRT_S**2
    shape = (1 + c**2 + 4 * x / (1 - x) ** 2) / (1 - c**2)
    expected = 2 * np.pi * ALPHA**2 / SQRT_S**2 * (1 - x) * shape * GEV2_TO_FB
    found = dark_photon.differential_cross_section(c, mass, coupling=1.0, sqrt_s=SQRT_S)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


METRIC = np.diag([1.0, -1.0, -1.0, -1.0])
PAULI = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
ZERO, ONE = np.zeros((2, 2)), np.eye(2)
GAMMA = np.array([np.block([[ONE, ZERO], [ZERO, -ONE]])] + [np.block([[ZERO, s], [-s, ZERO]]) for s in PAULI])


def slash(p):
    return np.einsum("m,mij->ij", METRIC @ p, GAMMA)


@pytest.mark.parametrize("one_minus_cos", [1.0, 0.1, 1e-4, 1e-8, 0.0])
@pytest.mark.parametrize("mass", [0.2, 6.0])
def test_angular_distribution_is_the_trace_with_the_electron_mass(one_minus_cos, mass):
    """All polarisations of photon and A' by -g, both currents being conserved; down to along the beam."""
    energy, c = 0.5 * SQRT_S, 1 - one_minus_cos
    p = np.sqrt(energy**2 - M_ELECTRON**2)
    omega = (SQRT_S**2 - mass**2) / (2 * SQRT_S)
    sin = np.sqrt(one_minus_cos * (2 - one_minus_cos))
    p1, p2 = np.array([energy, 0, 0, p]), np.array([energy, 0, 0, -p])
    k = omega * np.array([1, sin, 0, c])
    # 2 p.k without rounding
    gap = M_ELECTRON**2 / (energy * (energy + p))
    d1 = 2 * omega * energy * (gap + (1 - gap) * one_minus_cos)
    d2 = 2 * omega * energy * (gap + (1 - gap) * (2 - one_minus_cos))
    first = (slash(p1 - k) + M_ELECTRON * np.eye(4)) / -d1
    second = (slash(k - p2) + M_ELECTRON * np.eye(4)) / -d2
    vertex = np.einsum("aij,jk,bkl->abil", GAMMA, first, GAMMA) + np.einsum("bij,jk,akl->abil", GAMMA, second, GAMMA)
    bar = np.einsum("ij,abkj,kl->abil", GAMMA[0], vertex.conj(), GAMMA[0])
    left, right = slash(p2) - M_ELECTRON * np.eye(4), slash(p1) + M_ELECTRON * np.eye(4)
    square = np.einsum("ij,abjk,kl,cdli,ac,bd->", left, vertex, right, bar, METRIC, METRIC).real
    flux = omega / p / (32 * np.pi * SQRT_S**2)
    expected = flux * (4 * np.pi * ALPHA) ** 2 / 4 * square * GEV2_TO_FB
    found = dark_photon.differential_cross_section(c, mass, coupling=1.0, sqrt_s=SQRT_S)
    tolerance = 1e-6 if one_minus_cos > 1e-5 else 2e-3  # rounding in the trace
    assert found == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize("mass", [0.02, 2.0, 10.0])
@pytest.mark.parametrize("max_cos", [0.5, 0.999, 1.0])
def test_tree_cross_section_is_the_integral_over_angles(mass, max_cos):
    """In the rapidity of the photon, which flattens the peaks along the beams."""
    highest = np.arctanh(max_cos) if max_cos < 1 else 18.0

    def integrand(y):
        c = np.tanh(y)
        return dark_photon.differential_cross_section(c, mass, coupling=1.0, sqrt_s=SQRT_S) / np.cosh(y) ** 2

    expected = 2 * integrate.quad(integrand, 0, highest, epsrel=1e-8, limit=200)[0]
    found = dark_photon.tree_cross_section(mass, coupling=1.0, sqrt_s=SQRT_S, max_cos=max_cos)
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("mass", [1.0, 5.0, 9.0])
def test_tree_cross_section_at_all_angles_is_that_of_the_leading_logarithm(mass):
    """Bonneau, Martin (1971): (alpha / pi)(ln(s/m_e^2) - 1)(1 + z^2) / (1 - z) times that of the resonance."""
    z = mass**2 / SQRT_S**2
    photon = ALPHA / np.pi * (np.log(SQRT_S**2 / M_ELECTRON**2) - 1) * (1 + z * z) / (1 - z)
    expected = 4 * np.pi**2 * ALPHA / SQRT_S**2 * photon * GEV2_TO_FB
    found = dark_photon.cross_section(mass, coupling=1.0, sqrt_s=SQRT_S, radiation=False)
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("mass", [3.0, 5.0, 8.0, 9.0])
def test_cross_section_with_radiation_is_that_of_kuraev_and_fadin(mass):
    """Their F(v) (1985), both beams in one function, at v = 1 - m^2/s, times that of the resonance."""
    log, v = np.log(SQRT_S**2 / M_ELECTRON**2), 1 - mass**2 / SQRT_S**2
    beta = 2 * ALPHA / np.pi * (log - 1)
    soft = 1 + ALPHA / np.pi * (np.pi**2 / 3 - 0.5) + 0.75 * beta - beta**2 / 24 * (log / 3 + 2 * np.pi**2 - 37 / 4)
    second = 4 * (2 - v) * np.log(1 / v) - (1 + 3 * (1 - v) ** 2) / v * np.log1p(-v) - 6 + v
    radiator = beta * v ** (beta - 1) * soft - beta * (1 - v / 2) + beta**2 / 8 * second
    expected = 4 * np.pi**2 * ALPHA / SQRT_S**2 * radiator * GEV2_TO_FB
    assert dark_photon.cross_section(mass, coupling=1.0, sqrt_s=SQRT_S) == pytest.approx(expected, rel=2e-3)


def test_only_electrons_below_the_muon_threshold():
    assert dark_photon.branching_ratio(0.2, "ee") == pytest.approx(1.0)
    assert dark_photon.branching_ratio(0.25, "mumu") == pytest.approx(
        (1 + 2 * (M_MUON / 0.25) ** 2) * np.sqrt(1 - 4 * (M_MUON / 0.25) ** 2) /
        (1 + (1 + 2 * (M_MUON / 0.25) ** 2) * np.sqrt(1 - 4 * (M_MUON / 0.25) ** 2)), rel=1e-4
    )  # fmt: skip


def test_branching_ratios_add_up_and_follow_r():
    mass = np.array([0.5, 1.5, 3.3, 9.0])
    total = sum(dark_photon.branching_ratio(mass, name) for name in ("ee", "mumu", "tautau", "hadrons"))
    np.testing.assert_allclose(total, 1.0, rtol=1e-12)
    # e, mu and tau count 1, quarks 10/3 and 6 % of QCD
    assert dark_photon.branching_ratio(9.0, "ee") == pytest.approx(1 / (3 + 10 / 3 * 1.06), rel=0.02)


def test_pions_are_most_hadrons_at_the_rho():
    pions, hadrons = (dark_photon.branching_ratio([0.6, 0.7], name) for name in ("pipi", "hadrons"))
    np.testing.assert_allclose(pions / hadrons, 1.0, atol=0.06)
    assert dark_photon.branching_ratio(0.77, "pipi") > 0.7


def test_width_of_heavy_dark_matter_vanishes_and_of_light_is_four_times_that_of_scalars():
    assert dark_photon.width_dirac(1.0, 0.5, alpha_dark=0.1) == 0
    assert dark_photon.width_scalar(1.0, 0.6, alpha_dark=0.1) == 0
    assert dark_photon.width_dirac(3.0, 0.0, alpha_dark=0.5) == pytest.approx(0.5)
    assert dark_photon.width_scalar(3.0, 0.0, alpha_dark=0.5) == pytest.approx(0.125)


@pytest.mark.parametrize("m_lepton", [M_ELECTRON, M_MUON, M_TAU])
def test_widths_are_those_that_a_resonance_in_lepton_pairs_shows(m_lepton):
    """Born's cross section times |s / (s - m^2 + i m Gamma)|^2 integrates to 12 pi^2 Gamma_ee Gamma_ll / (m Gamma)."""
    m = 5.0
    gamma_ee = float(dark_photon.width_leptons(m, 0.0, coupling=1.0))
    beta = np.sqrt(1 - 4 * m_lepton**2 / m**2)
    born = 4 * np.pi * ALPHA**2 / (3 * m**2) * beta * (3 - beta**2) / 2
    width = 1e-3
    integral = born * m**4 * np.pi / (m * width)  # of the Breit-Wigner
    expected = 12 * np.pi**2 * gamma_ee / m * float(dark_photon.width_leptons(m, m_lepton, coupling=1.0)) / width
    assert integral == pytest.approx(expected, rel=1e-12)


def test_decay_length_of_a_light_dark_photon():
    """0.8 mm (1e-4 / eps)^2 (100 MeV / m): Bjorken, Essig, Schuster, Toro, Phys. Rev. D 80 (2009) 075018, eq. 3."""
    length = dark_photon.decay_length(dark_photon.visible_width(0.1, coupling=1e-4))
    assert length == pytest.approx(0.008, rel=0.02)


def test_magnetic_moment_of_a_light_dark_photon_is_that_of_schwinger():
    assert dark_photon.muon_magnetic_moment(1e-5, coupling=1e-3) == pytest.approx(1e-6 * ALPHA / (2 * np.pi), rel=2e-3)


@pytest.mark.parametrize("mass", [0.0, 1e-4, -1.0, np.nan, 10.58, 20.0])
@pytest.mark.parametrize("function", [dark_photon.cross_section, dark_photon.tree_cross_section])
def test_mass_that_cannot_be_produced_raises_and_is_named(function, mass):
    with pytest.raises(InputError, match=f"mass = {mass} GeV"):
        function([1.0, mass], coupling=1.0, sqrt_s=SQRT_S)


@pytest.mark.parametrize("max_cos", [0.0, 1.1, np.nan])
def test_impossible_angle_raises(max_cos):
    with pytest.raises(InputError, match=f"max_cos = {max_cos}"):
        dark_photon.tree_cross_section(1.0, coupling=1.0, sqrt_s=SQRT_S, max_cos=max_cos)


@pytest.mark.parametrize("mass", [0.0, -1.0, np.nan])
def test_mass_that_is_not_positive_has_no_width(mass):
    with pytest.raises(InputError, match=f"mass = {mass} GeV"):
        dark_photon.visible_width([1.0, mass], coupling=1.0)
    with pytest.raises(InputError, match=f"mass = {mass} GeV"):
        dark_photon.width_dirac(mass, 0.1, alpha_dark=1.0)


def test_unknown_final_state_and_missing_width_raise():
    with pytest.raises(InputError, match="final_state = 'kk'"):
        dark_photon.branching_ratio(1.0, "kk")
    with pytest.raises(InputError, match=r"width = 0\.0 GeV"):
        dark_photon.decay_length([1.0, 0.0])
