"""The studies by name: which ensembles of toys each needs, and what it concludes from them.

=============  ==========================================================  =============================================
study          looks at                                                    criterion
=============  ==========================================================  =============================================
`pulls`        the signed root of the likelihood ratio at the true signal  mean within 0.05 of 0 and width within 0.05
                                                                           of 1, over 100 events in the core and more
`injection`    fitted against injected signal                              within 0.2 of the statistical error; slope
                                                                           within 0.05 of 1
`bias`         the same for toys of other background families              within 0.2 of the statistical error
`coverage`     how often the limit is above the signal                     at least the confidence level less 0.01
`gof`          the saturated likelihood ratio of the fit                   p below 0.05 in 0.05 +- 0.02 of toys where it
                                                                           is from chi^2; the data are no poor fit
`stability`    the data, by other windows, bins, orders                    within three roots of the difference of the
                                                                           variances, or half an error
`background`   the data, by orders and other families                      one order more is not needed (p of 0.05)
=============  ==========================================================  =============================================

Errors of fractions are binomial. More than 1 % of failed fits fail a study. Under ten background events in the core no
mean of fitted signals is judged: fits end where negative expectations would begin. Coverage is judged everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.special import chdtrc

from bumphunt.errors import FitError
from bumphunt.inference.core import low_counts
from bumphunt.inference.goodness import degrees_of_freedom, small
from bumphunt.inference.profile import Profile
from bumphunt.inference.settings import LimitSettings
from bumphunt.inference.toy_limits import MAX_FAILED, TIE
from bumphunt.studies.coverage import CoveredToys, counting_coverage, covered_toys, joined_covered
from bumphunt.studies.families import other_truths
from bumphunt.studies.orders import NEEDED, chosen_order, fitted_model, order_fits
from bumphunt.studies.stability import Refit
from bumphunt.studies.toys import FittedToys, fitted_toys, joined_toys
from bumphunt.studies.verdicts import Finding, Verdict, judge, mean_and_error
from bumphunt.studies.windows import StudyWindow

__all__ = [
    "CRITERIA",
    "STRENGTHS",
    "STUDIES",
    "Ensemble",
    "Study",
    "StudyToys",
    "compared",
    "concluded",
    "ensembles",
    "made_toys",
    "stable",
    "together",
]

Study = Literal["bias", "injection", "pulls", "coverage", "gof", "stability", "background"]
STUDIES: tuple[Study, ...] = ("bias", "injection", "pulls", "coverage", "gof", "stability", "background")
"""The studies by name."""
StudyToys = FittedToys | CoveredToys
"""What is kept of the toys of a study."""
CRITERIA: dict[Study, str] = {
    "bias": "bias within 0.2 of the statistical error, for toys of every other family that describes the window",
    "injection": "mean of n_sig within 0.2 of the statistical error of what is injected, slope within 0.05 of 1",
    "pulls": "mean within 0.05 of 0 and width within 0.05 of 1, over more than 100 background events in the core",
    "coverage": "the limit is above the signal in at least the confidence level less 0.01 of all toys",
    "gof": "p below 0.05 in 0.05 +- 0.02 of all toys, where it is from chi^2; the data are no poor fit",
    "background": "one order more is not needed: its test has p of at least 0.05",
    "stability": "n_sig moves by three roots of the difference of the variances at most, or by half an error",
}
"""What each study has to meet."""
STRENGTHS: dict[Study, tuple[float, ...]] = {
    "bias": (0.0,),
    "injection": (0.0, 1.0, 2.0, 3.0, 5.0),
    "pulls": (0.0, 3.0),
    "coverage": (0.5, 1.0, 2.0, 4.0),
    "gof": (0.0,),
}
"""Injected signals, in standard deviations of n_sig without a signal."""

PULL, CORE_OF_PULLS = 0.05, 100.0
"""How far mean and width of pulls may be from 0 and 1, and the background in the core from which on they are judged."""
BIAS, SLOPE = 0.2, 0.05
"""Largest bias in units of the statistical error, and distance of the slope from 1."""
SLACK = 0.01
"""By how much a coverage may be below the confidence level."""
P_LEVEL, P_SLACK = 0.05, 0.02
"""The p-value whose frequency is looked at, and how far that may be from it."""
STABLE, BARLOW = 0.5, 3.0
"""Largest shift of the fitted signal, in errors of the nominal fit, or else in roots of the difference of variances."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """Toys of a window with one signal [events], which is `n_sigma` standard deviations of n_sig without one."""

    window: StudyWindow
    n_sigma: float

    @property
    def n_sig_true(self) -> float:
        """The signal in the toys [events]."""
        return self.n_sigma * self.window.unit


def ensembles(study: Study, windows: Iterable[StudyWindow], n_sigmas: Sequence[float]) -> list[Ensemble]:
    """Return the ensembles of toys that a study needs, in the order of the windows.

    Parameters
    ----------
    study
        Its name, but "stability", which has no toys.
    windows
        The windows; of "bias" with all truths of other families that describe them.
    n_sigmas
        Injected signals, in standard deviations of n_sig without one.
    """
    found = []
    for window in windows:
        for truth in other_truths(window) if study == "bias" else [window]:
            found += [Ensemble(window=truth, n_sigma=n) for n in n_sigmas]
    return found


def made_toys(
    study: Study, ensemble: Ensemble, limits: LimitSettings, *, seed: np.random.SeedSequence, n_toys: int
) -> StudyToys:
    """Return a block of the toys of an ensemble; of counts whose coverage is exact there are none."""
    if study != "coverage":
        return fitted_toys(ensemble.window, ensemble.n_sig_true, seed=seed, n_toys=n_toys)
    if ensemble.window.counted is not None:
        return CoveredToys(**{name: np.zeros(0, dtype=np.bool_) for name in ("covered", "by_toys", "good")})
    return covered_toys(ensemble.window, ensemble.n_sig_true, limits, seed=seed, n_toys=n_toys)


def together(blocks: Sequence[StudyToys]) -> StudyToys:
    """Return blocks of the toys of one ensemble as one."""
    fitted = [block for block in blocks if isinstance(block, FittedToys)]
    return joined_toys(fitted) if fitted else joined_covered([b for b in blocks if isinstance(b, CoveredToys)])


def concluded(
    study: Study,
    made: Sequence[tuple[Ensemble, StudyToys]],
    limits: LimitSettings,
    *,
    poor_fit: float,
    blinded: bool,
) -> list[Finding]:
    """Return the findings of a study.

    Parameters
    ----------
    study
        Its name.
    made
        Ensembles, and their toys.
    limits
        How limits are set.
    poor_fit
        p-value of the goodness of fit below which data are poorly described.
    blinded
        Whether there are no data that could be.
    """
    found: list[Finding] = []
    for ensemble, toys in made:
        if isinstance(toys, CoveredToys):
            found.append(_coverage(ensemble, toys, limits))
        elif study == "pulls":
            found += _pulls(ensemble, toys)
        elif study == "gof":
            found += _goodness(ensemble, toys, poor_fit, blinded=blinded)
        else:
            found.append(_bias(ensemble, toys))
    return [*found, *(_slopes(made) if study == "injection" else [])]


def _finding(
    ensemble: Ensemble,
    toys: StudyToys,
    quantity: str,
    measured: tuple[float, float],
    allowed: tuple[float, float],
    *,
    judged: bool = True,
) -> Finding:
    """Return a number of an ensemble, its error, and the ends of what is allowed, with the verdict."""
    n_failed = int(np.sum(~toys.good))
    verdict = judge(*measured, low=allowed[0], high=allowed[1]) if judged else Verdict.NOT_JUDGED
    return Finding(
        mass=ensemble.window.mass,
        core=ensemble.window.core,
        truth=ensemble.window.drawn_from,
        n_sigma=ensemble.n_sigma,
        n_sig_true=ensemble.n_sig_true,
        quantity=quantity,
        value=measured[0],
        error=measured[1],
        low=allowed[0],
        high=allowed[1],
        n_toys=len(toys),
        n_failed=n_failed,
        verdict=Verdict.FAILED if judged and n_failed > MAX_FAILED * len(toys) else verdict,
    )


def _pulls(ensemble: Ensemble, toys: FittedToys) -> list[Finding]:
    """Return mean and width of the pulls."""
    pulls = toys.pull[toys.good]
    mean, error = mean_and_error(pulls)
    judged = ensemble.window.core > CORE_OF_PULLS
    width = error * np.sqrt(pulls.size)
    spread = (width, width / np.sqrt(2.0 * max(pulls.size - 1, 1)))
    return [
        _finding(ensemble, toys, "pull mean", (mean, error), (-PULL, PULL), judged=judged),
        _finding(ensemble, toys, "pull width", spread, (1.0 - PULL, 1.0 + PULL), judged=judged),
    ]


def _bias(ensemble: Ensemble, toys: FittedToys) -> Finding:
    """Return the bias of the fitted signal, in units of its spread."""
    n_sig = toys.n_sig[toys.good]
    mean, error = mean_and_error(n_sig)
    spread = error * np.sqrt(n_sig.size)
    measured = ((mean - ensemble.n_sig_true) / spread, error / spread)
    return _finding(ensemble, toys, "bias / error", measured, (-BIAS, BIAS), judged=_many(ensemble))


def _many(ensemble: Ensemble) -> bool:
    """Return whether there are so many events that a fitted signal has a mean: no boundary of negative expectations."""
    return not low_counts(ensemble.window.core)


def _slopes(made: Sequence[tuple[Ensemble, StudyToys]]) -> list[Finding]:
    """Return the slope of the fitted against the injected signal at each mass, by least squares."""
    masses = dict.fromkeys(ensemble.window.mass for ensemble, _ in made)
    found = []
    for mass in masses:
        here = [(e, toys) for e, toys in made if e.window.mass == mass and isinstance(toys, FittedToys)]
        if len(here) < 2:
            continue
        x = np.array([ensemble.n_sig_true for ensemble, _ in here])
        both = np.array([mean_and_error(toys.n_sig[toys.good]) for _, toys in here])
        weight = both[:, 1] ** -2.0
        centred = x - weight @ x / weight.sum()
        information = float(weight @ centred**2)
        slope = (float(weight @ (centred * both[:, 0])) / information, information**-0.5)
        every = together([toys for _, toys in here])
        of_all = replace(here[0][0], n_sigma=float("nan"))
        allowed = (1.0 - SLOPE, 1.0 + SLOPE)
        found.append(_finding(of_all, every, "slope", slope, allowed, judged=_many(of_all)))
    return found


def _coverage(ensemble: Ensemble, toys: CoveredToys, limits: LimitSettings) -> Finding:
    """Return the coverage with its binomial error; of a count exactly."""
    if ensemble.window.counted is not None:
        value, error = counting_coverage(ensemble.window.counted, ensemble.n_sig_true, limits), 0.0
    else:
        n = int(toys.good.sum())
        value = float(toys.covered[toys.good].mean()) if n else float("nan")
        error = float(np.sqrt(max(value * (1.0 - value), 1.0 / max(n, 1)) / max(n, 1)))
    return _finding(ensemble, toys, "coverage", (value, error), (limits.cl - SLACK, np.inf))


def _goodness(ensemble: Ensemble, toys: FittedToys, poor_fit: float, *, blinded: bool) -> list[Finding]:
    """Return how often p is below a level, and the p-value of the data by the toys."""
    model, statistic = ensemble.window.model, toys.statistic[toys.good]
    ndf, n = degrees_of_freedom(model), max(statistic.size, 1)
    if ndf < 1:
        return []
    often = float(np.mean(chdtrc(ndf, np.maximum(statistic, 0.0)) < P_LEVEL)) if statistic.size else float("nan")
    measured = (often, float(np.sqrt(max(often * (1.0 - often), 1.0 / n) / n)))
    by_formula = not small(ensemble.window.expected)
    allowed = (P_LEVEL - P_SLACK, P_LEVEL + P_SLACK)
    found = [_finding(ensemble, toys, f"p < {P_LEVEL:g}", measured, allowed, judged=by_formula)]
    if blinded:
        return found
    try:
        observed = 2.0 * Profile(model).best.nll
    except FitError:
        return found
    p = float(np.mean(statistic >= observed * (1.0 - TIE))) if statistic.size else float("nan")
    of_data = (p, float(np.sqrt(max(p * (1.0 - p), 1.0 / n) / n)))
    return [*found, _finding(ensemble, toys, "p of the data", of_data, (poor_fit, np.inf))]


def stable(refits: Iterable[Refit]) -> list[Finding]:
    """Return the shifts of the fitted signal by other windows, bins and orders, in errors of the nominal fit.

    A fit that uses more of the data, or fewer assumptions, may differ by the root of the difference of the variances:
    three of these are allowed, and `STABLE` errors at the least. A variation that the window has no room for is not
    judged.

    References
    ----------
    R. Barlow, Systematic errors: facts and fictions, arXiv:hep-ex/0207026, section 3.
    """
    found = []
    for refit in refits:
        row, nominal = refit.row, refit.nominal
        shift = change = float("nan")
        if row is not None:
            shift = (row.n_sig - nominal.n_sig) / nominal.n_sig_error
            change = float(np.sqrt(abs((row.n_sig_error / nominal.n_sig_error) ** 2 - 1.0)))
        allowed = max(STABLE, BARLOW * np.nan_to_num(change))
        verdict = Verdict.NOT_JUDGED if row is None else judge(shift, 0.0, low=-allowed, high=allowed)
        found.append(
            Finding(
                mass=refit.mass,
                core=float("nan"),
                truth=refit.varied,
                n_sigma=float("nan"),
                n_sig_true=float("nan"),
                quantity="shift / error",
                value=shift,
                error=change,
                low=-allowed,
                high=allowed,
                n_toys=0,
                n_failed=int(row is not None and not np.isfinite(shift)),
                verdict=verdict,
            )
        )
    return found


def compared(windows: Iterable[StudyWindow]) -> list[Finding]:
    """Return how families and orders of the background describe windows, and what the test says of their own.

    Raises
    ------
    InputError
        If a window has no smooth background.
    """
    found = []
    for window in windows:
        fits, own = order_fits(window), fitted_model(window)
        least_aic, least_bic = min(fit.aic for fit in fits), min(fit.bic for fit in fits)
        for fit in fits:
            name = f"{fit.model.family} {fit.model.order}"
            found += [
                _of_order(window, name, "p of one order more", fit.p_next, NEEDED, judged=fit.model == own),
                _of_order(window, name, "AIC - lowest", fit.aic - least_aic, -np.inf, judged=False),
                _of_order(window, name, "BIC - lowest", fit.bic - least_bic, -np.inf, judged=False),
            ]
        if own is not None:
            order = chosen_order(fits, own.family)
            chosen = float("nan") if order is None else float(order)
            found.append(_of_order(window, own.family, "order by the test", chosen, -np.inf, judged=False))
    return found


def _of_order(window: StudyWindow, truth: str, quantity: str, value: float, low: float, *, judged: bool) -> Finding:
    """Return a number of the fit of one background."""
    return Finding(
        mass=window.mass,
        core=window.core,
        truth=truth,
        n_sigma=float("nan"),
        n_sig_true=float("nan"),
        quantity=quantity,
        value=value,
        error=0.0,
        low=low,
        high=np.inf,
        n_toys=0,
        n_failed=0,
        verdict=judge(value, 0.0, low=low, high=np.inf) if judged else Verdict.NOT_JUDGED,
    )
