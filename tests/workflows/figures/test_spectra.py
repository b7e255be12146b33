"""What the figures of spectra draw, read back from their artists."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from numpy.typing import NDArray
from scipy.stats import chi2, norm

from workflows.figures.selection import n_minus_one
from workflows.figures.spectra import stacked_spectrum
from workflows.figures.style import Figure
from workflows.products.cut_values import CutValues

EDGES = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
BACKGROUNDS = {"mumu": np.array([5.0, 4.0, 3.0, 2.0]), "tautau": np.array([1.0, 1.0, 0.0, 0.5])}


def spectrum(data: NDArray[np.float64]) -> Figure:
    return stacked_spectrum(EDGES, BACKGROUNDS, np.ones(4), data=data, label="test", xlabel="x [GeV]", unit="GeV")


def points(figure: Figure) -> ErrorbarContainer:
    (found,) = (c for c in figure.axes[0].containers if isinstance(c, ErrorbarContainer))
    return found


def test_data_have_the_central_interval_of_a_poisson_mean_and_empty_bins_no_point() -> None:
    data = np.array([7.0, 0.0, 1.0, np.nan])
    drawn = points(spectrum(data))
    np.testing.assert_allclose(drawn.lines[0].get_ydata(), [7.0, np.nan, 1.0, np.nan])
    horizontal, vertical = drawn.lines[2]
    tail = norm.sf(1.0)
    for i, counts in ((0, 7.0), (2, 1.0)):
        # Garwood, Biometrika 28 (1936) 437
        expected = [chi2.ppf(tail, 2 * counts) / 2, chi2.isf(tail, 2 * counts + 2) / 2]
        np.testing.assert_allclose(vertical.get_segments()[i][:, 1], expected, rtol=1e-12)
    np.testing.assert_allclose(horizontal.get_segments()[2][:, 0], [2.0, 3.0])


@pytest.mark.parametrize("nothing", [0.0, np.nan])
def test_spectrum_without_data_or_with_all_of_them_hidden_is_drawn(nothing: float) -> None:
    figure = spectrum(np.full(4, nothing))
    assert np.all(np.isnan(points(figure).lines[0].get_ydata()))
    figure.draw_without_rendering()


def test_pull_is_that_of_data_and_expectation() -> None:
    data = np.array([7.0, 0.0, 1.0, np.nan])
    (steps,) = spectrum(data).axes[1].patches
    total = sum(BACKGROUNDS.values())
    np.testing.assert_allclose(steps.get_data().values, np.append((data - total)[:3] / np.sqrt(total + 1)[:3], 0.0))


@pytest.mark.parametrize("data", [None, np.array([3.0, 0.0, 1.0, 2.0])])
def test_each_cut_has_a_panel_with_what_there_is(data: NDArray[np.float64] | None) -> None:
    cut = CutValues(
        name="pt", observable="pt_pair", unit="GeV", edges=EDGES, thresholds=(1.0,), backgrounds=BACKGROUNDS,
        data=data, signal=np.ones(4), signal_label="signal",
    )  # fmt: skip
    figure = n_minus_one([cut, cut], label="test")
    assert [axes.get_title(loc="left") for axes in figure.axes if axes.axison] == ["pt", "pt"]
    (legend,) = figure.legends
    entries = [text.get_text() for text in legend.get_texts()]
    assert len(entries) == 3 + (data is not None)
    assert ("data" in entries) == (data is not None)
