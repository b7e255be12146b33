"""One hypothesis of a search: q0 or p0 of many toys, found as the scan finds that of the data.

================  =====================================================================================
window            its toys are
================  =====================================================================================
`LinearWindow`    fitted by the linear engine: smooth backgrounds, some microseconds a toy
`FittedWindow`    fitted by the batched engine that suits the likelihood
`CountedWindow`   counted: p0 is exact
================  =====================================================================================

All toys of a window have the same model: their fits start from that of the expectation. Where the likelihood rises from
no signal on, its only minimum is a deficit and q0 is 0: the second fit is left out, and nothing is approximated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

from bumphunt.engines.codes import AT_BOUNDARY, CONVERGED, RUNNING
from bumphunt.engines.linear_kernels import Found, Rows, fit_rows
from bumphunt.engines.stacks import Stack, StackFits, UncertainYield
from bumphunt.engines.uncertain_kernels import DataSets, UncertainFits, fit_uncertain
from bumphunt.engines.uncertain_yields import Best, uncertain_best, yield_gradient
from bumphunt.inference import asymptotics
from bumphunt.inference.counts.distribution import CountingModel, counting_p0
from bumphunt.inference.toy_significance import q0_of_toys
from bumphunt.inference.toys import Toys
from bumphunt.likelihood.likelihood import Likelihood
from bumphunt.search_wide.spectra import Place
from bumphunt.search_wide.toys import SearchToys

__all__ = ["CountedWindow", "FittedWindow", "LinearWindow", "Local", "Window", "WindowToys"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowToys:
    """Toys of one window: counts ``(T, B)``, centres of the constraints ``(T, P)``, factors of the parts of the signal.

    The factors ``(T, R)`` are those that the measured efficiencies of a toy are off by; None where they do not matter.
    """

    counts: Array
    centres: Array
    factors: Array | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearWindow:
    """A window that is linear but for the yields of the parts of its signal.

    Parameters
    ----------
    places
        Where it lies, region after region.
    stack
        The channel, as a stack of one.
    null
        Parameters of the fit of the expectation without signal, in the order of the stack, shape ``(P,)``.
    start
        Where fits start, shape ``(P,)``.
    fakes
        Names of the constrained parameters (signals that the background may fake), by their numbers.
    yields
        What is uncertain about several parts; None for certain yields, and for one part, whose q0 it does not change.
    causes
        Names of the causes in `yields`, Q of them.
    """

    places: tuple[Place, ...]
    stack: Stack
    null: Array
    start: Array
    fakes: tuple[tuple[int, str], ...]
    yields: UncertainYield | None
    causes: tuple[str, ...]

    @property
    def expected(self) -> Array:
        """Expected counts without signal, shape ``(B,)``."""
        return np.maximum(np.asarray(self.null @ self.stack.columns[0]), 0.0)

    @property
    def signal(self) -> Array:
        """Counts per unit of signal, shape ``(B,)``."""
        return np.asarray(self.stack.columns[0, self.stack.held])

    def local(self, counts: Array, normal: Array) -> WindowToys:
        """Return toys of this window alone, from counts ``(T, B)`` and standard normal numbers ``(T, P)``."""
        centres = np.tile(self.stack.centres[0], (counts.shape[0], 1))
        for p, _ in self.fakes:
            centres[:, p] = self.null[p] + normal[:, p]
        return WindowToys(counts=counts, centres=centres)

    def drawn(self, toys: SearchToys) -> WindowToys:
        """Return what toys of the search have in this window."""
        normal, factors = np.zeros((toys.size, self.null.size)), None
        for p, name in self.fakes:
            normal[:, p] = toys.normal[name]
        if self.yields is not None:
            scores = np.column_stack([toys.normal[name] for name in self.causes])
            factors = np.exp(scores @ self.yields.responses.T)
        return replace(self.local(toys.counts(self.places), normal), factors=factors)

    def q0(self, data: WindowToys) -> Array:
        """Return q0 of toys (CCGV eq. 12), shape ``(T,)``; NaN where a fit failed."""
        n, held = data.counts.shape[0], self.stack.held
        begin = np.tile(self.start, (n, 1))
        begin[:, held] = 0.0
        null = _fitted(self.stack, data, begin, held + 1, warm=False)
        q0 = np.where(null.status <= AT_BOUNDARY, 0.0, np.nan)
        excess = np.flatnonzero((null.status <= AT_BOUNDARY) & (self._slope(data, null) < 0.0))
        if excess.size > 0:
            factors = None if data.factors is None else data.factors[excess]
            rows = WindowToys(counts=data.counts[excess], centres=data.centres[excess], factors=factors)
            known = null.rows(excess)
            nll, n_sig, usable = self._best(rows, known)
            q0[excess] = np.where(usable, asymptotics.q0(known.nll, nll, n_sig), np.nan)
        return q0

    def _slope(self, data: WindowToys, null: _Fits) -> Array:
        """Return the slope of the profile likelihood in the signal where there is none, shape ``(T,)``."""
        whole = self.stack if self.yields is None else self.stack.divided([self.yields])
        theta = self.stack.spread(null.theta, whole.parts)
        which = np.arange(theta.shape[0])[None]
        slopes = yield_gradient(whole, data.counts, which, theta[None], null.status[None])[0]
        return np.asarray(np.sum(slopes if data.factors is None else data.factors * slopes, axis=1))

    def _best(self, data: WindowToys, null: _Fits) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Return NLL and signal of the best fits, and which are usable, shape ``(T,)`` each."""
        stack, held = self.stack, self.stack.held
        if self.yields is not None:
            return _uncertain(stack, self.yields, data, null)
        best = _fitted(stack, data, null.theta, held, warm=True)
        again = np.flatnonzero(best.status > AT_BOUNDARY)
        if again.size > 0:
            rows = WindowToys(counts=data.counts[again], centres=data.centres[again])
            second = _fitted(stack, rows, null.theta[again], held, warm=False)
            best.theta[again], best.nll[again], best.status[again] = second.theta, second.nll, second.status
        return best.nll, best.theta[:, held], best.status <= AT_BOUNDARY


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fits:
    """T fits: parameters ``(T, P)``, NLL and status ``(T,)``."""

    theta: Array
    nll: Array
    status: NDArray[np.int8]

    def rows(self, index: NDArray[np.intp]) -> _Fits:
        """Return some of them."""
        return _Fits(theta=self.theta[index], nll=self.nll[index], status=self.status[index])


