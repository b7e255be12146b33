"""The directive ``yaml-keys``: every key of the YAML, from the records that read it."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any

from docutils import nodes
from docutils.statemachine import StringList
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

from workflows.config.sections.analysis import Analysis

__all__ = ["key_docs", "sections", "setup"]


def sections(model: type[BaseModel] = Analysis, path: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield each section of the YAML with the path of its keys, outer ones first."""
    yield path, model
    for name, field in model.model_fields.items():
        for inner, suffix in _inner(field.annotation):
            yield from sections(inner, f"{path}.{name}{suffix}".removeprefix("."))


def key_docs(model: type[BaseModel]) -> dict[str, str]:
    """Return what the source says of every key of a section, or of the section that it holds."""
    found: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if cls.__module__.startswith("workflows."):
            docs = ModuleAnalyzer.for_module(cls.__module__).find_attr_docs()
            found |= {name: " ".join(lines).strip() for (owner, name), lines in docs.items() if owner == cls.__name__}
    fields = model.model_fields.items()
    return {name: found.get(name) or _of_section(field.annotation) for name, field in fields}


def _of_section(annotation: Any) -> str:
    """Return the first line of the docstring of the section that a key holds."""
    return next(((inner.__doc__ or "").strip().splitlines()[0] for inner, _ in _inner(annotation)), "")


def _inner(annotation: Any, suffix: str = "") -> Iterator[tuple[type[BaseModel], str]]:
    """Yield the sections inside the type of a key: ``.NAME`` of a mapping, ``[]`` of a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, suffix
        return
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        yield from _inner(args[0], suffix)
    elif origin is dict:
        yield from _inner(args[1], f"{suffix}.NAME")
    elif origin in (list, tuple):
        yield from _inner(args[0], f"{suffix}[]")
    else:
        for arg in args:
            yield from _inner(arg, suffix)


def _kind(annotation: Any) -> str:
    """Return what may be written for a key, in words."""
    if annotation is type(None):
        return "null"
    if isinstance(annotation, type):
        if issubclass(annotation, BaseModel):
            return "section"
        return {"float": "number", "int": "whole number", "str": "text", "bool": "true or false"}.get(
            annotation.__name__, annotation.__name__
        )
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return _kind(args[0])
    if origin is typing.Literal:
        return ", ".join(f"``{arg}``" for arg in args)
    if origin is dict:
        return f"mapping of {_kind(args[0])} to {_kind(args[1])}"
    if origin in (list, tuple):
        inner = [_kind(arg) for arg in args if arg is not Ellipsis]
        return f"list of {inner[0]}" if len(set(inner)) == 1 and Ellipsis in args else f"[{', '.join(inner)}]"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(_kind(arg) for arg in args if arg is not type(None)))
    return str(annotation)


def _default(field: FieldInfo) -> str:
    """Return the default of a key as YAML would have it."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True) if field.default is PydanticUndefined else field.default
    if value is None:
        return "none"
    if isinstance(value, BaseModel):
        return "its defaults"
    if isinstance(value, bool):
        return f"``{str(value).lower()}``"
    if isinstance(value, (dict, list, tuple)):
        return f"``[{', '.join(map(str, value))}]``" if value else "empty"
    return f"``{value}``"


class YamlKeys(SphinxDirective):
    """A list of the keys of every section."""

    def run(self) -> list[nodes.Node]:
        """Return the sections of the page."""
        lines: list[str] = []
        for path, model in sections():
            title = f"``{path}``" if path else "The file"
            lines += [title, "-" * len(title), "", (model.__doc__ or "").strip().splitlines()[0], ""]
            docs = key_docs(model)
            for name, field in model.model_fields.items():
                key = field.alias or name
                lines += [f"``{key}``", f"   *{_kind(field.annotation)}; {_default(field)}.* {docs[name]}", ""]
        parent = nodes.Element()
        self.state.nested_parse(StringList(lines, source="yaml-keys"), 0, parent, match_titles=True)
        return parent.children


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the directive known."""
    app.add_directive("yaml-keys", YamlKeys)
    return {"parallel_read_safe": True}
