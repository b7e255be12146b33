"""The ledger of the reading: every file and entry range is in it, with every fault that a file can have."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot

from bumphunt.errors import BumphuntError, IncompleteError
from workflows.chain import merge, prepare, process_part, up_to
from workflows.config.file import load
from workflows.running.parts import Part

ROWS = 3000


def read(results: Path) -> list[dict[str, str]]:
    with (results / "process" / "ledger.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def total(rows: list[dict[str, str]], column: str) -> float:
    return sum(float(row[column] or 0) for row in rows)


def of(rows: list[dict[str, str]], sample: str) -> list[dict[str, str]]:
    return [row for row in rows if row["sample"] == sample]


def counted(path: Path) -> int:
    """Return the rows of a file, by uproot."""
    with uproot.open(path) as file:
        return int(file["events"].num_entries)


def test_ledger_without_faults_has_every_row_of_every_file(own_analysis):
    analysis = own_analysis()
    results = analysis.make("process")
    rows = read(results)
    assert {row["file"] for row in rows} == {str(path) for path in (analysis.folder / "n").glob("*.root")}
    for row in rows:
        assert int(row["processed"]) == int(row["expected"]) == int(row["stop"]) - int(row["start"])
        assert row["reason"] == ""
    for sample, files in (("data", "data*"), ("flat", "flat*"), ("signal_2", "signal_2*")):
        there = sum(counted(path) for path in (analysis.folder / "n").glob(f"{files}.root"))
        if found := of(rows, sample):
            assert total(found, "processed") == there
            assert total(found, "luminosity_share") == pytest.approx(1, rel=1e-6)
    with (results / "process" / "cutflow.csv").open() as file:
        first = {row["sample"]: int(row["raw"]) for row in csv.DictReader(file) if row["step"] == "all rows"}
    assert first == {name: total(of(rows, name), "processed") for name in first}


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def damaged(path: Path) -> None:
    """Damage the basket of a column."""
    content = bytearray(path.read_bytes())
    with uproot.open(path) as file:
        begin = int(file["events"]["p"].member("fBasketSeek")[0])
    content[begin : begin + 200] = b"\xff" * 200
    path.write_bytes(content)


def without_tree(path: Path) -> None:
    with uproot.recreate(path) as file:
        file["other"] = {"x": np.zeros(3)}


def without_branch(path: Path) -> None:
    with uproot.open(path) as file:
        columns = file["events"].arrays(library="np")
    with uproot.recreate(path) as file:
        file["events"] = {name: values for name, values in columns.items() if name != "p"}


def with_text(path: Path) -> None:
    """Make a branch one of another type."""
    with uproot.open(path) as file:
        columns = file["events"].arrays(library="np")
    with uproot.recreate(path) as file:
        file["events"] = {**columns, "p": [f"{value}" for value in columns["p"]]}


def no_root_file(path: Path) -> None:
    path.write_text("mass,p\n1,2\n")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def link_to_nowhere(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("gone"))


FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a_truncated": (truncated, "truncated"),
    "b_damaged": (damaged, "the file is damaged"),
    "c_tree": (without_tree, "there is no tree 'events'"),
    "d_branch": (without_branch, "has no branch 'p'"),
    "e_type": (with_text, "holds"),
    "f_text": (no_root_file, "is no ROOT file"),
    "g_empty": (empty, "the file is empty"),
    "h_link": (link_to_nowhere, "where nothing is"),
}
"""What is done to a file of data, and the words that say so in the ledger."""


def test_ledger_says_of_every_fault_what_was_lost(own_analysis, columns):
    analysis = own_analysis()
    first = 10_000
    for name, (spoil, _) in FAULTS.items():
        spoil(analysis.write(f"data_{name}", columns(ROWS, seed=first, first=first)))
        first += ROWS
    analysis.write("data_i_zero", {name: values[:0] for name, values in columns(1).items()})
    good = analysis.write("data_j_good", columns(ROWS, seed=first, first=first))
    later = {}
    for name in ("k_replaced", "l_growing"):
        first += ROWS
        later[name] = analysis.write(f"data_{name}", columns(ROWS, seed=first, first=first))
    with pytest.raises(BumphuntError, match=r"data_a_truncated\.root"):
        analysis.make("process")

    def disturb(task: str, done: int, total: int) -> None:
        if task == "process" and (replaced := later.pop("k_replaced", None)) is not None:  # after the first chunk
            os.replace(good.with_name("data_j_copy"), replaced)  # noqa: PTH105
            with later["l_growing"].open("ab") as file:
                file.write(b"more")

    good.with_name("data_j_copy").write_bytes(good.read_bytes())
    job = prepare(load(analysis.path), analysis.folder / "results", allow_missing=True, progress=disturb)
    for step in up_to(job, "process"):
        step.run()
    rows = of(read(job.folder), "data")
    reasons = {Path(row["file"]).stem: row["reason"] for row in rows}
    for name, (_, words) in FAULTS.items():
        assert words in reasons[f"data_{name}"], name
    for name in ("k_replaced", "l_growing"):
        assert "has changed while it was read" in reasons[f"data_{name}"]
    assert reasons["data"] == reasons["data_j_good"] == reasons["data_i_zero"] == ""
    # every file once; the rows that are there are those that can be opened, and those that were read are the good ones
    assert len(rows) == len(reasons) == 4 + 1 + len(FAULTS)
    assert total(rows, "expected") == 2500 + 4 * ROWS
    assert total(rows, "processed") == 2500 + ROWS
    unknown = sum(row["expected"] == "" for row in rows)
    share = (2500 + ROWS) / (2500 + 4 * ROWS) * (len(rows) - unknown) / len(rows)
    assert total(rows, "luminosity_share") == pytest.approx(share, rel=1e-6)
    record = Path(job.folder / "process" / "samples.json").read_text()
    assert f'"rows": {2500 + ROWS}' in record


def test_luminosities_are_those_of_the_rows_that_were_read(own_analysis, columns):
    analysis = own_analysis()
    damaged(analysis.write("data_2", columns(ROWS, seed=5, first=20_000)))
    damaged(analysis.write("flat_2", columns(ROWS, seed=6, first=20_000)))
    results = analysis.make("spectra", allow_missing=True)
    with (results / "spectra" / "luminosity.csv").open() as file:
        rows = {row["sample"]: row for row in csv.DictReader(file)}
    for name, luminosity, good in (("data", 1.0, 2500), ("flat", 2.0, 5000)):
        assert int(rows[name]["rows_processed"]) == good
        assert int(rows[name]["rows_expected"]) == good + ROWS
        assert float(rows[name]["luminosity_expected"]) == luminosity
        expected = luminosity * good / (good + ROWS)
        assert float(rows[name]["luminosity_processed"]) == pytest.approx(expected, rel=1e-6)


def test_rows_of_a_kept_sample_stay_in_the_ledger(own_analysis, columns):
    analysis = own_analysis()
    before = read(analysis.make("process"))
    analysis.write("flat", columns(4000, seed=9))
    after = read(analysis.make("process"))
    assert of(after, "data") == of(before, "data")
    assert [int(row["processed"]) for row in of(after, "flat")] == [4000]


def parts_of(analysis: Any, results: Path, numbers: tuple[int, ...], of: int = 3, **how: Any) -> Any:
    for number in numbers:
        job = prepare(load(analysis.path), results, **how)
        process_part(job, Part(number=number, of=of))
    return job


def values(folder: Path) -> dict[str, str]:
    outputs = json.loads((folder / "process" / "provenance.json").read_text())["outputs"]
    return {name: output["content"] for name, output in outputs.items()}


def test_parts_make_up_the_whole_in_one_folder_and_in_several(own_analysis, columns):
    analysis = own_analysis()
    analysis.write("flat_2", columns(3000, seed=5, first=20_000))
    whole = analysis.make("process")
    together, last = analysis.folder / "together", analysis.folder / "last"
    job = parts_of(analysis, together, (3, 1))
    with pytest.raises(IncompleteError, match=r"of 7 chunks are not read, the first of .*run their parts again"):
        merge(job, ())
    parts_of(analysis, together, (2,))
    assert merge(job, ()).run()
    assert values(together) == values(whole)
    assert {path.name for path in together.iterdir()} == {"process"}
    # a part that was made elsewhere is brought
    parts_of(analysis, last, (3, 2))
    there = parts_of(analysis, analysis.folder / "first", (1,))
    assert merge(there, [last]).run()
    assert values(analysis.folder / "first") == values(whole)


def test_part_of_other_settings_is_refused(own_analysis):
    analysis = own_analysis()
    analysis.make("check")
    parts_of(analysis, analysis.folder / "one", (1, 2, 3), allow_missing=True)
    job = prepare(load(analysis.path), analysis.folder / "other")
    with pytest.raises(BumphuntError, match="was made with other settings, code or files"):
        merge(job, [analysis.folder / "one"])
    with pytest.raises(BumphuntError, match="there is no part there"):
        merge(job, [analysis.folder])


def test_parts_with_missing_rows_make_up_the_whole(own_analysis, columns):
    analysis = own_analysis()
    damaged(analysis.write("data_2", columns(3000, seed=5, first=20_000)))
    whole = analysis.make("process", allow_missing=True)
    job = parts_of(analysis, analysis.folder / "parts", (1, 2, 3), allow_missing=True)
    assert merge(job, ()).run()
    assert values(job.folder) == values(whole)
    assert sum("damaged" in row["reason"] for row in read(job.folder)) == 1
