"""What is made again after an edit, stage by stage; damaged results are noticed; equal runs have equal results."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from workflows import cli
from workflows.chain import prepare, status, up_to
from workflows.config.file import load
from workflows.products.factor_files import write_correction
from workflows.provenance import code
from workflows.results import PROVENANCE, read_json

SLOW = pytest.mark.slow  # what depends on which key is in test_depends.py, without a run
CHAIN = ["check", "process", "spectra", "scan", "limits", "report"]
HELPER = "HIGHEST = 1e3\n"
LINES = """\
from pathlib import Path
from stale_lines import HIGHEST
LINES = Path(__file__).with_name("lines.csv")
"""
EDGES = {"p": [0, 1, 99]}


class Made:
    """An analysis of a user over files that is made again and again."""

    def __init__(self, own: Any) -> None:
        self.own, self.folder = own, own.folder
        (self.folder / "stale_lines.py").write_text(HELPER)
        (self.folder / "lines.csv").write_text("1,2\n")
        search = self.folder / "peak.py"
        text = (
            "from pathlib import Path\nfrom stale_lines import HIGHEST\nLINES = Path(__file__).with_name('lines.csv')\n"
        )
        search.write_text(text + search.read_text())
        (self.folder / "model.py").write_text("def model(mass, sqrt_s):\n    return 10 / mass\n")
        for name in ("id", "other"):
            write_correction(self.folder / f"{name}.json", "id", edges=EDGES, values=[1, 0.9], errors=[0, 0.1])
        own.content |= {
            "model": "model.py:model",
            "corrections": {"id": {"file": "id.json", "inputs": ["p"]}},
            "factors": {"sf": {"value": 0.9, "uncertainty": 0.1}},
        }

    def run(self, results: str = "results") -> list[str]:
        """Make what is out of date; return the stages that were made."""
        self.own.path.write_text(yaml.safe_dump(self.own.content))
        job = prepare(load(self.own.path), self.folder / results)
        return [step.name for step in up_to(job, "report") if step.run()]

    def read(self, results: str) -> int:
        """Make what is out of date up to the spectra; return the number of rows that were read for it."""
        self.own.path.write_text(yaml.safe_dump(self.own.content))
        read = {0}

        def progress(task: str, done: int, total: int) -> None:
            if task == "process":
                read.add(total)

        job = prepare(load(self.own.path), self.folder / results, progress=progress)
        for step in up_to(job, "spectra"):
            step.run()
        return max(read)

    def status(self) -> dict[str, tuple[str, ...]]:
        """Return why stages are not up to date."""
        self.own.path.write_text(yaml.safe_dump(self.own.content))
        return {s.name: s.reasons for s in status(prepare(load(self.own.path), self.folder / "results")) if s.reasons}

    def edit(self, key: str, value: object) -> None:
        """Give a key another value, from now on."""
        *sections, last = key.split(".")
        inner: Any = self.own.content
        for name in sections:
            inner = inner[int(name)] if isinstance(inner, list) else inner[name]
        inner[last] = value

    @contextmanager
    def saved(self, name: str) -> Iterator[Path]:
        """Let a file be edited for a while."""
        path = self.folder / name
        before = path.read_bytes()
        try:
            yield path
        finally:
            path.write_bytes(before)


@pytest.fixture(scope="module")
def made(own_analyses: Callable[[Path], Any], tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return such an analysis, made once."""
    made = Made(own_analyses(tmp_path_factory.mktemp("stale")))
    assert made.run() == CHAIN
    assert made.run() == []
    return made


