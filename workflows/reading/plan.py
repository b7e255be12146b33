"""What is asked of one read of the files: of samples, of regions, of the weights; and what it gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hist
import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import Beams
from bumphunt.spectrum.axis import COUNT_EDGES, ascending_edges
from selections.cuts import Cutflow, Selection
from selections.search import Region
from selections.shifts import Shift
from workflows.reading.ledger import LedgerEntry
from workflows.reading.spectra import NOMINAL, RESERVED, spectra_axes
from workflows.running.missing import Missing
from workflows.storage.addresses import Place

__all__ = [
    "ALL_CANDIDATES",
    "CORRECTED",
    "GENERATED",
    "ONE_CANDIDATE",
    "WEIGHT",
    "Correction",
    "ProcessedSample",
    "RegionPlan",
    "RegionResult",
    "SampleFiles",
]

Array = NDArray[np.float64]

WEIGHT = "__weight__"
"""Variable that holds the weight of a row."""
ONE_CANDIDATE = "one candidate"
"""Step of the cutflow after which a row is an event."""
ALL_CANDIDATES = "all candidates"
"""Step of the cutflow in its place, where an event may have several rows to its end."""
GENERATED = "generated candidate"
"""Step of the cutflow after which events of a signal are those of its generated candidate."""
CORRECTED = "corrections"
"""Step of the cutflow from which on the weights are corrected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFiles:
    """What to read for one sample.

    Parameters
    ----------
    files
        ROOT files.
    simulated
        Whether corrections apply: never to data.
    signal
        Whether it is a signal, whose generated candidate may be told from others.
    blind
        Positions [low, high) on the axis of a region, by name of the region, whose rows are dropped from it before
        anything is counted, candidates of an event included. Regions that are not named are not blinded.
    """

    files: tuple[Place, ...]
    simulated: bool
    signal: bool = False
    blind: dict[str, tuple[float, float]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RegionPlan:
    """What to fill for one region.

    Parameters
    ----------
    name
        Its name.
    selection
        Cuts before the optimised ones.
    edges
        Bin edges on the axis of the selection [unit of the axis], shape (B + 1,); those of the one bin of a count.
    keep
        More observables or variables of passing events that later stages need.
    cut_on
        Those of `keep` that cuts in bins of mass may be on: alone needed of events that pass with shifted momenta.
    slices
        An observable or variable, and edges of shape (S + 1,): the spectra are filled in bins of it too. Events
        outside of the edges are left out of the spectra, as those outside of `edges` are.
    others
        More observables of its spectrum, each with edges on its axis.
    fitted
        Whether it is fitted together with the others of which this is so: no row may pass in two of them.
    shifts
        Momenta of simulated samples that are uncertain: each gives more variations of the spectra, of other rows. Those
        of which the region reads nothing are passed over.

    Raises
    ------
    InputError
        If edges are not ascending, or the observable of the spectrum has the name of another axis of the spectra.
    """

    name: str
    selection: Selection
    edges: Array
    keep: tuple[str, ...] = ()
    cut_on: tuple[str, ...] = ()
    slices: tuple[str, Array] | None = None
    others: tuple[tuple[str, Array], ...] = ()
    fitted: bool = False
    shifts: tuple[Shift, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "edges", ascending_edges(self.edges))
        if self.slices is not None:
            object.__setattr__(self, "slices", (self.slices[0], ascending_edges(self.slices[1])))
        object.__setattr__(self, "others", tuple((name, ascending_edges(edges)) for name, edges in self.others))
        taken = list(RESERVED)
        for name in (self.selection.spectrum, *(name for name, _ in self.others)):
            if name in taken:
                msg = (
                    f"region {self.name!r}: the observable of its spectrum is called {name!r}; spectra have the axes"
                    f" {', '.join(taken)} already"
                )
                raise InputError(msg)
            taken.append(name)

    @classmethod
    def of(
        cls,
        region: Region,
        beams: Beams,
        *,
        edges: ArrayLike | None = None,
        keep: Sequence[str] = (),
        cut_on: Sequence[str] = (),
        slices: tuple[str, Array] | None = None,
        shifts: Sequence[Shift] = (),
    ) -> RegionPlan:
        """Return what is filled for a region of a search.

        Parameters
        ----------
        region
            The region.
        beams
            The nominal beams.
        edges
            Bin edges of its spectrum [unit of the axis]; those of the region unless given.
        keep, cut_on, slices, shifts
            As for the record.

        Raises
        ------
        InputError
            If neither says the edges.
        """
        selection = region.selection(beams)
        own = None if region.binning is None else region.binning.edges
        if selection.counts:
            own = np.array(COUNT_EDGES)
        if edges is None and own is None:
            msg = f"region {region.name!r}: its spectrum has no bins; say its edges"
            raise InputError(msg)
        return cls(
            name=region.name,
            selection=selection,
            edges=ascending_edges(own if edges is None else edges),  # type: ignore[arg-type]
            keep=tuple(keep),
            cut_on=tuple(cut_on),
            slices=slices,
            others=tuple((axis.observable, axis.binning.edges) for axis in region.axes),
            fitted=region.role == "signal",
            shifts=tuple(shifts),
        )

    @property
    def axes(self) -> list[Any]:
        """Axes of its spectra, but for that of the variations."""
        return spectra_axes(self.selection.spectrum, self.edges, self.slices, self.others)

    @property
    def kept(self) -> tuple[str, ...]:
        """Observables or variables of passing events: that of the spectrum first, if there is one."""
        spectrum = () if self.selection.counts else (self.selection.spectrum,)
        sliced = () if self.slices is None else (self.slices[0],)
        others = (name for name, _ in self.others)
        return tuple(dict.fromkeys((*spectrum, *others, *sliced, *self.keep)))

    def positions(self, values: Mapping[str, Array], rows: int) -> Array:
        """Return where rows lie on the axis of the region, shape (N,).

        Parameters
        ----------
        values
            Their observables, each of shape (N,).
        rows
            Their number N.
        """
        if self.selection.counts:
            return np.full(rows, np.mean(COUNT_EDGES))
        return values[self.selection.spectrum]


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A correction of a correctionlib file.

    Parameters
    ----------
    name
        Its name in the analysis, and that of its variations.
    file
        The JSON file, which may be gzipped; or the YAML that holds what `content` is made of.
    correction
        Name of the correction in the file.
    inputs
        One entry for each input of the correction, but for that of the systematic: the name of an observable of the
        region or of an ntuple variable, with ``{i}`` for the daughter; a number; or the text of a string input.
    each
        Daughters whose corrections are multiplied; none for one evaluation without ``{i}``.
    samples
        Samples that are corrected; None for all simulated ones.
    regions
        Regions that are corrected; None for all.
    up, down
        Names of corrections in the file for the variations, where these are no string input.
    values
        What the string input of the systematic is called at its nominal value, up and down. An input whose categories
        hold all three is that of the systematic. Without it and without `up` and `down` there is no variation.
    content
        The document, in the place of a file.

    Raises
    ------
    InputError
        If only one of `up` and `down` is given, or ``{i}`` without daughters, or daughters without ``{i}``.
    """

    name: str
    file: Path
    correction: str
    inputs: tuple[str | float, ...]
    each: tuple[int, ...] = ()
    samples: tuple[str, ...] | None = None
    regions: tuple[str, ...] | None = None
    up: str | None = None
    down: str | None = None
    values: tuple[str, str, str] = (NOMINAL, "up", "down")
    content: str | None = None

    def __post_init__(self) -> None:
        if (self.up is None) != (self.down is None):
            msg = f"correction {self.name!r}: up = {self.up!r}, down = {self.down!r}; give both or neither"
            raise InputError(msg)
        numbered = any("{i}" in entry for entry in self.inputs if isinstance(entry, str))
        if numbered != bool(self.each):
            msg = (
                f"correction {self.name!r}: inputs {self.inputs}, each {self.each}; '{{i}}' and 'each' need each other"
            )
            raise InputError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionResult:
    """What one sample gave in one region.

    Parameters
    ----------
    cutflow
        What each step leaves: rows with the weights of the ntuple up to the last cut, then events, then events with
        the nominal corrections where there are any.
    spectra
        Spectra of the events that pass, see `workflows.reading.spectra`.
    pairs
        Where all candidates are kept: the pairs of those of one event (`bumphunt.spectrum.pairs`), with the nominal
        weights; else None.
    n_minus_one
        By name of the cut, the histogram of its observable after all other cuts, with the nominal corrections; before
        one candidate an event is chosen. Rows that fail the cut may lie beyond what a correction foresees: there it has
        the value of its nearest bin, and 1 where it reads NaN.
    """

    cutflow: Cutflow
    spectra: hist.Hist
    n_minus_one: dict[str, hist.Hist]
    pairs: hist.Hist | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessedSample:
    """What one sample gave.

    Parameters
    ----------
    name
        Name of the sample.
    regions
        What it gave in each region, by name.
    rows, rows_expected
        Rows that were read, and rows of the files. The latter counts only files whose size is known.
    missing
        What could not be read; empty unless that is allowed.
    files
        Number of files, readable or not.
    runs
        Rows of each run of data, see `workflows.reading.run_list.run_numbers`; empty without a list of good runs.
    ledger
        What became of each entry range of each file.
    luminosity_share
        Part of the luminosity of all good runs that belongs to those of which there is a row.
    """

    name: str
    regions: dict[str, RegionResult]
    rows: int
    rows_expected: int
    missing: tuple[Missing, ...]
    files: int
    ledger: tuple[LedgerEntry, ...]
    runs: Mapping[int, int] = field(default_factory=dict)
    luminosity_share: float = 1.0

    @property
    def fraction(self) -> float:
        """Fraction of the sample that was read.

        Where nothing is missing, that is the part of the luminosity of the good runs that belongs to runs with a row, 1
        without a list of them. Else it is the fraction of the rows that were read; a file of unknown size counts as an
        average one.
        """
        if not self.missing:
            return self.luminosity_share
        unknown = sum(m.start is None for m in self.missing)
        known = self.files - unknown
        return self.rows / self.rows_expected * known / self.files

    def share(self, entry: LedgerEntry) -> float:
        """Return the part of the luminosity of the sample that belongs to the rows that were read of an entry range.

        All of them add up to `fraction`; where no file has a row, that belongs to the first.
        """
        if not self.rows:
            return self.fraction if entry is self.ledger[0] else 0.0
        return self.fraction * entry.processed / self.rows
