"""Likelihoods with several minima: the lowest, whatever the names, the order of the sides, and the engine."""

import numpy as np
import pytest
from scipy import special, stats

from bumphunt.engines.choose import fit_data_sets
from bumphunt.inference.fit import fit, limit
from bumphunt.inference.significance import significance
from bumphunt.likelihood.likelihood import likelihood
from bumphunt.models.peaks import gaussian
from bumphunt.models.region import Sample, region
from bumphunt.models.systematics import LogNormal, PeakPosition, ShapeVariation

ENGINES = ["newton", "minuit"]
THETA = np.linspace(-5.0, 5.0, 20001)


def bend(theta):
    """The even function of HistFactory's interpolation code 4p, 8 |theta| outside -1 to 1."""
    inside = theta**2 * (15.0 - 10.0 * theta**2 + 3.0 * theta**4)
    return np.where(np.abs(theta) < 1.0, inside, 8.0 * np.abs(theta))


def shifted(nominal, up, down, theta):
    odd, even = 0.5 * (up - down), (up + down - 2.0 * nominal) / 16.0
    return nominal + odd * theta + even * bend(theta)


def deviance(nu, n):
    with np.errstate(divide="ignore"):
        return nu - n - special.xlogy(n, nu) + special.xlogy(n, n)


def same_side(n=115, up=116.0, down=124.0, name="x", first=()):
    shape = ShapeVariation(name, [up, 100.0], [down, 100.0])
    other = ShapeVariation("other", [101.0, 103.0])
    uncertainties = [other, shape] if first else [shape, other]
    b = Sample("b", [100.0, 100.0], uncertainties=uncertainties)
    return region("r", counts=[n, 100], signal=[10.0, 1.0], backgrounds=b)


def scanned(strength, n=115, up=116.0, down=124.0):
    other = np.linspace(-2.0, 2.0, 401)[:, None]
    first = shifted(100.0, up, down, THETA) + 1.0 * other + 10.0 * strength
    total = deviance(np.maximum(first, 1e-9), n) + deviance(100.0 + 3.0 * other + strength, 100)
    return float(np.min(total + 0.5 * THETA**2 + 0.5 * other**2))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("up", "down"), [(116.0, 124.0), (124.0, 116.0), (80.0, 88.0), (93.0, 104.0)])
@pytest.mark.parametrize("n", [80, 100, 118, 140])
def test_fit_without_signal_is_the_lowest_minimum_of_a_scan(engine, up, down, n):
    got = fit(same_side(n, up, down), strength=0.0, engine=engine)
    assert got.nll == pytest.approx(scanned(0.0, n, up, down), abs=2e-3)
    assert got.nll <= scanned(0.0, n, up, down) + 1e-7


def test_names_order_and_sides_of_sources_change_nothing():
    fits = [
        same_side(),
        same_side(name="a"),
        same_side(name="zz"),
        same_side(first=True),
        same_side(up=124.0, down=116.0),
    ]
    for question in (lambda r: significance(r).z0, lambda r: limit(r).observed, lambda r: fit(r).nll):
        answers = np.array([question(r) for r in fits])
        np.testing.assert_allclose(answers, answers[0], rtol=1e-6, atol=1e-8)


def counting(n, relative, down):
    b = Sample("b", [100.0], uncertainties=[LogNormal("x", relative, down)])
    return region("r", counts=[n], signal=[1.0], backgrounds=b)


@pytest.mark.parametrize(("relative", "down"), [(0.1, 0.2), (0.2, 0.1), (-0.1, -0.2), (-0.2, -0.1)])
@pytest.mark.parametrize("n", [80, 115, 125])
def test_log_normal_with_both_sides_on_one_has_the_lowest_minimum(relative, down, n):
    theta = np.concatenate([THETA[np.abs(THETA) > 1.0], [0.0]])  # outside of one sigma, and at none, any code agrees
    nu = 100.0 * np.where(theta > 0.0, (1.0 + relative) ** theta, (1.0 + down) ** -theta)
    lowest = float(np.min(deviance(nu, n) + 0.5 * theta**2))
    for engine in ENGINES:
        assert fit(counting(n, relative, down), strength=0.0, engine=engine).nll <= lowest + 1e-7
    sides = [significance(counting(n, a, b)).z0 for a, b in ((relative, down), (down, relative))]
    assert sides[0] == pytest.approx(sides[1], rel=1e-6, abs=1e-6)


