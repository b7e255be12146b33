"""Fits by zfit, a peer: its minimiser and, for values, its densities.

==================  ==============================================================================================
`fit_zfit`          counts: the likelihood and its gradient are those of the other engines, so that all that can be
                    described can be fitted
`fit_densities`     values: the likelihood is made of zfit's own densities (`bumphunt.engines.zfit_densities`)
==================  ==============================================================================================

zfit minimises with Minuit, whose last steps depend on rounding, and which knows no boundary nu >= 0: an empty bin has
no logarithm to keep its expectation positive. What a fit is called must hang on neither. So the engine "newton" goes on
from where zfit stopped. If it finds nothing lower, that is zfit's minimum. If it ends inside, zfit starts once more
from there. If it ends at the boundary, its answer is the result, provided that zfit's loss agrees that it is better
than zfit's own minimum with a small count in each empty bin (a barrier).

zfit is an optional extra (``pip install 'bumphunt[zfit]'``). It is imported here when it is asked for, nowhere else.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bumphunt.engines.minuit import fit_minuit, whitening
from bumphunt.engines.newton import fit_newton
from bumphunt.engines.result import FitResult, FitStatus, fit_result
from bumphunt.engines.start import first_strength, possible
from bumphunt.engines.zfit_densities import unbinned_loss
from bumphunt.errors import InputError
from bumphunt.likelihood.likelihood import Likelihood
from bumphunt.models.region import Region

__all__ = ["fit_densities", "fit_zfit", "require"]

Array = NDArray[np.float64]

TOLERANCE = 1e-8
"""Estimated distance to the minimum, in NLL, at which zfit stops: 1e-4 of a standard deviation."""
SETTLED = 2e-7
"""How far above the minimum, in NLL, zfit may stop: 6e-4 of a standard deviation."""
AGREEMENT = 1e-3
"""Differences of the NLL between zfit's densities and narrow bins that are none."""
MAX_CALLS = 200
"""Likelihood evaluations of each of the up to 20 calls of Minuit in a minimisation by zfit."""
FIRST_STEP = 0.1
"""First step of a parameter, in units of its standard deviation if it were alone."""
HESSIAN_STEP = 0.03
"""Step of the differences that give the second derivatives, in standard deviations."""
MISSING = "zfit is not installed: pip install 'bumphunt[zfit]'"
"""What is said where it is not."""
BARRIER = 1e-2
"""Count given to empty bins to keep zfit inside: the NLL is off by about this times the bins."""


def fit_zfit(
    model: Likelihood, *, strength: float | None = None, start: Array | None = None, errors: bool = True
) -> FitResult:
    """Return the fit of a likelihood by zfit; arguments as in `bumphunt.engines.newton.fit_newton`.

    Returns
    -------
    FitResult
        Its engine is "zfit".

    Raises
    ------
    InputError
        If zfit is not installed.
    """
    zfit = _zfit()

    def loss(search: _Search) -> Any:
        def value(_: Any) -> float:
            nll = _padded(model, float(search.count)).nll(search.at())
            return nll if np.isfinite(nll) else np.nan  # which zfit steps back from

        def slope(_: Any) -> Array:
            gradient = _padded(model, float(search.count)).nll_and_gradient(search.at())[1]
            return search.directions.T @ gradient[search.free]

        return zfit.loss.SimpleLoss(value, search.moving, errordef=0.5, gradient=slope)

    return _minimum(zfit, model, loss, strength=strength, start=start, errors=errors, own_gradient=True)


def fit_densities(regions: Sequence[Region], model: Likelihood, *, strength: float | None = None) -> FitResult:
    """Return the fit of values by zfit's own densities.

    Parameters
    ----------
    regions
        Described with values, of which there is one at least.
    model
        `bumphunt.likelihood.narrow_bins.unbinned_likelihood` of the same regions: what the densities stand for.
    strength
        Held signal strength; free by default.

    Returns
    -------
    FitResult
        Its engine is "zfit", its NLL that of the model.

    Raises
    ------
    InputError
        If zfit is not installed, or cannot describe a region.
    """
    zfit = _zfit()

    def loss(search: _Search) -> Any:
        return unbinned_loss(zfit, regions, model, search.parameters, search.count)

    return _minimum(zfit, model, loss, strength=strength, start=None, errors=True, own_gradient=False)


def require() -> None:
    """Do nothing if zfit is installed; it is not imported, which takes seconds.

    Raises
    ------
    InputError
        If it is not, with what to install.
    """
    if find_spec("zfit") is None:
        raise InputError(MISSING)


