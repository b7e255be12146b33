"""The sections of the YAML that say where events come from: beams, data, backgrounds and signal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from bumphunt.montecarlo.processes.process import Value
from workflows.config.coordinates import NO_MASS, At, Sheet, at_of, grid
from workflows.config.sections.section import Count, Curve, Finite, NonNegative, Positive, Relative, Section
from workflows.simulation.hepmc import HEPMC

__all__ = [
    "DATA",
    "MIN_MASSES",
    "SIGNAL",
    "BackgroundSample",
    "BeamEnergies",
    "Data",
    "Files",
    "HistogramFile",
    "Injection",
    "Signal",
    "SignalPoint",
    "SimulatedBackground",
    "SimulatedData",
    "SimulatedSignal",
    "Smooth",
]

MIN_MASSES = 4
"""Fewest simulated masses: with fewer nothing says how well shapes and efficiencies are interpolated. One is enough
where it is the only hypothesis."""
DATA = "data"
"""Name of the data among the samples."""
SIGNAL = "signal"
"""What the signal is called among the samples that a correction applies to."""


class BeamEnergies(Section):
    """Beams given by numbers."""

    electron_energy: Positive
    """Electron energy [GeV]."""
    positron_energy: Positive
    """Positron energy [GeV]."""
    crossing_angle: NonNegative = 0.0
    """Full crossing angle [rad]."""
    electron_spread: NonNegative = 0.0
    """Energy spread [GeV]."""
    positron_spread: NonNegative = 0.0
    """Energy spread [GeV]."""


class Injection(Section):
    """A signal put into the pseudo-data."""

    mass: Positive = NO_MASS
    """Mass [GeV]; left out where hypotheses have none."""
    coupling: Positive
    """Coupling: g' of a Z', epsilon of a dark photon, ... (the process says which)."""
    process: str | None = None
    """Name of the process; that of the signal, or else of the channel, unless given."""
    parameters: dict[str, Value] = Field(default_factory=dict)
    """Other parameters of the process."""


def _check_files(process: str | None, files: Sequence[str]) -> None:
    """Raise a `ValueError` for files without the process that reads them, or this one without files."""
    if (process == HEPMC) != bool(files):
        msg = f"process = {process!r}, {len(files)} files: 'files' are for process: {HEPMC}, which needs them"
        raise ValueError(msg)


class SimulatedBackground(Section):
    """A background made by bumphunt's own Monte Carlo."""

    events: Count | None = None
    """Events to generate (weighted); of HepMC files all unless given."""
    process: str | None = None
    """Name of the process; the sample's name, or that of the sample it is an alternative to, unless given."""
    parameters: dict[str, Value] = Field(default_factory=dict)
    """Parameters of the process that differ from its defaults."""
    files: tuple[str, ...] = ()
    """HepMC files of another generator, for ``process: hepmc``."""
    cross_section: Positive | None = None
    """Cross section of the files [fb]; what they say unless given."""

    @model_validator(mode="after")
    def _files_of_hepmc(self) -> Self:
        _check_files(self.process, self.files)
        if self.events is None and not self.files:
            msg = "'events' is missing: say how many to generate"
            raise ValueError(msg)
        if self.cross_section is not None and not self.files:
            msg = "'cross_section' is that of HepMC 'files'; other processes know theirs: remove it"
            raise ValueError(msg)
        return self


class SimulatedSignal(Section):
    """Signal made by bumphunt's own Monte Carlo."""

    events: Count
    """Events to generate at each mass."""
    masses: tuple[Positive, ...] = Field(default=(NO_MASS,), min_length=1)
    """Simulated masses [GeV], ascending; left out where hypotheses have none."""
    coordinates: dict[str, Annotated[tuple[Finite, ...], Field(min_length=1)]] = Field(default_factory=dict)
    """Values of the other coordinates of the search: every mass is simulated, and searched for, at each of them."""
    coupling: Positive | None = None
    """Coupling of the generation, the default of the process unless given; efficiencies do not depend on it."""
    process: str | None = None
    """Name of the process; that of the channel unless given."""
    parameters: dict[str, Value] = Field(default_factory=dict)
    """Other parameters of the process."""
    files: tuple[str, ...] = ()
    """HepMC files of another generator, for ``process: hepmc``, with ``{mass}`` for the mass: ``zp_{mass}.hepmc``."""

    @model_validator(mode="after")
    def _files_of_hepmc(self) -> Self:
        _check_files(self.process, self.files)
        if any("{mass}" not in name for name in self.files):
            msg = f"files = {list(self.files)}: each needs {{mass}} in the place of the mass"
            raise ValueError(msg)
        if self.files and self.coordinates:
            msg = f"coordinates = {', '.join(self.coordinates)}: HepMC files are those of a mass alone; make ntuples"
            raise ValueError(msg)
        return self


