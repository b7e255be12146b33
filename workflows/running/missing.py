"""Rows that could not be read."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Missing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Rows that could not be read.

    Parameters
    ----------
    file, tree
        Where.
    start, stop
        Entry range; None for a whole file of unknown size.
    reason
        What went wrong, as one line.
    """

    file: str
    tree: str
    start: int | None
    stop: int | None
    reason: str
