"""What has changed is said in words: from what to what, which file, which module."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workflows.provenance.changes import changes
from workflows.provenance.settings import flat, plain


def record(**changed: Any) -> dict[str, Any]:
    empty = {"settings": {}, "packages": {}, "code": {"roots": [], "modules": {}}, "files": {}, "stages": {}}
    return empty | changed


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ({"settings": {"fit": {"cl": 0.9}}}, {"settings": {"fit": {"cl": 0.95}}}, ["fit.cl: 0.9 -> 0.95"]),
        ({"settings": {"a": [1] * 50}}, {"settings": {"a": [2] * 51}}, ["a: 50 values -> 51 values"]),
        ({"settings": {"a": "x" * 60}}, {"settings": {}}, [f'a: "{"x" * 44}... -> null']),
        ({"settings": {"a": {}}}, {"settings": {"a": {"b": True}}}, ["a.b: null -> true"]),
        ({"packages": {"numpy": "1"}}, {"packages": {"numpy": "2"}}, ['numpy: "1" -> "2"']),
        (
            {"files": {"/a": 1, "/b": 1}},
            {"files": {"/a": 2, "/c": 1}},
            ["file /a has changed", "file /c is new", "file /b is read no more"],
        ),
        ({"stages": {"scan": "1"}}, {"stages": {"scan": "2"}}, ["stage scan has other results"]),
        ({}, {}, []),
    ],
)
def test_change_is_said_in_words(before: dict[str, Any], now: dict[str, Any], expected: list[str]) -> None:
    assert changes(record(**before), record(**now)) == expected


def test_many_modules_are_counted() -> None:
    code = {"roots": [], "modules": {f"m{i}": "1" for i in range(5)}}
    assert changes(record(), record(code=code)) == [*(f"module m{i} is new" for i in range(3)), "2 more such modules"]


def test_values_are_plain_and_flat() -> None:
    value = {"path": Path("/a"), "edges": np.array([1.0, np.inf]), "f": np.linspace, "pairs": ((1, 2), (3, 4))}
    assert plain(value) == {"path": "/a", "edges": [1.0, "inf"], "f": "linspace", "pairs": [[1, 2], [3, 4]]}
    assert dict(flat(plain({"a": value["pairs"], "b": {}}))) == {"a[0]": [1, 2], "a[1]": [3, 4]}