@pytest.mark.parametrize(
    ("key", "value", "stages", "reasons"),
    [
        ("search.high", 7.0, "scan limits report", {"scan": "search.high: 7.5 -> 7.0"}),
        pytest.param("search.step", 50, "scan limits report", {"scan": "search.step: 40.0 -> 50.0"}, marks=SLOW),
        ("samples.flat.uncertainty", 0.2, "scan limits report", {"scan": "samples.flat.uncertainty: 0.1 -> 0.2"}),
        ("data.luminosity", 1.1, "check spectra scan limits report", {"spectra": "data.luminosity: 1.0 -> 1.1"}),
        ("factors.sf.value", 0.8, "spectra scan limits report", {"spectra": "factors.sf.value: 0.9 -> 0.8"}),
        pytest.param(
            "factors.sf.uncertainty",
            0.2,
            "spectra scan limits report",
            {"spectra": "factors.sf.uncertainty: 0.1 -> 0.2"},
            marks=SLOW,
        ),
        pytest.param("signal.points.1.generated", 690, "check spectra scan limits report", {}, marks=SLOW),
        (
            "spectrum",
            {"low": 0.0, "high": 10.0, "bins": 400},
            "check process spectra scan limits report",
            {"process": "regions.all.spectrum.bins: 500 -> 400"},
        ),
        ("corrections.id.regions", ["all"], "check process", {"process": 'corrections.id.regions: null -> ["all"]'}),
    ],
)
def test_edit_of_a_key_makes_only_what_uses_it(
    made: Made, key: str, value: object, stages: str, reasons: dict[str, str]
) -> None:
    """The ntuples are read again for what is filled from them alone; equal results end the chain."""
    made.edit(key, value)
    found = made.status()
    for stage, reason in reasons.items():
        assert reason in found[stage]
    assert made.run() == stages.split()
    assert made.status() == {}


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("n/data.root", "check process"),
        ("n/flat.root", "check process"),
        ("n/signal_4.root", "check process"),
        ("id.json", "check process"),
        ("peak.py", "check process spectra scan limits report"),
        ("stale_lines.py", "check process spectra scan limits report"),
        ("lines.csv", "check process spectra scan limits report"),
        ("model.py", "limits report"),
        ("other.json", ""),
    ],
)
def test_edit_of_a_file_makes_those_stale_that_read_it(made: Made, name: str, stages: str) -> None:
    with made.saved(name) as path:
        path.write_bytes(path.read_bytes() + b"\n")
        assert made.status() == dict.fromkeys(stages.split(), (f"file {path} has changed",))
    assert made.status() == {}


def test_files_that_are_there_more_or_less_are_named(made: Made) -> None:
    added = made.folder / "n" / "data_more.root"
    shutil.copy(made.folder / "n" / "data.root", added)
    try:
        found = made.status()
        assert set(found) == {"check", "process"}
        assert f"file {added} is new" in found["process"]
    finally:
        added.unlink()


@pytest.mark.parametrize(
    ("module", "stages"),
    [
        ("workflows.figures.limits", "report"),
        ("workflows.reading.cutflow", "check process"),
        ("bumphunt.scanning.windows", "scan"),
        ("bumphunt.inference.upper_limit", "scan limits"),
        ("selections.cuts", "check process spectra scan limits report"),
        ("bumphunt.montecarlo.radiation.initial_state", ""),
        ("selections.searches.zprime.invisible", ""),
        ("workflows.config.resolved", ""),
        ("bumphunt", ""),
    ],
)
def test_edit_of_a_module_makes_those_stale_that_import_it(
    made: Made, monkeypatch: pytest.MonkeyPatch, module: str, stages: str
) -> None:
    source = code._source
    cached = (code.module_digest, code._imports)
    for known in cached:
        known.cache_clear()
    monkeypatch.setattr(code, "_source", lambda name: source(name) + b"\n# edited\n" * (name == module))
    try:
        found = made.status()
    finally:
        for known in cached:
            known.cache_clear()
    assert set(found) == set(stages.split())
    assert all(f"module {module} has changed" in reasons for reasons in found.values())


def zeroed(path: Path, *, time_kept: bool) -> None:
    """Fill a file with zeros, in its size."""
    stat = path.stat()
    path.write_bytes(b"\0" * stat.st_size)
    if time_kept:
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_damaged_file_is_named_and_made_again(made: Made) -> None:
    table = made.folder / "results" / "scan" / "scan.csv"
    good = table.read_bytes()
    zeroed(table, time_kept=False)
    assert made.status() == {"scan": ("output scan.csv is damaged: it is not what was written",)}
    assert made.run() == ["scan"]  # with the same results, so that nothing follows
    assert table.read_bytes() == good


def test_damage_that_leaves_the_time_of_change_is_noticed_before_the_file_is_used(
    made: Made, caplog: pytest.LogCaptureFixture
) -> None:
    folder = made.folder / "results" / "spectra"
    content = read_json(folder / PROVENANCE)["content"]
    zeroed(folder / "spectra.root", time_kept=True)
    made.edit("search.step", 60)
    assert made.run() == ["scan", "limits", "report"]
    assert "output spectra.root is damaged: it is not what was written; made again" in caplog.text
    assert read_json(folder / PROVENANCE)["content"] == content
    assert made.status() == {}


