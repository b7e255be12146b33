"""Names of branches: escaped as basf2 does it, since ROOT dislikes most characters, or those of a name table."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["branch_name", "escape"]

_CODES = {
    " ": "sp", ",": "cm", ":": "cl", "=": "eq", "<": "st", ">": "gt", ".": "pt", "+": "pl", "-": "mi", "(": "bo",
    ")": "bc", "{": "co", "}": "cc", "[": "so", "]": "sc", "`": "to", "´": "tc", "^": "ha", "°": "ci", "$": "do",
    "§": "pa", "%": "pr", "!": "em", "?": "qm", ";": "sm", "#": "hs", "*": "mu", "/": "sl", "\\": "bl", "'": "sq",
    '"': "dq", "~": "ti", "|": "pi", "&": "am", "@": "at",
}  # fmt: skip
"""The substitutions of basf2's makeROOTCompatible (framework/utilities/src/MakeROOTCompatible.cc)."""
_FORBIDDEN = re.compile(r"[^a-zA-Z0-9_]")


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


def branch_name(variable: str, names: Mapping[str, str]) -> str:
    """Return the branch that holds a variable: that of the name table, else the escaped name."""
    return names.get(variable, escape(variable))
