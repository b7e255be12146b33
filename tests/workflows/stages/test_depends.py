"""Each key of the YAML makes exactly those stages stale that use it; what follows from their results is not asked."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot
import yaml
from pydantic import BaseModel

from workflows.chain import correct, fit, impacts, prepare, up_to
from workflows.config.file import load
from workflows.config.sections.analysis import Analysis
from workflows.products.factor_files import write_correction

OWN = """\
from dataclasses import replace
from selections.registry import SEARCHES
from selections.search import Coordinate
SEARCH = SEARCHES["zprime-invisible"]
OTHER = replace(SEARCH, name="other")
LOOSE = replace(SEARCH, coordinates=(Coordinate(name="g", meaning="coupling", symbol="g", parameter="coupling"),))
def model(mass, sqrt_s):
    return 1 / mass
def other_model(mass, sqrt_s):
    return 1 / mass**2
def shape(x, slope):
    return 1 + slope * x
"""
MASSES = (1.0, 1.5, 2.0, 2.5, 3.0)
GIVEN: dict[str, Any] = {
    "channel": "own.py:SEARCH",
    "regions": ["mumu", "mumugamma", "emu"],
    "model": "own.py:model",
    "data": {"luminosity": 1.0, "luminosity_uncertainty": 0.01, "files": ["n/data.root"], "pseudo": True},
    "samples": {
        "mumu": {
            "files": ["n/mumu.root"],
            "luminosity": 2.0,
            "uncertainty": 0.1,
            "smooth": {"low": 1, "high": 50, "knots": 5, "scale": 1},
        },
        "tautau": {"files": ["n/tautau.root"], "cross_section": 900.0, "generated": 9000.0},
        "other": {"files": ["n/alternative.root"], "luminosity": 2.0, "alternative": "mumu"},
        "third": {"files": ["n/third.root"], "luminosity": 2.0, "alternative": "mumu"},
    },
    "signal": {"points": [{"mass": m, "files": [f"n/{m:g}.root"], "generated": 500.0} for m in MASSES]},
    "search": {"low": 1.0, "high": 3.0},
    "spectrum": {"low": -5.0, "high": 100.0, "bins": 500},
    "fit": {
        "method": "templates",
        "background": {"family": "bernstein", "order": 2},
        "slices": {"observable": "recoil_theta", "edges": [0.0, 1.0, 3.0]},
    },
    "corrections": {"id": {"file": "c.json", "inputs": ["pt_rec_lmax"]}},
    "factors": {"sf": {"value": 0.9, "uncertainty": 0.1}},
    "control": {"tau": {"region": "emu", "samples": ["tautau"], "observable": "pt_pair", "edges": [0.0, 1.0, 2.0]}},
    "systematics": {
        "trigger": {"efficiency": 0.05},
        "generator": {"sample": "other"},
        "pdf": {"weights": ["pt_pair"]},
        "momentum": {"scale": ["daughter(0, p)"], "by": 0.001},
    },
}
SIMULATED: dict[str, Any] = {
    "channel": "zprime-invisible",
    "detector": {"preset": "belle2"},
    "data": {
        "luminosity": 1.0,
        "simulate": {"draw_from": "expectation", "inject": [{"mass": 2.0, "coupling": 0.5}]},
    },
    "samples": {"tautau": {"simulate": {"events": 1000}}},
    "signal": {"simulate": {"events": 500, "masses": list(MASSES)}},
    "search": {"low": 1.0, "high": 3.0},
}

BEAMS = {"electron_energy": 7.0, "positron_energy": 4.0}
READ = "check process correct"
NORMALISED = "check optimise spectra report correct"
TESTED = "scan impacts fit"
SHOWN = "check process spectra scan limits report impacts fit correct"

Edits = dict[str, tuple[Any, str]]
GIVEN_EDITS: Edits = {
    "channel": ("own.py:OTHER", "check process optimise scan limits report impacts fit correct"),
    "regions": (["mumu", "emu"], READ),  # a control sample
    "model": ("own.py:other_model", "limits report"),
    "model.alpha_D": ({"alpha_D": 0.1, "m_chi": 0.1}, "limits report"),
    "model.m_chi": ({"alpha_D": 0.1, "m_chi": "mass / 3"}, "limits report"),
    "beams": ("babar", f"{READ} limits"),
    "data.luminosity": (1.5, NORMALISED),
    "data.luminosity_uncertainty": (0.02, f"{TESTED} report correct"),
    "data.good_runs": ("runs.csv", READ),
    "data.files": (["n/other.root"], READ),
    "data.pseudo": (False, SHOWN),
    "samples.*.files": (["n/other.root"], READ),
    "samples.*.regions": (["mumu"], READ),
    "samples.*.luminosity": (3.0, NORMALISED),
    "samples.other.alternative": ("tautau", READ),
    "samples.tautau.cross_section": (950.0, NORMALISED),
    "samples.tautau.generated": (9500.0, NORMALISED),
    "samples.*.uncertainty": (0.2, f"{TESTED} report correct"),
    "samples.*.smooth": (None, "spectra"),
    "samples.*.smooth.low": (2, "spectra"),
    "samples.*.smooth.high": (51, "spectra"),
    "samples.*.smooth.knots": (6, "spectra"),
    "samples.*.smooth.scale": (2, "spectra"),
    "signal.points.2.mass": (2.1, f"{NORMALISED} process"),
    "signal.points.2.files": (["n/other.root"], READ),
    "signal.points.2.generated": (600.0, NORMALISED),
    "signal.truth": ("isSignal", READ),
    "signal.uncertainty": (0.1, f"{TESTED} report"),
    "cuts.*.above": ({"muon ID": {"above": 0.7}}, READ),
    "cuts.*.below": ({"muon ID": {"below": 0.9}}, READ),
    "cuts.*.equals": ({"two tracks": {"equals": 3}}, READ),
    "cuts.*.observable": ({"mine": {"observable": "pt_pair", "above": 0.5}}, READ),
    "cuts.*.variable": ({"mine": {"variable": "daughter(0, p)", "above": 0.5}}, READ),
    "cuts.*.unit": ({"mine": {"observable": "pt_pair", "above": 0.5, "unit": "GeV"}}, READ),
    "cuts.*.regions": ({"two tracks": {"equals": 3, "regions": ["emu"]}}, READ),
    "cuts.*.dropped": ({"muon ID": False}, READ),
    "search.low": (1.2, f"{TESTED} optimise report"),
    "search.high": (2.8, f"{TESTED} optimise report"),
    "search.step": (1.0, TESTED),
    "search.mass": (2.0, TESTED),
    "search.exclude": ([[1.5, 1.6]], f"{TESTED} report"),
    "spectrum": (None, READ),
    "spectrum.low": (-4.0, READ),
    "spectrum.high": (101.0, READ),
    "spectrum.bins": (400, READ),
    "optimise": (None, f"{READ} report"),
    "optimise.figure_of_merit": ("punzi-full", "optimise report"),
    "optimise.a": (3.0, "optimise"),
    "optimise.b": (1.6, "optimise"),
    "optimise.background_uncertainty": (0.1, "optimise"),
    "optimise.window": (1.5, "optimise"),
    "optimise.background_error": (0.0, "optimise"),
    "optimise.bin_width": (5.0, "optimise"),
    "optimise.min_bin_width": (0.3, "optimise"),
    "optimise.cuts": ("free", "optimise"),
    "optimise.classifier": (True, "optimise"),
    "optimise.variables": ({"pt_pair": "above"}, f"{READ} optimise"),
    "optimise.variables.*.low": ({"pt_pair": {"low": 0, "high": 3}}, f"{READ} optimise"),
    "optimise.variables.*.high": ({"pt_pair": {"low": 0, "high": 4}}, f"{READ} optimise"),
    "optimise.variables.*.steps": ({"pt_pair": {"low": 0, "high": 3, "steps": 9}}, f"{READ} optimise"),
    "optimise.variables.*.unit": ({"pt_pair": {"low": 0, "high": 3, "unit": "MeV"}}, f"{READ} optimise"),
    "optimise.variables.*.side": ({"pt_pair": {"low": 0, "high": 3, "side": "below"}}, f"{READ} optimise"),
    "fit.method": ("smooth", TESTED),
    "fit.window": (8.0, TESTED),
    "fit.bins_per_sigma": (3.0, TESTED),
    "fit.background": (None, TESTED),
    "fit.background.family": ("chebyshev", TESTED),
    "fit.background.order": (3, TESTED),
    "fit.background.end": ({"family": "dijet", "order": 2, "end": 200.0}, TESTED),
    "fit.background.times": (["mumu"], TESTED),
    "fit.background.function": ({"function": "own.py:shape", "start": {"slope": 0.1}}, TESTED),
    "fit.background.start": ({"function": "own.py:shape", "start": {"slope": 0.2}}, TESTED),
    "fit.peaks": (["phi"], TESTED),
    "fit.peaks.*.mass": ([{"mass": 1.5}], TESTED),
    "fit.peaks.*.mass_error": ([{"mass": 1.5, "mass_error": 0.1}], TESTED),
    "fit.peaks.*.width": ([{"mass": 1.5, "width": 0.1}], TESTED),
    "fit.peaks.*.resolution": ([{"mass": 4.0, "resolution": 0.1}], TESTED),
    "fit.peaks.*.name": ([{"mass": 1.5, "name": "mine"}], TESTED),
    "fit.templates": (["mumu"], TESTED),
    "fit.templates_below": (2.0, TESTED),
    "fit.slices": (None, READ),
    "fit.slices.observable": ("p_recoil", READ),
    "fit.slices.edges": ([0.0, 1.5, 3.0], READ),
    "fit.cl": (0.95, TESTED),
    "fit.limit": ("toys", TESTED),
    "fit.significance": ("toys", TESTED),
    "fit.prior": ("1/sqrt", TESTED),
    "fit.toys": (500, TESTED),
    "fit.engine": ("minuit", TESTED),
    "fit.poor_fit": (1e-4, TESTED),
    "fit.unbinned": ({"method": "smooth", "unbinned": True}, f"{READ} spectra {TESTED}"),
    "corrections.*.file": ("d.json", READ),
    "corrections.*.correction": ("other", READ),
    "corrections.*.inputs": (["pt_pair"], READ),
    "corrections.*.each": ({"file": "c.json", "inputs": ["daughter({i}, p)"], "each": [0]}, READ),
    "corrections.*.up": ({"file": "e.json", "up": "up", "down": "id"}, READ),
    "corrections.*.down": ({"file": "e.json", "up": "id", "down": "up"}, READ),
    "corrections.*.values": (["up", "nominal", "down"], READ),
    "corrections.*.samples": (["mumu"], READ),
    "corrections.*.regions": (["mumu"], READ),
    "factors.*.value": (0.8, "optimise spectra report correct"),
    "factors.*.uncertainty": (0.2, "spectra"),
    "factors.*.samples": (["mumu"], "optimise spectra report correct"),
    "factors.*.regions": (["mumu"], "optimise spectra report correct"),
    "control.*.region": ("mumugamma", "correct"),
    "control.*.samples": (["mumu"], "correct"),
    "control.*.observable": ("m_recoil", "check correct"),
    "control.*.edges": ([0.0, 1.0, 3.0], "correct"),
    "systematics.*.efficiency": (0.06, f"{TESTED} report"),
    "systematics.*.signal_mean": (0.1, f"{TESTED} report"),
    "systematics.*.signal_width": (0.1, f"{TESTED} report"),
    "systematics.*.background": ({"mumu": 0.1}, f"{TESTED} report"),
    "systematics.*.background_slope": ({"mumu": 0.1}, f"{TESTED} report"),
    "systematics.*.spurious_signal": (0.1, f"{TESTED} report"),
    "systematics.generator.sample": ("third", f"{NORMALISED} process"),
    "systematics.pdf.weights": (["pt_pair", "p_recoil"], READ),
    "systematics.pdf.samples": (["mumu"], READ),
    "systematics.momentum.scale": (["daughter(1, p)"], "process"),
    "systematics.momentum.smear": ({"smear": ["daughter(0, p)"], "by": 0.001}, "process"),
    "systematics.momentum.by": (0.002, "process"),
    "ntuples.tree": ("other", READ),
    "ntuples.names": ({"px": "PX"}, READ),
    "ntuples.key": (["run", "event"], READ),
    "ntuples.candidate_key": (["candidate", "__signalSideCandidate__"], READ),
    "ntuples.constants": ({"px": 1.5}, READ),
    "ntuples.candidates": ({"best": "highest", "variable": "pt_pair"}, READ),
    "ntuples.candidates.best": ({"best": "lowest", "variable": "pt_pair"}, READ),
    "ntuples.candidates.variable": ({"best": "highest", "variable": "p_recoil"}, READ),
    "unblind": (True, ""),
    "seed": (2, TESTED),
}
SIMULATED_EDITS: Edits = {
    "detector": ("babar", "simulate"),
    "beams": ("babar", f"simulate {READ} limits"),
    "beams.electron_energy": ({"electron_energy": 7.1, "positron_energy": 4.0}, f"simulate {READ} limits"),
    "beams.positron_energy": ({"electron_energy": 7.0, "positron_energy": 4.1}, f"simulate {READ} limits"),
    "beams.crossing_angle": (
        {"electron_energy": 7, "positron_energy": 4, "crossing_angle": 0.1},
        f"simulate {READ} limits",
    ),
    "beams.electron_spread": (
        {"electron_energy": 7, "positron_energy": 4, "electron_spread": 0.1},
        f"simulate {READ} limits",
    ),
    "beams.positron_spread": (
        {"electron_energy": 7, "positron_energy": 4, "positron_spread": 0.1},
        f"simulate {READ} limits",
    ),
    "data.luminosity": (1.5, f"simulate {NORMALISED}"),
    "data.simulate.draw_from": ("events", f"simulate spectra {READ}"),
    "data.simulate.inject": ([], "spectra report"),
    "data.simulate.inject.*.mass": (2.5, "spectra report"),
    "data.simulate.inject.*.coupling": (0.6, "spectra"),
    "data.simulate.inject.*.process": ("zprime", ""),
    "data.simulate.inject.*.parameters": ({}, ""),
    "samples.*.simulate.events": (2000, "simulate"),
    "samples.*.simulate.files": ({"process": "hepmc", "files": ["b.hepmc"], "cross_section": 1.0}, "simulate report"),
    "samples.*.simulate.cross_section": (
        {"process": "hepmc", "files": ["b.hepmc"], "cross_section": 2.0},
        "simulate report",
    ),
    "samples.*.simulate.process": ("mumu", "simulate report"),
    "samples.*.simulate.parameters": ({"mode_enrichment": "none"}, "simulate"),
    "signal.simulate.events": (600, "simulate"),
    "signal.simulate.masses": ([1.0, 1.5, 2.0, 2.6, 3.0], f"simulate process {NORMALISED}"),
    "signal.simulate.coupling": (0.2, "simulate spectra"),
    "signal.simulate.process": ("zprime", ""),
    "signal.simulate.files": (
        {"process": "hepmc", "files": ["{mass}.hepmc"], "events": 1, "masses": list(MASSES)},
        f"simulate process {NORMALISED}",
    ),
    "signal.simulate.parameters": ({}, ""),
    "seed": (2, f"simulate spectra {TESTED}"),
}
SAID: dict[str, Any] = {
    "channel": "spectrum",
    "data": {"files": ["n/data.root"], "column": "M", "luminosity": 1.0},
    "signal": {
        "resolution": {"file": "r.csv"},
        "efficiency": {"file": "e.csv"},
        "shape": "crystal_ball",
        "shape_parameters": {"alpha": {"file": "r.csv"}, "n": 3.0},
    },
    "search": {"low": 1.2, "high": 2.2},
    "spectrum": {"low": 1.0, "high": 2.5, "bins": 100},
}
SAID_EDITS: Edits = {
    "data.column": ("N", READ),
    "signal.resolution": (0.02, TESTED),
    "signal.resolution.file": ("e.csv", TESTED),
    "signal.efficiency": (None, f"{TESTED} limits report"),
    "signal.efficiency.file": ("r.csv", TESTED),
    "signal.shape": ("gaussian", TESTED),
    "signal.shape_parameters": ({"alpha": 2.0, "n": 3.0}, TESTED),
    "signal.shape_parameters.*.file": ("e.csv", TESTED),
    "signal.tail": ("high", TESTED),
    "spectrum": (None, READ),
    "spectrum.log": (True, READ),
    "spectrum.edges": ({"edges": [1.0, 1.4, 1.6, 2.5]}, READ),
    "spectrum.per_resolution": ({"per_resolution": 5, "low": 1.0, "high": 2.5}, READ),
    "blinding": ("sidebands", f"{READ} spectra {TESTED}"),
    "data.histogram": ({"file": "h.csv"}, ""),
    "data.histogram.file": ("g.csv", "check spectra"),
    "data.histogram.name": ("other", "spectra"),
    "data.counts": ("weighted", "spectra limits"),
    "data.asimov": (True, "spectra"),
}
SECTIONS = {"data", "data.simulate", "samples", "samples.*.simulate", "signal", "signal.points", "signal.simulate"}
SECTIONS |= {"search", "fit", "corrections", "factors", "control", "systematics", "ntuples", "cuts"}
WITHOUT_EFFECT = {"data.weighted"}  # true is refused
OF_OTHER_SEARCHES = {
    *("signal.points.*.coordinates", "signal.simulate.coordinates", "search.between", "fit.band"),
    *("data.parents", "data.parents_uncertainty", "samples.*.parents", "samples.*.branching_fraction"),
}
"""Keys that have tests of their own: of searches with coordinates beside the mass, and of decays of parents."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files that the analyses name."""
    folder = tmp_path_factory.mktemp("depends")
    (folder / "own.py").write_text(OWN)
    (folder / "runs.csv").write_text("experiment,run\n7,3\n")
    (folder / "r.csv").write_text("1,0.02\n3,0.04\n")
    (folder / "h.csv").write_text("1,1.5,4,2\n1.5,2.5,6,2.4\n")
    (folder / "g.csv").write_text("1,1.5,5,2\n1.5,2.5,6,2.4\n")
    with uproot.recreate(folder / "h.root") as file:
        for name in ("h", "other"):
            file[name] = np.array([4.0, len(name)]), np.array([1.0, 1.5, 2.5])
    (folder / "e.csv").write_text("1,0.5\n3,0.6\n")
    (folder / "n").mkdir()
    for name in ("data", "mumu", "tautau", "other", "alternative", "third", *(f"{m:g}" for m in MASSES)):
        (folder / "n" / f"{name}.root").write_text(name)
    for name in ("c.json", "d.json"):
        write_correction(folder / name, "id", edges={"p": [0, 1, 20]}, values=[1, 1], errors=[0.1, 0.1])
        content = json.loads((folder / name).read_text())
        content["corrections"].append(content["corrections"][0] | {"name": "other"})
        (folder / name).write_text(json.dumps(content))
    constant = {"version": 1, "inputs": [], "output": {"name": "w", "type": "real"}, "data": 1.0}
    constants = [{"name": name, **constant} for name in ("id", "up")]
    (folder / "e.json").write_text(json.dumps({"schema_version": 2, "corrections": constants}))
    for name in ("b", *(f"{m:g}" for m in MASSES)):
        (folder / f"{name}.hepmc").write_text("E 0\n")
    return folder


