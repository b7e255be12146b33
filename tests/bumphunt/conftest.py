"""What several rooms are tested against."""

import numpy as np
import pytest
from numpy.polynomial import chebyshev
from scipy import stats


@pytest.fixture(scope="session")
def background_terms():
    """Return the densities of the terms of a linear background, from scipy and numpy alone."""

    def terms(model, x, support):
        low, width = support[0], support[1] - support[0]
        if model.family == "bernstein":
            powers = range(model.order + 1)
            return np.stack([stats.beta(k + 1, model.order - k + 1, loc=low, scale=width).pdf(x) for k in powers])
        t = 2.0 * (np.asarray(x, dtype=np.float64) - low) / width - 1.0
        return np.stack([chebyshev.chebval(t, unit) for unit in np.eye(model.order + 1)]) / width

    return terms
