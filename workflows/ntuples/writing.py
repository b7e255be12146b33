"""Writing ntuples in the layout of basf2's VariablesToNtuple, with large baskets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import uproot
from numpy.typing import NDArray

from bumphunt.errors import InputError, NtupleError
from workflows.ntuples.branches import escape
from workflows.ntuples.simulation_record import Simulation, write_simulation
from workflows.whole_file import whole_file

__all__ = ["BASKET_ROWS", "Columns", "write_tree"]

Columns = Mapping[str, NDArray[Any]]

BASKET_ROWS = 100_000
"""Least number of rows in a basket, but for the last one: small baskets are slow to read."""


def write_tree(
    path: Path,
    chunks: Iterable[Columns],
    *,
    tree: str = "events",
    simulation: Callable[[], Simulation] | None = None,
) -> int:
    """Write columns as a TTree with large baskets and return the number of rows.

    The file gets its name when it is complete, see `workflows.whole_file.whole_file`.

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
    try:
        with whole_file(path) as partial, uproot.recreate(partial, compression=uproot.LZ4(1)) as file:
            rows = _fill(file, tree, chunks)
            if simulation is not None:
                write_simulation(file, simulation())
    except OSError as error:
        msg = f"{path}: cannot be written: {error}"
        raise NtupleError(msg) from error
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
