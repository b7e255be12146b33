"""A search on one column, without samples and simulation: through check, run and the limit table."""

import csv
import json
import re
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import yaml

from bumphunt.errors import BumphuntError, ConfigError
from workflows.chain import global_significance, hide_unblinded, impacts, prepare, up_to
from workflows.config.file import load
from workflows.ntuples.writing import write_tree

PEAK, SIGMA, EVENTS = 3.1, 0.031, 400


@pytest.fixture(scope="module")
def masses():
    rng = np.random.default_rng(5)
    smooth = 2.0 + rng.exponential(1.5, 12_000)
    found = np.concatenate([smooth, rng.normal(PEAK, SIGMA, EVENTS)])
    return found[(found > 2.0) & (found < 5.0)]


class Folder:
    """A folder with the column in three formats and a YAML of seven lines."""

    def __init__(self, folder, masses):
        self.folder = folder
        write_tree(folder / "data.root", [{"M": masses}])
        ak.to_parquet(ak.Array({"M": masses}), folder / "data.parquet")
        (folder / "data.csv").write_text("\n".join(["M", *map(repr, masses.tolist())]))
        self.content = {
            "channel": "spectrum",
            "data": {"files": ["data.root"], "column": "M"},
            "signal": {"resolution": "0.01 * mass"},
            "search": {"low": 2.8, "high": 3.4, "step": 1},
            "unblind": True,
        }

    def load(self):
        (self.folder / "a.yaml").write_text(yaml.safe_dump(self.content))
        return load(self.folder / "a.yaml")

    def check(self):
        for step in up_to(prepare(self.load(), self.folder / "results"), "check"):
            step.run()

    def run(self, verb="limits"):
        """Return the rows of the limit table, and the stages that were made."""
        results = self.folder / "results"
        job = prepare(self.load(), results)
        hide_unblinded(job)
        made = [step.name for step in up_to(job, verb) if step.run()]
        with (results / "limits" / "limits.csv").open() as file:
            return list(csv.DictReader(file)), made


@pytest.fixture
def folder(tmp_path, masses):
    return Folder(tmp_path, masses)


def column(rows, name):
    return np.array([float(row[name]) if row[name] else np.nan for row in rows])


def test_every_format_gives_the_same_table_with_the_peak(folder):
    tables = []
    for name in ("data.root", "data.csv", "data.parquet"):
        folder.content["data"]["files"] = [name]
        tables.append(folder.run()[0])
    assert tables[0] == tables[1] == tables[2]
    rows = tables[0]
    best = int(np.nanargmax(column(rows, "z0")))
    assert column(rows, "mass")[best] == pytest.approx(PEAK, abs=SIGMA)
    near = int(np.argmin(abs(column(rows, "mass") - PEAK)))
    assert column(rows, "z0")[near] > 4
    # without a luminosity limits are on yields
    assert np.isnan(column(rows, "xsec_ul_obs")).all()
    assert np.isfinite(column(rows, "n_sig_ul_obs")).all()


def test_luminosity_and_efficiency_give_a_cross_section(folder):
    folder.content["data"]["luminosity"] = 10.0
    folder.content["signal"]["efficiency"] = "0.2 * mass"
    rows, _ = folder.run("report")
    efficiency = 0.2 * column(rows, "mass")
    np.testing.assert_allclose(column(rows, "efficiency"), efficiency, rtol=1e-5)
    np.testing.assert_allclose(
        column(rows, "xsec_ul_obs"), column(rows, "n_sig_ul_obs") / (10.0 * efficiency), rtol=1e-5
    )
    figures = {path.stem for path in (folder.folder / "results" / "report").glob("*.png")}
    assert figures == {"spectrum", "signal", "p0", "limit_cross_section"}


def test_without_an_efficiency_the_cross_section_is_that_times_it(folder):
    folder.content["data"]["luminosity"] = 10.0
    rows, _ = folder.run()
    np.testing.assert_allclose(column(rows, "xsec_ul_obs"), column(rows, "n_sig_ul_obs") / 10.0, rtol=1e-5)
    text = (folder.folder / "results" / "limits" / "limits.json").read_text()
    assert r"\\varepsilon" in text


