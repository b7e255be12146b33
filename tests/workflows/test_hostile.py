"""Damaged and hostile input: the values of the file or one line, never a traceback, a hang, or code that runs.

The mutations are seeded. A few run with every test; `make test-slow` runs 10 000 YAMLs and 2000 files of each kind.
"""

from __future__ import annotations

import copy
import csv
import io
import json
import os
import re
import signal
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hist
import numpy as np
import pyarrow as pa
import pytest
import uproot
import yaml
from pyarrow import parquet
from uhi.io import json as uhi_json

from bumphunt.errors import BumphuntError, ConfigError
from workflows.chain import global_significance, prepare, up_to
from workflows.config.file import load
from workflows.ntuples.contents import inspect
from workflows.ntuples.entry_ranges import close_file, entry_ranges, read_entries
from workflows.ntuples.histogram_files import read_histogram
from workflows.stages.studying.global_significance import _shared

LONGEST = 30
"""Seconds that any input may take."""
MARK = "PWNED"
"""Name of the file that code in an input would make."""
ROWS = 600

TEXTS = [
    *(
        "",
        "../../escaped",
        "/etc/passwd",
        "a\0b",
        "x" * 3000,
        "mass",
        "log(mass - 3)",
        "1/(mass-3)",
        "9**9**9",
        "nan",
        "inf",
    ),
    *("data.csv", "M", "p", "all", "smooth", "counting", "peak.py:os", "peak.py:nothing", "*", "~nobody/x"),
    *(
        f"__import__('os').system('touch {MARK}')",
        f"open('{MARK}', 'w')",
        "(1).__class__",
        "https://127.0.0.1:1/a.root",
    ),
]
NUMBERS = [0, 1, 2, -1, 0.5, 1e-300, 1e-9, 1e9, 1e300, 10**25, float("nan"), float("inf"), True, 2.9]
OTHERS = [None, [], [1, 2], [2, 1], {}, {"a": 1}, {"file": "/dev/zero"}, {"file": "resolution.csv"}]
TAGS = [f"!!python/object/apply:os.system ['touch {MARK}']", "!!python/name:os.system", "!!set {a}", "&a [*a]", "*no"]


@contextmanager
def within_time() -> Iterator[None]:
    """Fail what takes longer than `LONGEST`."""

    def late(*_: object) -> None:
        msg = f"longer than {LONGEST} s"
        raise SystemError(msg)

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(LONGEST)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def ends_well(what: Callable[[], object]) -> object:
    """Return what a function returns, or the one line of its error; anything else is a failure of the test."""
    with within_time():
        try:
            return what()
        except BumphuntError as error:
            found = error
    assert len(str(found).splitlines()) == 1, str(found)
    return found


def changed_bytes(rng: np.random.Generator, content: bytes) -> bytes:
    """Return bytes with a part that is lost, doubled, zero or noise."""
    found, how = bytearray(content), int(rng.integers(6))
    at = int(rng.integers(min(400, len(found)) if how == 5 else len(found)))
    if how == 0:
        return bytes(found[:at])
    if how == 1:
        del found[at : at + int(rng.integers(1, 50))]
    elif how == 2:
        found[at:at] = rng.bytes(int(rng.integers(1, 20)))
    elif how == 3:
        found[at : at + 100] = bytes(len(found[at : at + 100]))
    else:
        for place in (at, *(rng.integers(len(found), size=int(rng.integers(4))).tolist() if how == 4 else ())):
            found[place] = int(rng.integers(256))
    return bytes(found)


