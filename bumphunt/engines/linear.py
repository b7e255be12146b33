"""Batched maximum-likelihood fits of Poisson models that are linear in their parameters.

The expected counts are ``nu_i = sum_p theta_p A_pi``, the counts are Poisson, and any parameter may have a Gaussian
constraint. The negative log-likelihood is then convex (and self-concordant), so that Newton's method with the exact
Hessian finds its only minimum in three to five steps (`bumphunt.engines.linear_kernels`).

The minimum may lie where ``nu_i = 0`` for an empty bin, since an empty bin contributes ``nu_i`` alone and puts no
logarithmic wall there. Such fits are finished by an interior-point method, with status `AT_BOUNDARY`.

Use `fit_channel` for one `Channel`, `fit_batch` for thousands of data sets. Models that are not linear in their
parameters go to `bumphunt.engines.minuit`.

References
----------
S. Boyd, L. Vandenberghe, Convex Optimization (2004), sections 9.6 and 11.3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.engines.linear_kernels import RUNNING, fit_rows, fit_rows_threaded
from bumphunt.engines.result import BatchFit, FitResult, FitStatus
from bumphunt.errors import InputError
from bumphunt.likelihood.linear import Channel

__all__ = ["fit_batch", "fit_channel", "fit_tested"]

Array = NDArray[np.float64]


def fit_batch(
    counts: ArrayLike,
    columns: ArrayLike,
    *,
    start: ArrayLike,
    centres: ArrayLike | None = None,
    sigmas: ArrayLike | None = None,
    held: int = 0,
    warm: bool = False,
    errors: bool = True,
    threads: bool = False,
) -> BatchFit:
    """Return the maximum-likelihood fits of ``N`` data sets to the same linear model.

    Parameters
    ----------
    counts
        Observed counts, shape ``(N, B)``; need not be integers (Asimov data). Not checked: `Channel` does that.
    columns
        Expected counts per unit of each parameter, shape ``(P, B)``.
    start
        First values, shape ``(P,)`` or ``(N, P)``: every expected count must be positive there.
    centres, sigmas
        Centres, shape ``(P,)`` or ``(N, P)``, and widths, shape ``(P,)``, of Gaussian constraints; an infinite width
        is no constraint. No constraint at all by default.
    held
        The first `held` parameters keep their start values.
    warm
        Whether the start is near the minimum: then the first step uses the observed, not the expected information.
    errors
        Whether the errors are wanted; NaN if not.
    threads
        Whether the fits are shared out to numba's threads (`numba.set_num_threads`), for many thousand fits; the
        results are the same.

    Returns
    -------
    BatchFit
        Rows in the order of `counts`. Failed fits have a status other than CONVERGED or AT_BOUNDARY.

    Raises
    ------
    InputError
        If the shapes do not match or a width is not positive.

    Examples
    --------
    >>> fit = fit_batch([[90.0, 110.0]], [[1.0, 1.0]], start=[50.0])
    >>> float(fit.parameters[0, 0].round(6)), float(fit.errors[0, 0].round(6))
    (100.0, 7.071068)
    """
    n = np.atleast_2d(np.asarray(counts, dtype=np.float64))
    a = np.ascontiguousarray(columns, dtype=np.float64)
    n_fits, n_par = n.shape[0], a.shape[0]
    if a.ndim != 2 or n.ndim != 2 or a.shape[1] != n.shape[1]:
        msg = f"counts {n.shape} and columns {a.shape} must be (N, B) and (P, B) with the same B"
        raise InputError(msg)
    width = np.full(n_par, np.inf) if sigmas is None else np.asarray(sigmas, dtype=np.float64)
    if width.shape != (n_par,) or not np.all(width > 0.0):
        msg = f"constraint widths must be {n_par} positive numbers (inf for none), got {width}"
        raise InputError(msg)
    theta = np.array(np.broadcast_to(np.asarray(start, dtype=np.float64), (n_fits, n_par)))
    centre = np.array(
        np.broadcast_to(np.zeros(n_par) if centres is None else centres, (n_fits, n_par)), dtype=np.float64
    )
    nll, sigma = np.empty(n_fits), np.full((n_fits, n_par), np.nan)
    status, iterations = np.full(n_fits, RUNNING, np.int8), np.zeros(n_fits, np.int32)
    inputs = (a[None], np.zeros(n_fits, np.int64), held, np.ascontiguousarray(n), np.arange(n_fits), theta, centre)
    kernel = fit_rows_threaded if threads else fit_rows
    kernel(*inputs, (width**-2.0)[None], warm, errors, nll, sigma, status, iterations)
    return BatchFit(parameters=theta, errors=sigma, nll=nll, status=status, iterations=iterations)


def _signal_start(channel: Channel, background: Array) -> float:
    """Return 0, or a yield that makes the expectation positive in the bins where only signal is expected."""
    alone = (background @ channel.templates <= 0.0) & (channel.signal > 0.0)
    return max(1.0, float(channel.counts[alone].sum())) if alone.any() else 0.0


def _lifted(channel: Channel, background: Array, values: Array) -> Array:
    """Return coefficients to start from at each yield, shape ``(N, K)``: raised where expected counts were negative.

    Templates that may vary are added in their nominal proportions, until each expected count has a tenth of them.
    """
    rising = np.where(channel.held, 0.0, channel.centres)
    unit = rising @ channel.templates
    nu = np.outer(values, channel.signal) + background @ channel.templates
    lacking = (nu <= 0.0) & (unit > 0.0)
    more = np.where(lacking, 0.1 - np.divide(nu, unit, out=np.zeros_like(nu), where=lacking), 0.0).max(axis=1)
    return background + np.outer(more, rising)


def fit_channel(channel: Channel, *, n_sig: float | None = None, start: FitResult | None = None) -> FitResult:
    """Return the maximum-likelihood fit of a channel.

    Parameters
    ----------
    channel
        Data, signal, templates and constraints.
    n_sig
        Signal yield to be held (a tested value) [events]; free by default.
    start
        A neighbouring fit of the same channel, to start from.

    Returns
    -------
    FitResult
        With the status of the fit; its engine is "convex".
    """
    if n_sig is not None:
        return fit_tested(channel, [n_sig], start=start)[0]
    first = channel.centres if start is None else np.where(channel.held, channel.centres, start.background)
    order = np.argsort(~channel.held, kind="stable")  # held templates, then the signal, then the free ones
    n_held = int(channel.held.sum())
    columns = np.insert(channel.templates[order], n_held, channel.signal, axis=0)
    signal_start = _signal_start(channel, first) if start is None else start.n_sig
    fit = fit_batch(
        channel.counts,
        columns,
        start=np.insert(first[order], n_held, signal_start),
        centres=np.insert(channel.centres[order], n_held, 0.0),
        sigmas=np.insert(np.where(channel.held, np.inf, channel.sigmas)[order], n_held, np.inf),
        held=n_held,
        warm=start is not None,
    )
    back = np.argsort(order)
    return _result(fit, 0, float(fit.parameters[0, n_held]), float(fit.errors[0, n_held]), _columns(n_held, back))


def fit_tested(channel: Channel, tested: ArrayLike, *, start: FitResult | None = None) -> list[FitResult]:
    """Return the fits of a channel with the signal yield held at each tested value [events], shape ``(N,)``."""
    values = np.atleast_1d(np.asarray(tested, dtype=np.float64))
    first = channel.centres if start is None else np.where(channel.held, channel.centres, start.background)
    order = np.argsort(~channel.held, kind="stable")
    n_held = int(channel.held.sum())
    background = _lifted(channel, first, values)
    fit = fit_batch(
        np.broadcast_to(channel.counts, (values.size, channel.counts.size)),
        np.concatenate([channel.signal[None], channel.templates[order]]),
        start=np.column_stack([values, background[:, order]]),
        centres=np.concatenate([[0.0], channel.centres[order]]),
        sigmas=np.concatenate([[np.inf], np.where(channel.held, np.inf, channel.sigmas)[order]]),
        held=n_held + 1,
        warm=start is not None,
    )
    back = 1 + np.argsort(order)
    return [_result(fit, row, float(value), 0.0, back) for row, value in enumerate(values)]


def _columns(n_held: int, back: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the columns of the templates where the signal stands after the held ones."""
    return np.where(back < n_held, back, back + 1)


def _result(fit: BatchFit, row: int, n_sig: float, n_sig_error: float, columns: NDArray[np.intp]) -> FitResult:
    """Return one row of a batch as the fit of a channel."""
    status = FitStatus(int(fit.status[row]))
    return FitResult(
        n_sig=n_sig if status.usable else np.nan,
        n_sig_error=n_sig_error,
        background=fit.parameters[row, columns],
        background_errors=fit.errors[row, columns],
        nll=float(fit.nll[row]),
        status=status,
        iterations=int(fit.iterations[row]),
        engine="convex",
    )
