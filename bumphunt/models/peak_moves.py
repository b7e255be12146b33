"""How far a peak has moved, and how much wider it is: what a shifted momentum does to a signal.

The shape of the signal model is moved and stretched (`bumphunt.models.signal.Hypothesis.fractions`) until it follows a
simulated spectrum best. Two spectra of the same events, with momenta as they are and with others, tell the move by
their difference: what the shape lacks in one it lacks in the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize

from bumphunt.errors import InputError
from bumphunt.models.signal import Hypothesis

__all__ = ["PeakMove", "peak_move"]

Array = NDArray[np.float64]

REACH = 5.0
"""Half width of what is looked at, in units of the resolution: the core, and no tail that radiation makes."""
PRECISION = 1e-5
"""Largest error of shift and stretch, in units of the resolution, and relative."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakMove:
    """Where a spectrum has its peak, beside the shape of the signal model.

    Parameters
    ----------
    shift
        In units of the resolution.
    stretch
        Width over that of the shape.
    """

    shift: float
    stretch: float


def peak_move(peak: Hypothesis, edges: ArrayLike, counts: ArrayLike) -> PeakMove:
    """Return the move and the stretch of a shape that follow a simulated spectrum best.

    They maximise the multinomial likelihood of the bins within `REACH` resolutions of the position of the mass, given
    that events are there: how many they are does not matter.

    Parameters
    ----------
    peak
        The shape at the simulated mass.
    edges
        Bin edges [unit of the axis], rising, shape (B + 1,).
    counts
        Sums of weights, shape (B,).

    Raises
    ------
    InputError
        If there are no events, or fewer than three bins.

    Examples
    --------
    >>> from bumphunt.models.signal import SignalModel
    >>> from bumphunt.spectrum.axis import MASS
    >>> shape = np.tile([0.0, 0.1, 3.0, 3.0, 1.0, 1.0], (2, 1))
    >>> model = SignalModel(masses=np.array([4.0, 6.0]), parameters=shape, errors=0 * shape, efficiencies=np.ones(2),
    ...                     efficiency_errors=np.zeros(2), support=(0.0, 10.0), axis=MASS)
    >>> edges, peak = np.linspace(4.0, 6.0, 201), model.at(5.0)[0]
    >>> found = peak_move(peak, edges, 1e4 * peak.fractions(edges, shift=0.02, stretch=1.1))
    >>> round(found.shift, 3), round(found.stretch, 3)
    (0.2, 1.1)
    """
    x, n = np.asarray(edges, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    low, high = np.searchsorted(x, [peak.position - REACH * peak.sigma, peak.position + REACH * peak.sigma])
    x, n = x[max(low - 1, 0) : high + 1], n[max(low - 1, 0) : high]
    there = peak.fractions(x) > 0.0
    if np.count_nonzero(there) < 3 or not n[there].sum() > 0.0:
        msg = (
            f"{n.sum():g} events in {np.count_nonzero(there)} bins about {peak.mass:g} GeV do not tell where a peak is:"
            " want events in at least three bins"
        )
        raise InputError(msg)
    fraction = n[there] / n[there].sum()

    def nll(parameters: Array) -> float:
        shift, log_stretch = (float(value) for value in parameters)
        expected = peak.fractions(x, shift=shift * peak.sigma, stretch=np.exp(log_stretch))[there]
        expected = np.maximum(expected, np.finfo(np.float64).tiny)
        return float(np.log(expected.sum()) - fraction @ np.log(expected))

    found = minimize(
        nll, np.zeros(2), method="Nelder-Mead", options={"xatol": PRECISION / 10, "fatol": 1e-14, "maxiter": 2000}
    )
    return PeakMove(shift=float(found.x[0]), stretch=float(np.exp(found.x[1])))
