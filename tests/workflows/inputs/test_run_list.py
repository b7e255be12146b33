"""Good runs, their luminosities and prescales; generated candidates of a signal."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
import yaml

from bumphunt.errors import ConfigError
from workflows.config.file import load
from workflows.products.processed import read_processed
from workflows.reading.run_list import read_run_list, run_numbers

RUNS = (3, 4, 5, 6)
"""Runs of the data, with as many rows each."""
LISTED = [(7, 3, 0.2, 1), (7, 4, 0.3, 10), (7, 6, 0.4, 1), (7, 9, 0.1, 1)]
"""Run 5 is bad, and run 9 has no row."""
SEEN = 0.2 + 0.03 + 0.4


def csv_of(rows, names="experiment,run,luminosity,prescale"):
    return "\n".join([names, *(",".join(map(str, row)) for row in rows)]) + "\n"


@pytest.fixture
def of_runs(own_analysis, columns):
    """Return what makes an analysis whose data are of four runs, three of them good."""

    def make(text=None, name="runs.csv"):
        analysis = own_analysis()
        data = columns(2500)
        data["__run__"] = np.sort(np.resize(RUNS, 2500)).astype(np.int32)
        analysis.write("data", data)
        (analysis.folder / name).write_text(csv_of(LISTED) if text is None else text)
        del analysis.content["data"]["luminosity"]
        analysis.content["data"]["good_runs"] = name
        return analysis, data

    return make


def processed_of(analysis):
    job = load(analysis.path)
    return read_processed(analysis.folder / "results" / "process", data_luminosity=job.about.luminosity, factors={})


def test_rows_of_other_runs_are_left_out_and_luminosity_is_that_of_runs_with_rows(of_runs, caplog):
    analysis, data = of_runs()
    with caplog.at_level(logging.WARNING):
        analysis.make("process")
    found = processed_of(analysis)
    good = data["__run__"] != 5
    balance = data["tracks"].astype(int) - data["photons"]
    passing = good & (data["p"] > 0.4) & (balance < 0.5) & (data["good"].astype(int) + data["tight"] > 1.5)
    assert found.cutflows["all"]["data"].raw[[0, -1]].tolist() == [good.sum(), passing.sum()]
    assert found.luminosity("all") == pytest.approx(SEEN, rel=1e-12)
    assert found.complete
    text = caplog.text
    assert "runs.csv: 625 of 2500 rows of 'data' are of 1 runs that are not in the list, 7/5: they are left out" in text
    assert "1 of 4 runs have no row in 'data', with 0.1 of 0.73 fb^-1, 7/9: it is not counted: are all files" in text


def test_runs_are_those_of_the_file_where_they_are_not_in_the_key_of_an_event(of_runs):
    analysis, data = of_runs()
    analysis.content["ntuples"] = {"key": ["file", "event"]}
    analysis.make("process")
    assert processed_of(analysis).cutflows["all"]["data"].raw[0] == np.count_nonzero(data["__run__"] != 5)


def test_limits_are_those_of_the_good_rows_at_their_luminosity(of_runs, own_analysis):
    analysis, data = of_runs()
    ours = analysis.limits()
    plain = own_analysis()
    plain.write("data", {name: values[data["__run__"] != 5] for name, values in data.items()})
    plain.content["data"]["luminosity"] = SEEN
    theirs = plain.limits()
    for one, other in zip(ours, theirs, strict=True):
        assert float(one["xsec_ul_obs"]) == pytest.approx(float(other["xsec_ul_obs"]), rel=1e-9)
        assert float(one["n_bkg"]) == pytest.approx(float(other["n_bkg"]), rel=1e-9)


def test_list_without_luminosities_goes_with_that_of_the_yaml(of_runs):
    analysis, _ = of_runs(csv_of([row[:2] for row in LISTED], "experiment,run"))
    analysis.content["data"]["luminosity"] = 0.5
    analysis.make("process")
    assert processed_of(analysis).luminosity("all") == 0.5


def test_json_says_the_same(tmp_path):
    rows = [dict(zip(("experiment", "run", "luminosity", "prescale"), row, strict=True)) for row in LISTED]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    (tmp_path / "a.csv").write_text(csv_of(reversed(LISTED)))
    one, other = (read_run_list(tmp_path / name) for name in ("a.json", "a.csv"))
    assert one.digest == other.digest
    assert one.luminosity == pytest.approx(0.73)
    assert one.good(run_numbers(np.array([7, 7, 6]), np.array([3, 5, 3]))).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"first line names no column 'experiment', but nothing"),
        ("experiment,run\n", r"there is no run in it; want columns experiment, run"),
        ("experiment,runs\n7,3\n", r"first line names no column 'run', but experiment, runs"),
        ("experiment,run,lumi\n7,3,1\n", r"line 2: column 'lumi'"),
        ("experiment,run\n7,x\n", r"line 2: run = 'x'; want a whole number"),
        ("experiment,run\n7,-3\n", r"line 2: run = '-3'; want a whole number"),
        ("experiment,run\n7,3\n7,3\n", r"line 3: the run 7/3 stands twice"),
        ("experiment,run,luminosity\n7,3,1\n7,4,\n", r"line 3: luminosity = ''; want a positive number"),
        ("experiment,run,luminosity\n7,3,\n7,4,1\n", r"line 3: has a luminosity, which line 2 has not"),
        ("experiment,run,luminosity\n7,3,-1\n", r"line 2: luminosity = '-1'; want a positive number"),
        ("experiment,run,luminosity,prescale\n7,3,1,0.5\n", r"line 2: prescale = 0.5; .*1 or more"),
    ],
)
def test_wrong_lists_are_refused_with_line_and_value(of_runs, text, message):
    analysis, _ = of_runs(text)
    with pytest.raises(ConfigError, match=rf"data\.good_runs: .*runs\.csv: .*{message}"):
        analysis.make("check")


@pytest.mark.parametrize("text", ["{}", "[1]", "nothing"])
def test_json_that_is_no_list_of_runs_is_refused(of_runs, text):
    analysis, _ = of_runs(text, "runs.json")
    with pytest.raises(ConfigError, match=r"runs\.json: is no list of runs"):
        analysis.make("check")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"good_runs": "nowhere.csv"}, r"nowhere\.csv: there is no such file"),
        ({"luminosity": 1.0}, r"data\.luminosity: 1 fb\^-1, but data\.good_runs has luminosities too, 0\.73 fb\^-1"),
        ({"good_runs": None}, r"data\.luminosity: say it \[fb\^-1\]; the sample"),
        ({"files": [], "simulate": {}}, r"'good_runs' are those of 'files'"),
    ],
)
def test_luminosity_is_said_once(of_runs, change, message):
    analysis, _ = of_runs()
    analysis.content["data"] |= change
    analysis.path.write_text(yaml.safe_dump(analysis.content))
    with pytest.raises(ConfigError, match=message):
        load(analysis.path)


def test_events_of_other_candidates_of_a_signal_are_counted_apart(own_analysis, columns):
    """A quarter of the rows is another candidate, at a mass of its own: neither efficiency nor shape sees it."""
    analysis, plain = own_analysis(), own_analysis()
    for mass in (2, 4, 6, 8):
        signal = columns(500, seed=mass, mass=float(mass))
        other = np.arange(500) % 4 == 0
        wrong = np.where(other, signal["mass"] + 0.3, signal["mass"])
        analysis.write(f"signal_{mass}", signal | {"mass": wrong, "isSignal": (~other).astype(np.int32)})
        plain.write(f"signal_{mass}", {name: values[~other] for name, values in signal.items()})
    analysis.content["signal"]["truth"] = "isSignal"
    assert analysis.limits() == plain.limits()
    flows = processed_of(analysis).cutflows["all"]
    steps = flows["data"].steps
    first, last = steps.index("one candidate"), steps.index("generated candidate")
    before, after = flows["zprime_4"].raw[[first, last]]
    assert 0.6 * before < after < 0.9 * before
    assert flows["data"].raw[first] == flows["data"].raw[last]


def test_candidate_is_chosen_before_it_is_asked_whether_it_is_the_generated_one(own_analysis, columns):
    """An event with a second candidate is rejected in the data, and so in the signal, whichever of them is right."""
    analysis = own_analysis()
    signal = columns(500, seed=4, mass=4.0)
    twice = {name: np.repeat(values, 2) for name, values in signal.items()}
    twice["__candidate__"] = np.tile([0, 1], 500).astype(np.int32)
    analysis.write("signal_4", twice | {"isSignal": np.tile([1, 0], 500).astype(np.int32)})
    for mass in (2, 6, 8):
        analysis.write(
            f"signal_{mass}", columns(500, seed=mass, mass=float(mass)) | {"isSignal": np.ones(500, np.int32)}
        )
    analysis.content["signal"]["truth"] = "isSignal"
    analysis.make("process")
    assert processed_of(analysis).cutflows["all"]["zprime_4"].raw[-1] == 0
