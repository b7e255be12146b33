"""The likelihood in compiled code: expected counts, their derivatives, and those of the negative log-likelihood.

`bumphunt.likelihood.components` lays a likelihood out in the arrays of a `Flat`. `evaluate`, `nll_rows` and `hessian`
answer for `bumphunt.likelihood.likelihood.Likelihood`; the others work on the arrays of a `Work` and are steps of
`bumphunt.engines.newton_kernels`. Nothing here checks its input.
"""

from __future__ import annotations

import math

import numpy as np

from bumphunt.compilation import njit
from bumphunt.likelihood import poisson
from bumphunt.likelihood.exponential_kernels import exponential_bend, filled_again, weigh
from bumphunt.likelihood.flat import (
    BENT,
    BINS,
    CLIP_BEND,
    CLIP_SLOPE,
    CLIPPED,
    EXPONENTIAL,
    FACTOR,
    FACTOR_AT,
    FACTOR_BEND,
    FACTOR_CLIPPED,
    FACTOR_INDEX,
    FACTOR_KIND,
    FACTOR_SLOPE,
    FACTORS,
    FIRST,
    GRADIENT,
    INVERSE,
    KIND,
    LAST,
    LINEAR,
    NU,
    OWN,
    PLACE,
    POWER,
    PRIOR,
    PULL,
    RATIO,
    ROW,
    SCALE,
    SHAPE,
    SLOPE,
    TEMPLATE,
    TERM_EVEN,
    TERM_INDEX,
    TERM_ODD,
    TERM_SMOOTH,
    TERMS,
    WEIGHT,
    work_arrays,
)
from bumphunt.likelihood.shape_kernels import fill_shape, fill_shape_slope, fill_tilt
from bumphunt.models.interpolation import bend, clip, power_factor

__all__ = ["curvature", "evaluate", "expected_and_slopes", "gradient", "hessian", "nll", "nll_rows"]

LEAST_WIDTH = 1e-13
"""Least width within which the end of a factor is rounded off: it is of order 1, and its rounding errors 1e-16."""
HESSIAN_STEP = 1e-3
"""Step of the differences that give the Hessian, in standard deviations."""


@njit(cache=True, error_model="numpy")
def expected_and_slopes(flat, theta, work):  # type: ignore[no-untyped-def]
    """Fill nu and its slopes."""
    work.bins[NU, : flat.n_bins] = 0.0
    work.slopes[:] = 0.0
    work.parameters[OWN, :] = 0.0
    shape, scale = work.bins[SHAPE], work.bins[SCALE]
    for c in range(flat.components.shape[0]):
        first, b = flat.components[c, FIRST], flat.components[c, LAST] - flat.components[c, FIRST]
        fill_shape(flat, c, theta, work)
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
    shape = work.bins[SHAPE]
    for f in range(flat.components[c, FACTORS], flat.components[c, FACTORS + 1]):
        if flat.factors[f, FACTOR_KIND] == BINS:
            _add_of_bins(flat, c, f, theta, product, work)
        else:
            others = _others(flat, c, f, f, work) * work.vectors[FACTOR_SLOPE, f]
            _add(flat, flat.factors[f, FACTOR_INDEX], c, shape, others, work)
    for k in range(flat.components[c, TERMS], flat.components[c, TERMS + 1]):
        if flat.components[c, KIND] == TEMPLATE and flat.components[c, CLIPPED] < 0 and flat.terms[k, TERM_EVEN] < 0:
            odd = flat.values[flat.terms[k, TERM_ODD] :]
            _add(flat, flat.terms[k, TERM_INDEX], c, odd, product, work)
            continue
        fill_shape_slope(flat, c, k, theta, work)
        _add(flat, flat.terms[k, TERM_INDEX], c, work.bins[SLOPE], product, work)


@njit(cache=True, error_model="numpy")
def _add(flat, p, c, slope, factor, work):  # type: ignore[no-untyped-def]
    """Add slope_i x factor x scale_i, i a bin of component c, to the slopes of parameter p."""
    m, first, scale = flat.parameters[p, PLACE], flat.components[c, FIRST], work.bins[SCALE]
    b = flat.components[c, LAST] - first
    if m >= 0:
        row = work.slopes[m, first : first + b]
        for i in range(b):
            row[i] += slope[i] * factor * scale[i]
    else:  # at home in one bin
        for i in range(b):
            work.parameters[OWN, p] += slope[i] * factor * scale[i]


