"""Unbinned fits of regions that were given their values, and zfit as a third engine.

==================  ==============================================================================================
`fit_unbinned`      values, by the engine that suits the model: they are counted in bins so narrow that nothing is
                    lost (`bumphunt.likelihood.narrow_bins`); or by zfit, from its own densities
`unbinned_q0`       the discovery statistic of values
==================  ==============================================================================================

Use unbinned fits where bins would be wider than the resolution, or to see what binning costs. Limits, intervals and
scans of values are those of `bumphunt.inference.fit`, asked of `bumphunt.likelihood.narrow_bins.narrow_bins`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from numpy.typing import ArrayLike

from bumphunt.engines.choose import Engine, fit_likelihood
from bumphunt.engines.result import FitResult
from bumphunt.engines.zfit import fit_densities
from bumphunt.errors import FitError
from bumphunt.inference.profile import Profile
from bumphunt.likelihood.narrow_bins import unbinned_constant, unbinned_likelihood
from bumphunt.models.region import Region

__all__ = ["fit_unbinned", "unbinned_nll", "unbinned_q0"]


def unbinned_nll(regions: Region | Sequence[Region], theta: ArrayLike) -> float:
    """Return the extended negative log-likelihood of the values; inf where a density is not positive.

    Parameters
    ----------
    regions
        One region or several, described with values.
    theta
        Parameters in the order of `bumphunt.likelihood.likelihood.likelihood`, shape ``(P,)``.

    Returns
    -------
    float
        The integral of lambda minus the sum of ln lambda(x_i), plus the constraints relative to their best values.

    Raises
    ------
    InputError
        If a region has no values, or a sample no density.
    """
    model = unbinned_likelihood(regions)
    return model.nll(theta) + unbinned_constant(model)


def fit_unbinned(
    regions: Region | Sequence[Region], *, strength: float | None = None, engine: Engine = "auto"
) -> FitResult:
    """Return the unbinned extended maximum-likelihood fit.

    Parameters
    ----------
    regions
        One region or several, described with values.
    strength
        Held signal strength; free by default.
    engine
        As in `bumphunt.inference.fit.fit`; "zfit" fits its own densities to the values.

    Returns
    -------
    FitResult
        `nll` is that of `unbinned_nll`, which has no saturated reference. A minimum where the density would become
        negative between the values has the status AT_BOUNDARY.

    Raises
    ------
    InputError
        If a region has no values, a sample no density, or the engine cannot fit the model or is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from bumphunt.models.background import BackgroundModel
    >>> from bumphunt.models.peaks import gaussian
    >>> from bumphunt.models.region import region
    >>> rng = np.random.default_rng(1)
    >>> masses = np.concatenate([rng.uniform(4.0, 6.0, 2000), rng.normal(5.0, 0.05, 100)])
    >>> peak = region(
    ...     "dimuon",
    ...     values=masses,
    ...     edges=np.linspace(4.0, 6.0, 101),
    ...     signal=gaussian(5.0, 0.05),
    ...     backgrounds=BackgroundModel("bernstein", 2),
    ... )
    >>> result = fit_unbinned(peak)
    >>> result.engine, round(result.n_sig), round(result.n_sig_error)
    ('linear', 102, 19)
    """
    model = unbinned_likelihood(regions)
    several = (regions,) if isinstance(regions, Region) else tuple(regions)
    if engine == "zfit" and any(r.values is not None and r.values.size > 0 for r in several):
        found = fit_densities(several, model, strength=strength)
    else:
        found = fit_likelihood(model, engine, strength=strength)
    return replace(found, nll=found.nll + unbinned_constant(model))


def unbinned_q0(regions: Region | Sequence[Region]) -> float:
    """Return the discovery statistic q0 of the values (CCGV eq. 12); NaN if a fit failed."""
    try:
        return Profile(unbinned_likelihood(regions)).q0()
    except FitError:
        return float("nan")
