"""Feldman-Cousins intervals for a count over a background that is known, or known with an uncertainty.

Use it where one interval is wanted that goes over from an upper limit to a two-sided interval by itself. With a known
background and efficiency the intervals are those of the published tables: the set of accepted signals may have gaps,
which are filled, and for a fixed count the upper end may grow with the background, which is repaired as in the paper
(`feldman_cousins`).

An uncertain background or efficiency is averaged over in the probabilities of the counts, as in the exact CLs limits
(`bumphunt.inference.counts.distribution`), and what is averaged is ordered and summed as before: the semi-Bayesian
treatment of Conrad et al. On average over what is uncertain the intervals cover; for one fixed background they may not.
Where there is hardly more than background, an uncertain efficiency can shorten an interval a little, a known property
of this treatment (Hill).

References
----------
FC: G. J. Feldman, R. D. Cousins, Phys. Rev. D 57 (1998) 3873, arXiv:physics/9711021.
J. Conrad, O. Botner, A. Hallgren, C. Perez de los Heros, Phys. Rev. D 67 (2003) 012002, arXiv:hep-ex/0202013.
G. C. Hill, Phys. Rev. D 67 (2003) 118101, arXiv:physics/0302057.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import toeplitz
from scipy.special import gammaln, xlogy

from bumphunt.errors import Flag, InputError
from bumphunt.inference.counts.distribution import CountingModel, background_nodes, band_counts, lognormal_nodes
from bumphunt.inference.settings import checked_cl
from bumphunt.inference.upper_limit import UpperLimit, failed_limit

__all__ = ["ConfidenceInterval", "feldman_cousins", "feldman_cousins_limit"]

Array = NDArray[np.float64]

STEP = 0.005
"""Step of the tested signals in units of the spread of the count, sqrt(n + 1) events where nothing is uncertain; FC
section IV.B uses 0.005 events."""
PRECISION = 1e-6
"""Precision of the ends of an interval [events]."""
REACH, UNCERTAIN_REACH = 9.0, 5.0
"""Counts up to this many standard deviations above the tested mean are enumerated: Poisson ones, and those of what is
uncertain. A count beyond is less likely to be taken first than any that matters."""
BACKGROUND_REACH = 1.5
"""How far the larger backgrounds go that an upper end is compared with [events]; its jumps are about 1 event apart."""
BACKGROUND_STEPS = 30
"""Backgrounds compared in that range, before jumps between them are looked for."""
LARGEST = 500
"""Counts and backgrounds beyond this are refused: all counts are enumerated, and asymptotic intervals are as good."""
ROOT_STEP, FEW = 0.0125, 50.0
"""Step in sqrt(s) of the search for the best signal of up to that many counts, whose likelihoods have a width of 0.5
there: a parabola through three steps has the logarithm of the maximum to 1e-6. For more counts the step may grow with
the cube root of their number."""
TIE = 1e-12
"""Ratios of likelihoods whose logarithms are closer than this are the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidenceInterval:
    """A confidence interval of the mean signal of a counting experiment [events at the nominal efficiency].

    Parameters
    ----------
    lower, upper
        Ends; a lower end of 0 makes it an upper limit.
    cl
        Confidence level.
    n_obs
        Observed count.
    model
        Background and uncertainties.
    """

    lower: float
    upper: float
    cl: float
    n_obs: int
    model: CountingModel


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signals:
    """Tested signals s, shape ``(S,)`` [events], and P(j | s) of their events alone, j = 0 ... N - 1, ``(S, N)``."""

    tested: Array
    alone: Array


def _poisson(mean: Array, top: int) -> Array:
    """Return Poisson probabilities of 0 ... top for means of shape ``(M,)``, shape ``(M, top + 1)``."""
    n = np.arange(top + 1.0)
    return np.asarray(np.exp(xlogy(n, mean[:, None]) - mean[:, None] - gammaln(n + 1.0)))


def _signals(tested: Array, efficiency_sigma: float, top: int) -> _Signals:
    """Return tested signals with the probabilities of their events, the efficiency averaged over."""
    resolved = 1.0 / np.sqrt(max(float(tested.max()), 1.0))  # the width of their number
    kappa, weights = lognormal_nodes(efficiency_sigma, resolved)
    alone = np.zeros((tested.size, top + 1))
    for k, weight in zip(kappa, weights, strict=True):
        alone += weight * _poisson(k * tested, top)
    return _Signals(tested=tested, alone=alone)


def _probabilities(signals: _Signals, model: CountingModel) -> Array:
    """Return P(n | s), background and efficiency averaged over, shape ``(S, N)``: q(n)_{s+b} of Conrad et al."""
    b, weights = background_nodes(model)
    background = weights @ _poisson(b, signals.alone.shape[1] - 1)
    return np.asarray(signals.alone @ toeplitz(np.append(background[0], 0.0 * background[1:]), background))


