"""Regions as zfit describes them: its densities, yields and constraints, and the loss of unbinned values.

The shapes, their integrals and the extended likelihood are zfit's own code, which makes an unbinned fit by zfit a check
of what the other engines fit. Only backgrounds that are exponentials, or polynomials in ln x, are given to it as
functions.

zfit itself is an argument: it is imported by `bumphunt.engines.zfit` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from bumphunt.errors import InputError
from bumphunt.likelihood.likelihood import STRENGTH, Likelihood
from bumphunt.models.background import BackgroundModel, basis_cdf, bernstein_term, first_coefficients
from bumphunt.models.exponents import combination, fixed_factor, raw_terms
from bumphunt.models.interpolation import interpolated_factor
from bumphunt.models.peaks import Peak
from bumphunt.models.region import Region, Sample
from bumphunt.models.systematics import (
    ControlRegion,
    Free,
    Gaussian,
    LogNormal,
    PeakPosition,
    PeakWidth,
    SpuriousSignal,
    Uncertainty,
)

__all__ = ["unbinned_loss"]

WHOLE_LINE = (-1e100, 1e100)
"""What zfit's Crystal Ball takes for infinite without NaN."""


def unbinned_loss(
    zfit: Any, regions: Sequence[Region], model: Likelihood, parameters: Sequence[Any], count: Any
) -> Any:
    """Return zfit's extended unbinned loss of the values of regions, with the constraints of a likelihood.

    Parameters
    ----------
    zfit
        The module.
    regions
        Described with values, of which there is one at least.
    model
        Their likelihood, whose constraints and empty bins are used.
    parameters
        zfit's parameters, in the order of the likelihood's.
    count
        zfit's parameter for the count that each empty bin is given, to keep its expectation positive; 0 for none.

    Raises
    ------
    InputError
        If zfit cannot describe a region.
    """
    for r in regions:
        _check_supports(r)
    by_name = dict(zip(model.names, parameters, strict=True))
    densities, data, constraints = [], [], _constraints(zfit, model, parameters)
    for r in regions:
        space = zfit.Space(f"x_{r.name}", limits=(float(r.edges[0]), float(r.edges[-1])))
        parts = [part for sample in (r.signal, *r.backgrounds) for part in _parts(zfit, space, r, sample, by_name)]
        density, values = zfit.pdf.SumPDF(parts) if len(parts) > 1 else parts[0], np.asarray(r.values)
        if values.size > 0:
            densities.append(density)
            data.append(zfit.Data.from_numpy(obs=space, array=values))
        else:  # of which zfit would take a logarithm: only the integral is left of the likelihood
            constraints.append(zfit.constraint.SimpleConstraint(density.get_yield().value, list(parameters)))
    constraints.append(_barrier(zfit, model, parameters, count))
    return zfit.loss.ExtendedUnbinnedNLL(densities, data, constraints=constraints)


def _check_supports(r: Region) -> None:
    """Raise if a sample has no density, or one that ends inside the region."""
    for sample in (r.signal, *r.backgrounds):
        if not isinstance(sample.shape, Peak | BackgroundModel) or sample.template is not None:
            msg = f"sample {sample.name!r} of region {r.name!r} is a histogram, or no density that zfit could be given"
            raise InputError(msg)
        if isinstance(sample.shape, Peak) and sample.shape.family == "breit_wigner":
            msg = f"zfit has no relativistic Breit-Wigner with a resolution, which {sample.name!r} is: use 'newton'"
            raise InputError(msg)
        support = (-np.inf, np.inf) if isinstance(sample.shape, BackgroundModel) else sample.shape.support
        if support[0] > r.edges[0] or support[1] < r.edges[-1]:
            msg = (
                f"the support {support} of {sample.name!r} ends inside region {r.name!r}: zfit is not given such a peak"
            )
            raise InputError(msg)


def _numpy_function(function: Callable[..., np.float64], arguments: Sequence[Any]) -> Any:
    """Return a number computed outside of TensorFlow's graphs: it has no gradient, the minimiser finds its own."""
    from tensorflow import numpy_function  # as zfit, not needed by anything else

    return numpy_function(function, list(arguments), np.float64)


def _composed(zfit: Any, name: str, function: Callable[[Mapping[str, Any]], Any], parameters: Mapping[str, Any]) -> Any:
    """Return a parameter that is a function of others; the number itself if there are none."""
    if not parameters:
        return float(np.squeeze(function({})))
    return zfit.ComposedParameter(name, function, params=dict(parameters), unpack_params=False)


