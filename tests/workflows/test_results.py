"""Stages are made once, remade when something changed, and never left half-written."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from bumphunt.errors import BumphuntError
from workflows.results import (
    PROVENANCE,
    Step,
    fingerprint,
    lock,
    read_json,
    read_table,
    write_csv,
    write_json,
    write_table,
)


def stage(folder: Path, source: Path, **changes) -> Step:
    def make(partial: Path) -> None:
        (partial / "out.txt").write_text(source.read_text())

    return Step(**{"name": "copy", "folder": folder, "settings": {"a": 1}, "inputs": (source,), "make": make} | changes)


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
    second = stage(tmp_path / "second", source, inputs=(), upstream=(tmp_path / "first",))
    assert second.run()
    assert not second.run()
    source.write_text("other")
    first.run()
    assert second.run()


def test_input_that_changes_while_a_stage_is_made_makes_it_stale(tmp_path, source):
    def make(partial: Path) -> None:
        (partial / "out.txt").write_text(source.read_text())
        source.write_text("saved meanwhile")

    assert stage(tmp_path / "copy", source, make=make).run()
    assert not stage(tmp_path / "copy", source).is_current()
    assert stage(tmp_path / "copy", source).run()
    assert (tmp_path / "copy" / "out.txt").read_text() == "saved meanwhile"


def test_file_that_was_loaded_before_is_known_by_its_fingerprint_of_then(tmp_path, source):
    loaded = (fingerprint(source),)
    assert stage(tmp_path / "copy", source, inputs=(), loaded=loaded).run()
    source.write_text("other")
    assert stage(tmp_path / "copy", source, inputs=(), loaded=loaded).is_current()
    assert not stage(tmp_path / "copy", source, inputs=(), loaded=(fingerprint(source),)).is_current()


def test_columns_are_read_as_they_were_written(tmp_path):
    write_table(tmp_path, "t", {"mass": np.array([1.0, math.nan]), "flags": ["a", ""]}, about="two rows")
    assert (tmp_path / "t.csv").read_text() == "mass,flags\n1,a\n,\n"
    assert read_json(tmp_path / "t.json")["about"] == "two rows"
    table = read_table(tmp_path, "t")
    np.testing.assert_array_equal(table["mass"], [1.0, math.nan])
    assert table["flags"].tolist() == ["a", ""]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_interrupted_stage_leaves_the_old_outputs_and_nothing_else(tmp_path, source, error):
    folder = tmp_path / "copy"
    stage(folder, source).run()

    def make(partial: Path) -> None:
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
    assert record["inputs"][0]["path"] == str(source.resolve())
    assert record["inputs"][0]["size"] == 5
    assert record["packages"]["numpy"] == np.__version__
    assert record["outputs"] == {"out.txt": 5}
    assert record["command"]


def test_two_runs_in_one_folder_are_refused(tmp_path):
    with lock(tmp_path), pytest.raises(BumphuntError, match="another bumphunt is at work"), lock(tmp_path):
        pass


def test_csv_has_empty_cells_for_nan(tmp_path):
    path = tmp_path / "t.csv"
    columns = {
        "mass": np.array([1.0, math.nan]),
        "valid": [True, False],
        "flags": [("a", "b"), ()],
        "n": np.array([1, 2]),
    }
    write_csv(path, columns)
    assert path.read_text() == "mass,valid,flags,n\n1,true,a;b,1\n,false,,2\n"


def test_csv_of_unequal_columns_leaves_no_file(tmp_path):
    with pytest.raises(ValueError, match=r"shorter|longer"):
        write_csv(tmp_path / "t.csv", {"a": [1, 2], "b": [1]})
    assert list(tmp_path.iterdir()) == []


def test_json_has_null_for_nan(tmp_path):
    write_json(tmp_path / "t.json", {"x": np.array([1.0, math.nan]), "ok": np.bool_(True)})
    assert read_json(tmp_path / "t.json") == {"x": [1.0, None], "ok": True}


def test_missing_record_says_how_to_make_it(tmp_path):
    with pytest.raises(BumphuntError, match="make it again with 'bumphunt run'"):
        read_json(tmp_path / "none.json")
