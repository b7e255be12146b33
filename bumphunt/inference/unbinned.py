"""Unbinned fits of regions that were given their values: by iminuit, and by zfit as a peer.

Use them where bins would be wider than the resolution, or to see what binning costs. The extended likelihood is
ln L = sum_i ln lambda(x_i) - integral of lambda, times the constraints, for a density lambda of signal and background
that is the derivative of what the bins of the region hold. Peaks and smooth backgrounds have a density; histograms do
not, and are refused.

zfit is an optional extra (``pip install bumphunt[zfit]``) and is imported when `fit_zfit` is called, nowhere else.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from iminuit import Minuit
from iminuit.util import IMinuitWarning
from numpy.typing import NDArray

from bumphunt.errors import InputError
from bumphunt.inference import asymptotics
from bumphunt.inference.fit_result import FitStatus
from bumphunt.inference.model_fit import ModelFit
from bumphunt.inference.profile import Profile
from bumphunt.models.background import BackgroundModel, basis_pdf, exponential_pdf, first_coefficients
from bumphunt.models.likelihood import Likelihood, likelihood
from bumphunt.models.peaks import Peak
from bumphunt.models.region import Region, Sample
from bumphunt.models.systematics import PeakPosition, PeakWidth, SpuriousSignal

__all__ = ["fit_unbinned", "fit_zfit", "unbinned_nll", "unbinned_q0"]

Array = NDArray[np.float64]

TOLERANCE = 1e-5
"""Minuit's tolerance: it stops at an estimated distance to the minimum of 2e-3 times this, in NLL."""
MAX_CALLS = 50_000
"""Likelihood evaluations before a fit is given up."""


def _checked(regions: Region | Sequence[Region]) -> tuple[Region, ...]:
    """Return the regions, or raise if one has no values or a sample has no density."""
    several = (regions,) if isinstance(regions, Region) else tuple(regions)
    for r in several:
        if r.values is None:
            msg = f"region {r.name!r} has {r.counts.size} binned counts, no values: describe it with `values`"
            raise InputError(msg)
        for sample in (r.signal, *r.backgrounds):
            if not isinstance(sample.shape, Peak | BackgroundModel):
                msg = f"sample {sample.name!r} of region {r.name!r} is a histogram: it has no density to fit unbinned"
                raise InputError(msg)
    return several


def unbinned_nll(regions: Region | Sequence[Region], theta: Array) -> float:
    """Return the extended negative log-likelihood of the values, constraints included; inf where a density is not > 0.

    Parameters
    ----------
    regions
        One region or several, described with values.
    theta
        Parameters in the order of `bumphunt.models.likelihood.likelihood`, shape ``(P,)``.

    Raises
    ------
    InputError
        If a region has no values, or a sample no density.
    """
    several = _checked(regions)
    return _nll(likelihood(several), several, np.asarray(theta, dtype=np.float64))


def _nll(model: Likelihood, regions: tuple[Region, ...], theta: Array) -> float:
    """Return the NLL of checked regions."""
    nu = model.expected(theta)
    total, pull = float(nu[: model.n_bins].sum()), theta - model.centres
    value = total + 0.5 * float(model.precisions @ pull**2)
    components = iter(model.components)
    for r in regions:
        density = np.zeros(0 if r.values is None else r.values.size)
        for sample in (r.signal, *r.backgrounds):
            component = next(components)
            density += component.multiplier(theta) * _density(r, sample, theta, model)
            for _ in (u for u in sample.uncertainties if isinstance(u, SpuriousSignal)):
                component = next(components)
                density += component.multiplier(theta) * _density(r, sample, theta, model)
        if not np.all(density > 0.0):
            return np.inf
        value -= float(np.log(density).sum())
    auxiliary, expectation = model.counts[model.n_bins :], nu[model.n_bins :]
    if np.any(expectation < 0.0) or np.any((expectation == 0.0) & (auxiliary > 0.0)):
        return np.inf
    some = auxiliary > 0.0
    return value + float(expectation.sum() - auxiliary[some] @ np.log(expectation[some]))


