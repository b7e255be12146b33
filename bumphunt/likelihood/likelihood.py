"""Likelihood: regions put together into one function of named parameters.

`likelihood` turns regions into expected counts nu(theta) in all their bins, with derivatives. Poisson constraints are
further bins with an expectation tau theta; normal constraints have a centre and a precision. Asimov data are then
nothing but other counts and centres. `linear_channel` gives the same model as a `Channel` for the linear engine
where it is linear in its parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import InputError
from bumphunt.likelihood.components import (
    BinFactors,
    Component,
    Computed,
    Exponential,
    LinearFactor,
    MovingPeak,
    PowerFactor,
    Template,
    Term,
    flattened,
    turning,
)
from bumphunt.likelihood.flat import Flat
from bumphunt.likelihood.kernels import evaluate, nll_rows
from bumphunt.likelihood.linear import Channel
from bumphunt.models.background import (
    BackgroundFunction,
    BackgroundModel,
    first_coefficients,
    flat_coefficients,
    integrals,
)
from bumphunt.models.interpolation import Interpolation, odd_and_even
from bumphunt.models.peaks import Peak
from bumphunt.models.region import Region, Sample, histogram, multiplied_template
from bumphunt.models.systematics import (
    ControlRegion,
    Free,
    Gaussian,
    LogNormal,
    PeakPosition,
    PeakWidth,
    PerBin,
    ShapeVariation,
    SpuriousSignal,
    Uncertainty,
)

__all__ = ["EMPTY", "STRENGTH", "Likelihood", "held_at", "likelihood", "linear_channel"]

Array = NDArray[np.float64]

EMPTY = 1e-6
"""Expected events below which a bin of Asimov data is empty: barrier methods leave 1e-10."""
INSIDE = 0.5
"""How far above its floor a parameter is where the linear form is read off."""
DIFFERENCE = 1e-4
"""Step of the derivatives of a function of Python, in units of the first value of its parameter."""
WIDEST = 1e4
"""Standard deviation of the weak constraint of coefficients in an exponent, times how far their terms reach in the
window: a few where the data say what they are. It moves no fit of more than a few events, and keeps coefficients from
running to infinity in others."""
STRENGTH = "strength"
"""Name of the first parameter, the signal strength."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Likelihood:
    """The likelihood of one or several regions.

    Parameters
    ----------
    names
        Names of the parameters, the strength first, P of them.
    counts
        Observed counts: the bins of all regions, then the auxiliary counts of Poisson constraints, shape ``(B,)``.
    n_bins
        Number of bins that belong to regions.
    start
        First values, shape ``(P,)``.
    centres, precisions
        Of the normal constraints, shape ``(P,)``; precision 0 is no constraint.
    measured
        Constraints that stand for a measurement, whose centres fluctuate from one data set to another, shape ``(P,)``;
        the weak ones of an exponential's coefficients do not.
    held
        Parameters that keep their first value, shape ``(P,)``.
    linear
        Whether the expected counts are linear in the parameters, where none is below its floor.
    floors
        Values of the parameters below which a factor of a sample ends at 0, shape ``(P,)``; -inf for none.
    stops
        Free factors of samples, shape ``(P,)``: fits keep them from being negative (`bumphunt.engines.stops`).
    turning
        Parameters in which there may be several minima, see `bumphunt.likelihood.components.turning`.
    regions
        What was described.
    """

    names: tuple[str, ...]
    counts: Array
    n_bins: int
    start: Array
    centres: Array
    precisions: Array
    measured: NDArray[np.bool_]
    held: NDArray[np.bool_]
    linear: bool
    floors: Array
    stops: NDArray[np.bool_]
    turning: NDArray[np.intp]
    regions: tuple[Region, ...]
    components: tuple[Component, ...] = field(repr=False)
    auxiliary: tuple[tuple[int, float], ...] = field(repr=False)
    flat: Flat = field(repr=False)

    @property
    def computed(self) -> tuple[Component, ...]:
        """Components that are functions of Python: they are added to what the compiled code knows."""
        return tuple(component for component in self.components if isinstance(component.shape, Computed))

    @property
    def of_signal(self) -> NDArray[np.bool_]:
        """Which parameters are log-normal factors of the signal alone, so that they change nothing without it, (P,)."""
        own, others = set[int](), set[int]()
        for component in self.components:
            signal = any(isinstance(f, LinearFactor) and f.index == 0 for f in component.factors)
            factors = {f.index for f in component.factors if isinstance(f, PowerFactor)} if signal else set[int]()
            own |= factors
            others |= component.parameters() - factors
        return np.isin(np.arange(self.start.size), list(own - others)) & ~self.held

    def expected(self, theta: ArrayLike) -> Array:
        """Return the expected counts, auxiliary ones included, shape ``(B,)``, at parameters of shape ``(P,)``."""
        return self._evaluated(np.asarray(theta, dtype=np.float64)[None])[0]

    def expected_many(self, theta: Array) -> Array:
        """Return the expected counts at N points, shape ``(N, P)`` to ``(N, B)``."""
        return self._evaluated(np.ascontiguousarray(theta))

    def expected_and_slopes(self, theta: ArrayLike) -> tuple[Array, Array]:
        """Return the expected counts ``(B,)`` and their derivatives ``(P, B)``."""
        slopes = np.zeros((len(self.names), self.counts.size))
        return self._evaluated(np.asarray(theta, dtype=np.float64)[None], slopes)[0], slopes

    def _evaluated(self, theta: Array, slopes: Array | None = None) -> Array:
        """Return the expected counts at N points, ``(N, P)`` to ``(N, B)``; fill the slopes at the last one."""
        nu = np.empty((theta.shape[0], self.counts.size))
        evaluate(self.flat, theta, slopes is not None, nu, np.zeros((0, 0)) if slopes is None else slopes)
        for component in self.computed:
            shape, here = component.shape, slice(component.first, component.last)
            if isinstance(shape, Computed):
                for row, point in zip(nu, theta, strict=True):
                    with np.errstate(invalid="ignore", over="ignore"):  # no number: no place that a fit stays at
                        row[here] += shape.counts(point)
                if slopes is not None:
                    slopes[shape.indices, here] += shape.slopes(theta[-1])
        return nu

    def nll(self, theta: ArrayLike) -> float:
        """Return the negative log-likelihood relative to the saturated model; inf where an expectation is negative."""
        return float(self.nll_many(np.asarray(theta, dtype=np.float64)[None])[0])

    def nll_many(self, theta: Array) -> Array:
        """Return `nll` at N points, shape ``(N, P)`` to ``(N,)``."""
        t, out = np.ascontiguousarray(theta), np.empty(theta.shape[0])
        nll_rows(self.counts, self.centres, self.precisions, t, self._evaluated(t), out)
        return out

    def nll_and_gradient(self, theta: ArrayLike) -> tuple[float, Array, Array]:
        """Return the NLL, its gradient ``(P,)``, and the expected information ``(P, P)``.

        The NLL is inf, and the others NaN, where an expectation is negative, or 0 with counts.
        """
        t = np.asarray(theta, dtype=np.float64)
        value = self.nll(t)
        if not np.isfinite(value):
            return np.inf, np.full(t.size, np.nan), np.full((t.size, t.size), np.nan)
        nu, slopes = self.expected_and_slopes(t)
        inverse = np.divide(1.0, nu, out=np.zeros_like(nu), where=nu > 0.0)
        information = (slopes * inverse) @ slopes.T
        information[np.diag_indices(t.size)] += self.precisions
        gradient = slopes @ (1.0 - self.counts * inverse) + self.precisions * (t - self.centres)
        return value, gradient, information

    def asimov(self, theta: ArrayLike) -> Likelihood:
        """Return the likelihood of Asimov data: counts, auxiliary ones and centres at their expectation.

        Bins at the boundary of negative expectations, where a fit leaves a trifle, are empty.
        """
        t = np.asarray(theta, dtype=np.float64)
        nu = self.expected(t)
        return replace(self, counts=np.where(nu > EMPTY, nu, 0.0), centres=t.copy(), start=t.copy())


