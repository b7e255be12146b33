"""Values of settings, as a record can hold them: the same in every process, and on every machine."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

__all__ = ["flat", "plain"]


def plain(value: object) -> Any:
    """Return a value as JSON can hold it.

    Records and sections become dictionaries, arrays lists, and functions their names: what they do is code.
    """
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return {entry.name: plain(getattr(value, entry.name)) for entry in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, tuple | list):
        return [plain(entry) for entry in value]
    if isinstance(value, partial):
        return {"function": plain(value.func), "arguments": plain([value.args, value.keywords])}
    if isinstance(value, Path) or (isinstance(value, float) and not math.isfinite(value)):
        return str(value)
    if callable(value):
        return getattr(value, "__qualname__", type(value).__qualname__)
    return value


def flat(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Yield the values inside of dictionaries and of lists of them, each with its name, such as ``fit.cl``.

    Lists of numbers and words stay together; an empty dictionary holds nothing.
    """
    if isinstance(value, Mapping):
        for key, entry in value.items():
            yield from flat(entry, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and any(isinstance(entry, Mapping | list) for entry in value):
        for number, entry in enumerate(value):
            yield from flat(entry, f"{name}[{number}]")
    else:
        yield name, value
