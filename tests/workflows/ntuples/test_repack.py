"""Repacking: the same rows in fewer baskets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from numpy.typing import NDArray

from bumphunt.errors import InputError, NtupleError
from workflows.ntuples import repack
from workflows.ntuples.contents import NtupleInfo, inspect
from workflows.ntuples.simulation_record import Simulation, read_simulation, write_simulation
from workflows.ntuples.writing import write_tree


def content(rows: int = 60_000) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(5)
    return {
        "x": rng.normal(size=rows),
        "f": np.where(rng.random(rows) < 0.1, np.nan, 1.0).astype(np.float32),
        "i": rng.integers(-9, 9, rows).astype(np.int32),
        "l": rng.integers(0, 2**60, rows),
        "u": rng.integers(0, 9, rows).astype(np.uint8),
        "b": rng.random(rows) < 0.5,
    }


@pytest.fixture
def tiny(tmp_path: Path, simulation: Simulation) -> Path:
    """A file with baskets of 200 rows, as basf2 writes them."""
    c = content()
    with uproot.recreate(tmp_path / "tiny.root") as file:
        tree = file.mktree("events", {name: values.dtype for name, values in c.items()})
        for start in range(0, len(c["x"]), 200):
            tree.extend({name: values[start : start + 200] for name, values in c.items()})
        write_simulation(file, simulation)
        file["note"] = "kept elsewhere"
    return tmp_path / "tiny.root"


def look(path: Path) -> NtupleInfo:
    return inspect(path, tree="events", variables=["x", "i"], names={})


def test_copy_has_the_same_rows_and_types_in_large_baskets(tmp_path: Path, tiny: Path, simulation: Simulation) -> None:
    target = tmp_path / "new" / "large.root"
    reported: list[tuple[int, int]] = []
    done = repack.repack(tiny, target, progress=lambda *args: reported.append(args))
    with uproot.open(target) as file:
        for name, values in content().items():
            copied = file["events"][name].array(library="np")
            assert copied.dtype == values.dtype
            np.testing.assert_array_equal(copied, values)
    assert read_simulation(target) == simulation
    assert done.rows == 60_000
    assert done.branches == 6
    assert done.left_out == ("note",)
    assert done.basket_bytes_before < 1600 < 100_000 < done.basket_bytes_after
    assert reported[-1] == (60_000, 60_000)
    assert [path.name for path in target.parent.iterdir()] == ["large.root"]


def test_chunks_keep_the_order(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repack, "CHUNK_BYTES", 1)  # the least number of rows
    repack.repack(tiny, tmp_path / "large.root")
    with uproot.open(tmp_path / "large.root") as file:
        assert file["events"]["x"].num_baskets == -(-60_000 // repack.LEAST_ROWS)
        np.testing.assert_array_equal(file["events"]["l"].array(library="np"), content()["l"])


def test_small_baskets_are_noticed_and_large_ones_are_not(tmp_path: Path, tiny: Path) -> None:
    advice = repack.packing_advice(look(tiny))
    assert advice is not None
    # 200 rows of 8 and of 4 bytes, with a header
    assert 1200 < float(advice.split("hold ")[1].split()[0]) < 1300
    assert f"bumphunt repack {tiny} " in advice
    repack.repack(tiny, tmp_path / "large.root")
    assert repack.packing_advice(look(tmp_path / "large.root")) is None
    write_tree(tmp_path / "few.root", [{name: values[:200] for name, values in content().items()}])
    assert repack.packing_advice(look(tmp_path / "few.root")) is None


def test_rntuple_has_no_baskets_to_complain_about(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mkrntuple("events", content())
    assert repack.packing_advice(look(tmp_path / "a.root")) is None
    with pytest.raises(NtupleError, match="is an RNTuple"):
        repack.repack(tmp_path / "a.root", tmp_path / "b.root")


def test_branch_that_is_no_number_a_row_is_named_or_left_out_on_request(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mktree("events", {"x": "float64", "jagged": "var * float64", "fixed": "3 * float64"})
        jagged = ak.Array([[1.0], [2.0, 3.0]])
        file["events"].extend({"x": np.ones(2), "jagged": jagged, "fixed": np.zeros((2, 3))})
    with pytest.raises(InputError, match=r"'jagged', 'fixed' do not hold one number a row"):
        repack.repack(tmp_path / "a.root", tmp_path / "b.root")
    assert not (tmp_path / "b.root").exists()
    done = repack.repack(tmp_path / "a.root", tmp_path / "b.root", skip=True)
    assert done.left_out == ("jagged", "fixed")
    with uproot.open(tmp_path / "b.root") as file:
        assert "x" in file["events"].keys()  # noqa: SIM118


def test_existing_target_is_not_touched(tmp_path: Path, tiny: Path) -> None:
    before = tiny.read_bytes()
    with pytest.raises(InputError, match=r"tiny\.root: is there already"):
        repack.repack(tiny, tiny)
    assert tiny.read_bytes() == before


def test_interrupt_leaves_nothing(tmp_path: Path, tiny: Path) -> None:
    def interrupt(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        repack.repack(tiny, tmp_path / "new" / "large.root", progress=interrupt)
    assert list((tmp_path / "new").iterdir()) == []


def test_truncated_source_raises_and_leaves_nothing(tmp_path: Path, tiny: Path) -> None:
    tiny.write_bytes(tiny.read_bytes()[:-1000])
    with pytest.raises(NtupleError, match="truncated"):
        repack.repack(tiny, tmp_path / "new" / "large.root")
    assert list((tmp_path / "new").iterdir()) == []