def _zfit() -> Any:
    """Return the module zfit, or raise an `InputError` that says how to get it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import zfit  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ModuleNotFoundError as error:
        if error.name != "zfit":
            raise
        raise InputError(MISSING) from error
    return zfit


def _padded(model: Likelihood, count: float) -> Likelihood:
    """Return the likelihood with a count in its empty bins; the same one for a count of 0."""
    return replace(model, counts=np.where(model.counts == 0.0, count, model.counts)) if count > 0.0 else model


def _minimum(
    zfit: Any,
    model: Likelihood,
    loss_of: Callable[[_Search], Any],
    *,
    strength: float | None,
    start: Array | None,
    errors: bool,
    own_gradient: bool,
) -> FitResult:
    """Return zfit's minimum of a loss.

    Parameters
    ----------
    zfit
        The module.
    model
        The likelihood that the loss stands for, up to a constant.
    loss_of
        Gives the loss of the parameters of a search, and of that for the count that empty bins are given.
    strength, start, errors
        As in `fit_zfit`.
    own_gradient
        Whether the loss has a gradient, in coordinates in which the expected information is the unit matrix where it
        starts: a tenth of the steps. Else Minuit takes differences in the parameters themselves.
    """
    theta, free = _first(model, strength, start), ~model.held
    free[0] &= strength is None
    value, _, information = model.nll_and_gradient(theta)
    if not np.isfinite(value) or not free.any():
        status = FitStatus.CONVERGED if np.isfinite(value) else FitStatus.INFEASIBLE
        nothing = np.zeros((theta.size, theta.size))
        return fit_result(model.names, theta, nothing, value, status, engine="zfit", iterations=0)
    inside = information[np.ix_(free, free)]
    size = np.sqrt(np.diag(inside))
    size = np.divide(1.0, size, out=np.ones(size.size), where=size > 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if own_gradient:
            search = _Search(zfit, loss_of, theta, free, whitening(inside)[0], np.ones(size.size), gradient="zfit")
        else:
            search = _Search(zfit, loss_of, theta, free, None, size, gradient=True)
        theta, status = _judged(search, model, theta, strength)
        covariance = None
        if status is FitStatus.CONVERGED and errors:
            covariance = np.zeros((theta.size, theta.size))
            covariance[np.ix_(free, free)] = _covariance(search, model, theta, free)
    nll = model.nll(theta)
    return fit_result(model.names, theta, covariance, nll, status, engine="zfit", iterations=search.calls)


def _first(model: Likelihood, strength: float | None, start: Array | None) -> Array:
    """Return parameters to start from: with a positive strength if there are counts where only signal is expected."""
    theta = model.start
    for first in (model.start,) if start is None else (start, model.start):
        theta = np.array(first)
        nu, slopes = model.expected_and_slopes(theta)
        theta[0] = first_strength(nu, slopes[0], model.counts, float(theta[0])) if strength is None else strength
        theta = possible(model, theta, strength_free=strength is None)
        if np.isfinite(model.nll(theta)):
            break
    return theta


class _Search:
    """zfit's parameters, loss and minimiser; `calls` counts evaluations of the loss.

    Without directions the parameters are those of the likelihood, else one a direction: from the start, the free ones
    are moved by the directions, shape ``(F, F)``, times them.
    """

    def __init__(
        self,
        zfit: Any,
        loss_of: Callable[[_Search], Any],
        start: Array,
        free: NDArray[np.bool_],
        directions: Array | None,
        size: Array,
        *,
        gradient: str | bool,
    ) -> None:
        self.calls, self.start, self.free, self.whole = 0, start, free, directions is None
        self.directions = np.eye(size.size) if directions is None else directions
        self.inverse = np.linalg.inv(self.directions)
        if self.whole:
            steps = np.ones(start.size)
            steps[free] = size
            self.parameters = [
                zfit.Parameter(f"p{k}", start[k], step_size=FIRST_STEP * steps[k], floating=bool(free[k]))
                for k in range(start.size)
            ]
        else:
            self.parameters = [zfit.Parameter(f"x{k}", 0.0, step_size=FIRST_STEP * s) for k, s in enumerate(size)]
        self.moving = [p for p in self.parameters if p.floating]
        self.count = zfit.Parameter("count", 0.0, floating=False)
        self.loss = loss_of(self)
        self.set_values = zfit.param.set_values
        self.minimiser = zfit.minimize.Minuit(
            tol=TOLERANCE,
            gradient=gradient,
            mode=1 if self.whole else 0,
            maxiter=MAX_CALLS,
            strategy=zfit.minimize.DefaultToyStrategy,  # too many NaN are an invalid result, not an exception
        )

    def at(self) -> Array:
        """Return the parameters of the likelihood at the values of zfit's, shape ``(P,)``."""
        values = np.array([float(p) for p in self.parameters])
        if self.whole:
            return values
        theta = self.start.copy()
        theta[self.free] += self.directions @ values
        return theta

    def place(self, theta: Array) -> None:
        """Give zfit's parameters the values that parameters of the likelihood, ``(P,)``, stand for."""
        values = theta if self.whole else self.inverse @ (theta - self.start)[self.free]
        self.set_values(self.parameters, values)

    def minimised(self, start: Array, count: float) -> Array:
        """Return where zfit ends with a count in empty bins, shape ``(P,)``."""
        self.count.set_value(count)
        self.place(start)
        result = self.minimiser.minimize(self.loss, self.moving)
        self.calls += int(result.info.get("n_eval", 0))
        return self.at()

    def slope_at(self, theta: Array) -> Array:
        """Return the gradient of zfit's loss in the free parameters of the likelihood, shape ``(F,)``."""
        self.count.set_value(0.0)
        self.place(theta)
        return np.asarray(self.inverse.T @ np.asarray(self.loss.gradient(self.moving), dtype=np.float64))

    def loss_at(self, theta: Array) -> float:
        """Return zfit's loss, without a count in empty bins; infinite where it is no number."""
        self.count.set_value(0.0)
        self.place(theta)
        value = float(self.loss.value(full=True))
        return value if np.isfinite(value) else np.inf


