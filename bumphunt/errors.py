"""Exceptions a caller may branch on.

Every error of bumphunt derives from `BumphuntError`; its message is one line that names the offending value and says
what would be right. Bad arguments of a library function raise `InputError`, which is a `ValueError` too.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["BumphuntError", "ConfigError", "FitError", "IncompleteError", "InputError", "NtupleError", "unknown_name"]


class BumphuntError(Exception):
    """Base of every error raised on purpose by bumphunt."""


class InputError(BumphuntError, ValueError):
    """An argument has a value that makes no sense (negative counts, a mass beyond the kinematic limit, ...)."""


class FitError(BumphuntError):
    """A fit has no minimum that can be trusted, where the caller asked for a number and not for a status."""


class ConfigError(BumphuntError):
    """The YAML of an analysis is wrong: names the file, the key (with its line where known) and the value."""


class NtupleError(BumphuntError):
    """An ntuple cannot be used: missing, truncated, empty, without a branch, with NaN; names file, tree and branch."""


class IncompleteError(NtupleError):
    """Rows that should have been processed were not; names file, tree and entry range."""


def unknown_name(what: str, name: str, known: Iterable[str]) -> str:
    """Return the message for a name that does not exist, with the nearest that does.

    Examples
    --------
    >>> unknown_name("detector", "bele2", ["belle2", "babar"])
    "detector 'bele2' is not known; did you mean 'belle2'?"
    """
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"{what} {name!r} is not known; " + (
        f"did you mean {near[0]!r}?" if near else f"known are {', '.join(names)}"
    )
