"""Kinematic fit: momenta that add up to those of the beams, as near to the measured ones as their errors allow.

Use it where everything that was produced is seen: the fitted masses are better than the measured ones, and chi^2, with
four degrees of freedom, tells events with something lost from those without. The energy spreads of the beams are part
of the constraint: what is fitted must add up to the nominal beams within them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.compilation import njit
from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import Beams

__all__ = ["FittedMomenta", "beam_constrained", "beam_covariance"]

Array = NDArray[np.float64]

MOST_STEPS = 10
"""Largest number of linear steps."""
TOLERANCE = 1e-4
"""Change of chi^2, of its value plus one, below which the next step is not taken: its effect is the square of that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedMomenta:
    """What `beam_constrained` returns."""

    values: Array
    """Momentum [GeV], polar angle and azimuth [rad] of each of the k particles, shape (N, 3 k); the measured ones where
    the fit failed."""
    chi2: Array
    """chi^2 of the fit, with four degrees of freedom, shape (N,); infinite where it failed: there are no such momenta
    near the measured ones."""


def beam_covariance(beams: Beams) -> Array:
    """Return the covariance of the sum of the beam momenta (E, px, py, pz) from their energy spreads [GeV^2], (4, 4).

    Examples
    --------
    >>> beam_covariance(Beams(electron_energy=9.0, positron_energy=3.1, electron_spread=0.005))[0, 0].round(7)
    np.float64(2.5e-05)
    """
    covariance = np.zeros((4, 4))
    for p4, spread in ((beams.electron, beams.electron_spread), (beams.positron, beams.positron_spread)):
        slope = p4 * p4[0] / np.sum(p4[1:] ** 2)  # dp/dE along the beam line
        slope[0] = 1.0
        covariance += spread**2 * np.outer(slope, slope)
    return covariance


def beam_constrained(measured: ArrayLike, variance: ArrayLike, masses: Sequence[float], beams: Beams) -> FittedMomenta:
    """Return momenta, polar angles and azimuths of particles that add up to the beams, by least squares, and chi^2.

    Each step solves the constraints made linear at the last one, until chi^2 stands still.

    Parameters
    ----------
    measured
        Momentum [GeV], polar angle and azimuth [rad] of each of k particles, shape (N, 3 k).
    variance
        Their variances, shape (N, 3 k); they are taken as uncorrelated.
    masses
        Masses of the k particles [GeV].
    beams
        The beams, whose energy spreads are part of the constraint.

    Raises
    ------
    InputError
        If the shapes do not match.

    References
    ----------
    P. Avery, "Applied fitting theory VI", CBX 98-37: kinematic fits with Lagrange multipliers.

    Examples
    --------
    >>> beams = Beams(electron_energy=5.0, positron_energy=5.0)
    >>> fit = beam_constrained([[4.9, 1.0, 0.0, 5.0, np.pi - 1.0, np.pi]], np.full((1, 6), 1e-4), (0.0, 0.0), beams)
    >>> fit.values[0, [0, 3]].round(3), fit.chi2.round(1)
    (array([5., 5.]), array([100.]))
    """
    y = np.ascontiguousarray(measured, dtype=np.float64)
    v = np.ascontiguousarray(variance, dtype=np.float64)
    if y.ndim != 2 or y.shape[1] != 3 * len(masses) or v.shape != y.shape:
        msg = (
            f"measured {y.shape} and variance {v.shape} of {len(masses)} particles; both must be (N, {3 * len(masses)})"
        )
        raise InputError(msg)
    values, chi2 = np.empty_like(y), np.empty(len(y))
    _fit(y, v, np.asarray(masses, dtype=np.float64), beams.p4, beam_covariance(beams), values, chi2)
    return FittedMomenta(values=values, chi2=chi2)


@njit(cache=True, error_model="numpy")
def _fit(
    measured: Array, variance: Array, masses: Array, total: Array, spread: Array, values: Array, chi2: Array
) -> None:
    """Fill fitted values (N, 3 k) and chi^2 (N,)."""
    excess, covariance, slope = np.empty(4), np.empty((4, 4)), np.zeros((4, measured.shape[1]))
    for row in range(len(measured)):
        y, v, fitted = measured[row], variance[row], values[row]
        fitted[:] = y
        last, converged = np.inf, False
        for _ in range(MOST_STEPS):
            if not _linearise(y, v, masses, total, spread, fitted, excess, covariance, slope):
                break
            pull = _solve(covariance, excess)
            now = 0.0
            for i in range(4):
                now += excess[i] * pull[i]
            for j in range(y.size):
                shift = 0.0
                for i in range(4):
                    shift += slope[i, j] * pull[i]
                fitted[j] = y[j] - v[j] * shift
            converged = abs(now - last) < TOLERANCE * (1 + now)
            last = now
            if converged:
                break
        chi2[row] = last if converged and _physical(fitted) else np.inf
        if not chi2[row] < np.inf:
            fitted[:] = y


@njit(cache=True)
def _physical(values: Array) -> bool:
    """Return whether momenta are positive and polar angles between 0 and pi."""
    return bool(np.all(values[::3] > 0.0) and np.all(values[1::3] > 0.0) and np.all(values[1::3] < np.pi))


@njit(cache=True, error_model="numpy")
def _linearise(
    y: Array, v: Array, masses: Array, total: Array, spread: Array, fitted: Array, excess: Array, covariance: Array,
    slope: Array,
) -> bool:  # fmt: skip
    """Fill the constraints at y, linear about `fitted`, their covariance and slopes; return whether they are any."""
    if not _physical(fitted):
        return False
    for i in range(4):
        excess[i] = -total[i]
    for k in range(masses.size):
        j = 3 * k
        p, theta, phi = fitted[j], fitted[j + 1], fitted[j + 2]
        sin, cos, x, y_axis = np.sin(theta), np.cos(theta), np.cos(phi), np.sin(phi)
        energy = np.sqrt(p * p + masses[k] * masses[k])
        slope[0, j], slope[1, j], slope[2, j], slope[3, j] = p / energy, sin * x, sin * y_axis, cos
        slope[1, j + 1], slope[2, j + 1], slope[3, j + 1] = p * cos * x, p * cos * y_axis, -p * sin
        slope[1, j + 2], slope[2, j + 2] = -p * sin * y_axis, p * sin * x
        excess[0] += energy
        for i in range(1, 4):
            excess[i] += p * slope[i, j]
    for i in range(4):
        for j in range(y.size):
            excess[i] += slope[i, j] * (y[j] - fitted[j])
        for m in range(i + 1):
            value = spread[i, m]
            for j in range(y.size):
                value += slope[i, j] * v[j] * slope[m, j]
            covariance[i, m] = value
    return True


@njit(cache=True, error_model="numpy")
def _solve(matrix: Array, vector: Array) -> Array:
    """Return the solution of a symmetric positive system of 4, whose lower triangle becomes that of Cholesky."""
    x = vector.copy()
    for i in range(4):
        for j in range(i + 1):
            value = matrix[i, j]
            for k in range(j):
                value -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = np.sqrt(value) if i == j else value / matrix[j, j]
    for i in range(4):
        for k in range(i):
            x[i] -= matrix[i, k] * x[k]
        x[i] /= matrix[i, i]
    for i in range(3, -1, -1):
        for k in range(i + 1, 4):
            x[i] -= matrix[k, i] * x[k]
        x[i] /= matrix[i, i]
    return x
