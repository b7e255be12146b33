"""The local executor: coffea's interface, chunks in order, errors as they were raised.

coffea's own executors merge chunks in the order in which they finish, so that sums of floating-point weights change
from run to run; they print a traceback and draw bars of their own. This one merges in the order of the chunks, so the
result does not depend on the number of workers, and it reports progress to a function.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

from coffea.processor import accumulate
from coffea.processor.executor import ExecutorBase, WorkItem

from bumphunt.errors import BumphuntError, IncompleteError

__all__ = ["LocalExecutor", "Missing", "root_error"]

_IN_FLIGHT = 2
"""Chunks a worker that may be at work or waiting to be merged."""
_EXPLAINED = 300
"""Longest reason that is quoted, in characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Rows that could not be read.

    Parameters
    ----------
    file, tree
        Where.
    start, stop
        Entry range; None for a whole file of unknown size.
    reason
        What went wrong, as one line.
    """

    file: str
    tree: str
    start: int | None
    stop: int | None
    reason: str


@dataclass
class LocalExecutor(ExecutorBase):
    """Process chunks in this process, or in `workers` others.

    Parameters
    ----------
    workers
        Number of processes; 1 works in this one.
    allow_missing
        Go on when rows cannot be read, and list them under ``missing``.
    progress
        Called with the rows done so far after each chunk.
    """

    workers: int = 1
    allow_missing: bool = False
    progress: Callable[[int], None] | None = None

    def __call__(
        self, items: Sequence[WorkItem], function: Callable[[WorkItem], Any], accumulator: Any
    ) -> tuple[Any, int]:
        """Return the merged results of `function` on the items, and 0, as coffea wants it."""
        done = 0

        def results() -> Iterator[Any]:
            nonlocal done
            for item, result in zip(items, self._map(items, function), strict=True):
                yield result
                done += len(item)
                if self.progress is not None:
                    self.progress(done)

        return accumulate(results(), accumulator), 0

    def _map(self, items: Sequence[WorkItem], function: Callable[[WorkItem], Any]) -> Iterator[Any]:
        """Yield the results in the order of the items."""
        if self.workers == 1 or len(items) == 1:
            for item in items:
                yield _process(item, function, self.allow_missing)
            return
        # spawned: a fork of a process with threads may hang
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(min(self.workers, len(items)), mp_context=context, initializer=_ignore_interrupts)
        waiting: deque[Future[Any]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(_process, item, function, self.allow_missing))
                if len(waiting) >= _IN_FLIGHT * self.workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _ignore_interrupts() -> None:
    """Leave Ctrl-C, which reaches all processes of a terminal, to the one that waits for the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _process(item: WorkItem, function: Callable[[WorkItem], Any], allow_missing: bool) -> Any:
    """Return the result of one chunk, or what it says when its rows cannot be read and may be missing."""
    try:
        return function(item)
    except Exception as error:
        cause = root_error(error, item)
        if allow_missing and isinstance(cause, IncompleteError):
            missing = Missing(
                file=item.filename,
                tree=item.treename,
                start=item.entrystart,
                stop=item.entrystop,
                reason=str(cause),
            )
            return {"out": {item.dataset: {"missing": (missing,)}}, "processed": {item}}
        raise cause from None


def root_error(error: BaseException, item: WorkItem | None = None) -> BaseException:
    """Return what coffea wrapped: an error of bumphunt, unreadable rows as an `IncompleteError`, or the first cause."""
    chain = [error]
    while (cause := chain[-1].__cause__) is not None:
        chain.append(cause)
    for link in chain:
        if isinstance(link, BumphuntError):
            return link
    if item is not None and str(error).startswith(("Failed to open file", "Failed creating nanoevents")):
        reason = " ".join(str(chain[-1]).split())[:_EXPLAINED]
        return IncompleteError(
            f"{item.filename}: tree {item.treename!r}: entries {item.entrystart} to {item.entrystop - 1}"
            f" cannot be read ({type(chain[-1]).__name__}: {reason})"
        )
    return chain[-1]
