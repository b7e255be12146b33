"""Unbinned fits of regions that were given their values, and zfit as a third engine.

==================  ==============================================================================================
`fit_unbinned`      values, by the engine that suits the model: they are counted in bins so narrow that nothing is
                    lost (`bumphunt.likelihood.narrow_bins`); or by zfit, from its own densities
`unbinned_q0`       the discovery statistic of values
`fit_zfit`          counts, by zfit's minimiser and errors: what ``fit(regions, engine="zfit")`` calls
==================  ==============================================================================================

Use unbinned fits where bins would be wider than the resolution, or to see what binning costs. Limits, intervals and
scans of values are those of `bumphunt.inference.fit`, asked of `bumphunt.likelihood.narrow_bins.narrow_bins`.

zfit is an optional extra (``pip install 'bumphunt[zfit]'``) and is imported when it is asked for, nowhere else.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.engines.model_fit import ModelFit
from bumphunt.engines.zfit import minimum, padded
from bumphunt.engines.zfit_densities import unbinned_loss
from bumphunt.errors import FitError, InputError
from bumphunt.inference.profile import Engine, Profile
from bumphunt.likelihood.likelihood import Likelihood, likelihood
from bumphunt.likelihood.narrow_bins import unbinned_constant, unbinned_likelihood
from bumphunt.models.region import Region

__all__ = ["fit_unbinned", "fit_zfit", "unbinned_nll", "unbinned_q0"]

Array = NDArray[np.float64]


def unbinned_nll(regions: Region | Sequence[Region], theta: ArrayLike) -> float:
    """Return the extended negative log-likelihood of the values; inf where a density is not positive.

    Parameters
    ----------
    regions
        One region or several, described with values.
    theta
        Parameters in the order of `bumphunt.likelihood.likelihood.likelihood`, shape ``(P,)``.

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

        found = minimum(zfit, model, loss, strength=strength, walls=binned)
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
    """Return the fit of a likelihood by zfit; arguments as in `bumphunt.engines.minuit.fit_likelihood`.

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
            return padded(model, float(count)), np.array([float(p) for p in parameters])

        def value(_: Any) -> float:
            walled, theta = at()
            nll = walled.nll(theta)
            return nll if np.isfinite(nll) else np.nan  # which zfit steps back from

        def slope(_: Any) -> Array:
            walled, theta = at()
            return walled.nll_and_gradient(theta)[1][moving]

        return zfit.loss.SimpleLoss(value, [parameters[k] for k in moving], errordef=0.5, gradient=slope)

    return minimum(zfit, model, loss, strength=strength, start=start, errors=errors)


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
