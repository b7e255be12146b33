"""The hypotheses of a scan, and the window of the spectrum around each.

Hypotheses are masses [GeV]; a spectrum is made of positions on a mass axis (`bumphunt.spectrum.axis`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import InputError
from bumphunt.models.signal import SignalModel

__all__ = ["mass_grid", "window_edges"]

Array = NDArray[np.float64]


def mass_grid(
    low: float,
    high: float,
    signal: SignalModel | Sequence[SignalModel],
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
        If the range is empty, wholly excluded or outside the signal model, the step is not positive, or an interval
        ends before it begins.
    """
    if not 0.0 <= low <= high or not step > 0.0:
        msg = f"a mass grid needs 0 <= low <= high and a positive step, got {low}, {high} GeV, step {step}"
        raise InputError(msg)
    for first, last in excluded:
        if not first <= last:
            msg = f"the excluded masses {first} to {last} GeV end before they begin"
            raise InputError(msg)
    signals = [signal] if isinstance(signal, SignalModel) else list(signal)
    _following(high, signals, step)  # both ends inside a model, or an error
    masses, mass = [], _allowed(low, excluded)
    while mass <= high:
        masses.append(mass)
        mass = _allowed(_following(mass, signals, step), excluded)
    if not masses:
        msg = f"the excluded masses {list(excluded)} GeV leave nothing of {low} to {high} GeV"
        raise InputError(msg)
    return np.array(masses)


def _following(mass: float, signals: Sequence[SignalModel], step: float) -> float:
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


def window_edges(
    edges: ArrayLike, centre: float, sigma: float, *, half_width: float, bins_per_sigma: float | None
) -> Array:
    """Return the bin edges of a window, a subset of those of the spectrum.

    The window ``centre +- half_width sigma`` is shifted at the ends of the spectrum so that it keeps its width, and
    snapped to the nearest edges.

    Parameters
    ----------
    edges
        Edges of the spectrum, rising, shape ``(B + 1,)``.
    centre, sigma
        Of the peak, in the unit of the edges.
    half_width
        In units of sigma.
    bins_per_sigma
        Neighbouring bins are joined until there are about this many in one sigma; None keeps only the two ends.

    Returns
    -------
    ndarray
        Edges of the window, at least two, rising.

    Raises
    ------
    InputError
        If the peak is outside the spectrum, or a width is not positive.
    """
    x = np.asarray(edges, dtype=np.float64)
    if not x[0] <= centre <= x[-1]:
        msg = f"the peak at {centre} is outside the spectrum, which reaches from {x[0]} to {x[-1]}"
        raise InputError(msg)
    if not (sigma > 0.0 and half_width > 0.0 and (bins_per_sigma is None or bins_per_sigma > 0.0)):
        msg = f"resolution {sigma}, half width {half_width} and bins per sigma {bins_per_sigma} must be positive"
        raise InputError(msg)
    width = 2.0 * half_width * sigma
    low = min(max(centre - 0.5 * width, float(x[0])), max(float(x[-1]) - width, float(x[0])))
    high = min(low + width, float(x[-1]))
    n_bins = 1 if bins_per_sigma is None else max(1, round((high - low) / sigma * bins_per_sigma))
    wanted = np.linspace(low, high, n_bins + 1)
    upper = np.clip(np.searchsorted(x, wanted), 1, x.size - 1)
    nearest = np.where(wanted - x[upper - 1] < x[upper] - wanted, upper - 1, upper)
    nearest = nearest[np.append(True, np.diff(nearest) > 0)]
    if nearest.size == 1:  # narrower than a bin: that bin
        nearest = np.array([nearest[0] - 1, nearest[0]]) if nearest[0] > 0 else np.array([0, 1])
    return x[nearest]