def _fitted(stack: Stack, data: WindowToys, start: Array, held: int, *, warm: bool) -> _Fits:
    """Return the fits of data sets to the one channel of a stack, with the first `held` parameters held."""
    theta, rows = start.copy(), np.arange(start.shape[0])
    fits = _Fits(theta=theta, nll=np.empty(rows.size), status=np.full(rows.size, RUNNING, np.int8))
    found = Found(
        nll=fits.nll,
        errors=np.empty((0, theta.shape[1])),
        status=fits.status,
        steps=np.zeros(rows.size, np.int32),
    )
    many = Rows(model=np.zeros_like(rows), data=rows, start=theta, centres=data.centres)
    fit_rows(stack.columns, stack.precision, data.counts, many, found, held, warm)
    return fits


def _uncertain(
    stack: Stack, yields: UncertainYield, data: WindowToys, null: _Fits
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Return NLL and signal of the best fits where yields are uncertain, and which are usable."""
    n, whole, mixing = data.counts.shape[0], stack.divided([yields]), yields.mixing
    factors = np.ones((n, whole.parts)) if data.factors is None else data.factors
    many = DataSets(
        counts=data.counts,
        centres=stack.spread(data.centres, whole.parts),
        factors=factors,
        start=stack.spread(null.theta, whole.parts),
    )
    nll, signal, status = np.full(n, np.nan), np.full(n, np.nan), np.zeros(n, np.int8)
    found = UncertainFits(nll=nll, signal=signal, status=status)
    fit_uncertain(whole.columns[0], stack.held, whole.precision[0], mixing, many, found)
    left = np.flatnonzero(status != CONVERGED)
    if left.size > 0:
        rows = WindowToys(counts=data.counts[left], centres=data.centres[left], factors=factors[left])
        best = _each_a_channel(stack, yields, factors[left], rows, null.rows(left))
        nll[left], signal[left], status[left] = best.nll, best.n_sig, best.status
    return nll, signal, status <= AT_BOUNDARY


def _each_a_channel(stack: Stack, yields: UncertainYield, factors: Array, data: WindowToys, null: _Fits) -> Best:
    """Return the best fits where yields are uncertain, each data set a channel of its own."""
    n, held, n_parts = data.counts.shape[0], stack.held, yields.parts.shape[0]
    parts = factors[:, :, None] * yields.parts
    columns = np.repeat(stack.columns, n, axis=0)
    columns[:, held] = parts.sum(axis=1)
    whole = replace(
        stack,
        columns=columns,
        counts=data.counts,
        start=null.theta,
        centres=data.centres,
        precision=np.repeat(stack.precision, n, axis=0),
        places=np.repeat(stack.places, n, axis=0),
    )
    theta, index = null.theta.copy(), np.arange(n)
    nll, status = np.empty(n), np.full(n, RUNNING, np.int8)
    found = Found(nll=nll, errors=np.empty((0, theta.shape[1])), status=status, steps=np.zeros(n, np.int32))
    rows = Rows(model=index, data=index, start=theta, centres=data.centres)
    fit_rows(columns, whole.precision, data.counts, rows, found, held, False)
    linear = StackFits(
        theta=np.stack([null.theta, theta], axis=1),
        errors=np.full((n, 2, theta.shape[1]), np.nan),
        nll=np.column_stack([null.nll, nll]),
        status=np.column_stack([null.status, status]),
        steps=np.zeros((n, 2), np.int32),
        asimov=np.maximum(np.einsum("mp,mpb->mb", null.theta, columns), 0.0),
        tangent=np.full_like(theta, np.nan),
    )
    divided = whole.divided([yields] * n)
    divided.columns[:, held : held + n_parts] = parts
    return uncertain_best(divided, linear, np.repeat(yields.mixing[None], n, axis=0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """What belongs to places of a spectrum among the constrained parameters of a window.

    Parameters
    ----------
    family
        Its name: that of the parameter without the number of a bin.
    parameter
        Number of the parameter.
    count
        Number of its auxiliary count among the counts; None for a normal constraint.
    bins
        Which bins of the window it moves, shape ``(n_bins,)``.
    """

    family: str
    parameter: int
    count: int | None
    bins: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedWindow:
    """A window whose toys are fitted by the batched engine that suits its likelihood.

    Parameters
    ----------
    places
        Where it lies, region after region.
    model
        The likelihood.
    null
        Parameters of the fit without signal of what toys are drawn from, shape ``(P,)``.
    shared
        Parameters with a constraint that all windows share: their numbers and names.
    counted
        The same of Poisson constraints: the number among the counts, and the name.
    local
        Constrained parameters that belong to places of the spectrum.
    """

    places: tuple[Place, ...]
    model: Likelihood
    null: Array
    shared: tuple[tuple[int, str], ...]
    counted: tuple[tuple[int, str], ...]
    local_parameters: tuple[Local, ...]

    @property
    def expected(self) -> Array:
        """Expected counts without signal, auxiliary ones too, shape ``(B,)``."""
        return np.maximum(self.model.expected(self.null), 0.0)

    @property
    def signal(self) -> Array:
        """Counts per unit of signal, shape ``(B,)``."""
        return np.asarray(self.model.expected_and_slopes(self.null)[1][0])

    def local(self, counts: Array, normal: Array) -> WindowToys:
        """Return toys of this window alone, from counts ``(T, B)`` and standard normal numbers ``(T, P)``."""
        constrained = self.model.measured & ~self.model.held
        width = np.divide(1.0, np.sqrt(self.model.precisions), out=np.zeros(self.null.size), where=constrained)
        middle = np.where(constrained, self.null, self.model.centres)
        return WindowToys(counts=counts, centres=middle + width * normal)

    def drawn(self, toys: SearchToys) -> WindowToys:
        """Return what toys of the search have in this window."""
        n, n_bins = toys.size, self.model.n_bins
        counts, expected = np.empty((n, self.model.counts.size)), self.expected
        counts[:, :n_bins] = toys.counts(self.places)
        normal = np.zeros((n, self.null.size))
        for p, name in self.shared:
            normal[:, p] = toys.normal[name]
        for k, name in self.counted:
            counts[:, k] = poisson.ppf(toys.uniform[name], expected[k])
        ratios = {family: toys.ratio(self.places, family) for family in {one.family for one in self.local_parameters}}
        for one in self.local_parameters:
            given, plain = ratios[one.family]
            ratio = given[:, one.bins].sum(axis=1) / plain[one.bins].sum()
            if one.count is not None:
                counts[:, one.count] = expected[one.count] * ratio
            else:
                normal[:, one.parameter] = (ratio - 1.0) * np.sqrt(self.model.precisions[one.parameter])
        return self.local(counts, normal)

    def q0(self, data: WindowToys) -> Array:
        """Return q0 of toys (CCGV eq. 12), shape ``(T,)``; NaN where a fit failed."""
        toys = Toys(counts=data.counts, centres=data.centres)
        start = np.where(np.isfinite(self.null), self.null, self.model.start)
        q0, good = q0_of_toys(self.model, toys, start, threads=False)
        return np.where(good & np.isfinite(q0), q0, np.nan)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedWindow:
    """A window whose events are counted: p0 = P(N >= n) is exact (`bumphunt.inference.counts.distribution`).

    Parameters
    ----------
    places
        Where it lies.
    model
        Background, and what is uncertain about it.
    """

    places: tuple[Place, ...]
    model: CountingModel

    def z0(self, toys: SearchToys) -> Array:
        """Return the significance of toys, 0 for p0 > 0.5, shape ``(T,)``."""
        counts = toys.counts(self.places)[:, 0]
        values, back = np.unique(counts, return_inverse=True)
        p0 = np.array([counting_p0(float(n), self.model) for n in values])
        return np.asarray(np.maximum(asymptotics.z_score(p0), 0.0)[back])


Window = LinearWindow | FittedWindow | CountedWindow
"""A hypothesis of a search."""
