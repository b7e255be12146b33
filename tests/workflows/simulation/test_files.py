"""Samples as files: the same for any number of workers, all or none."""

import math
import os
import signal
import subprocess
import sys
import textwrap
import time
from functools import partial

import numpy as np
import pytest
import uproot

from bumphunt.errors import BumphuntError, InputError
from bumphunt.kinematics.momenta import BEAMS
from bumphunt.montecarlo.detector.presets import BELLE2
from bumphunt.montecarlo.processes.registry import PROCESSES
from workflows.ntuples.contents import inspect, read_columns
from workflows.ntuples.simulation_record import read_simulation
from workflows.simulation import files as stage
from workflows.simulation.files import simulate
from workflows.simulation.plan import DrawnSample, SampleSpec, SimulationPlan

SIGNAL = DrawnSample(process=PROCESSES["zprime"], parameters={"mass": 2.0, "coupling": 1.0})
KEY = ("__experiment__", "__run__", "__production__", "__event__", "__candidate__")


def plan(**kwargs):
    arguments = {
        "beams": BEAMS["belle2"],
        "detector": BELLE2,
        "seed": 5,
        "luminosity": 0.002,
        "samples": (
            SampleSpec(name="mumu", process=PROCESSES["mumu"], n=25_000),
            SampleSpec(
                name="zprime_2.0", process=PROCESSES["zprime"], n=3000, parameters={"mass": 2.0, "coupling": 0.1}
            ),
        ),
        "pseudodata": (
            DrawnSample(process=PROCESSES["mumu"]),
            DrawnSample(process=PROCESSES["tautau"], yield_factor=0.65),
        ),
        "injected": (SIGNAL,),
    }
    return SimulationPlan(**(arguments | kwargs))


def branches(path):
    """Return all branches of a simulated file, by their names in it."""
    with uproot.open(path) as file:
        return file["events"].arrays(library="np")


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(stage, "CHUNK", 10_000)


@pytest.mark.usefixtures("small_chunks")
def test_files_do_not_depend_on_the_number_of_workers(tmp_path):
    for workers in (1, 2):
        simulate(plan(), tmp_path / str(workers), workers=workers)
    for name in ("mumu", "zprime_2.0", "pseudodata"):
        one, two = (tmp_path / str(workers) / f"{name}.root" for workers in (1, 2))
        first, second = (branches(path) for path in (one, two))
        assert all(np.array_equal(first[k], second[k], equal_nan=True) for k in first)
        assert first["__event__"].size > 0


