"""Meanings of a coupling: branching ratios, widths, and couplings against root finding and published numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

from bumphunt.errors import InputError
from bumphunt.theory import zprime
from selections.readings import with_dark_matter
from selections.registry import SEARCHES

MODEL = SEARCHES["zprime-invisible"].model
MASSES = np.array([0.1, 1.0, 4.2, 5.0, 6.1])


def reading(name: str):
    assert MODEL is not None
    return next(r for r in MODEL.readings if r.name == name)


def dark(alpha: float = 0.1, *, base=None):
    return with_dark_matter(base or reading("lmu-ltau"), alpha_dark=alpha, m_dark=lambda mass: mass / 3)


def test_first_reading_has_the_branching_ratio_of_the_region():
    (region,) = SEARCHES["zprime-invisible"].signal_regions
    np.testing.assert_allclose(reading("lmu-ltau").branching_ratio(MASSES, 0.3), region.branching_ratio(MASSES))
    np.testing.assert_array_equal(reading("invisible").branching_ratio(MASSES, 0.3), 1.0)


def test_fully_invisible_coupling_is_smaller_by_the_root_of_the_branching_ratio():
    ratio = reading("invisible").coupling_of(0.01, MASSES) / reading("lmu-ltau").coupling_of(0.01, MASSES)
    np.testing.assert_allclose(ratio, np.sqrt(zprime.branching_ratio_invisible(MASSES)))


def test_widths_at_the_limit_of_2018():
    """The published points at BR = 1, interpolated: at least 31, 103, 470 MeV; as L_mu - L_tau 83, 297, 1390 MeV."""
    published = SEARCHES["zprime-invisible"].published
    assert published is not None
    assert published.reading == "invisible"
    masses = np.array([4.2, 5.0])
    coupling = np.exp(np.interp(masses, published.masses, np.log(published.couplings)))
    np.testing.assert_allclose(1e3 * reading("invisible").width(masses, coupling), [31, 103], rtol=0.3)
    as_lmu_ltau = coupling / np.sqrt(zprime.branching_ratio_invisible(masses))
    np.testing.assert_allclose(1e3 * reading("lmu-ltau").width(masses, as_lmu_ltau), [83, 297], rtol=0.3)


@pytest.mark.parametrize("alpha", [1e-6, 1e-3, 0.1, 10.0])
@pytest.mark.parametrize("rate", [1e-8, 1e-4, 0.02, 3.0])
def test_coupling_with_dark_matter_is_the_root_of_its_equation(alpha, rate):
    found = dark(alpha)
    for mass in MASSES:
        coupling = float(found.coupling_of(rate, mass))

        def excess(log_g: float, mass: float = mass) -> float:
            g = np.exp(log_g)
            return float(np.log(g**2 * found.branching_ratio(mass, g) / rate))

        assert coupling == pytest.approx(np.exp(brentq(excess, -25.0, 10.0, xtol=1e-13)), rel=1e-9)


def test_strong_dark_matter_is_the_fully_invisible_reading_and_weak_one_changes_nothing():
    strong, weak = dark(1e8), dark(1e-14)
    np.testing.assert_allclose(strong.coupling_of(0.01, MASSES), reading("invisible").coupling_of(0.01, MASSES))
    np.testing.assert_allclose(weak.coupling_of(0.01, MASSES), reading("lmu-ltau").coupling_of(0.01, MASSES), rtol=1e-6)


def test_dark_photon_that_cannot_be_seen_so_often_has_no_coupling():
    model = SEARCHES["darkphoton-invisible"].model
    assert model is not None
    assert model.without_dark_matter is not None
    found = dark(1e-6, base=model.without_dark_matter)
    small, large = found.coupling_of([1e-12, 1.0], 2.0)
    assert small == pytest.approx(1e-6, rel=1e-3)
    assert large == np.inf
    assert np.isnan(found.coupling_of(np.nan, 2.0))


def test_above_its_threshold_dark_matter_is_not_there():
    heavy = with_dark_matter(reading("lmu-ltau"), alpha_dark=0.1, m_dark=lambda mass: 0.6 * mass)
    np.testing.assert_array_equal(heavy.coupling_of(0.01, MASSES), reading("lmu-ltau").coupling_of(0.01, MASSES))


@pytest.mark.parametrize(("alpha", "mass", "message"), [(0.0, 1.0, "alpha_D = 0.0"), (0.1, -1.0, "m_chi = -1.0 GeV")])
def test_dark_matter_that_cannot_be_is_refused(alpha, mass, message):
    with pytest.raises(InputError, match=message):
        with_dark_matter(reading("lmu-ltau"), alpha_dark=alpha, m_dark=lambda m: mass + 0 * m).coupling_of(0.1, MASSES)
