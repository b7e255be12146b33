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

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, TypeVar

from bumphunt.errors import BumphuntError, ConfigError, InputError, unknown_name
from bumphunt.montecarlo.detector.candidates import CANDIDATES as SHIPPED
from bumphunt.montecarlo.detector.candidates import Candidate, find_candidate
from bumphunt.montecarlo.named import with_others
from bumphunt.montecarlo.processes.process import Process
from bumphunt.montecarlo.processes.registry import find_process, known_processes
from selections.registry import MODULES, SEARCHES
from selections.search import Search
from workflows.config.own_code import (
    OwnCode,
    code_of_sources,
    execute,
    sources_beside,
    sources_of_package,
)
from workflows.simulation.hepmc import HepmcFiles

__all__ = [
    "CANDIDATES",
    "GROUP",
    "PROCESSES",
    "LoadedFunction",
    "LoadedSearch",
    "Registry",
    "find_function",
    "find_search",
    "installed_searches",
    "own_file",
    "registry_of",
]

T = TypeVar("T")

GROUP = "bumphunt.searches"
"""Entry points of this group are searches."""
PROCESSES, CANDIDATES = "bumphunt.processes", "bumphunt.candidates"
"""Entry points of these groups are processes and candidates of the simulation."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """The processes and candidates that an analysis may name, beside those that are shipped."""

    processes: tuple[Process, ...] = ()
    """Of the search, and of installed packages."""
    candidates: tuple[Candidate, ...] = ()
    """Of the search, and of installed packages."""
    code: OwnCode | None = None
    """What they are made of; None if there are none."""
    files: Mapping[str, HepmcFiles] = field(default_factory=dict)
    """HepMC files that processes are made of, by name of the process, with the mass for signals."""

    def process(self, name: str) -> Process:
        """Return the process of a name; errors as in `bumphunt.montecarlo.processes.registry.find_process`."""
        return find_process(name, self.processes)

    def known(self, *, signal: bool) -> dict[str, Process]:
        """Return the signals, or the backgrounds, by name."""
        return known_processes(self.processes, signal=signal)

    def candidate(self, name: str) -> Candidate:
        """Return the candidate of a name; errors as in `bumphunt.montecarlo.detector.candidates.find_candidate`."""
        return find_candidate(name, self.candidates)


def registry_of(loaded: LoadedSearch) -> Registry:
    """Return the processes and candidates that an analysis of a search may name.

    Raises
    ------
    ConfigError
        If an entry point is no process or candidate, or two different ones have the same name.
    """
    search = loaded.search
    processes, codes = list(search.processes), [loaded.code] if search.processes or search.reconstructed else []
    candidates = list(search.reconstructed)
    for point in entry_points(group=PROCESSES):
        processes.append(_record(point, Process))
        codes.append(_code_of_point(point))
    for point in entry_points(group=CANDIDATES):
        candidates.append(_record(point, Candidate))
        codes.append(_code_of_point(point))
    try:
        known_processes(processes)
        with_others(SHIPPED, candidates, "candidate")
    except InputError as error:
        msg = f"search {search.name!r}: {error}"
        raise ConfigError(msg) from None
    return Registry(processes=tuple(processes), candidates=tuple(candidates), code=_together(codes))


def _record(point: EntryPoint, kind: type[T]) -> T:
    """Return what an entry point is, or raise if it is something else."""
    found = point.load()
    if not isinstance(found, kind):
        msg = f"entry point {point.name!r} of {point.value} is a {type(found).__name__}; it must be a {kind.__name__}"
        raise ConfigError(msg)
    return found


def _code_of_point(point: EntryPoint) -> OwnCode:
    """Return what an entry point is made of."""
    return code_of_sources(sources_of_package(point.module), shipped_by=None if point.dist is None else point.dist.name)


def _together(codes: Sequence[OwnCode]) -> OwnCode | None:
    """Return the code of all; None of none."""
    if not codes:
        return None
    return OwnCode(
        modules=tuple(sorted({name for code in codes for name in code.modules})),
        files={path: found for code in codes for path, found in code.files.items()},
        packages={name: number for code in codes for name, number in code.packages.items()},
    )


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
