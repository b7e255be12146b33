"""Likelihoods minimised with iminuit: the reference for the other engines.

`fit_channel` minimises the same statistic as `bumphunt.engines.linear`, written down once more in plain numpy, and
`fit_likelihood` that of `bumphunt.engines.newton`. Parameters are scaled to order one before Minuit sees them.
Where the minimum lies at the boundary nu = 0 of an empty bin Minuit has no constraint to express it with, and reports
NOT_CONVERGED: use the other engines there.
"""

from __future__ import annotations

import warnings

import numpy as np
from iminuit import Minuit
from iminuit.util import IMinuitWarning
from numpy.typing import NDArray

from bumphunt.engines.model_fit import ModelFit, model_fit
from bumphunt.engines.result import FitResult, FitStatus
from bumphunt.likelihood.likelihood import Likelihood
from bumphunt.likelihood.linear import Channel

__all__ = ["fit_channel", "fit_likelihood", "nll"]

Array = NDArray[np.float64]

TOLERANCE = 1e-6
"""Minuit's tolerance: it stops at an estimated distance to the minimum of 2e-3 times this, in NLL."""
MAX_CALLS = 20_000
"""Likelihood evaluations before a fit is given up."""
ATTEMPTS = 4
"""How often Minuit starts again from where it stopped, in coordinates that suit that point."""
STATIONARY = 1e-7
"""Estimated distance to the minimum, in NLL, at which a point is one whatever Minuit says: 50 times where it stops."""
NEAR_BOUNDARY = 1e-5
"""Expected count of an empty bin that is called at the boundary [events]."""


def nll(channel: Channel, n_sig: float, background: Array) -> float:
    """Return the negative log-likelihood of a channel relative to the saturated model, constraints included.

    Poisson terms nu - n + n ln(n / nu), plus half the squared pulls of the constrained coefficients; infinite where
    nu is negative, or zero with counts.

    Parameters
    ----------
    channel
        Data, signal, templates and constraints.
    n_sig
        Signal yield [events].
    background
        Coefficients of the templates, shape ``(K,)``.
    """
    nu, n = channel.expected(n_sig, background), channel.counts
    if np.any(nu < 0.0) or np.any((nu == 0.0) & (n > 0.0)):
        return np.inf
    some = n > 0.0
    poisson = np.sum(nu - n) + np.sum(n[some] * np.log(n[some] / nu[some]))
    tied = np.isfinite(channel.sigmas) & ~channel.held
    pulls = (background - channel.centres)[tied] / channel.sigmas[tied]
    return float(poisson + 0.5 * pulls @ pulls)


def _gradient(channel: Channel, n_sig: float, background: Array) -> Array:
    """Return the derivatives of `nll` with respect to (S, theta_1, ..., theta_K), shape ``(K + 1,)``."""
    nu, n = channel.expected(n_sig, background), channel.counts
    residual = 1.0 - np.divide(n, nu, out=np.zeros_like(nu), where=nu > 0.0)
    tied = np.isfinite(channel.sigmas) & ~channel.held
    pulls = np.divide(background - channel.centres, channel.sigmas**2, out=np.zeros_like(background), where=tied)
    return np.append(channel.signal @ residual, channel.templates @ residual + pulls)


def _scales(channel: Channel) -> Array:
    """Return the expected standard deviations of (S, theta), each alone: the units in which Minuit works."""
    nu = np.maximum(channel.expected(0.0, channel.centres), 1e-2 * max(1.0, channel.counts.max(initial=0.0)))
    information = (np.vstack([channel.signal, channel.templates]) ** 2) @ (1.0 / nu)
    information[1:] += np.divide(1.0, channel.sigmas**2, out=np.zeros_like(channel.sigmas), where=~channel.held)
    return np.divide(1.0, np.sqrt(information), out=np.ones_like(information), where=information > 0.0)


