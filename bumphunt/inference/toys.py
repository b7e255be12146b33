"""Pseudo-experiments (toys): CLs limits where asymptotic formulae do not hold.

Use it for few expected events, and to check `bumphunt.inference.limits`; it is a thousand times slower. Every toy
draws all counts, auxiliary ones included, from the expectation at the tested signal, nuisances profiled on the data,
and the centres of all normal constraints ("global observables") around the profiled values. Each toy has its own child
of a seed, so that the result does not depend on how toys are grouped, and any toy can be made again (`make_toys`).
Toys are fitted by the batched engine that suits the likelihood (`bumphunt.engines.choose.fit_data_sets`).

A toy whose fit failed is counted, and left out of the fractions; if more than 1 % of them did
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
from numpy.typing import NDArray

from bumphunt.engines.choose import fit_data_sets, fit_without
from bumphunt.engines.exponentials import Without, equal_rows
from bumphunt.engines.result import FitResults, FitStatus
from bumphunt.engines.start import faded, first_strength, signal_like
from bumphunt.errors import FitError, Flag, InputError
from bumphunt.inference import asymptotics
from bumphunt.inference.limits import profile_limit
from bumphunt.inference.profile import Profile
from bumphunt.inference.seeds import child_seed, seed_of
from bumphunt.inference.settings import checked_cl
from bumphunt.inference.toy_limits import MAX_FAILED, TIE, ToyLimit, ToyStatistics, limit_from_toys, limit_without_toys
from bumphunt.inference.upper_limit import UpperLimit, failed_limit
from bumphunt.likelihood.likelihood import Likelihood

__all__ = ["Toys", "draw_toys", "make_block", "make_toys", "toy_limit", "toys_exclude"]

Array = NDArray[np.float64]

ENOUGH_BEYOND = 20
"""Toys without signal as extreme as the data: with fewer, which leave an error of a quarter on CLb, more are made."""
MOST_TOYS = 16
"""Toys after which no more are made, in units of those that were asked for."""
HOPELESS = 0.05
"""Fraction of failed toys without signal with which none are made with it: a failed fit takes as long as a hundred."""
SAME_YIELD = 1e-9
"""Relative change of the yield of one unit of signal that is none."""
NOTHING = 1e-5
"""Expected events that are none: what the barriers of empty bins leave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Toys:
    """Pseudo-data: counts, shape ``(N, B)``, and centres of the parameters, shape ``(N, P)``."""

    counts: Array
    centres: Array

    def rows(self, index: NDArray[np.intp]) -> Toys:
        """Return the toys with some indices."""
        return Toys(counts=self.counts[index], centres=self.centres[index])


def draw_toys(
    expected: Array, middles: Array, widths: Array, *, seed: np.random.SeedSequence, indices: Iterable[int]
) -> Toys:
    """Return the toys with the given indices: the same index and seed make the same toy, alone or with others.

    Parameters
    ----------
    expected
        Means of the Poisson counts, not negative, shape ``(B,)``.
    middles, widths
        Of the normal centres of constraints, shape ``(P,)``; a width of 0 keeps a centre.
    seed
        Toy i uses its child i.
    indices
        Which toys, N of them.
    """
    children = [child_seed(seed, i) for i in indices]
    counts, centres = np.empty((len(children), expected.size)), np.empty((len(children), middles.size))
    for row, child in enumerate(children):
        generator = np.random.Generator(np.random.PCG64(child))
        counts[row] = generator.poisson(expected)
        centres[row] = middles + widths * generator.standard_normal(middles.size)
    return Toys(counts=counts, centres=centres)


def make_toys(model: Likelihood, truth: Array, *, seed: np.random.SeedSequence, indices: Iterable[int]) -> Toys:
    """Return toys of a likelihood at given parameters, shape ``(P,)``: all counts and constrained centres fluctuate.

    Expected counts below zero are set to zero; `seed` and `indices` as in `draw_toys`.
    """
    return draw_toys(*_spread(model, truth), seed=seed, indices=indices)


def make_block(
    model: Likelihood, truth: Array, *, seed: np.random.SeedSequence, n_toys: int, expected: Array | None = None
) -> Toys:
    """Return toys as `make_toys` does, all from one seed: a tenth of the time, where they are always made together.

    The counts may have other means, not negative, than those of the parameters: `expected`, shape ``(B,)``.
    """
    means, middles, widths = _spread(model, truth)
    means = means if expected is None else expected
    generator = np.random.Generator(np.random.PCG64(seed))
    return Toys(
        counts=generator.poisson(means, (n_toys, means.size)).astype(np.float64),
        centres=middles + widths * generator.standard_normal((n_toys, middles.size)),
    )


