"""Newton and interior-point steps of the linear engine, compiled.

A fit is made by itself, and its sums over bins run in SIMD lanes: the result does not depend on what else is fitted.
`fit_rows` makes many, for `bumphunt.engines.linear` and `bumphunt.inference.batch`, which say what is minimised;
nothing here checks its input.

For speed, loops run over unsigned bins, which need no check for negative ones, not over slices, which would be counted
references; and what one fit does often takes its work arrays out of their record once.

Arguments that many functions share: `model`, and `centres` (P,) of one fit; `counts` (B,), `theta` (P,); `work`.

References
----------
S. Boyd, L. Vandenberghe, Convex Optimization (2004): section 9.6 (self-concordance, eq. 9.50: the damped step).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bumphunt.compilation import njit
from bumphunt.engines import walls
from bumphunt.engines.cholesky import PIVOT, backward, factor, forward
from bumphunt.engines.codes import AT_BOUNDARY, CONVERGED, INFEASIBLE, NOT_CONVERGED, RUNNING, SINGULAR
from bumphunt.engines.columns import expected, find_spans, information
from bumphunt.engines.walls import BARRIER_START, BLOCKED_STEPS, RIDGE, TO_BOUNDARY
from bumphunt.likelihood.poisson import deviance, terms

__all__ = ["Found", "Rows", "fit_rows"]

Array = NDArray[np.float64]

MAX_ITERATIONS = 40
"""Newton steps before the interior-point method takes over."""
DECREMENT = 1e-7
"""Squared Newton decrement at which the last step is taken; the next one is below its square (Boyd, eq. 9.47)."""
CAUTIOUS = 12
"""Newton steps after which the step length is that of eq. 9.50, which cannot fail."""
INTERIOR_ITERATIONS, INTERIOR_CAUTIOUS = 200, 50
"""Interior-point steps before a fit is given up, and before they are shortened; 12 are usual, 25 the most seen."""


class Rows(NamedTuple):
    """The fits to make, N of them."""

    model: NDArray[np.intp]
    """Index of the model of each, (N,)."""
    data: NDArray[np.intp]
    """Index of the data set of each, (N,)."""
    start: Array
    """Where each begins, (N, P); becomes the result."""
    centres: Array
    """Centres of the constraints of each, (N, P)."""


class Found(NamedTuple):
    """What is filled of N fits."""

    nll: Array
    """(N,)."""
    errors: Array
    """(N, P); (0, P) if they are not wanted."""
    status: NDArray[np.int8]
    """(N,); only those that are RUNNING are fitted."""
    steps: NDArray[np.int32]
    """(N,)."""


class _Model(NamedTuple):
    """What fits have in common: expected counts sum_p theta_p A_pi, constraints, and the number of held parameters."""

    columns: Array
    """A, (P, B)."""
    spans: NDArray[np.uint64]
    """First bin of each column that is not zero, and the one after the last, (P, 2)."""
    precision: Array
    """(P,); 0 is no constraint."""
    held: int
    """The first parameters, as many, keep their values."""


class _Work(NamedTuple):
    """Work arrays of one fit, over bins and over parameters."""

    nu: Array
    step: Array
    inverse: Array
    ratio: Array
    weight: Array
    weighted: Array
    walls: Array
    gradient: Array
    move: Array
    hessian: Array


@njit(cache=True, error_model="numpy")
def _work_arrays(n_par, n_bins):  # type: ignore[no-untyped-def]
    """Return work arrays."""
    bins, parameters = np.zeros((7, n_bins)), np.zeros((2, n_par))
    return _Work(
        bins[0],
        bins[1],
        bins[2],
        bins[3],
        bins[4],
        bins[5],
        bins[6],
        parameters[0],
        parameters[1],
        np.zeros((n_par, n_par)),
    )


@njit(cache=True, error_model="numpy", inline="always")
def _solve(held, work):  # type: ignore[no-untyped-def]
    """Factor the Hessian in place, fill move = -H^-1 g; return the decrement g H^-1 g, or -1 if not positive."""
    hessian, gradient, move = work.hessian, work.gradient, work.move
    if not factor(hessian, held, PIVOT):
        return -1.0
    for p in range(held, move.size):
        move[p] = -gradient[p]
    decrement = forward(hessian, held, move)
    backward(hessian, held, move)
    return decrement


@njit(cache=True, error_model="numpy")
def _feasible(model, counts, nu):  # type: ignore[no-untyped-def]
    """Return whether a fit can start: no counts without expectation, and no free column at nu <= 0."""
    positive = 0
    for i in range(nu.size):
        positive += nu[i] > 0.0
    if positive == nu.size:
        return True
    for i in range(counts.size):
        if nu[i] > 0.0:
            continue
        if nu[i] != 0.0 or counts[i] > 0.0:  # NaN too
            return False
        for p in range(model.held, model.columns.shape[0]):
            if model.columns[p, i] != 0.0:
                return False
    return True


@njit(cache=True, error_model="numpy")
def _newton(model, counts, theta, centres, warm, work):  # type: ignore[no-untyped-def]
    """Newton steps of one fit; theta is updated in place. Return (status, iterations); RUNNING needs `_interior`."""
    nu, step, move, inverse, ratio, weight = work.nu, work.step, work.move, work.inverse, work.ratio, work.weight
    held, blocked, iteration = model.held, 0, 0
    expected(model, 0, theta, nu)
    if not _feasible(model, counts, nu):
        return INFEASIBLE, 0
    while iteration < MAX_ITERATIONS and blocked < BLOCKED_STEPS:
        terms(counts, nu, iteration == 0 and not warm, inverse, ratio, weight)
        information(model, theta, centres, work)
        decrement = _solve(held, work)
        if decrement < 0.0 or math.isnan(decrement):
            break
        expected(model, held, move, step)
        longest = walls.steepest_fall(step, inverse)
        alpha, last = 1.0, False
        if iteration > CAUTIOUS and decrement > DECREMENT:
            alpha = 1.0 / (1.0 + math.sqrt(decrement))  # Boyd, eq. 9.50
        if alpha * longest > TO_BOUNDARY:
            alpha = TO_BOUNDARY / longest
            blocked += 1
        else:
            last = decrement < DECREMENT and (iteration > 0 or warm)
        _advance(held, alpha, theta, work)
        iteration += 1
        if last:
            return CONVERGED, iteration
    return RUNNING, iteration


@njit(cache=True, error_model="numpy", inline="always")
def _advance(held, alpha, theta, work):  # type: ignore[no-untyped-def]
    """Move parameters and expected counts by a part of their step."""
    nu, step, move = work.nu, work.step, work.move
    for p in range(held, theta.size):
        theta[p] += alpha * move[p]
    for i in range(nu.size):
        nu[i] += alpha * step[i]


@njit(cache=True, error_model="numpy")
def _interior(model, counts, theta, centres, work):  # type: ignore[no-untyped-def]
    """Interior-point steps of one fit; theta is updated in place. Return (status, iterations).

    nu is where `_newton` left it: computed anew, a small one could come out negative and lose its wall.
    """
    nu, held, barrier, stop = work.nu, model.held, BARRIER_START, walls.last_barrier(counts)
    work.walls[:] = 1.0
    away = np.where(nu > 0.0, np.maximum(nu, BARRIER_START), nu)  # identifiable, away from the boundary?
    walls.wall_terms(counts, away, work.walls, barrier, work.inverse, work.ratio, work.weight)
    information(model, theta, centres, work)
    if not _solve(held, work) >= 0.0:
        return SINGULAR, 0
    for iteration in range(INTERIOR_ITERATIONS):
        walls.wall_terms(counts, nu, work.walls, barrier, work.inverse, work.ratio, work.weight)
        information(model, theta, centres, work)
        for p in range(held, theta.size):
            work.hessian[p, p] *= 1.0 + RIDGE
        decrement = _solve(held, work)
        if not decrement >= 0.0:
            return SINGULAR, iteration
        expected(model, held, work.move, work.step)
        alpha = walls.interior_length(walls.steepest_fall(work.step, work.inverse))
        if iteration > INTERIOR_CAUTIOUS:
            alpha = min(alpha, 1.0 / (1.0 + math.sqrt(decrement)))  # eq. 9.50
        _advance(held, alpha, theta, work)
        gap = walls.move_walls(counts, nu, work.step, work.inverse, barrier, work.walls)
        last = alpha > 0.9 and decrement < 1e-3 * stop
        if last and barrier == stop and gap < 2.0 * stop:
            return AT_BOUNDARY if walls.at_boundary(counts, nu) else CONVERGED, iteration + 1
        if alpha > 0.5:
            barrier = walls.next_barrier(barrier, gap, stop)
    return NOT_CONVERGED, INTERIOR_ITERATIONS


@njit(cache=True, error_model="numpy")
def _fit(model, counts, theta, centres, warm, work):  # type: ignore[no-untyped-def]
    """Fit one data set; theta is updated in place. Return (nll, status, iterations).

    The likelihood is inf where the fit is infeasible, NaN where it failed.
    """
    status, steps = _newton(model, counts, theta, centres, warm, work)
    if status == RUNNING:
        status, more = _interior(model, counts, theta, centres, work)
        steps += more
    if status == INFEASIBLE:
        return math.inf, status, steps
    if status != CONVERGED and status != AT_BOUNDARY:
        return math.nan, status, steps
    nll = deviance(counts, work.nu, work.ratio, work.weight)
    for p in range(model.held, theta.size):
        pull = theta[p] - centres[p]
        nll += 0.5 * model.precision[p] * pull * pull
    return nll, status, steps


@njit(cache=True, error_model="numpy")
def _errors(model, counts, theta, centres, status, work, errors):  # type: ignore[no-untyped-def]
    """Fill the standard deviations from the inverse Hessian at the minimum; NaN unless the fit converged."""
    n_par, held = theta.size, model.held
    errors[:held], errors[held:] = 0.0, math.nan
    if status != CONVERGED:
        return
    expected(model, 0, theta, work.nu)
    terms(counts, work.nu, False, work.inverse, work.ratio, work.weight)
    information(model, theta, centres, work)
    if not factor(work.hessian, held, PIVOT):
        return
    row, lower = work.move, work.hessian
    for p in range(held, n_par):  # errors_p^2 = (H^-1)_pp = sum_k (L^-1)_kp^2
        row[p] = 1.0 / lower[p, p]
        total = row[p] ** 2
        for k in range(p + 1, n_par):
            value = 0.0
            for j in range(p, k):
                value -= lower[k, j] * row[j]
            row[k] = value / lower[k, k]
            total += row[k] ** 2
        errors[p] = math.sqrt(total)


@njit(cache=True, error_model="numpy", nogil=True)
def fit_rows(columns, precision, counts, rows, found, held, warm):  # type: ignore[no-untyped-def]
    """Fit the rows whose status is RUNNING: data set ``rows.data[k]`` of D to model ``rows.model[k]`` of M.

    Read columns (M, P, B), precision (M, P), counts (D, B). The first `held` parameters stay at their start, which
    becomes the result. Other threads may run meanwhile.
    """
    work = _work_arrays(columns.shape[1], columns.shape[2])
    spans, last = np.zeros((columns.shape[1], 2), np.uint64), -1
    model, data, start, centres = rows.model, rows.data, rows.start, rows.centres
    nll, errors, status, steps = found.nll, found.errors, found.status, found.steps
    for k in range(model.size):
        if status[k] != RUNNING:
            continue
        m = model[k]
        if m != last:
            find_spans(columns[m], spans)
            last = m
        one, n = _Model(columns[m], spans, precision[m], held), counts[data[k]]
        nll[k], code, steps[k] = _fit(one, n, start[k], centres[k], warm, work)
        status[k] = code
        if errors.shape[0] > 0:
            _errors(one, n, start[k], centres[k], code, work, errors[k])
