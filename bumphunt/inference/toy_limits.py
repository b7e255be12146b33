"""CLs limits from statistics that toys gave: interpolation between tested values, with its statistical error.

Nothing here knows what a toy is: `limit_from_toys` takes a function that returns the statistic q~mu of the data and of
toys at a tested signal (`bumphunt.inference.toys`).

References
----------
CCGV: G. Cowan, K. Cranmer, E. Gross, O. Vitells, EPJC 71 (2011) 1554, arXiv:1007.1727.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr, ndtri

from bumphunt.errors import FitError, Flag, InputError
from bumphunt.inference import asymptotics
from bumphunt.inference.settings import checked_cl
from bumphunt.inference.upper_limit import UpperLimit, failed_limit

__all__ = ["MAX_FAILED", "TIE", "ToyLimit", "ToyStatistics", "limit_from_toys", "limit_without_toys"]

Array = NDArray[np.float64]

MAX_FAILED = 0.01
"""Largest fraction of failed toys in a valid result: about the relative bias that they could cause."""
TIE = 1e-6
"""Statistics closer than this are the same: data sets of few events repeat, and their fits agree to 1e-8."""
CLOSE = 1.25
"""A limit has a tested value within this factor on both sides."""
NEIGHBOURHOOD = 1.6
"""The interpolation uses the tested values within this factor of the limit."""
MANY = 400.0
"""Toys beyond the threshold from which on a curvature is fitted; with under a quarter the neighbourhood is wider."""
PROBIT_STEPS = 15
"""Steps of the interpolating fit; it converges in five."""
MAX_TESTED = 30
"""Tested values after which none is added; a limit that is not among them does not exist."""
FEWEST_BEYOND = 5.0
"""Toys without signal that are as extreme as the data, below which CLs is not known: the error of CLb is a half."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyStatistics:
    """The statistic q~mu at one tested value: of the data, and of toys with and without the signal.

    Parameters
    ----------
    observed
        Of the data.
    signal, background
        Of toys at the tested signal, and at none; failed ones are left out.
    n_toys, n_failed
        Toys fitted, of both kinds together, and those that failed.
    """

    observed: float
    signal: Array
    background: Array
    n_toys: int
    n_failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyLimit:
    """A CLs limit from toys, with its statistical error.

    Parameters
    ----------
    limit
        The limit with its errors; `method` is "cls_toys". Where few different data sets are possible the band has
        steps, and a quantile close to one may fall on its other side.
    tested, cls, cls_errors
        The tested signals, CLs of the data at them, and its standard deviation, shape ``(T,)``; NaN where no toy was
        as extreme.
    n_toys, n_failed
        Toys fitted at all tested values, with and without signal (which are the same at each value), and those whose
        fit failed.
    seed
        Entropy and spawn key of the seed; tested value number t has the children ``(t, 0, toy)`` with signal, all
        share ``(0, 1, toy)`` without.
    """

    limit: UpperLimit
    tested: Array
    cls: Array
    cls_errors: Array
    n_toys: int
    n_failed: int
    seed: tuple[object, tuple[int, ...]]


def _fractions(statistics: ToyStatistics, threshold: float) -> tuple[float, float]:
    """Return CLsb and CLb: the fractions of the toys, with and without signal, at or above a value of the statistic."""
    above = np.mean(statistics.signal >= threshold - TIE) if statistics.signal.size else 1.0
    below = np.mean(statistics.background >= threshold - TIE) if statistics.background.size else 1.0
    return float(above), float(below)


