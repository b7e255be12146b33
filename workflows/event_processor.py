"""The coffea processor: one chunk of an ntuple -> cutflow, spectra, tensor.

Events whose candidates all lie inside the chunk are filled at once. The first and the last event that pass may go on in
a neighbouring chunk: their rows are handed back, and `workflows.processor.process` fills them when all are known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import hist
import numpy as np
from coffea.processor import ProcessorABC
from numpy.typing import ArrayLike, NDArray

from bumphunt.cut_table import CutTable
from bumphunt.errors import IncompleteError, InputError, NtupleError
from bumphunt.spectrum import ascending_edges
from bumphunt.tensor import HALVES, VetoAxis, fill_tensor
from selections.candidates import (
    CANDIDATE,
    EVENT_KEY,
    REJECT,
    CandidateRule,
    describe_key,
    event_hash,
    event_keys,
    group_starts,
    half_sample,
    kept_candidates,
    repeated_row,
    whole_numbers,
)
from selections.cuts import Selection, count
from workflows.ntuples import branch_name, reading

__all__ = ["EventProcessor", "PassedEvents", "PassingRows", "SampleFiles", "concatenate", "needed_variables"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Columns = dict[str, NDArray[Any]]

WEIGHT = "__weight__"
"""Variable that holds the weight of a row."""
ONE_CANDIDATE = "one candidate"
"""Step of the cutflow after which a row is an event."""
OPTIMISED = "optimised cuts"
"""Step of the cutflow that applies the cut table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFiles:
    """What to read for one sample.

    Parameters
    ----------
    files
        ROOT files.
    blind
        Squared masses [low, high) [GeV^2] whose rows are dropped before anything is counted, candidates of an event
        included; None for none.
    tensor_edges
        Edges of the mass bins of the optimisation tensor [GeV^2], shape (M + 1,); None for no tensor.
    """

    files: tuple[Path, ...]
    blind: tuple[float, float] | None = None
    tensor_edges: Array | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PassingRows:
    """Rows that pass all cuts but the optimised ones, in the order of the file."""

    keys: NDArray[np.int64]
    candidate: NDArray[np.int64]
    rank: Array
    entry: NDArray[np.int64]
    file: NDArray[Any]
    values: dict[str, Array]

    def take(self, index: slice | NDArray[Any]) -> PassingRows:
        """Return the rows at `index`."""
        return PassingRows(
            keys=self.keys[index],
            candidate=self.candidate[index],
            rank=self.rank[index],
            entry=self.entry[index],
            file=self.file[index],
            values={name: v[index] for name, v in self.values.items()},
        )