def test_systematics_of_the_peak_make_limits_worse(folder):
    folder.content["fit"] = {"limit": "asymptotic"}
    before = column(folder.run()[0], "n_sig_ul_exp")
    folder.content["systematics"] = {"scale": {"signal_mean": 0.3, "signal_width": 0.2, "efficiency": 0.2}}
    assert np.all(column(folder.run()[0], "n_sig_ul_exp") > before)


def test_blinded_data_without_samples_have_no_expectation(folder):
    del folder.content["unblind"]
    rows, _ = folder.run("report")
    assert {row["flags"] for row in rows} == {"no_expectation;blinded"}
    assert {row["valid"] for row in rows} == {"false"}
    for name in ("n_obs", "n_bkg", "n_sig", "p0", "n_sig_ul_obs", "n_sig_ul_exp"):
        assert {row[name] for row in rows} == {""}
    np.testing.assert_allclose(column(rows, "resolution"), 0.01 * column(rows, "mass"), rtol=1e-5)


def test_sidebands_predict_and_stay_up_to_date(folder):
    folder.content |= {"blinding": "sidebands", "unblind": False}
    rows, _ = folder.run()
    near = int(np.argmin(abs(column(rows, "mass") - PEAK)))
    assert rows[near]["flags"] == "blinded"
    assert column(rows, "z0")[near] == 0.0
    inside = column(rows, "n_bkg")[near]
    assert folder.run()[1] == []
    # unblinded there are more events in that window than were predicted, and results of both are not mixed
    folder.content |= {"blinding": "full", "unblind": True}
    seen, made = folder.run()
    assert column(seen, "n_obs")[near] - inside > 0.5 * EVENTS
    assert {"scan", "limits"} <= set(made)
    folder.content["unblind"] = False
    assert {"process", "scan", "limits"} <= set(folder.run()[1])


def test_later_verbs_see_sidebands_alone_or_refuse(folder):
    folder.content |= {"blinding": "sidebands", "unblind": False}
    folder.content["search"] = {"low": 3.0, "high": 3.2, "step": 3}
    job = prepare(folder.load(), folder.folder / "results")
    for step in (*up_to(job, "scan"), impacts(job, PEAK)):
        step.run()
    with (folder.folder / "results" / "impacts" / f"{PEAK:g}" / "impacts.json").open() as file:
        assert abs(json.load(file)["n_sig"]) < 1e-3  # the peak of 400 events is not seen
    with pytest.raises(ConfigError, match="no spectrum of all to draw toys of"):
        global_significance(job, 10)


def test_no_row_is_another_candidate_of_the_same_event(folder, masses):
    folder.run()
    with (folder.folder / "results" / "process" / "cutflow.csv").open() as file:
        assert {int(row["raw"]) for row in csv.DictReader(file)} == {masses.size}


def test_function_of_a_file_that_changes_makes_the_scan_stale(folder):
    mine = folder.folder / "mine.py"
    mine.write_text("def sigma(m):\n    return 0.01 * m\n")
    folder.content["signal"]["resolution"] = "mine.py:sigma"
    folder.content["spectrum"] = {"low": 2.2, "high": 4.6, "bins": 480}
    first, _ = folder.run()
    assert folder.run()[1] == []
    mine.write_text("def sigma(m):\n    return 0.012 * m\n")
    second, made = folder.run()
    assert "scan" in made
    assert "process" not in made
    assert first[0]["resolution"] != second[0]["resolution"]