def _density(r: Region, sample: Sample, theta: Array, model: Likelihood) -> Array:
    """Return the density of a sample at the values of its region, without its factors, shape ``(N,)``."""
    x, support = np.asarray(r.values), (float(r.edges[0]), float(r.edges[-1]))
    if isinstance(sample.shape, Peak):
        shift, log_stretch = 0.0, 0.0
        for u in sample.uncertainties:
            if isinstance(u, PeakPosition):
                shift += float(theta[model.names.index(u.name)]) * u.shift
            elif isinstance(u, PeakWidth):
                log_stretch += float(theta[model.names.index(u.name)]) * float(np.log1p(u.relative))
        return sample.scale * sample.shape.pdf(x, shift=shift, stretch=float(np.exp(log_stretch)))
    if not isinstance(sample.shape, BackgroundModel):
        return np.zeros(x.size)
    start = model.names.index(f"{sample.name}_{r.name}[0]")
    c = theta[start : start + sample.shape.order + 1]
    if not sample.shape.linear:
        return exponential_pdf(c, x, support)
    unit = float(np.abs(first_coefficients(sample.shape, r.counts, r.edges)).max())
    return np.asarray(unit * c @ basis_pdf(sample.shape, x, support))


def fit_unbinned(regions: Region | Sequence[Region], *, strength: float | None = None) -> ModelFit:
    """Return the unbinned extended maximum-likelihood fit by iminuit, started from the binned one.

    Parameters
    ----------
    regions
        One region or several, described with values.
    strength
        Held signal strength; free by default.

    Returns
    -------
    ModelFit
        Its engine is "minuit_unbinned"; `nll` is that of `unbinned_nll`, which has no saturated reference.

    Raises
    ------
    InputError
        If a region has no values, or a sample no density.

    Examples
    --------
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
    >>> round(result.n_sig), round(result.n_sig_error)
    (102, 19)
    """
    several = _checked(regions)
    model = likelihood(several)
    profile = Profile(model)
    first = profile.free if strength is None else profile.at(strength)
    theta = first.values if first.status.usable else model.start
    sigma = np.where(np.isfinite(profile.free.errors) & (profile.free.errors > 0.0), profile.free.errors, 0.1)
    wall = 1e12 + 1e3 * float(model.counts.sum())

    def objective(z: Array) -> float:
        return min(_nll(model, several, theta + sigma * z), wall)

    minuit = Minuit(objective, np.zeros(theta.size))
    minuit.errordef, minuit.strategy, minuit.tol = Minuit.LIKELIHOOD, 1, TOLERANCE
    minuit.errors = 0.5
    minuit.fixed[0] = strength is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IMinuitWarning)
        if any(not fixed for fixed in minuit.fixed):
            minuit.migrad(ncall=MAX_CALLS)
            minuit.hesse()
    valid = bool(minuit.valid) or all(minuit.fixed)
    status = FitStatus.CONVERGED if valid and minuit.fval < wall else FitStatus.NOT_CONVERGED
    covariance = np.full((theta.size, theta.size), np.nan)
    if status.usable and minuit.covariance is not None:
        covariance = np.asarray(minuit.covariance) * np.outer(sigma, sigma)
    with np.errstate(invalid="ignore"):
        errors = np.sqrt(np.diag(covariance))
    values = theta + sigma * np.array(minuit.values)
    return ModelFit(
        names=model.names,
        values=values if status.usable else np.full(theta.size, np.nan),
        errors=errors,
        covariance=covariance,
        nll=_nll(model, several, values) if status.usable else np.nan,
        status=status,
        iterations=int(minuit.nfcn),
        engine="minuit_unbinned",
    )


def unbinned_q0(regions: Region | Sequence[Region]) -> float:
    """Return the discovery statistic q0 of the values (CCGV eq. 12); NaN if a fit failed."""
    best, null = fit_unbinned(regions), fit_unbinned(regions, strength=0.0)
    if not (best.status.usable and null.status.usable):
        return float("nan")
    return float(asymptotics.q0(null.nll, best.nll, best.n_sig))


