"""Pseudo-experiments (toys): p-values and CLs limits where asymptotic formulae do not hold.

Use it for few expected events, and to check `bumphunt.inference.limits`; it is a thousand times slower. Every toy
draws all counts from the expectation at the tested signal, nuisances profiled on the data, and the centres of all
constraints ("global observables") around the profiled values. Each toy has its own child of a seed, so that the result
does not depend on how toys are grouped, and any toy can be made again (`make_toys`).

A toy whose fit failed is counted, and left out of the p-value; if more than `MAX_FAILED` of them did, the result is
invalid with the flag "toys_failed".

References
----------
CCGV: G. Cowan, K. Cranmer, E. Gross, O. Vitells, EPJC 71 (2011) 1554, arXiv:1007.1727.
ATLAS and CMS, ATL-PHYS-PUB-2011-11, section 2 (toys at profiled nuisances, fluctuated global observables).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from bumphunt.errors import FitError, InputError
from bumphunt.inference import asymptotics, convex
from bumphunt.inference.fit_result import BatchFit, FitResult, FitStatus
from bumphunt.inference.limits import UpperLimit, asymptotic_limit, checked_cl, failed_limit
from bumphunt.models.channel import Channel

__all__ = [
    "MAX_FAILED",
    "ToyLimit",
    "ToyPValue",
    "ToyStatistics",
    "Toys",
    "child_seed",
    "fit_toys",
    "limit_from_toys",
    "make_toys",
    "seed_of",
    "toy_limit",
    "toy_p0",
]

Array = NDArray[np.float64]

MAX_FAILED = 0.01
"""Largest fraction of failed toys in a valid result: about the relative bias that they could cause."""
TIE = 1e-6
"""Statistics closer than this are the same: data sets of few events repeat, and their fits agree to 1e-8."""
CLOSE = 1.25
"""A limit is interpolated between tested values that are closer than this factor."""
NEIGHBOURHOOD = 1.6
"""The interpolating parabola uses the tested values within this factor of the limit."""
MAX_TESTED = 60
"""Tested values before a limit is said not to exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Toys:
    """Pseudo-data: counts, shape ``(N, B)``, and constraint centres, shape ``(N, K)``."""

    counts: Array
    centres: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyPValue:
    """A p-value from toys.

    Parameters
    ----------
    p_value
        Fraction of the good toys at least as extreme as the data; NaN if the data could not be fitted.
    error
        Its binomial standard deviation; where no toy (or every toy) is as extreme, that of one toy in N.
    statistic
        q0 of the data.
    n_toys, n_failed
        All toys, and those whose fit failed.
    valid
        Whether the number can be used.
    flags
        "toys_failed"; "no_toy_beyond": p is below the reach 1 / N of the toys; the status of a failed fit.
    seed
        Entropy and spawn key of the seed of the toys.
    """

    p_value: float
    error: float
    statistic: float
    n_toys: int
    n_failed: int
    valid: bool
    flags: tuple[str, ...]
    seed: tuple[object, tuple[int, ...]]


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
        The limit; `method` is "cls_toys".
    error, expected_errors
        Standard deviations of the observed limit, and of the band, shape ``(5,)``, from the number of toys. Where few
        different data sets are possible the band has steps, and a quantile close to one may fall on its other side.
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
    error: float
    expected_errors: Array
    tested: Array
    cls: Array
    cls_errors: Array
    n_toys: int
    n_failed: int
    seed: tuple[object, tuple[int, ...]]


def seed_of(rng: np.random.Generator) -> np.random.SeedSequence:
    """Return a new child of a generator's seed; the next call gives another one.

    Raises
    ------
    InputError
        If the generator was not made from a `SeedSequence` (as `numpy.random.default_rng` does).
    """
    seed = rng.bit_generator.seed_seq
    if not isinstance(seed, np.random.SeedSequence):
        msg = f"the generator has no SeedSequence but {seed!r}: make it with numpy.random.default_rng(seed)"
        raise InputError(msg)
    return seed.spawn(1)[0]