EDITS = {
    "data: {files: data.root}": ("data.column", "which branch or column"),
    "data: {files: data.root, column: m}": ("", r"no branch 'm' for the variable 'mass' \(closest are 'M'\)"),
    "data: {files: data.root, column: M, luminosity_uncertainty: 0.1}": ("data", "no 'luminosity'"),
    "signal: {}": ("signal", "a function of mass such as '0.01"),
    "signal: {efficiency: 0.5}": ("signal", "'efficiency' is that of a signal with 'resolution'"),
    "signal: {resolution: 0.01 * m}": ("signal.resolution", "the name 'm' means nothing"),
    "signal: {resolution: open('x')}": ("signal.resolution", "not allowed"),
    "signal: {resolution: 0.02, efficiency: 2}": ("signal", "efficiencies must be between 0 and 1, got 2"),
    "signal: {resolution: 3 - mass}": ("signal", "resolutions must be positive"),
    "signal: {resolution: 0.02, shape: gaus}": ("signal.shape", "did you mean 'gaussian'"),
    "signal: {resolution: 0.02, shape: crystal_ball}": ("signal.shape_parameters", "needs 'alpha' too: alpha, n"),
    "signal: {resolution: 0.02, shape_parameters: {n: 2}}": ("signal.shape_parameters.n", "takes none"),
    "signal: {resolution: {file: no.csv}}": ("signal.resolution", "there is no such file"),
    "signal: {resolution: 0.02, truth: isSignal}": ("signal", "'truth' is a variable of simulated signals"),
    "fit: {method: counting}": ("samples", "fit.method 'counting' has its backgrounds from them"),
    "blinding: sidebands": ("blinding", "exclude each other"),
    "model: mine.py:f": ("", "mine.py"),
    "samples: {b: {files: data.root, luminosity: 1}}": ("data.luminosity", "'b' is brought to the luminosity"),
    "channel: darkphoton-dilepton": ("data.column", "has its own columns"),
    "spectrum: {low: 1, high: 2}": ("spectrum", "give 'low', 'high' and 'bins', or 'edges', or 'per_resolution'"),
    "spectrum: {low: 1, bins: 10}": ("spectrum", "both 'low' and 'high'"),
    "spectrum: {edges: [1, 3, 2]}": ("spectrum", "3 stands before 2"),
    "spectrum: {low: 0, high: 2, bins: 3, log: true}": ("spectrum", "'low' above 0"),
    "spectrum: {low: 3, high: 6, bins: 30}": ("spectrum", "must contain the positions of the masses"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_is_wrong_is_said_in_a_line_by_check(folder, edit):
    key, says = EDITS[edit]
    folder.content |= yaml.safe_load(edit)
    with pytest.raises(BumphuntError, match=says) as caught:
        folder.check()
    assert "\n" not in str(caught.value)
    if key:
        assert re.search(rf"a.yaml:\d+: {re.escape(key)}\b", str(caught.value))


def test_a_column_of_the_readme_gives_a_limit_table(tmp_path, masses):
    """The first limit table takes at most ten lines of YAML, as they stand in the README."""
    text = (Path(__file__).parents[2] / "README.md").read_text().split("## Your own column", 1)[1]
    settings = text.split("```yaml\n", 1)[1].split("```", 1)[0]
    assert len(settings.splitlines()) <= 10
    (tmp_path / "data.csv").write_text("\n".join(["M", *map(repr, masses.tolist())]))
    (tmp_path / "own.yaml").write_text(settings)
    for step in up_to(prepare(load(tmp_path / "own.yaml"), tmp_path / "results"), "limits"):
        step.run()
    with (tmp_path / "results" / "limits" / "limits.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert all(row["valid"] == "true" for row in rows)
    best = int(np.nanargmax(column(rows, "z0")))
    assert column(rows, "mass")[best] == pytest.approx(PEAK, abs=SIGMA)
    np.testing.assert_allclose(
        column(rows, "xsec_ul_obs"),
        column(rows, "n_sig_ul_obs") / (column(rows, "efficiency") * load(tmp_path / "own.yaml").about.luminosity),
        rtol=1e-5,
    )


def test_bins_follow_the_resolution_over_a_wide_range(folder):
    folder.content["search"] = {"low": 0.5, "high": 200.0}
    folder.content["spectrum"] = {"per_resolution": 5}
    edges = folder.load().regions[0].edges
    assert edges.size < 4000
    searched = (edges[:-1] > 0.5) & (edges[1:] < 200.0)
    assert np.all(np.diff(edges)[searched] < 0.00201 * edges[1:][searched])
    assert edges[0] == pytest.approx(0.45)
    folder.content["spectrum"] = {"low": 0.4, "high": 250.0, "bins": 2000, "log": True}
    np.testing.assert_allclose(folder.load().regions[0].edges, np.geomspace(0.4, 250.0, 2001))
    folder.content["spectrum"] = {"edges": [0.4, 1.0, 30.0, 250.0]}
    assert folder.load().regions[0].edges.tolist() == [0.4, 1.0, 30.0, 250.0]


def test_a_search_without_bins_and_simulated_signal_needs_a_spectrum(folder):
    points = [{"mass": m, "files": ["data.root"], "generated": 10} for m in (2.5, 3.0, 3.5, 4.1)]
    folder.content |= {"signal": {"points": points}}
    with pytest.raises(ConfigError, match="give low, high and bins"):
        folder.load()
