"""Processes, detectors and signals as the YAML names them, and the table of what was simulated."""

from __future__ import annotations

import csv
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import uproot

from bumphunt.errors import BumphuntError, ConfigError, InputError
from bumphunt.kinematics.momenta import BEAMS
from bumphunt.montecarlo.detector.candidates import CANDIDATES
from bumphunt.montecarlo.detector.presets import BABAR, BELLE2
from bumphunt.montecarlo.processes.quarks import pythia
from bumphunt.montecarlo.processes.registry import PROCESSES
from selections import registry
from workflows import cli
from workflows.config.file import load
from workflows.ntuples.branches import escape
from workflows.simulation import files as stage
from workflows.simulation.files import simulate
from workflows.simulation.plan import DrawnSample, SampleSpec, SimulationPlan
from workflows.simulation.table import printed_rows

GOOD = """\
channel: zprime-invisible
data:
  luminosity: 0.001
  simulate: {inject: [{mass: 2.0, coupling: 1.0}]}
samples:
  mumu: {simulate: {events: 2000}}
signal:
  simulate: {events: 1000, masses: [0.5, 1, 2, 3, 8]}
search: {low: 0.5, high: 8.0}
"""


@pytest.fixture
def write(tmp_path):
    """Return a function that writes the YAML with one text replaced by another."""

    def write(old: str = "", new: str = "") -> Path:
        assert old in GOOD
        path = tmp_path / "analysis.yaml"
        path.write_text(GOOD.replace(old, new))
        return path

    return write


def test_defaults_of_a_channel(write):
    (plan,) = load(write()).simulation
    assert plan.candidate == CANDIDATES["dimuon"]
    assert plan.detector == BELLE2
    signal = plan.samples[1]
    assert (signal.name, signal.process.name, dict(signal.parameters)) == ("zprime_0.5", "zprime", {"mass": 0.5})
    assert plan.injected == (DrawnSample(process=PROCESSES["zprime"], parameters={"mass": 2.0, "coupling": 1.0}),)


def test_any_process_with_parameters(write):
    new = "{events: 2000}}\n  pairs: {simulate: {process: eemumu, events: 100, parameters: {minimum_mass: 1}}}"
    new += "\n  peaks: {simulate: {process: isr_resonances_mumu, events: 100, parameters: {meson: jpsi}}}"
    new += "\n  all: {simulate: {process: eeee, events: 100, parameters: {multiperipheral_only: true}}}"
    (plan,) = load(write("{events: 2000}}", new)).simulation
    assert plan.samples[1] == SampleSpec(
        name="pairs", process=PROCESSES["eemumu"], n=100, parameters={"minimum_mass": 1.0}
    )
    assert plan.samples[2].parameters == {"meson": "jpsi"}
    assert plan.samples[3].parameters == {"multiperipheral_only": True}
    assert [drawn.process.name for drawn in plan.pseudodata] == ["mumu", "eemumu", "isr_resonances_mumu", "eeee"]


def test_another_signal_and_several_injected(write):
    new = "simulate: {process: darkhiggs_mumu, events: 1000, masses: [0.5, 1, 2, 3, 8], coupling: 1.0e-6,"
    new += " parameters: {higgs_mass: 0.4}}"
    text = GOOD.replace("simulate: {events: 1000, masses: [0.5, 1, 2, 3, 8]}", new)
    injected = "[{mass: 2.0, coupling: 1.0e-5, parameters: {higgs_mass: 1.0}}, {process: aprime_mumu, mass: 3.0,"
    injected += " coupling: 0.1, parameters: {lifetime: 0.2}}]"
    path = write()
    path.write_text(text.replace("[{mass: 2.0, coupling: 1.0}]", injected))
    (plan,) = load(path).simulation
    assert plan.samples[1].name == "darkhiggs_mumu_0.5"
    assert plan.samples[1].parameters == {"higgs_mass": 0.4, "coupling": 1e-6, "mass": 0.5}
    first, second = plan.injected
    assert (first.process.name, first.parameters["higgs_mass"]) == ("darkhiggs_mumu", 1.0)
    assert (second.process.name, second.parameters["lifetime"]) == ("aprime_mumu", 0.2)
    assert 0 < second.branching_ratio < 1


