"""The code of a stage: every module that it imports, directly or not, and digests of them.

Imports are read from the source, those inside functions included, so that the answer does not depend on what else a
process has loaded. Only modules of this framework are followed; of other packages the versions count, of those that
make numbers. `workflows.config.own_code` follows the modules of a user's search.

Records of settings are left out: what they hold is compared value by value (`workflows.provenance.settings`), and what
a stage does with it is in the modules that it imports itself. So is what keeps these books.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import bumphunt

__all__ = ["FRAMEWORK", "Code", "code_of", "imported", "module_digest", "module_name", "versions", "versions_of"]

FRAMEWORK = ("bumphunt", "selections", "workflows")
"""The packages whose modules are followed."""
_LEFT_OUT = (
    *("workflows.config.sections.analysis", "workflows.config.records", "workflows.provenance"),
    *("workflows.stages.depends", "workflows.stages.stage"),
)
"""Modules, and a package, that hold settings, or say what depends on them: they make no results."""
_NUMBERS = {
    "awkward": ("awkward",),
    "boost_histogram": ("boost-histogram",),
    "coffea": ("coffea",),
    "correctionlib": ("correctionlib",),
    "hist": ("hist", "boost-histogram"),
    "iminuit": ("iminuit",),
    "matplotlib": ("matplotlib",),
    "mplhep": ("mplhep",),
    "numba": ("numba",),
    "numpy": ("numpy",),
    "particle": ("particle",),
    "pythia8": ("pythia8mc",),
    "scipy": ("scipy",),
    "sklearn": ("scikit-learn",),
    "uproot": ("uproot",),
    "zfit": ("zfit",),
}
"""Distributions whose version may change numbers or figures, by the name of the package."""
_ROOT = Path(bumphunt.__file__).parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What some modules import.

    Parameters
    ----------
    modules
        Digests of the modules of this framework, those themselves included, by name.
    packages
        Versions of the distributions that make their numbers.
    """

    modules: dict[str, str]
    packages: dict[str, str | None]


def imported(source: bytes, package: str) -> Iterator[tuple[str, str]]:
    """Yield what a source may import: a module, and the module that it is if that is none but a name in it.

    Parameters
    ----------
    source
        Python.
    package
        Package that relative imports start from.

    Raises
    ------
    SyntaxError
        If it is no Python.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((name.name, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((f"{module}.{name.name}", module) for name in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "import_module":
            names = [arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant)]
            yield from ((name, name) for name in names if isinstance(name, str))


def module_name(name: str, module: str) -> str | None:
    """Return which of a pair of `imported` is a module of this framework; None for those of others."""
    return next((found for found in (name, module) if _path(found) is not None), None)


@cache
def _path(name: str) -> Path | None:
    """Return the file of a module of this framework; None if there is none."""
    if name.partition(".")[0] not in FRAMEWORK:
        return None
    stem = _ROOT.joinpath(*name.split("."))
    return next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None)


@cache
def _source(name: str) -> bytes:
    """Return the source of a module of this framework, as it was when it was first asked for; nothing if it is gone."""
    path = _path(name)
    return b"" if path is None else path.read_bytes()


@cache
def module_digest(name: str) -> str:
    """Return the SHA-256 of the source of a module of this framework."""
    return hashlib.sha256(_source(name)).hexdigest()


@cache
def _imports(name: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the modules of this framework that one of them imports, and the other packages."""
    path, found, others = _path(name), set(), set()
    sources = [_source(name)]
    if path is not None and (lazy := path.with_suffix(".pyi")).is_file():  # says where names are that are loaded late
        sources.append(lazy.read_bytes())
    package = name if path is not None and path.stem == "__init__" else name.rpartition(".")[0]
    for source in sources:
        for pair in imported(source, package):
            module = module_name(*pair)
            if module is None:
                others.add(pair[1].partition(".")[0])
            elif not module.startswith(_LEFT_OUT):
                found.add(module)
    return frozenset(found), frozenset(others)


def code_of(roots: Sequence[str]) -> Code:
    """Return the code of modules of this framework."""
    seen: set[str] = set()
    others: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            modules, packages = _imports(name)
            waiting += modules
            others |= packages
    return Code(modules={name: module_digest(name) for name in sorted(seen)}, packages=versions(others))


def versions(packages: Iterable[str]) -> dict[str, str | None]:
    """Return the versions of the distributions of packages, as far as they make numbers; None for what is not there."""
    return versions_of({name for package in packages for name in _NUMBERS.get(package, ())})


def versions_of(distributions: Iterable[str]) -> dict[str, str | None]:
    """Return the versions of distributions; None for what is not there."""
    return {name: _version(name) for name in sorted(distributions)}


@cache
def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
