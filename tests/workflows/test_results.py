"""Tables and documents are there as a whole or not at all, and are read as they were written."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bumphunt.errors import BumphuntError
from workflows.results import lock, read_json, read_table, write_csv, write_json, write_table


def test_columns_are_read_as_they_were_written(tmp_path):
    write_table(tmp_path, "t", {"mass": np.array([1.0, math.nan]), "flags": ["a", ""]}, about="two rows")
    assert (tmp_path / "t.csv").read_text() == "mass,flags\n1,a\n,\n"
    assert read_json(tmp_path / "t.json")["about"] == "two rows"
    table = read_table(tmp_path, "t")
    np.testing.assert_array_equal(table["mass"], [1.0, math.nan])
    assert table["flags"].tolist() == ["a", ""]


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
