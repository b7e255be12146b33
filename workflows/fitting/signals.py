"""The signal model of a region: fitted to the spectra of its simulated masses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bumphunt.errors import InputError
from bumphunt.models.shape_fit import fit_shapes
from bumphunt.models.signal import SignalModel, signal_model
from workflows.config.regions import AnalysedRegion
from workflows.products.selected import FittedSignal
from workflows.running.progress import Progress

__all__ = ["fit_signal"]


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
        If a mass has too few events for its shape, or its fit does not converge.
    """
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
    efficiencies = [float(point.selected.values().sum()) / point.generated for point in points]
    errors = [float(np.sqrt(point.selected.variances().sum())) / point.generated for point in points]
    return signal_model(fits, efficiencies, errors)
