"""The likelihood in compiled code: expected counts, their derivatives, and the minimum of -ln L.

`bumphunt.likelihood.components` lays a likelihood out in the arrays of a `Flat`. What is here works on these:
`evaluate`, `nll_rows` and `hessian` evaluate, `fit_rows` minimises. Nothing here checks its input. All compiled code
stands in this one file, because numba's cache on disk does not see changes of functions that are compiled into those of
another file.

The minimum is found by Newton steps, damped where they fail (K. Levenberg, Quart. Appl. Math. 2 (1944) 164; D.
Marquardt, J. SIAM 11 (1963) 431). The second derivatives of nu that are left out (see `_curvature`) slow the
convergence down, and do not move the minimum. Parameters that belong to one bin alone (Barlow and Beeston's) are
eliminated bin by bin: their block of the Hessian is a diagonal matrix plus one of rank one, whose inverse is known
(J. Sherman, W. J. Morrison, Ann. Math. Stat. 21 (1950) 124), so that they cost as little as bins do. A minimum where an
empty bin expects nothing is found by an interior-point method.

Symbols: P parameters theta, of which the M `dense` ones have a row in the slopes J (M, b) and the others one slope
a, in the bin where they are at home; b bins of regions, B counts with the auxiliary ones.

References
----------
S. Boyd, L. Vandenberghe, Convex Optimization (2004): section 11.7 (primal-dual interior-point method, eq. 11.54: its
step; 11.59: the surrogate duality gap), appendix C.4 (block elimination).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = [
    "RUNNING",
    "Flat",
    "evaluate",
    "fit_rows",
    "hessian",
    "nll_rows",
    "power_factor",
    "shift_shape",
]

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

TEMPLATE, EXPONENTIAL, PEAK = 0, 1, 2
"""Kinds of components."""
LINEAR, POWER, BINS = 0, 1, 2
"""Kinds of factors: of all bins, linear or log-normal, and one of each bin."""
NODES = 8
"""Points of the integral over a bin of an exponential."""
MAX_STEPS = 100
"""Newton steps before the interior-point method takes over; five are usual."""
DECREMENT = 1e-9
"""Twice the estimated distance to the minimum, in NLL, at which the last step is taken."""
NOISE = 1e-14
"""Relative rounding error of the NLL: an increase below it is none."""
TO_BOUNDARY, BLOCKED_STEPS = 0.9, 4
"""Largest fraction of the way to nu = 0 taken in one step; how many such steps before the interior-point method."""
INTERIOR_STEPS, INTERIOR_STEP = 400, 0.95
"""Steps of the interior-point method before a fit is given up; largest fraction of the way to nu = 0 in one."""
BARRIER_START, BARRIER_STOP, BARRIER_FACTOR = 0.1, 1e-10, 0.1
"""Barrier strength [counts per empty bin]: the likelihood is off by less than its last value times the bins."""
BOUNDARY_LEVEL = 1e-6
"""An empty bin whose expected count is below this is at the boundary [events]."""
RIDGE, FIRST_DAMPING, MOST_DAMPING = 1e-12, 1e-3, 1e12
"""Relative increase of the Hessian's diagonal: always, after a step that failed, and when a fit is given up."""
PIVOT, SINGULAR_PIVOT = 1e-14, 1e-11
"""Smallest pivot of the scaled Hessian that can be used, and that says that the parameters are determined."""
CROSSINGS, RELEASES = 2, 6
"""Steps across the kink of a piecewise interpolation after which it is held there; how often it may be let go."""
KINK_SLOPE = 1e-5
"""Slope of the NLL on a side of a kink that is called downhill [per standard deviation]."""
HESSIAN_STEP = 1e-3
"""Step of the differences that give the Hessian, in standard deviations."""

CONVERGED, AT_BOUNDARY, SINGULAR, NOT_CONVERGED, INFEASIBLE = range(5)
"""As in `bumphunt.engines.result.FitStatus`."""
RUNNING = -1
"""Status of a fit that is to be made or under way."""


FIRST, LAST, KIND, BASE, TERMS, FACTORS = 0, 1, 2, 3, 4, 6
"""Columns of a component: its bins, kind, and place in the values; the ranges of its terms and factors, two each."""
TERM_INDEX, TERM_ODD, TERM_EVEN, TERM_SMOOTH = range(4)
"""Columns of a term: its parameter, the places of its odd and even part (-1: none), and whether it is smooth."""
FACTOR_KIND, FACTOR_INDEX, FACTOR_AT = range(3)
"""Columns of a factor: its kind, parameter, and place in the values or, of single bins, in the bins."""
ROW, PLACE, KINKED = range(3)
"""Columns of a parameter: the row of its auxiliary count, its row in the slopes (-1: none), whether it has a kink."""
NU, NU_STEP, RATIO, WEIGHT, WALLS, OLD = range(6)
SHAPE, SCALE, SLOPE, PULL, STRETCH, BIN_WEIGHT, BIN_RATIO, BIN_SUM, BIN_PULL, WEIGHTED = range(6, 16)
"""Work arrays over bins; the first six over all rows, auxiliary counts included."""
OWN, PRIOR, GRADIENT, STEP, TRIAL = range(5)
"""Work arrays over parameters."""
FREE, FROZEN, CROSSED = range(3)
"""Flags of parameters: fitted; held at its kink; how often it stepped across."""
REDUCED, FACTOR, FACTOR_SLOPE, FACTOR_BEND = range(4)
"""Work arrays over dense parameters, and over factors."""


