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
"""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from bumphunt.engines import linear, newton
from bumphunt.engines.linear import fit_linear
from bumphunt.engines.minuit import fit_each, fit_minuit
from bumphunt.engines.newton import fit_newton
from bumphunt.engines.result import FitResult, FitResults, FitStatus
from bumphunt.engines.zfit import fit_zfit
from bumphunt.errors import InputError
from bumphunt.likelihood.likelihood import Likelihood

__all__ = ["Engine", "chosen_engine", "fit_data_sets", "fit_likelihood"]

Array = NDArray[np.float64]
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
    found = ENGINES[name](model, strength=strength, start=start, errors=errors)
    if name != "linear":
        return found
    if _left(model, model.centres[None], found.values[None], np.array([int(found.status)], np.int8))[0]:
        return fit_newton(model, strength=strength, errors=errors)
    return found


def fit_data_sets(
    model: Likelihood, counts: Array, centres: Array, start: Array, *, strength_free: bool, threads: bool = False
) -> FitResults:
    """Return the fits of a likelihood to N data sets, by the engine that "auto" is; arguments as in "newton"."""
    if model.computed:
        return fit_each(model, counts, centres, start, strength_free=strength_free)
    fit = linear.fit_data_sets if model.linear else newton.fit_data_sets
    found = fit(model, counts, centres, start, strength_free=strength_free, threads=threads)
    left = np.flatnonzero(_left(model, centres, found.values, found.status)) if model.linear else np.zeros(0, np.intp)
    if left.size > 0:
        data = (counts[left], centres[left], start[left])
        again = newton.fit_data_sets(model, *data, strength_free=strength_free, threads=threads)
        for name in ("values", "nll", "status", "iterations"):
            getattr(found, name)[left] = getattr(again, name)
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
