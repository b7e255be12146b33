"""Killed runs go on where they were, and end with the results of an undisturbed one, bit for bit."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml

from workflows.chain import prepare, up_to
from workflows.config.file import load
from workflows.running.blocks import Blocks

ANALYSIS = {
    "channel": "zprime-invisible",
    "seed": 3,
    "data": {"luminosity": 0.01, "simulate": {}},
    "samples": {"mumu": {"simulate": {"events": 51_000}}, "tautau": {"simulate": {"events": 3000}}},
    "signal": {"simulate": {"events": 1000, "masses": [1.0, 2.0, 3.0, 4.0]}},
    "search": {"low": 1.0, "high": 4.0},
    "optimise": None,
    "fit": {"method": "counting"},
}
RECORDED = """
import os, signal, sys
from pathlib import Path
from workflows.running.blocks import Blocks
from workflows.whole_file import whole_file

write, log, stage, left = Blocks.write, Path(sys.argv.pop(1)), sys.argv.pop(1), int(sys.argv.pop(1))

def recorded(self, name, result):
    global left
    if f"/.{stage}." in str(self.folder):
        left -= 1
        if left < 0:
            with whole_file(self._path(name)) as partial:
                partial.write_bytes(b"half")
                os.kill(os.getpid(), signal.SIGKILL)
    write(self, name, result)
    with log.open("a") as file:
        print(self._path(name), file=file)

Blocks.write = recorded
from workflows.cli import main
main()
"""
"""A run that says which blocks it has written, and is killed while it writes another one of a stage."""
STAGES = ("simulate", "process", "spectra", "scan", "limits")


def contents(results: Path) -> dict[str, str]:
    """Return the digest of all values of each stage."""
    return {stage: json.loads((results / stage / "provenance.json").read_text())["content"] for stage in STAGES}


def blocks(lines: list[str]) -> Counter[str]:
    """Return how often each block was written, by stage and name."""
    return Counter(re.sub(r".*/\.(\w+)\.\w+\.partial/\.blocks", r"\1", line) for line in lines)


def make(folder: Path, results: Path) -> Counter[str]:
    """Make the limits of the analysis in a folder; return the blocks that are written."""
    lines, write = list[str](), Blocks.write

    def recorded(self: Blocks, name: str, result: object) -> None:
        lines.append(str(self._path(name)))
        write(self, name, result)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Blocks, "write", recorded)
        for step in up_to(prepare(load(folder / "analysis.yaml"), results), "limits"):
            step.run()
    return blocks(lines)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[Path, Counter[str]]:
    """Return the folder of an undisturbed run, with the YAML beside it, and the blocks that it has written."""
    folder = tmp_path_factory.mktemp("resume")
    (folder / "analysis.yaml").write_text(yaml.safe_dump(ANALYSIS))
    return folder / "results", make(folder, folder / "results")


def test_run_that_is_killed_in_three_stages_does_nothing_twice(undisturbed, tmp_path):
    before, expected = undisturbed
    assert {name.split("/")[0] for name in expected} == {"simulate", "process", "scan"}
    log, results = tmp_path / "log", tmp_path / "results"
    rest = ["limits", str(before.parent / "analysis.yaml"), "--output", str(results)]
    for stage, number in (("simulate", 4), ("process", 3), ("scan", 1)):
        command = [sys.executable, "-c", RECORDED, str(log), stage, str(number), *rest]
        run = subprocess.run(command, capture_output=True, check=False)
        assert run.returncode == -signal.SIGKILL, run.stderr
    written = blocks(log.read_text().splitlines()) + make(before.parent, results)
    assert written == expected
    assert set(expected.values()) == {1}
    assert contents(results) == contents(before)
    assert {path.name for path in results.iterdir()} == {".lock", "check", *STAGES}


@pytest.mark.slow
def test_ten_random_kills_change_nothing(undisturbed, tmp_path):
    before, _ = undisturbed
    results, rng = tmp_path / "results", random.Random(7)
    command = [sys.executable, "-c", "from workflows.cli import main; main()", "limits"]
    command += [str(before.parent / "analysis.yaml"), "--output", str(results), "--workers", "2"]
    begin = time.monotonic()
    subprocess.run([*command[:-3], str(tmp_path / "whole"), "--workers", "2"], check=True, capture_output=True)
    duration = time.monotonic() - begin
    for _ in range(10):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.1, 0.5) * duration)
        process.kill()
        process.wait()
    subprocess.run(command, check=True, capture_output=True)
    assert contents(results) == contents(before)
    assert {path.name for path in results.iterdir()} == {".lock", "check", *STAGES}
