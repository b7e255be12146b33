"""Records of the validation."""

import numpy as np
import pytest

from bumphunt.errors import InputError
from bumphunt.montecarlo.validation.findings import (
    Check,
    Distribution,
    Findings,
    Overlay,
)


def distribution(**kwargs):
    arguments = {"name": "a", "title": "a", "variable": "x", "quantity": "y", "edges": np.arange(4.0), "source": "b"}
    arguments |= {name: np.ones(3) for name in ("values", "errors", "reference")}
    return Distribution(**(arguments | kwargs))


def test_ratio_and_its_error():
    check = Check(quantity="q", value=3.0, error=0.3, unit="nb", reference=-2.0, source="s")
    assert check.ratio == -1.5
    assert check.ratio_error == pytest.approx(0.15)


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