def held_at(model: Likelihood, values: Mapping[str, float]) -> Likelihood:
    """Return the likelihood with parameters held at given values.

    Raises
    ------
    InputError
        If there is no parameter of a name.
    """
    held, start, centres = model.held.copy(), model.start.copy(), model.centres.copy()
    for name, value in values.items():
        if name not in model.names:
            msg = f"there is no parameter {name!r} to hold: the likelihood has {model.names}"
            raise InputError(msg)
        index = model.names.index(name)
        held[index], start[index], centres[index] = True, value, value
    return replace(model, held=held, start=start, centres=centres)


class _Parameters:
    """The parameters met so far, by name."""

    def __init__(self) -> None:
        self.index: dict[str, int] = {}
        self.kind: list[str] = []
        self.start: list[float] = []
        self.precision: list[float] = []
        self.auxiliary: dict[int, tuple[float, float]] = {}  # index -> (tau, auxiliary count)

    def add(self, name: str, kind: str, *, start: float = 0.0, precision: float = 0.0) -> int:
        """Return the index of a parameter, which is new or has the same constraint."""
        if name in self.index:
            known = self.kind[self.index[name]]
            if known != kind:
                msg = f"parameter {name!r} is {known} in one place and {kind} in another: give it two names"
                raise InputError(msg)
            return self.index[name]
        self.index[name] = len(self.kind)
        self.kind.append(kind)
        self.start.append(start)
        self.precision.append(precision)
        return self.index[name]

    def normal(self, name: str) -> int:
        """Return the index of a standard normal parameter."""
        return self.add(name, "normal", precision=1.0)

    def counted(self, name: str, tau: float, events: float, start: float) -> int:
        """Return the index of a parameter with an auxiliary count."""
        index = self.add(name, f"constrained by {events:g} events of {tau:g} each", start=start)
        self.auxiliary[index] = (tau, events)
        return index


