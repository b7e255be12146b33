"""Likelihoods with several minima: where else to start, so that the lowest is found.

A source whose variations at +1 and -1 move a bin to the same side has a minimum on each side; so has a peak that may
move to either side, and a sample whose expectation ends at 0, inside and beyond that end. Every engine stays in the
minimum nearest to its start. `other_starts` gives the starts on the other sides of a minimum that was found, for each
such parameter and, where they are few, for their combinations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from bumphunt.engines.result import FitResult
from bumphunt.likelihood.likelihood import Likelihood

__all__ = ["LOWER", "ROUNDS", "lowest", "may_have_several", "other_starts", "several_minima"]

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

LOWER = 1e-7
"""How much lower another minimum must be in NLL: less is rounding."""
ROUNDS = 3
"""How often the other sides are tried again from a lower minimum."""
SIDE = 1.0
"""Where to start on another side, if the minimum is no further away [standard deviations]."""
FAR = 3.0
"""How far an end at 0, or a bend, is looked for [standard deviations]."""
CENTRAL = 0.5
"""Distance from the nominal value up to which both sides are tried."""
NEAR_END = 1e-3
"""Distance from where a factor ends at 0 within which a fit starts inside too."""
TOGETHER = 3
"""Parameters whose sides are tried in all combinations; of more, one by one and in pairs."""
FLUCTUATION = 3.0
"""Of a count, in standard deviations, beside the residual that is seen, for whether there may be two minima."""
CONVEX = 0.5
"""Loss of curvature in a parameter, whose constraint has curvature 1, up to which there is one minimum."""


def may_have_several(model: Likelihood) -> bool:
    """Return whether a likelihood may have several minima for some data."""
    return model.turning.size > 0 or bool(np.any(model.floors > -np.inf))


def several_minima(model: Likelihood, counts: Array, theta: Array) -> Indices:
    """Return the parameters in which there may be several minima near theta.

    The second derivative of the NLL in a constrained parameter is 1 from its constraint, something positive from the
    slopes of nu, and the sum of (1 - n_i / nu_i) d2nu_i: two minima need that to be negative enough.

    Parameters
    ----------
    model
        The likelihood.
    counts
        Of N data sets, shape ``(N, B)``.
    theta
        Parameters, shape ``(P,)``.
    """
    candidates = model.turning[~model.held[model.turning]]
    if candidates.size == 0:
        return candidates
    sides = (-FAR, -SIDE, 0.0, SIDE, FAR)
    points = np.tile(theta, (1 + len(sides) * candidates.size, 1))
    for k, p in enumerate(candidates):
        points[1 + len(sides) * k : 1 + len(sides) * (k + 1), p] = sides
    nu = np.array([model.expected(point) for point in points])[:, : model.n_bins]
    far_low, low, middle, high, far_high = (nu[1 + k :: len(sides)] for k in range(len(sides)))
    bend = np.maximum(np.abs(high - 2.0 * middle + low), np.abs(far_high - 2.0 * middle + far_low) / FAR)
    inverse = np.divide(1.0, nu[0], out=np.zeros_like(nu[0]), where=nu[0] > 0.0)
    residual = np.abs(1.0 - counts[:, : model.n_bins] * inverse).max(axis=0, initial=0.0)
    loss = bend @ (residual + FLUCTUATION / np.sqrt(np.maximum(nu[0], 0.0) + 1.0))
    return candidates[loss > CONVEX]


def other_starts(model: Likelihood, centres: Array, theta: Array, turning: Indices) -> Iterator[Array]:
    """Yield starts ``(N, P)`` on the other sides of the minima theta ``(N, P)`` of N data sets.

    Parameters
    ----------
    model
        The likelihood.
    centres
        Of the constraints of each data set, shape ``(N, P)``.
    theta
        Minima that were found.
    turning
        From `several_minima`.
    """
    several = range(1, (turning.size if turning.size <= TOGETHER else 2) + 1)
    for chosen in (list(some) for size in several for some in combinations(turning, size)):
        moved = theta.copy()
        near = theta[:, chosen]
        side = np.where(near >= 0.0, -1.0, 1.0) * np.maximum(np.abs(near), SIDE)
        moved[:, chosen] = side
        yield moved
        if np.any(np.abs(near) < CENTRAL):
            moved = theta.copy()
            moved[:, chosen] = -side
            yield moved
    near_end = model.floors + NEAR_END
    ends = np.flatnonzero(np.any((centres <= near_end) | (theta <= near_end), axis=0) & ~model.held)
    if ends.size > 0:
        for beyond in (False, True):
            moved, floors = theta.copy(), model.floors[ends]
            inside = np.where(floors < 0.0, 0.0, 1.0)
            moved[:, ends] = np.where(beyond & (centres[:, ends] < floors), centres[:, ends], inside)
            yield moved


def lowest(model: Likelihood, found: FitResult, fit: Callable[[Array], FitResult]) -> FitResult:
    """Return the fit of the lowest minimum.

    Parameters
    ----------
    model
        The likelihood.
    found
        A fit of it.
    fit
        Gives the fit that begins at a start.
    """
    for _ in range(ROUNDS if may_have_several(model) else 0):
        before = found
        theta = found.values if found.status.usable else model.start
        turning = several_minima(model, model.counts[None], theta)
        for start in other_starts(model, model.centres[None], theta[None], turning):
            other = fit(start[0])
            if other.status.usable and not (found.status.usable and other.nll > found.nll - LOWER):
                found = other
        if found is before:
            break
    return found
