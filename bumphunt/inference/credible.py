"""Bayesian intervals with two ends: the central one, and the shortest.

The same posteriors as those of the limits (`bumphunt.inference.bayesian`): of a signal S >= 0, nuisance parameters
marginalised. A central interval has the same probability on either side, and so always a lower end above 0; the
shortest one goes over into an upper limit by itself where the data ask for no signal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bumphunt.engines.choose import Engine
from bumphunt.errors import FitError, Flag, InputError
from bumphunt.inference.bayesian import counted_marginal, sampled_marginals, standard_error
from bumphunt.inference.counts.distribution import CountingModel
from bumphunt.inference.posterior import Posterior
from bumphunt.inference.profile import Profile
from bumphunt.inference.settings import Prior, checked_cl
from bumphunt.likelihood.likelihood import likelihood
from bumphunt.models.region import Region

__all__ = ["CredibleInterval", "bayesian_counting_interval", "bayesian_interval"]

Array = NDArray[np.float64]
Kind = Literal["central", "shortest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CredibleInterval:
    """A Bayesian interval of the signal; it unpacks: ``low, high = bayesian_interval(...)``.

    Parameters
    ----------
    low, high
        Its ends, in the unit of the signal; NaN if there is none.
    low_error, high_error
        Their standard deviations from the finite sample; 0 where nothing was sampled.
    credibility
        Posterior probability of the interval.
    kind
        "central" or "shortest".
    prior
        "flat" or "1/sqrt", in S >= 0.
    valid
        Whether the numbers can be used.
    flags
        As those of `bumphunt.inference.posterior.BayesianLimit`.
    """

    low: float
    high: float
    low_error: float
    high_error: float
    credibility: float
    kind: Kind
    prior: Prior
    valid: bool
    flags: tuple[Flag, ...]

    def __iter__(self) -> Iterator[float]:
        return iter((self.low, self.high))


def bayesian_interval(
    regions: Region | Sequence[Region],
    *,
    rng: np.random.Generator,
    cl: float = 0.6826894921370859,
    kind: Kind = "central",
    prior: Prior = "flat",
    n_samples: int = 4096,
    engine: Engine = "auto",
) -> CredibleInterval:
    """Return a Bayesian interval of the signal strength S >= 0.

    Parameters
    ----------
    regions, rng, prior, n_samples, engine
        As in `bumphunt.inference.bayesian.bayesian_limit`.
    cl
        Credibility, that of one standard deviation by default.
    kind
        "central", or "shortest": for the flat prior alone, since 1/sqrt(S) is infinite at 0, where every shortest
        region begins then.

    Raises
    ------
    InputError
        As `bumphunt.inference.bayesian.bayesian_limit`, and if the kind is unknown or has no use for the prior.

    Examples
    --------
    >>> from bumphunt.models.region import Sample, region
    >>> count = region("count", counts=[10], signal=[1.0], backgrounds=Sample("known", [3.0]))
    >>> low, high = bayesian_interval(count, rng=np.random.default_rng(1), kind="shortest")
    >>> round(low, 1), round(high, 1)
    (4.1, 10.5)
    """
    _checked_kind(kind, prior)
    checked_cl(cl)
    try:
        sampled = sampled_marginals(Profile(likelihood(regions), engine), rng=rng, prior=prior, n_samples=n_samples)
        place = {"guess": sampled.guess, "width": sampled.width}
        low, high = _ends(Posterior(sampled.whole, **place, prior=prior), kind, cl)
        parts = np.array([_ends(Posterior(part, **place, prior=prior), kind, cl) for part in sampled.parts])
    except FitError as failure:
        return _failed(failure.flag, cl, kind, prior)
    return CredibleInterval(
        low=low,
        high=high,
        low_error=standard_error(parts[:, 0].tolist()),
        high_error=standard_error(parts[:, 1].tolist()),
        credibility=cl,
        kind=kind,
        prior=prior,
        valid=True,
        flags=sampled.flags,
    )


def bayesian_counting_interval(
    n_obs: float,
    model: CountingModel,
    *,
    cl: float = 0.6826894921370859,
    kind: Kind = "central",
    prior: Prior = "flat",
) -> CredibleInterval:
    """Return a Bayesian interval of the mean signal of a counting experiment [events at the nominal efficiency].

    Parameters
    ----------
    n_obs, model, prior
        As in `bumphunt.inference.bayesian.bayesian_counting_limit`.
    cl, kind
        As in `bayesian_interval`.

    Raises
    ------
    InputError
        If the count is negative or not finite, the level not in (0, 1), the prior or the kind unknown, or the shortest
        interval is asked for of another prior than the flat one.

    Examples
    --------
    >>> low, high = bayesian_counting_interval(3, CountingModel(background=0.0), cl=0.9)
    >>> round(low, 3), round(high, 3)
    (1.366, 7.754)
    """
    _checked_kind(kind, prior)
    checked_cl(cl)
    counted = counted_marginal(n_obs, model)
    try:
        posterior = Posterior(**counted, prior=prior, efficiency_sigma=model.efficiency_sigma)
        low, high = _ends(posterior, kind, cl)
    except FitError as failure:
        return _failed(failure.flag, cl, kind, prior)
    return CredibleInterval(
        low=low,
        high=high,
        low_error=0.0,
        high_error=0.0,
        credibility=cl,
        kind=kind,
        prior=prior,
        valid=True,
        flags=(),
    )


def _ends(posterior: Posterior, kind: Kind, cl: float) -> tuple[float, float]:
    """Return the ends of an interval of a kind."""
    return posterior.central(cl) if kind == "central" else posterior.shortest(cl)


def _checked_kind(kind: Kind, prior: Prior) -> None:
    """Raise an `InputError` if there is no such kind, or the prior has none."""
    if kind not in get_args(Kind):
        msg = f"the kind of an interval must be 'central' or 'shortest', got {kind!r}"
        raise InputError(msg)
    if kind == "shortest" and prior != "flat":
        msg = f"the density of the prior {prior!r} is infinite at 0: ask for kind='central', or for prior='flat'"
        raise InputError(msg)


def _failed(flag: Flag, cl: float, kind: Kind, prior: Prior) -> CredibleInterval:
    """Return the record of an interval that does not exist."""
    nothing = dict.fromkeys(("low", "high", "low_error", "high_error"), float("nan"))
    return CredibleInterval(**nothing, credibility=cl, kind=kind, prior=prior, valid=False, flags=(flag,))