def child_seed(seed: np.random.SeedSequence, *key: int) -> np.random.SeedSequence:
    """Return the child with a given key, whatever was spawned before: ``seed.spawn(n)[i]`` is ``child_seed(seed, i)``.

    Examples
    --------
    >>> seed = np.random.SeedSequence(1)
    >>> child_seed(seed, 2).generate_state(1) == seed.spawn(3)[2].generate_state(1)
    array([ True])
    """
    return np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, *key), pool_size=seed.pool_size)


def make_toys(
    channel: Channel, n_sig: float, background: ArrayLike, *, seed: np.random.SeedSequence, indices: Iterable[int]
) -> Toys:
    """Return the toys with the given indices: the same index and seed make the same toy, alone or with others.

    Parameters
    ----------
    channel
        Signal, templates and constraints; its counts are not used.
    n_sig
        Signal yield of the toys [events].
    background
        Coefficients of the templates, shape ``(K,)``. Expected counts below zero are set to zero.
    seed
        Toy i uses its child i.
    indices
        Which toys, N of them.
    """
    theta = np.asarray(background, dtype=np.float64)
    nu = np.maximum(channel.expected(n_sig, theta), 0.0)
    fluctuating = (channel.sigmas > 0.0) & np.isfinite(channel.sigmas)
    widths = np.where(fluctuating, channel.sigmas, 0.0)
    middles = np.where(fluctuating, theta, channel.centres)
    children = [child_seed(seed, i) for i in indices]
    counts, centres = np.empty((len(children), nu.size)), np.empty((len(children), theta.size))
    for row, child in enumerate(children):
        generator = np.random.Generator(np.random.PCG64(child))
        counts[row] = generator.poisson(nu)
        centres[row] = middles + widths * generator.standard_normal(theta.size)
    return Toys(counts=counts, centres=centres)


def fit_toys(channel: Channel, toys: Toys, *, start: ArrayLike, n_sig: float | None = None) -> BatchFit:
    """Return the fits of toys, the signal yield in the first column and the coefficients in the others.

    Parameters
    ----------
    channel
        Signal, templates and constraint widths.
    toys
        Counts and centres.
    start
        First coefficients, shape ``(K,)``.
    n_sig
        Signal yield to be held [events]; free by default.

    Returns
    -------
    BatchFit
        `parameters` has the shape ``(N, 1 + K)``.
    """
    first = np.where(channel.held, channel.centres, np.asarray(start, dtype=np.float64))
    alone = (first @ channel.templates <= 0.0) & (channel.signal > 0.0)
    wanted = max(1.0, float(toys.counts[:, alone].sum(axis=1).max())) if alone.any() and toys.counts.size else 0.0
    columns = np.concatenate([channel.signal[None], channel.templates])
    held = np.concatenate([[n_sig is not None], channel.held])
    order = np.argsort(~held, kind="stable")
    values = np.concatenate([[wanted if n_sig is None else n_sig], first])
    centres = np.column_stack([np.zeros(len(toys.counts)), toys.centres])
    sigmas = np.concatenate([[np.inf], np.where(channel.held, np.inf, channel.sigmas)])
    fit = convex.fit_batch(
        toys.counts,
        columns[order],
        start=values[order],
        centres=centres[:, order],
        sigmas=sigmas[order],
        held=int(held.sum()),
        errors=False,
    )
    back = np.argsort(order)
    return BatchFit(
        parameters=fit.parameters[:, back],
        errors=fit.errors[:, back],
        nll=fit.nll,
        status=fit.status,
        iterations=fit.iterations,
    )


def _usable(fit: BatchFit) -> NDArray[np.bool_]:
    """Return which fits have a minimum, shape ``(N,)``."""
    return (fit.status == FitStatus.CONVERGED) | (fit.status == FitStatus.AT_BOUNDARY)


def _checked_toys(n_toys: int) -> int:
    """Return the number of toys, or raise an `InputError` if it is not positive."""
    if n_toys < 1:
        msg = f"the number of toys must be positive, got {n_toys}"
        raise InputError(msg)
    return n_toys


