"""What the figures of the optimisation draw, read back from their artists."""

from __future__ import annotations

import numpy as np
import pytest

from workflows.figures.optimisation import cuts_against_mass, ranking

EDGES = np.array([1.0, 2.0, 4.0, 5.0])
MASSES = np.array([1.5, 3.0, 4.5])


def test_ranking_shows_all_mass_bins_with_observables_in_words() -> None:
    figure = ranking(EDGES, [("n_tracks", "below"), ("pt_pair", "above")], np.ones((3, 2)), label="", xlabel="")
    axes = figure.axes[0]
    assert axes.get_xlim() == (1.0, 5.0)
    assert [text.get_text() for text in axes.get_yticklabels()] == ["number of tracks <", r"$p_T(\ell\ell)$ >"]


@pytest.mark.parametrize("smooth", [True, False])
def test_cuts_reach_over_all_masses_with_their_units_and_counts_within_the_axis(smooth: bool) -> None:
    bounds = {"a >": ("GeV", np.array([0.1, 0.2, 0.4])), "b <": ("", np.array([3.0, 3.0, 3.0]))}
    counts = {"before": np.array([1e3, 20.0, 5.0]), "after": np.array([0.2, 0.0, 3.0])}
    figure = cuts_against_mass(
        EDGES, MASSES, bounds, {"one half": np.ones(3)}, counts, smooth=smooth, merit_label="merit", label="which",
        xlabel="m [GeV]",
    )  # fmt: skip
    top, first, second, bottom = figure.axes
    low, high = top.get_ylim()
    assert low <= 0.2
    assert high > 1e3
    assert [axes.get_ylabel() for axes in (first, second, bottom)] == ["bound [GeV]", "bound", "merit"]
    assert [axes.get_title(loc="left") for axes in (top, first, second)] == ["which", "a >", "b <"]
    if smooth:
        np.testing.assert_array_equal(
            first.lines[0].get_xydata(), [[1, 0.1], [1.5, 0.1], [3, 0.2], [4.5, 0.4], [5, 0.4]]
        )
    assert bottom.get_xlim() == (1.0, 5.0)
