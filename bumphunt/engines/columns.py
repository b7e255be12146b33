"""Expected counts that are sums of columns, and their information, compiled: for the kernels of linear likelihoods.

A model has columns A (P, B), `spans` (P, 2), the first bin of each that is not zero and the one after the last, and
precisions (P,) of constraints; the first of its columns, `held` in number, keep their contents.
"""

from __future__ import annotations

from bumphunt.compilation import njit

__all__ = ["expected", "find_spans", "information"]


@njit(cache=True, error_model="numpy")
def find_spans(columns, spans):  # type: ignore[no-untyped-def]
    """Fill the first bin of each column that is not zero, and the one after the last."""
    n_par, n_bins = columns.shape
    for p in range(n_par):
        first, last = 0, n_bins
        while first < last and columns[p, first] == 0.0:
            first += 1
        while last > first and columns[p, last - 1] == 0.0:
            last -= 1
        spans[p, 0], spans[p, 1] = first, last


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def expected(model, first, vector, out):  # type: ignore[no-untyped-def]
    """Fill out_i = sum_p vector_p A_pi, over the columns from `first` on."""
    columns, spans = model.columns, model.spans
    out[:] = 0.0
    for p in range(first, columns.shape[0]):
        value = vector[p]
        for i in range(spans[p, 0], spans[p, 1]):
            out[i] += value * columns[p, i]


@njit(cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def information(model, theta, centres, work):  # type: ignore[no-untyped-def]
    """Fill gradient and lower half of the Hessian in the contents of columns, with the Gaussian constraints.

    They are sum_i A_pi ratio_i and sum_i A_pi A_qi weight_i, for the columns that are not held.
    """
    columns, spans, precision, held = model.columns, model.spans, model.precision, model.held
    gradient, hessian, ratio, weight, weighted = work.gradient, work.hessian, work.ratio, work.weight, work.weighted
    for p in range(held, columns.shape[0]):
        low, high = spans[p, 0], spans[p, 1]
        slope, curvature = 0.0, 0.0
        for i in range(low, high):
            a = columns[p, i]
            w = a * weight[i]
            weighted[i] = w
            slope += a * ratio[i]
            curvature += w * a
        gradient[p] = slope + precision[p] * (theta[p] - centres[p])
        hessian[p, p] = curvature + precision[p]
        for q in range(held, p):
            mixed = 0.0
            for i in range(max(low, spans[q, 0]), min(high, spans[q, 1])):
                mixed += weighted[i] * columns[q, i]
            hessian[p, q] = mixed
