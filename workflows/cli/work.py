"""What a verb does: the stages that are out of date, one after the other, in a folder that it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from workflows.cli.options import Asked
from workflows.cli.terminal import at_work, say

if TYPE_CHECKING:
    from workflows.provenance.step import Step
    from workflows.stages.stage import Job

__all__ = ["held", "make", "make_step"]

_GOES_ON = "; what is finished is kept, and the next run goes on from there"


@contextmanager
def held(asked: Asked, *, shared: bool = False) -> Iterator[Job]:
    """Hold the folder of an analysis, that was read before, and yield what stages are made of."""
    from workflows.chain import prepare
    from workflows.config.file import load

    resolved = load(asked.analysis)
    with at_work(asked.folder, _GOES_ON, shared=shared) as progress:
        yield prepare(
            resolved, asked.folder, workers=asked.workers, allow_missing=asked.allow_missing, progress=progress
        )


def make(
    asked: Asked,
    verb: str,
    extra: Callable[[Job], Sequence[Step]] = lambda _: (),
    after: Callable[[Job], Sequence[Step]] = lambda _: (),
) -> Job:
    """Make the stages up to `verb` that are out of date, those of `extra`, then those of `after`; return the job."""
    from workflows.chain import hide_unblinded, up_to

    with held(asked) as job:
        hide_unblinded(job)
        for step in (*up_to(job, verb), *extra(job)):
            make_step(step)
        for step in after(job):  # which stages there are hangs on what the others gave
            make_step(step)
    return job


def make_step(step: Step) -> None:
    """Make a stage if it is out of date, and say so."""
    state = "made" if step.run() else "up to date"
    say(f"{step.name:<9} {state}: {step.folder}")
