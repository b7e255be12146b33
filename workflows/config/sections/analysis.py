"""The YAML of an analysis, as pydantic models: what it says, and nothing that follows from it.

An unknown key is an error. Paths are relative to the folder of the file; `workflows.config.file.load` reads one and
makes the records of it that stages are given (`workflows.config.records`).

========== ===========================================================================
key        says
========== ===========================================================================
channel    which search: see ``bumphunt channels``; or one of your own, ``file.py:NAME``
regions    which of its regions: final states and control samples
model      what a coupling means: a reading of the search, dark matter, or ``file.py:FUNCTION``
beams      a preset's name, or the beam energies
detector   a preset's name, or ``preset`` and the parameters that differ from it
data       luminosity and either ``files`` or ``simulate`` (pseudo-data)
samples    the backgrounds: ``files`` with a normalisation, or ``simulate``
signal     simulated signal: ``points`` (files at masses), or ``simulate``
cuts       which cuts of the search are changed, dropped or added
search     mass range and step of the scan
spectrum   the fine binning of the observable, in place of that of the search
optimise   cuts that are chosen in bins of mass
fit        method, window, background family, how limits are set
corrections weights of simulated events, in files of correctionlib
factors    factors on simulated samples
control    factors that ``bumphunt correct`` measures in control samples
systematics what else is uncertain, by name of the source
ntuples    tree, branch names, candidate rule
blinding   what is known of blinded data: nothing, or the sidebands of each hypothesis
unblind    show what was observed in real data inside the search range
seed       of all random numbers
========== ===========================================================================
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from selections.events import CANDIDATE, ENTRY, FILE, RowKey
from workflows.config.sections.corrections import ControlSection, CorrectionSection, FactorSection
from workflows.config.sections.cuts import Cuts
from workflows.config.sections.fit import Fit, Optimise, SearchSection, SpectrumBinning, Systematic
from workflows.config.sections.samples import BackgroundSample, BeamEnergies, Data, Signal
from workflows.config.sections.section import Number, Positive, Section

__all__ = ["Analysis", "BestCandidate", "Ntuples"]


_KEY_WORDS = ("file", "entry", "production", "experiment", "run", "event")
"""Parts of the key of an event by their names without underscores."""


class BestCandidate(Section):
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
    key: tuple[str, ...] = ("production", "experiment", "run", "event")
    """What tells the events of a sample apart; what is left out needs no branch. With ``file`` jobs may count alike,
    with ``file`` and ``entry`` each row is an event; other experiments name their own variables: [upperID, lowerID]."""
    candidate_key: tuple[str, ...] = Field(default=("candidate",), min_length=1)
    """What tells the candidates of an event apart: ``candidate``, or variables that do so together, such as [candidate,
    __signalSideCandidate__]."""
    constants: dict[str, Annotated[float, Number, Field(allow_inf_nan=False)]] = Field(default_factory=dict)
    """What a variable is in files that do not have it, beside `workflows.reading.keys.DEFAULTS`."""
    candidates: Literal["reject", "all"] | BestCandidate = "reject"
    """What becomes of events with several candidates. With ``all`` each candidate is an entry of the spectrum."""

    @model_validator(mode="after")
    def _tells_events_apart(self) -> Self:
        said, key = f"key = [{', '.join(self.key)}]", self.row_key
        told = {"__event__", ENTRY} & set(key.event) or [
            name for name in key.event if name.strip("_") not in _KEY_WORDS
        ]
        if not told or len(set(key.event)) < len(key.event):
            msg = f"{said}; want event and what else tells events apart, each once"
            raise ValueError(msg)
        if ENTRY in key.event and FILE not in key.event:
            msg = f"{said}: the entries of each file count from 0; want [file, entry]"
            raise ValueError(msg)
        if len(set(key.candidate)) < len(key.candidate):
            msg = f"candidate_key = [{', '.join(self.candidate_key)}]; want each part once"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _constant_for_a_variable(self) -> Self:
        for name in self.constants:
            if name in ("__event__", FILE, ENTRY):
                msg = (
                    f"constants: {name} cannot be the same for all rows; where no number tells events apart, each row"
                    " is one with key: [file, entry]"
                )
                raise ValueError(msg)
        return self

    @property
    def row_key(self) -> RowKey:
        """What tells rows apart, by the names of variables."""
        return RowKey(
            event=tuple(f"__{part}__" if part in _KEY_WORDS else part for part in self.key),
            candidate=tuple(CANDIDATE if part == "candidate" else part for part in self.candidate_key),
        )


class DarkMatter(Section):
    """Dark matter that a boson decays to, beside all else."""

    alpha_D: Positive
    """Its coupling, alpha_D."""
    m_chi: Positive | Annotated[str, "an expression in mass"]
    """Its mass [GeV], or an expression such as ``mass / 3``."""


class Analysis(Section):
    """One analysis."""

    channel: str
    """Name of the search, or ``file.py:NAME``."""
    regions: tuple[str, ...] = ()
    """Regions of the search that are looked at; all but the control samples unless given."""
    model: str | DarkMatter | None = None
    """What a coupling means: a reading that the search knows by name, such as ``invisible``, or with decays to dark
    matter; or ``file.py:FUNCTION``, a function of masses [GeV] and sqrt(s) [GeV] to the cross section [fb] at
    coupling 1."""
    beams: str | BeamEnergies = "belle2"
    """Preset or beam energies."""
    detector: str | dict[str, Any] = "belle2"
    """Detector of the simulation: a preset, or ``preset`` and the fields of `Detector` that differ from it."""
    data: Data
    samples: dict[str, BackgroundSample] = Field(default_factory=dict)
    """Backgrounds by name; none for a smooth background that the data determine."""
    signal: Signal
    cuts: Cuts = Field(default_factory=dict)
    """Cuts of the search that are changed or dropped (``off``), and new ones, by name."""
    search: SearchSection | None = None
    """The masses that are searched; none where hypotheses have no mass."""
    spectrum: SpectrumBinning | None = None
    optimise: Optimise | None = Field(default=Optimise(), validate_default=False)
    fit: Fit = Fit()
    corrections: dict[str, CorrectionSection] = Field(default_factory=dict)
    """Weights of simulated events; each is a source of uncertainty too."""
    factors: dict[str, FactorSection] = Field(default_factory=dict)
    """Factors on simulated samples; each is a source of uncertainty too."""
    control: dict[str, ControlSection] = Field(default_factory=dict)
    """Factors that are measured in control samples, see ``bumphunt correct``."""
    systematics: dict[str, Systematic] = Field(default_factory=dict)
    """What is uncertain besides the numbers given with data, samples and signal; by name of the source."""
    ntuples: Ntuples = Ntuples()
    unblind: bool = False
    """Show what was observed in real data inside the search range."""
    blinding: Literal["full", "sidebands"] = "full"
    """What is known of data that are not unblinded. ``full``: nothing inside the search range; the samples say what is
    expected. ``sidebands``: each hypothesis is fitted to the data outside of its own +-2 resolutions, and only what
    this predicts is in tables and figures."""
    seed: Annotated[int, Number, Field(ge=0)] = 1
    """Seed of the simulation."""

    @model_validator(mode="before")
    @classmethod
    def _smooth_without_samples(cls, content: Any) -> Any:
        """Without samples the method is ``smooth`` unless another one is said."""
        if not isinstance(content, dict) or content.get("samples"):
            return content
        fit = content.get("fit", {})
        return content | {"fit": {"method": "smooth", **fit}} if isinstance(fit, dict) else content

    @property
    def backgrounds(self) -> dict[str, BackgroundSample]:
        """The samples that the expectation is made of: those that are no alternative to another."""
        return {name: sample for name, sample in self.samples.items() if sample.alternative is None}

    @property
    def alternatives(self) -> dict[str, str]:
        """The alternative sample of each source of uncertainty that is the difference to one."""
        return {name: section.sample for name, section in self.systematics.items() if section.sample is not None}