def _spread(model: Likelihood, truth: Array) -> tuple[Array, Array, Array]:
    """Return the means of the counts at given parameters, the middles of the centres, and their widths."""
    constrained = model.measured & ~model.held
    widths = np.divide(1.0, np.sqrt(model.precisions), out=np.zeros(truth.size), where=constrained)
    return np.maximum(model.expected(truth), 0.0), np.where(constrained, truth, model.centres), widths


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ensemble:
    """Toys with what a statistic of theirs is relative to.

    `best` (N,) is their best strength, -1 for a deficit; `reference` (N,) its NLL, or that without signal for a deficit
    (CCGV eq. 10); `good` (N,) says whose fits are good; `without` are their fits without signal.
    """

    toys: Toys
    without: Without
    best: Array
    reference: Array
    good: NDArray[np.bool_]


class _Statistics:
    """q~mu of toys: those without signal are made and fitted once, those with signal at each tested strength.

    There are as many of either kind, and more of both where few of those without signal are as extreme as the data.

    Parameters
    ----------
    profile, n_toys, seed
        As in `toy_limit`.
    most
        Toys of either kind after which no more are made.
    """

    def __init__(self, profile: Profile, n_toys: int, seed: np.random.SeedSequence, most: int) -> None:
        self._profile, self._most, self._seed = profile, most, seed
        null, model = profile.null, profile.model
        # a fit that ended where nothing is expected is nowhere to start from: toys have events there
        mean = max(float(model.expected(null.values)[: model.n_bins].sum()), 1.0) / model.n_bins
        spread = null.status is FitStatus.CONVERGED and not faded(model, null.values, np.full(model.n_bins, mean))
        self._start = null.values if spread else model.start
        self._backgrounds: list[_Ensemble] = []
        self._add_background(n_toys)
        if np.mean(~self._backgrounds[0].good) > HOPELESS:
            raise FitError(Flag.TOYS_FAILED, f"{int(np.sum(~self._backgrounds[0].good))} of {n_toys} without signal")

    def _add_background(self, n_toys: int) -> None:
        """Make more toys without signal."""
        indices = range(self._size, self._size + n_toys)
        self._backgrounds.append(self._made(0.0, child_seed(self._seed, 0, 1), indices))

    def _made(self, strength: float, seed: np.random.SeedSequence, indices: range) -> _Ensemble:
        """Return toys at a strength, with their fits without signal, and their best fits where there is an excess.

        The slope of the likelihood at strength 0 says whether there is one. The linear engine leaves it out, and makes
        both fits.
        """
        profile, model = self._profile, self._profile.model
        truth = (profile.at(strength) if strength > 0.0 else profile.null).values
        toys = make_toys(model, truth, seed=seed, indices=indices)
        if strength == 0.0:
            zero = np.where(np.arange(truth.size) == 0, 0.0, self._start)
            nu, slopes = model.expected_and_slopes(zero)
            strength = first_strength(nu, slopes[0], toys.counts)
        start = np.tile(self._start, (len(indices), 1))
        without = fit_without(model, toys.counts, toys.centres, start, threads=True)
        null = without.null
        reference, known = null.nll.copy(), null.usable
        best, good = np.full(len(indices), -1.0), known & (null.slopes >= 0.0)
        rest = np.flatnonzero(~good)
        if rest.size > 0:
            found = self._fits(toys.rows(rest), strength, without.rows(rest), free=True)
            excess = found.usable & (found.values[:, 0] > 0.0)
            best[rest[excess]], reference[rest[excess]] = found.values[excess, 0], found.nll[excess]
            good[rest] = excess | (found.usable & known[rest])
        return _Ensemble(toys=toys, without=without, best=best, reference=reference, good=good)

    def _fits(self, toys: Toys, strength: float, without: Without, *, free: bool) -> FitResults:
        """Return fits of toys, of which equal ones are fitted once, from those without signal."""
        first, back = equal_rows(np.hstack([toys.counts, toys.centres]))
        start, different = np.tile(self._start, (first.size, 1)), toys.rows(first)
        start[:, 0] = strength
        if free:  # of an excess
            start[:, 0] = np.maximum(strength, signal_like(self._profile.model, self._start, different.counts))
        found = fit_data_sets(
            self._profile.model,
            different.counts,
            different.centres,
            start,
            strength_free=free,
            threads=True,
            without=without.rows(first),
        )
        return found.rows(back)

    def _statistic(self, strength: float, made: _Ensemble) -> Array:
        """Return q~mu of the toys whose fits are good."""
        nll, good = made.reference.copy(), made.good.copy()
        below = np.flatnonzero(made.best <= strength)  # q~mu is 0 for the others
        if below.size > 0:
            found = self._fits(made.toys.rows(below), strength, made.without.rows(below), free=False)
            nll[below] = found.nll
            good[below] &= found.usable
        reference = made.reference[good]
        return asymptotics.qmu_tilde(strength, nll[good], reference, made.best[good], reference)

    def _without_signal(self, strength: float, observed: float) -> Array:
        """Return q~mu of the toys without signal, of which more are made while few are as extreme as the data."""
        found = [self._statistic(strength, made) for made in self._backgrounds]
        while sum(int(np.sum(q >= observed - TIE)) for q in found) < ENOUGH_BEYOND and self._size < self._most:
            self._add_background(min(self._size, self._most - self._size))
            found.append(self._statistic(strength, self._backgrounds[-1]))
        return np.concatenate(found)

    @property
    def _size(self) -> int:
        """How many toys without signal there are."""
        return sum(made.best.size for made in self._backgrounds)

    def __call__(self, strength: float, index: int) -> ToyStatistics:
        """Return the statistics at a tested strength, the `index`-th one; raise `FitError` if the data fail."""
        observed = self._profile.qmu_tilde(strength)
        background, n_toys = self._without_signal(strength, observed), self._size
        signal = self._statistic(strength, self._made(strength, child_seed(self._seed, index, 0), range(n_toys)))
        return ToyStatistics(
            observed=observed,
            signal=signal,
            background=background,
            n_toys=2 * n_toys,
            n_failed=2 * n_toys - signal.size - background.size,
        )