class SimulatedData(Section):
    """Pseudo-data: unweighted Poisson draws from the sum of the simulated backgrounds."""

    draw_from: Literal["events", "expectation"] = "events"
    """Events are generated, drawn and seen one by one, as ntuples. From the expectation, the number in each bin of the
    selected spectra is drawn: for luminosities of which no events can be generated."""
    inject: tuple[Injection, ...] = ()
    """Signals to inject; into an expectation at simulated masses only."""


class Smooth(Section):
    """A smooth curve through a simulated spectrum takes its place (`bumphunt.spectrum.smooth`)."""

    low: Finite
    """Where it begins, in the unit of the axis."""
    high: Finite
    """Where it ends."""
    knots: Count
    """Intervals of its spline."""
    scale: Positive
    """Knots are equal in the logarithm of position plus this."""


_NORMALISED = ("luminosity", "cross_section", "parents", "branching_fraction")


def _listed(value: object) -> object:
    """Return a list for one file or pattern, by region too."""
    if isinstance(value, dict):
        return {name: _listed(files) for name, files in value.items()}
    return [value] if isinstance(value, str) else value


Files = Annotated[tuple[str, ...] | dict[str, tuple[str, ...]], BeforeValidator(_listed)]
"""Files, wildcards expanded: one, or a list; by region where the regions read different ones."""


