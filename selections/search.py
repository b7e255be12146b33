"""What a search is: its regions, what a coupling predicts in them, and what was published.

A search is data. The shipped ones are listed in `selections.registry`; a user's own is a `Search` in a file of theirs,
named by its path in the YAML (``channel: my_search.py:SEARCH``), or in an installed package that names it as an entry
point of the group ``bumphunt.searches``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.cuts.tensor import VetoAxis
from bumphunt.errors import InputError, unknown_name
from bumphunt.kinematics.momenta import Beams
from bumphunt.models.shapes import Tail
from bumphunt.montecarlo.detector.candidates import Candidate
from bumphunt.montecarlo.processes.process import Process
from bumphunt.spectrum.axis import MassAxis
from selections.cuts import Selection
from selections.readings import Reading

__all__ = [
    "Binning",
    "Coordinate",
    "Excluded",
    "Model",
    "PublishedLimit",
    "Region",
    "Search",
    "SpectrumAxis",
    "everything",
]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Binning:
    """Equal bins of a spectrum, in the unit of its axis."""

    low: float
    """Lower edge."""
    high: float
    """Upper edge."""
    bins: int
    """Number of bins: some per resolution."""

    @property
    def edges(self) -> Array:
        """Edges of the bins, shape ``(bins + 1,)``."""
        return np.linspace(self.low, self.high, self.bins + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coordinate:
    r"""What a hypothesis has beside its mass: a width, a lifetime, the mass of a second particle.

    The signal is simulated at some values of it, with several coordinates at some points, and each is searched for with
    its own efficiency, resolution and masses. A column of its name stands in every table of hypotheses.

    Parameters
    ----------
    name
        Its name in the YAML and in tables.
    meaning
        What it is, in words.
    symbol
        Its symbol for figures, without dollar signs, such as ``c\tau``.
    unit
        Its unit, such as ``cm``; "" for a number.
    parameter
        The parameter of the simulated process that it is; its name unless given.
    """

    name: str
    meaning: str
    symbol: str
    unit: str = ""
    parameter: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectrumAxis:
    """Another axis of the spectrum of a region: each hypothesis sees a band of it, around the peak of its signal.

    Parameters
    ----------
    observable
        Observable of the selection, in the unit of the axis.
    axis
        How its peak moves with the mass that is the coordinate.
    binning
        Its bins: some per resolution.
    coordinate
        The coordinate of the search that is the mass of this peak [GeV].
    """

    observable: str
    axis: MassAxis
    binning: Binning
    coordinate: str


def everything(mass: ArrayLike) -> Array:
    """Return 1 for every mass: the branching ratio of a region that sees every decay."""
    return np.ones_like(np.asarray(mass, dtype=np.float64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    r"""One final state of a search, or a control sample.

    Parameters
    ----------
    name
        Its name in the YAML, in tables and figures.
    description
        What is selected, in one line.
    selection
        Function from the nominal beams to the selection before the optimised cuts.
    candidate
        Which ntuple it reads, and what the simulation reconstructs for it: a shipped candidate
        (`bumphunt.montecarlo.detector.candidates.CANDIDATES`) or one of the search; any name where all samples are
        files. Regions of the same candidate are filled from one read.
    binning
        Bins of its spectrum, unless the YAML says others; None where they are made for the resolution of the signal, or
        there is no spectrum.
    role
        ``signal``: a peak is fitted there. ``control``: yields are compared there.
    process
        The signal that is simulated, unless the YAML names another: a shipped process
        (`bumphunt.montecarlo.processes.registry.PROCESSES`) or one of the search. None in a control region, and where
        signals are always files.
    mass_range
        Masses whose peak can be seen there [GeV]; None for those of the search.
    branching_ratio
        Fraction of the produced signal that decays to this final state, function of mass [GeV].
    decay
        That decay, in the mathematics of a figure, without dollar signs, such as ``A'\to e^+e^-``; "" for every decay.
    tail
        Side of the radiative tail of the peak.
    axes
        More axes of its spectrum, which then has as many dimensions more; none for most regions.
    """

    name: str
    description: str
    selection: Callable[[Beams], Selection]
    candidate: str
    binning: Binning | None
    role: Literal["signal", "control"] = "signal"
    process: str | None = None
    mass_range: tuple[float, float] | None = None
    branching_ratio: Callable[[ArrayLike], Array] = everything
    decay: str = ""
    tail: Tail = "high"
    axes: tuple[SpectrumAxis, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What a coupling predicts.

    Parameters
    ----------
    coupling
        Its symbol for figures, such as ``$g'$``.
    meaning
        What it is, in words, for tables.
    cross_section
        Function ``(mass [GeV], sqrt(s) [GeV])`` to the cross section [fb] of the production at coupling 1, before the
        branching ratios of the regions; masses and result have the shape (M,). The other coordinates of a search reach
        it by keyword, in the same shape. Where hypotheses have no mass it is NaN.
    power
        The power of the coupling that the cross section is proportional to.
    reference
        Where the prediction comes from.
    readings
        What the coupling can mean, by the decays of the particle, the default first; none where there is nothing to
        choose. The first has the branching ratios of the regions.
    without_dark_matter
        The reading that a YAML adds decays to dark matter to; None where it cannot.
    """

    coupling: str
    meaning: str
    cross_section: Callable[..., Array]
    reference: str
    power: float = 2.0
    readings: tuple[Reading, ...] = ()
    without_dark_matter: Reading | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Excluded:
    """Masses that are not searched: a known resonance stands there."""

    name: str
    """The resonance."""
    low: float
    """Lowest mass left out [GeV]."""
    high: float
    """Highest mass left out [GeV]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedLimit:
    """A few points of a published limit, drawn beside ours.

    Parameters
    ----------
    label
        Experiment, luminosity and confidence level.
    masses
        Masses [GeV].
    couplings
        Upper limits on the coupling.
    reading
        The reading of the coupling that they are of; "" where there is one alone.
    """

    label: str
    masses: tuple[float, ...]
    couplings: tuple[float, ...]
    reading: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    r"""What a channel of the YAML stands for.

    Parameters
    ----------
    name
        Its name in the YAML.
    final_state
        What is produced and seen.
    production
        What the cross section is of, such as ``e^+e^-\to\gamma A'``, in the mathematics of a figure, without dollar
        signs.
    particle
        Symbol of what is searched for, such as ``A'``, without dollar signs.
    observable
        Where the peak is, in words.
    mass_range
        Published mass range [GeV]; None where hypotheses have no mass: then its signal regions count events.
    reference
        The published search.
    regions
        Final states and control samples; at least one of the role "signal".
    coordinates
        What a hypothesis has beside its mass; nothing for most searches.
    column
        The variable whose branch the YAML names under ``data.column``, in a search that reads nothing else: each row is
        an event. None for other searches.
    alternatives
        Whether the signal regions are those of different experiments, of which an analysis names one.
    veto
        Candidate bounds on the observables that are optimised in bins of mass; none for no optimised cuts.
    candidates
        More observables that may take their place, with candidate bounds: the optimisation ranks them all.
    features
        Observables that a classifier learns from.
    model
        What a coupling predicts; None where no model is agreed on, and the limit is that on efficiency times cross
        section.
    excluded
        Masses that are not searched.
    known_peaks
        Known resonances in its spectra (`bumphunt.models.known_peaks`), which a YAML may keep as free peaks.
    published
        A published limit to compare with; None for none.
    processes
        Processes that it brings, beside the shipped ones and those of the entry points ``bumphunt.processes``.
    reconstructed
        Candidates that it brings, beside the shipped ones and those of the entry points ``bumphunt.candidates``.

    Raises
    ------
    InputError
        If two regions or coordinates have the same name, a coordinate is called ``mass``, no region is of the role
        "signal", or an axis of a spectrum is that of a coordinate that there is not.
    """

    name: str
    final_state: str
    production: str
    particle: str
    observable: str
    mass_range: tuple[float, float] | None
    reference: str
    regions: tuple[Region, ...]
    coordinates: tuple[Coordinate, ...] = ()
    column: str | None = None
    alternatives: bool = False
    veto: tuple[VetoAxis, ...] = ()
    candidates: tuple[VetoAxis, ...] = ()
    features: tuple[str, ...] = ()
    model: Model | None = None
    excluded: tuple[Excluded, ...] = field(default=())
    known_peaks: tuple[str, ...] = ()
    published: PublishedLimit | None = None
    processes: tuple[Process, ...] = ()
    reconstructed: tuple[Candidate, ...] = ()

    def __post_init__(self) -> None:
        names = [region.name for region in self.regions]
        if len(set(names)) != len(names):
            msg = f"search {self.name!r}: two regions have the same name: {', '.join(names)}"
            raise InputError(msg)
        beside = ["mass", *(coordinate.name for coordinate in self.coordinates)]
        if len(set(beside)) != len(beside):
            msg = f"search {self.name!r}: two coordinates have the same name: {', '.join(beside)}"
            raise InputError(msg)
        for region in self.regions:
            for axis in region.axes:
                if axis.coordinate not in beside[1:]:
                    msg = unknown_name("coordinate", axis.coordinate, beside[1:])
                    msg = f"search {self.name!r}: region {region.name!r}: axis {axis.observable!r}: {msg}"
                    raise InputError(msg)
        if not self.signal_regions:
            msg = f"search {self.name!r} has no region of the role 'signal'; give at least one"
            raise InputError(msg)

    @property
    def signal_regions(self) -> tuple[Region, ...]:
        """The regions in which a peak is fitted."""
        return tuple(region for region in self.regions if region.role == "signal")

    def region(self, name: str) -> Region:
        """Return the region of a name.

        Raises
        ------
        InputError
            If there is none.
        """
        for region in self.regions:
            if region.name == name:
                return region
        raise InputError(unknown_name("region", name, [region.name for region in self.regions]))
