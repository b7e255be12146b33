"""Smooth backgrounds: bins hold integrals of the densities."""

import numpy as np
import pytest
from scipy import integrate, stats

from bumphunt.errors import InputError
from bumphunt.models.background import (
    BackgroundModel,
    basis_cdf,
    first_coefficients,
    integrals,
)

EDGES = np.array([1.0, 1.5, 1.7, 2.5, 4.0])
SUPPORT = (1.0, 4.0)


@pytest.mark.parametrize("order", [0, 1, 3, 7])
@pytest.mark.parametrize("family", ["bernstein", "chebyshev"])
def test_bins_hold_integrals_of_the_terms(family, order, background_terms):
    model = BackgroundModel(family, order)
    terms = integrals(model, np.ones(order + 1), EDGES)[1]
    for k in range(order + 1):
        for b in range(EDGES.size - 1):
            want = integrate.quad(lambda x, k=k: background_terms(model, x, SUPPORT)[k], EDGES[b], EDGES[b + 1])[0]
            assert terms[k, b] == pytest.approx(want, abs=1e-12)


@pytest.mark.parametrize(("k", "order"), [(0, 2), (1, 3), (5, 5)])
def test_bernstein_terms_are_beta_distributions(k, order):
    beta, model = stats.beta(k + 1, order - k + 1, loc=1.0, scale=3.0), BackgroundModel("bernstein", order)
    x = np.linspace(1.0, 4.0, 31)
    np.testing.assert_allclose(basis_cdf(model, x, SUPPORT)[k], beta.cdf(x), atol=1e-13)


def test_polynomial_families_span_the_same_space():
    a, b = (integrals(BackgroundModel(f, 3), np.ones(4), np.linspace(0, 1, 9))[1] for f in ("bernstein", "chebyshev"))
    np.testing.assert_allclose(np.linalg.lstsq(a.T, b.T, rcond=None)[1], 0.0, atol=1e-25)


def test_exponential_is_that_of_scipy_and_has_its_derivatives():
    # exp(c0 + c1 t) with t from -1 to 1 over the support
    model, c = BackgroundModel("exponential", 1), np.array([5.0, -2.0])
    counts, slopes = integrals(model, c, EDGES)
    expon = stats.expon(loc=1.0, scale=3.0 / 4.0)  # dt = 2 dx / 3
    want = np.diff(expon.cdf(EDGES)) / (expon.cdf(4.0)) * counts.sum()
    np.testing.assert_allclose(counts, want, rtol=1e-10)
    total = integrate.quad(lambda x: np.exp(c[0] + c[1] * (2.0 * (x - 1.0) / 3.0 - 1.0)) / 3.0, *SUPPORT)[0]
    assert counts.sum() == pytest.approx(total, rel=1e-10)
    for k in range(2):
        step = 1e-6 * np.eye(2)[k]
        numerical = (integrals(model, c + step, EDGES)[0] - integrals(model, c - step, EDGES)[0]) / 2e-6
        np.testing.assert_allclose(slopes[k], numerical, rtol=1e-6)


@pytest.mark.parametrize("order", [0, 2, 8])
def test_exponential_starts_near_the_data_even_with_few_bins(order):
    counts = np.array([400.0, 90.0, 200.0, 110.0])
    model = BackgroundModel("exponential", order)
    start = first_coefficients(model, counts, EDGES)
    assert start.shape == (order + 1,)
    assert integrals(model, start, EDGES)[0].sum() == pytest.approx(800.0, rel=0.5)


@pytest.mark.parametrize(
    ("family", "order", "message"),
    [
        ("spline", 2, "background family 'spline' is not known"),
        ("bernstein", -1, "got -1"),
        ("chebyshev", 21, "got 21"),
    ],
)
def test_unknown_family_or_order_raises(family, order, message):
    with pytest.raises(InputError, match=message):
        BackgroundModel(family, order)


def test_terms_of_an_exponential_raise():
    with pytest.raises(InputError, match="not a sum of terms"):
        basis_cdf(BackgroundModel("exponential", 1), 0.5, (0.0, 1.0))