class BackgroundSample(Section):
    """One simulated background, by files or by simulation."""

    files: Files = ()
    """ROOT files; wildcards are expanded. By region where the regions read different ones."""
    regions: tuple[str, ...] = ()
    """Where it contributes; all regions unless given."""
    luminosity: Positive | None = None
    """Luminosity of the files [fb^-1]: the event weights add up to the expectation at this luminosity."""
    cross_section: Positive | None = None
    """Cross section [fb], with `generated`."""
    parents: Positive | None = None
    """Number of parents that the event weights of the files stand for, where the data are normalised by ``parents``."""
    branching_fraction: Positive | None = None
    """Branching fraction of the parent to what the files hold, with `generated`; likewise."""
    generated: Positive | None = None
    """Generated events (sum of weights), with `cross_section` or `branching_fraction`."""
    simulate: SimulatedBackground | None = None
    """Make the sample instead of reading it."""
    uncertainty: Relative = 0.0
    """Relative uncertainty of the normalisation."""
    smooth: Smooth | None = None
    """A smooth curve in place of the selected spectrum; none unless given."""
    alternative: str | None = None
    """The sample that this is another simulation of: it is in no expectation, and ``systematics: {NAME: {sample: ..}}``
    makes a source of the difference."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if bool(self.files) == (self.simulate is not None):
            msg = "give either 'files' or 'simulate'"
            raise ValueError(msg)
        said = [name for name in _NORMALISED if getattr(self, name) is not None]
        if self.simulate is not None and (said or self.generated is not None):
            msg = f"'simulate' sets the normalisation: remove '{(*said, 'generated')[0]}'"
            raise ValueError(msg)
        rate = said in (["cross_section"], ["branching_fraction"])
        if self.files and (len(said) != 1 or rate != (self.generated is not None)):
            msg = (
                "files need either 'luminosity' or both 'cross_section' and 'generated' (of decays of a number of"
                " parents: 'parents', or 'branching_fraction' and 'generated')"
            )
            raise ValueError(msg)
        if self.alternative is not None and self.uncertainty:
            msg = "an 'alternative' is in no expectation: remove its 'uncertainty', that of what it stands for counts"
            raise ValueError(msg)
        return self

    @property
    def mc_luminosity(self) -> float | None:
        """Luminosity of the files [fb^-1], or the number of parents; None for a simulated sample."""
        rate = self.cross_section or self.branching_fraction
        if rate is not None and self.generated is not None:
            return self.generated / rate
        return self.luminosity or self.parents

    @property
    def of_parents(self) -> bool:
        """Whether it is normalised by a number of parents."""
        return self.parents is not None or self.branching_fraction is not None

    def process_name(self, name: str) -> str:
        """Return the process that is simulated for the sample of a name: that of what it stands for, by default."""
        said = None if self.simulate is None else self.simulate.process
        return f"{HEPMC}_{name}" if said == HEPMC else said or self.alternative or name

    def fills(self, region: str) -> bool:
        """Return whether it contributes to the region of that name."""
        return not self.regions or region in self.regions


class SignalPoint(Section):
    """Signal files of one hypothesis."""

    mass: Positive = NO_MASS
    """Mass [GeV]; left out where hypotheses have none."""
    coordinates: dict[str, Finite] = Field(default_factory=dict)
    """Values of the other coordinates of the search."""
    files: Files = Field(min_length=1)
    """ROOT files; wildcards are expanded. By region where the regions read different ones."""
    generated: Positive
    """Generated events (sum of weights), the denominator of the efficiency; the same in every region."""


class Signal(Section):
    """The signal: simulated, or said by its resolution, efficiency and shape."""

    points: tuple[SignalPoint, ...] = ()
    """Files at the simulated masses."""
    simulate: SimulatedSignal | None = None
    """Make the signal instead of reading it."""
    uncertainty: Relative = 0.0
    """Relative uncertainty of the efficiency."""
    truth: str | None = None
    """Variable that is 1 for the candidate that was generated, such as ``isSignal``: the others are counted apart, and
    are neither in the efficiency nor in the shape. All count unless given."""
    resolution: Curve | None = None
    """In place of simulated masses: the width of the peak's core in mass [GeV], as a function of ``mass`` [GeV]
    (``"0.0095 * mass"``, a number, ``{file: table.csv}`` or ``file.py:FUNCTION``)."""
    efficiency: Curve | None = None
    """Total efficiency, a function of mass too. Without it cross sections are those times the efficiency. Alone it is
    all that is said of a signal that is counted."""
    shape: str = "gaussian"
    """Shape of the peak, by its name in `bumphunt.models.peaks`."""
    shape_parameters: dict[str, Curve] = Field(default_factory=dict)
    """Parameters of the shape beyond mean and width, functions of mass too: ``{alpha: 1.5, n: 5}``."""
    tail: Literal["low", "high"] | None = None
    """Side of the tail of the shape; that of the region unless given."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        said = [name for name in ("points", "simulate", "resolution") if getattr(self, name) not in (None, ())]
        beside = sorted(self.model_fields_set & {"efficiency", "shape", "shape_parameters", "tail"})
        counted = not said and beside == ["efficiency"] and self.efficiency is not None
        if not counted and (len(said) != 1 or (beside and said != ["resolution"])):
            msg = "give 'points' (files), 'simulate', or 'resolution' [GeV], a function of mass such as '0.01 * mass'"
            if len(said) > 1:
                msg = f"{' and '.join(map(repr, said))} are given; {msg.replace('give', 'want one of', 1)}"
            elif beside:
                msg = f"{beside[0]!r} is that of a signal with 'resolution' [GeV], such as resolution: \"0.01 * mass\""
            raise ValueError(msg)
        if self.truth is not None and self.said:
            msg = f"'truth' is a variable of simulated signals: remove it beside '{beside[0] if counted else said[0]}'"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _of_the_same_coordinates(self) -> Self:
        for point in self.points:
            if set(point.coordinates) != set(self.coordinates):
                has, first = (", ".join(names) or "none" for names in (point.coordinates, self.coordinates))
                msg = f"points: the coordinates at {point.mass:g} GeV are {has}, those of the first point {first}"
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        for sheet in self.sheets(self.coordinates):
            if np.any(np.diff(sheet.masses) <= 0):
                where = "".join(f" at {name} = {value:g}" for name, value in sheet.at)
                msg = f"masses {list(sheet.masses)}{where} must be in ascending order"
                raise ValueError(msg)
        return self

    @property
    def said(self) -> bool:
        """Whether numbers say it, and no simulated events."""
        return not self.points and self.simulate is None

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Names of the coordinates beside the mass of which there are values."""
        if self.said:
            return ()
        return tuple(self.simulate.coordinates if self.simulate is not None else self.points[0].coordinates)

    def sheets(self, names: Sequence[str]) -> list[Sheet]:
        """Return the simulated masses at each point of the other coordinates, which are called `names`, in order."""
        if self.said:
            return []
        if self.simulate is not None:
            points = grid({name: self.simulate.coordinates[name] for name in names})
            return [Sheet(at=at, masses=self.simulate.masses) for at in points]
        found: dict[At, list[float]] = {}
        for point in self.points:
            at = at_of({name: point.coordinates[name] for name in names if name in point.coordinates})
            found.setdefault(at, []).append(point.mass)
        return [Sheet(at=at, masses=tuple(found[at])) for at in sorted(found)]


class HistogramFile(Section):
    """Data that are a spectrum already."""

    file: str
    """ROOT (TH1), CSV (lower edge, upper edge, content and, if any, its error), HEPData YAML, or UHI JSON, relative to
    the folder of the YAML. Its bins are those of the spectrum, on the axis of the region, after all cuts."""
    name: str | None = None
    """Name of the histogram, where the file has several."""


class Data(Section):
    """The data, or the pseudo-data in their place."""

    luminosity: Positive | None = None
    """Integrated luminosity [fb^-1]; that of the good runs that are read unless given. Without any, limits are those on
    yields; samples need it."""
    good_runs: str | None = None
    """CSV or JSON file of the good runs, with their luminosity and prescale (`workflows.reading.run_list`): rows of
    other runs are left out. Relative to the folder of the YAML; all runs are good unless given."""
    luminosity_uncertainty: Relative = 0.0
    """Relative uncertainty of the luminosity."""
    parents: Positive | None = None
    """Number of parents whose decays are searched, N(Y(3S)) or N(BB), in place of a luminosity: limits are on the
    branching fraction of the parent, in columns ``br_ul_...``."""
    parents_uncertainty: Relative = 0.0
    """Relative uncertainty of the number of parents."""
    files: Files = ()
    """ROOT, CSV or Parquet files; wildcards are expanded. By region where the regions read different ones."""
    column: str | None = None
    """Branch or column of the masses [GeV], in the channel ``spectrum``: each row is an event."""
    histogram: HistogramFile | None = None
    """A histogram in place of files."""
    counts: Literal["events", "weighted", "density"] = "events"
    """What a histogram holds: numbers of events; sums of weights, with errors; or events over the width of the bin."""
    asimov: bool = False
    """In place of data: what the samples expect, exactly. Limits and p-values are those expected."""
    pseudo: bool = False
    """The files hold simulated pseudo-data, which blinding need not hide."""
    weighted: bool = False
    """Whether rows have weights other than 1. Not supported: every method fits numbers of events."""
    simulate: SimulatedData | None = None
    """Make pseudo-data instead of reading data."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        sources = {"files": bool(self.files), "simulate": self.simulate is not None}
        sources |= {"histogram": self.histogram is not None, "asimov": self.asimov}
        given = [name for name, there in sources.items() if there]
        if len(given) != 1:
            msg = f"give one of 'files', 'histogram', 'simulate' and 'asimov'; got {', '.join(given) or 'none'}"
            raise ValueError(msg)
        if self.counts != "events" and self.histogram is None:
            msg = f"counts = {self.counts!r} is said of a 'histogram'; the rows of files are counted"
            raise ValueError(msg)
        if self.column is not None and not self.files:
            msg = "'column' is one of 'files': remove it"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _of_known_luminosity(self) -> Self:
        if self.good_runs is not None and not self.files:
            msg = "'good_runs' are those of 'files': remove it, or give files"
            raise ValueError(msg)
        if (self.simulate is not None or self.asimov) and self.luminosity is None:
            msg = f"{'asimov' if self.asimov else 'simulate'!r} needs the 'luminosity' [fb^-1] of the pseudo-data"
            raise ValueError(msg)
        if self.good_runs is None and self.luminosity is None and self.luminosity_uncertainty > 0:
            msg = "'luminosity_uncertainty' is given, but no 'luminosity' [fb^-1]"
            raise ValueError(msg)
        if self.parents is not None and (self.luminosity is not None or self.good_runs is not None):
            msg = "'parents' stands in place of 'luminosity' and 'good_runs': remove it, or them"
            raise ValueError(msg)
        if self.parents is not None and self.simulate is not None:
            msg = "'simulate' makes a luminosity [fb^-1], not a number of 'parents': give files"
            raise ValueError(msg)
        if self.parents is None and self.parents_uncertainty > 0:
            msg = "'parents_uncertainty' is given, but no 'parents'"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _counted(self) -> Self:
        if self.weighted:
            msg = (
                "'weighted: true' is not supported: every fit.method and all toys take data for Poisson counts, which"
                " sums of weights are not; give data with weights of 1, and correct the simulation instead"
            )
            raise ValueError(msg)
        return self

    @property
    def normalisation_uncertainty(self) -> float:
        """Relative uncertainty of the luminosity, or of the number of parents."""
        return self.luminosity_uncertainty or self.parents_uncertainty

    @property
    def drawn_from_expectation(self) -> bool:
        """Whether there are no ntuples of data: the numbers in the bins of the spectra are drawn, or those expected."""
        return self.asimov or (self.simulate is not None and self.simulate.draw_from == "expectation")

    @property
    def has_rows(self) -> bool:
        """Whether there are ntuples of data."""
        return self.histogram is None and not self.drawn_from_expectation

    @property
    def is_pseudo(self) -> bool:
        """Whether these are no real data."""
        return self.pseudo or self.simulate is not None or self.asimov
