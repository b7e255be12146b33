"""A copy of an ntuple with large baskets.

basf2 writes baskets of 1600 bytes, 200 numbers of a branch: a file of two million rows and 55 branches has half a
million of them, and every one must be found, unpacked and joined. `packing_advice` says whether a file is like that,
and `repack` writes the same rows with baskets of a megabyte, in flat memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import uproot
from numpy.typing import NDArray

from bumphunt.errors import InputError, NtupleError
from workflows.ntuples.contents import NtupleInfo, basket_bytes, is_number
from workflows.ntuples.opening import open_tree, reading
from workflows.ntuples.simulation_record import SIMULATION_TREE, read_simulation, write_simulation
from workflows.whole_file import whole_file

__all__ = ["Repacked", "packing_advice", "repack"]

SMALL_BASKET = 32_768
"""Mean size below which baskets are slow to read [bytes]: a twentieth of the speed at basf2's 1600 bytes."""
MANY_ROWS = 50_000
"""Rows from which on it matters."""
CHUNK_BYTES = 64_000_000
"""Bytes of a chunk of all branches, and with that the size of the baskets."""
MOST_ROWS = 500_000
LEAST_ROWS = 8_192
"""Rows of a chunk, whatever the number of branches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repacked:
    """What `repack` did."""

    rows: int
    """Rows that were copied."""
    branches: int
    """Branches that were copied."""
    left_out: tuple[str, ...]
    """Branches and other objects of the file that are not in the copy."""
    basket_bytes_before: float
    """Mean uncompressed size of a basket of the source [bytes]."""
    basket_bytes_after: float
    """The same of the copy [bytes]."""


def packing_advice(info: NtupleInfo) -> str | None:
    """Return what to do about a file whose baskets are slow to read, as one sentence; None where they are fine.

    Parameters
    ----------
    info
        The file.
    """
    if info.rows < MANY_ROWS or not info.basket_bytes < SMALL_BASKET:
        return None
    copy = "the copy on this machine and OUT.root"
    if isinstance(info.path, Path):
        copy = f"{info.path} {info.path.with_stem(info.path.stem + '_repacked')}"
    return (
        f"{info.path}: its baskets hold {info.basket_bytes:.0f} bytes on average, so that it is read up to twenty"
        f" times slower than it could be; make a copy with large ones: bumphunt repack {copy}"
    )


def repack(
    source: Path,
    target: Path,
    *,
    tree: str = "events",
    skip: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Repacked:
    """Write a copy of a TTree with large baskets, with the record of a simulation if there is one.

    The copy gets its name when all rows were counted in it, see `workflows.whole_file.whole_file`.

    Parameters
    ----------
    source
        The file.
    target
        The copy; its folder is made if needed.
    tree
        Name of the TTree.
    skip
        Leave out branches that do not hold one number a row, instead of stopping.
    progress
        Called with rows done and rows in all after each chunk.

    Raises
    ------
    InputError
        If the target exists, or a branch does not hold one number a row.
    NtupleError
        If a file cannot be read or written, is no TTree, or the copy has other rows than the source.
    """
    if target.exists():
        msg = f"{target}: is there already; choose another name, or remove it"
        raise InputError(msg)
    with whole_file(target) as partial:
        with open_tree(source, tree) as content:
            types, other = _types(source, tree, content)
            if other and not skip:
                msg = f"{source}: tree {tree!r}: {_list(other)} do not hold one number a row; skip them with --skip"
                raise InputError(msg)
            rows, before = int(content.num_entries), basket_bytes(content, list(types))
            _copy(source, tree, content, types, partial, progress)
        with open_tree(partial, tree) as copy:
            written = {name: int(copy[name].num_entries) for name in types}
            after = basket_bytes(copy, list(types))
        if wrong := {name: n for name, n in written.items() if n != rows}:
            msg = f"{partial}: {wrong} rows were written of {rows}; the disk may be full"
            raise NtupleError(msg)
    left_out = (*other, *sorted(_objects(source) - {tree, SIMULATION_TREE}))
    return Repacked(
        rows=rows, branches=len(types), left_out=left_out, basket_bytes_before=before, basket_bytes_after=after
    )


def _list(names: tuple[str, ...], most: int = 5) -> str:
    """Return names as text, the first few."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more


def _types(source: Path, tree: str, content: Any) -> tuple[dict[str, np.dtype[Any]], tuple[str, ...]]:
    """Return the types of the branches that hold one number a row, and the names of the others.

    Raises
    ------
    NtupleError
        If it is no TTree, or no branch is of that kind.
    """
    if "RNTuple" in content.classname:
        msg = f"{source}: {tree!r} is an RNTuple, which is written in large clusters; it needs no repacking"
        raise NtupleError(msg)
    types, other = {}, []
    for branch in content.branches:
        if is_number(content, branch.name):
            types[branch.name] = np.dtype(branch.interpretation.numpy_dtype).newbyteorder("=")
        else:
            other.append(branch.name)
    if not types:
        msg = f"{source}: tree {tree!r} has no branch that holds one number a row"
        raise NtupleError(msg)
    return types, tuple(other)


def _copy(
    source: Path,
    tree: str,
    content: Any,
    types: dict[str, np.dtype[Any]],
    partial: Path,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Write the rows to a new file."""
    simulation = read_simulation(source) if SIMULATION_TREE in _objects(source) else None
    try:
        with uproot.recreate(partial, compression=uproot.LZ4(1)) as file:
            writer = file.mktree(tree, types)
            for done, chunk in _chunks(source, tree, content, types):
                writer.extend(chunk)
                if progress is not None:
                    progress(done, int(content.num_entries))
            if simulation is not None:
                write_simulation(file, simulation)
    except OSError as error:
        msg = f"{partial}: cannot be written: {error}"
        raise NtupleError(msg) from error


def _objects(path: Path) -> set[str]:
    """Return the names of everything in a file."""
    with uproot.open(path) as file:
        return set(file.keys(cycle=False))


def _chunks(
    source: Path, tree: str, content: Any, types: dict[str, np.dtype[Any]]
) -> Iterator[tuple[int, dict[str, NDArray[Any]]]]:
    """Yield the rows read so far, and chunks of all branches."""
    rows = int(content.num_entries)
    size = min(MOST_ROWS, max(LEAST_ROWS, CHUNK_BYTES // sum(t.itemsize for t in types.values())))
    for start in range(0, rows, size):
        stop = min(start + size, rows)
        with reading(source, tree):
            arrays = content.arrays(list(types), entry_start=start, entry_stop=stop, library="np", array_cache=None)
        yield stop, {name: np.asarray(arrays[name], dtype=kind) for name, kind in types.items()}