def three_sources(seed):
    rng = np.random.default_rng(seed)
    nominal = rng.uniform(50.0, 150.0, 4)
    sides = [nominal * (1.0 + rng.uniform(-0.25, 0.25, (2, 4))) for _ in range(3)]
    counts = rng.poisson(nominal * rng.uniform(0.75, 1.25, 4))
    return nominal, sides, counts


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", range(8))
def test_several_sources_have_the_lowest_minimum_of_a_scan(engine, seed):
    nominal, sides, counts = three_sources(seed)
    shapes = [ShapeVariation(f"x{k}", up, down) for k, (up, down) in enumerate(sides)]
    b = Sample("b", nominal, uncertainties=shapes)
    r = region("r", counts=counts, signal=[1.0, 2.0, 1.0, 0.0], backgrounds=b)
    t = np.linspace(-3.5, 3.5, 57)
    grid = np.stack(np.meshgrid(t, t, t, indexing="ij"), axis=-1).reshape(-1, 3)
    moved = sum(shifted(nominal, up, down, grid[:, [k]]) - nominal for k, (up, down) in enumerate(sides))
    nll = np.sum(deviance(np.maximum(nominal + moved, 1e-9), counts), axis=1) + 0.5 * np.sum(grid**2, axis=1)
    assert fit(r, strength=0.0, engine=engine).nll <= float(nll.min()) + 1e-7


@pytest.mark.parametrize("engine", ENGINES)
def test_peak_that_may_move_to_either_side_takes_the_better_one(engine):
    edges, move = np.linspace(4.0, 6.0, 41), PeakPosition("p", 0.1)
    template = np.full(40, 5.0)
    for left, right in ((6.0, 25.0), (25.0, 6.0)):
        bumps = left * gaussian(4.75, 0.05).fractions(edges) + right * gaussian(5.25, 0.05).fractions(edges)
        counts = np.round(template + bumps)
        signal = Sample("s", gaussian(5.0, 0.05), uncertainties=[move])
        r = region("r", counts=counts, edges=edges, signal=signal, backgrounds=Sample("b", template))
        theta = np.linspace(-4.0, 4.0, 4001)
        cdf = stats.norm.cdf(edges, 5.0 + 0.1 * theta[:, None], 0.05)
        nll = np.sum(deviance(template + 20.0 * np.diff(cdf, axis=1), counts), axis=1) + 0.5 * theta**2
        got = fit(r, strength=20.0, engine=engine)
        assert got.nll == pytest.approx(float(nll.min()), abs=1e-4)
        assert got.value("p") == pytest.approx(theta[np.argmin(nll)], abs=5e-3)


def test_toys_are_fitted_to_their_lowest_minimum():
    model = likelihood(same_side())
    rng = np.random.default_rng(1)
    counts = rng.poisson([110.0, 100.0], (30, 2)).astype(float)
    centres = np.column_stack([np.zeros(30), rng.normal(size=(30, 2))])
    got = fit_data_sets(model, counts, centres, np.zeros((30, 3)), strength_free=False)
    other = np.linspace(-4.0, 4.0, 801)[:, None]
    for k in range(30):
        first = shifted(100.0, 116.0, 124.0, THETA[::10]) + 1.0 * other
        total = deviance(first, counts[k, 0]) + deviance(100.0 + 3.0 * other, counts[k, 1])
        pulls = (THETA[::10] - centres[k, 1]) ** 2 + (other - centres[k, 2]) ** 2
        assert got.nll[k] == pytest.approx(float(np.min(total + 0.5 * pulls)), abs=2e-3)
