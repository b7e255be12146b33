"""Searches by name, by entry point and by file; what is wrong with a file is one line."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import EntryPoint

import pytest

from bumphunt.errors import ConfigError
from bumphunt.montecarlo.detector.candidates import Candidate
from bumphunt.montecarlo.processes.registry import find_process
from selections.registry import SEARCHES
from workflows.config import searches
from workflows.config.searches import find_function, find_search, registry_of

OWN = """\
from dataclasses import replace
from selections.registry import SEARCHES
SEARCH = replace(SEARCHES["zprime-invisible"], name="own")
number = 3
def cross_section(mass, sqrt_s):
    return 2.0 * mass
"""


def test_shipped_search_has_its_name(tmp_path):
    for name, search in SEARCHES.items():
        assert find_search(name, tmp_path).search is search
        assert search.name == name


def test_search_of_a_file_is_found_beside_the_yaml(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    assert find_search("own.py:SEARCH", tmp_path).search.name == "own"
    (tmp_path / "own.py").write_text(OWN.replace('"own"', '"changed"'))
    assert find_search("own.py:SEARCH", tmp_path).search.name == "changed"


def test_function_of_a_file_is_found(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    assert find_function("own.py:cross_section", tmp_path).function(3.0, 10.58) == 6.0


def test_search_of_an_installed_package_is_found(tmp_path, monkeypatch):
    point = EntryPoint(name="theirs", value="selections.registry:_MODULES", group=searches.GROUP)
    monkeypatch.setattr(searches, "entry_points", lambda group: [point] if group == searches.GROUP else [])
    with pytest.raises(ConfigError, match=r"entry point 'theirs' of selections\.registry:_MODULES is a tuple"):
        find_search("theirs", tmp_path)
    monkeypatch.setattr("selections.registry.ONE", SEARCHES["zprime-invisible"], raising=False)
    point = EntryPoint(name="theirs", value="selections.registry:ONE", group=searches.GROUP)
    assert find_search("theirs", tmp_path).search is SEARCHES["zprime-invisible"]


def test_processes_and_candidates_of_installed_packages_are_found(tmp_path, monkeypatch):
    process = replace(find_process("zprime"), name="theirs")
    candidate = Candidate(name="six_muons", daughters=("mu+", "mu-") * 3)
    monkeypatch.setattr("selections.registry.THEIRS", process, raising=False)
    monkeypatch.setattr("selections.registry.SIX", candidate, raising=False)
    points = {
        searches.PROCESSES: EntryPoint(name="a", value="selections.registry:THEIRS", group=searches.PROCESSES),
        searches.CANDIDATES: EntryPoint(name="b", value="selections.registry:SIX", group=searches.CANDIDATES),
    }
    monkeypatch.setattr(searches, "entry_points", lambda group: [points[group]] if group in points else [])
    registry = registry_of(find_search("zprime-invisible", tmp_path))
    assert registry.process("theirs") is process
    assert registry.candidate("six_muons") is candidate
    assert {"theirs", "zprime"} <= registry.known(signal=True).keys()
    assert registry.code is not None
    monkeypatch.setattr("selections.registry.SIX", process)
    with pytest.raises(
        ConfigError, match=r"entry point 'b' of selections\.registry:SIX is a Process; it must be a Can"
    ):
        registry_of(find_search("zprime-invisible", tmp_path))


def test_shipped_search_brings_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(searches, "entry_points", lambda group: [])
    registry = registry_of(find_search("zprime-invisible", tmp_path))
    assert (registry.processes, registry.candidates, registry.code) == ((), (), None)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("zprime-invisibel", "", "did you mean 'zprime-invisible'"),
        ("nowhere.py:SEARCH", "", "cannot be read .No such file"),
        ("own.py:SERCH", OWN, "name 'SERCH' is not known; did you mean 'SEARCH'"),
        ("own.py:number", OWN, "number is a int; it must be a selections.search.Search"),
        ("own.py:SEARCH", "import nothing_at_all", r"own.py:1: cannot be loaded .ModuleNotFoundError"),
        ("own.py:SEARCH", "x = (", r"own.py:1: cannot be loaded .SyntaxError"),
        ("own.py:SEARCH", "from bumphunt.spectrum.axis import MassAxis\nMassAxis(kind='cubed')", "kind = 'cubed'"),
    ],
)
def test_wrong_search_says_what_is_wrong(tmp_path, name, content, expected):
    (tmp_path / "own.py").write_text(content)
    with pytest.raises(ConfigError, match=expected):
        find_search(name, tmp_path)


def test_function_must_be_one(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    with pytest.raises(ConfigError, match="number is a int, no function"):
        find_function("own.py:number", tmp_path)
