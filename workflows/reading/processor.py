"""The coffea processor of a search: a chunk of an ntuple -> cutflow, N-1 histograms and spectra of all regions.

`SearchProcessor.process` fills events whose candidates all lie inside the chunk, and writes them to disk where that is
asked for. The first and the last event of a chunk may go on in a neighbouring one: their rows are handed on, and
`SearchProcessor.postprocess` fills them when all chunks are known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from coffea.processor import ProcessorABC
from numpy.typing import NDArray

from bumphunt.errors import InputError
from selections.events import REJECT, ROW_KEY, CandidateRule, RowKey, event_hash, event_keys, group_starts
from workflows.ntuples.entry_ranges import EntryRange
from workflows.reading.chunk import Chunk, chunk_of, jagged_variables, nan_allowed, needed_variables
from workflows.reading.cutflow import RegionRows, cut_rows
from workflows.reading.event_hashes import EventHashes, hashes_of, keep_hashes
from workflows.reading.events import BORDER, write_events
from workflows.reading.fill import Filled, fill
from workflows.reading.keys import RowNumbers, assumed, read_numbers
from workflows.reading.ledger import ReadRange
from workflows.reading.plan import WEIGHT, RegionPlan, RegionResult
from workflows.reading.repeats import (
    border_hashes,
    refuse_overlaps,
    refuse_repeated_events,
    refuse_repeated_keys,
    refuse_repeated_rows,
)
from workflows.reading.rows import PassingRows, concatenate, inner_rows, passing_rows
from workflows.reading.run_list import RUN, RunList
from workflows.reading.spectra import NOMINAL, joined_variations
from workflows.reading.weights import Corrections

__all__ = ["SearchProcessor"]


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
    key
        What tells rows apart. With the file, the metadata say its ``file_number`` among those of the sample.
    constants
        What variables are in files that do not have them, beside `workflows.reading.keys.DEFAULTS`.
    good_runs
        The good runs: rows of data in others are left out, and the rows of each run are counted. None for no list.
    truth
        Variable that is 1 for the generated candidate of a signal: other events are counted up to the last step of the
        cutflow alone. The metadata say whether a data set is a ``signal``. None where all events are.
    event_folder
        Folder for the passing events, see `workflows.reading.events`; None to write none. The metadata then say the
        ``number`` of each chunk of a sample too, in the order of which the events are read again.
    of_data_alone
        Whether events of simulated samples are not written.

    Raises
    ------
    InputError
        If there is no region, or two have the same name; or a variable is jagged in one and not in another.
    """

    def __init__(
        self,
        *,
        regions: Sequence[RegionPlan],
        names: Mapping[str, str] | None = None,
        rule: CandidateRule = REJECT,
        corrections: Corrections | None = None,
        key: RowKey = ROW_KEY,
        constants: Mapping[str, float] | None = None,
        good_runs: RunList | None = None,
        truth: str | None = None,
        event_folder: Path | None = None,
        of_data_alone: bool = False,
    ) -> None:
        self.regions = tuple(regions)
        self.names = dict(names or {})
        self.rule = rule
        self.corrections = Corrections() if corrections is None else corrections
        self.key = key
        self.constants = dict(constants or {})
        self.good_runs = good_runs
        self.truth = truth
        self.event_folder = event_folder
        self.of_data_alone = of_data_alone
        known = [plan.name for plan in self.regions]
        if not known or len(set(known)) != len(known):
            msg = f"regions {known}; give at least one, and each a name of its own"
            raise InputError(msg)
        self.nan_allowed = nan_allowed(plan.selection for plan in self.regions)
        self.jagged = jagged_variables(plan.selection for plan in self.regions)

    def variables(self, sample: str, simulated: bool, signal: bool = False) -> tuple[str, ...]:
        """Return the variables that are read of a sample."""
        return needed_variables(
            self.regions,
            self.rule,
            self._corrections_of(sample, simulated),
            self.key,
            more=self._more(simulated, signal),
        )

    def absent(self, simulated: bool) -> dict[str, float | None]:
        """Return the variables that a file of a sample need not have, with what they are then.

        Parameters
        ----------
        simulated
            Whether the sample is simulated: with a list of good runs, data must say their run.
        """
        return assumed(self.constants, self.names, RUN if self.good_runs is not None and not simulated else ())

    def _more(self, simulated: bool, signal: bool) -> tuple[str, ...]:
        """Return the variables that are read for the runs of data, or for the truth of a signal."""
        if self.truth is not None and signal:
            return (self.truth,)
        return RUN if self.good_runs is not None and not simulated else ()

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
        chunk = chunk_of(
            events,
            self.variables,
            names=self.names,
            nan_allowed=self.nan_allowed,
            jagged=self.jagged,
            key=self.key,
            absent=self.absent(events.metadata.get("simulated", True)),
            numbered=self.event_folder is not None,
            with_runs=self.good_runs is not None,
        )
        refuse_repeated_rows(chunk.numbers, chunk.where)
        good = None if self.good_runs is None or chunk.runs is None else self.good_runs.good(chunk.runs)
        found = {plan.name: self._cut(plan, chunk, good) for plan in self.regions}
        refuse_overlaps(
            {plan.name: found[plan.name].passing.index for plan in self.regions if plan.fitted}, chunk.where
        )
        first, last = inner_rows(chunk.numbers)
        everything = [rows.index for part in found.values() for rows in (part.passing, *part.shifted.values())]
        hashes = _inner_hashes(chunk, everything, first, last)
        if self.event_folder is not None:
            hashes = keep_hashes(hashes, self.event_folder, chunk.sample, f"{chunk.number}")
        return {
            chunk.sample: {
                "rows": chunk.columns[WEIGHT].size,
                "simulated": {chunk.simulated},
                "read": (_read_range(chunk),),
                "runs": _rows_of_runs(chunk.runs),
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

    def _corrections_of(self, sample: str, simulated: bool) -> Corrections:
        """Return the corrections of a sample: none for data."""
        return self.corrections.of(sample) if simulated else Corrections()

    def _cut(self, plan: RegionPlan, chunk: Chunk, good: NDArray[np.bool_] | None) -> RegionRows:
        """Return the rows of a chunk that count and pass the cuts of a region."""
        rank = () if self.rule.best is None else (self.rule.best,)
        truth = () if self.truth is None or not chunk.signal else (self.truth,)
        return cut_rows(
            plan,
            chunk.columns,
            keep=tuple(dict.fromkeys((*plan.kept, *rank, *truth))),
            good=good,
            blind=chunk.blind.get(plan.name),
            corrections=self._corrections_of(chunk.sample, chunk.simulated).of(region=plan.name),
            place=chunk.where.row,
            hashes=partial(_hashes, chunk) if chunk.simulated else None,
        )

    def _part(self, plan: RegionPlan, found: RegionRows, chunk: Chunk, first: int, last: int) -> dict[str, Any]:
        """Return what the rows of a chunk from `first` up to `last` give in a region, and the rows before and after."""
        borders, filled, files = {}, {}, list[Path]()
        for name, passing in {NOMINAL: found.passing, **found.shifted}.items():
            rows = passing_rows(passing, chunk.numbers, chunk.where, self.rule)
            low, high = np.searchsorted(passing.index, [first, last])
            filled[name] = self._fill(rows.take(slice(low, high)), plan)
            if high > low and self._writes(chunk.simulated):
                files += self._write(chunk.sample, plan.name, _block(chunk), name, filled[name])
            border = np.concatenate([np.arange(low), np.arange(high, passing.index.size)])
            borders[name] = (rows.take(border),)
        pairs = filled[NOMINAL].pairs
        return {
            **({} if pairs is None else {"pairs": pairs}),
            "head": found.head,
            "n_minus_one": found.n_minus_one,
            "borders": borders,
            "spectra": joined_variations([part.spectra for part in filled.values()]),
            "tail": filled[NOMINAL].tail,
            "files": tuple(files),
        }

    def _read_numbers(self, where: EntryRange) -> RowNumbers:
        """Return what tells the rows of some entries apart, from their file."""
        return read_numbers(where, self.key, self.names, self.absent(simulated=True))

    def _writes(self, simulated: bool) -> bool:
        """Return whether the events of a sample are written, if any are."""
        return not (simulated and self.of_data_alone)

    def _write(self, sample: str, region: str, block: str, variation: str, filled: Filled) -> list[Path]:
        """Write a block of events, where they are wanted; return the files."""
        if self.event_folder is None:
            return []
        shift = None if variation == NOMINAL else variation
        return [write_events(self.event_folder, sample, region, block, filled.events, shift=shift)]

    def _fill(self, rows: PassingRows, plan: RegionPlan) -> Filled:
        """Return what complete events give."""
        return fill(rows, plan, rule=self.rule, corrected=bool(self.corrections.entries), truth=self.truth)

    def _result(self, sample: str, part: Mapping[str, Any]) -> dict[str, RegionResult]:
        """Return what a sample gives in each region, with the events at the borders of chunks."""
        results, borders = {}, []
        for plan in self.regions:
            found, filled = part["regions"][plan.name], {}
            for name, parts in found["borders"].items():
                border = concatenate(parts)
                border = border.take(np.lexsort((border.keys.candidate, *border.keys.event.T[::-1])))
                refuse_repeated_keys(border.keys, group_starts(border.keys.event))
                filled[name] = self._fill(border, plan)
                if self._writes(True in part["simulated"]):
                    self._write(sample, plan.name, BORDER, name, filled[name])
                borders.append(border.keys)
            pairs = filled[NOMINAL].pairs
            results[plan.name] = RegionResult(
                pairs=None if pairs is None else found["pairs"] + pairs,
                cutflow=found["head"].then(found["tail"] + filled[NOMINAL].tail),
                spectra=found["spectra"] + joined_variations([part.spectra for part in filled.values()]),
                n_minus_one=found["n_minus_one"],
            )
        refuse_repeated_events([*part["hashes"], *border_hashes(borders)], self._read_numbers)
        return results


def _block(chunk: Chunk) -> str:
    """Return the name of the block of events of a chunk; those without a number are not written."""
    return f"{chunk.number or 0:08}"


def _read_range(chunk: Chunk) -> ReadRange:
    """Return what was read."""
    where, rows = chunk.where, chunk.columns[WEIGHT].size
    return ReadRange(file=where.file, tree=where.tree, start=where.start, stop=where.stop, rows=rows)


def _rows_of_runs(runs: NDArray[np.int64] | None) -> dict[int, int]:
    """Return the number of rows of each run."""
    if runs is None:
        return {}
    numbers, rows = np.unique(runs, return_counts=True)
    return dict(zip(numbers.tolist(), rows.tolist(), strict=True))


def _inner_hashes(chunk: Chunk, passing: Sequence[NDArray[np.intp]], first: int, last: int) -> EventHashes:
    """Return the record of the events of which a row is `passing` somewhere, from row `first` up to `last`."""
    anywhere = np.zeros(chunk.columns[WEIGHT].size, dtype=np.bool_)
    for index in passing:
        anywhere[index] = True
    keys = _keys(chunk, first + np.flatnonzero(anywhere[first:last]))
    return hashes_of(chunk.where, event_hash(keys[group_starts(keys)]))


def _keys(chunk: Chunk, rows: NDArray[np.intp]) -> NDArray[np.int64]:
    """Return the keys of the events of some rows."""
    event, parts = chunk.numbers.event, chunk.numbers.key.parts
    return event_keys({name: values[rows] for name, values in event.items()}, parts)


def _hashes(chunk: Chunk, rows: NDArray[np.intp]) -> NDArray[np.uint64]:
    """Return the hashes of the events of some rows."""
    return event_hash(_keys(chunk, rows))
