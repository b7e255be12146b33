"""Names, files and what is said about bad ones."""

import dataclasses
import math
import os
import signal
import string
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import uproot
from hypothesis import given
from hypothesis import strategies as st

from bumphunt.errors import InputError, NtupleError
from workflows.ntuples import files as ntuples
from workflows.ntuples.files import (
    Simulation,
    branch_name,
    escape,
    inspect,
    read_columns,
    read_simulation,
    unescape,
    write_tree,
)

COLUMNS = {"daughter(0, p)": np.arange(10, dtype=np.float32), "__event__": np.arange(10), "__weight__": np.ones(10)}
SIMULATION = Simulation(
    process="zprime",
    mass=2.0,
    coupling=0.1,
    cross_section=137.0,
    cross_section_error=0.5,
    generated=1000,
    luminosity=0.276,
    seed=3,
    sum_of_weights=37.8,
    effective_events=800.0,
)


@pytest.fixture
def sample(tmp_path):
    path = tmp_path / "sample.root"
    write_tree(path, [COLUMNS], simulation=lambda: SIMULATION)
    return path


def look(path, **kwargs):
    return inspect(path, **{"tree": "events", "variables": list(COLUMNS), "names": {}, **kwargs})


@pytest.mark.parametrize(
    ("variable", "branch"),
    [
        # as printed by basf2: its documentation of VariablesToNtuple and tests of makeROOTCompatible
        ("daughter(0, p)", "daughter__bo0__cm__spp__bc"),
        ("useCMSFrame(p)", "useCMSFrame__bop__bc"),
        ("extraInfo(SignalProbability)", "extraInfo__boSignalProbability__bc"),
        ("formula(px + py*2)", "formula__bopx__sp__pl__sppy__mu2__bc"),
        ("L1PSNM(ffo)", "L1PSNM__boffo__bc"),
        ("totalEnergyOfParticlesInList(gamma:roe)", "totalEnergyOfParticlesInList__bogamma__clroe__bc"),
        ("__weight__", "__weight__"),
        ("__production__", "__production__"),
    ],
)
def test_escaped_names_are_those_of_basf2(variable, branch):
    assert escape(variable) == branch
    assert unescape(branch) == variable


CHARACTERS = string.ascii_letters + string.digits + " ,:=<>.+-(){}[]`^$%!?;#*/\\'\"~|&@"


@given(st.text(CHARACTERS + "_", min_size=1).filter(lambda name: "__" not in name))
def test_escaping_is_undone(variable):
    branch = escape(variable)
    assert set(branch) <= set(string.ascii_letters + string.digits + "_")
    assert unescape(branch) == variable


def test_characters_without_substitution_are_dropped():
    assert escape("mass é") == "mass__sp"


def test_name_table_wins_over_escaped_name():
    assert branch_name("daughter(0, p)", {"daughter(0, p)": "mu1P"}) == "mu1P"
    assert branch_name("daughter(1, p)", {"daughter(0, p)": "mu1P"}) == "daughter__bo1__cm__spp__bc"


def test_written_columns_come_back(sample):
    info = look(sample)
    assert (info.kind, info.rows, info.clusters) == ("TTree", 10, (0, 10))
    assert set(info.variables) == set(COLUMNS)
    assert info.rows_per_cluster == 10
    back = read_columns(sample, tree="events", variables=list(COLUMNS), names={})
    for name, values in COLUMNS.items():
        assert back[name].dtype == values.dtype
        assert np.array_equal(back[name], values)
    part = read_columns(sample, tree="events", variables=["__event__"], names={}, start=3, stop=5)
    assert part["__event__"].tolist() == [3, 4]


def test_simulation_record_comes_back(sample):
    assert read_simulation(sample) == SIMULATION


def test_nan_of_a_background_record_comes_back(tmp_path):
    path = tmp_path / "mumu.root"
    write_tree(path, [COLUMNS], simulation=lambda: dataclasses.replace(SIMULATION, mass=math.nan, process="mumu"))
    assert math.isnan(read_simulation(path).mass)


def test_file_without_simulation_record_raises(tmp_path):
    path = tmp_path / "data.root"
    write_tree(path, [COLUMNS])
    with pytest.raises(NtupleError, match=r"data.root: there is no tree 'simulation'; there are 'events'"):
        read_simulation(path)


