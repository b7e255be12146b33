"""Compiled code is never older than the source that it was made of: a package that changes between processes."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import bumphunt
from bumphunt.compilation import digest

FILES = {
    "__init__.py": "",
    "constants.py": "UNIT = 1.0\n",
    "inner.py": """
from bumphunt.compilation import njit
from package.constants import UNIT


@njit(cache=True)
def f(x):
    return x + UNIT
""",
    "outer.py": """
from bumphunt.compilation import njit
from package import (
    inner,
)


@njit(cache=True)
def g(x):
    return 10.0 * inner.f(x)
""",
    "other.py": "",
}
RUN = "from package.outer import g; print(g(2.0), sum(g.stats.cache_hits.values()), g.stats.cache_path)"


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "package"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder


def run(package):
    """Return what g(2) is in a new process, and whether it was compiled before."""
    path = f"{package.parent}:{Path(bumphunt.__file__).parents[1]}"
    command = [sys.executable, "-c", RUN]
    done = subprocess.run(command, env={"PYTHONPATH": path}, capture_output=True, text=True, check=True)
    value, hits, where = done.stdout.split()
    return float(value), bool(int(hits)), Path(where)


def test_change_in_another_file_is_seen_by_the_next_process(package):
    assert run(package)[:2] == (30.0, False)
    value, known, where = run(package)
    assert (value, known) == (30.0, True)
    (package / "other.py").write_text("UNIT = 5.0\n")  # which is not imported
    assert run(package)[:2] == (30.0, True)
    stored = sorted(path.name for path in where.iterdir() if path.suffix in (".nbi", ".nbc"))
    (package / "constants.py").write_text("UNIT = 2.0\n")
    with ThreadPoolExecutor(2) as pool:  # both may compile, neither may see the old code
        assert {value for value, *_ in pool.map(run, [package, package])} == {40.0}
    (package / "inner.py").write_text(FILES["inner.py"].replace("\n\n\n", "\n\n\n\n").replace("x +", "x -"))
    assert run(package)[:2] == (0.0, False)
    assert run(package)[:2] == (0.0, True)
    assert sorted(path.name for path in where.iterdir() if path.suffix in (".nbi", ".nbc")) == stored


def test_digest_follows_imports_of_the_package_alone(package):
    files = {name: digest(package / name) for name in FILES}
    assert len(set(files.values())) == len(FILES) - 1  # two are empty
    assert digest(package / "missing.py") == digest(Path("nowhere.zip") / "module.py")


def test_all_compiled_functions_have_such_a_cache():
    folder = Path(bumphunt.__file__).parent
    texts = {path.name: path.read_text() for path in folder.rglob("*.py")}
    assert [name for name, text in texts.items() if re.search(r"from numba import .*njit|numba\.njit", text)] == [
        "compilation.py"
    ]
