"""The minimum of a likelihood that is not linear in its parameters, compiled: the steps of the engine "newton".

`fit_rows` makes many fits for `bumphunt.engines.newton`. The likelihood and its derivatives are those of
`bumphunt.likelihood.kernels`, in the arrays of `bumphunt.likelihood.flat`. Nothing here checks its input.

The minimum is found by Newton steps, damped where they fail (K. Levenberg, Quart. Appl. Math. 2 (1944) 164; D.
Marquardt, J. SIAM 11 (1963) 431). The second derivatives of nu that are left out (`bumphunt.likelihood.kernels`) slow
the convergence down, and do not move the minimum. Parameters that belong to one bin alone (Barlow and Beeston's) are
eliminated bin by bin: their block of the Hessian is a diagonal matrix plus one of rank one, whose inverse is known
(J. Sherman, W. J. Morrison, Ann. Math. Stat. 21 (1950) 124), so that they cost as little as bins do. A minimum where an
empty bin expects nothing is found by an interior-point method (`bumphunt.engines.walls`).

References
----------
S. Boyd, L. Vandenberghe, Convex Optimization (2004): appendix C.4 (block elimination).
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
from bumphunt.engines.newton_walls import at_end, at_wall, find_walls, narrow, wall_terms
from bumphunt.engines.walls import BARRIER_START, BLOCKED_STEPS, RIDGE, TO_BOUNDARY
from bumphunt.likelihood.flat import (
    BENT,
    BIN_PULL,
    BIN_RATIO,
    BIN_SUM,
    BIN_WEIGHT,
    CROSSED,
    FREE,
    FROZEN,
    GRADIENT,
    INVERSE,
    KINKED,
    NU,
    NU_STEP,
    OWN,
    PLACE,
    PRIOR,
    REDUCED,
    ROW,
    SOFT,
    STEP,
    TRIAL,
    WALLED,
    WALLS,
    WEIGHT,
    WEIGHTED,
    work_arrays,
)
from bumphunt.likelihood.kernels import curvature, expected_and_slopes, gradient, nll, terms
from bumphunt.likelihood.poisson import dot

__all__ = ["DataSets", "Fits", "fit_rows"]

Array = NDArray[np.float64]


class DataSets(NamedTuple):
    """The data of N fits, and the normal constraints."""

    counts: Array
    """(N, B)."""
    centres: Array
    """(N, P)."""
    precision: Array
    """(P,); 0 is no constraint."""


class Fits(NamedTuple):
    """What is filled of N fits."""

    nll: Array
    """(N,)."""
    status: NDArray[np.int8]
    """(N,); only those that are RUNNING are fitted."""
    steps: NDArray[np.int32]
    """(N,)."""
    slope: Array
    """Slope of the NLL in the first parameter, (N,)."""


MAX_STEPS = 100
"""Newton steps before the interior-point method takes over; five are usual."""
DECREMENT = 1e-9
"""Twice the estimated distance to the minimum, in NLL, at which the last step is taken."""
NOISE = 1e-14
"""Relative rounding error of the NLL: an increase below it is none."""
FAILED_STEPS = 4
"""Newton steps that may fail before the interior-point method takes over, where parts of the expectation end at 0."""
INTERIOR_STEPS = 400
"""Steps of the interior-point method before a fit is given up."""
FIRST_DAMPING, MOST_DAMPING, LITTLE_DAMPING = 1e-3, 1e12, 1e-5
"""Relative increase of the Hessian's diagonal after a step that failed, when a fit is given up, and taken for none."""
SINGULAR_PIVOT = 1e-11
"""Smallest pivot of the scaled Hessian that says that the parameters are determined."""
SHARPNESS, CLIPPED_STOP = 0.01, 1e-9
"""Width within which ends at 0 are rounded off, in units of the barrier: what is left there is less than what a wall
leaves; the barrier to stop at then [counts]."""
CENTRED = 1e-3
"""Decrement at which the width within which ends at 0 are rounded off may fall, where the barrier is lower."""
FURTHER, FURTHER_BELOW, FURTHER_GAIN, LINEAR_FALL = 8.0, 1e-2, 0.7, (0.2, 1.2)
"""Where an exponential fades, or comes back, each step leaves 1 / e, or more, of the distance to the minimum: how many
steps are then taken at once, the decrement from which on, the least gain of that in decrements, and the ratios of two
decrements that say so."""
CROSSINGS, RELEASES = 2, 6
"""Steps across the kink of a piecewise interpolation after which it is held there; how often it may be let go."""
KINK_SLOPE = 1e-5
"""Slope of the NLL on a side of a kink that is called downhill [per standard deviation]."""


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def _assemble(flat, damping, work):  # type: ignore[no-untyped-def]
    """Fill Hessian and right-hand side of the dense parameters with the others eliminated; after the gradient."""
    _eliminate(flat, damping, work)
    for m in range(flat.dense.shape[0]):
        p, low, high = flat.dense[m, 0], flat.dense[m, 1], flat.dense[m, 2]
        row, weighted = work.slopes[m], work.bins[WEIGHTED]
        work.hessian[m, :] = 0.0
        if not work.flags[FREE, p]:
            work.hessian[m, m], work.vectors[REDUCED, m] = 1.0, 0.0
            continue
        work.vectors[REDUCED, m] = work.parameters[GRADIENT, p] - dot(row[low:high], work.bins[BIN_RATIO, low:high])
        for i in range(low, high):
            weighted[i] = work.bins[BIN_WEIGHT, i] * row[i]
        for k in range(m):
            first, last = max(low, flat.dense[k, 1]), min(high, flat.dense[k, 2])
            if first < last and work.flags[FREE, flat.dense[k, 0]]:
                work.hessian[m, k] = dot(weighted[first:last], work.slopes[k, first:last]) + work.curvature[m, k]
        bend = dot(weighted[low:high], row[low:high]) + work.parameters[PRIOR, p] + work.curvature[m, m]
        work.hessian[m, m] = bend * (1.0 + RIDGE)
        if damping > 0.0:
            scale = work.parameters[PRIOR, p]
            for i in range(low, high):
                scale += row[i] * row[i] * work.bins[INVERSE, i]
            work.hessian[m, m] += damping * max(bend, scale) + 1e-300


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def _eliminate(flat, damping, work):  # type: ignore[no-untyped-def]
    """Fill what the parameters that are at home in a bin leave of its weight, and take from its 1 - n / nu."""
    slope = work.parameters[GRADIENT]
    for i in range(flat.n_bins):
        weight, total, pull = work.bins[WEIGHT, i], 0.0, 0.0
        for k in range(flat.home[i], flat.home[i + 1]):
            p = flat.at_home[k]
            if work.flags[FREE, p]:
                a = work.parameters[OWN, p]
                work.parameters[PRIOR, p] += damping * (work.parameters[PRIOR, p] + weight * a * a) + 1e-300
                total += a * a / work.parameters[PRIOR, p]
                pull += a * slope[p] / work.parameters[PRIOR, p]
        work.bins[BIN_SUM, i], work.bins[BIN_PULL, i] = total, pull
        work.bins[BIN_WEIGHT, i] = weight / (1.0 + weight * total)
        work.bins[BIN_RATIO, i] = work.bins[BIN_WEIGHT, i] * pull


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def _solve(flat, work):  # type: ignore[no-untyped-def]
    """Fill the step of all parameters and of nu from the factored Hessian; return the decrement -g step."""
    n, reduced, nu_step = flat.dense.shape[0], work.vectors[REDUCED], work.bins[NU_STEP]
    for m in range(n):
        reduced[m] = -reduced[m]
    forward(work.hessian, 0, reduced)
    backward(work.hessian, 0, reduced)
    nu_step[: flat.n_bins] = 0.0
    decrement = 0.0
    for m in range(n):
        p = flat.dense[m, 0]
        step = reduced[m] if work.flags[FREE, p] else 0.0
        work.parameters[STEP, p] = step
        decrement -= step * work.parameters[GRADIENT, p]
        for i in range(flat.dense[m, 1], flat.dense[m, 2]):
            nu_step[i] += step * work.slopes[m, i]
    for i in range(flat.n_bins):
        y, weight, total = nu_step[i], work.bins[WEIGHT, i], work.bins[BIN_SUM, i]
        for k in range(flat.home[i], flat.home[i + 1]):
            p = flat.at_home[k]
            work.parameters[STEP, p] = 0.0
            if work.flags[FREE, p]:
                a, slope = work.parameters[OWN, p], work.parameters[GRADIENT, p]
                common = weight * (work.bins[BIN_PULL, i] + weight * total * y) / (1.0 + weight * total)
                step = (a * (common - weight * y) - slope) / work.parameters[PRIOR, p]
                work.parameters[STEP, p] = step
                decrement -= step * slope
                nu_step[i] += a * step
    for p in range(flat.tau.size):
        if flat.parameters[p, ROW] >= 0:
            nu_step[flat.parameters[p, ROW]] = flat.tau[p] * work.parameters[STEP, p]
    return decrement


