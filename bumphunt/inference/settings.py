"""How limits and p-values are found: methods by name, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from bumphunt.errors import InputError
from bumphunt.inference.asymptotics import ASYMPTOTIC_FROM
from bumphunt.inference.core import low_counts

__all__ = [
    "LimitMethod",
    "LimitSettings",
    "Prior",
    "SignificanceMethod",
    "SignificanceSettings",
    "checked_cl",
    "checked_prior",
]

LimitMethod = Literal["asymptotic", "toys", "auto", "clsb", "bayesian", "feldman-cousins"]
SignificanceMethod = Literal["auto", "asymptotic", "toys"]
Prior = Literal["flat", "1/sqrt"]


WITHOUT_CHANCE = ("asymptotic", "clsb")
"""Methods of formulae alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _ByFormulaeOrToys:
    """What formulae answer where they hold, and toys elsewhere."""

    method: str
    n_toys: int = 1000
    threshold: float = ASYMPTOTIC_FROM

    def check(self, methods: object, what: str) -> None:
        """Raise an `InputError` if the method is none of those of a type, or a number is not positive."""
        if self.method not in get_args(methods):
            msg = f"{what} is one of {', '.join(map(repr, get_args(methods)))}, got {self.method!r}"
            raise InputError(msg)
        if self.n_toys < 1:
            msg = f"the number of toys must be positive, got {self.n_toys}"
            raise InputError(msg)
        if not self.threshold > 0.0:
            msg = f"the threshold of the asymptotic formulae must be positive, got {self.threshold} events"
            raise InputError(msg)

    def checked_generator(self, rng: np.random.Generator | None) -> np.random.Generator | None:
        """Return the generator, or raise an `InputError` if there is none and the method may need one."""
        if self.method not in WITHOUT_CHANCE and rng is None:
            msg = f"the method {self.method!r} needs random numbers: give rng=numpy.random.default_rng(seed)"
            raise InputError(msg)
        return rng

    def takes_toys(self, core: float) -> bool:
        """Return whether toys answer over this expected background in the core [events]."""
        return self.method == "toys" or (self.method == "auto" and low_counts(core, self.threshold))


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings(_ByFormulaeOrToys):
    """How limits are set.

    Parameters
    ----------
    method
        "asymptotic" or "toys" (CLs), "auto" (whichever holds), "clsb" (CLs+b, by formulae, exact of a count),
        "bayesian", or, of one count, "feldman-cousins".
    cl
        Confidence level, or credibility.
    n_toys
        Toys at each tested value.
    prior
        Of the signal S >= 0, for "bayesian": "flat" or "1/sqrt".
    threshold
        Expected background in the core of the signal from which on the formulae hold [events].

    Raises
    ------
    InputError
        If the method or prior is unknown, the level not in (0, 1), or a number not positive.
    """

    method: LimitMethod = "asymptotic"
    cl: float = 0.9
    prior: Prior = "flat"

    def __post_init__(self) -> None:
        self.check(LimitMethod, "the method of a limit")
        checked_cl(self.cl)
        checked_prior(self.prior)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignificanceSettings(_ByFormulaeOrToys):
    """How p0 is found.

    Parameters
    ----------
    method
        By "asymptotic" formulae, by "toys", or by "auto": toys where the background under the peak is below the
        threshold and there is an excess, the formulae elsewhere.
    n_toys
        Pseudo-experiments.
    threshold
        Expected background in the core of the signal from which on the formulae hold [events].

    Raises
    ------
    InputError
        If the method is unknown or a number not positive.
    """

    method: SignificanceMethod = "asymptotic"

    def __post_init__(self) -> None:
        self.check(SignificanceMethod, "the method of p0")


def checked_cl(cl: float) -> float:
    """Return the confidence level, or raise an `InputError` if it is not in (0, 1)."""
    if not 0.0 < cl < 1.0:
        msg = f"the confidence level must be between 0 and 1, got {cl}"
        raise InputError(msg)
    return cl


def checked_prior(prior: Prior) -> Prior:
    """Return the prior, or raise an `InputError` if there is no such one."""
    if prior not in get_args(Prior):
        msg = f"the prior must be 'flat' or '1/sqrt', got {prior!r}"
        raise InputError(msg)
    return prior
