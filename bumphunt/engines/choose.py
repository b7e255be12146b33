"""The choice of the engine, and all engines by one signature.

=========  =========================================================================================================
"linear"   batched Newton and interior-point steps: likelihoods that are linear in their parameters; a fit that ends
           where a factor would be negative is left to "newton", which knows that it ends at 0
"newton"   damped Newton steps: any likelihood
"minuit"   iminuit, the reference: any likelihood, but not where its minimum is at the boundary of negative counts
"zfit"     a peer, an extra (``pip install 'bumphunt[zfit]'``): any likelihood
"auto"     "linear" where the likelihood is linear, "minuit" where a background is a function of Python, which compiled
           code does not know, "newton" elsewhere
=========  =========================================================================================================

Whatever the engine, free factors of samples stop at 0 (`bumphunt.engines.stops`).
"""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from bumphunt.engines import linear, newton
from bumphunt.engines.exponentials import Without, equal_rows
from bumphunt.engines.linear import fit_linear
from bumphunt.engines.minuit import fit_each, fit_minuit
from bumphunt.engines.newton import fit_newton
from bumphunt.engines.result import FitResult, FitResults, FitStatus, put_rows
from bumphunt.engines.start import first_strength
from bumphunt.engines.stops import stop, stop_one
from bumphunt.engines.zfit import fit_zfit
from bumphunt.errors import InputError
from bumphunt.likelihood.likelihood import Likelihood

__all__ = ["Engine", "chosen_engine", "fit_data_sets", "fit_likelihood", "fit_without"]

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
Engine = Literal["auto", "linear", "newton", "minuit", "zfit"]


TOUCH = 1e-7
"""How far below a floor a parameter may end that is there: a wall leaves as much."""


class Fit(Protocol):
    """What every engine is: a function from a likelihood to its fit; arguments as in `newton.fit_newton`."""

    def __call__(
        self, model: Likelihood, *, strength: float | None = None, start: Array | None = None, errors: bool = True
    ) -> FitResult:
        """Return the fit."""


ENGINES: dict[str, Fit] = {"linear": fit_linear, "newton": fit_newton, "minuit": fit_minuit, "zfit": fit_zfit}
"""The engines by name."""


def chosen_engine(model: Likelihood, engine: Engine) -> Literal["linear", "newton", "minuit", "zfit"]:
    """Return the engine that fits a likelihood, for "auto" the fastest that the model allows.

    Raises
    ------
    InputError
        If the name is unknown, or "linear" is asked to fit what is not linear, or "newton" a function of Python.
    """
    if engine != "auto" and engine not in ENGINES:
        msg = f"unknown engine {engine!r}: want 'auto', {', '.join(repr(name) for name in ENGINES)}"
        raise InputError(msg)
    if engine == "linear" and not model.linear:
        msg = "the linear engine cannot fit a likelihood that is not linear in its parameters: use 'auto' or 'newton'"
        raise InputError(msg)
    if engine == "newton" and model.computed:
        msg = "the engine 'newton' is compiled and cannot fit a background that is a function of Python: use 'minuit'"
        raise InputError(msg)
    if engine == "auto":
        return "linear" if model.linear else "minuit" if model.computed else "newton"
    return engine


def fit_likelihood(
    model: Likelihood,
    engine: Engine = "auto",
    *,
    strength: float | None = None,
    start: Array | None = None,
    errors: bool = True,
) -> FitResult:
    """Return the fit of a likelihood by an engine.

    Parameters
    ----------
    model
        From `bumphunt.likelihood.likelihood.likelihood`.
    engine
        Its name.
    strength
        Signal strength to be held (a tested value); free by default.
    start
        Parameters near the minimum to start from, shape ``(P,)``; those of the model by default.
    errors
        Whether the covariance is wanted.

    Raises
    ------
    InputError
        As `chosen_engine`, and if zfit is not installed.
    """
    name = chosen_engine(model, engine)

    def fit(one: Likelihood) -> FitResult:
        near = start if one is model or start is None else np.where(one.held, one.start, start)
        return _fit_one(one, name, strength=strength, start=near, errors=errors)

    return stop_one(model, fit(model), fit)


