"""The coffea processor of a search: a chunk of an ntuple -> cutflow, N-1 histograms and spectra of all regions.

`SearchProcessor.process` fills events whose candidates all lie inside the chunk, and writes them to disk where that is
asked for. The first and the last event of a chunk may go on in a neighbouring one: their rows are handed on, and
`SearchProcessor.postprocess` fills them when all chunks are known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from coffea.processor import ProcessorABC
from numpy.typing import NDArray

from bumphunt.errors import InputError, NtupleError
from selections.events import CANDIDATE, EVENT_KEY, REJECT, CandidateRule, event_hash, event_keys, group_starts
from workflows.ntuples.branches import branch_name
from workflows.ntuples.chunks import EntryRange
from workflows.reading.cutflow import WEIGHT, RegionRows, cut_rows
from workflows.reading.event_hashes import EventHashes, hashes_of, keep_hashes
from workflows.reading.events import BORDER, write_events
from workflows.reading.fill import Filled, fill
from workflows.reading.plan import RegionPlan, RegionResult
from workflows.reading.repeats import (
    border_hashes,
    refuse_repeated_events,
    refuse_repeated_keys,
    refuse_repeated_rows,
)
from workflows.reading.rows import PassingRows, concatenate, inner_rows, passing_rows
from workflows.reading.weights import Corrections

__all__ = ["SearchProcessor", "needed_variables"]

Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chunk:
    """A chunk with what is asked of it."""

    sample: str
    where: EntryRange
    number: int | None
    blind: Mapping[str, tuple[float, float]]
    corrections: Corrections
    columns: Columns


class SearchProcessor(ProcessorABC):
    """Processes chunks for the regions that read one ntuple.

    The metadata of a data set say whether it is ``simulated``: corrections never apply to data. They may say what is
    ``blind``: positions [low, high) on the axis of a region, by name of the region, whose rows are dropped from it
    before anything is counted, candidates of an event included.

    Parameters
    ----------
    regions
        What to fill; all from the same columns of one read.
    names
        Branch by variable, for branches that are not called by the escaped name.
    rule
        What becomes of events with several candidates.
    corrections
        Corrections of simulated samples.
    event_folder
        Folder for the passing events, see `workflows.reading.events`; None to write none. The metadata then say the
        ``number`` of each chunk too, in the order of which the events are read again.

    Raises
    ------
    InputError
        If there is no region, or two have the same name.
    """

    def __init__(
        self,
        *,
        regions: Sequence[RegionPlan],
        names: Mapping[str, str] | None = None,
        rule: CandidateRule = REJECT,
        corrections: Corrections | None = None,
        event_folder: Path | None = None,
    ) -> None:
        self.regions = tuple(regions)
        self.names = dict(names or {})
        self.rule = rule
        self.corrections = Corrections() if corrections is None else corrections
        self.event_folder = event_folder
        known = [plan.name for plan in self.regions]
        if not known or len(set(known)) != len(known):
            msg = f"regions {known}; give at least one, and each a name of its own"
            raise InputError(msg)
        meaning = [(v.name, v.nan_allowed) for plan in self.regions for v in plan.selection.variables]
        self.nan_allowed = frozenset(name for name, _ in meaning) - {name for name, allowed in meaning if not allowed}

    def variables(self, sample: str, *, simulated: bool) -> tuple[str, ...]:
        """Return the variables that are read of a sample."""
        return needed_variables(self.regions, self.rule, self._corrections_of(sample, simulated=simulated))

    def process(self, events: Any) -> dict[str, dict[str, Any]]:
        """Return what one chunk gives, by name of the sample.

        Parameters
        ----------
        events
            Columns of a chunk by branch, with metadata: what coffea hands to a processor.

        Raises
        ------
        NtupleError
            If a needed column holds NaN, or a row is repeated.
        InputError
            If the metadata do not say what is needed, a correction has no value for a row, or a row passes in two
            regions that are fitted together.
        """
        chunk = self._chunk(events)
        refuse_repeated_rows(chunk.columns, chunk.where)
        found = {plan.name: self._cut(plan, chunk) for plan in self.regions}
        self._refuse_overlaps(found, chunk.where)
        first, last = inner_rows(chunk.columns)
        hashes = _inner_hashes(chunk, [part.index for part in found.values()], first, last)
        if self.event_folder is not None:
            hashes = keep_hashes(hashes, self.event_folder, chunk.sample, f"{chunk.number}")
        return {
            chunk.sample: {
                "rows": chunk.columns[WEIGHT].size,
                "regions": {plan.name: self._part(plan, found[plan.name], chunk, first, last) for plan in self.regions},
                "hashes": (hashes,),
            }
        }

    def postprocess(self, accumulator: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, RegionResult]]:
        """Return what the samples give in each region, from the sum of all chunks.

        Raises
        ------
        NtupleError
            If a row is repeated, or the candidates of an event are not in adjacent rows.
        """
        return {sample: self._result(sample, part) for sample, part in accumulator.items()}

    def _corrections_of(self, sample: str, *, simulated: bool) -> Corrections:
        """Return the corrections of a sample: none for data."""
        return self.corrections.of(sample) if simulated else Corrections()

    def _chunk(self, events: Any) -> _Chunk:
        """Return a chunk with the columns that are needed.

        Raises
        ------
        InputError
            If the metadata do not say what is needed.
        NtupleError
            If a column holds NaN or infinity where that means nothing.
        """
        metadata = events.metadata
        sample = metadata["dataset"]
        for key in ("simulated", "number") if self.event_folder is not None else ("simulated",):
            if key not in metadata:
                msg = f"sample {sample!r}: its metadata must say {key!r}, beside {', '.join(sorted(metadata))}"
                raise InputError(msg)
        corrections = self._corrections_of(sample, simulated=metadata["simulated"])
        variables = needed_variables(self.regions, self.rule, corrections)
        where = EntryRange(
            file=metadata["filename"],
            tree=metadata["treename"],
            start=metadata["entrystart"],
            stop=metadata["entrystop"],
        )
        columns = {name: np.asarray(events[branch_name(name, self.names)]) for name in variables}
        self._refuse_nan(columns, where)
        return _Chunk(
            sample=sample,
            where=where,
            number=metadata.get("number"),
            blind=metadata.get("blind") or {},
            corrections=corrections,
            columns=columns,
        )

    def _refuse_nan(self, columns: Columns, where: EntryRange) -> None:
        """Raise if a column holds NaN or infinity where that means nothing.

        Raises
        ------
        NtupleError
            If so.
        """
        for name, values in columns.items():
            # a sum is finite if all terms are, but for one that overflows
            if values.dtype.kind != "f" or name in self.nan_allowed or np.isfinite(_sum(values)):
                continue
            bad = np.flatnonzero(~np.isfinite(values))
            if bad.size:
                msg = (
                    f"{where.place}: branch {branch_name(name, self.names)!r} is {values[bad[0]]} in entry"
                    f" {where.start + bad[0]} ({bad.size} such rows up to entry {where.stop - 1}); {name} must be a"
                    " number"
                )
                raise NtupleError(msg)

    def _cut(self, plan: RegionPlan, chunk: _Chunk) -> RegionRows:
        """Return the rows of a chunk that pass the cuts of a region."""
        rank = () if self.rule.best is None else (self.rule.best,)
        return cut_rows(
            plan,
            chunk.columns,
            keep=tuple(dict.fromkeys((*plan.kept, *rank))),
            blind=chunk.blind.get(plan.name),
            corrections=chunk.corrections.of(region=plan.name),
            place=chunk.where.row,
        )

    def _refuse_overlaps(self, found: Mapping[str, RegionRows], where: EntryRange) -> None:
        """Raise if a row of a chunk passes in two regions that are fitted together.

        Raises
        ------
        InputError
            If so: the fit would take one event for two.
        """
        fitted = [plan.name for plan in self.regions if plan.fitted]
        for first, second in combinations(fitted, 2):
            if (rows := np.intersect1d(found[first].index, found[second].index)).size:
                msg = (
                    f"{where.file}: entry {where.start + rows[0]} passes in the regions {first!r} and {second!r}, which"
                    " are fitted together as different events: name one of them under 'regions', or make their cuts"
                    " exclude each other"
                )
                raise InputError(msg)

    def _part(self, plan: RegionPlan, found: RegionRows, chunk: _Chunk, first: int, last: int) -> dict[str, Any]:
        """Return what the rows of a chunk from `first` up to `last` give in a region, and the rows before and after."""
        variations = chunk.corrections.of(region=plan.name).variations
        rows = passing_rows(found, chunk.columns, chunk.where, rule=self.rule, variations=variations)
        low, high = np.searchsorted(found.index, [first, last])
        filled = self._fill(rows.take(slice(low, high)), plan)
        if self.event_folder is not None and high > low:
            write_events(self.event_folder, chunk.sample, plan.name, f"{chunk.number:08}", filled.events)
        border = np.concatenate([np.arange(low), np.arange(high, found.index.size)])
        return {
            "head": found.head,
            "n_minus_one": found.n_minus_one,
            "borders": (rows.take(border),),
            "spectra": filled.spectra,
            "tail": filled.tail,
        }

    def _fill(self, rows: PassingRows, plan: RegionPlan) -> Filled:
        """Return what complete events give."""
        return fill(rows, plan, rule=self.rule, corrected=bool(self.corrections.entries))

    def _result(self, sample: str, part: Mapping[str, Any]) -> dict[str, RegionResult]:
        """Return what a sample gives in each region, with the events at the borders of chunks."""
        results, borders = {}, []
        for plan in self.regions:
            found = part["regions"][plan.name]
            border = concatenate(found["borders"])
            border = border.take(np.lexsort((border.keys.candidate, *border.keys.event.T[::-1])))
            refuse_repeated_keys(border.keys, group_starts(border.keys.event))
            filled = self._fill(border, plan)
            if self.event_folder is not None:
                write_events(self.event_folder, sample, plan.name, BORDER, filled.events)
            borders.append(border.keys)
            results[plan.name] = RegionResult(
                cutflow=found["head"].then(found["tail"] + filled.tail),
                spectra=found["spectra"] + filled.spectra,
                n_minus_one=found["n_minus_one"],
            )
        refuse_repeated_events([*part["hashes"], *border_hashes(borders)], self.names)
        return results


def _sum(values: NDArray[Any]) -> float:
    """Return a sum that may overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.sum(values, dtype=np.float64))


