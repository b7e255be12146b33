"""The best fits of a stack of channels: with certain yields those of the linear model, with uncertain ones more.

With yields n_r = S exp((A z)_r) and standard normal z, the negative log-likelihood is L(n) + z^2 / 2, where L is the
profile likelihood of the linear model in the yields of its parts. One part has its minimum at z = 0. Several parts may
pull z so as to agree: Newton's method in S and z, with gradients and second derivatives of L from its own fits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bumphunt.compilation import njit
from bumphunt.engines.codes import AT_BOUNDARY, RUNNING
from bumphunt.engines.linear_kernels import Found, Rows, fit_rows
from bumphunt.engines.result import FitStatus
from bumphunt.engines.stacks import Stack, StackFits, curvature, lifted
from bumphunt.engines.walls import last_barrier

__all__ = ["Best", "certain_best", "uncertain_best", "yield_gradient"]

Array = NDArray[np.float64]

MAX_STEPS = 60
"""Newton steps in S and z before a fit is given up, halved ones too; two or three are usual."""
NOISE, SINGULAR = 1e-13, 1e-10
"""Relative rounding error of -ln L; smallest eigenvalue of a scaled Hessian that is not taken for zero."""
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


def yield_gradient(stack: Stack, data: Array, which: NDArray[np.int64], fits: Array, status: NDArray[np.int8]) -> Array:
    """Return the derivatives of the profile likelihood in the yields of the parts at fits of them, ``(N, L, R)``.

    At a minimum the partial derivative is the whole one. Data sets ``(D, B)``, that of each fit ``(N, L)``, parameters
    ``(N, L, P)``, status ``(N, L)``.
    """
    gradient = np.empty((*status.shape, stack.parts))
    _fill_gradient(stack.columns, stack.held, data, which, fits, status, gradient)
    return gradient


@njit(cache=True, error_model="numpy")
def _fill_gradient(columns, held, data, which, fits, status, gradient):  # type: ignore[no-untyped-def]
    """Fill sum_b (1 - n_b / nu_b) a_rb; at walls, where both are 0, n / nu is the multiplier of the wall."""
    lanes, parameters, parts, bins = fits.shape[1], fits.shape[2], gradient.shape[2], columns.shape[2]
    nu = np.empty(bins)
    for m in range(columns.shape[0]):
        for lane in range(lanes):
            nu[:] = 0.0
            for p in range(parameters):
                value = fits[m, lane, p]
                for b in range(bins):
                    nu[b] += value * columns[m, p, b]
            counts = data[which[m, lane]]
            barrier = last_barrier(counts)
            for b in range(bins):
                n = counts[b]
                if n == 0.0 and status[m, lane] == AT_BOUNDARY:
                    n = barrier
                nu[b] = 1.0 - n / nu[b] if nu[b] > 0.0 else 1.0
            for r in range(parts):
                total = 0.0
                for b in range(bins):
                    total += nu[b] * columns[m, held + r, b]
                gradient[m, lane, r] = total


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
    usable = fits.status[:, 1] <= int(FitStatus.AT_BOUNDARY)
    at = _Point(
        u=np.column_stack([fits.theta[:, 1, stack.held], np.zeros((n, r))]),
        value=np.where(usable, np.inf, fits.nll[:, 1]),
        theta=stack.spread(fits.theta[:, 1], r),
        status=fits.status[:, 1].copy(),
    )
    asimov = np.divide(1.0, fits.asimov, out=np.zeros_like(fits.asimov), where=fits.asimov > 0.0)
    rough = np.nan_to_num(curvature(stack, asimov))  # where the data alone have none: at the boundary
    step, covariance, open_ = np.zeros((n, r + 1)), np.full((n, r + 1, r + 1), np.nan), usable.copy()
    for _ in range(MAX_STEPS):
        trial = _moved(stack, mixing, at, step, open_)
        better = open_ & (trial.value <= at.value + NOISE * np.abs(at.value))
        gradient, hessian = _derivatives_at(stack, mixing, trial, rough)
        covariance = np.where(better[:, None, None], _inverse(hessian), covariance)
        newton = -np.einsum("mij,mj->mi", covariance, gradient)
        step = np.where(better[:, None], newton, 0.5 * step)
        at = at.where(better, trial)
        decrement = np.abs(np.einsum("mi,mi->m", newton, gradient))
        open_ = open_ & ~(better & (decrement <= DECREMENT))
        if not open_.any():
            break
    at.status[open_] = int(FitStatus.NOT_CONVERGED)
    with np.errstate(invalid="ignore"):
        error = np.sqrt(covariance[:, 0, 0])
    return Best(
        n_sig=at.u[:, 0],
        error=np.where(at.status == int(FitStatus.CONVERGED), error, np.nan),
        nll=at.value,
        status=at.status,
        theta=at.theta,
        z=at.u[:, 1:],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
    """S and z (N, 1 + R), -ln L there (N,), the parameters of the fits (N, P), and their status (N,)."""

    u: Array
    value: Array
    theta: Array
    status: NDArray[np.int8]

    def where(self, better: NDArray[np.bool_], other: _Point) -> _Point:
        """Return the other point where it is better."""
        return _Point(
            u=np.where(better[:, None], other.u, self.u),
            value=np.where(better, other.value, self.value),
            theta=np.where(better[:, None], other.theta, self.theta),
            status=np.where(better, other.status, self.status).astype(np.int8),
        )


def _moved(stack: Stack, mixing: Array, at: _Point, step: Array, open_: NDArray[np.bool_]) -> _Point:
    """Return the point one step further where it is open; -ln L is inf where the fit failed."""
    u = np.where(open_[:, None], at.u + step, at.u)
    theta, nll = at.theta.copy(), at.value.copy()
    theta[:, stack.signals] = u[:, :1] * np.exp(np.einsum("mrq,mq->mr", mixing, u[:, 1:]))
    theta = lifted(stack, theta[:, None])[:, 0]
    status = np.where(open_, RUNNING, at.status).astype(np.int8)
    index = np.arange(nll.size)
    rows = Rows(model=index, data=index, start=theta, centres=stack.centres)
    found = Found(nll=nll, errors=np.empty((0, theta.shape[1])), status=status, steps=np.zeros(nll.size, np.int32))
    fit_rows(stack.columns, stack.precision, stack.counts, rows, found, stack.held + stack.parts, True)
    value = np.where(open_ & (status <= AT_BOUNDARY), nll + 0.5 * np.sum(u[:, 1:] ** 2, axis=1), np.inf)
    return _Point(u=u, value=value, theta=theta, status=status)


def _derivatives_at(stack: Stack, mixing: Array, at: _Point, rough: Array) -> tuple[Array, Array]:
    """Return gradient and Hessian of -ln L in S and z; with `rough` second derivatives in the yields where needed."""
    rows = np.arange(at.value.size)[:, None]
    slope = yield_gradient(stack, stack.counts, rows, at.theta[:, None], at.status[:, None])[:, 0]
    nu = np.einsum("mp,mpb->mb", at.theta, stack.columns)
    weight = np.divide(stack.counts, nu**2, out=np.zeros_like(nu), where=nu > 0.0)
    second = curvature(stack, weight)
    second = np.where(np.isfinite(second), second, rough)
    factors = np.exp(np.einsum("mrq,mq->mr", mixing, at.u[:, 1:]))
    return _derivatives(mixing, factors, at.u[:, :1] * factors, slope, second, at.u[:, 1:])


def _inverse(hessian: Array) -> Array:
    """Return the inverse of positive matrices, the pseudo-inverse of others without their negative directions."""
    known = np.all(np.isfinite(hessian), axis=(1, 2))
    scale = np.sqrt(np.maximum(np.abs(np.diagonal(hessian, axis1=1, axis2=2)), np.finfo(np.float64).tiny))
    outer = scale[:, :, None] * scale[:, None, :]
    scaled = np.where(known[:, None, None], hessian / outer, np.eye(hessian.shape[1]))
    values, vectors = np.linalg.eigh(scaled)
    inverse = np.divide(1.0, values, out=np.zeros_like(values), where=values > SINGULAR)
    return np.asarray((vectors * inverse[:, None]) @ vectors.transpose(0, 2, 1) / outer)


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
