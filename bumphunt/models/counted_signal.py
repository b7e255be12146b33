"""CountedSignal: a signal that is counted, without a peak: all that is known of it is its efficiency.

It answers the questions that a scan asks of a peak, on the axis of a count (`bumphunt.spectrum.axis.COUNT`): the whole
signal is in its one bin. Between the hypotheses of which the efficiency is known nothing is interpolated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import InputError
from bumphunt.models.peaks import Peak
from bumphunt.models.signal import Hypothesis
from bumphunt.spectrum.axis import COUNT, MassAxis

__all__ = ["CountedSignal"]

Array = NDArray[np.float64]

SIGMA = 0.05
"""Width of what stands for the peak, in bins: so small that the bin, and a window of any width, hold all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedSignal:
    """A signal without a peak at some masses.

    Parameters
    ----------
    masses
        Masses [GeV] of which the efficiency is known, rising, at least one, shape ``(M,)``. Where hypotheses have no
        mass, what stands for it.
    efficiencies, efficiency_errors
        Total efficiency and its standard deviation, shape ``(M,)``.

    Raises
    ------
    InputError
        If shapes disagree, masses do not rise, or an efficiency is not in [0, 1].

    Examples
    --------
    >>> one = CountedSignal(masses=np.array([4.0]), efficiencies=np.array([0.1]), efficiency_errors=np.array([0.01]))
    >>> at = one.at([4.0])[0]
    >>> at.efficiency, float(at.fractions([0.0, 1.0])[0])
    (0.1, 1.0)
    """

    masses: Array
    efficiencies: Array
    efficiency_errors: Array

    def __post_init__(self) -> None:
        m = self.masses.size
        if m < 1 or not np.all(np.diff(self.masses) > 0.0):
            msg = f"a counted signal needs at least one mass, and several in rising order, got {self.masses}"
            raise InputError(msg)
        if not self.efficiencies.shape == self.efficiency_errors.shape == (m,):
            msg = (
                f"{m} masses want efficiencies and their errors ({m},), got {self.efficiencies.shape} and"
                f" {self.efficiency_errors.shape}"
            )
            raise InputError(msg)
        if not np.all((self.efficiencies >= 0.0) & (self.efficiencies <= 1.0)):
            msg = f"efficiencies must be between 0 and 1, got {self.efficiencies}"
            raise InputError(msg)

    @property
    def axis(self) -> MassAxis:
        """What the spectrum is made of: nothing."""
        return COUNT

    def _index(self, mass: ArrayLike) -> NDArray[np.intp]:
        """Return the numbers of masses, in their shape, or raise if one is not known."""
        m = np.asarray(mass, dtype=np.float64)
        index = np.clip(np.searchsorted(self.masses, m), 0, self.masses.size - 1)
        unknown = self.masses[index] != m
        if np.any(unknown):
            known = ", ".join(f"{value:g}" for value in self.masses)
            msg = f"mass {m[unknown].flat[0]:g} GeV: the efficiency of a count is known at {known} GeV alone"
            raise InputError(msg)
        return np.asarray(index)

    def resolution(self, mass: ArrayLike) -> Array:
        """Return the width of what stands for the peak [bins], in the shape of `mass`."""
        return np.full(np.shape(mass), SIGMA)

    def mass_resolution(self, mass: ArrayLike) -> Array:
        """Return NaN in the shape of `mass`: a count has no resolution."""
        return np.full(np.shape(mass), np.nan)

    def efficiency(self, mass: ArrayLike) -> Array:
        """Return the total efficiency, in the shape of `mass`."""
        return np.asarray(self.efficiencies[self._index(mass)])

    def efficiency_error(self, mass: ArrayLike) -> Array:
        """Return the statistical error of the efficiency, in the shape of `mass`."""
        return np.asarray(self.efficiency_errors[self._index(mass)])

    def at(self, masses: ArrayLike) -> list[Hypothesis]:
        """Return what is known of each mass [GeV], shape ``(N,)``.

        Raises
        ------
        InputError
            If the efficiency at a mass is not known.
        """
        m = np.atleast_1d(np.asarray(masses, dtype=np.float64))
        positions, efficiencies, errors = self.axis.position(m), self.efficiency(m), self.efficiency_error(m)
        return [
            Hypothesis(
                mass=float(m[i]),
                position=float(positions[i]),
                sigma=SIGMA,
                efficiency=float(efficiencies[i]),
                efficiency_error=float(errors[i]),
                peak=Peak(family="gaussian", parameters=(float(positions[i]), SIGMA)),
                axis=self.axis,
            )
            for i in range(m.size)
        ]
