"""Profile: the fits of a likelihood at tested strengths, each made once.

Every question (`bumphunt.inference.fit`) is asked of a profile: limit, significance, interval. The engine is that of
`bumphunt.engines.choose`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bumphunt.engines.choose import Engine, chosen_engine, fit_likelihood
from bumphunt.engines.result import FitResult, fit_result
from bumphunt.engines.start import possible
from bumphunt.errors import FitError, Flag
from bumphunt.inference import asymptotics, core
from bumphunt.likelihood.likelihood import Likelihood

__all__ = ["Profile", "expected_in_core"]

Array = NDArray[np.float64]


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

    def __init__(self, model: Likelihood, engine: Engine = "auto", best: FitResult | None = None) -> None:
        self.model, self.engine = model, chosen_engine(model, engine)
        self._fits: dict[float, FitResult] = {}
        self._free = best
        self._null: FitResult | None = None

    @property
    def free(self) -> FitResult:
        """The fit with the strength free, errors included, whatever its status."""
        if self._free is None:
            self._free = self._fit(None, None, errors=True)
        return self._free

    def _fit(self, strength: float | None, start: Array | None, *, errors: bool) -> FitResult:
        return fit_likelihood(self.model, self.engine, strength=strength, start=start, errors=errors)

    @property
    def best(self) -> FitResult:
        """The fit with the strength free; raise `FitError` with the flag of its status if it failed."""
        return _usable(self.free)

    def at(self, strength: float) -> FitResult:
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
    def impossible(self) -> bool:
        """Whether the data are impossible without signal: there are counts where nothing else is expected."""
        try:
            self.at(0.0)
        except FitError as failure:
            if failure.flag is not Flag.FIT_INFEASIBLE:
                raise
            return True
        return False

    @property
    def null(self) -> FitResult:
        """The fit without signal; raise `FitError` if it failed.

        Where the data are impossible without signal, to the counts that are possible: what the rest of the data says of
        the background.
        """
        if not self.impossible:
            return self.at(0.0)
        if self._null is None:
            without = np.where(np.arange(self.model.start.size) == 0, 0.0, self.model.start)
            expected = self.model.expected(possible(self.model, without, strength_free=False))
            rest = replace(self.model, counts=np.where(expected > 0.0, self.model.counts, 0.0))
            self._null = _usable(fit_likelihood(rest, self.engine, strength=0.0, errors=False))
        return self._null

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
        """Return the discovery statistic (CCGV eq. 12); raise `FitError` if a fit failed.

        It is infinite where the data are impossible without signal.
        """
        if self.deficit:
            return 0.0
        best = self.best
        if self.impossible:
            return np.inf
        return float(asymptotics.q0(self.at(0.0).nll, best.nll, best.n_sig))

    def qmu_tilde(self, strength: float) -> float:
        """Return q~mu (CCGV eq. 16) at a tested strength; raise `FitError` if a fit failed."""
        if self.deficit:
            null = self.at(0.0).nll
            return float(asymptotics.qmu_tilde(strength, self.at(strength).nll, null, -1.0, null))
        if self.best.n_sig > strength:
            return 0.0
        best = self.best
        return float(asymptotics.qmu_tilde(strength, self.at(strength).nll, best.nll, best.n_sig, best.nll))

    def core_background(self) -> float:
        """Return the expected background in the core of the signal [events]; NaN where the fit without signal fails."""
        try:
            null = self.null.values
        except FitError:
            return float("nan")
        return expected_in_core(self.model, null)

    def likelihood_ratio(self, strength: float) -> float:
        """Return -2 ln lambda (CCGV eq. 7) at a tested strength; raise `FitError` if a fit failed."""
        return max(2.0 * (self.at(strength).nll - self.best.nll), 0.0)

    def asimov(self, strength: float = 0.0) -> Profile:
        """Return the profile of the Asimov data with a signal beside the background of the fit without one.

        Their best fit is known (CCGV sec. 3.2).
        """
        values = np.where(np.arange(self.model.start.size) == 0, strength, self.null.values)
        saturated = 0.0  # the NLL of the Asimov data, by construction
        names, engine, status = self.model.names, self.null.engine, self.null.status
        best = fit_result(names, values, None, saturated, status, engine=engine, iterations=0)
        profile = Profile(self.model.asimov(values), self.engine, best)
        profile._fits[strength] = best
        return profile


def expected_in_core(model: Likelihood, null: Array) -> float:
    """Return the expected background in the core of the signal at the parameters of a fit without signal, ``(P,)``."""
    expected, slopes = model.expected_and_slopes(null)
    ends = np.cumsum([region.counts.size for region in model.regions])
    signals, backgrounds = (np.split(x[: ends[-1]], ends[:-1]) for x in (slopes[0], expected))
    return core.core_background(signals, backgrounds, [region.edges for region in model.regions])


def _usable(fit: FitResult) -> FitResult:
    """Return the fit, or raise `FitError` with the flag of its status."""
    if fit.status.flag is not None and not fit.status.usable:
        raise FitError(fit.status.flag)
    return fit
