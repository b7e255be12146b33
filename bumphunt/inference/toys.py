"""Pseudo-experiments (toys): p-values and CLs limits where asymptotic formulae do not hold.

Use it for few expected events, and to check `bumphunt.inference.limits`; it is a thousand times slower. Every toy
draws all counts from the expectation at the tested signal, nuisances profiled on the data, and the centres of all
constraints ("global observables") around the profiled values. Each toy has its own child of a seed, so that the result
does not depend on how toys are grouped, and any toy can be made again (`make_toys`).

A toy whose fit failed is counted, and left out of the p-value; if more than 1 % of them did
(`bumphunt.inference.toy_limits.MAX_FAILED`), the result is invalid with the flag "toys_failed".

References
----------
CCGV: G. Cowan, K. Cranmer, E. Gross, O. Vitells, EPJC 71 (2011) 1554, arXiv:1007.1727.
ATLAS and CMS, ATL-PHYS-PUB-2011-11, section 2 (toys at profiled nuisances, fluctuated global observables).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.engines import linear as convex
from bumphunt.engines.result import BatchFit, FitResult, FitStatus
from bumphunt.errors import FitError, InputError
from bumphunt.inference import asymptotics
from bumphunt.inference.limits import asymptotic_limit, failed_limit
from bumphunt.inference.toy_limits import (
    MAX_FAILED,
    TIE,
    ToyLimit,
    ToyStatistics,
    failed_toy_limit,
    limit_from_toys,
)
from bumphunt.likelihood.linear import Channel

__all__ = [
    "ToyPValue",
    "Toys",
    "child_seed",
    "draw_toys",
    "fit_toys",
    "make_toys",
    "seed_of",
    "toy_limit",
    "toy_p0",
]

Array = NDArray[np.float64]


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
    return draw_toys(nu, middles, widths, seed=seed, indices=indices)


def draw_toys(
    expected: Array, middles: Array, widths: Array, *, seed: np.random.SeedSequence, indices: Iterable[int]
) -> Toys:
    """Return toys with Poisson counts of given means ``(B,)`` and normal centres ``(K,)``, as `make_toys`."""
    children = [child_seed(seed, i) for i in indices]
    counts, centres = np.empty((len(children), expected.size)), np.empty((len(children), middles.size))
    for row, child in enumerate(children):
        generator = np.random.Generator(np.random.PCG64(child))
        counts[row] = generator.poisson(expected)
        centres[row] = middles + widths * generator.standard_normal(middles.size)
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


def checked_toys(n_toys: int) -> int:
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
    checked_toys(n_toys)
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
    checked_toys(n_toys)
    seed = seed_of(rng)
    start = asymptotic_limit(channel, cl=cl, expected=False)
    try:
        if not start.valid:
            raise FitError(start.flags[0])
        statistics = _ChannelToys(channel, n_toys, seed)
    except FitError as failure:
        return failed_toy_limit(failed_limit("cls_toys", cl, str(failure)), seed)
    return limit_from_toys(statistics, cl=cl, guess=start.observed, seed=seed, expected=expected)
