"""The YAML of an analysis, as pydantic models.

An unknown key is an error. Paths are relative to the folder of the file; `workflows.analysis_file.load` reads one.

========== ===========================================================================
key        says
========== ===========================================================================
channel    which search: see ``bumphunt channels``
beams      a preset's name, or the beam energies
data       luminosity and either ``files`` or ``simulate`` (pseudo-data)
samples    the backgrounds: ``files`` with a normalisation, or ``simulate``
signal     simulated signal: ``points`` (files at masses), or ``simulate``
search     mass range and step of the scan
spectrum   the fine binning of the observable
optimise   the tau veto in bins of mass
fit        template fit or counting, window, confidence level
ntuples    tree, branch names, candidate rule
========== ===========================================================================
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from bumphunt.errors import ConfigError
from bumphunt.kinematics import BEAMS, M_MUON, Beams
from bumphunt.montecarlo.detector import DETECTORS
from bumphunt.montecarlo.simulation import PROCESSES, SIGNAL
from selections.registry import SEARCHES

__all__ = [
    "DATA",
    "Analysis",
    "BackgroundSample",
    "Data",
    "Fit",
    "Injection",
    "Ntuples",
    "Optimise",
    "Search",
    "Signal",
    "SignalPoint",
    "SimulatedBackground",
    "SimulatedData",
    "SimulatedSignal",
    "SpectrumBinning",
    "signal_name",
    "unknown_name",
]

DATA = "data"
"""Name of the data among the samples."""


def _no_truth_value(value: object) -> object:
    """Refuse YAML's yes and no where a number is wanted: they would become 1 and 0."""
    if isinstance(value, bool):
        msg = f"{value} is no number"
        raise ValueError(msg)
    return value


_Number = BeforeValidator(_no_truth_value)
Positive = Annotated[float, _Number, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, _Number, Field(ge=0, allow_inf_nan=False)]
Finite = Annotated[float, _Number, Field(allow_inf_nan=False)]
Count = Annotated[int, _Number, Field(gt=0)]


MARGIN = 1.0
"""How far the spectrum must reach beyond the squares of the masses searched [GeV^2]: some resolutions."""


class _Section(BaseModel):
    """Base of all sections: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class BeamEnergies(_Section):
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


class Injection(_Section):
    """A signal put into the pseudo-data."""

    mass: Positive
    """Mass [GeV]."""
    coupling: Positive
    """Coupling g'."""


class SimulatedBackground(_Section):
    """A background made by bumphunt's own Monte Carlo."""

    events: Count
    """Events to generate (weighted)."""
    process: str | None = None
    """Name of the process; the sample's name unless given."""


class SimulatedSignal(_Section):
    """Signal made by bumphunt's own Monte Carlo."""

    events: Count
    """Events to generate at each mass."""
    masses: tuple[Positive, ...] = Field(min_length=4)
    """Simulated masses [GeV], ascending."""
    coupling: Positive = 0.1
    """Coupling g' of the generation; efficiencies do not depend on it."""


class SimulatedData(_Section):
    """Pseudo-data: unweighted Poisson draws from the sum of the simulated backgrounds."""

    inject: tuple[Injection, ...] = ()
    """Signals to inject."""


