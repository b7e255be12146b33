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

from bumphunt.engines.choose import fit_data_sets
from bumphunt.engines.result import FitResults
from bumphunt.engines.start import first_strength
from bumphunt.errors import FitError, InputError
from bumphunt.inference import asymptotics
from bumphunt.inference.limits import profile_limit
from bumphunt.inference.profile import Profile
from bumphunt.inference.seeds import child_seed, seed_of
from bumphunt.inference.toy_limits import ToyLimit, ToyStatistics, failed_toy_limit, limit_from_toys
from bumphunt.inference.upper_limit import checked_cl, failed_limit
from bumphunt.likelihood.likelihood import Likelihood

__all__ = ["Toys", "draw_toys", "make_toys", "toy_limit"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Toys:
    """Pseudo-data: counts, shape ``(N, B)``, and centres of the parameters, shape ``(N, P)``."""

    counts: Array
    centres: Array


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
    constrained = (model.precisions > 0.0) & ~model.held
    widths = np.divide(1.0, np.sqrt(model.precisions), out=np.zeros(truth.size), where=constrained)
    expected = np.maximum(model.expected(truth), 0.0)
    return draw_toys(expected, np.where(constrained, truth, model.centres), widths, seed=seed, indices=indices)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ensemble:
    """Toys with what a statistic of theirs is relative to.

    `truth` (P,) are the parameters that they were made at; `best` (N,) their best strength, -1 for a deficit;
    `reference` (N,) its NLL, or that without signal for a deficit (CCGV eq. 10); `good` (N,) says whose fits are good.
    """

    toys: Toys
    truth: Array
    best: Array
    reference: Array
    good: NDArray[np.bool_]


class _Statistics:
    """q~mu of toys: those without signal are made and fitted once, those with signal at each tested strength."""

    def __init__(self, profile: Profile, n_toys: int, seed: np.random.SeedSequence) -> None:
        self._profile, self._n_toys, self._seed = profile, n_toys, seed
        self._background = self._made(0.0, child_seed(seed, 0, 1))

    def _made(self, strength: float, seed: np.random.SeedSequence) -> _Ensemble:
        """Return toys at a strength, with their best fits.

        Where the fit with a free strength fails (its minimum may lie at negative expectations), the slope of the
        likelihood at strength 0 says whether there is a deficit.
        """
        model, truth = self._profile.model, self._profile.at(strength).values
        toys = make_toys(model, truth, seed=seed, indices=range(self._n_toys))
        start = np.tile(truth, (self._n_toys, 1))
        null = self._fits(toys, start, 0.0)
        start = np.where(null.usable[:, None], null.values, truth)
        start[:, 0] = strength
        if strength == 0.0:
            without = np.where(np.arange(truth.size) == 0, 0.0, truth)
            nu, slopes = model.expected_and_slopes(without)
            start[:, 0] = first_strength(nu, slopes[0], toys.counts)
        free = self._fits(toys, start, None)
        excess = np.where(free.usable, free.values[:, 0] > 0.0, null.slopes < 0.0)
        return _Ensemble(
            toys=toys,
            truth=truth,
            best=np.where(excess, free.values[:, 0], -1.0),
            reference=np.where(excess, np.fmin(free.nll, null.nll), null.nll),
            good=np.where(excess, free.usable, null.usable & (free.usable | (null.slopes >= 0.0))),
        )

    def _fits(self, toys: Toys, start: Array, strength: float | None) -> FitResults:
        """Return the fits of toys, with the strength held or free."""
        if strength is not None:
            start[:, 0] = strength
        free = strength is None
        return fit_data_sets(self._profile.model, toys.counts, toys.centres, start, strength_free=free, threads=True)

    def _statistic(self, strength: float, made: _Ensemble) -> Array:
        """Return q~mu of the toys whose fits are good."""
        held = self._fits(made.toys, np.tile(made.truth, (self._n_toys, 1)), strength)
        good = made.good & held.usable
        reference = made.reference[good]
        return asymptotics.qmu_tilde(strength, held.nll[good], reference, made.best[good], reference)

    def __call__(self, strength: float, index: int) -> ToyStatistics:
        """Return the statistics at a tested strength, the `index`-th one; raise `FitError` if the data fail."""
        observed = self._profile.qmu_tilde(strength)
        signal = self._statistic(strength, self._made(strength, child_seed(self._seed, index, 0)))
        background = self._statistic(strength, self._background)
        n_toys = 2 * self._n_toys
        return ToyStatistics(
            observed=observed,
            signal=signal,
            background=background,
            n_toys=n_toys,
            n_failed=n_toys - signal.size - background.size,
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
        Toys at each tested strength, with the signal; as many once without.
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
    seed = seed_of(rng)
    start = profile_limit(profile, cl=checked_cl(cl), expected=False)
    if not start.valid:
        return failed_toy_limit(failed_limit("cls_toys", cl, *start.flags), seed)
    try:
        statistics = _Statistics(profile, n_toys, seed)
    except FitError as failure:
        return failed_toy_limit(failed_limit("cls_toys", cl, failure.flag), seed)
    return limit_from_toys(statistics, cl=cl, guess=start.observed, seed=seed, expected=expected)