def leaves(node: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the places of all values in a document, those of lists and mappings too."""
    if at:
        yield at
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from leaves(value, (*at, key))


def changed_content(rng: np.random.Generator, content: Mapping[str, Any]) -> str:
    """Return a YAML with one or two values that are lost, moved, or something else, mostly of the same type."""
    found = copy.deepcopy(content)
    for _ in range(int(rng.integers(1, 3))):
        places = list(leaves(found))
        at = places[int(rng.integers(len(places)))]
        parent: Any = found
        for key in at[:-1]:
            parent = parent[key]
        value, how = parent[at[-1]], int(rng.integers(8))
        if how == 0:
            del parent[at[-1]]
        elif how == 1 or value is None or isinstance(value, (dict, list)):
            parent[at[-1]] = OTHERS[int(rng.integers(len(OTHERS)))]
        elif isinstance(value, str) or how == 2:
            parent[at[-1]] = TEXTS[int(rng.integers(len(TEXTS)))]
        else:
            number = value * float(rng.choice([-1, 0.5, 1.01, 2, 1000])) if isinstance(value, float) else value + 1
            parent[at[-1]] = number if how == 3 else NUMBERS[int(rng.integers(len(NUMBERS)))]
    return str(yaml.safe_dump(found, sort_keys=False))


def changed_text(rng: np.random.Generator, text: str) -> bytes:
    """Return a YAML with lines that are lost, doubled or moved, words that are tags or anchors, or broken bytes."""
    lines, how = text.splitlines(), int(rng.integers(5))
    at, other = (int(k) for k in rng.integers(len(lines), size=2))
    if how == 0:
        del lines[at]
    elif how == 1:
        lines.insert(other, lines[at])
    elif how == 2:
        lines[at], lines[other] = lines[other], lines[at]
    elif how == 3:
        lines[at] = re.sub(r"[^:\s]+$", lambda _: TAGS[int(rng.integers(len(TAGS)))], lines[at])
    else:
        return changed_bytes(rng, text.encode())
    return ("\n".join(lines) + "\n").encode()


@pytest.fixture
def analyses(own_analysis, tmp_path):
    """Two analyses, of ntuples and of one column, as (path, content)."""
    own = own_analysis()
    own.content |= {
        "factors": {"ratio": {"value": 0.9, "uncertainty": 0.1}},
        "systematics": {"trigger": {"efficiency": 0.05}, "shape": {"signal_width": 0.1, "background": {"flat": 0.1}}},
        "ntuples": {"key": ["run", "event"], "candidates": {"best": "highest", "variable": "p"}},
        "cuts": {"momentum": {"above": 0.3}, "mine": {"observable": "p", "below": 50.0}},
    }
    folder = tmp_path / "one"
    folder.mkdir()
    np.savetxt(folder / "data.csv", 2 + np.random.default_rng(5).exponential(1.5, ROWS), header="M", comments="")
    (folder / "resolution.csv").write_text("2,0.02\n4,0.04\n")
    one = {
        "channel": "spectrum",
        "data": {"files": ["data.csv"], "column": "M", "luminosity": 10.0, "luminosity_uncertainty": 0.01},
        "signal": {
            "resolution": "0.01 * mass",
            "efficiency": {"file": "resolution.csv"},
            "shape": "crystal_ball",
            "shape_parameters": {"alpha": 1.5, "n": 5.0},
        },
        "search": {"low": 2.8, "high": 3.0, "step": 10.0},
        "spectrum": {"low": 2.0, "high": 5.0, "bins": 300},
        "fit": {"background": {"family": "bernstein", "order": 2}, "limit": "asymptotic"},
        "systematics": {"bias": {"spurious_signal": 0.2}},
        "unblind": True,
    }
    return [(own.path, own.content), (folder / "analysis.yaml", one)]


def check(path: Path) -> str:
    """Return the table of the inputs of an analysis."""
    results = path.parent / "results"
    for step in up_to(prepare(load(path), results), "check"):
        step.run()
    return (results / "check" / "inputs.csv").read_text()


@pytest.mark.parametrize("number", [60, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.filterwarnings("default")
def test_mutated_yaml_is_used_or_refused_in_one_line(analyses, number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng, ends = np.random.default_rng(13), Counter[str]()
    for path, content in analyses:
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        assert check(path).count("\n") > 1
    there = {path for path in tmp_path.rglob("*") if "results" not in path.parts and "__pycache__" not in path.parts}
    for trial in range(number):
        path, content = analyses[trial % 2]
        text = yaml.safe_dump(content, sort_keys=False)
        path.write_bytes(changed_text(rng, text) if trial % 5 < 2 else changed_content(rng, content).encode())
        found = ends_well(lambda path=path: check(path))
        ends["refused" if isinstance(found, BumphuntError) else "used"] += 1
    now = {path for path in tmp_path.rglob("*") if "results" not in path.parts and "__pycache__" not in path.parts}
    assert now == there  # nothing was run, and nothing written elsewhere
    assert min(ends["refused"], ends["used"]) > number / 20


def as_bytes(write: Callable[[Path], object], path: Path) -> bytes:
    write(path)
    return path.read_bytes()


def columns() -> dict[str, Any]:
    """Columns that every compression makes smaller, so that its checksum covers them."""
    rng = np.random.default_rng(1)
    return {"M": np.round(rng.uniform(2, 5, ROWS), 1), "n": rng.integers(0, 9, ROWS), "ok": rng.random(ROWS) > 0.5}


def tree_of(path: Path, compression: Any) -> None:
    with uproot.recreate(path, compression=compression) as file:
        tree = file.mktree("events", {name: values.dtype for name, values in columns().items()})
        for part in range(2):
            tree.extend({name: np.split(values, 2)[part] for name, values in columns().items()})


def histogram() -> hist.Hist:
    return hist.Hist(hist.axis.Regular(40, 2, 5, name="m"), storage=hist.storage.Weight()).fill(columns()["M"])


def bins() -> list[tuple[float, float, float]]:
    stored = histogram()
    edges = stored.axes[0].edges.tolist()
    return list(zip(edges[:-1], edges[1:], stored.values().tolist(), strict=True))


def root_histogram(path: Path) -> None:
    with uproot.recreate(path) as file:
        file["s"] = histogram()


def hepdata(path: Path) -> None:
    axis = {"header": {"name": "M"}, "values": [{"low": low, "high": high} for low, high, _ in bins()]}
    column = {"header": {"name": "N"}, "values": [{"value": n, "errors": [{"symerror": 1.0}]} for *_, n in bins()]}
    path.write_text(yaml.safe_dump({"independent_variables": [axis], "dependent_variables": [column]}))


def rows_as_csv(path: Path) -> None:
    made = columns()
    path.write_text("\n".join(["M,n", *(f"{m!r},{n}" for m, n in zip(made["M"].tolist(), made["n"], strict=True))]))


def rows_of(path: Path) -> dict[str, Any]:
    """Return the columns of an ntuple, by the road of the stages."""
    names = ["M", "n", "ok"] if path.suffix == ".root" else ["M", "n"]
    info = inspect(path, tree="events", variables=names, names={})
    try:
        parts = [read_entries(where, names) for where in entry_ranges(info, 200)]
    finally:
        close_file()
    return {name: np.concatenate([part[name] for part in parts] or [[]]) for name in names}


def bins_of(path: Path) -> dict[str, Any]:
    stored = read_histogram(path, "s" if path.suffix == ".root" else None)
    return {"edges": stored.edges, "values": stored.values}


def said_by_csv(content: bytes) -> dict[str, Any]:
    """Return the columns of a CSV as Python's own module reads them."""
    table = list(csv.reader(io.StringIO(content.decode(), newline="")))
    cells = [
        [float(cell) if cell.strip() not in ("", "NA", "null") else np.nan for cell in row] for row in table[1:] if row
    ]
    return {
        name.strip().strip('"'): np.array(column)
        for name, column in zip(table[0], zip(*cells, strict=True), strict=True)
    }


def said_by_table(content: bytes) -> dict[str, Any]:
    lines = [line for line in content.decode().splitlines()[1:] if line.strip() and not line.lstrip().startswith("#")]
    return {"values": np.array([float([c for c in re.split(r"[,;\s]+", line) if c][2]) for line in lines])}


def said_by_json(content: bytes) -> dict[str, Any]:
    stored = json.loads(content)
    flow = [int(stored["axes"][0][name]) for name in ("underflow", "overflow")]
    values = stored["storage"]["values"]
    return {"values": np.array(values[flow[0] : len(values) - flow[1]])}


def said_by_hepdata(content: bytes) -> dict[str, Any]:
    rows = yaml.safe_load(content)["dependent_variables"][0]["values"]
    return {"values": np.array([float(row["value"]) for row in rows])}


FILES: dict[str, tuple[Callable[[Path], object], Callable[[Path], dict[str, Any]], Any]] = {
    "lz4.root": (lambda path: tree_of(path, uproot.LZ4(1)), rows_of, None),
    "zlib.root": (lambda path: tree_of(path, uproot.ZLIB(1)), rows_of, None),
    "h.root": (root_histogram, bins_of, None),
    "rows.csv": (rows_as_csv, rows_of, said_by_csv),
    "h.csv": (
        lambda path: path.write_text("\n".join(["low,high,n", *(",".join(map(repr, row)) for row in bins())])),
        bins_of,
        said_by_table,
    ),
    "h.json": (lambda path: path.write_text(json.dumps(histogram(), default=uhi_json.default)), bins_of, said_by_json),
    "h.yaml": (hepdata, bins_of, said_by_hepdata),
    "rows.parquet": (
        lambda path: parquet.write_table(
            pa.table({name: columns()[name] for name in ("M", "n")}), path, write_page_checksum=True
        ),
        rows_of,
        None,
    ),
}
"""For each kind what writes it, what reads it, and another reader, where a changed byte is another valid file."""


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("number", [25, pytest.param(2000, marks=pytest.mark.slow)])
@pytest.mark.filterwarnings("default")
def test_mutated_file_gives_its_numbers_or_one_line(tmp_path, name, number):
    write, read, other_reader = FILES[name]
    content, rng, ends = as_bytes(write, tmp_path / name), np.random.default_rng(7), Counter[str]()
    whole = read(tmp_path / name)
    for trial in range(number):
        path = tmp_path / f"{trial % 3}{Path(name).suffix}"
        path.write_bytes(changed_bytes(rng, content))
        found = ends_well(lambda path=path: read(path))
        ends["refused" if isinstance(found, BumphuntError) else "used"] += 1
        if isinstance(found, dict):
            want = whole if other_reader is None else other_reader(path.read_bytes())
            for column in want.keys() & found.keys():
                np.testing.assert_array_equal(found[column], want[column], err_msg=f"trial {trial}")
    assert ends["refused"] > 0


@pytest.mark.parametrize("tag", TAGS[:3])
@pytest.mark.parametrize("where", ["analysis.yaml", "h.yaml"])
def test_tag_of_yaml_makes_no_object(tmp_path, monkeypatch, tag, where):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / where
    path.write_text(f"channel: {tag}\n" if where == "analysis.yaml" else f"independent_variables: {tag}\n")
    with pytest.raises(BumphuntError):
        load(path) if where == "analysis.yaml" else read_histogram(path, None)
    assert not (tmp_path / MARK).exists()


LAUGHS = [f"{k}: &{name} [{', '.join(['*' + 'abcde'[k - 1] if k else 'x'] * 10)}]" for k, name in enumerate("abcde")]
"""Five lines that stand for 100 000 words."""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("&a [*a]", "an anchor in itself"),
        ("{" + ", ".join(LAUGHS) + "}", "more than 100000 values"),
        ("[" * 5000 + "]" * 5000, "lists stand in lists without an end"),
        ('"a\\nb"', "is no text of one line that can be seen"),
    ],
)
def test_yaml_without_an_end_is_refused(tmp_path, text, words):
    path = tmp_path / "analysis.yaml"
    path.write_text(f"channel: spectrum\ndata: {text}\n")
    with within_time(), pytest.raises(ConfigError, match=words):
        load(path)


