"""Files on a web server of this machine: the same table as from the disk, and one line where the server fails."""

from __future__ import annotations

import csv
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pyarrow as pa
import pytest
import uproot
import yaml
from pyarrow import parquet

from bumphunt.errors import ConfigError, NtupleError
from workflows.chain import prepare, status, up_to
from workflows.config.file import load
from workflows.inputs.patterns import find_files
from workflows.ntuples.contents import inspect, read_columns
from workflows.ntuples.entry_ranges import EntryRange, close_file, read_entries
from workflows.ntuples.writing import write_tree
from workflows.provenance.files import fingerprint, fingerprints
from workflows.provenance.verify import verify
from workflows.storage import servers
from workflows.storage.addresses import Address
from workflows.storage.files import state_of

TIMEOUT = 0.3
"""How long a server may be silent in these tests [s]."""


class Handler(BaseHTTPRequestHandler):
    """Sends files and parts of them, and fails as its server is told."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.server.asked += 1
        if self.server.silent:
            self.server.over.wait(10)
        if self.server.drops:
            self.server.drops -= 1
            self.close_connection = True
            return
        path = self.server.folder / self.path.split("?")[0].lstrip("/")
        if self.server.says or not path.is_file():
            self.send_error(self.server.says or 404)
            return
        content = path.read_bytes()
        part = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        body = content[int(part[1]) : int(part[2]) + 1] if part and self.server.parts else content
        self.send_response(206 if part and self.server.parts else 200)
        if self.server.marks:
            self.send_header("ETag", f'"{path.stat().st_mtime_ns:x}"')
            self.send_header("Last-Modified", formatdate(path.stat().st_mtime, usegmt=True))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[: self.server.sends or None])
            self.close_connection = self.server.sends is not None

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """A server of the files in a folder, on this machine."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.over = folder, Event()
        self.silent, self.parts, self.marks = False, True, True
        self.drops, self.says, self.asked = 0, 0, 0
        self.sends: int | None = None

    def address(self, name: str) -> str:
        """Return the address of a file."""
        return f"http://127.0.0.1:{self.server_port}/{name}"

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that hang up."""


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], Server]]:
    """Return what serves a folder; servers may be silent for `TIMEOUT`."""
    monkeypatch.setattr(servers, "TIMEOUT", TIMEOUT)
    monkeypatch.setattr(servers, "PAUSES", (0.01, 0.02))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running: list[Server] = []

    def start(folder: Path) -> Server:
        running.append(Server(folder))
        Thread(target=running[-1].serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return running[-1]

    yield start
    close_file()
    for server in running:
        server.over.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def served(serve, own_analysis):
    """An analysis with its server; its files are addresses."""
    analysis = own_analysis()
    server = serve(analysis.folder)
    analysis.server = server
    content = analysis.content
    for part in (content["data"], *content["samples"].values(), *content["signal"]["points"]):
        part["files"] = [server.address(name.replace("*", "")) for name in part["files"]]
    return analysis


def test_table_is_that_of_the_same_files_on_a_disk_and_workers_read_the_server_too(served, own_analysis):
    served.path.write_text(yaml.safe_dump(served.content))
    results = served.folder / "results"
    for step in up_to(prepare(load(served.path), results, workers=2), "process"):
        step.run()
    assert served.limits() == own_analysis().limits()
    with (results / "process" / "ledger.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["file"] for row in rows} >= {served.server.address("n/data.root")}
    assert sum(int(row["processed"]) for row in rows) == 2500 + 5000 + 4 * 500


def test_connection_that_breaks_twice_costs_nothing(served):
    served.make("check")
    served.server.drops = 2
    with (served.make("process") / "process" / "ledger.csv").open() as file:
        assert sum(int(row["processed"]) for row in csv.DictReader(file)) == 2500 + 5000 + 4 * 500
    assert served.server.drops == 0


def test_file_that_is_replaced_on_the_server_is_read_again_alone(served, columns):
    results = served.make("process")
    assert all(not found.problems for found in verify(results))
    served.write("flat", columns(4000, seed=9))
    job = prepare(load(served.path), results)
    stale = {found.name: found.reasons for found in status(job)}
    assert stale["process"] == (f"file {served.server.address('n/flat.root')} has changed",)
    problems = {found.stage: found.problems for found in verify(results)}
    assert problems["process"] == (f"input {served.server.address('n/flat.root')} is not the file that was read",)
    served.make("process")
    assert all(not found.problems for found in verify(results))
    with (results / "process" / "ledger.csv").open() as file:
        assert sum(int(r["processed"]) for r in csv.DictReader(file) if r["sample"] == "flat") == 4000


def test_file_that_is_replaced_while_it_is_read_is_said(served, columns):
    address = Address(served.server.address("n/flat.root"))
    state = state_of(address)
    where = EntryRange(file=str(address), tree="events", start=0, stop=10, state=state)
    assert read_entries(where, ["mass"])["mass"].shape == (10,)
    served.write("flat", columns(5000, seed=9))
    with pytest.raises(NtupleError, match=r"n/flat\.root: the file has changed while it was read"):
        read_entries(where, ["mass"])


def test_silent_server_ends_in_one_line_after_the_stated_time(served):
    served.make("check")
    served.server.silent = True
    start = time.monotonic()
    with pytest.raises(
        NtupleError, match=rf"n/data\.root: .*: the server was silent for {TIMEOUT:g} s, 3 times$"
    ) as error:
        served.make("process")
    assert "\n" not in str(error.value)
    assert time.monotonic() - start < 2 * (2 * servers.TRIES * TIMEOUT + sum(servers.PAUSES)) + 3


def test_silent_server_is_asked_once_for_all_of_its_files(serve, tmp_path):
    server = serve(tmp_path)
    server.silent = True
    start = time.monotonic()
    found = fingerprints([Address(server.address(f"{number}.root")) for number in range(100)])
    assert all("silent" in str(one["unreadable"]) for one in found)
    assert time.monotonic() - start < 2 * servers.TRIES * TIMEOUT + 2


def test_missing_file_is_asked_for_once_and_counted_where_it_may_be_missing(served):
    served.content["samples"]["flat"]["files"].append(served.server.address("n/none.root"))
    with pytest.raises(NtupleError, match=r"n/none\.root: there is no such file"):
        served.make("check")
    served.make("process", allow_missing=True)
    with (served.folder / "results" / "process" / "ledger.csv").open() as file:
        lost = [row for row in csv.DictReader(file) if row["reason"]]
    assert [row["file"] for row in lost] == [served.server.address("n/none.root")]
    before = served.server.asked
    assert fingerprint(Address(served.server.address("n/none.root"))) == {
        "unreadable": "the server has no such file (404 Not Found)"
    }
    assert served.server.asked - before <= 2  # HEAD and GET


@pytest.mark.parametrize(
    ("says", "words", "asked"),
    [
        (403, r"cannot be read: the server refuses it \(403", 2),
        (500, r"cannot be read: the server says no \(500 .*\), 3 times", 6),
        (418, r"cannot be read: the server says no \(418", 2),
    ],
)
def test_answer_of_the_server_is_said(served, says, words, asked):
    served.server.says = says
    address = Address(served.server.address("n/data.root"))
    with pytest.raises(NtupleError, match=words):
        inspect(address, tree="events", variables=["mass"], names={})
    assert served.server.asked == asked


def test_server_that_is_not_there_is_said(served):
    served.server.shutdown()
    served.server.server_close()
    with pytest.raises(NtupleError, match=r"cannot be read: the server cannot be reached.*, 3 times$"):
        inspect(Address(served.server.address("n/data.root")), tree="events", variables=["mass"], names={})


def test_server_without_parts_is_no_damaged_file(served):
    served.server.parts = False
    with pytest.raises(NtupleError, match="sends whole files only, and no parts of them: copy it"):
        inspect(Address(served.server.address("n/data.root")), tree="events", variables=["mass"], names={})


def test_part_that_ends_early_is_not_taken_for_whole(served):
    served.server.sends = 5
    with pytest.raises(NtupleError, match=r"cannot be reached, or broke off .*, 3 times"):
        inspect(Address(served.server.address("n/data.root")), tree="events", variables=["mass"], names={})


def test_truncated_file_is_named_as_on_a_disk(served):
    path = served.folder / "n" / "data.root"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(NtupleError, match=r"http://.*/n/data\.root: truncated, \d+ bytes of \d+"):
        inspect(Address(served.server.address("n/data.root")), tree="events", variables=["mass"], names={})


def test_server_that_marks_nothing_is_known_by_the_ends_of_the_file(serve, tmp_path):
    server = serve(tmp_path)
    server.marks = False
    (tmp_path / "a.root").write_bytes(b"a" * 1000)
    address = Address(server.address("a.root"))
    before = fingerprint(address)
    assert fingerprint(address) == before
    (tmp_path / "a.root").write_bytes(b"a" * 999 + b"b")
    assert fingerprint(address) != before


@pytest.mark.parametrize("kind", ["TTree", "RNTuple", "csv", "parquet"])
def test_all_formats_are_read_as_from_a_disk(serve, tmp_path, kind):
    mass = np.random.default_rng(1).uniform(0, 10, 30_000)
    path = tmp_path / ("a.root" if kind in ("TTree", "RNTuple") else f"a.{kind}")
    if path.suffix == ".root":
        with uproot.recreate(path) as file:
            make = file.mktree if kind == "TTree" else file.mkrntuple
            tree = make("events", {"mass": np.dtype("f8")})
            for part in np.split(mass, 3):
                tree.extend({"mass": part})
    elif kind == "csv":
        np.savetxt(path, mass, header="mass", comments="")
    else:
        parquet.write_table(pa.table({"mass": mass}), path, row_group_size=10_000)
    address = Address(serve(tmp_path).address(path.name))
    here, there = (inspect(place, tree="events", variables=["mass"], names={}) for place in (path, address))
    assert (here.kind, here.rows, here.clusters) == (there.kind, there.rows, there.clusters)
    assert here.rows == mass.size
    where = [
        EntryRange(file=str(info.path), tree=info.tree, start=5, stop=25_000, state=info.state)
        for info in (here, there)
    ]
    columns = [read_entries(entries, ["mass"])["mass"] for entries in where]
    np.testing.assert_array_equal(*columns)
    if path.suffix == ".root":
        assert read_columns(address, tree="events", variables=["mass"], names={})["mass"].sum() == pytest.approx(
            mass.sum()
        )


def test_baskets_are_fetched_together(serve, tmp_path):
    """A question costs a round trip: there may not be one for each basket."""
    with uproot.recreate(tmp_path / "a.root") as file:
        tree = file.mktree("events", {"mass": np.dtype("f8"), "p": np.dtype("f8")})
        for _ in range(40):
            tree.extend({"mass": np.arange(100.0), "p": np.arange(100.0)})
    server = serve(tmp_path)
    where = EntryRange(file=server.address("a.root"), tree="events", start=0, stop=4000)
    assert read_entries(where, ["mass", "p"])["p"].size == 4000
    assert server.asked < 20


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("https://server/data*.root", "a web server does not say which files there are; name each of them"),
        ("s3://bucket/data.root", "files are read from disk, or from servers by http://, https://, root://"),
        ("https://server/", "names no file of a server"),
        ("https:///data.root", "names no file of a server"),
        ("https://me:secret@server/data.root", "holds a password, which results would show; keep it in ~/.netrc"),
    ],
)
def test_address_that_cannot_be_used_is_said_in_one_line(tmp_path, pattern, words):
    with pytest.raises(ConfigError, match=r"analysis\.yaml: data\.files: ") as error:
        find_files(tmp_path / "analysis.yaml", "data.files", [pattern])
    assert words in str(error.value)
    assert "secret" not in str(error.value)


def test_protocol_that_is_not_installed_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(servers.PROTOCOLS, "root", "no_such_package")
    with pytest.raises(ConfigError, match=r"package no_such_package, which is not installed: .*'bumphunt\[remote\]'"):
        find_files(tmp_path / "analysis.yaml", "data.files", ["root://server//a.root"])


def test_address_is_one_file_however_its_protocol_is_written(tmp_path):
    found = find_files(tmp_path / "a.yaml", "data.files", ["HTTP://server/a.root", "http://server/a.root"])
    assert [str(place) for place in found] == ["http://server/a.root"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Yield a folder, and its address at an XRootD server of this machine; skipped where there is none."""
    pytest.importorskip("fsspec_xrootd")
    if (program := shutil.which("xrootd")) is None:
        pytest.skip("there is no xrootd on this machine")
    with tempfile.TemporaryDirectory() as name, socket.socket() as found:
        folder = Path(name)
        (folder / "data").mkdir()
        for path in (folder, folder / "data"):
            path.chmod(0o777)  # the server is nobody, if this is root
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
        found.close()
        (folder / "config").write_text(
            f"xrd.port {port}\nall.export /\nall.adminpath {folder}\noss.localroot {folder / 'data'}\n"
        )
        user = ["-R", "nobody"] if os.geteuid() == 0 else []
        running = subprocess.Popen(
            [program, *user, "-c", str(folder / "config"), "-l", str(folder / "log")],
            cwd=folder,
            stderr=subprocess.DEVNULL,
        )
        try:
            for _ in range(100):
                with socket.socket() as there:
                    if there.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            yield folder / "data", f"root://127.0.0.1:{port}//"
        finally:
            running.terminate()
            running.wait()


