"""Where hypotheses lie: their masses, if they have any, and values of the other coordinates of a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from selections.search import Coordinate

__all__ = ["ALONE", "NO_MASS", "At", "Sheet", "at_of", "file_suffix", "grid", "in_figures", "mass_words", "words"]

At = tuple[tuple[str, float], ...]
"""Names and values of the coordinates beside the mass, in the order of the search."""
ALONE: At = ()
"""No coordinates beside the mass."""
NO_MASS = 0.0
"""What stands for the mass of hypotheses that have none, in records; tables have no such column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """Hypotheses that differ in their mass alone.

    Parameters
    ----------
    at
        Values of the other coordinates.
    masses
        Simulated masses [GeV], ascending; `NO_MASS` alone where hypotheses have none.
    """

    at: At
    masses: tuple[float, ...]


def at_of(values: Mapping[str, float]) -> At:
    """Return values by name as they are kept, in a given order."""
    return tuple((name, float(value)) for name, value in values.items())


def grid(values: Mapping[str, Sequence[float]]) -> list[At]:
    """Return every combination of values of coordinates, the last one running fastest; one without any of none."""
    return [tuple(zip(values, map(float, point), strict=True)) for point in product(*values.values())]


def file_suffix(at: At) -> str:
    """Return what the names of the files of a sheet end with, such as ``_lifetime_10``; "" beside no coordinate."""
    return "".join(f"_{name}_{value:g}" for name, value in at)


def mass_words(mass: float) -> str:
    """Return a mass [GeV] for a sentence, such as ``4.2 GeV``; "" for none."""
    return "" if mass == NO_MASS else f"{mass:g} GeV"


def words(at: At, coordinates: Sequence[Coordinate]) -> str:
    """Return where a sheet lies, such as ``lifetime = 10 cm``; "" beside no coordinate."""
    units = {coordinate.name: coordinate.unit for coordinate in coordinates}
    return ", ".join(f"{name} = {value:g} {units.get(name, '')}".strip() for name, value in at)


def in_figures(at: At, coordinates: Sequence[Coordinate]) -> str:
    """Return where a sheet lies in the mathematics of a figure; "" beside no coordinate."""
    known = {coordinate.name: coordinate for coordinate in coordinates}
    return ", ".join(f"${known[name].symbol}$ = {value:g} {known[name].unit}".strip() for name, value in at)
