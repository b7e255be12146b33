"""Cuts that an analysis changes, drops or adds: the selection of a search with them, whose cutflow says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bumphunt.errors import InputError, unknown_name
from selections.cuts import Cut, Selection, Variable

__all__ = ["CutChange", "changed_selection"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CutChange:
    """What becomes of a cut of a selection, or a new one.

    Parameters
    ----------
    name
        Name of the cut; one that the selection does not have is added at its end.
    source
        Where the change comes from.
    dropped
        Whether all rows pass it.
    observable
        Observable that is cut on; that of the cut unless given.
    variable
        Variable of the ntuple that is cut on, in the place of an observable.
    bounds
        Those of ``above``, ``below`` and ``equals`` that are said, None for none; others stay, but that a value and an
        interval exclude each other.
    unit
        Unit of the bounds; that of the cut unless given.
    """

    name: str
    source: str
    dropped: bool = False
    observable: str | None = None
    variable: str | None = None
    bounds: Mapping[str, float | None] = field(default_factory=dict)
    unit: str | None = None


def changed_selection(selection: Selection, changes: Sequence[CutChange]) -> Selection:
    """Return a selection with some cuts changed, dropped or added.

    A changed cut is called ``NAME (changed)``, a dropped one ``NAME (dropped)`` and a new one ``NAME (added)``.

    Parameters
    ----------
    selection
        The selection.
    changes
        What changes, each cut once.

    Raises
    ------
    InputError
        If a new cut names neither an observable nor a variable, or an observable that there is not; or a cut has no
        bounds that make sense.
    """
    cuts = {cut.name: cut for cut in selection.cuts}
    variables = list(selection.variables)
    for change in changes:
        if change.variable is not None and change.variable not in {variable.name for variable in variables}:
            variables.append(Variable(name=change.variable, unit=change.unit or ""))
        if change.observable is not None and change.observable not in selection.names:
            raise InputError(unknown_name("observable", change.observable, selection.names))
        cuts[change.name] = _changed(cuts.get(change.name), change)
    return replace(selection, cuts=tuple(cuts.values()), variables=tuple(variables))


def _changed(cut: Cut | None, change: CutChange) -> Cut:
    """Return a cut after a change.

    Raises
    ------
    InputError
        If there is none, and the change does not say what it cuts on; or its bounds make no sense.
    """
    on = change.variable or change.observable
    above, below, equals = _bounds(cut, change.bounds)
    if cut is None:
        if on is None:
            msg = f"there is no cut {change.name!r}, and a new one names its observable"
            raise InputError(msg)
        return Cut(
            name=f"{change.name} (added)",
            observable=on,
            description="added",
            source=change.source,
            unit=change.unit or "",
            above=above,
            below=below,
            equals=equals,
        )
    if change.dropped:
        return replace(cut, name=f"{cut.name} (dropped)", dropped=True)
    return replace(
        cut,
        name=f"{cut.name} (changed)",
        observable=on or cut.observable,
        unit=cut.unit if change.unit is None else change.unit,
        source=f"{change.source}; was {cut.interval} ({cut.source})",
        above=above,
        below=below,
        equals=equals,
    )


def _bounds(cut: Cut | None, said: Mapping[str, float | None]) -> tuple[float | None, ...]:
    """Return above, below and equals of a cut: those that are said, and others of the cut that go with them."""
    of_value = said.get("equals") is not None
    of_interval = any(said.get(side) is not None for side in ("above", "below"))
    kept = {side: None if cut is None else getattr(cut, side) for side in ("above", "below", "equals")}
    if of_value:
        kept |= {"above": None, "below": None}
    if of_interval:
        kept |= {"equals": None}
    return tuple((kept | dict(said)).values())
