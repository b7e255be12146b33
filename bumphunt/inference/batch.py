"""Fits, significances and CLs limits of many channels at once: the fast way through a scan.

`infer` gives for every channel the fit with the signal free and the one without signal, and the upper limit of
`bumphunt.inference.limits.asymptotic_limit`, with its band. The six equations of a channel (one observed limit, five
expected) are solved side by side: at each round the likelihood of every channel is profiled at six tested yields,
each fit starting from the last.

The roots are found by Newton's method inside a bracket: the slope of a profile likelihood in the tested yield is its
partial derivative at the minimum, and needs no further fit.

Where the yield of the signal is uncertain (an efficiency, a luminosity), the model is no longer linear, but it is
still the linear one at other yields: with n = S exp(A z), z standard normal, the profile likelihood of S is the minimum
of L(n) + z^2 / 2 over z, and the linear model gives L and its derivatives at any n. Nothing is approximated.

References
----------
CCGV: G. Cowan, K. Cranmer, E. Gross, O. Vitells, EPJC 71 (2011) 1554, arXiv:1007.1727.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from bumphunt.engines.linear_kernels import RUNNING, fit_rows
from bumphunt.engines.result import FitResult, FitStatus
from bumphunt.engines.stacks import (
    Stack,
    StackFits,
    UncertainYield,
    curvature,
    fit_result,
    lifted,
    stack_fits,
    stacked,
)
from bumphunt.engines.uncertain_yields import Best, certain_best, uncertain_best, yield_gradient
from bumphunt.inference import asymptotics
from bumphunt.likelihood.linear import Channel

__all__ = ["Inference", "background_errors", "infer"]

Array = NDArray[np.float64]

BLOCK = 64
"""Channels per block: their templates stay in the cache."""
MAX_ROUNDS = 100
"""Tested values before a root is said not to exist: sixty doublings would overflow no yield; four are usual."""
LAST_STEP = 1e-6
"""Relative step of Newton's method that is the last one: the next would be about its square."""
NARROW = 1e-13
"""Relative width of a bracket that cannot be halved."""
MAX_PULLS, LARGEST_PULL = 30, 3.0
"""Steps in z at a tested value before a limit is given up, two are usual; the largest of them."""
PULL_TOLERANCE = 1e-4
"""Gradient in z at which it is at its minimum: the NLL is off by its square."""
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


def infer(
    channels: Sequence[Channel],
    *,
    cl: float = 0.9,
    expected: bool = True,
    yields: Sequence[UncertainYield | None] | None = None,
) -> list[Inference]:
    """Return fits and CLs limits of all channels, in their order.

    Parameters
    ----------
    channels
        Data, signal, templates and constraints of each; they may differ in everything.
    cl
        Confidence level, in (0, 1): not checked.
    expected
        Whether the expected bands are wanted.
    yields
        What is uncertain about the yield of the signal of each channel; None for certain ones.

    References
    ----------
    CCGV eqs 16, 31, 65, 66, 89, 90.
    """
    uncertain = [None] * len(channels) if yields is None else list(yields)
    groups: dict[tuple[int, int, int], list[int]] = {}
    for index, (channel, known) in enumerate(zip(channels, uncertain, strict=True)):
        parts = 0 if known is None else known.parts.shape[0]
        groups.setdefault((channel.centres.size, int(channel.held.sum()), parts), []).append(index)
    results: dict[int, Inference] = {}
    for group in groups.values():
        for first in range(0, len(group), BLOCK):
            block = group[first : first + BLOCK]
            known_yields = [known for i in block if (known := uncertain[i]) is not None]
            found = _infer([channels[i] for i in block], known_yields, 1.0 - cl, expected)
            results |= zip(block, found, strict=True)
    return [results[index] for index in range(len(channels))]


def background_errors(channels: Sequence[Channel]) -> Array:
    """Return `Inference.background_error` of channels with the same numbers of templates, shape ``(N,)``."""
    stack = stacked(channels)
    with np.errstate(invalid="ignore"):
        return np.sqrt(stack_fits(stack).tangent[:, stack.held])