def _thresholds(statistics: ToyStatistics, *, observed: bool, expected: bool) -> list[float]:
    """Return the value of the statistic for the data, and for the quantiles of the background-only toys, as wanted."""
    data = [statistics.observed] if observed else []
    if not expected:
        return data
    falling = np.sort(statistics.background)[::-1]
    ranks = np.ceil(ndtr(np.array(asymptotics.BAND)) * falling.size).astype(int) - 1  # CLb >= Phi(N), CCGV eq. 89
    return [*data, *falling[ranks.clip(0, falling.size - 1)].tolist()]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """One line of the band, or the data: CLsb and CLb at the tested signals, shape ``(T,)``, and the sizes of both."""

    tested: Array
    clsb: Array
    clb: Array
    n_signal: Array
    n_background: Array

    def excluded(self, alpha: float) -> NDArray[np.bool_]:
        """Return where CLs <= alpha."""
        return self.clsb <= alpha * self.clb

    @property
    def beyond(self) -> Array:
        """How many toys without signal are as extreme."""
        return self.clb * self.n_background

    def near(self, root: float, reach: float) -> NDArray[np.bool_]:
        """Return the tested values within a factor of one, without those below the best fit, where CLs is 1."""
        return (np.abs(np.log(self.tested / root)) < np.log(reach)) & (self.clsb < 1.0)


def _probit_fit(x: Array, p: Array, n: Array) -> tuple[Array, Array]:
    """Return the polynomial eta of the maximum-likelihood fit p = Phi(eta(x)) of binomial fractions, and covariance.

    Quadratic where there are many counts, else straight (in the asymptotic limit eta is straight in the signal). No
    fraction is left out for being 0: that would be a bias.
    """
    powers = np.vander(x, 3 if x.size > 3 and float(p @ n) > MANY else 2)
    eta = ndtri((p * n + 0.5) / (n + 1.0))
    covariance = np.zeros((powers.shape[1], powers.shape[1]))
    coefficients = np.zeros(powers.shape[1])
    for _ in range(PROBIT_STEPS):
        q = np.clip(ndtr(eta), 1e-9, 1.0 - 1e-9)
        slope = np.exp(-0.5 * np.clip(eta, -6.0, 6.0) ** 2) / np.sqrt(2.0 * np.pi)
        weight = n * slope**2 / (q * (1.0 - q))
        covariance = np.linalg.pinv((powers.T * weight) @ powers)
        coefficients = covariance @ (powers.T @ (weight * (eta + (p - q) / slope)))
        eta = np.clip(powers @ coefficients, -6.0, 6.0)
    return coefficients, covariance


def _root(line: _Line, alpha: float, rough: float, reach: float) -> tuple[float, float]:
    """Return where CLs = alpha and the standard deviation, from the tested values near a first estimate.

    CLb comes from the same toys at all tested values: its error does not average out.
    """
    use = line.near(rough, reach)
    x = line.tested[use] / rough - 1.0
    if x.size < 2:
        return rough, float("nan")
    coefficients, covariance = _probit_fit(x, line.clsb[use], line.n_signal[use])
    log_clb = np.log(np.maximum(line.clb[use], 1.0 / line.n_background[use]))

    def log_excess(at: Array) -> Array:
        return np.asarray(log_ndtr(np.polyval(coefficients, at)) - np.interp(at, x, log_clb) - np.log(alpha))

    fine = np.exp(np.linspace(-np.log(reach), np.log(reach), 2001)) - 1.0
    values = log_excess(fine)
    crossing = np.flatnonzero((values[:-1] > 0.0) & (values[1:] <= 0.0))
    if crossing.size == 0:
        return rough * float(1.0 + (fine[0] if values[0] <= 0.0 else fine[-1])), float("nan")
    i = int(crossing[np.argmin(np.abs(fine[crossing]))])
    root = float(fine[i] + (fine[i + 1] - fine[i]) * values[i] / (values[i] - values[i + 1]))
    slope = float(values[i + 1] - values[i]) / float(fine[i + 1] - fine[i])
    eta = float(np.polyval(coefficients, root))
    hazard = float(np.exp(-0.5 * eta**2 - log_ndtr(eta)) / np.sqrt(2.0 * np.pi))  # d ln Phi(eta) / d eta
    at_root = root ** np.arange(coefficients.size - 1.0, -1.0, -1.0)
    clb = float(np.exp(np.interp(root, x, log_clb)))
    common = (1.0 - clb) / (clb * float(np.median(line.n_background[use])))
    variance = hazard**2 * float(at_root @ covariance @ at_root) + common
    return rough * (1.0 + root), rough * float(np.sqrt(variance)) / abs(slope)


