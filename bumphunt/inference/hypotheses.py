"""Fits, significances and CLs limits of many channels at once: the fast way through a scan.

`infer` gives for every channel the fit with the signal free and the one without signal, and the upper limit of
`bumphunt.inference.limits.asymptotic_limit`, with its band. The six equations of a channel (one observed limit, five
expected) are solved side by side: at each round the likelihood of every channel is profiled at six tested yields,
each fit starting from the last.

The roots are found by Newton's method inside a bracket: the slope of a profile likelihood in the tested yield is its
partial derivative at the minimum, and needs no further fit.

References
----------
CCGV: G. Cowan, K. Cranmer, E. Gross, O. Vitells, EPJC 71 (2011) 1554, arXiv:1007.1727.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from bumphunt.inference import asymptotics
from bumphunt.inference.fit_result import BatchFit, FitResult, FitStatus
from bumphunt.inference.newton import BARRIER_STOP, BOUNDARY_LEVEL, RUNNING, fit_rows
from bumphunt.models.channel import Channel

__all__ = ["Inference", "infer"]

Array = NDArray[np.float64]

BLOCK = 64
"""Channels per block: their templates stay in the cache."""
MAX_ROUNDS = 100
"""Tested values before a root is said not to exist: sixty doublings would overflow no yield; four are usual."""
LAST_STEP = 1e-6
"""Relative step of Newton's method that is the last one: the next would be about its square."""
NARROW = 1e-13
"""Relative width of a bracket that cannot be halved."""
SINGULAR = 1e-13
"""Smallest eigenvalue of the scaled information (unit diagonal) that gives a first guess."""
DIFFERENCE = 1e-6
"""Relative step in the signal of the derivative of ln CLs, by a central difference."""
LOWEST = -30.0
"""Deepest deficit [standard deviations] for the first guess of a limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """What the data of a channel say about its signal, by asymptotic formulae.

    Parameters
    ----------
    best, null
        Fits with the signal free, and without signal.
    background_error
        Standard deviation of the yield on the background-only Asimov set [events]; NaN if it has no information.
    observed, expected
        Upper limit [events] and its band at -2 ... +2 standard deviations, shape ``(5,)``; NaN if they do not exist or
        were not asked for.
    failure
        Why there is no limit: the flag of a failed fit, or "no_root"; empty if there is one.
    """

    best: FitResult
    null: FitResult
    background_error: float
    observed: float
    expected: Array
    failure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stack:
    """N channels with K templates, `held` of them held: parameters are the held ones, the signal, the free ones.

    columns (N, P, B), short channels filled up with empty bins; counts (N, B); start, centres, precision (N, P); and
    where the templates of a channel are among the parameters (N, K).
    """

    columns: Array
    held: int
    counts: Array
    start: Array
    centres: Array
    precision: Array
    places: NDArray[np.intp]


def infer(channels: Sequence[Channel], *, cl: float = 0.9, expected: bool = True) -> list[Inference]:
    """Return fits and CLs limits of all channels, in their order.

    Parameters
    ----------
    channels
        Data, signal, templates and constraints of each; they may differ in everything.
    cl
        Confidence level, in (0, 1): not checked.
    expected
        Whether the expected bands are wanted.

    References
    ----------
    CCGV eqs 16, 31, 65, 66, 89, 90.
    """
    groups: dict[tuple[int, int], list[int]] = {}
    for index, channel in enumerate(channels):
        groups.setdefault((channel.centres.size, int(channel.held.sum())), []).append(index)
    results: dict[int, Inference] = {}
    for group in groups.values():
        for first in range(0, len(group), BLOCK):
            block = group[first : first + BLOCK]
            results |= zip(block, _infer([channels[i] for i in block], 1.0 - cl, expected), strict=True)
    return [results[index] for index in range(len(channels))]


def _stacked(channels: Sequence[Channel]) -> _Stack:
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
        alone = (channel.centres @ channel.templates <= 0.0) & (channel.signal > 0.0)
        start[m] = max(1.0, float(channel.counts[alone].sum())) if alone.any() else 0.0
    first = centres.copy()
    first[:, held] = start
    return _Stack(
        columns=columns, held=held, counts=counts, start=first, centres=centres, precision=precision, places=places
    )


def _infer(channels: Sequence[Channel], alpha: float, expected: bool) -> list[Inference]:
    """Return the results of channels that can be stacked."""
    stack = _stacked(channels)
    fits = _fits(stack)
    limits = _Roots(stack, fits, alpha, expected)
    limits.solve()
    with np.errstate(invalid="ignore"):
        errors = np.sqrt(fits.tangent[:, stack.held])
    results = []
    for m in range(len(channels)):
        null, best = (_fit_result(stack, fits, m, which) for which in (0, 1))
        failure = FitStatus(int(limits.failure[m])).flag if limits.failure[m] >= 0 else ""
        if not failure and limits.active[m].any():
            failure = "no_root"
        roots = np.full(6, np.nan)
        if not failure:
            roots[-limits.tested.shape[1] :] = limits.tested[m]
        results.append(
            Inference(
                best=best,
                null=null,
                background_error=float(errors[m]),
                observed=float(roots[5]),
                expected=roots[:5],
                failure=failure,
            )
        )
    return results


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fits:
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


def _fits(stack: _Stack) -> _Fits:
    """Return the fits of a stack; those with a free signal begin at those without, where they can."""
    null_start = stack.start.copy()
    null_start[:, stack.held] = 0.0
    null = _fit_rows(stack, null_start, stack.held + 1)
    near = (null.status <= int(FitStatus.AT_BOUNDARY)) & (stack.start[:, stack.held] == 0.0)
    best = _fit_rows(stack, np.where(near[:, None], null.parameters, stack.start), stack.held)
    nu = np.einsum("mp,mpb->mb", null.parameters, stack.columns)
    asimov = np.where(nu > BOUNDARY_LEVEL, nu, 0.0)
    both = (null, best)
    return _Fits(
        theta=np.stack([fit.parameters for fit in both], axis=1),
        errors=np.stack([fit.errors for fit in both], axis=1),
        nll=np.stack([fit.nll for fit in both], axis=1),
        status=np.stack([fit.status for fit in both], axis=1),
        steps=np.stack([fit.iterations for fit in both], axis=1),
        asimov=asimov,
        tangent=_tangent(stack, asimov),
    )


def _fit_rows(stack: _Stack, start: Array, held: int) -> BatchFit:
    """Return the fits of each channel of a stack to its data with the first `held` parameters held."""
    theta, rows = start.copy(), np.arange(start.shape[0])
    fit = BatchFit(
        parameters=theta,
        errors=np.full_like(theta, np.nan),
        nll=np.empty(rows.size),
        status=np.full(rows.size, RUNNING, np.int8),
        iterations=np.zeros(rows.size, np.int32),
    )
    inputs = (stack.columns, rows, held, stack.counts, rows, theta, stack.centres, stack.precision, False, True)
    fit_rows(*inputs, fit.nll, fit.errors, fit.status, fit.iterations)
    return fit


def _tangent(stack: _Stack, asimov: Array) -> Array:
    """Return the signal's column of the inverse of the expected information at Asimov data, shape ``(N, P)``."""
    free = stack.columns[:, stack.held :]
    weight = np.divide(1.0, asimov, out=np.zeros_like(asimov), where=asimov > 0.0)
    information = (free * weight[:, None]) @ free.transpose(0, 2, 1)
    index = np.arange(free.shape[1])
    information[:, index, index] += stack.precision[:, stack.held :]
    scale = np.sqrt(information[:, index, index])
    tangent = np.full_like(stack.start, np.nan)
    good = np.all((scale > 0.0) & (scale < np.inf), axis=1)
    scaled = information[good] / (scale[good, :, None] * scale[good, None, :])
    good[good] = np.linalg.eigvalsh(scaled)[:, 0] > SINGULAR
    if good.any():
        unit = np.zeros((int(good.sum()), index.size, 1))
        unit[:, 0, 0] = 1.0 / scale[good, 0]
        scaled = information[good] / (scale[good, :, None] * scale[good, None, :])
        tangent[good, stack.held :] = np.linalg.solve(scaled, unit)[:, :, 0] / scale[good]
        tangent[good, : stack.held] = 0.0
    return tangent


