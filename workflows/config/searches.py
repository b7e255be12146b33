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

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from bumphunt.errors import BumphuntError, ConfigError, unknown_name
from selections.registry import MODULES, SEARCHES
from selections.search import Search
from workflows.config.own_code import (
    OwnCode,
    code_of_sources,
    execute,
    sources_beside,
    sources_of_package,
)

__all__ = ["GROUP", "LoadedFunction", "LoadedSearch", "find_function", "find_search", "installed_searches", "own_file"]

GROUP = "bumphunt.searches"
"""Entry points of this group are searches."""
_OWN = "bumphunt_file"
"""What a user's file is called as a module."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSearch:
    """A search, and what it is made of."""

    search: Search
    """The search."""
    code: OwnCode
    """Its modules and data files, as they were loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedFunction:
    """A function of a user's file, and what it is made of."""

    function: Callable[..., Any]
    """The function."""
    code: OwnCode
    """Its modules and data files, as they were loaded."""


def own_file(name: str, folder: Path) -> Path | None:
    """Return the file that ``file.py:NAME`` names, relative to `folder`; None for a name without a file."""
    path, separator, _ = name.rpartition(":")
    return folder / path if separator and path.endswith(".py") else None


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


def find_search(name: str, folder: Path) -> LoadedSearch:
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
        found, code = _member(path, name.rpartition(":")[2])
        return LoadedSearch(search=_search(found, f"{path}: {name.rpartition(':')[2]}"), code=code)
    if name in SEARCHES:
        return LoadedSearch(search=SEARCHES[name], code=OwnCode(modules=(MODULES[name],), files={}, packages={}))
    for point in entry_points(group=GROUP):
        if point.name == name:
            return _installed(point)
    msg = f"{unknown_name('channel =', name, installed_searches())}; a search of your own is 'file.py:NAME'"
    raise ConfigError(msg)


def find_function(name: str, folder: Path) -> LoadedFunction:
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
    function, code = _member(path, name.rpartition(":")[2])
    if not callable(function):
        msg = f"{path}: {name.rpartition(':')[2]} is a {type(function).__name__}, no function"
        raise ConfigError(msg)
    return LoadedFunction(function=function, code=code)


def _search(found: object, where: str) -> Search:
    """Return a search, or raise if it is something else."""
    if not isinstance(found, Search):
        msg = f"{where} is a {type(found).__name__}; it must be a selections.search.Search"
        raise ConfigError(msg)
    return found


@cache
def _installed(point: EntryPoint) -> LoadedSearch:
    """Return the search of an installed package, with its code as it was loaded.

    Raises
    ------
    ConfigError
        If it is no search, or its package was changed while it was loaded.
    """
    where = f"entry point {point.name!r} of {point.value}"
    before = sources_of_package(point.module)
    search = _search(point.load(), where)
    if sources_of_package(point.module) != before:
        msg = f"{where}: a module of it was saved while it was loaded; run again"
        raise ConfigError(msg)
    shipped_by = None if point.dist is None else point.dist.name
    return LoadedSearch(search=search, code=code_of_sources(before, shipped_by=shipped_by))


def _member(path: Path, name: str) -> tuple[object, OwnCode]:
    """Return what a file calls `name`, and what the file is made of."""
    try:
        sources = sources_beside(path, _OWN)
    except OSError as error:
        msg = f"{error.filename}: cannot be read ({error.strerror}); the path is relative to the folder of the YAML"
        raise ConfigError(msg) from None
    except SyntaxError as error:
        msg = f"{error.filename}:{error.lineno}: cannot be loaded (SyntaxError: {error.msg})"
        raise ConfigError(msg) from None
    try:
        module = execute(sources, _OWN)
    except Exception as error:
        if isinstance(error, BumphuntError):
            msg = f"{path}: {error}"
        else:
            msg = f"{path}{_line(error, path)}: cannot be loaded ({type(error).__name__}: {error})"
        raise ConfigError(msg) from error
    if not hasattr(module, name):
        known = [key for key in vars(module) if not key.startswith("_")]
        raise ConfigError(f"{path}: " + unknown_name("name", name, known))
    return getattr(module, name), code_of_sources(sources)


def _line(error: BaseException, path: Path) -> str:
    """Return ``:line`` of the last step in the file of a traceback."""
    trace, line = error.__traceback__, ""
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename) == path:
            line = f":{trace.tb_lineno}"
        trace = trace.tb_next
    return line
