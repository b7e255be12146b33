"""Questions to ask of spectra: what was fitted, how significant it is, and what is excluded.

===================  ==========================================================
to get               ask
===================  ==========================================================
signal, parameters   `fit`
interval             `interval`: where -2 ln lambda is below a level (as MINOS)
Z, p-value           `significance`
CLs of a strength    `hypotest`
upper limit          `limit`
all, over masses     `scan`
Bayesian limit       `bumphunt.inference.marginal.bayesian_region_limit`
unbinned fit         `bumphunt.inference.unbinned.fit_unbinned`
one source at a time `bumphunt.scan.impacts.impacts`
===================  ==========================================================

Each takes one region or several with a shared signal strength (`bumphunt.models.region`), and says which engine it
took. Asymptotic formulae need some ten expected events under the peak: a limit over fewer has the flag "low_counts",
and ``limit(..., method="auto", rng=rng)`` takes toys there.

Examples
--------
(a) A peak on a smooth background, in an array of masses (a `hist.Hist` is given as ``counts``):

>>> import numpy as np
>>> from bumphunt.models.background import BackgroundModel
>>> from bumphunt.models.peaks import gaussian
>>> from bumphunt.models.region import Sample, region
>>> rng = np.random.default_rng(1)
>>> masses = np.concatenate([rng.uniform(4.0, 6.0, 2000), rng.normal(5.0, 0.05, 100)])
>>> def at(mass):
...     return region(
...         "dimuon",
...         values=masses,
...         edges=np.linspace(4.0, 6.0, 101),
...         signal=gaussian(mass, 0.05),
...         backgrounds=BackgroundModel("bernstein", 2),
...     )
>>> peak = at(5.0)
>>> result = fit(peak)
>>> result.engine, round(result.n_sig), round(result.n_sig_error)
('convex', 103, 19)
>>> low, high = interval(peak)
>>> round(low), round(high), round(significance(peak).z0, 1)
(85, 122, 6.2)
>>> upper = limit(peak, cl=0.95)
>>> round(upper.observed), upper.expected.round().tolist()
(134, [17.0, 23.0, 32.0, 46.0, 62.0])

(b) The same over masses:

>>> table = scan(at, np.arange(4.5, 5.51, 0.25))
>>> [round(point.z0, 1) for point in table]
[0.0, 0.0, 6.2, 0.0, 0.0]

(c) A counting experiment with two backgrounds, one from a control region of 12 events with scale 0.1:

>>> from bumphunt.models.systematics import ControlRegion, LogNormal
>>> luminosity = LogNormal("luminosity", 0.02)
>>> count = region(
...     "count",
...     counts=[4],
...     signal=Sample("signal", [1.0], uncertainties=[luminosity, LogNormal("efficiency", 0.05)]),
...     backgrounds=[
...         Sample("tau", [2.5], uncertainties=[luminosity, LogNormal("tau", 0.2)]),
...         Sample("fake", [1.2], uncertainties=[ControlRegion("sideband", 12)]),
...     ],
... )
>>> upper = limit(count, cl=0.95)
>>> round(upper.observed, 2), round(float(upper.expected[2]), 2)
(5.57, 5.27)
>>> round(hypotest(count, 6.0).observed, 3)
0.037
>>> from bumphunt.inference.marginal import bayesian_region_limit
>>> round(bayesian_region_limit(count, rng=rng, cl=0.95).upper, 1)
6.1

(d) Two channels with a shared signal (a branching fraction times efficiency each) and a shared nuisance parameter:

>>> pair = [
...     region(
...         name,
...         counts=n,
...         signal=Sample("signal", s, uncertainties=[luminosity]),
...         backgrounds=Sample("background", b, uncertainties=[luminosity, LogNormal("norm", 0.1)]),
...     )
...     for name, n, s, b in [("ee", [21, 18], [3.0, 4.0], [20.0, 16.0]), ("mumu", [32, 35], [6.0, 9.0], [30.0, 28.0])]
... ]
>>> both = fit(pair)
>>> round(both.n_sig, 2), both.names
(0.62, ('strength', 'luminosity', 'norm'))

(e) Histograms with an uncertainty in each bin:

>>> from bumphunt.models.systematics import PerBin
>>> bins = region(
...     "bins",
...     counts=[51, 48],
...     signal=[12.0, 11.0],
...     backgrounds=Sample("background", [50.0, 52.0], uncertainties=[PerBin("shape", [3.0, 7.0])]),
... )
>>> round(limit(bins, cl=0.95).observed, 4)
1.0116

References
----------
CCGV: G. Cowan, K. Cranmer, E. Gross, O. Vitells, EPJC 71 (2011) 1554, arXiv:1007.1727.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_ndtr, ndtri

from bumphunt.engines.model_fit import ModelFit
from bumphunt.engines.result import FitStatus
from bumphunt.errors import FitError, InputError
from bumphunt.inference import asymptotics
from bumphunt.inference.asymptotics import ASYMPTOTIC_FROM
from bumphunt.inference.limits import UpperLimit, bracketed_root, checked_cl
from bumphunt.inference.method import LimitMethod, profile_upper_limit
from bumphunt.inference.profile import Engine, Profile
from bumphunt.likelihood.likelihood import likelihood
from bumphunt.models.region import Region

__all__ = [
    "CLsTest",
    "Interval",
    "MassPoint",
    "Significance",
    "fit",
    "hypotest",
    "interval",
    "limit",
    "profile_significance",
    "scan",
    "significance",
]

Array = NDArray[np.float64]
Regions = Region | Sequence[Region]

ONE_SIGMA = 0.6826894921370859
"""Content of the central interval of one standard deviation."""
IMPOSSIBLE = 1e6
"""Stands for the -2 ln lambda of a strength for which the data are impossible, in the search for an interval."""
ASIDE = 1e-6
"""Distance from the end of an interval, in its first width, at which it is looked whether -2 ln lambda jumps there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Significance:
    """How unlikely the background alone is: discovery statistic, one-sided p-value and significance.

    `n_sig` is negative for a deficit, whose q0 is 0 and p0 0.5. Numbers are NaN, and `valid` is False, if a fit
    failed; `flags` says which way.
    """

    n_sig: float
    q0: float
    p0: float
    z0: float
    valid: bool
    flags: tuple[str, ...]
    engine: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A confidence interval of the signal strength; an end that does not exist is NaN and has a flag.

    It unpacks: ``low, high = interval(...)``.
    """

    low: float
    high: float
    cl: float
    valid: bool
    flags: tuple[str, ...]

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter((self.low, self.high))


@dataclass(frozen=True, slots=True, kw_only=True)
class CLsTest:
    """The test of one strength: CLs, its parts, and CLs expected at -2 ... +2 standard deviations, shape ``(5,)``."""

    strength: float
    observed: float
    clsb: float
    clb: float
    expected: Array
    qmu_tilde: float
    valid: bool
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MassPoint:
    """What a scan says of one mass."""

    mass: float
    n_sig: float
    n_sig_error: float
    q0: float
    p0: float
    z0: float
    limit: UpperLimit
    valid: bool
    flags: tuple[str, ...]
    engine: str


def fit(regions: Regions, *, strength: float | None = None, engine: Engine = "auto") -> ModelFit:
    """Return the maximum-likelihood fit.

    Parameters
    ----------
    regions
        One region, or several with a shared signal.
    strength
        Held signal strength; free by default.
    engine
        "auto" takes the convex engine where the likelihood is linear in its parameters, and "newton" for the others.
        "minuit" is the reference, and "zfit" a peer (an extra).

    Raises
    ------
    InputError
        If the regions do not fit together, or the engine cannot fit them or is not installed (the extra zfit).
    """
    profile = Profile(likelihood(regions), engine)
    return profile.free if strength is None else profile._fit(strength, None, errors=True)


def significance(regions: Regions, *, engine: Engine = "auto") -> Significance:
    """Return the significance of the signal (CCGV eqs 12 and 52); arguments as in `fit`."""
    return profile_significance(Profile(likelihood(regions), engine))


def profile_significance(profile: Profile) -> Significance:
    """Return the significance from a profile, whose fits are kept (CCGV eqs 12 and 52)."""
    free = profile.free
    try:
        q0 = profile.q0()
        z0 = float(asymptotics.z0_from_q0(q0))
        flags = (free.status.flag,) if free.status.flag else ()
        p0 = float(asymptotics.p_value(z0))
    except FitError as failure:
        q0, z0, p0, flags = np.nan, np.nan, np.nan, (str(failure),)
    return Significance(
        n_sig=free.n_sig, q0=q0, p0=p0, z0=z0, valid=bool(np.isfinite(q0)), flags=flags, engine=profile.engine
    )


def interval(regions: Regions, *, cl: float = ONE_SIGMA, engine: Engine = "auto") -> Interval:
    """Return where -2 ln lambda(S) is below the square of a two-sided standard deviation, as MINOS does.

    Parameters
    ----------
    regions, engine
        As in `fit`.
    cl
        Confidence level, one standard deviation by default.

    Returns
    -------
    Interval
        An end is NaN, with the flag "no_lower_end" or "no_upper_end", where the likelihood stays above the level up
        to the last strength for which all expectations can be positive.

    Raises
    ------
    InputError
        As `fit`, and if the confidence level is not in (0, 1).
    """
    level = float(ndtri(0.5 + 0.5 * checked_cl(cl))) ** 2
    profile = Profile(likelihood(regions), engine)
    ends, flags = [np.nan, np.nan], []
    try:
        best = profile.best
        width = best.n_sig_error if np.isfinite(best.n_sig_error) else max(1.0, abs(best.n_sig))
        for index, (side, name) in enumerate(((-1.0, "lower"), (1.0, "upper"))):

            def missing(distance: float, side: float = side) -> float:
                return max(level - _ratio(profile, best.n_sig + side * distance), -IMPOSSIBLE)

            try:
                distance = bracketed_root(missing, 0.0, float(np.sqrt(level)) * width)
            except FitError as failure:
                flags.append(str(failure) if str(failure).startswith("fit_") else f"no_{name}_end")
                continue
            if missing(max(distance - ASIDE * width, 0.0)) > 0.01 * level:  # it jumps: the end of what is possible
                flags.append(f"no_{name}_end")
            else:
                ends[index] = best.n_sig + side * distance
    except FitError as failure:
        flags.append(str(failure))
    return Interval(low=ends[0], high=ends[1], cl=cl, valid=not flags, flags=tuple(flags))


def _ratio(profile: Profile, strength: float) -> float:
    """Return -2 ln lambda at a strength; inf where the data are impossible."""
    try:
        return profile.likelihood_ratio(strength)
    except FitError as failure:
        if str(failure) != FitStatus.INFEASIBLE.flag:
            raise
        return np.inf


def hypotest(regions: Regions, strength: float, *, engine: Engine = "auto") -> CLsTest:
    """Return CLs of one signal strength, observed and expected, from q~mu (CCGV eqs 16, 65 and 66).

    Raises
    ------
    InputError
        As `fit`, and if the strength is not positive.
    """
    if not 0.0 < strength < np.inf:
        msg = f"the tested strength must be positive, got {strength}"
        raise InputError(msg)
    data = Profile(likelihood(regions), engine)
    try:
        q, root_a = data.qmu_tilde(strength), float(np.sqrt(data.asimov().qmu_tilde(strength)))
    except FitError as failure:
        nothing = dict.fromkeys(("observed", "clsb", "clb", "qmu_tilde"), np.nan)
        return CLsTest(strength=strength, **nothing, expected=np.full(5, np.nan), valid=False, flags=(str(failure),))
    clsb, clb = asymptotics.clsb_and_clb(np.sqrt(q), root_a)
    n = np.array(asymptotics.BAND)
    expected = np.exp(log_ndtr(n - root_a) - log_ndtr(n))  # q~mu = (root_a - n)^2, eq. 89
    return CLsTest(
        strength=strength,
        observed=float(asymptotics.cls(np.sqrt(q), root_a)),
        clsb=float(clsb),
        clb=float(clb),
        expected=expected,
        qmu_tilde=q,
        valid=True,
        flags=(),
    )


def limit(
    regions: Regions,
    *,
    cl: float = 0.9,
    engine: Engine = "auto",
    expected: bool = True,
    method: LimitMethod = "asymptotic",
    rng: np.random.Generator | None = None,
    n_toys: int = 4000,
    threshold: float = ASYMPTOTIC_FROM,
) -> UpperLimit:
    """Return the CLs upper limit on the signal strength, with its expected band.

    Parameters
    ----------
    regions, engine
        As in `fit`.
    cl
        Confidence level.
    expected
        Whether the band is wanted; NaN if not: then it is cheaper.
    method
        "asymptotic", "toys", or "auto": the formulae where the background under the peak is at least `threshold`.
    rng
        For toys.
    n_toys
        Toys at each tested strength.
    threshold
        Expected background in the core of the signal from which on the formulae hold [events].

    Returns
    -------
    UpperLimit
        `method` is "cls_asymptotic" or "cls_toys"; invalid, with a flag, if a fit failed or there is no root. The flag
        "low_counts" says that the formulae were used below the threshold.

    Raises
    ------
    InputError
        As `fit`; if the confidence level is not in (0, 1), the method unknown, or toys have no generator.
    """
    checked_cl(cl)
    profile = Profile(likelihood(regions), engine)
    return profile_upper_limit(
        profile, rng=rng, method=method, cl=cl, expected=expected, n_toys=n_toys, threshold=threshold
    )


def scan(
    regions_at: Callable[[float], Regions], masses: ArrayLike, *, cl: float = 0.9, engine: Engine = "auto"
) -> tuple[MassPoint, ...]:
    """Return fit, significance and limit at each mass.

    Parameters
    ----------
    regions_at
        Gives the region or regions of a mass hypothesis.
    masses
        Hypotheses, shape ``(N,)``.
    cl
        Confidence level of the limits.
    engine
        As in `fit`.

    Returns
    -------
    tuple of MassPoint
        One a mass; a failed one has ``valid = False``, NaN and flags.

    Raises
    ------
    InputError
        As `fit` and `limit`.
    """
    checked_cl(cl)
    points = []
    for mass in np.atleast_1d(np.asarray(masses, dtype=np.float64)):
        profile = Profile(likelihood(regions_at(float(mass))), engine)
        found, upper = profile_significance(profile), profile_upper_limit(profile, rng=None, cl=cl)
        points.append(
            MassPoint(
                mass=float(mass),
                n_sig=found.n_sig,
                n_sig_error=profile.free.n_sig_error,
                q0=found.q0,
                p0=found.p0,
                z0=found.z0,
                limit=upper,
                valid=found.valid and upper.valid,
                flags=tuple(dict.fromkeys((*found.flags, *upper.flags))),
                engine=profile.engine,
            )
        )
    return tuple(points)