@njit(cache=True, error_model="numpy")
def _add_of_bins(flat, c, f, theta, product, work):  # type: ignore[no-untyped-def]
    """Add the slopes in the parameters of factor f, one a bin, of a component."""
    first, start, stop = flat.components[c, FIRST], flat.components[c, FACTORS], flat.components[c, FACTORS + 1]
    for i in range(flat.components[c, LAST] - first):
        p = flat.bins[flat.factors[f, FACTOR_AT] + i]
        if p < 0:
            continue
        slope = work.bins[SHAPE, i] * product * _clipped_bin(flat, f, i, theta[p], work)[1]
        for g in range(start, stop):
            if g != f and flat.factors[g, FACTOR_KIND] == BINS:
                other = flat.bins[flat.factors[g, FACTOR_AT] + i]
                if other >= 0:
                    slope *= _clipped_bin(flat, g, i, theta[other], work)[0]
        if flat.parameters[p, PLACE] >= 0:
            work.slopes[flat.parameters[p, PLACE], first + i] += slope
        else:
            work.parameters[OWN, p] += slope


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
                    scale[i] *= _clipped_bin(flat, f, i, theta[flat.bins[at + i]], work)[0]
            continue
        if flat.factors[f, FACTOR_KIND] == LINEAR:
            value, slope, bend = flat.values[at] + flat.values[at + 1] * theta[p], flat.values[at + 1], 0.0
            if flat.factors[f, FACTOR_CLIPPED] == 1:
                value, steep, curved = clip(value, _width(flat.values[at + 2], work))
                slope, bend = slope * steep, slope * slope * curved
        else:
            value, slope, bend = power_factor(theta[p], flat.values[at] > 0.0, flat.values[at + 1 : at + 10])
        work.vectors[FACTOR, f], work.vectors[FACTOR_SLOPE, f], work.vectors[FACTOR_BEND, f] = value, slope, bend
        product *= value
    return product


@njit(cache=True, error_model="numpy")
def _clipped_bin(flat, f, i, theta, work):  # type: ignore[no-untyped-def]
    """Return the factor of bin i of a component, and two derivatives, from its parameter."""
    if flat.factors[f, FACTOR_CLIPPED] == 0:
        return theta, 1.0, 0.0
    return clip(theta, _width(flat.values[flat.factors[f, FACTOR_INDEX] + i], work))


@njit(cache=True, error_model="numpy")
def _width(scale, work):  # type: ignore[no-untyped-def]
    """Return the width within which the end of a factor is rounded off, from the inverse of what it multiplies."""
    return max(work.width[0] * scale, LEAST_WIDTH) if work.width[0] > 0.0 else 0.0


@njit(cache=True, error_model="numpy")
def _others(flat, c, f, g, work):  # type: ignore[no-untyped-def]
    """Return the product of the factors of a component that all bins have in common, but two."""
    product = 1.0
    for h in range(flat.components[c, FACTORS], flat.components[c, FACTORS + 1]):
        if h != f and h != g and flat.factors[h, FACTOR_KIND] != BINS:
            product *= work.vectors[FACTOR, h]
    return product


@njit(cache=True, error_model="numpy")
def nll(counts, centres, precision, theta, work):  # type: ignore[no-untyped-def]
    """Return the NLL where `expected_and_slopes` was last filled; inf where a count is impossible."""
    n = counts.size
    return poisson.nll(counts, centres, precision, theta, work.bins[NU, :n], work.bins[SHAPE, :n], work.bins[SCALE, :n])


@njit(cache=True, error_model="numpy")
def terms(counts, fisher, work):  # type: ignore[no-untyped-def]
    """Fill what the terms of the NLL make of nu: see `bumphunt.likelihood.poisson.terms`."""
    n = counts.size
    inverse, ratio, weight = work.bins[INVERSE, :n], work.bins[RATIO, :n], work.bins[WEIGHT, :n]
    poisson.terms(counts, work.bins[NU, :n], fisher, inverse, ratio, weight)


