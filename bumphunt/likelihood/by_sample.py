"""What each sample expects: the terms whose sum is the expectation of a likelihood."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.likelihood.components import Computed, flattened
from bumphunt.likelihood.kernels import evaluate
from bumphunt.likelihood.likelihood import Likelihood

__all__ = ["expected_by_sample"]

Array = NDArray[np.float64]


def expected_by_sample(model: Likelihood, theta: ArrayLike) -> dict[str, dict[str, Array]]:
    """Return the expected counts of each sample of each region, at parameters of shape ``(P,)``.

    Parameters
    ----------
    model
        From `bumphunt.likelihood.likelihood.likelihood`.
    theta
        Parameters.

    Returns
    -------
    dict
        By region and sample, shape ``(B_r,)`` each: the sums over the samples are `Likelihood.expected`. A spurious
        signal is ``NAME (spurious)``, with the name of the signal.
    """
    at, n = np.asarray(theta, dtype=np.float64)[None], len(model.names)
    ends = np.cumsum([0, *(r.counts.size for r in model.regions)])
    names = {int(first): r.name for first, r in zip(ends[:-1], model.regions, strict=True)}
    found: dict[str, dict[str, Array]] = {name: {} for name in names.values()}
    for component in model.components:
        here = found[names[component.first]]
        if isinstance(component.shape, Computed):
            counts = component.shape.counts(at[0])
        else:
            nu = np.empty((1, model.n_bins))
            evaluate(flattened([component], (), n, model.n_bins), at, False, nu, np.zeros((0, 0)))
            counts = nu[0, component.first : component.last]
        here[component.sample] = here.get(component.sample, 0.0) + counts
    return found
