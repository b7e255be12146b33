"""What a stage is, and the job of an analysis that stages are made for.

Each file under `workflows.stages` that is a verb exports its ``STAGE``; `workflows.chain` lists them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from workflows.config.records import ResolvedAnalysis
from workflows.inputs.samples import InputSample
from workflows.provenance.step import Older
from workflows.running.progress import Progress
from workflows.running.workers import Workers

__all__ = ["Job", "Stage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One analysis at work in a folder.

    Parameters
    ----------
    analysis
        The analysis.
    inputs
        What it reads.
    folder
        Where the results live, one sub-folder a stage.
    workers
        Who does the work; the results do not depend on it.
    allow_missing
        Go on when rows cannot be read, with the luminosity scaled down and every result marked.
    progress
        Called with a task, what is done of it, and all of it.
    """

    analysis: ResolvedAnalysis
    inputs: tuple[InputSample, ...]
    folder: Path
    workers: Workers
    allow_missing: bool
    progress: Progress

    def of(self, stage: str) -> Path:
        """Return the folder of a stage."""
        return self.folder / stage


def _always(analysis: ResolvedAnalysis) -> bool:
    del analysis
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A stage of the chain: how it is made, and when it has to be made again.

    Parameters
    ----------
    name
        The verb.
    make
        Called with the job and the folder to fill: picks the records that the stage uses.
    remake
        Called with the job, the folder to fill and older results, to make it from what still holds of these; None where
        there is no such part.
    depends
        The settings that its results depend on, by name; see `workflows.stages.depends`.
    needs
        Stages whose results it reads, as far as the analysis has them.
    files
        Files that they depend on: the ``ntuples`` that are given, those of the ``search``, of the ``model``, of
        ``generators`` that are not shipped, of ``corrections``, and
        of generated ``events``.
    modules
        Function from the job to the modules that make the results, whose imports count with them; that of `make` unless
        given.
    wanted
        Whether an analysis has this stage.
    folder
        Name of its folder; that of the verb unless given.
    """

    name: str
    make: Callable[[Job, Path], None]
    depends: Callable[[Job], Mapping[str, object]]
    remake: Callable[[Job, Path, Older], None] | None = None
    needs: tuple[str, ...] = ()
    files: tuple[Literal["ntuples", "search", "model", "background", "generators", "corrections", "events"], ...] = ()
    modules: Callable[[Job], Iterable[str]] | None = None
    wanted: Callable[[ResolvedAnalysis], bool] = _always
    folder: str = ""
