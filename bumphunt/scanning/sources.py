"""Source: one cause of uncertainty of a search, and all that it moves together.

A collaboration's table of systematic uncertainties has a row for each cause: "trigger 6 %", "tau veto 22 %". A `Source`
is such a row. What it moves at one standard deviation is given in units that make sense at every mass, so that one
description serves a whole scan; `bumphunt.scanning.likelihoods` turns it into the uncertainties of a region.

====================  ==================================================================================
a source may move     by
====================  ==================================================================================
`efficiency`          a relative change of the signal yield (luminosity too): log-normal
`signal_mean`         a shift of the peak, in units of the resolution
`signal_width`        a relative change of the peak's width: log-normal
`background`          a relative change of the yield of each named sample: log-normal
`background_slope`    a relative change at the upper end of the window, its negative at the lower end
`spurious_signal`     a signal that the background shape fakes, in units of the error of n_sig without signal
====================  ==================================================================================

Yields may change by another amount at -1 than at +1 standard deviation: `efficiency` and `background` take a pair of
both changes, such as (+0.04, -0.06). A fit has the two, and what is between them (`LogNormal`); a count has one number,
the larger of them.

Where several regions are fitted together, a source is one nuisance parameter in all of them, and moves the samples of a
name in all of them. What it moves in some regions only, or by another amount, is told by a source of the same name with
`regions`. A source whose effect changes with mass is given to a scan as a function from the mass to all sources.

The numbers of simulated events, and the normalisations of samples, are sources that are there without being given;
their names are taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from bumphunt.errors import InputError

__all__ = [
    "OF_CHANNELS",
    "OF_SAMPLES",
    "SIGNAL_STATISTICS",
    "TEMPLATE_STATISTICS",
    "UNCOUNTED",
    "Change",
    "Source",
    "Sources",
    "changes",
    "checked_sources",
    "larger_change",
    "norm_source",
    "signal_sources",
    "signal_statistics",
    "sources_at",
]

OF_CHANNELS = {"efficiency", "spurious_signal"}
"""What a source may move so that a window stays linear but for the yield of its signal."""
OF_SAMPLES = {"background", "background_slope"}
"""What a source moves of samples, and not of the signal."""
UNCOUNTED = ("background_slope", "spurious_signal")
"""What a source may move in a fit, but not in a window that is counted."""
SIGNAL_STATISTICS = "signal_statistics"
"""Name of the source for the simulated signal events that the efficiency was counted with; with several regions the
name of each is appended, since their events are not the same."""
TEMPLATE_STATISTICS = "template_statistics"
"""Name of the source for the simulated background events in a window that is counted."""


Change = float | tuple[float, float]
"""A relative change r at one standard deviation, a factor (1 + r)^z; or those at +1 and at -1 standard deviation."""


def changes(change: Change) -> tuple[float, float | None]:
    """Return a relative change at +1 and at -1 standard deviation; None for the latter where it follows."""
    return change if isinstance(change, tuple) else (change, None)


def larger_change(change: Change) -> float:
    """Return the relative change at +1 standard deviation of the factor (1 + r)^z that is as wide as the wider side.

    Examples
    --------
    >>> larger_change(0.04), round(larger_change((0.04, -0.06)), 4)
    (0.04, 0.0638)
    """
    up, down = changes(change)
    if down is None:
        return up
    other = 1.0 / (1.0 + down) - 1.0
    return up if abs(np.log1p(up)) >= abs(np.log1p(other)) else other


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One cause of uncertainty: what it moves at one standard deviation.

    A sign says the direction: a source that lowers the efficiency and raises a background has one negative number.

    Parameters
    ----------
    name
        Of the source.
    efficiency
        Relative change of the signal yield, above -1; or those at +1 and -1 standard deviation.
    signal_mean
        Shift of the peak in units of the resolution.
    signal_width
        Relative change of the width of the peak, above -1.
    background
        Relative change of the yield of samples, by name, above -1; or those at +1 and -1 standard deviation.
    background_slope
        Relative change of samples at the upper end of the window, by name, between -1 and 1; linear in between.
    spurious_signal
        Width of a fake signal in units of the standard deviation of n_sig for background alone, not negative.
    regions
        Names of the regions in which all this is so; none for all regions.

    Raises
    ------
    InputError
        If the name is empty, a number is not finite or out of its range, or nothing is moved.

    Examples
    --------
    >>> tracking = Source(name="tracking", efficiency=0.04, background={"tautau": 0.04})
    >>> tracking.moves
    ('efficiency', 'background')
    """

    name: str
    efficiency: Change = 0.0
    signal_mean: float = 0.0
    signal_width: float = 0.0
    background: Mapping[str, Change] = field(default_factory=dict)
    background_slope: Mapping[str, float] = field(default_factory=dict)
    spurious_signal: float = 0.0
    regions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.name:
            msg = f"a source of uncertainty needs a name, got {self.name!r}"
            raise InputError(msg)
        for what in ("efficiency", "signal_width"):
            self._check(what, getattr(self, what), -1.0, np.inf)
        self._check("signal_mean", self.signal_mean, -np.inf, np.inf)
        for sample, value in self.background.items():
            self._check(f"background[{sample}]", value, -1.0, np.inf)
        for sample, value in self.background_slope.items():
            self._check(f"background_slope[{sample}]", value, -1.0, 1.0)
        if not 0.0 <= self.spurious_signal < np.inf:
            msg = f"spurious_signal of source {self.name!r} must be a number >= 0, got {self.spurious_signal}"
            raise InputError(msg)
        if not self.moves:
            msg = f"source {self.name!r} moves nothing: give it an efficiency, a background, ..."
            raise InputError(msg)

    def _check(self, what: str, change: Change, low: float, high: float) -> None:
        """Raise unless a number, or both of two, are between `low` and `high`."""
        for value in changes(change):
            if value is not None and not low < value < high:
                msg = f"{what} of source {self.name!r} must be above {low} and below {high}, got {value}"
                raise InputError(msg)

    @property
    def moves(self) -> tuple[str, ...]:
        """Names of what is moved."""
        scalars = ("efficiency", "signal_mean", "signal_width", "spurious_signal")
        moved = [what for what in scalars if any(changes(getattr(self, what)))]
        mappings = ("background", "background_slope")
        return (*moved, *(what for what in mappings if any(any(changes(v)) for v in getattr(self, what).values())))

    def applies(self, region: str) -> bool:
        """Return whether the source moves something in a region of that name."""
        return not self.regions or region in self.regions


