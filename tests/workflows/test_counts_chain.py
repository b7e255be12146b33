"""Searches without a spectrum, and those of one known mass: from the files to table and figures."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import yaml
from scipy.optimize import brentq
from scipy.stats import poisson

from bumphunt.errors import ConfigError
from workflows.chain import global_significance, impacts, prepare, up_to
from workflows.config.file import load
from workflows.products.limit_table import summarise
from workflows.results import read_json, read_table

COUNTED = """
from dataclasses import replace
from peak import SEARCH as PEAK, observables
from selections.cuts import Cut, Selection, Variable
from selections.search import Coordinate, Model, Region, Search


def selection(beams):
    return Selection(
        name="counted",
        observables=observables,
        variables=tuple(Variable(name=n) for n in ("mass", "p", "tracks", "photons", "good", "tight")),
        cuts=(Cut(name="momentum", observable="p", above=9.0, unit="GeV", description="", source=""),),
    )


SEARCH = Search(
    name="counted", final_state="M M", production="e^+e^-\\\\to M M", particle="M", observable="a count",
    reference="none", mass_range=None,
    regions=(Region(name="all", description="all", selection=selection, candidate="row", binning=None),),
    model=Model(coupling="g", meaning="charge", reference="none", cross_section=lambda mass, sqrt_s: 20.0 + 0 * sqrt_s),
)
CHARGED = replace(
    SEARCH, name="charged", coordinates=(Coordinate(name="charge", meaning="magnetic charge", symbol="g", unit="e"),),
    model=replace(SEARCH.model, cross_section=lambda mass, sqrt_s, *, charge: 20.0 * charge**2),
)
MASSIVE = replace(SEARCH, name="massive", mass_range=(1.0, 9.0), model=None)
"""


@pytest.fixture
def counted(own_analysis):
    """An analysis that counts events of high momentum, over a sample of twice the luminosity."""
    own = own_analysis()
    (own.folder / "counted.py").write_text(COUNTED)
    own.content |= {
        "channel": "counted.py:SEARCH",
        "signal": {"points": [{"files": ["n/signal_2.root"], "generated": 700}]},
        "fit": {"method": "counting"},
    }
    del own.content["search"], own.content["samples"]["flat"]["uncertainty"]
    return own


def passing(own, name):
    """Return the events of a file that are counted."""
    import uproot

    return int(np.count_nonzero(uproot.open(own.folder / "n" / f"{name}.root")["events"]["p"].array() > 9.0))


def test_one_count_has_one_row_with_exact_limit_and_p0(counted):
    """Against SciPy: P(N >= n | b) and the CLs of a Poisson count, averaged over a gamma-distributed background."""
    results = counted.make("report")
    with (results / "limits" / "limits.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert list(row)[:5] == ["n_obs", "n_bkg", "n_sig", "n_sig_error", "q0"]
    assert not {"mass", "resolution", "window_lo", "window_hi"} & set(row)
    n_obs, n_mc, efficiency = passing(counted, "data"), passing(counted, "flat"), passing(counted, "signal_2") / 700
    assert float(row["n_obs"]) == n_obs
    assert float(row["n_bkg"]) == pytest.approx((n_mc + 0.5) / 2)
    assert float(row["efficiency"]) == pytest.approx(efficiency)
    rng = np.random.default_rng(3)
    backgrounds = rng.gamma(n_mc + 0.5, 0.5, 40_000)  # of n_mc events of weight 1/2
    assert float(row["p0"]) == pytest.approx(poisson.sf(n_obs - 1, backgrounds).mean(), rel=0.01)
    errors = np.exp(rng.normal(0.0, np.log1p(1 / np.sqrt(efficiency * 700)), 10_000))

    def cls(signal):
        both = poisson.cdf(n_obs, backgrounds[: errors.size] + signal * errors).mean()
        return both / poisson.cdf(n_obs, backgrounds).mean()

    limit = brentq(lambda signal: cls(signal) - 0.1, 1.0, 100.0)
    assert float(row["n_sig_ul_obs"]) == pytest.approx(limit, rel=0.02)
    assert float(row["xsec_ul_obs"]) == pytest.approx(float(row["n_sig_ul_obs"]) / efficiency)
    assert float(row["coupling_ul_obs"]) == pytest.approx(np.sqrt(float(row["xsec_ul_obs"]) / 20.0))
    names = {path.name for path in (results / "report").glob("*.png")}
    assert {"spectrum.png", "limit_cross_section.png", "limit_coupling.png"} <= names
    assert not any(name.startswith(("p0", "signal")) for name in names)
    said = summarise(results / "limits", blinded=False).most_significant
    assert "the count, local significance" in said or "no hypothesis has an excess" in said
    assert read_json(results / "limits" / "limits.json")["units"] == {"n": "events", "xsec": "fb", "coupling": "charge"}


def test_blinded_counts_show_nothing_of_the_data(counted):
    counted.content["data"]["pseudo"] = False
    (row,) = counted.limits()
    assert row["flags"] == "blinded"
    assert row["n_obs"] == row["n_bkg"]
    with (counted.folder / "results" / "process" / "cutflow.csv").open() as file:
        assert {int(r["raw"]) for r in csv.DictReader(file) if r["sample"] == "data"} == {0}


def test_without_background_and_events_the_limit_is_that_of_no_event(counted):
    """ln 10 events at 90 %, so that the limit is 2.30 / (L eff): Asimov data of a background-free search."""
    counted.content |= {"signal": {"efficiency": 0.1}, "data": {"luminosity": 23.0, "asimov": True}}
    del counted.content["samples"]
    (row,) = counted.limits()
    assert float(row["xsec_ul_obs"]) == pytest.approx(np.log(10) / (23.0 * 0.1), rel=1e-6)
    assert row["valid"] == "true"
    assert "no_background" in row["flags"]
    counted.make("report")


def test_hypotheses_of_other_coordinates_alone_are_rows(counted):
    counted.content["channel"] = "counted.py:CHARGED"
    points = [
        {"coordinates": {"charge": charge}, "files": [f"n/signal_{mass:g}.root"], "generated": 700}
        for charge, mass in ((1.0, 2.0), (68.5, 4.0))
    ]
    counted.content["signal"] = {"points": points}
    results = counted.make("report")
    table = read_table(results / "limits", "limits")
    assert next(iter(table)) == "charge"
    np.testing.assert_array_equal(table["charge"], [1.0, 68.5])
    np.testing.assert_allclose(table["coupling_ul_obs"], np.sqrt(table["xsec_ul_obs"] / 20.0) / table["charge"])
    job = prepare(load(counted.path), results)
    step = impacts(job, beside={"charge": 68.5})
    step.run()
    said = read_json(step.folder / "impacts.json")
    assert "mass" not in said
    assert said["charge"] == 68.5
    with pytest.raises(ConfigError, match="have the same count"):
        global_significance(job, 100)


def test_counts_at_masses_have_rows_at_those_that_were_simulated(counted):
    counted.content["channel"] = "counted.py:MASSIVE"
    points = [{"mass": m, "files": [f"n/signal_{m:g}.root"], "generated": 700} for m in (2.0, 6.0, 8.0)]
    counted.content |= {"signal": {"points": points}, "search": {"low": 2.0, "high": 7.0}}
    results = counted.make("report")
    table = read_table(results / "limits", "limits")
    np.testing.assert_array_equal(table["mass"], [2.0, 6.0])
    assert "resolution" not in table
    assert {"p0.png", "limit_cross_section.png"} <= {path.name for path in (results / "report").glob("*.png")}


def test_one_known_mass_needs_signal_of_that_mass_alone(own_analysis):
    own = own_analysis()
    own.content["fit"] = {"method": "templates", "limit": "asymptotic", "significance": "asymptotic"}
    own.content["search"] = {"low": 4.0, "high": 7.5, "step": 40}
    around = own.make("limits")
    wide = read_table(around / "limits", "limits")
    own.content["signal"]["points"] = own.content["signal"]["points"][1:2]
    own.content["search"] = {"low": 3.5, "high": 4.5, "mass": 4.0}
    results = own.make("report")
    table = read_table(results / "limits", "limits")
    assert table["mass"].tolist() == [4.0]
    for name in ("efficiency", "n_sig_ul_exp"):
        assert table[name][0] == pytest.approx(wide[name][0], rel=0.05), name
    assert table["resolution"][0] == pytest.approx(0.04, rel=0.1)
    names = {path.name for path in (results / "report").glob("*.png")}
    assert {"limit_cross_section.png", "spectrum.png"} <= names
    assert summarise(results / "limits", blinded=False).rows == 1
    step = impacts(prepare(load(own.path), results))
    step.run()
    assert read_json(step.folder / "impacts.json")["mass"] == 4.0
    with pytest.raises(ConfigError, match="there is one hypothesis, so that the local p-value is the global one"):
        global_significance(prepare(load(own.path), results), 100)


EDITS = {
    "search: {low: 1, high: 2}": "search: the hypotheses of 'counted' have no mass: remove it",
    "signal: {points: [{mass: 2, files: n/signal_2.root, generated: 7}]}": r"points\[0\].mass: the hypotheses of",
    "fit: {method: templates}": "fit.method = 'templates': region 'all' has no spectrum",
    "spectrum: {low: 0, high: 1, bins: 2}": "spectrum: region 'all' has no spectrum",
    "signal: {resolution: 0.1}": "signal.resolution: region 'all' has no spectrum",
    "signal: {efficiency: 1.5}": "signal.efficiency: efficiencies must be between 0 and 1",
    "channel: counted.py:MASSIVE": "search: is missing; say low and high",
    "channel: peak.py:SEARCH": "search: is missing; say low and high",
    "{channel: counted.py:MASSIVE, search: {low: 1, high: 2}}": r"signal.points\[0\].mass: is missing",
    "{channel: counted.py:MASSIVE, search: {low: 1, high: 2}, signal: {efficiency: 0.1}}": "say search.mass",
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_counts_have_no_use_for_is_refused(counted, edit):
    counted.content |= yaml.safe_load(edit)
    counted.path.write_text(yaml.safe_dump(counted.content))
    with pytest.raises(ConfigError, match=EDITS[edit]):
        load(counted.path)


@pytest.mark.parametrize(
    ("search", "says"),
    [
        ({"low": 3.0, "high": 4.0, "mass": 5.0}, "mass = 5.0 GeV must be between"),
        ({"low": 3.0, "high": 5.0, "mass": 4.0, "step": 1.0}, "'step' is for a range of masses"),
        ({"low": 3.0, "high": 5.0, "mass": 4.5}, "search.mass = 4.5 GeV: the signal of region 'all' has the masses 4"),
        ({"low": 3.0, "high": 5.0}, "at least 4 are needed"),
    ],
)
def test_one_mass_that_cannot_be_searched_is_refused(own_analysis, search, says):
    own = own_analysis()
    own.content["signal"]["points"] = own.content["signal"]["points"][1:2]
    own.content["search"] = search
    own.path.write_text(yaml.safe_dump(own.content))
    with pytest.raises(ConfigError, match=says):
        load(own.path)


def test_stages_up_to_check_know_a_count(counted):
    counted.path.write_text(yaml.safe_dump(counted.content))
    steps = list(up_to(prepare(load(counted.path), counted.folder / "results"), "check"))
    for step in steps:
        step.run()
    assert [step.name for step in steps if step.reasons()] == []
    assert steps[-1].name == "check"
