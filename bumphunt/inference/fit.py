"""Questions to ask of spectra: what was fitted, how significant it is, and what is excluded.

===================  ==========================================================
to get               ask
===================  ==========================================================
signal, parameters   `fit`
interval             `bumphunt.inference.intervals.interval` (as MINOS)
Z, p-value           `bumphunt.inference.significance.significance`, by formulae or toys
CLs of a strength    `bumphunt.inference.significance.hypotest`
upper limit          `limit`: CLs by formulae or toys, or Bayesian
all, over masses     `scan`
Bayesian limit       `bumphunt.inference.bayesian.bayesian_limit`, with its error
unbinned fit         `bumphunt.inference.unbinned.fit_unbinned`
one source at a time `bumphunt.scanning.impacts.impacts`
one count            `bumphunt.inference.counts`: exact p0, limits and intervals
===================  ==========================================================

Each takes one region or several with a shared signal strength (`bumphunt.models.region`), and says which engine it
took. Asymptotic formulae need some ten expected events under the peak (`bumphunt.inference.core`): a limit over fewer
has the flag "low_counts", and ``limit(..., method="auto", rng=rng)`` takes toys there.

Examples
--------
(a) A peak on a smooth background, in an array of masses (a `hist.Hist` is given as ``counts``):

>>> import numpy as np
>>> from bumphunt.inference.intervals import interval
>>> from bumphunt.inference.significance import hypotest, significance
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
('linear', 103, 19)
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
>>> from bumphunt.inference.bayesian import bayesian_limit
>>> round(bayesian_limit(count, rng=rng, cl=0.95).upper, 1)
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
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from bumphunt.engines.choose import Engine, fit_likelihood
from bumphunt.engines.result import FitResult
from bumphunt.errors import FitError, Flag, InputError
from bumphunt.inference.asymptotics import ASYMPTOTIC_FROM
from bumphunt.inference.bayesian import profile_bayesian_limit, upper_limit_of
from bumphunt.inference.core import low_counts
from bumphunt.inference.limits import clsb_limit, profile_limit
from bumphunt.inference.profile import Profile
from bumphunt.inference.settings import LimitMethod, LimitSettings, Prior
from bumphunt.inference.significance import profile_significance
from bumphunt.inference.toys import toy_limit
from bumphunt.inference.upper_limit import UpperLimit, failed_limit, most_events
from bumphunt.likelihood.by_sample import expected_by_sample
from bumphunt.likelihood.likelihood import likelihood
from bumphunt.models.region import Region

__all__ = ["MassPoint", "fit", "limit", "scan", "upper_limit"]

Regions = Region | Sequence[Region]


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
    flags: tuple[Flag, ...]
    engine: str


def fit(regions: Regions, *, strength: float | None = None, engine: Engine = "auto") -> FitResult:
    """Return the maximum-likelihood fit.

    Parameters
    ----------
    regions
        One region, or several with a shared signal.
    strength
        Held signal strength; free by default.
    engine
        "auto" takes "linear" where the likelihood is linear in its parameters, and "newton" for the others. "minuit"
        is the reference, and "zfit" a peer (an extra): see `bumphunt.engines.choose`.

    Returns
    -------
    FitResult
        Its `components` are the expected counts of each sample of each region.

    Raises
    ------
    InputError
        If the regions do not fit together, or the engine cannot fit them or is not installed (the extra zfit).
    """
    model = likelihood(regions)
    found = fit_likelihood(model, engine, strength=strength)
    return replace(found, components=expected_by_sample(model, found.values)) if found.status.usable else found


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
    prior: Prior = "flat",
) -> UpperLimit:
    """Return the upper limit on the signal strength, with its expected band.

    Parameters
    ----------
    regions, engine
        As in `fit`.
    cl
        Confidence level, or credibility.
    expected
        Whether the band is wanted; NaN if not: then it is cheaper.
    method
        CLs by "asymptotic" formulae, by "toys", or by "auto": the formulae where the background under the peak is at
        least `threshold`, else toys. Or "clsb": CLs+b by formulae (`bumphunt.inference.limits.clsb_limit`), or
        "bayesian", without a band.
    rng
        For all methods but "asymptotic" and "clsb".
    n_toys
        Toys at each tested strength.
    threshold
        Expected background in the core of the signal from which on the formulae hold [events].
    prior
        Of the signal S >= 0, for "bayesian": "flat" or "1/sqrt".

    Returns
    -------
    UpperLimit
        `method` is "cls_asymptotic", "cls_toys", "clsb_asymptotic", "bayesian_flat" or "bayesian_1/sqrt"; invalid,
        with a flag, if a fit failed, there is no root, or the limit would be more than all events
        ("negative_background"). The flag "low_counts" says that the formulae were used below the threshold. Its error
        is that of the finite sample.

    Raises
    ------
    InputError
        As `fit`; if the confidence level is not in (0, 1), the method unknown, a number not positive, or there is no
        generator where one may be needed.
    """
    settings = LimitSettings(method=method, cl=cl, n_toys=n_toys, prior=prior, threshold=threshold)
    return upper_limit(Profile(likelihood(regions), engine), settings, rng=rng, expected=expected)


def upper_limit(
    profile: Profile,
    settings: LimitSettings,
    *,
    rng: np.random.Generator | None,
    expected: bool = True,
    core: float | None = None,
) -> UpperLimit:
    """Return the upper limit of a profile, whose fits are kept, by the method of the settings.

    Parameters
    ----------
    profile
        Of the data.
    settings
        Method and confidence level.
    rng
        For all methods but "asymptotic" and "clsb".
    expected
        Whether the band is wanted.
    core
        Expected background in the core of the signal [events], where it is better known than from the bins of the fit.

    Raises
    ------
    InputError
        If the method may need random numbers and there is no generator, or is one of counts.
    """
    if settings.method == "feldman-cousins":
        msg = "limits by 'feldman-cousins' are those of one count: bumphunt.inference.counts.feldman_cousins has them"
        raise InputError(msg)
    upper = _upper_limit(profile, settings, settings.checked_generator(rng), expected=expected, core=core)
    if upper.valid and _rests_on_negative_background(profile, upper):
        return failed_limit(upper.method, settings.cl, Flag.NEGATIVE_BACKGROUND)
    return upper


def _rests_on_negative_background(profile: Profile, upper: UpperLimit) -> bool:
    """Return whether a limit is more signal than there are events, whatever is uncertain about its yield.

    A peak that is wider than its window looks like a polynomial: only the difference of the two is known, and either
    may be as large as numbers go.
    """
    model = profile.model
    lowest, most = upper.observed - 4.0 * upper.error, most_events(float(model.counts[: model.n_bins].sum()), upper.cl)
    try:
        at_limit = profile.at(upper.observed).values
    except FitError:
        at_limit = model.start
    slopes = model.expected_and_slopes(at_limit)[1]
    return bool(lowest * slopes[0, : model.n_bins].sum() > most)


def _upper_limit(
    profile: Profile,
    settings: LimitSettings,
    generator: np.random.Generator | None,
    *,
    expected: bool,
    core: float | None,
) -> UpperLimit:
    """Return the upper limit by the method of the settings, as it comes; arguments as in `upper_limit`."""
    cl = settings.cl
    if settings.method == "bayesian" and generator is not None:
        return upper_limit_of(profile_bayesian_limit(profile, rng=generator, cl=cl, prior=settings.prior))
    background = profile.core_background() if core is None else core
    if settings.takes_toys(background) and generator is not None:
        return toy_limit(profile, rng=generator, n_toys=settings.n_toys, cl=cl, expected=expected).limit
    by_formulae = clsb_limit if settings.method == "clsb" else profile_limit
    upper = by_formulae(profile, cl=cl, expected=expected)
    low = upper.valid and low_counts(background, settings.threshold)
    return replace(upper, flags=(*upper.flags, Flag.LOW_COUNTS)) if low else upper


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
    settings, points = LimitSettings(cl=cl), []
    for mass in np.atleast_1d(np.asarray(masses, dtype=np.float64)):
        profile = Profile(likelihood(regions_at(float(mass))), engine)
        found, upper = profile_significance(profile), upper_limit(profile, settings, rng=None)
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
