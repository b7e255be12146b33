"""Correction factors from control regions: how many times more events there are in data than simulated.

`measure_factor` takes the spectra of a control region, or yields in bins of some observable: the data N, the samples
whose factor is wanted M, and the others O. The factor is (N - O) / M. Its uncertainty has three parts: the statistical
one of the data, that of the simulated events, and that of the luminosity, by which all simulated yields are scaled.
`workflows.products.factor_files` writes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import InputError
from bumphunt.spectrum.axis import ascending_edges

__all__ = ["MeasuredFactor", "measure_factor"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredFactor:
    """A factor in bins of an observable, B of them, or of one bin.

    Parameters
    ----------
    observable
        Observable of the bins; None for one bin that holds everything.
    edges
        Their edges [unit of the observable], shape (B + 1,); None for one bin.
    data, wanted, others
        Yields at the luminosity of the data, shape (B,).
    value
        The factor, shape (B,).
    data_error, simulation_error, luminosity_error
        Parts of its uncertainty, shape (B,); the last one is the same shift in all bins.
    """

    observable: str | None
    edges: Array | None
    data: Array
    wanted: Array
    others: Array
    value: Array
    data_error: Array
    simulation_error: Array
    luminosity_error: Array

    @property
    def error(self) -> Array:
        """Uncertainty of the factor, shape (B,): the parts added in quadrature."""
        return np.asarray(np.sqrt(self.data_error**2 + self.simulation_error**2 + self.luminosity_error**2))


def measure_factor(
    data: ArrayLike,
    wanted: ArrayLike,
    wanted_variance: ArrayLike,
    others: ArrayLike = 0.0,
    others_variance: ArrayLike = 0.0,
    *,
    luminosity_error: float,
    observable: str | None = None,
    edges: ArrayLike | None = None,
) -> MeasuredFactor:
    r"""Return the factor (N - O) / M by which simulated yields must be scaled to agree with the data.

    With f the factor and l the relative uncertainty of the luminosity, the parts of its uncertainty are
    sqrt(N) / M, sqrt(var O + f^2 var M) / M, and l N / M: a larger luminosity scales O and M alike,
    d f = -(O + f M) / M = -N / M per unit of l.

    Parameters
    ----------
    data
        Events N in the control region, shape (B,), or a number for one bin.
    wanted, wanted_variance
        Yield M of the samples whose factor is wanted, at the luminosity of the data, and its variance, shape (B,).
    others, others_variance
        Yield O of the other samples, likewise; with their own systematic uncertainty where the variance holds it.
    luminosity_error
        Relative uncertainty of the luminosity.
    observable, edges
        Observable of the bins and their edges, shape (B + 1,); None for one bin.

    Raises
    ------
    InputError
        If shapes differ, a yield or variance is negative or not finite, nothing is simulated in a bin, or the others
        leave nothing of the data.

    Examples
    --------
    >>> factor = measure_factor(6500, 10_000, 100, luminosity_error=0.0)
    >>> float(factor.value[0]), round(float(factor.error[0]), 4)
    (0.65, 0.0081)
    """
    if (observable is None) != (edges is None):
        msg = f"observable = {observable!r}, edges = {edges!r}; give both or neither"
        raise InputError(msg)
    n, m, var_m, o, var_o = (
        np.array(a, dtype=np.float64)
        for a in np.broadcast_arrays(
            *(np.atleast_1d(v) for v in (data, wanted, wanted_variance, others, others_variance))
        )
    )
    bins = None if edges is None else ascending_edges(edges)
    if n.shape != ((1,) if bins is None else (bins.size - 1,)):
        msg = f"{n.size} yields; {1 if bins is None else bins.size - 1} bins need as many"
        raise InputError(msg)
    if not (np.isfinite(luminosity_error) and luminosity_error >= 0):
        msg = f"luminosity_error = {luminosity_error}; it must be a relative uncertainty, not negative"
        raise InputError(msg)
    yields = {"data": n, "wanted": m, "wanted_variance": var_m, "others": o, "others_variance": var_o}
    _check_yields(yields, [_place(observable, bins, b) for b in range(n.size)])
    value = (n - o) / m
    return MeasuredFactor(
        observable=observable,
        edges=bins,
        data=n,
        wanted=m,
        others=o,
        value=value,
        data_error=np.sqrt(n) / m,
        simulation_error=np.sqrt(var_o + value**2 * var_m) / m,
        luminosity_error=luminosity_error * n / m,
    )


def _place(observable: str | None, edges: Array | None, b: int) -> str:
    """Return which bin is meant, for errors."""
    return "" if edges is None else f" for {observable} in [{edges[b]:g}, {edges[b + 1]:g})"


def _check_yields(yields: Mapping[str, Array], places: Sequence[str]) -> None:
    """Raise for yields of which no factor can be measured.

    Raises
    ------
    InputError
        If one is negative or not finite, nothing is simulated in a bin, or the others leave nothing of the data.
    """
    for name, values in yields.items():
        if not np.all(np.isfinite(values) & (values >= 0)):
            msg = f"{name} = {values.tolist()}; every bin must be finite and not negative"
            raise InputError(msg)
    for n, m, o, place in zip(yields["data"], yields["wanted"], yields["others"], places, strict=True):
        if not m > 0:
            msg = f"nothing is simulated in the control region{place}; widen the bins, or simulate more events"
            raise InputError(msg)
        if not n > o:
            msg = (
                f"{n:g} events in data, but {o:g} expected of other samples{place}: no factor can be measured; widen"
                " the bins, or choose a purer control region"
            )
            raise InputError(msg)
