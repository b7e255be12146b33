"""The shipped Z' -> invisible example against the published search of 2018: Belle II, arXiv:1912.11276."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from workflows.chain import prepare, up_to
from workflows.config.file import load
from workflows.products.selected import read_selected
from workflows.results import read_table

pytestmark = pytest.mark.slow  # a minute at full size; tests of the examples hold it to a factor at a reduced one

WHY = "pions that pass the muon identification of 2018, and photons off the muons of the signal, are not simulated"
EXAMPLE = Path(__file__).parents[2] / "examples" / "zprime_invisible.yaml"
PUBLISHED = {1.16: 0.051, 2.29: 0.100, 3.70: 0.226, 4.69: 0.461, 5.97: 0.994}
"""Mass [GeV]: 90 % limit on g' for BR(Z' -> inv) = 1, read off figure 3, 276 pb^-1."""
TOO_STRONG = {
    mass: pytest.mark.xfail(reason=f"expected / published is {found}: {WHY}", strict=True)
    for mass, found in ((3.70, 0.71), (4.69, 0.59), (5.97, 0.63))
}
"""Where the closure is not one yet."""


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("example") / "results"
    for step in up_to(prepare(load(EXAMPLE), folder), "limits"):
        step.run()
    return folder


@pytest.mark.parametrize("mass", [pytest.param(mass, marks=TOO_STRONG.get(mass, ())) for mass in PUBLISHED])
def test_expected_coupling_limit_is_near_the_published_one(results, mass):
    limits = read_table(results / "limits", "limits")
    expected = np.exp(np.interp(mass, limits["mass"], np.log(limits["coupling_invisible_ul_exp"])))
    lowest = 0.8 if mass < 4 else 0.65
    assert lowest < expected / PUBLISHED[mass] < 1.25


def test_efficiency_after_the_tau_veto_is_a_few_to_twenty_percent(results):
    limits = read_table(results / "limits", "limits")
    below_7 = limits["mass"] < 7
    assert np.all((limits["efficiency"][below_7] > 0.02) & (limits["efficiency"][below_7] < 0.20))


def test_backgrounds_come_in_the_published_order(results):
    """Figure 2: mumu(gamma) at low recoil mass, tau pairs from about 1 to 7 GeV, eemumu above."""
    spectra = read_selected(results / "spectra").units[0].before
    mass = np.sqrt(np.maximum(spectra["mumu"].axes[0].centers, 0))
    for low, high, name in ((0.0, 0.8, "mumu"), (2.0, 6.5, "tautau"), (7.5, 9.0, "eemumu")):
        inside = (mass >= low) & (mass < high)
        assert max(spectra, key=lambda sample: float(spectra[sample].values()[inside].sum())) == name


def test_tau_veto_removes_most_tau_pairs(results):
    selected = read_selected(results / "spectra").units[0]
    mass = np.sqrt(np.maximum(selected.data.axes[0].centers, 0))
    inside = (mass >= 2) & (mass < 6)
    before, after = (float(s["tautau"].values()[inside].sum()) for s in (selected.before, selected.after))
    assert after < 0.1 * before


def test_both_halves_agree_on_the_figure_of_merit(results):
    """Cuts were chosen on one half of the events and are quoted on the other: no large overtraining."""
    cuts = read_table(results / "optimise", "cuts")
    ratio = cuts["merit_quoting"] / cuts["merit_choosing"]
    assert np.median(ratio) == pytest.approx(1.0, abs=0.15)