def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["bumphunt", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    captured = capsys.readouterr()
    return int(stop.value.code or 0), captured.out + captured.err


def test_status_says_what_is_stale_and_why(
    made: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    where = (made.own.path, "--output", made.folder / "results")
    number, out = command(monkeypatch, capsys, "status", *where)
    assert number == 0
    assert out.splitlines() == [f"{name:<9} up to date" for name in CHAIN]
    changed = made.folder / "changed.yaml"
    changed.write_text(yaml.safe_dump(made.own.content | {"fit": {"method": "counting", "cl": 0.95}}))
    number, out = command(monkeypatch, capsys, "status", changed, "--output", made.folder / "results")
    assert "scan      stale: fit.limit.cl: 0.9 -> 0.95\n" in out
    assert "limits    may be stale: after scan, if these have other results then\n" in out
    assert not (made.folder / "none").exists()
    number, out = command(monkeypatch, capsys, "status", made.own.path, "--output", made.folder / "none")
    assert "check     stale: it is not made yet\n" in out
    assert not (made.folder / "none").exists()


def test_verify_says_whether_results_belong_to_the_inputs(
    made: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results = made.folder / "results"

    def verify(folder: Path = results) -> tuple[int, str]:
        return command(monkeypatch, capsys, "verify", folder)

    number, out = verify()
    assert number == 0
    assert out.endswith("the results belong to the inputs on disk\n")
    copied = made.folder / "copied"
    shutil.copytree(results, copied)
    zeroed(copied / "report" / "p0.png", time_kept=True)
    (copied / "limits" / "more.csv").write_text("1\n")
    record = read_json(copied / "check" / PROVENANCE)
    record["outputs"]["inputs.csv"]["content"] = "0" * 64
    (copied / "check" / PROVENANCE).write_text(json.dumps(record))
    (copied / "scan" / PROVENANCE).write_text("{")
    with made.saved("n/data.root") as path:
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        number, out = verify(copied)
    assert number == cli.NOT_VERIFIED
    for problem in (
        "check     output inputs.csv has other values than are recorded\n",
        "report    output p0.png is damaged: it is not what was written\n",
        "limits    more.csv was not made by it\n",
        "scan      provenance.json cannot be read\n",
        "it was made of other results of scan\n",
        f"input {made.folder / 'n' / 'data.root'} is not the file that was read\n",
        "these results do not belong to the inputs on disk\n",
    ):
        assert problem in out
    number, out = verify(made.folder / "n")
    assert number == cli.BAD_INPUT
    assert "holds no results of bumphunt" in out


@pytest.fixture(scope="module")
def blinded(own_analyses: Callable[[Path], Any], tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return a blinded analysis with optimised cuts, made up to the spectra."""
    made = Made(own_analyses(tmp_path_factory.mktemp("blinded")))
    made.edit("data.pseudo", False)
    made.edit("optimise", {"variables": {"p": {"low": 0.5, "high": 2.5, "steps": 3}}})
    made.read("results")
    return made


@pytest.mark.parametrize(
    ("edit", "rows"),
    [
        (("search.high", 7.0), 2500),  # rows of the data inside the ends are never read, and those now outside are new
        (("unblind", True), 2500),
        (("samples.flat.files", ["n/flat.root", "n/more.root"]), 5500),
        (("corrections.id.regions", ["all"]), 10000),
    ],
)
def test_only_samples_for_which_something_has_changed_are_read(
    blinded: Made, edit: tuple[str, object], rows: int
) -> None:
    """And what is there then is what a reading of all samples gives, to the last bit."""
    blinded.own.write("more", blinded.own.events(500, seed=9, first=100_000))
    blinded.edit(*edit)
    assert blinded.read("results") == rows
    fresh = f"fresh_{rows}_{edit[0]}"
    assert blinded.read(fresh) >= 7000
    for stage in ("process", "optimise", "spectra"):
        one, two = (read_json(blinded.folder / f / stage / PROVENANCE) for f in ("results", fresh))
        contents = [{name: output["content"] for name, output in found["outputs"].items()} for found in (one, two)]
        assert contents[0] == contents[1]


def test_equal_runs_have_equal_contents(made: Made) -> None:
    assert made.run("again") == CHAIN
    one, two = ({name: read_json(made.folder / f / name / PROVENANCE) for name in CHAIN} for f in ("results", "again"))
    for name in CHAIN:
        assert one[name]["content"] == two[name]["content"], name
        assert one[name]["made"] != two[name]["made"] or one[name]["command"] == two[name]["command"]
    root = "spectra.root"
    assert one["spectra"]["outputs"][root]["sha256"] != two["spectra"]["outputs"][root]["sha256"]  # it holds a date
