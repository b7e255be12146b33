"""Profile: the fits of a likelihood at tested strengths, each made once.

Chooses the engine: the convex one where the likelihood is linear in its parameters, damped Newton steps for the
others ("newton"); iminuit, the reference, and zfit, a peer, only by name. Every question of
`bumphunt.inference.fit` (limit, significance, interval) is asked of a profile.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bumphunt.engines import linear as convex
from bumphunt.engines import minuit
from bumphunt.engines.model_fit import ModelFit, model_fit
from bumphunt.engines.newton import fit_newton
from bumphunt.engines.result import FitResult, FitStatus
from bumphunt.engines.zfit import fit_zfit
from bumphunt.errors import FitError, InputError
from bumphunt.inference import asymptotics
from bumphunt.inference.limits import UpperLimit, asymptotic_limits, bracketed_root, failed_limit
from bumphunt.likelihood.likelihood import Likelihood, linear_channel

__all__ = ["Engine", "Profile", "chosen_engine", "fit_convex", "profile_limit"]

Array = NDArray[np.float64]
Engine = Literal["auto", "convex", "newton", "minuit", "zfit"]


def chosen_engine(model: Likelihood, engine: Engine) -> Literal["convex", "newton", "minuit", "zfit"]:
    """Return the engine that fits a likelihood: the convex one if the model allows it.

    Raises
    ------
    InputError
        If the name is unknown, or "convex" is asked to fit what is not linear.
    """
    if engine not in ("auto", "convex", "newton", "minuit", "zfit"):
        msg = f"unknown engine {engine!r}: want 'auto', 'convex', 'newton', 'minuit' or 'zfit'"
        raise InputError(msg)
    if engine == "convex" and not model.linear:
        msg = "the convex engine cannot fit a likelihood that is not linear in its parameters: use 'auto' or 'newton'"
        raise InputError(msg)
    if engine == "auto":
        return "convex" if model.linear else "newton"
    return engine


def fit_convex(
    model: Likelihood, *, strength: float | None = None, start: Array | None = None, errors: bool = True
) -> ModelFit:
    """Return the fit of a linear likelihood by the convex engine; as `bumphunt.engines.newton.fit_newton`."""
    channel = linear_channel(model)
    near = None if start is None else _as_result(start, channel.templates.shape[0])
    fit = convex.fit_channel(channel, n_sig=strength, start=near)
    if not fit.status.usable and near is not None:
        fit = convex.fit_channel(channel, n_sig=strength)
    n = len(model.names)
    values = np.append(fit.n_sig, fit.background[: n - 1])
    free = ~model.held
    free[0] = free[0] and strength is None
    covariance = None
    if errors and np.all(np.isfinite(fit.background_errors[: n - 1])):
        covariance = _covariance(model, values, free)
    return model_fit(model.names, values, covariance, fit.nll, fit.status, fit.iterations, "convex")


def _as_result(theta: Array, n_templates: int) -> FitResult:
    """Return parameters as a fit to start from; a held template has coefficient 1."""
    background = np.ones(n_templates)
    background[: theta.size - 1] = theta[1:]
    return FitResult(
        n_sig=float(theta[0]),
        n_sig_error=np.nan,
        background=background,
        background_errors=np.full(n_templates, np.nan),
        nll=np.nan,
        status=FitStatus.CONVERGED,
        iterations=0,
        engine="convex",
    )


def _covariance(model: Likelihood, theta: Array, free: NDArray[np.bool_]) -> Array:
    """Return the inverse of the observed information of a linear model, shape ``(P, P)``; 0 for held parameters."""
    nu, slopes = model.expected_and_slopes(theta)
    weight = np.divide(model.counts, nu**2, out=np.zeros_like(nu), where=nu > 0.0)
    hessian = ((slopes * weight) @ slopes.T + np.diag(model.precisions))[np.ix_(free, free)]
    covariance = np.zeros((theta.size, theta.size))
    try:
        covariance[np.ix_(free, free)] = np.linalg.inv(hessian)
    except np.linalg.LinAlgError:
        covariance[:] = np.nan
    return covariance


FITTERS = {"convex": fit_convex, "newton": fit_newton, "minuit": minuit.fit_likelihood, "zfit": fit_zfit}
"""The engines by name."""


class Profile:
    """The fits of one data set: free, and at tested strengths, each started from its nearest neighbour.

    Parameters
    ----------
    model
        The likelihood.
    engine
        Which engine to use; the fastest one that can, by default.
    best
        The fit with the strength free, where it is known (Asimov data).
    """

    def __init__(self, model: Likelihood, engine: Engine = "auto", best: ModelFit | None = None) -> None:
        self.model, self.engine = model, chosen_engine(model, engine)
        self._fits: dict[float, ModelFit] = {}
        self._free = best

    @property
    def free(self) -> ModelFit:
        """The fit with the strength free, errors included, whatever its status."""
        if self._free is None:
            self._free = self._fit(None, None, errors=True)
        return self._free

    def _fit(self, strength: float | None, start: Array | None, *, errors: bool) -> ModelFit:
        return FITTERS[self.engine](self.model, strength=strength, start=start, errors=errors)

    @property
    def best(self) -> ModelFit:
        """The fit with the strength free; raise `FitError` with the flag of its status if it failed."""
        return _usable(self.free)

    def at(self, strength: float) -> ModelFit:
        """Return the fit with the strength held; raise `FitError` if it failed."""
        if strength not in self._fits:
            near = min(self._fits, key=lambda tested: abs(tested - strength), default=None)
            start = None if near is None else self._fits[near].values
            if start is None and self._free is not None and self._free.status.usable:
                start = self._free.values
            fit = self._fit(strength, start, errors=False)
            if not fit.status.usable and start is not None:
                fit = self._fit(strength, None, errors=False)
            self._fits[strength] = _usable(fit)
        return self._fits[strength]

    @property
    def deficit(self) -> bool:
        """Whether the best strength is negative.

        Where the fit of it failed, whether the likelihood rises from strength 0 on: that slope misleads only where a
        bin without counts is at the boundary of negative expectations.
        """
        if self.free.status.usable:
            return self.free.n_sig < 0.0
        _, gradient, _ = self.model.nll_and_gradient(self.at(0.0).values)
        return bool(gradient[0] > 0.0)

    def q0(self) -> float:
        """Return the discovery statistic (CCGV eq. 12); raise `FitError` if a fit failed."""
        if self.deficit:
            return 0.0
        return float(asymptotics.q0(self.at(0.0).nll, self.best.nll, self.best.n_sig))

    def qmu_tilde(self, strength: float) -> float:
        """Return q~mu (CCGV eq. 16) at a tested strength; raise `FitError` if a fit failed."""
        if self.deficit:
            null = self.at(0.0).nll
            return float(asymptotics.qmu_tilde(strength, self.at(strength).nll, null, -1.0, null))
        if self.best.n_sig > strength:
            return 0.0
        best = self.best
        return float(asymptotics.qmu_tilde(strength, self.at(strength).nll, best.nll, best.n_sig, best.nll))

    def likelihood_ratio(self, strength: float) -> float:
        """Return -2 ln lambda (CCGV eq. 7) at a tested strength; raise `FitError` if a fit failed."""
        return max(2.0 * (self.at(strength).nll - self.best.nll), 0.0)

    def asimov(self, strength: float = 0.0) -> Profile:
        """Return the profile of the Asimov data of the fit at a strength, whose best fit is known (CCGV sec. 3.2)."""
        null = self.at(strength)
        saturated = 0.0  # the NLL of the Asimov data, by construction
        best = model_fit(self.model.names, null.values, None, saturated, null.status, 0, null.engine)
        profile = Profile(self.model.asimov(null.values), self.engine, best)
        profile._fits[strength] = best
        return profile


def _usable(fit: ModelFit) -> ModelFit:
    """Return the fit, or raise `FitError` with the flag of its status."""
    if not fit.status.usable:
        raise FitError(fit.status.flag)
    return fit


def profile_limit(data: Profile, *, cl: float, expected: bool = True) -> UpperLimit:
    """Return the CLs limit on the strength from q~mu and one Asimov set, as `bumphunt.inference.fit.limit` does.

    References
    ----------
    CCGV eqs 16, 31, 65, 66, 89, 90.
    """
    if data.engine == "convex":
        return asymptotic_limits([linear_channel(data.model)], cl=cl, expected=expected)[0]
    method, alpha = "cls_asymptotic", 1.0 - cl
    try:
        asimov = data.asimov()
        scale = _strength_scale(asimov)

        def log_excess(strength: float) -> float:
            root, root_a = np.sqrt(data.qmu_tilde(strength)), np.sqrt(asimov.qmu_tilde(strength))
            if root_a == 0.0:  # at strength 0 both statistics vanish, and CLs goes to 1
                return float(-np.log(alpha))
            # far beyond the limit CLs is too small for a number
            return float(np.log(max(float(asymptotics.cls(root, root_a)), np.finfo(np.float64).tiny) / alpha))

        observed = bracketed_root(log_excess, 0.0 if data.deficit else max(data.best.n_sig, 0.0), scale)
        band = np.full(5, np.nan)
        if expected:
            for index, target in enumerate(asymptotics.expected_sqrt_qmu_asimov(alpha, asymptotics.BAND)):

                def missing(strength: float, target: float = target) -> float:
                    return float(target - np.sqrt(asimov.qmu_tilde(strength)))

                band[index] = bracketed_root(missing, 0.0, scale * target)
    except FitError as failure:
        return failed_limit(method, cl, str(failure) if str(failure).startswith("fit_") else "no_root")
    status = data.free.status.flag
    return UpperLimit(
        observed=observed, expected=band, method=method, cl=cl, valid=True, flags=(status,) if status else ()
    )


def _strength_scale(asimov: Profile) -> float:
    """Return the standard deviation of the strength on the Asimov data, from q~mu at a rough one (CCGV eq. 31)."""
    model: Likelihood = asimov.model
    nu, slopes = model.expected_and_slopes(asimov.best.values)
    level = np.maximum(nu, 1e-2 * max(float(nu[: model.n_bins].max()), 1.0))
    rough = float(1.0 / np.sqrt(np.sum(slopes[0] ** 2 / level)))
    return float(asymptotics.sigma_from_asimov(rough, max(asimov.qmu_tilde(rough), 1e-12)))
