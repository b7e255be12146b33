"""Fits of likelihoods that are not linear in their parameters: damped Newton steps in compiled code.

The engine "newton" for `Likelihood`s with log-normal factors, shape variations, per-bin factors times normalisations,
exponential backgrounds and moving peaks. It also fits linear ones, for which `bumphunt.engines.linear` is faster.
`bumphunt.engines.newton_kernels` says how it works; the errors come from the observed information at the minimum, as
those of Minuit's HESSE. Use `fit_newton` for one data set, `fit_data_sets` for thousands (toys).
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from bumphunt.engines.codes import RUNNING
from bumphunt.engines.exponentials import Without, fit_few, fit_others, hard
from bumphunt.engines.minima import LOWER, ROUNDS, may_have_several, other_starts, several_minima
from bumphunt.engines.newton_kernels import DataSets, Fits, fit_rows
from bumphunt.engines.result import FitResult, FitResults, FitStatus, fit_result, put_rows
from bumphunt.engines.start import FEW, faded, first_strength, possible, signal_like
from bumphunt.engines.threads import in_threads
from bumphunt.likelihood.kernels import hessian
from bumphunt.likelihood.likelihood import Likelihood

__all__ = ["fit_beside", "fit_data_sets", "fit_newton"]

Array = NDArray[np.float64]


def fit_data_sets(
    model: Likelihood,
    counts: Array,
    centres: Array,
    start: Array,
    *,
    strength_free: bool,
    warm: bool = False,
    threads: bool = False,
    without: Without | None = None,
) -> FitResults:
    """Return the fits of a model to N data sets.

    Parameters
    ----------
    model
        The likelihood; its counts and centres are not used.
    counts, centres
        Counts, auxiliary ones included, and centres of all parameters, shapes ``(N, B)`` and ``(N, P)``.
    start
        First parameters, shape ``(N, P)``: expected counts must be positive there.
    strength_free
        Whether the first parameter is fitted too.
    warm
        Whether the start is near the minimum: then the first step uses the observed, not the expected information.
    threads
        Whether the fits are shared out to as many threads as numba has (`numba.set_num_threads`); the results are the
        same.
    without
        The fits without signal, where they are known: those of few events over an exponential begin there.
    """
    data = (np.ascontiguousarray(counts), np.ascontiguousarray(centres))
    if model.flat.exponential:
        own, free = (*data, np.array(start, dtype=np.float64)), strength_free and not model.held[0]
        found = _with_exponential(model, own, strength_free=free, warm=warm, threads=threads, without=without)
    else:
        found = _fits(model, *data, start, strength_free=strength_free, warm=warm, threads=threads)
    rows = np.arange(len(found))
    for _ in range(ROUNDS if may_have_several(model) else 0):
        usable = found.usable[rows]
        theta = np.where(usable[:, None], found.values[rows], start[rows])
        middle = theta[usable].mean(axis=0) if usable.any() else model.start
        turning, lower = several_minima(model, data[0][rows], middle), np.zeros(rows.size, np.bool_)
        for other in other_starts(model, data[1][rows], theta, turning):
            own = (data[0][rows], data[1][rows], other)
            again = _fits(model, *own, strength_free=strength_free, warm=False, threads=threads)
            better = again.usable & ~(found.usable[rows] & (again.nll > found.nll[rows] - LOWER))
            put_rows(found, rows[better], again, np.flatnonzero(better))
            lower |= better
        rows = rows[lower]
        if rows.size == 0:
            break
    return found


def fit_beside(model: Likelihood, counts: Array, centres: Array, start: Array, *, threads: bool = False) -> FitResults:
    """Return `bumphunt.engines.exponentials.fit_others` of N data sets; arguments as in `fit_data_sets`."""
    return fit_others(model, (counts, centres, start), partial(_fits, model, threads=threads))


def _with_exponential(
    model: Likelihood,
    data: tuple[Array, Array, Array],
    *,
    strength_free: bool,
    warm: bool,
    threads: bool,
    without: Without | None,
) -> FitResults:
    """Return the fits where a background is an exponential, which may fade: see `bumphunt.engines.exponentials`."""
    fit, observed = partial(_fits, model, threads=threads), data[0][:, : model.n_bins]
    few = observed.sum(axis=1) <= FEW
    if few.all():
        return fit_few(model, data, fit, strength_free=strength_free, without=without)
    found = fit(*data, strength_free=strength_free, warm=warm)
    rows = np.flatnonzero(few | hard(model, data[0], found, strength_free=strength_free))
    if rows.size > 0:
        own = (data[0][rows], data[1][rows], data[2][rows])
        known = None if without is None else without.rows(rows)
        again = fit_few(model, own, fit, strength_free=strength_free, without=known)
        lower = np.flatnonzero(again.usable & ~(found.usable[rows] & (again.nll > found.nll[rows] - LOWER)))
        put_rows(found, rows[lower], again, lower)
    return found


def _fits(
    model: Likelihood,
    counts: Array,
    centres: Array,
    start: Array,
    *,
    strength_free: bool,
    warm: bool,
    threads: bool,
) -> FitResults:
    """Return the fits of a model to N data sets, each of the minimum nearest to its start."""
    n_fits = start.shape[0]
    theta = np.array(start, dtype=np.float64)
    nll, slopes = np.empty(n_fits), np.empty(n_fits)
    status, steps = np.full(n_fits, RUNNING, np.int8), np.zeros(n_fits, np.int32)
    free = ~model.held
    free[0] = free[0] and strength_free

    def fit(rows: slice) -> None:
        data = DataSets(counts=counts[rows], centres=centres[rows], precision=model.precisions)
        found = Fits(nll=nll[rows], status=status[rows], steps=steps[rows], slope=slopes[rows])
        fit_rows(model.flat, free, data, theta[rows], found, warm)

    in_threads(fit, n_fits, threads=threads)
    return FitResults(
        names=model.names,
        values=theta,
        errors=np.full_like(theta, np.nan),
        nll=nll,
        slopes=slopes,
        status=status,
        iterations=steps,
        engine="newton",
    )


def fit_newton(
    model: Likelihood, *, strength: float | None = None, start: Array | None = None, errors: bool = True
) -> FitResult:
    """Return the maximum-likelihood fit of a likelihood.

    Parameters
    ----------
    model
        From `bumphunt.likelihood.likelihood.likelihood`.
    strength
        Signal strength to be held (a tested value); free by default.
    start
        Parameters near the minimum to start from, shape ``(P,)``; those of the model by default.
    errors
        Whether the covariance is wanted; NaN if not.

    Returns
    -------
    FitResult
        With the status of the fit; its engine is "newton". There are no errors at the boundary.
    """
    if start is not None and faded(model, start, model.counts[: model.n_bins]):
        start = None
    theta = np.array(model.start if start is None else start)
    if strength is not None:
        theta[0] = strength
    elif not model.held[0]:
        nu, slopes = model.expected_and_slopes(theta)
        theta[0] = first_strength(nu, slopes[0], model.counts, float(theta[0]))
        if start is None and model.flat.exponential:
            theta[0] = max(theta[0], signal_like(model, theta, model.counts[None])[0])
    fit = _one(model, theta, strength_free=strength is None, warm=start is not None)
    if fit.status[0] == FitStatus.INFEASIBLE:
        moved = possible(model, theta, strength_free=strength is None)
        if np.any(moved != theta):
            fit = _one(model, moved, strength_free=strength is None, warm=False)
    status, values = FitStatus(int(fit.status[0])), fit.values[0]
    covariance = None
    if errors and status is FitStatus.CONVERGED:
        free = ~model.held
        free[0] = free[0] and strength is None
        covariance = observed_covariance(model, values, free)
    return fit_result(
        model.names,
        values,
        covariance,
        float(fit.nll[0]),
        status,
        engine="newton",
        iterations=int(fit.iterations[0]),
    )


def _one(model: Likelihood, start: Array, *, strength_free: bool, warm: bool) -> FitResults:
    """Return the fit of a model to its own data from a start ``(P,)``."""
    data = (model.counts[None], model.centres[None], start[None])
    return fit_data_sets(model, *data, strength_free=strength_free, warm=warm)


def observed_covariance(model: Likelihood, theta: Array, free: NDArray[np.bool_]) -> Array:
    """Return the inverse of the observed information at a minimum, shape ``(P, P)``; 0 for held parameters.

    Where that is not positive (at the kink of a piecewise interpolation) the expected information takes its place.
    NaN where that is singular (a nuisance parameter that nothing determines).
    """
    covariance, n = np.zeros((theta.size, theta.size)), int(free.sum())
    if n == 0:
        return covariance
    observed = np.empty_like(covariance)
    hessian(model.flat, model.counts, model.centres, model.precisions, theta, free, observed)
    inside = np.ix_(free, free)
    expected = model.nll_and_gradient(theta)[2][inside]
    scale = np.diag(expected) ** -0.5 if np.all(np.diag(expected) > 0.0) else np.full(n, np.nan)
    both = (0.5 * (observed + observed.T)[inside] * np.outer(scale, scale), expected * np.outer(scale, scale))
    for information in both:
        try:
            np.linalg.cholesky(information)  # is it positive?
            covariance[inside] = np.linalg.inv(information) * np.outer(scale, scale)
        except np.linalg.LinAlgError:
            continue
        if np.all(np.isfinite(covariance)):
            return covariance
    return np.full_like(covariance, np.nan)