@njit(cache=True, error_model="numpy")
def _fall(flat, n, strength, work):  # type: ignore[no-untyped-def]
    """Return the steepest fall of those of the n expected counts that must stay positive.

    Under an exponential they do where the strength stays positive.
    """
    step, walled, soft = work.bins[NU_STEP, :n], work.bins[WALLED, :n], work.bins[SOFT, :n]
    negative = strength + work.parameters[STEP, 0] < 0.0
    for i in range(n):
        step[i] *= walled[i]
    if negative or not flat.exponential:
        return walls.steepest_fall(step, work.bins[INVERSE, :n])
    longest = 0.0
    for i in range(n):
        longest = max(longest, -step[i] * work.bins[INVERSE, i] * (1.0 - soft[i]))
    return longest


@njit(cache=True, error_model="numpy")
def _stuck(flat, counts, work):  # type: ignore[no-untyped-def]
    """Return whether a row expects nothing, but would expect something at other values of free parameters."""
    for i in range(counts.size):
        if work.bins[NU, i] > 0.0:
            continue
        for p in range(flat.tau.size):
            if flat.parameters[p, ROW] == i and work.flags[FREE, p]:
                return True
        if i < flat.n_bins:
            for m in range(flat.dense.shape[0]):
                if work.flags[FREE, flat.dense[m, 0]] and work.slopes[m, i] != 0.0:
                    return True
            for k in range(flat.home[i], flat.home[i + 1]):
                if work.flags[FREE, flat.at_home[k]] and work.parameters[OWN, flat.at_home[k]] != 0.0:
                    return True
    return False


