"""Imports are read from the source: all of them, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

from workflows.provenance import code
from workflows.provenance.code import code_of, imported

SOURCE = b"""\
import a.b, c
from d import e as f
from . import g
from ..h import i
def late():
    from j import k
    import_module("l.m")
"""


def test_imports_of_every_form_are_found() -> None:
    found = set(imported(SOURCE, "package.inner"))
    assert found == {
        ("a.b", "a.b"),
        ("c", "c"),
        ("d.e", "d"),
        ("package.inner.g", "package.inner"),
        ("package.h.i", "package.h"),
        ("j.k", "j"),
        ("l.m", "l.m"),
    }


def test_source_that_is_no_python_raises() -> None:
    with pytest.raises(SyntaxError):
        list(imported(b"x = (", ""))


@pytest.mark.parametrize("module", ["workflows.stages.making.scan", "workflows.stages.showing.report"])
def test_everything_of_the_framework_that_python_loads_is_found(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for packages, of which nothing but modules is imported; and where nothing is left out on purpose."""
    script = f"import sys, {module}; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    ours = {name for name in loaded if name.startswith(("bumphunt.", "selections.", "workflows."))}
    packages = {name.rpartition(".")[0] for name in ours}
    monkeypatch.setattr(code, "_LEFT_OUT", ())
    code._imports.cache_clear()
    try:
        found = set(code_of([module]).modules)
    finally:
        code._imports.cache_clear()
    assert ours - packages <= found


def test_figures_are_only_in_what_draws() -> None:
    parts = {
        name: code_of([f"workflows.stages.{name}"]) for name in ("making.scan", "making.process", "showing.report")
    }
    drawing = {name for name, part in parts.items() if any(m.startswith("workflows.figures") for m in part.modules)}
    assert drawing == {"showing.report"}
    assert {name for name, part in parts.items() if "matplotlib" in part.packages} == drawing
    assert parts["making.scan"].packages["scipy"] == version("scipy")
    assert "correctionlib" in parts["making.process"].packages.keys() - parts["making.scan"].packages.keys()


def test_names_of_the_front_door_are_followed_to_where_they_are_at_home() -> None:
    assert "bumphunt.inference.fit" in code_of(["bumphunt"]).modules
