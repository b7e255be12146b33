"""The YAML of an analysis, as pydantic models.

An unknown key is an error. Paths are relative to the folder of the file; `workflows.config.file.load` reads one.

========== ===========================================================================
key        says
========== ===========================================================================
channel    which search: see ``bumphunt channels``; or one of your own, ``file.py:NAME``
regions    which of its regions: final states and control samples
model      what a coupling predicts, ``file.py:FUNCTION``, in place of that of the search
beams      a preset's name, or the beam energies
detector   a preset's name, or ``preset`` and the parameters that differ from it
data       luminosity and either ``files`` or ``simulate`` (pseudo-data)
samples    the backgrounds: ``files`` with a normalisation, or ``simulate``
signal     simulated signal: ``points`` (files at masses), or ``simulate``
search     mass range and step of the scan
spectrum   the fine binning of the observable, in place of that of the search
optimise   cuts that are chosen in bins of mass
fit        method, window, background family, how limits are set
corrections weights of simulated events, in files of correctionlib
factors    factors on simulated samples
control    factors that ``bumphunt correct`` measures in control samples
systematics what else is uncertain, by name of the source
ntuples    tree, branch names, candidate rule
========== ===========================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from bumphunt.errors import ConfigError
from bumphunt.kinematics.momenta import BEAMS, Beams
from bumphunt.montecarlo.detector.detector import DETECTORS, Detector, preset
from bumphunt.montecarlo.processes.process import Process, Value
from bumphunt.montecarlo.processes.registry import find_process
from bumphunt.scan.sources import Source
from bumphunt.spectrum.axis import MassAxis
from selections.cuts import Selection
from selections.search import Model, Region
from selections.search import Search as SearchRecord
from workflows.config.checks import DATA, check_analysis
from workflows.config.corrections import Control, Correction, Factor
from workflows.config.fit import Fit, Optimise, Search, SpectrumBinning, Systematic
from workflows.config.samples import BackgroundSample, BeamEnergies, Data, Files, Injection, Signal
from workflows.config.searches import find_function, find_search, source_file
from workflows.config.section import Number, Section

__all__ = ["DATA", "Analysis", "Ntuples"]


class Best(Section):
    """Keep one candidate of an event."""

    best: Literal["highest", "lowest"]
    """Which value wins."""
    variable: str
    """basf2 name of the variable."""


class Ntuples(Section):
    """How the ntuples are read."""

    tree: str | dict[str, str] = "events"
    """Name of the TTree or RNTuple; by region where the regions read different ones."""
    names: dict[str, str] = Field(default_factory=dict)
    """Name of the branch for each basf2 variable whose branch is not the escaped name."""
    candidates: Literal["reject"] | Best = "reject"
    """What becomes of events with several candidates."""


class Analysis(Section):
    """One analysis."""

    channel: str
    """Name of the search, or ``file.py:NAME``."""
    regions: tuple[str, ...] = ()
    """Regions of the search that are looked at; all but the control samples unless given."""
    model: str | None = None
    """``file.py:FUNCTION``: function of masses [GeV] and sqrt(s) [GeV] to the cross section [fb] at coupling 1."""
    beams: str | BeamEnergies = "belle2"
    """Preset or beam energies."""
    detector: str | dict[str, Any] = "belle2"
    """Detector of the simulation: a preset, or ``preset`` and the fields of `Detector` that differ from it."""
    data: Data
    samples: dict[str, BackgroundSample] = Field(min_length=1)
    signal: Signal
    search: Search
    spectrum: SpectrumBinning | None = None
    optimise: Optimise | None = Field(default=Optimise(), validate_default=False)
    fit: Fit = Fit()
    corrections: dict[str, Correction] = Field(default_factory=dict)
    """Weights of simulated events; each is a source of uncertainty too."""
    factors: dict[str, Factor] = Field(default_factory=dict)
    """Factors on simulated samples; each is a source of uncertainty too."""
    control: dict[str, Control] = Field(default_factory=dict)
    """Factors that are measured in control samples, see ``bumphunt correct``."""
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
        check_analysis(self)
        return self

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
    def search_record(self) -> SearchRecord:
        """The search that the channel stands for."""
        return find_search(self.channel, self.path.parent)

    @property
    def coupling_model(self) -> Model | None:
        """What a coupling predicts: the user's function, or that of the search, or nothing."""
        if self.model is None:
            return self.search_record.model
        function = find_function(self.model, self.path.parent)
        return Model(
            coupling="coupling", meaning=f"coupling of {self.model}", cross_section=function, reference=self.model
        )

    @property
    def region_records(self) -> tuple[Region, ...]:
        """The regions that are looked at, in the order of the search."""
        search = self.search_record
        named = self.regions or tuple(region.name for region in search.signal_regions)
        return tuple(region for region in search.regions if region.name in named)

    @property
    def signal_regions(self) -> tuple[Region, ...]:
        """Those among them in which a peak is fitted."""
        return tuple(region for region in self.region_records if region.role == "signal")

    @property
    def template_names(self) -> tuple[str, ...]:
        """Samples that are templates of the fit."""
        if self.fit.method == "smooth":
            return ()
        return self.fit.templates or tuple(self.samples)

    @property
    def optimised(self) -> bool:
        """Whether cuts are optimised in bins of mass."""
        return self.optimise is not None and bool(self.optimise.variables or self.search_record.veto)

    def region_file(self, stem: str, region: Region) -> str:
        """Return the name, without suffix, of a file of a region: that of the region is left out where there is one."""
        return stem if len(self.region_records) == 1 else f"{stem}_{region.name}"

    @property
    def correction_files(self) -> tuple[Path, ...]:
        """Files of corrections that the YAML names."""
        return tuple(self.path.parent / correction.file for correction in self.corrections.values())

    @property
    def search_files(self) -> tuple[Path, ...]:
        """The file of Python that holds the search, of a user or an installed package: everything depends on it."""
        path = source_file(self.channel, self.path.parent)
        return () if path is None else (path,)

    @property
    def own_files(self) -> tuple[Path, ...]:
        """That file and the one of the model, on which limits depend."""
        path = None if self.model is None else source_file(self.model, self.path.parent)
        return self.search_files if path is None else (*self.search_files, path)

    def selection(self, region: Region) -> Selection:
        """Return the selection of a region."""
        return region.selection(self.beams_record)

    def axis(self, region: Region) -> MassAxis:
        """Return the axis of the spectrum of a region."""
        return self.selection(region).axis

    def edges(self, region: Region) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Return the bin edges of the spectrum of a region, in the unit of its axis."""
        bins = self.spectrum or region.binning
        return np.linspace(bins.low, bins.high, bins.bins + 1)

    def tree(self, region: Region) -> str:
        """Return the name of the tree of a region."""
        tree = self.ntuples.tree
        return tree if isinstance(tree, str) else tree.get(region.name, "events")

    def process_of(self, region: Region) -> Process:
        """Return the process of the signal of a region."""
        named = self.signal.simulate.process if self.signal.simulate is not None else None
        return find_process(named or str(region.process))

    def signal_masses(self, region: Region) -> tuple[float, ...]:
        """Return the simulated masses that a region can see [GeV], ascending."""
        low, high = region.mass_range or (0.0, np.inf)
        return tuple(mass for mass in self.signal.masses if low <= mass <= high)

    def masses_of(self, region: Region) -> tuple[float, float]:
        """Return the ends of the masses that are searched in a region [GeV]."""
        masses = self.signal_masses(region)
        return max(self.search.low, masses[0]), min(self.search.high, masses[-1])

    def injected(self, injection: Injection) -> list[tuple[Region, Process]]:
        """Return the regions that see an injected signal, with its process there."""
        found = []
        for region in self.signal_regions:
            low, high = region.mass_range or (0.0, np.inf)
            process = find_process(injection.process) if injection.process else self.process_of(region)
            if low <= injection.mass <= high:
                found.append((region, process))
        return found

    @property
    def excluded(self) -> tuple[tuple[float, float], ...]:
        """Intervals of mass that are not searched [GeV]."""
        if self.search.exclude == "auto":
            return tuple((e.low, e.high) for e in self.search_record.excluded)
        return self.search.exclude

    @property
    def _coupling(self) -> dict[str, Value]:
        """The coupling of the simulated signal, if the YAML gives it."""
        coupling = self.signal.simulate.coupling if self.signal.simulate is not None else None
        return {} if coupling is None else {"coupling": coupling}

    def signal_parameters(self, mass: float) -> dict[str, Value]:
        """Return the parameters of the simulated signal of a mass [GeV]."""
        given = self.signal.simulate.parameters if self.signal.simulate is not None else {}
        return given | self._coupling | {"mass": mass}

    def signal_name(self, region: Region, mass: float) -> str:
        """Return the name of the signal sample of a region and a mass [GeV], such as ``zprime_0.5``."""
        return f"{self.process_of(region).name}_{mass:g}"

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

    def factor(self, sample: str, region: Region) -> float:
        """Return the product of the factors on a sample, ``signal`` for the signal, in a region."""
        product = 1.0
        for factor in self.factors.values():
            somewhere = not factor.regions or region.name in factor.regions
            if somewhere and (not factor.samples or sample in factor.samples):
                product *= factor.value
        return product

    @property
    def blinded(self) -> bool:
        """Whether nothing observed inside the search range may be written."""
        return not (self.unblind or self.data.is_pseudo)

    def files(self, key: str, given: Files, regions: Sequence[Region]) -> tuple[Path, ...]:
        """Return the files that a section gives for regions of one candidate, in order.

        Parameters
        ----------
        key
            Where they stand in the YAML, for the error.
        given
            Paths relative to the folder of the YAML, with wildcards; by region or not.
        regions
            Regions that read the same rows; none of them given means none.

        Raises
        ------
        ConfigError
            If a pattern matches no file.
        """
        patterns = given if isinstance(given, tuple) else tuple(p for r in regions for p in given.get(r.name, ()))
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