def fit_channel(channel: Channel, *, n_sig: float | None = None, start: FitResult | None = None) -> FitResult:
    """Return the maximum-likelihood fit of a channel, as `bumphunt.engines.linear.fit_channel` does.

    Parameters
    ----------
    channel
        Data, signal, templates and constraints.
    n_sig
        Signal yield to be held (a tested value) [events]; free by default.
    start
        A neighbouring fit of the same channel, to start from.

    Returns
    -------
    FitResult
        With the status of the fit; its engine is "minuit".
    """
    scale = _scales(channel)
    first = np.insert(channel.centres, 0, 0.0) if start is None else np.insert(start.background, 0, start.n_sig)
    first[0] = first[0] if n_sig is None else n_sig
    big = 1e12 + float(channel.counts.sum()) * 1e3  # a finite wall: Minuit cannot step back from infinity

    def objective(x: Array) -> float:
        return min(nll(channel, x[0] * scale[0], x[1:] * scale[1:]), big)

    def gradient(x: Array) -> Array:
        return _gradient(channel, x[0] * scale[0], x[1:] * scale[1:]) * scale

    minuit = Minuit(objective, first / scale, grad=gradient)
    minuit.errordef, minuit.strategy, minuit.tol = Minuit.LIKELIHOOD, 1, TOLERANCE
    for index in range(scale.size):
        minuit.fixed[index] = n_sig is not None if index == 0 else bool(channel.held[index - 1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IMinuitWarning)
        if any(not fixed for fixed in minuit.fixed):
            minuit.migrad(ncall=MAX_CALLS)
            if not minuit.valid:
                minuit.simplex().migrad(ncall=MAX_CALLS)
            minuit.hesse()
    values, errors = np.array(minuit.values) * scale, np.array(minuit.errors) * scale
    status = _status(minuit, nll(channel, values[0], values[1:]))
    errors = np.where(np.array(minuit.fixed), 0.0, errors if status is FitStatus.CONVERGED else np.nan)
    return FitResult(
        n_sig=float(values[0]) if status.usable else np.nan,
        n_sig_error=float(errors[0]),
        background=values[1:],
        background_errors=errors[1:],
        nll=nll(channel, values[0], values[1:]) if status is not FitStatus.NOT_CONVERGED else np.nan,
        status=status,
        iterations=minuit.nfcn,
        engine="minuit",
    )


def _status(minuit: Minuit, value: float) -> FitStatus:
    """Return the status of a finished Minuit fit whose likelihood is `value`."""
    if all(minuit.fixed):
        return FitStatus.CONVERGED if np.isfinite(value) else FitStatus.INFEASIBLE
    if not np.isfinite(value):
        return FitStatus.INFEASIBLE
    return FitStatus.CONVERGED if minuit.valid else FitStatus.NOT_CONVERGED


def fit_likelihood(
    model: Likelihood, *, strength: float | None = None, start: Array | None = None, errors: bool = True
) -> ModelFit:
    """Return the maximum-likelihood fit of a likelihood, as `bumphunt.engines.newton.fit_newton` does.

    Minuit works in coordinates in which the expected information is the unit matrix where it starts.

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
    ModelFit
        With the status of the fit; its engine is "minuit".
    """
    theta = np.array(model.start if start is None else start)
    free = ~model.held
    if strength is not None:
        theta[0], free[0] = strength, False
    if not np.isfinite(model.nll(theta)) and start is not None:
        theta = np.where(free, model.start, theta)
    theta, n = _feasible_start(model, theta, free), theta.size
    value = model.nll(theta)
    if not np.isfinite(value) or not free.any():
        status = FitStatus.CONVERGED if np.isfinite(value) else FitStatus.INFEASIBLE
        return model_fit(model.names, theta, np.zeros((n, n)), value, status, 1, "minuit")
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
    near_wall = bool(np.any(model.expected(theta)[model.counts == 0.0] < NEAR_BOUNDARY))
    # near a wall all tests are deceived
    status = FitStatus.CONVERGED if found and not near_wall else FitStatus.NOT_CONVERGED
    if singular and strength is None:
        status = FitStatus.SINGULAR
    covariance = None
    if errors and status is FitStatus.CONVERGED:
        covariance = np.zeros((n, n))
        covariance[np.ix_(free, free)] = _hesse(minuit, whiten)
    return model_fit(model.names, theta, covariance, value, status, calls, "minuit")


def _feasible_start(model: Likelihood, theta: Array, free: NDArray[np.bool_]) -> Array:
    """Return the start, with a positive strength if there are counts where only signal is expected."""
    if np.isfinite(model.nll(theta)) or not free[0]:
        return theta
    for trial in (1.0, max(1.0, float(model.counts.sum()))):
        moved = np.concatenate([[trial], theta[1:]])
        if np.isfinite(model.nll(moved)):
            return moved
    return theta


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
