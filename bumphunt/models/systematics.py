"""What is not known exactly about a sample: named uncertainties, each with its constraint.

==================  =================================================================  ==========================
uncertainty         what it does to the sample                                         constraint
==================  =================================================================  ==========================
`LogNormal`         multiplies it with (1 + relative)^theta                            normal
`Gaussian`          multiplies it with 1 + relative theta                              normal
`Free`              multiplies it with theta                                           none: the data decide
`ControlRegion`     multiplies it with theta, or sets it to alpha theta (gamma)        Poisson: events seen there
`ShapeVariation`    moves the histogram towards one for +1 and one for -1 sigma        normal
`PerBin`            multiplies each bin with a theta of its own                        Poisson or normal, per bin
`PeakPosition`      moves a peak by theta shift                                        normal
`PeakWidth`         multiplies the width of a peak with (1 + relative)^theta           normal
`SpuriousSignal`    adds theta x strength to the signal strength                       normal
==================  =================================================================  ==========================

Uncertainties of the same name are one and the same parameter, in all samples and all regions. They move together:
that is how correlations are described. "normal" is a standard normal theta.

No constraint takes a sample below 0: a factor that would be (`Gaussian`, a normal `PerBin`) is 0, and so is a histogram
that a `ShapeVariation` takes there, in each bin. What the data alone determine may be negative as long as all
expectations are positive: the strength, a `Free` normalisation, a smooth background; and so may a spurious signal.

Where a variation moves a bin to the same side at +1 and -1 sigma the likelihood has several minima: all engines look
for the lowest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import InputError
from bumphunt.models.interpolation import Interpolation

__all__ = [
    "ControlRegion",
    "Free",
    "Gaussian",
    "Histogram",
    "LogNormal",
    "PeakPosition",
    "PeakWidth",
    "PerBin",
    "ShapeVariation",
    "SpuriousSignal",
    "Uncertainty",
    "numbers",
]

Array = NDArray[np.float64]


@runtime_checkable
class Histogram(Protocol):
    """A histogram as hist, boost-histogram and uproot have it; under- and overflow are left out."""

    axes: Any

    def values(self) -> Any:
        """Return the bin contents."""


def numbers(what: str, values: Any) -> Array:
    """Return values as an array of numbers, or raise an `InputError` that says what they are.

    Parameters
    ----------
    what
        What the values are, for the error: "the counts of region 'sr'".
    values
        Anything that numpy can turn into an array of real numbers; of a histogram its contents.
    """
    try:
        array = np.asarray(values.values() if isinstance(values, Histogram) else values)
        if array.dtype.kind not in "biuf":
            if array.dtype.kind != "O":
                raise TypeError
            array = array.astype(np.float64)
    except (TypeError, ValueError):
        text = repr(values)
        shown = text if len(text) < 60 else f"{text[:56]} ..."
        msg = f"{what} must be real numbers in one array, got {shown}"
        raise InputError(msg) from None
    return np.asarray(array, dtype=np.float64)


def _checked(name: str, what: str, value: float, low: float) -> None:
    """Raise unless an uncertainty has a name and its number is finite and above `low`."""
    if not name or not isinstance(name, str):
        msg = f"an uncertainty needs a name, got {name!r} for {what} {value}"
        raise InputError(msg)
    if not isinstance(value, int | float | np.number) or not low < value < np.inf:
        msg = f"{what} of {name!r} must be above {low} and finite, got {value}"
        raise InputError(msg)


def _checked_interpolation(name: str, interpolation: str) -> None:
    """Raise unless the interpolation is known."""
    if interpolation not in ("piecewise", "smooth"):
        msg = f"interpolation of {name!r} must be 'piecewise' or 'smooth', got {interpolation!r}"
        raise InputError(msg)


@dataclass(frozen=True, slots=True)
class LogNormal:
    """A relative uncertainty of the normalisation that cannot make it negative.

    Parameters
    ----------
    name
        Of the parameter; the same name elsewhere is the same parameter.
    relative
        Relative change r at +1 sigma, above -1: 0.02 multiplies with 1.02. The factor is (1 + r)^theta: its median is
        1, its mean exp(ln(1 + r)^2 / 2). More than 1 is taken for the factor itself, and refused, unless `down` is
        given.
    down
        Relative change at -1 sigma, above -1. By default 1 / (1 + relative) - 1: exactly exponential.
    interpolation
        Between the two, where both are given.

    Raises
    ------
    InputError
        If the name is empty or no text, a change is -1 or less, or above 1 without `down`, or the interpolation is
        unknown.
    """

    name: str
    relative: float
    down: float | None = None
    interpolation: Interpolation = "smooth"

    def __post_init__(self) -> None:
        _checked(self.name, "relative change", self.relative, -1.0)
        _checked(self.name, "relative change", 0.0 if self.down is None else self.down, -1.0)
        if self.relative > 1.0 and self.down is None:
            msg = (
                f"the relative change of {self.name!r} is {self.relative:g}: a factor {self.relative:g} is"
                f" LogNormal({self.name!r}, {self.relative - 1.0:g}); if more than the double is meant, say what -1"
                f" sigma does too: down={1.0 / (1.0 + self.relative) - 1.0:.4g}"
            )
            raise InputError(msg)
        _checked_interpolation(self.name, self.interpolation)

    @property
    def factors(self) -> tuple[float, float]:
        """The factors at +1 and -1 sigma."""
        up = 1.0 + self.relative
        return up, 1.0 / up if self.down is None else 1.0 + self.down


@dataclass(frozen=True, slots=True)
class Gaussian:
    """A relative uncertainty of the normalisation, linear: the factor is 1 + relative theta, or 0, theta normal.

    For large ones a `LogNormal` is the better description.
    """

    name: str
    relative: float

    def __post_init__(self) -> None:
        _checked(self.name, "relative uncertainty", self.relative, 0.0)


@dataclass(frozen=True, slots=True)
class Free:
    """A normalisation that the data alone determine: a factor theta >= 0, 1 at the start."""

    name: str

    def __post_init__(self) -> None:
        _checked(self.name, "value", 1.0, 0.0)


@dataclass(frozen=True, slots=True)
class ControlRegion:
    """A normalisation from a control region of N events: a Poisson constraint, a gamma distribution for Bayes.

    Parameters
    ----------
    name
        Of the parameter.
    events
        Events seen in the control region, N >= 0.
    alpha
        Events of the sample per control event. The sample's histogram is then only a shape, and its expectation
        alpha N at the start. By default the sample's own counts stand for alpha N, and N must not be 0.

    Raises
    ------
    InputError
        If the name is empty, a number is negative, or N = 0 has no alpha.
    """

    name: str
    events: float
    alpha: float | None = None

    def __post_init__(self) -> None:
        _checked(self.name, "alpha", 1.0 if self.alpha is None else self.alpha, 0.0)
        if not 0.0 <= self.events < np.inf:
            msg = f"the events of control region {self.name!r} must be a number >= 0, got {self.events}"
            raise InputError(msg)
        if self.events == 0.0 and self.alpha is None:
            msg = f"control region {self.name!r} with 0 events needs alpha, the events of the sample per control event"
            raise InputError(msg)


@dataclass(frozen=True, slots=True, eq=False)
class ShapeVariation:
    """A shape uncertainty: the sample's histogram at +1 and at -1 sigma. Bins that would be negative are 0.

    Parameters
    ----------
    name
        Of the parameter.
    up, down
        Histograms, shape ``(B,)``, in the unit of the sample's. `down` is mirrored at the nominal one by default.
    interpolation
        Between the three.

    Raises
    ------
    InputError
        If the name is empty, a value is not finite, or the interpolation is unknown.
    """

    name: str
    up: ArrayLike
    down: ArrayLike | None = None
    interpolation: Interpolation = "smooth"

    def __post_init__(self) -> None:
        _checked(self.name, "variation", 1.0, 0.0)
        _checked_interpolation(self.name, self.interpolation)
        for values in (self.up, self.up if self.down is None else self.down):
            array = numbers(f"shape variation {self.name!r}", values)
            if not np.all(np.isfinite(array)):
                msg = f"shape variation {self.name!r} must be finite, found {array[~np.isfinite(array)][0]}"
                raise InputError(msg)


@dataclass(frozen=True, slots=True, eq=False)
class PerBin:
    """An uncertainty of each bin that is independent of the others.

    Parameters
    ----------
    name
        Of the parameters: bin i has ``name[i]``.
    errors
        Standard deviation of the sample's counts in each bin, shape ``(B,)``; 0 for an exact bin.
    constraint
        "poisson" (an auxiliary count of (counts / error)^2 events, as Monte Carlo or sideband events) or "normal".

    Raises
    ------
    InputError
        If the name is empty, an error is negative or not finite, or the constraint is unknown.
    """

    name: str
    errors: ArrayLike
    constraint: Literal["poisson", "normal"] = "poisson"

    def __post_init__(self) -> None:
        _checked(self.name, "uncertainty", 1.0, 0.0)
        array = numbers(f"the errors of {self.name!r}", self.errors)
        if not np.all((array >= 0.0) & (array < np.inf)):
            msg = (
                f"errors of {self.name!r} must be numbers >= 0, found {array[~((array >= 0.0) & (array < np.inf))][0]}"
            )
            raise InputError(msg)
        if self.constraint not in ("poisson", "normal"):
            msg = f"constraint of {self.name!r} must be 'poisson' or 'normal', got {self.constraint!r}"
            raise InputError(msg)


@dataclass(frozen=True, slots=True)
class PeakPosition:
    """An uncertainty of a peak's position, `shift` in the unit of the observable at one sigma."""

    name: str
    shift: float

    def __post_init__(self) -> None:
        _checked(self.name, "shift", self.shift, 0.0)


@dataclass(frozen=True, slots=True)
class PeakWidth:
    """A relative uncertainty of a peak's width, log-normal."""

    name: str
    relative: float

    def __post_init__(self) -> None:
        _checked(self.name, "relative uncertainty", self.relative, 0.0)


@dataclass(frozen=True, slots=True)
class SpuriousSignal:
    """A signal that a wrong background shape would fake: normal, with this width in units of the signal strength."""

    name: str
    strength: float

    def __post_init__(self) -> None:
        _checked(self.name, "strength", self.strength, 0.0)


Uncertainty = (
    LogNormal | Gaussian | Free | ControlRegion | ShapeVariation | PerBin | PeakPosition | PeakWidth | SpuriousSignal
)
"""Anything in the table above."""