def likelihood(regions: Region | Sequence[Region]) -> Likelihood:
    """Return the likelihood of one or several regions with a shared signal strength.

    Raises
    ------
    InputError
        If there is no region, two have the same name, a name stands for parameters with different constraints, or an
        uncertainty has another number of bins than its sample.
    """
    several = (regions,) if isinstance(regions, Region) else tuple(regions)
    regions_named = [r.name for r in several]
    if not several or len(set(regions_named)) != len(regions_named):
        msg = f"a fit needs regions with different names, got {regions_named}"
        raise InputError(msg)
    parameters = _Parameters()
    parameters.add(STRENGTH, "the signal strength")
    components: list[Component] = []
    first = 0
    for r in several:
        shared = _simulated(r, parameters)
        for sample in (r.signal, *r.backgrounds):
            strength = (LinearFactor(0, 0.0, 1.0, clipped=False),) if sample is r.signal else ()
            made = _compiled(r, sample, first, parameters, strength, shared)
            names = [sample.name, *[f"{sample.name} (spurious)"] * (len(made) - 1)]
            components.extend(replace(c, sample=name) for c, name in zip(made, names, strict=True))
        first += r.counts.size
    auxiliary = tuple((index, tau) for index, (tau, _) in parameters.auxiliary.items())
    counts = np.concatenate([*(r.counts for r in several), [n for _, n in parameters.auxiliary.values()]])
    start = np.array(parameters.start)
    precisions = np.array(parameters.precision)
    kinds = np.array(parameters.kind)
    weak = (kinds == "free") & (precisions > 0.0)
    of_samples = {f.index for c in components for f in c.factors if isinstance(f, LinearFactor)}
    floors = np.full(start.size, -np.inf)
    for component in components:
        for index, floor in component.floors():
            floors[index] = max(floors[index], floor)
    return Likelihood(
        names=tuple(parameters.index),
        counts=counts,
        n_bins=first,
        start=start,
        centres=np.where(weak, 0.0, start),
        precisions=precisions,
        measured=(precisions > 0.0) & ~weak,
        held=np.zeros(start.size, dtype=np.bool_),
        linear=all(component.linear and not component.reaches_zero for component in components),
        floors=floors,
        stops=(kinds == "free") & np.isin(np.arange(start.size), list(of_samples)),
        turning=turning(components),
        regions=several,
        components=tuple(components),
        auxiliary=auxiliary,
        flat=flattened([c for c in components if not isinstance(c.shape, Computed)], auxiliary, start.size, first),
    )


