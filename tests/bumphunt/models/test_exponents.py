"""Backgrounds that are exponentials: their formulas as the papers have them, integrated by scipy."""

import itertools

import numpy as np
import pytest
from scipy import integrate

from bumphunt.errors import InputError
from bumphunt.models.background import BackgroundModel, first_coefficients, flat_coefficients, integrals
from bumphunt.models.exponents import exponent_nodes

P = (1.3, -0.8, 0.35, 0.11, 0.02)


def dijet(z):
    return np.exp(P[0] + P[1] * np.log1p(-z) + np.log(z) * (P[2] + P[3] * np.log(z) + P[4] * np.log(z) ** 2))


FORMULAS = {  # family, order, end, edges, density
    "power law": ("power", 1, None, np.linspace(1.0, 4.0, 13), lambda x: x**-2.7),
    "running power": ("power", 2, None, np.linspace(1.0, 4.0, 13), lambda x: x ** (-2.7 + 0.4 * np.log(x))),
    "dijet": ("dijet", 4, 13.0, np.linspace(1.0, 7.0, 25), lambda x: dijet(x / 13.0)),
    "dijet to its end": ("dijet", 1, 4.0, np.linspace(1.0, 4.0, 13), lambda x: (1 - x / 4.0) ** 0.75),
    "threshold": ("threshold", 1, 0.25, np.linspace(0.1, 3.0, 30), lambda x: np.sqrt(x - 0.25) * np.exp(-x)),
    "ARGUS": (
        *("argus", 1, 5.289, np.linspace(5.2, 5.3, 21)),
        lambda x: x * np.sqrt(1 - (x / 5.289) ** 2) * np.exp(-20 * (1 - (x / 5.289) ** 2)),
    ),
    "ARGUS, any power": (
        *("argus", 2, 5.289, np.linspace(5.2, 5.3, 21)),
        lambda x: x * (1 - (x / 5.289) ** 2) ** 0.75 * np.exp(-20 * (1 - (x / 5.289) ** 2)),
    ),
}


def contents(density, end, side, edges):
    """Return the integrals of a density over bins, by scipy; 0 beyond its end."""
    found = []
    for low, high in itertools.pairwise(edges):
        a, b = (max(low, end), high) if side == "below" else (low, min(high, end))
        found.append(integrate.quad(density, a, b, epsabs=0, epsrel=1e-11)[0] if a < b else 0.0)
    return np.array(found)


@pytest.mark.parametrize("name", FORMULAS)
def test_formulas_of_the_papers_are_in_the_family(name):
    """The logarithm of the integrals of a formula is reproduced: the family holds it, and its bins are integrals."""
    family, order, end, edges, density = FORMULAS[name]
    side = "below" if family == "threshold" else "above"
    want = 1e4 * contents(density, np.inf if end is None else end, side, edges)
    model, some = BackgroundModel(family, order, end), want > 0.0
    c = first_coefficients(model, want, edges)
    for _ in range(30):  # Newton's method for the coefficients that give these contents
        counts, slopes = integrals(model, c, edges)
        c = c + np.linalg.lstsq((slopes / want.max()).T, (want - counts) / want.max(), rcond=None)[0]
    counts = integrals(model, c, edges)[0]
    np.testing.assert_allclose(counts[some], want[some], rtol=2e-7)
    assert np.all(counts[~some] == 0.0)


@pytest.mark.parametrize("name", FORMULAS)
def test_derivatives_are_those_of_differences(name):
    family, order, end, edges, _ = FORMULAS[name]
    model = BackgroundModel(family, order, end)
    c = np.linspace(0.5, -0.5, model.n_coefficients)
    slopes = integrals(model, c, edges)[1]
    for k in range(c.size):
        step = 1e-6 * np.eye(c.size)[k]
        numerical = (integrals(model, c + step, edges)[0] - integrals(model, c - step, edges)[0]) / 2e-6
        np.testing.assert_allclose(slopes[k], numerical, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("order", [0, 1, 3, 7])
def test_logarithmic_terms_are_bernstein_polynomials_of_the_logarithm(order):
    edges, model = np.array([1.0, 1.5, 1.7, 2.5, 4.0]), BackgroundModel("logarithmic", order)
    terms = integrals(model, np.ones(order + 1), edges)[1]
    u = np.log(edges) / np.log(4.0)
    np.testing.assert_allclose(terms.sum(axis=0), (order + 1) * np.diff(edges) / 3.0, rtol=1e-13)
    for b in range(4):  # the highest term is u^n, d x = x ln(4) d u
        want = integrate.quad(lambda v: (order + 1) * v**order * 4.0**v * np.log(4.0) / 3.0, u[b], u[b + 1])[0]
        assert terms[order, b] == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize("name", FORMULAS)
def test_a_narrow_window_leaves_terms_that_can_be_told_apart(name):
    family, order, end, edges, _ = FORMULAS[name]
    middle = float(edges[edges.size // 2])
    model = BackgroundModel(family, order, end)
    terms = integrals(model, flat_coefficients(model, 1e6, edges), np.linspace(middle, 1.05 * middle, 60))[1]
    if family != "argus":  # which ends inside
        scaled = terms / np.linalg.norm(terms, axis=1)[:, None]
        assert np.linalg.cond(scaled @ scaled.T) < 100.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: BackgroundModel("dijet", 2), "'dijet' needs its end, got None"),
        (lambda: BackgroundModel("power", 2, end=3.0), "'power' has no end, got 3.0"),
        (lambda: BackgroundModel("argus", 1, end=-1.0), "must be a positive number, got -1.0"),
        (lambda: BackgroundModel("argus", 3, end=1.0), "from 0 to 2, got 3"),
        (lambda: BackgroundModel("expnential", 3), "did you mean 'exponential'"),
        (lambda: integrals(BackgroundModel("power", 1), [0.0, 0.0], [0.0, 1.0]), "begins at 0: cut it above 0"),
        (lambda: integrals(BackgroundModel("logarithmic", 0), [1.0], [-1.0, 1.0]), "begins at -1"),
        (lambda: integrals(BackgroundModel("dijet", 0, end=3.0), [0.0], [4.0, 5.0]), "ends at 3: it is 0 from 4 to 5"),
    ],
)
def test_families_that_do_not_suit_raise(call, message):
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("n_bins", [39, 40, 200])
def test_points_of_wide_and_of_narrow_bins_give_the_integral(n_bins):
    """Of exp(-5 t), which falls by e over a fifth of the half window."""
    edges = np.linspace(4.0, 6.0, n_bins + 1)
    weights, terms = exponent_nodes("exponential", 1, np.nan, edges)
    assert weights.shape == (n_bins, 4 if n_bins >= 40 else 8)
    got = (weights * np.exp(terms @ [0.0, -5.0])).sum(axis=1)
    np.testing.assert_allclose(got, -np.diff(np.exp(-5.0 * (edges - 5.0))) / 5.0 / 2.0, rtol=1e-11)
