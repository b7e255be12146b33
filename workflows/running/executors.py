"""The executor of the chain: coffea's interface, chunks in order and kept, errors as they were raised.

coffea's own executors merge chunks in the order in which they finish, or in trees, so that sums of floating-point
weights change from run to run; they begin again from the start, print a traceback and draw bars of their own. This one
merges in the order of the chunks, so the result does not depend on the number of workers and where they are; it keeps
what each chunk gave, and reports progress to a function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

from coffea.processor import accumulate
from coffea.processor.executor import ExecutorBase, WorkItem

from bumphunt.errors import BumphuntError, IncompleteError
from workflows.running.blocks import Blocks
from workflows.running.missing import Missing
from workflows.running.workers import Workers, in_order

__all__ = ["OrderedExecutor", "block_name", "root_error"]


@dataclass
class OrderedExecutor(ExecutorBase):
    """Process chunks in this process, or in others.

    Parameters
    ----------
    workers
        Who does the work, see `workflows.running.workers`.
    allow_missing
        Go on when rows cannot be read, and list them under ``missing``.
    progress
        Called with the rows done so far after each chunk.
    blocks
        Where what chunks give is kept; None for nowhere.
    """

    workers: Workers = 1
    allow_missing: bool = False
    progress: Callable[[int], None] | None = None
    blocks: Blocks | None = None

    def __call__(
        self, items: Sequence[WorkItem], function: Callable[[WorkItem], Any], accumulator: Any
    ) -> tuple[Any, int]:
        """Return the merged results of `function` on the items, and 0, as coffea wants it."""
        tasks = [self._kept(item, partial(_process, item, function, self.allow_missing)) for item in items]

        def reported(results: Iterator[Any]) -> Iterator[Any]:
            done = 0
            for item, result in zip(items, results, strict=True):
                yield result
                done += len(item)
                if self.progress is not None:
                    self.progress(done)

        with in_order(tasks, workers=self.workers) as results:
            return accumulate(reported(results), accumulator), 0

    def _kept(self, item: WorkItem, task: Callable[[], Any]) -> Callable[[], Any]:
        """Return the task of an item, whose result is kept where that is asked for."""
        return task if self.blocks is None else self.blocks.kept(block_name(item), task)


def block_name(item: WorkItem) -> str:
    """Return the name of what an item gives: its sample, its number in it, and its entries."""
    sample = quote(item.dataset, safe=" ")
    return f"{sample}/{item.usermeta['number']:08}-{item.entrystart}-{item.entrystop}"


def _process(item: WorkItem, function: Callable[[WorkItem], Any], allow_missing: bool) -> Any:
    """Return the result of one chunk, or what it says when its rows cannot be read and may be missing."""
    try:
        return function(item)
    except Exception as error:
        cause = root_error(error)
        if allow_missing and isinstance(cause, IncompleteError):
            missing = Missing(
                file=item.filename,
                tree=item.treename,
                start=item.entrystart,
                stop=item.entrystop,
                reason=str(cause),
            )
            return {item.dataset: {"missing": (missing,)}}
        raise cause from None


def root_error(error: BaseException) -> BaseException:
    """Return what an executor wrapped: an error of bumphunt, or the first cause."""
    chain = [error]
    while (cause := chain[-1].__cause__) is not None:
        chain.append(cause)
    return next((link for link in chain if isinstance(link, BumphuntError)), chain[-1])
