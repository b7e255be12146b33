"""What a fit says: its parameters, and whether to believe them.

Every engine of this room returns these records. A failed fit is a record with a status, never an exception and never
a number that looks like a result.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

__all__ = ["BatchFit", "FitResult", "FitStatus"]

Array = NDArray[np.float64]


class FitStatus(IntEnum):
    """How a fit ended."""

    CONVERGED = 0
    """At the minimum, inside the region where every expected count is positive."""
    AT_BOUNDARY = 1
    """At the minimum, which lies where the expected count of some empty bin is zero: errors are undefined there."""
    SINGULAR = 2
    """The data and constraints do not determine the parameters (a zero or repeated template)."""
    NOT_CONVERGED = 3
    """The iteration limit was reached."""
    INFEASIBLE = 4
    """Counts were observed in a bin where the model expects none, or the start has a negative expected count."""

    @property
    def usable(self) -> bool:
        """Whether the minimum itself (its likelihood) can be used."""
        return self in (FitStatus.CONVERGED, FitStatus.AT_BOUNDARY)

    @property
    def flag(self) -> str:
        """Name for the `flags` column of a table; empty for a plain success."""
        return "" if self is FitStatus.CONVERGED else f"fit_{self.name.lower()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FitResult:
    """One maximum-likelihood fit of one channel.

    Parameters
    ----------
    n_sig
        Fitted (or tested) signal yield [events]; may be negative.
    n_sig_error
        Its standard deviation from the inverse Hessian [events]; 0 if it was held, NaN unless the fit converged.
    background
        Fitted coefficients of the background templates, shape ``(K,)``; 1 is the nominal expectation.
    background_errors
        Their standard deviations, shape ``(K,)``; NaN unless the fit converged.
    nll
        Negative log-likelihood relative to the saturated model, constraints included (half the deviance);
        inf if the data are impossible under the model, NaN if the fit failed.
    status
        How the fit ended.
    iterations
        Newton steps, or function calls for Minuit.
    engine
        Which engine was used, "convex" or "minuit".
    """

    n_sig: float
    n_sig_error: float
    background: Array
    background_errors: Array
    nll: float
    status: FitStatus
    iterations: int
    engine: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFit:
    """Many fits of the same columns: one row a fit.

    Parameters
    ----------
    parameters
        Fitted coefficients of the columns, shape ``(N, P)``; held ones are copied through.
    errors
        Standard deviations from the inverse Hessian, shape ``(N, P)``; 0 for held ones; NaN unless the fit converged
        and errors were asked for.
    nll
        As in `FitResult`, shape ``(N,)``.
    status
        `FitStatus` codes, shape ``(N,)``, int8.
    iterations
        Newton steps taken, shape ``(N,)``.
    """

    parameters: Array
    errors: Array
    nll: Array
    status: NDArray[np.int8]
    iterations: NDArray[np.int32]
