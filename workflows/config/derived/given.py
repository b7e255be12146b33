"""What follows from a signal that is said: its record, and bins that are made for its resolution."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import InputError, unknown_name
from bumphunt.models.given_signal import GivenSignal
from bumphunt.models.peaks import TAILS
from bumphunt.models.shapes import Tail
from bumphunt.spectrum.axis import MassAxis
from bumphunt.spectrum.edges import logarithmic_edges, resolution_edges
from workflows.config.derived.curves import LoadedCurve, load_curve
from workflows.config.sections.fit import SpectrumBinning
from workflows.config.sections.samples import Signal

__all__ = ["FINE", "given_signal", "signal_curves", "spectrum_edges"]

Array = NDArray[np.float64]

POINTS = 401
"""Masses at which a signal is tabulated: what is smooth is interpolated between them to 1e-7."""
FINE = 10.0
"""Bins in a resolution, where neither the YAML nor the search says them."""


def signal_curves(signal: Signal, folder: Path) -> dict[str, LoadedCurve]:
    """Return the functions of mass that a signal is said by, by their keys; none of a simulated one.

    Parameters
    ----------
    signal
        What the YAML says.
    folder
        Its folder.

    Raises
    ------
    ValueError
        If there is no such shape, a parameter of it is missing or unknown, or a function cannot be used.
    """
    if signal.resolution is None:
        counted = {} if signal.efficiency is None else {"efficiency": signal.efficiency}
        return {key: load_curve(value, f"signal.{key}", folder) for key, value in counted.items()}
    if signal.shape not in TAILS:
        raise ValueError(unknown_name("signal.shape =", signal.shape, TAILS))
    wanted = TAILS[signal.shape]
    for name in signal.shape_parameters:
        if name not in wanted:
            takes = f"takes {', '.join(wanted)}" if wanted else "takes none"
            msg = f"signal.shape_parameters.{name}: the shape {signal.shape!r} {takes}"
            raise ValueError(msg)
    for name in wanted:
        if name not in signal.shape_parameters:
            msg = f"signal.shape_parameters: the shape {signal.shape!r} needs {name!r} too: {', '.join(wanted)}"
            raise ValueError(msg)
    said = {"resolution": signal.resolution, "efficiency": 1.0 if signal.efficiency is None else signal.efficiency}
    said |= {f"shape_parameters.{name}": signal.shape_parameters[name] for name in wanted}
    return {key: load_curve(value, f"signal.{key}", folder) for key, value in said.items()}


def given_signal(
    signal: Signal, curves: Mapping[str, LoadedCurve], low: float, high: float, *, axis: MassAxis, tail: Tail
) -> GivenSignal:
    """Return the signal between two masses [GeV].

    Parameters
    ----------
    signal, curves
        What the YAML says, and `signal_curves` of it.
    low, high
        The masses.
    axis
        What the spectrum is made of.
    tail
        Side of the tail, unless the YAML says it.

    Raises
    ------
    ValueError
        If a function has no value at some of the masses, or one that makes no sense: names the key.
    """
    knots = [mass for curve in curves.values() for mass in curve.knots if low < mass < high]
    masses = np.union1d(np.union1d(np.linspace(low, high, POINTS), np.geomspace(low, high, POINTS)), knots)
    masses = masses[np.append(True, np.diff(masses) > 1e-9 * masses[:-1])]  # both ways of spacing have the ends
    masses[0], masses[-1] = low, high
    values = {key: curve.at(masses) for key, curve in curves.items()}
    tails = [values[f"shape_parameters.{name}"] for name in TAILS[signal.shape]]
    try:
        return GivenSignal(
            masses=masses,
            resolutions=values["resolution"],
            efficiencies=values["efficiency"],
            tails=np.stack(tails, axis=-1) if tails else np.empty((masses.size, 0)),
            family=signal.shape,  # type: ignore[arg-type]
            tail=signal.tail or tail,
            axis=axis,
        )
    except InputError as error:
        msg = f"signal: {error}"
        raise ValueError(msg) from None


def spectrum_edges(
    bins: SpectrumBinning | None, given: GivenSignal | None, *, own: Array | None, half_width: float
) -> Array:
    """Return the bin edges of a spectrum [unit of its axis], shape (B + 1,).

    Parameters
    ----------
    bins
        What the YAML says.
    given
        The signal, if it is said.
    own
        Edges of the region of the search; None where it has none.
    half_width
        Half width of the windows of the scan, in units of the resolution: the spectrum reaches so far beyond the masses
        that are searched, unless the YAML says its ends.

    Raises
    ------
    ValueError
        If no bins can be made: names the key, and the way out.
    """
    if bins is not None and bins.edges is not None:
        return np.array(bins.edges)
    if bins is not None and bins.bins is not None and bins.low is not None and bins.high is not None:
        spaced = logarithmic_edges if bins.log else _equal
        return spaced(bins.low, bins.high, bins.bins)
    if bins is None and own is not None:
        return own
    if given is None:
        asked = "per_resolution" if bins is not None else "the search has no bins of its own, and these"
        msg = f"spectrum: {asked} needs the resolution of a signal that is said; give low, high and bins"
        raise ValueError(msg)
    per = FINE if bins is None or bins.per_resolution is None else bins.per_resolution
    ends = [float(given.axis.position(mass)) for mass in given.masses[[0, -1]]]
    widths = [float(given.resolution(mass)) for mass in given.masses[[0, -1]]]
    low = ends[0] - half_width * widths[0]
    if given.axis.kind != "squared":
        low = max(low, 0.0)
    low = low if bins is None or bins.low is None else bins.low
    high = ends[1] + half_width * widths[1] if bins is None or bins.high is None else bins.high

    def resolution(positions: Array) -> Array:
        """Beyond the masses that are searched, that of the nearest one."""
        return given.resolution(np.clip(given.axis.mass(positions), given.masses[0], given.masses[-1]))

    try:
        return resolution_edges(low, high, resolution, per)
    except InputError as error:
        msg = f"spectrum: {error}"
        raise ValueError(msg) from None


def _equal(low: float, high: float, bins: int) -> Array:
    """Return the edges of equal bins."""
    return np.linspace(low, high, bins + 1)
