"""Stacks: many channels as arrays of one shape, to be fitted together by the linear engine.

The signal of a channel may come in parts (one a region) whose yields are uncertain: see `UncertainYield`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bumphunt.engines import start as starts
from bumphunt.engines.codes import RUNNING
from bumphunt.engines.linear_kernels import Found, Rows, fit_rows
from bumphunt.engines.result import FitResults, FitStatus
from bumphunt.engines.walls import BOUNDARY_LEVEL
from bumphunt.errors import InputError
from bumphunt.likelihood.linear import Channel

__all__ = ["Stack", "StackFits", "UncertainYield", "curvature", "lifted", "stack_fits", "stack_results", "stacked"]

Array = NDArray[np.float64]

SINGULAR = 1e-13
"""Smallest eigenvalue of the scaled information (unit diagonal) that gives a first guess."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UncertainYield:
    """The signal of a channel in R parts, and Q causes that change their yields: n_r = S exp(sum_q theta_q l_rq).

    The theta are standard normal, and each part is a peak of fixed shape: an efficiency, a luminosity.

    Parameters
    ----------
    parts
        Signal in each bin, whose sum over the parts is that of the channel, shape ``(R, B)``.
    responses
        Logarithms l of the factors at one standard deviation, shape ``(R, Q)``.

    Raises
    ------
    InputError
        If the shapes disagree.
    """

    parts: Array
    responses: Array

    def __post_init__(self) -> None:
        if self.parts.ndim != 2 or self.responses.ndim != 2 or self.responses.shape[0] != self.parts.shape[0]:
            msg = f"parts {self.parts.shape} and responses {self.responses.shape} must be (R, B) and (R, Q)"
            raise InputError(msg)

    @property
    def mixing(self) -> Array:
        """Responses to R independent causes that have the same effect together, shape ``(R, R)``.

        Only the covariance of the logarithms of the factors, l l^T, matters: it has as many eigenvectors as parts.
        """
        values, vectors = np.linalg.eigh(self.responses @ self.responses.T)
        return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """N channels with K templates, `held` of them held, and signals of R parts.

    Parameters are the held templates, the parts of the signal, the free templates: P = K + R.

    columns (N, P, B), short channels filled up with empty bins; counts (N, B); start, centres, precision (N, P); where
    the templates of a channel are among the parameters (N, K).
    """

    columns: Array
    held: int
    parts: int
    counts: Array
    start: Array
    centres: Array
    precision: Array
    places: NDArray[np.intp]

    @property
    def signals(self) -> slice:
        """Where the parts of the signal are among the parameters."""
        return slice(self.held, self.held + self.parts)

    def divided(self, yields: Sequence[UncertainYield]) -> Stack:
        """Return the stack with the parts of the signal in the place of the whole (R = 1)."""
        parts = np.zeros((len(yields), yields[0].parts.shape[0], self.counts.shape[1]))
        for m, one in enumerate(yields):
            parts[m, :, : one.parts.shape[1]] = one.parts
        n_parts = parts.shape[1]
        return Stack(
            columns=np.concatenate([self.columns[:, : self.held], parts, self.columns[:, self.held + 1 :]], axis=1),
            held=self.held,
            parts=n_parts,
            counts=self.counts,
            start=self.spread(self.start, n_parts),
            centres=self.spread(self.centres, n_parts),
            precision=self.spread(self.precision, n_parts),
            places=np.where(self.places > self.held, self.places + n_parts - 1, self.places),
        )

    def spread(self, theta: Array, parts: int) -> Array:
        """Return parameters of one signal, ``(..., K + 1)``, as those of a signal in parts, ``(..., K + parts)``."""
        signal = np.repeat(theta[..., self.held, None], parts, axis=-1)
        return np.concatenate([theta[..., : self.held], signal, theta[..., self.held + 1 :]], axis=-1)


