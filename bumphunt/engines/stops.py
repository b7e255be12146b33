"""Free factors stop at 0: where a fit leaves one below, or cannot tell it from the signal, it is held there.

A factor `bumphunt.models.systematics.Free` is the yield of a sample, which no engine keeps from being negative where
other samples leave room for it. Fits with such a factor below 0 are made again with it held at 0, and with several
such factors each of them is let go once: if that ends inside, and lower, it stays free. Of likelihoods that are convex
in these factors, as almost all are, that is the minimum with all of them >= 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bumphunt.engines.minima import LOWER
from bumphunt.engines.result import FitResult, FitResults, FitStatus, put_rows
from bumphunt.likelihood.likelihood import Likelihood

__all__ = ["held_at_zero", "stop", "stop_one"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Indices = NDArray[np.intp]

BELOW = 1e-7
"""How far below 0 a factor that is free may end that is there: less is rounding."""
BEYOND = 1e3
"""Error of a factor, in units of all events, above which the data do not know it."""
ROOM = 1e-3
"""Rise of the NLL per expected event above which a factor is at 0 because it stops there, and not undetermined."""


def held_at_zero(model: Likelihood, stopped: Flags) -> Likelihood:
    """Return the likelihood with some factors, ``(P,)``, held at 0."""
    zero = np.where(stopped, 0.0, model.start), np.where(stopped, 0.0, model.centres)
    return replace(model, held=model.held | stopped, start=zero[0], centres=zero[1])


def stop(
    model: Likelihood, counts: Array, found: FitResults, fit: Callable[[Likelihood, Flags, Indices], FitResults]
) -> Flags:
    """Put the fits with no free factor below 0 in the place of those that were found; return which ones stop there.

    The status of a fit with a factor that stops is `AT_BOUNDARY`.

    Parameters
    ----------
    model
        The likelihood.
    counts
        Of the N data sets, shape ``(N, B)``.
    found
        Their fits, with all factors free.
    fit
        Gives the fits of a likelihood with some factors, ``(P,)``, held at 0 to the data sets with some indices.

    Returns
    -------
    ndarray
        Shape ``(N, P)``.
    """
    free = model.stops & ~model.held
    stopped = free & ((found.values < -BELOW) | ~found.usable[:, None])
    failed, rows = np.flatnonzero(~found.usable), np.flatnonzero(stopped.any(axis=1))
    if rows.size == 0:
        return stopped
    before = found.status[failed].copy(), found.nll[failed].copy()
    for _ in range(int(free.sum())):
        _fit_again(model, found, stopped, rows, fit)
        below = free & ~stopped[rows] & (found.values[rows] < -BELOW) & found.usable[rows, None]
        stopped[rows] |= below
        rows = rows[below.any(axis=1)]
    for p in map(int, np.flatnonzero(free)):
        _let_go(model, found, stopped, p, fit)
    ends = found.usable[failed]
    fitted = failed[ends]
    ends[ends] = _ends_there(model, counts[fitted], found.values[fitted], stopped[fitted])
    stopped[failed[~ends]] = False
    found.status[failed[~ends]], found.nll[failed[~ends]] = before[0][~ends], before[1][~ends]
    found.status[stopped.any(axis=1) & found.usable] = FitStatus.AT_BOUNDARY
    return stopped


def _fit_again(
    model: Likelihood,
    found: FitResults,
    stopped: Flags,
    rows: Indices,
    fit: Callable[[Likelihood, Flags, Indices], FitResults],
) -> None:
    """Put the fits with the factors that stop held at 0 in the place of some rows."""
    patterns, which = np.unique(stopped[rows], axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        here = rows[which.ravel() == number]
        put_rows(found, here, fit(held_at_zero(model, pattern), pattern, here))


def _let_go(
    model: Likelihood,
    found: FitResults,
    stopped: Flags,
    p: int,
    fit: Callable[[Likelihood, Flags, Indices], FitResults],
) -> None:
    """Let go of factor p in the fits that have others at 0 too, and keep it so where it ends inside, and lower."""
    rows = np.flatnonzero(stopped[:, p] & (stopped.sum(axis=1) > 1))
    patterns, which = np.unique(stopped[rows], axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        here, fewer = rows[which.ravel() == number], pattern & (np.arange(pattern.size) != p)
        other = fit(held_at_zero(model, fewer), fewer, here)
        inside = other.usable & np.all(other.values[:, model.stops] >= -BELOW, axis=1)
        lower = inside & ~(found.usable[here] & (other.nll > found.nll[here] - LOWER))
        put_rows(found, here[lower], other, np.flatnonzero(lower))
        stopped[here[lower], p] = False


def _ends_there(model: Likelihood, counts: Array, values: Array, stopped: Flags) -> Flags:
    """Return in which of N fits the NLL rises from 0 on in each factor that is held there, in which it is linear."""
    nu, ends = np.maximum(model.expected_many(values), 0.0)[:, : model.n_bins], np.ones(len(values), np.bool_)
    excess = 1.0 - np.divide(counts[:, : model.n_bins], nu, out=np.zeros_like(nu), where=nu > 0.0)
    for p in np.flatnonzero(stopped.any(axis=0)):
        moved = values.copy()
        moved[:, p] = 1.0
        slope = model.expected_many(moved)[:, : model.n_bins] - nu
        ends &= ~stopped[:, p] | ((excess * slope).sum(axis=1) > ROOM * np.abs(slope).sum(axis=1))
    return ends


def _undetermined(model: Likelihood, free: FitResult, stopped: Flags) -> bool:
    """Return whether the data do not know a factor that stops: its error, while it is free, is beyond all events."""
    if not free.status.usable:
        return False
    slopes = model.expected_and_slopes(free.values)[1]
    worth = np.abs(slopes[:, : model.n_bins]).sum(axis=1) * free.errors
    return bool(np.any(worth[stopped] > BEYOND * (model.counts[: model.n_bins].sum() + 1.0)))


def stop_one(model: Likelihood, found: FitResult, fit: Callable[[Likelihood], FitResult]) -> FitResult:
    """Return a fit of one data set with no free factor below 0: errors are those with the factors that stop held.

    Parameters
    ----------
    model
        The likelihood.
    found
        Its fit, with all factors free.
    fit
        Gives the fit of a likelihood with some factors held.
    """
    if not np.any(model.stops & ~model.held):
        return found
    made: dict[bytes, FitResult] = {}

    def fit_row(held: Likelihood, pattern: Flags, _: Indices) -> FitResults:
        return (made.setdefault(pattern.tobytes(), fit(held))).as_row()

    (stopped,) = stop(model, model.counts[None], found.as_row(), fit_row)
    if not stopped.any():
        return made.get(stopped.tobytes(), found)
    inside, unknown = made[stopped.tobytes()], stopped[:, None] | stopped
    if not inside.status.usable:
        return inside
    if _undetermined(model, found, stopped):
        nothing = np.full(inside.errors.shape, np.nan)
        return replace(inside, status=FitStatus.SINGULAR, errors=nothing, covariance=np.outer(nothing, nothing))
    return replace(
        inside,
        status=FitStatus.AT_BOUNDARY,
        errors=np.where(stopped, np.nan, inside.errors),
        covariance=np.where(unknown, np.nan, inside.covariance),
    )
