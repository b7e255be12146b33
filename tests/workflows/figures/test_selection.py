"""What the N-1 figure draws, read back from its artists."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from numpy.typing import NDArray
from scipy.stats import chi2, norm

from bumphunt.kinematics.momenta import BEAMS
from selections.cuts import Cut
from selections.registry import SEARCHES
from workflows.figures.names import OBSERVABLES, observable_name
from workflows.figures.samples import sample_styles
from workflows.figures.selection import n_minus_one
from workflows.products.cut_values import CutValues

Array = NDArray[np.float64]

EDGES = np.arange(5.0)
BACKGROUNDS = {"mumu": np.array([5.0, 4.0, 3.0, 2.0]), "tautau": np.array([1.0, 1.0, 0.0, 0.5])}
STYLES = sample_styles({name: name for name in BACKGROUNDS})
CUT = CutValues(
    name="pt", observable="pt_pair", unit="GeV", edges=EDGES, kept=(1.0, np.inf), backgrounds=BACKGROUNDS,
    data=np.array([3.0, 0.0, 1.0, 2.0]), signal=np.ones(4), signal_label="signal", beyond=0.25,
)  # fmt: skip


def fine(low: float, high: float, **changes: object) -> CutValues:
    """Return a cut with its own bins and one event in each from `low` to `high`."""
    edges = Cut(name="a", observable="a", description="", source="", below=2.0).bins
    centres = (edges[1:] + edges[:-1]) / 2
    filled = ((centres > low) & (centres < high)).astype(np.float64)
    return replace(
        CUT, edges=edges, kept=(-np.inf, 2.0), backgrounds={"mumu": filled, "tautau": 2 * filled}, data=None,
        signal=None, beyond=0.0, **changes,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize("hidden", [True, False])
def test_each_cut_has_a_panel_with_what_there_is(hidden: bool) -> None:
    cut = replace(CUT, data=None) if hidden else CUT
    figure = n_minus_one([cut, replace(cut, name="other")], styles=STYLES, label="test")
    assert [axes.get_title(loc="left") for axes in figure.axes if axes.axison] == ["pt", "other"]
    (legend,) = figure.legends
    entries = [text.get_text() for text in legend.get_texts()]
    assert len(entries) == 4 + (not hidden)
    assert ("data" in entries) == (not hidden)
    assert entries[-1] == "removed by the cut"


def test_data_without_samples_have_a_panel() -> None:
    figure = n_minus_one([replace(CUT, backgrounds={}, signal=None)], styles=sample_styles({}), label="x")
    assert len(figure.axes[0].containers) > 0


def test_data_have_poisson_errors() -> None:
    axes = n_minus_one([CUT], styles=STYLES, label="").axes[0]
    (drawn,) = (c for c in axes.containers if isinstance(c, ErrorbarContainer))
    tail = norm.sf(1.0)
    vertical = drawn.lines[2][1].get_segments()[0][:, 1]
    np.testing.assert_allclose(vertical, [chi2.ppf(tail, 6) / 2, chi2.isf(tail, 8) / 2], rtol=1e-12)


def test_cut_with_all_events_in_one_bin_has_no_panel_and_is_named() -> None:
    one = replace(
        CUT, name="charges", backgrounds={name: np.eye(4)[2] for name in BACKGROUNDS}, data=None, signal=np.eye(4)[2]
    )
    figure = n_minus_one([one, CUT], styles=STYLES, label="test")
    assert [axes.get_title(loc="left") for axes in figure.axes if axes.axison] == ["pt"]
    assert figure.get_suptitle().splitlines() == [
        "test", "without a panel, since all events are in one bin: charges"
    ]  # fmt: skip
    assert n_minus_one([one], styles=STYLES, label="test").legends == []


def test_panel_ends_where_the_events_end_and_says_where_a_far_threshold_is() -> None:
    cut = fine(0.0, 0.1)
    axes = n_minus_one([cut], styles=STYLES, label="").axes[0]
    low, high = axes.get_xlim()
    assert -0.01 < low < 0.0
    assert 0.1 < high < 0.11
    assert [text.get_text() for text in axes.texts] == ["kept below 2 GeV"]


def test_panel_shows_a_near_threshold_and_all_events_in_merged_bins() -> None:
    cut = fine(0.3, 1.5)
    axes = n_minus_one([cut], styles=STYLES, label="").axes[0]
    assert axes.get_xlim()[1] > 2.0
    assert axes.get_xlim()[0] > 0.2
    total = axes.patches[0].get_data()
    assert total.values.sum() == pytest.approx(sum(values.sum() for values in cut.backgrounds.values()))
    assert 30 <= total.values.size <= 80
    assert np.any(np.isclose(total.edges, 2.0))
    width = total.edges[1] - total.edges[0]
    assert axes.get_ylabel() == f"events / {width:.2g} GeV"


def test_what_is_beyond_the_axis_is_said() -> None:
    axes = n_minus_one([CUT], styles=STYLES, label="").axes[0]
    assert [text.get_text() for text in axes.texts] == ["25% of events beyond the axis"]


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 1e6])
@pytest.mark.parametrize("peak", [1.1, 9.0, 1e4])
def test_axes_of_counts_have_labels_at_two_powers_of_ten(scale: float, peak: float) -> None:
    values = scale * np.array([1.0, peak, 1.0, 1.0])
    cut = replace(CUT, backgrounds={"mumu": values, "tautau": values}, data=None, signal=None)
    figure = n_minus_one([cut], styles=STYLES, label="")
    figure.draw_without_rendering()
    axes = figure.axes[0]
    low, high = axes.get_ylim()
    labels = [tick.label1.get_text() for tick in axes.yaxis.get_major_ticks() if low * 0.999 <= tick.get_loc() <= high]
    assert len([label for label in labels if label]) >= 2
    assert high > 2 * values.max()


def test_every_observable_of_the_shipped_searches_has_a_name_in_words() -> None:
    named = set()
    for search in SEARCHES.values():
        named |= {axis.name for axis in (*search.candidates, *search.veto)}
        named |= {cut.observable for region in search.regions for cut in region.selection(BEAMS["belle2"]).cuts}
    assert named <= OBSERVABLES.keys()
    assert not any("_" in observable_name(name).split("$")[0] for name in named)
