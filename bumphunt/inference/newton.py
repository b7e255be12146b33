"""Newton and interior-point steps of the convex engine, compiled: many fits side by side.

Work arrays have the fit as their last axis, so that the inner loops run over SIMD lanes.

=================  ===================================================================================
kernel             fits
=================  ===================================================================================
`fit_blocks`       many data sets to one model (toys), sixteen at a time; `fit_blocks_threaded` alike
`fit_hypotheses`   one data set to many models: with the signal held at 0 and free, and the Asimov sets
`fit_profiles`     many models at several tested signals, on the data and on the Asimov sets
=================  ===================================================================================

They are called by `bumphunt.inference.convex` and `bumphunt.inference.profile`, which say what is minimised; nothing
here checks its input. All compiled code stands in this one file, because numba's cache on disk does not see changes
of functions that are compiled into those of another file.

References
----------
S. Boyd, L. Vandenberghe, Convex Optimization (2004): section 9.6 (self-concordance, eq. 9.50: the damped step),
section 11.7 (primal-dual interior-point method, eq. 11.54: its step; 11.59: the surrogate duality gap).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

from bumphunt.inference.fit_result import FitStatus

__all__ = ["RUNNING", "fit_blocks", "fit_blocks_threaded", "fit_hypotheses", "fit_profiles"]

LANES = 16
"""Fits per block: two AVX-512 or four AVX2 registers of doubles."""
MAX_ITERATIONS = 40
"""Newton steps before the interior-point method takes over."""
DECREMENT = 1e-7
"""Squared Newton decrement at which the last step is taken; the next one is below its square (Boyd, eq. 9.47)."""
TO_BOUNDARY = 0.9
"""Largest fraction of the way to nu = 0 taken in one step."""
BLOCKED_STEPS = 4
"""Steps shortened by the boundary before the interior-point method takes over."""
CAUTIOUS = 12
"""Newton steps after which the step length is that of eq. 9.50, which cannot fail."""
INTERIOR_ITERATIONS, INTERIOR_CAUTIOUS = 200, 50
"""Interior-point steps before a fit is given up, and before they are shortened; 12 are usual, 25 the most seen."""
INTERIOR_STEP = 0.95
"""Largest fraction of the way to nu = 0, or to a multiplier of 0, taken in one interior-point step."""
BARRIER_START, BARRIER_STOP, BARRIER_FACTOR = 0.1, 1e-10, 0.1
"""Barrier strength [counts per empty bin]: the likelihood is off by less than its last value times the bins."""
RIDGE = 1e-12
"""Relative increase of the Hessian's diagonal in the interior-point method, against rounding of walls of 1 / nu^2."""
BOUNDARY_LEVEL = 1e-6
"""An empty bin whose expected count is below this is at the boundary [events]."""
PIVOT = 1e-14
"""Smallest pivot of the scaled Hessian (unit diagonal) that is not called singular."""

