"""Components of a likelihood: the counts of one sample in its bins, as a shape times factors, with derivatives.

`bumphunt.models.likelihood` makes them of samples and their uncertainties, and adds them up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bumphunt.models.systematics import Interpolation, interpolated_factor

__all__ = ["BinFactors", "Component", "LinearFactor", "PowerFactor", "Shape"]

Array = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class LinearFactor:
    """The factor constant + slope theta."""

    index: int
    constant: float
    slope: float

    def __call__(self, theta: Array) -> tuple[Array, Array]:
        """Return the factor, and its derivative, at parameters ``(P,)``."""
        return np.asarray(self.constant + self.slope * theta[self.index]), np.asarray(self.slope)

    def many(self, theta: Array) -> Array:
        """Return the factors ``(N, 1)`` at N points ``(N, P)``."""
        return self.constant + self.slope * theta[:, self.index, None]


@dataclass(frozen=True, slots=True)
class PowerFactor:
    """A log-normal factor."""

    index: int
    up: float
    down: float
    interpolation: Interpolation

    def __call__(self, theta: Array) -> tuple[Array, Array]:
        """Return the factor, and its derivative, at parameters ``(P,)``."""
        value, slope = interpolated_factor(float(theta[self.index]), self.up, self.down, self.interpolation)
        return np.asarray(value), np.asarray(slope)

    def many(self, theta: Array) -> Array:
        """Return the factors ``(N, 1)`` at N points ``(N, P)``."""
        column = theta[:, self.index]
        if self.interpolation == "piecewise":
            log = np.where(column >= 0.0, np.log(self.up), -np.log(self.down))
            return np.asarray(np.exp(np.minimum(column * log, 700.0)))[:, None]
        return np.array([[interpolated_factor(float(t), self.up, self.down, self.interpolation)[0]] for t in column])


@dataclass(frozen=True, slots=True)
class BinFactors:
    """One factor a bin: bin ``bins[k]`` of the region is multiplied with parameter ``indices[k]``."""

    indices: Indices
    bins: Indices
    n_bins: int

    def __call__(self, theta: Array) -> tuple[Array, Array]:
        """Return the factor, and its derivative, at parameters ``(P,)``."""
        value = np.ones(self.n_bins)
        value[self.bins] = theta[self.indices]
        return value, np.ones(self.n_bins)

    def many(self, theta: Array) -> Array:
        """Return the factors ``(N, b)`` at N points ``(N, P)``."""
        value = np.ones((theta.shape[0], self.n_bins))
        value[:, self.bins] = theta[:, self.indices]
        return value


@dataclass(frozen=True, slots=True)
class Shape:
    """A shape of its own parameters: function(theta[indices]) -> counts ``(b,)``, derivatives ``(K, b)``."""

    indices: Indices
    function: Callable[[Array], tuple[Array, Array]]
    linear: bool


@dataclass(frozen=True, slots=True)
class Component:
    """A sample in bins first to last: a shape times factors."""

    first: int
    last: int
    shape: Shape
    factors: tuple[LinearFactor | PowerFactor | BinFactors, ...]

    @property
    def linear(self) -> bool:
        """Whether the component is linear in all parameters together."""
        varying = len(self.factors) + (self.shape.indices.size > 0)
        return self.shape.linear and varying <= 1 and not any(isinstance(f, PowerFactor) for f in self.factors)

    def add(self, theta: Array, nu: Array, jacobian: Array | None) -> None:
        """Add the expected counts ``(B,)``, and the derivatives ``(P, B)`` if they are wanted."""
        here = slice(self.first, self.last)
        shape, shape_slopes = self.shape.function(theta[self.shape.indices])
        evaluated = [factor(theta) for factor in self.factors]
        product = np.ones(self.last - self.first)
        before = []
        for value, _ in evaluated:
            before.append(product)
            product = product * value
        nu[here] += shape * product
        if jacobian is None:
            return
        for row, index in enumerate(self.shape.indices):
            jacobian[index, here] += shape_slopes[row] * product
        after = shape
        for factor, (value, slope), others in zip(
            reversed(self.factors), reversed(evaluated), reversed(before), strict=True
        ):
            change = others * slope * after
            if isinstance(factor, BinFactors):
                jacobian[factor.indices, self.first + factor.bins] += change[factor.bins]
            else:
                jacobian[factor.index, here] += change
            after = after * value

    def add_many(self, theta: Array, nu: Array) -> None:
        """Add the expected counts ``(N, B)`` at N points ``(N, P)``."""
        if self.shape.indices.size:
            counts = np.array([self.shape.function(row)[0] for row in theta[:, self.shape.indices]])
        else:
            counts = self.shape.function(theta[0, :0])[0][None]
        for factor in self.factors:
            counts = counts * factor.many(theta)
        nu[:, self.first : self.last] += counts
