"""Unbinned fits of regions that were given their values, and zfit as a third engine.

==================  ==============================================================================================
`fit_unbinned`      values, by the engine that suits the model: they are counted in bins so narrow that nothing is
                    lost (`bumphunt.models.narrow_bins`); or by zfit, from its own densities
`unbinned_q0`       the discovery statistic of values
`fit_zfit`          counts, by zfit's minimiser and errors: what ``fit(regions, engine="zfit")`` calls
==================  ==============================================================================================

Use unbinned fits where bins would be wider than the resolution, or to see what binning costs. Limits, intervals and
scans of values are those of `bumphunt.inference.fit`, asked of `bumphunt.models.narrow_bins.narrow_bins`.

zfit is an optional extra (``pip install 'bumphunt[zfit]'``) and is imported when it is asked for, nowhere else.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import FitError, InputError
from bumphunt.inference.fit_result import FitStatus
from bumphunt.inference.model_fit import ModelFit
from bumphunt.inference.profile import Engine, Profile
from bumphunt.inference.zfit_densities import unbinned_loss
from bumphunt.models.likelihood import Likelihood, likelihood
from bumphunt.models.narrow_bins import unbinned_constant, unbinned_likelihood
from bumphunt.models.region import Region

__all__ = ["fit_unbinned", "fit_zfit", "unbinned_nll", "unbinned_q0"]

Array = NDArray[np.float64]

TOLERANCE = 1e-8
"""Estimated distance to the minimum, in NLL, at which zfit stops: 2e-4 of a standard deviation."""
SETTLED = 1e-5
"""The same distance, from the exact gradient, above which zfit's minimum is none."""
MAX_CALLS = 200
"""Likelihood evaluations in each of zfit's 20 attempts."""
FIRST_STEP = 0.1
"""First step of a parameter, in units of its standard deviation if it were alone."""
BARRIERS = (1e-2, 1e-3, 1e-5)
"""Counts given to empty bins, one after the other: the NLL is off by about the last one times the bins."""
CLEAR = 0.3
"""Expected count of all empty bins above which the minimum without the first of these is looked for at once."""
NEAR_BOUNDARY = 1e-4
"""Expected count of an empty bin that is called at the boundary [events]."""
SINGULAR = 1e-12
"""Smallest eigenvalue of the scaled information (unit diagonal) that is not called singular."""


def unbinned_nll(regions: Region | Sequence[Region], theta: ArrayLike) -> float:
    """Return the extended negative log-likelihood of the values; inf where a density is not positive.

    Parameters
    ----------
    regions
        One region or several, described with values.
    theta
        Parameters in the order of `bumphunt.models.likelihood.likelihood`, shape ``(P,)``.

    Returns
    -------
    float
        The integral of lambda minus the sum of ln lambda(x_i), plus the constraints relative to their best values.

    Raises
    ------
    InputError
        If a region has no values, or a sample no density.
    """
    model = unbinned_likelihood(regions)
    return model.nll(theta) + unbinned_constant(model)


def fit_unbinned(
    regions: Region | Sequence[Region], *, strength: float | None = None, engine: Engine = "auto"
) -> ModelFit:
    """Return the unbinned extended maximum-likelihood fit.

    Parameters
    ----------
    regions
        One region or several, described with values.
    strength
        Held signal strength; free by default.
    engine
        As in `bumphunt.inference.fit.fit`; "zfit" fits its own densities to the values.

    Returns
    -------
    ModelFit
        `nll` is that of `unbinned_nll`, which has no saturated reference. A minimum where the density would become
        negative between the values has the status AT_BOUNDARY.

    Raises
    ------
    InputError
        If a region has no values, a sample no density, or the engine cannot fit the model or is not installed.

    Examples
    --------
    >>> from bumphunt.models.background import BackgroundModel
    >>> from bumphunt.models.peaks import gaussian
    >>> from bumphunt.models.region import region
    >>> rng = np.random.default_rng(1)
    >>> masses = np.concatenate([rng.uniform(4.0, 6.0, 2000), rng.normal(5.0, 0.05, 100)])
    >>> peak = region(
    ...     "dimuon",
    ...     values=masses,
    ...     edges=np.linspace(4.0, 6.0, 101),
    ...     signal=gaussian(5.0, 0.05),
    ...     backgrounds=BackgroundModel("bernstein", 2),
    ... )
    >>> result = fit_unbinned(peak)
    >>> result.engine, round(result.n_sig), round(result.n_sig_error)
    ('convex', 102, 19)
    """
    model = unbinned_likelihood(regions)
    several = (regions,) if isinstance(regions, Region) else tuple(regions)
    if engine == "zfit" and any(r.values is not None and r.values.size > 0 for r in several):
        zfit, binned = _zfit(), likelihood(several)

        def loss(parameters: list[Any], count: Any) -> Any:
            return unbinned_loss(zfit, several, binned, parameters, count)

        found = _minimum(zfit, model, loss, strength, walls=binned)
    else:
        profile = Profile(model, engine)
        found = profile.free if strength is None else profile._fit(strength, None, errors=True)
    return replace(found, nll=found.nll + unbinned_constant(model))


