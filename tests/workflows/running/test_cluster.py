"""Work by a real Dask scheduler with two workers on loopback: the same results, also when a worker dies."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from bumphunt.errors import BumphuntError, InputError
from bumphunt.spectrum.axis import ascending_edges
from workflows import cli
from workflows.chain import prepare, up_to
from workflows.config.file import load
from workflows.inputs.reading import reading
from workflows.reading.read import read_samples
from workflows.results import PROVENANCE
from workflows.running import cluster
from workflows.running.workers import Scheduler, in_order

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


@dataclass
class Dask:
    """A scheduler and its workers, each a process."""

    address: str
    processes: list[subprocess.Popen[bytes]]

    @property
    def where(self) -> Scheduler:
        return Scheduler(address=self.address)

    def add_worker(self, folder: Path) -> None:
        """Start another worker of one thread."""
        options = ("--nthreads", "1", "--no-nanny", "--local-directory", str(folder / "dask"))
        self.processes.append(start("dask_worker", self.address, *options))


def start(module: str, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", f"distributed.cli.{module}", *arguments]
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextmanager
def started(folder: Path) -> Iterator[Dask]:
    """Yield a scheduler with two workers of one thread."""
    file = folder / "scheduler.json"
    processes = [start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))]
    try:
        deadline = time.monotonic() + 60
        while not (file.exists() and file.read_text().endswith("}")) and time.monotonic() < deadline:
            time.sleep(0.05)
        dask = Dask(json.loads(file.read_text())["address"], processes)
        for _ in range(2):
            dask.add_worker(folder)
        yield dask
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def steady(tmp_path_factory) -> Iterator[Dask]:
    """Yield a scheduler of which nothing is killed."""
    with started(tmp_path_factory.mktemp("dask")) as dask:
        yield dask


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[Dask]:
    """Yield a scheduler of which something may be killed."""
    with started(tmp_path) as dask:
        yield dask


def test_results_come_in_order_and_errors_as_they_were_raised(steady):
    with in_order([partial(math.sqrt, n) for n in range(30)], workers=steady.where) as results:
        assert list(results) == [math.sqrt(n) for n in range(30)]
    tasks = [partial(math.sqrt, 4), partial(ascending_edges, [1.0])]
    with in_order(tasks, workers=steady.where) as results:
        assert next(results) == 2
        with pytest.raises(InputError, match="edges"):
            next(results)


def test_other_code_is_refused(steady, monkeypatch):
    monkeypatch.setattr(cluster, "code_digest", lambda: "another one")
    with (
        pytest.raises(BumphuntError, match="runs other code of bumphunt"),
        in_order([partial(math.sqrt, 4)], workers=steady.where) as results,
    ):
        list(results)


def test_tasks_of_a_worker_that_dies_are_done_by_the_other(dask):
    with in_order([partial(time.sleep, 0.1)] * 20, workers=dask.where) as results:
        next(results)
        dask.processes[1].kill()
        assert list(results) == [None] * 19


def test_run_without_a_worker_says_so_and_goes_on_with_the_next(dask, monkeypatch, caplog, tmp_path):
    monkeypatch.setattr(cluster, "NOTICE", 0.2)
    with in_order([partial(time.sleep, 0.1)] * 4, workers=dask.where) as results:
        next(results)
        for worker in dask.processes[1:]:
            worker.kill()
            worker.wait()
        threading.Timer(1.0, dask.add_worker, [tmp_path]).start()
        assert list(results) == [None] * 3
    assert "the scheduler has no worker; work goes on when it has one" in caplog.text


def test_scheduler_that_dies_is_said(dask):
    def work() -> None:
        with in_order([partial(time.sleep, 0.1)] * 50, workers=dask.where) as results:
            next(results)
            dask.processes[0].kill()
            list(results)

    with pytest.raises(BumphuntError, match="the scheduler is gone; what is finished is kept"):
        work()


def test_scheduler_that_does_not_answer_is_said_within_seconds():
    begin = time.monotonic()
    with (
        pytest.raises(BumphuntError, match=r"127\.0\.0\.1:9: no Dask scheduler answers there"),
        in_order([partial(math.sqrt, 4)], workers=Scheduler(address="tcp://127.0.0.1:9")) as results,
    ):
        list(results)
    assert time.monotonic() - begin < 20


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (["--executor", "dask", "--scheduler", "tcp://127.0.0.1:9"], 2, "tcp://127.0.0.1:9: no Dask scheduler answers"),
        (["--executor", "dask", "--scheduler", "nonsense://x"], 2, "nonsense://x: no Dask scheduler answers"),
        (["--executor", "dask"], 2, "go together"),
        (["--scheduler", "tcp://127.0.0.1:9"], 2, "go together"),
        (["--executor", "dask", "--scheduler", "tcp://127.0.0.1:9", "--workers", "2"], 2, "has its own"),
        (["--part", "4/3"], 2, "part 4/3: parts go from 1/3 to 3/3"),
        (["--part", "three"], 2, "part 'three': say which of how many, such as 3/20"),
    ],
)
def test_wrong_options_are_answered_before_work_begins(own_analysis, monkeypatch, capsys, options, status, words):
    analysis = own_analysis()
    analysis.path.write_text("channel: none of the searches")
    monkeypatch.setattr(sys, "argv", ["bumphunt", "process", str(analysis.path), *options])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == status
    assert words in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_search_by_a_scheduler_that_loses_a_worker_is_that_of_one_process(dask, own_analysis, columns):
    """From ntuples to limits, with a classifier-free optimisation: all values of all stages, bit for bit."""
    analysis = own_analysis()
    for number in range(6):
        analysis.write(f"flat_{number}", columns(3000, seed=10 + number, first=10_000 * (number + 1)))
    analysis.content["fit"] = {"method": "smooth", "background": {"family": "chebyshev", "order": 1}}
    analysis.content["search"]["step"] = 10
    alone = analysis.make("limits")

    def kill_one(task: str, done: int, total: int) -> None:
        if task == "process" and 0 < done < total and dask.processes[1].poll() is None:
            dask.processes[1].kill()

    job = prepare(load(analysis.path), analysis.folder / "dask", workers=dask.where, progress=kill_one)
    for step in up_to(job, "limits"):
        step.run()
    assert dask.processes[1].wait() != 0
    for stage in ("process", "spectra", "scan", "limits"):
        records = [json.loads((folder / stage / PROVENANCE).read_text()) for folder in (alone, job.folder)]
        assert records[0]["content"] == records[1]["content"], stage


def test_executor_of_coffea_runs_the_processor_on_the_same_scheduler(steady, own_analysis):
    from coffea.processor import DaskExecutor
    from distributed import Client

    analysis = own_analysis()
    analysis.make("check")
    setup, inputs = load(analysis.path).reading, prepare(load(analysis.path), analysis.folder / "results").inputs
    what = reading(setup, inputs, [region.plan for region in setup.regions], (), None)
    alone = read_samples(*what)
    with Client(steady.address, set_as_default=False) as client:
        found = read_samples(*what, executor=DaskExecutor(client=client, status=False, retries=0))
    for name, sample in alone.items():
        assert found[name].ledger == sample.ledger
        assert found[name].regions["all"].spectra == sample.regions["all"].spectra
