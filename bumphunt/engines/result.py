"""What a fit says: its parameters, and whether to believe them.

Every engine of this room returns a `FitResult`, and `FitResults`, a row a fit, where it was given many data sets. A
failed fit is a record with a status, never an exception and never a number that looks like a result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import Flag, InputError

__all__ = ["FitResult", "FitResults", "FitStatus", "fit_result", "put_rows"]

Array = NDArray[np.float64]
Indices = NDArray[np.intp]


class FitStatus(IntEnum):
    """How a fit ended."""

    CONVERGED = 0
    """At the minimum, inside the region where every expected count is positive."""
    AT_BOUNDARY = 1
    """At the minimum, which lies where the expected count of some empty bin, or a sample, ends at zero: errors are
    undefined there, but where a free factor stops at 0 those of all others are known, with it held."""
    SINGULAR = 2
    """The data and constraints do not determine the parameters (a zero or repeated template)."""
    NOT_CONVERGED = 3
    """The iteration limit was reached."""
    INFEASIBLE = 4
    """Counts were observed in a bin where the model expects none, or the start has a negative expected count."""

    @property
    def usable(self) -> bool:
        """Whether the minimum itself (its likelihood) can be used."""
        return self <= FitStatus.AT_BOUNDARY

    @property
    def flag(self) -> Flag | None:
        """The word for the `flags` of a table; None for a plain success."""
        return None if self is FitStatus.CONVERGED else Flag[f"FIT_{self.name}"]

    @property
    def flags(self) -> tuple[Flag, ...]:
        """The same as a tuple, empty for a plain success."""
        return () if self.flag is None else (self.flag,)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FitResult:
    """One maximum-likelihood fit.

    Parameters
    ----------
    names
        Names of the parameters, P of them; the first is the signal strength.
    values, errors
        Fitted values and standard deviations from the inverse Hessian, shape ``(P,)``; an error is 0 for a parameter
        that was held, NaN where it is not known or was not asked for. Normal parameters are in standard deviations.
        All are NaN if the fit failed.
    covariance
        Shape ``(P, P)``; NaN where it is not known or was not asked for.
    nll
        Negative log-likelihood relative to the saturated model, constraints included (half the deviance); inf if the
        data are impossible under the model, NaN if the fit failed.
    status
        How the fit ended.
    iterations
        Steps of the minimiser, or Minuit's calls of the likelihood.
    engine
        "linear", "newton", "minuit" or "zfit".
    components
        Expected counts at the fit, by region and sample, shape ``(B_r,)`` each: of `bumphunt.inference.fit.fit` alone,
        empty where that failed.
    """

    names: tuple[str, ...]
    values: Array
    errors: Array
    covariance: Array
    nll: float
    status: FitStatus
    iterations: int
    engine: str
    components: Mapping[str, Mapping[str, Array]] = field(default_factory=dict, repr=False)

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

    def as_row(self) -> FitResults:
        """Return the fit as the only row of many; its slope is not known."""
        return FitResults(
            names=self.names,
            values=self.values[None].copy(),
            errors=self.errors[None].copy(),
            nll=np.array([self.nll]),
            slopes=np.array([np.nan]),
            status=np.array([int(self.status)], dtype=np.int8),
            iterations=np.array([self.iterations], dtype=np.int32),
            engine=self.engine,
        )

    def _index(self, name: str) -> int:
        """Return the place of a parameter, or raise an `InputError` if there is none of that name."""
        if name not in self.names:
            msg = f"there is no parameter {name!r}: the fit has {self.names}"
            raise InputError(msg)
        return self.names.index(name)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FitResults:
    """Fits of models with the same parameters: one row a fit; ``results[k]`` is the `FitResult` of row k.

    Parameters
    ----------
    names
        Names of the parameters, P of them; the first is the signal strength.
    values
        Where the fits ended, shape ``(N, P)``; held parameters are copied through, failed fits are not NaN here.
    errors
        Standard deviations from the inverse Hessian, shape ``(N, P)``; 0 for held ones; NaN unless the fit converged
        and errors were asked for.
    nll
        As in `FitResult`, shape ``(N,)``.
    slopes
        Derivative of the NLL in the strength at the fit, shape ``(N,)``: 0 where that was free, NaN where the fit
        failed. The linear engine, whose fits do not fail, leaves it out: NaN.
    status
        `FitStatus` codes, shape ``(N,)``, int8.
    iterations
        Steps taken, shape ``(N,)``.
    engine
        "linear" or "newton".
    """

    names: tuple[str, ...]
    values: Array
    errors: Array
    nll: Array
    slopes: Array
    status: NDArray[np.int8]
    iterations: NDArray[np.int32]
    engine: str

    def __len__(self) -> int:
        return self.nll.size

    def __getitem__(self, row: int) -> FitResult:
        """Return one fit; its covariance is not known."""
        status, n = FitStatus(int(self.status[row])), len(self.names)
        known = status.usable
        return FitResult(
            names=self.names,
            values=self.values[row] if known else np.full(n, np.nan),
            errors=self.errors[row] if known else np.full(n, np.nan),
            covariance=np.full((n, n), np.nan),
            nll=float(self.nll[row]),
            status=status,
            iterations=int(self.iterations[row]),
            engine=self.engine,
        )

    def rows(self, index: Indices) -> FitResults:
        """Return some of the fits."""
        arrays = ("values", "errors", "nll", "slopes", "status", "iterations")
        return replace(self, **{name: getattr(self, name)[index] for name in arrays})

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Which fits have a minimum, shape ``(N,)``."""
        return self.status <= int(FitStatus.AT_BOUNDARY)


def put_rows(found: FitResults, rows: Indices, other: FitResults, taken: Indices | None = None) -> None:
    """Put fits in the place of some rows.

    Parameters
    ----------
    found
        The fits, which are changed.
    rows
        Which of them, shape ``(R,)``.
    other
        Fits of the same models.
    taken
        Which of these, shape ``(R,)``; all of them by default.
    """
    for name in ("values", "nll", "slopes", "status", "iterations"):
        values = getattr(other, name)
        getattr(found, name)[rows] = values if taken is None else values[taken]


def fit_result(
    names: tuple[str, ...],
    values: Array,
    covariance: Array | None,
    nll: float,
    status: FitStatus,
    *,
    engine: str,
    iterations: int,
) -> FitResult:
    """Return the record of a fit, with NaN for what a failed one does not have.

    Parameters
    ----------
    names, values, nll, status, engine, iterations
        As in `FitResult`.
    covariance
        As there, the errors are the roots of its diagonal; None where it is not known or was not asked for.
    """
    n = len(names)
    c = covariance if covariance is not None and status.usable else np.full((n, n), np.nan)
    with np.errstate(invalid="ignore"):
        errors = np.sqrt(np.diag(c))
    return FitResult(
        names=names,
        values=values if status.usable else np.full(n, np.nan),
        errors=errors,
        covariance=c,
        nll=nll if status.usable or status is FitStatus.INFEASIBLE else np.nan,
        status=status,
        iterations=iterations,
        engine=engine,
    )
