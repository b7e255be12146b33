"""Components of a likelihood: the counts of one sample in its bins, as a shape times factors.

`bumphunt.likelihood.likelihood` makes them of samples and their uncertainties. They hold data and no functions:
`flattened` lays them out in the arrays that the compiled code works on (`bumphunt.likelihood.flat`).

==============  =======================================================================================
`Template`      a histogram, plus terms of one parameter each: odd theta + even g(theta); that of a sample ends at 0
`Exponential`   the integrals of an exponential of terms times coefficients
`MovingPeak`    the integrals of a peak whose position and width have parameters
`Computed`      the integrals of a function of Python, which no compiled code knows
==============  =======================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bumphunt.likelihood.flat import (
    BINS,
    CLIPPED,
    EXPONENTIAL,
    FACTOR_CLIPPED,
    KIND,
    LINEAR,
    PEAK,
    POWER,
    TEMPLATE,
    Flat,
)
from bumphunt.models.exponents import NODES, WEIGHTS
from bumphunt.models.interpolation import Interpolation, power_values
from bumphunt.models.peaks import Peak

__all__ = [
    "BinFactors",
    "Component",
    "Computed",
    "Exponential",
    "LinearFactor",
    "MovingPeak",
    "PowerFactor",
    "Template",
    "Term",
    "flattened",
    "turning",
]

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
Flags = NDArray[np.bool_]

REACH = 10.0
"""Distance of normal parameters from their centres that no fit reaches [standard deviations]."""
TABLE_STEP = 1.0 / 64.0
"""Step of the table of a peak's cumulative distribution, in asinh of the distance in widths: relative error 1e-9."""
TABLE_MARGIN = 1e3
"""How far beyond the edges the table reaches, in their distance from the peak."""


@dataclass(frozen=True, slots=True)
class LinearFactor:
    """The factor constant + slope theta; where that is clipped, it ends at 0."""

    index: int
    constant: float
    slope: float
    clipped: bool


@dataclass(frozen=True, slots=True)
class PowerFactor:
    """A log-normal factor."""

    index: int
    up: float
    down: float
    interpolation: Interpolation


@dataclass(frozen=True, slots=True)
class BinFactors:
    """One factor a bin: bin ``bins[k]`` of the region is multiplied with parameter ``indices[k]``.

    Clipped ones end at 0; those with an auxiliary count cannot be negative anyway.
    """

    indices: Indices
    bins: Indices
    clipped: bool


@dataclass(frozen=True, slots=True)
class Term:
    """What one parameter adds to a template: odd theta + even g(theta), both ``(b,)``; see `odd_and_even`.

    Without an even part the term is linear.
    """

    index: int
    odd: Array
    even: Array | None = None
    interpolation: Interpolation = "smooth"


@dataclass(frozen=True, slots=True)
class Template:
    """A histogram ``(b,)`` and the terms that are added to it; where the sum is clipped, it ends at 0 in each bin."""

    histogram: Array
    terms: tuple[Term, ...] = ()
    clipped: bool = False


@dataclass(frozen=True, slots=True)
class Exponential:
    """The sums over the points q of bin i of weights[i, q] exp(sum_k theta_k terms[i, q, k]).

    Weights have the shape ``(b, Q)``, terms ``(b, Q, K)``; ``indices[k]`` is the parameter theta_k.
    """

    indices: Indices
    weights: Array
    terms: Array


@dataclass(frozen=True, slots=True)
class Computed:
    """A function of Python over bins with these edges ``(b + 1,)``, normalised over them, times `factors` ``(b,)``.

    Parameter ``indices[0]`` is the number of events in units of `events`, the others are those of the function by
    `names`, whose derivatives are differences over `steps`.
    """

    function: Callable[..., Any]
    names: tuple[str, ...]
    indices: Indices
    edges: Array
    factors: Array
    events: float
    steps: Array

    def counts(self, theta: Array) -> Array:
        """Return the expected counts ``(b,)`` at all parameters of the likelihood; -inf where the function is none."""
        half = 0.5 * np.diff(self.edges)[:, None]
        x = 0.5 * (self.edges[1:] + self.edges[:-1])[:, None] + half * NODES
        values = dict(zip(self.names, theta[self.indices[1:]].tolist(), strict=True))
        with np.errstate(all="ignore"):
            density = np.asarray(self.function(x.ravel(), **values), dtype=np.float64)
        density = np.broadcast_to(density, (x.size,)).reshape(x.shape)
        content = (WEIGHTS * half * density).sum(axis=1)
        total = float(content.sum())
        if not (np.all(density >= 0.0) and 0.0 < total < np.inf):
            return np.full(content.size, -np.inf)
        return np.asarray(theta[self.indices[0]] * self.events * self.factors * content / total)

    def slopes(self, theta: Array) -> Array:
        """Return the derivatives in its own parameters, ``(K, b)``."""
        rows = []
        for index, step in zip(self.indices, [1.0, *self.steps], strict=True):
            moved = theta.copy()
            if index == self.indices[0]:  # which is linear
                moved[index] = 1.0
                rows.append(self.counts(moved))
                continue
            moved[index] = theta[index] + step
            high = self.counts(moved)
            moved[index] = theta[index] - step
            with np.errstate(invalid="ignore"):
                rows.append((high - self.counts(moved)) / (2.0 * step))
        return np.array(rows)