@pytest.mark.usefixtures("small_chunks")
def test_what_is_written_is_what_is_reported(tmp_path):
    steps = []
    files = simulate(plan(), tmp_path, progress=lambda *step: steps.append(step))
    assert [file.name for file in files] == ["mumu", "zprime_2.0", "pseudodata"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mumu.root", "pseudodata.root", "zprime_2.0.root"]
    for file in files:
        assert inspect(file.path, tree="events", variables=[], names={}).rows == file.rows
        record, reported = read_simulation(file.path), file.simulation
        assert (record.process, record.generated, record.seed) == (reported.process, reported.generated, 5)
    assert [step[:2] for step in steps[:4]] == [
        ("mumu", 10_000),
        ("mumu", 20_000),
        ("mumu", 25_000),
        ("zprime_2.0", 3000),
    ]
    assert all(done <= total for _, done, total in steps)
    assert steps[-1][1] == steps[-1][2]
    muons, signal_, data = (file.simulation for file in files)
    assert muons.sum_of_weights == pytest.approx(muons.cross_section * 0.002)
    assert muons.cross_section == pytest.approx(1.148e6, abs=0.03 * 1.148e6 + 4 * muons.cross_section_error)
    assert math.isnan(muons.mass)
    assert (signal_.mass, signal_.coupling) == (2.0, 0.1)
    assert 0 < signal_.effective_events <= 3000
    assert data.process == "pseudodata"
    assert math.isnan(data.cross_section)


@pytest.mark.usefixtures("small_chunks")
def test_no_row_is_repeated_in_a_file(tmp_path):
    for file in simulate(plan(), tmp_path):
        keys = np.stack(list(read_columns(file.path, tree="events", variables=KEY, names={}).values()), axis=1)
        assert np.unique(keys, axis=0).shape == keys.shape


@pytest.mark.usefixtures("small_chunks")
def test_pseudo_data_have_the_expected_number_of_events(tmp_path):
    background, *_ = [simulate(plan(samples=(), injected=()), tmp_path / "a")]
    data = background[0]
    expected = 0.002 * (1.148e6 + 0.65 * 0.919e6)
    assert data.drawn == pytest.approx(expected, abs=5 * np.sqrt(expected) + 0.04 * expected)
    assert 0 <= data.repeated < data.rows
    weight = read_columns(data.path, tree="events", variables=["__weight__"], names={})["__weight__"]
    assert np.all(weight == 1)
    signals = (DrawnSample(process=PROCESSES["zprime"], parameters={"mass": 2.0, "coupling": 10.0}),)
    injected = simulate(plan(samples=(), injected=signals), tmp_path / "b")[0]
    # 347 fb at 2 GeV and g' = 0.1 without radiation, half of it invisible
    extra = 0.002 * 347.0 * 1e4 * 0.5
    assert injected.drawn - data.drawn == pytest.approx(extra, abs=5 * np.sqrt(extra) + 0.1 * extra)


def test_no_pseudo_data_asked_for_is_no_file(tmp_path):
    files = simulate(plan(pseudodata=(), samples=plan().samples[1:]), tmp_path)
    assert [file.name for file in files] == ["zprime_2.0"]


@pytest.mark.parametrize("workers", [1, 2])
def test_error_in_a_generator_leaves_nothing(tmp_path, workers):
    beyond = SampleSpec(name="beyond", process=PROCESSES["zprime"], n=1000, parameters={"mass": 11.0, "coupling": 0.1})
    with pytest.raises(InputError):
        simulate(plan(samples=(plan().samples[1], beyond), pseudodata=()), tmp_path, workers=workers)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("small_chunks")
def test_interrupt_keeps_the_older_files(tmp_path):
    simulate(plan(pseudodata=()), tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def progress(name, done, total):
        if name == "zprime_2.0":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(plan(seed=6, pseudodata=()), tmp_path, progress=progress)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_interrupt_from_the_keyboard_with_workers_leaves_nothing(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(
        textwrap.dedent("""
        import sys, pathlib
        from bumphunt.kinematics.momenta import BEAMS
        from bumphunt.montecarlo.detector.presets import BELLE2
        from bumphunt.montecarlo.processes.registry import PROCESSES
        from workflows.simulation.files import simulate
        from workflows.simulation.plan import SampleSpec, SimulationPlan
        def tell(*step):
            sys.stdout.write("step\\n"); sys.stdout.flush()
        if __name__ == "__main__":
            sample = SampleSpec(name="mumu", process=PROCESSES["mumu"], n=100_000_000)
            plan = SimulationPlan(beams=BEAMS["belle2"], detector=BELLE2, seed=1, luminosity=1.0, samples=(sample,))
            simulate(plan, pathlib.Path(sys.argv[1]), workers=2, progress=tell)
        """)
    )
    out = tmp_path / "out"
    with subprocess.Popen(
        [sys.executable, str(script), str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        started = time.monotonic()
        _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert b"KeyboardInterrupt" in errors
    assert time.monotonic() - started < 30
    assert list(out.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"luminosity": 0.0}, "luminosity = 0.0 fb"),
        ({"luminosity": float("inf")}, "luminosity = inf"),
        ({"seed": -1}, "seed = -1"),
        ({"samples": (SampleSpec(name="a", process=PROCESSES["mumu"], n=1),) * 2}, "'a' is used twice"),
        ({"samples": (SampleSpec(name="pseudodata", process=PROCESSES["mumu"], n=1),)}, "'pseudodata' is used twice"),
    ],
)
def test_impossible_plan_raises(change, words):
    with pytest.raises(InputError, match=words):
        plan(**change)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"n": 0}, "n = 0"), ({"name": "../x"}, "no name for a file")],
)
def test_impossible_sample_raises(change, words):
    with pytest.raises(InputError, match=words):
        SampleSpec(**({"name": "mumu", "process": PROCESSES["mumu"], "n": 10} | change))


def test_negative_yield_factor_raises(tmp_path):
    with pytest.raises(InputError, match="yield factor = -1"):
        simulate(plan(samples=(), pseudodata=(DrawnSample(process=PROCESSES["mumu"], yield_factor=-1.0),)), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_death_of_a_worker_is_said_and_leaves_nothing(tmp_path, monkeypatch):
    task = (partial(os._exit, 3),)
    dying = stage._File(name="mumu", full_name="mumu", events=1, tasks=task, sample=plan().samples[0], there=False)
    monkeypatch.setattr(stage, "_files", lambda *_: [dying])
    with pytest.raises(BumphuntError, match="one of 2 worker processes died"):
        simulate(plan(), tmp_path, workers=2)
    assert list(tmp_path.iterdir()) == []


def test_no_workers_raises(tmp_path):
    with pytest.raises(InputError, match="workers = 0"):
        simulate(plan(), tmp_path, workers=0)
