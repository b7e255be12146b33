"""Work by several processes, with results in the order of the tasks, so that nothing depends on who was faster."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

import cloudpickle

from bumphunt.errors import BumphuntError, InputError

__all__ = ["Run", "Scheduler", "Workers", "in_order", "pool"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduler:
    """The workers of a Dask scheduler, see `workflows.running.cluster`.

    Parameters
    ----------
    address
        Its address, such as tcp://host:8786.
    """

    address: str


Workers = int | Scheduler
"""Who does the work: so many local processes, 1 for this one alone; or the workers of a scheduler."""


class Run(Protocol):
    """Does tasks; gives their results in the order of the tasks."""

    def __call__(self, tasks: Sequence[Callable[[], T]], /) -> Iterator[T]:
        """Return an iterator over the results."""


AHEAD = 2
"""Tasks a worker that may be at work, or done and not yet asked for."""


@contextmanager
def in_order(tasks: Sequence[Callable[[], T]], *, workers: Workers) -> Iterator[Iterator[T]]:
    """Yield an iterator over the results of the tasks, in their order; see `pool`.

    Parameters
    ----------
    tasks
        What to do; each can be pickled when there are several workers.
    workers
        Who does it.

    Raises
    ------
    InputError, BumphuntError
        As `pool`.
    """
    with pool(workers if isinstance(workers, Scheduler) else min(workers, max(len(tasks), 1))) as run:
        yield run(tasks)


@contextmanager
def pool(workers: Workers) -> Iterator[Run]:
    """Yield a function that has tasks done, for work in several steps.

    Local processes are spawned and not forked: a fork of a process with threads (Numba, progress bars) may hang. Ctrl-C
    is left to this process, which stops the others.

    Parameters
    ----------
    workers
        Who does the work.

    Raises
    ------
    InputError
        If the number of processes is not positive.
    BumphuntError
        If a local process dies, or for a scheduler as `workflows.running.cluster.cluster`.
    """
    if isinstance(workers, Scheduler):
        from workflows.running.cluster import cluster

        with cluster(workers.address) as run_there:
            yield run_there
        return
    if workers < 1:
        msg = f"workers = {workers}; it must be at least 1"
        raise InputError(msg)
    if workers == 1:
        yield _one_by_one
        return
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)

    def run(tasks: Sequence[Callable[[], T]], /) -> Iterator[T]:
        return _results(tasks, executor, ahead=AHEAD * workers)

    try:
        yield run
    except BrokenProcessPool as error:
        msg = f"one of {workers} worker processes died, often for lack of memory; try fewer workers"
        raise BumphuntError(msg) from error
    finally:
        with _uninterrupted():
            executor.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ignore Ctrl-C: a second one would leave workers in the middle of a message, and nobody to end them."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread is interrupted
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _one_by_one(tasks: Sequence[Callable[[], T]], /) -> Iterator[T]:
    """Do tasks in this process, each when its result is asked for."""
    return (task() for task in tasks)


def _results(tasks: Sequence[Callable[[], T]], executor: ProcessPoolExecutor, *, ahead: int) -> Iterator[T]:
    """Yield the results; at most `ahead` of them are made before they are asked for."""
    waiting: deque[Future[T]] = deque()
    for task in tasks:
        waiting.append(executor.submit(_do, cloudpickle.dumps(task)))  # type: ignore[arg-type]
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _do(task: bytes) -> object:
    """Do a task of another process: functions of a user's file travel by value."""
    return cloudpickle.loads(task)()


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, and cores to the other workers: BLAS would wait for work on all of them.

    A worker whose parent was killed would wait for a task for ever, so that each watches its parent.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True, name="parent watch").start()
    for library in ("OPENBLAS", "OMP", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")


def _end_with_parent() -> None:
    """Wait for the end of the parent process, however it ends, and end this one."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
