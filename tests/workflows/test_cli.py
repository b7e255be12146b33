"""The command line on bad input: one line on standard error, exit status 2, and nothing half-written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import uproot

from bumphunt.kinematics.momenta import BEAMS
from bumphunt.montecarlo.detector.presets import DETECTORS
from bumphunt.montecarlo.processes.registry import PROCESSES
from selections.registry import SEARCHES
from workflows import cli
from workflows.ntuples.branches import escape
from workflows.simulation.files import simulate
from workflows.simulation.plan import DrawnSample, SampleSpec, SimulationPlan

MASSES = (1.0, 2.0, 3.0, 4.0)
P_BRANCH = escape("daughter(0, p)")


@pytest.fixture(scope="module")
def ntuples(tmp_path_factory) -> Path:
    """Small simulated files, as a user would have them."""
    folder = tmp_path_factory.mktemp("ntuples")
    samples = [SampleSpec(name="mumu", process=PROCESSES["mumu"], n=2000)]
    samples += [
        SampleSpec(name=f"signal_{m:g}", process=PROCESSES["zprime"], n=3000, parameters={"mass": m, "coupling": 0.1})
        for m in MASSES
    ]
    plan = SimulationPlan(
        beams=BEAMS["belle2"],
        detector=DETECTORS["belle2"],
        seed=3,
        luminosity=0.001,
        samples=tuple(samples),
        pseudodata=(DrawnSample(process=PROCESSES["mumu"]),),
    )
    simulate(plan, folder)
    return folder


@pytest.fixture
def analysis(ntuples, tmp_path):
    """Return a function that writes a YAML over those files, with one text replaced by another."""

    def write(old: str = "", new: str = "") -> Path:
        points = "\n".join(
            f"    - {{mass: {m}, files: [{ntuples}/signal_{m:g}.root], generated: 1000.0}}" for m in MASSES
        )
        text = f"""\
channel: zprime-invisible
data:
  luminosity: 0.001
  files: ["{ntuples}/pseudodata.root"]
samples:
  mumu: {{files: ["{ntuples}/mumu.root"], luminosity: 0.001}}
