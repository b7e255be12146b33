"""CSV and Parquet files give the rows and the errors that ROOT files give."""

import awkward as ak
import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from bumphunt.errors import NtupleError
from workflows.ntuples.contents import inspect
from workflows.ntuples.entry_ranges import close_file, entry_ranges, read_entries

ROWS = 1000


@pytest.fixture
def table():
    rng = np.random.default_rng(3)
    return {"M": rng.normal(3.0, 0.1, ROWS), "run": rng.integers(0, 9, ROWS), "good": rng.random(ROWS) > 0.5}


def written(folder, name, table):
    path = folder / name
    if path.suffix == ".parquet":
        parquet.write_table(pyarrow.table(table), path, row_group_size=300)
    else:
        apart = {"csv": ",", "txt": " "}[path.suffix[1:]]
        rows = zip(*(values.tolist() for values in table.values()), strict=True)
        lines = [apart.join(table), *(apart.join(map(repr, row)) for row in rows)]
        path.write_text("\n".join(lines).replace("True", "true").replace("False", "false"))
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.parquet"])
def test_rows_of_all_chunks_are_those_of_the_file(tmp_path, table, name):
    path = written(tmp_path, name, table)
    info = inspect(path, tree="events", variables=["mass", "good"], names={"mass": "M"})
    assert info.rows == ROWS
    chunks = [read_entries(where, ["M", "good"]) for where in entry_ranges(info, 250)]
    close_file()
    assert len(chunks) > 1
    np.testing.assert_array_equal(np.concatenate([c["M"] for c in chunks]), table["M"])
    np.testing.assert_array_equal(np.concatenate([c["good"] for c in chunks]), table["good"])


def test_part_of_a_row_group_is_read(tmp_path, table):
    path = written(tmp_path, "a.parquet", table)
    info = inspect(path, tree="", variables=["M"], names={})
    (where, *_) = entry_ranges(info, 100)
    assert (where.start, where.stop) == (0, 100)
    np.testing.assert_array_equal(read_entries(where, ["M"])["M"], table["M"][:100])


def test_column_that_is_missing_is_named_with_the_closest(tmp_path, table):
    path = written(tmp_path, "a.csv", table)
    with pytest.raises(NtupleError, match=r"a.csv: has no column 'm' for the variable 'mass' \(closest are 'M'\)"):
        inspect(path, tree="events", variables=["mass"], names={"mass": "m"})
    with pytest.raises(NtupleError, match=r"there are 'M', 'good', 'run'"):
        inspect(path, tree="events", variables=["zzz"], names={})
    assert inspect(path, tree="", variables=["M", "zzz"], names={}, optional=["zzz"]).absent == ("zzz",)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"", "empty"),
        ("a.csv", b"1,2\n3,4\n", "holds numbers; it must name the columns"),
        ("a.csv", b"M,M\n1,2\n", "'M' stands twice"),
        ("a.csv", b"M,b\n1,2\n3\n", "Expected 2 columns, got 1"),
        ("a.csv", b"M,b\n1,2\nword,3\n", "column 'M' for the variable 'M' holds string"),
        ("a.parquet", b"PAR1" + b"\0" * 100, "truncated or no Parquet file"),
    ],
)
def test_file_that_cannot_be_used_is_named(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(NtupleError, match=rf"{name}: .*{says}"):
        inspect(tmp_path / name, tree="events", variables=["M"], names={})


def test_missing_file_and_lists_are_refused(tmp_path):
    with pytest.raises(NtupleError, match="there is no such file"):
        inspect(tmp_path / "gone.csv", tree="", variables=["M"], names={})
    ak.to_parquet(ak.Array({"M": [[1.0], []]}), tmp_path / "j.parquet")
    with pytest.raises(NtupleError, match="not one number a row"):
        inspect(tmp_path / "j.parquet", tree="", variables=["M"], names={})
    with pytest.raises(NtupleError, match="from ROOT files alone"):
        inspect(tmp_path / "j.parquet", tree="", variables=["M"], names={}, jagged=["M"])


def test_empty_cell_is_no_number(tmp_path):
    (tmp_path / "a.csv").write_text("M,b\n1.5,1\n,2\n")
    info = inspect(tmp_path / "a.csv", tree="", variables=["M"], names={})
    (where,) = entry_ranges(info, 10)
    assert np.isnan(read_entries(where, ["M"])["M"][1])
    assert where.row(1) == f"entry 1 of {tmp_path / 'a.csv'}"
