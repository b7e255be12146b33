"""All candidates of an event as entries: three pairings of three photons."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import yaml

from bumphunt.errors import ConfigError, InputError
from selections.events import ALL
from workflows.config.file import load
from workflows.reading.search_processor import search_processor
from workflows.results import read_table

PAIRINGS = 3


def pairings(columns, n, *, seed, mass=None, apart=True):
    """Three rows an event; in a signal one of them is at its mass, else all are anywhere or within 40 MeV."""
    one = columns(n, seed=seed)
    found = {name: np.repeat(values, PAIRINGS) for name, values in one.items()}
    found["__candidate__"] = np.tile(np.arange(PAIRINGS, dtype=np.int32), n)
    rng = np.random.default_rng(seed)
    masses = rng.uniform(0.5, 9.5, (n, PAIRINGS))
    if not apart:
        masses = masses[:, :1] + rng.uniform(0.0, 0.04, (n, PAIRINGS))
    if mass is not None:
        masses[:, 0] = rng.normal(mass, 0.04, n)
    found["mass"] = masses.ravel()
    found["isSignal"] = np.tile(np.arange(PAIRINGS) == 0, n).astype(np.float64)
    for name in ("p", "tracks", "photons"):
        found[name][:] = {"p": 1.0, "tracks": 2, "photons": 4}[name]
    found["good"][:] = found["tight"][:] = True
    return found


@pytest.fixture
def photons(own_analysis, columns):
    """An analysis that keeps all candidates: in the data and in the background, three to an event."""
    own = own_analysis()
    own.write("data", pairings(columns, 800, seed=1))
    own.write("flat", pairings(columns, 1600, seed=2))
    for mass in (2.0, 4.0, 6.0, 8.0):
        own.write(f"signal_{mass:g}", pairings(columns, 300, seed=int(mass), mass=mass))
    own.content["ntuples"] = {"candidates": "all"}
    own.content["search"]["step"] = 100
    own.content["signal"]["truth"] = "isSignal"
    return own


def test_every_candidate_is_an_entry(photons):
    results = photons.make("limits")
    with (results / "process" / "cutflow.csv").open() as file:
        rows = {(row["sample"], row["step"]): int(row["raw"]) for row in csv.DictReader(file)}
    assert rows["data", "all candidates"] == rows["data", "all rows"] == 2400
    assert rows["zprime_2", "generated candidate"] == 300
    table = read_table(results / "limits", "limits")
    assert list(table)[-1] == "overdispersion"
    np.testing.assert_allclose(table["efficiency"], 300 / 700, rtol=1e-9)
    # three entries anywhere are hardly ever in one window
    assert np.all(table["overdispersion"] < 1.1)
    widths = table["window_hi"] - table["window_lo"]
    assert np.sum(table["n_bkg"]) == pytest.approx(0.5 * 4800 / 9.0 * np.sum(widths), rel=0.2)


def test_entries_of_one_event_in_one_window_are_measured_and_flagged(photons, columns):
    photons.write("flat", pairings(columns, 1600, seed=2, apart=False))
    table = read_table(photons.make("limits") / "limits", "limits")
    # three entries within 40 MeV in a window of 160 MeV: nearly all events have three or none there
    assert np.median(table["overdispersion"]) == pytest.approx(2.8, abs=0.2)
    assert all("overdispersed" in flags.split(";") for flags in table["flags"])
    photons.content["ntuples"] = {"candidates": {"best": "highest", "variable": "p"}}
    alone = read_table(photons.make("limits") / "limits", "limits")
    assert "overdispersion" not in alone
    assert np.mean(alone["n_bkg"]) == pytest.approx(np.mean(table["n_bkg"]) / 3, rel=0.1)


def test_data_say_it_without_samples_and_nothing_does_where_they_are_blinded(photons, columns):
    photons.write("data", pairings(columns, 8000, seed=1, apart=False))
    photons.content["samples"] = {}
    photons.content["fit"] = {"method": "smooth", "limit": "asymptotic", "significance": "asymptotic"}
    table = read_table(photons.make("limits") / "limits", "limits")
    assert np.median(table["overdispersion"]) == pytest.approx(2.8, abs=0.2)
    photons.content["data"]["pseudo"] = False
    table = read_table(photons.make("limits") / "limits", "limits")
    assert np.isnan(table["overdispersion"]).all()


def test_results_do_not_depend_on_chunks(photons, monkeypatch):
    whole = read_table(photons.make("limits") / "limits", "limits")
    monkeypatch.setattr("workflows.reading.read.CHUNK_SIZE", 1001)
    (photons.folder / "results").rename(photons.folder / "before")
    parts = read_table(photons.make("limits") / "limits", "limits")
    for name in ("n_obs", "n_bkg", "overdispersion"):
        np.testing.assert_array_equal(parts[name], whole[name])


def test_more_than_an_entry_an_event_needs_the_truth(photons):
    del photons.content["signal"]["truth"]
    for point in photons.content["signal"]["points"]:
        point["generated"] = 400
    with pytest.raises(InputError, match=r"2.25 entries are selected of each generated event.*'signal.truth'"):
        photons.make("scan")


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        ("fit: {method: templates, slices: {observable: p, edges: [0, 1, 2]}}", "fit.slices: with ntuples.candidates"),
        ("optimise: {variables: {p: {low: 0, high: 1}}}", "optimise: with ntuples.candidates: all"),
        ("ntuples: {candidates: every}", "ntuples.candidates"),
    ],
)
def test_what_does_not_know_events_is_refused(photons, edit, says):
    photons.content |= yaml.safe_load(edit)
    photons.path.write_text(yaml.safe_dump(photons.content))
    with pytest.raises(ConfigError, match=says):
        load(photons.path)


def test_the_processor_of_a_search_keeps_them_too():
    assert search_processor("alp-invisible", regions=["babar"], rule=ALL).rule.every
