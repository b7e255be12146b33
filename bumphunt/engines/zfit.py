"""The minimum of a loss by zfit, with the statuses of the other engines.

zfit minimises with Minuit, which knows no boundary nu >= 0: an empty bin has no logarithm to keep its expectation
positive. It is given a small count, which is then taken away (a barrier method). Whether a point is a minimum is
judged by the exact gradient of the likelihood, since Minuit calls points near a wall converged that are not.

zfit itself is an argument: it is imported by `bumphunt.inference.unbinned` alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bumphunt.engines.model_fit import ModelFit
from bumphunt.engines.result import FitStatus
from bumphunt.likelihood.likelihood import Likelihood

__all__ = ["minimum", "padded"]

Array = NDArray[np.float64]

TOLERANCE = 1e-8
"""Estimated distance to the minimum, in NLL, at which zfit stops: 1e-4 of a standard deviation."""
SETTLED, SETTLED_AT_BOUNDARY = 1e-6, 3e-4
"""The same distance, from the exact gradient, above which zfit's minimum is none; Minuit is less precise at walls."""
MAX_CALLS = 200
"""Likelihood evaluations of each of the up to 20 calls of Minuit in a minimisation by zfit."""
ATTEMPTS = 4
"""How often zfit minimises again from where it stopped, if that is not a minimum."""
FIRST_STEP = 0.1
"""First step of a parameter, in units of its standard deviation if it were alone."""
BARRIERS = (1e-2, 1e-3, 1e-5)
"""Counts given to empty bins, one after the other: the NLL is off by about the last one times the bins."""
CLEAR = 0.3
"""Expected count of all empty bins above which the minimum without the first of these is looked for at once."""
NEAR_BOUNDARY = 1e-4
"""Expected count of an empty bin that is called at the boundary [events]."""
SINGULAR = 1e-12
"""Smallest eigenvalue of the scaled information (unit diagonal) that is not called singular."""


def padded(model: Likelihood, count: float) -> Likelihood:
    """Return the likelihood with a count in its empty bins; the same one for a count of 0."""
    return replace(model, counts=np.where(model.counts == 0.0, count, model.counts)) if count > 0.0 else model


