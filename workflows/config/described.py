"""What a search reads, as tables: every variable with its meaning and unit, and what it is needed for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import BEAMS
from selections.cuts import Selection, Variable
from selections.meanings import KEYS, meaning, used_by
from selections.search import Region, Search
from workflows.config.searches import Registry
from workflows.ntuples.branches import escape
from workflows.reading.keys import DEFAULTS

__all__ = ["ReadVariable", "daughters", "described", "read_variables"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadVariable:
    """One variable that a region reads.

    Parameters
    ----------
    name
        basf2 name.
    branch
        The branch that basf2 writes it to.
    unit
        Its unit, "" for none.
    meaning
        What it is, and by which convention.
    needed
        What it is needed for.
    """

    name: str
    branch: str
    unit: str
    meaning: str
    needed: str


def described(search: Search, registry: Registry | None) -> Iterator[str]:
    """Yield lines about a search and its regions; with the processes and candidates, every variable that they read too.

    Parameters
    ----------
    search
        The search.
    registry
        What its candidates are found in; None to leave the variables out.
    """
    yield f"{search.name}: {search.final_state}"
    masses = "no mass"
    if search.mass_range is not None:
        low, high = search.mass_range
        masses = f"{low:g} to {high:g} GeV" if high < float("inf") else "any mass"
    yield f"    {search.observable}, {masses}; {search.reference}"
    for region in search.regions:
        control = " (control sample)" if region.role == "control" else ""
        yield f"    region {region.name}{control}: {region.description}; reads {region.candidate}"
        if registry is not None:
            if order := daughters(region, registry):
                yield f"        daughters: {order}; charge conjugation is implied"
            for variable in read_variables(search, region):
                unit = f" [{variable.unit}]" if variable.unit else ""
                yield f"        {variable.name}{unit}: {variable.meaning}"
                yield f"            for {variable.needed}; branch {variable.branch}"


def daughters(region: Region, registry: Registry) -> str:
    """Return the daughters of the candidate of a region in their order, such as ``0 mu+, 1 mu-``; "" if not known."""
    try:
        candidate = registry.candidate(region.candidate)
    except InputError:
        return ""
    return ", ".join(f"{i} {name}" for i, name in enumerate(candidate.daughters))


def read_variables(search: Search, region: Region, *, beams: str = "belle2") -> list[ReadVariable]:
    """Return what a region of a search reads, those of the selection first.

    Corrections and a rule for candidates may read any variable or observable besides: they name it.

    Parameters
    ----------
    search
        The search.
    region
        One of its regions.
    beams
        Beams that the selection is made for: the same variables for all.
    """
    selection = region.selection(BEAMS[beams])
    made_of = used_by(selection)
    found = [
        _read(variable, _needed(search, region, selection, made_of[variable.name], variable.name))
        for variable in dict.fromkeys(selection.variables)
    ]
    own = {variable.name for variable in found}
    keys = [_read(Variable(name=name), _default(name)) for name in KEYS if name not in own]
    return found + keys


def _read(variable: Variable, needed: str) -> ReadVariable:
    """Return a variable with what it is needed for."""
    text = meaning(variable) or "(the search does not say)"
    also = ["a list in each row"] if variable.jagged else []
    also += ["NaN has a meaning"] if variable.nan_allowed and "NaN" not in text else []
    return ReadVariable(
        name=variable.name,
        branch=escape(variable.name),
        unit=variable.unit,
        meaning="; ".join([text, *also]),
        needed=needed,
    )


def _default(name: str) -> str:
    """Return what an ntuple without a part of the key has."""
    return f"key; {DEFAULTS[name]:g} if it is not there" if DEFAULTS.get(name) is not None else "key"


def _needed(
    search: Search, region: Region, selection: Selection, observables: Sequence[str] | frozenset[str], variable: str
) -> str:
    """Return what a variable is needed for: the spectrum, cuts by name, the veto; or observables that nothing reads."""
    cuts = [cut.name for cut in selection.cuts if cut.observable in observables or cut.observable == variable]
    spectrum = {selection.spectrum, *(axis.observable for axis in region.axes)}
    found = ["spectrum"] if spectrum & set(observables) else []
    found += [f"cuts: {', '.join(cuts)}"] if cuts else []
    if region.role == "signal":
        veto = [axis.name for axis in search.veto if axis.name in observables]
        other = {*(axis.name for axis in search.candidates), *search.features} - {axis.name for axis in search.veto}
        found += [f"veto: {', '.join(veto)}"] if veto else []
        found += ["observables that the optimisation ranks"] if other & set(observables) else []
    return "; ".join(found) or "observables for corrections and figures"
