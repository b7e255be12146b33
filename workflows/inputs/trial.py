"""A first look at the rows of each sample: what only values tell, before minutes are spent on all of them.

The first rows of a sample go through the selection of each region. Momenta in MeV, a file of another mass and beams of
another machine leave rows where none can be; each is one sentence, which `check` writes to the log. Of blinded data
nothing but the sum of momenta is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bumphunt.kinematics.momenta import Beams, four_momentum, mass_squared
from selections.cuts import Columns
from selections.objects import daughter
from workflows.config.records import ReadingSetup
from workflows.config.regions import AnalysedRegion
from workflows.inputs.needs import may_lack
from workflows.inputs.samples import InputSample
from workflows.ntuples.branches import branch_name
from workflows.ntuples.contents import NtupleInfo
from workflows.ntuples.entry_ranges import EntryRange, close_file, read_entries
from workflows.reading.chunk import Chunk, chunk_of, jagged_variables, nan_allowed, needed_variables
from workflows.reading.chunk_work import ChunkEvents
from workflows.reading.cutflow import cut_rows
from workflows.reading.weights import Corrections

__all__ = ["Trial", "doubtful_beams", "first_rows"]

Array = NDArray[np.float64]

TRIAL_ROWS = 10_000
"""Rows of a sample that are looked at."""
FEWEST = 50
"""Fewest rows of which anything is said."""
ON_AXIS = 0.01
"""Fewest of the rows that pass, as a fraction, that lie on the axis of the spectrum."""
OTHER_MASS = 5.0
"""How many half widths of its rows a signal may lie beside its mass: radiation moves a median by less than one."""
BEYOND = 0.05
"""Square of the recoil mass, below 0 and in units of s, that no resolution reaches: about three of the worst."""
MOST_BEYOND = 0.02
"""Most rows, as a fraction, that may lie there: 0.0013 in the worst sample of the shipped examples, 0.06 to 0.85 in the
worst of each with the beams of another machine."""
MOST_DAUGHTERS = 9
"""Daughters of a candidate that are looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What the first rows of a sample tell.

    Parameters
    ----------
    sample
        The sample.
    beyond
        Fraction of the candidates whose daughters carry more than the beams can give; 0 where that is not known.
    doubts
        A sentence for each thing else that they can hardly mean.
    """

    sample: InputSample
    beyond: float
    doubts: tuple[str, ...]


def first_rows(setup: ReadingSetup, sample: InputSample, info: NtupleInfo) -> Trial:
    """Return what the first rows of a file tell.

    Parameters
    ----------
    setup
        How the ntuples are read.
    sample
        The sample.
    info
        One of its files.

    Raises
    ------
    NtupleError
        If rows cannot be read, hold NaN where that means nothing, or are weighted data.
    """
    regions = [region for region in setup.regions if region.name in sample.regions]
    chunk = _first_chunk(setup, regions, sample, info)
    looked_at = regions if sample.kind != "data" or not setup.blinded else ()
    seen = _seen(chunk.columns)
    beyond = 0.0
    if seen is not None and seen.shape[0] >= FEWEST:
        beyond = float(np.mean(mass_squared(setup.beams.p4 - seen) < -BEYOND * setup.beams.s))
    return Trial(
        sample=sample,
        beyond=beyond,
        doubts=tuple(doubt for region in looked_at for doubt in _out_of_place(region, sample, chunk)),
    )


def doubtful_beams(beams: Beams, trials: Sequence[Trial]) -> list[str]:
    """Return a sentence, if the daughters of many candidates carry more than the beams can give: of the worst sample.

    Parameters
    ----------
    beams
        The beams.
    trials
        What the first rows of the samples tell.
    """
    worst = max(trials, key=lambda trial: trial.beyond, default=None)
    if worst is None or not worst.beyond > MOST_BEYOND:
        return []
    number = sum(trial.beyond > MOST_BEYOND for trial in trials)
    return [
        f"{worst.sample.files[0]}: the daughters of {worst.beyond:.0%} of the candidates of {worst.sample.name!r} carry"
        f" more than 'beams' can give, {beams.p4[0]:.4g} GeV with {beams.p4[3]:.4g} GeV along z (so do those of"
        f" {number - 1} more samples): are these the beams of the files, and momenta in GeV?"
    ]


def _first_chunk(
    setup: ReadingSetup, regions: Sequence[AnalysedRegion], sample: InputSample, info: NtupleInfo
) -> Chunk:
    """Return the first rows of a file, with what the selections of some regions need."""
    variables = needed_variables([region.plan for region in regions], setup.rule, Corrections(), setup.key)
    selections = [region.plan.selection for region in regions]
    jagged = jagged_variables(selections)
    branches = [branch_name(name, setup.names) for name in variables if name not in info.absent]
    where = EntryRange(file=str(info.path), tree=info.tree, start=0, stop=min(info.rows, TRIAL_ROWS))
    try:
        columns = read_entries(where, branches, {branch_name(name, setup.names) for name in jagged - set(info.absent)})
    finally:
        close_file()
    metadata = {
        "dataset": sample.name,
        "filename": where.file,
        "treename": where.tree,
        "entrystart": where.start,
        "entrystop": where.stop,
        "simulated": sample.kind != "data",
        "file_number": 0,
        "absent": info.absent,
    }
    return chunk_of(
        ChunkEvents(columns=columns, metadata=metadata),
        lambda *_: variables,
        names=setup.names,
        nan_allowed=nan_allowed(selections),
        jagged=jagged,
        key=setup.key,
        absent=may_lack(setup, sample),
        numbered=False,
    )


def _out_of_place(region: AnalysedRegion, sample: InputSample, chunk: Chunk) -> Iterator[str]:
    """Yield what the positions of the rows that pass, or of all where hardly one does, can hardly mean."""
    plan = region.plan
    if plan.selection.counts:
        return
    rows = cut_rows(plan, chunk.columns, keep=plan.kept, blind=None, corrections=Corrections(), place=chunk.where.row)
    position, which = rows.passing.values[plan.selection.spectrum], f"that pass the cuts of region {region.name!r}"
    if position.size < FEWEST:
        position = np.asarray(plan.selection.observables(chunk.columns)[plan.selection.spectrum])
        which = f"before the cuts of region {region.name!r}"
    position = position[np.isfinite(position)]
    if position.size < FEWEST:
        return
    low, high, unit = float(plan.edges[0]), float(plan.edges[-1]), region.axis.unit
    left, median, right = np.quantile(position, [0.16, 0.5, 0.84])
    inside = np.count_nonzero((position >= low) & (position < high))
    start = (
        f"{chunk.where.file}: {plan.selection.spectrum} of the first {position.size} rows of {sample.name!r} {which}"
    )
    if inside < ON_AXIS * position.size:
        yield (
            f"{start} has the median {median:.4g} {unit}, and {inside} are on the axis, {low:.4g} to {high:.4g} {unit}:"
            " are momenta in GeV, and are 'beams' those of the files?"
        )
        return
    if sample.mass is None:
        return
    expected, half = float(region.axis.position(sample.mass)), 0.5 * float(right - left)
    if abs(median - expected) > OTHER_MASS * half:
        yield (
            f"{start} has the median {median:.4g} +- {half:.2g} {unit}, but {sample.key} says {sample.mass:g} GeV,"
            f" which is at {expected:.4g} {unit}: is it the file of another mass?"
        )


def _seen(columns: Columns) -> Array | None:
    """Return the sum of the four-momenta of the daughters, masses neglected, shape ``(N, 4)``; None if none is told."""
    parts = []
    for index in range(MOST_DAUGHTERS):
        size = columns.get(daughter(index, "p"), columns.get(daughter(index, "E")))
        theta, phi = columns.get(daughter(index, "theta")), columns.get(daughter(index, "phi"))
        if size is not None and theta is not None and phi is not None:
            parts.append(four_momentum(size, theta, phi, 0.0))
    return None if not parts else np.asarray(sum(parts))
