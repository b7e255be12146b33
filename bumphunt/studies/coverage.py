"""How often a limit is above the signal that is there: its coverage, by the method that limits are set by.

A limit covers a signal that it does not exclude, so that no root has to be found: CLs of each toy is looked at for the
true signal alone.

=====================  ================================================================================================
limits by              of each toy
=====================  ================================================================================================
asymptotic formulae    CLs or CLsb from its fits, free, with the true signal and without, and its own Asimov data
toys                   CLs at the true signal from toys of the toy, profiled on it (`bumphunt.inference.toys`)
auto                   one of them, by the background that its own fit expects in the core of the signal
bayesian               the limit itself
a count                no toys: the sum of the probabilities of all counts whose limit is above the signal, exactly
=====================  ================================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bumphunt.engines.choose import fit_data_sets
from bumphunt.engines.result import FitResults
from bumphunt.engines.start import first_strength
from bumphunt.errors import FitError
from bumphunt.inference import asymptotics
from bumphunt.inference.counts.distribution import probability_at_most
from bumphunt.inference.fit import upper_limit
from bumphunt.inference.profile import Profile, expected_in_core
from bumphunt.inference.seeds import child_seed
from bumphunt.inference.settings import LimitSettings
from bumphunt.inference.toys import Toys, toys_exclude
from bumphunt.likelihood.likelihood import EMPTY
from bumphunt.scanning.counts import CountingWindow, count_limit
from bumphunt.studies.toys import window_toys
from bumphunt.studies.windows import StudyWindow

__all__ = ["CoveredToys", "counting_coverage", "covered_toys", "joined_covered"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

MOST_COUNTS = 100_000
"""Counts that are summed over: a window with more events is no matter of counting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoveredToys:
    """Whether the limits of N toys are above the signal in them, shape ``(N,)`` each.

    `by_toys` says whose limit came from toys of their own, `good` whose fits are good.
    """

    covered: Mask
    by_toys: Mask
    good: Mask

    def __len__(self) -> int:
        return self.covered.size


def joined_covered(blocks: list[CoveredToys]) -> CoveredToys:
    """Return blocks of toys as one."""
    names = ("covered", "by_toys", "good")
    return CoveredToys(**{name: np.concatenate([getattr(block, name) for block in blocks]) for name in names})


def covered_toys(
    window: StudyWindow, strength: float, settings: LimitSettings, *, seed: np.random.SeedSequence, n_toys: int
) -> CoveredToys:
    """Return whether the limits of toys with a signal are above it.

    Parameters
    ----------
    window
        What is fitted, and the truth.
    strength
        The signal in the toys [events], above 0.
    settings
        How limits are set.
    seed
        Of all of them together; those of the toys of a toy are its children.
    n_toys
        How many.
    """
    toys = window_toys(window, strength, seed=child_seed(seed, 0), n_toys=n_toys)
    model = window.model
    if settings.method == "bayesian":
        by_toys, covered, good = (np.zeros(n_toys, dtype=np.bool_) for _ in range(3))
        by_itself = np.arange(n_toys)
    else:
        fits = _Fits(window, strength, toys)
        covered, good = fits.covered(1.0 - settings.cl, clsb=settings.method == "clsb")
        by_toys = np.array([settings.takes_toys(core) for core in _cores(window, fits.null)])
        by_itself = np.flatnonzero(by_toys)
    for k in by_itself:
        data = replace(model, counts=toys.counts[k], centres=toys.centres[k])
        try:
            covered[k] = _covers(Profile(data), strength, settings, child_seed(seed, 1, int(k)))
            good[k] = True
        except FitError:
            good[k] = False
    return CoveredToys(covered=covered, by_toys=by_toys, good=good)