def _simulated(r: Region, parameters: _Parameters) -> BinFactors | None:
    """Return the factors for the statistical errors of a region's simulated samples, all together."""
    total, variance = np.zeros(r.counts.size), np.zeros(r.counts.size)
    for sample in (r.signal, *r.backgrounds):
        nominal = histogram(sample, r.edges)
        if sample.errors is not None and nominal is not None:
            total += nominal
            variance += (sample.scale * _errors(sample.name, sample.errors, r)) ** 2
    if not np.any(variance > 0.0):
        return None
    return _per_bin(f"mc_{r.name}", total, np.sqrt(variance), r.mc_constraint, parameters)


def _errors(name: str, errors: ArrayLike, r: Region) -> Array:
    """Return errors as an array of the region's bins."""
    array = np.atleast_1d(np.asarray(errors, dtype=np.float64))
    if array.shape != r.counts.shape:
        msg = f"the errors of {name!r} have shape {array.shape}, region {r.name!r} has {r.counts.size} bins"
        raise InputError(msg)
    if not np.all((array >= 0.0) & (array < np.inf)):
        bad = array[~((array >= 0.0) & (array < np.inf))][0]
        msg = f"the errors of {name!r} must be numbers >= 0, found {bad}"
        raise InputError(msg)
    return array


def _per_bin(name: str, nominal: Array, errors: Array, constraint: str, parameters: _Parameters) -> BinFactors:
    """Return one factor a bin, for the bins that have content and an error."""
    bins = np.flatnonzero((errors > 0.0) & (nominal > 0.0))
    indices = []
    for b in bins:
        relative = float(errors[b] / nominal[b])
        if constraint == "poisson":
            indices.append(parameters.counted(f"{name}[{b}]", relative**-2, relative**-2, 1.0))
        else:
            indices.append(parameters.add(f"{name}[{b}]", f"normal {relative}", start=1.0, precision=relative**-2))
    return BinFactors(np.array(indices, dtype=np.intp), bins, clipped=constraint == "normal")


def _compiled(
    r: Region,
    sample: Sample,
    first: int,
    parameters: _Parameters,
    strength: tuple[LinearFactor, ...],
    shared: BinFactors | None,
) -> list[Component]:
    """Return the components of one sample: itself, and a spurious signal."""
    last, nominal = first + r.counts.size, histogram(sample, r.edges)
    if isinstance(sample.shape, BackgroundModel):
        return [Component(first, last, _smooth(r, sample, sample.shape, parameters), ())]
    if isinstance(sample.shape, BackgroundFunction):
        return [Component(first, last, _computed(r, sample, sample.shape, parameters), ())]
    nominal_counts = np.zeros(0) if nominal is None else nominal
    factors: list[LinearFactor | PowerFactor | BinFactors] = list(strength)
    for uncertainty in sample.uncertainties:
        factors.extend(_factor(uncertainty, r, nominal_counts, parameters))
    if shared is not None and sample.errors is not None:
        factors.append(shared)
    scale = sample.scale
    if any(isinstance(u, ControlRegion) and u.alpha is not None for u in sample.uncertainties):
        scale, nominal_counts = scale / nominal_counts.sum(), nominal_counts / nominal_counts.sum()
    shape: Template | MovingPeak
    if isinstance(sample.shape, Peak):
        shape = _moving_peak(sample, sample.shape, scale, r.edges, parameters)
    else:
        shape = _morphed(sample, nominal_counts, scale, parameters)
    components = [Component(first, last, shape, tuple(factors))]
    for uncertainty in sample.uncertainties:
        if isinstance(uncertainty, SpuriousSignal):
            spurious = LinearFactor(parameters.normal(uncertainty.name), 0.0, uncertainty.strength, clipped=False)
            components.append(Component(first, last, Template(nominal_counts), (spurious,)))
    return components


