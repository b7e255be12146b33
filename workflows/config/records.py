"""An analysis as records: what stages are given of it, made once by `workflows.config.resolved.resolve`.

================== ====================================================================================
record             says, and to whom
================== ====================================================================================
`About`            what is searched for in which data: limits, impacts, report
`SearchedMasses`   the hypotheses: scan, impacts, report
`ReadingSetup`     how ntuples are read: simulate and check (what must be there), process, correct
`OptimiseSetup`    how cuts are chosen: optimise
`SpectraSetup`     what is made of the selected spectra: spectra
`ScanSetup`        how hypotheses are tested: scan, impacts
`ControlSetup`     which factors are measured: correct
`ReportSetup`      what the figures show beside the results: report
`OwnFiles`         the code and the files that this was made of: the chain
`ResolvedAnalysis` all of them: the chain
================== ====================================================================================

All are frozen. Those that hold regions hold functions of the search, which may be those of a user's file; such a record
does not travel to other processes, but in the form that `workflows.reading.chunk_work.packed` gives it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bumphunt.cuts.choice import Merit
from bumphunt.cuts.tensor import VetoAxis
from bumphunt.engines.choose import Engine
from bumphunt.inference.settings import LimitSettings, SignificanceSettings
from bumphunt.kinematics.momenta import Beams
from bumphunt.scanning.method import Method
from bumphunt.scanning.sources import Source
from selections.events import CandidateRule, RowKey
from selections.search import Model, Search
from workflows.config.coordinates import At
from workflows.config.derived.histogram_data import HistogramData
from workflows.config.own_code import OwnCode
from workflows.config.regions import AnalysedRegion
from workflows.config.sections.analysis import Analysis
from workflows.config.sections.corrections import ControlSection, FactorSection
from workflows.config.sections.fit import Optimise
from workflows.config.sections.samples import Smooth
from workflows.config.tasks import FitTask
from workflows.reading.plan import Correction
from workflows.reading.run_list import RunList
from workflows.simulation.plan import SimulationPlan

__all__ = [
    "About",
    "ControlSetup",
    "InjectedSignal",
    "OptimiseSetup",
    "OwnFiles",
    "ReadingSetup",
    "ReportSetup",
    "ResolvedAnalysis",
    "ScanSetup",
    "SearchedMasses",
    "SpectraSetup",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What is searched for, in which data.

    Parameters
    ----------
    search
        The search.
    model
        What a coupling predicts: the user's function, or that of the search, or nothing.
    sqrt_s
        Centre-of-mass energy [GeV].
    luminosity
        Luminosity of the data [fb^-1]; None where it is not said, so that limits are on yields.
    parents
        Whether that is the number of parents whose decays are searched: then limits are on branching fractions.
    absolute
        Whether cross sections are those before the selection: the efficiency is known.
    weights
        Masses [GeV], and what an event stands for there, of data that are sums of weights; None where each is one.
    pseudo
        Whether they are no real data.
    blinded
        Whether nothing observed inside the search range may be written.
    injected
        Masses of the signals that were put into pseudo-data [GeV].
    seed
        Seed of all random numbers.
    """

    search: Search
    model: Model | None
    sqrt_s: float
    luminosity: float | None
    parents: bool
    absolute: bool
    weights: tuple[tuple[float, ...], tuple[float, ...]] | None
    pseudo: bool
    blinded: bool
    injected: tuple[float, ...]
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchedMasses:
    """The mass hypotheses.

    Parameters
    ----------
    low, high
        Their ends [GeV].
    step
        Step in units of the resolution.
    excluded
        Intervals that are left out [GeV].
    between
        Whether the coordinate that has an axis of the spectrum is searched between its simulated values.
    """

    low: float
    high: float
    step: float
    excluded: tuple[tuple[float, float], ...]
    between: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingSetup:
    """How the ntuples are read.

    Parameters
    ----------
    path
        The YAML, for errors.
    beams
        The beams, which no candidate can surpass.
    regions
        What is filled.
    names
        Branch by variable, for branches that are not called by the escaped name.
    rule
        What becomes of events with several candidates.
    key
        What tells rows apart.
    constants
        What variables are in files that do not have them.
    corrections
        Corrections of simulated samples, with the names of the signals.
    good_runs
        The good runs of the data; None where all are.
    truth
        Variable that is 1 for the generated candidate of a signal; None where all rows are.
    blinded
        Whether data lose their rows inside the search range before all else.
    keep_events
        Whether the passing events are written, for the optimisation.
    keep_values
        Whether those of the data are, for unbinned fits.
    """

    path: Path
    beams: Beams
    regions: tuple[AnalysedRegion, ...]
    names: Mapping[str, str]
    rule: CandidateRule
    key: RowKey
    constants: Mapping[str, float]
    corrections: tuple[Correction, ...]
    good_runs: RunList | None
    truth: str | None
    blinded: bool
    keep_events: bool
    keep_values: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimiseSetup:
    """How the cuts in bins of mass are chosen.

    Parameters
    ----------
    regions
        The regions, of which those with a signal have cuts.
    settings
        The section of the YAML.
    cl
        Confidence level of the limits.
    candidates
        Observables of the search that may be cut on, which are ranked.
    features
        Observables that a classifier learns from.
    seed
        Seed of its training.
    """

    regions: tuple[AnalysedRegion, ...]
    settings: Optimise
    cl: float
    candidates: tuple[VetoAxis, ...]
    features: tuple[str, ...]
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectedSignal:
    """A simulated signal in pseudo-data that are drawn from the expectation.

    Parameters
    ----------
    region
        Name of the region that sees it.
    sample
        Name of its sample.
    strength
        What the sample is multiplied with: by its coupling, and its branching ratio.
    """

    region: str
    sample: str
    strength: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectraSetup:
    """What is made of the selected spectra.

    Parameters
    ----------
    regions
        The regions.
    luminosity
        Luminosity of the data [fb^-1]; None where it is not said.
    smooth
        By sample, the smooth curve that takes the place of its spectrum.
    alternatives
        By source of uncertainty, the alternative sample whose difference to another it is.
    drawn
        Whether the data are drawn from the expectation.
    asimov
        Whether they are the expectation itself.
    histogram
        The data, where they are a spectrum already; None for others.
    blinded
        Whether nothing of the data inside the search range may be known.
    values
        Whether the values of the data are kept beside their spectra, for unbinned fits.
    injected
        The signals in them.
    seed
        Seed of what is drawn.
    """

    regions: tuple[AnalysedRegion, ...]
    luminosity: float | None
    smooth: Mapping[str, Smooth]
    alternatives: Mapping[str, str]
    drawn: bool
    asimov: bool
    histogram: HistogramData | None
    blinded: bool
    values: bool
    injected: tuple[InjectedSignal, ...]
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanSetup:
    """How the mass hypotheses are tested.

    Parameters
    ----------
    fits
        What is fitted together: the main fit first.
    masses
        The hypotheses.
    band
        Half width of the bands along more axes of a spectrum, in units of the resolution.
    points
        The points of the other coordinates at which there are such hypotheses.
    method
        How a mass is tested.
    limits
        How limits are set.
    significance
        How p0 of fits is found.
    engine
        What fits.
    templates
        Samples that are templates of the fit.
    multiplied
        Samples whose summed spectrum the smooth background multiplies.
    uncertainties
        Relative uncertainty of the normalisation of each sample.
    sources
        What else is uncertain, but for what corrections and factors do.
    blinded
        Whether the data are not looked at.
    sidebands
        Whether they are, by each hypothesis outside of its own peak.
    seed
        Seed of what is thrown.
    """

    fits: tuple[FitTask, ...]
    masses: SearchedMasses
    band: float
    points: tuple[At, ...]
    method: Method
    limits: LimitSettings
    significance: SignificanceSettings
    engine: Engine
    templates: tuple[str, ...]
    multiplied: tuple[str, ...]
    uncertainties: Mapping[str, float]
    sources: tuple[Source, ...]
    blinded: bool
    sidebands: bool
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlSetup:
    """Which factors are measured in control samples.

    Parameters
    ----------
    path
        The YAML, for errors.
    factors
        The sections of the YAML, by name of the factor.
    applied
        Constant factors on simulated samples, by name.
    luminosity, luminosity_uncertainty
        Luminosity of the data [fb^-1], None where it is not said, and its relative uncertainty.
    uncertainties
        Relative uncertainty of the normalisation of each sample.
    drawn
        Whether the data are drawn from the expectation, so that there are no control samples.
    """

    path: Path
    factors: Mapping[str, ControlSection]
    applied: Mapping[str, FactorSection]
    luminosity: float | None
    luminosity_uncertainty: float
    uncertainties: Mapping[str, float]
    drawn: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSetup:
    """What the figures show beside the results.

    Parameters
    ----------
    about
        Search and data.
    regions, fits
        What has figures.
    points
        The points of the other coordinates, each with figures of its own.
    excluded
        Intervals of mass at which curves are interrupted [GeV].
    processes
        The simulated process of each sample; its own name where it is read from files.
    uncertainties
        Relative uncertainty of the normalisation of each sample.
    luminosity_uncertainty
        That of the luminosity, relative.
    sources
        What else is uncertain, but for what corrections and factors do.
    merit
        By what figure of merit cuts were chosen; None where none were.
    """

    about: About
    regions: tuple[AnalysedRegion, ...]
    fits: tuple[FitTask, ...]
    points: tuple[At, ...]
    excluded: tuple[tuple[float, float], ...]
    processes: Mapping[str, str]
    uncertainties: Mapping[str, float]
    luminosity_uncertainty: float
    sources: tuple[Source, ...]
    merit: Merit | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFiles:
    """The code and the files besides ntuples that results depend on.

    Parameters
    ----------
    search, model, background, generators
        What the search is made of, the user's model and background function, and processes and candidates that are not
        shipped, as they were when they were loaded; what is not of one's own is None.
    corrections, events
        Files of corrections, and of generated events.
    """

    search: OwnCode
    model: OwnCode | None
    background: OwnCode | None
    generators: OwnCode | None
    corrections: tuple[Path, ...]
    events: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedAnalysis:
    """One analysis: its sections, and the records that were made of them and of its search.

    Parameters
    ----------
    path
        The YAML.
    sections
        What it says.
    own
        The other files that it was made of.
    about, regions, simulation, reading, optimisation, spectra, scan, control, report
        See the head of this module; no plan of a simulation where nothing is simulated, and None where no cuts are
        optimised.
    """

    path: Path
    sections: Analysis
    own: OwnFiles
    about: About
    regions: tuple[AnalysedRegion, ...]
    simulation: tuple[SimulationPlan, ...]
    reading: ReadingSetup
    optimisation: OptimiseSetup | None
    spectra: SpectraSetup
    scan: ScanSetup
    control: ControlSetup
    report: ReportSetup
