"""Control samples of which no factor can be measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from bumphunt.errors import ConfigError
from workflows.chain import correct, prepare, up_to
from workflows.config.file import load

ANALYSIS = """\
channel: zprime-invisible
regions: [mumu, emu]
data: {luminosity: 0.001, simulate: {SIMULATE}}
samples:
  mumu: {simulate: {events: 20_000}}
  tautau: {regions: [mumu], simulate: {events: 100}}
signal: {simulate: {events: 100, masses: [0.5, 1, 2, 3, 8]}}
search: {low: 0.5, high: 8.0}
"""
CONTROL = "control: {taus: {region: emu, samples: [tautau]}}\n"


@pytest.mark.parametrize(
    ("simulate", "control", "message"),
    [
        ("", "", "asks for no factors: name them under 'control'"),
        ("draw_from: expectation", CONTROL, "drawn from the expectation have no control samples"),
    ],
)
def test_what_has_no_control_samples_is_refused(tmp_path: Path, simulate: str, control: str, message: str) -> None:
    path = tmp_path / "analysis.yaml"
    path.write_text(ANALYSIS.replace("SIMULATE", simulate) + control)
    with pytest.raises(ConfigError, match=message):
        correct(prepare(load(path), tmp_path / "results")).make(tmp_path, None)


def test_sample_without_events_in_the_control_region_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "analysis.yaml"
    path.write_text(ANALYSIS.replace("SIMULATE", "") + CONTROL)
    job = prepare(load(path), tmp_path / "results")
    for step in up_to(job, "check"):
        step.run()
    with pytest.raises(ConfigError, match=r"control\.taus: sample 'tautau' has no ntuples in region 'emu'"):
        correct(job).run()
