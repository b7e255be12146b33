"""Newton and barrier steps of the convex engine, compiled: sixteen fits side by side.

Work arrays have the fit as their last axis, so that the inner loops run over SIMD lanes. `fit_blocks` is called by
`bumphunt.inference.convex`, which says what is minimised; nothing here checks its input.

References
----------
S. Boyd, L. Vandenberghe, Convex Optimization (2004): section 9.6 (self-concordance, eq. 9.50: the damped step),
section 11.3 (barrier method, eq. 11.12: the duality gap).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

from bumphunt.inference.fit_result import FitStatus

__all__ = ["fit_blocks"]

LANES = 16
"""Fits per block: two AVX-512 or four AVX2 registers of doubles."""
MAX_ITERATIONS = 40
"""Newton steps before the barrier method takes over."""
DECREMENT = 1e-7
"""Squared Newton decrement at which the last step is taken; the next one is below its square (Boyd, eq. 9.47)."""
TO_BOUNDARY = 0.9
"""Largest fraction of the way to nu = 0 taken in one step."""
BLOCKED_STEPS = 4
"""Steps shortened by the boundary before the barrier method takes over."""
CAUTIOUS = 12
"""Steps after which the step length is that of eq. 9.50, which cannot fail."""
BARRIER_START, BARRIER_STOP, BARRIER_FACTOR = 0.1, 1e-10, 0.02
"""Barrier strength [counts per empty bin]: the likelihood is off by less than its last value times the bins."""
CENTRING_STEPS = 200
"""Newton steps at one barrier strength before a fit is given up; ten are usual."""
RIDGE = 1e-12
"""Relative increase of the Hessian's diagonal late in the barrier method, against rounding of walls of 1 / nu^2."""
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
SQRT_2, LN_2 = math.sqrt(2.0), math.log(2.0)


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def _accumulate(columns, held, counts, nu, inverse, fisher, gradient, hessian):  # type: ignore[no-untyped-def]
    """Add the gradient sum_i A_pi (1 - n_i / nu_i) and the Hessian sum_i A_pi A_qi n_i / nu_i^2 of each lane."""
    n_par, n_bins = columns.shape
    lanes = counts.shape[1]
    ratio = np.empty(lanes)
    curvature = np.empty(lanes)
    for i in range(n_bins):
        for lane in range(lanes):
            x = nu[i, lane]
            y = 1.0 / x if x > 0.0 else 0.0
            inverse[i, lane] = y
            r = counts[i, lane] * y
            ratio[lane] = 1.0 - r
            curvature[lane] = y if fisher else r * y  # expected or observed information
        for p in range(held, n_par):
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
            if not x >= 0.0 or (x == 0.0 and (free or counts[i, lane] > 0.0)):
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
    """Newton steps for a block of lanes; theta is updated in place, lanes left RUNNING need the barrier method."""
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


@njit(cache=True, error_model="numpy")
def _merit(nu, counts, theta, centres, precision, held, barrier):  # type: ignore[no-untyped-def]
    """Return the barrier objective of one fit, up to a constant: nll - t sum log(nu) over empty bins."""
    value = 0.0
    for i in range(nu.shape[0]):
        if nu[i, 0] > 0.0:
            n = counts[i, 0] if counts[i, 0] > 0.0 else barrier
            value += nu[i, 0] - n * math.log(nu[i, 0])
        elif nu[i, 0] < 0.0:
            return math.inf
    for p in range(held, theta.shape[0]):
        pull = theta[p, 0] - centres[p, 0]
        value += 0.5 * precision[p] * pull * pull
    return value


