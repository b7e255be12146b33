"""What an analysis reads and simulates, worked out from its YAML."""

from __future__ import annotations

from pathlib import Path

from workflows.config.file import load

ANALYSIS = """\
channel: zprime-invisible
regions: [mumu, mumugamma]
data: {luminosity: 0.276, simulate: {}}
samples:
  mumu: {simulate: {events: 1000}}
  tautau: {regions: [mumugamma], simulate: {events: 1000}}
signal: {simulate: {events: 1000, masses: [0.5, 1, 2, 3, 8]}}
search: {low: 0.5, high: 8.0}
factors:
  control: {value: 0.5, samples: [tautau], regions: [mumugamma]}
"""


def test_pseudodata_have_the_factor_of_a_region_that_the_sample_is_seen_in(tmp_path: Path) -> None:
    path = tmp_path / "analysis.yaml"
    path.write_text(ANALYSIS)
    (plan,) = load(path).simulation
    assert {drawn.process: drawn.yield_factor for drawn in plan.pseudodata} == {"mumu": 1.0, "tautau": 0.5}
