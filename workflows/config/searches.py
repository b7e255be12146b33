"""Finding a search: a shipped one, one of an installed package, or one in a user's own file.

============================== ==========================================================================
``channel:`` in the YAML       stands for
============================== ==========================================================================
``zprime-invisible``           a shipped search (`selections.registry`)
``my-search``                  an entry point of the group ``bumphunt.searches`` of an installed package
``my_search.py:SEARCH``        the `Search` called ``SEARCH`` in a file, relative to the folder of the YAML
============================== ==========================================================================
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Callable
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle

from bumphunt.errors import BumphuntError, ConfigError, unknown_name
from selections.registry import SEARCHES
from selections.search import Search

__all__ = ["GROUP", "find_function", "find_search", "installed_searches", "own_file", "source_file"]

GROUP = "bumphunt.searches"
"""Entry points of this group are searches."""


def own_file(name: str, folder: Path) -> Path | None:
    """Return the file that ``file.py:NAME`` names, relative to `folder`; None for a name without a file."""
    path, separator, _ = name.rpartition(":")
    return folder / path if separator and path.endswith(".py") else None


def source_file(name: str, folder: Path) -> Path | None:
    """Return the file of a user or of an installed package that a name stands for; None for a shipped search."""
    path = own_file(name, folder)
    if path is not None or name in SEARCHES:
        return path
    for point in entry_points(group=GROUP):
        if point.name == name:
            spec = importlib.util.find_spec(point.module)
            return Path(spec.origin) if spec is not None and spec.origin is not None else None
    return None


def installed_searches() -> dict[str, Search]:
    """Return the shipped searches and those of installed packages, by name.

    Raises
    ------
    ConfigError
        If an entry point is no search.
    """
    found = dict(SEARCHES)
    for point in entry_points(group=GROUP):
        found[point.name] = _search(point.load(), f"entry point {point.name!r} of {point.value}")
    return found


def find_search(name: str, folder: Path) -> Search:
    """Return the search that a YAML names.

    Parameters
    ----------
    name
        What stands under ``channel``.
    folder
        Folder of the YAML.

    Raises
    ------
    ConfigError
        If there is no such search, or its file cannot be loaded.
    """
    path = own_file(name, folder)
    if path is not None:
        return _search(_member(path, name.rpartition(":")[2]), f"{path}: {name.rpartition(':')[2]}")
    if name in SEARCHES:
        return SEARCHES[name]
    searches = installed_searches()
    if name not in searches:
        msg = f"{unknown_name('channel =', name, searches)}; a search of your own is 'file.py:NAME'"
        raise ConfigError(msg)
    return searches[name]


def find_function(name: str, folder: Path) -> Callable[..., Any]:
    """Return the function that ``file.py:NAME`` names.

    Raises
    ------
    ConfigError
        If `name` names no file, the file cannot be loaded, or holds no such function.
    """
    path = own_file(name, folder)
    if path is None:
        msg = f"{name!r} names no function of a file; want 'file.py:NAME'"
        raise ConfigError(msg)
    function = _member(path, name.rpartition(":")[2])
    if not callable(function):
        msg = f"{path}: {name.rpartition(':')[2]} is a {type(function).__name__}, no function"
        raise ConfigError(msg)
    return function


def _search(found: object, where: str) -> Search:
    """Return a search, or raise if it is something else."""
    if not isinstance(found, Search):
        msg = f"{where} is a {type(found).__name__}; it must be a selections.search.Search"
        raise ConfigError(msg)
    return found


def _member(path: Path, name: str) -> object:
    """Return what a file calls `name`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror}); the path is relative to the folder of the YAML"
        raise ConfigError(msg) from None
    module = _module(path.resolve(), hashlib.sha256(content).hexdigest())
    if not hasattr(module, name):
        known = [key for key in vars(module) if not key.startswith("_")]
        raise ConfigError(f"{path}: " + unknown_name("name", name, known))
    return getattr(module, name)


@cache
def _module(path: Path, digest: str) -> ModuleType:
    """Return a file as a module, which other processes get by value: they cannot import it by name."""
    name = f"bumphunt_file_{digest[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        msg = f"{path}: is no Python file"
        raise ConfigError(msg)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        if isinstance(error, BumphuntError):
            msg = f"{path}: {error}"
        else:
            line = _line(error, path)
            msg = f"{path}{line}: cannot be loaded ({type(error).__name__}: {error})"
        raise ConfigError(msg) from error
    cloudpickle.register_pickle_by_value(module)
    return module


def _line(error: BaseException, path: Path) -> str:
    """Return ``:line`` of the last step in the file of a traceback."""
    if isinstance(error, SyntaxError):
        return f":{error.lineno}"
    trace, line = error.__traceback__, ""
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename) == path:
            line = f":{trace.tb_lineno}"
        trace = trace.tb_next
    return line
