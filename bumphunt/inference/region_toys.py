"""Toys of regions: CLs limits from pseudo-experiments of any likelihood.

Likelihoods that are linear in their parameters go to the batched convex engine (`bumphunt.inference.toys`). The others
(log-normal factors, shape variations, moving peaks) are fitted by `bumphunt.engines.newton`, shared out to threads.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bumphunt.engines.newton import DataSetFits, first_strength, fit_data_sets
from bumphunt.errors import FitError
from bumphunt.inference import asymptotics
from bumphunt.inference.limits import checked_cl, failed_limit
from bumphunt.inference.profile import Profile, profile_limit
from bumphunt.inference.toy_limits import ToyLimit, ToyStatistics, failed_toy_limit, limit_from_toys
from bumphunt.inference.toys import Toys, checked_toys, child_seed, draw_toys, seed_of, toy_limit
from bumphunt.likelihood.likelihood import likelihood, linear_channel
from bumphunt.models.region import Region

__all__ = ["toy_region_limit"]

Array = NDArray[np.float64]


class _RegionToys:
    """The toys of a likelihood: those without signal are made once, those with signal at each tested strength."""

    def __init__(self, profile: Profile, n_toys: int, seed: np.random.SeedSequence) -> None:
        self._profile, self._n_toys, self._seed = profile, n_toys, seed
        self._background = self._made(0.0, child_seed(seed, 0, 1))

    def _made(self, strength: float, seed: np.random.SeedSequence) -> tuple[Toys, Array, Array, NDArray[np.bool_]]:
        """Return toys; their best strength (-1: a deficit) and its NLL, ``(N, 2)``; their truth; and which are good."""
        model, truth = self._profile.model, self._profile.at(strength).values
        widths = np.divide(1.0, np.sqrt(model.precisions), out=np.zeros(truth.size), where=model.precisions > 0.0)
        toys = draw_toys(
            np.maximum(model.expected(truth), 0.0),
            np.where(widths > 0.0, truth, model.centres),
            np.where(model.held, 0.0, widths),
            seed=seed,
            indices=range(self._n_toys),
        )
        null = self._fits(toys, np.tile(truth, (self._n_toys, 1)), 0.0)
        excess = null.slopes < 0.0
        start = np.where(null.usable[:, None], null.values, truth)
        start[:, 0] = strength
        if strength == 0.0:
            start[:, 0] = first_strength(
                model, np.where(np.arange(truth.size) == 0, 0.0, truth), toys.counts.max(axis=0)
            )
        free = self._fits(toys, start, None)
        best = np.where(excess, np.minimum(free.nll, null.nll), null.nll)
        good = null.usable & (free.usable | ~excess)
        return toys, np.column_stack([np.where(excess, free.values[:, 0], -1.0), best]), truth, good

    def _fits(self, toys: Toys, start: Array, strength: float | None) -> DataSetFits:
        """Return the fits of toys, with the strength held or free."""
        if strength is not None:
            start[:, 0] = strength
        free = strength is None
        return fit_data_sets(self._profile.model, toys.counts, toys.centres, start, strength_free=free, threads=True)

    def _statistic(self, strength: float, made: tuple[Toys, Array, Array, NDArray[np.bool_]]) -> Array:
        """Return q~mu of the toys whose fits are good."""
        toys, best, truth, good = made
        held = self._fits(toys, np.tile(truth, (self._n_toys, 1)), strength)
        good = good & held.usable
        hat, reference = best[good].T
        return asymptotics.qmu_tilde(strength, held.nll[good], reference, hat, reference)

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


def toy_region_limit(
    regions: Region | Sequence[Region],
    *,
    rng: np.random.Generator,
    n_toys: int = 4000,
    cl: float = 0.9,
    expected: bool = True,
) -> ToyLimit:
    """Return the CLs upper limit on the signal strength of regions, from toys of q~mu.

    Parameters
    ----------
    regions
        One region, or several with a shared signal.
    rng
        Its seed spawns those of the toys.
    n_toys
        Toys at each tested strength, with the signal; as many once without.
    cl
        Confidence level.
    expected
        Whether the band is wanted; NaN if not.

    Raises
    ------
    InputError
        If the regions do not fit together, `n_toys` is not positive, the level not in (0, 1), or the generator has no
        seed.
    """
    model = likelihood(regions)
    if model.linear:
        return toy_limit(linear_channel(model), rng=rng, n_toys=n_toys, cl=checked_cl(cl), expected=expected)
    checked_toys(n_toys)
    seed = seed_of(rng)
    profile = Profile(model)
    start = profile_limit(profile, cl=checked_cl(cl), expected=False)
    if not start.valid:
        return failed_toy_limit(failed_limit("cls_toys", cl, *start.flags), seed)
    try:
        statistics = _RegionToys(profile, n_toys, seed)
    except FitError as failure:
        return failed_toy_limit(failed_limit("cls_toys", cl, str(failure)), seed)
    return limit_from_toys(statistics, cl=cl, guess=start.observed, seed=seed, expected=expected)
