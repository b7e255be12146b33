"""Compiled functions whose cache on disk sees changes in all the code that was compiled in.

``njit(cache=True)`` of numba stores a function with a digest of the file that it stands in, and so does not see a
change of a function or a constant that it takes from another file. `njit` is the same decorator, whose stored functions
carry a digest of all files of their package that theirs imports, directly or through others. What was made of other
code is compiled anew and overwritten: nothing piles up, and several processes may start at once.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache

__all__ = ["njit"]

IMPORT = re.compile(r"^from ([\w.]+) import (\([^)]*\)|.*)|^import ([\w.]+)", re.MULTILINE)
"""Imports at the top level of a module: a module and names in it, or a module."""


def njit(*, cache: bool = False, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator that compiles a function.

    Parameters
    ----------
    cache
        Whether compiled functions are kept on disk.
    options
        Of `numba.njit`.
    """

    def compiled(function: Callable[..., Any]) -> Any:
        dispatcher = numba.njit(**options)(function)
        if cache and dispatcher is not function:  # which it is where NUMBA_DISABLE_JIT is set
            dispatcher._cache = _Cache(function)  # as its enable_caching does
        return dispatcher

    return compiled


class _Stored(CompileResultCacheImpl):
    """What is stored of a compiled function: the digest of its code first."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._digest = digest(Path(inspect.getfile(function)))

    def get_filename_base(self, fullname: str, abiflags: str) -> str:
        """Return the name of a function's files, without its line, so that one that moves keeps its files."""
        name = re.sub(r"[<>]", "", fullname)
        return f"{name}.py{sys.version_info[0]}{sys.version_info[1]}{abiflags}"

    def reduce(self, result: Any) -> tuple[str, Any]:
        """Return what is written of a compiled function."""
        return self._digest, super().reduce(result)

    def rebuild(self, target_context: Any, stored: Any) -> Any:
        """Return the compiled function; None, for none is stored, if it was made of other code."""
        return super().rebuild(target_context, stored[1]) if stored[0] == self._digest else None


class _Cache(FunctionCache):
    """The cache of one function."""

    _impl_class = _Stored


@cache
def digest(path: Path) -> str:
    """Return a digest of a module and of all modules of its package that it imports, directly or through others.

    Parameters
    ----------
    path
        Of the module's file; what is not a file, such as a module in a zip archive, has the digest of nothing.
    """
    top = path.parent
    while (top.parent / "__init__.py").is_file():
        top = top.parent
    found, waiting = {path}, [path]
    while waiting:
        for imported in _source(waiting.pop(), top)[1] - found:
            found.add(imported)
            waiting.append(imported)
    return hashlib.sha256(b"".join(_source(file, top)[0] for file in sorted(found))).hexdigest()


@cache
def _source(path: Path, top: Path) -> tuple[bytes, frozenset[Path]]:
    """Return the digest of a file, and the files that it imports of the package at a folder."""
    if not path.is_file():
        return b"", frozenset()
    text = path.read_bytes()
    modules: list[str] = []
    for module, names, alone in IMPORT.findall(text.decode()):
        modules.append(module or alone)
        modules.extend(f"{module}.{name}" for name in re.findall(r"\w+", names))
    places = [top.parent.joinpath(*module.split(".")) for module in modules if module.partition(".")[0] == top.name]
    files = [file for place in places for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()]
    return hashlib.sha256(text).digest(), frozenset(files)