CONVERGED, AT_BOUNDARY = int(FitStatus.CONVERGED), int(FitStatus.AT_BOUNDARY)
SINGULAR, NOT_CONVERGED, INFEASIBLE = (
    int(FitStatus.SINGULAR),
    int(FitStatus.NOT_CONVERGED),
    int(FitStatus.INFEASIBLE),
)
RUNNING = -1
"""Status of a fit that is to be made or under way."""
SQRT_2, LN_2 = math.sqrt(2.0), math.log(2.0)


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def _add_bin(columns, held, i, ratio, curvature, gradient, hessian):  # type: ignore[no-untyped-def]
    """Add A_pi ratio to the gradient and A_pi A_qi curvature to the Hessian of each lane, for bin i."""
    lanes = ratio.size
    for p in range(held, columns.shape[0]):
        a = columns[p, i]
        if a == 0.0:
            continue
        for lane in range(lanes):
            gradient[p, lane] += a * ratio[lane]
        for q in range(held, p + 1):
            b = a * columns[q, i]
            for lane in range(lanes):
                hessian[p, q, lane] += b * curvature[lane]


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def _accumulate(columns, held, counts, nu, inverse, fisher, gradient, hessian):  # type: ignore[no-untyped-def]
    """Add the gradient sum_i A_pi (1 - n_i / nu_i) and the Hessian sum_i A_pi A_qi n_i / nu_i^2 of each lane."""
    n_bins, lanes = counts.shape
    ratio, curvature = np.empty(lanes), np.empty(lanes)
    for i in range(n_bins):
        for lane in range(lanes):
            x = nu[i, lane]
            y = 1.0 / x if x > 0.0 else 0.0
            inverse[i, lane] = y
            r = counts[i, lane] * y
            ratio[lane] = 1.0 - r
            curvature[lane] = y if fisher else r * y  # expected or observed information
        _add_bin(columns, held, i, ratio, curvature, gradient, hessian)


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def _accumulate_walls(columns, held, counts, nu, walls, barrier, inverse, gradient, hessian):  # type: ignore[no-untyped-def]
    """Add gradient and Hessian as `_accumulate`; an empty bin adds A_pi (1 - t / nu_i) and A_pi A_qi z_i / nu_i."""
    n_bins, lanes = counts.shape
    ratio, curvature = np.empty(lanes), np.empty(lanes)
    for i in range(n_bins):
        for lane in range(lanes):
            x, n = nu[i, lane], counts[i, lane]
            y = 1.0 / x if x > 0.0 else 0.0
            inverse[i, lane] = y
            ratio[lane] = 1.0 - (n if n > 0.0 else barrier[lane]) * y
            curvature[lane] = (n * y if n > 0.0 else walls[i, lane]) * y
        _add_bin(columns, held, i, ratio, curvature, gradient, hessian)


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def _cholesky_solve(held, hessian, gradient, step, decrement, bad):  # type: ignore[no-untyped-def]
    """Factor each lane's Hessian in place; step = -H^-1 g, decrement = g H^-1 g; bad lanes are not positive."""
    n_par, lanes = gradient.shape
    for p in range(held, n_par):
        for q in range(held, p):
            for k in range(held, q):
                for lane in range(lanes):
                    hessian[p, q, lane] -= hessian[p, k, lane] * hessian[q, k, lane]
            for lane in range(lanes):
                hessian[p, q, lane] /= hessian[q, q, lane]
        for lane in range(lanes):
            pivot = hessian[p, p, lane]
            floor = PIVOT * pivot
            for k in range(held, p):
                pivot -= hessian[p, k, lane] * hessian[p, k, lane]
            if not pivot > floor:
                bad[lane] = True
                pivot = 1.0
            hessian[p, p, lane] = math.sqrt(pivot)
    for lane in range(lanes):
        decrement[lane] = 0.0
    for p in range(held, n_par):
        for lane in range(lanes):
            step[p, lane] = -gradient[p, lane]
        for k in range(held, p):
            for lane in range(lanes):
                step[p, lane] -= hessian[p, k, lane] * step[k, lane]
        for lane in range(lanes):
            step[p, lane] /= hessian[p, p, lane]
            decrement[lane] += step[p, lane] * step[p, lane]
    for p in range(n_par - 1, held - 1, -1):
        for k in range(p + 1, n_par):
            for lane in range(lanes):
                step[p, lane] -= hessian[k, p, lane] * step[k, lane]
        for lane in range(lanes):
            step[p, lane] /= hessian[p, p, lane]


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def _expected(columns, vector, out):  # type: ignore[no-untyped-def]
    """Fill out_i = sum_p vector_p A_pi for each lane."""
    n_par, n_bins = columns.shape
    lanes = out.shape[1]
    for i in range(n_bins):
        for lane in range(lanes):
            out[i, lane] = 0.0
        for p in range(n_par):
            a = columns[p, i]
            if a != 0.0:
                for lane in range(lanes):
                    out[i, lane] += a * vector[p, lane]


