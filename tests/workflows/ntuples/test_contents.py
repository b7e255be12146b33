"""Columns that come back, and what is said about those that are missing."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import awkward as ak
import numpy as np
import pytest
import uproot

from bumphunt.errors import NtupleError
from workflows.ntuples import contents
from workflows.ntuples.branches import escape
from workflows.ntuples.contents import inspect, is_list, read_columns
from workflows.ntuples.entry_ranges import entry_ranges, no_entries, read_entries
from workflows.ntuples.writing import write_tree

COLUMNS = {"daughter(0, p)": np.arange(10, dtype=np.float32), "__event__": np.arange(10), "__weight__": np.ones(10)}


def look(path, **kwargs):
    return inspect(path, **{"tree": "events", "variables": list(COLUMNS), "names": {}, **kwargs})


def test_written_columns_come_back(sample):
    info = look(sample)
    assert (info.kind, info.rows, info.clusters) == ("TTree", 10, (0, 10))
    assert info.rows_per_cluster == 10
    back = read_columns(sample, tree="events", variables=list(COLUMNS), names={})
    for name, values in COLUMNS.items():
        assert back[name].dtype == values.dtype
        assert np.array_equal(back[name], values)
    part = read_columns(sample, tree="events", variables=["__event__"], names={}, start=3, stop=5)
    assert part["__event__"].tolist() == [3, 4]


def test_rntuple_is_read(tmp_path):
    path = tmp_path / "new.root"
    with uproot.recreate(path) as file:
        writer = file.mkrntuple("events", {escape(k): v.dtype for k, v in COLUMNS.items()})
        writer.extend({escape(k): v for k, v in COLUMNS.items()})
        writer.extend({escape(k): v for k, v in COLUMNS.items()})
    info = look(path)
    assert (info.kind, info.rows, info.clusters) == ("RNTuple", 20, (0, 10, 20))
    back = read_columns(path, tree="events", variables=list(COLUMNS), names={}, start=5, stop=15)
    assert back["__event__"].tolist() == [*range(5, 10), *range(5)]


def test_name_table_is_used_in_reading(tmp_path):
    path = tmp_path / "babar.root"
    write_tree(path, [{"mu1P": np.arange(3.0)}])
    names = {"daughter(0, p)": "mu1P"}
    assert look(path, variables=["daughter(0, p)"], names=names).rows == 3
    back = read_columns(path, tree="events", variables=["daughter(0, p)"], names=names)
    assert back["daughter(0, p)"].tolist() == [0, 1, 2]


def test_missing_branch_names_the_closest_and_the_way_out(sample):
    with pytest.raises(
        NtupleError,
        match=r"'daughter__bo1__cm__spp__bc'.*'daughter\(1, p\)'.*closest are 'daughter__bo0__cm__spp__bc'.*names",
    ):
        look(sample, variables=["daughter(1, p)"])


def test_missing_branch_of_the_name_table(sample):
    with pytest.raises(NtupleError, match=r"no branch 'mu1P' for the variable 'daughter\(0, p\)'"):
        look(sample, names={"daughter(0, p)": "mu1P"})


def test_all_missing_branches_are_named_at_once(sample: Path):
    with pytest.raises(
        NtupleError,
        match=r"no branch 'daughter__bo1__cm__spp__bc' for the variable 'daughter\(1, p\)' \(closest are .*\);"
        r" nor 'nTracks' for the variable 'nTracks'; if they have other names, say so under ntuples\.names",
    ):
        inspect(sample, tree="events", variables=["daughter(1, p)", "__event__", "nTracks"], names={})


def test_branch_with_many_numbers_a_row_is_refused(tmp_path):
    path = tmp_path / "jagged.root"
    with uproot.recreate(path) as file:
        file.mktree("events", {"x": np.dtype(("f8", (2,)))}).extend({"x": np.ones((3, 2))})
    with pytest.raises(NtupleError, match=r"branch 'x' holds .*not one number a row"):
        look(path, variables=["x"])


STRUCTURE = ak.Array({"s": [{"a": 1.0, "b": 2}], "text": ["x"], "many": [[1.0, 2.0]], "x": [1.5], "flag": [True]})


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("s", "not one number a row .fields of a structure are not read: write each as a field of its own"),
        ("s.a", "holds double, not one number a row .fields of a structure are not read"),
        ("text", "holds std::string, not one number a row$"),
        ("many", r"holds .*vector<double>, not one number a row \(a list of numbers: `jagged=True`"),
    ],
)
def test_field_of_an_rntuple_that_is_no_number_is_refused(tmp_path, field, words):
    path = tmp_path / "structure.root"
    with uproot.recreate(path) as file:
        file.mkrntuple("events", STRUCTURE)
    with pytest.raises(NtupleError, match=words):
        look(path, variables=["v"], names={"v": field})
    assert look(path, variables=["x", "flag"]).rows == 1


KINDS = {
    "event": ("Event", uproot.interpretation.grouped.AsGrouped(None, {})),
    "event/name": ("TString", uproot.AsStrings()),
    "event/energy": ("double", uproot.AsDtype(">f8")),
    "leaves": ("struct {double x; int32_t y;}", uproot.AsDtype([("x", ">f8"), ("y", ">i4")])),
    "packed": ("Double32_t", uproot.interpretation.numerical.AsDouble32(0.0, 1.0, 20)),
    "vector": ("TVector2", uproot.interpretation.identify.UnknownInterpretation("none", "b.root", "vector")),
}


class Tree:
    """What uproot says of a TTree of ROOT with a class, a list of leaves and packed numbers, which it cannot write."""

    classname, num_entries = "TTree", 5

    def typenames(self):
        return {name: kind for name, (kind, _) in KINDS.items()}

    def __getitem__(self, branch):
        baskets = {"num_baskets": 1, "uncompressed_bytes": 40, "num_entries": 5, "entry_offsets": [0, 5]}
        return SimpleNamespace(interpretation=KINDS[branch][1], **baskets)

    def common_entry_offsets(self, filter_name):
        return [0, 5]


@pytest.mark.parametrize(
    ("branch", "words"),
    [
        (
            "event",
            r"holds Event, not one number .*\(name one of its parts under ntuples.names, such as 'event/energy'",
        ),
        ("event/name", "holds TString, not one number a row$"),
        ("leaves", r"holds struct .*a list of leaves is not read: write each as a branch of its own"),
        ("vector", "holds TVector2, not one number a row$"),
    ],
)
def test_branch_is_judged_by_how_it_would_be_read(monkeypatch, branch, words):
    monkeypatch.setattr(contents, "open_tree", lambda *_: nullcontext(Tree()))
    monkeypatch.setattr(contents, "state_of", lambda _: ())
    with pytest.raises(NtupleError, match=words):
        look(Path("a.root"), variables=["v"], names={"v": branch})
    assert look(Path("a.root"), variables=["event/energy", "packed"], names={"event/energy": "event/energy"}).rows == 5


@pytest.mark.parametrize("writer", ["mktree", "mkrntuple"])
def test_empty_tree_has_no_rows_and_its_columns_can_be_read(tmp_path, writer):
    path = tmp_path / "empty.root"
    with uproot.recreate(path) as file:
        getattr(file, writer)("events", {"x": np.dtype("f8")})
    info = look(path, variables=["x"])
    assert (info.rows, info.rows_per_cluster) == (0, 0)
    assert list(entry_ranges(info, 100)) == []
    assert read_columns(path, tree="events", variables=["x"], names={})["x"].size == 0
    where = no_entries(info)
    assert (where.file, where.start, where.stop) == (str(path), 0, 0)
    assert read_entries(where, ["x"])["x"].size == 0


@pytest.mark.parametrize(
    ("typename", "read"),
    [
        ("std::vector<float>", True),
        ("ROOT::VecOps::RVec<std::int32_t>", True),
        ("std::vector<std::string>", False),
        ("std::vector<std::vector<float>>", False),
        ("float", False),
    ],
)
def test_lists_of_numbers_of_an_rntuple_are_known_by_their_type(typename, read):
    class Source:
        cluster_summaries = ()

        def typenames(self):
            return {"x": typename}

    assert is_list(Source(), "x") == read


def test_tree_that_says_fewer_rows_than_its_branches_is_damaged(tmp_path):
    """A header without rows is how rows are lost without a word: written in place, it has no checksum."""
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        file.mktree("events", {"x": np.dtype("f8")}).extend({"x": np.arange(1234.0)})
    content = path.read_bytes()
    path.write_bytes(content.replace((1234).to_bytes(8, "big"), bytes(8), 1))  # the first is that of the tree
    with pytest.raises(NtupleError, match=r"tree 'events' has 0 rows, but branch 'x' 1234: the file is damaged"):
        inspect(path, tree="events", variables=["x"], names={})
