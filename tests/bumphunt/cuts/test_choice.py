"""Which bounds each mass bin takes: against every sequence there is."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from bumphunt.cuts.choice import CUTS, chosen_cells, free_cells, monotone_cells, smooth_cells
from bumphunt.errors import InputError


def merits(bins: int, shape: tuple[int, ...], seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.random(shape) for _ in range(bins)]


def relative_sum(values: list[np.ndarray], cells: Any) -> float:
    return sum(float(v[tuple(c)] / v.max()) for v, c in zip(values, cells, strict=True))


def monotone(steps: np.ndarray, direction: str) -> bool:
    change = np.diff(steps)
    return bool(np.all(change >= 0) if direction == "rising" else np.all(change <= 0))


@pytest.mark.parametrize("directions", [("rising", "rising"), ("rising", "falling"), ("falling", "falling"), None])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_monotone_cells_are_the_best_of_all_such_sequences(directions: Any, seed: int) -> None:
    values = merits(4, (3, 2), seed)
    allowed = [directions] if directions else list(itertools.product(("rising", "falling"), repeat=2))
    best = 0.0
    for cells in itertools.product(list(np.ndindex(3, 2)), repeat=4):
        steps = np.array(cells)
        if any(all(monotone(steps[:, v], d) for v, d in enumerate(choice)) for choice in allowed):
            best = max(best, relative_sum(values, cells))
    found = monotone_cells(values, directions)
    assert relative_sum(values, found) == pytest.approx(best)
    assert any(all(monotone(found[:, v], d) for v, d in enumerate(choice)) for choice in allowed)


def test_monotone_cells_need_no_more_than_the_free_ones_if_these_are_monotone() -> None:
    values = [np.eye(5)[i] for i in (0, 1, 1, 3, 4)]
    np.testing.assert_array_equal(monotone_cells(values), free_cells(values))
    np.testing.assert_array_equal(monotone_cells(values[::-1]), free_cells(values[::-1]))


def test_free_cells_are_the_largest_values_and_the_loosest_of_equals() -> None:
    values = merits(6, (4, 3, 2), 1)
    for value, cell in zip(values, free_cells(values), strict=True):
        assert value[tuple(cell)] == value.max()
    np.testing.assert_array_equal(free_cells([np.ones((3, 3))]), [[0, 0]])
    np.testing.assert_array_equal(monotone_cells([np.ones((3, 3))] * 2, ("rising", "falling")), [[0, 0], [0, 0]])


def test_smooth_cells_take_the_mean_of_three_bins() -> None:
    values = merits(5, (6,), 4)
    relative = np.array([v / v.max() for v in values])
    expected = [np.argmax(relative[max(i - 1, 0) : i + 2].sum(axis=0)) for i in range(5)]
    np.testing.assert_array_equal(smooth_cells(values)[:, 0], expected)


def test_names_choose_the_rule() -> None:
    values = merits(4, (3, 3), 5)
    expected = {"free": free_cells, "smooth": smooth_cells, "monotone": monotone_cells}
    for name in CUTS:
        np.testing.assert_array_equal(chosen_cells(values, name), expected[name](values))
    with pytest.raises(InputError, match="free, smooth, monotone"):
        chosen_cells(values, "wiggly")  # type: ignore[arg-type]


def test_one_direction_an_observable() -> None:
    with pytest.raises(InputError, match="1 directions for 2 observables"):
        monotone_cells(merits(2, (3, 3), 1), ("rising",))


@pytest.mark.parametrize("cuts", CUTS)
@pytest.mark.parametrize("seed", range(8))
def test_rounding_chooses_nothing_among_equally_good_combinations(cuts: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = [rng.integers(1, 4, (4, 3)) / 3.0 for _ in range(5)]
    shaken = [merit * (1.0 + 1e-14 * rng.normal(size=merit.shape)) for merit in values]
    np.testing.assert_array_equal(chosen_cells(shaken, cuts), chosen_cells(values, cuts))