def _factor(
    uncertainty: Uncertainty, r: Region, nominal: Array, parameters: _Parameters
) -> list[LinearFactor | PowerFactor | BinFactors]:
    """Return the factor of an uncertainty that multiplies the sample; none for the others."""
    name = uncertainty.name
    if isinstance(uncertainty, LogNormal):
        exponential = uncertainty.down is None
        interpolation: Interpolation = "piecewise" if exponential else uncertainty.interpolation
        return [PowerFactor(parameters.normal(name), *uncertainty.factors, interpolation)]
    if isinstance(uncertainty, Gaussian):
        return [LinearFactor(parameters.normal(name), 1.0, uncertainty.relative, clipped=True)]
    if isinstance(uncertainty, Free):
        return [LinearFactor(parameters.add(name, "free", start=1.0), 0.0, 1.0, clipped=False)]
    if isinstance(uncertainty, ControlRegion):
        n = uncertainty.events
        if uncertainty.alpha is None:
            return [LinearFactor(parameters.counted(name, n, n, 1.0), 0.0, 1.0, clipped=False)]
        index = parameters.counted(name, 1.0, n, max(n, 0.5))
        return [LinearFactor(index, 0.0, uncertainty.alpha, clipped=False)]
    if isinstance(uncertainty, PerBin):
        errors = _errors(name, uncertainty.errors, r)
        return [_per_bin(name, nominal, errors, uncertainty.constraint, parameters)]
    return []


def _smooth(r: Region, sample: Sample, model: BackgroundModel, parameters: _Parameters) -> Template | Exponential:
    """Return a smooth background: coefficients are scaled to 1 where the family is linear.

    A template that it multiplies is that, times the mean over each bin.
    """
    template, inverse = multiplied_template(sample, r), np.ptp(r.edges) / np.diff(r.edges)
    if template is None:
        first, factors = first_coefficients(model, r.counts, r.edges), np.ones(r.counts.size)
    else:
        ratio = max(float(r.counts.sum()), 1.0) / float(template.sum())
        first, factors = flat_coefficients(model, ratio, r.edges), template * inverse
    scale = np.full(first.size, float(np.abs(first).max())) if model.linear else np.ones(first.size)
    precision = np.zeros(first.size)
    if not model.linear:
        weights, terms = model.nodes(r.edges)
        reach = 0.5 * np.ptp(terms, axis=(0, 1))
        precision = (np.where(reach > 0.0, reach, 1.0) / WIDEST) ** 2
    indices = [
        parameters.add(f"{sample.name}_{r.name}[{k}]", "free", start=float(c), precision=float(precision[k]))
        for k, c in enumerate(first / scale)
    ]
    if not model.linear:
        return Exponential(np.array(indices, dtype=np.intp), weights * factors[:, None], terms)
    rows = integrals(model, first, r.edges)[1] * scale[:, None] * factors
    return Template(np.zeros(r.counts.size), tuple(Term(index, row) for index, row in zip(indices, rows, strict=True)))