@njit(cache=True, error_model="numpy")
def _constrain(held, theta, centres, precision, gradient, hessian):  # type: ignore[no-untyped-def]
    """Start gradient and Hessian with the Gaussian constraint terms."""
    n_par, lanes = theta.shape
    for p in range(held, n_par):
        for lane in range(lanes):
            gradient[p, lane] = precision[p] * (theta[p, lane] - centres[p, lane])
        for q in range(held, p + 1):
            for lane in range(lanes):
                hessian[p, q, lane] = precision[p] if p == q else 0.0


@njit(cache=True, error_model="numpy")
def _feasible(columns, held, counts, nu, status):  # type: ignore[no-untyped-def]
    """Mark the lanes that cannot start: counts without expectation, or a free column at nu <= 0."""
    n_par, n_bins = columns.shape
    lanes = counts.shape[1]
    for i in range(n_bins):
        free = False
        for p in range(held, n_par):
            free = free or columns[p, i] != 0.0
        for lane in range(lanes):
            x = nu[i, lane]
            impossible = not x >= 0.0 or (x == 0.0 and (free or counts[i, lane] > 0.0))
            if impossible and status[lane] == RUNNING:
                status[lane] = INFEASIBLE


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def _step_in_counts(columns, held, step, inverse, nu_step, longest):  # type: ignore[no-untyped-def]
    """Fill nu_step_i = sum_p step_p A_pi, and longest = max_i(-nu_step_i / nu_i): 1 / longest reaches the boundary."""
    n_par, n_bins = columns.shape
    lanes = nu_step.shape[1]
    row = np.empty(lanes)
    longest[:] = 0.0
    for i in range(n_bins):
        for lane in range(lanes):
            row[lane] = 0.0
        for p in range(held, n_par):
            a = columns[p, i]
            if a != 0.0:
                for lane in range(lanes):
                    row[lane] += a * step[p, lane]
        for lane in range(lanes):
            nu_step[i, lane] = row[lane]
            t = -row[lane] * inverse[i, lane]
            longest[lane] = t if t > longest[lane] else longest[lane]


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def _add_logarithms(counts, nu, nll):  # type: ignore[no-untyped-def]
    """Add nu_i - n_i + n_i ln(n_i / nu_i) of each lane, with a logarithm that the compiler can vectorise.

    x = 2^e m with m in [sqrt(1/2), sqrt(2)), ln m = 2 (z + z^3 / 3 + ... + z^21 / 21), z = (m - 1) / (m + 1): the next
    term is below 1e-18.
    """
    n_bins, lanes = counts.shape
    ratio, mantissa = np.empty(lanes), np.empty(lanes)
    ratio_bits, mantissa_bits = ratio.view(np.int64), mantissa.view(np.int64)
    for i in range(n_bins):
        for lane in range(lanes):
            n, x = counts[i, lane], nu[i, lane]
            ratio[lane] = n / x if n > 0.0 else 1.0
        for lane in range(lanes):
            mantissa_bits[lane] = (ratio_bits[lane] & 0x000FFFFFFFFFFFFF) | 0x3FF0000000000000
        for lane in range(lanes):
            exponent = float((ratio_bits[lane] >> 52) - 1023)
            big = mantissa[lane] > SQRT_2
            m = 0.5 * mantissa[lane] if big else mantissa[lane]
            exponent = exponent + 1.0 if big else exponent
            z = (m - 1.0) / (m + 1.0)
            y = z * z
            series = 1.0 / 19.0 + y / 21.0
            series = 1.0 / 15.0 + y * (1.0 / 17.0 + y * series)
            series = 1.0 / 11.0 + y * (1.0 / 13.0 + y * series)
            series = 1.0 / 7.0 + y * (1.0 / 9.0 + y * series)
            series = 1.0 / 3.0 + y * (1.0 / 5.0 + y * series)
            logarithm = exponent * LN_2 + 2.0 * (z + z * y * series)
            nll[lane] += nu[i, lane] - counts[i, lane] + counts[i, lane] * logarithm


