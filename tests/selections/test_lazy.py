"""Observables on demand: each once, and for the rows that are asked for."""

from __future__ import annotations

import numpy as np
import pytest

from bumphunt.errors import InputError
from selections.lazy import LazyObservables, in_one_go


def test_each_is_worked_out_once_and_only_for_the_rows_left() -> None:
    sizes: list[tuple[str, int]] = []

    def make(name: str, source: str):  # type: ignore[no-untyped-def]
        def function(o: LazyObservables) -> np.ndarray:
            sizes.append((name, o[source].size))
            return 2.0 * o[source]

        return function

    columns = {"x": np.arange(10.0), "unused": np.arange(10.0)}
    everything = LazyObservables(columns, {"_y": make("_y", "x"), "z": make("z", "_y"), "w": make("w", "x")})
    np.testing.assert_array_equal(everything["_y"], 2 * columns["x"])
    part = everything.take(np.array([1, 3, 5])).take(np.array([0, 2]))
    np.testing.assert_array_equal(part["z"], [4.0, 20.0])
    np.testing.assert_array_equal(part["z"], [4.0, 20.0])
    np.testing.assert_array_equal(part["w"], [2.0, 10.0])
    np.testing.assert_array_equal(part["x"], [1.0, 5.0])
    assert sizes == [("_y", 10), ("z", 2), ("w", 2)]


def test_names_are_those_of_observables_without_steps_on_the_way() -> None:
    lazy = LazyObservables({"c": np.ones(2)}, {"_a": lambda o: o["c"], "b": lambda o: o["_a"]}, known={"k": np.ones(2)})
    assert list(lazy) == list(lazy.take(np.array([0]))) == ["b", "k"]
    assert len(lazy) == 2
    assert "c" not in lazy
    assert lazy.take(np.array([0]))["k"].size == 1


def test_several_of_one_function() -> None:
    made = []

    def function(o: LazyObservables) -> dict[str, np.ndarray]:
        made.append(1)
        return {"low": o["x"] - 1, "high": o["x"] + 1}

    lazy = LazyObservables({"x": np.arange(4.0)}, in_one_go(function, ("low", "high")))
    part = lazy.take(np.array([2]))
    assert (part["low"][0], part["high"][0]) == (1.0, 3.0)
    np.testing.assert_array_equal(lazy["high"], [1, 2, 3, 4])
    np.testing.assert_array_equal(lazy.take(np.array([3]))["low"], [2.0])
    assert len(made) == 2
    assert list(lazy) == ["low", "high"]


def test_unknown_observable_names_the_nearest() -> None:
    with pytest.raises(InputError, match="observable 'lo' is not known; did you mean 'low'"):
        LazyObservables({"x": np.ones(1)}, {"low": lambda o: o["x"]})["lo"]


def test_rows_of_four_momenta_are_taken_and_stay_in_order() -> None:
    p4 = np.asfortranarray(np.arange(24.0).reshape(6, 4))
    lazy = LazyObservables({}, {"_p4": lambda o: p4, "energy": lambda o: o["_p4"][:, 0]})
    assert lazy["_p4"] is p4
    part = lazy.take(np.array([1, 4]))
    np.testing.assert_array_equal(part["_p4"], p4[[1, 4]])
    assert part["_p4"].flags.f_contiguous
    np.testing.assert_array_equal(part["energy"], [4.0, 16.0])
