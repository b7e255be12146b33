"""Chunks of samples and of pseudo-data."""

import dataclasses

import numpy as np
import pytest

from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import BEAMS
from bumphunt.montecarlo.conditions import Conditions, production_number
from bumphunt.montecarlo.detector.candidates import CANDIDATES
from bumphunt.montecarlo.detector.presets import BELLE2
from bumphunt.montecarlo.processes.registry import PROCESSES
from bumphunt.montecarlo.simulation import draw_chunk, simulate_chunk

SIGNAL = {"mass": 2.0, "coupling": 0.1}
PARAMETERS = {"mumu": {}, "tautau": {}, "eemumu": {}, "zprime": SIGNAL}
CONDITIONS = Conditions(beams=BEAMS["belle2"], detector=BELLE2, seed=1)


def chunk(process="mumu", parameters=None, *, seed=1, candidate=CANDIDATES["dimuon"], **kwargs):
    conditions = dataclasses.replace(CONDITIONS, seed=seed, candidate=candidate)
    given = PARAMETERS.get(process, {}) if parameters is None else parameters
    numbers = {"n": 3000, "chunk": 0, "luminosity": 0.276, "total": 3000}
    return simulate_chunk(PROCESSES[process], given, conditions, **(numbers | kwargs))


def draw(process="mumu", parameters=None, *, candidate=CANDIDATES["dimuon"], **kwargs):
    conditions = dataclasses.replace(CONDITIONS, candidate=candidate)
    given = PARAMETERS.get(process, {}) if parameters is None else parameters
    return draw_chunk(PROCESSES[process], given, conditions, **({"n": 3000, "chunk": 0, "scale": 1e-7} | kwargs))


def same(first, second):
    return first.keys() == second.keys() and all(np.array_equal(first[k], second[k], equal_nan=True) for k in first)


@pytest.mark.parametrize("process", PARAMETERS)
def test_chunk_is_reproducible_and_chunks_differ(process):
    first, again, other, third = (chunk(process, **k) for k in ({}, {}, {"chunk": 1}, {"seed": 2}))
    assert same(first.columns, again.columns)
    assert first.sum_weights == again.sum_weights
    assert not same(first.columns, other.columns)
    assert not same(first.columns, third.columns)


@pytest.mark.parametrize("process", PARAMETERS)
def test_weighted_and_drawn_rows_have_the_same_layout(process):
    layouts = [{k: v.dtype for k, v in c.columns.items()} for c in (chunk(process), draw(process))]
    assert layouts[0] == layouts[1]
    assert list(layouts[0]) == list(layouts[1])


def test_weights_scale_with_luminosity_and_sample_size():
    base = chunk()
    assert chunk(luminosity=2.76).columns["__weight__"] == pytest.approx(10 * base.columns["__weight__"])
    assert chunk(total=6000).columns["__weight__"] == pytest.approx(base.columns["__weight__"] / 2)


def test_event_numbers_go_on_from_chunk_to_chunk():
    events = chunk(first_event=100_000, chunk=1).columns["__event__"]
    assert events.min() >= 200_000
    assert events.max() < 206_000


def test_rows_are_numbered_without_repetition():
    columns = chunk("tautau").columns
    keys = set(zip(columns["__event__"].tolist(), columns["__candidate__"].tolist(), strict=True))
    assert len(keys) == columns["__event__"].size


def test_rows_carry_the_production_number_of_their_process():
    assert np.all(chunk().columns["__production__"] == production_number("mumu", {}))


def test_drawn_events_have_unit_weight_and_carry_no_truth():
    columns = draw(scale=1e-6).columns
    assert np.all(columns["__weight__"] == 1)
    assert np.all(columns["__production__"] == 0)
    assert np.all(columns["__event__"] >= 0)


def test_drawn_yield_agrees_with_the_weights():
    luminosity, n = 0.276, 40_000
    weighted = chunk(n=n, luminosity=luminosity, total=n)
    drawn = draw("mumu", n=n, scale=luminosity * 0.1 / n)
    w = weighted.columns["__weight__"][weighted.columns["L1PSNM(ffo)"] == 1]
    k = np.count_nonzero(drawn.columns["L1PSNM(ffo)"] == 1)
    assert k == pytest.approx(0.1 * w.sum(), abs=5 * np.sqrt(0.1 * w.sum() + 0.01 * np.sum(w**2)))


def test_chunk_of_another_final_state():
    photons = CANDIDATES["three_photons"]
    alp = {"mass": 3.0, "coupling": 1e-3}
    weighted = chunk("alp_diphoton", parameters=alp, candidate=photons)
    drawn = draw("alp_diphoton", parameters=alp, candidate=photons, scale=1e-2)
    assert same(weighted.columns, chunk("alp_diphoton", parameters=alp, candidate=photons).columns)
    assert weighted.row_weights == pytest.approx(weighted.columns["__weight__"].sum())
    assert weighted.row_weights_squared == pytest.approx(np.sum(weighted.columns["__weight__"] ** 2))
    for columns in (weighted.columns, drawn.columns):
        assert columns["daughter(2, E)"].size > 0
        assert "daughter(0, p)" not in columns


@pytest.mark.parametrize("change", [{"n": 0}, {"luminosity": 0.0}, {"luminosity": float("nan")}, {"total": 10}])
def test_impossible_chunk_raises(change):
    with pytest.raises(InputError):
        chunk(**change)


@pytest.mark.parametrize("name", ["emu", "photon", "photon_dimuon"])
def test_chunks_hold_the_candidate_asked_for(name):
    candidate = CANDIDATES[name]
    weighted, drawn = chunk(candidate=candidate).columns, draw(candidate=candidate).columns
    assert {k: v.dtype for k, v in weighted.items()} == {k: v.dtype for k, v in drawn.items()}
    assert (f"daughter({len(candidate.kinds)}, clusterTiming)" in weighted) == (candidate.n_photons > 0)
    assert ("daughter(0, p)" in weighted) == bool(candidate.kinds)
