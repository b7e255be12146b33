"""The shape of a peak at one simulated mass: a Crystal Ball plus Gaussian fitted to its spectrum.

`fit_shape` fits one mass, `fit_shapes` all of them with tails that vary smoothly. `bumphunt.models.signal` makes them a
function of mass.

The observable is the position on a mass axis (`bumphunt.spectrum.axis`) on which the resolution varies slowly: the
squared mass for a recoil mass, a mass for an invariant one. Radiation makes a recoil mass too large, and an invariant
mass too small: the tail is at high values by default.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import theilslopes

from bumphunt.errors import InputError
from bumphunt.models.shape_minimum import (
    FRACTION,
    HIGHEST,
    LEAST_EXPECTED,
    LIMITS,
    NO_GAUSSIAN,
    RATIO,
    ShapeLikelihood,
    within_limits,
)
from bumphunt.models.shapes import Tail, core_half_width, crystal_ball_gaussian_cdf
from bumphunt.models.signal_shape import ShapeFit, shifted_parameters
from bumphunt.spectrum.axis import SQUARED, MassAxis

__all__ = ["MIN_EFFECTIVE_EVENTS", "effective_events", "fit_shape", "fit_shapes"]

Array = NDArray[np.float64]

TAIL_STARTS = (
    (1.5, 2.0, 0.8, 1.7),
    (1.2, 1.5, 0.6, 2.5),
    (2.0, 3.0, 0.7, 5.0),
    (1.1, 3.0, 0.4, 1.05),
    (1.5, 3.0, 0.4, 1.3),
)
"""Tails that a fit begins with: together they lead to the lowest minimum of the 138 spectra of all shipped examples
that is known of each, from two more tails and from Minuit with four; the best three miss one of them, two five."""
NEIGHBOURS = 3.0
"""Ratio of masses whose tails are smoothed together."""
FEWEST = 5
"""Fewest masses that are."""
MIN_EFFECTIVE_EVENTS = 50.0
"""Fewest effective events, (sum w)^2 / sum w^2, that a shape is fitted to."""
MIN_BIN_EVENTS = 10.0
"""Fewest effective events of a bin that enters the chi-squared."""


def effective_events(counts: ArrayLike, variances: ArrayLike) -> float:
    """Return the number of events of weight 1 whose sum is as well known, (sum w)^2 / sum w^2; 0 of none.

    Parameters
    ----------
    counts, variances
        Sums of weights and of squared weights, of the same shape.

    Examples
    --------
    >>> effective_events([2.0, 2.0], [1.0, 3.0])
    4.0
    """
    spread = float(np.sum(variances))
    return float(np.sum(counts)) ** 2 / spread if spread > 0.0 else 0.0


def _checked_spectrum(
    edges: ArrayLike, counts: ArrayLike, variances: ArrayLike, mass: float
) -> tuple[Array, Array, Array]:
    """Return the arrays of a simulated spectrum, or raise as `fit_shape` says."""
    x, n, v = (np.asarray(a, dtype=np.float64) for a in (edges, counts, variances))
    if x.shape != (n.size + 1,) or v.shape != n.shape or not np.all(np.diff(x) > 0.0):
        msg = f"edges {x.shape}, counts {n.shape}, variances {v.shape}: want rising (B + 1,), (B,), (B,)"
        raise InputError(msg)
    if not (np.all(np.isfinite(n)) and np.all(np.isfinite(v)) and np.all(v >= 0.0)):
        msg = f"the spectrum at {mass} GeV has entries that are not finite, or negative variances"
        raise InputError(msg)
    effective = effective_events(n, v)
    if effective < MIN_EFFECTIVE_EVENTS:
        msg = f"{effective:.1f} effective events at {mass} GeV are too few for a shape: want {MIN_EFFECTIVE_EVENTS:.0f}"
        raise InputError(msg)
    return x, n, v


def fit_shape(
    edges: ArrayLike,
    counts: ArrayLike,
    variances: ArrayLike,
    *,
    mass: float,
    tail: Tail = "high",
    axis: MassAxis = SQUARED,
    held: ArrayLike | None = None,
) -> ShapeFit:
    """Return the Crystal Ball plus Gaussian fitted to a weighted spectrum of simulated signal.

    Extended maximum likelihood with weighted counts, at the lowest of the minima that several tails lead to
    (`bumphunt.models.shape_minimum`); the tail parameters stay within `LIMITS`.
    The errors are those of a weighted likelihood: H^-1 K H^-1, where K is the variance of its gradient.

    Parameters
    ----------
    edges
        Bin edges [unit of the axis], rising, shape ``(B + 1,)``.
    counts, variances
        Sums of weights and of squared weights, shape ``(B,)``.
    mass
        Simulated mass [GeV].
    tail
        Side of the radiative tail: "high" for a recoil mass, "low" for an invariant mass.
    axis
        What the spectrum is made of.
    held
        Values at which all parameters but mean and sigma are held, shape ``(4,)``; None fits them too.

    Raises
    ------
    InputError
        If the shapes disagree, a value is not finite, the edges do not rise, or there are fewer than 50 effective
        events.

    References
    ----------
    C. Langenbruch, EPJC 82 (2022) 393, arXiv:1911.01303, eq. 18 (errors of weighted likelihoods).
    """
    x, n, v = _checked_spectrum(edges, counts, variances, mass)
    x, n, v = _joined_empty(x, n, v)
    support, content = (float(x[0]), float(x[-1])), np.maximum(n, 0.0)
    total, scale = float(content.sum()), float(content.sum() / v.sum())  # an event of average weight counts as one

    def expected(p: Array) -> Array:
        cdf = crystal_ball_gaussian_cdf(x, shifted_parameters(mass, p[:6], axis), support, tail=tail)
        return np.maximum(p[6] * total * np.diff(cdf), LEAST_EXPECTED)

    def objective(p: Array) -> float:
        nu = expected(p)
        log_term = np.log(np.divide(content, nu, out=np.ones_like(nu), where=content > 0.0))
        return scale * float(np.sum(nu - content + content * log_term))

    likelihood = ShapeLikelihood(
        expected=expected,
        objective=objective,
        counts=content * scale,
        scale=scale,
        free=np.array([True, True, *[held is None] * 4, True]),
    )
    first = _first_values(x, content, float(axis.position(mass)), tail)
    tails = TAIL_STARTS if held is None else (np.asarray(held, dtype=np.float64),)
    found = likelihood.lowest([np.array([*first, *start, 1.0]) for start in tails])
    p, nu = found.parameters, expected(found.parameters)
    inverse = likelihood.covariance(found)
    covariance = _weighted_covariance(p, inverse, expected, v * scale**2)
    many = (v > 0.0) & (content**2 >= MIN_BIN_EVENTS * v)
    slope = _resolution_slope(p[:6])
    return ShapeFit(
        mass=mass,
        parameters=p[:6],
        errors=np.sqrt(np.maximum(np.diag(covariance), 0.0)),
        resolution=core_half_width(p[:6]),
        resolution_error=float(np.sqrt(max(float(slope @ covariance @ slope), 0.0))),
        support=support,
        tail=tail,
        axis=axis,
        chi2=float(np.sum((content - nu)[many] ** 2 * content[many] / (nu * v)[many])),
        n_dof=int(many.sum()) - int(np.count_nonzero(np.diag(inverse))),
        valid=found.valid,
    )


def _local_lines(place: Array, values: Array) -> Array:
    """Return positive values of shape (M, P) at places (M,), each from a robust line through the logarithms near it.

    NaN says that a place tells nothing of a value; where no place near it does, the result is NaN.
    """
    result = np.full_like(values, np.nan)
    for index, here in enumerate(place):
        distance = np.abs(place - here)
        reach = max(np.log(NEIGHBOURS), float(np.sort(distance)[min(FEWEST, place.size) - 1]))
        near = distance <= reach * (1 + 1e-9)
        for column, all_near in enumerate(values[near].T):
            known = np.isfinite(all_near)
            some, where = all_near[known], place[near][known]
            if some.size < 2:
                result[index, column] = some.mean() if some.size else np.nan
                continue
            line = theilslopes(np.log(some), where)
            # a line through scattered points must not leave them
            result[index, column] = np.clip(np.exp(line.intercept + line.slope * here), some.min(), some.max())
    return result


def _joined_empty(edges: Array, counts: Array, variances: Array) -> tuple[Array, Array, Array]:
    """Return a spectrum with each run of empty bins joined into one: the likelihood is the same, and faster to get."""
    empty = (counts == 0.0) & (variances == 0.0)
    starts = np.flatnonzero(~empty | np.append(True, ~empty[:-1]))
    return np.append(edges[starts], edges[-1]), counts[starts], variances[starts]


def fit_shapes(
    spectra: Sequence[tuple[float, ArrayLike, ArrayLike, ArrayLike]],
    *,
    tail: Tail = "high",
    axis: MassAxis = SQUARED,
    progress: Callable[[int, int], None] | None = None,
) -> list[ShapeFit]:
    """Return shapes whose tails vary smoothly with mass, so that no fluctuation of a tail moves a resolution.

    Every mass is fitted by itself; each of the four parameters beside mean and sigma is replaced by its value on a
    straight line of logarithms, through the fits at masses within a factor of `NEIGHBOURS` (Theil-Sen: the median of
    all slopes, which stray fits do not pull); mean and sigma are fitted again with these held.

    Parameters
    ----------
    spectra
        For each simulated mass: mass [GeV], edges, counts and variances as for `fit_shape`; of one mass
        the tails are its own.
    tail, axis
        As for `fit_shape`.
    progress
        Called after each fit with the number done and of all.

    Raises
    ------
    InputError
        As `fit_shape`, and if there is no mass.

    References
    ----------
    P. K. Sen, J. Am. Stat. Assoc. 63 (1968) 1379.
    """
    if not spectra:
        msg = "there is no simulated mass whose shape could be fitted: want one, or several for smooth tails"
        raise InputError(msg)
    total, free = 2 * len(spectra), []
    for mass, edges, counts, variances in spectra:
        free.append(fit_shape(edges, counts, variances, mass=mass, tail=tail, axis=axis))
        if progress is not None:
            progress(len(free), total)
    masses = np.array([fit.mass for fit in free])
    tails = np.array([fit.parameters[2:] for fit in free])
    tails[tails[:, FRACTION - 2] == HIGHEST[FRACTION], RATIO - 2] = np.nan  # no Gaussian, no width
    smooth = _local_lines(np.log(masses), tails)
    smooth[:, RATIO - 2] = np.where(np.isnan(smooth[:, RATIO - 2]), NO_GAUSSIAN, smooth[:, RATIO - 2])
    smooth = np.clip(smooth, *np.array(LIMITS[2:]).T)
    fits: list[ShapeFit] = []
    for (mass, edges, counts, variances), held in zip(spectra, smooth, strict=True):
        fits.append(fit_shape(edges, counts, variances, mass=mass, tail=tail, axis=axis, held=held))
        if progress is not None:
            progress(len(free) + len(fits), total)
    return fits


def _weighted_covariance(p: Array, inverse: Array, expected: Callable[[Array], Array], variances: Array) -> Array:
    """Return the covariance H^-1 K H^-1 of the shape parameters, shape ``(6, 6)``, from H^-1, shape ``(7, 7)``.

    K = sum_i v_i g_i g_i^T with the gradients g_i of ln nu_i, by differences of a tenth of a standard deviation.
    """
    least = 1e-6 * np.where(np.arange(p.size) < 2, p[1], 1.0)  # of what is held; the first two have a unit
    gradients = np.empty((p.size, variances.size))
    for index in range(p.size):
        step = np.zeros(p.size)
        step[index] = 0.1 * max(np.sqrt(max(inverse.diagonal()[index], 0.0)), least[index])
        low, high = (within_limits(p + sign * step) for sign in (-1.0, 1.0))
        gradients[index] = np.log(expected(high) / expected(low)) / max(high[index] - low[index], 1e-300)
    covariance: Array = (inverse @ (gradients * variances) @ gradients.T @ inverse)[:6, :6]
    return covariance


def _first_values(edges: Array, counts: Array, position: float, tail: Tail) -> Array:
    """Return start values: the median of the spectrum, and its width on the side without a tail."""
    cumulative = np.concatenate([[0.0], np.cumsum(counts)]) / counts.sum()
    lower, middle, upper = np.interp([0.1587, 0.5, 0.8413], cumulative, edges)
    sigma = max(middle - lower if tail == "high" else upper - middle, 0.5 * float(np.diff(edges).min()))
    return np.array([middle - position, 0.8 * sigma])


def _resolution_slope(parameters: Array) -> Array:
    """Return the derivatives of `core_half_width`, shape ``(6,)``, by differences inside the limits."""
    slope = np.zeros(6)
    for index in (1, 4, 5):
        step = 1e-4 * abs(parameters[index])
        moved = np.repeat(parameters[None], 2, axis=0)
        moved[:, index] += [-step, step]
        moved = np.array([within_limits(row) for row in moved])
        slope[index] = (core_half_width(moved[1]) - core_half_width(moved[0])) / (moved[1, index] - moved[0, index])
    return slope