def settings(folder: Path, content: dict[str, Any]) -> dict[str, object]:
    """Return what each stage depends on but for files."""
    (folder / "analysis.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    job = prepare(load(folder / "analysis.yaml"), folder / "results")
    beside = dict(job.analysis.scan.points[0])
    steps = [*up_to(job, "report"), correct(job), impacts(job, 2.0, beside), fit(job, 2.0, beside)]
    return {step.name: (step.settings, step.modules) for step in steps}


def edited(content: dict[str, Any], key: str, value: object) -> dict[str, Any]:
    """Return an analysis with another value of a key, where ``*`` is the first member."""
    content = copy.deepcopy(content)
    inner: Any = content
    parts = key.split(".")
    if key.startswith(("cuts.", "optimise.variables.", "ntuples.candidates.", "beams.", "model.", "fit.unbinned")):
        whole = key.startswith(("ntuples", "beams", "model", "fit"))
        parts = parts[:-1] if whole else parts[: 1 if parts[0] == "cuts" else 2]
    elif isinstance(value, dict) and key.startswith(("corrections", "fit.background", "systematics.momentum")):
        parts = parts[:-1]
    elif key.startswith("fit.peaks"):
        parts = parts[:2]
    if ".simulate." in key and isinstance(value, dict) and "process" in value:
        parts = parts[:-1]
    for part in parts[:-1]:
        name: Any = next(iter(inner)) if part == "*" and isinstance(inner, dict) else part
        if isinstance(inner, list):
            name = 0 if part == "*" else int(part)
        inner = inner.setdefault(name, {}) if isinstance(inner, dict) else inner[name]
    last: Any = next(iter(inner)) if parts[-1] == "*" else parts[-1]
    inner[last] = value
    return content


def keys(section: type[BaseModel], name: str = "") -> Iterator[str]:
    """Yield the names of all keys of a section, with ``*`` for the names that users give."""

    def inside(annotation: Any, name: str) -> Iterator[str]:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from keys(annotation, name)
        for argument in getattr(annotation, "__args__", ()):
            held = getattr(annotation, "__origin__", None) in (dict, tuple)
            yield from inside(argument, f"{name}.*" if held and not name.endswith(".*") else name)

    for key, field in section.model_fields.items():
        full = f"{name}.{key}" if name else key
        yield full
        yield from inside(field.annotation, full)


def test_every_key_of_the_yaml_is_edited_here() -> None:
    named = ("tautau", "other", "generator", "pdf", "momentum")
    plain = {key.replace("points.2", "points.*") for key in GIVEN_EDITS | SIMULATED_EDITS | SAID_EDITS}
    plain = {".".join("*" if part in named else part for part in key.split(".")) for key in plain}
    assert set(keys(Analysis)) - plain - SECTIONS - WITHOUT_EFFECT - OF_OTHER_SEARCHES == set()
    assert plain - set(keys(Analysis)) == set()


def stale(folder: Path, content: dict[str, Any], key: str, value: object) -> set[str]:
    """Return the stages that depend on other settings after an edit; those that are there before and after it."""
    before, after = settings(folder, content), settings(folder, edited(content, key, value))
    return {name for name in before.keys() & after.keys() if before[name] != after[name]}


@pytest.mark.parametrize("key", GIVEN_EDITS)
def test_key_of_an_analysis_over_files(folder: Path, key: str) -> None:
    value, expected = GIVEN_EDITS[key]
    assert stale(folder, GIVEN, key, value) == set(expected.split())


@pytest.mark.parametrize("key", SIMULATED_EDITS)
def test_key_of_a_simulated_analysis(folder: Path, key: str) -> None:
    value, expected = SIMULATED_EDITS[key]
    assert stale(folder, SIMULATED, key, value) == set(expected.split())


@pytest.mark.parametrize("key", SAID_EDITS)
def test_key_of_a_signal_that_is_said(folder: Path, key: str) -> None:
    value, expected = SAID_EDITS[key]
    content = copy.deepcopy(SAID)
    if key == "signal.shape":
        content["signal"]["shape"], value = "two_sided_crystal_ball", "crystal_ball_gaussian"
        names = ("alpha_low", "n_low", "alpha_high", "n_high")
        content["signal"]["shape_parameters"] = dict.fromkeys(names, 1.5)
        assert stale(folder, content, "signal.tail", "high") == set(TESTED.split())
        return
    if key.startswith(("data.histogram", "data.counts")):
        content["data"] = {"histogram": {"file": "h.csv"}, "luminosity": 1.0}
        del content["spectrum"]
        if key == "data.histogram.name":
            content["data"]["histogram"] = {"file": "h.root", "name": "h"}
        if key == "data.histogram":
            key, value = "data.histogram.file", "h.csv"
    if key == "data.asimov":
        content = copy.deepcopy(SIMULATED)
        content["data"] = {"luminosity": 1.0, "simulate": {"draw_from": "expectation"}}
        key, value = "data", {"luminosity": 1.0, "asimov": True}
    if key in ("spectrum.edges", "spectrum.per_resolution"):
        key = "spectrum"
    assert stale(folder, content, key, value) == set(expected.split())


def test_order_of_samples_is_that_of_their_colours_and_of_templates(folder: Path) -> None:
    other = GIVEN | {"samples": dict(reversed(GIVEN["samples"].items()))}
    before, after = (settings(folder, content) for content in (GIVEN, other))
    assert {name for name in before if before[name] != after[name]} == {"report", *TESTED.split()}


def test_other_coordinates_of_the_signal(folder: Path) -> None:
    made = SIMULATED | {"channel": "own.py:LOOSE"}
    made["data"] = {"luminosity": 1.0, "simulate": {"draw_from": "expectation"}}
    made["signal"] = {"simulate": SIMULATED["signal"]["simulate"] | {"coordinates": {"g": [0.1, 0.2]}}}
    changed = stale(folder, made, "signal.simulate.coordinates.g", [0.1, 0.3])
    assert changed == set(f"simulate process {NORMALISED}".split())
    points = [point | {"coordinates": {"g": 0.1}} for point in GIVEN["signal"]["points"]]
    read = GIVEN | {"channel": "own.py:LOOSE", "signal": {"points": points}}
    same = read | {"signal": {"points": [point | {"coordinates": {"g": 0.2}} for point in points]}}
    before, after = (settings(folder, content) for content in (read, same))
    assert {name for name in before if before[name] != after[name]} == {
        "fit",
        "impacts",
        "process",
        *NORMALISED.split(),
    }


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("data.parents", 2e6, NORMALISED),
        ("data.parents_uncertainty", 0.02, f"{TESTED} report correct"),
        ("samples.*.parents", 3e6, NORMALISED),
        ("samples.tautau.branching_fraction", 2e-3, NORMALISED),
    ],
)
def test_key_of_decays_of_a_number_of_parents(folder: Path, key: str, value: float, expected: str) -> None:
    data = {"parents": 1e6, "parents_uncertainty": 0.01, "files": ["n/data.root"], "pseudo": True}
    samples = {
        "mumu": {"files": ["n/mumu.root"], "parents": 2e6, "uncertainty": 0.1},
        "tautau": {"files": ["n/tautau.root"], "branching_fraction": 1e-3, "generated": 9000.0},
    }
    trigger = {"trigger": GIVEN["systematics"]["trigger"]}
    content = GIVEN | {"data": data, "samples": samples, "systematics": trigger}
    assert stale(folder, content, key, value) == set(expected.split())
