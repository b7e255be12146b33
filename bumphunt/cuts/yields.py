"""What combinations of bounds leave of backgrounds and signals, from count tensors.

========================= =====================================================================
combined_background       background of every combination in one mass bin, with its error
combined_efficiency       signal efficiency of every combination at every simulated mass
yields_at                 both for one combination a mass bin, on either half of the events
========================= =====================================================================

A half of the events stands for the full sample, so its sums count twice. The background of a mass bin counts by the
share of it that the signal window at its centre covers. Efficiencies are interpolated linearly in mass between the
simulated signals and kept constant beyond.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bumphunt.cuts.tensor import CountTensor, passing

__all__ = [
    "SignalPoint",
    "Yields",
    "combined_background",
    "combined_efficiency",
    "interpolate",
    "yields_at",
]

Array = NDArray[np.float64]
Cells = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalPoint:
    """What one simulated signal keeps.

    Parameters
    ----------
    mass
        Simulated mass [GeV].
    tensor
        Counts within the signal window (`bumphunt.cuts.best.signal_window`), one mass bin, both halves.
    generated
        Sum of weights of all generated events, both halves.
    """

    mass: float
    tensor: CountTensor
    generated: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Yields:
    """Efficiency and background of one combination of bounds in each mass bin, each of shape (M,)."""

    efficiency: Array
    """Signal efficiency."""
    efficiency_error: Array
    """Its Monte Carlo error."""
    background: Array
    """Background in the signal window [events]."""
    background_error: Array
    """Its Monte Carlo error [events], not 0 where no event is left."""


def combined_background(
    backgrounds: Sequence[CountTensor], half: int, mass_bin: int, share: float
) -> tuple[Array, Array]:
    """Return the background of every combination in one mass bin and its Monte Carlo error, each (n1, ..., nV).

    In quadrature, each sample adds to the error the typical weight of one event, sum w^2 / sum w before any bound, so
    that an empty combination has an error too.

    Parameters
    ----------
    backgrounds
        One tensor a sample, at the luminosity of the data.
    half
        Which half of the events.
    mass_bin
        Index of the mass bin.
    share
        Width of the signal window over that of the bin.
    """
    total, variance = np.zeros(()), np.zeros(())
    for tensor in backgrounds:
        sum_w, sum_w2 = (passing(part[half, mass_bin][np.newaxis])[0] for part in (tensor.sum_w, tensor.sum_w2))
        total = total + 2 * sum_w
        variance = variance + 4 * (sum_w2 + _one_event(float(sum_w.flat[0]), float(sum_w2.flat[0])) ** 2)
    # differences of rounding in the sums may be just below zero
    return np.maximum(total * share, 0.0), np.sqrt(np.maximum(variance, 0.0)) * share


def _one_event(sum_w: float, sum_w2: float) -> float:
    """Return the typical weight of an event."""
    return sum_w2 / sum_w if sum_w > 0 else 0.0


def combined_efficiency(signals: Sequence[SignalPoint], half: int) -> Array:
    """Return the efficiency of every combination at every simulated mass, shape (P, n1, ..., nV)."""
    return np.array([2 * passing(point.tensor.sum_w[half])[0] / point.generated for point in signals])


def interpolate(mass: float, known: Array, values: Array) -> Array:
    """Return values of shape (P, ...) at the known masses (P,), interpolated linearly at one mass, shape (...)."""
    if known.size == 1:
        return np.asarray(values[0])
    right = int(np.clip(np.searchsorted(known, mass), 1, known.size - 1))
    t = float(np.clip((mass - known[right - 1]) / (known[right] - known[right - 1]), 0.0, 1.0))
    return np.asarray((1 - t) * values[right - 1] + t * values[right])


def yields_at(
    cells: Cells,
    backgrounds: Sequence[CountTensor],
    signals: Sequence[SignalPoint],
    half: int,
    *,
    masses: Array,
    share: Array,
) -> Yields:
    """Return what one combination of bounds a mass bin leaves.

    Parameters
    ----------
    cells
        Indices of the thresholds, shape (M, V).
    backgrounds, signals
        As for `bumphunt.cuts.best.best_cuts`.
    half
        Which half of the events.
    masses
        Masses at the centres of the bins [GeV], shape (M,).
    share
        Width of the signal window over that of the bin, shape (M,).
    """
    known = np.array([point.mass for point in signals])
    generated = np.array([point.generated for point in signals])
    shape = (masses.size,)
    found = Yields(**{name: np.zeros(shape) for name in Yields.__slots__})
    for i, cell in enumerate(cells):
        inside = tuple(slice(c, None) for c in cell)
        variance = 0.0
        for tensor in backgrounds:
            sum_w, sum_w2 = tensor.sum_w[half, i], tensor.sum_w2[half, i]
            found.background[i] += 2 * share[i] * float(sum_w[inside].sum())
            one = _one_event(float(sum_w.sum()), float(sum_w2.sum()))
            variance += 4 * (float(sum_w2[inside].sum()) + one**2)
        found.background_error[i] = share[i] * np.sqrt(variance)
        kept, kept2 = (
            np.array([float(part[half, 0][inside].sum()) for part in parts])
            for parts in ([p.tensor.sum_w for p in signals], [p.tensor.sum_w2 for p in signals])
        )
        found.efficiency[i] = interpolate(masses[i], known, 2 * kept / generated)
        found.efficiency_error[i] = interpolate(masses[i], known, 2 * np.sqrt(kept2) / generated)
    return found