def _fit_one(model: Likelihood, name: str, *, strength: float | None, start: Array | None, errors: bool) -> FitResult:
    """Return the fit by an engine, or by "newton" where "linear" is none for it; factors may be negative."""
    found = ENGINES[name](model, strength=strength, start=start, errors=errors)
    if name != "linear":
        return found
    if _left(model, model.centres[None], found.values[None], np.array([int(found.status)], np.int8))[0]:
        return fit_newton(model, strength=strength, errors=errors)
    return found


def fit_data_sets(
    model: Likelihood,
    counts: Array,
    centres: Array,
    start: Array,
    *,
    strength_free: bool,
    threads: bool = False,
    without: Without | None = None,
) -> FitResults:
    """Return the fits of a likelihood to N data sets, by the engine that "auto" is; arguments as in "newton"."""
    found = _fit_rows(model, counts, centres, start, strength_free=strength_free, threads=threads, without=without)

    def fit(held: Likelihood, stopped: NDArray[np.bool_], rows: Indices) -> FitResults:
        begin = np.where(stopped, 0.0, start[rows])
        if strength_free:  # where nothing else is left the signal explains what there is
            nu, slopes = model.expected_and_slopes(np.where(np.arange(stopped.size) == 0, 0.0, begin[0]))
            begin[:, 0] = np.maximum(begin[:, 0], first_strength(nu, slopes[0], counts[rows]))
        return _fit_rows(held, counts[rows], centres[rows], begin, strength_free=strength_free, threads=threads)

    stop(model, counts, found, fit)
    return found


def fit_without(model: Likelihood, counts: Array, centres: Array, start: Array, *, threads: bool = False) -> Without:
    """Return the fits of a likelihood without signal to N data sets, which `fit_data_sets` begins others from.

    What multiplies the signal alone stays at the centre of its constraint: data sets that differ by nothing else are
    fitted once.
    """
    alone = model.of_signal
    first, back = equal_rows(np.hstack([counts, centres[:, ~alone]]))
    begin = np.where(alone, centres, start)[first]
    begin[:, 0] = 0.0
    data = (counts[first], centres[first], begin)
    null = fit_data_sets(model, *data, strength_free=False, threads=threads)
    others = None
    if model.flat.exponential and not model.computed:
        others = _moved(newton.fit_beside(model, *data, threads=threads), back, alone, centres)
    found, one = _moved(null, back, alone, centres), np.where(np.arange(alone.size) == 0, 1.0, 0.0)
    if alone.any():
        yields = [
            (model.expected_many(v + one) - model.expected_many(v)).sum(axis=1) for v in (null.values, found.values)
        ]
        found.slopes[:] *= np.divide(yields[1], yields[0][back], out=np.ones(back.size), where=yields[0][back] > 0.0)
    return Without(null=found, others=others)


def _moved(found: FitResults, back: Indices, alone: NDArray[np.bool_], centres: Array) -> FitResults:
    """Return the fits of all data sets from those of different ones, with some parameters at their centres."""
    every = found.rows(back)
    every.values[:, alone] = centres[:, alone]
    return every


def _fit_rows(
    model: Likelihood,
    counts: Array,
    centres: Array,
    start: Array,
    *,
    strength_free: bool,
    threads: bool,
    without: Without | None = None,
) -> FitResults:
    """Return the fits to N data sets; factors may be negative."""
    if model.computed:
        return fit_each(model, counts, centres, start, strength_free=strength_free)
    if not model.linear:
        return newton.fit_data_sets(
            model, counts, centres, start, strength_free=strength_free, threads=threads, without=without
        )
    found = linear.fit_data_sets(model, counts, centres, start, strength_free=strength_free, threads=threads)
    left = np.flatnonzero(_left(model, centres, found.values, found.status))
    if left.size > 0:
        data = (counts[left], centres[left], start[left])
        put_rows(found, left, newton.fit_data_sets(model, *data, strength_free=strength_free, threads=threads))
    return found


def _left(model: Likelihood, centres: Array, values: Array, status: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Return which of N linear fits, parameters ``(N, P)``, left the range in which the model is linear.

    Those whose constraint has its centre below a floor may have a second minimum there; others fail where they start.
    """
    if not np.any(model.floors > -np.inf):
        return np.zeros(status.size, dtype=np.bool_)
    below = np.any((values < model.floors - TOUCH) | (centres <= model.floors), axis=1)
    failed = (status == FitStatus.NOT_CONVERGED) | (status == FitStatus.INFEASIBLE)
    return np.asarray(below | failed, dtype=np.bool_)
