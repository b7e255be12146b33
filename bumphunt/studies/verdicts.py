"""A number beside the criterion that it has to meet: a plain verdict, which the number of toys does not decide."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

__all__ = ["Finding", "Verdict", "judge", "worst"]

CLEARLY = 2.0
"""Standard errors by which a number has to be outside to have failed: nearer ones are undecided."""


class Verdict(StrEnum):
    """What is concluded from a number."""

    FAILED = "failed"
    """Outside of what is allowed, by more than two standard errors."""
    UNDECIDED = "undecided"
    """Outside, by less: more toys will tell."""
    PASSED = "passed"
    """Inside."""
    NOT_JUDGED = "not judged"
    """The criterion is not made for it; it is shown all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A number that a study gives, beside its criterion.

    Parameters
    ----------
    mass
        The hypothesis [GeV].
    core
        Expected background in the core of the signal [events].
    truth
        What the toys are drawn from, or what was changed.
    n_sigma, n_sig_true
        The signal in them, in standard deviations of n_sig without one, and in events; NaN for the data.
    quantity
        What the number is.
    value, error
        The number and its standard error.
    low, high
        Between them the criterion is met; infinite where there is none.
    n_toys, n_failed
        Toys that it is from, and those of them whose fit failed.
    verdict
        What is concluded.
    """

    mass: float
    core: float
    truth: str
    n_sigma: float
    n_sig_true: float
    quantity: str
    value: float
    error: float
    low: float
    high: float
    n_toys: int
    n_failed: int
    verdict: Verdict


def judge(value: float, error: float, *, low: float, high: float) -> Verdict:
    """Return the verdict on a number.

    Parameters
    ----------
    value, error
        The number and its standard error.
    low, high
        Between them, ends included, the criterion is met.

    Examples
    --------
    >>> [str(judge(value, 0.01, low=0.89, high=1.0)) for value in (0.90, 0.88, 0.86, float("nan"))]
    ['passed', 'undecided', 'failed', 'failed']
    """
    if low <= value <= high:
        return Verdict.PASSED
    outside = max(low - value, value - high)
    return Verdict.UNDECIDED if outside <= CLEARLY * error else Verdict.FAILED


def worst(verdicts: list[Verdict]) -> Verdict:
    """Return the verdict of several numbers together: the worst of those that were judged."""
    for verdict in (Verdict.FAILED, Verdict.UNDECIDED, Verdict.PASSED):
        if verdict in verdicts:
            return verdict
    return Verdict.NOT_JUDGED


def mean_and_error(values: np.ndarray) -> tuple[float, float]:
    """Return the mean of values and its standard error; NaN of fewer than two."""
    if values.size < 2:
        return float("nan"), float("nan")
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(values.size))
