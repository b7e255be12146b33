"""Observables that are worked out when they are asked for, and only for the rows that are left by then.

A selection may return `LazyObservables` instead of a dictionary. The cuts are then applied in order, and what a later
cut needs is never worked out for rows that have failed two cuts already: they appear in no cutflow and in no N-1
histogram any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import InputError, unknown_name

__all__ = ["Function", "LazyObservables", "in_one_go", "lazy_observables"]

Values = NDArray[Any]
Function = Callable[["LazyObservables"], Values]


class LazyObservables(Mapping[str, Values]):
    """Observables by name, each worked out once.

    Parameters
    ----------
    columns
        Ntuple columns by name, each of shape (N,).
    functions
        How each observable is made, from this mapping, which holds the columns too. Names with a leading underscore are
        steps on the way, of shape (N,) or (N, k), that are not listed.
    known
        Observables that are known already.

    Raises
    ------
    InputError
        If what is known has not one number a row.
    """

    __slots__ = ("_columns", "_functions", "_index", "_made_of", "_names", "_open", "_parent", "_values")

    def __init__(
        self,
        columns: Mapping[str, Values],
        functions: Mapping[str, Function],
        known: Mapping[str, Values] | None = None,
    ) -> None:
        self._columns = columns
        self._functions = functions
        self._values = {name: _one_a_row(name, values) for name, values in (known or {}).items()}
        self._names = tuple(name for name in (*functions, *self._values) if not name.startswith("_"))
        self._parent: LazyObservables | None = None
        self._index: Values | None = None
        self._made_of: dict[str, set[str]] = {name: _given(values, columns) for name, values in self._values.items()}
        self._open: list[set[str]] = []

    def take(self, index: Values) -> LazyObservables:
        """Return the observables of the rows at `index`: what is known is taken over, the rest worked out for them."""
        part = LazyObservables(self._columns, self._functions)
        part._parent, part._index, part._names = self, index, self._names
        part._made_of, part._open = self._made_of, self._open
        return part

    def with_columns(self, columns: Mapping[str, Values]) -> LazyObservables | None:
        """Return the observables of the same rows with other columns; None where what is known was given, not made."""
        if self._parent is not None or not self._functions.keys() >= set(self._names):
            return None
        return LazyObservables({**self._columns, **columns}, self._functions)

    def made_of(self, name: str) -> frozenset[str]:
        """Return the columns that an observable was made of, for all rows for which it was worked out so far.

        With the same values in these columns it is the same again, whatever the others hold. Of an observable that was
        given they are all columns, but for one that is a column itself.
        """
        return frozenset(self._made_of.get(name, (name,)))

    def _known(self, name: str) -> Values | None:
        """Return what is known without any work but to pick rows; None for nothing."""
        if name in self._values:
            return self._values[name]
        if self._parent is None or self._index is None:
            return None if name in self._functions else self._columns.get(name)
        known = self._parent._known(name)
        if known is not None:
            # of several columns each stays in one piece of memory; the others are lists
            plain = isinstance(known, np.ndarray)
            known = np.take(known.T, self._index, axis=-1).T if plain else known[self._index]
            self._values[name] = known
        return known

    def __getitem__(self, name: str) -> Values:
        """Return an observable, or a column where there is no observable of that name.

        Raises
        ------
        InputError
            If there is neither, or it has not one number a row.
        """
        known = self._known(name)
        if known is None:
            if name not in self._functions:
                raise InputError(unknown_name("observable", name, [*self, *self._columns]))
            self._open.append(set())
            try:
                made = self._functions[name](self)
            finally:
                found = self._open.pop()
            self._made_of.setdefault(name, set()).update(found)
            self._values[name] = known = made if name.startswith("_") else _one_a_row(name, made)
        if self._open:
            self._open[-1].update(self._made_of.get(name, (name,)))
        return known

    def __contains__(self, name: object) -> bool:
        """Whether there is an observable of that name; columns do not count."""
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def lazy_observables(observables: Mapping[str, Values], columns: Mapping[str, Values]) -> LazyObservables:
    """Return what a selection makes of columns as lazy observables with the columns behind them."""
    if isinstance(observables, LazyObservables):
        return observables
    return LazyObservables(columns, {}, known=observables)


def _given(values: Values, columns: Mapping[str, Values]) -> set[str]:
    """Return the columns that an observable may have been made of that was given."""
    return next(({name} for name, column in columns.items() if column is values), set(columns))


def _one_a_row(name: str, values: Any) -> Values:
    """Return an observable that was made of jagged columns as an array of numpy.

    Raises
    ------
    InputError
        If it has not one number a row.
    """
    if not isinstance(values, ak.Array):
        return np.asarray(values)
    try:
        found = np.asarray(ak.to_numpy(values, allow_missing=False))
    except ValueError:
        found = np.empty((0, 0))
    if found.ndim != 1 or found.dtype.kind not in "biuf":
        msg = (
            f"the observable {name!r} holds {values.type}, not one number a row: reduce lists, as by"
            " awkward.max(..., axis=1), and say what an empty one means, by awkward.fill_none"
        )
        raise InputError(msg)
    return found


def in_one_go(
    function: Callable[[LazyObservables], Mapping[str, Values]], names: tuple[str, ...]
) -> dict[str, Function]:
    """Return functions for several observables that one function makes together.

    Parameters
    ----------
    function
        Makes the observables, from columns and other observables.
    names
        Those that are wanted, all of them of one type.
    """
    together = f"_{' '.join(names)}"

    def make(o: LazyObservables) -> Values:
        made = function(o)
        return np.array([made[name] for name in names]).T

    def one(column: int) -> Function:
        return lambda o: o[together][:, column]

    return {together: make, **{name: one(column) for column, name in enumerate(names)}}
