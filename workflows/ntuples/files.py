"""Reading and writing ROOT ntuples in the layout of basf2's VariablesToNtuple.

One row is one candidate and one branch one variable. ROOT dislikes most characters in names of branches, so basf2
writes ``daughter(0, p)`` as ``daughter__bo0__cm__spp__bc``: `escape` and `unescape` translate. Every problem of a file
is an `NtupleError` of one line that names the file, the tree and the branch.
"""

from __future__ import annotations

import difflib
import os
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot
from numpy.typing import NDArray

from bumphunt.errors import InputError, NtupleError

__all__ = [
    "BASKET_ROWS",
    "SIMULATION_TREE",
    "NtupleInfo",
    "Simulation",
    "basket_bytes",
    "branch_name",
    "escape",
    "inspect",
    "open_tree",
    "read_columns",
    "read_simulation",
    "reading",
    "unescape",
    "write_simulation",
    "write_tree",
]

Columns = Mapping[str, NDArray[Any]]

BASKET_ROWS = 100_000
"""Least number of rows in a basket, but for the last one: small baskets are slow to read."""
SIMULATION_TREE = "simulation"
"""Name of the one-row tree that says how a sample was simulated."""

_CODES = {
    " ": "sp", ",": "cm", ":": "cl", "=": "eq", "<": "st", ">": "gt", ".": "pt", "+": "pl", "-": "mi", "(": "bo",
    ")": "bc", "{": "co", "}": "cc", "[": "so", "]": "sc", "`": "to", "´": "tc", "^": "ha", "°": "ci", "$": "do",
    "§": "pa", "%": "pr", "!": "em", "?": "qm", ";": "sm", "#": "hs", "*": "mu", "/": "sl", "\\": "bl", "'": "sq",
    '"': "dq", "~": "ti", "|": "pi", "&": "am", "@": "at",
}  # fmt: skip
"""The substitutions of basf2's makeROOTCompatible (framework/utilities/src/MakeROOTCompatible.cc)."""
_CHARACTERS = {code: character for character, code in _CODES.items()}
_ESCAPED = re.compile(f"__({'|'.join(_CHARACTERS)})")
_PLAIN = re.compile(r"__[A-Za-z]+__")
_FORBIDDEN = re.compile(r"[^a-zA-Z0-9_]")
_TREE_CLASSES = re.compile(r"TTree|TNtupleD?|TChain|ROOT::(Experimental::)?RNTuple")
_FIXED_WIDTH = re.compile(r"std::u?int\d+_t")
_HEADER_BYTES = 20
_LARGE_FILE_VERSION = 1_000_000


def escape(variable: str) -> str:
    """Return the name of the branch in which basf2 writes a variable: its makeROOTCompatible.

    Characters without a substitution are dropped, as basf2 does.

    Examples
    --------
    >>> escape("daughter(0, p)")
    'daughter__bo0__cm__spp__bc'
    >>> escape("__weight__")
    '__weight__'
    """
    return _FORBIDDEN.sub("", "".join(f"__{_CODES[c]}" if c in _CODES else c for c in variable))


def unescape(branch: str) -> str:
    """Return the variable that basf2 writes in a branch; the inverse of `escape` for names without ``__``.

    Names such as ``__production__``, which basf2 does not escape, come back unchanged.

    Examples
    --------
    >>> unescape("daughter__bo0__cm__spp__bc")
    'daughter(0, p)'
    """
    if _PLAIN.fullmatch(branch):
        return branch
    return _ESCAPED.sub(lambda match: _CHARACTERS[match[1]], branch)


def branch_name(variable: str, names: Mapping[str, str]) -> str:
    """Return the branch that holds a variable: that of the name table, else the escaped name."""
    return names.get(variable, escape(variable))


