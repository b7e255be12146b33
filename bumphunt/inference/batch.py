"""Fits, significances and CLs limits of many channels at once: the fast way through a scan.

`infer` gives for every channel the fit with the signal free and the one without signal, and the CLs limit from q~mu
with its band. The six equations of a channel (one observed limit, five expected) are solved side by side: at each
round the likelihood of every channel is profiled at six tested yields (`bumphunt.engines.lanes`).

The roots are found by Newton's method inside a bracket (`bumphunt.inference.roots.newton_roots`): the slope of a
profile likelihood in the tested yield is its partial derivative at the minimum, and needs no further fit.

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

from bumphunt.engines.lanes import LaneData, Lanes
from bumphunt.engines.result import FitResult, FitStatus
from bumphunt.engines.stacks import (
    Stack,
    StackFits,
    UncertainYield,
    curvature,
    stack_fits,
    stack_results,
    stacked,
)
from bumphunt.engines.uncertain_yields import Best, certain_best, uncertain_best
from bumphunt.errors import Flag
from bumphunt.inference import asymptotics
from bumphunt.inference.roots import newton_roots
from bumphunt.likelihood.linear import Channel

__all__ = ["Inference", "background_errors", "infer"]

Array = NDArray[np.float64]
Codes = NDArray[np.int8]

BLOCK = 64
"""Channels per block: their templates stay in the cache."""
DIFFERENCE = 1e-6
"""Relative step in the signal of the derivative of ln CLs, by a central difference."""
LOWEST = -30.0
"""Deepest deficit [standard deviations] for the first guess of a limit."""
USABLE = int(FitStatus.AT_BOUNDARY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """What the data of a channel say about its signal, by asymptotic formulae.

    Parameters
    ----------
    best, null
        Fits with the signal free, and without signal; parameters are the strength and the coefficients of the channel.
    background_error
        Standard deviation of the yield on the background-only Asimov set [events]; NaN if it has no information.
    observed, expected
        Upper limit [events] and its band at -2 ... +2 standard deviations, shape ``(5,)``; NaN if they do not exist or
        were not asked for.
    failure
        Why there is no limit: the flag of a failed fit, or `Flag.NO_ROOT`; None if there is one.
    """

    best: FitResult
    null: FitResult
    background_error: float
    observed: float
    expected: Array
    failure: Flag | None


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
    roots, failures = _limits(stack, fits, best, mixing, alpha, expected)
    with np.errstate(invalid="ignore"):
        errors = np.sqrt(fits.tangent[:, whole.held])
    null, free = (stack_results(whole, fits, which, channels[0].names) for which in (0, 1))
    return [
        Inference(
            best=_pulled(free[m], stack, best, m) if yields else free[m],
            null=null[m],
            background_error=float(errors[m]),
            observed=float(roots[m, 5]),
            expected=roots[m, :5],
            failure=failures[m],
        )
        for m in range(len(channels))
    ]


def _pulled(linear: FitResult, stack: Stack, best: Best, m: int) -> FitResult:
    """Return the best fit of channel m with uncertain yields in the place of that of its linear model."""
    status = FitStatus(int(best.status[m]))
    return replace(
        linear,
        values=np.append(best.n_sig[m], best.theta[m, stack.places[m]])
        if status.usable
        else np.full_like(linear.values, np.nan),
        errors=np.append(best.error[m], linear.errors[1:]),
        nll=float(best.nll[m]),
        status=status,
    )


def _limits(
    stack: Stack, fits: StackFits, best: Best, mixing: Array, alpha: float, expected: bool
) -> tuple[Array, list[Flag | None]]:
    """Return the band and the observed limit of each channel, shape ``(N, 6)``, NaN if there are none, and why.

    Each tested signal has a lane on the Asimov set, the observed one another on the data: 7 fits.
    """
    targets = asymptotics.expected_sqrt_qmu_asimov(alpha, asymptotics.BAND if expected else ())
    n_roots = targets.size + 1
    root_of_lane = np.append(np.arange(n_roots), n_roots - 1)
    codes = _first_failure(stack, fits, best)
    wanted = codes < 0
    equations = _Equations(
        alpha=alpha,
        targets=targets,
        s_hat=np.where(wanted, best.n_sig, 0.0),
        reference=np.where(best.n_sig < 0.0, fits.nll[:, 0], best.nll),  # CCGV eq. 10
    )
    second = np.nan_to_num(curvature(stack, _inverse(fits.asimov))) if np.any(mixing != 0.0) else np.zeros_like(mixing)
    lanes = Lanes(stack, mixing, _lane_data(stack, fits, best, equations.s_hat, n_roots, second))

    def functions(tested: Array, active: NDArray[np.bool_]) -> tuple[Array, Array, NDArray[np.bool_]]:
        status = lanes.profile(tested[:, root_of_lane], active[:, root_of_lane])
        worst = status.max(axis=1)
        lost = worst > USABLE
        codes[lost] = worst[lost]
        with np.errstate(all="ignore"):  # rows without a limit hold NaN
            return *equations.at(tested, lanes.nll, lanes.slopes), lost

    first, low = equations.first_guess(stack, fits)
    roots, found = newton_roots(functions, first, low, np.repeat(wanted[:, None], n_roots, axis=1))
    whole = np.logical_and.reduce(found, axis=1)
    limits = np.full((codes.size, 6), np.nan)
    limits[:, 6 - n_roots :] = np.where(whole[:, None], roots, np.nan)
    flags = [FitStatus(int(code)).flag if code >= 0 else Flag.NO_ROOT for code in codes]
    return limits, [None if good else flag for good, flag in zip(whole, flags, strict=True)]


def _lane_data(stack: Stack, fits: StackFits, best: Best, s_hat: Array, n_roots: int, second: Array) -> LaneData:
    """Return what is fitted at the tested signals: Asimov sets from the fits without signal, data from the best ones.

    The data of a deficit start from the fit without signal.
    """
    null, deficit = stack.spread(fits.theta[:, 0], stack.parts), s_hat[:, None] < 0.0
    best_z = np.where(deficit, 0.0, best.z)
    variance = fits.tangent[:, [stack.held]]
    known = variance > 0.0
    tangent = stack.spread(np.divide(fits.tangent, variance, out=np.zeros_like(fits.tangent), where=known), stack.parts)
    n = s_hat.size
    return LaneData(
        counts=np.stack([fits.asimov, stack.counts], axis=1).reshape(2 * n, -1),
        which=2 * np.arange(n)[:, None] + np.append(np.zeros(n_roots, np.int64), 1),
        centres=np.stack([null] * n_roots + [stack.centres], axis=1),
        base=np.stack([null] * n_roots + [np.where(deficit, null, best.theta)], axis=1),
        base_signal=np.stack([0.0 * s_hat] * n_roots + [np.maximum(s_hat, 0.0)], axis=1),
        base_z=np.stack([0.0 * best_z] * n_roots + [best_z], axis=1),
        tangent=np.repeat(tangent[:, None], n_roots + 1, axis=1),
        curvature=second,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Equations:
    """The equations for the limits of N channels: those of the band, if wanted, and of the observed limit as the last.

    `targets` are the roots of q~mu,A that the band must reach; s_hat and reference, shape ``(N,)``, the best signal
    and the NLL that q~mu of the data is relative to.
    """

    alpha: float
    targets: Array
    s_hat: Array
    reference: Array

    def first_guess(self, stack: Stack, fits: StackFits) -> tuple[Array, Array]:
        """Return the limits of a normal distribution, and what lies below the limits, shape ``(N, roots)``."""
        variance = fits.tangent[:, stack.held]
        rough = 1.0 / stack.columns[:, stack.signals].sum(axis=(1, 2))
        sigma = np.sqrt(np.where(variance > 0.0, variance, rough**2))
        deviation = np.maximum(self.s_hat / sigma, LOWEST)
        observed = sigma * (deviation - ndtri(self.alpha * ndtr(deviation)))  # CCGV eq. 89 for CLs
        first = np.column_stack([sigma[:, None] * self.targets, observed])
        low = np.zeros_like(first)
        if self.alpha < 0.5:  # CLs is at least 1/2 up to the best fit
            low[:, -1] = np.maximum(self.s_hat, 0.0)
        return first, low

    def at(self, tested: Array, nll: Array, slopes: Array) -> tuple[Array, Array]:
        """Return functions that are positive below their roots, and their derivatives, shape ``(N, roots)``.

        Parameters
        ----------
        tested
            Signals, shape ``(N, roots)``.
        nll, slopes
            Profile likelihoods and their derivatives: of the Asimov set at each of them, and of the data at the last,
            shape ``(N, roots + 1)``.
        """
        a = np.sqrt(np.maximum(2.0 * nll[:, :-1], 0.0))  # the Asimov set is saturated: its best NLL is 0
        a_slope = slopes[:, :-1] / a
        s = tested[:, -1]
        q = np.where(s < self.s_hat, 0.0, np.maximum(2.0 * (nll[:, -1] - self.reference), 0.0))  # eq. 16
        r = np.sqrt(q)
        r_slope = np.where(q > 0.0, slopes[:, -1] / r, 0.0)
        step = DIFFERENCE * s
        x = np.stack([-step, np.zeros_like(step), step])
        low, middle, high = np.log(asymptotics.cls(r + x * r_slope, a[:, -1] + x * a_slope[:, -1]))
        value = np.column_stack([self.targets - a[:, :-1], middle - np.log(self.alpha)])
        return value, np.column_stack([-a_slope[:, :-1], (high - low) / (2.0 * step)])


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