@njit(cache=True, error_model="numpy")
def _moved(flat, theta, alpha, work):  # type: ignore[no-untyped-def]
    """Fill the trial parameters; one that keeps stepping across its kink is held there."""
    for p in range(theta.size):
        work.parameters[TRIAL, p] = theta[p] + alpha * work.parameters[STEP, p]
        if flat.parameters[p, KINKED] and (work.parameters[TRIAL, p] >= 0.0) != (theta[p] >= 0.0):
            work.flags[CROSSED, p] += 1
            if work.flags[CROSSED, p] >= CROSSINGS:
                work.parameters[TRIAL, p], work.flags[FREE, p], work.flags[FROZEN, p] = 0.0, 0, 1


@njit(cache=True, error_model="numpy")
def _tried(flat, counts, centres, precision, theta, alpha, work):  # type: ignore[no-untyped-def]
    """Move the trial parameters by a part of the step; return the NLL there."""
    _moved(flat, theta, alpha, work)
    expected_and_slopes(flat, work.parameters[TRIAL], work)
    return nll(counts, centres, precision, work.parameters[TRIAL], work)


@njit(cache=True, error_model="numpy")
def _less(damping):  # type: ignore[no-untyped-def]
    """Return the damping after a step that succeeded."""
    return 0.1 * damping if damping > LITTLE_DAMPING else 0.0


@njit(cache=True, error_model="numpy", inline="always")
def _newton(flat, counts, centres, precision, theta, warm, work):  # type: ignore[no-untyped-def]
    """Damped Newton steps of one fit; theta is updated in place. Return (nll, status, steps); RUNNING asks for more."""
    trial = work.parameters[TRIAL]
    expected_and_slopes(flat, theta, work)
    value = nll(counts, centres, precision, theta, work)
    if value == math.inf or _stuck(flat, counts, work):
        return math.inf, RUNNING if flat.clips else INFEASIBLE, 0
    find_walls(flat, counts, theta, work)
    damping, least, blocked, failed, before, fisher = 0.0, 0.0, 0, 0, 0.0, not warm
    for steps in range(MAX_STEPS):
        terms(counts, fisher, work)
        if fisher:
            work.curvature[:] = 0.0
        else:
            curvature(flat, theta, work)
        gradient(flat, counts, centres, precision, theta, work)
        _assemble(flat, damping, work)
        if not factor(work.hessian, 0, PIVOT):
            if flat.exponential and not fisher:  # never negative
                fisher = True
                continue
            damping, least, fisher = max(10.0 * damping, FIRST_DAMPING), 1e-9, False
            continue
        decrement = _solve(flat, work)
        longest, alpha, fisher = _fall(flat, counts.size, theta[0], work), 1.0, False
        if longest > TO_BOUNDARY:
            alpha = TO_BOUNDARY / longest
            blocked += 1
        elif (
            flat.exponential
            and decrement < FURTHER_BELOW
            and LINEAR_FALL[0] * before < decrement < LINEAR_FALL[1] * before
        ):
            alpha = FURTHER
        new = _tried(flat, counts, centres, precision, theta, alpha, work)
        if alpha > 1.0 and not new < value - FURTHER_GAIN * decrement:
            alpha = 1.0
            new = _tried(flat, counts, centres, precision, theta, alpha, work)
        before = decrement if alpha == 1.0 and damping < 0.1 else 0.0
        last = alpha == 1.0 and damping < 0.1 and decrement < DECREMENT and (steps > 0 or warm)
        if new <= value + NOISE * (1.0 + abs(value)):
            theta[:] = trial
            value, damping = new, max(least, _less(damping))
        else:  # no lower point, within rounding if this was the last step
            expected_and_slopes(flat, theta, work)
            damping = damping if last else max(10.0 * damping, FIRST_DAMPING)
            failed += 1
        if last:
            return value, CONVERGED, steps + 1
        if blocked >= BLOCKED_STEPS or not damping < MOST_DAMPING or (flat.clips and failed >= FAILED_STEPS):
            return value, RUNNING, steps + 1
    return value, RUNNING, MAX_STEPS


