"""Source: one cause of uncertainty of a search, and all that it moves together.

A collaboration's table of systematic uncertainties has a row for each cause: "trigger 6 %", "tau veto 22 %". A `Source`
is such a row. What it moves at one standard deviation is given in units that make sense at every mass, so that one
description serves a whole scan; `bumphunt.inference.scan_windows` turns it into the uncertainties of a region.

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
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bumphunt.errors import InputError

__all__ = ["Source", "checked_sources"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One cause of uncertainty: what it moves at one standard deviation.

    A sign says the direction: a source that lowers the efficiency and raises a background has one negative number.

    Parameters
    ----------
    name
        Of the source.
    efficiency
        Relative change of the signal yield, above -1.
    signal_mean
        Shift of the peak in units of the resolution.
    signal_width
        Relative change of the width of the peak, above -1.
    background
        Relative change of the yield of samples, by name, above -1.
    background_slope
        Relative change of samples at the upper end of the window, by name, between -1 and 1; linear in between.
    spurious_signal
        Width of a fake signal in units of the standard deviation of n_sig for background alone, not negative.

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
    efficiency: float = 0.0
    signal_mean: float = 0.0
    signal_width: float = 0.0
    background: Mapping[str, float] = field(default_factory=dict)
    background_slope: Mapping[str, float] = field(default_factory=dict)
    spurious_signal: float = 0.0

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

    def _check(self, what: str, value: float, low: float, high: float) -> None:
        """Raise unless a number is between `low` and `high`."""
        if not low < value < high:
            msg = f"{what} of source {self.name!r} must be above {low} and below {high}, got {value}"
            raise InputError(msg)

    @property
    def moves(self) -> tuple[str, ...]:
        """Names of what is moved."""
        scalars = ("efficiency", "signal_mean", "signal_width", "spurious_signal")
        moved = [what for what in scalars if getattr(self, what) != 0.0]
        mappings = ("background", "background_slope")
        return (*moved, *(what for what in mappings if any(v != 0.0 for v in getattr(self, what).values())))


def checked_sources(sources: Sequence[Source], samples: Sequence[str]) -> tuple[Source, ...]:
    """Return the sources if their names differ and their samples exist.

    Parameters
    ----------
    sources
        The sources of one search.
    samples
        Names of its background samples.

    Raises
    ------
    InputError
        If two sources have the same name, or one moves a sample that there is not.
    """
    names = [source.name for source in sources]
    for name in names:
        if names.count(name) > 1:
            msg = f"two sources of uncertainty are called {name!r}: put what moves together into one"
            raise InputError(msg)
    for source in sources:
        for sample in (*source.background, *source.background_slope):
            if sample not in samples:
                msg = f"source {source.name!r} moves the sample {sample!r}; there are {', '.join(samples) or 'none'}"
                raise InputError(msg)
    return tuple(sources)
