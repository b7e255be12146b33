"""The table of optimised cuts: lower bounds on observables in bins of mass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import InputError
from bumphunt.spectrum.axis import SQUARED, MassAxis, ascending_edges

__all__ = ["CutTable", "bin_masses"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


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
    """Lower bounds on observables in bins of a mass axis, and what they give.

    Bounds are inclusive. Masses below the first and above the last bin take the bounds of the nearest. Backgrounds are
    those within the signal window at the centre of the bin, efficiencies those to pass everything and be in the window.
    ``_choosing`` is the half of the simulated events that chose the bounds, ``_quoting`` the other one: each is scaled
    to the full sample.

    Parameters
    ----------
    edges
        Edges of the mass bins in the unit of the axis, shape (M + 1,).
    names
        Observables, V of them.
    lower
        Lower bounds [unit of the observable], shape (M, V).
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
        If the shapes do not match.
    """

    edges: Array
    names: tuple[str, ...]
    lower: Array
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
        if np.shape(self.lower) != (n_bins, len(self.names)):
            msg = f"lower has shape {np.shape(self.lower)}; it must be ({n_bins}, {len(self.names)})"
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
        index = np.clip(np.searchsorted(self.edges, x, side="right") - 1, 0, len(self.lower) - 1)
        centres = (self.edges[1:] + self.edges[:-1]) / 2
        mask = np.ones(x.shape, dtype=np.bool_)
        for column, name in enumerate(self.names):
            if name not in observables:
                msg = f"the cut table needs the observable {name!r}; known are {', '.join(observables)}"
                raise InputError(msg)
            bound = np.interp(x, centres, self.lower[:, column]) if self.smooth else self.lower[index, column]
            mask &= observables[name] >= bound
        return mask

    def to_columns(self) -> dict[str, list[float]]:
        """Return the table as columns of plain numbers, one row a mass bin; see `from_columns`."""
        columns = {"mass": self.masses, "position_low": self.edges[:-1], "position_high": self.edges[1:]}
        columns |= {f"min_{name}": self.lower[:, i] for i, name in enumerate(self.names)}
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
        names = tuple(name.removeprefix("min_") for name in columns if name.startswith("min_"))
        try:
            numbers = {
                name: np.array([float(x) for x in columns[name]])
                for name in ("position_low", "position_high", *(f"min_{n}" for n in names), *_QUANTITIES, "smooth")
            }
        except (KeyError, ValueError) as error:
            msg = f"the cut table has a missing or broken column: {error}"
            raise InputError(msg) from None
        low, high = numbers["position_low"], numbers["position_high"]
        if not np.allclose(low[1:], high[:-1], rtol=1e-5):
            msg = f"the mass bins of the cut table leave gaps: {low.tolist()} to {high.tolist()}"
            raise InputError(msg)
        lower = np.stack([numbers[f"min_{n}"] for n in names], axis=-1) if names else np.empty((low.size, 0))
        return cls(
            edges=np.append(low, high[-1:]),
            names=names,
            lower=lower,
            smooth=bool(numbers["smooth"].all()),
            axis=axis,
            **{name: numbers[name] for name in _QUANTITIES},
        )


def bin_masses(edges: Array, axis: MassAxis) -> Array:
    """Return the masses at the centres of bins [GeV]; 0 where a squared mass is negative."""
    return axis.mass((edges[1:] + edges[:-1]) / 2)
