"""Disks, users and files as they should not be: each ends in one line that names the path."""

from __future__ import annotations

import csv
import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from bumphunt.errors import BumphuntError, NtupleError
from workflows.chain import prepare, up_to
from workflows.config.file import load
from workflows.ntuples.contents import inspect
from workflows.provenance.step import Step
from workflows.results import lock, write_json

NOBODY = 65534
"""A user who owns nothing."""


def last_step(analysis: Any, verb: str) -> Step:
    """Return the step of a verb, of which all that it reads is there."""
    analysis.path.write_text(yaml.safe_dump(analysis.content))
    return up_to(prepare(load(analysis.path), analysis.folder / "results"), verb)[-1]


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Let no file grow beyond a size: the disk is not full, but writing fails in the same way."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def somebody_else() -> Iterator[None]:
    """Be a user without rights, where this one has all; else the rights of the files say enough."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.parametrize("size", [100, 3000, 12_000])
def test_full_disk_is_said_with_the_path_and_leaves_nothing_half_written(own_analysis, size):
    analysis = own_analysis()
    analysis.make("check")
    results = analysis.folder / "results"
    step = last_step(analysis, "process")
    with pytest.raises(OSError, match="File too large") as caught, full_disk(size):
        step.run()
    assert str(results) in str(caught.value)
    left = {path.name for path in results.rglob("*") if path.is_file() and "check" not in path.parts}
    assert all(name.endswith(".block") or name == "settings.json" for name in left)
    whole = analysis.make("process")  # there is room again
    assert (whole / "process" / "ledger.csv").exists()


def test_file_on_a_full_disk_stays_that_of_before(tmp_path):
    write_json(tmp_path / "a.json", {"a": 1})
    with pytest.raises(OSError, match=r"a\.json"), full_disk(100):
        write_json(tmp_path / "a.json", {"a": "x" * 1000})
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert "x" not in (tmp_path / "a.json").read_text()


@pytest.fixture
def open_analysis(own_analyses) -> Iterator[Any]:
    """Yield an analysis in a folder that all users may enter; those of pytest are closed."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield own_analyses(Path(folder))


def test_file_that_may_not_be_read_is_named(open_analysis):
    path = open_analysis.folder / "n" / "data.root"
    inspect(path, tree="events", variables=["mass"], names={})
    path.chmod(0o000)
    with pytest.raises(NtupleError, match=r"data\.root: cannot be read: Permission denied"), somebody_else():
        inspect(path, tree="events", variables=["mass"], names={})


def test_stage_folder_of_another_user_is_named_before_work_begins(open_analysis, columns):
    results = open_analysis.make("process")
    open_analysis.write("data", columns(100))
    step = last_step(open_analysis, "process")
    results.chmod(0o777)
    (results / "process").chmod(0o555)
    try:
        with pytest.raises(BumphuntError, match=r"results/process: belongs to another user"), somebody_else():
            step.run()
    finally:
        (results / "process").chmod(0o755)
    assert (results / "process" / "ledger.csv").exists()


def test_results_folder_of_another_user_is_named(tmp_path):
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(BumphuntError, match="choose another folder with --output"), somebody_else():
            lock(tmp_path).__enter__()
    finally:
        tmp_path.chmod(0o755)


def test_parts_may_work_in_one_folder_and_nobody_else_meanwhile(tmp_path):
    with lock(tmp_path, shared=True), lock(tmp_path, shared=True), pytest.raises(BumphuntError, match="at work"):
        lock(tmp_path).__enter__()
    with lock(tmp_path), pytest.raises(BumphuntError, match="at work"):
        lock(tmp_path, shared=True).__enter__()


@pytest.mark.parametrize("again", ["path", "link", "hard link"])
def test_file_that_is_named_twice_is_read_once(own_analysis, again: str):
    analysis = own_analysis()
    old, new = (analysis.folder / "n" / name for name in ("data.root", "data_2.root"))
    if again == "path":
        analysis.content["data"]["files"] = ["n/data.root", "n/../n/data.root"]
    elif again == "link":
        new.symlink_to(old)
    else:
        new.hardlink_to(old)
    with (analysis.make("process") / "process" / "ledger.csv").open() as file:
        assert [int(row["processed"]) for row in csv.DictReader(file) if row["sample"] == "data"] == [2500]


def test_copy_of_a_file_is_refused(own_analysis):
    analysis = own_analysis()
    shutil.copy(analysis.folder / "n" / "data.root", analysis.folder / "n" / "data_2.root")
    with pytest.raises(NtupleError, match=r"data_2\.root.*repeats entry \d+ of .*data\.root"):
        analysis.make("process")