class Flat(NamedTuple):
    """A likelihood laid out in arrays, made by `bumphunt.likelihood.components.flattened`.

    A template has its histogram at ``values[base]`` and adds its terms; the parameters of an exponential or of a peak
    are its terms.
    """

    components: Indices
    """Bins, kind, place in the values, terms and factors of each component, (C, 8)."""
    terms: Indices
    """(T, 4)."""
    factors: Indices
    """(F, 3)."""
    values: Array
    """What components, terms and factors point to."""
    bins: Indices
    """The parameters of single bins, -1 for a bin that has none."""
    parameters: Indices
    """(P, 3)."""
    tau: Array
    """The expectation of an auxiliary count per unit of the parameter, (P,)."""
    dense: Indices
    """Each dense parameter, the first bin, and the one after the last, where it matters, (M, 3)."""
    at_home: Indices
    """The other parameters, by bin; those of bin i stand at ``home[i]`` to ``home[i + 1]``."""
    home: Indices
    n_bins: int
    n_rows: int


class _Work(NamedTuple):
    """Work arrays of one fit."""

    bins: Array
    parameters: Array
    flags: Indices
    vectors: Array
    slopes: Array
    curvature: Array
    hessian: Array


@njit(cache=True, error_model="numpy")
def _work(flat):  # type: ignore[no-untyped-def]
    """Return work arrays for the fits of a likelihood."""
    n_parameters, n_dense = flat.tau.size, flat.dense.shape[0]
    return _Work(
        np.zeros((16, max(flat.n_bins + 3, flat.n_rows))),
        np.zeros((5, n_parameters)),
        np.zeros((3, n_parameters), np.int64),
        np.zeros((4, max(n_dense, flat.factors.shape[0]))),
        np.zeros((n_dense, flat.n_bins)),
        np.zeros((n_dense, n_dense)),
        np.zeros((n_dense, n_dense)),
    )


@njit(cache=True, error_model="numpy")
def power_factor(theta, smooth, values):  # type: ignore[no-untyped-def]
    """Return a log-normal factor and two derivatives; values: ln up, -ln down, and the polynomial inside -1 to 1."""
    if smooth and abs(theta) < 1.0:
        value, slope, bend = values[8], 0.0, 0.0
        for k in range(7, 1, -1):
            bend = bend * theta + 2.0 * slope
            slope = slope * theta + value
            value = value * theta + values[k]
        return value, slope, bend
    log = values[0] if theta >= 0.0 else values[1]
    value = math.exp(min(theta * log, 700.0))
    return value, value * log, value * log * log


@njit(cache=True, error_model="numpy")
def _bend(theta, smooth):  # type: ignore[no-untyped-def]
    """Return the even function of an interpolation, 8 |theta| outside -1 to 1, and two derivatives."""
    if smooth and abs(theta) < 1.0:
        square = theta * theta
        value = square * (15.0 + square * (-10.0 + 3.0 * square))
        slope = theta * (30.0 + square * (-40.0 + 18.0 * square))
        return value, slope, 30.0 + square * (-120.0 + 90.0 * square)
    return (8.0 * theta, 8.0, 0.0) if theta >= 0.0 else (-8.0 * theta, -8.0, 0.0)


@njit(cache=True, error_model="numpy")
def shift_shape(theta, smooth, odd, even, shift, slope):  # type: ignore[no-untyped-def]
    """Add the shift of a histogram, odd theta + even g(theta), and fill its derivative; all (b,)."""
    bend, tilt, _ = _bend(theta, smooth)
    for i in range(odd.size):
        shift[i] += odd[i] * theta + even[i] * bend
        slope[i] = odd[i] + even[i] * tilt


@njit(cache=True, error_model="numpy")
def _exponential(flat, c, theta, shape):  # type: ignore[no-untyped-def]
    """Fill the integrals of an exponential of a polynomial over the bins."""
    b, at, start, stop = (
        flat.components[c, LAST] - flat.components[c, FIRST],
        flat.components[c, BASE],
        flat.components[c, TERMS],
        flat.components[c, TERMS + 1],
    )
    for i in range(b):
        total = 0.0
        for q in range(NODES * i, NODES * (i + 1)):
            exponent = 0.0
            for k in range(start, stop):
                exponent += theta[flat.terms[k, TERM_INDEX]] * flat.values[flat.terms[k, TERM_ODD] + q]
            total += math.exp(exponent) * flat.values[at + q]
        shape[i] = total


@njit(cache=True, error_model="numpy")
def _exponential_slope(flat, c, k, other, theta, slope):  # type: ignore[no-untyped-def]
    """Fill the derivative of an exponential in the coefficient of term k and, unless it is -1, that of another."""
    b, at, start, stop = (
        flat.components[c, LAST] - flat.components[c, FIRST],
        flat.components[c, BASE],
        flat.components[c, TERMS],
        flat.components[c, TERMS + 1],
    )
    for i in range(b):
        total = 0.0
        for q in range(NODES * i, NODES * (i + 1)):
            exponent = 0.0
            for j in range(start, stop):
                exponent += theta[flat.terms[j, TERM_INDEX]] * flat.values[flat.terms[j, TERM_ODD] + q]
            value = math.exp(exponent) * flat.values[at + q] * flat.values[flat.terms[k, TERM_ODD] + q]
            total += value * flat.values[flat.terms[other, TERM_ODD] + q] if other >= 0 else value
        slope[i] = total


