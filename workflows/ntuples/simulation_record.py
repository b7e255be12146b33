"""How a simulated sample was made: a tree of one row beside its events."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import awkward as ak
import numpy as np

from bumphunt.errors import NtupleError
from workflows.ntuples.opening import open_tree
from workflows.storage.addresses import Place

__all__ = ["SIMULATION_TREE", "Simulation", "read_simulation", "write_simulation"]

SIMULATION_TREE = "simulation"
"""Name of the one-row tree that says how a sample was simulated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """How a sample was simulated: the row of the tree ``simulation``."""

    process: str
    """Name of the process, or ``pseudodata``."""
    mass: float
    """Mass of the signal [GeV]; NaN for a background."""
    coupling: float
    """Coupling of the signal; NaN for a background."""
    cross_section: float
    """Cross section of the generated events [fb], without a branching ratio; NaN for pseudo-data."""
    cross_section_error: float
    """Its statistical uncertainty [fb]."""
    generated: int
    """Generated events."""
    luminosity: float
    """Luminosity that the weights stand for [fb^-1]."""
    seed: int
    """Seed of the analysis."""
    sum_of_weights: float
    """Cross section times luminosity: expected events before any acceptance."""
    effective_events: float
    """(sum w)^2 / sum w^2 of all generated events."""


def read_simulation(path: Place) -> Simulation:
    """Return how a sample was simulated.

    Raises
    ------
    NtupleError
        If the file cannot be read, was not written by bumphunt's simulation, or its record is not one row.
    """
    with open_tree(path, SIMULATION_TREE) as source:
        rows = source.arrays(library="ak").to_list()
        needed = {field.name for field in fields(Simulation)}
        if len(rows) != 1 or not needed <= rows[0].keys():
            msg = f"{path}: tree {SIMULATION_TREE!r} has {len(rows)} rows with {sorted(rows[0]) if rows else []}, not one row of a simulation"  # noqa: E501
            raise NtupleError(msg)
        return Simulation(**{name: rows[0][name] for name in needed})


def write_simulation(file: Any, simulation: Simulation) -> None:
    """Write the one-row tree that says how a sample was simulated into an open file."""
    row = {field.name: getattr(simulation, field.name) for field in fields(simulation)}
    types = {name: {str: "string", int: np.dtype("i8"), float: np.dtype("f8")}[type(v)] for name, v in row.items()}
    writer = file.mktree(SIMULATION_TREE, types)
    writer.extend({name: ak.Array([v]) if isinstance(v, str) else np.array([v]) for name, v in row.items()})
