"""What a validation study finds: numbers beside their references, and distributions beside what they should be.

The studies are in `bumphunt.montecarlo.validation.studies`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import BEAMS, Beams

__all__ = [
    "BELLE2_BEAMS",
    "SYMMETRIC",
    "Check",
    "Distribution",
    "Findings",
    "Overlay",
]

Array = NDArray[np.float64]

BELLE2_BEAMS = BEAMS["belle2"]
"""The beams of published cross sections."""
SYMMETRIC = Beams(electron_energy=5.29, positron_energy=5.29)
"""Beams at rest, at 10.58 GeV and without spread: the energy at which formulas are evaluated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A number of the Monte Carlo beside its reference."""

    quantity: str
    """What it is."""
    value: float
    """What the Monte Carlo gives."""
    error: float
    """Its statistical uncertainty."""
    unit: str
    """Unit of both; empty for none."""
    reference: float
    """What is known."""
    source: str
    """Who says so."""

    @property
    def ratio(self) -> float:
        """The Monte Carlo over the reference."""
        return self.value / self.reference

    @property
    def ratio_error(self) -> float:
        """Statistical uncertainty of the ratio."""
        return self.error / abs(self.reference)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """Another curve in the figure of a distribution."""

    label: str
    values: Array
    """Per bin, shape (B,); NaN where there is none."""
    errors: Array
    """Statistical uncertainties, shape (B,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """A distribution of the Monte Carlo in bins, and what it should be.

    Raises
    ------
    InputError
        If values, errors and reference do not all have one entry for each bin.
    """

    name: str
    """Name of its figure, good for a file."""
    title: str
    """What it shows."""
    variable: str
    """What the bins are in, with its unit."""
    quantity: str
    """What the values are, with their unit."""
    edges: Array
    """Edges of the bins, shape (B + 1,)."""
    values: Array
    """Shape (B,)."""
    errors: Array
    """Statistical uncertainties, shape (B,)."""
    reference: Array
    """Shape (B,)."""
    source: str
    """Where the reference comes from."""
    points: Array | None = None
    """Where in the bins the values are, shape (B,), such as the masses of resolutions; in the middle if None."""
    logarithmic: bool = False
    """Whether the values span decades."""
    overlays: tuple[Overlay, ...] = ()
    """Others to compare with."""

    @property
    def centres(self) -> Array:
        """Where in the bins the values are, shape (B,)."""
        return (self.edges[1:] + self.edges[:-1]) / 2 if self.points is None else self.points

    def __post_init__(self) -> None:
        bins = self.edges.size - 1
        arrays = [self.values, self.errors, self.reference, *(o.values for o in self.overlays)]
        sizes = {array.shape for array in (*arrays, self.centres)}
        if sizes != {(bins,)}:
            msg = f"distribution {self.name!r}: shapes {sorted(sizes)}; with {bins} bins all must be ({bins},)"
            raise InputError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a study found."""

    checks: tuple[Check, ...] = ()
    distributions: tuple[Distribution, ...] = ()

    @staticmethod
    def joined(parts: Iterable[Findings]) -> Findings:
        """Return the findings of several studies as one."""
        found = list(parts)
        return Findings(
            checks=tuple(check for part in found for check in part.checks),
            distributions=tuple(d for part in found for d in part.distributions),
        )
