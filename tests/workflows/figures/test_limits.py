"""What the figures of a scan draw, read back from their artists."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from workflows.figures.limits import limit_band, p0_scan
from workflows.figures.style import Figure

MASSES = np.linspace(1.0, 8.0, 50)


def shown_labels(figure: Figure) -> list[str]:
    """Return the labels of the vertical axis that are within it, major and minor."""
    figure.draw_without_rendering()
    axes = figure.axes[0]
    low, high = axes.get_ylim()
    ticks = [*axes.yaxis.get_major_ticks(), *axes.yaxis.get_minor_ticks()]
    return [tick.label1.get_text() for tick in ticks if low <= tick.get_loc() <= high and tick.label1.get_text()]


@pytest.mark.parametrize("smallest", [0.1, 1e-12, 1e-45, 1e-99])
def test_levels_reach_down_to_the_smallest_p_value_without_touching(smallest: float) -> None:
    figure = p0_scan(MASSES, np.geomspace(smallest, 0.5, 50), label="", xlabel="")
    axes = figure.axes[0]
    levels = [int(text.get_text().split("$")[0]) for text in axes.texts]
    bottom, top = axes.get_ylim()
    places = np.log(top / np.array([norm.sf(z) for z in levels])) / np.log(top / bottom)
    assert levels[0] == 1
    assert np.all(np.diff(places) > 0.04)
    assert places[-1] > 0.85 or smallest == 0.1
    assert places[-1] <= 1.0


@pytest.mark.parametrize("reach", [1.05, 3.0, 100.0])
def test_limits_are_below_the_legend_on_an_axis_with_two_labels(reach: float) -> None:
    median = np.linspace(21.0, 21.0 * reach, 50)
    bands = median[:, None] * np.array([0.97, 0.98, 1.0, 1.02, 1.03])
    figure = limit_band(MASSES, bands, None, ylabel="limit [fb]", xlabel="m [GeV]", label="")
    assert len(shown_labels(figure)) >= 2
    axes = figure.axes[0]
    low, high = np.log(axes.get_ylim())
    assert np.log(bands.min()) > low
    assert (np.log(bands.max()) - low) / (high - low) < 0.78


def test_published_limits_beyond_the_masses_are_left_out() -> None:
    bands = np.ones((50, 5))
    published = ("old", np.array([0.1, 2.0, 9.0]), np.array([1e-9, 0.5, 1e9]))
    axes = limit_band(MASSES, bands, None, ylabel="", xlabel="", label="", published=published).axes[0]
    (points,) = [line for line in axes.lines if line.get_label() == "old"]
    np.testing.assert_array_equal(points.get_xydata(), [[2.0, 0.5]])
    assert axes.get_ylim()[0] > 0.1
    nothing = ("old", np.array([0.1]), np.array([1.0]))
    axes = limit_band(MASSES, bands, None, ylabel="", xlabel="", label="", published=nothing).axes[0]
    assert "old" not in [text.get_text() for text in axes.get_legend().get_texts()]