def _computed(r: Region, sample: Sample, model: BackgroundFunction, parameters: _Parameters) -> Computed:
    """Return a function of Python: the number of events, in units of those that there are, is its first parameter."""
    template, events = multiplied_template(sample, r), max(float(r.counts.sum()), 1.0)
    factors, name = np.ones(r.counts.size), f"{sample.name}_{r.name}"
    if template is not None:
        factors = template / template.sum() * np.ptp(r.edges) / np.diff(r.edges)
    indices = [parameters.add(f"{name}[events]", "free", start=1.0)]
    indices += [parameters.add(f"{name}[{key}]", "free", start=float(value)) for key, value in model.start.items()]
    steps = [DIFFERENCE * max(abs(float(value)), DIFFERENCE) for value in model.start.values()]
    return Computed(
        function=model.function,
        names=tuple(model.start),
        indices=np.array(indices, dtype=np.intp),
        edges=r.edges,
        factors=factors,
        events=events,
        steps=np.array(steps),
    )


def _morphed(sample: Sample, nominal: Array, scale: float, parameters: _Parameters) -> Template:
    """Return a histogram with its shape variations, which are multiplied with `scale`."""
    terms = []
    for u in sample.uncertainties:
        if not isinstance(u, ShapeVariation):
            continue
        up, down = (np.asarray(side, dtype=np.float64) for side in (u.up, u.up if u.down is None else u.down))
        if up.shape != nominal.shape or down.shape != nominal.shape:
            msg = f"shape variation {u.name!r} has {up.shape} and {down.shape} bins, {sample.name!r} {nominal.shape}"
            raise InputError(msg)
        up = scale * up - nominal
        odd, even = odd_and_even(up, -up if u.down is None else scale * down - nominal)
        straight = np.all(np.abs(even) <= 1e-12 * (np.abs(odd) + nominal.max(initial=0.0)))
        terms.append(Term(parameters.normal(u.name), odd, None if straight else even, u.interpolation))
    return Template(nominal, tuple(terms), clipped=bool(terms))


def _moving_peak(
    sample: Sample, peak: Peak, scale: float, edges: Array, parameters: _Parameters
) -> Template | MovingPeak:
    """Return a peak of `scale` events with uncertain position and width."""
    moves = [u for u in sample.uncertainties if isinstance(u, PeakPosition | PeakWidth)]
    if not moves:
        return Template(scale * peak.fractions(edges))
    return MovingPeak(
        peak=peak,
        events=scale,
        edges=edges,
        indices=np.array([parameters.normal(u.name) for u in moves], dtype=np.intp),
        sizes=np.array([u.shift if isinstance(u, PeakPosition) else np.log1p(u.relative) for u in moves]),
        widths=np.array([isinstance(u, PeakWidth) for u in moves]),
    )


def linear_channel(model: Likelihood) -> Channel:
    """Return a linear likelihood as a `Channel`: auxiliary counts are bins, fixed samples a held template.

    Template k belongs to parameter k + 1; a held template, if there is one, comes last.

    Raises
    ------
    InputError
        If the likelihood is not linear.
    """
    if not model.linear:
        msg = f"the likelihood of {[r.name for r in model.regions]} is not linear in its parameters: use 'newton'"
        raise InputError(msg)
    inside = np.maximum(model.start, model.floors + INSIDE)
    nu, slopes = model.expected_and_slopes(inside)
    offset = nu - inside @ slopes
    offset = np.where(np.abs(offset) <= 1e-12 * np.abs(nu), 0.0, offset)
    some = bool(np.any(offset != 0.0))
    sigmas = np.divide(
        1.0, np.sqrt(model.precisions), out=np.full(len(model.names), np.inf), where=model.precisions > 0.0
    )
    sigmas = np.where(model.held, 0.0, sigmas)[1:]
    return Channel(
        counts=model.counts,
        signal=np.maximum(slopes[0], 0.0),
        templates=np.vstack([slopes[1:], offset[None]]) if some else slopes[1:],
        centres=np.append(model.centres[1:], 1.0) if some else model.centres[1:],
        sigmas=np.append(sigmas, 0.0) if some else sigmas,
    )