@njit(cache=True, error_model="numpy")
def gradient(flat, counts, centres, precision, theta, work):  # type: ignore[no-untyped-def]
    """Fill the gradient of the NLL, and the curvature that constraints and auxiliary counts add; after the terms."""
    slope = work.parameters[GRADIENT]
    for p in range(theta.size):
        slope[p] = precision[p] * (theta[p] - centres[p])
        work.parameters[PRIOR, p] = precision[p] + max(work.parameters[BENT, p], 0.0)
        row = flat.parameters[p, ROW]
        if row >= 0:
            tau = flat.tau[p]
            weight = work.bins[WEIGHT, row]
            if counts[row] == 0.0 and weight == 0.0 and work.bins[NU, row] > 0.0:
                weight = 1.0 / work.bins[NU, row]  # an empty one has no curvature: the expected information
            slope[p] += tau * work.bins[RATIO, row]
            work.parameters[PRIOR, p] += tau * tau * weight
    for i in range(flat.n_bins):
        for k in range(flat.home[i], flat.home[i + 1]):
            slope[flat.at_home[k]] += work.bins[RATIO, i] * work.parameters[OWN, flat.at_home[k]]
    for m in range(flat.dense.shape[0]):
        low, high = flat.dense[m, 1], flat.dense[m, 2]
        slope[flat.dense[m, 0]] += poisson.dot(work.slopes[m, low:high], work.bins[RATIO, low:high])


@njit(cache=True, error_model="numpy")
def _gradient_at(flat, counts, centres, precision, theta, work):  # type: ignore[no-untyped-def]
    """Fill the gradient of the NLL at some parameters."""
    expected_and_slopes(flat, theta, work)
    terms(counts, True, work)
    gradient(flat, counts, centres, precision, theta, work)


@njit(cache=True, error_model="numpy")
def curvature(flat, theta, work):  # type: ignore[no-untyped-def]
    """Fill sum_i (1 - n_i / nu_i) d2nu_i / dtheta_p dtheta_q, lower half.

    Common factors and terms count; moving peaks and the factors of single bins are left out. `expected_and_slopes` was
    last filled at the same parameters.
    """
    work.curvature[:], work.parameters[BENT] = 0.0, 0.0
    shape, scale, slope = work.bins[SHAPE], work.bins[SCALE], work.bins[SLOPE]
    for c in range(flat.components.shape[0]):
        first, last = flat.components[c, FIRST], flat.components[c, LAST]
        start, stop, b = flat.components[c, FACTORS], flat.components[c, FACTORS + 1], last - first
        if _straight(flat, c, work):
            continue
        if flat.components[c, KIND] == EXPONENTIAL:
            filled_again(flat, c, shape, work.nodes)
        else:
            fill_shape(flat, c, theta, work)
        product = _factors(flat, c, theta, work)
        for i in range(b):
            scale[i] *= work.bins[RATIO, first + i]
        residual = poisson.dot(shape[:b], scale[:b])
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
        if flat.components[c, KIND] == EXPONENTIAL:
            weigh(flat, c, scale, work.nodes)
        for k in range(flat.components[c, TERMS], flat.components[c, TERMS + 1]):
            p, moved = flat.terms[k, TERM_INDEX], 0.0
            if stop > start:
                fill_shape_slope(flat, c, k, theta, work)
                moved = poisson.dot(slope[:b], scale[:b])
            for f in range(start, stop):
                if flat.factors[f, FACTOR_KIND] != BINS:
                    q = flat.factors[f, FACTOR_INDEX]
                    both = moved * work.vectors[FACTOR_SLOPE, f] * _others(flat, c, f, f, work)
                    _bent(flat, p, q, 2.0 * both if p == q else both, work)
            if flat.components[c, KIND] == TEMPLATE and flat.terms[k, TERM_EVEN] >= 0:
                _, _, curved = bend(theta[p], flat.terms[k, TERM_SMOOTH] == 1)
                at = flat.terms[k, TERM_EVEN]
                for i in range(b):
                    slope[i] = flat.values[at + i]
                    if flat.components[c, CLIPPED] >= 0:
                        slope[i] *= work.bins[CLIP_SLOPE, i]
                _bent(flat, p, p, curved * product * poisson.dot(slope[:b], scale[:b]), work)
            elif flat.components[c, KIND] == EXPONENTIAL:
                for j in range(flat.components[c, TERMS], k + 1):
                    bent = exponential_bend(flat, c, k, j, work.nodes)
                    _bent(flat, p, flat.terms[j, TERM_INDEX], product * bent, work)
        if work.width[0] > 0.0:
            _round_ends(flat, c, theta, product, work)