@pytest.mark.parametrize("key", ["samples", "control", "systematics", "factors", "cuts"])
@pytest.mark.parametrize("name", ["../../escaped", "..", "/escaped", "a\\b", "a/../../b", " ", "x" * 200])
def test_no_name_of_a_yaml_leaves_the_folder_of_results(own_analysis, tmp_path, key, name):
    """Those that become files are refused; the others stand in tables alone."""
    analysis = own_analysis()
    content = analysis.content
    said = {
        "samples": content["samples"]["flat"],
        "control": {"region": "all", "samples": ["flat"]},
        "systematics": {"efficiency": 0.1},
        "factors": {"value": 0.9, "uncertainty": 0.1},
        "cuts": {"observable": "p", "below": 50.0},
    }
    content[key] = {name: said[key]}
    refused = key in ("samples", "control") or name != name.strip(" /") or len(name) > 100
    before = set(tmp_path.parent.rglob("*"))
    if refused:
        with pytest.raises(ConfigError, match=rf"analysis\.yaml:\d+: {key}: "):
            analysis.make("check")
    elif name == "../../escaped":
        analysis.make("process")
    made = set(tmp_path.parent.rglob("*")) - before
    here = (analysis.folder / "results", analysis.folder / "__pycache__", analysis.path)
    assert [path for path in made if not any(path.is_relative_to(place) for place in here)] == []


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_table_that_is_no_file_is_refused_and_not_waited_for(analyses, kind):
    path, content = analyses[1]
    table = path.parent / "resolution.csv"
    table.unlink()
    if kind == "pipe":
        os.mkfifo(table)
    else:
        table.symlink_to("/dev/zero")
    path.write_text(yaml.safe_dump(content))
    with within_time(), pytest.raises(ConfigError, match=r"resolution\.csv.*is a pipe or a device, and no file"):
        load(path)


