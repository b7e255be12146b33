"""The regions of an analysis: those of the search that are looked at, with what the YAML says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bumphunt.cuts.tensor import VetoAxis
from bumphunt.models.given_signal import PeakModel
from bumphunt.montecarlo.processes.process import Process
from bumphunt.spectrum.axis import MassAxis
from selections.search import Region
from workflows.config.coordinates import NO_MASS, At, Sheet, file_suffix
from workflows.reading.plan import RegionPlan

__all__ = ["AnalysedRegion", "RegionSignal", "SignalSample", "by_candidate", "signal_name", "signal_samples"]

UNKNOWN = "signal"
"""What begins the names of signal samples of an unknown generator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionSignal:
    """The signal of a region in which a peak is fitted.

    Parameters
    ----------
    process
        What is simulated; None where all signals are files of an unknown generator.
    sheets
        The simulated masses that can be seen there, at each point of the other coordinates; one without masses for a
        signal that is said.
    given
        The signal, where it is said and not simulated.
    low, high
        The ends of the masses that are searched there [GeV]; `NO_MASS` where hypotheses have none.
    veto
        Candidate bounds of the optimised cuts; none without such cuts.
    """

    process: Process | None
    sheets: tuple[Sheet, ...]
    given: PeakModel | None
    low: float
    high: float
    veto: tuple[VetoAxis, ...]

    @property
    def masses(self) -> tuple[float, ...]:
        """All simulated masses [GeV], ascending."""
        return tuple(sorted({mass for sheet in self.sheets for mass in sheet.masses}))

    @property
    def ends(self) -> tuple[float, float]:
        """Lowest and highest mass at which the peak is known [GeV]."""
        known = self.masses if self.given is None else self.given.masses.tolist()
        return known[0], known[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysedRegion:
    """A region as an analysis looks at it.

    Parameters
    ----------
    definition
        The region, as the search defines it.
    plan
        What is filled from the ntuples: cuts before the optimised ones, bins, slices.
    tree
        Name of its tree in files that are given.
    suffix
        Ends the names of its files; "" where there is one region.
    signal
        Its signal; None in a control sample.
    """

    definition: Region
    plan: RegionPlan
    tree: str
    suffix: str
    signal: RegionSignal | None

    @property
    def name(self) -> str:
        """Name of the region."""
        return self.definition.name

    @property
    def axis(self) -> MassAxis:
        """Axis of its spectrum."""
        return self.plan.selection.axis

    @property
    def counts(self) -> bool:
        """Whether its events are counted, without any spectrum."""
        return self.plan.selection.counts

    @property
    def edges(self) -> NDArray[np.float64]:
        """Bin edges of its spectrum [unit of the axis]."""
        return self.plan.edges

    @property
    def searched(self) -> tuple[float, float] | None:
        """Positions of the ends of the masses that are searched [unit of the axis]; None in a control sample.

        Of a count they are the ends of its bin.
        """
        if self.signal is None:
            return None
        if self.counts:
            return float(self.edges[0]), float(self.edges[-1])
        return float(self.axis.position(self.signal.low)), float(self.axis.position(self.signal.high))

    @property
    def units(self) -> tuple[str, ...]:
        """Names of what is fitted with one background: the region itself, or each of its slices."""
        if self.plan.slices is None:
            return (self.name,)
        return tuple(f"{self.name}_{i}" for i in range(len(self.plan.slices[1]) - 1))

    def file(self, stem: str) -> str:
        """Return the name, without its ending, of one of its files."""
        return stem + self.suffix


def by_candidate(regions: Sequence[AnalysedRegion]) -> dict[str, tuple[AnalysedRegion, ...]]:
    """Return regions by the candidate whose rows they read."""
    found: dict[str, tuple[AnalysedRegion, ...]] = {}
    for region in regions:
        candidate = region.definition.candidate
        found[candidate] = (*found.get(candidate, ()), region)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalSample:
    """The signal sample of one hypothesis.

    Parameters
    ----------
    name
        Its name.
    process
        What is simulated; None for files of an unknown generator.
    mass
        The mass [GeV].
    at
        The other coordinates.
    regions
        The regions that see it, all of one candidate.
    """

    name: str
    process: Process | None
    mass: float
    at: At
    regions: tuple[AnalysedRegion, ...]


def signal_name(process: Process | None, mass: float, at: At) -> str:
    """Return the name of the sample of a mass [GeV] and its other coordinates, such as ``zprime_0.5``.

    Of files of an unknown generator it is ``signal_0.5``.
    """
    of_mass = "" if mass == NO_MASS else f"_{mass:g}"
    return f"{UNKNOWN if process is None else process.name}{of_mass}{file_suffix(at)}"


def signal_samples(regions: Sequence[AnalysedRegion]) -> list[SignalSample]:
    """Return the signal samples of regions of one candidate, by their coordinates and mass."""
    found: dict[str, SignalSample] = {}
    for region in regions:
        if (signal := region.signal) is None:
            continue
        for sheet in signal.sheets:
            for mass in sheet.masses:
                name = signal_name(signal.process, mass, sheet.at)
                seen = found[name].regions if name in found else ()
                found[name] = SignalSample(
                    name=name, process=signal.process, mass=mass, at=sheet.at, regions=(*seen, region)
                )
    return sorted(found.values(), key=lambda sample: (sample.at, sample.mass))