def test_candidate_and_signal_are_those_of_the_channel(write, monkeypatch):
    found = registry.SEARCHES["zprime-invisible"]
    search = replace(found, regions=(replace(found.regions[0], candidate="emu", process="zprime_lfv"),))
    monkeypatch.setitem(registry.SEARCHES, "zprime-invisible", search)
    (plan,) = load(write()).simulation
    assert plan.candidate == CANDIDATES["emu"]
    assert plan.samples[1].process.name == "zprime_lfv"


def test_detector_by_name_or_with_other_numbers(write):
    (plan,) = load(write("data:", "detector: babar\nbeams: babar\ndata:")).simulation
    assert plan.detector == BABAR
    (plan,) = load(write("data:", "detector: {preset: belle2, photon_loss: 0.01}\ndata:")).simulation
    assert plan.detector == replace(BELLE2, photon_loss=0.01)


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("mumu: {simulate: {", "x: {simulate: {process: mumi, ", ["samples.x.simulate.process", "did you mean 'mumu'"]),
        ("mumu: {simulate: {", "x: {simulate: {process: zprime, ", ["samples.x.simulate.process = 'zprime'"]),
        ("{events: 2000}", "{events: 2000, parameters: {mass: 1}}", ["samples.mumu.simulate", "takes no parameters"]),
        (
            "mumu: {simulate: {events: 2000}",
            "eeee: {simulate: {events: 2000, parameters: {minimum_mas: 1}}",
            ["samples.eeee.simulate", "did you mean 'minimum_mass'"],
        ),
        ("{events: 1000,", "{process: zprim, events: 1000,", ["signal.simulate.process", "did you mean 'zprime'"]),
        ("{events: 1000,", "{process: mumu, events: 1000,", ["signal.simulate.process = 'mumu'"]),
        ("{events: 1000,", "{process: darkhiggs_mumu, events: 1000,", ["signal.simulate", "higgs_mass"]),
        ("{events: 1000,", "{process: aprime_tautau, events: 1000,", ["signal masses = 0.5", "kinematic limits"]),
        ("mass: 2.0,", "process: aprime_me, mass: 2.0,", ["inject[0].process", "did you mean 'aprime_ee'"]),
        ("mass: 2.0,", "parameters: {lifetime: 1}, mass: 2.0,", ["data.simulate.inject[0]", "lifetime"]),
        ("mass: 2.0,", "mass: 10.4,", ["data.simulate.inject[0]", "between 0 and 10.36"]),
        ("data:", "detector: belle3\ndata:", ["detector = 'belle3'", "did you mean 'belle2'"]),
        ("data:", "detector: {preset: belle3}\ndata:", ["detector.preset = 'belle3'", "did you mean 'belle2'"]),
        ("data:", "detector: {muon_efficiency: 0.9}\ndata:", ["detector.preset = 'None'"]),
        (
            "data:",
            "detector: {preset: belle2, muon_eficiency: 0.9}\ndata:",
            ["detector", "did you mean 'muon_efficiency'"],
        ),
        ("data:", "detector: {preset: belle2, muon_efficiency: 1.9}\ndata:", ["muon_efficiency = 1.9"]),
    ],
)
def test_wrong_name_is_refused_with_the_nearest(write, old, new, parts):
    with pytest.raises(ConfigError) as error:
        load(write(old, new))
    for part in parts:
        assert part in str(error.value)


