"""How well single observables tell signal from background, mass bin by mass bin: which ones to cut on.

========================= =====================================================================
separation                1/2 sum (s - b)^2 / (s + b), from 0 (alike) to 1 (disjoint), as in TMVA
separation_noise          what it is for two samples of the same distribution, from their errors
roc_area                  probability that a signal event lies above a background event
ranking                   tensors of single observables -> table (mass bin x observable and side)
========================= =====================================================================

The separation does not care on which side the signal is; the area does. In the ranking it is taken along the candidate
bounds, from the loosest to the tightest: an area near 1 asks for a bound on their side, one near 0 for one on the other
side. A high separation with an area near 1/2 is a signal in the middle, for which single bounds are of little use.
Neither knows of correlations: the second observable of the ranking may repeat the first.

References
----------
A. Hoecker et al., TMVA users guide, physics/0703039, section 3.1.4 (separation).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.cuts.table import bin_masses
from bumphunt.cuts.tensor import CHOOSING, CountTensor, Side, VetoAxis
from bumphunt.cuts.yields import SignalPoint, interpolate
from bumphunt.errors import InputError
from bumphunt.spectrum.axis import SQUARED, MassAxis

__all__ = ["Ranking", "ranking", "roc_area", "separation", "separation_noise"]

Array = NDArray[np.float64]


def separation(signal: ArrayLike, background: ArrayLike) -> Array:
    """Return 1/2 sum (s - b)^2 / (s + b) of normalised histograms, shape (...).

    Parameters
    ----------
    signal, background
        Sums of weights in the bins of the last axis, not negative, shape (..., n). Only ratios count, and the bins need
        not be equally wide. NaN where one of them is empty.

    References
    ----------
    TMVA users guide, physics/0703039, section 3.1.4: <S^2>.

    Examples
    --------
    >>> float(separation([1.0, 1.0, 0.0], [0.0, 1.0, 1.0]))
    0.5
    """
    s, b = _normalised(signal), _normalised(background)
    total = s + b
    # NaN is not 0: an empty histogram has no separation
    terms = np.divide((s - b) ** 2, total, out=np.zeros_like(total), where=total != 0)
    return np.asarray(0.5 * terms.sum(axis=-1))


def separation_noise(signal: ArrayLike, background: ArrayLike, signal_w2: ArrayLike, background_w2: ArrayLike) -> Array:
    """Return the separation that statistical fluctuations alone make on average, shape (...).

    Parameters
    ----------
    signal, background
        Sums of weights, as for `separation`.
    signal_w2, background_w2
        Sums of squared weights in the same bins.

    Notes
    -----
    For samples of one distribution the mean of (s - b)^2 in a bin is the sum of the variances of s and b.

    Examples
    --------
    >>> counts = [100.0, 100.0]
    >>> float(separation_noise(counts, counts, counts, counts))
    0.0025
    """
    counts = [np.asarray(x, dtype=np.float64) for x in (signal, background)]
    squares = [np.asarray(x, dtype=np.float64) for x in (signal_w2, background_w2)]
    shares = [_normalised(x) for x in counts]
    variance = np.zeros_like(shares[0] + shares[1])
    for x, w2, p in zip(counts, squares, shares, strict=True):
        with np.errstate(divide="ignore", invalid="ignore"):
            per_event = w2 / x.sum(axis=-1, keepdims=True) ** 2
        # of a share of a fixed whole
        variance = variance + (1 - 2 * p) * per_event + p**2 * per_event.sum(axis=-1, keepdims=True)
    total = shares[0] + shares[1]
    return np.asarray(0.5 * np.sum(np.divide(variance, total, out=np.zeros_like(total), where=total != 0), axis=-1))


def roc_area(signal: ArrayLike, background: ArrayLike) -> Array:
    """Return the area under the ROC curve: the probability that a signal event lies above a background event, (...).

    Events of the same bin count half, which is the trapezoidal rule.

    Parameters
    ----------
    signal, background
        Sums of weights in ascending bins of the last axis, shape (..., n). NaN where one of them is empty.

    Examples
    --------
    >>> float(roc_area([0.0, 1.0], [1.0, 1.0]))
    0.75
    """
    s, b = _normalised(signal), _normalised(background)
    return np.asarray(np.sum(s * (np.cumsum(b, axis=-1) - b / 2), axis=-1))


def _normalised(counts: ArrayLike) -> Array:
    """Return counts over their sum along the last axis, NaN where that is 0.

    Raises
    ------
    InputError
        If a count is negative.
    """
    x = np.asarray(counts, dtype=np.float64)
    if np.any(~(x >= 0)):
        msg = f"sums of weights must not be negative, got {x[~(x >= 0)].flat[0]}"
        raise InputError(msg)
    total = x.sum(axis=-1, keepdims=True)
    return np.divide(x, total, out=np.full_like(x, np.nan), where=total > 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """Separation of observables, mass bin by mass bin.

    Parameters
    ----------
    masses
        Masses at the centres of the bins [GeV], shape (M,).
    names, sides
        Observables, V of them, that with the largest separation on average first, and the side of the bounds on each.
    separation
        Separation, shape (M, V); NaN where signal or background is empty.
    noise
        What fluctuations alone give, shape (M, V).
    area
        Area under the ROC curve: the probability that a signal event passes tighter bounds than a background event,
        shape (M, V).
    """

    masses: Array
    names: tuple[str, ...]
    sides: tuple[Side, ...]
    separation: Array
    noise: Array
    area: Array

    def to_columns(self) -> dict[str, list[float | str]]:
        """Return a table with one row a mass bin and axis: ``mass``, ``observable``, ``side``, and three numbers."""
        rows = [(i, j) for i in range(self.masses.size) for j in range(len(self.names))]
        columns: dict[str, list[float | str]] = {
            "mass": [float(self.masses[i]) for i, _ in rows],
            "observable": [self.names[j] for _, j in rows],
            "side": [self.sides[j] for _, j in rows],
        }
        for name in ("separation", "noise", "area"):
            columns[name] = [float(getattr(self, name)[i, j]) for i, j in rows]
        return columns


def ranking(
    backgrounds: Mapping[VetoAxis, Sequence[CountTensor]],
    signals: Mapping[VetoAxis, Sequence[SignalPoint]],
    *,
    axis: MassAxis = SQUARED,
) -> Ranking:
    """Return the ranking of observables by their separation, on the half of the events that chooses cuts.

    Parameters
    ----------
    backgrounds
        By veto axis, tensors with that single axis, one a sample, at the luminosity of the data, all in the same mass
        bins. Some tens of bounds an axis are enough; beyond the tightest there is one bin.
    signals
        By veto axis, the simulated signals with the same axis, in ascending order of mass. Their distributions are
        interpolated linearly in mass to the centres of the bins.
    axis
        What the mass bins are made of.

    Raises
    ------
    InputError
        If the axes of backgrounds and signals differ, there are none, or a tensor has another axis.
    """
    axes = list(backgrounds)
    if not axes or axes != list(signals):
        found = ", ".join(" ".join((veto.name, veto.side)) for veto in signals)
        msg = f"the same axes are needed of both: {len(axes)} of the backgrounds, and of the signals {found or 'none'}"
        raise InputError(msg)
    masses = bin_masses(backgrounds[axes[0]][0].edges, axis)
    table = np.stack([_column(veto, backgrounds[veto], signals[veto], masses) for veto in axes], axis=-1)
    order = np.argsort(-np.nan_to_num(table[0]).mean(axis=0), kind="stable")
    return Ranking(
        masses=masses,
        names=tuple(axes[i].name for i in order),
        sides=tuple(axes[i].side for i in order),
        separation=table[0][:, order],
        noise=table[1][:, order],
        area=table[2][:, order],
    )


def _column(veto: VetoAxis, backgrounds: Sequence[CountTensor], signals: Sequence[SignalPoint], masses: Array) -> Array:
    """Return separation, noise and area of one observable, shape (3, M)."""
    for tensor in (*backgrounds, *(point.tensor for point in signals)):
        if tensor.axes != (veto,):
            found = ", ".join(axis.name for axis in tensor.axes)
            msg = f"the ranking of {veto.name!r} needs tensors with that axis only, all alike; got {found}"
            raise InputError(msg)
    known = np.array([point.mass for point in signals])
    background = [sum(part[CHOOSING] for part in parts) for parts in _parts(backgrounds)]
    # as efficiencies, so that the masses count alike
    simulated = [
        np.array([part[CHOOSING, 0] / point.generated**power for part, point in zip(parts, signals, strict=True)])
        for power, parts in enumerate(_parts([point.tensor for point in signals]), start=1)
    ]
    signal = [np.array([interpolate(m, known, part) for m in masses]) for part in simulated]
    return np.array(
        [
            separation(signal[0], background[0]),
            separation_noise(signal[0], background[0], signal[1], background[1]),
            roc_area(signal[0], background[0]),
        ]
    )


def _parts(tensors: Sequence[CountTensor]) -> tuple[list[Array], list[Array]]:
    """Return the sums of weights and of squared weights of tensors."""
    return [tensor.sum_w for tensor in tensors], [tensor.sum_w2 for tensor in tensors]
