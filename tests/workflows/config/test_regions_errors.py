"""What a user may get wrong about regions, corrections and control samples: one line, before anything is made."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from workflows import cli
from workflows.products.factor_files import write_correction

MASSES = [1.0, 1.5, 2.0, 2.5]
ANALYSIS: dict[str, Any] = {
    "channel": "zprime-invisible",
    "regions": ["mumu", "mumugamma", "emu"],
    "data": {"luminosity": 1.0, "luminosity_uncertainty": 0.01, "simulate": {}},
    "samples": {name: {"simulate": {"events": 1_000_000_000}} for name in ("mumu", "tautau")},
    "signal": {"simulate": {"events": 1000, "masses": MASSES}, "uncertainty": 0.1},
    "search": {"low": 1.0, "high": 2.5},
}
MUON = {"file": "muon.json", "inputs": ["daughter(0, p)"]}


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """Return a function that runs an analysis with some sections changed: the line that it is refused with."""
    write_correction(tmp_path / "muon.json", "muon", edges={"p": [0, 5, 10]}, values=[1, 2], errors=[0.1, 0.1])
    for name in ("a.root", "b.root"):
        (tmp_path / name).touch()

    def run(**changes: Any) -> str:
        path = tmp_path / "analysis.yaml"
        path.write_text(yaml.safe_dump(ANALYSIS | changes))
        monkeypatch.setattr(sys, "argv", ["bumphunt", "run", str(path), "--output", str(tmp_path / "results")])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        err = str(capsys.readouterr().err)
        assert stop.value.code == cli.BAD_INPUT
        assert err.startswith(f"bumphunt: {path}")
        assert err.count("\n") == 1
        results = tmp_path / "results"
        assert not results.exists() or [p.name for p in results.iterdir()] == [".lock"]
        return err

    return run


def samples(**changes: Any) -> dict[str, Any]:
    """Return the samples with that of the dimuons changed."""
    return ANALYSIS["samples"] | {"mumu": ANALYSIS["samples"]["mumu"] | changes}


def given(files: Any) -> dict[str, Any]:
    """Return the sections of an analysis of given files, with those of the dimuons."""
    sample = {"files": ["a.root"], "luminosity": 1.0}
    return {
        "data": {"luminosity": 1.0, "files": ["a.root"]},
        "samples": {"mumu": sample | {"files": files}, "tautau": sample},
        "signal": {"points": [{"mass": m, "files": ["a.root"], "generated": 1} for m in MASSES]},
    }


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"regions": ["mumu", "mumugama"]}, ["regions: region 'mumugama'", "did you mean 'mumugamma'"]),
        ({"regions": ["emu"]}, ["regions: emu are control samples"]),
        ({"samples": samples(regions=["nowhere"])}, ["samples.mumu.regions: region 'nowhere'"]),
        (
            {"samples": {name: sample | {"regions": ["emu"]} for name, sample in ANALYSIS["samples"].items()}},
            ["samples: none contributes to region 'mumu'"],
        ),
        (given({"mumu": ["a.root"]}), ["samples.mumu.files: no files for emu", "'regions'"]),
        (
            given({"mumu": ["a.root"], "mumugamma": ["b.root"], "emu": ["a.root"]}),
            ["samples.mumu.files: the regions mumu, mumugamma read the same rows, but name different files"],
        ),
        ({"ntuples": {"tree": {"em": "events"}}}, ["ntuples.tree: region 'em'", "did you mean 'emu'"]),
        ({"ntuples": {"tree": {"mumu": "x"}}}, ["ntuples.tree", "the same rows, but name the trees ['events', 'x']"]),
        ({"ntuples": {"tree": "tuples"}}, ["ntuples.tree = 'tuples': that of simulated files is 'events'"]),
        ({"ntuples": {"candidates": {"best": "highest", "variable": "daughter(0, q)"}}}, ["'daughter(0, q)'"]),
        ({"corrections": {"muon": MUON | {"file": "none.json"}}}, ["corrections.muon", "none.json cannot be read"]),
        ({"corrections": {"muons": MUON}}, ["corrections.muons", "did you mean 'muon'?"]),
        ({"corrections": {"muon": MUON | {"inputs": []}}}, ["corrections.muon", "0 inputs are given; it has 1"]),
        ({"corrections": {"muon": MUON | {"each": [0]}}}, ["corrections.muon", "need each other"]),
        ({"corrections": {"muon": MUON | {"up": "muon"}}}, ["corrections.muon", "give both or neither"]),
        (
            {"corrections": {"muon": MUON | {"inputs": ["daughter(0, q)"]}}},
            ["'daughter(0, q)', which is not simulated", "'daughter(0, p)'"],
        ),
        (
            {"corrections": {"muon": MUON}, "factors": {"muon": {"value": 2}}},
            ["factors: the name 'muon' stands under corrections too"],
        ),
        ({"factors": {"luminosity": {"value": 2}}}, ["factors: the name 'luminosity' is taken"]),
        ({"factors": {"norm_tautau": {"value": 2}}}, ["factors: the name 'norm_tautau' is taken"]),
        (
            {"factors": {"k": {"value": 2}}, "systematics": {"k": {"efficiency": 0.1}}},
            ["systematics: the name 'k' is taken"],
        ),
        ({"factors": {"k": {"value": 1.0, "uncertainty": 1.5}}}, ["factors.k.uncertainty", "1.5 is more than 100 %"]),
        (
            {"factors": {"k": {"value": 2, "samples": ["mumu"], "regions": ["mumugamma"]}}},
            ["'mumu' has 1 in region 'mumu' and 2 in 'mumugamma'", "the same pseudo-data"],
        ),
        (
            {"control": {"k": {"region": "mumu", "samples": ["mumu"]}}},
            ["control.k.region = 'mumu': a peak is searched there", "mumugamma, emu"],
        ),
    ],
    ids=lambda value: None if isinstance(value, dict) else value[0][:40],
)
def test_wrong_analysis_of_regions_is_refused(refused, changes, parts):
    line = refused(**changes)
    for part in parts:
        assert part in line


def test_regions_of_two_experiments_are_told_apart(refused):
    """They are no parts of one data set; that of BaBar needs a trigger that the simulation of Belle II has not."""
    assert "babar, belle2 are those of different experiments; name one" in refused(
        channel="darkphoton-invisible", regions=["babar", "belle2"]
    )
    line = refused(
        channel="darkphoton-invisible",
        regions=["babar"],
        samples={"single_photon_bhabha": {"simulate": {"events": 1_000_000_000}}},
    )
    assert "region 'babar'" in line
    assert "reads 'L3SinglePhoton'" in line


def test_line_of_a_check_of_the_whole_is_that_of_its_key(refused, tmp_path: Path):
    line = refused(control={"k": {"region": "mumu", "samples": ["mumu"]}})
    text = (tmp_path / "analysis.yaml").read_text().splitlines()
    number = int(line.split("analysis.yaml:")[1].split(":")[0])
    assert text[number - 1].strip() == "region: mumu"