def _inner_hashes(chunk: _Chunk, passing: Sequence[NDArray[np.intp]], first: int, last: int) -> EventHashes:
    """Return the record of the events of which a row is `passing` somewhere, from row `first` up to `last`."""
    anywhere = np.zeros(chunk.columns[WEIGHT].size, dtype=np.bool_)
    for index in passing:
        anywhere[index] = True
    inner = first + np.flatnonzero(anywhere[first:last])
    keys = event_keys({key: chunk.columns[key][inner] for key in EVENT_KEY})
    return hashes_of(chunk.where, event_hash(keys[group_starts(keys)]))


def needed_variables(
    regions: Sequence[RegionPlan], rule: CandidateRule = REJECT, corrections: Corrections | None = None
) -> tuple[str, ...]:
    """Return the variables that must be in the files.

    They are event key, candidate, weight, what the selections read, and what the rule, the corrections, the slices and
    what is to be kept name, where that is no observable.

    Parameters
    ----------
    regions
        What to fill.
    rule
        What becomes of events with several candidates.
    corrections
        Corrections; None for none.
    """
    names = [*EVENT_KEY, CANDIDATE, WEIGHT]
    for plan in regions:
        names += [v.name for v in plan.selection.variables]
        more = [*plan.kept, *(() if rule.best is None else (rule.best,))]
        if corrections is not None:
            more += corrections.of(region=plan.name).inputs
        observables = plan.selection.names
        names += [name for name in more if name not in observables]
    return tuple(dict.fromkeys(names))
