"""Batched maximum-likelihood fits of Poisson models that are linear in their parameters.

The expected counts are ``nu_i = sum_p theta_p A_pi``, the counts are Poisson, and any parameter may have a Gaussian
constraint. The negative log-likelihood is then convex (and self-concordant), so that Newton's method with the exact
Hessian finds its only minimum in three to five steps (`bumphunt.engines.linear_kernels`).

The minimum may lie where ``nu_i = 0`` for an empty bin, since an empty bin contributes ``nu_i`` alone and puts no
logarithmic wall there. Such fits are finished by an interior-point method, with status `AT_BOUNDARY`.

Use `fit_linear` for one `Likelihood`, `fit_data_sets` for thousands of data sets (toys), and
`bumphunt.engines.stacks` for thousands of models. Models that are not linear in their parameters go to
`bumphunt.engines.newton`.

References
----------
S. Boyd, L. Vandenberghe, Convex Optimization (2004), sections 9.6 and 11.3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bumphunt.engines.codes import RUNNING
from bumphunt.engines.linear_kernels import Found, Rows, fit_rows
from bumphunt.engines.result import FitResult, FitResults, FitStatus, fit_result
from bumphunt.engines.start import first_strength, lifted, possible
from bumphunt.engines.threads import in_threads
from bumphunt.likelihood.likelihood import Likelihood, linear_channel
from bumphunt.likelihood.linear import Channel

__all__ = ["fit_data_sets", "fit_linear"]

Array = NDArray[np.float64]


def fit_data_sets(
    model: Likelihood,
    counts: Array,
    centres: Array,
    start: Array,
    *,
    strength_free: bool,
    warm: bool = False,
    errors: bool = False,
    threads: bool = False,
) -> FitResults:
    """Return the fits of a linear model to N data sets.

    Parameters
    ----------
    model
        The likelihood, linear in its parameters; its counts and centres are not used.
    counts, centres
        Counts, auxiliary ones included, and centres of all parameters, shapes ``(N, B)`` and ``(N, P)``; counts need
        not be integers (Asimov data).
    start
        First parameters, shape ``(N, P)``: expected counts must be positive there.
    strength_free
        Whether the first parameter is fitted too.
    warm
        Whether the start is near the minimum: then the first step uses the observed, not the expected information.
    errors
        Whether the errors are wanted.
    threads
        Whether the fits are shared out to as many threads as numba has (`numba.set_num_threads`); the results are the
        same.

    Raises
    ------
    InputError
        If the model is not linear.
    """
    return _fits(
        model,
        linear_channel(model),
        (counts, centres, start),
        strength_free=strength_free,
        warm=warm,
        errors=errors,
        threads=threads,
    )


def _fits(
    model: Likelihood,
    channel: Channel,
    data: tuple[Array, Array, Array],
    *,
    strength_free: bool,
    warm: bool,
    errors: bool = False,
    threads: bool = False,
) -> FitResults:
    """Return the fits of rows of counts, centres and starts to the linear form of a model.

    Fixed samples are a last template of the channel, that belongs to no parameter of the model and is held at 1.
    """
    held = np.concatenate([[model.held[0] or not strength_free], channel.held])
    order = np.argsort(~held, kind="stable")  # the kernel wants held columns first
    columns = np.concatenate([channel.signal[None], channel.templates])[order]
    n, (centre, theta) = np.ascontiguousarray(data[0]), (_ordered(values, held.size, order) for values in data[1:])
    precision = np.divide(1.0, channel.sigmas**2, out=np.zeros_like(channel.sigmas), where=channel.sigmas > 0.0)
    precision = np.concatenate([[0.0], precision])[order]
    size = len(n)
    nll, sigma = np.empty(size), np.full(theta.shape, np.nan)
    status, steps = np.full(size, RUNNING, np.int8), np.zeros(size, np.int32)

    def fit(rows: slice) -> None:
        index = np.arange(nll[rows].size)
        fits = Rows(model=np.zeros_like(index), data=index, start=theta[rows], centres=centre[rows])
        found = Found(
            nll=nll[rows], errors=sigma[rows] if errors else sigma[:0], status=status[rows], steps=steps[rows]
        )
        fit_rows(columns[None], precision[None], n[rows], fits, found, int(held.sum()), warm)

    in_threads(fit, size, threads=threads)
    back = np.argsort(order)[: len(model.names)]
    return FitResults(
        names=model.names,
        values=theta[:, back],
        errors=sigma[:, back],
        nll=nll,
        slopes=np.full(size, np.nan),
        status=status,
        iterations=steps,
        engine="linear",
    )


def _ordered(values: Array, size: int, order: NDArray[np.intp]) -> Array:
    """Return parameters of a model, ``(N, P)``, with 1 for the fixed samples, in the order of the columns."""
    n_fits, n_par = values.shape
    return np.ascontiguousarray(np.column_stack([values, np.ones((n_fits, size - n_par))])[:, order])


def fit_linear(
    model: Likelihood, *, strength: float | None = None, start: Array | None = None, errors: bool = True
) -> FitResult:
    """Return the maximum-likelihood fit of a linear likelihood; arguments as in `bumphunt.engines.newton.fit_newton`.

    Returns
    -------
    FitResult
        With the status of the fit; its engine is "linear". There are no errors at the boundary.

    Raises
    ------
    InputError
        If the model is not linear.
    """
    channel, free = linear_channel(model), ~model.held
    free[0] &= strength is None
    data = (model.counts[None], model.centres[None])
    for near in (None,) if start is None else (start, None):
        first = _start(model, channel, strength, near)
        found = _fits(model, channel, (*data, first[None]), strength_free=strength is None, warm=near is not None)
        if found.usable[0]:
            break
    if found.status[0] == FitStatus.INFEASIBLE:
        first = possible(model, first, strength_free=strength is None)
        found = _fits(model, channel, (*data, first[None]), strength_free=strength is None, warm=False)
    status, values = FitStatus(int(found.status[0])), found.values[0]
    return fit_result(
        model.names,
        values,
        _covariance(model, values, free) if errors and status is FitStatus.CONVERGED else None,
        float(found.nll[0]),
        status,
        engine="linear",
        iterations=int(found.iterations[0]),
    )


def _start(model: Likelihood, channel: Channel, strength: float | None, near: Array | None) -> Array:
    """Return where a fit starts, shape ``(P,)``; for a held strength the background is raised where it is too low."""
    theta = np.array(model.centres if near is None else np.where(model.held, model.centres, near))
    background = channel.centres.copy()
    background[: theta.size - 1] = theta[1:]
    if strength is None:
        if near is None:
            theta[0] = first_strength(background @ channel.templates, channel.signal, channel.counts)
        return theta
    columns = np.concatenate([channel.signal[None], channel.templates])
    rising = np.concatenate([[0.0], np.where(channel.held, 0.0, channel.centres)])
    return lifted(np.concatenate([[strength], background])[None], rising, columns)[0, : theta.size]


def _covariance(model: Likelihood, theta: Array, free: NDArray[np.bool_]) -> Array:
    """Return the inverse of the observed information, shape ``(P, P)``; 0 for held parameters, NaN if singular."""
    nu, slopes = model.expected_and_slopes(theta)
    weight = np.divide(model.counts, nu**2, out=np.zeros_like(nu), where=nu > 0.0)
    hessian = ((slopes * weight) @ slopes.T + np.diag(model.precisions))[np.ix_(free, free)]
    covariance = np.zeros((theta.size, theta.size))
    try:
        covariance[np.ix_(free, free)] = np.linalg.inv(hessian)
    except np.linalg.LinAlgError:
        covariance[:] = np.nan
    return covariance
