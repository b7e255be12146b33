"""Work by the workers of a Dask scheduler, with results in the order of the tasks.

coffea's `DaskExecutor` adds what chunks give in a tree whose form hangs on their number, tries what cannot succeed four
times, and begins again from the start. Here the client hands out tasks, a few more than there are cores, and takes
their results in order, as `workflows.running.workers` does with local processes: a task of a worker that dies is given
to another one by the scheduler, and what is kept (`workflows.running.blocks`) is not done again.

Workers must run the same code, and see the same files: those that are read, and the folder of results. A worker does
one task at a time, whatever its number of threads: compiled code shares its cores itself.
"""

from __future__ import annotations

import hashlib
import logging
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import cloudpickle

from bumphunt.errors import BumphuntError

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["cluster"]

T = TypeVar("T")

logger = logging.getLogger(__name__)

PATIENCE = "5 s"
"""How long a scheduler may take to answer."""
NOTICE = 10
"""Seconds after which a run that waits for a worker says so, again and again."""
AHEAD = 3
"""Tasks a core that may be at work, or done and not yet asked for: more than for local ones, since a result travels."""
PACKAGES = ("bumphunt", "selections", "workflows")
_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def cluster(address: str) -> Iterator[Callable[[Sequence[Callable[[], T]]], Iterator[T]]]:
    """Yield a function that has tasks done by the workers of a scheduler.

    Parameters
    ----------
    address
        Address of the scheduler, such as tcp://host:8786.

    Raises
    ------
    BumphuntError
        If distributed is not installed, no scheduler answers within `PATIENCE`, it is lost later, or a task ends one
        worker after the other.
    """
    client = _connected(address)
    from distributed import KilledWorker
    from distributed.comm import CommClosedError

    try:
        yield lambda tasks: _results(client, tasks)
    except KilledWorker as error:
        msg = f"{address}: one task has ended {error.allowed_failures + 1} workers, often for lack of memory"
        raise BumphuntError(msg) from error
    except (CancelledError, CommClosedError) as error:
        msg = f"{address}: the scheduler is gone; what is finished is kept, and the next run goes on from there"
        raise BumphuntError(msg) from error
    finally:
        client.close()


def _connected(address: str) -> Client:
    """Return a client of a scheduler.

    Raises
    ------
    BumphuntError
        If there is none.
    """
    try:
        from distributed import Client
    except ImportError:
        msg = "--executor dask: 'distributed' is not installed; pip install 'bumphunt[dask]'"
        raise BumphuntError(msg) from None
    try:
        return Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:  # a time that is up is an OSError
        reason = " ".join(str(error).split())[:160]
        msg = f"{address}: no Dask scheduler answers there within {PATIENCE} ({type(error).__name__}: {reason})"
        raise BumphuntError(msg) from None


def _results(client: Client, tasks: Sequence[Callable[[], T]]) -> Iterator[T]:
    """Yield the results of tasks, in their order."""
    code = code_digest()
    waiting: deque[Any] = deque()
    for task in tasks:
        waiting.append(client.submit(_done, cloudpickle.dumps(task), code, pure=False))
        while len(waiting) >= AHEAD * max(sum(client.nthreads().values()), 1):
            yield _result(client, waiting.popleft())
    while waiting:
        yield _result(client, waiting.popleft())


def _result(client: Client, future: Any) -> Any:
    """Return the result of a task, and say so where it waits for a worker."""
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    while not (done.wait(NOTICE) or future.done()):
        if not client.nthreads():
            address = client.scheduler.address
            logger.warning("%s: the scheduler has no worker; work goes on when it has one", address)
    return future.result()


def _done(task: bytes, code: str) -> object:
    """Return the result of a task, in a worker: functions of a user's file travel by value.

    Raises
    ------
    BumphuntError
        If this worker has other code than the process that asks.
    """
    if code_digest() != code:
        here = Path(__file__).parents[2]
        msg = f"the worker on {socket.gethostname()} runs other code of bumphunt ({here}); start it from the same one"
        raise BumphuntError(msg)
    with _ONE_AT_A_TIME:
        return cloudpickle.loads(task)()


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Return the digest of all modules of the framework, as they are when it is first asked for."""
    sha = hashlib.sha256()
    top = Path(__file__).parents[2]
    for package in PACKAGES:
        for path in sorted((top / package).rglob("*.py")):
            sha.update(f"{path.relative_to(top)}\0".encode())
            sha.update(path.read_bytes())
    return sha.hexdigest()