@dataclass(frozen=True, slots=True, kw_only=True)
class NtupleInfo:
    """What a file holds."""

    path: Path
    """The file."""
    tree: str
    """Name of the TTree or RNTuple."""
    kind: str
    """``TTree`` or ``RNTuple``."""
    rows: int
    """Number of rows."""
    variables: tuple[str, ...]
    """Variables of all branches, unescaped, in the order of the file."""
    basket_bytes: float
    """Mean uncompressed size of a basket of the needed branches [bytes]; NaN for an RNTuple, or without baskets."""
    clusters: tuple[int, ...]
    """Rows at which the baskets of all needed branches end together, from 0 to the number of rows."""

    @property
    def rows_per_cluster(self) -> float:
        """Mean rows of a cluster; below some thousand the file is slow to read."""
        return self.rows / max(len(self.clusters) - 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """How a sample was simulated: the row of the tree ``simulation``."""

    process: str
    """Name of the process, or ``pseudodata``."""
    mass: float
    """Mass of the signal [GeV]; NaN for a background."""
    coupling: float
    """Coupling of the signal; NaN for a background."""
    cross_section: float
    """Cross section of the generated events [fb], without a branching ratio; NaN for pseudo-data."""
    cross_section_error: float
    """Its statistical uncertainty [fb]."""
    generated: int
    """Generated events."""
    luminosity: float
    """Luminosity that the weights stand for [fb^-1]."""
    seed: int
    """Seed of the analysis."""
    sum_of_weights: float
    """Cross section times luminosity: expected events before any acceptance."""
    effective_events: float
    """(sum w)^2 / sum w^2 of all generated events."""


@contextmanager
def reading(path: Path, tree: str) -> Iterator[None]:
    """Turn whatever goes wrong while a file is read into an `NtupleError` that names file and tree.

    Raises
    ------
    NtupleError
        For any exception but one of bumphunt's own, lack of memory, and interrupts.
    """
    try:
        yield
    except (NtupleError, InputError, MemoryError):
        raise
    except Exception as error:
        _refuse_truncated(path)
        reason = " ".join(str(error).split())[:160]
        msg = f"{path}: tree {tree!r} cannot be read, the file is damaged ({type(error).__name__}: {reason})"
        raise NtupleError(msg) from error


def _refuse_truncated(path: Path) -> None:
    """Raise if a file is missing, is no ROOT file, or is shorter than its header says."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except FileNotFoundError:
        msg = f"{path}: there is no such file"
        raise NtupleError(msg) from None
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise NtupleError(msg) from None
    if size == 0:
        msg = f"{path}: the file is empty (0 bytes)"
        raise NtupleError(msg)
    if header[:4] != b"root" or len(header) < _HEADER_BYTES:
        msg = f"{path}: is no ROOT file (it starts with {header[:4]!r})"
        raise NtupleError(msg)
    # big-endian: magic, version, first record, end of the last one; the latter has 64 bits in large files
    version, _, end = struct.unpack(">iii", header[4:16])
    if version >= _LARGE_FILE_VERSION:
        end = struct.unpack(">q", header[12:20])[0]
    if size < end:
        msg = f"{path}: truncated, {size} bytes of {end}; copy it again"
        raise NtupleError(msg)


@contextmanager
def open_tree(path: Path, tree: str) -> Iterator[Any]:
    """Open a TTree or RNTuple for reading.

    Raises
    ------
    NtupleError
        If the file is missing, no ROOT file, truncated or damaged, or has no such tree, also when that is found while
        the tree is in use.
    """
    _refuse_truncated(path)
    with reading(path, tree), uproot.open(path) as file:
        classes = file.classnames(cycle=False)
        trees = [name for name, kind in classes.items() if _TREE_CLASSES.fullmatch(kind)]
        if tree not in trees:
            there = f"; there are {', '.join(map(repr, sorted(trees)))}" if trees else "; there is no tree at all"
            msg = f"{path}: there is no tree {tree!r}{there}"
            raise NtupleError(msg)
        yield file[tree]


def inspect(
    path: Path, *, tree: str, variables: Sequence[str], names: Mapping[str, str], allow_empty: bool = False
) -> NtupleInfo:
    """Return what a file holds, after a check that every needed variable is there.

    Parameters
    ----------
    path
        The file.
    tree
        Name of the TTree or RNTuple.
    variables
        basf2 names of the variables that will be read.
    names
        Name table: branch by variable, for branches that are not called by the escaped name.
    allow_empty
        Whether a tree without rows is fine.

    Raises
    ------
    NtupleError
        If the file cannot be used: see `open_tree`; or a branch is missing, does not hold one number a row, or the tree
        has no rows.
    """
    with open_tree(path, tree) as source:
        present = list(source.keys())
        branches = _find_branches(path, tree, source, variables, names)
        rows = int(source.num_entries)
        if rows == 0 and not allow_empty:
            msg = f"{path}: tree {tree!r} is empty (0 rows)"
            raise NtupleError(msg)
        return NtupleInfo(
            path=path,
            tree=tree,
            kind="RNTuple" if "RNTuple" in source.classname else "TTree",
            rows=rows,
            variables=tuple(unescape(name) for name in present),
            basket_bytes=basket_bytes(source, branches),
            clusters=_clusters(source, branches),
        )


def _find_branches(path: Path, tree: str, source: Any, variables: Sequence[str], names: Mapping[str, str]) -> list[str]:
    """Return the branches of the variables.

    Raises
    ------
    NtupleError
        If one is missing, or holds something else than one number a row.
    """
    typenames = source.typenames()
    branches = [branch_name(variable, names) for variable in variables]
    for variable, branch in zip(variables, branches, strict=True):
        if branch not in typenames:
            near = difflib.get_close_matches(branch, typenames, n=3, cutoff=0.5)
            hint = f"; closest are {', '.join(map(repr, near))}" if near else ""
            msg = f"{path}: tree {tree!r} has no branch {branch!r} for the variable {variable!r}{hint}; if it has another name, say so under ntuples.names"  # noqa: E501
            raise NtupleError(msg)
        if re.search(r"[][<:*]|string", typenames[branch]) and not _FIXED_WIDTH.fullmatch(typenames[branch]):
            msg = f"{path}: tree {tree!r}: branch {branch!r} holds {typenames[branch]}, not one number a row"
            raise NtupleError(msg)
    return branches


def basket_bytes(source: Any, branches: Sequence[str]) -> float:
    """Return the mean uncompressed size of the baskets of branches of a tree [bytes]; NaN where there are none."""
    if hasattr(source, "cluster_summaries"):
        return float("nan")
    baskets = sum(source[branch].num_baskets for branch in branches)
    return sum(source[branch].uncompressed_bytes for branch in branches) / baskets if baskets else float("nan")


def _clusters(source: Any, branches: list[str]) -> tuple[int, ...]:
    """Return the rows at which reading can stop without cutting a basket."""
    if hasattr(source, "cluster_summaries"):
        starts = [int(summary.num_first_entry) for summary in source.cluster_summaries]
        return (*starts, int(source.num_entries)) if starts else (0,)
    if int(source.num_entries) == 0:
        return (0,)
    return tuple(int(row) for row in source.common_entry_offsets(filter_name=branches or None))


def read_columns(
    path: Path,
    *,
    tree: str,
    variables: Sequence[str],
    names: Mapping[str, str],
    start: int | None = None,
    stop: int | None = None,
) -> dict[str, NDArray[Any]]:
    """Return columns by variable, shape (R,), of the rows from `start` up to `stop` (all unless given).

    Raises
    ------
    NtupleError
        As for `inspect`, but that a tree may be empty.
    """
    with open_tree(path, tree) as source:
        branches = _find_branches(path, tree, source, variables, names)
        arrays = source.arrays(list(dict.fromkeys(branches)), entry_start=start, entry_stop=stop, library="ak")
        return {
            variable: np.asarray(ak.to_numpy(arrays[branch], allow_missing=False))
            for variable, branch in zip(variables, branches, strict=True)
        }


def read_simulation(path: Path) -> Simulation:
    """Return how a sample was simulated.

    Raises
    ------
    NtupleError
        If the file cannot be read, was not written by bumphunt's simulation, or its record is not one row.
    """
    with open_tree(path, SIMULATION_TREE) as source:
        rows = source.arrays(library="ak").to_list()
        needed = {field.name for field in fields(Simulation)}
        if len(rows) != 1 or not needed <= rows[0].keys():
            msg = f"{path}: tree {SIMULATION_TREE!r} has {len(rows)} rows with {sorted(rows[0]) if rows else []}, not one row of a simulation"  # noqa: E501
            raise NtupleError(msg)
        return Simulation(**{name: rows[0][name] for name in needed})


def write_tree(
    path: Path,
    chunks: Iterable[Columns],
    *,
    tree: str = "events",
    simulation: Callable[[], Simulation] | None = None,
) -> int:
    """Write columns as a TTree with large baskets and return the number of rows.

    The rows go to a temporary file in the same folder, which gets its name when it is complete: whatever happens
    before, an interrupt included, leaves no file and an older file of that name as it was.

    Parameters
    ----------
    path
        The file; its folder is made if needed.
    chunks
        Columns by basf2 variable name, of equal length, the same variables in each chunk; at least one chunk.
    tree
        Name of the tree.
    simulation
        Called after the last chunk, for the record of how the sample was simulated.

    Raises
    ------
    InputError
        If there is no chunk, or a chunk has other variables than the first, or columns of different lengths.
    NtupleError
        If the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with uproot.recreate(partial, compression=uproot.LZ4(1)) as file:
            rows = _fill(file, tree, chunks)
            if simulation is not None:
                write_simulation(file, simulation())
        os.replace(partial, path)  # noqa: PTH105
    except OSError as error:
        msg = f"{path}: cannot be written: {error}"
        raise NtupleError(msg) from error
    finally:
        partial.unlink(missing_ok=True)
    return rows


def _fill(file: Any, tree: str, chunks: Iterable[Columns]) -> int:
    """Write the chunks, gathered to large baskets, and return the number of rows."""
    writer: Any = None
    dtypes: dict[str, np.dtype[Any]] = {}
    waiting: list[Columns] = []
    n_waiting = rows = 0

    def flush() -> None:
        if n_waiting:
            writer.extend({escape(name): np.concatenate([chunk[name] for chunk in waiting]) for name in dtypes})

    for chunk in chunks:
        if writer is None:
            dtypes = {name: values.dtype for name, values in chunk.items()}
            writer = file.mktree(tree, {escape(name): dtype for name, dtype in dtypes.items()})
        size = _rows_of(chunk, dtypes)
        rows, n_waiting = rows + size, n_waiting + size
        waiting.append(chunk)
        if n_waiting >= BASKET_ROWS:
            flush()
            waiting, n_waiting = [], 0
    if writer is None:
        msg = f"tree {tree!r}: no chunk to write; give at least one, which may have no rows"
        raise InputError(msg)
    flush()
    return rows


def _rows_of(chunk: Columns, dtypes: Mapping[str, np.dtype[Any]]) -> int:
    """Return the rows of a chunk that must have the variables of the first one."""
    if chunk.keys() != dtypes.keys():
        msg = f"a chunk has the variables {sorted(chunk)}; the first one has {sorted(dtypes)}"
        raise InputError(msg)
    sizes = {values.shape for values in chunk.values()}
    if len(sizes) != 1 or len(shape := next(iter(sizes))) != 1:
        msg = f"columns of a chunk have the shapes {sorted(sizes)}; they must be one-dimensional and equally long"
        raise InputError(msg)
    return int(shape[0])


def write_simulation(file: Any, simulation: Simulation) -> None:
    """Write the one-row tree that says how a sample was simulated into an open file."""
    row = {field.name: getattr(simulation, field.name) for field in fields(simulation)}
    types = {name: {str: "string", int: np.dtype("i8"), float: np.dtype("f8")}[type(v)] for name, v in row.items()}
    writer = file.mktree(SIMULATION_TREE, types)
    writer.extend({name: ak.Array([v]) if isinstance(v, str) else np.array([v]) for name, v in row.items()})
