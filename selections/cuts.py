"""Cuts, selections and cutflows.

A `Cut` is an interval in one observable, with unit and source, so that a cutflow can name it, a figure draw it, and an
N-1 distribution leave it out. A `Selection` is an ordered list of cuts with the ntuple variables and the observables
they need. A `Cutflow` counts what each step leaves; cutflows of chunks and files add up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import InputError
from bumphunt.spectrum.axis import COUNT, SQUARED, MassAxis

__all__ = [
    "ALL_ROWS",
    "NO_SPECTRUM",
    "Columns",
    "Cut",
    "Cutflow",
    "Observables",
    "Selection",
    "Variable",
    "count",
    "cutflow_columns",
]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Columns = Mapping[str, NDArray[Any]]
"""Ntuple columns of shape (N,) by basf2 variable name; jagged ones are an `awkward.Array` of N lists."""
Observables = Mapping[str, Array]
"""Observables of shape (N,) by name."""

_BINS = 200
"""Bins of a figure inside of an interval, and to each side: figures merge them, and show where the events are."""
_DISCRETE = 5
"""Bins of a figure to each side of a value."""
NO_SPECTRUM = "number_of_events"
"""What stands for the observable where there is no spectrum, and events are counted."""
ALL_ROWS = "all rows"
"""Name of the first step of every cutflow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A column that a selection reads.

    Parameters
    ----------
    name
        basf2 name, not escaped, such as ``daughter(0, p)``.
    unit
        Unit, "" for none.
    nan_allowed
        Whether NaN has a meaning, such as "there is no third photon"; elsewhere it is an error of the file.
    jagged
        Whether a row holds any number of values, as a ``vector<float>`` does: the column is an `awkward.Array` of N
        lists, from which observables of shape (N,) are made.
    meaning
        What it is, for ``bumphunt channels --variables``; basf2's own variables are known there.
    """

    name: str
    unit: str = ""
    nan_allowed: bool = False
    jagged: bool = False
    meaning: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """An open interval, or one value, that an observable must have.

    Parameters
    ----------
    name
        Short name, unique within a selection.
    observable
        Name of the observable.
    above, below
        The observable must be greater than the one and less than the other [unit]; None leaves a side open.
    equals
        The observable must have exactly this value; excludes `above` and `below`.
    unit
        Unit of observable and thresholds, "" for none.
    description
        What it is good for.
    source
        Where the threshold comes from.
    dropped
        Whether every row passes it: it is listed in the cutflow, and that is all.

    Raises
    ------
    InputError
        If no threshold is given, or they contradict each other.
    """

    name: str
    observable: str
    description: str
    source: str
    above: float | None = None
    below: float | None = None
    equals: float | None = None
    unit: str = ""
    dropped: bool = False

    def __post_init__(self) -> None:
        interval = self.above is not None or self.below is not None
        if interval == (self.equals is not None):
            msg = f"cut {self.name!r}: give either 'equals' or at least one of 'above' and 'below'"
            raise InputError(msg)
        if self.above is not None and self.below is not None and not self.above < self.below:
            msg = f"cut {self.name!r}: above = {self.above} must be less than below = {self.below}"
            raise InputError(msg)

    @property
    def interval(self) -> str:
        """The thresholds as text.

        Examples
        --------
        >>> Cut(name="pt", observable="pt", above=0.2, below=3.0, unit="GeV", description="", source="").interval
        'above 0.2 GeV and below 3 GeV'
        """
        sides = (("above", self.above), ("below", self.below), ("equal to", self.equals))
        unit = f" {self.unit}" if self.unit else ""
        return " and ".join(f"{side} {value:g}{unit}" for side, value in sides if value is not None)

    @property
    def bins(self) -> Array:
        """Bin edges [unit] of the observable about the thresholds, for a figure, shape (B + 1,).

        The thresholds are edges: 200 bins lie inside of an interval and 200 to each side; one threshold t has 200 bins
        below, down to 0 (to -1 for t = 0; to 2 t for a negative one), and 400 above. A value has a bin of width 1, as
        have 5 to each side.

        Examples
        --------
        >>> Cut(name="pt", observable="pt", above=0.2, description="", source="").bins[[0, 200, 600]]
        array([0. , 0.2, 0.6])
        """
        if self.equals is not None:
            return self.equals + np.arange(-_DISCRETE - 0.5, _DISCRETE + 1)
        if self.above is not None and self.below is not None:
            start, unit = self.above, self.below - self.above
        else:
            start = self.above if self.above is not None else (self.below or 0.0)
            unit = abs(start) or 1.0
        return np.asarray(start + unit * (np.arange(3 * _BINS + 1) - _BINS) / _BINS)

    def passes(self, values: ArrayLike) -> Mask:
        """Return which values pass, shape of `values`; NaN never does."""
        x = np.asarray(values)
        if self.equals is not None:
            return np.asarray(x == self.equals)
        mask = np.ones(x.shape, dtype=np.bool_)
        if self.above is not None:
            mask &= x > self.above
        if self.below is not None:
            mask &= x < self.below
        return mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """An ordered list of cuts, and what they need.

    Parameters
    ----------
    name
        Name of the search.
    variables
        Columns that `observables` reads.
    observables
        Function from columns to observables; it must hold the one that `spectrum` names, if any. It may give
        `selections.lazy.LazyObservables`, which saves the work for rows that fail early cuts.
    cuts
        The cuts, in order.
    spectrum
        Observable that the spectrum is made of, in the unit of the axis. Left out where there is none, and the events
        that pass are counted.
    axis
        How its peak moves with the mass; that of a count is known.

    Raises
    ------
    InputError
        If two cuts have the same name.
    """

    name: str
    variables: tuple[Variable, ...]
    observables: Callable[[Columns], Observables]
    cuts: tuple[Cut, ...]
    spectrum: str = NO_SPECTRUM
    axis: MassAxis = SQUARED

    def __post_init__(self) -> None:
        if self.counts:
            object.__setattr__(self, "axis", COUNT)
        names = [cut.name for cut in self.cuts]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            msg = f"selection {self.name!r}: the cut name {repeated[0]!r} stands twice; names must be unique"
            raise InputError(msg)

    @property
    def counts(self) -> bool:
        """Whether there is no spectrum, and events are counted."""
        return self.spectrum == NO_SPECTRUM

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the observables."""
        with np.errstate(all="ignore"):
            return tuple(
                self.observables({v.name: ak.Array([[1.0]]) if v.jagged else np.ones(1) for v in self.variables})
            )

    @property
    def applied(self) -> tuple[Cut, ...]:
        """The cuts that are not dropped, in order."""
        return tuple(cut for cut in self.cuts if not cut.dropped)

    @property
    def steps(self) -> tuple[str, ...]:
        """Names of the steps of the cutflow: all rows, then each cut."""
        return (ALL_ROWS, *(cut.name for cut in self.cuts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutflow:
    """What is left after each step.

    Parameters
    ----------
    steps
        Names of the steps, S of them.
    raw
        Rows, shape (S,).
    sum_w
        Sum of weights, shape (S,).
    sum_w2
        Sum of squared weights, shape (S,).

    Raises
    ------
    InputError
        If the shapes do not match.
    """

    steps: tuple[str, ...]
    raw: NDArray[np.int64]
    sum_w: Array
    sum_w2: Array

    def __post_init__(self) -> None:
        for name in ("raw", "sum_w", "sum_w2"):
            if np.shape(getattr(self, name)) != (len(self.steps),):
                msg = f"{name} has shape {np.shape(getattr(self, name))}; {len(self.steps)} steps need that many"
                raise InputError(msg)

    def __add__(self, other: Cutflow) -> Cutflow:
        """Return the cutflow of both.

        Raises
        ------
        InputError
            If the steps differ.
        """
        if self.steps != other.steps:
            msg = f"cutflows of different steps do not add: {self.steps} and {other.steps}"
            raise InputError(msg)
        return Cutflow(
            steps=self.steps,
            raw=self.raw + other.raw,
            sum_w=self.sum_w + other.sum_w,
            sum_w2=self.sum_w2 + other.sum_w2,
        )

    def scaled(self, factor: float) -> Cutflow:
        """Return the cutflow of rows whose weights are multiplied with a factor."""
        return Cutflow(steps=self.steps, raw=self.raw, sum_w=factor * self.sum_w, sum_w2=factor**2 * self.sum_w2)

    def then(self, steps: Cutflow) -> Cutflow:
        """Return the cutflow with more steps at its end.

        Raises
        ------
        InputError
            If a step stands twice.
        """
        if twice := set(self.steps) & set(steps.steps):
            msg = f"the step {min(twice)!r} stands twice in a cutflow; steps must be unique"
            raise InputError(msg)
        return Cutflow(
            steps=self.steps + steps.steps,
            raw=np.concatenate([self.raw, steps.raw]),
            sum_w=np.concatenate([self.sum_w, steps.sum_w]),
            sum_w2=np.concatenate([self.sum_w2, steps.sum_w2]),
        )

    def rows(self) -> list[dict[str, str | int | float]]:
        """Return one row a step: raw rows, sum of weights with its error, fraction of the step before and of all."""
        table: list[dict[str, str | int | float]] = []
        for i, step in enumerate(self.steps):
            before = self.sum_w[max(i - 1, 0)]
            table.append(
                {
                    "step": step,
                    "raw": int(self.raw[i]),
                    "sum_w": float(self.sum_w[i]),
                    "sum_w2": float(self.sum_w2[i]),
                    "sum_w_error": float(np.sqrt(self.sum_w2[i])),
                    "fraction_of_previous": float(self.sum_w[i] / before) if before else float("nan"),
                    "fraction_of_all": float(self.sum_w[i] / self.sum_w[0]) if self.sum_w[0] else float("nan"),
                }
            )
        return table


def count(steps: Sequence[str], masks: Sequence[Mask], weights: Array) -> Cutflow:
    """Return the cutflow of cumulative masks, each of shape (N,) like the weights.

    Examples
    --------
    >>> flow = count(["all", "pt"], [np.array([True, True]), np.array([True, False])], np.array([0.5, 2.0]))
    >>> flow.sum_w
    array([2.5, 0.5])
    """
    kept = [weights[mask] for mask in masks]
    return Cutflow(
        steps=tuple(steps),
        raw=np.array([w.size for w in kept], dtype=np.int64),
        sum_w=np.array([w.sum() for w in kept], dtype=np.float64),
        sum_w2=np.array([np.square(w).sum() for w in kept], dtype=np.float64),
    )


def cutflow_columns(cutflows: Mapping[str, Cutflow]) -> dict[str, list[str | int | float]]:
    """Return the cutflows of several samples as columns of one table: ``sample`` and those of `Cutflow.rows`."""
    columns: dict[str, list[str | int | float]] = {}
    for sample, cutflow in cutflows.items():
        for row in cutflow.rows():
            for name, value in {"sample": sample, **row}.items():
                columns.setdefault(name, []).append(value)
    return columns