@njit(cache=True, error_model="numpy")
def _peak(flat, c, theta, shape, pull, stretch, cumulative, d_pull, d_stretch):  # type: ignore[no-untyped-def]
    """Fill the counts of a peak, and their derivatives in its position and in the logarithm of its width.

    Its cumulative distribution G is read from a table in t = asinh((u - mean) / sigma), with cubic (Hermite)
    interpolation; u is x moved back by the shift and narrowed by the stretch.
    """
    b, at, values = flat.components[c, LAST] - flat.components[c, FIRST], flat.components[c, BASE], flat.values
    mean, sigma, reach, density, nodes = values[at], values[at + 1], values[at + 2], values[at + 3], int(values[at + 4])
    pieces, bounded, edges = int(values[at + 5]), values[at + 6] > 0.0, values[at + 7 : at + 10 + b]
    moved, log_width = 0.0, 0.0
    for k in range(flat.components[c, TERMS], flat.components[c, TERMS + 1]):
        amount = theta[flat.terms[k, TERM_INDEX]] * values[flat.terms[k, TERM_ODD]]
        if flat.terms[k, TERM_SMOOTH] == 0:
            moved += amount
        else:
            log_width += amount
    width = sigma * math.exp(min(log_width, 700.0))
    shape[:b], pull[:b], stretch[:b] = 0.0, 0.0, 0.0
    table = at + 10 + b
    for _ in range(pieces):
        for i in range(b + 3 if bounded else b + 1):
            z = (edges[i] - mean - moved) / width
            x = min(max((math.asinh(z) + reach) * density, 0.0), nodes - 1.0)
            j = min(int(x), nodes - 2)
            s, place = x - j, table + 1 + 2 * j
            low, high, up, down = values[place], values[place + 2], values[place + 1], values[place + 3]
            rise = high - low
            cumulative[i] = low + s * (up + s * (3.0 * rise - 2.0 * up - down + s * (up + down - 2.0 * rise)))
            slope = up + s * (2.0 * (3.0 * rise - 2.0 * up - down) + 3.0 * s * (up + down - 2.0 * rise))
            slope *= density / math.sqrt(1.0 + z * z)
            d_pull[i], d_stretch[i] = -slope / width, -slope * z
        whole, whole_pull, whole_stretch = 1.0, 0.0, 0.0
        if bounded:
            whole = cumulative[b + 2] - cumulative[b + 1]
            whole_pull, whole_stretch = d_pull[b + 2] - d_pull[b + 1], d_stretch[b + 2] - d_stretch[b + 1]
        events = values[table] / whole
        for i in range(b):
            fraction = max(cumulative[i + 1] - cumulative[i], 0.0)
            shape[i] += events * fraction
            pull[i] += events * (d_pull[i + 1] - d_pull[i] - fraction / whole * whole_pull)
            stretch[i] += events * (d_stretch[i + 1] - d_stretch[i] - fraction / whole * whole_stretch)
        table += 1 + 2 * nodes


@njit(cache=True, error_model="numpy")
def _shape(flat, c, theta, work):  # type: ignore[no-untyped-def]
    """Fill the shape of a component, without its factors."""
    shape, at, b = work.bins[SHAPE], flat.components[c, BASE], flat.components[c, LAST] - flat.components[c, FIRST]
    if flat.components[c, KIND] == TEMPLATE:
        for i in range(b):
            shape[i] = flat.values[at + i]
        for k in range(flat.components[c, TERMS], flat.components[c, TERMS + 1]):
            t = theta[flat.terms[k, TERM_INDEX]]
            odd = flat.values[flat.terms[k, TERM_ODD] : flat.terms[k, TERM_ODD] + b]
            for i in range(b):
                shape[i] += t * odd[i]
            if flat.terms[k, TERM_EVEN] >= 0:
                bend, _, _ = _bend(t, flat.terms[k, TERM_SMOOTH] == 1)
                even = flat.values[flat.terms[k, TERM_EVEN] : flat.terms[k, TERM_EVEN] + b]
                for i in range(b):
                    shape[i] += bend * even[i]
    elif flat.components[c, KIND] == EXPONENTIAL:
        _exponential(flat, c, theta, shape)
    else:
        _peak(
            flat,
            c,
            theta,
            shape,
            work.bins[PULL],
            work.bins[STRETCH],
            work.bins[BIN_SUM],
            work.bins[BIN_PULL],
            work.bins[WEIGHTED],
        )


@njit(cache=True, error_model="numpy")
def _shape_slope(flat, c, k, theta, work):  # type: ignore[no-untyped-def]
    """Fill the derivative of a shape in the parameter of term k; the shape comes first."""
    slope, b = work.bins[SLOPE], flat.components[c, LAST] - flat.components[c, FIRST]
    if flat.components[c, KIND] == TEMPLATE:
        odd = flat.values[flat.terms[k, TERM_ODD] : flat.terms[k, TERM_ODD] + b]
        for i in range(b):
            slope[i] = odd[i]
        if flat.terms[k, TERM_EVEN] >= 0:
            _, tilt, _ = _bend(theta[flat.terms[k, TERM_INDEX]], flat.terms[k, TERM_SMOOTH] == 1)
            even = flat.values[flat.terms[k, TERM_EVEN] : flat.terms[k, TERM_EVEN] + b]
            for i in range(b):
                slope[i] += tilt * even[i]
    elif flat.components[c, KIND] == EXPONENTIAL:
        _exponential_slope(flat, c, k, -1, theta, slope)
    else:
        amount, source = (
            flat.values[flat.terms[k, TERM_ODD]],
            work.bins[STRETCH] if flat.terms[k, TERM_SMOOTH] == 1 else work.bins[PULL],
        )
        for i in range(b):
            slope[i] = amount * source[i]


