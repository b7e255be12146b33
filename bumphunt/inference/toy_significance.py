"""p0 from toys, where the asymptotic distribution of q0 does not hold: few expected events.

p0 is that of toys at the fit without signal. They are made with the signal that was fitted, half of them on top of that
background, half at the best fit, and each counts with the ratio of its probabilities without signal and as they are
made: about half are as extreme as the data, however small p0 is. Nothing is extrapolated, and there is no floor of one
over the number of toys.

References
----------
J. M. Hammersley, D. C. Handscomb, Monte Carlo Methods (1964), section 5.4 (importance sampling).
E. Veach, L. J. Guibas, SIGGRAPH 95, 419 (two samples: the balance heuristic).
CCGV: G. Cowan, K. Cranmer, E. Gross, O. Vitells, EPJC 71 (2011) 1554, arXiv:1007.1727 (q0: eq. 12).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, xlogy

from bumphunt.engines.choose import fit_data_sets, fit_without
from bumphunt.engines.start import first_strength
from bumphunt.errors import FitError, Flag
from bumphunt.inference import asymptotics
from bumphunt.inference.profile import Profile
from bumphunt.inference.seeds import seed_of
from bumphunt.inference.toy_limits import MAX_FAILED, TIE
from bumphunt.inference.toys import Toys, make_toys
from bumphunt.likelihood.likelihood import Likelihood

__all__ = ["ToyP0", "q0_of_toys", "toy_p0"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyP0:
    """A p-value from toys: `p0`, and the standard deviation `error` of it from their number."""

    p0: float
    error: float


def toy_p0(profile: Profile, *, rng: np.random.Generator, n_toys: int) -> ToyP0:
    """Return the probability of a q0 at least as large as that of the data, without signal.

    Parameters
    ----------
    profile
        Of the data.
    rng
        Its seed spawns those of the toys.
    n_toys
        How many. Of 1000 the error of p0 is some 5 % of it.

    Raises
    ------
    FitError
        If a fit of the data failed, or, with the flag "toys_failed", more than 1 % of those of the toys.
    """
    observed, seed = profile.q0(), seed_of(rng)
    if observed <= TIE:
        return ToyP0(p0=1.0, error=0.0)  # no data have a smaller q0
    without, best = profile.at(0.0).values, profile.best.values
    beside = np.where(np.arange(without.size) == 0, max(best[0], 0.0), without)
    halves = [
        make_toys(profile.model, made_at, seed=seed, indices=indices)
        for made_at, indices in ((beside, range(0, n_toys, 2)), (best, range(1, n_toys, 2)))
    ]
    counts, centres = (np.concatenate([getattr(half, name) for half in halves]) for name in ("counts", "centres"))
    toys = Toys(counts=counts, centres=centres)
    q0, good = q0_of_toys(profile.model, toys, beside)
    if good.mean() < 1.0 - MAX_FAILED:
        raise FitError(Flag.TOYS_FAILED, f"{n_toys - int(good.sum())} of {n_toys}")
    made = logsumexp([_log_probability(profile.model, toys, theta) for theta in (beside, best)], axis=0) - np.log(2.0)
    ratio = np.exp(_log_probability(profile.model, toys, without) - made)
    counted = np.where(q0 >= observed - TIE, ratio, 0.0)[good]
    return ToyP0(p0=float(min(counted.mean(), 1.0)), error=float(counted.std() / np.sqrt(counted.size)))


def q0_of_toys(
    model: Likelihood, toys: Toys, made_at: Array, *, threads: bool = True
) -> tuple[Array, NDArray[np.bool_]]:
    """Return q0 of N toys (CCGV eq. 12), and which of their fits are good, shape ``(N,)`` each.

    Parameters
    ----------
    model
        The likelihood, whose own counts and centres are not used.
    toys
        The toys; one that only a signal makes has infinite q0.
    made_at
        Parameters that fits start from, shape ``(P,)``, the strength first: the signal to begin with.
    threads
        Whether the fits are shared out to threads.
    """
    start = np.tile(made_at, (toys.counts.shape[0], 1))
    start[:, 0] = 0.0
    without = fit_without(model, toys.counts, toys.centres, start, threads=threads)
    null = without.null
    nu, slopes = model.expected_and_slopes(start[0])
    start = np.tile(made_at, (toys.counts.shape[0], 1))
    start[:, 0] = first_strength(nu, slopes[0], toys.counts, otherwise=float(made_at[0]))
    best = fit_data_sets(model, toys.counts, toys.centres, start, strength_free=True, threads=threads, without=without)
    impossible = np.isinf(null.nll)
    n_sig = np.where(impossible, 1.0, best.values[:, 0])
    q0 = asymptotics.q0(null.nll, np.where(impossible, 0.0, best.nll), n_sig)
    deficit = null.usable & ~best.usable & (null.slopes >= 0.0)  # its minimum is at negative expectations
    return np.where(deficit, 0.0, q0), impossible | deficit | (null.usable & best.usable)


def _log_probability(model: Likelihood, toys: Toys, theta: Array) -> Array:
    """Return the logarithm of the probability of toys at some parameters, up to a constant of each, shape ``(N,)``."""
    nu = np.maximum(model.expected(theta), 0.0)
    constrained = model.measured & ~model.held
    pulls = (toys.centres - theta)[:, constrained] ** 2 @ model.precisions[constrained]
    with np.errstate(divide="ignore"):
        return np.asarray(xlogy(toys.counts, nu).sum(axis=1) - nu.sum() - 0.5 * pulls)