class BackgroundSample(_Section):
    """One simulated background, by files or by simulation."""

    files: tuple[str, ...] = ()
    """ROOT files; wildcards are expanded."""
    luminosity: Positive | None = None
    """Luminosity of the files [fb^-1]: the event weights add up to the expectation at this luminosity."""
    cross_section: Positive | None = None
    """Cross section [fb], with `generated`."""
    generated: Positive | None = None
    """Generated events (sum of weights), with `cross_section`."""
    simulate: SimulatedBackground | None = None
    """Make the sample instead of reading it."""
    scale: Positive = 1.0
    """Data / simulation factor from control samples."""
    uncertainty: NonNegative = 0.0
    """Relative uncertainty of the normalisation."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if bool(self.files) == (self.simulate is not None):
            msg = "give either 'files' or 'simulate'"
            raise ValueError(msg)
        if self.simulate is not None and (self.luminosity, self.cross_section, self.generated) != (None, None, None):
            msg = "'simulate' sets the normalisation: remove 'luminosity', 'cross_section' and 'generated'"
            raise ValueError(msg)
        if self.files and (self.luminosity is None) == (self.cross_section is None or self.generated is None):
            msg = "files need either 'luminosity' or both 'cross_section' and 'generated'"
            raise ValueError(msg)
        return self

    @property
    def mc_luminosity(self) -> float | None:
        """Luminosity of the files [fb^-1]; None for a simulated sample."""
        if self.luminosity is not None:
            return self.luminosity
        if self.cross_section is not None and self.generated is not None:
            return self.generated / self.cross_section
        return None


class SignalPoint(_Section):
    """Signal files at one mass."""

    mass: Positive
    """Mass [GeV]."""
    files: tuple[str, ...] = Field(min_length=1)
    """ROOT files; wildcards are expanded."""
    generated: Positive
    """Generated events (sum of weights), the denominator of the efficiency."""


class Signal(_Section):
    """The simulated signal."""

    points: tuple[SignalPoint, ...] = ()
    """Files at the simulated masses."""
    simulate: SimulatedSignal | None = None
    """Make the signal instead of reading it."""
    scale: Positive = 1.0
    """Data / simulation factor of the efficiency."""
    uncertainty: NonNegative = 0.0
    """Relative uncertainty of the efficiency."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if bool(self.points) == (self.simulate is not None):
            msg = "give either 'points' or 'simulate'"
            raise ValueError(msg)
        masses = np.array(self.masses)
        if masses.size < 4 or np.any(np.diff(masses) <= 0):
            msg = f"masses {masses.tolist()} must be at least four, in ascending order"
            raise ValueError(msg)
        return self

    @property
    def masses(self) -> tuple[float, ...]:
        """Simulated masses [GeV], ascending."""
        return self.simulate.masses if self.simulate is not None else tuple(p.mass for p in self.points)


class Data(_Section):
    """The data, or the pseudo-data in their place."""

    luminosity: Positive
    """Integrated luminosity [fb^-1]."""
    luminosity_uncertainty: NonNegative = 0.0
    """Relative uncertainty of the luminosity."""
    files: tuple[str, ...] = ()
    """ROOT files; wildcards are expanded."""
    pseudo: bool = False
    """The files hold simulated pseudo-data, which blinding need not hide."""
    simulate: SimulatedData | None = None
    """Make pseudo-data instead of reading data."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if bool(self.files) == (self.simulate is not None):
            msg = "give either 'files' or 'simulate'"
            raise ValueError(msg)
        return self

    @property
    def is_pseudo(self) -> bool:
        """Whether these are no real data."""
        return self.pseudo or self.simulate is not None


class Search(_Section):
    """The mass hypotheses."""

    low: Positive
    """Lowest mass [GeV]."""
    high: Positive
    """Highest mass [GeV]."""
    step: Positive = 0.5
    """Step in units of the resolution."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.high <= self.low:
            msg = f"high = {self.high} GeV must be above low = {self.low} GeV"
            raise ValueError(msg)
        return self


class SpectrumBinning(_Section):
    """The fine binning of the observable, rebinned for each fit."""

    low: Finite = -4.0
    """Lower edge [GeV^2]."""
    high: Finite = 100.0
    """Upper edge [GeV^2]."""
    bins: Count = 5200
    """Number of bins."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.high <= self.low:
            msg = f"high = {self.high} GeV^2 must be above low = {self.low} GeV^2"
            raise ValueError(msg)
        return self

    @property
    def edges(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Bin edges [GeV^2], shape (bins + 1,)."""
        return np.linspace(self.low, self.high, self.bins + 1)


