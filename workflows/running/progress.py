"""How far a task is: what long tasks tell a progress bar."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Progress", "silent"]

Progress = Callable[[str, int, int], None]
"""Called with the name of a task, what is done of it, and all of it."""


def silent(task: str, done: int, total: int) -> None:
    """Tell nobody."""
    del task, done, total