@njit(cache=True, error_model="numpy")
def _newton(columns, held, counts, theta, centres, precision, warm, status, iterations):  # type: ignore[no-untyped-def]
    """Newton steps for a block of lanes; theta is updated in place, lanes left RUNNING need `_interior`."""
    n_par, n_bins = columns.shape
    lanes = counts.shape[1]
    nu, nu_step, inverse = np.empty((n_bins, lanes)), np.empty((n_bins, lanes)), np.empty((n_bins, lanes))
    gradient, step, hessian = np.empty((n_par, lanes)), np.zeros((n_par, lanes)), np.empty((n_par, n_par, lanes))
    decrement, longest, length = np.empty(lanes), np.empty(lanes), np.empty(lanes)
    blocked, bad = np.zeros(lanes, np.int32), np.zeros(lanes, np.bool_)
    _expected(columns, theta, nu)
    _feasible(columns, held, counts, nu, status)
    for iteration in range(MAX_ITERATIONS):
        _constrain(held, theta, centres, precision, gradient, hessian)
        _accumulate(columns, held, counts, nu, inverse, iteration == 0 and not warm, gradient, hessian)
        _cholesky_solve(held, hessian, gradient, step, decrement, bad)
        _step_in_counts(columns, held, step, inverse, nu_step, longest)
        running = False
        for lane in range(lanes):
            length[lane] = 0.0
            if status[lane] != RUNNING or bad[lane] or blocked[lane] >= BLOCKED_STEPS:
                continue
            iterations[lane] += 1
            alpha = 1.0
            if iteration > CAUTIOUS and decrement[lane] > DECREMENT:
                alpha = 1.0 / (1.0 + math.sqrt(decrement[lane]))  # Boyd, eq. 9.50
            if alpha * longest[lane] > TO_BOUNDARY:
                alpha = TO_BOUNDARY / longest[lane]
                blocked[lane] += 1
            elif decrement[lane] < DECREMENT and (iteration > 0 or warm):
                status[lane] = CONVERGED
            length[lane] = alpha
            running = running or status[lane] == RUNNING
        for p in range(held, n_par):
            for lane in range(lanes):
                theta[p, lane] += length[lane] * step[p, lane]
        for i in range(n_bins):
            for lane in range(lanes):
                nu[i, lane] += length[lane] * nu_step[i, lane]
        if not running:
            break


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def _move_walls(counts, nu, nu_step, inverse, length, barrier, walls, gap):  # type: ignore[no-untyped-def]
    """Move nu by its step and the multipliers z by theirs; gap = the mean of z_i nu_i over the empty bins."""
    n_bins, lanes = counts.shape
    for lane in range(lanes):
        longest, total, number = 0.0, 0.0, 0
        for i in range(n_bins):
            if counts[i, lane] == 0.0 and nu[i, lane] > 0.0:
                z = walls[i, lane]
                longest = max(longest, 1.0 - (barrier[lane] / z - nu_step[i, lane]) * inverse[i, lane])
        dual = 1.0 if longest < INTERIOR_STEP else INTERIOR_STEP / longest
        for i in range(n_bins):
            wall = counts[i, lane] == 0.0 and nu[i, lane] > 0.0
            nu[i, lane] += length[lane] * nu_step[i, lane]
            if wall:
                z = walls[i, lane]
                walls[i, lane] += dual * ((barrier[lane] - z * nu_step[i, lane]) * inverse[i, lane] - z)
                total += walls[i, lane] * nu[i, lane]
                number += 1
        gap[lane] = total / number if number > 0 else 0.0  # eq. 11.59, per wall


