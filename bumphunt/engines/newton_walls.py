"""What must stay positive, and what ends at zero, on the way of a fit of the engine "newton"; compiled.

Part of `bumphunt.engines.newton_kernels`. An expectation that could become negative has a wall at 0
(`bumphunt.engines.walls`). One that ends at 0 has a kink there instead, which interior-point steps round off.
"""

from __future__ import annotations

from bumphunt.compilation import njit
from bumphunt.engines import walls
from bumphunt.engines.walls import BOUNDARY_LEVEL
from bumphunt.likelihood.flat import (
    CLIP_BEND,
    CLIPPED,
    EXPONENTIAL,
    FACTOR_AT,
    FACTOR_CLIPPED,
    FACTOR_INDEX,
    FACTOR_KIND,
    FACTORS,
    FIRST,
    FREE,
    INVERSE,
    KIND,
    LAST,
    LINEAR,
    NU,
    NU_STEP,
    OWN,
    PLACE,
    RATIO,
    SOFT,
    TEMPLATE,
    TERMS,
    WALLED,
    WALLS,
    WEIGHT,
)
from bumphunt.likelihood.kernels import expected_and_slopes
from bumphunt.likelihood.shape_kernels import fill_shape

__all__ = ["at_end", "at_wall", "find_walls", "narrow", "wall_terms"]

ALONE = 1e-12
"""Relative expectation beside that of the strength that is none."""
LEFT = 0.1
"""Fraction of an expectation that may be left when what ends at 0 is rounded off less."""


@njit(cache=True, error_model="numpy")
def find_walls(flat, counts, theta, work):  # type: ignore[no-untyped-def]
    """Fill which rows must be kept positive (1, else 0): those with counts, and those that could become negative.

    Auxiliary counts can, and bins with a part that changes sign: one that is linear in a free parameter and does not
    end at 0, or is negative already. All else only comes close to 0: peaks of positive strength, exponentials, power
    factors. Counts under an exponential need no wall, and bins where only the strength changes sign need a soft one. nu
    has been filled.
    """
    walled, soft = work.bins[WALLED], work.bins[SOFT]
    walled[: flat.n_bins], soft[: flat.n_bins] = 0.0, 0.0
    walled[flat.n_bins : flat.n_rows], soft[flat.n_bins : flat.n_rows] = 1.0, 0.0
    for c in range(flat.components.shape[0]):
        if flat.components[c, KIND] == EXPONENTIAL:
            soft[flat.components[c, FIRST] : flat.components[c, LAST]] = 1.0
    for c in range(flat.components.shape[0]):
        negative, n_terms = False, flat.components[c, TERMS + 1] - flat.components[c, TERMS]
        hard = flat.components[c, KIND] == TEMPLATE and n_terms > 0 and flat.components[c, CLIPPED] < 0
        free = hard
        for f in range(flat.components[c, FACTORS], flat.components[c, FACTORS + 1]):
            kind, p, at = flat.factors[f, FACTOR_KIND], flat.factors[f, FACTOR_INDEX], flat.factors[f, FACTOR_AT]
            moves = kind == LINEAR and flat.factors[f, FACTOR_CLIPPED] == 0
            free = free or (moves and work.flags[FREE, p] == 1)
            hard = hard or (moves and p != 0 and work.flags[FREE, p] == 1)
            if moves and flat.values[at] + flat.values[at + 1] * theta[p] < 0.0:
                negative = not negative
        if free or negative:
            walled[flat.components[c, FIRST] : flat.components[c, LAST]] = 1.0
        if hard:
            soft[flat.components[c, FIRST] : flat.components[c, LAST]] = 0.0
    _keep_one_wall(flat, theta, work)
    for i in range(flat.n_bins):
        if counts[i] > 0.0:
            walled[i] = max(walled[i], 1.0 - soft[i])
        elif not work.bins[NU, i] > 0.0:
            walled[i] = 0.0


@njit(cache=True, error_model="numpy")
def _keep_one_wall(flat, theta, work):  # type: ignore[no-untyped-def]
    """Leave one wall to the bins where only the strength is expected: they all say that it is not negative.

    A peak has many of them in its tails, with expectations that are too small for numbers to tell their walls apart.
    """
    m, best = flat.parameters[0, PLACE], -1
    if m < 0 or not work.flags[FREE, 0]:
        return
    for i in range(flat.n_bins):
        nu, slope = work.bins[NU, i], work.slopes[m, i]
        if slope > 0.0 and abs(nu - theta[0] * slope) <= ALONE * abs(nu):
            work.bins[WALLED, i] = 0.0
            if best < 0 or slope > work.slopes[m, best]:
                best = i
    if best >= 0:
        work.bins[WALLED, best] = 1.0


