"""What a process of the Monte Carlo is: its generator, its parameters, and how far it can be trusted.

Each module of a generator describes its `PROCESSES`, and `bumphunt.montecarlo.processes.registry` collects the shipped
ones. A process of one's own is a `Process` too; it is given to whoever simulates, or looks one up. Records go to other
computing processes, so what they hold can be pickled: functions of modules, not lambdas.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from bumphunt.errors import InputError, unknown_name
from bumphunt.kinematics.momenta import Beams
from bumphunt.montecarlo.events import Events

__all__ = ["Parameter", "Parameters", "Process", "Value", "beside", "everything"]

Value = float | str | bool
Parameters = Mapping[str, Value]
MassRange = Callable[[Parameters, float], tuple[float, float]]


def everything(parameters: Parameters) -> float:
    """Return 1, the branching ratio of a process whose cross section leaves nothing out."""
    del parameters
    return 1.0


def beside(parameters: Parameters, sqrt_s: float, *, recoil: float, lightest: float = 0.0) -> tuple[float, float]:
    """Return the open interval of masses of what is made beside particles of the mass `recoil` [GeV].

    Parameters
    ----------
    parameters
        Those of the process, which say nothing here.
    sqrt_s
        Centre-of-mass energy [GeV].
    recoil
        Mass of what is beside it [GeV].
    lightest
        Lowest mass [GeV].
    """
    del parameters
    return lightest, sqrt_s - recoil


def nothing_needed() -> None:
    """Do nothing: what a process checks that needs no optional package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a process."""

    meaning: str
    """What it is, with its unit."""
    default: Value | None = None
    """Its default; None if it must be given, as a number."""
    choices: tuple[str, ...] = ()
    """The values that a text may have."""
    above: float = -math.inf
    """A number must be larger, or equal if `inclusive`."""
    below: float = math.inf
    """A number must be smaller, or equal if `inclusive`."""
    inclusive: bool = False
    """Whether a number may be at its limits."""

    def checked(self, name: str, value: object) -> Value:
        """Return a value of the parameter called `name` as its type, a number as a float.

        Raises
        ------
        InputError
            If it has another type than the default, or is not allowed.
        """
        if isinstance(self.default, bool):
            if not isinstance(value, bool):
                msg = f"{name} = {value!r}; it must be true or false"
                raise InputError(msg)
            return value
        if isinstance(self.default, str):
            if not isinstance(value, str) or value not in self.choices:
                raise InputError(unknown_name(name, str(value), self.choices))
            return value
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            msg = f"{name} = {value!r}; it must be a number: {self.meaning}"
            raise InputError(msg)
        inside = self.above <= value <= self.below if self.inclusive else self.above < value < self.below
        if not inside:
            msg = f"{name} = {value:g}; it must be between {self.above:g} and {self.below:g}: {self.meaning}"
            raise InputError(msg)
        return float(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process that can be simulated."""

    name: str
    """Its name in the YAML."""
    summary: str
    """What it is, in one line."""
    generate: Callable[..., Events]
    """``generate(n, *, beams, rng, **parameters)``; the mean weight is the cross section [fb]."""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    """What it takes besides the number of events, the beams and the source of randomness."""
    signal: bool = False
    """Whether it is a signal; it then has a ``mass`` [GeV] and a ``coupling``, which only scales it."""
    branching_ratio: Callable[[Parameters], float] = everything
    """Branching ratio to the simulated final state, which the cross section leaves out; 1 unless it is known."""
    mass_range: MassRange | None = None
    """Function of parameters and sqrt(s) [GeV] to the open interval in which a signal's mass must be [GeV]."""
    require: Callable[[], None] = nothing_needed
    """Called before anything is simulated; raises if an optional package is missing."""
    numbered: bool = False
    """Whether it has events of its own, each to be used once: ``generate`` is given the number of the first one as
    ``first``, or None where any will do."""
    batch: int = 50_000
    """Events that are generated at once: enough to be fast, few enough for some 100 MB of memory."""
    accuracy: str
    """How accurate it is, as measured by the tests and the validation page."""
    reference: str
    """Where it comes from."""

    def complete(self, parameters: Mapping[str, object], beams: Beams | None = None) -> dict[str, Value]:
        """Return all parameters, those given and the defaults of the others, in the order of the process.

        Parameters
        ----------
        parameters
            The parameters given.
        beams
            The collider, to check the mass of a signal against its energy; not checked if None.

        Raises
        ------
        InputError
            If one is unknown (with the nearest name), missing, of the wrong type or out of range, or if the process
            needs an optional package that is not installed.
        """
        for name in parameters:
            if name not in self.parameters:
                msg = f"process {self.name!r} takes no parameters, but {name!r} is given"
                raise InputError(
                    unknown_name(f"parameter of {self.name}", name, self.parameters) if self.parameters else msg
                )
        values: dict[str, Value] = {}
        for name, parameter in self.parameters.items():
            value = parameters.get(name, parameter.default)
            if value is None:
                msg = f"process {self.name!r} needs a value for {name!r}: {parameter.meaning}"
                raise InputError(msg)
            values[name] = parameter.checked(f"{name} of {self.name}", value)
        if beams is not None and self.mass_range is not None:
            low, high = self.mass_range(values, beams.sqrt_s)
            if not low < float(values["mass"]) < high:
                msg = f"mass of {self.name} = {values['mass']} GeV; it must be between {low:.4g} and {high:.4f} GeV"
                raise InputError(msg)
        self.require()
        return values

    def events(
        self,
        n: int,
        *,
        beams: Beams,
        rng: np.random.Generator,
        parameters: Mapping[str, object],
        first: int | None = None,
    ) -> Events:
        """Return `n` generated events.

        Parameters
        ----------
        n
            Number of events.
        beams
            The collider.
        rng
            Source of randomness.
        parameters
            The parameters given; the others have their defaults.
        first
            Number of the first event, for a process that is `numbered`.

        Raises
        ------
        InputError
            If a parameter is wrong, or no events are asked for.
        """
        if n < 1:
            msg = f"n = {n} events of {self.name}; at least one must be generated"
            raise InputError(msg)
        number = {"first": first} if self.numbered else {}
        return self.generate(n, beams=beams, rng=rng, **number, **self.complete(parameters))
