"""Reading the YAML of an analysis.

`load` returns its records, or raises a `ConfigError` whose one line names the file, the line, the key and the value.
Unknown and repeated keys are errors.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bumphunt.errors import ConfigError
from workflows.config.records import ResolvedAnalysis
from workflows.config.resolved import resolve
from workflows.config.sections.analysis import Analysis

__all__ = ["load"]

MOST_VALUES = 100_000
"""Keys and values of a YAML with its anchors written out: few lines of anchors of anchors could fill any memory."""

SHOWN = 200
"""Characters of a wrong value that are shown."""


def load(path: Path) -> ResolvedAnalysis:
    """Return the analysis that a YAML file describes.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    ConfigError
        If the file is missing, is no YAML, or says something wrong: one line with file, line, key and value.
    """
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        _refuse_endless(path, node)
        _refuse_unprintable(path, node)
        content = _content(path, node)
    except FileNotFoundError:
        msg = f"{path}: there is no such file"
        raise ConfigError(msg) from None
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: cannot be read: {error}"
        raise ConfigError(msg) from None
    except ConfigError:
        raise
    except RecursionError:
        msg = f"{path}: is no YAML that can be read: its lists stand in lists without an end"
        raise ConfigError(msg) from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that does not exist
        msg = f"{path}: is no YAML: {' '.join(str(error).split())}"
        raise ConfigError(msg) from None
    try:
        sections = Analysis.model_validate(content)
    except ValidationError as error:
        # a misspelt key first: it is the reason for the missing one
        errors = sorted(_of_the_form_given(error.errors()), key=lambda e: e["type"] != "extra_forbidden")
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise ConfigError(_describe(path, node, errors[0]) + more) from None
    try:
        return resolve(sections, path)
    except (ValueError, ConfigError) as error:  # its message begins with the key
        msg = f"{path}:{_line(node, str(error))}: {error}"
        raise ConfigError(msg) from None


def _of_the_form_given(errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """Return the errors without those that a mapping is no text or number, where it is wrong as a mapping, too."""
    deeper = [e for e in errors if not (e["type"].endswith("_type") and isinstance(e["input"], dict))]
    inside = {e["loc"][0] for e in deeper}
    return [e for e in errors if e in deeper or e["loc"][0] not in inside]


def _refuse_endless(path: Path, node: yaml.Node | None) -> None:
    """Raise for anchors that stand in themselves, or that would make a document without measure of a few lines.

    Raises
    ------
    ConfigError
        If so.
    """
    sizes: dict[int, int] = {}

    def size(node: yaml.Node) -> int:
        if not isinstance(node, yaml.CollectionNode):
            return 1
        if id(node) not in sizes:
            sizes[id(node)] = MOST_VALUES  # of itself, where it stands in itself
            parts = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
            sizes[id(node)] = 1 + sum(map(size, parts))
        return sizes[id(node)]

    if node is not None and size(node) > MOST_VALUES:
        msg = f"{path}: has more than {MOST_VALUES} values with its anchors written out, or an anchor in itself"
        raise ConfigError(msg)


def _refuse_unprintable(path: Path, node: yaml.Node | None) -> None:
    """Raise for a text of several lines, or with characters that cannot be seen: no key has one, nor should a path.

    Raises
    ------
    ConfigError
        If so.
    """
    if isinstance(node, yaml.ScalarNode) and not node.value.isprintable():
        msg = f"{path}:{node.start_mark.line + 1}: {node.value[:SHOWN]!r} is no text of one line that can be seen"
        raise ConfigError(msg)
    if isinstance(node, yaml.CollectionNode):
        parts = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
        for part in parts:
            _refuse_unprintable(path, part)


def _content(path: Path, node: yaml.Node | None) -> dict[str, Any]:
    """Return what a document says.

    Raises
    ------
    ConfigError
        If it is no mapping, or a key stands twice or is no text.
    """
    if not isinstance(node, yaml.MappingNode):
        msg = f"{path}: must be a mapping of keys; see examples/"
        raise ConfigError(msg)
    _refuse_repeated_keys(path, node)
    content: dict[str, Any] = yaml.SafeLoader("").construct_document(node)
    return content


def _refuse_repeated_keys(path: Path, node: yaml.Node) -> None:
    """Raise for a key that stands twice in one mapping, where YAML would silently keep the last."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeated_keys(path, item)
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                msg = f"{path}:{line}: a key must be a word, not a list or a mapping"
                raise ConfigError(msg)
            if key.value in seen:
                msg = f"{path}:{line}: key {key.value!r} stands here and in line {seen[key.value]}; remove one"
                raise ConfigError(msg)
            seen[key.value] = line
            _refuse_repeated_keys(path, value)


def _describe(path: Path, node: yaml.Node | None, error: ErrorDetails) -> str:
    """Return one line about a validation error: file, line, key, value and what is wrong."""
    line, keys = (1 if node is None else node.start_mark.line + 1), []
    inner: yaml.Node | None = node
    for step in error["loc"]:
        if isinstance(inner, yaml.MappingNode):
            found = next(((k, v) for k, v in inner.value if k.value == step), None)
            if found is None:  # a missing key, or the name of a member of a union
                if error["type"] == "missing":
                    keys.append(str(step))
                continue
            line, inner = found[0].start_mark.line + 1, found[1]
        elif isinstance(inner, yaml.SequenceNode) and isinstance(step, int):
            inner = inner.value[step]
            line = inner.start_mark.line + 1
        else:
            continue
        keys.append(str(step))
    key = ".".join(keys)
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(keys[-1], _known_keys(keys[:-1]), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(_known_keys(keys[:-1]))}"
        return f"{path}:{line}: unknown key {key!r}{hint}"
    if error["type"] == "missing":
        return f"{path}:{line}: key {key!r} is missing"
    what = error["msg"].removeprefix("Value error, ")
    text = repr(error["input"])
    value = "" if error["type"] == "value_error" else f" = {text if len(text) <= SHOWN else text[:SHOWN] + '...'}"
    return f"{path}:{line}: {key + value + ': ' if key else ''}{what}"


def _line(node: yaml.Node | None, message: str) -> int:
    """Return the line of the innermost key that a message such as ``data.files: ...`` begins with, or the first."""
    line = 1 if node is None else node.start_mark.line + 1
    text = message
    while isinstance(node, yaml.MappingNode):
        found = next((pair for pair in node.value if re.match(re.escape(pair[0].value) + r"(?![\w-])", text)), None)
        if found is None:
            break
        key, node = found
        line, text = key.start_mark.line + 1, text[len(key.value) :].removeprefix(".")
    return line


def _known_keys(parents: list[str]) -> list[str]:
    """Return the keys that the section at `parents` may hold."""
    section: Any = Analysis
    for parent in parents:
        field = section.model_fields.get(parent) if _is_section(section) else None
        annotation = field.annotation if field is not None else section
        section = next((m for m in _members(annotation) if _is_section(m)), section)
    return list(section.model_fields)


def _members(annotation: Any) -> Iterator[Any]:
    """Yield the classes inside a type annotation."""
    args = getattr(annotation, "__args__", ())
    if not args:
        yield annotation
    for arg in args:
        yield from _members(arg)


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