def _fit_result(stack: _Stack, fits: _Fits, m: int, which: int) -> FitResult:
    """Return one fit of channel m of a stack: 0 without signal, 1 with it free."""
    status, places = FitStatus(int(fits.status[m, which])), stack.places[m]
    return FitResult(
        n_sig=float(fits.theta[m, which, stack.held]) if status.usable else np.nan,
        n_sig_error=float(fits.errors[m, which, stack.held]),
        background=fits.theta[m, which, places],
        background_errors=fits.errors[m, which, places],
        nll=float(fits.nll[m, which]),
        status=status,
        iterations=int(fits.steps[m, which]),
        engine="convex",
    )


class _Roots:
    """The equations for the limits of a stack, solved together.

    `tested` (N, R) are the yields under test: five for the expected band, if wanted, and the observed one as the last.
    Each is fitted on the Asimov set, the observed one also on the data: R + 1 fits.
    """

    def __init__(self, stack: _Stack, fits: _Fits, alpha: float, expected: bool) -> None:
        self._stack, self._alpha = stack, alpha
        band = asymptotics.BAND if expected else ()
        self._targets = asymptotics.expected_sqrt_qmu_asimov(alpha, band)
        n_roots = len(band) + 1
        self._root_of_lane = np.append(np.arange(n_roots), n_roots - 1)
        self._which = np.append(np.zeros(n_roots, np.int64), 1)  # Asimov set, ..., data
        self.failure = _first_failure(stack, fits)
        self.active = np.repeat((self.failure < 0)[:, None], n_roots, axis=1)
        s_hat = np.where(self.failure < 0, fits.theta[:, 1, stack.held], 0.0)
        self._s_hat, self._reference = s_hat, np.where(s_hat < 0.0, fits.nll[:, 0], fits.nll[:, 1])  # CCGV eq. 10
        self._data = np.stack([fits.asimov, stack.counts], axis=1).reshape(-1, stack.counts.shape[1])
        self._centres = np.stack([fits.theta[:, 0]] * n_roots + [stack.centres], axis=1)
        best = np.where(s_hat[:, None] < 0.0, fits.theta[:, 0], fits.theta[:, 1])
        self._base = np.stack([fits.theta[:, 0]] * n_roots + [best], axis=1)  # where the lanes begin, (N, L, P)
        self._first_guess(fits)

    def _first_guess(self, fits: _Fits) -> None:
        """Set the tested values to those of a normal distribution, and the starts along the tangent."""
        held, n_roots = self._stack.held, self.active.shape[1]
        variance = fits.tangent[:, held]
        known = variance > 0.0
        rough = 1.0 / self._stack.columns[:, held].sum(axis=1)
        sigma = np.sqrt(np.where(known, variance, rough**2))
        self.tested = np.empty((sigma.size, n_roots))
        self.tested[:, :-1] = sigma[:, None] * self._targets
        deviation = np.maximum(self._s_hat / sigma, LOWEST)
        self.tested[:, -1] = sigma * (deviation - ndtri(self._alpha * ndtr(deviation)))  # CCGV eq. 89 for CLs
        self.low = np.zeros_like(self.tested)
        if self._alpha < 0.5:  # CLs is at least 1/2 up to the best fit
            self.low[:, -1] = np.maximum(self._s_hat, 0.0)
        self.high = np.full_like(self.tested, np.inf)
        self._before = np.full_like(self.tested, np.inf)
        slope = np.divide(fits.tangent, variance[:, None], out=np.zeros_like(fits.tangent), where=known[:, None])
        distance = self.tested[:, self._root_of_lane] - self._base[:, :, held]
        self._start = self._base + distance[:, :, None] * slope[:, None, :]

    def solve(self) -> None:
        """Move the tested values to the roots; those that are still `active` afterwards have none."""
        n_lanes = self._which.size
        self._nll, self._slope = np.zeros((self._s_hat.size, n_lanes)), np.ones((self._s_hat.size, n_lanes))
        for _ in range(MAX_ROUNDS):
            if not self.active.any():
                break
            self._fit()
            with np.errstate(all="ignore"):  # rows without a limit hold NaN; so do brackets without an upper end
                self._move(*self._equations())

    def _fit(self) -> None:
        """Profile the likelihood at the tested values, once more from the base where that fails."""
        held = self._stack.held
        wanted, tested = self.active[:, self._root_of_lane], self.tested[:, self._root_of_lane]
        base = self._base.copy()
        base[:, :, held] = tested
        negative = np.any(self._start @ self._stack.columns < 0.0, axis=2)
        for start in (np.where(negative[:, :, None], base, self._start), base):
            self._start = np.where(wanted[:, :, None], start, self._start)
            self._start[:, :, held] = tested
            status = self._fit_lanes(wanted)
            wanted = status > int(FitStatus.AT_BOUNDARY)
            if not wanted.any():
                return
        rows = wanted.any(axis=1)
        self.failure[rows] = status.max(axis=1)[rows]
        self.active[rows] = False

    def _fit_lanes(self, wanted: NDArray[np.bool_]) -> NDArray[np.int8]:
        """Make the wanted fits from their starts; return the status of each, and keep NLL and its slope in S."""
        stack, (models, lanes, parameters) = self._stack, self._start.shape
        status = np.where(wanted, RUNNING, int(FitStatus.CONVERGED)).astype(np.int8)
        flat = (models * lanes, parameters)
        steps, unused = np.zeros(flat[0], np.int32), np.empty((0, parameters))
        data = (2 * np.arange(models)[:, None] + self._which).ravel()
        inputs = (stack.columns, np.repeat(np.arange(models), lanes), stack.held + 1, self._data, data)
        start = np.ascontiguousarray(self._start).reshape(flat)
        options = (stack.precision, True, False, self._nll.reshape(-1), unused)
        fit_rows(*inputs, start, self._centres.reshape(flat), *options, status.reshape(-1), steps)
        self._start = start.reshape(self._start.shape)
        nu, counts = self._start @ stack.columns, self._data[data].reshape(models, lanes, -1)
        at_boundary = (status == int(FitStatus.AT_BOUNDARY))[:, :, None]
        counts = np.where(at_boundary & (counts == 0.0), BARRIER_STOP, counts)  # the multipliers t / nu of the walls
        ratio = np.divide(counts, nu, out=np.zeros_like(nu), where=nu > 0.0)
        slope = np.einsum("mlb,mb->ml", 1.0 - ratio, stack.columns[:, stack.held])
        self._slope = np.where(wanted, slope, self._slope)
        return status

    def _equations(self) -> tuple[Array, Array]:
        """Return the functions whose roots are wanted, positive below them, and their derivatives, shape ``(N, R)``."""
        asimov, asimov_slope = self._nll[:, :-1], self._slope[:, :-1]
        a = np.sqrt(np.maximum(2.0 * asimov, 0.0))  # the Asimov set is saturated: its best NLL is 0
        a_slope = asimov_slope / a
        value, slope = np.empty_like(a), np.empty_like(a)
        value[:, :-1], slope[:, :-1] = self._targets - a[:, :-1], -a_slope[:, :-1]
        s = self.tested[:, -1]
        q = np.where(s < self._s_hat, 0.0, np.maximum(2.0 * (self._nll[:, -1] - self._reference), 0.0))  # eq. 16
        r = np.sqrt(q)
        r_slope = np.where(q > 0.0, self._slope[:, -1] / r, 0.0)
        step = DIFFERENCE * s
        x = np.stack([-step, np.zeros_like(step), step])
        low, middle, high = np.log(asymptotics.cls(r + x * r_slope, a[:, -1] + x * a_slope[:, -1]))
        value[:, -1], slope[:, -1] = middle - np.log(self._alpha), (high - low) / (2.0 * step)
        return value, slope

    def _move(self, value: Array, slope: Array) -> None:
        """Narrow the brackets, and take a step of Newton's method, or half of the bracket where that is slow."""
        tested, active = self.tested, self.active
        self.low = np.where(active & (value > 0.0), tested, self.low)
        self.high = np.where(active & (value <= 0.0), tested, self.high)
        following = tested - value / slope
        good = (following > self.low) & (following < self.high)
        good &= (np.abs(value) < 0.5 * np.abs(self._before)) | np.isinf(self.high)
        other = np.where(np.isinf(self.high), 2.0 * tested, 0.5 * (self.low + self.high))
        following = np.where(good, following, other)
        done = good & (np.abs(following - tested) <= LAST_STEP * following)
        done |= np.isfinite(self.high) & (self.high - self.low <= NARROW * self.high)
        done |= value == 0.0
        following = np.where(value == 0.0, tested, following)
        self._before = np.where(active, value, self._before)
        base = self._base[:, :, self._stack.held]
        lanes = self._root_of_lane
        ratio = np.where(active[:, lanes], (following[:, lanes] - base) / (tested[:, lanes] - base), 1.0)
        self._start = self._base + np.where(np.isfinite(ratio), ratio, 1.0)[:, :, None] * (self._start - self._base)
        self.tested = np.where(active, following, tested)
        self.active = active & ~done


def _first_failure(stack: _Stack, fits: _Fits) -> NDArray[np.int8]:
    """Return the status of the first fit that forbids a limit, shape ``(N,)``, or -1.

    A background with nothing to be fitted has its Asimov set even where the data are impossible without signal.
    """
    best, null = fits.status[:, 1], fits.status[:, 0]
    usable = int(FitStatus.AT_BOUNDARY)
    failure = np.where(best > usable, best, np.where(null > usable, null, -1))
    if stack.start.shape[1] == stack.held + 1:
        failure = np.where((best <= usable) & (null == int(FitStatus.INFEASIBLE)), -1, failure)
    return failure.astype(np.int8)