def toy_limit(
    profile: Profile, *, rng: np.random.Generator, n_toys: int = 4000, cl: float = 0.9, expected: bool = True
) -> ToyLimit:
    """Return the CLs upper limit on the signal strength, from toys of q~mu.

    The interpolation starts at the asymptotic limit.

    Parameters
    ----------
    profile
        The profile of the data.
    rng
        Its seed spawns those of the toys.
    n_toys
        Toys at each tested strength, with the signal; as many once without. Up to 16 times as many where few of them
        have as few events as the data.
    cl
        Confidence level.
    expected
        Whether the band is wanted: that of background-only toys at the fit of the data. NaN if not.

    Raises
    ------
    InputError
        If `n_toys` is not positive, the level not in (0, 1), or the generator has no seed.

    References
    ----------
    CCGV eqs 16 (q~mu) and 89 (band); A. L. Read, J. Phys. G 28 (2002) 2693 (CLs).
    """
    if n_toys < 1:
        msg = f"the number of toys must be positive, got {n_toys}"
        raise InputError(msg)
    seed, alpha = seed_of(rng), 1.0 - checked_cl(cl)
    try:
        known = _limit_without_events(profile, alpha)
        if known is not None and not (expected and _expects_events(profile)):
            return limit_without_toys(_known(known, cl, expected), seed)
        start = profile_limit(profile, cl=cl, expected=False)
        if not start.valid:
            return limit_without_toys(failed_limit("cls_toys", cl, *start.flags), seed)
        statistics = _Statistics(profile, n_toys, seed, n_toys if known else MOST_TOYS * n_toys)
    except FitError as failure:
        return limit_without_toys(failed_limit("cls_toys", cl, failure.flag), seed)
    return limit_from_toys(statistics, cl=cl, guess=start.observed, seed=seed, expected=expected, known=known)


def toys_exclude(
    profile: Profile, strength: float, *, seed: np.random.SeedSequence, n_toys: int = 4000, cl: float = 0.9
) -> bool:
    """Return whether CLs by toys excludes a strength > 0: whether the limit of `toy_limit` is below it.

    A tenth of the toys of a limit, for those who ask for many: how often limits cover (`bumphunt.studies.coverage`).

    Parameters
    ----------
    profile, n_toys, cl
        As in `toy_limit`.
    strength
        The tested one.
    seed
        Of the toys.

    Raises
    ------
    FitError
        If fits of the data failed, or too many of the toys.
    """
    alpha = 1.0 - cl
    if (known := _limit_without_events(profile, alpha)) is not None:
        return known < strength
    found = _Statistics(profile, n_toys, seed, MOST_TOYS * n_toys)(strength, 1)
    if found.n_failed > MAX_FAILED * found.n_toys:
        raise FitError(Flag.TOYS_FAILED, f"{found.n_failed} of {found.n_toys} at {strength}")
    clsb, clb = (float(np.mean(q >= found.observed - TIE)) for q in (found.signal, found.background))
    return clsb <= alpha * clb


def _limit_without_events(profile: Profile, alpha: float) -> float | None:
    """Return the exact limit of data without any event, and None where there are some; raise `FitError` if fits fail.

    No data have a larger q~mu than those without events, 2 s at s signal events, and these are exp(-s) times as
    probable with the signal as without it: CLs = exp(-s), whatever the background. It is None too where the yield of
    the signal is uncertain, and adapts itself to the data.
    """
    model = profile.model
    if model.counts[: model.n_bins].any():
        return None

    def events_of_one(strength: float) -> float:
        return float(model.expected_and_slopes(profile.at(strength).values)[1][0, : model.n_bins].sum())

    events = events_of_one(0.0)
    strength = float(-np.log(alpha) / events)
    return strength if abs(events_of_one(strength) / events - 1.0) < SAME_YIELD else None


def _expects_events(profile: Profile) -> bool:
    """Return whether the fit without signal expects events."""
    model = profile.model
    return bool(model.expected(profile.at(0.0).values)[: model.n_bins].sum() > NOTHING)


def _known(limit: float, cl: float, expected: bool) -> UpperLimit:
    """Return the record of an exact limit; if the band is wanted, no other data are possible without signal."""
    band = np.full(5, limit if expected else np.nan)
    return UpperLimit(observed=limit, expected=band, method="cls_toys", cl=cl, valid=True, flags=())