def _covers(profile: Profile, strength: float, settings: LimitSettings, seed: np.random.SeedSequence) -> bool:
    """Return whether the limit of a profile is above a strength; raise `FitError` if there is none."""
    if settings.method != "bayesian":
        return not toys_exclude(profile, strength, seed=seed, n_toys=settings.n_toys, cl=settings.cl)
    found = upper_limit(profile, settings, rng=np.random.default_rng(seed), expected=False)
    if not found.valid:
        raise FitError(found.flags[0])
    return found.observed >= strength


class _Fits:
    """The batched fits of toys that asymptotic CLs of one strength needs."""

    def __init__(self, window: StudyWindow, strength: float, toys: Toys) -> None:
        self._model, self._strength, n = window.model, strength, toys.counts.shape[0]
        truth, _ = window.at(strength)
        without = np.where(np.arange(truth.size) == 0, 0.0, truth)
        nu, slopes = self._model.expected_and_slopes(without)
        near = first_strength(nu, slopes[0], toys.counts, otherwise=strength)
        self.null = self._fits(toys.counts, toys.centres, np.tile(without, (n, 1)), free=False)
        self.held = self._fits(toys.counts, toys.centres, np.tile(truth, (n, 1)), free=False)
        start = np.tile(truth, (n, 1))
        start[:, 0] = near
        self.free = self._fits(toys.counts, toys.centres, start, free=True)
        theta = np.where(self.null.usable[:, None], self.null.values, without)
        expected = self._model.expected_many(np.ascontiguousarray(theta))
        start = theta.copy()
        start[:, 0] = strength
        self.asimov = self._fits(np.where(expected > EMPTY, expected, 0.0), theta, start, free=False)

    def _fits(self, counts: Array, centres: Array, start: Array, *, free: bool) -> FitResults:
        return fit_data_sets(self._model, counts, centres, start, strength_free=free)

    def covered(self, alpha: float, *, clsb: bool) -> tuple[Mask, Mask]:
        """Return which limits are above the strength, by CLs or CLsb, and whose fits are good, shape ``(N,)`` each."""
        with np.errstate(invalid="ignore"):
            lost = self.null.usable & ~self.free.usable & (self.null.slopes >= 0.0)  # at negative expectations
            best = np.where(lost, -1.0, self.free.values[:, 0])
            reference = np.where(best < 0.0, self.null.nll, self.free.nll)
            q = asymptotics.qmu_tilde(self._strength, self.held.nll, reference, best, reference)
            q_asimov = np.maximum(2.0 * self.asimov.nll, 0.0)  # their best fit is saturated
        good = (self.free.usable | lost) & self.held.usable & self.null.usable & self.asimov.usable & (q_asimov > 0.0)
        roots = np.sqrt(q[good]), np.sqrt(q_asimov[good])
        level = np.zeros(q.size)
        level[good] = asymptotics.clsb_and_clb(*roots)[0] if clsb else asymptotics.cls(*roots)
        return good & (level > alpha), good


def _cores(window: StudyWindow, null: FitResults) -> Array:
    """Return the expected background in the core of the signal of toys [events], shape ``(N,)``."""
    if not window.smooth:
        return np.full(len(null), window.core)
    both = zip(null.values, null.usable, strict=True)
    return np.array([expected_in_core(window.model, values) if good else np.inf for values, good in both])


def counting_coverage(found: CountingWindow, strength: float, settings: LimitSettings) -> float:
    """Return the coverage of the limits on a count, exactly, background and efficiency averaged over.

    Parameters
    ----------
    found
        Background and efficiency; what was counted does not matter.
    strength
        The true signal in the whole peak [events], above 0.
    settings
        How limits are set.

    Notes
    -----
    Limits rise with the count, so that the counts that cover are all from some count on.
    """
    model = found.model()
    for n in range(MOST_COUNTS):
        limit = count_limit(replace(found, n_obs=float(n)), model, settings)
        if limit.valid and limit.observed >= strength:
            below = 0.0 if n == 0 else float(probability_at_most(n - 1, strength * found.fraction, model))
            return 1.0 - below
    return 0.0
