"""What variables of an ntuple are, and which observables of a selection are made of which of them.

The meanings are those of basf2's documentation for the variables of these names; files of other experiments map theirs
to these names (``ntuples: {names: ...}``), and must follow the same convention.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import InputError
from selections.cuts import Columns, Observables, Selection, Variable

__all__ = ["KEYS", "meaning", "used_by"]

OF_PARTICLES = {
    "p": "momentum, laboratory",
    "E": "energy, laboratory",
    "theta": "polar angle, laboratory, from the direction of the magnetic field",
    "phi": "azimuth, laboratory, -pi to pi",
    "charge": "charge, -1 or 1",
    "dr": "distance of closest approach to the interaction point in the transverse plane; its sign does not matter",
    "dz": "z of the point of closest approach, from the interaction point, with its sign",
    "muonID": "likelihood ratio of the muon hypothesis, 0 to 1",
    "electronID": "likelihood ratio of the electron hypothesis, 0 to 1",
    "pionID": "likelihood ratio of the pion hypothesis, 0 to 1",
    "kaonID": "likelihood ratio of the kaon hypothesis, 0 to 1",
    "protonID": "likelihood ratio of the proton hypothesis, 0 to 1",
    "clusterE": "energy in the calorimeter; NaN or 0 without a cluster",
    "clusterTiming": "time of the cluster after that of the event",
}
"""By the name of a variable of a particle."""
KEYS = {
    "__production__": "number of the production",
    "__experiment__": "number of the experiment",
    "__run__": "number of the run",
    "__event__": "number of the event in its run",
    "__candidate__": "number of the candidate in its event",
    "__weight__": "weight of the row; 1 in data",
}
"""Variables that every ntuple has, or a default for."""
_EVENT = {
    "nTracks": "tracks of the event, those of the candidate included, without a selection",
    "nKLMClusters": "clusters in the muon system, of the event",
    "totalEnergyOfParticlesInList(gamma:roe)": "summed energy of the photons outside the candidate, laboratory",
    "L3SinglePhoton": "BaBar's single-photon trigger line fired, 0 or 1",
}
_DAUGHTER = re.compile(r"daughter\((\d+), (\w+)\)")
_RANKED = re.compile(r"getVariableByRank\(gamma:roe, E, (\w+), (\d+)\)")
_TRIGGER = re.compile(r"(L1PSNM|SoftwareTriggerResult)\((.+)\)")
_VERTEX = re.compile(r"vertex(\d+)_(\w+)")
_ROWS = 400
"""Rows of random numbers in which a variable is exchanged between rows, to see what changes."""


def meaning(variable: Variable) -> str:
    """Return what a variable is: what the search says of it, or what is known of its name; "" for nothing.

    Examples
    --------
    >>> meaning(Variable(name="daughter(0, p)", unit="GeV"))
    'of daughter 0: momentum, laboratory'
    """
    if variable.meaning:
        return variable.meaning
    name = variable.name
    if found := _DAUGHTER.fullmatch(name):
        return f"of daughter {found[1]}: {OF_PARTICLES.get(found[2], found[2])}"
    if found := _RANKED.fullmatch(name):
        what = OF_PARTICLES.get(found[1], found[1])
        return f"of the photon of rank {found[2]} in energy outside the candidate: {what}; NaN if there is none"
    if found := _TRIGGER.fullmatch(name):
        level = (
            "first-level trigger bit, after prescale" if found[1] == "L1PSNM" else "result of the high-level trigger"
        )
        return f"{level}: {found[2]}; 1 if it fired"
    if found := _VERTEX.fullmatch(name):
        return f"of vertex {found[1]} of the candidate: {found[2]}"
    return _EVENT.get(name, KEYS.get(name, ""))


def used_by(selection: Selection) -> dict[str, frozenset[str]]:
    """Return the observables that are made of each variable, by variable.

    It is found by exchanging the values of one variable between random rows, and by taking some away where that has a
    meaning: what changes depends on it.

    Parameters
    ----------
    selection
        The selection.
    """
    rng = np.random.default_rng(1)
    columns: dict[str, NDArray[Any]] = {variable.name: _random(variable, rng) for variable in selection.variables}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        before = _values(selection.observables(columns))
        found: dict[str, set[str]] = {}
        for variable in selection.variables:
            name, values = variable.name, columns[variable.name]
            others = [values[np.roll(np.arange(_ROWS), 1)]]
            if variable.nan_allowed:
                others.append(np.where(np.arange(_ROWS) % 2 == 0, np.nan, values))
            for other in others:
                found.setdefault(name, set()).update(_changed(selection, columns | {name: other}, before))
    return {name: frozenset(names) for name, names in found.items()}


def _changed(selection: Selection, columns: Columns, before: Observables) -> set[str]:
    """Return the observables that have other values than before; none where the selection refuses such columns."""
    try:
        after = _values(selection.observables(columns))
    except InputError:
        return set()
    return {key for key, value in after.items() if not np.array_equal(value, before[key], equal_nan=True)}


def _values(observables: Observables) -> Mapping[str, NDArray[np.float64]]:
    """Return observables as arrays of float64."""
    return {name: np.asarray(observables[name], dtype=np.float64) for name in observables}


def _random(variable: Variable, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return values of a variable that a physicist would not be surprised by, shape (N,)."""
    known = _DAUGHTER.fullmatch(variable.name) or _RANKED.fullmatch(variable.name)
    name = known[2] if known is not None and known.re is _DAUGHTER else known[1] if known is not None else ""
    if name == "charge":
        values = rng.choice([-1.0, 1.0], _ROWS)
    elif variable.unit == "rad":
        values = rng.uniform(0.5, 2.5, _ROWS) if name == "theta" else rng.uniform(-3.0, 3.0, _ROWS)
    elif variable.unit == "GeV":
        values = rng.uniform(0.3, 3.0, _ROWS)
    elif name:
        values = rng.uniform(0.0, 1.0, _ROWS)
    else:
        values = rng.integers(0, 5, _ROWS).astype(np.float64)
    return ak.unflatten(values, np.ones(_ROWS, dtype=np.int64)) if variable.jagged else values