def test_foreign_simulation_tree_raises(tmp_path):
    path = tmp_path / "data.root"
    write_tree(path, [{"process": np.arange(2)}], tree="simulation")
    with pytest.raises(NtupleError, match="has 2 rows"):
        read_simulation(path)


def test_small_chunks_become_large_baskets(tmp_path):
    path = tmp_path / "many.root"
    chunk = {"x": np.zeros(30_000)}
    assert write_tree(path, (chunk for _ in range(9))) == 270_000
    assert look(path, variables=["x"]).clusters == (0, 120_000, 240_000, 270_000)


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


def test_missing_file_is_named(tmp_path):
    with pytest.raises(NtupleError, match=r"nowhere.root: there is no such file"):
        look(tmp_path / "nowhere.root")


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


def test_missing_branch_names_the_closest_and_the_way_out(sample):
    with pytest.raises(
        NtupleError,
        match=r"'daughter__bo1__cm__spp__bc'.*'daughter\(1, p\)'.*closest are 'daughter__bo0__cm__spp__bc'.*names",
    ):
        look(sample, variables=["daughter(1, p)"])


def test_missing_branch_of_the_name_table(sample):
    with pytest.raises(NtupleError, match=r"no branch 'mu1P' for the variable 'daughter\(0, p\)'"):
        look(sample, names={"daughter(0, p)": "mu1P"})


def test_branch_with_many_numbers_a_row_is_refused(tmp_path):
    path = tmp_path / "jagged.root"
    with uproot.recreate(path) as file:
        file.mktree("events", {"x": np.dtype(("f8", (2,)))}).extend({"x": np.ones((3, 2))})
    with pytest.raises(NtupleError, match=r"branch 'x' holds .*not one number a row"):
        look(path, variables=["x"])


def test_empty_tree_is_refused_unless_allowed(tmp_path):
    path = tmp_path / "empty.root"
    assert write_tree(path, [{"x": np.empty(0)}]) == 0
    with pytest.raises(NtupleError, match=r"empty.root: tree 'events' is empty"):
        look(path, variables=["x"])
    assert look(path, variables=["x"], allow_empty=True).clusters == (0,)
    assert read_columns(path, tree="events", variables=["x"], names={})["x"].size == 0


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
        with ntuples.open_tree(path, "events") as tree:
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


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, SystemExit])
def test_interrupted_writing_leaves_nothing(tmp_path, error):
    def chunks():
        yield {"x": np.zeros(150_000)}
        raise error

    with pytest.raises(error):
        write_tree(tmp_path / "a.root", chunks())
    assert list(tmp_path.iterdir()) == []


def test_interrupted_writing_leaves_the_older_file(sample):
    def chunks():
        yield {"x": np.zeros(5)}
        raise KeyboardInterrupt

    before = sample.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        write_tree(sample, chunks())
    assert sample.read_bytes() == before
    assert [p.name for p in sample.parent.iterdir()] == ["sample.root"]


def test_interrupt_from_the_keyboard_leaves_nothing(tmp_path):
    script = """
        import sys, time, pathlib, numpy as np
        from workflows.ntuples.files import write_tree
        def chunks():
            while True:
                yield {"x": np.zeros(100_000)}
                sys.stdout.write("chunk\\n"); sys.stdout.flush()
                time.sleep(0.01)
        write_tree(pathlib.Path(sys.argv[1]) / "a.root", chunks())
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        process.stdout.readline()
        assert any(tmp_path.iterdir())
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode != 0
    assert list(tmp_path.iterdir()) == []


def test_no_chunk_raises(tmp_path):
    with pytest.raises(InputError, match="no chunk"):
        write_tree(tmp_path / "a.root", [])
    assert list(tmp_path.iterdir()) == []


def test_chunk_with_other_variables_raises(tmp_path):
    with pytest.raises(InputError, match="the first one has"):
        write_tree(tmp_path / "a.root", [{"x": np.zeros(3)}, {"y": np.zeros(3)}])


def test_chunk_with_unequal_columns_raises(tmp_path):
    with pytest.raises(InputError, match="equally long"):
        write_tree(tmp_path / "a.root", [{"x": np.zeros(3), "y": np.zeros(4)}])


def test_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "a.root").mkdir()
    with pytest.raises(NtupleError, match=r"a.root: cannot be written"):
        write_tree(tmp_path / "a.root", [{"x": np.zeros(3)}])
    assert [p.name for p in tmp_path.iterdir()] == ["a.root"]
