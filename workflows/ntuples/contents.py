"""What an ntuple holds, and its columns by basf2 variable: one row is one candidate, one branch one variable."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from uproot.interpretation.jagged import AsJagged
from uproot.interpretation.numerical import Numerical

from bumphunt.errors import NtupleError
from workflows.ntuples.branches import branch_name
from workflows.ntuples.flat_files import inspect_flat, is_flat
from workflows.ntuples.missing import no_branches
from workflows.ntuples.opening import open_tree
from workflows.storage.addresses import Place
from workflows.storage.files import FileState, state_of

__all__ = ["NtupleInfo", "basket_bytes", "inspect", "is_number", "read_columns"]

_LIST = re.compile(r"(?:(?:std::)?vector|ROOT::VecOps::RVec)<(.+)>")
_NUMBER = re.compile(r"bool|char|float|double|(std::)?u?int\d+_t|std::atomic<std::u?int\d+_t>")
"""Types of the fields of an RNTuple that hold one number a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NtupleInfo:
    """What a file holds."""

    path: Place
    """The file."""
    tree: str
    """Name of the TTree or RNTuple; "" where there is no tree."""
    kind: str
    """``TTree``, ``RNTuple``, ``CSV`` or ``Parquet``."""
    rows: int
    """Number of rows."""
    basket_bytes: float
    """Mean uncompressed size of a basket of the needed branches [bytes]; NaN where there are no baskets."""
    clusters: tuple[int, ...]
    """Rows at which the baskets of all needed branches end together, from 0 to the number of rows."""
    state: FileState
    """The state of the file before it was opened."""
    absent: tuple[str, ...] = ()
    """Needed variables that are not there, and need not be."""

    @property
    def rows_per_cluster(self) -> float:
        """Mean rows of a cluster; below some thousand the file is slow to read."""
        return self.rows / max(len(self.clusters) - 1, 1)


