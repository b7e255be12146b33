"""What is to be simulated: weighted samples, and the processes that pseudo-data are drawn from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import Beams
from bumphunt.montecarlo.conditions import Conditions
from bumphunt.montecarlo.detector.candidates import CANDIDATES, Candidate
from bumphunt.montecarlo.detector.parameters import Detector
from bumphunt.montecarlo.processes.process import Process, Value

__all__ = ["PSEUDODATA", "DrawnSample", "SampleSpec", "SimulationPlan"]

PSEUDODATA = "pseudodata"
"""Name of the file of pseudo-data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSpec:
    """One weighted sample.

    Raises
    ------
    InputError
        If a parameter is unknown or wrong, `n` is not positive, or the name is none for a file.
    """

    name: str
    """Name of the sample, and of its file."""
    process: Process
    """The process."""
    n: int
    """Events to generate."""
    parameters: Mapping[str, Value] = field(default_factory=dict)
    """Parameters of the process that differ from its defaults, and the ``mass`` [GeV] of a signal."""

    def __post_init__(self) -> None:
        self.process.complete(self.parameters)
        if not self.n > 0:
            msg = f"sample {self.name!r}: n = {self.n} events; it must be positive"
            raise InputError(msg)
        if not self.name or "/" in self.name or self.name.startswith("."):
            msg = f"sample name {self.name!r} is no name for a file"
            raise InputError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnSample:
    """One process in the pseudo-data, a background or a signal.

    Raises
    ------
    InputError
        If a parameter is unknown or wrong, or the factor negative or not finite.
    """

    process: Process
    """The process."""
    yield_factor: float = 1.0
    """Factor on its cross section, such as a data / simulation ratio."""
    parameters: Mapping[str, Value] = field(default_factory=dict)
    """Parameters of the process that differ from its defaults."""

    def __post_init__(self) -> None:
        self.process.complete(self.parameters)
        if not 0 <= self.yield_factor < math.inf:
            msg = f"yield factor = {self.yield_factor} of {self.process.name}; it must be finite and not negative"
            raise InputError(msg)

    @property
    def branching_ratio(self) -> float:
        """Branching ratio to the simulated final state, which the cross section leaves out."""
        return self.process.branching_ratio(self.process.complete(self.parameters))


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationPlan:
    """Everything to simulate.

    Raises
    ------
    InputError
        If a luminosity is not positive, the seed is negative, two files would have the same name, a signal is too heavy
        for the beams, or the pseudo-data hold the same process with the same parameters twice.
    """

    beams: Beams
    """The beams."""
    detector: Detector
    """The detector."""
    seed: int
    """Seed of everything."""
    luminosity: float
    """Luminosity of the weights and of the pseudo-data [fb^-1]."""
    samples: tuple[SampleSpec, ...] = ()
    """Weighted samples, each a file."""
    pseudodata: tuple[DrawnSample, ...] = ()
    """What the file of pseudo-data is drawn from; no file if empty."""
    injected: tuple[DrawnSample, ...] = ()
    """Signals in the pseudo-data, with their branching ratios."""
    candidate: Candidate = CANDIDATES["dimuon"]
    """What is reconstructed."""
    suffix: str = ""
    """Ends the names of the files, so that plans of several candidates can share a folder."""
    repeated: float = 0.01
    """Fraction of the pseudo-data of a process, where a search looks, that may be second uses of a generated event."""
    maximum_drawn: int = 12_000_000
    """Most events to generate for the pseudo-data of one process."""

    def __post_init__(self) -> None:
        if not (self.luminosity > 0 and math.isfinite(self.luminosity)):
            msg = f"luminosity = {self.luminosity} fb^-1; it must be positive"
            raise InputError(msg)
        if self.seed < 0:
            msg = f"seed = {self.seed}; it must not be negative"
            raise InputError(msg)
        names = [sample.name for sample in self.samples] + [PSEUDODATA]
        for name in names:
            if names.count(name) > 1:
                msg = f"sample name {name!r} is used twice; each sample is a file of its own"
                raise InputError(msg)
        for sample in self.samples:
            sample.process.complete(sample.parameters, self.beams)
        streams = [(d.process.name, d.process.complete(d.parameters, self.beams)) for d in self.drawn]
        for process, parameters in streams:
            if streams.count((process, parameters)) > 1:
                msg = f"pseudo-data: {process} with {parameters} is there twice, which would be the same events twice"
                raise InputError(msg)

    @property
    def drawn(self) -> tuple[DrawnSample, ...]:
        """Processes of the pseudo-data, with the injected signals."""
        return (*self.pseudodata, *self.injected) if self.pseudodata else ()

    @property
    def conditions(self) -> Conditions:
        """What every chunk of events depends on."""
        return Conditions(beams=self.beams, detector=self.detector, seed=self.seed, candidate=self.candidate)
