"""Poisson terms against exact decimal arithmetic and scipy."""

from decimal import Decimal, getcontext

import numpy as np
import pytest
from scipy import special

from bumphunt.likelihood.poisson import deviance, nll

getcontext().prec = 60


def exact(counts, nu):
    total = Decimal(0)
    for n, x in zip(map(Decimal, counts), map(Decimal, nu), strict=True):
        total += x - n + (n * (n / x).ln() if n > 0 else Decimal(0))
    return float(total)


def computed(counts, nu):
    return deviance(counts, nu, np.empty_like(nu), np.empty_like(nu))


@pytest.mark.parametrize("distance", [0.0, 1e-9, 1e-4, 0.1, 0.41, 0.42, 3.0])
def test_difference_of_near_counts_loses_no_digits(distance):
    nu = 10.0 ** np.random.default_rng(1).uniform(-3.0, 9.0, size=60)
    for counts in (nu * (1.0 + distance), nu / (1.0 + distance)):
        assert computed(counts, nu) == pytest.approx(exact(counts, nu), rel=1e-13, abs=1e-300)


def test_deviance_is_that_of_scipy_over_many_decades():
    rng = np.random.default_rng(2)
    nu, counts = 10.0 ** rng.uniform(-12.0, 12.0, size=(2, 500))
    assert computed(counts, nu) == pytest.approx(special.kl_div(counts, nu).sum(), rel=1e-13)


def test_empty_bins_expect_what_they_expect():
    nu = np.array([2.5, 0.0, 1e-300, -1e-12])  # the last is what rounding may leave
    assert computed(np.zeros(4), nu) == pytest.approx(2.5 - 1e-12, rel=1e-15)


@pytest.mark.parametrize(("counts", "nu"), [(1.0, 0.0), (0.0, -1e-9), (1.0, np.nan), (0.0, np.inf), (3.0, np.inf)])
def test_what_cannot_be_is_infinitely_unlikely(counts, nu):
    none = np.empty(0)
    value = nll(np.array([4.0, counts]), none, none, none, np.array([4.0, nu]), np.empty(2), np.empty(2))
    assert value == np.inf


def test_pulls_are_squared_and_halved():
    counts, centres, precision = np.array([4.0]), np.array([1.0, 5.0]), np.array([0.25, 0.0])
    assert nll(counts, centres, precision, np.array([3.0, 9.0]), counts, np.empty(1), np.empty(1)) == 0.5