def inspect(
    path: Place,
    *,
    tree: str,
    variables: Sequence[str],
    names: Mapping[str, str],
    jagged: Collection[str] = (),
    optional: Collection[str] = (),
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
    jagged
        Variables of which a row holds any number of values.
    optional
        Variables that need not be there.

    Raises
    ------
    MissingBranchesError
        If branches are missing, all of which are named.
    NtupleError
        If the file cannot be used: see `open_tree` and `workflows.ntuples.flat_files`; or a branch does not hold one
        number a row, or a list of numbers where it is jagged. A tree may have no rows.
    """
    if is_flat(path):
        kind, rows, clusters, absent, state = inspect_flat(path, variables, names, jagged, optional)
        return NtupleInfo(
            path=path,
            tree="",
            kind=kind,
            rows=rows,
            basket_bytes=float("nan"),
            clusters=clusters,
            state=state,
            absent=absent,
        )
    with open_tree(path, tree) as source:
        state = state_of(path)
        there = source.typenames()
        absent = tuple(v for v in variables if v in optional and branch_name(v, names) not in there)
        branches = _find_branches(path, tree, source, [v for v in variables if v not in absent], names, jagged)
        _refuse_contradictions(path, tree, source, branches)
        return NtupleInfo(
            path=path,
            tree=tree,
            kind="RNTuple" if "RNTuple" in source.classname else "TTree",
            rows=int(source.num_entries),
            basket_bytes=basket_bytes(source, branches),
            clusters=_clusters(source, branches),
            state=state,
            absent=absent,
        )


def _refuse_contradictions(path: Place, tree: str, source: Any, branches: Sequence[str]) -> None:
    """Raise for a TTree that says another number of rows than its branches: rows would be lost without a word.

    Raises
    ------
    NtupleError
        If so.
    """
    if hasattr(source, "cluster_summaries"):
        return
    for name in branches:
        there = {int(source[name].num_entries), int(source[name].entry_offsets[-1])}
        if there != {int(source.num_entries)}:
            rows = " or ".join(map(str, sorted(there)))
            msg = (
                f"{path}: tree {tree!r} has {source.num_entries} rows, but branch {name!r} {rows}: the file is damaged"
            )
            raise NtupleError(msg)


def _find_branches(
    path: Place,
    tree: str,
    source: Any,
    variables: Sequence[str],
    names: Mapping[str, str],
    jagged: Collection[str] = (),
) -> list[str]:
    """Return the branches of the variables.

    Raises
    ------
    MissingBranchesError
        If some are missing.
    NtupleError
        If one holds something else than one number a row, or a list of
        numbers where it is jagged.
    """
    typenames = source.typenames()
    branches = [branch_name(variable, names) for variable in variables]
    if missing := {v: branch for v, branch in zip(variables, branches, strict=True) if branch not in typenames}:
        raise no_branches(path, tree, missing, list(typenames))
    for variable, branch in zip(variables, branches, strict=True):
        if variable in jagged:
            if not is_list(source, branch):
                msg = (
                    f"{path}: tree {tree!r}: branch {branch!r} holds {typenames[branch]}, no list of numbers a row as"
                    f" the search reads {variable!r}"
                )
                raise NtupleError(msg)
        elif not is_number(source, branch):
            what = _way_out(source, branch, typenames)
            msg = f"{path}: tree {tree!r}: branch {branch!r} holds {typenames[branch]}, not one number a row{what}"
            raise NtupleError(msg)
    return branches


def is_number(source: Any, branch: str) -> bool:
    """Return whether a branch of an open tree holds one number a row, by the way in which it would be read.

    Parameters
    ----------
    source
        The TTree or RNTuple.
    branch
        One of its branches.
    """
    if hasattr(source, "cluster_summaries"):
        # uproot reads fields of a structure with the structure only
        return "." not in branch and _NUMBER.fullmatch(source.typenames()[branch]) is not None
    return _is_plain(source[branch].interpretation)


def _is_plain(interpretation: Any) -> bool:
    """Return whether an interpretation of uproot is that of one number."""
    if not isinstance(interpretation, Numerical):
        return False
    kind = np.dtype(interpretation.numpy_dtype)
    return kind.kind in "biuf" and kind.shape == ()


def is_list(source: Any, branch: str) -> bool:
    """Return whether a branch of an open tree holds one list of numbers a row, as ``vector<float>`` or ``float[n]``.

    Parameters
    ----------
    source
        The TTree or RNTuple.
    branch
        One of its branches.
    """
    if hasattr(source, "cluster_summaries"):
        found = _LIST.fullmatch(source.typenames()[branch])
        return "." not in branch and found is not None and _NUMBER.fullmatch(found[1]) is not None
    interpretation = source[branch].interpretation
    return isinstance(interpretation, AsJagged) and _is_plain(interpretation.content)


def _way_out(source: Any, branch: str, typenames: Mapping[str, str]) -> str:
    """Return what can be done about a branch that holds something else than a number, as the end of a sentence."""
    if is_list(source, branch):
        return " (a list of numbers: `jagged=True` of the search's `Variable` reads it)"
    if hasattr(source, "cluster_summaries"):
        inside = "." in branch or any(name.startswith(f"{branch}.") for name in typenames)
        return " (fields of a structure are not read: write each as a field of its own)" if inside else ""
    parts = [name for name in typenames if name.startswith(f"{branch}/") and is_number(source, name)]
    if parts:
        return f" (name one of its parts under ntuples.names, such as {parts[0]!r})"
    if typenames[branch].startswith("struct"):
        return " (a list of leaves is not read: write each as a branch of its own)"
    return ""


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
    path: Place,
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
        As for `inspect`.
    """
    with open_tree(path, tree) as source:
        branches = _find_branches(path, tree, source, variables, names)
        arrays = source.arrays(list(dict.fromkeys(branches)), entry_start=start, entry_stop=stop, library="ak")
        return {
            variable: np.asarray(ak.to_numpy(arrays[branch], allow_missing=False))
            for variable, branch in zip(variables, branches, strict=True)
        }