def test_quarks_without_pythia_are_refused_at_once(write, monkeypatch):
    monkeypatch.setattr(pythia, "MODULE", "no_such_pythia")
    with pytest.raises(ConfigError, match=r"samples.ccbar.simulate.*pip install 'bumphunt\[pythia\]'"):
        load(write("  mumu:", "  ccbar: {simulate: {events: 10}}\n  mumu:"))


def photons(**kwargs) -> SimulationPlan:
    arguments = {
        "beams": BEAMS["belle2"],
        "detector": BELLE2,
        "seed": 5,
        "luminosity": 0.001,
        "candidate": CANDIDATES["three_photons"],
        "samples": (
            SampleSpec(name="gg", process=PROCESSES["diphoton"], n=6000),
            SampleSpec(name="alp", process=PROCESSES["alp_diphoton"], n=3000, parameters={"mass": 3.0}),
        ),
        "pseudodata": (DrawnSample(process=PROCESSES["diphoton"]),),
        "injected": tuple(
            DrawnSample(process=PROCESSES["alp_diphoton"], parameters={"mass": m, "coupling": 0.1}) for m in (3.0, 6.0)
        ),
    }
    return SimulationPlan(**(arguments | kwargs))


def branches(path: Path) -> dict[str, np.ndarray]:
    """Return all branches of a simulated file, by their names in it."""
    with uproot.open(path) as file:
        return file["events"].arrays(library="np")


def test_another_final_state_does_not_depend_on_the_number_of_workers(tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "CHUNK", 2000)
    found = {workers: simulate(photons(), tmp_path / str(workers), workers=workers) for workers in (1, 2)}
    for one, two in zip(found[1], found[2], strict=True):
        first, second = (branches(file.path) for file in (one, two))
        assert escape("daughter(2, E)") in first
        assert all((first[k] == second[k]).all() or k.startswith("getVariable") for k in first)
        assert one.rows == two.rows > 0
        assert one.expected_rows == pytest.approx(first["__weight__"].sum())
        assert one.effective_rows == pytest.approx(first["__weight__"].sum() ** 2 / (first["__weight__"] ** 2).sum())


def test_the_same_process_twice_in_the_pseudo_data_raises():
    with pytest.raises(InputError, match=r"alp_diphoton with .* is there twice"):
        photons(injected=photons().injected[:1] * 2)


def test_signal_that_is_too_heavy_for_the_beams_raises():
    heavy = SampleSpec(name="alp", process=PROCESSES["alp_diphoton"], n=10, parameters={"mass": 10.6})
    with pytest.raises(InputError, match=r"mass of alp_diphoton = 10.6 GeV"):
        photons(samples=(heavy,))


def test_samples_are_told_on_the_screen_and_in_a_table(write, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bumphunt", "simulate", str(write()), "--output", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    assert not exit_.value.code
    screen = capsys.readouterr().out
    with (tmp_path / "out" / "simulate" / "samples.csv").open() as file:
        rows = {row["sample"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["mumu", *(f"zprime_{m}" for m in ("0.5", "1", "2", "3", "8")), "pseudodata"]
    assert all(name in screen for name in (*rows, "cross section [fb]"))
    muons = rows["mumu"]
    assert int(muons["generated"]) == 2000
    assert float(muons["cross_section"]) == pytest.approx(1.148e6, abs=5 * float(muons["cross_section_error"]))
    assert 0 < float(muons["effective"]) <= int(muons["rows"])
    assert rows["zprime_2"]["coupling"] == "0.1"
    assert rows["pseudodata"]["cross_section"] == ""
    assert int(rows["pseudodata"]["drawn"]) > int(rows["pseudodata"]["rows"]) > 0
    header, printed = printed_rows(tmp_path / "out" / "simulate")
    assert len(header) == len(printed[0]) == 6
    assert printed[-1][3].endswith("drawn")


def test_missing_table_raises(tmp_path):
    with pytest.raises(BumphuntError, match=r"samples\.csv: cannot be read"):
        printed_rows(tmp_path)
