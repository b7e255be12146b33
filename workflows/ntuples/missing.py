"""Branches that files should have and do not: all of them in one error, with the names that are closest."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence

from bumphunt.errors import NtupleError
from workflows.storage.addresses import Place

__all__ = ["MissingBranchesError", "all_missing", "no_branches"]

FEW = 12
"""So many names or fewer are all listed where none is close."""
LISTED = 2
"""Files that are named, of those that lack the same branches."""


class MissingBranchesError(NtupleError):
    """A file does not have some branches.

    Parameters
    ----------
    path, tree
        The file, and its tree; "" for a file without one.
    missing
        What is missing, each as text with the closest names.
    """

    def __init__(self, path: Place, tree: str, missing: tuple[str, ...]) -> None:
        super().__init__(path, tree, missing)
        self.path, self.tree, self.missing = path, tree, missing

    def __str__(self) -> str:
        """Return the file, what is missing, and the way out."""
        return f"{_sentence([self])}; {_way_out([self])}"


def no_branches(path: Place, tree: str, missing: Mapping[str, str], there: Collection[str]) -> MissingBranchesError:
    """Return the error about branches that a file does not have.

    Parameters
    ----------
    path, tree
        The file, and its tree.
    missing
        Branch by variable.
    there
        The branches that it has.
    """
    return MissingBranchesError(
        path, tree, tuple(_closest(b, v, there, alone=len(missing) == 1) for v, b in missing.items())
    )


def _closest(branch: str, variable: str, there: Collection[str], *, alone: bool) -> str:
    """Return a branch that is missing as text, with those of a similar name, or all of a few if it is missing alone."""
    near = [name for name in there if name.lower() == branch.lower()]
    near += [name for name in difflib.get_close_matches(branch, there, n=3, cutoff=0.5) if name not in near]
    hint = f" (closest are {', '.join(map(repr, near))})" if near else ""
    if alone and not near and len(there) <= FEW:
        hint = f" (there are {', '.join(map(repr, sorted(there))) or 'none'})"
    return f"{branch!r} for the variable {variable!r}{hint}"


def all_missing(errors: Sequence[MissingBranchesError]) -> NtupleError:
    """Return one error about what several files do not have: those that lack the same in one sentence."""
    if len(errors) == 1:
        return errors[0]
    alike: dict[tuple[str, tuple[str, ...]], list[MissingBranchesError]] = {}
    for error in errors:
        alike.setdefault((error.tree, error.missing), []).append(error)
    return NtupleError("; ".join([*map(_sentence, alike.values()), _way_out(errors)]))


def _sentence(alike: Sequence[MissingBranchesError]) -> str:
    """Return what files that lack the same branches do not have."""
    more = f" and {len(alike) - LISTED} more files" if len(alike) > LISTED else ""
    files = ", ".join(str(error.path) for error in alike[:LISTED])
    where = f"tree {alike[0].tree!r} has no branch" if alike[0].tree else "has no column"
    return f"{files}{more}: {where} {'; nor '.join(alike[0].missing)}"


def _way_out(errors: Sequence[MissingBranchesError]) -> str:
    """Return what can be done."""
    it = "it has another name" if {len(error.missing) for error in errors} == {1} else "they have other names"
    return f"if {it}, say so under ntuples.names (of a spectrum: data.column)"
