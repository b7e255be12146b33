"""Goodness of fit: whether the best fit describes the data at all, by the saturated likelihood ratio.

The statistic of Baker and Cousins is twice the NLL of the best fit, relative to the saturated model that predicts every
count: 2 sum(nu - n + n ln(n / nu)) over the bins and the auxiliary counts, plus the squared pulls of the normal
constraints. A constraint is a measurement and brings a parameter, so that the degrees of freedom are the bins less the
parameters that nothing but the bins determines (the signal strength among them).

Its distribution is that of chi^2 where all expected counts are large. Where some are small it comes from toys of the
best fit: all counts and constraints fluctuate, and every toy is fitted again. They are thrown one after the other until
`ENOUGH` of them fit worse than the data, which gives a p-value that is exact at any length (Besag and Clifford): some
tens of toys are enough for most, and only small p-values take all.

References
----------
S. Baker, R. D. Cousins, Nucl. Instrum. Meth. 221 (1984) 437, eq. 7 (the ratio); J. Besag, P. Clifford, Biometrika 78
(1991) 301 (sequential p-values).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc

from bumphunt.engines.choose import Engine, fit_data_sets
from bumphunt.errors import FitError
from bumphunt.inference.profile import Profile
from bumphunt.inference.seeds import child_seed, seed_of
from bumphunt.inference.toy_limits import MAX_FAILED
from bumphunt.inference.toys import make_block
from bumphunt.likelihood.likelihood import Likelihood, likelihood
from bumphunt.models.region import Region

__all__ = [
    "LARGE",
    "GoodnessOfFit",
    "asymptotic_goodness",
    "degrees_of_freedom",
    "goodness_of_fit",
    "profile_goodness",
    "small",
    "without_goodness",
]

Array = NDArray[np.float64]

LARGE = 5.0
"""Expected count from which on the deviance of a bin is about that of a normal variable: its mean is 1.04 there."""
ENOUGH = 10
"""Toys that fit worse than the data after which no more are thrown: the p-value is known to a third then."""
BLOCK = 25
"""Toys that are made from one seed; as many are fitted together first, then as many as there are already."""
TIE = 1e-9
"""Relative difference of two statistics that is none: equal toys have equal fits but for rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodnessOfFit:
    """How well a fit describes its data.

    Parameters
    ----------
    statistic
        Saturated likelihood ratio of Baker and Cousins, constraints included; NaN without degrees of freedom.
    ndf
        Degrees of freedom: bins less parameters without a constraint; 0 where none is left.
    p_value
        Probability of data that fit no better; NaN without degrees of freedom, or where toys are needed and none can be
        thrown, or more of them failed than the result can bear.
    n_toys
        Toys that it is from; 0 where it is from the distribution of chi^2.
    """

    statistic: float
    ndf: int
    p_value: float
    n_toys: int


def without_goodness(ndf: int = 0) -> GoodnessOfFit:
    """Return the record where there is no statistic: a count, blinded data, a failed fit."""
    return GoodnessOfFit(statistic=np.nan, ndf=max(ndf, 0), p_value=np.nan, n_toys=0)


def asymptotic_goodness(nll: float, ndf: int) -> GoodnessOfFit:
    """Return the goodness of a fit by the distribution of chi^2.

    Parameters
    ----------
    nll
        Of the best fit, relative to the saturated model, constraints included.
    ndf
        Degrees of freedom.

    Examples
    --------
    >>> round(asymptotic_goodness(5.0, 10).p_value, 4)
    0.4405
    """
    if ndf < 1 or not np.isfinite(nll):
        return without_goodness(ndf)
    statistic = 2.0 * nll
    return GoodnessOfFit(statistic=statistic, ndf=ndf, p_value=float(chdtrc(ndf, max(statistic, 0.0))), n_toys=0)


def degrees_of_freedom(model: Likelihood) -> int:
    """Return the counts and normal constraints of a likelihood less its parameters."""
    moving = ~model.held
    return int(model.counts.size + np.sum(model.measured & moving) - np.sum(moving))


