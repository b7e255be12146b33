"""What the figures of the signal draw, read back from their artists."""

from __future__ import annotations

import numpy as np
import pytest

from workflows.figures.impacts import impacts
from workflows.figures.signal import closure, signal_parameters

MASSES = np.array([1.0, 2.0, 3.0])


@pytest.mark.parametrize(("factor", "scale"), [(1.0, "log"), (0.01, "linear")])
def test_quantity_over_more_than_a_decade_and_a_half_has_a_logarithmic_axis(factor: float, scale: str) -> None:
    values = np.array([1.0, 1.0 + factor * 20, 1.0 + factor * 90])
    shown = {"width": (values, 0.1 * values)}
    axes = signal_parameters(MASSES, shown, MASSES, shown, label="which", xlabel="m [GeV]").axes[0]
    assert axes.get_yscale() == scale
    low, high = axes.get_ylim()
    assert (low == 0.0) == (scale == "linear")
    assert low < 0.9 * values.min()
    assert high > 1.1 * values.max()
    assert axes.get_title(loc="left") == "which"


def test_closure_shows_all_ratios_with_their_errors() -> None:
    ratio, error = np.array([0.5, 1.0, 1.1]), np.array([0.2, 0.1, 0.1])
    axes = closure(MASSES, {"efficiency": (ratio, error)}, label="which", xlabel="m [GeV]").axes[0]
    low, high = axes.get_ylim()
    assert low < 0.3
    assert high > 1.2
    assert axes.get_ylabel() == "efficiency:\nfitted / interpolated"


def test_impacts_name_their_sources_in_words() -> None:
    names = ["tau veto", "template_statistics", "norm_mumu"]
    figure = impacts(names, np.full((2, 3), 0.1), np.full((2, 3), 0.2), label="", observed=True)
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == [
        "tau veto", "template statistics", "normalisation of mumu"
    ]  # fmt: skip
    (legend,) = figure.legends
    assert len(legend.get_texts()) == 4
