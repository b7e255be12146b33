"""SignalModel: the shape, resolution and efficiency of a peak as smooth functions of its mass.

A `SignalModel` interpolates the shapes fitted at several simulated masses (`bumphunt.models.shape_fit`; monotone
cubic, so that nothing overshoots between the points), and the efficiency. `leave_one_out` says how well that works.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator

from bumphunt.errors import InputError
from bumphunt.models.peaks import Peak, crystal_ball_gaussian
from bumphunt.models.shapes import Tail, core_half_widths
from bumphunt.models.signal_shape import PARAMETERS, ShapeFit, shifted_parameters
from bumphunt.spectrum.axis import SQUARED, MassAxis

__all__ = ["LOGARITHMIC", "Closure", "Hypothesis", "SignalModel", "leave_one_out", "signal_model"]

Array = NDArray[np.float64]

LOGARITHMIC = (False, True, True, True, False, False)
"""Which parameters are interpolated as logarithms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalModel:
    """A peak at any mass between the simulated ones.

    Parameters
    ----------
    masses
        Simulated masses [GeV], rising as their positions on the axis do, shape ``(M,)``; one alone is the only mass
        that the model knows.
    parameters, errors
        Fitted shape parameters and their standard deviations in the order of `PARAMETERS`, shape ``(M, 6)``.
    efficiencies, efficiency_errors
        Total selection efficiency for events that land inside the support, and its standard deviation, shape ``(M,)``.
    support
        Range of positions on the axis on which the shape is normalised.
    tail
        Side of the radiative tail.
    axis
        What the spectrum is made of. On a reduced axis what varies with mass is interpolated in the position, since
        near the threshold it is smooth there and not in the mass.

    Raises
    ------
    InputError
        If shapes disagree, masses do not rise, or an efficiency is not in [0, 1].
    """

    masses: Array
    parameters: Array
    errors: Array
    efficiencies: Array
    efficiency_errors: Array
    support: tuple[float, float]
    tail: Tail = "high"
    axis: MassAxis = SQUARED

    def __post_init__(self) -> None:
        m = self.masses.size
        if m < 1 or not (np.all(np.diff(self.masses) > 0.0) and np.all(np.diff(self.axis.position(self.masses)) > 0.0)):
            msg = f"a signal model needs at least one mass, and several in rising order, got {self.masses}"
            raise InputError(msg)
        shapes = [self.parameters.shape, self.errors.shape, self.efficiencies.shape, self.efficiency_errors.shape]
        if shapes != [(m, 6), (m, 6), (m,), (m,)]:
            msg = f"{m} masses want parameters and errors ({m}, 6) and efficiencies ({m},), got {shapes}"
            raise InputError(msg)
        if not np.all((self.efficiencies >= 0.0) & (self.efficiencies <= 1.0)):
            msg = f"efficiencies must be between 0 and 1, got {self.efficiencies}"
            raise InputError(msg)

    def _inside(self, mass: ArrayLike) -> Array:
        """Return the masses as an array, or raise if one is outside the simulated range."""
        m = np.asarray(mass, dtype=np.float64)
        bad = ~((m >= self.masses[0]) & (m <= self.masses[-1]))
        if np.any(bad):
            msg = f"mass {m[bad].flat[0]} GeV is outside the simulated range {self.masses[0]} to {self.masses[-1]} GeV"
            raise InputError(msg)
        return m

    def _along(self, mass: ArrayLike) -> Array:
        """Return the masses as the variable of the interpolation; raise if one is outside the simulated range."""
        m = self._inside(mass)
        return self.axis.position(m) if self.axis.kind == "reduced" else m

    def _interpolated(self, mass: ArrayLike, known: Array) -> Array:
        """Return values of shape ``(M, ...)`` at masses, ``mass.shape + (...)``: those of the only mass as they are."""
        x = self._along(mass)
        if self.masses.size == 1:
            return np.broadcast_to(known[0], x.shape + known.shape[1:]).copy()
        return np.asarray(PchipInterpolator(self._along(self.masses), known)(x))

    def shape_parameters(self, mass: ArrayLike) -> Array:
        """Return the interpolated `PARAMETERS`, shape ``mass.shape + (6,)``."""
        log = np.array(LOGARITHMIC)
        known = np.where(log, np.log(np.where(log, self.parameters, 1.0)), self.parameters)
        value = self._interpolated(mass, known)
        return np.where(log, np.exp(np.where(log, value, 0.0)), value)

    def resolution(self, mass: ArrayLike) -> Array:
        """Return the resolution in the unit of the axis: the half width of the core, in the shape of `mass`."""
        return core_half_widths(self.shape_parameters(mass))

    def mass_resolution(self, mass: ArrayLike) -> Array:
        """Return the resolution in the mass [GeV], that on the axis over its slope, in the shape of `mass`.

        It is inf at mass 0 of a squared axis, and 0 at the threshold of a reduced one.
        """
        with np.errstate(divide="ignore"):
            return np.asarray(self.resolution(mass) / self.axis.slope(mass))

    def efficiency(self, mass: ArrayLike) -> Array:
        """Return the total efficiency, in the shape of `mass`."""
        return self._interpolated(mass, self.efficiencies)

    def efficiency_error(self, mass: ArrayLike) -> Array:
        """Return the statistical error of the efficiency, linear between the masses, in the shape of `mass`."""
        return np.interp(self._along(mass), self._along(self.masses), self.efficiency_errors)

    def fractions(self, mass: float, edges: ArrayLike, *, shift: float = 0.0, stretch: float = 1.0) -> Array:
        """Return the fraction of the peak in each bin of the spectrum; edges ``(B + 1,)``, result ``(B,)``.

        The fractions sum to 1 over the support; bins outside it are empty.

        Parameters
        ----------
        mass
            Hypothesis [GeV].
        edges
            Bin edges [unit of the axis], rising.
        shift, stretch
            What the peak is moved by [unit of the axis], and its width multiplied with, before: its uncertainties.
        """
        return self.at([mass])[0].fractions(edges, shift=shift, stretch=stretch)

    def at(self, masses: ArrayLike) -> list[Hypothesis]:
        """Return what the model says of each mass [GeV], shape ``(N,)``: interpolated once for all.

        Raises
        ------
        InputError
            If a mass is outside the simulated range.
        """
        m = np.atleast_1d(np.asarray(masses, dtype=np.float64))
        p, efficiency, error = self.shape_parameters(m), self.efficiency(m), self.efficiency_error(m)
        sigma = core_half_widths(p)
        return [
            Hypothesis(
                mass=float(m[i]),
                position=float(self.axis.position(m[i])),
                sigma=float(sigma[i]),
                efficiency=float(efficiency[i]),
                efficiency_error=float(error[i]),
                peak=crystal_ball_gaussian(
                    tuple(shifted_parameters(float(m[i]), p[i], self.axis).tolist()), self.support, tail=self.tail
                ),
                axis=self.axis,
            )
            for i in range(m.size)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """What a signal model says of one mass.

    Parameters
    ----------
    mass
        Mass [GeV].
    position, sigma
        Where its peak is, and the resolution [unit of the axis].
    efficiency, efficiency_error
        Total efficiency and its standard deviation.
    peak
        Its shape [unit of the axis].
    axis
        What the spectrum is made of.
    """

    mass: float
    position: float
    sigma: float
    efficiency: float
    efficiency_error: float
    peak: Peak
    axis: MassAxis

    @property
    def mass_resolution(self) -> float:
        """Resolution in the mass [GeV]; see `SignalModel.mass_resolution`."""
        with np.errstate(divide="ignore"):
            return float(np.float64(self.sigma) / self.axis.slope(self.mass))

    def fractions(self, edges: ArrayLike, *, shift: float = 0.0, stretch: float = 1.0) -> Array:
        """Return the fraction of the peak in each bin; arguments as in `SignalModel.fractions`."""
        mean = self.peak.mean
        x = mean + (np.asarray(edges, dtype=np.float64) - shift - mean) / stretch
        return np.diff(self.peak.cdf(x))


def signal_model(fits: Sequence[ShapeFit], efficiencies: ArrayLike, efficiency_errors: ArrayLike) -> SignalModel:
    """Return the model that interpolates the fits of several masses.

    Parameters
    ----------
    fits
        One fit per mass, in any order; all with the same support, tail and axis, all valid.
    efficiencies, efficiency_errors
        Per fit, shape ``(M,)``.

    Raises
    ------
    InputError
        If a fit is invalid or their supports, tails or axes differ; and as `SignalModel`.
    """
    for fit in fits:
        if not fit.valid:
            msg = f"the signal shape at {fit.mass} GeV did not converge: simulate more events or widen its bins"
            raise InputError(msg)
        if fit.support != fits[0].support or fit.tail != fits[0].tail:
            msg = f"supports {fits[0].support} at {fits[0].mass} GeV, {fit.support} at {fit.mass} GeV: want one"
            raise InputError(msg)
        if fit.axis != fits[0].axis:
            msg = f"axes {fits[0].axis} at {fits[0].mass} GeV, {fit.axis} at {fit.mass} GeV: want one"
            raise InputError(msg)
    order = np.argsort([fit.mass for fit in fits])
    return SignalModel(
        masses=np.array([fits[i].mass for i in order]),
        parameters=np.array([fits[i].parameters for i in order]),
        errors=np.array([fits[i].errors for i in order]),
        efficiencies=np.asarray(efficiencies, dtype=np.float64)[order],
        efficiency_errors=np.asarray(efficiency_errors, dtype=np.float64)[order],
        support=fits[0].support,
        tail=fits[0].tail,
        axis=fits[0].axis,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """Fitted values against those interpolated without them.

    Parameters
    ----------
    masses
        The simulated masses but the first and the last [GeV], shape ``(M - 2,)``.
    names
        What is compared: the shape parameters, "resolution" [unit of the axis] and "efficiency", Q = 8 names.
    fitted, errors, interpolated
        Shape ``(M - 2, Q)``; the error of the resolution is that of sigma, scaled.
    """

    masses: Array
    names: tuple[str, ...]
    fitted: Array
    errors: Array
    interpolated: Array


def leave_one_out(model: SignalModel) -> Closure:
    """Return the closure of the interpolation: each inner mass predicted from the others.

    Raises
    ------
    InputError
        If there are fewer than three masses.
    """
    if model.masses.size < 3:
        msg = f"leaving one out needs three masses, got {model.masses.size}"
        raise InputError(msg)
    fitted: list[list[float]] = []
    errors: list[list[float]] = []
    interpolated: list[list[float]] = []
    for index in range(1, model.masses.size - 1):
        mass = float(model.masses[index])
        others = SignalModel(
            masses=np.delete(model.masses, index),
            parameters=np.delete(model.parameters, index, axis=0),
            errors=np.delete(model.errors, index, axis=0),
            efficiencies=np.delete(model.efficiencies, index),
            efficiency_errors=np.delete(model.efficiency_errors, index),
            support=model.support,
            tail=model.tail,
            axis=model.axis,
        )
        for rows, source in ((fitted, model), (interpolated, others)):
            rows.append(
                [*source.shape_parameters(mass), float(source.resolution(mass)), float(source.efficiency(mass))]
            )
        relative = model.errors[index, 1] / model.parameters[index, 1]
        errors.append([*model.errors[index], relative * fitted[-1][6], model.efficiency_errors[index]])
    return Closure(
        masses=model.masses[1:-1],
        names=(*PARAMETERS, "resolution", "efficiency"),
        fitted=np.array(fitted),
        errors=np.array(errors),
        interpolated=np.array(interpolated),
    )