@dataclass(frozen=True, slots=True)
class MovingPeak:
    """A peak of `events` over bins with these edges ``(b + 1,)``.

    Parameter ``indices[k]`` moves it by ``sizes[k]`` theta or, where ``widths[k]``, multiplies its width with
    exp(sizes[k] theta).
    """

    peak: Peak
    events: float
    edges: Array
    indices: Indices
    sizes: Array
    widths: Flags


@dataclass(frozen=True, slots=True)
class Component:
    """Bins from `first` up to `last`: a shape times factors; of which sample, is not asked by any engine."""

    first: int
    last: int
    shape: Template | Exponential | MovingPeak | Computed
    factors: tuple[LinearFactor | PowerFactor | BinFactors, ...]
    sample: str = ""

    @property
    def linear(self) -> bool:
        """Whether the component is linear in all parameters together."""
        if not isinstance(self.shape, Template) or any(term.even is not None for term in self.shape.terms):
            return False
        varying = len(self.factors) + (len(self.shape.terms) > 0)
        return varying <= 1 and not any(isinstance(f, PowerFactor) for f in self.factors)

    @property
    def content(self) -> Array:
        """What is expected about where the fit starts, in each bin, ``(b,)``; 1 where that is nothing, or not known."""
        if isinstance(self.shape, Template):
            return np.where(self.shape.histogram > 0.0, self.shape.histogram, 1.0)
        return np.full(self.last - self.first, self.shape.events if isinstance(self.shape, MovingPeak) else 1.0)

    @property
    def reaches_zero(self) -> bool:
        """Whether some bin of a clipped template ends at 0 within `REACH` standard deviations of its parameters."""
        if not isinstance(self.shape, Template) or not self.shape.clipped:
            return False
        spread = np.sqrt(sum((term.odd**2 for term in self.shape.terms), np.zeros_like(self.shape.histogram)))
        return bool(np.any((spread > 0.0) & (self.shape.histogram < REACH * spread)))

    def parameters(self) -> set[int]:
        """Return all parameters that the component depends on."""
        found = {
            int(i) for f in self.factors for i in np.atleast_1d(f.indices if isinstance(f, BinFactors) else f.index)
        }
        if isinstance(self.shape, Template):
            return found | {term.index for term in self.shape.terms}
        return found | {int(index) for index in self.shape.indices}

    def floors(self) -> list[tuple[int, float]]:
        """Return parameters, and the values below which a factor of them ends at 0."""
        found = []
        for factor in self.factors:
            if isinstance(factor, LinearFactor) and factor.clipped:
                found.append((factor.index, -factor.constant / factor.slope))
            elif isinstance(factor, BinFactors) and factor.clipped:
                found.extend((int(index), 0.0) for index in factor.indices)
        return found


