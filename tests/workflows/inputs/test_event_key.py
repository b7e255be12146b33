"""What tells events apart is said in the YAML: two private jobs count from 1, other experiments have fewer columns."""

from __future__ import annotations

import numpy as np
import pytest
import uproot

from bumphunt.errors import ConfigError, NtupleError
from workflows.products.processed import read_processed
from workflows.reading import read

WITH_FILE = ["file", "production", "experiment", "run", "event"]


def cutflows(analysis):
    done = read_processed(analysis.make("process") / "process", data_luminosity=1.0)
    return {name: flow.raw.tolist() for name, flow in done.cutflows["all"].items()}


@pytest.fixture
def two_jobs(own_analysis, columns):
    """A background of two jobs that count their events alike, and the same events of one job."""
    jobs, one = own_analysis(), own_analysis()
    first, second = columns(3000, seed=2), columns(2000, seed=3)
    jobs.write("flat", first)
    jobs.write("flat_job2", second)
    later = second | {"__event__": second["__event__"] + 3000}
    one.write("flat", {name: np.concatenate([first[name], later[name]]) for name in first})
    return jobs, one


def test_equal_numbers_in_two_files_name_the_way_out(two_jobs):
    jobs, _ = two_jobs
    with pytest.raises(
        NtupleError, match=r"flat_job2\.root.*repeats entry .*alike, say so: ntuples: {key: \[file, pro"
    ):
        jobs.make("process")


@pytest.mark.parametrize("chunk_size", [37, 200_000])
def test_file_in_the_key_tells_jobs_apart(two_jobs, monkeypatch, chunk_size):
    monkeypatch.setitem(read.read_samples.__kwdefaults__, "chunk_size", chunk_size)
    jobs, one = two_jobs
    jobs.content["ntuples"] = {"key": WITH_FILE}
    assert cutflows(jobs) == cutflows(one)


def test_row_that_is_twice_in_a_file_is_found_all_the_same(two_jobs, monkeypatch):
    monkeypatch.setitem(read.read_samples.__kwdefaults__, "chunk_size", 500)
    jobs, _ = two_jobs
    jobs.content["ntuples"] = {"key": WITH_FILE}
    content = jobs.content["samples"]["flat"]
    c = {
        "p": np.full(1600, 2.0), "tracks": np.full(1600, 2), "photons": np.full(1600, 3), "good": np.ones(1600),
        "tight": np.ones(1600), "mass": np.linspace(1, 9, 1600), "__weight__": np.ones(1600),
        "__event__": np.arange(1600) % 1500,
    } | {f"__{name}__": np.zeros(1600) for name in ("production", "experiment", "run", "candidate")}  # fmt: skip
    jobs.write("twice", c)
    content["files"] = ["n/flat.root", "n/twice.root"]
    with pytest.raises(
        NtupleError, match=r"twice\.root.*entry 1\d+ repeats entry \d+ \(file 1, production 0, .*\); every row"
    ) as error:
        jobs.make("process")
    assert "alike" not in str(error.value)


def test_parts_that_are_left_out_need_no_branch(own_analysis):
    whole, short = own_analysis(), own_analysis()
    for path in (short.folder / "n").glob("*.root"):
        c = {name: values for name, values in read_all(path).items() if name not in ("__production__", "__run__")}
        short.write(path.stem, c)
    short.content["ntuples"] = {"key": ["experiment", "event"]}
    assert cutflows(short) == cutflows(whole)


def read_all(path):
    with uproot.open(path) as file:
        return file["events"].arrays(library="np")


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (["file", "run"], r"key = \[file, run\]; want event and what else"),
        (["run", "run", "event"], "each once"),
        (["run", "entry"], r"key = \[run, entry\]: the entries of each file count from 0; want \[file, entry\]"),
    ],
)
def test_key_must_hold_the_event_and_known_parts(own_analysis, key, words):
    analysis = own_analysis()
    analysis.content["ntuples"] = {"key": key}
    with pytest.raises(ConfigError, match=words):
        analysis.make("check")