def concatenate(parts: Sequence[PassingRows]) -> PassingRows:
    """Return the rows of several parts, at least one."""
    return PassingRows(
        keys=np.concatenate([p.keys for p in parts]),
        candidate=np.concatenate([p.candidate for p in parts]),
        rank=np.concatenate([p.rank for p in parts]),
        entry=np.concatenate([p.entry for p in parts]),
        file=np.concatenate([p.file for p in parts]),
        values={name: np.concatenate([p.values[name] for p in parts]) for name in parts[0].values},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedEvents:
    """Hashes of the events that passed, and the entry range in which they are."""

    file: str
    start: int
    stop: int
    hashes: NDArray[np.uint64]


class EventProcessor(ProcessorABC):
    """The coffea processor of one search.

    Parameters
    ----------
    selection
        Cuts before the optimised ones.
    samples
        What to read, by name of the sample.
    edges
        Bin edges of the spectra [GeV^2], shape (B + 1,).
    tree
        Name of the TTree or RNTuple.
    names
        Branch by variable, for branches that are not called by the escaped name.
    rule
        What becomes of events with several candidates.
    table
        Optimised cuts, if any.
    axes
        Axes of the optimisation tensors.
    """

    def __init__(
        self,
        *,
        selection: Selection,
        samples: Mapping[str, SampleFiles],
        edges: ArrayLike,
        tree: str,
        names: Mapping[str, str],
        rule: CandidateRule = REJECT,
        table: CutTable | None = None,
        axes: tuple[VetoAxis, ...] = (),
    ) -> None:
        self.selection = selection
        self.samples = dict(samples)
        self.edges = ascending_edges(edges)
        self.tree = tree
        self.names = dict(names)
        self.rule = rule
        self.table = table
        self.axes = axes
        self.nan_allowed = frozenset(v.name for v in selection.variables if v.nan_allowed)
        self.variables = needed_variables(selection, rule)

    def process(self, events: Any) -> dict[str, dict[str, Any]]:
        """Return what one chunk gives, by name of the sample."""
        chunk = events.metadata
        file, start = str(chunk["filename"]), int(chunk["entrystart"])
        columns = self._columns(events, file, start, int(chunk["entrystop"]))
        self._refuse_repeats(columns, file, start)
        observables: dict[str, NDArray[Any]] = dict(self.selection.evaluate(columns))
        sample = self.samples[chunk["dataset"]]
        visible = _outside(observables[self.selection.spectrum], sample.blind)
        cumulative = [visible & mask for mask in self.selection.cumulative(observables)]
        weights = columns[WEIGHT].astype(np.float64)
        head = count(self.selection.steps, [visible, *cumulative], weights)
        rows = self._rows(columns, observables, weights, cumulative[-1] if cumulative else visible, file, start)
        starts = group_starts(rows.keys)
        # the first and the last event may go on in a neighbouring chunk
        first, last = (int(starts[1]), int(starts[-1])) if starts.size > 1 else (len(rows.keys), len(rows.keys))
        inner = rows.take(slice(first, last))
        borders = tuple(part for part in (rows.take(slice(0, first)), rows.take(slice(last, None))) if len(part.keys))
        filled, hashes = self.fill(inner, sample)
        passed = PassedEvents(file=file, start=start, stop=int(chunk["entrystop"]), hashes=hashes)
        result = {"rows": weights.size, "head": head, "borders": borders, "passed": (passed,), **filled}
        return {chunk["dataset"]: result}

    def _columns(self, events: Any, file: str, start: int, stop: int) -> Columns:
        """Return the needed columns of a chunk by variable.

        Raises
        ------
        IncompleteError
            If they cannot be read.
        NtupleError
            If one holds NaN or infinity where that means nothing.
        """
        try:
            with reading(Path(file), self.tree):
                columns = {
                    name: np.asarray(ak.to_numpy(events[branch_name(name, self.names)], allow_missing=False))
                    for name in self.variables
                }
        except NtupleError as error:
            msg = f"{error}; entries {start} to {stop - 1} are lost"
            raise IncompleteError(msg) from error
        for name, values in columns.items():
            if values.dtype.kind != "f" or name in self.nan_allowed:
                continue
            bad = np.flatnonzero(~np.isfinite(values))
            if bad.size:
                branch = branch_name(name, self.names)
                msg = (
                    f"{file}: tree {self.tree!r}: branch {branch!r} is {values[bad[0]]} in entry {start + bad[0]}"
                    f" ({bad.size} such rows up to entry {stop - 1}); {name} must be a number"
                )
                raise NtupleError(msg)
        return columns

    def _refuse_repeats(self, columns: Columns, file: str, start: int) -> None:
        """Raise if two rows of a chunk have the same event key and candidate, whether or not they pass a cut.

        Raises
        ------
        NtupleError
            If so, or if a part of the key is not a whole number.
        """
        try:
            keys = np.column_stack([event_keys(columns), whole_numbers(columns[CANDIDATE], CANDIDATE)])
        except InputError as error:
            msg = f"{file}: tree {self.tree!r}: {error}"
            raise NtupleError(msg) from None
        hashes = event_hash(keys)
        order = np.argsort(hashes, kind="stable")
        ordered = hashes[order]
        for i in np.flatnonzero(ordered[1:] == ordered[:-1]):
            first, second = order[i], order[i + 1]
            if np.array_equal(keys[first], keys[second]):
                key = describe_key(keys[second, :-1], int(keys[second, -1]))
                entries = f"entry {start + second} repeats entry {start + first}"
                msg = f"{file}: tree {self.tree!r}: {entries} ({key}); every row may be there once"
                raise NtupleError(msg)

    def _rows(
        self, columns: Columns, observables: Columns, weights: Array, mask: Mask, file: str, start: int
    ) -> PassingRows:
        """Return the rows of a chunk that pass `mask`."""
        index = np.flatnonzero(mask)
        keys = event_keys({name: columns[name][index] for name in EVENT_KEY})
        candidate = whole_numbers(columns[CANDIDATE][index], CANDIDATE)
        everything = {**columns, **observables}
        rank = np.zeros(len(weights)) if self.rule.best is None else everything[self.rule.best].astype(np.float64)
        kept = [self.selection.spectrum, *(axis.name for axis in self.axes)]
        kept += [] if self.table is None else list(self.table.names)
        return PassingRows(
            keys=keys,
            candidate=candidate,
            rank=rank[index],
            entry=start + index,
            file=np.full(index.size, file, dtype=object),
            values={WEIGHT: weights[index], **{name: observables[name][index] for name in kept}},
        )

    def fill(self, rows: PassingRows, sample: SampleFiles) -> tuple[dict[str, Any], NDArray[np.uint64]]:
        """Return histograms, tensor and the last steps of the cutflow of complete events, and the hashes of these.

        Raises
        ------
        NtupleError
            If a row is repeated.
        """
        starts = group_starts(rows.keys)
        if (pair := repeated_row(starts, rows.candidate)) is not None:
            raise self.repeated(rows.take(np.array(pair)))
        hashes = event_hash(rows.keys[starts])
        events = rows.take(kept_candidates(starts, rows.candidate, rows.rank, self.rule))
        m2, weights = events.values[self.selection.spectrum], events.values[WEIGHT]
        half = half_sample(events.keys)
        steps, masks = [ONE_CANDIDATE], [np.ones(m2.size, dtype=np.bool_)]
        result: dict[str, Any] = {"before": self._histogram(m2, weights, half)}
        if self.table is not None:
            steps.append(OPTIMISED)
            masks.append(self.table.apply(m2, events.values))
            result["after"] = self._histogram(m2[masks[1]], weights[masks[1]], half[masks[1]])
        if sample.tensor_edges is not None:
            result["tensor"] = fill_tensor(
                m2, events.values, weights=weights, half=half, edges=sample.tensor_edges, axes=self.axes
            )
        return {**result, "tail": count(steps, masks, weights)}, hashes

    def _histogram(self, m2: Array, weights: Array, half: NDArray[np.int64]) -> hist.Hist:
        """Return the histogram (half, squared mass) of events."""
        histogram = hist.Hist(
            hist.axis.Integer(0, HALVES, name="half", label="half of the events", flow=False),
            hist.axis.Variable(self.edges, name="m2", label="squared mass [GeV$^2$]"),
            storage=hist.storage.Weight(),
        )
        histogram.fill(half=half, m2=m2, weight=weights)
        return histogram

    def repeated(self, rows: PassingRows) -> NtupleError:
        """Return the error about two equal rows."""
        other = "" if rows.file[0] == rows.file[1] else f" of {rows.file[0]}"
        return NtupleError(
            f"{rows.file[1]}: tree {self.tree!r}: entry {rows.entry[1]} repeats entry {rows.entry[0]}{other}"
            f" ({describe_key(rows.keys[1], int(rows.candidate[1]))}); every row may be there once"
        )


def _outside(m2: Array, blind: tuple[float, float] | None) -> Mask:
    """Return which rows are not blinded, shape (N,)."""
    if blind is None:
        return np.ones(m2.size, dtype=np.bool_)
    return ~((m2 >= blind[0]) & (m2 < blind[1]))


def needed_variables(selection: Selection, rule: CandidateRule = REJECT) -> tuple[str, ...]:
    """Return the variables that must be in the files: event key, candidate, weight, and what the selection reads."""
    names = [*EVENT_KEY, CANDIDATE, WEIGHT, *(v.name for v in selection.variables)]
    if rule.best is not None:
        observables = selection.observables({v.name: np.ones(1) for v in selection.variables})
        names += [] if rule.best in observables else [rule.best]
    return tuple(dict.fromkeys(names))