@njit(cache=True, error_model="numpy")
def _interior(columns, held, counts, theta, centres, precision, status, iterations):  # type: ignore[no-untyped-def]
    """Primal-dual interior-point steps for a block of lanes that all are RUNNING; theta is updated in place.

    The multiplier z_i of nu_i >= 0 in an empty bin follows z_i nu_i = t, while t falls from start to stop.
    """
    (n_par, n_bins), lanes = columns.shape, counts.shape[1]
    nu, nu_step, inverse = np.empty((n_bins, lanes)), np.empty((n_bins, lanes)), np.empty((n_bins, lanes))
    gradient, step, hessian = np.empty((n_par, lanes)), np.zeros((n_par, lanes)), np.empty((n_par, n_par, lanes))
    decrement, longest, length, gap = np.empty(lanes), np.empty(lanes), np.empty(lanes), np.empty(lanes)
    walls, barrier, bad = np.ones((n_bins, lanes)), np.full(lanes, BARRIER_START), np.zeros(lanes, np.bool_)
    _expected(columns, theta, nu)
    _constrain(held, theta, centres, precision, gradient, hessian)  # identifiable, away from the boundary?
    away = np.where(nu > 0.0, np.maximum(nu, BARRIER_START), nu)
    _accumulate_walls(columns, held, counts, away, walls, barrier, inverse, gradient, hessian)
    _cholesky_solve(held, hessian, gradient, step, decrement, bad)
    for iteration in range(INTERIOR_ITERATIONS):
        _constrain(held, theta, centres, precision, gradient, hessian)
        _accumulate_walls(columns, held, counts, nu, walls, barrier, inverse, gradient, hessian)
        for p in range(held, n_par):
            for lane in range(lanes):
                hessian[p, p, lane] *= 1.0 + RIDGE
        _cholesky_solve(held, hessian, gradient, step, decrement, bad)
        _step_in_counts(columns, held, step, inverse, nu_step, longest)
        for lane in range(lanes):
            if bad[lane] and status[lane] == RUNNING:
                status[lane] = SINGULAR
            length[lane] = 1.0 if longest[lane] < INTERIOR_STEP else INTERIOR_STEP / longest[lane]
            if iteration > INTERIOR_CAUTIOUS:
                length[lane] = min(length[lane], 1.0 / (1.0 + math.sqrt(decrement[lane])))  # eq. 9.50
            if status[lane] != RUNNING:
                length[lane] = 0.0
        for p in range(held, n_par):
            for lane in range(lanes):
                theta[p, lane] += length[lane] * step[p, lane]
        _move_walls(counts, nu, nu_step, inverse, length, barrier, walls, gap)
        running = False
        for lane in range(lanes):
            if status[lane] != RUNNING:
                continue
            iterations[lane] += 1
            done = length[lane] > 0.9 and decrement[lane] < 1e-3 * BARRIER_STOP
            if done and barrier[lane] == BARRIER_STOP and gap[lane] < 2.0 * BARRIER_STOP:
                status[lane] = CONVERGED
            elif length[lane] > 0.5:
                barrier[lane] = max(BARRIER_STOP, min(barrier[lane], BARRIER_FACTOR * gap[lane]))
            running = running or status[lane] == RUNNING
        if not running:
            break
    for lane in range(lanes):
        if status[lane] == RUNNING:
            status[lane] = NOT_CONVERGED
        for i in range(n_bins):
            if status[lane] == CONVERGED and counts[i, lane] == 0.0 and 0.0 < nu[i, lane] < BOUNDARY_LEVEL:
                status[lane] = AT_BOUNDARY


@njit(cache=True, error_model="numpy")
def _finish(columns, held, counts, theta, centres, precision, status, iterations):  # type: ignore[no-untyped-def]
    """Hand the lanes that are still RUNNING to the interior-point method, in a block of their own."""
    left = np.flatnonzero(status == RUNNING)
    if left.size == 0:
        return
    some, some_status, some_iterations = theta[:, left].copy(), status[left], iterations[left]
    some_counts, some_centres = counts[:, left].copy(), centres[:, left].copy()
    _interior(columns, held, some_counts, some, some_centres, precision, some_status, some_iterations)
    for k in range(left.size):
        theta[:, left[k]] = some[:, k]
        status[left[k]] = some_status[k]
        iterations[left[k]] = some_iterations[k]


