"""What we add to an environment that has coffea already: at most 60 MB, our own packages included."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

MOST = 60e6
"""Bytes."""
ROOT = Path(__file__).parents[1]


def with_all_they_need(names: Iterable[str]) -> set[str]:
    """Return distributions with all that they need, without extras."""
    found, waiting = set[str](), list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        found.add(name)
        for text in importlib.metadata.distribution(name).requires or ():
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                waiting.append(needed.name)
    return found


def size_of(name: str) -> int:
    """Return the bytes that a distribution installs."""
    paths = [Path(str(file.locate())) for file in importlib.metadata.files(name) or ()]
    return sum(path.stat().st_size for path in paths if path.suffix != ".pyc" and path.exists())


def test_what_is_added_to_coffea_is_small():
    added = with_all_they_need(["bumphunt"]) - with_all_they_need(["coffea"])
    assert {"bumphunt", "iminuit", "particle", "typer"} <= added
    own = (path for package in ("bumphunt", "selections", "workflows") for path in (ROOT / package).rglob("*.py"))
    sizes = {name: size_of(name) for name in added} | {"bumphunt": sum(path.stat().st_size for path in own)}
    assert sizes["bumphunt"] > 1e6
    assert sum(sizes.values()) < MOST, sizes
