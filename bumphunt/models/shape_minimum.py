"""The minimum of the likelihood of a shape, to the last digit that the counts allow.

A general minimiser stops beside a minimum, at a place that hangs on the last bits of the counts and of the processor's
logarithms: a width is then known to 1e-4 only, and with it the grid of a scan; and which of several minima it finds is
chance. Here damped Fisher scoring leads from each start near a minimum, by a way that changes little when the counts
do, and Newton's steps from there to the minimum itself. Derivatives of the expected counts are differences with fixed
steps: their error moves the minimum by far less than its own error, and by the same on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.models.signal_shape import PARAMETERS

__all__ = [
    "FRACTION",
    "HIGHEST",
    "LEAST_EXPECTED",
    "LIMITS",
    "NO_GAUSSIAN",
    "RATIO",
    "Minimum",
    "ShapeLikelihood",
    "within_limits",
]

Array = NDArray[np.float64]

LIMITS = ((-np.inf, np.inf), (0.0, np.inf), (1.0, 5.0), (0.2, 20.0), (0.3, 1.0), (1.0, 10.0))
"""Limits of the parameters in a fit: outside them the Gaussian would describe the tail, or the tail the core: a tail
that may begin below one sigma describes the same spectra with half the sigma, and fits then switch between the two."""
LOWEST, HIGHEST = (np.append(ends, end) for ends, end in zip(np.array(LIMITS).T, (1e-3, np.inf), strict=True))
"""The same limits with that of the yield behind them, which is in units of the counts."""
LEAST_EXPECTED = 1e-300
"""Floor of an expected count, where a logarithm is wanted."""
SAME_MINIMUM = 1e-5
"""Minima whose NLL differ by less are one: that of the first start is taken, whatever the last bits say."""
MOST_STEPS = 50
"""Steps of each kind, down to the minimum itself."""
NEAR = 1e-6
"""Estimated distance to the minimum, in NLL, from which on Newton's steps need no check."""
FARTHEST = 100.0
"""Times that distance: where Newton's steps would lead farther, they are not made."""
LONGEST = 0.5
"""Longest step, in units of how far a parameter may be thought to vary: sigma for position and width."""
POLISHED = 1e-24
"""Distance at which these end: a parameter is then known to 1e-12 of its error."""
MOST_DAMPING = 1e6
"""Damping of a step, in units of the information, beyond which there is nothing lower."""
FLATTEST = 1e-10
"""Smallest information along a direction, relative to parameters that do not vary together, that a step believes."""
STEP = 1e-2
"""Step of derivatives, in units of a parameter's standard deviation if it were alone: of less, rounding is left."""
FINER = 2
"""How often derivatives at a start are made again with the steps that those before suggest: the first are coarse."""
AT_LIMIT = 1e-3
"""A parameter closer to its limit than this fraction of its range is put there."""
CORE = np.isin((*PARAMETERS, "yield"), ("mean_shift", "sigma", "yield"))
"""Which parameters are not of the tail, shape ``(7,)``."""
FRACTION, RATIO = PARAMETERS.index("fraction"), PARAMETERS.index("ratio")
NO_GAUSSIAN = 1.7
"""Ratio that a shape without Gaussian (a fraction of 1) is given: any would do."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Slopes:
    """Gradient of the NLL and Fisher information at a point, in units of each parameter's own standard deviation.

    `moving` says which parameters move: those that are not held, nor at a limit beyond which the NLL falls.
    """

    unit: Array
    gradient: Array
    information: Array
    moving: NDArray[np.bool_]

    def step(self, curvature: Array, damping: float) -> tuple[Array, float]:
        """Return the step to the minimum of the parabola, shape ``(7,)``, and how far down in NLL that is."""
        values, vectors = np.linalg.eigh(curvature[np.ix_(self.moving, self.moving)])
        values = np.maximum(values, FLATTEST)
        along = vectors.T @ self.gradient[self.moving]
        step = np.zeros(self.unit.size)
        step[self.moving] = -self.unit[self.moving] * (vectors @ (along / (values + damping)))
        return step, 0.5 * float(along**2 @ (1.0 / values))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Minimum:
    """Where a fit of a shape ended: parameters (7,), the NLL and the slopes there, and whether that is a minimum."""

    parameters: Array
    nll: float
    slopes: _Slopes
    valid: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShapeLikelihood:
    """The likelihood of the parameters of a shape and the yield, seven in all.

    Parameters
    ----------
    expected
        Expected counts at parameters, shape ``(7,)`` to ``(B,)``.
    objective
        The NLL at parameters.
    counts
        Scaled counts, shape ``(B,)``; `scale` is their factor, and that of the expectation.
    free
        Which parameters are not held, shape ``(7,)``.
    """

    expected: Callable[[Array], Array]
    objective: Callable[[Array], float]
    counts: Array
    scale: float
    free: NDArray[np.bool_]

    def lowest(self, starts: Sequence[ArrayLike]) -> Minimum:
        """Return the lowest of the minima that are reached from the starts, each of shape ``(7,)``.

        From each start position, width and yield go first, then the tail too.
        """
        core = replace(self, free=self.free & CORE)
        found = [self.descended(core.descended(np.asarray(start, dtype=np.float64)).parameters) for start in starts]
        usable = [minimum for minimum in found if minimum.valid] or found
        least = min(minimum.nll for minimum in usable)
        return self.polished(next(minimum for minimum in usable if minimum.nll <= least + SAME_MINIMUM))

    def descended(self, start: Array) -> Minimum:
        """Return where damped steps lead from a start: near a minimum, if that is valid."""
        p = _at_limits(start)
        at = self.slopes(p, _reach(p))
        for _ in range(FINER):
            at = self.slopes(p, at.unit)
        found = self._descended(Minimum(parameters=p, nll=self.objective(p), slopes=at, valid=False), exact=False)
        if not found.valid:  # along a curved valley the information misleads
            found = self._descended(found, exact=True)
        return found

    def polished(self, found: Minimum) -> Minimum:
        """Return the minimum itself, from near it, by Newton's steps, whose gain is below the rounding of the NLL."""
        if not found.valid:
            return found
        p, at, last = found.parameters.copy(), found.slopes, FARTHEST * NEAR
        if p[FRACTION] == HIGHEST[FRACTION]:
            p[RATIO] = NO_GAUSSIAN
        hessian = self.hessian(p, at)
        for _ in range(MOST_STEPS):
            step, distance = at.step(hessian, 0.0)
            if distance < POLISHED or not distance < last:
                break
            p, last = within_limits(p + step), distance
            at = self.slopes(p, at.unit)
        return Minimum(parameters=p, nll=self.objective(p), slopes=at, valid=True)

    def covariance(self, found: Minimum) -> Array:
        """Return the inverse of the second derivatives at a minimum, shape ``(7, 7)``.

        0 for what is held or at a limit; all NaN where they are not positive.
        """
        p, at = found.parameters, found.slopes
        varying = at.moving & ~((_at_limits(p) <= LOWEST) | (_at_limits(p) >= HIGHEST))
        varying[RATIO] &= p[FRACTION] != HIGHEST[FRACTION]
        inside = np.ix_(varying, varying)
        covariance = np.zeros((p.size, p.size))
        try:
            root = np.linalg.cholesky(self.hessian(p, replace(at, moving=varying))[inside])
        except np.linalg.LinAlgError:
            return np.full((p.size, p.size), np.nan)
        half = np.linalg.inv(root) * at.unit[varying]
        covariance[inside] = half.T @ half
        return covariance

    def _descended(self, found: Minimum, *, exact: bool) -> Minimum:
        """Return where damped steps lead, by second derivatives if `exact`."""
        p, value, at, damping = found.parameters, found.nll, found.slopes, 0.0
        curvature = self.hessian(p, at) if exact else at.information
        for _ in range(MOST_STEPS):
            step, distance = at.step(curvature, damping)
            if distance < NEAR:
                return Minimum(parameters=p, nll=value, slopes=at, valid=True)
            trial = within_limits(p + step * min(1.0, LONGEST / float(np.max(np.abs(step) / _reach(p)))))
            lower = self.objective(trial)
            if lower < value:
                p, value, damping = trial, lower, 0.1 * damping
                at = self.slopes(p, at.unit)
                curvature = self.hessian(p, at) if exact else at.information
            elif damping > MOST_DAMPING:
                break
            else:
                damping = max(10.0 * damping, 1e-3)
        return Minimum(parameters=p, nll=value, slopes=at, valid=False)

    def slopes(self, p: Array, size: Array) -> _Slopes:
        """Return the slopes at a point; `size` is about the standard deviation of each parameter, shape ``(7,)``."""
        nu = self.scale * self.expected(p)
        slopes = np.zeros((p.size, nu.size))
        for k in np.flatnonzero(self.free):
            step = np.zeros(p.size)
            step[k] = STEP * size[k]
            low, high = within_limits(p - step), within_limits(p + step)
            slopes[k] = self.scale * (self.expected(high) - self.expected(low)) / (high[k] - low[k])
        slopes[:, nu <= self.scale * LEAST_EXPECTED] = 0.0  # the floor has no slope
        gradient = slopes @ (1.0 - self.counts / nu)
        information = (slopes / nu) @ slopes.T
        diagonal = np.diag(information)
        unit = np.where(diagonal > 0.0, 1.0 / np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0)), size)
        unit = np.minimum(unit, _reach(p))
        moving = self.free & ~((p <= LOWEST) & (gradient > 0.0)) & ~((p >= HIGHEST) & (gradient < 0.0))
        information = information * np.outer(unit, unit)
        return _Slopes(unit=unit, gradient=gradient * unit, information=information, moving=moving)

    def hessian(self, p: Array, at: _Slopes) -> Array:
        """Return the second derivatives of the NLL in the units of `at`, shape ``(7, 7)``."""
        hessian = np.eye(p.size)
        for k in np.flatnonzero(at.moving):
            step = np.zeros(p.size)
            step[k] = STEP * at.unit[k]
            low, high = within_limits(p - step), within_limits(p + step)
            down, up = self.slopes(low, at.unit), self.slopes(high, at.unit)
            change = up.gradient / up.unit - down.gradient / down.unit
            hessian[k] = change * at.unit * at.unit[k] / (high[k] - low[k])
        return 0.5 * (hessian + hessian.T)


def _at_limits(p: Array) -> Array:
    """Return the parameters, those that are all but at a limit put there, shape ``(7,)``."""
    near = np.where(np.isfinite(HIGHEST - LOWEST), AT_LIMIT * (HIGHEST - LOWEST), 0.0)
    p = np.where(p - LOWEST < near, LOWEST, p)
    return np.where(HIGHEST - p < near, HIGHEST, p)


def within_limits(p: Array) -> Array:
    """Return the parameters moved into `LIMITS`; a seventh, the yield, stays."""
    limits = np.array(LIMITS)
    return np.concatenate([np.clip(p[:6], limits[:, 0], limits[:, 1]), p[6:]])


def _reach(p: Array) -> Array:
    """Return how far each parameter may be thought to vary, shape ``(7,)``: sigma, the range of its limits, or 1."""
    span = HIGHEST - LOWEST
    return np.where(np.isfinite(span), span, np.where(np.arange(p.size) < 2, p[1], 1.0))
