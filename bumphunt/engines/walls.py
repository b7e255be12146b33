"""Walls nu >= 0 of empty bins, compiled: how far a step may go, and the interior-point method, for both kernels.

An empty bin contributes nu alone to the NLL and has no logarithm that keeps it positive. A minimum with nu = 0 is found
by primal-dual interior-point steps: the multiplier z_i of nu_i >= 0 follows z_i nu_i = t, while the barrier t falls
from start to stop.

References
----------
S. Boyd, L. Vandenberghe, Convex Optimization (2004): section 11.7 (eq. 11.54: the step; 11.59: the surrogate duality
gap).
"""

from __future__ import annotations

from bumphunt.compilation import njit

__all__ = [
    "at_boundary",
    "interior_length",
    "last_barrier",
    "move_walls",
    "next_barrier",
    "steepest_fall",
    "wall_terms",
]

TO_BOUNDARY, BLOCKED_STEPS = 0.9, 4
"""Largest fraction of the way to nu = 0 taken in one step; how many such steps before the interior-point method."""
INTERIOR_STEP = 0.95
"""Largest fraction of the way to nu = 0, or to a multiplier of 0, taken in one interior-point step."""
BARRIER_START, BARRIER_STOP, BARRIER_FACTOR = 0.1, 1e-10, 0.1
"""Barrier strength [counts per empty bin]: the likelihood is off by less than its last value times the bins."""
ROUNDING = 1e-14
"""Rounding error of a small nu, in units of the largest count: the barrier stops above it."""
BOUNDARY_LEVEL = 1e-6
"""An empty bin whose expected count is below this is at the boundary [events]."""
RIDGE = 1e-12
"""Relative increase of the Hessian's diagonal against rounding of walls of 1 / nu^2."""


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def wall_terms(counts, nu, walls, barrier, inverse, ratio, weight):  # type: ignore[no-untyped-def]
    """As `bumphunt.likelihood.poisson.terms`, where an empty bin has 1 - t / nu_i and z_i / nu_i."""
    for i in range(counts.size):
        x, n = nu[i], counts[i]
        y = 1.0 / x if x > 0.0 else 0.0
        inverse[i] = y
        ratio[i] = 1.0 - (n if n > 0.0 else barrier) * y
        weight[i] = (n * y if n > 0.0 else walls[i]) * y


@njit(cache=True, error_model="numpy")
def steepest_fall(step, inverse):  # type: ignore[no-untyped-def]
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
def interior_length(longest):  # type: ignore[no-untyped-def]
    """Return the length of an interior-point step with a steepest fall."""
    return 1.0 if longest < INTERIOR_STEP else INTERIOR_STEP / longest


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def move_walls(counts, nu, step, inverse, barrier, walls):  # type: ignore[no-untyped-def]
    """Move the multipliers z by their step; return the mean of z_i nu_i over the empty bins.

    nu (B,) has moved already; its step and the inverse are those of where it was.
    """
    longest, gap, number = 0.0, 0.0, 0
    for i in range(counts.size):
        if counts[i] == 0.0 and inverse[i] > 0.0:
            longest = max(longest, 1.0 - (barrier / walls[i] - step[i]) * inverse[i])
    dual = interior_length(longest)
    for i in range(counts.size):
        if counts[i] == 0.0 and inverse[i] > 0.0:
            z = walls[i]
            walls[i] = z + dual * ((barrier - z * step[i]) * inverse[i] - z)
            gap += walls[i] * nu[i]
            number += 1
    return gap / number if number > 0 else 0.0  # eq. 11.59, per wall


@njit(cache=True, error_model="numpy")
def last_barrier(counts):  # type: ignore[no-untyped-def]
    """Return the barrier to stop at."""
    return max(BARRIER_STOP, ROUNDING * counts.max())


@njit(cache=True, error_model="numpy")
def next_barrier(barrier, gap, stop):  # type: ignore[no-untyped-def]
    """Return the barrier after a step that left a gap."""
    return max(stop, min(barrier, BARRIER_FACTOR * gap))


@njit(cache=True, error_model="numpy")
def at_boundary(counts, nu):  # type: ignore[no-untyped-def]
    """Return whether an empty bin that could expect something expects next to nothing."""
    found = 0
    for i in range(counts.size):
        found += counts[i] == 0.0 and 0.0 < nu[i] < BOUNDARY_LEVEL
    return found > 0
