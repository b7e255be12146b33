"""Cuts, masks and cutflows against plain NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bumphunt.errors import InputError
from selections.cuts import Cut, Cutflow, Selection, Variable, count, cutflow_columns


def cut(name: str, observable: str = "x", **kwargs: Any) -> Cut:
    return Cut(name=name, observable=observable, description="", source="", **kwargs)


SELECTION = Selection(
    name="toy",
    variables=(Variable(name="x"), Variable(name="y")),
    observables=lambda c: {"x": c["x"] * 1.0, "y": c["y"] * 1.0},
    cuts=(cut("low", above=0.2), cut("band", "y", above=0.1, below=0.9), cut("high", below=0.8)),
    spectrum="x",
)


@pytest.mark.parametrize(
    ("kwargs", "passing"),
    [
        ({"above": 1.0}, [2.0, np.inf]),
        ({"below": 1.0}, [-np.inf, 0.5]),
        ({"above": 0.5, "below": 2.0}, [1.0]),
        ({"equals": 2}, [2.0]),
    ],
)
def test_cut_is_an_open_interval_that_nan_fails(kwargs: dict[str, Any], passing: list[float]) -> None:
    values = np.array([-np.inf, 0.5, 1.0, 2.0, np.inf, np.nan])
    one = cut("x", **kwargs)
    np.testing.assert_array_equal(values[one.passes(values)], passing)


@pytest.mark.parametrize("kwargs", [{}, {"equals": 1.0, "above": 0.0}])
def test_cut_without_or_with_two_kinds_of_thresholds_raises(kwargs: dict[str, float]) -> None:
    with pytest.raises(InputError, match="cut 'bad': give either"):
        cut("bad", **kwargs)


def test_empty_interval_raises() -> None:
    with pytest.raises(InputError, match=r"above = 2\.0 must be less than below = 1\.0"):
        cut("bad", above=2.0, below=1.0)


def test_two_cuts_of_one_name_raise() -> None:
    with pytest.raises(InputError, match="'same' stands twice"):
        Selection(
            name="toy",
            variables=(),
            observables=dict,
            cuts=(cut("same", above=0.0), cut("same", below=1.0)),
            spectrum="x",
        )


def test_cutflow_counts_weights_and_their_squares() -> None:
    rng = np.random.default_rng(1)
    n = 1001
    masks, w = np.logical_and.accumulate(rng.random((3, n)) < 0.8, axis=0), rng.uniform(0.5, 2, n)
    flow = count(SELECTION.steps, [np.ones(n, dtype=bool), *masks], w)
    assert flow.steps == ("all rows", "low", "band", "high")
    np.testing.assert_array_equal(flow.raw[1:], masks.sum(axis=1))
    np.testing.assert_allclose(flow.sum_w2[1:], masks @ w**2)
    halves = [count(SELECTION.steps, [np.ones(w[i::2].size, dtype=bool), *masks[:, i::2]], w[i::2]) for i in (0, 1)]
    total = halves[0] + halves[1]
    np.testing.assert_array_equal(total.raw, flow.raw)
    np.testing.assert_allclose(total.sum_w, flow.sum_w)
    row = flow.rows()[2]
    assert row["sum_w_error"] == pytest.approx(np.sqrt((w[masks[1]] ** 2).sum()))
    assert row["fraction_of_previous"] == pytest.approx(w[masks[1]].sum() / w[masks[0]].sum())
    assert row["fraction_of_all"] == pytest.approx(w[masks[1]].sum() / w.sum())


def test_cutflow_of_nothing_has_no_fractions() -> None:
    flow = count(["all"], [np.empty(0, dtype=bool)], np.empty(0))
    assert np.isnan(flow.rows()[0]["fraction_of_all"])


def test_cutflows_of_other_steps_do_not_add() -> None:
    one, two = (count([name], [np.ones(1, dtype=bool)], np.ones(1)) for name in "ab")
    with pytest.raises(InputError, match="different steps"):
        _ = one + two


def test_cutflow_of_wrong_shape_raises() -> None:
    with pytest.raises(InputError, match="raw has shape"):
        Cutflow(steps=("a", "b"), raw=np.zeros(1, dtype=np.int64), sum_w=np.zeros(2), sum_w2=np.zeros(2))


def test_table_of_several_samples() -> None:
    flow = count(["a", "b"], [np.ones(2, dtype=bool), np.array([True, False])], np.ones(2))
    columns = cutflow_columns({"mumu": flow, "tautau": flow})
    assert columns["sample"] == ["mumu", "mumu", "tautau", "tautau"]
    assert columns["raw"] == [2, 1, 2, 1]
    assert cutflow_columns({}) == {}


@pytest.mark.parametrize(
    ("thresholds", "first", "inside", "last"),
    [
        ({"above": 0.3}, 0.0, 400, 0.9),
        ({"below": 0.3}, 0.0, 200, 0.9),
        ({"above": 0.0}, -1.0, 400, 2.0),
        ({"above": -0.5}, -1.0, 400, 0.5),
        ({"above": 1.0, "below": 3.0}, -1.0, 200, 5.0),
        ({"equals": 2.0}, -3.5, 1, 7.5),
    ],
)
def test_bins_of_a_figure_have_the_thresholds_as_edges(
    thresholds: dict[str, float], first: float, inside: int, last: float
) -> None:
    cut = Cut(name="a", observable="a", description="", source="", **thresholds)
    assert cut.bins[[0, -1]] == pytest.approx([first, last])
    assert np.count_nonzero(cut.passes((cut.bins[1:] + cut.bins[:-1]) / 2)) == inside


def test_steps_of_a_cutflow_follow_each_other_once() -> None:
    flow = count(["all"], [np.array([True, True])], np.array([0.5, 2.0]))
    longer = flow.then(count(["pt"], [np.array([False, True])], np.array([0.5, 2.0])))
    assert longer.steps == ("all", "pt")
    np.testing.assert_array_equal(longer.raw, [2, 1])
    np.testing.assert_array_equal(longer.sum_w2, [4.25, 4.0])
    with pytest.raises(InputError, match="step 'all' stands twice"):
        longer.then(flow)
