"""The front door: every name is there, lazily, with its documentation."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import bumphunt as bh


def test_every_name_is_there_documented_and_seen_by_completion():
    for name in bh.__all__:
        assert getattr(bh, name).__doc__, name
    assert set(bh.__all__) <= set(dir(bh))


def test_type_checkers_are_told_the_same_homes():
    tree = ast.parse(Path(bh.__file__).with_suffix(".pyi").read_text())
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert {alias.asname: node.module for node in imports for alias in node.names} == bh._HOME


def test_unknown_name_raises_and_says_what_there_is():
    with pytest.raises(AttributeError, match="no attribute 'fits'; it has"):
        bh.fits  # noqa: B018


def test_import_alone_loads_nothing_heavy():
    code = "import sys, bumphunt; print(sorted({'numpy', 'scipy', 'numba', 'iminuit', 'hist'} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_peaks_and_regions_need_no_minimiser():
    code = (
        "import sys, bumphunt as bh; bh.region, bh.gaussian, bh.BackgroundModel;"
        "print(sorted({'iminuit', 'scipy.stats', 'zfit', 'matplotlib'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_names_stay_functions_after_their_rooms_are_imported():
    code = (
        "import bumphunt as bh, bumphunt.scanning.scan, bumphunt.inference.fit, bumphunt.inference.limits;"
        "print(callable(bh.scan), callable(bh.fit), callable(bh.limit))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "True True True"