def test_xrootd_server_is_listed_read_and_watched(store, columns, tmp_path):
    folder, server = store
    for name in ("a_1", "a_2", "b"):
        write_tree(folder / f"{name}.root", [columns(1000, seed=len(name))])
        (folder / f"{name}.root").chmod(0o644)
    found = find_files(tmp_path / "a.yaml", "data.files", [f"{server}a*.root"])
    assert [str(place) for place in found] == [f"{server}a_1.root", f"{server}a_2.root"]
    info = inspect(found[0], tree="events", variables=["mass"], names={})
    where = EntryRange(file=str(found[0]), tree="events", start=100, stop=900, state=info.state)
    np.testing.assert_array_equal(read_entries(where, ["mass"])["mass"], columns(1000, seed=3)["mass"][100:900])
    before = fingerprint(found[0])
    write_tree(folder / "new", [columns(1001, seed=9)])
    (folder / "new").chmod(0o644)
    (folder / "new").replace(folder / "a_1.root")
    assert fingerprint(found[0]) != before
    with pytest.raises(NtupleError, match=r"a_1\.root: the file has changed while it was read"):
        read_entries(where, ["mass"])
    close_file()
    now = inspect(found[0], tree="events", variables=["mass"], names={})
    whole = EntryRange(file=str(found[0]), tree="events", start=0, stop=now.rows, state=now.state)
    np.testing.assert_array_equal(read_entries(whole, ["mass"])["mass"], columns(1001, seed=9)["mass"])
    with pytest.raises(NtupleError, match=r"none\.root: there is no such file"):
        inspect(Address(f"{server}none.root"), tree="events", variables=["mass"], names={})
    with pytest.raises(ConfigError, match="cannot be listed"):
        find_files(tmp_path / "a.yaml", "data.files", [f"{server}none/*.root"])
