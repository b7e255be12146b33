"""Spectra against NumPy histograms."""

from __future__ import annotations

from typing import Any

import hist
import numpy as np
import pytest

from bumphunt.errors import InputError
from bumphunt.spectrum import histogram as sp

EDGES = np.linspace(-4, 100, 521)


def sample(n: int = 5000, seed: int = 3) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.uniform(-10, 110, n), rng.uniform(0.1, 3, n)


def spectrum(m2: Any = (), edges: Any = EDGES, weights: Any = None) -> hist.Hist:
    """One spectrum, filled by hist."""
    return hist.Hist.new.Var(edges, name="m2").Weight().fill(m2, weight=weights)


def test_fill_equals_numpy_with_weights_and_outliers() -> None:
    m2, w = sample()
    filled = sp.fill([hist.axis.Variable(EDGES, name="m2")], [m2], weights=[w, 2 * w], variations=["nominal", "double"])
    assert filled.axes.name == ("variation", "m2")
    for name, weights in (("nominal", w), ("double", 2 * w)):
        np.testing.assert_allclose(filled[name, :].values(), np.histogram(m2, EDGES, weights=weights)[0])
        np.testing.assert_allclose(filled[name, :].variances(), np.histogram(m2, EDGES, weights=weights**2)[0])


def test_fill_of_several_axes_equals_that_of_hist_with_flow_and_without() -> None:
    m2, w = sample()
    rng = np.random.default_rng(5)
    half, angle = rng.integers(-1, 3, m2.size), rng.normal(size=m2.size)
    m2[:3] = [np.nan, np.inf, -np.inf]
    axes = [
        hist.axis.Integer(0, 2, name="half", flow=False),
        hist.axis.Variable([-1, 0.5, 1], name="angle", flow=False),
        hist.axis.Regular(7, 0, 2, name="again", underflow=False),
        hist.axis.Variable(EDGES, name="m2"),
    ]
    filled = sp.fill(axes, [half, angle, angle, m2], weights=[w, w**2], variations=["a", "b"])
    theirs = hist.Hist(
        hist.axis.StrCategory(["a", "b"], name="variation", overflow=False), *axes, storage=hist.storage.Weight()
    )
    for name, weights in (("a", w), ("b", w**2)):
        theirs.fill(name, half, angle, angle, m2, weight=weights)
    assert filled.axes == theirs.axes
    np.testing.assert_allclose(filled.values(flow=True), theirs.values(flow=True), rtol=1e-12)
    np.testing.assert_allclose(filled.variances(flow=True), theirs.variances(flow=True), rtol=1e-12)


def test_fill_puts_edges_into_the_upper_bin_and_the_last_above() -> None:
    axis = hist.axis.Variable([0.0, 1.0, 2.0], name="m2")
    filled = sp.fill([axis], [[0.0, 1.0, 2.0]], weights=np.ones((1, 3)), variations=["nominal"])
    np.testing.assert_array_equal(filled["nominal", :].values(flow=True), [0, 1, 1, 1])


def test_fill_of_nothing_is_empty() -> None:
    axis = hist.axis.Variable(EDGES, name="m2")
    filled = sp.fill([axis], [np.empty(0)], weights=np.empty((1, 0)), variations=["nominal"])
    assert not np.any(filled.values(flow=True))
    assert not np.any(filled.variances(flow=True))


@pytest.mark.parametrize(
    ("positions", "weights"), [([], [[1.0]]), ([[1.0]], [[1.0], [1.0]]), ([[1.0]], [1.0])], ids=["axes", "V", "ndim"]
)
def test_fill_refuses_other_numbers_of_axes_and_variations(positions: Any, weights: Any) -> None:
    with pytest.raises(InputError, match="1 axes and 1 variations, but positions on"):
        sp.fill([hist.axis.Variable(EDGES)], positions, weights=weights, variations=["nominal"])


def test_window_is_the_same_histogram_cut_at_edges() -> None:
    m2, w = sample()
    cut = sp.window(spectrum(m2, weights=w), 10.0, 20.0)
    np.testing.assert_allclose(cut.axes[0].edges, np.linspace(10, 20, 51))
    inside = (m2 >= 10) & (m2 < 20)
    assert cut.sum().value == pytest.approx(w[inside].sum())


def test_window_takes_the_bins_whose_centres_are_inside() -> None:
    empty = spectrum(edges=np.arange(11.0))
    np.testing.assert_array_equal(sp.window(empty, 2.4, 4.6).axes[0].edges, [2, 3, 4, 5])
    np.testing.assert_array_equal(sp.window(empty, 2.6, 4.4).axes[0].edges, [3, 4])


@pytest.mark.parametrize("bounds", [(-20.0, 5.0), (90.0, 120.0), (200.0, 300.0)])
def test_window_outside_spectrum_raises(bounds: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="outside of the spectrum"):
        sp.window(spectrum(), *bounds)


@pytest.mark.parametrize("bounds", [(10.0, 10.05), (20.0, 10.0), (10.02, 10.03)])
def test_window_without_a_bin_raises(bounds: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="holds no bin"):
        sp.window(spectrum(), *bounds)


@pytest.mark.parametrize("factor", [1, 2, 7, 520, 1000])
def test_rebin_equals_a_coarser_histogram_and_loses_nothing(factor: int) -> None:
    m2, w = sample()
    rebinned = sp.rebin(spectrum(m2, weights=w), factor)
    coarse = np.append(EDGES[:-1][::factor], EDGES[-1])
    np.testing.assert_array_equal(rebinned.axes[0].edges, coarse)
    np.testing.assert_allclose(rebinned.values(), np.histogram(m2, coarse, weights=w)[0])
    np.testing.assert_allclose(rebinned.variances(), np.histogram(m2, coarse, weights=w**2)[0])


def test_rebin_by_nothing_raises() -> None:
    with pytest.raises(InputError, match="factor = 0"):
        sp.rebin(spectrum(), 0)


def test_scaling_to_the_luminosity_of_the_data() -> None:
    m2, w = sample()
    scaled = spectrum(m2, weights=w) * sp.luminosity_factor(0.276, 50.0)
    reference = spectrum(m2, weights=w * 0.276 / 50.0)
    np.testing.assert_allclose(scaled.values(), reference.values())
    np.testing.assert_allclose(scaled.variances(), reference.variances())


@pytest.mark.parametrize("luminosities", [(0.0, 1.0), (1.0, -1.0), (float("nan"), 1.0)])
def test_luminosities_must_be_positive(luminosities: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="must be positive"):
        sp.luminosity_factor(*luminosities)


def test_sum_equals_one_filling() -> None:
    m2, w = sample()
    total = sp.add(spectrum(m2[i::3], weights=w[i::3]) for i in range(3))
    np.testing.assert_allclose(total.values(), spectrum(m2, weights=w).values())
    np.testing.assert_allclose(total.variances(), spectrum(m2, weights=w).variances())


def test_sum_of_nothing_and_of_other_bins_raises() -> None:
    with pytest.raises(InputError, match="at least one"):
        sp.add([])
    with pytest.raises(InputError, match="edges differ"):
        sp.add([spectrum(), spectrum(edges=EDGES + 1)])