@njit(cache=True, error_model="numpy")
def _add(flat, p, first, slope, factor, scale, b, work):  # type: ignore[no-untyped-def]
    """Add slope_i x factor x scale_i to the slopes of parameter p, from a bin on."""
    m = flat.parameters[p, PLACE]
    if m >= 0:
        row = work.slopes[m, first : first + b]
        for i in range(b):
            row[i] += slope[i] * factor * scale[i]
    else:  # at home in one bin
        for i in range(b):
            work.parameters[OWN, p] += slope[i] * factor * scale[i]


@njit(cache=True, error_model="numpy")
def _factors(flat, c, theta, work):  # type: ignore[no-untyped-def]
    """Fill the factors of single bins, and value and derivatives of the others; return the product of these."""
    scale, b = work.bins[SCALE], flat.components[c, LAST] - flat.components[c, FIRST]
    product = 1.0
    scale[:b] = 1.0
    for f in range(flat.components[c, FACTORS], flat.components[c, FACTORS + 1]):
        at, p = flat.factors[f, FACTOR_AT], flat.factors[f, FACTOR_INDEX]
        if flat.factors[f, FACTOR_KIND] == BINS:
            for i in range(b):
                if flat.bins[at + i] >= 0:
                    scale[i] *= theta[flat.bins[at + i]]
            continue
        if flat.factors[f, FACTOR_KIND] == LINEAR:
            value, slope, bend = flat.values[at] + flat.values[at + 1] * theta[p], flat.values[at + 1], 0.0
        else:
            value, slope, bend = power_factor(theta[p], flat.values[at] > 0.0, flat.values[at + 1 : at + 10])
        work.vectors[FACTOR, f], work.vectors[FACTOR_SLOPE, f], work.vectors[FACTOR_BEND, f] = value, slope, bend
        product *= value
    return product


@njit(cache=True, error_model="numpy")
def _evaluate(flat, theta, work):  # type: ignore[no-untyped-def]
    """Fill nu and its slopes."""
    work.bins[NU, : flat.n_bins] = 0.0
    work.slopes[:] = 0.0
    work.parameters[OWN, :] = 0.0
    shape, scale = work.bins[SHAPE], work.bins[SCALE]
    for c in range(flat.components.shape[0]):
        first, b = flat.components[c, FIRST], flat.components[c, LAST] - flat.components[c, FIRST]
        _shape(flat, c, theta, work)
        product = _factors(flat, c, theta, work)
        nu = work.bins[NU, first : first + b]
        for i in range(b):
            nu[i] += shape[i] * product * scale[i]
        _component_slopes(flat, c, theta, product, work)
    for p in range(flat.tau.size):
        if flat.parameters[p, ROW] >= 0:
            work.bins[NU, flat.parameters[p, ROW]] = flat.tau[p] * theta[p]


@njit(cache=True, error_model="numpy")
def _component_slopes(flat, c, theta, product, work):  # type: ignore[no-untyped-def]
    """Add the slopes of a component, of which shape, factors and the product of those without bins are known."""
    first, b = flat.components[c, FIRST], flat.components[c, LAST] - flat.components[c, FIRST]
    start, stop = flat.components[c, FACTORS], flat.components[c, FACTORS + 1]
    shape, scale = work.bins[SHAPE], work.bins[SCALE]
    for f in range(start, stop):
        if flat.factors[f, FACTOR_KIND] == BINS:
            at = flat.factors[f, FACTOR_AT]
            for i in range(b):
                p = flat.bins[at + i]
                if p < 0:
                    continue
                slope = shape[i] * product
                for g in range(start, stop):
                    if (
                        g != f
                        and flat.factors[g, FACTOR_KIND] == BINS
                        and flat.bins[flat.factors[g, FACTOR_AT] + i] >= 0
                    ):
                        slope *= theta[flat.bins[flat.factors[g, FACTOR_AT] + i]]
                if flat.parameters[p, PLACE] >= 0:
                    work.slopes[flat.parameters[p, PLACE], first + i] += slope
                else:
                    work.parameters[OWN, p] += slope
        else:
            p, others = flat.factors[f, FACTOR_INDEX], 1.0
            for g in range(start, stop):
                if g != f and flat.factors[g, FACTOR_KIND] != BINS:
                    others *= work.vectors[FACTOR, g]
            others *= work.vectors[FACTOR_SLOPE, f]
            _add(flat, flat.factors[f, FACTOR_INDEX], first, shape, others, scale, b, work)
    for k in range(flat.components[c, TERMS], flat.components[c, TERMS + 1]):
        p = flat.terms[k, TERM_INDEX]
        _shape_slope(flat, c, k, theta, work)
        _add(flat, p, first, work.bins[SLOPE], product, scale, b, work)


@njit(cache=True, error_model="numpy")
def _nll(counts, centres, precision, theta, nu):  # type: ignore[no-untyped-def]
    """Return sum nu - n + n ln(n / nu), and half the squared pulls; inf where a count is impossible."""
    total = 0.0
    for i in range(counts.size):
        n, x = counts[i], nu[i]
        if n > 0.0:
            if not x > 0.0:
                return math.inf
            rest = x - n
            total += rest - n * math.log1p(rest / n)
        else:
            if not x >= 0.0:
                return math.inf
            total += x
    for p in range(theta.size):
        if precision[p] > 0.0:
            pull = theta[p] - centres[p]
            total += 0.5 * precision[p] * pull * pull
    return total if total < math.inf else math.inf


