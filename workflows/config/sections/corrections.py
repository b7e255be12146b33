"""The sections of the YAML that say how simulated events are corrected.

=========================== ==========================================================================
section                     becomes
=========================== ==========================================================================
`CorrectionSection`         `workflows.reading.plan.Correction`: a weight from a file of correctionlib
`FactorSection`             a number that spectra and events are multiplied with
`ControlSection`            what ``bumphunt correct`` measures: a file for the first
=========================== ==========================================================================
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from workflows.config.sections.section import Finite, Number, Relative, Section
from workflows.reading.plan import Correction

__all__ = ["ControlSection", "CorrectionSection", "FactorSection", "factors_on", "product"]

Index = Annotated[int, Number, Field(ge=0)]


class CorrectionSection(Section):
    """A correction of correctionlib, as a weight with its variations up and down."""

    file: str
    """JSON file of correctionlib, relative to the folder of the YAML."""
    correction: str | None = None
    """Name of the correction in the file; the key of this section unless given."""
    inputs: tuple[Finite | str, ...] = ()
    """What it is a function of, in its order, but for the input of nominal, up and down: observables, basf2 variables,
    or numbers. ``{i}`` stands for each of `each`."""
    each: tuple[Index, ...] = ()
    """Daughters whose weights are multiplied."""
    up: str | None = None
    """Name of the correction in the file for the variation up, where that is no input."""
    down: str | None = None
    """The same for the variation down."""
    values: tuple[str, str, str] = ("nominal", "up", "down")
    """What the input is called at nominal, up and down."""
    samples: tuple[str, ...] = ()
    """Samples that are weighted, ``signal`` for the signal; all that are simulated unless given."""
    regions: tuple[str, ...] = ()
    """Where; everywhere unless given."""

    def record(self, name: str, folder: Path, samples: tuple[str, ...] | None = None) -> Correction:
        """Return the correction as it is evaluated.

        Parameters
        ----------
        name
            Key of this section.
        folder
            Folder that the file is relative to.
        samples
            Samples that are weighted, with the names of the signals; None for all.

        Raises
        ------
        InputError
            If what is given does not go together.
        """
        return Correction(
            name=name,
            file=folder / self.file,
            correction=self.correction or name,
            inputs=self.inputs,
            each=self.each,
            samples=samples,
            regions=self.regions or None,
            up=self.up,
            down=self.down,
            values=self.values,
        )


class FactorSection(Section):
    """A factor on simulated samples, with its uncertainty: one number from data."""

    value: Annotated[float, Number, Field(gt=0, le=1e6)]
    """The factor."""
    uncertainty: Relative = 0.0
    """Relative uncertainty."""
    samples: tuple[str, ...] = ()
    """Samples that are weighted, ``signal`` for the signal; all that are simulated unless given."""
    regions: tuple[str, ...] = ()
    """Where; everywhere unless given."""

    def applies(self, sample: str, region: str) -> bool:
        """Return whether it weighs a sample, ``signal`` for the signal, in the region of that name."""
        return (not self.samples or sample in self.samples) and (not self.regions or region in self.regions)


def factors_on(factors: Mapping[str, FactorSection], sample: str, region: str) -> dict[str, FactorSection]:
    """Return the factors on a sample, ``signal`` for the signal, in the region of that name."""
    return {name: factor for name, factor in factors.items() if factor.applies(sample, region)}


def product(factors: Mapping[str, FactorSection]) -> float:
    """Return what weights are multiplied with."""
    return math.prod(factor.value for factor in factors.values())


class ControlSection(Section):
    """A factor that ``bumphunt correct`` measures in a control sample: (data - other samples) / samples."""

    region: str
    """Region of the search of the role "control"."""
    samples: tuple[str, ...] = Field(min_length=1)
    """Samples whose factor it is; the others are subtracted from the data."""
    observable: str | None = None
    """Observable in whose bins the factor is measured; one factor unless given."""
    edges: tuple[Finite, ...] = ()
    """Edges of these bins, ascending."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.observable is None) != (not self.edges):
            msg = "give both 'observable' and 'edges', or neither"
            raise ValueError(msg)
        if self.edges and (len(self.edges) < 2 or any(low >= high for low, high in pairwise(self.edges))):
            msg = f"edges {list(self.edges)} must be at least two, in ascending order"
            raise ValueError(msg)
        return self
