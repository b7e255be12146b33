"""`bumphunt global`: the same answer for any number of workers, and after any end; blinding; what a run says of it."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from bumphunt.search_wide.largest import Largest
from workflows import cli
from workflows.chain import known_global, prepare
from workflows.config.file import load
from workflows.running.toy_blocks import block_path, read_block, write_block

N_TOYS = 600


@pytest.fixture(scope="module")
def analysis(own_analyses, tmp_path_factory) -> Path:
    """Return the YAML of a smooth search over own files, scanned already."""
    own = own_analyses(tmp_path_factory.mktemp("global"))
    own.content["fit"] = {"method": "smooth", "background": {"family": "bernstein", "order": 2}, "limit": "asymptotic"}
    own.content["fit"]["significance"] = "asymptotic"
    own.content["search"] = {"low": 3.0, "high": 7.0, "step": 5}
    own.make("limits")
    return own.path


def run(analysis: Path, *arguments: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a verb in this process."""
    output = ("--output", analysis.parent / "results")
    monkeypatch.setattr(sys, "argv", ["bumphunt", *map(str, (arguments[0], analysis, *arguments[1:], *output))])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0


def rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a table."""
    with path.open() as file:
        return list(csv.DictReader(file))


def test_toys_do_not_depend_on_workers_or_ends(analysis, monkeypatch, capsys):
    results = analysis.parent / "results"
    command = [sys.executable, "-c", "from workflows.cli import main; main()", "global", str(analysis)]
    command += ["--toys", str(N_TOYS), "--workers", "2", "--output", str(results)]
    ended = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    while ended.poll() is None and not list(results.glob(".global_toys/*/toys_*.npz")):
        time.sleep(0.01)
    os.killpg(ended.pid, signal.SIGKILL)
    ended.wait()
    kept = {path.name: path.read_bytes() for path in results.glob(".global_toys/*/toys_*.npz")}  # by two workers
    assert kept
    (folder,) = results.glob(".global_toys/*")
    before = {name: (folder / name).stat().st_mtime_ns for name in kept}
    run(analysis, "global", "--toys", N_TOYS, "--workers", 1, monkeypatch=monkeypatch)
    assert {name: (folder / name).stat().st_mtime_ns for name in kept} == before
    assert sorted(path.name for path in folder.iterdir()) == [
        "toys_00000000_250.npz",
        "toys_00000250_250.npz",
        "toys_00000500_100.npz",
    ]
    first = (results / "global" / "toys.csv").read_bytes()
    for path in folder.iterdir():
        path.unlink()
    (results / "global" / "provenance.json").unlink()
    run(analysis, "global", "--toys", N_TOYS, "--workers", 1, monkeypatch=monkeypatch)
    assert (results / "global" / "toys.csv").read_bytes() == first
    assert {name: (folder / name).read_bytes() for name in kept} == kept
    said = capsys.readouterr().out
    assert "global p" in said
    assert f"from {N_TOYS} toys" in said


def test_tables_say_what_the_scan_says(analysis, monkeypatch):
    run(analysis, "global", "--toys", N_TOYS, monkeypatch=monkeypatch)
    results = analysis.parent / "results"
    found = json.loads((results / "global" / "global.json").read_text())
    scanned = rows(results / "limits" / "limits.csv")
    best = max(scanned, key=lambda row: float(row["z0"]))
    assert found["mass"] == pytest.approx(float(best["mass"]), rel=1e-6)
    assert found["z0_max"] == pytest.approx(float(best["z0"]), rel=1e-5)
    assert found["hypotheses"] == len(scanned)
    assert found["drawn_from"] == "data"
    toys = np.array([float(row["z0"]) for row in rows(results / "global" / "toys.csv")])
    assert toys.size == found["n_toys"] == N_TOYS
    assert found["p0_global"] == np.mean(toys >= found["z0_max"] - 1e-6)
    names = {path.name for path in (results / "global").iterdir()}
    assert names == {
        *("global.csv", "global.json", "global.png", "global.pdf"),
        *("toys.csv", "local.csv", "provenance.json"),
    }


def test_a_run_quotes_what_is_up_to_date(analysis, monkeypatch, capsys):
    run(analysis, "global", "--toys", N_TOYS, monkeypatch=monkeypatch)
    capsys.readouterr()
    run(analysis, "run", monkeypatch=monkeypatch)
    said = capsys.readouterr().out.replace("\n", " ")
    assert f"from {N_TOYS} toys" in said
    results = analysis.parent / "results"
    assert known_global(prepare(load(analysis), results)) == results / "global"
    content = yaml.safe_load(analysis.read_text())
    other = analysis.with_name("other.yaml")
    other.write_text(yaml.safe_dump({**content, "search": {"low": 3.0, "high": 6.0, "step": 5}}))
    assert known_global(prepare(load(other), results)) is None


def test_blinded_search_has_toys_and_no_observation(own_analysis, monkeypatch, capsys):
    own = own_analysis()
    own.content["data"]["pseudo"] = False
    own.make("scan")
    toys = own.folder / "results" / ".global_toys"
    (toys / "open-1").mkdir(parents=True)
    (toys / "open-1" / "search.pickle").write_bytes(b"observed")
    run(own.path, "global", "--toys", 50, monkeypatch=monkeypatch)
    assert "blinded: 50 toys of" in capsys.readouterr().out
    folder = own.folder / "results" / "global"
    found = json.loads((folder / "global.json").read_text())
    assert found["drawn_from"] == "expectation"
    assert found["z0_max"] is None
    assert found["p0_global"] is None
    assert {row["z0"] for row in rows(folder / "local.csv")} == {""}
    assert [path.name.partition("-")[0] for path in toys.iterdir()] == ["blinded"]


def test_too_few_toys_are_refused(analysis, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bumphunt", "global", str(analysis), "--toys", "1"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == cli.BAD_INPUT
    assert "--toys 1: a distribution needs two toys" in capsys.readouterr().err


def test_damaged_block_is_none(tmp_path):
    numbers = np.arange(3)
    block = Largest(z0=numbers * 1.0, mass=numbers * 1.0, crossings=numbers, failed=numbers)
    path = block_path(tmp_path, range(4, 7))
    assert read_block(path) is None
    write_block(path, block)
    assert [p.name for p in tmp_path.iterdir()] == ["toys_00000004_3.npz"]
    np.testing.assert_array_equal(read_block(path).z0, block.z0)
    path.write_bytes(path.read_bytes()[:-40])
    assert read_block(path) is None
