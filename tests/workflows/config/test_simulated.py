"""What an analysis reads and simulates, worked out from its YAML."""

from __future__ import annotations

import json
from pathlib import Path

from bumphunt.kinematics.momenta import BEAMS
from workflows.config.file import load
from workflows.provenance.settings import plain

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
    assert {drawn.process.name: drawn.yield_factor for drawn in plan.pseudodata} == {"mumu": 1.0, "tautau": 0.5}


def test_what_the_files_depend_on_is_the_same_in_every_process(tmp_path: Path) -> None:
    """Nothing of it is the place of a function in memory, which would simulate everything again in each run."""
    path = tmp_path / "analysis.yaml"
    path.write_text(ANALYSIS)
    (plan,) = load(path).simulation
    content = json.loads(json.dumps(plain(plan)))
    assert content == plain(plan)
    assert content["samples"][0]["process"]["generate"] == "generate"
    assert content["samples"][0] | {"process": "mumu"} == {
        "name": "mumu",
        "process": "mumu",
        "n": 1000,
        "parameters": {},
    }
    assert content["beams"]["electron_energy"] == BEAMS["belle2"].electron_energy
