"""Work by a real Dask scheduler with two workers on loopback: the same results, also when a worker dies."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from bumphunt.errors import BumphuntError, InputError
from bumphunt.spectrum.axis import ascending_edges
from workflows.chain import prepare, up_to
from workflows.config.file import load
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


def start(module: str, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", f"distributed.cli.{module}", *arguments]
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[Dask]:
    """Yield a scheduler with two workers of one thread."""
    file = tmp_path / "scheduler.json"
    processes = [start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))]
    try:
        deadline = time.monotonic() + 60
        while not file.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        address = json.loads(file.read_text())["address"]
        options = ("--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path / "dask"))
        processes += [start("dask_worker", address, *options) for _ in range(2)]
        yield Dask(address, processes)
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_results_come_in_order_and_errors_as_they_were_raised(dask):
    with in_order([partial(math.sqrt, n) for n in range(30)], workers=dask.where) as results:
        assert list(results) == [math.sqrt(n) for n in range(30)]
    tasks = [partial(math.sqrt, 4), partial(ascending_edges, [1.0])]
    with in_order(tasks, workers=dask.where) as results:
        assert next(results) == 2
        with pytest.raises(InputError, match="edges"):
            next(results)


def test_other_code_is_refused(dask, monkeypatch):
    monkeypatch.setattr(cluster, "code_digest", lambda: "another one")
    with (
        pytest.raises(BumphuntError, match="runs other code of bumphunt"),
        in_order([partial(math.sqrt, 4)], workers=dask.where) as results,
    ):
        list(results)


def test_tasks_of_a_worker_that_dies_are_done_by_the_other(dask):
    with in_order([partial(time.sleep, 0.1)] * 20, workers=dask.where) as results:
        next(results)
        dask.processes[1].kill()
        assert list(results) == [None] * 19


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
