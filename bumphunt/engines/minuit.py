"""Likelihoods minimised with iminuit: the reference for the other engines.

Parameters are scaled to order one before Minuit sees them. Where the minimum lies at the boundary nu = 0 of an empty
bin Minuit has no constraint to express it with, and reports NOT_CONVERGED: use the other engines there.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from iminuit import Minuit
from iminuit.util import IMinuitWarning
from numpy.typing import NDArray

from bumphunt.engines.minima import LOWER, lowest
from bumphunt.engines.result import FitResult, FitResults, FitStatus, fit_result
from bumphunt.engines.start import first_strength, possible
from bumphunt.likelihood.likelihood import Likelihood

__all__ = ["fit_each", "fit_minuit"]

Array = NDArray[np.float64]

TOLERANCE = 1e-6
"""Minuit's tolerance: it stops at an estimated distance to the minimum of 2e-3 times this, in NLL."""
MAX_CALLS = 20_000
"""Likelihood evaluations before a fit is given up."""
ASTRAY = 5.0
"""Pull of a measurement from which on a fit may have lost its way [standard deviations]."""
ATTEMPTS = 4
"""How often Minuit starts again from where it stopped, in coordinates that suit that point."""
STATIONARY = 1e-7
"""Estimated distance to the minimum, in NLL, at which a point is one whatever Minuit says: 50 times where it stops."""
NEAR_BOUNDARY = 1e-5
"""Expected count of an empty bin that is called at the boundary [events], or of its change by one standard deviation
where that is smaller."""


def fit_minuit(
    model: Likelihood, *, strength: float | None = None, start: Array | None = None, errors: bool = True
) -> FitResult:
    """Return the maximum-likelihood fit of a likelihood, as `bumphunt.engines.newton.fit_newton` does.

    Minuit works in coordinates in which the expected information is the unit matrix where it starts. Where there may be
    several minima it starts on all sides (`bumphunt.engines.minima`).

    Parameters
    ----------
    model
        From `bumphunt.likelihood.likelihood.likelihood`.
    strength
        Signal strength to be held (a tested value); free by default.
    start
        Parameters to start from, shape ``(P,)``; those of the model by default.
    errors
        Whether the covariance is wanted: that of HESSE.

    Returns
    -------
    FitResult
        With the status of the fit; its engine is "minuit".
    """

    def from_start(there: Array | None) -> FitResult:
        return _nearest(model, strength=strength, start=there, errors=errors)

    return _found_again(model, lowest(model, from_start(start), from_start), from_start, strength=strength)


def _found_again(
    model: Likelihood, found: FitResult, fit: Callable[[Array], FitResult], *, strength: float | None
) -> FitResult:
    """Return a fit, or a better one where a measurement is far from its centre: Minuit may have lost its way then.

    The second one begins at what is best while these measurements stay at their centres.
    """
    astray = np.abs(found.values - model.centres) * np.sqrt(model.precisions) > ASTRAY
    astray &= model.measured & ~model.held
    if not astray.any():
        return found
    there = np.where(astray, model.centres, found.values)
    quiet = _nearest(replace(model, held=model.held | astray), strength=strength, start=there, errors=False)
    other = fit(quiet.values) if quiet.status.usable else found
    return other if other.status.usable and not other.nll > found.nll - LOWER else found


def fit_each(model: Likelihood, counts: Array, centres: Array, start: Array, *, strength_free: bool) -> FitResults:
    """Return the fits of a model to N data sets, one after the other: for likelihoods that no compiled code knows.

    Arguments as in `bumphunt.engines.newton.fit_data_sets`. A fit takes some ten milliseconds.
    """
    found = []
    for data, centre, first in zip(counts, centres, start, strict=True):
        one = replace(model, counts=data, centres=centre)
        strength = None if strength_free else float(first[0])
        result = fit_minuit(one, strength=strength, start=first, errors=False)
        found.append((result, one.nll_and_gradient(result.values)[1][0]))
    return FitResults(
        names=model.names,
        values=np.array([result.values for result, _ in found]).reshape(-1, len(model.names)),
        errors=np.full((len(found), len(model.names)), np.nan),
        nll=np.array([result.nll for result, _ in found]),
        slopes=np.array([slope for _, slope in found]),
        status=np.array([int(result.status) for result, _ in found], dtype=np.int8),
        iterations=np.array([result.iterations for result, _ in found], dtype=np.int32),
        engine="minuit",
    )


