"""The mass scan that counts events in a narrow window, over simulated backgrounds: for few events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import InputError
from bumphunt.inference import asymptotics
from bumphunt.inference.counting import (
    CountingModel,
    counting_limit,
    counting_p0,
    event_weight,
    simulated_background,
)
from bumphunt.inference.scan_result import ScanPoint, ScanResult, scan_row
from bumphunt.inference.scan_spectra import Spectra, checked_spectra
from bumphunt.inference.windows import window_edges
from bumphunt.models.signal import SignalModel

__all__ = ["scan_counting"]

Array = NDArray[np.float64]

NEARBY = 10.0
"""Half width [standard deviations] of the region that the typical weight of a template's events is taken from."""


def scan_counting(
    counts: ArrayLike | None,
    templates: ArrayLike,
    variances: ArrayLike,
    relative_uncertainties: Sequence[float],
    edges: ArrayLike,
    *,
    signal: SignalModel,
    masses: ArrayLike,
    window: float = 2.0,
    efficiency_uncertainty: float = 0.0,
    cl: float = 0.9,
    progress: Callable[[], object] | None = None,
) -> ScanResult:
    """Return the scan of a spectrum that counts events in a window around every mass.

    The background is the sum of the templates in the window, each with its statistical uncertainty, which is never
    below that of an empty window (`bumphunt.inference.counting.simulated_background`). It has a gamma distribution
    with the sum of these variances and of the squared normalisation uncertainties. The signal efficiency has a
    log-normal distribution. The events counted are divided by the fraction of the peak inside the window.

    Parameters
    ----------
    counts, templates, variances, edges, signal, masses, cl, progress
        As in `bumphunt.inference.scan.scan_templates`.
    relative_uncertainties
        Of the normalisation of each template, independent of each other.
    window
        Half width of the window in units of the resolution.
    efficiency_uncertainty
        Relative uncertainty of efficiency and luminosity together; the statistical error of the signal model's
        efficiency is added in quadrature.

    Returns
    -------
    ScanResult
        One point a mass; `method` is "cls_counting".

    Raises
    ------
    InputError
        As `scan_templates`, and if a relative uncertainty is None.
    """
    spectra = checked_spectra(counts, templates, variances, relative_uncertainties, edges)
    if None in spectra.uncertainties:
        msg = "counting needs a number for the uncertainty of every template, got None: use the template fit"
        raise InputError(msg)
    points = []
    for mass in np.atleast_1d(np.asarray(masses, dtype=np.float64)):
        points.append(_count_point(spectra, signal, float(mass), window, efficiency_uncertainty, cl))
        if progress is not None:
            progress()
    return ScanResult(points=tuple(points))


def _event_weights(nearby: Spectra, spectra: Spectra) -> Array:
    """Return the typical weight of a simulated event of each template, shape ``(K,)``: nearby, or else anywhere."""
    local, overall = (event_weight(s.templates.sum(axis=1), s.variances.sum(axis=1)) for s in (nearby, spectra))
    return np.where(nearby.templates.sum(axis=1) > 0.0, local, overall)


def _count_point(
    spectra: Spectra, signal: SignalModel, mass: float, window: float, efficiency_uncertainty: float, cl: float
) -> ScanPoint:
    """Return the row of one mass from a count."""
    sigma = float(signal.resolution(mass))
    edges = window_edges(spectra.edges, mass**2, sigma, half_width=window, bins_per_sigma=None)
    inside = spectra.cut(edges)
    fraction = float(signal.fractions(mass, edges).sum())
    nearby = spectra.cut(window_edges(spectra.edges, mass**2, sigma, half_width=NEARBY, bins_per_sigma=None))
    b, b_error = simulated_background(
        inside.templates.sum(axis=1), inside.variances.sum(axis=1), _event_weights(nearby, spectra)
    )
    relative = np.array(spectra.uncertainties, dtype=np.float64)
    efficiency = float(signal.efficiency(mass))
    statistical = float(signal.efficiency_error(mass)) / efficiency if efficiency > 0.0 else 0.0
    model = CountingModel(
        background=float(b.sum()),
        background_sigma=float(np.sqrt(np.sum((relative * b) ** 2 + b_error**2))),
        efficiency_sigma=float(np.hypot(efficiency_uncertainty, statistical)),
    )
    n_obs = model.background if inside.counts is None else float(inside.counts.sum())
    limit = counting_limit(None if inside.counts is None else n_obs, model, cl=cl)
    flags = (*limit.flags, *(("no_background",) if model.background == 0.0 else ()))
    p0 = 0.5 if inside.counts is None else counting_p0(n_obs, model)
    z0 = max(float(asymptotics.z_score(p0)), 0.0) + 0.0  # no negative zero
    return scan_row(
        mass,
        sigma,
        efficiency,
        edges,
        replace(limit, observed=limit.observed / fraction, expected=limit.expected / fraction, flags=flags),
        n_obs=n_obs,
        n_bkg=model.background,
        n_sig=(n_obs - model.background) / fraction,
        n_sig_error=float(np.sqrt(n_obs + model.background_sigma**2)) / fraction,
        q0=z0**2,
        p0=p0,
        z0=z0,
    )