def toy_p0(channel: Channel, *, rng: np.random.Generator, n_toys: int = 10_000) -> ToyPValue:
    """Return the local p-value of a channel from background-only toys: P(q0 >= observed).

    Parameters
    ----------
    channel
        Data, signal, templates and constraints.
    rng
        Its seed spawns those of the toys.
    n_toys
        How many; the p-value has no reach below 1 / n_toys.

    Raises
    ------
    InputError
        If `n_toys` is not positive or the generator has no seed.

    References
    ----------
    CCGV eq. 12 (q0) and section 3.1.
    """
    _checked_toys(n_toys)
    seed = seed_of(rng)
    origin = (seed.entropy, tuple(seed.spawn_key))
    best, null = convex.fit_channel(channel), convex.fit_channel(channel, n_sig=0.0)
    for fit in (best, null):
        if not fit.status.usable:
            flags: tuple[str, ...] = (fit.status.flag,)
            return ToyPValue(
                p_value=np.nan,
                error=np.nan,
                statistic=np.nan,
                n_toys=0,
                n_failed=0,
                valid=False,
                flags=flags,
                seed=origin,
            )
    observed = float(asymptotics.q0(null.nll, best.nll, best.n_sig))
    toys = make_toys(channel, 0.0, null.background, seed=seed, indices=range(n_toys))
    free = fit_toys(channel, toys, start=null.background)
    held = fit_toys(channel, toys, start=null.background, n_sig=0.0)
    good = _usable(free) & _usable(held)
    q = asymptotics.q0(held.nll[good], free.nll[good], free.parameters[good, 0])
    beyond, n_good = int(np.sum(q >= observed - TIE)), q.size
    p = beyond / n_good if n_good else np.nan
    failed = n_toys - n_good
    valid = failed <= MAX_FAILED * n_toys
    return ToyPValue(
        p_value=p,
        error=_binomial_error(beyond, n_good),
        statistic=observed,
        n_toys=n_toys,
        n_failed=failed,
        valid=valid,
        flags=(*(() if valid else ("toys_failed",)), *(("no_toy_beyond",) if beyond == 0 else ())),
        seed=origin,
    )


def _binomial_error(count: int, total: int) -> float:
    """Return the standard deviation of a fraction; never below that of one count in the total."""
    if total == 0:
        return float("nan")
    p = min(max(count, 1), total - 1) / total if total > 1 else 0.5
    return float(np.sqrt(p * (1.0 - p) / total))


class _ChannelToys:
    """The toys of a channel: those without signal are made and fitted once, those with signal at each tested value."""

    def __init__(self, channel: Channel, n_toys: int, seed: np.random.SeedSequence) -> None:
        self._channel, self._n_toys, self._seed = channel, n_toys, seed
        self._best, self._null = self._data(None), self._data(0.0)
        self._background = self._made(0.0, self._null, child_seed(seed, 0, 1))

    def _data(self, n_sig: float | None) -> FitResult:
        """Return a fit of the data; raise `FitError` if it failed."""
        fit = convex.fit_channel(self._channel, n_sig=n_sig)
        if not fit.status.usable:
            raise FitError(fit.status.flag)
        return fit

    def _made(
        self, n_sig: float, truth: FitResult, seed: np.random.SeedSequence
    ) -> tuple[Toys, FitResult, BatchFit, BatchFit]:
        """Return toys, their truth, and their fits with free and without signal."""
        toys = make_toys(self._channel, n_sig, truth.background, seed=seed, indices=range(self._n_toys))
        free = fit_toys(self._channel, toys, start=truth.background)
        return toys, truth, free, fit_toys(self._channel, toys, start=truth.background, n_sig=0.0)

    def _statistic(self, n_sig: float, made: tuple[Toys, FitResult, BatchFit, BatchFit]) -> Array:
        """Return q~mu of the toys whose fits are good."""
        toys, truth, free, null = made
        held = fit_toys(self._channel, toys, start=truth.background, n_sig=n_sig)
        hat = free.parameters[:, 0]
        good = _usable(free) & _usable(held) & (_usable(null) | (hat >= 0.0))
        reference = np.where(hat < 0.0, null.nll, free.nll)
        return asymptotics.qmu_tilde(n_sig, held.nll[good], free.nll[good], hat[good], reference[good])

    def __call__(self, n_sig: float, index: int) -> ToyStatistics:
        """Return the statistics at a tested yield [events], the `index`-th one; raise `FitError` if the data fail."""
        truth = self._data(n_sig)
        observed = asymptotics.qmu_tilde(n_sig, truth.nll, self._best.nll, self._best.n_sig, self._null.nll)
        signal = self._statistic(n_sig, self._made(n_sig, truth, child_seed(self._seed, index, 0)))
        background = self._statistic(n_sig, self._background)
        n_toys = 2 * self._n_toys
        return ToyStatistics(
            observed=float(observed),
            signal=signal,
            background=background,
            n_toys=n_toys,
            n_failed=n_toys - signal.size - background.size,
        )