def _judged(search: _Search, model: Likelihood, start: Array, strength: float | None) -> tuple[Array, FitStatus]:
    """Return where the search ends, and its status, which does not hang on how well Minuit did."""

    def settled(theta: Array, best: FitResult) -> bool:
        return best.status is FitStatus.CONVERGED and model.nll(theta) < best.nll + SETTLED

    theta = search.minimised(start, 0.0)
    best = _continued(model, theta, start, strength)
    if settled(theta, best):
        return theta, FitStatus.CONVERGED
    if (model.counts == 0.0).any():
        theta = search.minimised(start, BARRIER)
        best = _continued(model, theta, start, strength)
        if best.status is FitStatus.AT_BOUNDARY:
            agreed = search.loss_at(best.values) < search.loss_at(theta) + AGREEMENT
            return best.values, best.status if agreed else FitStatus.NOT_CONVERGED
    if not best.status.usable:
        return theta, best.status
    theta = search.minimised(best.values, 0.0)
    return theta, FitStatus.CONVERGED if settled(theta, best) else FitStatus.NOT_CONVERGED


def _continued(model: Likelihood, theta: Array, start: Array, strength: float | None) -> FitResult:
    """Return the minimum that the engine "newton" finds from a point or, where that is outside, from the start.

    Of what only Python knows it is that of "minuit".
    """
    near = theta if np.isfinite(model.nll(theta)) else start
    return (fit_minuit if model.computed else fit_newton)(model, strength=strength, start=near, errors=False)


def _covariance(search: _Search, model: Likelihood, theta: Array, free: NDArray[np.bool_]) -> Array:
    """Return the inverse of the second derivatives of zfit's loss in the free parameters; NaN if they are not positive.

    They are differences of its gradient, or of the loss where it has none of its own, along directions in which the
    information is the unit matrix: in zfit's own parameters, which may hang together closely, HESSE loses digits.
    """
    whiten, _ = whitening(model.nll_and_gradient(theta)[2][np.ix_(free, free)])
    hessian = _hessian_of_loss(search, theta, free, whiten) if search.whole else _hessian(search, theta, free, whiten)
    try:
        np.linalg.cholesky(hessian)  # is it positive?
        covariance: Array = whiten @ np.linalg.inv(hessian) @ whiten.T
    except np.linalg.LinAlgError:
        return np.full_like(hessian, np.nan)
    return covariance


def _hessian(search: _Search, theta: Array, free: NDArray[np.bool_], whiten: Array) -> Array:
    """Return the second derivatives of zfit's loss along the columns of a matrix, from its gradient, ``(F, F)``."""

    def slope(step: Array) -> Array:
        moved = theta.copy()
        moved[free] += step
        return whiten.T @ search.slope_at(moved)

    steps = HESSIAN_STEP * whiten.T
    hessian: Array = np.array([(slope(step) - slope(-step)) / (2.0 * HESSIAN_STEP) for step in steps])
    return np.asarray(0.5 * (hessian + hessian.T))


def _hessian_of_loss(search: _Search, theta: Array, free: NDArray[np.bool_], whiten: Array) -> Array:
    """Return the same from differences of the loss."""
    n = whiten.shape[0]

    def loss(*steps: int) -> float:
        """Return the loss one step away in directions 1 to n, or against -1 to -n."""
        moved = theta.copy()
        moved[free] += sum((np.sign(k) * HESSIAN_STEP * whiten[:, abs(k) - 1] for k in steps), np.zeros(n))
        return search.loss_at(moved)

    hessian = np.empty((n, n))
    for i in range(1, n + 1):
        hessian[i - 1, i - 1] = loss(i) - 2.0 * loss() + loss(-i)
        for j in range(1, i):
            mixed = 0.25 * (loss(i, j) - loss(i, -j) - loss(-i, j) + loss(-i, -j))
            hessian[i - 1, j - 1] = hessian[j - 1, i - 1] = mixed
    return hessian / HESSIAN_STEP**2