def unbinned_q0(regions: Region | Sequence[Region]) -> float:
    """Return the discovery statistic q0 of the values (CCGV eq. 12); NaN if a fit failed."""
    try:
        return Profile(unbinned_likelihood(regions)).q0()
    except FitError:
        return float("nan")


def fit_zfit(
    model: Likelihood, *, strength: float | None = None, start: Array | None = None, errors: bool = True
) -> ModelFit:
    """Return the fit of a likelihood by zfit; arguments as in `bumphunt.inference.minuit.fit_likelihood`.

    Minimiser and errors are zfit's; the likelihood and its gradient are those of the other engines, so that all that
    can be described can be fitted.

    Returns
    -------
    ModelFit
        Its engine is "zfit".

    Raises
    ------
    InputError
        If zfit is not installed.
    """
    zfit = _zfit()

    def loss(parameters: list[Any], count: Any) -> Any:
        moving = [k for k, p in enumerate(parameters) if p.floating]

        def at() -> tuple[Likelihood, Array]:
            return _padded(model, float(count)), np.array([float(p) for p in parameters])

        def value(_: Any) -> float:
            padded, theta = at()
            nll = padded.nll(theta)
            return nll if np.isfinite(nll) else np.nan  # which zfit steps back from

        def slope(_: Any) -> Array:
            padded, theta = at()
            return padded.nll_and_gradient(theta)[1][moving]

        return zfit.loss.SimpleLoss(value, [parameters[k] for k in moving], errordef=0.5, gradient=slope)

    return _minimum(zfit, model, loss, strength, start, errors=errors)