def _nearest(model: Likelihood, *, strength: float | None, start: Array | None, errors: bool) -> FitResult:
    """Return the fit of the minimum nearest to a start."""
    theta = np.array(model.start if start is None else start)
    free = ~model.held
    if strength is not None:
        theta[0], free[0] = strength, False
    if not np.isfinite(model.nll(theta)) and start is not None:
        theta = np.where(free, model.start, theta)
    value, n = model.nll(theta), theta.size
    if not np.isfinite(value) and free[0]:
        nu, slopes = model.expected_and_slopes(theta)
        theta[0] = first_strength(nu, slopes[0], model.counts, float(theta[0]))
    theta = possible(model, theta, strength_free=bool(free[0]))
    value = model.nll(theta)
    if not np.isfinite(value) or not free.any():
        status = FitStatus.CONVERGED if np.isfinite(value) else FitStatus.INFEASIBLE
        return fit_result(model.names, theta, np.zeros((n, n)), value, status, engine="minuit", iterations=1)
    calls, empty = 0, bool((model.counts == 0.0).any())
    for _ in range(ATTEMPTS):
        whiten, singular = whitening(model.nll_and_gradient(theta)[2][np.ix_(free, free)])
        theta, minuit = _migrad(model, theta, free, whiten)
        calls += minuit.nfcn
        value, gradient, _ = model.nll_and_gradient(theta)
        flat = whiten.T @ gradient[free]
        found = 0.5 * float(flat @ flat) < STATIONARY or (minuit.valid and not empty)
        if found:
            break
    nu, slopes = model.expected_and_slopes(theta)
    steep = np.minimum(np.abs(whiten.T @ slopes[free]).max(axis=0), 1.0)
    near_wall = bool(np.any((nu < NEAR_BOUNDARY * steep)[model.counts == 0.0]))
    # near a wall all tests are deceived
    status = FitStatus.CONVERGED if found and not near_wall else FitStatus.NOT_CONVERGED
    if singular and strength is None:
        status = FitStatus.SINGULAR
    covariance = None
    if errors and status is FitStatus.CONVERGED:
        covariance = np.zeros((n, n))
        covariance[np.ix_(free, free)] = _hesse(minuit, whiten)
    return fit_result(model.names, theta, covariance, value, status, engine="minuit", iterations=calls)


def whitening(information: Array) -> tuple[Array, bool]:
    """Return A with A^T F A = 1 for the information F, shape ``(F, F)``, and whether a direction has none.

    Directions without information keep size 1.
    """
    scale = np.sqrt(np.diag(information))
    scale = np.where(scale > 0.0, scale, 1.0)
    values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
    known = values > 1e-12
    whiten: Array = vectors / np.sqrt(np.where(known, values, 1.0)) / scale[:, None]
    return whiten, not known.all()


def _migrad(model: Likelihood, theta: Array, free: NDArray[np.bool_], whiten: Array) -> tuple[Array, Minuit]:
    """Return Minuit's minimum, and the finished Minuit in the coordinates around the start."""
    wall = 1e12 + 1e3 * float(model.counts.sum())

    def at(x: Array) -> Array:
        moved = theta.copy()
        moved[free] += whiten @ x
        return moved

    def objective(x: Array) -> float:
        return min(model.nll(at(x)), wall)

    def gradient(x: Array) -> Array:
        return np.nan_to_num(whiten.T @ model.nll_and_gradient(at(x))[1][free])

    minuit = Minuit(objective, np.zeros(int(free.sum())), grad=gradient)
    minuit.errordef, minuit.strategy, minuit.tol = Minuit.LIKELIHOOD, 1, TOLERANCE
    minuit.errors = 0.1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IMinuitWarning)
        minuit.migrad(ncall=MAX_CALLS)
    found = at(np.array(minuit.values))
    return (found if model.nll(found) <= model.nll(theta) else theta), minuit


def _hesse(minuit: Minuit, whiten: Array) -> Array:
    """Return the covariance of the free parameters from Minuit's HESSE; NaN if that failed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IMinuitWarning)
        minuit.strategy = 2
        minuit.hesse()
    if minuit.covariance is None:
        return np.full((whiten.shape[0], whiten.shape[0]), np.nan)
    covariance: Array = whiten @ np.asarray(minuit.covariance) @ whiten.T
    return covariance
