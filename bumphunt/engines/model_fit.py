"""ModelFit: the fit of one or several regions, parameter by parameter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bumphunt.engines.result import FitStatus
from bumphunt.errors import InputError

__all__ = ["ModelFit", "model_fit"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelFit:
    """One maximum-likelihood fit of a `bumphunt.likelihood.likelihood.Likelihood`.

    Parameters
    ----------
    names
        Names of the parameters, P of them; the first is the signal strength.
    values, errors
        Fitted values and standard deviations from the inverse Hessian, shape ``(P,)``; an error is 0 for a parameter
        that was held, NaN where it is not known or was not asked for. Normal parameters are in standard deviations.
    covariance
        Shape ``(P, P)``; NaN where the errors are.
    nll
        Negative log-likelihood relative to the saturated model, constraints included.
    status
        How the fit ended.
    iterations
        Steps of the minimiser, or Minuit's calls of the likelihood.
    engine
        "convex", "newton", "minuit" or "zfit".
    """

    names: tuple[str, ...]
    values: Array
    errors: Array
    covariance: Array
    nll: float
    status: FitStatus
    iterations: int
    engine: str

    @property
    def n_sig(self) -> float:
        """The signal strength: events for a peak of scale 1."""
        return float(self.values[0])

    @property
    def n_sig_error(self) -> float:
        """Its standard deviation."""
        return float(self.errors[0])

    def value(self, name: str) -> float:
        """Return the value of a parameter."""
        return float(self.values[self._index(name)])

    def error(self, name: str) -> float:
        """Return the standard deviation of a parameter."""
        return float(self.errors[self._index(name)])

    def _index(self, name: str) -> int:
        """Return the place of a parameter, or raise an `InputError` if there is none of that name."""
        if name not in self.names:
            msg = f"there is no parameter {name!r}: the fit has {self.names}"
            raise InputError(msg)
        return self.names.index(name)


def model_fit(
    names: tuple[str, ...],
    values: Array,
    covariance: Array | None,
    nll: float,
    status: FitStatus,
    iterations: int,
    engine: str,
) -> ModelFit:
    """Return the record of a fit, its errors from the covariance; NaN for what a failed one does not have."""
    n = len(names)
    known = covariance is not None and status.usable
    c = covariance if covariance is not None and known else np.full((n, n), np.nan)
    with np.errstate(invalid="ignore"):
        sigma = np.sqrt(np.diag(c))
    return ModelFit(
        names=names,
        values=values if status.usable else np.full(n, np.nan),
        errors=sigma,
        covariance=c,
        nll=nll if status.usable or status is FitStatus.INFEASIBLE else np.nan,
        status=status,
        iterations=iterations,
        engine=engine,
    )