Sources = Sequence[Source] | Callable[[float], Sequence[Source]]
"""The sources of a scan, or a function from the mass [GeV] to them; the names are the same at every mass."""


def checked_sources(
    sources: Sequence[Source], samples: Sequence[str] | Mapping[str, Sequence[str]]
) -> tuple[Source, ...]:
    """Return the sources if their names differ, or else their regions, and what they move exists.

    Parameters
    ----------
    sources
        The sources of one search.
    samples
        Names of its background samples, or those of each region by its name.

    Raises
    ------
    InputError
        If two sources have the same name in a region, or one names a region or moves a sample that there is not.
    """
    regions = samples if isinstance(samples, Mapping) else None
    met: dict[str, list[Source]] = {}
    for source in sources:
        for other in met.setdefault(source.name, []):
            if not (source.regions and other.regions) or set(source.regions) & set(other.regions):
                msg = (
                    f"two sources of uncertainty are called {source.name!r}: put what moves together into one, or give"
                    " each its own regions"
                )
                raise InputError(msg)
        met[source.name].append(source)
        for name in source.regions:
            if regions is not None and name not in regions:
                msg = f"source {source.name!r} is in the region {name!r}; there are {', '.join(regions) or 'none'}"
                raise InputError(msg)
        known = samples
        if isinstance(samples, Mapping):
            known = [s for region, names in samples.items() if source.applies(region) for s in names]
        for sample in (*source.background, *source.background_slope):
            if sample not in known:
                there = ", ".join(dict.fromkeys(known)) or "none"
                msg = f"source {source.name!r} moves the sample {sample!r}; there are {there}"
                raise InputError(msg)
    return tuple(sources)


def sources_at(
    sources: Sources, masses: Sequence[float], samples: Sequence[str] | Mapping[str, Sequence[str]]
) -> list[tuple[Source, ...]]:
    """Return the sources at each mass [GeV], checked as by `checked_sources`.

    Raises
    ------
    InputError
        As `checked_sources`, and if a function of mass gives other names at another mass.
    """
    if not callable(sources):
        return [checked_sources(sources, samples)] * len(masses)
    found = [checked_sources(sources(mass), samples) for mass in masses]
    for mass, there in zip(masses, found, strict=True):
        names = {source.name for source in there}
        if names != {source.name for source in found[0]}:
            first = ", ".join(source.name for source in found[0]) or "none"
            msg = (
                f"the sources at {mass} GeV are {', '.join(sorted(names)) or 'none'}, those at {masses[0]} GeV {first}:"
                " give the same ones at every mass"
            )
            raise InputError(msg)
    return found


def signal_sources(sources: Sequence[Source]) -> tuple[Source, ...]:
    """Return what sources do where there are no samples: those that move more, without what they do to samples."""
    moving = (source for source in sources if set(source.moves) - OF_SAMPLES)
    return tuple(replace(source, background={}, background_slope={}) for source in moving)


def norm_source(sample: str) -> str:
    """Return the name of the source for the normalisation of a sample."""
    return f"norm_{sample}"


def signal_statistics(name: str, n_parts: int) -> str:
    """Return the name of the source for the simulated signal events of a region that is fitted with others."""
    return SIGNAL_STATISTICS if n_parts == 1 else f"{SIGNAL_STATISTICS}_{name}"
