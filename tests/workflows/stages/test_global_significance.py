"""`bumphunt global`: the same answer for any number of workers, and after any end; blinding; what a run says of it."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from bumphunt.search_wide.largest import Largest
from workflows import cli
from workflows.chain import hide_unblinded, known_global, prepare
from workflows.config.file import load
from workflows.running.records import read_record, write_record

N_TOYS = 600
FIRST = ".global.*.partial/.blocks/toys/00000000_250.block"


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


def toys(results: Path) -> np.ndarray:
    """Return the largest z0 of the toys, to the last bit."""
    return np.array(json.loads((results / "global" / "toys.json").read_text())["columns"]["z0"])


def test_toys_do_not_depend_on_workers_or_ends(analysis, monkeypatch, capsys):
    results = analysis.parent / "results"
    command = [sys.executable, "-c", "from workflows.cli import main; main()", "global", str(analysis)]
    command += ["--toys", str(N_TOYS), "--workers", "2", "--output", str(results)]
    ended = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    while ended.poll() is None and not list(results.glob(FIRST)):
        time.sleep(0.01)
    os.killpg(ended.pid, signal.SIGKILL)
    ended.wait()
    (path,) = results.glob(FIRST)
    with path.open("rb") as file:
        block = read_record(file, [Largest], root=path.parent)
    with path.open("wb") as file:  # so that it is seen where it is used
        write_record(file, replace(block, z0=block.z0 + 100.0), [Largest], root=path.parent)
    run(analysis, "global", "--toys", N_TOYS, monkeypatch=monkeypatch)
    marked = toys(results)
    np.testing.assert_array_equal(marked[:250], block.z0 + 100.0)
    assert not list(results.glob(FIRST))
    shutil.rmtree(results / "global")
    run(analysis, "global", "--toys", N_TOYS, monkeypatch=monkeypatch)
    found = toys(results)
    np.testing.assert_array_equal(found[:250], block.z0)
    np.testing.assert_array_equal(found[250:], marked[250:])
    assert f"from {N_TOYS} toys" in capsys.readouterr().out
    run(analysis, "global", "--toys", N_TOYS + 50, monkeypatch=monkeypatch)
    np.testing.assert_array_equal(toys(results)[:N_TOYS], found)
    assert toys(results).size == N_TOYS + 50


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
    largest = toys(results)
    assert largest.size == found["n_toys"] == N_TOYS
    assert found["p0_global"] == np.mean(largest >= found["z0_max"])
    names = {path.name for path in (results / "global").iterdir()}
    assert names == {
        *("global.csv", "global.json", "global.png", "global.pdf"),
        *("toys.csv", "toys.json", "local.csv", "provenance.json", "findings.json", "findings.txt"),
        *("p0.png", "p0.pdf"),
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
    run(own.path, "global", "--toys", 50, monkeypatch=monkeypatch)
    assert "blinded: 50 toys of" in capsys.readouterr().out
    folder = own.folder / "results" / "global"
    found = json.loads((folder / "global.json").read_text())
    assert found["drawn_from"] == "expectation"
    assert found["z0_max"] is None
    assert found["p0_global"] is None
    assert {row["z0"] for row in rows(folder / "local.csv")} == {""}
    record = json.loads((folder / "provenance.json").read_text())
    (folder / "provenance.json").write_text(
        json.dumps({**record, "settings": {**record["settings"], "blinded": False}})
    )
    own.make("scan")
    hide_unblinded(prepare(load(own.path), own.folder / "results"))
    assert not folder.exists()


def test_too_few_toys_are_refused(analysis, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bumphunt", "global", str(analysis), "--toys", "1"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == cli.BAD_INPUT
    assert "--toys 1: a distribution needs two toys" in capsys.readouterr().err
