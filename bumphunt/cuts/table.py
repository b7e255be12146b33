"""The table of optimised cuts: bounds on observables in bins of mass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.cuts.tensor import Side, satisfies
from bumphunt.errors import InputError
from bumphunt.spectrum.axis import SQUARED, MassAxis, ascending_edges

__all__ = ["CutTable", "bin_masses"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_PREFIXES: dict[Side, str] = {"above": "min_", "below": "max_"}
"""What a column of bounds is called, before the name of its observable, by side."""
_QUANTITIES = (
    "merit_choosing",
    "merit_quoting",
    "efficiency_choosing",
    "efficiency_quoting",
    "efficiency_before",
    "background_choosing",
    "background_quoting",
    "background_before",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CutTable:
    """Bounds on observables in bins of a mass axis, and what they give.

    Bounds are inclusive. Masses below the first and above the last bin take the bounds of the nearest. Backgrounds are
    those within the signal window at the centre of the bin, efficiencies those to pass everything and be in the window.
    ``_choosing`` is the half of the simulated events that chose the bounds, ``_quoting`` the other one: each is scaled
    to the full sample.

    Parameters
    ----------
    edges
        Edges of the mass bins in the unit of the axis, shape (M + 1,).
    names, sides
        Observables, V of them, and the side on which each must be: above a lower bound, below an upper one.
    bounds
        Bounds [unit of the observable], shape (M, V).
    smooth
        Whether the bounds are interpolated linearly in the position between the centres of the bins; else they are
        steps. The quantities below are those of the steps.
    merit_choosing, merit_quoting
        Figure of merit, shape (M,).
    efficiency_choosing, efficiency_quoting, efficiency_before
        Signal efficiency with the bounds, and before them on the quoting half, shape (M,).
    background_choosing, background_quoting, background_before
        Expected background, likewise, shape (M,).
    axis
        What the bins are made of.

    Raises
    ------
    InputError
        If the shapes do not match, or there is no such side.
    """

    edges: Array
    names: tuple[str, ...]
    sides: tuple[Side, ...]
    bounds: Array
    smooth: bool
    merit_choosing: Array
    merit_quoting: Array
    efficiency_choosing: Array
    efficiency_quoting: Array
    efficiency_before: Array
    background_choosing: Array
    background_quoting: Array
    background_before: Array
    axis: MassAxis = SQUARED

    def __post_init__(self) -> None:
        n_bins = ascending_edges(self.edges).size - 1
        if len(self.sides) != len(self.names) or not set(self.sides) <= set(_PREFIXES):
            msg = f"sides = {self.sides} of {', '.join(self.names)}; give 'above' or 'below' for each"
            raise InputError(msg)
        if np.shape(self.bounds) != (n_bins, len(self.names)):
            msg = f"bounds has shape {np.shape(self.bounds)}; it must be ({n_bins}, {len(self.names)})"
            raise InputError(msg)
        for name in _QUANTITIES:
            if np.shape(getattr(self, name)) != (n_bins,):
                msg = f"{name} has shape {np.shape(getattr(self, name))}; it must be ({n_bins},)"
                raise InputError(msg)

    @property
    def masses(self) -> Array:
        """Masses at the centres of the bins [GeV], shape (M,)."""
        return bin_masses(self.edges, self.axis)

    def apply(self, positions: ArrayLike, observables: Mapping[str, Array]) -> Mask:
        """Return which events satisfy the bounds of their mass bin, shape (N,).

        Parameters
        ----------
        positions
            Of the events on the mass axis, shape (N,).
        observables
            Observables by name, each of shape (N,).

        Raises
        ------
        InputError
            If an observable is missing.
        """
        x = np.asarray(positions, dtype=np.float64)
        index = np.clip(np.searchsorted(self.edges, x, side="right") - 1, 0, len(self.bounds) - 1)
        centres = (self.edges[1:] + self.edges[:-1]) / 2
        mask = np.ones(x.shape, dtype=np.bool_)
        for column, (name, side) in enumerate(zip(self.names, self.sides, strict=True)):
            if name not in observables:
                msg = f"the cut table needs the observable {name!r}; known are {', '.join(observables)}"
                raise InputError(msg)
            bound = np.interp(x, centres, self.bounds[:, column]) if self.smooth else self.bounds[index, column]
            mask &= satisfies(observables[name], bound, side)
        return mask

    @property
    def _columns(self) -> list[str]:
        """Names of the columns of the bounds: ``min_`` or ``max_`` before the observable."""
        return [_PREFIXES[side] + name for name, side in zip(self.names, self.sides, strict=True)]

    def to_columns(self) -> dict[str, list[float]]:
        """Return the table as columns of plain numbers, one row a mass bin; see `from_columns`.

        A lower bound on an observable is in the column ``min_`` and its name, an upper one in ``max_`` and its name.
        """
        columns = {"mass": self.masses, "position_low": self.edges[:-1], "position_high": self.edges[1:]}
        columns |= {name: self.bounds[:, i] for i, name in enumerate(self._columns)}
        columns |= {name: getattr(self, name) for name in _QUANTITIES}
        columns["smooth"] = np.full(self.masses.size, float(self.smooth))
        return {name: [float(x) for x in values] for name, values in columns.items()}

    @classmethod
    def from_columns(cls, columns: Mapping[str, Sequence[str | float]], *, axis: MassAxis = SQUARED) -> CutTable:
        """Return the table from columns of numbers or of text, as `to_columns` makes them, and its axis.

        Raises
        ------
        InputError
            If a column is missing, holds no number, or the bins do not follow each other.
        """
        bounds = [(name, side) for name in columns for side, prefix in _PREFIXES.items() if name.startswith(prefix)]
        try:
            numbers = {
                name: np.array([float(x) for x in columns[name]])
                for name in ("position_low", "position_high", *(name for name, _ in bounds), *_QUANTITIES, "smooth")
            }
        except (KeyError, ValueError) as error:
            msg = f"the cut table has a missing or broken column: {error}"
            raise InputError(msg) from None
        low, high = numbers["position_low"], numbers["position_high"]
        if not np.allclose(low[1:], high[:-1], rtol=1e-5):
            msg = f"the mass bins of the cut table leave gaps: {low.tolist()} to {high.tolist()}"
            raise InputError(msg)
        return cls(
            edges=np.append(low, high[-1:]),
            names=tuple(name.removeprefix(_PREFIXES[side]) for name, side in bounds),
            sides=tuple(side for _, side in bounds),
            bounds=np.array([numbers[name] for name, _ in bounds]).reshape(-1, low.size).T,
            smooth=bool(numbers["smooth"].all()),
            axis=axis,
            **{name: numbers[name] for name in _QUANTITIES},
        )


def bin_masses(edges: Array, axis: MassAxis) -> Array:
    """Return the masses at the centres of bins [GeV]; 0 where a squared mass is negative."""
    return axis.mass((edges[1:] + edges[:-1]) / 2)
