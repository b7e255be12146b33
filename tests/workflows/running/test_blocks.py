"""Results on disk: what was finished is not done again, and what is read is what was written."""

from __future__ import annotations

import math
import os
import pickle
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import hist
import numpy as np
import pytest

from workflows.running.blocks import Blocks
from workflows.running.records import BrokenRecordError, read_record, write_record
from workflows.running.workers import in_order


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    name: str
    values: np.ndarray
    colours: tuple[Colour, ...] = ()


def kept(value: Any, types: tuple[type, ...] = (Row, Colour), root: Path = Path("/nowhere")) -> Any:
    file = BytesIO()
    write_record(file, value, types, root=root)
    file.seek(0)
    return read_record(file, types, root=root)


@pytest.mark.parametrize(
    "value",
    [None, True, 3, -7.25, math.inf, 0.1 + 0.2, "a ü 'b'", (), (1, (2,)), [1.5], {}, {"a": {3: 4.0}}, {False, True}],
)
def test_plain_values_come_back(value):
    assert kept(value) == value
    assert type(kept(value)) is type(value)


@pytest.mark.parametrize("dtype", ["f8", "f4", "i4", "u8", "?", "<U3", "i8"])
def test_arrays_come_back_bit_for_bit(dtype):
    values = np.arange(24).reshape(2, 3, 4).astype(dtype)
    for array in (values, values[:, ::2].T, values[:0], values[0, 0, 0]):
        found = kept(array)
        assert found.dtype == array.dtype
        assert found.shape == array.shape
        assert found.tobytes() == array.tobytes()


def test_nan_with_its_payload_and_numpy_numbers_come_back():
    value = np.array([0x7FF8000000000123], dtype=np.uint64).view(np.float64)
    assert kept(value).tobytes() == value.tobytes()
    assert isinstance(kept(value[0]), np.float64)


def test_histogram_comes_back_with_flow_and_axes():
    made = hist.Hist(
        hist.axis.StrCategory(["nominal", "up"], name="variation"),
        hist.axis.Integer(0, 2, name="half", flow=False),
        hist.axis.Variable([0.0, 0.1, 0.7], name="m", label="mass"),
        storage=hist.storage.Weight(),
    )
    rng = np.random.default_rng(1)
    made.fill("up", rng.integers(0, 2, 100), rng.normal(size=100), weight=rng.random(100))
    found = kept(made)
    assert found == made
    assert (found + made).view(flow=True).tobytes() == (made + made).view(flow=True).tobytes()
    assert [axis.label for axis in found.axes] == [axis.label for axis in made.axes]


def test_records_of_known_types_come_back_and_others_are_refused():
    row = Row(name="a", values=np.arange(3.0), colours=(Colour.RED,))
    found = kept({"rows": np.array([row, row], dtype=object)})["rows"]
    assert found.dtype == object
    assert found[1].name == "a"
    assert found[1].colours[0] is Colour.RED
    with pytest.raises(TypeError, match="Row is none of Colour"):
        kept(row, (Colour,))
    with pytest.raises(TypeError, match="object cannot be kept"):
        kept(object())


def test_file_of_another_type_or_with_a_pickle_runs_nothing(tmp_path):
    file = BytesIO()
    write_record(file, Row(name="a", values=np.arange(3.0)), (Row,), root=tmp_path)
    file.seek(0)
    with pytest.raises(BrokenRecordError):
        read_record(file, (Colour,), root=tmp_path)

    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "made"),)

    with pytest.raises(BrokenRecordError):
        read_record(BytesIO(pickle.dumps(Evil())), (Row,), root=tmp_path)
    assert not (tmp_path / "made").exists()


def counted(folder: Path, value: int) -> dict[str, Any]:
    """Leave a trace of the work, and return a value."""
    with (folder / f"{value}.calls").open("a") as file:
        file.write("x")
    return {"value": value, "root": np.sqrt(np.full(3, value))}


def calls(folder: Path) -> dict[str, int]:
    return {path.stem: len(path.read_text()) for path in sorted(folder.glob("*.calls"))}


@pytest.mark.parametrize("workers", [1, 2])
def test_only_what_is_missing_or_damaged_is_done_again(tmp_path, workers):
    blocks = Blocks(folder=tmp_path / "blocks")
    tasks = [blocks.kept(f"{value}", partial(counted, tmp_path, value)) for value in range(5)]
    with in_order(tasks[:3], workers=workers) as results:
        first = [found["value"] for found in results]
    assert first == [0, 1, 2]
    assert blocks.has("1")
    path = blocks.folder / "1.block"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    (blocks.folder / "2.block").write_bytes(b"")
    with in_order(tasks, workers=workers) as results:
        found = [(entry["value"], entry["root"].tobytes()) for entry in results]
    assert found == [(value, np.sqrt(np.full(3, value)).tobytes()) for value in range(5)]
    assert calls(tmp_path) == {"0": 1, "1": 2, "2": 2, "3": 1, "4": 1}


def written(path: Path) -> Path:
    with path.with_suffix(".calls").open("a") as file:
        file.write("x")
    path.write_text("content")
    return path


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_text("")])
def test_result_whose_file_is_gone_or_cut_is_made_again(tmp_path, damage):
    path = tmp_path / "events.txt"
    task = Blocks(folder=tmp_path / "blocks", root=tmp_path).kept("a", partial(written, path))
    assert task() == task() == path
    damage(path)
    assert task() == path
    assert path.read_text() == "content"
    assert calls(tmp_path) == {"events": 2}


def test_folder_with_its_files_may_move(tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    blocks = Blocks(folder=here / "blocks", root=here)
    blocks.kept("a", partial(written, here / "events.txt"))()
    here.rename(tmp_path / "there")
    there = tmp_path / "there"
    found = Blocks(folder=there / "blocks", root=there).kept("a", partial(written, there / "events.txt"))()
    assert found == there / "events.txt"
    assert calls(there) == {"events": 1}
