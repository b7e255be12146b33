"""Backgrounds of other families than the one that is fitted: truths that tell how wrong a fit may be.

Each is fitted without signal to the counts of the window, data or expectation; one that does not describe them is no
truth that need be feared, and is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import FitError, InputError
from bumphunt.inference.goodness import asymptotic_goodness, degrees_of_freedom
from bumphunt.inference.profile import Profile
from bumphunt.likelihood.likelihood import likelihood
from bumphunt.models.background import BackgroundModel, Family
from bumphunt.models.peaks import Peak
from bumphunt.models.region import Region, Sample
from bumphunt.studies.windows import StudyWindow

__all__ = ["OTHERS", "other_truths", "with_background"]

Array = NDArray[np.float64]

DESCRIBES = 0.01
"""Goodness of fit from which on a family describes the counts."""
MOST_ORDERS = 3
"""Orders that are tried, the one that is fitted first."""
OTHERS: tuple[Family, ...] = ("exponential", "power", "logarithmic", "bernstein")
"""Families without an end of their own."""
USUAL = 3
"""Order of the first one beside templates, which have none."""


def other_truths(window: StudyWindow) -> list[StudyWindow]:
    """Return the window with truths of other families, the lowest order of each that describes the counts.

    Parameters
    ----------
    window
        What is fitted. Beside templates, or for the same smooth family, any other is another one.
    """
    regions = window.model.regions
    fitted = {s.smooth for r in regions for s in r.backgrounds if isinstance(s.smooth, BackgroundModel)}
    first = max((model.order for model in fitted), default=USUAL)
    found = []
    for family in OTHERS:
        if any(model.family == family or {model.family, family} == {"bernstein", "chebyshev"} for model in fitted):
            continue
        for order in range(first, first + MOST_ORDERS):
            expected = _described(regions, BackgroundModel(family, order))
            if expected is not None:
                whole = np.concatenate([expected, window.expected[window.model.n_bins :]])
                found.append(replace(window, expected=whole, drawn_from=f"{family} {order}"))
                break
    return found


def _described(regions: Sequence[Region], other: BackgroundModel) -> Array | None:
    """Return the expected counts of another background in the bins of all regions ``(B,)``; None if it does not suit.

    It does not where it is no function in the window, has too many coefficients, or does not describe the counts.
    """
    try:
        profile = Profile(likelihood([with_background(region, other) for region in regions]))
        null = profile.null
    except (InputError, FitError):
        return None
    ndf = degrees_of_freedom(profile.model) + 1  # there is no signal in it
    if asymptotic_goodness(null.nll, ndf).p_value < DESCRIBES:
        return None
    return np.maximum(profile.model.expected(null.values)[: profile.model.n_bins], 0.0)


def with_background(region: Region, other: BackgroundModel) -> Region:
    """Return a region with a smooth background, and what stands beside it: known peaks."""
    smooth = [sample for sample in region.backgrounds if sample.smooth is not None]
    beside = [sample for sample in region.backgrounds if isinstance(sample.shape, Peak)]
    template = smooth[0].template if smooth else None
    background = Sample("other", other, template=template)
    return replace(region, backgrounds=(background, *beside), values=None)
