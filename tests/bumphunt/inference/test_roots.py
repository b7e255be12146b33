"""Roots one by one and side by side, against closed forms, and where there are none."""

import numpy as np
import pytest

from bumphunt.errors import FitError, Flag
from bumphunt.inference.roots import bracketed_root, newton_roots


@pytest.mark.parametrize("step", [1e-3, 1.0, 1e4])
def test_root_is_found_from_steps_of_any_size(step):
    assert bracketed_root(lambda x: 9.0 - x**2, 0.0, step) == pytest.approx(3.0, rel=1e-8)


def test_root_that_does_not_exist_raises():
    for function, message in (
        (lambda x: 1.0, "no_root: none below"),
        (lambda x: -1.0, "positive is needed"),
        (lambda x: 1.0 if x == 0.0 else np.nan, "NaN"),
    ):
        with pytest.raises(FitError, match=message) as raised:
            bracketed_root(function, 0.0, 1.0)
        assert raised.value.flag is Flag.NO_ROOT


def test_root_at_the_lower_end_is_found():
    assert bracketed_root(lambda x: -x, 0.0, 1.0) == 0.0


def test_many_roots_are_found_side_by_side():
    # a^3 - x^3: Newton's method overshoots far from below
    goal = np.array([[0.1, 3.0, 700.0], [1e-4, 1.0, 1e6]])
    asked = []

    def functions(x, active):
        asked.append(active.sum())
        return goal**3 - x**3, -3.0 * x**2, np.zeros(2, np.bool_)

    roots, found = newton_roots(functions, np.full((2, 3), 2.0), np.zeros((2, 3)), np.ones((2, 3), np.bool_))
    assert found.all()
    np.testing.assert_allclose(roots, goal, rtol=1e-10)
    assert asked[0] == 6
    assert asked[-1] < 6  # those that are found are not asked again


def test_rows_that_are_given_up_and_equations_without_a_root_are_not_found():
    def functions(x, active):
        value = np.array([[4.0], [4.0], [4.0]]) - x * np.array([[1.0], [0.0], [1.0]])
        return value, np.array([[-1.0], [0.0], [-1.0]]), np.array([True, False, False])

    wanted = np.ones((3, 1), np.bool_)
    roots, found = newton_roots(functions, np.ones((3, 1)), np.zeros((3, 1)), wanted)
    assert found[:, 0].tolist() == [False, False, True]
    assert roots[2, 0] == pytest.approx(4.0)
    _, found = newton_roots(functions, np.ones((3, 1)), np.zeros((3, 1)), ~wanted)
    assert not found.any()


def test_slopes_that_mislead_are_replaced_by_halving():
    def functions(x, active):
        return 1.0 - np.sqrt(x / 5.0), np.full_like(x, -1e-9), np.zeros(1, np.bool_)

    roots, found = newton_roots(functions, np.full((1, 1), 1.0), np.zeros((1, 1)), np.ones((1, 1), np.bool_))
    assert found.all()
    assert roots[0, 0] == pytest.approx(5.0, rel=1e-10)
