"""What an analysis reads: files that its patterns match, and what brings them to the luminosity of the data."""

from __future__ import annotations

from pathlib import Path

import pytest

from bumphunt.errors import ConfigError, InputError
from workflows.config.file import load
from workflows.inputs.samples import InputSample, find_files, input_samples

ANALYSIS = """\
channel: zprime-invisible
regions: [mumu, mumugamma, emu]
data: {luminosity: 0.276, simulate: {}}
samples:
  mumu: {simulate: {events: 1000}}
  tautau: {regions: [emu], simulate: {events: 1000}}
signal: {simulate: {events: 1000, masses: [0.5, 1, 2, 3, 8]}}
search: {low: 0.5, high: 8.0}
"""


def test_pattern_without_a_match_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"samples\.mumu\.files: no file matches 'mc/\*\.root'"):
        find_files(tmp_path / "analysis.yaml", "samples.mumu.files", ["mc/*.root"])


def test_patterns_are_relative_to_the_yaml(tmp_path: Path) -> None:
    for name in ("b.root", "a.root"):
        (tmp_path / name).touch()
    path = tmp_path / "analysis.yaml"
    assert find_files(path, "k", ["*.root", "a.root"]) == (tmp_path / "a.root", tmp_path / "b.root")
    assert find_files(path, "k", [str(tmp_path / "a.root")]) == (tmp_path / "a.root",)


def test_sample_is_there_once_a_candidate_with_the_regions_that_it_fills(tmp_path: Path) -> None:
    path = tmp_path / "analysis.yaml"
    path.write_text(ANALYSIS)
    found = [(s.name, s.regions, s.files[0].name) for s in input_samples(load(path), tmp_path) if s.kind != "signal"]
    assert found == [
        ("data", ("mumu", "mumugamma"), "pseudodata_dimuon.root"),
        ("mumu", ("mumu", "mumugamma"), "mumu_dimuon.root"),
        ("data", ("emu",), "pseudodata_emu.root"),
        ("mumu", ("emu",), "mumu_emu.root"),
        ("tautau", ("emu",), "tautau_emu.root"),
    ]


def test_background_is_brought_to_the_luminosity_of_the_data_that_were_read() -> None:
    sample = InputSample(name="mumu", kind="background", regions=("mumu",), tree="t", files=(), luminosity=200.0)
    assert sample.normalisation(data_luminosity=50.0, fraction=0.5) == 0.5


def test_sample_without_a_luminosity_cannot_be_scaled() -> None:
    sample = InputSample(name="zprime_1", kind="signal", regions=("mumu",), tree="t", files=(), mass=1.0)
    with pytest.raises(InputError, match="'zprime_1' has no luminosity to scale from"):
        sample.normalisation(data_luminosity=50.0, fraction=1.0)
