"""Stages are made once, remade when something changed, and never left half-written."""

from __future__ import annotations

import json
import os
from functools import partial as partial_of
from pathlib import Path

import pytest

from bumphunt.errors import BumphuntError
from workflows.provenance.files import fingerprint
from workflows.provenance.schema import SCHEMA
from workflows.provenance.step import Step, forget_unfinished, record_of
from workflows.provenance.verify import verify
from workflows.results import PROVENANCE, read_json
from workflows.running.blocks import BLOCKS, Blocks


def stage(folder: Path, source: Path, **changes) -> Step:
    def make(partial: Path, older: object) -> None:
        (partial / "out.txt").write_text(source.read_text())

    return Step(
        **{
            "name": "copy",
            "folder": folder,
            "settings": {"a": 1},
            "files": (source,),
            "modules": ("bumphunt.errors",),
            "make": make,
        }
        | changes
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.txt"
    path.write_text("first")
    return path


def test_second_run_does_nothing(tmp_path, source):
    assert stage(tmp_path / "copy", source).run()
    assert not stage(tmp_path / "copy", source).run()


@pytest.mark.parametrize("change", ["input", "setting", "output", "provenance", "no record"])
def test_stage_is_remade_when_anything_changed(tmp_path, source, change):
    folder = tmp_path / "copy"
    stage(folder, source).run()
    changes = {}
    if change == "input":
        source.write_text("other")
    elif change == "setting":
        changes = {"settings": {"a": 2}}
    elif change == "output":
        (folder / "out.txt").unlink()
    else:
        (folder / PROVENANCE).write_text("{broken" if change == "provenance" else "[1]")
    assert stage(folder, source, **changes).run()
    assert (folder / "out.txt").read_text() == source.read_text()


def test_stage_is_remade_when_its_upstream_was(tmp_path, source):
    first = stage(tmp_path / "first", source)
    first.run()
    second = stage(tmp_path / "second", source, files=(), upstream=(first,))
    assert second.run()
    assert not second.run()
    source.write_text("other")
    first.run()
    assert second.run()


def test_input_that_changes_while_a_stage_is_made_makes_it_stale(tmp_path, source):
    def make(partial: Path, older: object) -> None:
        (partial / "out.txt").write_text(source.read_text())
        source.write_text("saved meanwhile")

    assert stage(tmp_path / "copy", source, make=make).run()
    assert stage(tmp_path / "copy", source).reasons() == [f"file {source} has changed"]
    assert stage(tmp_path / "copy", source).run()
    assert (tmp_path / "copy" / "out.txt").read_text() == "saved meanwhile"


def test_file_that_was_loaded_before_is_known_by_its_fingerprint_of_then(tmp_path, source):
    loaded = {str(source): fingerprint(source)}
    assert stage(tmp_path / "copy", source, files=(), loaded=loaded).run()
    source.write_text("other")
    assert stage(tmp_path / "copy", source, files=(), loaded=loaded).reasons() == []
    loaded = {str(source): fingerprint(source)}
    assert stage(tmp_path / "copy", source, files=(), loaded=loaded).reasons() == [f"file {source} has changed"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_interrupted_stage_leaves_the_old_outputs_and_nothing_else(tmp_path, source, error):
    folder = tmp_path / "copy"
    stage(folder, source).run()

    def make(partial: Path, older: object) -> None:
        (partial / "out.txt").write_text("half")
        raise error

    with pytest.raises(error):
        stage(folder, source, settings={"a": 2}, make=make).run()
    assert (folder / "out.txt").read_text() == "first"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy", "source.txt"]


def test_provenance_says_what_went_in(tmp_path, source):
    stage(tmp_path / "copy", source).run()
    record = read_json(tmp_path / "copy" / PROVENANCE)
    assert record["settings"] == {"a": 1}
    assert record["files"][str(source.resolve())]["size"] == 5
    assert list(record["code"]["modules"]) == ["bumphunt.errors"]
    assert record["outputs"]["out.txt"]["size"] == 5
    assert record["command"]


def test_reason_is_said(tmp_path, source):
    folder = tmp_path / "copy"
    assert stage(folder, source).reasons() == ["it is not made yet"]
    stage(folder, source).run()
    assert stage(folder, source).reasons() == []
    assert stage(folder, source, settings={"a": 2}).reasons() == ["a: 1 -> 2"]
    assert stage(folder, source, packages={"lab": "1"}).reasons() == ['lab: null -> "1"']
    (folder / PROVENANCE).unlink()
    assert stage(folder, source).reasons() == ["there is no provenance.json of it"]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: path.write_text("FIRST"), "output out.txt is damaged: it is not what was written"),
        (lambda path: path.unlink(), "output out.txt is missing"),
        (lambda path: (path.unlink(), path.mkdir()), "output out.txt is damaged: it is not what was written"),
    ],
)
def test_damaged_output_is_named(tmp_path, source, damage, reason):
    folder = tmp_path / "copy"
    stage(folder, source).run()
    damage(folder / "out.txt")
    assert stage(folder, source).reasons() == [reason]
    assert stage(folder, source).run()
    assert (folder / "out.txt").read_text() == "first"


