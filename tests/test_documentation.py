"""The pages of docs/ and the README: the site builds without a warning, and their YAML has known keys only."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

import bumphunt

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def keys_extension() -> ModuleType:
    """Return the Sphinx extension that lists the keys of the YAML."""
    spec = importlib.util.spec_from_file_location("yaml_keys", ROOT / "docs" / "_extensions" / "yaml_keys.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


KEYS = keys_extension()


def test_the_site_builds_without_a_warning(tmp_path):
    pages, out = tmp_path / "docs", tmp_path / "html"  # a copy, for Sphinx writes pages beside those it reads
    shutil.copytree(ROOT / "docs", pages, ignore=shutil.ignore_patterns("_build", "api"))
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", pages, out]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    page = (out / "yaml.html").read_text()
    assert "luminosity_uncertainty" in page
    assert "bumphunt.limit" in (out / "python.html").read_text()


def test_every_key_of_the_yaml_says_what_it_is():
    documented = [(path, KEYS.key_docs(model)) for path, model in KEYS.sections()]
    assert [f"{path}.{name}" for path, docs in documented for name, said in docs.items() if not said] == []


def test_every_name_of_the_front_door_has_a_page():
    text = (ROOT / "docs" / "python.rst").read_text()
    assert [name for name in bumphunt.__all__ if f"bumphunt.{name}\n" not in text] == []


def yaml_blocks() -> list[Any]:
    """Return the blocks of YAML of all pages, with the page and a number."""
    found = []
    for page in PAGES:
        for number, block in enumerate(page.read_text().split("```yaml\n")[1:]):
            found.append(pytest.param(block.split("```", 1)[0], id=f"{page.stem}-{number}"))
    return found


def unknown(content: Any, path: str, known: dict[str, set[str]]) -> list[str]:
    """Return the keys of a fragment of YAML that no section knows."""
    if isinstance(content, list):
        return [key for member in content for key in unknown(member, f"{path}[]", known)]
    if not isinstance(content, dict):
        return []
    named = f"{path}.NAME"
    found = []
    for key, value in content.items():
        inner = f"{path}.{key}".removeprefix(".")
        if path in known and key in known[path]:
            found += unknown(value, inner, known)
        elif named in known or f"{named}[]" in known:  # a name of the user's
            found += unknown(value, named, known)
        elif path in known:
            found.append(inner)
    return found


@pytest.mark.parametrize("block", yaml_blocks())
def test_yaml_of_the_pages_has_known_keys_only(block):
    known: dict[str, set[str]] = {}
    for path, model in KEYS.sections():
        known.setdefault(path, set()).update(model.model_fields)
    content = yaml.safe_load(block)
    assert isinstance(content, dict)
    assert unknown(content, "", known) == []


def test_an_unknown_key_of_a_page_is_found():
    known: dict[str, set[str]] = {}
    for path, model in KEYS.sections():
        known.setdefault(path, set()).update(model.model_fields)
    content = {"data": {"luminosty": 1.0}, "samples": {"mumu": {"simulate": {"event": 1}}}, "fitt": 1}
    assert unknown(content, "", known) == ["data.luminosty", "samples.NAME.simulate.event", "fitt"]
