"""Unbinned data as counts in bins so narrow that they lose nothing.

The extended likelihood of N values, ln L = sum_i ln lambda(x_i) - integral of lambda, is the limit of the Poisson
likelihood of counts in narrow bins. Only the bins with a value have to be narrow: the gaps between them are empty,
and an empty bin of any width contributes the integral of lambda over it, exactly. `narrow_bins` gives each value a bin
of some 1e-5 of the narrowest peak, and every engine that fits counts then fits values. That the expectation of the
gaps must not be negative keeps the density from being negative where there are no values.

References
----------
R. Barlow, Nucl. Instrum. Meth. A 297 (1990) 496 (the extended likelihood).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import InputError
from bumphunt.likelihood.likelihood import Likelihood, likelihood
from bumphunt.models.background import BackgroundFunction, BackgroundModel
from bumphunt.models.peaks import Peak
from bumphunt.models.region import Region
from bumphunt.models.systematics import PerBin

__all__ = ["narrow_bins", "unbinned_constant", "unbinned_likelihood"]

Array = NDArray[np.float64]

NARROW = 1e-5
"""Width of the bins, in widths of the narrowest peak. A value moves by half of that at most, and a fitted yield by some
1e-5 of its error; narrower bins would make the integrals, differences of cumulative distributions, less exact."""
MIN_BITS, MAX_BITS = 20, 36
"""Least and largest binary logarithm of the number of such bins that would fill the region; the latter for the same
reason."""
MIN_GAP, MAX_GAP = 1e-4, 1e-3
"""Values closer than this fraction of the mean distance, and of the width of the narrowest peak, share a bin: the gap
between them would expect less than what is called nothing."""


def _checked(r: Region) -> Array:
    """Return the values of a region, or raise if it has none or one of its samples has no density."""
    if r.values is None:
        msg = f"region {r.name!r} has {r.counts.size} binned counts, no values: describe it with `values`"
        raise InputError(msg)
    for sample in (r.signal, *r.backgrounds):
        if not isinstance(sample.shape, Peak | BackgroundModel | BackgroundFunction) or sample.template is not None:
            msg = f"sample {sample.name!r} of region {r.name!r} is a histogram: it has no density to fit unbinned"
            raise InputError(msg)
        for uncertainty in sample.uncertainties:
            if isinstance(uncertainty, PerBin):
                msg = f"{uncertainty.name!r} of sample {sample.name!r} changes bins: it has no density to fit unbinned"
                raise InputError(msg)
    return r.values


def narrow_bins(r: Region) -> Region:
    """Return a region with its values in narrow bins: whatever is asked of it is answered as for unbinned data.

    Parameters
    ----------
    r
        Described with values, with peaks and smooth backgrounds only.

    Returns
    -------
    Region
        With up to 2 N + B + 1 bins for N values and B bins: one a value, and the gaps, split at the edges of the
        bins.

    Raises
    ------
    InputError
        If the region has no values, or a sample no density.

    Examples
    --------
    >>> from bumphunt.models.peaks import gaussian
    >>> from bumphunt.models.region import region
    >>> peak, flat = gaussian(0.5, 0.1), BackgroundModel("bernstein", 0)
    >>> fine = narrow_bins(region("r", values=[0.25, 0.75], edges=[0.0, 0.5, 1.0], signal=peak, backgrounds=flat))
    >>> fine.counts, fine.edges.round(3)
    (array([0., 1., 0., 0., 1., 0.]), array([0.  , 0.25, 0.25, 0.5 , 0.75, 0.75, 1.  ]))
    """
    values, low, width = _checked(r), float(r.edges[0]), float(r.edges[-1] - r.edges[0])
    if values.size == 0:
        return r
    peaks = [sample.shape.sigma for sample in (r.signal, *r.backgrounds) if isinstance(sample.shape, Peak)]
    narrowest = min([width, *peaks])
    size = 2 ** int(np.clip(np.ceil(np.log2(width / (NARROW * narrowest))), MIN_BITS, MAX_BITS))
    shortest = max(1.0, size * min(MIN_GAP / values.size, MAX_GAP * narrowest / width))
    cells = np.sort(np.clip((values - low) / width * size, 0, size - 1).astype(np.int64))
    group = np.flatnonzero(np.append(True, np.diff(cells) > 1 + shortest))  # where each group of near values starts
    first, last = cells[group], cells[np.append(group[1:], cells.size) - 1] + 1
    first, last = np.where(first <= shortest, 0, first), np.where(size - last <= shortest, size, last)
    grid = np.rint((r.edges[1:-1] - low) / width * size).astype(np.int64)
    before = np.searchsorted(first, grid + shortest)  # groups that begin below an edge, or hardly above it
    grid = grid[grid - np.append(-size, last)[before] > shortest]
    nodes = np.unique(np.concatenate([[0, size], first, last, grid]))
    edges = low + width * (nodes / size)
    edges[-1] = r.edges[-1]
    counts = np.bincount(np.searchsorted(nodes, cells, side="right") - 1, minlength=nodes.size - 1)
    return replace(r, counts=counts.astype(np.float64), edges=edges)


def unbinned_likelihood(regions: Region | Sequence[Region]) -> Likelihood:
    """Return the likelihood of the values of one or several regions, in narrow bins.

    Raises
    ------
    InputError
        As `narrow_bins` and `bumphunt.likelihood.likelihood.likelihood`.
    """
    several = (regions,) if isinstance(regions, Region) else tuple(regions)
    model = likelihood([narrow_bins(r) for r in several])
    return replace(model, start=likelihood(several).start)  # which is found from counts in bins that are not narrow


def unbinned_constant(model: Likelihood) -> float:
    """Return what is to be added to the NLL of narrow bins to have sum of lambda - sum_i ln lambda(x_i).

    Parameters
    ----------
    model
        From `unbinned_likelihood`. Its NLL is relative to the saturated model of the bins: nu - n + n ln(n / nu) in
        each, with nu = lambda times the width.
    """
    n, width = model.counts[: model.n_bins], np.concatenate([np.diff(r.edges) for r in model.regions])
    some = n > 0.0
    return float(n.sum() + n[some] @ np.log(width[some] / n[some]))