def _log_cls(statistics: ToyStatistics, threshold: float) -> tuple[float, float, float]:
    """Return ln CLs for a value of the statistic, and the standard deviations of ln CLsb and of ln CLb."""
    above = int(np.sum(statistics.signal >= threshold - TIE))
    below = int(np.sum(statistics.background >= threshold - TIE))
    if above == 0 or below == 0:
        return -np.inf, np.inf, np.inf
    sb, b = above / statistics.signal.size, below / statistics.background.size
    return float(np.log(sb / b)), float(np.sqrt((1.0 - sb) / above)), float(np.sqrt((1.0 - b) / below))


def _thresholds(statistics: ToyStatistics, expected: bool) -> list[float]:
    """Return the value of the statistic for the data, and for the quantiles of the background-only toys."""
    if not expected:
        return [statistics.observed]
    falling = np.sort(statistics.background)[::-1]
    ranks = np.ceil(ndtr(np.array(asymptotics.BAND)) * falling.size).astype(int) - 1  # CLb >= Phi(N), CCGV eq. 89
    return [statistics.observed, *falling[ranks.clip(0, falling.size - 1)].tolist()]


def _next_tested(tested: Array, excess: Array, step: float) -> float | None:
    """Return where to test next for one line; None if its root is closely bracketed. `tested` rises."""
    below = np.flatnonzero(excess > 0.0)
    if below.size == 0:
        return float(tested[0]) / step
    if below[-1] == tested.size - 1:
        return float(tested[-1]) * step
    low, high = tested[below[-1]], tested[below[-1] + 1]
    if high <= CLOSE * low:
        return None
    return float(np.sqrt(low * high))


def _root(tested: Array, excess: Array, errors: Array, common: Array) -> tuple[float, float]:
    """Return where a line crosses zero and the standard deviation, from a parabola through its neighbourhood.

    `errors` are independent between tested values, `common` is shared by all.
    """
    last = np.flatnonzero(excess > 0.0)[-1]
    rough = np.sqrt(tested[last] * tested[last + 1])
    near = (tested < NEIGHBOURHOOD * rough) & (tested > rough / NEIGHBOURHOOD)
    use = near & np.isfinite(excess) & (errors > 0.0)  # CLs is 0 / 0, or exactly 1 below the best fit
    x, y, sigma = np.log(tested[use] / rough), excess[use], errors[use]
    if use.sum() < 2:
        return float(rough), float("nan")
    degree = 2 if use.sum() > 3 else 1
    powers = np.vander(x, degree + 1) / sigma[:, None]
    covariance = np.linalg.pinv(powers.T @ powers)
    p = covariance @ (powers.T @ (y / sigma))
    roots = np.roots(p)
    real = roots[np.abs(roots.imag) < 1e-12].real
    root = float(real[np.argmin(np.abs(real))]) if real.size else float(-p[-1] / p[-2])
    slope = float(np.polyval(np.polyder(p), root))
    at_root = root ** np.arange(degree, -1, -1)
    variance = float(at_root @ covariance @ at_root) + float(np.median(common[use])) ** 2
    return float(rough * np.exp(root)), float(rough * np.exp(root) * np.sqrt(variance) / abs(slope))