EVALUATED = (
    f"__import__('os').system('touch {MARK}')",
    f"open('{MARK}', 'w')",
    "mass.__class__",
    "[mass][0]",
    "mass if mass else 1",
)


@pytest.mark.parametrize("text", EVALUATED)
def test_expression_is_parsed_and_not_evaluated(analyses, tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    path, content = analyses[1]
    content["signal"]["resolution"] = text
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError, match=r"signal\.resolution"):
        load(path)
    assert not (tmp_path / MARK).exists()


@pytest.mark.parametrize(
    ("section", "key", "value", "words"),
    [
        ("signal", "resolution", "9**9**9**9**9", r"signal\.resolution: is inf at"),
        ("spectrum", "bins", 10**9, "at most 1000000"),
    ],
)
def test_number_that_would_fill_the_memory_is_refused(analyses, section, key, value, words):
    path, content = analyses[1]
    content[section][key] = value
    path.write_text(yaml.safe_dump(content))
    with within_time(), pytest.raises(ConfigError, match=words):
        load(path)


def test_step_that_never_arrives_is_refused(analyses):
    path, content = analyses[1]
    content["search"]["step"] = 1e-30
    path.write_text(yaml.safe_dump(content))
    *before, scan = up_to(prepare(load(path), path.parent / "results"), "scan")
    for step in before:
        step.run()
    with within_time(), pytest.raises(BumphuntError, match=r"makes more than 100000 masses from 2\.8 to 3"):
        scan.run()


