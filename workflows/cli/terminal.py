"""What is printed: lines, tables, progress bars, and the line after Ctrl-C."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBars
from rich.table import Table

if TYPE_CHECKING:
    from workflows.running.progress import Progress

__all__ = ["BAD_INPUT", "INTERRUPTED", "NOT_VERIFIED", "at_work", "err", "interrupted", "progress_bars", "say", "show"]

out = Console()
err = Console(stderr=True)

NOT_VERIFIED, BAD_INPUT, INTERRUPTED = 1, 2, 130
GIVES_WAY = ("quantity", "toys")
"""Columns that are wrapped on a narrow screen."""


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """Yield a function (task, done, total) that moves progress bars; silent when standard error is no terminal."""
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    columns = (TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn())
    with ProgressBars(*columns, *times, console=err, disable=not err.is_terminal, transient=True) as bars:
        tasks: dict[str, int] = {}

        def advance(task: str, done: int, total: int) -> None:
            if task not in tasks:
                tasks[task] = bars.add_task(task, total=total)
            bars.update(tasks[task], completed=done, total=total, visible=done < total)  # type: ignore[arg-type]

        yield advance


@contextmanager
def interrupted(message: str) -> Iterator[None]:
    """Leave with a message after Ctrl-C.

    Raises
    ------
    typer.Exit
        After Ctrl-C.
    """
    try:
        yield
    except KeyboardInterrupt:
        err.print(f"bumphunt: interrupted{message}", style="red", soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def at_work(folder: Path, message: str, *, shared: bool = False) -> Iterator[Progress]:
    """Hold a folder, show progress, and leave with a message after Ctrl-C."""
    from workflows.results import lock

    with interrupted(message), lock(folder, shared=shared), progress_bars() as progress:
        yield progress


def say(text: str) -> None:
    """Print a line as it is."""
    out.print(text, highlight=False, soft_wrap=True, markup=False)


def show(title: str, names: Sequence[str], rows: Iterable[Sequence[str]], *, text: Sequence[str] = ()) -> None:
    """Print a table; columns named in `text` hold words, the others numbers."""
    table = Table(title=escape(title), title_justify="left", box=None)
    for name in names:
        table.add_column(escape(name), justify="left" if name in text else "right", no_wrap=name not in GIVES_WAY)
    for row in rows:
        table.add_row(*map(escape, row))
    out.print(table)
