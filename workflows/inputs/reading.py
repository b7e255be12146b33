"""The reading of the samples of an analysis."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from bumphunt.errors import NtupleError
from workflows.config.records import ReadingSetup
from workflows.inputs.samples import InputSample
from workflows.reading.plan import Correction, ProcessedSample, RegionPlan, SampleFiles
from workflows.reading.processor import SearchProcessor
from workflows.reading.read import read_samples
from workflows.reading.weights import load_corrections
from workflows.running.blocks import Blocks
from workflows.running.progress import Progress
from workflows.running.workers import Workers

__all__ = ["read_inputs", "reading"]

logger = logging.getLogger(__name__)


def read_inputs(
    setup: ReadingSetup,
    inputs: Sequence[InputSample],
    plans: Sequence[RegionPlan],
    corrections: Sequence[Correction],
    events: Path | None,
    *,
    workers: Workers,
    allow_missing: bool,
    progress: Progress,
    blocks: Blocks | None = None,
) -> dict[str, ProcessedSample]:
    """Return what samples of one candidate give; blinded data lose their rows inside the search range before all else.

    Parameters
    ----------
    setup
        How the ntuples are read.
    inputs
        The samples.
    plans
        What is filled.
    corrections
        Corrections of the samples.
    events
        Folder of the passing events, of data alone unless all are kept; None to write none.
    workers, allow_missing, progress, blocks
        As for `workflows.reading.read.read_samples`.

    Raises
    ------
    NtupleError
        If a signal has no row, or the weights of a simulated sample add up to nothing; and as
        `workflows.reading.read.read_samples`.
    """
    done = read_samples(
        *reading(setup, inputs, plans, corrections, events),
        tree=inputs[0].tree,
        workers=workers,
        allow_missing=allow_missing,
        progress=progress,
        blocks=blocks,
    )
    if setup.good_runs is not None:
        for sample in inputs:
            for doubt in setup.good_runs.doubts(done[sample.name].runs, sample.name) if sample.kind == "data" else ():
                logger.warning(doubt)
    for sample in inputs:
        total, rows = done[sample.name].regions[plans[0].name].cutflow.sum_w[0], done[sample.name].rows
        if sample.kind == "signal" and not rows:
            msg = f"{sample.files[0]}: sample {sample.name!r} has no row in any file; without a signal of this mass there is no efficiency: leave it out"  # noqa: E501
            raise NtupleError(msg)
        if sample.kind != "data" and rows and not total > 0:
            msg = f"{sample.files[0]}: the weights of sample {sample.name!r} add up to {total:g}; is __weight__ filled?"
            raise NtupleError(msg)
    return done


def reading(
    setup: ReadingSetup,
    inputs: Sequence[InputSample],
    plans: Sequence[RegionPlan],
    corrections: Sequence[Correction],
    events: Path | None,
) -> tuple[SearchProcessor, dict[str, SampleFiles]]:
    """Return what is done with samples of one candidate, and what they are; the arguments are those of `read_inputs`.

    Raises
    ------
    ConfigError
        If a file of a correction cannot be used.
    """
    searched = {region.name: region.searched for region in setup.regions if setup.blinded}
    blind = {plan.name: ends for plan in plans if (ends := searched.get(plan.name)) is not None}
    processor = SearchProcessor(
        regions=plans,
        names=setup.names,
        rule=setup.rule,
        key=setup.key,
        constants=setup.constants,
        corrections=load_corrections(corrections),
        good_runs=setup.good_runs,
        truth=setup.truth,
        event_folder=events,
        of_data_alone=not setup.keep_events,
    )
    samples = {
        s.name: SampleFiles(
            files=s.files,
            simulated=s.kind != "data",
            signal=s.kind == "signal",
            blind=blind if s.kind == "data" else None,
        )
        for s in inputs
    }
    return processor, samples
