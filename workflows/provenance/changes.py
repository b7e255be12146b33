"""What is different between what a stage was made of and what it would be made of now, in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from workflows.provenance.settings import flat

__all__ = ["changes"]

_SHOWN = 3
"""Modules, or files, that are named one by one."""
_LONGEST = 48
"""Characters of a value that are shown."""


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each dependency of a stage that has changed; none if it is up to date.

    Parameters
    ----------
    before, now
        Dependencies as `workflows.provenance.step.Step` records them.
    """
    settings, packages = (_values(before, now, kind) for kind in ("settings", "packages"))
    return [
        *settings,
        *packages,
        *_members(before["code"]["modules"], now["code"]["modules"], "module", ("is new", "is imported no more")),
        *_members(before["files"], now["files"], "file", ("is new", "is read no more")),
        *(
            f"stage {name} has other results"
            for name in now["stages"] | before["stages"]
            if before["stages"].get(name) != now["stages"].get(name)
        ),
    ]


def _values(before: Mapping[str, Any], now: Mapping[str, Any], kind: str) -> list[str]:
    """Return what has changed among named values."""
    old, new = dict(flat(before[kind])), dict(flat(now[kind]))
    return [
        f"{name}: {_text(old.get(name))} -> {_text(new.get(name))}"
        for name in new | old
        if name not in old or name not in new or old[name] != new[name]
    ]


def _text(value: object) -> str:
    """Return a value as it stands in a YAML, if it is short."""
    text = json.dumps(value)
    if len(text) > _LONGEST and isinstance(value, list):
        return f"{len(value)} values"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _members(before: Mapping[str, Any], now: Mapping[str, Any], noun: str, ways: tuple[str, str]) -> list[str]:
    """Return which members of a set have changed, are new, or are there no more."""
    found = [f"{noun} {name} has changed" for name in now if name in before and now[name] != before[name]]
    found += [f"{noun} {name} {ways[0]}" for name in now if name not in before]
    found += [f"{noun} {name} {ways[1]}" for name in before if name not in now]
    more = len(found) - _SHOWN
    return [*found[:_SHOWN], f"{more} more such {noun}{'s' if more > 1 else ''}"] if more > 0 else found
