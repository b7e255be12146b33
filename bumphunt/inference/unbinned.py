"""Unbinned fits of regions that were given their values.

They are counted in bins so narrow that nothing is lost (`bumphunt.likelihood.narrow_bins`), and fitted by the engine
that suits the model; or zfit fits its own densities. Use unbinned fits where bins would be wider than the resolution,
or to see what binning costs. Significances, limits, intervals and scans of values are those of
`bumphunt.inference.fit`, asked of `bumphunt.likelihood.narrow_bins.narrow_bins`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bumphunt.engines.choose import Engine, fit_likelihood
from bumphunt.engines.result import FitResult
from bumphunt.engines.zfit import fit_densities
from bumphunt.likelihood.narrow_bins import unbinned_constant, unbinned_likelihood
from bumphunt.models.region import Region

__all__ = ["fit_unbinned"]


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
        `nll` is the integral of lambda minus the sum of ln lambda(x_i), plus the constraints relative to their best
        values: without a saturated reference. A minimum where the density would become negative between the values
        has the status AT_BOUNDARY.

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
