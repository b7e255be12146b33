"""The hypotheses of a scan: masses [GeV], spaced by the resolution on the axis of the spectrum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import InputError
from bumphunt.models.given_signal import PeakModel

__all__ = ["mass_grid"]

Array = NDArray[np.float64]

MOST_MASSES = 100_000
"""Most hypotheses of a grid: the finest published scans have some ten thousand."""
POINTS = 16
"""Masses at which the steps are looked at before."""


def mass_grid(
    low: float,
    high: float,
    signal: PeakModel | Sequence[PeakModel],
    *,
    step: float = 0.5,
    excluded: Sequence[tuple[float, float]] = (),
) -> Array:
    """Return hypotheses from `low` to at most `high`, spaced by `step` resolutions on the axis of the signal.

    Parameters
    ----------
    low, high
        Ends of the search range [GeV], within the range of the signal model.
    signal
        Resolution as a function of mass. Of several models the best resolution at each mass counts, among those whose
        range has the mass.
    step
        Step in units of the resolution, > 0.
    excluded
        Mass intervals [GeV] that are left out, each with its lower but without its upper end, where the grid goes on.

    Returns
    -------
    ndarray
        Masses [GeV], rising.

    Raises
    ------
    InputError
        If the range is empty, wholly excluded or outside the signal model, the step is not positive or so small that
        there would be more than `MOST_MASSES`, or an interval ends before it begins.
    """
    if not 0.0 <= low <= high or not step > 0.0:
        msg = f"a mass grid needs 0 <= low <= high and a positive step, got {low}, {high} GeV, step {step}"
        raise InputError(msg)
    for first, last in excluded:
        if not first <= last:
            msg = f"the excluded masses {first} to {last} GeV end before they begin"
            raise InputError(msg)
    signals = list(signal) if isinstance(signal, Sequence) else [signal]
    _following(high, signals, step)  # both ends inside a model, or an error
    if _number(low, high, signals, step) > MOST_MASSES:
        msg = f"a step of {step} resolutions makes more than {MOST_MASSES} masses from {low} to {high} GeV"
        raise InputError(msg)
    masses, mass = [], _allowed(low, excluded)
    while mass <= high:
        masses.append(mass)
        mass = _allowed(_following(mass, signals, step), excluded)
    if not masses:
        msg = f"the excluded masses {list(excluded)} GeV leave nothing of {low} to {high} GeV"
        raise InputError(msg)
    return np.array(masses)


def _number(low: float, high: float, signals: Sequence[PeakModel], step: float) -> float:
    """Return about how many masses there are from `low` to `high` [GeV]; inf where a step leads nowhere."""
    points = np.linspace(low, high, POINTS)
    inside = [m for m in points if any(model.masses[0] <= m <= model.masses[-1] for model in signals)]
    steps = np.array([_following(float(m), signals, step) - m for m in inside])
    return float((high - low) * np.mean(1.0 / steps)) if np.all(steps > 0.0) else np.inf


def _following(mass: float, signals: Sequence[PeakModel], step: float) -> float:
    """Return the mass one step above another [GeV]: the nearest of those of the models that have it."""
    having = [model for model in signals if model.masses[0] <= mass <= model.masses[-1]]
    if not having:
        ranges = ", ".join(f"{model.masses[0]} to {model.masses[-1]}" for model in signals)
        msg = f"mass {mass} GeV is outside the simulated range {ranges} GeV"
        raise InputError(msg)
    positions = [float(model.axis.position(mass) + step * model.resolution(mass)) for model in having]
    return min(float(model.axis.mass(x)) for model, x in zip(having, positions, strict=True))


def _allowed(mass: float, excluded: Sequence[tuple[float, float]]) -> float:
    """Return the mass itself, or the end of the excluded intervals that it is in [GeV]."""
    for first, last in sorted(excluded):
        if first <= mass < last:
            mass = last
    return mass
