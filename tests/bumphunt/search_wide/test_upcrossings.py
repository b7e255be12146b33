import numpy as np
import pytest

import bumphunt as bh
from bumphunt.errors import InputError
from bumphunt.search_wide.global_p0 import global_p0
from bumphunt.search_wide.upcrossings import upcrossings

SIGMA, LENGTH, LEVEL = 1.0, 24.0, 400.0


def peaks(step: float) -> bh.global_significance:
    """Return a search for a normal peak of known width over a known flat background."""
    edges = np.arange(-6.0, LENGTH + 6.001, 0.25)
    counts = np.full(edges.size - 1, LEVEL)
    known = bh.Sample("b", counts)

    def at(mass: float) -> bh.region:
        peak = np.exp(-0.5 * ((0.5 * (edges[1:] + edges[:-1]) - mass) / SIGMA) ** 2)
        return bh.region("r", counts=counts, edges=edges, signal=peak / peak.sum(), backgrounds=known)

    return bh.global_significance(at, np.arange(0.0, LENGTH + 1e-9, step), n_toys=1000, rng=np.random.default_rng(1))


@pytest.fixture(scope="module")
def found() -> bh.global_significance:
    return peaks(0.25)


def test_upcrossings_of_a_gaussian_field_are_those_of_rice(found: bh.global_significance) -> None:
    """z0 is a Gaussian field with covariance exp(-x^2 / 4 sigma^2): sqrt(1/2) / 2 pi sigma exp(-1/2) a unit length."""
    rate = np.sqrt(0.5) / (2.0 * np.pi * SIGMA) * np.exp(-0.5)
    crossed = found.upcrossings
    assert crossed.mean == pytest.approx(rate * LENGTH, abs=4 * crossed.error + 0.02 * rate * LENGTH)


def test_extrapolation_agrees_with_toys_where_both_reach(found: bh.global_significance) -> None:
    for z in (2.0, 2.5, 3.0):
        toys = global_p0(found.largest.z0, z)
        p, error = found.upcrossings.at(z)
        width = max(toys.high - toys.p0, toys.p0 - toys.low)
        # an upper bound that is reached for rare crossings: what is above it is the probability of two
        assert toys.p0 == pytest.approx(1.0 - np.exp(-float(p)), abs=4 * np.hypot(width, float(error)))


def test_extrapolation_falls_as_the_exponential_of_q0() -> None:
    crossed = upcrossings([4, 6, 5, 5], level=0.5)
    p4, _ = crossed.at(4.0)
    p6, error = crossed.at(6.0)
    assert p6 / p4 == pytest.approx(np.exp(-0.5 * (36 - 16)), rel=0.01)
    assert error == pytest.approx(crossed.error * np.exp(-0.5 * (36 - 0.25)))
    assert float(crossed.at(0.0)[0]) == 1.0


def test_bad_input_raises() -> None:
    with pytest.raises(InputError, match="two toys at the least, got 1"):
        upcrossings([3], level=1.0)
    with pytest.raises(InputError, match=r"must be positive, got 0.0"):
        upcrossings([3, 4], level=0.0)
