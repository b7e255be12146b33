"""What files may lack, what is assumed then and said by `check`, and what else may tell events and candidates apart."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import uproot

from bumphunt.errors import ConfigError, NtupleError
from workflows.products.processed import read_processed
from workflows.reading import read

KEY = ("__production__", "__experiment__", "__run__", "__candidate__", "__weight__")


def columns(path):
    with uproot.open(path) as file:
        return file["events"].arrays(library="np")


def drop(analysis, *names):
    """Write all files of an analysis again without some columns."""
    for path in (analysis.folder / "n").glob("*.root"):
        analysis.write(path.stem, {name: values for name, values in columns(path).items() if name not in names})


def cutflows(analysis):
    done = read_processed(analysis.make("process") / "process", data_luminosity=1.0)
    return {name: flow.raw.tolist() for name, flow in done.cutflows["all"].items()}


def test_every_column_of_the_key_has_a_default_and_check_says_so(own_analysis, said):
    whole, bare = own_analysis(), own_analysis()
    drop(bare, *KEY)
    text = said(bare)
    for name, value in zip(KEY, "00001", strict=True):
        assert f"and 5 more files have no {name}: it is taken for {value}; if it has another name" in text
    with (bare.folder / "results" / "check" / "inputs.csv").open() as file:
        assumed = {row["assumed"] for row in csv.DictReader(file)}
    assert assumed == {
        "__production__ = 0, __experiment__ = 0, __run__ = 0, __candidate__ = 0, __weight__ = 1",
    }
    assert cutflows(bare) == cutflows(whole)


def test_what_a_constant_says_is_assumed_without_a_word(own_analysis, said):
    analysis = own_analysis()
    drop(analysis, "__experiment__", "photons")
    analysis.content["ntuples"] = {"constants": {"__experiment__": 7, "photons": 3}}
    assert "__experiment__" not in said(analysis)
    assert "__experiment__ = 7, photons = 3" in (analysis.folder / "results" / "check" / "inputs.csv").read_text()
    balance = cutflows(analysis)["data"][2]
    passing = columns(analysis.folder / "n" / "data.root")
    assert balance == np.count_nonzero((passing["p"] > 0.4) & (passing["tracks"] - 3 < 0.5))


def test_constant_that_nothing_reads_is_said(own_analysis, said):
    analysis = own_analysis()
    analysis.content["ntuples"] = {"constants": {"photns": 3}}
    assert "ntuples.constants: nothing in the regions of this analysis reads 'photns'; did you mean 'photons'?" in said(
        analysis
    )


def test_weights_of_simulation_may_be_a_constant(own_analysis):
    whole, light = own_analysis(), own_analysis()
    drop(light, "__weight__")
    for path in (light.folder / "n").glob("data*.root"):
        light.write(path.stem, columns(path) | {"__weight__": np.ones(2500)})
    light.content["ntuples"] = {"constants": {"__weight__": 0.5}}
    found = [read_processed(a.make("process") / "process", data_luminosity=1.0) for a in (whole, light)]
    sums = [done.cutflows["all"]["flat"].sum_w for done in found]
    np.testing.assert_allclose(sums[1], 0.5 * sums[0], rtol=1e-12)


def test_runs_of_data_have_no_default_where_good_runs_are_listed(own_analysis):
    analysis = own_analysis()
    drop(analysis, "__run__")
    (analysis.folder / "runs.csv").write_text("experiment,run,luminosity\n7,3,1.0\n")
    analysis.content["data"] = {"files": ["n/data*.root"], "pseudo": True, "good_runs": "runs.csv"}
    with pytest.raises(NtupleError, match=r"data\.root.*no branch '__run__'"):
        analysis.make("check")


def test_branch_of_the_name_table_has_no_default(own_analysis):
    analysis = own_analysis()
    analysis.content["ntuples"] = {"names": {"__weight__": "wight"}}
    with pytest.raises(
        NtupleError, match=r"no branch 'wight' for the variable '__weight__' \(closest are .*'__weight__'"
    ):
        analysis.make("check")


@pytest.mark.parametrize("verb", ["check", "process"])
def test_all_missing_branches_of_all_files_are_named_at_once(own_analysis, verb):
    analysis = own_analysis()
    for path in (analysis.folder / "n").glob("*.root"):
        gone = ("good", "tight") if path.stem == "flat" else ("photons",)
        left = {name: values for name, values in columns(path).items() if name not in gone}
        analysis.write(path.stem, left | ({"fotons": left["p"]} if path.stem != "flat" else {}))
    with pytest.raises(NtupleError) as error:
        analysis.make(verb)
    text = str(error.value)
    assert "flat.root: tree 'events' has no branch 'good' for the variable 'good'; nor 'tight'" in text
    assert "data.root, " in text
    assert (
        "and 3 more files: tree 'events' has no branch 'photons' for the variable 'photons' (closest are 'fot" in text
    )
    assert "; if they have other names, say so under ntuples.names" in text


def two_candidates(analysis):
    """Write data whose events 0 to 999 have two rows each, with nothing that numbers these."""
    one = columns(analysis.folder / "n" / "data.root")
    again = np.sort(np.append(np.arange(2500), np.arange(1000)))
    analysis.write("data", {name: values[again] for name, values in one.items()})
    return np.append(False, again[1:] == again[:-1])


def test_rows_of_an_event_that_nothing_numbers_name_the_way_out(own_analysis):
    analysis = own_analysis()
    two_candidates(analysis)
    drop(analysis, "__candidate__")
    with pytest.raises(
        NtupleError, match=r"repeats entry.*no '__candidate__', so that each row is an event: name what"
    ):
        analysis.make("process")


@pytest.mark.parametrize("chunk_size", [397, 200_000])
def test_candidates_are_told_apart_by_what_the_analysis_says(own_analysis, monkeypatch, chunk_size):
    """The second candidate of an event is that of another candidate on the other side."""
    monkeypatch.setitem(read.read_samples.__kwdefaults__, "chunk_size", chunk_size)
    analysis, plain = own_analysis(), own_analysis()
    second = two_candidates(analysis).astype(np.int32)
    for one in (analysis, plain):
        for path in (one.folder / "n").glob("*.root"):
            c = columns(path)
            number = second if c["p"].size == second.size else np.zeros(c["p"].size, np.int32)
            one.write(path.stem, c | {"__signalSideCandidate__": number})
    analysis.content["ntuples"] = {
        "candidate_key": ["candidate", "__signalSideCandidate__"],
        "candidates": {"best": "lowest", "variable": "photons"},
    }
    assert cutflows(analysis)["data"][-1] == cutflows(plain)["data"][-1]
    assert cutflows(analysis)["data"][0] == 3500


@pytest.mark.parametrize("chunk_size", [397, 200_000])
def test_each_row_may_be_an_event(own_analysis, monkeypatch, chunk_size):
    monkeypatch.setitem(read.read_samples.__kwdefaults__, "chunk_size", chunk_size)
    whole, flat = own_analysis(), own_analysis()
    drop(flat, *KEY, "__event__")
    flat.content["ntuples"] = {"key": ["file", "entry"]}
    assert cutflows(flat) == cutflows(whole)


@pytest.mark.parametrize("chunk_size", [397, 200_000])
def test_events_of_another_experiment_have_other_numbers(own_analysis, monkeypatch, chunk_size):
    monkeypatch.setitem(read.read_samples.__kwdefaults__, "chunk_size", chunk_size)
    whole, babar = own_analysis(), own_analysis()
    for path in (babar.folder / "n").glob("*.root"):
        c = columns(path)
        event = c.pop("__event__")
        babar.write(path.stem, c | {"upperID": event // 50, "lowerID": event % 50})
    babar.content["ntuples"] = {"key": ["upperID", "lowerID"]}
    assert cutflows(babar) == cutflows(whole)
    babar.content["ntuples"] = {"key": ["upperID"]}
    with pytest.raises(NtupleError, match=r"repeats entry .* \(upperID \d+, production 0"):
        babar.make("process")


@pytest.mark.parametrize("chunk_size", [397, 200_000])
def test_candidates_are_counted_where_nobody_has(own_analysis, monkeypatch, chunk_size):
    """A search that reads the number of candidates has it, across chunks and in `check` too."""
    monkeypatch.setitem(read.read_samples.__kwdefaults__, "chunk_size", chunk_size)
    analysis = own_analysis()
    second = two_candidates(analysis).astype(np.int32)
    analysis.write("data", columns(analysis.folder / "n" / "data.root") | {"__candidate__": second})
    search = analysis.folder / "peak.py"
    text = search.read_text().replace('"photons", "good"', '"photons", "__ncandidates__", "good"')
    text = text.replace('"m": columns["mass"],', '"m": columns["mass"], "n": 1.0 * columns["__ncandidates__"],')
    text = text.replace(
        "cuts=(", 'cuts=(\n            Cut(name="alone", observable="n", equals=1, description="", source=""),'
    )
    search.write_text(text)
    flow = cutflows(analysis)["data"]
    assert flow[:2] == [3500, 1500]
    assert "__ncandidates__ = counted" in (analysis.make("check") / "check" / "inputs.csv").read_text()


@pytest.mark.parametrize(
    ("ntuples", "words"),
    [
        ({"constants": {"__event__": 1}}, r"__event__ cannot be the same for all rows.*key: \[file, entry\]"),
        ({"constants": {"x": True}}, "True is no number"),
        ({"candidate_key": ["candidate", "candidate"]}, "want each part once"),
        ({"key": ["file"]}, "want event and what else"),
    ],
)
def test_keys_that_cannot_be_are_refused(own_analysis, ntuples, words):
    analysis = own_analysis()
    analysis.content["ntuples"] = ntuples
    with pytest.raises(ConfigError, match=words):
        analysis.make("check")


def test_candidate_numbers_beyond_what_fits_are_refused(own_analysis):
    analysis = own_analysis()
    for path in (analysis.folder / "n").glob("*.root"):
        c = columns(path)
        analysis.write(path.stem, c | {"side": np.full(c["p"].size, -1)})
    analysis.content["ntuples"] = {"candidate_key": ["candidate", "side"]}
    with pytest.raises(NtupleError, match=r"side = -1; as a part of __candidate__ and side it must be from 0 to"):
        analysis.make("check")