def goodness_of_fit(
    regions: Region | Sequence[Region],
    *,
    engine: Engine = "auto",
    rng: np.random.Generator | None = None,
    n_toys: int = 2000,
) -> GoodnessOfFit:
    """Return how well the best fit of regions describes their data.

    Parameters
    ----------
    regions
        One region, or several with a shared signal; counted in bins.
    engine
        As in `bumphunt.inference.fit.fit`; toys are fitted by the batched engine that suits the likelihood.
    rng
        For toys, where an expected count is below `LARGE`: without one the p-value is NaN there.
    n_toys
        The most that are thrown.

    Raises
    ------
    InputError
        As `bumphunt.inference.fit.fit`.

    Examples
    --------
    >>> from bumphunt.models.background import BackgroundModel
    >>> from bumphunt.models.peaks import gaussian
    >>> from bumphunt.models.region import region
    >>> counts = [104, 96, 110, 99, 140, 101, 93, 107, 98, 102]
    >>> peak, flat = gaussian(4.5, 0.2), BackgroundModel("bernstein", 0)
    >>> found = goodness_of_fit(region("r", counts=counts, edges=range(11), signal=peak, backgrounds=flat))
    >>> round(found.statistic, 1), found.ndf, round(found.p_value, 2)
    (2.3, 8, 0.97)
    """
    seed = None if rng is None else seed_of(rng)
    return profile_goodness(Profile(likelihood(regions), engine), seed=seed, n_toys=n_toys)


def profile_goodness(profile: Profile, *, seed: np.random.SeedSequence | None, n_toys: int) -> GoodnessOfFit:
    """Return the goodness of the best fit of a profile, whose fits are kept.

    Parameters
    ----------
    profile
        Of the data.
    seed
        Of toys; None where none can be thrown.
    n_toys
        The most that are thrown.
    """
    model, ndf = profile.model, degrees_of_freedom(profile.model)
    try:
        best = profile.best
    except FitError:
        return without_goodness(ndf)
    found = asymptotic_goodness(best.nll, ndf)
    if ndf < 1 or not small(model.expected(best.values)):
        return found
    if seed is None:
        return GoodnessOfFit(statistic=found.statistic, ndf=ndf, p_value=np.nan, n_toys=0)
    p_value, thrown = _p_value_from_toys(model, best.values, found.statistic, seed=seed, n_toys=n_toys)
    return GoodnessOfFit(statistic=found.statistic, ndf=ndf, p_value=p_value, n_toys=thrown)


def small(expected: ArrayLike) -> bool:
    """Return whether some expected count is too small for the distribution of chi^2."""
    return bool(np.min(expected) < LARGE)


def _p_value_from_toys(
    model: Likelihood, truth: Array, observed: float, *, seed: np.random.SeedSequence, n_toys: int
) -> tuple[float, int]:
    """Return the p-value of a statistic by toys at the best fit ``(P,)``, and how many were thrown."""
    worse, n_failed, blocks = np.zeros(0, dtype=np.bool_), 0, 0
    while worse.size < n_toys and worse.sum() < ENOUGH:
        more = max(1, min(blocks, -(-(n_toys - worse.size) // BLOCK)))
        made = [make_block(model, truth, seed=child_seed(seed, k), n_toys=BLOCK) for k in range(blocks, blocks + more)]
        counts, centres = np.concatenate([t.counts for t in made]), np.concatenate([t.centres for t in made])
        start = np.tile(truth, (counts.shape[0], 1))
        fits = fit_data_sets(model, counts, centres, start, strength_free=True, threads=True)
        blocks += more
        n_failed += int(np.sum(~fits.usable))
        worse = np.append(worse, 2.0 * fits.nll[fits.usable] >= observed * (1.0 - TIE))
        if n_failed > MAX_FAILED * max(worse.size + n_failed, 20 * BLOCK):
            return np.nan, worse.size + n_failed
    if worse.sum() >= ENOUGH:
        last = int(np.flatnonzero(worse)[ENOUGH - 1]) + 1
        return ENOUGH / last, last
    return (float(worse.sum()) + 1.0) / (worse.size + 1.0), worse.size