class ThresholdRange(_Section):
    """Candidate lower bounds on one observable."""

    low: Finite
    """Lowest bound: it is applied in every mass bin, and "before" the cuts means after it."""
    high: Finite
    """Highest bound."""
    steps: Annotated[int, _Number, Field(ge=2)] = 20
    """Number of bounds."""
    unit: str = "GeV"
    """Unit, for tables and figures."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.high <= self.low:
            msg = f"high = {self.high} must be above low = {self.low}"
            raise ValueError(msg)
        return self


class Optimise(_Section):
    """The cuts optimised in bins of mass."""

    figure_of_merit: Literal["punzi", "punzi-full"] = "punzi"
    """eps / (a/2 + sqrt B), or the full S_min (Punzi, physics/0308063)."""
    a: Positive = 1.6
    """Significance level in the figure of merit, in standard deviations."""
    b: Positive = 1.28155
    """Power level, for 'punzi-full'."""
    window: Positive = 2.0
    """Half width of the signal window, in units of the resolution."""
    background_error: NonNegative = 0.5
    """How many Monte Carlo standard deviations are added to the background in the figure of merit."""
    bin_width: Positive = 4.0
    """Width of the mass bins, in units of the resolution."""
    min_bin_width: NonNegative = 0.2
    """Least width of the mass bins [GeV]."""
    smooth: bool = True
    """Choose with the neighbouring bins, and interpolate the cuts between the centres of the bins."""
    variables: dict[str, ThresholdRange] = Field(default_factory=dict)
    """Observables to cut on, each with its candidate bounds; those of the search unless given."""


class Fit(_Section):
    """How a mass hypothesis is tested."""

    method: Literal["templates", "counting"] = "templates"
    """Template fit in a window, or a count within +-2 standard deviations."""
    window: Positive | None = None
    """Half width of the window in units of the resolution; 10 for templates and 2 for counting unless given."""
    bins_per_sigma: Positive = 4.0
    """Bins per standard deviation in a template fit."""
    cl: Annotated[float, _Number] = Field(default=0.90, gt=0, lt=1)
    """Confidence level of the limits."""

    @property
    def half_width(self) -> float:
        """Half width of the window in units of the resolution."""
        return self.window if self.window is not None else {"templates": 10.0, "counting": 2.0}[self.method]


class Best(_Section):
    """Keep one candidate of an event."""

    best: Literal["highest", "lowest"]
    """Which value wins."""
    variable: str
    """basf2 name of the variable."""


class Ntuples(_Section):
    """How the ntuples are read."""

    tree: str = "events"
    """Name of the TTree or RNTuple."""
    names: dict[str, str] = Field(default_factory=dict)
    """Name of the branch for each basf2 variable whose branch is not the escaped name."""
    candidates: Literal["reject"] | Best = "reject"
    """What becomes of events with several candidates."""


class Analysis(_Section):
    """One analysis."""

    channel: str
    """Name of the search."""
    beams: str | BeamEnergies = "belle2"
    """Preset or beam energies."""
    detector: str = "belle2"
    """Detector preset of the simulation."""
    data: Data
    samples: dict[str, BackgroundSample] = Field(min_length=1)
    signal: Signal
    search: Search
    spectrum: SpectrumBinning = SpectrumBinning()
    optimise: Optimise | None = Optimise()
    fit: Fit = Fit()
    ntuples: Ntuples = Ntuples()
    unblind: bool = False
    """Show what was observed in real data inside the search range."""
    seed: Annotated[int, _Number, Field(ge=0)] = 1
    """Seed of the simulation."""
    path: Path = Field(default=Path(), exclude=True)
    """The YAML file itself."""

    @model_validator(mode="after")
    def _physical(self) -> Self:
        if self.channel not in SEARCHES:
            raise ValueError(unknown_name("channel", self.channel, SEARCHES))
        if isinstance(self.beams, str) and self.beams not in BEAMS:
            raise ValueError(unknown_name("beams", self.beams, BEAMS))
        if self.detector not in DETECTORS:
            raise ValueError(unknown_name("detector", self.detector, DETECTORS))
        limit = self.beams_record.sqrt_s - 2 * M_MUON
        for key, mass in self._masses():
            if mass >= limit:
                msg = f"{key} = {mass} GeV is beyond the kinematic limit sqrt(s) - 2 m_mu = {limit:.4f} GeV"
                raise ValueError(msg)
        if self.search.low < self.signal.masses[0] or self.search.high > self.signal.masses[-1]:
            msg = (
                f"search: masses {self.search.low} to {self.search.high} GeV reach beyond the simulated signal,"
                f" {self.signal.masses[0]} to {self.signal.masses[-1]} GeV"
            )
            raise ValueError(msg)
        edges = (self.spectrum.low, self.search.low**2 - MARGIN, self.search.high**2 + MARGIN, self.spectrum.high)
        if list(edges) != sorted(edges):
            msg = (
                f"spectrum: {self.spectrum.low} to {self.spectrum.high} GeV^2 must contain the squares of the masses"
                f" searched with {MARGIN} GeV^2 on either side, {edges[1]:.3f} to {edges[2]:.3f} GeV^2"
            )
            raise ValueError(msg)
        self._check_samples()
        if self.data.simulate is not None and any(s.simulate is None for s in self.samples.values()):
            msg = "data.simulate: pseudo-data are drawn from simulated backgrounds, so every sample needs 'simulate'"
            raise ValueError(msg)
        return self

    def _check_samples(self) -> None:
        """Raise for a background that cannot be simulated, or has the name of another sample."""
        names = [DATA, *self.samples, *(signal_name(mass) for mass in self.signal.masses)]
        for name in names:
            if names.count(name) > 1:
                msg = f"samples: the name {name!r} stands for two samples ({DATA!r} and {signal_name(1.0)!r} are taken)"
                raise ValueError(msg)
        backgrounds = [process for process in PROCESSES if process != SIGNAL]
        for name, sample in self.samples.items():
            if sample.simulate is not None and (process := sample.simulate.process or name) not in backgrounds:
                raise ValueError(unknown_name(f"samples.{name}.simulate.process", process, backgrounds))

    def _masses(self) -> Iterator[tuple[str, float]]:
        """Yield every mass of the file with the name of its key."""
        yield "search.high", self.search.high
        yield from (("signal masses", mass) for mass in self.signal.masses)
        if self.data.simulate is not None:
            yield from (("data.simulate.inject.mass", signal.mass) for signal in self.data.simulate.inject)

    @property
    def beams_record(self) -> Beams:
        """The beams as the library wants them."""
        if isinstance(self.beams, str):
            return BEAMS[self.beams]
        return Beams(**self.beams.model_dump())

    @property
    def blinded(self) -> bool:
        """Whether nothing observed inside the search range may be written."""
        return not (self.unblind or self.data.is_pseudo)

    def files(self, key: str, patterns: tuple[str, ...]) -> tuple[Path, ...]:
        """Return the files that `patterns` name, in order.

        Parameters
        ----------
        key
            Where the patterns stand in the YAML, for the error.
        patterns
            Paths relative to the folder of the YAML, with wildcards.

        Raises
        ------
        ConfigError
            If a pattern matches no file.
        """
        found: list[Path] = []
        for pattern in patterns:
            base = Path(pattern)
            folder, name = (
                (Path(base.anchor), base.relative_to(base.anchor)) if base.is_absolute() else (self.path.parent, base)
            )
            matches = sorted(folder.glob(str(name)))
            if not matches:
                msg = f"{self.path}: {key}: no file matches {pattern!r} (looked in {folder.resolve()})"
                raise ConfigError(msg)
            found.extend(matches)
        return tuple(dict.fromkeys(found))


def unknown_name(key: str, value: str, known: Iterable[str]) -> str:
    """Return the sentence about an unknown name, with the nearest known one."""
    names = sorted(known)
    near = difflib.get_close_matches(value, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{key} = {value!r} is not one of {', '.join(names)}{hint}"


def signal_name(mass: float) -> str:
    """Return the name of the signal sample of a mass [GeV].

    Examples
    --------
    >>> signal_name(0.5)
    'zprime_0.5'
    """
    return f"{SIGNAL}_{mass:g}"
