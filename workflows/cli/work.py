"""What a verb does: the stages that are out of date, one after the other, in a folder that it holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workflows.cli.options import folder_of
from workflows.cli.terminal import at_work, say

if TYPE_CHECKING:
    from workflows.provenance.step import Step
    from workflows.running.workers import Workers
    from workflows.stages.stage import Job

__all__ = ["GOES_ON", "make", "make_step"]

GOES_ON = "; what is finished is kept, and the next run goes on from there"


def make(
    analysis: Path,
    output: Path | None,
    workers: Workers,
    allow_missing: bool,
    verb: str,
    extra: Callable[[Job], Sequence[Step]] = lambda _: (),
    after: Callable[[Job], Sequence[Step]] = lambda _: (),
) -> Job:
    """Make the stages up to `verb` that are out of date, those of `extra`, then those of `after`; return the job."""
    from workflows.chain import hide_unblinded, prepare, up_to
    from workflows.config.file import load

    resolved = load(analysis)
    folder = folder_of(analysis, output)
    with at_work(folder, GOES_ON) as progress:
        job = prepare(resolved, folder, workers=workers, allow_missing=allow_missing, progress=progress)
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
