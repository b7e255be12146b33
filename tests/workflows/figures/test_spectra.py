"""What the figures of spectra draw, read back from their artists."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from numpy.typing import NDArray
from scipy.stats import chi2, norm

from workflows.figures.samples import sample_styles
from workflows.figures.spectra import stacked_spectrum
from workflows.figures.style import Figure

EDGES = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
BACKGROUNDS = {"mumu": np.array([5.0, 4.0, 3.0, 2.0]), "tautau": np.array([1.0, 1.0, 0.0, 0.5])}


STYLES = sample_styles({name: name for name in BACKGROUNDS})
ERRORS = np.array([1.0, 0.5, 2.0, 1.0])


def spectrum(data: NDArray[np.float64]) -> Figure:
    return stacked_spectrum(
        EDGES, BACKGROUNDS, ERRORS, styles=STYLES, data=data, label="test", xlabel="x [GeV]", unit="GeV^2"
    )


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


def test_pull_is_in_units_of_the_error_of_the_data_towards_the_expectation() -> None:
    data = np.array([7.0, 0.0, 1.0, np.nan])
    band, steps = spectrum(data).axes[1].patches
    total = sum(BACKGROUNDS.values())
    tail = norm.sf(1.0)
    below = 7.0 - chi2.ppf(tail, 14) / 2  # 7 events where 6 are expected
    above = chi2.isf(tail, 2 * data[1:3] + 2) / 2 - data[1:3]  # 0 and 1 where 5 and 3 are expected
    error = np.array([below, *above])
    np.testing.assert_allclose(steps.get_data().values, [*((data - total)[:3] / error), 0.0])
    np.testing.assert_allclose(band.get_data().values[:3], ERRORS[:3] / error)


def test_panels_reach_to_all_that_is_drawn() -> None:
    data = np.array([4e4, 0.0, 1.0, np.nan])
    upper, lower = spectrum(data).axes
    (steps,) = [patch for patch in lower.patches if not patch.get_fill()]
    assert np.abs(steps.get_data().values).max() < lower.get_ylim()[1]
    assert upper.get_ylim()[0] < chi2.ppf(norm.sf(1.0), 2) / 2  # the lower end of the error of 1 event
    assert upper.get_ylim()[1] > 4e4 + 200
    assert upper.get_ylabel() == "events / 1 GeV$^2$"