@njit(cache=True, error_model="numpy")
def _merit(counts, barrier, value, work):  # type: ignore[no-untyped-def]
    """Return the NLL with the barrier -t ln nu of the empty rows that have a wall."""
    for i in range(counts.size):
        if counts[i] == 0.0 and work.bins[INVERSE, i] > 0.0:
            if not work.bins[NU, i] > 0.0:
                return math.inf
            value -= barrier * math.log(work.bins[NU, i])
    return value


@njit(cache=True, error_model="numpy", inline="always")
def _interior(flat, counts, centres, precision, theta, work):  # type: ignore[no-untyped-def]
    """Interior-point steps of one fit; theta is updated in place. Return (nll, status, steps).

    What ends at 0 is rounded off within a width that falls with the barrier: the NLL has no kinks on the way.
    """
    n, trial = counts.size, work.parameters[TRIAL]
    nu, step, inverse, wall = work.bins[NU, :n], work.bins[NU_STEP, :n], work.bins[INVERSE, :n], work.bins[WALLS, :n]
    expected_and_slopes(flat, theta, work)
    find_walls(flat, counts, theta, work)
    wall[:] = 1.0
    barrier, stop, damping = BARRIER_START, walls.last_barrier(counts), 0.0
    if flat.clips:
        stop = max(stop, CLIPPED_STOP)
    value = nll(counts, centres, precision, theta, work)
    for steps in range(INTERIOR_STEPS):
        if flat.clips and work.width[0] != SHARPNESS * barrier:
            narrow(flat, counts, SHARPNESS * barrier, theta, work)
            value = nll(counts, centres, precision, theta, work)
            if value == math.inf:
                break
        wall_terms(counts, barrier, work)
        curvature(flat, theta, work)
        gradient(flat, counts, centres, precision, theta, work)
        _assemble(flat, damping, work)
        if not factor(work.hessian, 0, 0.0):
            damping = max(10.0 * damping, 1e-9)
            continue
        decrement = _solve(flat, work)
        alpha = walls.interior_length(_fall(flat, n, theta[0], work))
        merit = _merit(counts, barrier, value, work)
        new = _tried(flat, counts, centres, precision, theta, alpha, work)
        small = alpha * decrement < 1e-3 * stop and new < math.inf
        if not (small or _merit(counts, barrier, new, work) <= merit + NOISE * (1.0 + abs(merit))):
            expected_and_slopes(flat, theta, work)
            damping = max(10.0 * damping, FIRST_DAMPING)
            if not damping < MOST_DAMPING:
                break
            continue
        theta[:], value, damping = trial, new, _less(damping)
        gap = walls.move_walls(counts, nu, step, inverse, barrier, wall)
        last = alpha > 0.9 and damping < 0.1 and decrement < 0.1 * stop
        if last and barrier == stop and gap < 2.0 * stop:
            status = AT_BOUNDARY if at_wall(flat, counts, work) or at_end(flat, theta, work) else CONVERGED
            work.width[0] = 0.0
            expected_and_slopes(flat, theta, work)
            exact = nll(counts, centres, precision, theta, work)
            return (exact, status, steps + 1) if exact < math.inf else (value, status, steps + 1)
        if flat.clips and alpha > 0.5 and decrement < max(barrier, CENTRED):
            barrier = max(walls.next_barrier(barrier, gap, stop), 0.1 * barrier)
        elif not flat.clips and alpha > 0.5:
            barrier = walls.next_barrier(barrier, gap, stop)
    work.width[0] = 0.0
    return value, INFEASIBLE if value == math.inf else NOT_CONVERGED, INTERIOR_STEPS