def _zfit() -> Any:
    """Return the module zfit, or raise an `InputError` that says how to get it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import zfit  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ModuleNotFoundError as error:
        if error.name != "zfit":
            raise
        msg = "zfit is not installed: pip install 'bumphunt[zfit]'"
        raise InputError(msg) from error
    return zfit


def _padded(model: Likelihood, count: float) -> Likelihood:
    """Return the likelihood with a small count in empty bins: a wall that keeps their expectation positive."""
    return replace(model, counts=np.where(model.counts == 0.0, count, model.counts)) if count > 0.0 else model


def _first(model: Likelihood, strength: float | None, start: Array | None) -> Array:
    """Return parameters to start from: with a positive strength if there are counts where only signal is expected."""
    for first in (model.start,) if start is None else (start, model.start):
        theta = np.array(first)
        for trial in (theta[0], 1.0, max(1.0, float(model.counts.sum()))):
            theta[0] = trial if strength is None else strength
            if np.isfinite(model.nll(theta)):
                return theta
    return theta


def _minimum(
    zfit: Any,
    model: Likelihood,
    loss_of: Callable[[list[Any], Any], Any],
    strength: float | None,
    start: Array | None = None,
    *,
    walls: Likelihood | None = None,
    errors: bool = True,
) -> ModelFit:
    """Return zfit's minimum of a loss of parameters and of the count that empty bins are given.

    The empty bins are those of `walls`, the likelihood itself by default. If they are those of another likelihood, the
    loss is first minimised without them, otherwise last, and only where no empty bin is near the boundary.
    """
    theta, free, wall = _first(model, strength, start), ~model.held, model if walls is None else walls
    free[0] &= strength is None
    covariance, empty = np.full((theta.size, theta.size), np.nan), wall.counts == 0.0
    value, _, information = model.nll_and_gradient(theta)
    if not np.isfinite(value):
        return _record(model, theta, covariance, FitStatus.INFEASIBLE, 0)
    if not free.any():
        return _record(model, theta, np.zeros_like(covariance), FitStatus.CONVERGED, 0)
    size = np.sqrt(np.diag(information))
    size = np.divide(FIRST_STEP, size, out=np.full(theta.size, FIRST_STEP), where=size > 0.0)
    parameters = [zfit.Parameter(f"p{k}", v, step_size=s) for k, (v, s) in enumerate(zip(theta, size, strict=True))]
    for parameter, moves in zip(parameters, free, strict=True):
        parameter.floating = bool(moves)
    moving, count = [p for p in parameters if p.floating], zfit.Parameter("count", 0.0, floating=False)
    loss, calls, status = loss_of(parameters, count), 0, FitStatus.NOT_CONVERGED
    minimiser = zfit.minimize.Minuit(
        tol=TOLERANCE, gradient=walls is not None, maxiter=MAX_CALLS, strategy=zfit.minimize.DefaultToyStrategy
    )
    stages = [0.0] if walls is not None or not empty.any() else []
    stages += BARRIERS if empty.any() else []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        while stages:
            barrier = stages.pop(0)
            count.set_value(barrier)
            if not _inside(wall, barrier, np.array([float(p) for p in parameters])):
                zfit.param.set_values(parameters, theta)
            result = minimiser.minimize(loss, moving)
            found, calls = np.array([float(p) for p in parameters]), calls + int(result.info.get("n_eval", 0))
            settled, singular = _settled(model, wall, barrier, found, free)
            least = float(wall.expected(found)[empty].min(initial=np.inf)) if settled else 0.0
            if barrier == 0.0 and settled and least > NEAR_BOUNDARY:
                status = FitStatus.SINGULAR if singular and strength is None else FitStatus.CONVERGED
                stages = []
            elif barrier == BARRIERS[-1] and settled and least < NEAR_BOUNDARY:
                status = FitStatus.AT_BOUNDARY
            elif (barrier == BARRIERS[0] and least > CLEAR) or (barrier == BARRIERS[-1] and settled):
                stages = [0.0]
        if status is FitStatus.CONVERGED and errors:
            result.hesse(name="hesse")
            covariance[:], covariance[np.ix_(free, free)] = 0.0, np.asarray(result.covariance(moving))
    return _record(model, found, covariance, status, calls)


def _inside(wall: Likelihood, count: float, theta: Array) -> bool:
    """Return whether a minimisation can start: numbers, and a positive expectation in empty bins with a count."""
    return bool(np.all(np.isfinite(theta))) and (count == 0.0 or bool(np.isfinite(_padded(wall, count).nll(theta))))


def _settled(
    model: Likelihood, wall: Likelihood, count: float, theta: Array, free: NDArray[np.bool_]
) -> tuple[bool, bool]:
    """Return whether parameters are at a minimum, by the gradient, and whether a direction has no information."""
    value, gradient, information = model.nll_and_gradient(theta)
    if not np.isfinite(value):
        return False, False
    gradient += _padded(wall, count).nll_and_gradient(theta)[1] - wall.nll_and_gradient(theta)[1]
    size = np.sqrt(np.diag(information)[free])
    size = np.where(size > 0.0, size, 1.0)
    values, vectors = np.linalg.eigh(information[np.ix_(free, free)] / np.outer(size, size))
    known = values > SINGULAR
    flat = (gradient[free] / size) @ vectors[:, known]
    return 0.5 * float(flat**2 @ (1.0 / values[known])) < SETTLED, not bool(known.all())


def _record(model: Likelihood, theta: Array, covariance: Array, status: FitStatus, calls: int) -> ModelFit:
    """Return the record of a fit; a failed one has NaN for its numbers."""
    failed = np.full(theta.size, np.nan)
    return ModelFit(
        names=model.names,
        values=theta if status.usable else failed,
        errors=np.sqrt(np.diag(covariance)) if status.usable else failed,
        covariance=covariance,
        nll=model.nll(theta) if status.usable or status is FitStatus.INFEASIBLE else np.nan,
        status=status,
        iterations=calls,
        engine="zfit",
    )


def _or_nan(x):
    return x if np.isfinite(x) else np.nan


