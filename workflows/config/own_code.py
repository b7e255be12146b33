"""The code of a user: a file that a YAML names, or an installed package, with all modules and data files it names.

Imports are read from the source (`workflows.provenance.code`). Modules beside a file are followed, and so are those of
a package that ships a search or needs bumphunt; of other packages the versions count. Data files are those that a
source names: a text, or texts that are joined, that are the path of a file relative to the folder of the source.

A file is executed from the bytes that were read for its fingerprint, and so are the modules beside it: saving one of
them at any moment mixes nothing.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.abc import ExecutionLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions, requires, version
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle

from workflows.provenance.code import FRAMEWORK, imported, module_name
from workflows.provenance.files import Fingerprint, fingerprint, fingerprint_of
from workflows.whole_file import read_whole

__all__ = ["OwnCode", "OwnFunction", "Source", "code_of_sources", "execute", "sources_beside", "sources_of_package"]

_INSTALLED = frozenset({"site-packages", "dist-packages"})
"""Folders of installed packages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A module, as it was read.

    Parameters
    ----------
    path
        Its file.
    content
        What that held.
    """

    path: Path
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCode:
    """What a search or a model is made of.

    Parameters
    ----------
    modules
        Modules of this framework that it imports; the module of a shipped search.
    files
        Fingerprints of its own modules and data files, as they were when they were loaded, by path.
    packages
        Versions of the distributions that ship it, or that it imports.
    """

    modules: tuple[str, ...]
    files: Mapping[str, Fingerprint]
    packages: Mapping[str, str | None]


class OwnFunction:
    """A function of a user's file that can be sent to other processes, which get it by value.

    Parameters
    ----------
    function
        The function.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        functools.update_wrapper(self, function)

    def __call__(self, *arguments: Any, **parameters: Any) -> Any:
        """Return what the function does."""
        return self.function(*arguments, **parameters)

    def __reduce__(self) -> tuple[Callable[[bytes], OwnFunction], tuple[bytes]]:
        return _own_function, (cloudpickle.dumps(self.function),)


def _own_function(content: bytes) -> OwnFunction:
    """Return a function that another process has sent."""
    return OwnFunction(cloudpickle.loads(content))


def sources_beside(path: Path, name: str) -> dict[str, Source]:
    """Return a file as a module of a name, with all modules that it imports and that are to be followed.

    Raises
    ------
    OSError
        If one cannot be read.
    SyntaxError
        If one is no Python.
    """

    def find(module: str) -> Path | None:
        loaded = sys.modules.get(module.partition(".")[0])
        free = loaded is None or isinstance(getattr(loaded, "__loader__", None), _FromSource)
        beside = _file(path.parent, module) if free else None  # what others have loaded keeps its name
        return _installed(module, "") if beside is None else beside

    return _followed(name, path, find)


def sources_of_package(module: str) -> dict[str, Source]:
    """Return an installed module with all modules that it imports and that are to be followed; none if it is gone.

    Raises
    ------
    OSError
        If one cannot be read.
    SyntaxError
        If one is no Python.
    """
    shipped = module.partition(".")[0]
    path = _installed(module, shipped)
    return {} if path is None else _followed(module, path, lambda name: _installed(name, shipped))


def _followed(name: str, path: Path, find: Callable[[str], Path | None]) -> dict[str, Source]:
    """Return a module with all that it imports, directly or not, where `find` tells the file of a module to follow."""
    found: dict[str, Source] = {}
    waiting = [(name, path)]
    while waiting:
        name, path = waiting.pop()
        if name in found:
            continue
        found[name] = Source(path=path, content=read_whole(path))
        try:
            pairs = list(imported(found[name].content, _package(name, path)))
        except SyntaxError as error:
            error.filename = str(path)
            raise
        for pair in pairs:
            for module in (part for whole in pair for part in _parents(whole)):
                if (file := find(module)) is not None:
                    waiting.append((module, file))
    return found


def _package(name: str, path: Path) -> str:
    """Return the package that the relative imports of a module start from."""
    return name if path.stem == "__init__" else name.rpartition(".")[0]


def _parents(module: str) -> Iterator[str]:
    """Yield a module and the packages that it is in."""
    while module:
        yield module
        module = module.rpartition(".")[0]


def _file(folder: Path, module: str) -> Path | None:
    """Return the file of a module below a folder; None if there is none."""
    stem = folder.joinpath(*module.split("."))
    return next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None)


def _installed(module: str, shipped: str) -> Path | None:
    """Return the file of an installed module that is to be followed; `shipped` is a package of which this is so."""
    package = module.partition(".")[0]
    folder = _folder(package)
    if folder is None or (package != shipped and not _INSTALLED.isdisjoint(folder.parts) and not _ours(package)):
        return None
    return _file(folder, module)


