"""The likelihood of a `Channel`, minimised with iminuit: the reference for the convex engine.

The same statistic as in `bumphunt.inference.convex`, written down once more in plain numpy. Yields are scaled to
order one before Minuit sees them. Where the minimum lies at the boundary nu = 0 of an empty bin Minuit has no
constraint to express it with, and reports NOT_CONVERGED: use the convex engine there.
"""

from __future__ import annotations

import warnings

import numpy as np
from iminuit import Minuit
from iminuit.util import IMinuitWarning
from numpy.typing import NDArray

from bumphunt.inference.fit_result import FitResult, FitStatus
from bumphunt.models.channel import Channel

__all__ = ["fit_channel", "nll"]

Array = NDArray[np.float64]

TOLERANCE = 1e-5
"""Minuit's tolerance: it stops at an estimated distance to the minimum of 2e-3 times this, in NLL."""
MAX_CALLS = 20_000
"""Likelihood evaluations before a fit is given up."""


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
    """Return the maximum-likelihood fit of a channel, as `bumphunt.inference.convex.fit_channel` does.

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