class _Layout:
    """The arrays of a `Flat` that grow with each component."""

    def __init__(self) -> None:
        self.values: list[Array] = []
        self.size = 0
        self.bins: list[Indices] = []
        self.n_bins, self.n_nodes = 0, 0
        self.components: list[tuple[int, ...]] = []
        self.terms: list[tuple[int, int, int, int]] = []
        self.factors: list[tuple[int, int, int, int]] = []

    def put(self, values: Array) -> int:
        """Return where values begin once they are added."""
        self.values.append(np.asarray(values, dtype=np.float64).ravel())
        self.size += self.values[-1].size
        return self.size - self.values[-1].size

    def add(self, component: Component) -> None:
        """Add a component."""
        shape, n_terms, n_factors, clipped = component.shape, len(self.terms), len(self.factors), -1
        if isinstance(shape, Template):
            kind, base = TEMPLATE, self.put(shape.histogram)
            if shape.clipped:
                moved = [(t.odd != 0.0) | (t.even is not None and t.even != 0.0) for t in shape.terms]
                clipped = self.put(np.any(moved, axis=0))
            for term in shape.terms:
                even = -1 if term.even is None else self.put(term.even)
                self.terms.append((term.index, self.put(term.odd), even, int(term.interpolation == "smooth")))
        elif isinstance(shape, Exponential):
            kind, base = EXPONENTIAL, self.put(shape.weights.T)
            self.terms.extend((int(p), self.put(shape.terms[..., k].T), -1, 0) for k, p in enumerate(shape.indices))
        elif isinstance(shape, Computed):
            msg = f"the function with parameters {shape.names} is no part of what is laid out"
            raise TypeError(msg)
        else:
            kind, base = PEAK, self.put(_peak_table(shape))
            for p, size, width in zip(shape.indices, shape.sizes, shape.widths, strict=True):
                self.terms.append((int(p), self.put(np.array([size])), -1, int(width)))
        for factor in component.factors:
            self.factors.append(self._factor(factor, component))
        self.components.append(
            (
                component.first,
                component.last,
                kind,
                base,
                n_terms,
                len(self.terms),
                n_factors,
                len(self.factors),
                clipped,
                self.n_nodes,
                shape.weights.shape[1] if isinstance(shape, Exponential) else 0,
            )
        )
        self.n_nodes += shape.weights.size if isinstance(shape, Exponential) else 0

    def _factor(
        self, factor: LinearFactor | PowerFactor | BinFactors, component: Component
    ) -> tuple[int, int, int, int]:
        """Return kind, parameter and place of a factor, and whether it ends at 0."""
        n_bins, content = component.last - component.first, component.content
        if isinstance(factor, LinearFactor):
            values = np.array([factor.constant, factor.slope, 1.0 / content.max()])
            return LINEAR, factor.index, self.put(values), int(factor.clipped)
        if isinstance(factor, PowerFactor):
            smooth = float(factor.interpolation == "smooth")
            return POWER, factor.index, self.put(np.append(smooth, power_values(factor.up, factor.down))), 0
        row = np.full(n_bins, -1, dtype=np.int64)
        row[factor.bins] = factor.indices
        self.bins.append(row)
        self.n_bins += n_bins
        return BINS, self.put(1.0 / content), self.n_bins - n_bins, int(factor.clipped)


def _peak_table(shape: MovingPeak) -> Array:
    """Return a moving peak as the compiled code reads it: header, edges, and for each part events and a table."""
    peak, edges = shape.peak, np.asarray(shape.edges, dtype=np.float64)
    bounded = bool(np.all(np.isfinite(peak.support)))
    ends = np.array(peak.support) if bounded else np.zeros(2)
    clipped = np.clip(edges, *peak.support)
    far = float(np.abs(np.append(clipped, ends if bounded else clipped[0]) - peak.mean).max()) / peak.sigma
    half = int(np.ceil(np.arcsinh(TABLE_MARGIN * max(far, 1.0)) / TABLE_STEP))
    t = TABLE_STEP * np.arange(-half, half + 1)
    x = peak.mean + peak.sigma * np.sinh(t)
    parts = []
    for weight, part in peak.parts(float(x[0]), float(x[-1])):
        slope = part.pdf(x) * peak.sigma * np.cosh(t) * TABLE_STEP
        parts.append(np.concatenate([[weight * shape.events], np.column_stack([part.cdf(x), slope]).ravel()]))
    header = [peak.mean, peak.sigma, half * TABLE_STEP, 1.0 / TABLE_STEP, t.size, len(parts), float(bounded)]
    return np.concatenate([header, clipped, ends, *parts])


