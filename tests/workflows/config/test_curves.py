"""Functions of mass in the YAML: numbers, expressions, tables, functions of a file."""

import numpy as np
import pytest

from workflows.config.derived.curves import load_curve
from workflows.config.sections.section import CurveTable


def test_number_expression_and_function_give_values(tmp_path):
    (tmp_path / "mine.py").write_text("def half(masses):\n    return 0.5 * masses\n")
    masses = np.array([1.0, 2.0, 4.0])
    assert load_curve(0.02, "k", tmp_path).at(masses).tolist() == [0.02] * 3
    assert load_curve("0.5 * mass", "k", tmp_path).at(masses).tolist() == [0.5, 1.0, 2.0]
    assert load_curve("mine.py:half", "k", tmp_path).at(masses).tolist() == [0.5, 1.0, 2.0]


def test_table_is_interpolated_inside_and_refused_outside(tmp_path):
    (tmp_path / "r.csv").write_text("mass,resolution\n# by hand\n1.0, 0.01\n3.0, 0.05\n")
    curve = load_curve(CurveTable(file="r.csv"), "signal.resolution", tmp_path)
    np.testing.assert_allclose(curve.at(np.array([1.0, 2.0, 3.0])), [0.01, 0.03, 0.05])
    with pytest.raises(ValueError, match=r"signal.resolution: .*masses from 1 to 3 GeV, and 3.5 GeV is asked"):
        curve.at(np.array([2.0, 3.5]))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("mass,r\n1,0.1\n2,x\n", r"r.csv:3: '2,x'; want 2 numbers"),
        ("1,0.1,5\n2,0.2,5\n", r"r.csv:1: .*want 2 numbers"),
        ("2,0.1\n1,0.2\n", "ascending"),
        ("mass,r\n", "holds no row"),
        ("", "holds no row"),
    ],
)
def test_table_that_is_none_names_the_line(tmp_path, content, says):
    (tmp_path / "r.csv").write_text(content)
    with pytest.raises(ValueError, match=says):
        load_curve(CurveTable(file="r.csv"), "k", tmp_path)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("def f(m):\n    return 1 / 0\n", "failed for 2 masses from 1 to 2 GeV: division by zero"),
        ("def f(m):\n    return [1.0]\n", r"shape \(1,\) for 2 masses"),
        ("def f(m):\n    return m / 0 * 0\n", "is nan at 1 GeV"),
        ("g = 1\n", "mine.py"),
    ],
)
def test_function_that_fails_is_named(tmp_path, code, says):
    (tmp_path / "mine.py").write_text(code)
    with pytest.raises(ValueError, match=says), np.errstate(all="ignore"):
        load_curve("mine.py:f", "k", tmp_path).at(np.array([1.0, 2.0]))


def test_missing_table_is_named(tmp_path):
    with pytest.raises(ValueError, match="there is no such file"):
        load_curve(CurveTable(file="nowhere.csv"), "k", tmp_path)
