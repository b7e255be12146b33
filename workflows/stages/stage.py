"""What a stage is, and the job of an analysis that stages are made for.

Each file under `workflows.stages` that is a verb exports its ``STAGE``; `workflows.chain` lists them all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from workflows.config.records import ResolvedAnalysis
from workflows.inputs.samples import InputSample
from workflows.running.progress import Progress

__all__ = ["READING", "RESULTS", "Job", "Stage", "missing_allowed"]

READING = (
    *("channel", "regions", "beams", "data", "samples", "signal", "ntuples", "spectrum", "search", "unblind", "seed"),
    *("corrections", "factors", "fit.slices", "optimise.variables"),
)
"""Settings that the reading of ntuples depends on."""
RESULTS = (
    *("channel", "regions", "model", "beams", "data", "samples", "signal", "search", "spectrum", "fit", "systematics"),
    *("unblind", "optimise", "seed"),
)
"""Settings that the results of a scan depend on."""


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
        Processes to use; the results do not depend on it.
    allow_missing
        Go on when rows cannot be read, with the luminosity scaled down and every result marked.
    progress
        Called with a task, what is done of it, and all of it.
    """

    analysis: ResolvedAnalysis
    inputs: tuple[InputSample, ...]
    folder: Path
    workers: int
    allow_missing: bool
    progress: Progress

    def of(self, stage: str) -> Path:
        """Return the folder of a stage."""
        return self.folder / stage


def missing_allowed(job: Job) -> Mapping[str, object]:
    """Return whether rows may be missing, as what the results of a stage that reads ntuples depend on."""
    return {"allow_missing": job.allow_missing}


def _always(analysis: ResolvedAnalysis) -> bool:
    del analysis
    return True


def _nothing(job: Job) -> Mapping[str, object]:
    del job
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A stage of the chain: how it is made, and when it has to be made again.

    Parameters
    ----------
    name
        The verb.
    make
        Called with the job and the folder to fill: picks the records that the stage uses.
    needs
        Stages whose results it reads, as far as the analysis has them.
    settings
        Sections of the YAML that its results depend on; a part of one after a point, as in ``fit.slices``.
    more
        What else they depend on.
    files
        Files that they depend on: the ``ntuples`` that are given, that of the ``search``, that of the ``model``, those
        of ``corrections``.
    wanted
        Whether an analysis has this stage.
    folder
        Name of its folder; that of the verb unless given.
    """

    name: str
    make: Callable[[Job, Path], None]
    needs: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    more: Callable[[Job], Mapping[str, object]] = _nothing
    files: tuple[Literal["ntuples", "search", "model", "corrections"], ...] = ()
    wanted: Callable[[ResolvedAnalysis], bool] = _always
    folder: str = ""