def is_pickle(content: bytes) -> bool:
    """Return whether bytes are a pickle of protocol 2 or later, or an array of objects of NumPy."""
    return (content[:1] == b"\x80" and content[-1:] == b".") or b"'descr': '|O'" in content[:200]


def test_results_hold_no_pickle(analyses):
    path, content = analyses[1]
    content["search"]["step"] = 2.0
    path.write_text(yaml.safe_dump(content))
    results = path.parent / "results"
    job = prepare(load(path), results)
    for step in (*up_to(job, "limits"), global_significance(job, 20)):
        step.run()
    files = [found for found in results.rglob("*") if found.is_file()]
    assert {found.parent.name for found in files} >= {"limits", "process", "global"}
    for found in files:
        assert not is_pickle(found.read_bytes()), found
        if zipfile.is_zipfile(found):
            with zipfile.ZipFile(found) as packed:
                assert not any(is_pickle(packed.read(name)) for name in packed.namelist()), found


def test_file_in_the_place_of_the_shared_search_is_not_opened(tmp_path, monkeypatch):
    """Processes of one run share a search by a file: what somebody else put there would be executed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "search").write_bytes(f"cos\nsystem\n(S'touch {MARK}'\ntR.".encode())
    with pytest.raises(BumphuntError, match="is not what this run has written"):
        _shared(tmp_path / "search", "0" * 64)
    assert not (tmp_path / MARK).exists()


def test_arrays_of_objects_are_opened_nowhere():
    """NumPy opens one by executing it."""
    root = Path(__file__).parents[2]
    loads = [
        line
        for package in ("bumphunt", "selections", "workflows")
        for path in (root / package).rglob("*.py")
        for line in path.read_text().splitlines()
        if re.search(r"\bnp\.load\(|allow_pickle=True", line)
    ]
    assert loads
    assert all("allow_pickle=False" in line for line in loads)
