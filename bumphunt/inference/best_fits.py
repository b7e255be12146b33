"""The best fits of a stack of channels: with certain yields those of the linear model, with uncertain ones more.

With yields n_r = S exp((A z)_r) and standard normal z, the negative log-likelihood is L(n) + z^2 / 2, where L is the
profile likelihood of the linear model in the yields of its parts. One part has its minimum at z = 0. Several parts may
pull z so as to agree: Newton's method in S and z, with gradients and second derivatives of L from its own fits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bumphunt.inference.fit_result import FitStatus
from bumphunt.inference.newton import BARRIER_STOP, RUNNING, fit_rows
from bumphunt.inference.stacks import Stack, StackFits, curvature

__all__ = ["Best", "certain_best", "uncertain_best", "yield_gradient"]

Array = NDArray[np.float64]

MAX_STEPS = 30
"""Newton steps in S and z before a fit is given up; two or three are usual."""
DECREMENT = 1e-10
"""Estimated distance to the minimum in NLL, times two, at which the last step is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The fits with the signal free: S, its error, NLL and status (N,), parameters (N, P), and z (N, R)."""

    n_sig: Array
    error: Array
    nll: Array
    status: NDArray[np.int8]
    theta: Array
    z: Array


def certain_best(stack: Stack, fits: StackFits) -> Best:
    """Return the best fits of a stack with R = 1, whose yields are certain."""
    return Best(
        n_sig=fits.theta[:, 1, stack.held],
        error=fits.errors[:, 1, stack.held],
        nll=fits.nll[:, 1],
        status=fits.status[:, 1],
        theta=fits.theta[:, 1],
        z=np.zeros((fits.nll.shape[0], 1)),
    )


def yield_gradient(stack: Stack, counts: Array, theta: Array, status: NDArray[np.int8]) -> Array:
    """Return the derivatives of the profile likelihood in the yields of the parts at fits of them, ``(N, L, R)``.

    At a minimum the partial derivative is the whole one. Counts ``(N, L, B)``, parameters ``(N, L, P)``, status
    ``(N, L)``.
    """
    nu = theta @ stack.columns
    at_boundary = (status == int(FitStatus.AT_BOUNDARY))[:, :, None]
    walls = np.where(at_boundary & (counts == 0.0), BARRIER_STOP, counts)  # the multipliers t / nu of the walls
    ratio = np.divide(walls, nu, out=np.zeros_like(nu), where=nu > 0.0)
    return np.asarray((1.0 - ratio) @ stack.columns[:, stack.signals].transpose(0, 2, 1))


def uncertain_best(stack: Stack, fits: StackFits, mixing: Array) -> Best:
    """Return the best fits of a stack in parts, from those of the linear model with the whole signal.

    Parameters
    ----------
    stack
        N channels with R parts.
    fits
        Of the same channels with R = 1.
    mixing
        The matrices A, shape ``(N, R, R)``.
    """
    n, r = fits.nll.shape[0], stack.parts
    theta, counts = stack.spread(fits.theta[:, 1], r), stack.counts[:, None]
    s, z = fits.theta[:, 1, stack.held].copy(), np.zeros((n, r))
    nll, error, status = fits.nll[:, 1].copy(), np.full(n, np.nan), fits.status[:, 1].copy()
    open_ = status <= int(FitStatus.AT_BOUNDARY)
    for _ in range(MAX_STEPS):
        if not open_.any():
            break
        factors = np.exp(np.einsum("mrq,mq->mr", mixing, z))
        yields = s[:, None] * factors
        theta[:, stack.signals] = np.where(open_[:, None], yields, theta[:, stack.signals])
        status = np.where(open_, _refitted(stack, theta, nll, open_), status)
        slope = yield_gradient(stack, counts, theta[:, None], status[:, None])[:, 0]
        nu = np.einsum("mp,mpb->mb", theta, stack.columns)
        second = curvature(stack, np.divide(stack.counts, nu**2, out=np.zeros_like(nu), where=nu > 0.0))
        gradient, hessian = _derivatives(mixing, factors, yields, slope, second, z)
        good = open_ & (status <= int(FitStatus.AT_BOUNDARY)) & np.all(np.isfinite(hessian), axis=(1, 2))
        status[open_ & ~good & (status <= int(FitStatus.AT_BOUNDARY))] = int(FitStatus.SINGULAR)
        covariance = np.linalg.pinv(np.where(good[:, None, None], hessian, np.eye(r + 1)))
        step = np.where(good[:, None], np.einsum("mij,mj->mi", covariance, gradient), 0.0)
        decrement = np.einsum("mi,mi->m", step, gradient)
        with np.errstate(invalid="ignore"):
            error = np.where(good, np.sqrt(covariance[:, 0, 0]), error)
        open_ = good & (np.abs(decrement) > DECREMENT)
        s, z = np.where(open_, s - step[:, 0], s), np.where(open_[:, None], z - step[:, 1:], z)
    status[open_] = int(FitStatus.NOT_CONVERGED)
    return Best(
        n_sig=s,
        error=np.where(status == int(FitStatus.CONVERGED), error, np.nan),
        nll=nll + 0.5 * np.sum(z**2, axis=1),
        status=status,
        theta=theta,
        z=z,
    )


def _refitted(stack: Stack, theta: Array, nll: Array, wanted: NDArray[np.bool_]) -> NDArray[np.int8]:
    """Fit the data again with the yields in `theta` held; update it and the NLL, return the status."""
    n = nll.size
    status = np.where(wanted, RUNNING, int(FitStatus.CONVERGED)).astype(np.int8)
    rows, steps, unused = np.arange(n), np.zeros(n, np.int32), np.empty((0, theta.shape[1]))
    inputs = (stack.columns, rows, stack.held + stack.parts, stack.counts, rows, theta, stack.centres)
    fit_rows(*inputs, stack.precision, True, False, nll, unused, status, steps)
    return status


def _derivatives(
    mixing: Array, factors: Array, yields: Array, slope: Array, second: Array, z: Array
) -> tuple[Array, Array]:
    """Return gradient ``(N, 1 + R)`` and Hessian of L(n) + z^2 / 2 in S and z, from those of L in the yields n."""
    n, r = z.shape
    gradient, hessian = np.empty((n, r + 1)), np.empty((n, r + 1, r + 1))
    gradient[:, 0] = np.sum(factors * slope, axis=1)
    gradient[:, 1:] = np.einsum("mrq,mr->mq", mixing, yields * slope) + z
    bent = np.einsum("mrs,ms->mr", second, factors)
    hessian[:, 0, 0] = np.einsum("mr,mr->m", factors, bent)
    hessian[:, 0, 1:] = hessian[:, 1:, 0] = np.einsum("mrq,mr->mq", mixing, factors * slope + yields * bent)
    inner = yields[:, :, None] * second * yields[:, None, :]
    inner[:, np.arange(r), np.arange(r)] += yields * slope
    hessian[:, 1:, 1:] = mixing.transpose(0, 2, 1) @ inner @ mixing + np.eye(r)
    return gradient, hessian