def _estimate(line: _Line, alpha: float, step: float) -> tuple[float, float, float | None]:
    """Return limit, error, and where to test next; None if two tested values are near it on both sides."""
    tested, excluded = line.tested, line.excluded(alpha)
    if excluded.all():
        return np.nan, np.nan, float(tested[0]) / step
    if excluded[-1] == np.False_:
        return np.nan, np.nan, float(tested[-1]) * step
    value = float(np.sqrt(tested[np.flatnonzero(excluded)[0]] * tested[np.flatnonzero(~excluded)[-1]]))
    error = float("nan")
    for reach in (NEIGHBOURHOOD**4, NEIGHBOURHOOD**2, NEIGHBOURHOOD):  # all first: single values may be far off
        near = line.near(value, reach)
        if reach == NEIGHBOURHOOD and float(line.clsb[near] @ line.n_signal[near]) < MANY / 4.0:
            break
        value, error = _root(line, alpha, value, reach)
    distance = np.log(tested / value) / np.log(CLOSE)
    limit = np.log(NEIGHBOURHOOD) / np.log(CLOSE)
    for side in (-1.0, 1.0):
        there = np.sort(distance[(side * distance >= 0.0) & (side * distance < limit)] * side)
        if there.size == 0 or there[0] > 1.0:
            return value, error, float(value * CLOSE ** (0.5 * side))
        if there.size == 1:
            return value, error, float(value * CLOSE ** (side if there[0] < 0.5 else 0.2 * side))
    return value, error, None


def limit_from_toys(
    statistics: Callable[[float, int], ToyStatistics],
    *,
    cl: float,
    guess: float,
    seed: np.random.SeedSequence,
    expected: bool = True,
    known: float | None = None,
) -> ToyLimit:
    """Return the CLs limit of anything that can make toys, interpolated between tested values.

    CLsb is fitted near each limit by Phi(polynomial in the signal), with the binomial likelihood of
    the toys, which gives the limit and its error. Tested values are added until each limit has two on both sides.

    Parameters
    ----------
    statistics
        Gives the statistics at a tested value, with the number of the tested value for its seed; may raise `FitError`.
    cl
        Confidence level.
    guess
        About where the limit is, > 0.
    seed
        Of the toys, for the record.
    expected
        Whether the band is wanted.
    known
        The observed limit where it is known exactly: then only the band is interpolated.

    Returns
    -------
    ToyLimit
        Invalid with a flag: "no_root", "deep_deficit", "toys_failed", or the status of a fit. The band rises from -2 to
        +2 standard deviations.

    Raises
    ------
    InputError
        If the confidence level is not in (0, 1), or the guess is not positive.
    """
    alpha = 1.0 - checked_cl(cl)
    if not 0.0 < guess < np.inf:
        msg = f"the first tested value must be positive, got {guess}"
        raise InputError(msg)
    found: dict[float, ToyStatistics] = {}
    lines: list[_Line] = []
    estimates: list[tuple[float, float, float | None]] = []
    wanted: list[float] = [0.7 * guess, guess, 1.4 * guess]
    flag: Flag | None = None
    while wanted and not flag:
        try:
            for value in wanted:
                found[value] = statistics(value, len(found))
        except FitError as failure:
            flag = failure.flag
            break
        lines = _lines(found, observed=known is None, expected=expected)
        if known is None and not np.any(lines[0].beyond >= FEWEST_BEYOND):
            flag = Flag.DEEP_DEFICIT
            break
        estimates = [_estimate(line, alpha, 1.0 + 4.0 / (8.0 + len(found))) for line in lines]
        wanted = sorted({value for _, _, value in estimates if value is not None})
        if len(found) > MAX_TESTED:
            flag = Flag.NO_ROOT if np.isnan([value for value, _, _ in estimates]).any() else None
            break
    exact = [] if known is None else [(known, 0.0)]
    return _record(found, [*exact, *(estimate[:2] for estimate in estimates)], cl, seed, flag)


