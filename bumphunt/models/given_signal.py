"""GivenSignal: a peak whose shape, resolution and efficiency are said, not simulated.

It answers the same questions as the `SignalModel` of simulated masses: a scan does not know which of them it has.
Resolution, efficiency and tails are functions of mass, tabulated as finely as they need and interpolated (monotone
cubic).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator

from bumphunt.errors import InputError
from bumphunt.models.counted_signal import CountedSignal
from bumphunt.models.peaks import TAILS, Peak, PeakFamily
from bumphunt.models.shapes import Tail
from bumphunt.models.signal import Hypothesis, SignalModel
from bumphunt.spectrum.axis import MASS, MassAxis

__all__ = ["GivenSignal", "PeakModel"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenSignal:
    """A peak at any mass of a range.

    Parameters
    ----------
    masses
        Masses [GeV] at which the others are said, rising, at least two, shape ``(M,)``.
    resolutions
        Width of the core of the peak in mass [GeV], shape ``(M,)``.
    efficiencies
        Total selection efficiency, shape ``(M,)``.
    family
        Shape of the peak (`bumphunt.models.peaks.TAILS`).
    tails
        Its parameters beyond mean and width, in their order, shape ``(M, T)``.
    tail
        Side of the tail, where there is one.
    axis
        What the spectrum is made of. Widths on it are those in mass, times its slope.

    Raises
    ------
    InputError
        If shapes disagree, masses do not rise, a resolution is not positive, an efficiency not in [0, 1], or the family
        is unknown or does not take these tails.

    Examples
    --------
    >>> m = np.linspace(1.0, 5.0, 9)
    >>> peak = GivenSignal(masses=m, resolutions=0.01 * m, efficiencies=np.full(9, 0.5), tails=np.empty((9, 0)))
    >>> round(float(peak.resolution(2.0)), 6), round(float(peak.fractions(2.0, [1.98, 2.02])[0]), 4)
    (0.02, 0.6827)
    """

    masses: Array
    resolutions: Array
    efficiencies: Array
    tails: Array
    family: PeakFamily = "gaussian"
    tail: Tail = "low"
    axis: MassAxis = MASS

    def __post_init__(self) -> None:
        if self.family not in TAILS:
            msg = f"unknown peak {self.family!r}: want one of {sorted(TAILS)}"
            raise InputError(msg)
        m, names = self.masses.size, TAILS[self.family]
        if m < 2 or not np.all(np.diff(self.masses) > 0.0):
            msg = f"a signal needs at least two rising masses, got {self.masses}"
            raise InputError(msg)
        shapes = [self.resolutions.shape, self.efficiencies.shape, self.tails.shape]
        if shapes != [(m,), (m,), (m, len(names))]:
            msg = (
                f"{m} masses of a {self.family} want resolutions and efficiencies ({m},) and tails ({m}, {len(names)}),"
                f" got {shapes}"
            )
            raise InputError(msg)
        if not np.all((self.resolutions > 0.0) & (self.resolutions < np.inf)):
            msg = f"resolutions must be positive and finite, {self._first(~(self.resolutions > 0.0), self.resolutions)}"
            raise InputError(msg)
        outside = ~((self.efficiencies >= 0.0) & (self.efficiencies <= 1.0))
        if np.any(outside):
            msg = f"efficiencies must be between 0 and 1, {self._first(outside, self.efficiencies)}"
            raise InputError(msg)
        for mass, resolution, tails in zip(self.masses, self.resolutions, self.tails, strict=True):
            try:
                Peak(family=self.family, parameters=(mass, resolution, *tails.tolist()), tail=self.tail)
            except InputError as error:
                msg = f"at {mass:g} GeV: {error}"
                raise InputError(msg) from None

    def _first(self, bad: NDArray[np.bool_], values: Array) -> str:
        """Return the first of bad values and its mass, as the end of a sentence."""
        where = int(np.argmax(bad))
        return f"got {values[where]:g} at {self.masses[where]:g} GeV"

    def _at(self, mass: ArrayLike, values: Array) -> Array:
        """Return values of shape ``(M, ...)`` at masses, or raise if one is outside of the range."""
        m = np.asarray(mass, dtype=np.float64)
        bad = ~((m >= self.masses[0]) & (m <= self.masses[-1]))
        if np.any(bad):
            msg = f"mass {m[bad].flat[0]} GeV is outside the signal's range {self.masses[0]} to {self.masses[-1]} GeV"
            raise InputError(msg)
        return np.asarray(PchipInterpolator(self.masses, values)(m))

    def mass_resolution(self, mass: ArrayLike) -> Array:
        """Return the resolution in the mass [GeV], in the shape of `mass`."""
        return self._at(mass, self.resolutions)

    def resolution(self, mass: ArrayLike) -> Array:
        """Return the resolution in the unit of the axis, in the shape of `mass`; inf at a threshold."""
        return np.asarray(self.mass_resolution(mass) * self.axis.slope(mass))

    def efficiency(self, mass: ArrayLike) -> Array:
        """Return the total efficiency, in the shape of `mass`."""
        return self._at(mass, self.efficiencies)

    def efficiency_error(self, mass: ArrayLike) -> Array:
        """Return the statistical error of the efficiency, in the shape of `mass`: 0, since nothing was counted."""
        return np.zeros_like(np.asarray(mass, dtype=np.float64))

    def fractions(self, mass: float, edges: ArrayLike, *, shift: float = 0.0, stretch: float = 1.0) -> Array:
        """Return the fraction of the peak in each bin; as `bumphunt.models.signal.SignalModel.fractions`."""
        return self.at([mass])[0].fractions(edges, shift=shift, stretch=stretch)

    def at(self, masses: ArrayLike) -> list[Hypothesis]:
        """Return what is said of each mass [GeV], shape ``(N,)``.

        Raises
        ------
        InputError
            If a mass is outside of the range.
        """
        m = np.atleast_1d(np.asarray(masses, dtype=np.float64))
        positions, sigma, efficiency = self.axis.position(m), self.resolution(m), self.efficiency(m)
        tails = self._at(m, self.tails)
        return [
            Hypothesis(
                mass=float(m[i]),
                position=float(positions[i]),
                sigma=float(sigma[i]),
                efficiency=float(efficiency[i]),
                efficiency_error=0.0,
                peak=Peak(
                    family=self.family,
                    parameters=(float(positions[i]), float(sigma[i]), *tails[i].tolist()),
                    tail=self.tail,
                ),
                axis=self.axis,
            )
            for i in range(m.size)
        ]


PeakModel = SignalModel | GivenSignal | CountedSignal
"""The signal of a search as a function of its mass: a peak, simulated or said, or what is counted."""
