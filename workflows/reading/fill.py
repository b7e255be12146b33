"""Rows of complete events -> one candidate an event, or all: spectra, the last steps of the cutflow, and the events."""

from __future__ import annotations

from dataclasses import dataclass

import hist
import numpy as np
from numpy.typing import NDArray

from bumphunt.spectrum.pairs import pair_spectrum
from selections.cuts import Cutflow, count
from selections.events import CandidateRule, candidate_pairs, group_starts, half_sample, kept_candidates, training_fold
from workflows.reading.events import FOLDS, EventBlock
from workflows.reading.plan import ALL_CANDIDATES, CORRECTED, GENERATED, ONE_CANDIDATE, RegionPlan
from workflows.reading.rows import PassingRows
from workflows.reading.spectra import fill_spectra

__all__ = ["Filled", "fill"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What complete events give."""

    spectra: hist.Hist
    """Their spectra."""
    tail: Cutflow
    """The last steps of the cutflow."""
    events: EventBlock
    """The events themselves."""
    pairs: hist.Hist | None
    """Pairs of candidates of one event, where all are kept."""


def fill(rows: PassingRows, plan: RegionPlan, *, rule: CandidateRule, corrected: bool, truth: str | None) -> Filled:
    """Return what complete events give.

    Parameters
    ----------
    rows
        The rows that pass, of complete events.
    plan
        Their region.
    rule
        What becomes of events with several candidates.
    corrected
        Whether the analysis has corrections: then data have that step too, so that the tables of all samples have the
        same steps.
    truth
        Variable that is 1 for the generated candidate of a signal, of which all else that is filled is: then all
        samples have that step. None for none.
    """
    starts = group_starts(rows.keys.event)
    chosen = rows.take(kept_candidates(starts, rows.keys.candidate, rows.rank, rule))
    half = half_sample(chosen.keys.event)
    positions = plan.positions(chosen.values, half.size)
    everything = np.ones(positions.size, dtype=np.bool_)
    tail = count([ALL_CANDIDATES if rule.every else ONE_CANDIDATE], [everything], chosen.ntuple_weight)
    if truth is not None:
        generated = chosen.values[truth] == 1 if truth in chosen.values else everything
        tail = tail.then(count([GENERATED], [everything[generated]], chosen.ntuple_weight[generated]))
        chosen = chosen.take(np.flatnonzero(generated))
        positions, half, everything = positions[generated], half[generated], everything[generated]
    if corrected:
        tail = tail.then(count([CORRECTED], [everything], chosen.weights[0]))
    return Filled(
        spectra=fill_spectra(
            positions,
            None if plan.slices is None else chosen.values[plan.slices[0]],
            half=half,
            weights=chosen.weights,
            variations=chosen.variations,
            axes=plan.axes,
            others=[chosen.values[name] for name, _ in plan.others],
        ),
        tail=tail,
        events=EventBlock(
            positions=positions,
            half=half,
            fold=training_fold(chosen.keys.event, FOLDS),
            observables={name: chosen.values[name] for name in plan.kept if name in chosen.values},
            variations=chosen.variations,
            weights=chosen.weights,
        ),
        pairs=_pairs(chosen, positions, plan) if rule.every else None,
    )


def _pairs(rows: PassingRows, positions: Array, plan: RegionPlan) -> hist.Hist:
    """Return the pairs of rows of one event, along the first axis of the spectrum."""
    first, second = candidate_pairs(group_starts(rows.keys.event), positions.size)
    return pair_spectrum(positions, rows.weights[0], first, second, plan.edges)
