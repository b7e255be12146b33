"""Ranking of observables: against closed forms of Gaussian distributions and repeated toys."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from bumphunt.cuts.separation import ranking, roc_area, separation, separation_noise
from bumphunt.cuts.tensor import fill_tensor, veto_axis
from bumphunt.cuts.yields import SignalPoint
from bumphunt.errors import InputError

EDGES = np.linspace(-8.0, 8.0, 401)


def gaussian(mean: float, width: float) -> np.ndarray:
    return np.diff(norm.cdf(EDGES, mean, width))


@pytest.mark.parametrize(("mean", "width"), [(0.0, 1.0), (1.0, 1.0), (-0.5, 2.0), (2.0, 0.5)])
def test_separation_and_area_of_gaussians(mean: float, width: float) -> None:
    def integrand(x: float) -> float:
        s, b = norm.pdf(x, mean, width), norm.pdf(x)
        return 0.5 * (s - b) ** 2 / (s + b)

    expected = quad(integrand, -12, 12, limit=200)[0]
    assert float(separation(gaussian(mean, width), gaussian(0, 1))) == pytest.approx(expected, abs=2e-4)
    # P(S > B), S - B normal with mean `mean` and variance width^2 + 1
    assert float(roc_area(gaussian(mean, width), gaussian(0, 1))) == pytest.approx(
        norm.cdf(mean / np.hypot(width, 1.0)), abs=1e-4
    )


def test_signal_in_the_middle_has_separation_but_no_area() -> None:
    assert float(separation(gaussian(0, 0.3), gaussian(0, 1))) > 0.2
    assert float(roc_area(gaussian(0, 0.3), gaussian(0, 1))) == pytest.approx(0.5)


def test_noise_is_the_mean_separation_of_equal_distributions() -> None:
    rng = np.random.default_rng(1)
    edges, found, expected = np.linspace(0, 1, 11), [], []
    for _ in range(300):
        histograms = []
        for n in (300, 500):
            x, w = rng.random(n), rng.uniform(0.2, 1.8, n)
            histograms.append((np.histogram(x, edges, weights=w)[0], np.histogram(x, edges, weights=w**2)[0]))
        (s, s2), (b, b2) = histograms
        found.append(float(separation(s, b)))
        expected.append(float(separation_noise(s, b, s2, b2)))
    error = np.std(found) / np.sqrt(len(found))
    assert np.mean(found) == pytest.approx(np.mean(expected), abs=3 * error)
    assert np.mean(found) > 10 * error


def test_empty_histograms_have_no_separation() -> None:
    for function in (separation, roc_area):
        np.testing.assert_array_equal(
            np.isnan(function([[0.0, 0.0], [1.0, 1.0]], [[1.0, 1.0], [1.0, 1.0]])), [True, False]
        )
    assert np.isnan(separation_noise([0.0], [1.0], [0.0], [1.0]))
    with pytest.raises(InputError, match=r"-1\.0"):
        separation([-1.0, 2.0], [1.0, 1.0])


def tensors(shift: dict[tuple[str, str], tuple[float, float]], seed: int = 2, n: int = 40_000):
    """Background N(0, 1) in two mass bins about 2 and 3 GeV; signals of these masses are shifted by `shift`."""
    rng = np.random.default_rng(seed)
    edges, m2 = np.array([3.0, 5.0, 13.0]), rng.uniform(3, 13, n)
    backgrounds, signals = {}, {}
    for (name, side), means in shift.items():
        axis = veto_axis(name, -6, 6, n=61, side=side)
        values, half, weights = rng.normal(size=n), rng.integers(0, 2, n), rng.uniform(0, 1, n)
        backgrounds[axis] = [
            fill_tensor(m2, {name: values}, weights=weights, half=half, edges=edges, axes=(axis,)),
            fill_tensor(m2, {name: values}, weights=weights, half=half, edges=edges, axes=(axis,)),
        ]
        signals[axis] = []
        for mass, mean in zip((2.0, 3.0), means, strict=True):
            moved = {name: rng.normal(mean, size=n)}
            tensor = fill_tensor(
                np.full(n, mass**2),
                moved,
                weights=np.ones(n),
                half=half,
                edges=[mass**2 - 1, mass**2 + 1],
                axes=(axis,),
            )
            signals[axis].append(SignalPoint(mass=mass, tensor=tensor, generated=2.0 * n))
    return backgrounds, signals


def test_ranking_orders_by_separation_and_gives_it_bin_by_bin() -> None:
    shift = {("weak", "above"): (0.3, 0.3), ("grows", "above"): (0.0, 2.0), ("low", "above"): (-0.8, -0.8)}
    found = ranking(*tensors(shift))
    assert found.names == ("grows", "low", "weak")
    np.testing.assert_allclose(found.masses, [2.0, 3.0])
    area = [[norm.cdf(shift[name, "above"][i] / np.sqrt(2)) for name in found.names] for i in range(2)]
    np.testing.assert_allclose(found.area, area, atol=0.01)
    assert found.separation[0, 0] == pytest.approx(found.noise[0, 0], abs=3e-3)
    columns = found.to_columns()
    assert columns["observable"][:3] == ["grows", "low", "weak"]
    assert columns["separation"][3] == found.separation[1, 0]


def test_area_is_that_of_the_side_of_the_bounds() -> None:
    found = ranking(*tensors({("low", "above"): (-0.8, -0.8), ("low", "below"): (-1.2, -1.2)}))
    assert list(zip(found.names, found.sides, strict=True)) == [("low", "below"), ("low", "above")]
    assert found.to_columns()["side"] == ["below", "above"] * 2
    np.testing.assert_allclose(found.area, [norm.cdf(np.array([1.2, -0.8]) / np.sqrt(2))] * 2, atol=0.01)


def test_ranking_needs_the_same_single_axis_everywhere() -> None:
    backgrounds, signals = tensors({("a", "above"): (0.0, 0.0), ("b", "above"): (0.0, 0.0)}, n=100)
    a, b = backgrounds
    with pytest.raises(InputError, match=r"the same axes are needed of both: 2 of the backgrounds.* signals a above"):
        ranking(backgrounds, {a: signals[a]})
    with pytest.raises(InputError, match="the same axes"):
        ranking({}, {})
    with pytest.raises(InputError, match="that axis only"):
        ranking({a: backgrounds[b]}, {a: signals[a]})