def fit_zfit(r: Region, *, binned: bool = False) -> ModelFit:
    """Return the extended fit of one region by zfit: a peer with another likelihood code and minimiser.

    Parameters
    ----------
    r
        A region of peaks and smooth backgrounds without uncertainties; of the exponentials only order 1.
    binned
        Whether to fit its counts instead of its values.

    Returns
    -------
    ModelFit
        Of the strength and the yield of each smooth background (its further coefficients are not handed back); its
        engine is "zfit" or "zfit_binned". `nll` is zfit's, up to a constant.

    Raises
    ------
    InputError
        If zfit is not installed, or cannot describe the region.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import zfit  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ModuleNotFoundError as error:
        if error.name != "zfit":
            raise
        msg = "zfit is not installed: pip install 'bumphunt[zfit]'"
        raise InputError(msg) from error
    if not binned:
        _checked(r)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _fit_zfit(zfit, r, binned)


def _fit_zfit(zfit: Any, r: Region, binned: bool) -> ModelFit:
    """Return zfit's fit; every parameter has a name of its own, since zfit's live as long as the process."""
    obs = zfit.Space("x", limits=(float(r.edges[0]), float(r.edges[-1])))
    strength = zfit.Parameter(f"strength_{id(r)}_{binned}", 0.1 * float(r.counts.sum()), step_size=1.0)
    inside = 1.0 if not isinstance(r.signal.shape, Peak) else float(r.signal.shape.fractions(r.edges).sum())
    parts, names, yields = [], ["strength"], [strength]
    for sample in (r.signal, *r.backgrounds):
        if sample.uncertainties:
            msg = f"zfit is given no uncertainties, sample {sample.name!r} has {sample.uncertainties[0]}"
            raise InputError(msg)
        if sample is r.signal:
            scaled = zfit.ComposedParameter(
                f"n_{sample.name}_{id(r)}_{binned}", lambda p, f=sample.scale * inside: p * f, params=[strength]
            )
        elif isinstance(sample.shape, Peak):
            scaled = zfit.param.ConstantParameter(f"n_{sample.name}_{id(r)}_{binned}", sample.scale)
        else:
            scaled = zfit.Parameter(f"n_{sample.name}_{id(r)}_{binned}", float(r.counts.sum()), step_size=1.0)
            names.append(sample.name)
            yields.append(scaled)
        parts.append(_zfit_density(zfit, obs, sample, scaled, f"{id(r)}_{binned}"))
    pdf = zfit.pdf.SumPDF(parts) if len(parts) > 1 else parts[0]
    if binned:
        axis = zfit.binned.VariableBinning(r.edges, name="x")
        space = zfit.Space("x", binning=[axis])
        data = zfit.data.BinnedData.from_tensor(space, values=r.counts, variances=np.maximum(r.counts, 1.0))
        loss = zfit.loss.ExtendedBinnedNLL(zfit.pdf.BinnedFromUnbinnedPDF(pdf, space=space), data)
    else:
        loss = zfit.loss.ExtendedUnbinnedNLL(pdf, zfit.Data.from_numpy(obs=obs, array=np.asarray(r.values)))
    result = zfit.minimize.Minuit(tol=1e-6).minimize(loss)
    result.hesse(name="hesse")
    values = np.array([float(result.params[p]["value"]) for p in yields])
    errors = np.array([float(result.params[p].get("hesse", {}).get("error", np.nan)) for p in yields])
    return ModelFit(
        names=tuple(names),
        values=values,
        errors=errors,
        covariance=np.diag(errors**2),
        nll=float(result.fmin),
        status=FitStatus.CONVERGED if result.valid else FitStatus.NOT_CONVERGED,
        iterations=int(result.info.get("n_eval", 0)),
        engine="zfit_binned" if binned else "zfit",
    )


def _zfit_density(zfit: Any, obs: Any, sample: Sample, events: Any, suffix: str) -> Any:
    """Return the density of a sample in zfit, with its events as yield."""
    shape, place = sample.shape, {"obs": obs, "extended": events}
    if isinstance(shape, Peak):
        p = shape.parameters
        if shape.family == "gaussian":
            return zfit.pdf.Gauss(mu=p[0], sigma=p[1], **place)
        if shape.family == "crystal_ball":
            alpha = p[2] if shape.tail == "low" else -p[2]
            return zfit.pdf.CrystalBall(mu=p[0], sigma=p[1], alpha=alpha, n=p[3], **place)
        if shape.family == "two_sided_crystal_ball":
            return zfit.pdf.DoubleCB(mu=p[0], sigma=p[1], alphal=p[2], nl=p[3], alphar=p[4], nr=p[5], **place)
    if isinstance(shape, BackgroundModel):
        start = {"bernstein": 1.0, "chebyshev": 0.0, "exponential": -1e-2}[shape.family]  # exp(0 x) has no integral
        count = shape.order + 1 if shape.family == "bernstein" else shape.order
        c = [zfit.Parameter(f"c{k}_{sample.name}_{suffix}", start, step_size=0.01) for k in range(count)]
        if shape.family == "chebyshev":
            return zfit.pdf.Chebyshev(coeffs=c, **place)
        if shape.family == "bernstein":
            c[0].floating = False  # the yield is a parameter of its own
            return zfit.pdf.Bernstein(coeffs=c, **place)
        if shape.order == 1:
            return zfit.pdf.Exponential(lam=c[0], **place)
    msg = f"sample {sample.name!r} has a shape that zfit is not given here: {shape!r}"
    raise InputError(msg)
