"""Statistical uncertainties against repeated samples."""

import numpy as np
import pytest

from bumphunt.montecarlo.validation.estimates import half_width, mean_weight, weighted_mean


def test_errors_are_those_of_repeated_samples():
    rng = np.random.default_rng(1)
    found = {name: [] for name in ("mean", "weighted", "width")}
    for _ in range(400):
        x, w = rng.normal(2.0, 3.0, 400), rng.exponential(1.0, 400)
        found["mean"].append(mean_weight(w))
        found["weighted"].append(weighted_mean(x, w))
        found["width"].append(half_width(x, np.ones(400)))
    for name, expected in (("mean", 1.0), ("weighted", 2.0), ("width", 3.0)):
        values, errors = np.array(found[name]).T
        assert values.mean() == pytest.approx(expected, abs=5 * values.std() / 20 + 0.01)
        assert values.std() == pytest.approx(errors.mean(), rel=0.15), name