signal:
  points:
{points}
search: {{low: 1.0, high: 4.0}}
"""
        assert old in text
        path = tmp_path / "analysis.yaml"
        path.write_text(text.replace(old, new))
        return path

    return write


def run(monkeypatch, capsys, *arguments: object) -> tuple[int, str, str]:
    """Return exit status, standard output and standard error of the command."""
    monkeypatch.setattr(sys, "argv", ["bumphunt", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    captured = capsys.readouterr()
    return int(stop.value.code or 0), captured.out, captured.err


def refused(monkeypatch, capsys, path: Path, verb: str = "check") -> str:
    """Return the line that a refused analysis prints, after a check that it left nothing behind."""
    results = path.parent / "results"
    status, _, err = run(monkeypatch, capsys, verb, path, "--output", results)
    assert status == cli.BAD_INPUT
    assert err.startswith("bumphunt: ")
    assert err.count("\n") == 1
    # what of a stage is finished stays, hidden, for the next run
    stages = [p.name for p in results.iterdir() if not p.name.startswith(".")] if results.exists() else []
    assert set(stages) <= ({"check"} if verb != "check" else set())
    return err


def test_check_lists_what_would_be_processed(analysis, monkeypatch, capsys):
    path = analysis()
    status, out, _ = run(monkeypatch, capsys, "check", path, "--output", path.parent / "results")
    assert status == 0
    assert "check" in out
    table = (path.parent / "results" / "check" / "inputs.csv").read_text().splitlines()
    assert len(table) == 1 + 2 + len(MASSES)
    assert table[1].startswith("data,data,")


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("data:\n  luminosity: 0.001", "data:\n  luminosty: 0.001", ["data.luminosty", "did you mean 'luminosity'"]),
        ("data:\n  luminosity: 0.001", "data:\n  luminosity: -1", ["data.luminosity = -1", "greater than 0"]),
        ("data:\n  luminosity: 0.001", "data:\n  luminosity: lots", ["data.luminosity = 'lots'", "number"]),
        ("high: 4.0", "high: 11.0", ["search.high = 11.0", "kinematic limit"]),
        ("mumu.root", "nowhere.root", ["samples.mumu.files", "nowhere.root"]),
    ],
)
def test_wrong_yaml_is_refused(analysis, monkeypatch, capsys, old, new, parts):
    line = refused(monkeypatch, capsys, analysis(old, new))
    for part in (*parts, "analysis.yaml"):
        assert part in line


def test_missing_yaml_is_refused(tmp_path, monkeypatch, capsys):
    assert "no such file" in refused(monkeypatch, capsys, tmp_path / "nowhere.yaml")


def test_missing_tree_is_refused(analysis, monkeypatch, capsys):
    line = refused(monkeypatch, capsys, analysis("search:", "ntuples: {tree: tuples}\nsearch:"))
    assert "no tree 'tuples'" in line
    assert "'events'" in line


def rewritten(ntuples: Path, target: Path, change) -> Path:
    """Copy a file with its columns changed."""
    with uproot.open(ntuples / "mumu.root") as file:
        columns = file["events"].arrays(library="np")
    columns = change(columns)
    with uproot.recreate(target) as file:
        file.mktree("events", {name: values.dtype for name, values in columns.items()}).extend(columns)
    return target


@pytest.mark.parametrize(
    ("change", "verb", "parts"),
    [
        (lambda c: {k: v for k, v in c.items() if k != P_BRANCH}, "check", [P_BRANCH, "ntuples.names"]),
        (
            lambda c: c | {P_BRANCH: np.where(np.arange(c[P_BRANCH].size) == 7, np.nan, c[P_BRANCH])},
            "process",
            [P_BRANCH, "nan", "entry 7"],
        ),
    ],
    ids=["branch", "nan"],
)
def test_bad_ntuple_is_refused(ntuples, analysis, tmp_path, monkeypatch, capsys, change, verb, parts):
    bad = rewritten(ntuples, tmp_path / "bad.root", change)
    line = refused(monkeypatch, capsys, analysis(f"{ntuples}/mumu.root", str(bad)), verb)
    for part in (*parts, "bad.root"):
        assert part in line


@pytest.mark.parametrize("keep", [0, 100, 0.5, 0.99])
def test_truncated_file_is_refused(ntuples, analysis, tmp_path, monkeypatch, capsys, keep):
    content = (ntuples / "mumu.root").read_bytes()
    bad = tmp_path / "bad.root"
    bad.write_bytes(content[: int(keep * len(content)) if keep < 1 else keep])
    line = refused(monkeypatch, capsys, analysis(f"{ntuples}/mumu.root", str(bad)))
    assert "bad.root" in line
    assert "truncated" in line or "empty" in line


def test_unknown_verb_and_option_are_usage_errors(monkeypatch, capsys):
    for arguments in (
        ["fit", "a.yaml"],
        ["run", "a.yaml", "--worker", "2"],
        ["run"],
        ["run", "a.yaml", "--workers", "0"],
    ):
        status, _, _ = run(monkeypatch, capsys, *arguments)
        assert status == cli.BAD_INPUT


@pytest.mark.parametrize("output", ["afile", "afile/inside", "/proc/nowhere"])
def test_output_that_is_no_folder_is_refused(analysis, tmp_path, monkeypatch, capsys, output):
    (tmp_path / "afile").touch()
    status, _, err = run(monkeypatch, capsys, "check", analysis(), "--output", tmp_path / output)
    assert status == cli.BAD_INPUT
    assert "choose another folder with --output" in err
    assert err.count("\n") == 1


def test_unknown_observable_is_refused_before_anything_is_made(analysis, monkeypatch, capsys):
    path = analysis("search:", "optimise: {variables: {pt_pear: {low: 0, high: 2}}}\nsearch:")
    line = refused(monkeypatch, capsys, path, "process")
    assert "optimise.variables.pt_pear: observable 'pt_pear' is not known" in line
    assert "did you mean 'pt_pair'" in line


def test_weights_of_zero_are_refused(ntuples, analysis, tmp_path, monkeypatch, capsys):
    bad = rewritten(ntuples, tmp_path / "bad.root", lambda c: c | {"__weight__": 0 * c["__weight__"]})
    line = refused(monkeypatch, capsys, analysis(f"{ntuples}/mumu.root", str(bad)), "process")
    assert "bad.root: the weights of sample 'mumu' add up to 0" in line


def test_small_baskets_are_warned_about_and_repacked(ntuples, analysis, tmp_path, monkeypatch, capsys, caplog):
    with uproot.open(ntuples / "mumu.root") as file:
        columns = file["events"].arrays(library="np")
    rows, copies = columns["__event__"].size, 30
    slow, fast = tmp_path / "slow.root", tmp_path / "fast.root"
    with uproot.recreate(slow) as file:
        file.mktree("events", {name: values.dtype for name, values in columns.items()})
        for copy in range(copies * rows // 400):
            span = (np.arange(400) + 400 * copy) % rows
            part = {name: values[span] for name, values in columns.items()}
            file["events"].extend(part | {"__run__": np.full(400, copy, dtype=np.int32)})
    results = tmp_path / "results"
    path = analysis(f"{ntuples}/mumu.root", str(slow))
    assert run(monkeypatch, capsys, "check", path, "--output", results)[0] == 0
    (advice,) = [record.getMessage() for record in caplog.records if "baskets" in record.getMessage()]
    assert advice.endswith(f"bumphunt repack {slow} {tmp_path}/slow_repacked.root")
    status, out, _ = run(monkeypatch, capsys, "repack", slow, fast)
    assert status == 0
    assert f"{copies * rows // 400 * 400:,} rows" in out
    status, _, err = run(monkeypatch, capsys, "repack", slow, fast)
    assert status == cli.BAD_INPUT
    assert "is there already" in err
    caplog.clear()
    path = analysis(f"{ntuples}/mumu.root", str(fast))
    assert run(monkeypatch, capsys, "check", path, "--output", results)[0] == 0
    assert not [record for record in caplog.records if "baskets" in record.getMessage()]


def test_variables_of_a_channel_are_listed(monkeypatch, capsys):
    status, out, _ = run(monkeypatch, capsys, "channels", "zprime-lfv", "--variables")
    assert status == 0
    assert "daughters: 0 e-, 1 mu+" in out
    assert "daughter(0, electronID): of daughter 0: likelihood ratio of the electron hypothesis" in out
    assert "for cuts: electron ID; branch daughter__bo0__cm__spelectronID__bc" in out
    status, out, _ = run(monkeypatch, capsys, "channels", "zprime-lfv")
    assert out.startswith("zprime-lfv: ")
    assert "electronID" not in out
    status, _, err = run(monkeypatch, capsys, "channels", "--variables")
    assert status == 2
    assert "--variables needs the name of a search" in err
    status, _, err = run(monkeypatch, capsys, "channels", "zprime-lvf", "--variables")
    assert "did you mean 'zprime-lfv'" in err


def test_channels_and_version_answer(monkeypatch, capsys):
    status, out, _ = run(monkeypatch, capsys, "channels")
    assert status == 0
    for name, search in SEARCHES.items():
        assert f"{name}: {search.final_state}" in out
        for region in search.regions:
            control = " (control sample)" if region.role == "control" else ""
            assert f"region {region.name}{control}: {region.description}; reads {region.candidate}" in out
    status, out, _ = run(monkeypatch, capsys, "--version")
    assert status == 0
    assert out.startswith("bumphunt 0.")


@pytest.mark.parametrize("workers", [1, 2])
def test_interrupt_of_the_reading_leaves_nothing_half_written(analysis, workers):
    """Ctrl-C while ntuples are read: what was finished stays, stages and chunks."""
    path = analysis()
    results = path.parent / "results"
    command = [sys.executable, "-c", "from workflows.cli import main; main()", "process", str(path)]
    command += ["--output", str(results), "--workers", str(workers)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ})
    begun = ".process.*.partial/n_minus_one.root"
    deadline = time.monotonic() + 120
    while not list(results.glob(begun)) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == cli.INTERRUPTED, err
    assert b"what is finished is kept, and the next run goes on from there" in err
    unfinished = [p for p in results.iterdir() if p.name.startswith(".process.")]
    assert all([p.name for p in folder.iterdir()] == [".blocks"] for folder in unfinished)
    assert {p.name for p in results.iterdir()} - {p.name for p in unfinished} == {".lock", "check"}


def test_interrupt_leaves_nothing_half_written(tmp_path):
    """Ctrl-C in the middle of the simulation: exit status 130, and nothing in the folder but what is finished."""
    path = tmp_path / "analysis.yaml"
    path.write_text(
        """\
channel: zprime-invisible
data: {luminosity: 1, simulate: {}}
samples: {mumu: {simulate: {events: 50_000_000}}}
signal: {simulate: {events: 1000, masses: [1, 2, 3, 4]}}
search: {low: 1, high: 4}
"""
    )
    results = tmp_path / "results"
    command = [sys.executable, "-c", "from workflows.cli import main; main()", "simulate", str(path)]
    process = subprocess.Popen(
        [*command, "--output", str(results)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ}
    )
    deadline = time.monotonic() + 120
    begun = ".simulate.*.partial/.blocks/mumu/*.block"
    while not list(results.glob(begun)) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == cli.INTERRUPTED, err
    assert b"interrupted" in err
    (begun_in,) = (p for p in results.iterdir() if p.name != ".lock")
    assert [p.name for p in begun_in.iterdir()] == [".blocks"]  # what is finished