@cache
def _folder(package: str) -> Path | None:
    """Return the folder that a package of others is in; None for modules of Python and of this framework."""
    if not package or package in FRAMEWORK or package in sys.stdlib_module_names:
        return None
    try:
        spec = importlib.util.find_spec(package)
    except ValueError:  # a module without a spec, such as that of a script
        return None
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parents[1 if spec.submodule_search_locations else 0]


@cache
def _distribution(package: str) -> str | None:
    """Return the name of the distribution of a package of others; None if there is none."""
    if not package or package in FRAMEWORK or package in sys.stdlib_module_names:
        return None
    try:
        return distribution(package).name
    except PackageNotFoundError:
        return next(iter(packages_distributions().get(package, ())), None)


def _ours(package: str) -> bool:
    """Whether an installed package is one of this framework's users: it needs bumphunt, or nobody knows what it is."""
    name = _distribution(package)
    return name is None or any(need.lower().startswith("bumphunt") for need in requires(name) or ())


def code_of_sources(sources: Mapping[str, Source], *, shipped_by: str | None = None) -> OwnCode:
    """Return what is recorded of sources.

    Parameters
    ----------
    sources
        Modules by name.
    shipped_by
        The distribution that they come with; None for none.
    """
    modules, packages, files = set(), {shipped_by}, {}
    for name, source in sources.items():
        files[str(source.path.resolve())] = fingerprint_of(source.content)
        for pair in imported(source.content, _package(name, source.path)):
            if (module := module_name(*pair)) is not None:
                modules.add(module)
            elif pair[1].partition(".")[0] not in {known.partition(".")[0] for known in sources}:
                packages.add(_distribution(pair[1].partition(".")[0]))
        for path in _named_files(source):
            files.setdefault(str(path.resolve()), fingerprint(path))
    return OwnCode(
        modules=tuple(sorted(modules)),
        files=files,
        packages={name: version(name) for name in sorted(name for name in packages if name is not None)},
    )


def _named_files(source: Source) -> list[Path]:
    """Return the data files that a source names."""
    texts = set()
    for node in ast.walk(ast.parse(source.content)):
        if isinstance(node, ast.Constant):
            texts.add(_joined([node]))
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            texts.add(_joined(_divided(node)))
        elif isinstance(node, ast.Call):
            texts.add(_joined(node.args))
    paths = (source.path.parent / text for text in sorted(texts) if text and "\n" not in text and "\0" not in text)
    return [path for path in paths if len(path.name) < 256 and path.is_file()]


def _divided(node: ast.expr) -> list[ast.expr]:
    """Return the terms of ``a / b / c``."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return [*_divided(node.left), node.right]
    return [node]


def _joined(terms: Sequence[ast.expr]) -> str:
    """Return the texts among some terms, joined as parts of a path."""
    return "/".join(term.value for term in terms if isinstance(term, ast.Constant) and isinstance(term.value, str))


class _FromSource(ExecutionLoader):
    """Loads a module from what was read; other processes get it by value, since they cannot import it by name."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def get_filename(self, fullname: str) -> str:
        """Return the path of the module."""
        del fullname
        return str(self.source.path)

    def get_source(self, fullname: str) -> str:
        """Return its text."""
        del fullname
        return importlib.util.decode_source(self.source.content)

    def exec_module(self, module: ModuleType) -> None:
        """Execute it."""
        super().exec_module(module)
        cloudpickle.register_pickle_by_value(module)


class _Finder(MetaPathFinder):
    """Finds the modules of users that were read."""

    def __init__(self) -> None:
        self.sources: dict[str, Source] = {}

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return where a module comes from; None if it was not read."""
        del path, target
        source = self.sources.get(fullname)
        if source is None:
            return None
        folders = [str(source.path.parent)] if source.path.stem == "__init__" else None
        loader = _FromSource(source)
        return importlib.util.spec_from_file_location(
            fullname, source.path, loader=loader, submodule_search_locations=folders
        )


_FINDER = _Finder()


def execute(sources: Mapping[str, Source], name: str) -> ModuleType:
    """Return a module of sources, executed; those that it imports are executed anew too.

    Its name is followed by a digest of all of them, so that the same sources are executed once.

    Raises
    ------
    Exception
        Whatever it raises.
    """
    sha = hashlib.sha256()
    for module, source in sorted(sources.items()):
        sha.update(f"{module}\0{source.path.resolve()}\0{len(source.content)}\0".encode() + source.content)
    unique = f"{name}_{sha.hexdigest()[:16]}"
    if unique in sys.modules:
        return sys.modules[unique]
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
    others = {module: source for module, source in sources.items() if module != name}
    for module in others:
        sys.modules.pop(module, None)
    _FINDER.sources |= {**others, unique: sources[name]}
    return importlib.import_module(unique)
