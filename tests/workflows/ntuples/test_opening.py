"""What is said about files that cannot be read."""

import os

import numpy as np
import pytest
import uproot

from bumphunt.errors import NtupleError
from workflows.ntuples.contents import inspect, read_columns
from workflows.ntuples.opening import open_tree, reading
from workflows.ntuples.writing import write_tree


def look(path, *, tree="events", variables=("__event__",)):
    return inspect(path, tree=tree, variables=variables, names={})


def test_missing_file_is_named(tmp_path):
    with pytest.raises(NtupleError, match=r"nowhere.root: there is no such file"):
        look(tmp_path / "nowhere.root")


def test_link_that_leads_nowhere_is_named(tmp_path):
    (tmp_path / "data.root").symlink_to("gone.root")
    with pytest.raises(NtupleError, match=r"data.root: is a link to gone.root, where nothing is"):
        look(tmp_path / "data.root")


def test_name_that_cannot_be_opened_is_not_called_damaged(tmp_path):
    path = tmp_path / "a::b.root"
    write_tree(path.with_name("c.root"), [{"x": np.arange(3.0)}])
    path.with_name("c.root").rename(path)
    with pytest.raises(NtupleError, match=r"a::b.root: a name with '::' cannot be opened; rename it"):
        look(path, variables=["x"])


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ImportError("install xxhash"), r"a Python package is missing \(ImportError: install xxhash\)"),
        (
            NotImplementedError("memberwise"),
            r"in a way that is not supported \(NotImplementedError: memberwise",
        ),
        (OSError(5, "Input/output error"), r"the disk or the network gave an error: try again \(OSError"),
        (ValueError("bad"), r"the file is damaged \(ValueError: bad\)"),
    ],
)
def test_only_a_damaged_file_is_called_damaged(sample, error, words):
    with (
        pytest.raises(NtupleError, match=rf"sample.root: tree 'events' cannot be read, .*{words}"),
        reading(sample, "events"),
    ):
        raise error


def test_folder_in_place_of_a_file_is_named(tmp_path):
    with pytest.raises(NtupleError, match=r"cannot be read"):
        look(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "empty"), (b"mass,counts\n1,2\n" * 9, "no ROOT file"), (b"root", "no ROOT file")]
)
def test_file_that_is_no_root_file_is_named(tmp_path, content, words):
    path = tmp_path / "other.root"
    path.write_bytes(content)
    with pytest.raises(NtupleError, match=words):
        look(path)


def test_missing_tree_lists_those_that_are_there(sample):
    with pytest.raises(NtupleError, match=r"sample.root: there is no tree 'ntuple'; there are 'events', 'simulation'"):
        look(sample, tree="ntuple")


def test_file_without_any_tree(tmp_path):
    path = tmp_path / "histogram.root"
    with uproot.recreate(path) as file:
        file["h"] = np.histogram([1.0, 2.0])
    with pytest.raises(NtupleError, match="no tree at all"):
        look(path)


@pytest.mark.parametrize("writer", ["mktree", "mkrntuple"])
@pytest.mark.parametrize("fraction", [0.0001, 0.01, 0.3, 0.9, 0.9999])
def test_truncated_file_is_named(tmp_path, writer, fraction):
    path = tmp_path / "cut.root"
    with uproot.recreate(path) as file:
        getattr(file, writer)("events", {"x": np.dtype("f8")}).extend({"x": np.random.default_rng(1).random(20_000)})
    content = path.read_bytes()
    path.write_bytes(content[: max(int(len(content) * fraction), 20)])
    with pytest.raises(NtupleError, match=r"cut.root: truncated, \d+ bytes of \d+"):
        look(path, variables=["x"])


def test_file_cut_while_it_is_read_is_named(tmp_path):
    path = tmp_path / "cut.root"
    write_tree(path, [{"x": np.random.default_rng(1).random(300_000)}])

    def read():
        with open_tree(path, "events") as tree:
            os.truncate(path, path.stat().st_size // 2)
            tree["x"].array(library="np")

    with pytest.raises(NtupleError, match=r"cut.root: truncated"):
        read()


def test_damaged_basket_is_named(tmp_path):
    path = tmp_path / "damaged.root"
    write_tree(path, [{"x": np.zeros(200_000)}])
    content = bytearray(path.read_bytes())
    with uproot.open(path) as file:
        begin = int(file["events"]["x"].member("fBasketSeek")[0])
    content[begin : begin + 200] = b"\xff" * 200
    path.write_bytes(content)
    with pytest.raises(NtupleError, match=r"damaged.root: tree 'events' cannot be read, the file is damaged"):
        read_columns(path, tree="events", variables=["x"], names={})