@njit(cache=True, error_model="numpy")
def _likelihood(columns, held, counts, theta, centres, precision, status, nll):  # type: ignore[no-untyped-def]
    """Fill the likelihood of each lane at its minimum: inf where it is infeasible, NaN where the fit failed."""
    nu = np.empty(counts.shape)
    _expected(columns, theta, nu)
    nll[:] = 0.0
    _add_logarithms(counts, nu, nll)
    for p in range(held, theta.shape[0]):
        for lane in range(nll.size):
            pull = theta[p, lane] - centres[p, lane]
            nll[lane] += 0.5 * precision[p] * pull * pull
    for lane in range(nll.size):
        if status[lane] == INFEASIBLE:
            nll[lane] = math.inf
        elif status[lane] != CONVERGED and status[lane] != AT_BOUNDARY:
            nll[lane] = math.nan


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def _errors(columns, held, counts, theta, centres, precision, status, errors):  # type: ignore[no-untyped-def]
    """Fill the standard deviations from the inverse Hessian of each lane; NaN unless it converged."""
    n_par, n_bins = columns.shape
    lanes = counts.shape[1]
    nu, inverse = np.empty((n_bins, lanes)), np.empty((n_bins, lanes))
    gradient, hessian = np.empty((n_par, lanes)), np.empty((n_par, n_par, lanes))
    step, decrement, bad = np.empty((n_par, lanes)), np.empty(lanes), np.zeros(lanes, np.bool_)
    _expected(columns, theta, nu)
    _constrain(held, theta, centres, precision, gradient, hessian)
    _accumulate(columns, held, counts, nu, inverse, False, gradient, hessian)
    _cholesky_solve(held, hessian, gradient, step, decrement, bad)
    errors[:held] = 0.0
    for p in range(held, n_par):  # errors_p^2 = (H^-1)_pp = sum_k (L^-1)_kp^2
        for lane in range(lanes):
            gradient[p, lane] = 1.0 / hessian[p, p, lane]
            errors[p, lane] = gradient[p, lane] ** 2
        for k in range(p + 1, n_par):
            for lane in range(lanes):
                value = 0.0
                for j in range(p, k):
                    value -= hessian[k, j, lane] * gradient[j, lane]
                gradient[k, lane] = value / hessian[k, k, lane]
                errors[p, lane] += gradient[k, lane] ** 2
        for lane in range(lanes):
            errors[p, lane] = math.sqrt(errors[p, lane])
            if bad[lane] or status[lane] != CONVERGED:
                errors[p, lane] = math.nan


@njit(cache=True, error_model="numpy")
def _fit_block(columns, held, counts, theta, centres, precision, warm, nll, status, iterations):  # type: ignore[no-untyped-def]
    """Fit the RUNNING ones of a block of lanes: counts (B, L), theta and centres (P, L); results in place."""
    iterations[:] = 0
    _newton(columns, held, counts, theta, centres, precision, warm, status, iterations)
    _finish(columns, held, counts, theta, centres, precision, status, iterations)
    _likelihood(columns, held, counts, theta, centres, precision, status, nll)