def _best_candidates(efficiency_sigma: float, top: int) -> _Signals:
    """Return the signals among which the best one of each count up to `top` is looked for, equal steps in sqrt(s)."""
    step = ROOT_STEP * max(top / FEW, 1.0) ** (1.0 / 3.0)
    roots = np.arange(0.0, np.sqrt(top + 1.0) + 2.0 * step, step)
    return _signals(roots**2, efficiency_sigma, top)


def _log_best(model: CountingModel, candidates: _Signals) -> Array:
    """Return ln P(n | s_best): the largest probability that a signal s >= 0 gives each count, shape ``(N,)``.

    It has one maximum in s. With a known background it is at s_best = max(0, n - b) (FC section IV.A).
    """
    with np.errstate(divide="ignore"):
        table = np.log(_probabilities(candidates, model))
    n, peak = np.arange(table.shape[1]), np.argmax(table, axis=0)
    middle = np.clip(peak, 1, candidates.tested.size - 2)
    low, at, high = (table[middle + shift, n] for shift in (-1, 0, 1))
    vertex = at - 0.125 * (high - low) ** 2 / (low - 2.0 * at + high)
    return np.where(peak == 0, table[0], vertex)


def _accepted(n_obs: int, signals: _Signals, model: CountingModel, log_best: Array, cl: float) -> NDArray[np.bool_]:
    """Return whether a count is in the acceptance region of each tested signal, shape ``(S,)``.

    Counts n are taken in the order of the ratio R = P(n | s) / P(n | s_best) until their probabilities sum to the
    confidence level or more (FC section IV.A, eq. 4.1; with averaged probabilities Conrad et al., section II).
    """
    p = _probabilities(signals, model)
    with np.errstate(divide="ignore"):
        log_r = np.log(p) - log_best  # ln of eq. 4.1
    before = np.sum(p * (log_r > log_r[:, [n_obs]] + TIE), axis=1)  # probability of what is taken before n_obs
    return np.asarray(before < cl)


def _top(n_obs: int, n_sig: float, model: CountingModel) -> int:
    """Return the largest count that is enumerated for signals up to `n_sig` [events]."""
    mean = n_sig + model.background
    uncertain = float(np.hypot(model.background_sigma, model.efficiency_sigma * n_sig))
    return max(n_obs, int(mean + REACH * np.sqrt(mean + 1.0) + UNCERTAIN_REACH * uncertain + 10.0))


class _Construction:
    """The construction for one count: the signals that are tested, the same ones over any background.

    They begin well below the lower end of the interval, and end above the upper one.
    """

    def __init__(self, n_obs: int, model: CountingModel, cl: float) -> None:
        self.n_obs, self.cl = n_obs, cl
        middle = max(n_obs - model.background, 0.0)
        spread = np.sqrt(n_obs + 1.0 + model.background_sigma**2 + (model.efficiency_sigma * middle) ** 2)
        self.width = STEP * spread
        reach = (4.0 + 2.0 * np.log1p(1.0 / (1.0 - cl))) * spread
        low = max(middle - reach - BACKGROUND_REACH, 0.0)
        while True:
            tested = np.arange(low, middle + reach + self.width, self.width)
            self.top = _top(n_obs, float(tested[-1]), model)
            self.signals = _signals(tested, model.efficiency_sigma, self.top)
            self.candidates = _best_candidates(model.efficiency_sigma, self.top)
            if not self._inside(self.signals, model, _log_best(model, self.candidates))[-1]:
                return
            reach *= 2.0

    def _inside(self, signals: _Signals, model: CountingModel, log_best: Array) -> NDArray[np.bool_]:
        return _accepted(self.n_obs, signals, model, log_best, self.cl)

    def ends(self, model: CountingModel) -> tuple[float, float]:
        """Return the smallest and the largest accepted signal over a background."""
        tested, log_best = self.signals.tested, _log_best(model, self.candidates)
        hits = np.flatnonzero(self._inside(self.signals, model, log_best))
        first, last = (int(hits[0]), int(hits[-1])) if hits.size else (0, 0)
        lower = 0.0 if first == 0 else self._edge(tested[first], tested[first - 1], model, log_best)
        return lower, self._edge(tested[last], tested[last] + self.width, model, log_best)

    def _edge(self, inside: float, outside: float, model: CountingModel, log_best: Array) -> float:
        """Return the signal between an accepted and a refused one where acceptance ends."""
        while abs(outside - inside) > PRECISION:
            tested = np.linspace(inside, outside, 12)
            signals = _signals(tested[1:-1], model.efficiency_sigma, self.top)
            refused = np.flatnonzero(~self._inside(signals, model, log_best))
            first = int(refused[0]) + 1 if refused.size else tested.size - 1
            inside, outside = float(tested[first - 1]), float(tested[first])
        return 0.5 * (inside + outside)

    def lengthened(self, upper: float, model: CountingModel) -> float:
        """Return the upper end, or a larger one over a larger background, as uncertain: it is just above a jump."""
        b = model.background
        if self.n_obs > b + 3.0 * np.sqrt(b + 1.0 + model.background_sigma**2):
            return upper  # it falls as b grows, event for event
        near = np.abs(self.signals.tested - upper + 0.5 * BACKGROUND_REACH) < 1.5 * BACKGROUND_REACH
        signals = _Signals(tested=self.signals.tested[near], alone=self.signals.alone[near])

        def last(mean: float) -> float:  # accepted among the tested ones
            inside = self._inside(signals, over := _over(model, mean), _log_best(over, self.candidates))
            return float(np.max(signals.tested[inside], initial=0.0))

        means = np.linspace(b, b + BACKGROUND_REACH, BACKGROUND_STEPS + 1)
        ends = [last(float(mean)) for mean in means]
        for i in np.flatnonzero(np.diff(ends) > 0.0):
            low, high = float(means[i]), float(means[i + 1])
            while high - low > 0.01 * PRECISION / STEP:
                middle = 0.5 * (low + high)
                low, high = (low, middle) if last(middle) > ends[i] else (middle, high)
            upper = max(upper, self.ends(_over(model, high))[1])
        return upper