@njit(cache=True, error_model="numpy")
def _straight(flat, c, work):  # type: ignore[no-untyped-def]
    """Return whether component c has no second derivative: it is linear in one parameter, or in some that add up."""
    start, stop = flat.components[c, FACTORS], flat.components[c, FACTORS + 1]
    terms = flat.components[c, TERMS + 1] - flat.components[c, TERMS]
    if work.width[0] > 0.0 or flat.components[c, KIND] != TEMPLATE or stop - start > (1 if terms == 0 else 0):
        return False
    for k in range(flat.components[c, TERMS], flat.components[c, TERMS + 1]):
        if flat.terms[k, TERM_EVEN] >= 0:
            return False
    return stop == start or flat.factors[start, FACTOR_KIND] != POWER


@njit(cache=True, error_model="numpy")
def _round_ends(flat, c, theta, product, work):  # type: ignore[no-untyped-def]
    """Add what ends at 0, rounded off, bend in component c; shape, and scale times 1 - n / nu, have been filled."""
    scale, b = work.bins[SCALE], flat.components[c, LAST] - flat.components[c, FIRST]
    if flat.components[c, CLIPPED] >= 0:
        one, other = work.bins[SLOPE], work.bins[PULL]
        for k in range(flat.components[c, TERMS], flat.components[c, TERMS + 1]):
            for j in range(flat.components[c, TERMS], k + 1):
                fill_tilt(flat, c, k, theta, one)
                fill_tilt(flat, c, j, theta, other)
                total = 0.0
                for i in range(b):
                    total += one[i] * other[i] * work.bins[CLIP_BEND, i] * scale[i]
                _bent(flat, flat.terms[k, TERM_INDEX], flat.terms[j, TERM_INDEX], product * total, work)
    for f in range(flat.components[c, FACTORS], flat.components[c, FACTORS + 1]):
        if flat.factors[f, FACTOR_KIND] != BINS or flat.factors[f, FACTOR_CLIPPED] == 0:
            continue
        for i in range(b):
            p = flat.bins[flat.factors[f, FACTOR_AT] + i]
            if p < 0:
                continue
            value, _, curved = _clipped_bin(flat, f, i, theta[p], work)
            amount = work.bins[SHAPE, i] * product * scale[i] * curved / value
            if flat.parameters[p, PLACE] >= 0:
                _bent(flat, p, p, amount, work)
            else:
                work.parameters[BENT, p] += amount


@njit(cache=True, error_model="numpy")
def _bent(flat, p, q, amount, work):  # type: ignore[no-untyped-def]
    """Add to the second derivatives in two dense parameters, in the lower half."""
    m, n = flat.parameters[p, PLACE], flat.parameters[q, PLACE]
    work.curvature[max(m, n), min(m, n)] += amount


@njit(cache=True, error_model="numpy")
def evaluate(flat, theta, want, nu, slopes):  # type: ignore[no-untyped-def]
    """Fill the expected counts (N, B) at N points (N, P), and if wanted the derivatives (P, B) at the last one."""
    work = work_arrays(flat)
    for k in range(theta.shape[0]):
        expected_and_slopes(flat, theta[k], work)
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
    ratio, mantissa = np.empty(counts.size), np.empty(counts.size)
    for k in range(out.size):
        out[k] = poisson.nll(counts, centres, precision, theta[k], nu[k], ratio, mantissa)


@njit(cache=True, error_model="numpy")
def hessian(flat, counts, centres, precision, theta, free, out):  # type: ignore[no-untyped-def]
    """Fill the second derivatives of the NLL, (P, P), by differences of its gradient; NaN where that does not exist."""
    work, moved, n = work_arrays(flat), theta.copy(), theta.size
    high, widths = np.zeros(n), np.zeros(n)
    _gradient_at(flat, counts, centres, precision, theta, work)
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
            _gradient_at(flat, counts, centres, precision, moved, work)
            if nll(counts, centres, precision, moved, work) == math.inf:
                work.parameters[GRADIENT, :] = math.nan
            if side > 0.0:
                high[:] = work.parameters[GRADIENT]
        moved[p] = theta[p]
        for q in range(n):
            out[p, q] = (high[q] - work.parameters[GRADIENT, q]) / (2.0 * h)