@njit(cache=True, error_model="numpy")
def _fit_lanes(first, columns, held, counts, start, centres, precision, warm, with_errors, nll, errors, status, steps):  # type: ignore[no-untyped-def]
    """Fit up to LANES data sets, from `first` on; the rest as in `fit_blocks`."""
    n_par, n_bins = columns.shape
    lanes = min(LANES, counts.shape[0] - first)
    last = first + lanes
    block_counts = np.empty((n_bins, lanes))
    theta, block_centres = np.empty((n_par, lanes)), np.empty((n_par, lanes))
    for lane in range(lanes):
        for i in range(n_bins):
            block_counts[i, lane] = counts[first + lane, i]
        for p in range(n_par):
            theta[p, lane] = start[first + lane, p]
            block_centres[p, lane] = centres[first + lane, p]
    block_status = status[first:last]
    block_status[:] = RUNNING
    _fit_block(
        columns,
        held,
        block_counts,
        theta,
        block_centres,
        precision,
        warm,
        nll[first:last],
        block_status,
        steps[first:last],
    )
    block_errors = np.full((n_par, lanes), math.nan)
    if with_errors:
        _errors(columns, held, block_counts, theta, block_centres, precision, block_status, block_errors)
    for lane in range(lanes):
        for p in range(n_par):
            start[first + lane, p] = theta[p, lane]
            errors[first + lane, p] = block_errors[p, lane]


