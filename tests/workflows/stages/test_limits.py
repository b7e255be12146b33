"""From yields to cross section and coupling: with a model, with branching ratios, and without."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bumphunt.errors import ConfigError
from selections.readings import Reading
from selections.registry import SEARCHES
from selections.search import Model
from workflows.products.limit_table import COLUMNS, LIMITS
from workflows.stages.making.limits import limit_table

MASSES = np.array([1.0, 2.0])


def scan():
    columns = {name: np.zeros(2) for name in COLUMNS if not name.startswith(("xsec", "coupling"))}
    columns |= {f"n_sig_ul_{limit}": np.array([8.0, 6.0]) for limit in LIMITS}
    return columns | {"mass": MASSES, "efficiency": np.array([0.1, 0.2]), "flags": np.array(["", ""])}


def model(**changes) -> Model:
    """A cross section of 4 m^2 fb at coupling 1."""
    given = {"coupling": "g", "meaning": "", "reference": "own.py:f", "cross_section": lambda m, s: 4.0 * m**2}
    return Model(**{**given, **changes})


def test_cross_section_and_coupling():
    table = limit_table(scan(), luminosity=2.0, sqrt_s=10.58, absolute=True, model=model())
    np.testing.assert_allclose(table["xsec_ul_obs"], [40.0, 15.0])  # n / (L eff)
    np.testing.assert_allclose(table["coupling_ul_exp"], np.sqrt([40.0 / 4.0, 15.0 / 16.0]))
    assert tuple(table) == COLUMNS


def test_coupling_of_one_final_state_is_that_of_the_production():
    table = limit_table(scan(), luminosity=2.0, sqrt_s=10.58, absolute=True, model=model(), branching_ratio=[0.5, 0.25])
    np.testing.assert_allclose(table["xsec_ul_obs"], [40.0, 15.0])  # times the branching ratio, as it is seen
    np.testing.assert_allclose(table["coupling_ul_obs"], np.sqrt([80.0 / 4.0, 60.0 / 16.0]))


def test_power_of_the_coupling():
    table = limit_table(scan(), luminosity=2.0, sqrt_s=10.58, absolute=True, model=model(power=1.0))
    np.testing.assert_allclose(table["coupling_ul_obs"], [10.0, 15.0 / 16.0])


def test_without_a_model_the_limit_is_that_on_efficiency_times_cross_section():
    assert SEARCHES["zprime-lfv"].model is None
    table = limit_table(scan(), luminosity=2.0, sqrt_s=10.58, absolute=False, model=None)
    np.testing.assert_allclose(table["xsec_ul_obs"], [4.0, 3.0])  # n / L
    assert np.all(np.isnan(table["coupling_ul_obs"]))


@pytest.mark.parametrize(
    ("cross_section", "message"),
    [
        (lambda m, s: np.zeros_like(m), "with 0.0 at 1 GeV"),
        (lambda m, s: 3.0, r"an array of shape \(\)"),
        (lambda m, s: np.array([1.0, np.nan]), "with nan at 2 GeV"),
    ],
)
def test_model_that_predicts_nothing_is_refused(cross_section, message):
    with pytest.raises(ConfigError, match=message):
        limit_table(scan(), luminosity=2.0, sqrt_s=10.58, absolute=True, model=model(cross_section=cross_section))


def test_known_efficiency_needs_no_model_and_no_luminosity_gives_no_cross_section():
    table = limit_table(scan(), luminosity=2.0, sqrt_s=10.58, absolute=True, model=None)
    np.testing.assert_allclose(table["xsec_ul_obs"], [40.0, 15.0])
    table = limit_table(scan(), luminosity=None, sqrt_s=10.58, absolute=True, model=None)
    assert np.all(np.isnan(table["xsec_ul_obs"]))


def test_effective_events_weigh_what_is_said():
    weights = ((0.5, 2.5), (1.0, 3.0))
    table = limit_table(scan(), luminosity=2.0, sqrt_s=10.58, absolute=False, model=None, weights=weights)
    np.testing.assert_allclose(table["xsec_ul_obs"], [1.5 * 4.0, 2.5 * 3.0])


def readings() -> tuple[Reading, Reading]:
    """Half of the decays are seen, or all; the width at coupling 1 is a twentieth of the mass."""
    half = Reading(name="half", meaning="", label="", seen=lambda m: 0.025 * m, total=lambda m: 0.05 * m)
    return half, replace(half, name="al-l", seen=None)


def test_every_reading_has_its_couplings_and_its_flags():
    given = scan() | {"resolution": np.array([1.0, 0.001]), "window_lo": MASSES, "window_hi": MASSES}
    table = limit_table(given, luminosity=2.0, sqrt_s=10.58, absolute=True, model=model(), readings=readings())
    np.testing.assert_allclose(table["coupling_ul_obs"], np.sqrt([2 * 40.0 / 4.0, 2 * 15.0 / 16.0]))
    np.testing.assert_allclose(table["coupling_al_l_ul_exp"], np.sqrt([40.0 / 4.0, 15.0 / 16.0]))
    behind = list(table).index("coupling_ul_exp_p2") + 1
    assert list(table)[behind : behind + 6] == [f"coupling_al_l_ul_{limit}" for limit in LIMITS]
    # sqrt(20) and sqrt(10) against sqrt(4 pi) = 3.54; widths of 1 and 0.5 GeV, and of 190 and 94 MeV
    assert list(table["flags"]) == ["non_perturbative:half;wide:half;wide:al-l", "wide:half;wide:al-l"]


def test_cross_section_of_the_production_gives_the_same_couplings_as_that_of_what_is_seen():
    given = scan() | {"resolution": np.ones(2)}
    of_one = {"luminosity": 2.0, "sqrt_s": 10.58, "absolute": True, "model": model(), "readings": readings()}
    visible = limit_table(given, **of_one)
    produced = limit_table({**given, "efficiency": 0.5 * given["efficiency"]}, seen=0.5, **of_one)
    for name in ("coupling_ul_obs", "coupling_al_l_ul_exp"):
        np.testing.assert_allclose(produced[name], visible[name])