def test_output_that_was_only_touched_is_good(tmp_path, source):
    stage(tmp_path / "copy", source).run()
    os.utime(tmp_path / "copy" / "out.txt", ns=(1, 1))
    assert stage(tmp_path / "copy", source).reasons() == []


def test_damage_two_stages_before_is_mended_before_it_is_used(tmp_path, source, caplog):
    def after(name: str, before: Step, **changes) -> Step:
        def make(partial: Path, older: object) -> None:
            (partial / "out.txt").write_text((before.folder / "out.txt").read_text() + name)

        return stage(tmp_path / name, source, files=(), upstream=(before,), make=make, name=name, **changes)

    first = stage(tmp_path / "first", source, name="first")
    second = after("second", first)
    for step in (first, second, after("third", second)):
        assert step.run()
    for step in (first, second):  # as after a crash: sizes and times are those that were written
        path = step.folder / "out.txt"
        stat = path.stat()
        path.write_bytes(b"\0" * stat.st_size)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert after("third", second, settings={"a": 2}).run()
    assert (tmp_path / "third" / "out.txt").read_text() == "firstsecondthird"
    assert caplog.text.count("output out.txt is damaged: it is not what was written; made again") == 2


def interrupted(folder: Path, source: Path, calls: list[str], *, stop: bool, **changes) -> Step:
    """A stage of two tasks, which is interrupted in the second one if `stop`."""

    def task(name: str) -> str:
        if stop and name == "second":
            raise KeyboardInterrupt
        calls.append(name)
        return f"{source.read_text()} {name}"

    def make(partial: Path, older: object) -> None:
        (partial / "begun.txt").write_text("half")
        blocks = Blocks(folder=partial / BLOCKS / "tasks")
        found = [blocks.kept(name, partial_of(task, name))() for name in ("first", "second")]
        (partial / "begun.txt").unlink()
        (partial / "out.txt").write_text("\n".join(found))

    return stage(folder, source, make=make, **changes)


def test_interrupted_stage_goes_on_with_what_was_finished(tmp_path, source):
    calls: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path / "copy", source, calls, stop=True).run()
    (begun,) = tmp_path.glob(".copy.*.partial")
    assert [path.name for path in begun.iterdir()] == [BLOCKS]
    interrupted(tmp_path / "copy", source, calls, stop=False).run()
    assert calls == ["first", "second"]
    assert (tmp_path / "copy" / "out.txt").read_text() == "first first\nfirst second"
    assert {path.name for path in tmp_path.iterdir()} == {"copy", "source.txt"}
    assert {path.name for path in (tmp_path / "copy").iterdir()} == {"out.txt", PROVENANCE}
    assert list(read_json(tmp_path / "copy" / PROVENANCE)["outputs"]) == ["out.txt"]


@pytest.mark.parametrize("change", ["settings", "file"])
def test_what_was_finished_of_other_settings_or_files_is_not_used(tmp_path, source, change):
    calls: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path / "copy", source, calls, stop=True).run()
    if change == "file":
        source.write_text("other")
    changes = {"settings": {"a": 2}} if change == "settings" else {}
    interrupted(tmp_path / "copy", source, calls, stop=False, **changes).run()
    assert calls == ["first", "first", "second"]
    assert {path.name for path in tmp_path.iterdir()} == {"copy", "source.txt"}


def test_what_was_finished_of_a_stage_can_be_forgotten_by_its_settings(tmp_path, source):
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path / "copy", source, [], stop=True).run()
    forget_unfinished(tmp_path / "copy", lambda settings: settings == {"a": 1})
    assert list(tmp_path.glob(".copy.*"))
    forget_unfinished(tmp_path / "copy", lambda settings: settings != {"a": 1})
    assert not list(tmp_path.glob(".copy.*"))


@pytest.mark.parametrize(
    ("number", "words"), [(None, "it has no number of a schema"), (SCHEMA - 1, f"it has the schema {SCHEMA - 1}")]
)
def test_results_of_an_older_schema_are_said_and_made_again(tmp_path, source, number, words):
    folder = tmp_path / "copy"
    stage(folder, source).run()
    record = json.loads((folder / PROVENANCE).read_text())
    assert record["schema"] == SCHEMA
    record = {**record, "schema": number, "bumphunt": "0.0.9"}
    if number is None:
        del record["schema"]
    (folder / PROVENANCE).write_text(json.dumps(record))
    assert record_of(folder) is None
    reason = f"{words}, by bumphunt 0.0.9; this one has {SCHEMA}"
    assert stage(folder, source).reasons() == [reason]
    assert [found.problems for found in verify(tmp_path)] == [(reason,)]
    assert stage(folder, source).run()
    assert stage(folder, source).reasons() == []


def test_results_of_a_newer_schema_are_refused_and_stay(tmp_path, source):
    folder = tmp_path / "copy"
    stage(folder, source).run()
    record = json.loads((folder / PROVENANCE).read_text())
    content = json.dumps({**record, "schema": SCHEMA + 1, "bumphunt": "9.0"})
    (folder / PROVENANCE).write_text(content)
    with pytest.raises(BumphuntError, match=rf"schema {SCHEMA + 1}, by bumphunt 9\.0; .*: update bumphunt, or choose"):
        stage(folder, source).run()
    assert (folder / PROVENANCE).read_text() == content