@njit(cache=True, error_model="numpy")
def fit_blocks(columns, held, counts, start, centres, precision, warm, with_errors, nll, errors, status, steps):  # type: ignore[no-untyped-def]
    """Cut N fits into blocks of LANES; counts (N, B), start (N, P) becomes the result."""
    for b in range((counts.shape[0] + LANES - 1) // LANES):
        _fit_lanes(
            b * LANES, columns, held, counts, start, centres, precision, warm, with_errors, nll, errors, status, steps
        )


@njit(cache=True, error_model="numpy", parallel=True)
def fit_blocks_threaded(
    columns, held, counts, start, centres, precision, warm, with_errors, nll, errors, status, steps
):  # type: ignore[no-untyped-def]
    """As `fit_blocks`, with the blocks shared out to numba's threads."""
    for b in prange((counts.shape[0] + LANES - 1) // LANES):
        _fit_lanes(
            b * LANES, columns, held, counts, start, centres, precision, warm, with_errors, nll, errors, status, steps
        )


@njit(cache=True, error_model="numpy")
def _tangent(columns, held, theta, precision, asimov, tangent):  # type: ignore[no-untyped-def]
    """Fill the column of the inverse information that belongs to the signal, parameter `held`, at Asimov data."""
    n_par, n_bins = columns.shape
    nu, inverse = asimov.copy(), np.empty((n_bins, 1))
    gradient, hessian = np.empty((n_par, 1)), np.empty((n_par, n_par, 1))
    step, decrement, bad = np.zeros((n_par, 1)), np.empty(1), np.zeros(1, np.bool_)
    _constrain(held, theta, theta, precision, gradient, hessian)
    _accumulate(columns, held, asimov, nu, inverse, True, gradient, hessian)
    gradient[:] = 0.0
    gradient[held] = -1.0
    _cholesky_solve(held, hessian, gradient, step, decrement, bad)
    tangent[:] = step[:, 0]
    if bad[0]:
        tangent[:] = math.nan


@njit(cache=True, error_model="numpy")
def fit_hypotheses(
    columns, held, counts, start, centres, precision, theta, errors, nll, status, steps, asimov, tangent
):  # type: ignore[no-untyped-def]
    """Fit N models with the signal, parameter `held`, at 0 (index 0 of axis 1) and free (index 1).

    Read columns (N, P, B), counts (N, B), start and centres and precision (N, P), where a start with a signal that is
    not 0 says that the free fit must begin there; fill theta and errors (N, 2, P), nll, status and steps (N, 2), the
    Asimov counts of the first fit (N, B), and `_tangent` there (N, P).
    """
    n_models, n_par, n_bins = columns.shape
    for m in range(n_models):
        data, centre = counts[m].copy().reshape(n_bins, 1), centres[m].copy().reshape(n_par, 1)
        null = start[m].copy().reshape(n_par, 1)
        null[held] = 0.0
        status[m] = RUNNING
        _fit_block(
            columns[m], held + 1, data, null, centre, precision[m], False, nll[m, :1], status[m, :1], steps[m, :1]
        )
        usable = status[m, 0] == CONVERGED or status[m, 0] == AT_BOUNDARY
        near = usable and start[m, held] == 0.0
        best = null.copy() if near else start[m].copy().reshape(n_par, 1)
        _fit_block(columns[m], held, data, best, centre, precision[m], False, nll[m, 1:], status[m, 1:], steps[m, 1:])
        theta[m, 0], theta[m, 1] = null[:, 0], best[:, 0]
        error = np.empty((n_par, 1))
        _errors(columns[m], held + 1, data, null, centre, precision[m], status[m, :1], error)
        errors[m, 0] = error[:, 0]
        _errors(columns[m], held, data, best, centre, precision[m], status[m, 1:], error)
        errors[m, 1] = error[:, 0]
        nu = np.empty((n_bins, 1))
        _expected(columns[m], null, nu)
        for i in range(n_bins):
            nu[i, 0] = nu[i, 0] if nu[i, 0] > BOUNDARY_LEVEL else 0.0
        asimov[m] = nu[:, 0]
        _tangent(columns[m], held, null, precision[m], nu, tangent[m])


@njit(cache=True, error_model="numpy")
def _slopes(columns, held, counts, theta, status, slope):  # type: ignore[no-untyped-def]
    """Fill d(nll) / d(theta_held - 1) of each lane at its minimum, multipliers of the walls included."""
    n_bins, lanes = counts.shape
    nu = np.empty((n_bins, lanes))
    _expected(columns, theta, nu)
    slope[:] = 0.0
    for i in range(n_bins):
        a = columns[held - 1, i]
        for lane in range(lanes):
            n, x = counts[i, lane], nu[i, lane]
            if n == 0.0 and status[lane] == AT_BOUNDARY:
                n = BARRIER_STOP
            slope[lane] += a * (1.0 - n / x if x > 0.0 else 1.0)


@njit(cache=True, error_model="numpy")
def fit_profiles(columns, held, data, which, start, base, centres, precision, nll, slope, status, steps):  # type: ignore[no-untyped-def]
    """Fit N models with the first `held` parameters, the last of them the signal, held at L sets of values each.

    Read columns (N, P, B), data and centres (N, D, B) and (N, D, P), which (L,) of the D data sets each lane takes,
    start and base (N, L, P), precision (N, P); fill start with the fits, nll, slope and steps (N, L), status (N, L).
    Only fits whose status is RUNNING are made. A start with nu < 0 somewhere is replaced by `base`.
    """
    (n_models, n_par, n_bins), lanes = columns.shape, which.size
    counts, theta, centre, nu = (
        np.empty((n_bins, lanes)),
        np.empty((n_par, lanes)),
        np.empty((n_par, lanes)),
        np.empty((n_bins, lanes)),
    )
    value, gradient, before = np.empty(lanes), np.empty(lanes), np.empty(lanes, np.int8)
    for m in range(n_models):
        before[:] = status[m]
        if not np.any(before == RUNNING):
            continue
        for lane in range(lanes):
            for i in range(n_bins):
                counts[i, lane] = data[m, which[lane], i]
            for p in range(n_par):
                theta[p, lane] = start[m, lane, p]
                centre[p, lane] = centres[m, which[lane], p]
        _expected(columns[m], theta, nu)
        for lane in range(lanes):
            for i in range(n_bins):
                if not nu[i, lane] >= 0.0:
                    theta[:, lane] = base[m, lane]
                    break
        _fit_block(columns[m], held, counts, theta, centre, precision[m], True, value, status[m], steps[m])
        _slopes(columns[m], held, counts, theta, status[m], gradient)
        for lane in range(lanes):
            if before[lane] == RUNNING:
                nll[m, lane], slope[m, lane] = value[lane], gradient[lane]
                for p in range(n_par):
                    start[m, lane, p] = theta[p, lane]
