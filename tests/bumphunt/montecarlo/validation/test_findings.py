"""Records of the validation, and the statistics in them."""

import numpy as np
import pytest

from bumphunt.errors import InputError
from bumphunt.montecarlo.validation.findings import (
    Check,
    Distribution,
    Findings,
    Overlay,
    half_width,
    mean_weight,
    weighted_mean,
)


def distribution(**kwargs):
    arguments = {"name": "a", "title": "a", "variable": "x", "quantity": "y", "edges": np.arange(4.0), "source": "b"}
    arguments |= {name: np.ones(3) for name in ("values", "errors", "reference")}
    return Distribution(**(arguments | kwargs))


def test_ratio_and_its_error():
    check = Check(quantity="q", value=3.0, error=0.3, unit="nb", reference=-2.0, source="s")
    assert check.ratio == -1.5
    assert check.ratio_error == pytest.approx(0.15)


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


def test_values_are_in_the_middle_of_bins_unless_said_otherwise():
    assert distribution().centres.tolist() == [0.5, 1.5, 2.5]
    assert distribution(points=np.array([0.1, 1.1, 2.1])).centres.tolist() == [0.1, 1.1, 2.1]


@pytest.mark.parametrize(
    "change",
    [
        {"values": np.ones(2)},
        {"errors": np.ones(4)},
        {"reference": np.ones(1)},
        {"points": np.ones(2)},
        {"overlays": (Overlay(label="o", values=np.ones(2), errors=np.ones(2)),)},
    ],
)
def test_wrong_shape_raises_with_the_name(change):
    with pytest.raises(InputError, match="distribution 'a': shapes"):
        distribution(**change)


def test_findings_are_joined_in_order():
    first, second = (Check(quantity=q, value=1.0, error=0.0, unit="", reference=1.0, source="") for q in "ab")
    joined = Findings.joined(
        [Findings(checks=(first,), distributions=(distribution(),)), Findings(), Findings(checks=(second,))]
    )
    assert joined.checks == (first, second)
    assert len(joined.distributions) == 1
