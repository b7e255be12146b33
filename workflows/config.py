"""The YAML of an analysis, as pydantic models.

An unknown key is an error. Paths are relative to the folder of the file; `workflows.analysis_file.load` reads one.

========== ===========================================================================
key        says
========== ===========================================================================
channel    which search: see ``bumphunt channels``
beams      a preset's name, or the beam energies
detector   a preset's name, or ``preset`` and the parameters that differ from it
data       luminosity and either ``files`` or ``simulate`` (pseudo-data)
samples    the backgrounds: ``files`` with a normalisation, or ``simulate``
signal     simulated signal: ``points`` (files at masses), or ``simulate``
search     mass range and step of the scan
spectrum   the fine binning of the observable
optimise   the tau veto in bins of mass
fit        method, window, background family, how limits are set
systematics what else is uncertain, by name of the source
ntuples    tree, branch names, candidate rule
========== ===========================================================================
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from bumphunt.errors import ConfigError, InputError, unknown_name
from bumphunt.inference.scan_counting import TEMPLATE_STATISTICS, UNCOUNTED
from bumphunt.inference.scan_windows import SIGNAL_STATISTICS, norm_source
from bumphunt.kinematics import BEAMS, Beams
from bumphunt.models.sources import Source, checked_sources
from bumphunt.montecarlo.detector import DETECTORS, Detector, preset
from bumphunt.montecarlo.process import Process, Value
from bumphunt.montecarlo.processes import PROCESSES, find_process, signals
from selections.registry import SEARCHES
from workflows.config_fit import Fit, Optimise, Search, SpectrumBinning, Systematic
from workflows.config_samples import BackgroundSample, BeamEnergies, Data, Signal
from workflows.config_types import Number, Section

__all__ = ["DATA", "Analysis", "Ntuples"]

DATA = "data"
"""Name of the data among the samples."""


MARGIN = 1.0
"""How far the spectrum must reach beyond the squares of the masses searched [GeV^2]: some resolutions."""


class Best(Section):
    """Keep one candidate of an event."""

    best: Literal["highest", "lowest"]
    """Which value wins."""
    variable: str
    """basf2 name of the variable."""


class Ntuples(Section):
    """How the ntuples are read."""

    tree: str = "events"
    """Name of the TTree or RNTuple."""
    names: dict[str, str] = Field(default_factory=dict)
    """Name of the branch for each basf2 variable whose branch is not the escaped name."""
    candidates: Literal["reject"] | Best = "reject"
    """What becomes of events with several candidates."""


class Analysis(Section):
    """One analysis."""

    channel: str
    """Name of the search."""
    beams: str | BeamEnergies = "belle2"
    """Preset or beam energies."""
    detector: str | dict[str, Any] = "belle2"
    """Detector of the simulation: a preset, or ``preset`` and the fields of `Detector` that differ from it."""
    data: Data
    samples: dict[str, BackgroundSample] = Field(min_length=1)
    signal: Signal
    search: Search
    spectrum: SpectrumBinning = SpectrumBinning()
    optimise: Optimise | None = Optimise()
    fit: Fit = Fit()
    systematics: dict[str, Systematic] = Field(default_factory=dict)
    """What is uncertain besides the numbers given with data, samples and signal; by name of the source."""
    ntuples: Ntuples = Ntuples()
    unblind: bool = False
    """Show what was observed in real data inside the search range."""
    seed: Annotated[int, Number, Field(ge=0)] = 1
    """Seed of the simulation."""
    path: Path = Field(default=Path(), exclude=True)
    """The YAML file itself."""

    @model_validator(mode="after")
    def _physical(self) -> Self:
        if self.channel not in SEARCHES:
            raise ValueError(unknown_name("channel =", self.channel, SEARCHES))
        if isinstance(self.beams, str) and self.beams not in BEAMS:
            raise ValueError(unknown_name("beams =", self.beams, BEAMS))
        self._check_detector()
        self._check_signals()
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
        self._check_sources()
        if self.data.simulate is not None and any(s.simulate is None for s in self.samples.values()):
            msg = "data.simulate: pseudo-data are drawn from simulated backgrounds, so every sample needs 'simulate'"
            raise ValueError(msg)
        return self

    def _check_samples(self) -> None:
        """Raise for a background that cannot be simulated, or has the name of another sample."""
        names = [DATA, *self.samples, *(self.signal_name(mass) for mass in self.signal.masses)]
        for name in names:
            if names.count(name) > 1:
                taken = self.signal_name(1.0)
                msg = f"samples: the name {name!r} stands for two samples ({DATA!r} and {taken!r} are taken)"
                raise ValueError(msg)
        backgrounds = [name for name, process in PROCESSES.items() if not process.signal]
        for name, sample in self.samples.items():
            if sample.simulate is None:
                continue
            process, key = sample.simulate.process or name, f"samples.{name}.simulate"
            if process not in backgrounds:
                raise ValueError(unknown_name(f"{key}.process =", process, backgrounds))
            self._complete(key, find_process(process), sample.simulate.parameters)

    def _check_detector(self) -> None:
        """Raise for a detector that does not exist, or parameters of it that make no sense."""
        if isinstance(self.detector, str):
            if self.detector not in DETECTORS:
                raise ValueError(unknown_name("detector =", self.detector, DETECTORS))
            return
        name = self.detector.get("preset")
        if not isinstance(name, str) or name not in DETECTORS:
            raise ValueError(unknown_name("detector.preset =", str(name), DETECTORS))
        try:
            _ = self.detector_record
        except (InputError, TypeError) as error:
            msg = f"detector: {error}"
            raise ValueError(msg) from None

    def _check_signals(self) -> None:
        """Raise for a signal that cannot be simulated: an unknown process or parameter, or a mass out of range."""
        named = self.signal.simulate.process if self.signal.simulate is not None else None
        if named is not None and named not in signals():
            raise ValueError(unknown_name("signal.simulate.process =", named, signals()))
        self._check_mass("search.high", self.search.high)
        for mass in self.signal.masses:
            self._check_mass("signal masses", mass)
            if self.signal.simulate is not None:
                self._complete("signal.simulate", self.signal_process, self.signal_parameters(mass))
        for i, injected in enumerate(self.data.simulate.inject if self.data.simulate is not None else ()):
            key = f"data.simulate.inject[{i}]"
            name = injected.process or self.signal_process.name
            if name not in signals():
                raise ValueError(unknown_name(f"{key}.process =", name, signals()))
            given = injected.parameters | {"mass": injected.mass, "coupling": injected.coupling}
            self._complete(key, find_process(name), given)

    def _check_mass(self, key: str, mass: float) -> None:
        """Raise for a mass at which the signal cannot be made."""
        process = self.signal_process
        if process.mass_range is None:
            return
        low, high = process.mass_range(self.signal_parameters(mass), self.beams_record.sqrt_s)
        if not low < mass < high:
            msg = f"{key} = {mass} GeV is beyond the kinematic limits of {process.name}, {low:.4g} to {high:.4f} GeV"
            raise ValueError(msg)

    def _complete(self, key: str, process: Process, parameters: dict[str, Value]) -> None:
        """Raise, with the key of the YAML, if a process does not take these parameters."""
        try:
            process.complete(parameters, self.beams_record)
        except InputError as error:
            msg = f"{key}: {error}"
            raise ValueError(msg) from None

    def _check_sources(self) -> None:
        """Raise for a source of uncertainty that the fit cannot use."""
        checked_sources(self.sources, () if self.fit.method == "smooth" else tuple(self.samples))
        taken = {SIGNAL_STATISTICS, TEMPLATE_STATISTICS, *(norm_source(name) for name in self.samples)}
        for name, section in self.systematics.items():
            if name in taken or name.startswith("mc_") or "[" in name:
                msg = f"systematics: the name {name!r} is taken by an uncertainty that is always there"
                raise ValueError(msg)
            uncounted = [what for what in section.source(name).moves if what in UNCOUNTED]
            if self.fit.method == "counting" and uncounted:
                msg = f"systematics.{name}: a count cannot use a {uncounted[0]}; want fit.method: templates"
                raise ValueError(msg)

    @property
    def beams_record(self) -> Beams:
        """The beams as the library wants them."""
        if isinstance(self.beams, str):
            return BEAMS[self.beams]
        return Beams(**self.beams.model_dump())

    @property
    def detector_record(self) -> Detector:
        """The detector as the library wants it."""
        if isinstance(self.detector, str):
            return DETECTORS[self.detector]
        return preset(**{"name" if key == "preset" else key: value for key, value in self.detector.items()})

    @property
    def signal_process(self) -> Process:
        """The process of the signal."""
        named = self.signal.simulate.process if self.signal.simulate is not None else None
        return find_process(named or str(SEARCHES[self.channel].signal_regions[0].process))

    @property
    def _coupling(self) -> dict[str, Value]:
        """The coupling of the simulated signal, if the YAML gives it."""
        coupling = self.signal.simulate.coupling if self.signal.simulate is not None else None
        return {} if coupling is None else {"coupling": coupling}

    def signal_parameters(self, mass: float) -> dict[str, Value]:
        """Return the parameters of the simulated signal of a mass [GeV]."""
        given = self.signal.simulate.parameters if self.signal.simulate is not None else {}
        return given | self._coupling | {"mass": mass}

    def signal_name(self, mass: float) -> str:
        """Return the name of the signal sample of a mass [GeV], such as ``zprime_0.5``."""
        return f"{self.signal_process.name}_{mass:g}"

    @property
    def sources(self) -> tuple[Source, ...]:
        """All sources of uncertainty but the normalisations of the samples."""
        found = []
        if self.signal.uncertainty > 0:
            found.append(Source(name="efficiency", efficiency=self.signal.uncertainty))
        if self.data.luminosity_uncertainty > 0:
            found.append(Source(name="luminosity", efficiency=self.data.luminosity_uncertainty))
        found.extend(section.source(name) for name, section in self.systematics.items())
        return tuple(found)

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
