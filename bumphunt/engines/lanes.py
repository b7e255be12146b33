"""Lanes: the fits of a stack of channels at tested signals, each started from where the last one ended.

Where the yield of the signal is uncertain (an efficiency, a luminosity), the model is no longer linear, but it is
still the linear one at other yields: with n = S exp(A z), z standard normal, the profile likelihood of S is the minimum
of L(n) + z^2 / 2 over z, and the linear model gives L and its derivatives at any n. Nothing is approximated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bumphunt.engines.codes import RUNNING
from bumphunt.engines.linear_kernels import Found, Rows, fit_rows
from bumphunt.engines.result import FitStatus
from bumphunt.engines.stacks import Stack, lifted
from bumphunt.engines.uncertain_yields import yield_gradient

__all__ = ["LaneData", "Lanes"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Codes = NDArray[np.int8]

MAX_PULLS, LARGEST_PULL = 30, 3.0
"""Steps in z at a tested value before it is given up, two are usual; the largest of them."""
PULL_TOLERANCE = 1e-4
"""Gradient in z at which it is at its minimum: the NLL is off by its square."""
USABLE = int(FitStatus.AT_BOUNDARY)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneData:
    """What is fitted in L lanes of each of N channels of a stack with R parts and P parameters.

    Parameters
    ----------
    counts
        Data sets, shape ``(D, B)``, of which lane l of channel m has number ``which[m, l]``.
    centres
        Of the constraints, shape ``(N, L, P)``.
    base, base_signal, base_z
        A fit that is known, from which the others are extrapolated: its parameters ``(N, L, P)``, signal ``(N, L)``,
        and z ``(N, L, R)``.
    tangent
        Derivative of the parameters in the signal there, shape ``(N, L, P)``.
    curvature
        Second derivatives of the profile likelihood in the yields of the parts, shape ``(N, R, R)``.
    """

    counts: Array
    which: NDArray[np.int64]
    centres: Array
    base: Array
    base_signal: Array
    base_z: Array
    tangent: Array
    curvature: Array


class Lanes:
    """The profile likelihood of a stack at tested signals S, L for each channel.

    Parameters
    ----------
    stack
        N channels with R parts.
    mixing
        The matrices A of the uncertain yields, shape ``(N, R, R)``; 0 where they are certain.
    data
        What is fitted.

    Attributes
    ----------
    nll
        -ln L at the last signals, shape ``(N, L)``.
    slopes
        Its derivatives in S, shape ``(N, L)``.
    """

    def __init__(self, stack: Stack, mixing: Array, data: LaneData) -> None:
        self._stack, self._mixing, self._lanes = stack, mixing, data
        self._uncertain = bool(np.any(mixing != 0.0))
        self._direction = data.tangent  # of the parameters with the signal, from the base
        self._z, self._z_slope = data.base_z, np.zeros_like(data.base_z)  # dz / d ln S
        self._signal = np.full_like(data.base_signal, np.nan)
        shape = data.which.shape
        self._theta, self._fitted = data.base, np.zeros(shape)
        self._gradient = np.ones((*shape, stack.parts))  # in the yields of the parts

    @property
    def nll(self) -> Array:
        """-ln L at the last signals, that of z included, shape ``(N, L)``."""
        return self._fitted + 0.5 * np.sum(self._z**2, axis=2)

    @property
    def slopes(self) -> Array:
        """Derivatives of -ln L in the signals, shape ``(N, L)``: the partial ones, at the minimum in all else."""
        return np.sum(self._yields() * self._gradient, axis=2) / self._signal

    def profile(self, signal: Array, wanted: Mask) -> Codes:
        """Profile the likelihood at signals ``(N, L)``, where wanted; return the status of each fit."""
        if self._uncertain:
            with np.errstate(divide="ignore", invalid="ignore"):
                stretch = np.where(wanted, np.log(signal / self._signal), 0.0)[:, :, None]
            self._z = self._z + np.clip(np.nan_to_num(stretch * self._z_slope), -LARGEST_PULL, LARGEST_PULL)
        self._signal, lanes = signal, self._lanes
        distance = (signal - lanes.base_signal)[:, :, None]
        start = np.where(wanted[:, :, None], lanes.base + distance * self._direction, lanes.base)
        status = np.zeros(wanted.shape, np.int8)
        open_ = wanted
        for _ in range(MAX_PULLS):
            status = np.maximum(status, self._fit(start, open_))
            if not self._uncertain:
                break
            open_ = self._pull(wanted & (status.max(axis=1) <= USABLE)[:, None])
            if not open_.any():
                break
            start = self._theta
        else:
            status[open_] = int(FitStatus.NOT_CONVERGED)
        with np.errstate(divide="ignore", invalid="ignore"):
            direction = (self._theta - lanes.base) / distance
        self._direction = np.where(wanted[:, :, None] & np.isfinite(direction), direction, self._direction)
        return status

    def _yields(self) -> Array:
        """Return the yields of the parts at the signals and z, shape ``(N, L, R)``."""
        signal = self._signal[:, :, None]
        return np.asarray(signal * np.exp(self._z @ self._mixing.transpose(0, 2, 1)) if self._uncertain else signal)

    def _fit(self, start: Array, wanted: Mask) -> Codes:
        """Fit the background at the yields of the signals and z, once more from the base where that fails."""
        stack, yields = self._stack, self._yields()
        base = self._lanes.base.copy()
        base[:, :, stack.signals] = yields
        negative = np.any(start @ stack.columns < 0.0, axis=2)
        if self._uncertain:
            base = lifted(stack, base)
        status = np.zeros(wanted.shape, np.int8)
        for first in (np.where(negative[:, :, None], base, start), base):
            self._theta = np.where(wanted[:, :, None], first, self._theta)
            self._theta[:, :, stack.signals] = yields
            status = self._fit_from(wanted)
            wanted = status > USABLE
            if not wanted.any():
                break
        return status

    def _fit_from(self, wanted: Mask) -> Codes:
        """Make the wanted fits from where the parameters are; return the status of each."""
        stack, lanes, (models, size, parameters) = self._stack, self._lanes, self._theta.shape
        status = np.where(wanted, RUNNING, int(FitStatus.CONVERGED)).astype(np.int8)
        flat = (models * size, parameters)
        model, which = np.repeat(np.arange(models), size), np.ascontiguousarray(lanes.which).ravel()
        theta, centres = np.ascontiguousarray(self._theta).reshape(flat), lanes.centres.reshape(flat)
        rows = Rows(model=model, data=which, start=theta, centres=centres)
        found = Found(
            nll=self._fitted.reshape(-1),
            errors=np.empty((0, parameters)),
            status=status.reshape(-1),
            steps=np.zeros(flat[0], np.int32),
        )
        fit_rows(stack.columns, stack.precision, lanes.counts, rows, found, stack.held + stack.parts, True)
        self._theta = theta.reshape(self._theta.shape)
        gradient = yield_gradient(stack, lanes.counts, lanes.which, self._theta, status)
        self._gradient = np.where(wanted[:, :, None], gradient, self._gradient)
        return status

    def _pull(self, wanted: Mask) -> Mask:
        """Take a step of Newton's method in z where its gradient A^T (n dL/dn) + z is not zero; return where."""
        a, yields = self._mixing[:, None], self._yields()
        pull = yields * self._gradient
        residual = (a.transpose(0, 1, 3, 2) @ pull[..., None])[..., 0] + self._z
        wanted = wanted & ~(np.abs(residual).max(axis=2) <= PULL_TOLERANCE)
        inner = yields[..., :, None] * self._lanes.curvature[:, None] * yields[..., None, :]
        index = np.arange(self._stack.parts)
        inner[..., index, index] += np.maximum(pull, 0.0)
        hessian = a.transpose(0, 1, 3, 2) @ inner @ a
        hessian[..., index, index] += 1.0
        known = np.all(np.isfinite(hessian), axis=(2, 3)) & np.all(np.isfinite(residual), axis=2)
        moved = (a.transpose(0, 1, 3, 2) @ inner.sum(axis=3)[..., None])[..., 0]  # what the gradient gains with ln S
        sides = np.where(known[..., None, None], np.stack([residual, moved], axis=3), 0.0)
        steps = np.linalg.solve(np.where(known[..., None, None], hessian, np.eye(index.size)), sides)
        step = np.where(wanted[:, :, None], np.clip(steps[..., 0], -LARGEST_PULL, LARGEST_PULL), 0.0)
        self._z, self._z_slope = self._z - step, -steps[..., 1]
        return wanted