@njit(cache=True, error_model="numpy")
def _slope_at(flat, counts, centres, precision, theta, work):  # type: ignore[no-untyped-def]
    """Fill gradient and expected information of the NLL at some parameters."""
    work.parameters[BENT] = 0.0
    expected_and_slopes(flat, theta, work)
    terms(counts, True, work)
    work.curvature[:] = 0.0
    gradient(flat, counts, centres, precision, theta, work)
    _assemble(flat, 0.0, work)


@njit(cache=True, error_model="numpy", inline="always")
def _released(flat, counts, centres, precision, theta, work):  # type: ignore[no-untyped-def]
    """Let go of parameters that are held at a kink though the likelihood rises on one of its sides; return how many."""
    released = 0
    for side in (1.0, -1.0):
        for p in range(theta.size):
            if work.flags[FROZEN, p] and abs(theta[p]) < 1e-100:
                theta[p] = 0.0 if side > 0.0 else -1e-200
        _slope_at(flat, counts, centres, precision, theta, work)
        for p in range(theta.size):
            if work.flags[FROZEN, p] and side * work.parameters[GRADIENT, p] < -KINK_SLOPE:
                work.flags[FROZEN, p], work.flags[FREE, p], work.flags[CROSSED, p] = 0, 1, 0
                released += 1
    for p in range(theta.size):
        if work.flags[FROZEN, p] and abs(theta[p]) < 1e-100:
            theta[p] = 0.0
    return released


@njit(cache=True, error_model="numpy", inline="always")
def _fit(flat, free, counts, centres, precision, theta, warm, work):  # type: ignore[no-untyped-def]
    """Fit one data set; theta is updated in place. Return (nll, status, steps, slope in the strength).

    The likelihood is inf where the fit is infeasible, NaN where it failed.
    """
    work.flags[FREE], work.flags[FROZEN], work.flags[CROSSED] = free, 0, 0
    work.width[0], work.parameters[BENT], work.bins[WALLS] = 0.0, 0.0, 0.0
    total = 0
    for attempt in range(RELEASES):
        value, status, steps = _newton(flat, counts, centres, precision, theta, warm or attempt > 0, work)
        total += steps
        if status == RUNNING:
            value, status, steps = _interior(flat, counts, centres, precision, theta, work)
            total += steps
        if status > AT_BOUNDARY or not work.flags[FROZEN].any():
            break
        if _released(flat, counts, centres, precision, theta, work) == 0:
            break
    if status > AT_BOUNDARY:
        return (math.inf if status == INFEASIBLE else math.nan), status, total, math.nan
    _slope_at(flat, counts, centres, precision, theta, work)
    slope = work.parameters[GRADIENT, 0]
    if status == AT_BOUNDARY and not free[0]:
        slope -= _pushed(flat, counts, work)
    if free[0] and status == CONVERGED and not factor(work.hessian, 0, SINGULAR_PIVOT):
        return math.nan, SINGULAR, total, math.nan
    return value, status, total, slope


@njit(cache=True, error_model="numpy")
def _pushed(flat, counts, work):  # type: ignore[no-untyped-def]
    """Return what the multipliers of walls take from the slope in the strength: these push as nu does."""
    m, total = flat.parameters[0, PLACE], 0.0
    if m < 0:
        return total
    for i in range(flat.n_bins):
        if counts[i] == 0.0 and work.bins[WALLED, i] > 0.0:
            total += work.bins[WALLS, i] * work.slopes[m, i]
    return total


@njit(cache=True, error_model="numpy", nogil=True)
def fit_rows(flat, free, data, theta, found, warm):  # type: ignore[no-untyped-def]
    """Fit N data sets, of which only those whose status is RUNNING are fitted.

    theta (N, P) is the start, and becomes the result; `free` (P,) says what is fitted. Other threads may run meanwhile.
    """
    work = work_arrays(flat)
    counts, centres, precision = data.counts, data.centres, data.precision
    nll, status, steps, slope = found.nll, found.status, found.steps, found.slope
    for k in range(nll.size):
        if status[k] == RUNNING:
            nll[k], code, steps[k], slope[k] = _fit(flat, free, counts[k], centres[k], precision, theta[k], warm, work)
            status[k] = code
