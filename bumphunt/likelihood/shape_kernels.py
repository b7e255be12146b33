"""Shapes of components and their derivatives, compiled: templates and moving peaks; exponentials are beside.

Part of `bumphunt.likelihood.kernels`: a shape fills the bins of its component in the work arrays, without the factors.
"""

from __future__ import annotations

import math

from bumphunt.compilation import njit
from bumphunt.likelihood.exponential_kernels import fill_exponential, fill_exponential_slope
from bumphunt.likelihood.flat import (
    BASE,
    BIN_PULL,
    BIN_SUM,
    CLIP_BEND,
    CLIP_SLOPE,
    CLIPPED,
    EXPONENTIAL,
    FIRST,
    KIND,
    LAST,
    PULL,
    SHAPE,
    SLOPE,
    STRETCH,
    TEMPLATE,
    TERM_EVEN,
    TERM_INDEX,
    TERM_ODD,
    TERM_SMOOTH,
    TERMS,
    WEIGHTED,
)
from bumphunt.likelihood.linear import NO_FRACTION
from bumphunt.models.interpolation import LARGEST_EXPONENT, bend, clip

__all__ = ["fill_shape", "fill_shape_slope", "fill_tilt"]


@njit(cache=True, error_model="numpy")
def fill_shape(flat, c, theta, work):  # type: ignore[no-untyped-def]
    """Fill the shape of component c."""
    out, at, b = work.bins[SHAPE], flat.components[c, BASE], flat.components[c, LAST] - flat.components[c, FIRST]
    if flat.components[c, KIND] == TEMPLATE:
        for i in range(b):
            out[i] = flat.values[at + i]
        for k in range(flat.components[c, TERMS], flat.components[c, TERMS + 1]):
            t = theta[flat.terms[k, TERM_INDEX]]
            odd = flat.values[flat.terms[k, TERM_ODD] : flat.terms[k, TERM_ODD] + b]
            for i in range(b):
                out[i] += t * odd[i]
            if flat.terms[k, TERM_EVEN] >= 0:
                moved, _, _ = bend(t, flat.terms[k, TERM_SMOOTH] == 1)
                even = flat.values[flat.terms[k, TERM_EVEN] : flat.terms[k, TERM_EVEN] + b]
                for i in range(b):
                    out[i] += moved * even[i]
        if flat.components[c, CLIPPED] >= 0:
            _end_at_zero(flat, c, out, work)
    elif flat.components[c, KIND] == EXPONENTIAL:
        fill_exponential(flat, c, theta, out, work.nodes)
    else:
        _peak(flat, c, theta, work)


@njit(cache=True, error_model="numpy")
def fill_shape_slope(flat, c, k, theta, work):  # type: ignore[no-untyped-def]
    """Fill the derivative of the shape of component c in the parameter of term k; the shape comes first."""
    slope, b = work.bins[SLOPE], flat.components[c, LAST] - flat.components[c, FIRST]
    if flat.components[c, KIND] == TEMPLATE:
        fill_tilt(flat, c, k, theta, slope)
        if flat.components[c, CLIPPED] >= 0:
            for i in range(b):
                slope[i] *= work.bins[CLIP_SLOPE, i]
    elif flat.components[c, KIND] == EXPONENTIAL:
        fill_exponential_slope(flat, c, k, work.nodes, slope)
    else:
        amount = flat.values[flat.terms[k, TERM_ODD]]
        source = work.bins[STRETCH] if flat.terms[k, TERM_SMOOTH] == 1 else work.bins[PULL]
        for i in range(b):
            slope[i] = amount * source[i]


@njit(cache=True, error_model="numpy")
def fill_tilt(flat, c, k, theta, tilt):  # type: ignore[no-untyped-def]
    """Fill the derivative of a template in the parameter of term k, wherever it ends."""
    b = flat.components[c, LAST] - flat.components[c, FIRST]
    odd = flat.values[flat.terms[k, TERM_ODD] : flat.terms[k, TERM_ODD] + b]
    for i in range(b):
        tilt[i] = odd[i]
    if flat.terms[k, TERM_EVEN] >= 0:
        _, steep, _ = bend(theta[flat.terms[k, TERM_INDEX]], flat.terms[k, TERM_SMOOTH] == 1)
        even = flat.values[flat.terms[k, TERM_EVEN] : flat.terms[k, TERM_EVEN] + b]
        for i in range(b):
            tilt[i] += steep * even[i]