def _parts(zfit: Any, space: Any, r: Region, sample: Sample, by_name: Mapping[str, Any]) -> list[Any]:
    """Return the extended densities of a sample."""
    if isinstance(sample.shape, BackgroundModel):
        return [_background(zfit, space, r, sample.name, sample.shape, by_name)]
    if not isinstance(sample.shape, Peak):
        return []
    used = {u.name: by_name[u.name] for u in sample.uncertainties if not isinstance(u, SpuriousSignal)}
    scale = sample.scale
    for u in sample.uncertainties:
        if isinstance(u, ControlRegion) and u.alpha is not None:
            scale = 1.0 / float(sample.shape.fractions([r.edges[0], r.edges[-1]]).sum())
    if sample is r.signal:
        used[STRENGTH] = by_name[STRENGTH]

    def events(values: Mapping[str, Any]) -> Any:
        factor = scale * values.get(STRENGTH, 1.0)
        for u in sample.uncertainties:
            factor = factor * _factor(zfit, u, values.get(u.name))
        return factor

    moves = [u for u in sample.uncertainties if isinstance(u, PeakPosition | PeakWidth)]
    parts = _peak(zfit, space, f"{sample.name}_{r.name}", sample.shape, moves, used, events)
    for u in sample.uncertainties:
        if isinstance(u, SpuriousSignal):

            def spurious(values: Mapping[str, Any], u: SpuriousSignal = u) -> Any:
                return scale * u.strength * values[u.name]

            parts += _peak(zfit, space, f"{u.name}_{r.name}", sample.shape, [], {u.name: by_name[u.name]}, spurious)
    return parts


def _factor(zfit: Any, u: Uncertainty, theta: Any) -> Any:
    """Return what an uncertainty multiplies the sample with."""
    if isinstance(u, Gaussian):
        return zfit.z.numpy.maximum(1.0 + u.relative * theta, 0.0)
    if isinstance(u, Free):
        return theta
    if isinstance(u, ControlRegion):
        return theta * (1.0 if u.alpha is None else u.alpha)
    if isinstance(u, LogNormal):
        if u.down is None:
            return zfit.z.numpy.exp(theta * np.log1p(u.relative))
        up, down = u.factors
        return _numpy_function(
            lambda t: np.float64(interpolated_factor(float(t), up, down, u.interpolation)[0]), [theta]
        )
    return 1.0


def _peak(
    zfit: Any,
    space: Any,
    name: str,
    peak: Peak,
    moves: Sequence[PeakPosition | PeakWidth],
    used: Mapping[str, Any],
    events: Callable[[Mapping[str, Any]], Any],
) -> list[Any]:
    """Return the densities of a peak, each with the events that are inside the region as its yield."""
    moving = {u.name: used[u.name] for u in moves}

    def mean(values: Mapping[str, Any]) -> Any:
        return peak.mean + sum((u.shift * values[u.name] for u in moves if isinstance(u, PeakPosition)), 0.0)

    def sigma(values: Mapping[str, Any]) -> Any:
        log = sum((np.log1p(u.relative) * values[u.name] for u in moves if isinstance(u, PeakWidth)), 0.0)
        return peak.sigma * zfit.z.numpy.exp(log)

    mu = _composed(zfit, f"mean_{name}", mean, moving)
    width = _composed(zfit, f"sigma_{name}", sigma, moving)
    whole = zfit.Space(space.obs[0], limits=WHOLE_LINE if peak.family != "crystal_ball_gaussian" else peak.support)
    place, tails = {"mu": mu, "obs": space}, peak.parameters[2:]
    if peak.family == "gaussian":
        shapes = [(1.0, zfit.pdf.Gauss, {"sigma": width})]
    elif peak.family == "voigt":
        half = 0.5 * tails[0] / peak.sigma  # zfit's gamma is half the width
        gamma = _composed(zfit, f"gamma_{name}", lambda values: half * sigma(values), moving)
        place["m"] = place.pop("mu")
        shapes = [(1.0, zfit.pdf.Voigt, {"sigma": width, "gamma": gamma})]
    elif peak.family == "two_sided_crystal_ball":
        two = dict(zip(("alphal", "nl", "alphar", "nr"), tails, strict=True))
        shapes = [(1.0, zfit.pdf.DoubleCB, {"sigma": width, **two})]
    else:
        alpha = tails[0] if peak.tail == "low" else -tails[0]
        fraction = 1.0 if peak.family == "crystal_ball" else tails[2]
        shapes = [(fraction, zfit.pdf.CrystalBall, {"sigma": width, "alpha": alpha, "n": tails[1]})]
        if peak.family == "crystal_ball_gaussian":
            wide = _composed(zfit, f"wide_{name}", lambda values: tails[3] * sigma(values), moving)
            shapes.append((1.0 - fraction, zfit.pdf.Gauss, {"sigma": wide}))
    parts = []
    for k, (fraction, family, shape) in enumerate(shapes):
        bare = family(**shape, **place)

        def inside(fraction: float = fraction, bare: Any = bare) -> Any:
            part = bare.integrate(limits=space, norm=False)
            if peak.family != "voigt":  # which has no integral of the whole line, but one of 1
                part = part / bare.integrate(limits=whole, norm=False)
            return fraction * part[0]

        content = None if moves else float(inside())

        def expected(values: Mapping[str, Any], content: float | None = content, inside: Any = inside) -> Any:
            return events(values) * (inside() if content is None else content)

        parts.append(family(**shape, **place, extended=_composed(zfit, f"events_{name}_{k}", expected, used)))
    return parts