@njit(cache=True, error_model="numpy")
def _barrier_step(columns, held, counts, padded, theta, centres, precision, barrier, nu):  # type: ignore[no-untyped-def]
    """One Newton step with backtracking at one barrier strength; return the decrement, or -1 if singular."""
    n_par, n_bins = columns.shape
    gradient, step, hessian = np.empty((n_par, 1)), np.zeros((n_par, 1)), np.empty((n_par, n_par, 1))
    nu_step, inverse, longest = np.empty((n_bins, 1)), np.empty((n_bins, 1)), np.empty(1)
    decrement, bad = np.empty(1), np.zeros(1, np.bool_)
    _constrain(held, theta, centres, precision, gradient, hessian)
    _accumulate(columns, held, padded, nu, inverse, False, gradient, hessian)
    if barrier < BARRIER_START:  # identifiable, as the first stage has found: only rounding is left
        for p in range(held, n_par):
            hessian[p, p, 0] *= 1.0 + RIDGE
    _cholesky_solve(held, hessian, gradient, step, decrement, bad)
    if bad[0]:
        return -1.0
    _step_in_counts(columns, held, step, inverse, nu_step, longest)
    alpha = 1.0 if longest[0] < 1.0 else 0.99 / longest[0]
    before = _merit(nu, counts, theta, centres, precision, held, barrier)
    trial, trial_nu = theta + alpha * step, nu + alpha * nu_step
    while alpha > 1e-10:
        after = _merit(trial_nu, counts, trial, centres, precision, held, barrier)
        if after <= before - 0.1 * alpha * decrement[0] + 1e-12 * abs(before):
            break
        alpha *= 0.5
        trial, trial_nu = theta + alpha * step, nu + alpha * nu_step
    theta[:, :] = trial
    nu[:, :] = trial_nu
    return decrement[0]


@njit(cache=True, error_model="numpy")
def _barrier(columns, held, counts, theta, centres, precision):  # type: ignore[no-untyped-def]
    """Follow the central path of one fit, shape (B, 1), to the constrained minimum; return (status, iterations)."""
    n_bins = counts.shape[0]
    nu = np.empty((n_bins, 1))
    iterations = 0
    barrier = BARRIER_START
    while barrier >= 0.5 * BARRIER_STOP:
        padded = np.where(counts > 0.0, counts, barrier)
        _expected(columns, theta, nu)
        for _ in range(CENTRING_STEPS):
            decrement = _barrier_step(columns, held, counts, padded, theta, centres, precision, barrier, nu)
            iterations += 1
            if decrement < 0.0:
                return SINGULAR, iterations
            if decrement < 1e-2 * barrier:
                break
        else:
            return NOT_CONVERGED, iterations
        barrier *= BARRIER_FACTOR
    status = CONVERGED
    for i in range(n_bins):
        if counts[i, 0] == 0.0 and 0.0 < nu[i, 0] < BOUNDARY_LEVEL:
            status = AT_BOUNDARY
    return status, iterations


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
    """Fit a block of lanes: counts (B, L), theta and centres (P, L); results in place."""
    status[:] = RUNNING
    iterations[:] = 0
    _newton(columns, held, counts, theta, centres, precision, warm, status, iterations)
    for lane in range(counts.shape[1]):
        if status[lane] == RUNNING:
            one = np.ascontiguousarray(theta[:, lane : lane + 1])
            code, steps = _barrier(
                columns,
                held,
                np.ascontiguousarray(counts[:, lane : lane + 1]),
                one,
                np.ascontiguousarray(centres[:, lane : lane + 1]),
                precision,
            )
            theta[:, lane] = one[:, 0]
            status[lane] = code
            iterations[lane] += steps
    _likelihood(columns, held, counts, theta, centres, precision, status, nll)


@njit(cache=True, error_model="numpy", parallel=False)
def fit_blocks(columns, held, counts, start, centres, precision, warm, with_errors, nll, errors, status, iterations):  # type: ignore[no-untyped-def]
    """Cut N fits into blocks of LANES; counts (N, B), start (N, P) becomes the result."""
    n_fits, n_bins = counts.shape
    n_par = columns.shape[0]
    for block in prange((n_fits + LANES - 1) // LANES):
        first = block * LANES
        lanes = min(LANES, n_fits - first)
        block_counts = np.empty((n_bins, lanes))
        block_theta, block_centres = np.empty((n_par, lanes)), np.empty((n_par, lanes))
        for lane in range(lanes):
            for i in range(n_bins):
                block_counts[i, lane] = counts[first + lane, i]
            for p in range(n_par):
                block_theta[p, lane] = start[first + lane, p]
                block_centres[p, lane] = centres[first + lane, p]
        _fit_block(
            columns,
            held,
            block_counts,
            block_theta,
            block_centres,
            precision,
            warm,
            nll[first : first + lanes],
            status[first : first + lanes],
            iterations[first : first + lanes],
        )
        block_errors = np.full((n_par, lanes), math.nan)
        if with_errors:
            block_status = status[first : first + lanes]
            _errors(columns, held, block_counts, block_theta, block_centres, precision, block_status, block_errors)
        for lane in range(lanes):
            for p in range(n_par):
                start[first + lane, p] = block_theta[p, lane]
                errors[first + lane, p] = block_errors[p, lane]