@njit(cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def _dot(a, b):  # type: ignore[no-untyped-def]
    """Return sum_i a_i b_i."""
    total = 0.0
    for i in range(a.size):
        total += a[i] * b[i]
    return total


@njit(cache=True, error_model="numpy")
def _terms(counts, fisher, barrier, work):  # type: ignore[no-untyped-def]
    """Fill 1 - n / nu, and n / nu^2 (observed information) or, if fisher is 1, 1 / nu (expected).

    An empty row within a barrier t > 0 has 1 - t / nu and z / nu, z its multiplier.
    """
    for i in range(counts.size):
        x, n = work.bins[NU, i], counts[i]
        y = 1.0 / x if x > 0.0 else 0.0
        work.bins[RATIO, i] = 1.0 - (n if n > 0.0 else barrier) * y
        observed = n * y if n > 0.0 or barrier == 0.0 else work.bins[WALLS, i]
        work.bins[WEIGHT, i] = y * (fisher if fisher > 0.0 else observed)


@njit(cache=True, error_model="numpy")
def _others(flat, c, f, g, work):  # type: ignore[no-untyped-def]
    """Return the product of the factors of a component that all bins have in common, but two."""
    product = 1.0
    for h in range(flat.components[c, FACTORS], flat.components[c, FACTORS + 1]):
        if h != f and h != g and flat.factors[h, FACTOR_KIND] != BINS:
            product *= work.vectors[FACTOR, h]
    return product


@njit(cache=True, error_model="numpy")
def _bent(flat, p, q, amount, work):  # type: ignore[no-untyped-def]
    """Add to the second derivatives in two dense parameters, in the lower half."""
    m, n = flat.parameters[p, PLACE], flat.parameters[q, PLACE]
    work.curvature[max(m, n), min(m, n)] += amount


@njit(cache=True, error_model="numpy")
def _curvature(flat, theta, work):  # type: ignore[no-untyped-def]
    """Fill sum_i (1 - n_i / nu_i) d2nu_i / dtheta_p dtheta_q, lower half.

    Common factors and terms count; moving peaks and the factors of single bins are left out.
    """
    work.curvature[:] = 0.0
    shape, scale, slope = work.bins[SHAPE], work.bins[SCALE], work.bins[SLOPE]
    for c in range(flat.components.shape[0]):
        first, last = flat.components[c, FIRST], flat.components[c, LAST]
        start, stop, b = flat.components[c, FACTORS], flat.components[c, FACTORS + 1], last - first
        _shape(flat, c, theta, work)
        product = _factors(flat, c, theta, work)
        for i in range(b):
            scale[i] *= work.bins[RATIO, first + i]
        residual = _dot(shape[:b], scale[:b])
        for f in range(start, stop):
            if flat.factors[f, FACTOR_KIND] == BINS:
                continue
            p, steep = flat.factors[f, FACTOR_INDEX], work.vectors[FACTOR_SLOPE, f]
            _bent(flat, p, p, residual * work.vectors[FACTOR_BEND, f] * _others(flat, c, f, f, work), work)
            for g in range(start, f):
                if flat.factors[g, FACTOR_KIND] != BINS:
                    q, both = flat.factors[g, FACTOR_INDEX], steep * work.vectors[FACTOR_SLOPE, g]
                    both *= residual * _others(flat, c, f, g, work)
                    _bent(flat, p, q, 2.0 * both if p == q else both, work)
        for k in range(flat.components[c, TERMS], flat.components[c, TERMS + 1]):
            p = flat.terms[k, TERM_INDEX]
            _shape_slope(flat, c, k, theta, work)
            moved = _dot(slope[:b], scale[:b])
            for f in range(start, stop):
                if flat.factors[f, FACTOR_KIND] != BINS:
                    q = flat.factors[f, FACTOR_INDEX]
                    both = moved * work.vectors[FACTOR_SLOPE, f] * _others(flat, c, f, f, work)
                    _bent(flat, p, q, 2.0 * both if p == q else both, work)
            if flat.components[c, KIND] == TEMPLATE and flat.terms[k, TERM_EVEN] >= 0:
                _, _, bend = _bend(theta[p], flat.terms[k, TERM_SMOOTH] == 1)
                at = flat.terms[k, TERM_EVEN]
                _bent(flat, p, p, bend * product * _dot(flat.values[at : at + b], scale[:b]), work)
            elif flat.components[c, KIND] == EXPONENTIAL:
                for j in range(flat.components[c, TERMS], k + 1):
                    _exponential_slope(flat, c, k, j, theta, slope)
                    _bent(flat, p, flat.terms[j, TERM_INDEX], product * _dot(slope[:b], scale[:b]), work)


@njit(cache=True, error_model="numpy")
def _priors(flat, counts, centres, precision, theta, work):  # type: ignore[no-untyped-def]
    """Fill the gradient with that of constraints and auxiliary counts, and the curvature they add."""
    for p in range(theta.size):
        work.parameters[GRADIENT, p] = precision[p] * (theta[p] - centres[p])
        work.parameters[PRIOR, p] = precision[p]
        row = flat.parameters[p, ROW]
        if row >= 0:
            tau = flat.tau[p]
            weight = work.bins[WEIGHT, row]
            if counts[row] == 0.0 and weight == 0.0 and work.bins[NU, row] > 0.0:
                weight = 1.0 / work.bins[NU, row]  # an empty one has no curvature: the expected information
            work.parameters[GRADIENT, p] += tau * work.bins[RATIO, row]
            work.parameters[PRIOR, p] += tau * tau * weight


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def _assemble(flat, counts, centres, precision, theta, damping, work):  # type: ignore[no-untyped-def]
    """Fill the gradient, and Hessian and right-hand side of the dense parameters with the others eliminated."""
    _priors(flat, counts, centres, precision, theta, work)
    b, gradient = flat.n_bins, work.parameters[GRADIENT]
    for i in range(b):
        ratio, weight, total, pull = work.bins[RATIO, i], work.bins[WEIGHT, i], 0.0, 0.0
        for k in range(flat.home[i], flat.home[i + 1]):
            p = flat.at_home[k]
            a = work.parameters[OWN, p]
            gradient[p] += ratio * a
            if work.flags[FREE, p]:
                work.parameters[PRIOR, p] += damping * (work.parameters[PRIOR, p] + weight * a * a) + 1e-300
                total += a * a / work.parameters[PRIOR, p]
                pull += a * gradient[p] / work.parameters[PRIOR, p]
        work.bins[BIN_SUM, i], work.bins[BIN_PULL, i] = total, pull
        work.bins[BIN_WEIGHT, i] = weight / (1.0 + weight * total)
        work.bins[BIN_RATIO, i] = ratio - work.bins[BIN_WEIGHT, i] * pull
    for m in range(flat.dense.shape[0]):
        p, low, high = flat.dense[m, 0], flat.dense[m, 1], flat.dense[m, 2]
        row, weighted = work.slopes[m], work.bins[WEIGHTED]
        gradient[p] += _dot(row[low:high], work.bins[RATIO, low:high])
        work.hessian[m, :] = 0.0
        if not work.flags[FREE, p]:
            work.hessian[m, m], work.vectors[REDUCED, m] = 1.0, 0.0
            continue
        work.vectors[REDUCED, m] = gradient[p] + _dot(row[low:high], work.bins[BIN_RATIO, low:high])
        work.vectors[REDUCED, m] -= _dot(row[low:high], work.bins[RATIO, low:high])
        for i in range(low, high):
            weighted[i] = work.bins[BIN_WEIGHT, i] * row[i]
        for k in range(m):
            first, last = max(low, flat.dense[k, 1]), min(high, flat.dense[k, 2])
            if first < last and work.flags[FREE, flat.dense[k, 0]]:
                work.hessian[m, k] = _dot(weighted[first:last], work.slopes[k, first:last]) + work.curvature[m, k]
        curvature = _dot(weighted[low:high], row[low:high]) + work.parameters[PRIOR, p]
        curvature += work.curvature[m, m]
        work.hessian[m, m] = curvature * (1.0 + RIDGE)
        if damping > 0.0:
            scale = work.parameters[PRIOR, p]
            for i in range(low, high):
                if work.bins[NU, i] > 0.0:
                    scale += row[i] * row[i] / work.bins[NU, i]
            work.hessian[m, m] += damping * max(curvature, scale) + 1e-300


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def _cholesky(hessian, floor):  # type: ignore[no-untyped-def]
    """Factor a positive matrix in place (lower half); return whether all pivots are above the floor."""
    for p in range(hessian.shape[0]):
        for q in range(p):
            value = hessian[p, q]
            for k in range(q):
                value -= hessian[p, k] * hessian[q, k]
            hessian[p, q] = value / hessian[q, q]
        pivot = hessian[p, p]
        least = floor * pivot
        for k in range(p):
            pivot -= hessian[p, k] * hessian[p, k]
        if not pivot > least:
            return False
        hessian[p, p] = math.sqrt(pivot)
    return True


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def _solve(flat, work):  # type: ignore[no-untyped-def]
    """Fill the step of all parameters and of nu from the factored Hessian; return the decrement -g step."""
    n, hessian, reduced = flat.dense.shape[0], work.hessian, work.vectors[REDUCED]
    for m in range(n):
        value = -reduced[m]
        for k in range(m):
            value -= hessian[m, k] * reduced[k]
        reduced[m] = value / hessian[m, m]
    for m in range(n - 1, -1, -1):
        value = reduced[m]
        for k in range(m + 1, n):
            value -= hessian[k, m] * reduced[k]
        reduced[m] = value / hessian[m, m]
    work.bins[NU_STEP, : flat.n_bins] = 0.0
    decrement = 0.0
    for m in range(n):
        p = flat.dense[m, 0]
        work.parameters[STEP, p] = reduced[m] if work.flags[FREE, p] else 0.0
        decrement -= work.parameters[STEP, p] * work.parameters[GRADIENT, p]
        for i in range(flat.dense[m, 1], flat.dense[m, 2]):
            work.bins[NU_STEP, i] += work.parameters[STEP, p] * work.slopes[m, i]
    for i in range(flat.n_bins):
        y, weight, total = work.bins[NU_STEP, i], work.bins[WEIGHT, i], work.bins[BIN_SUM, i]
        for k in range(flat.home[i], flat.home[i + 1]):
            p = flat.at_home[k]
            work.parameters[STEP, p] = 0.0
            if work.flags[FREE, p]:
                a = work.parameters[OWN, p]
                common = weight * (work.bins[BIN_PULL, i] + weight * total * y) / (1.0 + weight * total)
                work.parameters[STEP, p] = (a * (common - weight * y) - work.parameters[GRADIENT, p]) / work.parameters[
                    PRIOR, p
                ]
                decrement -= work.parameters[STEP, p] * work.parameters[GRADIENT, p]
                work.bins[NU_STEP, i] += a * work.parameters[STEP, p]
    for p in range(flat.tau.size):
        if flat.parameters[p, ROW] >= 0:
            work.bins[NU_STEP, flat.parameters[p, ROW]] = flat.tau[p] * work.parameters[STEP, p]
    return decrement


@njit(cache=True, error_model="numpy")
def _steepest_fall(n_rows, work):  # type: ignore[no-untyped-def]
    """Return max_i(-step_i / nu_i): the inverse is the step length that reaches the boundary."""
    longest = 0.0
    for i in range(n_rows):
        if work.bins[NU_STEP, i] < 0.0 and work.bins[NU, i] > 0.0:
            longest = max(longest, -work.bins[NU_STEP, i] / work.bins[NU, i])
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


@njit(cache=True, error_model="numpy", inline="always")
def _newton(flat, counts, centres, precision, theta, warm, work):  # type: ignore[no-untyped-def]
    """Damped Newton steps of one fit; theta is updated in place. Return (nll, status, steps); RUNNING asks for more."""
    _evaluate(flat, theta, work)
    value = _nll(counts, centres, precision, theta, work.bins[NU])
    if value == math.inf or _stuck(flat, counts, work):
        return math.inf, INFEASIBLE, 0
    damping, least, blocked = 0.0, 0.0, 0
    for steps in range(MAX_STEPS):
        if steps == 0 and not warm:
            _terms(counts, 1.0, 0.0, work)
            work.curvature[:] = 0.0
        else:
            _terms(counts, 0.0, 0.0, work)
            _curvature(flat, theta, work)
        _assemble(flat, counts, centres, precision, theta, damping, work)
        if not _cholesky(work.hessian, PIVOT):
            damping, least = max(10.0 * damping, FIRST_DAMPING), 1e-9
            continue
        decrement = _solve(flat, work)
        longest = _steepest_fall(flat.n_rows, work)
        alpha = 1.0
        if longest > TO_BOUNDARY:
            alpha = TO_BOUNDARY / longest
            blocked += 1
        last = alpha == 1.0 and damping < 0.1 and decrement < DECREMENT and (steps > 0 or warm)
        _moved(flat, theta, alpha, work)
        _evaluate(flat, work.parameters[TRIAL], work)
        new = _nll(counts, centres, precision, work.parameters[TRIAL], work.bins[NU])
        if new <= value + NOISE * (1.0 + abs(value)):
            theta[:] = work.parameters[TRIAL]
            value, damping = new, max(least, 0.1 * damping if damping > 1e-5 else 0.0)
            if last:
                return value, CONVERGED, steps + 1
        else:
            _evaluate(flat, theta, work)
            if last:  # no lower point within rounding
                return value, CONVERGED, steps + 1
            damping = max(10.0 * damping, FIRST_DAMPING)
        if blocked >= BLOCKED_STEPS or not damping < MOST_DAMPING:
            return value, RUNNING, steps + 1
    return value, RUNNING, MAX_STEPS


@njit(cache=True, error_model="numpy")
def _merit(counts, barrier, value, work):  # type: ignore[no-untyped-def]
    """Return the NLL with the barrier -t ln nu of the empty rows that have a wall."""
    for i in range(counts.size):
        if counts[i] == 0.0 and work.bins[WALLS, i] > 0.0:
            if not work.bins[NU, i] > 0.0:
                return math.inf
            value -= barrier * math.log(work.bins[NU, i])
    return value


@njit(cache=True, error_model="numpy")
def _move_walls(counts, barrier, work):  # type: ignore[no-untyped-def]
    """Move the multipliers z of the empty rows by their step; return the mean of z nu."""
    longest, gap, number = 0.0, 0.0, 0
    for i in range(counts.size):
        if work.bins[WALLS, i] > 0.0:
            longest = max(longest, 1.0 - (barrier / work.bins[WALLS, i] - work.bins[NU_STEP, i]) / work.bins[OLD, i])
    dual = 1.0 if longest < INTERIOR_STEP else INTERIOR_STEP / longest
    for i in range(counts.size):
        if work.bins[WALLS, i] > 0.0:
            z = work.bins[WALLS, i]
            work.bins[WALLS, i] = z + dual * ((barrier - z * work.bins[NU_STEP, i]) / work.bins[OLD, i] - z)
            gap += work.bins[WALLS, i] * work.bins[NU, i]
            number += 1
    return gap / number if number > 0 else 0.0  # eq. 11.59, per wall


@njit(cache=True, error_model="numpy", inline="always")
def _interior(flat, counts, centres, precision, theta, work):  # type: ignore[no-untyped-def]
    """Primal-dual interior-point steps of one fit; theta is updated in place. Return (nll, status, steps).

    The multiplier z_i of nu_i >= 0 in an empty row follows z_i nu_i = t, while t falls from start to stop.
    """
    _evaluate(flat, theta, work)
    for i in range(counts.size):
        work.bins[WALLS, i] = 1.0 if counts[i] == 0.0 and work.bins[NU, i] > 0.0 else 0.0
    barrier, damping = BARRIER_START, 0.0
    value = _nll(counts, centres, precision, theta, work.bins[NU])
    for steps in range(INTERIOR_STEPS):
        _terms(counts, 0.0, barrier, work)
        _curvature(flat, theta, work)
        _assemble(flat, counts, centres, precision, theta, damping, work)
        if not _cholesky(work.hessian, 0.0):
            damping = max(10.0 * damping, 1e-9)
            continue
        decrement = _solve(flat, work)
        longest = _steepest_fall(flat.n_rows, work)
        alpha = 1.0 if longest < INTERIOR_STEP else INTERIOR_STEP / longest
        merit = _merit(counts, barrier, value, work)
        work.bins[OLD, :] = work.bins[NU]
        _moved(flat, theta, alpha, work)
        _evaluate(flat, work.parameters[TRIAL], work)
        new = _nll(counts, centres, precision, work.parameters[TRIAL], work.bins[NU])
        small = alpha * decrement < 1e-3 * BARRIER_STOP
        if not _merit(counts, barrier, new, work) <= merit + NOISE * (1.0 + abs(merit)) and not (
            small and new < math.inf
        ):
            _evaluate(flat, theta, work)
            damping = max(10.0 * damping, FIRST_DAMPING)
            if not damping < MOST_DAMPING:
                break
            continue
        theta[:], value, damping = work.parameters[TRIAL], new, 0.1 * damping if damping > 1e-5 else 0.0
        gap = _move_walls(counts, barrier, work)
        last = alpha > 0.9 and damping < 0.1 and decrement < 0.1 * BARRIER_STOP
        if last and barrier == BARRIER_STOP and gap < 2.0 * BARRIER_STOP:
            for i in range(counts.size):
                if counts[i] == 0.0 and 0.0 < work.bins[NU, i] < BOUNDARY_LEVEL:
                    return value, AT_BOUNDARY, steps + 1
            return value, CONVERGED, steps + 1
        if alpha > 0.5:
            barrier = max(BARRIER_STOP, min(barrier, BARRIER_FACTOR * gap))
    return value, NOT_CONVERGED, INTERIOR_STEPS


@njit(cache=True, error_model="numpy")
def _slope_at(flat, counts, centres, precision, theta, work):  # type: ignore[no-untyped-def]
    """Fill the gradient of the NLL."""
    _evaluate(flat, theta, work)
    _terms(counts, 1.0, 0.0, work)
    work.curvature[:] = 0.0
    _assemble(flat, counts, centres, precision, theta, 0.0, work)


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
    total = 0
    for attempt in range(RELEASES):
        nll, status, steps = _newton(flat, counts, centres, precision, theta, warm or attempt > 0, work)
        total += steps
        if status == RUNNING:
            nll, status, steps = _interior(flat, counts, centres, precision, theta, work)
            total += steps
        if status > AT_BOUNDARY or not work.flags[FROZEN].any():
            break
        if _released(flat, counts, centres, precision, theta, work) == 0:
            break
    if status > AT_BOUNDARY:
        return (math.inf if status == INFEASIBLE else math.nan), status, total, math.nan
    _slope_at(flat, counts, centres, precision, theta, work)
    if free[0] and status == CONVERGED and not _cholesky(work.hessian, SINGULAR_PIVOT):
        return math.nan, SINGULAR, total, math.nan
    return nll, status, total, work.parameters[GRADIENT, 0]


@njit(cache=True, error_model="numpy", nogil=True)
def fit_rows(flat, free, counts, centres, precision, theta, warm, nll, status, steps, slope):  # type: ignore[no-untyped-def]
    """Fit N data sets: counts (N, B), centres (N, P), of which only rows whose status is RUNNING are fitted.

    theta (N, P) is the start, and becomes the result; fill nll, status, steps, and the slope of the NLL in the first
    parameter, (N,). `free` (P,) says what is fitted, `precision` (P,) is that of the normal constraints. Other threads
    may run meanwhile.
    """
    work = _work(flat)
    for k in range(nll.size):
        if status[k] == RUNNING:
            nll[k], code, steps[k], slope[k] = _fit(flat, free, counts[k], centres[k], precision, theta[k], warm, work)
            status[k] = code


@njit(cache=True, error_model="numpy")
def evaluate(flat, theta, want, nu, slopes):  # type: ignore[no-untyped-def]
    """Fill the expected counts (N, B) at N points (N, P), and if wanted the derivatives (P, B) at the last one."""
    work = _work(flat)
    for k in range(theta.shape[0]):
        _evaluate(flat, theta[k], work)
        nu[k] = work.bins[NU, : flat.n_rows]
    if not want:
        return
    for m in range(flat.dense.shape[0]):
        slopes[flat.dense[m, 0], : flat.n_bins] = work.slopes[m]
    for i in range(flat.n_bins):
        for k in range(flat.home[i], flat.home[i + 1]):
            slopes[flat.at_home[k], i] = work.parameters[OWN, flat.at_home[k]]
    for p in range(flat.tau.size):
        if flat.parameters[p, ROW] >= 0:
            slopes[p, flat.parameters[p, ROW]] = flat.tau[p]


@njit(cache=True, error_model="numpy")
def nll_rows(counts, centres, precision, theta, nu, out):  # type: ignore[no-untyped-def]
    """Fill the NLL of one data set at N points, (N,), whose expected counts (N, B) are known."""
    for k in range(out.size):
        out[k] = _nll(counts, centres, precision, theta[k], nu[k])


@njit(cache=True, error_model="numpy")
def hessian(flat, counts, centres, precision, theta, free, out):  # type: ignore[no-untyped-def]
    """Fill the second derivatives of the NLL, (P, P), by differences of its gradient; NaN where that does not exist."""
    work, moved, n = _work(flat), theta.copy(), theta.size
    work.flags[FREE] = 1
    high, widths = np.zeros(n), np.zeros(n)
    _slope_at(flat, counts, centres, precision, theta, work)
    for p in range(n):
        information = work.parameters[PRIOR, p]
        if flat.parameters[p, PLACE] >= 0:
            row = work.slopes[flat.parameters[p, PLACE]]
            for i in range(flat.n_bins):
                information += row[i] * row[i] * work.bins[WEIGHT, i]
        widths[p] = 1.0 / math.sqrt(information) if information > 0.0 else 1.0
    for p in range(n):
        out[p, :] = 0.0
        if not free[p]:
            continue
        h = HESSIAN_STEP * widths[p]
        for side in (1.0, -1.0):
            moved[p] = theta[p] + side * h
            _slope_at(flat, counts, centres, precision, moved, work)
            if _nll(counts, centres, precision, moved, work.bins[NU]) == math.inf:
                work.parameters[GRADIENT, :] = math.nan
            if side > 0.0:
                high[:] = work.parameters[GRADIENT]
        moved[p] = theta[p]
        for q in range(n):
            out[p, q] = (high[q] - work.parameters[GRADIENT, q]) / (2.0 * h)