def _over(model: CountingModel, background: float) -> CountingModel:
    """Return the model over another background with the same relative uncertainty."""
    sigma = model.background_sigma * background / model.background if model.background > 0.0 else 0.0
    return replace(model, background=background, background_sigma=sigma)


def feldman_cousins(n_obs: float, model: CountingModel, *, cl: float = 0.9) -> ConfidenceInterval:
    """Return the Feldman-Cousins interval of a mean signal.

    Parameters
    ----------
    n_obs
        Observed count, an integer from 0 to 500.
    model
        Background, from 0 to 500 events, and uncertainties.
    cl
        Confidence level.

    Returns
    -------
    ConfidenceInterval
        The hull of all accepted signals. Because counts are integers, its upper end jumps up at some larger
        backgrounds; as in the published tables it is then lengthened, so that it never rises with the background (of
        the same relative uncertainty).

    Raises
    ------
    InputError
        If the count is not an integer in its range, the background outside of it, or the level not in (0, 1).

    References
    ----------
    FC section IV.B, tables II to IX.

    Examples
    --------
    >>> interval = feldman_cousins(3, CountingModel(background=0.0))
    >>> round(interval.lower, 2), round(interval.upper, 2)
    (1.1, 7.42)
    """
    checked_cl(cl)
    if not 0 <= n_obs <= LARGEST or n_obs != int(n_obs):
        msg = f"the observed count must be an integer from 0 to {LARGEST}, got {n_obs}"
        raise InputError(msg)
    if not model.background <= LARGEST:
        msg = f"the background must be a number from 0 to {LARGEST}, got {model.background}"
        raise InputError(msg)
    construction = _Construction(int(n_obs), model, cl)
    lower, upper = construction.ends(model)
    upper = construction.lengthened(upper, model)
    return ConfidenceInterval(lower=lower, upper=upper, cl=cl, n_obs=int(n_obs), model=model)


def feldman_cousins_limit(n_obs: float | None, model: CountingModel, *, cl: float = 0.9) -> UpperLimit:
    """Return the upper end of the Feldman-Cousins interval of a count as a limit, with its expected band.

    Parameters
    ----------
    n_obs
        Observed count, an integer; None for a blinded one: then the observed limit is the median expected one.
    model
        Background and uncertainties.
    cl
        Confidence level.

    Returns
    -------
    UpperLimit
        In events at the nominal efficiency; `method` is "feldman_cousins". The band holds the upper ends for the
        quantiles of the count without signal. Where a count or the background is above 500 events it is invalid, with
        the flag "too_many_events".

    Raises
    ------
    InputError
        If the count is not an integer or negative, or the confidence level is not in (0, 1).

    Examples
    --------
    >>> limit = feldman_cousins_limit(0, CountingModel(background=3.0))
    >>> round(limit.observed, 2), limit.expected.round(2).tolist()
    (1.08, [1.08, 1.88, 4.42, 6.99, 9.53])
    """
    method, counts = "feldman_cousins", band_counts(model)
    observed = counts[2] if n_obs is None else n_obs
    if max(*counts, observed, model.background) > LARGEST:
        return failed_limit(method, checked_cl(cl), Flag.TOO_MANY_EVENTS)
    upper = {n: feldman_cousins(n, model, cl=cl).upper for n in dict.fromkeys([*counts, observed])}
    return UpperLimit(
        observed=upper[observed],
        expected=np.array([upper[n] for n in counts]),
        method=method,
        cl=cl,
        valid=True,
        flags=(Flag.BLINDED,) if n_obs is None else (),
    )