@njit(cache=True, error_model="numpy")
def _end_at_zero(flat, c, out, work):  # type: ignore[no-untyped-def]
    """Clip the bins of a template that vary, and fill the derivatives of that."""
    at, b = flat.components[c, CLIPPED], flat.components[c, LAST] - flat.components[c, FIRST]
    for i in range(b):
        slope, curved = 1.0, 0.0
        if flat.values[at + i] > 0.0:
            out[i], slope, curved = clip(out[i], work.width[0])
        work.bins[CLIP_SLOPE, i], work.bins[CLIP_BEND, i] = slope, curved


@njit(cache=True, error_model="numpy")
def _peak(flat, c, theta, work):  # type: ignore[no-untyped-def]
    """Fill the counts of a peak, and their derivatives in its position and in the logarithm of its width.

    Its cumulative distribution G is read from a table in t = asinh((u - mean) / sigma), with cubic (Hermite)
    interpolation; u is x moved back by the shift and narrowed by the stretch.
    """
    b, at, values = flat.components[c, LAST] - flat.components[c, FIRST], flat.components[c, BASE], flat.values
    out, pull, stretch = work.bins[SHAPE], work.bins[PULL], work.bins[STRETCH]
    cumulative, d_pull, d_stretch = work.bins[BIN_SUM], work.bins[BIN_PULL], work.bins[WEIGHTED]
    mean, pieces, bounded = values[at], int(values[at + 5]), values[at + 6] > 0.0
    edges, table = values[at + 7 : at + 10 + b], at + 10 + b
    moved, width = _moved_peak(flat, c, theta)
    out[:b], pull[:b], stretch[:b] = 0.0, 0.0, 0.0
    for _ in range(pieces):
        for i in range(b + 3 if bounded else b + 1):
            z = (edges[i] - mean - moved) / width
            cumulative[i], slope = _tabulated(values, at, table, z)
            d_pull[i], d_stretch[i] = -slope / width, -slope * z
        whole, whole_pull, whole_stretch = 1.0, 0.0, 0.0
        if bounded:
            whole = cumulative[b + 2] - cumulative[b + 1]
            whole_pull, whole_stretch = d_pull[b + 2] - d_pull[b + 1], d_stretch[b + 2] - d_stretch[b + 1]
        events = values[table] / whole
        for i in range(b):
            fraction = cumulative[i + 1] - cumulative[i]
            if fraction < NO_FRACTION:  # no events, and none at the next point either
                continue
            out[i] += events * fraction
            pull[i] += events * (d_pull[i + 1] - d_pull[i] - fraction / whole * whole_pull)
            stretch[i] += events * (d_stretch[i + 1] - d_stretch[i] - fraction / whole * whole_stretch)
        table += 1 + 2 * int(values[at + 4])


@njit(cache=True, error_model="numpy")
def _moved_peak(flat, c, theta):  # type: ignore[no-untyped-def]
    """Return how far a peak is moved, and its width."""
    moved, log_width = 0.0, 0.0
    for k in range(flat.components[c, TERMS], flat.components[c, TERMS + 1]):
        amount = theta[flat.terms[k, TERM_INDEX]] * flat.values[flat.terms[k, TERM_ODD]]
        if flat.terms[k, TERM_SMOOTH] == 0:
            moved += amount
        else:
            log_width += amount
    return moved, flat.values[flat.components[c, BASE] + 1] * math.exp(min(log_width, LARGEST_EXPONENT))


@njit(cache=True, error_model="numpy")
def _tabulated(values, at, table, z):  # type: ignore[no-untyped-def]
    """Return G and dG / dz at z widths from the mean, from the table of a peak whose header is at a place."""
    reach, density, nodes = values[at + 2], values[at + 3], int(values[at + 4])
    x = min(max((math.asinh(z) + reach) * density, 0.0), nodes - 1.0)
    j = min(int(x), nodes - 2)
    s, place = x - j, table + 1 + 2 * j
    low, high, up, down = values[place], values[place + 2], values[place + 1], values[place + 3]
    rise = high - low
    cumulative = low + s * (up + s * (3.0 * rise - 2.0 * up - down + s * (up + down - 2.0 * rise)))
    slope = up + s * (2.0 * (3.0 * rise - 2.0 * up - down) + 3.0 * s * (up + down - 2.0 * rise))
    return cumulative, slope * density / math.sqrt(1.0 + z * z)
