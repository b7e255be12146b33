"""The records of an analysis: made once, of a search that is loaded once."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from bumphunt.errors import ConfigError
from workflows.chain import prepare, up_to
from workflows.config.file import load

OWN = """\
from dataclasses import replace
from selections.registry import SEARCHES
SEARCH = replace(SEARCHES["zprime-invisible"], name="own")
def cross_section(mass, sqrt_s):
    return 2.0 * mass
"""
ANALYSIS = """\
channel: own.py:SEARCH
model: own.py:cross_section
data: {luminosity: 0.276, simulate: {}}
samples: {mumu: {simulate: {events: 1000}}}
signal: {simulate: {events: 1000, masses: [0.5, 1, 2, 3, 8]}}
search: {low: 0.5, high: 8.0}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a YAML with a search and a model of its own."""
    (tmp_path / "own.py").write_text(OWN)
    path = tmp_path / "analysis.yaml"
    path.write_text(ANALYSIS)
    return path


def test_search_that_is_saved_during_a_run_is_not_mixed_with_its_older_self(path: Path) -> None:
    """What was loaded stays; the provenance names the file as it was loaded, so that the next run sees the change."""
    analysis = load(path)
    before = {step.name: step.loaded for step in up_to(prepare(analysis, path.parent / "results"), "report")}
    (path.parent / "own.py").write_text(OWN.replace('"own"', '"changed"').replace("2.0", "3.0"))
    during = {step.name: step.loaded for step in up_to(prepare(analysis, path.parent / "results"), "report")}
    assert during == before
    assert analysis.about.search.name == "own"
    assert analysis.about.model is not None
    assert analysis.about.model.cross_section(1.0, 10.58) == 2.0
    again = load(path)
    after = {step.name: step.loaded for step in up_to(prepare(again, path.parent / "results"), "report")}
    assert again.about.search.name == "changed"
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"check", "process", "optimise", "spectra", "scan", "limits", "report"}


def test_how_hypotheses_are_tested_can_be_sent_to_other_processes(path: Path) -> None:
    setup = load(path).scan
    for record in (setup.method, setup.limits, setup.sources):
        assert pickle.loads(pickle.dumps(record)) == record


def test_stage_is_wanted_where_the_yaml_asks_for_it(path: Path) -> None:
    steps = up_to(prepare(load(path), path.parent / "results"), "report")
    assert [step.name for step in steps][:4] == ["simulate", "check", "process", "optimise"]
    needed = {step.name: [before.name for before in step.upstream] for step in steps}
    assert needed["process"] == ["simulate"]  # of what `check` lists, nothing
    assert needed["spectra"] == ["simulate", "process", "optimise"]
    path.write_text(ANALYSIS + "optimise: null\n")
    without = up_to(prepare(load(path), path.parent / "results"), "spectra")
    assert [step.name for step in without] == ["simulate", "check", "process", "spectra"]
    assert [step.name for step in without[-1].upstream] == ["simulate", "process"]


def readings(path: Path, model: str) -> list[str]:
    """Return the readings of the coupling of an analysis, the first one first."""
    path.write_text(ANALYSIS.replace("own.py:cross_section", model).replace("own.py:SEARCH", "zprime-invisible"))
    found = load(path).about.model
    assert found is not None
    assert found.meaning == found.readings[0].meaning
    return [reading.name for reading in found.readings]


def test_model_is_a_reading_of_the_search_or_has_dark_matter(path: Path) -> None:
    assert readings(path, "lmu-ltau") == ["lmu-ltau", "invisible"]
    assert readings(path, "invisible") == ["invisible", "lmu-ltau"]
    assert readings(path, "{alpha_D: 0.1, m_chi: mass / 3}") == ["dark-matter", "lmu-ltau", "invisible"]
    assert readings(path, "{alpha_D: 0.1, m_chi: 0.2}") == ["dark-matter", "lmu-ltau", "invisible"]


@pytest.mark.parametrize(
    ("channel", "model", "message"),
    [
        ("zprime-invisible", "invisble", "did you mean 'invisible'.*or 'file.py:FUNCTION'"),
        ("zprime-invisible", "{alpha_D: 0.1}", "m_chi"),
        ("zprime-invisible", "{alpha_D: -1, m_chi: 0.1}", "alpha_D"),
        ("zprime-invisible", "{alpha_D: 0.1, m_chi: import os}", "m_chi.*no arithmetic expression"),
        ("zprime-lfv", "invisible", "the search 'zprime-lfv' has no model"),
        ("darkphoton-dilepton", "invisible", "a model with one reading"),
    ],
)
def test_model_that_is_none_is_refused(path: Path, channel: str, model: str, message: str) -> None:
    path.write_text(ANALYSIS.replace("own.py:cross_section", model).replace("own.py:SEARCH", channel))
    with pytest.raises(ConfigError, match=message):
        load(path)