def stacked(channels: Sequence[Channel]) -> Stack:
    """Return channels with the same numbers of templates and of held ones as arrays."""
    n, k, bins = len(channels), channels[0].centres.size, max(channel.counts.size for channel in channels)
    held = int(channels[0].held.sum())
    columns, counts = np.zeros((n, k + 1, bins)), np.zeros((n, bins))
    centres, precision, start = np.zeros((n, k + 1)), np.zeros((n, k + 1)), np.zeros(n)
    places = np.empty((n, k), np.intp)
    for m, channel in enumerate(channels):
        order = np.argsort(~channel.held, kind="stable")
        places[m, order] = np.where(np.arange(k) < held, np.arange(k), np.arange(k) + 1)
        size, place = channel.counts.size, places[m]
        columns[m, place, :size], columns[m, held, :size] = channel.templates, channel.signal
        counts[m, :size], centres[m, place] = channel.counts, channel.centres
        precision[m, place] = np.divide(1.0, channel.sigmas**2, out=np.zeros(k), where=~channel.held)
        start[m] = starts.first_strength(channel.centres @ channel.templates, channel.signal, channel.counts)
    first = centres.copy()
    first[:, held] = start
    return Stack(
        columns=columns,
        held=held,
        parts=1,
        counts=counts,
        start=first,
        centres=centres,
        precision=precision,
        places=places,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StackFits:
    """The fits of a stack without signal (index 0 of axis 1) and with it free (index 1), and the Asimov sets.

    theta and errors (N, 2, P), nll, status and steps (N, 2); Asimov counts of the fits without signal (N, B); the
    column of the inverse information there that belongs to the signal (N, P), NaN if it is singular.
    """

    theta: Array
    errors: Array
    nll: Array
    status: NDArray[np.int8]
    steps: NDArray[np.int32]
    asimov: Array
    tangent: Array


def stack_fits(stack: Stack) -> StackFits:
    """Return the fits of a stack with R = 1; those with a free signal begin at those without, where they can."""
    null_start = stack.start.copy()
    null_start[:, stack.held] = 0.0
    null = _fitted(stack, null_start, stack.held + 1)
    near = (null.status <= int(FitStatus.AT_BOUNDARY)) & (stack.start[:, stack.held] == 0.0)
    best = _fitted(stack, np.where(near[:, None], null.theta, stack.start), stack.held)
    nu = np.einsum("mp,mpb->mb", null.theta, stack.columns)
    asimov = np.where(nu > BOUNDARY_LEVEL, nu, 0.0)
    both = (null, best)
    return StackFits(
        theta=np.stack([fit.theta for fit in both], axis=1),
        errors=np.stack([fit.errors for fit in both], axis=1),
        nll=np.stack([fit.nll for fit in both], axis=1),
        status=np.stack([fit.status for fit in both], axis=1),
        steps=np.stack([fit.steps for fit in both], axis=1),
        asimov=asimov,
        tangent=_tangent(stack, asimov),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fitted:
    """What the kernel fills: one index of axis 1 of `StackFits`."""

    theta: Array
    errors: Array
    nll: Array
    status: NDArray[np.int8]
    steps: NDArray[np.int32]


def _fitted(stack: Stack, start: Array, held: int) -> _Fitted:
    """Return the fits of each channel of a stack to its data with the first `held` parameters held."""
    theta, rows = start.copy(), np.arange(start.shape[0])
    fit = _Fitted(
        theta=theta,
        errors=np.full_like(theta, np.nan),
        nll=np.empty(rows.size),
        status=np.full(rows.size, RUNNING, np.int8),
        steps=np.zeros(rows.size, np.int32),
    )
    fits = Rows(model=rows, data=rows, start=theta, centres=stack.centres)
    found = Found(nll=fit.nll, errors=fit.errors, status=fit.status, steps=fit.steps)
    fit_rows(stack.columns, stack.precision, stack.counts, fits, found, held, False)
    return fit


def stack_results(stack: Stack, fits: StackFits, which: int, names: tuple[str, ...]) -> FitResults:
    """Return the fits of a stack with R = 1, a row a channel: 0 those without signal, 1 those with it free.

    Parameters are the strength, and the coefficients in the order of each channel.
    """
    order = np.column_stack([np.full(stack.places.shape[0], stack.held), stack.places])
    return FitResults(
        names=names,
        values=np.take_along_axis(fits.theta[:, which], order, axis=1),
        errors=np.take_along_axis(fits.errors[:, which], order, axis=1),
        nll=fits.nll[:, which],
        slopes=np.full(len(order), np.nan),
        status=fits.status[:, which],
        iterations=fits.steps[:, which],
        engine="linear",
    )


def _information(stack: Stack, weight: Array) -> tuple[Array, Array]:
    """Return the information in the signals and the free templates, scaled to a unit diagonal, and the scales.

    Weights are those of the bins, ``(N, B)``: 1 / nu at Asimov data, counts / nu^2 at others. Shapes ``(N, F, F)`` and
    ``(N, F)``.
    """
    free = stack.columns[:, stack.held :]
    information = (free * weight[:, None]) @ free.transpose(0, 2, 1)
    index = np.arange(free.shape[1])
    information[:, index, index] += stack.precision[:, stack.held :]
    scale = np.sqrt(information[:, index, index])
    with np.errstate(divide="ignore", invalid="ignore"):
        return information / (scale[:, :, None] * scale[:, None, :]), scale


def _regular(scaled: Array, scale: Array) -> NDArray[np.bool_]:
    """Return which scaled informations can be inverted, shape ``(N,)``."""
    good = np.all((scale > 0.0) & (scale < np.inf), axis=1)
    good[good] = np.linalg.eigvalsh(scaled[good])[:, 0] > SINGULAR
    return good


def _tangent(stack: Stack, asimov: Array) -> Array:
    """Return the signal's column of the inverse of the expected information at Asimov data, shape ``(N, P)``."""
    scaled, scale = _information(stack, np.divide(1.0, asimov, out=np.zeros_like(asimov), where=asimov > 0.0))
    tangent, good = np.full_like(stack.start, np.nan), _regular(scaled, scale)
    if good.any():
        unit = np.zeros((int(good.sum()), scale.shape[1], 1))
        unit[:, 0, 0] = 1.0 / scale[good, 0]
        tangent[good, stack.held :] = np.linalg.solve(scaled[good], unit)[:, :, 0] / scale[good]
        tangent[good, : stack.held] = 0.0
    return tangent


def lifted(stack: Stack, theta: Array) -> Array:
    """Return parameters ``(N, L, P)`` whose expectations are positive: free templates are raised where they are not."""
    rising = np.where(np.arange(theta.shape[2]) < stack.signals.stop, 0.0, stack.centres)
    return starts.lifted(theta, rising, stack.columns)


def curvature(stack: Stack, weight: Array) -> Array:
    """Return the second derivatives of the profile likelihood in the yields of the parts, shape ``(N, R, R)``.

    They are the inverse of the block of the inverse information that belongs to the parts; NaN if that is singular.
    Weights as in `_information`.
    """
    scaled, scale = _information(stack, weight)
    second, good, r = np.full((scale.shape[0], stack.parts, stack.parts), np.nan), _regular(scaled, scale), stack.parts
    if good.any():
        outer = scale[good, :r, None] * scale[good, None, :r]
        second[good] = np.linalg.inv(np.linalg.inv(scaled[good])[:, :r, :r]) * outer
    return second
