"""Fits of few events over an exponential background: their two minima, and where to start for each.

Without signal such a likelihood is convex in the coefficients. With a signal the events under the peak are explained by
the background, which is found from the fit without signal, or by the signal: then the background is that of the other
events, and may have faded away. Both are tried, and the lower one is taken: of 500 random spectra of up to 30 events
one had a third, at order 3. Where the strength is free and neither ends, the strength is found as the root of
the slope of the profile likelihood.

Data sets with equal counts, which are many where few events are expected, differ by the centres of their constraints
alone: they start from the minima of the first of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bumphunt.engines.minima import LOWER
from bumphunt.engines.result import FitResults, FitStatus, put_rows
from bumphunt.engines.start import FEW
from bumphunt.likelihood.flat import EXPONENTIAL, KIND, TERMS
from bumphunt.likelihood.likelihood import Likelihood

__all__ = ["Fitter", "Without", "equal_rows", "fit_few", "fit_others", "hard"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Indices = NDArray[np.intp]
Data = tuple[Array, ...]
Fitter = Callable[..., FitResults]
"""Gives the fits to counts, centres and starts of N data sets, each of the minimum nearest to its start; keywords
`strength_free` and `warm`."""

CORE = 0.01
"""Signal in a bin, in units of its most, from which on an event there may be signal."""
FIRST = 0.1
"""Strength to start with where there is nothing under the peak [events, about]."""
SHARE = 0.1
"""Expectation of a background at an event, in units of the mean count, below which it does not explain the event."""
CLOSE = 3.0
"""NLL above the lowest minimum up to which another one may be the lower one for other centres of constraints."""
SEARCH_STEPS, SLOPE = 60, 1e-5
"""Fits at held strengths before a search for the root of the slope is given up; slope, per event, that is none."""


def hard(model: Likelihood, counts: Array, found: FitResults, *, strength_free: bool) -> Flags:
    """Return which of N fits of many events may be at the wrong minimum, or failed, shape ``(N,)``."""
    without = found.values.copy()
    without[:, 0] = 0.0
    observed = counts[:, : model.n_bins]
    gone = model.expected_many(without)[:, : model.n_bins] < SHARE * observed.mean(axis=1, keepdims=True)
    at_event = np.any(gone & (observed > 0.0), axis=1) & (found.values[:, 0] != 0.0)
    return at_event | (strength_free & (found.status == FitStatus.NOT_CONVERGED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Without:
    """Fits without signal to N data sets.

    Parameters
    ----------
    null
        To all events.
    others
        To those that are not under the peak, usable where `_loose` asks for them; None if there is no exponential.
    """

    null: FitResults
    others: FitResults | None = None

    def rows(self, index: Indices) -> Without:
        """Return those of some data sets."""
        return Without(null=self.null.rows(index), others=None if self.others is None else self.others.rows(index))


def fit_others(model: Likelihood, data: Data, fit: Fitter) -> FitResults:
    """Return the fits without signal to what is not under the peak, for `Without`; arguments as in `fit_few`."""
    counts, centres, start = data
    begin, less, observed = start.copy(), counts.copy(), counts[:, : model.n_bins]
    begin[:, 0] = 0.0
    core = _signal(model, begin[0])[1]
    less[:, : model.n_bins][:, core] = 0.0
    rows = np.flatnonzero(_loose(model, observed, core) & (observed.sum(axis=1) <= FEW))
    return _among(start, rows, _by_group(model, (less[rows], centres[rows], begin[rows]), fit))


def _by_group(model: Likelihood, data: Data, fit: Fitter) -> FitResults:
    """Return the fits without signal, which has one minimum: data sets with equal counts start from the first."""
    counts, centres, begin = data
    head, group = equal_rows(counts)
    first = fit(counts[head], centres[head], begin[head], strength_free=False, warm=False)
    if head.size == counts.shape[0]:
        return first.rows(group)
    near = np.where(first.usable[group, None], first.values[group], begin) + _shift(
        model, centres, centres[head][group]
    )
    return fit(counts, centres, near, strength_free=False, warm=True)


def fit_few(
    model: Likelihood, data: Data, fit: Fitter, *, strength_free: bool, without: Without | None = None
) -> FitResults:
    """Return the fits of the lowest minimum of N data sets.

    Parameters
    ----------
    model
        The likelihood, with an exponential.
    data
        Counts ``(N, B)``, centres ``(N, P)``, and starts ``(N, P)``.
    fit
        Gives fits of it.
    strength_free
        Whether the strength is fitted.
    without
        The fits without signal, where they are known.
    """
    counts, centres, start = data
    if not (strength_free or start[:, 0].any()):
        return _by_group(model, data, fit)
    if without is None:
        begin = np.where(np.arange(start.shape[1]) == 0, 0.0, start)
        null, others = _by_group(model, (counts, centres, begin), fit), fit_others(model, data, fit)
        without = Without(null=null, others=others)
    head, group = equal_rows(counts)
    first = tuple(values[head] for values in data)
    candidates = _minima(model, first, fit, without.rows(head), strength_free=strength_free)
    best = _lowest(candidates)
    if head.size == counts.shape[0]:
        return best.rows(group)
    found = []
    for candidate in candidates:
        near = candidate.usable & ~(candidate.nll > best.nll + CLOSE)
        rows = np.flatnonzero(near[group])
        begin = candidate.values[group[rows]] + _shift(model, centres[rows], centres[head][group[rows]])
        if not strength_free:
            begin[:, 0] = start[rows, 0]
        again = fit(counts[rows], centres[rows], begin, strength_free=strength_free, warm=True)
        found.append(_among(start, rows, again))
    together = _lowest(found)
    rest = np.flatnonzero(~together.usable)
    if rest.size > 0:
        own = tuple(values[rest] for values in data)
        put_rows(together, rest, _lowest(_minima(model, own, fit, without.rows(rest), strength_free=strength_free)))
    return together


def _shift(model: Likelihood, centres: Array, before: Array) -> Array:
    """Return by how much constrained parameters move from data sets to others with equal counts."""
    return np.where(model.measured & ~model.held, centres - before, 0.0)


def _signal(model: Likelihood, theta: Array) -> tuple[Array, Flags]:
    """Return the signal of one unit in the bins of regions, ``(b,)``, and in which of them an event may be signal."""
    signal = model.expected_and_slopes(theta)[1][0, : model.n_bins]
    return signal, (signal > CORE * signal.max(initial=0.0)) & (signal > 0.0)


def _minima(model: Likelihood, data: Data, fit: Fitter, without: Without, *, strength_free: bool) -> list[FitResults]:
    """Return the fits from each start, N rows each, of which those that were not made are not usable."""
    counts, centres, start = data
    observed, null, others = counts[:, : model.n_bins], without.null, without.others
    signal, core = _signal(model, np.where(np.arange(start.shape[1]) == 0, 0.0, start[0]))
    if others is None or not core.any():
        return [fit(counts, centres, start, strength_free=strength_free, warm=False)]
    per_event, there = 1.0 / signal.sum(), null.values.copy()
    like = np.maximum(observed @ (signal / signal.max()), FIRST) * per_event
    there[:, 0] = like if strength_free else start[:, 0]
    found = [fit(counts, centres, there, strength_free=strength_free, warm=False)]
    rows = np.flatnonzero(others.usable & (there[:, 0] != 0.0))
    if rows.size > 0:
        own, there = (counts[rows], centres[rows]), others.values[rows]
        there[:, 0] = observed[rows][:, core].sum(axis=1) * per_event if strength_free else start[rows, 0]
        again = fit(*own, there, strength_free=False, warm=False)
        if strength_free:
            again = fit(*own, again.values, strength_free=True, warm=False)
        found.append(_among(start, rows, again))
    best = _lowest(found)
    lost = np.flatnonzero(~best.usable | (strength_free & null.usable & (best.nll > null.nll + LOWER)))
    for k in lost if strength_free else ():
        one = _searched((counts[k], centres[k], null.values[k]), fit, per_event)
        found.append(_among(start, np.array([k]), one))
    if lost.size > 0 and not strength_free:
        own = (counts[lost], centres[lost])
        found.append(_among(start, lost, fit(*own, start[lost], strength_free=False, warm=False)))
    return found


def _loose(model: Likelihood, observed: Array, core: Flags) -> Flags:
    """Return for which counts, ``(N, b)``, the background under the peak may be another without the events there.

    There are some, and on one of its sides are fewer events than the background has coefficients.
    """
    inside = np.flatnonzero(core)
    sides = observed[:, : inside[0]].sum(axis=1), observed[:, inside[-1] + 1 :].sum(axis=1)
    components = model.flat.components
    coefficients = (components[:, TERMS + 1] - components[:, TERMS])[components[:, KIND] == EXPONENTIAL].max()
    return observed[:, core].any(axis=1) & (np.minimum(*sides) < coefficients)


def _among(start: Array, rows: Indices, found: FitResults) -> FitResults:
    """Return fits of some rows as rows of all, the others of which are not usable."""
    n = start.shape[0]
    everything = FitResults(
        names=found.names,
        values=start.copy(),
        errors=np.full(start.shape, np.nan),
        nll=np.full(n, np.nan),
        slopes=np.full(n, np.nan),
        status=np.full(n, FitStatus.NOT_CONVERGED, dtype=np.int8),
        iterations=np.zeros(n, dtype=np.int32),
        engine=found.engine,
    )
    put_rows(everything, rows, found)
    return everything


def _lowest(candidates: list[FitResults]) -> FitResults:
    """Return the lowest usable fit of each row."""
    found, *others = candidates
    best = _among(found.values, np.arange(len(found)), found)
    for other in others:
        lower = np.flatnonzero(other.usable & ~(best.usable & (other.nll >= best.nll)))
        put_rows(best, lower, other, lower)
    return best


def _searched(data: Data, fit: Fitter, per_event: float) -> FitResults:
    """Return the fit where the slope of the profile likelihood has its root, of one data set, from that without signal.

    Where the likelihood rises up to where no negative signal is possible, its end is the fit, at the boundary.
    """
    counts, centres, null = data

    def at(strength: float, near: Array) -> FitResults:
        begin = near.copy()
        begin[0] = strength
        return fit(counts[None], centres[None], begin[None], strength_free=False, warm=False)

    last = at(0.0, null)
    side = 1.0 if last.slopes[0] < 0.0 else -1.0
    step, end = side * FIRST * per_event, None
    for _ in range(SEARCH_STEPS if last.usable[0] else 0):
        here = at(last.values[0, 0] + step, last.values[0])
        if not here.usable[0]:
            step *= 0.5
        elif side * here.slopes[0] >= 0.0:
            end = here
            break
        else:
            last, step = here, 2.0 * step
    if end is None:
        last.status[0] = FitStatus.AT_BOUNDARY if last.usable[0] and side < 0.0 else FitStatus.NOT_CONVERGED
        return last
    return _between(last, end, at, per_event)


def _between(
    low: FitResults, high: FitResults, at: Callable[[float, Array], FitResults], per_event: float
) -> FitResults:
    """Return the fit between two whose slopes have different signs: by secants that are halved on the side that stays.

    See M. Dowell, P. Jarratt, BIT 11 (1971) 168 (the Illinois method).
    """
    ends, slopes = [low, high], [low.slopes[0], high.slopes[0]]
    for _ in range(SEARCH_STEPS):
        a, b = (one.values[0, 0] for one in ends)
        middle = at((a * slopes[1] - b * slopes[0]) / (slopes[1] - slopes[0]), ends[0].values[0])
        if not middle.usable[0]:
            break
        side = int(middle.slopes[0] * slopes[1] > 0.0)
        ends[side], slopes[side], slopes[1 - side] = middle, middle.slopes[0], 0.5 * slopes[1 - side]
        if abs(middle.slopes[0]) * per_event < SLOPE:
            break
    return min(ends, key=lambda one: float(one.nll[0]))


def equal_rows(values: Array) -> tuple[Indices, Indices]:
    """Return the first of each group of equal rows of an array ``(N, B)``, and the group of each row, ``(N,)``."""
    rows = np.ascontiguousarray(values).view(np.dtype((np.void, values.itemsize * values.shape[1]))).ravel()
    _, head, group = np.unique(rows, return_index=True, return_inverse=True)
    return head, group.ravel()
