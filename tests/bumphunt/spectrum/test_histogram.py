"""Spectra against NumPy histograms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bumphunt.errors import InputError
from bumphunt.spectrum import histogram as sp
from bumphunt.spectrum.histogram import Spectrum

EDGES = np.linspace(-4, 100, 521)


def sample(n: int = 5000, seed: int = 3) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.uniform(-10, 110, n), rng.uniform(0.1, 3, n)


def test_fill_equals_numpy_with_weights_and_outliers() -> None:
    m2, w = sample()
    spectrum = sp.fill(m2, EDGES, weights=w)
    np.testing.assert_allclose(spectrum.counts, np.histogram(m2, EDGES, weights=w)[0])
    np.testing.assert_allclose(spectrum.variances, np.histogram(m2, EDGES, weights=w**2)[0])


def test_fill_puts_edges_into_the_upper_bin_and_leaves_the_last_out() -> None:
    np.testing.assert_array_equal(sp.fill([0.0, 1.0, 2.0], [0.0, 1.0, 2.0]).counts, [1, 1])


def test_fill_of_nothing_is_empty() -> None:
    assert sp.fill([], EDGES).total == 0.0


@pytest.mark.parametrize(
    ("m2", "weights", "message"),
    [([1.0, np.nan], None, "1 of 2 entries"), ([1.0], [np.nan], "1 of 1"), ([1.0], [1.0, 2.0], "shape")],
)
def test_fill_refuses_nan_and_wrong_shapes(m2: Any, weights: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        sp.fill(m2, EDGES, weights=weights)


@pytest.mark.parametrize("edges", [[0.0], [0.0, 0.0], [1.0, 0.0], [0.0, np.nan], [0.0, np.inf], [[0.0, 1.0]]])
def test_bad_edges_raise(edges: Any) -> None:
    with pytest.raises(InputError, match="strictly ascending"):
        sp.fill([1.0], edges)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"counts": np.zeros(3)}, "counts has shape"),
        ({"variances": np.array([1.0, -1.0])}, "must not be negative"),
        ({"counts": np.array([1.0, np.nan])}, "must be finite"),
    ],
)
def test_impossible_spectra_raise(change: dict[str, Any], message: str) -> None:
    content: dict[str, Any] = {"edges": np.arange(3.0), "counts": np.zeros(2), "variances": np.zeros(2)}
    with pytest.raises(InputError, match=message):
        Spectrum(**(content | change))


def test_centres_and_widths_of_uneven_bins() -> None:
    spectrum = sp.fill([], [-4.0, 0.0, 9.0])
    np.testing.assert_allclose(spectrum.centres, [-2, 4.5])
    np.testing.assert_allclose(spectrum.widths, [4, 9])


def test_window_is_the_same_histogram_cut_at_edges() -> None:
    m2, w = sample()
    spectrum = sp.fill(m2, EDGES, weights=w)
    cut = sp.window(spectrum, 10.0, 20.0)
    np.testing.assert_allclose(cut.edges, np.linspace(10, 20, 51))
    inside = (m2 >= 10) & (m2 < 20)
    assert cut.total == pytest.approx(w[inside].sum())


def test_window_takes_the_bins_whose_centres_are_inside() -> None:
    spectrum = sp.fill([], np.arange(11.0))
    np.testing.assert_array_equal(sp.window(spectrum, 2.4, 4.6).edges, [2, 3, 4, 5])
    np.testing.assert_array_equal(sp.window(spectrum, 2.6, 4.4).edges, [3, 4])


@pytest.mark.parametrize("bounds", [(-20.0, 5.0), (90.0, 120.0), (200.0, 300.0)])
def test_window_outside_spectrum_raises(bounds: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="outside of the spectrum"):
        sp.window(sp.fill([], EDGES), *bounds)


@pytest.mark.parametrize("bounds", [(10.0, 10.05), (20.0, 10.0), (10.02, 10.03)])
def test_window_without_a_bin_raises(bounds: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="holds no bin"):
        sp.window(sp.fill([], EDGES), *bounds)


@pytest.mark.parametrize("factor", [1, 2, 7, 520, 1000])
def test_rebin_equals_a_coarser_histogram_and_loses_nothing(factor: int) -> None:
    m2, w = sample()
    spectrum = sp.rebin(sp.fill(m2, EDGES, weights=w), factor)
    coarse = np.append(EDGES[:-1][::factor], EDGES[-1])
    np.testing.assert_array_equal(spectrum.edges, coarse)
    np.testing.assert_allclose(spectrum.counts, np.histogram(m2, coarse, weights=w)[0])
    np.testing.assert_allclose(spectrum.variances, np.histogram(m2, coarse, weights=w**2)[0])


def test_rebin_by_nothing_raises() -> None:
    with pytest.raises(InputError, match="factor = 0"):
        sp.rebin(sp.fill([], EDGES), 0)


def test_scaling_to_the_luminosity_of_the_data() -> None:
    m2, w = sample()
    factor = sp.luminosity_factor(0.276, 50.0)
    scaled = sp.scale(sp.fill(m2, EDGES, weights=w), factor)
    reference = sp.fill(m2, EDGES, weights=w * 0.276 / 50.0)
    np.testing.assert_allclose(scaled.counts, reference.counts)
    np.testing.assert_allclose(scaled.variances, reference.variances)


@pytest.mark.parametrize("luminosities", [(0.0, 1.0), (1.0, -1.0), (float("nan"), 1.0)])
def test_luminosities_must_be_positive(luminosities: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="must be positive"):
        sp.luminosity_factor(*luminosities)


@pytest.mark.parametrize("factor", [-1.0, float("nan"), float("inf")])
def test_scale_refuses_impossible_factors(factor: float) -> None:
    with pytest.raises(InputError, match="factor = "):
        sp.scale(sp.fill([], EDGES), factor)


def test_sum_equals_one_filling() -> None:
    m2, w = sample()
    parts = [sp.fill(m2[i::3], EDGES, weights=w[i::3]) for i in range(3)]
    total = sp.add(iter(parts))
    np.testing.assert_allclose(total.counts, sp.fill(m2, EDGES, weights=w).counts)
    np.testing.assert_allclose(total.variances, sp.fill(m2, EDGES, weights=w).variances)


def test_sum_of_nothing_and_of_other_bins_raises() -> None:
    with pytest.raises(InputError, match="at least one"):
        sp.add([])
    with pytest.raises(InputError, match="edges differ"):
        sp.add([sp.fill([], EDGES), sp.fill([], EDGES + 1)])