@njit(cache=True, error_model="numpy")
def wall_terms(counts, barrier, work):  # type: ignore[no-untyped-def]
    """Fill what the terms of the NLL and the walls make of nu: see `bumphunt.engines.walls.wall_terms`."""
    n = counts.size
    nu, wall, inverse = work.bins[NU, :n], work.bins[WALLS, :n], work.bins[INVERSE, :n]
    walls.wall_terms(counts, nu, wall, barrier, inverse, work.bins[RATIO, :n], work.bins[WEIGHT, :n])
    for i in range(n):
        if counts[i] == 0.0 and work.bins[WALLED, i] == 0.0:
            inverse[i], work.bins[RATIO, i], work.bins[WEIGHT, i] = 0.0, 1.0, 0.0


@njit(cache=True, error_model="numpy")
def at_wall(flat, counts, work):  # type: ignore[no-untyped-def]
    """Return whether an empty row that has a wall expects next to nothing, even beside its slopes."""
    for i in range(counts.size):
        nu = work.bins[NU, i]
        if counts[i] > 0.0 or work.bins[WALLED, i] == 0.0 or not 0.0 < nu < BOUNDARY_LEVEL:
            continue
        steepest = 1.0 if i >= flat.n_bins else 0.0
        if i < flat.n_bins:
            for m in range(flat.dense.shape[0]):
                if work.flags[FREE, flat.dense[m, 0]]:
                    steepest = max(steepest, abs(work.slopes[m, i]))
            for k in range(flat.home[i], flat.home[i + 1]):
                steepest = max(steepest, abs(work.parameters[OWN, flat.at_home[k]]))
        if nu < BOUNDARY_LEVEL * min(steepest, 1.0):
            return True
    return False


@njit(cache=True, error_model="numpy")
def narrow(flat, counts, width, theta, work):  # type: ignore[no-untyped-def]
    """Set the width within which ends at 0 are rounded off, and raise a free strength by what walls lose thereby."""
    n, m, before = counts.size, flat.parameters[0, PLACE], work.bins[NU_STEP]
    before[:n] = work.bins[NU, :n]
    work.width[0] = width
    expected_and_slopes(flat, theta, work)
    if m < 0 or not work.flags[FREE, 0]:
        return
    lost = 0.0
    for i in range(flat.n_bins):
        nu, slope = work.bins[NU, i], work.slopes[m, i]
        if work.bins[WALLED, i] > 0.0 and slope > 0.0 and nu < LEFT * before[i]:
            lost = max(lost, (before[i] - nu) / slope)
    if lost > 0.0:
        theta[0] += lost
        expected_and_slopes(flat, theta, work)


@njit(cache=True, error_model="numpy")
def at_end(flat, theta, work):  # type: ignore[no-untyped-def]
    """Return whether a part of the expectation is where it ends at 0, so that the NLL has a kink there."""
    work.width[0] = BOUNDARY_LEVEL
    bent = 0.1 / BOUNDARY_LEVEL  # of what is rounded off: its largest second derivative is a quarter of 1 / width
    for c in range(flat.components.shape[0]):
        if flat.components[c, CLIPPED] >= 0:
            fill_shape(flat, c, theta, work)
            for i in range(flat.components[c, LAST] - flat.components[c, FIRST]):
                if work.bins[CLIP_BEND, i] > bent:
                    return True
        for f in range(flat.components[c, FACTORS], flat.components[c, FACTORS + 1]):
            at, p = flat.factors[f, FACTOR_AT], flat.factors[f, FACTOR_INDEX]
            if flat.factors[f, FACTOR_CLIPPED] == 0:
                continue
            if flat.factors[f, FACTOR_KIND] == LINEAR:
                near = abs(flat.values[at] + flat.values[at + 1] * theta[p]) < BOUNDARY_LEVEL
                if near and work.flags[FREE, p]:
                    return True
                continue
            for i in range(flat.components[c, LAST] - flat.components[c, FIRST]):
                p = flat.bins[at + i]
                if p >= 0 and work.flags[FREE, p] and abs(theta[p]) < BOUNDARY_LEVEL:
                    return True
    return False
