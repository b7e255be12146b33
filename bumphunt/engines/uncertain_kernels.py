"""Newton steps for many data sets of one model whose signal has parts of uncertain yields, compiled.

The parameters are the coefficients of the free templates, the signal S, and standard normal z with yields n_r = S f_r
exp((A z)_r) of the parts, where the factors f_r differ from data set to data set. The steps are those of
`bumphunt.engines.uncertain_yields`, in all parameters at once and from the fit without signal on: some microseconds a
data set. What does not converge here, or meets the wall of an empty bin, is left to that module; nothing is
approximated.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bumphunt.compilation import njit
from bumphunt.engines.cholesky import PIVOT, backward, factor, forward
from bumphunt.engines.codes import CONVERGED, NOT_CONVERGED
from bumphunt.engines.columns import expected, find_spans, information
from bumphunt.likelihood.poisson import deviance, terms

__all__ = ["DataSets", "UncertainFits", "fit_uncertain"]

Array = NDArray[np.float64]

MAX_STEPS, CAUTIOUS = 25, 8
"""Steps before a fit is left to others, and before steps are shortened."""
DECREMENT = 1e-7
"""Squared Newton decrement at which the last step is taken."""
HALVINGS = 8
"""How often a step is halved that leads to negative expectations."""


class DataSets(NamedTuple):
    """T data sets: counts (T, B), centres of the constraints (T, P), factors of the parts (T, R), start (T, P).

    The start is a fit without signal, in whose place the parts are 0.
    """

    counts: Array
    centres: Array
    factors: Array
    start: Array


class UncertainFits(NamedTuple):
    """What is filled of T fits: NLL, S, and status, CONVERGED or NOT_CONVERGED, (T,) each."""

    nll: Array
    signal: Array
    status: NDArray[np.int8]


class _Model(NamedTuple):
    """What all data sets share: columns A (P, B), the first bins and ends of them, constraints, A of the yields."""

    columns: Array
    spans: NDArray[np.uint64]
    precision: Array
    mixing: Array
    held: int


class _Work(NamedTuple):
    """Work arrays: over bins; over columns, with the contents of a trial; over S, z and free templates."""

    nu: Array
    inverse: Array
    ratio: Array
    weight: Array
    weighted: Array
    gradient: Array
    trial: Array
    hessian: Array
    slopes: Array
    vector: Array
    move: Array
    moved: Array
    matrix: Array


@njit(cache=True, error_model="numpy")
def _positive(model, values, nu):  # type: ignore[no-untyped-def]
    """Fill the expected counts; return whether all are positive."""
    expected(model, 0, values, nu)
    positive = 0
    for i in range(nu.size):
        positive += nu[i] > 0.0
    return positive == nu.size


@njit(cache=True, error_model="numpy")
def _assemble(linear, yields, slopes, z, mixing, exact, matrix, vector):  # type: ignore[no-untyped-def]
    """Fill matrix and gradient in (S, z, free templates) from those in the contents of the columns.

    `linear` are gradient, Hessian, and numbers of the first part and of the first free template. `yields` (R,) are n_r,
    `slopes` (R,) their derivatives in S. Unless `exact`, second derivatives of the yields are left out.
    """
    gradient, hessian, first, free = linear
    parts, n_free = yields.size, gradient.size - free
    matrix[:] = 0.0
    vector[:] = 0.0
    bent = 1.0 if exact else 0.0
    for r in range(parts):
        g = gradient[first + r]
        vector[0] += slopes[r] * g
        for q in range(parts):
            vector[1 + q] += yields[r] * mixing[r, q] * g
            matrix[1 + q, 0] += bent * slopes[r] * mixing[r, q] * g
            for t in range(q + 1):
                matrix[1 + q, 1 + t] += bent * yields[r] * mixing[r, q] * mixing[r, t] * g
        for s in range(parts):
            h = hessian[first + max(r, s), first + min(r, s)]  # its lower half is there
            matrix[0, 0] += slopes[r] * h * slopes[s]
            for q in range(parts):
                matrix[1 + q, 0] += yields[r] * mixing[r, q] * h * slopes[s]
                for t in range(q + 1):
                    matrix[1 + q, 1 + t] += yields[r] * mixing[r, q] * h * yields[s] * mixing[s, t]
        for k in range(n_free):
            h = hessian[free + k, first + r]
            matrix[1 + parts + k, 0] += h * slopes[r]
            for q in range(parts):
                matrix[1 + parts + k, 1 + q] += h * yields[r] * mixing[r, q]
    for q in range(parts):
        vector[1 + q] += z[q]
        matrix[1 + q, 1 + q] += 1.0
    for k in range(n_free):
        vector[1 + parts + k] = gradient[free + k]
        for j in range(k + 1):
            matrix[1 + parts + k, 1 + parts + j] = hessian[free + k, free + j]


@njit(cache=True, error_model="numpy")
def _yields(z, factors, mixing, slopes):  # type: ignore[no-untyped-def]
    """Fill the derivatives f_r exp((A z)_r) of the yields in S."""
    for r in range(slopes.size):
        exponent = 0.0
        for q in range(z.size):
            exponent += mixing[r, q] * z[q]
        slopes[r] = factors[r] * math.exp(exponent)


@njit(cache=True, error_model="numpy")
def _moved(model, factors, x, length, work):  # type: ignore[no-untyped-def]
    """Fill where a step of some length leads, halved until all expectations are positive; return that length, or 0."""
    moved, trial, slopes = work.moved, work.trial, work.slopes
    held, parts = model.held, slopes.size
    for _ in range(HALVINGS):
        for p in range(x.size):
            moved[p] = x[p] + length * work.move[p]
        _yields(moved[1 : 1 + parts], factors, model.mixing, slopes)
        for r in range(parts):
            trial[held + r] = moved[0] * slopes[r]
        trial[held + parts :] = moved[1 + parts :]
        if _positive(model, trial, work.nu):
            return length
        length *= 0.5
    return 0.0


@njit(cache=True, error_model="numpy")
def _fit(model, counts, centres, factors, x, work):  # type: ignore[no-untyped-def]
    """Fit one data set from x = (S, z, free templates) on, which becomes the result; return (NLL, status).

    `work.trial` (P,) are the contents of the columns there.
    """
    held, precision, values = model.held, model.precision, work.trial
    parts = work.slopes.size
    free = held + parts
    nu, inverse, ratio, weight, gradient, hessian = (
        work.nu,
        work.inverse,
        work.ratio,
        work.weight,
        work.gradient,
        work.hessian,
    )
    if not _positive(model, values, nu):
        return math.nan, NOT_CONVERGED
    linear = (gradient, hessian, held, free)
    for step in range(MAX_STEPS):
        terms(counts, nu, False, inverse, ratio, weight)
        information(model, values, centres, work)  # the parts have no constraints of their own
        z = x[1 : 1 + parts]
        _yields(z, factors, model.mixing, work.slopes)
        _assemble(linear, values[held:free], work.slopes, z, model.mixing, True, work.matrix, work.vector)
        if not factor(work.matrix, 0, PIVOT):
            _assemble(linear, values[held:free], work.slopes, z, model.mixing, False, work.matrix, work.vector)
            if not factor(work.matrix, 0, PIVOT):
                return math.nan, NOT_CONVERGED
        for p in range(x.size):
            work.move[p] = -work.vector[p]
        decrement = forward(work.matrix, 0, work.move)
        backward(work.matrix, 0, work.move)
        whole = 1.0 if step < CAUTIOUS or decrement < DECREMENT else 1.0 / (1.0 + math.sqrt(decrement))
        length = _moved(model, factors, x, whole, work)
        if length == 0.0 or math.isnan(decrement):
            return math.nan, NOT_CONVERGED
        x[:] = work.moved
        if decrement < DECREMENT and length == 1.0:
            nll = deviance(counts, nu, ratio, weight)
            for p in range(free, values.size):
                nll += 0.5 * precision[p] * (values[p] - centres[p]) ** 2
            for q in range(parts):
                nll += 0.5 * x[1 + q] ** 2
            return nll, CONVERGED
    return math.nan, NOT_CONVERGED


@njit(cache=True, error_model="numpy", nogil=True)
def fit_uncertain(columns, held, precision, mixing, data, found):  # type: ignore[no-untyped-def]
    """Fit T data sets to one model; fill what is found.

    Columns (P, B): `held` templates that are held, R parts of the signal, free templates; precision (P,).
    """
    counts, centres, factors, start = data.counts, data.centres, data.factors, data.start
    nll, signal, status = found.nll, found.signal, found.status
    n_par, n_bins = columns.shape
    parts = factors.shape[1]
    size = 1 + n_par - held
    spans = np.zeros((n_par, 2), np.uint64)
    find_spans(columns, spans)
    model = _Model(columns, spans, precision, mixing, held)
    bins, of_fit, of_columns = np.zeros((5, n_bins)), np.zeros((3, size)), np.zeros((2, n_par))
    work = _Work(
        bins[0], bins[1], bins[2], bins[3], bins[4],
        of_columns[0], of_columns[1], np.zeros((n_par, n_par)), np.zeros(parts),
        of_fit[0], of_fit[1], of_fit[2], np.zeros((size, size)),
    )  # fmt: skip
    x = np.zeros(size)
    for t in range(counts.shape[0]):
        work.trial[:] = start[t]
        work.trial[held : held + parts] = 0.0
        x[: 1 + parts] = 0.0
        x[1 + parts :] = start[t, held + parts :]
        nll[t], code = _fit(model, counts[t], centres[t], factors[t], x, work)
        signal[t], status[t] = x[0], code