def flattened(
    components: Sequence[Component], auxiliary: Sequence[tuple[int, float]], n_parameters: int, n_bins: int
) -> Flat:
    """Return a likelihood laid out in arrays.

    Parameters
    ----------
    components
        All of them but those that are computed by Python.
    auxiliary
        Parameter, and expectation per unit of it, of each auxiliary count; these follow the bins.
    n_parameters, n_bins
        How many there are.
    """
    layout = _Layout()
    for component in components:
        layout.add(component)
    row, tau = np.full(n_parameters, -1, dtype=np.int64), np.zeros(n_parameters)
    for k, (index, expectation) in enumerate(auxiliary):
        row[index], tau[index] = n_bins + k, expectation
    touched, kinked = _touched(components, n_parameters, n_bins)
    of_bins = np.isin(np.arange(n_parameters), _indices_of_bins(components))  # these always have a constraint
    local = of_bins & (touched.sum(axis=1) == 1)
    dense, at_home = np.flatnonzero(~local), np.flatnonzero(local)
    place = np.full(n_parameters, -1, dtype=np.int64)
    place[dense] = np.arange(dense.size)
    homes = touched[at_home].argmax(axis=1) if at_home.size else np.zeros(0, dtype=np.int64)
    order = np.argsort(homes, kind="stable")
    spans = np.zeros((dense.size, 3), dtype=np.int64)
    for m, p in enumerate(dense):
        bins = np.flatnonzero(touched[p])
        spans[m] = (p, bins[0], bins[-1] + 1) if bins.size else (p, 0, 0)
    table = np.array(layout.components, dtype=np.int64).reshape(-1, 11)
    factors = np.array(layout.factors, dtype=np.int64).reshape(-1, 4)
    return Flat(
        components=table,
        terms=np.array(layout.terms, dtype=np.int64).reshape(-1, 4),
        factors=factors,
        values=np.concatenate([np.zeros(0), *layout.values]),
        bins=np.concatenate([np.zeros(0, dtype=np.int64), *layout.bins]),
        parameters=np.column_stack([row, place, kinked]).astype(np.int64),
        tau=tau,
        dense=spans,
        at_home=at_home[order].astype(np.int64),
        home=np.searchsorted(homes[order], np.arange(n_bins + 1)).astype(np.int64),
        clips=bool(np.any(table[:, CLIPPED] >= 0) or np.any(factors[:, FACTOR_CLIPPED] > 0)),
        exponential=bool(np.any(table[:, KIND] == EXPONENTIAL)),
        n_bins=n_bins,
        n_rows=n_bins + len(auxiliary),
    )


def _indices_of_bins(components: Sequence[Component]) -> Indices:
    """Return the parameters that are factors of single bins."""
    found = [f.indices for c in components for f in c.factors if isinstance(f, BinFactors)]
    return np.unique(np.concatenate([np.zeros(0, dtype=np.intp), *found]))


def _touched(components: Sequence[Component], n_parameters: int, n_bins: int) -> tuple[Flags, Flags]:
    """Return which bins a parameter changes, ``(P, b)``; and which have a kink at 0, ``(P,)``."""
    touched = np.zeros((n_parameters, n_bins), np.bool_)
    kinked = np.zeros(n_parameters, np.bool_)
    for component in components:
        here = slice(component.first, component.last)
        for factor in component.factors:
            if isinstance(factor, BinFactors):
                touched[factor.indices, component.first + factor.bins] = True
                continue
            touched[factor.index, here] = True
            if isinstance(factor, PowerFactor) and factor.interpolation == "piecewise":
                kinked[factor.index] |= abs(np.log(factor.up) + np.log(factor.down)) > 1e-12
        if isinstance(component.shape, Template):
            for term in component.shape.terms:
                touched[term.index, here] = True
                kinked[term.index] |= term.even is not None and term.interpolation == "piecewise"
        else:
            touched[component.shape.indices, here] = True
    return touched, kinked


def turning(components: Sequence[Component]) -> Indices:
    """Return the parameters in which the NLL may have several minima, rising.

    They move some bin to the same side at +1 and -1, or move a peak, or act in the same bins in several ways, or take a
    template to its end at 0.
    """
    found: set[int] = set()
    ways: dict[int, list[tuple[int, int, float]]] = {}
    for component in components:
        for factor in component.factors:
            if isinstance(factor, PowerFactor):
                sides = np.sign([factor.up - 1.0, 1.0 - factor.down])
                if sides[0] != sides[1]:
                    found.add(factor.index)
                ways.setdefault(factor.index, []).append((component.first, component.last, float(sides[0])))
            elif isinstance(factor, LinearFactor) and factor.constant != 0.0:
                ways.setdefault(factor.index, []).append((component.first, component.last, 1.0))
        if isinstance(component.shape, Template):
            for term in component.shape.terms:
                ways.setdefault(term.index, []).append((component.first, component.last, 0.0))
                if term.even is not None and np.any(8.0 * np.abs(term.even) > np.abs(term.odd)):
                    found.add(term.index)
                if component.reaches_zero:
                    found.add(term.index)
        elif isinstance(component.shape, MovingPeak):
            found.update(int(index) for index in component.shape.indices)
    for index, uses in ways.items():
        for k, (first, last, side) in enumerate(uses):
            if any(a < last and first < b and (side != other or side == 0.0) for a, b, other in uses[:k]):
                found.add(index)
    return np.array(sorted(found), dtype=np.intp)
