"""Flat: a likelihood laid out in arrays, for compiled code; and the work arrays of that code.

`bumphunt.likelihood.components` fills a `Flat`; `bumphunt.likelihood.kernels` evaluates it, and
`bumphunt.engines.newton_kernels` minimises. All name the columns and rows by the numbers defined here.

Symbols: P parameters theta, of which the M `dense` ones have a row in the slopes J (M, b) and the others one slope a,
in the bin where they are at home (factors of single bins, such as Barlow and Beeston's); b bins of regions, B counts
with the auxiliary ones.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bumphunt.compilation import njit

__all__ = ["Flat", "Work", "work_arrays"]

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

TEMPLATE, EXPONENTIAL, PEAK = 0, 1, 2
"""Kinds of components."""
LINEAR, POWER, BINS = 0, 1, 2
"""Kinds of factors: of all bins, linear or log-normal, and one of each bin."""

FIRST, LAST, KIND, BASE, TERMS, FACTORS, CLIPPED, NODES_AT, NODES = 0, 1, 2, 3, 4, 6, 8, 9, 10
"""Columns of a component: its bins, kind, and place in the values; the ranges of its terms and factors, two each; the
place of what says which bins end at 0 (-1: none); where the points of an exponential begin, and how many there are in a
bin."""
TERM_INDEX, TERM_ODD, TERM_EVEN, TERM_SMOOTH = range(4)
"""Columns of a term: its parameter, the places of its odd and even part (-1: none), and whether it is smooth."""
FACTOR_KIND, FACTOR_INDEX, FACTOR_AT, FACTOR_CLIPPED = range(4)
"""Columns of a factor: its kind, parameter, and place in the values; whether it ends at 0. One of single bins has no
parameter of its own but the place of the inverse contents there, and its place is one in the bins."""
ROW, PLACE, KINKED = range(3)
"""Columns of a parameter: the row of its auxiliary count, its row in the slopes (-1: none), whether it has a kink."""

NU, NU_STEP, INVERSE, RATIO, WEIGHT, WALLS, SHAPE, SCALE = range(8)
"""Rows of work over all counts: expectation and its step, what the terms of the NLL make of it, two more to spare."""
SLOPE, PULL, STRETCH, BIN_WEIGHT, BIN_RATIO, BIN_SUM, BIN_PULL, WEIGHTED = range(8, 16)
"""Rows of work over the bins of regions."""
WALLED = 16
"""Row of work over all counts: whether an expectation could be negative."""
CLIP_SLOPE, CLIP_BEND = 17, 18
"""Rows of work over the bins of regions: derivatives of what ends at 0."""
SOFT = 19
"""Row of work over all counts: whether an expectation can be negative only where the strength is."""
N_BIN_ROWS = 20
"""Rows of work over counts and bins."""
OWN, PRIOR, GRADIENT, STEP, TRIAL, BENT = range(6)
"""Rows of work over parameters."""
FREE, FROZEN, CROSSED = range(3)
"""Flags of parameters: fitted; held at its kink; how often it stepped across."""
REDUCED, FACTOR, FACTOR_SLOPE, FACTOR_BEND = range(4)
"""Rows of work over dense parameters, and over factors."""


class Flat(NamedTuple):
    """A likelihood laid out in arrays, made by `bumphunt.likelihood.components.flattened`.

    A template has its histogram at ``values[base]`` and adds its terms; the parameters of an exponential or of a peak
    are its terms.
    """

    components: Indices
    """Bins, kind, place in the values, terms, factors, what ends at 0, and points, of each component, (C, 11)."""
    terms: Indices
    """(T, 4)."""
    factors: Indices
    """(F, 4)."""
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
    clips: bool
    """Whether a shape or a factor ends at 0."""
    exponential: bool
    """Whether there is an exponential, whose coefficients may be large."""
    n_bins: int
    n_rows: int


class Work(NamedTuple):
    """Work arrays for the evaluation of a likelihood and one fit of it.

    `width` (1,) is that within which ends at 0 are rounded off: 0 but in interior-point steps.
    """

    bins: Array
    parameters: Array
    flags: Indices
    vectors: Array
    slopes: Array
    curvature: Array
    hessian: Array
    nodes: Array
    """Exponentials at the points of the integrals over bins, times the weights of these, and as many to spare."""
    width: Array


@njit(cache=True, error_model="numpy")
def work_arrays(flat):  # type: ignore[no-untyped-def]
    """Return work arrays for a likelihood."""
    n_parameters, n_dense, n_nodes = flat.tau.size, flat.dense.shape[0], 0
    for c in range(flat.components.shape[0]):
        if flat.components[c, KIND] == EXPONENTIAL:
            n_nodes += flat.components[c, NODES] * (flat.components[c, LAST] - flat.components[c, FIRST])
    return Work(
        np.zeros((N_BIN_ROWS, max(flat.n_bins + 3, flat.n_rows))),
        np.zeros((6, n_parameters)),
        np.zeros((3, n_parameters), np.int64),
        np.zeros((4, max(n_dense, flat.factors.shape[0]))),
        np.zeros((n_dense, flat.n_bins)),
        np.zeros((n_dense, n_dense)),
        np.zeros((n_dense, n_dense)),
        np.zeros((2, n_nodes)),
        np.zeros(1),
    )