def limit_from_toys(
    statistics: Callable[[float, int], ToyStatistics],
    *,
    cl: float,
    guess: float,
    seed: np.random.SeedSequence,
    expected: bool = True,
) -> ToyLimit:
    """Return the CLs limit of anything that can make toys, by interpolation of ln CLs in the logarithm of the signal.

    Tested values are added until each limit lies between two that are at most a factor 1.25 apart; a parabola through
    those near it, weighted with their errors, gives the limit and its error.

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

    Returns
    -------
    ToyLimit
        Invalid with a flag: "no_root", "toys_failed", or the status of a fit.

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
    lines = np.empty((0, 0, 3))
    wanted: list[float] = [0.7 * guess, guess, 1.4 * guess]
    flag = ""
    while wanted and not flag:
        try:
            for value in wanted:
                found[value] = statistics(value, len(found))
        except FitError as failure:
            flag = str(failure)
            break
        tested = np.array(sorted(found))
        lines = np.array([[_log_cls(found[s], t) for t in _thresholds(found[s], expected)] for s in tested])
        lines[:, :, 0] -= np.log(alpha)
        step = 1.0 + 4.0 / (8.0 + len(found))
        nexts = [_next_tested(tested, lines[:, line, 0], step) for line in range(lines.shape[1])]
        wanted = sorted({value for value in nexts if value is not None})
        if wanted and len(found) > MAX_TESTED:
            flag = "no_root"
    return _record(found, lines, cl, flag, seed)


def _record(
    found: dict[float, ToyStatistics],
    lines: Array,
    cl: float,
    flag: str,
    seed: np.random.SeedSequence,
) -> ToyLimit:
    """Return the record of the tested values; its limit is failed if there is a flag."""
    tested = np.array(sorted(found))
    n_toys, n_failed = (sum(getattr(s, name) for s in found.values()) for name in ("n_toys", "n_failed"))
    if not flag and n_failed > MAX_FAILED * n_toys:
        flag = "toys_failed"
    limit = failed_limit("cls_toys", cl, flag)
    roots = np.full((6, 2), np.nan)
    if not flag:
        for i in range(lines.shape[1]):
            roots[i] = _root(tested, lines[:, i, 0], lines[:, i, 1], lines[:, i, 2])
        limit = UpperLimit(
            observed=float(roots[0, 0]), expected=roots[1:, 0], method="cls_toys", cl=cl, valid=True, flags=()
        )
    complete = lines.shape[0] == tested.size and tested.size > 0
    observed = lines[:, 0] if complete else np.full((tested.size, 3), np.nan)
    cls = (1.0 - cl) * np.exp(observed[:, 0])
    return ToyLimit(
        limit=limit,
        error=float(roots[0, 1]),
        expected_errors=roots[1:, 1],
        tested=tested,
        cls=cls,
        cls_errors=cls * np.where(cls > 0.0, np.hypot(observed[:, 1], observed[:, 2]), np.nan),
        n_toys=n_toys,
        n_failed=n_failed,
        seed=(seed.entropy, tuple(seed.spawn_key)),
    )


def toy_limit(
    channel: Channel, *, rng: np.random.Generator, n_toys: int = 4000, cl: float = 0.9, expected: bool = True
) -> ToyLimit:
    """Return the CLs upper limit on the signal yield of a channel, from toys of q~mu.

    The interpolation starts at the asymptotic limit.

    Parameters
    ----------
    channel
        Data, signal, templates and constraints.
    rng
        Its seed spawns those of the toys.
    n_toys
        Toys at each tested value, with the signal; as many once without.
    cl
        Confidence level.
    expected
        Whether the band is wanted: that of background-only toys at the fit of the data. NaN if not.

    Returns
    -------
    ToyLimit
        In events.

    Raises
    ------
    InputError
        If `n_toys` is not positive, the level not in (0, 1), or the generator has no seed.

    References
    ----------
    CCGV eqs 16 (q~mu) and 89 (band); A. L. Read, J. Phys. G 28 (2002) 2693 (CLs).
    """
    _checked_toys(n_toys)
    seed = seed_of(rng)
    start = asymptotic_limit(channel, cl=cl, expected=False)
    try:
        if not start.valid:
            raise FitError(start.flags[0])
        statistics = _ChannelToys(channel, n_toys, seed)
    except FitError as failure:
        return _record({}, np.empty((0, 0, 3)), cl, str(failure), seed)
    return limit_from_toys(statistics, cl=cl, guess=start.observed, seed=seed, expected=expected)
