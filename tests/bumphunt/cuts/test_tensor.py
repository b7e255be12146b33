"""Count tensors against NumPy's multi-dimensional histogram and plain loops."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bumphunt.cuts.tensor import CHOOSING, QUOTING, CountTensor, VetoAxis, fill_tensor, passing, satisfies, veto_axis
from bumphunt.errors import InputError

EDGES = np.array([0.0, 10.0, 25.0, 60.0])
AXES = (veto_axis("a", 0.0, 3.0, n=4), veto_axis("b", 0.0, 2.0, n=5))


def events(n: int = 3000, seed: int = 5) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(seed)
    return {
        "m2": rng.uniform(-5, 70, n),
        "a": rng.exponential(1.5, n),
        "b": rng.exponential(1.0, n),
        "weights": rng.uniform(0.2, 2.0, n),
        "half": rng.integers(0, 2, n),
    }


def tensor(e: dict[str, NDArray[Any]]) -> CountTensor:
    observables = {"a": e["a"], "b": e["b"]}
    return fill_tensor(e["m2"], observables, weights=e["weights"], half=e["half"], edges=EDGES, axes=AXES)


def test_fill_equals_numpy() -> None:
    e, t = events(), tensor(events())
    bins = [[-0.5, 0.5, 1.5], EDGES, *(np.append(axis.thresholds, 1e9) for axis in AXES)]
    points = np.column_stack([e["half"], e["m2"], e["a"], e["b"]])
    np.testing.assert_allclose(t.sum_w, np.histogramdd(points, bins, weights=e["weights"])[0])
    np.testing.assert_allclose(t.sum_w2, np.histogramdd(points, bins, weights=e["weights"] ** 2)[0])


def test_passing_equals_a_cut_on_the_events() -> None:
    e = events()
    total = passing(tensor(e).sum_w[QUOTING])
    for i, j, k in itertools.product(range(3), range(4), range(5)):
        mask = (e["m2"] >= EDGES[i]) & (e["m2"] < EDGES[i + 1]) & (e["half"] == QUOTING)
        mask &= (e["a"] >= AXES[0].thresholds[j]) & (e["b"] >= AXES[1].thresholds[k])
        assert total[i, j, k] == pytest.approx(e["weights"][mask].sum())


def test_upper_bounds_equal_a_cut_on_the_events() -> None:
    e = events()
    axes = (veto_axis("a", 0.5, 2.0, n=4, side="below"), AXES[1])
    assert axes[0].thresholds[0] == 2.0
    filled = fill_tensor(e["m2"], e, weights=e["weights"], half=e["half"], edges=EDGES, axes=axes)
    total = passing(filled.sum_w[CHOOSING])
    for i, j, k in itertools.product(range(3), range(4), range(5)):
        mask = (e["m2"] >= EDGES[i]) & (e["m2"] < EDGES[i + 1]) & (e["half"] == CHOOSING)
        mask &= (e["a"] <= axes[0].thresholds[j]) & (e["b"] >= axes[1].thresholds[k])
        assert total[i, j, k] == pytest.approx(e["weights"][mask].sum())


@pytest.mark.parametrize(
    ("side", "passed"), [("above", [False, True, True, False]), ("below", [True, True, False, False])]
)
def test_value_on_a_bound_satisfies_it_and_nan_does_not(side: Any, passed: list[bool]) -> None:
    values = np.array([1.0, 2.0, 3.0, np.nan])
    np.testing.assert_array_equal(satisfies(values, 2.0, side), passed)
    axis = veto_axis("a", 0.0, 2.0, n=2, side=side) if side == "below" else veto_axis("a", 2.0, 4.0, n=2)
    np.testing.assert_array_equal(axis.cells(values[:3]) >= 0, passed[:3])


def test_event_on_a_threshold_passes_it() -> None:
    one = {"m2": 5.0, "a": 1.0, "b": 0.5, "weights": 1.0, "half": CHOOSING}
    t = passing(tensor({k: np.array([v]) for k, v in one.items()}).sum_w[CHOOSING])
    assert t[0, 1, 1] == 1.0
    assert t[0, 2, 1] == 0.0


def test_event_below_the_first_threshold_is_left_out() -> None:
    axes = (VetoAxis(name="a", thresholds=np.array([1.0, 2.0])),)
    t = fill_tensor([5.0], {"a": np.array([0.9])}, weights=[1.0], half=[0], edges=EDGES, axes=axes)
    assert t.sum_w.sum() == 0.0


def test_tensors_of_parts_add_up() -> None:
    e = events()
    parts = [tensor({k: v[i::2] for k, v in e.items()}) for i in range(2)]
    np.testing.assert_allclose((parts[0] + parts[1]).sum_w, tensor(e).sum_w)


def test_tensors_of_other_bins_do_not_add() -> None:
    other = fill_tensor([1.0], {"a": np.ones(1)}, weights=[1.0], half=[0], edges=EDGES, axes=AXES[:1])
    with pytest.raises(InputError, match="different bins"):
        _ = other + tensor(events(10))


def test_scaling_goes_with_the_square_in_the_variance() -> None:
    t = tensor(events())
    np.testing.assert_allclose(t.scaled(3.0).sum_w2, 9 * t.sum_w2)
    with pytest.raises(InputError, match="factor = -1"):
        t.scaled(-1.0)


def test_missing_observable_is_named() -> None:
    with pytest.raises(InputError, match="needs the observable 'b'; known are a"):
        fill_tensor([1.0], {"a": np.ones(1)}, weights=[1.0], half=[0], edges=EDGES, axes=AXES)


def test_wrong_shape_raises() -> None:
    with pytest.raises(InputError, match="sum_w has shape"):
        CountTensor(edges=EDGES, axes=AXES, sum_w=np.zeros(3), sum_w2=np.zeros(3))


@pytest.mark.parametrize(
    ("side", "thresholds", "message"),
    [
        ("above", [1.0, 0.0], "a above them; give two finite ones or more, ascending"),
        ("below", [0.0, 1.0], "a below them; give two finite ones or more, descending"),
        ("below", [np.inf, 1.0], "descending"),
        ("above", [1.0], "ascending"),
        ("under", [0.0, 1.0], "side = 'under' of the bounds on a; it must be 'above' or 'below'"),
    ],
)
def test_thresholds_go_from_loose_to_tight(side: Any, thresholds: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        VetoAxis(name="a", thresholds=np.array(thresholds), side=side)


def test_equal_axes_are_equal_and_have_the_same_hash() -> None:
    again = veto_axis("a", 0.0, 3.0, n=4)
    assert again == AXES[0]
    assert hash(again) == hash(AXES[0])
    assert again != AXES[1]
    assert again != "a"
    sides = [
        VetoAxis(name="a", thresholds=t, side=s) for t, s in ((np.arange(2.0), "above"), (-np.arange(2.0), "below"))
    ]
    assert sides[0] != sides[1]
