"""What a user's search is made of: its file, the modules beside it or in its package, and the data files it names."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from bumphunt.errors import ConfigError
from workflows.config import own_code, searches
from workflows.config.searches import find_function, find_search

SEARCH = """\
from dataclasses import replace
from pathlib import Path
from selections.registry import SEARCHES
from {helper} import NAME
SEARCH = replace(SEARCHES["zprime-invisible"], name=NAME)
TABLE = Path(__file__).parent / "data" / "table.csv"
OTHER = Path(__file__).with_name("other.json")
def model(mass, sqrt_s):
    from {late} import power
    return power(mass)
"""


def names(files: dict[str, object]) -> set[str]:
    return {Path(path).name for path in files}


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """Return the folder of a search with two modules and two data files."""
    (tmp_path / "own.py").write_text(SEARCH.format(helper="stale_helper", late="stale_late"))
    (tmp_path / "stale_helper.py").write_text("from stale_deeper import NAME\n")
    (tmp_path / "stale_deeper.py").write_text("import numpy\nNAME = 'first'\n")
    (tmp_path / "stale_late.py").write_text("def power(mass):\n    return mass**2\n")
    (tmp_path / "not_imported.py").write_text("x = 1\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "table.csv").write_text("1\n")
    (tmp_path / "other.json").write_text("{}")
    return tmp_path


def test_modules_and_data_files_of_a_search_are_found(beside: Path) -> None:
    found = find_search("own.py:SEARCH", beside)
    assert found.search.name == "first"
    expected = {"own.py", "stale_helper.py", "stale_deeper.py", "stale_late.py", "table.csv", "other.json"}
    assert names(found.code.files) == expected
    assert "selections.registry" in found.code.modules
    assert found.code.packages.keys() == {"numpy"}


@pytest.mark.parametrize("name", ["own.py", "stale_helper.py", "stale_deeper.py", "stale_late.py", "data/table.csv"])
def test_edit_of_any_of_them_is_seen(beside: Path, name: str) -> None:
    before = find_search("own.py:SEARCH", beside).code
    with (beside / name).open("a") as file:
        file.write("# edited\n")
    after = find_search("own.py:SEARCH", beside).code
    changed = {path for path in before.files if before.files[path] != after.files[path]}
    assert changed == {str(beside / name)}


def test_edited_module_beside_a_search_is_executed_again(beside: Path) -> None:
    """Even within the second and with the size of the older one, for which Python's own cache takes the older one."""
    assert find_search("own.py:SEARCH", beside).search.name == "first"
    (beside / "stale_deeper.py").write_text("import numpy\nNAME = 'other'\n")
    assert find_search("own.py:SEARCH", beside).search.name == "other"


def test_module_that_is_imported_late_is_the_one_that_was_read(beside: Path) -> None:
    model = find_function("own.py:model", beside).function
    (beside / "stale_late.py").write_text("def power(mass):\n    return mass**3\n")
    assert model(3.0, 10.58) == 9.0
    assert find_function("own.py:model", beside).function(3.0, 10.58) == 27.0


def test_functions_of_modules_beside_a_search_go_to_other_processes_by_value(beside: Path) -> None:
    (beside / "own.py").write_text("import stale_late\ndef model(mass, sqrt_s):\n    return stale_late.power(mass)\n")
    packed = cloudpickle.dumps(find_function("own.py:model", beside).function)
    (beside / "stale_late.py").unlink()
    sys.modules.pop("stale_late")
    assert cloudpickle.loads(packed)(3.0, 10.58) == 9.0


def test_file_that_has_the_name_of_a_loaded_package_does_not_take_its_place(beside: Path) -> None:
    (beside / "numpy.py").write_text("raise RuntimeError\n")
    assert "numpy.py" not in names(find_search("own.py:SEARCH", beside).code.files)


@pytest.mark.parametrize("name", ["own.py", "stale_deeper.py"])
def test_source_that_is_no_python_is_named_with_its_line(beside: Path, name: str) -> None:
    (beside / name).write_text("x = 1\ny = (\n")
    with pytest.raises(ConfigError, match=rf"{name}:2: cannot be loaded .SyntaxError"):
        find_search("own.py:SEARCH", beside)


def test_module_that_raises_is_told_of_by_the_line_that_imports_it(beside: Path) -> None:
    (beside / "stale_deeper.py").write_text("1 / 0\n")
    with pytest.raises(ConfigError, match=r"own\.py:4: cannot be loaded .ZeroDivisionError"):
        find_search("own.py:SEARCH", beside)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Path]]:
    """Return what installs a package that ships a search: the folder of the package."""
    site = tmp_path / "site-packages"
    monkeypatch.syspath_prepend(str(site))

    def installed(version: str) -> Path:
        folder = site / "stale_lab"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").write_text("")
        (folder / "cuts.py").write_text("NAME = 'lab'\n")
        (folder / "late.py").write_text("def power(mass):\n    return mass\n")
        text = SEARCH.format(helper=".cuts", late="stale_lab.late")
        (folder / "search.py").write_text(text)
        about = site / "stale_lab-1.dist-info"
        about.mkdir(exist_ok=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: stale-lab\nVersion: {version}\n")
        (about / "entry_points.txt").write_text("[bumphunt.searches]\nlab = stale_lab.search:SEARCH\n")
        for module in [name for name in sys.modules if name.partition(".")[0] == "stale_lab"]:
            del sys.modules[module]
        importlib.invalidate_caches()
        for known in (searches._installed, own_code._folder, own_code._distribution):
            known.cache_clear()
        return folder

    yield installed
    for known in (searches._installed, own_code._folder, own_code._distribution):
        known.cache_clear()


def test_installed_search_has_its_modules_and_the_version_of_its_package(install: Callable[[str], Path]) -> None:
    folder = install("1.0")
    before = find_search("lab", folder)
    assert before.search.name == "lab"
    assert names(before.code.files) == {"search.py", "cuts.py", "late.py", "__init__.py"}
    assert before.code.packages == {"stale-lab": "1.0"}
    folder = install("1.1")
    (folder / "cuts.py").write_text("NAME = 'other'\n")
    after = find_search("lab", folder)
    assert after.code.packages == {"stale-lab": "1.1"}
    assert after.code.files[str(folder / "cuts.py")] != before.code.files[str(folder / "cuts.py")]


def test_installed_search_that_is_saved_while_it_is_loaded_is_refused(
    install: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = install("1.0")
    kind = type(next(iter(searches.entry_points(group=searches.GROUP))))  # some packages bring a class of their own
    load = kind.load

    def saving(self: Any) -> object:
        (folder / "cuts.py").write_text("NAME = 'saved'\n")
        return load(self)

    monkeypatch.setattr(kind, "load", saving)
    with pytest.raises(ConfigError, match="a module of it was saved while it was loaded; run again"):
        find_search("lab", folder)


def test_helper_of_an_installed_package_is_followed_where_that_needs_bumphunt(
    install: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = install("1.0")
    (tmp_path / "own.py").write_text(SEARCH.format(helper="stale_lab.cuts", late="stale_lab.late"))
    code = find_search("own.py:SEARCH", tmp_path).code
    assert names(code.files) == {"own.py"}
    assert code.packages == {"stale-lab": "1.0"}
    about = folder.parent / "stale_lab-1.dist-info" / "METADATA"
    about.write_text(about.read_text() + "Requires-Dist: bumphunt>=0.1\n")
    assert names(find_search("own.py:SEARCH", tmp_path).code.files) == {"own.py", "cuts.py", "late.py", "__init__.py"}
