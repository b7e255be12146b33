"""Newton and interior-point steps of the linear engine, compiled.

A fit is made by itself, and its sums over bins run in SIMD lanes: the result does not depend on what else is fitted.
`fit_rows` makes many, for `bumphunt.engines.linear` and `bumphunt.inference.batch`, which say what is
minimised; nothing here checks its input. All compiled code stands in this one file, because numba's cache on disk does
not see changes of functions that are compiled into those of another file.

Arguments that many functions share: `columns` (P, B), of which column p is zero outside of the bins ``spans[p]``
(P, 2); the first `held` parameters keep their values; `counts` (B,), `theta`, `centres`, `precision` (P,). Work arrays:
`bins` (7, B), and `small` (P + 2, P), which holds gradient, step and Hessian.

References
----------
S. Boyd, L. Vandenberghe, Convex Optimization (2004): section 9.6 (self-concordance, eq. 9.50: the damped step),
section 11.7 (primal-dual interior-point method, eq. 11.54: its step; 11.59: the surrogate duality gap).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from bumphunt.engines.result import FitStatus

__all__ = ["BARRIER_STOP", "BOUNDARY_LEVEL", "RUNNING", "fit_rows"]

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


@njit(cache=True, error_model="numpy")
def _find_spans(columns, spans):  # type: ignore[no-untyped-def]
    """Fill the first bin of each column that is not zero, and the one after the last."""
    n_par, n_bins = columns.shape
    for p in range(n_par):
        first, last = 0, n_bins
        while first < last and columns[p, first] == 0.0:
            first += 1
        while last > first and columns[p, last - 1] == 0.0:
            last -= 1
        spans[p, 0], spans[p, 1] = first, last


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def _expected(columns, spans, first, vector, out):  # type: ignore[no-untyped-def]
    """Fill out_i = sum_p vector_p A_pi, over the parameters from `first` on."""
    out[:] = 0.0
    for p in range(first, columns.shape[0]):
        value, low, high = vector[p], spans[p, 0], spans[p, 1]
        column, part = columns[p, low:high], out[low:high]
        for i in range(column.size):
            part[i] += value * column[i]


@njit(cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def _dot(a, b):  # type: ignore[no-untyped-def]
    """Return sum_i a_i b_i."""
    total = 0.0
    for i in range(a.size):
        total += a[i] * b[i]
    return total


@njit(cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def _information(columns, spans, held, theta, centres, precision, ratio, curvature, weighted, small):  # type: ignore[no-untyped-def]
    """Fill gradient sum_i A_pi ratio_i and Hessian sum_i A_pi A_qi curvature_i, with the Gaussian constraints."""
    gradient, hessian = small[0], small[2:]
    for p in range(held, columns.shape[0]):
        low, high = spans[p, 0], spans[p, 1]
        a, curved, w = columns[p, low:high], curvature[low:high], weighted[low:high]
        for i in range(a.size):
            w[i] = a[i] * curved[i]
        gradient[p] = _dot(a, ratio[low:high]) + precision[p] * (theta[p] - centres[p])
        for q in range(held, p):
            first, last = max(low, spans[q, 0]), min(high, spans[q, 1])
            hessian[p, q] = _dot(weighted[first:last], columns[q, first:last]) if first < last else 0.0
        hessian[p, p] = _dot(w, a) + precision[p]


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def _terms(counts, nu, fisher, inverse, ratio, curvature):  # type: ignore[no-untyped-def]
    """Fill 1 / nu_i, 1 - n_i / nu_i, and n_i / nu_i^2 (observed information) or 1 / nu_i (expected)."""
    for i in range(counts.size):
        x = nu[i]
        y = 1.0 / x if x > 0.0 else 0.0
        r = counts[i] * y
        inverse[i] = y
        ratio[i] = 1.0 - r
        curvature[i] = y if fisher else r * y


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def _wall_terms(counts, nu, walls, barrier, inverse, ratio, curvature):  # type: ignore[no-untyped-def]
    """As `_terms`, where an empty bin has 1 - t / nu_i and z_i / nu_i."""
    for i in range(counts.size):
        x, n = nu[i], counts[i]
        y = 1.0 / x if x > 0.0 else 0.0
        inverse[i] = y
        ratio[i] = 1.0 - (n if n > 0.0 else barrier) * y
        curvature[i] = (n * y if n > 0.0 else walls[i]) * y


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def _cholesky_solve(held, small):  # type: ignore[no-untyped-def]
    """Factor the Hessian in place, fill step = -H^-1 g; return the decrement g H^-1 g, or -1 if not positive."""
    gradient, step, hessian = small[0], small[1], small[2:]
    n_par = gradient.size
    decrement = 0.0
    for p in range(held, n_par):
        for q in range(held, p):
            value = hessian[p, q]
            for k in range(held, q):
                value -= hessian[p, k] * hessian[q, k]
            hessian[p, q] = value / hessian[q, q]
        pivot = hessian[p, p]
        floor = PIVOT * pivot
        value = -gradient[p]
        for k in range(held, p):
            pivot -= hessian[p, k] * hessian[p, k]
            value -= hessian[p, k] * step[k]
        if not pivot > floor:
            return -1.0
        hessian[p, p] = math.sqrt(pivot)
        step[p] = value / hessian[p, p]
        decrement += step[p] * step[p]
    for p in range(n_par - 1, held - 1, -1):
        value = step[p]
        for k in range(p + 1, n_par):
            value -= hessian[k, p] * step[k]
        step[p] = value / hessian[p, p]
    return decrement


@njit(cache=True, error_model="numpy")
def _steepest_fall(step, inverse):  # type: ignore[no-untyped-def]
    """Return max_i(-step_i / nu_i): the inverse is the step length that reaches the boundary; 0 if that is not near."""
    near = 0
    for i in range(step.size):  # counted in SIMD lanes, as a maximum is not
        near += -step[i] * inverse[i] > 0.5 * TO_BOUNDARY
    longest = 0.0
    if near > 0:
        for i in range(step.size):
            longest = max(longest, -step[i] * inverse[i])
    return longest


@njit(cache=True, error_model="numpy")
def _feasible(columns, held, counts, nu):  # type: ignore[no-untyped-def]
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
        for p in range(held, columns.shape[0]):
            if columns[p, i] != 0.0:
                return False
    return True


@njit(cache=True, error_model="numpy")
def _newton(columns, spans, held, counts, theta, centres, precision, warm, bins, small):  # type: ignore[no-untyped-def]
    """Newton steps of one fit; theta is updated in place. Return (status, iterations); RUNNING needs `_interior`."""
    nu, nu_step, inverse, ratio, curvature, weighted = bins[0], bins[1], bins[2], bins[3], bins[4], bins[5]
    step, blocked, iteration = small[1], 0, 0
    _expected(columns, spans, 0, theta, nu)
    if not _feasible(columns, held, counts, nu):
        return INFEASIBLE, 0
    while iteration < MAX_ITERATIONS and blocked < BLOCKED_STEPS:
        _terms(counts, nu, iteration == 0 and not warm, inverse, ratio, curvature)
        _information(columns, spans, held, theta, centres, precision, ratio, curvature, weighted, small)
        decrement = _cholesky_solve(held, small)
        if decrement < 0.0 or math.isnan(decrement):
            break
        _expected(columns, spans, held, step, nu_step)
        longest = _steepest_fall(nu_step, inverse)
        alpha, last = 1.0, False
        if iteration > CAUTIOUS and decrement > DECREMENT:
            alpha = 1.0 / (1.0 + math.sqrt(decrement))  # Boyd, eq. 9.50
        if alpha * longest > TO_BOUNDARY:
            alpha = TO_BOUNDARY / longest
            blocked += 1
        else:
            last = decrement < DECREMENT and (iteration > 0 or warm)
        for p in range(held, theta.size):
            theta[p] += alpha * step[p]
        for i in range(nu.size):
            nu[i] += alpha * nu_step[i]
        iteration += 1
        if last:
            return CONVERGED, iteration
    return RUNNING, iteration


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def _move_walls(counts, nu, nu_step, inverse, alpha, barrier, walls):  # type: ignore[no-untyped-def]
    """Move nu by its step and the multipliers z by theirs; return the mean of z_i nu_i over the empty bins."""
    longest, gap, number = 0.0, 0.0, 0
    for i in range(counts.size):
        if counts[i] == 0.0 and nu[i] > 0.0:
            longest = max(longest, 1.0 - (barrier / walls[i] - nu_step[i]) * inverse[i])
    dual = 1.0 if longest < INTERIOR_STEP else INTERIOR_STEP / longest
    for i in range(counts.size):
        wall = counts[i] == 0.0 and nu[i] > 0.0
        nu[i] += alpha * nu_step[i]
        if wall:
            z = walls[i]
            walls[i] = z + dual * ((barrier - z * nu_step[i]) * inverse[i] - z)
            gap += walls[i] * nu[i]
            number += 1
    return gap / number if number > 0 else 0.0  # eq. 11.59, per wall


@njit(cache=True, error_model="numpy")
def _interior(columns, spans, held, counts, theta, centres, precision, bins, small):  # type: ignore[no-untyped-def]
    """Primal-dual interior-point steps of one fit; theta is updated in place. Return (status, iterations).

    The multiplier z_i of nu_i >= 0 in an empty bin follows z_i nu_i = t, while t falls from start to stop.
    """
    nu, nu_step, inverse, ratio, curvature, weighted = bins[0], bins[1], bins[2], bins[3], bins[4], bins[5]
    walls, step, hessian, barrier = bins[6], small[1], small[2:], BARRIER_START
    walls[:] = 1.0
    _expected(columns, spans, 0, theta, nu)
    away = np.where(nu > 0.0, np.maximum(nu, BARRIER_START), nu)  # identifiable, away from the boundary?
    _wall_terms(counts, away, walls, barrier, inverse, ratio, curvature)
    _information(columns, spans, held, theta, centres, precision, ratio, curvature, weighted, small)
    if not _cholesky_solve(held, small) >= 0.0:
        return SINGULAR, 0
    for iteration in range(INTERIOR_ITERATIONS):
        _wall_terms(counts, nu, walls, barrier, inverse, ratio, curvature)
        _information(columns, spans, held, theta, centres, precision, ratio, curvature, weighted, small)
        for p in range(held, theta.size):
            hessian[p, p] *= 1.0 + RIDGE
        decrement = _cholesky_solve(held, small)
        if not decrement >= 0.0:
            return SINGULAR, iteration
        _expected(columns, spans, held, step, nu_step)
        longest = _steepest_fall(nu_step, inverse)
        alpha = 1.0 if longest < INTERIOR_STEP else INTERIOR_STEP / longest
        if iteration > INTERIOR_CAUTIOUS:
            alpha = min(alpha, 1.0 / (1.0 + math.sqrt(decrement)))  # eq. 9.50
        for p in range(held, theta.size):
            theta[p] += alpha * step[p]
        gap = _move_walls(counts, nu, nu_step, inverse, alpha, barrier, walls)
        last = alpha > 0.9 and decrement < 1e-3 * BARRIER_STOP
        if last and barrier == BARRIER_STOP and gap < 2.0 * BARRIER_STOP:
            for i in range(counts.size):
                if counts[i] == 0.0 and 0.0 < nu[i] < BOUNDARY_LEVEL:
                    return AT_BOUNDARY, iteration + 1
            return CONVERGED, iteration + 1
        if alpha > 0.5:
            barrier = max(BARRIER_STOP, min(barrier, BARRIER_FACTOR * gap))
    return NOT_CONVERGED, INTERIOR_ITERATIONS


@njit(cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def _deviance(counts, nu, ratio, mantissa):  # type: ignore[no-untyped-def]
    """Return sum_i (nu_i - n_i + n_i ln(n_i / nu_i)), with a logarithm that the compiler can vectorise.

    x = 2^e m with m in [sqrt(1/2), sqrt(2)), ln m = 2 (z + z^3 / 3 + ... + z^21 / 21), z = (m - 1) / (m + 1): the next
    term is below 1e-18.
    """
    total = 0.0
    ratio_bits, mantissa_bits = ratio.view(np.int64), mantissa.view(np.int64)
    for i in range(counts.size):
        ratio[i] = counts[i] / nu[i] if counts[i] > 0.0 else 1.0
    for i in range(counts.size):
        mantissa_bits[i] = (ratio_bits[i] & 0x000FFFFFFFFFFFFF) | 0x3FF0000000000000
    for i in range(counts.size):
        exponent = float((ratio_bits[i] >> 52) - 1023)
        big = mantissa[i] > SQRT_2
        m = 0.5 * mantissa[i] if big else mantissa[i]
        exponent = exponent + 1.0 if big else exponent
        z = (m - 1.0) / (m + 1.0)
        y = z * z
        series = 1.0 / 19.0 + y * (1.0 / 21.0)
        series = 1.0 / 15.0 + y * (1.0 / 17.0 + y * series)
        series = 1.0 / 11.0 + y * (1.0 / 13.0 + y * series)
        series = 1.0 / 7.0 + y * (1.0 / 9.0 + y * series)
        series = 1.0 / 3.0 + y * (1.0 / 5.0 + y * series)
        logarithm = exponent * LN_2 + 2.0 * (z + z * y * series)
        total += (nu[i] - counts[i]) + counts[i] * logarithm
    return total


@njit(cache=True, error_model="numpy")
def _fit(columns, spans, held, counts, theta, centres, precision, warm, bins, small):  # type: ignore[no-untyped-def]
    """Fit one data set; theta is updated in place. Return (nll, status, iterations).

    The likelihood is inf where the fit is infeasible, NaN where it failed.
    """
    status, steps = _newton(columns, spans, held, counts, theta, centres, precision, warm, bins, small)
    if status == RUNNING:
        status, more = _interior(columns, spans, held, counts, theta, centres, precision, bins, small)
        steps += more
    if status == INFEASIBLE:
        return math.inf, status, steps
    if status != CONVERGED and status != AT_BOUNDARY:
        return math.nan, status, steps
    nll = _deviance(counts, bins[0], bins[3], bins[4])
    for p in range(held, theta.size):
        pull = theta[p] - centres[p]
        nll += 0.5 * precision[p] * pull * pull
    return nll, status, steps


@njit(cache=True, error_model="numpy")
def _errors(columns, spans, held, counts, theta, centres, precision, status, bins, small, errors):  # type: ignore[no-untyped-def]
    """Fill the standard deviations from the inverse Hessian at the minimum; NaN unless the fit converged."""
    n_par = theta.size
    errors[:held], errors[held:] = 0.0, math.nan
    if status != CONVERGED:
        return
    nu, inverse, ratio, curvature, weighted = bins[0], bins[2], bins[3], bins[4], bins[5]
    _expected(columns, spans, 0, theta, nu)
    _terms(counts, nu, False, inverse, ratio, curvature)
    _information(columns, spans, held, theta, centres, precision, ratio, curvature, weighted, small)
    if _cholesky_solve(held, small) < 0.0:
        return
    row, hessian = small[1], small[2:]
    for p in range(held, n_par):  # errors_p^2 = (H^-1)_pp = sum_k (L^-1)_kp^2
        row[p] = 1.0 / hessian[p, p]
        total = row[p] ** 2
        for k in range(p + 1, n_par):
            value = 0.0
            for j in range(p, k):
                value -= hessian[k, j] * row[j]
            row[k] = value / hessian[k, k]
            total += row[k] ** 2
        errors[p] = math.sqrt(total)


@njit(cache=True, error_model="numpy", nogil=True)
def fit_rows(columns, model, held, counts, data, start, centres, precision, warm, want, nll, errors, status, steps):  # type: ignore[no-untyped-def]
    """Fit N rows: data set ``data[k]`` of D to model ``model[k]`` of M, the first `held` parameters at their start.

    Read columns (M, P, B), precision (M, P), counts (D, B), centres (N, P). start (N, P) becomes the result; fill nll,
    status and steps (N,), and errors (N, P) if they are wanted. Only rows whose status is RUNNING are fitted. Other
    threads may run meanwhile.
    """
    bins, small = np.zeros((7, columns.shape[2])), np.zeros((columns.shape[1] + 2, columns.shape[1]))
    spans, last = np.zeros((columns.shape[1], 2), np.int64), -1
    for k in range(model.size):
        if status[k] != RUNNING:
            continue
        m = model[k]
        a, n = columns[m], counts[data[k]]
        if m != last:
            _find_spans(a, spans)
            last = m
        nll[k], code, steps[k] = _fit(a, spans, held, n, start[k], centres[k], precision[m], warm, bins, small)
        status[k] = code
        if want:
            _errors(a, spans, held, n, start[k], centres[k], precision[m], code, bins, small, errors[k])