def _lines(found: dict[float, ToyStatistics], *, observed: bool, expected: bool) -> list[_Line]:
    """Return the line of the data, and those of the band, as wanted."""
    tested = sorted(found)
    thresholds = [_thresholds(found[s], observed=observed, expected=expected) for s in tested]
    return [_line(found, [threshold[number] for threshold in thresholds]) for number in range(len(thresholds[0]))]


def _line(found: dict[float, ToyStatistics], thresholds: list[float]) -> _Line:
    """Return the fractions of toys at or above a threshold at each tested value, in rising order."""
    tested = sorted(found)
    p = np.array([_fractions(found[s], threshold) for s, threshold in zip(tested, thresholds, strict=True)])
    sizes = np.array([[found[s].signal.size, found[s].background.size] for s in tested], dtype=np.float64)
    return _Line(tested=np.array(tested), clsb=p[:, 0], clb=p[:, 1], n_signal=sizes[:, 0], n_background=sizes[:, 1])


def _quantile_errors(band: Array, n_background: float) -> Array:
    """Return the errors of a band, shape ``(5,)``, from those of the quantiles of the background-only toys."""
    n_sigma = np.array(asymptotics.BAND)
    p = ndtr(n_sigma)
    density = np.exp(-0.5 * n_sigma**2) / np.sqrt(2.0 * np.pi)
    return np.abs(np.gradient(band, n_sigma)) * np.sqrt(p * (1.0 - p) / n_background) / density


def _record(
    found: dict[float, ToyStatistics],
    estimates: list[tuple[float, float]],
    cl: float,
    seed: np.random.SeedSequence,
    flag: Flag | None,
) -> ToyLimit:
    """Return the record of the tested values; its limit is failed if there is a flag."""
    n_toys, n_failed = (sum(getattr(s, name) for s in found.values()) for name in ("n_toys", "n_failed"))
    if not flag and n_failed > MAX_FAILED * n_toys:
        flag = Flag.TOYS_FAILED
    if flag and not found:
        return limit_without_toys(failed_limit("cls_toys", cl, flag), seed)
    data = _line(found, [found[s].observed for s in sorted(found)])
    with np.errstate(divide="ignore", invalid="ignore"):
        cls = data.clsb / data.clb
        relative = (1.0 - data.clsb) / (data.clsb * data.n_signal) + (1.0 - data.clb) / (data.clb * data.n_background)
        errors = cls * np.sqrt(relative)
    return ToyLimit(
        limit=failed_limit("cls_toys", cl, flag) if flag else _limit(estimates, cl, float(data.n_background[0])),
        tested=data.tested,
        cls=cls,
        cls_errors=errors,
        n_toys=n_toys,
        n_failed=n_failed,
        seed=(seed.entropy, tuple(seed.spawn_key)),
    )


def _limit(estimates: list[tuple[float, float]], cl: float, n_background: float) -> UpperLimit:
    """Return the limit and, if there are its lines, the band: in rising order, which a few toys may have upset."""
    roots = np.full((6, 2), np.nan)
    roots[: len(estimates)] = estimates
    band, errors = roots[1:][np.argsort(roots[1:, 0])].T
    return UpperLimit(
        observed=float(roots[0, 0]),
        expected=band,
        method="cls_toys",
        cl=cl,
        valid=True,
        flags=(),
        error=float(roots[0, 1]),
        expected_errors=np.hypot(errors, _quantile_errors(band, n_background)),
    )


def limit_without_toys(limit: UpperLimit, seed: np.random.SeedSequence) -> ToyLimit:
    """Return the record of a limit for which no toys were needed, or could be made."""
    nothing = np.empty(0)
    return ToyLimit(
        limit=limit,
        tested=nothing,
        cls=nothing,
        cls_errors=nothing,
        n_toys=0,
        n_failed=0,
        seed=(seed.entropy, tuple(seed.spawn_key)),
    )