def _infer(
    channels: Sequence[Channel], yields: Sequence[UncertainYield], alpha: float, expected: bool
) -> list[Inference]:
    """Return the results of channels that can be stacked; no yields for certain ones."""
    whole = stacked(channels)
    fits = stack_fits(whole)
    if yields:
        stack, mixing = whole.divided(yields), np.array([one.mixing for one in yields])
        best = uncertain_best(stack, fits, mixing)
    else:
        stack, mixing, best = whole, np.zeros((len(channels), 1, 1)), certain_best(whole, fits)
    limits = _Roots(stack, fits, best, mixing, alpha, expected)
    limits.solve()
    with np.errstate(invalid="ignore"):
        errors = np.sqrt(fits.tangent[:, whole.held])
    results = []
    for m in range(len(channels)):
        null, free = (fit_result(whole, fits, m, which) for which in (0, 1))
        failure = FitStatus(int(limits.failure[m])).flag if limits.failure[m] >= 0 else ""
        if not failure and limits.active[m].any():
            failure = "no_root"
        roots = np.full(6, np.nan)
        if not failure:
            roots[-limits.tested.shape[1] :] = limits.tested[m]
        results.append(
            Inference(
                best=_pulled(free, stack, best, m) if yields else free,
                null=null,
                background_error=float(errors[m]),
                observed=float(roots[5]),
                expected=roots[:5],
                failure=failure,
            )
        )
    return results


def _pulled(linear: FitResult, stack: Stack, best: Best, m: int) -> FitResult:
    """Return the best fit of channel m with uncertain yields in the place of that of its linear model."""
    status = FitStatus(int(best.status[m]))
    return replace(
        linear,
        n_sig=float(best.n_sig[m]) if status.usable else np.nan,
        n_sig_error=float(best.error[m]),
        background=best.theta[m, stack.places[m]],
        nll=float(best.nll[m]),
        status=status,
    )