def minimum(
    zfit: Any,
    model: Likelihood,
    loss_of: Callable[[list[Any], Any], Any],
    *,
    strength: float | None = None,
    start: Array | None = None,
    walls: Likelihood | None = None,
    errors: bool = True,
) -> ModelFit:
    """Return zfit's minimum of a loss.

    Parameters
    ----------
    zfit
        The module.
    model
        The likelihood that the loss stands for, up to a constant.
    loss_of
        Gives the loss of zfit's parameters, and of zfit's parameter for the count that empty bins are given.
    strength, start, errors
        As in `bumphunt.engines.minuit.fit_likelihood`.
    walls
        The likelihood whose empty bins are meant, if it is not `model` itself. The loss then has no gradient of its
        own, and its minimum without walls is looked for first.
    """
    theta, free, wall = _first(model, strength, start), ~model.held, model if walls is None else walls
    free[0] &= strength is None
    covariance = np.full((theta.size, theta.size), np.nan)
    value, _, information = model.nll_and_gradient(theta)
    if not np.isfinite(value):
        return _record(model, theta, covariance, FitStatus.INFEASIBLE, 0)
    if not free.any():
        return _record(model, theta, np.zeros_like(covariance), FitStatus.CONVERGED, 0)
    size = np.sqrt(np.diag(information))
    size = np.divide(FIRST_STEP, size, out=np.full(theta.size, FIRST_STEP), where=size > 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = _Search(zfit, model, wall, loss_of, theta, size, free, own_gradient=walls is None)
        stage, status = _staged(search, bool((wall.counts == 0.0).any()), plain_first=walls is not None)
        if stage.singular and strength is None and status is FitStatus.CONVERGED:
            status = FitStatus.SINGULAR
        if status is FitStatus.CONVERGED and errors:
            stage.result.hesse(name="hesse")
            found = stage.result.covariance(search.moving)
            if found is not None and np.all(np.diag(found) > 0.0):
                covariance[:], covariance[np.ix_(free, free)] = 0.0, np.asarray(found)
    return _record(model, stage.theta, covariance, status, search.calls)


def _first(model: Likelihood, strength: float | None, start: Array | None) -> Array:
    """Return parameters to start from: with a positive strength if there are counts where only signal is expected."""
    theta = model.start
    for first in (model.start,) if start is None else (start, model.start):
        theta = np.array(first)
        for trial in (theta[0], 1.0, max(1.0, float(model.counts.sum()))):
            theta[0] = trial if strength is None else strength
            if np.isfinite(model.nll(theta)):
                return theta
    return theta


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    """Where a minimisation with a given count in empty bins has ended.

    `settled` says whether that is a minimum, `singular` whether a direction has no information, `least` is the
    smallest expected count of an empty bin.
    """

    result: Any
    theta: Array
    settled: bool
    singular: bool
    least: float


class _Search:
    """zfit's parameters, loss and minimiser; `calls` counts evaluations of the loss."""

    def __init__(
        self,
        zfit: Any,
        model: Likelihood,
        wall: Likelihood,
        loss_of: Callable[[list[Any], Any], Any],
        start: Array,
        size: Array,
        free: NDArray[np.bool_],
        *,
        own_gradient: bool,
    ) -> None:
        self.model, self.wall, self.start, self.free, self.calls = model, wall, start, free, 0
        self.parameters = []
        for k in range(start.size):
            self.parameters.append(zfit.Parameter(f"p{k}", start[k], step_size=size[k], floating=bool(free[k])))
        self.moving = [p for p in self.parameters if p.floating]
        self.count = zfit.Parameter("count", 0.0, floating=False)
        self.loss = loss_of(self.parameters, self.count)
        self.set_values = zfit.param.set_values
        self.minimiser = zfit.minimize.Minuit(
            tol=TOLERANCE,
            gradient="zfit" if own_gradient else True,
            maxiter=MAX_CALLS,
            strategy=zfit.minimize.DefaultToyStrategy,  # too many NaN are an invalid result, not an exception
        )

    def values(self) -> Array:
        """Return the parameters, shape ``(P,)``."""
        return np.array([float(p) for p in self.parameters])

    def stage(self, count: float) -> _Stage:
        """Return where a minimisation with a count in empty bins ends; it starts from where the last one ended."""
        self.count.set_value(count)
        if not np.isfinite(padded(self.wall, count).nll(self.values())):
            self.set_values(self.parameters, self.start)
        limit = SETTLED_AT_BOUNDARY if count > 0.0 else SETTLED
        for _ in range(ATTEMPTS):
            result = self.minimiser.minimize(self.loss, self.moving)
            self.calls += int(result.info.get("n_eval", 0))
            distance, singular = self._distance(count)
            if distance < limit or not np.isfinite(distance):
                break
        theta = self.values()
        least = float(self.wall.expected(theta)[self.wall.counts == 0.0].min(initial=np.inf))
        return _Stage(result=result, theta=theta, settled=distance < limit, singular=singular, least=least)

    def _distance(self, count: float) -> tuple[float, bool]:
        """Return the estimated distance to the minimum, in NLL, and whether a direction has no information."""
        theta, free = self.values(), self.free
        _, gradient, information = self.model.nll_and_gradient(theta)
        if not np.all(np.isfinite(gradient)):
            return np.inf, False
        gradient = gradient + padded(self.wall, count).nll_and_gradient(theta)[1] - self.wall.nll_and_gradient(theta)[1]
        size = np.sqrt(np.diag(information)[free])
        size = np.where(size > 0.0, size, 1.0)
        values, vectors = np.linalg.eigh(information[np.ix_(free, free)] / np.outer(size, size))
        known = values > SINGULAR
        flat = (gradient[free] / size) @ vectors[:, known]
        distance = 0.5 * float(flat**2 @ (1.0 / values[known]))
        return distance if np.isfinite(distance) else np.inf, not bool(known.all())


def _staged(search: _Search, empty: bool, *, plain_first: bool) -> tuple[_Stage, FitStatus]:
    """Return the last stage of a search and its status; `empty` says whether there are empty bins."""
    if plain_first or not empty:
        stage = search.stage(0.0)
        if stage.settled and stage.least > NEAR_BOUNDARY:
            return stage, FitStatus.CONVERGED
        if not empty:
            return stage, FitStatus.NOT_CONVERGED
    for count in BARRIERS:
        stage = search.stage(count)
        inside = {BARRIERS[0]: CLEAR, BARRIERS[-1]: NEAR_BOUNDARY}.get(count, np.inf)
        if stage.settled and stage.least > inside:
            plain = search.stage(0.0)
            if plain.settled and plain.least > NEAR_BOUNDARY:
                return plain, FitStatus.CONVERGED
    return stage, FitStatus.AT_BOUNDARY if stage.settled else FitStatus.NOT_CONVERGED


def _record(model: Likelihood, theta: Array, covariance: Array, status: FitStatus, calls: int) -> ModelFit:
    """Return the record of a fit; a failed one has NaN for its numbers."""
    failed = np.full(theta.size, np.nan)
    return ModelFit(
        names=model.names,
        values=theta if status.usable else failed,
        errors=np.sqrt(np.diag(covariance)) if status.usable else failed,
        covariance=covariance,
        nll=model.nll(theta) if status.usable or status is FitStatus.INFEASIBLE else np.nan,
        status=status,
        iterations=calls,
        engine="zfit",
    )
