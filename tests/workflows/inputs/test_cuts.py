"""Cuts of a search that the YAML changes, drops or adds: what passes, what the cutflow says, what is refused."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import uproot

from bumphunt.errors import ConfigError, NtupleError
from workflows.config.file import load


def flat(analysis):
    """Return the columns of the background."""
    with uproot.open(analysis.folder / "n" / "flat.root") as file:
        return file["events"].arrays(library="np")


def cutflow(analysis):
    """Return the steps of the cutflow of the background, each with its rows."""
    with (analysis.make("process") / "process" / "cutflow.csv").open() as file:
        return {row["step"]: int(row["raw"]) for row in csv.DictReader(file) if row["sample"] == "flat"}


def test_cutflow_says_what_is_changed_dropped_and_added(own_analysis):
    analysis = own_analysis()
    analysis.content["cuts"] = {
        "momentum": {"above": 1.0},
        "balance": False,  # as YAML 1.1 reads: off
        "mine": {"observable": "m", "below": 5.0},
        "raw": {"variable": "tracks", "equals": 2},
    }
    c = flat(analysis)
    hard, flags = c["p"] > 1.0, c["good"] & c["tight"]
    light, two = c["mass"] < 5.0, c["tracks"] == 2
    left = [hard, hard, hard & flags, hard & flags & light, hard & flags & light & two]
    found = cutflow(analysis)
    names = ["momentum (changed)", "balance (dropped)", "flags", "mine (added)", "raw (added)"]
    assert list(found)[1:6] == names
    assert [found[name] for name in names] == [np.count_nonzero(mask) for mask in left]
    with uproot.open(analysis.folder / "results" / "process" / "n_minus_one.root") as file:
        drawn = {key.split("/")[-1] for key in file.keys(cycle=False)}
    assert {"momentum (changed)", "flags", "mine (added)"} <= drawn
    assert "balance (dropped)" not in drawn


def test_provenance_holds_the_cuts(own_analysis):
    analysis = own_analysis()
    analysis.content["cuts"] = {"momentum": {"above": 1.0}}
    record = json.loads(next((analysis.make("process") / "process").glob("*provenance*.json")).read_text())
    assert "cuts" in json.dumps(record)
    assert record["settings"]["cuts"]["momentum"]["above"] == 1.0


def test_new_source_of_a_changed_cut_says_what_it_was(own_analysis):
    analysis = own_analysis()
    analysis.content["cuts"] = {"momentum": {"above": 1.0, "below": 3.0}}
    analysis.make("check")
    cut = load(analysis.path).regions[0].plan.selection.cuts[0]
    assert (cut.interval, cut.unit) == ("above 1 GeV and below 3 GeV", "GeV")
    assert cut.source.startswith("the YAML of the analysis; was above 0.4 GeV")


def test_off_without_yaml_1_1_and_the_long_form_drop_too(own_analysis):
    flows = []
    for off in ("off", False, {"dropped": True}, {"dropped": True, "regions": ["all"]}):
        analysis = own_analysis()
        analysis.content["cuts"] = {"balance": off}
        flows.append(cutflow(analysis))
    assert all(flow == flows[0] for flow in flows)
    assert "balance (dropped)" in flows[0]


def test_value_takes_the_place_of_an_interval_and_null_opens_a_side(own_analysis):
    analysis = own_analysis()
    analysis.content["cuts"] = {"momentum": {"above": None, "below": 2.0}, "flags": {"equals": 2}}
    c = flat(analysis)
    soft = c["p"] < 2.0
    found = cutflow(analysis)
    assert found["momentum (changed)"] == np.count_nonzero(soft)
    assert found["flags (changed)"] == np.count_nonzero(
        soft & (c["tracks"] - c["photons"] < 0.5) & c["good"] & c["tight"]
    )


@pytest.mark.parametrize(
    ("cuts", "words"),
    [
        (
            {"momentun": {"above": 1}},
            r"cuts: cut 'momentun' is not known; did you mean 'momentum'\?; a cut of your own",
        ),
        (
            {"mine": {"observable": "mm", "above": 1}},
            r"cuts\.mine\.observable: in region 'all': observable 'mm' is not",
        ),
        ({"mine": {"above": 1}}, "a cut of your own names its observable"),
        ({"momentum": True}, "on unless it is changed here: leave it out"),
        ({"momentum": {}}, "give 'above', 'below' or 'equals', or say 'off'"),
        ({"momentum": {"above": None}}, "give either 'equals' or at least one of 'above' and 'below'"),
        ({"momentum": {"below": 0.1}}, r"cuts\.momentum: in region 'all'.*above = 0\.4 must be less than below = 0\.1"),
        ({"momentum": {"dropped": True, "above": 1}}, "'dropped' leaves nothing to cut on: remove it, or above"),
        ({"mine": {"observable": "m", "variable": "p", "above": 1}}, "either 'observable' or 'variable'"),
        ({"momentum": {"above": 1, "regions": ["al"]}}, r"cuts\.momentum\.regions: region 'al' .*did you mean 'all'"),
        ({"mine": {"observable": "m"}}, "give either 'equals' or at least one"),
    ],
)
def test_cuts_that_cannot_be_are_refused_with_the_way_out(own_analysis, cuts, words):
    analysis = own_analysis()
    analysis.content["cuts"] = cuts
    with pytest.raises(ConfigError, match=words):
        analysis.make("check")


def test_variable_that_no_file_has_names_the_closest(own_analysis):
    analysis = own_analysis()
    analysis.content["cuts"] = {"mine": {"variable": "trucks", "above": 1}}
    with pytest.raises(NtupleError, match=r"no branch 'trucks' for the variable 'trucks' \(closest are 'tracks'"):
        analysis.make("check")