def _background(zfit: Any, space: Any, r: Region, name: str, model: BackgroundModel, by_name: Mapping[str, Any]) -> Any:
    """Return a smooth background, with its integral over the region as its yield."""
    coefficients = {f"c{k}": by_name[f"{name}_{r.name}[{k}]"] for k in range(model.n_coefficients)}
    support, label = (float(r.edges[0]), float(r.edges[-1])), f"events_{name}_{r.name}"
    if not model.linear:
        density = _exponential(zfit, r, model, list(coefficients))
        bare = zfit.pdf.SimplePDF(obs=space, func=density, **coefficients)
        events = _composed(zfit, label, lambda _: bare.integrate(limits=space, norm=False)[0], coefficients)
        return zfit.pdf.SimplePDF(obs=space, func=density, extended=events, **coefficients)
    unit = float(np.abs(first_coefficients(model, r.counts, r.edges)).max())
    terms = unit * basis_cdf(model, support[1], support)

    def total(values: Mapping[str, Any]) -> Any:
        return sum(term * values[key] for key, term in zip(coefficients, terms, strict=True))

    events = _composed(zfit, label, total, coefficients)
    if model.family == "logarithmic":

        def polynomial(self: Any, x: Any) -> Any:
            u = zfit.z.numpy.log(zfit.z.unstack_x(x) / support[0]) / np.log(support[1] / support[0])
            return sum(self.params[key] * bernstein_term(k, model.order, u) for k, key in enumerate(coefficients))

        return zfit.pdf.SimplePDF(obs=space, func=polynomial, extended=events, **coefficients)
    if model.family == "bernstein":
        return zfit.pdf.Bernstein(obs=space, coeffs=list(coefficients.values()), extended=events)
    ratios = []  # zfit keeps a coefficient of order 0 at the value that it had first
    for k in range(1, model.order + 1):
        pair = {"c0": coefficients["c0"], "ck": coefficients[f"c{k}"]}
        ratios.append(_composed(zfit, f"ratio_{k}_{label}", lambda values: values["ck"] / values["c0"], pair))
    return zfit.pdf.Chebyshev(obs=space, coeffs=ratios, extended=events)


def _exponential(zfit: Any, r: Region, model: BackgroundModel, keys: Sequence[str]) -> Callable[[Any, Any], Any]:
    """Return the density of a background that is an exponential, for zfit's `SimplePDF`."""
    support, end = (float(r.edges[0]), float(r.edges[-1])), np.nan if model.end is None else model.end
    mixed, znp = combination(model.family, model.order, end, r.edges), zfit.z.numpy
    side, stand_in = (1.0, support[1]) if model.family == "threshold" else (-1.0, support[0])

    def density(self: Any, x: Any) -> Any:
        place = zfit.z.unstack_x(x)
        inside = znp.ones_like(place) > 0.0 if model.end is None else side * (place - end) > 0.0
        where = znp.where(inside, place, stand_in)  # beyond the end there is no logarithm
        terms = raw_terms(model.family, model.order, end, support, where, znp)
        exponent = sum(
            self.params[key] * sum(mixed[j, k] * term for j, term in enumerate(terms)) for k, key in enumerate(keys)
        )
        value = fixed_factor(model.family, model.order, end, where, znp) * znp.exp(exponent) / (support[1] - support[0])
        return znp.where(inside, value, 0.0)

    return density


def _constraints(zfit: Any, model: Likelihood, parameters: Sequence[Any]) -> list[Any]:
    """Return the normal constraints, and those by auxiliary counts."""
    found = [
        zfit.constraint.GaussianConstraint(p, observation=float(centre), sigma=float(precision**-0.5))
        for p, centre, precision in zip(parameters, model.centres, model.precisions, strict=True)
        if precision > 0.0
    ]
    for (index, tau), events in zip(model.auxiliary, model.counts[model.n_bins :], strict=True):

        def poisson(values: Mapping[str, Any], tau: float = tau, events: float = float(events)) -> Any:
            mean = tau * values["theta"]  # zfit's own constraint takes the parameter for the count
            return mean - events * zfit.z.numpy.log(mean) if events > 0.0 else mean

        found.append(zfit.constraint.SimpleConstraint(poisson, {"theta": parameters[index]}))
    return found


def _barrier(zfit: Any, model: Likelihood, parameters: Sequence[Any], count: Any) -> Any:
    """Return minus the count times the sum of ln nu over the empty bins; NaN where one is not positive."""
    empty = model.counts == 0.0

    def value(weight: float, *theta: float) -> np.float64:
        if weight == 0.0:
            return np.float64(0.0)
        nu = model.expected(np.array(theta))[empty]
        return np.float64(-weight * np.sum(np.log(nu)) if np.all(nu > 0.0) else np.nan)

    return zfit.constraint.SimpleConstraint(
        lambda values: _numpy_function(value, list(values.values())),
        {f"theta_{k}": p for k, p in enumerate([count, *parameters])},
    )