class _Roots:
    """The equations for the limits of a stack, solved together.

    `tested` (N, 6) are the signals S under test: five for the expected band, if wanted, and the observed one as the
    last. Each is fitted on the Asimov set, the observed one also on the data: 7 fits. The yields of the parts of the
    signal are n = S exp(A z), and z (zero where yields are certain) is where L(n) + z^2 / 2 is smallest.
    """

    def __init__(self, stack: Stack, fits: StackFits, best: Best, mixing: Array, alpha: float, expected: bool) -> None:
        self._stack, self._mixing, self._alpha = stack, mixing, alpha
        self._uncertain = bool(np.any(mixing != 0.0))
        band = asymptotics.BAND if expected else ()
        self._targets = asymptotics.expected_sqrt_qmu_asimov(alpha, band)
        n_roots = len(band) + 1
        self._root_of_lane = np.append(np.arange(n_roots), n_roots - 1)
        self._which = np.append(np.zeros(n_roots, np.int64), 1)  # Asimov set, ..., data
        self.failure = _first_failure(stack, fits, best)
        self.active = np.repeat((self.failure < 0)[:, None], n_roots, axis=1)
        s_hat = np.where(self.failure < 0, best.n_sig, 0.0)
        self._s_hat, self._reference = s_hat, np.where(s_hat < 0.0, fits.nll[:, 0], best.nll)  # CCGV eq. 10
        self._data = np.stack([fits.asimov, stack.counts], axis=1).reshape(-1, stack.counts.shape[1])
        null = stack.spread(fits.theta[:, 0], stack.parts)
        self._centres = np.stack([null] * n_roots + [stack.centres], axis=1)
        first = np.where(s_hat[:, None] < 0.0, null, best.theta)
        self._base = np.stack([null] * n_roots + [first], axis=1)  # where the lanes begin, (N, L, P)
        self._base_signal = np.stack([0.0 * s_hat] * n_roots + [np.maximum(s_hat, 0.0)], axis=1)  # (N, L)
        at_best = np.where(s_hat[:, None] < 0.0, 0.0, best.z)
        self._z = np.stack([0.0 * at_best] * n_roots + [at_best], axis=1)  # (N, L, parts)
        self._z_slope = np.zeros_like(self._z)  # dz / d ln S
        self._curvature = np.zeros_like(mixing)
        if self._uncertain:
            self._curvature = np.nan_to_num(curvature(stack, _inverse(fits.asimov)))
        self._first_guess(fits)

    def _first_guess(self, fits: StackFits) -> None:
        """Set the tested values to those of a normal distribution, and the starts along the tangent."""
        held, n_roots = self._stack.held, self.active.shape[1]
        variance = fits.tangent[:, held]
        known = variance > 0.0
        rough = 1.0 / self._stack.columns[:, self._stack.signals].sum(axis=(1, 2))
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
        slope = self._stack.spread(slope, self._stack.parts)
        distance = self.tested[:, self._root_of_lane] - self._base_signal
        self._start = self._base + distance[:, :, None] * slope[:, None, :]

    def solve(self) -> None:
        """Move the tested values to the roots; those that are still `active` afterwards have none."""
        shape = (self._s_hat.size, self._which.size)
        self._nll, self._gradient = np.zeros(shape), np.ones((*shape, self._stack.parts))
        for _ in range(MAX_ROUNDS):
            if not self.active.any():
                break
            self._fit()
            with np.errstate(all="ignore"):  # rows without a limit hold NaN; so do brackets without an upper end
                self._move(*self._equations())

    def _fit(self) -> None:
        """Profile the likelihood at the tested values: in the background, and in z until it is at its minimum."""
        wanted = self.active[:, self._root_of_lane]
        for _ in range(MAX_PULLS):
            self._fit_yields(wanted)
            if not self._uncertain:
                return
            wanted = self._pull(self.active[:, self._root_of_lane])
            if not wanted.any():
                return
        self._give_up(wanted, np.full(wanted.shape, int(FitStatus.NOT_CONVERGED), np.int8))

    def _yields(self) -> Array:
        """Return the yields of the parts at the tested values and z, shape ``(N, L, R)``."""
        signal = self.tested[:, self._root_of_lane][:, :, None]
        return np.asarray(signal * np.exp(self._z @ self._mixing.transpose(0, 2, 1)) if self._uncertain else signal)

    def _pull(self, wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Take a step of Newton's method in z where its gradient A^T (n dL/dn) + z is not zero; return where."""
        a, yields = self._mixing[:, None], self._yields()
        pull = yields * self._gradient
        residual = (a.transpose(0, 1, 3, 2) @ pull[..., None])[..., 0] + self._z
        wanted = wanted & ~(np.abs(residual).max(axis=2) <= PULL_TOLERANCE)
        inner = yields[..., :, None] * self._curvature[:, None] * yields[..., None, :]
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

    def _fit_yields(self, wanted: NDArray[np.bool_]) -> None:
        """Fit the background at the tested values and z, once more from the base where that fails."""
        signals, yields = self._stack.signals, self._yields()
        base = self._base.copy()
        base[:, :, signals] = yields
        negative = np.any(self._start @ self._stack.columns < 0.0, axis=2)
        if self._uncertain:
            base = lifted(self._stack, base)
        for start in (np.where(negative[:, :, None], base, self._start), base):
            self._start = np.where(wanted[:, :, None], start, self._start)
            self._start[:, :, signals] = yields
            status = self._fit_lanes(wanted)
            wanted = status > int(FitStatus.AT_BOUNDARY)
            if not wanted.any():
                return
        self._give_up(wanted, status)

    def _give_up(self, wanted: NDArray[np.bool_], status: NDArray[np.int8]) -> None:
        """Keep the status of fits that failed: their channels have no limit."""
        rows = wanted.any(axis=1)
        self.failure[rows] = np.where(wanted, status, np.int8(-1)).max(axis=1)[rows]
        self.active[rows] = False

    def _fit_lanes(self, wanted: NDArray[np.bool_]) -> NDArray[np.int8]:
        """Make the wanted fits from their starts; return the status of each, and keep NLL and its slopes in n."""
        stack, (models, lanes, parameters) = self._stack, self._start.shape
        status = np.where(wanted, RUNNING, int(FitStatus.CONVERGED)).astype(np.int8)
        flat = (models * lanes, parameters)
        steps, unused = np.zeros(flat[0], np.int32), np.empty((0, parameters))
        data = (2 * np.arange(models)[:, None] + self._which).ravel()
        inputs = (stack.columns, np.repeat(np.arange(models), lanes), stack.held + stack.parts, self._data, data)
        start = np.ascontiguousarray(self._start).reshape(flat)
        options = (stack.precision, True, False, self._nll.reshape(-1), unused)
        fit_rows(*inputs, start, self._centres.reshape(flat), *options, status.reshape(-1), steps)
        self._start = start.reshape(self._start.shape)
        gradient = yield_gradient(stack, self._data, data.reshape(models, lanes), self._start, status)
        self._gradient = np.where(wanted[:, :, None], gradient, self._gradient)
        return status

    def _equations(self) -> tuple[Array, Array]:
        """Return the functions whose roots are wanted, positive below them, and their derivatives, shape ``(N, R)``."""
        nll, all_slopes = self._nll + 0.5 * np.sum(self._z**2, axis=2), np.sum(self._yields() * self._gradient, axis=2)
        all_slopes = all_slopes / self.tested[:, self._root_of_lane]
        asimov, asimov_slope = nll[:, :-1], all_slopes[:, :-1]
        a = np.sqrt(np.maximum(2.0 * asimov, 0.0))  # the Asimov set is saturated: its best NLL is 0
        a_slope = asimov_slope / a
        value, slope = np.empty_like(a), np.empty_like(a)
        value[:, :-1], slope[:, :-1] = self._targets - a[:, :-1], -a_slope[:, :-1]
        s = self.tested[:, -1]
        q = np.where(s < self._s_hat, 0.0, np.maximum(2.0 * (nll[:, -1] - self._reference), 0.0))  # eq. 16
        r = np.sqrt(q)
        r_slope = np.where(q > 0.0, all_slopes[:, -1] / r, 0.0)
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
        base, lanes = self._base_signal, self._root_of_lane
        ratio = np.where(active[:, lanes], (following[:, lanes] - base) / (tested[:, lanes] - base), 1.0)
        self._start = self._base + np.where(np.isfinite(ratio), ratio, 1.0)[:, :, None] * (self._start - self._base)
        if self._uncertain:
            stretch = np.log(np.where(active, following / tested, 1.0))[:, lanes, None]
            self._z = self._z + np.clip(np.nan_to_num(stretch * self._z_slope), -LARGEST_PULL, LARGEST_PULL)
        self.tested = np.where(active, following, tested)
        self.active = active & ~done


def _inverse(counts: Array) -> Array:
    """Return 1 / counts, and 0 for empty bins."""
    return np.divide(1.0, counts, out=np.zeros_like(counts), where=counts > 0.0)


def _first_failure(stack: Stack, fits: StackFits, best: Best) -> NDArray[np.int8]:
    """Return the status of the first fit that forbids a limit, shape ``(N,)``, or -1.

    A background with nothing to be fitted has its Asimov set even where the data are impossible without signal.
    """
    free, null = best.status, fits.status[:, 0]
    usable = int(FitStatus.AT_BOUNDARY)
    failure = np.where(free > usable, free, np.where(null > usable, null, -1))
    if stack.start.shape[1] == stack.held + stack.parts:
        failure = np.where((free <= usable) & (null == int(FitStatus.INFEASIBLE)), -1, failure)
    return failure.astype(np.int8)
