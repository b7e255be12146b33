"""The signal model of a region: fitted to the spectra of its simulated masses."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import InputError
from bumphunt.models.counted_signal import CountedSignal
from bumphunt.models.shape_fit import MIN_EFFECTIVE_EVENTS, effective_events, fit_shapes
from bumphunt.models.signal import SignalModel, signal_model
from workflows.config.coordinates import At
from workflows.config.regions import AnalysedRegion
from workflows.config.sections.samples import MIN_MASSES
from workflows.products.selected import FittedSignal
from workflows.running.progress import Progress

__all__ = ["Gap", "counted_signal", "fit_signal", "gap_beside", "rich_enough"]

logger = logging.getLogger(__name__)

Array = NDArray[np.float64]
Gap = tuple[float, float]
"""Masses [GeV] between which a simulated one was left out."""


def rich_enough(
    region: AnalysedRegion, points: Sequence[FittedSignal], *, where: Callable[[float, At], str]
) -> list[FittedSignal]:
    """Return the simulated masses that have enough events for a shape; those that have not go to the log.

    Parameters
    ----------
    region
        The region.
    points
        The simulated masses, ascending.
    where
        Function from a mass [GeV] and its other coordinates to the file and the key of the YAML that it is from.

    Raises
    ------
    InputError
        If too few masses remain.
    """
    events = [effective_events(p.shape.values(), p.shape.variances()) for p in points]
    enough = [p for p, effective in zip(points, events, strict=True) if effective >= MIN_EFFECTIVE_EVENTS]
    for point, effective in zip(points, events, strict=True):
        if effective < MIN_EFFECTIVE_EVENTS:
            text = (
                f"{where(point.mass, point.at)}: {effective:.3g} effective events of {point.mass:g} GeV are selected in"
                f" region {region.name!r}, too few for a shape: want {MIN_EFFECTIVE_EVENTS:.0f}"
            )
            if len(enough) < min(MIN_MASSES, len(points)):
                msg = f"{text}; simulate more, or leave the mass out"
                raise InputError(msg)
            logger.warning("%s; the mass is left out", text)
    return enough


def gap_beside(points: Sequence[FittedSignal], kept: Sequence[FittedSignal]) -> list[Gap]:
    """Return the gaps that masses left behind: from the mass below each that was kept to the one above.

    Parameters
    ----------
    points, kept
        All simulated masses, and those that were kept, ascending.
    """
    masses = [point.mass for point in kept]
    out = [p.mass for p in points if p.mass not in masses and masses[0] < p.mass < masses[-1]]
    return [(max(m for m in masses if m < mass), min(m for m in masses if m > mass)) for mass in out]


def fit_signal(region: AnalysedRegion, points: Sequence[FittedSignal], *, progress: Progress) -> SignalModel:
    """Return shape, resolution and efficiency of a region or slice as functions of mass.

    Parameters
    ----------
    region
        The region, for axis and tail of the peak.
    points
        The simulated masses.
    progress
        Called after each fit.

    Raises
    ------
    InputError
        If a mass has too few events for its shape, its fit does not converge, or an efficiency is above 1.
    """
    efficiencies = _efficiencies(points)
    try:
        fits = fit_shapes(
            [(p.mass, p.shape.axes[0].edges, p.shape.values(), p.shape.variances()) for p in points],
            axis=region.axis,
            tail=region.definition.tail,
            progress=lambda done, total: progress(f"signal shapes {region.name}", done, total),
        )
    except InputError as error:
        msg = f"region {region.name!r}: {error}"
        raise InputError(msg) from None
    return signal_model(fits, *efficiencies)


def counted_signal(points: Sequence[FittedSignal]) -> CountedSignal:
    """Return the efficiency of a region that counts, at the simulated masses.

    Parameters
    ----------
    points
        The simulated masses, ascending.
    """
    efficiencies, errors = _efficiencies(points)
    masses = np.array([point.mass for point in points])
    return CountedSignal(masses=masses, efficiencies=efficiencies, efficiency_errors=errors)


def _efficiencies(points: Sequence[FittedSignal]) -> tuple[Array, Array]:
    """Return the efficiencies at the simulated masses, and their statistical errors, shape (M,) each.

    Raises
    ------
    InputError
        If one is above 1.
    """
    efficiencies = [float(point.selected.values().sum()) / point.generated for point in points]
    errors = [float(np.sqrt(point.selected.variances().sum())) / point.generated for point in points]
    for point, efficiency in zip(points, efficiencies, strict=True):
        if efficiency > 1.0:
            msg = (
                f"signal of {point.mass:g} GeV: {efficiency:.3g} entries are selected of each generated event; is"
                " 'generated' right? Where all candidates of an event are kept, 'signal.truth' tells the one that was"
                " generated from the others"
            )
            raise InputError(msg)
    return np.array(efficiencies), np.array(errors)
